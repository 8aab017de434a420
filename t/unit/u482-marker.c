/* Markers come back as they were written, or not at all: whatever is done to their bytes. */
#include "tiering/format/marker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "t/lib/tap.h"

#define BYTES(s) (const uint8_t *)(s)

static char key_a[] = "name/a", key_b[] = "topic/b";
static struct vrv_catalog_kv kv[] = { { key_a, "value", 5 }, { key_b, NULL, 0 } };
static struct vrv_marker_record record[] = { { BYTES("k"), BYTES("vv"), 1, 2 },
    { BYTES("key"), NULL, 3, 0 } };

static uint8_t *
written(size_t *n)
{
    struct vrv_marker m = { .cluster = "kVrv", .owner = 7, .ms = 1234567890123,
        .silent_ms = 300000, .last = true,
        .catalog = { kv, 2 }, .record = record, .record_n = 2 };

    return vrv_marker_write(&m, n, NULL);
}

static void
test_comes_back(void)
{
    struct vrv_marker m;
    struct vrv_err e = { 0 };
    size_t n;
    uint8_t *p = written(&n);

    IS(vrv_marker_read(&m, p, n, &e), 0, "a marker is read %s", e.msg);
    IS_STR(m.cluster, "kVrv", "whose it is");
    OK(m.owner == 7 && m.ms == 1234567890123 && m.silent_ms == 300000 && m.last,
        "as which owner, when, how long it may be silent, and that it stopped");
    OK(m.catalog.n == 2 && strcmp(m.catalog.v[0].key, key_a) == 0 && m.catalog.v[0].n == 5 &&
            memcmp(m.catalog.v[0].value, "value", 5) == 0 && m.catalog.v[1].n == 0,
        "the catalog");
    OK(m.record_n == 2 && m.record[0].key_n == 1 && memcmp(m.record[0].value, "vv", 2) == 0 &&
            m.record[1].key_n == 3 && m.record[1].value_n == 0,
        "the records");
    vrv_marker_fini(&m);
    free(p);
}

/* Numbers changed, and the checksum made right again: nothing is read beyond its end. */
static void
test_lies(void)
{
    struct vrv_rand r = { 1 };
    int taken = 0, refused = 0;

    for (int i = 0; i < 20000; i++) {
        struct vrv_marker m;
        size_t n;
        uint8_t *p = written(&n);

        for (int k = (int)vrv_rand_below(&r, 3); k >= 0; k--)
            p[16 + vrv_rand_below(&r, n - 16)] = (uint8_t)vrv_rand_below(&r, 256);
        if (vrv_rand_below(&r, 4) == 0)
            n = 16 + vrv_rand_below(&r, n - 16);
        uint8_t *q = vrv_mem_zero(n); /* its end is where a sanitizer sees it */
        memcpy(q, p, n);
        vrv_put_le32(q + 12, vrv_crc32c(vrv_crc32c(0, q, 12), q + 16, n - 16));
        if (vrv_marker_read(&m, q, n, NULL) == 0) {
            taken++;
            vrv_marker_fini(&m);
        } else {
            refused++;
        }
        free(q);
        free(p);
    }
    OK(taken > 1000 && refused > 1000, "20,000 lies: %d harmless, %d refused", taken, refused);
}

static void
test_damage(void)
{
    struct vrv_marker m;
    struct vrv_err e = { 0 };
    size_t n;
    int taken = 0;
    uint8_t *p = written(&n);

    for (size_t at = 0; at < n; at++) {
        p[at] ^= 0x10;
        taken += vrv_marker_read(&m, p, n, &e) == 0;
        p[at] ^= 0x10;
    }
    IS(taken, 0, "no bit may change");
    IS(vrv_marker_read(&m, p, 3, &e), VRV_E_CORRUPT, "too short: %s", e.msg);
    p[16 + 4 + 1] = '\0'; /* in the cluster's id, which would be another one's */
    vrv_put_le32(p + 12, vrv_crc32c(vrv_crc32c(0, p, 12), p + 16, n - 16));
    IS(vrv_marker_read(&m, p, n, &e), VRV_E_CORRUPT, "an id with a zero in it: %s", e.msg);
    p[8] = 9;
    vrv_put_le32(p + 12, vrv_crc32c(vrv_crc32c(0, p, 12), p + 16, n - 16));
    IS(vrv_marker_read(&m, p, n, &e), VRV_E_VERSION, "of a later version: %s", e.msg);
    free(p);
}

/* As many groups as a large server has: what is alike shrinks. */
static void
test_large(void)
{
    enum { MANY = 20000, TEXT = 40 };
    struct vrv_marker m = { .cluster = "kVrv", .silent_ms = 1 }, back;
    char (*text)[TEXT] = vrv_mem_zero(MANY * sizeof(*text));
    struct vrv_err e = { 0 };
    size_t n;
    int same = 0;

    m.record = vrv_mem_zero(MANY * sizeof(*m.record));
    for (m.record_n = 0; m.record_n < MANY; m.record_n++) {
        (void)snprintf(text[m.record_n], TEXT, "__consumer_offsets/%u", (unsigned)m.record_n);
        m.record[m.record_n] = (struct vrv_marker_record){ BYTES(text[m.record_n]), BYTES(text[m.record_n]), TEXT, TEXT };
    }
    uint8_t *p = vrv_marker_write(&m, &n, NULL);
    OK(n < MANY * TEXT / 4, "much of the same shrinks: %d bytes to %d", MANY * 2 * TEXT, (int)n);
    IS(vrv_marker_read(&back, p, n, &e), 0, "and comes back %s", e.msg);
    for (uint32_t i = 0; i < back.record_n; i++)
        same += back.record[i].key_n == TEXT && memcmp(back.record[i].value, text[i], TEXT) == 0;
    IS(same, MANY, "... all of it");
    vrv_marker_fini(&back);
    for (int bit = 0; bit < 8; bit++) { /* of how much there was */
        p[16 + 4 + 4 + 24 + 12 + 4] ^= (uint8_t)(1 << bit);
        vrv_put_le32(p + 12, vrv_crc32c(vrv_crc32c(0, p, 12), p + 16, n - 16));
        IS(vrv_marker_read(&back, p, n, &e), VRV_E_CORRUPT, "not more, not less: %s", e.msg);
        p[16 + 4 + 4 + 24 + 12 + 4] ^= (uint8_t)(1 << bit);
    }
    free(p);
    free(m.record);
    free(text);
}

/* What no store takes in one call. */
static void
test_too_large(void)
{
    struct vrv_rand r = { 1 };
    size_t much = VRV_MARKER_MAX + 1000, n;
    uint8_t *noise = vrv_mem_zero(much);
    struct vrv_marker_record one = { BYTES("k"), noise, 1, (uint32_t)much };
    struct vrv_marker m = { .record = &one, .record_n = 1 };
    struct vrv_err e = { 0 };

    for (size_t i = 0; i + 8 <= much; i += 8)
        vrv_put_le64(noise + i, vrv_rand_next(&r));
    uint8_t *p = vrv_marker_write(&m, &n, &e);
    OK(p == NULL && e.code == VRV_E_TOO_LARGE, "what doesn't shrink enough is refused: %s", e.msg);
    free(noise);
}

int
main(void)
{
    test_comes_back();
    test_lies();
    test_damage();
    test_large();
    test_too_large();
    return tap_done();
}
