/* Clocks, files and figures for the benchmarks. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"

void
die(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)fputs("b_engine: ", stderr);
    (void)vfprintf(stderr, fmt, ap);
    (void)fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

void
out(const struct opts *o, const char *metric, double value, const char *unit)
{
    if (o->json)
        (void)printf("{\"case\":\"%s\",\"metric\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"}\n",
            o->name, metric, value, unit);
    else
        (void)printf("%s\t%s\t%.6g\t%s\n", o->name, metric, value, unit);
    (void)fflush(stdout);
}

void
out_hist(const struct opts *o, const char *prefix, const struct vrv_quantiles *h)
{
    static const struct {
        const char *name;
        double q;
    } points[] = { { "p50", 0.5 }, { "p99", 0.99 }, { "p99.9", 0.999 }, { "max", 1 } };
    char metric[64];

    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        (void)snprintf(metric, sizeof(metric), "%s%s", prefix, points[i].name);
        out(o, metric, (double)vrv_quantiles_at(h, points[i].q) / 1e3, "us");
    }
}

int64_t
now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
sleep_until(int64_t ns)
{
    struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

static double
cpu_of(int who)
{
    struct rusage u;

    (void)getrusage(who, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
        ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec) / 1e6;
}

double
cpu_self(void)
{
    return cpu_of(RUSAGE_SELF);
}

double
cpu_thread(void)
{
    return cpu_of(RUSAGE_THREAD);
}

void
pin_to(const struct opts *o, int core)
{
    cpu_set_t set;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (!o->pin || cores < 2)
        return;
    CPU_ZERO(&set);
    for (int i = 0; i < cores; i++)
        if (core < 0 || i == core)
            CPU_SET((size_t)i, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        die("pin to core %d: %s", core, strerror(errno));
}

void *
aligned(size_t n)
{
    void *p = NULL;

    if (posix_memalign(&p, 4096, n) != 0)
        die("no memory for %zu bytes", n);
    memset(p, 0, n);
    return p;
}

void
fill_random(void *p, size_t n, uint64_t seed)
{
    struct vrv_rand r = { seed };
    uint8_t *at = p;

    for (; n >= 8; n -= 8, at += 8) {
        uint64_t v = vrv_rand_next(&r);
        memcpy(at, &v, 8);
    }
    for (; n > 0; n--)
        *at++ = (uint8_t)vrv_rand_next(&r);
}

/* ---- files ---- */

int
file_open(const struct opts *o, const char *name, int flags)
{
    char path[4096];

    (void)mkdir(o->dir, 0777);
    (void)snprintf(path, sizeof(path), "%s/%s", o->dir, name);
    int fd = open(path, flags | O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    if (fd < 0)
        die("open %s: %s", path, strerror(errno));
    return fd;
}

void
file_write(int fd, const void *p, size_t n, uint64_t pos)
{
    if (pwrite(fd, p, n, (off_t)pos) != (ssize_t)n)
        die("write: %s", strerror(errno));
}

/* nftw has no context argument. */
static struct files *listing;
static const char *listing_suffix;

static int
list_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    size_t n = strlen(path), sn = strlen(listing_suffix);

    (void)ftw;
    if (type != FTW_F || n < sn || strcmp(path + n - sn, listing_suffix) != 0)
        return 0;
    struct files *f = listing;
    if (f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 64;
        f->path = vrv_mem_grow(f->path, f->cap * sizeof(*f->path));
        f->size = vrv_mem_grow(f->size, f->cap * sizeof(*f->size));
    }
    f->path[f->n] = vrv_mem_strdup(path);
    f->size[f->n++] = (size_t)st->st_size;
    f->bytes += (size_t)st->st_size;
    return 0;
}

/* In order of path: of one partition, that is in order of offset. */
static void
sort_files(struct files *f)
{
    for (size_t i = 1; i < f->n && f->n < 1000; i++)
        for (size_t j = i; j > 0 && strcmp(f->path[j - 1], f->path[j]) > 0; j--) {
            char *p = f->path[j];
            size_t s = f->size[j];

            f->path[j] = f->path[j - 1];
            f->size[j] = f->size[j - 1];
            f->path[j - 1] = p;
            f->size[j - 1] = s;
        }
}

void
files_list(struct files *f, const char *dir, const char *suffix)
{
    *f = (struct files){ .n = 0 };
    listing = f;
    listing_suffix = suffix;
    if (nftw(dir, list_one, 32, FTW_PHYS) != 0)
        die("list %s: %s", dir, strerror(errno));
    sort_files(f);
}

void
files_free(struct files *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->path[i]);
    free(f->path);
    free(f->size);
}

static int
open_or_die(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        die("open %s: %s", path, strerror(errno));
    return fd;
}

size_t
files_resident(const struct files *f)
{
    size_t pages = 0;

    for (size_t i = 0; i < f->n; i++) {
        size_t n = (f->size[i] + 4095) / 4096;

        if (n == 0)
            continue;
        int fd = open_or_die(f->path[i]);
        void *p = mmap(NULL, f->size[i], PROT_READ, MAP_SHARED, fd, 0);
        unsigned char *vec = vrv_mem_zero(n);

        if (p == MAP_FAILED || mincore(p, f->size[i], vec) < 0)
            die("mincore %s: %s", f->path[i], strerror(errno));
        for (size_t k = 0; k < n; k++)
            pages += vec[k] & 1;
        free(vec);
        (void)munmap(p, f->size[i]);
        (void)close(fd);
    }
    return pages * 4096;
}

static void
evict_once(const struct files *f)
{
    for (size_t i = 0; i < f->n; i++) {
        int fd = open_or_die(f->path[i]);

        (void)fdatasync(fd);
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        (void)close(fd);
    }
}

void
files_evict(const struct files *f)
{
    size_t left = 1;

    /* A page that something still holds, write-back say, stays for the moment. */
    for (int i = 0; i < 100 && left > 0; i++) {
        if (i > 0)
            (void)usleep(10000);
        evict_once(f);
        left = files_resident(f);
    }
    if (left > 0)
        die("%zu bytes stay in the page cache", left);
}

static void
read_all(const struct files *f)
{
    char *buf = aligned(1 << 20);

    for (size_t i = 0; i < f->n; i++) {
        int fd = open_or_die(f->path[i]);

        while (read(fd, buf, 1 << 20) > 0)
            ;
        (void)close(fd);
    }
    free(buf);
}

/* A page may go again while the others are read. */
void
files_warm(const struct files *f)
{
    size_t there = 0;

    for (int i = 0; i < 5 && there < f->bytes; i++) {
        read_all(f);
        there = files_resident(f);
    }
    if (there < f->bytes - f->bytes / 1000)
        die("only %zu of %zu bytes are in the page cache", there, f->bytes);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void
dir_remove(const char *dir)
{
    if (nftw(dir, remove_one, 32, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        die("remove %s: %s", dir, strerror(errno));
}
