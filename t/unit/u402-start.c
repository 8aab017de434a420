/* What ends a log at its old end, and a segment at its new one: deleted records, retention, rolls,
 * seals; and which epoch wrote what. */
#include "t/lib/onelog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/reader/reader.h"
#include "t/lib/tap.h"

static void
put(int n, size_t size)
{
    for (int i = 0; i < n; i++)
        if (rig_put_batch(&rig, the_log(), &(struct rig_batch){ .size = size }) < 0)
            OK(false, "an append: %s", rig.e.msg);
}

/* Twice: the first writes footers, and what it wrote is sealed. */
static void
seal(void)
{
    bool ok = rig_checkpoint(&rig);

    if (!ok || !rig_checkpoint(&rig))
        OK(false, "checkpoints");
}

/* ---- delete-records ---- */

static void
test_delete_records(void)
{
    struct rig_call c;

    begin(NULL);
    for (int i = 0; i < 5; i++)
        (void)rig_put(&rig, the_log(), "r");
    IS(rig_set_start(&rig, the_log(), 2), 0, "records below 2 are deleted");
    IS(offsets().start, 2, "the start is there");
    (void)rig_reads(&rig, the_log(), 2, "2:r 3:r 4:r ", "the others can be read");
    (void)rig_reads(&rig, the_log(), 1, "!-5", "a deleted one is out of range");
    IS(rig_set_start(&rig, the_log(), 6), VRV_E_RANGE, "beyond hw is refused:");
    IS_STR(rig.e.msg, "records can be deleted up to offset 5, not to 6", "... says so");
    IS(rig_set_start(&rig, the_log(), -2), VRV_E_RANGE, "a negative offset, too");
    c = (struct rig_call){ .t.done.cq = &rig.cq };
    IS(vrv_log_set_start(the_log(), 1, &c.t, &rig.e), 0, "below the start: nothing to delete");
    rig_commit(&rig);
    IS(offsets().start, 2, "... and the start stays");
    IS(c.t.start, 2, "... and the answer says where it is");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(offsets().start, 2, "it survives a crash, in the WAL");
    OK(rig_checkpoint(&rig), "a checkpoint");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(offsets().start, 2, "... and in the checkpoint");
    IS(rig_append(&rig, the_log(), &(struct rig_batch){ .value = "u" }, &c), 0,
        "one that isn't committed");
    struct rig_call all = { .t.done.cq = &rig.cq };
    IS(vrv_log_set_start(the_log(), -1, &all.t, &rig.e), 0, "-1 deletes all");
    rig_commit(&rig);
    IS(offsets().start, 5, "... that was committed when it was asked");
    (void)rig_reads(&rig, the_log(), 5, "5:u ", "the rest stays");
    IS(rig_set_start(&rig, the_log(), -1), 0, "-1 again");
    OK(offsets().start == 6 && offsets().end == 6, "an empty log has start = end");
    IS(rig_put(&rig, the_log(), "next"), 6, "offsets go on");
    rig_fini(&rig);
}

static void
test_delete_records_files(void)
{
    begin("segment.bytes=2000");
    put(10, 900);
    seal();
    int files = rig_files(&rig, "log", ".log");
    OK(files == 5, "five segments");
    IS(rig_set_start(&rig, the_log(), 5), 0, "records below 5 are deleted,");
    rig_pass(&rig, 1000);
    IS(rig_files(&rig, "log", ".log"), 3, "... and the files that hold nothing else");
    IS(rig_count(&rig, the_log(), 5), 5, "the others are there");
    OK(rig_checkpoint(&rig), "a checkpoint");
    IS(rig_close(&rig), 0, "a stop");
    IS(rig_keys(&rig, "seal/"), 2, "their records are away from the checkpoints, too");
    rig_up(&rig);
    IS(rig_count(&rig, the_log(), 5), 5, "after a restart the others are there");
    rig_fini(&rig);
}

/* The n-th operation of the tending that deletes files fails; the next tending finishes it, or, if
 * the engine had to stop, the one after a restart. */
static bool
delete_fails_at(uint64_t n, bool *hit)
{
    begin("segment.bytes=2000");
    put(10, 900);
    seal();
    bool ok = rig_set_start(&rig, the_log(), 5) == 0;
    simdisk_fail(rig.disk, n, SIM_EIO, false);
    rig_pass(&rig, 1000);
    *hit = simdisk_failed(rig.disk) > 0;
    simdisk_fail(rig.disk, 0, SIM_EIO, false);
    if (vrv_engine_error(rig.eng, &rig.e) != 0) {
        rig_crash(&rig, SIM_DROP_ALL, n);
        rig_up(&rig);
    }
    rig_pass(&rig, 1000);
    ok &= rig_count(&rig, the_log(), 5) == 5 && rig_checkpoint(&rig) && rig_close(&rig) == 0;
    ok &= rig_files(&rig, "log", ".log") == 3 && rig_files(&rig, "log", "/00000000000000000000.") +
            rig_files(&rig, "log", "/00000000000000000002.") == 0;
    ok &= rig_keys(&rig, "seal/") == 2;
    rig_fini(&rig);
    return ok;
}

static void
test_delete_records_fault(void)
{
    bool hit = true;
    uint64_t n = 1, bad = 0;

    for (; hit; n++)
        if (!delete_fails_at(n, &hit))
            bad = n;
    OK(n > 6, "%d places where deleting segments can fail", (int)n - 2);
    IS(bad, 0, "each is tried again: no file and no record stays");
}

/* ---- rolls and seals ---- */

static void
test_roll(void)
{
    begin("segment.bytes=2000 segment.ms=60000");
    put(1, 900);
    IS(offsets().segments, 1, "one segment");
    put(1, 900);
    IS(offsets().segments, 1, "a batch that fits");
    put(1, 900);
    IS(offsets().segments, 2, "one that doesn't makes a new segment");
    rig_pass(&rig, 60000);
    put(1, 10);
    IS(offsets().segments, 3, "a minute later the next one begins a new segment");
    vrv_log_roll(the_log());
    vrv_log_roll(the_log());
    put(1, 10);
    IS(offsets().segments, 4, "rolled on demand: one more");
    rig_pass(&rig, 61000);
    seal();
    IS(rig_files(&rig, "log", ".log"), 4, "an old segment is sealed without a new batch");
    IS(the_log()->segs[3]->state, VRV_SEG_SEALED, "... and so is the last one");
    rig_fini(&rig);
}

/* How many segments the batches make, a second between them. */
static uint32_t
rolls(const char *configs, int partition, int batches)
{
    rig_init(&rig, 1);
    rig_up(&rig);
    rig_topic(&rig, "t", partition + 1, configs);
    for (int i = 0; i < batches; i++) {
        (void)rig_put(&rig, rig_log(&rig, "t", partition), "x");
        rig_pass(&rig, 1000);
    }
    uint32_t n = vrv_log_offsets(rig_log(&rig, "t", partition)).segments;
    rig_fini(&rig);
    return n;
}

static void
test_jitter(void)
{
    uint32_t least = UINT32_MAX, most = 0;

    IS(rolls("segment.ms=10000", 0, 40), 4, "without jitter: each 10 s");
    for (int p = 0; p < 8; p++) {
        uint32_t n = rolls("segment.ms=10000 segment.jitter.ms=8000", p, 40);

        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    OK(least >= 4 && most <= 20 && least < most, "with jitter: earlier, not all at once (%d to %d)",
        (int)least, (int)most);
    IS(rolls("segment.ms=10000 segment.jitter.ms=8000", 3, 40),
        rolls("segment.ms=10000 segment.jitter.ms=8000", 3, 40), "the same log always the same");
    most = 0;
    for (int p = 0; p < 8; p++) {
        uint32_t n = rolls("segment.ms=10000 segment.jitter.ms=1000000", p, 20);

        most = n > most ? n : most;
    }
    OK(most < 20, "more jitter than age doesn't roll at every batch (%d of 20)", (int)most);
}

static void
test_seal(void)
{
    struct vrv_file *f = NULL;
    uint64_t size = 0;
    char path[VRV_PATH_MAX];

    begin("segment.bytes=2000");
    put(5, 900);
    seal();
    struct vrv_log *log = the_log();
    IS(log->segs[0]->state, VRV_SEG_SEALED, "two checkpoints later a full segment is sealed");
    IS(log->segs[2]->state, VRV_SEG_OPEN, "the last one is open");
    vrv_seg_path(&log->id, log->segs[0]->base, "log", path);
    IS(vrv_vfs_open(rig.o.vfs, path, VRV_OPEN_WRITE, &f, &rig.e), VRV_E_READONLY,
        "a sealed file is read-only: %s", rig.e.msg);
    vrv_seg_path(&log->id, log->segs[0]->base, "index", path);
    IS(vrv_vfs_open(rig.o.vfs, path, VRV_OPEN_WRITE, &f, &rig.e), VRV_E_READONLY,
        "so is its index");
    struct vrv_seg *s = log->segs[0];
    struct vrv_seal seal_is;
    IS(vrv_seg_check(s, s->size, &seal_is, &rig.e), 0, "all of it is well-formed");
    OK(seal_is.data_size == s->size && seal_is.data_crc == s->crc,
        "what is sealed is what is there");
    IS(vrv_vfs_open(rig.o.vfs, path, 0, &f, &rig.e) == 0 ? vrv_file_size(f, &size, &rig.e) : -1, 0,
        "the index can be read");
    vrv_file_close(&f);
    IS(rig_close(&rig), 0, "a stop");
    IS(rig_keys(&rig, "seal/"), 2, "the checkpoints have a record of each sealed segment");
    rig_up(&rig);
    IS(the_log()->segs[1]->state, VRV_SEG_SEALED, "they are sealed after a restart");
    IS(rig_count(&rig, the_log(), 0), 5, "and read");
    rig_fini(&rig);
}

/* ---- retention ---- */

static const int64_t wall = (int64_t)RIG_WALL_MS * 1000;

static void
put_at(int64_t ts)
{
    if (rig_put_batch(&rig, the_log(), &(struct rig_batch){ .size = 900, .ts = ts }) < 0)
        OK(false, "an append: %s", rig.e.msg);
}

static void
test_retention_ms(void)
{
    begin("segment.bytes=1000 retention.ms=100000 "
          "message.timestamp.after.max.ms=9223372036854775807");
    put_at(wall);
    put_at(wall + (int64_t)365 * 24 * 3600 * 1000); /* a clock that is a year ahead */
    put_at(wall);
    put_at(wall - 90000);
    put_at(wall);
    seal();
    rig_pass(&rig, 5000);
    IS(offsets().start, 0, "nothing is old");
    rig_pass(&rig, 14000);
    IS(offsets().start, 0, "an old record doesn't delete newer ones that come before it");
    rig_pass(&rig, 82000);
    rig_pass(&rig, 1000); /* the new start is committed; now the files */
    IS(offsets().start, 4, "100 s later all sealed ones go, also what comes from the future");
    IS(rig_files(&rig, "log", ".log"), 1, "and so do the files");
    IS(rig_count(&rig, the_log(), 4), 1, "the open segment stays");
    rig_fini(&rig);
}

static void
test_retention_old(void)
{
    begin("segment.bytes=2000 retention.ms=100000");
    put_at(wall - 500000);
    put_at(wall);
    put_at(wall);
    seal();
    rig_pass(&rig, 1000);
    IS(offsets().start, 0, "an old record doesn't delete newer ones in its segment");
    rig_fini(&rig);
    begin("segment.bytes=1000 retention.ms=100000");
    put_at(-1);
    put_at(wall);
    seal();
    rig_pass(&rig, 99000);
    IS(offsets().start, 0, "a record without a time is kept");
    rig_pass(&rig, 2000);
    IS(offsets().start, 1, "... for retention.ms from its append");
    rig_fini(&rig);
    begin("segment.bytes=1000 retention.ms=-1");
    put_at(1);
    put_at(wall);
    seal();
    rig_pass(&rig, 200000);
    IS(offsets().start, 0, "retention.ms=-1 keeps all");
    rig_fini(&rig);
}

static void
test_retention_clock(void)
{
    begin("segment.bytes=1000 retention.ms=100000");
    put_at(wall);
    put_at(wall);
    seal();
    simclock_set_wall_ms(&rig.clock, wall - (int64_t)10 * 365 * 24 * 3600 * 1000);
    rig_pass(&rig, 1000);
    IS(offsets().start, 0, "a clock that was set back deletes nothing");
    rig_fini(&rig);
}

static void
test_retention_bytes(void)
{
    begin("segment.bytes=1000 retention.bytes=3000");
    put(8, 900);
    seal();
    rig_pass(&rig, 1000);
    rig_pass(&rig, 1000);
    struct vrv_log_offsets o = offsets();
    OK(o.bytes >= 3000 && o.bytes < 4000, "retention.bytes: what stays is just as much (%d bytes)",
        (int)o.bytes);
    IS(o.start, 4, "the oldest went");
    IS(rig_count(&rig, the_log(), o.start), 4, "the others are there");
    rig_crash(&rig, SIM_DROP_ALL, 3);
    rig_up(&rig);
    IS(offsets().start, 4, "the start survives a crash");
    IS(rig_count(&rig, the_log(), o.start), 4, "and so do the others");
    rig_fini(&rig);
}

/* A log that gets little doesn't fill a segment. */
/* Not told to delete, neither age nor size counts. */
static void
test_cleanup_policy(void)
{
    struct vrv_config_kv kv = { (char *)(uintptr_t)"cleanup.policy", (char *)(uintptr_t)"compact" };

    begin("segment.bytes=1000 retention.ms=100000 retention.bytes=0");
    put(4, 500);
    IS(vrv_engine_alter_topic(rig.eng, "t", &kv, 1, &rig.e), 0, "cleanup.policy=compact");
    seal();
    rig_pass(&rig, 200000);
    IS(offsets().start, 0, "all is kept, however old and large");
    kv.value = (char *)(uintptr_t)"";
    IS(vrv_engine_alter_topic(rig.eng, "t", &kv, 1, &rig.e), 0, "an empty cleanup.policy");
    rig_pass(&rig, 2000);
    IS(offsets().start, 0, "the same");
    kv.value = (char *)(uintptr_t)"compact, delete";
    IS(vrv_engine_alter_topic(rig.eng, "t", &kv, 1, &rig.e), 0, "both");
    rig_pass(&rig, 2000);
    OK(offsets().start > 0, "with delete among them records go");
    rig_fini(&rig);
}

static void
test_retention_open(void)
{
    begin("retention.ms=100000");
    put_at(wall);
    put_at(wall);
    rig_pass(&rig, 99000);
    seal();
    rig_pass(&rig, 1000);
    OK(offsets().start == 0 && offsets().segments == 1, "the open segment isn't old enough");
    rig_pass(&rig, 1000);
    seal();
    rig_pass(&rig, 1000);
    rig_pass(&rig, 1000);
    IS(offsets().start, 2, "when it is, it goes as well");
    IS(rig_files(&rig, "log", ".log"), 0, "... with its file");
    (void)rig_put(&rig, the_log(), "next");
    rig_pass(&rig, 1000);
    OK(offsets().end == 3 && rig_count(&rig, the_log(), 2) == 1, "the log goes on");
    for (int i = 0; i < 5; i++) {
        put_at(wall - 500000);
        rig_pass(&rig, 1000);
    }
    IS(offsets().segments, 1, "old records don't make a segment each");
    rig_fini(&rig);
}

/* ---- epochs ---- */

static int32_t
epoch_of_newest(int64_t *end, int32_t asked)
{
    int32_t found;

    vrv_log_epoch_end(the_log(), asked, &found, end);
    return found;
}

static void
check_epochs(const char *when)
{
    int64_t end;

    OK(epoch_of_newest(&end, 0) == 0 && end == 2, "%s: epoch 0 ends at 2", when);
    OK(epoch_of_newest(&end, 4) == 0 && end == 2, "%s: asked for 4, it is 0", when);
    OK(epoch_of_newest(&end, 5) == 5 && end == 3, "%s: epoch 5 ends at 3", when);
    OK(epoch_of_newest(&end, 8) == 8 && end == 4, "%s: epoch 8 ends with the log", when);
    OK(epoch_of_newest(&end, 9) == -1 && end == -1, "%s: 9 is not known", when);
}

/* An epoch that wrote nothing yet is one: a consumer that heard of it asks for it. */
static void
test_own_epoch(void)
{
    int64_t end;

    begin(NULL);
    OK(epoch_of_newest(&end, 0) == 0 && end == 0, "an empty log's epoch ends at its start");
    OK(epoch_of_newest(&end, -1) == -1 && end == -1, "an unknown epoch is not known");
    put(2, 10);
    vrv_log_set_epoch(the_log(), 5);
    OK(epoch_of_newest(&end, 5) == 5 && end == 2, "the log's own epoch ends with the log");
    OK(epoch_of_newest(&end, 3) == 0 && end == 2, "one between is the last before it");
    OK(epoch_of_newest(&end, 6) == -1 && end == -1, "a later one is not known");
    put(1, 10);
    OK(vrv_log_epoch_at(the_log(), 1) == 0 && vrv_log_epoch_at(the_log(), 2) == 5,
        "each record is of its epoch");
    rig_fini(&rig);
}

static void
test_epochs(void)
{
    struct vrv_read rd = { .offset = 2, .max_bytes = 1, .whole_first = true };
    struct vrv_batch b;

    begin(NULL);
    put(2, 10);
    vrv_log_set_epoch(the_log(), 5);
    put(1, 10);
    vrv_log_set_epoch(the_log(), 7); /* nothing was written in it */
    vrv_log_set_epoch(the_log(), 8);
    put(1, 10);
    check_epochs("live");
    OK(vrv_read(the_log(), &rd, &rig.e) == 0 && rd.slice_n > 0 &&
            vrv_batch_read(&b, rd.slice[0].bytes, rd.slice[0].n, &rig.e) == 0 &&
            b.leader_epoch == 5,
        "a batch carries the epoch of its append");
    vrv_read_fini(&rd);
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    check_epochs("from the WAL");
    OK(rig_checkpoint(&rig), "a checkpoint");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    check_epochs("from the checkpoint");
    IS(offsets().epoch, 8, "the log goes on in the newest epoch");
    rig_fini(&rig);
}

int
main(void)
{
    test_delete_records();
    test_delete_records_files();
    test_delete_records_fault();
    test_roll();
    test_jitter();
    test_seal();
    test_retention_ms();
    test_retention_old();
    test_retention_clock();
    test_retention_bytes();
    test_cleanup_policy();
    test_retention_open();
    test_own_epoch();
    test_epochs();
    return tap_done();
}
