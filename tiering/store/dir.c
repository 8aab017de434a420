/* The directory store: its queue, and the threads that do what is in it. */
#include "tiering/store/dir.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "engine/os/thread.h"
#include "tiering/store/dir_int.h"

static struct vrv__dir *
dir_of(struct vrv_store *s)
{
    return VRV_LIST_OF(s, struct vrv__dir, store);
}

/* The oldest call of the first class that has one, of the first n; NULL: there is none. */
static struct vrv_store_call *
take(struct vrv__dir *d, int n)
{
    for (int i = 0; i < n; i++) {
        struct vrv__dir_queue *q = &d->queue[i];
        struct vrv_store_call *c = q->head;

        if (c == NULL)
            continue;
        q->head = c->next;
        if (q->head == NULL)
            q->tail = &q->head;
        return c;
    }
    return NULL;
}

/* Nothing of a call that comes too late, or isn't wanted any more, is begun. */
static int
perform(struct vrv__dir *d, struct vrv_store_call *c)
{
    if (c->cancelled)
        return vrv_err_set(&c->err, VRV_E_CANCELLED, "cancelled");
    if (d->clock->mono_ns(d->clock) >= c->deadline_ns)
        return vrv_err_set(&c->err, VRV_E_UNREACHABLE, "%s: the disk is busy with other calls",
            d->path);
    int rc = vrv__dir_do(d, c);
    if (rc == VRV_E_READONLY)
        return vrv_err_prefix(&c->err, VRV_E_DENIED, "not allowed");
    return rc == VRV_E_NOMEM ? vrv_err_prefix(&c->err, VRV_E_BUSY, "no memory") : rc;
}

static void
run(struct vrv__dir *d, struct vrv_store_call *c)
{
    c->status = perform(d, c);
    vrv_cq_post(c->done.cq, &c->done, &c->done);
}

static void *
thread_main(void *ctx)
{
    struct vrv__dir *d = ctx;

    vrv_lock(&d->lock);
    /* the first of several is there for who waits for records */
    int classes = d->thread_begun++ == 0 && d->thread_wanted > 1 ? 1 : VRV_STORE_CLASSES;
    for (;;) {
        struct vrv_store_call *c = take(d, classes);

        if (c == NULL && d->stop)
            break;
        if (c == NULL) {
            vrv_cond_wait(&d->wake, &d->lock);
            continue;
        }
        vrv_unlock(&d->lock);
        run(d, c);
        vrv_lock(&d->lock);
    }
    vrv_unlock(&d->lock);
    return NULL;
}

static void
dir_submit(struct vrv_store *s, struct vrv_store_call *c)
{
    struct vrv__dir *d = dir_of(s);

    vrv_lock(&d->lock);
    struct vrv__dir_queue *q = &d->queue[c->lane];
    *q->tail = c;
    q->tail = &c->next;
    (void)pthread_cond_broadcast(&d->wake);
    vrv_unlock(&d->lock);
}

/* One that is being done is soon over. */
static void
dir_cancel(struct vrv_store *s, struct vrv_store_call *c)
{
    struct vrv__dir *d = dir_of(s);

    vrv_lock(&d->lock);
    for (struct vrv_store_call *q = d->queue[c->lane].head; q != NULL; q = q->next)
        if (q == c)
            c->cancelled = true;
    vrv_unlock(&d->lock);
}

static bool
dir_step(struct vrv_store *s)
{
    struct vrv__dir *d = dir_of(s);

    vrv_lock(&d->lock);
    struct vrv_store_call *c = d->thread_wanted == 0 ? take(d, VRV_STORE_CLASSES) : NULL;
    vrv_unlock(&d->lock);
    if (c != NULL)
        run(d, c);
    return c != NULL;
}

static void
dir_upload_free(struct vrv_store *s, struct vrv_store_upload *u)
{
    vrv__dir_upload_free(dir_of(s), u);
}

static void
dir_describe(const struct vrv_store *s, char *out, size_t n)
{
    const struct vrv__dir *d = (const struct vrv__dir *)s;

    (void)snprintf(out, n, "directory %s", d->path);
}

static void
dir_close(struct vrv_store *s)
{
    struct vrv__dir *d = dir_of(s);

    vrv_lock(&d->lock);
    for (int i = 0; i < VRV_STORE_CLASSES; i++)
        VRV_ASSERT(d->queue[i].head == NULL);
    d->stop = true;
    (void)pthread_cond_broadcast(&d->wake);
    vrv_unlock(&d->lock);
    for (unsigned i = 0; i < d->thread_n; i++)
        (void)pthread_join(d->threads[i], NULL);
    (void)pthread_cond_destroy(&d->wake);
    vrv_lock_fini(&d->lock);
    vrv_names_clear(&d->durable);
    vrv_names_clear(&d->broken);
    vrv_names_clear(&d->writing);
    free(d->threads);
    free(d->path);
    free(d);
}

static const struct vrv_store_ops dir_ops = {
    .submit = dir_submit,
    .cancel = dir_cancel,
    .step = dir_step,
    .upload_free = dir_upload_free,
    .describe = dir_describe,
    .close = dir_close,
};

int
vrv_store_dir(struct vrv_store **out, const struct vrv_store_dir_opts *o, struct vrv_err *e)
{
    struct vrv__dir *d = vrv_mem_zero(sizeof(*d));

    *out = NULL;
    d->store = (struct vrv_store){ .ops = &dir_ops,
        .caps = { .kind = "directory", .atomic_put = true, .atomic_end = true,
            .lists_at_once = true } };
    d->vfs = o->vfs;
    d->clock = o->clock;
    d->path = vrv_mem_strdup(o->path);
    for (int i = 0; i < VRV_STORE_CLASSES; i++)
        d->queue[i].tail = &d->queue[i].head;
    d->thread_wanted = o->threads;
    d->random = (struct vrv_rand){ o->random };
    vrv_lock_init(&d->lock, VRV_LOCK_store);
    vrv_cond_init(&d->wake);
    d->threads = vrv_mem_zero(o->threads * sizeof(*d->threads));
    for (; d->thread_n < o->threads; d->thread_n++) {
        int rc = vrv_thread_start(&d->threads[d->thread_n], "varve-store", thread_main, d, e);

        if (rc < 0) {
            dir_close(&d->store);
            return rc;
        }
    }
    *out = &d->store;
    return 0;
}
