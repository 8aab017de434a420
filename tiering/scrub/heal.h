/*
 * What a store lacks, or has damaged, and this disk still has: it is written again, under a new name, read
 * back, and named by the next version of the manifest in the place of what was there.
 *
 *   segment here ─► object ─► read back ─► page, if it lies in one ─► root, if absent ─► head
 *
 * Whatever ends it before the head is written leaves names that nothing knows; it can be done
 * again.  What was there before is not touched: nobody names it any more, and the sweep finds it.
 * What is lost for good before a segment isn't in its way.
 *
 * Where the root itself is damaged the newest one before it that is whole, with all that it names,
 * counts once more, if this disk still has all that is behind that: its server moves it again.
 *
 * The other way round: what is damaged here, or was cut, and whole in the store, leaves this disk, so that the store
 * has the word.
 *
 * The server is stopped, and the engine open without its steps: nobody else changes a manifest.
 *
 * Threads: one.
 */
#ifndef VRV_SCRUB_HEAL_H
#define VRV_SCRUB_HEAL_H

#include "engine/engine.h"
#include "tiering/daemon/move.h"
#include "tiering/store/sync.h"

struct vrv_heal {
    /* the caller's, borrowed */
    struct vrv_sync *s;
    struct vrv_engine *eng;
    uint64_t random;
    bool hashed;             /* these two as its server has them (parts/parts.h) */
    size_t index_bytes;
    void (*checked)(void *ctx); /* vrv_heal_here has read one more segment; may be NULL */
    void *ctx;
    /* ours */
    bool lacks;              /* the segment that was healed last says less of producers: what lay before it is lost */
    uint64_t owner;          /* as which this engine owns the store */
    struct vrv_parts parts;
    struct vrv_pace pace;
    struct vrv_source source;
    struct vrv_move_opts move;
};

/* LOCKED: the store isn't this engine's to write to.  Then there is nothing to end. */
int vrv_heal_begin(struct vrv_heal *h, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_heal_end(struct vrv_heal *h);

/* The segment that begins at `base`, and whose object is `key`: 0, and it is whole again, of so many bytes.
 * NOTFOUND: this disk hasn't got it, either; CORRUPT: or damaged; CONFLICT: no manifest names it
 * that counts, or that a crash has left and might come to; AGAIN: crashes have left too many of
 * these. */
int vrv_heal_segment(struct vrv_heal *h, const struct vrv_log_id *id, const char *key, int64_t base,
    uint64_t *bytes, struct vrv_err *e) VRV_MUST_CHECK;

/* A root that is damaged, or lost: 0, and a whole one counts, which the server goes on from (none,
 * where none ever did); of those that crashes have left above it none does, nor will.  CORRUPT: what
 * the one before names, and this disk has, isn't all that there was; FENCED: another life than this
 * disk's has written there. */
int vrv_heal_root(struct vrv_heal *h, const struct vrv_log_id *id, struct vrv_err *e) VRV_MUST_CHECK;

/* Roots above the one that counts, which a crash has left (*there): 0, and they count from then on,
 * or are passed over; also where varve log repair has cut something out of what they name, however
 * long ago.  FENCED: another life wrote them. */
int vrv_heal_above(struct vrv_heal *h, const struct vrv_log_id *id, bool *there,
    struct vrv_err *e) VRV_MUST_CHECK;

/* What of a partition was looked at on this disk. */
struct vrv_heal_here {
    uint64_t segments, bytes; /* read, and checked */
    uint64_t damaged;         /* or less than was moved, as varve log repair leaves it */
    int64_t from, to;         /* offsets that left this disk; equal: none */
};

/* Sealed segments here are read.  CORRUPT: one is damaged that the store hasn't got whole, nor all before it. */
int vrv_heal_here(struct vrv_heal *h, const struct vrv_log_id *id, struct vrv_heal_here *out,
    struct vrv_err *e) VRV_MUST_CHECK;

/* What the engine is to be opened with: this disk lets go of nothing unless there is a cold tier. */
struct vrv_cold *vrv_heal_cold(void);

#endif
