/* What the files of the coordinator share. */
#ifndef VRV_GROUP_COORD_INT_H
#define VRV_GROUP_COORD_INT_H

#include "engine/base/rand.h"
#include "engine/tail/fill.h"
#include "server/group/coord.h"

enum shard_state { SHARD_LOST, SHARD_LOADING, SHARD_SERVING, SHARD_FAILED };

/*
 * The groups of one partition.
 *
 *   lost ──gained──► loading ──all is read──► serving
 *     ▲                │  └──can't be read──► failed ◄──a write failed──┘
 *     └──────────────lost (from everywhere)
 */
struct vrv_shard {
    struct vrv_coord *coord;        /* fixed, as the next two */
    int32_t partition;
    struct vrv_group_env env;
    struct vrv_lock lock;           /* rank group; guards what follows */
    enum shard_state state;
    int32_t epoch;
    uint64_t tenure;                /* counts gains and losses: what was begun in another is void */
    struct vrv_log *log;            /* a reference, while it is ours */
    bool reading;                   /* a load is under way, perhaps one of an older tenure */
    struct vrv_omap groups;
    struct vrv_heap due;            /* groups by their deadline, */
    struct vrv_timer check;         /* and when to look for expired offsets */
    struct vrv_list writes;         /* appended, not known to be durable; also older tenures' */
    struct vrv_rand rand;
    struct vrv_now now;             /* of the operation under way, as the next ones */
    struct vrv_group_call *answered;
    struct vrv_write *last;         /* what it appended last */
    struct vrv_err err;             /* why it failed, to be reported */
    int32_t failed;
    _Atomic int64_t next_ns;        /* the first of due; written under lock */
};

enum change_kind { CHANGE_STORE, CHANGE_COMMIT, CHANGE_UNCOMMIT, CHANGE_DELETE };

/* What one record does to a group when it is durable.  Spans are owned. */
struct vrv_change {
    enum change_kind what;
    struct vrv_group *g;
    struct vrv_span topic;    /* of an offset; a stored static member's id */
    int32_t partition;
    struct vrv_commit commit;
    enum vrv_store_kind kind;
    int32_t generation;
};

/* One batch. */
struct vrv_write {
    struct vrv_ticket t;      /* first */
    struct vrv_list link;
    struct vrv_shard *shard;
    uint64_t tenure;
    struct vrv_batch_builder b;
    struct vrv_change *changes;
    size_t change_n, change_cap;
    struct vrv_group_call *calls; /* answered when it is durable */
};

struct vrv_load {
    struct vrv_job job;       /* first */
    struct vrv_shard *shard;
    uint64_t tenure;
    struct vrv_log *log;
    struct vrv_omap groups;
    struct vrv_now now;
    struct vrv_err err;
    int rc;
};

struct vrv_coord {
    uint32_t magic;
    struct vrv_coord_opts o;  /* fixed */
    struct vrv_shard *shards;
    _Atomic size_t used;
    _Atomic uint64_t rebalances, commits, forgotten; /* for vrv_coord_stats */
    struct vrv_cq cq;         /* writes and loads that are done */
    struct vrv_lock fill_lock; /* rank fill */
    struct vrv_fill fill;
    struct vrv_done wake;     /* makes the thread look again */
    _Atomic bool waking;
    _Atomic int64_t sleeps_until; /* INT64_MIN: nobody sleeps */
    _Atomic bool stop;
    bool running;
    pthread_t thread;
};

/* ---- coord.c: every operation is between these two ---- */

void vrv__shard_enter(struct vrv_shard *s);
/* Posts what was answered and wakes the thread if need be, after the lock is given back. */
void vrv__shard_leave(struct vrv_shard *s);
/* The group was changed: what is due in it is done, its timer set; it may be gone afterwards. */
void vrv__shard_touch(struct vrv_shard *s, struct vrv_group *g);
struct vrv_group *vrv__groups_find(const struct vrv_omap *groups, struct vrv_span id);
struct vrv_group *vrv__groups_add(struct vrv_omap *groups, const struct vrv_group_env *env,
    struct vrv_span id, const struct vrv_now *now);
void vrv__groups_remove(struct vrv_omap *groups, struct vrv_group *g);
void vrv__groups_init(struct vrv_omap *groups);
/* All go; who waits gets the error. */
void vrv__groups_clear(struct vrv_omap *groups, int error);
/* Give everything up; state is what it is afterwards. */
void vrv__shard_drop(struct vrv_shard *s, enum shard_state state);
/* The topic that has this name now; false: none has. */
bool vrv__topic_id(struct vrv_coord *c, struct vrv_span topic, struct vrv_uuid *id);
/* Is this shown of a topic that isn't there any more (GRP-9)?  One of the same name may be. */
bool vrv__offset_is_stale(struct vrv_coord *c, struct vrv_span topic, const struct vrv_offset *v);
void vrv__answer(struct vrv_shard *s, struct vrv_group_call *c, int error);

/* ---- coord_write.c ---- */

struct vrv_write *vrv__write_new(struct vrv_shard *s);
/* The next record of w, and what it does; spans of the change are taken over. */
void vrv__write_commit(struct vrv_write *w, struct vrv_group *g, struct vrv_span topic,
    int32_t partition, const struct vrv_commit *commit);
void vrv__write_uncommit(struct vrv_write *w, struct vrv_group *g, struct vrv_span topic,
    int32_t partition);
void vrv__write_delete(struct vrv_write *w, struct vrv_group *g);
/* Append it, if it has any record; takes it over in any case.  0, or a Kafka error: then nothing
 * was appended. */
int vrv__write_append(struct vrv_write **w);
/* Append and begin another one when it is full. */
int vrv__write_more(struct vrv_write **w);
void vrv__write_free(struct vrv_write **w);
/* Tombstones for all offsets of g. */
int vrv__write_forget(struct vrv_write **w, struct vrv_group *g);
/* vrv_group_env's. */
int vrv__shard_store(void *ctx, struct vrv_group *g, enum vrv_store_kind kind,
    const struct vrv_member *member);
/* Tombstones for all that has expired, or is stale; what is refused now is tried again the next
 * time. */
void vrv__shard_expire_offsets(struct vrv_shard *s);
/* For all that is stale; topic not NULL: of that name. */
void vrv__shard_forget_stale(struct vrv_shard *s, const struct vrv_span *topic);

/* ---- coord_load.c ---- */

/* Read the log, unless that or an older tenure's write is under way: then behind that. */
void vrv__shard_load(struct vrv_shard *s);

#endif
