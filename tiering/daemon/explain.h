/*
 * Why each segment is where it is, and what becomes of it: the policy, told to people.
 *
 * It never contradicts the plan: what is due is what vrv_tier_plan does of the same rules and view;
 * what is to come by a time is what it will do then, if until then nothing is appended and no
 * setting changes.
 */
#ifndef VRV_DAEMON_EXPLAIN_H
#define VRV_DAEMON_EXPLAIN_H

#include "tiering/daemon/policy.h"

enum vrv_tier_place { VRV_TIER_HERE, VRV_TIER_BOTH, VRV_TIER_COLD };

enum vrv_tier_fate {
    VRV_TIER_STAYS,    /* where it is */
    VRV_TIER_COPIED,   /* to the store */
    VRV_TIER_DROPPED,  /* from this disk; the store has it */
    VRV_TIER_DELETED,  /* wherever it is */
    VRV_TIER_CLOSED,   /* it is open */
    VRV_TIER_LOST,     /* given up for want of room; the store hasn't got it */
};

enum vrv_tier_why {
    VRV_WHY_UNLIMITED,        /* no limit asks for anything */
    VRV_WHY_OPEN,             /* it is being written; segment.bytes closes it */
    VRV_WHY_CLOSED,           /* it is to be sealed, by the next checkpoint */
    VRV_WHY_COPY_OFF,         /* remote.log.copy.disable */
    VRV_WHY_NEXT,             /* it is the next one to go */
    VRV_WHY_BEHIND,           /* those before it go first */
    VRV_WHY_LAG_MS,           /* remote.copy.lag.ms */
    VRV_WHY_LAG_BYTES,
    VRV_WHY_LOCAL_MS,         /* local.retention.ms */
    VRV_WHY_LOCAL_BYTES,
    VRV_WHY_RETENTION_MS,
    VRV_WHY_RETENTION_BYTES,
    VRV_WHY_BELOW_START,      /* the log begins behind it */
    VRV_WHY_LEAVES,           /* not remote.storage.enable: what is here stays, the rest goes */
    VRV_WHY_MAX_AGE,          /* varve.offload.max.age.ms */
    VRV_WHY_OPEN_MS,          /* as OPEN; at this time segment.ms does */
    VRV_WHY_OPEN_MAX_AGE,     /* ... varve.offload.max.age.ms, */
    VRV_WHY_OPEN_RETENTION,   /* ... retention.ms: all of it is too old */
    VRV_WHY_LOCAL_MAX,        /* tier.local.max.bytes is exceeded: the oldest of all topics leave,
                               * as soon as they can */
    VRV_WHY_DISK_FREE,        /* tier.disk.free.min.bytes isn't free: they do, too */
    VRV_WHY_OUTAGE,           /* varve.tier.outage.policy: the disk is full of what the store doesn't take */
};

/* Something that will happen at a time, or before that when more was appended. */
struct vrv_tier_event {
    int64_t ms;      /* wall clock; now or before: it is due; INT64_MAX: no time is known */
    uint64_t more;   /* bytes; UINT64_MAX: whatever comes */
    enum vrv_tier_why why;
};

/* A segment, or a page of older ones of which no more is known. */
struct vrv_tier_seg {
    int64_t base, next;
    uint32_t segments;
    uint64_t bytes;              /* of record batches */
    int64_t stored;              /* bytes that the store has of it; -1: it is in a page with others */
    int64_t newest_ms;
    enum vrv_tier_place place;
    enum vrv_tier_fate fate;     /* what comes next, */
    struct vrv_tier_event when;  /* and when */
    struct vrv_tier_event gone;  /* when it is deleted */
    bool held;                   /* its time on this disk is over, and the store hasn't got it */
};

/* All of them, oldest first (malloc'd; NULL: none). */
struct vrv_tier_seg *vrv_tier_explain(const struct vrv_tier_rules *r, const struct vrv_tier_view *v,
    uint32_t *n);

/* So many segments, and their bytes. */
struct vrv_tier_amount {
    uint64_t segments, bytes;
};

/* What they come to. */
struct vrv_tier_sums {
    struct vrv_tier_amount here, both, cold; /* by place */
    struct vrv_tier_amount lag;     /* should be in the store, and isn't */
    int64_t lag_ms;                 /* for how long the first of them should, by its records' times; or 0 */
    struct vrv_tier_amount held;    /* as above */
    struct vrv_tier_amount dead;    /* below the log's start, and still in the manifest */
    struct vrv_tier_amount copies, drops, deletes; /* what is due, one thing after the other */
    uint64_t requests;              /* to the store for these copies: objects or their parts,
                                     * checks, manifests and a read of each */
};
void vrv_tier_sum(const struct vrv_tier_view *v, const struct vrv_tier_seg *s, uint32_t n,
    struct vrv_tier_sums *out);

#endif
