#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "server/tool/bench.h"

enum { FIRST_CAP = 1 << 20, ANSWER_MAX = 1 << 30, ID_AT = 8, TIMEOUT_MS = 30000 };

int64_t
bench_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

bool
bench_address(const char *text, char host[BENCH_HOST], char port[BENCH_PORT])
{
    int n = (int)strcspn(text, ","), at = n;

    while (at > 0 && text[at - 1] != ':')
        at--;
    if (at < 2 || at - 1 >= BENCH_HOST || n - at >= BENCH_PORT)
        return false;
    bool v6 = text[0] == '[' && text[at - 2] == ']';
    (void)snprintf(host, BENCH_HOST, "%.*s", at - 1 - (v6 ? 2 : 0), text + v6);
    (void)snprintf(port, BENCH_PORT, "%.*s", n - at, text + at);
    return true;
}

/* A socket, or an error. */
static int
connect_to(const char *host, const char *port, struct vrv_err *e)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
    int rc = getaddrinfo(host, port, &hints, &all), fd = -1;

    if (rc != 0)
        return vrv_err_set(e, VRV_E_TIMEDOUT, "no broker answers at %.80s:%.10s: %s", host, port,
            gai_strerror(rc));
    for (const struct addrinfo *a = all; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            break;
        (void)vrv_err_sys(e, "no broker answers at %.80s:%.10s", host, port);
        if (fd >= 0)
            (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(all);
    return fd < 0 ? VRV_E_TIMEDOUT : fd;
}

int
bench_link_open(struct bench_link *l, const char *host, const char *port, struct vrv_err *e)
{
    int one = 1;

    *l = (struct bench_link){ .fd = connect_to(host, port, e) };
    if (l->fd < 0)
        return l->fd;
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    l->in_cap = FIRST_CAP;
    l->in = vrv_mem_zero(l->in_cap);
    return 0;
}

void
bench_link_close(struct bench_link *l)
{
    if (l->fd >= 0)
        (void)close(l->fd);
    free(l->in);
    vrv_out_fini(&l->out);
}

/* ---- out ---- */

/* As much as the socket takes now; how much, or the error. */
static ssize_t
send_some(struct bench_link *l, const uint8_t *p, size_t n, struct vrv_err *e)
{
    size_t done = 0;

    while (done < n) {
        ssize_t k = send(l->fd, p + done, n - done, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0 && errno == EAGAIN)
            break;
        if (k < 0)
            return vrv_err_sys(e, "the broker hung up");
        done += (size_t)k;
    }
    return (ssize_t)done;
}

int
bench_link_flush(struct bench_link *l, struct vrv_err *e)
{
    ssize_t k = send_some(l, l->out.own + l->out_at, l->out.n - l->out_at, e);

    if (k < 0)
        return (int)k;
    l->out_at += (size_t)k;
    if (l->out_at == l->out.n) {
        l->out.n = 0;
        l->out_at = 0;
    }
    return 0;
}

int
bench_link_send(struct bench_link *l, uint8_t *frame, size_t n, int64_t due_ns,
    struct vrv_err *e)
{
    ssize_t k = 0;

    if (bench_link_in_flight(l) == BENCH_IN_FLIGHT_MAX)
        return vrv_err_set(e, VRV_E_IO,
            "%d requests are not answered: the broker does not keep up", BENCH_IN_FLIGHT_MAX);
    vrv_put_be32(frame + ID_AT, (uint32_t)l->next_id);
    l->sent_ns[l->next_id++ % BENCH_IN_FLIGHT_MAX] = due_ns;
    if (l->out.n == 0)
        k = send_some(l, frame, n, e);
    if (k < 0)
        return (int)k;
    vrv_out_put(&l->out, frame + k, n - (size_t)k);
    return 0;
}

/* ---- in ---- */

static void
make_room(struct bench_link *l)
{
    if (l->in_at > 0) {
        memmove(l->in, l->in + l->in_at, l->in_n - l->in_at);
        l->in_n -= l->in_at;
        l->in_at = 0;
    }
    if (l->in_n == l->in_cap) {
        l->in_cap *= 2;
        l->in = vrv_mem_grow(l->in, l->in_cap);
    }
}

int
bench_link_fill(struct bench_link *l, struct vrv_err *e)
{
    if (l->in_n == l->in_cap || l->in_at == l->in_n)
        make_room(l);
    ssize_t k = recv(l->fd, l->in + l->in_n, l->in_cap - l->in_n, MSG_DONTWAIT);
    if (k < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : vrv_err_sys(e, "the broker hung up");
    if (k == 0)
        return vrv_err_set(e, VRV_E_IO, "the broker closed the connection");
    l->in_n += (size_t)k;
    l->bytes_in += (size_t)k;
    return 0;
}

bool
bench_link_answer(struct bench_link *l, const uint8_t **p, size_t *n, int64_t *due_ns)
{
    size_t have = l->in_n - l->in_at;

    if (have < 8)
        return false;
    size_t size = vrv_get_be32(l->in + l->in_at);
    if (have < 4 + size) {
        if (l->in_cap - l->in_at < 4 + size && size < ANSWER_MAX)
            make_room(l);
        return false;
    }
    *p = l->in + l->in_at + 8;
    *n = size - 4;
    *due_ns = l->sent_ns[l->next_answer++ % BENCH_IN_FLIGHT_MAX];
    l->in_at += 4 + size;
    return true;
}

/* ---- both, waiting ---- */

static void
build(enum vrv_api_key key, int16_t version, const void *request, struct vrv_out *out)
{
    const struct vrv_api *api = vrv_api_find((int16_t)key);
    static const char name[] = "varve";

    (void)vrv_out_room(out, 4);
    vrv_put_be16(vrv_out_room(out, 2), (uint16_t)key);
    vrv_put_be16(vrv_out_room(out, 2), (uint16_t)version);
    (void)vrv_out_room(out, 4);
    vrv_put_be16(vrv_out_room(out, 2), sizeof(name) - 1);
    vrv_out_put(out, name, sizeof(name) - 1);
    if (vrv_api_flexible(api, version))
        *vrv_out_room(out, 1) = 0;
    vrv_wire_write(api->req(), vrv_wire_version(api, version), request, out);
    vrv_put_be32(out->own, (uint32_t)(out->n - 4));
}

int
bench_ask(struct bench_link *l, enum vrv_api_key key, int16_t version, const void *request,
    struct vrv_arena *a, void *response, struct vrv_err *e)
{
    const struct vrv_api *api = vrv_api_find((int16_t)key);
    int timeout_ms = l->timeout_ms > 0 ? l->timeout_ms : TIMEOUT_MS;
    struct vrv_out out = { 0 };
    const uint8_t *p = NULL;
    int64_t due;
    size_t n = 0;

    build(key, version, request, &out);
    int rc = bench_link_send(l, out.own, out.n, bench_now(), e);
    vrv_out_fini(&out);
    while (rc == 0 && !bench_link_answer(l, &p, &n, &due)) {
        struct pollfd pfd = { .fd = l->fd, .events = POLLIN };

        rc = bench_link_flush(l, e);
        if (rc == 0 && poll(&pfd, 1, timeout_ms) == 0)
            rc = vrv_err_set(e, VRV_E_TIMEDOUT, "no answer from the broker within %d s",
                timeout_ms / 1000);
        if (rc == 0)
            rc = bench_link_fill(l, e);
    }
    if (rc < 0)
        return rc;
    if (vrv_api_flexible(api, version) && key != VRV_API_api_versions) {
        p++; /* the header's tagged fields: none */
        n--;
    }
    /* What it refers to must outlive the connection's buffer. */
    const char *copy = vrv_arena_copy(a, p, n);
    int64_t got = copy != NULL ? vrv_wire_read(api->resp(), vrv_wire_version(api, version),
                                     (const uint8_t *)copy, n, a, response, e)
                               : VRV_E_NOMEM;
    return got < 0 ? (int)got : 0;
}
