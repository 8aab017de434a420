/*
 * What readers cost the store, and how much memory they take: reads of neighbours ahead of who reads on,
 * one read for one chunk otherwise, one budget for all, a rate, and no storms where the store fails.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/reader/fetch.h"
#include "t/lib/coldlog.h"
#include "t/lib/tap.h"

/* A chunk is one batch of one record; a segment is many. */
enum { CHUNKS = 400, RUN = 8, AHEAD = 32, CACHE = 100, VALUE = 400, HELD = 200 };

static size_t chunk;
static bool packs; /* what is moved; a chunk counts by its batches all the same */

static uint64_t
gets(void)
{
    return fakestore_attempts(fake, VRV_STORE_GET);
}

static size_t
used(void)
{
    return atomic_load(&tier.reader.cache.used);
}

static void
put(void)
{
    char value[VALUE + 1];

    for (int i = 0; i < CHUNKS; i++) {
        (void)snprintf(value, sizeof(value), "%0*d", VALUE, i);
        int64_t at = rig_put_batch(&rig, the_log(), &(struct rig_batch){ .value = value, .records = 1,
            .ts = 1000 + i });
        VRV_ASSERT(at == i);
        if (i % 20 == 0)
            VRV_ASSERT(rig_checkpoint(&rig)); /* there is room for more */
    }
    vrv_log_roll(the_log());
    bool ok = rig_checkpoint(&rig);
    VRV_ASSERT(ok && rig_checkpoint(&rig));
}

static void
no_pages(void)
{
    tier.parts.o.root_bytes = SIZE_MAX / 2; /* none is in the way */
}

/* All is cold, and nothing in memory. */
static void
begin_cold(size_t cache_chunks)
{
    coldlog_begin(1, 1, packs ? "segment.bytes=60000 retention.ms=-1 varve.tier.compression.zstd.level=3"
                              : "segment.bytes=60000 retention.ms=-1", no_pages);
    put();
    int rc = tierrig_offload(&tier, the_log());
    VRV_ASSERT(rc == 0);
    coldlog_drop(the_log(), CHUNKS);
    coldlog_restart(2);
    chunk = VALUE + 80;
    struct vrv_cache *c = &tier.reader.cache;
    c->o.bytes = cache_chunks * chunk;
    c->o.run_bytes = RUN * chunk;
    c->ahead.most = AHEAD * chunk < c->o.bytes / 2 ? AHEAD * chunk : c->o.bytes / 2;
}

/* ---- readers ---- */

struct reader {
    struct vrv_fetch f; /* first */
    struct vrv_read r;
    int64_t at;
    unsigned waits;     /* reads that had to wait */
};

/* 0 or what failed, when it was there at once; VRV_READ_COLD: it was asked for. */
static int
ask(struct reader *rd, size_t max_bytes)
{
    rd->r = (struct vrv_read){ .offset = rd->at, .max_bytes = max_bytes, .whole_first = true };
    int rc = vrv_read(the_log(), &rd->r, &rig.e);

    if (rc != VRV_READ_COLD)
        return rc;
    rd->f = (struct vrv_fetch){ .done.cq = &fetches, .read = &rd->r };
    vrv_fetch(the_log(), &rd->f, INT64_MAX);
    rd->waits++;
    return rc;
}

static int
read_on(struct reader *rd, size_t max_bytes)
{
    int rc = ask(rd, max_bytes);

    if (rc == VRV_READ_COLD) {
        struct vrv_done *d;

        while ((d = vrv_cq_take(&fetches, 0)) == NULL && (tierrig_step(&tier) || tierrig_wait(&tier)))
            ;
        rc = d == &rd->f.done ? rd->f.status : -1000;
        rig.e = rd->f.err;
    }
    for (uint32_t i = 0; rc == 0 && i < rd->r.slice_n; i++)
        for (size_t at = 0; at < rd->r.slice[i].n; rd->at++) {
            struct vrv_batch b;

            if (vrv_batch_read(&b, rd->r.slice[i].bytes + at, rd->r.slice[i].n - at, NULL) < 0 ||
                b.base_offset != rd->at)
                return -2000;
            at += b.size;
        }
    return rc;
}

static void
read_all(struct reader *rd, size_t max_bytes)
{
    while (rd->at < CHUNKS && read_on(rd, max_bytes) == 0) {
        vrv_read_fini(&rd->r);
        for (int i = 0; i < 4; i++) /* the store is as fast as he is */
            (void)tierrig_step(&tier);
    }
}

static void
test_sequential(void)
{
    struct reader rd = { .at = 0 };

    begin_cold(CACHE);
    uint64_t before = gets();
    read_all(&rd, chunk);
    IS(rd.at, CHUNKS, "one reads all %s", rig.e.msg);
    OK(gets() - before <= CHUNKS / RUN + 20, "a read of the store brings many chunks: %" PRIu64
        " for %d", gets() - before, CHUNKS);
    OK(rd.waits <= 30, "and he seldom waits for one, over all borders: %u times", rd.waits);
    IS(tier.reader.cache.reading, 0, "there is nothing more to read");
    OK(used() <= CACHE * chunk, "within the budget");
    coldlog_end();
}

static void
test_random(void)
{
    struct vrv_rand rnd = { 7 };
    struct reader rd;
    int bad = 0;

    begin_cold(CACHE);
    memset(&rd, 0, sizeof(rd));
    (void)read_on(&rd, 1);
    vrv_read_fini(&rd.r);
    uint64_t before = gets();
    for (int i = 0; i < 50; i++) {
        rd.at = 2 + (int64_t)vrv_rand_below(&rnd, CHUNKS / 2 - 2) * 2;
        bad += read_on(&rd, 1) != 0;
        vrv_read_fini(&rd.r);
        tierrig_run(&tier);
    }
    IS(bad, 0, "one reads here and there");
    OK(gets() - before <= 50 + 10, "each time one chunk at most is read, and nothing ahead: %" PRIu64,
        gets() - before);
    coldlog_end();
}

/* He doesn't take what was read for him. */
static void
test_back_pressure(void)
{
    struct reader rd = { .at = 0 };

    begin_cold(CACHE);
    for (int i = 0; i < 20; i++) {
        VRV_ASSERT(read_on(&rd, chunk) == 0);
        vrv_read_fini(&rd.r);
    }
    tierrig_run(&tier);
    uint64_t before = gets();
    size_t held = used();
    for (int i = 0; i < 10; i++)
        tierrig_run(&tier);
    OK(gets() == before && used() == held, "who stops is read nothing for");
    struct reader other = { .at = 200 };
    read_all(&other, chunk);
    IS(other.at, CHUNKS, "another one reads all the same");
    unsigned waits = rd.waits;
    VRV_ASSERT(read_on(&rd, chunk) == 0);
    vrv_read_fini(&rd.r);
    IS(rd.waits, waits, "who comes back finds what was read for him");
    coldlog_end();
}

/* Many at once, who hold what they got. */
static void
test_budget(void)
{
    static struct reader rd[HELD];
    size_t most = 0;
    int waiting = 0, got = 0, bad = 0;

    begin_cold(20);
    memset(rd, 0, sizeof(rd));
    for (int i = 0; i < HELD; i++) {
        rd[i].at = i * 2;
        waiting += ask(&rd[i], 1) == VRV_READ_COLD;
        most = used() > most ? used() : most;
    }
    IS(waiting, HELD, "%d want something else each", HELD);
    while (got < HELD) {
        struct vrv_done *d = vrv_cq_take(&fetches, 0);

        most = used() > most ? used() : most;
        if (d != NULL) {
            struct reader *r = (struct reader *)(void *)d;

            bad += r->f.status != 0;
            vrv_read_fini(&r->r);
            got++;
        } else if (!tierrig_step(&tier) && !tierrig_wait(&tier)) {
            break;
        }
    }
    OK(got == HELD && bad == 0, "all get it");
    OK(most <= 21 * chunk + 2000, "with no more memory than is allowed: %zu of %zu", most, 20 * chunk);
    for (int i = 0; i < HELD / 4; i++) {
        rd[i].at = i * 4;
        bad += read_on(&rd[i], 1) != 0;
    }
    IS(bad, 0, "what is held by others stops nobody: one read is always allowed");
    for (int i = 0; i < HELD / 4; i++)
        vrv_read_fini(&rd[i].r);
    rd[0].at = 201;
    VRV_ASSERT(read_on(&rd[0], 1) == 0);
    vrv_read_fini(&rd[0].r);
    OK(used() <= 21 * chunk + 2000, "given back, it is within its bounds again: %zu", used());
    coldlog_end();
}

static void
test_rate(void)
{
    struct reader rd = { .at = 0 };

    begin_cold(CACHE);
    (void)read_on(&rd, 1);
    vrv_read_fini(&rd.r);
    atomic_store(&tier.reader.cache.quota.rate, 10 * chunk);
    int64_t began = rig.clock.clock.mono_ns(&rig.clock.clock);
    read_all(&rd, chunk);
    int64_t ms = (rig.clock.clock.mono_ns(&rig.clock.clock) - began) / 1000000;
    IS(rd.at, CHUNKS, "with a rate all is read, too");
    OK(ms >= (CHUNKS - 60) * 100 && ms < CHUNKS * 130, "as fast as it says: %" PRId64 " ms", ms);
    coldlog_end();
}

/* Looked at so often that never a whole byte more is allowed: what isn't one yet adds up, and no more than that. */
static void
test_small_steps(void)
{
    enum { READS = 4, STEPS = 10 };
    int64_t step_ns = 1000000 / STEPS;
    struct reader rd = { .at = 0 };
    struct vrv_done *d = NULL;
    int64_t began = 0, now_ns = 0;

    begin_cold(CACHE);
    (void)read_on(&rd, 1);
    vrv_read_fini(&rd.r);
    atomic_store(&tier.reader.cache.quota.rate, chunk); /* a chunk in a second, a byte in 2 ms */
    for (int i = 0; i < READS; i++) {
        rd.at = 50 + 100 * i % CHUNKS; /* nobody reads on */
        IS(ask(&rd, 1), VRV_READ_COLD, "a chunk that isn't in memory");
        now_ns = rig.clock.clock.mono_ns(&rig.clock.clock);
        began = i == 0 ? now_ns : began; /* the first one goes at once, and is paid for then */
        for (int64_t steps = 0; steps < INT64_C(60000) * STEPS && (d = vrv_cq_take(&fetches, 0)) == NULL; steps++) {
            while (tierrig_step(&tier))
                ;
            (void)atomic_fetch_add(&rig.clock.mono_ns, step_ns);
        }
        OK(d == &rd.f.done && rd.f.status == 0, "... comes");
        vrv_read_fini(&rd.r);
    }
    int64_t ms = (rig.clock.clock.mono_ns(&rig.clock.clock) - began) / 1000000;
    OK(ms >= (READS - 1) * 800 && ms <= (READS + 1) * 1200, "%d chunks in small steps as fast as it says: %" PRId64 " ms",
        READS, ms);
    coldlog_end();
}

static void
test_failures(void)
{
    struct reader rd = { .at = 0 };

    begin_cold(CACHE);
    (void)read_on(&rd, 1);
    vrv_read_fini(&rd.r);
    fakestore_fault(fake, VRV_STORE_GET, FAKE_DENIED, 100);
    rd.at = 100;
    uint64_t before = gets();
    for (int i = 0; i < 20; i++)
        IS(read_on(&rd, 1), VRV_E_DENIED, "the store refuses: %s", rig.e.msg);
    OK(gets() - before <= 2, "and isn't asked again and again");
    fakestore_heal(fake);
    simclock_advance_ms(&rig.clock, TIERRIG_AGAIN_MS);
    IS(read_on(&rd, 1), 0, "but after a while");
    vrv_read_fini(&rd.r);
    coldlog_end();
}

/* ---- threads ---- */

enum { READERS = 3 };
static _Atomic bool stop;

static void *
tier_main(void *ctx)
{
    (void)ctx;
    while (!atomic_load(&stop))
        if (!tierrig_step(&tier))
            (void)sched_yield();
    return NULL;
}

/* How far it came: each batch once, in order. */
static void *
reader_main(void *ctx)
{
    int64_t *next = ctx;
    struct vrv_batch b;

    while (*next < CHUNKS) {
        struct vrv_read r = { .offset = *next, .max_bytes = 5 * chunk, .whole_first = true };
        struct vrv_fetch f = { .read = &r };
        int rc = vrv_read(the_log(), &r, NULL);

        if (rc == VRV_READ_COLD)
            rc = vrv_fetch_wait(the_log(), &f, INT64_MAX, NULL);
        for (uint32_t i = 0; rc == 0 && i < r.slice_n; i++)
            for (size_t at = 0; at < r.slice[i].n && rc == 0; at += b.size) {
                rc = vrv_batch_read(&b, r.slice[i].bytes + at, r.slice[i].n - at, NULL);
                rc = rc < 0 || b.base_offset != (*next)++ ? -1 : 0;
            }
        vrv_read_fini(&r);
        if (rc < 0)
            break;
    }
    return NULL;
}

static void
test_threads(void)
{
    pthread_t thread[READERS], stepper;
    int64_t next[READERS] = { 0, 100, 7 };
    int whole = 0;

    begin_cold(20);
    atomic_store(&stop, false);
    VRV_ASSERT(pthread_create(&stepper, NULL, tier_main, NULL) == 0);
    for (int i = 0; i < READERS; i++)
        VRV_ASSERT(pthread_create(&thread[i], NULL, reader_main, &next[i]) == 0);
    for (int i = 0; i < READERS; i++) {
        (void)pthread_join(thread[i], NULL);
        whole += next[i] == CHUNKS;
    }
    atomic_store(&stop, true);
    (void)pthread_join(stepper, NULL);
    IS(whole, READERS, "readers on threads of their own get all, with little memory");
    coldlog_end();
}

int
main(void)
{
    test_threads();
    test_sequential();
    packs = true;
    test_sequential();
    test_budget();
    packs = false;
    test_random();
    test_back_pressure();
    test_budget();
    test_rate();
    test_small_steps();
    test_failures();
    return tap_done();
}
