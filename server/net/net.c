/*
 * Starting and stopping.  A stop goes from the outside in: no new connections, no more requests,
 * answers, connections, then threads.
 */
#include "server/net/net.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/thread.h"
#include "server/base/diag.h"
#include "server/net/acceptor.h"
#include "server/net/loop.h"

enum { NET_MAGIC = 0x6e657473 };

struct vrv_net {
    uint32_t magic;
    struct vrv_net_env env;
    struct vrv_listener listener[VRV_LISTENERS];
    unsigned listener_n;
    struct vrv_loop *loop;
    unsigned loop_n, made, started; /* of them: wanted, initialised, with a thread */
    struct vrv_acceptor acceptor;
    bool accepting;
    struct vrv_cq idle;             /* told when the last connection is gone */
    bool drained, all_gone;
};

static int
bind_all(struct vrv_net *net, const struct vrv_net_opts *o, struct vrv_err *e)
{
    if (o->listener_n == 0 || o->listener_n > VRV_LISTENERS)
        return vrv_err_set(e, VRV_E_INVALID, "%u listeners: one at least, %d at most",
            o->listener_n, VRV_LISTENERS);
    for (unsigned i = 0; i < o->listener_n; i++) {
        int rc = vrv_listener_open(&net->listener[i], o->listener[i], o, e);

        if (rc < 0)
            return rc;
        net->listener_n++;
    }
    return 0;
}

static void
close_listeners(struct vrv_net *net)
{
    for (unsigned i = 0; i < net->listener_n; i++)
        vrv_listener_close(&net->listener[i]);
}

int
vrv_net_check(const struct vrv_net_opts *o, struct vrv_err *e)
{
    struct vrv_net *net = VRV_NEW(struct vrv_net);
    int rc = bind_all(net, o, e);

    close_listeners(net);
    free(net);
    return rc;
}

static int
start_loops(struct vrv_net *net, struct vrv_err *e)
{
    unsigned n = net->env.o.reactors > 0 ? net->env.o.reactors : vrv_thread_cpus();
    int rc = 0;

    net->loop = vrv_mem_zero(n * sizeof(*net->loop));
    net->loop_n = n;
    for (; rc == 0 && net->made < n; net->made++)
        rc = vrv__loop_init(&net->loop[net->made], &net->env, &net->acceptor, e);
    for (; rc == 0 && net->started < n; net->started++) {
        rc = vrv__loop_start(&net->loop[net->started], net->started, e);
        if (rc < 0)
            break;
    }
    return rc;
}

static int
start_acceptor(struct vrv_net *net, struct vrv_err *e)
{
    struct vrv_acceptor *a = &net->acceptor;

    a->env = &net->env;
    a->listener = net->listener;
    a->listener_n = net->listener_n;
    a->loop = net->loop;
    a->loop_n = net->loop_n;
    a->idle = &net->idle;
    int rc = vrv__acceptor_start(a, e);
    net->accepting = rc == 0;
    return rc;
}

int
vrv_net_start(struct vrv_net **out, const struct vrv_net_opts *o, struct vrv_err *e)
{
    struct vrv_net *net = VRV_NEW(struct vrv_net);
    int rc;

    net->magic = NET_MAGIC;
    vrv__net_env_init(&net->env, o);
    *out = NULL;
    bool queues = vrv_cq_init(&net->idle, false) == 0;
    queues = vrv_cq_init(&net->acceptor.cq, true) == 0 && queues;
    rc = queues ? bind_all(net, o, e) : vrv_err_sys(e, "an event queue can't be made");
    if (rc == 0)
        rc = start_loops(net, e);
    if (rc == 0)
        rc = start_acceptor(net, e);
    net->env.o.listener = NULL; /* the caller's */
    if (rc < 0) {
        vrv_net_stop(&net);
        return rc;
    }
    for (unsigned i = 0; i < net->listener_n; i++)
        vrv_diag(VRV_EV_NET_LISTEN, VRV_STR("listener", net->listener[i].text.name),
            VRV_STR("address", net->listener[i].bound));
    *out = net;
    return 0;
}

static bool
wait_idle(struct vrv_net *net, int64_t ms)
{
    if (!net->all_gone)
        net->all_gone = vrv_cq_take(&net->idle, ms) != NULL;
    return net->all_gone;
}

bool
vrv_net_drain(struct vrv_net *net, int64_t ms)
{
    VRV_CHECK(net, NET_MAGIC);
    VRV_ASSERT(!net->drained);
    net->drained = true;
    vrv__acceptor_close(&net->acceptor);
    for (unsigned i = 0; i < net->loop_n; i++)
        vrv__loop_drain(&net->loop[i]);
    bool all = wait_idle(net, ms);
    if (!all)
        vrv_diag(VRV_EV_NET_DRAIN, VRV_NUM("connections", atomic_load(&net->acceptor.connections)),
            VRV_NUM("ms", ms));
    return all;
}

void
vrv_net_stop(struct vrv_net **pp)
{
    struct vrv_net *net = *pp;

    if (net == NULL)
        return;
    VRV_CHECK(net, NET_MAGIC);
    if (net->accepting) {
        for (unsigned i = 0; i < net->loop_n; i++)
            vrv__loop_kill(&net->loop[i]);
        vrv__acceptor_end(&net->acceptor);
        (void)pthread_join(net->acceptor.thread, NULL);
    }
    for (unsigned i = 0; i < net->started; i++) {
        vrv__loop_end(&net->loop[i]);
        (void)pthread_join(net->loop[i].thread, NULL);
    }
    for (unsigned i = 0; i < net->made; i++)
        vrv__loop_fini(&net->loop[i]);
    close_listeners(net);
    vrv_cq_fini(&net->acceptor.cq);
    vrv_cq_fini(&net->idle);
    free(net->loop);
    net->magic = 0;
    free(net);
    *pp = NULL;
}

const char *
vrv_net_bound(const struct vrv_net *net, unsigned i)
{
    VRV_CHECK(net, NET_MAGIC);
    VRV_ASSERT(i < net->listener_n);
    return net->listener[i].bound;
}

int
vrv_net_port(const struct vrv_net *net, unsigned i)
{
    VRV_CHECK(net, NET_MAGIC);
    VRV_ASSERT(i < net->listener_n);
    return net->listener[i].port;
}

static void
add(struct vrv_net_stats *s, const struct vrv_net_counters *c)
{
#define VRV_NET_COUNTER(name, text) s->name += atomic_load(&c->name);
#include "server/net/counters.def"
}

void
vrv_net_stats(struct vrv_net *net, struct vrv_net_stats *s)
{
    VRV_CHECK(net, NET_MAGIC);
    *s = (struct vrv_net_stats){ .connections = atomic_load(&net->acceptor.connections) };
    add(s, &net->acceptor.counters);
    for (unsigned i = 0; i < net->loop_n; i++)
        add(s, &net->loop[i].r.counters);
    s->request_bytes =
        atomic_load(&net->env.requests.admitted) + atomic_load(&net->env.requests.loose);
    s->unsent_bytes = atomic_load(&net->env.unsent);
}

unsigned
vrv_net_reactors(const struct vrv_net *net)
{
    return net->loop_n;
}

int64_t
vrv_net_idle_ns(struct vrv_net *net, unsigned i)
{
    VRV_ASSERT(i < net->loop_n);
    return vrv_idle_ns(&net->loop[i].idle, net->env.o.clock);
}

struct vrv_cq *
vrv_net_cq(struct vrv_net *net, unsigned i)
{
    VRV_ASSERT(i < net->loop_n);
    return &net->loop[i].r.cq;
}
