/*
 * How fast segments may leave, so that producers don't notice: pieces of them wait here for their turn.
 *
 *   p99 of commits while nothing leaves ─► what is usual
 *   p99 of commits while something does ─► above 1.3 x usual: a quarter slower
 *                                       └► else: an eighth faster
 *
 * Without commits, for as long as a second, it is twice as fast each time; when they are back it begins anew.
 * When what is usual was learnt long ago, nothing leaves for a moment, to learn it anew.  A fixed cap holds
 * beside that; it is all that holds when the disk fills up.
 *
 * Threads: the tier's.
 */
#ifndef VRV_DAEMON_PACE_H
#define VRV_DAEMON_PACE_H

#include <stdbool.h>

#include "engine/base/hist.h"
#include "engine/base/list.h"
#include "engine/base/recent.h"
#include "engine/os/clock.h"
#include "engine/os/cq.h"

struct vrv_pace {
    struct vrv_clock *clock;   /* borrowed */
    uint64_t cap;              /* bytes a second at most, whatever else; above 0 */
    bool hurry;                /* only the cap counts */
    uint64_t rate;             /* bytes a second now */
    uint64_t usual_ns;         /* the p99 when nothing leaves; 0: not known */
    uint64_t waited_ns;        /* how long something waited for its turn, all in all; */
    struct vrv_recent waits;   /* lately: how long each that waited a millisecond or more */
    /* ours */
    struct vrv_list waiting;
    int64_t room;              /* bytes that may leave at once; below 0: too many have left */
    int64_t filled_ns;         /* when that was counted */
    int64_t waits_ns;          /* since when something waits, or when that was counted; 0: nothing does */
    int64_t usual_at_ns;
    bool blind;                /* the rate rose while there were no commits to tell whether it hurts */
    bool calm;                 /* nothing leaves: to learn what is usual */
    uint64_t left;             /* bytes, since the last lesson; */
    uint64_t most;             /* ... about the most of that lately: between two segments little leaves */
    struct vrv_hist_view seen, quiet, busy; /* all commits up to then; those since the last judgement */
    unsigned quiet_n, busy_n;  /* ... lessons that were */
};

struct vrv_pace_wait {
    struct vrv_list link;
    struct vrv_done *done;
    uint64_t bytes;
    int64_t since_ns;          /* ours */
};

void vrv_pace_init(struct vrv_pace *p, struct vrv_clock *clock, uint64_t cap);
/* Post w->done when so many bytes may leave: in order. */
void vrv_pace_ask(struct vrv_pace *p, struct vrv_pace_wait *w);
/* Post it now, if it still waits. */
void vrv_pace_cancel(struct vrv_pace_wait *w);
/* Post those whose turn has come; the next one's time (monotonic ns), or INT64_MAX. */
int64_t vrv_pace_step(struct vrv_pace *p);
/* How long all commits took so far; to be told about once a second. */
void vrv_pace_learn(struct vrv_pace *p, const struct vrv_hist_view *commits);

#endif
