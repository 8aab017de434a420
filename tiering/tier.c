#include "tiering/tier.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/thread.h"
#include "engine/wal/journal.h"
#include "tiering/parts/has.h"
#include "tiering/tended.h"

static const int64_t MS = 1000000;
static const int64_t LESSON_NS = 1000000000;

enum { MARKERS = 10, MARKER_MS = 60000, SHELF_READ_MS = 5000, TRY_AGAIN_MS = 60000 };

int64_t
vrv__tier_now_ns(const struct vrv_tier *t)
{
    return t->o.clock->mono_ns(t->o.clock);
}

int64_t
vrv__tier_wall_ms(const struct vrv_tier *t)
{
    return t->o.clock->wall_ms(t->o.clock);
}

void
vrv__tier_tell(const struct vrv_tier *t, const struct vrv_tier_news *n)
{
    if (t->o.told != NULL)
        t->o.told(t->o.ctx, n);
}

/* ---- life ---- */

void
vrv_tier_opts_default(struct vrv_tier_opts *o)
{
    *o = (struct vrv_tier_opts){ .clock = vrv_clock_real(), .cache_bytes = 64 << 20, .index_bytes = 64 << 20, .moves = 2,
        .parts = VRV_UPLOAD_PARTS, .put_max = VRV_STORE_PUT_MAX, .look_ms = 1000, .call_ms = 300000,
        .attempt_ms = 60000, .again_ms = 5000,
        .orphan_ms = VRV_PARTS_ORPHAN_MS, .sweep_ms = 3600000, .settle_ms = 120000,
        .limits = { .copy_bytes_s = INT64_MAX, .fetch_bytes_s = INT64_MAX, .keep_ms = 86400000,
            .grace_ms = 600000, .deletes_per_second = 1000, .disk = { .local_max = INT64_MAX } },
        .marker_ms = MARKER_MS, .marker_idle_ms = VRV_TIER_MARKER_IDLE * MARKER_MS,
        .chunk_bytes = VRV_CHUNK_BYTES, .root_bytes = VRV_PARTS_ROOT_BYTES };
}

/* Without it nothing is lost but time. */
static struct vrv_shelf *
open_shelf(struct vrv_tier *t)
{
    const struct vrv_tier_opts *o = &t->o;
    struct vrv_shelf *s = NULL;
    struct vrv_err e;

    if (o->shelf == NULL)
        return NULL;
    int rc = vrv_shelf_open(&s, &(struct vrv_shelf_opts){ .vfs = o->shelf, .cq = &t->cq, .clock = o->clock,
        .bytes = o->shelf_bytes, .slot_bytes = o->chunk_bytes, .read_ms = SHELF_READ_MS,
        .failed = o->shelf_failed, .ctx = o->ctx }, &e);
    if (rc < 0 && o->shelf_failed != NULL)
        o->shelf_failed(o->ctx, &e);
    return rc < 0 ? NULL : s;
}

static void
tell_store(void *ctx, enum vrv_store_op op, const struct vrv_err *e)
{
    const struct vrv_tier *t = ctx;

    vrv__tier_tell(t, &(struct vrv_tier_news){ .kind = VRV_TIER_NEWS_STORE, .op = op, .why = e });
}

static void
tell_tried(void *ctx)
{
    const struct vrv_tier *t = ctx;

    vrv__tier_tell(t, &(struct vrv_tier_news){ .kind = VRV_TIER_NEWS_TRIED });
}

/* The next one may be ourselves, where our own file came back damaged. */
static int
next_owner(void *ctx, char key[VRV_STORE_KEY_MAX + 1])
{
    const struct vrv_tier *t = ctx;

    if (t->owns)
        return 0;
    if (t->owner.owned > 0 && t->owner.owned != t->owner.number)
        return VRV_E_BUSY;
    vrv_owner_key(t->owner.number + 1, key);
    return 1;
}

static bool
log_has(void *ctx, const struct vrv_log_id *id, const struct vrv_cold_seg *s)
{
    const struct vrv_tier *t = ctx;

    return t->eng != NULL && vrv_parts_log_has(t->eng, id, s);
}

static void
note_passed(void *ctx, const struct vrv_log_id *id, const struct vrv_err *why)
{
    struct vrv_tier *t = ctx;

    vrv_lock(&t->lock);
    t->stats.passed++;
    vrv_unlock(&t->lock);
    vrv__tier_tell(t, &(struct vrv_tier_news){ .kind = VRV_TIER_NEWS_PASSED, .id = *id, .why = why });
}

static void
tell_clock(struct vrv_tier *t)
{
    int64_t skew = atomic_load(&t->o.store->skew_ms);

    if (skew != t->skew_ms)
        vrv__tier_tell(t, &(struct vrv_tier_news){ .kind = VRV_TIER_NEWS_CLOCK, .skew_ms = skew });
    t->skew_ms = skew;
}

struct vrv_tier *
vrv_tier_new(const struct vrv_tier_opts *o)
{
    struct vrv_tier *t = VRV_NEW(struct vrv_tier);

    t->o = *o;
    int rc = vrv_cq_init(&t->cq, 0);
    VRV_ASSERT(rc == 0);
    t->retry = vrv_retry_new(&(struct vrv_retry_opts){ .store = o->store, .clock = o->clock,
        .cq = &t->cq, .random = o->random, .base_ms = 100, .most_ms = 10000,
        .attempt_ms = { o->attempt_ms, o->attempt_ms, o->attempt_ms }, .told = tell_store, .ctx = t });
    vrv_parts_init(&t->parts, &(struct vrv_parts_opts){ .retry = t->retry, .cq = &t->cq,
        .clock = o->clock, .random = o->random, .hashed = o->hashed_names, .read_ms = o->call_ms,
        .write_ms = o->call_ms, .adopt_ms = o->orphan_ms / 2, .root_bytes = o->root_bytes,
        .index_bytes = o->index_bytes, .successor = next_owner, .has = log_has, .passed = note_passed,
        .ctx = t });
    struct vrv_cache_opts cache;
    vrv_cache_opts_default(&cache);
    cache.retry = t->retry;
    cache.cq = &t->cq;
    cache.clock = o->clock;
    cache.bytes = o->cache_bytes;
    cache.shelf = t->shelf = open_shelf(t);
    vrv_cold_reader_init(&t->reader, &t->parts, &cache);
    vrv_pace_init(&t->pace, o->clock, o->limits.copy_bytes_s);
    vrv_source_init(&t->source);
    t->move = (struct vrv_move_opts){ .parts = &t->parts, .pace = &t->pace, .source = &t->source,
        .chunk_bytes = o->chunk_bytes, .index_interval = VRV_MOVE_INDEX_INTERVAL,
        .upload = { .store = o->store, .retry = t->retry, .cq = &t->cq, .clock = o->clock,
            .parts = o->parts, .call_ms = o->call_ms, .put_max = o->put_max, .held = &t->upload_bytes } };
    t->sweeps = (struct vrv_sweep_opts){ .parts = &t->parts, .cache = &t->reader.cache, .retry = t->retry,
        .cq = &t->cq, .clock = o->clock, .rate = &t->deletes, .call_ms = o->call_ms };
    vrv__tier_house_init(t);
    vrv__tended_init(t);
    vrv_lock_init(&t->lock, VRV_LOCK_tier);
    vrv_tier_set(t, &o->limits);
    vrv__tier_apply_limits(t);
    return t;
}

void
vrv_tier_set(struct vrv_tier *t, const struct vrv_tier_limits *l)
{
    vrv_lock(&t->lock);
    t->wanted = *l;
    vrv_unlock(&t->lock);
    vrv_cold_reader_rate(&t->reader, l->fetch_bytes_s >= INT64_MAX ? 0 : l->fetch_bytes_s);
    atomic_store(&t->limits_changed, true);
}

void
vrv__tier_apply_limits(struct vrv_tier *t)
{
    if (!atomic_exchange(&t->limits_changed, false))
        return;
    vrv_lock(&t->lock);
    t->limits = t->wanted;
    vrv_unlock(&t->lock);
    t->pace.cap = t->limits.copy_bytes_s;
    t->deletes.per_second = t->limits.deletes_per_second;
    t->house.o.keep_ms = t->limits.keep_ms;
    vrv_house_wake(&t->house);
}

struct vrv_cold *
vrv_tier_cold(struct vrv_tier *t)
{
    return &t->reader.cold;
}

void
vrv_tier_attach(struct vrv_tier *t, struct vrv_engine *eng, const char *cluster,
    vrv_marker_records_fn *records, void *ctx)
{
    t->eng = eng;
    t->house.eng = eng;
    t->round_ns = 0;
    t->wrote = false;
    t->owns = cluster == NULL;
    vrv_parts_attach(&t->parts, vrv_engine_catalog(eng));
    vrv_owner_init(&t->owner, &(struct vrv_owner_opts){ .retry = t->retry, .cq = &t->cq,
        .clock = t->o.clock, .random = t->o.random, .cluster = cluster, .round_ms = t->o.call_ms,
        .every_ms = t->o.marker_ms, .idle_ms = t->o.marker_idle_ms, .keeps = MARKERS,
        .records = records, .ctx = ctx, .foreign = t->o.foreign, .foreign_ctx = t->o.ctx });
    if (cluster != NULL)
        vrv_owner_attach(&t->owner, vrv_engine_catalog(eng));
    vrv_probe_init(&t->probe, &(struct vrv_probe_opts){ .retry = t->retry, .cq = &t->cq, .clock = t->o.clock,
        .random = t->o.random, .call_ms = t->o.try_ms, .again_ms = TRY_AGAIN_MS, .tried = tell_tried, .ctx = t });
    vrv__tier_wake_all(t);
}

bool
vrv__tier_may_write(const struct vrv_tier *t)
{
    return t->owns || t->owner.state == VRV_OWNER_OWNS;
}

/* ---- what is told ---- */

void
vrv__tier_note_failure(void *ctx, const struct vrv_err *e)
{
    struct vrv_tier *t = ctx;

    vrv_lock(&t->lock);
    t->stats.failed++;
    t->stats.last = *e;
    t->stats.last_ms = vrv__tier_wall_ms(t);
    vrv_unlock(&t->lock);
}

void
vrv_tier_stats(struct vrv_tier *t, struct vrv_tier_stats *s)
{
    vrv_lock(&t->lock);
    *s = t->stats;
    vrv_unlock(&t->lock);
}

/* ---- steps ---- */

static void
learn(struct vrv_tier *t)
{
    struct vrv_hist_view v = { .sum_ns = 0 };

    vrv_hist_read(vrv_journal_syncs(vrv_engine_env(t->eng)->journal), &v);
    vrv_pace_learn(&t->pace, &v);
    t->learn_ns = vrv__tier_now_ns(t) + LESSON_NS;
}

static bool
step(struct vrv_tier *t)
{
    struct vrv_done *d = vrv_cq_take(&t->cq, 0);
    if (d != NULL) {
        d->run(d);
        return true;
    }
    if (t->eng != NULL && vrv__tier_queue_step(t))
        return true;
    if (t->eng != NULL && vrv__tier_now_ns(t) >= t->learn_ns) {
        learn(t);
        return true;
    }
    return vrv_store_step(t->o.store);
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Nothing is written, not even for that, before the store is known to be ours; who waits for it
 * hears when it isn't. */
static int64_t
try_store(struct vrv_tier *t)
{
    bool is_ours = vrv__tier_may_write(t);

    if (!is_ours && t->owner.err.code != 0 && !t->cannot_try)
        tell_tried(t);
    t->cannot_try = !is_ours && t->owner.err.code != 0;
    return vrv_probe_step(&t->probe, is_ours);
}

/* What has waited for its time, which something else that never ends mustn't put off; when there is more. */
static int64_t
begin_what_is_due(struct vrv_tier *t)
{
    int64_t next = earlier(vrv_retry_step(t->retry),
        earlier(vrv_pace_step(&t->pace), vrv_cache_step(&t->reader.cache)));

    next = earlier(next, vrv__tier_delete_step(t));
    if (t->eng != NULL && t->o.try_ms > 0)
        next = earlier(next, try_store(t));
    return t->owns ? next : earlier(next, vrv_owner_step(&t->owner));
}

bool
vrv_tier_step(struct vrv_tier *t, int64_t *next_ns)
{
    (void)begin_what_is_due(t);
    if (step(t))
        return true;
    tell_clock(t);
    *next_ns = begin_what_is_due(t);
    if (t->eng != NULL)
        *next_ns = earlier(*next_ns, earlier(vrv__tier_queue_next(t), t->learn_ns));
    return false;
}

/* As far as it goes, until something is posted or the time has come. */
static void
wait_step(struct vrv_tier *t)
{
    int64_t next_ns;

    if (vrv_tier_step(t, &next_ns))
        return;
    int64_t now = vrv__tier_now_ns(t);
    int64_t ms = next_ns == INT64_MAX ? -1 : next_ns <= now ? 0 : (next_ns - now) / MS + 1;
    vrv_idle_begin(&t->idle, now);
    struct vrv_done *d = vrv_cq_take(&t->cq, ms);
    vrv_idle_end(&t->idle, vrv__tier_now_ns(t));
    if (d != NULL)
        d->run(d);
}

/* ---- its thread, and the engine's end ---- */

struct leave {
    struct vrv_done done;
    struct vrv_tier *t;
    struct vrv_cq back;
};

static void
give_up(struct vrv_tier *t)
{
    t->eng = NULL;
    if (!t->owns)
        vrv_owner_end(&t->owner, t->started); /* time must pass for it */
    vrv_probe_end(&t->probe);
    vrv__tier_house_give_up(t);
    if (t->sweep != NULL)
        vrv_sweep_cancel(t->sweep);
    vrv__tended_cancel(t);
}

static bool
has_left(const struct vrv_tier *t)
{
    return t->moves == 0 && t->sweep == NULL && vrv_house_is_idle(&t->house) &&
        !vrv_owner_is_busy(&t->owner) && !vrv_probe_is_busy(&t->probe);
}

/* Nothing refers to the engine any more. */
static void
let_go(struct vrv_tier *t)
{
    vrv_probe_fini(&t->probe);
    vrv_parts_attach(&t->parts, NULL);
}

static void
leave(struct vrv_done *d)
{
    struct leave *l = VRV_LIST_OF(d, struct leave, done);

    l->t->leaving = l;
    give_up(l->t);
}

static void *
tier_main(void *ctx)
{
    struct vrv_tier *t = ctx;

    vrv_thread_give_way();
    while (!atomic_load(&t->stop)) {
        wait_step(t);
        if (t->leaving != NULL && has_left(t)) {
            struct leave *l = t->leaving;

            t->leaving = NULL;
            let_go(t);
            vrv_cq_post(&l->back, &l->done, &l->done);
        }
    }
    return NULL;
}

int
vrv_tier_start(struct vrv_tier *t, struct vrv_err *e)
{
    int rc = vrv_source_start(&t->source, e);

    if (rc == 0 && t->shelf != NULL)
        rc = vrv_shelf_start(t->shelf, e);
    if (rc == 0)
        rc = vrv_thread_start(&t->thread, "varve-tier", tier_main, t, e);
    t->started = rc == 0;
    return rc;
}

void
vrv_tier_detach(struct vrv_tier *t)
{
    struct leave l = { .done = { .cq = &t->cq, .run = leave }, .t = t };

    if (!t->started) {
        give_up(t);
        while (!has_left(t))
            wait_step(t);
        let_go(t);
        return;
    }
    int rc = vrv_cq_init(&l.back, 0);
    VRV_ASSERT(rc == 0);
    vrv_cq_post(&t->cq, &l.done, &l.done);
    (void)vrv_cq_take(&l.back, -1);
    vrv_cq_fini(&l.back);
}

static void
nothing(struct vrv_done *d)
{
    (void)d;
}

static void
stop_thread(struct vrv_tier *t)
{
    struct vrv_done wake = { .cq = &t->cq, .run = nothing };

    if (!t->started)
        return;
    atomic_store(&t->stop, true);
    vrv_cq_post(&t->cq, &wake, &wake);
    (void)pthread_join(t->thread, NULL);
    struct vrv_done *d;
    while ((d = vrv_cq_take(&t->cq, 0)) != NULL) /* it may still be there */
        d->run(d);
}

void
vrv_tier_free(struct vrv_tier **tp)
{
    struct vrv_tier *t = *tp;

    if (t == NULL)
        return;
    VRV_ASSERT(t->eng == NULL && t->moves == 0);
    stop_thread(t);
    vrv_parts_cancel_reads(&t->parts);
    vrv_cache_cancel(&t->reader.cache, NULL);
    while (t->reads > 0 || t->parts.reads > 0 || !vrv_cold_reader_is_idle(&t->reader))
        wait_step(t);
    vrv__tended_fini(t);
    vrv_house_fini(&t->house);
    vrv_cold_reader_fini(&t->reader);
    vrv_shelf_close(&t->shelf);
    vrv_parts_fini(&t->parts);
    vrv_retry_free(&t->retry);
    vrv_source_fini(&t->source);
    vrv_cq_fini(&t->cq);
    vrv_lock_fini(&t->lock);
    free(t);
    *tp = NULL;
}

