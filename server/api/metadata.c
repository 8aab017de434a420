/* Metadata: which topics there are, and where.  Creates those that are asked for where it may. */
#include <string.h>

#include "server/api/find.h"
#include "server/api/handlers.h"
#include "server/base/internal.h"

struct metadata {
    const struct vrv_metadata_req *q;
    struct vrv_metadata_resp resp;
};

/* ---- one topic ---- */

static struct vrv_i32s
one_node(struct vrv_request *r)
{
    struct vrv_i32s a = { VRV_ROOM(r, int32_t, 1), 1 };

    a.v[0] = r->broker->node_id;
    return a;
}

static void
set_partition(struct vrv_request *r, struct vrv_metadata_resp_partition *p,
    const struct vrv_uuid *id, int32_t index, struct vrv_i32s nodes)
{
    VRV_WIRE_INIT(metadata_resp_partition, p);
    p->partition_index = index;
    p->leader_id = r->broker->node_id;
    p->leader_epoch = vrv_catalog_epoch(vrv_engine_catalog(r->broker->engine), id, index);
    p->replica_nodes = nodes;
    p->isr_nodes = nodes;
}

static void
set_topic(struct vrv_request *r, struct vrv_metadata_resp_topic *t, struct vrv_str name,
    const struct vrv_uuid *id, int32_t partitions)
{
    const struct metadata *m = r->state;
    struct vrv_i32s nodes = one_node(r);

    VRV_WIRE_INIT(metadata_resp_topic, t);
    t->name = name;
    t->topic_id = *id;
    t->is_internal = name.p[0] == '_' && vrv_topic_is_internal(name.p);
    if (m->q->include_topic_authorized_operations)
        t->topic_authorized_operations = VRV_MAY_TOPIC;
    t->partitions.n = partitions;
    t->partitions.v = VRV_ROOM(r, struct vrv_metadata_resp_partition, partitions);
    for (int32_t i = 0; i < partitions; i++)
        set_partition(r, &t->partitions.v[i], id, i, nodes);
}

static void
set_missing(struct vrv_request *r, struct vrv_metadata_resp_topic *t, enum vrv_kerror code,
    const struct vrv_metadata_req_topic *q)
{
    VRV_WIRE_INIT(metadata_resp_topic, t);
    t->error_code = (int16_t)code;
    t->topic_id = q->topic_id;
    t->name = q->name;
    if (q->name.p == NULL && vrv_request_version(r) < 12)
        t->name = vrv_str("");
}

/* ---- all topics ---- */

struct all {
    struct vrv_request *r;
    struct vrv_metadata_resp_topic *v;
    int32_t n, cap;
};

static int
count_topic(void *ctx, const struct vrv_topic_info *t)
{
    struct all *all = ctx;

    (void)t;
    all->cap++;
    return 0;
}

static int
add_topic(void *ctx, const struct vrv_topic_info *t)
{
    struct all *all = ctx;

    if (all->n == all->cap) /* made since they were counted */
        return 1;
    set_topic(all->r, &all->v[all->n++], vrv_request_str(all->r, t->name), &t->id, t->partitions);
    return 0;
}

static void
set_all(struct vrv_request *r, struct vrv_metadata_resp *resp)
{
    struct all all = { .r = r };
    struct vrv_catalog *c = vrv_engine_catalog(r->broker->engine);

    (void)vrv_catalog_each(c, count_topic, &all);
    all.v = VRV_ROOM(r, struct vrv_metadata_resp_topic, all.cap);
    (void)vrv_catalog_each(c, add_topic, &all);
    resp->topics.v = all.v;
    resp->topics.n = all.n;
}

/* ---- some topics ---- */

static bool
by_name(const struct vrv_metadata_req_topic *q)
{
    return q->name.p != NULL;
}

static void
set_one(struct vrv_request *r, struct vrv_metadata_resp_topic *t,
    const struct vrv_metadata_req_topic *q)
{
    struct vrv_found_topic found;
    enum vrv_kerror code = vrv_find_either(r->broker, !by_name(q), q->name, &q->topic_id, &found);

    if (code == VRV_K_NONE) {
        set_topic(r, t, vrv_request_str(r, found.name), &found.id, found.partitions);
        return;
    }
    set_missing(r, t, by_name(q) ? vrv_find_why(q->name) : code, q);
}

static void
set_some(struct vrv_request *r)
{
    struct metadata *m = r->state;
    struct vrv_metadata_resp *resp = &m->resp;

    resp->topics.n = m->q->topics.n;
    resp->topics.v = VRV_ROOM(r, struct vrv_metadata_resp_topic, m->q->topics.n);
    for (int32_t i = 0; i < m->q->topics.n && !vrv_request_is_over(r); i++)
        set_one(r, &resp->topics.v[i], &m->q->topics.v[i]);
}

/* ---- creation ---- */

static bool
wants_creation(const struct vrv_request *r, const struct vrv_metadata_req *q)
{
    struct vrv_found_topic found;

    if (!r->broker->auto_create || (vrv_request_version(r) >= 4 && !q->allow_auto_topic_creation))
        return false;
    for (int32_t i = 0; i < q->topics.n; i++)
        if (by_name(&q->topics.v[i]) && !vrv_find_topic(r->broker, q->topics.v[i].name, &found))
            return true;
    return false;
}

/* What fails is missing afterwards, as it was before; whoever asks learns that.  The rules are those
 * of CreateTopics, and internal topics are made by who needs them. */
static void
create_missing(struct vrv_request *r)
{
    struct metadata *m = r->state;
    struct vrv_found_topic found;
    struct vrv_uuid id;
    char name[VRV_TOPIC_NAME_MAX + 1], alike[VRV_TOPIC_NAME_MAX + 1];

    for (int32_t i = 0; i < m->q->topics.n && !vrv_request_is_over(r); i++) {
        struct vrv_str s = m->q->topics.v[i].name;

        if (s.p == NULL || s.n > VRV_TOPIC_NAME_MAX || vrv_find_topic(r->broker, s, &found))
            continue;
        memcpy(name, s.p, (size_t)s.n);
        name[s.n] = '\0';
        if (!vrv_find_room(r->broker, r->broker->num_partitions))
            return;
        if (vrv_topic_is_internal(name) || vrv_find_alike(r->broker, name, alike))
            continue;
        int rc = vrv_new_topic_id(&id, NULL);
        if (rc == 0)
            rc = vrv_engine_create_topic(r->broker->engine, name, r->broker->num_partitions, NULL,
                0, &id, NULL);
        if (rc < 0 && rc != VRV_E_EXISTS && rc != VRV_E_INVALID)
            return; /* the others would fail alike */
    }
}

/* ---- the answer ---- */

static void
set_brokers(struct vrv_request *r, struct vrv_metadata_resp *resp)
{
    const struct metadata *m = r->state;
    struct vrv_metadata_resp_broker *b = VRV_ROOM(r, struct vrv_metadata_resp_broker, 1);

    VRV_WIRE_INIT(metadata_resp_broker, b);
    b->node_id = r->broker->node_id;
    b->host = vrv_str(r->client->endpoint->host);
    b->port = r->client->endpoint->port;
    b->rack = vrv_str(r->broker->rack);
    resp->brokers.v = b;
    resp->brokers.n = 1;
    resp->cluster_id = vrv_str(r->broker->cluster_id);
    resp->controller_id = r->broker->node_id;
    if (m->q->include_cluster_authorized_operations)
        resp->cluster_authorized_operations = VRV_MAY_CLUSTER;
}

static void
answer(struct vrv_request *r)
{
    struct metadata *m = r->state;
    const struct vrv_metadata_req *q = m->q;
    bool all = q->topics.v == NULL || (vrv_request_version(r) == 0 && q->topics.n == 0);

    set_brokers(r, &m->resp);
    if (all)
        set_all(r, &m->resp);
    else
        set_some(r);
    vrv_request_reply(r, &m->resp);
}

void
vrv_api_metadata(struct vrv_request *r, const void *message)
{
    struct metadata *m = r->state = VRV_ROOM(r, struct metadata, 1);

    m->q = message;
    VRV_WIRE_INIT(metadata_resp, &m->resp);
    if (wants_creation(r, m->q))
        vrv_request_block(r, create_missing, answer);
    else
        answer(r);
}
