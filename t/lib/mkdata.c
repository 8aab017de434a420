/*
 * Makes a data directory for scripts, with everything in it that there can be: topics with and
 * without records, sealed segments and an open one, batches in all codecs, headers, null keys.
 *
 *   mkdata DIR [clean|dirty|hold|moved|append]
 *
 * clean: stopped as it should be; dirty: as after a crash, with records in the WAL only; hold:
 * print "ready", and keep the directory locked until standard input ends; moved: sealed segments
 * are in a cold tier that is gone; append: put some more into one that is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/batch/build.h"
#include "engine/engine.h"
#include "engine/tail/fill.h"
#include "t/lib/offload.h"

static struct vrv_engine *eng;
static struct vrv_fill fill;
static struct vrv_cq cq;

static void
need(int rc, const struct vrv_err *e)
{
    if (rc < 0) {
        (void)fprintf(stderr, "mkdata: %s\n", e->msg);
        exit(1);
    }
}

/* A clock that stands still: the same directory each time, as far as that can be. */
static int64_t
wall_ms(struct vrv_clock *c)
{
    (void)c;
    return 1700000000000;
}

static int64_t
mono_ns(struct vrv_clock *c)
{
    (void)c;
    return 1;
}

static struct vrv_clock still = { wall_ms, mono_ns };

static void
append(const struct vrv_log_id *id, int n, enum vrv_codec codec)
{
    struct vrv_append a = { .log = vrv_engine_log(eng, id), .leader_epoch = -1 };
    struct vrv_ticket t = { .done = { .cq = &cq } };
    struct vrv_build_header h = { "source", "mk\"data\\", 8 };
    struct vrv_batch_builder b;
    struct vrv_err e = { 0 };
    const uint8_t *p;

    vrv_batch_builder_init(&b);
    for (int i = 0; i < 5; i++) {
        char key[32], value[200];
        int len = snprintf(value, sizeof(value), "value %d of batch %d\n%c%0*d", i, n, 1,
            20 + n % 90, 0);

        (void)snprintf(key, sizeof(key), "key-%d", n);
        vrv_batch_builder_add(&b, 1700000000000 + n * 10 + i, i % 2 ? key : NULL,
            i % 2 ? (int32_t)strlen(key) : -1, value, len, &h, i == 3);
    }
    need(vrv_batch_builder_finish(&b, codec, &p, &a.n, &e), &e);
    a.bytes = vrv_fill_take(&fill, vrv_engine_env(eng)->pool, a.n, true, &a.slab);
    memcpy(a.bytes, p, a.n);
    vrv_batch_builder_fini(&b);
    need(vrv_log_append(&a, 1, &t, NULL, &e), &e);
    vrv_slab_unref(a.slab);
    while (vrv_cq_take(&cq, 0) == NULL)
        (void)vrv_engine_commit_step(eng);
}

static void
checkpoint(void)
{
    uint64_t before = vrv_engine_checkpoints(eng);
    struct vrv_err e = { 0 };

    vrv_engine_want_checkpoint(eng);
    while (vrv_engine_checkpoints(eng) == before) {
        (void)vrv_engine_commit_step(eng);
        (void)vrv_engine_checkpoint_step(eng);
        need(vrv_engine_error(eng, &e), &e);
    }
}

static void
fill_topics(void)
{
    char k0[] = "segment.bytes", v0[] = "8000", k1[] = "index.interval.bytes", v1[] = "1000";
    struct vrv_config_kv kv[] = { { k0, v0 }, { k1, v1 } };
    struct vrv_uuid a = { { 0xa1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 } };
    struct vrv_uuid b = { { 0xb2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2 } };
    struct vrv_err e = { 0 };

    need(vrv_engine_create_topic(eng, "orders", 2, kv, 2, &a, &e), &e);
    need(vrv_engine_create_topic(eng, "empty.topic", 3, NULL, 0, &b, &e), &e);
    for (int n = 0; n < 100; n++)
        for (int32_t p = 0; p < 2; p++)
            append(&(struct vrv_log_id){ a, p }, n, (enum vrv_codec)(n % 5));
    checkpoint();
    for (int n = 100; n < 120; n++)
        append(&(struct vrv_log_id){ a, 0 }, n, (enum vrv_codec)(n % 5));
}

static void
append_more(void)
{
    struct vrv_topic_info t;
    struct vrv_err e = { 0 };

    need(vrv_catalog_by_name(vrv_engine_catalog(eng), "orders", &t, &e), &e);
    for (int n = 0; n < 100; n++)
        for (int32_t p = 0; p < 2; p++)
            append(&(struct vrv_log_id){ t.id, p }, n, (enum vrv_codec)(n % 5));
    vrv_topic_info_fini(&t);
    checkpoint();
}

static void
move_out(struct vrv_cold *cold)
{
    struct vrv_topic_info t;
    struct vrv_err e = { 0 };

    checkpoint(); /* seals */
    need(vrv_catalog_by_name(vrv_engine_catalog(eng), "orders", &t, &e), &e);
    struct vrv_log *log = vrv_engine_log(eng, &(struct vrv_log_id){ t.id, 0 });
    need(vrv_log_drop_local(log, offload(log, cold), NULL, &e), &e);
    while (vrv_engine_commit_step(eng))
        ;
    vrv_engine_tend_step(eng);
    vrv_topic_info_fini(&t);
}

int
main(int argc, char **argv)
{
    const char *how = argc > 2 ? argv[2] : "clean";
    struct vrv_engine_opts o;
    struct vrv_recovery found;
    struct vrv_err e = { 0 };
    struct vrv_vfs *vfs;
    struct vrv_cold *cold = fakecold_new(&(struct fakecold_opts){ .delay_max = 1,
        .chunk_batches = 1 });

    if (argc < 2 || vrv_cq_init(&cq, 0) < 0)
        return 1;
    need(vrv_vfs_posix(argv[1], true, &vfs, &e), &e);
    vrv_engine_opts_default(&o);
    o.vfs = vfs;
    o.clock = &still;
    o.random = 42;
    o.wal_files = 2;
    o.wal_file_bytes = 1024 * 1024;
    o.wal_fill_first = o.wal_file_bytes;
    o.memory_bytes = 4 << 20;
    o.cold = cold;
    need(vrv_engine_open(&eng, &o, &found, &e), &e);
    while (vrv_engine_prepare_step(eng) > 0)
        ;
    if (strcmp(how, "append") == 0)
        append_more();
    else
        fill_topics();
    if (strcmp(how, "moved") == 0)
        move_out(cold);
    if (strcmp(how, "hold") == 0) {
        (void)puts("ready");
        (void)fflush(stdout);
        while (getchar() != EOF)
            ;
    }
    vrv_fill_fini(&fill);
    if (strcmp(how, "dirty") == 0)
        vrv_engine_abandon(&eng);
    else
        need(vrv_engine_close(&eng, &e), &e);
    vrv_vfs_close(&vfs);
    fakecold_free(&cold);
    vrv_cq_fini(&cq);
    return 0;
}
