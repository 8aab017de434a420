/* OffsetForLeaderEpoch: where an epoch ends, so that a client notices when its log isn't ours. */
#include "server/api/find.h"
#include "server/api/handlers.h"

static void
set_partition(struct vrv_request *r, struct vrv_offset_for_leader_epoch_resp_partition *p,
    const struct vrv_found_topic *t, const struct vrv_offset_for_leader_epoch_req_partition *q)
{
    struct vrv_log *log = t != NULL ? vrv_find_log(r->broker, t, q->partition) : NULL;

    VRV_WIRE_INIT(offset_for_leader_epoch_resp_partition, p);
    p->partition = q->partition;
    if (log == NULL) {
        p->error_code = VRV_K_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    p->error_code = (int16_t)vrv_find_epoch(log, q->current_leader_epoch);
    if (p->error_code == VRV_K_NONE && q->leader_epoch >= 0)
        vrv_log_epoch_end(log, q->leader_epoch, &p->leader_epoch, &p->end_offset);
    vrv_log_unref(&log);
}

void
vrv_api_offset_for_leader_epoch(struct vrv_request *r, const void *message)
{
    const struct vrv_offset_for_leader_epoch_req *q = message;
    struct vrv_offset_for_leader_epoch_resp resp;

    VRV_WIRE_INIT(offset_for_leader_epoch_resp, &resp);
    resp.topics.n = q->topics.n;
    resp.topics.v = VRV_ROOM(r, struct vrv_offset_for_leader_epoch_resp_topic, q->topics.n);
    for (int32_t i = 0; i < q->topics.n; i++) {
        const struct vrv_offset_for_leader_epoch_req_topic *tq = &q->topics.v[i];
        struct vrv_offset_for_leader_epoch_resp_topic *t = &resp.topics.v[i];
        struct vrv_found_topic found;
        bool there = vrv_find_topic(r->broker, tq->topic, &found);

        t->topic = tq->topic;
        t->partitions.n = tq->partitions.n;
        t->partitions.v =
            VRV_ROOM(r, struct vrv_offset_for_leader_epoch_resp_partition, tq->partitions.n);
        for (int32_t k = 0; k < tq->partitions.n; k++)
            set_partition(r, &t->partitions.v[k], there ? &found : NULL, &tq->partitions.v[k]);
    }
    vrv_request_reply(r, &resp);
}
