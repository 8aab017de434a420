/* Markers come back as they were written, or not at all: whatever is done to their bytes. */
#include "tiering/format/marker.h"

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

    return vrv_marker_write(&m, n);
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

int
main(void)
{
    test_comes_back();
    test_lies();
    test_damage();
    return tap_done();
}
