/* DescribeProducers, DescribeTopicPartitions, DescribeLogDirs: what is known of partitions. */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "server/api/find.h"
#include "server/api/handlers.h"
#include "server/base/internal.h"

/* ---- DescribeProducers ---- */

struct producers {
    struct vrv_describe_producers_resp_active_producer *v;
    int32_t n, cap;
};

static int
count_producer(void *ctx, const struct vrv_producer_info *info)
{
    struct producers *p = ctx;

    (void)info;
    p->cap++;
    return 0;
}

static int
add_producer(void *ctx, const struct vrv_producer_info *info)
{
    struct producers *p = ctx;

    if (p->n == p->cap) /* new since they were counted */
        return 1;
    p->v[p->n++] = (struct vrv_describe_producers_resp_active_producer){ .producer_id = info->id,
        .producer_epoch = info->epoch, .last_sequence = info->last_seq,
        .last_timestamp = info->last_timestamp, .coordinator_epoch = -1,
        .current_txn_start_offset = -1 };
    return 0;
}

static void
set_producers(struct vrv_request *r, struct vrv_describe_producers_resp_partition *p,
    const struct vrv_found_topic *t, struct vrv_str name)
{
    struct vrv_log *log = t != NULL ? vrv_find_log(r->broker, t, p->partition_index) : NULL;
    struct producers all = { 0 };

    if (log == NULL) {
        p->error_code = (int16_t)vrv_find_why(name);
        return;
    }
    (void)vrv_log_each_producer(log, count_producer, &all);
    all.v = VRV_ROOM(r, struct vrv_describe_producers_resp_active_producer, all.cap);
    (void)vrv_log_each_producer(log, add_producer, &all);
    p->active_producers.v = all.v;
    p->active_producers.n = all.n;
    vrv_log_unref(&log);
}

void
vrv_api_describe_producers(struct vrv_request *r, const void *message)
{
    const struct vrv_describe_producers_req *q = message;
    struct vrv_describe_producers_resp resp;

    VRV_WIRE_INIT(describe_producers_resp, &resp);
    resp.topics.n = q->topics.n;
    resp.topics.v = VRV_ROOM(r, struct vrv_describe_producers_resp_topic, q->topics.n);
    for (int32_t i = 0; i < q->topics.n; i++) {
        const struct vrv_i32s *parts = &q->topics.v[i].partition_indexes;
        struct vrv_describe_producers_resp_topic *t = &resp.topics.v[i];
        struct vrv_found_topic found;
        bool there = vrv_find_topic(r->broker, q->topics.v[i].name, &found);

        t->name = q->topics.v[i].name;
        t->partitions.n = parts->n;
        t->partitions.v = VRV_ROOM(r, struct vrv_describe_producers_resp_partition, parts->n);
        for (int32_t k = 0; k < parts->n && !vrv_request_is_over(r); k++) {
            VRV_WIRE_INIT(describe_producers_resp_partition, &t->partitions.v[k]);
            t->partitions.v[k].partition_index = parts->v[k];
            set_producers(r, &t->partitions.v[k], there ? &found : NULL, t->name);
        }
    }
    vrv_request_reply(r, &resp);
}

/* ---- DescribeTopicPartitions ---- */

enum { PARTITION_LIMIT = 2000 };

/* Some topics by name, or all; a cursor says where an answer that had no room for all of it goes
 * on. */
struct pages {
    struct vrv_request *r;
    const struct vrv_describe_topic_partitions_req *q;
    struct vrv_describe_topic_partitions_resp resp;
    int32_t cap, left;
    struct vrv_str *names; /* sorted */
    int32_t name_n;
};

static int
by_name(const void *a, const void *b)
{
    const struct vrv_str *x = a, *y = b;
    int32_t n = x->n < y->n ? x->n : y->n;
    int c = memcmp(x->p, y->p, (size_t)n);

    return c != 0 ? c : x->n < y->n ? -1 : x->n > y->n;
}

static int
count_name(void *ctx, const struct vrv_topic_info *t)
{
    struct pages *p = ctx;

    (void)t;
    p->cap++;
    return 0;
}

static int
add_name(void *ctx, const struct vrv_topic_info *t)
{
    struct pages *p = ctx;

    if (p->name_n == p->cap)
        return 1;
    p->names[p->name_n++] = vrv_request_str(p->r, t->name);
    return 0;
}

static void
gather_names(struct pages *p)
{
    struct vrv_catalog *c = vrv_engine_catalog(p->r->broker->engine);

    if (p->q->topics.n == 0) {
        (void)vrv_catalog_each(c, count_name, p);
        p->names = VRV_ROOM(p->r, struct vrv_str, p->cap);
        (void)vrv_catalog_each(c, add_name, p);
        return;
    }
    p->names = VRV_ROOM(p->r, struct vrv_str, p->q->topics.n);
    for (int32_t i = 0; i < p->q->topics.n; i++)
        p->names[p->name_n++] = p->q->topics.v[i].name;
    qsort(p->names, (size_t)p->name_n, sizeof(*p->names), by_name);
}

static void
set_cursor(struct pages *p, struct vrv_str name, int32_t partition)
{
    struct vrv_describe_topic_partitions_resp_next_cursor *c =
        VRV_ROOM(p->r, struct vrv_describe_topic_partitions_resp_next_cursor, 1);

    c->topic_name = name;
    c->partition_index = partition;
    p->resp.next_cursor = c;
}

/* From partition `first` on; false: there was no room for all. */
static bool
add_topic(struct pages *p, struct vrv_str name, int32_t first)
{
    struct vrv_describe_topic_partitions_resp_topic *t = &p->resp.topics.v[p->resp.topics.n++];
    struct vrv_request *r = p->r;
    struct vrv_found_topic found;

    VRV_WIRE_INIT(describe_topic_partitions_resp_topic, t);
    t->name = name;
    t->topic_authorized_operations = VRV_MAY_TOPIC;
    if (!vrv_find_topic(r->broker, name, &found)) {
        t->error_code = (int16_t)vrv_find_why(name);
        return true;
    }
    t->topic_id = found.id;
    t->is_internal = vrv_topic_is_internal(found.name);
    int32_t *node = VRV_ROOM(r, int32_t, 1), n = found.partitions - first;
    *node = r->broker->node_id;
    t->partitions.n = n < 0 ? 0 : n < p->left ? n : p->left;
    t->partitions.v =
        VRV_ROOM(r, struct vrv_describe_topic_partitions_resp_partition, t->partitions.n);
    for (int32_t i = 0; i < t->partitions.n; i++) {
        struct vrv_describe_topic_partitions_resp_partition *part = &t->partitions.v[i];

        VRV_WIRE_INIT(describe_topic_partitions_resp_partition, part);
        part->partition_index = first + i;
        part->leader_id = *node;
        part->leader_epoch = vrv_catalog_epoch(vrv_engine_catalog(r->broker->engine), &found.id,
            first + i);
        part->replica_nodes = part->isr_nodes = (struct vrv_i32s){ node, 1 };
        part->eligible_leader_replicas = part->last_known_elr = (struct vrv_i32s){ node, 0 };
    }
    p->left -= t->partitions.n;
    if (t->partitions.n < n)
        set_cursor(p, name, first + t->partitions.n);
    return t->partitions.n >= n;
}

void
vrv_api_describe_topic_partitions(struct vrv_request *r, const void *message)
{
    struct pages p = { .r = r, .q = message };
    int32_t limit = p.q->response_partition_limit;

    VRV_WIRE_INIT(describe_topic_partitions_resp, &p.resp);
    p.left = limit < 1 ? 1 : limit < PARTITION_LIMIT ? limit : PARTITION_LIMIT;
    gather_names(&p);
    p.resp.topics.v = VRV_ROOM(r, struct vrv_describe_topic_partitions_resp_topic, p.name_n);
    for (int32_t i = 0; i < p.name_n; i++) {
        int32_t first = 0;

        if (p.q->cursor != NULL) {
            int c = by_name(&p.names[i], &p.q->cursor->topic_name);

            if (c < 0)
                continue;
            first = c == 0 ? p.q->cursor->partition_index : 0;
        }
        if (p.left == 0) {
            set_cursor(&p, p.names[i], 0);
            break;
        }
        if (!add_topic(&p, p.names[i], first > 0 ? first : 0))
            break;
    }
    vrv_request_reply(r, &p.resp);
}

/* ---- DescribeLogDirs ---- */

struct dirs {
    struct vrv_request *r;
    const struct vrv_describe_log_dirs_req *q;
    struct vrv_describe_log_dirs_resp resp;
    struct vrv_describe_log_dirs_resp_result result;
    int32_t cap;
};

/* Those that there are: Kafka leaves out the others, too. */
static void
add_dir_topic(struct dirs *d, const struct vrv_found_topic *t, const struct vrv_i32s *only)
{
    struct vrv_describe_log_dirs_resp_topic *out = &d->result.topics.v[d->result.topics.n++];
    int32_t n = only != NULL ? only->n : t->partitions;

    out->name = vrv_request_str(d->r, t->name);
    out->partitions.v = VRV_ROOM(d->r, struct vrv_describe_log_dirs_resp_partition, n);
    for (int32_t i = 0; i < n; i++) {
        int32_t index = only != NULL ? only->v[i] : i;
        struct vrv_log *log = vrv_find_log(d->r->broker, t, index);

        if (log == NULL)
            continue;
        struct vrv_describe_log_dirs_resp_partition *p =
            &out->partitions.v[out->partitions.n++];
        p->partition_index = index;
        p->partition_size = (int64_t)vrv_log_offsets(log).bytes;
        vrv_log_unref(&log);
    }
}

static int
count_dir(void *ctx, const struct vrv_topic_info *t)
{
    struct dirs *d = ctx;

    (void)t;
    d->cap++;
    return 0;
}

static int
add_dir(void *ctx, const struct vrv_topic_info *info)
{
    struct dirs *d = ctx;
    struct vrv_found_topic t = { .id = info->id, .partitions = info->partitions };

    if (d->result.topics.n == d->cap)
        return 1;
    memcpy(t.name, info->name, sizeof(t.name));
    add_dir_topic(d, &t, NULL);
    return 0;
}

static void
gather_dirs(struct vrv_request *r)
{
    struct dirs *d = r->state;
    struct vrv_catalog *c = vrv_engine_catalog(r->broker->engine);
    struct vrv_found_topic found;
    struct statvfs fs;

    if (statvfs(r->broker->data_dir, &fs) == 0) {
        d->result.total_bytes = (int64_t)(fs.f_blocks * fs.f_frsize);
        d->result.usable_bytes = (int64_t)(fs.f_bavail * fs.f_frsize);
    }
    if (d->q->topics.v == NULL)
        (void)vrv_catalog_each(c, count_dir, d);
    else
        d->cap = d->q->topics.n;
    d->result.topics.v = VRV_ROOM(r, struct vrv_describe_log_dirs_resp_topic, d->cap);
    if (d->q->topics.v == NULL)
        (void)vrv_catalog_each(c, add_dir, d);
    else
        for (int32_t i = 0; i < d->q->topics.n && !vrv_request_is_over(r); i++)
            if (vrv_find_topic(r->broker, d->q->topics.v[i].topic, &found))
                add_dir_topic(d, &found, &d->q->topics.v[i].partitions);
}

static void
answer_dirs(struct vrv_request *r)
{
    struct dirs *d = r->state;

    vrv_request_reply(r, &d->resp);
}

void
vrv_api_describe_log_dirs(struct vrv_request *r, const void *message)
{
    struct dirs *d = r->state = VRV_ROOM(r, struct dirs, 1);

    d->r = r;
    d->q = message;
    VRV_WIRE_INIT(describe_log_dirs_resp, &d->resp);
    VRV_WIRE_INIT(describe_log_dirs_resp_result, &d->result);
    d->result.log_dir = vrv_str(r->broker->data_dir);
    d->resp.results.v = &d->result;
    d->resp.results.n = 1;
    vrv_request_block_large(r, gather_dirs, answer_dirs);
}
