/* Lines "key version request|response hex" on stdin; for each one line on stdout: the hex that our
 * encoder makes of what our decoder read, and that as JSON; or "!" and what is wrong with it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/wire/header.h"

enum { LINE_MAX_BYTES = 1 << 20 };

static size_t
unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    unsigned b;

    for (; hex[2 * n] != '\0' && sscanf(hex + 2 * n, "%2x", &b) == 1; n++)
        out[n] = (uint8_t)b;
    return n;
}

static void
dump(const struct vrv_schema *s, struct vrv_wire_version v, const uint8_t *p, size_t n)
{
    struct vrv_arena a;
    struct vrv_out out = { 0 };
    struct vrv_err e = { 0 };

    vrv_arena_init(&a, (size_t)1 << 20);
    void *m = vrv_arena_take(&a, s->size);
    int64_t rc = vrv_wire_read(s, v, p, n, &a, m, &e);
    if (rc < 0 || (size_t)rc != n) {
        (void)printf("! %s (%" PRId64 " of %zu bytes)\n", e.msg, rc, n);
    } else {
        vrv_wire_write(s, v, m, &out);
        for (size_t i = 0; i < out.n; i++)
            (void)printf("%02x", out.own[i]);
        vrv_out_clear(&out);
        vrv_wire_json(s, v, m, &out);
        (void)printf(" %.*s\n", (int)out.n, (const char *)out.own);
    }
    vrv_out_fini(&out);
    vrv_arena_fini(&a);
}

int
main(void)
{
    static char line[LINE_MAX_BYTES], kind[16];
    uint8_t *p = vrv_mem_zero(LINE_MAX_BYTES);

    while (fgets(line, sizeof(line), stdin) != NULL) {
        int key, version, at = 0;

        if (sscanf(line, "%d %d %15s %n", &key, &version, kind, &at) != 3)
            return 1;
        const struct vrv_api *api = vrv_api_find((int16_t)key);
        if (api == NULL)
            return 1;
        dump(strcmp(kind, "request") == 0 ? api->req() : api->resp(),
            vrv_wire_version(api, (int16_t)version), p, unhex(line + at, p));
    }
    free(p);
    return 0;
}
