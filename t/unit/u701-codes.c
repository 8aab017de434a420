/* The error codes of an answer are found wherever they are, and only those that the version has. */
#include <stdio.h>
#include <string.h>

#include "server/wire/apis.h"
#include "server/wire/wire.h"
#include "t/lib/tap.h"

static char found[100];

static void
note(void *ctx, int16_t code)
{
    size_t n = strlen(found);

    (void)ctx;
    (void)snprintf(found + n, sizeof(found) - n, "%d ", code);
}

static const char *
codes(int16_t key, int16_t version, const void *message)
{
    const struct vrv_api *api = vrv_api_find(key);

    found[0] = '\0';
    vrv_wire_codes(api->resp(), version, message, note, NULL);
    return found;
}

static void
test_nested(void)
{
    struct vrv_produce_resp_partition p[3];
    struct vrv_produce_resp_topic t[2];
    struct vrv_produce_resp resp;

    VRV_WIRE_INIT(produce_resp, &resp);
    IS_STR(codes(VRV_API_produce, 9, &resp), "", "an answer about nothing has none");
    for (int i = 0; i < 3; i++) {
        VRV_WIRE_INIT(produce_resp_partition, &p[i]);
        p[i].error_code = (int16_t)(i * 10);
    }
    for (int i = 0; i < 2; i++)
        VRV_WIRE_INIT(produce_resp_topic, &t[i]);
    t[0].partition_responses.v = p;
    t[0].partition_responses.n = 2;
    t[1].partition_responses.v = p + 2;
    t[1].partition_responses.n = 1;
    resp.responses.v = t;
    resp.responses.n = 2;
    IS_STR(codes(VRV_API_produce, 9, &resp), "0 10 20 ", "one per partition, in order");
}

static void
test_versions(void)
{
    struct vrv_find_coordinator_resp_coordinator c[2];
    struct vrv_find_coordinator_resp resp;

    VRV_WIRE_INIT(find_coordinator_resp, &resp);
    resp.error_code = 15;
    for (int i = 0; i < 2; i++) {
        VRV_WIRE_INIT(find_coordinator_resp_coordinator, &c[i]);
        c[i].error_code = (int16_t)(16 + i);
    }
    resp.coordinators.v = c;
    resp.coordinators.n = 2;
    IS_STR(codes(VRV_API_find_coordinator, 3, &resp), "15 ", "the one of an older version");
    IS_STR(codes(VRV_API_find_coordinator, 4, &resp), "16 17 ", "those that came in its place");
}

static void
test_negative(void)
{
    struct vrv_heartbeat_resp resp;

    VRV_WIRE_INIT(heartbeat_resp, &resp);
    resp.error_code = -1;
    IS_STR(codes(VRV_API_heartbeat, 4, &resp), "-1 ", "a negative one is a code, too");
}

int
main(void)
{
    test_nested();
    test_versions();
    test_negative();
    return tap_done();
}
