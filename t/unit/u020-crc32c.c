/* CRC-32C: the vectors of RFC 3720, and every implementation against one written bit by bit. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/crc32c_impl.h"
#include "engine/base/rand.h"
#include "t/lib/tap.h"

enum { BUF = 4096 };

static uint8_t buf[BUF + 16];

static uint32_t
bitwise(uint32_t crc, const uint8_t *p, size_t n)
{
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static void
test_vectors(const char *name, uint32_t (*fn)(uint32_t, const void *, size_t))
{
    static const uint8_t iscsi_read[48] = {0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02,
        0, 0, 0, 0, 0, 0, 0};
    uint8_t up[32], down[32], zeros[32] = { 0 }, ones[32];

    memset(ones, 0xff, sizeof(ones));
    for (int i = 0; i < 32; i++) {
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    IS(fn(0, "", 0), 0, "%s: nothing gives 0", name);
    IS(fn(0, zeros, 32), 0x8a9136aa, "%s: RFC 3720, zeros", name);
    IS(fn(0, ones, 32), 0x62a8ab43, "%s: RFC 3720, ones", name);
    IS(fn(0, up, 32), 0x46dd794e, "%s: RFC 3720, rising bytes", name);
    IS(fn(0, down, 32), 0x113fdb5c, "%s: RFC 3720, falling bytes", name);
    IS(fn(0, iscsi_read, 48), 0xd9963a56, "%s: RFC 3720, a read command", name);
    IS(fn(0, "123456789", 9), 0xe3069283, "%s: the check value of the CRC catalogue", name);
}

static void
test_lengths(const char *name, uint32_t (*fn)(uint32_t, const void *, size_t))
{
    int bad = 0;

    for (size_t align = 0; align < 16; align++)
        for (size_t n = 0; n <= 700; n++)
            bad += fn(0x12345678, buf + align, n) != bitwise(0x12345678, buf + align, n);
    bad += fn(0, buf, BUF) != bitwise(0, buf, BUF);
    IS(bad, 0, "%s: agrees with the bitwise one for 0 to 700 bytes at 16 alignments", name);
}

static void
test_splits(const char *name, uint32_t (*fn)(uint32_t, const void *, size_t))
{
    uint32_t whole = bitwise(0, buf, BUF);
    uint32_t bytewise = 0;
    int bad = 0;

    for (size_t at = 0; at <= BUF; at++)
        bad += fn(fn(0, buf, at), buf + at, BUF - at) != whole;
    IS(bad, 0, "%s: two parts give the whole, split at every byte of %d", name, BUF);
    for (size_t i = 0; i < BUF; i++)
        bytewise = fn(bytewise, buf + i, 1);
    IS(bytewise, whole, "%s: so do single bytes", name);
}

int
main(void)
{
    struct vrv_rand r = {20};

    for (size_t i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)vrv_rand_next(&r);
    for (size_t i = 0; i < vrv__crc32c_impl_count; i++) {
        const struct vrv__crc32c_impl *impl = &vrv__crc32c_impls[i];

        if (!impl->usable()) {
            tap_note("%s: not on this machine", impl->name);
            continue;
        }
        test_vectors(impl->name, impl->fn);
        test_lengths(impl->name, impl->fn);
        test_splits(impl->name, impl->fn);
    }
    test_vectors("chosen", vrv_crc32c);
    test_splits("chosen", vrv_crc32c);
    return tap_done();
}
