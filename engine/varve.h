/*
 * libvarve: a tiered-storage log as a library.
 *
 * A data directory holds topics; a topic has partitions; a partition is a log of records with
 * ascending offsets.  What was appended and acknowledged is on stable storage (flush.policy=sync,
 * the default) and survives kill -9 and power loss.
 *
 * Ownership: what a call returns through a pointer belongs to the caller, who gives it back with
 * the call named there; arguments are borrowed for the call only.  Threads: every function may
 * be called from any thread, except that a cursor or a queue being closed, and a
 * varve being closed, must not be in use.  Errors: 0 or more is success; a failure is one of the
 * negative VARVE_E_* codes, and *e (which may be NULL) then holds the code and one
 * sentence that says what is wrong.  More in varve(3).
 */
#ifndef VARVE_H
#define VARVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct varve;
struct varve_log;
struct varve_cursor;
struct varve_queue;

struct varve_error {
    int code;
    int sys; /* errno where there was one */
    char message[248];
};

enum varve_code {
    VARVE_E_IO = -1,         /* input or output failed */
    VARVE_E_CORRUPT = -2,    /* data failed a check; nothing of it was served */
    VARVE_E_NOSPACE = -3,    /* the disk is full: reads go on, appends do when there is space */
    VARVE_E_NOMEM = -4,
    VARVE_E_RANGE = -5,      /* offset outside the log */
    VARVE_E_INVALID = -6,    /* an argument or setting that can't be */
    VARVE_E_AGAIN = -7,      /* memory or write-ahead log full for the moment */
    VARVE_E_EXISTS = -8,
    VARVE_E_NOTFOUND = -9,
    VARVE_E_LOCKED = -10,    /* the data directory is in use by another process */
    VARVE_E_VERSION = -11,   /* the data directory is of a newer version */
    VARVE_E_FOREIGN = -12,   /* a file is missing, or one does not belong */
    VARVE_E_READONLY = -13,
    VARVE_E_STOPPED = -14,   /* a sync failed: close, and open again to recover */
    VARVE_E_SEQUENCE = -18,  /* idempotent producers: sequence out of order */
    VARVE_E_PRODUCER = -19,  /* idempotent producers: epoch too old */
    VARVE_E_BATCH = -20,     /* the batch is malformed */
    VARVE_E_BATCH_DAMAGED = -21, /* ... or damaged: checksum, length or format are wrong */
    VARVE_E_TOO_LARGE = -22,
    VARVE_E_TIMESTAMP = -23,
    VARVE_E_CODEC = -24,
    VARVE_E_TIMEDOUT = -28,
    VARVE_E_SEGMENT = -31,   /* the batch is larger than segment.bytes */
};

/* A static sentence for a code, never NULL. */
const char *varve_strerror(int code);
/* "0.1.0" */
const char *varve_version(void);

/* ---- a data directory ---- */

struct varve_options {
    size_t memory_bytes;         /* bound on memory for records (default 512 MiB); when it is all in
                                  * use, a cursor has one batch beyond it */
    size_t wal_bytes;            /* size of the write-ahead log; only when it is made (384 MiB) */
    unsigned open_files;         /* at most so many data files open (half of ulimit -n) */
    int64_t checkpoint_ms;       /* at least one checkpoint in this time under load (30 s) */
    uint64_t disk_reserve_bytes; /* refuse appends when less is free (256 MiB) */
    int64_t producer_expiry_ms;  /* forget idempotent producers this long after their newest
                                  * record's time (a day) */
    uint64_t producers_max;      /* remember about so many (250,000; 5,000 in a partition) */
    bool buffered_wal;           /* no O_DIRECT, even where it is the faster way */
};
void varve_options_init(struct varve_options *o);

/* What opening found; NULL where nobody wants to know. */
struct varve_found {
    bool clean;             /* the last stop was orderly */
    uint64_t logs;
    uint64_t replayed;      /* batches taken from the write-ahead log */
    uint64_t replayed_bytes;
    uint64_t cut_groups;    /* commits that were never acknowledged, cut off */
};

/* Make `dir` or open and recover it.  o may be NULL.  Close with varve_close. */
int varve_open(struct varve **v, const char *dir, const struct varve_options *o,
    struct varve_found *found, struct varve_error *e);

/* ---- with a cold tier ---- */

/* Where sealed segments go, of topics with remote.storage.enable=true; they are read from there once they
 * have left this disk.  NULL, or false: what is in brackets.  varve.conf(5) tells more of each, where it
 * is called tier.store.url, tier.s3.endpoint and so on. */
struct varve_tier_options {
    const char *url;             /* file:///DIRECTORY, s3://BUCKET/PREFIX, hdfs://HOST:PORT/DIRECTORY */
    const char *ca_file;         /* who signs servers' certificates (the system's authorities) */
    const char *proxy;           /* (as the environment says) */
    const char *proxy_credentials; /* file:PATH or env:NAME, where USER:PASSWORD for it stands (none) */
    const char *s3_endpoint;     /* https://HOST:PORT (AWS's of the region) */
    const char *s3_region;       /* (us-east-1) */
    const char *s3_credentials;  /* (the environment's, a file's, the machine's: whichever there is) */
    bool s3_path_style;          /* the bucket in the path */
    const char *hdfs_user;       /* who we say we are (nobody) */
    const char *hdfs_token_file; /* a delegation token instead (none) */
    /* Told once, on a thread of the library's, when the store turns out to be another data directory's:
     * nothing is moved there then.  (Nobody is told.) */
    void (*foreign)(void *ctx, const char *message);
    void *ctx;
};
/* varve_open with such a tier.  A data directory has one store, and a store one data directory; what
 * was moved there can only be read with it.  A store that is away is no error: segments wait here. */
int varve_open_tiered(struct varve **v, const char *dir, const struct varve_options *o,
    const struct varve_tier_options *t, struct varve_found *found, struct varve_error *e);

/* Write everything to its place, so that the next start has nothing to replay.  Frees *v and sets
 * it to NULL whatever it returns. */
int varve_close(struct varve **v, struct varve_error *e);

/* ---- topics ---- */

struct varve_config {
    const char *key, *value; /* Kafka's names, and varve's own: varve(3) */
};

/* These are durable when they return 0.  Threads may call them at once, also for one topic: the
 * outcome is that of one after the other.  Errors: EXISTS, NOTFOUND; INVALID says which argument
 * or setting can't be, and nothing is changed; IO, NOSPACE, STOPPED of the catalog. */
int varve_topic_create(struct varve *v, const char *name, int32_t partitions,
    const struct varve_config *configs, size_t n, struct varve_error *e);
int varve_topic_delete(struct varve *v, const char *name, struct varve_error *e);
/* Change n settings, all or none; the others stay as they are, and a NULL value sets one back to
 * its default.  What is appended from then on goes by the new ones; records that a lossy
 * flush.policy has acknowledged before are as lossy as they were until the next sync, which this
 * asks for. */
int varve_topic_alter(struct varve *v, const char *name, const struct varve_config *changes,
    size_t n, struct varve_error *e);
/* More partitions: as many or fewer than there are is INVALID. */
int varve_topic_grow(struct varve *v, const char *name, int32_t partitions, struct varve_error *e);
/* Calls fn per topic in order of name; not zero stops and is returned. */
typedef int varve_topic_fn(void *ctx, const char *name, int32_t partitions);
int varve_topic_each(struct varve *v, varve_topic_fn *fn, void *ctx);

enum varve_type { /* Kafka's, and its numbers */
    VARVE_BOOLEAN = 1,
    VARVE_STRING = 2,
    VARVE_INT = 3,  /* 32 bits */
    VARVE_LONG = 5, /* 64 bits */
    VARVE_DOUBLE = 6,
    VARVE_LIST = 7, /* with commas */
};

struct varve_setting {
    const char *key;
    const char *value;    /* in force */
    const char *dflt;     /* what it would be by default */
    enum varve_type type;
    const char *doc;      /* what it is for */
    bool own;             /* set for this topic, be it to the default */
};
/* Calls fn per setting in order of key, with a setting that is borrowed for the call; not zero
 * stops and is returned.  topic NULL: as a new one would have them. */
typedef int varve_setting_fn(void *ctx, const struct varve_setting *s);
int varve_topic_describe(struct varve *v, const char *topic, varve_setting_fn *fn, void *ctx,
    struct varve_error *e);

/* One partition.  Borrowed: valid until v is closed; when its topic is deleted, calls fail with
 * NOTFOUND. */
struct varve_log *varve_partition(struct varve *v, const char *topic, int32_t partition,
    struct varve_error *e);

struct varve_offsets {
    int64_t start; /* the oldest record that is kept */
    int64_t next;  /* where reading ends for now: the next record that will be committed */
    int64_t end;   /* the next offset that will be given out */
    int64_t local; /* the oldest record that this disk has; those before it are in the cold tier */
};
void varve_offsets_get(struct varve_log *log, struct varve_offsets *o);
/* Delete records below `offset` (-1: all). */
int varve_delete_records(struct varve_log *log, int64_t offset, struct varve_error *e);
/* First record at or after a time (milliseconds since 1970): its offset, or -1. */
int varve_offset_at(struct varve_log *log, int64_t ms, int64_t *offset, struct varve_error *e);
/* Close the segment that is being written; it is sealed in the background. */
void varve_roll(struct varve_log *log);

/* ---- append ---- */

struct varve_record {
    int64_t offset;       /* results of reading */
    int64_t timestamp;    /* milliseconds since 1970; appending: -1 means now */
    const void *key;      /* NULL: none */
    size_t key_len;
    const void *value;    /* NULL: none */
    size_t value_len;
};

/* Append n records as one batch and wait until it is committed; *offset is the first one's. */
int varve_append(struct varve_log *log, const struct varve_record *records, size_t n,
    int64_t *offset, struct varve_error *e);
/* The same for a ready-made Kafka record batch (format 2, baseOffset 0), of exactly n bytes. */
int varve_append_batch(struct varve_log *log, const void *batch, size_t n, int64_t *offset,
    struct varve_error *e);

/* Asynchronous: returns at once; the outcome is taken from the queue, in the order of the appends
 * to one partition.  AGAIN: nothing was done, take completions first. */
int varve_append_async(struct varve_log *log, const void *batch, size_t n, struct varve_queue *q,
    void *tag, struct varve_error *e);

struct varve_completion {
    void *tag;
    int status;      /* 0, or VARVE_E_* */
    int64_t offset;
};
int varve_queue_open(struct varve_queue **q, struct varve_error *e);
/* Nothing may be outstanding. */
void varve_queue_close(struct varve_queue **q);
/* Readable when there is something to take; for poll and epoll.  Read its 8 bytes before taking
 * until there is nothing left. */
int varve_queue_fd(struct varve_queue *q);
/* true: *c is filled; false: nothing within wait_ms (0: don't wait, -1: for ever). */
bool varve_queue_take(struct varve_queue *q, struct varve_completion *c, int64_t wait_ms);

/* ---- read ---- */

/* A place in a partition.  Close with varve_cursor_close. */
int varve_cursor_open(struct varve_cursor **c, struct varve_log *log, int64_t offset,
    struct varve_error *e);
void varve_cursor_close(struct varve_cursor **c);
/* The next record: 1 and *r, which is valid until the next call on this cursor; 0: none is there
 * within wait_ms (-1: wait for ever; reading one that is there is not waiting, wherever it lies);
 * negative: an error, RANGE when retention has moved the start past the cursor, CORRUPT at a
 * damaged batch, which the cursor stays at: to read on, open one behind it. */
int varve_cursor_next(struct varve_cursor *c, struct varve_record *r, int64_t wait_ms,
    struct varve_error *e);
/* Whole batches as they are stored, at least one if there is any, up to about max bytes: their
 * bytes, valid until the next call.  0: none within wait_ms; errors are those of varve_cursor_next,
 * after all that is whole before them. */
int varve_cursor_batches(struct varve_cursor *c, size_t max, const void **bytes, size_t *n,
    int64_t wait_ms, struct varve_error *e);

#ifdef __cplusplus
}
#endif

#endif
