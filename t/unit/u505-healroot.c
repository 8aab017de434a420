/*
 * A damaged root, and what may count in its place: nothing that another life of this disk wrote, nothing that leaves a
 * hole; and where what was there before it is kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "tiering/restore/find.h"
#include "tiering/scrub/heal.h"

#define BOTH "segment.bytes=1000 retention.ms=-1 remote.storage.enable=true"

enum { CALL_MS = 10000 };

static const int64_t YEAR_MS = 365 * INT64_C(86400000);

static struct vrv_sync sync_;
static struct vrv_log_id id; /* of "t", partition 0 */
static struct vrv_err e;

/* ---- the world ---- */

static void
make(uint64_t seed)
{
    begin(seed);
    rig_topic(&rig, "t", 1, BOTH);
    id = rig_log(&rig, "t", 0)->id;
    for (int i = 0; i < 30; i += 5) {
        put("t", 0, 5);
        pass(3000);
    }
    pass(10000);
    vrv_sync_init(&sync_, fakestore_store(fake), &rig.clock.clock, 7, CALL_MS);
}

static void
seal(void)
{
    vrv_log_roll(rig_log(&rig, "t", 0));
    OK(rig_checkpoint(&rig) && rig_checkpoint(&rig), "all is sealed");
}

static void
finish(void)
{
    vrv_sync_fini(&sync_);
    end();
    sweep_every_ms = 10000;
}

static void
delete(const char *key)
{
    struct vrv_store_call c = { .op = VRV_STORE_DELETE, .lane = VRV_STORE_HOUSEKEEPING, .keys = &key,
        .max = 1 };

    VRV_ASSERT(vrv_sync_call(&sync_, &c) == 0);
}

static uint64_t
newest_root(void)
{
    struct vrv_found_versions l;

    VRV_ASSERT(vrv_find_versions(&sync_, &id, 0, &l, &e) == 0 && l.n > 0);
    uint64_t n = l.v[l.n - 1];
    vrv_found_versions_fini(&l);
    return n;
}

static void
delete_root(uint64_t version)
{
    char key[VRV_STORE_KEY_MAX + 1];

    vrv_parts_root_key(&id, version, key);
    delete(key);
}

static void
flip(const char *key)
{
    size_t n;
    const uint8_t *p = fakestore_object(fake, key, &n);

    VRV_ASSERT(p != NULL);
    ((uint8_t *)(uintptr_t)p)[n / 2] ^= 1;
}

static bool
has_root(uint64_t version)
{
    char key[VRV_STORE_KEY_MAX + 1];
    size_t n;

    vrv_parts_root_key(&id, version, key);
    return fakestore_object(fake, key, &n) != NULL;
}

static void
flip_root(uint64_t version)
{
    char key[VRV_STORE_KEY_MAX + 1];

    vrv_parts_root_key(&id, version, key);
    flip(key);
}

static int
heal_root(uint64_t random)
{
    struct vrv_heal h = { .s = &sync_, .eng = rig.eng, .random = random };

    VRV_ASSERT(vrv_heal_begin(&h, &e) == 0);
    int rc = vrv_heal_root(&h, &id, &e);
    vrv_heal_end(&h);
    return rc;
}

static int
heal(uint64_t random, const char *key, int64_t base)
{
    struct vrv_heal h = { .s = &sync_, .eng = rig.eng, .random = random };
    uint64_t bytes;

    VRV_ASSERT(vrv_heal_begin(&h, &e) == 0);
    int rc = vrv_heal_segment(&h, &id, key, base, &bytes, &e);
    vrv_heal_end(&h);
    return rc;
}

/* What the catalog says that counts. */
static uint64_t
version(void)
{
    struct vrv_heal h = { .s = &sync_, .eng = rig.eng };
    uint64_t v;

    VRV_ASSERT(vrv_heal_begin(&h, &e) == 0);
    VRV_ASSERT(vrv_parts_version(&h.parts, &id, &v, &e) == 0);
    vrv_heal_end(&h);
    return v;
}

static void
read_root(uint64_t v, struct vrv_manifest *m)
{
    VRV_ASSERT(vrv_find_root(&sync_, &id, v, m, &e) == 0);
}

/* Where its last segment begins. */
static int64_t
newest_cold(void)
{
    struct vrv_manifest m;

    read_root(newest_root(), &m);
    int64_t base = m.seg[m.seg_n - 1].base;
    vrv_manifest_fini(&m);
    return base;
}

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
    simdisk_free(&rig.disk);
    rig.disk = copy;
    rig.o.vfs = simdisk_vfs(copy);
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

/* The newest root is damaged, and the one before names as much. */
static void
damage_newest(void)
{
    IS(heal_root(11), 0, "a root like the one before %s", e.msg);
    flip_root(newest_root());
}

static void
goes_on(int64_t from, int64_t to)
{
    IS(heal_root(12), 0, "... which takes its place when it is damaged: nothing is missing %s", e.msg);
    down();
    up(13);
    lost(from, to);
    put("t", 0, 10);
    seal();
    IS(rig_alter(&rig, "t", "local.retention.bytes=1"), 0, "... its server goes on");
    pass(30000);
    int64_t end = offsets("t", 0).end;
    OK(end == to + 20 && offsets("t", 0).local_start > to, "... also into the store");
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

/* The disk was full, and the store didn't take what came. */
static void
test_given_up(void)
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
    OK(m.next == end - 20, "what came last isn't in the store");
    IS(vrv_parts_lose(&h.parts, &id, m.next, end, &e), 0, "... and is given up");
    vrv_heal_end(&h);
    IS(vrv_log_drop_local(rig_log(&rig, "t", 0), end, NULL, &e), 0, "... and leaves this disk");
    rig_commit(&rig);
    damage_newest();
    goes_on(m.next, end);
    vrv_manifest_fini(&m);
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

/* A root that a crash has left, and that names too little to count. */
static void
leave_root(const struct vrv_manifest *counts, uint64_t version)
{
    char key[VRV_STORE_KEY_MAX + 1];
    struct vrv_manifest m;
    size_t n;

    vrv_manifest_copy(&m, counts);
    vrv_cold_seg_fini(&m.seg[--m.seg_n]);
    m.next = m.seg[m.seg_n - 1].next;
    m.version = version;
    uint8_t *bytes = vrv_manifest_write(&m, &n);
    vrv_parts_root_key(&id, version, key);
    VRV_ASSERT(vrv_sync_put(&sync_, key, bytes, n, true, &e) == 0);
    free(bytes);
    vrv_manifest_fini(&m);
}

static void
test_in_the_way(void)
{
    struct vrv_manifest m;

    make(1);
    down();
    up(2);
    read_root(version(), &m);
    leave_root(&m, m.version + 1);
    leave_root(&m, m.version + 2);
    delete(m.seg[0].key);
    IS(heal(3, m.seg[0].key, m.seg[0].base), VRV_E_AGAIN, "what is still named, and lost, isn't told to be nobody's: %s",
        e.msg);
    IS(heal(4, m.seg[0].key, m.seg[0].base), 0, "... and is healed when nothing is in the way any more %s", e.msg);
    IS(heal(5, m.seg[0].key, m.seg[0].base), VRV_E_CONFLICT, "... then nothing names it: %s", e.msg);
    vrv_manifest_fini(&m);
    finish();
}

/* ---- what was healed ---- */

/* Two segments are damaged and healed, then leave this disk; then the root that names what the second one is now is lost. */
static void
test_healed_before(bool page_last)
{
    struct { char key[VRV_STORE_KEY_MAX + 1]; int64_t base; } seg[2];
    struct vrv_manifest m;
    struct vrv_cold_seg *v;

    make(1);
    put("t", 0, 30);
    seal();
    pass(20000);
    down();
    up(2);
    read_root(version(), &m);
    VRV_ASSERT(m.page_n > 1 && m.seg_n > 0 && vrv_find_page(&sync_, &m, &m.page[1], &v, &e) == 0);
    for (int i = 0; i < 2; i++) {
        const struct vrv_cold_seg *s = (i == 1) == page_last ? &v[0] : &m.seg[0];

        (void)snprintf(seg[i].key, sizeof(seg[i].key), "%s", s->key);
        seg[i].base = s->base;
        flip(s->key);
        IS(heal((uint64_t)i + 3, seg[i].key, seg[i].base), 0, "a damaged segment is healed %s", e.msg);
    }
    vrv_found_page_fini(v, &m.page[1]);
    vrv_manifest_fini(&m);
    IS(vrv_log_drop_local(rig_log(&rig, "t", 0), newest_cold(), NULL, &e), 0, "what the store has leaves this disk");
    rig_commit(&rig);
    flip_root(newest_root());
    IS(heal_root(5), 0, "a root counts again that names what was damaged in %s %s", page_last ? "a page" : "itself", e.msg);
    down();
    up(6);
    pass(60000);
    IS(read_all("t", 0), offsets("t", 0).end, "... but what was healed has its place, and all can be read");
    finish();
}

/* ---- what stays ---- */

/* The newest root is damaged twice, with a sweep in between; this disk hasn't got what it names. */
static void
test_before_stays(void)
{
    make(1);
    seal();
    pass(20000);
    IS(vrv_log_drop_local(rig_log(&rig, "t", 0), newest_cold(), NULL, &e), 0, "what the store has leaves this disk");
    rig_commit(&rig);
    down();
    up(2);
    damage_newest();
    uint64_t damaged = newest_root();
    IS(heal_root(3), 0, "the one before it takes its place %s", e.msg);
    down();
    up(4);
    pass(60000);
    OK(!has_root(damaged) && has_root(damaged - 1), "the sweep takes the damaged one, and leaves the one before");
    flip_root(newest_root());
    down();
    up(5);
    IS(heal_root(6), 0, "... which takes its place again when that is needed %s", e.msg);
    IS(read_all("t", 0), offsets("t", 0).end, "... and all can be read");
    finish();
}

int
main(void)
{
    test_older_segment();
    test_older_root();
    test_undeleted();
    test_given_up();
    test_on_its_way_out();
    test_in_the_way();
    test_healed_before(false);
    test_healed_before(true);
    test_before_stays();
    return tap_done();
}
