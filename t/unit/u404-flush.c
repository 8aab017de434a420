/* Flush policies: who waits for the disk, when the others are synced, and what a crash leaves. */
#include "t/lib/onelog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/reader/reader.h"
#include "t/lib/tap.h"

/* A topic with a first record: that one is synced always, with the promise of offsets. */
static void
begin_written(const char *configs)
{
    begin(configs);
    (void)rig_put(&rig, the_log(), "a");
}

static uint64_t
syncs(void)
{
    return vrv_journal_state(vrv_engine_env(rig.eng)->journal).syncs;
}

static bool
all_durable(void)
{
    struct vrv_journal_state s = vrv_journal_state(vrv_engine_env(rig.eng)->journal);

    return s.durable_seq == s.pushed_seq;
}

/* ---- when ---- */

static void
test_sync(void)
{
    begin_written(NULL);
    uint64_t before = syncs();
    for (int i = 0; i < 5; i++)
        (void)rig_put(&rig, the_log(), "b");
    IS(syncs() - before, 5, "sync: each commit is synced");
    struct rig_call c[5];
    for (int i = 0; i < 5; i++)
        (void)rig_append(&rig, the_log(), &(struct rig_batch){ .value = "b" }, &c[i]);
    rig_commit(&rig);
    IS(syncs() - before, 6, "... and what comes together is synced together");
    IS(rig_append(&rig, the_log(), &(struct rig_batch){ .value = "c" }, &c[0]), 0, "one more,");
    simdisk_fail(rig.disk, 1, SIM_EIO, true);
    rig_commit(&rig);
    OK(c[0].posted == 1 && c[0].t.status == VRV_E_STOPPED, "whose write fails: not acknowledged");
    rig_fini(&rig);
}

static void
test_none(void)
{
    begin_written("flush.policy=none");
    uint64_t before = syncs();
    for (int i = 0; i < 50; i++)
        (void)rig_put(&rig, the_log(), "b");
    rig_pass(&rig, 60000);
    IS(syncs(), before, "none: nothing is synced");
    IS(vrv_log_offsets(the_log()).hw, 51, "... and all is committed");
    OK(rig_checkpoint(&rig), "a checkpoint");
    OK(syncs() > before && all_durable(), "... makes it durable");
    rig_fini(&rig);
}

static void
test_interval(void)
{
    begin_written("flush.policy=interval flush.messages=4 flush.ms=500");
    uint64_t before = syncs();
    for (int i = 0; i < 3; i++)
        (void)rig_put(&rig, the_log(), "b");
    IS(syncs(), before, "interval: three records are not synced,");
    (void)rig_put(&rig, the_log(), "c");
    IS(syncs(), before + 1, "... the fourth is, as flush.messages says");
    (void)rig_put_batch(&rig, the_log(), &(struct rig_batch){ .value = "d", .records = 5 });
    IS(syncs(), before + 2, "... and so is a batch of more at once");
    (void)rig_put(&rig, the_log(), "e");
    rig_pass(&rig, 300);
    (void)rig_put(&rig, the_log(), "f");
    rig_pass(&rig, 199);
    OK(syncs() == before + 2 && !all_durable(), "not before flush.ms");
    rig_pass(&rig, 1);
    OK(syncs() == before + 3 && all_durable(), "500 ms after the first, all is synced");
    rig_pass(&rig, 10000);
    IS(syncs(), before + 3, "with nothing new there is nothing to sync");
    rig_fini(&rig);
}

/* One log's policy is not another's. */
static void
test_mixed(void)
{
    begin_written("flush.policy=none");
    rig_topic(&rig, "s", 1, NULL);
    (void)rig_put(&rig, the_log(), "b");
    uint64_t before = syncs();
    (void)rig_put(&rig, rig_log(&rig, "s", 0), "x");
    IS(syncs(), before + 1, "a synced append");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    (void)rig_reads(&rig, rig_log(&rig, "s", 0), 0, "0:x ", "... survives a crash,");
    (void)rig_reads(&rig, the_log(), 0, "0:a 1:b ", "... and all that came before it");
    rig_fini(&rig);
}

/* ---- a lossy log after a crash ---- */

static int32_t
epoch_at(int64_t offset)
{
    struct vrv_log *log = the_log();

    vrv_lock(&log->lock);
    int32_t epoch = vrv_epochs_at(&log->epochs, offset);
    vrv_unlock(&log->lock);
    return epoch;
}

static void
test_lossy(const char *configs)
{
    begin_written(configs);
    int64_t last = 0;
    for (int i = 0; i < 5; i++)
        last = rig_put(&rig, the_log(), "lost");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    OK(!rig.found.clean && rig.found.skipped_logs == 1, "%s: after a crash", configs);
    (void)rig_reads(&rig, the_log(), 0, "0:a ", "what was synced is there");
    IS(vrv_log_offsets(the_log()).epoch, 1, "the log is in a new epoch");
    int64_t next = rig_put(&rig, the_log(), "new");
    OK(next > last, "no offset that was given out is given out again (%" PRId64 ")", next);
    OK(epoch_at(0) == 0 && epoch_at(next) == 1, "the new epoch begins there");
    struct vrv_read rd = { .offset = 1, .max_bytes = 1000 };
    OK(vrv_read(the_log(), &rd, &rig.e) == 0 && rd.slice_n == 1,
        "reading in the hole goes on behind it");
    vrv_read_fini(&rd);
    for (int i = 0; i < 3; i++)
        last = rig_put(&rig, the_log(), "lost again");
    OK(rig_checkpoint(&rig), "a checkpoint");
    last = rig_put(&rig, the_log(), "lost too");
    rig_crash(&rig, SIM_DROP_ALL, 2);
    rig_up(&rig);
    IS(rig_count(&rig, the_log(), 0), 5, "a second crash: what the checkpoint has is there");
    OK(rig_put(&rig, the_log(), "third") > last, "and offsets are above all that were given out");
    IS(vrv_log_offsets(the_log()).epoch, 2, "in one more epoch");
    rig_fini(&rig);
}

static void
test_lossy_clean(void)
{
    begin_written("flush.policy=none");
    for (int i = 0; i < 3; i++)
        (void)rig_put(&rig, the_log(), "b");
    IS(rig_close(&rig), 0, "a lossy log and a clean stop");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    OK(rig.found.clean && rig.found.skipped_logs == 0, "nothing was skipped");
    (void)rig_reads(&rig, the_log(), 0, "0:a 1:b 2:b 3:b ", "all is there");
    IS(vrv_log_offsets(the_log()).epoch, 0, "in the same epoch");
    IS(rig_put(&rig, the_log(), "c"), 4, "and goes on without a hole");
    rig_fini(&rig);
}

/* A log that was never lossy never skips. */
static void
test_strict_crash(void)
{
    begin_written(NULL);
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    OK(rig.found.skipped_logs == 0 && vrv_log_offsets(the_log()).epoch == 0,
        "sync: no new epoch after a crash");
    IS(rig_put(&rig, the_log(), "b"), 1, "and no hole");
    rig_fini(&rig);
}

/* ---- the policy changes ---- */

static void
alter(const char *configs)
{
    IS(rig_alter(&rig, "t", configs), 0, "altered to %s", configs);
}

/* What the lossy time left open becomes durable with the next commit. */
static void
test_to_sync(void)
{
    begin_written("flush.policy=none");
    for (int i = 0; i < 3; i++)
        (void)rig_put(&rig, the_log(), "b");
    OK(!all_durable(), "a lossy log, not all of it durable");
    alter("flush.policy=sync");
    rig_commit(&rig);
    OK(all_durable(), "all is, with the next commit");
    IS(rig_put(&rig, the_log(), "c"), 4, "one more");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(rig.found.skipped_logs, 0, "no offset is skipped after a crash");
    (void)rig_reads(&rig, the_log(), 0, "0:a 1:b 2:b 3:b 4:c ", "all is there");
    IS(rig_put(&rig, the_log(), "d"), 5, "and it goes on without a hole");
    rig_fini(&rig);
}

/* Before that commit, what was given out may be lost, and must not be given out again. */
static void
test_to_sync_and_crash(void)
{
    int64_t last = 0;

    begin_written("flush.policy=none");
    for (int i = 0; i < 3; i++)
        last = rig_put(&rig, the_log(), "lost");
    alter("flush.policy=");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(the_log()->config->policy, VRV_FLUSH_SYNC, "it has become sync before the crash");
    OK(rig_put(&rig, the_log(), "b") > last, "offsets go on above those that were lost");
    IS(vrv_log_offsets(the_log()).epoch, 1, "in a new epoch");
    int64_t next = vrv_log_offsets(the_log()).end;
    rig_crash(&rig, SIM_DROP_ALL, 2);
    rig_up(&rig);
    IS(rig.found.skipped_logs, 0, "a crash after that skips nothing");
    IS(rig_put(&rig, the_log(), "c"), next, "and it goes on");
    rig_fini(&rig);
}

static void
test_to_lossy_and_back(void)
{
    int64_t last = 0;

    begin_written(NULL);
    for (int i = 0; i < 6; i++) {
        alter(i % 2 == 0 ? "flush.policy=none" : "flush.policy=sync");
        for (int k = 0; k < 3; k++)
            last = rig_put(&rig, the_log(), "b");
        if (i == 2)
            OK(rig_checkpoint(&rig), "a checkpoint");
    }
    IS(last, 18, "a log is lossy and isn't, in turn");
    alter("flush.policy=interval");
    last = rig_put(&rig, the_log(), "promises");
    last = rig_put(&rig, the_log(), "lost");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(rig.found.skipped_logs, 1, "it is when a crash comes");
    IS(rig_count(&rig, the_log(), 0), 20, "what was durable is there");
    OK(rig_put(&rig, the_log(), "b") > last, "no offset is given out twice");
    rig_fini(&rig);
}

/* The power fails at each operation of the change. */
static void
test_crash_in_change(const char *from, const char *to)
{
    bool done = false, again = false;

    for (uint64_t op = 1; !done && op < 50; op++) {
        int64_t last = 0;

        rig_init(&rig, op);
        rig_up(&rig);
        rig_topic(&rig, "t", 1, from);
        for (int i = 0; i < 4; i++)
            last = rig_put(&rig, the_log(), "b");
        simdisk_crash_at(rig.disk, op);
        done = rig_alter(&rig, "t", to) == 0;
        if (done) {
            simdisk_crash_at(rig.disk, 0);
            last = rig_put(&rig, the_log(), "c");
        }
        rig_crash(&rig, SIM_DROP_ALL, op);
        rig_up(&rig);
        again |= rig_put(&rig, the_log(), "d") <= last;
        rig_fini(&rig);
    }
    OK(done && !again, "%s to %s: a crash anywhere lets no offset be given out again", from, to);
}

/* A repetition of a batch from the lossy time is acknowledged when that one is durable. */
static void
test_repetition(void)
{
    const struct rig_batch b = { .value = "p", .producer = true, .producer_id = 7 };
    struct vrv_topic_defaults d;

    begin_written("flush.policy=none");
    vrv_topic_defaults_init(&d);
    IS(rig_put_batch(&rig, the_log(), &b), 1, "a producer's batch, lossy");
    struct vrv_log_config *strict = vrv_log_config_new(&d.config);
    vrv_log_set_config(the_log(), strict);
    vrv_log_config_unref(strict);
    IS(rig_put_batch(&rig, the_log(), &b), 1, "repeated when the log is no longer");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    (void)rig_reads(&rig, the_log(), 0, "0:a 1:p ", "it is durable");
    rig_fini(&rig);
}

/* ---- stops ---- */

static void
test_stops(void)
{
    begin_written(NULL);
    for (int i = 0; i < 20; i++)
        (void)rig_put(&rig, the_log(), "b");
    IS(rig_close(&rig), 0, "a clean stop");
    rig_up(&rig);
    OK(rig.found.clean && rig.found.replayed == 0, "nothing is replayed after it");
    IS(rig.found.logs, 1, "one log was found");
    IS(rig_count(&rig, the_log(), 0), 21, "all is there");
    for (int i = 0; i < 5; i++)
        (void)rig_put(&rig, the_log(), "c");
    rig_crash(&rig, SIM_KEEP_ALL, 1);
    rig_up(&rig);
    OK(!rig.found.clean, "a crash is not a clean stop");
    IS(rig.found.replayed, 5, "what came since is replayed");
    IS(rig_count(&rig, the_log(), 0), 26, "all is there");
    rig_crash(&rig, SIM_KEEP_ALL, 1);
    rig_up(&rig);
    IS(rig.found.replayed, 5, "replayed again, as nothing was checkpointed");
    IS(rig_count(&rig, the_log(), 0), 26, "... with the same result");
    IS(rig_put(&rig, the_log(), "d"), 26, "and it goes on");
    rig_fini(&rig);
}

/* ---- syncing ahead ---- */

static void
count_call(void *ctx)
{
    (*(int *)ctx)++;
}

/* A checkpoint of four logs that has written two of them. */
static int
written_two(void)
{
    static int asked;

    rig_init(&rig, 1);
    asked = 0;
    rig.o.sync_wanted = count_call;
    rig.o.ctx = &asked;
    rig_up(&rig);
    rig_topic(&rig, "t", 4, NULL);
    for (int32_t p = 0; p < 4; p++)
        (void)rig_put(&rig, rig_log(&rig, "t", p), "a");
    vrv_engine_want_checkpoint(rig.eng);
    OK(!vrv_engine_sync_step(rig.eng), "nothing to sync ahead before a checkpoint wrote anything");
    for (int i = 0; i < 100 && asked == 0; i++)
        (void)vrv_engine_checkpoint_step(rig.eng);
    return asked;
}

static void
test_sync_ahead(void)
{
    IS(written_two(), 1, "it asks for a sync when two of four logs are written");
    uint64_t before = simdisk_ops(rig.disk);
    OK(vrv_engine_sync_step(rig.eng), "that is done beside it,");
    IS(simdisk_ops(rig.disk) - before, 1, "... by one sync,");
    OK(!vrv_engine_sync_step(rig.eng), "... once");
    OK(rig_checkpoint(&rig), "the checkpoint goes on to its end");
    OK(!vrv_engine_sync_step(rig.eng), "then nothing is left to sync ahead");
    rig_fini(&rig);
}

/* The failure was told to that sync, the next one wouldn't know of it (L4). */
static void
test_sync_ahead_fails(void)
{
    struct rig_call c;

    (void)written_two();
    (void)rig_append(&rig, rig_log(&rig, "t", 0), &(struct rig_batch){ .value = "b" }, &c);
    simdisk_fail(rig.disk, 1, SIM_EIO, false);
    (void)vrv_engine_sync_step(rig.eng);
    rig_commit(&rig);
    OK(c.posted == 1 && c.t.status == VRV_E_STOPPED, "what was queued isn't acknowledged any more");
    IS(vrv_engine_may_append(rig.eng, &rig.e), VRV_E_STOPPED,
        "a sync ahead fails: the engine stops");
    OK(!rig_checkpoint(&rig), "and no checkpoint comes to an end");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    for (int32_t p = 0; p < 4; p++)
        (void)rig_reads(&rig, rig_log(&rig, "t", p), 0, "0:a ", "after a crash all is there");
    rig_fini(&rig);
}

/* A stop in the middle of a checkpoint, after so many of its steps: what came since it began is not
 * in it, and nothing but the stop makes it durable. */
static bool
close_during(int steps, bool *ended)
{
    begin_written("flush.policy=none");
    bool ok = rig_checkpoint(&rig) && rig_put(&rig, the_log(), "b") == 1;
    uint64_t before = vrv_engine_checkpoints(rig.eng);
    vrv_engine_want_checkpoint(rig.eng);
    for (int i = 0; i < steps; i++) {
        (void)vrv_engine_checkpoint_step(rig.eng);
        rig_commit(&rig);
    }
    *ended = vrv_engine_checkpoints(rig.eng) > before;
    ok &= rig_put(&rig, the_log(), "late") == 2 && rig_close(&rig) == 0;
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    ok &= rig.found.clean && rig_count(&rig, the_log(), 0) == 3;
    rig_fini(&rig);
    return ok;
}

static void
test_close_during_checkpoint(void)
{
    bool ended = false;
    int steps = 0, bad = 0;

    for (; !ended; steps++)
        bad += !close_during(steps, &ended);
    OK(steps > 5, "a stop in any of %d phases of a lossy log's checkpoint", steps - 1);
    IS(bad, 0, "all that was appended is there after a power cut, and the stop was clean");
}

/* Closing commits what is queued. */
static void
test_close_commits(void)
{
    struct rig_call c;

    begin_written(NULL);
    IS(rig_append(&rig, the_log(), &(struct rig_batch){ .value = "b" }, &c), 0, "an append");
    IS(rig_close(&rig), 0, "... and a stop at once");
    OK(c.posted == 1 && c.t.status == 0, "it is acknowledged");
    rig_up(&rig);
    (void)rig_reads(&rig, the_log(), 0, "0:a 1:b ", "and there");
    rig_fini(&rig);
}

int
main(void)
{
    test_sync();
    test_none();
    test_interval();
    test_mixed();
    test_lossy("flush.policy=none");
    test_lossy("flush.policy=interval flush.messages=1000");
    test_lossy_clean();
    test_strict_crash();
    test_to_sync();
    test_to_sync_and_crash();
    test_to_lossy_and_back();
    test_crash_in_change("flush.policy=none", "flush.policy=sync");
    test_crash_in_change("flush.policy=interval", "flush.policy=sync");
    test_crash_in_change("flush.policy=sync", "flush.policy=none");
    test_repetition();
    test_stops();
    test_sync_ahead();
    test_sync_ahead_fails();
    test_close_during_checkpoint();
    test_close_commits();
    return tap_done();
}
