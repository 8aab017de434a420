/* A consumer that looks at no more than it must: batch headers, and the stamps in first records. */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/batch/batch.h"
#include "engine/batch/record.h"
#include "server/base/kerrors.h"
#include "server/tool/bench.h"

enum { FETCH_VERSION = 4 };
enum { PARTITION_BYTES = 1 << 20, FETCH_BYTES = 50 << 20, HEADER = 61 };

static int
ask_offsets(struct bench_reader *r, const struct bench_opts *o, int64_t when, int64_t *offsets,
    struct vrv_err *e)
{
    int32_t told = bench_ask_offsets(&r->link, o->topic, &r->share, when, offsets, e);

    if (told >= 0 && told < r->share.n)
        return vrv_err_set(e, VRV_E_IO, "the broker does not tell the offsets of %" PRId32
            " partitions", r->share.n - told);
    return told < 0 ? told : 0;
}

int
bench_reader_init(struct bench_reader *r, const struct bench_opts *o, struct bench_share share,
    bool from_end, struct vrv_err *e)
{
    r->share = share;
    r->next = vrv_mem_zero((size_t)share.n * sizeof(*r->next));
    r->end = vrv_mem_zero((size_t)share.n * sizeof(*r->end));
    int rc = bench_link_open(&r->link, o->host, o->port, e);
    if (rc == 0)
        rc = ask_offsets(r, o, BENCH_LATEST, r->end, e);
    if (rc == 0)
        rc = ask_offsets(r, o, from_end ? BENCH_LATEST : BENCH_EARLIEST, r->next, e);
    return rc;
}

int
bench_reader_at(struct bench_reader *r, const struct bench_opts *o, int32_t partition,
    const int64_t range[2], struct vrv_err *e)
{
    r->share = (struct bench_share){ partition, 1, 1 };
    r->next = vrv_mem_zero(sizeof(*r->next));
    r->end = vrv_mem_zero(sizeof(*r->end));
    r->next[0] = range[0];
    r->end[0] = range[1];
    return bench_link_open(&r->link, o->host, o->port, e);
}

void
bench_reader_fini(struct bench_reader *r)
{
    bench_link_close(&r->link);
    free(r->next);
    free(r->end);
}

bool
bench_reader_done(const struct bench_reader *r)
{
    for (int32_t i = 0; i < r->share.n; i++)
        if (r->next[i] < r->end[i])
            return false;
    return true;
}

uint64_t
bench_reader_left(const struct bench_reader *r)
{
    uint64_t n = 0;

    for (int32_t i = 0; i < r->share.n; i++)
        if (r->next[i] < r->end[i])
            n += (uint64_t)(r->end[i] - r->next[i]);
    return n;
}

int
bench_reader_ask(struct bench_reader *r, const struct bench_opts *o, int32_t max_wait_ms,
    struct vrv_err *e)
{
    int32_t n = r->share.n;
    struct vrv_fetch_req_partition *p = vrv_mem_zero((size_t)n * sizeof(*p));
    struct vrv_fetch_req_topic t = { .topic = vrv_str(o->topic), .partitions = { p, n } };
    struct vrv_fetch_req q = { .replica_id = -1, .max_wait_ms = max_wait_ms, .min_bytes = 1,
        .max_bytes = FETCH_BYTES, .topics = { &t, 1 } };
    const struct vrv_api *api = vrv_api_find(VRV_API_fetch);
    struct vrv_out out = { 0 };

    for (int32_t i = 0; i < n; i++)
        p[i] = (struct vrv_fetch_req_partition){ .partition = bench_share_at(&r->share, i),
            .fetch_offset = r->next[i], .partition_max_bytes = PARTITION_BYTES };
    (void)vrv_out_room(&out, 4);
    vrv_put_be16(vrv_out_room(&out, 2), VRV_API_fetch);
    vrv_put_be16(vrv_out_room(&out, 2), FETCH_VERSION);
    (void)vrv_out_room(&out, 4);
    vrv_put_be16(vrv_out_room(&out, 2), 0xffff); /* no client id */
    vrv_wire_write(api->req(), vrv_wire_version(api, FETCH_VERSION), &q, &out);
    vrv_put_be32(out.own, (uint32_t)(out.n - 4));
    int rc = bench_link_send(&r->link, out.own, out.n, bench_now(), e);
    vrv_out_fini(&out);
    free(p);
    return rc;
}

int64_t
bench_read_stamp(const uint8_t *p, const struct vrv_batch *b)
{
    struct vrv_record_iter it;
    struct vrv_record rec;
    int64_t stamp = 0;

    if (vrv_record_iter_init(&it, p, b, NULL) < 0)
        return 0;
    if (vrv_record_next(&it, &rec, NULL) > 0 && rec.value_len >= 8)
        stamp = (int64_t)vrv_get_be64(rec.value);
    vrv_record_iter_fini(&it);
    return stamp > 0 ? stamp : 0;
}

static int
note_batch(struct bench_reader *r, const uint8_t *p, const struct vrv_batch *b, struct vrv_err *e)
{
    int64_t stamp = r->late != NULL ? bench_read_stamp(p, b) : 0;

    if (stamp > 0)
        vrv_quantiles_add(r->late, bench_now() - stamp);
    return r->batch != NULL ? r->batch(r, p, b, e) : 0;
}

static int
take_records(struct bench_reader *r, int32_t at, const uint8_t *p, size_t n, struct vrv_err *e)
{
    struct vrv_batch b;
    int rc = 0;

    while (rc == 0 && n >= HEADER && vrv_batch_read(&b, p, n, NULL) == 0) {
        if (vrv_batch_last_offset(&b) >= r->next[at]) {
            rc = note_batch(r, p, &b, e);
            r->next[at] = vrv_batch_last_offset(&b) + 1;
            r->records += (uint64_t)b.count;
            r->batches++;
        }
        r->bytes += b.size;
        p += b.size;
        n -= b.size;
    }
    return rc;
}

/* Walked by hand: the codec would be most of what is measured with 10,000 partitions. */
static int
take_answer(struct bench_reader *r, const uint8_t *p, size_t n, struct vrv_err *e)
{
    static const struct vrv_err cut = { .code = VRV_E_CORRUPT,
        .msg = "a fetch's answer ends early" };
    const uint8_t *end = p + n;
    size_t name = n >= 10 ? vrv_get_be16(p + 8) : 0;
    uint32_t topics = n >= 8 ? vrv_get_be32(p + 4) : 0;

    if (topics == 0)
        return 0;
    p += 8 + 2 + name;
    uint32_t parts = end - p >= 4 ? vrv_get_be32(p) : 0;
    p += 4;
    for (uint32_t i = 0; i < parts; i++) {
        if (end - p < 30) {
            *e = cut;
            return cut.code;
        }
        int32_t partition = (int32_t)vrv_get_be32(p);
        int16_t code = (int16_t)vrv_get_be16(p + 4);
        int32_t aborted = (int32_t)vrv_get_be32(p + 22);

        p += 26 + (aborted > 0 ? 16 * (ptrdiff_t)aborted : 0);
        int32_t size = end - p >= 4 ? (int32_t)vrv_get_be32(p) : -1;
        p += 4;
        if (code != VRV_K_NONE)
            return vrv_err_set(e, VRV_E_IO, "the broker refuses a fetch: %s",
                vrv_kerror_name(code));
        if (size > end - p) {
            *e = cut;
            return cut.code;
        }
        int32_t at = bench_share_find(&r->share, partition);
        int rc = size > 0 && at >= 0 ? take_records(r, at, p, (size_t)size, e) : 0;
        if (rc < 0)
            return rc;
        p += size > 0 ? size : 0;
    }
    return 0;
}

int
bench_reader_take(struct bench_reader *r, struct vrv_err *e)
{
    const uint8_t *p;
    int64_t due;
    size_t n;
    int rc = bench_link_fill(&r->link, e), answered = 0;

    while (rc == 0 && bench_link_answer(&r->link, &p, &n, &due)) {
        rc = take_answer(r, p, n, e);
        answered = 1;
    }
    return rc < 0 ? rc : answered;
}
