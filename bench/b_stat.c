/*
 * What counting costs: all that is done for one Produce request of one partition only to measure
 * it, per request, alone and on several threads at once.
 *
 *   b_stat [threads]
 *
 * To be compared with what such a request takes of the server's CPU (bench/README.md).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/os/clock.h"
#include "server/stat/stat.h"
#include "server/wire/apis.h"
#include "server/wire/wire.h"

enum { ROUNDS = 5000000, THREADS_MAX = 64 };

static struct vrv_stat *stat;
static _Atomic uint64_t shared_records; /* as the engine's, for all threads */

static void
note_code(void *ctx, int16_t code)
{
    (void)ctx;
    vrv_stat_error(stat, VRV_API_produce, code);
}

/* One request: as server/api/request.c and produce.c, engine/log/log_append.c do it. */
static void
one(struct vrv_clock *clock, const struct vrv_produce_resp *resp, int64_t taken_ns)
{
    vrv_stat_count(stat, VRV_C_produce_parts, 1);
    (void)atomic_fetch_add_explicit(&shared_records, 1, memory_order_relaxed);
    vrv_wire_codes(vrv_produce_resp_schema(), 9, resp, note_code, NULL);
    vrv_stat_answered(stat, &(struct vrv_stat_answered){ .api = VRV_API_produce, .version = 9,
        .bytes_in = 200, .bytes_out = 50, .local_ns = clock->mono_ns(clock) - taken_ns });
}

/* Of this thread: others that run meanwhile don't count. */
static int64_t
cpu_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *
run(void *ctx)
{
    struct vrv_clock *clock = vrv_clock_real();
    struct vrv_produce_resp_partition p;
    struct vrv_produce_resp_topic t;
    struct vrv_produce_resp resp;
    double *ns = ctx;

    VRV_WIRE_INIT(produce_resp_partition, &p);
    VRV_WIRE_INIT(produce_resp_topic, &t);
    VRV_WIRE_INIT(produce_resp, &resp);
    t.partition_responses.v = &p;
    resp.responses.v = &t;
    t.partition_responses.n = resp.responses.n = 1;
    int64_t begin_ns = cpu_ns();
    for (int i = 0; i < ROUNDS; i++)
        one(clock, &resp, 0);
    *ns = (double)(cpu_ns() - begin_ns) / ROUNDS;
    return NULL;
}

int
main(int argc, char **argv)
{
    int n = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1;
    pthread_t t[THREADS_MAX];
    double ns[THREADS_MAX], sum = 0;

    if (n < 1 || n > THREADS_MAX) {
        (void)fprintf(stderr, "usage: b_stat [threads, up to %d]\n", THREADS_MAX);
        return 64;
    }
    stat = vrv_stat_new();
    for (int i = 0; i < n; i++)
        (void)pthread_create(&t[i], NULL, run, &ns[i]);
    for (int i = 0; i < n; i++) {
        (void)pthread_join(t[i], NULL);
        sum += ns[i];
    }
    (void)printf("%d threads: %.0f ns per request\n", n, sum / n);
    vrv_stat_free(&stat);
    return 0;
}
