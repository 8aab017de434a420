/*
 * What the tier does in a store beside its partitions' own affairs: it deletes what is cold of deleted
 * topics, and lets the store remove uploads that nobody ends.
 *
 *   head of a partition without a topic ─► kept, or still within the grace: nothing
 *                                       └► the record says "purging" ─► all of it is deleted ─► listed
 *                                          again after a while, nothing there ─► the head goes ─► with
 *                                          the last one the record
 *
 * So heads are the queue of what is to be deleted, durable as the catalog is; a crash anywhere only delays
 * it.  A topic that left no record (it had left the tier before, or the catalog isn't what it was) goes as
 * orphans do: when it was so for long, by the clock, from when that was first seen, which the head keeps.
 * Objects of topics that the catalog has no head of are not looked for here: a scrub reports them.
 *
 * Threads: the tier's.
 */
#ifndef VRV_DAEMON_HOUSE_H
#define VRV_DAEMON_HOUSE_H

#include "engine/remains.h"
#include "tiering/daemon/kept.h"
#include "tiering/daemon/sweep.h"

struct vrv_house_opts {
    const struct vrv_sweep_opts *sweeps; /* borrowed: what deletes, and all else here by the same */
    int64_t keep_ms;           /* so long a deleted topic can come back */
    int64_t settle_ms;         /* what a store has written late is there by then */
    int64_t orphan_ms;         /* what nothing else is known of for so long is nobody's */
    int64_t stale_ms;          /* uploads that began so long ago are nobody's; how often that is looked at */
    int64_t again_ms;          /* after something failed */
    bool (*busy)(void *ctx, const struct vrv_log_id *id); /* something of it is under way */
    void (*gone)(void *ctx, const struct vrv_log_id *id); /* nothing is left of it */
    void (*failed)(void *ctx, const struct vrv_err *e);
    void *ctx;
};

/* What is to be deleted, and isn't yet. */
struct vrv_house_lag {
    uint64_t partitions, objects, bytes; /* as far as they are counted */
    int64_t since_ms;          /* when the oldest was due (wall clock); 0: there is nothing */
    uint64_t kept, kept_bytes; /* topics that can still come back */
    int64_t kept_since_ms;     /* when the oldest of them was deleted; 0: there is none */
};

struct vrv_house {
    struct vrv_house_opts o;
    struct vrv_engine *eng;    /* NULL: none, or about to close */
    struct vrv_omap due;       /* partitions whose turn it is, or was */
    struct vrv_sweep *sweep;   /* under way: one of all */
    struct vrv_store_call stale;
    bool stale_runs;
    int64_t stale_ns;          /* the next look at uploads */
    int64_t begun_ns;          /* when it was made */
    int64_t look_ns;           /* until then there is nothing to look for, if nobody tells */
    struct {
        bool known, due;
        bool alone;            /* nothing else is known of it: each partition has its time */
        struct vrv_uuid topic;
        int64_t since_ms;      /* when it was due, */
        int64_t deleted_ms;    /* and deleted; -1: not known */
    } asked;                   /* what is known of a topic within one look */
    struct vrv_kept kept;
    struct vrv_house_lag lag;
    uint64_t deleted, stale_removed;
};

void vrv_house_init(struct vrv_house *h, const struct vrv_house_opts *o);
/* Nothing is under way. */
void vrv_house_fini(struct vrv_house *h);
bool vrv_house_is_idle(const struct vrv_house *h);
/* End it soon. */
void vrv_house_cancel(struct vrv_house *h);

/* Is its cold data to stay for good (varve.tier.on.delete)? */
bool vrv_house_keeps(const struct vrv_remains *r);

/* What of a partition of a deleted topic is in the store; -1: it isn't known yet. */
int64_t vrv_house_bytes(const struct vrv_house *h, const struct vrv_log_id *id);

/* At look_ns. */
void vrv_house_look(struct vrv_house *h);
/* Something was deleted, or a setting or the clock is another one: look at once. */
void vrv_house_wake(struct vrv_house *h);
/* What has waited for its time; the next such time, or INT64_MAX. */
int64_t vrv_house_step(struct vrv_house *h);

#endif
