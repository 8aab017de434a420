/* Reading: behind a writer, from the page cache, from the disk, to a socket. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "engine/varve_int.h"

enum { CHUNK = 1 << 20 };

/* ---- behind a writer ---- */

enum { TIMES = 1 << 16 };

struct tail {
    const struct opts *o;
    struct bench b;
    struct pool p;
    _Atomic uint64_t sent, done;  /* batches */
    _Atomic bool stop;
    _Atomic int64_t when[TIMES];  /* a batch was to be sent */
    uint64_t read_bytes;
    double cpu;
    struct vrv_quantiles h;
};

static void *
follower(void *ctx)
{
    struct tail *t = ctx;
    struct varve_error e = { 0 };
    struct varve_cursor *c;
    const void *bytes;
    size_t n;
    uint64_t batches = 0;

    pin_to(t->o, 1);
    if (varve_cursor_open(&c, t->b.log[0], 0, &e) < 0)
        die("cursor: %s", e.message);
    while (!atomic_load(&t->stop) || batches < atomic_load(&t->done)) {
        int rc = varve_cursor_batches(c, CHUNK, &bytes, &n, 10, &e);

        if (rc < 0)
            die("read: %s", e.message);
        if (rc == 0)
            continue;
        int64_t now = now_ns();
        for (uint64_t got = n / t->p.size; got > 0; got--)
            vrv_quantiles_add(&t->h, now - atomic_load(&t->when[batches++ % TIMES]));
        t->read_bytes += n;
    }
    t->cpu = cpu_thread();
    varve_cursor_close(&c);
    return NULL;
}

static void
tail_take(struct tail *t, int64_t wait_ms)
{
    struct varve_completion c;

    while (varve_queue_take(t->b.q, &c, wait_ms)) {
        if (c.status < 0)
            die("append: %s", varve_strerror(c.status));
        (void)atomic_fetch_add(&t->done, 1);
        wait_ms = 0;
    }
}

/* At --rate appends per second, or as fast as it goes (0). */
static void
tail_write(struct tail *t, int64_t t0)
{
    const struct opts *o = t->o;
    struct varve_error e = { 0 };
    size_t max = bench_inflight(o, &t->p);

    for (uint64_t i = 0; (double)(now_ns() - t0) / 1e9 < o->seconds;) {
        int64_t due = o->rate > 0 ? t0 + (int64_t)((double)i * 1e9 / o->rate) : now_ns();

        if (due > now_ns())
            sleep_until(due);
        atomic_store(&t->when[i % TIMES], due);
        int rc = VARVE_E_AGAIN;
        if (i - atomic_load(&t->done) < max)
            rc = varve_append_async(t->b.log[0], t->p.batch[i % t->p.n], t->p.size, t->b.q, NULL,
                &e);
        if (rc == 0)
            atomic_store(&t->sent, ++i);
        else if (rc != VARVE_E_AGAIN)
            die("append: %s", e.message);
        tail_take(t, rc == 0 ? 0 : 1);
    }
}

void
run_tail(const struct opts *o)
{
    struct tail *t = aligned(sizeof(*t));
    pthread_t thread;

    t->o = o;
    pool_make(&t->p, o);
    pin_to(o, 0);
    bench_open(&t->b, o);
    bench_wait_filled(&t->b, o);
    pin_to(o, 1);
    if (pthread_create(&thread, NULL, follower, t) != 0)
        die("no thread");
    double cpu = cpu_self();
    int64_t t0 = now_ns();
    tail_write(t, t0);
    while (atomic_load(&t->done) < atomic_load(&t->sent))
        tail_take(t, 1);
    double seconds = (double)(now_ns() - t0) / 1e9;
    atomic_store(&t->stop, true);
    (void)pthread_join(thread, NULL);
    double gb = (double)t->read_bytes / 1e9;
    out(o, "rate", gb * 1e3 / seconds, "MB/s");
    out(o, "reader_cpu", t->cpu / gb, "s/GB");
    out(o, "cpu", (cpu_self() - cpu) / gb, "s/GB");
    out_hist(o, "", &t->h);
    bench_close(&t->b);
    pool_free(&t->p);
    free(t);
}

/* ---- what is at rest ---- */

void
run_fill(const struct opts *o)
{
    struct bench b;
    struct pool p;

    pool_make(&p, o);
    bench_open(&b, o);
    bench_fill(&b, o, &p, (size_t)(o->gib * 1073741824.0));
    bench_close(&b);
    pool_free(&p);
}

struct reading {
    const struct opts *o;
    struct files f;
    struct bench b;
    struct pool p; /* says how many bytes and records a batch has */
    struct sink sink;
    size_t bytes;
};

static int
open_data(const char *path, int flags)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);

    if (fd < 0)
        die("open %s: %s", path, strerror(errno));
    return fd;
}

static void
read_files(struct reading *r, int flags)
{
    char *buf = aligned(CHUNK);

    for (size_t i = 0; i < r->f.n; i++) {
        int fd = open_data(r->f.path[i], flags);
        ssize_t n;

        while ((n = read(fd, buf, CHUNK)) > 0)
            r->bytes += (size_t)n;
        if (n < 0)
            die("read %s: %s", r->f.path[i], strerror(errno));
        (void)close(fd);
    }
    free(buf);
}

static void
read_plain(struct reading *r)
{
    read_files(r, 0);
}

static void
read_direct(struct reading *r)
{
    read_files(r, O_DIRECT);
}

static void
read_cursor(struct reading *r)
{
    struct varve_error e = { 0 };
    struct varve_cursor *c;
    const void *bytes;
    size_t n;
    int rc;

    if (varve_cursor_open(&c, r->b.log[0], 0, &e) < 0)
        die("cursor: %s", e.message);
    while ((rc = varve_cursor_batches(c, CHUNK, &bytes, &n, 0, &e)) > 0)
        r->bytes += n;
    if (rc < 0)
        die("read: %s", e.message);
    varve_cursor_close(&c);
}

static void
pass_on(struct reading *r, int fd, size_t pos, size_t n)
{
    send_range(r->sink.to, fd, (off_t)pos, n);
    r->bytes += n;
}

static void
send_plain(struct reading *r)
{
    for (size_t i = 0; i < r->f.n; i++) {
        int fd = open_data(r->f.path[i], 0);

        for (size_t at = 0; at < r->f.size[i]; at += CHUNK)
            pass_on(r, fd, at, r->f.size[i] - at < CHUNK ? r->f.size[i] - at : CHUNK);
        (void)close(fd);
    }
}

/* As a server would: plan, then ranges of files to the socket.  The next offset is known from the
 * batches' one size; otherwise it is the client that tells it. */
static void
send_engine(struct reading *r)
{
    struct vrv_err e = { 0 };

    for (int64_t at = 0;;) {
        struct vrv_read rd = { .offset = at, .max_bytes = CHUNK, .whole_first = true };
        size_t whole = 0;

        if (vrv_read(r->b.log[0]->log, &rd, &e) < 0)
            die("read: %s", e.msg);
        for (uint32_t i = 0; i < rd.slice_n; i++) {
            struct vrv_slice *s = &rd.slice[i];
            struct vrv_file *f;

            if (s->kind != VRV_SLICE_FILE)
                die("the newest batches are still in memory");
            if (vrv_seg_file_get(s->seg, &f, &e) < 0)
                die("open: %s", e.msg);
            pass_on(r, vrv_file_fd(f), (size_t)s->pos, s->n / r->p.size * r->p.size);
            vrv_seg_file_put(s->seg);
            whole += s->n / r->p.size;
        }
        vrv_read_fini(&rd);
        if (whole == 0)
            return;
        at += (int64_t)whole * r->p.records;
    }
}

static const struct mode {
    const char *name;
    void (*run)(struct reading *r);
    bool disk, socket, engine;
} modes[] = {
    { "cache", read_cursor, false, false, true },
    { "cache-limit", read_plain, false, false, false },
    { "send", send_engine, false, true, true },
    { "send-limit", send_plain, false, true, false },
    { "disk", read_cursor, true, false, true },
    { "disk-limit", read_direct, true, false, false },
};

static void
measure(struct reading *r, const struct mode *m)
{
    double cpu = cpu_thread();
    int64_t t0 = now_ns();

    m->run(r);
    double seconds = (double)(now_ns() - t0) / 1e9, gb = (double)r->bytes / 1e9;
    if (r->bytes < r->f.bytes / 2)
        die("only %zu of %zu bytes were read", r->bytes, r->f.bytes);
    out(r->o, m->engine ? "rate" : "limit", gb * 1e3 / seconds, "MB/s");
    out(r->o, m->engine ? "cpu" : "limit_cpu", (cpu_thread() - cpu) / gb, "s/GB");
    out(r->o, m->engine ? "cached_after" : "limit_cached_after",
        (double)files_resident(&r->f) / (double)r->f.bytes, "");
}

void
run_read(const struct opts *o)
{
    struct reading r = { .o = o, .sink = { .o = o, .core = 1, .discards = true } };
    const struct mode *m = NULL;

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(o->mode, modes[i].name) == 0)
            m = &modes[i];
    if (m == NULL)
        die("--mode is cache, send or disk, or one of these with -limit");
    pool_make(&r.p, o);
    pin_to(o, 0);
    if (m->engine)
        bench_open(&r.b, o);
    files_list(&r.f, o->dir, ".log");
    if (m->disk)
        files_evict(&r.f);
    else
        files_warm(&r.f);
    if (m->socket)
        sink_start(&r.sink);
    measure(&r, m);
    if (m->socket)
        sink_stop(&r.sink);
    if (m->engine)
        bench_close(&r.b);
    files_free(&r.f);
    pool_free(&r.p);
}
