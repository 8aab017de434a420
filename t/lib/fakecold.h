/*
 * A cold tier in memory: batches in chunks that must be loaded before they can be given out.
 *
 * A load takes some steps, by a seed; fakecold_step() is one, and a test that wants a thread starts
 * one that steps.  A chunk once loaded stays in a small cache, also when nobody waits for it any
 * more.  Answers never come from within a call of the asker's, and no lock is held during them.
 *
 * Threads: any, but new and free, which need it idle.
 */
#ifndef VRV_T_FAKECOLD_H
#define VRV_T_FAKECOLD_H

#include <stdbool.h>

#include "engine/contract/cold.h"

struct fakecold_opts {
    uint64_t seed;
    unsigned delay_max;     /* steps that a load takes at most, at least one */
    unsigned chunk_batches; /* per load */
    unsigned cache_chunks;  /* kept besides those in use */
};

struct vrv_cold *fakecold_new(const struct fakecold_opts *o);
/* Nothing may be waiting, and all bytes must have been given back. */
void fakecold_free(struct vrv_cold **c);

/* A copy of one batch of a partition; offsets ascend. */
void fakecold_add(struct vrv_cold *c, const struct vrv_uuid *topic, int32_t partition,
    const uint8_t *batch, size_t n);
/* The offset behind what it has of a partition; 0: nothing. */
int64_t fakecold_end(struct vrv_cold *c, const struct vrv_uuid *topic, int32_t partition);
/* A transaction of this producer was aborted; its records lie from first to last. */
void fakecold_add_aborted(struct vrv_cold *c, const struct vrv_uuid *topic, int32_t partition,
    int64_t producer, int64_t first, int64_t last);

/* Time passes.  False: nothing waits. */
bool fakecold_step(struct vrv_cold *c);
void fakecold_thread(struct vrv_cold *c, bool on);

/* The next load to end fails with this. */
void fakecold_fail(struct vrv_cold *c, int code);
/* Loads of chunks come back with a flipped bit, or no longer do; the tier sees that. */
void fakecold_damage(struct vrv_cold *c, bool on);
/* Loads don't end, or do so again. */
void fakecold_hang(struct vrv_cold *c, bool on);
/* A tier that doesn't keep the contract: what it answers from now on is */
enum fakecold_lie {
    FAKECOLD_TRUE,    /* right again */
    FAKECOLD_FLIPPED, /* with a flipped bit */
    FAKECOLD_CUT,     /* short of its last byte */
    FAKECOLD_EMPTY,   /* nothing */
    FAKECOLD_BEFORE,  /* what lies before */
    FAKECOLD_TWICE,   /* one batch twice */
    FAKECOLD_MORE,    /* more bytes than were asked for */
    FAKECOLD_NONE,    /* "there is no such batch" */
};
void fakecold_lie(struct vrv_cold *c, enum fakecold_lie lie);
/* Loads begun so far, and chunks in memory. */
unsigned fakecold_loads(struct vrv_cold *c);
unsigned fakecold_chunks(struct vrv_cold *c);

#endif
