#include "tiering/store/workers.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/thread.h"

/* Of a thread: which class it is for. */
enum { ANY = VRV_STORE_CLASSES };

struct queue {
    struct vrv_store_call *head, **tail;
};

struct worker {
    struct vrv_workers *all;
    pthread_t thread;
    int class;
};

struct vrv_workers {
    struct vrv_workers_opts o;
    char *what;
    struct vrv_lock lock;      /* rank store: queues, whether calls are cancelled, stop */
    pthread_cond_t wake;
    struct queue queue[VRV_STORE_CLASSES];
    bool stop;
    struct worker *v;
    unsigned n;
};

/* ---- queues ---- */

static struct vrv_store_call *
take_from(struct queue *q)
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
take_late(struct queue *q, int64_t now)
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

static int
perform(struct vrv_workers *w, struct vrv_store_call *c)
{
    if (vrv_workers_is_cancelled(w, c))
        return vrv_err_set(&c->err, VRV_E_CANCELLED, "cancelled");
    if (w->o.clock->mono_ns(w->o.clock) >= c->deadline_ns)
        return vrv_err_set(&c->err, VRV_E_UNREACHABLE, "%s is busy with other calls", w->what);
    return w->o.run(w->o.ctx, c);
}

static void
run(struct vrv_workers *w, struct vrv_store_call *c)
{
    c->status = perform(w, c);
    vrv_cq_post(c->done.cq, &c->done, &c->done);
}

static void *
worker_main(void *ctx)
{
    struct worker *me = ctx;
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
        run(w, c);
        vrv_lock(&w->lock);
    }
    vrv_unlock(&w->lock);
    return NULL;
}

void
vrv_workers_submit(struct vrv_workers *w, struct vrv_store_call *c)
{
    struct queue *q = &w->queue[c->lane];

    vrv_lock(&w->lock);
    *q->tail = c;
    q->tail = &c->next;
    (void)pthread_cond_broadcast(&w->wake);
    vrv_unlock(&w->lock);
}

void
vrv_workers_cancel(struct vrv_workers *w, struct vrv_store_call *c)
{
    vrv_lock(&w->lock);
    c->cancelled = true;
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
            run(w, late);
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
        run(w, c);
    return c != NULL;
}

/* ---- all ---- */

void
vrv_workers_stop(struct vrv_workers **at)
{
    struct vrv_workers *w = *at;

    if (w == NULL)
        return;
    vrv_lock(&w->lock);
    for (int i = 0; i < VRV_STORE_CLASSES; i++)
        VRV_ASSERT(w->queue[i].head == NULL);
    w->stop = true;
    (void)pthread_cond_broadcast(&w->wake);
    vrv_unlock(&w->lock);
    for (unsigned i = 0; i < w->n; i++)
        (void)pthread_join(w->v[i].thread, NULL);
    (void)pthread_cond_destroy(&w->wake);
    vrv_lock_fini(&w->lock);
    free(w->v);
    free(w->what);
    free(w);
    *at = NULL;
}

static int
start_some(struct vrv_workers *w, int class, unsigned n, struct vrv_err *e)
{
    for (unsigned i = 0; i < n; i++) {
        struct worker *me = &w->v[w->n];

        *me = (struct worker){ .all = w, .class = class };
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
    for (int i = 0; i < VRV_STORE_CLASSES; i++) {
        w->queue[i].tail = &w->queue[i].head;
        n += o->own[i];
    }
    w->v = vrv_mem_zero((n + 1) * sizeof(*w->v));
    int rc = start_some(w, ANY, o->any, e);
    for (int i = 0; i < VRV_STORE_CLASSES && rc == 0; i++)
        rc = start_some(w, i, o->own[i], e);
    if (rc < 0)
        vrv_workers_stop(&w);
    *out = w;
    return rc;
}
