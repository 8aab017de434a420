/*
 * Any bytes as a request (a first byte of 0), or as the body of a response: the first byte else,
 * then api key and version.  What can be read takes memory in proportion to its size, and written
 * and read again it is the same.
 */
#include <stdint.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "server/wire/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* The most that a byte of a message can ask for: an empty struct of an array, of 3 bytes, is up to
 * 72 in memory. */
enum { PER_BYTE = 24, FIXED = 4096, ARENA_MAX = 64 << 20 };

static void
same_again(const struct vrv_schema *s, struct vrv_wire_version v, const void *m)
{
    struct vrv_arena a;
    struct vrv_out bytes = { 0 }, before = { 0 }, after = { 0 };

    vrv_arena_init(&a, ARENA_MAX);
    vrv_wire_write(s, v, m, &bytes);
    void *again = vrv_arena_take(&a, s->size);
    VRV_ASSERT(vrv_wire_read(s, v, bytes.own, bytes.n, &a, again, NULL) == (int64_t)bytes.n);
    vrv_wire_json(s, v, m, &before);
    vrv_wire_json(s, v, again, &after);
    VRV_ASSERT(before.n == after.n);
    VRV_ASSERT(memcmp(before.own, after.own, before.n) == 0);
    vrv_out_fini(&bytes);
    vrv_out_fini(&before);
    vrv_out_fini(&after);
    vrv_arena_fini(&a);
}

static void
body(const struct vrv_schema *s, struct vrv_wire_version v, const uint8_t *p, size_t n)
{
    struct vrv_arena a;
    struct vrv_err e = { 0 };

    vrv_arena_init(&a, ARENA_MAX);
    void *m = vrv_arena_take(&a, s->size);
    int64_t rc = vrv_wire_read(s, v, p, n, &a, m, &e);
    VRV_ASSERT(a.used <= n * PER_BYTE + FIXED);
    if (rc < 0)
        VRV_ASSERT(e.code == rc && e.msg[0] != '\0');
    else
        same_again(s, v, m);
    vrv_arena_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct vrv_request_header h;

    if (n == 0)
        return 0;
    if (p[0] == 0) {
        int64_t at = vrv_request_header_read(&h, p + 1, n - 1, NULL);

        if (at >= 0 && h.api != NULL)
            body(h.api->req(), vrv_wire_version(h.api, h.version), p + 1 + at,
                n - 1 - (size_t)at);
        return 0;
    }
    const struct vrv_api *api = n < 5 ? NULL : vrv_api_find((int16_t)vrv_get_be16(p + 1));
    int16_t version = api != NULL ? (int16_t)vrv_get_be16(p + 3) : 0;
    if (api != NULL && version >= api->first && version <= api->last)
        body(api->resp(), vrv_wire_version(api, version), p + 5, n - 5);
    return 0;
}
