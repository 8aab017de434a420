/* Waiting for records: long polls wake when enough is committed, or at their deadline. */
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/log/log_int.h"

static const uint32_t not_in_heap = UINT32_MAX;

/* ---- deadlines: a binary heap, guarded by env->lock ---- */

static void
heap_set(struct vrv_log_env *env, uint32_t at, struct vrv_waiter *w)
{
    env->heap[at] = w;
    w->heap_at = at;
}

static void
sift_up(struct vrv_log_env *env, uint32_t at)
{
    struct vrv_waiter *w = env->heap[at];

    while (at > 0 && env->heap[(at - 1) / 2]->deadline_ns > w->deadline_ns) {
        heap_set(env, at, env->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(env, at, w);
}

static void
sift_down(struct vrv_log_env *env, uint32_t at)
{
    struct vrv_waiter *w = env->heap[at];

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= env->heap_n)
            break;
        if (child + 1 < env->heap_n &&
            env->heap[child + 1]->deadline_ns < env->heap[child]->deadline_ns)
            child++;
        if (env->heap[child]->deadline_ns >= w->deadline_ns)
            break;
        heap_set(env, at, env->heap[child]);
        at = child;
    }
    heap_set(env, at, w);
}

static void
heap_remove(struct vrv_log_env *env, struct vrv_waiter *w)
{
    uint32_t at = w->heap_at;

    if (at == not_in_heap)
        return;
    struct vrv_waiter *moved = env->heap[--env->heap_n];
    w->heap_at = not_in_heap;
    if (moved == w)
        return;
    heap_set(env, at, moved);
    sift_up(env, at);
    sift_down(env, moved->heap_at);
}

/* ---- waiters of a log, guarded by its lock ---- */

static void
unlink_waiter(struct vrv_log *log, struct vrv_waiter *w)
{
    struct vrv_waiter **at = &log->waiters;

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    vrv_lock(&log->env->lock);
    heap_remove(log->env, w);
    w->log = NULL;
    vrv_unlock(&log->env->lock);
    w->next = NULL;
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
    struct vrv_waiter *chain = NULL, *next;

    for (struct vrv_waiter *w = log->waiters; w != NULL; w = next) {
        next = w->next;
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
    w->deadline_ns = deadline_ns;
    w->heap_at = not_in_heap;
    w->next = NULL;
    w->log = NULL;
    vrv_lock(&log->lock);
    w->have = bytes_from(log, offset);
    bool now = log->gone || w->have >= min_bytes;
    w->status = log->gone ? VRV_E_NOTFOUND : 0;
    if (!now) {
        w->log = log;
        w->next = log->waiters;
        log->waiters = w;
        if (deadline_ns != INT64_MAX) {
            vrv_lock(&env->lock);
            VRV_PUSH_ROOM(env->heap, env->heap_n, env->heap_cap);
            env->heap[env->heap_n] = w;
            sift_up(env, env->heap_n++);
            bool first = env->heap[0] == w;
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
    struct vrv_waiter *w = env->heap_n > 0 ? env->heap[0] : NULL;
    struct vrv_log *log = w != NULL ? w->log : NULL;
    *next = w != NULL ? w->deadline_ns : INT64_MAX;
    vrv_unlock(&env->lock);
    if (w == NULL || *next > now_ns)
        return false;
    vrv_lock(&log->lock);
    vrv_lock(&env->lock);
    bool still = env->heap_n > 0 && env->heap[0] == w && w->log == log && w->deadline_ns <= now_ns;
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

    while (log->waiters != NULL) {
        struct vrv_waiter *w = log->waiters;

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
    vrv__waiters_post(chain);
}
