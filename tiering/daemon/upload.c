#include "tiering/daemon/upload.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"

static const int64_t MS = 1000000;

struct vrv_upload_part {
    struct vrv_list link;
    struct vrv_upload *u;
    struct vrv_store_call call;
    struct iovec iov;
    unsigned number;
    size_t n;
    uint8_t bytes[VRV_STORE_PART];
};

static void go_on(struct vrv_upload *u);

/* ---- parts ---- */

static struct vrv_upload_part *
new_part(struct vrv_upload *u)
{
    struct vrv_upload_part *p = vrv_mem_grow(NULL, sizeof(*p));

    p->u = u;
    p->n = 0;
    p->number = u->part_n++;
    vrv_list_init(&p->link);
    return p;
}

static void
hold(const struct vrv_upload *u, size_t n)
{
    if (u->o->held != NULL)
        *u->o->held += n;
}

static void
free_part(struct vrv_upload_part *p)
{
    if (p->u->o->held != NULL)
        *p->u->o->held -= p->n;
    vrv_list_del(&p->link);
    free(p);
}

static void
free_waiting(struct vrv_upload *u)
{
    while (!vrv_list_empty(&u->waiting))
        free_part(VRV_LIST_OF(u->waiting.next, struct vrv_upload_part, link));
    u->waiting_n = 0;
    if (u->filling != NULL)
        free_part(u->filling);
    u->filling = NULL;
}

static void
close_part(struct vrv_upload *u)
{
    if (u->filling == NULL)
        return;
    vrv_list_push(&u->waiting, &u->filling->link);
    u->waiting_n++;
    u->filling = NULL;
}

void
vrv_upload_put(struct vrv_upload *u, const void *p, size_t n)
{
    const uint8_t *from = p;

    VRV_ASSERT(!u->ends);
    u->crc = vrv_crc32c(u->crc, p, n);
    u->size += n;
    hold(u, n);
    while (n > 0) {
        if (u->filling == NULL)
            u->filling = new_part(u);
        size_t room = VRV_STORE_PART - u->filling->n, k = n < room ? n : room;

        memcpy(u->filling->bytes + u->filling->n, from, k);
        u->filling->n += k;
        from += k;
        n -= k;
        if (u->filling->n == VRV_STORE_PART)
            close_part(u);
    }
    go_on(u);
}

bool
vrv_upload_is_full(const struct vrv_upload *u)
{
    return u->begun && u->waiting_n + u->sent_n >= u->o->parts;
}

int
vrv_upload_status(const struct vrv_upload *u)
{
    return u->status;
}

/* ---- calls ---- */

static void
fail(struct vrv_upload *u, const struct vrv_store_call *c)
{
    if (u->status == 0) {
        u->status = c->status;
        u->err = c->err;
    }
}

static struct vrv_store_call
call_of(struct vrv_upload *u, enum vrv_store_op op, void (*run)(struct vrv_done *d))
{
    struct vrv_clock *clock = u->o->clock;

    return (struct vrv_store_call){ .done = { .cq = u->o->cq, .run = run }, .op = op,
        .lane = VRV_STORE_UPLOAD, .key = u->key, .upload = u->upload, .size = u->size,
        .crc = u->crc, .deadline_ns = clock->mono_ns(clock) + u->o->call_ms * MS };
}

/* What it sends has time of its own, as a slow line may need. */
static void
submit(struct vrv_upload *u, struct vrv_store_call *c)
{
    c->deadline_ns += vrv_store_sending_ms(c, c->op) * MS;
    vrv_retry_submit(u->o->retry, c);
}

static void
call(struct vrv_upload *u, enum vrv_store_op op, void (*run)(struct vrv_done *d))
{
    u->call = call_of(u, op, run);
    u->calling = true;
    submit(u, &u->call);
}

static void
finished(struct vrv_upload *u)
{
    vrv_store_upload_free(u->o->store, &u->upload);
    free(u->iov);
    u->iov = NULL;
    free_waiting(u);
    u->run(u, u->status, &u->err);
}

static void
part_put(struct vrv_done *d)
{
    struct vrv_upload_part *p = VRV_LIST_OF(d, struct vrv_upload_part, call.done);
    struct vrv_upload *u = p->u;

    if (p->call.status < 0)
        fail(u, &p->call);
    u->sent_n--;
    free_part(p);
    if (!u->ends)
        u->room(u);
    go_on(u);
}

static void
send_part(struct vrv_upload *u)
{
    struct vrv_upload_part *p = VRV_LIST_OF(u->waiting.next, struct vrv_upload_part, link);

    vrv_list_del(&p->link);
    vrv_list_push(&u->sent, &p->link);
    u->waiting_n--;
    u->sent_n++;
    p->iov = (struct iovec){ p->bytes, p->n };
    p->call = call_of(u, VRV_STORE_PART_N, part_put);
    p->call.iov = &p->iov;
    p->call.iov_n = 1;
    p->call.size = p->n;
    p->call.crc = vrv_crc32c(0, p->bytes, p->n);
    p->call.part = p->number;
    submit(u, &p->call);
}

static void
verified(struct vrv_done *d)
{
    struct vrv_upload *u = VRV_LIST_OF(d, struct vrv_upload, call.done);

    if (u->call.status < 0)
        fail(u, &u->call);
    finished(u);
}

static void
written(struct vrv_done *d)
{
    struct vrv_upload *u = VRV_LIST_OF(d, struct vrv_upload, call.done);

    if (u->call.status < 0)
        fail(u, &u->call);
    if (u->status < 0)
        finished(u);
    else
        call(u, VRV_STORE_VERIFY, verified);
}

/* All parts in one call. */
static void
put_whole(struct vrv_upload *u)
{
    int n = 0;

    u->iov = vrv_mem_zero(u->waiting_n * sizeof(*u->iov));
    for (struct vrv_list *l = u->waiting.next; l != &u->waiting; l = l->next) {
        struct vrv_upload_part *p = VRV_LIST_OF(l, struct vrv_upload_part, link);

        u->iov[n++] = (struct iovec){ p->bytes, p->n };
    }
    u->call = call_of(u, VRV_STORE_PUT, written);
    u->call.iov = u->iov;
    u->call.iov_n = n;
    u->calling = true;
    submit(u, &u->call);
}

static void
begun(struct vrv_done *d)
{
    struct vrv_upload *u = VRV_LIST_OF(d, struct vrv_upload, call.done);

    u->calling = false;
    u->upload = u->call.upload;
    if (u->call.status < 0)
        fail(u, &u->call);
    if (!u->ends)
        u->room(u);
    go_on(u);
}

static void
aborted(struct vrv_done *d)
{
    finished(VRV_LIST_OF(d, struct vrv_upload, call.done));
}

static void
end_later(struct vrv_upload *u)
{
    u->call.done = (struct vrv_done){ .cq = u->o->cq, .run = aborted };
    vrv_cq_post(u->o->cq, &u->call.done, &u->call.done);
}

/* Nothing is under way, and nothing more comes.  Who is to stop waits for no ABORT, which a store
 * that hangs answers in minutes: the sweep of stale uploads removes what is left, later. */
static void
end(struct vrv_upload *u)
{
    u->ended = true;
    if (u->status < 0 && u->upload != NULL && !u->cancelled)
        call(u, VRV_STORE_ABORT, aborted);
    else if (u->status < 0)
        end_later(u);
    else if (u->begun)
        call(u, VRV_STORE_END, written);
    else
        put_whole(u);
}

/* What can be done now, is. */
static void
go_on(struct vrv_upload *u)
{
    bool many = u->size > u->o->put_max;

    if (u->status == 0 && many && !u->begun) {
        u->begun = true;
        call(u, VRV_STORE_BEGIN, begun);
    }
    while (u->status == 0 && u->upload != NULL && u->waiting_n > 0)
        send_part(u);
    if (u->ends && !u->ended && !u->calling && u->sent_n == 0)
        end(u);
}

void
vrv_upload_begin(struct vrv_upload *u)
{
    vrv_list_init(&u->waiting);
    vrv_list_init(&u->sent);
}

void
vrv_upload_end(struct vrv_upload *u, int status, const struct vrv_err *e)
{
    VRV_ASSERT(!u->ends);
    if (status < 0 && u->status == 0) {
        u->status = status;
        u->err = *e;
    }
    u->ends = true;
    close_part(u);
    go_on(u);
}

void
vrv_upload_cancel(struct vrv_upload *u)
{
    u->cancelled = true;
    if (u->status == 0)
        u->status = vrv_err_set(&u->err, VRV_E_CANCELLED, "it is to stop");
    for (struct vrv_list *l = u->sent.next; l != &u->sent; l = l->next)
        vrv_retry_cancel(u->o->retry, &VRV_LIST_OF(l, struct vrv_upload_part, link)->call);
    if (u->calling)
        vrv_retry_cancel(u->o->retry, &u->call);
}
