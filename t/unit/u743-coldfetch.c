/*
 * What a consumer sees of the cold tier: hot partitions aren't held up by it, cold ones come when they are
 * there, nobody is answered with nothing again and again, and errors are Kafka's.
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/os/clock.h"
#include "server/api/cold_quota.h"
#include "server/api/find.h"
#include "server/base/diag.h"
#include "server/stat/stat.h"
#include "t/lib/apirig.h"
#include "t/lib/fakecold.h"
#include "t/lib/offload.h"
#include "t/lib/tap.h"

enum { V_FETCH = 12, PARTS = 4, HOT = 3, COLD_MS = 500, MINUTE_MS = 60000, LARGE = 1 << 20 };

#define IS_ERR(got, want, ...) IS_STR(vrv_kerror_name(got), #want, __VA_ARGS__)

static struct apirig a;
static struct vrv_cold *cold;
static size_t batch; /* bytes of each */

static struct vrv_log *
log_of(int32_t partition)
{
    return rig_log(&a.rig, "t", partition);
}

static void
put(int32_t partition, int n)
{
    char value[201];

    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (int i = 0; i < n; i++) {
        int64_t at = rig_put_batch(&a.rig, log_of(partition),
            &(struct rig_batch){ .value = value, .records = 2, .ts = 1000 });
        VRV_ASSERT(at >= 0);
    }
}

/* The first records of all partitions but the last are cold, six batches in two chunks each. */
static void
begin(void)
{
    apirig_init(&a, 1);
    cold = fakecold_new(&(struct fakecold_opts){ .seed = 1, .delay_max = 3, .chunk_batches = 3,
        .cache_chunks = 2 * PARTS });
    a.rig.o.cold = cold;
    apirig_up(&a);
    rig_topic(&a.rig, "t", PARTS, "segment.bytes=1000 retention.ms=-1");
    for (int32_t i = 0; i < HOT; i++) {
        put(i, 6);
        vrv_log_roll(log_of(i));
    }
    OK(rig_checkpoint(&a.rig) && rig_checkpoint(&a.rig), "sealed");
    for (int32_t i = 0; i < HOT; i++) {
        (void)offload(log_of(i), cold);
        VRV_ASSERT(vrv_log_drop_local(log_of(i), 12, NULL, &a.rig.e) == 0);
    }
    rig_commit(&a.rig);
    apirig_crash(&a, 0); /* what is still in memory is read there */
    apirig_up(&a);
    put(HOT, 1);
    struct vrv_read r = { .offset = 0, .max_bytes = 1, .whole_first = true };
    VRV_ASSERT(vrv_read(log_of(HOT), &r, &a.rig.e) == 0);
    batch = r.bytes;
    vrv_read_fini(&r);
}

static void
end(void)
{
    apirig_fini(&a);
    fakecold_hang(cold, false);
    while (fakecold_step(cold))
        ;
    fakecold_free(&cold);
}

static char told[VRV_DIAG_LINE];

static void
keep_line(void *ctx, const char *line, size_t n)
{
    (void)ctx;
    VRV_ASSERT(n < sizeof(told));
    memcpy(told, line, n);
    told[n - 1] = '\0';
}

/* ---- fetches ---- */

struct fetching {
    struct vrv_fetch_req q;
    struct vrv_fetch_req_topic t;
    struct vrv_fetch_req_partition part[PARTS];
};

/* Partitions from `first` on, n of them. */
static void
fetching(struct fetching *f, int32_t first, int32_t n, int32_t wait_ms)
{
    VRV_WIRE_INIT(fetch_req, &f->q);
    VRV_WIRE_INIT(fetch_req_topic, &f->t);
    for (int32_t i = 0; i < n; i++) {
        VRV_WIRE_INIT(fetch_req_partition, &f->part[i]);
        f->part[i].partition = first + i;
        f->part[i].partition_max_bytes = LARGE;
    }
    f->t.topic = vrv_str("t");
    f->t.partitions.v = f->part;
    f->t.partitions.n = n;
    f->q.topics.v = &f->t;
    f->q.topics.n = 1;
    f->q.min_bytes = 1;
    f->q.max_wait_ms = wait_ms;
}

/* All that can be done now is; a store that hangs could go on for ever. */
static void
settle(void)
{
    for (int i = 0; i < 20; i++) {
        (void)vrv_engine_expire_step(a.rig.eng);
        apirig_step(&a);
        (void)fakecold_step(cold);
    }
    apirig_step(&a);
}

static void
pass(int64_t ms)
{
    simclock_advance_ms(&a.rig.clock, ms);
    (void)vrv_engine_expire_step(a.rig.eng);
    apirig_step(&a);
}

static const struct vrv_fetch_resp_partition *
part_of(const struct vrv_fetch_resp *resp, int32_t partition)
{
    for (int32_t i = 0; i < resp->responses.n; i++)
        for (int32_t k = 0; k < resp->responses.v[i].partitions.n; k++)
            if (resp->responses.v[i].partitions.v[k].partition_index == partition)
                return &resp->responses.v[i].partitions.v[k];
    return NULL;
}

/* Batches of a partition in an answer; -1: it isn't named. */
static int
batches(const struct vrv_fetch_resp *resp, int32_t partition)
{
    const struct vrv_fetch_resp_partition *p = part_of(resp, partition);

    return p == NULL ? -1 : p->records.n > 0 ? (int)((size_t)p->records.n / batch) : 0;
}

/* ... of the cold ones together. */
static int
cold_batches(const struct vrv_fetch_resp *resp)
{
    return batches(resp, 0) + batches(resp, 1) + batches(resp, 2);
}

static void
send(struct apirig_call *c, const struct fetching *f)
{
    APIRIG_SEND(&a, c, fetch, V_FETCH, &f->q);
}

static const struct vrv_fetch_resp *
answer_to(struct apirig_call *c)
{
    const struct vrv_fetch_resp *resp = apirig_answer(&a, c);

    apirig_forget(&a, c);
    return resp;
}

static void
test_hot_goes_on(void)
{
    const struct vrv_fetch_resp *resp;
    struct apirig_call c;
    struct fetching f;

    begin();
    fakecold_hang(cold, true);
    fetching(&f, 0, PARTS, MINUTE_MS);
    send(&c, &f);
    apirig_step(&a);
    OK(c.answered, "the store hangs: a fetch of hot and cold partitions is answered at once");
    resp = answer_to(&c);
    OK(batches(resp, HOT) == 1 && batches(resp, 0) == 0, "with what is hot");
    IS_ERR(part_of(resp, 0)->error_code, NONE, "... and no error of what is not");
    IS(part_of(resp, 0)->high_watermark, 12, "... but its offsets");
    IS(fakecold_loads(cold), HOT, "all cold partitions were asked for at the same time");
    fakecold_hang(cold, false);
    settle();
    send(&c, &f);
    apirig_step(&a);
    OK(c.answered, "the store is back: the next fetch");
    resp = answer_to(&c);
    OK(batches(resp, 0) == 3 && batches(resp, 1) == 3 && batches(resp, 2) == 3 &&
            batches(resp, HOT) == 1, "has all, of what was read for the one before");
    IS(fakecold_loads(cold), HOT, "... and of nothing else");
    end();
}

static void
test_cold_only(void)
{
    const struct vrv_fetch_resp *resp;
    struct apirig_call c;
    struct fetching f;

    begin();
    fetching(&f, 0, 1, 0);
    send(&c, &f);
    apirig_step(&a);
    OK(!c.answered, "a fetch of what is cold waits for it, though it says that it doesn't wait");
    settle();
    OK(c.answered, "and is answered when it is there");
    resp = answer_to(&c);
    IS(batches(resp, 0), 3, "... with it");
    fetching(&f, 1, 2, MINUTE_MS);
    fakecold_hang(cold, true);
    for (int i = 0; i < 3; i++) {
        send(&c, &f);
        settle();
        pass(COLD_MS - 1);
        OK(!c.answered, "the store hangs: nobody is answered with nothing");
        pass(1);
        OK(c.answered, "... before remote.fetch.max.wait.ms is over");
        resp = answer_to(&c);
        OK(batches(resp, 1) == 0 && batches(resp, 2) == 0 &&
                part_of(resp, 1)->error_code == VRV_K_NONE, "then with no error");
    }
    IS(fakecold_loads(cold), 1 + 2, "what was asked three times is read once");
    send(&c, &f);
    settle();
    fakecold_hang(cold, false);
    settle();
    OK(c.answered, "the store is back: a fetch that waited is answered");
    resp = answer_to(&c);
    OK(batches(resp, 1) + batches(resp, 2) >= 3, "with the records of who was first, or both");
    end();
}

/* Something hot, but too little to be worth an answer; and records that are appended while it waits. */
static void
test_min_bytes(void)
{
    const struct vrv_fetch_resp *resp;
    struct apirig_call c;
    struct fetching f;

    begin();
    fakecold_hang(cold, true);
    fetching(&f, 2, 2, 100);
    f.q.min_bytes = (int32_t)(2 * batch);
    send(&c, &f);
    settle();
    pass(99);
    OK(!c.answered, "less than min_bytes is hot: it waits");
    pass(1);
    OK(c.answered, "for its own time, not the cold tier's");
    IS(batches(answer_to(&c), HOT), 1, "... and gets that");
    f.part[1].fetch_offset = 2;
    f.q.min_bytes = 1;
    send(&c, &f);
    settle();
    a.on = 1;
    put(HOT, 1);
    apirig_step(&a);
    OK(c.answered, "a record is appended while the cold tier is asked: it comes at once");
    a.on = 0;
    resp = answer_to(&c);
    OK(batches(resp, HOT) == 1 && batches(resp, 2) == 0, "... alone");
    f.q.min_bytes = (int32_t)(5 * batch);
    f.part[0].fetch_offset = 6;
    f.part[1].fetch_offset = 4;
    f.q.max_wait_ms = MINUTE_MS;
    send(&c, &f);
    settle();
    fakecold_hang(cold, false);
    settle();
    OK(!c.answered, "what came from the cold tier is too little");
    put(HOT, 2);
    apirig_step(&a);
    OK(c.answered, "with what is appended it is enough");
    resp = answer_to(&c);
    OK(batches(resp, 2) == 3 && batches(resp, HOT) == 2, "both come, and once");
    end();
}

/* What came isn't asked for again, and what is held of it is given back: end() looks. */
static void
test_both_at_once(void)
{
    const struct vrv_fetch_resp *resp;
    struct apirig_call c;
    struct fetching f;

    begin();
    fetching(&f, 2, 2, MINUTE_MS);
    f.part[1].fetch_offset = 2;
    send(&c, &f);
    apirig_step(&a);
    OK(!c.answered, "a fetch waits for what is cold, and for what will be appended");
    while (fakecold_step(cold))
        ;
    a.on = 1;
    put(HOT, 1);
    a.on = 0;
    settle();
    OK(c.answered, "both come at the same moment");
    resp = answer_to(&c);
    OK(batches(resp, 2) == 3 && batches(resp, HOT) == 1, "... and both are in the answer");
    end();
}

static void
test_limits(void)
{
    const struct vrv_fetch_resp *resp;
    struct apirig_call c;
    struct fetching f;

    begin();
    fetching(&f, 0, 2, MINUTE_MS);
    f.part[0].partition_max_bytes = 10;
    f.part[1].partition_max_bytes = 10;
    send(&c, &f);
    settle();
    resp = answer_to(&c);
    IS(batches(resp, 0) + batches(resp, 1), 1, "of the first that comes one batch, however small the limits");
    fetching(&f, 0, 3, MINUTE_MS);
    f.q.max_bytes = (int32_t)(4 * batch);
    send(&c, &f);
    settle();
    resp = answer_to(&c);
    IS(cold_batches(resp), 4, "the request's limit holds over all");
    fetching(&f, 0, 2, MINUTE_MS);
    f.part[0].partition_max_bytes = (int32_t)(2 * batch);
    send(&c, &f);
    settle();
    IS(batches(answer_to(&c), 0), 2, "and a partition's");
    end();
}

static void
test_errors(void)
{
    static const struct {
        int code;
        const char *name;
    } all[] = { { VRV_E_DENIED, "KAFKA_STORAGE_ERROR" }, { VRV_E_UNREACHABLE, "KAFKA_STORAGE_ERROR" },
        { VRV_E_BUSY, "KAFKA_STORAGE_ERROR" }, { VRV_E_IO, "KAFKA_STORAGE_ERROR" },
        { VRV_E_NOTFOUND, "KAFKA_STORAGE_ERROR" }, { VRV_E_INVALID, "KAFKA_STORAGE_ERROR" },
        { VRV_E_NOMEM, "KAFKA_STORAGE_ERROR" }, { VRV_E_VERSION, "KAFKA_STORAGE_ERROR" }, { VRV_E_CORRUPT, "CORRUPT_MESSAGE" } };
    const struct vrv_fetch_resp *resp;
    struct apirig_call c;
    struct fetching f;

    begin();
    fetching(&f, 0, 1, 0);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        fakecold_fail(cold, all[i].code);
        send(&c, &f);
        settle();
        OK(!c.answered, "nobody may ask a store that fails again and again");
        pass(COLD_MS);
        resp = answer_to(&c);
        IS_STR(vrv_kerror_name(part_of(resp, 0)->error_code), all[i].name, "%s is said so",
            vrv_err_text(all[i].code));
        IS(batches(resp, 0), 0, "... without records");
    }
    fakecold_fail(cold, VRV_E_DENIED);
    fetching(&f, 0, PARTS, MINUTE_MS);
    send(&c, &f);
    apirig_step(&a);
    resp = answer_to(&c);
    OK(batches(resp, HOT) == 1, "hot partitions don't hear of it");
    settle();
    send(&c, &f);
    settle();
    OK(cold_batches(answer_to(&c)) >= 3, "and what isn't refused comes");
    end();
}

/* More of the first partition, sealed and in the tier but still here, with a byte that went wrong in the first
 * batch, at offset 12. */
static void
damage(bool in_tier)
{
    char path[VRV_PATH_MAX];

    put(0, 4);
    vrv_log_roll(log_of(0));
    OK(rig_checkpoint(&a.rig) && rig_checkpoint(&a.rig), "sealed");
    if (in_tier)
        (void)offload(log_of(0), cold);
    apirig_crash(&a, 0);
    apirig_up(&a);
    vrv_seg_path(&log_of(0)->id, 12, "log", path);
    OK(simdisk_corrupt(a.rig.disk, path, 200, 0x10), "the disk lets a bit rot");
}

static const struct vrv_fetch_resp_partition *
fetched_at(int64_t offset)
{
    struct apirig_call c;
    struct fetching f;

    fetching(&f, 0, 1, 0);
    f.part[0].fetch_offset = offset;
    send(&c, &f);
    return part_of(answer_to(&c), 0);
}

static void
test_damaged(void)
{
    for (int in_tier = 0; in_tier < 2; in_tier++) {
        begin();
        damage(in_tier);
        struct vrv_stat *stat = a.b.stat = vrv_stat_new();
        vrv_diag_to(keep_line, NULL, &a.rig.clock.clock);
        simdisk_nowait(a.rig.disk, 100); /* nothing is in the page cache */
        fakecold_thread(cold, true);
        int64_t next = 0;
        IS(vrv_read_cold_next(log_of(0), INT64_MAX, &next, &a.rig.e), 0, "the tier knows what it has");
        const struct vrv_fetch_resp_partition *got = fetched_at(12);
        IS_STR(vrv_kerror_name(got->error_code), in_tier ? "NONE" : "CORRUPT_MESSAGE",
            "where this disk is damaged there is %s", in_tier ? "the tier's copy" : "an error, without another copy");
        OK((got->records.n > 0) == in_tier, "... %d bytes", got->records.n);
        OK(strstr(told, "log.damaged topic=t partition=0 offset=12 error=\"segment 12, byte 0") != NULL, "%s", told);
        OK((strstr(told, "other_copy=none") == NULL) == in_tier, "... which says whether there is another copy");
        IS((int64_t)vrv_stat_counted(stat, VRV_C_damaged_reads), 1, "that is counted once");
        got = fetched_at(14);
        OK(got->records.n > 0 && (size_t)got->records.n % batch == 0, "what lies behind is served");
        IS((int64_t)vrv_stat_counted(stat, VRV_C_damaged_reads), 1, "... by this disk, in whole batches");
        fakecold_thread(cold, false);
        vrv_diag_to(NULL, NULL, NULL);
        a.b.stat = NULL;
        end();
        vrv_stat_free(&stat);
    }
}

/* Its client goes, or the server stops, while the cold tier is asked. */
static void
test_gone(void)
{
    struct apirig_call c;
    struct fetching f;

    begin();
    fakecold_hang(cold, true);
    fetching(&f, 0, 2, MINUTE_MS);
    send(&c, &f);
    settle();
    OK(!c.answered, "a fetch waits for a store that hangs");
    vrv_client_gone(&a.client[0]);
    apirig_step(&a);
    OK(c.answered, "and is over when its client is gone");
    end();
}

static void
test_session(void)
{
    const struct vrv_fetch_resp *resp;
    struct fetching f, next;
    struct apirig_call c;

    begin();
    fakecold_hang(cold, true);
    fetching(&f, 0, PARTS, MINUTE_MS);
    f.q.session_epoch = 0;
    send(&c, &f);
    apirig_step(&a);
    resp = answer_to(&c);
    OK(resp->session_id != 0 && batches(resp, 0) == 0 && batches(resp, HOT) == 1, "a session begins");
    fetching(&next, HOT, 1, MINUTE_MS);
    next.part[0].fetch_offset = 2;
    next.q.session_id = resp->session_id;
    next.q.session_epoch = 1;
    send(&c, &next);
    settle();
    fakecold_hang(cold, false);
    settle();
    OK(c.answered, "what it wants is cold, and comes");
    resp = answer_to(&c);
    OK(cold_batches(resp) > 0 && batches(resp, HOT) == -1,
        "only what is new is told");
    end();
}

/* Readers of committed records hear which transactions were aborted, each once; others don't. */
static void
test_committed(void)
{
    const struct vrv_fetch_resp_partition *p;
    struct apirig_call c;
    struct fetching f;

    begin();
    fakecold_add_aborted(cold, &log_of(0)->id.topic, 0, 9, 1, 11);
    fakecold_add_aborted(cold, &log_of(0)->id.topic, 0, 8, 0, 3);
    fetching(&f, 0, 1, MINUTE_MS);
    f.q.isolation_level = VRV_READ_COMMITTED;
    for (int round = 0; round < 2; round++) { /* the second one finds all in memory */
        send(&c, &f);
        settle();
        const struct vrv_fetch_resp *resp = answer_to(&c);
        p = part_of(resp, 0);
        OK(batches(resp, 0) >= 3 && p->error_code == VRV_K_NONE, "committed records are read: %d batches",
            batches(resp, 0));
        IS(p->last_stable_offset, 12, "... to the last stable offset");
        OK(p->aborted_transactions.n == 2 && p->aborted_transactions.v[0].producer_id == 8 &&
                p->aborted_transactions.v[0].first_offset == 0 &&
                p->aborted_transactions.v[1].producer_id == 9 &&
                p->aborted_transactions.v[1].first_offset == 1,
            "... with the transactions that were aborted, each once");
    }
    fetching(&f, 1, 1, MINUTE_MS);
    f.q.isolation_level = VRV_READ_COMMITTED;
    send(&c, &f);
    settle();
    p = part_of(answer_to(&c), 1);
    OK(p->records.n > 0 && p->aborted_transactions.v != NULL && p->aborted_transactions.n == 0,
        "where there are none: none");
    fetching(&f, 0, 1, MINUTE_MS);
    f.part[0].fetch_offset = 4;
    f.part[0].partition_max_bytes = 1;
    f.q.isolation_level = VRV_READ_COMMITTED;
    send(&c, &f);
    settle();
    p = part_of(answer_to(&c), 0);
    OK(p->aborted_transactions.n == 1 && p->aborted_transactions.v[0].producer_id == 9,
        "those that end before what is read aren't told");
    f.q.isolation_level = 0;
    send(&c, &f);
    settle();
    OK(part_of(answer_to(&c), 0)->aborted_transactions.v == NULL, "nor does who reads all hear of any");
    end();
}

/* A quota of one batch in a second: what is cold waits, and nothing else does. */
static void
test_quota(void)
{
    const struct vrv_fetch_resp *resp;
    struct vrv_cold_quotas q;
    struct apirig_call c;
    struct fetching f;
    char quota[40];

    begin();
    vrv_cold_quotas_init(&q, &a.rig.clock.clock);
    (void)snprintf(quota, sizeof(quota), "*:%zu", batch);
    vrv_cold_quotas_set(&q, quota, "");
    a.b.cold_quotas = &q;
    fetching(&f, 0, 1, 0);
    send(&c, &f);
    settle();
    resp = answer_to(&c);
    IS(batches(resp, 0), 3, "a client has its first batches, more than a second's worth,");
    IS(resp->throttle_time_ms, 0, "... and isn't told of anything");
    unsigned loads = fakecold_loads(cold);
    send(&c, &f);
    settle();
    OK(!c.answered, "its next fetch waits,");
    pass(COLD_MS);
    resp = answer_to(&c);
    OK(batches(resp, 0) == 0 && part_of(resp, 0)->error_code == VRV_K_NONE, "... is answered with nothing,");
    IS(part_of(resp, 0)->high_watermark, 12, "... but offsets,");
    IS(resp->throttle_time_ms, 1000, "... and told to wait");
    IS(fakecold_loads(cold), loads, "the store isn't asked");
    fetching(&f, 0, PARTS, MINUTE_MS);
    send(&c, &f);
    apirig_step(&a);
    resp = answer_to(&c);
    OK(batches(resp, HOT) == 1 && batches(resp, 0) == 0, "what is hot comes at once");
    IS(resp->throttle_time_ms, 0, "... and goes on coming");
    pass(2000 - COLD_MS - 100);
    fetching(&f, 0, 1, MINUTE_MS);
    send(&c, &f);
    settle();
    OK(!c.answered, "some moments are left");
    pass(99);
    OK(!c.answered, "... until the last");
    pass(2);
    settle();
    IS(batches(answer_to(&c), 0), 3, "then the fetch that waits is read");
    a.b.cold_quotas = NULL;
    vrv_cold_quotas_fini(&q);
    end();
}

/* ---- ListOffsets ---- */

enum { V_LIST = 11, LATEST = -1, EARLIEST = -2, MAX_TIME = -3, EARLIEST_LOCAL = -4, LATEST_TIERED = -5,
    EARLIEST_PENDING = -6 };

static void
look_up(struct apirig_call *c, int32_t partition, int64_t ts, int32_t timeout_ms)
{
    struct vrv_list_offsets_req_partition part;
    struct vrv_list_offsets_req_topic t;
    struct vrv_list_offsets_req q;

    VRV_WIRE_INIT(list_offsets_req, &q);
    VRV_WIRE_INIT(list_offsets_req_topic, &t);
    VRV_WIRE_INIT(list_offsets_req_partition, &part);
    part.partition_index = partition;
    part.timestamp = ts;
    t.name = vrv_str("t");
    t.partitions.v = &part;
    t.partitions.n = q.topics.n = 1;
    q.topics.v = &t;
    q.timeout_ms = timeout_ms;
    APIRIG_SEND(&a, c, list_offsets, V_LIST, &q);
}

static const struct vrv_list_offsets_resp_partition *
looked_up(int32_t partition, int64_t ts, int32_t timeout_ms)
{
    struct apirig_call c;

    look_up(&c, partition, ts, timeout_ms);
    const struct vrv_list_offsets_resp *resp = apirig_answer(&a, &c);
    apirig_forget(&a, &c);
    return &resp->topics.v[0].partitions.v[0];
}

static int64_t
offset_at(int32_t partition, int64_t ts)
{
    const struct vrv_list_offsets_resp_partition *p = looked_up(partition, ts, 0);

    return p->error_code == VRV_K_NONE ? p->offset : -1000 - p->error_code;
}

static void
test_list_offsets(void)
{
    begin();
    IS(rig_alter(&a.rig, "t", "remote.storage.enable=true"), 0, "a tiered topic %s", a.rig.e.msg);
    fakecold_thread(cold, true);
    IS(offset_at(0, EARLIEST), 0, "the earliest record is in the cold tier");
    IS(offset_at(0, EARLIEST_LOCAL), 12, "the earliest local one isn't");
    IS(offset_at(0, LATEST_TIERED), 11, "the latest tiered one is the last that is cold");
    IS(offset_at(0, EARLIEST_PENDING), 12, "what waits to be tiered begins behind it");
    IS(offset_at(0, LATEST), 12, "the end");
    IS(offset_at(HOT, LATEST_TIERED), -1, "where nothing is tiered there is no latest");
    IS(offset_at(HOT, EARLIEST_PENDING), 0, "... and all waits for it");
    unsigned loads = fakecold_loads(cold);
    IS(offset_at(1, 1000), 0, "a time is found there");
    IS(fakecold_loads(cold) - loads, 1, "... with one read of the store");
    IS(offset_at(1, 5000), -1, "a later one isn't");
    IS(offset_at(2, MAX_TIME), 0, "the newest record is");
    OK(fakecold_loads(cold) - loads <= 2, "... with one read");
    IS_ERR(looked_up(0, -7, 0)->error_code, UNSUPPORTED_VERSION, "what has no meaning");
    fakecold_thread(cold, false);
    end();
}

/* One request may ask for many partitions: none waits for what another one's object takes. */
static void
test_list_offsets_at_once(void)
{
    struct vrv_list_offsets_req_partition part[PARTS];
    struct vrv_list_offsets_req_topic t;
    struct vrv_list_offsets_req q;
    struct apirig_call c;
    struct vrv_err e;

    begin();
    VRV_ASSERT(vrv_pool_start(&a.b.cold, "cold", PARTS, &e) == 0);
    VRV_WIRE_INIT(list_offsets_req, &q);
    VRV_WIRE_INIT(list_offsets_req_topic, &t);
    for (int32_t i = 0; i < PARTS; i++) {
        VRV_WIRE_INIT(list_offsets_req_partition, &part[i]);
        part[i].partition_index = i % HOT; /* the first one twice */
        part[i].timestamp = 1000;
    }
    t.name = vrv_str("t");
    t.partitions.v = part;
    t.partitions.n = PARTS;
    q.topics.v = &t;
    q.topics.n = 1;
    unsigned loads = fakecold_loads(cold);
    fakecold_hang(cold, true);
    APIRIG_SEND(&a, &c, list_offsets, V_LIST, &q);
    for (int i = 0; i < 10000 && fakecold_loads(cold) - loads < HOT - 1; i++) {
        struct vrv_done *d = vrv_cq_take(&a.cq, 1);

        if (d != NULL)
            d->run(d);
    }
    IS(fakecold_loads(cold) - loads, HOT - 1, "all partitions of a request are looked for at the same time");
    fakecold_hang(cold, false);
    fakecold_thread(cold, true);
    const struct vrv_list_offsets_resp *resp = apirig_answer(&a, &c);
    const struct vrv_list_offsets_resp_partition *p = resp->topics.v[0].partitions.v;
    OK(p[1].offset == 0 && p[2].offset == 0 && p[1].error_code == 0 && p[2].error_code == 0, "... and found");
    IS_ERR(p[0].error_code, INVALID_REQUEST, "what is named twice is refused");
    IS_ERR(p[HOT].error_code, INVALID_REQUEST, "... both times");
    apirig_forget(&a, &c);
    fakecold_thread(cold, false);
    vrv_pool_stop(&a.b.cold);
    a.b.cold = a.b.pool;
    end();
}

static void
test_list_offsets_fails(void)
{
    static const struct {
        int code;
        const char *name;
    } all[] = { { VRV_E_DENIED, "KAFKA_STORAGE_ERROR" }, { VRV_E_UNREACHABLE, "KAFKA_STORAGE_ERROR" },
        { VRV_E_TIMEDOUT, "REQUEST_TIMED_OUT" }, { VRV_E_NOTFOUND, "KAFKA_STORAGE_ERROR" },
        { VRV_E_INVALID, "KAFKA_STORAGE_ERROR" }, { VRV_E_VERSION, "KAFKA_STORAGE_ERROR" },
        { VRV_E_CORRUPT, "CORRUPT_MESSAGE" } };

    begin();
    struct vrv_stat *stat = a.b.stat = vrv_stat_new();
    vrv_diag_to(keep_line, NULL, &a.rig.clock.clock);
    fakecold_thread(cold, true);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        fakecold_fail(cold, all[i].code);
        IS_STR(vrv_kerror_name(looked_up(0, 1000, 0)->error_code), all[i].name,
            "a look-up where the store says: %s", vrv_err_text(all[i].code));
        OK(strstr(told, "cold.read topic=t partition=0 timestamp=1000 error=") != NULL ||
                all[i].code == VRV_E_TIMEDOUT, "... %s", told);
        told[0] = '\0';
    }
    IS((int64_t)vrv_stat_counted(stat, VRV_C_cold_lookup_expired), 1, "what had no answer in time is counted");
    IS(offset_at(0, 1000), 0, "and when it is well");
    fakecold_thread(cold, false);
    vrv_diag_to(NULL, NULL, NULL);
    a.b.stat = NULL;
    end();
    vrv_stat_free(&stat);
}

/* The pool's turn comes when it does: until it has, or for so long that it never will. */
static bool
comes(bool (*has)(const void *ctx), const void *ctx)
{
    struct vrv_clock *clock = vrv_clock_real();
    int64_t until = clock->mono_ns(clock) + INT64_C(20000000000);

    while (!has(ctx) && clock->mono_ns(clock) < until) {
        (void)vrv_engine_expire_step(a.rig.eng);
        apirig_step(&a);
        (void)sched_yield();
    }
    return has(ctx);
}

static bool
has_asked(const void *loads)
{
    return fakecold_loads(cold) > *(const unsigned *)loads;
}

static bool
is_answered(const void *c)
{
    return ((const struct apirig_call *)c)->answered;
}

/* However long a client says that it waits: who waits holds a thread. */
static void
test_list_offsets_ends(void)
{
    static const int32_t timeouts[] = { 1000, INT32_MAX };

    for (int i = 0; i < 2; i++) {
        struct apirig_call c;

        begin();
        fakecold_hang(cold, true);
        unsigned loads = fakecold_loads(cold);
        look_up(&c, 0, 1000, timeouts[i]);
        apirig_step(&a);
        OK(comes(has_asked, &loads), "a look-up asks a cold tier that never answers, for %d ms", timeouts[i]);
        simclock_advance_ms(&a.rig.clock, i == 0 ? 900 : 5 * MINUTE_MS - 1000);
        (void)vrv_engine_expire_step(a.rig.eng);
        apirig_step(&a);
        OK(!c.answered, "... which it waits for");
        simclock_advance_ms(&a.rig.clock, 2000);
        OK(comes(is_answered, &c), "... %s", i == 0 ? "that long" : "five minutes at most");
        bool stuck = !c.answered;
        if (stuck) {
            fakecold_hang(cold, false);
            fakecold_thread(cold, true);
        }
        const struct vrv_list_offsets_resp *resp = apirig_answer(&a, &c);
        IS_ERR(resp->topics.v[0].partitions.v[0].error_code, REQUEST_TIMED_OUT, "... and is told so");
        apirig_forget(&a, &c);
        if (stuck)
            fakecold_thread(cold, false);
        end();
    }
}

int
main(void)
{
    test_list_offsets_ends();
    test_list_offsets();
    test_list_offsets_at_once();
    test_list_offsets_fails();
    test_hot_goes_on();
    test_cold_only();
    test_min_bytes();
    test_both_at_once();
    test_limits();
    test_errors();
    test_damaged();
    test_gone();
    test_session();
    test_committed();
    test_quota();
    return tap_done();
}
