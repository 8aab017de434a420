/* This disk, as far as the tier is concerned: how full it is, and what leaves it early for that. */
#include <stdlib.h>

#include "tiering/tended.h"

/* ---- what is here ---- */

void
vrv__tended_account(struct vrv_tended *d, const struct vrv_tier_here *here)
{
    struct vrv_tier_here *all = &d->t->disk.here;
    bool may_leave = vrv__tier_now_ns(d->t) >= d->stays_ns;

    all->local += here->local - d->here.local;
    all->both += here->both - d->here.both;
    all->leaving += here->leaving - d->here.leaving;
    d->here = *here;
    vrv_heap_del(&d->t->disk.evictable, &d->evict);
    if (here->both > 0 && may_leave)
        vrv_heap_add(&d->t->disk.evictable, &d->evict, here->oldest_ms);
    vrv_heap_del(&d->t->disk.losable, &d->lose);
    if (here->lose_ms != INT64_MAX && may_leave)
        vrv_heap_add(&d->t->disk.losable, &d->lose, here->lose_ms);
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
    if (before >= VRV_DISK_SHORT || state >= VRV_DISK_SHORT)
        vrv__tended_wake_all(t); /* what may move, be lost or appended is something else now */
    vrv__tier_tell(t, &(struct vrv_tier_news){ .kind = VRV_TIER_NEWS_DISK, .disk = state });
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

/* ---- what people are told ---- */

void
vrv__tier_disk_rules(const struct vrv_tier *t, struct vrv_tier_rules *r)
{
    struct vrv_disk_use use = use_of(t);
    const struct vrv_disk_marks *m = &t->limits.disk;
    uint64_t missing = t->disk.state == VRV_DISK_FULL ? vrv_disk_missing(t->disk.state, m, &use) : 0;

    if (t->disk.state != VRV_DISK_FINE && vrv__tier_may_write(t)) {
        r->evicts = vrv_disk_excess(t->disk.state, m, &use);
        r->wants_room = vrv_disk_wants_room(t->disk.state, m, &use);
        missing -= use.both < missing ? use.both : missing;
    }
    r->loses = missing;
}

void
vrv__tier_disk_tell(const struct vrv_tier *t, struct vrv_tier_disk *out)
{
    *out = (struct vrv_tier_disk){ t->disk.state, use_of(t), t->limits.disk };
}

/* ---- the outage policy ---- */

void
vrv__tended_refuse(struct vrv_tended *d, struct vrv_log *log, bool refuses)
{
    struct vrv_tier *t = d->t;

    if (log != NULL)
        (void)vrv_log_set_refuses(log, refuses);
    if (refuses == d->refuses)
        return;
    d->refuses = refuses;
    vrv_lock(&t->lock);
    t->stats.refusing += refuses ? 1 : UINT64_MAX;
    vrv_unlock(&t->lock);
}

bool
vrv__tended_lose(struct vrv_tended *d, struct vrv_log *log, int64_t from,
    const struct vrv_tier_local *s)
{
    struct vrv_tier *t = d->t;
    struct vrv_err e;
    bool leaves_hole = vrv_log_offsets(log).start < from; /* what is older can be read */
    int rc = vrv_parts_lose(&t->parts, &d->id, from, s->next, &e);

    if (rc == 0 && !vrv_parts_lost(&t->parts, &d->id, &d->lost_from, &d->lost_to))
        d->lost_from = d->lost_to = 0;
    if (rc == 0 && leaves_hole) {
        vrv__tended_pass_lost(d, log, from);
        rc = vrv_log_drop_local(log, s->next, NULL, &e);
    } else if (rc == 0) {
        rc = vrv_log_set_start(log, s->next, NULL, &e);
    }
    if (rc < 0) {
        vrv__tended_failed(d, &e);
        d->stays_ns = d->again_ns;
        return false;
    }
    d->dropped = s->next;
    vrv_lock(&t->lock);
    t->stats.lost_segments++;
    t->stats.lost_bytes += s->bytes;
    vrv_unlock(&t->lock);
    vrv__tier_tell(t, &(struct vrv_tier_news){ .kind = VRV_TIER_NEWS_LOST, .id = d->id, .from = s->base,
        .to = s->next, .bytes = s->bytes, .leaves_hole = leaves_hole });
    return true;
}

void
vrv__tended_pass_lost(const struct vrv_tended *d, struct vrv_log *log, int64_t cold_end)
{
    int64_t from = cold_end > d->lost_from ? cold_end : d->lost_from;

    if (cold_end >= 0 && from < d->lost_to)
        vrv_log_set_lost(log, from, d->lost_to);
    else
        vrv_log_set_lost(log, 0, 0);
}

/* ---- what leaves early, or for good ---- */

static bool
lose_one(struct vrv_tier *t)
{
    struct vrv_disk_use use = use_of(t);
    struct vrv_timer *oldest = vrv_heap_first(&t->disk.losable);

    if (oldest == NULL || t->disk.state != VRV_DISK_FULL ||
        vrv_disk_missing(t->disk.state, &t->limits.disk, &use) == 0)
        return false;
    vrv_heap_del(&t->disk.losable, oldest); /* a look puts it back */
    vrv__tended_look(VRV_TIMER_OF(oldest, struct vrv_tended, lose), VRV_LOOK_LOSES);
    return true;
}

bool
vrv__tier_disk_step(struct vrv_tier *t)
{
    struct vrv_disk_use use = use_of(t);
    struct vrv_timer *oldest = vrv_heap_first(&t->disk.evictable);

    if (oldest == NULL || t->disk.state == VRV_DISK_FINE || !vrv__tier_may_write(t) ||
        vrv_disk_excess(t->disk.state, &t->limits.disk, &use) == 0)
        return lose_one(t);
    struct vrv_tended *d = VRV_TIMER_OF(oldest, struct vrv_tended, evict);
    struct vrv_log_id id = d->id;
    uint64_t before = d->here.local;

    vrv_heap_del(&t->disk.evictable, oldest); /* a look puts it back, if that worked */
    vrv__tended_look(d, VRV_LOOK_EVICTS);
    d = vrv__tended_find(t, &id); /* it may be gone */
    vrv_lock(&t->lock);
    t->stats.evicted_bytes += d != NULL && before > d->here.local ? before - d->here.local : 0;
    vrv_unlock(&t->lock);
    return true;
}
