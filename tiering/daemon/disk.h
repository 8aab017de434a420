/*
 * How full this disk is of what the cold tier has to do with, and what follows from that.
 *
 *   fine ─ above a mark ─► high: what the store has, too, leaves early, the oldest first
 *                            └─ that isn't enough ─► short: moves hurry, and wait for nothing
 *                                                      └─ the reserve is reached ─► full: the topics'
 *                                                         outage policies decide
 *
 * Each ends a good part below what began it, so that they don't come and go with every segment.
 *
 * Pure.
 */
#ifndef VRV_DAEMON_DISK_H
#define VRV_DAEMON_DISK_H

#include <stdbool.h>
#include <stdint.h>

enum vrv_disk_state { VRV_DISK_FINE, VRV_DISK_HIGH, VRV_DISK_SHORT, VRV_DISK_FULL };

struct vrv_disk_marks {
    uint64_t local_max; /* bytes of sealed segments of topics that ask for the tier; INT64_MAX: any */
    uint64_t free_min;  /* bytes that are to be free on its file system */
    uint64_t reserve;   /* with less, outage policies decide */
};

/* What is leaving has left. */
struct vrv_disk_use {
    uint64_t local;     /* such bytes here, */
    uint64_t both;      /* ... and those of them that the store has, too */
    uint64_t free;      /* UINT64_MAX: not known */
};

/* How many bytes should leave. */
uint64_t vrv_disk_excess(enum vrv_disk_state now, const struct vrv_disk_marks *m,
    const struct vrv_disk_use *u);
/* Is that for want of free bytes?  Else what is here is too much. */
bool vrv_disk_wants_room(enum vrv_disk_state now, const struct vrv_disk_marks *m,
    const struct vrv_disk_use *u);
/* How many are missing in the reserve. */
uint64_t vrv_disk_missing(enum vrv_disk_state now, const struct vrv_disk_marks *m,
    const struct vrv_disk_use *u);
enum vrv_disk_state vrv_disk_next(enum vrv_disk_state now, const struct vrv_disk_marks *m,
    const struct vrv_disk_use *u);

#endif
