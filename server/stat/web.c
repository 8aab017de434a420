#include "server/stat/web.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/thread.h"
#include "server/net/listen.h"
#include "server/stat/web_conn.h"

enum {
    HTTP_MAGIC = 0x68747470,
    LINGER_MS = 2000,   /* for a peer to read the last answer, before what it still sends resets it */
    NO_FILES_MS = 100,  /* don't try to accept for so long when there are no descriptors */
    MS = 1000000,
};

/*
 *   READ ──a request is whole──► SEND ──sent──► READ, or where it ends: LINGER ──► free
 *
 * Whoever doesn't get on until `due` is gone.
 */
enum state { READ, SEND, LINGER };

struct client {
    struct client *next;
    int fd;
    enum state state;
    int64_t due_ns;
    struct vrv_web_conn c;
};

struct vrv_web {
    uint32_t magic;
    struct vrv_web_opts o;
    struct vrv_listener listener[VRV_LISTENERS];
    unsigned listener_n;
    int wake;                /* eventfd */
    _Atomic bool stop;
    bool running;
    pthread_t thread;
    /* the thread's */
    struct client *clients;  /* the newest first */
    unsigned client_n;
    int64_t accept_ns;       /* not before */
    struct pollfd fd[1 + VRV_LISTENERS * VRV_LISTEN_SOCKETS + VRV_WEB_CONNS_MAX];
};

void
vrv_web_opts_default(struct vrv_web_opts *o)
{
    *o = (struct vrv_web_opts){ .clock = vrv_clock_real(), .conns = 32, .head_ms = 10000,
        .idle_ms = 120000, .send_ms = 30000 };
}

static int64_t
now_ns(const struct vrv_web *h)
{
    return h->o.clock->mono_ns(h->o.clock);
}

/* ---- one client ---- */

static void
end(struct vrv_web *h, struct client *c)
{
    struct client **at = &h->clients;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    h->client_n--;
    (void)close(c->fd);
    vrv__web_conn_fini(&c->c);
    free(c);
}

static void
set_state(struct vrv_web *h, struct client *c, enum state s, int64_t ms)
{
    c->state = s;
    c->due_ns = now_ns(h) + ms * MS;
}

/* What is to be sent is sent as far as it goes; false: it is gone. */
static bool
send_some(struct client *c)
{
    while (c->c.sent < c->c.out.n) {
        ssize_t n = send(c->fd, c->c.out.p + c->c.sent, c->c.out.n - c->c.sent,
            MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        c->c.sent += (size_t)n;
    }
    return true;
}

/* Answers as long as there is something to answer and the peer takes it. */
static void
serve(struct vrv_web *h, struct client *c)
{
    while (vrv__web_step(&c->c, h->o.answer, h->o.ctx)) {
        if (c->state != SEND)
            set_state(h, c, SEND, h->o.send_ms);
        if (!send_some(c)) {
            end(h, c);
            return;
        }
        if (c->c.sent < c->c.out.n)
            return;
        if (!c->c.ends)
            set_state(h, c, READ, c->c.in_n > 0 ? h->o.head_ms : h->o.idle_ms);
    }
    if (c->c.ends && c->state != LINGER) {
        (void)shutdown(c->fd, SHUT_WR);
        set_state(h, c, LINGER, LINGER_MS);
    }
}

static void
receive(struct vrv_web *h, struct client *c)
{
    char waste[4096];
    bool lingers = c->state == LINGER, first = c->c.in_n == 0;
    char *to = lingers ? waste : c->c.in + c->c.in_n;
    size_t room = lingers ? sizeof(waste) : sizeof(c->c.in) - c->c.in_n;
    ssize_t n = recv(c->fd, to, room, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        end(h, c);
        return;
    }
    if (lingers)
        return;
    c->c.in_n += (size_t)n;
    if (first)
        set_state(h, c, READ, h->o.head_ms);
    serve(h, c);
}

/* ---- all of them ---- */

static bool
is_idle(const struct client *c)
{
    return c->state == LINGER || (c->state == READ && c->c.in_n == 0);
}

/* The one that has been here longest of those that want nothing. */
static struct client *
idle_client(struct vrv_web *h)
{
    struct client *found = NULL;

    for (struct client *c = h->clients; c != NULL; c = c->next)
        found = is_idle(c) ? c : found;
    return found;
}

static bool
may_accept(struct vrv_web *h)
{
    return now_ns(h) >= h->accept_ns && (h->client_n < h->o.conns || idle_client(h) != NULL);
}

static void
take_client(struct vrv_web *h, int listener)
{
    if (!may_accept(h))
        return;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            h->accept_ns = now_ns(h) + (int64_t)NO_FILES_MS * MS;
        return;
    }
    if (h->client_n == h->o.conns)
        end(h, idle_client(h));
    struct client *c = VRV_NEW(struct client);
    c->fd = fd;
    c->next = h->clients;
    h->clients = c;
    h->client_n++;
    set_state(h, c, READ, h->o.head_ms);
}

static void
drop_overdue(struct vrv_web *h)
{
    int64_t now = now_ns(h);

    for (struct client *c = h->clients, *next; c != NULL; c = next) {
        next = c->next;
        if (c->due_ns <= now)
            end(h, c);
    }
}

/* How long to wait: until the first is overdue, or accepting may go on; -1: for ever. */
static int
wait_ms(struct vrv_web *h)
{
    int64_t now = now_ns(h), due = h->accept_ns > now ? h->accept_ns : INT64_MAX;

    for (const struct client *c = h->clients; c != NULL; c = c->next)
        due = c->due_ns < due ? c->due_ns : due;
    if (due == INT64_MAX)
        return -1;
    return due <= now ? 0 : (int)((due - now) / MS + 1);
}

static void
watch(struct vrv_web *h, nfds_t *n, int fd, short events)
{
    h->fd[(*n)++] = (struct pollfd){ .fd = fd, .events = events };
}

/* The wake-up, listeners, then clients in their order. */
static nfds_t
watch_all(struct vrv_web *h, nfds_t *clients_at)
{
    nfds_t n = 0;
    bool accepts = may_accept(h);

    watch(h, &n, h->wake, POLLIN);
    for (unsigned i = 0; accepts && i < h->listener_n; i++)
        for (unsigned k = 0; k < h->listener[i].fd_n; k++)
            watch(h, &n, h->listener[i].fd[k], POLLIN);
    *clients_at = n;
    for (const struct client *c = h->clients; c != NULL; c = c->next)
        watch(h, &n, c->fd, c->state == SEND ? POLLOUT : POLLIN);
    return n;
}

static void
turn(struct vrv_web *h)
{
    nfds_t clients_at, at;
    nfds_t n = watch_all(h, &clients_at);

    if (poll(h->fd, n, wait_ms(h)) > 0) {
        at = clients_at;
        for (struct client *c = h->clients, *next; c != NULL; c = next) {
            short events = h->fd[at++].revents;

            next = c->next;
            if (events != 0 && c->state == SEND)
                serve(h, c);
            else if (events != 0)
                receive(h, c);
        }
        for (at = 1; at < clients_at; at++)
            if (h->fd[at].revents != 0)
                take_client(h, h->fd[at].fd);
    }
    drop_overdue(h);
}

static void *
http_main(void *ctx)
{
    struct vrv_web *h = ctx;

    while (!atomic_load(&h->stop))
        turn(h);
    return NULL;
}

/* ---- start and stop ---- */

int
vrv_web_start(struct vrv_web **out, const struct vrv_web_opts *o, struct vrv_err *e)
{
    struct vrv_web *h = VRV_NEW(struct vrv_web);
    struct vrv_net_opts net;
    int rc = 0;

    vrv_net_opts_default(&net);
    net.loopback_only = o->loopback_only;

    VRV_ASSERT(o->conns > 0 && o->conns <= VRV_WEB_CONNS_MAX && o->listener_n <= VRV_LISTENERS);
    *out = NULL;
    h->magic = HTTP_MAGIC;
    h->o = *o;
    h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->wake < 0)
        rc = vrv_err_sys(e, "an event descriptor can't be made");
    for (unsigned i = 0; rc == 0 && i < o->listener_n; i++) {
        rc = vrv_listener_open(&h->listener[i], o->listener[i], &net, e);
        h->listener_n += rc == 0;
    }
    h->o.listener = NULL; /* the caller's */
    if (rc == 0)
        rc = vrv_thread_start(&h->thread, "varve-web", http_main, h, e);
    h->running = rc == 0;
    if (rc < 0)
        vrv_web_stop(&h);
    *out = h;
    return rc;
}

void
vrv_web_stop(struct vrv_web **hp)
{
    struct vrv_web *h = *hp;

    if (h == NULL)
        return;
    VRV_CHECK(h, HTTP_MAGIC);
    if (h->running) {
        atomic_store(&h->stop, true);
        (void)eventfd_write(h->wake, 1);
        (void)pthread_join(h->thread, NULL);
    }
    while (h->clients != NULL)
        end(h, h->clients);
    for (unsigned i = 0; i < h->listener_n; i++)
        vrv_listener_close(&h->listener[i]);
    if (h->wake >= 0)
        (void)close(h->wake);
    h->magic = 0;
    free(h);
    *hp = NULL;
}

const char *
vrv_web_bound(const struct vrv_web *h, unsigned i)
{
    VRV_CHECK(h, HTTP_MAGIC);
    VRV_ASSERT(i < h->listener_n);
    return h->listener[i].bound;
}
