/*
 * The queue that every record goes through: one order for all partitions, from append to the
 * segment files.
 *
 *   append          commit step                                  flusher
 *   ──────► queued ─────────────► in a group ─────► committed ─────────────► flushed ──► evicted
 *                    (group commit)     (device says done)     (segment has it)
 *
 * An entry is one batch of one log (or a change of its start).  Its bytes lie in a slab until the
 * entry is evicted, so that from queued to evicted tailing readers find them in memory.  The
 * commit step takes all that is queued as one group and gives it to the device; groups complete
 * in order, and each completion moves the high watermarks of its logs and posts their callers'
 * completions.  Nothing is read back from the WAL but at recovery.
 *
 * Owners are opaque here (they are logs): callbacks tell them what happened.  Threads:
 * vrv_journal_push from any, under the owner's lock; one commit step at a time; eviction by one
 * thread.  Entries leave the list only there.
 */
#ifndef VRV_WAL_JOURNAL_H
#define VRV_WAL_JOURNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base/hist.h"
#include "engine/contract/waldev.h"
#include "engine/os/clock.h"
#include "engine/os/cq.h"
#include "engine/os/lock.h"
#include "engine/tail/slab.h"
#include "engine/wal/wal_format.h"

struct vrv_journal;

/* How a caller hears of its append: fill `done.cq`, the rest is filled when it is posted. */
struct vrv_ticket {
    struct vrv_done done;
    int status;          /* 0, or VRV_E_* */
    int64_t base_offset; /* of the (first) batch */
    int64_t last_offset;
    int64_t append_ms;   /* LogAppendTime topics: the time that was stamped; else -1 */
    int64_t start;       /* the log's start then */
};

struct vrv_entry {
    struct vrv_entry *next;     /* in the journal */
    struct vrv_entry *log_next; /* of the same owner; the owner's business */
    void *owner;
    struct vrv_slab *slab;      /* one reference; NULL when there are no bytes */
    const uint8_t *bytes;
    uint64_t seq;               /* place in the one order */
    struct vrv_ticket *ticket;  /* or NULL */
    struct vrv_wal_item item;
    size_t claim;               /* WAL room of the append that it begins */
    bool sync;                  /* its group must be on stable storage before it completes */
    bool more;                  /* the next entry belongs to the same atomic append */
    _Atomic bool flushed;       /* set by the owner once it is committed and in its segment (or has
                                 * nothing to write there): needed for nothing but tail reads */
    int64_t base, last;         /* offsets; the owner's business, as is */
    uint64_t pos;               /* its place in the segment */
    int64_t seg_base;
};

struct vrv_journal_ops {
    /* Entries from first to last are committed.  As soon as an entry's owner knows, the entry may
     * be evicted: read its `next` before, and never that of `last`. */
    void (*committed)(void *ctx, struct vrv_entry *first, struct vrv_entry *last);
    /* The WAL has failed: these never will be.  Their tickets' status is set. */
    void (*failed)(void *ctx, struct vrv_entry *first, struct vrv_entry *last);
};

struct vrv_journal_opts {
    struct vrv_waldev *dev;          /* borrowed */
    struct vrv_clock *clock;         /* borrowed; NULL: syncs are not timed */
    const struct vrv_journal_ops *ops;
    void *ctx;
    uint64_t wal_id;
    uint32_t session;
    uint64_t slot, seq;              /* the first ones to use */
    size_t group_bytes;              /* stop gathering a group here; 0: the device's maximum */
};

int vrv_journal_new(struct vrv_journal **out, const struct vrv_journal_opts *o);
/* Frees every entry that is left; nothing may be in flight. */
void vrv_journal_free(struct vrv_journal **j);

/* Claim WAL room for one append of n batches with so many bytes in all.  AGAIN when there is none
 * before the next checkpoint, TOO_LARGE when no group could hold it, STOPPED or FENCED after a
 * failure. */
int vrv_journal_reserve(struct vrv_journal *j, size_t bytes, size_t n, size_t *claim,
    struct vrv_err *e) VRV_MUST_CHECK;
/* The claim is not needed after all. */
void vrv_journal_release(struct vrv_journal *j, size_t claim);
/* Put a chain of entries (linked by `next`, `last` its end) at the end of the order; uses the claim
 * made for it.  They stay together in one group.  After a failure they are refused: the
 * failed callback is called, now or by the next commit step. */
void vrv_journal_push(struct vrv_journal *j, struct vrv_entry *first, struct vrv_entry *last,
    size_t claim);
/* A chain of entries that a WAL has already, this one's at recovery or another session's at a
 * takeover.  They come before all others: their logs have nothing else in the journal. */
void vrv_journal_adopt(struct vrv_journal *j, struct vrv_entry *first, struct vrv_entry *last);

/* Group commit, one step: hand what is queued to the device if it has room for one more group, and
 * complete what is done.  True when it did something. */
bool vrv_journal_commit_step(struct vrv_journal *j);
/* Wait until there is something to commit, or wait_ms have passed, or _wake was called. */
void vrv_journal_wait(struct vrv_journal *j, int64_t wait_ms);
void vrv_journal_wake(struct vrv_journal *j);
/* Nothing that isn't committed yet will be, with that error; any thread. */
void vrv_journal_stop(struct vrv_journal *j, const struct vrv_err *e);
/* Put everything that is pushed so far on stable storage with the next group, or without one. */
void vrv_journal_want_sync(struct vrv_journal *j);

struct vrv_journal_state {
    uint64_t pushed_seq;    /* next entry's number */
    uint64_t committed_seq; /* entries below are committed */
    uint64_t durable_seq;   /* entries below are on stable storage */
    uint64_t durable_slot;  /* so are slots below */
    uint64_t groups;        /* submitted so far */
    uint64_t syncs;         /* of which on stable storage */
    uint64_t bytes;         /* of groups, with headers and padding */
    int status;             /* 0, or why it has stopped */
};
struct vrv_journal_state vrv_journal_state(struct vrv_journal *j);
int vrv_journal_error(struct vrv_journal *j, struct vrv_err *e); /* status, and its sentence */
/* How long groups took that had to be on stable storage, from their submission on. */
const struct vrv_hist *vrv_journal_syncs(const struct vrv_journal *j);

/* The oldest entry that is not evicted, NULL when there is none.  Only the evicting thread may
 * ask. */
struct vrv_entry *vrv_journal_oldest(struct vrv_journal *j);
/* Remove and free it; committed and flushed. */
void vrv_journal_evict(struct vrv_journal *j);

/* A new entry, with the memory of one that was evicted if there is any, or always with its own; and
 * giving one back that was never pushed. */
struct vrv_entry *vrv_journal_entry(struct vrv_journal *j);
struct vrv_entry *vrv_entry_new(void);
void vrv_entry_free(struct vrv_entry *en);

#endif
