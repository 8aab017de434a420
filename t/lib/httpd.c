#include "t/lib/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/tap.h"

enum { CONNS_MAX = 512, HEAD_MAX = 64 * 1024, READ_SOME = 256 * 1024, MS = 1000000, TICK_MS = 5 };

struct conn {
    int fd;
    SSL *ssl; /* NULL: none */
    uint64_t id;
    unsigned nth;
    uint8_t *in; /* of the next request, and what comes behind it */
    size_t in_n, in_cap;
    size_t head_n, body_n; /* of the request, once its head is there; head_n 0: it isn't */
    bool answering;
    struct httpd_reply a;
    char *out; /* its head */
    size_t out_n, sent;
    int64_t ready_ns;
    bool over;
};

struct httpd {
    struct httpd_opts opts;
    SSL_CTX *tls;
    pthread_mutex_t lock;
    pthread_t thread;
    bool has_thread;
    atomic_bool stop;
    int listener;
    uint16_t port;
    struct conn *conns[CONNS_MAX];
    unsigned conn_n;
    size_t read_only;
    bool hang_up;
    struct httpd_stats stats;
};

/* ---- sockets ---- */

static void
open_listener(struct httpd *h)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(h->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(at);
    int one = 1;

    h->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (h->listener < 0 ||
        setsockopt(h->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(h->listener, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
        listen(h->listener, CONNS_MAX) < 0 ||
        getsockname(h->listener, (struct sockaddr *)&at, &n) < 0)
        tap_bail("httpd can't listen on port %u: %s", h->port, strerror(errno));
    h->port = ntohs(at.sin_port);
}

/* Bytes; 0: none now; -1: no more. */
static ssize_t
conn_recv(struct conn *c, void *to, size_t n)
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
conn_send(struct conn *c, const void *from, size_t n)
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

static void
accept_one(struct httpd *h, int fd)
{
    struct conn *c = VRV_NEW(struct conn);
    int one = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->fd = fd;
    c->id = ++h->stats.accepted;
    if (h->tls != NULL) {
        c->ssl = SSL_new(h->tls);
        if (c->ssl == NULL || SSL_set_fd(c->ssl, fd) != 1)
            tap_bail("httpd: no TLS");
        SSL_set_accept_state(c->ssl);
    }
    h->conns[h->conn_n++] = c;
    h->stats.open = h->conn_n;
    if (h->conn_n > h->stats.most_open)
        h->stats.most_open = h->conn_n;
}

static bool
accept_all(struct httpd *h)
{
    bool some = false;

    while (h->listener >= 0 && h->conn_n < CONNS_MAX) {
        int fd = accept4(h->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
            break;
        accept_one(h, fd);
        some = true;
    }
    return some;
}

static void
end_answer(struct conn *c)
{
    free(c->a.body);
    free(c->out);
    c->out = NULL;
    c->a.body = NULL;
    c->answering = false;
}

static void
close_conn(struct httpd *h, unsigned i)
{
    struct conn *c = h->conns[i];

    end_answer(c);
    SSL_free(c->ssl);
    (void)close(c->fd);
    free(c->in);
    free(c);
    h->conns[i] = h->conns[--h->conn_n];
    h->stats.open = h->conn_n;
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
make_head(struct conn *c)
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
call(struct httpd *h, struct conn *c, char *head)
{
    char *line = strstr(head, "\r\n");
    char *target = strchr(head, ' ');
    struct httpd_req q = { .body = c->in + c->head_n, .body_n = c->body_n, .conn = c->id,
        .nth = ++c->nth };

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
    make_head(c);
    c->ready_ns = c->a.wait_ms < 0
                      ? INT64_MAX
                      : h->opts.clock->mono_ns(h->opts.clock) + c->a.wait_ms * MS;
}

/* Is a whole request there?  Then it is answered. */
static void
look_for_request(struct httpd *h, struct conn *c)
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
may_read(const struct httpd *h, const struct conn *c)
{
    size_t most = h->read_only > c->in_n ? h->read_only - c->in_n : 0;

    return c->answering ? 0 : most < READ_SOME ? most : READ_SOME;
}

static bool
read_some(struct httpd *h, struct conn *c)
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

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The next piece that may be sent; 0: none. */
static size_t
next_piece(const struct conn *c, const char **from)
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
reset_conn(struct conn *c)
{
    struct linger none = { .l_onoff = 1 };

    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

/* Nothing more of this answer comes; the next request may be there already. */
static void
sent_all(struct httpd *h, struct conn *c)
{
    if (c->a.cut_at <= c->sent || c->a.close || c->a.drops || c->a.no_length) {
        if (c->a.reset)
            reset_conn(c);
        c->over = true;
        return;
    }
    end_answer(c);
    look_for_request(h, c);
}

static bool
send_some(struct httpd *h, struct conn *c)
{
    bool some = false;
    const char *from;
    size_t n;

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

/* ---- steps ---- */

/* Who hung up while nothing is read from it: noticed, since an answer may never be sent. */
static void
notice_end(struct conn *c)
{
    struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

    if (c->answering && poll(&p, 1, 0) == 1)
        c->over = true;
}

static bool
work(struct httpd *h)
{
    bool some = accept_all(h);

    for (unsigned i = 0; i < h->conn_n;) {
        struct conn *c = h->conns[i];

        some |= read_some(h, c);
        some |= send_some(h, c);
        notice_end(c);
        if (c->over) {
            close_conn(h, i);
            some = true;
        } else {
            i++;
        }
    }
    if (h->opts.tick != NULL)
        h->opts.tick(h->opts.ctx);
    return some;
}

static void
wait_for_sockets(struct httpd *h, int wait_ms)
{
    struct pollfd p[CONNS_MAX + 1];
    nfds_t n = 0;

    httpd_lock(h);
    p[n++] = (struct pollfd){ .fd = h->listener, .events = POLLIN };
    for (unsigned i = 0; i < h->conn_n; i++) {
        const struct conn *c = h->conns[i];
        const char *from;
        bool out = c->answering && next_piece(c, &from) > 0 &&
                   h->opts.clock->mono_ns(h->opts.clock) >= c->ready_ns;

        if (out || may_read(h, c) > 0)
            p[n++] = (struct pollfd){ .fd = c->fd, .events = out ? POLLOUT : POLLIN };
    }
    httpd_unlock(h);
    (void)poll(p, n, wait_ms);
}

bool
httpd_step(struct httpd *h, int wait_ms)
{
    if (wait_ms > 0)
        wait_for_sockets(h, wait_ms);
    httpd_lock(h);
    bool some = work(h);
    httpd_unlock(h);
    return some;
}

static void *
thread_main(void *ctx)
{
    struct httpd *h = ctx;

    while (!atomic_load(&h->stop))
        (void)httpd_step(h, TICK_MS);
    return NULL;
}

void
httpd_start(struct httpd *h)
{
    if (pthread_create(&h->thread, NULL, thread_main, h) != 0)
        tap_bail("httpd: no thread");
    h->has_thread = true;
}

void
httpd_lock(struct httpd *h)
{
    (void)pthread_mutex_lock(&h->lock);
}

void
httpd_unlock(struct httpd *h)
{
    (void)pthread_mutex_unlock(&h->lock);
}

/* ---- begin and end ---- */

static SSL_CTX *
open_tls(const struct httpd_opts *o)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

    if (tls == NULL || SSL_CTX_use_certificate_chain_file(tls, o->cert_file) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, o->key_file, SSL_FILETYPE_PEM) != 1)
        tap_bail("httpd can't use %s and %s", o->cert_file, o->key_file);
    if (o->client_ca != NULL) {
        if (SSL_CTX_load_verify_file(tls, o->client_ca) != 1)
            tap_bail("httpd can't use %s", o->client_ca);
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    (void)SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return tls;
}

struct httpd *
httpd_new(const struct httpd_opts *o)
{
    struct httpd *h = VRV_NEW(struct httpd);
    pthread_mutexattr_t attr;

    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to sockets as to files */
    h->opts = *o;
    h->port = o->port;
    h->read_only = SIZE_MAX;
    (void)pthread_mutexattr_init(&attr);
    (void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE); /* the function may call us */
    (void)pthread_mutex_init(&h->lock, &attr);
    (void)pthread_mutexattr_destroy(&attr);
    atomic_init(&h->stop, false);
    if (o->cert_file != NULL)
        h->tls = open_tls(o);
    open_listener(h);
    return h;
}

void
httpd_free(struct httpd **hp)
{
    struct httpd *h = *hp;

    if (h == NULL)
        return;
    atomic_store(&h->stop, true);
    if (h->has_thread)
        (void)pthread_join(h->thread, NULL);
    while (h->conn_n > 0)
        close_conn(h, h->conn_n - 1);
    if (h->listener >= 0)
        (void)close(h->listener);
    SSL_CTX_free(h->tls);
    (void)pthread_mutex_destroy(&h->lock);
    free(h);
    *hp = NULL;
}

uint16_t
httpd_port(const struct httpd *h)
{
    return h->port;
}

/* ---- moods ---- */

void
httpd_listen(struct httpd *h, bool yes)
{
    httpd_lock(h);
    if (yes && h->listener < 0)
        open_listener(h);
    if (!yes && h->listener >= 0) {
        (void)close(h->listener);
        h->listener = -1;
    }
    httpd_unlock(h);
}

void
httpd_drop_kept(struct httpd *h)
{
    httpd_lock(h);
    for (unsigned i = 0; i < h->conn_n;)
        if (!h->conns[i]->answering && h->conns[i]->in_n == 0)
            close_conn(h, i);
        else
            i++;
    httpd_unlock(h);
}

void
httpd_read_only(struct httpd *h, size_t n, bool hang_up)
{
    httpd_lock(h);
    h->read_only = n;
    h->hang_up = hang_up;
    httpd_unlock(h);
}

struct httpd_stats
httpd_stats(struct httpd *h)
{
    httpd_lock(h);
    struct httpd_stats s = h->stats;
    s.waiting = 0;
    for (unsigned i = 0; i < h->conn_n; i++)
        s.waiting += h->conns[i]->answering;
    httpd_unlock(h);
    return s;
}
