/*
 * Makes a data directory whose segments Kafka's own tool is to read, and says what is in it.
 *
 *   mkkafka DIR
 *
 * On standard output, with tabs between: "log", topic, its directory below DIR; then, in order,
 * "batch", topic, base and last offset, count, base sequence, producer id and epoch, codec,
 * CreateTime or LogAppendTime, max timestamp; and behind each its records: "record", topic, offset,
 * timestamp, key, value, header key ("-" for none).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/batch/build.h"
#include "engine/engine.h"
#include "engine/tail/fill.h"

enum { CODECS = VRV_CODEC_ZSTD + 1, BATCHES = 60, RECORDS_MAX = 6, VALUE_MAX = 400 };

static const char *const codec_name[CODECS] = { "none", "gzip", "snappy", "lz4", "zstd" };
static const int64_t first_ms = 1700000000000;

static struct vrv_engine *eng;
static struct vrv_fill fill;
static struct vrv_cq cq;
static int64_t now_ms;

static void
need(int rc, const struct vrv_err *e)
{
    if (rc < 0) {
        (void)fprintf(stderr, "mkkafka: %s\n", e->msg);
        exit(1);
    }
}

static int64_t
wall_ms(struct vrv_clock *c)
{
    (void)c;
    return now_ms;
}

static int64_t
mono_ns(struct vrv_clock *c)
{
    (void)c;
    return 1;
}

static struct vrv_clock hand = { wall_ms, mono_ns };

struct topic {
    const char *name;
    struct vrv_uuid id;
    int codec;           /* -1: all in turn */
    bool producer;       /* idempotent */
    bool stamped;        /* LogAppendTime */
    int32_t seq;
    int n;               /* batches so far */
};

/* Long enough to be worth packing, and without a tab or newline in it. */
static void
make_value(char *out, int batch, int record)
{
    int n = snprintf(out, VALUE_MAX, "%d/%d ", batch, record);
    int want = 20 + (batch * 37 + record * 101) % (VALUE_MAX - 60);

    for (; n < want; n++)
        out[n] = (char)('a' + (n * n + batch) % 26);
    out[n] = '\0';
}

static int64_t
record_ms(const struct topic *t, int record)
{
    return first_ms + t->n * 1000 + (record * 7) % 5;
}

static void
build(const struct topic *t, struct vrv_batch_builder *b, int count)
{
    for (int i = 0; i < count; i++) {
        char key[32], value[VALUE_MAX];
        struct vrv_build_header h = { "origin", "x", 1 };

        (void)snprintf(key, sizeof(key), "key-%d-%d", t->n, i);
        make_value(value, t->n, i);
        vrv_batch_builder_add(b, record_ms(t, i), i % 2 ? key : NULL,
            i % 2 ? (int32_t)strlen(key) : -1, value, (int32_t)strlen(value), &h, i == 2);
    }
    if (t->producer) {
        b->producer_id = 4711;
        b->producer_epoch = 3;
        b->base_seq = t->seq;
    }
}

/* What Kafka's tool has to say about it. */
static void
tell(const struct topic *t, const struct vrv_append *a)
{
    struct vrv_batch b;
    struct vrv_err e;

    need(vrv_batch_read(&b, a->bytes, a->n, &e), &e);
    (void)printf("batch\t%s\t%" PRId64 "\t%" PRId64 "\t%" PRId32 "\t%" PRId32 "\t%" PRId64
                 "\t%d\t%s\t%s\t%" PRId64 "\n", t->name, a->base_offset, vrv_batch_last_offset(&b),
        b.count, b.base_seq, b.producer_id, b.producer_epoch, codec_name[b.attrs & VRV_ATTR_CODEC],
        t->stamped ? "LogAppendTime" : "CreateTime", b.max_ts);
    for (int i = 0; i < b.count; i++) {
        char value[VALUE_MAX];

        make_value(value, t->n, i);
        (void)printf("record\t%s\t%" PRId64 "\t%" PRId64 "\t", t->name, a->base_offset + i,
            t->stamped ? now_ms : record_ms(t, i));
        if (i % 2)
            (void)printf("key-%d-%d", t->n, i);
        else
            (void)printf("-");
        (void)printf("\t%s\t%s\n", value, i == 2 ? "origin" : "-");
    }
}

static void
append(struct topic *t)
{
    struct vrv_log_id id = { t->id, 0 };
    struct vrv_append a = { .log = vrv_engine_log(eng, &id), .leader_epoch = -1 };
    struct vrv_ticket ticket = { .done = { .cq = &cq } };
    int codec = t->codec >= 0 ? t->codec : t->n % CODECS, count = 1 + t->n % RECORDS_MAX;
    struct vrv_batch_builder b;
    struct vrv_err e = { 0 };
    const uint8_t *p;

    now_ms = first_ms + 5000000 + t->n * 10;
    vrv_batch_builder_init(&b);
    build(t, &b, count);
    need(vrv_batch_builder_finish(&b, (enum vrv_codec)codec, &p, &a.n, &e), &e);
    a.bytes = vrv_fill_take(&fill, vrv_engine_env(eng)->pool, a.n, true, &a.slab);
    memcpy(a.bytes, p, a.n);
    vrv_batch_builder_fini(&b);
    need(vrv_log_append(&a, 1, &ticket, NULL, &e), &e);
    while (vrv_cq_take(&cq, 0) == NULL)
        (void)vrv_engine_commit_step(eng);
    need(ticket.status, &e);
    tell(t, &a);
    vrv_slab_unref(a.slab);
    t->seq += t->producer ? count : 0;
    t->n++;
}

static void
create(struct topic *t, uint8_t number)
{
    char k0[] = "segment.bytes", v0[] = "5000", k1[] = "index.interval.bytes", v1[] = "1000";
    char k2[] = "message.timestamp.type", v2[] = "LogAppendTime", k3[] = "validation";
    char v3[] = "records";
    struct vrv_config_kv kv[] = { { k0, v0 }, { k1, v1 }, { k3, v3 }, { k2, v2 } };
    struct vrv_log_id id;
    struct vrv_err e = { 0 };
    char dir[VRV_PATH_MAX];

    memset(t->id.b, number, sizeof(t->id.b));
    need(vrv_engine_create_topic(eng, t->name, 1, kv, t->stamped ? 4 : 3, &t->id, &e), &e);
    id = (struct vrv_log_id){ t->id, 0 };
    vrv_log_dir(&id, dir);
    (void)printf("log\t%s\t%s\n", t->name, dir);
}

static void
fill_topics(void)
{
    struct topic t[] = {
        { .name = "none", .codec = VRV_CODEC_NONE },
        { .name = "gzip", .codec = VRV_CODEC_GZIP },
        { .name = "snappy", .codec = VRV_CODEC_SNAPPY },
        { .name = "lz4", .codec = VRV_CODEC_LZ4 },
        { .name = "zstd", .codec = VRV_CODEC_ZSTD },
        { .name = "idempotent", .codec = -1, .producer = true },
        { .name = "stamped", .codec = -1, .stamped = true },
    };

    for (uint8_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        create(&t[i], (uint8_t)(0x10 + i));
        for (int k = 0; k < BATCHES; k++)
            append(&t[i]);
    }
}

int
main(int argc, char **argv)
{
    struct vrv_engine_opts o;
    struct vrv_recovery found;
    struct vrv_err e = { 0 };
    struct vrv_vfs *vfs;

    if (argc != 2 || vrv_cq_init(&cq, 0) < 0)
        return 1;
    now_ms = first_ms;
    need(vrv_vfs_posix(argv[1], true, &vfs, &e), &e);
    vrv_engine_opts_default(&o);
    o.vfs = vfs;
    o.clock = &hand;
    o.random = 42;
    o.wal_files = 2;
    o.wal_file_bytes = 8 << 20;
    o.wal_fill_first = o.wal_file_bytes;
    o.memory_bytes = 32 << 20;
    need(vrv_engine_open(&eng, &o, &found, &e), &e);
    while (vrv_engine_prepare_step(eng) > 0)
        ;
    fill_topics();
    vrv_fill_fini(&fill);
    need(vrv_engine_close(&eng, &e), &e); /* everything is in the segments now */
    vrv_vfs_close(&vfs);
    vrv_cq_fini(&cq);
    return 0;
}
