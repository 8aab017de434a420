#include "t/lib/grouprig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"

enum { PARTITIONS = 4, TEXTS = 16, TEXT_BYTES = 256, ROUNDS = 100000 };

static void
failed(void *ctx, int32_t partition, const struct vrv_err *e)
{
    (void)partition;
    ((struct grouprig *)ctx)->failed = *e;
}

void
grouprig_init(struct grouprig *g, uint64_t seed)
{
    memset(g, 0, sizeof(*g));
    rig_init(&g->rig, seed);
    int rc = vrv_cq_init(&g->cq, 0);
    VRV_ASSERT(rc == 0);
    vrv_coord_opts_default(&g->o);
    g->o.clock = &g->rig.clock.clock;
    g->o.random = seed;
    g->o.partitions = PARTITIONS;
    g->o.config.initial_rebalance_delay_ms = 0;
    g->o.failed = failed;
    g->o.ctx = g;
}

static void
take(struct grouprig *g)
{
    struct vrv_done *d;

    while ((d = vrv_cq_take(&g->cq, 0)) != NULL)
        d->cq = NULL;
}

static void
let_go(struct grouprig *g)
{
    if (g->c != NULL)
        vrv_coord_stop(g->c);
    take(g);
}

void
grouprig_fini(struct grouprig *g)
{
    let_go(g);
    rig_fini(&g->rig);
    vrv_coord_free(&g->c);
    vrv_cq_fini(&g->cq);
}

void
grouprig_up(struct grouprig *g)
{
    struct vrv_uuid id = { { 0x67, 0x67 } }, t;
    struct vrv_err e;
    int32_t n;

    rig_up(&g->rig);
    int rc = vrv_coord_make_topic(g->rig.eng, id, &g->o.partitions, 104857600, &e);
    VRV_ASSERT(rc == 0);
    if (!vrv_catalog_find(vrv_engine_catalog(g->rig.eng), "t", &t, &n))
        rig_topic(&g->rig, "t", 1, "");
    g->o.eng = g->rig.eng;
    g->o.random++; /* ids are never made twice */
    g->c = vrv_coord_new(&g->o);
    for (int32_t i = 0; i < g->o.partitions; i++)
        vrv_coord_gained(g->c, i, vrv_catalog_epoch(vrv_engine_catalog(g->rig.eng), &id, i));
    grouprig_run(g);
}

void
grouprig_down(struct grouprig *g)
{
    let_go(g);
    int rc = rig_close(&g->rig);
    VRV_ASSERT(rc == 0);
    vrv_coord_free(&g->c);
}

void
grouprig_crash(struct grouprig *g, uint64_t seed)
{
    let_go(g);
    rig_crash(&g->rig, (enum sim_policy)(seed % SIM_POLICY_COUNT), seed);
    vrv_coord_free(&g->c);
}

void
grouprig_step(struct grouprig *g)
{
    int64_t now_ns = g->rig.clock.clock.mono_ns(&g->rig.clock.clock);

    for (int i = 0; i < 3 || vrv_coord_step(g->c) <= now_ns; i++) {
        VRV_ASSERT(i < ROUNDS); /* something is due for ever */
        (void)vrv_coord_step(g->c);
    }
    take(g);
}

void
grouprig_run(struct grouprig *g)
{
    for (int i = 0; i < 3; i++) {
        rig_commit(&g->rig);
        grouprig_step(g);
    }
}

void
grouprig_pass(struct grouprig *g, int64_t ms)
{
    int64_t to_ns = g->rig.clock.clock.mono_ns(&g->rig.clock.clock) + ms * 1000000;

    for (;;) {
        grouprig_run(g);
        int64_t now_ns = g->rig.clock.clock.mono_ns(&g->rig.clock.clock);
        int64_t next_ns = vrv_coord_step(g->c);
        int64_t left_ms = ((next_ns < to_ns ? next_ns : to_ns) - now_ns + 999999) / 1000000;

        if (now_ns >= to_ns)
            return;
        simclock_advance_ms(&g->rig.clock, left_ms > 0 ? left_ms : 1);
    }
}

struct vrv_span
grouprig_subscription(const char *topic)
{
    static uint8_t buf[TEXTS][TEXT_BYTES];
    static unsigned at;
    uint8_t *p = buf[at++ % TEXTS];
    size_t n = strlen(topic);

    VRV_ASSERT(n < TEXT_BYTES - 12);
    memset(p, 0, 8);
    p[5] = 1;
    vrv_put_be16(p + 6, (uint16_t)n);
    memcpy(p + 8, topic, n);
    vrv_put_be32(p + 8 + n, UINT32_MAX);
    return (struct vrv_span){ p, (uint32_t)n + 12 };
}

const char *
grouprig_text(struct vrv_span s)
{
    static char buf[TEXTS][TEXT_BYTES];
    static unsigned at;
    char *p = buf[at++ % TEXTS];

    (void)snprintf(p, TEXT_BYTES, "%.*s", s.p != NULL ? (int)s.n : 6,
        s.p != NULL ? (const char *)s.p : "(null)");
    return p;
}

/* ---- calls ---- */

static void
ready(struct grouprig *g, struct vrv_group_call *c)
{
    c->done.cq = &g->cq;
}

void
grouprig_join(struct grouprig *g, struct vrv_join *c, const char *group, const char *member)
{
    static struct vrv_join_protocol range;

    if (c->protocols == NULL) {
        range = (struct vrv_join_protocol){ vrv_span_str("range"), grouprig_subscription("t") };
        c->protocols = &range;
        c->protocol_n = 1;
    }
    c->group = vrv_span_str(group);
    c->member_id = vrv_span_str(member);
    if (c->protocol_type.p == NULL)
        c->protocol_type = vrv_span_str("consumer");
    c->client_id = vrv_span_str("client");
    c->client_host = vrv_span_str("/127.0.0.1");
    if (c->session_ms == 0)
        c->session_ms = 10000;
    if (c->rebalance_ms == 0)
        c->rebalance_ms = 30000;
    ready(g, &c->call);
    vrv_coord_join(g->c, c);
}

void
grouprig_sync(struct grouprig *g, struct vrv_sync *c, const char *group, const char *member,
    int32_t generation)
{
    c->group = vrv_span_str(group);
    c->member_id = vrv_span_str(member);
    c->generation = generation;
    ready(g, &c->call);
    vrv_coord_sync(g->c, c);
}

static int
finish(struct grouprig *g, struct vrv_group_call *c)
{
    grouprig_run(g);
    VRV_ASSERT(grouprig_posted(c));
    vrv_group_call_fini(c);
    return c->error;
}

int
grouprig_heartbeat(struct grouprig *g, const char *group, const char *member, int32_t generation)
{
    struct vrv_heartbeat c = { .group = vrv_span_str(group), .member_id = vrv_span_str(member),
        .generation = generation };

    ready(g, &c.call);
    vrv_coord_heartbeat(g->c, &c);
    return finish(g, &c.call);
}

int
grouprig_leave(struct grouprig *g, const char *group, const char *member, const char *instance)
{
    struct vrv_leaver who = { vrv_span_str(member), vrv_span_str(instance), 0 };
    struct vrv_leave c = { .group = vrv_span_str(group), .members = &who, .member_n = 1 };

    ready(g, &c.call);
    vrv_coord_leave(g->c, &c);
    int rc = finish(g, &c.call);
    return rc != 0 ? rc : who.error;
}

int
grouprig_commit(struct grouprig *g, const char *group, const char *topic, int32_t partition,
    int64_t offset)
{
    struct vrv_commit_item it = { .topic = vrv_span_str(topic), .partition = partition,
        .leader_epoch = -1, .offset = offset };
    struct vrv_offset_commit c = { .group = vrv_span_str(group), .member_id = VRV_SPAN_EMPTY,
        .generation = -1, .retention_ms = -1, .items = &it, .item_n = 1 };

    ready(g, &c.call);
    vrv_coord_commit(g->c, &c);
    int rc = finish(g, &c.call);
    return rc != 0 ? rc : it.error;
}

int64_t
grouprig_fetch(struct grouprig *g, const char *group, const char *topic, int32_t partition)
{
    struct vrv_fetch_item it = { .topic = vrv_span_str(topic), .partition = partition };
    struct vrv_offset_fetch c = { .group = vrv_span_str(group), .items = &it, .item_n = 1 };

    ready(g, &c.call);
    vrv_coord_fetch(g->c, &c);
    int rc = finish(g, &c.call);
    return rc != 0 ? -1000 - rc : it.offset;
}

int
grouprig_delete(struct grouprig *g, const char *group)
{
    struct vrv_delete_group c = { .group = vrv_span_str(group) };

    ready(g, &c.call);
    vrv_coord_delete_group(g->c, &c);
    return finish(g, &c.call);
}

int
grouprig_delete_offset(struct grouprig *g, const char *group, const char *topic, int32_t partition)
{
    struct vrv_delete_item it = { vrv_span_str(topic), partition, 0 };
    struct vrv_offset_delete c = { .group = vrv_span_str(group), .items = &it, .item_n = 1 };

    ready(g, &c.call);
    vrv_coord_delete_offsets(g->c, &c);
    int rc = finish(g, &c.call);
    return rc != 0 ? rc : it.error;
}

const char *
grouprig_state(struct grouprig *g, const char *group)
{
    struct vrv_describe_group c = { .group = vrv_span_str(group) };

    ready(g, &c.call);
    vrv_coord_describe(g->c, &c);
    int rc = finish(g, &c.call);
    return rc != 0 ? vrv_kerror_name(rc) : c.state;
}
