/*
 * Finding records for a fetch, and waiting for them.
 *
 *   round: read what is at hand, partition by partition, until the limits
 *     something is cold: ask for it (fetch_cold.c)
 *     something is on disk only, and fits ──► read that on a thread that may wait
 *   decide:
 *     enough, or an error, or time is up, or more is there than fits ──► found; what is still asked of the
 *                                                                        cold tier is left to itself
 *     else wait for the cold tier, and on every log for more
 *       the first that comes of the cold tier is read as well ──► decide
 *       the first log that has some, or time                  ──► round
 *
 * The first partition that has something gives one batch at least, however small the limits are;
 * after it they hold (KIP-74).
 *
 * Nobody is answered with nothing again and again: where all that there is to say is that the cold tier
 * has not answered yet, or has failed, that takes remote.fetch.max.wait.ms.
 */
#include <string.h>

#include "server/api/cold_quota.h"
#include "server/api/fetch_int.h"
#include "server/api/tell_cold.h"
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

/* May wait for a disk, if flags don't say otherwise: what is in files is brought into memory then, past the
 * page cache, which is for others. */
static int
read_once(struct vrv_request *r, struct vrv__fetch_part *p, struct vrv_read *rd)
{
    struct vrv_err e = { 0 };
    int rc = vrv_read(p->log, rd, &e);

    if (rc == 0 && !(rd->flags & VRV_READ_NOWAIT))
        rc = vrv_read_load(p->log, rd, false, &e);
    if (rd->elsewhere ? !p->elsewhere : vrv_read_is_damage(rc))
        vrv_tell_damage(r->broker, p->log, rd->offset, rd->elsewhere, &e);
    p->elsewhere = rd->elsewhere;
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

/* What is cold is for who has not had too much of it lately. */
static bool
is_held(struct vrv_request *r, int rc, const struct vrv_read *rd)
{
    const struct vrv_cold_who who = { r->header.client_id, r->client->host };
    struct vrv_cold_quotas *q = r->broker->cold_quotas;
    struct vrv__fetch *f = r->state;
    bool is_cold = rc == VRV_READ_COLD ||
        (rc == 0 && rd->slice_n > 0 && rd->slice[0].kind == VRV_SLICE_COLD);

    if (!is_cold || !vrv_cold_quotas_any(q))
        return false;
    int64_t at_ns = vrv_cold_quotas_ask(q, &who);
    if (at_ns > f->held_ns)
        f->held_ns = at_ns;
    return at_ns > 0;
}

void
vrv__fetch_read_part(struct vrv_request *r, struct vrv__fetch_part *p, unsigned flags)
{
    struct vrv__fetch *f = r->state;
    size_t limit = p->want->max_bytes > 0 ? (size_t)p->want->max_bytes : 0;
    size_t left = f->max_bytes > f->bytes ? f->max_bytes - f->bytes : 0;
    struct vrv_read rd = { .offset = p->want->offset, .flags = flags,
        .max_bytes = limit < left ? limit : left, .whole_first = f->bytes == 0,
        .aborted = f->committed, .elsewhere = p->elsewhere };

    p->slow = p->cold = p->held = false;
    if (rd.max_bytes == 0 && !rd.whole_first) {
        vrv__fetch_set_offsets(p);
        p->more = p->want->offset < p->hw;
        return;
    }
    int rc = read_once(r, p, &rd);
    p->held = is_held(r, rc, &rd);
    if (rc == VRV_E_AGAIN) {
        p->slow = true;
    } else if (p->held) {
        vrv__fetch_set_offsets(p);
    } else if (rc == VRV_READ_COLD || rc == VRV_E_NOMEM) { /* the next fetch may find some */
        p->cold = rc == VRV_READ_COLD;
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

/* ---- waiting ---- */

static int64_t
now_ns(const struct vrv_request *r)
{
    return r->broker->clock->mono_ns(r->broker->clock);
}

/* What waits for the cold tier has the time that is given to that, but what is there is not held up by
 * it. */
static int64_t
deadline_of(const struct vrv__fetch *f)
{
    if (f->cold_ns == 0 || (f->bytes > 0 && f->deadline_ns < f->cold_ns))
        return f->deadline_ns;
    return f->cold_ns;
}

static void
cancel_waiters(struct vrv__fetch *f)
{
    if (f->called_off)
        return;
    f->called_off = true;
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
    vrv__fetch_leave_cold(f);
}

/* The first that comes calls the others back; the last goes on. */
static void
waiter_posted(struct vrv_done *d)
{
    struct vrv__fetch_part *p = VRV_LIST_OF(d, struct vrv__fetch_part, waiter.done);
    struct vrv__fetch *f = p->r->state;

    p->waiting = false;
    f->waiting--;
    if (p->waiter.status == VRV_E_TIMEDOUT && now_ns(p->r) >= deadline_of(f))
        f->over = true;
    else if (p->waiter.status != VRV_E_CANCELLED) /* or what was held isn't any more */
        f->grown = true;
    vrv__fetch_goes_on(p->r);
}

/* Its log may get more than was read of it; what is asked of the cold tier comes by itself. */
static bool
is_to_wait(const struct vrv__fetch_part *p)
{
    return p->log != NULL && !(p->asked != NULL && p->asked->state == VRV__COLD_ASKED);
}

/* What there was has been read, so it is for what comes behind that (hw).  Of several logs each new
 * batch is worth a look: only together can they say that it's enough. */
static void
wait_for_more(struct vrv_request *r, int64_t deadline_ns)
{
    struct vrv__fetch *f = r->state;
    bool alone = f->n == 1;

    f->state = VRV__FETCH_WAITS;
    f->called_off = false;
    f->waits_ns = now_ns(r);
    r->cancel = gone;
    vrv_request_waits(r);
    vrv_stat_count(r->broker->stat, VRV_C_fetch_waiting, 1);
    for (size_t i = 0; i < f->n; i++)
        f->waiting += is_to_wait(&f->part[i]);
    for (size_t i = 0; i < f->n; i++) {
        struct vrv__fetch_part *p = &f->part[i];

        if (!is_to_wait(p))
            continue;
        int64_t from = p->hw > p->want->offset ? p->hw : p->want->offset;
        p->waiting = true;
        p->waiter = (struct vrv_waiter){ .done = { .cq = r->call.cq, .run = waiter_posted } };
        vrv_log_wait(p->log, &p->waiter, from,
            alone && f->min_bytes > f->bytes ? f->min_bytes - f->bytes : 1, deadline_ns);
    }
}

/* ---- is it enough? ---- */

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

/* Is there something to say that isn't to wait? */
static bool
is_news(const struct vrv__fetch *f)
{
    bool any = false, news = false;

    for (size_t i = 0; i < f->n; i++) {
        const struct vrv__fetch_part *p = &f->part[i];

        any |= p->log != NULL;
        news |= p->diverges || (p->error != VRV_K_NONE && !p->failed);
        news |= p->more && f->bytes > 0;
    }
    return news || !any;
}

/* What is held by a quota has the time of what waits for the cold tier, too. */
static void
set_cold_time(struct vrv_request *r)
{
    struct vrv__fetch *f = r->state;

    if (f->held_ns > 0 && f->cold_ns == 0)
        f->cold_ns = now_ns(r) + (int64_t)atomic_load(&r->broker->cold_wait_ms) * 1000000;
}

static int64_t
wake_of(const struct vrv__fetch *f)
{
    int64_t deadline_ns = deadline_of(f);

    return f->held_ns > 0 && f->held_ns < deadline_ns ? f->held_ns : deadline_ns;
}

static bool
is_enough(struct vrv_request *r)
{
    struct vrv__fetch *f = r->state;

    if (r->client->gone || now_ns(r) >= deadline_of(f))
        f->over = true;
    if (f->over || is_news(f) || !vrv_request_may_wait(r))
        return true;
    if (f->cold_ns > 0 && f->bytes == 0)
        return false;
    return f->bytes >= f->min_bytes || is_full(f);
}

/* ---- rounds ---- */

static void read_round(struct vrv_request *r);
static void decide(struct vrv_request *r);

/* When all is posted back. */
static void
end(struct vrv_request *r)
{
    struct vrv__fetch *f = r->state;

    if (f->asked > 0)
        return;
    vrv__fetch_leave_cold(f); /* what came all the same */
    f->found(r);
}

void
vrv__fetch_goes_on(struct vrv_request *r)
{
    struct vrv__fetch *f = r->state;

    if (f->state == VRV__FETCH_ENDS) {
        end(r);
        return;
    }
    if (f->state == VRV__FETCH_READS)
        return;
    cancel_waiters(f);
    if (f->waiting > 0)
        return;
    f->state = VRV__FETCH_READS;
    r->cancel = NULL;
    vrv_request_goes_on(r);
    vrv_stat_count(r->broker->stat, VRV_C_fetch_waiting, (uint64_t)-1);
    if (f->held_ns > 0)
        vrv_hist_add(&r->broker->cold_quotas->waits, now_ns(r) - f->waits_ns);
    if (f->grown)
        read_round(r);
    else
        decide(r);
}

static void
decide(struct vrv_request *r)
{
    struct vrv__fetch *f = r->state;

    vrv__fetch_take_cold(r);
    vrv__fetch_ask_cold(r);
    set_cold_time(r);
    if (is_enough(r)) {
        f->state = VRV__FETCH_ENDS;
        vrv__fetch_leave_cold(f);
        end(r);
    } else {
        wait_for_more(r, wake_of(f));
    }
}

/* On a thread that may wait. */
static void
read_slow(struct vrv_request *r)
{
    struct vrv__fetch *f = r->state;

    for (size_t i = 0; i < f->n; i++)
        if (f->part[i].slow)
            vrv__fetch_read_part(r, &f->part[i], 0);
}

/* What came from the cold tier is kept, and counts first: it isn't asked for twice. */
static bool
is_kept(const struct vrv__fetch_part *p)
{
    return p->slice_n > 0 && p->slice[0].kind == VRV_SLICE_COLD;
}

static void
read_round(struct vrv_request *r)
{
    struct vrv__fetch *f = r->state;
    bool slow = false;

    f->grown = false;
    f->held_ns = 0;
    f->bytes = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (is_kept(&f->part[i]))
            f->bytes += f->part[i].bytes;
        else
            drop_slices(&f->part[i]);
    }
    for (size_t i = 0; i < f->n; i++) {
        struct vrv__fetch_part *p = &f->part[i];

        if (is_kept(p) || p->log == NULL || p->error != VRV_K_NONE || p->diverges)
            continue;
        p->more = false;
        if (p->asked == NULL || p->asked->state == VRV__COLD_IDLE)
            vrv__fetch_read_part(r, p, VRV_READ_NOWAIT);
        slow |= p->slow;
    }
    vrv__fetch_ask_cold(r); /* at work while the disk is */
    if (slow && (f->bytes == 0 || f->bytes < f->max_bytes)) {
        vrv_stat_count(r->broker->stat, VRV_C_slow_reads, 1);
        vrv_request_block(r, read_slow, decide);
    } else {
        decide(r);
    }
}

void
vrv__fetch_read(struct vrv_request *r)
{
    read_round(r);
}
