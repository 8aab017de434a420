/* What the kernel's TCP over loopback does alone: what a server on the first core and its client on
 * the second can't surpass. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"

enum { SERVER = 0, CLIENT = 1, TAKEN = 1 << 20 };

/* ---- a peer ---- */

static void
connect_to_self(struct sink *s)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(a);
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    s->to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l < 0 || bind(l, (struct sockaddr *)&a, n) < 0 || listen(l, 1) < 0 ||
        getsockname(l, (struct sockaddr *)&a, &n) < 0 ||
        connect(s->to, (struct sockaddr *)&a, n) < 0 || (s->from = accept(l, NULL, NULL)) < 0)
        die("loopback: %s", strerror(errno));
    (void)close(l);
}

static void *
sink_main(void *ctx)
{
    struct sink *s = ctx;
    char *buf = aligned(TAKEN);
    ssize_t n;

    pin_to(s->o, s->core);
    double c0 = cpu_thread();
    /* On TCP, TRUNC discards without a copy: what is measured is the sender. */
    while ((n = recv(s->from, buf, TAKEN, s->discards ? MSG_TRUNC : 0)) > 0)
        s->bytes += (size_t)n;
    s->cpu = cpu_thread() - c0;
    free(buf);
    return NULL;
}

void
sink_start(struct sink *s)
{
    connect_to_self(s);
    if (pthread_create(&s->thread, NULL, sink_main, s) != 0)
        die("no thread");
}

void
sink_stop(struct sink *s)
{
    (void)shutdown(s->to, SHUT_WR);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->to);
    (void)close(s->from);
}

void
send_range(int to, int fd, off_t pos, size_t n)
{
    off_t end = pos + (off_t)n;

    while (pos < end)
        if (sendfile(to, fd, &pos, (size_t)(end - pos)) < 0)
            die("sendfile: %s", strerror(errno));
}

/* ---- the limits ---- */

static void
send_for_seconds(const struct sink *s, const struct opts *o)
{
    char *buf = aligned(o->batch);
    int64_t until = now_ns() + (int64_t)(o->seconds * 1e9);

    fill_random(buf, o->batch, 1);
    while (now_ns() < until)
        for (size_t at = 0; at < o->batch;) {
            ssize_t n = write(s->to, buf + at, o->batch - at);

            if (n < 0)
                die("write: %s", strerror(errno));
            at += (size_t)n;
        }
    free(buf);
}

/* A file in the page cache, again and again. */
static void
send_file_for_seconds(const struct sink *s, const struct opts *o)
{
    enum { CACHED = 64 << 20 };
    char *buf = aligned(CACHED);
    int fd = file_open(o, "cached", O_TRUNC);

    fill_random(buf, CACHED, 1);
    file_write(fd, buf, CACHED, 0);
    free(buf);
    int64_t until = now_ns() + (int64_t)(o->seconds * 1e9);
    while (now_ns() < until)
        for (size_t at = 0; at < CACHED; at += o->batch)
            send_range(s->to, fd, (off_t)at, CACHED - at < o->batch ? CACHED - at : o->batch);
    (void)close(fd);
    dir_remove(o->dir);
}

/* The server's CPU alone: the client's is nobody's merit. */
static void
run_pair(const struct opts *o, int sender,
    void (*send)(const struct sink *s, const struct opts *o))
{
    struct sink s = { .o = o, .core = sender == SERVER ? CLIENT : SERVER };

    sink_start(&s);
    pin_to(o, sender);
    int64_t t0 = now_ns();
    double c0 = cpu_thread();
    send(&s, o);
    double cpu = cpu_thread() - c0;
    sink_stop(&s);
    double seconds = (double)(now_ns() - t0) / 1e9, gb = (double)s.bytes / 1e9;
    out(o, "rate", gb * 1e3 / seconds, "MB/s");
    out(o, "cpu", (sender == SERVER ? cpu : s.cpu) / gb, "s/GB");
}

void
run_loopback(const struct opts *o)
{
    run_pair(o, CLIENT, send_for_seconds);
}

void
run_sendfile(const struct opts *o)
{
    run_pair(o, SERVER, send_file_for_seconds);
}
