#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/tool/settings.h"
#include "server/tool/table.h"
#include "server/tool/topic.h"

const char topic_ls_help[] =
    "usage: varve topic ls [options]                topics by name\n"
    "  -a, --all                  internal ones, too: their names begin with \"__\"\n"
    KAFKA_OPTIONS_HELP;
const char topic_describe_help[] =
    "usage: varve topic describe [options] TOPIC... partitions, offsets, settings\n"
    "  -a, --all                  all settings, not only those that differ from the default\n"
    KAFKA_OPTIONS_HELP;

/* ---- ls ---- */

static int
by_name(const void *a, const void *b)
{
    const struct rd_kafka_metadata_topic *const *x = a, *const *y = b;

    return strcmp((*x)->topic, (*y)->topic);
}

static int
replicas(const struct rd_kafka_metadata_topic *t)
{
    return t->partition_cnt > 0 ? t->partitions[0].replica_cnt : 0;
}

static int
offline(const struct rd_kafka_metadata_topic *t)
{
    int n = 0;

    for (int i = 0; i < t->partition_cnt; i++)
        n += t->partitions[i].leader < 0;
    return n;
}

static void
ls_json(struct out *o, const struct rd_kafka_metadata_topic *t)
{
    out_begin(o, "topic");
    out_str(o, "topic", t->topic);
    out_int(o, "partitions", t->partition_cnt);
    out_int(o, "replicas", replicas(t));
    out_int(o, "offline", offline(t));
    out_end(o);
}

static void
ls_row(struct table *table, const struct rd_kafka_metadata_topic *t)
{
    table_add(table, OUT_PLAIN, "%s", t->topic);
    table_add(table, OUT_PLAIN, "%d", t->partition_cnt);
    table_add(table, OUT_PLAIN, "%d", replicas(t));
    table_add(table, offline(t) > 0 ? OUT_RED : OUT_PLAIN, "%d", offline(t));
}

static void
ls_print(struct kafka *k, const struct rd_kafka_metadata *md, bool all)
{
    size_t n = (size_t)md->topic_cnt;
    const struct rd_kafka_metadata_topic **sorted = vrv_mem_zero((n + 1) * sizeof(*sorted));
    struct table table;

    table_init(&table,
        (const char *const[]){ "TOPIC", ">PARTITIONS", ">REPLICAS", ">OFFLINE", NULL });
    for (size_t i = 0; i < n; i++)
        sorted[i] = &md->topics[i];
    qsort(sorted, n, sizeof(*sorted), by_name);
    for (size_t i = 0; i < n; i++) {
        if (!all && strncmp(sorted[i]->topic, "__", 2) == 0)
            continue;
        if (k->out.json)
            ls_json(&k->out, sorted[i]);
        else
            ls_row(&table, sorted[i]);
    }
    table_print(&table, &k->out);
    free(sorted);
}

int
topic_ls(struct kafka *k, struct args *a, struct vrv_err *e)
{
    bool all = false;
    const struct arg own[] = { { "all", 'a', ARG_FLAG, &all }, { NULL, 0, 0, NULL } };
    const struct rd_kafka_metadata *md;
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = args_want(a, 0, 0, "ls", e);
    if (rc == 0)
        rc = kafka_open(k, RD_KAFKA_CONSUMER, e);
    if (rc == 0)
        rc = kafka_metadata(k, NULL, &md, e);
    if (rc != 0)
        return rc;
    ls_print(k, md, all);
    rd_kafka_metadata_destroy(md);
    return 0;
}

/* ---- describe ---- */

/* "1,2,3" */
static const char *
numbers(const int32_t *v, int n, char *buf, size_t size)
{
    size_t len = 0;

    buf[0] = '\0';
    for (int i = 0; i < n && len + 16 < size; i++)
        len += (size_t)snprintf(buf + len, size - len, "%s%" PRId32, i > 0 ? "," : "", v[i]);
    return buf;
}

static void
part_json(struct out *o, const char *topic, const struct rd_kafka_metadata_partition *p,
    int64_t start, int64_t end)
{
    char text[256];

    out_begin(o, "partition");
    out_str(o, "topic", topic);
    out_int(o, "partition", p->id);
    out_int(o, "leader", p->leader);
    out_str(o, "replicas", numbers(p->replicas, p->replica_cnt, text, sizeof(text)));
    out_str(o, "in_sync", numbers(p->isrs, p->isr_cnt, text, sizeof(text)));
    out_int(o, "start", start);
    out_int(o, "end", end);
    out_end(o);
}

static void
offset_cell(struct table *t, int64_t offset)
{
    if (offset < 0)
        table_add(t, OUT_RED, "?");
    else
        table_add(t, OUT_PLAIN, "%" PRId64, offset);
}

static void
part_row(struct table *t, const struct rd_kafka_metadata_partition *p, int64_t start, int64_t end)
{
    char text[256];
    bool short_of = p->isr_cnt < p->replica_cnt;

    table_add(t, OUT_PLAIN, "%" PRId32, p->id);
    if (p->leader < 0)
        table_add(t, OUT_RED, "none");
    else
        table_add(t, OUT_PLAIN, "%" PRId32, p->leader);
    table_add(t, OUT_PLAIN, "%s", numbers(p->replicas, p->replica_cnt, text, sizeof(text)));
    table_add(t, short_of ? OUT_YELLOW : OUT_PLAIN, "%s",
        numbers(p->isrs, p->isr_cnt, text, sizeof(text)));
    offset_cell(t, start);
    offset_cell(t, end);
    offset_cell(t, start < 0 || end < 0 ? -1 : end - start);
}

static int64_t
offset_of(const rd_kafka_topic_partition_list_t *list, const char *topic, int32_t partition)
{
    const rd_kafka_topic_partition_t *p = &list->elems[0];

    for (int i = 0; i < list->cnt; i++, p++)
        if (p->partition == partition && strcmp(p->topic, topic) == 0)
            return p->err == 0 ? p->offset : -1;
    return -1;
}

static int
by_id(const void *a, const void *b)
{
    const struct rd_kafka_metadata_partition *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static void
print_parts(struct kafka *k, const struct rd_kafka_metadata_topic *t,
    const rd_kafka_topic_partition_list_t *starts, const rd_kafka_topic_partition_list_t *ends)
{
    struct table table;

    table_init(&table, (const char *const[]){ ">PARTITION", ">LEADER", "REPLICAS", "IN SYNC",
                           ">START", ">END", ">RECORDS", NULL });
    qsort(t->partitions, (size_t)t->partition_cnt, sizeof(*t->partitions), by_id);
    for (int i = 0; i < t->partition_cnt; i++) {
        const struct rd_kafka_metadata_partition *p = &t->partitions[i];
        int64_t start = offset_of(starts, t->topic, p->id), end = offset_of(ends, t->topic, p->id);

        if (k->out.json)
            part_json(&k->out, t->topic, p, start, end);
        else
            part_row(&table, p, start, end);
    }
    table_print(&table, &k->out);
}

static void
print_topic(struct kafka *k, const struct rd_kafka_metadata_topic *t,
    const rd_kafka_topic_partition_list_t *starts, const rd_kafka_topic_partition_list_t *ends)
{
    if (k->out.json) {
        ls_json(&k->out, t);
    } else {
        out_paint(&k->out, OUT_BOLD, t->topic);
        (void)fprintf(k->out.f, ": partitions %d, replicas %d\n", t->partition_cnt, replicas(t));
    }
    print_parts(k, t, starts, ends);
}

static int
describe_one(struct kafka *k, const char *topic, const void *ctx, struct vrv_err *e)
{
    const bool *all = ctx;
    const struct rd_kafka_metadata *md;
    struct settings s = { .n = 0 };
    int rc = kafka_topic(k, topic, &md, e);

    if (rc < 0)
        return rc;
    const struct rd_kafka_metadata_topic *t = &md->topics[0];
    rd_kafka_topic_partition_list_t *starts = rd_kafka_topic_partition_list_new(t->partition_cnt);
    for (int i = 0; i < t->partition_cnt; i++)
        rd_kafka_topic_partition_list_add(starts, topic, t->partitions[i].id)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_copy(starts);
    for (int i = 0; i < ends->cnt; i++)
        ends->elems[i].offset = RD_KAFKA_OFFSET_END;
    rc = kafka_offsets(k, starts, e);
    if (rc == 0)
        rc = kafka_offsets(k, ends, e);
    if (rc == 0)
        rc = settings_read(k, RD_KAFKA_RESOURCE_TOPIC, topic, &s, e);
    if (rc == 0) {
        print_topic(k, t, starts, ends);
        settings_print(k, &s, *all);
    }
    settings_free(&s);
    rd_kafka_topic_partition_list_destroy(starts);
    rd_kafka_topic_partition_list_destroy(ends);
    rd_kafka_metadata_destroy(md);
    return rc;
}

int
topic_describe(struct kafka *k, struct args *a, struct vrv_err *e)
{
    bool all = false;
    const struct arg own[] = { { "all", 'a', ARG_FLAG, &all }, { NULL, 0, 0, NULL } };
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = args_want(a, 1, WORDS_MAX, "a topic's name", e);
    return rc == 0 ? kafka_each(k, a, describe_one, &all, e) : rc;
}
