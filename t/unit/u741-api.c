/*
 * What handlers promise, with the disk a step behind: what is acknowledged is durable, a fetch gives
 * what its limits allow and wakes for what it waits for, ids are nobody's twice.
 */
#include <string.h>

#include "engine/base/assert.h"
#include "engine/batch/build.h"
#include "t/lib/apirig.h"
#include "t/lib/tap.h"

enum { V_PRODUCE = 9, V_FETCH = 12, V_METADATA = 9, V_DELETE_RECORDS = 2, V_PRODUCER_ID = 4 };
enum { PARTS = 3, VALUE = 1000, LARGE = 1 << 20, MINUTE_MS = 60000 };

#define IS_ERR(got, want, ...) IS_STR(vrv_kerror_name(got), #want, __VA_ARGS__)

static struct apirig a;

static void
begin(void)
{
    apirig_init(&a, 1);
    apirig_up(&a);
    rig_topic(&a.rig, "t", PARTS, NULL);
}

/* The server loses power and starts again. */
static void
again(void)
{
    static uint64_t seed;

    apirig_crash(&a, seed++);
    apirig_up(&a);
}

/* ---- Produce ---- */

/* A record of VALUE bytes; of a producer, if it has an id. */
static void
send_record(struct apirig_call *c, int32_t partition, int16_t acks, int64_t producer, int32_t seq)
{
    static const char value[VALUE];
    struct vrv_produce_req_partition part;
    struct vrv_produce_req_topic t;
    struct vrv_batch_builder b;
    struct vrv_produce_req q;
    const uint8_t *p;
    size_t n;

    vrv_batch_builder_init(&b);
    if (producer >= 0) {
        b.producer_id = producer;
        b.producer_epoch = 0;
        b.base_seq = seq;
    }
    vrv_batch_builder_add(&b, -1, NULL, -1, value, VALUE, NULL, 0);
    int rc = vrv_batch_builder_finish(&b, VRV_CODEC_NONE, &p, &n, NULL);
    VRV_ASSERT(rc == 0);
    VRV_WIRE_INIT(produce_req, &q);
    VRV_WIRE_INIT(produce_req_topic, &t);
    VRV_WIRE_INIT(produce_req_partition, &part);
    part.index = partition;
    part.records = (struct vrv_records){ .p = p, .n = (int32_t)n };
    t.name = vrv_str("t");
    t.partition_data.v = &part;
    q.acks = acks;
    q.timeout_ms = 1000;
    q.topic_data.v = &t;
    q.topic_data.n = t.partition_data.n = 1;
    APIRIG_SEND(&a, c, produce, V_PRODUCE, &q);
    vrv_batch_builder_fini(&b);
}

static const struct vrv_produce_resp_partition *
produced(struct apirig_call *c)
{
    const struct vrv_produce_resp *resp = apirig_answer(&a, c);

    return &resp->responses.v[0].partition_responses.v[0];
}

static void
put(int32_t partition)
{
    struct apirig_call c;

    send_record(&c, partition, -1, -1, -1);
    IS_ERR(produced(&c)->error_code, NONE, "a record for partition %d", partition);
    apirig_forget(&a, &c);
}

static void
test_acks(void)
{
    struct apirig_call one, all;

    begin();
    send_record(&one, 0, 1, -1, -1);
    send_record(&all, 0, -1, -1, -1);
    apirig_step(&a);
    OK(!one.answered && !all.answered, "acks=1 and all aren't answered before they are durable");
    IS(produced(&one)->base_offset, 0, "then they are");
    IS(produced(&all)->base_offset, 1, "in order");
    again();
    IS(rig_count(&a.rig, rig_log(&a.rig, "t", 0), 0), 2, "and there after a crash");
    apirig_fini(&a);
}

static void
test_segment(void)
{
    struct apirig_call c;

    apirig_init(&a, 1);
    apirig_up(&a);
    rig_topic(&a.rig, "t", PARTS, "segment.bytes=900");
    send_record(&c, 0, -1, -1, -1);
    IS_ERR(produced(&c)->error_code, RECORD_LIST_TOO_LARGE, "a batch larger than a segment");
    apirig_forget(&a, &c);
    apirig_fini(&a);
}

/* On a thread of the pool. */
static void
test_repack(void)
{
    struct apirig_call first, second;
    struct vrv_read rd = { .max_bytes = LARGE };

    apirig_init(&a, 1);
    apirig_up(&a);
    rig_topic(&a.rig, "t", PARTS, "compression.type=gzip");
    send_record(&first, 0, -1, -1, -1);
    IS(produced(&first)->base_offset, 0, "a batch that is to be packed again is appended");
    apirig_forget(&a, &first);
    send_record(&second, 0, 1, -1, -1);
    IS(produced(&second)->base_offset, 1, "and another one");
    struct vrv_log *log = rig_log(&a.rig, "t", 0);
    IS(vrv_read(log, &rd, NULL), 0, "they are read");
    OK(rd.bytes < VALUE, "packed");
    vrv_read_fini(&rd);
    apirig_forget(&a, &second);
    apirig_fini(&a);
}

static void
send_idempotent(int32_t seq, enum vrv_kerror want, int64_t offset, const char *what)
{
    struct apirig_call c;

    send_record(&c, 0, -1, 7, seq);
    const struct vrv_produce_resp_partition *p = produced(&c);
    OK(p->error_code == (int16_t)want && p->base_offset == offset, "%s", what);
    apirig_forget(&a, &c);
}

static void
test_sequence(void)
{
    begin();
    send_idempotent(0, VRV_K_NONE, 0, "an idempotent producer begins");
    send_idempotent(1, VRV_K_NONE, 1, "and goes on");
    send_idempotent(1, VRV_K_NONE, 1, "what comes twice is stored once");
    send_idempotent(3, VRV_K_OUT_OF_ORDER_SEQUENCE_NUMBER, -1, "a gap is refused");
    again();
    send_idempotent(3, VRV_K_OUT_OF_ORDER_SEQUENCE_NUMBER, -1, "also after a crash");
    send_idempotent(2, VRV_K_NONE, 2, "the next one isn't");
    apirig_fini(&a);
}

/* ---- Fetch ---- */

struct fetching {
    struct vrv_fetch_req q;
    struct vrv_fetch_req_topic t;
    struct vrv_fetch_req_partition part[PARTS];
};

/* The first n partitions from their start, at once. */
static void
fetching(struct fetching *f, int32_t n)
{
    VRV_WIRE_INIT(fetch_req, &f->q);
    VRV_WIRE_INIT(fetch_req_topic, &f->t);
    for (int32_t i = 0; i < n; i++) {
        VRV_WIRE_INIT(fetch_req_partition, &f->part[i]);
        f->part[i].partition = i;
        f->part[i].partition_max_bytes = LARGE;
    }
    f->t.topic = vrv_str("t");
    f->t.partitions.v = f->part;
    f->t.partitions.n = n;
    f->q.topics.v = &f->t;
    f->q.topics.n = n > 0;
    f->q.min_bytes = 1;
}

static void
send_fetch(struct apirig_call *c, const struct fetching *f)
{
    APIRIG_SEND(&a, c, fetch, V_FETCH, &f->q);
}

/* How many bytes of records the answer has for a partition; -1: it doesn't name it. */
static int64_t
got(const struct vrv_fetch_resp *resp, int32_t partition)
{
    for (int32_t i = 0; i < resp->responses.n; i++)
        for (int32_t k = 0; k < resp->responses.v[i].partitions.n; k++) {
            const struct vrv_fetch_resp_partition *p = &resp->responses.v[i].partitions.v[k];

            if (p->partition_index == partition)
                return p->records.n > 0 ? p->records.n : 0;
        }
    return -1;
}

static const struct vrv_fetch_resp *
fetched(const struct fetching *f)
{
    struct apirig_call c;

    send_fetch(&c, f);
    const struct vrv_fetch_resp *resp = apirig_answer(&a, &c);
    apirig_forget(&a, &c);
    return resp;
}

/* It wants more than its limits allow: time can't help. */
static void
test_greed(int64_t one)
{
    struct apirig_call c;
    struct fetching f;

    fetching(&f, 1);
    f.part[0].partition_max_bytes = (int32_t)one + 1;
    f.q.min_bytes = 3 * (int32_t)one;
    f.q.max_wait_ms = MINUTE_MS;
    send_fetch(&c, &f);
    OK(c.answered, "who wants more than its limits allow isn't kept waiting");
    f.part[0].partition_max_bytes = LARGE;
    apirig_forget(&a, &c);
    send_fetch(&c, &f);
    apirig_step(&a);
    OK(!c.answered, "who wants more than there is waits");
    a.on = 1;
    put(0);
    OK(c.answered, "... for just that");
    apirig_forget(&a, &c);
    a.on = 0;
}

static void
test_limits(void)
{
    const struct vrv_fetch_resp *resp;
    struct fetching f;

    begin();
    for (int32_t i = 0; i < 4; i++)
        put(i % 2);
    fetching(&f, 2);
    resp = fetched(&f);
    int64_t both = got(resp, 0), one = both / 2;
    OK(one > VALUE && got(resp, 1) == both, "all there is, where limits allow it");
    f.part[0].partition_max_bytes = (int32_t)one;
    IS(got(fetched(&f), 0), one, "a partition's limit holds");
    f.part[0].partition_max_bytes = f.part[1].partition_max_bytes = 10;
    resp = fetched(&f);
    IS(got(resp, 0), one, "of the first one comes a batch, however small the limits");
    IS(got(resp, 1), 0, "of others none then");
    fetching(&f, 2);
    f.q.max_bytes = (int32_t)(both + one);
    resp = fetched(&f);
    OK(got(resp, 0) == both && got(resp, 1) == one, "the request's limit holds over partitions");
    test_greed(one);
    apirig_fini(&a);
}

/* A consumer that is behind in one partition is served there, too, while others always have news. */
static void
test_behind(void)
{
    const struct vrv_fetch_resp *resp;
    struct fetching f;

    begin();
    put(0);
    rig_flush(&a.rig);
    OK(rig_checkpoint(&a.rig), "a record that is on the disk only");
    again();
    put(1);
    simdisk_nowait(a.rig.disk, 100);
    fetching(&f, 2);
    f.q.min_bytes = 1;
    resp = fetched(&f);
    OK(got(resp, 0) > VALUE && got(resp, 1) > VALUE, "comes with what is in memory");
    f.q.max_bytes = VALUE;
    f.part[0].partition = 1;
    f.part[1].partition = 0;
    resp = fetched(&f);
    OK(got(resp, 0) == 0 && got(resp, 1) > VALUE, "... within the request's limits");
    apirig_fini(&a);
}

/* A partition that is named again and again takes far more memory than its request has bytes. */
static void
test_crowd(void)
{
    enum { N = 2000 };
    static struct vrv_fetch_req_partition part[N];
    struct apirig_call first, second, small;
    struct fetching f, one;

    begin();
    fetching(&f, 1);
    fetching(&one, 1);
    for (int i = 0; i < N; i++)
        part[i] = f.part[0];
    f.t.partitions.v = part;
    f.t.partitions.n = N;
    f.q.max_wait_ms = one.q.max_wait_ms = MINUTE_MS;
    send_fetch(&first, &f);
    apirig_step(&a);
    OK(!first.answered && a.b.waiting_bytes > N * sizeof(part[0]), "a large fetch waits");
    a.b.waiting_max = 3 * a.b.waiting_bytes / 2;
    a.on = 1;
    send_fetch(&second, &f);
    apirig_step(&a);
    OK(second.answered, "one more is answered at once: waiting requests may not take all memory");
    apirig_forget(&a, &second);
    send_fetch(&small, &one);
    apirig_step(&a);
    OK(!small.answered, "a small one waits");
    simclock_advance_ms(&a.rig.clock, MINUTE_MS);
    (void)vrv_engine_expire_step(a.rig.eng);
    (void)apirig_answer(&a, &small);
    (void)apirig_answer(&a, &first);
    IS((int64_t)a.b.waiting_bytes, 0, "who doesn't wait any more holds nothing");
    apirig_forget(&a, &small);
    a.on = 0;
    apirig_forget(&a, &first);
    apirig_fini(&a);
}

static void
test_wake(void)
{
    struct apirig_call c, record;
    struct fetching f;

    begin();
    fetching(&f, 2);
    f.q.max_wait_ms = MINUTE_MS;
    a.on = 1;
    send_fetch(&c, &f);
    apirig_step(&a);
    OK(!c.answered, "a fetch waits where there is nothing");
    a.on = 0;
    send_record(&record, 1, -1, -1, -1);
    apirig_step(&a);
    OK(!c.answered, "also for what isn't durable yet");
    (void)produced(&record);
    OK(c.answered, "and is answered with it");
    OK(got(apirig_answer(&a, &c), 1) > VALUE, "namely that");
    apirig_fini(&a);
}

static void
test_session(void)
{
    const struct vrv_fetch_resp *resp;
    struct fetching f, next;
    int32_t gone = 1;

    begin();
    fetching(&f, PARTS);
    f.q.session_epoch = 0;
    resp = fetched(&f);
    OK(resp->session_id != 0 && got(resp, PARTS - 1) == 0, "a session begins with all");
    fetching(&next, 0);
    next.q.session_id = resp->session_id;
    for (int32_t i = 1; i < 4; i++) {
        put(0);
        next.q.session_epoch = i;
        resp = fetched(&next);
        OK(got(resp, 0) > VALUE && got(resp, 1) == -1, "then it tells what is new, time %d", i);
    }
    struct vrv_fetch_req_forgotten forget = { .topic = vrv_str("t"), .partitions = { &gone, 1 } };
    next.q.forgotten_topics_data.v = &forget;
    next.q.forgotten_topics_data.n = 1;
    next.q.session_epoch = 4;
    put(1);
    put(2);
    resp = fetched(&next);
    OK(got(resp, 1) == -1 && got(resp, 2) > VALUE, "but of what is to be forgotten");
    apirig_fini(&a);
}

/* ---- others ---- */

static void
test_delete_records(void)
{
    struct vrv_delete_records_req_partition part = { .offset = 2 };
    struct vrv_delete_records_req_topic t = { .name = vrv_str("t"), .partitions = { &part, 1 } };
    struct vrv_delete_records_req q = { .topics = { &t, 1 }, .timeout_ms = 1000 };
    const struct vrv_delete_records_resp *resp;
    struct apirig_call c;

    begin();
    for (int i = 0; i < 3; i++)
        put(0);
    APIRIG_SEND(&a, &c, delete_records, V_DELETE_RECORDS, &q);
    apirig_step(&a);
    OK(!c.answered, "DeleteRecords isn't answered before it is durable");
    resp = apirig_answer(&a, &c);
    IS(resp->topics.v[0].partitions.v[0].low_watermark, 2, "then with the new start");
    again();
    IS(vrv_log_offsets(rig_log(&a.rig, "t", 0)).start, 2, "which is there after a crash");
    apirig_fini(&a);
}

static int64_t
new_producer(void)
{
    struct vrv_init_producer_id_req q;
    struct apirig_call c;

    VRV_WIRE_INIT(init_producer_id_req, &q);
    q.transactional_id.p = NULL;
    APIRIG_SEND(&a, &c, init_producer_id, V_PRODUCER_ID, &q);
    const struct vrv_init_producer_id_resp *resp = apirig_answer(&a, &c);
    apirig_forget(&a, &c);
    return resp->error_code == VRV_K_NONE ? resp->producer_id : -1;
}

static void
test_producer_ids(void)
{
    int64_t last = -1;

    begin();
    for (int i = 0; i < 4; i++) {
        int64_t id = new_producer(), next = new_producer();

        OK(id > last && next > id, "ids of producers are new, %d crashes later", i);
        last = next;
        again();
    }
    apirig_fini(&a);
}

static int
ask_metadata(const char *topic, bool create)
{
    struct vrv_metadata_req_topic t;
    struct vrv_metadata_req q;
    struct apirig_call c;

    VRV_WIRE_INIT(metadata_req, &q);
    VRV_WIRE_INIT(metadata_req_topic, &t);
    t.name = vrv_str(topic);
    q.topics.v = &t;
    q.topics.n = 1;
    q.allow_auto_topic_creation = create;
    APIRIG_SEND(&a, &c, metadata, V_METADATA, &q);
    const struct vrv_metadata_resp *resp = apirig_answer(&a, &c);
    apirig_forget(&a, &c);
    return resp->topics.v[0].error_code;
}

static void
test_auto_create(void)
{
    begin();
    IS_ERR(ask_metadata("asked", false), UNKNOWN_TOPIC_OR_PARTITION,
        "a topic isn't made for who says so");
    IS_ERR(ask_metadata("made", true), NONE, "for others it is");
    a.b.auto_create = false;
    IS_ERR(ask_metadata("off", true), UNKNOWN_TOPIC_OR_PARTITION,
        "not where the server doesn't make any");
    again();
    OK(rig_log(&a.rig, "made", 0) != NULL && rig_log(&a.rig, "asked", 0) == NULL &&
            rig_log(&a.rig, "off", 0) == NULL, "after a crash there are the same");
    apirig_fini(&a);
}

/* ---- varve's own ---- */

static void
test_own(void)
{
    struct vrv_api_versions_req versions;
    struct vrv_tier_describe_req describe;
    struct vrv_tier_plan_req plan;
    struct vrv_tier_offload_req offload;
    struct vrv_tier_forget_req forget;
    struct vrv_tier_deleted_req deleted;
    struct vrv_tier_undelete_req undelete;
    struct apirig_call c;
    int own = 0;

    begin();
    VRV_WIRE_INIT(api_versions_req, &versions);
    APIRIG_SEND(&a, &c, api_versions, 0, &versions);
    const struct vrv_api_versions_resp *told = apirig_answer(&a, &c);
    for (int32_t i = 0; i < told->api_keys.n; i++)
        own += told->api_keys.v[i].api_key >= VRV_API_OWN;
    OK(told->api_keys.n > 30 && own == 0, "clients of Kafka's aren't told of requests of our own");
    apirig_forget(&a, &c);
    VRV_WIRE_INIT(tier_describe_req, &describe);
    APIRIG_SEND(&a, &c, tier_describe, 0, &describe);
    const struct vrv_tier_describe_resp *none = apirig_answer(&a, &c);
    IS_ERR(none->error_code, INVALID_CONFIG, "a server without a cold tier says so");
    OK(none->error_message.n > 0 && none->topics.n == 0, "... and what to do");
    apirig_forget(&a, &c);
    VRV_WIRE_INIT(tier_plan_req, &plan);
    APIRIG_SEND(&a, &c, tier_plan, 0, &plan);
    IS_ERR(((const struct vrv_tier_plan_resp *)apirig_answer(&a, &c))->error_code, INVALID_CONFIG,
        "... for plans, too");
    apirig_forget(&a, &c);
    VRV_WIRE_INIT(tier_offload_req, &offload);
    APIRIG_SEND(&a, &c, tier_offload, 0, &offload);
    IS_ERR(((const struct vrv_tier_offload_resp *)apirig_answer(&a, &c))->error_code,
        INVALID_CONFIG, "... and for moves");
    apirig_forget(&a, &c);
    VRV_WIRE_INIT(tier_forget_req, &forget);
    APIRIG_SEND(&a, &c, tier_forget, 0, &forget);
    IS_ERR(((const struct vrv_tier_forget_resp *)apirig_answer(&a, &c))->error_code,
        INVALID_CONFIG, "... and for what is to be forgotten");
    apirig_forget(&a, &c);
    VRV_WIRE_INIT(tier_deleted_req, &deleted);
    APIRIG_SEND(&a, &c, tier_deleted, 0, &deleted);
    IS_ERR(((const struct vrv_tier_deleted_resp *)apirig_answer(&a, &c))->error_code,
        INVALID_CONFIG, "... and for topics that are gone");
    apirig_forget(&a, &c);
    VRV_WIRE_INIT(tier_undelete_req, &undelete);
    APIRIG_SEND(&a, &c, tier_undelete, 0, &undelete);
    IS_ERR(((const struct vrv_tier_undelete_resp *)apirig_answer(&a, &c))->error_code,
        INVALID_CONFIG, "... or come back");
    apirig_forget(&a, &c);
    apirig_fini(&a);
}

int
main(void)
{
    test_acks();
    test_segment();
    test_repack();
    test_sequence();
    test_limits();
    test_behind();
    test_crowd();
    test_wake();
    test_session();
    test_delete_records();
    test_producer_ids();
    test_auto_create();
    test_own();
    return tap_done();
}
