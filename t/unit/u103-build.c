/* The builder writes the very bytes that Kafka writes, and what it writes can be read. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/batch/build.h"
#include "engine/batch/compress.h"
#include "engine/batch/record.h"
#include "engine/batch/repack.h"
#include "t/lib/golden.h"
#include "t/lib/tap.h"

static const int64_t t0 = 1700000000000;

/* The six records of t/data/README.md. */
static void
add_six(struct vrv_batch_builder *w)
{
    static const struct vrv_build_header h[] = {
        {"trace", "abc", 3}, {"", NULL, -1}, {"empty", "", 0}};
    uint8_t big[3000];

    for (int i = 0; i < 3000; i++)
        big[i] = (uint8_t)(i % 61);
    vrv_batch_builder_add(w, t0, "k0", 2, "v0", 2, NULL, 0);
    vrv_batch_builder_add(w, t0 + 7, NULL, -1, "no key", 6, NULL, 0);
    vrv_batch_builder_add(w, t0 - 1000, "tombstone", 9, NULL, -1, NULL, 0);
    vrv_batch_builder_add(w, t0 + 1, NULL, -1, NULL, -1, NULL, 0);
    vrv_batch_builder_add(w, t0 + 2, "h", 1, "with headers", 12, h, 3);
    vrv_batch_builder_add(w, t0 + 3, "", 0, big, 3000, NULL, 0);
}

static void
is_golden(const char *file, const uint8_t *p, size_t n)
{
    size_t want_n;
    uint8_t *want = golden(file, &want_n);

    IS(n, want_n, "as long as Kafka's %s", file);
    OK(n == want_n && memcmp(p, want, n) == 0, "and the same bytes");
    free(want);
}

static void
test_same_as_kafka(void)
{
    struct vrv_batch_builder w;
    const uint8_t *p;
    size_t n;

    vrv_batch_builder_init(&w);
    add_six(&w);
    IS(vrv_batch_builder_finish(&w, VRV_CODEC_NONE, &p, &n, NULL), 0, "six records");
    is_golden("batch-none.bin", p, n);
    w.producer_id = 4711;
    w.producer_epoch = 3;
    w.base_seq = 100;
    w.attrs = VRV_ATTR_TRANSACTIONAL;
    add_six(&w);
    IS(vrv_batch_builder_finish(&w, VRV_CODEC_NONE, &p, &n, NULL), 0, "six in a transaction");
    is_golden("batch-transactional.bin", p, n);
    IS(w.producer_id, 4711, "the producer is kept for the next batch");
    vrv_batch_builder_fini(&w);
}

static void
test_all_codecs(void)
{
    static const struct vrv_batch_rules strict = {
        .walk_records = true, .ts_min = INT64_MIN, .ts_max = INT64_MAX};
    struct vrv_batch_builder w;
    struct vrv_batch b;
    const uint8_t *p;
    size_t n;

    vrv_batch_builder_init(&w);
    for (int c = VRV_CODEC_NONE; c <= VRV_CODEC_ZSTD; c++) {
        for (int i = 0; i < 20000; i++)
            vrv_batch_builder_add(&w, t0 + i * 100000, &i, sizeof(i), "value", 5, NULL, 0);
        IS(vrv_batch_builder_finish(&w, (enum vrv_codec)c, &p, &n, NULL), 0,
            "20,000 records with codec %d: %zu bytes", c, n);
        IS(vrv_batch_check(&b, p, n, &strict, NULL, NULL), 0, "are a good batch");
        IS(b.attrs, c, "with the codec in its attributes");
        IS(b.last_delta, 19999, "and all offsets");
        IS(b.max_ts, t0 + INT64_C(19999) * 100000, "and the largest timestamp");
    }
    vrv_batch_builder_fini(&w);
}

static void
test_repack(void)
{
    static const struct vrv_batch_rules strict = {
        .walk_records = true, .ts_min = INT64_MIN, .ts_max = INT64_MAX};
    size_t plain_n;
    uint8_t *plain = golden("batch-transactional.bin", &plain_n);
    struct vrv_batch b;

    IS(vrv_batch_read(&b, plain, plain_n, NULL), 0, "Kafka's transactional batch");
    for (int c = VRV_CODEC_NONE; c <= VRV_CODEC_ZSTD; c++) {
        enum vrv_codec codec = (enum vrv_codec)c;
        uint8_t *packed, *back;
        size_t n, back_n;

        IS(vrv_batch_repack(plain, &b, codec, vrv_level_default(codec), &packed, &n, NULL), 0,
            "is packed again with codec %d", c);
        struct vrv_batch pb;
        IS(vrv_batch_check(&pb, packed, n, &strict, NULL, NULL), 0, "... a good batch");
        IS(pb.attrs, b.attrs | c, "... of that codec, else as before");
        IS(vrv_batch_repack(packed, &pb, VRV_CODEC_NONE, 0, &back, &back_n, NULL), 0,
            "... and unpacked");
        OK(back_n == plain_n && memcmp(back, plain, plain_n) == 0, "... the bytes that it had");
        free(back);
        free(packed);
    }
    free(plain);
}

/* A reader takes what unpacks to more than so many times its size for a bomb. */
static void
test_repack_too_well(void)
{
    enum { ZEROS = 4 << 20 };
    uint8_t *zeros = vrv_mem_zero(ZEROS), *out;
    struct vrv_batch_builder w;
    struct vrv_batch b;
    const uint8_t *p;
    size_t n, out_n;

    vrv_batch_builder_init(&w);
    vrv_batch_builder_add(&w, t0, NULL, -1, zeros, ZEROS, NULL, 0);
    IS(vrv_batch_builder_finish(&w, VRV_CODEC_NONE, &p, &n, NULL), 0, "4 MiB of zeros");
    IS(vrv_batch_read(&b, p, n, NULL), 0, "a batch");
    IS(vrv_batch_repack(p, &b, VRV_CODEC_ZSTD, VRV_LEVEL_ZSTD, &out, &out_n, NULL), 1,
        "would be packed too small to be believed: it stays");
    OK(out == NULL, "... as it is");
    vrv_batch_builder_fini(&w);
    free(zeros);
}

static void
test_extremes(void)
{
    struct vrv_batch_builder w;
    struct vrv_record_iter it;
    struct vrv_record r;
    struct vrv_batch b;
    const uint8_t *p;
    size_t n;

    vrv_batch_builder_init(&w);
    vrv_batch_builder_add(&w, 0, NULL, -1, NULL, -1, NULL, 0);
    vrv_batch_builder_add(&w, INT64_MAX, NULL, -1, NULL, -1, NULL, 0);
    vrv_batch_builder_add(&w, INT64_MIN, NULL, -1, NULL, -1, NULL, 0);
    IS(vrv_batch_builder_finish(&w, VRV_CODEC_NONE, &p, &n, NULL), 0, "the farthest timestamps");
    IS(vrv_batch_read(&b, p, n, NULL), 0, "read");
    IS(b.max_ts, INT64_MAX, "the largest is in the header");
    IS(vrv_record_iter_init(&it, p, &b, NULL), 0, "and walk");
    IS(vrv_record_next(&it, &r, NULL), 1, "first");
    IS(vrv_record_next(&it, &r, NULL), 1, "second");
    IS(r.timestamp, INT64_MAX, "is the largest");
    IS(vrv_record_next(&it, &r, NULL), 1, "third");
    IS(r.timestamp, INT64_MIN, "is the smallest");
    vrv_record_iter_fini(&it);
    vrv_batch_builder_fini(&w);
}

int
main(void)
{
    test_same_as_kafka();
    test_all_codecs();
    test_repack();
    test_repack_too_well();
    test_extremes();
    return tap_done();
}
