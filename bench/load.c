/* Batches, and an engine to append them to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/bench.h"
#include "engine/base/mem.h"
#include "engine/batch/build.h"
#include "engine/os/clock.h"

static void
make_one(struct pool *p, const struct opts *o, size_t i)
{
    struct vrv_batch_builder b;
    struct vrv_err e = { 0 };
    const uint8_t *bytes;
    uint8_t *value = aligned(o->record + 8);
    size_t n;

    vrv_batch_builder_init(&b);
    for (int r = 0; r < p->records; r++) {
        fill_random(value, o->record, i * 1000003 + (uint64_t)r);
        vrv_batch_builder_add(&b, p->time_ms, NULL, -1, value, (int32_t)o->record, NULL, 0);
    }
    if (vrv_batch_builder_finish(&b, VRV_CODEC_NONE, &bytes, &n, &e) < 0)
        die("make a batch: %s", e.msg);
    p->batch[i] = aligned(n);
    memcpy(p->batch[i], bytes, n);
    p->size = n;
    vrv_batch_builder_fini(&b);
    free(value);
}

void
pool_make(struct pool *p, const struct opts *o)
{
    struct vrv_clock *clock = vrv_clock_real();
    size_t each = o->record + 8; /* lengths and deltas take about so much */

    p->records = o->batch > 61 + each ? (int)((o->batch - 61) / each) : 1;
    p->n = o->batch > 65536 ? 8 : POOL_MAX;
    p->time_ms = clock->wall_ms(clock); /* older records would fall to retention */
    for (size_t i = 0; i < p->n; i++)
        make_one(p, o, i);
}

void
pool_free(struct pool *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->batch[i]);
}

void
bench_options(const struct opts *o, struct varve_options *vo)
{
    varve_options_init(vo);
    if (o->wal_mb > 0)
        vo->wal_bytes = o->wal_mb << 20;
    if (o->memory_mb > 0)
        vo->memory_bytes = o->memory_mb << 20;
    if (o->checkpoint_ms > 0)
        vo->checkpoint_ms = o->checkpoint_ms;
}

void
bench_open(struct bench *b, const struct opts *o)
{
    struct varve_options vo;
    struct varve_error e = { 0 };
    struct varve_config config[] = { { "flush.policy", o->policy },
        { "max.message.bytes", "16000000" }, { "segment.bytes", "268435456" } };

    (void)mkdir(o->dir, 0777);
    bench_options(o, &vo);
    if (varve_open(&b->v, o->dir, &vo, NULL, &e) < 0)
        die("open %s: %s", o->dir, e.message);
    int rc = varve_topic_create(b->v, "bench", o->parts, config, 3, &e);
    if (rc < 0 && rc != VARVE_E_EXISTS)
        die("create: %s", e.message);
    b->parts = o->parts;
    b->wal_bytes = vo.wal_bytes;
    b->log = vrv_mem_zero((size_t)o->parts * sizeof(struct varve_log *));
    for (int i = 0; i < o->parts; i++)
        if ((b->log[i] = varve_partition(b->v, "bench", i, &e)) == NULL)
            die("partition %d: %s", i, e.message);
    if (varve_queue_open(&b->q, &e) < 0)
        die("queue: %s", e.message);
}

/* The write-ahead log is zero-filled in the background: figures begin when it is whole. */
void
bench_wait_filled(const struct bench *b, const struct opts *o)
{
    char wal[4096];

    (void)snprintf(wal, sizeof(wal), "%s/wal", o->dir);
    for (int i = 0; i < 6000; i++) {
        struct files f;

        files_list(&f, wal, ".wal");
        size_t have = f.bytes;
        files_free(&f);
        if (have >= b->wal_bytes)
            return;
        (void)usleep(10000);
    }
    die("the write-ahead log does not become whole");
}

void
bench_close(struct bench *b)
{
    struct varve_error e = { 0 };

    varve_queue_close(&b->q);
    if (varve_close(&b->v, &e) < 0)
        die("close: %s", e.message);
    free(b->log);
}

size_t
bench_inflight(const struct opts *o, const struct pool *p)
{
    size_t n = o->inflight > 0 ? o->inflight : ((size_t)16 << 20) / p->size;

    return n < 8 ? 8 : n > 4096 ? 4096 : n;
}

void
bench_fill(struct bench *b, const struct opts *o, const struct pool *p, size_t bytes)
{
    size_t sent = 0, flying = 0, max = bench_inflight(o, p);
    struct varve_completion c;
    struct varve_error e = { 0 };

    while (sent * p->size < bytes || flying > 0) {
        int rc = VARVE_E_AGAIN;

        if (sent * p->size < bytes && flying < max)
            rc = varve_append_async(b->log[sent % (size_t)b->parts], p->batch[sent % p->n], p->size,
                b->q, NULL, &e);
        if (rc == 0) {
            sent++;
            flying++;
            continue;
        }
        if (rc != VARVE_E_AGAIN)
            die("append: %s", e.message);
        if (varve_queue_take(b->q, &c, flying > 0 ? 1 : 0)) {
            if (c.status < 0)
                die("append: %s", varve_strerror(c.status));
            flying--;
        } else if (flying == 0) {
            (void)usleep(500);
        }
    }
}
