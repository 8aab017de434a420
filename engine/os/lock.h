/* Ranked mutexes: the order in locks.def is checked at run time. */
#ifndef VRV_OS_LOCK_H
#define VRV_OS_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "engine/base/annot.h"

enum vrv_lock_rank {
#define VRV_LOCK(name, rank) VRV_LOCK_##name = (rank),
#include "engine/os/locks.def"
};

struct VRV_CAPABILITY vrv_lock {
    pthread_mutex_t mtx;
    enum vrv_lock_rank rank;
};

void vrv_lock_init(struct vrv_lock *l, enum vrv_lock_rank rank);
void vrv_lock_fini(struct vrv_lock *l);
void vrv_lock(struct vrv_lock *l) VRV_ACQUIRES(*l);
void vrv_unlock(struct vrv_lock *l) VRV_RELEASES(*l);

/* Condition variables on the monotonic clock, used with a ranked lock, which must be the last one
 * this thread took.  _until is false once the deadline has passed. */
void vrv_cond_init(pthread_cond_t *c);
void vrv_cond_wait(pthread_cond_t *c, struct vrv_lock *l);
bool vrv_cond_wait_until(pthread_cond_t *c, struct vrv_lock *l, const struct timespec *until);
void vrv_deadline(struct timespec *until, int64_t ms_from_now); /* what is past is now */

/* True when this thread holds `l`; for assertions only. */
bool vrv_lock_held(const struct vrv_lock *l);

#endif
