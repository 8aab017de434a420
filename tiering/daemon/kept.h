/*
 * What is cold of deleted topics that can still come back: how much it is.
 *
 *   begin ─► see, each partition ─► end ─► manifests that aren't known are read, one after the other ─► told
 *
 * One that can't be read isn't counted, and is tried again later.
 *
 * Threads: the tier's.
 */
#ifndef VRV_DAEMON_KEPT_H
#define VRV_DAEMON_KEPT_H

#include "tiering/parts/parts.h"

struct vrv_kept {
    struct vrv_parts *parts;   /* borrowed, as all */
    struct vrv_clock *clock;
    int64_t again_ms;          /* after one couldn't be read */
    void (*told)(void *ctx);   /* more is known */
    void *ctx;
    /* ours */
    struct vrv_omap map;       /* of partitions */
    uint64_t round;            /* of begin: who isn't seen in it is no longer kept */
    uint64_t bytes;            /* in the store, as far as they are known */
    struct vrv_part_wait wait;
    struct vrv_log_id at;      /* whose manifest is read, */
    bool reading;              /* if one is */
    bool within;               /* it is told from within a call of ours */
};

/* The caller's fields are set. */
void vrv_kept_init(struct vrv_kept *k);
void vrv_kept_fini(struct vrv_kept *k);

void vrv_kept_begin(struct vrv_kept *k);
void vrv_kept_see(struct vrv_kept *k, const struct vrv_log_id *id);
/* When there is something to try again, or INT64_MAX. */
int64_t vrv_kept_end(struct vrv_kept *k);
/* Nothing is read any more. */
void vrv_kept_cancel(struct vrv_kept *k);

/* Is its manifest being read? */
bool vrv_kept_reads(const struct vrv_kept *k, const struct vrv_log_id *id);
/* Of one partition; 0: it isn't kept.  -1: that isn't known yet. */
int64_t vrv_kept_bytes(const struct vrv_kept *k, const struct vrv_log_id *id);

#endif
