/*
 * Kafka record batches, format 2, as bytes: look at them, check them, stamp them.
 *
 * Layout (big-endian): baseOffset i64 @0, batchLength i32 @8 (bytes after this field), leaderEpoch
 * i32 @12, magic i8 @16, crc u32 @17 (CRC-32C of everything from 21 on), attributes
 * i16 @21, lastOffsetDelta i32 @23, baseTimestamp i64 @27, maxTimestamp i64 @35, producerId i64
 * @43, producerEpoch i16 @51, baseSequence i32 @53, recordCount i32 @57, records @61.
 */
#ifndef VRV_BATCH_BATCH_H
#define VRV_BATCH_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

enum {
    VRV_BATCH_HEADER = 61, /* bytes before the first record */
    VRV_BATCH_PREFIX = 12, /* bytes that batchLength does not count */
};

enum vrv_batch_attrs {
    VRV_ATTR_CODEC = 7,
    VRV_ATTR_LOG_APPEND_TIME = 8,
    VRV_ATTR_TRANSACTIONAL = 16,
    VRV_ATTR_CONTROL = 32,
    VRV_ATTR_DELETE_HORIZON = 64,
};

enum vrv_codec { VRV_CODEC_NONE, VRV_CODEC_GZIP, VRV_CODEC_SNAPPY, VRV_CODEC_LZ4, VRV_CODEC_ZSTD };

/* A batch header in native form. */
struct vrv_batch {
    int64_t base_offset;
    uint32_t size; /* whole batch in bytes, header and all: batchLength + 12 */
    int32_t leader_epoch;
    uint32_t crc;
    int8_t magic;
    int16_t attrs;
    int32_t last_delta;
    int64_t base_ts;
    int64_t max_ts;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_seq;
    int32_t count;
};

static inline int64_t
vrv_batch_last_offset(const struct vrv_batch *b)
{
    return b->base_offset + b->last_delta;
}

/* What a batch from a client must fulfil besides being well formed. */
struct vrv_batch_rules {
    uint32_t size_max;        /* whole batch in bytes; 0: no limit */
    bool walk_records;        /* decompress if need be, and look at every record: strict mode */
    bool log_append_time;     /* the topic stamps: client timestamps don't matter */
    bool keys_required;       /* compacted topic: a record without a key is refused */
    int64_t ts_min, ts_max;   /* allowed record timestamps (CreateTime), -1 in a record is
                               * exempt; INT64_MIN and INT64_MAX: no limit.  Records are walked
                               * where the header doesn't show that they are within */
    bool allow_control;       /* internal appends: markers */
};

/* Read the header at p, of which n bytes are there, and check that it can be one: at least 61
 * bytes, size within n, magic 2.  BATCH or BATCH_DAMAGED (a length that no batch has, a magic that
 * there never was) with a sentence otherwise.  No checksum is looked at. */
int vrv_batch_read(struct vrv_batch *b, const void *p, size_t n, struct vrv_err *e) VRV_MUST_CHECK;

/* Does the checksum in the header match the bytes?  BATCH_DAMAGED otherwise. */
int vrv_batch_check_crc(const void *p, const struct vrv_batch *b, struct vrv_err *e) VRV_MUST_CHECK;

/* Who wants to know which records of a batch are at fault is told of each, in order, until it has
 * enough and says false.  The sentence lives as long as the call. */
struct vrv_blame {
    bool (*record)(struct vrv_blame *to, int32_t index, const char *why);
};

/* Everything that an append from a client must pass; the header is left in *b.  The batch must
 * be exactly n bytes.  Walks the records only where a rule needs it.
 * Errors: BATCH, BATCH_DAMAGED, TOO_LARGE, TIMESTAMP, CODEC, NOMEM; the sentence says which field
 * holds what, and which record where it is a record's fault.  Of several such records one with
 * a wrong timestamp decides, else the first.  Without `blame` only the first is looked for. */
int vrv_batch_check(struct vrv_batch *b, const void *p, size_t n,
    const struct vrv_batch_rules *rules, struct vrv_blame *blame, struct vrv_err *e)
    VRV_MUST_CHECK;

/* Write offset and epoch into the header: outside the checksum. */
void vrv_batch_stamp(void *p, int64_t base_offset, int32_t leader_epoch);

/* LogAppendTime: sets the attribute and maxTimestamp, and the checksum anew. */
void vrv_batch_stamp_time(void *p, const struct vrv_batch *b, int64_t now_ms);

/* Sequence arithmetic: wraps from 2147483647 to 0. */
static inline int32_t
vrv_seq_add(int32_t seq, int32_t delta)
{
    return (int32_t)(((int64_t)seq + delta) & INT32_MAX);
}

#endif
