#include "t/lib/apirig.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"

enum { ARENA_MAX = 64 << 20, SESSIONS_MAX = 100, POOL_MS = 60000 };

void
apirig_init(struct apirig *a, uint64_t seed)
{
    memset(a, 0, sizeof(*a));
    rig_init(&a->rig, seed);
    vrv_arena_init(&a->arena, ARENA_MAX);
    int rc = vrv_cq_init(&a->cq, 0);
    VRV_ASSERT(rc == 0);
}

void
apirig_up(struct apirig *a)
{
    struct vrv_err e;

    rig_up(&a->rig);
    a->endpoint = (struct vrv_endpoint){ "PLAINTEXT", "localhost", 9092 };
    a->b = (struct vrv_broker){ .engine = a->rig.eng, .clock = &a->rig.clock.clock, .node_id = 1,
        .cluster_id = "rig", .endpoint = &a->endpoint, .endpoint_n = 1, .num_partitions = 1,
        .max_partitions = 1000, .request_timeout_ms = 1000, .auto_create = true,
        .fetch_max_bytes = 1 << 20, .cold_wait_ms = 500, .cold_lookup_ms = 30000, .waiting_max = 1 << 20 };
    vrv_fetch_sessions_init(&a->b.sessions, SESSIONS_MAX, a->rig.o.random);
    vrv_producer_ids_init(&a->b.ids);
    int rc = vrv_pool_start(&a->b.pool, "rig", 1, &e);
    VRV_ASSERT(rc == 0);
    a->b.large = a->b.cold = a->b.pool;
    for (int i = 0; i < APIRIG_CLIENTS; i++)
        vrv_client_init(&a->client[i], &a->b, &a->spares, &a->endpoint, "127.0.0.1");
}

/* Who still waits is told that nobody waits for its answer. */
static void
let_go(struct apirig *a)
{
    if (a->b.engine == NULL)
        return;
    for (int i = 0; i < APIRIG_CLIENTS; i++)
        vrv_client_gone(&a->client[i]);
    apirig_step(a);
    while (a->calls != NULL)
        apirig_forget(a, a->calls);
    vrv_pool_stop(&a->b.pool);
    vrv_fetch_sessions_fini(&a->b.sessions);
    vrv_producer_ids_fini(&a->b.ids);
    vrv_spares_fini(&a->spares);
    a->b.engine = NULL;
}

void
apirig_crash(struct apirig *a, uint64_t seed)
{
    let_go(a);
    rig_crash(&a->rig, (enum sim_policy)(seed % SIM_POLICY_COUNT), seed);
}

void
apirig_fini(struct apirig *a)
{
    let_go(a);
    rig_fini(&a->rig);
    vrv_cq_fini(&a->cq);
    vrv_arena_fini(&a->arena);
}

/* ---- requests ---- */

void
apirig_forget(struct apirig *a, struct apirig_call *c)
{
    struct apirig_call **p = &a->calls;

    VRV_ASSERT(c->answered);
    while (*p != c)
        p = &(*p)->next;
    *p = c->next;
    vrv_request_free(c->r);
}

static void
done(struct vrv_call *call)
{
    struct apirig_call *c = (struct apirig_call *)call->conn;

    VRV_ASSERT(!c->answered);
    c->answered = true;
}

/* The bytes of a frame behind its length. */
static void
write_request(struct vrv_out *out, const struct apirig_call *c, const void *message)
{
    uint8_t *p = vrv_out_room(out, 10);

    memset(p, 0, 10);
    vrv_put_be16(p, (uint16_t)c->api->key);
    vrv_put_be16(p + 2, (uint16_t)c->version);
    if (vrv_api_flexible(c->api, c->version))
        *vrv_out_room(out, 1) = 0;
    vrv_wire_write(c->api->req(), vrv_wire_version(c->api, c->version), message, out);
}

void
apirig_send(struct apirig *a, struct apirig_call *c, int16_t key, int16_t version,
    const void *message)
{
    struct vrv_out out = { 0 };
    struct vrv_err e = { 0 };

    *c = (struct apirig_call){ .api = vrv_api_find(key), .version = version, .next = a->calls };
    write_request(&out, c, message);
    struct vrv_slab *slab = vrv_slab_get(vrv_engine_env(a->rig.eng)->pool, out.n);
    VRV_ASSERT(slab != NULL && out.slice_n == 0);
    memcpy(slab->data, out.own, out.n);
    int rc = vrv_client_take(&a->client[a->on], slab->data, out.n, slab, &c->r, &e);
    VRV_ASSERT(rc == VRV_CLIENT_TAKEN);
    vrv_slab_unref(slab);
    vrv_out_fini(&out);
    c->r->call.cq = &a->cq;
    c->r->call.conn = (struct vrv_conn *)c; /* there is no other */
    c->r->call.done = done;
    a->calls = c;
    vrv_request_run(c->r);
}

void
apirig_step(struct apirig *a)
{
    struct vrv_done *d;

    while ((d = vrv_cq_take(&a->cq, 0)) != NULL)
        d->run(d);
}

/* ---- answers ---- */

/* Own bytes and slices, which are no files here, in a row. */
static uint8_t *
join(struct apirig *a, const struct vrv_out *o)
{
    uint8_t *bytes = vrv_arena_take(&a->arena, vrv_out_bytes(o)), *p = bytes;
    size_t own = 0;

    for (uint32_t i = 0; i < o->slice_n; i++) {
        const struct vrv_out_slice *s = &o->slice[i];

        VRV_ASSERT(s->slice.kind != VRV_SLICE_FILE);
        memcpy(p, o->own + own, s->at - own);
        memcpy(p + s->at - own, s->slice.bytes, s->slice.n);
        p += s->at - own + s->slice.n;
        own = s->at;
    }
    memcpy(p, o->own + own, o->n - own);
    return bytes;
}

const void *
apirig_answer(struct apirig *a, struct apirig_call *c)
{
    struct vrv_err e = { 0 };

    rig_commit(&a->rig);
    apirig_step(a);
    while (!c->answered) { /* it is the pool's turn */
        struct vrv_done *d = vrv_cq_take(&a->cq, POOL_MS);

        VRV_ASSERT(d != NULL);
        d->run(d);
        rig_commit(&a->rig); /* of what it appended */
        apirig_step(a);
    }
    const struct vrv_out *o = &c->r->call.out;
    size_t at = vrv_api_flexible(c->api, c->version) && c->api->key != VRV_API_api_versions ? 9 : 8;
    void *m = vrv_arena_take(&a->arena, c->api->resp()->size);
    int64_t n = vrv_wire_read(c->api->resp(), vrv_wire_version(c->api, c->version), join(a, o) + at,
        vrv_out_bytes(o) - at, &a->arena, m, &e);
    VRV_ASSERT(n == (int64_t)(vrv_out_bytes(o) - at));
    return m;
}
