/* The topic of a measurement: made where it isn't there, and looked up. */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "server/base/kerrors.h"
#include "server/tool/bench.h"

/* Old enough for any broker. */
enum { METADATA_VERSION = 5, CREATE_VERSION = 2, GROW_VERSION = 1, OFFSETS_VERSION = 1 };
/* Kafka's controller changes no more than 10,000 things at once, topic and partitions together. */
enum { MADE_AT_ONCE = 5000 };
enum { ARENA_MAX = 64 << 20, MADE_WITHIN_S = 300, PATIENCE_MS = 30000, REST = 10 };

static int
refused(const char *topic, int16_t code, struct vrv_err *e)
{
    return vrv_err_set(e, VRV_E_INVALID, "topic %s can't be made: %s", topic,
        vrv_kerror_text(code));
}

static int
make(struct bench_link *link, const char *topic, int32_t n, struct vrv_arena *a, struct vrv_err *e)
{
    struct vrv_create_topics_req_topic t = { .name = vrv_str(topic), .num_partitions = n,
        .replication_factor = 1 };
    struct vrv_create_topics_req q = { .topics = { &t, 1 }, .timeout_ms = PATIENCE_MS };
    struct vrv_create_topics_resp resp;
    int rc = bench_ask(link, VRV_API_create_topics, CREATE_VERSION, &q, a, &resp, e);

    if (rc == 0 && resp.topics.n == 1 && resp.topics.v[0].error_code != VRV_K_NONE &&
        resp.topics.v[0].error_code != VRV_K_TOPIC_ALREADY_EXISTS)
        rc = refused(topic, resp.topics.v[0].error_code, e);
    return rc;
}

static int
grow(struct bench_link *link, const char *topic, int32_t n, struct vrv_arena *a, struct vrv_err *e)
{
    struct vrv_create_partitions_req_topic t = { .name = vrv_str(topic), .count = n };
    struct vrv_create_partitions_req q = { .topics = { &t, 1 }, .timeout_ms = PATIENCE_MS };
    struct vrv_create_partitions_resp resp;
    int rc = bench_ask(link, VRV_API_create_partitions, GROW_VERSION, &q, a, &resp, e);

    if (rc == 0 && resp.results.n == 1 && resp.results.v[0].error_code != VRV_K_NONE)
        rc = refused(topic, resp.results.v[0].error_code, e);
    return rc;
}

int32_t
bench_ask_partitions(struct bench_link *link, const char *topic, struct vrv_err *e)
{
    struct vrv_metadata_req_topic t = { .name = vrv_str(topic) };
    struct vrv_metadata_req q = { .topics = { &t, 1 } };
    struct vrv_metadata_resp resp;
    struct vrv_arena a;

    vrv_arena_init(&a, ARENA_MAX);
    int32_t rc = bench_ask(link, VRV_API_metadata, METADATA_VERSION, &q, &a, &resp, e);
    if (rc == 0 && resp.brokers.n > 1)
        rc = vrv_err_set(e, VRV_E_INVALID,
            "a cluster of %" PRId32 " brokers: bench measures one broker", resp.brokers.n);
    else if (rc == 0 && resp.topics.n == 1 && resp.topics.v[0].error_code == VRV_K_NONE)
        rc = resp.topics.v[0].partitions.n;
    vrv_arena_fini(&a);
    return rc;
}

static int32_t
take_offsets(const struct vrv_list_offsets_resp *resp, const struct bench_share *s,
    int64_t *offsets)
{
    int32_t told = 0;

    for (int32_t i = 0; resp->topics.n == 1 && i < resp->topics.v[0].partitions.n; i++) {
        const struct vrv_list_offsets_resp_partition *p = &resp->topics.v[0].partitions.v[i];
        int32_t at = bench_share_find(s, p->partition_index);

        if (at < 0 || p->error_code != VRV_K_NONE)
            continue;
        offsets[at] = p->offset;
        told++;
    }
    return told;
}

int32_t
bench_ask_offsets(struct bench_link *link, const char *topic, const struct bench_share *s,
    int64_t when, int64_t *offsets, struct vrv_err *e)
{
    struct vrv_list_offsets_req_partition *p = vrv_mem_zero((size_t)s->n * sizeof(*p));
    struct vrv_list_offsets_req_topic t = { .name = vrv_str(topic), .partitions = { p, s->n } };
    struct vrv_list_offsets_req q = { .replica_id = -1, .topics = { &t, 1 } };
    struct vrv_list_offsets_resp resp;
    struct vrv_arena a;

    vrv_arena_init(&a, ARENA_MAX);
    for (int32_t i = 0; i < s->n; i++) {
        p[i].partition_index = bench_share_at(s, i);
        p[i].timestamp = when;
    }
    int32_t rc = bench_ask(link, VRV_API_list_offsets, OFFSETS_VERSION, &q, &a, &resp, e);
    if (rc == 0)
        rc = take_offsets(&resp, s, offsets);
    vrv_arena_fini(&a);
    free(p);
    return rc;
}

/* A broker may know a topic before it has all of its partitions.  Asked all the time, it would have
 * no time to make them. */
static int
wait_for_all(struct bench_link *link, const char *topic, int32_t n, struct vrv_err *e)
{
    int64_t until = bench_now() + (int64_t)MADE_WITHIN_S * 1000000000;
    const struct bench_share all = { 0, 1, n };
    int64_t *offsets = vrv_mem_zero((size_t)n * sizeof(*offsets));
    int32_t told = 0;

    while (told >= 0 && told < n && bench_now() < until) {
        int64_t asked = bench_now();

        told = bench_ask_offsets(link, topic, &all, BENCH_LATEST, offsets, e);
        if (told >= 0 && told < n)
            (void)poll(NULL, 0, 1 + (int)((bench_now() - asked) * REST / 1000000));
    }
    free(offsets);
    if (told >= 0 && told < n)
        return vrv_err_set(e, VRV_E_TIMEDOUT, "topic %s was made, and %" PRId32
            " of its %" PRId32 " partitions don't appear", topic, n - told, n);
    return told < 0 ? told : 0;
}

int32_t
bench_make_topic(struct bench_link *link, const char *topic, int32_t n, struct vrv_err *e)
{
    struct vrv_arena a;
    int32_t have = n < MADE_AT_ONCE ? n : MADE_AT_ONCE;

    vrv_arena_init(&a, ARENA_MAX);
    int rc = make(link, topic, have, &a, e);
    while (rc == 0 && have < n) {
        have = n - have < MADE_AT_ONCE ? n : have + MADE_AT_ONCE;
        rc = grow(link, topic, have, &a, e);
    }
    vrv_arena_fini(&a);
    if (rc == 0)
        rc = wait_for_all(link, topic, n, e);
    return rc;
}
