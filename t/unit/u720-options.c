/* The table of options: names, families, defaults that agree with the topics' table. */
#include "server/config/option.h"

#include <string.h>

#include "engine/log/topic_config.h"
#include "server/config/config.h"
#include "t/lib/tap.h"

static void
not_wrong(void *ctx, const char *sentence)
{
    (void)ctx;
    OK(false, "the defaults go together: %s", sentence);
}

/* Each row makes sense by itself. */
static void
test_rows(void)
{
    for (size_t i = 0; i < VRV_OPTIONS; i++) {
        const struct vrv_option o = vrv_option(i);
        struct vrv_setting_value v;
        struct vrv_err e = { 0 };

        IS(vrv_option_find(o.rule.key), i, "%s is there once", o.rule.key);
        OK(o.dflt == NULL || vrv_setting_parse(&o.rule, o.dflt, &v, &e) == 0,
            "... its default is a value it takes: %s", e.msg);
        OK(o.doc != NULL && o.doc[strlen(o.doc) - 1] == '.', "... a sentence explains it");
        OK(o.section != NULL, "... it belongs to a section");
        OK(vrv_option_refused(o.rule.key) == NULL, "... and is not refused");
    }
}

static void
test_families(void)
{
    size_t f[VRV_OPTION_FAMILY], i = vrv_option_find("log.retention.minutes");

    IS(vrv_option_family(i, f), 3, "retention has three names");
    IS_STR(vrv_option(f[0]).rule.key, "log.retention.ms", "milliseconds first");
    IS_STR(vrv_option(f[1]).rule.key, "log.retention.minutes", "then minutes");
    IS_STR(vrv_option(f[2]).rule.key, "log.retention.hours", "then hours");
    IS(vrv_option_family(vrv_option_find("num.partitions"), f), 1, "others have one");
    IS_STR(vrv_option(vrv_option_of_topic("segment.ms")).rule.key, "log.roll.ms",
        "what is the default of a topic's segment.ms");
    IS(vrv_option_of_topic("remote.storage.enable"), VRV_OPTIONS, "not all have one");
}

/* Without any option set, topics have what the engine gives them. */
static void
test_topic_defaults(void)
{
    const struct vrv_config_values *const none[VRV_LAYERS] = { NULL };
    struct vrv_config *c = vrv_config_new(none, not_wrong, NULL);

    for (size_t i = 0; c != NULL && i < c->topic_n; i++)
        IS_STR(c->topic[i].value, vrv_topic_setting_find(c->topic[i].key)->dflt,
            "%s: the default here is the topic's", c->topic[i].key);
    OK(c != NULL && c->topic_n > 25, "of all that have one");
    vrv_config_unref(&c);
}

static void
like(const char *name, const char *want)
{
    const char *got = vrv_option_like(name);

    IS_STR(got != NULL ? got : "-", want, "who writes %.40s means that", name);
}

static void
test_like(void)
{
    like("num.partition", "num.partitions");
    like("NUM.PARTITIONS", "-");
    like("log.retention.hour", "log.retention.hours");
    like("listener", "listeners");
    like("retention.ms", "log.retention.ms");
    like("max.message.bytes", "message.max.bytes");
    like("log_dirs", "log.dirs");
    like("colour", "-");
    like("", "-");
    like("a.name.that.is.much.longer.than.any.name.that.there.is.in.all.of.the.table", "-");
    OK(vrv_option_refused("zookeeper.connect") != NULL, "ZooKeeper is refused");
    OK(vrv_option_refused("ssl.keystore.location") != NULL, "so is all of TLS,");
    OK(vrv_option_refused("sslx") == NULL, "but not what only begins so");
}

int
main(void)
{
    test_rows();
    test_families();
    test_topic_defaults();
    test_like();
    return tap_done();
}
