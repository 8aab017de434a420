#include "engine/reader/reader.h"

#include <inttypes.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/log/log_ring.h"
#include "engine/reader/reader_int.h"

/* Read on behind this. */
enum { ON = VRV_READ_COLD + 1 };

/* ---- from memory: log->lock is held ---- */

/* Batches of one request lie side by side in one slab: they become one slice. */
static bool
extend(struct vrv_read *r, const struct vrv_entry *en)
{
    struct vrv_slice *s = r->slice_n > 0 ? &r->slice[r->slice_n - 1] : NULL;

    if (s == NULL || s->slab != en->slab || s->bytes + s->n != en->bytes)
        return false;
    s->n += en->item.size;
    return true;
}

static void
read_memory(const struct vrv_log *log, int64_t from, struct vrv_read *r)
{
    const struct vrv_ring *ring = &log->ring;

    r->more = true;
    for (uint64_t i = vrv_ring_find(ring, from); i < ring->committed; i++) {
        const struct vrv_entry *en = vrv_ring_at(ring, i);

        if (!vrv__read_fits(r, en->item.size))
            return;
        if (!extend(r, en)) {
            if (r->slice_n == VRV_READ_SLICES)
                return;
            r->slice[r->slice_n++] = (struct vrv_slice){ .kind = VRV_SLICE_MEMORY,
                .n = en->item.size, .bytes = en->bytes, .slab = vrv_slab_ref(en->slab) };
        }
        r->bytes += en->item.size;
    }
    r->more = false;
}

/* ---- from segments: no lock is held ---- */

/* Would sendfile have to wait for the disk? */
static int
check_resident(struct vrv_seg *s, uint64_t pos, size_t n, struct vrv_err *e)
{
    struct vrv_file *f;
    int rc = vrv_seg_file_get(s, &f, e);

    if (rc < 0)
        return rc;
    if (!vrv_file_resident(f, pos, n))
        rc = vrv_err_set(e, VRV_E_AGAIN, "%s: %zu bytes at %" PRIu64 " are not all in memory",
            f->path, n, pos);
    vrv_seg_file_put(s);
    return rc;
}

/* ON, unless there is more of this segment. */
static int
read_segment(struct vrv_seg *s, const struct vrv_seg_view *v, int64_t from, struct vrv_read *r,
    struct vrv_err *e)
{
    struct vrv_seg_place p;
    int rc = vrv_seg_find(s, v, from, r->flags & VRV_READ_NOWAIT, &p, e);

    if (rc < 0)
        return rc;
    if (p.size == 0)
        return ON;
    r->more = true;
    if (!vrv__read_fits(r, p.size))
        return 0;
    uint64_t n = v->flushed - p.pos, room = vrv__read_room(r);
    if (n > room)
        n = room > p.size ? room : p.size;
    if (r->flags & VRV_READ_NOWAIT) {
        rc = check_resident(s, p.pos, n, e);
        if (rc < 0)
            return rc;
    }
    r->slice[r->slice_n++] = (struct vrv_slice){ .kind = VRV_SLICE_FILE, .n = n,
        .seg = vrv_seg_ref(s), .pos = p.pos };
    r->bytes += n;
    return p.pos + n < v->flushed ? 0 : ON;
}

/* ---- from the cold tier: no lock is held ---- */

static int
read_cold(struct vrv_log *log, int64_t *from, struct vrv_read *r, struct vrv_err *e)
{
    struct vrv_cold *cold = log->env->cold;
    const struct vrv__cold_want w = { .want = VRV_COLD_ANY, .offset = *from };
    size_t before = r->bytes;
    struct vrv_cold_bytes *b = cold->ops->now(cold,
        &(struct vrv_cold_wanted){ .topic = log->id.topic, .partition = log->id.partition,
            .offset = *from, .max_bytes = vrv__read_room(r), .aborted = r->aborted });

    if (b == NULL)
        return VRV_READ_COLD;
    int64_t next = vrv__read_take_cold(r, &w, b, e);
    vrv_log_note_cold(log, r->bytes - before, next < 0);
    if (next < 0)
        return (int)next;
    *from = next;
    r->more = next < r->hw;
    return r->bytes > before ? ON : 0;
}

/* ---- all ---- */

int
vrv__read_check(const struct vrv_log *log, struct vrv_read *r, struct vrv_err *e)
{
    r->start = log->start;
    r->hw = log->hw;
    r->end = log->end;
    r->stable = vrv_log_stable(log);
    if (log->gone)
        return vrv_err_set(e, VRV_E_NOTFOUND, "the partition was deleted");
    if (r->offset < log->start || r->offset > log->end)
        return vrv_err_set(e, VRV_E_RANGE,
            "offset %" PRId64 " is outside the log, which has %" PRId64 " to %" PRId64, r->offset,
            log->start, log->end);
    return 0;
}

int
vrv__read_cold(const struct vrv_log *log, int64_t offset, struct vrv_err *e)
{
    if (log->env->cold != NULL)
        return VRV_READ_COLD;
    return vrv_err_set(e, VRV_E_IO,
        "offset %" PRId64 " is in the cold tier, which this engine was opened without", offset);
}

/* Of a log that came back neither this disk nor the cold tier has what lies in the gap; of any log, what
 * was given up. */
static int64_t
behind_gap(const struct vrv_log *log, int64_t offset)
{
    if (offset >= log->gap && offset < log->begin)
        offset = log->begin;
    bool is_lost = offset >= log->lost && offset < log->lost_end &&
        log->lost_end <= vrv_log_local(log);
    return is_lost ? log->lost_end : offset;
}

/* The next place to look at or behind *place: *seg is a segment (with a reference); or NULL: it is cold,
 * or memory was read, or that was all. */
static int
next_source(struct vrv_log *log, int64_t *place, struct vrv_read *r, struct vrv_seg **seg,
    struct vrv_seg_view *v, struct vrv_err *e)
{
    vrv_lock(&log->lock);
    int64_t from = *place = behind_gap(log, *place);
    r->offset = behind_gap(log, r->offset);
    int rc = vrv__read_check(log, r, e);
    *seg = NULL;
    if (rc == 0) {
        const struct vrv_ring *ring = &log->ring;
        bool memory = ring->first < ring->committed && from >= log->lost_below &&
            from >= vrv_ring_at(ring, ring->first)->base;
        uint32_t at = vrv_log_seg_for(log, from);

        /* What no file holds yet is in memory, also behind a hole. */
        if (from >= log->hw) {
            r->more = false;
        } else if (!memory && from < vrv_log_local(log)) {
            rc = vrv__read_cold(log, from, e);
        } else if (memory || at == log->seg_n || log->segs[at]->flushed_next <= from) {
            read_memory(log, from, r);
        } else if (r->elsewhere) {
            rc = vrv__read_cold(log, from, e);
        } else {
            *seg = vrv_seg_ref(log->segs[at]);
            *v = vrv_seg_view(*seg);
        }
    }
    vrv_unlock(&log->lock);
    return rc;
}

/* From one place; *from is behind it then.  ON: the next place may have more. */
static int
read_source(struct vrv_log *log, int64_t *from, struct vrv_read *r, struct vrv_err *e)
{
    struct vrv_seg *seg;
    struct vrv_seg_view v;
    int rc = next_source(log, from, r, &seg, &v, e);

    if (rc == VRV_READ_COLD)
        return read_cold(log, from, r, e);
    if (seg == NULL)
        return rc;
    rc = vrv__read_lacks(log, *from, seg, e);
    if (rc == 0)
        rc = read_segment(seg, &v, *from, r, e);
    if (rc < 0)
        rc = vrv__read_failed(seg, rc, e);
    if (r->slice_n == 0 && vrv__read_elsewhere(log, *from, rc)) {
        r->elsewhere = true;
        rc = ON;
    } else if (rc == VRV_E_NOTFOUND) { /* it is somewhere else by now */
        rc = ON;
    } else if (rc == ON) { /* also "not here" continues behind what this file holds (L3) */
        *from = v.flushed_next > *from ? v.flushed_next : *from + 1;
    }
    vrv_seg_unref(seg);
    return rc;
}

int
vrv_read(struct vrv_log *log, struct vrv_read *r, struct vrv_err *e)
{
    struct vrv_err behind = { 0 };
    int64_t from = r->offset;
    int rc;

    r->slice_n = 0;
    r->bytes = 0;
    r->more = false;
    do {
        rc = read_source(log, &from, r, r->slice_n == 0 ? e : &behind);
    } while (rc == ON && r->slice_n < VRV_READ_SLICES);
    if (r->slice_n == 0)
        return rc;
    if (rc != 0)
        r->more = from < r->hw;
    return 0;
}

void
vrv_slice_fini(struct vrv_slice *s)
{
    vrv_slab_unref(s->slab);
    vrv_seg_unref(s->seg);
    vrv_cold_bytes_unref(s->cold);
    *s = (struct vrv_slice){ 0 };
}

void
vrv_read_cut(struct vrv_read *r, uint32_t n)
{
    while (r->slice_n > n) {
        struct vrv_slice *s = &r->slice[--r->slice_n];

        r->bytes -= s->n;
        r->more = true;
        vrv_slice_fini(s);
    }
}

void
vrv_read_fini(struct vrv_read *r)
{
    vrv_read_cut(r, 0);
}
