/* InitProducerId: an id for an idempotent producer. */
#include "server/api/handlers.h"

enum { TRIES = 3 };

static void
reply(struct vrv_request *r, int64_t id, enum vrv_kerror code)
{
    struct vrv_init_producer_id_resp resp;

    VRV_WIRE_INIT(init_producer_id_resp, &resp);
    resp.error_code = (int16_t)code;
    resp.producer_id = id;
    resp.producer_epoch = id < 0 ? -1 : 0;
    vrv_request_reply(r, &resp);
}

static void
refill(struct vrv_request *r)
{
    int64_t *id = r->state;

    for (int i = 0; i < TRIES && *id < 0; i++) {
        if (vrv_producer_ids_refill(&r->broker->ids, vrv_engine_catalog(r->broker->engine), NULL) < 0)
            return;
        *id = vrv_producer_ids_take(&r->broker->ids);
    }
}

static void
refilled(struct vrv_request *r)
{
    int64_t *id = r->state;

    reply(r, *id, *id < 0 ? VRV_K_COORDINATOR_NOT_AVAILABLE : VRV_K_NONE);
}

void
vrv_api_init_producer_id(struct vrv_request *r, const void *message)
{
    const struct vrv_init_producer_id_req *q = message;
    int64_t *id = r->state = VRV_ROOM(r, int64_t, 1);

    if (q->transactional_id.p != NULL || /* there are no transactions yet */
        (q->producer_id == -1) != (q->producer_epoch == -1)) {
        reply(r, -1, VRV_K_INVALID_REQUEST);
        return;
    }
    *id = vrv_producer_ids_take(&r->broker->ids);
    if (*id >= 0)
        reply(r, *id, VRV_K_NONE);
    else
        vrv_request_block(r, refill, refilled);
}
