/* JoinGroup: who may come in, under which id, and whether that makes all others join anew. */
#include <stdio.h>

#include "server/group/group_int.h"

/* An existing member is let in while it is, or may become, one of the first max_size; a full group
 * whose limit was lowered loses its last ones when it rebalances. */
static bool
has_room(const struct vrv_group *g, const struct vrv_member *m)
{
    uint32_t max = (uint32_t)g->env->config->max_size;

    switch (g->state) {
    case VRV_GROUP_PREPARING:
        return (m != NULL && m->join != NULL) || g->waiting < max;
    case VRV_GROUP_COMPLETING:
    case VRV_GROUP_STABLE:
        return m != NULL || vrv_group_size(g) < max;
    default:
        return true;
    }
}

/* Does it need more memory than is there? */
static bool
too_much(const struct vrv_group *g, const struct vrv_member *m, const struct vrv_join *c)
{
    size_t n = sizeof(*m);

    for (uint32_t i = 0; i < c->protocol_n; i++)
        n += c->protocols[i].name.n + c->protocols[i].metadata.n;
    return vrv__group_memory_full(g) && (m == NULL || n > m->counted);
}

/* The client's id, or the instance's, and something random. */
static struct vrv_span
random_id(const struct vrv_group *g, const struct vrv_join *c)
{
    struct vrv_span name = c->instance.p != NULL ? c->instance : c->client_id;
    uint32_t n = name.n < VRV_GROUP_ID_MAX - 64 ? name.n : VRV_GROUP_ID_MAX - 64;
    char *text = vrv_mem_zero((size_t)n + 64);
    struct vrv_uuid u;
    char hex[VRV_UUID_TEXT + 1];

    g->env->uuid(g->env->ctx, &u);
    vrv_uuid_text(&u, hex);
    if (n > 0)
        memcpy(text, name.p, n);
    int more = snprintf(text + n, 64, "-%.8s-%.4s-%.4s-%.4s-%s", hex, hex + 8, hex + 12, hex + 16,
        hex + 20);
    return (struct vrv_span){ (const uint8_t *)text, n + (uint32_t)more };
}

/* One that the group doesn't have. */
static struct vrv_span
make_id(const struct vrv_group *g, const struct vrv_join *c)
{
    struct vrv_span id = random_id(g, c);

    while (vrv__group_member(g, id) != NULL || vrv__group_pending(g, id) != NULL) {
        vrv_span_free(&id);
        id = random_id(g, c);
    }
    return id;
}

/* m waits for c from now on.  A call that it left waiting before gets an answer, too: its client
 * has given up on it. */
static void
wait_join(struct vrv_group *g, struct vrv_member *m, struct vrv_join *c)
{
    struct vrv_join *before = m->join;

    m->join = c;
    c->call.waits = m;
    if (before != NULL)
        vrv__join_fail(g, before, VRV_K_REBALANCE_IN_PROGRESS, m->id);
    else
        g->waiting++;
}

static void
set_times(struct vrv_member *m, const struct vrv_join *c)
{
    m->session_ms = c->session_ms;
    m->rebalance_ms = c->rebalance_ms >= 0 ? c->rebalance_ms : c->session_ms;
}

static void
add(struct vrv_group *g, struct vrv_join *c, struct vrv_span id, const struct vrv_now *now)
{
    struct vrv_member *m = vrv__member_new(id, c->instance);

    vrv__member_set_client(m, c->client_id, c->client_host);
    set_times(m, c);
    m->is_new = true;
    if (g->state == VRV_GROUP_PREPARING && g->initial)
        g->joined_meanwhile = true;
    vrv__group_add(g, m, c->protocol_type);
    vrv__group_set_protocols(g, m, c->protocols, c->protocol_n);
    wait_join(g, m, c);
    /* it has no session yet, since it doesn't know its id */
    vrv__session(g, m, VRV_GROUP_NEW_MEMBER_MS, now);
    vrv__prepare_or_complete(g, now);
}

static void
update(struct vrv_group *g, struct vrv_member *m, struct vrv_join *c, const struct vrv_now *now)
{
    set_times(m, c);
    vrv__group_set_protocols(g, m, c->protocols, c->protocol_n);
    wait_join(g, m, c);
    vrv__prepare_or_complete(g, now);
}

/* ---- a static member comes back without its id ---- */

/* Its place is as it was: all go on, and it gets the current generation, once its new id is
 * stored. */
static void
resume_static(struct vrv_group *g, struct vrv_member *m, struct vrv_span old_id,
    struct vrv_join_protocol **old, uint32_t *old_n)
{
    int rc = g->env->store(g->env->ctx, g, VRV_STORE_STATIC, m);
    struct vrv_join *c = m->join;

    if (rc == 0)
        return;
    m->join = NULL;
    g->waiting--;
    vrv__group_swap_protocols(g, m, old, old_n);
    vrv__group_rename(g, m, old_id, 0);
    vrv__join_fail(g, c, rc, VRV_SPAN_EMPTY);
}

static void
replace_static(struct vrv_group *g, struct vrv_join *c, struct vrv_member *m, struct vrv_span id,
    const struct vrv_now *now)
{
    struct vrv_span old_id = vrv_span_dup(m->id);
    struct vrv_join_protocol *p = vrv__protocols_dup(c->protocols, c->protocol_n);
    uint32_t n = c->protocol_n;

    /* what an old client is told: another one leads, so that it doesn't assign anew */
    c->leader = vrv__answer_span(&c->call, g->leader->id);
    vrv__group_rename(g, m, id, VRV_K_FENCED_INSTANCE_ID);
    m->is_new = false;
    vrv__session(g, m, c->session_ms, now);
    vrv__group_swap_protocols(g, m, &p, &n);
    wait_join(g, m, c);
    set_times(m, c);
    if (g->state == VRV_GROUP_STABLE && vrv_span_eq(vrv__group_vote(g), g->protocol))
        resume_static(g, m, old_id, &p, &n);
    else
        /* also in CompletingRebalance: the leader may be assigning to the old id just now */
        vrv__prepare_or_complete(g, now);
    vrv__protocols_free(p, n);
    vrv_span_free(&old_id);
}

/* ---- the cases ---- */

static void
join_new(struct vrv_group *g, struct vrv_join *c, const struct vrv_now *now)
{
    struct vrv_member *m = c->instance.p != NULL ? vrv__group_static(g, c->instance) : NULL;
    struct vrv_span id = make_id(g, c);

    if (m != NULL)
        replace_static(g, c, m, id, now);
    else if (c->instance.p != NULL || !c->known_id_required)
        add(g, c, id, now);
    else if (g->pending.n >= VRV_GROUP_PENDING_MAX)
        vrv__join_fail(g, c, VRV_K_GROUP_MAX_SIZE_REACHED, VRV_SPAN_EMPTY);
    else {
        m = vrv__member_new(id, VRV_SPAN_NULL);
        vrv__group_add_pending(g, m);
        vrv__session(g, m, c->session_ms, now);
        vrv__join_fail(g, c, VRV_K_MEMBER_ID_REQUIRED, id);
    }
    vrv_span_free(&id);
}

static void
join_pending(struct vrv_group *g, struct vrv_join *c, struct vrv_member *m,
    const struct vrv_now *now)
{
    /* ids that are given out beforehand are for dynamic members only */
    if (c->instance.p != NULL) {
        vrv__join_fail(g, c, VRV_K_UNKNOWN_SERVER_ERROR, c->member_id);
        return;
    }
    vrv__group_remove(g, m, 0);
    add(g, c, c->member_id, now);
}

static void
join_known(struct vrv_group *g, struct vrv_join *c, const struct vrv_now *now)
{
    int rc = vrv__group_check_member(g, c->member_id, c->instance);

    if (rc != 0) {
        vrv__join_fail(g, c, rc, c->member_id);
        return;
    }
    struct vrv_member *m = vrv__group_member(g, c->member_id);
    bool same = vrv__member_matches(m, c->protocols, c->protocol_n);
    /* A follower that asks again missed its answer.  The leader does so to have a rebalance, since
     * something changed that only it sees. */
    if (g->state == VRV_GROUP_COMPLETING && same)
        vrv__join_answer(g, c, m, m == g->leader ? VRV__JOIN_LEADER : VRV__JOIN_FOLLOWER);
    else if (g->state == VRV_GROUP_STABLE && same && m != g->leader)
        vrv__join_answer(g, c, m, VRV__JOIN_FOLLOWER);
    else
        update(g, m, c, now);
}

void
vrv_group_join(struct vrv_group *g, struct vrv_join *c, const struct vrv_now *now)
{
    struct vrv_member *m = vrv__group_member(g, c->member_id);
    struct vrv_member *pending = vrv__group_pending(g, c->member_id);

    if (g->state == VRV_GROUP_DEAD)
        vrv__join_fail(g, c, VRV_K_COORDINATOR_NOT_AVAILABLE, c->member_id);
    else if (!has_room(g, m)) {
        if (m != NULL || pending != NULL)
            vrv__group_remove(g, m != NULL ? m : pending, VRV_K_UNKNOWN_MEMBER_ID);
        vrv__join_fail(g, c, VRV_K_GROUP_MAX_SIZE_REACHED, VRV_SPAN_EMPTY);
    } else if (!vrv__group_supports(g, c))
        vrv__join_fail(g, c, VRV_K_INCONSISTENT_GROUP_PROTOCOL, c->member_id);
    else if (too_much(g, m, c))
        vrv__join_fail(g, c, VRV_K_COORDINATOR_NOT_AVAILABLE, c->member_id);
    else if (c->member_id.n == 0)
        join_new(g, c, now);
    else if (pending != NULL)
        join_pending(g, c, pending, now);
    else
        join_known(g, c, now);
}
