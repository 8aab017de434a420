/*
 * Who is let in: listeners, the sockets' options, limits, connections spread over reactors, and
 * what happens when no descriptor is left.
 */
#include "t/lib/netrig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "t/lib/simclock.h"
#include "t/lib/tap.h"

enum { KIB = 1024 };

static void
test_listeners(void)
{
    static char path[512];
    static const char *const three[] = { "T1://127.0.0.1:0", "T2://[::1]:0", path };

    (void)snprintf(path, sizeof(path), "T3://%s/socket", tap_dir());
    bool six = access("/proc/net/if_inet6", F_OK) == 0;
    static const char *const two[] = { "T1://localhost:0", path };
    netrig.opts.loopback_only = true;
    netrig_up(six ? three : two, six ? 3 : 2);
    for (unsigned i = 0; i < (six ? 3 : 2); i++) {
        int fd = netrig_client(i);

        netrig_send(fd, 'e', 100);
        OK(netrig_echoed(fd, 'e', 100), "a request on %s", vrv_net_bound(netrig.net, i));
        (void)close(fd);
    }
    if (!six)
        tap_note("no IPv6 here");
    IS(atomic_load(&netrig.local), six ? 3 : 2,
        "all peers are known as local, with their listener");

    struct vrv_net *other;
    struct vrv_net_opts o = netrig.opts;
    struct vrv_err e = { 0 };
    char taken[64];
    const char *const again = taken, *const unix_again = path, *const all = "A://0.0.0.0:0",
                     *const away = "A://192.0.2.1:0", *const unknown = "A://no.such.invalid:1";
    (void)snprintf(taken, sizeof(taken), "A://127.0.0.1:%d", vrv_net_port(netrig.net, 0));
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
    netrig_down("listeners");
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
    netrig_up(one, 1);
    OK(access(path, F_OK) == 0, "what a killed server left behind is replaced");
    netrig_down("stale socket");
    FILE *f = fopen(path, "w");
    (void)fclose(f);
    IS(vrv_net_start(&netrig.net, &netrig.opts, &e), VRV_E_INVALID, "no listener: %s", e.msg);
    netrig.opts.listener = one;
    netrig.opts.listener_n = 1;
    IS(vrv_net_start(&netrig.net, &netrig.opts, &e), VRV_E_ADDRESS, "a file is not: %s", e.msg);
    OK(access(path, F_OK) == 0, "... and it is still there");
    (void)unlink(path);
    netrig.opts.listener_n = 0;
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
            ntohs(at.sin_port) == vrv_net_port(netrig.net, i))
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

static void
test_socket_options(void)
{
    struct tcp_info info = { 0 };
    socklen_t n = sizeof(info);

    netrig_up_one();
    int fd = netrig_client(0);
    OK(netrig_is_served(fd), "a connection");
    int send = option_of(other_end(fd, 0), SO_SNDBUF);
    int recv = option_of(other_end(fd, 0), SO_RCVBUF);
    (void)close(fd);
    netrig_down("the system's buffers");
    netrig.opts.backlog = 7;
    netrig.opts.send_buffer = 32 * KIB;
    netrig.opts.receive_buffer = 48 * KIB;
    netrig_up_one();
    fd = netrig_client(0);
    OK(netrig_is_served(fd), "a connection");
    IS(option_of(other_end(fd, 0), SO_SNDBUF), 64 * KIB, "the buffers are those asked for: sent");
    IS(option_of(other_end(fd, 0), SO_RCVBUF), 96 * KIB, "... received (the kernel doubles them)");
    OK(send != 64 * KIB && recv != 96 * KIB, "... otherwise the system's: %d, %d", send, recv);
    (void)getsockopt(other_end(-1, 0), IPPROTO_TCP, TCP_INFO, &info, &n);
    IS(info.tcpi_sacked, 7, "so many may wait to be accepted");
    (void)close(fd);
    netrig_down("socket options");
}

static void
test_limits(void)
{
    int fd[4];

    netrig.opts.conns.total = 3;
    netrig_up_one();
    for (int i = 0; i < 4; i++)
        fd[i] = netrig_client(0);
    OK(netrig_is_closed(fd[3]), "too many connections: the last one is closed");
    IS(netrig_stats().refused_full, 1, "... and counted");
    OK(netrig_is_served(fd[0]), "... the others go on");
    (void)close(fd[1]);
    netrig_wait_connections(2);
    (void)close(fd[3]);
    fd[1] = netrig_client(0);
    fd[3] = netrig_client(0);
    OK(netrig_is_served(fd[1]), "one has gone: there is room again");
    for (int i = 0; i < 4; i++)
        (void)close(fd[i]);
    netrig_down("limits");
}

static void
test_limits_change(void)
{
    int fd[3];

    netrig_up_one();
    for (int i = 0; i < 2; i++) {
        fd[i] = netrig_client(0);
        OK(netrig_is_served(fd[i]), "a connection");
    }
    atomic_store(&netrig.per_address, 1);
    fd[2] = netrig_client(0);
    OK(netrig_is_closed(fd[2]), "fewer are allowed now: a new one is closed");
    IS(netrig_stats().refused_address, 1, "... and counted");
    OK(netrig_is_served(fd[1]), "... who is there stays");
    (void)close(fd[2]);
    atomic_store(&netrig.per_address, 3);
    fd[2] = netrig_client(0);
    OK(netrig_is_served(fd[2]), "more are allowed now");
    for (int i = 0; i < 3; i++)
        (void)close(fd[i]);
    atomic_store(&netrig.per_address, 0);
    netrig_down("changing limits");
}

/* Which of two reactors serves it? */
static int
reactor_of(int fd)
{
    size_t n = 0;

    netrig_send(fd, 'w', 1);
    uint8_t *b = netrig_take(fd, &n);
    int i = b != NULL && n == 1 ? b[0] : -1;
    free(b);
    return i;
}

static void
test_least_loaded(void)
{
    enum { N = 8 };
    int fd[N], on[2] = { 0, 0 };

    netrig_up_one();
    for (int i = 0; i < N; i++) {
        fd[i] = netrig_client(0);
        on[reactor_of(fd[i])]++;
    }
    OK(on[0] == N / 2 && on[1] == N / 2, "connections are spread over the reactors");
    for (int i = 0; i < N; i++) {
        if (reactor_of(fd[i]) == 0) {
            (void)close(fd[i]);
            fd[i] = -1;
        }
    }
    netrig_wait_connections(N / 2);
    on[0] = on[1] = 0;
    for (int i = 0; i < N; i++) {
        if (fd[i] < 0) {
            fd[i] = netrig_client(0);
            on[reactor_of(fd[i])]++;
        }
    }
    OK(on[0] == N / 2 && on[1] == 0, "... new ones go to the one that has fewest");
    for (int i = 0; i < N; i++)
        (void)close(fd[i]);
    netrig_down("least loaded");
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
    uint64_t refused = netrig_stats().refused_files;
    struct rlimit old;

    (void)getrlimit(RLIMIT_NOFILE, &old);
    while (fill_n < 64 && (fill[fill_n] = dup(fd)) >= 0 && fill[fill_n] < fd)
        fill_n++;
    if (fill_n < 64 && fill[fill_n] >= 0)
        (void)close(fill[fill_n]);
    limit_files((rlim_t)fd + 1); /* all below are in use */
    OK(netrig_connect(fd, 0) == 0 && netrig_is_closed(fd),
        "without descriptors, new ones are closed");
    OK(netrig_is_served(there), "... others go on");
    limit_files(old.rlim_cur);
    OK(netrig_stats().refused_files > refused, "... it is counted");
    while (fill_n > 0)
        (void)close(fill[--fill_n]);
    (void)close(fd);
}

static void
test_no_files(void)
{
    netrig_up_one();
    int there = netrig_client(0);
    OK(netrig_is_served(there), "a connection");
    without_files(there);
    int fd = netrig_client(0);
    OK(netrig_is_served(fd), "with descriptors again, new ones are served");
    (void)close(fd);
    (void)close(there);
    netrig_down("no files");
}

/* Not even the reserve can be had: the clock stands, so the acceptor pauses until the test says. */
static void
test_accept_pauses(void)
{
    struct simclock clock;
    struct rlimit old;

    simclock_init(&clock, 1700000000000);
    netrig.opts.clock = &clock.clock;
    (void)getrlimit(RLIMIT_NOFILE, &old);
    netrig_up_one();
    int other = netrig_client(0), fd = socket(AF_INET, SOCK_STREAM, 0);
    OK(netrig_is_served(other), "a connection");
    atomic_store(&netrig.accept_lines, 0);
    limit_files(3);
    OK(netrig_connect(fd, 0) == 0, "one that can't be accepted");
    while (atomic_load(&netrig.accept_lines) == 0)
        netrig_wait();
    (void)close(other);
    netrig_wait_connections(0); /* the acceptor was awake */
    IS(atomic_load(&netrig.accept_lines), 1, "... is not tried again and again");
    limit_files(old.rlim_cur);
    IS(netrig_stats().accepted, 1, "... nor taken");
    simclock_advance_ms(&clock, 100);
    OK(netrig_is_served(fd), "... until a while later");
    without_files(fd);
    (void)close(fd);
    netrig_wait_connections(0);
    netrig_down("accept pauses");
}

int
main(void)
{
    netrig_init();
    test_listeners();
    test_stale_socket();
    test_socket_options();
    test_limits();
    test_limits_change();
    test_least_loaded();
    test_no_files();
    test_accept_pauses();
    netrig_fini();
    return tap_done();
}
