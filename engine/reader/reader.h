/*
 * One way to read a log, wherever its bytes are.
 *
 * A read plans under the log's lock and yields slices, which hold references and need no
 * lock: bytes from the cold tier (the oldest), a range of a segment file (for sendfile, or to be
 * read), or bytes in memory (the newest batches).  Only committed batches are given out.  A slice of
 * bytes holds whole batches; a range may end within a batch, as Kafka's fetch allows, but then it is
 * the last one, and never the first batch of all.
 *
 *   cold ─► segment ─► segment ─► ... ─► memory      one read goes on from one to the next while there
 *                                                    is room, and ends before what isn't at hand
 *
 * Where this disk's copy of the first records is damaged, can't be read or was cut, and the cold tier has them,
 * they are cold: consumers neither stop at a bad sector that there is a copy of, nor pass over it.
 *
 * Threads: any.  Nothing waits for a store: what isn't in the cold tier's memory is to be fetched
 * (fetch.h).  With VRV_READ_NOWAIT nothing waits for a disk either: AGAIN says that it would have to,
 * and somebody who may wait is to ask again without.
 */
#ifndef VRV_READER_READER_H
#define VRV_READER_READER_H

#include "engine/contract/cold.h"
#include "engine/log/log.h"

enum vrv_slice_kind { VRV_SLICE_MEMORY, VRV_SLICE_FILE, VRV_SLICE_COLD };

struct vrv_slice {
    enum vrv_slice_kind kind;
    size_t n;
    const uint8_t *bytes;    /* memory and cold: valid until _fini */
    struct vrv_slab *slab;   /* memory: a reference */
    struct vrv_seg *seg;     /* file: a reference, */
    uint64_t pos;            /* and where in it */
    struct vrv_cold_bytes *cold;
};

enum { VRV_READ_SLICES = 64 };

struct vrv_read {
    /* what is wanted */
    int64_t offset;
    size_t max_bytes;
    bool whole_first;        /* the first batch comes whole, even if it is larger than max_bytes */
    bool aborted;            /* slices from the cold tier say which transactions were aborted */
    unsigned flags;          /* VRV_READ_NOWAIT */
    bool elsewhere;          /* not from this disk, whose copy is damaged, but from the cold tier; also found: e
                              * says what is wrong with it, whatever is returned */
    /* what was found */
    struct vrv_slice slice[VRV_READ_SLICES];
    uint32_t slice_n;
    size_t bytes;
    bool more;               /* what was found doesn't reach up to hw */
    int64_t start, hw, end, stable; /* as in vrv_log_offsets */
};

/* The records at this offset are in the cold tier only, and not in its memory: vrv_fetch, with this
 * very struct. */
enum { VRV_READ_COLD = 1 };

/* 0, perhaps with no slices: nothing at or behind offset is committed, or the first batch is too
 * large.  What is wrong behind the first slice is told by the next read.  VRV_READ_COLD.  RANGE: offset below start or above end.  NOTFOUND: the log is gone.
 * AGAIN, CORRUPT, IO (also when it would be cold, and the engine has no cold tier). */
int vrv_read(struct vrv_log *log, struct vrv_read *r, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_read_fini(struct vrv_read *r);
/* Give back all slices but the first n: what they had is left to the next read. */
void vrv_read_cut(struct vrv_read *r, uint32_t n);
/* Give back what one slice refers to, where it was taken from its read. */
void vrv_slice_fini(struct vrv_slice *s);

/* Turn file ranges into memory, without leaving them in the page cache, and check them: what slices hold are
 * whole batches then, with the right checksums.  What left this disk since it was read is read again.
 * Returns as vrv_read does; or, without any slice, NOMEM when the budget of slabs is used up (over: go past
 * it, for who is bounded otherwise). */
int vrv_read_load(struct vrv_log *log, struct vrv_read *r, bool over, struct vrv_err *e) VRV_MUST_CHECK;

/* Did a read fail since the records on this disk are damaged, can't be read or are missing? */
static inline bool
vrv_read_is_damage(int rc)
{
    return rc == VRV_E_CORRUPT || rc == VRV_E_IO || rc == VRV_E_FOREIGN;
}

/* A record that was looked up by its time; offset -1: there is none. */
struct vrv_read_found {
    int64_t offset, timestamp;
};

/* As a deadline: what needs the cold tier isn't waited for, but AGAIN. */
enum { VRV_READ_NOT_COLD = 0 };

/* First record with a timestamp >= ts.  Reads and unpacks what it must, and waits for the cold
 * tier, up to the deadline (TIMEDOUT; INT64_MAX: none): not for a thread that mustn't wait. */
int vrv_read_time(struct vrv_log *log, int64_t ts, int64_t deadline_ns,
    struct vrv_read_found *found, struct vrv_err *e) VRV_MUST_CHECK;
/* The record with the largest timestamp (the first such); none when the log is empty. */
int vrv_read_max_time(struct vrv_log *log, int64_t deadline_ns, struct vrv_read_found *found,
    struct vrv_err *e) VRV_MUST_CHECK;
/* One past the newest offset that the cold tier has; NOTFOUND: it has none.  What it must load first is
 * waited for likewise. */
int vrv_read_cold_next(struct vrv_log *log, int64_t deadline_ns, int64_t *next, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
