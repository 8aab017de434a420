#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "server/tool/table.h"
#include "server/tool/tier.h"
#include "server/tool/tool.h"

const char tier_status_help[] =
    "usage: varve tier status [options] [TOPIC[:PARTITION]...]\n"
    "  what is where, and how the store does;"
    " without topics, of all that ask for the cold tier\n"
    KAFKA_OPTIONS_HELP;

/* As varve-protocol(7) has them. */
enum { RESTS, READS, MOVES, TRIMS, SWEEPS };

/* ---- the store ---- */

static bool
is_failing(const struct vrv_tier_describe_resp *r)
{
    return r->failure_ms > r->good_ms;
}

static const char *
state(const struct vrv_tier_describe_resp *r)
{
    return is_failing(r) ? "fails" : r->failing.n > 0 ? "fails in part"
        : r->good_ms > 0 ? "works" : "not used yet";
}

static enum out_colour
state_colour(const struct vrv_tier_describe_resp *r)
{
    return is_failing(r) || r->failing.n > 0 ? OUT_RED : r->good_ms > 0 ? OUT_GREEN : OUT_PLAIN;
}

static void
store_json(struct out *o, const struct vrv_tier_describe_resp *r)
{
    out_begin(o, "store");
    out_bytes(o, "store", r->store.p, r->store.n);
    out_str(o, "state", state(r));
    out_bool(o, "owned", r->is_owned);
    out_bytes(o, "owner_failure", r->owner_failure.p, r->owner_failure.n);
    out_int(o, "clock_skew_ms", r->clock_skew_ms);
    out_int(o, "now_ms", r->now_ms);
    out_int(o, "answered_ms", r->good_ms);
    out_bytes(o, "failure", r->failure.p, r->failure.n);
    out_int(o, "failure_ms", r->failure_ms);
    for (int32_t i = 0; i < r->failing.n; i++) {
        char key[40];

        (void)snprintf(key, sizeof(key), "%.*s_fails_since_ms", (int)r->failing.v[i].operation.n,
            r->failing.v[i].operation.p);
        out_int(o, key, r->failing.v[i].since_ms);
    }
    out_int(o, "uploaded_ms", r->uploaded_ms);
    out_int(o, "deleted_ms", r->deleted_ms);
    out_int(o, "swept_ms", r->swept_ms);
    out_end(o);
}

static void
ago(FILE *f, const char *what, int64_t now_ms, int64_t ms, const char *end)
{
    char span[32];

    if (ms > 0)
        (void)fprintf(f, "%s %s ago%s", what, tier_span(now_ms - ms, span), end);
    else
        (void)fprintf(f, "%s: none since the start%s", what, end);
}

static void
store_text(struct out *o, const struct vrv_tier_describe_resp *r)
{
    char span[32];

    out_shown(o->f, r->store.p, (size_t)r->store.n);
    (void)fputs(": ", o->f);
    out_paint(o, state_colour(r), state(r));
    (void)fputc('\n', o->f);
    if (!r->is_owned) {
        out_paint(o, OUT_RED, "nothing is written there: ");
        if (r->owner_failure.p != NULL)
            out_shown(o->f, r->owner_failure.p, (size_t)r->owner_failure.n);
        else
            (void)fputs("it is being asked whose it is", o->f);
        (void)fputc('\n', o->f);
    } else if (r->owner_failure.p != NULL) {
        out_paint(o, OUT_RED, "varve restore would bring back what was: ");
        out_shown(o->f, r->owner_failure.p, (size_t)r->owner_failure.n);
        (void)fputc('\n', o->f);
    }
    if (r->clock_skew_ms != 0) {
        bool ahead = r->clock_skew_ms > 0;

        (void)fprintf(o->f, "its clock is %s %s that of the server: requests are signed by it; set the wrong one right\n",
            tier_span(ahead ? r->clock_skew_ms : -r->clock_skew_ms, span), ahead ? "ahead of" : "behind");
    }
    for (int32_t i = 0; i < r->failing.n; i++) {
        const struct vrv_tier_describe_resp_failing *x = &r->failing.v[i];

        (void)fprintf(o->f, "%.*s fails since %s: ", (int)x->operation.n, x->operation.p,
            tier_span(r->now_ms - x->since_ms, span));
        out_shown(o->f, x->failure.p, (size_t)x->failure.n);
        (void)fputc('\n', o->f);
    }
    if (r->failure_ms > 0) {
        (void)fprintf(o->f, "last failure %s ago: ",
            tier_span(r->now_ms - r->failure_ms, span));
        out_shown(o->f, r->failure.p, (size_t)r->failure.n);
        (void)fputc('\n', o->f);
    }
    ago(o->f, "last upload", r->now_ms, r->uploaded_ms, ", ");
    ago(o->f, "deletion", r->now_ms, r->deleted_ms, ", ");
    ago(o->f, "sweep", r->now_ms, r->swept_ms, "\n");
}

/* ---- this disk ---- */

enum { FINE, HIGH, SHORT, FULL };

static const struct {
    const char *json, *text;
    enum out_colour colour;
} disks[] = {
    [FINE] = { "fine", "fine", OUT_GREEN },
    [HIGH] = { "high", "too full: what the store has, too, leaves early", OUT_YELLOW },
    [SHORT] = { "short", "too full, and what the store has, too, isn't enough: segments hurry there", OUT_YELLOW },
    [FULL] = { "full", "full: each topic does as its varve.tier.outage.policy says", OUT_RED },
};

static void
disk_json(struct out *o, const struct vrv_tier_describe_resp *r)
{
    out_begin(o, "disk");
    out_str(o, "state", r->disk_state >= FINE && r->disk_state <= FULL ? disks[r->disk_state].json : "?");
    out_int(o, "local_bytes", r->disk_local_bytes);
    out_int(o, "local_max_bytes", r->disk_local_max_bytes);
    out_int(o, "free_bytes", r->disk_free_bytes);
    out_int(o, "free_min_bytes", r->disk_free_min_bytes);
    out_int(o, "reserve_bytes", r->disk_reserve_bytes);
    out_end(o);
}

static void
disk_text(struct out *o, const struct vrv_tier_describe_resp *r)
{
    bool known = r->disk_state >= FINE && r->disk_state <= FULL;
    int64_t least = r->disk_free_min_bytes > r->disk_reserve_bytes ? r->disk_free_min_bytes : r->disk_reserve_bytes;
    char size[32];

    (void)fprintf(o->f, "this disk: %s of sealed segments", out_size((uint64_t)r->disk_local_bytes, size));
    if (r->disk_local_max_bytes >= 0)
        (void)fprintf(o->f, " of %s", out_size((uint64_t)r->disk_local_max_bytes, size));
    if (r->disk_free_bytes >= 0)
        (void)fprintf(o->f, ", %s free", out_size((uint64_t)r->disk_free_bytes, size));
    (void)fprintf(o->f, " (at least %s): ", out_size((uint64_t)least, size));
    out_paint(o, known ? disks[r->disk_state].colour : OUT_PLAIN, known ? disks[r->disk_state].text : "?");
    (void)fputs("\n\n", o->f);
}

/* ---- partitions ---- */

static void
amount_json(struct out *o, const char *what, const struct vrv_tier_describe_resp_amount *a)
{
    char key[40];

    (void)snprintf(key, sizeof(key), "%s_segments", what);
    out_int(o, key, a->segments);
    (void)snprintf(key, sizeof(key), "%s_bytes", what);
    out_int(o, key, a->bytes);
}

static void
part_json(struct out *o, const char *topic, const struct vrv_tier_describe_resp_topic *of,
    const struct vrv_tier_describe_resp_partition *p)
{
    static const char *const works[] = { "rests", "reads", "moves", "trims", "sweeps" };

    out_begin(o, "partition");
    out_str(o, "topic", topic);
    out_int(o, "partition", p->partition_index);
    out_str(o, "state", tier_state(of, p));
    out_int(o, "start", p->log_start_offset);
    out_int(o, "local_start", p->local_start_offset);
    out_int(o, "cold_end", p->cold_end_offset);
    out_int(o, "end", p->log_end_offset);
    amount_json(o, "here", &p->here);
    amount_json(o, "both", &p->both);
    amount_json(o, "cold", &p->cold);
    out_int(o, "stored_bytes", p->stored_bytes);
    amount_json(o, "lag", &p->lag);
    out_int(o, "lag_ms", p->lag_ms);
    amount_json(o, "held", &p->held);
    out_str(o, "work", p->work >= RESTS && p->work <= SWEEPS ? works[p->work] : "?");
    out_int(o, "work_since_ms", p->work_since_ms);
    out_int(o, "work_offset", p->work_offset);
    out_int(o, "work_done", p->work_done);
    out_int(o, "work_size", p->work_size);
    out_bytes(o, "error", p->error_message.p, p->error_message.n);
    out_bytes(o, "failure", p->failure.p, p->failure.n);
    out_int(o, "failure_ms", p->failure_ms);
    out_int(o, "again_ms", p->again_ms);
    out_bool(o, "refuses", p->is_refusing);
    out_end(o);
}

static void
bytes_cell(struct table *t, enum out_colour c, int64_t bytes)
{
    char buf[32];

    table_add(t, c, "%s", bytes > 0 ? out_size((uint64_t)bytes, buf) : "-");
}

static void
offset_cell(struct table *t, int64_t offset)
{
    if (offset < 0)
        table_add(t, OUT_PLAIN, "-");
    else
        table_add(t, OUT_PLAIN, "%" PRId64, offset);
}

static void
lag_cells(struct table *t, const struct vrv_tier_describe_resp_partition *p)
{
    enum out_colour c = p->lag.segments > 0 ? OUT_YELLOW : OUT_PLAIN;
    char buf[32];

    if (p->lag.segments == 0) {
        table_add(t, c, "-");
        table_add(t, c, "-");
        return;
    }
    table_add(t, c, "%s in %" PRId64, out_size((uint64_t)p->lag.bytes, buf), p->lag.segments);
    table_add(t, c, "%s", tier_span(p->lag_ms, buf));
}

static void
work_cell(struct table *t, const struct vrv_tier_describe_resp *r,
    const struct vrv_tier_describe_resp_partition *p)
{
    char buf[32];

    if (p->error_code != 0)
        table_add(t, OUT_RED, "is not known");
    else if (p->work == MOVES)
        table_add(t, OUT_GREEN, "moves %" PRId64 ": %d %%", p->work_offset,
            (int)(p->work_size > 0 ? p->work_done * 100 / p->work_size : 0));
    else if (p->work == READS || p->work == TRIMS || p->work == SWEEPS)
        table_add(t, OUT_GREEN, "%s", p->work == READS ? "reads its manifest"
            : p->work == TRIMS ? "deletes" : "cleans up");
    else if (p->again_ms > r->now_ms)
        table_add(t, OUT_RED, "failed, again in %s", tier_span(p->again_ms - r->now_ms, buf));
    else
        table_add(t, OUT_PLAIN, "-");
}

static void
part_row(struct table *t, const struct vrv_tier_describe_resp *r, const char *topic,
    const struct vrv_tier_describe_resp_partition *p)
{
    table_add(t, OUT_PLAIN, "%s", topic);
    table_add(t, OUT_PLAIN, "%" PRId32, p->partition_index);
    offset_cell(t, p->log_start_offset);
    offset_cell(t, p->local_start_offset);
    offset_cell(t, p->cold_end_offset);
    offset_cell(t, p->log_end_offset);
    bytes_cell(t, OUT_PLAIN, p->here.bytes);
    bytes_cell(t, OUT_PLAIN, p->both.bytes);
    bytes_cell(t, OUT_PLAIN, p->cold.bytes);
    lag_cells(t, p);
    work_cell(t, r, p);
}

/* What a table has no room for. */
static void
part_notes(struct out *o, const struct vrv_tier_describe_resp *r, const char *topic,
    const struct vrv_tier_describe_resp_partition *p)
{
    char span[32], size[32];

    if (p->error_message.p != NULL) {
        (void)fprintf(o->f, "%s %" PRId32 ": ", topic, p->partition_index);
        out_shown(o->f, p->error_message.p, (size_t)p->error_message.n);
        (void)fputc('\n', o->f);
    }
    if (p->held.segments > 0)
        (void)fprintf(o->f, "%s %" PRId32 ": %s are on this disk only because they are not in the "
            "store yet\n", topic, p->partition_index, out_size((uint64_t)p->held.bytes, size));
    if (p->failure_ms > r->uploaded_ms) {
        (void)fprintf(o->f, "%s %" PRId32 ": failed %s ago: ", topic, p->partition_index,
            tier_span(r->now_ms - p->failure_ms, span));
        out_shown(o->f, p->failure.p, (size_t)p->failure.n);
        (void)fputc('\n', o->f);
    }
}

/* ---- all ---- */

struct shown {
    struct table table;
    const struct vrv_tier_describe_resp *resp;
    bool notes; /* the second time around */
};

static int
show_topic(struct kafka *k, struct shown *s, const struct vrv_tier_describe_resp_topic *t,
    struct vrv_err *e)
{
    char name[256];

    (void)snprintf(name, sizeof(name), "%.*s", (int)t->name.n, t->name.p);
    if (t->error_code != 0)
        return s->notes ? 0 : tier_err(e, t->error_code, t->error_message, "topic \"%.100s\"",
            name);
    for (int32_t i = 0; i < t->partitions.n; i++) {
        const struct vrv_tier_describe_resp_partition *p = &t->partitions.v[i];

        if (p->error_code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            return s->notes ? 0 : tier_err(e, p->error_code, p->error_message,
                "partition %" PRId32 " of topic \"%.100s\"", p->partition_index, name);
        if (!t->is_tiered && p->cold_end_offset < 0)
            return s->notes ? 0 : tier_not_tiered(e, name);
        if (s->notes) {
            tier_note_state(&k->out, name, t, p);
            part_notes(&k->out, s->resp, name, p);
        } else if (k->out.json) {
            part_json(&k->out, name, t, p);
        } else {
            part_row(&s->table, s->resp, name, p);
        }
    }
    return 0;
}

static int
show(struct kafka *k, const struct vrv_tier_describe_resp *r, struct vrv_err *e)
{
    struct shown s = { .resp = r };
    int first = 0;

    if (k->out.json) {
        store_json(&k->out, r);
        disk_json(&k->out, r);
    } else {
        store_text(&k->out, r);
        disk_text(&k->out, r);
    }
    table_init(&s.table, (const char *const[]){ "TOPIC", ">PARTITION", ">START", ">LOCAL START",
        ">COLD END", ">END", ">ONLY HERE", ">IN BOTH", ">ONLY COLD", ">LAG", ">AGE", "DOING",
        NULL });
    for (int32_t i = 0; i < r->topics.n; i++)
        kafka_told(show_topic(k, &s, &r->topics.v[i], e), e, &first);
    if (r->topics.n == 0 && !k->out.json)
        (void)fprintf(k->out.f, "no topic asks for the cold tier: varve config set topic NAME "
            "remote.storage.enable=true\n");
    table_print(&s.table, &k->out);
    s.notes = !k->out.json;
    for (int32_t i = 0; i < r->topics.n && s.notes; i++)
        (void)show_topic(k, &s, &r->topics.v[i], e);
    return first;
}

static int
ask(struct tier *t, const struct args *a, struct vrv_tier_describe_resp *resp, struct vrv_err *e)
{
    size_t n = (size_t)a->n;
    struct tier_named *named = vrv_mem_zero((n + 1) * sizeof(*named));
    struct vrv_tier_describe_req_topic *topic = vrv_mem_zero((n + 1) * sizeof(*topic));
    struct vrv_tier_describe_req q = { .topics = { n > 0 ? topic : NULL, (int32_t)n } };
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = tier_name(a->v[i], &named[i], e);
        topic[i].name = vrv_str(named[i].topic);
        topic[i].partitions.v = &named[i].partition;
        topic[i].partitions.n = named[i].partition >= 0;
    }
    if (rc == 0)
        rc = tier_ask(t, VRV_API_tier_describe, &q, resp, e);
    if (rc == 0)
        rc = tier_answer(t, resp->error_code, resp->error_message, e);
    free(topic);
    free(named);
    return rc;
}

int
tier_status(struct kafka *k, struct args *a, struct vrv_err *e)
{
    const struct arg own[] = { { NULL, 0, 0, NULL } };
    struct vrv_tier_describe_resp resp;
    struct tier t;
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = args_want(a, 0, WORDS_MAX, "topics", e);
    if (rc != 0)
        return rc;
    rc = tier_open(&t, k, e);
    if (rc == 0)
        rc = ask(&t, a, &resp, e);
    if (rc == 0)
        rc = show(k, &resp, e);
    tier_close(&t);
    return rc;
}
