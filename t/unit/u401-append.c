/* Appends: what is refused and why, what is all or nothing, who is told what. */
#include "t/lib/rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/batch/build.h"
#include "engine/reader/reader.h"
#include "t/lib/tap.h"

static struct rig rig;

static void
begin(const char *configs)
{
    rig_init(&rig, 1);
    rig_up(&rig);
    rig_topic(&rig, "t", 4, configs);
}

static struct vrv_log *
part(int32_t p)
{
    return rig_log(&rig, "t", p);
}

/* ---- refusals ---- */

/* Whose answer doesn't matter; it may come when the function that asked is over. */
static struct rig_call spare[16];
static int spares;

static struct rig_call *
spare_call(void)
{
    struct rig_call *c = &spare[spares++ % 16];

    *c = (struct rig_call){ .t.done.cq = &rig.cq };
    return c;
}

/* Append the batch after a change of its bytes. */
static int
append_bent(void (*bend)(struct vrv_append *a), int32_t leader_epoch)
{
    struct vrv_append a;

    rig_part(&rig, &a, part(0), &(struct rig_batch){ .value = "value" });
    if (bend != NULL)
        bend(&a);
    a.leader_epoch = leader_epoch;
    rig.e = (struct vrv_err){ 0 };
    int rc = vrv_log_append(&a, 1, &spare_call()->t, NULL, &rig.e);
    rig_part_fini(&a);
    return rc;
}

static void
bend_magic(struct vrv_append *a)
{
    a->bytes[16] = 1;
}

static void
bend_crc(struct vrv_append *a)
{
    a->bytes[a->n - 1] ^= 1;
}

static void
renew_crc(struct vrv_append *a)
{
    vrv_put_be32(a->bytes + 17, vrv_crc32c(0, a->bytes + 21, a->n - 21));
}

static void
bend_codec(struct vrv_append *a)
{
    a->bytes[22] |= 7;
    renew_crc(a);
}

/* The first of a producer. */
static void
bend_transactional(struct vrv_append *a)
{
    a->bytes[22] |= VRV_ATTR_TRANSACTIONAL;
    vrv_put_be64(a->bytes + 43, 7);
    vrv_put_be16(a->bytes + 51, 0);
    vrv_put_be32(a->bytes + 53, 0);
    renew_crc(a);
}

static void
bend_length(struct vrv_append *a)
{
    a->n--;
}

static void
refused(int rc, int code, const char *why, const char *what)
{
    IS(rc, code, "refused: %s", what);
    IS_STR(rig.e.msg, why, "... and the sentence says why");
}

static int
append(const struct rig_batch *b)
{
    return rig_append(&rig, part(0), b, spare_call());
}

static int
append_from(int16_t epoch, int32_t seq)
{
    return append(&(struct rig_batch){ .value = "p", .producer = true, .producer_id = 7,
        .producer_epoch = epoch, .seq = seq });
}

static void
test_refused(void)
{
    begin("max.message.bytes=4000 segment.bytes=3000");
    refused(append_bent(bend_magic, -1), VRV_E_BATCH, "magic is 1, expected 2", "another format");
    IS(append_bent(bend_crc, -1), VRV_E_BATCH_DAMAGED, "refused: a wrong checksum");
    OK(strstr(rig.e.msg, "crc") != NULL || strstr(rig.e.msg, "checksum") != NULL, "... says: %s",
        rig.e.msg);
    refused(append_bent(bend_codec, -1), VRV_E_CODEC, "codec is 7, expected 0 to 4",
        "an unknown codec");
    refused(append_bent(bend_transactional, -1), VRV_E_BATCH,
        "attributes are 0x10, and nobody could end a transaction: there are none yet", "a batch of a transaction");
    IS(append_bent(bend_length, -1), VRV_E_BATCH, "refused: fewer bytes than it says");
    IS(append(&(struct rig_batch){ .size = 4000 }), VRV_E_TOO_LARGE, "refused: too large");
    OK(strstr(rig.e.msg, "4000") != NULL, "... names the limit: %s", rig.e.msg);
    IS(append(&(struct rig_batch){ .size = 3500 }), VRV_E_SEGMENT,
        "refused: larger than a segment");
    OK(strstr(rig.e.msg, "a segment of this topic at most 3000") != NULL, "... names that: %s",
        rig.e.msg);
    vrv_log_set_epoch(part(0), 5);
    refused(append_bent(NULL, 4), VRV_E_EPOCH_OLD,
        "the request says leader epoch 4, the partition has 5", "from an older leader epoch");
    refused(append_bent(NULL, 6), VRV_E_EPOCH_NEW,
        "the request says leader epoch 6, the partition has 5", "from a newer leader epoch");
    IS(append_bent(NULL, 5), 0, "the right epoch is fine");
    IS(append_from(1, 0), 0, "a producer begins");
    IS(append_from(0, 1), VRV_E_PRODUCER, "refused: an older epoch of the producer (%s)",
        rig.e.msg);
    IS(append_from(1, 2), VRV_E_SEQUENCE, "refused: a gap in its sequence (%s)", rig.e.msg);
    rig_commit(&rig);
    IS(vrv_log_offsets(part(0)).end, 2, "no refusal took an offset");
    rig_fini(&rig);
}

/* The WAL is full until a checkpoint. */
static void
test_wal_full(void)
{
    struct rig_batch b = { .size = 20000 };
    int64_t n = 0, rc;

    begin(NULL);
    while ((rc = rig_put_batch(&rig, part(0), &b)) >= 0 && n < 1000)
        n++;
    refused((int)rc, VRV_E_AGAIN, "the write-ahead log is full until the next checkpoint",
        "no room in the WAL");
    OK(n >= 20, "%d batches found room before", (int)n);
    OK(rig_checkpoint(&rig), "a checkpoint");
    IS(rig_put_batch(&rig, part(0), &b), n, "then appends go on, with the next offset");
    IS(append(&(struct rig_batch){ .size = 900000 }), VRV_E_TOO_LARGE,
        "refused: larger than any group of the WAL (%s)", rig.e.msg);
    rig_fini(&rig);
}

/* ---- all or nothing ---- */

static int
append_many(struct vrv_append *a, size_t n, struct rig_call *c, size_t *failed)
{
    *c = (struct rig_call){ .t.done.cq = &rig.cq };
    rig.e = (struct vrv_err){ 0 };
    int rc = vrv_log_append(a, n, &c->t, failed, &rig.e);
    for (size_t i = 0; i < n; i++)
        rig_part_fini(&a[i]);
    return rc;
}

static void
test_atomic(void)
{
    struct vrv_append a[3];
    struct rig_call c;
    size_t failed = 99;

    begin(NULL);
    (void)rig_put(&rig, part(1), "before");
    for (int i = 0; i < 3; i++)
        rig_part(&rig, &a[i], part(i), &(struct rig_batch){ .value = "all" });
    IS(append_many(a, 3, &c, &failed), 0, "one append to three partitions");
    OK(a[0].base_offset == 0 && a[1].base_offset == 1 && a[2].base_offset == 0,
        "each part has its offset");
    IS(vrv_log_offsets(part(0)).hw, 0, "none of it is visible before the commit");
    rig_commit(&rig);
    OK(c.posted == 1 && c.t.status == 0 && c.t.base_offset == 0, "it is answered once");
    for (int i = 0; i < 3; i++)
        rig_part(&rig, &a[i], part(i), &(struct rig_batch){ .value = "not" });
    bend_crc(&a[1]);
    IS(append_many(a, 3, &c, &failed), VRV_E_BATCH_DAMAGED, "one part fails its checksum:");
    IS(failed, 1, "... it is named,");
    for (int i = 0; i < 3; i++)
        rig_part(&rig, &a[i], part(i), &(struct rig_batch){ .value = "not" });
    a[2].leader_epoch = 9;
    IS(append_many(a, 3, &c, &failed), VRV_E_EPOCH_NEW, "or comes from another epoch:");
    IS(failed, 2, "... it is named,");
    for (int i = 0; i < 2; i++)
        rig_part(&rig, &a[i], part(0), &(struct rig_batch){ .value = "not" });
    refused(append_many(a, 2, &c, &failed), VRV_E_INVALID, "one append names a partition twice",
        "the same partition twice");
    rig_commit(&rig);
    (void)rig_reads(&rig, part(0), 0, "0:all ", "... and nothing of any part is appended");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    (void)rig_reads(&rig, part(1), 0, "0:before 1:all ", "after a crash all parts are there: 1");
    (void)rig_reads(&rig, part(2), 0, "0:all ", "2");
    rig_fini(&rig);
}

/* ---- offsets and what may be read ---- */

static void
test_offsets(void)
{
    struct rig_call c[3];

    begin(NULL);
    struct vrv_log *log = part(0);
    for (int i = 0; i < 3; i++)
        IS(rig_append(&rig, log, &(struct rig_batch){ .value = "r", .records = i + 1 }, &c[i]), 0,
            "append %d", i);
    struct vrv_log_offsets o = vrv_log_offsets(log);
    OK(o.start == 0 && o.hw == 0 && o.end == 6, "appended, not committed: end moves, hw doesn't");
    (void)rig_reads(&rig, log, 0, "", "nothing beyond hw is read");
    (void)rig_reads(&rig, log, 6, "", "reading at the end finds nothing");
    (void)rig_reads(&rig, log, 7, "!-5", "reading beyond the end is out of range");
    rig_commit(&rig);
    o = vrv_log_offsets(log);
    OK(o.start == 0 && o.hw == 6 && o.end == 6, "committed: hw follows");
    (void)rig_reads(&rig, log, 1, "1:r 2:r 3:r 4:r 5:r ", "a read begins within a batch");
    bool once = true;
    for (int i = 0; i < 3; i++)
        once &= c[i].posted == 1 && c[i].t.status == 0;
    OK(once, "each append is answered once");
    OK(c[2].t.base_offset == 3 && c[2].t.last_offset == 5, "with its first and last offset");
    OK(c[2].t.append_ms == -1, "and no time, as the topic has CreateTime");
    struct vrv_read rd = { .offset = 0, .max_bytes = 10 };
    OK(vrv_read(log, &rd, &rig.e) == 0 && rd.slice_n == 0,
        "a batch larger than asked for: nothing");
    rd.whole_first = true;
    OK(vrv_read(log, &rd, &rig.e) == 0 && rd.slice_n == 1, "... unless the first one comes whole");
    vrv_read_fini(&rd);
    rig_fini(&rig);
}

/* ---- producers ---- */

static void
test_duplicates(void)
{
    struct rig_batch b = { .value = "once", .records = 2, .producer = true, .producer_id = 7 };
    struct rig_call c[2], later;

    begin(NULL);
    struct vrv_log *log = part(0);
    (void)rig_put(&rig, log, "other");
    IS(rig_append(&rig, log, &b, &c[0]), 0, "a producer's batch,");
    IS(rig_append(&rig, log, &b, &c[1]), 0, "... sent again before the answer");
    IS(rig_take(&rig), 0, "neither is answered before the original is committed");
    rig_commit(&rig);
    OK(c[0].posted == 1 && c[1].posted == 1, "then both are, once");
    IS(c[1].t.base_offset, 1, "the repetition gets the original's offset");
    IS(c[1].t.last_offset, 2, "... and its last one");
    (void)rig_reads(&rig, log, 0, "0:other 1:once 2:once ", "it is stored once");
    IS(rig_append(&rig, log, &b, &later), 0, "sent once more, with nothing else to commit:");
    rig_commit(&rig);
    OK(later.posted == 1 && later.t.base_offset == 1, "answered, too");
    OK(rig_checkpoint(&rig), "a checkpoint");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(rig_put_batch(&rig, part(0), &b), 1, "and recognised after a crash");
    b.seq = 2;
    IS(rig_put_batch(&rig, part(0), &b), 3, "the next batch follows");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(rig_put_batch(&rig, part(0), &b), 3, "which is recognised from the WAL");
    rig_fini(&rig);
}

static uint64_t
known(void)
{
    return atomic_load(&vrv_engine_env(rig.eng)->producers);
}

static void
test_expiry(void)
{
    struct rig_batch b = { .value = "p", .producer = true, .producer_id = 7 };
    struct rig_batch other = { .value = "q", .producer = true, .producer_id = 8, .seq = 5 };

    rig_init(&rig, 1);
    rig.o.producer_expiry_ms = 60000;
    rig_up(&rig);
    rig_topic(&rig, "t", 4, NULL);
    IS(rig_put_batch(&rig, part(0), &b), 0, "a producer's batch");
    OK(rig_checkpoint(&rig), "a checkpoint remembers it");
    rig_pass(&rig, 59000);
    IS(rig_put_batch(&rig, part(0), &other), 1, "another one's, much later");
    IS(rig_put_batch(&rig, part(0), &b), 0, "the first, sent again before it expires");
    rig_pass(&rig, 61000);
    IS(known(), 0, "both expire");
    IS(rig_put_batch(&rig, part(0), &b), 2, "then it is new");
    b.seq = 3;
    IS(rig_put_batch(&rig, part(0), &b), VRV_E_SEQUENCE, "... and a gap is one again");
    b.seq = 1;
    IS(rig_put_batch(&rig, part(0), &b), 3, "... what follows isn't");
    other.seq = 9;
    IS(rig_put_batch(&rig, part(0), &other), 4, "an expired producer may go on anywhere");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(known(), 2, "after a crash both are known,");
    IS(rig_put_batch(&rig, part(0), &b), 3, "... the first as it began anew");
    other.seq = 10;
    IS(rig_put_batch(&rig, part(0), &other), 5, "... the other with where it went on");
    rig_fini(&rig);
}

/* One id per batch is what a client that is made anew for each record does. */
static void
test_producer_storm(void)
{
    struct rig_batch b = { .value = "p", .producer = true };
    const int ids = 2 * VRV_LOG_PRODUCERS_MAX;
    int refused = 0;

    begin(NULL);
    for (int i = 0; i < ids; i++) {
        b.producer_id = i * INT64_C(7919) % 100003;
        for (b.seq = 0; b.seq < VRV_PRODUCER_BATCHES; b.seq++)
            refused += rig_put_batch(&rig, part(0), &b) < 0 &&
                (!rig_checkpoint(&rig) || rig_put_batch(&rig, part(0), &b) < 0);
    }
    IS(refused, 0, "a storm of producers is let in");
    OK(known() <= VRV_LOG_PRODUCERS_MAX && known() > VRV_LOG_PRODUCERS_MAX / 2,
        "and not all are remembered");
    OK(rig_checkpoint(&rig), "a checkpoint holds those that are");
    b.seq = VRV_PRODUCER_BATCHES - 1;
    IS(rig_put_batch(&rig, part(0), &b), ids * VRV_PRODUCER_BATCHES - 1, "the newest is known");
    uint64_t before = known();
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(known(), before, "as many are known after a crash");
    IS(rig_put_batch(&rig, part(0), &b), ids * VRV_PRODUCER_BATCHES - 1, "... also the newest");
    rig_fini(&rig);
}

static void
test_producers_of_all(void)
{
    struct rig_batch b = { .value = "p", .producer = true };

    rig_init(&rig, 1);
    rig.o.producers_max = 20;
    rig_up(&rig);
    rig_topic(&rig, "t", 4, NULL);
    for (b.producer_id = 0; b.producer_id < 100; b.producer_id++)
        (void)rig_put_batch(&rig, part(0), &b);
    OK(known() <= 20, "all partitions together have a limit");
    for (int32_t p = 1; p < 4; p++)
        for (b.producer_id = 0; b.producer_id < 8; b.producer_id++)
            (void)rig_put_batch(&rig, part(p), &b);
    OK(known() <= 20 + 3 * VRV_LOG_PRODUCERS_MIN, "a few more each when others have taken it");
    b.producer_id = 7;
    IS(rig_put_batch(&rig, part(3), &b), 7, "the newest of each are known");
    b.producer_id = 3;
    IS(rig_put_batch(&rig, part(3), &b), 3, "... %d of them", VRV_LOG_PRODUCERS_MIN);
    b.producer_id = 2;
    IS(rig_put_batch(&rig, part(3), &b), 8, "the one before is not");
    rig_fini(&rig);
}

/* ---- time ---- */

static void
test_log_append_time(void)
{
    struct rig_batch b = { .value = "v", .ts = 5, .producer = true, .producer_id = 1 };
    struct rig_call c;
    struct vrv_read_found at;
    int64_t now;

    begin("message.timestamp.type=LogAppendTime message.timestamp.before.max.ms=1000");
    now = rig.clock.clock.wall_ms(&rig.clock.clock);
    IS(rig_append(&rig, part(0), &b, &c), 0, "LogAppendTime: a client's time doesn't matter");
    rig_commit(&rig);
    IS(c.t.append_ms, now, "the answer says the time of the append");
    rig_pass(&rig, 5000);
    IS(rig_append(&rig, part(0), &b, &c), 0, "a repetition, later,");
    rig_commit(&rig);
    IS(c.t.append_ms, now, "... says the original's time");
    IS(vrv_read_time(part(0), now - 1, INT64_MAX, &at, &rig.e), 0, "looked up by time");
    OK(at.offset == 0 && at.timestamp == now, "... it is found at the time of its append");
    (void)rig_reads(&rig, part(0), 0, "0:v ", "the batch's checksum is right");
    rig_fini(&rig);
}

static void
test_timestamp_limits(void)
{
    int64_t now = (int64_t)RIG_WALL_MS * 1000;

    begin("message.timestamp.before.max.ms=1000 message.timestamp.after.max.ms=500");
    IS(append(&(struct rig_batch){ .value = "v", .ts = now - 1000 }), 0, "just old enough");
    IS(append(&(struct rig_batch){ .value = "v", .ts = now + 500 }), 0, "just new enough");
    IS(append(&(struct rig_batch){ .value = "v", .ts = now - 1001 }), VRV_E_TIMESTAMP,
        "too old (%s)", rig.e.msg);
    IS(append(&(struct rig_batch){ .value = "v", .ts = now + 501 }), VRV_E_TIMESTAMP,
        "too new (%s)", rig.e.msg);
    IS(append(&(struct rig_batch){ .value = "v", .ts = -1 }), 0, "without a time: exempt");
    rig_commit(&rig);
    rig_topic(&rig, "plain", 1, NULL);
    const int64_t hour = 3600000, ages[] = { hour, hour + 1, 0 };
    for (int i = 0; i < 3; i++)
        IS(rig_append(&rig, rig_log(&rig, "plain", 0),
               &(struct rig_batch){ .value = "v", .ts = ages[i] > 0 ? now + ages[i] : 1 },
               spare_call()),
            ages[i] > hour ? VRV_E_TIMESTAMP : 0, "by default up to an hour ahead, and any age");
    rig_commit(&rig);
    rig_topic(&rig, "far", 1, "message.timestamp.after.max.ms=9223372036854775806");
    IS(rig_put_batch(&rig, rig_log(&rig, "far", 0),
           &(struct rig_batch){ .value = "v", .ts = now * 1000 }),
        0, "the largest limit allows the far future");
    rig_fini(&rig);
}

/* ---- strict ---- */

/* Two records whose second has a wrong offset delta: the header is right, the records aren't. */
static void
bend_delta(struct vrv_append *a)
{
    /* Both records have the same bytes but for the delta: length, attributes, time, then it. */
    a->bytes[VRV_BATCH_HEADER + (a->n - VRV_BATCH_HEADER) / 2 + 3] = 8;
    uint32_t crc = vrv_crc32c(0, a->bytes + 21, a->n - 21);
    for (int i = 0; i < 4; i++)
        a->bytes[17 + i] = (uint8_t)(crc >> (24 - 8 * i));
}

static int
append_pair(const char *topic, struct vrv_append *a)
{
    rig_part(&rig, a, rig_log(&rig, topic, 0), &(struct rig_batch){ .value = "v", .records = 2 });
    bend_delta(a);
    int rc = vrv_log_append(a, 1, &spare_call()->t, NULL, &rig.e);
    rig_part_fini(a);
    return rc;
}

static void
test_strict(void)
{
    struct vrv_append a;

    begin("validation=records");
    IS(append_pair("t", &a), VRV_E_BATCH, "validation=records looks at every record (%s)",
        rig.e.msg);
    rig_fini(&rig);
}

/* ---- compression.type ---- */

static int
append_packed(const struct rig_batch *b, bool may_repack)
{
    struct vrv_append a;
    struct rig_call *c = spare_call();

    rig_part(&rig, &a, part(0), b);
    a.may_repack = may_repack;
    int rc = vrv_log_append(&a, 1, &c->t, NULL, &rig.e);
    rig_part_fini(&a);
    rig_commit(&rig);
    return rc;
}

static void
test_compression(void)
{
    struct rig_batch plain = { .value = "vvvvvvvvvvvvvvvvvvvvvvvv", .records = 50 };
    struct rig_batch zstd = { .value = "w", .codec = VRV_CODEC_ZSTD };
    struct rig_batch large = { .size = 100000, .codec = VRV_CODEC_GZIP };

    begin("compression.type=zstd");
    IS(append_packed(&plain, false), VRV_E_SLOW, "packing again is told before it is done");
    IS(vrv_log_offsets(part(0)).end, 0, "and nothing is appended");
    IS(append_packed(&zstd, false), 0, "not for what comes as it is to be");
    IS(append_packed(&plain, true), 0, "who has time for that appends");
    IS(rig_count(&rig, part(0), 0), 51, "and all can be read");
    OK(vrv_log_traffic(part(0)).bytes < 500, "and is small");
    rig_fini(&rig);
    begin("compression.type=uncompressed max.message.bytes=5000");
    IS(append_packed(&large, true), VRV_E_TOO_LARGE, "the size that it has then counts (%s)",
        rig.e.msg);
    rig_fini(&rig);
}

static void
test_keys(void)
{
    begin("cleanup.policy=compact");
    OK(!vrv_log_deletes(part(0)), "what is only compacted isn't deleted for its age");
    rig_fini(&rig);
    begin("cleanup.policy=compact,delete");
    OK(vrv_log_deletes(part(0)), "but this is");
    IS(append(&(struct rig_batch){ .value = "v" }), VRV_E_BATCH,
        "a compacted topic takes no record without a key (%s)", rig.e.msg);
    rig_fini(&rig);
    begin("cleanup.policy=delete");
    IS(append(&(struct rig_batch){ .value = "v" }), 0, "others do");
    rig_fini(&rig);
}

int
main(void)
{
    test_refused();
    test_wal_full();
    test_atomic();
    test_offsets();
    test_duplicates();
    test_expiry();
    test_producer_storm();
    test_producers_of_all();
    test_log_append_time();
    test_timestamp_limits();
    test_strict();
    test_compression();
    test_keys();
    return tap_done();
}
