/* Inside the crash simulator: what its scheduler (crashsim.c) and its model (crashmodel.c) share. */
#ifndef VRV_T_CRASHSIM_INT_H
#define VRV_T_CRASHSIM_INT_H

#include "engine/base/rand.h"
#include "engine/engine.h"
#include "engine/tail/fill.h"
#include "t/lib/crashsim.h"
#include "t/lib/simclock.h"

enum { TOPICS = 3, PARTS = 2, LOGS = TOPICS * PARTS, PRODUCERS = 2, BATCH_BYTES_MAX = 1500,
    CONFIGS = 10, DEAD_MAX = 32, WAITERS = 4 };

enum fate { PENDING, ACKED };

/* One appended batch, as the model knows it. */
struct rec {
    int64_t base, last, max_ts;
    uint32_t crc, size;
    enum fate fate;
    uint32_t atomic;  /* same number: one append; 0: alone */
    uint32_t scan;    /* the number of the last scan that met it */
    bool seen;        /* a reader saw it */
    bool settled;     /* acknowledged before an orderly stop: durable whatever the policy */
    bool gone;        /* a crash took it: it must never come back */
};

/* One partition. */
struct model {
    struct rec *v;
    size_t n, cap;
    int64_t start_acked, start_asked; /* delete-records */
    int64_t floor;                    /* offsets below can't be given out again: seen or acked */
    bool lossy;
    bool retains;                     /* the start may move by itself */
    bool cutting;                     /* a truncation was asked for, */
    int64_t cut_to;                   /* to here: what lies behind may be gone, or not yet */
    int32_t seq[PRODUCERS];           /* next sequence of each producer */
    int16_t epoch[PRODUCERS];
    uint8_t *last_batch[PRODUCERS];   /* the newest batch, to repeat it */
    size_t last_n[PRODUCERS];
    size_t last_rec[PRODUCERS];
};

/* UNSURE: a call that made or deleted it failed; the next start tells. */
enum topic_state { TOPIC_NONE, TOPIC_UNSURE, TOPIC_THERE };

struct topic {
    struct vrv_uuid id;
    enum topic_state state;
};

struct call {
    struct vrv_ticket t;
    int n;
    struct {
        int log;      /* -1: deleted meanwhile */
        size_t rec;
    } part[LOGS];
    bool is_start;
    int64_t offset;
    struct call *next;
};

/* Somebody who waits for records. */
struct waiter {
    struct vrv_waiter w;
    int log;
    bool active, strict; /* strict: all that it waits for was not there yet */
};

struct sim;
typedef void action_fn(struct sim *s);

struct sim {
    const struct crashsim_opts *o;
    struct crashsim_result *r;
    struct simdisk *disk;
    struct simclock clock;
    struct vrv_rand rand;
    struct vrv_engine *eng;
    struct vrv_engine_opts eng_opts;
    struct vrv_cq cq, wait_cq;
    struct vrv_fill fill;
    struct topic topic[TOPICS];
    struct vrv_uuid dead[DEAD_MAX];
    unsigned dead_n;
    struct model m[LOGS];
    struct call *calls;
    struct waiter waiter[WAITERS];
    unsigned weight[32];
    uint32_t atomics, scans;
    bool slab_each;   /* every append in a slab of its own: memory is short, eviction is busy */
    bool expires;     /* producers are forgotten soon: a repetition may be stored again */
    bool full;        /* the disk was made too small, and since then no tending saw space */
    uint64_t struck;  /* faults that had struck when the current action began */
};

void broken(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
uint64_t pick(struct sim *s, uint64_t n);
struct vrv_log_id log_id(const struct sim *s, int log);
/* NULL when its topic isn't surely there. */
struct vrv_log *get_log(struct sim *s, int log);
/* Nothing explains an error: the power is on and no fault struck since the action began. */
bool no_excuse(struct sim *s);

/* Read a log from `from` on and compare; returns the hw, or -1 when it couldn't be read. */
int64_t model_read(struct sim *s, int log, int64_t from);
/* Look up times, and compare. */
void model_read_times(struct sim *s, int log);
/* Bytes of the batches from `offset` up to the hw. */
uint64_t model_bytes(const struct model *m, int64_t offset, int64_t hw);
void model_reset(struct model *m);
/* The truncation is done: nothing behind it may be seen again. */
void model_cut(struct sim *s, int log);
/* After recovery: everything against everything. */
void model_check(struct sim *s);

#endif
