/*
 * What a store has of a partition and nothing names goes (L11): what retention has left, what died moves
 * and commits have left.
 *
 *   list of names ─► named by the manifest? ─► begins below it: retention's ─┐
 *                                          └► made long ago: an orphan ─────┴► deleted
 *
 * A list is a hint: what it lacks stays for the next time.  What it shows is compared with the manifest
 * that counts when it is deleted; names are drawn anew for each object, so that what isn't named and is old
 * never will be.  But where there is a root above the one that counts, nothing goes but roots: that one may
 * name it, and come to count.
 *
 * Of a partition whose topic was deleted everything goes.  Where nothing is to happen, it is only counted.
 *
 * Threads: the tier's.
 */
#ifndef VRV_DAEMON_SWEEP_H
#define VRV_DAEMON_SWEEP_H

#include "tiering/daemon/rate.h"
#include "tiering/parts/parts.h"
#include "tiering/reader/cache.h"

struct vrv_sweep_opts {
    struct vrv_parts *parts;   /* borrowed, as all */
    struct vrv_cache *cache;
    struct vrv_retry *retry;
    struct vrv_cq *cq;
    struct vrv_clock *clock;
    struct vrv_rate *rate;     /* of all sweeps together */
    int64_t call_ms;
};

struct vrv_sweep {
    /* the caller's, until run is called, once, never from within */
    const struct vrv_sweep_opts *o;
    struct vrv_log_id id;
    bool all;                  /* nothing of it stays: its topic was deleted */
    bool dry;                  /* delete nothing */
    int64_t spares;            /* of what has left the manifest all from there on stays; 0: nothing of it */
    bool leaves;               /* the partition does: when its manifest is empty no segment is awaited */
    int64_t orphan_ms;         /* what was made so long ago and isn't named is an orphan */
    void (*run)(struct vrv_sweep *s, int status, const struct vrv_err *e);
    void *owner;
    uint64_t found, found_bytes; /* what is to go, */
    uint64_t orphans, orphan_bytes; /* ... of that what nothing had named, old as it is */
    uint64_t deleted, deleted_bytes; /* of that */
    /* ours */
    struct vrv_snap *snap;
    char what;                 /* 'd', 'h' or 'm' (vrv_parts_prefix) */
    bool looks;                /* the first list of 'm': is there a root above? */
    bool above;                /* ... there is: of a commit that nobody has heard of, or of another
                                * life (found.c).  What it names has no age */
    bool spared;               /* of 'm' some were spared for want of knowing that */
    bool cancelled;
    char prefix[VRV_STORE_KEY_MAX + 1], after[VRV_STORE_KEY_MAX + 1];
    struct vrv_store_call list, del;
    size_t at;                 /* the next of the list */
    bool more;
    const char *keys[VRV_STORE_DELETE_MAX]; /* to be deleted; in the list */
    unsigned key_n;
    uint64_t key_bytes;
    bool deletes;              /* a call that deletes them is under way */
    int64_t at_ns;             /* when they may be deleted; INT64_MAX: nothing waits for that */
    struct vrv_piece *page, *awaited;
    struct vrv_piece_wait wait;
    struct vrv_store_call root; /* the root before, for pages that only it may name: */
    char root_key[VRV_STORE_KEY_MAX + 1];
    bool reads;
    struct vrv_manifest before;
    uint64_t before_of;        /* which one it is before; 0: none was asked for */
    bool before_known;         /* what it names is, be it nothing */
};

void vrv_sweep_begin(struct vrv_sweep *s);
/* Do what has waited for its time; the next such time, or INT64_MAX. */
int64_t vrv_sweep_step(struct vrv_sweep *s);
/* End it soon; perhaps from within. */
void vrv_sweep_cancel(struct vrv_sweep *s);

#endif
