/* A process that appends to a real directory until it is killed, fails, or has done enough, and
 * notes what was acknowledged in memory that outlives it; and the check that what it noted is
 * there, in order, and nothing else. */
#ifndef VRV_T_ACKED_H
#define VRV_T_ACKED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { ACKED_PARTS = 4, ACKED_WAL_FILES = 4, ACKED_WAL_BYTES = 4 << 20 };

struct acked {
    _Atomic int64_t records[ACKED_PARTS]; /* acknowledged in each partition */
    atomic_bool opened;                   /* what failed, failed after that */
    _Atomic int code;                     /* of the first call that failed, or 0 */
    char message[256];
};

/* Shared with all processes that are forked from now on; lives until the last one ends. */
struct acked *acked_new(void);
/* For another directory: nothing is there. */
void acked_clear(struct acked *a);
int64_t acked_total(const struct acked *a);

/* For a forked process: open `dir` (`buffered`: varve_options' buffered_wal), append with two
 * threads until each has done `turns` batches or one has failed, close. */
void acked_append(struct acked *a, const char *dir, bool buffered, uint64_t turns);

/* Open `dir`, read everything: each partition holds records 0 to n-1, n at least what was
 * acknowledged; from now on that counts as acknowledged.  How many were wrong. */
int acked_verify(struct acked *a, const char *dir);

#endif
