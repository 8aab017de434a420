/*
 * Inside the crash simulator: its lives (crashsim.c), actions (crashact.c), topics (crashtopic.c),
 * clients (crashappend.c) and model (crashmodel.c).
 */
#ifndef VRV_T_CRASHSIM_INT_H
#define VRV_T_CRASHSIM_INT_H

#include "engine/base/rand.h"
#include "engine/engine.h"
#include "engine/tail/fill.h"
#include "t/lib/crashsim.h"
#include "t/lib/simclock.h"

enum { TOPICS = 3, PARTS = 3, LOGS = TOPICS * PARTS, PRODUCERS = 2, BATCH_BYTES_MAX = 1500,
    CONFIGS = 10, DEAD_MAX = 32, WAITERS = 4 };
#define DISK_LARGE ((uint64_t)1 << 40)

enum fate { PENDING, ACKED };

/* One appended batch, as the model knows it. */
struct rec {
    int64_t base, last, max_ts;
    uint32_t crc, size;
    enum fate fate;
    uint32_t atomic;  /* same number: one append; 0: alone */
    uint32_t scan;    /* the number of the last scan that met it */
    bool seen;        /* a reader saw it */
    bool lossy;       /* appended when the policy was lossy, and nothing synced it since */
    bool settled;     /* acknowledged before an orderly stop: durable whatever the policy */
    bool gone;        /* a crash took it: it must never come back */
};

/* One partition. */
struct model {
    struct rec *v;
    size_t n, cap;
    int64_t start_acked, start_asked; /* delete-records */
    int64_t floor;                    /* offsets below can't be given out again: seen or acked */
    bool lossy, was_lossy;            /* its policy now, or at any time */
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
    int parts;
    bool changing; /* a call that altered or grew it failed: the next start tells */
};

struct call {
    struct vrv_ticket t;
    int n;
    struct {
        int log;      /* -1: deleted meanwhile */
        size_t rec;
        bool lossy;
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

/* The parts of one append, and the bytes as they were sent. */
struct parts {
    struct vrv_append a[LOGS];
    uint8_t *sent[LOGS];
    int log[LOGS], n, producer;
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
/* Does its topic have it, surely? */
bool log_exists(const struct sim *s, int log);
/* NULL when it does not. */
struct vrv_log *get_log(struct sim *s, int log);
/* Nothing explains an error: the power is on and no fault struck since the action began. */
bool no_excuse(struct sim *s);
/* Something explains this refusal. */
bool expected_refusal(struct sim *s, int rc);

/* ---- actions: one by chance, and those that lives are made of, too */

void draw_weights(struct sim *s);
void act(struct sim *s);
action_fn act_alter, act_append, act_checkpoint, act_commit, act_flush, act_grow, act_prepare,
    act_repeat, act_set_start, act_topic, act_truncate, act_wait;
void tend(struct sim *s);

/* ---- topics */

/* Make those that aren't there. */
int create_topics(struct sim *s, struct vrv_err *e);
/* After a start the catalog knows what became of calls that a crash cut off. */
void settle_topics(struct sim *s);

/* ---- clients */

/* Put a new batch for a log into the append; false: there is no memory for it. */
bool make_part(struct sim *s, struct parts *ps, int log);
/* Send it, unless it isn't whole (staged), and free it. */
int append(struct sim *s, struct parts *ps, bool staged, struct vrv_err *e);
/* A client that heard nothing, or didn't listen, sends its last batch again. */
void repeat(struct sim *s, int log, int producer);
/* Truncations that were asked for: are they over? */
void poll_cuts(struct sim *s);
void drop_call(struct sim *s, struct call *c);
void acknowledged(struct sim *s, const struct call *c);
/* Hear what was posted. */
void take_waiters(struct sim *s);
void take_done(struct sim *s);

/* ---- the model */

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
