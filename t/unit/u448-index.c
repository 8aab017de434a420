/*
 * Where chunks lie is in memory for those partitions only that were used last: what is read is what was
 * written all the same, and manifests go on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/rand.h"
#include "t/lib/coldlog.h"
#include "t/lib/tap.h"

enum { PARTS = 6, LARGE = 1 << 20, SEEDS = 20, STEPS = 30 };

static size_t root_bytes, index_bytes; /* of the next tier that starts */
static size_t most;                    /* that was held */

static void
set_bytes(void)
{
    tier.parts.o.root_bytes = root_bytes;
    tier.parts.o.index_bytes = index_bytes;
}

static void
begin_tier(uint64_t seed, size_t root, size_t index)
{
    root_bytes = root;
    index_bytes = index;
    coldlog_begin(seed, PARTS, "segment.bytes=1000 retention.ms=-1", set_bytes);
    most = 0;
}

static void
restart(uint64_t seed, size_t index)
{
    index_bytes = index;
    coldlog_restart(seed);
}

static size_t
index_now(void)
{
    size_t n;

    (void)vrv_parts_bytes(&tier.parts, &n);
    most = n > most ? n : most;
    return n;
}

/* Segments of four records with their offsets, sealed, in the store, and not here any more. */
static int
put(int32_t part, int segments)
{
    struct vrv_log *log = rig_log(&rig, "t", part);

    coldlog_put(log, segments);
    vrv_producers_free(&tier.producers);
    tier.knows_producers = false;
    int rc = tierrig_offload(&tier, log);
    (void)index_now();
    if (rc < 0)
        return rc;
    coldlog_drop(log, vrv_log_offsets(log).end);
    rig_pass(&rig, 1000);
    return 0;
}

/* Is the record there, and the one that was written? */
static bool
has(int32_t part, int64_t offset)
{
    struct vrv_read r = { .offset = offset, .max_bytes = 1, .whole_first = true };
    char want[201];
    struct vrv_batch b;

    int rc = coldlog_fetch(rig_log(&rig, "t", part), &r);
    (void)index_now();
    bool is = rc == 0 && r.slice_n > 0 && r.slice[0].kind != VRV_SLICE_FILE &&
        vrv_batch_read(&b, r.slice[0].bytes, r.slice[0].n, NULL) == 0;
    if (is) {
        (void)snprintf(want, sizeof(want), "%0200" PRId64, b.base_offset);
        is = b.base_offset <= offset && vrv_batch_last_offset(&b) >= offset &&
            memmem(r.slice[0].bytes, b.size, want, 200) != NULL;
    }
    vrv_read_fini(&r);
    return is;
}

/* How many records are missing. */
static int
missing(void)
{
    int bad = 0;

    for (int64_t at = 0; at < 100; at++)
        for (int32_t p = 0; p < PARTS; p++)
            bad += at < vrv_log_offsets(rig_log(&rig, "t", p)).end && !has(p, at);
    return bad;
}

static void
test_bound(size_t root, const char *where)
{
    int bad = 0;

    begin_tier(1, root, 0);
    for (int32_t p = 0; p < PARTS; p++)
        bad += put(p, 6) < 0;
    IS(bad, 0, "%d partitions have segments in the store, %s", PARTS, where);
    size_t all = index_now(), two = all / PARTS * 2;
    restart(2, two);
    most = 0;
    IS(missing(), 0, "all is read, partition by partition, with room for where the chunks of two of them lie");
    OK(most > 0 && most <= two, "... and no more is held: %zu of %zu bytes", most, all);
    for (int32_t p = 0; p < PARTS; p++)
        bad += put(p, 2) < 0;
    IS(bad, 0, "segments follow where that is no longer known of those before %s", tier.e.msg);
    IS(missing(), 0, "... all are read");
    OK(most <= two + all / PARTS, "... and no more is held: %zu bytes", most);
    restart(3, 0);
    IS(missing(), 0, "the manifests in the store are whole");
    OK(index_now() > two, "without a limit all of it is held");
    coldlog_end();
}

/* ---- roots that can't be read any more ---- */

static struct vrv_log_id
first(void)
{
    return rig_log(&rig, "t", 0)->id;
}

/* Partition 0 has segments in the store, and where their chunks lie isn't in memory. */
static void
begin_thin(void)
{
    struct vrv_snap *s;

    begin_tier(1, LARGE, 1);
    VRV_ASSERT(put(0, 4) == 0 && put(1, 4) == 0);
    const struct vrv_log_id id = first();
    VRV_ASSERT(vrv_parts_now(&tier.parts, &id, &s, &tier.e) == 0 && vrv_manifest_is_thin(&s->m));
    vrv_snap_unref(s);
}

static void
flip(const char *key, size_t from_end)
{
    size_t n;
    uint8_t *p = (uint8_t *)(uintptr_t)fakestore_object(fake, key, &n);

    VRV_ASSERT(p != NULL && from_end <= n);
    p[n - from_end] ^= 1;
}

/* Damages the root that counts, or mends it. */
static void
flip_root(void)
{
    const struct vrv_log_id id = first();
    char key[VRV_STORE_KEY_MAX + 1];
    uint64_t version;

    VRV_ASSERT(vrv_parts_version(&tier.parts, &id, &version, &tier.e) == 0);
    vrv_parts_root_key(&id, version, key);
    flip(key, 100);
}

/* ... an object's chunk table. */
static void
flip_table(void)
{
    const struct vrv_log_id id = first();
    struct vrv_snap *s;

    VRV_ASSERT(vrv_parts_now(&tier.parts, &id, &s, &tier.e) == 0);
    flip(s->m.seg[1].key, VRV_OBJECT_FOOTER + 1);
    vrv_snap_unref(s);
}

/* Which root the one that counts says that it was made of. */
static uint64_t
made_of(void)
{
    const struct vrv_log_id id = first();
    struct vrv_snap *s;

    VRV_ASSERT(vrv_parts_now(&tier.parts, &id, &s, &tier.e) == 0);
    uint64_t before = s->m.before;
    vrv_snap_unref(s);
    return before;
}

/* What was let go of can't be had from a root that is damaged: each object says it, too. */
static void
test_damaged(void)
{
    begin_thin();
    uint64_t whole = made_of();
    flip_root();
    IS(put(0, 1), 0, "a root is damaged whose chunks this server has let go of: it goes on %s", tier.e.msg);
    OK(whole > 0 && made_of() == whole, "... and keeps the newest one that can be read");
    IS(missing(), 0, "... all is read");
    restart(2, 0);
    IS(missing(), 0, "... also by the next manifest alone");
    coldlog_end();
}

/* Nothing is written without it, and nothing is lost. */
static void
test_damaged_both(void)
{
    begin_thin();
    flip_root();
    flip_table();
    size_t there = fakestore_count(fake, "m/");
    IS(put(0, 1), VRV_E_CORRUPT, "an object, too: %s", tier.e.msg);
    OK(strstr(tier.e.msg, "stop this server, and varve scrub --heal") != NULL, "... which says what to do");
    IS((int64_t)fakestore_count(fake, "m/"), (int64_t)there, "... no manifest is written");
    flip_table();
    IS(put(0, 1), 0, "when that can be read again it goes on %s", tier.e.msg);
    IS(missing(), 0, "... and nothing is missing");
    coldlog_end();
}

/* A move that is given up while objects are asked, `at` steps behind its begin; false: it had ended before. */
static bool
stop_at(unsigned at, unsigned *cut, unsigned *late)
{
    begin_thin();
    coldlog_put(rig_log(&rig, "t", 0), 1);
    flip_root();
    VRV_ASSERT(tierrig_move(&tier, rig_log(&rig, "t", 0)));
    for (unsigned i = 0; i < at && tier.move != NULL; i++)
        if (!tierrig_step(&tier))
            (void)tierrig_wait(&tier);
    bool goes_on = tier.move != NULL;
    if (goes_on) {
        uint64_t before = fakestore_attempts(fake, VRV_STORE_GET);
        bool fills = tier.move->commit.fill != NULL;

        vrv_move_cancel(tier.move);
        tierrig_run(&tier);
        *late += fills && fakestore_attempts(fake, VRV_STORE_GET) != before;
        *cut += tier.status == VRV_E_CANCELLED;
    }
    for (int i = 0; i < 3 && put(0, 1) == VRV_E_CONFLICT; i++) /* a root that it left counts first */
        ;
    if (tier.status < 0 || missing() > 0)
        OK(false, "... at step %u, and the next one counts: %s", at, tier.e.msg);
    coldlog_end();
    return goes_on;
}

static void
test_stopped(void)
{
    unsigned at = 0, cut = 0, late = 0;

    while (at < 200 && stop_at(at, &cut, &late))
        at++;
    OK(at > 10 && at < 200 && cut > 10, "it is given up at %u moments, %u times in time", at, cut);
    IS(late, 0, "... and nothing more is asked for");
}

/* Reads and commits by turns, by a store that fails now and then. */
static void
test_storms(void)
{
    int bad = 0, failed = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct vrv_rand rnd = { seed };

        begin_tier(seed, vrv_rand_below(&rnd, 2) == 0 ? LARGE : 700, 1);
        fakestore_fault(fake, VRV_STORE_GET, FAKE_MISSING, (unsigned)vrv_rand_below(&rnd, 10));
        fakestore_fault(fake, VRV_STORE_OPS, FAKE_ANSWER_LOST, (unsigned)vrv_rand_below(&rnd, 20));
        fakestore_fault(fake, VRV_STORE_OPS, FAKE_ERROR, (unsigned)vrv_rand_below(&rnd, 20));
        for (int i = 0; i < STEPS; i++) {
            int32_t p = (int32_t)vrv_rand_below(&rnd, PARTS);
            int64_t end = vrv_log_offsets(rig_log(&rig, "t", p)).end;

            if (end == 0 || vrv_rand_below(&rnd, 3) == 0)
                failed += put(p, 1 + (int)vrv_rand_below(&rnd, 2)) < 0;
            else
                failed += !has(p, (int64_t)vrv_rand_below(&rnd, (uint64_t)end));
        }
        fakestore_heal(fake);
        simclock_advance_ms(&rig.clock, 60000);
        for (int32_t p = 0; p < PARTS; p++)
            bad += put(p, 1) < 0;
        bad += missing() > 0;
        coldlog_end();
    }
    IS(bad, 0, "%d storms with room for one partition: all is there in the end (%d times it wasn't meanwhile)",
        SEEDS, failed);
}

int
main(void)
{
    test_bound(LARGE, "all named by their roots");
    test_bound(700, "the older ones in pages");
    test_damaged();
    test_damaged_both();
    test_stopped();
    test_storms();
    return tap_done();
}
