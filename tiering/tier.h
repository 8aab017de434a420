/*
 * The cold tier of one engine: sealed segments of the topics that ask for it go to a store, are read from
 * there, leave this disk and, when they are too old for both, the store.
 *
 *   look at each partition ─► plan (daemon/policy.h) ─► start, local start: at once
 *                                                   └► move a segment (daemon/move.h), so many at a time
 *
 * Life: made before the engine that it serves opens, told of it then, stopped before that closes, and
 * freed behind it.
 *
 * Threads: its own, but for what says otherwise; a test calls the step instead.
 */
#ifndef VRV_TIERING_TIER_H
#define VRV_TIERING_TIER_H

#include "engine/engine.h"
#include "tiering/daemon/disk.h"
#include "tiering/daemon/house.h"
#include "tiering/daemon/owner.h"
#include "tiering/daemon/undelete.h"
#include "tiering/store/store.h"

struct vrv_tier;

/* What may change while it runs. */
struct vrv_tier_limits {
    uint64_t copy_bytes_s;    /* what leaves in a second, at most; INT64_MAX: no limit, */
    uint64_t fetch_bytes_s;   /* ... and what is read of the store for readers */
    int64_t keep_ms;          /* a deleted topic can come back for so long, then its cold data is deleted */
    int64_t grace_ms;         /* what retention deletes stays in the store for so long behind the
                               * manifest: who reads by an older one may finish */
    int64_t deletes_per_second; /* objects, at most */
    struct vrv_disk_marks disk;
};

/* Something that people want to hear of. */
struct vrv_tier_news {
    enum {
        VRV_TIER_NEWS_DISK,
        VRV_TIER_NEWS_LOST,
        VRV_TIER_NEWS_STORE,
        VRV_TIER_NEWS_CLOCK,
        VRV_TIER_NEWS_TRIED,
        VRV_TIER_NEWS_PASSED,
        VRV_TIER_NEWS_PRODUCERS
    } kind;
    enum vrv_disk_state disk;  /* DISK: how full it is now */
    struct vrv_log_id id;      /* LOST, PASSED, PRODUCERS: of this partition; LOST: records were given up, */
    int64_t from, to;          /* ... these offsets, */
    uint64_t bytes;
    bool leaves_hole;          /* ... and older ones are in the store; else the log begins behind them */
    enum vrv_store_op op;      /* STORE: what it is asked so, */
    const struct vrv_err *why; /* ... fails for this; NULL: it is done again.  PASSED: why a
                                * manifest that never counted can't be read; it is passed over.
                                * PRODUCERS: why the object before the one that has just been moved
                                * can't be; what producers had written by then isn't known of it */
    int64_t skew_ms;           /* CLOCK: the store's is so far ahead of ours, which matters; 0: not
                                * any more */
};

enum { VRV_TIER_MARKER_IDLE = 3 }; /* a server's marker_idle_ms, in marker_ms (TIER-25) */

struct vrv_tier_opts {
    struct vrv_store *store;  /* borrowed, as the next one */
    struct vrv_clock *clock;
    uint64_t random;
    size_t cache_bytes;       /* of what was read of the store */
    size_t index_bytes;       /* of where the chunks of segments lie that aren't in pages */
    struct vrv_vfs *shelf;    /* where more of it is kept (reader/shelf.h), borrowed; or NULL: nowhere */
    uint64_t shelf_bytes;
    void (*shelf_failed)(void *ctx, const struct vrv_err *e); /* told once, at the start or on the tier's thread,
                               * when that is not used any more; or NULL */
    unsigned moves;           /* segments on their way at the same time */
    struct vrv_tier_limits limits; /* to begin with */
    unsigned parts;           /* of each of them in memory, of 16 MiB */
    uint64_t put_max;         /* larger objects are uploaded in parts */
    int64_t look_ms;          /* how often it is asked what has changed */
    int64_t try_ms;           /* when it begins it tries what it will have to do there
                               * (check/probe.h), each within so long; TRIED is told after each
                               * round.  0: it doesn't */
    int64_t call_ms;          /* how long the store may take for one thing, all attempts together */
    int64_t attempt_ms;       /* ... and for one attempt */
    int64_t settle_ms;        /* what a store was asked for and did late is there after so long */
    int64_t orphan_ms;        /* what nothing has named for so long is nobody's */
    int64_t sweep_ms;         /* so long after something was written a partition's part of the store is looked
                               * through for that; where nothing is, every orphan_ms */
    int64_t marker_ms;        /* a marker so often, when something has changed, */
    int64_t marker_idle_ms;   /* ... and when nothing has */
    int64_t again_ms;         /* when a partition with which something failed is looked at again */
    uint32_t chunk_bytes;
    bool hashed_names;        /* of new objects (parts/parts.h) */
    size_t root_bytes;        /* of segments in a manifest, before the older ones go to a page */
    void (*foreign)(void *ctx, const struct vrv_err *e); /* told once, on the tier's thread, when
                                                          * the store turns out to be another
                                                          * server's; or NULL */
    void (*told)(void *ctx, const struct vrv_tier_news *n); /* on the tier's thread; may be NULL */
    void *ctx;
};
void vrv_tier_opts_default(struct vrv_tier_opts *o);

struct vrv_tier *vrv_tier_new(const struct vrv_tier_opts *o);
/* For the engine's options. */
struct vrv_cold *vrv_tier_cold(struct vrv_tier *t);
/* Other limits, in force within a second.  Any thread; waits for nothing. */
void vrv_tier_set(struct vrv_tier *t, const struct vrv_tier_limits *l);
/* Of this engine; it is open.  cluster: whose the store is; nothing is written there before that is known
 * for sure (daemon/owner.h).  NULL: whoever's.  records: for markers, may be NULL. */
void vrv_tier_attach(struct vrv_tier *t, struct vrv_engine *eng, const char *cluster,
    vrv_marker_records_fn *records, void *ctx);
/* The engine is about to close: what is under way is finished or given up; the tier goes on reading
 * until nobody waits for it any more.  When it returns, it refers to nothing of the engine's. */
void vrv_tier_detach(struct vrv_tier *t);
void vrv_tier_free(struct vrv_tier **t);

int vrv_tier_start(struct vrv_tier *t, struct vrv_err *e) VRV_MUST_CHECK;

/* Do one thing; false: nothing can be done before *next_ns (INT64_MAX: before something is posted). */
bool vrv_tier_step(struct vrv_tier *t, int64_t *next_ns);

/* Bring a deleted topic back; posted on u's queue.  Any thread, before the engine is about to close. */
void vrv_tier_undelete(struct vrv_tier *t, struct vrv_undelete *u);

struct vrv_tier_stats {
    uint64_t moved;               /* segments */
    uint64_t swept, swept_bytes;  /* objects deleted that nothing named, */
    uint64_t orphans, orphan_bytes; /* ... found that nothing had ever named, or does since long ago, */
    uint64_t deleted;             /* ... and of deleted topics */
    uint64_t stale;               /* uploads removed that nobody ended */
    struct vrv_house_lag lag;     /* what is still to be deleted of deleted topics */
    uint64_t looks;               /* at partitions */
    uint64_t ready;               /* partitions that have something to do and wait for their turn */
    enum vrv_disk_state disk;
    uint64_t local_bytes, both_bytes; /* sealed on this disk; and in the store, too */
    uint64_t evicted_bytes;       /* left this disk before their time */
    uint64_t refusing;            /* partitions whose appends are refused, since the disk is full */
    uint64_t lost_segments, lost_bytes; /* given up for that */
    uint64_t passed;              /* manifests that couldn't be read, and were passed over */
    uint64_t failed;              /* moves and looks that failed */
    struct vrv_err last;          /* the newest failure, and when (wall clock) */
    int64_t last_ms;
};
void vrv_tier_stats(struct vrv_tier *t, struct vrv_tier_stats *s); /* any thread */

#endif
