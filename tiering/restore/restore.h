/*
 * A server made anew from its store alone.
 *
 *   newest marker ─► catalog, groups' offsets      each partition's newest whole manifest ─► where it goes on
 *                 └──────────────► an empty data directory ◄──────────────┘
 *
 * The records stay where they are, and can be read at once.  What was on the lost disk only is lost: a
 * partition goes on where its cold records end, in a new epoch.
 *
 * Threads: the caller's, and some for the partitions.
 */
#ifndef VRV_RESTORE_RESTORE_H
#define VRV_RESTORE_RESTORE_H

#include "engine/engine.h"
#include "tiering/restore/find.h"

/* What became of a partition: 0, and what was found; NOTFOUND: nothing of it is in the store; or why none of
 * its manifests is of use.  Called from several threads, one at a time. */
typedef void vrv_restore_fn(void *ctx, const struct vrv_log_id *id, int status,
    const struct vrv_found *f, const struct vrv_err *e);

struct vrv_restore_opts {
    struct vrv_store *store;      /* borrowed, as all */
    struct vrv_clock *clock;
    const struct vrv_engine_opts *engine; /* of the data directory */
    uint64_t random;
    int64_t call_ms;              /* for one call to the store, with its attempts */
    unsigned threads;
    bool take_over;               /* though the newest marker is young, and not a last one */
    vrv_restore_fn *found;
    void *ctx;
};

struct vrv_restored {
    struct vrv_marker m;          /* its records are still to be appended to their logs; without catalog */
    uint8_t *bytes;               /* it lies in these */
    uint64_t owner;               /* as which owner of the store the server goes on */
    unsigned found, absent, bad;  /* partitions */
};

/* Errors: NOTFOUND (no marker), LOCKED (a server lives there), FOREIGN (the data directory isn't empty), and
 * the store's.  A partition that is bad is no error: it begins anew, empty. */
int vrv_restore(const struct vrv_restore_opts *o, struct vrv_restored *out, struct vrv_err *e)
    VRV_MUST_CHECK;
void vrv_restored_fini(struct vrv_restored *r);

#endif
