#include "t/lib/netrig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/os/clock.h"
#include "server/base/diag.h"
#include "t/lib/tap.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

struct netrig netrig;

/* ---- the handler ---- */

struct user {
    struct vrv_conn *conn;
    struct request *pending;
    bool ended;
};

struct request {
    struct vrv_call call;
    struct vrv_job job;
    struct vrv_net_timer timer;
    struct request *next;
};

static void
on_limits(void *ctx, const struct vrv_peer *peer, struct vrv_net_limits *l)
{
    (void)ctx;
    if (atomic_load(&netrig.per_address) > 0 && peer->address[12] == 127)
        l->per_address = atomic_load(&netrig.per_address);
}

static void *
on_open(void *ctx, struct vrv_conn *conn, const struct vrv_peer *peer)
{
    struct user *u = VRV_NEW(struct user);

    (void)ctx;
    u->conn = conn;
    (void)atomic_fetch_add(&netrig.opened, 1);
    if (peer->local && peer->text[0] != '\0' && peer->name[0] == 'T')
        (void)atomic_fetch_add(&netrig.local, 1);
    return u;
}

static void
on_work(struct vrv_job *job)
{
    struct timespec ts = { .tv_nsec = (long)((uintptr_t)job / 64 % 7) * 10000 };

    (void)nanosleep(&ts, NULL);
}

static void
on_worked(struct vrv_done *d)
{
    vrv_call_done(&VRV_LIST_OF(d, struct request, job.done)->call);
}

static void
on_time(struct vrv_net_timer *t)
{
    vrv_call_done(&VRV_LIST_OF(t, struct request, timer)->call);
}

/* All of the log that is there, as file ranges, after their size. */
static void
add_log(struct vrv_out *out)
{
    uint8_t *size = vrv_out_room(out, 4);
    struct vrv_read r = { .max_bytes = 32 * MIB, .whole_first = true };

    if (vrv_read(netrig.log, &r, NULL) == 0) {
        for (uint32_t i = 0; i < r.slice_n; i++)
            vrv_out_take(out, &r.slice[i]);
    }
    r.slice_n = 0;
    vrv_out_put(out, "end.", 4);
    vrv_put_be32(size, (uint32_t)(out->slice_bytes + 4));
}

static int
on_frame(void *user, struct vrv_frame *f, struct vrv_err *e)
{
    struct user *u = user;
    struct request *r = VRV_NEW(struct request);

    (void)e;
    (void)atomic_fetch_add(&netrig.calls, 1);
    vrv_call_begin(u->conn, &r->call);
    r->call.close = f->bytes[0] == 'c';
    if (f->bytes[0] == 'f') {
        add_log(&r->call.out);
    } else if (f->bytes[0] == 'w') {
        vrv_out_put(&r->call.out, "\0\0\0\1", 4);
        *vrv_out_room(&r->call.out, 1) = vrv_net_reactor_cq(u->conn) == vrv_net_cq(netrig.net, 1);
    } else {
        vrv_put_be32(vrv_out_room(&r->call.out, 4), (uint32_t)f->n);
        vrv_out_put(&r->call.out, f->bytes, f->n);
    }
    if (f->bytes[0] == 'a') {
        r->job = (struct vrv_job){ .work = on_work };
        r->job.done.cq = vrv_net_reactor_cq(u->conn);
        r->job.done.run = on_worked;
        vrv_pool_give(netrig.pool, &r->job);
    } else if (f->bytes[0] == 't') {
        r->timer.run = on_time;
        vrv_net_timer(u->conn, &r->timer, vrv_clock_real()->mono_ns(NULL) + 20000000);
    } else if (f->bytes[0] == 'p' && !u->ended) {
        r->next = u->pending;
        u->pending = r;
    } else {
        vrv_call_done(&r->call);
    }
    return VRV_NET_TAKEN;
}

/* Nothing is worth waiting for any more. */
static void
on_ended(void *user)
{
    struct user *u = user;

    u->ended = true;
    while (u->pending != NULL) {
        struct request *r = u->pending;

        u->pending = r->next;
        vrv_call_done(&r->call);
    }
}

static void
on_close(void *user)
{
    on_ended(user);
}

static void
on_block(void *ctx, struct vrv_job *job)
{
    (void)ctx;
    vrv_pool_give(netrig.pool, job);
}

static void
on_sent(struct vrv_call *call)
{
    struct request *r = VRV_LIST_OF(call, struct request, call);

    vrv_out_fini(&call->out);
    free(r);
    (void)atomic_fetch_sub(&netrig.calls, 1);
}

static void
on_free(void *user)
{
    free(user);
    (void)atomic_fetch_add(&netrig.freed, 1);
}

static const struct vrv_net_ops ops = { on_limits, on_open, on_frame, on_ended, on_close,
    on_block, on_sent, on_free };

/* ---- clients ---- */

int
netrig_connect(int fd, unsigned listener)
{
    const char *bound = vrv_net_bound(netrig.net, listener);
    struct sockaddr_in in = { .sin_family = AF_INET,
        .sin_port = htons((uint16_t)vrv_net_port(netrig.net, listener)) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = in.sin_port,
        .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    struct sockaddr_un un = { .sun_family = AF_UNIX };

    if (bound[0] == '[')
        return connect(fd, (struct sockaddr *)&in6, sizeof(in6));
    if (bound[0] == '/') {
        memcpy(un.sun_path, bound, strlen(bound));
        return connect(fd, (struct sockaddr *)&un, sizeof(un));
    }
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, (struct sockaddr *)&in, sizeof(in));
}

int
netrig_client(unsigned listener)
{
    char first = vrv_net_bound(netrig.net, listener)[0];
    int fd = socket(first == '[' ? AF_INET6 : first == '/' ? AF_UNIX : AF_INET, SOCK_STREAM, 0);

    if (fd >= 0 && netrig_connect(fd, listener) < 0) {
        tap_note("connect: %s", strerror(errno));
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

void
netrig_send(int fd, char first, size_t n)
{
    uint8_t *b = vrv_mem_grow(NULL, n + 4);
    size_t sent = 0;

    for (size_t i = 0; i < n; i++)
        b[4 + i] = (uint8_t)(i * 7 + n);
    vrv_put_be32(b, (uint32_t)n);
    b[4] = (uint8_t)first;
    while (sent < n + 4) {
        ssize_t k = send(fd, b + sent, n + 4 - sent, MSG_NOSIGNAL);

        if (k < 0)
            break;
        sent += (size_t)k;
    }
    free(b);
}

static bool
get_bytes(int fd, void *p, size_t n)
{
    return recv(fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

uint8_t *
netrig_take(int fd, size_t *n)
{
    uint8_t head[4], *b;

    if (!get_bytes(fd, head, 4))
        return NULL;
    *n = vrv_get_be32(head);
    b = vrv_mem_grow(NULL, *n);
    if (!get_bytes(fd, b, *n)) {
        free(b);
        return NULL;
    }
    return b;
}

bool
netrig_echoed(int fd, char first, size_t n)
{
    size_t got = 0;
    uint8_t *b = netrig_take(fd, &got);
    bool ok = b != NULL && got == n && b[0] == (uint8_t)first;

    for (size_t i = 1; ok && i < n; i++)
        ok = b[i] == (uint8_t)(i * 7 + n);
    free(b);
    return ok;
}

bool
netrig_is_served(int fd)
{
    netrig_send(fd, 'e', 5);
    return netrig_echoed(fd, 'e', 5);
}

bool
netrig_is_closed(int fd)
{
    char c;

    return recv(fd, &c, 1, 0) <= 0;
}

void
netrig_wait(void)
{
    struct timespec ts = { .tv_nsec = 1000000 };

    (void)nanosleep(&ts, NULL);
}

struct vrv_net_stats
netrig_stats(void)
{
    struct vrv_net_stats s;

    vrv_net_stats(netrig.net, &s);
    return s;
}

void
netrig_wait_connections(uint64_t n)
{
    while (netrig_stats().connections != n)
        netrig_wait();
}

/* ---- the server ---- */

static void
drop_line(void *ctx, const char *line, size_t n)
{
    (void)ctx;
    (void)atomic_fetch_add(&netrig.accept_lines, memmem(line, n, "net.accept", 10) != NULL);
}

static void
defaults(void)
{
    vrv_net_opts_default(&netrig.opts);
    netrig.opts.pool = &netrig.slabs;
    netrig.opts.ops = &ops;
    netrig.opts.reactors = 2;
}

void
netrig_init(void)
{
    struct vrv_err e = { 0 };

    (void)signal(SIGPIPE, SIG_IGN);
    vrv_diag_to(drop_line, NULL, NULL);
    vrv_slab_pool_init(&netrig.slabs, 64 * MIB);
    if (vrv_pool_start(&netrig.pool, "workers", 2, &e) < 0)
        tap_skip_all(false, "%s", e.msg);
    defaults();
}

void
netrig_fini(void)
{
    vrv_pool_stop(&netrig.pool);
    vrv_slab_pool_fini(&netrig.slabs);
}

void
netrig_up(const char *const *listener, unsigned n)
{
    struct vrv_err e = { 0 };

    netrig.opts.listener = listener;
    netrig.opts.listener_n = n;
    tap_need(vrv_net_start(&netrig.net, &netrig.opts, &e), e.msg);
}

void
netrig_up_one(void)
{
    static const char *const one[] = { "T://127.0.0.1:0" };

    netrig_up(one, 1);
}

void
netrig_down(const char *what)
{
    vrv_net_stop(&netrig.net);
    OK(atomic_load(&netrig.calls) == 0 && atomic_load(&netrig.opened) == atomic_load(&netrig.freed),
        "%s: nothing is left", what);
    defaults();
}
