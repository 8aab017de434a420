/*
 * The contract of cold reads, held by a fake and used by a small asker: what is asked for comes
 * once, what was cancelled is not loaded twice, and bytes live as long as somebody holds them.
 */
#include "engine/contract/cold.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/rand.h"
#include "engine/batch/build.h"
#include "engine/log/producers.h"
#include "t/lib/fakecold.h"
#include "t/lib/tap.h"

enum { BATCHES = 40, CHUNK = 4, PER_BATCH = 3, HOLE = 10, T0 = 1000 };

static struct vrv_cold *cold;
static const struct vrv_uuid topic = { { 1, 2, 3 } };

/* Batches of three records, a second apart; a hole in the middle, another epoch behind it. */
static int64_t
base_of(int i)
{
    return 100 + (int64_t)i * PER_BATCH + (i >= BATCHES / 2 ? HOLE : 0);
}

static int64_t
end_of_all(void)
{
    return base_of(BATCHES - 1) + PER_BATCH;
}

static void
add_batch(int i)
{
    struct vrv_batch_builder b;
    struct vrv_err e = { 0 };
    const uint8_t *p;
    uint8_t copy[512];
    size_t n;

    vrv_batch_builder_init(&b);
    b.producer_id = 7;
    b.producer_epoch = 0;
    b.base_seq = i * PER_BATCH;
    for (int k = 0; k < PER_BATCH; k++)
        vrv_batch_builder_add(&b, T0 + (int64_t)1000 * (i * PER_BATCH + k), NULL, -1, "value", 5,
            NULL, 0);
    int rc = vrv_batch_builder_finish(&b, VRV_CODEC_NONE, &p, &n, &e);
    VRV_ASSERT(rc == 0 && n <= sizeof(copy));
    memcpy(copy, p, n);
    vrv_batch_stamp(copy, base_of(i), i >= BATCHES / 2 ? 4 : 2);
    fakecold_add(cold, &topic, 1, copy, n);
    vrv_batch_builder_fini(&b);
}

static void
begin(uint64_t seed)
{
    cold = fakecold_new(&(struct fakecold_opts){ .seed = seed, .delay_max = 5,
        .chunk_batches = CHUNK, .cache_chunks = 2 });
    for (int i = 0; i < BATCHES; i++)
        add_batch(i);
}

/* ---- an asker ---- */

struct ask {
    struct vrv_cold_fetch f; /* first */
    _Atomic int answers;
    int status;
    struct vrv_cold_bytes *b;
    char why[sizeof(((struct vrv_err *)0)->msg)];
};

static void
answered(struct vrv_cold_fetch *f, int status, struct vrv_cold_bytes *b, const struct vrv_err *e)
{
    struct ask *a = (struct ask *)(void *)f;

    a->status = status;
    a->b = b;
    (void)snprintf(a->why, sizeof(a->why), "%s", status != 0 ? e->msg : "");
    (void)atomic_fetch_add(&a->answers, 1); /* last: who sees it sees the rest */
}

static void
ask_for(struct ask *a, enum vrv_cold_want want, int64_t offset, int64_t ts, size_t max_bytes)
{
    memset(a, 0, sizeof(*a));
    a->f = (struct vrv_cold_fetch){ .topic = topic, .partition = 1, .want = want,
        .offset = offset, .ts = ts, .max_bytes = max_bytes, .answer = answered };
    cold->ops->fetch(cold, &a->f);
}

static void
ask(struct ask *a, int64_t offset, size_t max_bytes)
{
    ask_for(a, VRV_COLD_ANY, offset, 0, max_bytes);
}

static void
settle(void)
{
    while (fakecold_step(cold))
        ;
}

/* Wait, and look at what came: the first offset, or a status. */
static int64_t
first_that_came(const struct ask *a)
{
    struct vrv_batch b;

    settle();
    if (a->answers != 1)
        return -1000;
    if (a->status != 0)
        return a->status;
    return vrv_batch_read(&b, a->b->p, a->b->n, NULL) == 0 ? b.base_offset : -1001;
}

static int64_t
first_of(struct ask *a, int64_t offset, size_t max_bytes)
{
    ask(a, offset, max_bytes);
    return first_that_came(a);
}

static void
done(struct ask *a)
{
    vrv_cold_bytes_unref(a->b);
    a->b = NULL;
}

static int64_t
wanted_of(struct ask *a, enum vrv_cold_want want, int64_t offset, int64_t ts)
{
    ask_for(a, want, offset, ts, 1);
    int64_t first = first_that_came(a);
    done(a);
    return first;
}

/* Batches at p, whole and well-formed: the offset behind them, or -1. */
static int64_t
behind(const struct vrv_cold_bytes *bytes)
{
    int64_t next = -1;

    for (size_t at = 0; at < bytes->n;) {
        struct vrv_batch b;

        if (vrv_batch_read(&b, bytes->p + at, bytes->n - at, NULL) < 0 ||
            vrv_batch_check_crc(bytes->p + at, &b, NULL) < 0 || b.base_offset < next)
            return -1;
        next = vrv_batch_last_offset(&b) + 1;
        at += b.size;
    }
    return next;
}

/* ---- fetches ---- */

static void
test_fetch(void)
{
    struct ask a;
    int64_t at = 0, n = 0;

    begin(1);
    ask(&a, 100, 1000);
    IS(a.answers, 0, "no answer comes from within the call");
    settle();
    IS(a.answers, 1, "one comes later");
    done(&a);
    IS(first_of(&a, 100 + 4, 1), base_of(1), "bytes begin with the batch that holds the offset");
    IS(behind(a.b), base_of(2), "at least one whole batch comes, however few bytes are asked for");
    done(&a);
    IS(first_of(&a, base_of(BATCHES / 2) - 5, 1000), base_of(BATCHES / 2),
        "in a hole: with the first batch behind it");
    done(&a);
    IS(first_of(&a, 0, 1000), 100, "before all: with the first of all");
    done(&a);
    IS(first_of(&a, end_of_all(), 1000), VRV_E_RANGE, "behind all: out of range (%s)", a.why);
    for (at = 0; first_of(&a, at, 400) >= 0; n++) {
        at = behind(a.b);
        done(&a);
        if (at < 0)
            break;
    }
    IS(at, end_of_all(), "an asker reads from the first to the last, in %d fetches", (int)n);
    fakecold_free(&cold);
}

static void
test_errors(void)
{
    struct ask a;

    begin(2);
    fakecold_fail(cold, VRV_E_IO);
    IS(first_of(&a, 100, 1000), VRV_E_IO, "the store fails: %s", a.why);
    IS(first_of(&a, 100, 1000), 100, "the next who asks is served");
    done(&a);
    fakecold_damage(cold, true);
    IS(first_of(&a, base_of(CHUNK), 1000), VRV_E_CORRUPT, "damaged bytes are not given out");
    fakecold_damage(cold, false);
    IS(first_of(&a, base_of(CHUNK), 1000), base_of(CHUNK), "good ones are");
    done(&a);
    fakecold_free(&cold);
}

static void
test_cancel(void)
{
    struct ask a, b;

    begin(3);
    ask(&a, 100, 1000);
    OK(cold->ops->cancel(cold, &a.f), "cancelled");
    OK(!cold->ops->cancel(cold, &a.f), "... once");
    settle();
    IS(a.answers, 0, "there is no answer then");
    IS(fakecold_loads(cold), 1, "one load was begun");
    IS(first_of(&b, 103, 1000), 103, "the next who asks for these bytes gets them");
    IS(fakecold_loads(cold), 1, "... without a second load");
    OK(!cold->ops->cancel(cold, &b.f), "cancelling what was answered");
    IS(b.answers, 1, "... changes nothing");
    done(&b);
    ask(&a, base_of(CHUNK), 1000);
    ask(&b, base_of(CHUNK) + 1, 1000);
    (void)cold->ops->cancel(cold, &a.f);
    settle();
    OK(a.answers == 0 && b.answers == 1 && b.status == 0,
        "two ask for the same, one cancels: the other is served");
    IS(fakecold_loads(cold), 2, "by one load");
    done(&b);
    fakecold_free(&cold);
}

static int64_t
first_now(int64_t offset, size_t max_bytes)
{
    struct vrv_cold_bytes *b = cold->ops->now(cold,
        &(struct vrv_cold_wanted){ .topic = topic, .partition = 1, .offset = offset,
            .max_bytes = max_bytes });
    struct vrv_batch head;
    int64_t first = -1;

    if (b != NULL && behind(b) > offset && vrv_batch_read(&head, b->p, b->n, NULL) == 0)
        first = head.base_offset;
    vrv_cold_bytes_unref(b);
    return first;
}

static void
test_now(void)
{
    struct ask a, other;

    begin(8);
    IS(first_now(100, 1000), -1, "what isn't in memory can't be had now");
    IS(first_of(&a, 100, 1), 100, "a fetch brings it there");
    IS(first_now(104, 1), base_of(1), "with its neighbours, batch by batch");
    for (int i = 1; i < 6; i++) {
        (void)first_of(&other, base_of(i * CHUNK), 1);
        done(&other);
    }
    IS(first_now(base_of(CHUNK - 1), 1000), base_of(CHUNK - 1),
        "where they stay as long as it is held, whatever else is read");
    IS(first_now(end_of_all(), 1), -1, "behind all there is nothing");
    done(&a);
    fakecold_free(&cold);
}

static void
test_refs(void)
{
    struct ask a[BATCHES / CHUNK], again;
    bool ok = true;

    begin(4);
    for (int i = 0; i < BATCHES / CHUNK; i++)
        ok &= first_of(&a[i], base_of(i * CHUNK), 100000) == base_of(i * CHUNK);
    OK(ok, "all chunks, one after the other");
    IS(fakecold_chunks(cold), BATCHES / CHUNK, "what is held stays, beyond the size of the cache");
    for (int i = 0; i < BATCHES / CHUNK; i++)
        ok &= behind(a[i].b) >= base_of(i * CHUNK) + PER_BATCH * CHUNK;
    OK(ok, "... and is as it was");
    (void)atomic_fetch_add(&a[0].b->refs, 1);
    struct vrv_cold_bytes *held = a[0].b;
    for (int i = 0; i < BATCHES / CHUNK; i++)
        done(&a[i]);
    OK(behind(held) == base_of(CHUNK), "a second reference keeps it");
    (void)fakecold_step(cold);
    IS(fakecold_chunks(cold), 3, "of the others the cache's are left");
    IS(first_of(&again, base_of(CHUNK), 100), base_of(CHUNK), "what left the cache is loaded again");
    IS(fakecold_loads(cold), BATCHES / CHUNK + 1, "... once more");
    done(&again);
    vrv_cold_bytes_unref(held);
    vrv_cold_bytes_unref(NULL);
    settle();
    (void)fakecold_step(cold);
    IS(fakecold_chunks(cold), 2, "all is given back");
    fakecold_free(&cold);
}

/* ---- the rest of the contract ---- */

static void
now_ready(void *ctx)
{
    (*(int *)ctx)++;
}

static struct vrv_cold_ask
about(int *ready)
{
    return (struct vrv_cold_ask){ .topic = topic, .partition = 1,
        .ready = ready != NULL ? now_ready : NULL, .ctx = ready };
}

static void
test_again(void)
{
    int64_t at = 0;
    int ready = 0;
    struct vrv_cold_ask a = about(&ready), quiet = about(NULL);

    begin(5);
    IS(cold->ops->earliest(cold, &a, &at, NULL), VRV_E_AGAIN, "not in memory: ask again");
    IS(cold->ops->earliest(cold, &quiet, &at, NULL), VRV_E_AGAIN,
        "also for one who doesn't want to be called");
    IS(ready, 0, "not called yet");
    settle();
    IS(ready, 1, "called once when it is worth it");
    IS(cold->ops->earliest(cold, &a, &at, NULL), 0, "the earliest offset");
    IS(at, 100, "is the first batch's");
    IS(cold->ops->next(cold, &a, &at, NULL), 0, "the one behind all");
    IS(at, end_of_all(), "is that of the last batch");
    settle();
    IS(ready, 1, "no call without an AGAIN");
    a.partition = 0;
    IS(cold->ops->earliest(cold, &a, &at, NULL), VRV_E_NOTFOUND,
        "of a partition that was never offloaded there is none");
    fakecold_free(&cold);
}

static void
test_wants(void)
{
    struct ask a;

    begin(10);
    IS(wanted_of(&a, VRV_COLD_AS_NEW, 0, T0), 100, "as new as the first record: the first batch");
    IS(wanted_of(&a, VRV_COLD_AS_NEW, 0, T0 + 2001), base_of(1), "newer than a batch: the next");
    IS(wanted_of(&a, VRV_COLD_AS_NEW, base_of(7) + 1, T0), base_of(7),
        "behind an offset: the batch that holds it is the first that may");
    IS(wanted_of(&a, VRV_COLD_AS_NEW, 0, INT64_MAX), VRV_E_RANGE, "none is as new as that");
    IS(wanted_of(&a, VRV_COLD_NEWEST, 0, 0), base_of(BATCHES - 1), "the newest is the last");
    IS(wanted_of(&a, VRV_COLD_NEWEST, end_of_all(), 0), VRV_E_RANGE, "behind all: none");
    fakecold_free(&cold);
}

/* Aborted transactions with records in one batch, as what is in memory tells: producers, as digits. */
static int64_t
aborted_in(int batch, bool asked)
{
    struct vrv_cold_bytes *b = cold->ops->now(cold,
        &(struct vrv_cold_wanted){ .topic = topic, .partition = 1, .offset = base_of(batch),
            .max_bytes = 1, .aborted = asked });
    int64_t all = 0;

    if (b == NULL)
        return -1;
    for (size_t i = 0; i < b->aborted_n; i++)
        all = 10 * all + b->aborted[i].producer;
    vrv_cold_bytes_unref(b);
    return all;
}

static void
test_aborted(void)
{
    struct ask a;

    begin(7);
    fakecold_add_aborted(cold, &topic, 1, 7, base_of(0) + 1, base_of(1));
    fakecold_add_aborted(cold, &topic, 1, 8, base_of(1), base_of(3) + 2);
    ask(&a, base_of(0), 1000);
    a.f.aborted = true;
    settle();
    OK(a.status == 0 && a.b->aborted_n == 2 && a.b->aborted[0].producer == 7 &&
            a.b->aborted[1].first == base_of(1), "what comes tells which transactions were aborted");
    IS(aborted_in(0, true), 7, "in these batches: one,");
    IS(aborted_in(1, true), 78, "both,");
    IS(aborted_in(2, true), 8, "the other");
    IS(aborted_in(2, false), 0, "nobody is told who doesn't ask");
    done(&a);
    fakecold_free(&cold);
}

/* ---- threads ---- */

enum { ASKERS = 4, ASKS = 1500 };

struct asker {
    uint64_t seed;
    int bad, served, cancelled;
};

static void *
asker_main(void *ctx)
{
    struct asker *me = ctx;
    struct vrv_rand rnd = { me->seed };

    for (int i = 0; i < ASKS; i++) {
        int64_t offset = base_of((int)vrv_rand_below(&rnd, BATCHES)) +
            (int64_t)vrv_rand_below(&rnd, PER_BATCH);
        bool cancel = vrv_rand_below(&rnd, 3) == 0;
        struct ask a;

        ask(&a, offset, 1 + vrv_rand_below(&rnd, 1000));
        if (cancel && cold->ops->cancel(cold, &a.f)) {
            me->cancelled++;
            continue;
        }
        while (atomic_load(&a.answers) == 0)
            (void)sched_yield();
        me->served += a.status == 0;
        me->bad += a.status != 0;
        if (a.status == 0)
            me->bad += behind(a.b) <= offset;
        done(&a);
    }
    return NULL;
}

static void
test_threads(void)
{
    struct asker askers[ASKERS] = { 0 };
    pthread_t threads[ASKERS];
    int bad = 0, served = 0, cancelled = 0;

    begin(9);
    fakecold_thread(cold, true);
    for (int i = 0; i < ASKERS; i++) {
        askers[i].seed = (uint64_t)i + 1;
        if (pthread_create(&threads[i], NULL, asker_main, &askers[i]) != 0)
            abort();
    }
    for (int i = 0; i < ASKERS; i++) {
        (void)pthread_join(threads[i], NULL);
        bad += askers[i].bad;
        served += askers[i].served;
        cancelled += askers[i].cancelled;
    }
    fakecold_thread(cold, false);
    settle();
    IS(served + cancelled, ASKERS * ASKS, "askers on %d threads: each fetch is answered", ASKERS);
    OK(bad == 0 && cancelled > 0, "rightly (%d served, %d cancelled, %u loads)", served, cancelled,
        fakecold_loads(cold));
    fakecold_free(&cold);
}

int
main(void)
{
    test_fetch();
    test_errors();
    test_cancel();
    test_now();
    test_refs();
    test_again();
    test_wants();
    test_aborted();
    test_threads();
    return tap_done();
}
