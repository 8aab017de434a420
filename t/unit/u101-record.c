/* Records: those of Kafka's batches come out as they went in, malformed ones are refused. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "engine/batch/build.h"
#include "engine/batch/record.h"
#include "t/lib/golden.h"
#include "t/lib/tap.h"

static const char *const six_batches[] = {
    "batch-none.bin", "batch-gzip.bin", "batch-snappy.bin", "batch-lz4.bin", "batch-zstd.bin"};

static bool
same(const uint8_t *p, int32_t n, const char *want)
{
    if (want == NULL || p == NULL)
        return want == NULL && p == NULL && n == -1;
    return (size_t)n == strlen(want) && memcmp(p, want, strlen(want)) == 0;
}

static void
check_record(const char *file, int i, const struct vrv_record *r)
{
    static const char *const keys[] = {"k0", NULL, "tombstone", NULL, "h", ""};
    static const char *const values[] = {"v0", "no key", NULL, NULL, "with headers"};
    static const int times[] = {0, 7, -1000, 1, 2, 3};
    bool value_ok = true;

    IS(r->offset, i, "%s, record %d: offset", file, i);
    IS(r->timestamp, 1700000000000 + times[i], "%s, record %d: timestamp", file, i);
    OK(same(r->key, r->key_len, keys[i]), "%s, record %d: key", file, i);
    if (i < 5)
        value_ok = same(r->value, r->value_len, values[i]);
    else
        for (int k = 0; k < 3000; k++)
            value_ok &= r->value_len == 3000 && r->value[k] == k % 61;
    OK(value_ok, "%s, record %d: value", file, i);
    IS(r->header_count, i == 4 ? 3 : 0, "%s, record %d: headers", file, i);
}

static void
check_headers(const char *file, const struct vrv_record *r)
{
    static const char *const want[3][2] = {{"trace", "abc"}, {"", NULL}, {"empty", ""}};
    const uint8_t *key, *value;
    int32_t key_len, value_len;
    size_t pos = 0;
    int n = 0;

    while (vrv_record_header(r, &pos, &key, &key_len, &value, &value_len) == 1 && n < 3) {
        OK(same(key, key_len, want[n][0]) && same(value, value_len, want[n][1]), "%s: header %d",
            file, n);
        n++;
    }
    IS(n, 3, "%s: all headers were seen", file);
}

static void
test_six(void)
{
    for (size_t f = 0; f < sizeof(six_batches) / sizeof(six_batches[0]); f++) {
        struct vrv_record_iter it;
        struct vrv_record r;
        struct vrv_batch b;
        size_t n;
        uint8_t *p = golden(six_batches[f], &n);
        int i = 0, rc;

        IS(vrv_batch_read(&b, p, n, NULL), 0, "%s reads", six_batches[f]);
        IS(vrv_record_iter_init(&it, p, &b, NULL), 0, "%s unpacks", six_batches[f]);
        for (; (rc = vrv_record_next(&it, &r, NULL)) == 1 && i < 6; i++) {
            check_record(six_batches[f], i, &r);
            if (i == 4)
                check_headers(six_batches[f], &r);
        }
        IS(rc, 0, "%s ends", six_batches[f]);
        IS(i, 6, "%s has six records", six_batches[f]);
        vrv_record_iter_fini(&it);
        IS(vrv_record_next(&it, &r, NULL), 0, "a finished walk stays at its end");
        free(p);
    }
}

static void
test_append_time(void)
{
    struct vrv_record_iter it;
    struct vrv_record r;
    struct vrv_batch b;
    size_t n;
    uint8_t *p = golden("batch-append-time.bin", &n);
    int others = 0;

    IS(vrv_batch_read(&b, p, n, NULL), 0, "a LogAppendTime batch reads");
    IS(vrv_record_iter_init(&it, p, &b, NULL), 0, "and starts");
    while (vrv_record_next(&it, &r, NULL) == 1)
        others += r.timestamp != 1700000009999;
    IS(others, 0, "all its records have maxTimestamp");
    vrv_record_iter_fini(&it);
    free(p);
}

/* Walk hand-made record bytes as the records of `b`: 0 or the first error. */
static int
walk(struct vrv_batch *b, const uint8_t *rec, size_t n, struct vrv_err *e)
{
    uint8_t *p = calloc(1, VRV_BATCH_HEADER + n);
    struct vrv_record_iter it;
    struct vrv_record r;

    memcpy(p + VRV_BATCH_HEADER, rec, n);
    b->size = (uint32_t)(VRV_BATCH_HEADER + n);

    int rc = vrv_record_iter_init(&it, p, b, e);

    if (rc == 0) {
        while ((rc = vrv_record_next(&it, &r, e)) == 1)
            ;
        vrv_record_iter_fini(&it);
    }
    free(p);
    return rc;
}

struct bad_record {
    const char *bytes;
    size_t n;
    const char *sentence;
};
#define BAD(bytes, sentence)                                                                       \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, sentence                                                         \
    }

/* A good record is: length 12 (6), attributes, time 0, offset 0, no key, no value, 0 headers. */
static const struct bad_record bad_records[] = {
    BAD("\x0e\0\0\0\1\1\0", "record 0: length is 7, expected 6 to 6"),
    BAD("\x0a\0\0\0\1\1\0", "record 0: length is 5, expected 6 to 6"),
    BAD("\x01\0\0\0\1\1\0", "record 0: length is -1, expected 6 to 6"),
    BAD("\xff\xff\xff\xff\x0f\0\0", "record 0: length is -2147483648, expected 6 to 2"),
    BAD("\xfe\xff\xff\xff\x0f\0\0", "record 0: length is 2147483647, expected 6 to 2"),
    BAD("\x80\x80\x80\x80\x10\0\0", "record 0: length is no complete varint"),
    BAD("\x80\x80\x80\x80\x80\x01\0", "record 0: length is no complete varint"),
    BAD("\xff\xff\xff\xff\xff\xff\xff", "record 0: length is no complete varint"),
    BAD("\x0c\0\0\2\1\1\0", "record 0: offset delta is 1, expected 0 to 0"),
    BAD("\x0c\0\0\1\1\1\0", "record 0: offset delta is -1, expected 0 to 0"),
    BAD("\x0c\0\0\x80\x80\x80\x80", "record 0: offset delta is no complete varint"),
    BAD("\x16\0\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", "record 0: timestamp delta is no "
                                                          "complete varint"),
    BAD("\x0c\0\0\0\3\1\0", "record 0: key length is -2, expected -1 or more"),
    BAD("\x0c\0\0\0\6\1\0", "record 0: key length is 3, but 2 bytes are left"),
    BAD("\x0c\0\0\0\1\3\0", "record 0: value length is -2, expected -1 or more"),
    BAD("\x0c\0\0\0\1\4\0", "record 0: value length is 2, but 1 bytes are left"),
    BAD("\x0c\0\0\0\1\1\1", "record 0: header count is -1, expected 0 to 0 in 0 bytes"),
    BAD("\x0c\0\0\0\1\1\2", "record 0: header count is 1, expected 0 to 0 in 0 bytes"),
    BAD("\x14\0\0\0\1\1\xfe\xff\xff\xff\x0f",
        "record 0: header count is 2147483647, expected 0 to 0 in 0 bytes"),
    BAD("\x10\0\0\0\1\1\2\1\1", "record 0: header key length is -1, expected 0 or more"),
    BAD("\x10\0\0\0\1\1\2\4\1", "record 0: header key length is 2, but 1 bytes are left"),
    BAD("\x10\0\0\0\1\1\2\0\3", "record 0: header value length is -2, expected -1 or more"),
    BAD("\x10\0\0\0\1\1\2\2a", "record 0: header value length is no complete varint"),
    BAD("\x0e\0\0\0\1\1\0\0", "record 0: length is 7, but its fields end 1 bytes before"),
    BAD("\x0c\0\0\0\1\1\0\0", "1 bytes follow the last of 1 records, expected 0"),
    BAD("\x0c\0\0\0\1\1", "recordCount is 1, 6 bytes of records hold at most 0"),
};

static void
test_bad_records(void)
{
    static const uint8_t good[] = {12, 0, 0, 0, 1, 1, 0};
    struct vrv_batch b = { .count = 1 };
    struct vrv_err e;

    IS(walk(&b, good, sizeof(good), &e), 0, "the smallest record passes");
    for (size_t i = 0; i < sizeof(bad_records) / sizeof(bad_records[0]); i++) {
        const struct bad_record *bad = &bad_records[i];

        memset(&e, 0, sizeof(e));
        IS(walk(&b, (const uint8_t *)bad->bytes, bad->n, &e), VRV_E_BATCH, "refused: %s",
            bad->sentence);
        IS_STR(e.msg, bad->sentence, "in these words");
    }
}

static void
test_padded_varint(void)
{
    static const uint8_t padded[] = {0x90, 0x80, 0x00, 0, 0x80, 0x00, 0x80, 0x00, 1, 1, 0};
    struct vrv_batch b = { .count = 1 };

    IS(walk(&b, padded, sizeof(padded), NULL), 0, "varints with zero groups pass, as with Kafka");
}

static void
test_timestamp_overflow(void)
{
    static const uint8_t later[] = {12, 0, 2, 0, 1, 1, 0}, earlier[] = {12, 0, 1, 0, 1, 1, 0};
    struct vrv_batch b = { .count = 1, .base_ts = INT64_MAX };
    struct vrv_err e = { 0 };

    IS(walk(&b, later, sizeof(later), &e), VRV_E_BATCH, "a timestamp beyond 64 bits is refused");
    IS_STR(e.msg,
        "record 0: timestamp delta is 1, with baseTimestamp 9223372036854775807 that is beyond "
        "64 bits",
        "in these words");
    IS(walk(&b, earlier, sizeof(earlier), NULL), 0, "one just below is not");
    b.base_ts = INT64_MIN;
    IS(walk(&b, earlier, sizeof(earlier), NULL), VRV_E_BATCH, "nor is there one below the least");
    b.attrs = VRV_ATTR_LOG_APPEND_TIME;
    IS(walk(&b, earlier, sizeof(earlier), NULL), 0, "with LogAppendTime deltas don't matter");
}

/* Two records with these offset deltas (zigzag: doubled), under this lastOffsetDelta. */
static int
walk_deltas(uint8_t first, uint8_t second, int32_t last_delta, struct vrv_err *e)
{
    uint8_t rec[] = {
        12, 0, 0, (uint8_t)(2 * first), 1, 1, 0, 12, 0, 0, (uint8_t)(2 * second), 1, 1, 0};
    struct vrv_batch b = { .count = 2, .last_delta = last_delta };

    return walk(&b, rec, sizeof(rec), e);
}

static void
test_offsets(void)
{
    struct vrv_err e = { 0 };

    IS(walk_deltas(0, 1, 1, &e), 0, "dense offsets pass");
    IS(walk_deltas(3, 9, 9, &e), 0, "so do the holes that compaction leaves");
    IS(walk_deltas(3, 7, 9, &e), 0, "also at the end");
    IS(walk_deltas(1, 0, 1, &e), VRV_E_BATCH, "without holes there is one order");
    IS_STR(e.msg, "record 0: offset delta is 1, expected 0 to 0", "in these words");
    IS(walk_deltas(5, 5, 9, &e), VRV_E_BATCH, "an offset comes once");
    IS_STR(e.msg, "record 1: offset delta is 5, expected 6 to 9", "in these words");
    IS(walk_deltas(5, 4, 9, &e), VRV_E_BATCH, "offsets rise");
    IS(walk_deltas(5, 10, 9, &e), VRV_E_BATCH, "and stay within the batch");
}

static void
test_empty(void)
{
    struct vrv_batch b = { .count = 0, .last_delta = 7, .attrs = VRV_CODEC_ZSTD };

    IS(walk(&b, (const uint8_t *)"", 0, NULL), 0, "a batch that compaction emptied has no records");
    IS(walk(&b, (const uint8_t *)"x", 1, NULL), VRV_E_BATCH, "nor bytes");
}

/* The largest 32-bit delta must not wrap what the next record is compared with. */
static void
test_last_delta_max(void)
{
    static const uint8_t rec[] = {20, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 1, 0};
    struct vrv_batch b = { .count = 1, .last_delta = INT32_MAX };

    IS(walk(&b, rec, sizeof(rec), NULL), 0, "an offset delta of 2147483647 is good");
}

static void
test_bound(void)
{
    IS(vrv_unpacked_max(0), 65536, "at least 64 KiB may come out");
    IS(vrv_unpacked_max(65), 65536, "also of 65 bytes");
    IS(vrv_unpacked_max(66), 66000, "then a thousand times the bytes");
    IS(vrv_unpacked_max(67108), 67108000, "up to");
    IS(vrv_unpacked_max(67109), 67108864, "64 MiB");
    IS(vrv_unpacked_max(SIZE_MAX), 67108864, "whatever comes in");
}

/* Kafka knows no limit on either but the size of a batch. */
static void
test_no_other_limit(void)
{
    enum { RECORDS = 1200000, HEADERS = 3000 };
    struct vrv_build_header h[HEADERS];
    struct vrv_batch_builder w;
    struct vrv_record_iter it;
    struct vrv_record r = { 0 };
    struct vrv_batch b;
    const uint8_t *p;
    size_t size;
    int32_t n;

    for (int i = 0; i < HEADERS; i++)
        h[i] = (struct vrv_build_header){ .key = "h", .value_len = -1 };
    vrv_batch_builder_init(&w);
    vrv_batch_builder_add(&w, 1, NULL, -1, NULL, -1, h, HEADERS);
    for (int i = 1; i < RECORDS; i++)
        vrv_batch_builder_add(&w, 1, NULL, -1, NULL, -1, NULL, 0);
    IS(vrv_batch_builder_finish(&w, VRV_CODEC_NONE, &p, &size, NULL), 0, "a batch of many records");
    IS(vrv_batch_read(&b, p, size, NULL), 0, "is one");
    IS(vrv_record_iter_init(&it, p, &b, NULL), 0, "and can be unpacked");
    IS(vrv_record_next(&it, &r, NULL), 1, "the first record");
    IS(r.header_count, HEADERS, "has as many headers as it likes");
    for (n = 1; vrv_record_next(&it, &r, NULL) == 1;)
        n++;
    IS(n, RECORDS, "and all are there");
    vrv_record_iter_fini(&it);
    vrv_batch_builder_fini(&w);
}

int
main(void)
{
    test_six();
    test_append_time();
    test_bad_records();
    test_padded_varint();
    test_timestamp_overflow();
    test_offsets();
    test_empty();
    test_last_delta_max();
    test_bound();
    test_no_other_limit();
    return tap_done();
}
