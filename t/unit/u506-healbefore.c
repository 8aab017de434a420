/*
 * What counts in the place of a damaged root: the newest before it that wasn't passed over and lacks nothing; without what was
 * deleted since, with what was healed since, and nothing of other records.  And that root is kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/healrig.h"
#include "t/lib/tap.h"
#include "tiering/scrub/heal.h"

/* ---- which one ---- */

/* Of the store's roots the newest that can be read was passed over, and those above it were damaged on their way. */
static void
test_passed_over(void)
{
    char prefix[VRV_STORE_KEY_MAX + 1];
    struct vrv_manifest m, now;

    make(1);
    down();
    up(2);
    IS(heal_root(3), 0, "a root like the one before %s", e.msg);
    read_root(version(), &m);
    leave_little(&m, m.version + 1);
    vrv_parts_prefix(&id, 'm', prefix);
    fakestore_damage(fake, prefix);
    OK(heal_root(4) < 0 && version() == m.version, "none of those above counts: %s", e.msg);
    fakestore_damage(fake, NULL);
    flip_root(m.version);
    IS(heal_root(5), 0, "... nor when it is damaged %s", e.msg);
    read_newest(&now);
    OK(now.next == m.next && now.before == m.before, "... but the one before, version %d", (int)now.before);
    vrv_manifest_fini(&m);
    vrv_manifest_fini(&now);
    finish();
}

/* The one before the damaged one names what is gone, from this disk, too. */
static void
test_one_that_lacks(void)
{
    char was[VRV_STORE_KEY_MAX + 1], is[VRV_STORE_KEY_MAX + 1];
    struct vrv_manifest m;

    make(1);
    seal();
    pass(20000);
    down();
    up(2);
    uint64_t counts = version();
    first_key(counts, was);
    IS(heal(3, was, 0), 0, "an object has a younger one in its place %s", e.msg);
    let_go();
    first_key(version(), is);
    damage_newest();
    delete(is);
    IS(heal_root(5), 0, "a root that lacks something gives way to the one before %s", e.msg);
    read_newest(&m);
    OK(m.before == counts, "... version %d", (int)m.before);
    vrv_manifest_fini(&m);
    down();
    up(6);
    IS(read_all("t", 0), offsets("t", 0).end, "... and all can be read");
    finish();
}

/* DeleteRecords came after the root that counts again, and what it deleted has left the store. */
static void
test_deleted(void)
{
    char gone[VRV_STORE_KEY_MAX + 1];
    struct vrv_manifest m;

    make(1);
    seal();
    pass(20000);
    down();
    up(2);
    first_key(version(), gone);
    read_root(version(), &m);
    int64_t start = m.page[0].next;
    vrv_manifest_fini(&m);
    damage_newest();
    IS(vrv_log_set_start(rig_log(&rig, "t", 0), start + 1, NULL, &e), 0, "records are deleted");
    rig_commit(&rig);
    delete(gone);
    IS(heal_root(5), 0, "a root counts again that named them %s", e.msg);
    read_newest(&m);
    OK(m.seg_n > 0 && m.start == start + 1 && vrv_manifest_base(&m) == start, "... but no more");
    vrv_manifest_fini(&m);
    finish();
}

/* Its commit fails, and a segment of this disk that it names is damaged, too. */
static void
test_one_that_never_counts(void)
{
    struct vrv_heal h = { .s = &sync_, .random = 3 };
    struct vrv_heal_here here;
    char path[VRV_PATH_MAX];

    make(1);
    down();
    up(2);
    flip_root(newest_root());
    vrv_seg_path(&id, 0, "log", path);
    VRV_ASSERT(simdisk_corrupt(rig.disk, path, 100, 1));
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_DENIED, 100);
    h.eng = rig.eng;
    VRV_ASSERT(vrv_heal_begin(&h, &e) == 0);
    OK(vrv_heal_root(&h, &id, &e) < 0, "a root that is to take a damaged one's place can't be written: %s", e.msg);
    OK(vrv_heal_here(&h, &id, &here, &e) < 0 && here.from == here.to, "... nothing leaves this disk for what it names: %s", e.msg);
    IS(offsets("t", 0).local_start, 0, "... it begins where it did");
    fakestore_heal(fake);
    IS(vrv_heal_root(&h, &id, &e), 0, "... until it can %s", e.msg);
    OK(vrv_heal_here(&h, &id, &here, &e) == 0 && here.damaged == 1 && offsets("t", 0).local_start == here.to,
        "... then what is damaged does %s", e.msg);
    vrv_heal_end(&h);
    finish();
}

/* ---- what was healed ---- */

/* Two segments are damaged and healed, then leave this disk, and perhaps the damaged ones the store; then the root that
 * names what the second one is now is lost. */
static void
test_healed_before(bool page_last, bool swept)
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
    vrv_cold_segs_free(v, m.page[1].segments);
    vrv_manifest_fini(&m);
    let_go();
    for (int i = 0; i < 2 && swept; i++)
        delete(seg[i].key);
    flip_root(newest_root());
    IS(heal_root(5), 0, "a root counts again that names what %s in %s %s", swept ? "is gone" : "was damaged",
        page_last ? "a page" : "itself", e.msg);
    down();
    up(6);
    pass(60000);
    IS(read_all("t", 0), offsets("t", 0).end, "... but what was healed has its place, and all can be read");
    finish();
}

/* What is damaged has a younger object at its offset, as long and as old, that another life wrote. */
static void
test_other_records(bool here)
{
    char was[VRV_STORE_KEY_MAX + 1], is[VRV_STORE_KEY_MAX + 1];
    size_t n, other_n;

    value_ahead = 1;
    make(1);
    first_key(newest_root(), was);
    const uint8_t *p = fakestore_object(fake, was, &other_n);
    uint8_t *other = vrv_mem_zero(other_n);
    memcpy(other, p, other_n);
    finish();

    value_ahead = 0;
    make(1);
    seal();
    pass(20000);
    down();
    up(2);
    first_key(version(), was);
    OK((p = fakestore_object(fake, was, &n)) != NULL && n == other_n && memcmp(p, other, VRV_OBJECT_HEADER) == 0 &&
        memcmp(p, other, n) != 0, "another life has other records at the same offsets");
    if (!here)
        let_go();
    flip(was);
    new_key(0, is);
    VRV_ASSERT(vrv_sync_put(&sync_, is, other, other_n, true, &e) == 0);
    damage_newest();
    IS(heal_root(5), 0, "a root counts again that names what is damaged %s", e.msg);
    first_key(newest_root(), is);
    OK(strcmp(is, was) == 0, "... and not what is of other records than %s", here ? "this disk's" : "the damaged one's");
    free(other);
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
    let_go();
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
    test_passed_over();
    test_one_that_lacks();
    test_deleted();
    test_one_that_never_counts();
    for (int swept = 0; swept < 2; swept++) {
        test_healed_before(false, swept);
        test_healed_before(true, swept);
    }
    test_other_records(true);
    test_other_records(false);
    test_before_stays();
    return tap_done();
}
