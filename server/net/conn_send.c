/*
 * Sending: the answers of a connection, in order, as many at once as fit.
 *
 * An answer is its own bytes and slices between them (server/base/out.h).  What is in memory goes
 * out in one gathered write over the borders of answers; a range of a file is sent by the kernel
 * from its page cache.  It was there when the answer was made; what has left it since, while the
 * peer was slow, goes through memory (conn_load.c).
 */
#include "server/net/net_int.h"

#include <errno.h>

#include "engine/base/assert.h"

enum { IOVS = 64 };

/* The next bytes of an answer that are of one kind. */
struct piece {
    const uint8_t *bytes;
    size_t n;
    const struct vrv_slice *file; /* not NULL: they are in a file, from pos on */
    uint64_t pos;
};

/* False: that was all. */
static bool
piece_at(const struct vrv_conn *c, const struct vrv_out *o, struct vrv_sent *at, struct piece *p)
{
    for (;; at->slice++, at->in_slice = 0) {
        size_t end = at->slice < o->slice_n ? o->slice[at->slice].at : o->n;

        if (at->own < end) {
            *p = (struct piece){ .bytes = o->own + at->own, .n = end - at->own };
            return true;
        }
        if (at->slice == o->slice_n)
            return false;
        const struct vrv_slice *s = &o->slice[at->slice].slice;
        if (at->in_slice == s->n)
            continue;
        *p = (struct piece){ .n = s->n - at->in_slice };
        if (s->kind == VRV_SLICE_FILE) {
            p->pos = s->pos + at->in_slice;
            p->bytes = vrv__load_at(c, s, p->pos, &p->n);
            p->file = p->bytes == NULL ? s : NULL;
        } else {
            p->bytes = s->bytes + at->in_slice;
        }
        return true;
    }
}

static void
skip(const struct vrv_out *o, struct vrv_sent *at, size_t n)
{
    size_t end = at->slice < o->slice_n ? o->slice[at->slice].at : o->n;

    if (at->own < end)
        at->own += n;
    else
        at->in_slice += n;
}

static struct vrv_call *
first(const struct vrv_conn *c)
{
    struct vrv_call *call = VRV_LIST_OF(c->calls.next, struct vrv_call, link);

    return vrv_list_empty(&c->calls) || !call->answered ? NULL : call;
}

/* So many bytes have left: answers that are sent go.  The connection may end here. */
static void
advance(struct vrv_conn *c, size_t n)
{
    struct vrv_call *call;
    struct piece p;

    while (c->state < VRV_CONN_LINGER && (call = first(c)) != NULL) {
        if (piece_at(c, &call->out, &c->sent, &p)) {
            if (n == 0)
                return;
            size_t k = n < p.n ? n : p.n;
            skip(&call->out, &c->sent, k);
            n -= k;
            continue;
        }
        bool close = call->close;
        c->sent = (struct vrv_sent){ 0 };
        vrv__load_drop(c);
        vrv__conn_drop(c, call);
        if (close)
            vrv__conn_close(c);
    }
}

/* What can be written at once, up to a range of a file: then *more. */
static int
gather(const struct vrv_conn *c, struct iovec *iov, size_t budget, bool *more)
{
    struct vrv_sent at = c->sent;
    int n = 0;

    *more = false;
    for (const struct vrv_list *l = c->calls.next; l != &c->calls; l = l->next) {
        const struct vrv_call *call = VRV_LIST_OF(l, struct vrv_call, link);
        struct piece p;

        if (!call->answered)
            break;
        while (piece_at(c, &call->out, &at, &p)) {
            *more = p.file != NULL;
            if (*more || n == IOVS || budget == 0)
                return n;
            size_t k = p.n < budget ? p.n : budget;
            iov[n++] = (struct iovec){ .iov_base = (void *)(uintptr_t)p.bytes, .iov_len = k };
            skip(&call->out, &at, k);
            budget -= k;
        }
        if (call->close)
            break;
        at = (struct vrv_sent){ 0 };
    }
    return n;
}

static ssize_t
send_file(struct vrv_conn *c, const struct piece *p, size_t budget)
{
    struct vrv_file *f;
    size_t n = p->n < budget ? p->n : budget;

    if (vrv_seg_file_get(p->file->seg, &f, NULL) < 0)
        return -EIO;
    int fd = vrv_file_fd(f);
    bool resident = fd >= 0 && vrv_file_resident(f, p->pos, n);
    ssize_t sent = resident ? c->sock->sendfile(c, fd, p->pos, n)
                            : vrv__load_begin(c, p->file, p->pos, p->n); /* as much as there is room for: not of this turn */
    vrv_seg_file_put(p->file->seg);
    return sent == 0 ? -EIO : sent; /* it ends before the range does */
}

static ssize_t
send_some(struct vrv_conn *c, size_t budget)
{
    struct iovec iov[IOVS];
    struct piece p;
    bool more;
    int n = gather(c, iov, budget, &more);

    if (n > 0)
        return c->sock->send(c, iov, n, more);
    bool any = piece_at(c, &first(c)->out, &c->sent, &p);
    VRV_ASSERT(any && p.file != NULL);
    return send_file(c, &p, budget);
}

void
vrv__conn_send_failed(struct vrv_conn *c)
{
    VRV_COUNT(c->r, send_failures, 1);
    vrv__conn_kill(c, "an answer could not be sent");
}

static void
failed(struct vrv_conn *c, ssize_t rc)
{
    if (rc == -EAGAIN || rc == -EINTR || rc == -EINPROGRESS) {
        c->blocked = rc == -EAGAIN;
    } else if (rc == -EPIPE || rc == -ECONNRESET) {
        vrv__conn_gone(c);
    } else {
        vrv__conn_send_failed(c);
    }
}

static bool
can_send(const struct vrv_conn *c)
{
    return c->state < VRV_CONN_LINGER && !c->blocked && !c->load.under_way && first(c) != NULL;
}

void
vrv__conn_send(struct vrv_conn *c)
{
    size_t budget = c->r->env->o.send_portion;

    vrv__conn_hold(c);
    if (!c->load.under_way)
        advance(c, 0);
    while (can_send(c) && budget > 0) {
        ssize_t n = send_some(c, budget);

        if (n < 0) {
            failed(c, n);
            continue;
        }
        VRV_COUNT(c->r, bytes_out, n);
        c->active_ns = c->r->now;
        c->answered = true;
        budget -= (size_t)n < budget ? (size_t)n : budget;
        advance(c, (size_t)n);
    }
    if (can_send(c))
        vrv__list_once(&c->r->to_send, &c->sending); /* others first */
    vrv__conn_settle(c);
    vrv__conn_release(c);
}
