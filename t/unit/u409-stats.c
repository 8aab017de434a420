/* What the engine counts of itself: nothing twice, nothing that didn't happen, and what is given
 * back is given back. */
#include "engine/reader/reader.h"
#include "t/lib/onelog.h"
#include "t/lib/tap.h"

static struct vrv_engine_stats
stats(void)
{
    struct vrv_engine_stats s;

    vrv_engine_stats(rig.eng, &s);
    return s;
}

static void
test_appends(void)
{
    struct rig_batch b = { .value = "abc", .records = 3, .producer = true, .producer_id = 7 };
    struct rig_call c;

    begin(NULL);
    struct vrv_engine_stats before = stats();
    (void)rig_append(&rig, the_log(), &b, &c);
    rig_commit(&rig);
    struct vrv_engine_stats s = stats();
    IS(s.batches - before.batches, 1, "a batch is counted,");
    IS(s.records - before.records, 3, "its records,");
    uint64_t bytes = s.bytes - before.bytes;
    OK(bytes > 9 && bytes < 200, "and its bytes");
    IS(s.unflushed_bytes, bytes, "which are in no segment yet");
    IS(s.wal_groups - before.wal_groups, 1, "it took one group of the WAL,");
    IS(s.wal_syncs - before.wal_syncs, 1, "which was synced");
    OK(s.wal_bytes - before.wal_bytes >= bytes && s.wal_used > before.wal_used &&
            s.wal_used <= s.wal_capacity,
        "and holds its bytes");
    IS(vrv_hist_count(&s.sync_times) - vrv_hist_count(&before.sync_times), 1, "how long that took is known");
    OK(s.memory_used > before.memory_used && s.memory_used <= s.memory_budget,
        "it is in memory");
    IS(s.producers, 1, "its producer is remembered");

    (void)rig_append(&rig, the_log(), &b, &c);
    rig_commit(&rig);
    IS(stats().batches, s.batches, "a repetition isn't counted,");
    IS(stats().records, s.records, "nor are its records,");
    IS(stats().bytes, s.bytes, "nor its bytes");
    struct vrv_log_traffic t = vrv_log_traffic(the_log());
    OK(t.batches == 1 && t.records == 3 && t.bytes == bytes && t.read_bytes == 0,
        "its partition says the same");
    vrv_log_note_read(the_log(), 12);
    vrv_log_note_read(the_log(), 30);
    IS(vrv_log_traffic(the_log()).read_bytes, 42, "and what was read of it");
    rig_fini(&rig);
}

static void
test_checkpoint(void)
{
    begin(NULL);
    struct vrv_engine_stats before = stats();
    (void)rig_put(&rig, the_log(), "a");
    rig_checkpoint(&rig);
    struct vrv_engine_stats s = stats();
    OK(s.checkpoints > before.checkpoints, "a checkpoint is counted");
    IS(vrv_hist_count(&s.checkpoint_times), s.checkpoints, "and each of them timed");
    IS(s.unflushed_bytes, 0, "behind it all is in segments");
    IS(s.logs, 1, "there is one log");
    OK(s.open_files > 0 && s.open_files <= s.open_files_max, "with files that are open");
    OK(!s.disk_full && s.disk_free > s.disk_reserve, "the disk has room");

    (void)rig_put(&rig, the_log(), "what must still find its segment");
    simdisk_capacity(rig.disk, 1);
    vrv_engine_tend_step(rig.eng);
    OK(stats().disk_full && stats().disk_free == 0, "and when it has none that is told");
    rig_fini(&rig);
}

static void
test_replay(void)
{
    begin(NULL);
    (void)rig_put(&rig, the_log(), "a");
    uint64_t backlog = stats().unflushed_bytes;
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(stats().unflushed_bytes, backlog, "what a start replays waits for its segment again");
    IS(stats().records, 0, "but wasn't appended since then");
    rig_fini(&rig);
}

int
main(void)
{
    test_appends();
    test_checkpoint();
    test_replay();
    return tap_done();
}
