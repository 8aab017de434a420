/* Topics of an engine: made, refused, deleted for good, also when a crash comes between. */
#include "t/lib/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/reader/reader.h"
#include "t/lib/tap.h"

static struct rig rig;

static void
begin(void)
{
    rig_init(&rig, 1);
    rig_up(&rig);
}

/* ---- making ---- */

static void
refused(const char *name, int32_t partitions, const char *configs, int code, const char *why)
{
    IS(rig_create(&rig, name, partitions, configs), code, "not made: %.40s, %d partitions, %s",
        name, partitions, configs != NULL ? configs : "no settings");
    IS_STR(rig.e.msg, why, "... and the sentence says why");
}

static void
test_create(void)
{
    struct vrv_topic_info t;

    begin();
    IS(rig_create(&rig, "orders", 3, "segment.bytes=1000 flush.policy=none"), 0, "a topic is made");
    OK(rig_log(&rig, "orders", 0) && rig_log(&rig, "orders", 2) && !rig_log(&rig, "orders", 3),
        "it has the partitions that were asked for");
    refused("orders", 1, NULL, VRV_E_EXISTS, "the topic orders exists");
    IS(rig_put(&rig, rig_log(&rig, "orders", 1), "a"), 0, "the first one still works");
    IS(rig_close(&rig), 0, "a stop");
    rig_up(&rig);
    IS(vrv_catalog_by_name(vrv_engine_catalog(rig.eng), "orders", &t, &rig.e), 0,
        "after a restart the topic is there");
    IS(t.config_n, 2, "... with its settings");
    vrv_topic_info_fini(&t);
    IS(rig_log(&rig, "orders", 2)->config->segment_bytes, 1000, "... which its logs follow");
    rig_fini(&rig);
}

static void
test_bad_names(void)
{
    char name[VRV_TOPIC_NAME_MAX + 2];

    begin();
    uint64_t before = rig_tree(&rig);
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    refused("", 1, NULL, VRV_E_INVALID, "a topic's name must not be empty");
    refused(".", 1, NULL, VRV_E_INVALID, "a topic can't be named .");
    refused("..", 1, NULL, VRV_E_INVALID, "a topic can't be named ..");
    IS(rig_create(&rig, "../etc", 1, NULL), VRV_E_INVALID, "a name is never a path");
    IS(rig_create(&rig, "a b", 1, NULL), VRV_E_INVALID, "nor does it hold spaces");
    IS(rig_create(&rig, "\xc3\xa4", 1, NULL), VRV_E_INVALID, "nor other than ASCII");
    IS(rig_create(&rig, name, 1, NULL), VRV_E_INVALID, "nor more than 249 characters");
    refused("t", 0, NULL, VRV_E_INVALID, "topic t with 0 partitions: 1 to 100000 are allowed");
    refused("t", -1, NULL, VRV_E_INVALID, "topic t with -1 partitions: 1 to 100000 are allowed");
    IS(rig_create(&rig, "t", VRV_PARTITIONS_MAX + 1, NULL), VRV_E_INVALID, "too many partitions");
    IS(rig_tree(&rig), before, "none of this has changed anything on the disk");
    name[VRV_TOPIC_NAME_MAX] = '\0';
    IS(rig_create(&rig, name, 1, NULL), 0, "a name of 249 characters is fine");
    rig_fini(&rig);
}

static void
test_bad_configs(void)
{
    begin();
    refused("t", 1, "retention.ms=soon", VRV_E_INVALID,
        "topic : retention.ms is \"soon\", expected a whole number from -1 to "
        "9223372036854775807");
    refused("t", 1, "segment.bytes=13", VRV_E_INVALID,
        "topic : segment.bytes is \"13\", expected a whole number from 14 to 2147483647");
    refused("t", 1, "segment.ms=0", VRV_E_INVALID,
        "topic : segment.ms is \"0\", expected a whole number from 1 to 9223372036854775807");
    refused("t", 1, "max.message.bytes=99999999999999999999", VRV_E_INVALID,
        "topic : max.message.bytes is \"99999999999999999999\", expected a whole number from 0 to "
        "2147483647");
    refused("t", 1, "flush.policy=fsync", VRV_E_INVALID,
        "topic : flush.policy is \"fsync\", expected sync, interval or none");
    refused("t", 1, "message.timestamp.type=Now", VRV_E_INVALID,
        "topic : message.timestamp.type is \"Now\", expected CreateTime or LogAppendTime");
    refused("t", 1, "validation=all", VRV_E_INVALID,
        "topic : validation is \"all\", expected header or records");
    refused("t", 1, "retention.sec=1", VRV_E_INVALID,
        "topic : there is no topic setting \"retention.sec\"");
    IS(rig_create(&rig, "t", 1, "segment.ms=1 segment.ms=2"), VRV_E_INVALID,
        "a setting given twice is refused");
    IS(rig_create(&rig, "t", 1, "retention.ms=-1 flush.messages=1 validation=records"), 0,
        "the name is still free for good ones");
    rig_fini(&rig);
}

/* ---- deleting ---- */

/* Sealed and open segments, a checkpoint, and some in the journal only. */
static void
fill(const char *name)
{
    char configs[] = "segment.bytes=2000 index.interval.bytes=100";

    rig_topic(&rig, name, 2, configs);
    for (int i = 0; i < 40; i++)
        (void)rig_put_batch(&rig, rig_log(&rig, name, i % 2), &(struct rig_batch){ .size = 500 });
    OK(rig_checkpoint(&rig) && rig_checkpoint(&rig), "segments are sealed and open");
    (void)rig_put(&rig, rig_log(&rig, name, 0), "newest");
}

static void
bury(void)
{
    for (int i = 0; i < 3; i++) {
        rig_commit(&rig);
        rig_flush(&rig);
        (void)rig_checkpoint(&rig);
        rig_pass(&rig, 1000);
    }
}

static int
count_gone(void *ctx, const struct vrv_uuid *id)
{
    (void)id;
    (*(int *)ctx)++;
    return 0;
}

static int
gone(void)
{
    int n = 0;

    (void)vrv_catalog_each_gone(vrv_engine_catalog(rig.eng), count_gone, &n);
    return n;
}

static void
nothing_left(const char *when)
{
    IS(rig_files(&rig, "log", "7a7a"), 0, "%s: no file is left", when);
    IS(gone(), 0, "%s: the catalog has forgotten it", when);
    IS(rig.eng != NULL && rig_close(&rig), 0, "a stop");
    IS(rig_keys(&rig, "state/") + rig_keys(&rig, "open/") + rig_keys(&rig, "seal/"), 0,
        "%s: no record is left in the checkpoints", when);
}

static void
test_delete(void)
{
    begin();
    fill("t");
    OK(rig_files(&rig, "log", ".log") > 4, "there are files to delete");
    IS(vrv_engine_delete_topic(rig.eng, "u", &rig.e), VRV_E_NOTFOUND, "no such topic");
    IS_STR(rig.e.msg, "there is no topic u", "... says so");
    IS(vrv_engine_delete_topic(rig.eng, "t", &rig.e), 0, "a topic is deleted");
    OK(rig_log(&rig, "t", 0) == NULL, "it is gone at once");
    bury();
    IS(atomic_load(&vrv_engine_env(rig.eng)->pool->used), 256 * 1024,
        "its records' memory is free (but for the slab that is being filled)");
    nothing_left("after a deletion");
    rig_up(&rig);
    OK(rig.found.clean && rig.found.logs == 0, "a restart finds nothing of it");
    rig_fini(&rig);
}

/* Whatever of the deletion reached the disk: all or nothing of the topic is there, and if it is
 * not, nothing of it stays. */
static bool
crash_at(uint64_t op, enum sim_policy policy)
{
    rig_init(&rig, 5);
    rig_up(&rig);
    rig_topic(&rig, "t", 1, "segment.bytes=1000");
    for (int i = 0; i < 6; i++)
        (void)rig_put_batch(&rig, rig_log(&rig, "t", 0), &(struct rig_batch){ .size = 500 });
    bool ok = rig_checkpoint(&rig) && rig_checkpoint(&rig);
    simdisk_crash_at(rig.disk, op);
    int rc = vrv_engine_delete_topic(rig.eng, "t", &rig.e);
    for (int i = 0; i < 3 && !simdisk_is_off(rig.disk); i++)
        bury();
    bool more = simdisk_is_off(rig.disk);
    simdisk_crash_at(rig.disk, 0);
    rig_crash(&rig, policy, op);
    if (rig_open(&rig) < 0) {
        tap_note("crash at operation %d: %s", (int)op, rig.e.msg);
        ok = false;
    } else if (rig_log(&rig, "t", 0) != NULL) {
        ok &= rc != 0 && rig_count(&rig, rig_log(&rig, "t", 0), 0) == 6;
        ok &= vrv_engine_delete_topic(rig.eng, "t", &rig.e) == 0;
    }
    if (rig.eng != NULL) {
        bury();
        ok &= rig_files(&rig, "log", "7a7a") == 0 && gone() == 0 && rig_close(&rig) == 0 &&
            rig_keys(&rig, "seal/") + rig_keys(&rig, "state/") + rig_keys(&rig, "open/") == 0;
    }
    if (!ok)
        tap_note("crash at operation %d, %s", (int)op, sim_policy_name(policy));
    rig_fini(&rig);
    return ok && more;
}

static void
test_delete_crash(void)
{
    uint64_t ops = 1;

    while (crash_at(ops, SIM_DROP_ALL))
        ops++;
    /* The last one ran to its end without a crash. */
    OK(ops > 20, "a crash at any of %d operations of a deletion: nothing of it stays",
        (int)ops - 1);
    for (uint64_t op = 1; op < ops; op++)
        if (!crash_at(op, SIM_ARBITRARY) && op + 1 < ops) {
            OK(false, "the same when any of it reached the disk");
            return;
        }
    OK(true, "the same when any of it reached the disk");
}

static void
test_name_again(void)
{
    begin();
    fill("t");
    struct vrv_log_id old = rig_log(&rig, "t", 0)->id;
    IS(vrv_engine_delete_topic(rig.eng, "t", &rig.e), 0, "deleted,");
    IS(rig_create(&rig, "t", 1, NULL), 0, "... and at once made again");
    struct vrv_log *log = rig_log(&rig, "t", 0);
    OK(!vrv_uuid_eq(&old.topic, &log->id.topic), "it is another topic");
    IS(rig_put(&rig, log, "new"), 0, "it begins at offset 0");
    bury();
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    (void)rig_reads(&rig, rig_log(&rig, "t", 0), 0, "0:new ", "and holds only its own records");
    OK(rig_log(&rig, "t", 1) == NULL, "and its own number of partitions");
    rig_fini(&rig);
}

static void
test_held(void)
{
    struct vrv_waiter w = { .done.cq = &rig.cq };
    struct rig_call c, start = { .t.done.cq = &rig.cq };
    struct vrv_read rd = { .max_bytes = 100 };

    begin();
    fill("t");
    struct vrv_log_id id = rig_log(&rig, "t", 0)->id;
    struct vrv_log *log = vrv_engine_log_ref(rig.eng, &id);
    IS(vrv_engine_delete_topic(rig.eng, "t", &rig.e), 0,
        "deleted while somebody holds a log of it");
    IS(rig_append(&rig, log, &(struct rig_batch){ .value = "x" }, &c), VRV_E_NOTFOUND, "append:");
    IS_STR(rig.e.msg, "the partition was deleted", "... says so");
    IS(vrv_log_set_start(log, -1, &start.t, &rig.e), VRV_E_NOTFOUND, "delete-records: not found");
    IS(vrv_read(log, &rd, &rig.e), VRV_E_NOTFOUND, "read: not found");
    vrv_log_wait(log, &w, 100, 1, INT64_MAX);
    OK(vrv_cq_take(&rig.cq, 0) == &w.done && w.status == VRV_E_NOTFOUND,
        "wait: not found, at once");
    vrv_log_roll(log);
    bury();
    IS(rig_append(&rig, log, &(struct rig_batch){ .value = "x" }, &c), VRV_E_NOTFOUND,
        "the same once its files are gone");
    IS(rig_files(&rig, "log", "7a7a"), 0, "... which holding it doesn't keep");
    vrv_log_unref(&log);
    rig_fini(&rig);
}

/* Its records left memory before a checkpoint began, so only those who hold it know of it. */
static void
test_let_go(void)
{
    struct vrv_err e = { 0 };

    begin();
    rig_topic(&rig, "t", 1, NULL);
    (void)rig_put(&rig, rig_log(&rig, "t", 0), "a");
    struct vrv_log_id id = rig_log(&rig, "t", 0)->id;
    struct vrv_log *log = vrv_engine_log_ref(rig.eng, &id);
    IS(vrv_engine_delete_topic(rig.eng, "t", &e), 0, "deleted while somebody holds a log of it");
    rig_commit(&rig);
    rig_flush(&rig);
    vrv_engine_tend_step(rig.eng);
    vrv_engine_want_checkpoint(rig.eng);
    OK(vrv_engine_checkpoint_step(rig.eng), "a checkpoint has begun");
    vrv_log_unref(&log);
    OK(rig_checkpoint(&rig), "it goes on when nobody else holds the log any more");
    rig_fini(&rig);
}

static void
write_to(const char *topic)
{
    (void)rig_put_batch(&rig, rig_log(&rig, topic, 0),
        &(struct rig_batch){ .size = rig.o.flush_bytes });
    rig_flush(&rig);
}

/* Written since a checkpoint synced its segment's name, deleted with its files, and then captured. */
static void
test_deleted_unsynced(void)
{
    struct vrv_err e = { 0 };

    rig_init(&rig, 1);
    rig.o.open_files_max = 1;
    rig_up(&rig);
    rig_topic(&rig, "t", 1, NULL);
    rig_topic(&rig, "other", 1, NULL);
    write_to("t");
    write_to("other");
    OK(rig_checkpoint(&rig), "a checkpoint syncs segments and their names");
    write_to("t");
    IS(vrv_engine_delete_topic(rig.eng, "t", &e), 0, "more is written, and the topic deleted");
    write_to("other");
    vrv_engine_tend_step(rig.eng);
    IS(rig_files(&rig, "log", ".log"), 1, "its files are away, and closed");
    OK(rig_checkpoint(&rig), "the next checkpoint doesn't miss them");
    rig_fini(&rig);
}

int
main(void)
{
    test_create();
    test_bad_names();
    test_bad_configs();
    test_delete();
    test_delete_crash();
    test_name_again();
    test_held();
    test_let_go();
    test_deleted_unsynced();
    return tap_done();
}
