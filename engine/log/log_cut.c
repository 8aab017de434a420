/*
 * Cutting a log back at its end.
 *
 *   (none) ─► wanted ──checkpoint: captured, committed, written, synced──► applied
 *     ▲  ▲       └─ a segment can't be read ─► failed                         │ states kept,
 *     │  └─────────── told ──────────────────────┘                            │ files deleted
 *     └────────────── told ──────────────────────────────────────── done ◄────┘
 *
 * wanted   from here until who asked was told that it is done, appends, changes of the start and
 *          replays are refused with AGAIN: asked for again, it would take what came meanwhile
 * failed   all is as it was
 * applied  in memory: readers see the new end.  The state that the checkpoint keeps has it, and
 *          goes with all entries that the log ever had in the WAL: replay passes over what was cut
 * done     the files behind the end are deleted, and so are their records
 *
 * The segment that holds the new end is kept as far as it reaches, closed: what follows goes to a
 * new one, so no byte of a file is ever written twice and a reader who still holds the old one
 * finds its end, never other records.  What is cut off it goes when its footer is written.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/log/log_int.h"

enum { CODED_BASE = 8 };

int
vrv__log_check_cut(const struct vrv_log *log, struct vrv_err *e)
{
    if (log->cut == NULL || log->cut->state == VRV_CUT_FAILED)
        return 0;
    return vrv_err_set(e, VRV_E_AGAIN, "the partition is being truncated to offset %" PRId64,
        log->cut->to);
}

void
vrv_log_cut_forget(struct vrv_log *log)
{
    if (log->cut != NULL)
        free(log->cut->gone);
    free(log->cut);
    log->cut = NULL;
}

/* ---- asking for it ---- */

static int
begin(struct vrv_log *log, int64_t offset, bool *begun, struct vrv_err *e)
{
    if (offset < log->start_next)
        return vrv_err_set(e, VRV_E_RANGE,
            "the log starts at %" PRId64 ", it can't be truncated to %" PRId64, log->start_next,
            offset);
    if (offset >= log->end)
        return 0;
    log->cut = VRV_NEW(struct vrv_cut);
    log->cut->to = offset;
    vrv__log_touch(log);
    *begun = true;
    return vrv__log_check_cut(log, e);
}

int
vrv_log_truncate(struct vrv_log *log, int64_t offset, bool *begun, struct vrv_err *e)
{
    int rc = 0;

    *begun = false;
    vrv_lock(&log->lock);
    if (log->cut != NULL && log->cut->state == VRV_CUT_DONE)
        vrv_log_cut_forget(log);
    if (log->gone) {
        rc = vrv_err_set(e, VRV_E_NOTFOUND, "the partition was deleted");
    } else if (log->cut == NULL) {
        rc = begin(log, offset, begun, e);
    } else if (log->cut->state == VRV_CUT_FAILED) {
        rc = log->cut->err.code;
        if (e != NULL)
            *e = log->cut->err;
        vrv_log_cut_forget(log);
    } else {
        rc = vrv__log_check_cut(log, e);
    }
    vrv_unlock(&log->lock);
    return rc;
}

bool
vrv_log_is_cut(struct vrv_log *log)
{
    vrv_lock(&log->lock);
    bool is = log->cut != NULL && log->cut->state == VRV_CUT_WANTED;
    vrv_unlock(&log->lock);
    return is;
}

void
vrv_log_cut_done(struct vrv_log *log)
{
    vrv_lock(&log->lock);
    log->cut->state = VRV_CUT_DONE;
    vrv_unlock(&log->lock);
}

/* ---- doing it: the flusher ---- */

/* What stays. */
struct rest {
    uint32_t seg_n;       /* segments as they are, */
    struct vrv_seg *kept; /* then a part of the next one, or NULL */
    int64_t end;
};

/* The log takes no appends: nobody but us changes the list of segments. */
static int
find_rest(const struct vrv_log *log, int64_t to, struct rest *r, struct vrv_err *e)
{
    *r = (struct rest){ .seg_n = vrv_log_seg_for(log, to), .end = to };
    if (r->seg_n == log->seg_n || log->segs[r->seg_n]->base >= to)
        return 0;
    int rc = vrv_seg_cut(log->segs[r->seg_n], to, &r->kept, &r->end, e);
    if (r->end < log->start) /* the start lies within the batch that goes */
        r->end = log->start;
    return rc;
}

static void
drop_segs(struct vrv_log *log, const struct rest *r)
{
    struct vrv_cut *c = log->cut;

    for (uint32_t i = r->seg_n; i < log->seg_n; i++) {
        struct vrv_seg *s = log->segs[i];

        if (i == r->seg_n && r->kept != NULL) {
            c->unseals = s->state == VRV_SEG_SEALED;
            c->kept_base = s->base;
        } else {
            VRV_PUSH_ROOM(c->gone, c->gone_n, c->gone_cap);
            c->gone[c->gone_n++] = s->base;
        }
        vrv_seg_drop(s);
        vrv_seg_unref(s);
    }
    log->seg_n = r->seg_n;
    if (r->kept != NULL) {
        vrv__log_add_seg(log, r->kept);
        log->seals_pending = true;
        vrv__log_want_flush(log);
        vrv__log_touch(log); /* sealed again by the next checkpoint */
    }
}

/* They stay in the journal's order until they are evicted, and are nobody's then. */
static void
drop_entries(struct vrv_log *log, int64_t to)
{
    struct vrv_ring *r = &log->ring;
    uint64_t from = vrv_ring_find(r, to);

    VRV_ASSERT(r->committed == r->end);
    for (uint64_t i = from; i < r->end; i++)
        vrv_ring_at(r, i)->item.type = VRV_WAL_NOTHING;
    vrv__ring_cut(r, from);
}

static void
apply(struct vrv_log *log, const struct rest *r)
{
    size_t producers = vrv_producers_count(log->producers);

    drop_entries(log, log->cut->to);
    drop_segs(log, r);
    log->end = log->hw = r->end;
    log->replay_base = -1;
    vrv_epochs_trim_end(&log->epochs, r->end);
    vrv_producers_truncate(&log->producers, r->end);
    vrv__log_count_producers(log, producers);
    log->cut->state = VRV_CUT_APPLIED;
}

bool
vrv_log_cut(struct vrv_log *log, uint8_t **out, size_t *n)
{
    struct vrv_cut *c = log->cut;
    struct vrv_waiter *all = NULL;
    bool wanted = c->state == VRV_CUT_WANTED;
    struct rest r;
    int rc = wanted ? find_rest(log, c->to, &r, &c->err) : 0;

    vrv_lock(&log->lock);
    if (rc == 0 && wanted) {
        apply(log, &r);
        all = vrv__log_take_all(log, VRV_E_RANGE);
    }
    if (rc == 0)
        vrv__log_state(log, out, n);
    else
        c->state = VRV_CUT_FAILED; /* from now on who asked may free it */
    vrv_unlock(&log->lock);
    vrv__waiters_post(all);
    return rc == 0;
}

/* ---- the segments that are away, in a checkpoint: their bases, little-endian ---- */

void
vrv_log_capture_gone(const struct vrv_log *log, uint8_t **out, size_t *n)
{
    const struct vrv_cut *c = log->cut;

    *n = (size_t)c->gone_n * CODED_BASE;
    *out = vrv_mem_zero(*n);
    for (uint32_t i = 0; i < c->gone_n; i++)
        vrv_put_le64(*out + (size_t)i * CODED_BASE, (uint64_t)c->gone[i]);
}

int
vrv_log_restore_gone(struct vrv_log *log, const uint8_t *in, size_t n, struct vrv_err *e)
{
    if (n == 0 || n % CODED_BASE != 0)
        return vrv_err_set(
            e, VRV_E_CORRUPT, "the record of segments that were cut off has %zu bytes", n);
    struct vrv_cut *c = VRV_NEW(struct vrv_cut);
    c->state = VRV_CUT_APPLIED;
    c->gone_n = c->gone_cap = (uint32_t)(n / CODED_BASE);
    c->gone = vrv_mem_zero(n);
    for (uint32_t i = 0; i < c->gone_n; i++)
        c->gone[i] = (int64_t)vrv_get_le64(in + (size_t)i * CODED_BASE);
    log->cut = c;
    return 0;
}
