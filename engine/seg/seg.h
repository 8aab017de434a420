/*
 * One segment of a log: a data file of record batches, and the index beside it.
 *
 *   open ──roll──► closed ──footer written, synced──► sealed (read-only, never changes again)
 *
 * Batches get their place in a segment when they are appended (size grows); the flusher writes
 * them later (flushed follows).  The data file is Kafka's format byte for byte.  It is made
 * at the first write, and whatever a crash left behind the known end is cut then.
 *
 * Index entries wait in memory until there are some: thousands of partitions that grow slowly would
 * otherwise write twice as many blocks.  Those not written at a crash are missing for good; behind
 * the last entry a look-up walks a little further.
 *
 * Threads: one writer (the flusher).  Fields are guarded by the log's lock; the writer reads the
 * ones that only it changes without.  Readers hold a reference and a copy of `flushed` and
 * `index_n`: what lies below those never changes.
 */
#ifndef VRV_SEG_SEG_H
#define VRV_SEG_SEG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "engine/base/uuid.h"
#include "engine/os/files.h"
#include "engine/seg/index.h"

struct vrv_log_id {
    struct vrv_uuid topic;
    int32_t partition;
};

/* Some order of them; 0: the same one. */
static inline int
vrv_log_id_cmp(const struct vrv_log_id *a, const struct vrv_log_id *b)
{
    int order = memcmp(&a->topic, &b->topic, sizeof(a->topic));

    return order != 0 ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

enum vrv_seg_state { VRV_SEG_OPEN, VRV_SEG_CLOSED, VRV_SEG_FOOTED, VRV_SEG_SEALED };

/* Unknown until the index that an earlier process left was checked, at first use. */
enum vrv_index_state { VRV_INDEX_UNKNOWN, VRV_INDEX_GOOD, VRV_INDEX_BAD };

struct vrv_seg {
    _Atomic uint32_t refs;
    _Atomic(enum vrv_seg_state) state;
    struct vrv_log_id log;
    int64_t base;           /* fixed: the first offset */
    int64_t next;           /* one past the last offset that has its place here */
    uint64_t size;          /* bytes that have their place here */
    int64_t created_ms;     /* when its first batch was appended, */
    int64_t last_ms;        /* and its last */
    /* of the part that is written; the writer's */
    uint64_t flushed;       /* bytes in the file */
    int64_t flushed_next;   /* one past the last offset of them */
    uint32_t crc;
    uint32_t index_n;       /* entries in the index file, */
    _Atomic uint32_t index_crc; /* and its checksum */
    uint64_t indexed;       /* position of the newest entry, be it a pending one */
    struct vrv_index_entry *pending; /* entries that the file will get, many at once */
    uint32_t pending_n;
    int64_t min_ts, max_ts, max_ts_offset;
    int64_t interval;       /* index interval, -1: not known */
    bool made, index_made;  /* the file is there, and is what we know of it */
    bool dirty, index_dirty; /* written since the last sync */
    bool fresh;             /* a name is not synced yet */
    _Atomic bool dropped;   /* its log has let go of it: who fails to read it asks the log again */
    _Atomic(enum vrv_index_state) index_state;
    struct vrv_files *files;
    struct vrv_file_slot data, index;
};

enum { VRV_PATH_MAX = 96 };

/* "log/ab/<topic>.<partition>", and a file in it. */
void vrv_log_dir(const struct vrv_log_id *id, char out[VRV_PATH_MAX]);
void vrv_seg_path(const struct vrv_log_id *id, int64_t base, const char *suffix,
    char out[VRV_PATH_MAX]);

/* A new one, with one reference; no file is touched. */
struct vrv_seg *vrv_seg_new(struct vrv_files *files, const struct vrv_log_id *id, int64_t base,
    int64_t created_ms);
struct vrv_seg *vrv_seg_ref(struct vrv_seg *s);
void vrv_seg_unref(struct vrv_seg *s); /* NULL is fine */
/* It leaves its log, and its files are going to.  Readers may use what they have open; nothing
 * that gets the same name later is taken for it. */
void vrv_seg_drop(struct vrv_seg *s);

/* What writing changes: computed without the lock, put in place under it. */
struct vrv_seg_written {
    uint64_t flushed, indexed;
    uint32_t crc, index_n, index_crc;
    int64_t flushed_next, min_ts, max_ts, max_ts_offset;
};

/* Write n batches behind the ones written, each iovec one, and index them.  Writer only, no lock
 * held.  NOSPACE leaves everything as it was: try again. */
int vrv_seg_write(struct vrv_seg *s, const struct iovec *batches, int n, uint32_t index_interval,
    struct vrv_seg_written *out, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_seg_apply(struct vrv_seg *s, const struct vrv_seg_written *w); /* log's lock held */

/* All is written and nothing will follow: write the footer.  Not synced.  NOSPACE as above. */
int vrv_seg_foot(struct vrv_seg *s, struct vrv_seg_written *out, struct vrv_err *e) VRV_MUST_CHECK;
/* Its record is durable: no more writing, whatever becomes of the files' mode. */
int vrv_seg_seal(struct vrv_seg *s, struct vrv_err *e) VRV_MUST_CHECK;
/* The files that must be synced, one or two: how many, or an error; _done when that is over. */
int vrv_seg_sync_begin(struct vrv_seg *s, struct vrv_file *out[2], struct vrv_err *e)
    VRV_MUST_CHECK;
void vrv_seg_sync_done(struct vrv_seg *s, int files);

/* A place to start reading: the batch that contains `offset`, or the first one behind it when it
 * fell into a hole. */
struct vrv_seg_view {
    uint64_t flushed; /* copies, taken under the log's lock */
    uint32_t index_n, index_crc;
    int64_t flushed_next, next;
};
struct vrv_seg_view vrv_seg_view(const struct vrv_seg *s);

struct vrv_seg_place {
    uint64_t pos;
    uint32_t size;  /* of that batch; 0: nothing at or behind offset is in the file */
    int64_t base;
};
/* Any thread, with a reference, no lock.  flags as vrv_file_pread: AGAIN with NOWAIT when it would
 * have to read from the disk.  CORRUPT names file and position.  A missing or damaged index is
 * made anew (sealed), or done without. */
int vrv_seg_find(struct vrv_seg *s, const struct vrv_seg_view *v, int64_t offset, unsigned flags,
    struct vrv_seg_place *out, struct vrv_err *e) VRV_MUST_CHECK;
/* The first batch whose max timestamp is >= ts. */
int vrv_seg_find_time(struct vrv_seg *s, const struct vrv_seg_view *v, int64_t ts, unsigned flags,
    struct vrv_seg_place *out, struct vrv_err *e) VRV_MUST_CHECK;
/* Read bytes of the data file. */
ssize_t vrv_seg_pread(struct vrv_seg *s, void *buf, size_t n, uint64_t pos, unsigned flags,
    struct vrv_err *e) VRV_MUST_CHECK;
/* The open data file, for sendfile; give it back with _put. */
int vrv_seg_file_get(struct vrv_seg *s, struct vrv_file **f, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_seg_file_put(struct vrv_seg *s);

/* Read every batch of a data file: its header and checksum.  What the seal should say is gathered
 * in *seal (but entries: 0).  Stops at the first damage: CORRUPT, *seal is of what is before. */
int vrv_seg_check(struct vrv_seg *s, uint64_t size, struct vrv_seal *seal, struct vrv_err *e)
    VRV_MUST_CHECK;
/* What of a written segment lies before the first batch that reaches `offset`: *kept is a closed
 * segment of that (one reference), or NULL when it is nothing; *end is where it ends: at `offset`,
 * or where that batch begins.  No file is changed: the first writing to *kept cuts the
 * data, and makes the index anew.  CORRUPT, IO. */
int vrv_seg_cut(struct vrv_seg *s, int64_t offset, struct vrv_seg **kept, int64_t *end,
    struct vrv_err *e) VRV_MUST_CHECK;
/* Write the index of a sealed segment anew from the data, under the same name, at once durable.
 * It gets s->index_n entries; they are the ones that writing made when the interval is the one
 * that was used then.  CORRUPT when the data is not what s says. */
int vrv_seg_rebuild_index(struct vrv_seg *s, uint32_t index_interval, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Delete the files now. */
int vrv_seg_delete_files(struct vrv_files *files, const struct vrv_log_id *id, int64_t base,
    struct vrv_err *e) VRV_MUST_CHECK;

#endif
