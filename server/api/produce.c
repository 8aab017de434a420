/*
 * Produce: batches to logs.
 *
 *   request ─► per partition: find the log, append ─► tickets, posted when durable ─► answer
 *
 * Appends are made in the order of the request, and answered all together.  Where the engine has no
 * room the request waits, and with it what comes after it on the connection (API-2): the rest of it
 * is appended later, in order, or after its time-out refused.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "server/api/find.h"
#include "server/api/handlers.h"
#include "server/base/internal.h"
#include "server/stat/stat.h"

enum { WHY_MAX = 256 };

struct part {
    struct vrv_ticket ticket;
    struct vrv_request *r;
    struct vrv_log *log;              /* a reference; NULL: it failed before */
    struct vrv_str topic;             /* as the request names it: by an id, not at all */
    const struct vrv_records *records;
    struct vrv_produce_resp_partition *resp;
};

struct produce {
    int16_t acks;
    struct vrv_produce_resp resp;
    uint8_t *bytes;                   /* the request's, in a slab */
    struct part *part;
    size_t n, at;                     /* the next to append */
    size_t waiting;                   /* appended and not posted */
    bool failed;                      /* at least one did */
    struct vrv_done room;             /* for room to append the rest */
    int slow_rc;                      /* what came of an append on another thread */
    struct vrv_err slow_err;
    int64_t deadline_ns;              /* ... until then */
};

static void
fail(struct vrv_request *r, struct vrv_produce_resp_partition *resp, enum vrv_kerror code,
    const char *text)
{
    struct produce *p = r->state;

    p->failed = true;
    vrv_stat_count(r->broker->stat, VRV_C_produce_failed, 1);
    resp->error_code = (int16_t)code;
    resp->base_offset = -1;
    if (text != NULL && text[0] != '\0')
        resp->error_message = vrv_request_str(r, text);
}

/* ---- the answer ---- */

/* For "%.*s": a null string is none. */
static int
printed(struct vrv_str s)
{
    return s.n > 0 ? s.n : 0;
}

/* Who wants no answer learns of an error in no other way; the first one is told here. */
static void
hang_up(struct vrv_request *r)
{
    const struct produce *p = r->state;
    char text[WHY_MAX];
    size_t i = 0;

    while (i + 1 < p->n && p->part[i].resp->error_code == VRV_K_NONE)
        i++;
    const struct part *part = &p->part[i];
    (void)snprintf(text, sizeof(text), "Produce, version %d, with acks=0: partition %" PRId32
        " of \"%.*s\": %s", vrv_request_version(r), part->resp->index, printed(part->topic),
        part->topic.p, vrv_kerror_name(part->resp->error_code));
    vrv_request_hang_up(r, text);
}

static void
count_rejected(const struct vrv_request *r, const struct part *part)
{
    if (part->resp->error_code != VRV_K_NONE && part->records->n > 0)
        vrv_stat_count(r->broker->stat, VRV_C_produce_rejected, (uint64_t)part->records->n);
}

static void
finish(struct vrv_request *r)
{
    struct produce *p = r->state;

    for (size_t i = 0; i < p->n; i++) {
        count_rejected(r, &p->part[i]);
        vrv_log_unref(&p->part[i].log);
    }
    if (p->acks != 0)
        vrv_request_reply(r, &p->resp);
    else if (p->failed)
        hang_up(r);
    else
        vrv_request_silence(r);
}

static void
posted(struct vrv_done *d)
{
    struct part *part = VRV_LIST_OF(d, struct part, ticket.done);
    struct vrv_request *r = part->r;
    struct produce *p = r->state;
    const struct vrv_ticket *t = &part->ticket;

    if (t->status < 0) {
        fail(r, part->resp, vrv_kerror_of(t->status), vrv_err_text(t->status));
    } else {
        part->resp->base_offset = t->base_offset;
        part->resp->log_append_time_ms = t->append_ms;
        part->resp->log_start_offset = t->start;
    }
    if (--p->waiting == 0 && p->at == p->n)
        finish(r);
}

/* ---- appending ---- */

/* A batch can hold millions of bad records; the answer stays in proportion to the request. */
enum { BLAMED_MAX = 1000 };

/* Which records of the batch it was. */
struct blamed {
    struct vrv_blame blame;
    struct vrv_request *r;
    struct vrv_produce_resp_partition *resp;
};

static bool
blame_record(struct vrv_blame *to, int32_t index, const char *why)
{
    struct blamed *b = VRV_LIST_OF(to, struct blamed, blame);
    struct vrv_produce_resp_partition *resp = b->resp;
    int32_t n = resp->record_errors.n;

    /* Room for 1, 2, 4, ...: a full list has a power of two. */
    if ((n & (n - 1)) == 0) {
        struct vrv_produce_resp_record_error *v =
            VRV_ROOM(b->r, struct vrv_produce_resp_record_error, n > 0 ? 2 * (size_t)n : 1);

        if (n > 0)
            memcpy(v, resp->record_errors.v, (size_t)n * sizeof(*v));
        resp->record_errors.v = v;
    }
    resp->record_errors.v[n] = (struct vrv_produce_resp_record_error){
        .batch_index = index, .batch_index_error_message = vrv_request_str(b->r, why) };
    resp->record_errors.n = n + 1;
    return n + 1 < BLAMED_MAX;
}

enum { ATTRS_AT = 21, PRODUCE_ZSTD = 7 };

/* Clients before version 7 don't know zstd, and so wouldn't those that read it with one. */
static bool
is_zstd_too_early(const struct vrv_request *r, const struct vrv_records *rec)
{
    return vrv_request_version(r) < PRODUCE_ZSTD && rec->n >= ATTRS_AT + 2 &&
        (vrv_get_be16(rec->p + ATTRS_AT) & 7) == VRV_CODEC_ZSTD;
}

/* A request that came when there was no slab for it needs one now. */
static int
find_slab(struct vrv_request *r)
{
    struct produce *p = r->state;

    if (p->bytes != NULL)
        return 0;
    if (r->slab == NULL) {
        r->slab = vrv_slab_get(vrv_engine_env(r->broker->engine)->pool, r->body_n);
        if (r->slab == NULL)
            return VRV_E_AGAIN;
        memcpy(r->slab->data, r->body, r->body_n);
        p->bytes = r->slab->data;
    } else {
        p->bytes = r->slab->data + (r->body - r->slab->data);
    }
    return 0;
}

static int
append(struct vrv_request *r, struct part *part, struct vrv_append *a, struct vrv_err *e)
{
    const struct produce *p = r->state;

    a->log = part->log;
    a->leader_epoch = -1;
    a->slab = r->slab;
    a->bytes = p->bytes + (part->records->p - r->body);
    a->n = (size_t)part->records->n;
    return vrv_log_append(a, 1, &part->ticket, NULL, e);
}

/* 0, AGAIN, SLOW, or it failed and the answer says so. */
static int
append_one(struct vrv_request *r, struct part *part)
{
    struct blamed blamed = { { blame_record }, r, part->resp };
    struct vrv_append a = { .blame = &blamed.blame };
    struct vrv_err e = { 0 };

    part->ticket.done = (struct vrv_done){ .cq = r->call.cq, .run = posted };
    int rc = vrv_engine_may_append(r->broker->engine, &e);
    if (rc == 0)
        rc = find_slab(r);
    if (rc == 0)
        rc = append(r, part, &a, &e);
    if (rc != 0 && rc != VRV_E_AGAIN && rc != VRV_E_SLOW)
        fail(r, part->resp, vrv_kerror_of(rc), e.msg);
    return rc;
}

static int64_t
now_ns(const struct vrv_request *r)
{
    return r->broker->clock->mono_ns(r->broker->clock);
}

static void append_rest(struct vrv_request *r);

static void
room_again(struct vrv_done *d)
{
    struct produce *p = VRV_LIST_OF(d, struct produce, room);
    struct vrv_request *r = p->part[p->at].r;

    r->client->stalled = false;
    vrv_stat_count(r->broker->stat, VRV_C_produce_waiting, (uint64_t)-1);
    append_rest(r);
}

/* Memory or log are full.  False: the request waits until there is room, or its time is up. */
static bool
is_too_late(struct vrv_request *r)
{
    struct produce *p = r->state;

    if (now_ns(r) >= p->deadline_ns) {
        fail(r, p->part[p->at].resp, VRV_K_REQUEST_TIMED_OUT,
            "memory or write-ahead log stayed full");
        return true;
    }
    r->client->stalled = true;
    vrv_stat_count(r->broker->stat, VRV_C_produce_waiting, 1);
    p->room = (struct vrv_done){ .cq = r->call.cq, .run = room_again };
    vrv_engine_wait_room(r->broker->engine, &p->room);
    return false;
}

/* On another thread: appends before it may be posted meanwhile, so it leaves the answer alone. */
static void
append_slowly(struct vrv_request *r)
{
    struct produce *p = r->state;
    struct vrv_append a = { .may_repack = true };

    p->slow_rc = append(r, &p->part[p->at], &a, &p->slow_err);
}

static void
slow_done(struct vrv_request *r)
{
    struct produce *p = r->state;
    int rc = p->slow_rc;

    r->client->stalled = false;
    p->waiting -= rc != 0;
    if (rc == VRV_E_AGAIN && !is_too_late(r))
        return;
    if (rc != 0 && rc != VRV_E_AGAIN)
        fail(r, p->part[p->at].resp, vrv_kerror_of(rc), p->slow_err.msg);
    p->at++;
    append_rest(r);
}

static void
append_rest(struct vrv_request *r)
{
    struct produce *p = r->state;

    for (; p->at < p->n; p->at++) {
        struct part *part = &p->part[p->at];
        int rc = part->log == NULL ? VRV_E_NOTFOUND : append_one(r, part);

        if (rc == VRV_E_AGAIN && !is_too_late(r))
            return;
        p->waiting += rc == 0;
        if (rc == VRV_E_SLOW) {
            r->client->stalled = true;
            p->waiting++;
            vrv_request_block(r, append_slowly, slow_done);
            return;
        }
    }
    if (p->waiting == 0)
        finish(r);
}

/* ---- the request ---- */

/* What can be said of a partition before its log is asked. */
static void
prepare_part(struct vrv_request *r, struct part *part, const struct vrv_found_topic *t,
    enum vrv_kerror code, const struct vrv_produce_req_partition *q)
{
    part->r = r;
    part->records = &q->records;
    part->resp->index = q->index;
    if (code == VRV_K_NONE && vrv_topic_is_internal(t->name) &&
        !vrv_str_is(r->header.client_id, "__admin_client"))
        code = VRV_K_INVALID_TOPIC_EXCEPTION;
    if (code == VRV_K_NONE && (q->records.p == NULL || q->records.n == 0))
        fail(r, part->resp, VRV_K_INVALID_RECORD, "a produce request holds one batch per partition");
    else if (code == VRV_K_NONE && is_zstd_too_early(r, &q->records))
        fail(r, part->resp, VRV_K_UNSUPPORTED_COMPRESSION_TYPE,
            "zstd needs version 7 of Produce, or later");
    else if (code == VRV_K_NONE) {
        part->log = vrv_find_log(r->broker, t, q->index);
        if (part->log == NULL)
            fail(r, part->resp, VRV_K_UNKNOWN_TOPIC_OR_PARTITION, NULL);
    } else {
        fail(r, part->resp, code, NULL);
    }
}

static void
prepare(struct vrv_request *r, const struct vrv_produce_req *q)
{
    struct produce *p = r->state;
    bool by_id = vrv_request_version(r) >= 13;

    p->resp.responses.n = q->topic_data.n;
    p->resp.responses.v = VRV_ROOM(r, struct vrv_produce_resp_topic, q->topic_data.n);
    for (int32_t i = 0; i < q->topic_data.n; i++) {
        const struct vrv_produce_req_topic *tq = &q->topic_data.v[i];
        struct vrv_produce_resp_topic *tr = &p->resp.responses.v[i];
        struct vrv_found_topic t;
        enum vrv_kerror code = vrv_find_either(r->broker, by_id, tq->name, &tq->topic_id, &t);

        VRV_WIRE_INIT(produce_resp_topic, tr);
        tr->name = tq->name;
        tr->topic_id = tq->topic_id;
        tr->partition_responses.n = tq->partition_data.n;
        tr->partition_responses.v =
            VRV_ROOM(r, struct vrv_produce_resp_partition, tq->partition_data.n);
        for (int32_t k = 0; k < tq->partition_data.n; k++) {
            struct part *part = &p->part[p->n++];

            part->topic = tq->name;
            part->resp = &tr->partition_responses.v[k];
            VRV_WIRE_INIT(produce_resp_partition, part->resp);
            prepare_part(r, part, &t, code, &tq->partition_data.v[k]);
        }
    }
}

/* One answer to all that could be served. */
static void
refuse(struct vrv_request *r, enum vrv_kerror code)
{
    struct produce *p = r->state;

    for (size_t i = 0; i < p->n; i++) {
        vrv_log_unref(&p->part[i].log);
        if (p->part[i].resp->error_code == VRV_K_NONE)
            fail(r, p->part[i].resp, code, NULL);
    }
}

/* Does a partition's first batch belong to a transaction?  What is no batch is refused later. */
static bool
has_transactional(const struct vrv_produce_req *q)
{
    for (int32_t i = 0; i < q->topic_data.n; i++) {
        const struct vrv_produce_req_topic *t = &q->topic_data.v[i];

        for (int32_t k = 0; k < t->partition_data.n; k++) {
            const struct vrv_records *records = &t->partition_data.v[k].records;
            struct vrv_batch b;

            if (records->n > 0 && vrv_batch_read(&b, records->p, (size_t)records->n, NULL) == 0 &&
                (b.attrs & VRV_ATTR_TRANSACTIONAL) != 0)
                return true;
        }
    }
    return false;
}

void
vrv_api_produce(struct vrv_request *r, const void *message)
{
    const struct vrv_produce_req *q = message;
    struct produce *p = r->state = VRV_ROOM(r, struct produce, 1);
    size_t parts = 0;

    VRV_WIRE_INIT(produce_resp, &p->resp);
    p->acks = q->acks;
    p->deadline_ns = now_ns(r) + (int64_t)1000000 *
        (q->timeout_ms > 0 ? q->timeout_ms : r->broker->request_timeout_ms);
    for (int32_t i = 0; i < q->topic_data.n; i++)
        parts += (size_t)q->topic_data.v[i].partition_data.n;
    p->part = VRV_ROOM(r, struct part, parts);
    vrv_stat_count(r->broker->stat, VRV_C_produce_parts, parts);
    prepare(r, q);
    if (q->acks < -1 || q->acks > 1)
        refuse(r, VRV_K_INVALID_REQUIRED_ACKS);
    else if (q->transactional_id.p != NULL)
        refuse(r, VRV_K_INVALID_TXN_STATE);
    else if (has_transactional(q)) /* nobody could end what it would begin */
        refuse(r, VRV_K_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    append_rest(r);
}
