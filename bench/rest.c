/* Recovery, and what an engine costs that does nothing. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "engine/base/mem.h"
#include "engine/engine_int.h"
#include "engine/os/vfs_posix.h"
#include "engine/varve_int.h"

enum { AT_ONCE = 64, DIRECT_STEP = 1 << 20 };

/* What the processes tell each other. */
struct shared {
    size_t wal_bytes;          /* live when the process was killed */
    uint64_t batches;
    int64_t open_ns, append_ns;
    uint64_t replayed;
};

/* ---- recovery ---- */

struct raw {
    struct vrv_vfs *vfs;
    struct vrv_engine *eng;
    struct vrv_log **log;
    struct vrv_fill fill;
    struct vrv_cq cq;
};

/* The engine without its threads: nobody makes checkpoints, so the WAL fills up. */
static void
raw_open(struct raw *r, const struct opts *o)
{
    struct vrv_engine_opts eo;
    struct vrv_recovery found;
    struct vrv_topic_info t;
    struct vrv_err e = { 0 };

    vrv_engine_opts_default(&eo);
    if (o->wal_mb > 0)
        die("recover uses the default size of the write-ahead log");
    if (vrv_vfs_posix(o->dir, true, &r->vfs, &e) < 0)
        die("%s", e.msg);
    eo.vfs = r->vfs;
    if (vrv_engine_open(&r->eng, &eo, &found, &e) < 0 ||
        vrv_catalog_by_name(vrv_engine_catalog(r->eng), "bench", &t, &e) < 0)
        die("open: %s", e.msg);
    r->log = vrv_mem_zero((size_t)o->parts * sizeof(*r->log));
    for (int i = 0; i < o->parts; i++) {
        struct vrv_log_id id = { t.id, i };

        r->log[i] = vrv_engine_log(r->eng, &id);
    }
    vrv_topic_info_fini(&t);
    if (vrv_cq_init(&r->cq, 0) < 0)
        die("no queue");
}

/* False when the WAL is full. */
static bool
raw_append(struct raw *r, const struct opts *o, const struct pool *p, struct vrv_ticket *t,
    uint64_t i)
{
    struct vrv_append a = { .log = r->log[i % (uint64_t)o->parts], .n = p->size,
        .leader_epoch = -1 };
    struct vrv_err e = { 0 };

    a.bytes = vrv_fill_take(&r->fill, vrv_engine_env(r->eng)->pool, p->size, false, &a.slab);
    if (a.bytes == NULL)
        return false;
    memcpy(a.bytes, p->batch[i % p->n], p->size);
    *t = (struct vrv_ticket){ .done = { .cq = &r->cq } };
    int rc = vrv_log_append(&a, 1, t, NULL, &e);
    vrv_slab_unref(a.slab);
    if (rc < 0 && rc != VRV_E_AGAIN)
        die("append: %s", e.msg);
    return rc == 0;
}

static void
fill_wal(const struct opts *o, struct shared *sh)
{
    static struct vrv_ticket tickets[AT_ONCE];
    struct raw r = { .vfs = NULL };
    struct pool p;
    bool room = true;

    pool_make(&p, o);
    raw_open(&r, o);
    while (room) {
        uint64_t n = 0;

        while (n < AT_ONCE && (room = raw_append(&r, o, &p, &tickets[n], sh->batches)) == true) {
            n++;
            sh->batches++;
        }
        while (vrv_engine_commit_step(r.eng))
            ;
        for (; n > 0; n--)
            (void)vrv_cq_take(&r.cq, -1);
    }
    sh->wal_bytes = vrv_waldev_used(r.eng->dev);
    (void)kill(getpid(), SIGKILL);
}

static void
open_timed(const struct opts *o, struct shared *sh)
{
    struct varve_options vo;
    struct varve_error e = { 0 };
    struct varve_found found;
    struct varve_record rec = { .timestamp = -1, .value = "x", .value_len = 1 };
    struct varve *v;

    bench_options(o, &vo);
    int64_t t0 = now_ns();
    if (varve_open(&v, o->dir, &vo, &found, &e) < 0)
        die("open: %s", e.message);
    sh->open_ns = now_ns() - t0;
    struct varve_log *log = varve_partition(v, "bench", 0, &e);
    int rc = log != NULL ? varve_append(log, &rec, 1, NULL, &e) : -1;
    if (rc < 0)
        die("append: %s", e.message);
    sh->append_ns = now_ns() - t0;
    sh->replayed = found.replayed;
    _exit(0);
}

static void
in_child(void (*run)(const struct opts *, struct shared *), const struct opts *o, struct shared *sh)
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        run(o, sh);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        die("no process");
    if (WIFEXITED(status) ? WEXITSTATUS(status) != 0 : WTERMSIG(status) != SIGKILL)
        die("a process failed");
}

/* Data and names: as after a restart of the machine. */
static bool
drop_all(void)
{
    sync();
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, "3", 1) == 1;

    if (fd >= 0)
        (void)close(fd);
    return ok;
}

static void
drop_caches(const struct opts *o)
{
    struct files f;

    if (drop_all())
        return;
    files_list(&f, o->dir, "");
    files_evict(&f);
    files_free(&f);
    out(o, "names_cached", 1, "");
}

/* What recovery must read at least. */
static double
read_wal(const struct opts *o, size_t bytes)
{
    struct files f;
    char *buf = aligned(DIRECT_STEP);

    files_list(&f, o->dir, ".wal");
    int64_t t0 = now_ns();
    for (size_t i = 0; i < f.n && bytes > 0; i++) {
        int fd = open(f.path[i], O_RDONLY | O_DIRECT | O_CLOEXEC);
        ssize_t n;

        while (fd >= 0 && bytes > 0 && (n = read(fd, buf, DIRECT_STEP)) > 0)
            bytes = bytes > (size_t)n ? bytes - (size_t)n : 0;
        if (fd < 0 || close(fd) < 0)
            die("read %s: %s", f.path[i], strerror(errno));
    }
    free(buf);
    files_free(&f);
    return (double)(now_ns() - t0) / 1e6;
}

void
run_recover(const struct opts *o)
{
    struct shared *sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
        -1, 0);

    if (sh == MAP_FAILED)
        die("no memory");
    run_fill(o); /* waits for nothing: the WAL may be filled only as far as it was needed */
    struct bench b;
    bench_open(&b, o);
    bench_wait_filled(&b, o);
    bench_close(&b);
    in_child(fill_wal, o, sh);
    drop_caches(o);
    in_child(open_timed, o, sh);
    drop_caches(o);
    double limit = read_wal(o, sh->wal_bytes);
    out(o, "wal", (double)sh->wal_bytes / 1e6, "MB");
    out(o, "replayed", (double)sh->replayed, "");
    out(o, "open", (double)sh->open_ns / 1e6, "ms");
    out(o, "first_append", (double)sh->append_ns / 1e6, "ms");
    out(o, "limit", limit, "ms");
    if (sh->replayed != sh->batches)
        die("%zu batches were appended, %zu replayed", (size_t)sh->batches, (size_t)sh->replayed);
    (void)munmap(sh, sizeof(*sh));
}

/* ---- idle ---- */

static double
rss_kb(void)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    double kb = -1;

    while (f != NULL && kb < 0 && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, "Rss:", 4) == 0)
            kb = strtod(line + 4, NULL);
    if (f != NULL)
        (void)fclose(f);
    if (kb < 0)
        die("smaps_rollup says nothing of Rss");
    return kb;
}

/* In a process of its own: what another measurement left in the heap is not counted. */
static void
idle_first(const struct opts *o, struct shared *sh)
{
    struct varve_options vo;
    struct varve_error e = { 0 };
    struct varve_record rec = { .timestamp = -1, .value = "x", .value_len = 1 };
    struct varve *v;
    double base = rss_kb();

    (void)sh;
    bench_options(o, &vo);
    int64_t t0 = now_ns();
    if (varve_open(&v, o->dir, &vo, NULL, &e) < 0 ||
        varve_topic_create(v, "one", 1, NULL, 0, &e) < 0)
        die("open: %s", e.message);
    struct varve_log *log = varve_partition(v, "one", 0, &e);
    if (log == NULL || varve_append(log, &rec, 1, NULL, &e) < 0)
        die("append: %s", e.message);
    out(o, "first_append", (double)(now_ns() - t0) / 1e6, "ms");
    struct bench b = { .v = v, .wal_bytes = vo.wal_bytes };
    bench_wait_filled(&b, o);
    double idle = rss_kb();
    out(o, "rss_bare", base / 1024, "MiB");
    out(o, "rss_idle", idle / 1024, "MiB");
    t0 = now_ns();
    if (varve_topic_create(v, "bench", o->parts, NULL, 0, &e) < 0)
        die("create: %s", e.message);
    out(o, "create", (double)(now_ns() - t0) / 1e6, "ms");
    (void)sleep(1);
    out(o, "per_partition", (rss_kb() - idle) * 1024 / o->parts, "B");
    if (varve_close(&v, &e) < 0)
        die("close: %s", e.message);
    _exit(0);
}

static void
idle_again(const struct opts *o, struct shared *sh)
{
    struct varve_options vo;
    struct varve_error e = { 0 };
    struct varve *v;
    double base = rss_kb();

    (void)sh;
    bench_options(o, &vo);
    int64_t t0 = now_ns();
    if (varve_open(&v, o->dir, &vo, NULL, &e) < 0)
        die("open: %s", e.message);
    out(o, "reopen", (double)(now_ns() - t0) / 1e6, "ms");
    (void)sleep(2);
    out(o, "rss_reopened", rss_kb() / 1024, "MiB");
    out(o, "per_partition_reopened", (rss_kb() - base) * 1024 / o->parts, "B");
    _exit(0);
}

void
run_idle(const struct opts *o)
{
    struct opts many = *o;

    if (many.parts == 1)
        many.parts = 10000;
    dir_remove(o->dir);
    in_child(idle_first, &many, NULL);
    in_child(idle_again, &many, NULL);
    dir_remove(o->dir);
}
