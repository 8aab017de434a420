/* A reactor's thread: epoll around what reactor.c and conn.c decide, and the real sockets. */
#ifndef VRV_NET_LOOP_H
#define VRV_NET_LOOP_H

#include <pthread.h>

#include "engine/os/idle.h"
#include "server/net/net_int.h"

struct vrv_acceptor;

struct vrv_loop {
    struct vrv_reactor r;
    int epoll;
    bool ending;                 /* the thread's */
    struct vrv_acceptor *acceptor;
    struct vrv_done drain, kill, end; /* posted to r.cq */
    pthread_t thread;
    struct vrv_idle idle;        /* the thread's */
};

int vrv__loop_init(struct vrv_loop *l, struct vrv_net_env *env, struct vrv_acceptor *a,
    struct vrv_err *e) VRV_MUST_CHECK;
int vrv__loop_start(struct vrv_loop *l, unsigned i, struct vrv_err *e) VRV_MUST_CHECK;
void vrv__loop_fini(struct vrv_loop *l);

/* Any thread, each once: finish all connections; end them; return from the thread. */
void vrv__loop_drain(struct vrv_loop *l);
void vrv__loop_kill(struct vrv_loop *l);
void vrv__loop_end(struct vrv_loop *l);

/* On the reactor's thread: a connection from the acceptor. */
void vrv__loop_begin(struct vrv_conn *c);

#endif
