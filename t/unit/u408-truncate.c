/* Cutting a log back at its end: what goes, what stays, who is told, a crash at every moment. */
#include "t/lib/onelog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/reader/reader.h"
#include "t/lib/tap.h"

static int
ask(int64_t offset)
{
    rig.e = (struct vrv_err){ 0 };
    return vrv_engine_truncate(rig.eng, &the_log()->id, offset, &rig.e);
}

/* Ask until it is done or refused. */
static int
truncate_to(int64_t offset)
{
    int rc = ask(offset);

    for (int i = 0; i < 3 && rc == VRV_E_AGAIN; i++) {
        (void)rig_checkpoint(&rig);
        rc = ask(offset);
    }
    return rc;
}

/* One record of 900 bytes each that says its number. */
static void
put(int from, int to)
{
    char value[901];

    for (int i = from; i < to; i++) {
        (void)snprintf(value, sizeof(value), "%0900d", i);
        if (rig_put(&rig, the_log(), value) != i)
            OK(false, "an append of %d: %s", i, rig.e.msg);
    }
}

/* Two of those to a segment. */
static const char small[] = "segment.bytes=2000";

static void
seal(void)
{
    for (int i = 0; i < 3; i++)
        (void)rig_checkpoint(&rig);
}

static void
crash(void)
{
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
}

/* ---- what goes and what stays ---- */

static void
test_refused(void)
{
    begin(NULL);
    put(0, 10);
    IS(rig_set_start(&rig, the_log(), 3), 0, "records below 3 are deleted");
    IS(ask(2), VRV_E_RANGE, "below the start is refused:");
    IS_STR(rig.e.msg, "the log starts at 3, it can't be truncated to 2", "... says so");
    IS(ask(-1), VRV_E_RANGE, "so is a negative offset");
    uint64_t before = vrv_engine_checkpoints(rig.eng);
    IS(ask(10), 0, "at the end there is nothing to cut");
    IS(ask(1000), 0, "nor behind it");
    OK(!vrv_engine_checkpoint_step(rig.eng) && vrv_engine_checkpoints(rig.eng) == before,
        "... and nothing happens");
    struct vrv_log_id other = { .partition = 7 };
    IS(vrv_engine_truncate(rig.eng, &other, 1, &rig.e), VRV_E_NOTFOUND, "nor where no log is");
    rig_fini(&rig);
}

static void
test_memory(void)
{
    struct rig_call c;

    begin(NULL);
    for (int i = 0; i < 6; i++)
        (void)rig_put(&rig, the_log(), "old");
    IS(ask(4), VRV_E_AGAIN, "it takes a checkpoint");
    IS(offsets().end, 6, "until then the log is as it was,");
    IS(rig_append(&rig, the_log(), &(struct rig_batch){ .value = "x" }, &c), VRV_E_AGAIN,
        "... but takes no appends");
    IS_STR(rig.e.msg, "the partition is being truncated to offset 4", "... says why");
    IS(rig_set_start(&rig, the_log(), 1), VRV_E_AGAIN, "... and its start doesn't move");
    IS(ask(2), VRV_E_AGAIN, "nor is another truncation begun");
    OK(rig_checkpoint(&rig), "a checkpoint");
    IS(ask(4), 0, "done");
    OK(offsets().end == 4 && offsets().hw == 4,
        "the log ends there, and so does what is committed");
    (void)rig_reads(&rig, the_log(), 0, "0:old 1:old 2:old 3:old ", "what was before stays");
    (void)rig_reads(&rig, the_log(), 5, "!-5", "behind is out of range");
    IS(rig_put(&rig, the_log(), "new"), 4, "offsets are given out again");
    (void)rig_reads(&rig, the_log(), 3, "3:old 4:new ", "... to other records");
    crash();
    (void)rig_reads(&rig, the_log(), 3, "3:old 4:new ", "after a crash, too");
    IS(truncate_to(0), 0, "all of it may go");
    IS(rig_files(&rig, "log", ".log"), 0, "... then no file is left");
    IS(rig_put(&rig, the_log(), "first"), 0, "... and it begins anew");
    crash();
    (void)rig_reads(&rig, the_log(), 0, "0:first ", "after a crash, too");
    rig_fini(&rig);
}

static void
test_within_batch(void)
{
    begin(NULL);
    (void)rig_put_batch(&rig, the_log(), &(struct rig_batch){ .value = "a", .records = 5 });
    (void)rig_put_batch(&rig, the_log(), &(struct rig_batch){ .value = "b", .records = 5 });
    IS(truncate_to(7), 0, "within a batch");
    IS(offsets().end, 5, "all of the batch goes");
    IS(rig_put_batch(&rig, the_log(), &(struct rig_batch){ .value = "c", .records = 5 }), 5,
        "its offset is given out again");
    IS(rig_set_start(&rig, the_log(), 7), 0, "the start may lie within one");
    IS(truncate_to(8), 0, "when that goes");
    OK(offsets().end == 7 && offsets().start == 7, "the log is empty at its start");
    crash();
    IS(rig_put(&rig, the_log(), "d"), 7, "and goes on there");
    (void)rig_reads(&rig, the_log(), 7, "7:d ", "... with this");
    rig_fini(&rig);
}

static void
check_segments(const char *when)
{
    IS(offsets().end, 5, "%s: it ends at 5", when);
    IS(rig_count(&rig, the_log(), 0), 5, "%s: five records", when);
    IS(offsets().segments, 3, "%s: three segments", when);
    IS(rig_files(&rig, "log", ".log"), 3, "%s: ... and their files", when);
    IS(rig_files(&rig, "log", ".index"), 3, "%s: ... and indexes", when);
}

static void
test_segments(bool sealed, bool evict)
{
    begin(small);
    put(0, 10);
    if (sealed)
        seal();
    if (evict) /* nothing in memory */
        crash();
    IS(truncate_to(5), 0, "to the middle of a segment, %s", sealed ? "sealed" : "not sealed");
    check_segments("live");
    crash();
    check_segments("after a crash");
    put(5, 10);
    IS(rig_count(&rig, the_log(), 0), 10, "it goes on");
    seal();
    IS(rig_close(&rig), 0, "a stop");
    IS(rig_keys(&rig, "gone/"), 0, "nothing is left to be done");
    IS(rig_keys(&rig, "seal/"), 5, "what was cut is sealed, and what came after");
    rig_up(&rig);
    IS(rig_count(&rig, the_log(), 0), 10, "all is there after a restart");
    rig_fini(&rig);
}

/* The first segment behind is named as the first that went. */
static void
test_same_name(void)
{
    begin(small);
    put(0, 10);
    seal();
    IS(truncate_to(4), 0, "to where a segment begins");
    IS(rig_files(&rig, "log", ".log"), 2, "the others' files are away");
    (void)rig_put(&rig, the_log(), "new");
    OK(rig_checkpoint(&rig), "another one of that name is written");
    IS(rig_files(&rig, "log", "00004.log"), 1, "... here it is");
    crash();
    (void)rig_reads(&rig, the_log(), 4, "4:new ", "and is what recovery finds");
    IS(truncate_to(4), 0, "it goes, too");
    IS(truncate_to(2), 0, "and one more, of those before");
    IS(rig_count(&rig, the_log(), 0), 2, "two are left");
    rig_fini(&rig);
}

/* One record to a segment, n of them. */
static void
many(int n)
{
    begin("segment.bytes=1000");
    for (int i = 0; i < n; i += 50) {
        put(i, i + 50);
        (void)rig_checkpoint(&rig);
    }
    seal();
}

static void
test_many_segments(void)
{
    many(300);
    IS(offsets().segments, 300, "more segments than a transaction takes");
    IS(truncate_to(7), 0, "all but a few go");
    IS(rig_files(&rig, "log", ".log"), 7, "... with their files");
    IS(rig_close(&rig), 0, "a stop");
    IS(rig_keys(&rig, "seal/"), 7, "... and their records");
    rig_up(&rig);
    IS(rig_count(&rig, the_log(), 0), 7, "the few are there");
    rig_fini(&rig);
}

static void
set_interval(uint32_t bytes)
{
    struct vrv_log_config c = *the_log()->config;

    c.index_interval = bytes;
    struct vrv_log_config *config = vrv_log_config_new(&c);
    vrv_log_set_config(the_log(), config);
    vrv_log_config_unref(config);
}

/* What is kept was indexed by another interval than the one that is known. */
static void
test_intervals(uint32_t before, uint32_t after)
{
    begin(NULL);
    set_interval(before);
    put(0, 8);
    OK(rig_checkpoint(&rig), "written with an index entry every %" PRIu32 " bytes", before);
    set_interval(after);
    put(8, 12);
    vrv_log_roll(the_log());
    seal();
    IS(truncate_to(6), 0, "then every %" PRIu32 " bytes, sealed and truncated", after);
    IS(rig_count(&rig, the_log(), 0), 6, "all that is kept can be read");
    crash();
    for (int i = 0; i < 6; i++)
        IS(rig_count(&rig, the_log(), i), 6 - i, "... from %d on, after a crash", i);
    seal();
    crash();
    IS(rig_count(&rig, the_log(), 3), 3, "... and sealed again");
    rig_fini(&rig);
}

/* A lossy log skipped from 3 to its ceiling: the hole has no batch to cut at. */
static void
test_hole(void)
{
    begin("flush.policy=none");
    put(0, 3);
    OK(rig_checkpoint(&rig), "a checkpoint");
    crash();
    int64_t end = offsets().end;
    OK(end > 1000, "after a crash a lossy log goes on above its ceiling");
    (void)rig_put(&rig, the_log(), "above");
    IS(truncate_to(end), 0, "to where that begins");
    IS(offsets().end, end, "it does");
    IS(truncate_to(500), 0, "into the hole");
    IS(offsets().end, 500, "an end like any other");
    IS(rig_count(&rig, the_log(), 0), 3, "what was before stays");
    IS(rig_put(&rig, the_log(), "in"), 500, "and it goes on there");
    rig_fini(&rig);
}

/* ---- what else a log knows ---- */

static void
test_producers(void)
{
    struct rig_batch b = { .value = "p", .producer = true, .producer_id = 7 };
    struct rig_batch other = { .value = "q", .producer = true, .producer_id = 8 };

    begin(NULL);
    for (; b.seq < 4; b.seq++)
        (void)rig_put_batch(&rig, the_log(), &b);
    (void)rig_put_batch(&rig, the_log(), &other);
    IS(truncate_to(2), 0, "truncated");
    IS(atomic_load(&vrv_engine_env(rig.eng)->producers), 1,
        "a producer that wrote only what went is forgotten");
    crash();
    b.seq = 1;
    IS(rig_put_batch(&rig, the_log(), &b), 1, "what stays is recognised");
    b.seq = 3;
    IS(rig_put_batch(&rig, the_log(), &b), VRV_E_SEQUENCE, "what went is not");
    b.seq = 2;
    IS(rig_put_batch(&rig, the_log(), &b), 2, "it can be written again");
    rig_fini(&rig);
}

static int32_t
epoch_of(int32_t asked, int64_t *end)
{
    struct vrv_log *log = the_log();
    int32_t found;

    vrv_epochs_end_of(&log->epochs, asked, log->end, &found, end);
    return found;
}

static void
test_epochs(void)
{
    int64_t end;

    begin(NULL);
    put(0, 2);
    vrv_log_set_epoch(the_log(), 5);
    put(2, 4);
    vrv_log_set_epoch(the_log(), 6);
    put(4, 6);
    IS(truncate_to(3), 0, "truncated");
    IS(epoch_of(6, &end), -1, "an epoch that wrote only what went is forgotten");
    OK(epoch_of(5, &end) == 5 && end == 3, "one that spans the end ends there");
    OK(epoch_of(0, &end) == 0 && end == 2, "older ones are as they were");
    vrv_log_set_epoch(the_log(), 9);
    put(3, 4);
    crash();
    OK(epoch_of(9, &end) == 9 && end == 4, "the next one begins at the new end");
    OK(epoch_of(6, &end) == 5 && end == 3, "asked for what went: what was before");
    rig_fini(&rig);
}

static int64_t
at_time(int64_t ts)
{
    struct vrv_read_found found;
    int rc = vrv_read_time(the_log(), ts, INT64_MAX, &found, &rig.e);

    return rc < 0 ? rc : found.offset;
}

static int64_t
newest(void)
{
    struct vrv_read_found found;
    int rc = vrv_read_max_time(the_log(), INT64_MAX, &found, &rig.e);

    return rc < 0 ? rc : found.offset;
}

static void
test_times(bool sealed)
{
    static const int64_t ts[] = { 100, 500, 200, 900, 300, 800 };

    begin("segment.bytes=150");
    for (int i = 0; i < 6; i++)
        (void)rig_put_batch(&rig, the_log(), &(struct rig_batch){ .value = "t", .ts = ts[i] });
    if (sealed)
        seal();
    OK(newest() == 3 && at_time(600) == 3, "the newest record is in the middle");
    IS(truncate_to(3), 0, "it goes");
    IS(newest(), 1, "then another one is");
    IS(at_time(600), -1, "nothing is as late as the one that went");
    IS(at_time(150), 1, "earlier ones are found");
    (void)rig_put_batch(&rig, the_log(), &(struct rig_batch){ .value = "t", .ts = 600 });
    crash();
    OK(newest() == 3 && at_time(550) == 3, "after a crash: what was appended since");
    rig_fini(&rig);
}

/* ---- who waits, who reads ---- */

static void
test_waiters(void)
{
    struct vrv_waiter at_end = { 0 }, behind = { 0 };
    struct vrv_cq cq;

    begin(NULL);
    put(0, 6);
    (void)vrv_cq_init(&cq, 0);
    at_end.done.cq = behind.done.cq = &cq;
    vrv_log_wait(the_log(), &at_end, 6, 1, INT64_MAX);
    vrv_log_wait(the_log(), &behind, 3, 1000000, INT64_MAX);
    IS(truncate_to(4), 0, "truncated");
    OK(vrv_cq_take(&cq, 0) != NULL && vrv_cq_take(&cq, 0) != NULL, "who waits is told");
    OK(at_end.status == VRV_E_RANGE && behind.status == VRV_E_RANGE, "... to look again");
    vrv_log_wait(the_log(), &at_end, 4, 1, INT64_MAX);
    put(4, 5);
    OK(vrv_cq_take(&cq, 0) == &at_end.done && at_end.status == 0,
        "who waits at the new end is served");
    vrv_cq_fini(&cq);
    rig_fini(&rig);
}

/* Read from `offset` before the truncation, look at it after. */
static void
test_reader(bool evicted)
{
    struct vrv_read rd = { .offset = 6, .max_bytes = 5000, .whole_first = true };
    struct vrv_batch b;

    begin(small);
    put(0, 10);
    seal();
    if (evicted)
        crash();
    IS(vrv_read(the_log(), &rd, &rig.e), 0, "somebody reads");
    struct vrv_slice *sl = &rd.slice[0];
    OK(rd.slice_n > 0 && sl->kind == (evicted ? VRV_SLICE_FILE : VRV_SLICE_MEMORY),
        "... %s", evicted ? "a file" : "memory");
    IS(truncate_to(6), 0, "truncated");
    for (int i = 6; i < 10; i++)
        (void)rig_put(&rig, the_log(), "another");
    seal();
    int rc = vrv_read_load(the_log(), &rd, false, &rig.e);
    OK(rc == VRV_E_RANGE || (rc == 0 && rd.slice_n > 0 && vrv_batch_read(&b, sl->bytes, sl->n, &rig.e) == 0 &&
            b.size > 900 && vrv_batch_check_crc(sl->bytes, &b, &rig.e) == 0),
        "it has what was there, or is told that it went (%d)", rc);
    vrv_read_fini(&rd);
    (void)rig_reads(&rig, the_log(), 6, "6:another 7:another 8:another 9:another ",
        "who reads now gets what is there");
    rig_fini(&rig);
}

/* A reader has the segment, and loses it before it has looked. */
static void
test_dropped(void)
{
    begin(small);
    put(0, 10);
    seal();
    crash();
    struct vrv_seg *s = vrv_seg_ref(the_log()->segs[3]);
    struct vrv_seg_view v = vrv_seg_view(s);
    struct vrv_seg_place p;
    IS(truncate_to(6), 0, "truncated");
    for (int i = 6; i < 8; i++)
        (void)rig_put(&rig, the_log(), "another");
    OK(rig_checkpoint(&rig), "a segment of the same name is written");
    OK(atomic_load(&s->dropped), "the old one is marked");
    IS(vrv_seg_find(s, &v, 6, 0, &p, &rig.e), VRV_E_NOTFOUND, "... and not taken for the new one");
    vrv_seg_unref(s);
    rig_fini(&rig);
}

/* ---- when it fails ---- */

static void
test_damaged(void)
{
    char path[VRV_PATH_MAX];

    begin(small);
    put(0, 10);
    seal();
    vrv_seg_path(&the_log()->id, 4, "log", path);
    OK(simdisk_corrupt(rig.disk, path, 500, 1), "a bit flips in what is to be kept");
    IS(truncate_to(5), VRV_E_CORRUPT, "the segment can't be cut");
    IS(offsets().end, 10, "the log is as it was");
    put(10, 11);
    IS(truncate_to(4), 0, "elsewhere it can be");
    IS(rig_count(&rig, the_log(), 0), 4, "... and is");
    rig_fini(&rig);
}

static void
test_deleted(void)
{
    begin(small);
    put(0, 10);
    IS(ask(5), VRV_E_AGAIN, "it is on its way");
    struct vrv_log *log = vrv_log_ref(the_log());
    struct vrv_log_id id = log->id;
    bool begun;
    IS(vrv_engine_delete_topic(rig.eng, "t", &rig.e), 0, "the topic is deleted");
    IS(vrv_log_truncate(log, 5, &begun, &rig.e), VRV_E_NOTFOUND, "who asks is told");
    IS(vrv_engine_truncate(rig.eng, &id, 5, &rig.e), VRV_E_NOTFOUND, "... the engine says so, too");
    vrv_log_unref(&log);
    OK(rig_checkpoint(&rig), "a checkpoint");
    rig_pass(&rig, 1000);
    IS(rig_files(&rig, "log", "."), 0, "no file stays");
    IS(rig_close(&rig), 0, "a stop");
    rig_fini(&rig);
}

/* Nothing is promised while the disk is full; with space it is done.  (The list of what goes is
 * larger than a block of the disk.) */
static void
test_full(void)
{
    many(600);
    IS(ask(5), VRV_E_AGAIN, "it is on its way");
    simdisk_capacity(rig.disk, 0);
    (void)rig_checkpoint(&rig);
    IS(ask(5), VRV_E_AGAIN, "a full disk stops it");
    IS(vrv_engine_error(rig.eng, &rig.e), 0, "... but not the engine");
    simdisk_capacity(rig.disk, (uint64_t)1 << 40);
    OK(rig_checkpoint(&rig), "with space a checkpoint is possible");
    IS(ask(5), 0, "and it is done");
    rig_pass(&rig, 1000);
    put(5, 8);
    IS(rig_count(&rig, the_log(), 0), 8, "the log goes on");
    rig_fini(&rig);
}

/* ---- crashes ---- */

struct outcome {
    int done, cut, whole, wrong;
};

/* The power fails at operation `at`; true: the truncation was over before. */
static bool
crash_at(uint64_t at, enum sim_policy policy, bool sealed, struct outcome *o)
{
    begin(small);
    put(0, 10);
    if (sealed)
        seal();
    simdisk_crash_at(rig.disk, at);
    bool done = truncate_to(5) == 0;
    bool over = !simdisk_is_off(rig.disk);
    rig_crash(&rig, policy, at);
    rig_up(&rig);
    int64_t end = offsets().end;
    o->done += done;
    o->cut += end == 5;
    o->whole += end == 10;
    bool right = (end == 5 || (end == 10 && !done)) && rig_count(&rig, the_log(), 0) == end;
    right &= rig_put(&rig, the_log(), "new") == end;
    seal();
    right &= rig_files(&rig, "log", ".log") == (end == 5 ? 4 : 6);
    rig_crash(&rig, policy, at + 1);
    rig_up(&rig);
    right &= rig_count(&rig, the_log(), 0) == end + 1 && offsets().end == end + 1;
    if (!right && o->wrong++ == 0)
        tap_note("operation %" PRIu64 ", %s: ends at %" PRId64, at, sim_policy_name(policy), end);
    rig_fini(&rig);
    return over;
}

static void
test_crashes(bool sealed)
{
    struct outcome o = { 0 };

    for (int policy = 0; policy < SIM_POLICY_COUNT; policy++)
        for (uint64_t at = 1; !crash_at(at, (enum sim_policy)policy, sealed, &o); at++)
            ;
    IS(o.wrong, 0, "a crash at every operation: the log is as it was or as it should be (%d, %d)",
        o.whole, o.cut);
    OK(o.cut > o.done && o.whole > 0, "... and some were neither done nor in vain");
}

/* Every operation fails once. */
static void
test_faults(enum sim_fault fault)
{
    int wrong = 0, stopped = 0;
    bool struck = true;

    for (uint64_t at = 1; struck; at++) {
        begin(small);
        put(0, 10);
        seal();
        simdisk_fail(rig.disk, at, fault, false);
        int rc = truncate_to(5);
        struck = simdisk_failed(rig.disk) > 0;
        simdisk_fail(rig.disk, 0, fault, false);
        stopped += rc == VRV_E_STOPPED;
        wrong += rc == 0 && offsets().end != 5;
        rig_crash(&rig, SIM_DROP_ALL, at);
        rig_up(&rig);
        int64_t end = offsets().end;
        bool right = (end == 5 || (end == 10 && rc < 0)) && rig_count(&rig, the_log(), 0) == end;
        if (!right && wrong++ == 0)
            tap_note("operation %" PRIu64 ": %d, then it ends at %" PRId64, at, rc, end);
        wrong += truncate_to(5) != 0 || rig_count(&rig, the_log(), 0) != 5;
        rig_fini(&rig);
    }
    IS(wrong, 0, "every operation fails once: it is done or not, and can be done again");
    OK(stopped > 0, "... some failures stop the engine");
}

/* How many operations it is to the first sync of a log's directory. */
static uint64_t
find_sync_dir(void)
{
    char *text = NULL, *line;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    uint64_t before = simdisk_ops(rig.disk);

    simdisk_trace(rig.disk, out);
    (void)truncate_to(5);
    simdisk_trace(rig.disk, NULL);
    (void)fclose(out);
    for (line = strstr(text, " sync_dir log/"); line > text && line[-1] != '\n'; line--)
        ;
    uint64_t at = line != NULL ? strtoull(line, NULL, 10) - before : 0;
    free(text);
    return at;
}

/* Not even for want of room is a sync tried again (L4). */
static void
test_sync_dir_fails(void)
{
    begin(small);
    put(0, 10);
    seal();
    uint64_t at = find_sync_dir();
    OK(at > 0, "files that go are gone for good");
    rig_fini(&rig);
    begin(small);
    put(0, 10);
    seal();
    simdisk_fail(rig.disk, at, SIM_ENOSPC, false);
    IS(truncate_to(5), VRV_E_STOPPED, "that sync fails for want of room: the engine stops");
    crash();
    IS(truncate_to(5), 0, "behind a crash all is done");
    IS(rig_count(&rig, the_log(), 0), 5, "... and the log is cut");
    rig_fini(&rig);
}

int
main(void)
{
    test_refused();
    test_memory();
    test_within_batch();
    for (int i = 0; i < 4; i++)
        test_segments(i & 1, i & 2);
    test_same_name();
    test_many_segments();
    test_intervals(100000, 0);
    test_intervals(0, 100000);
    test_intervals(1000, 3000);
    test_hole();
    test_producers();
    test_epochs();
    test_times(false);
    test_times(true);
    test_waiters();
    test_reader(false);
    test_reader(true);
    test_dropped();
    test_damaged();
    test_deleted();
    test_full();
    test_crashes(false);
    test_crashes(true);
    test_faults(SIM_EIO);
    test_faults(SIM_ENOSPC);
    test_sync_dir_fails();
    return tap_done();
}
