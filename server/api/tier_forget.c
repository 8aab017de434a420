/*
 * TierForget: whoever reads these topics next has them from the disk, or from the store.  For measurements:
 * nothing is lost by it but time.
 *
 * What is only in memory yet is on its way to the disk then, and what somebody reads of the store may be in use; who
 * asks again is told when that is done.
 */
#include "server/api/handlers.h"
#include "server/api/tier.h"

struct forget {
    const struct vrv_tier_forget_req *q;
    struct vrv_tier_forget_resp resp;
};

static bool
forget_partition(struct vrv_broker *b, const struct vrv_log_id *id, bool pages)
{
    struct vrv_log *log = vrv_engine_log_ref(b->engine, id);

    if (log == NULL) /* being deleted */
        return true;
    bool all = vrv_log_forget(log, pages);
    vrv_log_unref(&log);
    return vrv_tier_forget(b->tier, id) && all;
}

static void
forget_topic(struct vrv_request *r, const struct vrv_tier_forget_req_topic *q,
    struct vrv_tier_forget_resp_topic *out)
{
    const struct forget *f = r->state;
    struct vrv_found_topic t;

    VRV_WIRE_INIT(tier_forget_resp_topic, out);
    out->name = q->name;
    if (!vrv_tier_find(r, q->name, &t, &out->error_code))
        return;
    int32_t n = vrv_tier_partitions(&q->partitions, &t);
    out->is_forgotten = true;
    for (int32_t i = 0; i < n && !vrv_request_is_over(r); i++) {
        struct vrv_log_id id = { t.id, vrv_tier_partition(&q->partitions, i) };

        out->is_forgotten &= forget_partition(r->broker, &id, !f->q->keep_pages);
    }
}

static void
forget_all(struct vrv_request *r)
{
    struct forget *f = r->state;
    bool all = true;

    f->resp.topics.n = f->q->topics.n;
    f->resp.topics.v = VRV_ROOM(r, struct vrv_tier_forget_resp_topic, f->q->topics.n);
    for (int32_t i = 0; i < f->q->topics.n && !vrv_request_is_over(r); i++) {
        forget_topic(r, &f->q->topics.v[i], &f->resp.topics.v[i]);
        all &= f->resp.topics.v[i].is_forgotten || f->resp.topics.v[i].error_code != 0;
    }
    if (!all)
        vrv_engine_forget(r->broker->engine);
}

static void
forgotten(struct vrv_request *r)
{
    struct forget *f = r->state;

    vrv_request_reply(r, &f->resp);
}

void
vrv_api_tier_forget(struct vrv_request *r, const void *message)
{
    struct forget *f = r->state = VRV_ROOM(r, struct forget, 1);

    f->q = message;
    VRV_WIRE_INIT(tier_forget_resp, &f->resp);
    if (r->broker->tier != NULL) {
        vrv_request_block_large(r, forget_all, forgotten);
        return;
    }
    VRV_TIER_REFUSE(r, &f->resp, VRV_K_INVALID_CONFIG, VRV_NO_TIER);
    forgotten(r);
}
