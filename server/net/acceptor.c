#include "server/net/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "engine/os/thread.h"
#include "server/base/diag.h"
#include "server/net/loop.h"

enum { ACCEPT_BATCH = 64, PAUSE_MS = 100, POLLED = VRV_LISTENERS * VRV_LISTEN_SOCKETS + 1 };

static int64_t
now(const struct vrv_acceptor *a)
{
    return a->env->o.clock->mono_ns(a->env->o.clock);
}

/* ---- connections come back ---- */

static void
on_back(struct vrv_done *d)
{
    struct vrv_conn *c = VRV_LIST_OF(d, struct vrv_conn, done);
    struct vrv_acceptor *a = VRV_LIST_OF(d->cq, struct vrv_acceptor, cq);

    vrv_admit_end(&a->admit, c->peer.address, now(a));
    atomic_store(&a->connections, a->admit.n);
    c->magic = 0;
    free(c);
}

void
vrv__acceptor_back(struct vrv_acceptor *a, struct vrv_conn *c)
{
    c->done.cq = &a->cq;
    c->done.run = on_back;
    vrv_cq_post(&a->cq, &c->done, &c->done);
}

static void
close_listeners(struct vrv_acceptor *a)
{
    for (unsigned i = 0; i < a->listener_n; i++)
        vrv_listener_close(&a->listener[i]);
    a->closed = true;
}

static void
on_close(struct vrv_done *d)
{
    close_listeners(VRV_LIST_OF(d, struct vrv_acceptor, close));
}

static void
on_end(struct vrv_done *d)
{
    struct vrv_acceptor *a = VRV_LIST_OF(d, struct vrv_acceptor, end);

    close_listeners(a);
    a->ending = true;
}

void
vrv__acceptor_close(struct vrv_acceptor *a)
{
    a->close.run = on_close;
    vrv_cq_post(&a->cq, &a->close, &a->close);
}

void
vrv__acceptor_end(struct vrv_acceptor *a)
{
    a->end.run = on_end;
    vrv_cq_post(&a->cq, &a->end, &a->end);
}

/* ---- new ones ---- */

static void
on_begin(struct vrv_done *d)
{
    struct vrv_conn *c = VRV_LIST_OF(d, struct vrv_conn, done);

    vrv__loop_begin(c);
}

static struct vrv_reactor *
least_loaded(struct vrv_acceptor *a)
{
    struct vrv_reactor *best = NULL;

    for (unsigned i = 0; i < a->loop_n; i++) { /* from another one on each time */
        struct vrv_reactor *r = &a->loop[(a->next + i) % a->loop_n].r;

        if (best == NULL || atomic_load(&r->load) < atomic_load(&best->load))
            best = r;
    }
    a->next++;
    return best;
}

static void
hand_over(struct vrv_acceptor *a, int fd, const struct vrv_peer *peer)
{
    struct vrv_conn *c = VRV_NEW(struct vrv_conn);
    struct vrv_reactor *r = least_loaded(a);
    int on = 1, lowat = a->env->o.notsent_lowat;

    vrv__socket_buffers(fd, &a->env->o); /* a unix socket doesn't inherit them */
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* a unix socket refuses */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
    c->magic = VRV_CONN_MAGIC;
    c->fd = fd;
    c->peer = *peer;
    c->r = r;
    c->done.run = on_begin;
    (void)atomic_fetch_add(&r->load, 1);
    VRV_COUNT(a, accepted, 1);
    vrv_cq_post(&r->cq, &c->done, &c->done);
}

static void
refuse(struct vrv_acceptor *a, int fd, const struct vrv_peer *peer, enum vrv_admit_answer why)
{
    static const char *const text[] = { [VRV_ADMIT_TOTAL] = "too many connections",
        [VRV_ADMIT_ADDRESS] = "too many connections from this address",
        [VRV_ADMIT_RATE] = "too many new connections from this address" };

    if (why == VRV_ADMIT_TOTAL)
        VRV_COUNT(a, refused_full, 1);
    else if (why == VRV_ADMIT_ADDRESS)
        VRV_COUNT(a, refused_address, 1);
    else
        VRV_COUNT(a, refused_rate, 1);
    (void)close(fd);
    vrv_diag(VRV_EV_NET_REFUSED, VRV_STR("listener", peer->name), VRV_STR("peer", peer->text),
        VRV_STR("reason", text[why]));
}

static void
arrived(struct vrv_acceptor *a, unsigned listener, int fd, const struct sockaddr_storage *sa)
{
    const struct vrv_net_opts *o = &a->env->o;
    struct vrv_peer peer = { .listener = listener, .name = a->listener[listener].text.name };
    struct vrv_net_limits limits = o->conns;

    vrv__peer_set(&peer, sa);
    if (o->ops->limits != NULL)
        o->ops->limits(o->ctx, &peer, &limits);
    enum vrv_admit_answer answer = vrv_admit_ask(&a->admit, &limits, peer.address, now(a));
    if (answer != VRV_ADMIT_YES) {
        refuse(a, fd, &peer, answer);
        return;
    }
    atomic_store(&a->connections, a->admit.n);
    hand_over(a, fd, &peer);
}

/* Nothing can be accepted now: try again in a while, and don't spin meanwhile. */
static void
pause_a_while(struct vrv_acceptor *a)
{
    a->paused_until = now(a) + (int64_t)PAUSE_MS * 1000000;
}

static void
keep_reserve(struct vrv_acceptor *a)
{
    if (a->reserve < 0)
        a->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* No descriptor is left: the one that is kept for this takes a connection and closes it. */
static void
refuse_without_files(struct vrv_acceptor *a, int listener_fd)
{
    if (a->reserve >= 0) {
        (void)close(a->reserve);
        a->reserve = -1;
        int fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            VRV_COUNT(a, refused_files, 1);
            (void)close(fd);
        }
    }
    keep_reserve(a);
    if (a->reserve < 0)
        pause_a_while(a);
    vrv_diag(VRV_EV_NET_ACCEPT,
        VRV_STR("reason", "no file descriptor is left: raise the limit (ulimit -n)"));
}

/* False: there is none, or none can be taken. */
static bool
accept_one(struct vrv_acceptor *a, unsigned listener, int listener_fd)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t len = sizeof(sa);
    int fd = accept4(listener_fd, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) {
        keep_reserve(a); /* it may have been lost when there were none */
        arrived(a, listener, fd, &sa);
        return true;
    }
    switch (errno) {
    case EMFILE:
    case ENFILE:
        refuse_without_files(a, listener_fd);
        return false;
    case EAGAIN:
        return false;
    case EINTR:
    case ECONNABORTED:
        return true;
    default: /* of the network, or no kernel memory */
        vrv_diag(VRV_EV_NET_ACCEPT, VRV_STR("reason", strerror(errno)));
        pause_a_while(a);
        return false;
    }
}

/* ---- the thread ---- */

struct polled {
    struct pollfd fd[POLLED];
    unsigned listener[POLLED];
    nfds_t n;
};

static void
wait_for_some(struct vrv_acceptor *a, struct polled *p)
{
    int64_t pause = a->paused_until - now(a);
    bool paused = pause > 0;

    p->fd[0] = (struct pollfd){ .fd = a->cq.fd, .events = POLLIN };
    p->n = 1;
    for (unsigned i = 0; i < a->listener_n && !paused; i++) {
        for (unsigned k = 0; k < a->listener[i].fd_n; k++) {
            p->fd[p->n] = (struct pollfd){ .fd = a->listener[i].fd[k], .events = POLLIN };
            p->listener[p->n++] = i;
        }
    }
    (void)poll(p->fd, p->n, paused ? (int)(pause / 1000000) + 1 : -1);
}

static void
take_posted(struct vrv_acceptor *a)
{
    struct vrv_done *d;
    uint64_t count;
    ssize_t n = read(a->cq.fd, &count, sizeof(count));

    (void)n;
    while ((d = vrv_cq_take(&a->cq, 0)) != NULL)
        d->run(d);
    if (a->closed && a->admit.n == 0 && !a->idle_told) {
        a->idle_told = true;
        vrv_cq_post(a->idle, &a->idle_done, &a->idle_done);
    }
}

static void *
acceptor_main(void *ctx)
{
    struct vrv_acceptor *a = ctx;
    struct polled p;

    while (!a->ending || a->admit.n > 0) {
        wait_for_some(a, &p);
        take_posted(a);
        for (nfds_t i = 1; i < p.n && !a->closed; i++) {
            int batch = (p.fd[i].revents & POLLIN) != 0 ? ACCEPT_BATCH : 0;

            while (batch-- > 0 && accept_one(a, p.listener[i], p.fd[i].fd))
                ;
        }
    }
    if (a->reserve >= 0)
        (void)close(a->reserve);
    vrv_admit_fini(&a->admit);
    return NULL;
}

int
vrv__acceptor_start(struct vrv_acceptor *a, struct vrv_err *e)
{
    vrv_admit_init(&a->admit);
    a->reserve = -1;
    keep_reserve(a);
    return vrv_thread_start(&a->thread, "varve-accept", acceptor_main, a, e);
}
