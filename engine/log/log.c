#include "engine/log/log.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/log/log_int.h"

struct vrv_log_config *
vrv_log_config_new(const struct vrv_log_config *c)
{
    struct vrv_log_config *copy = VRV_NEW(struct vrv_log_config);

    *copy = *c;
    atomic_init(&copy->refs, 1);
    return copy;
}

void
vrv_log_config_unref(struct vrv_log_config *c)
{
    if (c != NULL && atomic_fetch_sub(&c->refs, 1) == 1)
        free(c);
}

struct vrv_log *
vrv_log_new(struct vrv_log_env *env, const struct vrv_log_id *id, struct vrv_log_config *config,
    int32_t epoch)
{
    struct vrv_log *log = VRV_NEW(struct vrv_log);

    log->magic = VRV_LOG_MAGIC;
    atomic_init(&log->refs, 1);
    vrv_lock_init(&log->lock, VRV_LOCK_log);
    log->env = env;
    log->id = *id;
    (void)atomic_fetch_add(&config->refs, 1);
    log->config = config;
    log->epoch = epoch;
    vrv_list_init(&log->waiters);
    vrv_list_init(&log->touched_link);
    vrv_list_init(&log->flush_link);
    vrv_list_init(&log->change_link);
    log->tell_at = UINT64_MAX;
    return log;
}

struct vrv_log *
vrv_log_ref(struct vrv_log *log)
{
    VRV_CHECK(log, VRV_LOG_MAGIC);
    (void)atomic_fetch_add_explicit(&log->refs, 1, memory_order_relaxed);
    return log;
}

void
vrv_log_unref(struct vrv_log **logp)
{
    struct vrv_log *log = *logp;

    *logp = NULL;
    if (log == NULL || atomic_fetch_sub_explicit(&log->refs, 1, memory_order_acq_rel) != 1)
        return;
    VRV_CHECK(log, VRV_LOG_MAGIC);
    VRV_ASSERT(vrv_list_empty(&log->touched_link) && vrv_list_empty(&log->flush_link));
    VRV_ASSERT(vrv_list_empty(&log->change_link));
    for (uint32_t i = 0; i < log->seg_n; i++)
        vrv_seg_unref(log->segs[i]);
    free(log->segs);
    free(log->ring.v);
    vrv_epochs_fini(&log->epochs);
    size_t producers = vrv_producers_count(log->producers);
    vrv_producers_free(&log->producers);
    vrv__log_count_producers(log, producers);
    vrv_log_cut_forget(log);
    vrv_log_config_unref(log->config);
    vrv_lock_fini(&log->lock);
    free(log);
}

void
vrv_log_set_config(struct vrv_log *log, struct vrv_log_config *config)
{
    (void)atomic_fetch_add(&config->refs, 1);
    vrv_lock(&log->lock);
    struct vrv_log_config *old = log->config;
    log->config = config;
    vrv_unlock(&log->lock);
    vrv_log_config_unref(old);
    vrv_log_note_change(log);
}

void
vrv_log_set_epoch(struct vrv_log *log, int32_t epoch)
{
    vrv_lock(&log->lock);
    VRV_ASSERT(epoch >= log->epoch);
    log->epoch = epoch;
    vrv_unlock(&log->lock);
}

/* ---- producers ---- */

void
vrv__log_count_producers(struct vrv_log *log, size_t before)
{
    size_t now = vrv_producers_count(log->producers);

    if (now > before)
        (void)atomic_fetch_add(&log->env->producers, now - before);
    else if (now < before)
        (void)atomic_fetch_sub(&log->env->producers, before - now);
}

/* An eighth goes at once, so that a storm of new ids doesn't pay for each of them.  Where all logs
 * together have too many, those that add some make the room; a few each may keep. */
void
vrv__log_note_producer(struct vrv_log *log, const struct vrv_batch *b)
{
    size_t before = vrv_producers_count(log->producers);

    vrv_producers_update(&log->producers, b);
    size_t now = vrv_producers_count(log->producers);
    vrv__log_count_producers(log, before);
    bool too_many = now > VRV_LOG_PRODUCERS_MAX ||
        (now > VRV_LOG_PRODUCERS_MIN &&
            atomic_load(&log->env->producers) > log->env->producers_max);
    if (now <= before || !too_many)
        return;
    (void)vrv_producers_shrink(&log->producers, now - now / 8 - 1);
    vrv__log_count_producers(log, now);
}

void
vrv_log_expire_producers(struct vrv_log *log, int64_t before_ms)
{
    vrv_lock(&log->lock);
    size_t before = vrv_producers_count(log->producers);
    (void)vrv_producers_expire(&log->producers, before_ms);
    vrv__log_count_producers(log, before);
    vrv_unlock(&log->lock);
}

int
vrv_log_each_producer(struct vrv_log *log, vrv_producer_fn *fn, void *ctx)
{
    vrv_lock(&log->lock);
    int rc = vrv_producers_each(log->producers, fn, ctx);
    vrv_unlock(&log->lock);
    return rc;
}

int64_t
vrv_log_stable(const struct vrv_log *log)
{
    return log->hw; /* nobody can begin a transaction yet: see check_part */
}

struct vrv_log_offsets
vrv_log_offsets(struct vrv_log *log)
{
    VRV_CHECK(log, VRV_LOG_MAGIC);
    vrv_lock(&log->lock);
    struct vrv_log_offsets o = { .start = log->start, .local_start = vrv_log_local(log),
        .hw = log->hw, .end = log->end, .stable = vrv_log_stable(log), .gap = log->gap,
        .gap_end = log->begin, .epoch = log->epoch, .segments = log->seg_n };
    for (uint32_t i = 0; i < log->seg_n; i++)
        o.bytes += log->segs[i]->size;
    vrv_unlock(&log->lock);
    return o;
}

struct vrv_log_traffic
vrv_log_traffic(struct vrv_log *log)
{
    VRV_CHECK(log, VRV_LOG_MAGIC);
    vrv_lock(&log->lock);
    struct vrv_log_traffic t = { .batches = log->batches, .records = log->records,
        .bytes = log->batch_bytes,
        .read_bytes = atomic_load_explicit(&log->read_bytes, memory_order_relaxed),
        .cold_reads = atomic_load_explicit(&log->cold_reads, memory_order_relaxed),
        .cold_bytes = atomic_load_explicit(&log->cold_bytes, memory_order_relaxed),
        .cold_errors = atomic_load_explicit(&log->cold_errors, memory_order_relaxed) };
    vrv_unlock(&log->lock);
    return t;
}

void
vrv_log_note_read(struct vrv_log *log, uint64_t bytes)
{
    (void)atomic_fetch_add_explicit(&log->read_bytes, bytes, memory_order_relaxed);
}

void
vrv_log_note_cold(struct vrv_log *log, uint64_t bytes, bool failed)
{
    (void)atomic_fetch_add_explicit(&log->cold_reads, 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&log->cold_bytes, bytes, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&log->cold_errors, failed, memory_order_relaxed);
}

void
vrv__log_unflushed(struct vrv_log *log, int64_t bytes)
{
    log->unflushed += (uint64_t)bytes;
    (void)atomic_fetch_add_explicit(&log->env->unflushed_bytes, (uint64_t)bytes,
        memory_order_relaxed);
}

void
vrv_log_epoch_end(struct vrv_log *log, int32_t epoch, int32_t *found, int64_t *end)
{
    vrv_lock(&log->lock);
    int32_t newest = vrv_epochs_newest(&log->epochs);
    if (epoch > newest && epoch <= log->epoch) {
        *found = epoch < log->epoch && newest >= 0 ? newest : epoch;
        *end = log->end;
    } else {
        vrv_epochs_end_of(&log->epochs, epoch, log->end, found, end);
    }
    vrv_unlock(&log->lock);
}

int32_t
vrv_log_epoch_at(struct vrv_log *log, int64_t offset)
{
    vrv_lock(&log->lock);
    int32_t epoch = vrv_epochs_at(&log->epochs, offset);
    vrv_unlock(&log->lock);
    return epoch;
}

/* ---- the ring ---- */

struct vrv_entry *
vrv_ring_at(const struct vrv_ring *r, uint64_t number)
{
    VRV_ASSERT(number >= r->first && number < r->end);
    return r->v[number & (r->cap - 1)];
}

uint64_t
vrv_ring_find(const struct vrv_ring *r, int64_t offset)
{
    uint64_t lo = r->first, hi = r->committed;

    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;

        if (vrv_ring_at(r, mid)->last >= offset)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

void
vrv__ring_push(struct vrv_ring *r, struct vrv_entry *en)
{
    if (r->end - r->first == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : 4;
        struct vrv_entry **v = vrv_mem_zero(cap * sizeof(*v));

        for (uint64_t i = r->first; i < r->end; i++)
            v[i & (cap - 1)] = r->v[i & (r->cap - 1)];
        free(r->v);
        r->v = v;
        r->cap = cap;
    }
    r->v[r->end++ & (r->cap - 1)] = en;
}

/* An idle partition holds no ring. */
static void
ring_shrink(struct vrv_ring *r)
{
    if (r->first < r->end)
        return;
    free(r->v);
    r->v = NULL;
    r->cap = 0;
}

void
vrv__ring_pop(struct vrv_ring *r)
{
    VRV_ASSERT(r->first < r->flushed);
    r->first++;
    ring_shrink(r);
}

void
vrv__ring_cut(struct vrv_ring *r, uint64_t number)
{
    VRV_ASSERT(r->flushed == r->end && number >= r->first && number <= r->end);
    r->flushed = r->committed = r->end = number;
    ring_shrink(r);
}

/* ---- segments ---- */

struct vrv_seg *
vrv__log_open_seg(const struct vrv_log *log)
{
    struct vrv_seg *s = log->seg_n > 0 ? log->segs[log->seg_n - 1] : NULL;

    return s != NULL && s->state == VRV_SEG_OPEN ? s : NULL;
}

void
vrv__log_add_seg(struct vrv_log *log, struct vrv_seg *s)
{
    VRV_ASSERT(log->seg_n == 0 || log->segs[log->seg_n - 1]->next <= s->base);
    VRV_PUSH_ROOM(log->segs, log->seg_n, log->seg_cap);
    log->segs[log->seg_n++] = s;
}

/* The segment that holds offset, or the first one behind it: an index into segs, seg_n for none. */
uint32_t
vrv_log_seg_for(const struct vrv_log *log, int64_t offset)
{
    uint32_t lo = 0, hi = log->seg_n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (log->segs[mid]->next > offset)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/* Both lists hold a reference: a deleted log may lose all the others while it waits there. */

/* log->lock is held. */
void
vrv__log_touch(struct vrv_log *log)
{
    if (log->touched)
        return;
    log->touched = true;
    (void)vrv_log_ref(log);
    vrv_lock(&log->env->lock);
    vrv_list_push(&log->env->touched, &log->touched_link);
    vrv_unlock(&log->env->lock);
}

void
vrv_log_touch(struct vrv_log *log)
{
    vrv_lock(&log->lock);
    vrv__log_touch(log);
    vrv_unlock(&log->lock);
}

int
vrv__log_reserve(struct vrv_log_env *env, size_t bytes, size_t n, size_t *claim, struct vrv_err *e)
{
    int rc = vrv_journal_reserve(env->journal, bytes, n, claim, e);

    if (rc == VRV_E_AGAIN)
        atomic_store(&env->wal_full, true);
    return rc;
}

void
vrv__log_want_flush(struct vrv_log *log)
{
    struct vrv_log_env *env = log->env;

    vrv_lock(&env->lock);
    bool first = vrv_list_empty(&env->flushable);
    if (vrv_list_empty(&log->flush_link))
        vrv_list_push(&env->flushable, &vrv_log_ref(log)->flush_link);
    vrv_unlock(&env->lock);
    if (first && env->flush_wanted != NULL)
        env->flush_wanted(env->ctx);
}
