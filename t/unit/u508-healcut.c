/*
 * What varve log repair has cut on this disk, and the store has: a root that a crash has left counts for it, however old,
 * and be it the first one; and what this disk lacks since then is read in the store.  What has another life in its place
 * isn't of this one.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "t/lib/cut.h"
#include "t/lib/healrig.h"
#include "t/lib/tap.h"
#include "tiering/scrub/heal.h"
#include "tiering/tier_ask.h"

static const int64_t DAY_MS = INT64_C(86400000), YEAR_MS = 365 * INT64_C(86400000);

/* All is sealed, then moved, and a crash takes what this disk knows of that.  What counted by then. */
static uint64_t
leave_roots(void)
{
    struct simdisk *copy = simdisk_copy(rig.disk);
    uint64_t counts = version();

    pass(20000);
    OK(newest_root() > counts, "segments are in the store, and manifests that name them");
    crash(1);
    take_place(copy);
    up(3);
    IS((int64_t)version(), (int64_t)counts, "... which a crash keeps from being counted");
    return counts;
}

static int
heal_above(uint64_t random)
{
    struct vrv_heal h = { .s = &sync_, .eng = rig.eng, .random = random };
    bool there;

    VRV_ASSERT(vrv_heal_begin(&h, &e) == 0);
    int rc = vrv_heal_above(&h, &id, &there, &e);
    VRV_ASSERT(there);
    vrv_heal_end(&h);
    return rc;
}

static int
heal_here(struct vrv_heal_here *out)
{
    struct vrv_heal h = { .s = &sync_, .eng = rig.eng, .random = 9 };

    VRV_ASSERT(vrv_heal_begin(&h, &e) == 0);
    int rc = vrv_heal_here(&h, &id, out, &e);
    vrv_heal_end(&h);
    return rc;
}

/* Its server moves what is there, and all of it can be read. */
static void
goes_on(int64_t base)
{
    down();
    up(6);
    put("t", 0, 4);
    seal();
    IS(rig_alter(&rig, "t", "local.retention.bytes=1"), 0, "its server goes on");
    pass(60000);
    OK(offsets("t", 0).local_start >= base + 20, "... into the store");
    IS(read_all("t", 0), base + 28, "... and nothing is lost");
}

/* Its server can't go on, and says what to do, which somebody does so much later. */
static void
test_cut(int64_t after_ms)
{
    struct vrv_heal_here here;
    struct vrv_tier_part p;

    sweep_every_ms = YEAR_MS;
    make(1);
    seal();
    pass(20000);
    int64_t base = offsets("t", 0).end;
    put("t", 0, 10);
    seal();
    uint64_t counts = leave_roots();
    cut_last(rig_log(&rig, "t", 0), base);
    pass(30000);
    IS((int64_t)version(), (int64_t)counts, "where records of these were cut they don't count, nor does anything else");
    VRV_ASSERT(vrv_tier_part(tier, &id, NULL, false, &p, &e) == 0);
    OK(strstr(p.last.msg, "varve scrub --heal") != NULL, "... which is said: %s", p.last.msg);
    vrv_tier_part_fini(&p);
    simclock_advance_ms(&rig.clock, after_ms);
    IS(heal_above(5), 0, "a heal, %d days later, compares what is left %s", (int)(after_ms / DAY_MS), e.msg);
    OK(version() > counts && newest_cold() > base, "... and they count");
    IS(heal_here(&here), 0, "what was cut here is read from there %s", e.msg);
    OK(here.damaged == 1 && here.to > base && offsets("t", 0).local_start == here.to, "... from now on, up to %d",
        (int)here.to);
    goes_on(base);
    finish();
}

/* Of a partition of which nothing counts yet, and the first root is what a crash has left. */
static uint64_t
leave_first(void)
{
    sweep_every_ms = YEAR_MS;
    make_empty(1);
    pass(20000);
    put("t", 0, 10);
    seal();
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_DENIED, 100);
    pass(20000);
    fakestore_heal(fake);
    struct simdisk *copy = simdisk_copy(rig.disk);
    pass(300000);
    uint64_t newest = newest_root();
    OK(newest > 1, "a partition's first segments are in the store, and manifests that name them");
    crash(1);
    take_place(copy);
    up(3);
    OK(version() == 0, "... which a crash keeps from being counted");
    return newest;
}

static void
test_first_cut(void)
{
    struct vrv_tier_part p;
    struct vrv_manifest m;

    uint64_t newest = leave_first();
    cut_last(rig_log(&rig, "t", 0), 0);
    pass(30000);
    VRV_ASSERT(vrv_tier_part(tier, &id, NULL, false, &p, &e) == 0);
    OK(version() == 0 && strstr(p.last.msg, "varve scrub --heal") != NULL, "where records of these were cut none counts: %s",
        p.last.msg);
    vrv_tier_part_fini(&p);
    IS(heal_above(5), 0, "a heal compares what is left %s", e.msg);
    read_root(version(), &m);
    OK(m.version > newest && m.next == 20, "... and all count");
    vrv_manifest_fini(&m);
    down();
    up(6);
    put("t", 0, 4);
    seal();
    IS(rig_alter(&rig, "t", "local.retention.bytes=1"), 0, "its server goes on");
    pass(60000);
    OK(offsets("t", 0).local_start > 20, "... also into the store");
    IS(read_all("t", 0), 28, "... and nothing is lost");
    finish();
}

/* ... and can't be read, so that nobody ever relied on it. */
static void
test_first_damaged(void)
{
    for (uint64_t v = leave_first(); v > 1; v--)
        delete_root(v);
    flip_root(1);
    IS(heal_root(5), 0, "a damaged one is passed over %s", e.msg);
    OK(version() == 0, "... and doesn't count");
    down();
    up(6);
    IS(rig_alter(&rig, "t", "local.retention.bytes=1"), 0, "its server goes on");
    pass(60000);
    OK(version() > 0 && offsets("t", 0).local_start > 0, "... into the store");
    IS(read_all("t", 0), 20, "... and nothing is lost");
    finish();
}

/* Nothing was cut; but what such a root names has gone meanwhile. */
static void
test_gone(void)
{
    struct vrv_manifest m;

    sweep_every_ms = YEAR_MS;
    make(1);
    seal();
    pass(20000);
    int64_t base = offsets("t", 0).end;
    put("t", 0, 10);
    seal();
    uint64_t counts = leave_roots();
    read_root(counts + 1, &m);
    delete(m.seg[m.seg_n - 1].key);
    vrv_manifest_fini(&m);
    for (uint64_t v = newest_root(); v > counts + 1; v--)
        delete_root(v);
    simclock_advance_ms(&rig.clock, 2 * DAY_MS);
    IS(heal_above(5), 0, "an old root whose object is gone is passed over %s", e.msg);
    OK(version() > counts && newest_cold() < base, "... and doesn't count");
    goes_on(base);
    finish();
}

/* What counts names it, and varve log repair is through. */
static void
test_cut_here(void)
{
    struct vrv_heal_here here;
    struct vrv_manifest m;

    sweep_every_ms = YEAR_MS;
    make(1);
    seal();
    pass(20000);
    down();
    up(2);
    int64_t end = offsets("t", 0).end;
    read_root(version(), &m);
    const struct vrv_cold_seg *s = &m.seg[0];
    IS(heal_here(&here), 0, "all is here %s", e.msg);
    OK(here.damaged == 0 && here.to == 0, "... and stays");
    cut_last(rig_log(&rig, "t", 0), s->base);
    IS(read_all("t", 0), end, "what was cut here is read there, before anybody looks for it");
    flip(s->key);
    IS(heal_here(&here), VRV_E_CORRUPT, "as long as the store hasn't got whole what was cut here: %s", e.msg);
    OK(here.damaged == 1 && offsets("t", 0).local_start == 0, "... nothing leaves this disk");
    flip(s->key);
    IS(heal_here(&here), 0, "where it has that %s", e.msg);
    OK(here.damaged == 1 && here.to == s->next, "... the rest of it leaves this disk, with all before it");
    IS(offsets("t", 0).local_start, s->next, "... which is so from then on");
    IS(heal_here(&here), 0, "... once %s", e.msg);
    OK(here.damaged == 0 && here.from == here.to, "... then all is well");
    vrv_manifest_fini(&m);
    down();
    up(3);
    IS(read_all("t", 0), end, "nothing is lost");
    finish();
}

/* ... and the root that counts is damaged. */
static void
test_cut_and_lost(void)
{
    struct vrv_manifest m;

    sweep_every_ms = YEAR_MS;
    make(1);
    seal();
    pass(20000);
    down();
    up(2);
    uint64_t counts = version();
    read_root(counts - 1, &m);
    int64_t base = m.seg[m.seg_n - 1].base;
    vrv_manifest_fini(&m);
    cut_last(rig_log(&rig, "t", 0), base);
    flip_root(counts);
    IS(heal_root(5), 0, "of what is named records were cut here, and the newest root is damaged: the one before counts %s", e.msg);
    OK(version() > counts, "... once more");
    finish();
}

/* An older copy of a disk has the first records of a segment that was moved, and goes on with others, or with none. */
static void
test_not_cut(void)
{
    for (int batches = 0; batches <= 10; batches += 10) {
        sweep_every_ms = YEAR_MS;
        make(1);
        seal();
        pass(20000);
        put("t", 0, 1);
        struct simdisk *copy = simdisk_copy(rig.disk);
        uint64_t counts = version();
        put("t", 0, 1);
        seal();
        pass(20000);
        OK(newest_root() > counts, "a segment is in the store");
        crash(1);
        take_place(copy);
        up(3);
        seal();
        put("t", 0, batches);
        seal();
        IS(heal_above(5), VRV_E_FENCED, "of which this disk has the first half, and %s: %s", batches > 0 ? "others behind it" :
            "nothing behind it", e.msg);
        IS((int64_t)version(), (int64_t)counts, "... it doesn't count");
        finish();
    }
}

int
main(void)
{
    test_cut(0);
    test_cut(2 * DAY_MS);
    test_first_cut();
    test_first_damaged();
    test_gone();
    test_cut_here();
    test_cut_and_lost();
    test_not_cut();
    return tap_done();
}
