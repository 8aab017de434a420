/* Families with a line per topic, partition, or committed offset: as many as the configuration
 * allows, the first ones by name, since who scrapes pays for each; what is left out is counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/group/span.h"
#include "server/main/assemble.h"
#include "server/main/metrics.h"
#include "server/stat/prom.h"

/* ---- topics and partitions ---- */

struct topic {
    struct vrv_uuid id;
    char name[VRV_TOPIC_NAME_MAX + 1];
    int32_t partitions;
    struct vrv_log_traffic t; /* of all its partitions */
};

struct partition {
    size_t topic;
    char number[12];
    struct vrv_log_offsets o;
};

struct topics {
    struct vrv_server *s;
    struct topic *v;
    size_t n, cap, max;
    struct partition *part;
    size_t part_n, part_cap, part_max;
    uint64_t all, all_partitions;
};

static int
add_topic(void *ctx, const struct vrv_topic_info *info)
{
    struct topics *ts = ctx;

    ts->all++;
    ts->all_partitions += (uint64_t)info->partitions;
    if (ts->n == ts->max)
        return 0;
    VRV_PUSH_ROOM(ts->v, ts->n, ts->cap);
    struct topic *t = &ts->v[ts->n++];
    *t = (struct topic){ .id = info->id, .partitions = info->partitions };
    memcpy(t->name, info->name, sizeof(t->name));
    return 0;
}

static void
add_partition(struct topics *ts, size_t topic, int32_t number, struct vrv_log *log)
{
    if (ts->part_n == ts->part_max)
        return;
    VRV_PUSH_ROOM(ts->part, ts->part_n, ts->part_cap);
    struct partition *p = &ts->part[ts->part_n++];
    p->topic = topic;
    p->o = vrv_log_offsets(log);
    (void)snprintf(p->number, sizeof(p->number), "%d", number);
}

static void
look_at(struct topics *ts, size_t topic)
{
    struct topic *t = &ts->v[topic];

    for (int32_t i = 0; i < t->partitions; i++) {
        struct vrv_log_id id = { t->id, i };
        struct vrv_log *log = vrv_engine_log_ref(ts->s->broker.engine, &id);

        if (log == NULL) /* being deleted */
            continue;
        struct vrv_log_traffic x = vrv_log_traffic(log);
        t->t.batches += x.batches;
        t->t.records += x.records;
        t->t.bytes += x.bytes;
        t->t.read_bytes += x.read_bytes;
        add_partition(ts, topic, i, log);
        vrv_log_unref(&log);
    }
}

/* The family of one number of all topics, its sum first. */
static void
put_by_topic(struct vrv_prom *p, const struct topics *ts, enum vrv_metric m, uint64_t sum,
    size_t which)
{
    vrv_prom_one(p, m, sum);
    for (size_t i = 0; i < ts->n; i++) {
        uint64_t v;

        memcpy(&v, (const char *)&ts->v[i].t + which, sizeof(v));
        vrv_prom_count(p, VRV_LABELS(VRV_LABEL("topic", ts->v[i].name)), v);
    }
}

static void
put_traffic(struct vrv_prom *p, const struct topics *ts)
{
    const struct vrv_log_env *env = vrv_engine_env(ts->s->broker.engine);
    const struct vrv_stat *st = ts->s->stat;
    uint64_t read = vrv_stat_counted(st, VRV_C_read_memory) +
        vrv_stat_counted(st, VRV_C_read_file) + vrv_stat_counted(st, VRV_C_read_cold);

    put_by_topic(p, ts, VRV_M_messages_in, atomic_load(&env->appended_records),
        offsetof(struct vrv_log_traffic, records));
    put_by_topic(p, ts, VRV_M_bytes_in, atomic_load(&env->appended_bytes),
        offsetof(struct vrv_log_traffic, bytes));
    put_by_topic(p, ts, VRV_M_bytes_out, read, offsetof(struct vrv_log_traffic, read_bytes));
    put_by_topic(p, ts, VRV_M_batches_in, atomic_load(&env->appended_batches),
        offsetof(struct vrv_log_traffic, batches));
}

static int64_t
size_of(const struct vrv_log_offsets *o)
{
    return (int64_t)o->bytes;
}

static int64_t
segments_of(const struct vrv_log_offsets *o)
{
    return o->segments;
}

static int64_t
start_of(const struct vrv_log_offsets *o)
{
    return o->start;
}

static int64_t
end_of(const struct vrv_log_offsets *o)
{
    return o->end;
}

static void
put_by_partition(struct vrv_prom *p, const struct topics *ts, enum vrv_metric m,
    int64_t (*of)(const struct vrv_log_offsets *o))
{
    vrv_prom_begin(p, m);
    for (size_t i = 0; i < ts->part_n; i++)
        vrv_prom_number(p,
            VRV_LABELS(VRV_LABEL("topic", ts->v[ts->part[i].topic].name),
                VRV_LABEL("partition", ts->part[i].number)),
            of(&ts->part[i].o));
}

static void
put_counts(struct vrv_prom *p, const struct topics *ts)
{
    bool stopped = vrv_engine_error(ts->s->broker.engine, NULL) != 0;

    vrv_prom_one(p, VRV_M_active_controller, 1);
    vrv_prom_one(p, VRV_M_topics, ts->all);
    vrv_prom_one(p, VRV_M_partitions, ts->all_partitions);
    vrv_prom_one(p, VRV_M_partition_count, ts->all_partitions);
    vrv_prom_one(p, VRV_M_leader_count, ts->all_partitions);
    vrv_prom_one(p, VRV_M_offline_count, stopped ? ts->all_partitions : 0);
    vrv_prom_one(p, VRV_M_under_replicated, 0);
    vrv_prom_one(p, VRV_M_under_min_isr, 0);
    vrv_prom_one(p, VRV_M_offline_dirs, stopped);
}

void
vrv__metrics_topics(struct vrv_server *s, struct vrv_prom *p)
{
    struct topics ts = { .s = s, .max = (size_t)s->config->metrics_topics_max,
        .part_max = (size_t)s->config->metrics_partitions_max };

    (void)vrv_catalog_each(vrv_engine_catalog(s->broker.engine), add_topic, &ts);
    for (size_t i = 0; i < ts.n; i++)
        look_at(&ts, i);
    put_counts(p, &ts);
    put_traffic(p, &ts);
    put_by_partition(p, &ts, VRV_M_log_size, size_of);
    put_by_partition(p, &ts, VRV_M_log_segments, segments_of);
    put_by_partition(p, &ts, VRV_M_log_start, start_of);
    put_by_partition(p, &ts, VRV_M_log_end, end_of);
    vrv_prom_one(p, VRV_M_topics_left_out, ts.all - ts.n);
    vrv_prom_one(p, VRV_M_partitions_left_out, ts.all_partitions - ts.part_n);
    free(ts.part);
    free(ts.v);
}

/* ---- committed offsets ---- */

struct offset {
    struct vrv_span group; /* owned */
    char topic[VRV_TOPIC_NAME_MAX + 1];
    int32_t partition;
    char number[12];
    int64_t offset, end;   /* end -1: there is no such partition any more */
};

struct offsets {
    struct offset *v;
    size_t n, cap, max;
};

static int
add_offset(void *ctx, struct vrv_span group, struct vrv_span topic, int32_t partition,
    int64_t offset)
{
    struct offsets *os = ctx;

    if (os->n == os->max)
        return 1;
    if (topic.n > VRV_TOPIC_NAME_MAX)
        return 0; /* a name that no topic can have */
    VRV_PUSH_ROOM(os->v, os->n, os->cap);
    struct offset *o = &os->v[os->n++];
    *o = (struct offset){ .group = vrv_span_dup(group), .partition = partition,
        .offset = offset };
    memcpy(o->topic, topic.p, topic.n);
    (void)snprintf(o->number, sizeof(o->number), "%d", partition);
    return 0;
}

static int64_t
end_offset(struct vrv_engine *eng, const struct offset *o)
{
    struct vrv_log_id id = { .partition = o->partition };
    int32_t partitions;

    if (!vrv_catalog_find(vrv_engine_catalog(eng), o->topic, &id.topic, &partitions))
        return -1;
    struct vrv_log *log = vrv_engine_log_ref(eng, &id);
    if (log == NULL)
        return -1;
    int64_t end = vrv_log_offsets(log).hw;
    vrv_log_unref(&log);
    return end;
}

static void
put_by_offset(struct vrv_prom *p, const struct offsets *os, enum vrv_metric m)
{
    vrv_prom_begin(p, m);
    for (size_t i = 0; i < os->n; i++) {
        const struct offset *o = &os->v[i];
        int64_t lag = o->end > o->offset ? o->end - o->offset : 0;

        if (o->end >= 0)
            vrv_prom_number(p,
                VRV_LABELS(VRV_LABEL_BYTES("consumergroup", o->group.p, o->group.n),
                    VRV_LABEL("topic", o->topic), VRV_LABEL("partition", o->number)),
                m == VRV_M_lag ? lag : o->offset);
    }
}

void
vrv__metrics_lag(struct vrv_server *s, struct vrv_prom *p, uint64_t offsets)
{
    struct offsets os = { .max = (size_t)s->config->metrics_group_partitions_max };

    (void)vrv_coord_each_offset(s->coord, add_offset, &os);
    for (size_t i = 0; i < os.n; i++)
        os.v[i].end = end_offset(s->broker.engine, &os.v[i]);
    put_by_offset(p, &os, VRV_M_lag_offset);
    put_by_offset(p, &os, VRV_M_lag);
    vrv_prom_one(p, VRV_M_lag_left_out, offsets > os.n ? offsets - os.n : 0);
    for (size_t i = 0; i < os.n; i++)
        vrv_span_free(&os.v[i].group);
    free(os.v);
}
