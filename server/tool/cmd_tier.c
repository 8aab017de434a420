/* varve tier: plan, and the table of subcommands. */
#include <inttypes.h>
#include <string.h>

#include "server/tool/commands.h"
#include "server/tool/table.h"
#include "server/tool/tier.h"

static const char plan_help[] =
    "usage: varve tier plan [options] TOPIC [KEY=VALUE...]   what settings would do\n"
    "      --unset KEY            this one back to its default\n"
    KAFKA_OPTIONS_HELP;

/* ---- what is asked ---- */

struct wanted {
    struct vrv_tier_plan_req_config *v;
    int32_t n;
};

static int
add_sets(struct args *a, struct wanted *w, struct vrv_err *e)
{
    const char *value;
    size_t n;

    for (int i = 1; i < a->n; i++) {
        if (!args_pair(a->v[i], &n, &value))
            return args_misuse(a, e, "\"%.60s\" isn't KEY=VALUE", a->v[i]);
        w->v[w->n++] = (struct vrv_tier_plan_req_config){ { a->v[i], (int32_t)n }, vrv_str(value) };
    }
    return 0;
}

static int
ask(struct tier *t, const char *topic, const struct wanted *w, struct vrv_tier_plan_resp *resp,
    struct vrv_err *e)
{
    struct vrv_tier_plan_req_topic q_topic = { .name = vrv_str(topic), .configs = { w->v, w->n } };
    struct vrv_tier_plan_req q = { .topics = { &q_topic, 1 } };

    int rc = tier_ask(t, VRV_API_tier_plan, &q, resp, e);
    if (rc == 0)
        rc = tier_answer_one(t, resp->error_code, resp->error_message, resp->topics.n, e);
    if (rc < 0)
        return rc;
    if (resp->topics.v[0].error_code != 0)
        return tier_err(e, resp->topics.v[0].error_code, resp->topics.v[0].error_message,
            "topic \"%.100s\"", topic);
    return 0;
}

/* ---- what is told ---- */

static void
add(struct vrv_tier_plan_resp_amount *to, const struct vrv_tier_plan_resp_amount *a)
{
    to->segments += a->segments;
    to->bytes += a->bytes;
}

static void
json(struct out *o, const char *topic, const struct vrv_tier_plan_resp_partition *p)
{
    out_begin(o, "plan");
    out_str(o, "topic", topic);
    out_int(o, "partition", p->partition_index);
    out_int(o, "copied_segments", p->copied.segments);
    out_int(o, "copied_bytes", p->copied.bytes);
    out_int(o, "store_requests", p->store_requests);
    out_int(o, "dropped_segments", p->dropped.segments);
    out_int(o, "dropped_bytes", p->dropped.bytes);
    out_int(o, "deleted_segments", p->deleted.segments);
    out_int(o, "deleted_bytes", p->deleted.bytes);
    out_end(o);
}

static void
amount_cell(struct table *t, enum out_colour c, const struct vrv_tier_plan_resp_amount *a)
{
    char size[32];

    if (a->segments == 0)
        table_add(t, OUT_PLAIN, "-");
    else
        table_add(t, c, "%s in %" PRId64, out_size((uint64_t)a->bytes, size), a->segments);
}

static void
row(struct table *t, const struct vrv_tier_plan_resp_partition *p)
{
    if (p->partition_index < 0)
        table_add(t, OUT_BOLD, "all");
    else
        table_add(t, OUT_PLAIN, "%" PRId32, p->partition_index);
    amount_cell(t, OUT_PLAIN, &p->copied);
    table_add(t, OUT_PLAIN, "%" PRId64, p->store_requests);
    amount_cell(t, OUT_PLAIN, &p->dropped);
    amount_cell(t, OUT_RED, &p->deleted);
}

static int
show(struct kafka *k, const char *topic, const struct vrv_tier_plan_resp_topic *t,
    struct vrv_err *e)
{
    struct vrv_tier_plan_resp_partition all = { .partition_index = -1 };
    struct table table;
    int first = 0;

    table_init(&table, (const char *const[]){ ">PARTITION", ">TO THE STORE", ">REQUESTS",
        ">FROM THIS DISK", ">DELETED", NULL });
    for (int32_t i = 0; i < t->partitions.n; i++) {
        const struct vrv_tier_plan_resp_partition *p = &t->partitions.v[i];

        if (p->error_code != 0) {
            kafka_told(tier_err(e, p->error_code, p->error_message, "partition %" PRId32
                " of topic \"%.100s\"", p->partition_index, topic), e, &first);
            continue;
        }
        add(&all.copied, &p->copied);
        add(&all.dropped, &p->dropped);
        add(&all.deleted, &p->deleted);
        all.store_requests += p->store_requests;
        if (k->out.json)
            json(&k->out, topic, p);
        else
            row(&table, p);
    }
    if (!k->out.json && t->partitions.n > 1)
        row(&table, &all);
    table_print(&table, &k->out);
    if (!k->out.json)
        (void)fprintf(k->out.f, "that would happen now; nothing was changed\n");
    return first;
}

/* ---- the command ---- */

static int
plan(struct kafka *k, struct args *a, struct vrv_err *e)
{
    struct words unset = { .n = 0 };
    const struct arg own[] = { { "unset", 0, ARG_WORDS, &unset }, { NULL, 0, 0, NULL } };
    struct vrv_tier_plan_req_config config[2 * WORDS_MAX];
    struct wanted w = { config, 0 };
    struct vrv_tier_plan_resp resp;
    struct tier t;
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = args_want(a, 1, WORDS_MAX, "a topic's name", e);
    if (rc == 0)
        rc = add_sets(a, &w, e);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < unset.n; i++)
        w.v[w.n++] = (struct vrv_tier_plan_req_config){ vrv_str(unset.v[i]), { NULL, 0 } };
    rc = tier_open(&t, k, e);
    if (rc == 0)
        rc = ask(&t, a->v[0], &w, &resp, e);
    if (rc == 0)
        rc = show(k, a->v[0], &resp.topics.v[0], e);
    tier_close(&t);
    return rc;
}

static const struct sub subs[] = {
    { "status", tier_status_help, tier_status },
    { "explain", tier_explain_help, tier_explain },
    { "plan", plan_help, plan },
    { "offload", tier_offload_help, tier_offload },
    { "deleted", tier_deleted_help, tier_deleted },
    { "undelete", tier_undelete_help, tier_undelete },
    { "ls", tier_ls_help, NULL }, /* these two ask no broker */
    { "dump", tier_dump_help, NULL },
    { NULL, NULL, NULL },
};

int
cmd_tier(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "ls") == 0)
        return tier_ls(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "dump") == 0)
        return tier_dump(argc - 1, argv + 1);
    return kafka_main("tier", subs, argc, argv);
}
