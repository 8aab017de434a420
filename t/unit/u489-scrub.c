/* Is a store what its manifests say?  Each damage is found and named, and nothing else; nothing is told of a store
 * that is well, whatever its server did before, or does meanwhile, and however the store answers. */
#include "tiering/scrub/scrub.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "tiering/format/object_layout.h"
#include "tiering/restore/find.h"

#define SMALL "segment.bytes=1000 local.retention.bytes=1 remote.storage.enable=true "
#define KEPT SMALL "retention.ms=-1"

enum { CALL_MS = 10000, TOLD = 8 };

static struct vrv_sync sync_;
static struct vrv_log_id id; /* of "t", partition 0 */
static struct vrv_found f;   /* what it was before the damage */
static struct vrv_err e;

/* ---- a scrub, and what it tells ---- */

static struct {
    unsigned n;
    enum vrv_scrub_kind kind[TOLD];
    char key[TOLD][VRV_STORE_KEY_MAX + 1], topic[TOLD][VRV_TOPIC_NAME_MAX + 1], text[TOLD][256];
    int64_t from[TOLD], to[TOLD];
} told;
static struct vrv_scrubbed sums;
static struct vrv_scrub_opts opts;

static void
tell(void *ctx, const struct vrv_finding *x)
{
    (void)ctx;
    unsigned i = told.n++;
    if (i >= TOLD)
        return;
    told.kind[i] = x->kind;
    told.from[i] = x->from;
    told.to[i] = x->to;
    (void)snprintf(told.key[i], sizeof(told.key[i]), "%s", x->key != NULL ? x->key : "");
    (void)snprintf(told.topic[i], sizeof(told.topic[i]), "%s", x->topic != NULL ? x->topic : "");
    (void)snprintf(told.text[i], sizeof(told.text[i]), "%s", x->text);
}

static int
scrub(void)
{
    told.n = 0;
    opts.store = fakestore_store(fake);
    opts.random = 5;
    opts.call_ms = CALL_MS;
    opts.tell = tell;
    return vrv_scrub(&opts, &sums, &e);
}

static void
opts_default(void)
{
    opts = (struct vrv_scrub_opts){ .bytes_per_second = INT64_MAX, .grace_ms = 1000000000000, .threads = 1,
        .clock = &rig.clock.clock };
}

/* Nothing is told. */
static void
is_well(const char *when)
{
    IS(scrub(), 0, "%s: a scrub %s", when, e.msg);
    OK(told.n == 0, "... has nothing to tell%s%s: %s", told.n > 0 ? " of " : "", told.n > 0 ? told.key[0] : "",
        told.n > 0 ? told.text[0] : "");
}

/* ---- a store ---- */

/* A server whose partition has pages and segments in the store, and stands still from now on. */
static void
make_store(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, KEPT);
    id = rig_log(&rig, "t", 0)->id;
    for (int i = 0; i < 60; i += 5) {
        put("t", 0, 5);
        pass(3000);
    }
    pass(70000);
    opts_default();
    vrv_sync_init(&sync_, fakestore_store(fake), &rig.clock.clock, 7, CALL_MS);
    IS(vrv_find_partition(&sync_, &id, NULL, &f, &e), 0, "a partition is there");
    VRV_ASSERT(f.m.page_n > 1 && f.m.seg_n > 2);
}

static void
finish(void)
{
    vrv_found_fini(&f);
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

static void
store(const char *key, const void *p, size_t n)
{
    int rc = vrv_sync_put(&sync_, key, p, n, false, &e);

    VRV_ASSERT(rc == 0);
}

/* n bytes of what `from` has, one bit of it changed (flip < n), in place of key's. */
static void
replace(const char *key, const char *from, size_t n, size_t flip)
{
    size_t had;
    const uint8_t *p = fakestore_object(fake, from, &had);
    uint8_t *copy = vrv_mem_zero(had + 1);

    VRV_ASSERT(p != NULL && n <= had);
    memcpy(copy, p, had);
    if (flip < n)
        copy[flip] ^= 4;
    if (fakestore_object(fake, key, &had) != NULL)
        delete(key);
    store(key, copy, n);
    free(copy);
}

static size_t
size_of(const char *key)
{
    size_t n = 0;

    VRV_ASSERT(fakestore_object(fake, key, &n) != NULL);
    return n;
}

static void
flip(const char *key, size_t at)
{
    replace(key, key, size_of(key), at);
}

/* ---- damages: each says what is to be told of it ---- */

static const char *key; /* which object */
static char drawn[VRV_STORE_KEY_MAX + 1];
static int64_t from, to;

static void
hit_seg(unsigned n)
{
    key = f.m.seg[n].key;
    from = f.m.seg[n].base;
    to = f.m.seg[n].next;
}

static void
no_object(void)
{
    hit_seg(1);
    delete(key);
}

static void
no_object_of_page(void)
{
    struct vrv_cold_seg *seg;
    int rc = vrv_find_page(&sync_, &f.m, &f.m.page[0], &seg, &e);

    VRV_ASSERT(rc == 0);
    (void)snprintf(drawn, sizeof(drawn), "%s", seg[0].key);
    key = drawn;
    from = seg[0].base;
    to = seg[0].next;
    vrv_cold_segs_free(seg, f.m.page[0].segments);
    delete(key);
}

static void
cut_object(void)
{
    hit_seg(0);
    replace(key, key, size_of(key) - 1, SIZE_MAX);
}

static void
in_header(void)
{
    hit_seg(0);
    flip(key, VRV__H_EPOCH);
}

static void
in_chunk(void)
{
    hit_seg(2);
    flip(key, VRV_OBJECT_HEADER + 100);
}

/* Behind the chunks, before the table. */
static void
in_extras(void)
{
    const struct vrv_cold_seg *s = &f.m.seg[0];

    hit_seg(0);
    flip(key, s->chunk[s->chunk_n - 1].pos + s->chunk[s->chunk_n - 1].stored + 3);
}

static void
in_table(void)
{
    hit_seg(0);
    flip(key, size_of(key) - VRV_OBJECT_FOOTER - 10);
}

static void
in_footer(void)
{
    hit_seg(0);
    flip(key, size_of(key) - 100);
}

/* Whole, and checked by itself; but it isn't the one. */
static void
another_object(void)
{
    hit_seg(1);
    VRV_ASSERT(size_of(key) == size_of(f.m.seg[0].key));
    replace(key, f.m.seg[0].key, size_of(key), SIZE_MAX);
}

static void
hit_page(unsigned n)
{
    key = f.m.page[n].key;
    from = f.m.page[n].base;
    to = f.m.page[n].next;
}

static void
no_page(void)
{
    hit_page(1);
    delete(key);
}

static void
bad_page(void)
{
    hit_page(0);
    flip(key, 60);
}

static void
hit_root(uint64_t version)
{
    vrv_parts_root_key(&id, version, drawn);
    key = drawn;
    from = to = 0;
}

static void
bad_root(void)
{
    hit_root(f.m.version);
    flip(key, size_of(key) / 2);
}

/* The next version, with a hole in it. */
static void
root_with_hole(void)
{
    struct vrv_manifest m;
    size_t n;

    vrv_manifest_copy(&m, &f.m);
    m.version++;
    vrv_cold_seg_fini(&m.seg[1]);
    memmove(&m.seg[1], &m.seg[2], (m.seg_n - 2) * sizeof(*m.seg));
    m.seg_n--;
    uint8_t *p = vrv_manifest_write(&m, &n);
    hit_root(m.version);
    store(key, p, n);
    free(p);
    vrv_manifest_fini(&m);
}

static void
no_roots(void)
{
    for (uint64_t v = f.m.version; v > 0; v--) {
        size_t n;

        hit_root(v);
        if (fakestore_object(fake, key, &n) != NULL)
            delete(key);
    }
    key = NULL; /* the one that the marker knows */
}

static void
bad_markers(void)
{
    struct vrv_found_names l;

    VRV_ASSERT(vrv_find_names(&sync_, "marker/", &l, &e) == 0 && l.n > 0);
    for (size_t i = 0; i < l.n; i++)
        flip(l.v[i].key, 40);
    vrv_found_names_fini(&l);
    key = "";
    from = to = 0;
}

static void
foreign_name(void)
{
    vrv_parts_prefix(&id, 'd', drawn);
    (void)strcat(drawn, "notes.txt");
    key = drawn;
    from = to = 0;
    store(key, "x", 1);
}

static void
foreign_topic(void)
{
    key = "m/found";
    from = to = 0;
    store(key, "x", 1);
}

static const struct {
    const char *what;
    void (*damage)(void);
    enum vrv_scrub_kind kind;
    bool full; /* only then */
} damages[] = {
    { "a segment's object is gone", no_object, VRV_SCRUB_MISSING, false },
    { "... one that a page names", no_object_of_page, VRV_SCRUB_MISSING, false },
    { "an object was cut off", cut_object, VRV_SCRUB_SHORT, false },
    { "a bit of a header", in_header, VRV_SCRUB_DAMAGED, true },
    { "a bit of a record", in_chunk, VRV_SCRUB_DAMAGED, true },
    { "a bit of what is behind the chunks", in_extras, VRV_SCRUB_DAMAGED, true },
    { "a bit of a chunk table", in_table, VRV_SCRUB_DAMAGED, true },
    { "a bit of a footer", in_footer, VRV_SCRUB_DAMAGED, true },
    { "another segment's object", another_object, VRV_SCRUB_DAMAGED, true },
    { "a page is gone", no_page, VRV_SCRUB_MANIFEST, false },
    { "a bit of a page", bad_page, VRV_SCRUB_MANIFEST, false },
    { "a bit of the newest root", bad_root, VRV_SCRUB_MANIFEST, false },
    { "a root with a hole", root_with_hole, VRV_SCRUB_MANIFEST, false },
    { "all roots are gone", no_roots, VRV_SCRUB_MANIFEST, false },
    { "no marker can be read", bad_markers, VRV_SCRUB_MARKER, false },
    { "a name of nobody's in a partition", foreign_name, VRV_SCRUB_FOREIGN, false },
    { "... and beside them", foreign_topic, VRV_SCRUB_FOREIGN, false },
};

static void
check_told(size_t i, bool full)
{
    opts.full = full;
    IS(scrub(), 0, "%s: a %s scrub %s", damages[i].what, full ? "full" : "light", e.msg);
    if (damages[i].full && !full) {
        IS(told.n, 0, "... doesn't look at it");
        return;
    }
    OK(told.n == 1 && told.kind[0] == damages[i].kind, "... tells of one that is %s: %u, %s",
        vrv_scrub_kind_name(damages[i].kind), told.n,
        told.n > 0 ? vrv_scrub_kind_name(told.kind[0]) : "none");
    if (told.n == 0)
        return;
    OK(key == NULL || strcmp(told.key[0], key) == 0, "... by name, %s", told.key[0]);
    OK(told.from[0] == from && told.to[0] == to, "... with its offsets: %s", told.text[0]);
}

static void
test_damages(void)
{
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        make_store();
        damages[i].damage();
        opts.grace_ms = damages[i].kind == VRV_SCRUB_MANIFEST ? 0 : opts.grace_ms; /* nothing is judged then */
        check_told(i, false);
        check_told(i, true);
        finish();
    }
}

/* ---- what nothing names ---- */

static void
name_of(char what, int64_t base, int64_t ms, char *out)
{
    char prefix[VRV_STORE_KEY_MAX / 2];

    vrv_parts_prefix(&id, what, prefix);
    (void)snprintf(out, VRV_STORE_KEY_MAX, "%s%020" PRId64 "-%013" PRId64 "-0123456789abcdef", prefix, base, ms);
}

static void
test_orphans(void)
{
    char orphan[VRV_STORE_KEY_MAX], page[VRV_STORE_KEY_MAX], young[VRV_STORE_KEY_MAX];

    make_store();
    int64_t now = rig.clock.clock.wall_ms(&rig.clock.clock);
    size_t before = fakestore_objects(fake);
    name_of('d', f.m.next, now - 2000000, orphan);
    name_of('m', f.m.next, now - 2000000, page);
    name_of('d', f.m.next, now - 1000, young);
    store(orphan, "orphan", 6);
    store(page, "page", 4);
    store(young, "young", 5);
    opts.grace_ms = 1000000;
    for (int i = 0; i < 2; i++) {
        IS(scrub(), 0, "a scrub %s", e.msg);
        OK(told.n == 2 && told.kind[0] == VRV_SCRUB_ORPHAN && told.kind[1] == VRV_SCRUB_ORPHAN,
            "two orphans are told: %u", told.n);
        OK(strcmp(told.key[0], orphan) == 0 && strcmp(told.key[1], page) == 0, "... which are %s, %s",
            told.key[0], told.key[1]);
        IS(sums.orphan_bytes, 10, "... and how large they are");
        IS(fakestore_objects(fake), before + 3, "nothing is deleted unless that is asked for");
    }
    opts.topic = (const char *const[]){ "other" };
    opts.topic_n = 1;
    IS(scrub(), VRV_E_NOTFOUND, "a topic that nobody knows: %s", e.msg);
    opts.topic_n = 0;
    opts.delete_orphans = true;
    IS(scrub(), 0, "orphans are deleted %s", e.msg);
    OK(sums.deleted == 2 && sums.deleted_bytes == 10, "... both");
    IS(fakestore_objects(fake), before + 1, "... and nothing else");
    is_well("once more");
    finish();
}

/* What begins as names of varve's do, and goes on otherwise, or not at all. */
static const char *const alike[] = { "d/a", "d/ab", "d/ab/x", "d/ab/7a7a", "m/7a7a", "m/ab",
    "d/7a7a000000000000010000000000000", "d/7a7a0000000000000100000000000000", "d/ab/7a7a0000000000000100000000000000",
    "d/7a7a0000000000000100000000000000/x/y", "d/zz/7a7a0000000000000100000000000000/0/00000000000000000040" };

enum { ALIKE = sizeof(alike) / sizeof(alike[0]) };

static void
test_alike(void)
{
    struct simclock clock;
    unsigned bad = 0;

    for (unsigned i = 0; i < ALIKE; i++) { /* alone in its bucket */
        simclock_init(&clock, 1700000000000);
        fake = fakestore_new(&clock, 1);
        vrv_sync_init(&sync_, fakestore_store(fake), &clock.clock, 7, CALL_MS);
        store(alike[i], "x", 1);
        opts_default();
        opts.clock = &clock.clock;
        opts.grace_ms = VRV_SCRUB_GRACE_LEAST_MS;
        opts.delete_orphans = true;
        int rc = scrub();
        bad += rc != VRV_E_NOTFOUND || told.n != 1 || told.kind[0] != VRV_SCRUB_FOREIGN ||
            strcmp(told.key[0], alike[i]) != 0 || fakestore_objects(fake) != 1;
        if (bad > 0)
            tap_note("%s: %d, %u told: %s", alike[i], rc, told.n, e.msg);
        vrv_sync_fini(&sync_);
        fakestore_free(&fake);
    }
    IS(bad, 0, "a name that looks like varve's is told, and left, where it is alone");

    make_store();
    for (unsigned i = 0; i < ALIKE; i++)
        store(alike[i], "x", 1);
    size_t there = fakestore_objects(fake);
    opts.grace_ms = VRV_SCRUB_GRACE_LEAST_MS;
    opts.delete_orphans = true;
    simclock_advance_ms(&rig.clock, 2 * opts.grace_ms);
    IS(scrub(), 0, "beside names of varve's a scrub %s", e.msg);
    OK(told.n == ALIKE && sums.found[VRV_SCRUB_FOREIGN] == ALIKE, "... tells of each as nobody's: %u of %u",
        (unsigned)sums.found[VRV_SCRUB_FOREIGN], told.n);
    IS(fakestore_objects(fake), there, "... and deletes none");
    finish();
}

/* A manifest that can't be read may name anything. */
static void
test_unreadable(void)
{
    make_store();
    size_t before = fakestore_objects(fake);
    bad_page();
    opts.grace_ms = 0;
    opts.delete_orphans = true;
    IS(scrub(), VRV_E_LOCKED, "nothing young is deleted beside a server: %s", e.msg);
    opts.grace_ms = VRV_SCRUB_GRACE_LEAST_MS;
    simclock_advance_ms(&rig.clock, 2 * opts.grace_ms);
    IS(scrub(), 0, "a page can't be read %s", e.msg);
    OK(told.n == 1 && sums.deleted == 0, "what it named isn't taken for an orphan's");
    bad_root();
    IS(scrub(), 0, "nor can the root %s", e.msg);
    IS(sums.deleted, 0, "... nothing is deleted");
    IS(fakestore_objects(fake), before, "all that was is there");
    finish();
}

/* What its server has still to delete is no orphan, and no damage. */
static void
test_retention(void)
{
    deletes_per_second = 1;
    begin(2);
    rig_topic(&rig, "t", 1, SMALL "retention.bytes=3000");
    id = rig_log(&rig, "t", 0)->id;
    put("t", 0, 60);
    pass(8000);
    opts_default();
    opts.grace_ms = 0;
    opts.full = true;
    for (int i = 0; i < 30 && sums.waiting == 0; i++) {
        put("t", 0, 5);
        pass(2000);
        is_well("retention is at work");
    }
    OK(sums.waiting > 0, "what it has left waits: %d objects", (int)sums.waiting);
    deletes_per_second = INT64_MAX;
    end();
}

/* ---- beside a server ---- */

/* A clock that goes on by itself: whoever waits for a store's next attempt is alone here. */
static int64_t
ticks(struct vrv_clock *c)
{
    (void)c;
    simclock_advance_ms(&rig.clock, 100);
    return rig.clock.clock.mono_ns(&rig.clock.clock);
}

static int64_t
wall(struct vrv_clock *c)
{
    (void)c;
    return rig.clock.clock.wall_ms(&rig.clock.clock);
}

static struct vrv_clock ticking = { .wall_ms = wall, .mono_ns = ticks };

static struct vrv_rand dice;

static void
server_goes_on(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)done;
    (void)total;
    if (vrv_rand_below(&dice, 3) == 0)
        put("t", 0, 3);
    pass(500 + (int64_t)vrv_rand_below(&dice, 8000));
}

static void
test_beside(void)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        dice.state = seed;
        begin(seed);
        rig_topic(&rig, "t", 1, SMALL "retention.bytes=6000");
        put("t", 0, 40);
        pass(40000);
        opts_default();
        opts.full = true;
        opts.progress = server_goes_on;
        for (int i = 0; i < 3; i++)
            is_well("while segments come and go");
        opts.progress = NULL;
        opts.clock = &ticking;
        fakestore_fault(fake, VRV_STORE_LIST, FAKE_STALE, 30);
        fakestore_fault(fake, VRV_STORE_GET, FAKE_MISSING, 1); /* twice in a row of one object would be believed */
        fakestore_fault(fake, VRV_STORE_OPS, FAKE_ERROR, 5);
        fakestore_fault(fake, VRV_STORE_OPS, FAKE_HANGS, 2);
        is_well("of a store that misbehaves");
        fakestore_heal(fake);
        end();
    }
}

/* Moves, retention and crashes, whatever their order. */
static void
test_histories(void)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        dice.state = 100 + seed;
        begin(seed);
        rig_topic(&rig, "t", 2, SMALL "retention.bytes=8000");
        rig_topic(&rig, "u", 1, KEPT);
        for (int i = 0; i < 12; i++) {
            put("t", (int32_t)vrv_rand_below(&dice, 2), 1 + (int)vrv_rand_below(&dice, 8));
            put("u", 0, 1 + (int)vrv_rand_below(&dice, 8));
            pass((int64_t)vrv_rand_below(&dice, 6000));
            if (vrv_rand_below(&dice, 4) == 0) {
                crash(seed + (uint64_t)i);
                up(seed);
            }
            opts_default();
            opts.full = vrv_rand_below(&dice, 2) == 0;
            is_well("in between");
        }
        pass(100000);
        opts.grace_ms = 40000;
        opts.full = true;
        is_well("at the end, without a grace that hides orphans");
        OK(sums.objects > 10 && sums.batches > 10 && sums.found[VRV_SCRUB_ORPHAN] == 0,
            "... of %d objects with %d batches", (int)sums.objects, (int)sums.batches);
        end();
    }
}

static void
test_empty(void)
{
    struct simclock clock;

    simclock_init(&clock, 1700000000000);
    fake = fakestore_new(&clock, 1);
    opts_default();
    opts.clock = &clock.clock;
    IS(scrub(), VRV_E_NOTFOUND, "a store without anything: %s", e.msg);
    fakestore_free(&fake);
}

int
main(void)
{
    test_empty();
    test_damages();
    test_orphans();
    test_alike();
    test_unreadable();
    test_retention();
    test_beside();
    test_histories();
    return tap_done();
}
