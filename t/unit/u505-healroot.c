/*
 * A damaged root, and what may not count in its place: what another life of this disk wrote, and what leaves a hole; and
 * roots that crashes have left, which are in the way.
 */
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/healrig.h"
#include "t/lib/tap.h"
#include "tiering/scrub/heal.h"

static const int64_t YEAR_MS = 365 * INT64_C(86400000);

/* ---- another life ---- */

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
    test_undeleted();
    test_given_up();
    test_bridged();
    test_on_its_way_out();
    test_in_the_way();
    test_named_above();
    return tap_done();
}
