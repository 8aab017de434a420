#include "server/base/pool.h"

#include <stdbool.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/idle.h"
#include "engine/os/lock.h"
#include "engine/os/thread.h"

enum { POOL_MAGIC = 0x706f6f6c };

struct worker {
    struct vrv_pool *pool;
    pthread_t thread;
    struct vrv_idle idle;
};

struct vrv_pool {
    uint32_t magic;
    struct worker *worker;
    unsigned worker_n;
    struct vrv_lock lock;
    pthread_cond_t given;
    struct vrv_job *head, **tail; /* guarded by lock, as the next ones */
    uint64_t waiting;
    bool stop;
};

static int64_t
now_ns(void)
{
    return vrv_clock_real()->mono_ns(vrv_clock_real());
}

/* With the lock held, until there is a job or the pool stops. */
static void
wait_for_job(struct worker *w)
{
    struct vrv_pool *pool = w->pool;

    if (pool->head != NULL || pool->stop)
        return;
    vrv_idle_begin(&w->idle, now_ns());
    while (pool->head == NULL && !pool->stop)
        vrv_cond_wait(&pool->given, &pool->lock);
    vrv_idle_end(&w->idle, now_ns());
}

/* The oldest job, or NULL: the pool stops. */
static struct vrv_job *
next_job(struct worker *w)
{
    struct vrv_pool *pool = w->pool;

    vrv_lock(&pool->lock);
    wait_for_job(w);
    struct vrv_job *job = pool->head;
    if (job != NULL) {
        pool->head = job->next;
        if (pool->head == NULL)
            pool->tail = &pool->head;
        pool->waiting--;
    }
    vrv_unlock(&pool->lock);
    return job;
}

static void *
pool_main(void *ctx)
{
    struct vrv_job *job;

    while ((job = next_job(ctx)) != NULL) {
        job->work(job);
        vrv_cq_post(job->done.cq, &job->done, &job->done);
    }
    return NULL;
}

int
vrv_pool_start(struct vrv_pool **out, const char *name, unsigned threads, struct vrv_err *e)
{
    struct vrv_pool *pool = VRV_NEW(struct vrv_pool);
    int rc = 0;

    pool->magic = POOL_MAGIC;
    pool->worker = vrv_mem_zero(threads * sizeof(*pool->worker));
    pool->tail = &pool->head;
    vrv_lock_init(&pool->lock, VRV_LOCK_pool);
    vrv_cond_init(&pool->given);
    while (rc == 0 && pool->worker_n < threads) {
        struct worker *w = &pool->worker[pool->worker_n];

        w->pool = pool;
        rc = vrv_thread_start(&w->thread, name, pool_main, w, e);
        if (rc == 0)
            pool->worker_n++;
    }
    if (rc < 0)
        vrv_pool_stop(&pool);
    *out = pool;
    return rc;
}

void
vrv_pool_stop(struct vrv_pool **pp)
{
    struct vrv_pool *pool = *pp;

    if (pool == NULL)
        return;
    VRV_CHECK(pool, POOL_MAGIC);
    vrv_lock(&pool->lock);
    pool->stop = true;
    (void)pthread_cond_broadcast(&pool->given);
    vrv_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->worker_n; i++)
        (void)pthread_join(pool->worker[i].thread, NULL);
    (void)pthread_cond_destroy(&pool->given);
    vrv_lock_fini(&pool->lock);
    free(pool->worker);
    free(pool);
    *pp = NULL;
}

void
vrv_pool_give(struct vrv_pool *pool, struct vrv_job *job)
{
    VRV_CHECK(pool, POOL_MAGIC);
    job->next = NULL;
    vrv_lock(&pool->lock);
    *pool->tail = job;
    pool->tail = &job->next;
    pool->waiting++;
    (void)pthread_cond_signal(&pool->given);
    vrv_unlock(&pool->lock);
}

void
vrv_pool_stats(struct vrv_pool *pool, struct vrv_pool_stats *s)
{
    VRV_CHECK(pool, POOL_MAGIC);
    vrv_lock(&pool->lock);
    *s = (struct vrv_pool_stats){ .threads = pool->worker_n, .waiting = pool->waiting };
    vrv_unlock(&pool->lock);
    for (unsigned i = 0; i < s->threads; i++)
        s->idle_ns += vrv_idle_ns(&pool->worker[i].idle, vrv_clock_real());
}
