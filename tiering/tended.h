/*
 * Within the room: a partition whose segments are the tier's to move, what is known of it and what is
 * done about it: one thing at a time, but that a manifest may be read meanwhile.
 *
 *   asleep ── something changed, or its time has come ──► woken ── a look ──► asleep
 *                                                                   └► ready, or to be swept ── its
 *                                                                      turn ──► busy ── it ends ──► woken
 *
 * One that sleeps costs nothing: the engine tells what changes (vrv_log_take_changed), the look before
 * has said until when nothing else does.
 *
 * Threads: the tier's.
 */
#ifndef VRV_TIERING_TENDED_H
#define VRV_TIERING_TENDED_H

#include "tiering/tier_int.h"

struct vrv_tended {
    struct vrv_omap_node node;
    struct vrv_log_id id;
    struct vrv_tier *t;
    struct vrv_list woken;       /* of those that are to be looked at */
    struct vrv_timer timer;      /* when it is woken at the latest */
    struct vrv_timer ready;      /* of those that have something to do, the most urgent first */
    struct vrv_list sweeper;     /* of those that are to be swept */
    struct vrv_tier_here here;   /* when it was last looked at */
    struct vrv_timer evict;      /* of those that have something here that the store has, too; the
                                  * oldest first */
    struct vrv_timer lose;       /* ... and of those that may lose something, where the disk is full */
    int64_t lost_from, lost_to;  /* in between records were given up; equal: none */
    bool refuses;                /* appends, since the disk is full */
    bool ends;                   /* what is under way was told to */
    struct vrv_part_wait wait;
    bool waits;                  /* for its manifest */
    struct vrv_move *move;       /* under way, or NULL: */
    struct vrv_list moving;      /* ... of those that have one */
    struct vrv_log *log;
    struct vrv_snap *from;
    struct vrv_producers *producers; /* as of `known`, where the manifest ends */
    int64_t known;
    struct vrv_parts_commit *trim;     /* a commit without what is deleted, under way; or NULL */
    bool empties;                /* ... for good: what it names isn't relied on any more */
    int64_t trims_to;            /* ... where the manifest begins then */
    int64_t dropped;             /* what this disk lacks, or will when the journal is committed */
    int64_t stays_ns;            /* the rest isn't asked to leave before that, since it was refused */
    unsigned failed;             /* so often since something was done */
    int64_t again_ns;            /* nothing that failed before that */
    int64_t sweep_ns;            /* when to look through the store */
    bool stirred;                /* since that was done last something was written there, or should
                                  * have been */
    int64_t trimmed_to;          /* what is below has left the manifest, */
    int64_t spares;              /* and below this it will have by then long enough; 0: nothing
                                  * waits for that */
    struct vrv_piece *oldest;    /* the manifest's oldest page, while some of it may be too old; or NULL */
    int64_t dead_ns;             /* since when the manifest names what is below the log's start; 0:
                                  * it doesn't */
    int64_t late_ns;             /* since when there has always been a segment that should have
                                  * gone; 0: there is none */
    int64_t wanted;              /* whatever is below goes without waiting for remote.copy.lag.* */
    int64_t began_ms;            /* what is under way (wall clock), */
    int64_t began_ns;            /* ... of a move also so */
    struct vrv_err last;         /* the newest failure, */
    int64_t last_ms;             /* and when */
    struct vrv_tier_counts counts;
};

/* It is made where there is none.  leaves: it asks for the tier no more. */
struct vrv_tended *vrv__tended_of(struct vrv_tier *t, const struct vrv_log_id *id, bool leaves);
/* NULL: there is none. */
struct vrv_tended *vrv__tended_find(struct vrv_tier *t, const struct vrv_log_id *id);
/* Something is about to be written to the store, which may leave something there. */
void vrv__tended_stir(struct vrv_tended *d);
/* Something failed with it: nothing is tried again for a while. */
void vrv__tended_failed(struct vrv_tended *d, const struct vrv_err *e);
/* What is under way ends soon; nothing may be. */
void vrv__tended_end(struct vrv_tended *d);

/* ---- when it is looked at (tier_queue.c) ---- */

/* Soon. */
void vrv__tended_wake(struct vrv_tended *d);
/* By then (monotonic ns), if not before. */
void vrv__tended_wake_at(struct vrv_tended *d, int64_t ns);
/* Not for anything that was said before. */
void vrv__tended_rest(struct vrv_tended *d);
/* It has something to do, and who should be done first: smaller is sooner. */
void vrv__tended_ready(struct vrv_tended *d, int64_t rank);

/* ---- a look (tier_look.c) ---- */

enum vrv_look {
    VRV_LOOK,        /* what is to become of its segments? */
    VRV_LOOK_ACTS,   /* ... and it may begin what it was ready for */
    VRV_LOOK_EVICTS, /* ... and one that the store has, too, leaves this disk */
    VRV_LOOK_LOSES,  /* ... and one that the store hasn't is given up */
};
void vrv__tended_look(struct vrv_tended *d, enum vrv_look as);

/* ---- on a full disk (tier_disk.c) ---- */

/* What of it is here now. */
void vrv__tended_account(struct vrv_tended *d, const struct vrv_tier_here *here);
/* Its appends go on, or don't. */
void vrv__tended_refuse(struct vrv_tended *d, struct vrv_log *log, bool refuses); /* log NULL: it is gone */
/* The segment goes, durably told first; from: where what the store has ends, or the log begins.  False: not
 * now. */
bool vrv__tended_lose(struct vrv_tended *d, struct vrv_log *log, int64_t from,
    const struct vrv_tier_local *s);
/* What was given up is passed over where the manifest ends there (-1: there is none). */
void vrv__tended_pass_lost(const struct vrv_tended *d, struct vrv_log *log, int64_t cold_end);

/* ---- all of them ---- */

void vrv__tended_init(struct vrv_tier *t);
/* Nothing is under way. */
void vrv__tended_fini(struct vrv_tier *t);
/* What is under way ends soon. */
void vrv__tended_cancel(struct vrv_tier *t);
void vrv__tended_wake_all(struct vrv_tier *t);

/* ---- what is done about one (tended_work.c) ---- */

/* The segment that begins at `base` to the store.  Takes over the reference to the manifest, NULL: nothing
 * is cold. */
void vrv__tended_move(struct vrv_tended *d, struct vrv_log *log, struct vrv_snap *from, int64_t base);
/* The manifest without what lies below.  start: the log's. */
void vrv__tended_trim(struct vrv_tended *d, const struct vrv_manifest *m, int64_t below,
    int64_t start);
/* What the store has of it, and nothing names, goes. */
void vrv__tended_sweep(struct vrv_tended *d, bool leaves);

#endif
