/* DeleteRecords: the start of a log moves up, for good. */
#include "server/api/find.h"
#include "server/api/handlers.h"
#include "server/base/internal.h"

struct part {
    struct vrv_ticket ticket;
    struct vrv_request *r;
    struct vrv_log *log;
    struct vrv_delete_records_resp_partition *resp;
};

struct state {
    struct vrv_delete_records_resp resp;
    struct part *part;
    size_t n, waiting;
};

static void
finish(struct vrv_request *r)
{
    struct state *s = r->state;

    for (size_t i = 0; i < s->n; i++)
        vrv_log_unref(&s->part[i].log);
    vrv_request_reply(r, &s->resp);
}

static void
posted(struct vrv_done *d)
{
    struct part *p = VRV_LIST_OF(d, struct part, ticket.done);
    struct state *s = p->r->state;

    if (p->ticket.status < 0)
        p->resp->error_code = (int16_t)vrv_kerror_of(p->ticket.status);
    else
        p->resp->low_watermark = p->ticket.start;
    if (--s->waiting == 0)
        finish(p->r);
}

static void
begin(struct vrv_request *r, struct part *p, const struct vrv_found_topic *t, int64_t offset)
{
    struct state *s = r->state;

    p->r = r;
    p->resp->low_watermark = -1;
    p->log = t != NULL ? vrv_find_log(r->broker, t, p->resp->partition_index) : NULL;
    if (p->log == NULL) {
        p->resp->error_code = VRV_K_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if (vrv_topic_is_internal(t->name)) {
        p->resp->error_code = VRV_K_INVALID_TOPIC_EXCEPTION;
        return;
    }
    if (!vrv_log_deletes(p->log)) { /* what is only compacted loses no record by its age */
        p->resp->error_code = VRV_K_POLICY_VIOLATION;
        return;
    }
    p->ticket.done = (struct vrv_done){ .cq = r->call.cq, .run = posted };
    int rc = vrv_log_set_start(p->log, offset, &p->ticket, NULL);
    if (rc < 0)
        p->resp->error_code = (int16_t)vrv_kerror_of(rc);
    else
        s->waiting++;
}

static void
begin_topic(struct vrv_request *r, struct vrv_delete_records_resp_topic *t,
    const struct vrv_delete_records_req_topic *q)
{
    struct state *s = r->state;
    struct vrv_found_topic found;
    bool there = vrv_find_topic(r->broker, q->name, &found);

    t->name = q->name;
    t->partitions.n = q->partitions.n;
    t->partitions.v = VRV_ROOM(r, struct vrv_delete_records_resp_partition, q->partitions.n);
    for (int32_t i = 0; i < q->partitions.n; i++) {
        struct part *p = &s->part[s->n++];

        p->resp = &t->partitions.v[i];
        p->resp->partition_index = q->partitions.v[i].partition_index;
        begin(r, p, there ? &found : NULL, q->partitions.v[i].offset);
    }
}

void
vrv_api_delete_records(struct vrv_request *r, const void *message)
{
    const struct vrv_delete_records_req *q = message;
    struct state *s = r->state = VRV_ROOM(r, struct state, 1);
    size_t n = 0;

    for (int32_t i = 0; i < q->topics.n; i++)
        n += (size_t)q->topics.v[i].partitions.n;
    VRV_WIRE_INIT(delete_records_resp, &s->resp);
    s->part = VRV_ROOM(r, struct part, n);
    s->resp.topics.n = q->topics.n;
    s->resp.topics.v = VRV_ROOM(r, struct vrv_delete_records_resp_topic, q->topics.n);
    for (int32_t i = 0; i < q->topics.n; i++)
        begin_topic(r, &s->resp.topics.v[i], &q->topics.v[i]);
    if (s->waiting == 0)
        finish(r);
}
