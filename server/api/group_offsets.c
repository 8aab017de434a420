/* Offsets that groups commit: OffsetCommit, OffsetFetch, OffsetDelete. */
#include "server/api/cold_quota.h"
#include "server/api/find.h"
#include "server/api/handlers.h"
#include "server/api/spans.h"
#include "server/group/coord.h"

/* ---- OffsetCommit ---- */

enum { COMMIT_BY_ID = 10, COMMIT_NOT_FOUND = 9 };

struct commit {
    struct vrv_offset_commit call; /* first */
    struct vrv_request *r;
    const struct vrv_offset_commit_req *q;
};

static void
committed(struct vrv_done *d)
{
    struct commit *c = (struct commit *)(void *)d;
    struct vrv_request *r = c->r;
    const struct vrv_commit_item *item = c->call.items;
    struct vrv_offset_commit_resp resp;

    VRV_WIRE_INIT(offset_commit_resp, &resp);
    resp.topics.n = c->q->topics.n;
    resp.topics.v = VRV_ROOM(r, struct vrv_offset_commit_resp_topic, resp.topics.n);
    for (int32_t i = 0; i < resp.topics.n; i++) {
        const struct vrv_offset_commit_req_topic *tq = &c->q->topics.v[i];
        struct vrv_offset_commit_resp_topic *t = &resp.topics.v[i];

        t->name = tq->name;
        t->topic_id = tq->topic_id;
        t->partitions.n = tq->partitions.n;
        t->partitions.v = VRV_ROOM(r, struct vrv_offset_commit_resp_partition, tq->partitions.n);
        for (int32_t k = 0; k < tq->partitions.n; k++, item++) {
            int error = item->error != VRV_K_NONE ? item->error : c->call.call.error;

            t->partitions.v[k].partition_index = tq->partitions.v[k].partition_index;
            t->partitions.v[k].error_code = (int16_t)error;
        }
    }
    vrv_request_write(r, &resp);
    vrv_group_call_fini(&c->call.call);
    vrv_request_done(r);
}

/* The name under which offsets are kept, which lives as long as the request. */
static struct vrv_span
keep_name(struct vrv_request *r, const struct vrv_found_topic *t)
{
    return vrv_span_of(vrv_request_str(r, t->name));
}

static void
set_commit(struct vrv_request *r, struct vrv_commit_item *item,
    const struct vrv_offset_commit_req_topic *t)
{
    bool by_id = vrv_request_version(r) >= COMMIT_BY_ID;
    struct vrv_found_topic found;
    enum vrv_kerror code = vrv_find_either(r->broker, by_id, t->name, &t->topic_id, &found);
    struct vrv_span name =
        code == VRV_K_NONE && by_id ? keep_name(r, &found) : vrv_span_of(t->name);

    for (int32_t i = 0; i < t->partitions.n; i++) {
        const struct vrv_offset_commit_req_partition *p = &t->partitions.v[i];

        item[i] = (struct vrv_commit_item){ .topic = name, .partition = p->partition_index,
            .leader_epoch = p->committed_leader_epoch, .offset = p->committed_offset,
            .metadata = vrv_span_of(p->committed_metadata), .error = (int)code };
        if (code == VRV_K_NONE && (p->partition_index < 0 || p->partition_index >= found.partitions))
            item[i].error = VRV_K_UNKNOWN_TOPIC_OR_PARTITION;
    }
}

void
vrv_api_offset_commit(struct vrv_request *r, const void *message)
{
    const struct vrv_offset_commit_req *q = message;
    struct commit *c = VRV_ROOM(r, struct commit, 1);
    const struct vrv_cold_who who = { r->header.client_id, r->client->host };
    uint32_t n = 0;

    vrv_cold_quotas_reads_for(r->broker->cold_quotas, &who, q->group_id);
    for (int32_t i = 0; i < q->topics.n; i++)
        n += (uint32_t)q->topics.v[i].partitions.n;
    c->r = r;
    c->q = q;
    c->call = (struct vrv_offset_commit){ .call.done = { .cq = r->call.cq, .run = committed },
        .group = vrv_span_of(q->group_id), .member_id = vrv_span_of(q->member_id),
        .instance = vrv_span_of(q->group_instance_id),
        .generation = q->generation_id_or_member_epoch, .retention_ms = q->retention_time_ms,
        .says_not_found = vrv_request_version(r) >= COMMIT_NOT_FOUND,
        .items = VRV_ROOM(r, struct vrv_commit_item, n), .item_n = n };
    n = 0;
    for (int32_t i = 0; i < q->topics.n; i++) {
        set_commit(r, c->call.items + n, &q->topics.v[i]);
        n += (uint32_t)q->topics.v[i].partitions.n;
    }
    vrv_coord_commit(r->broker->coord, &c->call);
}

/* ---- OffsetFetch ---- */

enum { FETCH_BATCHED = 8, FETCH_BY_ID = 10, FETCH_HAS_ERROR = 2 };

/* One call per group of the request; before version 8 there is one. */
struct group_fetch {
    struct vrv_offset_fetch call; /* first */
    struct vrv_request *r;
    const struct vrv_offset_fetch_req_group *q; /* NULL before version 8 */
};

struct fetch {
    const struct vrv_offset_fetch_req *q;
    struct group_fetch *group;
    int32_t n, waiting;
    struct vrv_offset_fetch_resp resp;
};

static struct vrv_str
text_of(struct vrv_span s)
{
    return s.p != NULL ? vrv_str_of(s) : (struct vrv_str){ "", 0 };
}

/* Items come in order of topic: one entry for those of the same. */
static int32_t
count_topics(const struct vrv_offset_fetch *c)
{
    int32_t n = 0;

    for (uint32_t i = 0; i < c->item_n; i++)
        n += i == 0 || !vrv_span_eq(c->items[i].topic, c->items[i - 1].topic);
    return n;
}

static void
set_old(struct fetch *f)
{
    const struct vrv_offset_fetch *c = &f->group[0].call;
    struct vrv_request *r = f->group[0].r;
    bool failed = c->call.error != VRV_K_NONE;
    struct vrv_offset_fetch_resp_partition *p =
        VRV_ROOM(r, struct vrv_offset_fetch_resp_partition, c->item_n);
    struct vrv_offset_fetch_resp_topic *t = NULL;

    f->resp.error_code = (int16_t)c->call.error;
    if (failed && vrv_request_version(r) >= FETCH_HAS_ERROR)
        return;
    f->resp.topics.v = VRV_ROOM(r, struct vrv_offset_fetch_resp_topic, count_topics(c));
    for (uint32_t i = 0; i < c->item_n; i++, p++) {
        const struct vrv_fetch_item *item = &c->items[i];

        if (t == NULL || !vrv_span_eq(item->topic, vrv_span_of(t->name))) {
            t = &f->resp.topics.v[f->resp.topics.n++];
            t->name = vrv_str_of(item->topic);
            t->partitions.v = p;
        }
        t->partitions.n++;
        *p = (struct vrv_offset_fetch_resp_partition){ .partition_index = item->partition,
            .committed_offset = failed ? -1 : item->offset,
            .committed_leader_epoch = failed ? -1 : item->leader_epoch,
            .metadata = failed ? vrv_str("") : text_of(item->metadata),
            .error_code = (int16_t)c->call.error };
    }
}

static void
set_group(struct group_fetch *g, struct vrv_offset_fetch_resp_group *out)
{
    const struct vrv_offset_fetch *c = &g->call;
    struct vrv_offset_fetch_resp_group_topic_partition *p;
    struct vrv_offset_fetch_resp_group_topic *t = NULL;
    struct vrv_found_topic found;

    VRV_WIRE_INIT(offset_fetch_resp_group, out);
    out->group_id = g->q->group_id;
    out->error_code = (int16_t)c->call.error;
    if (c->call.error != VRV_K_NONE)
        return;
    p = VRV_ROOM(g->r, struct vrv_offset_fetch_resp_group_topic_partition, c->item_n);
    out->topics.v = VRV_ROOM(g->r, struct vrv_offset_fetch_resp_group_topic, count_topics(c));
    for (uint32_t i = 0; i < c->item_n; i++, p++) {
        const struct vrv_fetch_item *item = &c->items[i];

        if (t == NULL || !vrv_span_eq(item->topic, vrv_span_of(t->name))) {
            t = &out->topics.v[out->topics.n++];
            t->name = vrv_str_of(item->topic);
            if (vrv_find_topic(g->r->broker, t->name, &found))
                t->topic_id = found.id;
            t->partitions.v = p;
        }
        t->partitions.n++;
        *p = (struct vrv_offset_fetch_resp_group_topic_partition){
            .partition_index = item->partition, .committed_offset = item->offset,
            .committed_leader_epoch = item->leader_epoch, .metadata = text_of(item->metadata) };
    }
}

/* Topics that have no name here, in versions that name them by id. */
static void
add_unknown(struct group_fetch *g, struct vrv_offset_fetch_resp_group *out)
{
    struct vrv_found_topic found;
    int32_t n = g->q->topics.v != NULL ? g->q->topics.n : 0;
    struct vrv_offset_fetch_resp_group_topic *v =
        VRV_ROOM(g->r, struct vrv_offset_fetch_resp_group_topic, out->topics.n + n);

    if (out->error_code != VRV_K_NONE)
        return;
    if (out->topics.n > 0)
        memcpy(v, out->topics.v, (size_t)out->topics.n * sizeof(*v));
    out->topics.v = v;
    for (int32_t i = 0; i < n; i++) {
        const struct vrv_offset_fetch_req_group_topic *tq = &g->q->topics.v[i];
        struct vrv_offset_fetch_resp_group_topic *t = &out->topics.v[out->topics.n];

        if (vrv_find_topic_id(g->r->broker, &tq->topic_id, &found))
            continue;
        t->topic_id = tq->topic_id;
        t->partitions.n = tq->partition_indexes.n;
        t->partitions.v = VRV_ROOM(g->r, struct vrv_offset_fetch_resp_group_topic_partition,
            tq->partition_indexes.n);
        for (int32_t k = 0; k < t->partitions.n; k++)
            t->partitions.v[k] = (struct vrv_offset_fetch_resp_group_topic_partition){
                .partition_index = tq->partition_indexes.v[k], .committed_offset = -1,
                .committed_leader_epoch = -1, .metadata = { "", 0 },
                .error_code = VRV_K_UNKNOWN_TOPIC_ID };
        out->topics.n++;
    }
}

static void
fetched(struct vrv_done *d)
{
    struct vrv_request *r = ((struct group_fetch *)(void *)d)->r;
    struct fetch *f = r->state;

    if (--f->waiting > 0)
        return;
    if (vrv_request_version(r) < FETCH_BATCHED) {
        set_old(f);
    } else {
        f->resp.groups.n = f->n;
        f->resp.groups.v = VRV_ROOM(r, struct vrv_offset_fetch_resp_group, f->n);
        for (int32_t i = 0; i < f->n; i++) {
            set_group(&f->group[i], &f->resp.groups.v[i]);
            if (vrv_request_version(r) >= FETCH_BY_ID)
                add_unknown(&f->group[i], &f->resp.groups.v[i]);
        }
    }
    vrv_request_write(r, &f->resp);
    for (int32_t i = 0; i < f->n; i++)
        vrv_group_call_fini(&f->group[i].call.call);
    vrv_request_done(r);
}

static void
want(struct group_fetch *g, struct vrv_span topic, const struct vrv_i32s *partitions)
{
    for (int32_t i = 0; i < partitions->n; i++)
        g->call.items[g->call.item_n++] =
            (struct vrv_fetch_item){ .topic = topic, .partition = partitions->v[i] };
}

static void
want_old(struct group_fetch *g, const struct vrv_offset_fetch_req *q)
{
    size_t n = 0;

    g->call.group = vrv_span_of(q->group_id);
    g->call.all = q->topics.v == NULL;
    for (int32_t i = 0; !g->call.all && i < q->topics.n; i++)
        n += (size_t)q->topics.v[i].partition_indexes.n;
    g->call.items = VRV_ROOM(g->r, struct vrv_fetch_item, n);
    for (int32_t i = 0; !g->call.all && i < q->topics.n; i++)
        want(g, vrv_span_of(q->topics.v[i].name), &q->topics.v[i].partition_indexes);
}

static void
want_group(struct group_fetch *g, const struct vrv_offset_fetch_req_group *q)
{
    bool by_id = vrv_request_version(g->r) >= FETCH_BY_ID;
    struct vrv_found_topic found;
    size_t n = 0;

    g->q = q;
    g->call.group = vrv_span_of(q->group_id);
    g->call.all = q->topics.v == NULL;
    for (int32_t i = 0; !g->call.all && i < q->topics.n; i++)
        n += (size_t)q->topics.v[i].partition_indexes.n;
    g->call.items = VRV_ROOM(g->r, struct vrv_fetch_item, n);
    for (int32_t i = 0; !g->call.all && i < q->topics.n; i++) {
        const struct vrv_offset_fetch_req_group_topic *t = &q->topics.v[i];

        if (!by_id)
            want(g, vrv_span_of(t->name), &t->partition_indexes);
        else if (vrv_find_topic_id(g->r->broker, &t->topic_id, &found))
            want(g, keep_name(g->r, &found), &t->partition_indexes);
    }
}

void
vrv_api_offset_fetch(struct vrv_request *r, const void *message)
{
    struct fetch *f = r->state = VRV_ROOM(r, struct fetch, 1);
    bool batched = vrv_request_version(r) >= FETCH_BATCHED;

    f->q = message;
    VRV_WIRE_INIT(offset_fetch_resp, &f->resp);
    f->n = f->waiting = batched ? f->q->groups.n : 1;
    f->group = VRV_ROOM(r, struct group_fetch, f->n);
    for (int32_t i = 0; i < f->n; i++) {
        f->group[i].r = r;
        f->group[i].call.call.done = (struct vrv_done){ .cq = r->call.cq, .run = fetched };
        if (batched)
            want_group(&f->group[i], &f->q->groups.v[i]);
        else
            want_old(&f->group[i], f->q);
    }
    if (f->n == 0)
        vrv_request_reply(r, &f->resp);
    for (int32_t i = 0, n = f->n; i < n; i++)
        vrv_coord_fetch(r->broker->coord, &f->group[i].call);
}

/* ---- OffsetDelete ---- */

struct delete {
    struct vrv_offset_delete call; /* first */
    struct vrv_request *r;
    const struct vrv_offset_delete_req *q;
};

static void
deleted(struct vrv_done *d)
{
    struct delete *c = (struct delete *)(void *)d;
    struct vrv_request *r = c->r;
    const struct vrv_delete_item *item = c->call.items;
    struct vrv_offset_delete_resp resp;

    VRV_WIRE_INIT(offset_delete_resp, &resp);
    resp.error_code = (int16_t)c->call.call.error;
    resp.topics.n = c->call.call.error == VRV_K_NONE ? c->q->topics.n : 0;
    resp.topics.v = VRV_ROOM(r, struct vrv_offset_delete_resp_topic, resp.topics.n);
    for (int32_t i = 0; i < resp.topics.n; i++) {
        const struct vrv_offset_delete_req_topic *tq = &c->q->topics.v[i];
        struct vrv_offset_delete_resp_topic *t = &resp.topics.v[i];

        t->name = tq->name;
        t->partitions.n = tq->partitions.n;
        t->partitions.v = VRV_ROOM(r, struct vrv_offset_delete_resp_partition, tq->partitions.n);
        for (int32_t k = 0; k < tq->partitions.n; k++, item++) {
            t->partitions.v[k].partition_index = tq->partitions.v[k].partition_index;
            t->partitions.v[k].error_code = (int16_t)item->error;
        }
    }
    vrv_request_write(r, &resp);
    vrv_group_call_fini(&c->call.call);
    vrv_request_done(r);
}

void
vrv_api_offset_delete(struct vrv_request *r, const void *message)
{
    const struct vrv_offset_delete_req *q = message;
    struct delete *c = VRV_ROOM(r, struct delete, 1);
    struct vrv_found_topic found;
    uint32_t n = 0;

    for (int32_t i = 0; i < q->topics.n; i++)
        n += (uint32_t)q->topics.v[i].partitions.n;
    c->r = r;
    c->q = q;
    c->call = (struct vrv_offset_delete){ .call.done = { .cq = r->call.cq, .run = deleted },
        .group = vrv_span_of(q->group_id), .items = VRV_ROOM(r, struct vrv_delete_item, n) };
    for (int32_t i = 0; i < q->topics.n; i++) {
        const struct vrv_offset_delete_req_topic *t = &q->topics.v[i];
        bool there = vrv_find_topic(r->broker, t->name, &found);

        for (int32_t k = 0; k < t->partitions.n; k++) {
            int32_t index = t->partitions.v[k].partition_index;
            bool known = there && index >= 0 && index < found.partitions;

            c->call.items[c->call.item_n++] = (struct vrv_delete_item){ vrv_span_of(t->name),
                index, known ? VRV_K_NONE : VRV_K_UNKNOWN_TOPIC_OR_PARTITION };
        }
    }
    vrv_coord_delete_offsets(r->broker->coord, &c->call);
}
