/* DescribeCluster, and what stays the same as long as there is one broker. */
#include "server/api/handlers.h"

void
vrv_api_describe_cluster(struct vrv_request *r, const void *message)
{
    const struct vrv_describe_cluster_req *q = message;
    struct vrv_describe_cluster_resp_broker *b =
        VRV_ROOM(r, struct vrv_describe_cluster_resp_broker, 1);
    struct vrv_describe_cluster_resp resp;

    VRV_WIRE_INIT(describe_cluster_resp, &resp);
    VRV_WIRE_INIT(describe_cluster_resp_broker, b);
    resp.error_message.p = NULL;
    if (q->endpoint_type != 1) { /* brokers; there are no controllers that could be reached */
        resp.error_code = q->endpoint_type == 2 ? VRV_K_MISMATCHED_ENDPOINT_TYPE
                                                : VRV_K_UNSUPPORTED_ENDPOINT_TYPE;
        resp.error_message = vrv_str("this listener is one of brokers");
    } else {
        b->broker_id = r->broker->node_id;
        b->host = vrv_str(r->client->endpoint->host);
        b->port = r->client->endpoint->port;
        b->rack = vrv_str(r->broker->rack);
        resp.brokers.v = b;
        resp.brokers.n = 1;
        resp.cluster_id = vrv_str(r->broker->cluster_id);
        resp.controller_id = r->broker->node_id;
        if (q->include_cluster_authorized_operations)
            resp.cluster_authorized_operations = VRV_MAY_CLUSTER;
    }
    vrv_request_reply(r, &resp);
}
