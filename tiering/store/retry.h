/*
 * From attempts to outcomes: a call is tried again where that is sound, until its deadline, and what is
 * unknown is settled by looking (L8).
 *
 *   submit ─► attempt ─► 0, or an answer that another attempt won't change ─► posted
 *                 │  BUSY, UNREACHABLE, TIMEDOUT, IO ─► wait ─► attempt
 *                 └► EXISTS, UNKNOWN of a write ─► verify ─► it is what we write: posted with 0
 *                                                        ├► something else: posted with EXISTS
 *                                                        └► nothing there: wait ─► attempt
 *
 * An object is the same bytes in each attempt, and its bytes hold something random; so what is there
 * with our size and checksum is ours, and a write that comes late changes nothing.
 *
 * Waits double from base_ms (of a BUSY store from four times that) to most_ms, each drawn between a half of
 * that and all; what a BUSY store asks for counts if it is longer.
 *
 * Threads: one, which takes `cq` and calls everything here.
 */
#ifndef VRV_STORE_RETRY_H
#define VRV_STORE_RETRY_H

#include "engine/base/hist.h"
#include "engine/os/clock.h"
#include "tiering/store/store.h"
#include "tiering/store/usage.h"

struct vrv_retry;

struct vrv_retry_opts {
    struct vrv_store *store;   /* borrowed */
    struct vrv_clock *clock;   /* borrowed */
    struct vrv_cq *cq;         /* the owner's: attempts come back there */
    uint64_t random;
    int64_t base_ms, most_ms;  /* waits */
    int64_t attempt_ms[VRV_STORE_CLASSES]; /* an attempt's own deadline; 0: none */
    /* Told when what is asked so fails, for good or for a while already: why.  NULL: it is done again. */
    void (*told)(void *ctx, enum vrv_store_op op, const struct vrv_err *e); /* or NULL */
    void *ctx;
};

/* What is asked so and fails: for good or for a while already, and wasn't done since. */
struct vrv_store_bad {
    int64_t since_ms;          /* the first time (wall); 0: it doesn't */
    struct vrv_err err;        /* the last time */
};

/* Attempts by what they were and how they ended. */
struct vrv_retry_stats {
    uint64_t calls[VRV_STORE_OPS], attempts[VRV_STORE_OPS];
    uint64_t settled;          /* writes of unknown outcome that turned out to be done */
    struct vrv_hist times[VRV_STORE_OPS][VRV_STORE_OUTCOMES]; /* how long they took; any thread may read it */
    struct vrv_usages usage;   /* attempts, too */
    unsigned sent[VRV_STORE_CLASSES], waiting[VRV_STORE_CLASSES]; /* now: attempts; calls between two */
    struct vrv_err last;       /* the newest failure, and when (wall) */
    int64_t last_ms;
    int64_t good_ms;           /* when the store did last what it was asked to; 0: never */
    struct vrv_store_bad bad[VRV_STORE_OPS];
};

struct vrv_retry *vrv_retry_new(const struct vrv_retry_opts *o);
void vrv_retry_free(struct vrv_retry **r); /* nothing may be under way */

/* As vrv_store_submit; posted on the call's own queue.  When the deadline passes, with what the last
 * attempt said. */
void vrv_retry_submit(struct vrv_retry *r, struct vrv_store_call *c);
/* One attempt: what comes of it is the answer, and a failure is told at once. */
void vrv_retry_once(struct vrv_retry *r, struct vrv_store_call *c);
/* What it was asked so was answered, and the answer is wrong: that counts as a failure. */
void vrv_retry_blame(struct vrv_retry *r, enum vrv_store_op op, const struct vrv_err *e);
void vrv_retry_cancel(struct vrv_retry *r, struct vrv_store_call *c);
/* vrv_store_reopen of its store. */
void vrv_retry_reopen(struct vrv_retry *r);
/* Begin the attempts whose time has come; the next such time (monotonic ns), or INT64_MAX. */
int64_t vrv_retry_step(struct vrv_retry *r);
const struct vrv_retry_stats *vrv_retry_stats(const struct vrv_retry *r);

#endif
