/* This disk, as far as the tier is concerned: how full it is, and what leaves it early for that. */
#include <stdlib.h>

#include "tiering/tended.h"

/* ---- what is here ---- */

void
vrv__tended_account(struct vrv_tended *d, const struct vrv_tier_here *here)
{
    struct vrv_tier_here *all = &d->t->disk.here;

    all->local += here->local - d->here.local;
    all->both += here->both - d->here.both;
    all->leaving += here->leaving - d->here.leaving;
    d->here = *here;
    vrv_heap_del(&d->t->disk.evictable, &d->evict);
    if (here->both > 0)
        vrv_heap_add(&d->t->disk.evictable, &d->evict, here->oldest_ms);
}

/* ---- how full it is ---- */

static struct vrv_disk_use
use_of(const struct vrv_tier *t)
{
    const struct vrv_tier_here *here = &t->disk.here;
    uint64_t free_ = t->disk.free;

    return (struct vrv_disk_use){ here->local, here->both,
        free_ < UINT64_MAX - here->leaving ? free_ + here->leaving : UINT64_MAX };
}

static void
enter(struct vrv_tier *t, enum vrv_disk_state state)
{
    enum vrv_disk_state before = t->disk.state;

    t->disk.state = state;
    t->pace.hurry = state >= VRV_DISK_SHORT;
    if ((before >= VRV_DISK_SHORT) != (state >= VRV_DISK_SHORT))
        vrv__tended_wake_all(t); /* what may move is something else now */
}

void
vrv__tier_disk_round(struct vrv_tier *t)
{
    t->disk.free = vrv_engine_disk_free(t->eng);
    struct vrv_disk_use use = use_of(t);
    enum vrv_disk_state next = vrv_disk_next(t->disk.state, &t->limits.disk, &use);

    if (next != t->disk.state)
        enter(t, next);
    vrv_lock(&t->lock);
    t->stats.disk = t->disk.state;
    t->stats.local_bytes = t->disk.here.local;
    t->stats.both_bytes = t->disk.here.both;
    t->stats.ready = t->ready.n;
    vrv_unlock(&t->lock);
}

/* ---- what leaves early ---- */

bool
vrv__tier_disk_step(struct vrv_tier *t)
{
    struct vrv_disk_use use = use_of(t);
    struct vrv_timer *oldest = vrv_heap_first(&t->disk.evictable);

    if (oldest == NULL || t->disk.state == VRV_DISK_FINE || t->eng == NULL ||
        vrv_disk_excess(t->disk.state, &t->limits.disk, &use) == 0)
        return false;
    struct vrv_tended *d = VRV_TIMER_OF(oldest, struct vrv_tended, evict);
    uint64_t before = d->here.local;

    vrv_heap_del(&t->disk.evictable, oldest); /* a look puts it back, if that worked */
    vrv__tended_look(d, VRV_LOOK_EVICTS);
    vrv_lock(&t->lock);
    t->stats.evicted_bytes += before > d->here.local ? before - d->here.local : 0;
    vrv_unlock(&t->lock);
    return true;
}
