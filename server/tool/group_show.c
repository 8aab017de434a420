/* varve group ls and describe. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/tool/group.h"
#include "server/tool/table.h"

const char group_ls_help[] =
    "usage: varve group ls [options]                groups with their states\n"
    KAFKA_OPTIONS_HELP;
const char group_describe_help[] =
    "usage: varve group describe [options] GROUP... state, members, offsets, lag\n"
    KAFKA_OPTIONS_HELP;

/* ---- ls ---- */

static int
by_id(const void *a, const void *b)
{
    return strcmp(
        rd_kafka_ConsumerGroupListing_group_id(*(const rd_kafka_ConsumerGroupListing_t *const *)a),
        rd_kafka_ConsumerGroupListing_group_id(*(const rd_kafka_ConsumerGroupListing_t *const *)b));
}

static void
ls_print(struct kafka *k, const rd_kafka_ConsumerGroupListing_t **groups, size_t n)
{
    const rd_kafka_ConsumerGroupListing_t **sorted = vrv_mem_zero((n + 1) * sizeof(*sorted));
    struct table t;

    table_init(&t, (const char *const[]){ "GROUP", "STATE", NULL });
    if (n > 0)
        memcpy(sorted, groups, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), by_id);
    for (size_t i = 0; i < n; i++) {
        enum out_colour c;
        const char *id = rd_kafka_ConsumerGroupListing_group_id(sorted[i]);
        const char *state =
            group_state_name(rd_kafka_ConsumerGroupListing_state(sorted[i]), &c);

        if (k->out.json) {
            out_begin(&k->out, "group");
            out_str(&k->out, "group", id);
            out_str(&k->out, "state", state);
            out_end(&k->out);
        } else {
            table_add(&t, OUT_PLAIN, "%s", id);
            table_add(&t, c, "%s", state);
        }
    }
    table_print(&t, &k->out);
    free(sorted);
}

int
group_ls(struct kafka *k, struct args *a, struct vrv_err *e)
{
    const struct arg own[] = { { NULL, 0, 0, NULL } };
    size_t n;
    int first = 0;
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = args_want(a, 0, 0, "ls", e);
    if (rc == 0)
        rc = kafka_open(k, RD_KAFKA_CONSUMER, e);
    if (rc != 0)
        return rc;
    rd_kafka_AdminOptions_t *o = kafka_options(k, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS);
    rd_kafka_ListConsumerGroups(k->rk, o, k->queue);
    rd_kafka_event_t *ev = kafka_result(k, e);
    rd_kafka_AdminOptions_destroy(o);
    if (ev == NULL)
        return e->code;
    const rd_kafka_ListConsumerGroups_result_t *r = rd_kafka_event_ListConsumerGroups_result(ev);
    const rd_kafka_ConsumerGroupListing_t **groups =
        rd_kafka_ListConsumerGroups_result_valid(r, &n);
    ls_print(k, groups, n);
    /* Each broker lists its own groups: some may not have answered. */
    const rd_kafka_error_t **errors = rd_kafka_ListConsumerGroups_result_errors(r, &n);
    for (size_t i = 0; i < n; i++)
        kafka_told(kafka_err(e, rd_kafka_error_code(errors[i]), rd_kafka_error_string(errors[i]),
                       "groups of a broker are missing"), e, &first);
    rd_kafka_event_destroy(ev);
    return first;
}

/* ---- describe ---- */

/* Who reads a partition, or NULL. */
static const rd_kafka_MemberDescription_t *
member_of(const rd_kafka_ConsumerGroupDescription_t *d, const rd_kafka_topic_partition_t *p)
{
    size_t n = rd_kafka_ConsumerGroupDescription_member_count(d);

    for (size_t i = 0; i < n; i++) {
        const rd_kafka_MemberDescription_t *m = rd_kafka_ConsumerGroupDescription_member(d, i);
        const rd_kafka_MemberAssignment_t *a = rd_kafka_MemberDescription_assignment(m);
        const rd_kafka_topic_partition_list_t *list =
            a != NULL ? rd_kafka_MemberAssignment_partitions(a) : NULL;

        if (list != NULL &&
            rd_kafka_topic_partition_list_find((rd_kafka_topic_partition_list_t *)(uintptr_t)list,
                p->topic, p->partition) != NULL)
            return m;
    }
    return NULL;
}

/* Those that members read and nothing is committed for come to those with an offset. */
static void
add_assigned(const rd_kafka_ConsumerGroupDescription_t *d, rd_kafka_topic_partition_list_t *list)
{
    size_t n = rd_kafka_ConsumerGroupDescription_member_count(d);

    for (size_t i = 0; i < n; i++) {
        const rd_kafka_MemberAssignment_t *a = rd_kafka_MemberDescription_assignment(
            rd_kafka_ConsumerGroupDescription_member(d, i));
        const rd_kafka_topic_partition_list_t *read =
            a != NULL ? rd_kafka_MemberAssignment_partitions(a) : NULL;

        for (int j = 0; read != NULL && j < read->cnt; j++)
            if (rd_kafka_topic_partition_list_find(list, read->elems[j].topic,
                    read->elems[j].partition) == NULL)
                rd_kafka_topic_partition_list_add(list, read->elems[j].topic,
                    read->elems[j].partition)->offset = RD_KAFKA_OFFSET_INVALID;
    }
}

static const char *
client_of(const rd_kafka_MemberDescription_t *m)
{
    return m != NULL ? rd_kafka_MemberDescription_client_id(m) : "";
}

static const char *
host_of(const rd_kafka_MemberDescription_t *m)
{
    const char *host = m != NULL ? rd_kafka_MemberDescription_host(m) : "";

    return host[0] == '/' ? host + 1 : host;
}

/* Of one partition; -1 is unknown. */
struct row {
    const rd_kafka_topic_partition_t *p;
    const rd_kafka_MemberDescription_t *member;
    int64_t committed, end, lag;
};

static void
row_json(struct out *o, const char *group, const struct row *r)
{
    out_begin(o, "group_offset");
    out_str(o, "group", group);
    out_str(o, "topic", r->p->topic);
    out_int(o, "partition", r->p->partition);
    out_int(o, "committed", r->committed);
    out_int(o, "end", r->end);
    out_int(o, "lag", r->lag);
    out_str(o, "client", client_of(r->member));
    out_str(o, "host", host_of(r->member));
    out_str(o, "member",
        r->member != NULL ? rd_kafka_MemberDescription_consumer_id(r->member) : "");
    out_end(o);
}

static void
number_cell(struct table *t, int64_t v, enum out_colour c)
{
    if (v < 0)
        table_add(t, OUT_DIM, "-");
    else
        table_add(t, c, "%" PRId64, v);
}

static void
row_text(struct table *t, const struct row *r)
{
    table_add(t, OUT_PLAIN, "%s", r->p->topic);
    table_add(t, OUT_PLAIN, "%" PRId32, r->p->partition);
    number_cell(t, r->committed, OUT_PLAIN);
    number_cell(t, r->end, OUT_PLAIN);
    number_cell(t, r->lag, r->lag > 0 ? OUT_YELLOW : OUT_GREEN);
    table_add(t, OUT_PLAIN, "%s", client_of(r->member));
    table_add(t, OUT_DIM, "%s", host_of(r->member));
}

static void
print_head(struct kafka *k, const char *group, const rd_kafka_ConsumerGroupDescription_t *d)
{
    enum out_colour c;
    const char *state = group_state_name(rd_kafka_ConsumerGroupDescription_state(d), &c);
    const char *assignor = rd_kafka_ConsumerGroupDescription_partition_assignor(d);
    const rd_kafka_Node_t *node = rd_kafka_ConsumerGroupDescription_coordinator(d);
    size_t members = rd_kafka_ConsumerGroupDescription_member_count(d);

    if (k->out.json) {
        out_begin(&k->out, "group");
        out_str(&k->out, "group", group);
        out_str(&k->out, "state", state);
        out_uint(&k->out, "members", members);
        out_str(&k->out, "assignor", assignor != NULL ? assignor : "");
        out_int(&k->out, "coordinator", node != NULL ? rd_kafka_Node_id(node) : -1);
        out_end(&k->out);
        return;
    }
    out_paint(&k->out, OUT_BOLD, group);
    (void)fputs(": ", k->out.f);
    out_paint(&k->out, c, state);
    (void)fprintf(k->out.f, ", members %zu", members);
    if (assignor != NULL && *assignor != '\0')
        (void)fprintf(k->out.f, ", assignor %s", assignor);
    if (node != NULL)
        (void)fprintf(k->out.f, ", coordinator %d", rd_kafka_Node_id(node));
    (void)fputc('\n', k->out.f);
}

static void
print_offsets(struct kafka *k, const char *group, const rd_kafka_ConsumerGroupDescription_t *d,
    const rd_kafka_topic_partition_list_t *list, rd_kafka_topic_partition_list_t *ends)
{
    struct table t;

    table_init(&t, (const char *const[]){ "TOPIC", ">PARTITION", ">COMMITTED", ">END", ">LAG",
                       "CLIENT", "HOST", NULL });
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        const rd_kafka_topic_partition_t *end =
            rd_kafka_topic_partition_list_find(ends, p->topic, p->partition);
        struct row r = { .p = p, .member = member_of(d, p), .committed = -1, .end = -1, .lag = -1 };

        if (p->err == 0 && p->offset >= 0)
            r.committed = p->offset;
        if (end != NULL && end->err == 0)
            r.end = end->offset;
        if (r.committed >= 0 && r.end >= 0)
            r.lag = r.end > r.committed ? r.end - r.committed : 0;
        if (k->out.json)
            row_json(&k->out, group, &r);
        else
            row_text(&t, &r);
    }
    table_print(&t, &k->out);
}

static int
describe_one(struct kafka *k, const char *group, const void *ctx, struct vrv_err *e)
{
    const rd_kafka_ConsumerGroupDescription_t *d;
    rd_kafka_topic_partition_list_t *list = NULL, *ends = NULL;
    rd_kafka_event_t *ev;
    int rc = group_state(k, group, &ev, &d, e);

    (void)ctx;
    if (rc < 0)
        return rc;
    rc = group_committed(k, group, &list, e);
    if (rc == 0) {
        add_assigned(d, list);
        rc = group_offsets(k, list, RD_KAFKA_OFFSET_END, &ends, e);
    }
    if (rc == 0) {
        print_head(k, group, d);
        print_offsets(k, group, d, list, ends);
    }
    if (ends != NULL)
        rd_kafka_topic_partition_list_destroy(ends);
    if (list != NULL)
        rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_event_destroy(ev);
    return rc;
}

int
group_describe(struct kafka *k, struct args *a, struct vrv_err *e)
{
    const struct arg own[] = { { NULL, 0, 0, NULL } };
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = args_want(a, 1, WORDS_MAX, "a group's name", e);
    return rc == 0 ? kafka_each(k, a, describe_one, NULL, e) : rc;
}
