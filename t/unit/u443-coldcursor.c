/*
 * Consumers through the public face, with a cold tier behind it: they can't tell where a record
 * lies.  Meanwhile a producer appends, a mover offloads and drops, records are deleted.  For the
 * thread sanitizer.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/rand.h"
#include "engine/batch/batch.h"
#include "engine/varve_int.h"
#include "t/lib/offload.h"
#include "t/lib/tap.h"

enum { BEFORE = 3000, RECORDS = 9000, CONSUMERS = 3, SIZE = 500, BATCH_MAX = 30, ROUNDS = 40 };

static const char *dir;
static struct varve *v;
static struct varve_log *part;
static struct vrv_cold *cold;
static _Atomic bool done;
static _Atomic int bad;

static void
wrong(const char *what, int64_t at, const struct varve_error *e)
{
    if (atomic_fetch_add(&bad, 1) < 5)
        tap_note("%s at %" PRId64 ": %s", what, at, e != NULL ? e->message : "");
}

static int64_t
start_of(void)
{
    struct varve_offsets o;

    varve_offsets_get(part, &o);
    return o.start;
}

static void
open_it(void)
{
    struct varve_options o;
    struct varve_error e = { 0 };

    varve_options_init(&o);
    o.wal_bytes = (size_t)4 << 20;
    o.memory_bytes = (size_t)4 << 20;
    tap_need(vrv__open(&v, dir, &o, cold, NULL, &e), e.message);
    part = varve_partition(v, "t", 0, &e);
}

/* Records in batches: numbers; each has the time that is its number. */
static void
produce(int64_t from, int64_t to)
{
    char text[BATCH_MAX][SIZE + 1];
    struct varve_record r[BATCH_MAX];
    struct varve_error e = { 0 };

    for (int64_t at = from; at < to;) {
        int64_t n = 1 + at % BATCH_MAX, offset;


        n = n < to - at ? n : to - at;
        for (int64_t i = 0; i < n; i++) {
            (void)snprintf(text[i], sizeof(text[i]), "%0*" PRId64, SIZE, at + i);
            r[i] = (struct varve_record){ .timestamp = at + i, .value = text[i],
                .value_len = SIZE };
        }
        if (varve_append(part, r, (size_t)n, &offset, &e) < 0 || offset != at) {
            wrong("append", at, &e);
            return;
        }
        at += n;
    }
}

static void *
producer_main(void *ctx)
{
    (void)ctx;
    produce(BEFORE, RECORDS);
    return NULL;
}

/* All that is sealed goes, but for the newest. */
static void
move_some(bool all)
{
    struct vrv_err e = { 0 };
    int64_t end = offload(part->log, cold), to = all ? end : end - end / 8;

    if (to > 0 && vrv_log_drop_local(part->log, to, NULL, &e) < 0 && e.code != VRV_E_AGAIN)
        wrong(e.msg, to, NULL);
}

static void *
mover_main(void *ctx)
{
    struct varve_error e = { 0 };

    (void)ctx;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t before = vrv_engine_checkpoints(v->engine);

        varve_roll(part);
        while (vrv_engine_checkpoints(v->engine) == before)
            (void)sched_yield();
        move_some(false);
        if (start_of() < BEFORE / 2 &&
            varve_delete_records(part, start_of() + BEFORE / 50, &e) < 0)
            wrong("deletion", start_of(), &e);
    }
    atomic_store(&done, true);
    return NULL;
}

struct consumer {
    bool batches;
    int64_t skipped; /* deleted before they were read */
    int passes;
};

/* What was read from `at` on; where to go on, or -1. */
static int64_t
check_batches(const uint8_t *p, size_t n, int64_t at)
{
    struct vrv_batch b;

    for (size_t pos = 0; pos < n; pos += b.size) {
        if (vrv_batch_read(&b, p + pos, n - pos, NULL) < 0 || b.base_offset > at ||
            vrv_batch_last_offset(&b) < at)
            return -1;
        at = vrv_batch_last_offset(&b) + 1;
    }
    return at;
}

static int
consume_some(struct consumer *me, struct varve_cursor *c, int64_t *at, struct varve_error *e)
{
    struct varve_record r;
    const void *p;
    char text[SIZE + 1];
    size_t n;
    int rc = me->batches ? varve_cursor_batches(c, 5000, &p, &n, -1, e)
                         : varve_cursor_next(c, &r, -1, e);

    if (rc <= 0)
        return rc;
    if (me->batches) {
        *at = check_batches(p, n, *at);
        return *at < 0 ? VRV_E_CORRUPT : 1;
    }
    (void)snprintf(text, sizeof(text), "%.*s", (int)r.value_len, (const char *)r.value);
    if (r.offset != *at || strtoll(text, NULL, 10) != *at || r.timestamp != *at)
        return VRV_E_CORRUPT;
    (*at)++;
    return 1;
}

/* From the start to the last record that the producer will append. */
static int
consume_all(struct consumer *me, struct varve_error *e)
{
    struct varve_cursor *c = NULL;
    int64_t at = start_of();
    int rc = varve_cursor_open(&c, part, at, e);

    while (rc >= 0 && at < RECORDS) {
        rc = consume_some(me, c, &at, e);
        if (rc != VRV_E_RANGE)
            continue;
        int64_t start = start_of();
        if (start <= at)
            break;
        me->skipped += start - at;
        at = start;
        varve_cursor_close(&c);
        rc = varve_cursor_open(&c, part, at, e);
    }
    if (rc < 0)
        wrong("consumer", at, e);
    varve_cursor_close(&c);
    return rc;
}

static void *
consumer_main(void *ctx)
{
    struct consumer *me = ctx;
    struct varve_error e = { 0 };

    do
        me->passes++;
    while (consume_all(me, &e) >= 0 && !atomic_load(&done));
    return NULL;
}

/* Times are as the offsets, so every answer is known, but for what is deleted meanwhile. */
static void *
seeker_main(void *ctx)
{
    struct varve_error e = { 0 };

    (void)ctx;
    for (int64_t ts = 0; !atomic_load(&done); ts = (ts + 7) % BEFORE) {
        int64_t at, least = start_of();
        int rc = varve_offset_at(part, ts, &at, &e);

        if (rc < 0 || at < least || (at != ts && at > start_of()))
            wrong("offset by time", ts, &e);
    }
    return NULL;
}

/* Fetches that are cancelled, or have little time. */
static void *
impatient_main(void *ctx)
{
    struct vrv_clock *clock = vrv_clock_real();
    struct vrv_rand rnd = { 5 };
    struct vrv_cq cq;

    (void)ctx;
    (void)vrv_cq_init(&cq, 0);
    while (!atomic_load(&done)) {
        struct vrv_read r = { .offset = start_of() + (int64_t)vrv_rand_below(&rnd, BEFORE / 2),
            .max_bytes = 1, .whole_first = true };
        struct vrv_fetch f = { .done.cq = &cq, .read = &r };

        if (vrv_read(part->log, &r, NULL) == VRV_READ_COLD) {
            vrv_fetch(part->log, &f, clock->mono_ns(clock) + (int64_t)vrv_rand_below(&rnd, 200000));
            if (vrv_rand_below(&rnd, 3) == 0)
                vrv_fetch_cancel(part->log, &f);
            (void)vrv_cq_take(&cq, -1);
            if (f.status != 0 && f.status != VRV_E_CANCELLED && f.status != VRV_E_TIMEDOUT &&
                f.status != VRV_E_RANGE)
                wrong(f.err.msg, r.offset, NULL);
        }
        vrv_read_fini(&r);
    }
    vrv_cq_fini(&cq);
    return NULL;
}

static void
start(pthread_t *t, void *(*run)(void *), void *ctx)
{
    int rc = pthread_create(t, NULL, run, ctx);

    VRV_ASSERT(rc == 0);
}

/* All of the first records, when none of them is here any more. */
static void
test_all_cold(void)
{
    struct varve_cursor *c = NULL;
    struct varve_error e = { 0 };
    struct consumer one = { .batches = false };
    int64_t at = 0;
    int rc = varve_cursor_open(&c, part, 0, &e);

    OK(vrv_log_offsets(part->log).local_start > BEFORE / 2, "most records are cold only");
    while (rc >= 0 && at < BEFORE)
        rc = consume_some(&one, c, &at, &e);
    IS(at, BEFORE, "a cursor reads them all %s", e.message);
    OK(fakecold_loads(cold) > 0, "... in %u loads", fakecold_loads(cold));
    varve_cursor_close(&c);
}

static void
test_hanging(void)
{
    struct vrv_clock *clock = vrv_clock_real();
    struct vrv_read_found found;
    struct vrv_err e = { 0 };

    fakecold_hang(cold, true);
    int rc = vrv_read_time(part->log, 10, clock->mono_ns(clock) + 20000000, &found, &e);
    IS(rc, VRV_E_TIMEDOUT, "a store that hangs: a look-up ends at its deadline: %s", e.msg);
    fakecold_hang(cold, false);
    rc = vrv_read_time(part->log, 10, INT64_MAX, &found, &e);
    OK(rc == 0 && found.offset == 10, "and is answered when it goes on");
}

static void
test_together(void)
{
    pthread_t producer, mover, seeker, impatient, t[CONSUMERS];
    struct consumer consumers[CONSUMERS] = { { .batches = true } };
    int64_t skipped = 0;
    int passes = 0;

    start(&producer, producer_main, NULL);
    start(&mover, mover_main, NULL);
    start(&seeker, seeker_main, NULL);
    start(&impatient, impatient_main, NULL);
    for (int i = 0; i < CONSUMERS; i++)
        start(&t[i], consumer_main, &consumers[i]);
    (void)pthread_join(producer, NULL);
    for (int i = 0; i < CONSUMERS; i++) {
        (void)pthread_join(t[i], NULL);
        skipped += consumers[i].skipped;
        passes += consumers[i].passes;
    }
    (void)pthread_join(mover, NULL);
    (void)pthread_join(seeker, NULL);
    (void)pthread_join(impatient, NULL);
    IS(atomic_load(&bad), 0, "%d consumers read on while all moves: %d times over all of it, "
        "%d records were deleted before they came", CONSUMERS, passes, (int)skipped);
}

int
main(void)
{
    struct varve_config configs[] = { { "segment.bytes", "60000" }, { "retention.ms", "-1" } };
    struct varve_error e = { 0 };

    dir = tap_dir();
    cold = fakecold_new(&(struct fakecold_opts){ .seed = 1, .delay_max = 3, .chunk_batches = 20,
        .cache_chunks = 4 });
    open_it();
    IS(varve_topic_create(v, "t", 1, configs, 2, &e), 0, "a topic %s", e.message);
    part = varve_partition(v, "t", 0, &e);
    produce(0, BEFORE);
    IS(varve_close(&v, &e), 0, "closed: nothing is in memory");
    open_it();
    move_some(true);
    IS(varve_close(&v, &e), 0, "dropped, and closed");
    open_it();
    fakecold_thread(cold, true);
    test_all_cold();
    test_hanging();
    test_together();
    IS(varve_close(&v, &e), 0, "closed %s", e.message);
    fakecold_thread(cold, false);
    fakecold_free(&cold);
    return tap_done();
}
