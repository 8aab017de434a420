#include <inttypes.h>
#include <stdlib.h>

#include "server/tool/table.h"
#include "server/tool/tier.h"

const char tier_explain_help[] =
    "usage: varve tier explain [options] TOPIC[:PARTITION]...   why each segment is where it is\n"
    "  and when it will move or go\n"
    KAFKA_OPTIONS_HELP;

/* The numbers of varve-protocol(7), as words of JSON and for people. */
struct word {
    const char *json, *text;
};

static const struct word places[] = { { "here", "here" }, { "both", "both" }, { "cold", "store" } };

static const struct word fates[] = { { "stays", "stays" }, { "copied", "to the store" },
    { "dropped", "leaves this disk" }, { "deleted", "deleted" }, { "closed", "closed" },
    { "lost", "given up" } };

static const struct word whys[] = {
    { "unlimited", "no limit asks for more" },
    { "open", "it is being written to, until segment.bytes" },
    { "closed", "it is sealed with the next checkpoint" },
    { "copy_off", "remote.log.copy.disable" },
    { "next", "it is the next one" },
    { "behind", "those before it go first" },
    { "lag_ms", "remote.copy.lag.ms" },
    { "lag_bytes", "remote.copy.lag.bytes" },
    { "local_ms", "local.retention.ms" },
    { "local_bytes", "local.retention.bytes" },
    { "retention_ms", "retention.ms" },
    { "retention_bytes", "retention.bytes" },
    { "below_start", "the log begins behind it" },
    { "leaves", "remote.storage.enable is off" },
    { "max_age", "varve.offload.max.age.ms" },
    { "open_ms", "it is being written to, until segment.bytes or segment.ms" },
    { "open_max_age", "it is being written to, until segment.bytes or varve.offload.max.age.ms" },
    { "open_retention", "it is being written to, until segment.bytes, or all of it is older than retention.ms" },
    { "local_max", "tier.local.max.bytes is exceeded: the oldest of all topics go as soon as they can" },
    { "disk_free", "less than tier.disk.free.min.bytes is free: the oldest of all topics go as soon as they can" },
    { "outage", "varve.tier.outage.policy: the disk is full of what the store doesn't take" },
};

#define WORD(table, i) word((table), sizeof(table) / sizeof((table)[0]), (i))

static const struct word *
word(const struct word *table, size_t n, int8_t i)
{
    static const struct word unknown = { "?", "?" };

    return i >= 0 && (size_t)i < n ? &table[i] : &unknown;
}

static void
json(struct out *o, const char *topic, int32_t partition,
    const struct vrv_tier_describe_resp_segment *s)
{
    out_begin(o, "segment");
    out_str(o, "topic", topic);
    out_int(o, "partition", partition);
    out_int(o, "from", s->base_offset);
    out_int(o, "next", s->next_offset);
    out_int(o, "segments", s->segments);
    out_int(o, "bytes", s->bytes);
    out_int(o, "stored_bytes", s->stored_bytes);
    out_int(o, "newest_ms", s->newest_ms);
    out_str(o, "where", WORD(places, s->place)->json);
    out_str(o, "then", WORD(fates, s->fate)->json);
    out_str(o, "why", WORD(whys, s->why)->json);
    out_int(o, "when_ms", s->when_ms);
    out_int(o, "when_bytes", s->when_bytes);
    out_int(o, "deleted_ms", s->gone_ms);
    out_int(o, "deleted_bytes", s->gone_bytes);
    out_bool(o, "held", s->is_held);
    out_end(o);
}

/* "now", a time, "1.0 MiB later", or both. */
static void
when_cell(struct table *t, int64_t now_ms, int64_t ms, int64_t bytes)
{
    char time[32], size[32];

    if (ms >= 0 && ms <= now_ms)
        table_add(t, OUT_YELLOW, "now");
    else if (ms >= 0 && bytes >= 0)
        table_add(t, OUT_PLAIN, "%s, or %s later", out_time(ms, time),
            out_size((uint64_t)bytes, size));
    else if (ms >= 0)
        table_add(t, OUT_PLAIN, "%s", out_time(ms, time));
    else if (bytes >= 0)
        table_add(t, OUT_PLAIN, "%s later", out_size((uint64_t)bytes, size));
    else
        table_add(t, OUT_PLAIN, "-");
}

static void
row(struct table *t, int64_t now_ms, const struct vrv_tier_describe_resp_segment *s)
{
    char buf[32];

    table_add(t, OUT_PLAIN, "%" PRId64, s->base_offset);
    table_add(t, OUT_PLAIN, "%" PRId64, s->next_offset);
    table_add(t, OUT_PLAIN, "%" PRId32, s->segments);
    table_add(t, OUT_PLAIN, "%s", out_size((uint64_t)s->bytes, buf));
    table_add(t, OUT_PLAIN, "%s", s->stored_bytes > 0 ? out_size((uint64_t)s->stored_bytes, buf) : "-");
    table_add(t, OUT_PLAIN, "%s", out_time(s->newest_ms, buf));
    table_add(t, s->is_held ? OUT_YELLOW : OUT_PLAIN, "%s", WORD(places, s->place)->text);
    table_add(t, OUT_PLAIN, "%s", WORD(fates, s->fate)->text);
    when_cell(t, now_ms, s->when_ms, s->when_bytes);
    table_add(t, OUT_PLAIN, "%s", WORD(whys, s->why)->text);
}

static int
show(struct kafka *k, const char *topic, int64_t now_ms, const struct vrv_tier_describe_resp_topic *of,
    const struct vrv_tier_describe_resp_partition *p, struct vrv_err *e)
{
    struct table t;

    if (p->error_code != 0)
        return tier_err(e, p->error_code, p->error_message, "partition %" PRId32
            " of topic \"%.100s\"", p->partition_index, topic);
    if (!of->is_tiered && p->cold_end_offset < 0)
        return tier_not_tiered(e, topic);
    table_init(&t, (const char *const[]){ ">FROM", ">NEXT", ">SEGMENTS", ">SIZE", ">STORED", "NEWEST RECORD",
        "WHERE", "THEN", "WHEN", "WHY", NULL });
    if (!k->out.json) {
        (void)fprintf(k->out.f, "%s %" PRId32 ":\n", topic, p->partition_index);
        if (p->segments.n == 0)
            (void)fprintf(k->out.f, "no records\n");
    }
    for (int32_t i = 0; i < p->segments.n; i++) {
        if (k->out.json)
            json(&k->out, topic, p->partition_index, &p->segments.v[i]);
        else
            row(&t, now_ms, &p->segments.v[i]);
    }
    table_print(&t, &k->out);
    if (!k->out.json)
        tier_note_state(&k->out, topic, of, p);
    return 0;
}

/* Held for want of a store says more than a place does. */
static void
note_failure(struct kafka *k, const struct vrv_tier_describe_resp *r)
{
    if (r->failure_ms <= r->good_ms)
        return;
    if (k->out.json) {
        out_begin(&k->out, "store");
        out_bytes(&k->out, "store", r->store.p, r->store.n);
        out_str(&k->out, "state", "fails");
        out_int(&k->out, "now_ms", r->now_ms);
        out_int(&k->out, "answered_ms", r->good_ms);
        out_bytes(&k->out, "failure", r->failure.p, r->failure.n);
        out_int(&k->out, "failure_ms", r->failure_ms);
        out_end(&k->out);
        return;
    }
    (void)fputs("the store fails: ", k->out.f);
    out_shown(k->out.f, r->failure.p, (size_t)r->failure.n);
    (void)fputc('\n', k->out.f);
}

static int
explain_one(struct tier *t, const char *word, struct vrv_err *e)
{
    struct vrv_tier_describe_resp resp;
    struct vrv_tier_describe_resp_topic *topic;
    struct tier_named named;
    int first = 0;
    int rc = tier_name(word, &named, e);

    if (rc == 0)
        rc = tier_describe(t, &named, true, &resp, &topic, e);
    if (rc < 0)
        return rc;
    for (int32_t i = 0; i < topic->partitions.n; i++)
        kafka_told(show(t->k, named.topic, resp.now_ms, topic, &topic->partitions.v[i], e), e, &first);
    note_failure(t->k, &resp);
    return first;
}

int
tier_explain(struct kafka *k, struct args *a, struct vrv_err *e)
{
    const struct arg own[] = { { NULL, 0, 0, NULL } };
    struct tier t;
    int rc = kafka_args(k, a, own, e), first = 0;

    if (rc == 0)
        rc = args_want(a, 1, WORDS_MAX, "a topic's name", e);
    if (rc != 0)
        return rc;
    rc = tier_open(&t, k, e);
    for (int i = 0; i < a->n && rc == 0; i++)
        kafka_told(explain_one(&t, a->v[i], e), e, &first);
    tier_close(&t);
    return rc != 0 ? rc : first;
}
