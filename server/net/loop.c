#include "server/net/loop.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/os/thread.h"
#include "server/net/acceptor.h"

enum { EVENTS = 256 };

static struct vrv_loop *
loop_of(const struct vrv_conn *c)
{
    return VRV_LIST_OF(c->r, struct vrv_loop, r);
}

/* ---- real sockets ---- */

static ssize_t
or_errno(ssize_t n)
{
    return n < 0 ? -errno : n;
}

static ssize_t
real_recv(struct vrv_conn *c, void *p, size_t n)
{
    return or_errno(recv(c->fd, p, n, MSG_DONTWAIT));
}

static ssize_t
real_send(struct vrv_conn *c, const struct iovec *iov, int n, bool more)
{
    struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };

    return or_errno(
        sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0)));
}

/* SIGPIPE can't be turned off here, but is blocked: engine/os/thread.c. */
static ssize_t
real_sendfile(struct vrv_conn *c, int fd, uint64_t pos, size_t n)
{
    off_t at = (off_t)pos;

    return or_errno(sendfile(c->fd, fd, &at, n));
}

static void
real_watch(struct vrv_conn *c, unsigned events)
{
    struct epoll_event ev = { .data.ptr = c };

    ev.events = ((events & VRV_SOCK_IN) != 0 ? (uint32_t)EPOLLIN : 0u) |
        ((events & VRV_SOCK_END) != 0 ? (uint32_t)EPOLLRDHUP : 0u) |
        ((events & VRV_SOCK_OUT) != 0 ? (uint32_t)EPOLLOUT : 0u);
    (void)epoll_ctl(loop_of(c)->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

static void
real_finish(struct vrv_conn *c)
{
    (void)shutdown(c->fd, SHUT_WR);
}

static void
real_close(struct vrv_conn *c)
{
    (void)close(c->fd);
    c->fd = -1;
}

static void
real_gone(struct vrv_conn *c)
{
    vrv__acceptor_back(loop_of(c)->acceptor, c);
}

static const struct vrv_sock_ops real_sock = { real_recv, real_send, real_sendfile, real_watch,
    real_finish, real_close, real_gone };

void
vrv__loop_begin(struct vrv_conn *c)
{
    struct epoll_event ev = { .data.ptr = c };
    /* Where this fails the kernel has no memory: nothing would ever be heard of the peer. */
    bool deaf = epoll_ctl(loop_of(c)->epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0;

    c->sock = &real_sock;
    vrv__conn_hold(c);
    vrv__conn_begin(c);
    if (deaf)
        vrv__conn_kill(c, "the kernel can't watch one more socket");
    vrv__conn_release(c);
}

/* ---- the thread ---- */

static void
on_event(struct vrv_conn *c, uint32_t events)
{
    vrv__conn_hold(c);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        if ((c->watched & VRV_SOCK_IN) != 0)
            vrv__conn_in(c);
        else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
            vrv__conn_gone(c);
    }
    if ((events & EPOLLRDHUP) != 0 && (c->watched & VRV_SOCK_END) != 0 &&
        c->state != VRV_CONN_DEAD)
        vrv__conn_ended(c);
    if ((events & EPOLLOUT) != 0 && c->state != VRV_CONN_DEAD)
        vrv__conn_out(c);
    vrv__conn_release(c);
}

/* How many there are; none are waited for where there is more to do. */
static int
wait_for_events(struct vrv_loop *l, struct epoll_event ev[EVENTS], bool more)
{
    struct vrv_reactor *r = &l->r;
    int ms = 0;

    if (!more) {
        vrv__reactor_clock(r);
        ms = vrv__reactor_wait_ms(r);
        vrv_idle_begin(&l->idle, r->now);
    }
    int n = epoll_wait(l->epoll, ev, EVENTS, ms);
    vrv__reactor_clock(r);
    if (!more)
        vrv_idle_end(&l->idle, r->now);
    return n;
}

static void *
loop_main(void *ctx)
{
    struct vrv_loop *l = ctx;
    struct epoll_event ev[EVENTS];
    bool more = false;

    while (!l->ending) {
        int n = wait_for_events(l, ev, more);

        for (int i = 0; i < n; i++) {
            if (ev[i].data.ptr != NULL) {
                on_event(ev[i].data.ptr, ev[i].events);
            } else { /* the queue: what is in it is taken by the turn */
                uint64_t count;
                ssize_t got = read(l->r.cq.fd, &count, sizeof(count));
                (void)got;
            }
        }
        more = vrv__reactor_turn(&l->r);
    }
    return NULL;
}

int
vrv__loop_init(struct vrv_loop *l, struct vrv_net_env *env, struct vrv_acceptor *a,
    struct vrv_err *e)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

    l->acceptor = a;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (vrv__reactor_init(&l->r, env, true) < 0 || l->epoll < 0 ||
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->r.cq.fd, &ev) < 0)
        return vrv_err_sys(e, "an event loop can't be made");
    return 0;
}

int
vrv__loop_start(struct vrv_loop *l, unsigned i, struct vrv_err *e)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "varve-net-%u", i % 1000);
    return vrv_thread_start(&l->thread, name, loop_main, l, e);
}

void
vrv__loop_fini(struct vrv_loop *l)
{
    vrv__reactor_fini(&l->r);
    if (l->epoll >= 0)
        (void)close(l->epoll);
}

static void
on_drain(struct vrv_done *d)
{
    vrv__reactor_drain(&VRV_LIST_OF(d, struct vrv_loop, drain)->r);
}

static void
on_kill(struct vrv_done *d)
{
    vrv__reactor_kill(&VRV_LIST_OF(d, struct vrv_loop, kill)->r);
}

static void
on_end(struct vrv_done *d)
{
    VRV_LIST_OF(d, struct vrv_loop, end)->ending = true;
}

static void
post(struct vrv_loop *l, struct vrv_done *d, void (*run)(struct vrv_done *d))
{
    d->run = run;
    vrv_cq_post(&l->r.cq, d, d);
}

void
vrv__loop_drain(struct vrv_loop *l)
{
    post(l, &l->drain, on_drain);
}

void
vrv__loop_kill(struct vrv_loop *l)
{
    post(l, &l->kill, on_kill);
}

void
vrv__loop_end(struct vrv_loop *l)
{
    post(l, &l->end, on_end);
}
