/*
 * Looking up records by their time.
 *
 * Batches say in their headers how new their newest record is, and segments keep the maximum of
 * that; so most of a log is passed over unread, and only a batch that may hold the answer is
 * unpacked.  The walk goes by offset and plans each step anew under the log's lock, as bytes
 * move from memory to segments meanwhile, and from segments to the cold tier: what is cold is
 * asked for there, what a segment has is read there, the rest in memory.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/batch/record.h"
#include "engine/log/log_ring.h"
#include "engine/reader/fetch.h"
#include "engine/reader/reader_int.h"

/* Entries looked at in memory while the log's lock is held. */
enum { RING_AT_ONCE = 1024 };

/* The next part of the log at or behind some offset, up to `upto`. */
struct part {
    bool cold;
    struct vrv_seg *seg;      /* a reference; NULL: memory */
    struct vrv_seg_view view;
    int64_t max_ts;
    struct vrv_slab *slab;    /* memory: the batch found, with a reference, or NULL */
    const uint8_t *bytes;
    size_t n;
    int64_t upto;
};

/* A search: how, and the answer so far. */
struct search {
    struct vrv_log *log;
    bool largest;         /* the newest record of all, not the first that is as new as best.ts */
    int64_t deadline_ns;
    struct {
        int64_t offset, ts; /* -1, and what it must reach or, `largest`, exceed */
    } best;
};

static void
part_fini(struct part *p)
{
    vrv_seg_unref(p->seg);
    vrv_slab_unref(p->slab);
    p->seg = NULL;
    p->slab = NULL;
}

/* The first of the next entries in memory that is as new as ts. */
static void
plan_memory(const struct vrv_log *log, int64_t from, int64_t ts, struct part *p)
{
    const struct vrv_ring *r = &log->ring;
    uint64_t first = vrv_ring_find(r, from), end = r->committed;

    if (end - first > RING_AT_ONCE)
        end = first + RING_AT_ONCE;
    p->upto = log->hw;
    for (uint64_t i = first; i < end; i++) {
        const struct vrv_entry *en = vrv_ring_at(r, i);
        struct vrv_batch b;
        int rc = vrv_batch_read(&b, en->bytes, en->item.size, NULL);

        VRV_ASSERT(rc == 0); /* it passed when it was appended */
        p->upto = en->last + 1;
        if (b.max_ts < ts)
            continue;
        p->slab = vrv_slab_ref(en->slab);
        p->bytes = en->bytes;
        p->n = en->item.size;
        return;
    }
}

/* 1; 0 at the end of what is committed; NOTFOUND.  *from rises to the start. */
static int
plan(struct vrv_log *log, int64_t *from, int64_t ts, struct part *p, struct vrv_err *e)
{
    int rc = 1;

    *p = (struct part){ .seg = NULL };
    vrv_lock(&log->lock);
    if (*from < log->start)
        *from = log->start;
    uint32_t at = vrv_log_seg_for(log, *from);
    if (log->gone) {
        rc = vrv_err_set(e, VRV_E_NOTFOUND, "the partition was deleted");
    } else if (*from >= log->hw) {
        rc = 0;
    } else if (*from < vrv_log_local(log)) {
        p->cold = true;
        p->upto = vrv_log_local(log);
    } else if (at == log->seg_n || log->segs[at]->flushed_next <= *from) {
        plan_memory(log, *from, ts, p);
    } else {
        p->seg = vrv_seg_ref(log->segs[at]);
        p->view = vrv_seg_view(p->seg);
        p->max_ts = p->seg->max_ts;
        p->upto = p->seg->flushed_next;
    }
    vrv_unlock(&log->lock);
    return rc;
}

/* A batch must say at least this to be worth unpacking. */
static int64_t
wanted(const struct search *q)
{
    return q->largest && q->best.ts < INT64_MAX ? q->best.ts + 1 : q->best.ts;
}

/* The same; what this disk lacks is cold, if it is there. */
static int
next_part(const struct search *q, int64_t *from, struct part *p, struct vrv_err *e)
{
    int rc = plan(q->log, from, wanted(q), p, e);

    if (rc > 0 && p->seg != NULL && vrv__read_lacks(q->log, *from, p->seg, NULL) < 0) {
        p->cold = true;
        p->upto = p->seg->base;
        part_fini(p);
    }
    return rc;
}

/* ---- records ---- */

/* Look through a batch from the record at `from` on.  1 when the answer has changed. */
static int
scan_batch(struct search *q, const uint8_t *p, size_t n, int64_t from, struct vrv_err *e)
{
    struct vrv_record_iter it;
    struct vrv_record r;
    struct vrv_batch b;
    int found = 0;
    int rc = vrv_batch_read(&b, p, n, e);

    if (rc == 0)
        rc = vrv_record_iter_init(&it, p, &b, e);
    if (rc < 0)
        return rc;
    while ((rc = vrv_record_next(&it, &r, e)) > 0) {
        if (r.offset < from ||
            (q->largest ? r.timestamp <= q->best.ts : r.timestamp < q->best.ts))
            continue;
        q->best.offset = r.offset;
        q->best.ts = r.timestamp;
        found = 1;
        if (!q->largest)
            break;
    }
    vrv_record_iter_fini(&it);
    return rc < 0 ? rc : found;
}

/* ---- what is cold ---- */

/* Ask for one batch at or behind `from`.  1: it is there; 0: there is none. */
static int
ask_cold(struct search *q, struct vrv_read *r, int64_t from, enum vrv_cold_want want,
    struct vrv_batch *b, struct vrv_err *e)
{
    struct vrv_fetch f = { .read = r, .want = want, .ts = wanted(q) };

    *r = (struct vrv_read){ .offset = from, .max_bytes = 1, .whole_first = true };
    int rc = vrv__read_cold(q->log, from, e);
    if (rc == VRV_READ_COLD && q->deadline_ns == VRV_READ_NOT_COLD)
        return vrv_err_set(e, VRV_E_AGAIN, "that is in the cold tier");
    if (rc == VRV_READ_COLD)
        rc = vrv_fetch_wait(q->log, &f, q->deadline_ns, e);
    if (rc == 0 && r->slice_n > 0)
        rc = vrv_batch_read(b, r->slice[0].bytes, r->slice[0].n, e) == 0;
    return rc;
}

/* The next batch there that may hold the answer; p->upto: behind it. */
static int
scan_cold(struct search *q, struct part *p, int64_t from, struct vrv_err *e)
{
    struct vrv_read r;
    struct vrv_batch b;
    int rc = ask_cold(q, &r, from, VRV_COLD_AS_NEW, &b, e);

    if (rc > 0) {
        p->upto = vrv_batch_last_offset(&b) + 1;
        rc = scan_batch(q, r.slice[0].bytes, r.slice[0].n, from, e);
    }
    vrv_read_fini(&r);
    if (rc != VRV_E_RANGE)
        return rc;
    p->upto = from; /* the start has moved on: so does the next plan */
    return 0;
}

/* ---- what is in segments ---- */

/* The batch at pos of a segment, n bytes long, read and checked. */
static int
scan_stored(struct search *q, struct part *p, const struct vrv_seg_place *at, int64_t from,
    struct vrv_err *e)
{
    uint8_t *bytes = vrv_mem_try(at->size);
    struct vrv_batch b;

    if (bytes == NULL)
        return vrv_err_set(e, VRV_E_NOMEM, "no memory for a batch of %" PRIu32 " bytes", at->size);
    ssize_t got = vrv_seg_pread(p->seg, bytes, at->size, at->pos, 0, e);
    int rc = got < 0 ? (int)got : 0;
    if (rc == 0 && got != (ssize_t)at->size)
        rc = vrv_err_set(e, VRV_E_CORRUPT, "the file ends at byte %" PRIu64,
            at->pos + (uint64_t)got);
    if (rc == 0)
        rc = vrv_batch_read(&b, bytes, at->size, e);
    if (rc == 0)
        rc = vrv_batch_check_crc(bytes, &b, e);
    if (rc == 0)
        rc = scan_batch(q, bytes, at->size, from, e);
    free(bytes);
    if (rc >= 0 || rc == VRV_E_IO || rc == VRV_E_NOMEM)
        return rc;
    return vrv_err_prefix(e, VRV_E_CORRUPT, "segment %" PRId64 ", byte %" PRIu64, p->seg->base,
        at->pos);
}

/* The next batch at or behind at->pos that is as new as ts; size 0: none. */
static int
next_as_new(struct part *p, struct vrv_seg_place *at, int64_t ts, struct vrv_err *e)
{
    uint8_t h[VRV_BATCH_HEADER];
    struct vrv_batch b;

    for (at->size = 0; at->pos < p->view.flushed; at->pos += b.size) {
        ssize_t got = vrv_seg_pread(p->seg, h, sizeof(h), at->pos, 0, e);

        if (got < 0)
            return (int)got;
        if (got != (ssize_t)sizeof(h) || vrv_batch_read(&b, h, p->view.flushed - at->pos, e) < 0)
            return vrv_err_set(e, VRV_E_CORRUPT,
                "segment %" PRId64 ": no record batch at byte %" PRIu64, p->seg->base, at->pos);
        if (b.max_ts < ts)
            continue;
        at->size = b.size;
        at->base = b.base_offset;
        return 0;
    }
    return 0;
}

/* Where in the segment to begin: at `from` or behind, and with a batch as new as ts. */
static int
first_as_new(struct part *p, int64_t from, int64_t ts, struct vrv_seg_place *at, struct vrv_err *e)
{
    struct vrv_seg_place start;
    int rc = vrv_seg_find_time(p->seg, &p->view, ts, 0, at, e);

    if (rc < 0 || at->size == 0 || from <= p->seg->base)
        return rc;
    rc = vrv_seg_find(p->seg, &p->view, from, 0, &start, e);
    if (rc < 0 || start.pos <= at->pos)
        return rc;
    *at = start;
    return next_as_new(p, at, ts, e);
}

/* All of a segment, or up to the first record found. */
static int
scan_segment(struct search *q, struct part *p, int64_t from, struct vrv_err *e)
{
    struct vrv_seg_place at;
    int rc = first_as_new(p, from, wanted(q), &at, e);

    while (rc == 0 && at.size > 0) {
        rc = scan_stored(q, p, &at, from, e);
        if (rc < 0 || (rc > 0 && !q->largest))
            return rc;
        at.pos += at.size;
        rc = next_as_new(p, &at, wanted(q), e);
    }
    return rc;
}

/* ---- all of it ---- */

static int
scan_part(struct search *q, struct part *p, int64_t from, struct vrv_err *e)
{
    if (p->cold)
        return scan_cold(q, p, from, e);
    if (p->slab != NULL)
        return scan_batch(q, p->bytes, p->n, from, e);
    if (p->seg == NULL || p->max_ts < wanted(q))
        return 0;
    int rc = scan_segment(q, p, from, e);
    if (rc < 0)
        rc = vrv__read_failed(p->seg, rc, e);
    if (rc == VRV_E_NOTFOUND) {
        p->upto = from;
        rc = 0;
    } else if (vrv__read_elsewhere(q->log, from, rc)) {
        rc = scan_cold(q, p, from, e);
    }
    return rc;
}

/* Walk the log from its start on, unpacking what may hold the answer. */
static int
scan_log(struct search *q, struct vrv_err *e)
{
    struct part p;
    int rc;

    for (int64_t from = 0; (rc = next_part(q, &from, &p, e)) > 0; from = p.upto) {
        rc = scan_part(q, &p, from, e);
        part_fini(&p);
        if (rc < 0 || (rc > 0 && !q->largest))
            break;
    }
    return rc < 0 ? rc : 0;
}

static void
say_found(const struct search *q, struct vrv_read_found *found)
{
    *found = (struct vrv_read_found){ q->best.offset, q->best.offset < 0 ? -1 : q->best.ts };
}

int
vrv_read_time(struct vrv_log *log, int64_t ts, int64_t deadline_ns,
    struct vrv_read_found *found, struct vrv_err *e)
{
    struct search q = { .log = log, .deadline_ns = deadline_ns, .best = { -1, ts } };
    int rc = scan_log(&q, e);

    say_found(&q, found);
    return rc;
}

/* ---- the newest ---- */

/* What the headers of a part say. */
static int
newest_in(struct search *q, struct part *p, int64_t from, int64_t *ts, struct vrv_err *e)
{
    struct vrv_read r = { .slice_n = 0 };
    struct vrv_batch b;
    int rc = 0;

    *ts = INT64_MIN;
    if (p->cold)
        rc = ask_cold(q, &r, from, VRV_COLD_NEWEST, &b, e);
    else if (p->slab != NULL)
        rc = vrv_batch_read(&b, p->bytes, p->n, e) == 0;
    if (p->seg != NULL)
        *ts = p->max_ts;
    else if (rc > 0)
        *ts = b.max_ts;
    vrv_read_fini(&r);
    if (rc == VRV_E_RANGE) {
        p->upto = from;
        rc = 0;
    }
    return rc < 0 ? rc : 0;
}

/* The largest time that any header says. */
static int
newest_header(struct search *q, struct vrv_err *e)
{
    struct part p;
    int64_t ts;
    int rc;

    for (int64_t from = 0; (rc = next_part(q, &from, &p, e)) > 0; from = p.upto) {
        rc = newest_in(q, &p, from, &ts, e);
        part_fini(&p);
        if (rc < 0)
            break;
        q->best.ts = ts > q->best.ts ? ts : q->best.ts;
    }
    return rc;
}

int
vrv_read_max_time(struct vrv_log *log, int64_t deadline_ns, struct vrv_read_found *found,
    struct vrv_err *e)
{
    struct search q = { .log = log, .largest = true, .deadline_ns = deadline_ns,
        .best = { -1, INT64_MIN } };
    int rc = newest_header(&q, e);

    q.largest = false;
    if (rc == 0)
        rc = scan_log(&q, e);
    /* That time was of a record below the start, or a header says more than its records do. */
    if (rc == 0 && q.best.offset < 0) {
        q.largest = true;
        q.best.ts = INT64_MIN;
        rc = scan_log(&q, e);
    }
    say_found(&q, found);
    return rc;
}
