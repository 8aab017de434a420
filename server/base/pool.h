/*
 * Threads for what must not run on a reactor: everything that waits for a disk.
 *
 * A job is the caller's struct with this one embedded.  `work` runs on one of the pool's threads,
 * then the job is posted to done.cq, and whoever takes it there calls done.run.  Jobs begin in the
 * order in which they were given.  The number of jobs is bounded by who gives them (each belongs to
 * a request, and those are).
 *
 * Threads: any may give jobs.
 */
#ifndef VRV_SERVER_POOL_H
#define VRV_SERVER_POOL_H

#include "engine/base/err.h"
#include "engine/os/cq.h"

struct vrv_pool;

struct vrv_job {
    struct vrv_done done;              /* done.cq and done.run are the caller's to set, */
    void (*work)(struct vrv_job *job); /* and so is this */
    struct vrv_job *next;
};

int vrv_pool_start(struct vrv_pool **pool, const char *name, unsigned threads, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Finishes all jobs first; they are all posted when it returns. */
void vrv_pool_stop(struct vrv_pool **pool);

void vrv_pool_give(struct vrv_pool *pool, struct vrv_job *job);

struct vrv_pool_stats {
    unsigned threads;
    uint64_t waiting; /* jobs that no thread has begun */
    int64_t idle_ns;  /* how long all threads together had none */
};
void vrv_pool_stats(struct vrv_pool *pool, struct vrv_pool_stats *s);

#endif
