/* The HTTP port as clients see it: sockets, time-outs, limits. */
#include "server/stat/web.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "t/lib/tap.h"

enum { LARGE = 8 << 20, PATIENCE_MS = 30000, SOON_MS = 50 };

static struct vrv_web *http;
static struct vrv_web_opts opts;
static _Atomic int asked;

static void
answer(void *ctx, const char *path, struct vrv_web_answer *a)
{
    static char block[65536];

    (void)ctx;
    (void)atomic_fetch_add(&asked, 1);
    if (strcmp(path, "/small") == 0) {
        a->status = 200;
        vrv_text_print(&a->body, "hello");
    } else if (strcmp(path, "/large") == 0) {
        a->status = 200;
        memset(block, 'x', sizeof(block));
        for (size_t n = 0; n < LARGE; n += sizeof(block))
            vrv_text_put(&a->body, block, sizeof(block));
    }
}

static int
start_at(const char *listener, bool loopback_only, struct vrv_err *e)
{
    const char *const listeners[] = { listener };

    opts.listener = listeners;
    opts.listener_n = 1;
    opts.loopback_only = loopback_only;
    opts.answer = answer;
    return vrv_web_start(&http, &opts, e);
}

static void
start(void)
{
    struct vrv_err e = { 0 };

    IS(start_at("ADMIN://127.0.0.1:0", true, &e), 0, "it starts%s", e.msg);
}

static int
port_of(const struct vrv_web *h)
{
    return (int)strtol(strrchr(vrv_web_bound(h, 0), ':') + 1, NULL, 10);
}

static int
dial(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port_of(http)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
        abort();
    return fd;
}

static void
say(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        tap_note("the peer takes no more");
}

/* So many bytes, or all until the end (0); what came is in *out, which lives until the next call. */
static size_t
hear(int fd, size_t n, char **out)
{
    static char *all;
    static size_t cap;
    size_t got = 0;

    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        if (got + 4096 > cap) {
            cap = cap > 0 ? 2 * cap : 65536;
            all = realloc(all, cap);
            if (all == NULL)
                abort();
        }
        all[got] = '\0';
        *out = all;
        if ((n > 0 && got >= n) || poll(&p, 1, PATIENCE_MS) != 1)
            return got;
        ssize_t k = recv(fd, all + got, n > 0 ? n - got : cap - got - 1, 0);
        if (k <= 0)
            return got;
        got += (size_t)k;
    }
}

static bool
begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

/* One request on a connection of its own: the whole answer. */
static char *
ask(const char *request)
{
    int fd = dial();
    char *all;

    say(fd, request);
    (void)hear(fd, 0, &all);
    (void)close(fd);
    return all;
}

static size_t
answer_bytes(const char *request)
{
    return strlen(ask(request));
}

#define CLOSE "Host: x\r\nConnection: close\r\n\r\n"
#define KEEP "Host: x\r\n\r\n"

static void
test_answers(void)
{
    start();
    char *a = ask("GET /small HTTP/1.1\r\n" CLOSE);
    OK(begins(a, "HTTP/1.1 200 OK\r\n") && strcmp(a + strlen(a) - 9, "\r\n\r\nhello") == 0, "GET");
    a = ask("HEAD /small HTTP/1.1\r\n" CLOSE);
    OK(begins(a, "HTTP/1.1 200 OK\r\n") && strstr(a, "Content-Length: 5\r\n") != NULL &&
            strcmp(a + strlen(a) - 4, "\r\n\r\n") == 0,
        "HEAD has all but the body");
    OK(begins(ask("GET /smal HTTP/1.1\r\n" CLOSE), "HTTP/1.1 404 "), "a path that there isn't");
    OK(begins(ask("GET /small/ HTTP/1.1\r\n" CLOSE), "HTTP/1.1 404 "), "nor this one");
    OK(begins(ask("PUT /small HTTP/1.1\r\n" CLOSE), "HTTP/1.1 405 "), "another method");
    OK(begins(ask("what\r\n"), "HTTP/1.1 400 "), "no request");
    char *big = calloc(1, 20000);
    (void)snprintf(big, 20000, "GET /small HTTP/1.1\r\nA: %015000d\r\n", 0);
    OK(begins(ask(big), "HTTP/1.1 431 "), "one that is too large, though more of it came");
    free(big);
    int fd = dial();
    size_t n = answer_bytes("GET /small HTTP/1.1\r\n" KEEP "GET / HTTP/1.1\r\n" CLOSE) -
        answer_bytes("GET / HTTP/1.1\r\n" CLOSE);
    for (int i = 0; i < 3; i++) {
        say(fd, "GET /small HTTP/1.1\r\n" KEEP);
        IS(hear(fd, n, &a), n, "a connection is used again: %d", i);
    }
    (void)close(fd);
    vrv_web_stop(&http);
    OK(http == NULL, "it stops");
}

static void
test_large(void)
{
    char *all;

    start();
    int fd = dial();
    say(fd, "GET /large HTTP/1.1\r\n" CLOSE);
    (void)shutdown(fd, SHUT_WR);
    (void)hear(fd, 1, &all);
    OK(begins(ask("GET /small HTTP/1.1\r\n" CLOSE), "HTTP/1.1 200 "),
        "while one client reads slowly, another is answered");
    size_t n = hear(fd, 0, &all);
    OK(n > LARGE && all[n - 1] == 'x', "who reads slowly gets all");
    (void)close(fd);
    fd = dial();
    say(fd, "GET /large HTTP/1.1\r\n" KEEP);
    (void)hear(fd, 1, &all);
    vrv_web_stop(&http);
    OK(http == NULL, "a stop waits for nobody");
    (void)close(fd);
}

static bool
is_closed(int fd)
{
    char *all;
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, PATIENCE_MS) == 1 && hear(fd, 0, &all) == 0;
}

static void
test_time(void)
{
    char *all;

    opts.head_ms = opts.idle_ms = opts.send_ms = SOON_MS;
    start();
    int fd = dial();
    OK(is_closed(fd), "who says nothing is closed");
    (void)close(fd);
    fd = dial();
    say(fd, "GET /small HTTP/1.1\r\n");
    OK(is_closed(fd), "who doesn't come to the end, too");
    (void)close(fd);
    fd = dial();
    say(fd, "GET /small HTTP/1.1\r\n" KEEP);
    OK(hear(fd, 0, &all) > 0, "who was answered and says no more, too");
    (void)close(fd);
    fd = dial();
    say(fd, "GET /large HTTP/1.1\r\n" KEEP);
    (void)usleep(4 * SOON_MS * 1000); /* however long: it may only end earlier */
    size_t n = hear(fd, 0, &all);
    OK(n <= LARGE + 1000, "who doesn't read isn't waited for");
    (void)close(fd);
    vrv_web_stop(&http);
    vrv_web_opts_default(&opts);
}

static void
test_places(void)
{
    char *all;

    opts.conns = 2;
    start();
    int a = dial(), b = dial();
    say(a, "GET /small HTTP/1.1\r\n" KEEP);
    (void)hear(a, 1, &all);
    say(b, "GET /small HTTP/1.1\r\n" KEEP);
    (void)hear(b, 1, &all);
    OK(begins(ask("GET /small HTTP/1.1\r\n" CLOSE), "HTTP/1.1 200 "),
        "an idle client makes room for a new one");
    (void)hear(a, 0, &all);
    OK(strstr(all, "hello") != NULL, "it was the first that came");
    (void)close(a);
    (void)close(b);
    a = dial();
    b = dial();
    say(a, "GET /large HTTP/1.1\r\n" CLOSE);
    (void)hear(a, 1, &all);
    say(b, "GET /large HTTP/1.1\r\n" CLOSE);
    (void)hear(b, 1, &all);
    int c = dial();
    say(c, "GET /small HTTP/1.1\r\n" CLOSE);
    (void)hear(a, 0, &all);
    (void)close(a);
    (void)hear(c, 0, &all);
    OK(begins(all, "HTTP/1.1 200 "), "where none is idle it waits until one is done");
    (void)close(b);
    (void)close(c);
    vrv_web_stop(&http);
    vrv_web_opts_default(&opts);
}

static void
test_addresses(void)
{
    struct vrv_err e = { 0 };
    const char *dir = tap_dir();
    char text[64], path[200];
    struct vrv_web *first;

    start();
    first = http;
    (void)snprintf(text, sizeof(text), "ADMIN://127.0.0.1:%d", port_of(first));
    IS(start_at(text, true, &e), VRV_E_ADDRESS, "a port that is taken is an error");
    OK(http == NULL && strstr(e.msg, "uses it") != NULL, "that says so: %s", e.msg);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%d", port_of(first));
    IS_STR(vrv_web_bound(first, 0), text, "where it listens is known");
    vrv_web_stop(&first);
    IS(start_at("ADMIN://0.0.0.0:0", true, &e), VRV_E_INVALID, "other machines only where allowed");
    (void)snprintf(path, sizeof(path), "ADMIN://%s/admin", dir);
    IS(start_at(path, true, &e), 0, "a unix socket");
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    (void)snprintf(un.sun_path, sizeof(un.sun_path), "%s/admin", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char *all;
    if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0)
        say(fd, "GET /small HTTP/1.0\r\n\r\n");
    OK(hear(fd, 0, &all) > 0 && begins(all, "HTTP/1.1 200 "), "is answered");
    (void)close(fd);
    vrv_web_stop(&http);
    opts.listener_n = 0;
    IS(vrv_web_start(&http, &opts, &e), 0, "it may listen nowhere");
    vrv_web_stop(&http);
    vrv_web_stop(&http);
    OK(http == NULL, "what is stopped can be stopped");
}

int
main(void)
{
    vrv_web_opts_default(&opts);
    test_answers();
    test_large();
    test_time();
    test_places();
    test_addresses();
    return tap_done();
}
