/*
 * Which partition is looked at when, and which is served next.
 *
 * Once a round the engine is asked which logs have changed; the others sleep until their time.  Whoever has
 * something to do waits here for one of a few turns; the most urgent one gets the next.
 */
#include "tiering/tended.h"

static const int64_t MS = 1000000;
static const int64_t SET_MS = 1000; /* clocks are slowed down and sped up by less in a round */

/* ---- one of them ---- */

void
vrv__tended_wake(struct vrv_tended *d)
{
    if (vrv_list_empty(&d->woken))
        vrv_list_push(&d->t->woken, &d->woken);
}

void
vrv__tended_wake_at(struct vrv_tended *d, int64_t ns)
{
    if (d->timer.at != 0 && d->timer.ns <= ns)
        return;
    vrv_heap_del(&d->t->timers, &d->timer);
    vrv_heap_add(&d->t->timers, &d->timer, ns);
}

void
vrv__tended_ready(struct vrv_tended *d, int64_t rank)
{
    vrv_heap_del(&d->t->ready, &d->ready);
    vrv_heap_add(&d->t->ready, &d->ready, rank);
}

void
vrv__tended_rest(struct vrv_tended *d)
{
    vrv_heap_del(&d->t->timers, &d->timer);
    vrv_heap_del(&d->t->ready, &d->ready);
    vrv_list_del(&d->sweeper);
}

/* ---- all of them ---- */

static int
wake_topic(void *ctx, const struct vrv_topic_info *info)
{
    struct vrv_tier *t = ctx;

    for (int32_t i = 0; i < info->partitions; i++) {
        struct vrv_log_id id = { info->id, i };
        struct vrv_log *log = vrv_engine_log_ref(t->eng, &id);

        if (log != NULL)
            vrv_log_note_change(log);
        vrv_log_unref(&log);
    }
    return 0;
}

/* What is cold of a topic, perhaps of one that asks for the tier no more. */
static int
wake_head(void *ctx, const struct vrv_log_id *id)
{
    struct vrv_tier *t = ctx;
    struct vrv_log *log = vrv_engine_log_ref(t->eng, id);

    if (log == NULL)
        return 0;
    struct vrv_log_config *c = vrv_log_config_ref(log);
    struct vrv_tended *d = vrv__tended_of(t, id, !c->tiered);
    if (d->lost_from < d->lost_to) /* until the manifest says what it has of that */
        vrv__tended_pass_lost(d, log, d->lost_from);
    vrv__tended_wake(d);
    vrv_log_config_unref(c);
    vrv_log_unref(&log);
    return 0;
}

void
vrv__tier_wake_all(struct vrv_tier *t)
{
    (void)vrv_catalog_each(vrv_engine_catalog(t->eng), wake_topic, t);
    (void)vrv_parts_each_head(&t->parts, wake_head, t);
}

/* ---- a round ---- */

static void
take_changed(struct vrv_tier *t)
{
    struct vrv_log *log;

    while ((log = vrv_log_take_changed(vrv_engine_env(t->eng))) != NULL) {
        struct vrv_log_config *c = vrv_log_config_ref(log);
        struct vrv_tended *d = c->tiered && !log->gone ? vrv__tended_of(t, &log->id, false)
                                                       : vrv__tended_find(t, &log->id);

        if (d != NULL)
            vrv__tended_wake(d);
        if (log->gone)
            vrv_house_wake(&t->house);
        vrv_log_config_unref(c);
        vrv_log_unref(&log);
    }
}

/* Somebody has set the clock: what was to be at a time is to be sooner, or later. */
static bool
clock_was_set(struct vrv_tier *t)
{
    int64_t ahead_ms = vrv__tier_wall_ms(t) - vrv__tier_now_ns(t) / MS;
    int64_t by_ms = ahead_ms - t->ahead_ms;

    t->ahead_ms = ahead_ms;
    return by_ms > SET_MS || by_ms < -SET_MS;
}

static void
make_round(struct vrv_tier *t)
{
    bool may_write = vrv__tier_may_write(t), was_set = clock_was_set(t);

    t->round_ns = vrv__tier_now_ns(t) + t->o.look_ms * MS;
    if (was_set || (may_write && !t->wrote)) {
        vrv__tier_wake_all(t);
        vrv_house_wake(&t->house);
    }
    t->wrote = may_write;
    vrv__tier_apply_limits(t);
    take_changed(t);
    vrv__tier_disk_round(t);
    if (may_write)
        vrv__tier_house_look(t);
}

/* ---- steps ---- */

static void
wake_those_in_time(struct vrv_tier *t)
{
    struct vrv_timer *timer;

    while ((timer = vrv_heap_first(&t->timers)) != NULL && timer->ns <= vrv__tier_now_ns(t)) {
        vrv_heap_del(&t->timers, timer);
        vrv__tended_wake(VRV_TIMER_OF(timer, struct vrv_tended, timer));
    }
}

bool
vrv__tier_queue_step(struct vrv_tier *t)
{
    struct vrv_timer *ready;

    if (vrv__tier_now_ns(t) >= t->round_ns)
        make_round(t);
    wake_those_in_time(t);
    if (vrv_list_empty(&t->woken) && !vrv_list_empty(&t->sweepers) && t->sweep == NULL)
        vrv__tended_wake(VRV_LIST_OF(t->sweepers.next, struct vrv_tended, sweeper));
    if (!vrv_list_empty(&t->woken)) {
        struct vrv_tended *d = VRV_LIST_OF(t->woken.next, struct vrv_tended, woken);

        vrv_list_del(&d->woken);
        vrv__tended_look(d, VRV_LOOK);
        return true;
    }
    if (vrv__tier_disk_step(t))
        return true;
    if (t->moves < t->o.moves && (ready = vrv_heap_first(&t->ready)) != NULL) {
        vrv__tended_look(VRV_TIMER_OF(ready, struct vrv_tended, ready), VRV_LOOK_ACTS);
        return true;
    }
    return false;
}

int64_t
vrv__tier_queue_next(const struct vrv_tier *t)
{
    const struct vrv_timer *timer = vrv_heap_first(&t->timers);

    return timer != NULL && timer->ns < t->round_ns ? timer->ns : t->round_ns;
}
