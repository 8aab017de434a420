#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/tool/tier.h"

enum { ANSWER_MAX = 1 << 30 };

int
tier_open(struct tier *t, struct kafka *k, struct vrv_err *e)
{
    char host[BENCH_HOST], port[BENCH_PORT];
    struct vrv_api_versions_req q = { 0 };
    struct vrv_api_versions_resp resp;

    *t = (struct tier){ .k = k, .link = VRV_NEW(struct bench_link) };
    t->link->fd = -1;
    vrv_arena_init(&t->a, ANSWER_MAX);
    if (k->props.n > 0)
        return vrv_err_set(e, VRV_E_INVALID, "-p sets librdkafka, which varve tier doesn't use");
    if (!bench_address(k->bootstrap, host, port))
        return vrv_err_set(e, VRV_E_INVALID, "\"%.100s\" is not HOST:PORT", k->bootstrap);
    int rc = bench_link_open(t->link, host, port, e);
    t->link->timeout_ms = (int)k->timeout_ms;
    if (rc == 0)
        rc = bench_ask(t->link, VRV_API_api_versions, 0, &q, &t->a, &resp, e);
    return rc;
}

void
tier_close(struct tier *t)
{
    bench_link_close(t->link);
    free(t->link);
    vrv_arena_fini(&t->a);
}

int
tier_ask(struct tier *t, enum vrv_api_key key, const void *request, void *response,
    struct vrv_err *e)
{
    int rc = bench_ask(t->link, key, 0, request, &t->a, response, e);

    if (rc != VRV_E_IO)
        return rc;
    return vrv_err_set(e, VRV_E_VERSION,
        "%.80s hangs up when it is asked about a cold tier: it is no varved, or an older one",
        t->k->bootstrap);
}

int
tier_err(struct vrv_err *e, int16_t code, struct vrv_str text, const char *fmt, ...)
{
    char what[300], why[300];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    (void)snprintf(why, sizeof(why), "%.*s", (int)text.n, text.p != NULL ? text.p : "");
    return kafka_err(e, (rd_kafka_resp_err_t)code, why, "%s", what);
}

int
tier_answer(const struct tier *t, int16_t code, struct vrv_str text, struct vrv_err *e)
{
    return code == 0 ? 0 : tier_err(e, code, text, "%.80s", t->k->bootstrap);
}

int
tier_answer_one(const struct tier *t, int16_t code, struct vrv_str text, int32_t topics, struct vrv_err *e)
{
    if (code == 0 && topics != 1)
        return vrv_err_set(e, VRV_E_UNKNOWN, "%.80s tells of %" PRId32 " topics, not of one", t->k->bootstrap, topics);
    return tier_answer(t, code, text, e);
}

const char *
tier_state(const struct vrv_tier_describe_resp_topic *t, const struct vrv_tier_describe_resp_partition *p)
{
    if (!t->is_tiered)
        return "leaves";
    if (!t->is_paused)
        return "on";
    return p->both.bytes + p->cold.bytes > 0 ? "drains" : "paused";
}

/* A full disk comes first.  Nothing comes back from the store but to who reads it: that is how it is meant to be. */
void
tier_note_state(const struct out *o, const char *topic, const struct vrv_tier_describe_resp_topic *t,
    const struct vrv_tier_describe_resp_partition *p)
{
    char size[32];

    if (p->is_refusing)
        (void)fprintf(o->f, "%s %" PRId32 ": refuses producers: the disk is full of what the store hasn't taken yet, and "
            "varve.tier.outage.policy gives up nothing of it\n", topic, p->partition_index);
    if (p->error_code != 0 || (t->is_tiered && !t->is_paused))
        return;
    (void)fprintf(o->f, "%s %" PRId32 ": %s: ", topic, p->partition_index, tier_state(t, p));
    if (!t->is_tiered)
        (void)fputs("remote.storage.enable is off: what the store has of it is deleted, what is here stays\n", o->f);
    else if (p->cold.bytes > 0)
        (void)fprintf(o->f, "remote.log.copy.disable is on: what is new stays here; %s that only the store has are "
            "read there until retention deletes them, and don't come back to this disk\n",
            out_size((uint64_t)p->cold.bytes, size));
    else
        (void)fputs("remote.log.copy.disable is on: what is new stays here\n", o->f);
}

int
tier_not_tiered(struct vrv_err *e, const char *topic)
{
    return vrv_err_set(e, VRV_E_INVALID, "topic \"%.80s\" does not ask for the cold tier: varve "
        "config set topic %.80s remote.storage.enable=true", topic, topic);
}

int
tier_name(const char *word, struct tier_named *out, struct vrv_err *e)
{
    const char *colon = strrchr(word, ':');
    size_t n = colon != NULL ? (size_t)(colon - word) : strlen(word);
    int64_t partition = -1;

    if (colon != NULL && !args_number(colon + 1, 0, INT32_MAX, &partition))
        return vrv_err_set(e, VRV_E_INVALID, "\"%.100s\" is not TOPIC or TOPIC:PARTITION", word);
    if (n == 0 || n >= sizeof(out->topic))
        return vrv_err_set(e, VRV_E_INVALID, "no topic could be called \"%.100s\"", word);
    (void)snprintf(out->topic, sizeof(out->topic), "%.*s", (int)n, word);
    out->partition = (int32_t)partition;
    return 0;
}

int
tier_describe(struct tier *t, const struct tier_named *named, bool segments,
    struct vrv_tier_describe_resp *resp, struct vrv_tier_describe_resp_topic **out,
    struct vrv_err *e)
{
    int32_t partition = named->partition;
    struct vrv_tier_describe_req_topic topic = { .name = vrv_str(named->topic),
        .partitions = { &partition, partition >= 0 } };
    struct vrv_tier_describe_req q = { .topics = { &topic, 1 }, .include_segments = segments };

    int rc = tier_ask(t, VRV_API_tier_describe, &q, resp, e);
    if (rc == 0)
        rc = tier_answer_one(t, resp->error_code, resp->error_message, resp->topics.n, e);
    if (rc < 0)
        return rc;
    *out = &resp->topics.v[0];
    if ((*out)->error_code != 0)
        return tier_err(e, (*out)->error_code, (*out)->error_message, "topic \"%.100s\"",
            named->topic);
    for (int32_t i = 0; i < (*out)->partitions.n; i++) {
        const struct vrv_tier_describe_resp_partition *p = &(*out)->partitions.v[i];

        if (p->error_code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            return tier_err(e, p->error_code, p->error_message, "partition %" PRId32
                " of topic \"%.100s\"", p->partition_index, named->topic);
    }
    return 0;
}

const char *
tier_span(int64_t ms, char buf[32])
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "min" }, { 1000, "s" } };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        int64_t least = units[i].ms == 1000 ? 1000 : 2 * units[i].ms; /* 90 s say more than 1 min */

        if (ms < least)
            continue;
        (void)snprintf(buf, 32, "%" PRId64 " %s", ms / units[i].ms, units[i].unit);
        return buf;
    }
    (void)snprintf(buf, 32, "%s", ms > 0 ? "1 s" : "0 s");
    return buf;
}
