/*
 * Finding records for a fetch, and waiting for them.
 *
 *   round: read what is at hand, partition by partition, until the limits
 *     something is on disk only, and fits ──► read that on a thread that may wait ──► found
 *     enough, or an error, or time is up, or more is there than fits ──► found
 *     else wait on every log for more    ──► the first that has some, or time ──► round
 *
 * The first partition that has something gives one batch at least, however small the limits are;
 * after it they hold (KIP-74).
 */
#include <string.h>

#include "server/api/fetch_int.h"
#include "server/stat/stat.h"

/* ---- reading ---- */

static void
add_slices(struct vrv_request *r, struct vrv__fetch_part *p, struct vrv_read *rd)
{
    if (rd->slice_n == 0)
        return;
    if (p->slice_n + rd->slice_n > p->slice_cap) {
        uint32_t cap = 2 * p->slice_cap + rd->slice_n;
        struct vrv_slice *v = VRV_ROOM(r, struct vrv_slice, cap);

        if (p->slice_n > 0)
            memcpy(v, p->slice, p->slice_n * sizeof(*v));
        p->slice = v;
        p->slice_cap = cap;
    }
    memcpy(p->slice + p->slice_n, rd->slice, rd->slice_n * sizeof(*rd->slice));
    p->slice_n += rd->slice_n;
    p->bytes += rd->bytes;
    rd->slice_n = 0;
}

/* May wait, if flags don't say otherwise; then what is in files is brought into memory, past the page
 * cache, which is for others. */
static int
read_once(struct vrv_request *r, struct vrv__fetch_part *p, struct vrv_read *rd)
{
    struct vrv_err e = { 0 };
    int rc = vrv_read(p->log, rd, &e);

    if (rc == VRV_READ_COLD) {
        struct vrv_fetch cold = { .read = rd };

        rc = rd->flags & VRV_READ_NOWAIT
            ? VRV_E_AGAIN
            : vrv_fetch_wait(p->log, &cold,
                  r->broker->clock->mono_ns(r->broker->clock) + (int64_t)30 * 1000000000, &e);
    }
    for (uint32_t i = 0; rc == 0 && !(rd->flags & VRV_READ_NOWAIT) && i < rd->slice_n; i++)
        if (rd->slice[i].kind == VRV_SLICE_FILE)
            rc = vrv_slice_load(&rd->slice[i], vrv_engine_env(r->broker->engine)->pool, &e);
    return rc;
}

void
vrv__fetch_set_offsets(struct vrv__fetch_part *p)
{
    struct vrv_log_offsets o = vrv_log_offsets(p->log);

    p->hw = o.hw;
    p->stable = o.stable;
    p->start = o.start;
}

static void
read_part(struct vrv_request *r, struct vrv__fetch_part *p, unsigned flags)
{
    struct vrv__fetch *f = r->state;
    size_t limit = p->want->max_bytes > 0 ? (size_t)p->want->max_bytes : 0;
    size_t left = f->max_bytes > f->bytes ? f->max_bytes - f->bytes : 0;
    struct vrv_read rd = { .offset = p->want->offset, .flags = flags,
        .max_bytes = limit < left ? limit : left, .whole_first = f->bytes == 0 };

    p->slow = false;
    if (rd.max_bytes == 0 && !rd.whole_first) {
        vrv__fetch_set_offsets(p);
        p->more = p->want->offset < p->hw;
        return;
    }
    int rc = read_once(r, p, &rd);
    if (rc == VRV_E_AGAIN) {
        p->slow = true;
    } else if (rc == VRV_E_NOMEM) { /* the next fetch may find some */
        vrv__fetch_set_offsets(p);
    } else if (rc < 0) {
        p->error = vrv_kerror_of(rc);
    } else {
        p->hw = rd.hw;
        p->stable = rd.stable;
        p->start = rd.start;
        p->more = rd.more;
        f->bytes += rd.bytes;
        add_slices(r, p, &rd);
    }
    vrv_read_fini(&rd);
}

static void
drop_slices(struct vrv__fetch_part *p)
{
    for (uint32_t i = 0; i < p->slice_n; i++)
        vrv_slice_fini(&p->slice[i]);
    p->slice_n = 0;
    p->bytes = 0;
}

void
vrv__fetch_release(struct vrv__fetch *f)
{
    for (size_t i = 0; i < f->n; i++) {
        drop_slices(&f->part[i]);
        vrv_log_unref(&f->part[i].log);
    }
}

/* ---- on a thread that may wait ---- */

static void
read_slow(struct vrv_request *r)
{
    struct vrv__fetch *f = r->state;

    for (size_t i = 0; i < f->n; i++)
        if (f->part[i].slow)
            read_part(r, &f->part[i], 0);
}

static void
slow_done(struct vrv_request *r)
{
    struct vrv__fetch *f = r->state;

    f->found(r);
}

/* ---- waiting ---- */

static void read_round(struct vrv_request *r);

static void
cancel_waiters(struct vrv__fetch *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->part[i].waiting)
            vrv_log_wait_cancel(f->part[i].log, &f->part[i].waiter);
}

static void
gone(struct vrv_request *r)
{
    struct vrv__fetch *f = r->state;

    f->over = true;
    cancel_waiters(f);
}

/* The first that comes calls the others back; the last goes on. */
static void
waiter_posted(struct vrv_done *d)
{
    struct vrv__fetch_part *p = VRV_LIST_OF(d, struct vrv__fetch_part, waiter.done);
    struct vrv_request *r = p->r;
    struct vrv__fetch *f = r->state;

    p->waiting = false;
    if (p->waiter.status == VRV_E_TIMEDOUT)
        f->over = true;
    if (p->waiter.status != VRV_E_CANCELLED)
        cancel_waiters(f);
    if (--f->waiting == 0) {
        r->cancel = NULL;
        vrv_request_goes_on(r);
        vrv_stat_count(r->broker->stat, VRV_C_fetch_waiting, (uint64_t)-1);
        read_round(r);
    }
}

/* What there was has been read, so it is for what comes behind that (hw).  Of several logs each new
 * batch is worth a look: only together can they say that it's enough. */
static void
wait_for_more(struct vrv_request *r)
{
    struct vrv__fetch *f = r->state;
    bool alone = f->n == 1;

    r->cancel = gone;
    vrv_request_waits(r);
    vrv_stat_count(r->broker->stat, VRV_C_fetch_waiting, 1);
    for (size_t i = 0; i < f->n; i++)
        f->waiting += f->part[i].log != NULL;
    for (size_t i = 0; i < f->n; i++) {
        struct vrv__fetch_part *p = &f->part[i];

        if (p->log == NULL)
            continue;
        int64_t from = p->hw > p->want->offset ? p->hw : p->want->offset;
        p->waiting = true;
        p->waiter = (struct vrv_waiter){ .done = { .cq = r->call.cq, .run = waiter_posted } };
        vrv_log_wait(p->log, &p->waiter, from, alone ? f->min_bytes - f->bytes : 1,
            f->deadline_ns);
    }
}

/* ---- rounds ---- */

/* What limits by partition or request allow can't grow: waiting for more would be in vain. */
static bool
is_full(const struct vrv__fetch *f)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct vrv__fetch_part *p = &f->part[i];

        if (p->log != NULL && p->bytes < (size_t)(p->want->max_bytes > 0 ? p->want->max_bytes : 0))
            return false;
    }
    return true;
}

static void
read_round(struct vrv_request *r)
{
    struct vrv__fetch *f = r->state;
    bool error = false, slow = false, any = false, more = false;

    f->bytes = 0;
    for (size_t i = 0; i < f->n; i++) {
        struct vrv__fetch_part *p = &f->part[i];

        drop_slices(p);
        p->more = false;
        if (p->log != NULL && p->error == VRV_K_NONE && !p->diverges)
            read_part(r, p, VRV_READ_NOWAIT);
        any |= p->log != NULL;
        error |= p->error != VRV_K_NONE || p->diverges;
        slow |= p->slow;
        more |= p->more;
    }
    if (r->client->gone || r->broker->clock->mono_ns(r->broker->clock) >= f->deadline_ns)
        f->over = true;
    if (slow && (f->bytes == 0 || f->bytes < f->max_bytes)) {
        vrv_stat_count(r->broker->stat, VRV_C_slow_reads, 1);
        vrv_request_block(r, read_slow, slow_done);
    } else if (f->over || error || more || !any || f->bytes >= f->min_bytes || is_full(f) ||
        !vrv_request_may_wait(r)) {
        f->found(r);
    } else {
        wait_for_more(r);
    }
}

void
vrv__fetch_read(struct vrv_request *r)
{
    read_round(r);
}
