#include "engine/os/cq.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>


int
vrv_cq_init(struct vrv_cq *q, int with_fd)
{
    vrv_lock_init(&q->lock, VRV_LOCK_queue);
    vrv_cond_init(&q->posted);
    q->head = NULL;
    q->tail = &q->head;
    atomic_init(&q->posting, 0);
    q->fd = with_fd ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    return with_fd && q->fd < 0 ? -1 : 0;
}

void
vrv_cq_fini(struct vrv_cq *q)
{
    while (atomic_load(&q->posting) > 0)
        (void)sched_yield();
    if (q->fd >= 0)
        (void)close(q->fd);
    (void)pthread_cond_destroy(&q->posted);
    vrv_lock_fini(&q->lock);
}

static void
wake(const struct vrv_cq *q)
{
    uint64_t one = 1;
    /* EAGAIN means that it is readable already: as good. */
    ssize_t n = write(q->fd, &one, sizeof(one));

    (void)n;
}

/* The one that is woken by the descriptor may run at once, in place of the poster, if that has a lower priority: so
 * the lock isn't held then.  Whoever takes what was posted may free the queue: `posting` says when. */
void
vrv_cq_post(struct vrv_cq *q, struct vrv_done *first, struct vrv_done *last)
{
    bool has_fd = q->fd >= 0;

    last->next = NULL;
    if (has_fd)
        atomic_fetch_add(&q->posting, 1);
    vrv_lock(&q->lock);
    *q->tail = first;
    q->tail = &last->next;
    (void)pthread_cond_signal(&q->posted);
    vrv_unlock(&q->lock); /* the last touch, if there is no descriptor */
    if (has_fd) {
        wake(q);
        atomic_fetch_sub(&q->posting, 1);
    }
}

struct vrv_done *
vrv_cq_take(struct vrv_cq *q, int64_t wait_ms)
{
    struct timespec until;

    if (wait_ms > 0)
        vrv_deadline(&until, wait_ms);
    vrv_lock(&q->lock);
    while (q->head == NULL && wait_ms != 0) {
        if (wait_ms < 0)
            vrv_cond_wait(&q->posted, &q->lock);
        else if (!vrv_cond_wait_until(&q->posted, &q->lock, &until))
            break;
    }
    struct vrv_done *d = q->head;
    if (d != NULL) {
        q->head = d->next;
        if (q->head == NULL)
            q->tail = &q->head;
        else /* taken one by one by several threads: pass the signal on */
            (void)pthread_cond_signal(&q->posted);
    }
    vrv_unlock(&q->lock);
    return d;
}
