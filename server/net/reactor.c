#include "server/net/net_int.h"

#include <limits.h>

#include "engine/base/assert.h"

static const int64_t MS = 1000000;

/* Moves all of a list to an empty one. */
static void
take_all(struct vrv_list *from, struct vrv_list *to)
{
    vrv_list_init(to);
    if (vrv_list_empty(from))
        return;
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    vrv_list_init(from);
}

static void
on_retry(struct vrv_net_timer *t)
{
    struct vrv_reactor *r = VRV_TIMER_OF(t, struct vrv_reactor, retry);
    struct vrv_list starved;

    take_all(&r->starved, &starved);
    while (!vrv_list_empty(&starved))
        vrv__conn_fed(VRV_LIST_OF(starved.next, struct vrv_conn, starving));
}

int
vrv__reactor_init(struct vrv_reactor *r, struct vrv_net_env *env, bool with_fd)
{
    r->magic = VRV_REACTOR_MAGIC;
    r->env = env;
    vrv_rxmem_init(&r->mem, env->o.pool, env->o.frame_max, &env->requests);
    vrv_list_init(&r->conns);
    vrv_list_init(&r->to_serve);
    vrv_list_init(&r->to_send);
    vrv_list_init(&r->starved);
    r->retry.run = on_retry;
    vrv__reactor_clock(r);
    return vrv_cq_init(&r->cq, with_fd);
}

void
vrv__reactor_fini(struct vrv_reactor *r)
{
    VRV_CHECK(r, VRV_REACTOR_MAGIC);
    VRV_ASSERT(vrv_list_empty(&r->conns));
    vrv_heap_fini(&r->timers);
    vrv_rxmem_fini(&r->mem);
    vrv_cq_fini(&r->cq);
    r->magic = 0;
}

void
vrv__reactor_clock(struct vrv_reactor *r)
{
    r->now = r->env->o.clock->mono_ns(r->env->o.clock);
}

static void
run_timers(struct vrv_reactor *r)
{
    struct vrv_timer *t;

    while ((t = vrv_heap_first(&r->timers)) != NULL && t->ns <= r->now) {
        vrv_heap_del(&r->timers, t);
        struct vrv_net_timer *timer = VRV_TIMER_OF(t, struct vrv_net_timer, t);
        timer->run(timer);
    }
}

bool
vrv__reactor_turn(struct vrv_reactor *r)
{
    struct vrv_done *d;
    struct vrv_list now;

    VRV_CHECK(r, VRV_REACTOR_MAGIC);
    while ((d = vrv_cq_take(&r->cq, 0)) != NULL)
        d->run(d);
    run_timers(r);
    take_all(&r->to_serve, &now);
    while (!vrv_list_empty(&now)) {
        struct vrv_conn *c = VRV_LIST_OF(now.next, struct vrv_conn, serving);

        vrv_list_del(&c->serving);
        vrv__conn_serve(c);
    }
    take_all(&r->to_send, &now);
    while (!vrv_list_empty(&now)) {
        struct vrv_conn *c = VRV_LIST_OF(now.next, struct vrv_conn, sending);

        vrv_list_del(&c->sending);
        vrv__conn_send(c);
    }
    return !vrv_list_empty(&r->to_serve) || !vrv_list_empty(&r->to_send);
}

int
vrv__reactor_wait_ms(const struct vrv_reactor *r)
{
    const struct vrv_timer *t = vrv_heap_first(&r->timers);

    if (t == NULL)
        return -1;
    int64_t ns = t->ns - r->now;
    if (ns <= 0)
        return 0;
    return ns / MS >= INT_MAX ? INT_MAX : (int)((ns + MS - 1) / MS);
}

/* fn takes the connection out of the list of all, or leaves it there. */
static void
each(struct vrv_reactor *r, void (*fn)(struct vrv_conn *c))
{
    struct vrv_list *next;

    for (struct vrv_list *l = r->conns.next; l != &r->conns; l = next) {
        next = l->next;
        fn(VRV_LIST_OF(l, struct vrv_conn, all));
    }
}

void
vrv__reactor_drain(struct vrv_reactor *r)
{
    r->draining = true;
    each(r, vrv__conn_finish);
}

static void
kill_quietly(struct vrv_conn *c)
{
    vrv__conn_kill(c, NULL);
}

void
vrv__reactor_kill(struct vrv_reactor *r)
{
    r->draining = true;
    each(r, kill_quietly);
}
