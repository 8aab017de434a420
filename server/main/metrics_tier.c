/* The cold tier's families.  Nothing of them is kept: each is computed when it is asked for, from
 * what there is then, so that no number outlives what it tells of. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/main/assemble.h"
#include "server/main/metrics.h"
#include "server/stat/prom.h"
#include "tiering/tier_ask.h"

enum { NS_PER_MS = 1000000 };

/* ---- topics ---- */

/* What the partitions of a topic come to, or all of them. */
struct numbers {
    struct vrv_tier_counts did;
    struct vrv_tier_amount lag, held, dead, there;
    uint64_t fetches, fetched_bytes, fetch_errors;
    uint64_t lag_ns, dead_ns; /* the largest */
};

struct topic {
    struct vrv_uuid id;
    char name[VRV_TOPIC_NAME_MAX + 1];
    int32_t partitions;
    struct numbers n;
    bool tiered;        /* it asks for the cold tier, or has something there */
};

struct topics {
    struct vrv_server *s;
    struct topic *v;
    size_t n, cap;
    size_t shown;       /* the first ones, with lines of their own */
    struct numbers all;
    uint64_t unknown;   /* partitions */
    struct vrv_usage *used; /* of the store: of those that are shown, and behind them of all */
};

/* Partitions that the tier is asked about together, and whose they are. */
struct batch {
    struct vrv_tier_asked v[VRV_TIER_AT_ONCE];
    struct topic *of[VRV_TIER_AT_ONCE];
    size_t n;
};

static int
add_topic(void *ctx, const struct vrv_topic_info *info)
{
    struct topics *ts = ctx;

    VRV_PUSH_ROOM(ts->v, ts->n, ts->cap);
    struct topic *t = &ts->v[ts->n++];
    *t = (struct topic){ .id = info->id, .partitions = info->partitions };
    memcpy(t->name, info->name, sizeof(t->name));
    return 0;
}

static void
add_amount(struct vrv_tier_amount *to, const struct vrv_tier_amount *a)
{
    to->segments += a->segments;
    to->bytes += a->bytes;
}

static void
add_part(struct numbers *n, const struct vrv_tier_part *p, const struct vrv_log_traffic *came)
{
    uint64_t lag_ns = (uint64_t)p->sums.lag_ms * NS_PER_MS;
    uint64_t dead_ns = (uint64_t)p->dead_for_ms * NS_PER_MS;

    n->did.copies += p->counts.copies;
    n->did.copied_bytes += p->counts.copied_bytes;
    n->did.copy_errors += p->counts.copy_errors;
    n->did.deletes += p->counts.deletes;
    n->did.delete_errors += p->counts.delete_errors;
    add_amount(&n->lag, &p->sums.lag);
    add_amount(&n->held, &p->sums.held);
    add_amount(&n->dead, &p->sums.dead);
    add_amount(&n->there, &p->sums.both);
    add_amount(&n->there, &p->sums.cold);
    n->fetches += came->cold_reads;
    n->fetched_bytes += came->cold_bytes;
    n->fetch_errors += came->cold_errors;
    if (lag_ns > n->lag_ns)
        n->lag_ns = lag_ns;
    if (dead_ns > n->dead_ns)
        n->dead_ns = dead_ns;
}

static void
take_part(struct topics *ts, struct topic *t, const struct vrv_tier_asked *a)
{
    struct vrv_log *log = vrv_engine_log_ref(ts->s->broker.engine, &a->id);

    if (log == NULL) /* being deleted */
        return;
    struct vrv_log_traffic came = vrv_log_traffic(log);
    vrv_log_unref(&log);
    if (a->rc < 0 || (!a->p.tiered && a->p.cold_end < 0))
        return;
    t->tiered = true;
    ts->unknown += a->p.unknown != 0;
    add_part(&t->n, &a->p, &came);
    add_part(&ts->all, &a->p, &came);
}

static void
look_at(struct topics *ts, struct batch *b)
{
    vrv_tier_parts(ts->s->cold.tier, b->v, b->n);
    for (size_t i = 0; i < b->n; i++)
        take_part(ts, b->of[i], &b->v[i]);
    b->n = 0;
}

static void
look_at_all(struct topics *ts)
{
    struct batch *b = VRV_NEW(struct batch);

    for (size_t i = 0; i < ts->n; i++)
        for (int32_t k = 0; k < ts->v[i].partitions; k++) {
            b->of[b->n] = &ts->v[i];
            b->v[b->n++].id = (struct vrv_log_id){ ts->v[i].id, k };
            if (b->n == VRV_TIER_AT_ONCE)
                look_at(ts, b);
        }
    look_at(ts, b);
    free(b);
}

static void
gather_usage(struct topics *ts)
{
    struct vrv_uuid *id = vrv_mem_zero((ts->shown + 1) * sizeof(*id));

    for (size_t i = 0; i < ts->shown; i++)
        id[i] = ts->v[i].id;
    ts->used = vrv_mem_zero((ts->shown + 1) * sizeof(*ts->used));
    vrv_tier_usages(ts->s->cold.tier, id, ts->shown, ts->used);
    vrv_tier_usage(ts->s->cold.tier, &ts->used[ts->shown]);
    free(id);
}

/* Those that have nothing to do with it are left out. */
static void
gather(struct topics *ts)
{
    size_t kept = 0;

    if (ts->s->cold.tier == NULL)
        return;
    (void)vrv_catalog_each(vrv_engine_catalog(ts->s->broker.engine), add_topic, ts);
    look_at_all(ts);
    for (size_t i = 0; i < ts->n; i++)
        if (ts->v[i].tiered)
            ts->v[kept++] = ts->v[i];
    ts->n = kept;
    ts->shown = (size_t)ts->s->config->metrics_topics_max;
    if (ts->shown > kept)
        ts->shown = kept;
    gather_usage(ts);
}

static uint64_t
number_at(const struct numbers *n, size_t at)
{
    uint64_t v;

    memcpy(&v, (const char *)n + at, sizeof(v));
    return v;
}

static bool
is_time(enum vrv_metric m)
{
    return m == VRV_M_tier_lag_seconds || m == VRV_M_tier_dead_seconds;
}

static void
put_topics(struct vrv_prom *p, const struct topics *ts)
{
    static const struct {
        enum vrv_metric m;
        size_t at;
    } families[] = {
        { VRV_M_tier_copied_bytes, offsetof(struct numbers, did.copied_bytes) },
        { VRV_M_tier_copies, offsetof(struct numbers, did.copies) },
        { VRV_M_tier_copy_errors, offsetof(struct numbers, did.copy_errors) },
        { VRV_M_tier_lag_bytes, offsetof(struct numbers, lag.bytes) },
        { VRV_M_tier_lag_segments, offsetof(struct numbers, lag.segments) },
        { VRV_M_tier_lag_seconds, offsetof(struct numbers, lag_ns) },
        { VRV_M_tier_held_bytes, offsetof(struct numbers, held.bytes) },
        { VRV_M_tier_fetch_bytes, offsetof(struct numbers, fetched_bytes) },
        { VRV_M_tier_fetches, offsetof(struct numbers, fetches) },
        { VRV_M_tier_fetch_errors, offsetof(struct numbers, fetch_errors) },
        { VRV_M_tier_deletes, offsetof(struct numbers, did.deletes) },
        { VRV_M_tier_delete_errors, offsetof(struct numbers, did.delete_errors) },
        { VRV_M_tier_dead_bytes, offsetof(struct numbers, dead.bytes) },
        { VRV_M_tier_dead_segments, offsetof(struct numbers, dead.segments) },
        { VRV_M_tier_dead_seconds, offsetof(struct numbers, dead_ns) },
        { VRV_M_tier_size, offsetof(struct numbers, there.bytes) },
        { VRV_M_tier_segments, offsetof(struct numbers, there.segments) },
    };

    for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
        void (*put)(struct vrv_prom *, const struct vrv_labels *, uint64_t) =
            is_time(families[f].m) ? vrv_prom_seconds : vrv_prom_count;

        vrv_prom_begin(p, families[f].m);
        put(p, NULL, number_at(&ts->all, families[f].at));
        for (size_t i = 0; i < ts->shown; i++)
            put(p, VRV_LABELS(VRV_LABEL("topic", ts->v[i].name)),
                number_at(&ts->v[i].n, families[f].at));
    }
    vrv_prom_one(p, VRV_M_tier_unknown, ts->unknown);
}

/* ---- the tier ---- */

static uint64_t
span_ns(const struct vrv_tier_state *s, int64_t since_ms)
{
    return since_ms > 0 && s->now_ms > since_ms ? (uint64_t)(s->now_ms - since_ms) * NS_PER_MS : 0;
}

static void
put_since(struct vrv_prom *p, enum vrv_metric m, const struct vrv_tier_state *s, int64_t since_ms)
{
    vrv_prom_begin(p, m);
    if (since_ms > 0)
        vrv_prom_seconds(p, NULL, span_ns(s, since_ms));
}

static void
put_disk(struct vrv_prom *p, const struct vrv_tier_stats *s)
{
    vrv_prom_one(p, VRV_M_tier_ready, s->ready);
    vrv_prom_one(p, VRV_M_tier_disk, (uint64_t)s->disk);
    vrv_prom_one(p, VRV_M_tier_refusing, s->refusing);
    vrv_prom_one(p, VRV_M_tier_lost_segments, s->lost_segments);
    vrv_prom_one(p, VRV_M_tier_lost_bytes, s->lost_bytes);
    vrv_prom_one(p, VRV_M_tier_passed, s->passed);
    vrv_prom_one(p, VRV_M_tier_local_bytes, s->local_bytes);
    vrv_prom_one(p, VRV_M_tier_evicted_bytes, s->evicted_bytes);
}

/* What is deleted of deleted topics. */
static void
put_gone(struct vrv_prom *p, const struct vrv_tier_state *now, const struct vrv_tier_stats *s)
{
    vrv_prom_one(p, VRV_M_tier_gone_partitions, s->lag.partitions);
    vrv_prom_one(p, VRV_M_tier_gone_left, s->lag.objects);
    vrv_prom_one(p, VRV_M_tier_gone_bytes, s->lag.bytes);
    vrv_prom_one_seconds(p, VRV_M_tier_gone_since, span_ns(now, s->lag.since_ms));
    vrv_prom_one(p, VRV_M_tier_gone_objects, s->deleted);
    vrv_prom_one(p, VRV_M_tier_kept, s->lag.kept);
    vrv_prom_one(p, VRV_M_tier_kept_bytes, s->lag.kept_bytes);
    vrv_prom_one_seconds(p, VRV_M_tier_kept_since, span_ns(now, s->lag.kept_since_ms));
    vrv_prom_one(p, VRV_M_tier_stale, s->stale);
}

static void
put_held_back(struct vrv_prom *p, const struct vrv_tier_state *s)
{
    vrv_prom_begin(p, VRV_M_tier_throttled);
    vrv_prom_seconds(p, VRV_LABELS(VRV_LABEL("what", "copy")), s->copy_waited_ns);
    vrv_prom_seconds(p, VRV_LABELS(VRV_LABEL("what", "fetch")), s->read_waited_ns);
    vrv_prom_one_seconds(p, VRV_M_tier_copy_wait, s->copy_waits.mean);
    vrv_prom_one_seconds(p, VRV_M_tier_copy_wait_max, s->copy_waits.max);
    vrv_prom_one_seconds(p, VRV_M_tier_fetch_wait, s->read_waits.mean);
    vrv_prom_one_seconds(p, VRV_M_tier_fetch_wait_max, s->read_waits.max);
}

static void
put_idle(struct vrv_prom *p, struct vrv_server *s)
{
    int64_t now = s->broker.clock->mono_ns(s->broker.clock);
    unsigned threads = s->cold.tier != NULL;
    int64_t idle = threads > 0 ? vrv_tier_idle_ns(s->cold.tier) : 0;

    vrv_prom_one_seconds(p, VRV_M_tier_idle, vrv_idle_share(&s->tier_idle, now, idle, threads));
    vrv_prom_one_seconds(p, VRV_M_tier_idle_time, (uint64_t)idle);
}

static void
put_served(struct vrv_prom *p, const struct vrv_cache_counts *c)
{
    vrv_prom_begin(p, VRV_M_tier_served);
    vrv_prom_count(p, VRV_LABELS(VRV_LABEL("source", "cache")), c->had_bytes);
    vrv_prom_count(p, VRV_LABELS(VRV_LABEL("source", "disk-cache")), c->shelved_bytes);
    vrv_prom_count(p, VRV_LABELS(VRV_LABEL("source", "store")), c->awaited_bytes);
    vrv_prom_begin(p, VRV_M_tier_ahead);
    vrv_prom_count(p, VRV_LABELS(VRV_LABEL("what", "read")), c->ahead_bytes);
    vrv_prom_count(p, VRV_LABELS(VRV_LABEL("what", "used")), c->used_bytes);
    vrv_prom_count(p, VRV_LABELS(VRV_LABEL("what", "wasted")), c->wasted_bytes);
}

/* One number of each kind; all: their sum where that isn't known better. */
static void
put_by_kind(struct vrv_prom *p, enum vrv_metric m, const struct vrv_cache_counts *c, size_t at,
    const uint64_t *all)
{
    static const char *const kinds[] = { [VRV_PIECE_CHUNK] = "chunk", [VRV_PIECE_PAGE] = "page",
        [VRV_PIECE_ABORTED] = "aborted" };
    uint64_t v[VRV_PIECE_KINDS], sum = 0;

    for (int k = 0; k < VRV_PIECE_KINDS; k++) {
        memcpy(&v[k], (const char *)c + at + (size_t)k * sizeof(c->of[0]), sizeof(v[k]));
        sum += v[k];
    }
    vrv_prom_one(p, m, all != NULL ? *all : sum);
    for (int k = 0; k < VRV_PIECE_KINDS; k++)
        vrv_prom_count(p, VRV_LABELS(VRV_LABEL("kind", kinds[k])), v[k]);
}

static void
put_cache(struct vrv_prom *p, const struct vrv_tier_state *s)
{
    const struct vrv_cache_counts *c = &s->cache;

    put_by_kind(p, VRV_M_tier_cache_hits, c, offsetof(struct vrv_cache_counts, of[0].hits), NULL);
    put_by_kind(p, VRV_M_tier_cache_misses, c, offsetof(struct vrv_cache_counts, of[0].misses), NULL);
    put_by_kind(p, VRV_M_tier_cache_evictions, c,
        offsetof(struct vrv_cache_counts, of[0].evictions), NULL);
    put_by_kind(p, VRV_M_tier_cache_bytes, c, offsetof(struct vrv_cache_counts, of[0].bytes),
        &s->cache_bytes);
    vrv_prom_one(p, VRV_M_tier_cache_max, s->cache_max);
}

static void
put_shelf(struct vrv_prom *p, const struct vrv_shelf_stats *c)
{
    vrv_prom_one(p, VRV_M_tier_shelf_hits, c->hits);
    vrv_prom_one(p, VRV_M_tier_shelf_writes, c->writes);
    vrv_prom_one(p, VRV_M_tier_shelf_evictions, c->evictions);
    vrv_prom_one(p, VRV_M_tier_shelf_bad, c->bad);
    vrv_prom_one(p, VRV_M_tier_shelf_bytes, c->bytes);
    vrv_prom_one(p, VRV_M_tier_shelf_max, c->max_bytes);
    vrv_prom_one(p, VRV_M_tier_shelf_off, c->off);
}

static void
put_state(struct vrv_prom *p, const struct vrv_tier_state *s, const struct vrv_tier_stats *stats)
{
    vrv_prom_one(p, VRV_M_tier_owned, s->owned);
    vrv_prom_one(p, VRV_M_tier_moves, s->moves);
    put_disk(p, stats);
    vrv_prom_one_seconds(p, VRV_M_tier_oldest, span_ns(s, s->oldest_ms));
    put_since(p, VRV_M_tier_since_upload, s, s->moved_ms);
    put_since(p, VRV_M_tier_since_delete, s, s->deleted_ms);
    put_since(p, VRV_M_tier_since_sweep, s, s->swept_ms);
    put_since(p, VRV_M_tier_since_marker, s, s->marked_ms);
    vrv_prom_one(p, VRV_M_tier_marker_failures, s->marks_failed);
    vrv_prom_one(p, VRV_M_tier_swept, s->swept);
    vrv_prom_one(p, VRV_M_tier_swept_bytes, stats->swept_bytes);
    vrv_prom_one(p, VRV_M_tier_orphans, stats->orphans);
    vrv_prom_one(p, VRV_M_tier_orphan_bytes, stats->orphan_bytes);
    put_gone(p, s, stats);
    vrv_prom_one(p, VRV_M_tier_reading, s->queued);
    put_held_back(p, s);
    put_served(p, &s->cache);
    put_cache(p, s);
    put_shelf(p, &s->shelf);
    vrv_prom_one(p, VRV_M_tier_upload_bytes, s->upload_bytes);
    vrv_prom_one(p, VRV_M_tier_manifest_bytes, s->manifest_bytes);
    vrv_prom_one(p, VRV_M_tier_index_bytes, s->index_bytes);
}

static void
put_durations(struct vrv_prom *p, struct vrv_tier *t)
{
    struct vrv_tier_times times = { .wait.sum_ns = 0 };

    if (t != NULL)
        vrv_tier_times(t, &times);
    vrv_prom_one_hist(p, VRV_M_tier_move_time, &times.move);
    vrv_prom_one_hist(p, VRV_M_tier_read_wait, &times.wait);
    vrv_prom_one_hist(p, VRV_M_tier_read_time, &times.read);
}

/* ---- the store ---- */

static void
put_calls(struct vrv_prom *p, const struct vrv_tier_state *s)
{
    static const char *const classes[] = { [VRV_STORE_READ] = "read", [VRV_STORE_UPLOAD] = "upload",
        [VRV_STORE_HOUSEKEEPING] = "housekeeping" };

    vrv_prom_begin(p, VRV_M_store_calls);
    for (int i = 0; i < VRV_STORE_CLASSES; i++) {
        vrv_prom_count(p, VRV_LABELS(VRV_LABEL("class", classes[i]), VRV_LABEL("state", "sent")),
            s->sent[i]);
        vrv_prom_count(p, VRV_LABELS(VRV_LABEL("class", classes[i]), VRV_LABEL("state", "waiting")),
            s->waiting[i]);
    }
}

/* What was never seen has no line, also below. */
static void
put_times(struct vrv_prom *p, struct vrv_tier *t, const char *kind)
{
    vrv_prom_begin(p, VRV_M_store_time);
    for (int i = 0; i < VRV_STORE_OPS * VRV_STORE_OUTCOMES && t != NULL; i++) {
        enum vrv_store_op op = (enum vrv_store_op)(i / VRV_STORE_OUTCOMES);
        enum vrv_store_outcome outcome = (enum vrv_store_outcome)(i % VRV_STORE_OUTCOMES);
        struct vrv_hist_view v = { .sum_ns = 0 };

        vrv_tier_requests(t, op, outcome, &v);
        if (vrv_hist_count(&v) > 0)
            vrv_prom_hist(p,
                VRV_LABELS(VRV_LABEL("store", kind), VRV_LABEL("operation", vrv_store_op_name(op)),
                    VRV_LABEL("outcome", vrv_store_outcome_name(outcome))), &v);
    }
}

/* topic: whose they are; NULL: of all. */
static void
put_usage(struct vrv_prom *p, const char *kind, const struct vrv_usage *u, const char *topic)
{
    for (int i = 0; i < VRV_STORE_OPS * VRV_STORE_OUTCOMES; i++) {
        enum vrv_store_op op = (enum vrv_store_op)(i / VRV_STORE_OUTCOMES);
        enum vrv_store_outcome outcome = (enum vrv_store_outcome)(i % VRV_STORE_OUTCOMES);
        uint64_t n = p->now == VRV_M_store_bytes ? u->of[op][outcome].bytes
                                                 : u->of[op][outcome].requests;

        if (n > 0)
            vrv_prom_count(p,
                VRV_LABELS(VRV_LABEL("store", kind), VRV_LABEL("operation", vrv_store_op_name(op)),
                    VRV_LABEL("outcome", vrv_store_outcome_name(outcome)),
                    { "topic", topic, topic != NULL ? strlen(topic) : 0 }), n);
    }
}

static void
put_usages(struct vrv_prom *p, enum vrv_metric m, const struct topics *ts, const char *kind)
{
    vrv_prom_begin(p, m);
    if (ts->s->cold.tier == NULL)
        return;
    put_usage(p, kind, &ts->used[ts->shown], NULL);
    for (size_t i = 0; i < ts->shown; i++)
        put_usage(p, kind, &ts->used[i], ts->v[i].name);
}

static void
put_store(struct vrv_prom *p, const struct topics *ts, const struct vrv_tier_state *s)
{
    put_calls(p, s);
    put_times(p, ts->s->cold.tier, s->kind);
    put_usages(p, VRV_M_store_requests, ts, s->kind);
    put_usages(p, VRV_M_store_bytes, ts, s->kind);
    vrv_prom_one(p, VRV_M_store_settled, s->settled);
}

void
vrv__metrics_tier(struct vrv_server *s, struct vrv_prom *p)
{
    struct topics ts = { .s = s };
    struct vrv_tier_state state = { .now_ms = 0 };
    struct vrv_tier_stats stats = { .moved = 0 };

    gather(&ts);
    if (s->cold.tier != NULL) {
        vrv_tier_state(s->cold.tier, &state);
        vrv_tier_stats(s->cold.tier, &stats);
    }
    put_topics(p, &ts);
    put_state(p, &state, &stats);
    put_idle(p, s);
    put_durations(p, s->cold.tier);
    put_store(p, &ts, &state);
    free(ts.used);
    free(ts.v);
}
