/*
 * The load of `varve bench tiers`: records at a fixed rate, each in a request of its own and timed from when
 * it was due, and one consumer who tails them.  It runs all the time; whose times they are is told by the
 * phase in which a record was due.
 *
 * Threads: its own; phases are set, and it is ended, by the one that has started it.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "server/tool/bench_tiers.h"

enum { TURNS_MAX = 4096, TAIL_WAIT_MS = 500, DRAIN_S = 10, DRAIN_STEP_NS = 1000000, NO_PHASE = -1 };

const char *const tiers_phase_names[TIERS_PHASES] = { "nothing", "hot readers", "cold readers",
    "offload" };

struct turn {
    int64_t from_ns;
    int phase;
};

struct tiers_load {
    struct tiers *t;
    pthread_t thread;
    struct bench_link link;
    struct bench_reader tail;
    struct tiers_late late[TIERS_PHASES];
    int64_t begun, next, sent; /* when the first and the next record are due */
    struct turn turn[TURNS_MAX];
    _Atomic int turns;         /* written by the other thread, in order */
    _Atomic bool stop;
    _Atomic int64_t answered;
    _Atomic int status;        /* of the thread, told as soon as it is known */
    struct vrv_err err;
};

/* The phase of a time, or NULL. */
static struct tiers_late *
late_at(struct tiers_load *l, int64_t ns)
{
    for (int i = atomic_load(&l->turns); i-- > 0;)
        if (ns >= l->turn[i].from_ns)
            return l->turn[i].phase == NO_PHASE ? NULL : &l->late[l->turn[i].phase];
    return NULL;
}

static int
note_tail(struct bench_reader *r, const uint8_t *p, const struct vrv_batch *b, struct vrv_err *e)
{
    struct tiers_load *l = r->ctx;
    int64_t stamp = bench_read_stamp(p, b);
    struct tiers_late *late = late_at(l, stamp);

    (void)e;
    if (stamp > 0 && late != NULL)
        vrv_quantiles_add(&late->tail, bench_now() - stamp);
    return 0;
}

static int
take_answers(struct tiers_load *l, struct vrv_err *e)
{
    const uint8_t *p;
    int64_t due;
    size_t n;
    int rc = bench_link_fill(&l->link, e);

    while (rc == 0 && bench_link_answer(&l->link, &p, &n, &due)) {
        struct tiers_late *late = late_at(l, due);

        rc = bench_check_produced(p, n, e);
        if (late != NULL)
            vrv_quantiles_add(&late->produce, bench_now() - due);
        atomic_fetch_add(&l->answered, 1);
    }
    return rc;
}

/* Who is too far behind gets them later; their time goes on. */
static int
send_due(struct tiers_load *l, struct vrv_err *e)
{
    struct bench_request *q = &l->t->load.load.produce[0];
    int64_t now = bench_now();
    int rc = 0;

    while (rc == 0 && l->next <= now && bench_link_in_flight(&l->link) < BENCH_IN_FLIGHT_MAX) {
        bench_stamp(q, l->next);
        rc = bench_link_send(&l->link, q->frame, q->n, l->next, e);
        l->sent++;
        l->next = l->begun + (int64_t)((double)l->sent / (double)l->t->o->rate * 1e9);
    }
    return rc;
}

static int
wait_for(struct tiers_load *l, struct vrv_err *e)
{
    struct bench_link *links[2] = { &l->link, &l->tail.link };
    int64_t left = atomic_load(&l->stop) ? DRAIN_STEP_NS : l->next - bench_now();
    struct timespec ts = { 0, left < 0 ? 0 : left < 1000000000 ? left : 999999999 };
    struct pollfd pfd[2];

    for (int i = 0; i < 2; i++)
        pfd[i] = (struct pollfd){ .fd = links[i]->fd,
            .events = (short)(POLLIN | (links[i]->out.n > links[i]->out_at ? POLLOUT : 0)) };
    if (ppoll(pfd, 2, &ts, NULL) < 0)
        return 0; /* a signal, which is the other thread's */
    int rc = bench_link_flush(&l->link, e);
    if (rc == 0 && (pfd[0].revents & ~POLLOUT))
        rc = take_answers(l, e);
    if (rc == 0 && pfd[1].revents != 0) {
        rc = bench_link_flush(&l->tail.link, e);
        if (rc == 0)
            rc = bench_reader_take(&l->tail, e);
        if (rc > 0)
            rc = bench_reader_ask(&l->tail, &l->t->load.o, TAIL_WAIT_MS, e);
    }
    return rc;
}

/* All that was sent is answered, and was read. */
static bool
is_drained(const struct tiers_load *l)
{
    return bench_link_in_flight(&l->link) == 0 && l->tail.batches >= (uint64_t)l->sent;
}

static void *
load_main(void *ctx)
{
    struct tiers_load *l = ctx;
    int64_t until = INT64_MAX;
    int rc = bench_reader_ask(&l->tail, &l->t->load.o, TAIL_WAIT_MS, &l->err);

    l->begun = l->next = bench_now();
    while (rc == 0 && bench_now() < until && !(atomic_load(&l->stop) && is_drained(l))) {
        if (!atomic_load(&l->stop))
            rc = send_due(l, &l->err);
        else if (until == INT64_MAX)
            until = bench_now() + (int64_t)DRAIN_S * 1000000000;
        if (rc == 0)
            rc = wait_for(l, &l->err);
    }
    atomic_store(&l->status, rc);
    return NULL;
}

void
tiers_load_phase(struct tiers_load *l, int phase)
{
    int n = atomic_load(&l->turns);

    VRV_ASSERT(n < TURNS_MAX);
    l->turn[n] = (struct turn){ bench_now(), phase };
    atomic_store(&l->turns, n + 1);
}

/* The first ones are slow: connections, files and memory are new. */
static int
warm_up(struct tiers_load *l, struct vrv_err *e)
{
    int64_t until = bench_now() + l->t->warm_s * 1000000000;
    int rc = 0;

    while (rc == 0 && (bench_now() < until || atomic_load(&l->answered) == 0)) {
        (void)poll(NULL, 0, 10);
        rc = tiers_stopped(e);
        if (rc == 0 && atomic_load(&l->status) < 0) {
            *e = l->err;
            rc = atomic_load(&l->status);
        }
    }
    return rc;
}

int
tiers_load_start(struct tiers *t, struct tiers_load **out, struct vrv_err *e)
{
    const struct bench_share share = { 0, 1, 1 };
    struct tiers_load *l = VRV_NEW(struct tiers_load);

    l->t = t;
    l->link.fd = -1;
    int rc = bench_reader_init(&l->tail, &t->load.o, share, true, e);
    l->tail.batch = note_tail;
    l->tail.ctx = l;
    if (rc == 0)
        rc = bench_link_open(&l->link, t->o->host, t->o->port, e);
    if (rc == 0 && pthread_create(&l->thread, NULL, load_main, l) != 0)
        rc = vrv_err_set(e, VRV_E_NOMEM, "no thread could be started");
    if (rc < 0) {
        bench_reader_fini(&l->tail);
        bench_link_close(&l->link);
        free(l);
        return rc;
    }
    rc = warm_up(l, e);
    if (rc < 0)
        (void)tiers_load_stop(&l, NULL, NULL);
    *out = l;
    return rc;
}

int
tiers_load_stop(struct tiers_load **at, struct tiers_late *late, struct vrv_err *e)
{
    struct tiers_load *l = *at;

    if (l == NULL)
        return 0;
    atomic_store(&l->stop, true);
    (void)pthread_join(l->thread, NULL);
    int rc = atomic_load(&l->status);
    if (rc < 0 && e != NULL)
        *e = l->err;
    for (int i = 0; late != NULL && i < TIERS_PHASES; i++) {
        vrv_quantiles_merge(&late[i].produce, &l->late[i].produce);
        vrv_quantiles_merge(&late[i].tail, &l->late[i].tail);
    }
    bench_reader_fini(&l->tail);
    bench_link_close(&l->link);
    free(l);
    *at = NULL;
    return rc;
}
