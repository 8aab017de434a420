/* Within the room: the daemon as a whole.  Its partitions are in tended.h. */
#ifndef VRV_TIERING_TIER_INT_H
#define VRV_TIERING_TIER_INT_H

#include <pthread.h>

#include "engine/os/idle.h"
#include "tiering/check/probe.h"
#include "tiering/daemon/move.h"
#include "tiering/daemon/sweep.h"
#include "tiering/reader/cold.h"
#include "tiering/tier_ask.h"

/* Bytes of sealed segments on this disk, but for topics that leave the tier. */
struct vrv_tier_here {
    uint64_t local;    /* to stay for now, */
    uint64_t both;     /* ... those of them that the store has, too, */
    int64_t oldest_ms; /* ... and how new the first of these is */
    int64_t lose_ms;   /* how new that is which may be given up; INT64_MAX: nothing may */
    uint64_t leaving;  /* dropped, and not gone yet */
};

struct vrv_tier {
    struct vrv_tier_opts o;
    struct vrv_cq cq;
    struct vrv_retry *retry;
    struct vrv_parts parts;
    struct vrv_cold_reader reader;
    struct vrv_shelf *shelf; /* or NULL */
    struct vrv_move_opts move;
    uint64_t upload_bytes;       /* of all moves, in memory */
    struct vrv_owner owner;
    struct vrv_probe probe;
    bool cannot_try;             /* ... since the store isn't ours, or doesn't say so; that was told */
    bool owns;                   /* the store, whoever else there is */
    struct vrv_pace pace;
    struct vrv_source source;
    int64_t learn_ns;            /* when the pace is told of commits next */
    struct vrv_engine *eng;      /* NULL: none, or about to close */
    struct vrv_omap tended;      /* partitions; of them: */
    struct vrv_list woken;       /* those to be looked at */
    struct vrv_heap timers;      /* when others are */
    struct vrv_heap ready;       /* those with something to do, the most urgent first */
    struct vrv_list sweepers;    /* those whose part of the store is to be looked through */
    struct vrv_list moving;      /* those with a segment on its way, in the order in which that began */
    struct {
        enum vrv_disk_state state;
        struct vrv_tier_here here; /* of all of them */
        struct vrv_heap evictable; /* those of which something may leave early, */
        struct vrv_heap losable;   /* ... and be given up */
        uint64_t free;             /* bytes on its file system */
    } disk;
    int64_t skew_ms;             /* of the store's clock, as it was told */
    bool wrote;                  /* the store was ours when it was last looked at */
    unsigned moves, reads;       /* under way; trims count as moves */
    struct vrv_sweep_opts sweeps;
    struct vrv_sweep *sweep;     /* under way: one of all */
    struct vrv_rate deletes;
    struct vrv_house house;
    struct vrv_undelete *undelete; /* under way, or NULL */
    int64_t round_ns;            /* when it is asked what has changed */
    int64_t ahead_ms;            /* the wall clock, of the other one */
    struct vrv_hist move_time;   /* of segments that arrived; any thread may read it */
    int64_t moved_ms, deleted_ms, swept_ms; /* when one has succeeded last (wall clock); 0: none */
    struct vrv_lock lock;        /* rank tier; guards the next two */
    struct vrv_tier_stats stats;
    struct vrv_tier_limits wanted;
    _Atomic bool limits_changed;
    struct vrv_tier_limits limits; /* in force */
    pthread_t thread;
    bool started;
    struct vrv_idle idle;        /* when it has nothing to do */
    _Atomic bool stop;
    struct leave *leaving;       /* who waits until the engine may close; the thread's */
};

/* All of these on the tier's thread. */

/* ---- tier.c ---- */

int64_t vrv__tier_now_ns(const struct vrv_tier *t);  /* monotonic */
int64_t vrv__tier_wall_ms(const struct vrv_tier *t);
/* To whom it may concern (vrv_tier_opts). */
void vrv__tier_tell(const struct vrv_tier *t, const struct vrv_tier_news *n);
/* Have those limits in force that are wanted. */
void vrv__tier_apply_limits(struct vrv_tier *t);
/* Is it known that the store is ours? */
bool vrv__tier_may_write(const struct vrv_tier *t);
/* As vrv_house_opts wants it. */
void vrv__tier_note_failure(void *ctx, const struct vrv_err *e);

/* ---- tier_look.c ---- */

/* A topic's settings, as the disk lets them be. */
void vrv__tier_rules(const struct vrv_tier *t, const struct vrv_log_config *c,
    struct vrv_tier_rules *r);
/* The log's segments (malloc'd; NULL: none). */
struct vrv_tier_local *vrv__tier_local(struct vrv_log *log, uint32_t *n);
/* The segments of its oldest page, if the daemon looks at them; borrowed until its next look. */
void vrv__tier_oldest(struct vrv_tier *t, const struct vrv_log_id *id, struct vrv_tier_view *v);
/* Let all below `to` go now, also where it failed a moment ago. */
void vrv__tier_hurry(struct vrv_tier *t, const struct vrv_log_id *id, int64_t to);

/* ---- tended.c ---- */

/* What is done about a partition, and what was. */
void vrv__tier_doing(struct vrv_tier *t, const struct vrv_log_id *id, struct vrv_tier_part *p);
/* When what has been under way the longest began (wall clock); 0: nothing is. */
int64_t vrv__tier_oldest_move(struct vrv_tier *t);
/* Is something of a partition under way that a deletion must not meet? */
bool vrv__tier_is_busy(struct vrv_tier *t, const struct vrv_log_id *id);
/* What may yet change a partition's manifest ends soon; true: there is nothing such. */
bool vrv__tier_end_changes(struct vrv_tier *t, const struct vrv_log_id *id);
/* Nothing of it is left, and nothing under way. */
void vrv__tier_forget(struct vrv_tier *t, const struct vrv_log_id *id);

/* ---- tier_queue.c ---- */

/* Every partition that asks for the tier, or has something there, is to be looked at. */
void vrv__tier_wake_all(struct vrv_tier *t);
/* One thing: wake who has slept enough, look at one, begin what is most urgent.  False: nothing. */
bool vrv__tier_queue_step(struct vrv_tier *t);
/* When there is something again (monotonic ns), or INT64_MAX. */
int64_t vrv__tier_queue_next(const struct vrv_tier *t);

/* ---- tier_disk.c ---- */

void vrv__tier_disk_round(struct vrv_tier *t);
/* One segment leaves, if it must. */
bool vrv__tier_disk_step(struct vrv_tier *t);
/* What would leave early, or for good, if it were this topic's alone: the oldest of all do. */
void vrv__tier_disk_rules(const struct vrv_tier *t, struct vrv_tier_rules *r);
void vrv__tier_disk_tell(const struct vrv_tier *t, struct vrv_tier_disk *out);

/* ---- tier_house.c ---- */

void vrv__tier_house_init(struct vrv_tier *t);
void vrv__tier_house_look(struct vrv_tier *t);
/* Deletions whose time has come; the next such time, or INT64_MAX. */
int64_t vrv__tier_delete_step(struct vrv_tier *t);
void vrv__tier_house_give_up(struct vrv_tier *t);

#endif
