/* The life of a group's member: FindCoordinator, JoinGroup, SyncGroup, Heartbeat, LeaveGroup.  The
 * group room decides; here its calls are made from messages, and its answers put into them. */
#include "server/api/cold_quota.h"
#include "server/api/handlers.h"
#include "server/api/spans.h"
#include "server/group/coord.h"

/* Its client reads for the group. */
static void
note_reader(const struct vrv_request *r, struct vrv_str group)
{
    const struct vrv_cold_who who = { r->header.client_id, r->client->host };

    vrv_cold_quotas_reads_for(r->broker->cold_quotas, &who, group);
}

/* Answer, and give back what the answer is made of. */
static void
finish(struct vrv_request *r, const void *resp, struct vrv_group_call *call)
{
    vrv_request_write(r, resp);
    vrv_group_call_fini(call);
    vrv_request_done(r);
}

/* ---- FindCoordinator ---- */

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2, BATCHED = 4 };

/* NULL: it is us. */
static const char *
find_refusal(int8_t type, enum vrv_kerror *code)
{
    *code = VRV_K_NONE;
    if (type == KEY_GROUP)
        return NULL;
    *code = VRV_K_INVALID_REQUEST;
    return type == KEY_TRANSACTION ? "this server has no transactions yet"
        : type == KEY_SHARE        ? "this server has no share groups yet"
                                   : "a kind of coordinator that there is none of";
}

void
vrv_api_find_coordinator(struct vrv_request *r, const void *message)
{
    const struct vrv_find_coordinator_req *q = message;
    const struct vrv_endpoint *at = r->client->endpoint;
    struct vrv_find_coordinator_resp resp;
    enum vrv_kerror code;
    const char *text = find_refusal(q->key_type, &code);
    bool batched = vrv_request_version(r) >= BATCHED;

    VRV_WIRE_INIT(find_coordinator_resp, &resp);
    resp.error_code = (int16_t)code;
    resp.error_message = vrv_str(text);
    resp.node_id = text != NULL ? -1 : r->broker->node_id;
    resp.host = vrv_str(text != NULL ? "" : at->host);
    resp.port = text != NULL ? -1 : at->port;
    resp.coordinators.n = batched ? q->coordinator_keys.n : 0;
    resp.coordinators.v =
        VRV_ROOM(r, struct vrv_find_coordinator_resp_coordinator, resp.coordinators.n);
    for (int32_t i = 0; i < resp.coordinators.n; i++)
        resp.coordinators.v[i] = (struct vrv_find_coordinator_resp_coordinator){
            .key = q->coordinator_keys.v[i], .node_id = resp.node_id, .host = resp.host,
            .port = resp.port, .error_code = resp.error_code,
            .error_message = resp.error_message };
    vrv_request_reply(r, &resp);
}

/* ---- JoinGroup ---- */

struct join {
    struct vrv_join call; /* first */
    struct vrv_request *r;
};

static void
joined(struct vrv_done *d)
{
    struct join *j = (struct join *)(void *)d;
    struct vrv_request *r = j->r;
    const struct vrv_join *c = &j->call;
    struct vrv_join_group_resp resp;

    vrv_request_goes_on(r);
    VRV_WIRE_INIT(join_group_resp, &resp);
    resp.error_code = (int16_t)c->call.error;
    resp.member_id = vrv_str_of(c->out_member_id);
    resp.protocol_name = (struct vrv_str){ vrv_request_version(r) >= 7 ? NULL : "", 0 };
    if (c->call.error == VRV_K_NONE) {
        resp.generation_id = c->generation;
        resp.protocol_type = vrv_str_of(c->out_protocol_type);
        resp.protocol_name = vrv_str_of(c->out_protocol);
        resp.leader = vrv_str_of(c->leader);
        resp.skip_assignment = c->skip_assignment;
        resp.members.n = (int32_t)c->member_n;
        resp.members.v = VRV_ROOM(r, struct vrv_join_group_resp_member, c->member_n);
    }
    for (int32_t i = 0; i < resp.members.n; i++)
        resp.members.v[i] = (struct vrv_join_group_resp_member){
            .member_id = vrv_str_of(c->members[i].id),
            .group_instance_id = vrv_str_of(c->members[i].instance),
            .metadata = vrv_bytes_of(c->members[i].metadata) };
    finish(r, &resp, &j->call.call);
}

/* The others may take as long as they like; this connection ends, or we stop. */
static void
cancel_join(struct vrv_request *r)
{
    struct join *j = r->state;

    vrv_coord_cancel(r->broker->coord, j->call.group, &j->call.call);
}

void
vrv_api_join_group(struct vrv_request *r, const void *message)
{
    const struct vrv_join_group_req *q = message;
    struct join *j = r->state = VRV_ROOM(r, struct join, 1);
    struct vrv_join_protocol *p = VRV_ROOM(r, struct vrv_join_protocol, q->protocols.n);

    for (int32_t i = 0; i < q->protocols.n; i++)
        p[i] = (struct vrv_join_protocol){ vrv_span_of(q->protocols.v[i].name),
            vrv_span_of_bytes(q->protocols.v[i].metadata) };
    j->r = r;
    j->call = (struct vrv_join){ .call.done = { .cq = r->call.cq, .run = joined },
        .group = vrv_span_of(q->group_id), .member_id = vrv_span_of(q->member_id),
        .instance = vrv_span_of(q->group_instance_id),
        .client_id = vrv_span_of(r->header.client_id),
        .client_host = vrv_span_str(r->client->host),
        .protocol_type = vrv_span_of(q->protocol_type), .protocols = p,
        .protocol_n = (uint32_t)q->protocols.n, .session_ms = q->session_timeout_ms,
        .rebalance_ms = q->rebalance_timeout_ms,
        .known_id_required = vrv_request_version(r) >= 4,
        .may_skip_assignment = vrv_request_version(r) >= 9 };
    note_reader(r, q->group_id);
    vrv_request_waits(r);
    vrv_coord_join(r->broker->coord, &j->call);
    vrv_request_may_cancel(r, cancel_join);
}

/* ---- SyncGroup ---- */

struct sync {
    struct vrv_sync call; /* first */
    struct vrv_request *r;
};

static void
synced(struct vrv_done *d)
{
    struct sync *s = (struct sync *)(void *)d;
    struct vrv_sync_group_resp resp;

    vrv_request_goes_on(s->r);
    VRV_WIRE_INIT(sync_group_resp, &resp);
    resp.error_code = (int16_t)s->call.call.error;
    if (s->call.call.error == VRV_K_NONE) {
        resp.protocol_type = vrv_str_of(s->call.out_protocol_type);
        resp.protocol_name = vrv_str_of(s->call.out_protocol);
        resp.assignment = vrv_bytes_of(s->call.assignment);
    }
    finish(s->r, &resp, &s->call.call);
}

enum { SYNC_NAMES_PROTOCOL = 5 };

static void
cancel_sync(struct vrv_request *r)
{
    struct sync *s = r->state;

    vrv_coord_cancel(r->broker->coord, s->call.group, &s->call.call);
}

void
vrv_api_sync_group(struct vrv_request *r, const void *message)
{
    const struct vrv_sync_group_req *q = message;
    struct sync *s = r->state = VRV_ROOM(r, struct sync, 1);
    struct vrv_sync_assignment *a = VRV_ROOM(r, struct vrv_sync_assignment, q->assignments.n);

    for (int32_t i = 0; i < q->assignments.n; i++)
        a[i] = (struct vrv_sync_assignment){ vrv_span_of(q->assignments.v[i].member_id),
            vrv_span_of_bytes(q->assignments.v[i].assignment) };
    if (vrv_request_version(r) >= SYNC_NAMES_PROTOCOL &&
        (q->protocol_type.p == NULL || q->protocol_name.p == NULL)) {
        struct vrv_sync_group_resp resp;

        VRV_WIRE_INIT(sync_group_resp, &resp);
        resp.error_code = VRV_K_INCONSISTENT_GROUP_PROTOCOL;
        vrv_request_reply(r, &resp);
        return;
    }
    s->r = r;
    s->call = (struct vrv_sync){ .call.done = { .cq = r->call.cq, .run = synced },
        .group = vrv_span_of(q->group_id), .member_id = vrv_span_of(q->member_id),
        .instance = vrv_span_of(q->group_instance_id), .generation = q->generation_id,
        .protocol_type = vrv_span_of(q->protocol_type),
        .protocol = vrv_span_of(q->protocol_name), .assignments = a,
        .assignment_n = (uint32_t)q->assignments.n };
    vrv_request_waits(r);
    vrv_coord_sync(r->broker->coord, &s->call);
    vrv_request_may_cancel(r, cancel_sync);
}

/* ---- Heartbeat ---- */

struct heartbeat {
    struct vrv_heartbeat call; /* first */
    struct vrv_request *r;
};

static void
beaten(struct vrv_done *d)
{
    struct heartbeat *h = (struct heartbeat *)(void *)d;
    struct vrv_heartbeat_resp resp;

    VRV_WIRE_INIT(heartbeat_resp, &resp);
    resp.error_code = (int16_t)h->call.call.error;
    finish(h->r, &resp, &h->call.call);
}

void
vrv_api_heartbeat(struct vrv_request *r, const void *message)
{
    const struct vrv_heartbeat_req *q = message;
    struct heartbeat *h = VRV_ROOM(r, struct heartbeat, 1);

    h->r = r;
    h->call = (struct vrv_heartbeat){ .call.done = { .cq = r->call.cq, .run = beaten },
        .group = vrv_span_of(q->group_id), .member_id = vrv_span_of(q->member_id),
        .instance = vrv_span_of(q->group_instance_id), .generation = q->generation_id };
    note_reader(r, q->group_id);
    vrv_coord_heartbeat(r->broker->coord, &h->call);
}

/* ---- LeaveGroup ---- */

enum { LEAVE_BATCHED = 3 };

struct leave {
    struct vrv_leave call; /* first */
    struct vrv_request *r;
};

/* Before there were batches the one member's error was the answer's. */
static void
left(struct vrv_done *d)
{
    struct leave *l = (struct leave *)(void *)d;
    struct vrv_request *r = l->r;
    bool batched = vrv_request_version(r) >= LEAVE_BATCHED;
    struct vrv_leave_group_resp resp;

    VRV_WIRE_INIT(leave_group_resp, &resp);
    resp.error_code = (int16_t)l->call.call.error;
    if (!batched && l->call.call.error == VRV_K_NONE)
        resp.error_code = (int16_t)l->call.members[0].error;
    resp.members.n = batched && l->call.call.error == VRV_K_NONE ? (int32_t)l->call.member_n : 0;
    resp.members.v = VRV_ROOM(r, struct vrv_leave_group_resp_member, resp.members.n);
    for (int32_t i = 0; i < resp.members.n; i++)
        resp.members.v[i] = (struct vrv_leave_group_resp_member){
            .member_id = vrv_str_of(l->call.members[i].member_id),
            .group_instance_id = vrv_str_of(l->call.members[i].instance),
            .error_code = (int16_t)l->call.members[i].error };
    finish(r, &resp, &l->call.call);
}

void
vrv_api_leave_group(struct vrv_request *r, const void *message)
{
    const struct vrv_leave_group_req *q = message;
    bool batched = vrv_request_version(r) >= LEAVE_BATCHED;
    struct leave *l = VRV_ROOM(r, struct leave, 1);
    int32_t n = batched ? q->members.n : 1;
    struct vrv_leaver *m = VRV_ROOM(r, struct vrv_leaver, n);

    if (!batched)
        m[0].member_id = vrv_span_of(q->member_id);
    for (int32_t i = 0; batched && i < n; i++)
        m[i] = (struct vrv_leaver){ .member_id = vrv_span_of(q->members.v[i].member_id),
            .instance = vrv_span_of(q->members.v[i].group_instance_id) };
    l->r = r;
    l->call = (struct vrv_leave){ .call.done = { .cq = r->call.cq, .run = left },
        .group = vrv_span_of(q->group_id), .members = m, .member_n = (uint32_t)n };
    vrv_coord_leave(r->broker->coord, &l->call);
}
