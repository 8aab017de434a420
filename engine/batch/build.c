/*
 * A batch in the making: header space and records in one buffer that grows by doubling.
 *
 * Its input comes from our own code, or from code that links with us: wrong lengths are bugs and
 * assert, unlike in everything that reads batches.
 */
#include "engine/batch/build.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/batch/batch_format.h"
#include "engine/batch/compress.h"
#include "engine/batch/varint.h"

enum { FIRST_CAP = 1024 };

static void
room(struct vrv_batch_builder *b, size_t n)
{
    VRV_ASSERT(n <= SIZE_MAX / 2 - b->n);
    if (b->cap - b->n >= n)
        return;
    while (b->cap - b->n < n)
        b->cap = b->cap ? b->cap * 2 : FIRST_CAP;
    b->buf = vrv_mem_grow(b->buf, b->cap);
}

static void
start(struct vrv_batch_builder *b)
{
    b->n = 0;
    b->count = 0;
    b->base_ts = b->max_ts = -1;
    room(b, VRV_BATCH_HEADER);
    b->n = VRV_BATCH_HEADER;
}

void
vrv_batch_builder_init(struct vrv_batch_builder *b)
{
    *b = (struct vrv_batch_builder){ .producer_id = -1, .producer_epoch = -1, .base_seq = -1 };
    start(b);
}

static size_t
bytes_size(int32_t len)
{
    return vrv__varlong_size(len) + (len > 0 ? (size_t)len : 0);
}

static uint8_t *
put_bytes(uint8_t *p, const void *bytes, int32_t len)
{
    p += vrv__varlong_put(p, len);
    if (len > 0) {
        memcpy(p, bytes, (size_t)len);
        p += len;
    }
    return p;
}

static int32_t
key_len_of(const struct vrv_build_header *h)
{
    size_t n = strlen(h->key);

    VRV_ASSERT(n <= INT32_MAX);
    return (int32_t)n;
}

static size_t
headers_size(const struct vrv_build_header *h, int32_t count)
{
    size_t n = vrv__varlong_size(count);

    for (int32_t i = 0; i < count; i++)
        n += bytes_size(key_len_of(&h[i])) + bytes_size(h[i].value_len);
    return n;
}

static uint8_t *
put_headers(uint8_t *p, const struct vrv_build_header *h, int32_t count)
{
    p += vrv__varlong_put(p, count);
    for (int32_t i = 0; i < count; i++) {
        p = put_bytes(p, h[i].key, key_len_of(&h[i]));
        p = put_bytes(p, h[i].value, h[i].value_len);
    }
    return p;
}

void
vrv_batch_builder_add(struct vrv_batch_builder *b, int64_t ts, const void *key, int32_t key_len,
    const void *value, int32_t value_len, const struct vrv_build_header *h, int32_t header_count)
{
    VRV_ASSERT(key_len >= -1);
    VRV_ASSERT(value_len >= -1);
    VRV_ASSERT(header_count >= 0);
    VRV_ASSERT(b->count < INT32_MAX);
    if (b->count == 0)
        b->base_ts = b->max_ts = ts;
    if (ts > b->max_ts)
        b->max_ts = ts;

    int64_t ts_delta;
    bool overflow = __builtin_sub_overflow(ts, b->base_ts, &ts_delta);
    size_t size = 1 + vrv__varlong_size(ts_delta) + vrv__varlong_size(b->count) +
                  bytes_size(key_len) + bytes_size(value_len) + headers_size(h, header_count);

    VRV_ASSERT(!overflow);
    VRV_ASSERT(size <= INT32_MAX);
    room(b, VRV__VARINT_MAX + size);

    uint8_t *p = b->buf + b->n;

    p += vrv__varlong_put(p, (int64_t)size);
    *p++ = 0; /* attributes */
    p += vrv__varlong_put(p, ts_delta);
    p += vrv__varlong_put(p, b->count);
    p = put_bytes(p, key, key_len);
    p = put_bytes(p, value, value_len);
    p = put_headers(p, h, header_count);
    b->n = (size_t)(p - b->buf);
    b->count++;
}

static void
put_header(const struct vrv_batch_builder *b, enum vrv_codec codec, uint8_t *p, size_t n)
{
    vrv_put_be64(p + VRV__AT_OFFSET, 0);
    vrv_put_be32(p + VRV__AT_LENGTH, (uint32_t)(n - VRV_BATCH_PREFIX));
    vrv_put_be32(p + VRV__AT_EPOCH, UINT32_MAX); /* -1 */
    p[VRV__AT_MAGIC] = 2;
    vrv_put_be16(p + VRV__AT_ATTRS, (uint16_t)((b->attrs & ~VRV_ATTR_CODEC) | (int)codec));
    vrv_put_be32(p + VRV__AT_LAST_DELTA, (uint32_t)(b->count - 1));
    vrv_put_be64(p + VRV__AT_BASE_TS, (uint64_t)b->base_ts);
    vrv_put_be64(p + VRV__AT_MAX_TS, (uint64_t)b->max_ts);
    vrv_put_be64(p + VRV__AT_PRODUCER_ID, (uint64_t)b->producer_id);
    vrv_put_be16(p + VRV__AT_PRODUCER_EPOCH, (uint16_t)b->producer_epoch);
    vrv_put_be32(p + VRV__AT_BASE_SEQ, (uint32_t)b->base_seq);
    vrv_put_be32(p + VRV__AT_COUNT, (uint32_t)b->count);
    vrv_put_be32(p + VRV__AT_CRC, vrv_crc32c(0, p + VRV__AT_ATTRS, n - VRV__AT_ATTRS));
}

/* Replace the records in the buffer by their packed form. */
static int
pack_records(struct vrv_batch_builder *b, enum vrv_codec codec, struct vrv_err *e)
{
    uint8_t *packed;
    size_t n;
    int rc = vrv_compress(codec, vrv_level_default(codec), b->buf + VRV_BATCH_HEADER,
        b->n - VRV_BATCH_HEADER, &packed, &n, e);

    if (rc < 0)
        return rc;
    b->n = VRV_BATCH_HEADER;
    room(b, n);
    memcpy(b->buf + b->n, packed, n);
    b->n += n;
    free(packed);
    return 0;
}

int
vrv_batch_builder_finish(struct vrv_batch_builder *b, enum vrv_codec codec, const uint8_t **out,
    size_t *n, struct vrv_err *e)
{
    int rc = 0;

    VRV_ASSERT(b->count > 0);
    if (codec != VRV_CODEC_NONE)
        rc = pack_records(b, codec, e);
    if (rc == 0 && b->n > INT32_MAX)
        rc = vrv_err_set(
            e, VRV_E_TOO_LARGE, "a batch of %zu bytes is more than the format holds", b->n);
    if (rc == 0) {
        put_header(b, codec, b->buf, b->n);
        *out = b->buf;
        *n = b->n;
    }
    start(b); /* keeps the buffer, so that *out stays readable */
    return rc;
}

void
vrv_batch_builder_fini(struct vrv_batch_builder *b)
{
    free(b->buf);
    *b = (struct vrv_batch_builder){0};
}
