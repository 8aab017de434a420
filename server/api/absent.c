/* Admin APIs for what this server hasn't: each gives Kafka's own answer for that. */
#include "server/api/find.h"
#include "server/api/handlers.h"

static const char no_acls[] = "no authorizer is configured";

void
vrv_api_describe_acls(struct vrv_request *r, const void *message)
{
    struct vrv_describe_acls_resp resp;

    (void)message;
    VRV_WIRE_INIT(describe_acls_resp, &resp);
    resp.error_code = VRV_K_SECURITY_DISABLED;
    resp.error_message = vrv_str(no_acls);
    vrv_request_reply(r, &resp);
}

void
vrv_api_create_acls(struct vrv_request *r, const void *message)
{
    const struct vrv_create_acls_req *q = message;
    struct vrv_create_acls_resp resp;

    VRV_WIRE_INIT(create_acls_resp, &resp);
    resp.results.n = q->creations.n;
    resp.results.v = VRV_ROOM(r, struct vrv_create_acls_resp_result, q->creations.n);
    for (int32_t i = 0; i < q->creations.n; i++)
        resp.results.v[i] = (struct vrv_create_acls_resp_result){
            .error_code = VRV_K_SECURITY_DISABLED, .error_message = vrv_str(no_acls) };
    vrv_request_reply(r, &resp);
}

void
vrv_api_delete_acls(struct vrv_request *r, const void *message)
{
    const struct vrv_delete_acls_req *q = message;
    struct vrv_delete_acls_resp resp;

    VRV_WIRE_INIT(delete_acls_resp, &resp);
    resp.filter_results.n = q->filters.n;
    resp.filter_results.v = VRV_ROOM(r, struct vrv_delete_acls_resp_filter_result, q->filters.n);
    for (int32_t i = 0; i < q->filters.n; i++) {
        VRV_WIRE_INIT(delete_acls_resp_filter_result, &resp.filter_results.v[i]);
        resp.filter_results.v[i].error_code = VRV_K_SECURITY_DISABLED;
        resp.filter_results.v[i].error_message = vrv_str(no_acls);
    }
    vrv_request_reply(r, &resp);
}

static bool
is_partition(const struct vrv_found_topic *t, int32_t index)
{
    return index >= 0 && index < t->partitions;
}

enum { ELECTIONS = 2 }; /* kinds of them: preferred, unclean */

/* Each partition has the leader it can have. */
void
vrv_api_elect_leaders(struct vrv_request *r, const void *message)
{
    const struct vrv_elect_leaders_req *q = message;
    struct vrv_elect_leaders_resp resp;

    VRV_WIRE_INIT(elect_leaders_resp, &resp);
    if (q->election_type < 0 || q->election_type >= ELECTIONS) {
        resp.error_code = VRV_K_INVALID_REQUEST;
        vrv_request_reply(r, &resp);
        return;
    }
    resp.replica_election_results.n = q->topic_partitions.v != NULL ? q->topic_partitions.n : 0;
    resp.replica_election_results.v =
        VRV_ROOM(r, struct vrv_elect_leaders_resp_topic, resp.replica_election_results.n);
    for (int32_t i = 0; i < resp.replica_election_results.n; i++) {
        const struct vrv_elect_leaders_req_topic *tq = &q->topic_partitions.v[i];
        struct vrv_elect_leaders_resp_topic *t = &resp.replica_election_results.v[i];
        struct vrv_found_topic found = { .partitions = 0 };

        (void)vrv_find_topic(r->broker, tq->topic, &found);

        t->topic = tq->topic;
        t->partition_result.n = tq->partitions.n;
        t->partition_result.v =
            VRV_ROOM(r, struct vrv_elect_leaders_resp_partition, tq->partitions.n);
        for (int32_t k = 0; k < tq->partitions.n; k++)
            t->partition_result.v[k] = (struct vrv_elect_leaders_resp_partition){
                .partition_id = tq->partitions.v[k],
                .error_code = is_partition(&found, tq->partitions.v[k])
                    ? VRV_K_ELECTION_NOT_NEEDED
                    : VRV_K_UNKNOWN_TOPIC_OR_PARTITION };
    }
    vrv_request_reply(r, &resp);
}

void
vrv_api_list_partition_reassignments(struct vrv_request *r, const void *message)
{
    struct vrv_list_partition_reassignments_resp resp;

    (void)message;
    VRV_WIRE_INIT(list_partition_reassignments_resp, &resp);
    resp.error_message.p = NULL;
    vrv_request_reply(r, &resp);
}

void
vrv_api_describe_client_quotas(struct vrv_request *r, const void *message)
{
    struct vrv_describe_client_quotas_resp resp;

    (void)message;
    VRV_WIRE_INIT(describe_client_quotas_resp, &resp);
    resp.error_message.p = NULL;
    vrv_request_reply(r, &resp);
}
