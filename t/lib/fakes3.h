/*
 * An S3 server in memory that misbehaves by seed and by command, on the clock that it is given:
 * what clients of S3 meet in the world, over a real connection.
 *
 * Buckets by path or by host name; PUT (If-None-Match: *), GET with a range, HEAD, DELETE,
 * DeleteObjects, ListObjectsV2, and uploads in parts.  It checks signatures (SigV4), payload
 * hashes, Content-MD5 and x-amz-checksum-crc32c, and answers errors in S3's words.  It is strict
 * where stores differ: an upload that was ended is gone, and whoever repeats the end is told so.
 *
 * Threads: that of its httpd (t/lib/httpd.h); all functions below lock it.
 */
#ifndef VRV_T_FAKES3_H
#define VRV_T_FAKES3_H

#include "t/lib/httpd.h"

#define FAKES3_OPS(O)                                                                              \
    O(PUT)      /* unconditional */                                                                \
    O(PUTNEW)   /* If-None-Match: * */                                                             \
    O(GET)                                                                                         \
    O(HEAD)                                                                                        \
    O(LIST)                                                                                        \
    O(CREATE)   /* an upload: */                                                                   \
    O(PART)                                                                                        \
    O(COMPLETE)                                                                                    \
    O(ABORT)                                                                                       \
    O(UPLOADS)  /* which there are */                                                              \
    O(DELETE)                                                                                      \
    O(DELETES)  /* many in one request */                                                          \
    O(BUCKET)   /* is it there? */

#define FAKES3_FAULTS(F)                                                                           \
    /* nothing is done, and the client ... */                                                      \
    F(REFUSE)      /* sees the connection closed; then nobody is there for two seconds */          \
    F(MOVED)       /* likewise; it is at another address, and its name leads there */              \
    F(NAMELESS)    /* likewise, and nobody knows its name for two seconds */                       \
    F(REQUEST_LOST) /* sees the connection closed */                                               \
    F(ALERT)       /* gets an alert of TLS, in clear; over http that is garbage */                 \
    F(HANG)        /* hears nothing */                                                             \
    F(SLOW_DOWN)   /* 503, half of them with Retry-After */                                        \
    F(TOO_MANY)    /* 429 */                                                                       \
    F(ERROR)       /* 500 */                                                                       \
    F(TIMEOUT)     /* 400 RequestTimeout */                                                        \
    F(DENIED)      /* 403 */                                                                       \
    F(EXPIRED)     /* 400 ExpiredToken */                                                          \
    F(ROTATED)     /* 403: the keys are others from now on */                                      \
    F(SKEWED)      /* 403 RequestTimeTooSkewed */                                                  \
    F(REGION)      /* 400, and which one it should be */                                           \
    F(REDIRECT)    /* 301, likewise */                                                             \
    F(FULL)        /* 507, or 403 QuotaExceeded */                                                 \
    F(MISSING)     /* 404 of what is there */                                                      \
    F(CONFLICT)    /* 409: another one writes the same */                                          \
    F(NOT_NEW)     /* 412 of what isn't there */                                                   \
    F(ERROR_IN_200) /* 200, and an error in the body */                                            \
    F(PORTAL)      /* 200, and a page of a proxy's */                                              \
    F(ZOMBIE)      /* hears nothing; half a minute later it is done all the same */                \
    /* it is done, but otherwise: */                                                               \
    F(FLIPPED)     /* with one bit wrong, as a proxy left it */                                    \
    F(SHORTENED)   /* but for its end, likewise */                                                 \
    /* it is done, and the client ... */                                                           \
    F(ANSWER_LOST) /* sees the connection reset */                                                 \
    F(SILENT)      /* hears nothing */                                                             \
    F(ERROR_DONE)  /* is told 500 */                                                               \
    F(LATE)        /* hears of it seconds later */                                                 \
    F(CUT)         /* gets a part of the answer */                                                 \
    F(DRIP)        /* gets it in small pieces */                                                   \
    F(FLIP)        /* gets a body with one bit wrong */                                            \
    F(SHORT)       /* gets less of the body, and a length that fits that */                        \
    F(NO_LENGTH)   /* ... and no length */                                                         \
    F(ETAG)        /* gets another ETag */                                                         \
    F(STALE)       /* gets a list of a minute ago */                                               \
    F(UNSEEN)      /* gets a list without the newest */

enum fakes3_op {
#define FAKES3_OP_ENUM(name) S3_##name,
    FAKES3_OPS(FAKES3_OP_ENUM)
#undef FAKES3_OP_ENUM
        S3_OPS /* any */
};

enum fakes3_fault {
#define FAKES3_FAULT_ENUM(name) S3_FAULT_##name,
    FAKES3_FAULTS(FAKES3_FAULT_ENUM)
#undef FAKES3_FAULT_ENUM
        S3_FAULTS /* none */
};

struct fakes3;

struct fakes3_opts {
    struct vrv_clock *clock; /* borrowed */
    struct vrv_clock *proxy; /* of a proxy in front of it, whose Dates answers have; NULL: of clock */
    bool tells_time;         /* it says what time it has to whose time is wrong, as Amazon's does */
    uint64_t seed;
    uint16_t port;           /* 0: any */
    const char *bucket;      /* the one that there is; all text is copied */
    const char *region;      /* NULL: us-east-1 */
    const char *key_id, *secret, *token; /* NULL: anybody may; token: of a session, or NULL */
    const char *keys_file;   /* for ROTATED: has the keys that are good, as ~/.aws/credentials does; or NULL */
    const char *cert_file, *key_file;    /* TLS, or NULL */
    void (*named)(unsigned host); /* for MOVED and NAMELESS: its name leads to 127.0.0.<host>, 0: nowhere; or NULL */
    unsigned list_max;       /* of one list; 0: 1000 */
    uint64_t part_min;       /* bytes of all parts but the last; 0: 5 MiB */
    bool no_checksums;       /* it ignores x-amz-checksum-*, as old Ceph does */
    bool ends_anyway;        /* ... and If-None-Match where an upload ends */
    bool replaces;           /* ... and where an object is put */
};

struct fakes3 *fakes3_new(const struct fakes3_opts *o);
void fakes3_free(struct fakes3 **f);
/* To step, to start a thread, for moods of the network. */
struct httpd *fakes3_httpd(struct fakes3 *f);

/* Would it make sense? */
bool fakes3_has(enum fakes3_op op, enum fakes3_fault fault);
/* Each request of `op` suffers this so often of a hundred times, where that makes sense for it. */
void fakes3_fault(struct fakes3 *f, enum fakes3_op op, enum fakes3_fault fault, unsigned percent);
/* The next n of them do. */
void fakes3_next(struct fakes3 *f, enum fakes3_op op, enum fakes3_fault fault, unsigned n);
/* From now on it is well; what is late still comes. */
void fakes3_heal(struct fakes3 *f);
/* More requests than so many in a second are told to slow down; 0: none. */
void fakes3_throttle(struct fakes3 *f, unsigned per_s);
/* How long ZOMBIE and LATE take at most. */
void fakes3_delays(struct fakes3 *f, int64_t zombie_ms, int64_t late_ms);
/* Who may from now on; as in the options. */
void fakes3_credentials(struct fakes3 *f, const char *key_id, const char *secret, const char *token);

/* What happened, and what is there. */
uint64_t fakes3_attempts(struct fakes3 *f, enum fakes3_op op);
uint64_t fakes3_struck(struct fakes3 *f, enum fakes3_fault fault);
size_t fakes3_objects(struct fakes3 *f, const char *prefix);
size_t fakes3_uploads(struct fakes3 *f); /* neither ended nor aborted */
size_t fakes3_zombies(struct fakes3 *f); /* to come */
/* A copy, for free(), or NULL. */
uint8_t *fakes3_object(struct fakes3 *f, const char *key, size_t *n);
/* The i-th of those whose key begins so: a copy, for free(), or NULL. */
char *fakes3_key(struct fakes3 *f, const char *prefix, size_t i);
/* Damage what is kept: one bit of it flips. */
bool fakes3_rot(struct fakes3 *f, const char *key, size_t at);

#endif
