/* A server made anew from its store alone: what was cold is there, what comes goes on behind it, and the server
 * that is lost can't do it any harm. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/restore.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "tiering/daemon/owner.h"
#include "tiering/restore/restore.h"
#include "tiering/tier_ask.h"

#define SMALL "segment.bytes=1000 retention.ms=-1 local.retention.bytes=1 remote.storage.enable=true"

enum { CALL_MS = 10000 };

static struct vrv_sync sync_;
static struct vrv_err e;
static int64_t cold_end, end_; /* of "t", partition 0: in the store, and on the disk that was lost */
static struct vrv_log_id t0;

/* Its disk is gone. */
static void
lose_disk(void)
{
    simdisk_free(&rig.disk);
    rig.disk = simdisk_new(99);
    rig.o.vfs = simdisk_vfs(rig.disk);
}

static void
fill(void)
{
    begin(1);
    rig_topic(&rig, "plain", 2, "retention.ms=-1");
    rig_topic(&rig, "t", 2, SMALL);
    t0 = rig_log(&rig, "t", 0)->id;
    put("plain", 0, 3);
    for (int i = 0; i < 60; i += 5) {
        put("t", 0, 5);
        pass(3000);
    }
    pass(2 * MINUTE_MS); /* a marker */
    put("t", 0, 1); /* which isn't sealed */
    cold_end = offsets("t", 0).local_start;
    end_ = offsets("t", 0).end;
    vrv_sync_init(&sync_, fakestore_store(fake), &rig.clock.clock, 7, CALL_MS);
}

static void
lose_server(void)
{
    fill();
    crash(2);
    lose_disk();
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
    struct vrv_store_call c = { .op = VRV_STORE_DELETE, .lane = VRV_STORE_HOUSEKEEPING, .keys = &key, .max = 1 };

    VRV_ASSERT(vrv_sync_call(&sync_, &c) == 0);
}

static int
look(struct vrv_restore *r, bool gone)
{
    return vrv_restore_look(r, &(struct vrv_restore_opts){ .store = fakestore_store(fake),
        .clock = &rig.clock.clock, .random = 77, .call_ms = CALL_MS, .gone = gone,
        .threads = 1 }, &e);
}

static int
make(struct vrv_restore *r)
{
    int rc = vrv_restore_make(r, &rig.o, &e);

    return rc == 0 ? vrv_engine_restored(&rig.o, &e) : rc;
}

static uint64_t
owner(void)
{
    uint64_t n = 0;

    IS(vrv_find_owner(&sync_, &n, &e), 0, "whose the store is");
    return n;
}

static void
goes_on(void)
{
    struct vrv_log_offsets o = offsets("t", 0);
    int32_t epoch;
    int64_t epoch_end;

    OK(o.start == 0 && o.end == cold_end && o.local_start == cold_end, "what was cold is there: %d to %d",
        (int)o.start, (int)o.end);
    IS(read_all("t", 0), cold_end, "and can be read");
    vrv_log_epoch_end(rig_log(&rig, "t", 0), 0, &epoch, &epoch_end);
    OK(o.epoch > 0 && epoch == 0 && epoch_end == cold_end, "a new epoch (%d) goes on behind it", (int)o.epoch);
    IS(offsets("plain", 0).end, 0, "what never was cold is empty");
    IS(offsets("t", 1).end, 0, "... as is a partition without records");
    for (int i = 0; i < 10; i++) {
        put("t", 0, 5);
        put("t", 1, 5);
        pass(5000);
    }
    IS(offsets("t", 0).end, cold_end + 100, "it takes records behind that");
    IS(read_all("t", 0), cold_end + 100, "which can all be read");
    OK(offsets("t", 0).local_start > cold_end, "and move to the store as before");
    IS(read_all("t", 1), 100, "so do those of a partition that was empty");
}

static void
test_anew(void)
{
    struct vrv_restore r;

    lose_server();
    IS(look(&r, true), 0, "it is found: %s", e.msg);
    OK(r.found == 1 && r.absent == 1 && r.bad == 0 && r.lacking == 0 && r.topic_n == 2,
        "one partition with records, one without");
    IS(fakestore_count(fake, "owner/"), 1, "looking changes nothing");
    IS(make(&r), 0, "it is made anew: %s", e.msg);
    IS(r.owner, 2, "as the store's second owner");
    vrv_restore_fini(&r);
    IS(owner(), 2, "... which the store says, too");
    up(3);
    pass(1000);
    goes_on();
    down();
    up(4);
    IS(read_all("t", 0), cold_end + 100, "it starts again");
    finish();
}

/* Whose the store is, is told by names. */
static void
test_unread_owner(void)
{
    struct vrv_restore r;
    const char *key = "owner/00000000000000000001";

    lose_server();
    delete(key);
    IS(vrv_sync_put(&sync_, key, "damaged", 7, true, &e), 0, "its owner's file can't be read any more");
    IS(look(&r, true), 0, "a server is found all the same");
    fakestore_damage(fake, "owner/");
    IS(make(&r), VRV_E_CORRUPT, "a claim that is damaged on its way makes none: %s", e.msg);
    vrv_restore_fini(&r);
    fakestore_damage(fake, NULL);
    IS(look(&r, true), 0, "it is found again");
    IS(make(&r), 0, "and made anew: %s", e.msg);
    IS(r.owner, 3, "under the next number");
    vrv_restore_fini(&r);
    up(3);
    pass(1000);
    goes_on();
    finish();
}

/* What the server that is lost has sent, and what comes late. */
static void
test_late_root(void)
{
    struct vrv_restore r;
    struct vrv_manifest m;
    char key[VRV_STORE_KEY_MAX + 1];
    size_t n;

    lose_server();
    IS(look(&r, true), 0, "a server is found");
    vrv_manifest_copy(&m, &r.part[0].f.m);
    uint64_t seen = m.version++;
    uint8_t *bytes = vrv_manifest_write(&m, &n);
    vrv_parts_root_key(&t0, seen + 1, key);
    IS(vrv_sync_put(&sync_, key, bytes, n, true, &e), 0, "a manifest of it comes late");
    IS(make(&r), 0, "the server is made anew: %s", e.msg);
    IS(r.part[0].f.m.version, seen + 2, "behind that");
    free(bytes);
    vrv_restore_fini(&r);

    m.version = seen + 2;
    bytes = vrv_manifest_write(&m, &n);
    vrv_parts_root_key(&t0, seen + 2, key);
    IS(vrv_sync_put(&sync_, key, bytes, n, true, &e), VRV_E_EXISTS,
        "one that comes even later finds its name taken");
    free(bytes);
    vrv_manifest_fini(&m);
    vrv_parts_root_key(&(struct vrv_log_id){ t0.topic, 1 }, 1, key);
    IS(vrv_sync_put(&sync_, key, "x", 1, true, &e), VRV_E_EXISTS, "... also of a partition that had none");
    up(3);
    pass(1000);
    goes_on();
    finish();
}

static void
test_not_empty(void)
{
    struct vrv_restore r;

    fill();
    down();
    IS(look(&r, true), 0, "a server is found");
    IS(make(&r), VRV_E_FOREIGN, "a data directory in use is refused: %s", e.msg);
    vrv_restore_fini(&r);
    IS(owner(), 1, "the store is still that server's");
    up(3);
    IS(read_all("t", 0), end_, "and nothing has happened to it");
    finish();
}

/* ... with a record of so many bytes, that doesn't shrink. */
static void
put_large_marker(int64_t ms, bool last, uint32_t value_n)
{
    uint8_t *value = vrv_mem_zero(value_n + 1);
    struct vrv_marker_record record = { (const uint8_t *)"k", value, 1, value_n };
    struct vrv_marker m = { .owner = 1, .ms = ms, .silent_ms = MINUTE_MS, .last = last, .record = &record,
        .record_n = 1 };
    struct vrv_rand random = { 1 };
    char key[64];
    size_t n;

    for (uint32_t i = 0; i < value_n; i++)
        value[i] = (uint8_t)vrv_rand_next(&random);
    uint8_t *bytes = vrv_marker_write(&m, &n, NULL);
    (void)snprintf(key, sizeof(key), "marker/%013" PRId64 "-0000000000000000", ms);
    IS(vrv_sync_put(&sync_, key, bytes, n, false, &e), 0, "a newer marker");
    free(bytes);
    free(value);
}

static void
put_marker(int64_t ms, bool last)
{
    put_large_marker(ms, last, 0);
}

static void
test_alive(void)
{
    struct vrv_restore r;

    lose_server();
    int64_t now_ms = rig.clock.clock.wall_ms(&rig.clock.clock);
    IS(look(&r, false), VRV_E_LOCKED, "a server that wrote a while ago may live: %s", e.msg);
    vrv_restore_fini(&r);
    simclock_advance_ms(&rig.clock, 20 * MINUTE_MS);
    IS(look(&r, false), 0, "one that has been silent for as long as its markers say is gone");
    put_marker(now_ms, false);
    IS(make(&r), VRV_E_AGAIN, "then nothing is made of the older one: %s", e.msg);
    vrv_restore_fini(&r);
    IS(owner(), 2, "but it has lost the store");
    up(3);
    OK(rig_log(&rig, "t", 0) == NULL, "the directory is still empty");
    put_marker(now_ms + 1, true);
    IS(look(&r, false), 0, "one that has stopped is gone, as young as its marker is");
    vrv_restore_fini(&r);
    finish();
}

/* Nobody's clock need be right but the store's. */
static void
test_clocks(void)
{
    struct vrv_restore r;

    lose_server();
    fakestore_tell_ages(fake);
    put_marker(rig.clock.clock.wall_ms(&rig.clock.clock), false);
    int64_t now_ms = rig.clock.clock.wall_ms(&rig.clock.clock);
    simclock_set_wall_ms(&rig.clock, now_ms + 60 * MINUTE_MS);
    IS(look(&r, false), VRV_E_LOCKED, "where our clock is an hour ahead, a server that lives still does: %s", e.msg);
    vrv_restore_fini(&r);
    IS(look(&r, true), 0, "... unless we say that it doesn't");
    vrv_restore_fini(&r);
    simclock_set_wall_ms(&rig.clock, now_ms - 60 * MINUTE_MS);
    simclock_advance_ms(&rig.clock, MINUTE_MS + 1000);
    IS(look(&r, false), 0, "where it is an hour behind, one that is gone still is");
    vrv_restore_fini(&r);
    up(3);
    finish();
}

/* A directory on a file server whose clock isn't ours. */
static void
test_file_times(void)
{
    struct vrv_restore r;

    lose_server();
    fakestore_tell_times(fake, 60 * MINUTE_MS);
    put_marker(rig.clock.clock.wall_ms(&rig.clock.clock), false);
    IS(look(&r, false), VRV_E_LOCKED, "where files seem an hour older than they are, a server that lives still does: %s", e.msg);
    vrv_restore_fini(&r);
    simclock_advance_ms(&rig.clock, 2 * MINUTE_MS);
    IS(look(&r, false), 0, "... as long as it isn't silent");
    vrv_restore_fini(&r);
    fakestore_tell_times(fake, 0);
    put_marker(rig.clock.clock.wall_ms(&rig.clock.clock) - 60 * MINUTE_MS, false);
    IS(look(&r, false), VRV_E_LOCKED, "so does one whose own clock is an hour behind");
    vrv_restore_fini(&r);
    up(3);
    finish();
}

static void
put_damaged_marker(int64_t ms)
{
    char key[VRV_MARKER_KEY];

    vrv_marker_key(ms, 0, key);
    IS(vrv_sync_put(&sync_, key, "damaged", 7, false, &e), 0, "a newer marker, of no use");
}

/* Who wrote what can't be read may live; what is taken is the one before. */
static void
test_damaged_marker(bool tells_ages)
{
    struct vrv_restore r;

    lose_server();
    if (tells_ages)
        fakestore_tell_ages(fake);
    simclock_advance_ms(&rig.clock, 20 * MINUTE_MS);
    IS(look(&r, false), 0, "a server that was silent is gone");
    char good[VRV_STORE_KEY_MAX + 1];
    (void)snprintf(good, sizeof(good), "%s", r.marker.key);
    vrv_restore_fini(&r);
    int64_t now_ms = rig.clock.clock.wall_ms(&rig.clock.clock);
    put_damaged_marker(now_ms);
    IS(look(&r, false), VRV_E_LOCKED, "... unless a newer marker can't be read: %s", e.msg);
    OK(strstr(e.msg, "wrote to this store 0 s ago") != NULL, "... which is as young as it is");
    vrv_restore_fini(&r);
    simclock_advance_ms(&rig.clock, 20 * MINUTE_MS);
    IS(look(&r, false), 0, "until that is old, too");
    IS_STR(r.marker.key, good, "what is taken is the one before");
    OK(r.marker.passed.n == 1 && strstr(r.marker.passed.why.msg, "marker/") != NULL, "... which is said: %s",
        r.marker.passed.why.msg);
    delete(r.marker.newest);
    put_marker(now_ms + 1, false);
    IS(make(&r), VRV_E_AGAIN, "its server leaves another one: nothing is made of the older one: %s", e.msg);
    vrv_restore_fini(&r);
    now_ms = rig.clock.clock.wall_ms(&rig.clock.clock);
    put_marker(now_ms, true);
    IS(look(&r, false), 0, "a server that has stopped is gone");
    vrv_restore_fini(&r);
    put_damaged_marker(now_ms + 1);
    IS(look(&r, false), VRV_E_LOCKED, "... unless it began again: %s", e.msg);
    vrv_restore_fini(&r);
    simclock_advance_ms(&rig.clock, 2 * MINUTE_MS);
    IS(look(&r, false), 0, "... and fell silent");
    vrv_restore_fini(&r);
    up(3);
    finish();
}

/* A large marker takes a slow line longer than any call has. */
static void
test_large(void)
{
    struct vrv_restore r;

    lose_server();
    put_large_marker(rig.clock.clock.wall_ms(&rig.clock.clock), false, 1000000);
    simclock_advance_ms(&rig.clock, 2 * MINUTE_MS);
    IS(look(&r, false), VRV_E_LOCKED, "a server whose markers are large may still be about to write one: %s", e.msg);
    vrv_restore_fini(&r);
    simclock_advance_ms(&rig.clock, 2 * MINUTE_MS);
    IS(look(&r, false), 0, "... but not for ever");
    vrv_restore_fini(&r);
    up(3);
    finish();
}

/* The one that was lost comes back, and finds that out. */
static void
test_comes_back(void)
{
    struct vrv_restore r;
    struct simdisk *mine;
    struct vrv_tier_state state;

    fill();
    crash(2);
    mine = rig.disk;
    rig.disk = simdisk_new(99);
    rig.o.vfs = simdisk_vfs(rig.disk);
    IS(look(&r, true), 0, "a server is found");
    IS(make(&r), 0, "and made anew on another disk: %s", e.msg);
    vrv_restore_fini(&r);
    simdisk_free(&rig.disk);
    rig.disk = mine;
    rig.o.vfs = simdisk_vfs(mine);
    up(3);
    size_t had = fakestore_count(fake, "");
    for (int i = 0; i < 10; i++) {
        put("t", 0, 5);
        pass(10000);
    }
    IS(fakestore_count(fake, ""), had, "on its own disk it writes nothing to the store any more");
    vrv_tier_state(tier, &state);
    OK(!state.owned && strstr(state.owner.msg, "taken it over") != NULL, "it says why: %s", state.owner.msg);
    IS(read_all("t", 0), end_ + 100, "all that it has can be read");
    finish();
}

/* A server that has deleted a topic of which it keeps what is cold. */
static void
lose_server_that_keeps(void)
{
    fill();
    IS(rig_alter(&rig, "t", "varve.tier.on.delete=keep"), 0, "a topic may be deleted, and its cold data is kept");
    IS(vrv_engine_delete_topic(rig.eng, "t", &e), 0, "it is");
    pass(2 * MINUTE_MS);
    crash(2);
    lose_disk();
}

/* On the server that was made anew. */
static void
undelete(void)
{
    struct vrv_undelete u = { .topic = "t" };
    struct vrv_cq cq;

    up(3);
    OK(rig_log(&rig, "t", 0) == NULL, "the topic is deleted there, too");
    for (int i = 0; i < 3; i++) { /* with which deletions end */
        OK(rig_checkpoint(&rig), "a checkpoint");
        pass(1000);
    }
    (void)vrv_cq_init(&cq, 0);
    u.done.cq = &cq;
    vrv_tier_undelete(tier, &u);
    for (int i = 0; i < 50 && vrv_cq_take(&cq, 0) == NULL; i++)
        pass(250);
    IS(u.status, 0, "it can come back: %s", u.err.msg);
    vrv_cq_fini(&cq);
}

/* A deleted topic that is still kept can still come back. */
static void
test_deleted(void)
{
    struct vrv_restore r;

    lose_server_that_keeps();
    IS(look(&r, true), 0, "its server is found");
    OK(r.part_n == 1 && r.part[0].topic == NULL && r.part[0].status == 0, "with what is kept of the topic");
    IS(make(&r), 0, "and made anew: %s", e.msg);
    vrv_restore_fini(&r);
    undelete();
    lost(0, 0);
    lost(cold_end, offsets("t", 0).end);
    IS(read_all("t", 0), offsets("t", 0).end, "with what was cold of it");
    lost(0, 0);
    finish();
}

/* All that the newest manifest doesn't name by a page, and all manifests before it.  Where the pages end. */
static int64_t
delete_behind_pages(void)
{
    struct vrv_found_versions l;
    struct vrv_found f;

    VRV_ASSERT(vrv_find_partition(&sync_, &t0, 0, &f, &e) == 0 && f.m.page_n > 0 && f.m.seg_n > 0);
    int64_t end = f.m.page[f.m.page_n - 1].next;
    for (uint32_t i = 0; i < f.m.seg_n; i++)
        delete(f.m.seg[i].key);
    vrv_found_fini(&f);
    VRV_ASSERT(vrv_find_versions(&sync_, &t0, 0, &l, &e) == 0);
    for (size_t i = 0; i + 1 < l.n; i++) {
        char key[VRV_STORE_KEY_MAX + 1];

        vrv_parts_root_key(&t0, l.v[i], key);
        delete(key);
    }
    vrv_found_versions_fini(&l);
    return end;
}

/* What comes begins behind a hole, and only pages are left of the manifest before that. */
static void
test_behind_pages(void)
{
    struct vrv_restore r;

    lose_server_that_keeps();
    int64_t left = delete_behind_pages();
    IS(look(&r, true), 0, "of a deleted topic only what pages name is left");
    OK(r.part_n == 1 && r.part[0].status == 0 && r.part[0].f.m.next == left && vrv_manifest_check(&r.part[0].f.m, &e) == 0,
        "... which is found");
    IS(make(&r), 0, "its server is made anew: %s", e.msg);
    vrv_restore_fini(&r);
    undelete();
    int64_t from = offsets("t", 0).end;
    lost(0, 0);
    lost(left, from);
    put("t", 0, 20);
    pass(MINUTE_MS);
    OK(offsets("t", 0).local_start > from, "it goes on behind the hole, also into the store: %d, %d",
        (int)offsets("t", 0).local_start, (int)from);
    IS(read_all("t", 0), offsets("t", 0).end, "... and all of it can be read");
    lost(0, 0);
    finish();
}

/* What can't be read is told; the rest is made anew, and so can the server be. */
static void
test_bad(void)
{
    struct vrv_restore r;
    struct vrv_found_names l;
    char prefix[VRV_STORE_KEY_MAX + 1];

    lose_server();
    vrv_parts_prefix(&t0, 'm', prefix);
    IS(vrv_find_names(&sync_, prefix, &l, &e), 0, "its manifests are deleted by somebody");
    for (size_t i = 0; i < l.n; i++)
        delete(l.v[i].key);
    vrv_found_names_fini(&l);
    IS(look(&r, true), 0, "the server is found");
    OK(r.bad == 1 && r.part[0].status == VRV_E_CORRUPT, "but for a partition: %s", r.part[0].err.msg);
    IS(make(&r), 0, "it can be made anew without it: %s", e.msg);
    vrv_restore_fini(&r);
    up(3);
    pass(1000);
    OK(offsets("t", 0).end == 0 && offsets("t", 0).epoch > 0, "which is empty, in a new epoch");
    for (int i = 0; i < 5; i++) {
        put("t", 0, 5);
        pass(5000);
    }
    OK(read_all("t", 0) == 50 && offsets("t", 0).local_start > 0, "and goes on");
    finish();
}

/* A bit that flips on its way makes nothing older than it is, nor incomplete. */
static void
test_flips(void)
{
    struct vrv_restore r;
    int other = 0;

    lose_server();
    fakestore_fault(fake, VRV_STORE_GET, FAKE_FLIPPED, 5);
    for (int i = 0; i < 300 && fakestore_struck(fake, FAKE_FLIPPED) < 10; i++) {
        other += look(&r, true) < 0 || r.found != 1 || r.bad + r.lacking > 0 || r.marker.passed.n > 0 ||
            vrv_restore_end(&r, "t", 0) != cold_end;
        vrv_restore_fini(&r);
    }
    OK(fakestore_struck(fake, FAKE_FLIPPED) >= 10, "some of what is looked at comes damaged");
    IS(other, 0, "it is found as it is all the same");
    fakestore_heal(fake);
    up(3);
    finish();
}

int
main(void)
{
    test_anew();
    test_unread_owner();
    test_late_root();
    test_not_empty();
    test_alive();
    test_clocks();
    test_file_times();
    test_damaged_marker(false);
    test_damaged_marker(true);
    test_large();
    test_comes_back();
    test_deleted();
    test_behind_pages();
    test_bad();
    test_flips();
    return tap_done();
}
