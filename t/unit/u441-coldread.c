/*
 * Records that left this disk: dropping local segments, reading across the seam, and what comes
 * back from a cold tier that is slow, broken or wrong.
 */
#include "engine/reader/fetch.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/batch/record.h"
#include "t/lib/cut.h"
#include "t/lib/offload.h"
#include "t/lib/onelog.h"
#include "t/lib/tap.h"

static struct vrv_cold *cold;
static struct vrv_cq cq; /* of fetches */

/* Two batches of two records each per segment. */
enum { PER_BATCH = 2, PER_SEGMENT = 4 };

static void
begin_cold(void)
{
    rig_init(&rig, 1);
    (void)vrv_cq_init(&cq, 0);
    cold = fakecold_new(&(struct fakecold_opts){ .seed = 1, .delay_max = 4, .chunk_batches = 3,
        .cache_chunks = 2 });
    rig.o.cold = cold;
    rig_up(&rig);
    rig_topic(&rig, "t", 1, "segment.bytes=1000 retention.ms=-1");
}

static void
end(void)
{
    rig_fini(&rig);
    while (fakecold_step(cold))
        ;
    fakecold_free(&cold);
    vrv_cq_fini(&cq);
}

/* Values are the batch's number and zeros to a length of 200. */
static void
put(int segments)
{
    char value[201];

    for (int i = 0; i < segments * 2; i++) {
        (void)snprintf(value, sizeof(value), "%0200" PRId64, offsets().end);
        if (rig_put_batch(&rig, the_log(), &(struct rig_batch){ .value = value,
                .records = PER_BATCH, .ts = 1000 + offsets().end }) < 0)
            OK(false, "an append: %s", rig.e.msg);
    }
}

/* All but the newest segment. */
static void
seal(void)
{
    vrv_log_roll(the_log());
    bool ok = rig_checkpoint(&rig);

    if (!ok || !rig_checkpoint(&rig))
        OK(false, "checkpoints");
}

static int
drop(int64_t offset)
{
    struct rig_call c = { .t.done.cq = &rig.cq };

    rig.e = (struct vrv_err){ 0 };
    int rc = vrv_log_drop_local(the_log(), offset, &c.t, &rig.e);
    if (rc < 0)
        return rc;
    rig_commit(&rig);
    VRV_ASSERT(c.posted == 1);
    return c.t.status;
}

/* What is still in memory is read there: after this nothing is. */
static void
restart(void)
{
    IS(rig_close(&rig), 0, "an orderly stop %s", rig.e.msg);
    rig_up(&rig);
}

/* Sealed, offloaded, dropped below `offset`, buried. */
static void
let_go_of(int64_t offset)
{
    seal();
    (void)offload(the_log(), cold);
    IS(drop(offset), 0, "dropped here below %d %s", (int)offset, rig.e.msg);
    rig_pass(&rig, 1000);
}

static void
move_out(int64_t offset)
{
    let_go_of(offset);
    restart();
}

static int
data_files(void)
{
    return rig_files(&rig, "log", ".log");
}

/* ---- reading ---- */

static int
settle(struct vrv_fetch *f)
{
    struct vrv_done *d;

    while ((d = vrv_cq_take(&cq, 0)) == NULL && fakecold_step(cold))
        ;
    if (d != &f->done)
        return -1000;
    rig.e = f->err;
    return f->status;
}

static int
begin_fetch(struct vrv_fetch *f, struct vrv_read *r, int64_t deadline_ns)
{
    int rc = vrv_read(the_log(), r, &rig.e);

    *f = (struct vrv_fetch){ .done.cq = &cq, .read = r };
    if (rc == VRV_READ_COLD)
        vrv_fetch(the_log(), f, deadline_ns);
    return rc;
}

/* A read, whatever it takes. */
static int
read_at(struct vrv_read *r, int64_t offset, size_t max_bytes)
{
    struct vrv_fetch f;

    *r = (struct vrv_read){ .offset = offset, .max_bytes = max_bytes, .whole_first = true };
    int rc = vrv_read(the_log(), r, &rig.e);
    if (rc == 0)
        rc = vrv_read_load(the_log(), r, false, &rig.e);
    f = (struct vrv_fetch){ .done.cq = &cq, .read = r };
    if (rc != VRV_READ_COLD)
        return rc;
    vrv_fetch(the_log(), &f, INT64_MAX);
    return settle(&f);
}

/* What was read: the offset behind it; -1: something is wrong with it. */
static int64_t
behind(const struct vrv_read *r)
{
    int64_t next = r->offset - r->offset % PER_BATCH;

    for (uint32_t i = 0; i < r->slice_n; i++) {
        const struct vrv_slice *s = &r->slice[i];
        struct vrv_batch b;

        for (size_t at = 0; at < s->n && vrv_batch_read(&b, s->bytes + at, s->n - at, NULL) == 0;
             at += b.size) {
            if (b.base_offset != next || vrv_batch_check_crc(s->bytes + at, &b, NULL) < 0)
                return -1;
            next = vrv_batch_last_offset(&b) + 1;
        }
    }
    return next;
}

/* From the start to the end, in pieces; the kinds of slices met, as bits.  -1: not all. */
static int
read_through(size_t max_bytes)
{
    int64_t at = offsets().start;
    int kinds = 0;

    while (at >= 0 && at < offsets().hw) {
        struct vrv_read r;
        int64_t before = at;

        if (read_at(&r, at, max_bytes) < 0) {
            tap_note("at %" PRId64 ": %s", at, rig.e.msg);
            return -1;
        }
        for (uint32_t i = 0; i < r.slice_n; i++)
            kinds |= r.slice[i].cold != NULL ? 4 : 1;
        at = behind(&r);
        vrv_read_fini(&r);
        if (at == before)
            return -1;
    }
    return at == offsets().hw ? kinds : -1;
}

/* ---- dropping ---- */

static void
test_drop(void)
{
    begin_cold();
    put(6);
    IS(drop(4), VRV_E_RANGE, "what isn't sealed can't be dropped: %s", rig.e.msg);
    seal();
    put(1);
    IS(data_files(), 6, "six segments");
    (void)offload(the_log(), cold);
    IS(drop(29), VRV_E_RANGE, "nor what isn't there");
    IS(drop(9), 0, "dropped below an offset within the third segment %s", rig.e.msg);
    IS(offsets().local_start, 8, "it stays whole: the local start is where it begins");
    IS(offsets().start, 0, "the start stays");
    rig_pass(&rig, 1000);
    IS(data_files(), 4, "the files of two are gone");
    IS(read_through(10000), 1, "what is in memory is read there");
    restart();
    IS(read_through(10000), 5, "all can be read, here and there");
    IS(drop(4), 0, "dropping less than was dropped");
    IS(offsets().local_start, 8, "... changes nothing");
    IS(drop(27), 0, "all that is sealed, below an offset in the open segment");
    IS(offsets().local_start, 24, "which stays");
    IS(read_through(1), 5, "reading goes on before the files are gone");
    rig_pass(&rig, 1000);
    IS(data_files(), 1, "and after");
    IS(read_through(300), 5, "batch by batch");
    IS(rig_set_start(&rig, the_log(), 26), 0, "deleted up to here");
    IS(offsets().local_start, 26, "the local start is never below the start");
    end();
}

/* Of a crash before, between, and after: either it was dropped or not. */
static void
test_drop_crash(void)
{
    begin_cold();
    put(4);
    seal();
    (void)offload(the_log(), cold);
    IS(vrv_log_drop_local(the_log(), 8, NULL, &rig.e), 0, "a drop that isn't committed");
    rig_pass(&rig, 0);
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(offsets().local_start, 8, "is there once it was committed by what followed");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(offsets().local_start, 8, "... and stays");
    rig_pass(&rig, 1000);
    IS(data_files(), 2, "the files go after the restart");
    IS(read_through(10000), 5, "all can be read");
    IS(drop(12), 0, "more");
    OK(rig_checkpoint(&rig), "kept by a checkpoint, the files are still there");
    rig_crash(&rig, SIM_DROP_ALL, 2);
    rig_up(&rig);
    IS(offsets().local_start, 12, "the local start survives");
    rig_pass(&rig, 1000);
    rig_crash(&rig, SIM_KEEP_ALL, 3);
    rig_up(&rig);
    rig_pass(&rig, 1000);
    OK(rig_checkpoint(&rig), "the files went, then the records of them");
    IS(rig_close(&rig), 0, "a clean stop");
    IS(rig_keys(&rig, "seal/"), 1, "one sealed segment is on record");
    rig_up(&rig);
    IS(offsets().local_start, 12, "the local start survives");
    IS(read_through(10000), 5, "all can be read");
    end();
}

/* A checkpoint takes the log's state when the drop is on its way; the WAL goes on without it. */
static void
test_drop_captured(void)
{
    begin_cold();
    put(4);
    seal();
    (void)offload(the_log(), cold);
    rig_topic(&rig, "other", 1, NULL);
    IS(vrv_log_drop_local(the_log(), 8, NULL, &rig.e), 0, "a drop");
    vrv_engine_want_checkpoint(rig.eng);
    OK(vrv_engine_checkpoint_step(rig.eng), "a checkpoint begins before it is committed");
    IS(offsets().local_start, 0, "... and counts");
    for (int i = 0; i < 3; i++)
        OK(rig_checkpoint(&rig) && rig_put(&rig, rig_log(&rig, "other", 0), "x") == i,
            "other logs go on");
    OK(rig_checkpoint(&rig), "the write-ahead log is used again");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(offsets().local_start, 8, "the local start is in the checkpoint");
    end();
}

static void
test_lost_drop(void)
{
    begin_cold();
    put(4);
    seal();
    (void)offload(the_log(), cold);
    IS(vrv_log_drop_local(the_log(), 8, NULL, &rig.e), 0, "a drop");
    IS(offsets().local_start, 0, "... counts once it is committed");
    vrv_engine_tend_step(rig.eng);
    IS(data_files(), 4, "no file goes before that");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(offsets().local_start, 0, "a crash before that: it never was");
    rig_pass(&rig, 1000);
    IS(data_files(), 4, "nothing went");
    end();
}

static void
test_no_tier(void)
{
    struct vrv_read r;

    begin_cold();
    put(4);
    move_out(8);
    IS(rig_close(&rig), 0, "closed");
    rig.o.cold = NULL;
    rig_up(&rig);
    IS(read_at(&r, 8, 10000), 0, "opened without a cold tier: what is here is served");
    vrv_read_fini(&r);
    IS(read_at(&r, 7, 10000), VRV_E_IO, "what isn't: %s", rig.e.msg);
    IS(drop(12), VRV_E_INVALID, "nothing can be dropped: %s", rig.e.msg);
    struct vrv_read_found found;
    IS(vrv_read_time(the_log(), 0, INT64_MAX, &found, &rig.e), VRV_E_IO,
        "a time that may be there can't be looked up");
    end();
}

/* ---- fetching ---- */

static void
test_limits(void)
{
    struct vrv_fetch f;
    struct vrv_read r;

    begin_cold();
    put(4);
    move_out(12);
    IS(read_at(&r, 1, 1), 0, "an offset within a batch, one byte");
    IS(behind(&r), 2, "the first batch comes whole");
    IS(r.slice[0].kind, VRV_SLICE_COLD, "from the cold tier");
    OK(r.start == 0 && r.hw == 16 && r.end == 16, "the read says the log's offsets");
    size_t one = r.bytes;
    vrv_read_fini(&r);
    IS(read_at(&r, 1, 2 * one), 0, "two fit");
    IS(behind(&r), 4, "two come");
    vrv_read_fini(&r);
    fakecold_lie(cold, FAKECOLD_MORE);
    IS(read_at(&r, 1, 2 * one), 0, "a tier gives more than was asked for");
    IS(behind(&r), 4, "two come");
    IS(r.bytes, 2 * one, "... and no more is said");
    vrv_read_fini(&r);
    fakecold_lie(cold, FAKECOLD_TRUE);
    r = (struct vrv_read){ .offset = 6, .max_bytes = one - 1 };
    IS(begin_fetch(&f, &r, INT64_MAX), VRV_READ_COLD, "a first batch that isn't wanted whole");
    IS(settle(&f), 0, "is no error");
    OK(r.slice_n == 0 && r.bytes == 0 && r.more, "but doesn't come");
    IS(vrv_read(the_log(), &r, &rig.e), 0, "nor when it is in memory");
    OK(r.slice_n == 0 && r.bytes == 0 && r.more, "... where it is now");
    vrv_read_fini(&r);
    end();
}

/* The kinds of the slices of one read, as letters. */
static const char *
kinds_of(const struct vrv_read *r)
{
    static char text[VRV_READ_SLICES + 1];

    for (uint32_t i = 0; i < r->slice_n; i++)
        text[i] = "mfc"[r->slice[i].kind];
    text[r->slice_n] = '\0';
    return text;
}

static const char *
kinds_at(int64_t offset, size_t max_bytes, int64_t *next)
{
    struct vrv_read r = { .offset = offset, .max_bytes = max_bytes };
    int rc = vrv_read(the_log(), &r, &rig.e);
    const char *kinds = rc == VRV_READ_COLD ? "cold" : rc < 0 ? rig.e.msg : kinds_of(&r);

    if (rc == 0)
        rc = vrv_read_load(the_log(), &r, false, &rig.e);
    *next = rc == 0 ? behind(&r) : -1;
    OK(rc != 0 || r.more == (*next < offsets().hw), "a read says whether there is more");
    OK(r.bytes <= max_bytes, "... and keeps its limit");
    vrv_read_fini(&r);
    return kinds;
}

/* Twelve offsets are cold, twelve in files, the last ones in memory. */
static void
test_seam(void)
{
    enum { LARGE = 100000 };
    struct vrv_read r;
    int64_t next;

    begin_cold();
    put(6);
    move_out(12);
    put(2);
    IS_STR(kinds_at(0, LARGE, &next), "cold", "what is cold must be fetched first");
    IS(read_at(&r, 0, LARGE), 0, "it is");
    IS(behind(&r), 6, "... a chunk at a time");
    size_t batch = r.bytes / 3;
    IS_STR(kinds_at(2, LARGE, &next), "c", "what came with it is there now; it ends");
    IS(next, 6, "... where it isn't");
    vrv_read_fini(&r);
    IS(read_at(&r, 6, 1), 0, "the next chunk");
    IS_STR(kinds_at(0, LARGE, &next), "ccfffm", "one read goes from the cold tier to files to memory");
    IS(next, offsets().hw, "up to the last record");
    IS_STR(kinds_at(0, 4 * batch, &next), "cc", "a limit within the cold tier");
    IS(next, 8, "... holds");
    IS_STR(kinds_at(0, 6 * batch, &next), "cc", "at its end");
    IS(next, 12, "... too");
    IS_STR(kinds_at(0, 7 * batch - 1, &next), "cc", "one byte short of a batch in a file: none of it");
    IS_STR(kinds_at(0, 7 * batch, &next), "ccf", "that batch fits");
    IS(next, 14, "... and comes");
    IS_STR(kinds_at(22, 3 * batch, &next), "fm", "from a file to memory");
    IS(next, 28, "... within the limit");
    simdisk_nowait(rig.disk, 100);
    vrv_read_fini(&r);
    r = (struct vrv_read){ .offset = 6, .max_bytes = LARGE, .flags = VRV_READ_NOWAIT };
    IS(vrv_read(the_log(), &r, &rig.e), 0, "for one who doesn't wait for the disk");
    OK(strcmp(kinds_of(&r), "c") == 0 && r.more, "... it ends before the file");
    vrv_read_fini(&r);
    simdisk_nowait(rig.disk, 0);
    fakecold_lie(cold, FAKECOLD_FLIPPED);
    IS(vrv_read(the_log(), &r, &rig.e), VRV_E_CORRUPT, "what is wrong at its beginning is told: %s",
        rig.e.msg);
    fakecold_lie(cold, FAKECOLD_TRUE);
    end();
}

static void
test_wrong_answers(void)
{
    static const struct {
        enum fakecold_lie lie;
        const char *what;
    } lies[] = { { FAKECOLD_FLIPPED, "a flipped bit" }, { FAKECOLD_CUT, "a batch cut short" },
        { FAKECOLD_EMPTY, "no bytes" }, { FAKECOLD_BEFORE, "what lies before" },
        { FAKECOLD_TWICE, "a batch twice" } };
    struct vrv_read_found found;
    struct vrv_read r;

    begin_cold();
    put(4);
    move_out(12);
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        fakecold_lie(cold, lies[i].lie);
        IS(read_at(&r, 4, 10000), VRV_E_CORRUPT, "%s: %s", lies[i].what, rig.e.msg);
        IS(r.slice_n, 0, "... nothing is served");
        vrv_read_fini(&r);
    }
    fakecold_lie(cold, FAKECOLD_NONE);
    IS(read_at(&r, 4, 10000), VRV_E_IO, "no such batch: %s", rig.e.msg);
    fakecold_lie(cold, FAKECOLD_BEFORE);
    fakecold_thread(cold, true);
    IS(vrv_read_time(the_log(), 1004, INT64_MAX, &found, &rig.e), VRV_E_CORRUPT,
        "a look-up gets an older batch: %s", rig.e.msg);
    fakecold_thread(cold, false);
    fakecold_lie(cold, FAKECOLD_TRUE);
    fakecold_fail(cold, VRV_E_IO);
    while (fakecold_step(cold))
        ;
    IS(read_at(&r, 8, 10000), VRV_E_IO, "the store fails: %s", rig.e.msg);
    IS(read_at(&r, 8, 10000), 0, "and works again");
    vrv_read_fini(&r);
    end();
}

/* Two engines' worth of records in one tier. */
static void
test_uncommitted(void)
{
    struct vrv_read r;

    begin_cold();
    put(4);
    move_out(8);
    struct simdisk *before = simdisk_copy(rig.disk);
    put(4);
    seal();
    (void)offload(the_log(), cold);
    rig_crash(&rig, SIM_KEEP_ALL, 1);
    simdisk_free(&rig.disk);
    rig.disk = before;
    rig.o.vfs = simdisk_vfs(before);
    simdisk_crash(before, SIM_KEEP_ALL, 1);
    rig_up(&rig);
    IS(offsets().hw, 16, "a tier that knows more than the log");
    IS(drop(16), 0, "... which has nothing of its own any more");
    IS(read_at(&r, 12, 100000), VRV_E_CORRUPT, "nothing beyond the high watermark is served: %s",
        rig.e.msg);
    IS(read_at(&r, 14, 1), 0, "what is below it is");
    vrv_read_fini(&r);
    end();
}

static void
test_cancel(void)
{
    struct vrv_fetch f, g;
    struct vrv_read r = { .offset = 0, .max_bytes = 1, .whole_first = true }, r2 = r;

    begin_cold();
    put(4);
    move_out(12);
    fakecold_hang(cold, true);
    (void)begin_fetch(&f, &r, INT64_MAX);
    vrv_fetch_cancel(the_log(), &f);
    IS(settle(&f), VRV_E_CANCELLED, "cancelled, while the store hangs");
    unsigned loads = fakecold_loads(cold);
    (void)begin_fetch(&f, &r, INT64_MAX);
    (void)begin_fetch(&g, &r2, INT64_MAX);
    vrv_fetch_cancel(the_log(), &g);
    IS(settle(&g), VRV_E_CANCELLED, "of two that ask for the same, one is cancelled");
    fakecold_hang(cold, false);
    IS(settle(&f), 0, "the other gets it");
    IS(fakecold_loads(cold), loads, "from the first load of all");
    vrv_read_fini(&r);
    end();
}

static void
test_deadline(void)
{
    struct vrv_fetch f, g, h;
    struct vrv_read r = { .offset = 0, .max_bytes = 1, .whole_first = true }, r2 = r, r3 = r;

    begin_cold();
    put(4);
    move_out(12);
    int64_t now = rig.clock.clock.mono_ns(&rig.clock.clock);
    fakecold_hang(cold, true);
    (void)begin_fetch(&f, &r, now + 2000000);
    (void)begin_fetch(&g, &r2, now + 1000000);
    (void)begin_fetch(&h, &r3, INT64_MAX);
    IS(vrv_engine_expire_step(rig.eng), now + 1000000, "the earliest deadline comes first");
    simclock_advance_ms(&rig.clock, 1);
    IS(vrv_engine_expire_step(rig.eng), now + 2000000, "then the other");
    IS(settle(&g), VRV_E_TIMEDOUT, "it comes: %s", rig.e.msg);
    fakecold_hang(cold, false);
    IS(settle(&f), 0, "one is answered in time");
    IS(settle(&h), 0, "one has no deadline");
    IS(vrv_engine_expire_step(rig.eng), INT64_MAX, "no deadline is left");
    vrv_read_fini(&r);
    vrv_read_fini(&r3);
    end();
}

struct lookup {
    pthread_t thread;
    int rc;
};

static void *
look_up(void *ctx)
{
    struct lookup *l = ctx;
    int64_t next;
    struct vrv_err e;

    l->rc = vrv_read_cold_next(the_log(), INT64_MAX, &next, &e);
    return NULL;
}

/* The store hangs, and the server is to stop: no time passes here. */
static void
test_stop(void)
{
    struct vrv_fetch f, g;
    struct vrv_read r = { .offset = 0, .max_bytes = 1, .whole_first = true }, r2 = r;
    struct lookup l;
    int64_t now;

    begin_cold();
    put(4);
    move_out(12);
    now = rig.clock.clock.mono_ns(&rig.clock.clock);
    fakecold_hang(cold, true);
    (void)begin_fetch(&f, &r, now + 30 * INT64_C(1000000000));
    (void)begin_fetch(&g, &r2, INT64_MAX);
    IS(pthread_create(&l.thread, NULL, look_up, &l), 0, "a look-up waits");
    vrv_engine_stop_fetches(rig.eng);
    (void)pthread_join(l.thread, NULL);
    IS(l.rc, VRV_E_CANCELLED, "... until the server stops");
    IS(vrv_engine_expire_step(rig.eng), INT64_MAX, "then nobody waits any more");
    IS(settle(&f), VRV_E_CANCELLED, "... who would have for a while");
    IS(settle(&g), VRV_E_CANCELLED, "... or for good");
    (void)begin_fetch(&f, &r, now + 30 * INT64_C(1000000000));
    IS(vrv_engine_expire_step(rig.eng), INT64_MAX, "nor will anybody");
    IS(settle(&f), VRV_E_CANCELLED, "... who comes later");
    look_up(&l);
    IS(l.rc, VRV_E_CANCELLED, "... whatever he asks for");
    fakecold_hang(cold, false);
    end();
}

/* The log changes while the cold tier is at work. */
static void
test_meanwhile(void)
{
    struct vrv_fetch f;
    struct vrv_read r = { .offset = 0, .max_bytes = 1, .whole_first = true };

    begin_cold();
    put(4);
    move_out(12);
    (void)begin_fetch(&f, &r, INT64_MAX);
    (void)rig_set_start(&rig, the_log(), 1);
    IS(settle(&f), VRV_E_RANGE, "its records were deleted meanwhile: %s", rig.e.msg);
    r.offset = 1;
    IS(vrv_read(the_log(), &r, &rig.e), 0, "from the start on it goes on, with what came for it");
    vrv_read_fini(&r);
    r.offset = 6;
    (void)begin_fetch(&f, &r, INT64_MAX);
    IS(vrv_engine_delete_topic(rig.eng, "t", &rig.e), 0, "the topic is deleted");
    IS(settle(&f), VRV_E_NOTFOUND, "... meanwhile: %s", rig.e.msg);
    end();
}

/* A range of a file that was given out, and the segment that it is of leaves. */
static void
test_left_range(void)
{
    struct vrv_read r = { .offset = 4, .max_bytes = 10000, .whole_first = true };

    begin_cold();
    put(4);
    seal();
    rig.o.open_files_max = 1;
    restart();
    IS(vrv_read(the_log(), &r, &rig.e), 0, "a range of a file");
    IS(r.slice[0].kind, VRV_SLICE_FILE, "is what is given out");
    struct vrv_read other;
    IS(read_at(&other, 8, 100), 0, "its file is closed, for want of handles");
    vrv_read_fini(&other);
    let_go_of(12);
    IS(vrv_read_load(the_log(), &r, false, &rig.e), VRV_READ_COLD, "the segment has left: it is read again");
    vrv_read_fini(&r);
    IS(read_at(&r, 4, 10000), 0, "and found");
    IS(r.slice[0].kind, VRV_SLICE_COLD, "... where it went");
    vrv_read_fini(&r);
    end();
}

/* ---- a disk that has lost some ---- */

/* Flip a bit of a batch in the segment's file that begins with offset 4. */
static void
damage(uint64_t batch, uint64_t byte)
{
    char path[VRV_PATH_MAX];
    struct vrv_read r;

    IS(read_at(&r, 0, 1), 0, "a batch, of all of which have the same size");
    vrv_seg_path(&the_log()->id, 4, "log", path);
    OK(simdisk_corrupt(rig.disk, path, batch * r.bytes + byte, 0x10), "damage in batch %d, byte %d",
        (int)batch, (int)byte);
    vrv_read_fini(&r);
}

/* Four segments of two batches, on this disk and in no memory; perhaps in the tier, too. */
static void
begin_sealed(bool in_tier)
{
    begin_cold();
    put(4);
    seal();
    if (in_tier)
        (void)offload(the_log(), cold);
    restart();
}

static void
test_damaged_here(void)
{
    static const uint64_t bytes[] = { 16, 200 }; /* a batch's magic; its records */
    struct vrv_read r;

    for (int i = 0; i < 4; i++) {
        uint64_t batch = i < 2 ? 0 : 1;
        int64_t bad = 4 + (int64_t)batch * PER_BATCH, good = bad == 4 ? 6 : 4;

        begin_sealed(true);
        damage(batch, bytes[i % 2]);
        IS(read_through(10000), 5, "all can be read: what is damaged here comes from the tier");
        IS(read_through(1), 5, "batch by batch, too");
        IS(read_at(&r, bad, 1), 0, "the damaged one");
        OK(r.elsewhere && r.slice[0].kind == VRV_SLICE_COLD, "... is the tier's");
        vrv_read_fini(&r);
        IS(read_at(&r, good, 1), 0, "the one beside it");
        OK(i % 2 == 0 || !r.elsewhere, "... is this disk's, where the way to it isn't damaged");
        vrv_read_fini(&r);
        end();
        begin_sealed(true);
        damage(batch, bytes[i % 2]);
        fakecold_fail(cold, VRV_E_UNREACHABLE);
        IS(read_at(&r, bad, 1), VRV_E_UNREACHABLE, "and while that is out of reach there is none");
        vrv_read_fini(&r);
        end();
    }
}

/* Without another copy it is an error, which says where. */
static void
test_damaged_only_here(void)
{
    struct vrv_read r;

    begin_sealed(false);
    damage(0, 200);
    IS(read_at(&r, 0, 10000), 0, "what lies before can be read");
    IS(behind(&r), 4, "... up to the damage");
    OK(r.more, "and there is more");
    vrv_read_fini(&r);
    IS(read_at(&r, 4, 10000), VRV_E_CORRUPT, "that is an error: %s", rig.e.msg);
    OK(strstr(rig.e.msg, "segment 4, byte 0") != NULL && r.slice_n == 0 && !r.elsewhere, "... and says where");
    IS(read_at(&r, 6, 10000), 0, "what lies behind can be read");
    vrv_read_fini(&r);
    end();
}

static void
lose_file(void)
{
    char path[VRV_PATH_MAX];

    vrv_seg_path(&the_log()->id, 4, "log", path);
    IS(vrv_vfs_unlink(simdisk_vfs(rig.disk), path, &rig.e), 0, "somebody removes a file");
}

static void
test_missing_here(void)
{
    struct vrv_read_found found;
    struct vrv_read r;

    begin_sealed(true);
    lose_file();
    IS(read_through(10000), 5, "all can be read");
    fakecold_thread(cold, true);
    IS(vrv_read_time(the_log(), 1005, INT64_MAX, &found, &rig.e), 0, "a time that is in it");
    IS(found.offset, 6, "... is found");
    IS(vrv_read_max_time(the_log(), INT64_MAX, &found, &rig.e), 0, "the newest");
    IS(found.offset, 14, "... too");
    fakecold_thread(cold, false);
    end();
    begin_sealed(false);
    lose_file();
    IS(read_at(&r, 4, 10000), VRV_E_FOREIGN, "the only copy is missing: %s", rig.e.msg);
    end();
}

/* Where a repair has cut the end of a segment consumers go on with what the tier has, not behind it. */
static void
test_cut_here(void)
{
    struct vrv_read_found found;
    struct vrv_read r;

    begin_sealed(true);
    cut_last(the_log(), 4);
    cut_last(the_log(), 8);
    IS(read_through(10000), 5, "all can be read: what was cut here comes from the tier");
    IS(read_through(1), 5, "batch by batch, too");
    IS(read_at(&r, 4, 10000), 0, "what lies before");
    OK(behind(&r) == 6 && r.more && !r.elsewhere, "... is this disk's, and there is more");
    vrv_read_fini(&r);
    IS(read_at(&r, 6, 1), 0, "what was cut");
    OK(r.elsewhere && r.slice[0].kind == VRV_SLICE_COLD, "... is the tier's");
    vrv_read_fini(&r);
    fakecold_thread(cold, true);
    IS(vrv_read_time(the_log(), 1005, INT64_MAX, &found, &rig.e), 0, "a time that is in it");
    IS(found.offset, 6, "... is found");
    IS(vrv_read_time(the_log(), 1007, INT64_MAX, &found, &rig.e), 0, "one behind it");
    IS(found.offset, 8, "... too");
    fakecold_thread(cold, false);
    end();
    begin_sealed(true);
    cut_last(the_log(), 4);
    fakecold_fail(cold, VRV_E_UNREACHABLE);
    IS(read_at(&r, 6, 1), VRV_E_UNREACHABLE, "while that is out of reach there is none");
    vrv_read_fini(&r);
    end();
    begin_sealed(false);
    cut_last(the_log(), 4);
    IS(read_at(&r, 6, 1), 0, "the only copy was cut");
    OK(r.slice_n == 1 && !r.elsewhere && r.slice[0].kind != VRV_SLICE_COLD, "... consumers have what follows");
    vrv_read_fini(&r);
    end();
}

/* The newest record was cut, or a younger one is here behind a tier that ends with what was cut. */
static void
test_cut_newest(void)
{
    struct vrv_read_found found;

    begin_cold();
    put(1);
    seal();
    (void)rig_put_batch(&rig, the_log(), &(struct rig_batch){ .value = "x", .ts = 900 });
    (void)rig_put_batch(&rig, the_log(), &(struct rig_batch){ .value = "x", .ts = 5000 });
    seal();
    (void)offload(the_log(), cold);
    put(1);
    seal();
    restart();
    cut_last(the_log(), 4);
    fakecold_thread(cold, true);
    IS(vrv_read_max_time(the_log(), INT64_MAX, &found, &rig.e), 0, "the newest record");
    IS(found.offset, 5, "... is found where it was cut here");
    IS(vrv_read_time(the_log(), 1005, INT64_MAX, &found, &rig.e), 0, "a time");
    IS(found.offset, 5, "... too");
    IS(vrv_read_time(the_log(), 5001, INT64_MAX, &found, &rig.e), 0, "a later one");
    IS(found.offset, -1, "... isn't");
    IS(rig_set_start(&rig, the_log(), 6), 0, "when that is deleted");
    IS(vrv_read_time(the_log(), 1005, INT64_MAX, &found, &rig.e), 0, "the time");
    IS(found.offset, 6, "... is found behind it");
    fakecold_thread(cold, false);
    end();
}

/* ---- look-ups ---- */

static void
test_times(void)
{
    struct vrv_read_found found;
    int wrong = 0;

    begin_cold();
    put(6);
    move_out(12);
    fakecold_thread(cold, true);
    for (int64_t ts = 990; ts < 1030; ts++) {
        /* a batch of two has the time 1000 + its offset */
        int64_t want = ts <= 1000 ? 0 : ts > 1022 ? -1 : (ts - 1000 + 1) / 2 * 2;

        if (vrv_read_time(the_log(), ts, INT64_MAX, &found, &rig.e) < 0 ||
            found.offset != want || found.timestamp != (want < 0 ? -1 : 1000 + want))
            wrong++;
    }
    IS(wrong, 0, "each time is found, in the cold tier or here");
    IS(vrv_read_max_time(the_log(), INT64_MAX, &found, &rig.e), 0, "the newest");
    OK(found.offset == 22 && found.timestamp == 1022, "... is here");
    fakecold_thread(cold, false);
    (void)rig_put_batch(&rig, the_log(), &(struct rig_batch){ .value = "x", .ts = 5000 });
    seal();
    put(2);
    move_out(offsets().end);
    fakecold_thread(cold, true);
    IS(vrv_read_max_time(the_log(), INT64_MAX, &found, &rig.e), 0, "the newest");
    OK(found.offset == 24 && found.timestamp == 5000, "... is in the cold tier (%d)",
        (int)found.offset);
    fakecold_thread(cold, false);
    (void)rig_set_start(&rig, the_log(), 25);
    fakecold_thread(cold, true);
    IS(vrv_read_max_time(the_log(), INT64_MAX, &found, &rig.e), 0, "the newest");
    IS(found.offset, 31, "... when the one before was deleted");
    IS(vrv_read_time(the_log(), 5000, INT64_MAX, &found, &rig.e), 0, "its time");
    IS(found.offset, -1, "isn't found any more");
    fakecold_thread(cold, false);
    end();
}

static void
test_epochs(void)
{
    int32_t found;
    int64_t at;

    begin_cold();
    put(2);
    vrv_log_set_epoch(the_log(), 3);
    put(2);
    vrv_log_set_epoch(the_log(), 5);
    put(2);
    move_out(20);
    for (int i = 0; i < 2; i++) {
        vrv_log_epoch_end(the_log(), 0, &found, &at);
        OK(found == 0 && at == 8, "an epoch that is cold as a whole ends where it did");
        vrv_log_epoch_end(the_log(), 4, &found, &at);
        OK(found == 3 && at == 16, "so does the next");
        vrv_log_epoch_end(the_log(), 5, &found, &at);
        OK(found == 5 && at == 24, "the newest ends with the log");
        rig_crash(&rig, SIM_DROP_ALL, 1);
        rig_up(&rig);
    }
    end();
}

int
main(void)
{
    test_drop();
    test_drop_crash();
    test_drop_captured();
    test_lost_drop();
    test_no_tier();
    test_limits();
    test_seam();
    test_wrong_answers();
    test_uncommitted();
    test_cancel();
    test_deadline();
    test_stop();
    test_meanwhile();
    test_left_range();
    test_damaged_here();
    test_damaged_only_here();
    test_missing_here();
    test_cut_here();
    test_cut_newest();
    test_times();
    test_epochs();
    return tap_done();
}
