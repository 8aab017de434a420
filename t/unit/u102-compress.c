/* Codecs: what goes in comes out, nothing comes out above the bound, damage is refused. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/batch/compress.h"
#include "t/lib/tap.h"

enum { MIB = 1 << 20 };

static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};

/* Half text-like, half noise. */
static uint8_t *
sample(size_t n)
{
    struct vrv_rand r = {102};
    uint8_t *p = vrv_mem_zero(n);

    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i < n / 2 ? i % 37 : vrv_rand_next(&r));
    return p;
}

static int
pack(int codec, const void *p, size_t n, uint8_t **out, size_t *out_n)
{
    enum vrv_codec c = (enum vrv_codec)codec;

    return vrv_compress(c, vrv_level_default(c), p, n, out, out_n, NULL);
}

static bool
round_trip(enum vrv_codec codec, const uint8_t *p, size_t n)
{
    uint8_t *packed, *out = NULL;
    size_t packed_n, out_n = 0;
    bool good = pack((int)codec, p, n, &packed, &packed_n) == 0 &&
                vrv_decompress(codec, packed, packed_n, n, &out, &out_n, NULL) == 0 && out_n == n &&
                memcmp(out, p, n) == 0;

    free(out);
    out = NULL;
    if (good && n > 0)
        good =
            vrv_decompress(codec, packed, packed_n, n - 1, &out, &out_n, NULL) == VRV_E_TOO_LARGE &&
            out == NULL;
    free(packed);
    return good;
}

static void
test_round_trips(void)
{
    static const size_t sizes[] = {
        0, 1, 100, 32767, 32768, 32769, 65535, 65536, 65537, 262145, 3 * MIB + 7};
    uint8_t *p = sample(4 * MIB);

    for (int c = VRV_CODEC_NONE; c <= VRV_CODEC_ZSTD; c++)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
            OK(round_trip((enum vrv_codec)c, p, sizes[i]),
                "%s: %zu bytes come back, with a bound of exactly that and no less", names[c],
                sizes[i]);
    free(p);
}

/* Cut anywhere, packed bytes are refused; snappy between two blocks has no way to tell. */
static void
test_truncations(void)
{
    uint8_t *p = sample(80000);

    for (int c = VRV_CODEC_GZIP; c <= VRV_CODEC_ZSTD; c++) {
        uint8_t *packed, *out = NULL;
        size_t n, out_n;
        int passed = 0, other = 0;

        IS(pack(c, p, 80000, &packed, &n), 0, "%s packs", names[c]);
        for (size_t cut = 0; cut < n; cut += cut < 200 || n - cut < 200 ? 1 : 97) {
            int rc = vrv_decompress((enum vrv_codec)c, packed, cut, MIB, &out, &out_n, NULL);

            passed += rc == 0 && !(c == VRV_CODEC_SNAPPY && cut == 16);
            other += rc != 0 && rc != VRV_E_BATCH;
            free(out);
        }
        IS(passed, 0, "%s: cut, it is refused", names[c]);
        IS(other, 0, "%s: as malformed", names[c]);
        free(packed);
    }
    free(p);
}

static void
test_bit_flips(void)
{
    uint8_t *p = sample(3000);

    for (int c = VRV_CODEC_GZIP; c <= VRV_CODEC_ZSTD; c++) {
        uint8_t *packed, *out = NULL;
        size_t n, out_n;
        int over = 0;

        IS(pack(c, p, 3000, &packed, &n), 0, "%s packs", names[c]);
        for (size_t bit = 0; bit < n * 8; bit++) {
            packed[bit / 8] ^= (uint8_t)(1u << bit % 8);

            int rc = vrv_decompress((enum vrv_codec)c, packed, n, 4000, &out, &out_n, NULL);

            over += rc == 0 ? out_n > 4000 : rc != VRV_E_BATCH && rc != VRV_E_TOO_LARGE;
            free(out);
            packed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        IS(over, 0, "%s: with any bit flipped it stays within its bound", names[c]);
        free(packed);
    }
    free(p);
}

struct bytes_case {
    enum vrv_codec codec;
    int rc;
    const char *bytes;
    size_t n;
    const char *want; /* what comes out, or the sentence */
};
#define BYTES(b) (b), sizeof(b) - 1
#define XERIAL "\x82SNAPPY\0\0\0\0\1\0\0\0\1"
#define ZSTD_MAGIC "\x28\xb5\x2f\xfd"

/* Written by hand from the formats' descriptions. */
static const struct bytes_case cases[] = {
    {VRV_CODEC_SNAPPY, 0, BYTES("\5\x10hello"), "hello"},
    {VRV_CODEC_SNAPPY, 0, BYTES(XERIAL), ""},
    {VRV_CODEC_SNAPPY, 0, BYTES(XERIAL "\0\0\0\7\5\x10hello\0\0\0\3\1\0!"), "hello!"},
    {VRV_CODEC_SNAPPY, VRV_E_BATCH, BYTES(XERIAL "\0\0\0\x8\5\x10hello"),
        "snappy data is malformed: a block is longer than what is left"},
    {VRV_CODEC_SNAPPY, VRV_E_BATCH, BYTES(XERIAL "\xff\xff\xff\xff\5\x10hello"),
        "snappy data is malformed: a block is longer than what is left"},
    {VRV_CODEC_SNAPPY, VRV_E_BATCH, BYTES(XERIAL "\0\0\0\7\5\x10hello\0\0"),
        "snappy data is malformed: a block's length is cut off"},
    {VRV_CODEC_SNAPPY, VRV_E_BATCH, BYTES(XERIAL "\0\0\0\0"),
        "snappy data is malformed: a block doesn't start with its length"},
    {VRV_CODEC_SNAPPY, VRV_E_BATCH, BYTES("\x82SNAPPY\0\0\0\0\1"),
        "snappy data is malformed: Java's header is cut off"},
    {VRV_CODEC_SNAPPY, VRV_E_BATCH, BYTES("\xff\xff\xff\xff\x0f\x10hello"),
        "snappy data is malformed: a block declares more than its bytes can make"},
    {VRV_CODEC_SNAPPY, VRV_E_BATCH, BYTES("\6\x10hello"),
        "snappy data is malformed: a block can't be unpacked"},
    {VRV_CODEC_GZIP, VRV_E_BATCH, BYTES("hello"), "gzip data is malformed: incorrect header check"},
    {VRV_CODEC_GZIP, VRV_E_BATCH, BYTES(""), "gzip data is malformed: it ends too early"},
    {VRV_CODEC_LZ4, VRV_E_BATCH, BYTES("hello world"),
        "lz4 data is malformed: it doesn't start with a frame"},
    {VRV_CODEC_LZ4, VRV_E_BATCH, BYTES("\x50\x2a\x4d\x18\0\0\0\0"), /* skippable */
        "lz4 data is malformed: it doesn't start with a frame"},
    {VRV_CODEC_LZ4, VRV_E_BATCH, BYTES("\x04\x22\x4d\x18\x40\x40\xc0\0\0\0\0"),
        "lz4 data is malformed: the frame has linked blocks, a dictionary or a new version"},
    {VRV_CODEC_LZ4, 0, BYTES("\x04\x22\x4d\x18\x60\x40\x82\5\0\0\x80hello\0\0\0\0"), "hello"},
    /* window of 2^23 bytes, one raw block; then one of 2^24 */
    {VRV_CODEC_ZSTD, 0, BYTES(ZSTD_MAGIC "\0\x68\x29\0\0hello"), "hello"},
    {VRV_CODEC_ZSTD, VRV_E_BATCH, BYTES(ZSTD_MAGIC "\0\x70\x29\0\0hello"),
        "zstd data is malformed: Frame requires too much memory for decoding"},
    {VRV_CODEC_ZSTD, VRV_E_BATCH, BYTES("\x27\xb5\x2f\xfd\0\x68\x29\0\0hello"), /* version 0.7 */
        "zstd data is malformed: no frame where one should start"},
    {VRV_CODEC_ZSTD, VRV_E_BATCH, BYTES(""),
        "zstd data is malformed: no frame where one should start"},
    {(enum vrv_codec)5, VRV_E_CODEC, BYTES("hello"), "codec is 5, expected 0 to 4"},
};

static void
test_bytes(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct bytes_case *c = &cases[i];
        struct vrv_err e = { 0 };
        uint8_t *out;
        size_t n;
        int rc = vrv_decompress(c->codec, c->bytes, c->n, 1000, &out, &n, &e);

        IS(rc, c->rc, "case %zu, codec %d: %s", i, (int)c->codec, c->want);
        if (rc < 0)
            IS_STR(e.msg, c->want, "in these words");
        else
            OK(n == strlen(c->want) && memcmp(out, c->want, n) == 0, "these bytes come out");
        free(out);
    }
}

/* Two streams, one behind the other: what Java reads is read, what it overlooks is refused. */
static void
test_concatenated(void)
{
    static const int want[] = {0, 0, VRV_E_BATCH, VRV_E_BATCH, 0};

    for (int c = VRV_CODEC_GZIP; c <= VRV_CODEC_ZSTD; c++) {
        uint8_t *a, *b, *out, both[200];
        size_t an, bn, n;

        IS(pack(c, "first ", 6, &a, &an), 0, "%s packs", names[c]);
        IS(pack(c, "second", 6, &b, &bn), 0, "and again");
        memcpy(both, a, an);
        memcpy(both + an, b, bn);
        IS(vrv_decompress((enum vrv_codec)c, both, an + bn, 100, &out, &n, NULL), want[c],
            "%s: two streams in a row", names[c]);
        if (want[c] == 0)
            OK(n == 12 && memcmp(out, "first second", 12) == 0, "give both texts");
        free(out);
        both[an] = 'x';
        IS(vrv_decompress((enum vrv_codec)c, both, an + 1, 100, &out, &n, NULL), VRV_E_BATCH,
            "%s: a byte behind the end is refused", names[c]);
        free(a);
        free(b);
    }
}

static long
rss_kib(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

static void
refuse_bomb(enum vrv_codec codec, const uint8_t *p, size_t n, const char *what)
{
    struct vrv_err e = { 0 };
    long before = rss_kib();
    uint8_t *out;
    size_t out_n;

    IS(vrv_decompress(codec, p, n, MIB, &out, &out_n, &e), VRV_E_TOO_LARGE, "%s is refused", what);
    IS_STR(e.msg, "the records unpack to more than 1048576 bytes", "in these words");
    OK(rss_kib() - before < 24 * 1024, "with little memory: %ld KiB", rss_kib() - before);
}

/* A frame of 8,192 blocks that repeat one byte 128 Ki times: 1 GiB from 32 KiB. */
static uint8_t *
zstd_bomb(size_t *n)
{
    enum { BLOCKS = 8192 };
    static const uint8_t header[] = {0x28, 0xb5, 0x2f, 0xfd, 0, 0x68};
    uint8_t *p = vrv_mem_zero(sizeof(header) + BLOCKS * 4);

    memcpy(p, header, sizeof(header));
    *n = sizeof(header);
    for (int i = 0; i < BLOCKS; i++, *n += 4)
        vrv_put_le32(p + *n, 128 * 1024 << 3 | 1 << 1 | (i == BLOCKS - 1));
    return p;
}

static void
test_bombs(void)
{
    static const uint8_t huge_zstd[] = {0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0x68, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0x3f, 0x02, 0x00, 0x10, 0x00, 0x02, 0x00, 0x10, 0x00, 0x02, 0x00, 0x10,
        0x00, 0x02, 0x00, 0x10, 0x00, 0x02, 0x00, 0x10, 0x00, 0x02, 0x00, 0x10, 0x00, 0x02, 0x00,
        0x10, 0x00, 0x02, 0x00, 0x10, 0x00, 0x02, 0x00, 0x10, 0x00};
    const size_t zeros_n = 100 * MIB;
    uint8_t *zeros = vrv_mem_zero(zeros_n);
    uint8_t *packed;
    size_t n;

    for (int c = VRV_CODEC_GZIP; c <= VRV_CODEC_ZSTD; c++) {
        IS(pack(c, zeros, zeros_n, &packed, &n), 0,
            "%s packs 100 MiB of zeros into %zu bytes", names[c], n);
        refuse_bomb((enum vrv_codec)c, packed, n, names[c]);
        free(packed);
    }
    packed = zstd_bomb(&n);
    refuse_bomb(VRV_CODEC_ZSTD, packed, n, "1 GiB from 32 KiB");
    free(packed);
    refuse_bomb(VRV_CODEC_ZSTD, huge_zstd, sizeof(huge_zstd), "a frame that declares 2^62 bytes");
    free(zeros);
}

int
main(void)
{
    test_round_trips();
    test_truncations();
    test_bit_flips();
    test_bytes();
    test_concatenated();
    test_bombs();
    return tap_done();
}
