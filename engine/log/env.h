/* What all logs of one engine share. */
#ifndef VRV_LOG_ENV_H
#define VRV_LOG_ENV_H

#include <stdatomic.h>

#include "engine/base/heap.h"
#include "engine/base/list.h"
#include "engine/os/clock.h"
#include "engine/os/files.h"
#include "engine/os/lock.h"
#include "engine/tail/slab.h"
#include "engine/wal/journal.h"

struct vrv_cold;
struct vrv_fetches;

struct vrv_log_env {
    struct vrv_clock *clock;
    struct vrv_files *files;
    struct vrv_slab_pool *pool;
    struct vrv_journal *journal;
    struct vrv_cold *cold;     /* what left this disk; NULL: nothing may */
    struct vrv_fetches *fetches; /* what it was asked for; the reader's */
    size_t flush_bytes;        /* a log with so much unwritten is written at once */
    uint64_t flushed_seq;      /* entries written to segments are below it; the flusher's */
    uint64_t seed;             /* spreads the age at which segments roll */

    struct vrv_lock lock;      /* rank lists; guards what follows */
    /* Lists of logs, with a reference to each. */
    struct vrv_list touched;   /* they changed since their last checkpoint */
    struct vrv_list flushable; /* they have flush_bytes or more to write */
    struct vrv_list changed;   /* what the cold tier goes by is another now; empty without one */
    struct vrv_heap waits;     /* deadlines of waiters */
    void (*flush_wanted)(void *ctx); /* called when flushable gets its first member */
    void *ctx;

    /* When records of flush.policy=interval must be on stable storage: monotonic ns, or
     * INT64_MAX. */
    _Atomic int64_t sync_due_ns;

    _Atomic uint64_t producers; /* that all logs remember */
    uint64_t producers_max;     /* above it, who needs another one forgets some */

    _Atomic bool wal_full; /* an append found no room in the WAL: a checkpoint is due */
    /* Since the start, of all logs; repetitions are not counted. */
    _Atomic uint64_t appended_bytes, appended_batches, appended_records;
    _Atomic uint64_t unflushed_bytes; /* committed, and in no segment yet */
};

#endif
