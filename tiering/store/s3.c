/* The S3 store: its calls, its thread, and how both end. */
#include "tiering/store/s3.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/thread.h"
#include "tiering/store/s3_int.h"

static struct vrv__s3 *
s3_of(struct vrv_store *s)
{
    return VRV_LIST_OF(s, struct vrv__s3, store);
}

/* ---- operations ---- */

static void
free_op(struct vrv__s3_op *op)
{
    vrv_http_free(&op->http);
    free(op->body);
    free(op->buf);
    free(op->stale);
    free(op);
}

void
vrv__s3_finish(struct vrv__s3_op *op, int status)
{
    struct vrv__s3 *s3 = op->s3;
    struct vrv_store_call *c = op->call;

    c->status = status;
    if (status < 0)
        c->err.code = status;
    vrv_lock(&s3->lock);
    vrv_list_del(&op->link);
    op->posted = true;
    bool cancelling = op->cancelling;
    vrv_unlock(&s3->lock);
    vrv_cq_post(c->done.cq, &c->done, &c->done);
    if (!cancelling) /* else it is in the queue */
        free_op(op);
}

static void
begin(struct vrv_done *d)
{
    static void (*const ops[VRV_STORE_OPS])(struct vrv__s3_op *op) = {
        [VRV_STORE_PUT] = vrv__s3_put, [VRV_STORE_BEGIN] = vrv__s3_begin,
        [VRV_STORE_PART_N] = vrv__s3_part, [VRV_STORE_END] = vrv__s3_end,
        [VRV_STORE_ABORT] = vrv__s3_abort, [VRV_STORE_GET] = vrv__s3_get,
        [VRV_STORE_VERIFY] = vrv__s3_verify, [VRV_STORE_LIST] = vrv__s3_list,
        [VRV_STORE_DELETE] = vrv__s3_delete, [VRV_STORE_SWEEP] = vrv__s3_sweep };
    struct vrv__s3_op *op = VRV_LIST_OF(d, struct vrv__s3_op, begin);

    ops[op->call->op](op);
}

/* Its call was posted meanwhile, or will be soon. */
static void
cancel(struct vrv_done *d)
{
    struct vrv__s3_op *op = VRV_LIST_OF(d, struct vrv__s3_op, cancel);

    vrv_lock(&op->s3->lock);
    op->cancelling = false;
    vrv_unlock(&op->s3->lock);
    if (op->posted) {
        free_op(op);
        return;
    }
    op->cancelled = true;
    if (op->sending)
        vrv_http_cancel(op->s3->http, &op->http);
}

static void
s3_submit(struct vrv_store *s, struct vrv_store_call *c)
{
    struct vrv__s3 *s3 = s3_of(s);
    struct vrv__s3_op *op = vrv_mem_zero(sizeof(*op));

    op->s3 = s3;
    op->call = c;
    op->begin = (struct vrv_done){ .cq = &s3->cq, .run = begin };
    op->cancel = (struct vrv_done){ .cq = &s3->cq, .run = cancel };
    vrv_lock(&s3->lock);
    vrv_list_push(&s3->ops, &op->link);
    vrv_unlock(&s3->lock);
    vrv_cq_post(&s3->cq, &op->begin, &op->begin);
}

static void
s3_cancel(struct vrv_store *s, struct vrv_store_call *c)
{
    struct vrv__s3 *s3 = s3_of(s);

    vrv_lock(&s3->lock);
    for (struct vrv_list *l = s3->ops.next; l != &s3->ops; l = l->next) {
        struct vrv__s3_op *op = VRV_LIST_OF(l, struct vrv__s3_op, link);

        if (op->call == c && !op->cancelling) {
            op->cancelling = true;
            vrv_cq_post(&s3->cq, &op->cancel, &op->cancel);
        }
    }
    vrv_unlock(&s3->lock);
}

/* ---- the thread, or who steps instead ---- */

static void *
thread_main(void *ctx)
{
    struct vrv__s3 *s3 = ctx;

    vrv_thread_give_way();
    while (!s3->halted || !vrv_creds_end(s3->creds)) {
        struct vrv_done *d = vrv_cq_take(&s3->cq, -1);

        d->run(d);
    }
    return NULL;
}

static void
halt(struct vrv_done *d)
{
    VRV_LIST_OF(d, struct vrv__s3, halt)->halted = true;
}

static bool
s3_step(struct vrv_store *s)
{
    struct vrv__s3 *s3 = s3_of(s);
    struct vrv_done *d = s3->threads ? NULL : vrv_cq_take(&s3->cq, 0);

    if (d != NULL) {
        d->run(d);
        return true;
    }
    vrv_lock(&s3->lock);
    bool waiting = !s3->threads && !vrv_list_empty(&s3->ops);
    vrv_unlock(&s3->lock);
    if (waiting)
        (void)vrv_http_step(s3->http, 0);
    return waiting;
}

/* ---- all of it ---- */

static void
s3_upload_free(struct vrv_store *s, struct vrv_store_upload *u)
{
    vrv__s3_upload_free(s3_of(s), u);
}

static void
s3_describe(const struct vrv_store *s, char *out, size_t n)
{
    const struct vrv__s3 *s3 = (const struct vrv__s3 *)s;

    (void)snprintf(out, n, "S3 %s at %s", s3->url, s3->base);
}

static void
s3_close(struct vrv_store *s)
{
    struct vrv__s3 *s3 = s3_of(s);
    struct vrv_done *d;

    vrv_lock(&s3->lock);
    VRV_ASSERT(vrv_list_empty(&s3->ops));
    vrv_unlock(&s3->lock);
    if (s3->threads) {
        s3->halt = (struct vrv_done){ .cq = &s3->cq, .run = halt };
        vrv_cq_post(&s3->cq, &s3->halt, &s3->halt);
        (void)pthread_join(s3->thread, NULL);
    }
    while ((d = vrv_cq_take(&s3->cq, 0)) != NULL || !vrv_creds_end(s3->creds)) {
        if (d != NULL) /* cancelled late, or an answer with keys */
            d->run(d);
        else
            (void)vrv_http_step(s3->http, 1);
    }
    vrv__s3_free(s3);
}

static const struct vrv_store_ops s3_ops = {
    .submit = s3_submit,
    .cancel = s3_cancel,
    .step = s3_step,
    .upload_free = s3_upload_free,
    .describe = s3_describe,
    .close = s3_close,
};

int
vrv_store_s3(struct vrv_store **out, const struct vrv_store_s3_opts *o, struct vrv_err *e)
{
    struct vrv__s3 *s3;
    int rc = vrv__s3_new(&s3, o, e);

    *out = NULL;
    if (rc < 0)
        return rc;
    s3->store = (struct vrv_store){ .ops = &s3_ops,
        .caps = { .kind = "S3", .own_clock = true } };
    if (o->http.thread)
        rc = vrv_thread_start(&s3->thread, "varve-s3", thread_main, s3, e);
    if (rc < 0) {
        vrv__s3_free(s3);
        return rc;
    }
    s3->threads = o->http.thread;
    *out = &s3->store;
    return 0;
}
