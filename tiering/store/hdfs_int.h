/* Within the room: one call of the HDFS store, and the operations of WebHDFS that it takes, one after the
 * other on the thread that does the call. */
#ifndef VRV_STORE_HDFS_INT_H
#define VRV_STORE_HDFS_INT_H

#include <stdatomic.h>

#include "tiering/store/hdfs.h"
#include "tiering/store/pieces.h"
#include "tiering/store/tmp.h"
#include "tiering/store/workers.h"

#define VRV__HDFS_TMP "~tmp" /* no key can begin so */

enum {
    VRV__HDFS_NAMES_MAX = 8,      /* name nodes */
    VRV__HDFS_HOST_MAX = 256,     /* of one, with its port */
    VRV__HDFS_ROOT_MAX = 200,
    VRV__HDFS_PATH_MAX = VRV_STORE_KEY_MAX + 1,
    VRV__HDFS_AVOIDED_MAX = 8,    /* data nodes */
    VRV__HDFS_PARAMS_MAX = 24 * 1024, /* of one operation; Hadoop takes 64 KiB of headers */
};

/* Where a store is, as its URL says. */
struct vrv__hdfs_url {
    bool tls;
    unsigned n;
    char names[VRV__HDFS_NAMES_MAX][VRV__HDFS_HOST_MAX]; /* "nn1:9870" */
    char root[VRV__HDFS_ROOT_MAX + 1];  /* "/varve", or "" */
};

/* A data node that didn't answer. */
struct vrv__hdfs_avoided {
    char address[VRV_HTTP_PEER];
    int64_t until_ns; /* 0: none */
};

struct vrv__hdfs {
    struct vrv_store store;
    struct vrv__hdfs_url url;
    struct vrv_http *http;
    struct vrv_clock *clock;
    char *user, *token_file;
    struct vrv_workers *workers;
    struct vrv_tmp tmp;
    atomic_uint active;        /* the name node to ask first */
    atomic_bool reads_all;     /* the data nodes don't combine checksums */
    struct vrv_lock lock;      /* rank store: all below, and uploads' pieces */
    struct vrv__hdfs_avoided avoided[VRV__HDFS_AVOIDED_MAX];
};

/* A call that is being done. */
struct vrv__hdfs_job {
    struct vrv__hdfs *h;
    struct vrv_store_call *call;
    struct vrv_cq cq;
};

/* An operation of WebHDFS. */
struct vrv__hdfs_op {
    const char *method, *name;   /* "PUT", "RENAME" */
    const char *path;            /* below the root; "": the root itself */
    const char *params;          /* "&destination=...", or "" */
    bool redirects;              /* a data node does it */
    bool publishes;              /* it can't be taken back: when the answer is lost, that is UNKNOWN */
    const struct iovec *iov;     /* for the data node */
    int iov_n;
    uint64_t size;
    uint8_t *buf;                /* where its bytes go; NULL: text */
    size_t cap;
    /* the result */
    size_t got;
    int64_t date_ms;             /* what time the name node had; -1: it didn't say */
    char *text;                  /* with a zero behind; to be freed, also after a failure */
};

struct vrv__hdfs_stat {
    bool is_dir;
    uint64_t size, id, modified_ms;
};

/* ---- hdfs_url.c ---- */

int vrv__hdfs_url_parse(struct vrv__hdfs_url *u, const char *text, struct vrv_err *e) VRV_MUST_CHECK;

/* ---- hdfs_ask.c ---- */

/* Do an operation; errors in job->call->err.  Besides the store's statuses: CONFLICT, a directory isn't
 * empty. */
int vrv__hdfs_ask(struct vrv__hdfs_job *j, struct vrv__hdfs_op *op) VRV_MUST_CHECK;

/* ---- hdfs_error.c ---- */

/* What an answer that isn't a success says; `who` said it.  AGAIN: another name node must be asked. */
int vrv__hdfs_refused(const char *who, int code, const char *text, size_t n, struct vrv_err *e);

/* ---- hdfs_file.c: operations by name ---- */

int vrv__hdfs_stat(struct vrv__hdfs_job *j, const char *path, struct vrv__hdfs_stat *st) VRV_MUST_CHECK;
/* A new file with these bytes, and no others. */
int vrv__hdfs_create(struct vrv__hdfs_job *j, const char *path) VRV_MUST_CHECK;
/* NOTFOUND: the file isn't there, or not the directory it goes to. */
int vrv__hdfs_rename(struct vrv__hdfs_job *j, const char *from, const char *to) VRV_MUST_CHECK;
int vrv__hdfs_mkdirs(struct vrv__hdfs_job *j, const char *path) VRV_MUST_CHECK;
/* What isn't there is deleted; `all`: also what is in a directory. */
int vrv__hdfs_delete(struct vrv__hdfs_job *j, const char *path, bool all) VRV_MUST_CHECK;
/* Up to n bytes; the count in *got. */
int vrv__hdfs_read(struct vrv__hdfs_job *j, const char *path, uint64_t pos, uint8_t *buf, size_t n,
    size_t *got) VRV_MUST_CHECK;
int vrv__hdfs_concat(struct vrv__hdfs_job *j, const char *path, const char *params) VRV_MUST_CHECK;
/* An edit that changes nothing. */
int vrv__hdfs_touch(struct vrv__hdfs_job *j, const char *path, uint64_t modified_ms) VRV_MUST_CHECK;
/* Of the whole file, CRC-32C; not `combined`: only one of each block's checksums, which says nothing to us. */
int vrv__hdfs_checksum(struct vrv__hdfs_job *j, const char *path, bool *combined, uint32_t *crc)
    VRV_MUST_CHECK;

/* ---- hdfs_list.c ---- */

struct vrv__hdfs_entry {
    char *name;
    uint64_t size;
    int64_t age_ms; /* by the name node's clock; -1: it doesn't say */
    bool is_dir;
};

struct vrv__hdfs_page {
    struct vrv__hdfs_entry *v;
    size_t n;
    bool more;
};

/* Names in a directory behind that one, in order; *p is to be freed, also after a failure. */
int vrv__hdfs_page(struct vrv__hdfs_job *j, const char *dir, const char *after, struct vrv__hdfs_page *p)
    VRV_MUST_CHECK;
void vrv__hdfs_page_free(struct vrv__hdfs_page *p);

/* ---- hdfs_write.c, hdfs_read.c, hdfs_delete.c, hdfs_list.c: calls ---- */

int vrv__hdfs_put(struct vrv__hdfs_job *j);
int vrv__hdfs_begin(struct vrv__hdfs_job *j);
int vrv__hdfs_part(struct vrv__hdfs_job *j);
int vrv__hdfs_end(struct vrv__hdfs_job *j);
int vrv__hdfs_abort(struct vrv__hdfs_job *j);
void vrv__hdfs_upload_free(struct vrv__hdfs *h, struct vrv_store_upload *u);
int vrv__hdfs_get(struct vrv__hdfs_job *j);
int vrv__hdfs_verify(struct vrv__hdfs_job *j);
/* The checksum of a file that has as many bytes as the call's. */
int vrv__hdfs_sum(struct vrv__hdfs_job *j, const char *path, uint32_t *crc) VRV_MUST_CHECK;
int vrv__hdfs_delete_keys(struct vrv__hdfs_job *j);
int vrv__hdfs_list(struct vrv__hdfs_job *j);
int vrv__hdfs_sweep(struct vrv__hdfs_job *j);

#endif
