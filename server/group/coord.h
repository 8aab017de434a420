/*
 * The coordinator: which groups this server has, and what survives.
 *
 * A group belongs to one partition of __consumer_offsets, by the hash of its id; whoever owns that
 * partition coordinates it.  Of a partition that is gained the whole log is read, on a thread that
 * may wait, and its groups come to life; when it is lost they go, and who waits is told
 * NOT_COORDINATOR (GRP-3).
 *
 *   a call ──► lock of its partition ──► group (decides) ──► record appended ──► ... durable
 *                                                                                    │
 *   caller's queue ◄── answer, posted without a lock ◄── applied ◄── coordinator's queue
 *
 * What must survive is appended first, and answered and shown when it is durable (GRP-1).  A write
 * that was accepted and then fails means that the WAL has stopped or another owner has taken over:
 * the partition is given up, since nobody knows what the log holds.
 *
 * Threads: any may call; answers are posted to call.done.cq, also those that are known at once.
 * vrv_coord_step, on one thread at a time, does what became durable and what is due: the thread that
 * vrv_coord_start starts, or a test.
 */
#ifndef VRV_GROUP_COORD_H
#define VRV_GROUP_COORD_H

#include "engine/engine.h"
#include "server/base/pool.h"
#include "server/group/calls.h"
#include "server/group/group.h"

enum {
    VRV_OFFSETS_PARTITIONS = 50,
    /* Records in one batch of tombstones or commits, and its bytes before it is closed. */
    VRV_COORD_BATCH_RECORDS = 1000,
    VRV_COORD_BATCH_BYTES = 256 * 1024,
};

struct vrv_coord;

struct vrv_coord_opts {
    struct vrv_engine *eng;  /* borrowed, as all here */
    struct vrv_pool *pool;   /* where logs are read; NULL: in vrv_coord_step */
    struct vrv_clock *clock;
    uint64_t random;         /* unpredictable in production, a seed in tests */
    int32_t partitions;      /* of __consumer_offsets */
    struct vrv_group_config config;
    /* Something that a person should hear of: a partition that can't be served.  Any thread, no
     * locks are held; may be NULL. */
    void (*failed)(void *ctx, int32_t partition, const struct vrv_err *e);
    void *ctx;
};

/* config and partitions as Kafka has them. */
void vrv_coord_opts_default(struct vrv_coord_opts *o);

/* Create __consumer_offsets unless it is there; id is random.  *partitions: how many it is to have;
 * afterwards, how many it has, which alone says where groups are.  Waits for the disk. */
int vrv_coord_make_topic(struct vrv_engine *eng, struct vrv_uuid id, int32_t *partitions,
    int32_t segment_bytes, struct vrv_err *e) VRV_MUST_CHECK;

struct vrv_coord *vrv_coord_new(const struct vrv_coord_opts *o);
/* A thread that steps. */
int vrv_coord_start(struct vrv_coord *c, struct vrv_err *e) VRV_MUST_CHECK;
/* All partitions are lost, the thread ends.  Every call is posted when it returns.  To be called
 * before the engine is closed, while the pool still runs. */
void vrv_coord_stop(struct vrv_coord *c);
/* Stopped before; the engine is closed. */
void vrv_coord_free(struct vrv_coord **c);

/* Ownership.  Gained again with another epoch it is read anew. */
void vrv_coord_gained(struct vrv_coord *c, int32_t partition, int32_t epoch);
void vrv_coord_lost(struct vrv_coord *c, int32_t partition);
/* Which partition a group belongs to: abs(Java's String.hashCode) mod the number of partitions. */
int32_t vrv_coord_partition(const struct vrv_coord *c, struct vrv_span group);

/* A topic is gone: so are the offsets committed for it.  Any thread, holding no lock. */
void vrv_coord_topic_deleted(struct vrv_coord *c, struct vrv_span topic);

/* Do what is due.  When to call again, of the monotonic clock; INT64_MAX: when something is posted
 * or called. */
int64_t vrv_coord_step(struct vrv_coord *c);

/* How it does; counts are since the start. */
struct vrv_coord_stats {
    uint64_t groups, in_state[VRV_GROUP_DEAD + 1], members, offsets;
    uint64_t memory;                   /* bytes that groups and offsets take */
    uint64_t loading, serving, failed; /* partitions that are ours: being read, served, given up */
    uint64_t rebalances;               /* generations whose assignment was stored */
    uint64_t commits, forgotten;       /* offsets stored; deleted, or expired */
};
void vrv_coord_stats(struct vrv_coord *c, struct vrv_coord_stats *st);
/* Each committed offset, of a group and partition after the other.  fn runs under a lock and must
 * not call back; not zero stops and is returned. */
typedef int vrv_coord_offset_fn(void *ctx, struct vrv_span group, struct vrv_span topic,
    int32_t partition, int64_t offset);
int vrv_coord_each_offset(struct vrv_coord *c, vrv_coord_offset_fn *fn, void *ctx);
/* The same as batches for the log's partition that has them: one whose log gets them, and nothing else, is
 * read back to the same offsets.  AGAIN: some groups are not known (yet).  As above, but that fn may be called
 * without a lock, too. */
typedef int vrv_coord_batch_fn(void *ctx, int32_t partition, const uint8_t *batch, size_t n);
int vrv_coord_dump(struct vrv_coord *c, vrv_coord_batch_fn *fn, void *ctx, struct vrv_err *e)
    VRV_MUST_CHECK;

/* The calls (calls.h). */
void vrv_coord_join(struct vrv_coord *c, struct vrv_join *call);
void vrv_coord_sync(struct vrv_coord *c, struct vrv_sync *call);
/* Whoever made this join or sync doesn't wait for others any more: if it isn't answered yet it is now,
 * with NOT_COORDINATOR.  To be called on the thread that takes from its queue. */
void vrv_coord_cancel(struct vrv_coord *c, struct vrv_span group, struct vrv_group_call *call);
void vrv_coord_heartbeat(struct vrv_coord *c, struct vrv_heartbeat *call);
void vrv_coord_leave(struct vrv_coord *c, struct vrv_leave *call);
void vrv_coord_commit(struct vrv_coord *c, struct vrv_offset_commit *call);
void vrv_coord_fetch(struct vrv_coord *c, struct vrv_offset_fetch *call);
void vrv_coord_delete_offsets(struct vrv_coord *c, struct vrv_offset_delete *call);
void vrv_coord_list(struct vrv_coord *c, struct vrv_list_groups *call);
void vrv_coord_describe(struct vrv_coord *c, struct vrv_describe_group *call);
void vrv_coord_delete_group(struct vrv_coord *c, struct vrv_delete_group *call);

#endif
