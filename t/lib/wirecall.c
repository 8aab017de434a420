/*
 * wirecall PORT: a client for scripts.  Each line of its input is a call, to which it answers with a
 * line: the name of the error, or what is said here, or "gone" when there is no connection; then the
 * next call makes a new one.
 *
 *     create TOPIC PARTITIONS     NONE
 *     produce TOPIC BYTES         NONE OFFSET: one record of that many bytes to partition 0
 *     fetch TOPIC OFFSET          NONE BYTES: how many there are from there on
 *     poll TOPIC OFFSET           the same, but waits a little for twice as much as it may get
 *     end TOPIC                   NONE OFFSET
 *     ping                        NONE: asks for the metadata of nothing
 *     burst TOPIC N               N records, all under way at once; "begun" after the first answer,
 *                                 then, when all or the last has come, NONE COUNT
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/batch/build.h"
#include "server/base/kerrors.h"
#include "server/wire/wire.h"
#include "t/lib/client.h"

enum { NAME = 64, LINE = 256, TIMEOUT_MS = 30000, POLL_MS = 2000, RECORD_MAX = 1 << 20, LATEST = -1 };
enum { CREATE_VERSION = 7, PRODUCE_VERSION = 9, FETCH_VERSION = 12, LIST_VERSION = 7 };

static struct client *c;
static struct vrv_err err;

static void
say(int code, int64_t number)
{
    (void)printf("%s %" PRId64 "\n", vrv_kerror_name(code), number);
}

static int
create(const char *topic, int64_t partitions)
{
    struct vrv_create_topics_req_topic t;
    const struct vrv_create_topics_resp *resp;
    struct vrv_create_topics_req q;

    VRV_WIRE_INIT(create_topics_req, &q);
    VRV_WIRE_INIT(create_topics_req_topic, &t);
    t.name = vrv_str(topic);
    t.num_partitions = (int32_t)partitions;
    t.replication_factor = 1;
    q.timeout_ms = TIMEOUT_MS;
    q.topics.v = &t;
    q.topics.n = 1;
    int rc = CLIENT_CALL(c, create_topics, CREATE_VERSION, &q, &resp, &err);
    if (rc == 0)
        say(resp->topics.v[0].error_code, 0);
    return rc;
}

/* ---- produce ---- */

static int
send_record(const char *topic, int64_t bytes)
{
    static char value[RECORD_MAX];
    struct vrv_produce_req_partition part;
    struct vrv_produce_req_topic t;
    struct vrv_batch_builder b;
    struct vrv_produce_req q;
    const uint8_t *p;
    size_t n;

    vrv_batch_builder_init(&b);
    vrv_batch_builder_add(&b, -1, NULL, -1, value, (int32_t)(bytes % RECORD_MAX), NULL, 0);
    int rc = vrv_batch_builder_finish(&b, VRV_CODEC_NONE, &p, &n, &err);
    VRV_WIRE_INIT(produce_req, &q);
    VRV_WIRE_INIT(produce_req_topic, &t);
    VRV_WIRE_INIT(produce_req_partition, &part);
    part.records = (struct vrv_records){ .p = p, .n = (int32_t)n };
    t.name = vrv_str(topic);
    t.partition_data.v = &part;
    q.acks = -1;
    q.timeout_ms = TIMEOUT_MS;
    q.topic_data.v = &t;
    q.topic_data.n = t.partition_data.n = 1;
    if (rc == 0)
        rc = client_send(c, VRV_API_produce, PRODUCE_VERSION, &q, &err);
    vrv_batch_builder_fini(&b);
    return rc;
}

static const struct vrv_produce_resp_partition *
receive_record(void)
{
    const struct vrv_produce_resp *resp;

    if (client_receive(c, (const void **)&resp, &err) < 0)
        return NULL;
    return &resp->responses.v[0].partition_responses.v[0];
}

static int
produce(const char *topic, int64_t bytes)
{
    const struct vrv_produce_resp_partition *part =
        send_record(topic, bytes) == 0 ? receive_record() : NULL;

    if (part != NULL)
        say(part->error_code, part->base_offset);
    return part != NULL ? 0 : err.code;
}

static int
burst(const char *topic, int64_t n)
{
    const struct vrv_produce_resp_partition *part;
    int64_t got = 0;

    for (int64_t i = 0; i < n; i++)
        if (send_record(topic, 100) < 0)
            return err.code;
    while (client_inflight(c) > 0 && (part = receive_record()) != NULL && part->error_code == 0)
        if (got++ == 0) {
            (void)printf("begun\n");
            (void)fflush(stdout);
        }
    say(0, got);
    return 0;
}

/* ---- reading ---- */

static int
fetch_from(const char *topic, int64_t offset, int32_t min_bytes, int32_t wait_ms)
{
    struct vrv_fetch_req_partition part;
    struct vrv_fetch_req_topic t;
    const struct vrv_fetch_resp *resp;
    struct vrv_fetch_req q;

    VRV_WIRE_INIT(fetch_req, &q);
    VRV_WIRE_INIT(fetch_req_topic, &t);
    VRV_WIRE_INIT(fetch_req_partition, &part);
    part.fetch_offset = offset;
    part.partition_max_bytes = RECORD_MAX;
    t.topic = vrv_str(topic);
    t.partitions.v = &part;
    q.min_bytes = min_bytes;
    q.max_wait_ms = wait_ms;
    q.topics.v = &t;
    q.topics.n = t.partitions.n = 1;
    int rc = CLIENT_CALL(c, fetch, FETCH_VERSION, &q, &resp, &err);
    if (rc == 0)
        say(resp->responses.v[0].partitions.v[0].error_code,
            resp->responses.v[0].partitions.v[0].records.n);
    return rc;
}

static int
fetch(const char *topic, int64_t offset)
{
    return fetch_from(topic, offset, 1, 0);
}

static int
poll(const char *topic, int64_t offset)
{
    return fetch_from(topic, offset, 2 * RECORD_MAX, POLL_MS);
}

static int
end(const char *topic, int64_t unused)
{
    struct vrv_list_offsets_req_partition part;
    struct vrv_list_offsets_req_topic t;
    const struct vrv_list_offsets_resp *resp;
    struct vrv_list_offsets_req q;

    (void)unused;
    VRV_WIRE_INIT(list_offsets_req, &q);
    VRV_WIRE_INIT(list_offsets_req_topic, &t);
    VRV_WIRE_INIT(list_offsets_req_partition, &part);
    part.timestamp = LATEST;
    t.name = vrv_str(topic);
    t.partitions.v = &part;
    q.replica_id = -1;
    q.topics.v = &t;
    q.topics.n = t.partitions.n = 1;
    int rc = CLIENT_CALL(c, list_offsets, LIST_VERSION, &q, &resp, &err);
    if (rc == 0)
        say(resp->topics.v[0].partitions.v[0].error_code,
            resp->topics.v[0].partitions.v[0].offset);
    return rc;
}

static int
ping(const char *topic, int64_t unused)
{
    struct vrv_metadata_req_topic none;
    const struct vrv_metadata_resp *resp;
    struct vrv_metadata_req q;

    (void)topic;
    (void)unused;
    VRV_WIRE_INIT(metadata_req, &q);
    q.topics.v = &none;
    int rc = CLIENT_CALL(c, metadata, FETCH_VERSION, &q, &resp, &err);
    if (rc == 0)
        say(resp->error_code, resp->brokers.n);
    return rc;
}

static const struct command {
    const char *name;
    int (*run)(const char *topic, int64_t number);
} commands[] = { { "create", create }, { "produce", produce }, { "fetch", fetch },
    { "poll", poll }, { "end", end }, { "ping", ping }, { "burst", burst } };

static int
run(const char *line)
{
    char name[NAME] = "", topic[NAME] = "";
    int64_t number = 0;

    (void)sscanf(line, "%63s %63s %" SCNd64, name, topic, &number);
    if (!client_is_connected(c) && client_connect(c, &err) < 0)
        return err.code;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(topic, number);
    return vrv_err_set(&err, VRV_E_INVALID, "there is no \"%s\"", name);
}

int
main(int argc, char **argv)
{
    char line[LINE];

    if (argc != 2)
        return 64;
    c = client_new((int)strtol(argv[1], NULL, 10), "wirecall");
    while (fgets(line, sizeof(line), stdin) != NULL) {
        int rc = run(line);

        if (rc == VRV_E_IO)
            (void)printf("gone\n");
        else if (rc < 0)
            (void)printf("%s\n", err.msg);
        (void)fflush(stdout);
    }
    client_free(&c);
    return 0;
}
