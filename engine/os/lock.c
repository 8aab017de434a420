#include "engine/os/lock.h"

#include <errno.h>

#include "engine/base/assert.h"

enum { HELD_MAX = 160 };

static _Thread_local const struct vrv_lock *held[HELD_MAX];
static _Thread_local int held_n;

void
vrv_lock_init(struct vrv_lock *l, enum vrv_lock_rank rank)
{
    int rc = pthread_mutex_init(&l->mtx, NULL);

    VRV_ASSERT(rc == 0);
    l->rank = rank;
}

void
vrv_lock_fini(struct vrv_lock *l)
{
    int rc = pthread_mutex_destroy(&l->mtx);

    VRV_ASSERT(rc == 0);
}

void
vrv_lock(struct vrv_lock *l)
{
    VRV_ASSERT(held_n < HELD_MAX);
    if (held_n > 0) { /* order: locks.def */
        const struct vrv_lock *top = held[held_n - 1];

        VRV_ASSERT(top->rank < l->rank || (top->rank == l->rank && top < l));
    }
    int rc = pthread_mutex_lock(&l->mtx);
    VRV_ASSERT(rc == 0);
    held[held_n++] = l;
}

void
vrv_unlock(struct vrv_lock *l)
{
    VRV_ASSERT(held_n > 0);
    VRV_ASSERT(held[held_n - 1] == l); /* release in reverse order */
    held_n--;
    int rc = pthread_mutex_unlock(&l->mtx);
    VRV_ASSERT(rc == 0);
}

bool
vrv_lock_held(const struct vrv_lock *l)
{
    for (int i = 0; i < held_n; i++)
        if (held[i] == l)
            return true;
    return false;
}

void
vrv_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;

    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int rc = pthread_cond_init(c, &attr);
    VRV_ASSERT(rc == 0);
    (void)pthread_condattr_destroy(&attr);
}

void
vrv_cond_wait(pthread_cond_t *c, struct vrv_lock *l)
{
    VRV_ASSERT(held_n > 0);
    VRV_ASSERT(held[held_n - 1] == l);
    int rc = pthread_cond_wait(c, &l->mtx);
    VRV_ASSERT(rc == 0);
}

bool
vrv_cond_wait_until(pthread_cond_t *c, struct vrv_lock *l, const struct timespec *until)
{
    VRV_ASSERT(held_n > 0);
    VRV_ASSERT(held[held_n - 1] == l);
    int rc = pthread_cond_timedwait(c, &l->mtx, until);
    VRV_ASSERT(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

void
vrv_deadline(struct timespec *until, int64_t ms_from_now)
{
    if (ms_from_now < 0)
        ms_from_now = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, until);
    until->tv_sec += (time_t)(ms_from_now / 1000);
    until->tv_nsec += (long)(ms_from_now % 1000) * 1000000;
    if (until->tv_nsec >= 1000000000) {
        until->tv_nsec -= 1000000000;
        until->tv_sec++;
    }
}
