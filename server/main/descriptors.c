#include "server/main/descriptors.h"

#include <sys/resource.h>

#include "engine/os/thread.h"
#include "server/config/config.h"

/* The WAL, the catalog, HTTP, what is opened in passing; a reactor's; a listener's. */
enum { BASE = 64, PER_REACTOR = 2, PER_LISTENER = 4, LIMIT_MAX = 1 << 30 };
enum { FILES_MIN = 16, FILES_MAX = 1 << 15 };

void
vrv_descriptors_raise(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur == r.rlim_max)
        return;
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r); /* it stays as it was, then */
}

static int64_t
limit(void)
{
    struct rlimit r;

    return getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur > LIMIT_MAX ? LIMIT_MAX
                                                                      : (int64_t)r.rlim_cur;
}

unsigned
vrv_descriptors_files(void)
{
    int64_t third = limit() / 3;

    return third < FILES_MIN ? FILES_MIN : third > FILES_MAX ? FILES_MAX : (unsigned)third;
}

/* Neither data files nor connections of clients. */
static int64_t
others(const struct vrv_config *c)
{
    int reactors = c->num_network_threads > 0 ? c->num_network_threads : (int)vrv_thread_cpus();

    return BASE + c->num_io_threads + PER_REACTOR * reactors +
        PER_LISTENER * (int64_t)c->clients.n;
}

void
vrv_descriptors_share(struct vrv_descriptors *d, int64_t files, const struct vrv_config *c)
{
    int64_t but_files = c->max_connections + others(c);

    d->limit = limit();
    d->files = files;
    d->connections = d->limit - files - others(c);
    if (d->connections < 1)
        d->connections = 1;
    /* unless it is told otherwise the engine takes a third of any limit, up to FILES_MAX */
    if (c->open_files_max == 0)
        files = but_files / 2 < FILES_MAX ? but_files / 2 + 1 : FILES_MAX;
    d->wanted = but_files + files;
}
