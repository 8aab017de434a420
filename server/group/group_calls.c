/* SyncGroup, Heartbeat, LeaveGroup, and what a commit must fulfil. */
#include "server/group/group_int.h"

/* Is it a member's call, in the generation that is? */
static int
check_member(const struct vrv_group *g, struct vrv_span id, struct vrv_span instance,
    int32_t generation)
{
    int rc = g->state == VRV_GROUP_DEAD ? VRV_K_COORDINATOR_NOT_AVAILABLE
                                        : vrv__group_check_member(g, id, instance);

    return rc == 0 && generation != g->generation ? VRV_K_ILLEGAL_GENERATION : rc;
}

/* ---- sync ---- */

static bool
differs(struct vrv_span said, struct vrv_span is)
{
    return said.p != NULL && is.p != NULL && !vrv_span_eq(said, is);
}

static int
check_sync(const struct vrv_group *g, const struct vrv_sync *c)
{
    int rc = check_member(g, c->member_id, c->instance, c->generation);

    if (rc != 0)
        return rc;
    if (differs(c->protocol_type, g->protocol_type) || differs(c->protocol, g->protocol))
        return VRV_K_INCONSISTENT_GROUP_PROTOCOL;
    return g->state == VRV_GROUP_PREPARING ? VRV_K_REBALANCE_IN_PROGRESS : 0;
}

static void
set_next(struct vrv_group *g, struct vrv_member *m, struct vrv_span assignment)
{
    vrv_span_free(&m->next_assignment);
    m->next_assignment = vrv_span_dup(assignment);
    vrv__group_count(g, m);
}

/* Members that the leader forgot get nothing; others than members are passed over. */
static void
take_assignments(struct vrv_group *g, const struct vrv_sync *c)
{
    for (struct vrv_list *l = g->members.next; l != &g->members; l = l->next)
        set_next(g, VRV_LIST_OF(l, struct vrv_member, link), VRV_SPAN_EMPTY);
    for (uint32_t i = 0; i < c->assignment_n; i++) {
        struct vrv_member *m = vrv__group_member(g, c->assignments[i].member_id);

        if (m != NULL && c->assignments[i].assignment.p != NULL)
            set_next(g, m, c->assignments[i].assignment);
    }
}

static void
store_assignment(struct vrv_group *g, const struct vrv_sync *c, const struct vrv_now *now)
{
    if (g->storing) /* it asks again; what it said first counts */
        return;
    take_assignments(g, c);
    g->storing = true;
    int rc = g->env->store(g->env->ctx, g, VRV_STORE_ASSIGNMENT, NULL);
    if (rc == 0)
        return;
    vrv__hand_out(g, rc, now);
    vrv__prepare_or_complete(g, now);
}

static void
synced(struct vrv_group *g, struct vrv_member *m)
{
    bool due = false;

    m->sync_due = false;
    for (struct vrv_list *l = g->members.next; l != &g->members && !due; l = l->next)
        due = VRV_LIST_OF(l, struct vrv_member, link)->sync_due;
    if (!due)
        vrv_heap_del(&g->timers, &g->sync_timer);
}

void
vrv_group_sync(struct vrv_group *g, struct vrv_sync *c, const struct vrv_now *now)
{
    int rc = check_sync(g, c);

    if (rc != 0) {
        vrv__sync_fail(g, c, rc);
        return;
    }
    struct vrv_member *m = vrv__group_member(g, c->member_id);
    synced(g, m);
    if (g->state == VRV_GROUP_STABLE) {
        vrv__sync_answer(g, c, m);
        return;
    }
    struct vrv_sync *before = m->sync;
    m->sync = c;
    c->call.waits = m;
    if (before != NULL) /* its client has given up on that one */
        vrv__sync_fail(g, before, VRV_K_REBALANCE_IN_PROGRESS);
    if (m == g->leader)
        store_assignment(g, c, now);
}

/* ---- what was stored ---- */

static void
assigned(struct vrv_group *g, const struct vrv_now *now)
{
    for (struct vrv_list *l = g->members.next; l != &g->members; l = l->next) {
        struct vrv_member *m = VRV_LIST_OF(l, struct vrv_member, link);

        vrv_span_free(&m->assignment);
        m->assignment = m->next_assignment;
        m->next_assignment = VRV_SPAN_NULL;
        if (m->assignment.p == NULL)
            m->assignment = vrv_span_dup(VRV_SPAN_EMPTY);
    }
    g->storing = false;
    vrv__group_move(g, VRV_GROUP_STABLE, now);
    vrv__hand_out(g, 0, now);
}

void
vrv_group_stored(struct vrv_group *g, enum vrv_store_kind kind, int32_t generation,
    struct vrv_span member_id, const struct vrv_now *now)
{
    if (generation != g->generation)
        return; /* things have moved on */
    if (kind == VRV_STORE_ASSIGNMENT && g->state == VRV_GROUP_COMPLETING && g->storing)
        assigned(g, now);
    if (kind == VRV_STORE_STATIC && g->state == VRV_GROUP_STABLE) {
        struct vrv_member *m = vrv__group_member(g, member_id);

        if (m != NULL && m->join != NULL && !m->join->may_skip_assignment)
            vrv__join_answer(g, m->join, m, VRV__JOIN_RESUMED);
        else if (m != NULL && m->join != NULL)
            vrv__join_answer(g, m->join, m, m == g->leader ? VRV__JOIN_SKIP : VRV__JOIN_FOLLOWER);
    }
}

/* ---- heartbeat ---- */

static int
heartbeat(struct vrv_group *g, const struct vrv_heartbeat *c, const struct vrv_now *now)
{
    int rc = check_member(g, c->member_id, c->instance, c->generation);

    if (rc != 0)
        return rc;
    struct vrv_member *m = vrv__group_member(g, c->member_id);
    vrv__session(g, m, m->session_ms, now);
    return g->state == VRV_GROUP_PREPARING ? VRV_K_REBALANCE_IN_PROGRESS : 0;
}

void
vrv_group_heartbeat(struct vrv_group *g, struct vrv_heartbeat *c, const struct vrv_now *now)
{
    c->call.error = heartbeat(g, c, now);
    g->env->answer(g->env->ctx, &c->call);
}

/* ---- leave ---- */

static int
leave_one(struct vrv_group *g, const struct vrv_leaver *who)
{
    struct vrv_member *m = NULL;

    if (who->member_id.n == 0) {
        /* an administrator's call: whoever has the instance id now */
        if (who->instance.p != NULL)
            m = vrv__group_static(g, who->instance);
        if (m == NULL)
            return VRV_K_UNKNOWN_MEMBER_ID;
    } else {
        m = vrv__group_pending(g, who->member_id);
        int rc = m == NULL ? vrv__group_check_member(g, who->member_id, who->instance) : 0;
        if (rc != 0)
            return rc;
        if (m == NULL)
            m = vrv__group_member(g, who->member_id);
    }
    vrv__group_remove(g, m, VRV_K_UNKNOWN_MEMBER_ID);
    return 0;
}

void
vrv_group_leave(struct vrv_group *g, struct vrv_leave *c, const struct vrv_now *now)
{
    bool any = false;

    c->call.error = g->state == VRV_GROUP_DEAD ? VRV_K_COORDINATOR_NOT_AVAILABLE : 0;
    for (uint32_t i = 0; i < c->member_n && c->call.error == 0; i++) {
        c->members[i].error = leave_one(g, &c->members[i]);
        any |= c->members[i].error == 0;
    }
    if (any && g->state != VRV_GROUP_EMPTY)
        vrv__prepare_or_complete(g, now);
    g->env->answer(g->env->ctx, &c->call);
}

/* ---- commits ---- */

static int
check_commit(const struct vrv_group *g, const struct vrv_offset_commit *c)
{
    /* from outside, or of a consumer that assigns to itself */
    if (c->generation < 0 && g->state == VRV_GROUP_EMPTY)
        return 0;
    int rc = check_member(g, c->member_id, c->instance, c->generation);
    if (rc != 0)
        return rc;
    /* it has heard of the new generation and not got its part of it yet */
    return g->state == VRV_GROUP_COMPLETING ? VRV_K_REBALANCE_IN_PROGRESS : 0;
}

int
vrv_group_may_commit(struct vrv_group *g, const struct vrv_offset_commit *c,
    const struct vrv_now *now)
{
    int rc = check_commit(g, c);
    struct vrv_member *m = rc == 0 ? vrv__group_member(g, c->member_id) : NULL;

    if (m != NULL)
        vrv__session(g, m, m->session_ms, now);
    return rc;
}
