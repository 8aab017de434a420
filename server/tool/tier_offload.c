#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/mem.h"
#include "server/tool/progress.h"
#include "server/tool/stop.h"
#include "server/tool/tier.h"
#include "server/tool/tool.h"

const char tier_offload_help[] =
    "usage: varve tier offload [options] TOPIC[:PARTITION]...   seal what is there, move it now\n"
    "      --no-wait              only ask for it\n"
    "      --wait SECONDS         for so long at most (until all has arrived)\n"
    KAFKA_OPTIONS_HELP;

static const struct timespec look_again = { 0, 100000000 };

/* What is to move: from where a partition's cold data ended to where its records ended then. */
struct part {
    char topic[256];
    int32_t partition;
    int64_t to;
    int64_t cold_end;
    uint64_t left;    /* bytes */
};

struct offload {
    struct tier t;
    struct part *v;
    size_t n, cap;
    int64_t began_ms; /* the server's clock then */
    char told[300];   /* the newest failure that was told */
};

/* ---- asking for it ---- */

static int
add(struct offload *o, const char *topic, const struct vrv_tier_offload_resp_partition *p,
    struct vrv_err *e)
{
    if (p->error_code != 0)
        return tier_err(e, p->error_code, p->error_message, "partition %" PRId32
            " of topic \"%.100s\"", p->partition_index, topic);
    VRV_PUSH_ROOM(o->v, o->n, o->cap);
    struct part *x = &o->v[o->n++];
    *x = (struct part){ .partition = p->partition_index, .to = p->to_offset };
    (void)snprintf(x->topic, sizeof(x->topic), "%s", topic);
    return 0;
}

static int
ask_one(struct offload *o, const char *word, struct vrv_err *e)
{
    struct vrv_tier_offload_resp resp;
    struct tier_named named;
    int rc = tier_name(word, &named, e), first = 0;

    if (rc < 0)
        return rc;
    struct vrv_tier_offload_req_topic topic = { .name = vrv_str(named.topic),
        .partitions = { &named.partition, named.partition >= 0 } };
    struct vrv_tier_offload_req q = { .topics = { &topic, 1 } };
    rc = tier_ask(&o->t, VRV_API_tier_offload, &q, &resp, e);
    if (rc == 0)
        rc = tier_answer_one(&o->t, resp.error_code, resp.error_message, resp.topics.n, e);
    if (rc < 0)
        return rc;
    if (resp.topics.v[0].error_code != 0)
        return tier_err(e, resp.topics.v[0].error_code, resp.topics.v[0].error_message,
            "topic \"%.100s\"", named.topic);
    for (int32_t i = 0; i < resp.topics.v[0].partitions.n; i++)
        kafka_told(add(o, named.topic, &resp.topics.v[0].partitions.v[i], e), e, &first);
    return first;
}

/* ---- following it ---- */

/* What isn't in the store yet. */
static void
take(struct part *x, const struct vrv_tier_describe_resp_partition *p)
{
    x->cold_end = p->cold_end_offset;
    x->left = 0;
    if (p->log_start_offset > x->cold_end) /* what is deleted needn't go any more */
        x->cold_end = p->log_start_offset;
    for (int32_t i = 0; i < p->segments.n; i++)
        if (p->segments.v[i].place == 0 && p->segments.v[i].next_offset <= x->to)
            x->left += (uint64_t)p->segments.v[i].bytes;
    uint64_t read = p->work_offset >= 0 ? (uint64_t)p->work_done : 0;
    x->left -= read < x->left ? read : x->left;
}

/* Once: each attempt may fail for the same reason. */
static void
tell_failure(struct offload *o, struct vrv_str why, int64_t ms, struct progress *bar)
{
    size_t n = (size_t)why.n < sizeof(o->told) ? (size_t)why.n : sizeof(o->told) - 1;

    if (why.p == NULL || ms <= o->began_ms)
        return;
    if (strncmp(o->told, why.p, n) == 0 && o->told[n] == '\0')
        return;
    (void)snprintf(o->told, sizeof(o->told), "%.*s", (int)n, why.p);
    progress_clear(bar);
    tool_say("%s: it is tried again", o->told);
}

static int
look_at(struct offload *o, struct part *x, struct progress *bar, struct vrv_err *e)
{
    struct tier_named named = { .partition = x->partition };
    struct vrv_tier_describe_resp resp;
    struct vrv_tier_describe_resp_topic *topic;

    (void)snprintf(named.topic, sizeof(named.topic), "%s", x->topic);
    int rc = tier_describe(&o->t, &named, true, &resp, &topic, e);
    if (rc < 0)
        return rc;
    const struct vrv_tier_describe_resp_partition *p = &topic->partitions.v[0];
    if (o->began_ms == 0)
        o->began_ms = resp.now_ms; /* what failed before isn't news */
    take(x, p);
    tell_failure(o, resp.failure, resp.failure_ms, bar);
    tell_failure(o, p->failure, p->failure_ms, bar);
    vrv_arena_reset(&o->t.a);
    return 0;
}

/* All of them: how many bytes are left, and whether it is over. */
static int
look(struct offload *o, struct progress *bar, uint64_t *left, bool *over, struct vrv_err *e)
{
    int rc = 0;

    *left = 0;
    *over = true;
    for (size_t i = 0; i < o->n && rc == 0; i++) {
        if (o->v[i].cold_end < o->v[i].to)
            rc = look_at(o, &o->v[i], bar, e);
        *left += o->v[i].cold_end < o->v[i].to ? o->v[i].left : 0;
        *over &= o->v[i].cold_end >= o->v[i].to;
    }
    return rc;
}

static int
follow(struct offload *o, int64_t wait_s, struct vrv_err *e)
{
    int64_t until = wait_s > 0 ? bench_now() + wait_s * 1000000000 : INT64_MAX;
    struct progress bar = { .total = 0 };
    uint64_t left, before;
    bool over;
    int rc = look(o, &bar, &left, &over, e);

    progress_begin(&bar, left);
    while (rc == 0 && !over) {
        (void)nanosleep(&look_again, NULL);
        before = left;
        rc = look(o, &bar, &left, &over, e);
        if (left > before) /* it was only sealed now, or an attempt was in vain */
            bar.total += left - before;
        progress_add(&bar, left < before ? before - left : 0);
        if (rc == 0 && !over && stop_asked())
            break;
        if (rc == 0 && !over && bench_now() > until)
            rc = vrv_err_set(e, VRV_E_TIMEDOUT, "not all has arrived after %" PRId64 " s; the "
                "server goes on, varve tier status tells how far it is", wait_s);
    }
    progress_clear(&bar);
    return rc;
}

/* ---- the command ---- */

static void
told(struct out *o, const struct part *x, bool arrived)
{
    if (!o->json) {
        (void)fprintf(o->f, "%s %" PRId32 ": %s offset %" PRId64 "\n", x->topic, x->partition,
            arrived ? "in the store up to" : "to move up to", x->to);
        return;
    }
    out_begin(o, "offload");
    out_str(o, "topic", x->topic);
    out_int(o, "partition", x->partition);
    out_int(o, "to", x->to);
    out_str(o, "result", arrived ? "arrived" : "asked for");
    out_end(o);
}

int
tier_offload(struct kafka *k, struct args *a, struct vrv_err *e)
{
    bool no_wait = false;
    int64_t wait_s = 0;
    const struct arg own[] = { { "no-wait", 0, ARG_FLAG, &no_wait },
        { "wait", 0, ARG_NUMBER, &wait_s }, { NULL, 0, 0, NULL } };
    struct offload o = { .n = 0 };
    int rc = kafka_args(k, a, own, e), first = 0;

    if (rc == 0)
        rc = args_want(a, 1, WORDS_MAX, "a topic's name", e);
    if (rc != 0)
        return rc;
    stop_catch();
    rc = tier_open(&o.t, k, e);
    for (int i = 0; i < a->n && rc == 0; i++)
        kafka_told(ask_one(&o, a->v[i], e), e, &first);
    if (rc == 0 && !no_wait)
        rc = follow(&o, wait_s, e);
    for (size_t i = 0; i < o.n; i++)
        told(&k->out, &o.v[i], !no_wait && o.v[i].cold_end >= o.v[i].to);
    tier_close(&o.t);
    free(o.v);
    stop_die();
    return rc != 0 ? rc : first;
}
