/* How long a broker that is being started takes: it is asked until it answers. */
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "engine/base/mem.h"
#include "server/tool/bench.h"

enum { AGAIN_MS = 1, FETCH_WAIT_MS = 1000, ARENA_MAX = 1 << 20 };

static int
ask_versions(struct bench_link *link, const struct bench_opts *o, struct vrv_err *e)
{
    struct vrv_api_versions_req q = { 0 };
    struct vrv_api_versions_resp resp;
    struct vrv_arena a;
    int rc = bench_link_open(link, o->host, o->port, e);

    vrv_arena_init(&a, ARENA_MAX);
    if (rc == 0)
        rc = bench_ask(link, VRV_API_api_versions, 0, &q, &a, &resp, e);
    vrv_arena_fini(&a);
    bench_link_close(link);
    return rc;
}

/* One fetch of all partitions, each from its start. */
static int
fetch(const struct bench_opts *o, int32_t partitions, struct vrv_err *e)
{
    struct bench_reader *r = VRV_NEW(struct bench_reader);
    const struct bench_share all = { 0, 1, partitions };
    int rc = bench_reader_init(r, o, all, false, e), answered = 0;

    if (rc == 0)
        rc = bench_reader_ask(r, o, FETCH_WAIT_MS, e);
    while (rc == 0 && answered == 0) {
        struct pollfd pfd = { .fd = r->link.fd, .events = POLLIN };

        rc = bench_link_flush(&r->link, e);
        if (rc == 0 && poll(&pfd, 1, 10 * FETCH_WAIT_MS) == 0)
            rc = vrv_err_set(e, VRV_E_TIMEDOUT, "no answer to a fetch");
        if (rc == 0)
            answered = bench_reader_take(r, e);
    }
    if (rc == 0 && answered > 0 && r->records == 0)
        rc = vrv_err_set(e, VRV_E_NOTFOUND, "topic %s has no records", o->topic);
    bench_reader_fini(r);
    free(r);
    return answered < 0 ? answered : rc;
}

static int
find_and_fetch(struct bench_link *link, const struct bench_opts *o, struct vrv_err *e)
{
    int32_t n = bench_link_open(link, o->host, o->port, e);

    if (n == 0)
        n = bench_ask_partitions(link, o->topic, e);
    bench_link_close(link);
    if (n == 0)
        return vrv_err_set(e, VRV_E_NOTFOUND, "there is no topic %s", o->topic);
    return n < 0 ? n : fetch(o, n, e);
}

static int
until_done(int (*step)(struct bench_link *, const struct bench_opts *, struct vrv_err *),
    const struct bench_opts *o, int64_t until, struct vrv_err *e)
{
    struct bench_link *link = VRV_NEW(struct bench_link);
    int rc;

    while ((rc = step(link, o, e)) < 0 && bench_now() < until)
        (void)poll(NULL, 0, AGAIN_MS);
    free(link);
    return rc;
}

/* By our clock. */
static int64_t
started_at(const struct bench_opts *o)
{
    struct timespec t;

    if (o->since_ns == 0)
        return bench_now();
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return bench_now() - ((int64_t)t.tv_sec * 1000000000 + t.tv_nsec - o->since_ns);
}

int
bench_run_start(const struct bench_opts *o, struct bench_result *res, struct vrv_err *e)
{
    int64_t begun = started_at(o), until = bench_now() + o->seconds * 1000000000;
    int rc = until_done(ask_versions, o, until, e);

    res->answered_ns = bench_now() - begun;
    if (rc == 0 && o->topic != NULL) {
        rc = until_done(find_and_fetch, o, until, e);
        res->fetched_ns = bench_now() - begun;
    }
    if (rc == 0 && o->pid != 0)
        rc = bench_broker_memory(o->pid, &res->broker_bytes, e);
    return rc;
}
