/*
 * One cold object, read to the end: header, each chunk with its batches, what is behind them, footer; and
 * whether that is what the manifest says.
 *
 * Threads: one for each of these.
 */
#ifndef VRV_SCRUB_OBJECT_H
#define VRV_SCRUB_OBJECT_H

#include "engine/batch/batch.h"
#include "engine/log/epochs.h"
#include "engine/seg/seg.h"
#include "tiering/format/manifest.h"
#include "tiering/store/sync.h"

struct vrv_object_walk {
    /* the caller's */
    struct vrv_sync *s;
    const struct vrv_log_id *id;
    const struct vrv_cold_seg *seg;
    bool any_crc;                 /* what the checksum of all of it should be isn't known */
    void (*before)(void *ctx, size_t n); /* so much is read now; may wait, or be NULL */
    void (*batch)(void *ctx, const struct vrv_batch *b); /* each, in order; may be NULL */
    void *ctx;
    /* what was read so far */
    uint64_t batches, at;
    uint32_t crc;
    /* ours */
    struct vrv_object_info info;
    struct vrv_epochs epochs;
    uint8_t *piece;               /* of the object, from piece_at on */
    uint64_t piece_at;
    size_t piece_n;
    uint32_t plain_crc;
};

/* NOTFOUND, CORRUPT (the sentence says what and where), VERSION, NOMEM, or what the store says.  The caller's
 * fields are set, the rest is zero. */
int vrv_object_walk(struct vrv_object_walk *w, struct vrv_err *e) VRV_MUST_CHECK;

#endif
