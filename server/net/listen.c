#include "server/net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- texts ---- */

static int
bad(struct vrv_err *e, const char *text, const char *why)
{
    return vrv_err_set(e, VRV_E_INVALID,
        "listener \"%s\": %s; it should look like PLAINTEXT://127.0.0.1:9092", text, why);
}

static bool
copy(char *out, size_t size, const char *s, size_t n)
{
    if (n >= size)
        return false;
    memcpy(out, s, n);
    out[n] = '\0';
    return true;
}

/* The decimal number that is all of s, or -1. */
static int
port_of(const char *s)
{
    char *end;
    long v = strtol(s, &end, 10);

    return *s < '0' || *s > '9' || *end != '\0' || v > 65535 ? -1 : (int)v;
}

int
vrv__listen_parse(const char *text, struct vrv_listen_text *t, struct vrv_err *e)
{
    const char *rest = strstr(text, "://");

    *t = (struct vrv_listen_text){ .port = 0 };
    if (rest == NULL || rest == text ||
        !copy(t->name, sizeof(t->name), text, (size_t)(rest - text)))
        return bad(e, text, "no name");
    rest += 3;
    if (*rest == '/' || *rest == '.') {
        struct sockaddr_un un;

        t->is_unix = true;
        if (!copy(t->host, sizeof(un.sun_path), rest, strlen(rest)))
            return bad(e, text, "the path is too long");
        return 0;
    }
    const char *colon = strrchr(rest, ':');
    t->port = colon != NULL ? port_of(colon + 1) : -1;
    if (t->port < 0)
        return bad(e, text, "no port");
    size_t n = (size_t)(colon - rest);
    if (n >= 2 && rest[0] == '[' && rest[n - 1] == ']') {
        rest++;
        n -= 2;
    } else if (memchr(rest, ':', n) != NULL) {
        return bad(e, text, "an IPv6 address needs brackets");
    }
    if (!copy(t->host, sizeof(t->host), rest, n))
        return bad(e, text, "the host is too long");
    return 0;
}

/* ---- addresses ---- */

static bool
mapped(const struct in6_addr *a)
{
    return IN6_IS_ADDR_V4MAPPED(a);
}

/* As IPv6; false: it is neither. */
static bool
address_of(const struct sockaddr_storage *sa, struct in6_addr *a, int *port)
{
    if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;

        memset(a, 0, sizeof(*a));
        a->s6_addr[10] = a->s6_addr[11] = 0xff;
        memcpy(&a->s6_addr[12], &in->sin_addr, 4);
        *port = ntohs(in->sin_port);
        return true;
    }
    if (sa->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)sa;

        *a = in6->sin6_addr;
        *port = ntohs(in6->sin6_port);
        return true;
    }
    return false;
}

static bool
is_loopback(const struct in6_addr *a)
{
    return mapped(a) ? a->s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(a);
}

static void
address_text(const struct in6_addr *a, int port, char out[VRV_NET_TEXT])
{
    char ip[INET6_ADDRSTRLEN] = "";

    if (mapped(a)) {
        (void)inet_ntop(AF_INET, &a->s6_addr[12], ip, sizeof(ip));
        (void)snprintf(out, VRV_NET_TEXT, "%s:%d", ip, port);
    } else {
        (void)inet_ntop(AF_INET6, a, ip, sizeof(ip));
        (void)snprintf(out, VRV_NET_TEXT, "[%s]:%d", ip, port);
    }
}

void
vrv__peer_set(struct vrv_peer *p, const struct sockaddr_storage *sa)
{
    struct in6_addr a;
    int port;

    memset(p->address, 0, sizeof(p->address));
    if (!address_of(sa, &a, &port)) {
        (void)snprintf(p->text, sizeof(p->text), "unix");
        p->local = true;
        return;
    }
    memcpy(p->address, &a, sizeof(p->address));
    address_text(&a, port, p->text);
    p->local = is_loopback(&a);
}

/* ---- sockets ---- */

static int
failed(struct vrv_err *e, const char *what, const struct vrv_listener *l)
{
    bool is_unix = l->text.is_unix;
    int sys = errno, rc;
    const char *why;

    if (sys == EADDRINUSE)
        why = is_unix ? "a program listens there, or it is not a socket"
                      : "another program, or another listener, uses it";
    else if (sys == EADDRNOTAVAIL)
        why = "this machine doesn't have the address";
    else if (sys == EACCES && !is_unix)
        why = "ports below 1024 are for root, or CAP_NET_BIND_SERVICE";
    else
        return vrv_err_sys(e, "listener %s can't %s %s", l->text.name, what, l->bound);
    rc = sys == EACCES ? VRV_E_READONLY : VRV_E_ADDRESS;
    (void)vrv_err_set(e, rc, "listener %s can't %s %s: %s", l->text.name, what, l->bound, why);
    e->sys = sys;
    return rc;
}

void
vrv__socket_buffers(int fd, const struct vrv_net_opts *o)
{
    if (o->send_buffer >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &o->send_buffer, sizeof(o->send_buffer));
    if (o->receive_buffer >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &o->receive_buffer,
            sizeof(o->receive_buffer));
}

static int
open_socket(struct vrv_listener *l, const struct sockaddr_storage *sa, socklen_t len,
    const struct vrv_net_opts *o, struct vrv_err *e)
{
    int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, off = 0;
    int rc = 0;

    if (fd < 0)
        return failed(e, "make a socket for", l);
    if (sa->ss_family != AF_UNIX)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (sa->ss_family == AF_INET6) /* "[::]" takes IPv4 too */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    vrv__socket_buffers(fd, o); /* before a peer is told how much may be on its way */
    if (bind(fd, (const struct sockaddr *)sa, len) < 0)
        rc = failed(e, "bind to", l);
    else if (listen(fd, o->backlog) < 0)
        rc = failed(e, "listen on", l);
    if (rc < 0)
        (void)close(fd);
    else
        l->fd[l->fd_n++] = fd;
    return rc;
}

/* A path that nobody listens on any more: what a process that was killed left behind. */
static bool
is_stale(const struct sockaddr_un *un)
{
    struct stat st;

    if (lstat(un->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false; /* never somebody's file */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool stale = fd >= 0 && connect(fd, (const struct sockaddr *)un, sizeof(*un)) < 0 &&
        errno == ECONNREFUSED;

    if (fd >= 0)
        (void)close(fd);
    return stale;
}

static int
open_unix(struct vrv_listener *l, const struct vrv_net_opts *o, struct vrv_err *e)
{
    struct sockaddr_storage sa = { 0 };
    struct sockaddr_un *un = (void *)&sa;

    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, l->text.host, strlen(l->text.host));
    (void)snprintf(l->bound, sizeof(l->bound), "%s", l->text.host);
    if (is_stale(un))
        (void)unlink(un->sun_path);
    return open_socket(l, &sa, sizeof(*un), o, e);
}

/* One address of the host: bound with the port that was asked for. */
static int
open_address(struct vrv_listener *l, const struct addrinfo *ai, const struct vrv_net_opts *o,
    struct vrv_err *e)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t len = sizeof(sa);
    struct in6_addr a;
    int port;

    memcpy(&sa, ai->ai_addr, ai->ai_addrlen);
    if (!address_of(&sa, &a, &port))
        return 0;
    address_text(&a, port, l->bound);
    if (o->loopback_only && !is_loopback(&a))
        return vrv_err_set(e, VRV_E_INVALID,
            "listener %s at %s can be reached from other machines, which is not allowed",
            l->text.name, l->bound);
    int rc = open_socket(l, &sa, ai->ai_addrlen, o, e);
    if (rc == 0 && getsockname(l->fd[l->fd_n - 1], (struct sockaddr *)&sa, &len) == 0 &&
        address_of(&sa, &a, &l->port))
        address_text(&a, l->port, l->bound);
    return rc;
}

static int
resolve(const struct vrv_listener *l, const char *host, struct addrinfo **found,
    struct vrv_err *e)
{
    struct addrinfo want = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    char port[8];

    (void)snprintf(port, sizeof(port), "%d", l->text.port);
    int rc = getaddrinfo(host, port, &want, found);
    if (rc != 0)
        return vrv_err_set(e, VRV_E_NOTFOUND, "listener %s: host \"%s\" is unknown: %s",
            l->text.name, host, gai_strerror(rc));
    return 0;
}

/* A host may have an address of a kind that this machine hasn't. */
static bool
is_absent(const struct vrv_err *e)
{
    return e->sys == EADDRNOTAVAIL || e->sys == EAFNOSUPPORT;
}

static int
open_inet(struct vrv_listener *l, const struct vrv_net_opts *o, struct vrv_err *e)
{
    struct addrinfo *found;
    const char *host = l->text.host[0] != '\0' ? l->text.host : "::";
    int rc = resolve(l, host, &found, e);

    if (rc < 0)
        return rc;
    for (const struct addrinfo *ai = found; ai != NULL && l->fd_n < VRV_LISTEN_SOCKETS;
         ai = ai->ai_next) {
        rc = open_address(l, ai, o, e);
        /* With port 0 each address would get another one. */
        if (rc < 0 ? !is_absent(e) : l->text.port == 0)
            break;
    }
    freeaddrinfo(found);
    if (rc < 0 && is_absent(e) && l->fd_n > 0)
        return 0;
    if (rc < 0 && is_absent(e) && l->text.host[0] == '\0') {
        memcpy(l->text.host, "0.0.0.0", sizeof("0.0.0.0"));
        return open_inet(l, o, e);
    }
    return rc;
}

int
vrv_listener_open(struct vrv_listener *l, const char *text, const struct vrv_net_opts *o,
    struct vrv_err *e)
{
    struct vrv_err own;
    int rc;

    *l = (struct vrv_listener){ .fd_n = 0 };
    if (e == NULL)
        e = &own;
    rc = vrv__listen_parse(text, &l->text, e);
    if (rc == 0)
        rc = l->text.is_unix ? open_unix(l, o, e) : open_inet(l, o, e);
    if (rc < 0)
        vrv_listener_close(l);
    return rc;
}

void
vrv_listener_close(struct vrv_listener *l)
{
    for (unsigned i = 0; i < l->fd_n; i++)
        (void)close(l->fd[i]);
    if (l->text.is_unix && l->fd_n > 0)
        (void)unlink(l->text.host);
    l->fd_n = 0;
}
