/* What a store has of a server that is lost: its newest marker, its owner, and of each partition the newest
 * manifest of which everything is there; whatever is damaged, what is left is found, and what isn't is said. */
#include "tiering/restore/find.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"

#define SMALL "segment.bytes=1000 retention.ms=-1 local.retention.bytes=1 remote.storage.enable=true"

enum { CALL_MS = 10000 };

static struct vrv_sync sync_;
static struct vrv_log_id id; /* of "t", partition 0 */
static int64_t start, next;  /* of its manifest, */
static uint64_t newest;      /* and its version */
static uint64_t version;     /* what is known of that; 0: nothing */
static struct vrv_err e;

/* A server whose partition has pages and segments in the store; it is lost. */
static void
lose_server(int batches)
{
    begin(1);
    rig_topic(&rig, "t", 1, SMALL);
    id = rig_log(&rig, "t", 0)->id;
    for (int i = 0; i < batches; i += 5) {
        put("t", 0, 5);
        pass(3000);
    }
    pass(20000);
    vrv_sync_init(&sync_, fakestore_store(fake), &rig.clock.clock, 7, CALL_MS);
}

static void
finish(void)
{
    vrv_sync_fini(&sync_);
    end();
}

static int
find(struct vrv_found *f)
{
    return vrv_find_partition(&sync_, &id, &(struct vrv_found_head){ .version = version }, f, &e);
}

/* It is found as it was. */
static void
find_all(void)
{
    struct vrv_found f;

    IS(find(&f), 0, "a partition is found: %s", e.msg);
    start = f.m.start;
    next = f.m.next;
    OK(!vrv_found_lacks(&f) && f.m.page_n > 1 && f.m.seg_n > 1 && next > 40,
        "all of it: %u pages, %u segments, to offset %d", f.m.page_n, f.m.seg_n, (int)next);
    IS(f.m.version, f.newest, "by its newest manifest");
    newest = f.newest;
    OK(f.epochs.n > 0 && f.epochs.v[0].start == 0, "with its epochs");
    vrv_found_fini(&f);
}

/* ---- damage ---- */

static void
delete(const char *key)
{
    struct vrv_store_call c = { .op = VRV_STORE_DELETE, .lane = VRV_STORE_HOUSEKEEPING, .keys = &key,
        .max = 1 };

    IS(vrv_sync_call(&sync_, &c), 0, "%s is gone", key);
}

/* Written anew: a stale list lacks it from then on. */
static void
write_anew(const char *key, uint8_t flip)
{
    size_t n;
    const uint8_t *p = fakestore_object(fake, key, &n);
    uint8_t *copy = vrv_mem_zero(n);

    VRV_ASSERT(p != NULL && n > 0);
    memcpy(copy, p, n);
    copy[n / 2] ^= flip;
    delete(key);
    IS(vrv_sync_put(&sync_, key, copy, n, false, &e), 0, "... and there again%s", flip ? ", damaged" : "");
    free(copy);
}

static void
spoil(const char *key)
{
    write_anew(key, 1);
}

/* The n-th newest root, from 0 on. */
static void
root_key(unsigned n, char *out)
{
    struct vrv_found_names l;
    char prefix[VRV_STORE_KEY_MAX + 1];
    struct vrv_part_key k;
    unsigned at = 0;

    vrv_parts_prefix(&id, 'm', prefix);
    IS(vrv_find_names(&sync_, prefix, &l, &e), 0, "names of manifests");
    out[0] = '\0';
    for (size_t i = l.n; i > 0; i--)
        if (vrv_parts_read_key(&id, 'm', l.v[i - 1].key, &k) && k.root && at++ == n)
            (void)snprintf(out, VRV_STORE_KEY_MAX + 1, "%s", l.v[i - 1].key);
    vrv_found_names_fini(&l);
}

static void
delete_older_roots(void)
{
    char key[VRV_STORE_KEY_MAX + 1];

    for (root_key(1, key); key[0] != '\0'; root_key(1, key))
        delete(key);
}

/* What the newest manifest names: a page, or (page false) a segment of the root, from its end on. */
static void
named(bool page, unsigned from_end, char *out, int64_t *base, int64_t *behind)
{
    struct vrv_found f;

    IS(find(&f), 0, "what it names");
    uint32_t n = page ? f.m.page_n : f.m.seg_n;
    VRV_ASSERT(from_end < n);
    const struct vrv_cold_page *p = page ? &f.m.page[n - 1 - from_end] : NULL;
    const struct vrv_cold_seg *s = page ? NULL : &f.m.seg[n - 1 - from_end];
    (void)snprintf(out, VRV_STORE_KEY_MAX + 1, "%s", page ? p->key : s->key);
    *base = page ? p->base : s->base;
    *behind = page ? p->next : s->next;
    vrv_found_fini(&f);
}

/* ---- manifests ---- */

static void
test_older_root(void)
{
    struct vrv_found f;
    char key[VRV_STORE_KEY_MAX + 1];

    lose_server(60);
    find_all();
    root_key(0, key);
    spoil(key);
    IS(find(&f), 0, "the newest manifest can't be read: the older one is found");
    OK(vrv_found_lacks(&f) && f.passed.n == 1 && strstr(f.passed.why.msg, key) != NULL,
        "... and it is said: %s", f.passed.why.msg);
    OK(f.m.version == f.newest - 1 && f.m.next < next, "it is one version older, and ends before");
    vrv_found_fini(&f);
    delete(key);
    IS(find(&f), 0, "a root that is gone was never there: the list says so");
    vrv_found_fini(&f);
    finish();
}

static void
test_no_root(void)
{
    struct vrv_found f;
    char key[VRV_STORE_KEY_MAX + 1];

    lose_server(60);
    find_all();
    delete_older_roots();
    root_key(0, key);
    spoil(key);
    IS(find(&f), VRV_E_CORRUPT, "no manifest can be read: %s", e.msg);
    OK(f.newest > 0, "... but the newest one's version is known");
    delete(key);
    IS(find(&f), VRV_E_NOTFOUND, "there is none");
    finish();
}

/* ---- what they name ---- */

static void
test_missing_last(void)
{
    struct vrv_found f;
    char key[VRV_STORE_KEY_MAX + 1];
    int64_t base, behind;

    lose_server(60);
    find_all();
    named(false, 0, key, &base, &behind);
    delete(key);
    IS(find(&f), 0, "the last segment is missing: the manifest before it is found");
    OK(vrv_found_lacks(&f) && f.m.version < f.newest && f.m.next == base && f.had_next == next,
        "... which ends before it, at %d of %d", (int)f.m.next, (int)f.had_next);
    OK(strstr(f.passed.why.msg, key) != NULL, "it is said which: %s", f.passed.why.msg);
    vrv_found_fini(&f);
    delete_older_roots();
    IS(find(&f), 0, "there is no older manifest: the newest without what is missing");
    OK(f.m.start == start && f.m.next == base && vrv_manifest_check(&f.m, &e) == 0, "... ends there, too");
    vrv_found_fini(&f);
    finish();
}

static void
test_missing_first(void)
{
    struct vrv_found f;
    char key[VRV_STORE_KEY_MAX + 1];
    int64_t base, behind;

    lose_server(60);
    find_all();
    named(true, 1, key, &base, &behind);
    spoil(key);
    IS(find(&f), 0, "a page is damaged, which all manifests name");
    OK(vrv_found_lacks(&f) && f.m.start == behind && f.m.next == next && f.had_start == start,
        "what lies behind it is left: from %d on", (int)f.m.start);
    OK(vrv_manifest_check(&f.m, &e) == 0, "... as a manifest %s", e.msg);
    IS(f.epochs.v[0].start, behind, "... and so are its epochs");
    vrv_found_fini(&f);
    finish();
}

/* A segment that a page names: the page can be read, so only what lies in front of it is lost. */
static void
test_missing_in_page(void)
{
    struct vrv_found f;
    struct vrv_found_names l;
    struct vrv_part_key k = { 0 };

    lose_server(60);
    find_all();
    IS(vrv_find_objects(&sync_, &id, &l, &e), 0, "names of segments");
    VRV_ASSERT(l.n > 3 && vrv_parts_read_key(&id, 'd', l.v[2].key, &k));
    spoil(l.v[1].key);
    IS(find(&f), 0, "damage within a segment is found by who reads it");
    OK(!vrv_found_lacks(&f), "... and no loss here");
    vrv_found_fini(&f);
    delete(l.v[1].key);
    IS(find(&f), 0, "a segment of the oldest page is missing");
    OK(vrv_found_lacks(&f) && f.m.start == (int64_t)k.number && f.m.next == next,
        "the log begins behind it, at %d", (int)f.m.start);
    vrv_found_fini(&f);
    vrv_found_names_fini(&l);
    finish();
}

static void
test_short_object(void)
{
    struct vrv_found f;
    char key[VRV_STORE_KEY_MAX + 1];
    int64_t base, behind;

    lose_server(60);
    find_all();
    named(false, 1, key, &base, &behind);
    delete(key);
    IS(vrv_sync_put(&sync_, key, "short", 5, false, &e), 0, "an object is shorter than it should be");
    IS(find(&f), 0, "a partition is found");
    OK(vrv_found_lacks(&f) && strstr(f.passed.why.msg, "has 5 bytes") != NULL, "... without it: %s",
        f.passed.why.msg);
    vrv_found_fini(&f);
    finish();
}

/* A list is a hint. */
static void
test_stale_list(void)
{
    char key[VRV_STORE_KEY_MAX + 1];
    struct vrv_found f;

    lose_server(60);
    find_all();
    fakestore_fault(fake, VRV_STORE_LIST, FAKE_STALE, 100);
    vrv_parts_root_key(&id, newest, key);
    write_anew(key, 0);
    for (version = newest - 1; version <= newest; version++) {
        IS(find(&f), 0, "lists lack what is new: a partition is found all the same");
        OK(!vrv_found_lacks(&f) && f.m.version == newest, "... and nothing is taken for lost");
        vrv_found_fini(&f);
    }
    fakestore_heal(fake);
    version = 0;
    finish();
}

/* ---- markers and owners ---- */

static void
put_marker(const char *key, const char *cluster)
{
    struct vrv_marker m = { .owner = 3, .ms = 5, .last = true };
    size_t n;

    (void)snprintf(m.cluster, sizeof(m.cluster), "%s", cluster);
    uint8_t *bytes = vrv_marker_write(&m, &n, NULL);
    IS(vrv_sync_put(&sync_, key, bytes, n, false, &e), 0, "a marker is written");
    free(bytes);
}

static void
test_markers(void)
{
    struct simclock clock;
    struct vrv_found_marker f;
    uint64_t owner;

    simclock_init(&clock, 1700000000000);
    fake = fakestore_new(&clock, 1);
    vrv_sync_init(&sync_, fakestore_store(fake), &clock.clock, 7, CALL_MS);
    IS(vrv_find_marker(&sync_, &f, &e), VRV_E_NOTFOUND, "an empty store: %s", e.msg);
    vrv_found_marker_fini(&f);
    IS(vrv_find_owner(&sync_, &owner, &e), 0, "nobody's");
    IS(owner, 0, "... is said so");
    put_marker("marker/0000000000001-0000000000000001", "old");
    put_marker("marker/0000000000002-0000000000000000", "new");
    IS(vrv_find_marker(&sync_, &f, &e), 0, "a marker is found");
    IS_STR(f.m.cluster, "new", "the newest one");
    IS(f.passed.n, 0, "and there was no other");
    vrv_found_marker_fini(&f);
    spoil("marker/0000000000002-0000000000000000");
    IS(vrv_find_marker(&sync_, &f, &e), 0, "one that can't be read is passed over");
    IS_STR(f.m.cluster, "old", "the one before counts");
    IS_STR(f.key, "marker/0000000000001-0000000000000001", "... and is named");
    OK(f.passed.n == 1 && strstr(f.passed.why.msg, "0000000000002") != NULL, "it is said: %s",
        f.passed.why.msg);
    IS(f.age_ms, clock.clock.wall_ms(&clock.clock) - 2, "the age is that of the one that can't be read");
    IS_STR(f.newest, "marker/0000000000002-0000000000000000", "... which is named, too");
    vrv_found_marker_fini(&f);
    spoil("marker/0000000000001-0000000000000001");
    IS(vrv_find_marker(&sync_, &f, &e), VRV_E_CORRUPT, "none can be read: %s", e.msg);
    vrv_found_marker_fini(&f);
    IS(vrv_sync_put(&sync_, "owner/00000000000000000002", "x", 1, false, &e), 0, "an owner");
    IS(vrv_sync_put(&sync_, "owner/00000000000000000011", "x", 1, false, &e), 0, "a later one");
    IS(vrv_sync_put(&sync_, "owner/99", "x", 1, false, &e), 0, "what is none");
    IS(vrv_find_owner(&sync_, &owner, &e), 0, "whose it is");
    IS(owner, 11, "the newest owner's");
    vrv_sync_fini(&sync_);
    fakestore_free(&fake);
}

int
main(void)
{
    test_older_root();
    test_no_root();
    test_missing_last();
    test_missing_first();
    test_missing_in_page();
    test_short_object();
    test_stale_list();
    test_markers();
    return tap_done();
}
