/* What of a topic's settings goes together, above all for the cold tier: Kafka's rules in its words. */
#include <stdio.h>
#include <string.h>

#include "server/config/store.h"
#include "t/lib/rig.h"
#include "t/lib/tap.h"

static struct rig rig;
static struct vrv_config_store *store;
static struct vrv_err err;

static void
note(void *ctx, bool is_error, const char *sentence)
{
    (void)ctx;
    OK(false, "%s%s", is_error ? "!" : "", sentence);
}

/* What a file says is in force. */
static int
open_store(const char *text)
{
    struct vrv_config_input in;
    struct vrv_config_store_opts o = { .engine = rig.eng, .note = note };

    vrv_config_input_init(&in, note, NULL);
    vrv_config_input_text(&in, "f", text, strlen(text));
    o.values = &in.values;
    int rc = vrv_config_store_open(&store, &o, &err);
    vrv_config_input_fini(&in);
    return rc;
}

#define COLD "remote.log.storage.system.enable=true\n"

static void
begin(const char *text)
{
    rig_init(&rig, 1);
    rig_up(&rig);
    IS(open_store(text), 0, "a start %s", err.msg);
}

static void
end(void)
{
    vrv_config_store_close(&store);
    rig_fini(&rig);
}

enum { SETTINGS_MAX = 8 };

/* "key=value key=value" */
static size_t
split(char *text, struct vrv_config_kv *v)
{
    size_t n = 0;

    for (char *p = strtok_r(text, " ", &text); p != NULL; p = strtok_r(NULL, " ", &text)) {
        char *eq = strchr(p, '=');

        *eq = '\0';
        v[n++] = (struct vrv_config_kv){ p, eq + 1 };
    }
    return n;
}

static int
check(const char *name, bool was_tiered, const char *settings)
{
    struct vrv_config_kv v[SETTINGS_MAX];
    char text[300];

    (void)snprintf(text, sizeof(text), "%s", settings);
    size_t n = split(text, v);
    return vrv_config_topic_check(store,
        &(struct vrv_config_topic){ .name = name, .was_tiered = was_tiered, .v = v, .n = n }, &err);
}

static void
takes(const char *settings)
{
    IS(check("t", false, settings), 0, "%s", settings);
}

static void
refuses(const char *settings, const char *why)
{
    IS(check("t", false, settings), VRV_E_INVALID, "not %s", settings);
    IS_STR(err.msg, why, "... in Kafka's words");
}

#define TIERED "remote.storage.enable=true "

static void
test_switch(void)
{
    begin("");
    refuses(TIERED, "Tiered Storage functionality is disabled in the broker. Topic cannot be "
                    "configured with remote log storage.");
    takes("local.retention.ms=-1 retention.ms=1 remote.copy.lag.ms=9");
    end();
    begin(COLD);
    takes(TIERED);
    IS(check("__consumer_offsets", false, TIERED), VRV_E_INVALID, "no internal topic");
    IS_STR(err.msg, "the internal topic __consumer_offsets stays on this machine: "
                    "remote.storage.enable can't be true", "... it says why");
    end();
}

static void
test_cleanup(void)
{
    static const char only[] = "Remote log storage only supports topics with cleanup.policy=delete or "
                               "cleanup.policy being an empty list. Compacted topics in the cold tier "
                               "come with a later version of varve.";

    begin(COLD);
    refuses(TIERED "cleanup.policy=compact", only);
    refuses(TIERED "cleanup.policy=delete,compact", only);
    takes(TIERED "cleanup.policy=delete");
    takes(TIERED "cleanup.policy=");
    end();
    begin(COLD "log.cleanup.policy=compact\n");
    refuses(TIERED, only);
    takes(TIERED "cleanup.policy=delete");
    end();
}

static void
test_local(void)
{
    begin(COLD);
    refuses(TIERED "local.retention.ms=-1", "Invalid value -1 for configuration local.retention.ms: "
                                            "Value must not be -1 as retention.ms value is set as "
                                            "604800000.");
    refuses(TIERED "local.retention.ms=11 retention.ms=10",
        "Invalid value 11 for configuration local.retention.ms: Value must not be more than "
        "retention.ms property value: 10");
    takes(TIERED "local.retention.ms=10 retention.ms=10");
    takes(TIERED "local.retention.ms=-2 retention.ms=10");
    takes(TIERED "local.retention.ms=-1 retention.ms=-1");
    takes(TIERED "local.retention.ms=11 retention.ms=-1");
    refuses(TIERED "local.retention.bytes=-1 retention.bytes=5",
        "Invalid value -1 for configuration local.retention.bytes: Value must not be -1 as "
        "retention.bytes value is set as 5.");
    refuses(TIERED "local.retention.bytes=6 retention.bytes=5",
        "Invalid value 6 for configuration local.retention.bytes: Value must not be more than "
        "retention.bytes property value: 5");
    takes(TIERED "local.retention.bytes=6");
    end();
    begin(COLD "log.retention.ms=1000\nlog.local.retention.ms=500\n");
    refuses(TIERED "local.retention.ms=1001",
        "Invalid value 1001 for configuration local.retention.ms: Value must not be more than "
        "retention.ms property value: 1000");
    refuses(TIERED "retention.ms=400",
        "Invalid value 500 for configuration local.retention.ms: Value must not be more than "
        "retention.ms property value: 400");
    end();
}

static void
test_lag(void)
{
    begin(COLD);
    refuses(TIERED "local.retention.ms=10 remote.copy.lag.ms=11",
        "Invalid value 11 for configuration remote.copy.lag.ms: Value must not exceed "
        "local.retention.ms (effective value: 10)");
    refuses(TIERED "retention.ms=20 remote.copy.lag.ms=21",
        "Invalid value 21 for configuration remote.copy.lag.ms: Value must not exceed "
        "local.retention.ms (effective value: 20)");
    refuses(TIERED "local.retention.bytes=10 remote.copy.lag.bytes=11",
        "Invalid value 11 for configuration remote.copy.lag.bytes: Value must not exceed "
        "local.retention.bytes (effective value: 10)");
    takes(TIERED "local.retention.ms=10 remote.copy.lag.ms=10");
    takes(TIERED "local.retention.ms=0 remote.copy.lag.ms=-1");
    takes(TIERED "local.retention.ms=0 remote.copy.lag.ms=0");
    takes(TIERED "remote.copy.lag.bytes=1000000");
    end();
}

static void
test_no_copies(void)
{
    static const char same[] =
        "When `remote.log.copy.disable` is set to true, the `local.retention.ms` and `retention.ms` "
        "must be set to the identical value because there will be no more logs copied to the remote "
        "storage.";

    begin(COLD);
    refuses(TIERED "remote.log.copy.disable=true local.retention.ms=5", same);
    takes(TIERED "remote.log.copy.disable=true local.retention.ms=5 retention.ms=5");
    takes(TIERED "remote.log.copy.disable=true local.retention.ms=-2");
    refuses(TIERED "remote.log.copy.disable=true local.retention.bytes=5",
        "When `remote.log.copy.disable` is set to true, the `local.retention.bytes` and "
        "`retention.bytes` must be set to the identical value because there will be no more logs "
        "copied to the remote storage.");
    takes("remote.log.copy.disable=true local.retention.ms=5");
    end();
}

static int
alter(const char *name, enum vrv_config_op op, const char *value, unsigned flags)
{
    return vrv_config_alter_topic(store, "t", &(struct vrv_config_change){ name, op, value }, 1, flags,
        &err);
}

/* From what a topic is, and also when only something else of it is replaced. */
static void
test_off(void)
{
    static const char kept[] =
        "It is invalid to disable remote storage without deleting remote data: set "
        "remote.log.copy.disable=true to keep it and copy no more, or "
        "remote.storage.enable=false,remote.log.delete.on.disable=true.";

    begin(COLD);
    rig_topic(&rig, "t", 1, NULL);
    IS(alter("remote.storage.enable", VRV_CONFIG_SET, "true", 0), 0, "on, while it runs");
    OK(rig_log(&rig, "t", 0)->config->tiered, "... the log follows");
    IS(alter("remote.storage.enable", VRV_CONFIG_SET, "false", 0), VRV_E_INVALID, "off isn't all");
    IS_STR(err.msg, kept, "... it says what would be");
    IS(alter("remote.storage.enable", VRV_CONFIG_DELETE, NULL, 0), VRV_E_INVALID, "nor the default");
    IS(alter("retention.ms", VRV_CONFIG_SET, "9", VRV_ALTER_REPLACE), VRV_E_INVALID,
        "nor where it isn't named");
    IS(alter("remote.log.delete.on.disable", VRV_CONFIG_SET, "true", 0), 0, "delete it then");
    IS(alter("remote.storage.enable", VRV_CONFIG_SET, "false", VRV_ALTER_VALIDATE), 0, "off can be");
    OK(rig_log(&rig, "t", 0)->config->tiered, "... and isn't yet");
    IS(alter("remote.storage.enable", VRV_CONFIG_SET, "false", 0), 0, "off");
    OK(!rig_log(&rig, "t", 0)->config->tiered, "... the log follows");
    IS(alter("remote.log.delete.on.disable", VRV_CONFIG_DELETE, NULL, 0), 0,
        "what is off needs no leave");
    end();
}

/* The broker's own defaults. */
static void
test_defaults(void)
{
    const struct vrv_config_change more = { "log.local.retention.ms", VRV_CONFIG_SET, "700" };

    begin(COLD "log.retention.ms=600\n");
    IS(vrv_config_alter(store, "", &more, 1, 0, &err), VRV_E_INVALID, "defaults that can't be");
    IS_STR(err.msg, "the defaults of topics: Invalid value 700 for configuration local.retention.ms: "
                    "Value must not be more than retention.ms property value: 600", "... it says why");
    end();
}

int
main(void)
{
    test_switch();
    test_cleanup();
    test_local();
    test_lag();
    test_no_copies();
    test_off();
    test_defaults();
    return tap_done();
}
