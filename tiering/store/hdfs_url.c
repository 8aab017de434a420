/* Addresses of a store, as a user writes them. */
#include <string.h>

#include "tiering/store/hdfs_int.h"

enum { PORT_MAX = 65535 };

static const char form[] = "expected hdfs://HOST:PORT[,HOST:PORT...]/DIRECTORY, with the HTTP addresses of name "
                           "nodes";

static bool
is_port(const char *p, size_t n)
{
    unsigned port = 0;

    for (size_t i = 0; i < n && port <= PORT_MAX; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        port = port * 10 + (unsigned)(p[i] - '0');
    }
    return port > 0 && port <= PORT_MAX;
}

/* A name, or an address in numbers; of IPv6 in []. */
static bool
is_host(const char *p, size_t n)
{
    static const char in_name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    static const char in_v6[] = "0123456789abcdefABCDEF:.";
    bool v6 = n > 2 && p[0] == '[' && p[n - 1] == ']';

    if (v6)
        return strspn(p + 1, in_v6) == n - 2;
    return n > 0 && strspn(p, in_name) >= n;
}

static int
add_name(struct vrv__hdfs_url *u, const char *p, size_t n, struct vrv_err *e)
{
    const char *colon = memrchr(p, ':', n);
    size_t host = colon == NULL ? 0 : (size_t)(colon - p);

    if (n >= VRV__HDFS_HOST_MAX || !is_host(p, host) || !is_port(colon + 1, n - host - 1))
        return vrv_err_set(e, VRV_E_INVALID, "\"%.*s\" is no HOST:PORT; %s", (int)(n < 80 ? n : 80), p,
            form);
    if (u->n == VRV__HDFS_NAMES_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "more than %d name nodes", VRV__HDFS_NAMES_MAX);
    memcpy(u->names[u->n], p, n);
    u->names[u->n++][n] = '\0';
    return 0;
}

static int
set_root(struct vrv__hdfs_url *u, const char *path, struct vrv_err *e)
{
    size_t n = strlen(path);

    while (n > 0 && path[n - 1] == '/')
        n--;
    if (n > VRV__HDFS_ROOT_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "a directory of at most %d bytes", VRV__HDFS_ROOT_MAX);
    memcpy(u->root, path, n);
    u->root[n] = '\0';
    if (n > 0 && !vrv_store_key_is_good(u->root + 1, false))
        return vrv_err_set(e, VRV_E_INVALID,
            "the directory %.80s: of letters, digits, '.', '_', '-' and single '/' only", u->root);
    return 0;
}

int
vrv__hdfs_url_parse(struct vrv__hdfs_url *u, const char *text, struct vrv_err *e)
{
    static const char plain[] = "hdfs://", tls[] = "swebhdfs://";
    int rc = 0;

    *u = (struct vrv__hdfs_url){ .tls = strncmp(text, tls, sizeof(tls) - 1) == 0 };
    if (!u->tls && strncmp(text, plain, sizeof(plain) - 1) != 0)
        return vrv_err_set(e, VRV_E_INVALID, "%s", form);
    const char *at = text + (u->tls ? sizeof(tls) : sizeof(plain)) - 1;
    const char *end = at + strcspn(at, "/");
    while (rc == 0) {
        size_t n = strcspn(at, ",/");

        rc = add_name(u, at, n, e);
        at += n;
        if (at == end)
            break;
        at++;
    }
    return rc < 0 ? rc : set_root(u, end, e);
}
