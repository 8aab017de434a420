/*
 * Completion queues: how asynchronous calls report back, on a thread of the caller's choice.
 *
 * The caller embeds a struct vrv_done in whatever describes its call; the engine links it into
 * the queue once, when the call is complete, and touches it no more.  Threads: any may post and
 * take; a queue with `fd` also makes that eventfd readable, for use in an epoll loop.
 */
#ifndef VRV_OS_CQ_H
#define VRV_OS_CQ_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "engine/os/lock.h"

struct vrv_cq;

struct vrv_done {
    struct vrv_done *next;
    struct vrv_cq *cq;
    void (*run)(struct vrv_done *d); /* the caller's own: what it does when it takes this */
};

struct vrv_cq {
    struct vrv_lock lock;
    pthread_cond_t posted;
    struct vrv_done *head, **tail;
    int fd;                   /* eventfd, or -1 */
    _Atomic unsigned posting; /* who is about to write to it */
};

/* with_fd: returns -1 when no eventfd can be had, else 0. */
int vrv_cq_init(struct vrv_cq *q, int with_fd);
void vrv_cq_fini(struct vrv_cq *q);

/* Post a chain of completions; first and last may be the same.  They all belong to q. */
void vrv_cq_post(struct vrv_cq *q, struct vrv_done *first, struct vrv_done *last);
/* The oldest completion, or NULL when there is none within wait_ms (0: don't wait; -1: for
 * ever). */
struct vrv_done *vrv_cq_take(struct vrv_cq *q, int64_t wait_ms);

#endif
