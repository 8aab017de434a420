/* ApiVersions: what we speak.  The first request of nearly every client. */
#include <ctype.h>

#include "server/api/handlers.h"

/* librdkafka before 2.12 asks whether Produce begins at 0 before it compresses, so that is what we
 * say, as Kafka does; 0 to 2 are refused when they come. */
static void
set_key(struct vrv_api_versions_resp_key *k, const struct vrv_api *api)
{
    k->api_key = api->key;
    k->min_version = api->key == VRV_API_produce ? 0 : api->first;
    k->max_version = api->last;
}

static void
set_keys(struct vrv_request *r, struct vrv_api_versions_resp *resp, bool all)
{
    const struct vrv_api *api;

    resp->api_keys.v = VRV_ROOM(r, struct vrv_api_versions_resp_key, VRV_APIS);
    for (size_t i = 0; (api = vrv_api_at(i)) != NULL; i++)
        if (api->key < VRV_API_OWN && (all || api->key == VRV_API_api_versions))
            set_key(&resp->api_keys.v[resp->api_keys.n++], api);
}

/* Letters and digits, and between them '-' and '.'. */
static bool
is_software_name(struct vrv_str s)
{
    for (int32_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool inner = i > 0 && i + 1 < s.n && (c == '-' || c == '.');

        if (c > 127 || (!isalnum(c) && !inner))
            return false;
    }
    return s.n > 0;
}

static bool
is_other_node(const struct vrv_broker *b, const struct vrv_api_versions_req *q)
{
    return q->cluster_id.p != NULL && q->node_id != -1 &&
        (!vrv_str_is(q->cluster_id, b->cluster_id) || q->node_id != b->node_id);
}

void
vrv_api_api_versions(struct vrv_request *r, const void *message)
{
    const struct vrv_api_versions_req *q = message;
    struct vrv_api_versions_resp resp;

    VRV_WIRE_INIT(api_versions_resp, &resp);
    if (vrv_request_version(r) >= 3 && (!is_software_name(q->client_software_name) ||
        !is_software_name(q->client_software_version)))
        resp.error_code = VRV_K_INVALID_REQUEST;
    else if (is_other_node(r->broker, q))
        resp.error_code = VRV_K_REBOOTSTRAP_REQUIRED;
    else
        set_keys(r, &resp, true);
    vrv_request_reply(r, &resp);
}

/* It must be able to read the answer: version 0, with the versions of this API only. */
void
vrv_api_versions_unknown(struct vrv_request *r)
{
    struct vrv_api_versions_resp resp;

    VRV_WIRE_INIT(api_versions_resp, &resp);
    r->header.api = vrv_api_find(VRV_API_api_versions);
    r->header.version = 0;
    resp.error_code = VRV_K_UNSUPPORTED_VERSION;
    set_keys(r, &resp, false);
    vrv_request_reply(r, &resp);
}
