/* The table of options: names, families, defaults that agree with the topics' table. */
#include "server/config/option.h"

#include <stdlib.h>
#include <string.h>

#include "engine/log/topic_config.h"
#include "server/config/config.h"
#include "server/config/properties.h"
#include "t/lib/golden.h"
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
        const struct vrv_foreign *f = vrv_foreign_find(o.rule.key);
        OK(f == NULL || o.kind == VRV_OPTION_IGNORED || strcmp(f->name, o.rule.key) != 0,
            "... and no name that is none");
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
}

static void
takes(const char *name, const char *value)
{
    const struct vrv_foreign *f = vrv_foreign_find(name);

    OK(f != NULL && vrv_foreign_takes(f, value), "%s=%s is passed over", name, value);
}

static void
refuses(const char *name, const char *value)
{
    const struct vrv_foreign *f = vrv_foreign_find(name);

    OK(f != NULL && !vrv_foreign_takes(f, value), "%s=%s is refused", name, value);
}

/* What would promise something is refused, but where it promises nothing. */
static void
test_foreign(void)
{
    refuses("zookeeper.connect", "localhost:2181");
    refuses("ssl.keystore.location", "/key");
    takes("ssl.keystore.location", "");
    refuses("ssl.client.auth", "required");
    takes("ssl.client.auth", "none");
    takes("ssl.protocol", "TLSv1.3");
    refuses("sasl.enabled.mechanisms", "SCRAM-SHA-512");
    takes("sasl.enabled.mechanisms", " GSSAPI ");
    takes("sasl.kerberos.service.name", "kafka");
    refuses("allow.everyone.if.no.acl.found", "false");
    takes("allow.everyone.if.no.acl.found", "True");
    takes("remote.log.manager.thread.pool.size", "10");
    refuses("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer");
    takes("authorizer.class.name", "");
    refuses("listener.name.a.ssl.client.auth", "none");
    takes("group.consumer.assignors", "uniform");
    OK(vrv_foreign_find("sslx") == NULL, "what only begins so is nobody's");
    OK(vrv_foreign_find("max.connection.creation.rates") == NULL, "nor what goes on");
}

static void
takes_option(size_t i, const char *value)
{
    const struct vrv_option o = vrv_option(i);
    struct vrv_setting_value v;
    struct vrv_err e = { 0 };

    OK(vrv_setting_parse(&o.rule, value, &v, &e) == 0, "%s=%s is taken %s", o.rule.key, value,
        e.msg);
}

/* Kafka's -1 is none; here there is always one. */
static bool
is_needed(const char *name)
{
    return strcmp(name, "broker.id") == 0 || strcmp(name, "queued.max.request.bytes") == 0;
}

static void
kafka_default(void *ctx, unsigned line, const char *key, const char *value)
{
    size_t i = vrv_option_find(key);

    (void)line;
    ++*(unsigned *)ctx;
    OK(i < VRV_OPTIONS || vrv_foreign_find(key) != NULL, "%s is known", key);
    if (value[0] == '\0' || is_needed(key)) /* empty: it has no default */
        return;
    if (i < VRV_OPTIONS)
        takes_option(i, value);
    else
        takes(key, value);
}

static void
no_property(void *ctx, unsigned line, const char *why)
{
    (void)ctx;
    OK(false, "line %u of Kafka's options: %s", line, why);
}

/* Who sets what Kafka has anyway can start (t/data/README.md). */
static void
test_kafka_defaults(void)
{
    static const struct vrv_properties_ops ops = { kafka_default, no_property };
    unsigned options = 0;
    size_t n;
    char *text = (char *)golden("kafka-broker.properties", &n);

    vrv_properties_parse(text, n, &ops, &options);
    IS(options, 360, "all options of Kafka are known");
    free(text);
}

int
main(void)
{
    test_rows();
    test_families();
    test_topic_defaults();
    test_like();
    test_foreign();
    test_kafka_defaults();
    return tap_done();
}
