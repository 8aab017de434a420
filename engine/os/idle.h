/*
 * How long threads have been idle, for who measures.  It costs a thread two stores for each time
 * that it waits, and the clock, which it reads anyway.
 *
 * Threads: one has a struct vrv_idle and tells of itself; any may ask.
 */
#ifndef VRV_OS_IDLE_H
#define VRV_OS_IDLE_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/os/clock.h"

/* All idle time so far.  While the thread waits, the time at which that began is taken off, so that
 * adding the present gives the sum: who sleeps for an hour is idle before the hour is over.  It is
 * negative then, as no thread is older than the clock. */
struct vrv_idle {
    _Atomic int64_t ns;
};

static inline void
vrv_idle_add(struct vrv_idle *i, int64_t ns)
{
    /* nobody else writes it */
    atomic_store_explicit(&i->ns, atomic_load_explicit(&i->ns, memory_order_relaxed) + ns,
        memory_order_relaxed);
}

/* The thread waits, */
static inline void
vrv_idle_begin(struct vrv_idle *i, int64_t now_ns)
{
    vrv_idle_add(i, -now_ns);
}

/* and goes on. */
static inline void
vrv_idle_end(struct vrv_idle *i, int64_t now_ns)
{
    vrv_idle_add(i, now_ns);
}

/* How long it was idle in all, by the clock whose times it told; it never goes back. */
int64_t vrv_idle_ns(struct vrv_idle *i, struct vrv_clock *clock);

/* Which part of the last time that was, for a gauge that nobody need ask at fixed times. */
struct vrv_idle_window {
    struct vrv_idle_at {
        int64_t now_ns, idle_ns;
    } since, next; /* the window begins at `since`, soon at `next` */
};

void vrv_idle_window_init(struct vrv_idle_window *w, int64_t now_ns);
/* Billionths, over the last VRV_IDLE_WINDOW_NS at least, if it was begun or asked then; idle_ns is
 * what all `threads` have together.  At most a whole. */
uint64_t vrv_idle_share(struct vrv_idle_window *w, int64_t now_ns, int64_t idle_ns,
    unsigned threads);

#define VRV_IDLE_WINDOW_NS INT64_C(10000000000)
#define VRV_IDLE_WHOLE     UINT64_C(1000000000)

#endif
