/*
 * The records of a batch, one after the other.
 *
 * Nothing is believed that the bytes present don't bear out: a length is compared with what is left
 * before it is used, and a count never allocates.  The whole form of a record is checked when it
 * is handed out, so that vrv_record_header() need not fail.
 */
#include "engine/batch/record.h"

#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/batch/compress.h"
#include "engine/batch/varint.h"

enum {
    /* length, attributes, two deltas, two lengths and a header count, one byte each */
    RECORD_MIN = 7,
    HEADER_MIN = 2,
    UNPACKED_FLOOR = 64 * 1024,
    UNPACKED_CEILING = 64 * 1024 * 1024,
    UNPACKED_RATIO = 1000,
};

/* One record's body while it is taken apart. */
struct cursor {
    const uint8_t *p, *end;
    int32_t index;
    struct vrv_err *e;
};

size_t
vrv_unpacked_max(size_t packed)
{
    if (packed <= UNPACKED_FLOOR / UNPACKED_RATIO)
        return UNPACKED_FLOOR;
    if (packed > UNPACKED_CEILING / UNPACKED_RATIO)
        return UNPACKED_CEILING;
    return packed * UNPACKED_RATIO;
}

static int
count_check(const struct vrv_record_iter *it, struct vrv_err *e)
{
    size_t n = (size_t)(it->end - it->p);
    size_t count_max = n / RECORD_MIN;

    if ((size_t)it->batch.count > count_max)
        return vrv_err_set(e, VRV_E_BATCH,
            "recordCount is %" PRId32 ", %zu bytes of records hold at most %zu", it->batch.count, n,
            count_max);
    return 0;
}

int
vrv_record_iter_init(
    struct vrv_record_iter *it, const void *p, const struct vrv_batch *b, struct vrv_err *e)
{
    enum vrv_codec codec = (enum vrv_codec)(b->attrs & VRV_ATTR_CODEC);
    const uint8_t *first = (const uint8_t *)p + VRV_BATCH_HEADER;
    size_t n = b->size - VRV_BATCH_HEADER;
    int rc;

    *it = (struct vrv_record_iter){ .p = first, .end = first + n, .batch = *b };
    /* Compaction leaves empty batches behind, with no block to unpack. */
    if (codec != VRV_CODEC_NONE && b->count > 0) {
        rc = vrv_decompress(codec, first, n, vrv_unpacked_max(b->size), &it->unpacked, &n, e);
        if (rc < 0)
            return rc;
        it->p = it->unpacked;
        it->end = it->unpacked + n;
    }
    rc = count_check(it, e);
    if (rc < 0)
        vrv_record_iter_fini(it);
    return rc;
}

static int
bad_varint(const struct cursor *c, const char *field)
{
    return vrv_err_set(
        c->e, VRV_E_BATCH, "record %" PRId32 ": %s is no complete varint", c->index, field);
}

static int
take_varint(struct cursor *c, const char *field, int32_t *v)
{
    size_t used = vrv__varint_get(c->p, c->end, v);

    c->p += used;
    return used > 0 ? 0 : bad_varint(c, field);
}

static int
take_varlong(struct cursor *c, const char *field, int64_t *v)
{
    size_t used = vrv__varlong_get(c->p, c->end, v);

    c->p += used;
    return used > 0 ? 0 : bad_varint(c, field);
}

/* A length and that many bytes; -1 is null where `nullable`. */
static int
take_bytes(struct cursor *c, const char *field, bool nullable, const uint8_t **p, int32_t *n)
{
    int rc = take_varint(c, field, n);

    if (rc < 0)
        return rc;
    if (*n < (nullable ? -1 : 0))
        return vrv_err_set(c->e, VRV_E_BATCH,
            "record %" PRId32 ": %s is %" PRId32 ", expected %d or more", c->index, field, *n,
            nullable ? -1 : 0);
    if (*n > c->end - c->p)
        return vrv_err_set(c->e, VRV_E_BATCH,
            "record %" PRId32 ": %s is %" PRId32 ", but %td bytes are left", c->index, field, *n,
            c->end - c->p);
    *p = *n < 0 ? NULL : c->p;
    c->p += *n < 0 ? 0 : *n;
    return 0;
}

static int
take_headers(struct cursor *c, struct vrv_record *r)
{
    const uint8_t *p;
    int32_t n;
    int rc = take_varint(c, "header count", &r->header_count);

    if (rc < 0)
        return rc;
    if (r->header_count < 0 || r->header_count > (c->end - c->p) / HEADER_MIN)
        return vrv_err_set(c->e, VRV_E_BATCH,
            "record %" PRId32 ": header count is %" PRId32 ", expected 0 to %td in %td bytes",
            c->index, r->header_count, (c->end - c->p) / HEADER_MIN, c->end - c->p);
    r->headers = c->p;
    for (int32_t i = 0; i < r->header_count && rc == 0; i++) {
        rc = take_bytes(c, "header key length", false, &p, &n);
        if (rc == 0)
            rc = take_bytes(c, "header value length", true, &p, &n);
    }
    r->headers_len = (size_t)(c->p - r->headers);
    return rc;
}

/* Deltas rise, end at lastOffsetDelta, and have no holes unless compaction made some. */
static int
set_offset(
    const struct vrv_record_iter *it, const struct cursor *c, int32_t delta, struct vrv_record *r)
{
    const struct vrv_batch *b = &it->batch;
    /* Each record still to come takes one more offset. */
    int64_t delta_max = (int64_t)b->last_delta - (b->count - 1 - it->index);

    if (delta < it->delta_min || delta > delta_max)
        return vrv_err_set(c->e, VRV_E_BATCH,
            "record %" PRId32 ": offset delta is %" PRId32 ", expected %" PRId32 " to %" PRId64,
            it->index, delta, it->delta_min, delta_max);
    r->offset = b->base_offset + delta;
    return 0;
}

static int
set_timestamp(
    const struct vrv_record_iter *it, const struct cursor *c, int64_t delta, struct vrv_record *r)
{
    const struct vrv_batch *b = &it->batch;

    /* With LogAppendTime the deltas are what the client sent and mean nothing. */
    if (b->attrs & VRV_ATTR_LOG_APPEND_TIME) {
        r->timestamp = b->max_ts;
        return 0;
    }
    if (__builtin_add_overflow(b->base_ts, delta, &r->timestamp))
        return vrv_err_set(c->e, VRV_E_BATCH,
            "record %" PRId32 ": timestamp delta is %" PRId64 ", with baseTimestamp %" PRId64
            " that is beyond 64 bits",
            it->index, delta, b->base_ts);
    return 0;
}

static int
take_record(
    const struct vrv_record_iter *it, struct cursor *c, struct vrv_record *r, int32_t *delta)
{
    int64_t ts_delta = 0;
    int rc;

    c->p++; /* the record's attributes: none are defined, and Kafka ignores them */
    rc = take_varlong(c, "timestamp delta", &ts_delta);
    if (rc == 0)
        rc = set_timestamp(it, c, ts_delta, r);
    if (rc == 0)
        rc = take_varint(c, "offset delta", delta);
    if (rc == 0)
        rc = set_offset(it, c, *delta, r);
    if (rc == 0)
        rc = take_bytes(c, "key length", true, &r->key, &r->key_len);
    if (rc == 0)
        rc = take_bytes(c, "value length", true, &r->value, &r->value_len);
    if (rc == 0)
        rc = take_headers(c, r);
    return rc;
}

static int
end_check(const struct vrv_record_iter *it, struct vrv_err *e)
{
    if (it->p != it->end)
        return vrv_err_set(e, VRV_E_BATCH,
            "%td bytes follow the last of %" PRId32 " records, expected 0", it->end - it->p,
            it->batch.count);
    return 0;
}

int
vrv_record_next(struct vrv_record_iter *it, struct vrv_record *r, struct vrv_err *e)
{
    struct cursor c = {it->p, it->end, it->index, e};
    int32_t len = 0, delta = 0;
    int rc;

    if (it->index == it->batch.count)
        return end_check(it, e);
    rc = take_varint(&c, "length", &len);
    if (rc < 0)
        return rc;
    if (len < RECORD_MIN - 1 || len > c.end - c.p)
        return vrv_err_set(e, VRV_E_BATCH,
            "record %" PRId32 ": length is %" PRId32 ", expected %d to %td", it->index, len,
            RECORD_MIN - 1, c.end - c.p);
    c.end = c.p + len;
    rc = take_record(it, &c, r, &delta);
    if (rc < 0)
        return rc;
    if (c.p != c.end)
        return vrv_err_set(e, VRV_E_BATCH,
            "record %" PRId32 ": length is %" PRId32 ", but its fields end %td bytes before",
            it->index, len, c.end - c.p);
    it->p = c.end;
    it->delta_min = delta < INT32_MAX ? delta + 1 : delta; /* at the maximum it was the last */
    it->index++;
    return 1;
}

void
vrv_record_iter_fini(struct vrv_record_iter *it)
{
    free(it->unpacked);
    it->unpacked = NULL;
    it->p = it->end = NULL;
    it->index = it->batch.count = 0; /* _next() finds the end */
}

int
vrv_record_header(const struct vrv_record *r, size_t *pos, const uint8_t **key, int32_t *key_len,
    const uint8_t **value, int32_t *value_len)
{
    struct cursor c = {r->headers + *pos, r->headers + r->headers_len, 0, NULL};

    if (*pos >= r->headers_len)
        return 0;

    int rc = take_bytes(&c, "header key length", false, key, key_len);

    if (rc == 0)
        rc = take_bytes(&c, "header value length", true, value, value_len);
    VRV_ASSERT(rc == 0);
    *pos = (size_t)(c.p - r->headers);
    return 1;
}
