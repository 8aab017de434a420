/*
 * What a store has of a partition and nothing names goes (L11): what retention has left, what died moves
 * and commits have left.
 *
 *   list of names ─► named by the manifest? ─► begins below it: retention's ─┐
 *                                          └► made long ago: an orphan ─────┴► deleted
 *
 * A list is a hint: what it lacks stays for the next time.  What it shows is compared with the manifest
 * that counts when it is deleted; names are drawn anew for each object, so that what isn't named and is old
 * never will be.
 *
 * Threads: the tier's.
 */
#ifndef VRV_DAEMON_SWEEP_H
#define VRV_DAEMON_SWEEP_H

#include "tiering/parts/parts.h"
#include "tiering/reader/cache.h"

struct vrv_sweep {
    /* the caller's, until run is called, once, never from within */
    struct vrv_parts *parts;   /* borrowed, as the next ones */
    struct vrv_cache *cache;
    struct vrv_retry *retry;
    struct vrv_cq *cq;
    struct vrv_clock *clock;
    struct vrv_log_id id;
    bool leaves;               /* the partition does: when its manifest is empty no segment is awaited */
    int64_t orphan_ms;         /* what was made so long ago and isn't named is an orphan */
    int64_t call_ms;
    void (*run)(struct vrv_sweep *s, int status, const struct vrv_err *e);
    void *owner;
    uint64_t deleted;          /* names */
    /* ours */
    struct vrv_snap *snap;
    char what;                 /* 'd', then 'm' */
    char prefix[VRV_STORE_KEY_MAX + 1], after[VRV_STORE_KEY_MAX + 1];
    struct vrv_store_call list, del;
    size_t at;                 /* the next of the list */
    bool more;
    const char *keys[VRV_STORE_DELETE_MAX]; /* to be deleted; in the list */
    unsigned key_n;
    struct vrv_piece *page, *awaited;
    struct vrv_piece_wait wait;
};

void vrv_sweep_begin(struct vrv_sweep *s);
/* End it soon. */
void vrv_sweep_cancel(struct vrv_sweep *s);

#endif
