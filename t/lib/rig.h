/*
 * An engine on the simulated disk, run by its steps on the caller's thread, for tests of the engine
 * as its users see it: topics, appends with their answers, all that can be read.
 *
 * Threads: one.
 */
#ifndef VRV_T_RIG_H
#define VRV_T_RIG_H

#include "engine/engine.h"
#include "engine/tail/fill.h"
#include "t/lib/simclock.h"
#include "t/lib/simdisk.h"

enum { RIG_WALL_MS = 1700000000 };

struct rig {
    struct simdisk *disk;
    struct simclock clock;
    struct vrv_engine_opts o; /* small; change what a test is about before rig_open */
    struct vrv_engine *eng;   /* NULL while it is not open */
    struct vrv_recovery found;
    struct vrv_cq cq;
    struct vrv_fill fill;
    struct vrv_err e;         /* of the last call that failed */
    uint64_t topics;          /* made so far: their ids follow from it */
    /* What a commit waits for, a step further; false: nothing.  Or NULL. */
    bool (*io)(struct rig *r);
};

void rig_init(struct rig *r, uint64_t seed);
void rig_fini(struct rig *r);

/* What vrv_engine_open says; r->e. */
int rig_open(struct rig *r);
/* It must open. */
void rig_up(struct rig *r);
/* An orderly stop. */
int rig_close(struct rig *r);
/* Power loss, without opening again. */
void rig_crash(struct rig *r, enum sim_policy policy, uint64_t seed);

/* configs: "key=value key=value", or NULL.  r->e. */
int rig_create(struct rig *r, const char *name, int32_t partitions, const char *configs);
/* The same for vrv_engine_alter_topic; "key=" is a NULL value. */
int rig_alter(struct rig *r, const char *name, const char *configs);
/* rig_create, and it must work. */
void rig_topic(struct rig *r, const char *name, int32_t partitions, const char *configs);
/* NULL when there is no such topic or partition. */
struct vrv_log *rig_log(struct rig *r, const char *name, int32_t partition);

/* A batch; all zero is one record without a key and with an empty value, now. */
struct rig_batch {
    const char *value;      /* of each record */
    int records;            /* 0: one */
    size_t size;            /* of the value instead, when there is none: zeros */
    int64_t ts;             /* 0: now */
    bool producer;          /* idempotent: */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t seq;
    enum vrv_codec codec;
    int16_t attrs;
};

/* An append or a change of the start that will be answered. */
struct rig_call {
    struct vrv_ticket t;
    int posted;             /* how often */
};

/* The bytes of a batch in a slab of the engine's; what parts[i] of vrv_log_append needs. The caller
 * gives them back with rig_part_fini once appended. */
void rig_part(struct rig *r, struct vrv_append *a, struct vrv_log *log,
    const struct rig_batch *b);
void rig_part_fini(struct vrv_append *a);

/* Append one batch: what vrv_log_append says; r->e. */
int rig_append(struct rig *r, struct vrv_log *log, const struct rig_batch *b, struct rig_call *c);
/* Append one record and commit it: its offset, or what failed. */
int64_t rig_put(struct rig *r, struct vrv_log *log, const char *value);
/* The same for a batch. */
int64_t rig_put_batch(struct rig *r, struct vrv_log *log, const struct rig_batch *b);
/* ... that somebody else has made. */
int64_t rig_put_bytes(struct rig *r, struct vrv_log *log, const uint8_t *batch, size_t n);
/* Move the start and commit that: 0 or what failed. */
int rig_set_start(struct rig *r, struct vrv_log *log, int64_t offset);

/* Take what was posted: how many calls. */
int rig_take(struct rig *r);
/* Commit until there is nothing left to, and take. */
void rig_commit(struct rig *r);
/* Write segments until there is nothing left to. */
void rig_flush(struct rig *r);
/* A whole checkpoint, or false: it can't. */
bool rig_checkpoint(struct rig *r);
/* What the disk has of deleted topics is removed. */
void rig_bury(struct rig *r);
/* Time passes, a second at most at once, and is noticed. */
void rig_pass(struct rig *r, int64_t ms);

/* All that can be read from an offset on: "0:value 1:value ", to be freed; then "!" and the error's
 * number when reading failed. */
char *rig_text(struct rig *r, struct vrv_log *log, int64_t from);
/* IS_STR of that. */
bool rig_reads(struct rig *r, struct vrv_log *log, int64_t from, const char *want,
    const char *what);
/* How many records can be read from an offset on, in order; negative: an error, r->e. */
int64_t rig_count(struct rig *r, struct vrv_log *log, int64_t from);

/* Of all names and bytes as a process sees them, synced or not. */
uint64_t rig_tree(struct rig *r);
/* Files (not directories) whose path contains a word. */
int rig_files(struct rig *r, const char *dir, const char *word);
/* Keys in the store of checkpoints of the engine, which is closed, that begin so. */
int rig_keys(struct rig *r, const char *prefix);

#endif
