/*
 * `varve bench tiers`: what is measured, in order.
 *
 *   cold is written, and its partitions are offloaded in turn, one alone, one beside the load; then all
 *   of it leaves the server's disk
 *   each round: hot is written anew, and read from memory, page cache, disk; then cold is read with empty
 *   caches and with warm ones; so a machine that changes meets all of them
 *   each round: the load alone, beside readers of hot and beside readers of cold
 *
 * Partitions of hot are used in one round only, since what has left the page cache doesn't come back there.
 */
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "server/tool/bench_tiers.h"
#include "server/tool/stop.h"

enum { MIB = 1 << 20, SEGMENT_MAX = 128 * MIB, SEGMENTS = 2, CALM_MS = 300, LESS = 10 };

/* Of all rounds. */
struct results {
    struct tiers_late late[TIERS_PHASES], offload[TIERS_PHASES];
    struct tiers_rate beside[TIERS_PHASES];
};

/* ---- topics ---- */

static int64_t
part_bytes(const struct tiers *t)
{
    return t->bytes / t->o->consumers;
}

static void
name_topic(struct tiers *t, struct tiers_topic *topic, const char *what)
{
    (void)snprintf(topic->name, sizeof(topic->name), "%.200s-%s", t->name, what);
    topic->o = *t->o;
    topic->o.topic = topic->name;
}

static int
make_topics(struct tiers *t, struct vrv_err *e)
{
    int64_t segment = part_bytes(t) / SEGMENTS;
    char bytes[32];

    segment = segment < MIB ? MIB : segment > SEGMENT_MAX ? SEGMENT_MAX : segment;
    (void)snprintf(bytes, sizeof(bytes), "%" PRId64, segment);
    const struct tiers_setting hot[] = { { "segment.bytes", bytes }, { "retention.ms", "-1" },
        { NULL, NULL } };
    /* it leaves for the store when it is told to, and this disk when all has arrived */
    const struct tiers_setting cold[] = { { "remote.storage.enable", "true" },
        { "segment.bytes", bytes }, { "retention.ms", "-1" }, { "local.retention.ms", "86400000" },
        { "remote.copy.lag.ms", "-1" }, { NULL, NULL } };
    const struct tiers_setting load[] = { { "retention.ms", "-1" }, { NULL, NULL } };
    int32_t n = (int32_t)t->o->consumers;

    name_topic(t, &t->hot, "hot");
    name_topic(t, &t->cold, "cold");
    name_topic(t, &t->load, "load");
    t->load.o.batch_bytes = 1; /* a record in each */
    int rc = tiers_topic_make(t, &t->cold, n, cold, e);
    if (rc == 0)
        rc = tiers_topic_make(t, &t->hot, n * (int32_t)(t->rounds + 1), hot, e);
    if (rc == 0)
        rc = tiers_topic_make(t, &t->load, 1, load, e);
    return rc;
}

/* All of n partitions, but for `skip` batches of each; or only the first or the last ones. */
static struct tiers_range *
ranges(const struct tiers_topic *topic, int32_t first, int32_t n)
{
    struct tiers_range *v = vrv_mem_zero((size_t)n * sizeof(*v));

    for (int32_t i = 0; i < n; i++)
        v[i] = (struct tiers_range){ first + i, 0, topic->part[first + i].n };
    return v;
}

/* What was just written is not to be on its way to the disk while something else is timed, if it is this
 * machine's. */
static void
calm_disk(void)
{
    sync();
}

/* ---- offloading ---- */

static int
offload_one(struct tiers *t, int32_t partition, bool loaded, struct vrv_err *e)
{
    uint64_t bytes = (uint64_t)(t->cold.part[partition].n * tiers_batch_bytes(&t->cold));
    struct tiers_counts before, now;
    int64_t ns;

    int rc = tiers_count(t, &before, e);
    if (rc == 0)
        rc = tiers_offload(t, &t->cold, partition, &ns, e);
    if (rc == 0)
        rc = tiers_count(t, &now, e);
    if (rc < 0)
        return rc;
    tiers_since(&now, &before);
    tiers_print_offload(t, partition / 2 + 1, loaded, bytes, ns, &now);
    return 0;
}

static int
pass_time(int64_t ms, struct vrv_err *e)
{
    int64_t until = bench_now() + ms * 1000000;
    int rc = 0;

    while (rc == 0 && bench_now() < until) {
        (void)poll(NULL, 0, 20);
        rc = tiers_stopped(e);
    }
    return rc;
}

static int
offload_beside_load(struct tiers *t, int32_t partition, struct results *res, struct vrv_err *e)
{
    struct tiers_load *load = NULL;
    int rc = tiers_load_start(t, &load, e);

    if (rc < 0)
        return rc;
    tiers_load_phase(load, TIERS_ALONE);
    rc = pass_time(t->o->seconds * 1000, e);
    tiers_load_phase(load, TIERS_OFFLOAD);
    if (rc == 0)
        rc = offload_one(t, partition, true, e);
    tiers_load_phase(load, -1);
    int ended = tiers_load_stop(&load, res->offload, rc == 0 ? e : NULL);
    return rc < 0 ? rc : ended;
}

static int
run_offload(struct tiers *t, struct results *res, struct vrv_err *e)
{
    int64_t ns;
    int rc = tiers_fill(t, &t->cold, 0, t->cold.n, part_bytes(t), &ns, e);

    if (rc == 0)
        tiers_print_fill(t, 0, (uint64_t)(part_bytes(t) * t->cold.n), ns);
    if (rc == 0)
        rc = tiers_forget(t, &t->cold, true, e); /* what is full is sealed then */
    calm_disk();
    for (int32_t i = 0; rc == 0 && i < t->cold.n; i++)
        rc = i % 2 == 0 ? offload_one(t, i, false, e) : offload_beside_load(t, i, res, e);
    if (rc == 0)
        rc = tiers_set(t, &t->cold, "local.retention.ms", "0", e);
    return rc == 0 ? tiers_wait_cold(t, &t->cold, e) : rc;
}

/* ---- reading ---- */

struct reads {
    struct tiers *t;
    int64_t round;
    struct tiers_topic *topic;
    struct tiers_range *range; /* of as many as there are consumers */
    int32_t n;
};

static int
read_some(const struct reads *s, const char *what, int32_t n, struct vrv_err *e)
{
    struct tiers_rate r;
    const struct tiers_read q = { .topic = s->topic, .range = s->range, .n = n };
    int rc = tiers_read(s->t, &q, &r, e);

    if (rc == 0 && what != NULL)
        tiers_print_read(s->t, s->round, what, n, &r);
    return rc;
}

/* One consumer, then all; before each of them the server forgets what it was told to. */
static int
read_both(const struct reads *s, const char *what, bool forget, bool keep_pages, struct vrv_err *e)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < (s->n > 1 ? 2 : 1); i++) {
        if (forget)
            rc = tiers_forget(s->t, s->topic, keep_pages, e);
        if (rc == 0)
            rc = read_some(s, what, i == 0 ? 1 : s->n, e);
    }
    return rc;
}

/* The newest of each partition. */
static void
take_newest(struct reads *s, int64_t bytes)
{
    int64_t n = bytes / tiers_batch_bytes(s->topic);

    for (int32_t i = 0; i < s->n; i++) {
        int64_t all = s->topic->part[s->range[i].partition].n;

        s->range[i].to = all;
        s->range[i].from = all > n ? all - (n > 0 ? n : 1) : 0;
    }
}

static void
take_all(struct reads *s)
{
    for (int32_t i = 0; i < s->n; i++) {
        s->range[i].from = 0;
        s->range[i].to = s->topic->part[s->range[i].partition].n;
    }
}

static int
read_hot(struct tiers *t, int64_t round, struct vrv_err *e)
{
    int32_t n = (int32_t)t->o->consumers, first = (int32_t)(round - 1) * n;
    int64_t ns, newest = part_bytes(t) / 4 < 16 * MIB ? part_bytes(t) / 4 : 16 * MIB;
    int rc = tiers_fill(t, &t->hot, first, n, part_bytes(t), &ns, e);

    if (rc < 0)
        return rc;
    tiers_print_fill(t, round, (uint64_t)(part_bytes(t) * n), ns);
    struct reads s = { t, round, &t->hot, ranges(&t->hot, first, n), n };
    take_newest(&s, newest);
    rc = read_both(&s, "memory", false, false, e);
    take_all(&s);
    if (rc == 0)
        rc = read_both(&s, "page cache", true, true, e);
    if (rc == 0)
        rc = read_both(&s, "disk", true, false, e);
    if (rc == 0)
        rc = tiers_delete_records(t, &t->hot, first, n, e);
    free(s.range);
    return rc;
}

/* So much that it fits into the cold tier's cache: a quarter of that, in whole batches.  The newest ones:
 * what would be read ahead behind them isn't there. */
static void
take_warm(struct reads *s, int64_t cache, int32_t consumers)
{
    int64_t n = cache / 4 / consumers / tiers_batch_bytes(s->topic);

    for (int32_t i = 0; i < s->n; i++) {
        int64_t all = s->topic->part[s->range[i].partition].n;

        s->range[i].from = n < 1 ? all - 1 : n < all ? all - n : 0;
        s->range[i].to = all;
    }
}

static int
read_warm(struct reads *s, struct vrv_err *e)
{
    struct tiers_counts c;
    int rc = tiers_count(s->t, &c, e);

    for (int i = 0; rc == 0 && i < (s->n > 1 ? 2 : 1); i++) {
        int32_t consumers = i == 0 ? 1 : s->n;

        take_warm(s, (int64_t)c.cache_max, consumers);
        rc = tiers_forget(s->t, s->topic, false, e);
        if (rc == 0)
            rc = read_some(s, NULL, consumers, e);
        if (rc == 0)
            rc = read_some(s, "cold, warm caches", consumers, e);
    }
    return rc;
}

static int
read_cold(struct tiers *t, int64_t round, struct vrv_err *e)
{
    int32_t n = (int32_t)t->o->consumers;
    struct reads s = { t, round, &t->cold, ranges(&t->cold, 0, n), n };
    int rc = read_both(&s, "cold, empty caches", true, false, e);

    if (rc == 0)
        rc = read_warm(&s, e);
    take_all(&s);
    for (int32_t i = 0; i < n; i++)
        s.range[i] = s.range[0];
    if (rc == 0 && n > 1)
        rc = tiers_forget(t, &t->cold, false, e);
    if (rc == 0 && n > 1)
        rc = read_some(&s, "cold, all the same", n, e);
    free(s.range);
    return rc;
}

/* ---- the load beside readers ---- */

static bool
is_late(void *until)
{
    return bench_now() >= *(const int64_t *)until;
}

struct readers {
    struct tiers *t;
    const struct tiers_topic *topic;
    const struct tiers_range *range;
    struct tiers_rate *sum;
    struct vrv_err *e;
    int rc;
};

/* They read all again and again, for so long.  Where there are fewer processors than work, it is the server
 * that is to be looked at: the load's thread goes before these. */
static void *
readers_main(void *ctx)
{
    struct readers *s = ctx;
    int64_t until = bench_now() + s->t->o->seconds * 1000000000;
    const struct tiers_read q = { s->topic, s->range, (int32_t)s->t->o->consumers, is_late, &until };
    struct tiers_rate r;

    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), LESS);
    while (s->rc == 0 && bench_now() < until) {
        if (s->topic == &s->t->cold)
            s->rc = tiers_forget(s->t, s->topic, false, s->e);
        if (s->rc == 0)
            s->rc = tiers_read(s->t, &q, &r, s->e);
        if (s->rc == 0) {
            s->sum->bytes += r.bytes;
            s->sum->ns += r.ns;
        }
    }
    return NULL;
}

static int
readers(struct tiers *t, const struct tiers_topic *topic, const struct tiers_range *range,
    struct tiers_rate *sum, struct vrv_err *e)
{
    struct readers s = { t, topic, range, sum, e, 0 };
    pthread_t thread;

    if (pthread_create(&thread, NULL, readers_main, &s) != 0)
        return vrv_err_set(e, VRV_E_NOMEM, "no thread could be started");
    (void)pthread_join(thread, NULL);
    return s.rc;
}

static int
beside(struct tiers *t, struct tiers_load *load, struct results *res, struct vrv_err *e)
{
    int32_t n = (int32_t)t->o->consumers;
    struct tiers_range *hot = ranges(&t->hot, n * (int32_t)t->rounds, n);
    struct tiers_range *cold = ranges(&t->cold, 0, n);
    int rc = 0;

    for (int phase = TIERS_ALONE; rc == 0 && phase <= TIERS_COLD; phase++) {
        tiers_load_phase(load, phase);
        if (phase == TIERS_ALONE)
            rc = pass_time(t->o->seconds * 1000, e);
        else if (phase == TIERS_HOT)
            rc = readers(t, &t->hot, hot, &res->beside[phase], e);
        else
            rc = readers(t, &t->cold, cold, &res->beside[phase], e);
        tiers_load_phase(load, -1);
        if (rc == 0)
            rc = pass_time(CALM_MS, e);
    }
    free(hot);
    free(cold);
    return rc;
}

static int
run_beside(struct tiers *t, struct results *res, struct vrv_err *e)
{
    int32_t n = (int32_t)t->o->consumers;
    struct tiers_load *load = NULL;
    int64_t ns;
    int rc = tiers_fill(t, &t->hot, n * (int32_t)t->rounds, n, part_bytes(t), &ns, e);

    if (rc == 0)
        rc = tiers_forget(t, &t->hot, true, e);
    calm_disk();
    if (rc == 0)
        rc = tiers_load_start(t, &load, e);
    for (int64_t round = 1; rc == 0 && round <= t->rounds; round++)
        rc = beside(t, load, res, e);
    int ended = tiers_load_stop(&load, res->late, rc == 0 ? e : NULL);
    return rc < 0 ? rc : ended;
}

/* ---- all ---- */

static int
measure(struct tiers *t, struct results *res, struct vrv_err *e)
{
    struct tiers_counts c;
    int rc = tiers_count(t, &c, e); /* is it a varved that has a cold tier? */

    if (rc == 0)
        rc = make_topics(t, e);
    if (rc == 0)
        rc = run_offload(t, res, e);
    for (int64_t round = 1; rc == 0 && round <= t->rounds; round++) {
        rc = read_hot(t, round, e);
        if (rc == 0)
            rc = read_cold(t, round, e);
    }
    if (rc == 0)
        rc = run_beside(t, res, e);
    if (rc < 0)
        return rc;
    tiers_print_late(t, TIERS_ALONE, &res->offload[TIERS_ALONE], &res->offload[TIERS_ALONE],
        &res->beside[TIERS_ALONE]);
    tiers_print_late(t, TIERS_OFFLOAD, &res->offload[TIERS_OFFLOAD], &res->offload[TIERS_ALONE],
        &res->beside[TIERS_OFFLOAD]);
    for (int i = TIERS_ALONE; i <= TIERS_COLD; i++)
        tiers_print_late(t, (enum tiers_phase)i, &res->late[i], &res->late[TIERS_ALONE],
            &res->beside[i]);
    return 0;
}

int
bench_run_tiers(struct bench_opts *o, struct out *out, struct vrv_err *e)
{
    struct tiers t = { .o = o, .name = o->topic, .bytes = o->bytes, .rounds = o->rounds,
        .warm_s = o->warm_seconds, .out = out, .link = VRV_NEW(struct bench_link),
        .random = (uint64_t)bench_now() | 1 };
    struct results *res = VRV_NEW(struct results);
    struct vrv_err ignored;

    stop_catch();
    int rc = bench_link_open(t.link, o->host, o->port, e);
    if (rc == 0)
        rc = measure(&t, res, e);
    /* the connection may be what failed, or have an answer that nobody waited for */
    bench_link_close(t.link);
    if (bench_link_open(t.link, o->host, o->port, &ignored) == 0 || t.cold.made) {
        tiers_topic_drop(&t, &t.hot);
        tiers_topic_drop(&t, &t.cold);
        tiers_topic_drop(&t, &t.load);
    }
    bench_link_close(t.link);
    free(t.link);
    free(t.value_at);
    free(res);
    stop_die();
    return rc;
}
