/*
 * The engine: all logs of one data directory, and what keeps them going.
 *
 *   <dir>/FORMAT        "varve data directory, format 1"
 *   <dir>/LOCK          held while open
 *   <dir>/meta/         the catalog: topics, partitions, epochs (metadata log)
 *   <dir>/checkpoint/   what each log looked like at the last checkpoint (a metadata log, too)
 *   <dir>/wal/          write-ahead log
 *   <dir>/log/ab/<topic id>.<partition>/<base offset>.{log,index}
 *
 * All work in the background is a step that somebody calls: threads in production
 * (varve.c), a test's scheduler by seed otherwise.  commit, flush and checkpoint steps may run at
 * the same time as anything else, but flush, checkpoint and tend steps on one thread only (the
 * flusher), commit on one thread, and sync on one.
 */
#ifndef VRV_ENGINE_H
#define VRV_ENGINE_H

#include "engine/log/log.h"
#include "engine/log/topic_config.h"
#include "engine/meta/catalog.h"

struct vrv_engine;

struct vrv_engine_opts {
    struct vrv_vfs *vfs;        /* borrowed */
    struct vrv_clock *clock;    /* borrowed */
    uint64_t random;            /* unpredictable in production, a seed in tests */
    size_t memory_bytes;        /* for record bytes; at least the WAL's size */
    unsigned wal_files;
    size_t wal_file_bytes;
    size_t wal_fill_first;      /* zero-filled at creation, the rest by vrv_engine_prepare_step */
    bool wal_direct;            /* write it past the page cache, if possible */
    bool wal_probe;             /* ... and if that turns out to be faster */
    size_t group_bytes;         /* largest group commit wished for; 0: as large as possible */
    size_t flush_bytes;         /* write a log's segment when so much waits */
    unsigned sync_ahead_logs;   /* a checkpoint that has written so many begins to sync them */
    unsigned open_files_max;
    int64_t checkpoint_ms;      /* at least so often while something changed */
    int64_t producer_expiry_ms; /* forget producers whose newest record is as old */
    uint64_t producers_max;     /* remember about so many, in all partitions together */
    uint64_t disk_reserve_bytes; /* with less free, appends are refused */
    struct vrv_metastore *meta;  /* borrowed, for topics and epochs; NULL: this directory's own */
    struct vrv_wal_opener *wal;  /* borrowed; NULL: files in this directory */
    struct vrv_cold *cold;       /* borrowed; NULL: there is no cold tier */
    bool restoring;              /* who makes the directory anew: it may be not whole yet (restore.h) */
    void (*flush_wanted)(void *ctx); /* wake the flusher; may be NULL, as the next one */
    void (*sync_wanted)(void *ctx);  /* wake who runs vrv_engine_sync_step */
    void *ctx;
};

void vrv_engine_opts_default(struct vrv_engine_opts *o);

/* What opening found. */
struct vrv_recovery {
    bool clean;              /* the last stop was clean */
    uint64_t replayed;       /* entries taken from the WAL */
    uint64_t replayed_bytes;
    uint64_t cut_groups;     /* torn off the end of the WAL */
    uint64_t rewritten;      /* groups written again since nothing proved them durable */
    uint64_t catalog_cut_bytes; /* torn off the end of its metadata log */
    uint64_t states_cut_bytes;  /* and of that of checkpoints */
    uint64_t logs;
    uint64_t skipped_logs;   /* lossy ones that go on above their ceiling, in a new epoch */
};

/* Make or open a data directory and recover it.  Errors: LOCKED, VERSION, FOREIGN, CORRUPT,
 * READONLY, NOSPACE, IO; nothing is changed by the first four, but that torn ends of the metadata
 * logs are cut. */
int vrv_engine_open(struct vrv_engine **out, const struct vrv_engine_opts *o,
    struct vrv_recovery *found, struct vrv_err *e) VRV_MUST_CHECK;
/* Checkpoint and mark the stop as clean, by running the steps; then free.  The result says
 * whether that worked; everything is freed anyway.  Nobody may wait for a fetch any more. */
int vrv_engine_close(struct vrv_engine **eng, struct vrv_err *e);
/* Free without a word to the disk, as a crash would. */
void vrv_engine_abandon(struct vrv_engine **eng);

struct vrv_catalog *vrv_engine_catalog(struct vrv_engine *eng);
struct vrv_log_env *vrv_engine_env(struct vrv_engine *eng);

/* NULL when there is no such partition.  Lives until the topic is deleted or the engine closed. */
struct vrv_log *vrv_engine_log(struct vrv_engine *eng, const struct vrv_log_id *id);

/* The same with a reference, to be given back with vrv_log_unref before the engine is closed: when
 * the topic is deleted meanwhile, its calls fail with NOTFOUND. */
struct vrv_log *vrv_engine_log_ref(struct vrv_engine *eng, const struct vrv_log_id *id);

/* Durable when they return 0.  Configuration keys and values are Kafka's (topic_config.h).  Any
 * thread; of calls that race for one topic the outcome is that of one after the other.
 * Errors: EXISTS, NOTFOUND, INVALID (which changes nothing), and the metastore's. */
int vrv_engine_create_topic(struct vrv_engine *eng, const char *name, int32_t partitions,
    const struct vrv_config_kv *configs, size_t config_n, struct vrv_uuid *id, struct vrv_err *e)
    VRV_MUST_CHECK;
int vrv_engine_delete_topic(struct vrv_engine *eng, const char *name, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Change some of a topic's settings, the others stay; a NULL value: back to the default.  In force
 * for what is appended after it returned.  What a lossy flush.policy before has acknowledged is as
 * lossy as it was until the next commit, which syncs. */
int vrv_engine_alter_topic(struct vrv_engine *eng, const char *name,
    const struct vrv_config_kv *changes, size_t n, struct vrv_err *e) VRV_MUST_CHECK;
/* More partitions; as many or fewer are INVALID. */
int vrv_engine_grow_topic(struct vrv_engine *eng, const char *name, int32_t partitions,
    struct vrv_err *e) VRV_MUST_CHECK;
/* What topics have that set nothing of their own: each of the n, and topic_options.def's for the
 * others.  In force at once, for all topics.  Not kept: until it is called topic_options.def's
 * hold, so call it before the first step of an engine that was opened.  INVALID changes nothing. */
int vrv_engine_set_defaults(struct vrv_engine *eng, const struct vrv_config_kv *v, size_t n,
    struct vrv_err *e) VRV_MUST_CHECK;
/* All settings of a topic in order of key, or (name NULL) what a new one has by default.  The
 * setting is borrowed for the call; not zero stops and is returned.  NOTFOUND. */
typedef int vrv_setting_fn(void *ctx, const struct vrv_setting *s);
int vrv_engine_describe_topic(struct vrv_engine *eng, const char *name, vrv_setting_fn *fn,
    void *ctx, struct vrv_err *e) VRV_MUST_CHECK;

/* Take over: apply one group of another session's WAL to the partitions that this engine has
 * (others' entries are passed over).  Those partitions must be idle here, groups come in order, and
 * a checkpoint must be completed before these partitions take appends: nothing of what was replayed
 * is in this engine's own WAL.
 * Runs on the flusher's thread.  CORRUPT when the group doesn't follow what is there. */
int vrv_engine_replay(struct vrv_engine *eng, const uint8_t *group, size_t n, struct vrv_err *e)
    VRV_MUST_CHECK;

/* Cut a partition back to `offset`, as where another owner has gone on without what lies behind it.
 * AGAIN: it is on its way, ask again; a checkpoint does it, and appends are refused with AGAIN
 * until this has returned 0: done, durably, or the log doesn't reach beyond `offset`.  Errors:
 * those of vrv_log_truncate; STOPPED.  Any thread. */
int vrv_engine_truncate(struct vrv_engine *eng, const struct vrv_log_id *id, int64_t offset,
    struct vrv_err *e) VRV_MUST_CHECK;

/* An append found no room (AGAIN): post `d` when there may be some, after 20 ms at most where the
 * flusher's steps are called as often.  Any thread; not while the engine is being closed. */
void vrv_engine_wait_room(struct vrv_engine *eng, struct vrv_done *d);

/* Steps.  True when something was done and more may be to do at once. */
bool vrv_engine_commit_step(struct vrv_engine *eng);
bool vrv_engine_flush_step(struct vrv_engine *eng);
/* One phase of a checkpoint; begins one when it is due. */
bool vrv_engine_checkpoint_step(struct vrv_engine *eng);
/* Sync what a checkpoint under way has written so far, if that is much; any one thread, so that the
 * flusher needn't wait for the disk in between. */
bool vrv_engine_sync_step(struct vrv_engine *eng);
/* Fill the WAL with zeros, a bit further.  1; 0: it is full to the end, for good; negative: not
 * now, for want of space say. */
int vrv_engine_prepare_step(struct vrv_engine *eng);
/* What happens by time: rolls by age, retention, expiry of producers, interval syncs, free space.
 * For every log: call it every second or so. */
void vrv_engine_tend_step(struct vrv_engine *eng);
/* Post waiters whose deadline has come, end such fetches, and ask for the sync that flush.ms wants;
 * when to look again (monotonic ns). */
int64_t vrv_engine_expire_step(struct vrv_engine *eng);

/* From now on nobody waits for the cold tier, since the server stops: who does, or would, is told CANCELLED. */
void vrv_engine_stop_fetches(struct vrv_engine *eng);

/* Begin a checkpoint at the next step, whether due or not; how many have been completed. */
void vrv_engine_want_checkpoint(struct vrv_engine *eng);
uint64_t vrv_engine_checkpoints(struct vrv_engine *eng);
/* What was appended so far leaves memory, of all logs, as if there were no room for it, and a checkpoint
 * puts it on the disk: soon, and later readers find it there (vrv_log_forget).  For measurements. */
void vrv_engine_forget(struct vrv_engine *eng);
/* 0, or why appends are refused for good. */
int vrv_engine_error(struct vrv_engine *eng, struct vrv_err *e);
/* May appends go on?  NOSPACE when the disk is too full. */
int vrv_engine_may_append(struct vrv_engine *eng, struct vrv_err *e) VRV_MUST_CHECK;

/* Bytes free on its file system when it was last tended; UINT64_MAX: nobody knows. */
uint64_t vrv_engine_disk_free(struct vrv_engine *eng);

/* How it does, as numbers of one moment; counts are since the start. */
struct vrv_engine_stats {
    uint64_t batches, records, bytes;        /* appended to all logs, repetitions not counted */
    uint64_t wal_groups, wal_syncs, wal_bytes; /* group commits, those that were synced */
    uint64_t wal_used, wal_capacity;         /* bytes */
    uint64_t memory_used, memory_free, memory_budget; /* slabs: referred to, kept for reuse */
    uint64_t unflushed_bytes;                /* committed, and in no segment yet */
    uint64_t checkpoints;
    uint64_t logs, producers, producers_max, open_files, open_files_max;
    uint64_t disk_free, disk_reserve;        /* bytes */
    bool disk_full;                          /* appends are refused for that */
    uint64_t cold_reads;                     /* under way */
    struct vrv_hist_view sync_times, checkpoint_times;
};
/* Any thread.  Asks the file system for its free space, which may take a while. */
void vrv_engine_stats(struct vrv_engine *eng, struct vrv_engine_stats *s);

#endif
