/* The broker as a process of this machine. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "server/tool/bench.h"

static int
no_process(int64_t pid, struct vrv_err *e)
{
    return vrv_err_set(e, VRV_E_NOTFOUND, "there is no process %d", (int)pid);
}

int
bench_broker_cpu(int64_t pid, int64_t *ns, struct vrv_err *e)
{
    struct timespec t;
    clockid_t clock;

    if (clock_getcpuclockid((pid_t)pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        return no_process(pid, e);
    *ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    return 0;
}

/* The second number in statm: resident pages. */
int
bench_broker_memory(int64_t pid, int64_t *bytes, struct vrv_err *e)
{
    char path[64];
    long all, resident;

    (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return no_process(pid, e);
    int n = fscanf(f, "%ld %ld", &all, &resident);
    (void)fclose(f);
    if (n != 2)
        return no_process(pid, e);
    *bytes = (int64_t)resident * sysconf(_SC_PAGESIZE);
    return 0;
}
