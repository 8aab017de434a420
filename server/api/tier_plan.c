/*
 * TierPlan and TierOffload: what other settings would make of a topic's segments; what is to go to
 * the cold tier at once.
 *
 * It is asked of the tier's thread, on one that may wait.
 */
#include <string.h>

#include "engine/log/topic_config.h"
#include "server/api/configs.h"
#include "server/api/handlers.h"
#include "server/api/tier.h"

/* ---- TierPlan ---- */

struct plan {
    const struct vrv_tier_plan_req *q;
    struct vrv_tier_plan_resp resp;
};

/* The settings of a topic, with those in the place of its own that are asked for. */
struct would_be {
    struct vrv_log_config c;
    const struct vrv_config_change *change;
    size_t n;
};

static int
set_one(void *ctx, const struct vrv_setting *s)
{
    struct would_be *w = ctx;
    const char *value = s->value;

    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->change[i].name, s->key) == 0)
            value = w->change[i].op == VRV_CONFIG_SET ? w->change[i].value : s->dflt;
    return vrv_topic_config_set(&w->c, s->key, value, NULL);
}

static struct vrv_config_change *
changes_of(struct vrv_request *r, const struct vrv_tier_plan_req_topic *q)
{
    struct vrv_config_change *v = VRV_ROOM(r, struct vrv_config_change, q->configs.n);

    for (int32_t i = 0; i < q->configs.n; i++) {
        const struct vrv_tier_plan_req_config *c = &q->configs.v[i];
        bool set = c->value.p != NULL;

        v[i] = (struct vrv_config_change){
            vrv_arena_copy(&r->arena, c->name.p, (size_t)c->name.n),
            set ? VRV_CONFIG_SET : VRV_CONFIG_DELETE,
            set ? vrv_arena_copy(&r->arena, c->value.p, (size_t)c->value.n) : NULL };
    }
    return v;
}

static void
plan_partition(struct vrv_request *r, const struct vrv_log_id *id, const struct vrv_log_config *as,
    struct vrv_tier_plan_resp_partition *out)
{
    struct vrv_tier_part p;
    struct vrv_err e = { 0 };

    VRV_WIRE_INIT(tier_plan_resp_partition, out);
    out->partition_index = id->partition;
    int rc = vrv_tier_part(r->broker->tier, id, as, false, &p, &e);
    if (rc == 0 && p.unknown < 0) {
        rc = p.unknown;
        e = p.why;
    }
    if (rc < 0) {
        VRV_TIER_REFUSE(r, out, vrv_kerror_of(rc), e.msg);
        return;
    }
    const struct vrv_tier_sums *s = &p.sums;
    out->copied.segments = (int64_t)s->copies.segments;
    out->copied.bytes = (int64_t)s->copies.bytes;
    out->store_requests = (int64_t)s->requests;
    out->dropped.segments = (int64_t)s->drops.segments;
    out->dropped.bytes = (int64_t)s->drops.bytes;
    out->deleted.segments = (int64_t)s->deletes.segments;
    out->deleted.bytes = (int64_t)s->deletes.bytes;
    vrv_tier_part_fini(&p);
}

/* They are checked as if they were to be set. */
static int
would_be(struct vrv_request *r, const char *name, const struct vrv_tier_plan_req_topic *q,
    struct would_be *w, struct vrv_err *e)
{
    w->change = changes_of(r, q);
    w->n = (size_t)q->configs.n;
    int rc = vrv_config_changes_check(w->change, w->n, e);
    if (rc == 0)
        rc = vrv_config_alter_topic(r->broker->config, name, w->change, w->n,
            VRV_ALTER_VALIDATE, e);
    if (rc == 0)
        rc = vrv_engine_describe_topic(r->broker->engine, name, set_one, w, e);
    return rc;
}

static void
plan_topic(struct vrv_request *r, const struct vrv_tier_plan_req_topic *q,
    struct vrv_tier_plan_resp_topic *out)
{
    struct vrv_found_topic t;
    struct vrv_err e = { 0 };
    struct would_be w = { .n = 0 };

    VRV_WIRE_INIT(tier_plan_resp_topic, out);
    out->name = q->name;
    if (!vrv_tier_find(r, q->name, &t, &out->error_code))
        return;
    int rc = would_be(r, t.name, q, &w, &e);
    if (rc < 0) {
        VRV_TIER_REFUSE(r, out, vrv_tier_kerror(rc), e.msg);
        return;
    }
    out->partitions.n = t.partitions;
    out->partitions.v = VRV_ROOM(r, struct vrv_tier_plan_resp_partition, t.partitions);
    for (int32_t i = 0; i < t.partitions && !vrv_request_is_over(r); i++) {
        struct vrv_log_id id = { t.id, i };

        plan_partition(r, &id, &w.c, &out->partitions.v[i]);
    }
}

static void
plan_all(struct vrv_request *r)
{
    struct plan *p = r->state;

    p->resp.topics.n = p->q->topics.n;
    p->resp.topics.v = VRV_ROOM(r, struct vrv_tier_plan_resp_topic, p->q->topics.n);
    for (int32_t i = 0; i < p->q->topics.n && !vrv_request_is_over(r); i++)
        plan_topic(r, &p->q->topics.v[i], &p->resp.topics.v[i]);
}

static void
planned(struct vrv_request *r)
{
    struct plan *p = r->state;

    vrv_request_reply(r, &p->resp);
}

void
vrv_api_tier_plan(struct vrv_request *r, const void *message)
{
    struct plan *p = r->state = VRV_ROOM(r, struct plan, 1);

    p->q = message;
    VRV_WIRE_INIT(tier_plan_resp, &p->resp);
    if (r->broker->tier != NULL) {
        vrv_request_block_large(r, plan_all, planned);
        return;
    }
    VRV_TIER_REFUSE(r, &p->resp, VRV_K_INVALID_CONFIG, VRV_NO_TIER);
    planned(r);
}

/* ---- TierOffload ---- */

struct offload {
    const struct vrv_tier_offload_req *q;
    struct vrv_tier_offload_resp resp;
};

static void
offload_topic(struct vrv_request *r, const struct vrv_tier_offload_req_topic *q,
    struct vrv_tier_offload_resp_topic *out)
{
    struct vrv_found_topic t;

    VRV_WIRE_INIT(tier_offload_resp_topic, out);
    out->name = q->name;
    if (!vrv_tier_find(r, q->name, &t, &out->error_code))
        return;
    out->partitions.n = vrv_tier_partitions(&q->partitions, &t);
    out->partitions.v = VRV_ROOM(r, struct vrv_tier_offload_resp_partition, out->partitions.n);
    for (int32_t i = 0; i < out->partitions.n && !vrv_request_is_over(r); i++) {
        struct vrv_tier_offload_resp_partition *p = &out->partitions.v[i];
        struct vrv_log_id id = { t.id, vrv_tier_partition(&q->partitions, i) };
        struct vrv_err e = { 0 };

        VRV_WIRE_INIT(tier_offload_resp_partition, p);
        p->partition_index = id.partition;
        int rc = vrv_tier_offload(r->broker->tier, &id, &p->to_offset, &e);
        if (rc < 0)
            VRV_TIER_REFUSE(r, p, vrv_tier_kerror(rc), e.msg);
    }
}

static void
offload_all(struct vrv_request *r)
{
    struct offload *o = r->state;

    o->resp.topics.n = o->q->topics.n;
    o->resp.topics.v = VRV_ROOM(r, struct vrv_tier_offload_resp_topic, o->q->topics.n);
    for (int32_t i = 0; i < o->q->topics.n && !vrv_request_is_over(r); i++)
        offload_topic(r, &o->q->topics.v[i], &o->resp.topics.v[i]);
}

static void
offloaded(struct vrv_request *r)
{
    struct offload *o = r->state;

    vrv_request_reply(r, &o->resp);
}

void
vrv_api_tier_offload(struct vrv_request *r, const void *message)
{
    struct offload *o = r->state = VRV_ROOM(r, struct offload, 1);

    o->q = message;
    VRV_WIRE_INIT(tier_offload_resp, &o->resp);
    if (r->broker->tier != NULL) {
        vrv_request_block_large(r, offload_all, offloaded);
        return;
    }
    VRV_TIER_REFUSE(r, &o->resp, VRV_K_INVALID_CONFIG, VRV_NO_TIER);
    offloaded(r);
}
