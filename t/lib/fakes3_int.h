/* Parts of fakes3.c. */
#ifndef VRV_T_FAKES3_INT_H
#define VRV_T_FAKES3_INT_H

#include <stdio.h>

#include "engine/base/rand.h"
#include "t/lib/fakes3.h"

enum { S3_ETAG_MAX = 64, S3_SUM_MAX = 48, S3_ID_MAX = 32, S3_MS = 1000000 };

struct s3_object {
    char *name; /* "bucket/key": in order */
    uint8_t *bytes;
    size_t n;
    char etag[S3_ETAG_MAX];
    char sum[S3_SUM_MAX]; /* CRC-32C as it is told; "": none was given */
    bool whole_sum;       /* it is of the whole, not of its parts' sums */
    int64_t born_ms;      /* wall clock */
    int64_t gone_ms;      /* INT64_MAX: it is there; else only its name is kept, for stale lists */
};

struct s3_part {
    uint8_t *bytes; /* NULL: there is none */
    size_t n;
    char etag[S3_ETAG_MAX];
};

struct s3_upload {
    struct s3_upload *next;
    char *name;
    char id[S3_ID_MAX];
    int64_t born_ms, gone_ms; /* as of objects */
    bool sums, whole_sum; /* its parts have checksums */
    struct s3_part *part;
    unsigned n;
};

/* A request that will be done later. */
struct s3_zombie {
    struct s3_zombie *next;
    int64_t at_ns;
    char *method, *target, *head;
    uint8_t *body;
    size_t body_n;
};

struct fakes3 {
    struct fakes3_opts opts; /* its text is ours */
    struct httpd *httpd;
    struct vrv_rand rand;
    char **buckets;
    size_t bucket_n;
    struct s3_object *objects;
    size_t object_n, object_cap;
    struct s3_upload *uploads;
    uint64_t ids;
    struct s3_zombie *zombies;
    unsigned percent[S3_OPS][S3_FAULTS];
    unsigned next[S3_OPS + 1][S3_FAULTS]; /* the last: of any */
    unsigned per_s, this_s; /* throttle */
    int64_t second, zombie_ms, late_ms;
    int64_t refuse_until_ns; /* 0: it listens */
    int64_t nameless_until_ns; /* 0: its name is known */
    uint8_t host;            /* 127.0.0.<host> */
    bool moved;              /* connections to where it was are still open */
    unsigned rotated;        /* times */
    uint64_t attempts[S3_OPS], struck[S3_FAULTS];
};

/* One request, understood. */
struct s3_call {
    const struct httpd_req *q;
    enum fakes3_op op;
    char bucket[64];
    char key[1100];   /* decoded */
    char name[1200];  /* bucket/key */
    const char *query;
    int64_t seen_ms;  /* LIST, UPLOADS: as of when, */
    bool unseen;      /* ... and without the newest */
    enum fakes3_fault damage; /* PUT, PART: FLIPPED or SHORTENED, or another one */
};

/* ---- fakes3.c ---- */

int64_t s3_now_ms(const struct fakes3 *f);
/* A parameter of the query, decoded; NULL: it isn't there. */
const char *s3_param(const struct s3_call *c, const char *name, char *out, size_t n);
void s3_set_credentials(struct fakes3 *f, const char *key_id, const char *secret, const char *token);
bool s3_has_bucket(const struct fakes3 *f, const char *bucket);
void s3_add_bucket(struct fakes3 *f, const char *name);
void s3_answer(struct fakes3 *f, const struct httpd_req *q, struct httpd_reply *a, bool may_fail);

/* ---- fakes3_objects.c ---- */

/* Where it is, or would be. */
size_t s3_place(const struct fakes3 *f, const char *name);
/* NULL: it isn't there. */
struct s3_object *s3_find(struct fakes3 *f, const char *name);
/* Takes bytes. */
struct s3_object *s3_put(struct fakes3 *f, const char *name, uint8_t *bytes, size_t n);
void s3_delete(struct fakes3 *f, const char *name);
struct s3_upload *s3_upload_new(struct fakes3 *f, const char *name);
struct s3_upload *s3_upload_find(struct fakes3 *f, const char *id, const char *name);
/* Takes bytes. */
struct s3_part *s3_upload_part(struct s3_upload *u, unsigned number, uint8_t *bytes, size_t n);
void s3_upload_forget(struct fakes3 *f, struct s3_upload *u);
void s3_objects_free(struct fakes3 *f);
/* Quoted, as it is told. */
void s3_etag(char out[S3_ETAG_MAX], const uint8_t *bytes, size_t n);
void s3_sum(char out[S3_SUM_MAX], const uint8_t *bytes, size_t n);
void s3_base64(char *out, const uint8_t *bytes, size_t n);

/* ---- fakes3_calls.c ---- */

void s3_do(struct fakes3 *f, struct s3_call *c, struct httpd_reply *a);

/* ---- fakes3_lists.c ---- */

void s3_list(struct fakes3 *f, const struct s3_call *c, struct httpd_reply *a);
void s3_list_uploads(struct fakes3 *f, const struct s3_call *c, struct httpd_reply *a);

/* ---- fakes3_xml.c ---- */

void s3_xml_text(FILE *out, const char *s);
void s3_xml_time(FILE *out, int64_t wall_ms);
/* A header, as HTTP has times. */
void s3_http_time(struct httpd_reply *a, const char *name, int64_t wall_ms);
/* The next <tag> at or behind *at, its text decoded, and *at behind it; false: there is none. */
bool s3_xml_next(const char **at, const char *tag, char *out, size_t n);
/* An answer of S3's: "NoSuchKey", and words for it. */
void s3_error(struct httpd_reply *a, int status, const char *code, const char *message);
/* A request's time is too far from ours. */
void s3_error_skewed(const struct fakes3 *f, struct httpd_reply *a);
/* Begin, and end: as the body of a. */
FILE *s3_xml_open(char **text, size_t *n);
void s3_xml_close(FILE *out, char **text, struct httpd_reply *a);

/* ---- fakes3_check.c ---- */

/* May it, and is it what it says?  Else the answer is made. */
bool s3_check(struct fakes3 *f, const struct s3_call *c, struct httpd_reply *a);

/* ---- fakes3_faults.c ---- */

/* Which one strikes; S3_FAULTS: none. */
enum fakes3_fault s3_draw(struct fakes3 *f, const struct s3_call *c);
/* Before anything is done.  True: that is the answer. */
bool s3_fails(struct fakes3 *f, const struct s3_call *c, enum fakes3_fault fault,
    struct httpd_reply *a);
/* The answer is there, and is spoilt. */
void s3_spoil(struct fakes3 *f, enum fakes3_fault fault, struct httpd_reply *a);
bool s3_is_throttled(struct fakes3 *f);
/* With each step. */
void s3_faults_tick(struct fakes3 *f);
void s3_zombies_free(struct fakes3 *f);

/* ---- fakes3_admin.c ---- */

/* "/~faults" takes commands, "/~stats" tells what happened. */
void s3_admin(struct fakes3 *f, const struct httpd_req *q, struct httpd_reply *a);

#endif
