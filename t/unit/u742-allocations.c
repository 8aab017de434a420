/*
 * A server in steady state allocates nothing per request: not on a reactor, from the frame to the
 * last byte of the answer.  It is the whole server here, with a client on a thread of its own.
 *
 * All calls of malloc, calloc and realloc come by here (t.mk: --wrap); what the C library allocates
 * inside itself doesn't.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "engine/base/assert.h"
#include "engine/batch/build.h"
#include "server/base/diag.h"
#include "server/main/assemble.h"
#include "server/wire/wire.h"
#include "t/lib/client.h"
#include "t/lib/tap.h"

/* ---- allocations ---- */

static _Atomic bool counting;
static _Atomic unsigned counted;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static void
count(void)
{
    char name[16] = "";

    if (!atomic_load_explicit(&counting, memory_order_relaxed))
        return;
    (void)prctl(PR_GET_NAME, name);
    if (strncmp(name, "varve-net-", 10) == 0)
        (void)atomic_fetch_add(&counted, 1);
}

void *
__wrap_malloc(size_t n)
{
    count();
    return __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
    count();
    return __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
    count();
    return __real_realloc(p, n);
}

/* ---- the server ---- */

static struct vrv_server server;
static struct vrv_config_input in;
static struct client *client;
static struct vrv_err e;

static void
drop_line(void *ctx, const char *line, size_t n)
{
    (void)ctx;
    (void)line;
    (void)n;
}

static void
start(void)
{
    static const char *const args[] = { "listeners=PLAINTEXT://127.0.0.1:0", "admin.listeners=",
        "num.network.threads=1", "num.partitions=20", "group.initial.rebalance.delay.ms=0",
        "flush.policy=none", "memory.bytes=8388608", "wal.bytes=4194304",
        "socket.request.max.bytes=1048576", "queued.max.request.bytes=1048576" };
    char dir[300];

    vrv_diag_to(drop_line, NULL, NULL);
    vrv_config_input_init(&in, NULL, NULL);
    for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
        vrv_config_input_arg(&in, args[i]);
    (void)snprintf(dir, sizeof(dir), "log.dirs=%s/data", tap_dir());
    vrv_config_input_arg(&in, dir);
    struct vrv_config *config = vrv_config_input_done(&in);
    VRV_ASSERT(config != NULL);
    tap_need(vrv_server_start(&server, &in, config, &e), e.msg);
    client = client_new(vrv_net_port(server.net, 0), "allocations");
    tap_need(client_connect(client, &e), e.msg);
}

static void
stop(void)
{
    struct vrv_config *config = server.config;

    client_free(&client);
    tap_need(vrv_server_stop(&server, &e), e.msg);
    vrv_config_unref(&config);
    vrv_config_input_fini(&in);
}

/* ---- requests ---- */

/* The warm-up fills the memory for records. */
enum { WARM_UP = 2000, REQUESTS = 1000, PARTS = 20, VALUE = 500 };
enum { V_METADATA = 9, V_PRODUCE = 9, V_FETCH = 12, V_JOIN = 7, V_SYNC = 5, V_HEARTBEAT = 4 };

static const void *
call(int16_t key, int16_t version, const void *request)
{
    const void *answer = NULL;

    tap_need(client_call(client, key, version, request, &answer, &e), e.msg);
    return answer;
}
#define CALL(api, version, request) call(VRV_API_##api, (version), (request))

/* The requests that come now are like those before, with n partitions each.  Not all need nothing:
 * one may come in pieces, the first of which is put aside; and the more the flusher is behind, the
 * more batches are in memory, up to a number that was never reached before. */
static void
steady(void (*once)(int i), unsigned n, const char *what)
{
    unsigned few = REQUESTS * n / 10;

    if (VRV_ASAN) /* it sees no batch again that was given back */
        few += REQUESTS * n;
    for (int i = 0; i < WARM_UP; i++)
        once(i);
    atomic_store(&counted, 0);
    atomic_store(&counting, true);
    for (int i = 0; i < REQUESTS; i++)
        once(WARM_UP + i);
    atomic_store(&counting, false);
    OK(atomic_load(&counted) < few, "%d times %s: %u allocations", REQUESTS, what,
        atomic_load(&counted));
}

static void
make_topic(void)
{
    const struct vrv_metadata_resp *resp;
    struct vrv_metadata_req_topic t;
    struct vrv_metadata_req q;

    VRV_WIRE_INIT(metadata_req, &q);
    VRV_WIRE_INIT(metadata_req_topic, &t);
    t.name = vrv_str("t");
    q.topics.v = &t;
    q.topics.n = 1;
    q.allow_auto_topic_creation = true;
    do
        resp = CALL(metadata, V_METADATA, &q);
    while (resp->topics.v[0].error_code != VRV_K_NONE);
    IS(resp->topics.v[0].partitions.n, PARTS, "a topic");
}

/* Records for the first n partitions. */
static void
produce(int n)
{
    static struct vrv_batch_builder b;
    static const char value[VALUE];
    struct vrv_produce_req_partition part[PARTS];
    struct vrv_produce_req_topic t;
    struct vrv_produce_req q;
    const uint8_t *p;
    size_t size;

    vrv_batch_builder_init(&b);
    vrv_batch_builder_add(&b, -1, NULL, -1, value, VALUE, NULL, 0);
    tap_need(vrv_batch_builder_finish(&b, VRV_CODEC_NONE, &p, &size, &e), e.msg);
    VRV_WIRE_INIT(produce_req, &q);
    VRV_WIRE_INIT(produce_req_topic, &t);
    for (int i = 0; i < n; i++) {
        VRV_WIRE_INIT(produce_req_partition, &part[i]);
        part[i].index = i;
        part[i].records = (struct vrv_records){ .p = p, .n = (int32_t)size };
    }
    t.name = vrv_str("t");
    t.partition_data.v = part;
    t.partition_data.n = n;
    q.acks = -1;
    q.timeout_ms = 10000;
    q.topic_data.v = &t;
    q.topic_data.n = 1;
    const struct vrv_produce_resp *resp = CALL(produce, V_PRODUCE, &q);
    HELD(resp->responses.v[0].partition_responses.v[n - 1].error_code == VRV_K_NONE);
    vrv_batch_builder_fini(&b);
}

static void
produce_one(int i)
{
    (void)i;
    produce(1);
}

static void
produce_many(int i)
{
    (void)i;
    produce(PARTS);
}

struct fetch {
    struct vrv_fetch_req q;
    struct vrv_fetch_req_topic t;
    struct vrv_fetch_req_partition part[PARTS];
};

/* Of the first n partitions. */
static const struct vrv_fetch_resp *
fetch(struct fetch *f, int n, int64_t offset)
{
    VRV_WIRE_INIT(fetch_req_topic, &f->t);
    for (int i = 0; i < n; i++) {
        VRV_WIRE_INIT(fetch_req_partition, &f->part[i]);
        f->part[i].partition = i;
        f->part[i].fetch_offset = offset;
        f->part[i].partition_max_bytes = 4096;
    }
    f->t.topic = vrv_str("t");
    f->t.partitions.v = f->part;
    f->t.partitions.n = n;
    f->q.topics.v = &f->t;
    f->q.topics.n = n > 0;
    const struct vrv_fetch_resp *resp = CALL(fetch, V_FETCH, &f->q);
    HELD(resp->error_code == VRV_K_NONE);
    return resp;
}

static void
fetch_alone(int n, int64_t offset)
{
    struct fetch f;

    VRV_WIRE_INIT(fetch_req, &f.q);
    f.q.min_bytes = 1;
    const struct vrv_fetch_resp *resp = fetch(&f, n, offset);
    HELD(resp->responses.v[0].partitions.v[n - 1].records.n > 0);
}

static void
fetch_one(int i)
{
    fetch_alone(1, i);
}

static void
fetch_many(int i)
{
    (void)i;
    fetch_alone(PARTS, WARM_UP + REQUESTS - 1);
}

/* Of a session, which waits a millisecond: there is nothing new. */
static void
fetch_nothing(int i)
{
    static int32_t session;
    struct fetch f;

    VRV_WIRE_INIT(fetch_req, &f.q);
    f.q.min_bytes = 1;
    f.q.max_wait_ms = 1;
    f.q.session_id = session;
    f.q.session_epoch = i;
    session = fetch(&f, i == 0 ? PARTS : 0, 2 * (WARM_UP + REQUESTS))->session_id;
}

/* ---- a member ---- */

static struct vrv_heartbeat_req heartbeat;
static char member_id[200];

static void
join(void)
{
    struct vrv_join_group_req_protocol protocol;
    struct vrv_join_group_req q;
    const struct vrv_join_group_resp *resp;
    struct vrv_sync_group_req_assignment own;
    struct vrv_sync_group_req s;

    VRV_WIRE_INIT(join_group_req, &q);
    VRV_WIRE_INIT(join_group_req_protocol, &protocol);
    protocol.name = vrv_str("range");
    q.group_id = vrv_str("g");
    q.session_timeout_ms = q.rebalance_timeout_ms = 60000;
    q.protocol_type = vrv_str("consumer");
    q.protocols.v = &protocol;
    q.protocols.n = 1;
    do { /* the coordinator loads, then gives out an id, then takes it */
        resp = CALL(join_group, V_JOIN, &q);
        (void)snprintf(member_id, sizeof(member_id), "%.*s", resp->member_id.n,
            resp->member_id.p != NULL ? resp->member_id.p : "");
        q.member_id = vrv_str(member_id);
    } while (resp->error_code != VRV_K_NONE);
    VRV_WIRE_INIT(heartbeat_req, &heartbeat);
    heartbeat.group_id = q.group_id;
    heartbeat.member_id = q.member_id;
    heartbeat.generation_id = resp->generation_id;
    VRV_WIRE_INIT(sync_group_req, &s);
    VRV_WIRE_INIT(sync_group_req_assignment, &own);
    own.member_id = s.member_id = q.member_id;
    s.group_id = q.group_id;
    s.generation_id = resp->generation_id;
    s.protocol_type = q.protocol_type;
    s.protocol_name = protocol.name;
    s.assignments.v = &own;
    s.assignments.n = 1;
    const struct vrv_sync_group_resp *synced = CALL(sync_group, V_SYNC, &s);
    IS(synced->error_code, VRV_K_NONE, "a member of a group");
}

static void
beat(int i)
{
    (void)i;
    const struct vrv_heartbeat_resp *resp = CALL(heartbeat, V_HEARTBEAT, &heartbeat);
    HELD(resp->error_code == VRV_K_NONE);
}

/* What is taken again and again is soon in one block. */
static void
test_arena(void)
{
    struct vrv_arena a;
    size_t kept = 0;

    vrv_arena_init(&a, 1 << 20);
    IS(vrv_arena_kept(&a), 0, "a new arena has no memory");
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < 100; i++)
            HELD(vrv_arena_take(&a, 500) != NULL);
        vrv_arena_reset(&a);
        kept = vrv_arena_kept(&a);
    }
    OK(kept > 100 * 500 && kept < 4 * 100 * 500, "it comes to keep what is taken each time");
    HELD(vrv_arena_take(&a, 1 << 20) != NULL);
    vrv_arena_reset(&a);
    IS(vrv_arena_kept(&a), kept, "but nothing much larger that was needed once");
    vrv_arena_fini(&a);
}

int
main(void)
{
    test_arena();
    start();
    atomic_store(&counting, true);
    make_topic();
    join();
    OK(atomic_load(&counted) > 0, "the first requests need memory");
    steady(produce_many, PARTS, "records to many partitions at once");
    steady(produce_one, 1, "to one");
    steady(fetch_one, 1, "a fetch of one, from its file");
    steady(fetch_many, 1, "of many, from memory");
    steady(fetch_nothing, 1, "of a session, which waits");
    steady(beat, 1, "a heartbeat");
    stop();
    return tap_done();
}
