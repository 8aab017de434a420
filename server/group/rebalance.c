/* How a group gets from one generation to the next, and what happens by time. */
#include "server/group/group_int.h"

enum { NS_PER_MS = 1000000, RETRY_MS = 1000 };

static void
arm(struct vrv_group *g, struct vrv_timer *t, int64_t ms, const struct vrv_now *now)
{
    vrv_heap_del(&g->timers, t);
    vrv_heap_add(&g->timers, t, now->mono_ns + ms * NS_PER_MS);
}

void
vrv__session(struct vrv_group *g, struct vrv_member *m, int64_t ms, const struct vrv_now *now)
{
    arm(g, &m->timer, ms, now);
}

static struct vrv_member *
member_at(struct vrv_list *l)
{
    return VRV_LIST_OF(l, struct vrv_member, link);
}

/* The longest that any member asks for. */
static int64_t
rebalance_ms(const struct vrv_group *g)
{
    int64_t ms = 0;

    for (struct vrv_list *l = g->members.next; l != &g->members; l = l->next)
        if (member_at(l)->rebalance_ms > ms)
            ms = member_at(l)->rebalance_ms;
    return ms;
}

static bool
all_joined(const struct vrv_group *g)
{
    return g->waiting == g->by_id.n && g->pending.n == 0;
}

static void
forget_next(struct vrv_group *g)
{
    g->storing = false;
    for (struct vrv_list *l = g->members.next; l != &g->members; l = l->next)
        if (member_at(l)->next_assignment.p != NULL) {
            vrv_span_free(&member_at(l)->next_assignment);
            vrv__group_count(g, member_at(l));
        }
}

void
vrv__hand_out(struct vrv_group *g, int error, const struct vrv_now *now)
{
    for (struct vrv_list *l = g->members.next; l != &g->members; l = l->next) {
        struct vrv_member *m = member_at(l);
        struct vrv_sync *c = m->sync;

        if (error != 0) {
            vrv__member_set_assignment(m, VRV_SPAN_EMPTY);
            vrv__group_count(g, m);
        }
        if (c == NULL)
            continue;
        m->sync = NULL;
        if (error != 0)
            vrv__sync_fail(g, c, error);
        else
            vrv__sync_answer(g, c, m);
        /* while it waited its session could end unnoticed */
        vrv__session(g, m, m->session_ms, now);
    }
}

/* ---- the join phase ends ---- */

/* Dynamic members that didn't come back are out; static ones have until their session ends. */
static void
remove_absent(struct vrv_group *g)
{
    for (struct vrv_list *l = g->members.next, *next; l != &g->members; l = next) {
        next = l->next;
        if (member_at(l)->join == NULL && member_at(l)->instance.p == NULL)
            vrv__group_remove(g, member_at(l), VRV_K_UNKNOWN_MEMBER_ID);
    }
}

/* Somebody who came back leads; false: nobody did. */
static bool
elect_leader(struct vrv_group *g)
{
    if (g->leader != NULL && g->leader->join != NULL)
        return true;
    for (struct vrv_list *l = g->members.next; l != &g->members; l = l->next)
        if (member_at(l)->join != NULL) {
            g->leader = member_at(l);
            return true;
        }
    return false;
}

static void
next_generation(struct vrv_group *g, const struct vrv_now *now)
{
    struct vrv_span protocol =
        g->by_id.n > 0 ? vrv_span_dup(vrv__group_vote(g)) : VRV_SPAN_NULL;

    g->generation++;
    vrv_span_free(&g->protocol);
    g->protocol = protocol;
    forget_next(g);
    vrv__group_learn_topics(g);
    vrv__group_move(g, g->by_id.n > 0 ? VRV_GROUP_COMPLETING : VRV_GROUP_EMPTY, now);
}

static void
answer_joins(struct vrv_group *g, const struct vrv_now *now)
{
    for (struct vrv_list *l = g->members.next; l != &g->members; l = l->next) {
        struct vrv_member *m = member_at(l);

        if (m->join != NULL)
            vrv__join_answer(g, m->join, m,
                m == g->leader ? VRV__JOIN_LEADER : VRV__JOIN_FOLLOWER);
        m->is_new = false;
        m->sync_due = true;
        vrv__session(g, m, m->session_ms, now);
    }
    arm(g, &g->sync_timer, rebalance_ms(g), now);
}

static void
complete(struct vrv_group *g, const struct vrv_now *now)
{
    int64_t patience_ms = rebalance_ms(g);

    vrv_heap_del(&g->timers, &g->join_timer);
    remove_absent(g);
    if (!elect_leader(g) && g->by_id.n > 0) {
        /* static members only, and none came: until their sessions end.  A time-out of nothing
         * must not spin. */
        arm(g, &g->join_timer, patience_ms > RETRY_MS ? patience_ms : RETRY_MS, now);
        return;
    }
    next_generation(g, now);
    if (g->state == VRV_GROUP_COMPLETING) {
        answer_joins(g, now);
        return;
    }
    /* If it isn't stored, the generation before comes back after a crash, and its members, who are
     * gone, time out once more. */
    (void)g->env->store(g->env->ctx, g, VRV_STORE_EMPTY, NULL);
}

static void
complete_if_all(struct vrv_group *g, const struct vrv_now *now)
{
    /* a first rebalance waits for its delay in any case */
    if (g->state == VRV_GROUP_PREPARING && g->previous != VRV_GROUP_EMPTY && all_joined(g))
        complete(g, now);
}

/* ---- the join phase begins ---- */

static void
no_sync_due(struct vrv_group *g)
{
    for (struct vrv_list *l = g->members.next; l != &g->members; l = l->next)
        member_at(l)->sync_due = false;
    vrv_heap_del(&g->timers, &g->sync_timer);
}

void
vrv__prepare(struct vrv_group *g, const struct vrv_now *now)
{
    if (g->state == VRV_GROUP_COMPLETING)
        vrv__hand_out(g, VRV_K_REBALANCE_IN_PROGRESS, now);
    forget_next(g);
    no_sync_due(g);
    g->initial = g->state == VRV_GROUP_EMPTY;
    vrv__group_move(g, VRV_GROUP_PREPARING, now);
    if (g->initial) {
        int64_t left = rebalance_ms(g) - g->env->config->initial_rebalance_delay_ms;

        g->joined_meanwhile = false;
        g->delay_ms = g->env->config->initial_rebalance_delay_ms;
        g->delay_left_ms = left > 0 ? left : 0;
        arm(g, &g->join_timer, g->delay_ms, now);
    } else if (all_joined(g))
        complete(g, now);
    else
        arm(g, &g->join_timer, rebalance_ms(g), now);
}

void
vrv__prepare_or_complete(struct vrv_group *g, const struct vrv_now *now)
{
    if (g->state == VRV_GROUP_PREPARING)
        complete_if_all(g, now);
    else
        vrv__prepare(g, now);
}

/* ---- time ---- */

int64_t
vrv_group_deadline(const struct vrv_group *g)
{
    const struct vrv_timer *t = vrv_heap_first(&g->timers);

    return t != NULL ? t->ns : INT64_MAX;
}

/* While members keep coming the first rebalance is put off, until the longest rebalance time-out
 * among them has passed. */
static void
join_time_up(struct vrv_group *g, const struct vrv_now *now)
{
    int64_t before_ms = g->delay_ms;

    if (!g->initial || !g->joined_meanwhile || g->delay_left_ms == 0) {
        complete(g, now);
        return;
    }
    g->joined_meanwhile = false;
    g->delay_ms = g->env->config->initial_rebalance_delay_ms;
    if (g->delay_ms > g->delay_left_ms)
        g->delay_ms = g->delay_left_ms;
    g->delay_left_ms = g->delay_left_ms > before_ms ? g->delay_left_ms - before_ms : 0;
    arm(g, &g->join_timer, g->delay_ms, now);
}

static void
sync_time_up(struct vrv_group *g, const struct vrv_now *now)
{
    bool any = false;

    for (struct vrv_list *l = g->members.next, *next; l != &g->members; l = next) {
        next = l->next;
        if (member_at(l)->sync_due) {
            any = true;
            vrv__group_remove(g, member_at(l), VRV_K_UNKNOWN_MEMBER_ID);
        }
    }
    if (any)
        vrv__prepare(g, now);
}

static void
session_over(struct vrv_group *g, struct vrv_member *m, const struct vrv_now *now)
{
    bool pending = m->pending;

    /* who waits for us isn't silent; but a first join must not wait for ever (its client may be
     * gone, and have joined again under another id) */
    if (!m->is_new && (m->join != NULL || m->sync != NULL))
        return;
    vrv__group_remove(g, m, VRV_K_UNKNOWN_MEMBER_ID);
    if (g->state == VRV_GROUP_PREPARING) {
        if (all_joined(g))
            complete(g, now);
    } else if (!pending)
        vrv__prepare(g, now);
}

void
vrv_group_expire(struct vrv_group *g, const struct vrv_now *now)
{
    struct vrv_timer *t;

    while ((t = vrv_heap_first(&g->timers)) != NULL && t->ns <= now->mono_ns) {
        vrv_heap_del(&g->timers, t);
        if (t == &g->join_timer)
            join_time_up(g, now);
        else if (t == &g->sync_timer)
            sync_time_up(g, now);
        else
            session_over(g, VRV_TIMER_OF(t, struct vrv_member, timer), now);
    }
}
