/*
 * What a store has lost and this disk still has goes there again; power may fail at any moment of it, and
 * nothing is lost by that, nor named that isn't there.
 */
#include "tiering/scrub/heal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "tiering/restore/find.h"
#include "tiering/scrub/scrub.h"

#define BOTH "segment.bytes=1000 retention.ms=-1 remote.storage.enable=true varve.tier.compression.zstd.level=1"

enum { CALL_MS = 10000 };

static struct vrv_sync sync_;
static struct vrv_log_id id; /* of "t", partition 0 */
static struct vrv_err e;

/* Two of its segments: one in a page, and one that the root has. */
static struct {
    char key[VRV_STORE_KEY_MAX + 1];
    int64_t base;
} seg[2];

static void
note(int i, const struct vrv_cold_seg *s)
{
    (void)snprintf(seg[i].key, sizeof(seg[i].key), "%s", s->key);
    seg[i].base = s->base;
}

static void
find_segments(void)
{
    struct vrv_cold_seg *v;
    struct vrv_found f;
    int rc = vrv_find_partition(&sync_, &id, NULL, &f, &e);

    VRV_ASSERT(rc == 0 && f.m.page_n > 1 && f.m.seg_n > 1);
    rc = vrv_find_page(&sync_, &f.m, &f.m.page[1], &v, &e);
    VRV_ASSERT(rc == 0);
    note(0, &v[0]); /* what is before it lies in another page */
    vrv_cold_segs_free(v, f.m.page[1].segments);
    note(1, &f.m.seg[1]);
    vrv_found_fini(&f);
}

/* A partition that is in both tiers; its server has stopped, and nobody steps the one that is up. */
static void
make(uint64_t seed)
{
    begin(seed);
    rig_topic(&rig, "t", 1, BOTH);
    id = rig_log(&rig, "t", 0)->id;
    for (int i = 0; i < 60; i += 5) {
        put("t", 0, 5);
        pass(3000);
    }
    pass(10000);
    vrv_sync_init(&sync_, fakestore_store(fake), &rig.clock.clock, 7, CALL_MS);
    find_segments();
    down();
    up(seed + 1);
}

static void
finish(void)
{
    vrv_sync_fini(&sync_);
    end();
}

static void
delete(const char *key)
{
    struct vrv_store_call c = { .op = VRV_STORE_DELETE, .lane = VRV_STORE_HOUSEKEEPING, .keys = &key,
        .max = 1 };

    VRV_ASSERT(vrv_sync_call(&sync_, &c) == 0);
}

static int
heal(uint64_t random, int i)
{
    struct vrv_heal h = { .s = &sync_, .eng = rig.eng, .random = random };
    uint64_t bytes;
    int rc = vrv_heal_begin(&h, &e);

    if (rc < 0)
        return rc;
    rc = vrv_heal_segment(&h, &id, seg[i].key, seg[i].base, &bytes, &e);
    vrv_heal_end(&h);
    return rc;
}

static void
print(void *ctx, const struct vrv_finding *x)
{
    (void)ctx;
    tap_note("%s: %s", vrv_scrub_kind_name(x->kind), x->text);
}

static bool
is_well(void)
{
    const struct vrv_scrub_opts o = { .store = fakestore_store(fake), .clock = &rig.clock.clock, .random = 5,
        .call_ms = CALL_MS, .full = true, .bytes_per_second = INT64_MAX, .grace_ms = 1000000000000,
        .threads = 1, .tell = print };
    struct vrv_scrubbed sums;
    uint64_t found = 0;
    int rc = vrv_scrub(&o, &sums, &e);

    for (int i = 0; i < VRV_SCRUB_KINDS; i++)
        found += sums.found[i];
    return rc == 0 && found == 0;
}

/* The second segment of the root. */
static bool
is_packed(void)
{
    struct vrv_found f;
    int rc = vrv_find_partition(&sync_, &id, NULL, &f, &e);

    VRV_ASSERT(rc == 0 && f.m.seg_n > 1);
    bool packed = f.m.seg[1].chunk[0].codec == VRV_CHUNK_ZSTD;
    vrv_found_fini(&f);
    return packed;
}

static void
test_heals(void)
{
    make(1);
    delete(seg[0].key);
    delete(seg[1].key);
    OK(!is_well(), "two segments are lost");
    IS(heal(3, 0), 0, "one in a page comes back %s", e.msg);
    IS(heal(4, 1), 0, "and one of the root %s", e.msg);
    OK(is_well(), "then the store is whole");
    OK(is_packed(), "... and what was written again is packed, as the topic asks");
    IS(heal(5, 0), VRV_E_CONFLICT, "what is healed is left alone: %s", e.msg);
    IS(rig_alter(&rig, "t", "local.retention.bytes=1"), 0, "nearly all leaves the disk");
    pass(20000);
    OK(offsets("t", 0).local_start > seg[1].base, "... and is only there");
    IS(read_all("t", 0), 120, "all can be read from there");
    IS(heal(6, 1), VRV_E_CONFLICT, "still that name is nobody's");
    find_segments();
    delete(seg[0].key);
    IS(heal(7, 0), VRV_E_NOTFOUND, "what neither has is lost: %s", e.msg);
    finish();
}

/* Whatever it is that the store refuses. */
static void
test_refusals(void)
{
    static const enum vrv_store_op ops[] = { VRV_STORE_PUT, VRV_STORE_VERIFY, VRV_STORE_GET, VRV_STORE_LIST };

    for (uint64_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        make(i + 1);
        delete(seg[0].key);
        fakestore_fault(fake, ops[i], FAKE_DENIED, 100);
        OK(heal(i + 2, 0) < 0, "a store that refuses: %s", e.msg);
        fakestore_heal(fake);
        IS(heal(i + 3, 0), 0, "... and later doesn't");
        OK(is_well(), "... then it is whole");
        finish();
    }
}

/* On a bad line nothing is healed, or it is whole: what is written is read back. */
static void
test_bad_line(void)
{
    unsigned refused = 0;

    for (uint64_t seed = 1; seed <= 10; seed++) {
        make(seed);
        delete(seg[0].key);
        fakestore_fault(fake, VRV_STORE_PUT, FAKE_FLIPPED, 50);
        for (uint64_t i = 1; heal(seed + i, 0) != 0 && i < 100; i++)
            refused++;
        if (!is_well())
            OK(false, "seed %d: what was healed is damaged", (int)seed);
        finish();
    }
    OK(refused > 0, "%u times something was damaged on its way, and it was done again", refused);
}

/* Power fails at the n-th operation on the disk, until none is left to fail at. */
static void
test_power_cuts(void)
{
    unsigned cut = 0, whole = 0, at;

    for (at = 1; whole < 3 && at < 1000; at++) {
        make(at);
        delete(seg[0].key);
        delete(seg[1].key);
        simdisk_crash_at(rig.disk, at);
        int rc = heal(at + 1, 0);
        rc = rc == 0 ? heal(at + 2, 1) : rc;
        whole += rc == 0;
        cut += rc < 0;
        crash(at);
        up(at + 3);
        for (int i = 0; i < 2; i++)
            if ((rc = heal(at + 4, i)) < 0 && rc != VRV_E_CONFLICT)
                OK(false, "%u, segment %d: %d %s", at, i, rc, e.msg);
        if (!is_well())
            OK(false, "%u: the store isn't what it should be %s", at, e.msg);
        pass(20000);
        if (read_all("t", 0) != 120)
            OK(false, "%u: not all can be read", at);
        finish();
    }
    OK(cut > 3 && whole == 3, "power failed at %u moments: each time all was healed in the end", cut);
}

/* However many partitions there are, where the chunks of one lie is held, and no more. */
static void
test_bound(void)
{
    enum { PARTS = 3 };
    struct vrv_found f[PARTS];
    uint64_t healed;
    int bad = 0;

    begin(1);
    rig_topic(&rig, "t", PARTS, BOTH);
    for (int i = 0; i < 20 * PARTS; i++)
        put("t", i % PARTS, 1);
    pass(70000);
    vrv_sync_init(&sync_, fakestore_store(fake), &rig.clock.clock, 7, CALL_MS);
    for (int i = 0; i < PARTS; i++) {
        int rc = vrv_find_partition(&sync_, &rig_log(&rig, "t", i)->id, NULL, &f[i], &e);
        VRV_ASSERT(rc == 0 && f[i].m.seg_n > 2);
        delete(f[i].m.seg[0].key);
        delete(f[i].m.seg[1].key);
    }
    size_t one = vrv_manifest_index_bytes(&f[0].m), most = 0, now;
    down();
    up(2);
    struct vrv_heal h = { .s = &sync_, .eng = rig.eng, .random = 3, .index_bytes = 1 };
    VRV_ASSERT(vrv_heal_begin(&h, &e) == 0);
    for (int i = 0; i < 2 * PARTS; i++) { /* each partition twice, with others in between */
        const struct vrv_log_id part = rig_log(&rig, "t", i % PARTS)->id;
        const struct vrv_cold_seg *s = &f[i % PARTS].m.seg[i / PARTS];

        if (vrv_heal_segment(&h, &part, s->key, s->base, &healed, &e) != 0)
            OK(false, "partition %d: %s", i % PARTS, e.msg);
        (void)vrv_parts_bytes(&h.parts, &now);
        most = now > most ? now : most;
    }
    for (int i = 0; i < PARTS; i++) {
        struct vrv_heal_here out;
        const struct vrv_log_id part = rig_log(&rig, "t", i)->id;
        bad += vrv_heal_here(&h, &part, &out, &e) != 0 || out.damaged > 0;
        (void)vrv_parts_bytes(&h.parts, &now);
        most = now > most ? now : most;
        vrv_found_fini(&f[i]);
    }
    vrv_heal_end(&h);
    OK(bad == 0 && is_well(), "%d partitions are healed", PARTS);
    OK(most > 0 && most < 2 * one, "... with where the chunks of one of them lie in memory: %zu of %zu bytes", most,
        PARTS * one);
    finish();
}

/* ---- roots ---- */

static void
root_key(uint64_t version, char *out)
{
    vrv_parts_root_key(&id, version, out);
}

static uint64_t
newest_root(void)
{
    struct vrv_found_versions l;

    VRV_ASSERT(vrv_find_versions(&sync_, &id, 0, &l, &e) == 0 && l.n > 1);
    uint64_t n = l.v[l.n - 1];
    vrv_found_versions_fini(&l);
    return n;
}

static void
flip_root(uint64_t version)
{
    char key[VRV_STORE_KEY_MAX + 1];
    size_t n;

    root_key(version, key);
    const uint8_t *p = fakestore_object(fake, key, &n);
    VRV_ASSERT(p != NULL);
    ((uint8_t *)(uintptr_t)p)[n / 2] ^= 1;
}

static int
heal_root(uint64_t random)
{
    struct vrv_heal h = { .s = &sync_, .eng = rig.eng, .random = random };
    int rc = vrv_heal_begin(&h, &e);

    if (rc < 0)
        return rc;
    rc = vrv_heal_root(&h, &id, &e);
    vrv_heal_end(&h);
    return rc;
}

/* The server goes on from there: it moves again what only the damaged root named, and all is read from the store. */
static void
goes_on(const char *what)
{
    OK(is_well(), "%s: the store is whole", what);
    pass(70000);
    put("t", 0, 10);
    pass(70000);
    OK(is_well(), "... also when its server has gone on");
    IS(rig_alter(&rig, "t", "local.retention.bytes=1"), 0, "... nearly all leaves the disk");
    pass(20000);
    OK(offsets("t", 0).local_start > 100, "... and is only there");
    IS(read_all("t", 0), 140, "all can be read from there");
}

static void
test_roots(void)
{
    char key[VRV_STORE_KEY_MAX + 1];

    make(1);
    flip_root(newest_root());
    IS(heal(3, 0), VRV_E_CORRUPT, "by a root that is damaged no segment is found: %s", e.msg);
    OK(!is_well(), "... which is told");
    IS(heal_root(4), 0, "with the one before it is healed %s", e.msg);
    goes_on("a damaged root");
    finish();

    make(2);
    root_key(newest_root(), key);
    delete(key);
    fakestore_fault(fake, VRV_STORE_GET, FAKE_DENIED, 100);
    OK(heal_root(3) < 0, "as long as the store refuses nobody knows: %s", e.msg);
    fakestore_heal(fake);
    IS(heal_root(4), 0, "a root that is lost is healed likewise %s", e.msg);
    goes_on("a lost root");
    finish();

    make(3);
    for (uint64_t v = newest_root(); v > 0; v--) {
        root_key(v, key);
        delete(key);
    }
    IS(heal_root(4), 0, "without any root all goes to the store once more, where this disk has it %s", e.msg);
    goes_on("no root at all");
    finish();

    make(4);
    delete(seg[0].key);
    IS(heal(5, 0), 0, "something is healed %s", e.msg);
    flip_root(newest_root()); /* the one before names what is gone */
    IS(heal_root(6), 0, "no root of which all is there, but this disk: %s", e.msg);
    goes_on("one that is healed twice");
    finish();

    for (uint64_t roots = 1; roots <= 2; roots++) {
        make(4 + roots);
        IS(rig_alter(&rig, "t", "local.retention.bytes=1"), 0, "a disk that has little more than the open segment");
        put("t", 0, 10);
        pass(70000);
        down();
        up(5);
        for (uint64_t i = 0, newest = newest_root(); i < roots; i++)
            flip_root(newest - i);
        IS(heal_root(6), VRV_E_CORRUPT, "... nothing is made that would be a hole: %s", e.msg);
        finish();
    }
}

/* Power fails at the n-th operation on the disk, and what is written to the store is damaged on its way now and then. */
static void
test_root_again(void)
{
    unsigned cut = 0, whole = 0, at;

    for (at = 1; whole < 3 && at < 100; at++) {
        make(at);
        flip_root(newest_root());
        fakestore_fault(fake, VRV_STORE_PUT, FAKE_FLIPPED, 20);
        simdisk_crash_at(rig.disk, at);
        int rc = heal_root(at + 1);
        whole += rc == 0;
        cut += rc < 0;
        crash(at);
        fakestore_heal(fake);
        up(at + 3);
        if (heal_root(at + 4) != 0 || !is_well())
            OK(false, "%u: the root isn't healed: %s", at, e.msg);
        pass(20000);
        if (read_all("t", 0) != 120 || !is_well())
            OK(false, "%u: not all can be read", at);
        finish();
    }
    OK(cut > 1 && whole == 3, "power failed at %u moments: each time the root was healed in the end", cut);
}

/* ---- this disk */

/* In the first batch of it, behind its header. */
static void
damage_here(int64_t base)
{
    char path[VRV_PATH_MAX];

    vrv_seg_path(&id, base, "log", path);
    VRV_ASSERT(simdisk_corrupt(rig.disk, path, 100, 1));
}

static uint64_t checked; /* segments, as who shows how far it is was told */

static void
note_checked(void *ctx)
{
    (*(uint64_t *)ctx)++;
}

static int
heal_here(uint64_t random, struct vrv_heal_here *out)
{
    struct vrv_heal h = { .s = &sync_, .eng = rig.eng, .random = random, .checked = note_checked, .ctx = &checked };
    int rc = vrv_heal_begin(&h, &e);

    checked = 0;

    if (rc < 0)
        return rc;
    rc = vrv_heal_here(&h, &id, out, &e);
    vrv_heal_end(&h);
    return rc;
}

static void
test_here(void)
{
    struct vrv_heal_here h;

    make(1);
    IS(heal_here(3, &h), 0, "this disk is looked at %s", e.msg);
    OK(h.segments > 8 && h.damaged == 0 && h.from == h.to, "... and well");
    IS(checked, h.segments, "... told segment by segment");
    damage_here(seg[0].base);
    IS(heal_here(4, &h), 0, "a segment is damaged %s", e.msg);
    OK(h.damaged == 1 && h.from == 0 && h.to > seg[0].base, "... it leaves the disk, with all before it");
    IS(offsets("t", 0).local_start, h.to, "... which is so from then on");
    IS(heal_here(5, &h), 0, "... once %s", e.msg);
    OK(h.damaged == 0 && h.from == h.to, "... then all is well");
    pass(20000);
    IS(read_all("t", 0), 120, "all can be read");
    finish();

    make(2);
    damage_here(seg[0].base);
    delete(seg[1].key);
    IS(heal_here(3, &h), 0, "what the store lacks behind it is in nobody's way %s", e.msg);
    finish();
    make(3);
    damage_here(seg[1].base);
    delete(seg[0].key);
    IS(heal_here(3, &h), VRV_E_CORRUPT, "before it, it is: %s", e.msg);
    IS(offsets("t", 0).local_start, 0, "... nothing leaves this disk");
    IS(heal(4, 0), 0, "... until that is in the store again %s", e.msg);
    IS(heal_here(5, &h), 0, "... then it does %s", e.msg);
    finish();

    make(4);
    put("t", 0, 10);
    (void)rig_checkpoint(&rig);
    (void)rig_checkpoint(&rig);
    uint32_t n;
    struct vrv_log_seg *v = vrv_log_segs(rig_log(&rig, "t", 0), &n);
    uint32_t newest = n;
    while (newest > 0 && !v[newest - 1].sealed)
        newest--;
    damage_here(v[newest - 1].base);
    free(v);
    IS(heal_here(3, &h), VRV_E_CORRUPT, "what only this disk has is lost: %s", e.msg);
    OK(h.damaged == 1 && h.from == h.to, "... and nothing leaves it");
    finish();
}

int
main(void)
{
    test_heals();
    test_refusals();
    test_bad_line();
    test_bound();
    test_roots();
    test_root_again();
    test_power_cuts();
    test_here();
    return tap_done();
}
