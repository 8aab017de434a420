#include "tiering/tended.h"

#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/os/failpoint.h"
#include "tiering/parts/has.h"

static const int64_t MS = 1000000;

/* ---- moving ---- */

static void
tell_lacks(const struct vrv_tended *d, const struct vrv_err *why)
{
    const struct vrv_tier_opts *o = &d->t->o;

    if (o->told != NULL)
        o->told(o->ctx, &(struct vrv_tier_news){ .kind = VRV_TIER_NEWS_PRODUCERS, .id = d->id, .why = why });
}

static void
moved(struct vrv_move *m, int status, const struct vrv_err *e)
{
    struct vrv_tended *d = m->owner;
    struct vrv_tier *t = d->t;

    vrv_producers_free(&d->producers);
    d->producers = m->producers;
    d->known = status == 0 ? m->seg->next : -1;
    if (status == 0 && m->seg->base == d->lost_to) /* the manifest passes over it now, */
        d->lost_from = d->lost_to = 0;             /* and so does the log, for good */
    if (status == 0) {
        d->failed = 0;
        vrv_lock(&t->lock);
        t->stats.moved++;
        vrv_unlock(&t->lock);
        d->counts.copied_bytes += m->seg->size;
        if (m->lacks.code != 0)
            tell_lacks(d, &m->lacks);
        t->moved_ms = vrv__tier_wall_ms(t);
        vrv_hist_add_alone(&t->move_time, vrv__tier_now_ns(t) - d->began_ns);
    } else {
        d->counts.copy_errors += status != VRV_E_CANCELLED;
        vrv__tended_failed(d, e);
    }
    vrv_seg_unref(m->seg);
    vrv_snap_unref(d->from);
    vrv_log_unref(&d->log);
    d->from = NULL;
    d->move = NULL;
    vrv_list_del(&d->moving);
    d->ends = false;
    free(m);
    t->moves--;
    vrv__tended_wake(d); /* there may be more */
}

void
vrv__tended_move(struct vrv_tended *d, struct vrv_log *log, struct vrv_snap *from, int64_t base)
{
    struct vrv_tier *t = d->t;
    struct vrv_seg *s = vrv_log_sealed(log, base);
    int64_t end = from != NULL ? from->m.next : -1;
    struct vrv_log_offsets o = vrv_log_offsets(log);
    struct vrv_err e = { 0 };

    if (s == NULL) { /* deleted meanwhile */
        vrv_snap_unref(from);
        return;
    }
    struct vrv_move *m = VRV_NEW(struct vrv_move);
    *m = (struct vrv_move){ .o = &t->move, .owner = d, .seg = s, .epoch = o.epoch, .start = o.start,
        .zstd_level = vrv_log_cold_level(log),
        .bridges = vrv_parts_is_hole(&o, d->lost_from, d->lost_to, end, base),
        .from = from != NULL ? &from->m : NULL, .run = moved };
    int rc = vrv_move_check(m, &e);
    if (rc == 0 && from != NULL)
        rc = vrv_fold_room(&from->m, &e);
    if (rc == 0)
        rc = vrv_parts_touch(&t->parts, &d->id, &e); /* or nobody could find it again */
    if (rc < 0) {
        vrv__tended_failed(d, &e);
        free(m);
        vrv_seg_unref(s);
        vrv_snap_unref(from);
        return;
    }
    d->from = from;
    d->log = vrv_log_ref(log);
    d->move = m;
    vrv_list_push(&t->moving, &d->moving);
    if (d->known == end) {
        m->producers = d->producers;
        m->knows_producers = true;
        d->producers = NULL;
    }
    t->moves++;
    vrv__tended_stir(d);
    d->began_ms = vrv__tier_wall_ms(t);
    d->began_ns = vrv__tier_now_ns(t);
    d->counts.copies++;
    vrv_move_begin(m);
}

/* ---- deleting ---- */

/* What has left the manifest is swept when its grace is over; what leaves it meanwhile, with the next
 * sweep: or retention that always has something to do would put it off for ever. */
static void
spare(struct vrv_tended *d)
{
    if (d->spares != 0)
        return;
    d->spares = d->trimmed_to;
    d->sweep_ns = vrv__tier_now_ns(d->t) + d->t->limits.grace_ms * MS;
}

static void
trimmed(struct vrv_parts_commit *c, int status, const struct vrv_err *e)
{
    struct vrv_tended *d = c->owner;

    VRV_STEP(RETAIN);
    if (status == 0) {
        d->failed = 0;
        d->trimmed_to = d->trims_to;
        spare(d);
    } else {
        vrv__tended_failed(d, e);
    }
    d->counts.delete_errors += status < 0 && status != VRV_E_CANCELLED;
    d->trim = NULL;
    d->ends = false;
    d->empties = false;
    d->t->moves--;
    free(c);
    vrv__tended_wake(d);
}

/* One that has nothing left knows no more of where it ended: what
 * follows may be what this disk has kept of that. */
void
vrv__tended_trim(struct vrv_tended *d, const struct vrv_manifest *m, int64_t below, int64_t start)
{
    struct vrv_tier *t = d->t;

    VRV_STEP(RETAIN);
    d->trim = VRV_NEW(struct vrv_parts_commit);
    d->trim->owner = d;
    d->trim->run = trimmed;
    struct vrv_manifest *next = &d->trim->next;
    vrv_manifest_copy(next, m);
    (void)vrv_manifest_trim(next, below);
    if (next->page_n + next->seg_n == 0) {
        d->empties = start < next->next;
        next->start = start;
        next->next = d->empties ? start : next->next;
    }
    d->trims_to = vrv_manifest_base(next);
    t->moves++;
    vrv__tended_stir(d);
    d->began_ms = vrv__tier_wall_ms(t);
    d->counts.deletes++;
    vrv_parts_commit(&t->parts, d->trim);
}

static void
swept(struct vrv_sweep *s, int status, const struct vrv_err *e)
{
    struct vrv_tended *d = s->owner;
    struct vrv_tier *t = d->t;

    /* what is left where nothing is written is too young yet to be nobody's */
    d->sweep_ns = vrv__tier_now_ns(t) + (t->o.orphan_ms > t->o.sweep_ms ? t->o.orphan_ms : t->o.sweep_ms) * MS;
    d->stirred = false;
    if (status < 0)
        vrv__tended_stir(d);
    bool more = d->spares != 0 && (status < 0 || d->trimmed_to > d->spares);
    d->spares = 0;
    if (more)
        spare(d);
    vrv_lock(&t->lock);
    t->stats.swept += s->deleted;
    t->stats.swept_bytes += s->deleted_bytes;
    t->stats.orphans += s->orphans;
    t->stats.orphan_bytes += s->orphan_bytes;
    vrv_unlock(&t->lock);
    if (s->deleted > 0)
        t->deleted_ms = vrv__tier_wall_ms(t);
    if (status < 0)
        vrv__tended_failed(d, e);
    else
        t->swept_ms = vrv__tier_wall_ms(t);
    d->counts.delete_errors += status < 0 && status != VRV_E_CANCELLED;
    t->sweep = NULL;
    free(s);
    vrv__tended_wake(d);
}

void
vrv__tended_sweep(struct vrv_tended *d, bool leaves)
{
    struct vrv_tier *t = d->t;
    struct vrv_sweep *s = t->sweep = VRV_NEW(struct vrv_sweep);

    *s = (struct vrv_sweep){ .o = &t->sweeps, .id = d->id, .leaves = leaves, .spares = d->spares,
        .orphan_ms = t->o.orphan_ms, .run = swept, .owner = d };
    d->began_ms = vrv__tier_wall_ms(t);
    vrv_sweep_begin(s);
}
