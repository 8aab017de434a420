/* Open loop: appends have an intended time each, whatever the engine does meanwhile, and latency
 * counts from there, so that a stall is seen by all that it held up. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench/bench.h"
#include "engine/engine_int.h"
#include "engine/varve_int.h"

struct state {
    const struct opts *o;
    struct bench b;
    struct pool p;
    int64_t t0;
    uint64_t total;
    uint64_t refused; /* for want of memory or WAL: tried again every 100 us */
    struct vrv_quantiles all, checkpoint, quiet;
};

static int64_t
due_ns(const struct state *s, uint64_t i)
{
    return s->t0 + (int64_t)((double)i * 1e9 / s->o->rate);
}

/* Only a label for the figure: an answer that is old by a moment does no harm. */
static bool
in_checkpoint(const struct state *s)
{
    return __atomic_load_n(&s->b.v->engine->ckpt.phase, __ATOMIC_RELAXED) != CKPT_IDLE;
}

static void *
taker(void *ctx)
{
    struct state *s = ctx;
    struct varve_completion c;
    bool before = false;

    pin_to(s->o, 1);
    for (uint64_t i = 0; i < s->total; i++) {
        if (!varve_queue_take(s->b.q, &c, -1) || c.status < 0)
            die("append: %s", varve_strerror(c.status));
        int64_t ns = now_ns() - due_ns(s, (uint64_t)(uintptr_t)c.tag);
        bool during = in_checkpoint(s);

        vrv_quantiles_add(&s->all, ns);
        vrv_quantiles_add(during || before ? &s->checkpoint : &s->quiet, ns);
        before = during;
    }
    return NULL;
}

static void
sender(struct state *s)
{
    struct varve_error e = { 0 };

    for (uint64_t i = 0; i < s->total;) {
        if (now_ns() < due_ns(s, i))
            sleep_until(due_ns(s, i));
        int rc = varve_append_async(s->b.log[i % (uint64_t)s->b.parts], s->p.batch[i % s->p.n],
            s->p.size, s->b.q, (void *)(uintptr_t)i, &e);
        if (rc == 0)
            i++;
        else if (rc != VARVE_E_AGAIN)
            die("append: %s", e.message);
        else if (usleep(100) == 0)
            s->refused++;
    }
}

void
run_latency(const struct opts *o)
{
    struct state *s = aligned(sizeof(*s));
    pthread_t t;

    (void)prctl(PR_SET_TIMERSLACK, 1);
    s->o = o;
    pool_make(&s->p, o);
    pin_to(o, 0);
    bench_open(&s->b, o);
    pin_to(o, 1);
    bench_wait_filled(&s->b, o);
    bench_fill(&s->b, o, &s->p, 1 << 20);
    s->total = (uint64_t)(o->rate * o->seconds);
    struct vrv_journal *j = vrv_engine_env(s->b.v->engine)->journal;
    uint64_t groups = vrv_journal_state(j).groups, ck = vrv_engine_checkpoints(s->b.v->engine);
    s->t0 = now_ns() + 1000000;
    if (pthread_create(&t, NULL, taker, s) != 0)
        die("no thread");
    sender(s);
    (void)pthread_join(t, NULL);
    double seconds = (double)(now_ns() - s->t0) / 1e9;
    groups = vrv_journal_state(j).groups - groups;
    out_hist(o, "", &s->all);
    out_hist(o, "checkpoint_", &s->checkpoint);
    out_hist(o, "quiet_", &s->quiet);
    out(o, "rate", (double)s->total / seconds, "/s");
    out(o, "group_rate", (double)groups / seconds, "/s");
    out(o, "group",
        (double)s->total * (double)(s->p.size + VRV_WAL_ENTRY_HEADER) / (double)groups +
            VRV_WAL_GROUP_HEADER, "B");
    out(o, "refused", (double)s->refused, "times");
    out(o, "checkpoints", (double)(vrv_engine_checkpoints(s->b.v->engine) - ck), "");
    bench_close(&s->b);
    pool_free(&s->p);
    free(s);
}
