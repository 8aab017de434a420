/*
 * How many bytes may be read of a store in a second
 * (remote.log.manager.fetch.max.bytes.per.second): a read is charged before it begins, what didn't
 * come is given back, and how long reads were held back is told.
 *
 * Threads: one; but any may set the rate.
 */
#ifndef VRV_READER_QUOTA_H
#define VRV_READER_QUOTA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base/recent.h"

/* All zero: without a limit. */
struct vrv_read_quota {
    _Atomic uint64_t rate;   /* bytes in a second; 0: any */
    int64_t room;            /* bytes that may be read at once */
    int64_t filled_ns;       /* when that was counted */
    int64_t held_ns;         /* since when it holds a read back, or when that was counted; 0: it doesn't */
    uint64_t throttled_ns;   /* how long it did, all in all; */
    struct vrv_recent waits; /* lately: how long each that it held back for a millisecond or more */
};

/* When it allows the next read; 0: now. */
int64_t vrv_read_quota_at(struct vrv_read_quota *q, int64_t now_ns);
/* As far as was counted: does it allow one? */
bool vrv_read_quota_allows(const struct vrv_read_quota *q);
/* So much is to be read; or wasn't, less than 0. */
void vrv_read_quota_charge(struct vrv_read_quota *q, int64_t bytes);

/* Is it what holds reads back from now on? */
void vrv_read_quota_hold(struct vrv_read_quota *q, bool holds, int64_t now_ns);
/* How long it has held reads back until now: never becomes less. */
uint64_t vrv_read_quota_held_ns(const struct vrv_read_quota *q, int64_t now_ns);
/* A read begins that was wanted when that was `since`. */
void vrv_read_quota_note(struct vrv_read_quota *q, uint64_t since, int64_t now_ns);

#endif
