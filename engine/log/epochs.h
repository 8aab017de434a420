/*
 * A partition's leader epochs: which epoch began at which offset (KIP-101, KIP-320).
 * Pure; guarded by the log's lock.  Epochs and start offsets both ascend.
 */
#ifndef VRV_LOG_EPOCHS_H
#define VRV_LOG_EPOCHS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

struct vrv_epoch_start {
    int32_t epoch;
    int64_t start;
};

struct vrv_epochs {
    struct vrv_epoch_start *v; /* NULL when empty */
    uint32_t n, cap;
};

/* Epoch `epoch` begins at `start`; nothing happens when it is the newest already.  An epoch that
 * began at or above `start` without a record of its own is replaced.  A smaller epoch than the
 * newest is ignored (replay). */
void vrv_epochs_add(struct vrv_epochs *h, int32_t epoch, int64_t start);
int32_t vrv_epochs_newest(const struct vrv_epochs *h); /* -1 when empty */

/* OffsetForLeaderEpoch: the largest known epoch <= `epoch` and where it ends (`end` for the
 * newest).  Asked for an older epoch than all known: that epoch and the first one's start; for a
 * newer than all: -1 and -1. */
void vrv_epochs_end_of(const struct vrv_epochs *h, int32_t epoch, int64_t end, int32_t *found,
    int64_t *found_end);
/* Which epoch wrote `offset`; -1 when unknown. */
int32_t vrv_epochs_at(const struct vrv_epochs *h, int64_t offset);

/* The log starts (ends) at `offset` now: forget what lies wholly outside; the epoch that spans a
 * new start begins there. */
void vrv_epochs_trim_start(struct vrv_epochs *h, int64_t offset);
void vrv_epochs_trim_end(struct vrv_epochs *h, int64_t offset);
void vrv_epochs_fini(struct vrv_epochs *h);

/* u32 count, then {i32 epoch, i64 start} each, little-endian.  Bytes needed, and the copying. */
size_t vrv_epochs_encoded(const struct vrv_epochs *h);
void vrv_epochs_encode(const struct vrv_epochs *h, uint8_t *out);
/* *used bytes of in[n] were ours; CORRUPT when they don't ascend or are too few. */
int vrv_epochs_decode(struct vrv_epochs *h, const uint8_t *in, size_t n, size_t *used,
    struct vrv_err *e) VRV_MUST_CHECK;

#endif
