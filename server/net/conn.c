/*
 * A connection: what it may take, when it ends.
 *
 *   NEW ──ops->open──► OPEN ──────── socket broke, time-out, stop ────────► DEAD ──► freed, when
 *    └──refused──► DEAD  │                                                  ▲        its last call
 *                        ▼ the peer sends no more, a frame is bad, a call   │        is done
 *                       LAST  asks for it, drain: no more is received      │
 *                        │                                                  │
 *                        ▼ all that was taken is answered                   │
 *                      LINGER  half closed: what comes is dropped ──────────┘
 *                              the peer closes, or a bound is hit
 *
 * NET-10: the kernel resets a connection that is closed with unread bytes in it, and the peer may
 * lose the last answer.  So it is closed when the peer has closed it; that is waited for a little.
 *
 * NET-1: answers leave in the order of requests, whatever the order in which calls are done.
 * NET-2: a connection of which too much is in service or unsent is not read; nothing else of it is
 * held up, and nothing of others.  Where all together have too much unsent, who takes none of it is
 * closed, and until that has helped nobody is read.
 *
 * Frames are taken while nothing holds that back (held()).  What held it back wakes it: a call that
 * is done, bytes that were sent, the timer, memory.
 */
#include "server/net/net_int.h"

#include <errno.h>

#include "engine/base/assert.h"
#include "server/base/diag.h"

static const int64_t MS = 1000000;
enum { LOOK_AGAIN_MS = 100, STALLED_AGAIN_MS = 1000 };

/* ---- its end ---- */

void
vrv__conn_hold(struct vrv_conn *c)
{
    VRV_CHECK(c, VRV_CONN_MAGIC);
    c->busy++;
}

void
vrv__conn_release(struct vrv_conn *c)
{
    if (--c->busy > 0 || c->state != VRV_CONN_DEAD || !vrv_list_empty(&c->calls))
        return;
    VRV_ASSERT(c->undone == 0);
    if (c->user != NULL)
        c->r->env->o.ops->free(c->user);
    c->user = NULL;
    c->sock->gone(c);
}

void
vrv__conn_holds_unsent(struct vrv_conn *c, size_t n)
{
    c->unsent += n;
    (void)atomic_fetch_add(&c->r->env->unsent, n);
}

void
vrv__conn_lets_unsent(struct vrv_conn *c, size_t n)
{
    c->unsent -= n;
    (void)atomic_fetch_sub(&c->r->env->unsent, n);
}

void
vrv__conn_drop(struct vrv_conn *c, struct vrv_call *call)
{
    vrv_list_del(&call->link);
    c->call_n--;
    vrv__conn_lets_unsent(c, call->held);
    VRV_COUNT(c->r, answers, 1);
    c->r->env->o.ops->sent(call);
}

static void
drop_answered(struct vrv_conn *c)
{
    struct vrv_list *next;

    for (struct vrv_list *l = c->calls.next; l != &c->calls; l = next) {
        struct vrv_call *call = VRV_LIST_OF(l, struct vrv_call, link);

        next = l->next;
        if (call->answered)
            vrv__conn_drop(c, call);
    }
}

/* Nothing is taken and nothing answered any more. */
static void
abandon(struct vrv_conn *c)
{
    vrv__load_drop(c);
    drop_answered(c);
    if (c->user != NULL)
        c->r->env->o.ops->close(c->user);
}

/* The one line about a connection that we close. */
static void
tell_closed(const struct vrv_conn *c, const char *why)
{
    vrv_diag(VRV_EV_NET_CLOSED, VRV_STR("listener", c->peer.name), VRV_STR("peer", c->peer.text),
        VRV_STR("reason", why));
}

void
vrv__conn_kill(struct vrv_conn *c, const char *why)
{
    bool abandoned = c->state == VRV_CONN_LINGER;

    if (c->state == VRV_CONN_DEAD)
        return;
    vrv__conn_hold(c);
    c->state = VRV_CONN_DEAD;
    if (why != NULL)
        tell_closed(c, why);
    c->sock->close(c);
    vrv_rx_clear(&c->rx, &c->r->mem);
    vrv_heap_del(&c->r->timers, &c->timer.t);
    vrv_list_del(&c->all);
    vrv_list_del(&c->serving);
    vrv_list_del(&c->sending);
    vrv_list_del(&c->starving);
    (void)atomic_fetch_sub(&c->r->load, 1);
    VRV_COUNT(c->r, closed, 1);
    if (!abandoned)
        abandon(c);
    vrv__conn_release(c);
}

void
vrv__conn_gone(struct vrv_conn *c)
{
    if (c->part != VRV_PART_NONE)
        VRV_COUNT(c->r, cut_frames, 1);
    vrv__conn_kill(c, NULL);
}

/* Receives no more.  Frames that wait are still taken, unless they are to be forgotten. */
static void
last(struct vrv_conn *c, bool forget)
{
    if (c->state == VRV_CONN_OPEN)
        c->state = VRV_CONN_LAST;
    c->part = VRV_PART_NONE;
    if (forget || !c->waiting) {
        vrv_rx_clear(&c->rx, &c->r->mem);
        c->waiting = c->later = false;
    }
    vrv_list_del(&c->starving);
}

void
vrv__conn_close(struct vrv_conn *c)
{
    const struct vrv_net_opts *o = &c->r->env->o;
    bool heard = !c->answered || c->r->now - c->active_ns >= MS * o->linger_ms;

    if (c->ended || heard) {
        vrv__conn_kill(c, NULL);
        return;
    }
    last(c, true);
    c->state = VRV_CONN_LINGER;
    c->linger_until_ns = c->r->now + MS * o->linger_ms;
    c->linger_left = o->linger_bytes;
    c->blocked = false;
    c->sock->finish(c);
    abandon(c);
}

static void
tell_ended(struct vrv_conn *c)
{
    if (c->told || c->r->env->o.ops->ended == NULL)
        return;
    c->told = true;
    c->r->env->o.ops->ended(c->user);
}

void
vrv__conn_finish(struct vrv_conn *c)
{
    vrv__conn_hold(c);
    last(c, false);
    if (c->state == VRV_CONN_LAST)
        tell_ended(c); /* a long poll is not to hold up the stop */
    vrv__conn_settle(c);
    vrv__conn_release(c);
}

/* It can't go on behind these bytes, but what came before is answered. */
static void
reject(struct vrv_conn *c, const char *why)
{
    tell_closed(c, why);
    last(c, true);
}

/* ---- time ---- */

static int64_t
earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Bytes of a frame must come: we read it, or it holds memory that others need. */
static bool
part_must_go_on(const struct vrv_conn *c)
{
    return c->part != VRV_PART_NONE &&
        ((c->watched & VRV_SOCK_IN) != 0 || c->rx.where == VRV_RX_SLAB);
}

static int64_t
part_due(const struct vrv_conn *c)
{
    const struct vrv_net_opts *o = &c->r->env->o;

    if (!part_must_go_on(c))
        return INT64_MAX;
    return c->part_ns + MS * (c->part == VRV_PART_LENGTH ? o->header_ms : o->body_ms);
}

static int64_t
idle_due(const struct vrv_conn *c)
{
    return c->undone > 0 ? INT64_MAX : c->active_ns + MS * c->r->env->o.idle_ms;
}

/* How much more than the bound all answers together have; in parts of it. */
static size_t
crowd(const struct vrv_conn *c)
{
    return atomic_load(&c->r->env->unsent) / c->r->env->o.unsent_bytes_max;
}

static bool
is_stalled(const struct vrv_conn *c)
{
    return c->unsent > 0 && c->blocked &&
        c->r->now - c->active_ns >= MS * c->r->env->o.stalled_ms;
}

/* Others' answers change the matter without a word to us: then it is looked at again and again. */
static int64_t
unsent_due(const struct vrv_conn *c)
{
    if (c->held == VRV_HELD_UNSENT && c->unsent == 0)
        return c->r->now + MS * LOOK_AGAIN_MS;
    if (c->unsent == 0 || !c->blocked)
        return INT64_MAX;
    return is_stalled(c) ? c->r->now + MS * STALLED_AGAIN_MS
                         : c->active_ns + MS * c->r->env->o.stalled_ms;
}

static void
arm(struct vrv_conn *c)
{
    int64_t due = earliest(earliest(part_due(c), idle_due(c)), unsent_due(c));

    if (c->held == VRV_HELD_MUTED)
        due = earliest(due, c->mute_until_ns);
    if (c->state == VRV_CONN_LINGER)
        due = earliest(due, c->linger_until_ns);
    /* One that is too early finds that out by itself: cheaper than to move it for each byte. */
    if (due != INT64_MAX && (c->timer.t.at == 0 || due < c->timer.t.ns)) {
        vrv_heap_del(&c->r->timers, &c->timer.t);
        vrv_heap_add(&c->r->timers, &c->timer.t, due);
    }
}

static void
restart_part(struct vrv_conn *c)
{
    c->part_ns = c->r->now;
    c->part_got = 0;
}

/* One has gone that held memory: the others that wait for some have another chance. */
static void
spare_starved(struct vrv_reactor *r)
{
    for (struct vrv_list *l = r->starved.next; l != &r->starved; l = l->next)
        restart_part(VRV_LIST_OF(l, struct vrv_conn, starving));
}

/* True: it was too slow, and is dead. */
static bool
part_too_slow(struct vrv_conn *c)
{
    const struct vrv_net_opts *o = &c->r->env->o;

    if (c->r->now < part_due(c))
        return false;
    if (c->part == VRV_PART_LENGTH) {
        VRV_COUNT(c->r, header_timeouts, 1);
        vrv__conn_kill(c, "the length of a request did not come in time");
        return true;
    }
    if ((int64_t)c->part_got * 1000 >= o->body_ms * o->body_rate) {
        restart_part(c);
        return false;
    }
    VRV_COUNT(c->r, body_timeouts, 1);
    if ((c->watched & VRV_SOCK_IN) != 0) {
        vrv__conn_kill(c, "a request came too slowly");
    } else {
        vrv__conn_kill(c, "no memory for the rest of a request");
        spare_starved(c->r);
    }
    return true;
}

static void
on_timer(struct vrv_net_timer *t)
{
    struct vrv_conn *c = VRV_TIMER_OF(t, struct vrv_conn, timer);

    vrv__conn_hold(c);
    if (c->state == VRV_CONN_LINGER && c->r->now >= c->linger_until_ns) {
        vrv__conn_kill(c, NULL);
    } else if (part_too_slow(c)) {
        ;
    } else if (is_stalled(c) && crowd(c) > 0) {
        VRV_COUNT(c->r, stalled, 1);
        vrv__conn_kill(c, "it takes none of its answers, and memory for them is used up");
    } else if (c->r->now >= idle_due(c)) {
        VRV_COUNT(c->r, idle_timeouts, 1);
        vrv__conn_kill(c, "idle");
    } else {
        vrv__conn_serve(c);
    }
    vrv__conn_release(c);
}

/* ---- taking frames ---- */

static enum vrv_conn_held
held(const struct vrv_conn *c)
{
    const struct vrv_net_env *env = c->r->env;

    if (c->ends)
        return VRV_HELD_ENDS;
    if (c->later && c->undone > 0)
        return VRV_HELD_LATER;
    if (c->r->now < c->mute_until_ns)
        return VRV_HELD_MUTED;
    if (c->request_bytes >= env->o.conn_request_bytes || c->call_n >= env->o.conn_calls)
        return VRV_HELD_REQUESTS;
    if (c->unsent >= env->o.conn_unsent_bytes || crowd(c) > (c->unsent > 0 ? 0 : 1))
        return VRV_HELD_UNSENT;
    return VRV_HELD_NOT;
}

static void
set_held(struct vrv_conn *c, enum vrv_conn_held h)
{
    if (h == c->held)
        return;
    c->held = h;
    if (h == VRV_HELD_MUTED)
        VRV_COUNT(c->r, muted, 1);
    else if (h == VRV_HELD_REQUESTS)
        VRV_COUNT(c->r, full_requests, 1);
    else if (h == VRV_HELD_UNSENT)
        VRV_COUNT(c->r, full_unsent, 1);
}

/* Offers one frame: 1 it was taken, 0 it waits, negative: it is bad. */
static int
offer(struct vrv_conn *c, struct vrv_frame *f, struct vrv_err *e)
{
    unsigned before = c->call_n;

    c->taking = f->n;
    int rc = c->r->env->o.ops->frame(c->user, f, e);
    c->taking = 0;
    VRV_ASSERT(c->call_n == before + (rc == VRV_NET_TAKEN));
    if (rc == VRV_NET_LATER) {
        VRV_ASSERT(c->undone > 0);
        c->later = true;
        VRV_COUNT(c->r, later, 1);
        return 0;
    }
    if (rc < 0) {
        VRV_COUNT(c->r, rejected, 1);
        return rc;
    }
    VRV_COUNT(c->r, frames, 1);
    vrv_rx_take(&c->rx);
    return 1;
}

static int
next_frame(struct vrv_conn *c, struct vrv_frame *f, struct vrv_err *e)
{
    int rc = vrv_rx_frame(&c->rx, &c->r->mem, f, e);

    if (rc < 0)
        VRV_COUNT(c->r, bad_frames, 1);
    return rc;
}

/* What of a frame is left behind those taken. */
static void
note_part(struct vrv_conn *c, bool took)
{
    enum vrv_conn_part part = c->rx.have >= VRV_RX_PREFIX ? VRV_PART_BODY : VRV_PART_LENGTH;

    if (c->rx.have == 0 || c->waiting)
        part = VRV_PART_NONE;
    if (took || part != c->part)
        restart_part(c);
    c->part = part;
}

/* Takes what can be taken, and puts the rest away. */
static void
take_frames(struct vrv_conn *c)
{
    struct vrv_err e = { 0 };
    struct vrv_frame f;
    bool took = false;
    int rc;

    c->waiting = false;
    while ((rc = next_frame(c, &f, &e)) == 1) {
        enum vrv_conn_held h = held(c);

        set_held(c, h);
        c->waiting = h != VRV_HELD_NOT;
        if (c->waiting)
            break;
        c->later = false;
        rc = offer(c, &f, &e);
        c->waiting = rc == 0;
        if (rc <= 0)
            break;
        took = true;
    }
    if (rc < 0) {
        reject(c, e.msg);
    } else if (c->state == VRV_CONN_LAST && !c->waiting) {
        last(c, true); /* the rest of what was there is only part of a frame */
    } else {
        vrv_rx_rest(&c->rx, &c->r->mem);
        note_part(c, took);
    }
}

void
vrv__conn_serve(struct vrv_conn *c)
{
    vrv__conn_hold(c);
    if (c->waiting && c->state != VRV_CONN_DEAD)
        take_frames(c);
    vrv__conn_settle(c);
    vrv__conn_release(c);
}

/* ---- receiving ---- */

static void
starve(struct vrv_conn *c)
{
    struct vrv_reactor *r = c->r;

    vrv__list_once(&r->starved, &c->starving);
    if (r->retry.t.at == 0)
        vrv_heap_add(&r->timers, &r->retry.t, r->now + MS * r->env->o.retry_ms);
}

void
vrv__conn_fed(struct vrv_conn *c)
{
    uint8_t *p;
    size_t n;

    vrv__conn_hold(c);
    vrv_list_del(&c->starving);
    /* Ask before the socket is watched again: of thousands that wait, few get some. */
    if (vrv_rx_room(&c->rx, &c->r->mem, &p, &n) < 0)
        starve(c);
    else
        vrv_rx_rest(&c->rx, &c->r->mem);
    vrv__conn_settle(c);
    vrv__conn_release(c);
}

/* Long polls and the like would wait for a peer that has most likely left. */
static void
note_ended(struct vrv_conn *c)
{
    c->ended = true;
    tell_ended(c);
}

static void
receive(struct vrv_conn *c)
{
    uint8_t *p;
    size_t n;

    if (vrv_rx_room(&c->rx, &c->r->mem, &p, &n) < 0) {
        VRV_COUNT(c->r, no_memory, 1);
        starve(c);
        return;
    }
    ssize_t got = c->sock->recv(c, p, n);
    if (got > 0) {
        vrv_rx_got(&c->rx, (size_t)got);
        VRV_COUNT(c->r, bytes_in, got);
        c->part_got += (size_t)got;
        c->active_ns = c->received_ns = c->r->now;
        take_frames(c);
        return;
    }
    vrv_rx_rest(&c->rx, &c->r->mem);
    if (got == 0) {
        if (c->part != VRV_PART_NONE)
            VRV_COUNT(c->r, cut_frames, 1);
        last(c, false);
        note_ended(c);
    } else if (got != -EAGAIN && got != -EINTR) {
        vrv__conn_gone(c);
    }
}

/* What comes too late, until the peer closes. */
static void
discard(struct vrv_conn *c)
{
    uint8_t *p = c->r->mem.reserve;
    ssize_t got = c->sock->recv(c, p, sizeof(c->r->mem.reserve));

    if (got > 0 && (size_t)got < c->linger_left)
        c->linger_left -= (size_t)got;
    else if (got != -EAGAIN && got != -EINTR)
        vrv__conn_kill(c, NULL);
}

void
vrv__conn_in(struct vrv_conn *c)
{
    vrv__conn_hold(c);
    if (c->state == VRV_CONN_LINGER)
        discard(c);
    else if ((c->watched & VRV_SOCK_IN) != 0)
        receive(c);
    vrv__conn_settle(c);
    vrv__conn_release(c);
}

void
vrv__conn_ended(struct vrv_conn *c)
{
    vrv__conn_hold(c);
    note_ended(c);
    vrv__conn_settle(c);
    vrv__conn_release(c);
}

void
vrv__conn_out(struct vrv_conn *c)
{
    c->blocked = false;
    vrv__conn_send(c);
}

static void
watch(struct vrv_conn *c)
{
    bool in = c->state == VRV_CONN_LINGER ||
        (c->state == VRV_CONN_OPEN && !c->waiting && c->held == VRV_HELD_NOT &&
            vrv_list_empty(&c->starving));
    unsigned events = (in ? VRV_SOCK_IN : c->ended ? 0u : VRV_SOCK_END) |
        (c->blocked ? VRV_SOCK_OUT : 0u);

    if (events == c->watched)
        return;
    if (in && !part_must_go_on(c))
        restart_part(c); /* it was our doing that nothing came */
    c->watched = events;
    c->sock->watch(c, events);
}

void
vrv__conn_settle(struct vrv_conn *c)
{
    if (c->state == VRV_CONN_DEAD)
        return;
    if (c->ends && c->state == VRV_CONN_OPEN)
        last(c, true);
    set_held(c, held(c));
    if (c->state == VRV_CONN_LAST && !c->waiting && vrv_list_empty(&c->calls)) {
        vrv__conn_close(c);
        if (c->state == VRV_CONN_DEAD)
            return;
    }
    if (c->waiting && c->held == VRV_HELD_NOT)
        vrv__list_once(&c->r->to_serve, &c->serving);
    watch(c);
    arm(c);
}

void
vrv__conn_begin(struct vrv_conn *c)
{
    struct vrv_reactor *r = c->r;

    vrv__conn_hold(c);
    c->active_ns = r->now;
    vrv_list_init(&c->serving);
    vrv_list_init(&c->sending);
    vrv_list_init(&c->starving);
    vrv_list_init(&c->calls);
    vrv_list_init(&c->all);
    vrv_list_push(&r->conns, &c->all);
    c->timer.run = on_timer;
    if (r->draining) {
        vrv__conn_kill(c, NULL);
    } else if ((c->user = r->env->o.ops->open(r->env->o.ctx, c, &c->peer)) == NULL) {
        VRV_COUNT(r, refused_handler, 1);
        vrv__conn_kill(c, "refused");
    } else {
        c->state = VRV_CONN_OPEN;
    }
    vrv__conn_settle(c);
    vrv__conn_release(c);
}

/* ---- calls ---- */

static size_t
memory_of(const struct vrv_out *o)
{
    size_t n = o->n;

    for (uint32_t i = 0; i < o->slice_n; i++) {
        if (o->slice[i].slice.kind != VRV_SLICE_FILE)
            n += o->slice[i].slice.n;
    }
    return n;
}

static void
call_done(struct vrv_call *call)
{
    struct vrv_conn *c = call->conn;
    struct vrv_net_env *env = c->r->env;

    VRV_CHECK(c, VRV_CONN_MAGIC);
    VRV_ASSERT(!call->answered);
    vrv__conn_hold(c);
    call->answered = true;
    c->undone--;
    c->request_bytes -= call->bytes;
    (void)atomic_fetch_sub(&env->requests.admitted, call->bytes);
    call->held = memory_of(&call->out) + call->kept;
    vrv__conn_holds_unsent(c, call->held);
    if (c->state >= VRV_CONN_LINGER) {
        vrv__conn_drop(c, call);
    } else {
        c->active_ns = c->r->now;
        if (call->close && call->reason != NULL && !c->ends)
            tell_closed(c, call->reason);
        c->ends |= call->close;
        if (call->mute_until_ns > c->mute_until_ns)
            c->mute_until_ns = call->mute_until_ns;
        /* The rest is for the next turn: the caller may be in the middle of anything. */
        vrv__list_once(&c->r->to_send, &c->sending);
    }
    vrv__conn_release(c);
}

static bool
call_crowded(const struct vrv_call *call)
{
    return crowd(call->conn) > 0;
}

void
vrv_call_begin(struct vrv_conn *c, struct vrv_call *call)
{
    VRV_CHECK(c, VRV_CONN_MAGIC);
    VRV_ASSERT(c->taking > 0);
    call->conn = c;
    call->cq = &c->r->cq;
    call->done = call_done;
    call->crowded = call_crowded;
    call->answered = false;
    call->bytes = c->taking;
    call->arrived_ns = c->received_ns;
    call->taken_ns = c->r->now;
    call->held = 0;
    vrv_list_push(&c->calls, &call->link);
    c->call_n++;
    c->undone++;
    c->request_bytes += call->bytes;
    (void)atomic_fetch_add(&c->r->env->requests.admitted, call->bytes);
}

struct vrv_cq *
vrv_net_reactor_cq(struct vrv_conn *c)
{
    return &c->r->cq;
}

void
vrv_net_timer(struct vrv_conn *c, struct vrv_net_timer *t, int64_t ns)
{
    vrv_heap_del(&c->r->timers, &t->t);
    vrv_heap_add(&c->r->timers, &t->t, ns);
}
