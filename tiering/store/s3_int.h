/*
 * What the parts of the S3 store share: an operation is a call on its way, one request after the
 * other.
 *
 * Threads: all but what `lock` guards belongs to the thread that takes `cq`.
 */
#ifndef VRV_STORE_S3_INT_H
#define VRV_STORE_S3_INT_H

#include <pthread.h>

#include "engine/base/list.h"
#include "engine/os/lock.h"
#include "tiering/store/credentials.h"
#include "tiering/store/s3.h"
#include "tiering/store/xml.h"

enum {
    VRV__S3_URL = 8192,
    VRV__S3_HEADERS = VRV_SIGV4_HEADERS_MAX,
    VRV__S3_HEADER_TEXT = 8192,
    VRV__S3_ID = 1024,       /* of an upload, with its zero */
    VRV__S3_ETAG = 128,
    VRV__S3_MD5 = 16,
    VRV__S3_PREFIX_MAX = 200,
    VRV__S3_OPTION_MAX = 256,
    VRV__S3_KEY = VRV__S3_PREFIX_MAX + 1 + VRV_STORE_KEY_MAX + 1,
};

/* What the store makes of x-amz-checksum-crc32c. */
enum vrv__s3_sums { VRV__S3_SUMS_UNSEEN, VRV__S3_SUMS_KEPT, VRV__S3_SUMS_IGNORED };

struct vrv__s3 {
    struct vrv_store store;
    /* fixed once it is open */
    char *url;               /* "s3://bucket/prefix", for people */
    char *bucket, *prefix;   /* the prefix is "" or ends with a slash */
    char *base, *host;       /* "https://host:port", and the host as in its header */
    char *root;              /* the path of the bucket: "/bucket", or "" where the host names it */
    char *region, *storage_class, *sse, *sse_kms_key, *tags;
    bool tls, threads;
    struct vrv_http *http;
    struct vrv_clock *clock;
    pthread_t thread;

    struct vrv_cq cq;
    struct vrv_creds *creds;
    enum vrv__s3_sums sums;
    struct vrv_done halt;
    bool halted;

    struct vrv_lock lock;
    struct vrv_list ops VRV_GUARDED_BY(lock);
    struct vrv_list uploads VRV_GUARDED_BY(lock);
};

struct vrv__s3_part {
    uint32_t size, crc;
    bool has_md5;
    uint8_t md5[VRV__S3_MD5];
    char etag[VRV__S3_ETAG]; /* as it came, with its quotes; "": the part isn't there */
};

struct vrv_store_upload {
    struct vrv_list link;    /* in uploads */
    char id[VRV__S3_ID];
    struct vrv__s3_part *part;
    unsigned part_cap;
};

struct vrv__s3_op {
    struct vrv_list link;    /* in ops, until its call is posted */
    struct vrv__s3 *s3;
    struct vrv_store_call *call;
    struct vrv_done begin, cancel;
    bool cancelling;         /* cancel is in the queue; guarded by the lock */
    bool cancelled, posted, sending;

    /* the request: built, signed, sent; and signed again when its keys were refused */
    struct vrv_http_req http;
    struct vrv_creds_wait wait;
    void (*then)(struct vrv__s3_op *op);
    unsigned version;        /* of the keys that signed it; 0: none has */
    bool resent;
    bool retimed;            /* signed by another clock than the first time */
    int64_t skew_ms;         /* ... that is so far ahead of ours */
    char method[8], url[VRV__S3_URL], payload[VRV_SIGV4_HASH];
    const char *path, *query; /* in url; the query's end is the url's */
    size_t path_n;
    const char *headers[VRV__S3_HEADERS];
    char header_text[VRV__S3_HEADER_TEXT];
    size_t header_at, unsigned_at;
    unsigned header_n, unsigned_n;
    struct iovec iov;        /* of a body of our own */
    char *body;              /* ... which is freed with the operation */

    /* what some keep between their requests */
    struct vrv__s3_part part;
    uint8_t *buf;
    uint64_t at;
    uint32_t crc;
    bool explained;
    struct vrv__s3_stale *stale;
    size_t stale_n, stale_at;
    bool stale_more;
    char key_marker[VRV__S3_KEY], id_marker[VRV__S3_ID];
};

/* ---- s3.c */

/* What the operation was for is done: post it, forget it. */
void vrv__s3_finish(struct vrv__s3_op *op, int status);

/* ---- s3_open.c: what the settings make of it, without its operations */

int vrv__s3_new(
    struct vrv__s3 **out, const struct vrv_store_s3_opts *o, struct vrv_err *e) VRV_MUST_CHECK;
void vrv__s3_free(struct vrv__s3 *s3);

/* ---- s3_write.c, s3_read.c, s3_list.c, s3_sweep.c: each begins an operation */

void vrv__s3_put(struct vrv__s3_op *op);
void vrv__s3_begin(struct vrv__s3_op *op);
void vrv__s3_part(struct vrv__s3_op *op);
void vrv__s3_end(struct vrv__s3_op *op);
void vrv__s3_abort(struct vrv__s3_op *op);
void vrv__s3_get(struct vrv__s3_op *op);
void vrv__s3_verify(struct vrv__s3_op *op);
void vrv__s3_list(struct vrv__s3_op *op);
void vrv__s3_delete(struct vrv__s3_op *op);
void vrv__s3_sweep(struct vrv__s3_op *op);

void vrv__s3_upload_free(struct vrv__s3 *s3, struct vrv_store_upload *u);

/* ---- s3_send.c: a request is begun, given headers and a body, and sent */

/* key: below the prefix; NULL: of the bucket. */
void vrv__s3_request(struct vrv__s3_op *op, const char *method, const char *key);
/* "name=" and a value that is escaped; NULL: the name alone. */
void vrv__s3_query(struct vrv__s3_op *op, const char *name, const char *value);
void vrv__s3_header(struct vrv__s3_op *op, const char *fmt, ...) VRV_PRINTF(2, 3);
/* The call's, with its checksum, and an MD5 where the store may need one. */
void vrv__s3_body_of_call(struct vrv__s3_op *op);
/* XML of our own, of which it takes the memory. */
void vrv__s3_body(struct vrv__s3_op *op, char *text);
/* then: with an answer, whatever its code. */
void vrv__s3_send(struct vrv__s3_op *op, void (*then)(struct vrv__s3_op *op));

/* ---- s3_error.c */

/* It was done: the status says so, and no error comes with it. */
bool vrv__s3_is_good(const struct vrv__s3_op *op);
/* What an answer that isn't good means: a status. */
int vrv__s3_meaning(const struct vrv__s3_op *op);
/* The answer isn't what was asked for: the operation ends with what it means, or goes on with other
 * keys. */
void vrv__s3_refused(struct vrv__s3_op *op);
/* The same for one of code 200 that holds an error, or something else than what was asked for. */
void vrv__s3_misanswered(struct vrv__s3_op *op, const char *expected);

/* How long a sentence may be that says what to do. */
enum { VRV__S3_SENTENCE = 170 };
/* "put of d/x: sentence (more)", with as much of it as there is room for; the sentence is whole. */
void vrv__s3_tell(struct vrv_err *e, int status, const char *op, const char *name, const char *sentence,
    const char *more);
/* What an error in a list of them means, by its code, and what to do, or an empty string. */
int vrv__s3_code_means(const struct vrv__s3_op *op, const char *code, char *sentence, size_t n);

/* ---- s3_list.c: for all that read lists */

/* The outermost element of a good answer if it has this name, else NULL; x: to be freed in any
 * case. */
const struct vrv_xml_node *vrv__s3_answer(const struct vrv__s3_op *op, const char *name,
    struct vrv_xml **x);
/* There was no such answer: the operation ends. */
void vrv__s3_finish_without(struct vrv__s3_op *op, const char *expected);
/* The part of an element's <Key> behind our prefix, in `name`; NULL: it isn't ours. */
const char *vrv__s3_key_of(const struct vrv__s3 *s3, const struct vrv_xml_node *of,
    char name[VRV__S3_KEY]);
/* How long ago, by the store's clock, the time was that an element of this name tells; -1: it
 * doesn't say. */
int64_t vrv__s3_age_ms(
    const struct vrv__s3_op *op, const struct vrv_xml_node *of, const char *name);

/* ---- s3_sums.c */

enum { VRV__S3_CRC_TEXT = 16, VRV__S3_MD5_TEXT = 28 };

void vrv__s3_crc_text(char out[VRV__S3_CRC_TEXT], uint32_t crc);
bool vrv__s3_md5(
    uint8_t out[VRV__S3_MD5], const struct iovec *iov, int n); /* false: there is none */
void vrv__s3_md5_text(char out[VRV__S3_MD5_TEXT], const uint8_t md5[VRV__S3_MD5]);
/* The checksum and the ETag that an object uploaded in these parts has; "" where they can't be
 * told. */
void vrv__s3_sum_of_sums(const struct vrv_store_upload *u, char *out, size_t n);
void vrv__s3_etag_of_parts(const struct vrv_store_upload *u, char *out, size_t n);

#endif
