#include "tiering/store/retry.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/heap.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"

enum {
    MS = 1000000, DOUBLINGS_MAX = 20, BUSY_DOUBLINGS = 2, WAIT_MAX_MS = 60000, LOOKS_MAX = 4,
    TELL_MS = 10000,       /* what fails for so long is told, though it is tried again, */
    TELL_AGAIN_MS = 60000, /* ... and not more often */
};

struct vrv_retry {
    struct vrv_retry_opts o;
    struct vrv_rand random;
    struct {
        int64_t since_ns;      /* the first failure behind a success; 0: there is none */
        int64_t told_ns;       /* when that was told last; 0: never */
        bool told;             /* ... and nothing since */
    } bad[VRV_STORE_OPS];
    struct vrv_heap due;       /* calls that wait for their next attempt */
    struct vrv_retry_stats stats;
    unsigned calls;            /* not yet posted */
};

/* A call, and the attempt of it that is under way. */
struct trying {
    struct vrv_store_call inner;
    struct vrv_store_call *outer;
    struct vrv_retry *r;
    struct vrv_timer timer;    /* in a heap: it waits */
    unsigned tries;
    int64_t began_ns;          /* the attempt */
    bool once;                 /* there is no other attempt */
    bool settling;             /* the attempt looks whether a write was done */
    bool unsure;               /* a write of unknown outcome was among the attempts */
    unsigned lost;             /* looks that found nothing since END said that the upload is lost */
    enum vrv_store_op next;    /* what the next attempt does */
    int status;                /* what the last one said */
    struct vrv_err err;
};

static void attempted(struct vrv_done *d);

static int64_t
now_ns(const struct vrv_retry *r)
{
    return r->o.clock->mono_ns(r->o.clock);
}

static bool
writes(enum vrv_store_op op)
{
    return op == VRV_STORE_PUT || op == VRV_STORE_END;
}

/* ---- attempts ---- */

static void
attempt(struct trying *t, enum vrv_store_op op)
{
    struct vrv_retry *r = t->r;
    int64_t limit = r->o.attempt_ms[t->outer->lane] + vrv_store_sending_ms(t->outer, op);

    t->inner = *t->outer;
    t->inner.op = op;
    t->inner.done = (struct vrv_done){ .cq = r->o.cq, .run = attempted };
    if (r->o.attempt_ms[t->outer->lane] > 0 && now_ns(r) + limit * MS < t->inner.deadline_ns)
        t->inner.deadline_ns = now_ns(r) + limit * MS;
    t->settling = op != t->outer->op;
    t->began_ns = now_ns(r);
    r->stats.attempts[op]++;
    r->stats.sent[t->outer->lane]++;
    vrv_store_submit(r->o.store, &t->inner);
}

/* ---- what is told ---- */

static bool
is_failure(enum vrv_store_outcome o)
{
    return o != VRV_STORE_DONE && o != VRV_STORE_NOTFOUND && o != VRV_STORE_EXISTS &&
        o != VRV_STORE_CANCELLED;
}

static void
works(struct vrv_retry *r, enum vrv_store_op op)
{
    if (r->bad[op].told)
        r->o.told(r->o.ctx, op, NULL);
    r->bad[op].told = false;
    r->bad[op].since_ns = 0;
    r->stats.bad[op].since_ms = 0;
}

static void
fails(struct vrv_retry *r, enum vrv_store_op op, bool finally, const struct vrv_err *e)
{
    int64_t now = now_ns(r), last = r->bad[op].told_ns;

    if (r->bad[op].since_ns == 0)
        r->bad[op].since_ns = now;
    if (!finally && now - r->bad[op].since_ns < TELL_MS * (int64_t)MS)
        return;
    r->stats.bad[op].err = *e;
    r->stats.bad[op].since_ms = r->o.clock->wall_ms(r->o.clock) - (now - r->bad[op].since_ns) / MS;
    if (r->o.told == NULL || r->bad[op].told || (last != 0 && now - last < TELL_AGAIN_MS * (int64_t)MS))
        return;
    r->bad[op].told = true;
    r->bad[op].told_ns = now;
    r->o.told(r->o.ctx, op, e);
}

static void
finish(struct trying *t, int status, const struct vrv_err *e)
{
    struct vrv_store_call *c = t->outer;
    struct vrv_retry *r = t->r;

    c->err = status < 0 ? *e : (struct vrv_err){ 0 };
    if (status < 0 && t->unsure && status != VRV_E_EXISTS)
        status = vrv_err_prefix(&c->err, VRV_E_UNKNOWN, "it may have been written");
    c->err.code = status;
    c->status = status;
    c->state = NULL;
    if (status == 0)
        works(r, c->op);
    else if (is_failure(vrv_store_outcome_of(status)))
        fails(r, c->op, true, &c->err);
    r->calls--;
    vrv_cq_post(c->done.cq, &c->done, &c->done);
    free(t);
}

/* What an attempt brought besides its status. */
static void
take_result(struct trying *t)
{
    struct vrv_store_call *c = t->outer;
    const struct vrv_store_call *i = &t->inner;

    c->got = i->got;
    c->names = i->names;
    c->more = i->more;
    c->store_ms = i->store_ms;
    c->whole = i->whole;
    c->upload = i->upload;
}

/* It waits for its next attempt, */
static void
hold(struct trying *t, int64_t at)
{
    vrv_heap_add(&t->r->due, &t->timer, at);
    t->r->stats.waiting[t->outer->lane]++;
}

/* ... and no longer. */
static void
release(struct trying *t)
{
    vrv_heap_del(&t->r->due, &t->timer);
    t->r->stats.waiting[t->outer->lane]--;
}

static void
wait_for(struct trying *t, enum vrv_store_op next, int status, const struct vrv_err *e)
{
    struct vrv_retry *r = t->r;
    unsigned doublings = t->tries + (status == VRV_E_BUSY ? BUSY_DOUBLINGS : 0);
    if (doublings > DOUBLINGS_MAX)
        doublings = DOUBLINGS_MAX;
    int64_t ms = r->o.base_ms << doublings;

    if (ms > r->o.most_ms)
        ms = r->o.most_ms;
    ms = ms / 2 + (int64_t)vrv_rand_below(&r->random, (uint64_t)(ms / 2 + 1));
    if (ms < t->inner.wait_ms) /* what a peer says is no more than a wish */
        ms = t->inner.wait_ms < WAIT_MAX_MS ? t->inner.wait_ms : WAIT_MAX_MS;
    t->tries++;
    t->next = next;
    t->status = status;
    t->err = *e;
    int64_t at = now_ns(r) + ms * MS;
    if (at >= t->outer->deadline_ns || t->outer->cancelled)
        finish(t, status, e);
    else
        hold(t, at);
}

/* Is it worth another attempt, whatever was asked? */
static bool
may_change(int status)
{
    return status == VRV_E_BUSY || status == VRV_E_UNREACHABLE || status == VRV_E_TIMEDOUT ||
           status == VRV_E_IO || status == VRV_E_UNKNOWN;
}

/* The look at what a write has left. */
static void
settled(struct trying *t)
{
    int seen = t->inner.status;

    if (seen == 0) {
        t->r->stats.settled++;
        finish(t, 0, NULL);
    } else if (seen == VRV_E_CORRUPT) { /* somebody else's */
        (void)vrv_err_set(&t->err, VRV_E_EXISTS, "%s is there already, and isn't what we write",
            t->outer->key);
        finish(t, VRV_E_EXISTS, &t->err);
    } else if (seen == VRV_E_NOTFOUND && t->lost > 0) { /* what is late may still come */
        if (++t->lost > LOOKS_MAX)
            finish(t, VRV_E_NOTFOUND, &t->err);
        else
            wait_for(t, VRV_STORE_VERIFY, VRV_E_NOTFOUND, &t->err);
    } else if (seen == VRV_E_NOTFOUND) {
        wait_for(t, t->outer->op, VRV_E_UNKNOWN, &t->err);
    } else if (may_change(seen)) {
        wait_for(t, VRV_STORE_VERIFY, VRV_E_UNKNOWN, &t->inner.err);
    } else {
        finish(t, seen, &t->inner.err);
    }
}

/* Was it done, by this attempt or one before?  (An upload that was ended is lost to a second END.) */
static bool
must_look(const struct trying *t)
{
    const struct vrv_store_call *i = &t->inner;

    return writes(i->op) &&
        (i->status == VRV_E_EXISTS || i->status == VRV_E_UNKNOWN ||
            (i->status == VRV_E_NOTFOUND && t->unsure));
}

static void
count(struct vrv_retry *r, const struct trying *t)
{
    const struct vrv_store_call *i = &t->inner;
    enum vrv_store_outcome o = vrv_store_outcome_of(i->status);

    vrv_hist_add_alone(&r->stats.times[i->op][o], now_ns(r) - t->began_ns);
    vrv_usages_add(&r->stats.usage, i);
    if (is_failure(o)) {
        r->stats.last = i->err;
        r->stats.last_ms = r->o.clock->wall_ms(r->o.clock);
        fails(r, i->op, false, &i->err);
    } else if (o != VRV_STORE_CANCELLED) {
        r->stats.good_ms = r->o.clock->wall_ms(r->o.clock);
        works(r, i->op);
    }
}

static void
attempted(struct vrv_done *d)
{
    struct vrv_store_call *i = VRV_LIST_OF(d, struct vrv_store_call, done);
    struct trying *t = VRV_LIST_OF(i, struct trying, inner);

    t->r->stats.sent[t->outer->lane]--;
    count(t->r, t);
    t->unsure |= writes(i->op) && i->status == VRV_E_UNKNOWN && !t->once;
    if (t->once) {
        take_result(t);
        finish(t, i->status, &i->err);
    } else if (t->settling) {
        settled(t);
    } else if (must_look(t) && !t->outer->cancelled) {
        t->lost = i->status == VRV_E_NOTFOUND;
        t->err = i->err;
        attempt(t, VRV_STORE_VERIFY);
    } else if (may_change(i->status)) {
        wait_for(t, i->op, i->status, &i->err);
    } else {
        take_result(t);
        finish(t, i->status, &i->err);
    }
}

/* ---- calls ---- */

struct vrv_retry *
vrv_retry_new(const struct vrv_retry_opts *o)
{
    struct vrv_retry *r = vrv_mem_zero(sizeof(*r));

    VRV_ASSERT(o->base_ms > 0 && o->most_ms >= o->base_ms);
    r->o = *o;
    r->random = (struct vrv_rand){ o->random };
    vrv_usages_init(&r->stats.usage);
    return r;
}

void
vrv_retry_free(struct vrv_retry **r)
{
    if (*r == NULL)
        return;
    VRV_ASSERT((*r)->calls == 0);
    vrv_heap_fini(&(*r)->due);
    vrv_usages_fini(&(*r)->stats.usage);
    free(*r);
    *r = NULL;
}

static void
submit(struct vrv_retry *r, struct vrv_store_call *c, bool once)
{
    struct trying *t = vrv_mem_zero(sizeof(*t));

    t->outer = c;
    t->r = r;
    t->once = once;
    c->state = t;
    c->cancelled = false;
    c->names = NULL;
    c->got = 0;
    r->calls++;
    r->stats.calls[c->op]++;
    attempt(t, c->op);
}

void
vrv_retry_submit(struct vrv_retry *r, struct vrv_store_call *c)
{
    submit(r, c, false);
}

void
vrv_retry_once(struct vrv_retry *r, struct vrv_store_call *c)
{
    submit(r, c, true);
}

void
vrv_retry_blame(struct vrv_retry *r, enum vrv_store_op op, const struct vrv_err *e)
{
    fails(r, op, true, e);
}

void
vrv_retry_reopen(struct vrv_retry *r)
{
    vrv_store_reopen(r->o.store);
}

void
vrv_retry_cancel(struct vrv_retry *r, struct vrv_store_call *c)
{
    struct trying *t = c->state;

    if (t == NULL) /* posted */
        return;
    c->cancelled = true;
    if (t->timer.at != 0) {
        release(t);
        finish(t, t->status, &t->err);
    } else {
        vrv_store_cancel(r->o.store, &t->inner);
    }
}

int64_t
vrv_retry_step(struct vrv_retry *r)
{
    struct vrv_timer *first;

    while ((first = vrv_heap_first(&r->due)) != NULL && first->ns <= now_ns(r)) {
        struct trying *t = VRV_TIMER_OF(first, struct trying, timer);

        release(t);
        attempt(t, t->next);
    }
    return first == NULL ? INT64_MAX : first->ns;
}

const struct vrv_retry_stats *
vrv_retry_stats(const struct vrv_retry *r)
{
    return &r->stats;
}
