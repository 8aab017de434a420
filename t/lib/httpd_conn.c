/* One connection: requests come in, answers go out, as badly as they are told to. */
#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/httpd_int.h"

enum { READ_SOME = 256 * 1024 };

/* ---- the socket ---- */

/* Bytes; 0: none now; -1: no more. */
static ssize_t
conn_recv(struct httpd_conn *c, void *to, size_t n)
{
    if (c->ssl == NULL) {
        ssize_t got = recv(c->fd, to, n, 0);

        return got > 0 ? got : got < 0 && errno == EAGAIN ? 0 : -1;
    }
    int got = SSL_read(c->ssl, to, (int)n);
    if (got > 0)
        return got;
    int why = SSL_get_error(c->ssl, got);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t
conn_send(struct httpd_conn *c, const void *from, size_t n)
{
    if (c->ssl == NULL) {
        ssize_t did = send(c->fd, from, n, MSG_NOSIGNAL);

        return did >= 0 ? did : errno == EAGAIN ? 0 : -1;
    }
    int did = SSL_write(c->ssl, from, (int)n);
    if (did > 0)
        return did;
    int why = SSL_get_error(c->ssl, did);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* ---- requests ---- */

const char *
httpd_header(const struct httpd_req *q, const char *name, char *out, size_t n)
{
    size_t len = strlen(name);

    for (const char *line = q->head; *line != '\0';) {
        size_t all = strcspn(line, "\r");

        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            const char *value = line + len + 1 + strspn(line + len + 1, " \t");

            (void)snprintf(out, n, "%.*s", (int)(line + all - value), value);
            return out;
        }
        line += all;
        line += strspn(line, "\r\n");
    }
    return NULL;
}

void
httpd_add_header(struct httpd_reply *a, const char *name, const char *fmt, ...)
{
    size_t at = strlen(a->headers), room = sizeof(a->headers) - at;
    va_list ap;

    int n = snprintf(a->headers + at, room, "%s: ", name);
    VRV_ASSERT(n > 0 && (size_t)n < room);
    at += (size_t)n;
    va_start(ap, fmt);
    n = vsnprintf(a->headers + at, sizeof(a->headers) - at, fmt, ap);
    va_end(ap);
    VRV_ASSERT(n >= 0 && (size_t)n + 3 < sizeof(a->headers) - at);
    memcpy(a->headers + at + n, "\r\n", 3);
}

void
httpd_set_body(struct httpd_reply *a, const void *bytes, size_t n)
{
    free(a->body);
    a->body = vrv_mem_zero(n + 1);
    memcpy(a->body, bytes, n);
    a->body_n = n;
}

static void
make_head(struct httpd_conn *c)
{
    struct httpd_reply *a = &c->a;
    char length[64] = "";
    size_t cap = sizeof(a->headers) + 256;

    c->out_n = 0;
    if (a->raw)
        return;
    if (!a->no_length)
        (void)snprintf(length, sizeof(length), "Content-Length: %zu\r\n", a->body_n);
    c->out = vrv_mem_zero(cap);
    int n = snprintf(c->out, cap, "HTTP/1.1 %d %s\r\n%s%s%s\r\n", a->status,
        a->status / 100 == 2 ? "OK" : "No", a->headers, length,
        a->close || a->no_length ? "Connection: close\r\n" : "");
    c->out_n = (size_t)n;
    if (a->head)
        a->body_n = 0;
}

/* "\r\n\r\n" is behind head. */
static void
call(struct httpd *h, struct httpd_conn *c, char *head)
{
    char *line = strstr(head, "\r\n");
    char *target = strchr(head, ' ');
    struct httpd_req q = {
        .body = c->in + c->head_n, .body_n = c->body_n, .conn = c->id, .nth = ++c->nth
    };

    h->stats.requests++;
    c->answering = true;
    c->sent = 0;
    c->a = (struct httpd_reply){ .status = 200, .stall_at = SIZE_MAX, .cut_at = SIZE_MAX };
    if (target == NULL || target > line) {
        c->a.status = 400;
        c->a.close = true;
    } else {
        q.head = line + 2;
        *line = *target = '\0';
        target[1 + strcspn(target + 1, " ")] = '\0';
        q.method = head;
        q.target = target + 1;
        c->a.head = strcmp(q.method, "HEAD") == 0;
        h->opts.fn(h->opts.ctx, &q, &c->a);
    }
    c->a.close |= c->early;
    make_head(c);
    c->ready_ns =
        c->a.wait_ms < 0 ? INT64_MAX : h->opts.clock->mono_ns(h->opts.clock) + c->a.wait_ms * HTTPD_MS;
}

/* Is a whole request there?  Then it is answered. */
static void
look_for_request(struct httpd *h, struct httpd_conn *c)
{
    if (c->head_n == 0) {
        uint8_t *end = c->in_n < 4 ? NULL : memmem(c->in, c->in_n, "\r\n\r\n", 4);

        if (end == NULL)
            return;
        char value[32];
        struct httpd_req q = { .head = (const char *)c->in };

        *end = '\0'; /* put back below */
        const char *length = httpd_header(&q, "content-length", value, sizeof(value));
        *end = '\r';
        c->head_n = (size_t)(end - c->in) + 4;
        c->body_n = length == NULL ? 0 : (size_t)strtoull(length, NULL, 10);
        c->early = h->early && c->body_n > 0;
        if (c->early)
            c->body_n = c->in_n - c->head_n;
    }
    if (c->in_n < c->head_n + c->body_n)
        return;
    char *head = vrv_mem_zero(c->head_n + 1);
    memcpy(head, c->in, c->head_n);
    call(h, c, head);
    free(head);
    c->in_n -= c->head_n + c->body_n;
    memmove(c->in, c->in + c->head_n + c->body_n, c->in_n);
    c->head_n = c->body_n = 0;
}

/* How many bytes may be read now. */
static size_t
may_read(const struct httpd *h, const struct httpd_conn *c)
{
    size_t most = h->read_only > c->in_n ? h->read_only - c->in_n : 0;

    return c->answering ? 0 : most < READ_SOME ? most : READ_SOME;
}

bool
httpd_conn_read(struct httpd *h, struct httpd_conn *c)
{
    bool some = false;
    size_t n;

    while (!c->over && (n = may_read(h, c)) > 0) {
        if (c->in_cap - c->in_n < n + 1) {
            c->in_cap = 2 * c->in_cap > c->in_n + n + 1 ? 2 * c->in_cap : c->in_n + n + 1;
            c->in = vrv_mem_grow(c->in, c->in_cap);
        }
        ssize_t got = conn_recv(c, c->in + c->in_n, n);
        if (got == 0)
            break;
        some = true;
        c->over = got < 0;
        if (got > 0)
            c->in_n += (size_t)got;
        look_for_request(h, c);
    }
    if (h->hang_up && !c->answering && c->in_n >= h->read_only)
        c->over = true;
    return some;
}

/* ---- answers ---- */

void
httpd_conn_end_answer(struct httpd_conn *c)
{
    free(c->a.body);
    free(c->out);
    c->out = NULL;
    c->a.body = NULL;
    c->answering = false;
}

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The next piece that may be sent; 0: none. */
static size_t
next_piece(const struct httpd_conn *c, const char **from)
{
    const struct httpd_reply *a = &c->a;
    size_t end = least(least(c->out_n + a->body_n, a->stall_at), a->cut_at);

    if (c->sent >= end)
        return 0;
    if (c->sent < c->out_n) {
        *from = c->out + c->sent;
        end = least(end, c->out_n);
    } else {
        *from = (const char *)a->body + (c->sent - c->out_n);
    }
    size_t n = end - c->sent;
    return a->drip > 0 ? least(n, a->drip) : n;
}

static void
reset_conn(struct httpd_conn *c)
{
    struct linger none = { .l_onoff = 1 };

    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

/* As something between both might. */
static void
send_alert(struct httpd_conn *c)
{
    static const uint8_t handshake_failure[] = { 21, 3, 3, 0, 2, 2, 40 };

    (void)send(c->fd, handshake_failure, sizeof(handshake_failure), MSG_NOSIGNAL);
    c->over = true;
}

/* Nothing more of this answer comes; the next request may be there already. */
static void
sent_all(struct httpd *h, struct httpd_conn *c)
{
    if (c->a.cut_at <= c->sent || c->a.close || c->a.drops || c->a.no_length) {
        if (c->a.reset)
            reset_conn(c);
        c->over = true;
        return;
    }
    httpd_conn_end_answer(c);
    look_for_request(h, c);
}

bool
httpd_conn_send(struct httpd *h, struct httpd_conn *c)
{
    bool some = false;
    const char *from;
    size_t n;

    if (c->answering && c->a.alert && !c->over) {
        send_alert(c);
        return true;
    }
    while (c->answering && !c->over && h->opts.clock->mono_ns(h->opts.clock) >= c->ready_ns) {
        n = next_piece(c, &from);
        ssize_t did = n > 0 ? conn_send(c, from, n) : 0;
        bool dripped = did > 0 && c->a.drip > 0;

        if (did < 0)
            c->over = true;
        else
            c->sent += (size_t)did;
        some |= did != 0;
        if (!c->over && (c->sent >= c->a.cut_at || c->sent == c->out_n + c->a.body_n)) {
            sent_all(h, c);
            some = true;
        } else if (did == 0 || dripped) {
            break;
        }
    }
    return some;
}

void
httpd_conn_notice_end(struct httpd_conn *c)
{
    struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

    if (c->answering && poll(&p, 1, 0) == 1)
        c->over = true;
}

short
httpd_conn_events(const struct httpd *h, const struct httpd_conn *c)
{
    const char *from;

    if (c->answering && next_piece(c, &from) > 0 &&
        h->opts.clock->mono_ns(h->opts.clock) >= c->ready_ns)
        return POLLOUT;
    return may_read(h, c) > 0 ? POLLIN : 0;
}
