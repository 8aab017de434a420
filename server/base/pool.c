#include "server/base/pool.h"

#include <stdbool.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/lock.h"
#include "engine/os/thread.h"

enum { POOL_MAGIC = 0x706f6f6c };

struct vrv_pool {
    uint32_t magic;
    pthread_t *thread;
    unsigned thread_n;
    struct vrv_lock lock;
    pthread_cond_t given;
    struct vrv_job *head, **tail; /* guarded by lock, as the next */
    bool stop;
};

/* The oldest job, or NULL: the pool stops. */
static struct vrv_job *
next_job(struct vrv_pool *pool)
{
    vrv_lock(&pool->lock);
    while (pool->head == NULL && !pool->stop)
        vrv_cond_wait(&pool->given, &pool->lock);
    struct vrv_job *job = pool->head;
    if (job != NULL) {
        pool->head = job->next;
        if (pool->head == NULL)
            pool->tail = &pool->head;
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
    pool->thread = vrv_mem_zero(threads * sizeof(*pool->thread));
    pool->tail = &pool->head;
    vrv_lock_init(&pool->lock, VRV_LOCK_pool);
    vrv_cond_init(&pool->given);
    while (rc == 0 && pool->thread_n < threads) {
        rc = vrv_thread_start(&pool->thread[pool->thread_n], name, pool_main, pool, e);
        if (rc == 0)
            pool->thread_n++;
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
    for (unsigned i = 0; i < pool->thread_n; i++)
        (void)pthread_join(pool->thread[i], NULL);
    (void)pthread_cond_destroy(&pool->given);
    vrv_lock_fini(&pool->lock);
    free(pool->thread);
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
    (void)pthread_cond_signal(&pool->given);
    vrv_unlock(&pool->lock);
}
