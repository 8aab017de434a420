/*
 * The thread that takes connections and hands each to the reactor that has fewest.
 *
 * It owns the counts of who is connected: a connection that is over comes back here to be freed.
 * Without a free descriptor it still answers: a reserve is given up for a moment to take a
 * connection and close it, so that clients are told and the kernel's queue doesn't stand still.
 */
#ifndef VRV_NET_ACCEPTOR_H
#define VRV_NET_ACCEPTOR_H

#include <pthread.h>

#include "server/net/admit.h"
#include "server/net/listen.h"
#include "server/net/net_int.h"

struct vrv_loop;

struct vrv_acceptor {
    struct vrv_net_env *env;
    struct vrv_listener *listener;
    unsigned listener_n;
    struct vrv_loop *loop; /* one per reactor */
    unsigned loop_n, next;
    /* its thread's */
    struct vrv_admit admit;
    int reserve;           /* a descriptor to give up, or -1 */
    int64_t paused_until;  /* accepting failed: monotonic ns */
    bool closed;           /* no listeners any more */
    bool ending;           /* end when all connections are back */
    /* any thread's */
    struct vrv_cq cq;      /* connections that come back, and the next two */
    struct vrv_done close, end;
    struct vrv_cq *idle;   /* gets idle_done, once, when it is closed and all are back */
    struct vrv_done idle_done;
    bool idle_told;
    struct vrv_net_counters counters;
    _Atomic unsigned connections;
    pthread_t thread;
};

int vrv__acceptor_start(struct vrv_acceptor *a, struct vrv_err *e) VRV_MUST_CHECK;
/* Close the listeners; _end: and return when no connection is left. */
void vrv__acceptor_close(struct vrv_acceptor *a);
void vrv__acceptor_end(struct vrv_acceptor *a);
/* On any thread: nothing of this connection is under way any more. */
void vrv__acceptor_back(struct vrv_acceptor *a, struct vrv_conn *c);

#endif
