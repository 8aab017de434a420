/*
 * What one partition remembers of idempotent producers (KIP-98): the rules of when a batch is new,
 * a repetition, or out of order.  Pure: no clock, no I/O, no locks; the log's lock guards it.
 *
 * Per producer id: its epoch, and its last 5 batches (a Java client has up to 5 in flight).
 * A producer that is not known may begin with any sequence number: its state may have expired,
 * or been deleted with the records.
 */
#ifndef VRV_LOG_PRODUCERS_H
#define VRV_LOG_PRODUCERS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/batch/batch.h"

enum { VRV_PRODUCER_BATCHES = 5 };

struct vrv_producers; /* NULL is an empty table: idle partitions pay nothing */

enum vrv_producer_verdict {
    VRV_PRODUCER_NEW = 0,       /* append it */
    VRV_PRODUCER_DUPLICATE = 1, /* was appended: answer with *first and *last */
};

/* Judge a batch that is about to be appended (its producer_id >= 0).
 * Errors: PRODUCER (epoch too old), SEQUENCE (gap, or a new epoch that doesn't begin with 0), with
 * producer, epoch, and the sequence seen and expected in the sentence. */
int vrv_producers_check(const struct vrv_producers *p, const struct vrv_batch *b, int64_t *first,
    int64_t *last, int64_t *timestamp, struct vrv_err *e) VRV_MUST_CHECK;

/* Remember a batch that was appended (or is replayed; then no rule is checked, but a batch at or
 * below the last one known changes nothing, so replaying twice is harmless).  b->base_offset is
 * the assigned one.  Creates the table on first use.
 *
 * One whose sequence doesn't follow was let in because its producer was not known then (any more):
 * what a copy older than that still knows of the producer is forgotten here, too.  Else a crash
 * would bring back batches that new ones, of a sequence that began anew, are taken for. */
void vrv_producers_update(struct vrv_producers **p, const struct vrv_batch *b);

/* Forget producers whose newest batch has a max timestamp before `before_ms` (Kafka's
 * producer.id.expiration.ms).  Returns how many. */
size_t vrv_producers_expire(struct vrv_producers **p, int64_t before_ms);

/* Forget all but the `keep` producers whose newest batches lie highest.  Returns how many. */
size_t vrv_producers_shrink(struct vrv_producers **p, size_t keep);

/* Forget all that lies at or above `offset`.  A producer whose newest batches go falls back to its
 * older ones; with none left it is forgotten. */
void vrv_producers_truncate(struct vrv_producers **p, int64_t offset);

size_t vrv_producers_count(const struct vrv_producers *p);
void vrv_producers_free(struct vrv_producers **p);

/* A copy in bytes (little-endian, with a version byte), for checkpoints and snapshots; malloc'd.
 * NULL and 0 for an empty table.  Format to the byte: engine/README.md. */
void vrv_producers_encode(const struct vrv_producers *p, uint8_t **out, size_t *n);
/* CORRUPT or VERSION when the bytes aren't such a copy; *p is NULL then. */
int vrv_producers_decode(struct vrv_producers **p, const uint8_t *in, size_t n, struct vrv_err *e)
    VRV_MUST_CHECK;

/* One producer's state, for DescribeProducers and the dump tool; order is by id.  Not zero stops
 * and is returned. */
struct vrv_producer_info {
    int64_t id;
    int16_t epoch;
    int32_t last_seq;
    int64_t last_offset;
    int64_t last_timestamp;
};
typedef int vrv_producer_fn(void *ctx, const struct vrv_producer_info *info);
int vrv_producers_each(const struct vrv_producers *p, vrv_producer_fn *fn, void *ctx);

#endif
