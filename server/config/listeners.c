#include "server/config/listeners.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/mem.h"
#include "engine/base/setting.h"

static const char unix_prefix[] = "unix:";

static bool
copy(char *to, size_t cap, const char *from, size_t n)
{
    if (n >= cap || memchr(from, '\0', n) != NULL)
        return false;
    memcpy(to, from, n);
    to[n] = '\0';
    return true;
}

/* A number up to max, all of the n characters. */
static bool
number(const char *s, size_t n, int64_t max, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        *out = *out * 10 + (s[i] - '0');
        if (*out > max)
            return false;
    }
    return n > 0;
}

/* host:port, or unix:/path */
static bool
parse_address(struct vrv_listener *l, const char *s, size_t n)
{
    int64_t port;

    if (n > strlen(unix_prefix) + 1 && memcmp(s, unix_prefix, strlen(unix_prefix)) == 0) {
        l->is_unix = true;
        s += strlen(unix_prefix);
        n -= strlen(unix_prefix);
        return (*s == '/' || *s == '.') && copy(l->host, 108, s, n); /* sun_path has no more */
    }
    size_t colon = n;
    while (colon > 0 && s[colon - 1] != ':')
        colon--;
    if (colon == 0 || !number(s + colon, n - colon, UINT16_MAX, &port))
        return false;
    l->port = (uint16_t)port;
    size_t host_n = colon - 1;
    if (host_n > 0 && s[0] == '[') {
        if (host_n < 3 || s[host_n - 1] != ']')
            return false;
        return copy(l->host, sizeof(l->host), s + 1, host_n - 2) && strchr(l->host, ':') != NULL;
    }
    return copy(l->host, sizeof(l->host), s, host_n) && strpbrk(l->host, ":/ \t[]") == NULL;
}

static bool
parse_one(struct vrv_listener *l, const char *s, size_t n, bool named)
{
    *l = (struct vrv_listener){ .port = 0 };
    if (!named)
        return parse_address(l, s, n);
    size_t i = strcspn(s, ":");
    if (i < 1 || i + 3 > n || memcmp(s + i, "://", 3) != 0)
        return false;
    return copy(l->name, sizeof(l->name), s, i) && parse_address(l, s + i + 3, n - i - 3);
}

static bool
same_address(const struct vrv_listener *a, const struct vrv_listener *b)
{
    return a->is_unix == b->is_unix && (a->is_unix || (a->port == b->port && a->port != 0)) &&
        strcasecmp(a->host, b->host) == 0;
}

static int
check_new(const struct vrv_listeners *l, const struct vrv_listener *x, struct vrv_err *e)
{
    for (size_t i = 0; i < l->n; i++) {
        if (x->name[0] != '\0' && strcasecmp(l->v[i].name, x->name) == 0)
            return vrv_err_set(e, VRV_E_INVALID, "two listeners have the name %s", x->name);
        if (same_address(&l->v[i], x))
            return vrv_err_set(e, VRV_E_INVALID, "two listeners have the address %s:%d", x->host,
                x->port);
    }
    if (l->n == VRV_LISTENERS_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "there are more than %d listeners",
            VRV_LISTENERS_MAX);
    return 0;
}

int
vrv_listeners_parse(struct vrv_listeners *l, const char *text, bool named, struct vrv_err *e)
{
    struct vrv_listener x;
    const char *part;
    size_t n;
    int rc = 0;

    l->n = 0;
    if (strspn(text, " \t") == strlen(text))
        return 0;
    while (rc == 0 && vrv_setting_next(&text, &part, &n)) {
        if (!parse_one(&x, part, n, named))
            return vrv_err_set(e, VRV_E_INVALID, "\"%.*s\" is no address: expected %s", n > 80 ? 80
                                                                                          : (int)n,
                part, named ? "NAME://host:port, NAME://[v6]:port or NAME://unix:/path"
                            : "host:port, [v6]:port or unix:/path");
        rc = check_new(l, &x, e);
        if (rc == 0)
            l->v[l->n++] = x;
    }
    return rc;
}

struct vrv_listener *
vrv_listeners_find(struct vrv_listeners *l, const char *name, size_t n)
{
    for (size_t i = 0; i < l->n; i++)
        if (strlen(l->v[i].name) == n && strncasecmp(l->v[i].name, name, n) == 0)
            return &l->v[i];
    return NULL;
}

void
vrv_listeners_remove(struct vrv_listeners *l, const char *names)
{
    const char *part;
    size_t n;

    while (vrv_setting_next(&names, &part, &n)) {
        struct vrv_listener *x = vrv_listeners_find(l, part, n);

        if (x != NULL && n > 0)
            memmove(x, x + 1, (size_t)(&l->v[l->n--] - (x + 1)) * sizeof(*x));
    }
}

/* Does it mean every address of the machine? */
static bool
is_any(const char *host)
{
    struct in6_addr six;

    return host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 ||
        (inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_UNSPECIFIED(&six));
}

/* Local sockets have no address to tell: their clients are told the first one that has. */
static void
advertise_default(struct vrv_listeners *l, struct vrv_listener *x, const char *machine)
{
    const struct vrv_listener *from = x;

    for (size_t i = 0; from->is_unix && i < l->n; i++)
        if (!l->v[i].is_unix)
            from = &l->v[i];
    (void)snprintf(x->advertised_host, sizeof(x->advertised_host), "%s",
        !from->is_unix && is_any(from->host) ? machine : from->host);
    x->advertised_port = from->port;
}

int
vrv_listeners_advertise(struct vrv_listeners *l, const char *text, const char *without,
    const char *machine, struct vrv_err *e)
{
    struct vrv_listeners told = { .n = 0 };

    for (size_t i = 0; i < l->n; i++)
        advertise_default(l, &l->v[i], machine);
    int rc = text != NULL ? vrv_listeners_parse(&told, text, true, e) : 0;
    vrv_listeners_remove(&told, without);
    for (size_t i = 0; i < told.n && rc == 0; i++) {
        const struct vrv_listener *t = &told.v[i];
        struct vrv_listener *x = vrv_listeners_find(l, t->name, strlen(t->name));

        if (x == NULL)
            return vrv_err_set(e, VRV_E_INVALID, "%s is no listener's name", t->name);
        if (t->is_unix || is_any(t->host))
            return vrv_err_set(e, VRV_E_INVALID,
                "%s://%s:%d is no address that a client could connect to", t->name, t->host,
                t->port);
        memcpy(x->advertised_host, t->host, sizeof(t->host));
        x->advertised_port = t->port;
    }
    return rc;
}

bool
vrv_listener_is_local(const struct vrv_listener *l)
{
    struct in_addr four;
    struct in6_addr six;

    if (l->is_unix || strcasecmp(l->host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, l->host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, l->host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* As peers are written, whichever way it was given; false: it is none. */
static bool
normal_address(char *text, size_t size)
{
    struct in_addr four;
    struct in6_addr six;

    if (inet_pton(AF_INET, text, &four) == 1)
        return inet_ntop(AF_INET, &four, text, (socklen_t)size) != NULL;
    return inet_pton(AF_INET6, text, &six) == 1 &&
        inet_ntop(AF_INET6, &six, text, (socklen_t)size) != NULL;
}

static bool
one_limit(struct vrv_ip_limit *l, const char *part, size_t len)
{
    size_t colon = len;
    int64_t max;

    while (colon > 0 && part[colon - 1] != ':')
        colon--;
    if (colon < 2 || !number(part + colon, len - colon, INT32_MAX, &max))
        return false;
    size_t n = colon - 1;
    if (part[0] == '[' && part[n - 1] == ']') {
        part++;
        n -= 2;
    }
    l->max = (int32_t)max;
    return copy(l->address, sizeof(l->address), part, n) &&
        normal_address(l->address, sizeof(l->address));
}

int
vrv_ip_limits_parse(struct vrv_ip_limit **out, size_t *n, const char *text, struct vrv_err *e)
{
    const char *part;
    size_t len, cap = 0;

    *out = NULL;
    *n = 0;
    while (vrv_setting_next(&text, &part, &len)) {
        if (len == 0)
            continue;
        VRV_PUSH_ROOM(*out, *n, cap);
        if (!one_limit(&(*out)[*n], part, len)) {
            free(*out);
            *out = NULL;
            *n = 0;
            return vrv_err_set(e, VRV_E_INVALID,
                "\"%.*s\" is no limit: expected IP-address:number", len > 80 ? 80 : (int)len, part);
        }
        (*n)++;
    }
    return 0;
}
