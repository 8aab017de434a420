#include "t/lib/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "t/lib/httpd_int.h"
#include "t/lib/tap.h"

enum { TICK_MS = 5 };

/* ---- connections ---- */

/* A socket with its address, on which nobody listens yet. */
static void
open_socket(struct httpd *h)
{
    uint32_t host = h->opts.host > 0 ? h->opts.host : 1;
    struct sockaddr_in at = { .sin_family = AF_INET,
        .sin_port = htons(h->port),
        .sin_addr.s_addr = htonl((INADDR_LOOPBACK & ~0xffu) | host) };
    socklen_t n = sizeof(at);
    int one = 1;

    h->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (h->listener < 0 ||
        setsockopt(h->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(h->listener, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
        getsockname(h->listener, (struct sockaddr *)&at, &n) < 0)
        tap_bail("httpd has no port %u: %s", h->port, strerror(errno));
    h->port = ntohs(at.sin_port);
}

static void
start_listening(struct httpd *h)
{
    if (listen(h->listener, HTTPD_CONNS_MAX) < 0)
        tap_bail("httpd can't listen on port %u: %s", h->port, strerror(errno));
    h->listens = true;
}

/* Nobody listens from now on, also where the thread still waits for who comes. */
static void
close_socket(struct httpd *h)
{
    (void)shutdown(h->listener, SHUT_RDWR);
    (void)close(h->listener);
    h->listens = false;
}

static void
accept_one(struct httpd *h, int fd)
{
    struct httpd_conn *c = VRV_NEW(struct httpd_conn);
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

    while (h->listens && h->conn_n < HTTPD_CONNS_MAX) {
        int fd = accept4(h->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
            break;
        accept_one(h, fd);
        some = true;
    }
    return some;
}

static void
close_conn(struct httpd *h, unsigned i)
{
    struct httpd_conn *c = h->conns[i];

    httpd_conn_end_answer(c);
    SSL_free(c->ssl);
    (void)close(c->fd);
    free(c->in);
    free(c);
    h->conns[i] = h->conns[--h->conn_n];
    h->stats.open = h->conn_n;
}

/* ---- steps ---- */

static bool
work(struct httpd *h)
{
    bool some = accept_all(h);

    for (unsigned i = 0; i < h->conn_n;) {
        struct httpd_conn *c = h->conns[i];

        some |= httpd_conn_read(h, c);
        some |= httpd_conn_send(h, c);
        httpd_conn_notice_end(c);
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
    struct pollfd p[HTTPD_CONNS_MAX + 1];
    nfds_t n = 0;

    httpd_lock(h);
    if (h->listens) /* else poll() tells at once that nothing will ever come */
        p[n++] = (struct pollfd){ .fd = h->listener, .events = POLLIN };
    for (unsigned i = 0; i < h->conn_n; i++) {
        short events = httpd_conn_events(h, h->conns[i]);

        if (events != 0)
            p[n++] = (struct pollfd){ .fd = h->conns[i]->fd, .events = events };
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
    (void)SSL_CTX_set_mode(
        tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
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
    open_socket(h);
    start_listening(h);
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
    close_socket(h);
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
    if (yes && !h->listens)
        start_listening(h);
    if (!yes && h->listens) {
        close_socket(h);
        open_socket(h); /* nobody else gets the port meanwhile */
    }
    httpd_unlock(h);
}

void
httpd_move(struct httpd *h, uint8_t host)
{
    httpd_lock(h);
    close_socket(h);
    h->opts.host = host;
    open_socket(h);
    start_listening(h);
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

void
httpd_answer_early(struct httpd *h, bool yes)
{
    httpd_lock(h);
    h->early = yes;
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
