/*
 * What the engine asks for records that left this disk.  The cold tier implements it; the tests
 * have a fake (t/lib/fakecold.h); without one, a log simply begins where its local segments begin.
 *
 * A fetch is asynchronous and answers once, on any thread.  Cancelling says that nobody waits for
 * the answer any more: the callback still comes, with CANCELLED or with the bytes, and what was
 * fetched stays of use to the next who asks.  Bytes are counted: who gets them holds a
 * reference.
 */
#ifndef VRV_CONTRACT_COLD_H
#define VRV_CONTRACT_COLD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/uuid.h"

struct vrv_cold;

/* Whole record batches, checked. */
struct vrv_cold_bytes {
    _Atomic uint32_t refs;
    const uint8_t *p;
    size_t n;
    void (*free)(struct vrv_cold_bytes *b);
};

static inline void
vrv_cold_bytes_unref(struct vrv_cold_bytes *b)
{
    if (b != NULL && atomic_fetch_sub(&b->refs, 1) == 1)
        b->free(b);
}

struct vrv_cold_fetch {
    /* the asker's */
    struct vrv_uuid topic;
    int32_t partition;
    int64_t offset;
    size_t max_bytes;
    /* b: a reference for the callee, beginning with the batch that contains offset or the first one
     * behind it; NULL with a status: RANGE (no cold record at or behind offset), CANCELLED, or an
     * error. */
    void (*answer)(struct vrv_cold_fetch *f, int status, struct vrv_cold_bytes *b,
        const struct vrv_err *e);
    /* the cold tier's */
    void *state;
};

struct vrv_cold_ops {
    void (*fetch)(struct vrv_cold *c, struct vrv_cold_fetch *f);
    void (*cancel)(struct vrv_cold *c, struct vrv_cold_fetch *f);
    /* The rest answer at once, from what the tier has in memory; AGAIN when it must load first, and
     * calls `ready` (may be NULL) when it is worth asking again. */
    int (*earliest)(struct vrv_cold *c, const struct vrv_uuid *topic, int32_t partition,
        int64_t *offset, struct vrv_err *e);
    int (*by_time)(struct vrv_cold *c, const struct vrv_uuid *topic, int32_t partition, int64_t ts,
        int64_t *offset, void (*ready)(void *), void *ctx, struct vrv_err *e);
    int (*epoch_end)(struct vrv_cold *c, const struct vrv_uuid *topic, int32_t partition,
        int32_t epoch, int32_t *found, int64_t *end, struct vrv_err *e);
    /* Aborted transactions that overlap [from, to): calls add for each. */
    int (*aborted)(struct vrv_cold *c, const struct vrv_uuid *topic, int32_t partition,
        int64_t from, int64_t to, void (*add)(void *ctx, int64_t producer, int64_t first),
        void *ctx, struct vrv_err *e);
    /* The producers' state as of `offset` (log/producers.h reads it); malloc'd. */
    int (*producers)(struct vrv_cold *c, const struct vrv_uuid *topic, int32_t partition,
        int64_t offset, uint8_t **bytes, size_t *n, struct vrv_err *e);
};

struct vrv_cold {
    const struct vrv_cold_ops *ops;
};

#endif
