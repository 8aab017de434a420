#include "engine/os/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { LESS = 10 };

int
vrv_thread_start(pthread_t *t, const char *name, void *(*run)(void *), void *ctx,
    struct vrv_err *e)
{
    sigset_t all, old;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(t, NULL, run, ctx);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        errno = rc;
        return vrv_err_sys(e, "thread %s can't be started", name);
    }
    (void)pthread_setname_np(*t, name);
    return 0;
}

/* Linux has it for each thread, and refuses nobody who wants less. */
void
vrv_thread_give_way(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), LESS);
}

/* Where a set is too small for all that the machine has, they are counted. */
unsigned
vrv_thread_cpus(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : get_nprocs();

    return n > 0 ? (unsigned)n : 1;
}
