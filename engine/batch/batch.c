/*
 * Batch headers: read, check and stamp.
 *
 * vrv_batch_read() refuses what no batch can be, wherever it comes from, so that arithmetic on the
 * fields it returns can't overflow.  vrv_batch_check() adds what an append must fulfil, in the
 * order in which a Kafka 4 broker looks, so that a batch with two faults gets the error that
 * clients know.
 */
#include "engine/batch/batch.h"

#include <inttypes.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/batch/batch_format.h"
#include "engine/batch/record.h"

static void
fields_load(struct vrv_batch *b, const uint8_t *p)
{
    b->base_offset = (int64_t)vrv_get_be64(p + VRV__AT_OFFSET);
    b->leader_epoch = (int32_t)vrv_get_be32(p + VRV__AT_EPOCH);
    b->magic = (int8_t)p[VRV__AT_MAGIC];
    b->crc = vrv_get_be32(p + VRV__AT_CRC);
    b->attrs = (int16_t)vrv_get_be16(p + VRV__AT_ATTRS);
    b->last_delta = (int32_t)vrv_get_be32(p + VRV__AT_LAST_DELTA);
    b->base_ts = (int64_t)vrv_get_be64(p + VRV__AT_BASE_TS);
    b->max_ts = (int64_t)vrv_get_be64(p + VRV__AT_MAX_TS);
    b->producer_id = (int64_t)vrv_get_be64(p + VRV__AT_PRODUCER_ID);
    b->producer_epoch = (int16_t)vrv_get_be16(p + VRV__AT_PRODUCER_EPOCH);
    b->base_seq = (int32_t)vrv_get_be32(p + VRV__AT_BASE_SEQ);
    b->count = (int32_t)vrv_get_be32(p + VRV__AT_COUNT);
}

/* What makes the offsets of a batch usable at all: vrv_batch_last_offset() can't overflow. */
static int
offsets_check(const struct vrv_batch *b, struct vrv_err *e)
{
    if (b->base_offset < 0)
        return vrv_err_set(
            e, VRV_E_BATCH, "baseOffset is %" PRId64 ", expected 0 or more", b->base_offset);
    if (b->count < 0)
        return vrv_err_set(
            e, VRV_E_BATCH, "recordCount is %" PRId32 ", expected 0 or more", b->count);
    if (b->last_delta < 0)
        return vrv_err_set(
            e, VRV_E_BATCH, "lastOffsetDelta is %" PRId32 ", expected 0 or more", b->last_delta);
    if (b->base_offset > INT64_MAX - b->last_delta)
        return vrv_err_set(e, VRV_E_BATCH,
            "baseOffset %" PRId64 " plus lastOffsetDelta %" PRId32 " is beyond 64 bits",
            b->base_offset, b->last_delta);
    /* Compaction leaves fewer records than offsets, nothing leaves more. */
    if (b->last_delta < b->count - 1)
        return vrv_err_set(e, VRV_E_BATCH,
            "lastOffsetDelta is %" PRId32 ", too little for %" PRId32 " records", b->last_delta,
            b->count);
    return 0;
}

/* Fields outside the checksum, without which the rest can't be found. */
static int
frame_read(struct vrv_batch *b, const uint8_t *h, size_t n, struct vrv_err *e)
{
    if (n <= VRV__AT_MAGIC)
        return vrv_err_set(
            e, VRV_E_BATCH, "%zu bytes are left, a batch header has %d", n, VRV_BATCH_HEADER);

    int32_t len = (int32_t)vrv_get_be32(h + VRV__AT_LENGTH);
    int8_t magic = (int8_t)h[VRV__AT_MAGIC];

    if (magic != 2)
        return vrv_err_set(e, magic == 0 || magic == 1 ? VRV_E_BATCH : VRV_E_BATCH_DAMAGED,
            "magic is %d, expected 2", magic);
    if (len < VRV_BATCH_HEADER - VRV_BATCH_PREFIX)
        return vrv_err_set(e, VRV_E_BATCH_DAMAGED, "batchLength is %" PRId32
            ", expected %d or more", len, VRV_BATCH_HEADER - VRV_BATCH_PREFIX);
    if (n < VRV_BATCH_PREFIX + (size_t)len)
        return vrv_err_set(e, VRV_E_BATCH,
            "batchLength is %" PRId32 ", but only %zu bytes follow it", len, n - VRV_BATCH_PREFIX);
    fields_load(b, h);
    b->size = (uint32_t)len + VRV_BATCH_PREFIX;
    return 0;
}

int
vrv_batch_read(struct vrv_batch *b, const void *p, size_t n, struct vrv_err *e)
{
    int rc = frame_read(b, p, n, e);

    return rc < 0 ? rc : offsets_check(b, e);
}

static uint32_t
crc_of(const uint8_t *p, uint32_t size)
{
    return vrv_crc32c(0, p + VRV__AT_ATTRS, size - VRV__AT_ATTRS);
}

int
vrv_batch_check_crc(const void *p, const struct vrv_batch *b, struct vrv_err *e)
{
    uint32_t crc = crc_of(p, b->size);

    if (crc != b->crc)
        return vrv_err_set(e, VRV_E_BATCH_DAMAGED,
            "crc is %08" PRIx32 ", the bytes give %08" PRIx32, b->crc, crc);
    return 0;
}

static int
size_check(
    const struct vrv_batch *b, size_t n, const struct vrv_batch_rules *rules, struct vrv_err *e)
{
    if (b->base_offset != 0 && !rules->allow_control)
        return vrv_err_set(e, VRV_E_BATCH, "baseOffset is %" PRId64 ", expected 0", b->base_offset);
    if (rules->size_max != 0 && b->size > rules->size_max)
        return vrv_err_set(e, VRV_E_TOO_LARGE,
            "the batch has %" PRIu32 " bytes, at most %" PRIu32 " are allowed", b->size,
            rules->size_max);
    if (b->size != n)
        return vrv_err_set(e, VRV_E_BATCH, "%zu bytes follow the batch of %" PRIu32 ", expected 0",
            n - b->size, b->size);
    return 0;
}

static int
producer_check(const struct vrv_batch *b, struct vrv_err *e)
{
    if (b->producer_id < -1)
        return vrv_err_set(
            e, VRV_E_BATCH, "producerId is %" PRId64 ", expected -1 or more", b->producer_id);
    if (b->producer_id == -1) {
        if (b->attrs & VRV_ATTR_TRANSACTIONAL)
            return vrv_err_set(
                e, VRV_E_BATCH, "producerId is -1, a transactional batch needs a producer");
        return 0;
    }
    if (b->producer_epoch < 0)
        return vrv_err_set(e, VRV_E_BATCH,
            "producerEpoch is %d, expected 0 or more with producerId %" PRId64, b->producer_epoch,
            b->producer_id);
    /* A marker carries its producer's id and epoch, but stands outside the sequence. */
    if (b->base_seq < 0 && !(b->attrs & VRV_ATTR_CONTROL))
        return vrv_err_set(e, VRV_E_BATCH,
            "baseSequence is %" PRId32 ", expected 0 or more with producerId %" PRId64, b->base_seq,
            b->producer_id);
    return 0;
}

/* Attribute bits above VRV_ATTR_CONTROL are neither refused nor cleared: a Kafka 4 broker ignores
 * them too (of the high byte it knows nothing), and refusing would turn away the first client
 * that learns a new bit.  That covers the delete horizon, which only tells the cleaner when this
 * batch's own tombstones may go. */
static int
fields_check(const struct vrv_batch *b, const struct vrv_batch_rules *rules, struct vrv_err *e)
{
    if (b->count == 0)
        return vrv_err_set(e, VRV_E_BATCH, "recordCount is 0, expected 1 or more");
    if (b->count != b->last_delta + INT64_C(1))
        return vrv_err_set(e, VRV_E_BATCH,
            "lastOffsetDelta is %" PRId32 ", expected %" PRId32 " for %" PRId32 " records",
            b->last_delta, b->count - 1, b->count);
    if ((b->attrs & VRV_ATTR_CONTROL) && !rules->allow_control)
        return vrv_err_set(e, VRV_E_BATCH,
            "attributes are %#x, clients may not set the control bit",
            (unsigned)(uint16_t)b->attrs);

    int rc = producer_check(b, e);

    if (rc < 0)
        return rc;
    if ((b->attrs & VRV_ATTR_CODEC) > VRV_CODEC_ZSTD)
        return vrv_err_set(e, VRV_E_CODEC, "codec is %d, expected 0 to %d",
            b->attrs & VRV_ATTR_CODEC, VRV_CODEC_ZSTD);
    if (b->attrs & VRV_ATTR_LOG_APPEND_TIME)
        return vrv_err_set(e, VRV_E_TIMESTAMP,
            "attributes are %#x, clients may not set the LogAppendTime bit",
            (unsigned)(uint16_t)b->attrs);
    return 0;
}

static bool
limits_timestamps(const struct vrv_batch_rules *rules)
{
    return !rules->log_append_time && (rules->ts_min != INT64_MIN || rules->ts_max != INT64_MAX);
}

/* Does the header alone show that all its records lie within the limits?  How new the newest is it
 * says, and everything that timestamps do here (segments, retention, look-ups) believes it.  How
 * old the oldest is it says only of a single record: baseTimestamp is just the first one's. */
static bool
is_within_limits(const struct vrv_batch *b, const struct vrv_batch_rules *rules)
{
    if (b->max_ts > rules->ts_max)
        return false;
    if (rules->ts_min == INT64_MIN)
        return true;
    return b->count == 1 && (b->max_ts >= rules->ts_min || b->max_ts == -1);
}

static int
record_check(const struct vrv_record *r, const struct vrv_batch_rules *rules, struct vrv_err *e)
{
    if (rules->keys_required && r->key == NULL)
        return vrv_err_set(e, VRV_E_BATCH, "the record has no key, a compacted topic needs one");
    if (!limits_timestamps(rules) || r->timestamp == -1)
        return 0;
    if (r->timestamp < rules->ts_min)
        return vrv_err_set(e, VRV_E_TIMESTAMP, "timestamp is %" PRId64 ", expected %" PRId64
            " or later", r->timestamp, rules->ts_min);
    if (r->timestamp > rules->ts_max)
        return vrv_err_set(e, VRV_E_TIMESTAMP, "timestamp is %" PRId64 ", expected %" PRId64
            " or earlier", r->timestamp, rules->ts_max);
    return 0;
}

/* 0, or what the batch is refused for: bytes that are no record end the search, and decide. */
static int
rules_check(struct vrv_record_iter *it, const struct vrv_batch_rules *rules,
    struct vrv_blame *blame, struct vrv_err *e)
{
    struct vrv_record r;
    struct vrv_err why;
    int32_t last = it->batch.count - 1;
    bool more = true;
    int rc = 0, refused = 0;

    while (more && (rc = vrv_record_next(it, &r, &why)) > 0) {
        int32_t index = it->index - 1;

        rc = record_check(&r, rules, &why);
        if (rc == 0)
            continue;
        rc = vrv_err_prefix(&why, rc, "record %" PRId32, index);
        if (refused == 0 || (rc == VRV_E_TIMESTAMP && refused != rc))
            refused = vrv_err_set(e, rc, "%s", why.msg);
        more = blame != NULL && blame->record(blame, index, why.msg);
    }
    if (!more || rc == 0)
        return refused;
    if (blame != NULL && it->index <= last)
        (void)blame->record(blame, it->index, why.msg);
    return vrv_err_set(e, rc, "%s", why.msg);
}

static int
records_check(const struct vrv_batch *b, const void *p, const struct vrv_batch_rules *rules,
    struct vrv_blame *blame, struct vrv_err *e)
{
    struct vrv_record_iter it;
    int rc = vrv_record_iter_init(&it, p, b, e);

    if (rc < 0)
        return rc;
    rc = rules_check(&it, rules, blame, e);
    if (rc == 0 && limits_timestamps(rules) && b->max_ts > rules->ts_max)
        rc = vrv_err_set(e, VRV_E_TIMESTAMP,
            "maxTimestamp is %" PRId64 ", expected %" PRId64 " or less, as in all its records",
            b->max_ts, rules->ts_max);
    vrv_record_iter_fini(&it);
    return rc;
}

int
vrv_batch_check(struct vrv_batch *b, const void *p, size_t n, const struct vrv_batch_rules *rules,
    struct vrv_blame *blame, struct vrv_err *e)
{
    int rc = frame_read(b, p, n, e);

    if (rc == 0)
        rc = size_check(b, n, rules, e);
    /* Before any field under the checksum: a client repeats what was damaged on its way, but
     * gives up on what is called malformed. */
    if (rc == 0)
        rc = vrv_batch_check_crc(p, b, e);
    if (rc == 0)
        rc = offsets_check(b, e);
    if (rc == 0)
        rc = fields_check(b, rules, e);
    bool limited = limits_timestamps(rules) && !is_within_limits(b, rules);
    if (rc == 0 && (rules->walk_records || rules->keys_required || limited))
        rc = records_check(b, p, rules, blame, e);
    return rc;
}

void
vrv_batch_stamp(void *p, int64_t base_offset, int32_t leader_epoch)
{
    uint8_t *h = p;

    VRV_ASSERT(base_offset >= 0);
    vrv_put_be64(h + VRV__AT_OFFSET, (uint64_t)base_offset);
    vrv_put_be32(h + VRV__AT_EPOCH, (uint32_t)leader_epoch);
}

void
vrv_batch_stamp_time(void *p, const struct vrv_batch *b, int64_t now_ms)
{
    uint8_t *h = p;

    uint16_t attrs = (uint16_t)(vrv_get_be16(h + VRV__AT_ATTRS) | VRV_ATTR_LOG_APPEND_TIME);

    vrv_put_be16(h + VRV__AT_ATTRS, attrs);
    vrv_put_be64(h + VRV__AT_MAX_TS, (uint64_t)now_ms);
    vrv_put_be32(h + VRV__AT_CRC, crc_of(h, b->size));
}
