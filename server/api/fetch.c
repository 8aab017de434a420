/*
 * Fetch: records of some partitions, from where each of them is wanted.
 *
 *   request ─► what is wanted (of the session, or the request alone) ─► checked ─► read (fetch_read.c)
 *   answer ◄─ per partition: offsets, records; of a session only what is new
 */
#include <stdlib.h>
#include <string.h>

#include "server/api/cold_quota.h"
#include "server/api/fetch_int.h"
#include "server/api/handlers.h"
#include "server/stat/stat.h"

struct state {
    struct vrv__fetch f;                /* first */
    const struct vrv_fetch_req *q;
    struct vrv_fetch_session *session;  /* taken, or NULL */
    bool incremental;                   /* the answer says only what is new */
    struct vrv_fetch_want *wants;       /* without a session */
    struct vrv_fetch_resp resp;
};

enum { BY_ID = 13, ZSTD = 10, SESSIONS = 7 };
/* Quotas may be changed meanwhile. */
static const int64_t THROTTLE_NS = 1000000000;
enum { NEW_SESSION = 0, NO_SESSION = -1 }; /* epochs */

static int64_t
now_ms(const struct vrv_request *r)
{
    return r->broker->clock->mono_ns(r->broker->clock) / 1000000;
}

/* ---- what is wanted ---- */

static struct vrv_fetch_want
want_of(const struct vrv_fetch_req_topic *t, const struct vrv_fetch_req_partition *p, bool by_id)
{
    return (struct vrv_fetch_want){ .id = by_id ? t->topic_id : (struct vrv_uuid){ { 0 } },
        .name = by_id ? (struct vrv_str){ "", 0 } : t->topic, .partition = p->partition,
        .leader_epoch = p->current_leader_epoch, .last_epoch = p->last_fetched_epoch,
        .offset = p->fetch_offset, .max_bytes = p->partition_max_bytes, .hw = -1, .start = -1 };
}

static size_t
count_partitions(const struct vrv_fetch_req *q)
{
    size_t n = 0;

    for (int32_t i = 0; i < q->topics.n; i++)
        n += (size_t)q->topics.v[i].partitions.n;
    return n;
}

/* A session learns what the request changes; false: that is too much. */
static bool
update_session(struct vrv_fetch_sessions *all, struct state *s, bool by_id)
{
    const struct vrv_fetch_req *q = s->q;
    static const struct vrv_uuid none;

    for (int32_t i = 0; i < q->topics.n; i++)
        for (int32_t k = 0; k < q->topics.v[i].partitions.n; k++) {
            struct vrv_fetch_want w =
                want_of(&q->topics.v[i], &q->topics.v[i].partitions.v[k], by_id);

            if (!vrv_fetch_session_want(all, s->session, &w))
                return false;
        }
    for (int32_t i = 0; i < q->forgotten_topics_data.n; i++) {
        const struct vrv_fetch_req_forgotten *t = &q->forgotten_topics_data.v[i];

        for (int32_t k = 0; k < t->partitions.n; k++)
            vrv_fetch_session_forget(all, s->session, by_id ? &t->topic_id : &none,
                by_id ? (struct vrv_str){ "", 0 } : t->topic, t->partitions.v[k]);
    }
    return true;
}

/* Without room for what it is to remember a new session just isn't made, and an old one is no
 * more: its client names all partitions again then. */
static enum vrv_kerror
give_up_session(struct vrv_fetch_sessions *all, struct state *s)
{
    vrv_fetch_session_drop(all, s->session);
    s->session = NULL;
    return s->incremental ? VRV_K_FETCH_SESSION_ID_NOT_FOUND : VRV_K_NONE;
}

static enum vrv_kerror
find_session(struct vrv_request *r, struct state *s)
{
    struct vrv_fetch_sessions *all = &r->broker->sessions;
    bool by_id = vrv_request_version(r) >= BY_ID;
    enum vrv_kerror rc = VRV_K_NONE;

    if (vrv_request_version(r) < SESSIONS)
        return VRV_K_NONE;
    if (s->q->session_epoch != NEW_SESSION && s->q->session_epoch != NO_SESSION) {
        rc = vrv_fetch_session_take(all, s->q->session_id, s->q->session_epoch, by_id, &s->session);
        s->incremental = true;
    } else {
        if (s->q->session_id != 0)
            vrv_fetch_session_end(all, s->q->session_id);
        if (s->q->session_epoch == NEW_SESSION && count_partitions(s->q) > 0)
            s->session = vrv_fetch_session_new(all, by_id, now_ms(r));
    }
    if (s->session != NULL && !update_session(all, s, by_id))
        return give_up_session(all, s);
    if (s->session != NULL)
        s->resp.session_id = s->session->wants.n > 0 ? s->session->id : 0; /* it ends now */
    return rc;
}

/* ---- partitions, checked ---- */

/* Does the fetcher know the log as we do? */
static void
check_epochs(struct vrv__fetch_part *p)
{
    const struct vrv_fetch_want *w = p->want;
    int64_t end;
    int32_t found;

    if (w->leader_epoch >= 0)
        p->error = vrv_find_epoch(p->log, w->leader_epoch);
    if (p->error != VRV_K_NONE || w->last_epoch < 0)
        return;
    vrv_log_epoch_end(p->log, w->last_epoch, &found, &end);
    if (found < w->last_epoch || end < w->offset) {
        p->diverges = true;
        p->diverging_epoch = found;
        p->diverging_end = end;
        vrv__fetch_set_offsets(p);
    }
}

static bool
is_replica(const struct vrv_request *r)
{
    const struct vrv_fetch_req *q = ((const struct state *)r->state)->q;

    return q->replica_id >= 0 || q->replica_state.replica_id >= 0;
}

static void
prepare_part(struct vrv_request *r, struct vrv__fetch_part *p, struct vrv_fetch_want *w)
{
    struct vrv_found_topic t;

    p->want = w;
    p->r = r;
    p->hw = p->start = p->stable = -1;
    p->error = vrv_find_either(r->broker, vrv_request_version(r) >= BY_ID, w->name, &w->id, &t);
    if (p->error == VRV_K_NONE) {
        p->log = vrv_find_log(r->broker, &t, w->partition);
        if (p->log == NULL)
            p->error = VRV_K_UNKNOWN_TOPIC_OR_PARTITION;
    }
    p->unknown = p->log == NULL;
    if (p->log != NULL && is_replica(r)) /* none are assigned to anything */
        p->error = VRV_K_NOT_LEADER_OR_FOLLOWER;
    else if (p->log != NULL && vrv_request_version(r) < ZSTD &&
        vrv_log_packs_with(p->log, VRV_CODEC_ZSTD))
        p->error = VRV_K_UNSUPPORTED_COMPRESSION_TYPE;
    else if (p->log != NULL)
        check_epochs(p);
    if (p->error != VRV_K_NONE)
        vrv_log_unref(&p->log);
}

static void
prepare_session(struct vrv_request *r, struct state *s)
{
    struct vrv_fetch_session *fs = s->session;

    s->f.part = VRV_ROOM(r, struct vrv__fetch_part, fs->wants.n);
    for (struct vrv_list *l = fs->order.next; l != &fs->order; l = l->next)
        prepare_part(r, &s->f.part[s->f.n++], VRV_LIST_OF(l, struct vrv_fetch_want, link));
}

static void
prepare_alone(struct vrv_request *r, struct state *s)
{
    size_t n = count_partitions(s->q);
    bool by_id = vrv_request_version(r) >= BY_ID;

    s->wants = VRV_ROOM(r, struct vrv_fetch_want, n);
    s->f.part = VRV_ROOM(r, struct vrv__fetch_part, n);
    for (int32_t i = 0; i < s->q->topics.n; i++)
        for (int32_t k = 0; k < s->q->topics.v[i].partitions.n; k++) {
            struct vrv_fetch_want *w = &s->wants[s->f.n];

            *w = want_of(&s->q->topics.v[i], &s->q->topics.v[i].partitions.v[k], by_id);
            prepare_part(r, &s->f.part[s->f.n++], w);
        }
}

/* ---- the answer ---- */

static bool
is_new(const struct vrv__fetch_part *p)
{
    return p->bytes > 0 || p->error != VRV_K_NONE || p->diverges || p->hw != p->want->hw ||
        p->start != p->want->start;
}

/* What the session has told from now on; who got something goes behind the others. */
static void
note_told(struct state *s, struct vrv__fetch_part *p)
{
    p->want->hw = p->error != VRV_K_NONE ? -1 : p->hw;
    p->want->start = p->start;
    if (p->bytes > 0) {
        vrv_list_del(&p->want->link);
        vrv_list_push(&s->session->order, &p->want->link);
    }
}

static int
by_first(const void *x, const void *y)
{
    const struct vrv_fetch_resp_aborted_transaction *a = x, *b = y;

    return a->first_offset != b->first_offset
        ? (a->first_offset > b->first_offset) - (a->first_offset < b->first_offset)
        : (a->producer_id > b->producer_id) - (a->producer_id < b->producer_id);
}

/* Each once, whatever slices it has records in: a client takes a second one for another transaction.  What
 * isn't cold has none: the engine takes no transactions yet. */
static void
set_aborted(struct vrv_request *r, struct vrv_fetch_resp_partition *out,
    const struct vrv__fetch_part *p)
{
    size_t n = 0;
    int32_t *told = &out->aborted_transactions.n;

    for (uint32_t i = 0; i < p->slice_n; i++)
        n += p->slice[i].cold != NULL ? p->slice[i].cold->aborted_n : 0;
    if (n == 0)
        return;
    struct vrv_fetch_resp_aborted_transaction *v = out->aborted_transactions.v =
        VRV_ROOM(r, struct vrv_fetch_resp_aborted_transaction, n);
    n = 0;
    for (uint32_t i = 0; i < p->slice_n; i++) {
        const struct vrv_cold_bytes *b = p->slice[i].cold;

        for (size_t k = 0; b != NULL && k < b->aborted_n; k++)
            v[n++] = (struct vrv_fetch_resp_aborted_transaction){
                .producer_id = b->aborted[k].producer, .first_offset = b->aborted[k].first };
    }
    qsort(v, n, sizeof(*v), by_first);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || by_first(&v[i], &v[i - 1]) != 0)
            v[(*told)++] = v[i];
}

static void
set_partition(struct vrv_request *r, struct vrv_fetch_resp_partition *out,
    struct vrv__fetch_part *p)
{
    const struct state *s = r->state;

    VRV_WIRE_INIT(fetch_resp_partition, out);
    out->partition_index = p->want->partition;
    out->error_code = (int16_t)p->error;
    out->high_watermark = p->error == VRV_K_NONE ? p->hw : -1;
    out->last_stable_offset = p->error == VRV_K_NONE ? p->stable : -1;
    out->log_start_offset = p->error == VRV_K_NONE ? p->start : -1;
    if (s->f.committed)
        set_aborted(r, out, p);
    else if (!p->unknown)
        out->aborted_transactions.v = NULL;
    if (p->diverges) {
        out->diverging_epoch.epoch = p->diverging_epoch;
        out->diverging_epoch.end_offset = p->diverging_end;
    }
    if (p->slice_n > 0)
        out->records = (struct vrv_records){ .n = (int32_t)p->bytes, .slice = p->slice,
            .slice_n = p->slice_n };
}

/* Partitions of one topic that follow each other share its entry. */
static void
add_partition(struct vrv_request *r, struct vrv_fetch_resp_partition *all, size_t at,
    struct vrv__fetch_part *p)
{
    struct state *s = r->state;
    struct vrv_fetch_resp *resp = &s->resp;
    struct vrv_fetch_resp_topic *t =
        resp->responses.n > 0 ? &resp->responses.v[resp->responses.n - 1] : NULL;

    if (t == NULL || !vrv_uuid_eq(&t->topic_id, &p->want->id) || t->topic.n != p->want->name.n ||
        memcmp(t->topic.p, p->want->name.p, (size_t)t->topic.n) != 0) {
        t = &resp->responses.v[resp->responses.n++];
        VRV_WIRE_INIT(fetch_resp_topic, t);
        t->topic = p->want->name;
        t->topic_id = p->want->id;
        t->partitions.v = &all[at];
    }
    t->partitions.n++;
    set_partition(r, &all[at], p);
}

/* Before the answer takes its slices. */
static void
count_part(const struct vrv_request *r, const struct vrv__fetch_part *p)
{
    static const enum vrv_counted source[] = { [VRV_SLICE_MEMORY] = VRV_C_read_memory,
        [VRV_SLICE_FILE] = VRV_C_read_file, [VRV_SLICE_COLD] = VRV_C_read_cold };

    if (p->error != VRV_K_NONE)
        vrv_stat_count(r->broker->stat, VRV_C_fetch_failed, 1);
    if (p->bytes == 0)
        return;
    vrv_log_note_read(p->log, p->bytes);
    for (uint32_t i = 0; i < p->slice_n; i++)
        vrv_stat_count(r->broker->stat, source[p->slice[i].kind], p->slice[i].n);
}

/* What it has of the cold tier is charged. */
static void
charge(const struct vrv_request *r, const struct vrv__fetch *f)
{
    const struct vrv_cold_who who = { r->header.client_id, r->client->host };
    uint64_t n = 0;

    if (!vrv_cold_quotas_any(r->broker->cold_quotas))
        return;
    for (size_t i = 0; i < f->n; i++)
        for (uint32_t k = 0; k < f->part[i].slice_n; k++)
            n += f->part[i].slice[k].kind == VRV_SLICE_COLD ? f->part[i].slice[k].n : 0;
    if (n > 0)
        vrv_cold_quotas_took(r->broker->cold_quotas, &who, n);
}

/* A client that is told waits before it asks again, for anything: so it is only where all that it wants is
 * held. */
static int32_t
throttle_ms(const struct vrv_request *r, const struct vrv__fetch *f)
{
    int64_t left_ns = f->held_ns - r->broker->clock->mono_ns(r->broker->clock);

    for (size_t i = 0; i < f->n; i++)
        if (!f->part[i].held)
            return 0;
    if (f->n == 0 || left_ns <= 0)
        return 0;
    return left_ns < THROTTLE_NS ? (int32_t)(left_ns / 1000000) + 1 : (int32_t)(THROTTLE_NS / 1000000);
}

static void
answer(struct vrv_request *r)
{
    struct state *s = r->state;
    struct vrv_fetch_resp_partition *all = VRV_ROOM(r, struct vrv_fetch_resp_partition, s->f.n);
    size_t n = 0;

    s->resp.throttle_time_ms = throttle_ms(r, &s->f);
    charge(r, &s->f);
    s->resp.responses.v = VRV_ROOM(r, struct vrv_fetch_resp_topic, s->f.n);
    for (size_t i = 0; i < s->f.n; i++) {
        struct vrv__fetch_part *p = &s->f.part[i];

        count_part(r, p);
        if (!s->incremental || is_new(p))
            add_partition(r, all, n++, p);
        if (s->session != NULL)
            note_told(s, p);
    }
    vrv_stat_count(r->broker->stat, VRV_C_fetch_parts, s->f.n);
    vrv_request_write(r, &s->resp);
}

static void
found(struct vrv_request *r)
{
    struct state *s = r->state;

    answer(r);
    vrv__fetch_release(&s->f);
    if (s->session != NULL)
        vrv_fetch_session_put(&r->broker->sessions, s->session, now_ms(r));
    vrv_request_done(r);
}

void
vrv_api_fetch(struct vrv_request *r, const void *message)
{
    const struct vrv_fetch_req *q = message;
    struct state *s = r->state = VRV_ROOM(r, struct state, 1);
    int64_t wait_ms = q->max_wait_ms > 0 ? q->max_wait_ms : 0;
    int32_t max_bytes = q->max_bytes < r->broker->fetch_max_bytes ? q->max_bytes
                                                                 : r->broker->fetch_max_bytes;

    s->q = q;
    VRV_WIRE_INIT(fetch_resp, &s->resp);
    enum vrv_kerror rc = find_session(r, s);
    if (rc != VRV_K_NONE) {
        s->resp.error_code = (int16_t)rc;
        vrv_request_reply(r, &s->resp);
        return;
    }
    if (s->session != NULL)
        prepare_session(r, s);
    else
        prepare_alone(r, s);
    s->f.committed = q->isolation_level == VRV_READ_COMMITTED;
    s->f.min_bytes = q->min_bytes > 0 ? (size_t)q->min_bytes : 0;
    s->f.max_bytes = max_bytes > 0 ? (size_t)max_bytes : 0;
    s->f.deadline_ns = r->broker->clock->mono_ns(r->broker->clock) + wait_ms * 1000000;
    s->f.found = found;
    vrv__fetch_read(r);
}
