/* Sustained appends, asynchronous with a bounded number in flight. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "engine/engine_int.h"
#include "engine/varve_int.h"

struct state {
    struct bench b;
    struct pool p;
    uint64_t sent, taken;
    uint64_t no_memory, no_wal; /* appends that were told to come again, and why */
    int64_t stalled_ns, stalled_at;
};

struct mark {
    int64_t ns;
    double cpu, commit_cpu, flush_cpu, load_cpu;
    uint64_t bytes, taken, groups, checkpoints, no_memory, no_wal;
    int64_t stalled_ns;
};

static double
thread_cpu(pthread_t t)
{
    clockid_t id;
    struct timespec ts = { 0 };

    if (pthread_getcpuclockid(t, &id) == 0)
        (void)clock_gettime(id, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct mark
mark(const struct state *s)
{
    struct varve *v = s->b.v;

    return (struct mark){ .ns = now_ns(), .cpu = cpu_self(), .commit_cpu = thread_cpu(v->thread[0]),
        .flush_cpu = thread_cpu(v->thread[1]), .load_cpu = cpu_thread(),
        .bytes = s->taken * s->p.size, .taken = s->taken,
        .no_memory = s->no_memory, .no_wal = s->no_wal, .stalled_ns = s->stalled_ns,
        .groups = vrv_journal_state(vrv_engine_env(v->engine)->journal).groups,
        .checkpoints = vrv_engine_checkpoints(v->engine) };
}

static void
take(struct state *s, int64_t wait_ms)
{
    struct varve_completion c;

    while (varve_queue_take(s->b.q, &c, wait_ms)) {
        if (c.status < 0)
            die("append: %s", varve_strerror(c.status));
        s->taken++;
        wait_ms = 0;
    }
}

/* One refusal after the other is one stall. */
static void
note_refusal(struct state *s, const struct varve_error *e)
{
    if (s->stalled_at == 0) {
        s->stalled_at = now_ns();
        if (strstr(e->message, "memory") != NULL)
            s->no_memory++;
        else
            s->no_wal++;
    }
}

static void
note_success(struct state *s)
{
    if (s->stalled_at != 0)
        s->stalled_ns += now_ns() - s->stalled_at;
    s->stalled_at = 0;
    s->sent++;
}

/* Fill the window, then wait for room in it. */
static void
turn(struct state *s, size_t max)
{
    struct varve_error e = { 0 };
    int rc = 0;

    while (s->sent - s->taken < max) {
        rc = varve_append_async(s->b.log[s->sent % (uint64_t)s->b.parts],
            s->p.batch[s->sent % s->p.n], s->p.size, s->b.q, NULL, &e);
        if (rc < 0)
            break;
        note_success(s);
    }
    if (rc == VARVE_E_AGAIN)
        note_refusal(s, &e);
    else if (rc < 0)
        die("append: %s", e.message);
    if (s->sent > s->taken)
        take(s, 1);
    else
        (void)usleep(500);
}

static bool
enough(const struct state *s, const struct opts *o, const struct mark *a)
{
    double seconds = (double)(now_ns() - a->ns) / 1e9;
    uint64_t bytes = s->taken * (s->p.size + VRV_WAL_ENTRY_HEADER);

    if (seconds >= o->max_seconds)
        return true;
    return seconds >= o->seconds && bytes >= 4 * s->b.wal_bytes &&
        vrv_engine_checkpoints(s->b.v->engine) - a->checkpoints >= 5;
}

/* Memory is mapped and every partition has its files: making 30,000 of them is not an append. */
static void
warm(struct state *s, const struct opts *o)
{
    size_t each = (size_t)o->parts * s->p.size, least = s->b.wal_bytes / 4;
    struct vrv_engine *eng = s->b.v->engine;

    bench_fill(&s->b, o, &s->p, each > least ? each : least);
    uint64_t before = vrv_engine_checkpoints(eng);
    vrv_engine_want_checkpoint(eng);
    while (vrv_engine_checkpoints(eng) == before)
        (void)usleep(1000);
}

static void
report(const struct opts *o, const struct state *s, const struct mark *a, const struct mark *z)
{
    double seconds = (double)(z->ns - a->ns) / 1e9, bytes = (double)(z->bytes - a->bytes);
    double gb = bytes / 1e9, groups = (double)(z->groups - a->groups);
    double batches = (double)(z->taken - a->taken);

    out(o, "rate", bytes / 1e6 / seconds, "MB/s");
    out(o, "records", batches * s->p.records / seconds, "/s");
    out(o, "cpu", (z->cpu - a->cpu) / gb, "s/GB");
    out(o, "cpu_commit", (z->commit_cpu - a->commit_cpu) / gb, "s/GB");
    out(o, "cpu_flush", (z->flush_cpu - a->flush_cpu) / gb, "s/GB");
    out(o, "cpu_load", (z->load_cpu - a->load_cpu) / gb, "s/GB");
    out(o, "cores", (z->cpu - a->cpu) / seconds, "");
    out(o, "bytes", bytes, "B");
    out(o, "batch", (double)s->p.size, "B");
    out(o, "groups", groups, "");
    out(o, "group", (bytes + batches * VRV_WAL_ENTRY_HEADER) / groups + VRV_WAL_GROUP_HEADER, "B");
    out(o, "checkpoints", (double)(z->checkpoints - a->checkpoints), "");
    out(o, "wal_lengths", (bytes + batches * VRV_WAL_ENTRY_HEADER) / (double)s->b.wal_bytes, "");
    out(o, "stalls_memory", (double)(z->no_memory - a->no_memory), "");
    out(o, "stalls_wal", (double)(z->no_wal - a->no_wal), "");
    out(o, "stalled", (double)(z->stalled_ns - a->stalled_ns) / 1e9 / seconds, "of time");
    out(o, "seconds", seconds, "s");
}

void
run_append(const struct opts *o)
{
    struct state s = { .sent = 0 };

    pool_make(&s.p, o);
    pin_to(o, 0);
    bench_open(&s.b, o);
    pin_to(o, 1);
    bench_wait_filled(&s.b, o);
    size_t max = bench_inflight(o, &s.p);
    warm(&s, o);
    struct mark a = mark(&s);
    while (!enough(&s, o, &a))
        turn(&s, max);
    struct mark z = mark(&s);
    while (s.taken < s.sent)
        take(&s, 10);
    report(o, &s, &a, &z);
    bench_close(&s.b);
    pool_free(&s.p);
}
