/*
 * Segments go to a store, by a store that misbehaves, and are read from there as they were: what is in the
 * manifest is what was sealed, once; what it names is there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/assert.h"
#include "t/lib/coldlog.h"
#include "t/lib/tap.h"

enum { LARGE = 1 << 20 };

/* ---- the world ---- */

static void
begin_tier(uint64_t seed)
{
    coldlog_begin(seed, 1, "segment.bytes=1000 retention.ms=-1", NULL);
}

static void
put(int segments)
{
    coldlog_put(the_log(), segments);
}

static void
drop(int64_t offset)
{
    coldlog_drop(the_log(), offset);
    rig_pass(&rig, 1000);
}

/* A segment is moved: did that take memory, no more than it has, and give it back? */
static bool
held_by_move(void)
{
    uint64_t most = 0;

    if (!tierrig_move(&tier, the_log()))
        return false;
    while (tier.move != NULL && (tierrig_step(&tier) || tierrig_wait(&tier)))
        most = tier.held > most ? tier.held : most;
    return most > 400 && most < 4000 && tier.held == 0;
}

/* ---- reading ---- */

/* Reads at an offset, wherever it is; the status, r has what was found. */
static int
read_at(struct vrv_read *r)
{
    int rc = vrv_read(the_log(), r, &rig.e);

    return rc == VRV_READ_COLD ? coldlog_fetch(the_log(), r) : rc;
}

/* Batches from an offset on, to the end: each two records, each with its number. */
static int64_t
read_all(int64_t from, size_t max_bytes)
{
    char want[201];

    while (from < offsets().end) {
        struct vrv_read r = { .offset = from, .max_bytes = max_bytes, .whole_first = true };
        int rc = read_at(&r);

        if (rc == 0)
            rc = vrv_read_load(the_log(), &r, true, &rig.e);
        if (rc < 0 || r.slice_n == 0)
            return rc < 0 ? rc : -2000;
        for (uint32_t i = 0; i < r.slice_n; i++) {
            struct vrv_batch b;

            for (size_t at = 0; at < r.slice[i].n; at += b.size) {
                const uint8_t *p = r.slice[i].bytes + at;

                (void)snprintf(want, sizeof(want), "%0200" PRId64, from);
                if (vrv_batch_read(&b, p, r.slice[i].n - at, NULL) < 0 || b.base_offset != from ||
                    vrv_batch_check_crc(p, &b, NULL) < 0 || memmem(p, b.size, want, 200) == NULL)
                    return -3000;
                from = vrv_batch_last_offset(&b) + 1;
            }
        }
        vrv_read_fini(&r);
    }
    return from;
}

/* ---- tests ---- */

static void
test_there_and_back(void)
{
    begin_tier(1);
    put(8);
    int64_t all = offsets().end;
    OK(held_by_move(), "a segment on its way takes memory, and gives it back");
    IS(tierrig_offload(&tier, the_log()), 0, "sealed segments are moved %s", tier.e.msg);
    IS(tierrig_end(&tier, the_log()), all, "all of them");
    IS((int64_t)fakestore_objects(fake), 17, "to one object each, a root each, and a page");
    drop(20);
    coldlog_restart(2);
    put(1);
    IS(read_all(0, LARGE), all + 4, "they are read back, over the seam");
    IS(read_all(0, 1), all + 4, "... batch by batch");
    IS(tierrig_offload(&tier, the_log()), 0, "after a restart it goes on");
    IS(tierrig_end(&tier, the_log()), all + 4, "... where it was");
    IS((int64_t)fakestore_objects(fake), 19, "nothing is written twice");
    struct vrv_read r = { .offset = 4, .max_bytes = LARGE, .whole_first = true };
    IS(read_at(&r), 0, "a read of what is cold");
    drop(all + 4);
    IS(rig_close(&rig), 0, "an engine can stop while its bytes are in use");
    vrv_read_fini(&r);
    coldlog_end();
}

/* Whatever the store does, for a while. */
static void
test_storms(void)
{
    int bad = 0, late = 0;

    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct vrv_rand rnd = { seed };

        begin_tier(seed);
        put(6);
        for (int i = 0; i < FAKE_FAULTS; i++)
            if (vrv_rand_below(&rnd, 3) == 0)
                fakestore_fault(fake, VRV_STORE_OPS, (enum fakestore_fault)i,
                    (unsigned)vrv_rand_below(&rnd, 40));
        for (int i = 0; i < 5; i++)
            (void)tierrig_offload(&tier, the_log());
        late += tierrig_end(&tier, the_log()) < 24;
        fakestore_heal(fake);
        for (int i = 0; i < 3 && tierrig_end(&tier, the_log()) < 24; i++)
            (void)tierrig_offload(&tier, the_log());
        if (tierrig_end(&tier, the_log()) != 24) {
            OK(false, "seed %" PRIu64 ": all is moved when the store is well again: %d %s", seed,
                tier.status, tier.e.msg);
            bad++;
        }
        drop(24);
        coldlog_restart(seed);
        if (read_all(0, LARGE) != 24) {
            OK(false, "seed %" PRIu64 ": and read", seed);
            bad++;
        }
        coldlog_end();
    }
    IS(bad, 0, "100 storms (%d of them held it up): all is moved, and read, in the end", late);
}

/* One batch of an idempotent producer: its offset, or why it wasn't taken. */
static int64_t
put_by(int32_t seq)
{
    return rig_put_batch(&rig, the_log(), &(struct rig_batch){ .value = "x", .records = 2,
        .producer = true, .producer_id = 7, .producer_epoch = 1, .seq = seq });
}

/* A producer, and the epochs of a log, are known though all of their records have left this disk. */
static void
test_state(void)
{
    int32_t epoch;
    int64_t at;

    begin_tier(1);
    IS(put_by(0), 0, "a batch of an idempotent producer");
    IS(put_by(2), 2, "and the next");
    vrv_log_set_epoch(the_log(), 3);
    put(4);
    IS(tierrig_offload(&tier, the_log()), 0, "segments are moved %s", tier.e.msg);
    drop(20);
    for (int i = 0; i < 2; i++) {
        IS(put_by(2), 2, "what it sends again was there: it is told where");
        IS(put_by(6), VRV_E_SEQUENCE, "a gap is seen");
        vrv_log_epoch_end(the_log(), 0, &epoch, &at);
        OK(epoch == 0 && at == 4, "the epoch in which its batches were written ends where it did");
        vrv_log_epoch_end(the_log(), 3, &epoch, &at);
        OK(epoch == 3 && at == 20, "the newest ends with the log");
        if (i == 0)
            coldlog_restart(2);
    }
    IS(put_by(4), 20, "it goes on, behind what is cold");
    coldlog_end();
}

/* What a manifest names and the store hasn't is said so, and tried again: it is no damage, and no end of the
 * log. */
static void
test_missing(void)
{
    struct vrv_read r = { .offset = 0, .max_bytes = LARGE };

    begin_tier(1);
    put(4);
    IS(tierrig_offload(&tier, the_log()), 0, "segments are moved %s", tier.e.msg);
    drop(16);
    coldlog_restart(2);
    fakestore_fault(fake, VRV_STORE_GET, FAKE_MISSING, 100);
    IS(read_at(&r), VRV_E_IO, "a manifest is missing: %s", rig.e.msg);
    OK(strstr(rig.e.msg, "m/") != NULL && strstr(rig.e.msg, "not in the store any more") != NULL,
        "... which is said, with its name");
    fakestore_heal(fake);
    simclock_advance_ms(&rig.clock, 2 * TIERRIG_AGAIN_MS);
    IS(tierrig_end(&tier, the_log()), 16, "it is there again, and is read");
    fakestore_fault(fake, VRV_STORE_GET, FAKE_MISSING, 100);
    IS(read_at(&r), VRV_E_IO, "a segment is missing: %s", rig.e.msg);
    OK(strstr(rig.e.msg, "d/") != NULL && strstr(rig.e.msg, "not in the store any more") != NULL,
        "... which is said, with its name");
    fakestore_heal(fake);
    simclock_advance_ms(&rig.clock, 2 * TIERRIG_AGAIN_MS);
    IS(read_all(0, LARGE), 16, "all is there again, and is read");
    coldlog_end();
}

/* A bit that flips on its way is no reason for an error that ends a consumer: it is right the next time. */
static void
test_flips(void)
{
    struct vrv_read r = { .offset = 0, .max_bytes = LARGE };
    int bad = 0;

    begin_tier(1);
    put(4);
    IS(tierrig_offload(&tier, the_log()), 0, "segments are moved %s", tier.e.msg);
    drop(16);
    fakestore_fault(fake, VRV_STORE_GET, FAKE_FLIPPED, 5);
    for (int i = 0; i < 200 && fakestore_struck(fake, FAKE_FLIPPED) < 10; i++) {
        coldlog_restart(2 + (uint64_t)i);
        bad += read_all(0, LARGE) != 16;
    }
    OK(fakestore_struck(fake, FAKE_FLIPPED) >= 10 && bad == 0, "what comes damaged is read again, and nobody notices");
    coldlog_restart(1000);
    IS(read_all(0, LARGE), 16, "all is read");
    coldlog_restart(1001);
    uint64_t asked = fakestore_attempts(fake, VRV_STORE_GET);
    fakestore_fault(fake, VRV_STORE_GET, FAKE_FLIPPED, 100);
    IS(read_at(&r), VRV_E_CORRUPT, "what always does is said to be: %s", rig.e.msg);
    IS((int64_t)(fakestore_attempts(fake, VRV_STORE_GET) - asked), 3, "... when it did three times");
    coldlog_end();
}

/* What doesn't continue the manifest isn't uploaded to find that out. */
static void
test_continues(void)
{
    struct vrv_cold_seg last = { .base = 0, .next = 10 };
    struct vrv_manifest from = { .next = 10, .seg = &last, .seg_n = 1 };
    struct vrv_seg s = { .base = 12 };
    struct vrv_move m = { .seg = &s, .from = &from };
    struct vrv_err e;

    IS(vrv_move_check(&m, &e), VRV_E_CONFLICT, "there would be a hole: %s", e.msg);
    m.bridges = true;
    IS(vrv_move_check(&m, &e), 0, "... unless nothing ever was there");
    s.base = 8;
    IS(vrv_move_check(&m, &e), VRV_E_CONFLICT, "or something twice");
    m.start = 10;
    IS(vrv_move_check(&m, &e), 0, "... unless all of the manifest is deleted");
    m.start = 0;
    s.base = 10;
    IS(vrv_move_check(&m, &e), 0, "what continues it may go");
    m.from = NULL;
    IS(vrv_move_check(&m, &e), 0, "as what is the first");
}

int
main(void)
{
    test_continues();
    test_there_and_back();
    test_missing();
    test_flips();
    test_state();
    test_storms();
    return tap_done();
}
