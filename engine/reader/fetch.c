#include "engine/reader/fetch.h"

#include <inttypes.h>

#include "engine/base/assert.h"
#include "engine/reader/reader_int.h"

/* ---- what came ---- */

static int
check_log(struct vrv_fetch *f)
{
    vrv_lock(&f->log->lock);
    int rc = vrv__read_check(f->log, f->read, &f->err);
    vrv_unlock(&f->log->lock);
    return rc;
}

static int
wrong(const struct vrv__cold_want *w, const char *what, int64_t at, struct vrv_err *e)
{
    return vrv_err_set(e, VRV_E_CORRUPT,
        "from the cold tier, asked for offset %" PRId64 ": %s at offset %" PRId64, w->offset, what,
        at);
}

/* The batch at p.  The first one may begin before the offset that was asked for, but not end
 * before it; the others are behind the one before them. */
static int
check_batch(const struct vrv__cold_want *w, const uint8_t *p, const struct vrv_batch *b,
    int64_t next, struct vrv_err *e)
{
    bool first = next == w->offset;

    if (vrv_batch_check_crc(p, b, NULL) < 0)
        return wrong(w, "a damaged batch", b->base_offset, e);
    if ((first ? vrv_batch_last_offset(b) : b->base_offset) < next)
        return wrong(w, "a batch out of place", b->base_offset, e);
    if (first && w->want == VRV_COLD_AS_NEW && b->max_ts < w->ts)
        return wrong(w, "a batch that is too old", b->base_offset, e);
    return 0;
}

/* Whole batches, as many as the read has room for: *n bytes.  The offset behind them. */
static int64_t
check_bytes(const struct vrv_read *r, const struct vrv__cold_want *w,
    const struct vrv_cold_bytes *bytes, size_t *n, struct vrv_err *e)
{
    int64_t next = w->offset;
    struct vrv_batch b;

    *n = 0;
    do {
        const uint8_t *p = bytes->p + *n;

        if (vrv_batch_read(&b, p, bytes->n - *n, NULL) < 0)
            return wrong(w, "no whole batch", next, e);
        if (*n == 0 ? !vrv__read_fits(r, b.size) : *n + b.size > vrv__read_room(r))
            return next;
        int rc = check_batch(w, p, &b, next, e);
        if (rc == 0 && vrv_batch_last_offset(&b) >= r->hw)
            rc = wrong(w, "a batch that is not committed", b.base_offset, e);
        if (rc < 0)
            return rc;
        next = vrv_batch_last_offset(&b) + 1;
        *n += b.size;
    } while (*n < bytes->n);
    return next;
}

int64_t
vrv__read_take_cold(struct vrv_read *r, const struct vrv__cold_want *w, struct vrv_cold_bytes *bytes,
    struct vrv_err *e)
{
    size_t n;
    int64_t next = check_bytes(r, w, bytes, &n, e);

    if (next < 0 || n == 0) {
        vrv_cold_bytes_unref(bytes);
        return next;
    }
    r->slice[r->slice_n++] =
        (struct vrv_slice){ .kind = VRV_SLICE_COLD, .n = n, .bytes = bytes->p, .cold = bytes };
    r->bytes += n;
    return next;
}

/* Takes over the reference. */
static int
accept(struct vrv_fetch *f, struct vrv_cold_bytes *b)
{
    const struct vrv__cold_want w = { f->want, f->read->offset, f->ts };
    int rc = check_log(f);

    if (rc < 0) {
        vrv_cold_bytes_unref(b);
        return rc;
    }
    int64_t next = vrv__read_take_cold(f->read, &w, b, &f->err);
    if (next < 0)
        return (int)next;
    f->read->more = next < f->read->hw;
    return 0;
}

/* The log says that there is something, so none is none only where something special was asked
 * for; and the log may have changed its mind. */
static int
refuse(struct vrv_fetch *f, int status)
{
    if (status == VRV_E_RANGE && f->want != VRV_COLD_ANY)
        return 0;
    if (status != VRV_E_RANGE && status != VRV_E_NOTFOUND)
        return status;
    int rc = check_log(f);
    return rc < 0 ? rc : vrv_err_set(&f->err, VRV_E_IO,
        "the cold tier has no record at or behind offset %" PRId64 ", and the log has some there",
        f->read->offset);
}

/* Takes over the reference. */
static void
finish(struct vrv_fetch *f, int status, struct vrv_cold_bytes *b)
{
    struct vrv_fetches *fs = f->log->env->fetches;

    f->status = status == 0 ? accept(f, b) : refuse(f, status);
    if (f->status != VRV_E_CANCELLED)
        vrv_log_note_cold(f->log, f->read->bytes, f->status < 0);
    vrv_log_unref(&f->log);
    (void)atomic_fetch_sub(&fs->waiting, 1);
    vrv_cq_post(f->done.cq, &f->done, &f->done);
}

static void
stop_timer(struct vrv_fetch *f)
{
    struct vrv_fetches *fs = f->log->env->fetches;

    vrv_lock(&fs->lock);
    vrv_heap_del(&fs->due, &f->timer);
    vrv_unlock(&fs->lock);
}

static void
answered(struct vrv_cold_fetch *cf, int status, struct vrv_cold_bytes *b, const struct vrv_err *e)
{
    void *start = (char *)cf - offsetof(struct vrv_fetch, cold);
    struct vrv_fetch *f = start;

    stop_timer(f);
    if (status != 0 && e != NULL)
        f->err = *e;
    finish(f, status, b);
}

/* ---- asking ---- */

void
vrv_fetch(struct vrv_log *log, struct vrv_fetch *f, int64_t deadline_ns)
{
    struct vrv_fetches *fs = log->env->fetches;
    struct vrv_cold *cold = log->env->cold;
    bool first = false;

    VRV_ASSERT(cold != NULL);
    f->status = 0;
    f->err = (struct vrv_err){ 0 };
    f->log = vrv_log_ref(log);
    f->timer = (struct vrv_timer){ 0 };
    f->read->slice_n = 0;
    f->read->bytes = 0;
    f->cold = (struct vrv_cold_fetch){ .topic = log->id.topic, .partition = log->id.partition,
        .want = f->want, .offset = f->read->offset, .ts = f->ts,
        .max_bytes = f->read->max_bytes, .aborted = f->read->aborted, .answer = answered };
    (void)atomic_fetch_add(&fs->waiting, 1);
    vrv_lock(&fs->lock);
    vrv_heap_add(&fs->due, &f->timer, deadline_ns);
    first = fs->stopped || (vrv_heap_first(&fs->due) == &f->timer && deadline_ns != INT64_MAX);
    /* With the lock held: nobody may cancel what the tier doesn't know yet. */
    cold->ops->fetch(cold, &f->cold);
    vrv_unlock(&fs->lock);
    if (first) /* who ends the overdue must wake earlier than it meant to */
        vrv_journal_wake(log->env->journal);
}

void
vrv_fetch_cancel(struct vrv_log *log, struct vrv_fetch *f)
{
    struct vrv_cold *cold = log->env->cold;

    if (!cold->ops->cancel(cold, &f->cold))
        return;
    stop_timer(f);
    finish(f, vrv_err_set(&f->err, VRV_E_CANCELLED, "nobody waits for it any more"), NULL);
}

int
vrv_fetch_wait(struct vrv_log *log, struct vrv_fetch *f, int64_t deadline_ns, struct vrv_err *e)
{
    struct vrv_cq cq;

    (void)vrv_cq_init(&cq, 0);
    f->done.cq = &cq;
    vrv_fetch(log, f, deadline_ns);
    (void)vrv_cq_take(&cq, -1);
    vrv_cq_fini(&cq);
    if (f->status < 0 && e != NULL)
        *e = f->err;
    return f->status;
}

/* ---- deadlines ---- */

void
vrv_fetches_init(struct vrv_fetches *fs)
{
    vrv_lock_init(&fs->lock, VRV_LOCK_fetches);
    fs->due = (struct vrv_heap){ .v = NULL };
    vrv_list_init(&fs->asks);
    fs->stopped = false;
    atomic_init(&fs->waiting, 0);
}

void
vrv_fetches_fini(struct vrv_fetches *fs)
{
    VRV_ASSERT(atomic_load(&fs->waiting) == 0 && vrv_list_empty(&fs->asks));
    vrv_heap_fini(&fs->due);
    vrv_lock_fini(&fs->lock);
}

/* The next one whose time has come, now without an answer of the tier's; NULL, and *next_ns: none. */
static struct vrv_fetch *
next_overdue(struct vrv_fetches *fs, struct vrv_cold *cold, int64_t now_ns, int64_t *next_ns,
    bool *stopped)
{
    struct vrv_fetch *f = NULL;
    struct vrv_timer *t;

    vrv_lock(&fs->lock);
    *stopped = fs->stopped;
    /* One that is in the heap was not posted yet. */
    while (f == NULL && (t = vrv_heap_first(&fs->due)) != NULL && (t->ns <= now_ns || fs->stopped)) {
        f = VRV_TIMER_OF(t, struct vrv_fetch, timer);
        vrv_heap_del(&fs->due, t);
        if (!cold->ops->cancel(cold, &f->cold))
            f = NULL;
    }
    t = vrv_heap_first(&fs->due);
    *next_ns = t != NULL ? t->ns : INT64_MAX;
    vrv_unlock(&fs->lock);
    return f;
}

int64_t
vrv_fetches_expire(struct vrv_fetches *fs, struct vrv_cold *cold, int64_t now_ns)
{
    struct vrv_fetch *f;
    int64_t next_ns;
    bool stopped;

    if (atomic_load(&fs->waiting) == 0)
        return INT64_MAX;
    while ((f = next_overdue(fs, cold, now_ns, &next_ns, &stopped)) != NULL)
        finish(f, stopped ? vrv_err_set(&f->err, VRV_E_CANCELLED, "the server is stopping")
                          : vrv_err_set(&f->err, VRV_E_TIMEDOUT,
                                "the cold tier had not answered by the deadline"), NULL);
    return next_ns;
}

/* ---- the end ---- */

void
vrv_fetches_stop(struct vrv_fetches *fs)
{
    vrv_lock(&fs->lock);
    fs->stopped = true;
    while (!vrv_list_empty(&fs->asks)) {
        struct vrv_fetches_ask *a = VRV_LIST_OF(fs->asks.next, struct vrv_fetches_ask, link);

        vrv_list_del(&a->link);
        vrv_cq_post(a->ended.cq, &a->ended, &a->ended);
    }
    vrv_unlock(&fs->lock);
}

bool
vrv_fetches_join(struct vrv_fetches *fs, struct vrv_fetches_ask *a)
{
    vrv_list_init(&a->link);
    vrv_lock(&fs->lock);
    bool may = !fs->stopped;
    if (may)
        vrv_list_push(&fs->asks, &a->link);
    vrv_unlock(&fs->lock);
    return may;
}

bool
vrv_fetches_leave(struct vrv_fetches *fs, struct vrv_fetches_ask *a)
{
    vrv_lock(&fs->lock);
    bool may = !fs->stopped;
    vrv_list_del(&a->link);
    vrv_unlock(&fs->lock);
    return may;
}
