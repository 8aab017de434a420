/* What `varve bench tiers` asks of the server: to offload, to let go, to forget, and what it has counted. */
#include <poll.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/base/kerrors.h"
#include "server/tool/bench_tiers.h"
#include "server/tool/progress.h"
#include "server/tool/stop.h"

enum { ARENA_MAX = 16 << 20, AGAIN_MS = 20, PATIENCE_MS = 30000, TOPIC_RESOURCE = 2 };
enum { FORGET_S = 60, ARRIVE_S = 300 }; /* without any progress */

const char *const tiers_op_names[TIERS_OPS] = { "put", "begin", "part", "end", "abort", "get",
    "verify", "list", "delete", "sweep" };

int
tiers_stopped(struct vrv_err *e)
{
    return stop_asked() ? vrv_err_set(e, VRV_E_CANCELLED, "interrupted") : 0;
}

static int
no_varved(struct vrv_err *e)
{
    return vrv_err_set(e, VRV_E_VERSION, "the broker hangs up when it is asked about a cold tier: it is "
        "no varved, or an older one");
}

static int
refused(const struct tiers_topic *topic, int16_t code, struct vrv_str text, struct vrv_err *e)
{
    if (text.n <= 0)
        text = vrv_str(vrv_kerror_text(code));
    return vrv_err_set(e, VRV_E_INVALID, "%s: %.*s", topic->name, (int)text.n, text.p);
}

static int
pause_for(int ms, struct vrv_err *e)
{
    (void)poll(NULL, 0, ms);
    return tiers_stopped(e);
}

/* ---- settings, records ---- */

int
tiers_set(struct tiers *t, const struct tiers_topic *topic, const char *key, const char *value,
    struct vrv_err *e)
{
    struct vrv_incremental_alter_configs_req_config c = { .name = vrv_str(key),
        .value = vrv_str(value) };
    struct vrv_incremental_alter_configs_req_resource r = { .resource_type = TOPIC_RESOURCE,
        .resource_name = vrv_str(topic->name), .configs = { &c, 1 } };
    struct vrv_incremental_alter_configs_req q = { .resources = { &r, 1 } };
    struct vrv_incremental_alter_configs_resp resp;
    struct vrv_arena a;

    vrv_arena_init(&a, ARENA_MAX);
    int rc = bench_ask(t->link, VRV_API_incremental_alter_configs, 0, &q, &a, &resp, e);
    if (rc == 0 && resp.responses.n == 1 && resp.responses.v[0].error_code != VRV_K_NONE)
        rc = refused(topic, resp.responses.v[0].error_code, resp.responses.v[0].error_message, e);
    vrv_arena_fini(&a);
    return rc;
}

int
tiers_delete_records(struct tiers *t, const struct tiers_topic *topic, int32_t first, int32_t n,
    struct vrv_err *e)
{
    struct vrv_delete_records_req_partition *p = vrv_mem_zero((size_t)n * sizeof(*p));
    struct vrv_delete_records_req_topic q1 = { .name = vrv_str(topic->name), .partitions = { p, n } };
    struct vrv_delete_records_req q = { .topics = { &q1, 1 }, .timeout_ms = PATIENCE_MS };
    struct vrv_delete_records_resp resp;
    struct vrv_arena a;

    for (int32_t i = 0; i < n; i++)
        p[i] = (struct vrv_delete_records_req_partition){ first + i, -1 };
    vrv_arena_init(&a, ARENA_MAX);
    int rc = bench_ask(t->link, VRV_API_delete_records, 0, &q, &a, &resp, e);
    for (int32_t i = 0; rc == 0 && resp.topics.n == 1 && i < resp.topics.v[0].partitions.n; i++)
        if (resp.topics.v[0].partitions.v[i].error_code != VRV_K_NONE)
            rc = refused(topic, resp.topics.v[0].partitions.v[i].error_code, vrv_str(""), e);
    vrv_arena_fini(&a);
    free(p);
    return rc;
}

/* ---- forgetting ---- */

static int
forget_once(struct tiers *t, const struct tiers_topic *topic, bool keep_pages, bool *done,
    struct vrv_err *e)
{
    struct vrv_tier_forget_req_topic q1 = { .name = vrv_str(topic->name) };
    struct vrv_tier_forget_req q = { .topics = { &q1, 1 }, .keep_pages = keep_pages };
    struct vrv_tier_forget_resp resp;
    struct vrv_arena a;

    vrv_arena_init(&a, ARENA_MAX);
    int rc = bench_ask(t->link, VRV_API_tier_forget, 0, &q, &a, &resp, e);
    if (rc == VRV_E_IO)
        rc = no_varved(e);
    if (rc == 0 && resp.error_code != VRV_K_NONE)
        rc = refused(topic, resp.error_code, resp.error_message, e);
    if (rc == 0 && resp.topics.n == 1 && resp.topics.v[0].error_code != VRV_K_NONE)
        rc = refused(topic, resp.topics.v[0].error_code, resp.topics.v[0].error_message, e);
    *done = rc == 0 && resp.topics.n == 1 && resp.topics.v[0].is_forgotten;
    vrv_arena_fini(&a);
    return rc;
}

int
tiers_forget(struct tiers *t, const struct tiers_topic *topic, bool keep_pages, struct vrv_err *e)
{
    int64_t until = bench_now() + (int64_t)FORGET_S * 1000000000;
    bool done = false;
    int rc = forget_once(t, topic, keep_pages, &done, e);

    while (rc == 0 && !done) {
        rc = pause_for(AGAIN_MS, e);
        if (rc == 0)
            rc = forget_once(t, topic, keep_pages, &done, e);
        if (rc == 0 && !done && bench_now() > until)
            rc = vrv_err_set(e, VRV_E_TIMEDOUT, "the server doesn't let %s go from memory within %d s",
                topic->name, FORGET_S);
    }
    return rc;
}

/* ---- how far it is ---- */

/* Of one partition (-1: of all) what is here, and where what is cold ends, at least. */
struct place {
    int64_t here, cold_end;
    int64_t failure_ms;
    char failure[200];
};

static void
look_at(const struct vrv_tier_describe_resp *r, struct place *p)
{
    *p = (struct place){ .cold_end = INT64_MAX };
    for (int32_t i = 0; r->topics.n == 1 && i < r->topics.v[0].partitions.n; i++) {
        const struct vrv_tier_describe_resp_partition *x = &r->topics.v[0].partitions.v[i];

        p->here += x->here.bytes + x->both.bytes;
        if (x->cold_end_offset < p->cold_end)
            p->cold_end = x->cold_end_offset;
        if (x->failure_ms > p->failure_ms && x->failure.n > 0) {
            p->failure_ms = x->failure_ms;
            (void)snprintf(p->failure, sizeof(p->failure), ": %.*s", (int)x->failure.n, x->failure.p);
        }
    }
}

static int
ask_place(struct tiers *t, const struct tiers_topic *topic, int32_t partition, struct place *p,
    struct vrv_err *e)
{
    struct vrv_tier_describe_req_topic q1 = { .name = vrv_str(topic->name),
        .partitions = { &partition, partition >= 0 } };
    struct vrv_tier_describe_req q = { .topics = { &q1, 1 } };
    struct vrv_tier_describe_resp resp;
    struct vrv_arena a;

    vrv_arena_init(&a, ARENA_MAX);
    int rc = bench_ask(t->link, VRV_API_tier_describe, 0, &q, &a, &resp, e);
    if (rc == 0 && resp.error_code != VRV_K_NONE)
        rc = refused(topic, resp.error_code, resp.error_message, e);
    if (rc == 0)
        look_at(&resp, p);
    vrv_arena_fini(&a);
    return rc;
}

static int
offload_begin(struct tiers *t, const struct tiers_topic *topic, int32_t partition, int64_t *to,
    struct vrv_err *e)
{
    struct vrv_tier_offload_req_topic q1 = { .name = vrv_str(topic->name),
        .partitions = { &partition, 1 } };
    struct vrv_tier_offload_req q = { .topics = { &q1, 1 } };
    struct vrv_tier_offload_resp resp;
    struct vrv_arena a;

    *to = 0;
    vrv_arena_init(&a, ARENA_MAX);
    int rc = bench_ask(t->link, VRV_API_tier_offload, 0, &q, &a, &resp, e);
    if (rc == 0 && resp.error_code != VRV_K_NONE)
        rc = refused(topic, resp.error_code, resp.error_message, e);
    for (int32_t i = 0; rc == 0 && resp.topics.n == 1 && i < resp.topics.v[0].partitions.n; i++) {
        const struct vrv_tier_offload_resp_partition *p = &resp.topics.v[0].partitions.v[i];

        *to = p->to_offset;
        if (p->error_code != VRV_K_NONE)
            rc = refused(topic, p->error_code, p->error_message, e);
    }
    vrv_arena_fini(&a);
    return rc;
}

int
tiers_offload(struct tiers *t, const struct tiers_topic *topic, int32_t partition, int64_t *ns,
    struct vrv_err *e)
{
    int64_t begun = bench_now(), moved = begun, to, seen = -1;
    struct place p = { .cold_end = -1 };
    bool sealed = false;
    int rc = offload_begin(t, topic, partition, &to, e);

    while (rc == 0 && p.cold_end < to) {
        if (!sealed) /* with a checkpoint, which isn't waited for */
            rc = forget_once(t, topic, true, &sealed, e);
        if (rc == 0)
            rc = pause_for(AGAIN_MS, e);
        if (rc == 0)
            rc = ask_place(t, topic, partition, &p, e);
        if (p.cold_end != seen) {
            seen = p.cold_end;
            moved = bench_now();
        }
        if (rc == 0 && p.cold_end < to && bench_now() - moved > (int64_t)ARRIVE_S * 1000000000)
            rc = vrv_err_set(e, VRV_E_TIMEDOUT, "nothing of %s arrives in the store for %d s%s",
                topic->name, ARRIVE_S, p.failure);
    }
    *ns = bench_now() - begun;
    return rc;
}

int
tiers_wait_cold(struct tiers *t, const struct tiers_topic *topic, struct vrv_err *e)
{
    int64_t moved = bench_now(), seen = -1;
    struct place p = { .here = 1 };
    int rc = 0;

    while (rc == 0 && p.here > 0) {
        rc = pause_for(AGAIN_MS, e);
        if (rc == 0)
            rc = ask_place(t, topic, -1, &p, e);
        if (p.here != seen) {
            seen = p.here;
            moved = bench_now();
        }
        if (rc == 0 && p.here > 0 && bench_now() - moved > (int64_t)FORGET_S * 1000000000)
            rc = vrv_err_set(e, VRV_E_TIMEDOUT, "%s does not leave the server's disk%s", topic->name,
                p.failure);
    }
    return rc;
}

/* ---- counts ---- */

static bool
is(struct vrv_str s, const char *text)
{
    return (size_t)s.n == strlen(text) && memcmp(s.p, text, (size_t)s.n) == 0;
}

static void
take_counts(const struct vrv_tier_describe_resp *r, struct tiers_counts *c)
{
    *c = (struct tiers_counts){ .written = (uint64_t)r->written_bytes,
        .read = (uint64_t)r->read_bytes, .memory = (uint64_t)r->memory_fetch_bytes,
        .file = (uint64_t)r->file_fetch_bytes, .cold = (uint64_t)r->cold_fetch_bytes,
        .slow = (uint64_t)r->slow_fetches, .cache_max = (uint64_t)r->cache_max_bytes };
    for (int32_t i = 0; i < r->requests.n; i++) {
        const struct vrv_tier_describe_resp_request *q = &r->requests.v[i];

        for (int op = 0; op < TIERS_OPS; op++)
            c->requests[op] += is(q->operation, tiers_op_names[op]) ? (uint64_t)q->requests : 0;
        c->failed += is(q->outcome, "ok") ? 0 : (uint64_t)q->requests;
    }
}

int
tiers_count(struct tiers *t, struct tiers_counts *c, struct vrv_err *e)
{
    struct vrv_tier_describe_req_topic none;
    struct vrv_tier_describe_req q = { .topics = { &none, 0 } };
    struct vrv_tier_describe_resp resp;
    struct vrv_arena a;

    vrv_arena_init(&a, ARENA_MAX);
    int rc = bench_ask(t->link, VRV_API_tier_describe, 0, &q, &a, &resp, e);
    if (rc == VRV_E_IO)
        rc = no_varved(e);
    if (rc == 0 && resp.error_code != VRV_K_NONE)
        rc = vrv_err_set(e, VRV_E_INVALID, "%.*s", (int)resp.error_message.n, resp.error_message.p);
    if (rc == 0)
        take_counts(&resp, c);
    if (rc == 0 && t->o->pid != 0)
        rc = bench_broker_cpu(t->o->pid, &c->cpu_ns, e);
    vrv_arena_fini(&a);
    return rc;
}

void
tiers_since(struct tiers_counts *now, const struct tiers_counts *before)
{
    for (int op = 0; op < TIERS_OPS; op++)
        now->requests[op] -= before->requests[op];
    now->failed -= before->failed;
    now->written -= before->written;
    now->read -= before->read;
    now->memory -= before->memory;
    now->file -= before->file;
    now->cold -= before->cold;
    now->slow -= before->slow;
    now->cpu_ns -= before->cpu_ns;
}
