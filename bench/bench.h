/* What the benchmarks share.  A benchmark ends the process when anything fails: a figure from a run
 * that went wrong is worse than none. */
#ifndef VRV_BENCH_BENCH_H
#define VRV_BENCH_BENCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/base/quantiles.h"
#include "engine/varve.h"

struct opts {
    const char *dir;     /* where to work; made, and removed by `clean` */
    const char *name;    /* what the figures are printed under */
    const char *mode;    /* which variant of the subcommand */
    const char *policy;  /* flush.policy */
    bool json, pin;
    size_t record;       /* bytes of a record's value */
    size_t batch;        /* bytes of a batch, about; 0: one record per batch */
    int parts;
    size_t inflight;     /* appends on their way at most; 0: chosen by batch */
    double rate;         /* appends per second */
    double seconds;
    double max_seconds;
    size_t wal_mb, memory_mb;
    int64_t checkpoint_ms;
    double gib;          /* local data to make */
    size_t bytes, chunk, group, groups; /* for the limits: what the engine did */
};

void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* One figure. */
void out(const struct opts *o, const char *metric, double value, const char *unit);
void out_hist(const struct opts *o, const char *prefix, const struct vrv_quantiles *h);

int64_t now_ns(void);
void sleep_until(int64_t ns);
double cpu_self(void);   /* seconds, user and system, all threads */
double cpu_thread(void);
/* The calling thread, and those it starts later, run on this core only; -1: on any. */
void pin_to(const struct opts *o, int core);

void *aligned(size_t n); /* zeroed, 4096-aligned */
void fill_random(void *p, size_t n, uint64_t seed);

/* A file in the working directory, made where it isn't there. */
int file_open(const struct opts *o, const char *name, int flags);
void file_write(int fd, const void *p, size_t n, uint64_t pos);

/* Files: the data files below a directory, for the raw readers. */
struct files {
    char **path;
    size_t *size;
    size_t n, cap, bytes;
};
void files_list(struct files *f, const char *dir, const char *suffix);
void files_free(struct files *f);
void files_evict(const struct files *f); /* from the page cache; dies if they stay */
void files_warm(const struct files *f);
size_t files_resident(const struct files *f); /* bytes in the page cache */
void dir_remove(const char *dir);

/* A connection on loopback to a thread that takes all that is sent to it. */
struct sink {
    const struct opts *o;
    int core;       /* of the thread, with --pin */
    bool discards;  /* what comes isn't copied */
    int to, from;
    pthread_t thread;
    size_t bytes;   /* and the thread's CPU seconds: when it has stopped */
    double cpu;
};
void sink_start(struct sink *s);
void sink_stop(struct sink *s);
/* sendfile, all of it. */
void send_range(int to, int fd, off_t pos, size_t n);

/* A pool of batches with random contents, all of one size and one number of records. */
enum { POOL_MAX = 32 };
struct pool {
    uint8_t *batch[POOL_MAX];
    size_t n, size;
    int records;
    int64_t time_ms;
};
void pool_make(struct pool *p, const struct opts *o);
void pool_free(struct pool *p);

/* An engine with one topic. */
struct bench {
    struct varve *v;
    struct varve_log **log;
    int parts;
    struct varve_queue *q;
    size_t wal_bytes;
};
void bench_options(const struct opts *o, struct varve_options *vo);
void bench_open(struct bench *b, const struct opts *o);
void bench_wait_filled(const struct bench *b, const struct opts *o);
void bench_close(struct bench *b);
size_t bench_inflight(const struct opts *o, const struct pool *p);
/* Append so many bytes and wait for them. */
void bench_fill(struct bench *b, const struct opts *o, const struct pool *p, size_t bytes);

void run_append(const struct opts *o);
void run_append_limit(const struct opts *o);
void run_floor(const struct opts *o);
void run_latency(const struct opts *o);
void run_latency_limit(const struct opts *o);
void run_tail(const struct opts *o);
void run_fill(const struct opts *o);
void run_read(const struct opts *o);
void run_recover(const struct opts *o);
void run_idle(const struct opts *o);
void run_sync(const struct opts *o);
void run_loopback(const struct opts *o);
void run_sendfile(const struct opts *o);
void run_settle(const struct opts *o);

#endif
