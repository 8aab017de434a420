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
    uint64_t lag_ns;  /* the largest */
};

struct topic {
    struct vrv_uuid id;
    char name[VRV_TOPIC_NAME_MAX + 1];
    int32_t partitions;
    struct numbers n;
};

struct topics {
    struct vrv_server *s;
    struct topic *v;
    size_t n, cap;
    size_t shown;       /* the first ones, with lines of their own */
    struct numbers all;
    uint64_t unknown;   /* partitions */
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
}

/* False: it doesn't ask for the cold tier, and has nothing there. */
static bool
look_at(struct topics *ts, struct topic *t, int32_t partition)
{
    struct vrv_log_id id = { t->id, partition };
    struct vrv_log *log = vrv_engine_log_ref(ts->s->broker.engine, &id);
    struct vrv_tier_part p;

    if (log == NULL) /* being deleted */
        return true;
    struct vrv_log_traffic came = vrv_log_traffic(log);
    vrv_log_unref(&log);
    if (vrv_tier_part(ts->s->cold.tier, &id, NULL, false, &p, NULL) < 0)
        return true;
    bool tiered = p.tiered || p.cold_end >= 0;
    ts->unknown += tiered && p.unknown != 0;
    if (tiered) {
        add_part(&t->n, &p, &came);
        add_part(&ts->all, &p, &came);
    }
    vrv_tier_part_fini(&p);
    return tiered;
}

/* Those that have nothing to do with it are left out. */
static void
gather(struct topics *ts)
{
    size_t kept = 0;

    if (ts->s->cold.tier == NULL)
        return;
    (void)vrv_catalog_each(vrv_engine_catalog(ts->s->broker.engine), add_topic, ts);
    for (size_t i = 0; i < ts->n; i++) {
        bool tiered = true;

        for (int32_t k = 0; k < ts->v[i].partitions && tiered; k++)
            tiered = look_at(ts, &ts->v[i], k);
        if (tiered)
            ts->v[kept++] = ts->v[i];
    }
    ts->n = kept;
    ts->shown = (size_t)ts->s->config->metrics_topics_max;
    if (ts->shown > kept)
        ts->shown = kept;
}

static uint64_t
number_at(const struct numbers *n, size_t at)
{
    uint64_t v;

    memcpy(&v, (const char *)n + at, sizeof(v));
    return v;
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
        { VRV_M_tier_size, offsetof(struct numbers, there.bytes) },
        { VRV_M_tier_segments, offsetof(struct numbers, there.segments) },
    };

    for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
        void (*put)(struct vrv_prom *, const struct vrv_labels *, uint64_t) =
            families[f].m == VRV_M_tier_lag_seconds ? vrv_prom_seconds : vrv_prom_count;

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
    vrv_prom_begin(p, VRV_M_tier_gone_since);
    vrv_prom_seconds(p, NULL, span_ns(now, s->lag.since_ms));
    vrv_prom_one(p, VRV_M_tier_gone_objects, s->deleted);
    vrv_prom_one(p, VRV_M_tier_stale, s->stale);
}

static void
put_state(struct vrv_prom *p, const struct vrv_tier_state *s, const struct vrv_tier_stats *stats)
{
    vrv_prom_one(p, VRV_M_tier_owned, s->owned);
    vrv_prom_one(p, VRV_M_tier_moves, s->moves);
    put_disk(p, stats);
    vrv_prom_begin(p, VRV_M_tier_oldest);
    vrv_prom_seconds(p, NULL, span_ns(s, s->oldest_ms));
    put_since(p, VRV_M_tier_since_upload, s, s->moved_ms);
    put_since(p, VRV_M_tier_since_delete, s, s->deleted_ms);
    put_since(p, VRV_M_tier_since_sweep, s, s->swept_ms);
    vrv_prom_one(p, VRV_M_tier_swept, s->swept);
    put_gone(p, s, stats);
    vrv_prom_one(p, VRV_M_tier_reading, s->queued);
    vrv_prom_one(p, VRV_M_tier_cache_hits, s->cache_hits);
    vrv_prom_one(p, VRV_M_tier_cache_misses, s->cache_misses);
    vrv_prom_one(p, VRV_M_tier_cache_evictions, s->cache_evictions);
    vrv_prom_one(p, VRV_M_tier_cache_bytes, s->cache_bytes);
    vrv_prom_one(p, VRV_M_tier_cache_max, s->cache_max);
    vrv_prom_one(p, VRV_M_tier_shelf_hits, s->shelf.hits);
    vrv_prom_one(p, VRV_M_tier_shelf_writes, s->shelf.writes);
    vrv_prom_one(p, VRV_M_tier_shelf_evictions, s->shelf.evictions);
    vrv_prom_one(p, VRV_M_tier_shelf_bad, s->shelf.bad);
    vrv_prom_one(p, VRV_M_tier_shelf_bytes, s->shelf.bytes);
    vrv_prom_one(p, VRV_M_tier_shelf_max, s->shelf.max_bytes);
    vrv_prom_one(p, VRV_M_tier_shelf_off, s->shelf.off);
}

/* ---- the store ---- */

static uint64_t
count_of(const struct vrv_hist_view *v)
{
    uint64_t n = 0;

    for (int i = 0; i < VRV_HIST_BUCKETS; i++)
        n += v->n[i];
    return n;
}

/* What was never seen has no line. */
static void
put_requests(struct vrv_prom *p, enum vrv_metric m, struct vrv_tier *t, const char *kind)
{
    vrv_prom_begin(p, m);
    for (int i = 0; i < VRV_STORE_OPS * VRV_STORE_OUTCOMES && t != NULL; i++) {
        enum vrv_store_op op = (enum vrv_store_op)(i / VRV_STORE_OUTCOMES);
        enum vrv_store_outcome outcome = (enum vrv_store_outcome)(i % VRV_STORE_OUTCOMES);
        struct vrv_hist_view v = { .sum_ns = 0 };

        vrv_tier_requests(t, op, outcome, &v);
        if (count_of(&v) == 0)
            continue;
        const struct vrv_labels *labels = VRV_LABELS(VRV_LABEL("store", kind),
            VRV_LABEL("operation", vrv_store_op_name(op)),
            VRV_LABEL("outcome", vrv_store_outcome_name(outcome)));
        if (m == VRV_M_store_time)
            vrv_prom_hist(p, labels, &v);
        else
            vrv_prom_count(p, labels, count_of(&v));
    }
}

static void
put_store(struct vrv_prom *p, struct vrv_tier *t, const struct vrv_tier_state *s)
{
    put_requests(p, VRV_M_store_time, t, s->kind);
    put_requests(p, VRV_M_store_requests, t, s->kind);
    vrv_prom_begin(p, VRV_M_store_bytes);
    if (t != NULL) {
        vrv_prom_count(p,
            VRV_LABELS(VRV_LABEL("store", s->kind), VRV_LABEL("direction", "written")),
            s->written_bytes);
        vrv_prom_count(p, VRV_LABELS(VRV_LABEL("store", s->kind), VRV_LABEL("direction", "read")),
            s->read_bytes);
    }
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
    put_store(p, s->cold.tier, &state);
    free(ts.v);
}
