/* Bad days of the disk: full, and failing. */
#include "t/lib/onelog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/tap.h"

enum { RESERVE = 1 << 20, BALLAST = 6 << 20 };

static uint64_t
free_bytes(void)
{
    uint64_t n = 0;
    int rc = vrv_vfs_free_bytes(rig.o.vfs, &n, &rig.e);

    return rc == 0 ? n : 0;
}

/* Capacity so that this much is free. */
static void
leave(uint64_t bytes)
{
    simdisk_capacity(rig.disk, (uint64_t)1 << 40);
    uint64_t used = ((uint64_t)1 << 40) - free_bytes();

    simdisk_capacity(rig.disk, used + bytes);
}

static void
begin_with(uint64_t reserve, const char *configs)
{
    rig_init(&rig, 1);
    rig.o.disk_reserve_bytes = reserve;
    rig_up(&rig);
    rig_topic(&rig, "t", 1, configs);
}

/* Append, with all that goes on beside, until it is refused; how many. */
static int64_t
append_until(int *why)
{
    int64_t n = 0, rc = 0;

    for (; n < 5000; n++) {
        rc = rig_put_batch(&rig, the_log(), &(struct rig_batch){ .size = 8000 });
        if (rc == VRV_E_AGAIN) { /* the WAL wants a checkpoint */
            if (!rig_checkpoint(&rig))
                break;
            rc = rig_put_batch(&rig, the_log(), &(struct rig_batch){ .size = 8000 });
        }
        if (rc < 0)
            break;
        rig_flush(&rig);
        if (n % 5 == 4)
            rig_pass(&rig, 1000);
    }
    *why = (int)rc;
    return n;
}

/* ---- full ---- */

static void
test_reserve(void)
{
    int why;

    begin_with(RESERVE, "segment.bytes=100000");
    leave(BALLAST);
    int64_t n = append_until(&why);
    IS(why, VRV_E_NOSPACE, "a disk that fills up: appends are refused");
    IS_STR(rig.e.msg, "the disk is full: appends go on when there is space again", "... says so");
    OK(n > 100, "after %d batches", (int)n);
    OK(free_bytes() + 700000 > RESERVE, "the reserve is not used up by more than what the WAL held "
        "(%d bytes are free)", (int)free_bytes());
    IS(rig_count(&rig, the_log(), 0), n, "all can be read");
    OK(rig_checkpoint(&rig), "what the WAL has still becomes segments");
    IS(rig_count(&rig, the_log(), 0), n, "... which can be read");
    leave(BALLAST);
    rig_pass(&rig, 1000);
    IS(rig_put(&rig, the_log(), "x"), n, "with space again, appends go on by themselves");
    leave(RESERVE / 2);
    rig_pass(&rig, 1000);
    IS(rig_put(&rig, the_log(), "x"), VRV_E_NOSPACE, "full again");
    IS(rig_set_start(&rig, the_log(), -1), 0, "deleting records works on a full disk");
    vrv_log_roll(the_log());
    OK(rig_checkpoint(&rig) && rig_checkpoint(&rig), "checkpoints");
    rig_pass(&rig, 1000);
    rig_pass(&rig, 1000);
    IS(rig_put(&rig, the_log(), "y"), n + 1, "and makes space by itself");
    IS(rig_close(&rig), 0, "a stop");
    rig_up(&rig);
    IS(rig_count(&rig, the_log(), n + 1), 1, "the newest is there");
    rig_fini(&rig);
}

/* Nothing was kept in reserve, or somebody else took it: even what the WAL has finds no room. */
static void
test_brim(uint64_t room)
{
    begin_with(0, "segment.bytes=100000");
    for (int i = 0; i < 20; i++)
        (void)rig_put_batch(&rig, the_log(), &(struct rig_batch){ .size = 8000 });
    leave(room);
    rig_flush(&rig);
    bool did = rig_checkpoint(&rig);
    IS(vrv_engine_error(rig.eng, &rig.e), 0, "%d bytes are left: it doesn't stop for good (%s)",
        (int)room, rig.e.msg);
    IS(rig_count(&rig, the_log(), 0), 20, "what is in the WAL only can be read");
    if (!did)
        IS(rig_put(&rig, the_log(), "x"), VRV_E_NOSPACE, "appends are refused");
    leave(BALLAST);
    rig_pass(&rig, 1000);
    IS(rig_put(&rig, the_log(), "x"), 20, "with space, they go on");
    rig_flush(&rig);
    OK(rig_checkpoint(&rig), "and a checkpoint works");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(rig_count(&rig, the_log(), 0), 21, "a crash loses nothing");
    rig_fini(&rig);
}

/* ---- closing, opening ---- */

static void
test_full_close(void)
{
    begin_with(0, "segment.bytes=100000");
    for (int i = 0; i < 20; i++)
        (void)rig_put_batch(&rig, the_log(), &(struct rig_batch){ .size = 8000 });
    leave(8192);
    int rc = rig_close(&rig);
    OK(rc == 0 || rc == VRV_E_NOSPACE, "closing with a full disk: %d (%s)", rc, rig.e.msg);
    simdisk_crash(rig.disk, SIM_DROP_ALL, 1);
    simdisk_abandon(rig.disk);
    rc = rig_open(&rig);
    OK(rc == 0 || rc == VRV_E_NOSPACE, "opening then: %d (%s)", rc, rig.e.msg);
    if (rc == 0)
        rig_crash(&rig, SIM_DROP_ALL, 1);
    leave(BALLAST);
    rig_up(&rig);
    IS(rig_count(&rig, the_log(), 0), 20, "with space, all is there");
    rig_fini(&rig);
}

/* A reserve that is used up keeps nobody from stopping in order, however long a sync takes. */
static void
test_reserve_close(void)
{
    begin_with(RESERVE, "flush.policy=none");
    for (int i = 0; i < 20; i++)
        (void)rig_put_batch(&rig, the_log(), &(struct rig_batch){ .size = 8000 });
    leave(RESERVE);
    rig_pass(&rig, 1000);
    IS(rig_put(&rig, the_log(), "x"), VRV_E_NOSPACE, "the reserve is used up, appends are refused");
    IS(rig_close(&rig), 0, "... but there is room for a clean stop (%s)", rig.e.msg);
    rig_up(&rig);
    OK(rig.found.clean && rig_count(&rig, the_log(), 0) == 20, "which it was");
    rig_fini(&rig);
}

/* No room at all: it says so, and doesn't try for ever. */
static void
test_brim_close(void)
{
    begin_with(0, "flush.policy=none");
    for (int i = 0; i < 20; i++)
        (void)rig_put_batch(&rig, the_log(), &(struct rig_batch){ .size = 8000 });
    leave(0);
    IS(rig_close(&rig), VRV_E_NOSPACE, "no room for a clean stop (%s)", rig.e.msg);
    leave(BALLAST);
    rig_up(&rig);
    OK(!rig.found.clean && rig_count(&rig, the_log(), 0) == 20, "with space, all is there");
    rig_fini(&rig);
}

static void
test_full_new(void)
{
    rig_init(&rig, 1);
    simdisk_capacity(rig.disk, 30000);
    IS(rig_open(&rig), VRV_E_NOSPACE, "no room for a new directory: refused (%s)", rig.e.msg);
    simdisk_capacity(rig.disk, BALLAST);
    IS(rig_open(&rig), 0, "with space, it can be made there (%s)", rig.e.msg);
    rig_fini(&rig);
}

/* ---- a failed sync ---- */

/* The n-th operation from now on fails, during appends. */
static bool
failed_at(uint64_t n, bool *hit)
{
    struct rig_call c[6];
    int acked = 3;
    bool ok = true;

    begin_with(0, NULL);
    for (int i = 0; i < acked; i++)
        (void)rig_put(&rig, the_log(), "before");
    simdisk_fail(rig.disk, n, SIM_EIO, false);
    for (int i = 0; i < 6; i++) {
        int rc = rig_append(&rig, the_log(), &(struct rig_batch){ .value = "x" }, &c[i]);

        if (rc < 0) {
            ok &= rc == VRV_E_STOPPED && i > 0;
            break;
        }
        rig_commit(&rig);
        ok &= c[i].posted == 1 && (c[i].t.status == 0 || c[i].t.status == VRV_E_STOPPED);
        acked += c[i].t.status == 0;
    }
    *hit = simdisk_failed(rig.disk) > 0;
    ok &= (vrv_engine_error(rig.eng, &rig.e) != 0) == *hit;
    ok &= rig_count(&rig, the_log(), 0) == acked;
    ok &= !*hit || (rig_append(&rig, the_log(), &(struct rig_batch){ .value = "x" }, &c[0]) ==
                           VRV_E_STOPPED &&
                       rig_close(&rig) == VRV_E_STOPPED);
    rig_crash(&rig, SIM_DROP_ALL, n);
    rig_up(&rig);
    int64_t there = rig_count(&rig, the_log(), 0);
    ok &= there >= acked && rig_put(&rig, the_log(), "after") == there;
    rig_fini(&rig);
    return ok;
}

static void
test_failed(void)
{
    bool hit = true;
    uint64_t n = 1, bad = 0;

    for (; hit; n++)
        if (!failed_at(n, &hit))
            bad = n;
    OK(n > 8, "%d places where an operation of an append can fail", (int)n - 2);
    IS(bad, 0, "each stops the engine, reads go on, and a restart has what was acknowledged");
}

/* The sync of a checkpoint. */
static void
test_failed_checkpoint(void)
{
    int stopped = 0, bad = 0;

    for (uint64_t n = 1; n < 200; n++) {
        begin_with(0, "segment.bytes=20000");
        for (int i = 0; i < 8; i++)
            (void)rig_put_batch(&rig, the_log(), &(struct rig_batch){ .size = 8000 });
        simdisk_fail(rig.disk, n, SIM_EIO, false);
        rig_flush(&rig);
        (void)rig_checkpoint(&rig);
        bool hit = simdisk_failed(rig.disk) > 0;
        bool error = vrv_engine_error(rig.eng, &rig.e) != 0;
        stopped += error;
        if (error && rig_put(&rig, the_log(), "x") != VRV_E_STOPPED)
            bad++;
        simdisk_fail(rig.disk, 0, SIM_EIO, false);
        rig_crash(&rig, SIM_DROP_ALL, n);
        rig_up(&rig);
        bad += rig_count(&rig, the_log(), 0) != 8;
        rig_fini(&rig);
        if (!hit)
            break;
    }
    OK(stopped > 5, "%d failures in a checkpoint stop the engine", stopped);
    IS(bad, 0, "appends are refused then, and nothing is lost");
}

/* Checkpoint steps until there are no more for now. */
static void
steps(void)
{
    uint64_t before = vrv_engine_checkpoints(rig.eng);

    do
        rig_commit(&rig);
    while (vrv_engine_checkpoint_step(rig.eng) && vrv_engine_checkpoints(rig.eng) == before);
}

/* A checkpoint that began early seals two segments, and the n-th operation finds no room.  Before
 * it is tried again one of them is deleted, whose record its old states still need. */
static bool
full_before_deletion(uint64_t n, bool *struck)
{
    begin_with(0, "segment.bytes=10000");
    (void)rig_put(&rig, the_log(), "x");
    vrv_engine_want_checkpoint(rig.eng);
    (void)vrv_engine_checkpoint_step(rig.eng);
    for (int i = 0; i < 4; i++)
        (void)rig_put_batch(&rig, the_log(), &(struct rig_batch){ .size = 6000 });
    simdisk_fail(rig.disk, n, SIM_ENOSPC, false);
    steps();
    *struck = simdisk_failed(rig.disk) > 0;
    simdisk_fail(rig.disk, 0, SIM_ENOSPC, false);
    int rc = rig_set_start(&rig, the_log(), 3);
    bool ok = rc == 0 || rc == VRV_E_STOPPED; /* by a sync without room */
    rig_pass(&rig, 1000);
    steps();
    rig_crash(&rig, SIM_DROP_ALL, n);
    ok &= rig_open(&rig) == 0 && rig_count(&rig, the_log(), 3) == 2;
    if (!ok)
        tap_note("operation %d: %s", (int)n, rig.e.msg);
    rig_fini(&rig);
    return ok;
}

static void
test_full_before_deletion(void)
{
    int hit = 0, bad = 0;

    for (bool struck = true; struck; hit += struck)
        bad += !full_before_deletion((uint64_t)hit + 1, &struck);
    OK(hit > 3, "%d times there is no room for an operation of a checkpoint", hit);
    IS(bad, 0, "and segments are deleted before it goes on: the engine opens, nothing is lost");
}

/* ---- memory goes back ---- */

static size_t
kept_for_reuse(void)
{
    struct vrv_slab_pool *pool = vrv_engine_env(rig.eng)->pool;

    vrv_lock(&pool->lock);
    size_t n = pool->free_bytes;
    vrv_unlock(&pool->lock);
    return n;
}

/* What a burst took is kept while appends go on, and given back when they pause. */
static void
test_idle(void)
{
    rig_init(&rig, 1);
    rig_up(&rig);
    rig_topic(&rig, "burst", 1, NULL);
    rig_topic(&rig, "t", 1, NULL);
    for (int i = 0; i < 40; i++)
        (void)rig_put_batch(&rig, rig_log(&rig, "burst", 0), &(struct rig_batch){ .size = 20000 });
    OK(rig_checkpoint(&rig), "a burst, all of it written");
    IS(vrv_engine_delete_topic(rig.eng, "burst", &rig.e), 0, "and not needed any more");
    rig_flush(&rig);
    size_t kept = kept_for_reuse();
    OK(kept >= 2 * VRV_SLAB_BYTES, "its memory is kept for reuse (%zu bytes)", kept);
    rig_pass(&rig, 1000);
    (void)rig_put(&rig, rig_log(&rig, "t", 0), "a");
    rig_pass(&rig, 1000);
    IS(kept_for_reuse(), kept, "while something is appended now and then");
    rig_pass(&rig, 1000);
    IS(kept_for_reuse(), 0, "and goes back to the system when nothing is");
    (void)rig_put(&rig, rig_log(&rig, "t", 0), "b");
    (void)rig_reads(&rig, rig_log(&rig, "t", 0), 0, "0:a 1:b ", "it goes on");
    rig_fini(&rig);
}

int
main(void)
{
    test_reserve();
    test_brim(0);
    test_brim(4096);
    test_brim(40000);
    test_brim(100000);
    test_full_close();
    test_reserve_close();
    test_brim_close();
    test_full_new();
    test_failed();
    test_failed_checkpoint();
    test_full_before_deletion();
    test_idle();
    return tap_done();
}
