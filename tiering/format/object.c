/* Writing a cold object. */
#include "tiering/format/object.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/batch/batch.h"
#include "engine/batch/batch_format.h"
#include "engine/batch/compress.h"
#include "tiering/format/object_layout.h"

/* A frame must be smaller by one part of so many to be worth unpacking. */
enum { WORTH = 20 };

static int
emit(struct vrv_object_writer *w, const void *p, size_t n, struct vrv_err *e)
{
    if (n == 0)
        return 0;
    w->crc = vrv_crc32c(w->crc, p, n);
    w->at += n;
    return w->sink(w->ctx, p, n, e);
}

void
vrv_object_begin(struct vrv_object_writer *w, const struct vrv_object_info *info,
    uint32_t chunk_bytes, int zstd_level, vrv_object_sink *sink, void *ctx)
{
    VRV_ASSERT(chunk_bytes > 0 && zstd_level <= VRV_OBJECT_LEVEL_MAX);
    *w = (struct vrv_object_writer){ .info = *info, .sink = sink, .ctx = ctx,
        .chunk_bytes = chunk_bytes, .zstd_level = zstd_level, .next_base = info->base };
    w->info.chunk_n = 0;
}

static int
put_header(struct vrv_object_writer *w, struct vrv_err *e)
{
    uint8_t h[VRV_OBJECT_HEADER] = { 0 };

    memcpy(h, VRV__OBJECT_MAGIC, VRV__MAGIC);
    vrv_put_le32(h + VRV__H_VERSION, VRV_OBJECT_VERSION);
    memcpy(h + VRV__H_TOPIC, w->info.topic.b, sizeof(w->info.topic.b));
    vrv_put_le32(h + VRV__H_PARTITION, (uint32_t)w->info.partition);
    vrv_put_le32(h + VRV__H_EPOCH, (uint32_t)w->info.epoch);
    vrv_put_le64(h + VRV__H_BASE, (uint64_t)w->info.base);
    vrv_put_le64(h + VRV__H_NEXT, (uint64_t)w->info.next);
    vrv_put_le32(h + VRV__H_CRC, vrv_crc32c(0, h, VRV__H_CRC));
    return emit(w, h, sizeof(h), e);
}

/* ---- chunks ---- */

static struct vrv_chunk *
new_chunk(struct vrv_object_writer *w, const struct vrv_batch *b)
{
    VRV_PUSH_ROOM(w->chunk, w->info.chunk_n, w->chunk_cap);
    struct vrv_chunk *c = &w->chunk[w->info.chunk_n++];
    *c = (struct vrv_chunk){ .base = b->base_offset, .max_ts = INT64_MIN };
    return c;
}

/* What is in the buffer becomes a chunk. */
static int
close_chunk(struct vrv_object_writer *w, struct vrv_err *e)
{
    struct vrv_chunk *c = w->info.chunk_n > 0 ? &w->chunk[w->info.chunk_n - 1] : NULL;
    uint8_t *packed = NULL;
    const uint8_t *p = w->buf;
    size_t n = w->n, packed_n;

    if (w->n == 0)
        return 0;
    VRV_ASSERT(c != NULL);
    c->pos = w->at;
    c->plain = (uint32_t)w->n;
    if (w->zstd_level != 0 && !w->packed_batches) {
        int rc = vrv_compress(VRV_CODEC_ZSTD, w->zstd_level, w->buf, w->n, &packed, &packed_n, NULL);

        if (rc == 0 && packed_n <= w->n - w->n / WORTH) {
            c->codec = VRV_CHUNK_ZSTD;
            p = packed;
            n = packed_n;
        }
    }
    c->stored = (uint32_t)n;
    c->crc = vrv_crc32c(0, p, n);
    int rc = emit(w, p, n, e);
    free(packed);
    w->n = 0;
    w->packed_batches = false;
    return rc;
}

static int
damaged(const struct vrv_object_writer *w, struct vrv_err *e)
{
    return vrv_err_prefix(e, VRV_E_CORRUPT, "segment %" PRId64 ", byte %" PRIu64, w->info.base,
        w->plain);
}

/* The batch at p, which is good and follows. */
static int
check_batch(const struct vrv_object_writer *w, const uint8_t *p, size_t n, struct vrv_batch *b,
    struct vrv_err *e)
{
    int rc = vrv_batch_read(b, p, n, e);

    if (rc == 0)
        rc = vrv_batch_check_crc(p, b, e);
    if (rc < 0)
        return damaged(w, e);
    if (b->base_offset < w->next_base || vrv_batch_last_offset(b) < b->base_offset ||
        vrv_batch_last_offset(b) >= w->info.next) {
        (void)vrv_err_set(e, VRV_E_CORRUPT,
            "a batch of offsets %" PRId64 " to %" PRId64 ", expected %" PRId64 " to %" PRId64,
            b->base_offset, vrv_batch_last_offset(b), w->next_base, w->info.next - 1);
        return damaged(w, e);
    }
    return 0;
}

static int
add_batch(struct vrv_object_writer *w, const struct vrv_batch *b, const uint8_t *p,
    struct vrv_err *e)
{
    int rc = w->n > 0 && w->n + b->size > w->chunk_bytes ? close_chunk(w, e) : 0;

    if (rc < 0)
        return rc;
    struct vrv_chunk *c = w->n == 0 ? new_chunk(w, b) : &w->chunk[w->info.chunk_n - 1];
    if (w->n + b->size > w->cap) {
        w->cap = w->n + b->size > w->chunk_bytes ? w->n + b->size : w->chunk_bytes;
        w->buf = vrv_mem_grow(w->buf, w->cap);
    }
    memcpy(w->buf + w->n, p, b->size);
    w->n += b->size;
    if (b->max_ts > c->max_ts)
        c->max_ts = b->max_ts;
    w->packed_batches |= (b->attrs & VRV_ATTR_CODEC) != VRV_CODEC_NONE;
    w->plain += b->size;
    w->plain_crc = vrv_crc32c(w->plain_crc, p, b->size);
    return 0;
}

/* Its length says that more is to come; a length that no batch has is told by who reads it. */
static bool
is_cut(const uint8_t *p, size_t n)
{
    int32_t rest;

    if (n < VRV_BATCH_HEADER)
        return true;
    rest = (int32_t)vrv_get_be32(p + VRV__AT_LENGTH);
    return rest >= VRV_BATCH_HEADER - VRV_BATCH_PREFIX && rest <= VRV_CHUNK_PLAIN_MAX &&
           n < (size_t)rest + VRV_BATCH_PREFIX;
}

int
vrv_object_add(struct vrv_object_writer *w, const uint8_t *p, size_t n, size_t *used,
    struct vrv_err *e)
{
    int rc = w->at == 0 ? put_header(w, e) : 0;

    *used = 0;
    while (rc == 0 && !is_cut(p, n)) {
        struct vrv_batch b;

        rc = check_batch(w, p, n, &b, e);
        if (rc == 0)
            rc = add_batch(w, &b, p, e);
        if (rc < 0)
            break;
        w->next_base = vrv_batch_last_offset(&b) + 1;
        p += b.size;
        n -= b.size;
        *used += b.size;
    }
    return rc;
}

/* ---- what is behind them ---- */

static void
put_chunk(uint8_t out[VRV_CHUNK_RECORD], const struct vrv_chunk *c)
{
    memset(out, 0, VRV_CHUNK_RECORD);
    vrv_put_le64(out + VRV__C_BASE, (uint64_t)c->base);
    vrv_put_le64(out + VRV__C_POS, c->pos);
    vrv_put_le32(out + VRV__C_STORED, c->stored);
    vrv_put_le32(out + VRV__C_PLAIN, c->plain);
    vrv_put_le32(out + VRV__C_CRC, c->crc);
    vrv_put_le32(out + VRV__C_CODEC, (uint32_t)c->codec);
    vrv_put_le64(out + VRV__C_MAX_TS, (uint64_t)c->max_ts);
}

static int
put_table(struct vrv_object_writer *w, uint32_t *crc, struct vrv_err *e)
{
    int rc = 0;

    *crc = 0;
    for (uint32_t i = 0; rc == 0 && i < w->info.chunk_n; i++) {
        uint8_t r[VRV_CHUNK_RECORD];

        put_chunk(r, &w->chunk[i]);
        *crc = vrv_crc32c(*crc, r, sizeof(r));
        rc = emit(w, r, sizeof(r), e);
    }
    return rc;
}

static int
put_footer(struct vrv_object_writer *w, struct vrv_err *e)
{
    const struct vrv_object_info *i = &w->info;
    uint8_t f[VRV_OBJECT_FOOTER] = { 0 };

    vrv_put_le32(f + VRV__F_VERSION, VRV_OBJECT_VERSION);
    vrv_put_le32(f + VRV__F_CHUNKS, i->chunk_n);
    memcpy(f + VRV__F_TOPIC, i->topic.b, sizeof(i->topic.b));
    vrv_put_le32(f + VRV__F_PARTITION, (uint32_t)i->partition);
    vrv_put_le32(f + VRV__F_EPOCH, (uint32_t)i->epoch);
    vrv_put_le64(f + VRV__F_BASE, (uint64_t)i->base);
    vrv_put_le64(f + VRV__F_NEXT, (uint64_t)i->next);
    vrv_put_le64(f + VRV__F_PLAIN, i->plain);
    vrv_put_le32(f + VRV__F_PLAIN_CRC, i->plain_crc);
    vrv_put_le32(f + VRV__F_INDEX_N, i->index_n);
    vrv_put_le32(f + VRV__F_ABORTED_N, i->aborted_n);
    vrv_put_le32(f + VRV__F_PRODUCERS, i->producer_bytes);
    vrv_put_le32(f + VRV__F_EPOCH_N, i->epoch_n);
    vrv_put_le64(f + VRV__F_MIN_TS, (uint64_t)i->min_ts);
    vrv_put_le64(f + VRV__F_MAX_TS, (uint64_t)i->max_ts);
    vrv_put_le64(f + VRV__F_MAX_TS_OFFSET, (uint64_t)i->max_ts_offset);
    vrv_put_le64(f + VRV__F_INDEX_AT, i->index_at);
    vrv_put_le64(f + VRV__F_TABLE_AT, i->table_at);
    vrv_put_le64(f + VRV__F_SIZE, i->size);
    vrv_put_le32(f + VRV__F_EXTRAS_CRC, i->extras_crc);
    vrv_put_le32(f + VRV__F_TABLE_CRC, i->table_crc);
    vrv_put_le32(f + VRV__F_CRC, vrv_crc32c(0, f, VRV__F_CRC));
    memcpy(f + VRV__F_MAGIC, VRV__FOOTER_MAGIC, VRV__MAGIC);
    return emit(w, f, sizeof(f), e);
}

int
vrv_object_end(struct vrv_object_writer *w, const struct vrv_object_extras *x, struct vrv_err *e)
{
    struct vrv_object_info *i = &w->info;
    const struct {
        const uint8_t *p;
        size_t n;
        uint64_t *at;
    } extra[] = {
        { x->index, (size_t)x->index_n * VRV_OBJECT_INDEX, &i->index_at },
        { x->aborted, (size_t)x->aborted_n * VRV_OBJECT_ABORTED, &i->aborted_at },
        { x->producers, x->producer_bytes, &i->producers_at },
        { x->epochs, (size_t)x->epoch_n * VRV_OBJECT_EPOCH, &i->epochs_at },
    };
    uint32_t extras_crc = 0, table_crc = 0;
    int rc = close_chunk(w, e);

    VRV_ASSERT(w->info.chunk_n > 0 || w->plain == 0);
    if (rc == 0 && (w->plain == 0 || w->plain != i->plain || w->plain_crc != i->plain_crc))
        rc = vrv_err_set(e, VRV_E_CORRUPT,
            "segment %" PRId64 " has %" PRIu64 " bytes with checksum %08" PRIx32 ", expected %" PRIu64
            " with %08" PRIx32, i->base, w->plain, w->plain_crc, i->plain, i->plain_crc);
    i->index_n = x->index_n;
    i->aborted_n = x->aborted_n;
    i->producer_bytes = x->producer_bytes;
    i->epoch_n = x->epoch_n;
    for (size_t k = 0; rc == 0 && k < sizeof(extra) / sizeof(extra[0]); k++) {
        *extra[k].at = w->at;
        if (extra[k].n > 0)
            extras_crc = vrv_crc32c(extras_crc, extra[k].p, extra[k].n);
        rc = emit(w, extra[k].p, extra[k].n, e);
    }
    i->table_at = w->at;
    if (rc == 0)
        rc = put_table(w, &table_crc, e);
    i->size = w->at + VRV_OBJECT_FOOTER;
    i->extras_crc = extras_crc;
    i->table_crc = table_crc;
    return rc < 0 ? rc : put_footer(w, e);
}

void
vrv_object_fini(struct vrv_object_writer *w)
{
    free(w->chunk);
    free(w->buf);
    w->chunk = NULL;
    w->buf = NULL;
}
