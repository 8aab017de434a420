/*
 * TierDescribe: what the cold tier has of each partition, what it does about it, and why.
 *
 * It is asked of the tier's thread, on one that may wait.
 */
#include "server/api/handlers.h"
#include "server/api/tier.h"
#include "server/stat/stat.h"

struct describe {
    const struct vrv_tier_describe_req *q;
    struct vrv_tier_describe_resp resp;
    struct vrv_tier_describe_req_topic *topic; /* those asked about, or all that ask for the tier */
    int32_t n, cap;
};

static struct vrv_tier_describe_resp_amount
amount(const struct vrv_tier_amount *a)
{
    return (struct vrv_tier_describe_resp_amount){ (int64_t)a->segments, (int64_t)a->bytes };
}

/* -1: nobody knows. */
static int64_t
when(int64_t ms)
{
    return ms == INT64_MAX ? -1 : ms;
}

static int64_t
after(uint64_t bytes)
{
    return bytes > INT64_MAX ? -1 : (int64_t)bytes;
}

static void
set_segments(struct vrv_request *r, const struct vrv_tier_part *p,
    struct vrv_tier_describe_resp_partition *out)
{
    out->segments.n = (int32_t)p->seg_n;
    out->segments.v = VRV_ROOM(r, struct vrv_tier_describe_resp_segment, p->seg_n);
    for (uint32_t i = 0; i < p->seg_n; i++) {
        const struct vrv_tier_seg *s = &p->seg[i];

        out->segments.v[i] = (struct vrv_tier_describe_resp_segment){ .base_offset = s->base,
            .next_offset = s->next, .segments = (int32_t)s->segments, .bytes = (int64_t)s->bytes,
            .stored_bytes = s->stored, .newest_ms = s->newest_ms, .place = (int8_t)s->place, .fate = (int8_t)s->fate,
            .why = (int8_t)s->when.why, .when_ms = when(s->when.ms),
            .when_bytes = after(s->when.more), .gone_ms = when(s->gone.ms),
            .gone_bytes = after(s->gone.more), .is_held = s->held };
    }
}

static void
set_partition(struct vrv_request *r, const struct vrv_tier_part *p,
    struct vrv_tier_describe_resp_partition *out)
{
    const struct vrv_tier_sums *s = &p->sums;

    if (p->unknown < 0)
        VRV_TIER_REFUSE(r, out, vrv_kerror_of(p->unknown), p->why.msg);
    out->log_start_offset = p->start;
    out->local_start_offset = p->local_start;
    out->cold_end_offset = p->cold_end;
    out->log_end_offset = p->end;
    out->here = amount(&s->here);
    out->both = amount(&s->both);
    out->cold = amount(&s->cold);
    out->stored_bytes = (int64_t)p->stored;
    out->lag = amount(&s->lag);
    out->lag_ms = s->lag_ms;
    out->held = amount(&s->held);
    out->work = (int8_t)p->work;
    out->work_since_ms = p->since_ms;
    out->work_offset = p->work == VRV_TIER_MOVES ? p->at : -1;
    out->work_done = (int64_t)p->done;
    out->work_size = (int64_t)p->size;
    if (p->last_ms > 0)
        out->failure = vrv_request_str(r, p->last.msg);
    out->failure_ms = p->last_ms;
    out->again_ms = p->again_ms;
    out->is_refusing = p->refuses;
    set_segments(r, p, out);
}

static void
describe_partition(struct vrv_request *r, const struct vrv_log_id *id,
    struct vrv_tier_describe_resp_topic *t, struct vrv_tier_describe_resp_partition *out)
{
    const struct describe *d = r->state;
    struct vrv_tier_part p;
    struct vrv_err e = { 0 };

    VRV_WIRE_INIT(tier_describe_resp_partition, out);
    out->partition_index = id->partition;
    int rc = vrv_tier_part(r->broker->tier, id, NULL, d->q->include_segments, &p, &e);
    if (rc < 0) {
        VRV_TIER_REFUSE(r, out, vrv_kerror_of(rc), e.msg);
        return;
    }
    t->is_tiered = p.tiered;
    t->is_paused = p.paused;
    set_partition(r, &p, out);
    vrv_tier_part_fini(&p);
}

static void
describe_topic(struct vrv_request *r, const struct vrv_tier_describe_req_topic *q,
    struct vrv_tier_describe_resp_topic *out)
{
    struct vrv_found_topic t;

    VRV_WIRE_INIT(tier_describe_resp_topic, out);
    out->name = q->name;
    if (!vrv_tier_find(r, q->name, &t, &out->error_code))
        return;
    out->partitions.n = vrv_tier_partitions(&q->partitions, &t);
    out->partitions.v =
        VRV_ROOM(r, struct vrv_tier_describe_resp_partition, out->partitions.n);
    for (int32_t i = 0; i < out->partitions.n && !vrv_request_is_over(r); i++) {
        struct vrv_log_id id = { t.id, vrv_tier_partition(&q->partitions, i) };

        describe_partition(r, &id, out, &out->partitions.v[i]);
    }
}

static bool
is_tiered(struct vrv_broker *b, const struct vrv_topic_info *info)
{
    struct vrv_log_id id = { info->id, 0 };
    struct vrv_log *log = vrv_engine_log_ref(b->engine, &id);

    if (log == NULL)
        return false;
    struct vrv_log_config *c = vrv_log_config_ref(log);
    bool tiered = c->tiered;
    vrv_log_config_unref(c);
    vrv_log_unref(&log);
    return tiered;
}

static int
count_topic(void *ctx, const struct vrv_topic_info *info)
{
    struct describe *d = ctx;

    (void)info;
    d->cap++;
    return 0;
}

static int
add_topic(void *ctx, const struct vrv_topic_info *info)
{
    struct vrv_request *r = ctx;
    struct describe *d = r->state;

    if (d->n < d->cap && is_tiered(r->broker, info))
        d->topic[d->n++].name = vrv_request_str(r, info->name);
    return d->n == d->cap;
}

static void
find_topics(struct vrv_request *r)
{
    struct describe *d = r->state;
    struct vrv_catalog *c = vrv_engine_catalog(r->broker->engine);

    if (d->q->topics.v != NULL) {
        d->topic = d->q->topics.v;
        d->n = d->q->topics.n;
        return;
    }
    (void)vrv_catalog_each(c, count_topic, d);
    d->topic = VRV_ROOM(r, struct vrv_tier_describe_req_topic, d->cap);
    (void)vrv_catalog_each(c, add_topic, r);
}

/* What was never seen isn't told. */
static void
set_requests(struct vrv_request *r, struct vrv_tier_describe_resp *resp)
{
    int32_t most = VRV_STORE_OPS * VRV_STORE_OUTCOMES;

    resp->requests.v = VRV_ROOM(r, struct vrv_tier_describe_resp_request, most);
    for (int32_t i = 0; i < most; i++) {
        enum vrv_store_op op = (enum vrv_store_op)(i / VRV_STORE_OUTCOMES);
        enum vrv_store_outcome outcome = (enum vrv_store_outcome)(i % VRV_STORE_OUTCOMES);
        struct vrv_hist_view v = { .sum_ns = 0 };

        vrv_tier_requests(r->broker->tier, op, outcome, &v);
        int64_t n = (int64_t)vrv_hist_count(&v);
        if (n > 0)
            resp->requests.v[resp->requests.n++] = (struct vrv_tier_describe_resp_request){
                vrv_str(vrv_store_op_name(op)), vrv_str(vrv_store_outcome_name(outcome)), n };
    }
}

static void
set_failing(struct vrv_request *r, const struct vrv_tier_state *s, struct vrv_tier_describe_resp *resp)
{
    resp->failing.v = VRV_ROOM(r, struct vrv_tier_describe_resp_failing, VRV_STORE_OPS);
    for (int op = 0; op < VRV_STORE_OPS; op++)
        if (s->bad[op].since_ms != 0)
            resp->failing.v[resp->failing.n++] = (struct vrv_tier_describe_resp_failing){
                vrv_str(vrv_store_op_name((enum vrv_store_op)op)), s->bad[op].since_ms,
                vrv_request_str(r, s->bad[op].err.msg) };
}

static void
set_fetched(const struct vrv_broker *b, struct vrv_tier_describe_resp *resp)
{
    resp->memory_fetch_bytes = (int64_t)vrv_stat_counted(b->stat, VRV_C_read_memory);
    resp->file_fetch_bytes = (int64_t)vrv_stat_counted(b->stat, VRV_C_read_file);
    resp->cold_fetch_bytes = (int64_t)vrv_stat_counted(b->stat, VRV_C_read_cold);
    resp->slow_fetches = (int64_t)vrv_stat_counted(b->stat, VRV_C_slow_reads);
}

static void
set_disk(const struct vrv_tier_disk *d, struct vrv_tier_describe_resp *resp)
{
    resp->disk_state = (int8_t)d->state;
    resp->disk_local_bytes = (int64_t)d->use.local;
    resp->disk_local_max_bytes = after(d->marks.local_max < INT64_MAX ? d->marks.local_max : UINT64_MAX);
    resp->disk_free_bytes = after(d->use.free);
    resp->disk_free_min_bytes = (int64_t)d->marks.free_min;
    resp->disk_reserve_bytes = (int64_t)d->marks.reserve;
}

static void
describe_all(struct vrv_request *r)
{
    struct describe *d = r->state;
    struct vrv_tier_state s;

    vrv_tier_state(r->broker->tier, &s);
    set_requests(r, &d->resp);
    d->resp.written_bytes = (int64_t)s.written_bytes;
    d->resp.read_bytes = (int64_t)s.read_bytes;
    d->resp.cache_bytes = (int64_t)s.cache_bytes;
    d->resp.cache_max_bytes = (int64_t)s.cache_max;
    set_fetched(r->broker, &d->resp);
    set_disk(&s.disk, &d->resp);
    d->resp.store = vrv_request_str(r, s.store);
    d->resp.is_owned = s.owned;
    if (s.owner.code != 0)
        d->resp.owner_failure = vrv_request_str(r, s.owner.msg);
    d->resp.clock_skew_ms = s.skew_ms;
    d->resp.now_ms = s.now_ms;
    d->resp.good_ms = s.good_ms;
    d->resp.failure_ms = s.last_ms;
    if (s.last_ms > 0)
        d->resp.failure = vrv_request_str(r, s.last.msg);
    set_failing(r, &s, &d->resp);
    d->resp.uploaded_ms = s.moved_ms;
    d->resp.deleted_ms = s.deleted_ms;
    d->resp.swept_ms = s.swept_ms;
    find_topics(r);
    d->resp.topics.n = d->n;
    d->resp.topics.v = VRV_ROOM(r, struct vrv_tier_describe_resp_topic, d->n);
    for (int32_t i = 0; i < d->n && !vrv_request_is_over(r); i++)
        describe_topic(r, &d->topic[i], &d->resp.topics.v[i]);
}

static void
described(struct vrv_request *r)
{
    struct describe *d = r->state;

    vrv_request_reply(r, &d->resp);
}

void
vrv_api_tier_describe(struct vrv_request *r, const void *message)
{
    struct describe *d = r->state = VRV_ROOM(r, struct describe, 1);

    d->q = message;
    VRV_WIRE_INIT(tier_describe_resp, &d->resp);
    if (r->broker->tier != NULL) {
        vrv_request_block_large(r, describe_all, described);
        return;
    }
    VRV_TIER_REFUSE(r, &d->resp, VRV_K_INVALID_CONFIG, VRV_NO_TIER);
    described(r);
}
