/* Where reading begins and ends in each partition.  Offsets of all partitions are asked for at
 * once: a topic may have thousands. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/tool/consume.h"

struct part *
consume_find(struct consume *c, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < c->part_n; i++)
        if (c->parts[i].partition == partition && strcmp(c->parts[i].topic, topic) == 0)
            return &c->parts[i];
    return NULL;
}

static void
drop(struct consume *c, struct part *p)
{
    free(p->topic);
    *p = c->parts[--c->part_n];
}

void
consume_free(struct consume *c)
{
    while (c->part_n > 0)
        drop(c, &c->parts[c->part_n - 1]);
    free(c->parts);
    c->parts = NULL;
}

static void
add(struct consume *c, const char *topic, int32_t partition)
{
    if (consume_find(c, topic, partition) != NULL)
        return;
    VRV_PUSH_ROOM(c->parts, c->part_n, c->part_cap);
    c->parts[c->part_n++] = (struct part){
        .topic = vrv_mem_strdup(topic), .partition = partition, .stop = INT64_MAX };
}

/* ---- offsets ---- */

/* Of each part, the offset that `time` (or _BEGINNING, _END) stands for, into out[]. */
static int
look_up(struct consume *c, int64_t time, int64_t *out, struct vrv_err *e)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->part_n);
    int rc;

    for (size_t i = 0; i < c->part_n; i++)
        rd_kafka_topic_partition_list_add(list, c->parts[i].topic, c->parts[i].partition)->offset =
            time;
    rc = kafka_offsets(c->k, list, e);
    for (int i = 0; i < list->cnt && rc == 0; i++) {
        const rd_kafka_topic_partition_t *x = &list->elems[i];

        if (x->err != 0)
            rc = kafka_err(e, x->err, NULL, "topic \"%.80s\", partition %d", x->topic,
                (int)x->partition);
        out[consume_find(c, x->topic, x->partition) - c->parts] = x->offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return rc;
}

static int64_t
within(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* What `w` is in a partition from start to end; by_time: the look-up for WHEN_TIME. */
static int64_t
offset_of(const struct when *w, int64_t start, int64_t end, int64_t by_time)
{
    switch (w->kind) {
    case WHEN_END:
        return end;
    case WHEN_OFFSET:
        return within(w->v, start, end);
    case WHEN_BACK:
        return within(end - w->v, start, end);
    case WHEN_TIME:
        return by_time < 0 ? end : within(by_time, start, end);
    default:
        return start;
    }
}

static int64_t
stop_of(const struct consume *c, int64_t start, int64_t end, int64_t by_time)
{
    if (c->to.kind == WHEN_NONE)
        return c->follow ? INT64_MAX : end;
    if (c->to.kind != WHEN_OFFSET)
        return offset_of(&c->to, start, end, by_time);
    /* An offset is wanted itself; when following, it may come yet. */
    int64_t behind = c->to.v < INT64_MAX ? c->to.v + 1 : INT64_MAX;
    return c->follow || behind < end ? behind : end;
}

static int
find_range(struct consume *c, struct vrv_err *e)
{
    int64_t *at = vrv_mem_zero(4 * (c->part_n + 1) * sizeof(*at));
    int64_t *start = at, *end = start + c->part_n, *from = end + c->part_n, *to = from + c->part_n;
    int rc = look_up(c, RD_KAFKA_OFFSET_BEGINNING, start, e);

    if (rc == 0)
        rc = look_up(c, RD_KAFKA_OFFSET_END, end, e);
    if (rc == 0 && c->from.kind == WHEN_TIME)
        rc = look_up(c, c->from.v, from, e);
    if (rc == 0 && c->to.kind == WHEN_TIME)
        rc = look_up(c, c->to.v, to, e);
    for (size_t i = 0; i < c->part_n && rc == 0; i++) {
        struct part *p = &c->parts[i];

        p->from = offset_of(&c->from, start[i], end[i], from[i]);
        p->stop = stop_of(c, start[i], end[i], to[i]);
        p->done = p->from >= p->stop;
    }
    free(at);
    return rc;
}

/* ---- partitions ---- */

static int
add_wanted(struct consume *c, const struct rd_kafka_metadata_topic *t, struct vrv_err *e)
{
    int64_t id;

    for (int i = 0; i < t->partition_cnt && c->partitions.n == 0; i++)
        add(c, t->topic, t->partitions[i].id);
    for (size_t i = 0; i < c->partitions.n; i++) {
        if (!args_number(c->partitions.v[i], 0, INT32_MAX, &id))
            return vrv_err_set(e, VRV_E_INVALID, "--partition wants a number, not \"%.40s\"",
                c->partitions.v[i]);
        if (id >= t->partition_cnt)
            return vrv_err_set(e, VRV_E_NOTFOUND, "topic \"%.100s\" has partitions 0 to %d",
                t->topic, t->partition_cnt - 1);
        add(c, t->topic, (int32_t)id);
    }
    return 0;
}

int
consume_plan(struct consume *c, struct vrv_err *e)
{
    const struct rd_kafka_metadata *md;
    int rc = 0;

    for (int i = 0; i < c->topic_n && rc == 0; i++) {
        rc = kafka_topic(c->k, c->topics[i], &md, e);
        if (rc < 0)
            return rc;
        if (c->group == NULL)
            rc = add_wanted(c, &md->topics[0], e);
        rd_kafka_metadata_destroy(md);
    }
    return rc == 0 && c->group == NULL ? find_range(c, e) : rc;
}

int
consume_add(struct consume *c, const rd_kafka_topic_partition_list_t *list, struct vrv_err *e)
{
    int64_t *end;
    int rc;

    for (int i = 0; i < list->cnt; i++)
        add(c, list->elems[i].topic, list->elems[i].partition);
    if (c->follow)
        return 0;
    end = vrv_mem_zero((c->part_n + 1) * sizeof(*end));
    rc = look_up(c, RD_KAFKA_OFFSET_END, end, e);
    for (size_t i = 0; i < c->part_n && rc == 0; i++) {
        /* What was there before keeps the end that it had. */
        if (c->parts[i].stop == INT64_MAX)
            c->parts[i].stop = end[i];
        c->parts[i].done = c->parts[i].done || end[i] == 0;
    }
    free(end);
    return rc;
}

void
consume_remove(struct consume *c, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        struct part *p = consume_find(c, list->elems[i].topic, list->elems[i].partition);

        if (p != NULL)
            drop(c, p);
    }
}
