/*
 * What the cold tier tells of itself, and is told to do, by whoever looks after it: where each
 * partition's segments are and why, what settings would change, how the store does.
 *
 *   vrv_tier_state      the tier as a whole
 *   vrv_tier_part       a partition as it is, or as it would be with other settings
 *   vrv_tier_parts      many, as they are
 *   vrv_tier_offload    seal what is there, and move it now
 *   vrv_tier_forget     read it of the store again, next time
 *   vrv_tier_deleted    deleted topics that have left something
 *
 * What is told of one thing is of one moment, and computed then.
 *
 * Threads: any, between attach and detach; it is done on the tier's, and waited for.  A tier
 * without a thread does it at once.
 */
#ifndef VRV_TIERING_TIER_ASK_H
#define VRV_TIERING_TIER_ASK_H

#include "engine/base/hist.h"
#include "engine/base/recent.h"
#include "engine/engine.h"
#include "tiering/daemon/explain.h"
#include "tiering/reader/cache.h"
#include "tiering/reader/shelf.h"
#include "tiering/store/retry.h"
#include "tiering/tier.h"

/* ---- all of it ---- */

/* How full this disk is, and of what limits. */
struct vrv_tier_disk {
    enum vrv_disk_state state;
    struct vrv_disk_use use;
    struct vrv_disk_marks marks;
};

struct vrv_tier_state {
    char store[256];             /* "directory /srv/cold" */
    const char *kind;            /* "directory" */
    bool owned;                  /* it is ours: nothing is written there before that is known */
    int64_t skew_ms;             /* its clock, ahead of ours (store.h) */
    struct vrv_err owner;        /* why it isn't, or what failed when it was asked; code 0: nothing */
    int64_t now_ms;
    struct vrv_err last;         /* the store's newest failure, */
    int64_t last_ms;             /* and when (wall clock); 0: there was none */
    int64_t good_ms;             /* when it did last what it was asked to; 0: never */
    struct vrv_store_bad bad[VRV_STORE_OPS];
    int64_t moved_ms, deleted_ms, swept_ms; /* when one of these succeeded last; 0: never */
    uint64_t marks_failed;       /* markers that couldn't be written since the start */
    int64_t marked_ms;           /* when a marker was written last; 0: none was since the start */
    int64_t oldest_ms;           /* when the first of those under way began; 0: none is */
    uint64_t moves, queued;      /* segments on their way, reads under way */
    uint64_t swept;              /* objects deleted */
    unsigned sent[VRV_STORE_CLASSES], waiting[VRV_STORE_CLASSES]; /* calls of the store: sent; to be tried again */
    uint64_t settled;            /* writes of unknown outcome that turned out to be done */
    uint64_t read_bytes, written_bytes; /* of objects */
    uint64_t copy_waited_ns, read_waited_ns; /* how long something was held back by a rate; */
    struct vrv_recent_view copy_waits, read_waits; /* lately, of those that were: how long each was (ns) */
    uint64_t upload_bytes;       /* memory of what is on its way to the store, */
    size_t manifest_bytes, index_bytes; /* ... of manifests; of that where chunks lie, */
    uint64_t cache_bytes, cache_max; /* ... and of the cache; */
    struct vrv_cache_counts cache;
    struct vrv_shelf_stats shelf;  /* beside it; all zeros: there is none */
    struct vrv_tier_disk disk;
};
void vrv_tier_state(struct vrv_tier *t, struct vrv_tier_state *s);

/* What was asked of it in all, */
void vrv_tier_usage(struct vrv_tier *t, struct vrv_usage *out);
/* ... and for each of n topics. */
void vrv_tier_usages(struct vrv_tier *t, const struct vrv_uuid *topic, size_t n, struct vrv_usage *out);

/* How long reads of it waited for their turn, and took then; how long segments took that arrived. */
struct vrv_tier_times {
    struct vrv_hist_view wait, read, move;
};
void vrv_tier_times(struct vrv_tier *t, struct vrv_tier_times *out);

/* How long its thread has had nothing to do. */
int64_t vrv_tier_idle_ns(struct vrv_tier *t);

/* The store's answers, by what it was asked for and what came of it; several may be read into one
 * view. */
void vrv_tier_requests(struct vrv_tier *t, enum vrv_store_op op, enum vrv_store_outcome outcome,
    struct vrv_hist_view *v);

/* ---- a partition ---- */

enum vrv_tier_work {
    VRV_TIER_RESTS,
    VRV_TIER_READS,    /* its manifest */
    VRV_TIER_MOVES,    /* a segment goes to the store */
    VRV_TIER_TRIMS,    /* what is deleted leaves the manifest */
    VRV_TIER_SWEEPS,   /* the store is looked through for what nothing names */
};

/* Since the start. */
struct vrv_tier_counts {
    uint64_t copies, copy_errors; /* segments that were sent; those that failed */
    uint64_t copied_bytes;        /* of those that arrived */
    uint64_t deletes, delete_errors;            /* rounds of deletion */
};

struct vrv_tier_part {
    bool tiered;                 /* it asks for the cold tier, */
    bool refuses;                /* appends, since the disk is full of what the store hasn't taken */
    bool paused;                 /* ... and has nothing copied there any more: remote.log.copy.disable */
    int64_t start, local_start, end;
    int64_t cold_end;            /* what is below is in the store; -1: nothing is */
    int unknown;                 /* 0; or why that can't be told: AGAIN, it is being read; ... */
    struct vrv_err why;
    uint64_t stored;             /* bytes that the store has of it, packed as they are */
    struct vrv_tier_sums sums;
    enum vrv_tier_work work;
    int64_t since_ms;            /* since when (wall clock); 0: not known */
    int64_t at;                  /* MOVES: the segment's base, */
    uint64_t done, size;         /* so much of it was read, of so much */
    struct vrv_err last;         /* the newest failure, and when; 0: there was none */
    int64_t last_ms, again_ms;   /* when it is tried again; 0: now */
    int64_t dead_for_ms;         /* for how long sums.dead has been more than nothing */
    struct vrv_tier_counts counts;
    struct vrv_tier_seg *seg;    /* where they were asked for (malloc'd) */
    uint32_t seg_n;
};

/* `as`: with these settings in the place of its own; NULL: as it is.  NOTFOUND: there is no such
 * partition; STOPPED.  To be finished when it returns 0. */
int vrv_tier_part(struct vrv_tier *t, const struct vrv_log_id *id, const struct vrv_log_config *as,
    bool segments, struct vrv_tier_part *p, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_tier_part_fini(struct vrv_tier_part *p);

struct vrv_tier_asked {
    struct vrv_log_id id;
    int rc;                      /* as vrv_tier_part's; */
    struct vrv_tier_part p;      /* 0: there is nothing to finish */
};
/* Without their segments, VRV_TIER_AT_ONCE in a row: in between the tier goes on with what else there is. */
enum { VRV_TIER_AT_ONCE = 64 };
void vrv_tier_parts(struct vrv_tier *t, struct vrv_tier_asked *v, size_t n);

/* Close the open segment, and let all that is there now leave for the store without waiting for
 * remote.copy.lag.*: *to is where that ends.  INVALID: the topic doesn't ask for the cold tier, or
 * has its copies switched off; NOTFOUND, STOPPED. */
int vrv_tier_offload(struct vrv_tier *t, const struct vrv_log_id *id, int64_t *to,
    struct vrv_err *e) VRV_MUST_CHECK;

/* What the cache has of a partition goes, as far as nobody uses it; false: some records are in use,
 * or on their way. */
bool vrv_tier_forget(struct vrv_tier *t, const struct vrv_log_id *id);

/* ---- deleted topics ---- */

struct vrv_tier_deleted {
    char name[VRV_TOPIC_NAME_MAX + 1];
    struct vrv_uuid id;
    int32_t partitions;
    int64_t bytes;               /* in the store; -1: not known yet */
    int64_t deleted_ms;
    int64_t until_ms;            /* it can come back before; INT64_MAX: at any time */
    bool purging;                /* it can't any more */
};

/* Those that have left something in the cold tier, oldest first; *v: malloc'd.  now_ms: the tier's wall
 * clock.  STOPPED.  vrv_tier_undelete brings one back. */
int vrv_tier_deleted(struct vrv_tier *t, struct vrv_tier_deleted **v, size_t *n, int64_t *now_ms,
    struct vrv_err *e) VRV_MUST_CHECK;

#endif
