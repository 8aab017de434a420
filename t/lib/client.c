#include "t/lib/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "server/wire/header.h"

enum { PATIENCE_S = 60, FRAME_MAX = 256 << 20, LENGTH = 4, CORRELATION = 4 };
/* What an answer unpacks to is bounded by its tables, but far from its bytes. */
static const size_t arena_max = (size_t)1 << 30;

struct waiting {
    const struct vrv_api *api;
    int16_t version;
    int32_t id;
};

struct client {
    int fd;
    int port;
    const char *client_id;
    int32_t next_id;
    struct waiting ring[CLIENT_INFLIGHT];
    unsigned first, n;
    struct vrv_out out;
    struct vrv_arena arena;
    uint8_t *in;
    size_t in_cap;
};

struct client *
client_new(int port, const char *client_id)
{
    struct client *c = VRV_NEW(struct client);

    c->fd = -1;
    c->port = port;
    c->client_id = client_id;
    vrv_arena_init(&c->arena, arena_max);
    return c;
}

void
client_free(struct client **c)
{
    if (*c == NULL)
        return;
    client_close(*c);
    vrv_out_fini(&(*c)->out);
    vrv_arena_fini(&(*c)->arena);
    free((*c)->in);
    free(*c);
    *c = NULL;
}

void
client_close(struct client *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
    c->first = c->n = 0;
}

bool
client_is_connected(const struct client *c)
{
    return c->fd >= 0;
}

unsigned
client_inflight(const struct client *c)
{
    return c->n;
}

/* Close, and say why: an error of the system, whatever it is, is one of the connection. */
static int
broken(struct client *c, struct vrv_err *e, const char *what)
{
    int code = errno == EAGAIN ? VRV_E_TIMEDOUT : VRV_E_IO;

    (void)vrv_err_set(e, code, "%s: %s", what, strerror(errno));
    client_close(c);
    return code;
}

static int
corrupt(struct client *c, struct vrv_err *e, const char *why)
{
    const struct waiting *w = &c->ring[c->first];

    (void)vrv_err_set(e, VRV_E_CORRUPT, "the answer to %s, version %d: %s", w->api->name, w->version,
        why);
    client_close(c);
    return VRV_E_CORRUPT;
}

/* With nobody there a connection to a port of our own machine may meet itself. */
static bool
met_itself(int fd)
{
    struct sockaddr_in here = { 0 }, there = { 0 };
    socklen_t n = sizeof(here), m = sizeof(there);

    return getsockname(fd, (struct sockaddr *)&here, &n) == 0 &&
        getpeername(fd, (struct sockaddr *)&there, &m) == 0 && here.sin_port == there.sin_port;
}

int
client_connect(struct client *c, struct vrv_err *e)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)c->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct timeval patience = { .tv_sec = PATIENCE_S };
    int on = 1;

    client_close(c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
        return broken(c, e, "connect");
    if (met_itself(c->fd)) {
        errno = ECONNREFUSED;
        return broken(c, e, "connect");
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    return 0;
}

/* ---- requests ---- */

static void
write_header(struct client *c, const struct vrv_api *api, int16_t version)
{
    size_t len = strlen(c->client_id);
    uint8_t *p = vrv_out_room(&c->out, LENGTH + 10);

    vrv_put_be16(p + 4, (uint16_t)api->key);
    vrv_put_be16(p + 6, (uint16_t)version);
    vrv_put_be32(p + 8, (uint32_t)c->next_id);
    vrv_put_be16(p + 12, (uint16_t)len);
    vrv_out_put(&c->out, c->client_id, len);
    if (vrv_api_flexible(api, version))
        *vrv_out_room(&c->out, 1) = 0;
}

static int
send_silent(struct client *c, int16_t key, int16_t version, const void *request,
    struct vrv_err *e)
{
    const struct vrv_api *api = vrv_api_find(key);

    VRV_ASSERT(api != NULL);
    if (c->fd < 0)
        return vrv_err_set(e, VRV_E_IO, "not connected");
    vrv_out_clear(&c->out);
    write_header(c, api, version);
    vrv_wire_write(api->req(), vrv_wire_version(api, version), request, &c->out);
    vrv_put_be32(c->out.own, (uint32_t)(c->out.n - LENGTH));
    for (size_t at = 0; at < c->out.n;) {
        ssize_t n = send(c->fd, c->out.own + at, c->out.n - at, MSG_NOSIGNAL);

        if (n < 0)
            return broken(c, e, "send");
        at += (size_t)n;
    }
    c->next_id++;
    return 0;
}

int
client_send(struct client *c, int16_t key, int16_t version, const void *request, struct vrv_err *e)
{
    struct waiting w = { vrv_api_find(key), version, c->next_id };

    VRV_ASSERT(c->n < CLIENT_INFLIGHT);
    int rc = send_silent(c, key, version, request, e);
    if (rc == 0)
        c->ring[(c->first + c->n++) % CLIENT_INFLIGHT] = w;
    return rc;
}

/* ---- answers ---- */

static int
read_all(struct client *c, uint8_t *p, size_t n, struct vrv_err *e)
{
    while (n > 0) {
        ssize_t got = recv(c->fd, p, n, 0);

        if (got == 0)
            errno = ECONNRESET;
        if (got <= 0)
            return broken(c, e, "receive");
        p += got;
        n -= (size_t)got;
    }
    return 0;
}

static int
parse(struct client *c, size_t n, const void **response, struct vrv_err *e)
{
    const struct waiting *w = &c->ring[c->first];
    bool tags = vrv_api_flexible(w->api, w->version) && w->api->key != VRV_API_api_versions;
    size_t header = CORRELATION + tags;
    struct vrv_err why = { 0 };

    if (n < header || (int32_t)vrv_get_be32(c->in) != w->id)
        return corrupt(c, e, "it belongs to another request");
    if (tags && c->in[CORRELATION] != 0)
        return corrupt(c, e, "tagged fields that there aren't");
    vrv_arena_reset(&c->arena);
    const struct vrv_schema *s = w->api->resp();
    void *m = vrv_arena_take(&c->arena, s->size);
    int64_t took = vrv_wire_read(s, vrv_wire_version(w->api, w->version), c->in + header, n - header,
        &c->arena, m, &why);
    if (took < 0)
        return corrupt(c, e, why.msg);
    if ((size_t)took != n - header)
        return corrupt(c, e, "bytes are left over");
    *response = m;
    c->first = (c->first + 1) % CLIENT_INFLIGHT;
    c->n--;
    return 0;
}

int
client_receive(struct client *c, const void **response, struct vrv_err *e)
{
    uint8_t length[LENGTH];

    if (c->fd < 0)
        return vrv_err_set(e, VRV_E_IO, "not connected");
    VRV_ASSERT(c->n > 0);
    int rc = read_all(c, length, LENGTH, e);
    if (rc < 0)
        return rc;
    size_t n = vrv_get_be32(length);
    if (n > FRAME_MAX)
        return corrupt(c, e, "it is too long");
    if (n > c->in_cap) {
        c->in = vrv_mem_grow(c->in, n);
        c->in_cap = n;
    }
    rc = read_all(c, c->in, n, e);
    return rc < 0 ? rc : parse(c, n, response, e);
}

int
client_call(struct client *c, int16_t key, int16_t version, const void *request,
    const void **response, struct vrv_err *e)
{
    VRV_ASSERT(c->n == 0);
    int rc = client_send(c, key, version, request, e);
    return rc < 0 ? rc : client_receive(c, response, e);
}
