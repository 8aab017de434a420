/* What the server is started with: file, command line, all that can be wrong with them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config/input.h"
#include "t/lib/tap.h"

static char errors[4000], warnings[4000];

static void
note(void *ctx, bool is_error, const char *sentence)
{
    char *to = is_error ? errors : warnings;
    size_t n = strlen(to);

    (void)ctx;
    (void)snprintf(to + n, sizeof(errors) - n, "%s\n", sentence);
}

static struct vrv_config *
start(const char *text, const char *const *args)
{
    struct vrv_config_input in;

    errors[0] = warnings[0] = '\0';
    vrv_config_input_init(&in, note, NULL);
    if (text != NULL)
        vrv_config_input_text(&in, "varve.conf", text, strlen(text));
    for (; args != NULL && *args != NULL; args++)
        vrv_config_input_arg(&in, *args);
    struct vrv_config *c = vrv_config_input_done(&in);
    OK((c == NULL) == (errors[0] != '\0'), "a configuration, or errors");
    vrv_config_input_fini(&in);
    return c;
}

static void
refused(const char *text, const char *want)
{
    struct vrv_config *c = start(text, NULL);

    OK(c == NULL, "refused: %.*s", (int)strcspn(text, "\n"), text);
    IS_STR(errors, want, "... for that reason");
    vrv_config_unref(&c);
}

static void
warned(const char *text, const char *want)
{
    struct vrv_config *c = start(text, NULL);

    OK(c != NULL, "taken: %.*s", (int)strcspn(text, "\n"), text);
    IS_STR(warnings, want, "... with a word about it");
    vrv_config_unref(&c);
}

static const char *
topic_value(const struct vrv_config *c, const char *key)
{
    for (size_t i = 0; i < c->topic_n; i++)
        if (strcmp(c->topic[i].key, key) == 0)
            return c->topic[i].value;
    return "-";
}

static void
test_defaults(void)
{
    struct vrv_config *c = start(NULL, NULL);

    IS_STR(warnings, "", "without a file and options all is well");
    IS(c->clients.n, 1, "one listener");
    IS_STR(c->clients.v[0].host, "127.0.0.1", "on this machine only");
    IS(c->clients.v[0].port, 9092, "at Kafka's port");
    IS_STR(c->admin.v[0].host, "127.0.0.1", "so is the other port:");
    IS(c->admin.v[0].port, 9644, "9644");
    IS_STR(c->data_dir, "varve-data", "data lie beside it");
    IS(c->id, 1, "it is broker 1");
    IS(c->num_partitions, 1, "an int");
    IS(c->memory_bytes, 512 << 20, "a long");
    OK(c->auto_create_topics_enable && !c->allow_insecure, "booleans");
    OK(c->advertised_listeners == NULL, "a text that is not set");
    IS_STR(topic_value(c, "retention.ms"), "604800000", "a topic's default from hours");
    vrv_config_unref(&c);
}

static void
test_values(void)
{
    const char *const args[] = { "num.partitions=3", "log.retention.minutes=5", NULL };
    struct vrv_config *c = start("num.partitions=2\nlog.dirs = /data \nnode.id=7\n"
                                 "log.retention.hours=1\nlog.roll.hours=2\n"
                                 "memory.bytes=0500000000\nflush.policy=none\n"
                                 "max.connections.per.ip.overrides=::1:5,10.0.0.1:0,[FE80::0:1]:7\n",
        args);

    IS_STR(errors, "", "nothing is wrong");
    IS_STR(warnings, "", "the command line wins without a word");
    IS(c->num_partitions, 3, "it does");
    IS_STR(c->data_dir, "/data", "log.dirs before log.dir");
    IS(c->id, 7, "node.id before broker.id");
    IS(c->memory_bytes, 500000000, "a number as people write it");
    IS_STR(topic_value(c, "retention.ms"), "300000", "minutes before hours");
    IS_STR(topic_value(c, "segment.ms"), "7200000", "hours");
    IS_STR(topic_value(c, "flush.policy"), "none", "varve's own");
    IS(vrv_config_ip_max(c, "::1"), 5, "an address with a limit of its own");
    IS(vrv_config_ip_max(c, "10.0.0.1"), 0, "... of none");
    IS(vrv_config_ip_max(c, "fe80::1"), 7, "... whichever way it is written");
    IS(vrv_config_ip_max(c, "10.0.0.2"), 1000, "others");
    struct vrv_config *again = vrv_config_ref(c);
    vrv_config_unref(&c);
    IS(again->num_partitions, 3, "who has a reference keeps it");
    vrv_config_unref(&again);
    c = start("log.retention.hours=-1\n", NULL);
    IS_STR(topic_value(c, "retention.ms"), "-1", "for ever is no product");
    vrv_config_unref(&c);
}

static void
test_wrong(void)
{
    refused("num.partition=3",
        "varve.conf:1: there is no option num.partition: is it num.partitions?\n");
    refused("colour=red", "varve.conf:1: there is no option colour: varve.conf(5) has them all\n");
    refused("# one\nnum.partitions=x",
        "varve.conf:2: num.partitions is \"x\": expected a whole number from 1 to 100000\n");
    refused("auto.create.topics.enable=yes",
        "varve.conf:1: auto.create.topics.enable is \"yes\": expected true or false\n");
    refused("flush.policy=fsync",
        "varve.conf:1: flush.policy is \"fsync\": expected one of sync, interval, none\n");
    refused("default.replication.factor=3",
        "varve.conf:1: default.replication.factor is \"3\": expected 1\n");
    refused("zookeeper.connect=localhost:2181",
        "varve.conf:1: zookeeper.connect: varve needs no ZooKeeper: topics and settings are in its "
        "data directory; take it out\n");
    refused("a=\\u1", "varve.conf:1: \\u that is not followed by a character's four hexadecimal "
                      "digits\n");
    refused("num.partitions=0\nx.y.z=1\nlog.dirs=/a,/b\n",
        "varve.conf:1: num.partitions is \"0\": expected a whole number from 1 to 100000\n"
        "varve.conf:2: there is no option x.y.z: varve.conf(5) has them all\n"
        "log.dirs: varve keeps all data in one directory, \"/a,/b\" are several\n");
    warned("memory.bytes=100000000\nwal.bytes=50000000",
        "socket.request.max.bytes is 104857600, but one request gets half of memory.bytes at most: "
        "those of more than 50000000 bytes are refused\n");
    warned("memory.bytes=100000000\nwal.bytes=50000000\nsocket.request.max.bytes=50000000", "");
    warned("num.partitions=1\n\nnum.partitions=2",
        "varve.conf:3: num.partitions is set again: the earlier varve.conf:1 does not count\n");
    warned("num.recovery.threads.per.data.dir=2",
        "varve.conf:1: num.recovery.threads.per.data.dir has no effect: A start reads the "
        "write-ahead log only, which takes one thread.\n");
    warned("group.coordinator.threads=4",
        "varve.conf:1: group.coordinator.threads has no effect: There are no such choices for "
        "classic groups.\n");
    warned("sasl.enabled.mechanisms=GSSAPI",
        "varve.conf:1: sasl.enabled.mechanisms has no effect: varve has no authentication yet\n");
    refused("sasl.enabled.mechanisms=PLAIN",
        "varve.conf:1: sasl.enabled.mechanisms: varve has no authentication yet; take it out\n");
    static const char *const args[] = { "num.partitions", "=1", "x=1", "num.io.threads=0",
        "num.io.threads=1", "num.io.threads=2", NULL };
    struct vrv_config *c = start(NULL, args);
    OK(c == NULL, "options of the command line are checked, too");
    IS_STR(errors, "-o: \"num.partitions\" is not key=value\n"
                   "-o: \"=1\" is not key=value\n"
                   "-o: there is no option x: varve.conf(5) has them all\n"
                   "-o: num.io.threads is \"0\": expected a whole number from 1 to 1024\n",
        "... all of them");
    IS_STR(warnings, "-o: num.io.threads is set again: the earlier -o does not count\n",
        "one given twice");
}

/* A file that is none has errors without end. */
static void
test_many(void)
{
    char text[25 * 4 + 1] = "";

    for (int i = 0; i < 25; i++)
        memcpy(text + 4 * (size_t)i, "x=1\n", 4);
    OK(start(text, NULL) == NULL, "25 wrong lines");
    OK(strstr(errors, "varve.conf:20: ") != NULL && strstr(errors, "varve.conf:21: ") == NULL,
        "20 are told");
    OK(strstr(errors, "\nand 5 more errors\n") != NULL, "the others are counted");
}

static void
test_together(void)
{
    refused("memory.bytes=100000000",
        "memory.bytes is 100000000, less than wal.bytes, 402653184: what the write-ahead log holds "
        "must fit into memory\n");
    refused("queued.max.request.bytes=2000000",
        "queued.max.request.bytes is 2000000, less than socket.request.max.bytes, 104857600: the "
        "largest request could never be read\n");
    refused("group.min.session.timeout.ms=10\ngroup.max.session.timeout.ms=9",
        "group.min.session.timeout.ms is 10, more than group.max.session.timeout.ms, 9\n");
    refused("max.connections.per.ip.overrides=1.2.3.4",
        "max.connections.per.ip.overrides: \"1.2.3.4\" is no limit: expected IP-address:number\n");
    refused("max.connections.per.ip.overrides=localhost:5",
        "max.connections.per.ip.overrides: \"localhost:5\" is no limit: expected "
        "IP-address:number\n");
    refused("tier.store.proxy=http://joe:swordfish@proxy:3128",
        "tier.store.proxy has a user, and perhaps a password, where all may read them: leave them out, and set "
        "tier.store.proxy.credentials to file:PATH or env:NAME, where USER:PASSWORD stands\n");
    refused("tier.store.proxy.credentials=joe:swordfish",
        "tier.store.proxy.credentials is neither file:PATH nor env:NAME: name a file whose first line is "
        "USER:PASSWORD, or a variable of the environment that is\n");
    refused("tier.fetch.client.quotas=slow",
        "tier.fetch.client.quotas: \"slow\" is no quota: expected NAME:BYTES, with bytes in a second, at "
        "least 1\n");
    refused("tier.fetch.group.quotas=etl:5,:0",
        "tier.fetch.group.quotas: \":0\" is no quota: expected NAME:BYTES, with bytes in a second, at "
        "least 1\n");
    refused("log.dirs=", "log.dirs is empty: expected a directory\n");
    refused("cluster.id=12345678901234567890123",
        "cluster.id is \"12345678901234567890123\": expected 1 to 22 characters\n");
    refused("log.retention.minutes=-1\nlog.roll.hours=0",
        "the default of topics: Invalid value 0 for configuration segment.ms: Value must be at "
        "least 1\n");
}

static void
test_listeners(void)
{
    refused("listeners=PLAINTEXT://:9092",
        "listeners: other machines can reach *:9092, there is no encryption, and everybody may do "
        "everything: say allow.insecure=true if that is what you want, or listen on 127.0.0.1\n");
    refused("admin.listeners=0.0.0.0:1",
        "admin.listeners: other machines can reach 0.0.0.0:1, there is no encryption, and "
        "everybody may do everything: say allow.insecure=true if that is what you want, or listen "
        "on 127.0.0.1\n");
    refused("listeners=127.0.0.1:9092",
        "listeners: \"127.0.0.1:9092\" is no address: expected NAME://host:port, NAME://[v6]:port "
        "or NAME://unix:/path\n");
    refused("listeners=A://localhost:1,a://localhost:2",
        "listeners: two listeners have the name a\n");
    refused("listeners=A://localhost:1,B://localhost:1",
        "listeners: two listeners have the address localhost:1\n");
    refused("listeners=", "listeners: there is none, so no client could connect\n");
    refused("advertised.listeners=B://h:1", "advertised.listeners: B is no listener's name\n");
    refused("advertised.listeners=PLAINTEXT://0.0.0.0:1",
        "advertised.listeners: PLAINTEXT://0.0.0.0:1 is no address that a client could connect "
        "to\n");
    refused("listener.security.protocol.map=PLAINTEXT:SSL",
        "listener.security.protocol.map: listener PLAINTEXT would speak SSL, which varve can't "
        "yet: PLAINTEXT is what there is\n");
    refused("listeners=SSL://127.0.0.1:1",
        "listener.security.protocol.map: listener SSL would speak SSL, which varve can't yet: "
        "PLAINTEXT is what there is\n");
    refused("listeners=A://unix:v.sock",
        "listeners: \"A://unix:v.sock\" is no address: expected NAME://host:port, "
        "NAME://[v6]:port or NAME://unix:/path\n");
    refused("listener.security.protocol.map=X",
        "listener.security.protocol.map: \"X\" is not NAME:PROTOCOL\n");

    struct vrv_config *c = start(
        "listeners=IN://[::1]:9092, OUT://:9093 ,LOCAL://unix:/run/v.sock,CONTROLLER://:9094\n"
        "advertised.listeners=IN://in.example:1\nallow.insecure=true\n"
        "controller.listener.names=CONTROLLER\n"
        "listener.security.protocol.map=IN:PLAINTEXT,OUT:PLAINTEXT,SSL:SSL\n"
        "admin.listeners=\n", NULL);
    IS_STR(errors, "", "several listeners are taken");
    IS(c->clients.n, 3, "but not the controller's");
    const struct vrv_listener *l = c->clients.v;
    IS_STR(l[0].host, "::1", "IPv6");
    IS_STR(l[0].advertised_host, "in.example", "... told as another host");
    IS(l[0].advertised_port, 1, "... and port");
    IS_STR(l[1].host, "", "all addresses");
    OK(l[1].advertised_host[0] != '\0', "... told by the machine's name: %s", l[1].advertised_host);
    IS(l[1].advertised_port, 9093, "... with its port");
    OK(l[2].is_unix, "a socket of this machine");
    IS_STR(l[2].host, "/run/v.sock", "... by its path");
    IS_STR(l[2].advertised_host, "::1", "... whose clients are told the first address there is");
    OK(vrv_listener_is_local(&l[0]) && vrv_listener_is_local(&l[2]), "two are for this machine,");
    OK(!vrv_listener_is_local(&l[1]), "one is for all");
    IS(c->admin.n, 0, "no admin port");
    vrv_config_unref(&c);
}

/* Kafka's own server.properties (its options, in our order), but for the insecure listener. */
static void
test_kafka_file(void)
{
    struct vrv_config *c = start("process.roles=broker,controller\nnode.id=1\n"
        "controller.quorum.bootstrap.servers=localhost:9093\n"
        "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ninter.broker.listener.name=PLAINTEXT\n"
        "advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n"
        "controller.listener.names=CONTROLLER\n"
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,"
        "SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\n"
        "num.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\n"
        "socket.receive.buffer.bytes=102400\nsocket.request.max.bytes=104857600\n"
        "log.dirs=/tmp/logs\nnum.partitions=1\nnum.recovery.threads.per.data.dir=2\n"
        "offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n"
        "transaction.state.log.min.isr=1\nlog.retention.hours=168\nlog.segment.bytes=1073741824\n"
        "log.retention.check.interval.ms=300000\nallow.insecure=true\n", NULL);

    IS_STR(errors, "", "Kafka's file is taken");
    IS(c != NULL ? (int)c->clients.n : 0, 1, "with the listener for clients");
    vrv_config_unref(&c);
}

static void
test_file(void)
{
    struct vrv_config_input in;
    char path[300], want[400];

    errors[0] = '\0';
    (void)snprintf(path, sizeof(path), "%s/x.conf", tap_dir());
    vrv_config_input_init(&in, note, NULL);
    vrv_config_input_file(&in, path);
    (void)snprintf(want, sizeof(want), "can't read %s: No such file or directory\n", path);
    IS_STR(errors, want, "a file that isn't there");
    FILE *f = fopen(path, "w");
    if (f != NULL) {
        (void)fprintf(f, "num.partitions=9\nbad\n");
        (void)fclose(f);
    }
    errors[0] = '\0';
    vrv_config_input_file(&in, path);
    IS_STR(errors, "x.conf:2: there is no option bad: varve.conf(5) has them all\n",
        "one that is, by its name");
    f = fopen(path, "w");
    for (int i = 0; f != NULL && i <= VRV_CONFIG_FILE_MAX; i++)
        (void)fputc('#', f);
    if (f != NULL)
        (void)fclose(f);
    errors[0] = '\0';
    vrv_config_input_file(&in, path);
    (void)snprintf(want, sizeof(want), "%s has more than 1048576 bytes: is it a configuration?\n",
        path);
    IS_STR(errors, want, "one that is too large");
    vrv_config_input_fini(&in);
}

int
main(void)
{
    test_defaults();
    test_values();
    test_wrong();
    test_many();
    test_together();
    test_listeners();
    test_kafka_file();
    test_file();
    return tap_done();
}
