#include "t/lib/netsim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/mem.h"

#define SIM(conn) VRV_LIST_OF(conn, struct simconn, c)

static void
add_bytes(uint8_t **to, size_t *n, size_t *cap, const void *p, size_t k)
{
    while (*cap - *n < k) {
        *cap = *cap > 0 ? 2 * *cap : 4096;
        *to = vrv_mem_grow(*to, *cap);
    }
    memcpy(*to + *n, p, k);
    *n += k;
}

/* ---- the socket ---- */

static ssize_t
sim_recv(struct vrv_conn *c, void *p, size_t n)
{
    struct simconn *s = SIM(c);
    size_t there = s->in_n - s->in_pos;

    if (s->error != 0)
        return -s->error;
    if (there == 0)
        return s->ended ? 0 : -EAGAIN;
    if (n > there)
        n = there;
    if (s->cut > 0 && n > s->cut)
        n = s->cut;
    memcpy(p, s->in + s->in_pos, n);
    s->in_pos += n;
    return (ssize_t)n;
}

static ssize_t
sim_send(struct vrv_conn *c, const struct iovec *iov, int n, bool more)
{
    struct simconn *s = SIM(c);
    size_t sent = 0;

    (void)more;
    VRV_ASSERT(!s->finished);
    s->writes++;
    if (s->error != 0)
        return -s->error;
    for (int i = 0; i < n && s->window > 0; i++) {
        size_t k = iov[i].iov_len < s->window ? iov[i].iov_len : s->window;

        add_bytes(&s->out, &s->out_n, &s->out_cap, iov[i].iov_base, k);
        s->window -= k;
        sent += k;
    }
    return sent > 0 ? (ssize_t)sent : -EAGAIN;
}

static ssize_t
sim_sendfile(struct vrv_conn *c, int fd, uint64_t pos, size_t n)
{
    (void)c;
    (void)fd;
    (void)pos;
    (void)n;
    return -EINVAL; /* the simulated disk has no descriptors */
}

static void
sim_watch(struct vrv_conn *c, unsigned events)
{
    VRV_ASSERT(c->watched == events);
}

static void
sim_finish(struct vrv_conn *c)
{
    VRV_ASSERT(!SIM(c)->finished);
    SIM(c)->finished = true;
}

static void
sim_close(struct vrv_conn *c)
{
    VRV_ASSERT(c->fd >= 0);
    SIM(c)->reset = SIM(c)->in_pos < SIM(c)->in_n;
    c->fd = -1;
}

static void
sim_gone(struct vrv_conn *c)
{
    struct simconn *s = SIM(c);

    VRV_ASSERT(!s->gone && c->fd < 0 && s->pending == NULL);
    s->gone = true;
}

static const struct vrv_sock_ops sim_sock = { sim_recv, sim_send, sim_sendfile, sim_watch,
    sim_finish, sim_close, sim_gone };

/* ---- the handler ---- */

static void *
on_open(void *ctx, struct vrv_conn *c, const struct vrv_peer *peer)
{
    struct netsim *n = ctx;

    VRV_ASSERT(peer == &c->peer);
    return n->refuse ? NULL : SIM(c);
}

static void
answer(struct simcall *call)
{
    vrv_call_done(&call->call);
}

static struct simcall *
begin(struct simconn *s, const struct vrv_frame *f)
{
    struct simcall *call = VRV_NEW(struct simcall);

    call->s = s;
    call->first = f->bytes[0];
    if (call->first != 'n') {
        vrv_put_be32(vrv_out_room(&call->call.out, 4), (uint32_t)f->n);
        vrv_out_put(&call->call.out, f->bytes, f->n);
        add_bytes(&s->want, &s->want_n, &s->want_cap, call->call.out.own, f->n + 4);
    }
    call->call.close = call->first == 'c';
    if (call->first == 'm')
        call->call.mute_until_ns = s->c.r->now + 1000000000;
    vrv_call_begin(&s->c, &call->call);
    s->net->calls++;
    s->frames++;
    s->copied += f->slab == NULL;
    return call;
}

static int
on_frame(void *user, struct vrv_frame *f, struct vrv_err *e)
{
    struct simconn *s = user;

    VRV_ASSERT(!s->closed && f->n > 0);
    VRV_ASSERT(f->slab == NULL ||
        (f->bytes >= f->slab->data && f->bytes + f->n <= f->slab->data + f->slab->size));
    if (f->bytes[0] == 'x')
        return vrv_err_set(e, VRV_E_INVALID, "an x");
    if (f->bytes[0] == 'l' && s->c.undone > 0) {
        s->later++;
        return VRV_NET_LATER;
    }
    struct simcall *call = begin(s, f);
    if (call->first == 'p') {
        struct simcall **end = &s->pending;

        while (*end != NULL)
            end = &(*end)->next;
        *end = call;
    } else {
        answer(call);
    }
    return VRV_NET_TAKEN;
}

static void
on_ended(void *user)
{
    struct simconn *s = user;

    VRV_ASSERT(!s->closed && !s->told_ended);
    s->told_ended = true;
}

static void
on_close(void *user)
{
    ((struct simconn *)user)->closed++;
}

static void
on_sent(struct vrv_call *call)
{
    struct simcall *sc = VRV_LIST_OF(call, struct simcall, call);

    VRV_ASSERT(call->answered);
    sc->s->net->calls--;
    vrv_out_fini(&call->out);
    free(sc);
}

static void
on_free(void *user)
{
    struct simconn *s = user;

    VRV_ASSERT(s->closed == 1);
    s->freed++;
}

static void
on_block(void *ctx, struct vrv_job *job)
{
    struct netsim *n = ctx;
    struct vrv_job **end = &n->jobs;

    while (*end != NULL)
        end = &(*end)->next;
    *end = job;
    job->next = NULL;
}

static const struct vrv_net_ops sim_ops = { NULL, on_open, on_frame, on_ended, on_close, on_block,
    on_sent, on_free };

/* ---- the test's ---- */

void
netsim_init(struct netsim *n, const struct vrv_net_opts *o, size_t pool_bytes)
{
    *n = (struct netsim){ .calls = 0 };
    vrv_slab_pool_init(&n->pool, pool_bytes);
    simclock_init(&n->clock, 1700000000000);
    if (o != NULL)
        n->env.o = *o;
    else
        vrv_net_opts_default(&n->env.o);
    n->env.o.pool = &n->pool;
    n->env.o.clock = &n->clock.clock;
    n->env.o.ops = &sim_ops;
    n->env.o.ctx = n;
    vrv__net_env_init(&n->env, &n->env.o);
    VRV_ASSERT(vrv__reactor_init(&n->r, &n->env, false) == 0);
}

void
netsim_fini(struct netsim *n)
{
    vrv__reactor_kill(&n->r);
    for (int i = 0; i < NETSIM_CONNS; i++) {
        struct simconn *s = n->conn[i];

        if (s == NULL)
            continue;
        while (netsim_answer(s, 0))
            ;
        VRV_ASSERT(s->gone);
        free(s->in);
        free(s->out);
        free(s->want);
        free(s);
    }
    VRV_ASSERT(n->calls == 0);
    VRV_ASSERT(atomic_load(&n->env.requests.admitted) == 0);
    VRV_ASSERT(atomic_load(&n->env.requests.loose) == 0);
    VRV_ASSERT(atomic_load(&n->env.unsent) == 0);
    VRV_ASSERT(atomic_load(&n->r.load) == 0);
    vrv__reactor_fini(&n->r);
    vrv_slab_pool_fini(&n->pool);
}

struct simconn *
netsim_open(struct netsim *n, int i)
{
    struct simconn *s = VRV_NEW(struct simconn);

    VRV_ASSERT(n->conn[i] == NULL);
    n->conn[i] = s;
    s->net = n;
    s->window = SIZE_MAX / 2;
    s->c.magic = VRV_CONN_MAGIC;
    s->c.r = &n->r;
    s->c.sock = &sim_sock;
    s->c.fd = i;
    s->c.peer.name = "SIM";
    (void)atomic_fetch_add(&n->r.load, 1);
    vrv__conn_begin(&s->c);
    return s;
}

void
netsim_bytes(struct simconn *s, const void *p, size_t n)
{
    if (n == 0)
        return;
    s->in = vrv_mem_grow(s->in, s->in_n + n);
    memcpy(s->in + s->in_n, p, n);
    s->in_n += n;
}

void
netsim_frame(struct simconn *s, char first, size_t n)
{
    uint8_t *b = vrv_mem_grow(NULL, n + 4);

    memset(b, '.', n + 4);
    vrv_put_be32(b, (uint32_t)n);
    b[4] = (uint8_t)first;
    netsim_bytes(s, b, n + 4);
    free(b);
}

/* What epoll would say. */
static bool
events(struct simconn *s)
{
    struct vrv_conn *c = &s->c;
    bool any = false;

    if (s->gone || c->state == VRV_CONN_DEAD)
        return false;
    vrv__conn_hold(c);
    if ((c->watched & VRV_SOCK_IN) != 0 && (s->in_pos < s->in_n || s->ended || s->error != 0)) {
        vrv__conn_in(c);
        any = true;
    }
    if (c->state != VRV_CONN_DEAD && (c->watched & VRV_SOCK_END) != 0 && s->ended) {
        vrv__conn_ended(c);
        any = true;
    }
    if (c->state != VRV_CONN_DEAD && (c->watched & VRV_SOCK_OUT) != 0 && s->window > 0) {
        vrv__conn_out(c);
        any = true;
    }
    vrv__conn_release(c);
    return any;
}

bool
netsim_job(struct netsim *n)
{
    struct vrv_job *job = n->jobs;

    if (job == NULL)
        return false;
    n->jobs = job->next;
    job->work(job);
    vrv_cq_post(job->done.cq, &job->done, &job->done);
    return true;
}

void
netsim_run(struct netsim *n)
{
    int quiet = 0; /* rounds: what a turn changed, the next round's events see */

    while (quiet < 2) {
        bool any = false;

        vrv__reactor_clock(&n->r);
        for (int i = 0; i < NETSIM_CONNS; i++)
            any |= n->conn[i] != NULL && events(n->conn[i]);
        any |= !n->jobs_wait && netsim_job(n);
        any |= vrv__reactor_turn(&n->r);
        quiet = any ? 0 : quiet + 1;
    }
}

void
netsim_pass(struct netsim *n, int64_t ms)
{
    simclock_advance_ms(&n->clock, ms);
    netsim_run(n);
}

bool
netsim_answer(struct simconn *s, int i)
{
    struct simcall **at = &s->pending, *call;

    while (i-- > 0 && *at != NULL)
        at = &(*at)->next;
    call = *at;
    if (call == NULL)
        return false;
    *at = call->next;
    answer(call);
    return true;
}

const char *
netsim_got(const struct simconn *s)
{
    static char text[256];
    size_t n = 0, pos = 0;

    while (pos + 4 < s->out_n && n < sizeof(text) - 2) {
        size_t len = vrv_get_be32(s->out + pos);

        if (pos + 4 + len > s->out_n)
            break;
        text[n++] = (char)s->out[pos + 4];
        pos += 4 + len;
    }
    if (pos < s->out_n)
        text[n++] = '!';
    text[n] = '\0';
    return text;
}
