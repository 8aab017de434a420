/* Calls that may hang: each is done on a copy, and answered without where it does. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "tiering/store/workers_int.h"

enum { STALL_MS = 5000 }; /* it hangs when it hasn't gone on for so long */
static const int64_t MS = 1000000;

/* ---- the copy ---- */

static struct vrv_worker *
worker_of(struct vrv_store_call *copy)
{
    return VRV_LIST_OF(copy, struct vrv_worker, copy);
}

static void
copy_keys(struct vrv_worker *me, const struct vrv_store_call *c)
{
    me->keys = vrv_mem_zero((c->max + 1) * sizeof(*me->keys));
    for (unsigned i = 0; i < c->max; i++)
        me->keys[i] = vrv_mem_strdup(c->keys[i]);
    me->copy.keys = (const char *const *)me->keys;
    if (c->each != NULL)
        me->copy.each = vrv_mem_zero((c->max + 1) * sizeof(*c->each));
}

void
vrv__worker_begin(struct vrv_worker *me, struct vrv_store_call *c)
{
    struct vrv_workers *w = me->all;

    vrv_lock(&w->lock);
    me->asked = c;
    me->copy = *c;
    me->copy.iov = NULL; /* those are had by pieces */
    me->copy.buf = NULL;
    me->went_on_ns = vrv__workers_now(w);
    if (c->key != NULL)
        me->copy.key = strcpy(me->key, c->key);
    if (c->after != NULL)
        me->copy.after = strcpy(me->after, c->after);
    if (c->op == VRV_STORE_DELETE)
        copy_keys(me, c);
    w->o.hold(w->o.ctx, &me->copy);
    vrv_unlock(&w->lock);
}

static void
hand_over(const struct vrv_worker *me, struct vrv_store_call *c)
{
    const struct vrv_store_call *from = &me->copy;

    c->status = from->status;
    c->err = from->err;
    c->got = from->got;
    c->whole = from->whole;
    c->names = from->names;
    c->more = from->more;
    c->store_ms = from->store_ms;
    c->wait_ms = from->wait_ms;
    c->upload = from->upload;
    if (me->keys != NULL && c->each != NULL)
        memcpy(c->each, from->each, c->max * sizeof(*c->each));
}

void
vrv__worker_end(struct vrv_worker *me)
{
    struct vrv_workers *w = me->all;

    vrv_lock(&w->lock);
    struct vrv_store_call *c = me->asked;
    bool wanted = c != NULL;
    me->asked = NULL;
    if (wanted)
        hand_over(me, c);
    else
        w->stuck--;
    vrv_unlock(&w->lock);
    for (unsigned i = 0; me->keys != NULL && i < me->copy.max; i++)
        free(me->keys[i]);
    if (me->keys != NULL)
        free(me->copy.each);
    free(me->keys);
    me->keys = NULL;
    w->o.let_go(w->o.ctx, &me->copy, !wanted);
    if (wanted)
        vrv__workers_post(w, me->copy.done.cq != NULL ? c : NULL); /* one that nobody waits for went with what it let go of */
}

bool
vrv_workers_goes_on(struct vrv_workers *w, struct vrv_store_call *copy)
{
    struct vrv_worker *me = worker_of(copy);

    vrv_lock(&w->lock);
    bool wanted = me->asked != NULL;
    me->went_on_ns = vrv__workers_now(w);
    vrv_unlock(&w->lock);
    return wanted;
}

static void
gather(uint8_t *to, const struct vrv_store_call *c, uint64_t at, size_t n)
{
    for (int i = 0; i < c->iov_n && n > 0; i++) {
        size_t len = c->iov[i].iov_len;

        if (at >= len) {
            at -= len;
            continue;
        }
        size_t part = len - at < n ? (size_t)(len - at) : n;
        memcpy(to, (const uint8_t *)c->iov[i].iov_base + at, part);
        to += part;
        n -= part;
        at = 0;
    }
    VRV_ASSERT(n == 0);
}

bool
vrv_workers_take(struct vrv_workers *w, struct vrv_store_call *copy, void *to, uint64_t at, size_t n)
{
    struct vrv_worker *me = worker_of(copy);

    vrv_lock(&w->lock);
    bool wanted = me->asked != NULL;
    if (wanted)
        gather(to, me->asked, at, n);
    me->went_on_ns = vrv__workers_now(w);
    vrv_unlock(&w->lock);
    return wanted;
}

bool
vrv_workers_give(struct vrv_workers *w, struct vrv_store_call *copy, const void *from, uint64_t at, size_t n)
{
    struct vrv_worker *me = worker_of(copy);

    vrv_lock(&w->lock);
    bool wanted = me->asked != NULL;
    if (wanted)
        memcpy(me->asked->buf + at, from, n);
    me->went_on_ns = vrv__workers_now(w);
    vrv_unlock(&w->lock);
    return wanted;
}

uint8_t *
vrv_workers_piece(struct vrv_store_call *copy)
{
    struct vrv_worker *me = worker_of(copy);

    if (me->piece == NULL)
        me->piece = vrv_mem_zero(VRV_WORKERS_PIECE);
    return me->piece;
}

/* ---- what hangs ---- */

static bool
only_reads(enum vrv_store_op op)
{
    return op == VRV_STORE_GET || op == VRV_STORE_VERIFY || op == VRV_STORE_LIST;
}

/* Its call, if that is to be answered without it; the lock is held. */
static struct vrv_store_call *
give_up_on(struct vrv_worker *me, int64_t now)
{
    struct vrv_store_call *c = me->asked;

    if (c == NULL || now < c->deadline_ns || (!c->cancelled && now - me->went_on_ns < STALL_MS * MS))
        return NULL;
    me->asked = NULL;
    me->all->stuck++;
    return c;
}

static void
answer_without(struct vrv_workers *w, struct vrv_store_call *c, bool cancelled)
{
    bool reads = only_reads(c->op);

    c->names = NULL;
    c->got = 0;
    if (reads && cancelled)
        c->status = vrv_err_set(&c->err, VRV_E_CANCELLED, "cancelled");
    else
        c->status = vrv_err_set(&c->err, reads ? VRV_E_TIMEDOUT : VRV_E_UNKNOWN,
            "%s hangs: is its server there, and the network?", w->what);
    vrv__workers_post(w, c);
}

void
vrv__workers_give_up(struct vrv_workers *w)
{
    for (unsigned i = 0; i < w->n; i++) {
        vrv_lock(&w->lock);
        struct vrv_store_call *c = give_up_on(&w->v[i], vrv__workers_now(w));
        bool cancelled = c != NULL && c->cancelled;
        vrv_unlock(&w->lock);
        if (c != NULL)
            answer_without(w, c, cancelled);
    }
    vrv_workers_expire(w);
}

