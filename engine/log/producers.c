/*
 * Idempotent producers of one partition; the rules stand in producers.h.
 *
 * The table is an array of pointers, sorted by producer id.  Ids are handed out in ascending
 * order, so a new one mostly goes to the end; where a client makes ids up, an insertion moves
 * 8 bytes per producer and no more.  A hash table would need a secret to be safe from such ids, and
 * a sort for every copy in bytes.
 *
 * What must stay true (decode checks it too):
 *   PROD-1  ids ascend.
 *   PROD-2  all batches a producer has in its ring are of its current epoch.
 *   PROD-3  offsets in the ring ascend, and none is above the producer's last_offset.
 *
 * A transaction marker (control batch) makes its epoch the producer's if that is newer, which
 * fences the epochs before it, as in Kafka; it has no sequence number, so it never enters
 * the ring.  After a marker of a new epoch the producer is known without a batch, and its next
 * one must begin with 0.
 *
 * That batches of one connection are judged in the order they arrived in is the caller's duty.
 */
#include "engine/log/producers.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/mem.h"

enum {
    TABLE_MAGIC = 0x50726f64,
    NO_SEQ = -1, /* what comes before sequence number 0 */
};

struct known_batch {
    int64_t last_offset;
    int64_t max_ts;
    int32_t last_seq;
    int32_t delta; /* last offset less the first; the same for sequence numbers */
};

struct producer {
    int64_t id;
    int64_t last_offset; /* of the newest batch or marker */
    int64_t last_ts;     /* its max timestamp */
    int16_t epoch;
    uint8_t n;
    struct known_batch ring[VRV_PRODUCER_BATCHES]; /* n of them, oldest first */
};

struct vrv_producers {
    uint32_t magic;
    uint32_t n, cap;
    struct producer **v;
};

/* Most partitions have one producer or none: 8 is what VRV_PUSH_ROOM begins with. */
_Static_assert(
    sizeof(struct vrv_producers) + 8 * sizeof(struct producer *) + sizeof(struct producer) <= 256,
    "one idle producer has become expensive");

/* ---- copy in bytes, little-endian: engine/README.md ---- */

enum {
    CODED_VERSION = 1,

    HEAD_VERSION = 0, /* u8 */
    HEAD_COUNT = 1,   /* u32 */
    HEAD_SIZE = 5,

    PROD_ID = 0,          /* i64 */
    PROD_LAST_OFFSET = 8, /* i64 */
    PROD_LAST_TS = 16,    /* i64 */
    PROD_EPOCH = 24,      /* i16 */
    PROD_BATCHES = 26,    /* u8 */
    PROD_SIZE = 27,

    BATCH_LAST_OFFSET = 0, /* i64 */
    BATCH_MAX_TS = 8,      /* i64 */
    BATCH_LAST_SEQ = 16,   /* i32 */
    BATCH_DELTA = 20,      /* i32 */
    BATCH_SIZE = 24,
};

/* Where `id` is, or belongs. */
static uint32_t
place_of(const struct vrv_producers *p, int64_t id)
{
    uint32_t lo = 0, hi = p->n;

    if (hi > 0 && p->v[hi - 1]->id < id)
        return hi;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (p->v[mid]->id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct producer *
find(const struct vrv_producers *p, int64_t id)
{
    if (p == NULL)
        return NULL;
    VRV_CHECK(p, TABLE_MAGIC);

    uint32_t at = place_of(p, id);

    return at < p->n && p->v[at]->id == id ? p->v[at] : NULL;
}

static struct vrv_producers *
table_new(void)
{
    struct vrv_producers *p = VRV_NEW(struct vrv_producers);

    p->magic = TABLE_MAGIC;
    return p;
}

/* A new producer for `id`, which must not be there. */
static struct producer *
insert(struct vrv_producers **pp, int64_t id)
{
    if (*pp == NULL)
        *pp = table_new();

    struct vrv_producers *p = *pp;
    uint32_t at = place_of(p, id);

    VRV_ASSERT(p->n < UINT32_MAX / 2);
    VRV_PUSH_ROOM(p->v, p->n, p->cap);
    memmove(p->v + at + 1, p->v + at, (p->n - at) * sizeof(*p->v));
    p->v[at] = VRV_NEW(struct producer);
    p->v[at]->id = id;
    p->n++;
    return p->v[at];
}

static int32_t
last_seq_of(const struct producer *pr)
{
    return pr->n > 0 ? pr->ring[pr->n - 1].last_seq : NO_SEQ;
}

static const struct known_batch *
find_duplicate(const struct producer *pr, const struct vrv_batch *b)
{
    int32_t last_seq = vrv_seq_add(b->base_seq, b->last_delta);

    for (int i = pr->n - 1; i >= 0; i--) {
        const struct known_batch *k = &pr->ring[i];

        if (k->last_seq == last_seq && vrv_seq_add(k->last_seq, -k->delta) == b->base_seq)
            return k;
    }
    return NULL;
}

static int
check_new_epoch(const struct producer *pr, const struct vrv_batch *b, struct vrv_err *e)
{
    if (b->base_seq == 0)
        return VRV_PRODUCER_NEW;
    return vrv_err_set(e, VRV_E_SEQUENCE,
        "producer %" PRId64 ", epoch %d: a new epoch begins with sequence %" PRId32
        " where 0 is expected (the newest one known is %d)",
        pr->id, b->producer_epoch, b->base_seq, pr->epoch);
}

static int
check_next(const struct producer *pr, const struct vrv_batch *b, struct vrv_err *e)
{
    /* NO_SEQ + 1 is 0, and so is what follows the largest. */
    int32_t expected = vrv_seq_add(last_seq_of(pr), 1);

    if (b->base_seq == expected)
        return VRV_PRODUCER_NEW;
    return vrv_err_set(e, VRV_E_SEQUENCE,
        "producer %" PRId64 ", epoch %d: sequence %" PRId32 " where %" PRId32 " is expected",
        pr->id, b->producer_epoch, b->base_seq, expected);
}

int
vrv_producers_check(const struct vrv_producers *p, const struct vrv_batch *b, int64_t *first,
    int64_t *last, int64_t *timestamp, struct vrv_err *e)
{
    VRV_ASSERT(b->producer_id >= 0);

    const struct producer *pr = find(p, b->producer_id);

    if (pr == NULL)
        return VRV_PRODUCER_NEW;
    if (b->producer_epoch < pr->epoch)
        return vrv_err_set(e, VRV_E_PRODUCER,
            "producer %" PRId64 ", epoch %d: fenced, epoch %d is known (sequence %" PRId32
            " where %" PRId32 " is expected)",
            pr->id, b->producer_epoch, pr->epoch, b->base_seq, vrv_seq_add(last_seq_of(pr), 1));
    if (b->attrs & VRV_ATTR_CONTROL)
        return VRV_PRODUCER_NEW;
    if (b->producer_epoch > pr->epoch)
        return check_new_epoch(pr, b, e);

    const struct known_batch *k = find_duplicate(pr, b);

    if (k == NULL)
        return check_next(pr, b, e);
    *first = k->last_offset - k->delta;
    *last = k->last_offset;
    *timestamp = k->max_ts;
    return VRV_PRODUCER_DUPLICATE;
}

static bool
follows(const struct producer *pr, const struct vrv_batch *b)
{
    return pr->n == 0 || b->base_seq < 0 || b->base_seq == vrv_seq_add(last_seq_of(pr), 1);
}

static void
ring_push(struct producer *pr, const struct vrv_batch *b)
{
    if (pr->n == VRV_PRODUCER_BATCHES) {
        pr->n--;
        memmove(pr->ring, pr->ring + 1, pr->n * sizeof(*pr->ring));
    }
    pr->ring[pr->n++] = (struct known_batch){
        .last_offset = vrv_batch_last_offset(b),
        .max_ts = b->max_ts,
        .last_seq = vrv_seq_add(b->base_seq, b->last_delta),
        .delta = b->last_delta,
    };
}

/* Replay shows us what lies on the disk.  Nothing that we let in has such numbers, but a sum of
 * them must not overflow, and a copy of them could not be decoded. */
static bool
is_plausible(const struct vrv_batch *b)
{
    return b->base_offset >= 0 && b->last_delta >= 0 && b->base_offset <= INT64_MAX - b->last_delta;
}

void
vrv_producers_update(struct vrv_producers **p, const struct vrv_batch *b)
{
    bool marker = (b->attrs & VRV_ATTR_CONTROL) != 0;

    if (b->producer_id < 0 || !is_plausible(b))
        return;

    struct producer *pr = find(*p, b->producer_id);

    if (pr == NULL) {
        pr = insert(p, b->producer_id);
        pr->epoch = b->producer_epoch;
    } else if (vrv_batch_last_offset(b) <= pr->last_offset) {
        return;
    } else if (marker && b->producer_epoch < pr->epoch) {
        return;
    }
    if (pr->epoch != b->producer_epoch || (!marker && !follows(pr, b))) {
        pr->epoch = b->producer_epoch;
        pr->n = 0;
    }
    pr->last_offset = vrv_batch_last_offset(b);
    pr->last_ts = b->max_ts;
    if (!marker && b->base_seq >= 0)
        ring_push(pr, b);
}

/* Drop all producers that `keep` doesn't want.  Returns how many. */
static size_t
sweep(struct vrv_producers **pp, bool (*keep)(struct producer *pr, int64_t arg), int64_t arg)
{
    struct vrv_producers *p = *pp;
    uint32_t kept = 0;

    if (p == NULL)
        return 0;
    VRV_CHECK(p, TABLE_MAGIC);
    for (uint32_t i = 0; i < p->n; i++) {
        if (keep(p->v[i], arg))
            p->v[kept++] = p->v[i];
        else
            free(p->v[i]);
    }

    size_t dropped = p->n - kept;

    p->n = kept;
    if (kept == 0) {
        vrv_producers_free(pp);
    } else if (dropped > 0 && kept < p->cap / 4) { /* the crowd has left: so may its room */
        p->cap = kept;
        p->v = vrv_mem_grow(p->v, kept * sizeof(*p->v));
    }
    return dropped;
}

static bool
is_fresh(struct producer *pr, int64_t before_ms)
{
    return pr->last_ts >= before_ms;
}

size_t
vrv_producers_expire(struct vrv_producers **p, int64_t before_ms)
{
    return sweep(p, is_fresh, before_ms);
}

static bool
is_at_or_above(struct producer *pr, int64_t offset)
{
    return pr->last_offset >= offset;
}

static int
by_number(const void *pa, const void *pb)
{
    int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;

    return a < b ? -1 : a > b;
}

size_t
vrv_producers_shrink(struct vrv_producers **pp, size_t keep)
{
    const struct vrv_producers *p = *pp;

    VRV_ASSERT(keep > 0);
    if (p == NULL || p->n <= keep)
        return 0;
    VRV_CHECK(p, TABLE_MAGIC);

    int64_t *newest = vrv_mem_zero(p->n * sizeof(*newest));

    for (uint32_t i = 0; i < p->n; i++)
        newest[i] = p->v[i]->last_offset;
    qsort(newest, p->n, sizeof(*newest), by_number);

    int64_t oldest_kept = newest[p->n - keep];

    free(newest);
    return sweep(pp, is_at_or_above, oldest_kept);
}

static bool
keep_below(struct producer *pr, int64_t offset)
{
    if (pr->last_offset < offset)
        return true;
    while (pr->n > 0 && pr->ring[pr->n - 1].last_offset >= offset)
        pr->n--;
    if (pr->n == 0)
        return false;
    pr->last_offset = pr->ring[pr->n - 1].last_offset;
    pr->last_ts = pr->ring[pr->n - 1].max_ts;
    return true;
}

void
vrv_producers_truncate(struct vrv_producers **p, int64_t offset)
{
    (void)sweep(p, keep_below, offset);
}

size_t
vrv_producers_count(const struct vrv_producers *p)
{
    return p == NULL ? 0 : p->n;
}

void
vrv_producers_free(struct vrv_producers **p)
{
    if (*p == NULL)
        return;
    VRV_CHECK(*p, TABLE_MAGIC);
    for (uint32_t i = 0; i < (*p)->n; i++)
        free((*p)->v[i]);
    free((*p)->v);
    (*p)->magic = 0;
    free(*p);
    *p = NULL;
}

static uint8_t *
put_batch(uint8_t *out, const struct known_batch *k)
{
    vrv_put_le64(out + BATCH_LAST_OFFSET, (uint64_t)k->last_offset);
    vrv_put_le64(out + BATCH_MAX_TS, (uint64_t)k->max_ts);
    vrv_put_le32(out + BATCH_LAST_SEQ, (uint32_t)k->last_seq);
    vrv_put_le32(out + BATCH_DELTA, (uint32_t)k->delta);
    return out + BATCH_SIZE;
}

static uint8_t *
put_producer(uint8_t *out, const struct producer *pr)
{
    vrv_put_le64(out + PROD_ID, (uint64_t)pr->id);
    vrv_put_le64(out + PROD_LAST_OFFSET, (uint64_t)pr->last_offset);
    vrv_put_le64(out + PROD_LAST_TS, (uint64_t)pr->last_ts);
    vrv_put_le16(out + PROD_EPOCH, (uint16_t)pr->epoch);
    out[PROD_BATCHES] = pr->n;
    out += PROD_SIZE;
    for (int i = 0; i < pr->n; i++)
        out = put_batch(out, &pr->ring[i]);
    return out;
}

void
vrv_producers_encode(const struct vrv_producers *p, uint8_t **out, size_t *n)
{
    size_t size = HEAD_SIZE;

    *out = NULL;
    *n = 0;
    if (p == NULL)
        return;
    VRV_CHECK(p, TABLE_MAGIC);
    for (uint32_t i = 0; i < p->n; i++)
        size += PROD_SIZE + (size_t)p->v[i]->n * BATCH_SIZE;
    *out = vrv_mem_zero(size);
    *n = size;
    (*out)[HEAD_VERSION] = CODED_VERSION;
    vrv_put_le32(*out + HEAD_COUNT, p->n);

    uint8_t *at = *out + HEAD_SIZE;

    for (uint32_t i = 0; i < p->n; i++)
        at = put_producer(at, p->v[i]);
    VRV_ASSERT(at == *out + size);
}

static void
get_batch(struct known_batch *k, const uint8_t *in)
{
    k->last_offset = (int64_t)vrv_get_le64(in + BATCH_LAST_OFFSET);
    k->max_ts = (int64_t)vrv_get_le64(in + BATCH_MAX_TS);
    k->last_seq = (int32_t)vrv_get_le32(in + BATCH_LAST_SEQ);
    k->delta = (int32_t)vrv_get_le32(in + BATCH_DELTA);
}

/* The ring, and PROD-3. */
static int
get_ring(struct producer *pr, const uint8_t *in, struct vrv_err *e)
{
    int64_t below = -1;

    for (int i = 0; i < pr->n; i++) {
        struct known_batch *k = &pr->ring[i];

        get_batch(k, in + (size_t)i * BATCH_SIZE);
        if (k->last_seq < 0 || k->delta < 0 || k->delta > k->last_offset)
            return vrv_err_set(e, VRV_E_CORRUPT,
                "producer %" PRId64 ", batch %d: impossible sequence %" PRId32 ", offset %" PRId64
                " or delta %" PRId32,
                pr->id, i, k->last_seq, k->last_offset, k->delta);
        if (k->last_offset - k->delta <= below || k->last_offset > pr->last_offset)
            return vrv_err_set(e, VRV_E_CORRUPT,
                "producer %" PRId64 ", batch %d: offset %" PRId64 " doesn't ascend from %" PRId64
                " to %" PRId64,
                pr->id, i, k->last_offset, below, pr->last_offset);
        below = k->last_offset;
    }
    return 0;
}

/* One producer from the n bytes at `in`; returns how many it took.  It is allocated only when
 * the bytes are there, so that memory stays in proportion to them. */
static ssize_t
get_producer(struct vrv_producers **p, const uint8_t *in, size_t n, struct vrv_err *e)
{
    if (n < PROD_SIZE)
        return vrv_err_set(e, VRV_E_CORRUPT, "producer state ends %zu bytes into a producer", n);

    int64_t id = (int64_t)vrv_get_le64(in + PROD_ID);
    int64_t last_offset = (int64_t)vrv_get_le64(in + PROD_LAST_OFFSET);
    size_t size = PROD_SIZE + (size_t)in[PROD_BATCHES] * BATCH_SIZE;

    if (in[PROD_BATCHES] > VRV_PRODUCER_BATCHES || n < size)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "producer %" PRId64 ": %d batches, at most %d can be, and %zu bytes are left", id,
            in[PROD_BATCHES], VRV_PRODUCER_BATCHES, n);
    if (id < 0 || (*p != NULL && id <= (*p)->v[(*p)->n - 1]->id))
        return vrv_err_set(e, VRV_E_CORRUPT, "producer %" PRId64 ": ids don't ascend", id);
    if (last_offset < 0)
        return vrv_err_set(
            e, VRV_E_CORRUPT, "producer %" PRId64 ": offset %" PRId64, id, last_offset);

    struct producer *pr = insert(p, id);

    pr->last_offset = last_offset;
    pr->last_ts = (int64_t)vrv_get_le64(in + PROD_LAST_TS);
    pr->epoch = (int16_t)vrv_get_le16(in + PROD_EPOCH);
    pr->n = in[PROD_BATCHES];

    int rc = get_ring(pr, in + PROD_SIZE, e);

    return rc < 0 ? rc : (ssize_t)size;
}

static int
get_all(struct vrv_producers **p, const uint8_t *in, size_t n, struct vrv_err *e)
{
    if (in[HEAD_VERSION] > CODED_VERSION)
        return vrv_err_set(e, VRV_E_VERSION, "producer state has version %d, this program knows %d",
            in[HEAD_VERSION], CODED_VERSION);
    if (in[HEAD_VERSION] != CODED_VERSION || n < HEAD_SIZE)
        return vrv_err_set(e, VRV_E_CORRUPT, "producer state has no header in its %zu bytes", n);

    uint32_t count = vrv_get_le32(in + HEAD_COUNT);
    size_t at = HEAD_SIZE;

    for (uint32_t i = 0; i < count; i++) {
        ssize_t used = get_producer(p, in + at, n - at, e);

        if (used < 0)
            return (int)used;
        at += (size_t)used;
    }
    if (count == 0 || at != n)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "producer state of %" PRIu32 " producers has %zu bytes behind them", count, n - at);
    return 0;
}

int
vrv_producers_decode(struct vrv_producers **p, const uint8_t *in, size_t n, struct vrv_err *e)
{
    *p = NULL;
    if (n == 0)
        return 0;

    int rc = get_all(p, in, n, e);

    if (rc < 0)
        vrv_producers_free(p);
    return rc;
}

int
vrv_producers_each(const struct vrv_producers *p, vrv_producer_fn *fn, void *ctx)
{
    if (p == NULL)
        return 0;
    VRV_CHECK(p, TABLE_MAGIC);
    for (uint32_t i = 0; i < p->n; i++) {
        const struct producer *pr = p->v[i];
        struct vrv_producer_info info = {
            .id = pr->id,
            .epoch = pr->epoch,
            .last_seq = last_seq_of(pr),
            .last_offset = pr->last_offset,
            .last_timestamp = pr->last_ts,
        };
        int rc = fn(ctx, &info);

        if (rc != 0)
            return rc;
    }
    return 0;
}
