/*
 * A root that a server has passed over, be it whole, is nobody's: who comes after that server with nothing but the store,
 * or looks at it beside it, goes by the one that counts, as the newest marker says.
 */
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/restore.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "tiering/restore/restore.h"
#include "tiering/scrub/known.h"
#include "tiering/scrub/scrub.h"

#define SMALL "segment.bytes=1000 retention.ms=-1 local.retention.bytes=1 remote.storage.enable=true"

enum { CALL_MS = 10000, MINUTES_MAX = 60 };

static struct vrv_sync sync_;
static struct vrv_log_id id; /* of "t", partition 0 */
static struct vrv_manifest m; /* what counts of it */
static struct vrv_err e;

/* The next version, which names less than what counts: nobody may rely on it any more. */
static void
leave_little(void)
{
    char key[VRV_STORE_KEY_MAX + 1];
    struct vrv_manifest less;
    size_t n;

    vrv_manifest_copy(&less, &m);
    less.version++;
    less.put_id.b[0] ^= 1; /* it is another one */
    vrv_cold_seg_fini(&less.seg[--less.seg_n]);
    less.next = less.seg[less.seg_n - 1].next;
    uint8_t *bytes = vrv_manifest_write(&less, &n);
    vrv_parts_root_key(&id, less.version, key);
    VRV_ASSERT(vrv_sync_put(&sync_, key, bytes, n, true, &e) == 0);
    free(bytes);
    vrv_manifest_fini(&less);
}

static struct vrv_found_head
told_by_marker(void)
{
    struct vrv_found_head head;
    struct vrv_known k;

    VRV_ASSERT(vrv_known_read(&sync_, &k, &e) == 0 && vrv_known_head(&k, &id, &head));
    vrv_known_fini(&k);
    return head;
}

/* A server finds such a root when it has something to move, and what it sends from then on is damaged on its way: no later
 * one counts. */
static void
make(void)
{
    struct vrv_found f;
    int minutes = 0;

    begin(1);
    rig_topic(&rig, "t", 1, SMALL);
    id = rig_log(&rig, "t", 0)->id;
    vrv_sync_init(&sync_, fakestore_store(fake), &rig.clock.clock, 7, CALL_MS);
    for (int i = 0; i < 60; i += 5) {
        put("t", 0, 5);
        pass(3000);
    }
    pass(20000);
    down();
    VRV_ASSERT(vrv_find_partition(&sync_, &id, NULL, &f, &e) == 0);
    m = f.m;
    f.m = (struct vrv_manifest){ 0 };
    vrv_found_fini(&f);
    VRV_ASSERT(m.seg_n > 1);
    leave_little();
    fakestore_damage(fake, "d/");
    up(2);
    put("t", 0, 10);
    while (told_by_marker().passed == 0 && minutes++ < MINUTES_MAX)
        pass(MINUTE_MS);
    OK(told_by_marker().version == m.version && told_by_marker().passed == m.version + 1,
        "a server passes over a root that names too little, which its marker says");
}

static void
finish(void)
{
    vrv_manifest_fini(&m);
    vrv_sync_fini(&sync_);
    end();
}

static void
test_anew(void)
{
    struct vrv_restore r;

    make();
    crash(2);
    simdisk_free(&rig.disk);
    rig.disk = simdisk_new(99);
    rig.o.vfs = simdisk_vfs(rig.disk);
    fakestore_damage(fake, NULL);
    int rc = vrv_restore_look(&r, &(struct vrv_restore_opts){ .store = fakestore_store(fake), .clock = &rig.clock.clock,
        .random = 77, .call_ms = CALL_MS, .gone = true, .threads = 1 }, &e);
    IS(rc, 0, "its disk is lost, and what the store has of it is found %s", e.msg);
    OK(r.part[0].f.m.next == m.next && r.lacking == 0, "... by the manifest that counted, up to %d", (int)r.part[0].f.m.next);
    rc = vrv_restore_make(&r, &rig.o, &e);
    IS(rc == 0 ? vrv_engine_restored(&rig.o, &e) : rc, 0, "a server is made anew of that %s", e.msg);
    OK(r.part[0].f.m.version > m.version + 1, "... as a later version");
    vrv_restore_fini(&r);
    up(3);
    IS(read_all("t", 0), m.next, "... and nothing is lost that was in the store");
    finish();
}

static void
tell(void *ctx, const struct vrv_finding *x)
{
    (void)ctx;
    tap_note("%s: %s", vrv_scrub_kind_name(x->kind), x->text);
}

/* How much is missing. */
static uint64_t
missing(void)
{
    const struct vrv_scrub_opts o = { .store = fakestore_store(fake), .clock = &rig.clock.clock, .random = 5,
        .call_ms = CALL_MS, .bytes_per_second = INT64_MAX, .grace_ms = 1000000000000, .threads = 1, .tell = tell };
    struct vrv_scrubbed sums;

    IS(vrv_scrub(&o, &sums, &e), 0, "a scrub %s", e.msg);
    return sums.found[VRV_SCRUB_MISSING];
}

static void
test_scrub(void)
{
    make();
    IS(missing(), 0, "... finds all that counts there");
    struct vrv_store_call c = { .op = VRV_STORE_DELETE, .lane = VRV_STORE_HOUSEKEEPING, .max = 1,
        .keys = (const char *const *)&m.seg[m.seg_n - 1].key };
    VRV_ASSERT(vrv_sync_call(&sync_, &c) == 0);
    IS(missing(), 1, "... and what is gone of that, be it nothing to the one that was passed over");
    finish();
}

int
main(void)
{
    test_anew();
    test_scrub();
    return tap_done();
}
