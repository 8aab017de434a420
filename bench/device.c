/* The limits: what this machine does when nothing but the unavoidable is asked of it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "engine/base/crc32c.h"

enum { RING = 256 << 20, BEHIND = 1 << 20 };

/* A zero-filled file past the page cache: what a write-ahead log can be at best. */
static int
open_ring(const struct opts *o, size_t bytes)
{
    int fd = file_open(o, "ring", O_DIRECT);
    char *zero = aligned(BEHIND);

    for (size_t at = 0; at < bytes; at += BEHIND)
        file_write(fd, zero, BEHIND, at);
    if (fsync(fd) < 0)
        die("sync: %s", strerror(errno));
    free(zero);
    return fd;
}

static size_t
round_group(size_t n)
{
    return n == 0 ? 4096 : (n + 4095) & ~(size_t)4095;
}

struct stream {
    const struct opts *o;
    int fd;
    double seconds, cpu;
};

/* Groups one after another, each on stable storage before the next. */
static void *
wal_stream(void *ctx)
{
    struct stream *s = ctx;
    size_t group = round_group(s->o->group), at = 0;
    bool sync = strcmp(s->o->policy, "sync") == 0;
    char *buf = aligned(group);
    int64_t t0 = now_ns();
    double c0 = cpu_thread();

    fill_random(buf, group, 1);
    for (size_t i = 0; i < s->o->groups; i++) {
        file_write(s->fd, buf, group, at);
        if (sync && fdatasync(s->fd) < 0)
            die("sync: %s", strerror(errno));
        at = at + 2 * group <= RING ? at + group : 0;
    }
    s->seconds = (double)(now_ns() - t0) / 1e9;
    s->cpu = cpu_thread() - c0;
    free(buf);
    return NULL;
}

/* The same bytes to a plain file, transfers begun behind. */
static void *
plain_stream(void *ctx)
{
    struct stream *s = ctx;
    /* The engine gathers small batches into one write, so may this. */
    size_t chunk = s->o->chunk < 16384 ? 16384 : s->o->chunk, begun = 0;
    char *buf = aligned(chunk);
    int64_t t0 = now_ns();
    double c0 = cpu_thread();

    fill_random(buf, chunk, 2);
    for (size_t at = 0; at < s->o->bytes; at += chunk) {
        file_write(s->fd, buf, chunk, at);
        if (at + chunk - begun >= BEHIND) {
            (void)sync_file_range(s->fd, (off_t)begun, (off_t)(at + chunk - begun),
                SYNC_FILE_RANGE_WRITE);
            begun = at + chunk;
        }
    }
    s->seconds = (double)(now_ns() - t0) / 1e9;
    s->cpu = cpu_thread() - c0;
    free(buf);
    return NULL;
}

void
run_append_limit(const struct opts *o)
{
    struct stream wal = { .o = o, .fd = open_ring(o, RING) };
    struct stream plain = { .o = o, .fd = file_open(o, "plain", O_TRUNC) };
    pthread_t t;
    int64_t t0 = now_ns();

    if (pthread_create(&t, NULL, wal_stream, &wal) != 0)
        die("no thread");
    (void)plain_stream(&plain);
    (void)pthread_join(t, NULL);
    double seconds = (double)(now_ns() - t0) / 1e9, bytes = (double)o->bytes;
    out(o, "limit", bytes / 1e6 / seconds, "MB/s");
    out(o, "limit_wal", bytes / 1e6 / wal.seconds, "MB/s");
    out(o, "limit_plain", bytes / 1e6 / plain.seconds, "MB/s");
    out(o, "limit_cpu", (wal.cpu + plain.cpu) / bytes * 1e9, "s/GB");
    (void)close(wal.fd);
    (void)close(plain.fd);
    dir_remove(o->dir);
}

/* ---- the floor: each unavoidable step alone ---- */

struct floor_ctx {
    int fd;
    size_t n;
    uint8_t *from, *to;
    uint64_t at;
    uint32_t crc;
};

static void
step_memcpy(struct floor_ctx *f)
{
    memcpy(f->to, f->from, f->n);
    __asm__ volatile("" : : "r"(f->to) : "memory");
}

static void
step_crc(struct floor_ctx *f)
{
    f->crc = vrv_crc32c(f->crc, f->from, f->n);
}

static void
step_ring(struct floor_ctx *f)
{
    file_write(f->fd, f->from, f->n, f->at);
    f->at = f->at + 2 * f->n <= RING ? f->at + f->n : 0;
}

/* To a file that grows: its pages are new.  Now and then it begins anew, which is paid for too. */
static void
step_grow(struct floor_ctx *f)
{
    file_write(f->fd, f->from, f->n, f->at);
    f->at += f->n;
    if (f->at >= 2 * (uint64_t)RING) {
        if (ftruncate(f->fd, 0) < 0)
            die("truncate: %s", strerror(errno));
        f->at = 0;
    }
}

/* CPU seconds per GB of one step, over a working set larger than the caches. */
static void
floor_step(const struct opts *o, const char *metric, void (*step)(struct floor_ctx *), int fd,
    size_t n)
{
    enum { SET = 64 << 20 };
    uint8_t *from = aligned(SET + n), *to = aligned(SET + n);
    struct floor_ctx f = { .fd = fd, .n = n };
    size_t bytes = 0;

    fill_random(from, SET + n, 3);
    memset(to, 1, SET + n);
    double c0 = cpu_thread();
    int64_t t0 = now_ns();
    while ((double)(now_ns() - t0) / 1e9 < o->seconds / 4) {
        f.from = from + bytes / 4096 * 4096 % SET;
        f.to = to + bytes % SET;
        step(&f);
        bytes += n;
    }
    out(o, metric, (cpu_thread() - c0) / (double)bytes * 1e9, "s/GB");
    free(from);
    free(to);
}

void
run_floor(const struct opts *o)
{
    size_t n = o->batch > 0 ? o->batch : 16384;
    int ring = open_ring(o, RING), plain = file_open(o, "plain", O_TRUNC);

    floor_step(o, "memcpy", step_memcpy, -1, n);
    floor_step(o, "crc", step_crc, -1, n);
    floor_step(o, "wal_write", step_ring, ring, o->group > 0 ? round_group(o->group) : 1 << 20);
    floor_step(o, "segment_write", step_grow, plain, n < 65536 ? 65536 : n);
    (void)close(ring);
    (void)close(plain);
    dir_remove(o->dir);
}

/* ---- open loop ---- */

struct open_loop {
    const struct opts *o;
    int ring, plain;
    size_t group;
    int64_t t0;
    double seconds;
};

/* The same bytes at the same rate to a plain file, as the segments get them. */
static void *
plain_paced(void *ctx)
{
    const struct open_loop *l = ctx;
    double per_second = l->o->rate * (double)l->o->group; /* no padding there */
    char *buf = aligned(BEHIND);

    fill_random(buf, BEHIND, 2);
    for (size_t at = 0;; at += BEHIND) {
        int64_t due = l->t0 + (int64_t)((double)(at + BEHIND) * 1e9 / per_second);

        if ((double)(due - l->t0) / 1e9 > l->seconds)
            break;
        if (now_ns() < due)
            sleep_until(due);
        file_write(l->plain, buf, BEHIND, at);
        (void)sync_file_range(l->plain, (off_t)at, BEHIND, SYNC_FILE_RANGE_WRITE);
    }
    free(buf);
    return NULL;
}

static void
wal_paced(const struct open_loop *l, struct vrv_quantiles *all, struct vrv_quantiles *sync)
{
    size_t at = 0;
    char *buf = aligned(l->group);

    fill_random(buf, l->group, 4);
    for (uint64_t i = 0;; i++) {
        int64_t due = l->t0 + (int64_t)((double)i * 1e9 / l->o->rate);

        if ((double)(due - l->t0) / 1e9 > l->seconds)
            break;
        if (now_ns() < due)
            sleep_until(due);
        int64_t begun = now_ns();
        file_write(l->ring, buf, l->group, at);
        if (fdatasync(l->ring) < 0)
            die("sync: %s", strerror(errno));
        int64_t end = now_ns();
        vrv_quantiles_add(all, end - due);
        vrv_quantiles_add(sync, end - begun);
        at = at + 2 * l->group <= RING ? at + l->group : 0;
    }
    free(buf);
}

/* One write after another, each on stable storage before the next. */
void
run_sync(const struct opts *o)
{
    size_t n = round_group(o->batch), at = 0, bytes = 0;
    struct vrv_quantiles *h = aligned(sizeof(*h));
    int ring = open_ring(o, RING);
    char *buf = aligned(n);
    int64_t t0 = now_ns(), until = t0 + (int64_t)(o->seconds * 1e9), begun;

    fill_random(buf, n, 5);
    while ((begun = now_ns()) < until) {
        file_write(ring, buf, n, at);
        if (fdatasync(ring) < 0)
            die("sync: %s", strerror(errno));
        vrv_quantiles_add(h, now_ns() - begun);
        bytes += n;
        at = at + 2 * n <= RING ? at + n : 0;
    }
    out(o, "rate", (double)bytes * 1e3 / (double)(now_ns() - t0), "MB/s");
    out_hist(o, "", h);
    free(buf);
    free(h);
    (void)close(ring);
    dir_remove(o->dir);
}

void
run_latency_limit(const struct opts *o)
{
    struct open_loop l = { .o = o, .ring = open_ring(o, RING), .group = round_group(o->group),
        .plain = file_open(o, "plain", O_TRUNC) };
    struct vrv_quantiles *all = aligned(sizeof(*all)), *sync = aligned(sizeof(*sync));
    struct vrv_quantiles *bare = aligned(sizeof(*bare));
    pthread_t t;

    pin_to(o, 0);
    l.seconds = o->seconds / 4;
    l.t0 = now_ns() + 1000000;
    wal_paced(&l, all, bare);
    memset(all, 0, sizeof(*all));
    l.seconds = o->seconds;
    l.t0 = now_ns() + 1000000;
    if (pthread_create(&t, NULL, plain_paced, &l) != 0)
        die("no thread");
    wal_paced(&l, all, sync);
    (void)pthread_join(t, NULL);
    out_hist(o, "limit_", all);
    out_hist(o, "limit_sync_", sync);
    out_hist(o, "bare_sync_", bare);
    free(all);
    free(sync);
    free(bare);
    (void)close(l.ring);
    (void)close(l.plain);
    dir_remove(o->dir);
}
