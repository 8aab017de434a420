/* Named threads with all signals blocked: signals are for the program's main thread. */
#ifndef VRV_OS_THREAD_H
#define VRV_OS_THREAD_H

#include <pthread.h>

#include "engine/base/err.h"

int vrv_thread_start(pthread_t *t, const char *name, void *(*run)(void *), void *ctx,
    struct vrv_err *e) VRV_MUST_CHECK;
/* The thread that calls gives way to others of the process where there are fewer processors than work. */
void vrv_thread_give_way(void);

/* Processors that this process may run on. */
unsigned vrv_thread_cpus(void);

#endif
