/*
 * HDFS in memory, for tests: two name nodes and two data nodes that speak WebHDFS on ports of 127.0.0.1,
 * one thread each.  What real ones were seen to answer (Hadoop 3.4), and as badly as a test wants it.
 *
 * Name nodes redirect to the first data node; to the second one when a data node is excluded.
 */
#ifndef VRV_T_FAKEHDFS_H
#define VRV_T_FAKEHDFS_H

#include <stdbool.h>
#include <stddef.h>

#include "t/lib/httpd.h"

struct fakehdfs;

enum { FAKEHDFS_AGE_MS = 5000 }; /* of each file, when it is listed */

enum fakehdfs_deed {
    FAKEHDFS_REFUSE, /* not done: an exception */
    FAKEHDFS_LOSE,   /* not done, and no answer */
    FAKEHDFS_KEEP,   /* done, and no answer */
    FAKEHDFS_HIDE,   /* done, and something between answers with this code */
    FAKEHDFS_HALF,   /* half of the bytes, and no answer */
    FAKEHDFS_LIE,    /* half of the bytes, and all is said to be well */
    FAKEHDFS_FLIP,   /* all of them, one changed, and all is said to be well */
};

/* What happens to the next operations of this name. */
struct fakehdfs_fault {
    const char *op;         /* "RENAME" */
    bool at_data;           /* at the data node, not at the name node */
    enum fakehdfs_deed deed;
    int code;               /* REFUSE, HIDE: HTTP's status, */
    const char *exception;  /* ... with this exception; NULL: none; */
    const char *message;    /* ... that says this; NULL: something */
    unsigned after, times;  /* so many pass before it begins, then so many suffer */
};

struct fakehdfs *fakehdfs_new(size_t page); /* names of a page of a list */
/* Over TLS, by certificates of testcert_make(), DIR/NAME; NULL: those have none.  URLs are swebhdfs:// where
 * name nodes have one. */
struct fakehdfs *fakehdfs_new_tls(size_t page, const char *names_cert, const char *data_cert);
void fakehdfs_free(struct fakehdfs **f);

/* "hdfs://127.0.0.1:1234,127.0.0.1:1235/root": both name nodes, or one alone. */
const char *fakehdfs_url(const struct fakehdfs *f);
const char *fakehdfs_url_of(const struct fakehdfs *f, int name_node);
struct httpd *fakehdfs_name(struct fakehdfs *f, int i);
struct httpd *fakehdfs_data(struct fakehdfs *f, int i);

/* In place of the one that was set before. */
void fakehdfs_fail(struct fakehdfs *f, struct fakehdfs_fault x);
void fakehdfs_stand_by(struct fakehdfs *f, int name_node, bool yes);
void fakehdfs_combine(struct fakehdfs *f, bool yes);   /* checksums of blocks */
void fakehdfs_no_reasons(struct fakehdfs *f, bool yes); /* RENAME answers as HttpFS: true or false */

/* Operations since the last time, those of data nodes in lower case: "CREATE create RENAME". */
const char *fakehdfs_heard(struct fakehdfs *f);
/* The query of the last one to a name node. */
const char *fakehdfs_query(struct fakehdfs *f);
/* How many files are below ~tmp. */
size_t fakehdfs_left(struct fakehdfs *f);
/* How many directories there are but the root and ~tmp. */
size_t fakehdfs_dirs(struct fakehdfs *f);

#endif
