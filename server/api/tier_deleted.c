/*
 * TierDeleted and TierUndelete: which deleted topics can come back, and that one does.
 *
 * It is asked of the tier's thread, on one that may wait: for manifests, where a topic comes back.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "server/api/handlers.h"
#include "server/api/tier.h"

/* ---- TierDeleted ---- */

struct deleted {
    const struct vrv_tier_deleted_req *q;
    struct vrv_tier_deleted_resp resp;
};

static bool
is_meant(const struct vrv_tier_deleted_req *q, const char *name)
{
    return q->name.p == NULL ||
        ((size_t)q->name.n == strlen(name) && memcmp(q->name.p, name, (size_t)q->name.n) == 0);
}

static void
tell_deleted(struct vrv_request *r)
{
    struct deleted *d = r->state;
    struct vrv_tier_deleted *v;
    struct vrv_err e = { 0 };
    int64_t now_ms;
    size_t n;
    int rc = vrv_tier_deleted(r->broker->tier, &v, &n, &now_ms, &e);

    if (rc < 0) {
        VRV_TIER_REFUSE(r, &d->resp, vrv_tier_kerror(rc), e.msg);
        return;
    }
    d->resp.now_ms = now_ms;
    d->resp.topics.v = VRV_ROOM(r, struct vrv_tier_deleted_resp_topic, n);
    for (size_t i = 0; i < n; i++)
        if (is_meant(d->q, v[i].name))
            d->resp.topics.v[d->resp.topics.n++] = (struct vrv_tier_deleted_resp_topic){
                .name = vrv_request_str(r, v[i].name), .topic_id = v[i].id,
                .partitions = v[i].partitions, .bytes = v[i].bytes, .deleted_ms = v[i].deleted_ms,
                .until_ms = v[i].until_ms == INT64_MAX ? -1 : v[i].until_ms,
                .is_purging = v[i].purging };
    free(v);
}

static void
told_deleted(struct vrv_request *r)
{
    struct deleted *d = r->state;

    vrv_request_reply(r, &d->resp);
}

void
vrv_api_tier_deleted(struct vrv_request *r, const void *message)
{
    struct deleted *d = r->state = VRV_ROOM(r, struct deleted, 1);

    d->q = message;
    VRV_WIRE_INIT(tier_deleted_resp, &d->resp);
    if (r->broker->tier != NULL) {
        vrv_request_block_large(r, tell_deleted, told_deleted);
        return;
    }
    VRV_TIER_REFUSE(r, &d->resp, VRV_K_INVALID_CONFIG, VRV_NO_TIER);
    told_deleted(r);
}

/* ---- TierUndelete ---- */

enum { COLD_MAX = 100 }; /* who may wait for manifests at once */

struct undelete {
    const struct vrv_tier_undelete_req *q;
    struct vrv_tier_undelete_resp resp;
};

/* As the engine wants it; of what no topic can be called there is none. */
static const char *
text_of(struct vrv_request *r, struct vrv_str s)
{
    return s.n == 0 || memchr(s.p, 0, (size_t)s.n) != NULL ? NULL
                                                           : vrv_arena_copy(&r->arena, s.p, (size_t)s.n);
}

/* May a topic be made that is called so? */
static bool
is_free(struct vrv_request *r, const char *name)
{
    struct undelete *x = r->state;
    char alike[VRV_TOPIC_NAME_MAX + 1];
    struct vrv_err e;

    if (name == NULL || vrv_topic_name_check(name, &e) < 0) {
        VRV_TIER_REFUSE(r, &x->resp, VRV_K_INVALID_TOPIC_EXCEPTION,
            name == NULL ? "no topic could be called that" : e.msg);
        return false;
    }
    if (!vrv_find_alike(r->broker, name, alike))
        return true;
    (void)vrv_err_set(&e, VRV_E_INVALID, "the name differs from that of %s in '.' and '_' only", alike);
    VRV_TIER_REFUSE(r, &x->resp, VRV_K_INVALID_TOPIC_EXCEPTION, e.msg);
    return false;
}

static void
bring_back(struct vrv_request *r)
{
    struct undelete *x = r->state;
    struct vrv_cq cq;
    struct vrv_undelete u = { .done = { .cq = &cq }, .topic = text_of(r, x->q->name),
        .as = x->q->as_name.p != NULL ? text_of(r, x->q->as_name) : NULL };

    if (u.topic == NULL) {
        VRV_TIER_REFUSE(r, &x->resp, VRV_K_UNKNOWN_TOPIC_OR_PARTITION, "no topic could be called that");
        return;
    }
    if (!is_free(r, x->q->as_name.p != NULL ? u.as : u.topic))
        return;
    int rc = vrv_cq_init(&cq, 0);
    VRV_ASSERT(rc == 0);
    vrv_tier_undelete(r->broker->tier, &u);
    (void)vrv_cq_take(&cq, -1);
    vrv_cq_fini(&cq);
    x->resp.topic_id = u.id;
    x->resp.is_too_early = u.status == VRV_E_AGAIN;
    if (u.status < 0)
        VRV_TIER_REFUSE(r, &x->resp, vrv_kerror_of(u.status), u.err.msg);
}

static void
brought_back(struct vrv_request *r)
{
    struct undelete *x = r->state;

    vrv_request_reply(r, &x->resp);
}

void
vrv_api_tier_undelete(struct vrv_request *r, const void *message)
{
    struct undelete *x = r->state = VRV_ROOM(r, struct undelete, 1);

    x->q = message;
    VRV_WIRE_INIT(tier_undelete_resp, &x->resp);
    if (r->broker->tier != NULL) {
        if (vrv_request_block_cold(r, COLD_MAX, bring_back, brought_back))
            return;
        VRV_TIER_REFUSE(r, &x->resp, VRV_K_THROTTLING_QUOTA_EXCEEDED,
            "too many others wait for the cold tier: try again");
    } else {
        VRV_TIER_REFUSE(r, &x->resp, VRV_K_INVALID_CONFIG, VRV_NO_TIER);
    }
    brought_back(r);
}
