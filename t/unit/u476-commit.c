/*
 * A manifest that is damaged on its way to the store never counts, and stops nobody: what is written is read
 * back, and what can't be read is passed over for good, unless it may be of the store's next owner.  However much
 * is cold, a manifest can be written and read: its pages are few, or it is refused before.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/coldcommit.h"
#include "t/lib/tap.h"

enum {
    ROOT_BYTES = 2000,
    EVERY = 499, /* commits after which a large root is measured: it grows by little in between */
};

static unsigned told;            /* of what was passed over */
static bool refuses_then;        /* the store takes nothing as soon as that is told */
static const char *next_owner;
static bool is_settled;

static int
successor(void *ctx, char key[VRV_STORE_KEY_MAX + 1])
{
    (void)ctx;
    (void)snprintf(key, VRV_STORE_KEY_MAX + 1, "%s", next_owner != NULL ? next_owner : "");
    return is_settled ? next_owner != NULL : VRV_E_BUSY;
}

static void
passed(void *ctx, const struct vrv_log_id *id, const struct vrv_err *why)
{
    (void)ctx;
    if (told++ == 0)
        tap_note("%s", why->msg);
    VRV_ASSERT(vrv_uuid_eq(&id->topic, &the_log()->id.topic));
    if (refuses_then)
        fakestore_fault(fake, VRV_STORE_PUT, FAKE_DENIED, 100);
}

/* ---- the world ---- */

static void
watch(void)
{
    tier.parts.o.successor = successor;
    tier.parts.o.passed = passed;
}

static void
begin_at(uint64_t seed)
{
    told = 0;
    refuses_then = false;
    next_owner = NULL;
    is_settled = true;
    coldlog_begin(seed, 1, "retention.ms=-1", watch);
}

/* ---- manifests ---- */

/* The one that counts; NULL: none does. */
static struct vrv_snap *
now(void)
{
    return coldcommit_now(&the_log()->id);
}

static uint64_t
version(void)
{
    struct vrv_snap *s = now();
    uint64_t n = s != NULL ? s->m.version : 0;

    vrv_snap_unref(s);
    return n;
}

/* One segment more. */
static int
commit(void)
{
    return coldcommit(&the_log()->id);
}

static const char *
root_key(uint64_t n)
{
    static char key[VRV_STORE_KEY_MAX + 1];

    vrv_parts_root_key(&the_log()->id, n, key);
    return key;
}

/* What is kept of it changes, and back again. */
static void
flip_object(const char *key)
{
    size_t size;
    const uint8_t *p = fakestore_object(fake, key, &size);

    VRV_ASSERT(p != NULL);
    ((uint8_t *)(uintptr_t)p)[size / 2] ^= 1;
}

static void
flip(uint64_t n)
{
    flip_object(root_key(n));
}

/* As a heal does it: what is in its place is the same under another name. */
static void
replace_first(struct vrv_manifest *m)
{
    char key[VRV_STORE_KEY_MAX + 1];

    vrv_parts_segment_key(&tier.parts, &the_log()->id, m->seg[0].base, key);
    free(m->seg[0].key);
    m->seg[0].key = vrv_mem_strdup(key);
}

/* The next root, which no head comes to name: its server stops in between. */
static void
leave_root(uint64_t n, uint64_t seed, bool heals)
{
    struct coldcommit c;

    coldcommit_begin(&c, &the_log()->id);
    if (heals)
        replace_first(&c.c.next);
    else
        coldcommit_add(&c);
    vrv_parts_attach(&tier.parts, NULL);
    vrv_parts_commit(&tier.parts, &c.c);
    tierrig_run(&tier);
    size_t size;
    OK(c.status < 0 && fakestore_object(fake, root_key(n), &size) != NULL, "a root that no head names: %s",
        tier.e.msg);
    coldlog_tier_anew(seed);
}

/* ---- tests ---- */

static void
test_damaged(enum fakestore_fault fault, const char *what)
{
    begin_at(1);
    IS(commit(), 0, "a manifest %s", tier.e.msg);
    fakestore_fault(fake, VRV_STORE_PUT, fault, 100);
    IS(commit(), VRV_E_CORRUPT, "each one that is %s is noticed: %s", what, tier.e.msg);
    unsigned n = told;
    OK(n > 1, "... and told (%u)", n);
    IS((int64_t)version(), 1, "... the one before counts");
    coldlog_tier_anew(2);
    IS((int64_t)version(), 1, "... also after a stop");
    fakestore_heal(fake);
    IS(commit(), 0, "with a better line it goes on %s", tier.e.msg);
    IS((int64_t)version(), 2 + n, "... behind what was damaged");
    IS(told, n, "... which isn't told again");
    coldlog_tier_anew(3);
    IS((int64_t)version(), 2 + n, "... and can be read");
    IS(commit(), 0, "... and continued");
    coldlog_end();
}

static void
test_first(void)
{
    begin_at(1);
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_FLIPPED, 100);
    IS(commit(), VRV_E_CORRUPT, "the first one is damaged");
    fakestore_heal(fake);
    coldlog_tier_anew(2);
    IS(vrv_parts_touch(&tier.parts, &the_log()->id, &tier.e), 0, "another start");
    OK(vrv_parts_looks(&tier.parts, &the_log()->id), "... which looks first whether that is in its way");
    IS(commit(), 0, "the next one counts %s", tier.e.msg);
    OK(!vrv_parts_looks(&tier.parts, &the_log()->id), "... then it knows");
    OK(told > 0 && version() == 1 + told, "... behind it");
    coldlog_end();
}

/* What turns out to be readable later has lost its chance all the same: what was written meanwhile knows
 * nothing of it. */
static void
test_for_good(void)
{
    begin_at(1);
    IS(commit(), 0, "a manifest");
    leave_root(2, 2, false);
    flip(2);
    refuses_then = true;
    IS(commit(), VRV_E_DENIED, "it can't be read, nor is anything taken in its stead: %s", tier.e.msg);
    flip(2);
    fakestore_heal(fake);
    coldlog_tier_anew(3);
    IS((int64_t)version(), 1, "another start finds it whole; what counts is what did");
    IS(commit(), 0, "... and what comes next %s", tier.e.msg);
    IS((int64_t)version(), 3, "... takes another name");
    IS(told, 1, "... all of which was told once");
    coldlog_end();
}

/* A server that has read its root before doesn't need it: the next one is whole. */
static void
test_root_that_counts(void)
{
    begin_at(1);
    IS(commit(), 0, "a manifest");
    IS(commit(), 0, "... and another one");
    flip(2);
    IS(commit(), 0, "its root is damaged in the store, and who has it in memory goes on %s", tier.e.msg);
    coldlog_tier_anew(2);
    struct vrv_snap *s = now();
    OK(s != NULL && s->m.version == 3 && s->m.seg_n == 3, "... with all of it in the next root");
    vrv_snap_unref(s);
    IS(told, 0, "... and nothing is passed over");
    coldlog_end();
}

/* What was given up because nobody knew that the store has it. */
static void
test_not_lost(void)
{
    int64_t from, to;

    begin_at(1);
    IS(commit(), 0, "a manifest");
    leave_root(2, 2, false);
    IS((int64_t)version(), 1, "... the one before counts");
    IS(vrv_parts_lose(&tier.parts, &the_log()->id, 10, 20, &tier.e), 0, "what it names more is given up %s", tier.e.msg);
    OK(vrv_parts_lost(&tier.parts, &the_log()->id, &from, &to) && from == 10 && to == 20, "... it is lost");
    IS(commit(), VRV_E_CONFLICT, "then that root is found, and counts");
    IS((int64_t)version(), 2, "... as the newest");
    OK(!vrv_parts_lost(&tier.parts, &the_log()->id, &from, &to), "... and nothing is lost");
    coldlog_end();
}

/* What a heal has written, and whose head a crash took, counts for who finds it, but not when it is so old that the
 * sweep may have taken what it names. */
static void
test_healed(bool too_late)
{
    char key[VRV_STORE_KEY_MAX + 1];

    begin_at(1);
    IS(commit(), 0, "a manifest");
    struct vrv_snap *s = now();
    (void)snprintf(key, sizeof(key), "%s", s->m.seg[0].key);
    vrv_snap_unref(s);
    leave_root(2, 2, true);
    tier.parts.o.adopt_ms = 60000;
    if (too_late)
        simclock_advance_ms(&rig.clock, 2 * 60000);
    IS(commit(), VRV_E_CONFLICT, "a root that somebody left: %s", tier.e.msg);
    IS(commit(), 0, "... is followed by the next one");
    s = now();
    IS(strcmp(s->m.seg[0].key, key) == 0, too_late, "... that names %s", too_late ? "what was there before" : "what was healed");
    vrv_snap_unref(s);
    coldlog_end();
}

/* What its next owner has written nobody else passes over. */
static void
test_next_owner(void)
{
    char there[VRV_STORE_KEY_MAX + 1];
    size_t size;

    begin_at(1);
    IS(commit(), 0, "a manifest");
    leave_root(2, 2, false);
    flip(2);
    (void)snprintf(there, sizeof(there), "%s", root_key(1));
    is_settled = false;
    IS(commit(), VRV_E_BUSY, "while nobody knows who the store's next owner is, nothing is decided: %s", tier.e.msg);
    is_settled = true;
    next_owner = there; /* any name will do */
    IS(commit(), VRV_E_FENCED, "a root that may be of the store's next owner: %s", tier.e.msg);
    IS(commit(), VRV_E_FENCED, "... stays in the way");
    OK(told == 0 && version() == 1 && fakestore_object(fake, root_key(3), &size) == NULL,
        "... and nothing is written behind it");
    tier.parts.o.root_bytes = 1;
    size_t all = fakestore_objects(fake);
    IS(commit(), VRV_E_FENCED, "... also of one that has a page");
    IS((int64_t)fakestore_objects(fake), (int64_t)all, "... which isn't written, either");
    next_owner = "owner/2";
    IS(commit(), 0, "where there is none it is our own %s", tier.e.msg);
    IS((int64_t)version(), 3, "... and passed over");
    coldlog_end();
}

/* Some are damaged, some aren't: what counts is whole, with all its pages. */
static void
test_pages(void)
{
    unsigned n = 0, bad = 0;
    struct vrv_err e;

    begin_at(1);
    tier.parts.o.root_bytes = ROOT_BYTES;
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_FLIPPED, 30);
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_SHORT, 20);
    for (int i = 0; i < 300 && n < 60; i++)
        n += commit() == 0;
    struct vrv_snap *s = now();
    OK(n == 60 && told > 0 && s->m.page_n > 2, "manifests count on a bad line, with %u pages", s->m.page_n);
    for (uint32_t i = 0; i < s->m.page_n; i++) {
        struct vrv_cold_seg *v = NULL;
        size_t size;
        const uint8_t *p = fakestore_object(fake, s->m.page[i].key, &size);

        bad += p == NULL || vrv_manifest_read_page(&s->m, &s->m.page[i], p, size, &v, &e) < 0;
        vrv_cold_segs_free(v, s->m.page[i].segments);
    }
    IS(bad, 0, "... each of which can be read");
    IS(s->m.next, 60 * COLDCOMMIT_OFFSETS, "... and nothing is missing");
    vrv_snap_unref(s);
    coldlog_end();
}

/* ---- where much is cold ---- */

static struct vrv_cold_seg
large(int64_t base, uint32_t chunks)
{
    return (struct vrv_cold_seg){ .base = base, .next = base + COLDCOMMIT_OFFSETS, .chunk_n = chunks,
        .key = vrv_mem_strdup("d/00112233445566778899aabbccddeeff/12/00000000001234567890-1700000000000-0123456789abcdef") };
}

struct pages {
    size_t root, page;       /* bytes, the most that there were */
    uint64_t bytes, written; /* of pages */
    unsigned thin;           /* not half as full as they might be, but for the newest */
    uint32_t n;
};

/* Commits of so many segments, as they would be written. */
static struct pages
commits(uint32_t segments, uint32_t chunks, size_t root_bytes)
{
    struct vrv_manifest m = { .version = 1 };
    struct pages r = { .n = 0 };

    for (uint32_t i = 0; i < segments; i++) {
        VRV_PUSH_ROOM(m.seg, m.seg_n, m.seg_cap);
        m.seg[m.seg_n++] = large((int64_t)i * COLDCOMMIT_OFFSETS, chunks);
        struct vrv_fold f = vrv_fold_plan(&m, root_bytes, false);
        if (f.segments > 0) {
            struct vrv_cold_page page = { .key = vrv_mem_strdup(m.seg[0].key), .size = VRV_MANIFEST_PAGE_HEAD };

            if (f.joins)
                page.size = m.page[m.page_n - 1].size;
            for (uint32_t k = 0; k < f.segments; k++)
                page.size += vrv_cold_seg_encoded(&m.seg[k]);
            vrv_manifest_fold(&m, f.segments, &page, f.joins);
            r.written += page.size;
            r.page = page.size > r.page ? page.size : r.page;
        }
        size_t n = i % EVERY == 0 || i + 1 == segments ? vrv_manifest_encoded(&m) : 0;
        r.root = n > r.root ? n : r.root;
    }
    r.n = m.page_n;
    for (uint32_t i = 0; i < m.page_n; i++) {
        r.bytes += m.page[i].size;
        r.thin += i + 1 < m.page_n && m.page[i].size < root_bytes * (1 + i / 256) / 2;
    }
    OK(vrv_fold_room(&m, NULL) == 0, "there is room for more");
    vrv_manifest_fini(&m);
    return r;
}

/* A chunk is a MiB of the log. */
static void
test_large(void)
{
    enum { ROOT = 256 << 10, GIB_CHUNKS = 1024 };
    static const struct {
        uint32_t segments, chunks;
        const char *what;
    } all[] = { { 100000, GIB_CHUNKS, "100,000 segments of 1 GiB" }, { 1 << 20, GIB_CHUNKS, "1 PiB of them" },
        { 100000, 12 * GIB_CHUNKS, "such that fill a page alone" }, { 100000, 1, "100,000 small ones" } };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct pages r = commits(all[i].segments, all[i].chunks, ROOT);
        uint64_t index = (uint64_t)all[i].segments * (124 + 90 + 32 * (uint64_t)all[i].chunks);

        tap_note("%s: %u pages, %zu KiB the largest, root up to %zu KiB; written %" PRIu64 " MiB of pages for %"
            PRIu64, all[i].what, r.n, r.page >> 10, r.root >> 10, r.written >> 20, r.bytes >> 20);
        OK(r.root < VRV_MANIFEST_ROOT_MAX - (512 << 10), "%s: the root can be written", all[i].what);
        OK(r.page <= VRV_MANIFEST_PAGE_MAX && r.thin == 0, "... pages, too, and they are not too small");
        OK(r.n <= 2 * index / ROOT + 1 && r.n < 10000, "... nor too many");
        OK(r.written <= 40 * r.bytes, "... nor written too often");
    }
}

/* A page gives way to one with more; it isn't gone for those who read by the manifest before, nor while that is
 * the last but one. */
static void
test_replaced(void)
{
    struct vrv_cold_page page = { .base = 100, .next = 200 };
    struct vrv_cold_seg seg = { .base = 200, .next = 300, .moved_ms = 1600 };
    const struct vrv_manifest m = { .page = &page, .page_n = 1, .seg = &seg, .seg_n = 1 };
    const struct vrv_part_key old = { .number = 100, .made_ms = 1000 }, other = { .number = 200, .made_ms = 1000 };

    begin_at(1);
    const struct vrv_log_id *id = &the_log()->id;
    char key[VRV_STORE_KEY_MAX + 1];
    bool before;
    vrv_parts_prefix(id, 'm', key);
    (void)snprintf(key + strlen(key), 64, "%020d-%013d-%016d", 100, 1500, 7);
    page.key = key;
    IS(vrv_parts_unnamed_ms(id, &m, 'm', &old, &before), 1500, "a page is nobody's since another one is in its place");
    IS(vrv_parts_unnamed_ms(id, &m, 'm', &other, &before), 1000, "... one that never had a place since it was made");
    IS(vrv_parts_unnamed_ms(id, &m, 'd', &old, &before), 1000, "... as a segment");
    OK(!before, "... for sure");
    seg.moved_ms = 1400;
    IS(vrv_parts_unnamed_ms(id, &m, 'm', &old, &before), 1500, "... where no segment came since,");
    OK(before, "unless the root before names it");
    coldlog_end();
}

/* Beyond that nothing is written that can't be read. */
static void
test_limit(void)
{
    struct vrv_manifest m = { .version = 1 };
    struct vrv_err e;

    for (uint32_t i = 0; i < 30000; i++) {
        VRV_PUSH_ROOM(m.page, m.page_n, m.page_cap);
        m.page[m.page_n++] = (struct vrv_cold_page){ .key = large(0, 0).key };
    }
    IS(vrv_fold_room(&m, &e), VRV_E_INVALID, "a partition that is too large: %s", e.msg);
    vrv_manifest_fini(&m);
    begin_at(1);
    IS(commit(), 0, "a manifest");
    tier.parts.o.root_bytes = SIZE_MAX / 2; /* nothing goes to a page */
    struct coldcommit c;
    coldcommit_begin(&c, &the_log()->id);
    for (int i = 0; i < 25000; i++)
        coldcommit_add(&c);
    size_t there = fakestore_objects(fake);
    vrv_parts_commit(&tier.parts, &c.c);
    tierrig_run(&tier);
    IS(c.status, VRV_E_INVALID, "a manifest that nobody could read is refused: %s", tier.e.msg);
    OK(fakestore_objects(fake) == there && version() == 1, "... and not written");
    IS(commit(), 0, "what is smaller still is");
    coldlog_end();
}

/* One that grows with each few segments, on a store that is well, and on one whose newest page is lost. */
static void
test_joins(void)
{
    begin_at(1);
    tier.parts.o.root_bytes = ROOT_BYTES;
    for (int i = 0; i < 60; i++)
        if (commit() != 0)
            OK(false, "a commit: %s", tier.e.msg);
    struct vrv_snap *s = now();
    uint32_t pages = s->m.page_n, segs = 0;
    for (uint32_t i = 0; i < pages; i++)
        segs += s->m.page[i].segments;
    OK(pages * ROOT_BYTES < 60 * 300 && segs + s->m.seg_n == 60, "60 segments, in %u pages of %u", pages, segs);
    flip_object(s->m.page[pages - 1].key);
    vrv_snap_unref(s);
    for (int i = 0; i < 10; i++)
        if (commit() != 0)
            OK(false, "a commit: %s", tier.e.msg);
    s = now();
    IS(s->m.next, 70 * COLDCOMMIT_OFFSETS, "a page that can't be read any more stops nobody");
    OK(s->m.page_n > pages, "... what follows it is in another one");
    vrv_snap_unref(s);
    coldlog_end();
}

int
main(void)
{
    test_damaged(FAKE_FLIPPED, "flipped");
    test_damaged(FAKE_SHORT, "cut");
    test_first();
    test_for_good();
    test_root_that_counts();
    test_healed(false);
    test_healed(true);
    test_not_lost();
    test_next_owner();
    test_pages();
    test_joins();
    test_replaced();
    test_large();
    test_limit();
    return tap_done();
}
