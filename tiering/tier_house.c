/* The tier's part in what is cold of deleted topics: who deletes it, and how one comes back. */
#include "tiering/tier_int.h"

static bool
is_busy(void *ctx, const struct vrv_log_id *id)
{
    struct vrv_tier *t = ctx;

    return !vrv__tier_may_write(t) || t->undelete != NULL || vrv__tier_is_busy(t, id);
}

static void
is_gone(void *ctx, const struct vrv_log_id *id)
{
    vrv__tier_forget(ctx, id);
}

void
vrv__tier_house_init(struct vrv_tier *t)
{
    const struct vrv_tier_opts *o = &t->o;

    vrv_house_init(&t->house, &(struct vrv_house_opts){ .sweeps = &t->sweeps,
        .settle_ms = o->settle_ms, .orphan_ms = o->orphan_ms, .stale_ms = o->orphan_ms, .again_ms = o->again_ms,
        .busy = is_busy, .gone = is_gone, .failed = vrv__tier_note_failure, .ctx = t });
}

void
vrv__tier_house_look(struct vrv_tier *t)
{
    if (vrv__tier_now_ns(t) < t->house.look_ns)
        return;
    vrv_house_look(&t->house);
    vrv_lock(&t->lock);
    t->stats.lag = t->house.lag;
    t->stats.deleted = t->house.deleted;
    t->stats.stale = t->house.stale_removed;
    vrv_unlock(&t->lock);
}

int64_t
vrv__tier_delete_step(struct vrv_tier *t)
{
    int64_t one = t->sweep != NULL ? vrv_sweep_step(t->sweep) : INT64_MAX;
    int64_t other = vrv_house_step(&t->house);

    return one < other ? one : other;
}

void
vrv__tier_house_give_up(struct vrv_tier *t)
{
    t->house.eng = NULL;
    vrv_house_cancel(&t->house);
    if (t->undelete != NULL)
        vrv_undelete_cancel(t->undelete);
}

/* ---- topics that come back ---- */

static void
undeleted(struct vrv_undelete *u)
{
    struct vrv_tier *t = u->owner;

    t->undelete = NULL;
    vrv_house_wake(&t->house);
}

static bool
is_still(void *owner, const struct vrv_log_id *id)
{
    return vrv__tier_end_changes(owner, id);
}

static void
begin_undelete(struct vrv_done *done)
{
    struct vrv_undelete *u = VRV_LIST_OF(done, struct vrv_undelete, begin);
    struct vrv_tier *t = u->owner;

    if (t->eng == NULL || t->undelete != NULL) {
        u->status = t->eng == NULL
            ? vrv_err_set(&u->err, VRV_E_STOPPED, "the engine is closed")
            : vrv_err_set(&u->err, VRV_E_AGAIN, "another topic is being brought back: try again");
        vrv_cq_post(u->done.cq, &u->done, &u->done);
        return;
    }
    t->undelete = u;
    u->parts = &t->parts;
    u->eng = t->eng;
    u->is_still = is_still;
    u->run = undeleted;
    vrv_undelete_begin(u);
}

void
vrv_tier_undelete(struct vrv_tier *t, struct vrv_undelete *u)
{
    u->owner = t;
    u->begin = (struct vrv_done){ .cq = &t->cq, .run = begin_undelete };
    vrv_cq_post(&t->cq, &u->begin, &u->begin);
}
