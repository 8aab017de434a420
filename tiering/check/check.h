/*
 * Is a store one that varve can rely on?  Asked in practice: what a store must do (store/store.h) is tried on
 * it, under names of its own, which are gone at the end, also when somebody interrupts it.
 *
 *   answers ─► writes ─► reads ─► deletes ─► if absent ─► race ─► ... ─► figures ─► cleans up
 *
 * What fails ends it where the rest would tell nothing, or leave something behind; else the rest is
 * tried, too.  What holds here is evidence, no proof: a race may be lost another time.
 *
 * Threads: the caller's.
 */
#ifndef VRV_CHECK_CHECK_H
#define VRV_CHECK_CHECK_H

#include "tiering/store/store.h"

enum vrv_check_result {
    VRV_CHECK_OK,
    VRV_CHECK_NOTE,   /* varve can live with it, but somebody should know */
    VRV_CHECK_FAILED, /* it can't: status and text say why and what to do */
};

enum { VRV_CHECK_FIGURES = 6, VRV_CHECK_TEXT = 400 };

/* What came of one. */
struct vrv_check_line {
    const char *name;             /* "if absent" */
    enum vrv_check_result result;
    int status;                   /* of FAILED */
    char text[VRV_CHECK_TEXT];    /* a sentence for people */
    struct {
        const char *name;         /* "write_median_us" */
        int64_t value;
    } figure[VRV_CHECK_FIGURES];
    unsigned figure_n;
};

struct vrv_check_opts {
    struct vrv_store *store;      /* borrowed, as all */
    struct vrv_clock *clock;
    uint64_t random;              /* unpredictable: names are made of it */
    int64_t call_ms;              /* for one call to the store, with its attempts */
    unsigned rounds, writers;     /* of the race: so often, so many write one name at once */
    uint64_t load_bytes;          /* of the object that figures are taken with; 0: none are */
    void (*begins)(void *ctx, const char *name); /* the next one; may be NULL */
    void (*line)(void *ctx, const struct vrv_check_line *l);
    /* of the one that runs, where it moves many bytes: first 0, last all; may be NULL */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    bool (*stops)(void *ctx);     /* does somebody want it to end?  May be NULL */
    void *ctx;
};

struct vrv_check_counts {
    unsigned ok, notes, failed;
    bool interrupted;
};

/* 0; or the status of the first that failed, with its sentence; CANCELLED: somebody wanted it to end. */
int vrv_check(const struct vrv_check_opts *o, struct vrv_check_counts *counts, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
