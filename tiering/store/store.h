/*
 * Where cold data lives: objects under keys.  A directory, an S3 bucket and HDFS are three such stores;
 * the tests have one that fails on command (t/lib/fakestore.h).
 *
 * Objects are written once, whole, and never changed: a key names the same bytes for ever, or nothing.
 * Keys hold something random, so nobody else writes ours; but for those of manifests' roots, whose
 * writing is the fence: with if_absent a store lets one writer win, whatever happens at the same time.
 *
 * Calls are asynchronous.  Each is one attempt, answered once, with a status:
 *
 *   0            done, and durable
 *   NOTFOUND     there is no such object; of END: the upload is lost, begin a new one
 *   EXISTS       there is one of this name already: perhaps ours, whose answer was lost
 *   UNKNOWN      a write that may have been done, or may yet be: look before doing anything else (L8).
 *                Whatever else a failed write says, it was not done
 *   BUSY         the store asks us to slow down
 *   UNREACHABLE  nobody there, or the connection broke before the request was sent
 *   TIMEDOUT     of a call that only reads: the deadline passed (else UNKNOWN)
 *   DENIED       credentials or permissions; the sentence says what to do
 *   INVALID      bucket, region, name or settings: trying again is in vain
 *   NOSPACE      the store is full
 *   CORRUPT      what came is not what was written
 *   IO           anything else that the store says
 *   CANCELLED    nothing was begun
 *
 * retry.h makes of these attempts what a caller wants: it tries again where that is sound, and settles
 * what is unknown.
 *
 * Keys are 1 to VRV_STORE_KEY_MAX bytes of [A-Za-z0-9._-] in parts of 1 to 255 between single '/', no part
 * "." or "..", and none begins with another one and a '/': we draw them, users don't.
 *
 * All answer near the deadline, but for a directory that is slow and goes on.
 *
 * Threads: any may submit and cancel; answers are posted on the queue of the call.  A store with
 * threads of its own needs no step; one without is driven by vrv_store_step(), by seed in tests.
 */
#ifndef VRV_STORE_STORE_H
#define VRV_STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "engine/base/err.h"
#include "engine/os/cq.h"

struct vrv_store;
struct vrv_store_upload;

enum {
    VRV_STORE_KEY_MAX = 512,
    VRV_STORE_PART = 16 * 1024 * 1024,  /* of an upload; the last one may be smaller */
    VRV_STORE_PUT_MAX = 2 * VRV_STORE_PART,
    VRV_STORE_PARTS_MAX = 10000,
    VRV_STORE_DELETE_MAX = 1000,        /* keys of one call */
    VRV_STORE_DAMAGED_READS = 3,        /* of what comes damaged: it may be so on its way only */
};

enum vrv_store_op {
    VRV_STORE_PUT,    /* a small object, whole */
    VRV_STORE_BEGIN,  /* a large one, in parts: begin, */
    VRV_STORE_PART_N, /* each part, in any order, several at a time, */
    VRV_STORE_END,    /* and all together; until then nobody sees it.  May be repeated. */
    VRV_STORE_ABORT,  /* Or not: what was written goes.  A failure leaves that to SWEEP */
    VRV_STORE_GET,    /* a range */
    VRV_STORE_VERIFY, /* is it there, of this size and checksum, and durable?  As the store can tell: by
                       * what it keeps of it, or of the upload, or by reading it all.  CORRUPT when not */
    VRV_STORE_LIST,   /* a hint: may lack what is new, and show what is gone; may bring fewer than
                       * asked for, with more */
    VRV_STORE_DELETE, /* many keys; what is not there is deleted */
    VRV_STORE_SWEEP,  /* uploads (of such names; NULL: all), and what died writes left, that began
                       * so long ago; not our own */
    VRV_STORE_OPS,
};

/* What came of an attempt, to be counted: one for each status above. */
enum vrv_store_outcome {
    VRV_STORE_DONE, VRV_STORE_NOTFOUND, VRV_STORE_EXISTS, VRV_STORE_UNKNOWN, VRV_STORE_BUSY,
    VRV_STORE_UNREACHABLE, VRV_STORE_TIMEDOUT, VRV_STORE_DENIED, VRV_STORE_INVALID, VRV_STORE_NOSPACE,
    VRV_STORE_CORRUPT, VRV_STORE_IO, VRV_STORE_CANCELLED, VRV_STORE_OUTCOMES,
};

/* Who must wait for whom: each class has its own share of connections. */
enum vrv_store_class { VRV_STORE_READ, VRV_STORE_UPLOAD, VRV_STORE_HOUSEKEEPING, VRV_STORE_CLASSES };

struct vrv_store_name {
    char *key;
    uint64_t size;
    int64_t age_ms; /* as the store's clock has it (own_clock; else the time that it has, by ours);
                     * -1: it doesn't say */
};

struct vrv_store_call {
    /* The caller's to set; all that it points to stays until it is posted. */
    struct vrv_done done;
    enum vrv_store_op op;
    enum vrv_store_class lane;
    int64_t deadline_ns;               /* of the monotonic clock */
    const char *key;                   /* LIST, SWEEP: what names begin with; DELETE: none */
    const struct iovec *iov;           /* PUT, PART_N: what is written, */
    int iov_n;
    uint64_t size;                     /* ... its size, and the object's for VERIFY and END */
    uint32_t crc;                      /* ... and checksum, CRC-32C, likewise */
    bool if_absent;                    /* PUT, END: where there is one, nothing is done (EXISTS) */
    struct vrv_store_upload *upload;   /* of PART_N, END, ABORT and VERIFY; BEGIN returns it */
    unsigned part;                     /* from 0; each but the last has VRV_STORE_PART bytes */
    uint64_t pos;                      /* GET: from there on */
    uint8_t *buf;                      /* ... into this, so much (size) */
    const char *after;                 /* LIST: names above this one; NULL: all */
    unsigned max;                      /* ... and so many at most */
    const char *const *keys;           /* DELETE: so many (max) */
    int *each;                         /* ... a status for each; may be NULL */
    int64_t older_ms;                  /* SWEEP: what is older than this */
    /* The result. */
    int status;
    struct vrv_err err;
    size_t got;                        /* GET: bytes, fewer than asked for only at the object's end;
                                        * DELETE: how many are gone for sure; SWEEP: how many it removed */
    uint64_t whole;                    /* GET: bytes of the object; 0: the store didn't say */
    struct vrv_store_name *names;      /* LIST: in order, got many (vrv_store_names_free) */
    bool more;                         /* ... and there are more */
    int64_t store_ms;                  /* ... and what time the store has (wall clock); 0: it doesn't say */
    int64_t wait_ms;                   /* BUSY: what the store asked for; 0: it didn't say */
    /* The store's. */
    struct vrv_store_call *next;
    void *state;
    bool cancelled;
};

/* What a kind of store can't do otherwise. */
struct vrv_store_caps {
    const char *kind;     /* "directory" */
    bool atomic_end;      /* END with if_absent */
    bool own_clock;       /* LIST tells how old things are by the store's own clock */
};

struct vrv_store_ops {
    void (*submit)(struct vrv_store *s, struct vrv_store_call *c);
    void (*cancel)(struct vrv_store *s, struct vrv_store_call *c);
    bool (*step)(struct vrv_store *s);
    void (*reopen)(struct vrv_store *s); /* NULL: there is no need to */
    void (*upload_free)(struct vrv_store *s, struct vrv_store_upload *u);
    void (*describe)(const struct vrv_store *s, char *out, size_t n);
    void (*close)(struct vrv_store *s);
};

struct vrv_store {
    const struct vrv_store_ops *ops;
    struct vrv_store_caps caps;
    _Atomic int64_t skew_ms; /* how far its clock is ahead of ours, since it refused a request for
                              * that; they are signed by its clock from then on.  0: not far
                              * enough to matter */
};

/* Posted soon after with INVALID when the call breaks a rule of this header. */
void vrv_store_submit(struct vrv_store *s, struct vrv_store_call *c);
/* Post it soon: with CANCELLED, unless it is done; a write may be done all the same.  c must not have
 * been taken from its queue yet. */
void vrv_store_cancel(struct vrv_store *s, struct vrv_store_call *c);
/* Do one thing of a store without threads; false: there was nothing to do. */
bool vrv_store_step(struct vrv_store *s);
/* What lies there isn't what should: where it is may be another place now, as a directory that was mounted
 * since, and is looked up anew by the next calls.  Nothing that was written there may be relied on. */
void vrv_store_reopen(struct vrv_store *s);
/* How long what is written may take beside what any call may, on a line that is slow. */
int64_t vrv_store_sending_ms(const struct vrv_store_call *c, enum vrv_store_op op);
/* Forget an upload of which no call is under way: ended, aborted, or left to SWEEP.  NULL is fine. */
void vrv_store_upload_free(struct vrv_store *s, struct vrv_store_upload **u);
/* For people: "directory /srv/cold". */
void vrv_store_describe(const struct vrv_store *s, char *out, size_t n);
/* Nothing may be under way; uploads that weren't ended are left to SWEEP. */
void vrv_store_close(struct vrv_store **s);

void vrv_store_names_free(struct vrv_store_call *c);
bool vrv_store_key_is_good(const char *key, bool is_prefix);
/* The directory that a key is in, "" for none; out may be key. */
void vrv_store_parent(const char *key, char out[VRV_STORE_KEY_MAX + 1]);
const char *vrv_store_op_name(enum vrv_store_op op);
enum vrv_store_outcome vrv_store_outcome_of(int status);
const char *vrv_store_outcome_name(enum vrv_store_outcome o); /* "ok", "notfound", ... */
/* NOTFOUND of what a manifest names is no answer to anything: it was there, and is missing.  IO. */
int vrv_store_lost(struct vrv_err *e, const char *key);
/* ... and of anything else: the sentence names the object, once.  Its code. */
int vrv_store_blame(struct vrv_err *e, int status, const char *key);

#endif
