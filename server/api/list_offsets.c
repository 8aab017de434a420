/* ListOffsets: from offsets with a name, or from times, to offsets. */
#include "engine/reader/reader.h"
#include "server/api/find.h"
#include "server/api/handlers.h"

/* What a timestamp below zero asks for, and since which version. */
enum {
    LATEST = -1,
    EARLIEST = -2,
    MAX_TIME = -3,
    EARLIEST_LOCAL = -4,
    LATEST_TIERED = -5,
    EARLIEST_PENDING = -6,
};

static const int16_t special_since[] = { [-LATEST] = 0, [-EARLIEST] = 0, [-MAX_TIME] = 7,
    [-EARLIEST_LOCAL] = 8, [-LATEST_TIERED] = 9, [-EARLIEST_PENDING] = 11 };

enum { REPLICA_DEBUG = -2, TIMEOUT_MS = 30000 };

struct state {
    const struct vrv_list_offsets_req *q;
    struct vrv_list_offsets_resp resp;
    int64_t deadline_ns;
    bool slow; /* something can't be answered here */
};

static void
set_offset(struct vrv_list_offsets_resp_partition *p, struct vrv_log *log, int64_t offset,
    int64_t timestamp)
{
    p->offset = offset;
    p->timestamp = timestamp;
    if (offset >= 0)
        p->leader_epoch = vrv_log_epoch_at(log, offset);
}

/* What has no record yet is written in the log's own epoch. */
static void
set_end(struct vrv_list_offsets_resp_partition *p, const struct vrv_log_offsets *o, int64_t offset)
{
    p->offset = offset;
    p->timestamp = -1;
    p->leader_epoch = o->epoch;
}

static int64_t
latest(const struct vrv_list_offsets_req *q, const struct vrv_log_offsets *o)
{
    if (q->replica_id == REPLICA_DEBUG || q->replica_id >= 0)
        return o->end;
    return q->isolation_level == VRV_READ_COMMITTED ? o->stable : o->hw;
}

/* Those that need no looking into the log; false: it is not one of them. */
static bool
set_special(struct vrv_request *r, struct vrv_list_offsets_resp_partition *p, struct vrv_log *log,
    int64_t ts)
{
    const struct state *s = r->state;
    struct vrv_log_offsets o = vrv_log_offsets(log);

    if (ts >= 0 || ts == MAX_TIME)
        return false;
    if (ts < EARLIEST_PENDING || vrv_request_version(r) < special_since[-ts])
        p->error_code = VRV_K_UNSUPPORTED_VERSION;
    else if (ts == LATEST)
        set_end(p, &o, latest(s->q, &o));
    else if (ts == LATEST_TIERED || ts == EARLIEST_PENDING)
        p->offset = p->timestamp = -1; /* nothing has left this disk */
    else
        set_offset(p, log, ts == EARLIEST ? o.start : o.local_start, -1);
    return true;
}

static void
set_time(struct vrv_request *r, struct vrv_list_offsets_resp_partition *p, struct vrv_log *log,
    int64_t ts)
{
    const struct state *s = r->state;
    struct vrv_read_found found = { -1, -1 };
    int rc = ts == MAX_TIME && vrv_request_version(r) < special_since[-MAX_TIME]
        ? VRV_E_VERSION
        : ts == MAX_TIME ? vrv_read_max_time(log, s->deadline_ns, &found, NULL)
                         : vrv_read_time(log, ts, s->deadline_ns, &found, NULL);

    if (rc == VRV_E_VERSION)
        p->error_code = VRV_K_UNSUPPORTED_VERSION;
    else if (rc < 0)
        p->error_code = (int16_t)vrv_kerror_of(rc);
    else
        set_offset(p, log, found.offset, found.timestamp);
}

static void
set_partition(struct vrv_request *r, struct vrv_list_offsets_resp_partition *p,
    const struct vrv_found_topic *t, const struct vrv_list_offsets_req_partition *q, bool may_wait)
{
    struct state *s = r->state;
    struct vrv_log *log = t != NULL ? vrv_find_log(r->broker, t, q->partition_index) : NULL;

    VRV_WIRE_INIT(list_offsets_resp_partition, p);
    p->partition_index = q->partition_index;
    if (log == NULL) {
        p->error_code = VRV_K_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    p->error_code = (int16_t)vrv_find_epoch(log, q->current_leader_epoch);
    if (p->error_code == VRV_K_NONE && !set_special(r, p, log, q->timestamp)) {
        if (may_wait)
            set_time(r, p, log, q->timestamp);
        else
            s->slow = true;
    }
    vrv_log_unref(&log);
}

static void
refuse_partition(struct vrv_list_offsets_resp_partition *p)
{
    int32_t index = p->partition_index;

    VRV_WIRE_INIT(list_offsets_resp_partition, p);
    p->partition_index = index;
    p->error_code = VRV_K_INVALID_REQUEST;
}

/* Kafka refuses a partition that is named twice; only of those that exist, so that it is cheap. */
static void
refuse_twice(struct vrv_request *r, struct vrv_list_offsets_resp_topic *t, int32_t partitions)
{
    struct vrv_list_offsets_resp_partition **first =
        VRV_ROOM(r, struct vrv_list_offsets_resp_partition *, partitions);

    for (int32_t i = 0; i < t->partitions.n; i++) {
        struct vrv_list_offsets_resp_partition *p = &t->partitions.v[i];

        if (p->partition_index < 0 || p->partition_index >= partitions)
            continue;
        if (first[p->partition_index] == NULL) {
            first[p->partition_index] = p;
        } else {
            refuse_partition(first[p->partition_index]);
            refuse_partition(p);
        }
    }
}

static void
set_all(struct vrv_request *r, bool may_wait)
{
    struct state *s = r->state;

    for (int32_t i = 0; i < s->q->topics.n && !vrv_request_is_over(r); i++) {
        const struct vrv_list_offsets_req_topic *tq = &s->q->topics.v[i];
        struct vrv_list_offsets_resp_topic *t = &s->resp.topics.v[i];
        struct vrv_found_topic found;
        bool there = vrv_find_topic(r->broker, tq->name, &found);

        t->name = tq->name;
        for (int32_t k = 0; k < tq->partitions.n; k++)
            set_partition(r, &t->partitions.v[k], there ? &found : NULL, &tq->partitions.v[k],
                may_wait);
        if (there)
            refuse_twice(r, t, found.partitions);
    }
}

static void
look(struct vrv_request *r)
{
    set_all(r, true);
}

static void
answer(struct vrv_request *r)
{
    struct state *s = r->state;

    vrv_request_reply(r, &s->resp);
}

void
vrv_api_list_offsets(struct vrv_request *r, const void *message)
{
    const struct vrv_list_offsets_req *q = message;
    struct state *s = r->state = VRV_ROOM(r, struct state, 1);
    int64_t ms = vrv_request_version(r) >= 10 && q->timeout_ms > 0 ? q->timeout_ms : TIMEOUT_MS;

    s->q = q;
    s->deadline_ns = r->broker->clock->mono_ns(r->broker->clock) + ms * 1000000;
    VRV_WIRE_INIT(list_offsets_resp, &s->resp);
    s->resp.topics.n = q->topics.n;
    s->resp.topics.v = VRV_ROOM(r, struct vrv_list_offsets_resp_topic, q->topics.n);
    for (int32_t i = 0; i < q->topics.n; i++) {
        s->resp.topics.v[i].partitions.n = q->topics.v[i].partitions.n;
        s->resp.topics.v[i].partitions.v =
            VRV_ROOM(r, struct vrv_list_offsets_resp_partition, q->topics.v[i].partitions.n);
    }
    set_all(r, false);
    if (s->slow)
        vrv_request_block(r, look, answer);
    else
        answer(r);
}
