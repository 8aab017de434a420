/*
 * One partition: a log of record batches.
 *
 *   start ≤ local start ≤ ... ≤ high watermark ≤ end
 *
 * start        records below it are gone (retention, delete-records)
 * local start  records below it, from the start on, are in the cold tier only
 * hw           records below it are committed by their policy and may be read
 * end          the next offset that will be given out
 *
 * Where the bytes of a batch are, in its life: a ring of journal entries (memory) until it is
 * evicted, and from the flush on also a segment.  The ring is ordered by offset, as are the
 * segments, and together they cover local start to end without a gap that wasn't there when
 * appending.  Only a durable record moves the start or the local start, before any file goes; so
 * a segment that is missing above both is damage, never taken for one that was offloaded.
 *
 * Threads: any; `lock` (rank log) guards everything that is not fixed.  The flusher alone writes
 * segments.  No lock is held over disk I/O.
 */
#ifndef VRV_LOG_LOG_H
#define VRV_LOG_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/batch/batch.h"
#include "engine/log/env.h"
#include "engine/log/epochs.h"
#include "engine/log/producers.h"
#include "engine/seg/seg.h"

enum vrv_flush_policy { VRV_FLUSH_SYNC, VRV_FLUSH_INTERVAL, VRV_FLUSH_NONE };
/* What a topic's records do on a full disk that the cold tier doesn't take. */
enum vrv_outage_policy { VRV_OUTAGE_BLOCK, VRV_OUTAGE_DROP_OLDEST, VRV_OUTAGE_EXPIRE };

/* Shared by the partitions of a topic; replaced as a whole when it changes. */
struct vrv_log_config {
    _Atomic uint32_t refs;
    enum vrv_flush_policy policy;
    int64_t flush_ms;         /* interval: sync at least so often, */
    int64_t flush_messages;   /* and after so many records */
    uint64_t segment_bytes;
    int64_t segment_ms;       /* roll at this age; INT64_MAX: never */
    int64_t segment_jitter_ms;
    uint32_t index_interval;
    int64_t retention_ms;     /* -1: keep for ever */
    int64_t retention_bytes;  /* -1: without limit */
    bool deletes;             /* else neither of the two counts */
    bool compacts;            /* a record without a key is refused */
    uint32_t batch_max;       /* largest batch in bytes */
    bool log_append_time;
    bool strict;              /* walk every record of every batch */
    int64_t ts_before_max_ms, ts_after_max_ms; /* INT64_MAX: no limit */
    bool repacks;             /* batches of another codec than this one are packed again */
    enum vrv_codec codec;
    int32_t gzip_level, lz4_level, zstd_level;
    bool tiered;              /* what becomes of its segments is the cold tier's to say, by these: */
    bool copy_disabled;       /* none go there any more */
    int64_t local_ms, local_bytes; /* -2: as retention; -1: no limit */
    int64_t lag_ms, lag_bytes;     /* -1: as these; 0: none */
    int64_t offload_age_ms;        /* -1: none; else an open segment of this age is closed for it */
    enum vrv_outage_policy outage;
    int32_t cold_level;       /* how hard zstd packs what goes there; 0: not at all */
};

struct vrv_log_config *vrv_log_config_new(const struct vrv_log_config *c);
void vrv_log_config_unref(struct vrv_log_config *c);

struct vrv_waiter;

/* Entries of a log in memory, by number; a power of two long, NULL when idle. */
struct vrv_ring {
    struct vrv_entry **v;
    uint32_t cap;
    uint64_t first, flushed, committed, end; /* entry numbers: first <= flushed <= ... */
};

enum vrv_cut_state { VRV_CUT_WANTED, VRV_CUT_FAILED, VRV_CUT_APPLIED, VRV_CUT_DONE };

/* A log that is being cut back at its end (log_cut.c). */
struct vrv_cut {
    enum vrv_cut_state state;
    struct vrv_err err; /* why it failed */
    int64_t to;        /* the end that was asked for */
    bool unseals;      /* what is kept of a segment that was sealed: the base of that */
    int64_t kept_base;
    int64_t *gone;     /* segments that are away: their files and records are to go */
    uint32_t gone_n, gone_cap;
};

struct vrv_log {
    uint32_t magic;
    _Atomic uint32_t refs;
    struct vrv_lock lock;
    struct vrv_log_env *env;
    struct vrv_log_id id;
    struct vrv_log_config *config;
    int64_t start, hw, end;
    int64_t start_next;        /* where the start will be once the journal is committed */
    int64_t gap, begin;        /* of one that came back: nothing is in between, and what the WAL has of
                                * lower offsets is of its life before */
    int64_t local, local_next; /* what lies below was dropped here for good: the cold tier has it, */
    int64_t lost, lost_end;    /* ... but for what was given up, once that was dropped, too: */
    int64_t lost_below;        /* memory, which may still have it, isn't read below this */
    bool refuses;              /* appends, since the cold tier doesn't take what is here */
    int64_t ceiling;           /* offsets below it may be given out without being durable (L1) */
    int32_t epoch;             /* of the metastore; stamped on batches */
    _Atomic bool gone;         /* deleted, or not ours any more */
    struct vrv_epochs epochs;
    struct vrv_producers *producers;
    struct vrv_seg **segs;     /* ascending; the last may be open */
    uint32_t seg_n, seg_cap;
    struct vrv_ring ring;
    uint64_t unflushed;        /* committed bytes that no segment has */
    uint64_t state_seq;        /* recovery: entries below it are in the checkpointed state, */
    int64_t replay_base;       /* and the next one goes to this segment (-1: a new one), */
    uint64_t replay_pos;       /* here */
    uint64_t seq_end;          /* one past its newest journal entry */
    uint64_t batches, records, batch_bytes; /* appended since it was opened */
    uint64_t tell_at;          /* when batch_bytes is as large it has changed; UINT64_MAX: never */
    _Atomic uint64_t read_bytes; /* given to readers, as they tell it: vrv_log_note_read */
    _Atomic uint64_t cold_reads, cold_bytes, cold_errors; /* answers of the cold tier */
    int64_t unsynced;          /* records since the last group that was to be synced (interval) */
    struct vrv_list waiters;
    struct vrv_cut *cut;       /* NULL, but while it is being truncated */
    struct vrv_list touched_link, flush_link, change_link; /* guarded by env->lock */
    bool touched;              /* guarded by lock: is it in env->touched? */
    void *face;                /* the library's handle for it; the library's business */
    bool seals_pending;        /* a closed segment waits for its footer */
};

/* A log that never held anything, starting at offset 0. */
struct vrv_log *vrv_log_new(struct vrv_log_env *env, const struct vrv_log_id *id,
    struct vrv_log_config *config, int32_t epoch);
/* Before anything else happens to it: what lies between start and gap is in the cold tier, and it goes on at
 * end.  What the WAL has of lower offsets is not its own. */
void vrv_log_begin(struct vrv_log *log, int64_t start, int64_t gap, int64_t end);
struct vrv_log *vrv_log_ref(struct vrv_log *log);
/* The last one frees it; nothing of it may be in the journal then.  NULL is fine; clears it. */
void vrv_log_unref(struct vrv_log **log);
void vrv_log_set_config(struct vrv_log *log, struct vrv_log_config *config);
/* A new epoch from the metastore; what is appended from now on carries it. */
void vrv_log_set_epoch(struct vrv_log *log, int32_t epoch);

/* Producers that one partition remembers at most.  As bytes they must fit into the one value that a
 * checkpoint keeps of a log, and leave room there. */
enum { VRV_LOG_PRODUCERS_MAX = 5000, VRV_LOG_PRODUCERS_MIN = 5 };

/* Forget producers whose newest record is older. */
void vrv_log_expire_producers(struct vrv_log *log, int64_t before_ms);

/* Those that it remembers, in order of id; fn runs under the log's lock. */
int vrv_log_each_producer(struct vrv_log *log, vrv_producer_fn *fn, void *ctx);

struct vrv_log_offsets {
    int64_t start, local_start, hw, end;
    int64_t stable; /* below it no transaction is open */
    int64_t gap, gap_end; /* there is nothing in between, and never was in this life */
    int32_t epoch;
    uint64_t bytes; /* in segments */
    uint32_t segments;
};
struct vrv_log_offsets vrv_log_offsets(struct vrv_log *log);

/* What came and went since the log was opened. */
struct vrv_log_traffic {
    uint64_t batches, records, bytes; /* appended, repetitions not counted */
    uint64_t read_bytes;
    uint64_t cold_reads, cold_bytes, cold_errors; /* asked of the cold tier; what came; what failed */
};
struct vrv_log_traffic vrv_log_traffic(struct vrv_log *log);
/* So many bytes were handed to who asked for them. */
void vrv_log_note_read(struct vrv_log *log, uint64_t bytes);
/* The cold tier has answered: bytes, or an error. */
void vrv_log_note_cold(struct vrv_log *log, uint64_t bytes, bool failed);

/* OffsetForLeaderEpoch: the largest epoch <= `epoch` and where it ends, as in vrv_epochs_end_of.
 * The log's own epoch counts also while it has no records; epochs are kept from the start on, also
 * where records are cold. */
void vrv_log_epoch_end(struct vrv_log *log, int32_t epoch, int32_t *found, int64_t *end);
/* Which epoch wrote the record at `offset`; -1 when unknown. */
int32_t vrv_log_epoch_at(struct vrv_log *log, int64_t offset);

/* ---- append (log_append.c) ---- */

struct vrv_append {
    struct vrv_log *log;
    struct vrv_slab *slab;   /* holds the bytes; the log takes its own reference */
    uint8_t *bytes;          /* one batch; its header is stamped in place */
    size_t n;
    int32_t leader_epoch;    /* what the caller believes: EPOCH_OLD or EPOCH_NEW when wrong; -1:
                              * doesn't care */
    bool internal;           /* not from a client: control batches are allowed */
    bool may_repack;         /* the caller has time for that; else SLOW where the topic asks for it */
    struct vrv_blame *blame; /* is told of records at fault; may be NULL */
    int64_t base_offset;     /* the result */
};

/* Append one batch to each of n different logs: all or nothing, also over a crash.  When it
 * returns 0, `t` will be posted to t->done.cq once everything is durable under the policies of its
 * logs (or the WAL fails); otherwise nothing happened, t is not posted, and *failed (may
 * be NULL) is the part at fault.
 * Errors: those of vrv_batch_check; PRODUCER, SEQUENCE; EPOCH_OLD, EPOCH_NEW; NOTFOUND (the log is
 * gone); SLOW (see may_repack); AGAIN (memory or WAL full for now); NOSPACE; STOPPED, FENCED. */
int vrv_log_append(struct vrv_append *parts, size_t n, struct vrv_ticket *t, size_t *failed,
    struct vrv_err *e) VRV_MUST_CHECK;

/* Does retention ever delete records of it: cleanup.policy has "delete". */
bool vrv_log_deletes(struct vrv_log *log);
/* Is `codec` what it packs batches with that come differently? */
bool vrv_log_packs_with(struct vrv_log *log, enum vrv_codec codec);

/* Move the start to `offset` (at most hw: RANGE; -1 means hw).  Posted when durable. */
int vrv_log_set_start(struct vrv_log *log, int64_t offset, struct vrv_ticket *t,
    struct vrv_err *e) VRV_MUST_CHECK;
/* The cold tier has all from the start up to `offset`, verified and for good, but for what it has said
 * that is lost (vrv_log_set_lost): local segments
 * wholly below it may go, and will, once that is durable and posted; the local start moves to the
 * first offset of what stays.  RANGE unless all below is sealed; INVALID without a cold tier. */
int vrv_log_drop_local(struct vrv_log *log, int64_t offset, struct vrv_ticket *t,
    struct vrv_err *e) VRV_MUST_CHECK;
/* Close the open segment, so that it gets sealed; nothing happens when it is empty. */
void vrv_log_roll(struct vrv_log *log);
/* What closes a segment that is being written to. */
enum vrv_log_closer {
    VRV_CLOSER_BYTES,     /* segment.bytes alone, */
    VRV_CLOSER_MS,        /* ... or segment.ms, */
    VRV_CLOSER_MAX_AGE,   /* ... or varve.offload.max.age.ms, */
    VRV_CLOSER_RETENTION, /* ... or retention.ms: all of it is too old */
};
struct vrv_log_closing {
    int64_t ms;           /* when (wall clock), at the latest; INT64_MAX: no time is known */
    uint64_t more;        /* ... or that many bytes later */
    enum vrv_log_closer by;
};
/* When the open segment is closed with these settings, if nothing more comes; false: none is open that has anything. */
bool vrv_log_closing(struct vrv_log *log, const struct vrv_log_config *c, struct vrv_log_closing *out);
/* Roll when the open segment is older than its age limit, or all that it holds may be deleted. */
void vrv_log_roll_if_old(struct vrv_log *log, int64_t now_ms);

/* Called by the journal's callbacks: entries first to last belong to this log. */
void vrv_log_committed(struct vrv_log *log, struct vrv_entry *first, struct vrv_entry *last);

/* ---- truncation (log_cut.c) ----
 *
 * What a log holds at and behind an offset goes, for good: where its ownership was lost, and the
 * new owner never saw it.  It is done as part of a checkpoint, and until then nothing can be
 * appended. */

/* 0: the log ends at or below `offset`, durably.  Else it is set going (*begun), or on its way:
 * AGAIN, ask again behind the next checkpoint; only who has heard of the end lets appends go on.  A
 * batch that `offset` lies within goes as a whole.  RANGE below the start; CORRUPT, IO, NOMEM when
 * the segment that is to be cut can't be read, nothing is changed then; NOTFOUND. */
int vrv_log_truncate(struct vrv_log *log, int64_t offset, bool *begun, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Is it to be cut?  Nothing is appended from then on. */
bool vrv_log_is_cut(struct vrv_log *log);
/* All is committed, written and synced: cut it, in memory; *out is the state that goes with it.
 * Done again it gives the same.  False: it failed, the log is as it was. */
bool vrv_log_cut(struct vrv_log *log, uint8_t **out, size_t *n);
/* The bases of the segments that are away (malloc'd; *n is 0 for none). */
void vrv_log_capture_gone(const struct vrv_log *log, uint8_t **out, size_t *n);
/* They were away when the engine stopped: their records don't count.  Before all other restores. */
int vrv_log_restore_gone(struct vrv_log *log, const uint8_t *in, size_t n, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Their files and records are deleted. */
void vrv_log_cut_done(struct vrv_log *log);
/* Nobody is going to ask. */
void vrv_log_cut_forget(struct vrv_log *log);

/* ---- to the segments (log_flush.c); flusher only ---- */

/* Write committed entries to segments, footers behind closed ones.  upto_seq: at least those below
 * it.  NOSPACE: nothing torn, try again. */
int vrv_log_flush(struct vrv_log *log, struct vrv_err *e) VRV_MUST_CHECK;
/* The oldest entry in memory is flushed: forget it. */
void vrv_log_evict_first(struct vrv_log *log, const struct vrv_entry *en);
/* Segments wholly below the local start leave the log; the caller deletes their files and unrefs.
 * Returns one or NULL. */
struct vrv_seg *vrv_log_take_dead(struct vrv_log *log);
/* Where retention by time and size would put the start. */
int64_t vrv_log_retention_start(struct vrv_log *log, int64_t now_ms);

/* ---- for who moves segments away (log_tier.c) ---- */

/* A segment on this disk. */
struct vrv_log_seg {
    int64_t base, next;
    uint64_t size;
    int64_t max_ts, last_ms; /* of its records, as far as it is known; of its last append */
    bool sealed;
    int64_t created_ms;      /* of its first append */
};
/* All of them, oldest first (malloc'd; NULL: none). */
struct vrv_log_seg *vrv_log_segs(struct vrv_log *log, uint32_t *n);
/* The sealed segment that begins at `base`: a reference; NULL: there is none. */
struct vrv_seg *vrv_log_sealed(struct vrv_log *log, int64_t base);
/* The settings in force: a reference. */
struct vrv_log_config *vrv_log_config_ref(struct vrv_log *log);
/* cold_level of these. */
int vrv_log_cold_level(struct vrv_log *log);
/* Who reads it next is to have it from files, or even from the disk: what the page cache has of its segments
 * goes.  False: some of it is in memory yet, or on its way to the disk (vrv_engine_forget). */
bool vrv_log_forget(struct vrv_log *log, bool pages);

/* What lies between is in no tier, once the local start is behind it: who reads goes on there.  The tier
 * has said so durably, and says it again after each start. */
void vrv_log_set_lost(struct vrv_log *log, int64_t from, int64_t to);
/* Refuse appends with NOSPACE, or do so no more.  True: that is a change. */
bool vrv_log_set_refuses(struct vrv_log *log, bool refuses);

/* Tell the cold tier, if there is one, that something has changed; with log->lock or without. */
void vrv_log_note_change(struct vrv_log *log);
/* One of the logs of which something has changed since it was last taken: a segment was sealed or went, a
 * start moved, settings are others, it was cut back or deleted, it came back with what is cold; or as much
 * was appended as it was to tell.  A reference; NULL: there is none.  Nothing is noted without a cold
 * tier. */
struct vrv_log *vrv_log_take_changed(struct vrv_log_env *env);
/* It has changed when so much was appended since it was opened, too (`bytes` of vrv_log_traffic); once,
 * and what was said before doesn't hold any more. */
void vrv_log_tell_at(struct vrv_log *log, uint64_t bytes);

/* ---- waiting for records (log_wait.c) ---- */

struct vrv_waiter {
    struct vrv_done done;    /* done.cq is the caller's to set, the rest ours until it is posted */
    struct vrv_list link;    /* of the log's waiters */
    struct vrv_waiter *next; /* that is posted with it */
    struct vrv_log *log;
    int64_t offset;
    uint64_t min_bytes, have;
    struct vrv_timer timer;
    int status;              /* 0: enough is there; TIMEDOUT; CANCELLED; NOTFOUND; RANGE: the log
                              * was cut back, look again */
};

/* Post w when at least min_bytes are committed at and after `offset` (at once if so now), or at the
 * deadline (of the monotonic clock; INT64_MAX: none), or when the log goes away or is cut. */
void vrv_log_wait(struct vrv_log *log, struct vrv_waiter *w, int64_t offset, uint64_t min_bytes,
    int64_t deadline_ns);
/* Post it now with CANCELLED, unless it is posted already.  w must not have been taken from its
 * queue yet. */
void vrv_log_wait_cancel(struct vrv_log *log, struct vrv_waiter *w);
/* Post those whose deadline has come; the next deadline, or INT64_MAX. */
int64_t vrv_log_expire_waiters(struct vrv_log_env *env, int64_t now_ns);
/* The log is deleted or lost: no more appends, its waiters are posted with NOTFOUND. */
void vrv_log_retire(struct vrv_log *log);

/* ---- state for the checkpoint (log_state.c) ----
 *
 * Three kinds of values, each replaced as a whole: the log's state, as it goes with the entries
 * below some number; its segments that aren't sealed, as far as they are written; and one
 * record per sealed segment. */

/* The next checkpoint keeps its state. */
void vrv_log_touch(struct vrv_log *log);
/* The state that goes with all entries below *seq (malloc'd); clears `touched`. */
void vrv_log_capture(struct vrv_log *log, uint8_t **out, size_t *n, uint64_t *seq);
/* The segments that aren't sealed (malloc'd).  All that they hold must be durable in the WAL or
 * below the captured state by the time this is kept. */
void vrv_log_capture_open(struct vrv_log *log, uint8_t **out, size_t *n);
enum { VRV_SEG_RECORD = 92 };
void vrv_seg_record(const struct vrv_seg *s, uint8_t out[VRV_SEG_RECORD]);

/* Fill a new log: sealed segments first, in ascending order, then the open ones, then the state.
 * CORRUPT or VERSION. */
int vrv_log_restore_sealed(struct vrv_log *log, const uint8_t *in, size_t n, struct vrv_err *e)
    VRV_MUST_CHECK;
int vrv_log_restore_open(struct vrv_log *log, const uint8_t *in, size_t n, struct vrv_err *e)
    VRV_MUST_CHECK;
int vrv_log_restore_state(struct vrv_log *log, const uint8_t *in, size_t n, struct vrv_err *e)
    VRV_MUST_CHECK;
/* An entry that the WAL had: item, slab, bytes and seq are set.  seq_end: where that leaves the log
 * in this session's own order, 0 when it is another session's entry.  1: the log keeps it, adopt
 * it; 0: it holds nothing new.  CORRUPT when it doesn't follow. */
int vrv_log_replay(struct vrv_log *log, struct vrv_entry *en, uint64_t seq_end, struct vrv_err *e)
    VRV_MUST_CHECK;
/* All is replayed: check that the log is whole.  lossy_stop: the last stop was not clean, so a log
 * that had promised offsets goes on above its ceiling, whatever its policy is now.  True in
 * *skipped when it did. */
int vrv_log_recovered(struct vrv_log *log, bool lossy_stop, bool *skipped, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
