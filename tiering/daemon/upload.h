/*
 * Writing an object whose bytes come one after the other: put at once when it is small, else in parts,
 * several at a time; then looked at whether all of it is there.
 *
 *   vrv_upload_put ─► part ─full─► BEGIN, PART, PART ...       vrv_upload_end ─► END ─► VERIFY ─► run
 *
 * Threads: the tier's.
 */
#ifndef VRV_DAEMON_UPLOAD_H
#define VRV_DAEMON_UPLOAD_H

#include <stdbool.h>

#include "engine/base/list.h"
#include "engine/os/clock.h"
#include "tiering/store/retry.h"

enum { VRV_UPLOAD_PARTS = 3 }; /* a server's `parts` */

struct vrv_upload_opts {
    struct vrv_store *store; /* borrowed, as all */
    struct vrv_retry *retry;
    struct vrv_cq *cq;
    struct vrv_clock *clock;
    unsigned parts;          /* in memory, besides the one that is being filled */
    int64_t call_ms;         /* how long a call to the store may take, with all its attempts */
    uint64_t put_max;        /* what is larger goes in parts; at most VRV_STORE_PUT_MAX */
    uint64_t *held;          /* bytes in memory, of all uploads, are counted there; or NULL */
};

struct vrv_upload {
    /* the caller's */
    const struct vrv_upload_opts *o;
    const char *key;
    /* A part has left, or it has failed: see vrv_upload_is_full. */
    void (*room)(struct vrv_upload *u);
    /* All is over: 0, and the object is there and durable; or what failed. */
    void (*run)(struct vrv_upload *u, int status, const struct vrv_err *e);
    /* ours */
    struct vrv_list waiting, sent; /* parts: not given to the store yet; under way */
    struct vrv_upload_part *filling;
    unsigned waiting_n, sent_n, part_n;
    struct vrv_store_upload *upload;
    struct vrv_store_call call;    /* BEGIN, PUT, END, VERIFY, ABORT */
    struct iovec *iov;
    uint64_t size;
    uint32_t crc;
    bool begun, calling, ends, ended, cancelled;
    int status;
    struct vrv_err err;
};

/* The caller's fields are set, the rest is zero. */
void vrv_upload_begin(struct vrv_upload *u);
/* Always takes all. */
void vrv_upload_put(struct vrv_upload *u, const void *p, size_t n);
/* Wait for room(): more would take more memory than it should. */
bool vrv_upload_is_full(const struct vrv_upload *u);
/* 0, or what has failed: there is no use in more bytes, only in its end. */
int vrv_upload_status(const struct vrv_upload *u);
/* That was all; or, with a status, it isn't to be.  run is called, never from within. */
void vrv_upload_end(struct vrv_upload *u, int status, const struct vrv_err *e);
/* Wait for no store any more: it fails, with CANCELLED if with nothing else, once it is ended,
 * unless it is done.  Parts that are there are left to SWEEP. */
void vrv_upload_cancel(struct vrv_upload *u);

#endif
