#include "server/group/group_int.h"

#include "engine/base/assert.h"

const char *
vrv_group_state_name(enum vrv_group_state s)
{
    static const char *const names[] = { "Empty", "PreparingRebalance", "CompletingRebalance",
        "Stable", "Dead" };

    return names[s];
}

void
vrv_group_config_default(struct vrv_group_config *c)
{
    *c = (struct vrv_group_config){
        .initial_rebalance_delay_ms = 3000,
        .min_session_ms = 6000,
        .max_session_ms = 1800000,
        .max_size = VRV_GROUP_MEMBERS_MAX,
        .metadata_max = 4096,
        .retention_ms = (int64_t)7 * 24 * 3600 * 1000,
        .retention_check_ms = 600000,
        .memory_bytes = (size_t)256 << 20,
    };
}

void
vrv__group_move(struct vrv_group *g, enum vrv_group_state to, const struct vrv_now *now)
{
    static const unsigned from[] = {
        [VRV_GROUP_EMPTY] = 1u << VRV_GROUP_PREPARING,
        [VRV_GROUP_PREPARING] =
            1u << VRV_GROUP_EMPTY | 1u << VRV_GROUP_COMPLETING | 1u << VRV_GROUP_STABLE,
        [VRV_GROUP_COMPLETING] = 1u << VRV_GROUP_PREPARING,
        [VRV_GROUP_STABLE] = 1u << VRV_GROUP_COMPLETING,
        [VRV_GROUP_DEAD] = ~0u,
    };

    VRV_ASSERT(from[to] & 1u << g->state);
    g->previous = g->state;
    g->state = to;
    if (now != NULL)
        g->since_ms = now->wall_ms;
}

/* ---- life ---- */

static int
cmp_id(const void *key, const struct vrv_omap_node *n)
{
    return vrv_span_cmp(*(const struct vrv_span *)key,
        VRV_OMAP_OF(n, struct vrv_member, by_id)->id);
}

static int
cmp_instance(const void *key, const struct vrv_omap_node *n)
{
    return vrv_span_cmp(*(const struct vrv_span *)key,
        VRV_OMAP_OF(n, struct vrv_member, by_instance)->instance);
}

struct vrv_group *
vrv_group_new(const struct vrv_group_env *env, struct vrv_span id, const struct vrv_now *now)
{
    struct vrv_group *g = VRV_NEW(struct vrv_group);

    g->env = env;
    g->id = vrv_span_dup(id);
    g->previous = VRV_GROUP_DEAD;
    g->since_ms = now->wall_ms;
    vrv_list_init(&g->members);
    vrv_omap_init(&g->by_id, cmp_id);
    vrv_omap_init(&g->pending, cmp_id);
    vrv_omap_init(&g->by_instance, cmp_instance);
    vrv_offsets_init(&g->offsets, env->used);
    atomic_fetch_add(env->used, sizeof(*g) + id.n);
    return g;
}

static struct vrv_member *
first(const struct vrv_group *g)
{
    return vrv_list_empty(&g->members) ? NULL
                                       : VRV_LIST_OF(g->members.next, struct vrv_member, link);
}

static void
forget_topics(struct vrv_group *g)
{
    for (uint32_t i = 0; i < g->topic_n; i++)
        vrv_span_free(&g->topics[i]);
    g->topic_n = 0;
    g->topics_known = false;
}

static void
remove_all(struct vrv_group *g, int error)
{
    struct vrv_omap_node *n;
    struct vrv_member *m;

    while ((m = first(g)) != NULL)
        vrv__group_remove(g, m, error);
    while ((n = vrv_omap_first(&g->pending)) != NULL)
        vrv__group_remove(g, VRV_OMAP_OF(n, struct vrv_member, by_id), error);
}

void
vrv_group_drop(struct vrv_group *g, int error)
{
    remove_all(g, error);
    vrv_heap_del(&g->timers, &g->join_timer);
    vrv_heap_del(&g->timers, &g->sync_timer);
    vrv__group_move(g, VRV_GROUP_DEAD, NULL);
}

void
vrv_group_free(struct vrv_group **gp)
{
    struct vrv_group *g = *gp;

    if (g == NULL)
        return;
    VRV_ASSERT(g->by_id.n == 0 && g->pending.n == 0);
    vrv_offsets_fini(&g->offsets);
    forget_topics(g);
    free(g->topics);
    for (uint32_t i = 0; i < g->protocol_n; i++)
        vrv_span_free(&g->protocols[i].name);
    free(g->protocols);
    vrv_heap_fini(&g->timers);
    atomic_fetch_sub(g->env->used, sizeof(*g) + g->id.n);
    vrv_span_free(&g->protocol_type);
    vrv_span_free(&g->protocol);
    vrv_span_free(&g->id);
    free(g);
    *gp = NULL;
}

static void
load_member(struct vrv_group *g, const struct vrv_member_image *im, const struct vrv_grec *rec)
{
    struct vrv_span instance = im->instance;

    /* no well-behaved writer stores an id twice; what is there first counts */
    if (vrv__group_member(g, im->id) != NULL)
        return;
    if (instance.p != NULL && vrv__group_static(g, instance) != NULL)
        instance = VRV_SPAN_NULL;
    struct vrv_member *m = vrv__member_new(im->id, instance);
    struct vrv_join_protocol p = { rec->image.protocol, im->subscription };
    vrv__member_set_client(m, im->client_id, im->client_host);
    vrv__member_set_assignment(m, im->assignment);
    m->session_ms = im->session_ms;
    m->rebalance_ms = im->rebalance_ms >= 0 ? im->rebalance_ms : im->session_ms;
    vrv__group_add(g, m, rec->image.protocol_type);
    vrv__group_set_protocols(g, m, &p, 1);
}

void
vrv_group_load(struct vrv_group *g, struct vrv_grec *rec)
{
    struct vrv_member_image im;

    remove_all(g, 0);
    vrv_span_free(&g->protocol_type);
    vrv_span_free(&g->protocol);
    if (rec->image.protocol_type.n > 0)
        g->protocol_type = vrv_span_dup(rec->image.protocol_type);
    g->protocol = vrv_span_dup(rec->image.protocol);
    g->generation = rec->image.generation;
    for (int32_t i = 0; i < rec->member_n; i++) {
        vrv_grec_member(rec, &im);
        load_member(g, &im, rec);
    }
    struct vrv_member *leader = rec->image.leader.p != NULL
        ? vrv__group_member(g, rec->image.leader)
        : NULL;
    g->leader = leader != NULL ? leader : first(g);
    g->state = g->by_id.n > 0 ? VRV_GROUP_STABLE : VRV_GROUP_EMPTY;
    g->since_ms = rec->image.since_ms;
    vrv__group_learn_topics(g);
}

void
vrv_group_loaded(struct vrv_group *g, const struct vrv_now *now)
{
    for (struct vrv_list *l = g->members.next; l != &g->members; l = l->next) {
        struct vrv_member *m = VRV_LIST_OF(l, struct vrv_member, link);

        vrv__session(g, m, m->session_ms, now);
    }
    if (vrv_group_size(g) > (uint32_t)g->env->config->max_size)
        vrv__prepare(g, now);
}

void
vrv_group_image_of(const struct vrv_group *g, struct vrv_group_image *image,
    struct vrv_member_image **members, int32_t *member_n)
{
    struct vrv_member_image *im = vrv_mem_zero((g->by_id.n + 1) * sizeof(*im));
    int32_t n = 0;

    for (struct vrv_list *l = g->members.next; l != &g->members; l = l->next) {
        const struct vrv_member *m = VRV_LIST_OF(l, struct vrv_member, link);

        im[n++] = (struct vrv_member_image){ m->id, m->instance, m->client_id, m->client_host,
            m->rebalance_ms, m->session_ms,
            g->protocol.p != NULL ? vrv__member_metadata(m, g->protocol) : VRV_SPAN_EMPTY,
            m->next_assignment.p != NULL ? m->next_assignment : m->assignment };
    }
    *image = (struct vrv_group_image){
        .protocol_type = g->protocol_type.p != NULL ? g->protocol_type : VRV_SPAN_EMPTY,
        .generation = g->generation,
        .protocol = g->protocol,
        .leader = g->leader != NULL ? g->leader->id : VRV_SPAN_NULL,
        .since_ms = g->since_ms,
    };
    *members = im;
    *member_n = n;
}

/* ---- members ---- */

static struct vrv_member *
find(const struct vrv_omap *map, struct vrv_span id)
{
    struct vrv_omap_node *n = vrv_omap_find(map, &id);

    return n != NULL ? VRV_OMAP_OF(n, struct vrv_member, by_id) : NULL;
}

struct vrv_member *
vrv__group_member(const struct vrv_group *g, struct vrv_span id)
{
    return find(&g->by_id, id);
}

struct vrv_member *
vrv__group_pending(const struct vrv_group *g, struct vrv_span id)
{
    return find(&g->pending, id);
}

struct vrv_member *
vrv__group_static(const struct vrv_group *g, struct vrv_span instance)
{
    struct vrv_omap_node *n = vrv_omap_find(&g->by_instance, &instance);

    return n != NULL ? VRV_OMAP_OF(n, struct vrv_member, by_instance) : NULL;
}

int
vrv__group_check_member(const struct vrv_group *g, struct vrv_span id, struct vrv_span instance)
{
    if (instance.p != NULL) {
        const struct vrv_member *m = vrv__group_static(g, instance);

        if (m == NULL)
            return VRV_K_UNKNOWN_MEMBER_ID;
        if (!vrv_span_eq(m->id, id))
            return VRV_K_FENCED_INSTANCE_ID;
    }
    return vrv__group_member(g, id) != NULL ? 0 : VRV_K_UNKNOWN_MEMBER_ID;
}

void
vrv__group_count(struct vrv_group *g, struct vrv_member *m)
{
    size_t n = vrv__member_bytes(m);

    atomic_fetch_add(g->env->used, n - m->counted);
    m->counted = n;
}

bool
vrv__group_memory_full(const struct vrv_group *g)
{
    return atomic_load(g->env->used) > g->env->config->memory_bytes;
}

/* How many members have each protocol; one that a member names twice counts once. */
static void
count_protocols(struct vrv_group *g, const struct vrv_member *m, int by)
{
    for (uint32_t i = 0; i < m->protocol_n; i++) {
        struct vrv_span name = m->protocols[i].name;
        uint32_t at = 0;
        bool twice = false;

        for (uint32_t k = 0; k < i && !twice; k++)
            twice = vrv_span_eq(m->protocols[k].name, name);
        if (twice)
            continue;
        while (at < g->protocol_n && !vrv_span_eq(g->protocols[at].name, name))
            at++;
        if (at == g->protocol_n) {
            VRV_PUSH_ROOM(g->protocols, g->protocol_n, g->protocol_cap);
            g->protocols[g->protocol_n++] = (struct vrv_protocol_count){ vrv_span_dup(name), 0 };
        }
        g->protocols[at].n += (uint32_t)by;
        if (g->protocols[at].n == 0) {
            vrv_span_free(&g->protocols[at].name);
            g->protocols[at] = g->protocols[--g->protocol_n];
        }
    }
}

void
vrv__group_swap_protocols(struct vrv_group *g, struct vrv_member *m, struct vrv_join_protocol **p,
    uint32_t *n)
{
    struct vrv_join_protocol *had = m->protocols;
    uint32_t had_n = m->protocol_n;

    count_protocols(g, m, -1);
    m->protocols = *p;
    m->protocol_n = *n;
    count_protocols(g, m, 1);
    vrv__group_count(g, m);
    *p = had;
    *n = had_n;
}

void
vrv__group_set_protocols(struct vrv_group *g, struct vrv_member *m,
    const struct vrv_join_protocol *p, uint32_t n)
{
    struct vrv_join_protocol *copy = vrv__protocols_dup(p, n);

    vrv__group_swap_protocols(g, m, &copy, &n);
    vrv__protocols_free(copy, n);
}

void
vrv__group_add(struct vrv_group *g, struct vrv_member *m, struct vrv_span protocol_type)
{
    if (g->by_id.n == 0) {
        vrv_span_free(&g->protocol_type);
        g->protocol_type = vrv_span_dup(protocol_type);
    }
    if (g->leader == NULL)
        g->leader = m;
    vrv_list_push(&g->members, &m->link);
    vrv_omap_insert(&g->by_id, &m->id, &m->by_id);
    if (m->instance.p != NULL)
        vrv_omap_insert(&g->by_instance, &m->instance, &m->by_instance);
    vrv__group_count(g, m);
}

void
vrv__group_add_pending(struct vrv_group *g, struct vrv_member *m)
{
    m->pending = true;
    vrv_omap_insert(&g->pending, &m->id, &m->by_id);
    vrv__group_count(g, m);
}

static void
fail_waiting(struct vrv_group *g, struct vrv_member *m, int error)
{
    struct vrv_join *join = m->join;
    struct vrv_sync *sync = m->sync;

    if (join != NULL) {
        m->join = NULL;
        g->waiting--;
        vrv__join_fail(g, join, error,
            error == VRV_K_FENCED_INSTANCE_ID ? m->id : VRV_SPAN_EMPTY);
    }
    if (sync != NULL) {
        m->sync = NULL;
        vrv__sync_fail(g, sync, error);
    }
}

void
vrv_group_cancel(struct vrv_group *g, struct vrv_group_call *c, int error,
    const struct vrv_now *now)
{
    struct vrv_member *m = c->waits;

    if (m == NULL)
        return;
    fail_waiting(g, m, error);
    m->is_new = false;
    vrv__session(g, m, m->session_ms, now);
}

void
vrv__group_remove(struct vrv_group *g, struct vrv_member *m, int error)
{
    fail_waiting(g, m, error);
    vrv_heap_del(&g->timers, &m->timer);
    (void)vrv_omap_remove(m->pending ? &g->pending : &g->by_id, &m->id);
    if (!m->pending) {
        count_protocols(g, m, -1);
        vrv_list_del(&m->link);
        if (m->instance.p != NULL)
            (void)vrv_omap_remove(&g->by_instance, &m->instance);
        if (g->leader == m)
            g->leader = first(g);
    }
    atomic_fetch_sub(g->env->used, m->counted);
    vrv__member_free(m);
}

void
vrv__group_rename(struct vrv_group *g, struct vrv_member *m, struct vrv_span id, int error)
{
    fail_waiting(g, m, error);
    (void)vrv_omap_remove(&g->by_id, &m->id);
    vrv_span_free(&m->id);
    m->id = vrv_span_dup(id);
    vrv_omap_insert(&g->by_id, &m->id, &m->by_id);
    vrv__group_count(g, m);
}

/* ---- protocols ---- */

static bool
all_have(const struct vrv_group *g, struct vrv_span name)
{
    for (uint32_t i = 0; i < g->protocol_n; i++)
        if (vrv_span_eq(g->protocols[i].name, name))
            return g->protocols[i].n == g->by_id.n;
    return g->by_id.n == 0;
}

bool
vrv__group_supports(const struct vrv_group *g, const struct vrv_join *c)
{
    if (g->state == VRV_GROUP_EMPTY)
        return c->protocol_type.n > 0 && c->protocol_n > 0;
    if (g->protocol_type.p == NULL || !vrv_span_eq(g->protocol_type, c->protocol_type))
        return false;
    for (uint32_t i = 0; i < c->protocol_n; i++)
        if (all_have(g, c->protocols[i].name))
            return true;
    return false;
}

static uint32_t *
vote_of(const struct vrv_group *g, const struct vrv_member *m, uint32_t *votes)
{
    for (uint32_t i = 0; i < m->protocol_n; i++)
        for (uint32_t k = 0; k < g->protocol_n; k++)
            if (g->protocols[k].n == g->by_id.n &&
                vrv_span_eq(g->protocols[k].name, m->protocols[i].name))
                return &votes[k];
    return NULL;
}

struct vrv_span
vrv__group_vote(const struct vrv_group *g)
{
    uint32_t *votes = vrv_mem_zero((g->protocol_n + 1) * sizeof(*votes));
    uint32_t best = 0;

    VRV_ASSERT(g->by_id.n > 0);
    for (struct vrv_list *l = g->members.next; l != &g->members; l = l->next) {
        uint32_t *vote = vote_of(g, VRV_LIST_OF(l, struct vrv_member, link), votes);

        /* every join was checked to leave one that all have */
        VRV_ASSERT(vote != NULL);
        (*vote)++;
    }
    for (uint32_t i = 1; i < g->protocol_n; i++)
        if (votes[i] > votes[best])
            best = i;
    free(votes);
    return g->protocols[best].name;
}

/* ---- what the members read ---- */

static bool
for_consumers(const struct vrv_group *g)
{
    return g->protocol_type.p != NULL && vrv_span_eq(g->protocol_type, vrv_span_str("consumer"));
}

static void
add_topic(void *ctx, struct vrv_span topic)
{
    struct vrv_group *g = ctx;

    VRV_PUSH_ROOM(g->topics, g->topic_n, g->topic_cap);
    g->topics[g->topic_n++] = topic;
}

static int
cmp_topic(const void *a, const void *b)
{
    return vrv_span_cmp(*(const struct vrv_span *)a, *(const struct vrv_span *)b);
}

/* Of the protocol that was chosen; all or nothing. */
void
vrv__group_learn_topics(struct vrv_group *g)
{
    uint32_t n = 0;

    forget_topics(g);
    if (!for_consumers(g) || (g->by_id.n > 0 && g->protocol.p == NULL))
        return;
    for (struct vrv_list *l = g->members.next; l != &g->members; l = l->next) {
        const struct vrv_member *m = VRV_LIST_OF(l, struct vrv_member, link);

        if (vrv_subscription_topics(vrv__member_metadata(m, g->protocol), add_topic, g) < 0) {
            g->topic_n = 0; /* borrowed so far */
            return;
        }
    }
    g->topics_known = true;
    if (g->topic_n == 0)
        return;
    qsort(g->topics, g->topic_n, sizeof(*g->topics), cmp_topic);
    for (uint32_t i = 0; i < g->topic_n; i++)
        if (i == 0 || !vrv_span_eq(g->topics[i], g->topics[n - 1]))
            g->topics[n++] = vrv_span_dup(g->topics[i]);
    g->topic_n = n;
}

bool
vrv_group_subscribes(const struct vrv_group *g, struct vrv_span topic)
{
    if (!g->topics_known)
        return for_consumers(g);
    return g->topic_n > 0 &&
        bsearch(&topic, g->topics, g->topic_n, sizeof(*g->topics), cmp_topic) != NULL;
}

struct vrv_offsets_rule
vrv_group_expiry(const struct vrv_group *g)
{
    struct vrv_offsets_rule rule = { VRV_SINCE_NEVER, -1, g->env->config->retention_ms };

    if (g->protocol_type.p == NULL)
        rule.since = VRV_SINCE_COMMIT;
    else if (g->state == VRV_GROUP_EMPTY) {
        rule.since = VRV_SINCE_EMPTY;
        rule.empty_ms = g->since_ms;
    } else if (g->state == VRV_GROUP_STABLE && for_consumers(g) && g->topics_known)
        rule.since = VRV_SINCE_COMMIT;
    return rule;
}

int
vrv_group_may_delete_offsets(const struct vrv_group *g)
{
    if (g->state == VRV_GROUP_DEAD)
        return VRV_K_GROUP_ID_NOT_FOUND;
    return g->state == VRV_GROUP_EMPTY || for_consumers(g) ? 0 : VRV_K_NON_EMPTY_GROUP;
}

int
vrv_group_may_delete(const struct vrv_group *g)
{
    if (g->state == VRV_GROUP_DEAD)
        return VRV_K_GROUP_ID_NOT_FOUND;
    return g->state == VRV_GROUP_EMPTY ? 0 : VRV_K_NON_EMPTY_GROUP;
}

/* ---- answers ---- */

static void
answer(struct vrv_group *g, struct vrv_group_call *c, int error)
{
    c->error = error;
    c->waits = NULL;
    g->env->answer(g->env->ctx, c);
}

void
vrv__join_fail(struct vrv_group *g, struct vrv_join *c, int error, struct vrv_span id)
{
    c->generation = -1;
    c->leader = VRV_SPAN_EMPTY;
    c->out_member_id = vrv__answer_span(&c->call, id);
    answer(g, &c->call, error);
}

void
vrv__sync_fail(struct vrv_group *g, struct vrv_sync *c, int error)
{
    c->assignment = VRV_SPAN_EMPTY;
    answer(g, &c->call, error);
}

static void
give_members(const struct vrv_group *g, struct vrv_join *c)
{
    c->members = vrv__answer_alloc(&c->call, g->by_id.n * sizeof(*c->members));
    for (struct vrv_list *l = g->members.next; l != &g->members; l = l->next) {
        const struct vrv_member *m = VRV_LIST_OF(l, struct vrv_member, link);

        c->members[c->member_n++] = (struct vrv_joined_member){
            vrv__answer_span(&c->call, m->id),
            vrv__answer_span(&c->call, m->instance),
            vrv__answer_span(&c->call, vrv__member_metadata(m, g->protocol)),
        };
    }
}

void
vrv__join_answer(struct vrv_group *g, struct vrv_join *c, struct vrv_member *m,
    enum vrv__join_as as)
{
    if (m->join == c) {
        m->join = NULL;
        g->waiting--;
    }
    c->generation = g->generation;
    c->out_member_id = vrv__answer_span(&c->call, m->id);
    c->out_protocol_type = vrv__answer_span(&c->call, g->protocol_type);
    c->out_protocol = vrv__answer_span(&c->call, g->protocol);
    if (as != VRV__JOIN_RESUMED)
        c->leader = vrv__answer_span(&c->call, g->leader->id);
    c->skip_assignment = as == VRV__JOIN_SKIP;
    if (as == VRV__JOIN_LEADER || as == VRV__JOIN_SKIP)
        give_members(g, c);
    answer(g, &c->call, 0);
}

void
vrv__sync_answer(struct vrv_group *g, struct vrv_sync *c, const struct vrv_member *m)
{
    c->out_protocol_type = vrv__answer_span(&c->call, g->protocol_type);
    c->out_protocol = vrv__answer_span(&c->call, g->protocol);
    c->assignment = vrv__answer_span(&c->call, m->assignment);
    answer(g, &c->call, 0);
}
