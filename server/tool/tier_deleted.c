/* varve tier deleted, undelete: topics that are gone, for a while. */
#include <inttypes.h>
#include <time.h>

#include "server/tool/stop.h"
#include "server/tool/table.h"
#include "server/tool/tier.h"
#include "server/tool/tool.h"

const char tier_deleted_help[] =
    "usage: varve tier deleted [options]   deleted topics whose cold data is still there\n"
    KAFKA_OPTIONS_HELP;

const char tier_undelete_help[] =
    "usage: varve tier undelete [options] TOPIC   bring a deleted topic back, with what is cold of it\n"
    "      --as NAME              under another name\n"
    "      --wait SECONDS         for what this disk had of it to be removed, at most (60)\n"
    KAFKA_OPTIONS_HELP;

static const struct timespec look_again = { 0, 200000000 };

/* ---- deleted ---- */

static void
json(struct out *o, const struct vrv_tier_deleted_resp_topic *t)
{
    char id[VRV_UUID_TEXT + 1];

    vrv_uuid_text(&t->topic_id, id);
    out_begin(o, "deleted");
    out_bytes(o, "topic", t->name.p, t->name.n);
    out_str(o, "id", id);
    out_int(o, "partitions", t->partitions);
    if (t->bytes >= 0)
        out_int(o, "bytes", t->bytes);
    out_int(o, "deleted_ms", t->deleted_ms);
    out_int(o, "until_ms", t->until_ms);
    out_bool(o, "purging", t->is_purging);
    out_end(o);
}

static void
row(struct table *t, int64_t now_ms, const struct vrv_tier_deleted_resp_topic *d)
{
    char ago[32], left[32], size[32], id[VRV_UUID_TEXT + 1];

    table_add(t, OUT_PLAIN, "%.*s", (int)d->name.n, d->name.p);
    table_add(t, OUT_PLAIN, "%" PRId32, d->partitions);
    table_add(t, OUT_PLAIN, "%s", d->bytes >= 0 ? out_size((uint64_t)d->bytes, size) : "?");
    table_add(t, OUT_PLAIN, "%s ago", tier_span(now_ms - d->deleted_ms, ago));
    if (d->is_purging)
        table_add(t, OUT_RED, "no: it is being deleted for good");
    else if (d->until_ms < 0)
        table_add(t, OUT_GREEN, "at any time");
    else if (d->until_ms <= now_ms)
        table_add(t, OUT_YELLOW, "its time is over");
    else
        table_add(t, OUT_GREEN, "for %s", tier_span(d->until_ms - now_ms, left));
    vrv_uuid_text(&d->topic_id, id);
    table_add(t, OUT_PLAIN, "%s", id);
}

static void
show(struct out *o, const struct vrv_tier_deleted_resp *resp)
{
    struct table t;

    table_init(&t, (const char *const[]){ "TOPIC", ">PARTITIONS", ">STORE", "DELETED", "CAN COME BACK",
        "ID", NULL });
    for (int32_t i = 0; i < resp->topics.n; i++) {
        if (o->json)
            json(o, &resp->topics.v[i]);
        else
            row(&t, resp->now_ms, &resp->topics.v[i]);
    }
    if (!o->json && resp->topics.n == 0)
        (void)fputs("no deleted topic has left anything in the cold tier\n", o->f);
    table_print(&t, o);
}

int
tier_deleted(struct kafka *k, struct args *a, struct vrv_err *e)
{
    struct vrv_tier_deleted_req q;
    struct vrv_tier_deleted_resp resp;
    const struct arg own[] = { { NULL, 0, 0, NULL } };
    struct tier t;
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = args_want(a, 0, 0, "no words", e);
    if (rc != 0)
        return rc;
    VRV_WIRE_INIT(tier_deleted_req, &q);
    rc = tier_open(&t, k, e);
    if (rc == 0)
        rc = tier_ask(&t, VRV_API_tier_deleted, &q, &resp, e);
    if (rc == 0)
        rc = tier_answer(&t, resp.error_code, resp.error_message, e);
    if (rc == 0)
        show(&k->out, &resp);
    tier_close(&t);
    return rc;
}

/* ---- undelete ---- */

struct back {
    const char *topic, *as; /* as: NULL for the name that it had */
    int64_t wait_s;
};

/* Why it can't, and what to do. */
static int
refused(const struct back *b, const struct vrv_tier_undelete_resp *resp, struct vrv_err *e)
{
    const char *name = b->as != NULL ? b->as : b->topic;

    if (resp->error_code == (int16_t)RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return vrv_err_set(e, VRV_E_NOTFOUND, "no deleted topic \"%.100s\" has left anything in the cold "
            "tier: varve tier deleted shows those that have", b->topic);
    if (resp->error_code == (int16_t)RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return vrv_err_set(e, VRV_E_EXISTS, "there is a topic \"%.100s\": give the deleted one another name "
            "with --as, or delete the one that there is", name);
    return tier_err(e, resp->error_code, resp->error_message, "topic \"%.100s\"", b->topic);
}

/* Until what this disk had of it is removed, which takes seconds. */
static int
bring_back(struct tier *t, const struct back *b, struct vrv_tier_undelete_resp *resp, struct vrv_err *e)
{
    struct vrv_tier_undelete_req q = { .name = vrv_str(b->topic) };
    int64_t until = bench_now() + b->wait_s * 1000000000;
    int rc;

    if (b->as != NULL)
        q.as_name = vrv_str(b->as);
    for (;;) {
        rc = tier_ask(t, VRV_API_tier_undelete, &q, resp, e);
        if (rc < 0 || !resp->is_too_early || bench_now() > until || stop_asked())
            break;
        vrv_arena_reset(&t->a);
        (void)nanosleep(&look_again, NULL);
    }
    return rc == 0 && resp->error_code != 0 ? refused(b, resp, e) : rc;
}

static void
told_back(struct out *o, const struct back *b, const struct vrv_uuid *topic)
{
    const char *name = b->as != NULL ? b->as : b->topic;
    char id[VRV_UUID_TEXT + 1];

    vrv_uuid_text(topic, id);
    if (!o->json) {
        (void)fprintf(o->f, "%s is back: varve tier status %s tells what there is of it\n", name, name);
        return;
    }
    out_begin(o, "undelete");
    out_str(o, "topic", name);
    out_str(o, "id", id);
    out_end(o);
}

int
tier_undelete(struct kafka *k, struct args *a, struct vrv_err *e)
{
    struct back b = { .wait_s = 60 };
    const struct arg own[] = { { "wait", 0, ARG_NUMBER, &b.wait_s }, { "as", 0, ARG_WORD, &b.as },
        { NULL, 0, 0, NULL } };
    struct vrv_tier_undelete_resp resp;
    struct tier t;
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = args_want(a, 1, 1, "a topic's name", e);
    if (rc != 0)
        return rc;
    b.topic = a->v[0];
    stop_catch();
    rc = tier_open(&t, k, e);
    if (rc == 0)
        rc = bring_back(&t, &b, &resp, e);
    if (rc == 0)
        told_back(&k->out, &b, &resp.topic_id);
    tier_close(&t);
    stop_die();
    return rc;
}
