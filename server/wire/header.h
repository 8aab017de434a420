/*
 * What stands before each message: which API and version, whose answer belongs to which request.
 *
 *   request   api key i16, version i16, correlation id i32, client id (short string, never compact),
 *             tagged fields in flexible versions
 *   response  correlation id i32, tagged fields in flexible versions, but for ApiVersions: a client
 *             that asks with a version we don't have must be able to read the answer
 */
#ifndef VRV_WIRE_HEADER_H
#define VRV_WIRE_HEADER_H

#include "server/wire/apis.h"
#include "server/wire/wire.h"

struct vrv_request_header {
    int16_t key, version;
    int32_t correlation_id;
    struct vrv_str client_id; /* null: it didn't say */
    const struct vrv_api *api; /* NULL: we don't have it, or not in this version */
};

/* The number of bytes that it took; of an API or a version that we don't have only the part that
 * all have in common is read.  INVALID: malformed. */
int64_t vrv_request_header_read(struct vrv_request_header *h, const uint8_t *p, size_t n,
    struct vrv_err *e) VRV_MUST_CHECK;
void vrv_response_header_write(const struct vrv_request_header *h, struct vrv_out *out);

static inline struct vrv_wire_version
vrv_wire_version(const struct vrv_api *api, int16_t version)
{
    return (struct vrv_wire_version){ version, vrv_api_flexible(api, version) };
}

#endif
