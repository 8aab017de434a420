#include "tiering/store/workers_int.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/thread.h"

enum {
    LOOK_MS = 100,    /* how often it is looked whether something hangs */
    CANCEL_MS = 1000, /* what isn't wanted any more is waited for so long */
    STOP_MS = 1000,
};
static const int64_t MS = 1000000;

/* Of a thread: which class it is for. */
enum { ANY = VRV_STORE_CLASSES };

/* ---- queues ---- */

static struct vrv_store_call *
take_from(struct vrv_workers_queue *q)
{
    struct vrv_store_call *c = q->head;

    if (c == NULL)
        return NULL;
    q->head = c->next;
    if (q->head == NULL)
        q->tail = &q->head;
    return c;
}

/* The oldest call of the first class that has one; NULL: there is none. */
static struct vrv_store_call *
take(struct vrv_workers *w, int class)
{
    struct vrv_store_call *c = NULL;

    if (class != ANY)
        return take_from(&w->queue[class]);
    for (int i = 0; i < VRV_STORE_CLASSES && c == NULL; i++)
        c = take_from(&w->queue[i]);
    return c;
}

/* Those of a queue whose time is over, out of it. */
static struct vrv_store_call *
take_late(struct vrv_workers_queue *q, int64_t now)
{
    struct vrv_store_call *late = NULL, **end = &late, **at = &q->head, *c;

    while ((c = *at) != NULL) {
        if (c->deadline_ns > now) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        *end = c;
        end = &c->next;
    }
    *end = NULL;
    q->tail = at;
    return late;
}

/* ---- calls ---- */

int64_t
vrv__workers_now(const struct vrv_workers *w)
{
    return w->o.clock->mono_ns(w->o.clock);
}

void
vrv__workers_post(struct vrv_workers *w, struct vrv_store_call *c)
{
    vrv_lock(&w->lock);
    w->calls--;
    vrv_unlock(&w->lock);
    if (c != NULL)
        vrv_cq_post(c->done.cq, &c->done, &c->done);
}

/* May it begin? */
static int
check(struct vrv_workers *w, struct vrv_store_call *c)
{
    vrv_lock(&w->lock);
    bool cancelled = c->cancelled, late = vrv__workers_now(w) >= c->deadline_ns;
    unsigned stuck = w->stuck;
    vrv_unlock(&w->lock);
    if (cancelled)
        return vrv_err_set(&c->err, VRV_E_CANCELLED, "cancelled");
    if (!late)
        return 0;
    if (stuck > 0)
        return vrv_err_set(&c->err, VRV_E_UNREACHABLE, "%s hangs, as do %u calls before", w->what, stuck);
    return vrv_err_set(&c->err, VRV_E_UNREACHABLE, "%s is busy with other calls", w->what);
}

static void
answer(struct vrv_workers *w, struct vrv_store_call *c, int status)
{
    c->status = status;
    vrv__workers_post(w, c);
}

/* ---- threads ---- */

static void
run(struct vrv_worker *me, struct vrv_store_call *c)
{
    struct vrv_workers *w = me->all;
    int rc = check(w, c);

    if (rc < 0) {
        answer(w, c, rc);
    } else if (w->o.hangs) {
        vrv__worker_begin(me, c);
        me->copy.status = w->o.run(w->o.ctx, &me->copy);
        vrv__worker_end(me);
    } else {
        answer(w, c, w->o.run(w->o.ctx, c));
    }
}

static void *
worker_main(void *ctx)
{
    struct vrv_worker *me = ctx;
    struct vrv_workers *w = me->all;

    vrv_thread_give_way();
    vrv_lock(&w->lock);
    for (;;) {
        struct vrv_store_call *c = take(w, me->class);

        if (c == NULL && w->stop)
            break;
        if (c == NULL) {
            vrv_cond_wait(&w->wake, &w->lock);
            continue;
        }
        vrv_unlock(&w->lock);
        run(me, c);
        vrv_lock(&w->lock);
    }
    me->gone = true;
    w->gone++;
    (void)pthread_cond_broadcast(&w->left);
    vrv_unlock(&w->lock);
    return NULL;
}

static void *
watcher_main(void *ctx)
{
    struct vrv_workers *w = ctx;

    vrv_thread_give_way();
    vrv_lock(&w->lock);
    while (!w->stop) {
        struct timespec until;

        vrv_deadline(&until, LOOK_MS);
        w->rests = w->calls == 0;
        if (w->rests)
            vrv_cond_wait(&w->watch, &w->lock);
        else
            (void)vrv_cond_wait_until(&w->watch, &w->lock, &until);
        vrv_unlock(&w->lock);
        vrv__workers_give_up(w);
        vrv_lock(&w->lock);
    }
    vrv_unlock(&w->lock);
    return NULL;
}

/* ---- for all ---- */

void
vrv_workers_submit(struct vrv_workers *w, struct vrv_store_call *c)
{
    struct vrv_workers_queue *q = &w->queue[c->lane];

    vrv_lock(&w->lock);
    *q->tail = c;
    q->tail = &c->next;
    w->calls++;
    (void)pthread_cond_broadcast(&w->wake);
    if (w->rests)
        (void)pthread_cond_signal(&w->watch);
    w->rests = false;
    vrv_unlock(&w->lock);
}

void
vrv_workers_cancel(struct vrv_workers *w, struct vrv_store_call *c)
{
    int64_t soon = vrv__workers_now(w) + CANCEL_MS * MS;

    vrv_lock(&w->lock);
    c->cancelled = true;
    if (w->o.hangs && soon < c->deadline_ns)
        c->deadline_ns = soon;
    vrv_unlock(&w->lock);
}

bool
vrv_workers_is_cancelled(struct vrv_workers *w, const struct vrv_store_call *c)
{
    vrv_lock(&w->lock);
    bool is = c->cancelled;
    vrv_unlock(&w->lock);
    return is;
}

void
vrv_workers_expire(struct vrv_workers *w)
{
    int64_t now = w->o.clock->mono_ns(w->o.clock);

    for (int i = 0; i < VRV_STORE_CLASSES; i++) {
        vrv_lock(&w->lock);
        struct vrv_store_call *late = take_late(&w->queue[i], now), *next;
        vrv_unlock(&w->lock);
        for (; late != NULL; late = next) {
            next = late->next;
            answer(w, late, check(w, late));
        }
    }
}

bool
vrv_workers_step(struct vrv_workers *w)
{
    vrv_lock(&w->lock);
    struct vrv_store_call *c = w->n == 0 ? take(w, ANY) : NULL;
    vrv_unlock(&w->lock);
    if (c != NULL)
        run(&w->v[0], c);
    return c != NULL;
}

/* ---- all ---- */

/* Those that hang are left alone. */
static bool
end_threads(struct vrv_workers *w)
{
    struct timespec until;
    bool all = true;

    vrv_deadline(&until, STOP_MS);
    vrv_lock(&w->lock);
    w->stop = true;
    (void)pthread_cond_broadcast(&w->wake);
    (void)pthread_cond_broadcast(&w->watch);
    while (w->o.hangs && w->gone < w->n && vrv_cond_wait_until(&w->left, &w->lock, &until))
        ;
    vrv_unlock(&w->lock);
    for (unsigned i = 0; i < w->n; i++) {
        vrv_lock(&w->lock);
        bool hangs = w->o.hangs && !w->v[i].gone;
        vrv_unlock(&w->lock);
        all = all && !hangs;
        (void)(hangs ? pthread_detach(w->v[i].thread) : pthread_join(w->v[i].thread, NULL));
    }
    if (w->watches)
        (void)pthread_join(w->watcher, NULL);
    return all;
}

bool
vrv_workers_stop(struct vrv_workers **at)
{
    struct vrv_workers *w = *at;

    if (w == NULL)
        return true;
    *at = NULL;
    if (!end_threads(w))
        return false;
    for (int i = 0; i < VRV_STORE_CLASSES; i++)
        VRV_ASSERT(w->queue[i].head == NULL);
    for (unsigned i = 0; i <= w->n; i++)
        free(w->v[i].piece);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_cond_destroy(&w->watch);
    (void)pthread_cond_destroy(&w->left);
    vrv_lock_fini(&w->lock);
    free(w->v);
    free(w->what);
    free(w);
    return true;
}

static int
start_some(struct vrv_workers *w, int class, unsigned n, struct vrv_err *e)
{
    for (unsigned i = 0; i < n; i++) {
        struct vrv_worker *me = &w->v[w->n];

        *me = (struct vrv_worker){ .all = w, .class = class };
        int rc = vrv_thread_start(&me->thread, "varve-store", worker_main, me, e);
        if (rc < 0)
            return rc;
        w->n++;
    }
    return 0;
}

int
vrv_workers_start(struct vrv_workers **out, const struct vrv_workers_opts *o, struct vrv_err *e)
{
    struct vrv_workers *w = vrv_mem_zero(sizeof(*w));
    unsigned n = o->any;

    w->o = *o;
    w->what = vrv_mem_strdup(o->what);
    vrv_lock_init(&w->lock, VRV_LOCK_store);
    vrv_cond_init(&w->wake);
    vrv_cond_init(&w->watch);
    vrv_cond_init(&w->left);
    for (int i = 0; i < VRV_STORE_CLASSES; i++) {
        w->queue[i].tail = &w->queue[i].head;
        n += o->own[i];
    }
    w->v = vrv_mem_zero((n + 1) * sizeof(*w->v));
    w->v[n].all = w;
    int rc = start_some(w, ANY, o->any, e);
    for (int i = 0; i < VRV_STORE_CLASSES && rc == 0; i++)
        rc = start_some(w, i, o->own[i], e);
    if (rc == 0 && o->hangs && n > 0) {
        rc = vrv_thread_start(&w->watcher, "varve-store", watcher_main, w, e);
        w->watches = rc == 0;
    }
    if (rc < 0)
        (void)vrv_workers_stop(&w);
    *out = w;
    return rc;
}
