/* Batch headers: Kafka's own batches pass, and each way to be wrong gets its code and sentence. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/batch/batch.h"
#include "engine/batch/build.h"
#include "t/lib/golden.h"
#include "t/lib/tap.h"

static const struct vrv_batch_rules lax = { .ts_min = INT64_MIN, .ts_max = INT64_MAX };
static const struct vrv_batch_rules strict = {
    .walk_records = true, .ts_min = INT64_MIN, .ts_max = INT64_MAX};

static const char *const client_batches[] = {"batch-none.bin", "batch-gzip.bin", "batch-snappy.bin",
    "batch-lz4.bin", "batch-zstd.bin", "batch-big-gzip.bin", "batch-big-snappy.bin",
    "batch-big-lz4.bin", "batch-big-zstd.bin", "batch-idempotent.bin", "batch-transactional.bin"};
enum { CLIENT_BATCHES = sizeof(client_batches) / sizeof(client_batches[0]) };

static void
put(uint8_t *p, int width, int64_t v)
{
    for (int i = width - 1; i >= 0; i--, v >>= 8)
        p[i] = (uint8_t)v;
}

static void
fix_crc(uint8_t *p, size_t n)
{
    vrv_put_be32(p + 17, vrv_crc32c(0, p + 21, n - 21));
}

/* The records that were blamed; `max`: how many are enough. */
struct blamed {
    struct vrv_blame blame;
    int n, max;
    int32_t index[8];
};

static bool
blame_record(struct vrv_blame *to, int32_t index, const char *why)
{
    struct blamed *b = (struct blamed *)to;

    (void)why;
    b->index[b->n++] = index;
    return b->n < b->max;
}

static struct blamed
nobody(void)
{
    return (struct blamed){ { blame_record }, 0, 8, { 0 } };
}

static void
test_golden(void)
{
    for (int i = 0; i < CLIENT_BATCHES; i++) {
        struct vrv_err e = { 0 };
        struct vrv_batch b;
        struct blamed bad = nobody();
        size_t n;
        uint8_t *p = golden(client_batches[i], &n);

        IS(vrv_batch_check(&b, p, n, &strict, &bad.blame, &e), 0, "%s passes (%s)", client_batches[i],
            e.msg);
        IS(b.size, n, "%s: its size", client_batches[i]);
        IS(bad.n, 0, "%s: no record is named", client_batches[i]);
        free(p);
    }
}

static void
test_fields(void)
{
    struct vrv_batch b;
    size_t n;
    uint8_t *p = golden("batch-transactional.bin", &n);

    IS(vrv_batch_read(&b, p, n, NULL), 0, "Kafka's transactional batch reads");
    IS(b.base_offset, 0, "its baseOffset");
    IS(b.leader_epoch, -1, "its leaderEpoch");
    IS(b.magic, 2, "its magic");
    IS(b.attrs, VRV_ATTR_TRANSACTIONAL, "its attributes");
    IS(b.last_delta, 5, "its lastOffsetDelta");
    IS(b.base_ts, 1700000000000, "its baseTimestamp");
    IS(b.max_ts, 1700000000007, "its maxTimestamp");
    IS(b.producer_id, 4711, "its producerId");
    IS(b.producer_epoch, 3, "its producerEpoch");
    IS(b.base_seq, 100, "its baseSequence");
    IS(b.count, 6, "its recordCount");
    free(p);
}

static void
test_marker(void)
{
    struct vrv_batch_rules inside = strict;
    struct vrv_batch b;
    struct vrv_err e;
    size_t n;
    uint8_t *p = golden("batch-marker.bin", &n);

    IS(vrv_batch_check(&b, p, n, &strict, NULL, &e), VRV_E_BATCH, "a marker isn't for clients");
    IS_STR(e.msg, "baseOffset is 77, expected 0", "its offset shows first");
    put(p, 8, 0);
    IS(vrv_batch_check(&b, p, n, &strict, NULL, &e), VRV_E_BATCH, "nor with offset 0");
    IS_STR(e.msg, "attributes are 0x30, clients may not set the control bit", "then its bit");
    put(p, 8, 77);
    inside.allow_control = true;
    IS(vrv_batch_check(&b, p, n, &inside, NULL, &e), 0, "it passes from inside");
    IS(b.leader_epoch, 5, "with its epoch");
    IS(vrv_batch_last_offset(&b), 77, "and last offset");
    free(p);
}

static void
test_truncations(void)
{
    for (int i = 0; i < CLIENT_BATCHES; i++) {
        struct vrv_batch b;
        size_t n;
        uint8_t *p = golden(client_batches[i], &n);
        int passed = 0;

        for (size_t cut = 0; cut < n; cut++) {
            uint8_t *part = malloc(cut ? cut : 1);

            memcpy(part, p, cut);
            passed += vrv_batch_check(&b, part, cut, &strict, NULL, NULL) != VRV_E_BATCH;
            passed += vrv_batch_read(&b, part, cut, NULL) != VRV_E_BATCH;
            free(part);
        }
        IS(passed, 0, "%s: cut anywhere it is refused", client_batches[i]);
        free(p);
    }
}

/* A torn length field that fits again: the batch ends early but says so. */
static void
test_shortened(void)
{
    for (int i = 0; i < CLIENT_BATCHES; i++) {
        struct vrv_batch b;
        size_t n;
        uint8_t *p = golden(client_batches[i], &n);
        int passed = 0;

        for (size_t cut = VRV_BATCH_HEADER; cut < n; cut++) {
            put(p + 8, 4, (int64_t)cut - VRV_BATCH_PREFIX);
            fix_crc(p, cut);
            passed += vrv_batch_check(&b, p, cut, &strict, NULL, NULL) != VRV_E_BATCH;
        }
        IS(passed, 0, "%s: shortened with length and checksum set right, its records are refused",
            client_batches[i]);
        free(p);
    }
}

static bool
in_epoch(size_t byte)
{
    return byte >= 12 && byte < 16;
}

static void
test_bit_flips(void)
{
    for (int i = 0; i < CLIENT_BATCHES; i++) {
        struct vrv_batch b;
        size_t n;
        uint8_t *p = golden(client_batches[i], &n);
        int wrong = 0;

        for (size_t bit = 0; bit < n * 8; bit++) {
            p[bit / 8] ^= (uint8_t)(1u << bit % 8);

            int rc = vrv_batch_check(&b, p, n, &strict, NULL, NULL);

            if (in_epoch(bit / 8))
                wrong += rc != 0;
            else if (bit / 8 < 17)
                wrong += rc != VRV_E_BATCH && rc != VRV_E_BATCH_DAMAGED;
            else
                wrong += rc != VRV_E_BATCH_DAMAGED;
            p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        IS(wrong, 0, "%s: a flipped bit is harmless in leaderEpoch and refused elsewhere",
            client_batches[i]);
        free(p);
    }
}

struct bad_field {
    size_t at;
    int width;
    int64_t value;
    int code;
    const char *sentence;
};

/* One field of Kafka's transactional batch (producer 4711, 6 records) gone wrong. */
static const struct bad_field bad_fields[] = {
    {0, 8, 5, VRV_E_BATCH, "baseOffset is 5, expected 0"},
    {0, 8, -1, VRV_E_BATCH, "baseOffset is -1, expected 0"},
    {8, 4, 48, VRV_E_BATCH_DAMAGED, "batchLength is 48, expected 49 or more"},
    {8, 4, -1, VRV_E_BATCH_DAMAGED, "batchLength is -1, expected 49 or more"},
    {8, 4, INT32_MAX, VRV_E_BATCH, "batchLength is 2147483647, but only 3145 bytes follow it"},
    {8, 4, 3144, VRV_E_BATCH, "1 bytes follow the batch of 3156, expected 0"},
    {16, 1, 1, VRV_E_BATCH, "magic is 1, expected 2"},
    {16, 1, -1, VRV_E_BATCH_DAMAGED, "magic is -1, expected 2"},
    {21, 2, 16 + 5, VRV_E_CODEC, "codec is 5, expected 0 to 4"},
    {21, 2, 16 + 6, VRV_E_CODEC, "codec is 6, expected 0 to 4"},
    {21, 2, 16 + 7, VRV_E_CODEC, "codec is 7, expected 0 to 4"},
    {21, 2, 16 + 32, VRV_E_BATCH, "attributes are 0x30, clients may not set the control bit"},
    {21, 2, 16 + 8, VRV_E_TIMESTAMP,
        "attributes are 0x18, clients may not set the LogAppendTime bit"},
    {23, 4, -1, VRV_E_BATCH, "lastOffsetDelta is -1, expected 0 or more"},
    {23, 4, 4, VRV_E_BATCH, "lastOffsetDelta is 4, too little for 6 records"},
    {23, 4, 6, VRV_E_BATCH, "lastOffsetDelta is 6, expected 5 for 6 records"},
    {23, 4, INT32_MAX, VRV_E_BATCH, "lastOffsetDelta is 2147483647, expected 5 for 6 records"},
    {43, 8, -2, VRV_E_BATCH, "producerId is -2, expected -1 or more"},
    {43, 8, -1, VRV_E_BATCH, "producerId is -1, a transactional batch needs a producer"},
    {51, 2, -1, VRV_E_BATCH, "producerEpoch is -1, expected 0 or more with producerId 4711"},
    {53, 4, -1, VRV_E_BATCH, "baseSequence is -1, expected 0 or more with producerId 4711"},
    {57, 4, 0, VRV_E_BATCH, "recordCount is 0, expected 1 or more"},
    {57, 4, -1, VRV_E_BATCH, "recordCount is -1, expected 0 or more"},
    {57, 4, INT32_MAX, VRV_E_BATCH, "lastOffsetDelta is 5, too little for 2147483647 records"},
};

static void
test_bad_fields(void)
{
    for (size_t i = 0; i < sizeof(bad_fields) / sizeof(bad_fields[0]); i++) {
        const struct bad_field *f = &bad_fields[i];
        struct vrv_err e = { 0 };
        struct vrv_batch b;
        struct blamed bad = nobody();
        size_t n;
        uint8_t *p = golden("batch-transactional.bin", &n);

        put(p + f->at, f->width, f->value);
        fix_crc(p, n);
        IS(vrv_batch_check(&b, p, n, &lax, &bad.blame, &e), f->code, "refused: %s", f->sentence);
        IS_STR(e.msg, f->sentence, "in these words");
        IS(bad.n, 0, "and no record is blamed");
        free(p);
    }
}

static void
test_hostile_count(void)
{
    struct vrv_err e = { 0 };
    struct vrv_batch b;
    size_t n;
    uint8_t *p = golden("batch-none.bin", &n);

    put(p + 23, 4, INT32_MAX - 1);
    put(p + 57, 4, INT32_MAX);
    fix_crc(p, n);
    IS(vrv_batch_check(&b, p, n, &strict, NULL, &e), VRV_E_BATCH, "2^31-1 records are refused");
    IS_STR(e.msg, "recordCount is 2147483647, 3096 bytes of records hold at most 442",
        "because the bytes can't hold them");
    free(p);
}

/* Bits that Kafka 4 overlooks are overlooked. */
static void
test_unknown_attributes(void)
{
    struct vrv_batch b;
    size_t n;
    uint8_t *p = golden("batch-none.bin", &n);

    put(p + 21, 2, (int16_t)0xffc0);
    fix_crc(p, n);
    IS(vrv_batch_check(&b, p, n, &strict, NULL, NULL), 0, "unknown attribute bits pass");
    IS((uint16_t)b.attrs, 0xffc0, "and are kept");
    free(p);
}

static void
test_size_and_crc(void)
{
    struct vrv_batch_rules rules = lax;
    struct vrv_err e = { 0 };
    struct vrv_batch b;
    size_t n;
    uint8_t *p = golden("batch-none.bin", &n);

    rules.size_max = (uint32_t)n;
    IS(vrv_batch_check(&b, p, n, &rules, NULL, &e), 0, "a batch of exactly size_max passes");
    rules.size_max--;
    IS(vrv_batch_check(&b, p, n, &rules, NULL, &e), VRV_E_TOO_LARGE, "one byte more does not");
    IS_STR(e.msg, "the batch has 3157 bytes, at most 3156 are allowed", "and hears both sizes");
    p[17] ^= 1;
    IS(vrv_batch_check(&b, p, n, &rules, NULL, &e), VRV_E_TOO_LARGE,
        "the size is looked at before the checksum");
    IS(vrv_batch_check(&b, p, n, &lax, NULL, &e), VRV_E_BATCH_DAMAGED, "then the checksum");
    OK(strstr(e.msg, "the bytes give ") != NULL, "which is told: %s", e.msg);
    put(p + 57, 4, 0);
    IS(vrv_batch_check(&b, p, n, &lax, NULL, &e), VRV_E_BATCH_DAMAGED,
        "and before the fields that it covers");
    free(p);
}

static void
test_keys(void)
{
    struct vrv_batch_rules rules = lax;
    struct vrv_err e = { 0 };
    struct vrv_batch b;
    struct blamed bad = nobody();
    size_t n;
    uint8_t *p = golden("batch-zstd.bin", &n);

    rules.keys_required = true;
    IS(vrv_batch_check(&b, p, n, &rules, &bad.blame, &e), VRV_E_BATCH, "a compacted topic wants keys");
    IS_STR(e.msg, "record 1: the record has no key, a compacted topic needs one", "and says so");
    IS(bad.index[0], 1, "and which record lacks one");
    free(p);
    p = golden("batch-big-lz4.bin", &n);
    IS(vrv_batch_check(&b, p, n, &rules, &bad.blame, &e), 0, "a batch full of keys passes");
    free(p);
}

/* Records 0, 2 and 4 have no key, 1 is too old, and so is 4; 3 is good. */
static void
test_many_bad(void)
{
    static const int64_t ts[] = { 100, 50, 100, 100, 50 };
    struct vrv_batch_rules rules = lax;
    struct blamed bad = nobody();
    struct vrv_batch_builder w;
    struct vrv_err e = { 0 };
    struct vrv_batch b;
    const uint8_t *p;
    size_t n;

    rules.keys_required = true;
    rules.ts_min = 100;
    vrv_batch_builder_init(&w);
    for (int i = 0; i < 5; i++)
        vrv_batch_builder_add(&w, ts[i], "k", i % 2 == 0 ? -1 : 1, "v", 1, NULL, 0);
    IS(vrv_batch_builder_finish(&w, VRV_CODEC_ZSTD, &p, &n, NULL), 0, "a batch with bad records");
    IS(vrv_batch_check(&b, p, n, &rules, &bad.blame, &e), VRV_E_TIMESTAMP,
        "is refused for a timestamp before all");
    IS_STR(e.msg, "record 1: timestamp is 50, expected 100 or later", "and says which");
    IS(bad.n, 4, "each bad record is blamed");
    IS(bad.index[0] * 1000 + bad.index[1] * 100 + bad.index[2] * 10 + bad.index[3], 124,
        "in order: 0, 1, 2, 4");
    bad = nobody();
    bad.max = 1;
    IS(vrv_batch_check(&b, p, n, &rules, &bad.blame, &e), VRV_E_BATCH,
        "who wants only one of them gets the first,");
    IS(bad.n, 1, "and no other");
    IS(vrv_batch_check(&b, p, n, &rules, NULL, &e), VRV_E_BATCH, "and so does who doesn't ask");
    IS_STR(e.msg, "record 0: the record has no key, a compacted topic needs one", "in the sentence");
    vrv_batch_builder_fini(&w);
}

static void
test_timestamps(void)
{
    const int64_t t0 = 1700000000000;
    struct vrv_batch_rules rules = lax;
    struct vrv_err e = { 0 };
    struct vrv_batch b;
    struct blamed bad = nobody();
    size_t n;
    uint8_t *p = golden("batch-gzip.bin", &n);

    rules.ts_min = t0 - 1000;
    rules.ts_max = t0 + 7;
    IS(vrv_batch_check(&b, p, n, &rules, &bad.blame, &e), 0, "timestamps up to both limits pass");
    rules.ts_min++;
    IS(vrv_batch_check(&b, p, n, &rules, &bad.blame, &e), VRV_E_TIMESTAMP, "an older one does not");
    IS_STR(e.msg, "record 2: timestamp is 1699999999000, expected 1699999999001 or later",
        "and hears the limit");
    IS(bad.index[0], 2, "and which record it is");
    rules.ts_min--;
    rules.ts_max--;
    IS(vrv_batch_check(&b, p, n, &rules, &bad.blame, &e), VRV_E_TIMESTAMP, "nor does a newer one");
    IS(bad.index[bad.n - 1], 1, "again with its record");
    rules.log_append_time = true;
    IS(vrv_batch_check(&b, p, n, &rules, &bad.blame, &e), 0, "a topic that stamps doesn't mind");
    free(p);
}

/* Its records can't be unpacked: who walks them sees that. */
static void
test_timestamps_unwalked(void)
{
    const int64_t t0 = 1700000000000;
    struct vrv_batch_rules rules = lax;
    struct vrv_err e = { 0 };
    struct vrv_batch b;
    size_t n;
    uint8_t *p = golden("batch-gzip.bin", &n);

    p[VRV_BATCH_HEADER] ^= 1;
    fix_crc(p, n);
    rules.ts_max = t0 + 7;
    IS(vrv_batch_check(&b, p, n, &rules, NULL, &e), 0, "maxTimestamp shows that none is too new");
    rules.ts_min = t0 - 1000;
    IS(vrv_batch_check(&b, p, n, &rules, NULL, &e), VRV_E_BATCH,
        "whether one is too old only the records show");
    rules.ts_min = INT64_MIN;
    rules.walk_records = true;
    IS(vrv_batch_check(&b, p, n, &rules, NULL, &e), VRV_E_BATCH, "a strict topic looks anyway");
    free(p);
    p = golden("batch-gzip.bin", &n);
    rules = lax;
    rules.ts_max = t0 + 7;
    vrv_put_be64(p + 35, (uint64_t)t0 + 8);
    fix_crc(p, n);
    IS(vrv_batch_check(&b, p, n, &rules, NULL, &e), VRV_E_TIMESTAMP,
        "a maxTimestamp that is too new itself is refused");
    IS_STR(e.msg, "maxTimestamp is 1700000000008, expected 1700000000007 or less, as in all its "
                  "records", "and told from a record's");
    free(p);
}

static void
test_one_record(void)
{
    struct vrv_batch_rules rules = lax;
    struct vrv_batch_builder w;
    struct vrv_batch b;
    const uint8_t *p;
    size_t n;

    vrv_batch_builder_init(&w);
    vrv_batch_builder_add(&w, 100, NULL, -1, "v", 1, NULL, 0);
    IS(vrv_batch_builder_finish(&w, VRV_CODEC_GZIP, &p, &n, NULL), 0, "one record");
    rules.ts_min = 100;
    IS(vrv_batch_check(&b, p, n, &rules, NULL, NULL), 0, "is as old as the header says");
    rules.ts_min = 101;
    IS(vrv_batch_check(&b, p, n, &rules, NULL, NULL), VRV_E_TIMESTAMP, "and may be too old");
    vrv_batch_builder_fini(&w);
}

static void
test_no_timestamp(void)
{
    struct vrv_batch_rules rules = lax;
    struct vrv_batch_builder w;
    struct vrv_batch b;
    const uint8_t *p;
    size_t n;

    rules.ts_min = 5;
    vrv_batch_builder_init(&w);
    vrv_batch_builder_add(&w, -1, NULL, -1, "v", 1, NULL, 0);
    IS(vrv_batch_builder_finish(&w, VRV_CODEC_NONE, &p, &n, NULL), 0, "a record without time");
    IS(vrv_batch_check(&b, p, n, &rules, NULL, NULL), 0, "is exempt from limits");
    vrv_batch_builder_fini(&w);
}

static void
test_append_time(void)
{
    struct vrv_batch_rules rules = strict;
    struct vrv_batch b;
    size_t n;
    uint8_t *p = golden("batch-append-time.bin", &n);

    IS(vrv_batch_check(&b, p, n, &rules, NULL, NULL), VRV_E_TIMESTAMP,
        "a client that says LogAppendTime is refused");
    rules.log_append_time = true;
    IS(vrv_batch_check(&b, p, n, &rules, NULL, NULL), VRV_E_TIMESTAMP,
        "also where the topic has it");
    free(p);
}

static void
test_stamp(void)
{
    struct vrv_batch b;
    size_t n;
    uint8_t *p = golden("batch-none.bin", &n);

    vrv_batch_stamp(p, INT64_MAX - 5, 42);
    IS(vrv_batch_read(&b, p, n, NULL), 0, "a stamped batch reads");
    IS(b.base_offset, INT64_MAX - 5, "with its offset");
    IS(b.leader_epoch, 42, "and epoch");
    IS(vrv_batch_last_offset(&b), INT64_MAX, "up to the last offset there is");
    IS(vrv_batch_check_crc(p, &b, NULL), 0, "the checksum still holds");
    vrv_batch_stamp(p, INT64_MAX - 4, 42);
    IS(vrv_batch_read(&b, p, n, NULL), VRV_E_BATCH, "offsets beyond 64 bits are refused");

    put(p, 8, -1);
    IS(vrv_batch_read(&b, p, n, NULL), VRV_E_BATCH, "and so are negative ones");

    vrv_batch_stamp(p, 0, 42);
    IS(vrv_batch_read(&b, p, n, NULL), 0, "back at 0");
    vrv_batch_stamp_time(p, &b, 1800000000000);
    OK(vrv_batch_read(&b, p, n, NULL) == 0 && vrv_batch_check_crc(p, &b, NULL) == 0,
        "a time stamp renews the checksum");
    IS(b.max_ts, 1800000000000, "and sets maxTimestamp");
    IS(b.attrs, VRV_ATTR_LOG_APPEND_TIME, "and the attribute");
    free(p);
}

int
main(void)
{
    test_golden();
    test_fields();
    test_marker();
    test_truncations();
    test_shortened();
    test_bit_flips();
    test_bad_fields();
    test_hostile_count();
    test_unknown_attributes();
    test_size_and_crc();
    test_keys();
    test_many_bad();
    test_timestamps();
    test_timestamps_unwalked();
    test_one_record();
    test_no_timestamp();
    test_append_time();
    test_stamp();
    IS(vrv_seq_add(INT32_MAX, 1), 0, "sequences wrap from 2147483647 to 0");
    IS(vrv_seq_add(5, 6), 11, "and add up below");
    return tap_done();
}
