/* The calls: find the group, let it decide, append what must survive. */
#include "server/group/coord_int.h"
#include "server/group/group_int.h"

/* ---- whose group it is ---- */

static int
shard_error(const struct vrv_shard *s)
{
    switch (s->state) {
    case SHARD_SERVING:
        return 0;
    case SHARD_LOADING:
        return VRV_K_COORDINATOR_LOAD_IN_PROGRESS;
    default:
        return VRV_K_NOT_COORDINATOR;
    }
}

/* The group's shard, entered; *error is not 0 when it isn't served. */
static struct vrv_shard *
enter(struct vrv_coord *c, struct vrv_span group, int *error)
{
    struct vrv_shard *s = &c->shards[vrv_coord_partition(c, group)];

    vrv__shard_enter(s);
    *error = group.p == NULL || group.n > VRV_GROUP_ID_MAX ? VRV_K_INVALID_GROUP_ID
                                                           : shard_error(s);
    return s;
}

/* The same where an empty id isn't one. */
static struct vrv_shard *
enter_named(struct vrv_coord *c, struct vrv_span group, int *error)
{
    struct vrv_shard *s = enter(c, group, error);

    if (group.n == 0)
        *error = VRV_K_INVALID_GROUP_ID;
    return s;
}

/* Behind what was just appended, if anything was: answered when that is durable. */
static void
answer_behind(struct vrv_shard *s, struct vrv_group_call *call, int error)
{
    if (s->last == NULL) {
        vrv__answer(s, call, error);
        return;
    }
    call->error = error;
    call->next = s->last->calls;
    s->last->calls = call;
}

/* The end of a call that stores something: answered when it is, or at once with the error. */
static void
leave_stored(struct vrv_shard *s, struct vrv_group_call *call, int rc)
{
    if (rc == 0)
        answer_behind(s, call, 0);
    else
        vrv__answer(s, call, rc);
    vrv__shard_leave(s);
}

/* One that the log knows, or will know. */
static struct vrv_group *
find(struct vrv_shard *s, struct vrv_span id)
{
    struct vrv_group *g = vrv__groups_find(&s->groups, id);

    return g != NULL && !g->condemned ? g : NULL;
}

static struct vrv_group *
find_or_add(struct vrv_shard *s, struct vrv_span id)
{
    struct vrv_group *g = vrv__groups_find(&s->groups, id);

    return g != NULL ? g : vrv__groups_add(&s->groups, &s->env, id, &s->now);
}

/* Entered for a call that only a member of the group makes: *g is NULL when *error is not 0. */
static struct vrv_shard *
enter_member(struct vrv_coord *c, struct vrv_span id, struct vrv_group **g, int *error)
{
    struct vrv_shard *s = enter_named(c, id, error);

    *g = *error == 0 ? find(s, id) : NULL;
    if (*error == 0 && *g == NULL)
        *error = VRV_K_UNKNOWN_MEMBER_ID;
    return s;
}

/* ---- membership ---- */

static void
fail_join(struct vrv_shard *s, struct vrv_join *call, int error)
{
    call->generation = -1;
    call->leader = VRV_SPAN_EMPTY;
    call->out_member_id = vrv__answer_span(&call->call, call->member_id);
    vrv__answer(s, &call->call, error);
}

static int
check_join(const struct vrv_coord *c, const struct vrv_join *call)
{
    if (call->session_ms < c->o.config.min_session_ms ||
        call->session_ms > c->o.config.max_session_ms)
        return VRV_K_INVALID_SESSION_TIMEOUT;
    return 0;
}

static void
join(struct vrv_shard *s, struct vrv_join *call)
{
    struct vrv_group *g = find(s, call->group);
    int rc = 0;

    if (g == NULL && call->member_id.n > 0 &&
        !((g = vrv__groups_find(&s->groups, call->group)) != NULL &&
            vrv__group_pending(g, call->member_id) != NULL)) {
        fail_join(s, call, VRV_K_UNKNOWN_MEMBER_ID);
        return;
    }
    if (g == NULL || g->condemned) {
        g = find_or_add(s, call->group);
        rc = vrv__shard_store(s, g, VRV_STORE_EMPTY, NULL);
    }
    if (rc == 0)
        vrv_group_join(g, call, &s->now);
    else
        fail_join(s, call, rc);
    vrv__shard_touch(s, g);
}

void
vrv_coord_join(struct vrv_coord *c, struct vrv_join *call)
{
    int rc;
    struct vrv_shard *s = enter_named(c, call->group, &rc);

    if (rc == 0)
        rc = check_join(c, call);
    if (rc == 0)
        join(s, call);
    else
        fail_join(s, call, rc);
    vrv__shard_leave(s);
}

void
vrv_coord_sync(struct vrv_coord *c, struct vrv_sync *call)
{
    int rc;
    struct vrv_group *g;
    struct vrv_shard *s = enter_member(c, call->group, &g, &rc);

    if (rc == 0) {
        vrv_group_sync(g, call, &s->now);
        vrv__shard_touch(s, g);
    } else {
        call->assignment = VRV_SPAN_EMPTY;
        vrv__answer(s, &call->call, rc);
    }
    vrv__shard_leave(s);
}

void
vrv_coord_cancel(struct vrv_coord *c, struct vrv_span group, struct vrv_group_call *call)
{
    int rc;
    struct vrv_shard *s = enter(c, group, &rc);

    if (call->waits != NULL) {
        struct vrv_group *g = vrv__groups_find(&s->groups, group);

        vrv_group_cancel(g, call, VRV_K_NOT_COORDINATOR, &s->now);
        vrv__shard_touch(s, g);
    }
    vrv__shard_leave(s);
}

void
vrv_coord_heartbeat(struct vrv_coord *c, struct vrv_heartbeat *call)
{
    int rc;
    struct vrv_group *g;
    struct vrv_shard *s = enter_member(c, call->group, &g, &rc);

    if (rc == 0) {
        vrv_group_heartbeat(g, call, &s->now);
        vrv__shard_touch(s, g);
    } else
        /* Kafka's: while it is read nobody's session ends, so there is nothing to complain of */
        vrv__answer(s, &call->call, rc == VRV_K_COORDINATOR_LOAD_IN_PROGRESS ? 0 : rc);
    vrv__shard_leave(s);
}

/* The answer waits for what the leaving made necessary to be stored. */
static void
leave(struct vrv_shard *s, struct vrv_group *g, struct vrv_leave *call)
{
    struct vrv_group_call **p = &s->answered;

    vrv_group_leave(g, call, &s->now);
    while (*p != &call->call)
        p = &(*p)->next;
    *p = call->call.next;
    answer_behind(s, &call->call, call->call.error);
    vrv__shard_touch(s, g);
}

void
vrv_coord_leave(struct vrv_coord *c, struct vrv_leave *call)
{
    int rc;
    struct vrv_shard *s = enter_named(c, call->group, &rc);
    struct vrv_group *g = rc == 0 ? find(s, call->group) : NULL;

    if (g != NULL)
        leave(s, g, call);
    else {
        for (uint32_t i = 0; rc == 0 && i < call->member_n; i++)
            call->members[i].error = VRV_K_UNKNOWN_MEMBER_ID;
        vrv__answer(s, &call->call, rc);
    }
    vrv__shard_leave(s);
}

/* ---- offsets ---- */

static int
check_commit(struct vrv_shard *s, struct vrv_group *g, const struct vrv_offset_commit *call)
{
    if (g != NULL)
        return vrv_group_may_commit(g, call, &s->now);
    if (call->generation >= 0)
        return call->says_not_found ? VRV_K_GROUP_ID_NOT_FOUND : VRV_K_ILLEGAL_GENERATION;
    return 0; /* a new group, as a place for offsets */
}

/* Growing is refused when memory is used up; what is there can be committed anew.  The topic may be
 * gone since the request was looked at. */
static int
check_item(struct vrv_shard *s, const struct vrv_group *g, const struct vrv_commit_item *it,
    struct vrv_uuid *topic_id)
{
    const struct vrv_group_config *config = &s->coord->o.config;

    if (it->error != 0)
        return it->error;
    if (!vrv__topic_id(s->coord, it->topic, topic_id))
        return VRV_K_UNKNOWN_TOPIC_OR_PARTITION;
    if (it->metadata.n > (uint32_t)config->metadata_max || it->metadata.n > INT16_MAX)
        return VRV_K_OFFSET_METADATA_TOO_LARGE;
    if (atomic_load(&s->coord->used) > config->memory_bytes &&
        vrv_offsets_find(&g->offsets, it->topic, it->partition) == NULL)
        return VRV_K_COORDINATOR_NOT_AVAILABLE;
    return 0;
}

/* The client's own retention may be any number. */
static int64_t
expire_ms(const struct vrv_shard *s, int64_t retention_ms)
{
    if (retention_ms < 0)
        return -1;
    return retention_ms > INT64_MAX - s->now.wall_ms ? INT64_MAX : s->now.wall_ms + retention_ms;
}

static int
append_commit(struct vrv_shard *s, struct vrv_group *g, struct vrv_offset_commit *call)
{
    struct vrv_write *w = vrv__write_new(s);
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < call->item_n; i++) {
        struct vrv_commit_item *it = &call->items[i];
        struct vrv_uuid topic_id;

        it->error = check_item(s, g, it, &topic_id);
        if (it->error != 0)
            continue;
        struct vrv_commit commit = { it->offset, it->leader_epoch < 0 ? -1 : it->leader_epoch,
            it->metadata.p != NULL ? it->metadata : VRV_SPAN_EMPTY, s->now.wall_ms,
            expire_ms(s, call->retention_ms), topic_id };
        vrv__write_commit(w, g, it->topic, it->partition, &commit);
        rc = vrv__write_more(&w);
    }
    if (rc == 0)
        rc = vrv__write_append(&w);
    vrv__write_free(&w);
    return rc;
}

void
vrv_coord_commit(struct vrv_coord *c, struct vrv_offset_commit *call)
{
    int rc;
    struct vrv_shard *s = enter(c, call->group, &rc);
    struct vrv_group *g;

    if (rc == 0)
        rc = check_commit(s, find(s, call->group), call);
    if (rc == 0) {
        g = find_or_add(s, call->group);
        rc = append_commit(s, g, call);
        vrv__shard_touch(s, g);
    }
    leave_stored(s, &call->call, rc);
}

static bool
is_seen(struct vrv_coord *c, struct vrv_span topic, const struct vrv_offset *v)
{
    return v->shown && !vrv__offset_is_stale(c, topic, v);
}

/* v NULL: there is none. */
static void
fill(struct vrv_group_call *call, struct vrv_fetch_item *it, const struct vrv_offset *v)
{
    bool there = v != NULL;

    it->offset = there ? v->commit.offset : -1;
    it->leader_epoch = there ? v->commit.leader_epoch : -1;
    it->metadata = there ? vrv__answer_span(call, v->commit.metadata) : VRV_SPAN_EMPTY;
}

struct fetch_all {
    struct vrv_coord *c;
    struct vrv_offset_fetch *call;
};

static int
fetch_one(void *ctx, struct vrv_span topic, const struct vrv_offset *v)
{
    const struct fetch_all *f = ctx;
    struct vrv_offset_fetch *call = f->call;
    struct vrv_fetch_item *it = &call->items[call->item_n];

    if (!is_seen(f->c, topic, v))
        return 0;
    call->item_n++;
    it->topic = call->item_n > 1 && vrv_span_eq(it[-1].topic, topic)
        ? it[-1].topic
        : vrv__answer_span(&call->call, topic);
    it->partition = v->partition;
    fill(&call->call, it, v);
    return 0;
}

static void
fetch_item(struct vrv_coord *c, struct vrv_group *g, struct vrv_offset_fetch *call,
    struct vrv_fetch_item *it)
{
    const struct vrv_offset *v =
        g != NULL ? vrv_offsets_find(&g->offsets, it->topic, it->partition) : NULL;

    fill(&call->call, it, v != NULL && is_seen(c, it->topic, v) ? v : NULL);
}

void
vrv_coord_fetch(struct vrv_coord *c, struct vrv_offset_fetch *call)
{
    struct fetch_all all = { c, call };
    int rc;
    struct vrv_shard *s = enter(c, call->group, &rc);
    struct vrv_group *g = rc == 0 ? vrv__groups_find(&s->groups, call->group) : NULL;

    if (call->all)
        call->item_n = 0;
    if (call->all && g != NULL) {
        call->items = vrv__answer_alloc(&call->call, g->offsets.n * sizeof(*call->items));
        (void)vrv_offsets_each(&g->offsets, fetch_one, &all);
    }
    for (uint32_t i = 0; rc == 0 && !call->all && i < call->item_n; i++)
        fetch_item(c, g, call, &call->items[i]);
    vrv__answer(s, &call->call, rc);
    vrv__shard_leave(s);
}

static int
append_deletes(struct vrv_shard *s, struct vrv_group *g, struct vrv_offset_delete *call)
{
    struct vrv_write *w = vrv__write_new(s);
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < call->item_n; i++) {
        struct vrv_delete_item *it = &call->items[i];

        if (it->error == 0 && vrv_group_subscribes(g, it->topic))
            it->error = VRV_K_GROUP_SUBSCRIBED_TO_TOPIC;
        if (it->error != 0 || vrv_offsets_find(&g->offsets, it->topic, it->partition) == NULL)
            continue;
        vrv__write_uncommit(w, g, it->topic, it->partition);
        rc = vrv__write_more(&w);
    }
    if (rc == 0)
        rc = vrv__write_append(&w);
    vrv__write_free(&w);
    return rc;
}

void
vrv_coord_delete_offsets(struct vrv_coord *c, struct vrv_offset_delete *call)
{
    int rc;
    struct vrv_shard *s = enter_named(c, call->group, &rc);
    struct vrv_group *g = rc == 0 ? find(s, call->group) : NULL;

    if (rc == 0)
        rc = g != NULL ? vrv_group_may_delete_offsets(g) : VRV_K_GROUP_ID_NOT_FOUND;
    if (rc == 0)
        rc = append_deletes(s, g, call);
    leave_stored(s, &call->call, rc);
}

/* ---- groups as a whole ---- */

void
vrv_coord_delete_group(struct vrv_coord *c, struct vrv_delete_group *call)
{
    int rc;
    struct vrv_shard *s = enter(c, call->group, &rc);
    struct vrv_group *g = rc == 0 ? find(s, call->group) : NULL;

    if (rc == 0)
        rc = g != NULL ? vrv_group_may_delete(g) : VRV_K_GROUP_ID_NOT_FOUND;
    if (rc == 0) {
        struct vrv_write *w = vrv__write_new(s);

        rc = vrv__write_forget(&w, g);
        vrv__write_delete(w, g);
        if (rc == 0)
            rc = vrv__write_append(&w);
        vrv__write_free(&w);
    }
    leave_stored(s, &call->call, rc);
}

static char
lower(uint8_t c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool
named(const struct vrv_span *list, uint32_t n, const char *name)
{
    bool is = n == 0;

    for (uint32_t i = 0; i < n && !is; i++) {
        is = list[i].n == strlen(name);
        for (uint32_t k = 0; k < list[i].n && is; k++)
            is = lower(list[i].p[k]) == lower((uint8_t)name[k]);
    }
    return is;
}

/* Is there such a group for others: one that is stored, or that somebody has begun to join. */
static bool
is_there(const struct vrv_group *g)
{
    return g->shown || vrv_group_size(g) > 0 || g->pending.n > 0;
}

static void
list_group(struct vrv_list_groups *call, const struct vrv_group *g, uint32_t *cap)
{
    if (!is_there(g) || !named(call->states, call->state_n, vrv_group_state_name(g->state)) ||
        !named(call->types, call->type_n, "classic"))
        return;
    if (call->group_n == *cap) {
        uint32_t more = *cap > 0 ? *cap * 2 : 16;
        struct vrv_listed_group *v = vrv__answer_alloc(&call->call, more * sizeof(*v));

        if (call->group_n > 0)
            memcpy(v, call->groups, call->group_n * sizeof(*v));
        call->groups = v;
        *cap = more;
    }
    call->groups[call->group_n++] = (struct vrv_listed_group){
        vrv__answer_span(&call->call, g->id),
        g->protocol_type.p != NULL ? vrv__answer_span(&call->call, g->protocol_type)
                                   : VRV_SPAN_EMPTY,
        vrv_group_state_name(g->state) };
}

void
vrv_coord_list(struct vrv_coord *c, struct vrv_list_groups *call)
{
    uint32_t cap = 0;
    int error = 0;

    call->group_n = 0;
    for (int32_t i = 0; i < c->o.partitions; i++) {
        struct vrv_shard *s = &c->shards[i];

        vrv__shard_enter(s);
        if (s->state == SHARD_LOADING)
            error = VRV_K_COORDINATOR_LOAD_IN_PROGRESS;
        for (struct vrv_omap_node *n = vrv_omap_first(&s->groups); n != NULL;) {
            const struct vrv_group *g = VRV_OMAP_OF(n, struct vrv_group, node);

            list_group(call, g, &cap);
            n = vrv_omap_after(&s->groups, &g->id);
        }
        vrv__shard_leave(s);
    }
    if (error != 0)
        call->group_n = 0;
    call->call.error = error;
    vrv_cq_post(call->call.done.cq, &call->call.done, &call->call.done);
}

/* What members are assigned and speak is told of a stable group only, as in Kafka. */
static void
describe(struct vrv_describe_group *call, const struct vrv_group *g)
{
    struct vrv_group_call *m = &call->call;
    bool stable = g->state == VRV_GROUP_STABLE;

    call->state = vrv_group_state_name(g->state);
    if (g->protocol_type.p != NULL)
        call->protocol_type = vrv__answer_span(m, g->protocol_type);
    if (stable)
        call->protocol = vrv__answer_span(m, g->protocol);
    call->members = vrv__answer_alloc(m, vrv_group_size(g) * sizeof(*call->members));
    for (struct vrv_list *l = g->members.next; l != &g->members; l = l->next) {
        const struct vrv_member *mb = VRV_LIST_OF(l, struct vrv_member, link);

        call->members[call->member_n++] = (struct vrv_described_member){
            vrv__answer_span(m, mb->id), vrv__answer_span(m, mb->instance),
            vrv__answer_span(m, mb->client_id), vrv__answer_span(m, mb->client_host),
            stable ? vrv__answer_span(m, vrv__member_metadata(mb, g->protocol)) : VRV_SPAN_EMPTY,
            vrv__answer_span(m, mb->assignment) };
    }
}

void
vrv_coord_describe(struct vrv_coord *c, struct vrv_describe_group *call)
{
    int rc;
    struct vrv_shard *s = enter(c, call->group, &rc);
    struct vrv_group *g = rc == 0 ? vrv__groups_find(&s->groups, call->group) : NULL;

    call->state = vrv_group_state_name(VRV_GROUP_DEAD);
    call->protocol_type = call->protocol = VRV_SPAN_EMPTY;
    if (rc == 0 && (g == NULL || !is_there(g)))
        rc = VRV_K_GROUP_ID_NOT_FOUND;
    if (rc == 0)
        describe(call, g);
    vrv__answer(s, &call->call, rc);
    vrv__shard_leave(s);
}
