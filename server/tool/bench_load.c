#include <stdlib.h>
#include <time.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/batch/build.h"
#include "server/base/kerrors.h"
#include "server/tool/bench.h"

/* Old enough for any broker, and not flexible: what is sent again and again is simple to patch. */
enum { PRODUCE_VERSION = 7 };
enum { CRC_AT = 17, CRC_FROM = 21, RECORD_OVERHEAD = 16 };

/* Its partitions are counted again when it was made: somebody else may have been faster. */
static int
find_topic(struct bench_load *l, struct bench_link *link, struct vrv_err *e)
{
    const struct bench_opts *o = l->o;
    int64_t begun = bench_now();
    int rc = 0;

    l->partition_n = bench_ask_partitions(link, o->topic, e);
    if (l->partition_n == 0) {
        rc = bench_make_topic(link, o->topic, (int32_t)o->partitions, e);
        l->made_ns = bench_now() - begun;
        if (rc == 0)
            l->partition_n = bench_ask_partitions(link, o->topic, e);
    }
    if (rc == 0 && l->partition_n == 0)
        rc = vrv_err_set(e, VRV_E_NOTFOUND, "topic %s was made and is gone", o->topic);
    return rc < 0 ? rc : l->partition_n < 0 ? l->partition_n : 0;
}

/* Values that don't compress, the same in each run. */
static void
fill_value(uint8_t *p, size_t n)
{
    struct vrv_rand r = { 42 };

    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)vrv_rand_next(&r);
}

static int
build_batch(const struct bench_opts *o, struct vrv_batch_builder *b, uint64_t *records,
    const uint8_t **p, size_t *n, struct vrv_err *e)
{
    size_t size = (size_t)o->record_bytes;
    uint8_t *value = vrv_mem_zero(size);

    fill_value(value, size);
    *records = (uint64_t)(o->batch_bytes / (o->record_bytes + RECORD_OVERHEAD));
    if (*records == 0)
        *records = 1;
    for (uint64_t i = 0; i < *records; i++)
        vrv_batch_builder_add(b, (int64_t)time(NULL) * 1000, NULL, -1, value, (int32_t)size, NULL,
            0);
    free(value);
    return vrv_batch_builder_finish(b, VRV_CODEC_NONE, p, n, e);
}

static size_t
varint_bytes(uint64_t zigzag)
{
    size_t n = 1;

    for (; zigzag >= 128; zigzag >>= 7)
        n++;
    return n;
}

/* length, attributes, time and offset deltas of 0, null key, the value's length */
static size_t
value_at(int64_t record_bytes)
{
    size_t value_n = varint_bytes((uint64_t)record_bytes << 1);
    size_t rest = 1 + 1 + 1 + 1 + value_n + (size_t)record_bytes + 1;

    return 61 + varint_bytes((uint64_t)rest << 1) + 4 + value_n;
}

static void
build_request(const struct bench_opts *o, struct bench_request *r, int32_t partition,
    const uint8_t *batch, size_t n)
{
    struct vrv_produce_req_partition p = { .index = partition,
        .records = { .p = batch, .n = (int32_t)n } };
    struct vrv_produce_req_topic t = { .name = vrv_str(o->topic), .partition_data = { &p, 1 } };
    struct vrv_produce_req q = { .acks = o->acks, .timeout_ms = 30000, .topic_data = { &t, 1 } };
    const struct vrv_api *api = vrv_api_find(VRV_API_produce);
    struct vrv_out out = { 0 };

    (void)vrv_out_room(&out, 4);
    vrv_put_be16(vrv_out_room(&out, 2), VRV_API_produce);
    vrv_put_be16(vrv_out_room(&out, 2), PRODUCE_VERSION);
    (void)vrv_out_room(&out, 4);
    vrv_put_be16(vrv_out_room(&out, 2), 5);
    vrv_out_put(&out, "varve", 5);
    vrv_wire_write(api->req(), vrv_wire_version(api, PRODUCE_VERSION), &q, &out);
    vrv_put_be32(out.own, (uint32_t)(out.n - 4));
    *r = (struct bench_request){ .frame = out.own, .n = out.n, .batch_at = out.n - n,
        .batch_n = n, .stamp_at = out.n - n + value_at(o->record_bytes), .records = r->records };
    free(out.slice);
}

int
bench_load_init(struct bench_load *l, const struct bench_opts *o, struct bench_link *link,
    struct vrv_err *e)
{
    struct vrv_batch_builder b;
    const uint8_t *batch;
    uint64_t records;
    size_t n;

    *l = (struct bench_load){ .o = o };
    int rc = find_topic(l, link, e);
    if (rc < 0)
        return rc;
    vrv_batch_builder_init(&b);
    rc = build_batch(o, &b, &records, &batch, &n, e);
    l->produce = vrv_mem_zero((size_t)l->partition_n * sizeof(*l->produce));
    for (int32_t i = 0; rc == 0 && i < l->partition_n; i++) {
        l->produce[i].records = records;
        build_request(o, &l->produce[i], i, batch, n);
    }
    vrv_batch_builder_fini(&b);
    return rc;
}

void
bench_load_fini(struct bench_load *l)
{
    for (int32_t i = 0; l->produce != NULL && i < l->partition_n; i++)
        free(l->produce[i].frame);
    free(l->produce);
}

void
bench_stamp(struct bench_request *r, int64_t ns)
{
    uint8_t *batch = r->frame + r->batch_at;

    vrv_put_be64(r->frame + r->stamp_at, (uint64_t)ns);
    vrv_put_be32(batch + CRC_AT, vrv_crc32c(0, batch + CRC_FROM, r->batch_n - CRC_FROM));
}

/* One topic, one partition: the error code's place is fixed by the name's length. */
int
bench_check_produced(const uint8_t *p, size_t n, struct vrv_err *e)
{
    size_t name = n >= 6 ? vrv_get_be16(p + 4) : 0, at = 4 + 2 + name + 4 + 4;

    if (n < at + 2)
        return vrv_err_set(e, VRV_E_CORRUPT, "an answer of %zu bytes to a produce", n);
    int16_t code = (int16_t)vrv_get_be16(p + at);
    if (code != VRV_K_NONE)
        return vrv_err_set(e, VRV_E_IO, "the broker refuses records: %s, %s",
            vrv_kerror_name(code), vrv_kerror_text(code));
    return 0;
}
