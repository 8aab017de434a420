/* Connections that only cost the broker what it keeps for them. */
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "server/tool/bench.h"

enum { ARENA_MAX = 1 << 20 };

/* The soft limit is for programs that use select(). */
static void
allow_descriptors(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return;
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

/* What every client asks first; then the socket alone is kept. */
static int
open_one(struct bench_link *link, const struct bench_opts *o, struct vrv_err *e)
{
    struct vrv_api_versions_req q = { 0 };
    struct vrv_api_versions_resp resp;
    struct vrv_arena a;
    int fd = bench_link_open(link, o->host, o->port, e);

    if (fd < 0)
        return fd;
    vrv_arena_init(&a, ARENA_MAX);
    int rc = bench_ask(link, VRV_API_api_versions, 0, &q, &a, &resp, e);
    vrv_arena_fini(&a);
    fd = link->fd;
    if (rc == 0)
        link->fd = -1;
    bench_link_close(link);
    return rc < 0 ? rc : fd;
}

int
bench_idle_open(struct bench_idle *idle, const struct bench_opts *o, struct vrv_err *e)
{
    struct bench_link *link = VRV_NEW(struct bench_link);
    int fd = 0;

    allow_descriptors();
    idle->fd = vrv_mem_zero((size_t)(o->idle + 1) * sizeof(*idle->fd));
    while (idle->n < o->idle && (fd = open_one(link, o, e)) >= 0)
        idle->fd[idle->n++] = fd;
    free(link);
    return fd < 0 ? fd : 0;
}

void
bench_idle_close(struct bench_idle *idle)
{
    for (int64_t i = 0; i < idle->n; i++)
        (void)close(idle->fd[i]);
    free(idle->fd);
}
