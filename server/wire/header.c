#include "server/wire/header.h"

#include "engine/base/bytes.h"

enum { COMMON_BYTES = 10 }; /* key, version, correlation id, length of the client id */

/* Read as a message that has no fields but those. */
static int64_t
read_tags(const uint8_t *p, size_t n, struct vrv_err *e)
{
    static const struct vrv_schema none = { .name = "request header" };
    struct vrv_arena a;
    uint8_t nothing;

    vrv_arena_init(&a, 0);
    return vrv_wire_read(&none, (struct vrv_wire_version){ 2, true }, p, n, &a, &nothing, e);
}

int64_t
vrv_request_header_read(struct vrv_request_header *h, const uint8_t *p, size_t n,
    struct vrv_err *e)
{
    *h = (struct vrv_request_header){ 0 };
    if (n < COMMON_BYTES)
        return vrv_err_set(e, VRV_E_INVALID, "a request of %zu bytes is too short", n);
    h->key = (int16_t)vrv_get_be16(p);
    h->version = (int16_t)vrv_get_be16(p + 2);
    h->correlation_id = (int32_t)vrv_get_be32(p + 4);
    int16_t len = (int16_t)vrv_get_be16(p + 8);
    if (len < -1 || (len > 0 && (size_t)len > n - COMMON_BYTES))
        return vrv_err_set(e, VRV_E_INVALID, "a client id of %d bytes in a request of %zu", len, n);
    if (len >= 0)
        h->client_id = (struct vrv_str){ (const char *)p + COMMON_BYTES, len };
    size_t at = COMMON_BYTES + (size_t)(len > 0 ? len : 0);
    const struct vrv_api *api = vrv_api_find(h->key);
    if (api == NULL || h->version < api->first || h->version > api->last)
        return (int64_t)at;
    h->api = api;
    if (!vrv_api_flexible(api, h->version))
        return (int64_t)at;
    int64_t tags = read_tags(p + at, n - at, e);
    return tags < 0 ? vrv_err_prefix(e, (int)tags, "%s, version %d", api->name, h->version)
                    : (int64_t)at + tags;
}

void
vrv_response_header_write(const struct vrv_request_header *h, struct vrv_out *out)
{
    vrv_put_be32(vrv_out_room(out, 4), (uint32_t)h->correlation_id);
    if (h->api != NULL && h->key != VRV_API_api_versions &&
        vrv_api_flexible(h->api, h->version))
        *vrv_out_room(out, 1) = 0;
}
