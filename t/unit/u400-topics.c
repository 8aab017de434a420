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
        "Invalid value soon for configuration retention.ms: Not a number of type LONG");
    refused("t", 1, "segment.bytes=13", VRV_E_INVALID,
        "Invalid value 13 for configuration segment.bytes: Value must be at least 14");
    refused("t", 1, "segment.ms=0", VRV_E_INVALID,
        "Invalid value 0 for configuration segment.ms: Value must be at least 1");
    refused("t", 1, "max.message.bytes=99999999999999999999", VRV_E_INVALID,
        "Invalid value 99999999999999999999 for configuration max.message.bytes: Not a number of "
        "type INT");
    refused("t", 1, "flush.policy=fsync", VRV_E_INVALID,
        "Invalid value fsync for configuration flush.policy: String must be one of: sync, "
        "interval, none");
    refused("t", 1, "message.timestamp.type=Now", VRV_E_INVALID,
        "Invalid value Now for configuration message.timestamp.type: String must be one of: "
        "CreateTime, LogAppendTime");
    refused("t", 1, "validation=all", VRV_E_INVALID,
        "Invalid value all for configuration validation: String must be one of: header, records");
    refused("t", 1, "retention.sec=1", VRV_E_INVALID,
        "Unknown topic config name: retention.sec");
    refused("t", 1, "flush.ms=", VRV_E_INVALID,
        "Null value not supported for topic configs: flush.ms");
    IS(rig_create(&rig, "t", 1, "segment.ms=1 segment.ms=2"), VRV_E_INVALID,
        "a setting given twice is refused");
    IS(rig_create(&rig, "t", 1, "retention.ms=-1 flush.messages=1 validation=records"), 0,
        "the name is still free for good ones");
    rig_fini(&rig);
}

/* ---- what is left ---- */

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

/* ---- altering and growing ---- */

static int
add_setting(void *ctx, const struct vrv_setting *s)
{
    char *text = ctx;
    size_t n = strlen(text);

    if (s->own)
        (void)snprintf(text + n, 1000 - n, "%s=%s(%s) ", s->key, s->value, s->dflt);
    return 0;
}

/* A topic's own settings, each with its default. */
static void
own_settings(const char *name, const char *want)
{
    char text[1000] = "";

    IS(vrv_engine_describe_topic(rig.eng, name, add_setting, text, &rig.e), 0, "described");
    IS_STR(text, want, "the topic's own settings");
}

static void
test_alter(void)
{
    begin();
    rig_topic(&rig, "t", 2, "segment.bytes=1000 retention.ms=5");
    struct vrv_log *log = rig_log(&rig, "t", 1);
    IS(rig_put(&rig, log, "a"), 0, "a record");
    IS(rig_alter(&rig, "t", "segment.bytes=2000 flush.policy=none retention.ms="), 0, "altered");
    OK(rig_log(&rig, "t", 1) == log, "the log is the same");
    IS(log->config->segment_bytes, 2000, "it follows: a new value,");
    IS(log->config->policy, VRV_FLUSH_NONE, "another setting,");
    IS(log->config->retention_ms, 604800000, "and back to the default");
    IS(rig_log(&rig, "t", 0)->config->segment_bytes, 2000, "so does the other partition");
    IS(rig_alter(&rig, "t", "max.message.bytes=10"), 0, "altered again");
    IS(rig_append(&rig, log, &(struct rig_batch){ .value = "b" }, &(struct rig_call){ 0 }),
        VRV_E_TOO_LARGE, "the new limit is in force at once");
    IS(rig_alter(&rig, "t", NULL), 0, "nothing to alter");
    const char *want = "flush.policy=none(sync) max.message.bytes=10(1048588) "
                       "segment.bytes=2000(1073741824) ";
    own_settings("t", want);
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    own_settings("t", want);
    IS(rig_log(&rig, "t", 1)->config->segment_bytes, 2000, "all that outlives a crash");
    rig_fini(&rig);
}

static void
not_altered(const char *name, const char *configs, int code, const char *why)
{
    IS(rig_alter(&rig, name, configs), code, "not altered: %s", configs);
    IS_STR(rig.e.msg, why, "... and the sentence says why");
}

static void
test_bad_alter(void)
{
    begin();
    rig_topic(&rig, "t", 1, "segment.bytes=1000");
    uint64_t before = rig_tree(&rig);
    not_altered("u", "segment.bytes=5000", VRV_E_NOTFOUND, "there is no topic u");
    not_altered("t", "segment.bytes=5000 retention.sec=1", VRV_E_INVALID,
        "Unknown topic config name: retention.sec");
    not_altered("t", "segment.bytes=5000 retention.sec=", VRV_E_INVALID,
        "Unknown topic config name: retention.sec");
    not_altered("t", "segment.bytes=5000 flush.ms=x", VRV_E_INVALID,
        "Invalid value x for configuration flush.ms: Not a number of type LONG");
    not_altered("t", "flush.ms=1 flush.ms=", VRV_E_INVALID,
        "the setting flush.ms is given twice");
    IS(rig_tree(&rig), before, "none of this has changed anything on the disk");
    own_settings("t", "segment.bytes=1000(1073741824) ");
    IS(rig_log(&rig, "t", 0)->config->segment_bytes, 1000, "or in the log");
    rig_fini(&rig);
}

static void
not_grown(const char *name, int32_t partitions, int code, const char *why)
{
    IS(vrv_engine_grow_topic(rig.eng, name, partitions, &rig.e), code, "not grown to %d",
        partitions);
    IS_STR(rig.e.msg, why, "... and the sentence says why");
}

static void
test_grow(void)
{
    begin();
    rig_topic(&rig, "t", 2, "segment.bytes=1000");
    IS(rig_put(&rig, rig_log(&rig, "t", 1), "a"), 0, "a record");
    not_grown("t", 1, VRV_E_INVALID, "topic t has 2 partitions: 1 would not be more");
    not_grown("t", 2, VRV_E_INVALID, "topic t has 2 partitions: 2 would not be more");
    not_grown("t", 100001, VRV_E_INVALID,
        "topic t with 100001 partitions: 1 to 100000 are allowed");
    not_grown("u", 3, VRV_E_NOTFOUND, "there is no topic u");
    IS(vrv_engine_grow_topic(rig.eng, "t", 5, &rig.e), 0, "grown");
    OK(rig_log(&rig, "t", 4) != NULL && rig_log(&rig, "t", 5) == NULL, "to five");
    IS(rig_log(&rig, "t", 4)->config->segment_bytes, 1000, "with the topic's settings");
    IS(rig_put(&rig, rig_log(&rig, "t", 4), "b"), 0, "a new one takes records");
    IS(rig_put(&rig, rig_log(&rig, "t", 1), "c"), 1, "an old one goes on");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    (void)rig_reads(&rig, rig_log(&rig, "t", 4), 0, "0:b ", "after a crash it is there");
    OK(rig_checkpoint(&rig), "a checkpoint");
    IS(vrv_engine_delete_topic(rig.eng, "t", &rig.e), 0, "deleted");
    OK(rig_log(&rig, "t", 4) == NULL, "with all of its partitions");
    rig_bury(&rig);
    nothing_left("a grown topic deleted");
    rig_fini(&rig);
}

static int
count_setting(void *ctx, const struct vrv_setting *s)
{
    int *n = ctx;

    if (s->own || strcmp(s->value, s->dflt) != 0)
        *n += 1000;
    return ++*n == 3 ? 77 : 0;
}

static void
test_describe(void)
{
    int n = 4;

    begin();
    IS(vrv_engine_describe_topic(rig.eng, "t", count_setting, &n, &rig.e), VRV_E_NOTFOUND,
        "no topic to describe");
    IS(vrv_engine_describe_topic(rig.eng, NULL, count_setting, &n, &rig.e), 0,
        "what a new one would have");
    IS(n, 4 + VRV_TOPIC_SETTINGS, "every setting there is, all by default");
    n = 0;
    IS(vrv_engine_describe_topic(rig.eng, NULL, count_setting, &n, &rig.e), 77, "who stops");
    IS(n, 3, "sees no more");
    rig_fini(&rig);
}

/* ---- defaults ---- */

static int
set_defaults(const char *key, const char *value, const char *key2, const char *value2)
{
    const struct vrv_config_kv kv[] = { { (char *)(uintptr_t)key, (char *)(uintptr_t)value },
        { (char *)(uintptr_t)key2, (char *)(uintptr_t)value2 } };

    return vrv_engine_set_defaults(rig.eng, kv, key2 != NULL ? 2 : 1, &rig.e);
}

struct shown {
    const char *key;
    char value[VRV_SETTING_VALUE], dflt[VRV_SETTING_VALUE];
};

static int
show_one(void *ctx, const struct vrv_setting *s)
{
    struct shown *w = ctx;

    if (strcmp(s->key, w->key) == 0) {
        memcpy(w->value, s->value, sizeof(w->value));
        memcpy(w->dflt, s->dflt, sizeof(w->dflt));
    }
    return 0;
}

static void
shows(const char *topic, const char *key, const char *value, const char *dflt)
{
    struct shown w = { .key = key };

    IS(vrv_engine_describe_topic(rig.eng, topic, show_one, &w, &rig.e), 0, "described");
    IS_STR(w.value, value, "the value of %s", key);
    IS_STR(w.dflt, dflt, "... and the default");
}

static void
test_defaults(void)
{
    begin();
    rig_topic(&rig, "own", 1, "retention.ms=5");
    rig_topic(&rig, "t", 2, NULL);
    IS(set_defaults("retention.ms", "007", "compression.type", "zstd"), 0, "defaults are set");
    IS(rig_log(&rig, "t", 1)->config->retention_ms, 7, "a topic follows them");
    IS(rig_log(&rig, "own", 0)->config->retention_ms, 5, "but for what it has set itself");
    rig_topic(&rig, "new", 1, NULL);
    IS(rig_log(&rig, "new", 0)->config->retention_ms, 7, "a new one follows them, too");
    shows("t", "retention.ms", "7", "7");
    shows("own", "retention.ms", "5", "7");
    shows("t", "compression.type", "zstd", "zstd");
    shows(NULL, "compression.type", "zstd", "zstd");
    IS(rig_alter(&rig, "own", "retention.ms="), 0, "its own is taken away");
    IS(rig_log(&rig, "own", 0)->config->retention_ms, 7, "... and it follows");
    IS(set_defaults("flush.policy", "none", NULL, NULL), 0, "other defaults");
    IS(rig_log(&rig, "t", 0)->config->retention_ms, 604800000, "the ones before are forgotten,");
    IS(rig_log(&rig, "t", 0)->config->policy, VRV_FLUSH_NONE, "the new ones hold");
    IS(set_defaults("flush.policy", "sync", "retention.ms", "x"), VRV_E_INVALID, "a bad one");
    IS_STR(rig.e.msg, "Invalid value x for configuration retention.ms: Not a number of type LONG",
        "... is refused");
    IS(set_defaults("log.retention.ms", "1", NULL, NULL), VRV_E_INVALID, "one there isn't");
    IS_STR(rig.e.msg, "Unknown topic config name: log.retention.ms", "... too");
    IS(rig_log(&rig, "t", 0)->config->policy, VRV_FLUSH_NONE, "and nothing is changed by that");
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
test_delete(void)
{
    begin();
    fill("t");
    OK(rig_files(&rig, "log", ".log") > 4, "there are files to delete");
    IS(vrv_engine_delete_topic(rig.eng, "u", &rig.e), VRV_E_NOTFOUND, "no such topic");
    IS_STR(rig.e.msg, "there is no topic u", "... says so");
    IS(vrv_engine_delete_topic(rig.eng, "t", &rig.e), 0, "a topic is deleted");
    OK(rig_log(&rig, "t", 0) == NULL, "it is gone at once");
    rig_bury(&rig);
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
        rig_bury(&rig);
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
        rig_bury(&rig);
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

/* The same when the n-th operation fails, and the power does, too. */
static bool
fail_at(uint64_t op)
{
    rig_init(&rig, 5);
    rig_up(&rig);
    rig_topic(&rig, "t", 1, "segment.bytes=1000");
    for (int i = 0; i < 6; i++)
        (void)rig_put_batch(&rig, rig_log(&rig, "t", 0), &(struct rig_batch){ .size = 500 });
    bool ok = rig_checkpoint(&rig) && rig_checkpoint(&rig) &&
        vrv_engine_delete_topic(rig.eng, "t", &rig.e) == 0;
    simdisk_fail(rig.disk, op, SIM_EIO, false);
    rig_bury(&rig);
    bool more = simdisk_failed(rig.disk) > 0;
    rig_crash(&rig, SIM_DROP_ALL, op);
    rig_up(&rig);
    rig_bury(&rig);
    ok &= rig_log(&rig, "t", 0) == NULL && rig_files(&rig, "log", "7a7a") == 0 && gone() == 0;
    if (!ok)
        tap_note("operation %d fails", (int)op);
    rig_fini(&rig);
    return ok && more;
}

static void
test_delete_fault(void)
{
    uint64_t ops = 1;

    while (fail_at(ops))
        ops++;
    OK(ops > 20, "any of %d operations of a deletion fails: nothing of it stays", (int)ops - 1);
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
    rig_bury(&rig);
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
    rig_bury(&rig);
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
write_some(const char *topic)
{
    (void)rig_put_batch(&rig, rig_log(&rig, topic, 0), &(struct rig_batch){ .size = 20000 });
    rig_flush(&rig);
}

/* Written and not synced, then deleted with its files: the next checkpoint still knows the log. */
static void
test_buried_early(void)
{
    struct vrv_err e = { 0 };

    rig_init(&rig, 1);
    rig.o.open_files_max = 2;
    rig_up(&rig);
    rig_topic(&rig, "t", 1, NULL);
    rig_topic(&rig, "u", 1, NULL);
    write_some("t");
    write_some("u");
    OK(rig_checkpoint(&rig), "segments whose names are synced");
    write_some("t");
    write_some("u"); /* whose files are the ones that are open now */
    IS(vrv_engine_delete_topic(rig.eng, "t", &e), 0, "its topic is deleted");
    rig_pass(&rig, 1000);
    rig_flush(&rig);
    rig_pass(&rig, 1000);
    IS(rig_files(&rig, "log", ".log"), 1, "... and its files, before what was written is synced");
    OK(rig_checkpoint(&rig), "a checkpoint does not look for them");
    rig_fini(&rig);
}

int
main(void)
{
    test_create();
    test_bad_names();
    test_bad_configs();
    test_alter();
    test_bad_alter();
    test_grow();
    test_describe();
    test_defaults();
    test_delete();
    test_delete_crash();
    test_delete_fault();
    test_name_again();
    test_held();
    test_let_go();
    test_buried_early();
    return tap_done();
}
