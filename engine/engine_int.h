/* Inside the engine: what engine.c (open, close, steps), topics.c, recover.c and checkpoint.c
 * share. */
#ifndef VRV_ENGINE_INT_H
#define VRV_ENGINE_INT_H

#include "engine/contract/metastore.h"
#include "engine/contract/waldev.h"
#include "engine/engine.h"
#include "engine/reader/fetch.h"
#include "engine/remains.h"
#include "engine/tail/fill.h"

/* Logs by id: open addressing, a power of two long, at most half full. */
struct log_table {
    struct vrv_log **v;
    size_t cap, n;
};

struct captured {
    struct vrv_log *log; /* a reference */
    uint8_t *state;
    size_t n;
    bool cut;            /* it is to be truncated, and nothing was appended since */
    bool seals;          /* segments of it are sealed with this checkpoint */
};

enum checkpoint_phase { CKPT_IDLE, CKPT_COMMITTED, CKPT_FLUSH, CKPT_DURABLE, CKPT_SYNC };

struct checkpoint {
    enum checkpoint_phase phase;
    struct captured *v;
    size_t n, cap;
    uint64_t need_seq;     /* entries below must be committed, then durable, before going on */
    uint64_t trim_slot, trim_seq;
    size_t at;             /* FLUSH: the next log */
    bool no_room;          /* the last step could not be done on a full disk */
    int64_t last_ms;       /* when the last one ended, monotonic */
    int64_t begun_ns;      /* when this one began */
};

/* A segment that is to go: its files first, its record with the next checkpoint after that. */
struct dead_seg {
    struct vrv_log_id log;
    int64_t base;
    bool deleted; /* the files are away, for good, */
    bool forget;  /* and were when the checkpoint under way began: older states may need it */
};

struct vrv_engine {
    uint32_t magic;
    struct vrv_engine_opts o;
    struct vrv_file *lock_file;
    struct vrv_files files;
    struct vrv_slab_pool pool;
    struct vrv_log_env env;
    struct vrv_fetches fetches;
    struct vrv_waldev *dev;
    struct vrv_metastore *meta, *states; /* catalog; checkpoints */
    struct vrv_catalog *catalog;
    uint64_t wal_id;
    uint32_t session;

    struct vrv_lock lock;                /* rank engine */
    struct vrv_topic_defaults defaults;  /* guarded by lock */
    struct log_table logs;               /* guarded by lock */
    struct vrv_log **retired;            /* deleted, not yet freed; guarded by lock */
    _Atomic size_t retired_n;
    size_t retired_cap;
    _Atomic int deleting;                /* topic deletions under way */

    /* the flusher's */
    struct checkpoint ckpt;
    uint64_t tended_bytes;               /* appended until the last tending */
    int64_t expire_at_ms;                /* when to look for expired producers, monotonic */
    struct vrv_fill replay_fill;         /* who takes over; one thread at a time */
    struct dead_seg *dead;
    size_t dead_n, dead_cap;

    struct vrv_lock room_lock;           /* a leaf; guards the next */
    struct vrv_done *room_waiters;       /* in no order */

    _Atomic bool sync_due, syncing;      /* see vrv_engine_sync_step */
    _Atomic bool want_checkpoint;
    _Atomic uint64_t forget_seq;         /* entries below it needn't stay in memory */
    _Atomic bool disk_full;
    _Atomic uint64_t disk_free;          /* bytes, when it was last tended; UINT64_MAX: not known */
    _Atomic uint64_t checkpoints;
    struct vrv_hist checkpoint_times;
    struct vrv_err failure;              /* why the flusher stopped; guarded by lock */
    _Atomic int status;
};

enum { ENGINE_MAGIC = 0x454e4756 };

/* keys in the store of checkpoints */
enum { KEY_MAX = 128 };
/* A file: a restore has begun, and not ended. */
#define VRV_RESTORING "RESTORING"

void vrv__key_state(char out[KEY_MAX], const struct vrv_log_id *id);
void vrv__key_open(char out[KEY_MAX], const struct vrv_log_id *id);
void vrv__key_gone(char out[KEY_MAX], const struct vrv_log_id *id);
void vrv__key_seal(char out[KEY_MAX], const struct vrv_log_id *id, int64_t base);
/* Which partition such a key is about; false: none. */
bool vrv__key_log(const char *key, struct vrv_log_id *id);
/* Is the partition in the catalog, or its topic called gone there?  Nothing else may have keys. */
bool vrv__catalog_explains(struct vrv_catalog *c, const struct vrv_log_id *id);

/* The checkpoint is over, or given up. */
void vrv__checkpoint_forget(struct checkpoint *c);

/* One transaction, waited for. */
int vrv__meta_commit(struct vrv_metastore *m, const struct vrv_meta_write *w, size_t n,
    struct vrv_err *e);

/* There may be room for appends: post who waits for that. */
void vrv__engine_tell_room(struct vrv_engine *eng);

/* The flusher can't go on: appends are refused from now on, reads go on. */
void vrv__engine_fail(struct vrv_engine *eng, const struct vrv_err *e);

bool vrv__log_id_eq(const struct vrv_log_id *a, const struct vrv_log_id *b);
void vrv__table_put(struct log_table *t, struct vrv_log *log);
struct vrv_log *vrv__table_get(const struct log_table *t, const struct vrv_log_id *id);
void vrv__table_del(struct log_table *t, const struct vrv_log_id *id);

int vrv__engine_recover(struct vrv_engine *eng, bool is_new, struct vrv_recovery *found,
    struct vrv_err *e);
/* Make the logs of a topic that aren't there, without any state; all get its settings.  eng->lock
 * is held, but at recovery. */
int vrv__engine_add_topic(struct vrv_engine *eng, const struct vrv_topic_info *t,
    struct vrv_err *e);
int vrv__engine_mark(struct vrv_engine *eng, bool clean, struct vrv_err *e);
int vrv__engine_mark_wal(struct vrv_engine *eng, uint64_t slot, uint64_t seq, struct vrv_err *e);
/* Delete files of dead segments, and what is left of deleted topics.  What can't be done is tried
 * again by the next call. */
void vrv__engine_bury_segs(struct vrv_engine *eng);
void vrv__engine_bury_topics(struct vrv_engine *eng);
/* What was removed from the directory is gone for good, before anything forgets that there was
 * something to remove.  An error stops the engine. */
int vrv__engine_sync_removed(struct vrv_engine *eng, const char *dir, struct vrv_err *e);
/* A truncated log's new state is kept: delete what it has left. */
int vrv__engine_clean_cut(struct vrv_engine *eng, struct vrv_log *log, struct vrv_err *e);

/* The logs and settings of a topic that is in the catalog: NOTFOUND when it was deleted meanwhile. */
int vrv__engine_follow(struct vrv_engine *eng, const struct vrv_uuid *id, struct vrv_err *e);

/* A topic is about to be deleted: what it leaves is kept first, where it leaves something; ended in any
 * case, with whether it was deleted. */
struct vrv_leaving {
    struct vrv_remains r;
    struct vrv_log **logs; /* references; NULL: it leaves nothing */
};
int vrv__remains_prepare(struct vrv_engine *eng, const char *name, struct vrv_leaving *l,
    struct vrv_err *e) VRV_MUST_CHECK;
void vrv__remains_end(struct vrv_engine *eng, struct vrv_leaving *l, bool deleted);
/* Where the logs of a topic begin that came back: *n of them, NULL of any other topic; to be freed. */
int vrv__remains_begins(struct vrv_engine *eng, const struct vrv_topic_info *t,
    struct vrv_remains_part **out, int32_t *n, struct vrv_err *e) VRV_MUST_CHECK;
int vrv__remains_forget_begin(struct vrv_engine *eng, const struct vrv_uuid *id, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
