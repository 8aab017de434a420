/* Waiting for records: long polls wake when enough is committed, or at their deadline. */
#include "engine/log/log_int.h"

/* ---- waiters of a log, guarded by its lock ---- */

static void
unlink_waiter(struct vrv_log *log, struct vrv_waiter *w)
{
    vrv_list_del(&w->link);
    vrv_lock(&log->env->lock);
    vrv_heap_del(&log->env->waits, &w->timer);
    w->log = NULL;
    vrv_unlock(&log->env->lock);
}

/* Committed bytes at and after offset, counted in memory; what lies only in segments is older
 * than that, and counts as enough. */
static uint64_t
bytes_from(const struct vrv_log *log, int64_t offset)
{
    const struct vrv_ring *r = &log->ring;
    uint64_t n = 0;

    if (offset >= log->hw)
        return 0;
    if (r->first == r->committed || offset < vrv_ring_at(r, r->first)->base)
        return UINT64_MAX / 2;
    for (uint64_t i = r->committed; i-- > r->first;) {
        const struct vrv_entry *en = vrv_ring_at(r, i);

        if (en->last < offset)
            break;
        n += en->item.size;
    }
    return n;
}

struct vrv_waiter *
vrv__log_take_ready(struct vrv_log *log, uint64_t bytes)
{
    struct vrv_waiter *chain = NULL;
    struct vrv_list *next;

    for (struct vrv_list *l = log->waiters.next; l != &log->waiters; l = next) {
        struct vrv_waiter *w = VRV_LIST_OF(l, struct vrv_waiter, link);

        next = l->next;
        /* One that waits ahead of what was committed counts from its own offset. */
        w->have = w->have > 0 ? w->have + bytes : bytes_from(log, w->offset);
        if (w->have < w->min_bytes)
            continue;
        unlink_waiter(log, w);
        w->status = 0;
        w->next = chain;
        chain = w;
    }
    return chain;
}

void
vrv__waiters_post(struct vrv_waiter *chain)
{
    while (chain != NULL) {
        struct vrv_waiter *next = chain->next;

        vrv_cq_post(chain->done.cq, &chain->done, &chain->done);
        chain = next;
    }
}

void
vrv_log_wait(struct vrv_log *log, struct vrv_waiter *w, int64_t offset, uint64_t min_bytes,
    int64_t deadline_ns)
{
    struct vrv_log_env *env = log->env;

    w->offset = offset;
    w->min_bytes = min_bytes;
    w->timer = (struct vrv_timer){ .ns = deadline_ns };
    w->log = NULL;
    vrv_lock(&log->lock);
    w->have = bytes_from(log, offset);
    bool now = log->gone || w->have >= min_bytes;
    w->status = log->gone ? VRV_E_NOTFOUND : 0;
    if (!now) {
        w->log = log;
        vrv_list_push(&log->waiters, &w->link);
        if (deadline_ns != INT64_MAX) {
            vrv_lock(&env->lock);
            vrv_heap_add(&env->waits, &w->timer, deadline_ns);
            bool first = vrv_heap_first(&env->waits) == &w->timer;
            vrv_unlock(&env->lock);
            if (first) /* who posts the overdue must wake earlier than it meant to */
                vrv_journal_wake(env->journal);
        }
    }
    vrv_unlock(&log->lock);
    if (now)
        vrv_cq_post(w->done.cq, &w->done, &w->done);
}

void
vrv_log_wait_cancel(struct vrv_log *log, struct vrv_waiter *w)
{
    vrv_lock(&log->lock);
    bool ours = w->log == log;
    if (ours)
        unlink_waiter(log, w);
    vrv_unlock(&log->lock);
    if (ours) {
        w->status = VRV_E_CANCELLED;
        vrv_cq_post(w->done.cq, &w->done, &w->done);
    }
}

/* The waiter at the top may be satisfied and posted while no lock is held: look at it again, by
 * pointer only, under its log's lock. */
static bool
expire_one(struct vrv_log_env *env, int64_t now_ns, int64_t *next)
{
    vrv_lock(&env->lock);
    struct vrv_timer *t = vrv_heap_first(&env->waits);
    struct vrv_waiter *w = t != NULL ? VRV_TIMER_OF(t, struct vrv_waiter, timer) : NULL;
    struct vrv_log *log = t != NULL ? w->log : NULL;
    *next = t != NULL ? t->ns : INT64_MAX;
    vrv_unlock(&env->lock);
    if (t == NULL || *next > now_ns)
        return false;
    vrv_lock(&log->lock);
    vrv_lock(&env->lock);
    bool still = vrv_heap_first(&env->waits) == t && w->log == log && t->ns <= now_ns;
    vrv_unlock(&env->lock);
    if (still)
        unlink_waiter(log, w);
    vrv_unlock(&log->lock);
    if (still) {
        w->status = VRV_E_TIMEDOUT;
        vrv_cq_post(w->done.cq, &w->done, &w->done);
    }
    return true;
}

int64_t
vrv_log_expire_waiters(struct vrv_log_env *env, int64_t now_ns)
{
    int64_t next;

    while (expire_one(env, now_ns, &next))
        ;
    return next;
}

struct vrv_waiter *
vrv__log_take_all(struct vrv_log *log, int status)
{
    struct vrv_waiter *chain = NULL;

    while (!vrv_list_empty(&log->waiters)) {
        struct vrv_waiter *w = VRV_LIST_OF(log->waiters.next, struct vrv_waiter, link);

        unlink_waiter(log, w);
        w->status = status;
        w->next = chain;
        chain = w;
    }
    return chain;
}

void
vrv_log_retire(struct vrv_log *log)
{
    vrv_lock(&log->lock);
    log->gone = true;
    struct vrv_waiter *chain = vrv__log_take_all(log, VRV_E_NOTFOUND);
    vrv_unlock(&log->lock);
    vrv_log_note_change(log);
    vrv__waiters_post(chain);
}
