/*
 * What is to become of a partition's segments: which are too old for both tiers, which may leave this
 * disk, which goes to the store next.
 *
 *   start ──────────────── cold ──────────────► manifest's next ── local only ──► end
 *           local start ── in both ───────────►
 *
 * Decided from what there is, and done by somebody else; so that it can be asked before a setting is made.
 * Nothing is dropped here that isn't in the manifest, and without one nothing at all (lesson 25).
 *
 * Who leaves the cold tier keeps what this disk has: first the log begins there, then the manifest names
 * nothing any more, then the store is swept.
 */
#ifndef VRV_DAEMON_POLICY_H
#define VRV_DAEMON_POLICY_H

#include "engine/log/log.h"
#include "tiering/format/manifest.h"

/* What goes when the disk is full of what the store doesn't take. */
enum vrv_tier_outage {
    VRV_TIER_BLOCK,       /* nothing */
    VRV_TIER_DROP_OLDEST, /* the oldest that only this disk has */
    VRV_TIER_EXPIRE,      /* ... if its time here is over */
};

/* A topic's settings, as Kafka's are called; INT64_MAX: no limit. */
struct vrv_tier_rules {
    bool leaves;                           /* not remote.storage.enable: nothing stays in the store */
    bool deletes;                          /* cleanup.policy */
    bool copies;                           /* not remote.log.copy.disable */
    int64_t retention_ms, retention_bytes; /* of both tiers together */
    int64_t local_ms, local_bytes;         /* of this disk */
    int64_t lag_ms, lag_bytes;             /* a segment may go when it is so old, or so much is behind it */
    int64_t age_ms;                        /* a record's way to the store begins at this age at the latest */
    enum vrv_tier_outage outage;
    uint64_t evicts;                       /* bytes that leave this disk before their time, if the
                                            * store has them, */
    bool wants_room;                       /* ... for tier.disk.free.min.bytes; else for
                                            * tier.local.max.bytes */
    uint64_t loses;                        /* bytes that `outage` gives up; the plan has nothing of it */
};

/* A segment on this disk. */
struct vrv_tier_local {
    int64_t base, next;
    uint64_t bytes;
    int64_t newest_ms;                     /* as vrv_cold_seg_newest */
    bool sealed;
    int64_t since_ms;                      /* when its first batch was appended */
};

struct vrv_tier_view {
    const struct vrv_manifest *cold;       /* NULL: nothing is cold */
    const struct vrv_cold_seg *oldest;     /* the segments of its first page, if they are known: without */
    uint32_t oldest_n;                     /* them that page only goes as a whole */
    const struct vrv_tier_local *local;    /* in order */
    uint32_t local_n;
    int64_t start, local_start;            /* the log's */
    struct vrv_log_closing closing;        /* of the last one, if it is open; the plan has nothing of it */
    int64_t now_ms;
};

struct vrv_tier_plan {
    int64_t start;   /* what is below is too old, or too much */
    int64_t trim;    /* what is below needn't be in the manifest any more */
    int64_t drop;    /* what is below may leave this disk: the store has it, or it is too old */
    uint32_t move;   /* the local segment that goes next; local_n: none may */
    int64_t move_ms; /* ... or when the first one may (wall clock); INT64_MAX: nobody knows */
    int64_t due_ms;  /* by when it should be there; INT64_MAX: whenever */
    /* Until then nothing else is planned, unless a segment is sealed, comes or goes: */
    int64_t next_ms; /* this time; INT64_MAX: no time is known */
    uint64_t more;   /* ... or so many bytes more; UINT64_MAX: whatever comes */
};

void vrv_tier_plan(const struct vrv_tier_rules *r, const struct vrv_tier_view *v,
    struct vrv_tier_plan *out);
/* The local segment that may be given up now, though the store hasn't got it; local_n: none. */
uint32_t vrv_tier_losable(const struct vrv_tier_rules *r, const struct vrv_tier_view *v);
/* May some of the oldest page be too old, or too much, so that its segments are worth reading? */
bool vrv_tier_wants_oldest(const struct vrv_tier_rules *r, const struct vrv_tier_view *v);

/* Both tiers as one row, oldest first, as retention goes through them: segments of the store, some of them
 * together as a page, then those that only this disk has. */
struct vrv_tier_item {
    int64_t base, next;
    uint32_t segments;
    uint64_t bytes;
    int64_t newest_ms;
    bool cold;
    bool may_go;     /* from the front, that is: it is sealed */
    uint64_t stored; /* bytes that the store has of it */
};
/* The i-th; false: there are fewer. */
bool vrv_tier_item_at(const struct vrv_tier_view *v, uint32_t i, struct vrv_tier_item *out);

#endif
