/* Groups from outside: ListGroups, DescribeGroups, DeleteGroups. */
#include "server/api/handlers.h"
#include "server/api/spans.h"
#include "server/group/coord.h"

/* ---- ListGroups ---- */

struct list {
    struct vrv_list_groups call; /* first */
    struct vrv_request *r;
};

static void
listed(struct vrv_done *d)
{
    struct list *l = (struct list *)(void *)d;
    struct vrv_list_groups_resp resp;

    VRV_WIRE_INIT(list_groups_resp, &resp);
    resp.error_code = (int16_t)l->call.call.error;
    resp.groups.n = (int32_t)l->call.group_n;
    resp.groups.v = VRV_ROOM(l->r, struct vrv_list_groups_resp_group, l->call.group_n);
    for (uint32_t i = 0; i < l->call.group_n; i++)
        resp.groups.v[i] = (struct vrv_list_groups_resp_group){
            .group_id = vrv_str_of(l->call.groups[i].group),
            .protocol_type = vrv_str_of(l->call.groups[i].protocol_type),
            .group_state = vrv_str(l->call.groups[i].state), .group_type = vrv_str("classic") };
    struct vrv_request *r = l->r;
    vrv_request_write(r, &resp);
    vrv_group_call_fini(&l->call.call);
    vrv_request_done(r);
}

static const struct vrv_span *
spans_of(struct vrv_request *r, const struct vrv_strs *s)
{
    struct vrv_span *v = VRV_ROOM(r, struct vrv_span, s->n);

    for (int32_t i = 0; i < s->n; i++)
        v[i] = vrv_span_of(s->v[i]);
    return v;
}

void
vrv_api_list_groups(struct vrv_request *r, const void *message)
{
    const struct vrv_list_groups_req *q = message;
    struct list *l = VRV_ROOM(r, struct list, 1);

    l->r = r;
    l->call = (struct vrv_list_groups){ .call.done = { .cq = r->call.cq, .run = listed },
        .states = spans_of(r, &q->states_filter), .state_n = (uint32_t)q->states_filter.n,
        .types = spans_of(r, &q->types_filter), .type_n = (uint32_t)q->types_filter.n };
    vrv_coord_list(r->broker->coord, &l->call);
}

/* ---- DescribeGroups ---- */

struct description {
    struct vrv_describe_group call; /* first */
    struct vrv_request *r;
};

/* One group after the other: a request can name a large one again and again, and what is known of
 * each is a copy. */
struct describe {
    struct description *group;
    int32_t n, at;
    size_t bytes;    /* of the copies */
    bool operations; /* asked for, too */
};

enum { DESCRIBED_MAX = 64 << 20 };
enum { SAYS_NOT_FOUND = 6 };

/* Before version 6 a group that isn't there is a dead one. */
static void
set_description(const struct description *g, struct vrv_str id,
    struct vrv_describe_groups_resp_group *out)
{
    const struct vrv_describe_group *c = &g->call;

    VRV_WIRE_INIT(describe_groups_resp_group, out);
    out->group_id = id;
    out->group_state = vrv_str(c->state != NULL ? c->state : "");
    out->error_code = (int16_t)c->call.error;
    if (c->call.error == VRV_K_GROUP_ID_NOT_FOUND) {
        if (vrv_request_version(g->r) < SAYS_NOT_FOUND)
            out->error_code = VRV_K_NONE;
        else
            out->error_message = vrv_str("there is no such group");
    }
    if (out->error_code == VRV_K_NONE && ((struct describe *)g->r->state)->operations)
        out->authorized_operations = VRV_MAY_GROUP;
    out->protocol_type = vrv_str_of(c->protocol_type);
    out->protocol_data = vrv_str_of(c->protocol);
    out->members.n = (int32_t)c->member_n;
    out->members.v = VRV_ROOM(g->r, struct vrv_describe_groups_resp_member, c->member_n);
    for (uint32_t i = 0; i < c->member_n; i++)
        out->members.v[i] = (struct vrv_describe_groups_resp_member){
            .member_id = vrv_str_of(c->members[i].id),
            .group_instance_id = vrv_str_of(c->members[i].instance),
            .client_id = vrv_str_of(c->members[i].client_id),
            .client_host = vrv_str_of(c->members[i].client_host),
            .member_metadata = vrv_bytes_of(c->members[i].metadata),
            .member_assignment = vrv_bytes_of(c->members[i].assignment) };
}

static size_t
size_of(const struct vrv_describe_group *c)
{
    size_t n = c->member_n * sizeof(*c->members);

    for (uint32_t i = 0; i < c->member_n; i++)
        n += (size_t)c->members[i].metadata.n + c->members[i].assignment.n;
    return n;
}

static void
answer_described(struct vrv_request *r)
{
    struct describe *s = r->state;
    struct vrv_describe_groups_resp resp;

    VRV_WIRE_INIT(describe_groups_resp, &resp);
    resp.groups.n = s->at;
    resp.groups.v = VRV_ROOM(r, struct vrv_describe_groups_resp_group, s->at);
    for (int32_t i = 0; i < s->at; i++)
        set_description(&s->group[i], vrv_str_of(s->group[i].call.group), &resp.groups.v[i]);
    if (s->at == s->n)
        vrv_request_write(r, &resp);
    else
        vrv_request_give_up(r);
    for (int32_t i = 0; i < s->at; i++)
        vrv_group_call_fini(&s->group[i].call.call);
    vrv_request_done(r);
}

static void
described(struct vrv_done *d)
{
    struct vrv_request *r = ((struct description *)(void *)d)->r;
    struct describe *s = r->state;

    s->bytes += size_of(&s->group[s->at++].call);
    if (s->at < s->n && s->bytes < DESCRIBED_MAX)
        vrv_coord_describe(r->broker->coord, &s->group[s->at].call);
    else
        answer_described(r);
}

void
vrv_api_describe_groups(struct vrv_request *r, const void *message)
{
    const struct vrv_describe_groups_req *q = message;
    struct describe *s = r->state = VRV_ROOM(r, struct describe, 1);

    s->n = q->groups.n;
    s->operations = q->include_authorized_operations;
    s->group = VRV_ROOM(r, struct description, s->n);
    for (int32_t i = 0; i < s->n; i++) {
        s->group[i].r = r;
        s->group[i].call = (struct vrv_describe_group){
            .call.done = { .cq = r->call.cq, .run = described },
            .group = vrv_span_of(q->groups.v[i]) };
    }
    if (s->n > 0)
        vrv_coord_describe(r->broker->coord, &s->group[0].call);
    else
        answer_described(r);
}

/* ---- DeleteGroups ---- */

struct deletion {
    struct vrv_delete_group call; /* first */
    struct vrv_request *r;
};

struct delete {
    struct deletion *group;
    int32_t n, waiting;
};

static void
deleted(struct vrv_done *d)
{
    struct vrv_request *r = ((struct deletion *)(void *)d)->r;
    struct delete *s = r->state;
    struct vrv_delete_groups_resp resp;

    if (--s->waiting > 0)
        return;
    VRV_WIRE_INIT(delete_groups_resp, &resp);
    resp.results.n = s->n;
    resp.results.v = VRV_ROOM(r, struct vrv_delete_groups_resp_result, s->n);
    for (int32_t i = 0; i < s->n; i++) {
        resp.results.v[i].group_id = vrv_str_of(s->group[i].call.group);
        resp.results.v[i].error_code = (int16_t)s->group[i].call.call.error;
    }
    vrv_request_write(r, &resp);
    for (int32_t i = 0; i < s->n; i++)
        vrv_group_call_fini(&s->group[i].call.call);
    vrv_request_done(r);
}

void
vrv_api_delete_groups(struct vrv_request *r, const void *message)
{
    const struct vrv_delete_groups_req *q = message;
    struct delete *s = r->state = VRV_ROOM(r, struct delete, 1);
    struct vrv_delete_groups_resp none;

    s->n = s->waiting = q->groups_names.n;
    s->group = VRV_ROOM(r, struct deletion, s->n);
    if (s->n == 0) {
        VRV_WIRE_INIT(delete_groups_resp, &none);
        vrv_request_reply(r, &none);
        return;
    }
    for (int32_t i = 0; i < s->n; i++) {
        s->group[i].r = r;
        s->group[i].call = (struct vrv_delete_group){
            .call.done = { .cq = r->call.cq, .run = deleted },
            .group = vrv_span_of(q->groups_names.v[i]) };
    }
    for (int32_t i = 0, n = s->n; i < n; i++)
        vrv_coord_delete_group(r->broker->coord, &s->group[i].call);
}
