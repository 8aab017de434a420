/*
 * What becomes of requests on real sockets, by many threads: answers in order, ends of connections,
 * a drain, peers that don't read, ranges of files.
 */
#include "t/lib/netrig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/varve_int.h"
#include "t/lib/tap.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

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
        netrig_send(s->fd, first, n);
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

    netrig_up_one();
    for (unsigned i = 0; i < CLIENTS; i++) {
        s[i] = (struct sender){ netrig_client(0), 2500, i };
        (void)pthread_create(&thread[i], NULL, send_many, &s[i]);
    }
    for (int i = 0; i < CLIENTS; i++) {
        struct vrv_rand rand = { s[i].seed };

        for (int k = 0; k < s[i].n; k++) {
            char first;
            size_t n;

            nth(&rand, &first, &n);
            wrong += !netrig_echoed(s[i].fd, first, n);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        (void)pthread_join(thread[i], NULL);
    IS(wrong, 0, "10,000 requests without waiting, done by many threads, answered in order");
    IS(netrig_stats().frames, 10000, "... and counted");
    for (int i = 0; i < CLIENTS; i++)
        (void)close(s[i].fd);
    netrig_wait_connections(0);
    IS(netrig_stats().closed, CLIENTS, "connections whose peer left are closed");
    netrig_down("pipelined");
}

static void
test_half_closed(void)
{
    netrig_up_one();
    int fd = netrig_client(0);

    netrig_send(fd, 't', 10);
    netrig_send(fd, 'a', 10);
    (void)shutdown(fd, SHUT_WR);
    OK(netrig_echoed(fd, 't', 10) && netrig_echoed(fd, 'a', 10),
        "who sends no more still gets answers");
    OK(netrig_is_closed(fd), "... and is closed then");
    (void)close(fd);
    fd = netrig_client(0);
    netrig_send(fd, 'c', 10);
    OK(netrig_echoed(fd, 'c', 10) && netrig_is_closed(fd), "an answer that ends the connection");
    (void)close(fd);
    fd = netrig_client(0);
    OK(send(fd, "\xff\xff\xff\xff", 4, 0) == 4 && netrig_is_closed(fd), "bytes that are no frame");
    (void)close(fd);
    fd = netrig_client(0);
    netrig_send(fd, 'p', 10);
    netrig_send(fd, 'a', 10);
    struct linger hard = { .l_onoff = 1 };
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    (void)close(fd);
    netrig_wait_connections(0);
    OK(true, "one that is reset goes, with its calls");
    netrig_down("half-closed");

    netrig.opts.conn_calls = 1;
    netrig_up_one();
    fd = netrig_client(0);
    netrig_send(fd, 'p', 10);
    netrig_send(fd, 'p', 10);
    while (netrig_stats().full_requests == 0)
        netrig_wait();
    (void)shutdown(fd, SHUT_WR);
    OK(netrig_echoed(fd, 'p', 10), "that the peer sends no more is noticed while it isn't read");
    OK(netrig_echoed(fd, 'p', 10) && netrig_is_closed(fd), "... and what it had sent is answered");
    (void)close(fd);
    netrig_down("the end of what isn't read");
}

static void *
send_behind(void *ctx)
{
    netrig_send(*(const int *)ctx, 'c', 10);
    netrig_send(*(const int *)ctx, 'e', 300 * KIB);
    return NULL;
}

static void
test_last_answer(void)
{
    pthread_t thread;
    char c;

    netrig.opts.linger_ms = 60000;
    netrig_up_one();
    int fd = netrig_client(0);
    (void)pthread_create(&thread, NULL, send_behind, &fd);
    OK(netrig_echoed(fd, 'c', 10), "who keeps sending has its last answer");
    (void)pthread_join(thread, NULL);
    IS(recv(fd, &c, 1, 0), 0, "... and then the end, not a broken connection");
    IS(netrig_stats().connections, 1, "the other side waits for it to close");
    (void)close(fd);
    netrig_wait_connections(0);
    netrig_down("the last answer");
}

static void
test_drain(void)
{
    netrig.opts.linger_ms = 10; /* they close too late */
    netrig_up_one();
    int idle = netrig_client(0), busy = netrig_client(0);

    OK(netrig_is_served(idle), "a connection without a request");
    netrig_send(busy, 't', 5);
    while (netrig_stats().frames < 2)
        netrig_wait();
    OK(vrv_net_drain(netrig.net, 60000), "a drain waits for requests in service");
    OK(netrig_echoed(busy, 't', 5) && netrig_is_closed(busy), "... which are answered");
    OK(netrig_is_closed(idle), "... others are closed");
    int port = vrv_net_port(netrig.net, 0), late = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    OK(connect(late, (struct sockaddr *)&in, sizeof(in)) < 0, "... and nobody gets in");
    (void)close(late);
    (void)close(idle);
    (void)close(busy);
    netrig_down("drain");

    netrig_up_one();
    busy = netrig_client(0);
    netrig_send(busy, 'p', 5);
    while (netrig_stats().frames < 1)
        netrig_wait();
    OK(!vrv_net_drain(netrig.net, 1), "a drain ends at its deadline");
    netrig_down("drain without success");
    (void)close(busy);
}

enum { LARGE_N = 200, LARGE = 100 * KIB };

static void *
send_large(void *ctx)
{
    for (int i = 0; i < LARGE_N; i++)
        netrig_send(*(const int *)ctx, 'e', LARGE);
    return NULL;
}

static void
test_slow_reader(void)
{
    int wrong = 0;
    pthread_t thread;

    netrig.opts.conn_unsent_bytes = MIB;
    netrig_up_one();
    int fd = netrig_client(0), other = netrig_client(0);
    (void)pthread_create(&thread, NULL, send_large, &fd);
    while (netrig_stats().full_unsent == 0)
        netrig_wait();
    OK(netrig_stats().unsent_bytes < 2 * MIB, "a peer that reads nothing makes us hold little");
    OK(netrig_is_served(other), "... and disturbs nobody");
    for (int i = 0; i < LARGE_N; i++)
        wrong += !netrig_echoed(fd, 'e', LARGE);
    (void)pthread_join(thread, NULL);
    IS(wrong, 0, "... and has all its answers in the end");
    (void)close(fd);
    (void)close(other);
    netrig_down("slow reader");
}

static void
fill_log(struct varve *v)
{
    enum { N = 100, SIZE = 100 * KIB };
    struct varve_error e = { 0 };
    char *value = vrv_mem_zero(SIZE);
    struct varve_record r = { .timestamp = -1, .value = value, .value_len = SIZE };

    tap_need(varve_topic_create(v, "t", 1, NULL, 0, &e), e.message);
    struct varve_log *log = varve_partition(v, "t", 0, &e);
    for (int i = 0; i < N; i++) {
        memset(value, 'a' + i % 26, SIZE);
        tap_need(varve_append(log, &r, 1, NULL, &e), e.message);
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
    tap_need(varve_open(&v, dir, &o, NULL, &e), e.message);
    fill_log(v);
    tap_need(varve_close(&v, &e), e.message);
    tap_need(varve_open(&v, dir, &o, NULL, &e), e.message);
    netrig.log = varve_partition(v, "t", 0, &e)->log;
    return v;
}

/* False where the file system has no other place for it. */
static bool
forget_middle(struct vrv_slice *s)
{
    struct vrv_file *f;

    tap_need(vrv_seg_file_get(s->seg, &f, NULL), "a file that can't be opened");
    vrv_file_drop_cache(f, s->pos + s->n / 4, s->n / 2);
    bool forgotten = !vrv_file_resident(f, s->pos, s->n);
    vrv_seg_file_put(s->seg);
    return forgotten;
}

static void
test_files(void)
{
    struct varve *v = open_log();
    struct vrv_read r = { .max_bytes = 32 * MIB, .whole_first = true };
    uint8_t *want = vrv_mem_grow(NULL, 32 * MIB);
    size_t want_n = 0, n = 0;
    int wrong = 0;

    IS(vrv_read(netrig.log, &r, NULL), 0, "a log is read");
    OK(r.slice_n > 0 && r.slice[0].kind == VRV_SLICE_FILE && r.bytes > 9 * MIB,
        "... %zu bytes of it, from files", r.bytes);
    for (uint32_t i = 0; i < r.slice_n; i++) {
        ssize_t k = vrv_seg_pread(r.slice[i].seg, want + want_n, r.slice[i].n, r.slice[i].pos, 0,
            NULL);

        want_n += k > 0 ? (size_t)k : 0;
    }
    netrig_up_one();
    int fd = netrig_client(0);
    for (int i = 0; i < 5; i++) {
        netrig_send(fd, 'e', 10);
        netrig_send(fd, 'f', 10);
        netrig_send(fd, 'e', 10);
    }
    for (int i = 0; i < 5; i++) {
        wrong += !netrig_echoed(fd, 'e', 10);
        uint8_t *got = netrig_take(fd, &n);
        wrong += got == NULL || n != want_n + 4 || memcmp(got, want, want_n) != 0 ||
            memcmp(got + want_n, "end.", 4) != 0;
        free(got);
        wrong += !netrig_echoed(fd, 'e', 10);
    }
    IS(wrong, 0, "ranges of files are sent between other bytes, as they are");
    bool forgotten = forget_middle(&r.slice[0]);
    netrig_send(fd, 'f', 10);
    uint8_t *got = netrig_take(fd, &n);
    OK(got != NULL && n == want_n + 4 && memcmp(got, want, want_n) == 0,
        "also when part of them isn't in the page cache");
    free(got);
    OK(!forgotten || netrig_stats().loads > 0, "... by a thread that may wait for the disk");
    vrv_read_fini(&r);
    (void)close(fd);
    netrig_down("files");
    free(want);
    struct varve_error e;
    IS(varve_close(&v, &e), 0, "the engine closes: nothing refers to its files");
}

int
main(void)
{
    netrig_init();
    test_pipelined();
    test_half_closed();
    test_last_answer();
    test_drain();
    test_slow_reader();
    test_files();
    netrig_fini();
    return tap_done();
}
