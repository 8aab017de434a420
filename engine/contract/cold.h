/*
 * What the engine asks for records that left this disk.  The cold tier implements it; the tests
 * have a fake (t/lib/fakecold.h); without one, nothing can leave the disk.
 *
 * What it holds.  Of a partition, every committed record from the log's start up to some offset
 * at or behind the log's local start; below the log's start there may be more.  What it says is of
 * the partition as it was appended: a hole in its answers is a hole in the log.  It never passes
 * over what it has lost, or can't reach: that is an error.
 *
 * Fetches are asynchronous and answered once each, on any thread of the cold tier's, never from
 * within `fetch` or `cancel`, and with no lock of the cold tier's held.  `fetch` and `cancel` wait
 * for nothing: they may be called with a lock held (rank fetches).  The tier ends by itself what a
 * store doesn't: a fetch is answered in bounded time.
 *
 * Cancelling says that nobody waits for the answer any more: there will be none, at once and whatever
 * the tier's threads are at.  What was asked for goes on its way, and is at hand for the next who asks.
 * Cancelling what was answered, or is being answered, changes nothing.
 *
 * What is in memory can be had without a fetch: `now` waits for nothing but short locks.  As long as
 * somebody holds bytes, what lies around them stays in memory, too: who fetched one batch finds its
 * neighbours with `now`.
 *
 * Memory.  A struct vrv_cold_fetch is the asker's, and not touched any more once its answer began, or
 * it was cancelled.  Bytes are counted: who gets them holds a reference, and may hold it as long as the
 * cold tier lives.
 *
 * Life.  The cold tier is there before the engine that uses it opens, and goes after it.  The
 * engine does not end fetches: when it is closed, all have been answered (reader/fetch.h).
 *
 * The other questions are answered at once, from what the tier has in memory, on the asker's
 * thread, which may hold no lock.  AGAIN: it must load first; `ready` (may be NULL) is called once,
 * like an answer, when asking again is worth it.  NOTFOUND: it knows nothing of this partition.
 */
#ifndef VRV_CONTRACT_COLD_H
#define VRV_CONTRACT_COLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/uuid.h"

struct vrv_cold;

/* A transaction that was aborted: whose, and its first offset. */
struct vrv_cold_aborted {
    int64_t producer, first;
};

/* Whole record batches.  The tier has checked that they are what its store was given; the engine
 * checks the batches themselves. */
struct vrv_cold_bytes {
    _Atomic uint32_t refs;
    const uint8_t *p;
    size_t n;
    /* Where that was asked for: aborted transactions with records from the first batch to the last, as far
     * as what the tier holds tells, by their first offset.  A marker behind that may tell of more. */
    const struct vrv_cold_aborted *aborted;
    size_t aborted_n;
    void (*free)(struct vrv_cold_bytes *b);
};

static inline void
vrv_cold_bytes_unref(struct vrv_cold_bytes *b)
{
    if (b != NULL && atomic_fetch_sub(&b->refs, 1) == 1)
        b->free(b);
}

/* With which batch do the bytes begin?  With the first one that ends at or behind `offset`, and */
enum vrv_cold_want {
    VRV_COLD_ANY,    /* nothing more: the batch that holds offset, or the first behind it */
    VRV_COLD_AS_NEW, /* whose max timestamp is >= ts */
    VRV_COLD_NEWEST, /* whose max timestamp is the largest of all those */
};

/* Bytes that begin with the batch that holds offset, or the first behind it. */
struct vrv_cold_wanted {
    struct vrv_uuid topic;
    int32_t partition;
    int64_t offset;
    size_t max_bytes; /* whole batches up to this, but at least one */
    bool aborted;     /* say which transactions were aborted */
};

struct vrv_cold_fetch {
    /* the asker's */
    struct vrv_uuid topic;
    int32_t partition;
    enum vrv_cold_want want;
    int64_t offset, ts;
    size_t max_bytes; /* whole batches up to this, but at least one */
    bool aborted;     /* say which transactions were aborted */
    /* b: a reference for the callee; NULL with a status: RANGE (there is no such batch), NOTFOUND,
     * CANCELLED, or what failed. */
    void (*answer)(struct vrv_cold_fetch *f, int status, struct vrv_cold_bytes *b,
        const struct vrv_err *e);
    /* the cold tier's */
    void *state;
};

/* Who asks about which partition, and what to call after an AGAIN. */
struct vrv_cold_ask {
    struct vrv_uuid topic;
    int32_t partition;
    void (*ready)(void *ctx);
    void *ctx;
};

struct vrv_cold_ops {
    void (*fetch)(struct vrv_cold *c, struct vrv_cold_fetch *f);
    /* True: there will be no answer.  False: there was one, or it is on its way. */
    bool (*cancel)(struct vrv_cold *c, struct vrv_cold_fetch *f);
    /* The same as a fetch with VRV_COLD_ANY, of what is in memory: a reference to the bytes.  NULL:
     * not now; a fetch is how to get it, or to hear why not.  The asker holds no lock. */
    struct vrv_cold_bytes *(*now)(struct vrv_cold *c, const struct vrv_cold_wanted *w);
    /* The oldest offset that it can serve. */
    int (*earliest)(struct vrv_cold *c, const struct vrv_cold_ask *a, int64_t *offset,
        struct vrv_err *e);
    /* One past the newest offset that it can serve. */
    int (*next)(struct vrv_cold *c, const struct vrv_cold_ask *a, int64_t *offset,
        struct vrv_err *e);
};

struct vrv_cold {
    const struct vrv_cold_ops *ops;
};

#endif
