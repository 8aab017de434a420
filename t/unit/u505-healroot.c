/*
 * A damaged root, and what may not count in its place: what another life of this disk wrote, and what leaves a hole; and
 * roots that crashes have left, which are in the way.
 */
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/engine_int.h"
#include "engine/seg/seg_walk.h"
#include "t/lib/healrig.h"
#include "t/lib/tap.h"
#include "tiering/scrub/heal.h"
#include "tiering/tier_ask.h"

static const int64_t YEAR_MS = 365 * INT64_C(86400000);

/* ---- another life ---- */

/* Of the disk, behind a crash. */
static void
take_place(struct simdisk *copy)
{
    simdisk_free(&rig.disk);
    rig.disk = copy;
    rig.o.vfs = simdisk_vfs(copy);
}

/* A server goes on and fills the store, then an older copy of its disk takes its place, and has as many batches of its
 * own.  What counted when it was copied. */
static uint64_t
make_older(uint64_t seed, int batches)
{
    sweep_every_ms = YEAR_MS;
    make(seed);
    seal();
    pass(20000);
    struct simdisk *copy = simdisk_copy(rig.disk);
    uint64_t counts = version();
    for (int i = 0; i < 4; i++) {
        put("t", 0, 10);
        pass(20000);
    }
    OK(newest_root() > counts + 1, "a server goes on, and moves records to the store");
    crash(seed);
    take_place(copy);
    up(seed + 2);
    IS((int64_t)version(), (int64_t)counts, "an older copy of its disk takes its place");
    if (batches > 0)
        put("t", 0, batches);
    return counts;
}

static void
test_older_segment(void)
{
    struct vrv_manifest m;
    uint64_t counts = make_older(1, 60);

    read_root(counts, &m);
    delete(m.seg[0].key);
    IS(heal(5, m.seg[0].key, m.seg[0].base), VRV_E_FENCED, "a segment isn't healed in the name of another life: %s", e.msg);
    IS((int64_t)version(), (int64_t)counts, "... and what that wrote doesn't count");
    vrv_manifest_fini(&m);
    finish();
}

static void
test_older_root(void)
{
    for (int batches = 0; batches <= 60; batches += 60) {
        struct vrv_manifest m;
        uint64_t counts = make_older(1, batches), newest = newest_root();

        read_root(newest - 1, &m);
        OK((m.next > offsets("t", 0).end) == (batches == 0), "it ends %s what the first has moved", batches == 0 ? "before" :
            "behind");
        vrv_manifest_fini(&m);
        for (uint64_t v = counts - 1; v < newest - 1; v++)
            delete_root(v);
        flip_root(newest);
        IS(heal_root(5), VRV_E_FENCED, "a root of another life takes no lost one's place: %s", e.msg);
        IS((int64_t)version(), (int64_t)counts, "... nor counts");
        finish();
    }
}

/* ---- what was cut ---- */

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

/* As varve log repair does it where its last batch is damaged. */
static void
cut_last(int64_t base)
{
    struct vrv_seg *s = vrv_log_sealed(rig_log(&rig, "t", 0), base);
    struct vrv_seg_walk w;
    struct vrv_batch b, last = { .size = 0 };
    unsigned n = 0;

    VRV_ASSERT(s != NULL);
    vrv_seg_walk_init(&w, s, s->size);
    while (vrv_seg_walk_next(&w, &b, &e) == 1) {
        if (n++ > 0) {
            s->max_ts = last.max_ts;
            s->max_ts_offset = vrv_batch_last_offset(&last);
        }
        last = b;
    }
    vrv_seg_walk_fini(&w);
    VRV_ASSERT(n > 1);
    s->size -= last.size;
    s->next = last.base_offset;
    vrv_seg_unref(s);
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

static void
test_cut(void)
{
    struct vrv_tier_part p;

    sweep_every_ms = YEAR_MS;
    make(1);
    seal();
    pass(20000);
    int64_t base = offsets("t", 0).end;
    put("t", 0, 10);
    seal();
    uint64_t counts = leave_roots();
    cut_last(base);
    pass(30000);
    IS((int64_t)version(), (int64_t)counts, "where records of these were cut they don't count, nor does anything else");
    VRV_ASSERT(vrv_tier_part(tier, &id, NULL, false, &p, &e) == 0);
    OK(strstr(p.last.msg, "varve scrub --heal") != NULL, "... which is said: %s", p.last.msg);
    vrv_tier_part_fini(&p);
    IS(heal_above(5), 0, "a heal compares what is left %s", e.msg);
    OK(version() > counts && newest_cold() > base, "... and they count");
    down();
    up(6);
    put("t", 0, 4);
    seal();
    IS(rig_alter(&rig, "t", "local.retention.bytes=1"), 0, "its server goes on");
    pass(60000);
    OK(offsets("t", 0).local_start >= base + 20, "... also into the store");
    IS(read_all("t", 0), base + 28, "... and nothing is lost");
    finish();
}

/* ... and the root that counts is lost. */
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
    cut_last(base);
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

/* ---- holes that are none ---- */

static void
goes_on(int64_t from, int64_t to)
{
    int64_t end = offsets("t", 0).end + 20;

    IS(heal_root(12), 0, "... which takes its place when it is damaged: nothing is missing %s", e.msg);
    down();
    up(13);
    lost(from, to);
    IS(read_all("t", 0), end - 20, "... who reads passes over what isn't there");
    put("t", 0, 10);
    seal();
    IS(rig_alter(&rig, "t", "local.retention.bytes=1"), 0, "... its server goes on");
    pass(30000);
    OK(offsets("t", 0).local_start > to, "... also into the store");
    IS(read_all("t", 0), end, "... all that there was can be read");
    lost(0, 0);
}

/* What it had on its disk only was deleted with that. */
static void
test_undeleted(void)
{
    struct vrv_undelete u = { .done.cq = &rig.cq, .topic = "t" };
    int64_t next_ns;

    make(1);
    int64_t end = offsets("t", 0).end;
    OK(vrv_engine_delete_topic(rig.eng, "t", &e) == 0, "a topic is deleted");
    rig_bury(&rig);
    vrv_tier_undelete(tier, &u);
    while (vrv_cq_take(&rig.cq, 0) != &u.done)
        if (!vrv_tier_step(tier, &next_ns))
            rig_pass(&rig, 250);
    IS(u.status, 0, "... and comes back %s", u.err.msg);
    struct vrv_log_offsets o = offsets("t", 0);
    OK(o.gap < end && o.local_start == end, "... without the last of its records");
    down();
    up(2);
    damage_newest();
    goes_on(o.gap, end);
    finish();
}

/* The disk was full, and the store didn't take what came: from there on. */
static int64_t
give_up(void)
{
    struct vrv_heal h = { .s = &sync_, .random = 9 };
    struct vrv_manifest m;

    make(1);
    seal();
    pass(20000);
    put("t", 0, 10);
    seal();
    down();
    up(2);
    int64_t end = offsets("t", 0).end;
    h.eng = rig.eng;
    VRV_ASSERT(vrv_heal_begin(&h, &e) == 0);
    read_root(version(), &m);
    int64_t from = m.next;
    OK(from == end - 20, "what came last isn't in the store");
    IS(vrv_parts_lose(&h.parts, &id, from, end, &e), 0, "... and is given up");
    vrv_heal_end(&h);
    IS(vrv_log_drop_local(rig_log(&rig, "t", 0), end, NULL, &e), 0, "... and leaves this disk");
    rig_commit(&rig);
    vrv_manifest_fini(&m);
    return from;
}

static void
test_given_up(void)
{
    int64_t from = give_up(), to = offsets("t", 0).end;

    damage_newest();
    goes_on(from, to);
    finish();
}

/* A root has passed over that, and is the one that is damaged. */
static void
test_bridged(void)
{
    int64_t from = give_up(), to = offsets("t", 0).end;
    uint64_t before = version();
    struct vrv_manifest m;

    down();
    up(3);
    put("t", 0, 1);
    seal();
    pass(20000);
    read_newest(&m);
    OK(m.version == before + 1 && m.next == to + 2, "a root that passes over what was given up");
    vrv_manifest_fini(&m);
    down();
    up(4);
    flip_root(before + 1);
    goes_on(from, to);
    finish();
}

/* Its files are still there. */
static void
test_on_its_way_out(void)
{
    make(1);
    down();
    up(2);
    IS(vrv_log_drop_local(rig_log(&rig, "t", 0), newest_cold(), NULL, &e), 0, "what the store has leaves this disk");
    rig_commit(&rig);
    for (uint64_t v = newest_root(); v > 0; v--)
        delete_root(v);
    IS(heal_root(3), VRV_E_CORRUPT, "without any root that is lost, and not begun anew: %s", e.msg);
    finish();
}

/* ---- what is in the way ---- */

static void
test_in_the_way(void)
{
    struct vrv_manifest m;

    make(1);
    down();
    up(2);
    read_root(version(), &m);
    for (uint64_t v = 1; v <= 20; v++)
        leave_little(&m, m.version + v);
    delete(m.seg[0].key);
    IS(heal(3, m.seg[0].key, m.seg[0].base), VRV_E_AGAIN, "what is still named, and lost, isn't told to be nobody's: %s",
        e.msg);
    IS(heal(4, m.seg[0].key, m.seg[0].base), 0, "... and is healed when nothing is in the way any more %s", e.msg);
    IS(heal(5, m.seg[0].key, m.seg[0].base), VRV_E_CONFLICT, "... then nothing names it: %s", e.msg);
    vrv_manifest_fini(&m);
    finish();
}

/* A crash lay between a root and its head, and its newest object is lost, which what counts doesn't name. */
static void
test_named_above(void)
{
    char key[VRV_STORE_KEY_MAX + 1];
    struct vrv_manifest m;
    size_t n;

    make(1);
    down();
    up(2);
    read_root(version(), &m);
    struct vrv_cold_seg *s = &m.seg[m.seg_n - 1];
    new_key(s->base, key);
    free(s->key);
    s->key = vrv_mem_strdup(key);
    leave_root(&m, m.version + 1);
    IS(heal(3, key, s->base), 0, "what only a root names that a crash has left is healed %s", e.msg);
    IS(heal(4, key, s->base), VRV_E_CONFLICT, "... then nothing names it: %s", e.msg);
    vrv_manifest_fini(&m);
    read_newest(&m);
    s = &m.seg[m.seg_n - 1];
    OK(fakestore_object(fake, s->key, &n) != NULL && n == s->size, "... but an object that is there");
    vrv_manifest_fini(&m);
    finish();
}

int
main(void)
{
    test_older_segment();
    test_older_root();
    test_cut();
    test_cut_and_lost();
    test_not_cut();
    test_undeleted();
    test_given_up();
    test_bridged();
    test_on_its_way_out();
    test_in_the_way();
    test_named_above();
    return tap_done();
}
