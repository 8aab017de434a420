/*
 * ListOffsets: from offsets with a name, or from times, to offsets.
 *
 *   here, what is known ─► where a disk may be waited for ─► where the cold tier may, for a limited time,
 *                                                            several partitions at a time
 */
#include <stdatomic.h>

#include "engine/reader/reader.h"
#include "server/api/find.h"
#include "server/api/handlers.h"
#include "server/api/tell_cold.h"
#include "server/stat/stat.h"

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

enum { REPLICA_DEBUG = -2 };

/* Who answers, and what he may wait for. */
enum who { HERE, DISK, COLD };

/* Threads that may wait for the cold tier for one request, at most, how much may wait for one of them, and how long. */
enum { SHARES = 8, COLD_MAX = 100 * SHARES, MOST_MS = 300000 };

/* A partition that can't be answered by who answers now. */
struct left {
    const struct vrv_list_offsets_req_topic *t;
    const struct vrv_list_offsets_req_partition *q;
    struct vrv_list_offsets_resp_partition *p;
};

struct state {
    const struct vrv_list_offsets_req *q;
    struct vrv_list_offsets_resp resp;
    int64_t deadline_ns;
    struct left *left;
    int32_t left_n;
    _Atomic int32_t next; /* of those that are left, for the next thread that is free */
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

/* The newest offset that is tiered, or the oldest that is not; of a log that isn't tiered there is none. */
static int
set_tiered(struct vrv_list_offsets_resp_partition *p, struct vrv_log *log, int64_t ts,
    int64_t deadline_ns, struct vrv_err *e)
{
    struct vrv_log_offsets o = vrv_log_offsets(log);
    struct vrv_log_config *c = vrv_log_config_ref(log);
    int64_t next = -1;
    int rc = c->tiered ? vrv_read_cold_next(log, deadline_ns, &next, e) : VRV_E_NOTFOUND;

    p->offset = p->timestamp = -1;
    if (rc == 0 && ts == LATEST_TIERED && next > o.start)
        set_offset(p, log, next - 1, -1);
    else if (rc == 0 && ts == EARLIEST_PENDING)
        set_offset(p, log, next > o.start ? next : o.start, -1);
    else if (rc == VRV_E_NOTFOUND && ts == EARLIEST_PENDING && c->tiered && o.local_start == o.start)
        set_offset(p, log, o.start, -1);
    vrv_log_config_unref(c);
    return rc == VRV_E_NOTFOUND ? 0 : rc;
}

/* Those that need no looking into the log. */
static int
set_special(struct vrv_request *r, struct vrv_list_offsets_resp_partition *p, struct vrv_log *log,
    int64_t ts, int64_t deadline_ns, struct vrv_err *e)
{
    const struct state *s = r->state;
    struct vrv_log_offsets o = vrv_log_offsets(log);

    if (ts == LATEST_TIERED || ts == EARLIEST_PENDING)
        return set_tiered(p, log, ts, deadline_ns, e);
    if (ts == LATEST)
        set_end(p, &o, latest(s->q, &o));
    else
        set_offset(p, log, ts == EARLIEST ? o.start : o.local_start, -1);
    return 0;
}

static int
set_time(struct vrv_list_offsets_resp_partition *p, struct vrv_log *log, int64_t ts,
    int64_t deadline_ns, struct vrv_err *e)
{
    struct vrv_read_found found = { -1, -1 };
    int rc = ts == MAX_TIME ? vrv_read_max_time(log, deadline_ns, &found, e)
                            : vrv_read_time(log, ts, deadline_ns, &found, e);

    if (rc == 0)
        set_offset(p, log, found.offset, found.timestamp);
    return rc;
}

static bool
is_known(const struct vrv_request *r, int64_t ts)
{
    return ts >= 0 || (ts >= EARLIEST_PENDING && vrv_request_version(r) >= special_since[-ts]);
}

/* AGAIN: it is for who may wait for more. */
static int
look_up(struct vrv_request *r, struct vrv_list_offsets_resp_partition *p, struct vrv_log *log,
    int64_t ts, enum who who, struct vrv_err *e)
{
    const struct state *s = r->state;
    int64_t deadline_ns = who == COLD ? s->deadline_ns : VRV_READ_NOT_COLD;

    if (!is_known(r, ts))
        return VRV_E_VERSION;
    if (ts < 0 && ts != MAX_TIME)
        return set_special(r, p, log, ts, deadline_ns, e);
    return who == HERE ? VRV_E_AGAIN : set_time(p, log, ts, deadline_ns, e);
}

/* Of the cold tier: that it takes too long, or the server stops, is none. */
static bool
is_failure(int rc)
{
    return rc < 0 && rc != VRV_E_TIMEDOUT && rc != VRV_E_CANCELLED;
}

static enum vrv_kerror
error_of(int rc, enum who who)
{
    if (who == COLD)
        return vrv_kerror_of_cold(rc);
    return rc == VRV_E_VERSION ? VRV_K_UNSUPPORTED_VERSION : vrv_kerror_of(rc);
}

/* True: it is for who may wait for more. */
static bool
set_partition(struct vrv_request *r, struct vrv_list_offsets_resp_partition *p,
    const struct vrv_found_topic *t, const struct vrv_list_offsets_req_partition *q, enum who who)
{
    struct vrv_log *log = t != NULL ? vrv_find_log(r->broker, t, q->partition_index) : NULL;
    int rc = 0;

    VRV_WIRE_INIT(list_offsets_resp_partition, p);
    p->partition_index = q->partition_index;
    if (log == NULL) {
        p->error_code = VRV_K_UNKNOWN_TOPIC_OR_PARTITION;
        return false;
    }
    p->error_code = (int16_t)vrv_find_epoch(log, q->current_leader_epoch);
    if (p->error_code == VRV_K_NONE) {
        struct vrv_err e = { 0 };

        rc = look_up(r, p, log, q->timestamp, who, &e);
        if (rc < 0)
            p->error_code = (int16_t)error_of(rc, who);
        if (who == COLD && rc == VRV_E_TIMEDOUT)
            vrv_stat_count(r->broker->stat, VRV_C_cold_lookup_expired, 1);
        if (who == COLD && is_failure(rc))
            vrv_tell_cold(r->broker, log, "timestamp", q->timestamp, &e);
    }
    vrv_log_unref(&log);
    return rc == VRV_E_AGAIN;
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
set_all(struct vrv_request *r, enum who who)
{
    struct state *s = r->state;

    s->left_n = 0;
    s->resp.topics.n = s->q->topics.n;
    for (int32_t i = 0; i < s->q->topics.n && !vrv_request_is_over(r); i++) {
        const struct vrv_list_offsets_req_topic *tq = &s->q->topics.v[i];
        struct vrv_list_offsets_resp_topic *t = &s->resp.topics.v[i];
        struct vrv_found_topic found;
        bool there = vrv_find_topic(r->broker, tq->name, &found);

        t->name = tq->name;
        for (int32_t k = 0; k < tq->partitions.n; k++)
            if (set_partition(r, &t->partitions.v[k], there ? &found : NULL, &tq->partitions.v[k], who))
                s->left[s->left_n++] = (struct left){ tq, &tq->partitions.v[k], &t->partitions.v[k] };
        if (there)
            refuse_twice(r, t, found.partitions);
    }
}

static void
answer(struct vrv_request *r)
{
    struct state *s = r->state;

    vrv_request_reply(r, &s->resp);
}

/* One after the other of those that nobody else has begun. */
static void
look_in_cold(struct vrv_request *r)
{
    struct state *s = r->state;
    struct vrv_found_topic found;
    int32_t i;

    while ((i = atomic_fetch_add(&s->next, 1)) < s->left_n) {
        const struct left *l = &s->left[i];
        bool there = vrv_find_topic(r->broker, l->t->name, &found);

        if (l->p->error_code != VRV_K_INVALID_REQUEST) /* it was named twice */
            (void)set_partition(r, l->p, there ? &found : NULL, l->q, COLD);
    }
}

static void
look_on_disk(struct vrv_request *r)
{
    set_all(r, DISK);
}

/* What is left is for the cold tier: of this there are few at a time, and few that wait. */
static void
disk_done(struct vrv_request *r)
{
    const struct state *s = r->state;
    unsigned n = s->left_n < SHARES ? (unsigned)s->left_n : SHARES;

    if (n > 0 && vrv_request_share_cold(r, n, COLD_MAX, look_in_cold, answer))
        return;
    answer(r); /* those that are left say so: the client asks again */
}

void
vrv_api_list_offsets(struct vrv_request *r, const void *message)
{
    const struct vrv_list_offsets_req *q = message;
    struct state *s = r->state = VRV_ROOM(r, struct state, 1);
    int64_t ms = vrv_request_version(r) >= 10 && q->timeout_ms > 0
        ? q->timeout_ms
        : atomic_load(&r->broker->cold_lookup_ms);
    int32_t all = 0;

    s->q = q;
    s->deadline_ns = r->broker->clock->mono_ns(r->broker->clock) + (ms < MOST_MS ? ms : MOST_MS) * 1000000;
    VRV_WIRE_INIT(list_offsets_resp, &s->resp);
    s->resp.topics.n = q->topics.n;
    s->resp.topics.v = VRV_ROOM(r, struct vrv_list_offsets_resp_topic, q->topics.n);
    for (int32_t i = 0; i < q->topics.n; i++) {
        s->resp.topics.v[i].partitions.n = q->topics.v[i].partitions.n;
        all += q->topics.v[i].partitions.n;
        s->resp.topics.v[i].partitions.v =
            VRV_ROOM(r, struct vrv_list_offsets_resp_partition, q->topics.v[i].partitions.n);
    }
    s->left = VRV_ROOM(r, struct left, all);
    set_all(r, HERE);
    if (s->left_n > 0)
        vrv_request_block(r, look_on_disk, disk_done);
    else
        answer(r);
}
