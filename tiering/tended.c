#include "tiering/tended.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"

enum { DOUBLINGS_MAX = 2 }; /* and yet all is well within a minute of the store's being so */

static const int64_t MS = 1000000, FENCED_MS = 3600000;

/* ---- the map ---- */

static int
compare(const void *key, const struct vrv_omap_node *n)
{
    return vrv_log_id_cmp(key, &VRV_OMAP_OF(n, struct vrv_tended, node)->id);
}

void
vrv__tended_init(struct vrv_tier *t)
{
    vrv_omap_init(&t->tended, compare);
    vrv_list_init(&t->woken);
    vrv_list_init(&t->sweepers);
    vrv_list_init(&t->moving);
}

struct vrv_tended *
vrv__tended_find(struct vrv_tier *t, const struct vrv_log_id *id)
{
    struct vrv_omap_node *n = vrv_omap_find(&t->tended, id);

    return n != NULL ? VRV_OMAP_OF(n, struct vrv_tended, node) : NULL;
}

struct vrv_tended *
vrv__tended_of(struct vrv_tier *t, const struct vrv_log_id *id, bool leaves)
{
    struct vrv_tended *d = vrv__tended_find(t, id);

    if (d == NULL) {
        d = VRV_NEW(struct vrv_tended);
        d->id = *id;
        d->t = t;
        d->known = -1;
        if (!vrv_parts_lost(&t->parts, id, &d->lost_from, &d->lost_to))
            d->lost_from = d->lost_to = 0;
        int64_t ms = leaves || t->limits.grace_ms > t->o.sweep_ms ? t->limits.grace_ms : t->o.sweep_ms;
        d->sweep_ns = vrv__tier_now_ns(t) + ms * MS;
        d->stirred = true;
        vrv_list_init(&d->wait.link);
        vrv_list_init(&d->woken);
        vrv_list_init(&d->sweeper);
        vrv_list_init(&d->moving);
        vrv_omap_insert(&t->tended, &d->id, &d->node);
    }
    return d;
}

static void
forget(struct vrv_tended *d)
{
    VRV_ASSERT(d->move == NULL && d->trim == NULL && !d->waits);
    vrv__tended_rest(d);
    vrv__tended_account(d, &(struct vrv_tier_here){ .lose_ms = INT64_MAX });
    vrv_list_del(&d->woken);
    vrv_producers_free(&d->producers);
    vrv_piece_unref(d->oldest);
    free(d);
}

void
vrv__tier_forget(struct vrv_tier *t, const struct vrv_log_id *id)
{
    struct vrv_omap_node *n = vrv_omap_remove(&t->tended, id);

    if (n != NULL)
        forget(VRV_OMAP_OF(n, struct vrv_tended, node));
}

void
vrv__tended_fini(struct vrv_tier *t)
{
    struct vrv_omap_node *n;

    while ((n = vrv_omap_pop(&t->tended)) != NULL)
        forget(VRV_OMAP_OF(n, struct vrv_tended, node));
    vrv_heap_fini(&t->timers);
    vrv_heap_fini(&t->ready);
    vrv_heap_fini(&t->disk.evictable);
    vrv_heap_fini(&t->disk.losable);
}

void
vrv__tended_end(struct vrv_tended *d)
{
    d->ends = d->move != NULL || d->trim != NULL;
    if (d->move != NULL)
        vrv_move_cancel(d->move);
    if (d->trim != NULL)
        vrv_parts_cancel(&d->t->parts, d->trim);
}

void
vrv__tended_wake_all(struct vrv_tier *t)
{
    for (struct vrv_omap_node *n = vrv_omap_first(&t->tended); n != NULL;) {
        struct vrv_tended *d = VRV_OMAP_OF(n, struct vrv_tended, node);

        vrv__tended_wake(d);
        n = vrv_omap_after(&t->tended, &d->id);
    }
}

void
vrv__tended_cancel(struct vrv_tier *t)
{
    struct vrv_omap_node *n = vrv_omap_first(&t->tended);

    while (n != NULL) {
        struct vrv_tended *d = VRV_OMAP_OF(n, struct vrv_tended, node);

        vrv__tended_end(d);
        n = vrv_omap_after(&t->tended, &d->id);
    }
}

/* ---- what is told ---- */

void
vrv__tended_stir(struct vrv_tended *d)
{
    int64_t soon_ns = vrv__tier_now_ns(d->t) + d->t->o.sweep_ms * MS;

    if (!d->stirred && d->spares == 0 && d->sweep_ns > soon_ns) /* what was trimmed has its time */
        d->sweep_ns = soon_ns;
    d->stirred = true;
}

void
vrv__tended_failed(struct vrv_tended *d, const struct vrv_err *e)
{
    struct vrv_tier *t = d->t;

    int64_t ms = t->o.again_ms << (d->failed < DOUBLINGS_MAX ? d->failed : DOUBLINGS_MAX);
    ms += (int64_t)vrv_rand_below(&t->parts.random, (uint64_t)ms / 4 + 1); /* not all at the same moment */
    if (e->code == VRV_E_FENCED && ms < FENCED_MS) /* that is for somebody to decide */
        ms = FENCED_MS;
    d->failed += e->code != VRV_E_CANCELLED;
    d->again_ns = vrv__tier_now_ns(t) + ms * MS;
    vrv__tended_wake_at(d, d->again_ns);
    d->last = *e;
    d->last_ms = vrv__tier_wall_ms(t);
    vrv__tier_note_failure(t, e);
}

void
vrv__tier_doing(struct vrv_tier *t, const struct vrv_log_id *id, struct vrv_tier_part *p)
{
    const struct vrv_tended *d = vrv__tended_find(t, id);

    if (d == NULL)
        return;
    bool sweeps = t->sweep != NULL && t->sweep->owner == d;
    p->work = d->move != NULL ? VRV_TIER_MOVES : d->trim != NULL ? VRV_TIER_TRIMS
        : sweeps ? VRV_TIER_SWEEPS : d->waits ? VRV_TIER_READS : VRV_TIER_RESTS;
    p->since_ms = p->work == VRV_TIER_RESTS || p->work == VRV_TIER_READS ? 0 : d->began_ms;
    if (d->move != NULL) {
        p->at = d->move->seg->base;
        p->done = d->move->at;
        p->size = d->move->seg->size;
    }
    p->last = d->last;
    p->refuses = d->refuses;
    p->last_ms = d->last_ms;
    if (vrv__tier_now_ns(t) < d->again_ns)
        p->again_ms = vrv__tier_wall_ms(t) + (d->again_ns - vrv__tier_now_ns(t)) / MS;
    p->counts = d->counts;
    int64_t late_ms = d->late_ns > 0 ? (vrv__tier_now_ns(t) - d->late_ns) / MS : 0;
    if (late_ms < p->sums.lag_ms)
        p->sums.lag_ms = late_ms;
    p->dead_for_ms = d->dead_ns > 0 ? (vrv__tier_now_ns(t) - d->dead_ns) / MS : 0;
}

bool
vrv__tier_is_busy(struct vrv_tier *t, const struct vrv_log_id *id)
{
    const struct vrv_tended *d = vrv__tended_find(t, id);

    return d != NULL && (d->move != NULL || d->trim != NULL || d->waits ||
                            (t->sweep != NULL && t->sweep->owner == d));
}

bool
vrv__tier_end_changes(struct vrv_tier *t, const struct vrv_log_id *id)
{
    struct vrv_tended *d = vrv__tended_find(t, id);

    if (d != NULL)
        vrv__tended_end(d);
    return d == NULL || !d->ends;
}

int64_t
vrv__tier_oldest_move(struct vrv_tier *t)
{
    return vrv_list_empty(&t->moving) ? 0
        : VRV_LIST_OF(t->moving.next, struct vrv_tended, moving)->began_ms;
}
