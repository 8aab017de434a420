/* The whole of it: threads, real sockets, clients.
 *
 * The first byte of a request says what becomes of it: e echo at once, a echo by another thread,
 * t echo by a timer, p echo when the peer sends no more, f bytes of a log, c echo and close,
 * w which reactor it is on. */
#include "server/net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/varve_int.h"
#include "server/base/diag.h"
#include "server/base/pool.h"
#include "t/lib/simclock.h"
#include "t/lib/tap.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static struct vrv_slab_pool slabs;
static struct vrv_pool *pool;
static struct vrv_log *the_log;
static _Atomic int opened, freed, calls, local, accept_lines;
static struct vrv_net_opts opts;
static struct vrv_net *net;

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

static _Atomic unsigned per_address; /* 0: as the options say */

static void
on_limits(void *ctx, const struct vrv_peer *peer, struct vrv_net_limits *l)
{
    (void)ctx;
    if (atomic_load(&per_address) > 0 && peer->address[12] == 127)
        l->per_address = atomic_load(&per_address);
}

static void *
on_open(void *ctx, struct vrv_conn *conn, const struct vrv_peer *peer)
{
    struct user *u = VRV_NEW(struct user);

    (void)ctx;
    u->conn = conn;
    (void)atomic_fetch_add(&opened, 1);
    if (peer->local && peer->text[0] != '\0' && peer->name[0] == 'T')
        (void)atomic_fetch_add(&local, 1);
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

    if (vrv_read(the_log, &r, NULL) == 0) {
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
    (void)atomic_fetch_add(&calls, 1);
    vrv_call_begin(u->conn, &r->call);
    r->call.close = f->bytes[0] == 'c';
    if (f->bytes[0] == 'f') {
        add_log(&r->call.out);
    } else if (f->bytes[0] == 'w') {
        vrv_out_put(&r->call.out, "\0\0\0\1", 4);
        *vrv_out_room(&r->call.out, 1) = vrv_net_reactor_cq(u->conn) == vrv_net_cq(net, 1);
    } else {
        vrv_put_be32(vrv_out_room(&r->call.out, 4), (uint32_t)f->n);
        vrv_out_put(&r->call.out, f->bytes, f->n);
    }
    if (f->bytes[0] == 'a') {
        r->job = (struct vrv_job){ .work = on_work };
        r->job.done.cq = vrv_net_reactor_cq(u->conn);
        r->job.done.run = on_worked;
        vrv_pool_give(pool, &r->job);
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
on_sent(struct vrv_call *call)
{
    struct request *r = VRV_LIST_OF(call, struct request, call);

    vrv_out_fini(&call->out);
    free(r);
    (void)atomic_fetch_sub(&calls, 1);
}

static void
on_free(void *user)
{
    free(user);
    (void)atomic_fetch_add(&freed, 1);
}

static const struct vrv_net_ops ops = { on_limits, on_open, on_frame, on_ended, on_close, on_sent,
    on_free };

/* ---- clients ---- */

static int
connect_to(int fd, unsigned listener)
{
    const char *bound = vrv_net_bound(net, listener);
    struct sockaddr_in in = { .sin_family = AF_INET,
        .sin_port = htons((uint16_t)vrv_net_port(net, listener)) };
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

static int
client(unsigned listener)
{
    char first = vrv_net_bound(net, listener)[0];
    int fd = socket(first == '[' ? AF_INET6 : first == '/' ? AF_UNIX : AF_INET, SOCK_STREAM, 0);

    if (fd >= 0 && connect_to(fd, listener) < 0) {
        tap_note("connect: %s", strerror(errno));
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

static void
put_frame(int fd, char first, size_t n)
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

/* The body of the next answer, or NULL: the connection was closed. */
static uint8_t *
get_frame(int fd, size_t *n)
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

/* The next answer is this request's. */
static bool
echoed(int fd, char first, size_t n)
{
    size_t got = 0;
    uint8_t *b = get_frame(fd, &got);
    bool ok = b != NULL && got == n && b[0] == (uint8_t)first;

    for (size_t i = 1; ok && i < n; i++)
        ok = b[i] == (uint8_t)(i * 7 + n);
    free(b);
    return ok;
}

static bool
closed_by_server(int fd)
{
    char c;

    return recv(fd, &c, 1, 0) <= 0;
}

static void
wait_a_little(void)
{
    struct timespec ts = { .tv_nsec = 1000000 };

    (void)nanosleep(&ts, NULL);
}

static struct vrv_net_stats
stats(void)
{
    struct vrv_net_stats s;

    vrv_net_stats(net, &s);
    return s;
}

static void
wait_connections(uint64_t n)
{
    while (stats().connections != n)
        wait_a_little();
}

/* ---- set-up ---- */

static void
up(const char *const *listener, unsigned n)
{
    struct vrv_err e = { 0 };

    opts.listener = listener;
    opts.listener_n = n;
    opts.pool = &slabs;
    opts.ops = &ops;
    opts.reactors = 2;
    if (vrv_net_start(&net, &opts, &e) < 0) {
        (void)printf("Bail out! %s\n", e.msg);
        exit(1);
    }
}

static void
up_one(void)
{
    static const char *const one[] = { "T://127.0.0.1:0" };

    up(one, 1);
}

static void
down(const char *what)
{
    vrv_net_stop(&net);
    OK(atomic_load(&calls) == 0 && atomic_load(&opened) == atomic_load(&freed),
        "%s: nothing is left", what);
    vrv_net_opts_default(&opts);
}

/* The socket at our end of what a client's is connected to, or the one that listens at i. */
static int
other_end(int client_fd, unsigned i)
{
    struct sockaddr_in want = { 0 }, at = { 0 };
    socklen_t n = sizeof(want);
    bool accepted = client_fd >= 0;

    if (accepted)
        (void)getsockname(client_fd, (struct sockaddr *)&want, &n);
    for (int fd = 0; fd < 1024; fd++) {
        int listens = 0;
        socklen_t k = sizeof(listens);

        n = sizeof(at);
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &k) < 0 || listens == accepted)
            continue;
        if (accepted && getpeername(fd, (struct sockaddr *)&at, &n) == 0 &&
            at.sin_port == want.sin_port)
            return fd;
        if (!accepted && getsockname(fd, (struct sockaddr *)&at, &n) == 0 &&
            ntohs(at.sin_port) == vrv_net_port(net, i))
            return fd;
    }
    return -1;
}

static int
option_of(int fd, int option)
{
    int v = -1;
    socklen_t n = sizeof(v);

    (void)getsockopt(fd, SOL_SOCKET, option, &v, &n);
    return v;
}

/* ---- tests ---- */

static void
test_listeners(void)
{
    static char path[512];
    static const char *const three[] = { "T1://127.0.0.1:0", "T2://[::1]:0", path };

    (void)snprintf(path, sizeof(path), "T3://%s/socket", tap_dir());
    bool six = access("/proc/net/if_inet6", F_OK) == 0;
    static const char *const two[] = { "T1://localhost:0", path };
    opts.loopback_only = true;
    up(six ? three : two, six ? 3 : 2);
    for (unsigned i = 0; i < (six ? 3 : 2); i++) {
        int fd = client(i);

        put_frame(fd, 'e', 100);
        OK(echoed(fd, 'e', 100), "a request on %s", vrv_net_bound(net, i));
        (void)close(fd);
    }
    if (!six)
        tap_note("no IPv6 here");
    IS(atomic_load(&local), six ? 3 : 2, "all peers are known as local, with their listener");

    struct vrv_net *other;
    struct vrv_net_opts o = opts;
    struct vrv_err e = { 0 };
    char taken[64];
    const char *const again = taken, *const unix_again = path, *const all = "A://0.0.0.0:0",
                     *const away = "A://192.0.2.1:0", *const unknown = "A://no.such.invalid:1";
    (void)snprintf(taken, sizeof(taken), "A://127.0.0.1:%d", vrv_net_port(net, 0));
    o.listener = &again;
    o.listener_n = 1;
    IS(vrv_net_start(&other, &o, &e), VRV_E_ADDRESS, "a port that is taken: %s", e.msg);
    o.listener = &unix_again;
    IS(vrv_net_start(&other, &o, &e), VRV_E_ADDRESS, "a path that is taken: %s", e.msg);
    o.listener = &all;
    IS(vrv_net_start(&other, &o, &e), VRV_E_INVALID, "more than loopback: %s", e.msg);
    o.loopback_only = false;
    o.listener = &away;
    IS(vrv_net_start(&other, &o, &e), VRV_E_ADDRESS, "another machine's address: %s", e.msg);
    o.listener = &unknown;
    IS(vrv_net_start(&other, &o, &e), VRV_E_NOTFOUND, "an unknown host: %s", e.msg);
    down("listeners");
    OK(access(strstr(path, "://") + 3, F_OK) < 0, "the path of the socket is gone");
}

static void
test_stale_socket(void)
{
    static char text[512];
    static const char *const one[] = { text };
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct vrv_err e = { 0 };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(text, sizeof(text), "T://%s/stale", tap_dir());
    const char *path = strstr(text, "://") + 3;
    memcpy(un.sun_path, path, strlen(path));
    (void)bind(fd, (struct sockaddr *)&un, sizeof(un));
    (void)close(fd);
    up(one, 1);
    OK(access(path, F_OK) == 0, "what a killed server left behind is replaced");
    down("stale socket");
    FILE *f = fopen(path, "w");
    (void)fclose(f);
    opts.pool = &slabs;
    opts.ops = &ops;
    IS(vrv_net_start(&net, &opts, &e), VRV_E_INVALID, "no listener: %s", e.msg);
    opts.listener = one;
    opts.listener_n = 1;
    IS(vrv_net_start(&net, &opts, &e), VRV_E_ADDRESS, "a file is not: %s", e.msg);
    OK(access(path, F_OK) == 0, "... and it is still there");
    (void)unlink(path);
    vrv_net_opts_default(&opts);
}

static void
test_socket_options(void)
{
    struct tcp_info info = { 0 };
    socklen_t n = sizeof(info);

    up_one();
    int fd = client(0);
    put_frame(fd, 'e', 5);
    OK(echoed(fd, 'e', 5), "a connection");
    int send = option_of(other_end(fd, 0), SO_SNDBUF);
    int recv = option_of(other_end(fd, 0), SO_RCVBUF);
    (void)close(fd);
    down("the system's buffers");
    opts.backlog = 7;
    opts.send_buffer = 32 * KIB;
    opts.receive_buffer = 48 * KIB;
    up_one();
    fd = client(0);
    put_frame(fd, 'e', 5);
    OK(echoed(fd, 'e', 5), "a connection");
    IS(option_of(other_end(fd, 0), SO_SNDBUF), 64 * KIB, "the buffers are those asked for: sent");
    IS(option_of(other_end(fd, 0), SO_RCVBUF), 96 * KIB, "... received (the kernel doubles them)");
    OK(send != 64 * KIB && recv != 96 * KIB, "... otherwise the system's: %d, %d", send, recv);
    (void)getsockopt(other_end(-1, 0), IPPROTO_TCP, TCP_INFO, &info, &n);
    IS(info.tcpi_sacked, 7, "so many may wait to be accepted");
    (void)close(fd);
    down("socket options");
}

struct sender {
    int fd, n;
    uint64_t seed;
};

/* The n-th request of this seed. */
static void
nth(struct vrv_rand *rand, char *first, size_t *n)
{
    *first = "eaae"[vrv_rand_below(rand, 4)];
    *n = 1 + vrv_rand_below(rand, vrv_rand_below(rand, 50) == 0 ? 50000 : 200);
}

static void *
send_many(void *ctx)
{
    const struct sender *s = ctx;
    struct vrv_rand rand = { s->seed };
    char first;
    size_t n;

    for (int i = 0; i < s->n; i++) {
        nth(&rand, &first, &n);
        put_frame(s->fd, first, n);
    }
    return NULL;
}

static void
test_pipelined(void)
{
    enum { CLIENTS = 4 };
    struct sender s[CLIENTS];
    pthread_t thread[CLIENTS];
    int wrong = 0;

    up_one();
    for (unsigned i = 0; i < CLIENTS; i++) {
        s[i] = (struct sender){ client(0), 2500, i };
        (void)pthread_create(&thread[i], NULL, send_many, &s[i]);
    }
    for (int i = 0; i < CLIENTS; i++) {
        struct vrv_rand rand = { s[i].seed };

        for (int k = 0; k < s[i].n; k++) {
            char first;
            size_t n;

            nth(&rand, &first, &n);
            wrong += !echoed(s[i].fd, first, n);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        (void)pthread_join(thread[i], NULL);
    IS(wrong, 0, "10,000 requests without waiting, done by many threads, answered in order");
    IS(stats().frames, 10000, "... and counted");
    for (int i = 0; i < CLIENTS; i++)
        (void)close(s[i].fd);
    wait_connections(0);
    IS(stats().closed, CLIENTS, "connections whose peer left are closed");
    down("pipelined");
}

static void
test_half_closed(void)
{
    up_one();
    int fd = client(0);

    put_frame(fd, 't', 10);
    put_frame(fd, 'a', 10);
    (void)shutdown(fd, SHUT_WR);
    OK(echoed(fd, 't', 10) && echoed(fd, 'a', 10), "who sends no more still gets answers");
    OK(closed_by_server(fd), "... and is closed then");
    (void)close(fd);
    fd = client(0);
    put_frame(fd, 'c', 10);
    OK(echoed(fd, 'c', 10) && closed_by_server(fd), "an answer that ends the connection");
    (void)close(fd);
    fd = client(0);
    OK(send(fd, "\xff\xff\xff\xff", 4, 0) == 4 && closed_by_server(fd), "bytes that are no frame");
    (void)close(fd);
    fd = client(0);
    put_frame(fd, 'p', 10);
    put_frame(fd, 'a', 10);
    struct linger hard = { .l_onoff = 1 };
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    (void)close(fd);
    wait_connections(0);
    OK(true, "one that is reset goes, with its calls");
    down("half-closed");

    opts.conn_calls = 1;
    up_one();
    fd = client(0);
    put_frame(fd, 'p', 10);
    put_frame(fd, 'p', 10);
    while (stats().full_requests == 0)
        wait_a_little();
    (void)shutdown(fd, SHUT_WR);
    OK(echoed(fd, 'p', 10), "that the peer sends no more is noticed while it isn't read");
    OK(echoed(fd, 'p', 10) && closed_by_server(fd), "... and what it had sent is answered");
    (void)close(fd);
    down("the end of what isn't read");
}

static void *
send_behind(void *ctx)
{
    put_frame(*(const int *)ctx, 'c', 10);
    put_frame(*(const int *)ctx, 'e', 300 * KIB);
    return NULL;
}

static void
test_last_answer(void)
{
    pthread_t thread;
    char c;

    opts.linger_ms = 60000;
    up_one();
    int fd = client(0);
    (void)pthread_create(&thread, NULL, send_behind, &fd);
    OK(echoed(fd, 'c', 10), "who keeps sending has its last answer");
    (void)pthread_join(thread, NULL);
    IS(recv(fd, &c, 1, 0), 0, "... and then the end, not a broken connection");
    IS(stats().connections, 1, "the other side waits for it to close");
    (void)close(fd);
    wait_connections(0);
    down("the last answer");
}

static void
test_limits(void)
{
    int fd[4];

    opts.conns.total = 3;
    up_one();
    for (int i = 0; i < 4; i++)
        fd[i] = client(0);
    OK(closed_by_server(fd[3]), "too many connections: the last one is closed");
    IS(stats().refused_full, 1, "... and counted");
    put_frame(fd[0], 'e', 5);
    OK(echoed(fd[0], 'e', 5), "... the others go on");
    (void)close(fd[1]);
    wait_connections(2);
    (void)close(fd[3]);
    fd[1] = client(0);
    fd[3] = client(0);
    put_frame(fd[1], 'e', 5);
    OK(echoed(fd[1], 'e', 5), "one has gone: there is room again");
    for (int i = 0; i < 4; i++)
        (void)close(fd[i]);
    down("limits");
}

static void
test_limits_change(void)
{
    int fd[3];

    up_one();
    for (int i = 0; i < 2; i++) {
        fd[i] = client(0);
        put_frame(fd[i], 'e', 5);
        OK(echoed(fd[i], 'e', 5), "a connection");
    }
    atomic_store(&per_address, 1);
    fd[2] = client(0);
    OK(closed_by_server(fd[2]), "fewer are allowed now: a new one is closed");
    IS(stats().refused_address, 1, "... and counted");
    put_frame(fd[1], 'e', 5);
    OK(echoed(fd[1], 'e', 5), "... who is there stays");
    (void)close(fd[2]);
    atomic_store(&per_address, 3);
    fd[2] = client(0);
    put_frame(fd[2], 'e', 5);
    OK(echoed(fd[2], 'e', 5), "more are allowed now");
    for (int i = 0; i < 3; i++)
        (void)close(fd[i]);
    atomic_store(&per_address, 0);
    down("changing limits");
}

/* Which of two reactors serves it? */
static int
reactor_of(int fd)
{
    size_t n = 0;

    put_frame(fd, 'w', 1);
    uint8_t *b = get_frame(fd, &n);
    int i = b != NULL && n == 1 ? b[0] : -1;
    free(b);
    return i;
}

static void
test_least_loaded(void)
{
    enum { N = 8 };
    int fd[N], on[2] = { 0, 0 };

    up_one();
    for (int i = 0; i < N; i++) {
        fd[i] = client(0);
        on[reactor_of(fd[i])]++;
    }
    OK(on[0] == N / 2 && on[1] == N / 2, "connections are spread over the reactors");
    for (int i = 0; i < N; i++) {
        if (reactor_of(fd[i]) == 0) {
            (void)close(fd[i]);
            fd[i] = -1;
        }
    }
    wait_connections(N / 2);
    on[0] = on[1] = 0;
    for (int i = 0; i < N; i++) {
        if (fd[i] < 0) {
            fd[i] = client(0);
            on[reactor_of(fd[i])]++;
        }
    }
    OK(on[0] == N / 2 && on[1] == 0, "... new ones go to the one that has fewest");
    for (int i = 0; i < N; i++)
        (void)close(fd[i]);
    down("least loaded");
}

static void
limit_files(rlim_t n)
{
    struct rlimit l;

    (void)getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = n;
    (void)setrlimit(RLIMIT_NOFILE, &l);
}

/* New connections come while no descriptor is left; one that is there goes on. */
static void
without_files(int there)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), fill[64], fill_n = 0;
    uint64_t refused = stats().refused_files;
    struct rlimit old;

    (void)getrlimit(RLIMIT_NOFILE, &old);
    while (fill_n < 64 && (fill[fill_n] = dup(fd)) >= 0 && fill[fill_n] < fd)
        fill_n++;
    if (fill_n < 64 && fill[fill_n] >= 0)
        (void)close(fill[fill_n]);
    limit_files((rlim_t)fd + 1); /* all below are in use */
    OK(connect_to(fd, 0) == 0 && closed_by_server(fd), "without descriptors, new ones are closed");
    put_frame(there, 'e', 5);
    OK(echoed(there, 'e', 5), "... others go on");
    limit_files(old.rlim_cur);
    OK(stats().refused_files > refused, "... it is counted");
    while (fill_n > 0)
        (void)close(fill[--fill_n]);
    (void)close(fd);
}

static void
test_no_files(void)
{
    up_one();
    int there = client(0);
    put_frame(there, 'e', 5);
    OK(echoed(there, 'e', 5), "a connection");
    without_files(there);
    int fd = client(0);
    put_frame(fd, 'e', 5);
    OK(echoed(fd, 'e', 5), "with descriptors again, new ones are served");
    (void)close(fd);
    (void)close(there);
    down("no files");
}

/* Not even the reserve can be had: the clock stands, so the acceptor pauses until the test says. */
static void
test_accept_pauses(void)
{
    struct simclock clock;
    struct rlimit old;

    simclock_init(&clock, 1700000000000);
    opts.clock = &clock.clock;
    (void)getrlimit(RLIMIT_NOFILE, &old);
    up_one();
    int other = client(0), fd = socket(AF_INET, SOCK_STREAM, 0);
    put_frame(other, 'e', 5);
    OK(echoed(other, 'e', 5), "a connection");
    atomic_store(&accept_lines, 0);
    limit_files(3);
    OK(connect_to(fd, 0) == 0, "one that can't be accepted");
    while (atomic_load(&accept_lines) == 0)
        wait_a_little();
    (void)close(other);
    wait_connections(0); /* the acceptor was awake */
    IS(atomic_load(&accept_lines), 1, "... is not tried again and again");
    limit_files(old.rlim_cur);
    IS(stats().accepted, 1, "... nor taken");
    simclock_advance_ms(&clock, 100);
    put_frame(fd, 'e', 5);
    OK(echoed(fd, 'e', 5), "... until a while later");
    without_files(fd);
    (void)close(fd);
    wait_connections(0);
    down("accept pauses");
}

static void
test_drain(void)
{
    opts.linger_ms = 10; /* they close too late */
    up_one();
    int idle = client(0), busy = client(0);

    put_frame(idle, 'e', 5);
    OK(echoed(idle, 'e', 5), "a connection without a request");
    put_frame(busy, 't', 5);
    while (stats().frames < 2)
        wait_a_little();
    OK(vrv_net_drain(net, 60000), "a drain waits for requests in service");
    OK(echoed(busy, 't', 5) && closed_by_server(busy), "... which are answered");
    OK(closed_by_server(idle), "... others are closed");
    int port = vrv_net_port(net, 0), late = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    OK(connect(late, (struct sockaddr *)&in, sizeof(in)) < 0, "... and nobody gets in");
    (void)close(late);
    (void)close(idle);
    (void)close(busy);
    down("drain");

    up_one();
    busy = client(0);
    put_frame(busy, 'p', 5);
    while (stats().frames < 1)
        wait_a_little();
    OK(!vrv_net_drain(net, 1), "a drain ends at its deadline");
    down("drain without success");
    (void)close(busy);
}

enum { LARGE_N = 200, LARGE = 100 * KIB };

static void *
send_large(void *ctx)
{
    for (int i = 0; i < LARGE_N; i++)
        put_frame(*(const int *)ctx, 'e', LARGE);
    return NULL;
}

static void
test_slow_reader(void)
{
    int wrong = 0;
    pthread_t thread;

    opts.conn_unsent_bytes = MIB;
    up_one();
    int fd = client(0), other = client(0);
    (void)pthread_create(&thread, NULL, send_large, &fd);
    while (stats().full_unsent == 0)
        wait_a_little();
    OK(stats().unsent_bytes < 2 * MIB, "a peer that reads nothing makes us hold little");
    put_frame(other, 'e', 5);
    OK(echoed(other, 'e', 5), "... and disturbs nobody");
    for (int i = 0; i < LARGE_N; i++)
        wrong += !echoed(fd, 'e', LARGE);
    (void)pthread_join(thread, NULL);
    IS(wrong, 0, "... and has all its answers in the end");
    (void)close(fd);
    (void)close(other);
    down("slow reader");
}

static void
need(int rc, const struct varve_error *e)
{
    if (rc >= 0)
        return;
    (void)printf("Bail out! %s\n", e->message);
    exit(1);
}

static void
fill_log(struct varve *v)
{
    enum { N = 100, SIZE = 100 * KIB };
    struct varve_error e = { 0 };
    char *value = vrv_mem_zero(SIZE);
    struct varve_record r = { .timestamp = -1, .value = value, .value_len = SIZE };

    need(varve_topic_create(v, "t", 1, NULL, 0, &e), &e);
    struct varve_log *log = varve_partition(v, "t", 0, &e);
    for (int i = 0; i < N; i++) {
        memset(value, 'a' + i % 26, SIZE);
        need(varve_append(log, &r, 1, NULL, &e), &e);
    }
    free(value);
}

/* A log whose bytes are in files: what an engine finds that was stopped in order. */
static struct varve *
open_log(void)
{
    struct varve_error e = { 0 };
    struct varve_options o;
    struct varve *v;
    char dir[512];

    (void)snprintf(dir, sizeof(dir), "%s/data", tap_dir());
    varve_options_init(&o);
    o.memory_bytes = 64 * MIB;
    o.wal_bytes = 32 * MIB;
    need(varve_open(&v, dir, &o, NULL, &e), &e);
    fill_log(v);
    need(varve_close(&v, &e), &e);
    need(varve_open(&v, dir, &o, NULL, &e), &e);
    the_log = varve_partition(v, "t", 0, &e)->log;
    return v;
}

static void
test_files(void)
{
    struct varve *v = open_log();
    struct vrv_read r = { .max_bytes = 32 * MIB, .whole_first = true };
    uint8_t *want = vrv_mem_grow(NULL, 32 * MIB);
    size_t want_n = 0, n = 0;
    int wrong = 0;

    IS(vrv_read(the_log, &r, NULL), 0, "a log is read");
    OK(r.slice_n > 0 && r.slice[0].kind == VRV_SLICE_FILE && r.bytes > 9 * MIB,
        "... %zu bytes of it, from files", r.bytes);
    for (uint32_t i = 0; i < r.slice_n; i++) {
        ssize_t k = vrv_seg_pread(r.slice[i].seg, want + want_n, r.slice[i].n, r.slice[i].pos, 0,
            NULL);

        want_n += k > 0 ? (size_t)k : 0;
    }
    vrv_read_fini(&r);
    up_one();
    int fd = client(0);
    for (int i = 0; i < 5; i++) {
        put_frame(fd, 'e', 10);
        put_frame(fd, 'f', 10);
        put_frame(fd, 'e', 10);
    }
    for (int i = 0; i < 5; i++) {
        wrong += !echoed(fd, 'e', 10);
        uint8_t *got = get_frame(fd, &n);
        wrong += got == NULL || n != want_n + 4 || memcmp(got, want, want_n) != 0 ||
            memcmp(got + want_n, "end.", 4) != 0;
        free(got);
        wrong += !echoed(fd, 'e', 10);
    }
    IS(wrong, 0, "ranges of files are sent between other bytes, as they are");
    (void)close(fd);
    down("files");
    free(want);
    struct varve_error e;
    IS(varve_close(&v, &e), 0, "the engine closes: nothing refers to its files");
}

static void
drop_line(void *ctx, const char *line, size_t n)
{
    (void)ctx;
    (void)atomic_fetch_add(&accept_lines, memmem(line, n, "net.accept", 10) != NULL);
}

int
main(void)
{
    struct vrv_err e = { 0 };

    (void)signal(SIGPIPE, SIG_IGN);
    vrv_diag_to(drop_line, NULL, NULL);
    vrv_slab_pool_init(&slabs, 64 * MIB);
    vrv_net_opts_default(&opts);
    if (vrv_pool_start(&pool, "workers", 2, &e) < 0)
        tap_skip_all(false, "%s", e.msg);
    test_listeners();
    test_stale_socket();
    test_socket_options();
    test_pipelined();
    test_half_closed();
    test_last_answer();
    test_limits();
    test_limits_change();
    test_least_loaded();
    test_no_files();
    test_accept_pauses();
    test_drain();
    test_slow_reader();
    test_files();
    vrv_pool_stop(&pool);
    vrv_slab_pool_fini(&slabs);
    return tap_done();
}
