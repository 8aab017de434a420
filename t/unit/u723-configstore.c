/* The configuration of a running server: what is set stays, is in force at once, and is told. */
#include "server/config/store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config/describe.h"
#include "t/lib/rig.h"
#include "t/lib/tap.h"

static struct rig rig;
static struct vrv_config_store *store;
static struct vrv_err err;
static char notes[1000];

static void
note(void *ctx, bool is_error, const char *sentence)
{
    size_t n = strlen(notes);

    (void)ctx;
    (void)snprintf(notes + n, sizeof(notes) - n, "%s%s\n", is_error ? "!" : "", sentence);
}

static int changes;
static char level[10];

static void
in_force(void *ctx, const struct vrv_config *c)
{
    (void)ctx;
    changes++;
    (void)snprintf(level, sizeof(level), "%s", c->log_level);
}

/* Start with what a file says. */
static int
open_store(const char *text)
{
    struct vrv_config_input in;
    struct vrv_config_store_opts o = { .engine = rig.eng, .note = note, .in_force = in_force,
        .random = { { 1, 2, 3, 250, 255, 0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } } };

    notes[0] = '\0';
    vrv_config_input_init(&in, note, NULL);
    vrv_config_input_text(&in, "f", text, strlen(text));
    o.values = &in.values;
    int rc = vrv_config_store_open(&store, &o, &err);
    vrv_config_input_fini(&in);
    return rc;
}

static void
begin(const char *text)
{
    rig_init(&rig, 1);
    rig_up(&rig);
    IS(open_store(text), 0, "a start with %.*s", (int)strcspn(text, "\n"), text);
}

static void
again(const char *text)
{
    vrv_config_store_close(&store);
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(open_store(text), 0, "another, after a crash");
}

static void
end(void)
{
    vrv_config_store_close(&store);
    rig_fini(&rig);
}

static int
alter(const char *broker, const char *name, enum vrv_config_op op, const char *value)
{
    return vrv_config_alter(store, broker, &(struct vrv_config_change){ name, op, value }, 1, 0,
        &err);
}

static int
set(const char *broker, const char *name, const char *value)
{
    return alter(broker, name, VRV_CONFIG_SET, value);
}

static void
refused(int rc, const char *why)
{
    IS(rc, VRV_E_INVALID, "refused");
    IS_STR(err.msg, why, "... in Kafka's words");
}

/* ---- as DescribeConfigs tells it ---- */

struct shown {
    const char *name;
    char text[600];
};

static int
show(void *ctx, const struct vrv_config_entry *x)
{
    struct shown *w = ctx;

    if (strcmp(x->name, w->name) != 0)
        return 0;
    size_t n = (size_t)snprintf(w->text, sizeof(w->text), "%s %s %d%s",
        x->value != NULL ? x->value : "null", vrv_setting_type_name(x->type), (int)x->source,
        x->read_only ? " read-only" : "");
    for (size_t i = 0; i < x->synonym_n; i++)
        n += (size_t)snprintf(w->text + n, sizeof(w->text) - n, " %d:%s=%s",
            (int)x->synonym[i].source, x->synonym[i].name, x->synonym[i].value);
    return 0;
}

static void
broker_shows(const char *name, const char *want)
{
    struct shown w = { .name = name };
    struct vrv_config *c = vrv_config_get(store);

    IS(vrv_config_each(c, show, &w), 0, "described");
    IS_STR(w.text, want, "a broker's %s", name);
    vrv_config_unref(&c);
}

static void
cluster_shows(const char *name, const char *want)
{
    struct shown w = { .name = name };
    struct vrv_config *c = vrv_config_get(store);

    IS(vrv_config_each_cluster(c, show, &w), 0, "described");
    IS_STR(w.text, want, "all brokers' %s", name);
    vrv_config_unref(&c);
}

static void
topic_shows(const char *topic, const char *name, const char *want)
{
    struct shown w = { .name = name };
    struct vrv_config *c = vrv_config_get(store);

    IS(vrv_config_each_topic(c, rig.eng, topic, show, &w, &err), 0, "described");
    IS_STR(w.text, want, "a topic's %s", name);
    vrv_config_unref(&c);
}

static int
count(void *ctx, const struct vrv_config_entry *x)
{
    int *n = ctx;

    (void)x;
    return ++*n == 1000 ? 5 : 0;
}

static void
test_describe(void)
{
    int n = 0;

    begin("log.retention.hours=2\nlog.segment.bytes=5000\nnode.id=4\n");
    rig_topic(&rig, "t", 1, "segment.bytes=1000");
    broker_shows("num.partitions", "1 INT 5 read-only 5:num.partitions=1");
    broker_shows("node.id", "4 INT 4 read-only 4:node.id=4 5:node.id=-1");
    broker_shows("advertised.listeners", "null LIST 5 read-only");
    broker_shows("log.retention.hours",
        "2 INT 4 read-only 4:log.retention.hours=2 5:log.retention.hours=168");
    broker_shows("log.retention.ms", "null LONG 5");
    IS(set("", "log.retention.ms", "9000"), 0, "milliseconds for all brokers");
    IS(set("4", "log.retention.ms", "8000"), 0, "and for this one");
    broker_shows("log.retention.ms", "8000 LONG 2 2:log.retention.ms=8000 3:log.retention.ms=9000 "
                                     "4:log.retention.hours=2 5:log.retention.hours=168");
    topic_shows("t", "retention.ms", "8000 LONG 2 2:log.retention.ms=8000 3:log.retention.ms=9000 "
                                     "4:log.retention.hours=2 5:log.retention.hours=168");
    cluster_shows("log.retention.ms", "9000 LONG 3 3:log.retention.ms=9000");
    cluster_shows("num.partitions", "");
    topic_shows("t", "segment.bytes", "1000 INT 1 1:segment.bytes=1000 4:log.segment.bytes=5000 "
                                      "5:log.segment.bytes=1073741824");
    topic_shows(NULL, "segment.bytes", "5000 INT 4 4:log.segment.bytes=5000 "
                                       "5:log.segment.bytes=1073741824");
    topic_shows("t", "remote.storage.enable", "false BOOLEAN 5");
    topic_shows("t", "cleanup.policy", "delete LIST 5 5:log.cleanup.policy=delete");
    struct vrv_config *c = vrv_config_get(store);
    IS(vrv_config_each_topic(c, rig.eng, "u", count, &n, &err), VRV_E_NOTFOUND, "no such topic");
    IS(vrv_config_each(c, count, &n), 0, "every option");
    IS(n, VRV_OPTIONS, "is told");
    n = 999;
    IS(vrv_config_each(c, count, &n), 5, "who stops is heard");
    vrv_config_unref(&c);
    end();
}

/* ---- changes of a broker ---- */

static void
test_alter(void)
{
    begin("max.connections=10\n");
    rig_topic(&rig, "t", 1, NULL);
    struct vrv_config *before = vrv_config_get(store);
    IS(set("", "max.connections", "20"), 0, "set for all");
    IS(set("1", "max.connections", "30"), 0, "set for this one");
    IS(set("", "log.segment.bytes", " 07000 "), 0, "a default of topics");
    IS(rig_log(&rig, "t", 0)->config->segment_bytes, 7000, "a topic follows at once");
    struct vrv_config *c = vrv_config_get(store);
    IS(c->max_connections, 30, "this broker's comes first");
    IS(before->max_connections, 10, "who read before still has what was");
    vrv_config_unref(&before);
    vrv_config_unref(&c);
    again("max.connections=10\n");
    IS_STR(notes, "", "nothing to remark");
    broker_shows("max.connections", "30 INT 2 2:max.connections=30 3:max.connections=20 "
                                    "4:max.connections=10 5:max.connections=2147483647");
    IS(rig_log(&rig, "t", 0)->config->segment_bytes, 7000, "topics follow from the start on");
    IS(alter("1", "max.connections", VRV_CONFIG_DELETE, NULL), 0, "one is taken away");
    broker_shows("max.connections", "20 INT 3 3:max.connections=20 4:max.connections=10 "
                                    "5:max.connections=2147483647");
    const struct vrv_config_change replace = { "log.level", VRV_CONFIG_SET, "debug" };
    IS(vrv_config_alter(store, "1", &replace, 1, VRV_ALTER_REPLACE, &err), 0, "all are replaced");
    broker_shows("log.level", "debug STRING 2 2:log.level=debug 5:log.level=info");
    IS(vrv_config_alter(store, "", NULL, 0, VRV_ALTER_REPLACE, &err), 0, "... by none");
    broker_shows("max.connections", "10 INT 4 4:max.connections=10 5:max.connections=2147483647");
    IS(rig_log(&rig, "t", 0)->config->segment_bytes, 1 << 30, "topics have the default again");
    again("max.connections=10\n");
    broker_shows("log.level", "debug STRING 2 2:log.level=debug 5:log.level=info");
    end();
}

static void
test_bad_alter(void)
{
    const struct vrv_config_change two[] = { { "max.connections", VRV_CONFIG_SET, "5" },
        { "max.connections.per.ip", VRV_CONFIG_SET, "-5" } };
    const struct vrv_config_change fixed[] = { { "num.partitions", VRV_CONFIG_SET, "5" },
        { "log.level", VRV_CONFIG_SET, "info" }, { "node.id", VRV_CONFIG_DELETE, NULL } };

    begin("");
    uint64_t tree = rig_tree(&rig);
    refused(vrv_config_alter(store, "1", two, 2, 0, &err),
        "Invalid value -5 for configuration max.connections.per.ip: Value must be at least 0");
    refused(vrv_config_alter(store, "1", fixed, 3, 0, &err),
        "Cannot update these configs dynamically: Set(num.partitions, node.id)");
    refused(set("", "log.level", "info"),
        "Cannot update these configs at default cluster level, broker id must be specified: "
        "Set(log.level)");
    refused(set("2", "max.connections", "5"),
        "Unexpected broker id, expected 1 or empty string, but received 2");
    refused(set("", "max.connection", "5"),
        "Unknown broker config name: max.connection; is it max.connections");
    refused(set("", "q", "5"), "Unknown broker config name: q");
    refused(alter("", "max.connections", VRV_CONFIG_APPEND, "5"),
        "Can't APPEND to key max.connections because its type is not LIST.");
    refused(alter("", "max.connections", VRV_CONFIG_SUBTRACT, "5"),
        "Can't SUBTRACT to key max.connections because its type is not LIST.");
    refused(set("", "max.connections.per.ip.overrides", "x"),
        "max.connections.per.ip.overrides: \"x\" is no limit: expected IP-address:number");
    IS(vrv_config_alter(store, "", two, 1, VRV_ALTER_VALIDATE, &err), 0, "one that could be done");
    IS(rig_tree(&rig), tree, "nothing of this is kept");
    broker_shows("max.connections", "2147483647 INT 5 5:max.connections=2147483647");
    refused(vrv_config_changes_check(fixed, 1000, &err), "1000 settings: there are not so many");
    const struct vrv_config_change same[] = { two[0], two[0] };
    refused(vrv_config_changes_check(same, 2, &err),
        "Error due to duplicate config keys: max.connections");
    const struct vrv_config_change null = { "a", VRV_CONFIG_SET, NULL };
    refused(vrv_config_changes_check(&null, 1, &err), "Null value not supported for : a");
    const struct vrv_config_change odd = { "a", (enum vrv_config_op)7, "1" };
    refused(vrv_config_changes_check(&odd, 1, &err), "Unknown operation 7 on a");
    IS(vrv_config_changes_check(fixed, 3, &err), 0, "what is well-formed passes");
    end();
}

static void
test_told(void)
{
    changes = 0;
    begin("log.level=warn");
    IS_STR(level, "warn", "what is in force is told at the start");
    IS(changes, 1, "... once");
    IS(set("1", "log.level", "debug"), 0, "it changes");
    IS_STR(level, "debug", "... and is told again");
    OK(set("1", "log.level", "x") < 0 && changes == 2, "a change that is refused isn't");
    again("log.level=warn");
    IS_STR(level, "debug", "what was set is in force after a restart");
    end();
}

static void
test_lists(void)
{
    const char *name = "max.connections.per.ip.overrides";

    begin("");
    IS(alter("", name, VRV_CONFIG_APPEND, "10.0.0.1:1,::1:2"), 0, "appended to nothing");
    broker_shows(name, "10.0.0.1:1,::1:2 LIST 3 "
                       "3:max.connections.per.ip.overrides=10.0.0.1:1,::1:2 "
                       "5:max.connections.per.ip.overrides=");
    IS(alter("", name, VRV_CONFIG_APPEND, "::1:2, 10.0.0.3:3"), 0, "what is there is not appended");
    cluster_shows(name, "10.0.0.1:1,::1:2,10.0.0.3:3 LIST 3 "
                        "3:max.connections.per.ip.overrides=10.0.0.1:1,::1:2,10.0.0.3:3");
    IS(alter("", name, VRV_CONFIG_SUBTRACT, "::1:2,10.0.0.9:1"), 0, "one is taken out");
    cluster_shows(name, "10.0.0.1:1,10.0.0.3:3 LIST 3 "
                        "3:max.connections.per.ip.overrides=10.0.0.1:1,10.0.0.3:3");
    struct vrv_config *c = vrv_config_get(store);
    IS(vrv_config_ip_max(c, "10.0.0.3"), 3, "it is in force");
    vrv_config_unref(&c);
    end();
}

/* ---- topics ---- */

static int
alter_topic(const char *name, enum vrv_config_op op, const char *value, unsigned flags)
{
    return vrv_config_alter_topic(store, "t",
        &(struct vrv_config_change){ name, op, value }, 1, flags, &err);
}

static void
test_topic(void)
{
    begin("");
    rig_topic(&rig, "t", 1, "retention.ms=5 segment.bytes=1000");
    IS(alter_topic("cleanup.policy", VRV_CONFIG_APPEND, "compact", 0), 0,
        "appended to the default");
    topic_shows("t", "cleanup.policy",
        "delete,compact LIST 1 1:cleanup.policy=delete,compact 5:log.cleanup.policy=delete");
    IS(alter_topic("cleanup.policy", VRV_CONFIG_SUBTRACT, "delete", 0), 0, "and subtracted");
    OK(!rig_log(&rig, "t", 0)->config->deletes, "the log follows");
    IS(alter_topic("retention.ms", VRV_CONFIG_SET, "6", VRV_ALTER_VALIDATE), 0, "only asked");
    IS(rig_log(&rig, "t", 0)->config->retention_ms, 5, "... nothing happens");
    IS(alter_topic("retention.ms", VRV_CONFIG_DELETE, NULL, 0), 0, "deleted");
    IS(rig_log(&rig, "t", 0)->config->retention_ms, 604800000, "... it is the default");
    IS(alter_topic("flush.ms", VRV_CONFIG_SET, "7", VRV_ALTER_REPLACE), 0, "all are replaced");
    IS(rig_log(&rig, "t", 0)->config->segment_bytes, 1 << 30, "... by what is named");
    IS(rig_log(&rig, "t", 0)->config->flush_ms, 7, "... only");
    refused(alter_topic("retention.ms", VRV_CONFIG_SET, "-2", 0),
        "Invalid value -2 for configuration retention.ms: Value must be at least -1");
    refused(alter_topic("retention", VRV_CONFIG_SET, "1", 0),
        "Unknown topic config name: retention");
    refused(alter_topic("retention.ms", VRV_CONFIG_APPEND, "1", 0),
        "Can't APPEND to key retention.ms because its type is not LIST.");
    refused(alter_topic("remote.storage.enable", VRV_CONFIG_SET, "true", 0),
        "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with "
        "remote log storage.");
    IS(alter_topic("min.compaction.lag.ms", VRV_CONFIG_SET, "10", 0), 0, "a lag");
    refused(alter_topic("max.compaction.lag.ms", VRV_CONFIG_SET, "9", 0),
        "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (9)");
    IS(alter_topic("max.compaction.lag.ms", VRV_CONFIG_SET, "9", VRV_ALTER_REPLACE), 0,
        "what is replaced does not count");
    IS(vrv_config_alter_topic(store, "u", NULL, 0, 0, &err), VRV_E_NOTFOUND, "no such topic");
    end();
}

/* ---- what is kept ---- */

static void
test_kept(void)
{
    const struct vrv_config_kv kv[] = { { (char *)"max.connections", (char *)"x" },
        { (char *)"max.connections.per.ip", (char *)"7" },
        { (char *)"num.partitions", (char *)"7" },
        { (char *)"of.tomorrow", (char *)"y" } };

    rig_init(&rig, 1);
    rig_up(&rig);
    IS(vrv_catalog_set_configs(vrv_engine_catalog(rig.eng), "broker/1", 0, kv, 4, &err), 0,
        "settings of another version");
    IS(open_store(""), 0, "do not keep the server from starting");
    IS_STR(notes,
        "max.connections, which was set while the server ran, has no effect: Invalid value x for "
        "configuration max.connections: Not a number of type INT\n"
        "num.partitions, which was set while the server ran, has no effect: there is no such "
        "option that can be set while it runs\n"
        "of.tomorrow, which was set while the server ran, has no effect: there is no such option "
        "that can be set while it runs\n", "but are told of");
    IS(set("1", "log.level", "warn"), 0, "one more is set");
    struct vrv_config *c = vrv_config_get(store);
    IS(c->max_connections_per_ip, 7, "what is good stays");
    IS(c->max_connections, 2147483647, "what isn't, doesn't");
    vrv_config_unref(&c);
    end();
}

static void
test_cluster_id(void)
{
    begin("");
    IS_STR(vrv_config_cluster_id(store), "AQID-v8ABwgJCgsMDQ4PEA", "an id is drawn");
    again("cluster.id=AQID-v8ABwgJCgsMDQ4PEA\n");
    IS_STR(vrv_config_cluster_id(store), "AQID-v8ABwgJCgsMDQ4PEA", "and kept");
    vrv_config_store_close(&store);
    refused(open_store("cluster.id=other\n"),
        "cluster.id is \"other\": expected \"AQID-v8ABwgJCgsMDQ4PEA\", which the data directory "
        "belongs to");
    rig_fini(&rig);
    begin("cluster.id=mine\n");
    IS_STR(vrv_config_cluster_id(store), "mine", "one that was chosen");
    again("");
    IS_STR(vrv_config_cluster_id(store), "mine", "is kept as well");
    vrv_config_store_close(&store);
    refused(open_store("memory.bytes=5000000\n"),
        "memory.bytes is 5000000, less than wal.bytes, 402653184: what the write-ahead log holds "
        "must fit into memory");
    rig_fini(&rig);
}

/* A disk that fails: what could not be kept is not in force. */
static void
test_fault(void)
{
    begin("");
    simdisk_fail(rig.disk, 1, SIM_EIO, true);
    OK(set("", "max.connections", "5") < 0, "not kept");
    broker_shows("max.connections", "2147483647 INT 5 5:max.connections=2147483647");
    end();
}

/* ---- threads ---- */

static _Atomic bool stop;

/* Two options are set together: nobody sees one without the other. */
static void *
reader_main(void *ctx)
{
    long *torn = ctx;
    int32_t last = 0;

    while (!atomic_load(&stop)) {
        struct vrv_config *c = vrv_config_get(store);

        *torn += c->max_connections != c->max_connections_per_ip || c->max_connections < last;
        last = c->max_connections;
        vrv_config_unref(&c);
    }
    return NULL;
}

static void
test_readers(void)
{
    pthread_t t[2];
    long torn[2] = { 0 };
    char text[16];

    begin("max.connections=1\nmax.connections.per.ip=1\n");
    atomic_store(&stop, false);
    for (int i = 0; i < 2; i++)
        (void)pthread_create(&t[i], NULL, reader_main, &torn[i]);
    for (int i = 2; i < 200; i++) {
        const struct vrv_config_change both[] = { { "max.connections", VRV_CONFIG_SET, text },
            { "max.connections.per.ip", VRV_CONFIG_SET, text } };

        (void)snprintf(text, sizeof(text), "%d", i);
        int rc = vrv_config_alter(store, "", both, 2, 0, &err);
        if (rc < 0)
            IS(rc, 0, "altered: %s", err.msg);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        (void)pthread_join(t[i], NULL);
    IS(torn[0] + torn[1], 0, "readers see all of a change or nothing, and never an older one");
    struct vrv_config *c = vrv_config_get(store);
    IS(c->max_connections, 199, "the last one is in force");
    vrv_config_unref(&c);
    end();
}

int
main(void)
{
    test_describe();
    test_alter();
    test_bad_alter();
    test_told();
    test_lists();
    test_topic();
    test_kept();
    test_cluster_id();
    test_fault();
    test_readers();
    return tap_done();
}
