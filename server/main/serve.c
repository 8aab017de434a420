#include "server/main/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "server/api/request.h"
#include "server/config/store.h"

struct user {
    struct vrv_client client; /* first */
    struct vrv_conn *conn;
};

/* "10.0.0.7:4711" and "[::1]:4711" without the port. */
static void
host_of(const char *peer, char *out, size_t size)
{
    const char *end = strrchr(peer, ':');
    size_t n = end != NULL ? (size_t)(end - peer) : strlen(peer);

    if (n >= 2 && peer[0] == '[') {
        peer++;
        n -= 2;
    }
    (void)snprintf(out, size, "%.*s", (int)n, peer);
}

void
vrv_serve_init(struct vrv_serve *s, struct vrv_broker *b, int64_t connections_max)
{
    s->broker = b;
    s->connections_max = connections_max;
    s->reactor_n = 0;
    vrv_lock_init(&s->lock, VRV_LOCK_serve);
}

void
vrv_serve_fini(struct vrv_serve *s)
{
    for (unsigned i = 0; i < s->reactor_n; i++)
        vrv_spares_fini(&s->reactor[i].spares);
    vrv_lock_fini(&s->lock);
}

static struct vrv_spares *
spares_of(struct vrv_serve *s, struct vrv_cq *cq)
{
    unsigned i = 0;

    vrv_lock(&s->lock);
    while (i < s->reactor_n && s->reactor[i].cq != cq)
        i++;
    if (i == s->reactor_n) {
        VRV_ASSERT(i < VRV_SERVE_REACTORS);
        s->reactor[i].cq = cq;
        s->reactor[i].spares = (struct vrv_spares){ NULL, 0, 0 };
        s->reactor_n++;
    }
    vrv_unlock(&s->lock);
    return &s->reactor[i].spares;
}

/* They may change while it runs, and addresses may have their own.  This machine's own programs may
 * connect as fast as they like. */
static void
serve_limits(void *ctx, const struct vrv_peer *peer, struct vrv_net_limits *l)
{
    const struct vrv_serve *s = ctx;
    struct vrv_config *c = vrv_config_get(s->broker->config);
    char host[VRV_CLIENT_TEXT];

    host_of(peer->text, host, sizeof(host));
    l->total = (unsigned)(c->max_connections < s->connections_max ? c->max_connections
                                                                  : s->connections_max);
    l->per_address = (unsigned)vrv_config_ip_max(c, host);
    l->per_second = peer->local ? 0 : (unsigned)c->max_connections_per_ip_rate;
    vrv_config_unref(&c);
}

static void *
serve_open(void *ctx, struct vrv_conn *conn, const struct vrv_peer *peer)
{
    struct vrv_serve *s = ctx;
    struct user *u = VRV_NEW(struct user);
    char host[VRV_CLIENT_TEXT];

    host_of(peer->text, host, sizeof(host));
    vrv_client_init(&u->client, s->broker, spares_of(s, vrv_net_reactor_cq(conn)),
        &s->broker->endpoint[peer->listener], host);
    u->conn = conn;
    return u;
}

static int
serve_frame(void *user, struct vrv_frame *f, struct vrv_err *e)
{
    struct user *u = user;
    struct vrv_request *r = NULL;
    int rc = vrv_client_take(&u->client, f->bytes, f->n, f->slab, &r, e);

    if (rc < 0)
        return rc;
    if (rc == VRV_CLIENT_LATER)
        return VRV_NET_LATER;
    vrv_call_begin(u->conn, &r->call);
    vrv_request_run(r);
    return VRV_NET_TAKEN;
}

/* Also when it only sends no more, or we stop: its long polls are answered with what there is. */
static void
serve_ended(void *user)
{
    vrv_client_gone(user);
}

static void
serve_block(void *ctx, struct vrv_job *job)
{
    struct vrv_serve *s = ctx;

    vrv_pool_give(s->broker->pool, job);
}

static void
serve_sent(struct vrv_call *call)
{
    vrv_request_free((struct vrv_request *)(void *)call);
}

static void
serve_free(void *user)
{
    free(user);
}

const struct vrv_net_ops vrv_serve_ops = {
    .limits = serve_limits,
    .open = serve_open,
    .frame = serve_frame,
    .ended = serve_ended,
    .close = serve_ended,
    .block = serve_block,
    .sent = serve_sent,
    .free = serve_free,
};
