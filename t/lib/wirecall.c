/*
 * wirecall PORT: a client for scripts.  Each line of its input is a call, to which it answers with a
 * line: the name of the error, or what is said here, or "gone" when there is no connection; then the
 * next call makes a new one.
 *
 *     create TOPIC PARTITIONS     NONE
 *     produce TOPIC BYTES         NONE OFFSET: one record of that many bytes to partition 0
 *     sequel TOPIC N              NONE OFFSET: the N-th record of the idempotent producer 7
 *     fetch TOPIC OFFSET          NONE BYTES: how many there are from there on
 *     committed TOPIC OFFSET      NONE BYTES: the same for a reader of committed records, or NULL where it isn't
 *                                 told about aborted transactions
 *     epoch TOPIC EPOCH           NONE OFFSET: where it ends
 *     poll TOPIC OFFSET           the same, but waits a little for twice as much as it may get
 *     at TOPIC TIME               NONE OFFSET: of the first record as new as that, or what ListOffsets means by a time below zero
 *     end TOPIC                   NONE OFFSET
 *     cut TOPIC OFFSET            NONE OFFSET: what is before it is deleted
 *     ping                        NONE: asks for the metadata of nothing
 *     burst TOPIC N               N records, all under way at once; "begun" after the first answer,
 *                                 then, when all or the last has come, NONE COUNT
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/mem.h"
#include "engine/batch/build.h"
#include "server/base/kerrors.h"
#include "server/wire/wire.h"
#include "t/lib/client.h"

enum { NAME = 64, LINE = 256, TIMEOUT_MS = 30000, POLL_MS = 2000, RECORD_MAX = 1 << 20, LATEST = -1, PRODUCER = 7 };
enum { CREATE_VERSION = 7, PRODUCE_VERSION = 9, FETCH_VERSION = 12, LIST_VERSION = 11, EPOCH_VERSION = 4,
    DELETE_VERSION = 2 };

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

/* Producers of old records are forgotten. */
static int64_t
wall_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* seq -1: of no idempotent producer. */
static int
send_record(const char *topic, int64_t bytes, int32_t seq)
{
    static char value[RECORD_MAX];
    struct vrv_produce_req_partition part;
    struct vrv_produce_req_topic t;
    struct vrv_batch_builder b;
    struct vrv_produce_req q;
    const uint8_t *p;
    size_t n;

    vrv_batch_builder_init(&b);
    if (seq >= 0) {
        b.producer_id = PRODUCER;
        b.producer_epoch = 0;
        b.base_seq = seq;
    }
    vrv_batch_builder_add(&b, seq >= 0 ? wall_ms() : -1, NULL, -1, value, (int32_t)(bytes % RECORD_MAX), NULL, 0);
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
send_one(const char *topic, int64_t bytes, int32_t seq)
{
    const struct vrv_produce_resp_partition *part =
        send_record(topic, bytes, seq) == 0 ? receive_record() : NULL;

    if (part != NULL)
        say(part->error_code, part->base_offset);
    return part != NULL ? 0 : err.code;
}

static int
produce(const char *topic, int64_t bytes)
{
    return send_one(topic, bytes, -1);
}

static int
sequel(const char *topic, int64_t n)
{
    return send_one(topic, 1, (int32_t)n);
}

static int
burst(const char *topic, int64_t n)
{
    const struct vrv_produce_resp_partition *part;
    int64_t got = 0;

    for (int64_t i = 0; i < n; i++)
        if (send_record(topic, 100, -1) < 0)
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

/* The answer for the partition; NULL: there was none. */
static const struct vrv_fetch_resp_partition *
fetch_from(struct vrv_fetch_req q, const char *topic, int64_t offset)
{
    struct vrv_fetch_req_partition part;
    struct vrv_fetch_req_topic t;
    const struct vrv_fetch_resp *resp;

    VRV_WIRE_INIT(fetch_req_topic, &t);
    VRV_WIRE_INIT(fetch_req_partition, &part);
    part.fetch_offset = offset;
    part.partition_max_bytes = RECORD_MAX;
    t.topic = vrv_str(topic);
    t.partitions.v = &part;
    q.topics.v = &t;
    q.topics.n = t.partitions.n = 1;
    if (CLIENT_CALL(c, fetch, FETCH_VERSION, &q, &resp, &err) < 0)
        return NULL;
    return &resp->responses.v[0].partitions.v[0];
}

static int
say_fetched(const struct vrv_fetch_resp_partition *part)
{
    if (part != NULL)
        say(part->error_code, part->records.n);
    return part != NULL ? 0 : err.code;
}

static int
fetch(const char *topic, int64_t offset)
{
    struct vrv_fetch_req q;

    VRV_WIRE_INIT(fetch_req, &q);
    q.min_bytes = 1;
    return say_fetched(fetch_from(q, topic, offset));
}

static int
poll(const char *topic, int64_t offset)
{
    struct vrv_fetch_req q;

    VRV_WIRE_INIT(fetch_req, &q);
    q.min_bytes = 2 * RECORD_MAX;
    q.max_wait_ms = POLL_MS;
    return say_fetched(fetch_from(q, topic, offset));
}

static int
committed(const char *topic, int64_t offset)
{
    struct vrv_fetch_req q;

    VRV_WIRE_INIT(fetch_req, &q);
    q.min_bytes = 1;
    q.max_wait_ms = POLL_MS;
    q.isolation_level = 1;
    const struct vrv_fetch_resp_partition *part = fetch_from(q, topic, offset);
    if (part == NULL || part->aborted_transactions.v != NULL)
        return say_fetched(part);
    (void)printf("NULL\n");
    return 0;
}

static int
epoch(const char *topic, int64_t n)
{
    struct vrv_offset_for_leader_epoch_req_partition part;
    struct vrv_offset_for_leader_epoch_req_topic t;
    const struct vrv_offset_for_leader_epoch_resp *resp;
    struct vrv_offset_for_leader_epoch_req q;

    VRV_WIRE_INIT(offset_for_leader_epoch_req, &q);
    VRV_WIRE_INIT(offset_for_leader_epoch_req_topic, &t);
    VRV_WIRE_INIT(offset_for_leader_epoch_req_partition, &part);
    part.leader_epoch = (int32_t)n;
    t.topic = vrv_str(topic);
    t.partitions.v = &part;
    q.topics.v = &t;
    q.topics.n = t.partitions.n = 1;
    int rc = CLIENT_CALL(c, offset_for_leader_epoch, EPOCH_VERSION, &q, &resp, &err);
    if (rc == 0)
        say(resp->topics.v[0].partitions.v[0].error_code,
            resp->topics.v[0].partitions.v[0].end_offset);
    return rc;
}

static int
at(const char *topic, int64_t time)
{
    struct vrv_list_offsets_req_partition part;
    struct vrv_list_offsets_req_topic t;
    const struct vrv_list_offsets_resp *resp;
    struct vrv_list_offsets_req q;

    VRV_WIRE_INIT(list_offsets_req, &q);
    VRV_WIRE_INIT(list_offsets_req_topic, &t);
    VRV_WIRE_INIT(list_offsets_req_partition, &part);
    part.timestamp = time;
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
end(const char *topic, int64_t unused)
{
    (void)unused;
    return at(topic, LATEST);
}

static int
cut(const char *topic, int64_t offset)
{
    struct vrv_delete_records_req_partition part;
    struct vrv_delete_records_req_topic t;
    const struct vrv_delete_records_resp *resp;
    struct vrv_delete_records_req q;

    VRV_WIRE_INIT(delete_records_req, &q);
    VRV_WIRE_INIT(delete_records_req_topic, &t);
    VRV_WIRE_INIT(delete_records_req_partition, &part);
    part.offset = offset;
    t.name = vrv_str(topic);
    t.partitions.v = &part;
    q.topics.v = &t;
    q.topics.n = t.partitions.n = 1;
    q.timeout_ms = TIMEOUT_MS;
    int rc = CLIENT_CALL(c, delete_records, DELETE_VERSION, &q, &resp, &err);
    if (rc == 0)
        say(resp->topics.v[0].partitions.v[0].error_code, resp->topics.v[0].partitions.v[0].low_watermark);
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
} commands[] = { { "create", create }, { "produce", produce },
    { "sequel", sequel }, { "fetch", fetch }, { "committed", committed }, { "epoch", epoch },
    { "poll", poll }, { "at", at }, { "end", end }, { "cut", cut }, { "ping", ping }, { "burst", burst } };

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
