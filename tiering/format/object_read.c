/* Reading a cold object: nothing of it is believed before it was checked. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/batch/batch.h"
#include "engine/batch/compress.h"
#include "tiering/format/object.h"
#include "tiering/format/object_layout.h"

/* ---- header ---- */

int
vrv_object_read_header(struct vrv_object_info *info, const uint8_t *p, struct vrv_err *e)
{
    if (memcmp(p, VRV__OBJECT_MAGIC, VRV__MAGIC) != 0)
        return vrv_err_set(e, VRV_E_CORRUPT, "its beginning isn't that of a cold object");
    if (vrv_crc32c(0, p, VRV__H_CRC) != vrv_get_le32(p + VRV__H_CRC))
        return vrv_err_set(e, VRV_E_CORRUPT, "the header doesn't match its checksum");
    if (vrv_get_le32(p + VRV__H_VERSION) != VRV_OBJECT_VERSION)
        return vrv_err_set(e, VRV_E_VERSION, "a cold object of format %" PRIu32
            "; this version of varve knows %d", vrv_get_le32(p + VRV__H_VERSION), VRV_OBJECT_VERSION);
    *info = (struct vrv_object_info){
        .partition = (int32_t)vrv_get_le32(p + VRV__H_PARTITION),
        .epoch = (int32_t)vrv_get_le32(p + VRV__H_EPOCH),
        .base = (int64_t)vrv_get_le64(p + VRV__H_BASE),
        .next = (int64_t)vrv_get_le64(p + VRV__H_NEXT),
    };
    memcpy(info->topic.b, p + VRV__H_TOPIC, sizeof(info->topic.b));
    return 0;
}

/* ---- footer ---- */

static void
get_footer(struct vrv_object_info *i, const uint8_t *p)
{
    *i = (struct vrv_object_info){
        .partition = (int32_t)vrv_get_le32(p + VRV__F_PARTITION),
        .epoch = (int32_t)vrv_get_le32(p + VRV__F_EPOCH),
        .base = (int64_t)vrv_get_le64(p + VRV__F_BASE),
        .next = (int64_t)vrv_get_le64(p + VRV__F_NEXT),
        .plain = vrv_get_le64(p + VRV__F_PLAIN),
        .plain_crc = vrv_get_le32(p + VRV__F_PLAIN_CRC),
        .min_ts = (int64_t)vrv_get_le64(p + VRV__F_MIN_TS),
        .max_ts = (int64_t)vrv_get_le64(p + VRV__F_MAX_TS),
        .max_ts_offset = (int64_t)vrv_get_le64(p + VRV__F_MAX_TS_OFFSET),
        .chunk_n = vrv_get_le32(p + VRV__F_CHUNKS),
        .index_n = vrv_get_le32(p + VRV__F_INDEX_N),
        .aborted_n = vrv_get_le32(p + VRV__F_ABORTED_N),
        .epoch_n = vrv_get_le32(p + VRV__F_EPOCH_N),
        .producer_bytes = vrv_get_le32(p + VRV__F_PRODUCERS),
        .index_at = vrv_get_le64(p + VRV__F_INDEX_AT),
        .table_at = vrv_get_le64(p + VRV__F_TABLE_AT),
        .size = vrv_get_le64(p + VRV__F_SIZE),
        .extras_crc = vrv_get_le32(p + VRV__F_EXTRAS_CRC),
        .table_crc = vrv_get_le32(p + VRV__F_TABLE_CRC),
    };
    memcpy(i->topic.b, p + VRV__F_TOPIC, sizeof(i->topic.b));
    i->aborted_at = i->index_at + (uint64_t)i->index_n * VRV_OBJECT_INDEX;
    i->producers_at = i->aborted_at + (uint64_t)i->aborted_n * VRV_OBJECT_ABORTED;
    i->epochs_at = i->producers_at + i->producer_bytes;
}

/* Do its numbers fit together? */
static bool
is_whole(const struct vrv_object_info *i, uint64_t size)
{
    return i->size == size && i->chunk_n > 0 && i->chunk_n <= VRV_CHUNKS_MAX && i->base >= 0 &&
           i->next > i->base && i->partition >= 0 && i->index_at > VRV_OBJECT_HEADER &&
           i->index_at < size &&
           i->epochs_at + (uint64_t)i->epoch_n * VRV_OBJECT_EPOCH == i->table_at &&
           i->table_at + (uint64_t)i->chunk_n * VRV_CHUNK_RECORD + VRV_OBJECT_FOOTER == size;
}

int
vrv_object_read_footer(struct vrv_object_info *info, const uint8_t *p, uint64_t size,
    struct vrv_err *e)
{
    if (memcmp(p + VRV__F_MAGIC, VRV__FOOTER_MAGIC, VRV__MAGIC) != 0)
        return vrv_err_set(e, VRV_E_CORRUPT, "its end isn't that of a cold object: cut off?");
    if (vrv_crc32c(0, p, VRV__F_CRC) != vrv_get_le32(p + VRV__F_CRC))
        return vrv_err_set(e, VRV_E_CORRUPT, "the footer doesn't match its checksum");
    if (vrv_get_le32(p + VRV__F_VERSION) != VRV_OBJECT_VERSION)
        return vrv_err_set(e, VRV_E_VERSION, "a cold object of format %" PRIu32
            "; this version of varve knows %d", vrv_get_le32(p + VRV__F_VERSION), VRV_OBJECT_VERSION);
    get_footer(info, p);
    if (!is_whole(info, size))
        return vrv_err_set(e, VRV_E_CORRUPT,
            "the footer is of an object of %" PRIu64 " bytes with %" PRIu32
            " chunks, this one has %" PRIu64 " bytes", info->size, info->chunk_n, size);
    return 0;
}

/* ---- behind the chunks ---- */

int
vrv_object_read_tail(struct vrv_object_info *info, const uint8_t *p, size_t n, uint64_t size,
    struct vrv_err *e)
{
    if (n < VRV_OBJECT_FOOTER || n > size)
        return vrv_err_set(e, VRV_E_CORRUPT, "%zu bytes of an object of %" PRIu64, n, size);
    int rc = vrv_object_read_footer(info, p + n - VRV_OBJECT_FOOTER, size, e);
    if (rc < 0)
        return rc;
    if (info->index_at != size - n)
        return vrv_err_set(e, VRV_E_CORRUPT, "chunks up to byte %" PRIu64 ", expected %" PRIu64,
            info->index_at, size - n);
    if (vrv_crc32c(0, p, info->table_at - info->index_at) != info->extras_crc)
        return vrv_err_set(e, VRV_E_CORRUPT, "what is behind the chunks isn't what was written");
    return 0;
}

void
vrv_object_get_aborted(struct vrv_object_aborted *a, const uint8_t in[VRV_OBJECT_ABORTED])
{
    *a = (struct vrv_object_aborted){
        .producer = (int64_t)vrv_get_le64(in),
        .first = (int64_t)vrv_get_le64(in + 8),
        .last = (int64_t)vrv_get_le64(in + 16),
        .last_stable = (int64_t)vrv_get_le64(in + 24),
    };
}

/* ---- chunk table ---- */

int
vrv_chunk_check(const struct vrv_chunk *c, struct vrv_err *e)
{
    if (c->base < 0 || c->stored == 0 || c->stored > c->plain || c->plain < VRV_BATCH_HEADER ||
        c->plain > VRV_CHUNK_PLAIN_MAX || (c->codec == VRV_CHUNK_PLAIN && c->stored != c->plain))
        return vrv_err_set(e, VRV_E_CORRUPT,
            "a chunk of offset %" PRId64 " with %" PRIu32 " bytes (codec %d) for %" PRIu32, c->base,
            c->stored, (int)c->codec, c->plain);
    return 0;
}

static int
get_chunk(struct vrv_chunk *c, const uint8_t in[VRV_CHUNK_RECORD], struct vrv_err *e)
{
    uint32_t codec = vrv_get_le32(in + VRV__C_CODEC);

    if (codec > VRV_CHUNK_ZSTD)
        return vrv_err_set(e, VRV_E_CORRUPT, "a chunk of codec %" PRIu32, codec);
    *c = (struct vrv_chunk){
        .base = (int64_t)vrv_get_le64(in + VRV__C_BASE),
        .pos = vrv_get_le64(in + VRV__C_POS),
        .stored = vrv_get_le32(in + VRV__C_STORED),
        .plain = vrv_get_le32(in + VRV__C_PLAIN),
        .crc = vrv_get_le32(in + VRV__C_CRC),
        .codec = (enum vrv_chunk_codec)codec,
        .max_ts = (int64_t)vrv_get_le64(in + VRV__C_MAX_TS),
    };
    return vrv_chunk_check(c, e);
}

/* They follow one another, from the header to the index, and their offsets ascend. */
static int
check_table(const struct vrv_object_info *i, const struct vrv_chunk *c, struct vrv_err *e)
{
    uint64_t at = VRV_OBJECT_HEADER, plain = 0;
    int64_t base = i->base;

    for (uint32_t k = 0; k < i->chunk_n; k++) {
        if (c[k].pos != at || c[k].base < base || c[k].base >= i->next)
            return vrv_err_set(e, VRV_E_CORRUPT,
                "chunk %" PRIu32 " begins at byte %" PRIu64 " with offset %" PRId64
                ", expected %" PRIu64 " and %" PRId64 " to %" PRId64, k, c[k].pos, c[k].base, at,
                base, i->next - 1);
        at += c[k].stored;
        plain += c[k].plain;
        base = c[k].base + 1;
    }
    if (at != i->index_at || plain != i->plain)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "chunks up to byte %" PRIu64 " with %" PRIu64 " bytes of records, expected %" PRIu64
            " and %" PRIu64, at, plain, i->index_at, i->plain);
    return 0;
}

int
vrv_object_read_table(struct vrv_chunk **out, const struct vrv_object_info *info, const uint8_t *p,
    size_t n, struct vrv_err *e)
{
    *out = NULL;
    if (n != (size_t)info->chunk_n * VRV_CHUNK_RECORD)
        return vrv_err_set(e, VRV_E_CORRUPT, "a chunk table of %zu bytes for %" PRIu32 " chunks", n,
            info->chunk_n);
    if (vrv_crc32c(0, p, n) != info->table_crc)
        return vrv_err_set(e, VRV_E_CORRUPT, "the chunk table doesn't match its checksum");
    struct vrv_chunk *c = vrv_mem_try(info->chunk_n * sizeof(*c));
    if (c == NULL)
        return vrv_err_set(e, VRV_E_NOMEM, "no memory for %" PRIu32 " chunks", info->chunk_n);
    int rc = 0;
    for (uint32_t k = 0; rc == 0 && k < info->chunk_n; k++)
        rc = get_chunk(&c[k], p + (size_t)k * VRV_CHUNK_RECORD, e);
    if (rc == 0)
        rc = check_table(info, c, e);
    if (rc < 0)
        free(c);
    else
        *out = c;
    return rc;
}

/* ---- a chunk ---- */

/* Whole batches, each good, their offsets ascending from the chunk's first. */
static int
check_batches(const struct vrv_chunk *c, const uint8_t *p, struct vrv_err *e)
{
    int64_t from = c->base;
    size_t at = 0;

    while (at < c->plain) {
        struct vrv_batch b;
        int rc = vrv_batch_read(&b, p + at, c->plain - at, e);

        if (rc == 0)
            rc = vrv_batch_check_crc(p + at, &b, e);
        if (rc == 0 && (b.base_offset < from || (at == 0 && b.base_offset != c->base) ||
            b.base_offset > INT64_MAX - 1 - b.last_delta))
            rc = vrv_err_set(e, VRV_E_CORRUPT, "offset %" PRId64 ", expected %" PRId64,
                b.base_offset, from);
        if (rc < 0)
            return vrv_err_prefix(e, VRV_E_CORRUPT, "chunk of offset %" PRId64 ", byte %zu",
                c->base, at);
        from = vrv_batch_last_offset(&b) + 1;
        at += b.size;
    }
    return 0;
}

static int
unpack(const struct vrv_chunk *c, const uint8_t *p, uint8_t **out, struct vrv_err *e)
{
    size_t n = 0;
    int rc = vrv_decompress(VRV_CODEC_ZSTD, p, c->stored, c->plain, out, &n, e);

    if (rc < 0)
        return rc == VRV_E_NOMEM ? rc
            : vrv_err_prefix(e, VRV_E_CORRUPT, "chunk of offset %" PRId64, c->base);
    if (n != c->plain) {
        free(*out);
        *out = NULL;
        return vrv_err_set(e, VRV_E_CORRUPT,
            "chunk of offset %" PRId64 " unpacks to %zu bytes, expected %" PRIu32, c->base, n,
            c->plain);
    }
    return 0;
}

int
vrv_chunk_open(const struct vrv_chunk *c, const uint8_t *p, size_t n, uint8_t **out,
    struct vrv_err *e)
{
    *out = NULL;
    if (vrv_chunk_check(c, e) < 0)
        return VRV_E_CORRUPT;
    if (n != c->stored || vrv_crc32c(0, p, n) != c->crc)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "chunk of offset %" PRId64 ": %zu bytes with checksum %08" PRIx32 ", expected %" PRIu32
            " with %08" PRIx32, c->base, n, vrv_crc32c(0, p, n), c->stored, c->crc);
    int rc = c->codec == VRV_CHUNK_ZSTD ? unpack(c, p, out, e) : 0;
    if (rc == 0)
        rc = check_batches(c, *out != NULL ? *out : p, e);
    if (rc < 0) {
        free(*out);
        *out = NULL;
    }
    return rc;
}
