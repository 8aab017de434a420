/*
 * One classic consumer group, as a state machine that knows no clock, disk or lock.
 *
 *            join                  all are back, or time is up          leader's assignment stored
 *   Empty ─────────► PreparingRebalance ───────────► CompletingRebalance ───────────► Stable
 *     ▲                ▲    │      ▲                      │                             │
 *     └────────────────┼────┘      └──────────────────────┴─────────────────────────────┘
 *       nobody is left │            a member joins anew, leaves, or falls silent
 *                      └ nobody came back: more time
 *
 *   any ──► Dead: deleted, or not coordinated here any more
 *
 * What happens comes as calls with the time as an argument; calls that must wait are kept, and
 * answered through env->answer.  Deadlines lie in the group's own heap: vrv_group_deadline says when
 * vrv_group_expire is wanted.  What must survive goes through env->store, which only appends; when
 * it is durable vrv_group_stored is called, and only then is it acted on (GRP-1).
 *
 * Threads: one at a time.
 */
#ifndef VRV_GROUP_GROUP_H
#define VRV_GROUP_GROUP_H

#include <stdatomic.h>

#include "engine/base/uuid.h"
#include "server/group/calls.h"
#include "server/group/member.h"
#include "server/group/offsets.h"

enum vrv_group_state {
    VRV_GROUP_EMPTY,
    VRV_GROUP_PREPARING,
    VRV_GROUP_COMPLETING,
    VRV_GROUP_STABLE,
    VRV_GROUP_DEAD,
};

/* Kafka's name of it, as list and describe give it. */
const char *vrv_group_state_name(enum vrv_group_state s);

/* Kafka's settings of these names. */
struct vrv_group_config {
    int32_t initial_rebalance_delay_ms;      /* group.initial.rebalance.delay.ms */
    int32_t min_session_ms, max_session_ms;  /* group.{min,max}.session.timeout.ms */
    int32_t max_size;                        /* group.max.size, at most VRV_GROUP_MEMBERS_MAX */
    int32_t metadata_max;                    /* offset.metadata.max.bytes */
    int64_t retention_ms;                    /* offsets.retention.minutes */
    int64_t retention_check_ms;              /* offsets.retention.check.interval.ms */
    size_t memory_bytes;                     /* of groups and offsets in all; refused above it */
};
void vrv_group_config_default(struct vrv_group_config *c);

enum {
    VRV_GROUP_MEMBERS_MAX = 100000,
    /* Member ids that were given out and not used yet: each lives as long as a session. */
    VRV_GROUP_PENDING_MAX = 10000,
    /* A new member's first join may wait so long; Kafka has no setting for it. */
    VRV_GROUP_NEW_MEMBER_MS = 5 * 60 * 1000,
    VRV_GROUP_ID_MAX = 32767,
};

struct vrv_now {
    int64_t mono_ns, wall_ms;
};

enum vrv_store_kind {
    VRV_STORE_EMPTY,      /* nobody waits for it */
    VRV_STORE_ASSIGNMENT, /* a new generation with its assignment */
    VRV_STORE_STATIC,     /* a static member has a new id */
};

struct vrv_group;

struct vrv_group_env {
    const struct vrv_group_config *config;
    _Atomic size_t *used; /* bytes */
    void *ctx;
    /* Append the group as vrv_group_image_of has it; `member` is the one with the new id, or NULL.
     * 0, or a Kafka error number: then nothing was appended. */
    int (*store)(void *ctx, struct vrv_group *g, enum vrv_store_kind kind,
        const struct vrv_member *member);
    /* The call is answered.  Must not come back to the group. */
    void (*answer)(void *ctx, struct vrv_group_call *c);
    /* Random, for member ids. */
    void (*uuid)(void *ctx, struct vrv_uuid *out);
};

struct vrv_protocol_count {
    struct vrv_span name; /* owned */
    uint32_t n;           /* members that have it */
};

struct vrv_group {
    struct vrv_omap_node node;          /* the coordinator's, as all down to timer */
    bool shown;                         /* what the log says of it is durable */
    bool condemned;                     /* its tombstone was appended, and nothing since */
    uint32_t writes;                    /* appended, and not known to be durable yet */
    struct vrv_timer timer;

    const struct vrv_group_env *env;    /* fixed */
    struct vrv_span id;                 /* owned, as all spans here */
    enum vrv_group_state state, previous;
    int64_t since_ms;                   /* of this state; -1: unknown */
    int32_t generation;
    struct vrv_span protocol_type;      /* null: none yet */
    struct vrv_span protocol;           /* null: none */
    struct vrv_member *leader;          /* NULL: none */

    struct vrv_list members;            /* in order of arrival */
    struct vrv_omap by_id, by_instance, pending;
    uint32_t waiting;                   /* members that wait for their join */
    struct vrv_protocol_count *protocols;
    uint32_t protocol_n, protocol_cap;
    struct vrv_span *topics;            /* that the members of this generation subscribe to; */
    uint32_t topic_n, topic_cap;        /* sorted, each once */
    bool topics_known;

    struct vrv_heap timers;             /* sessions, and these: */
    struct vrv_timer join_timer, sync_timer;
    bool initial;                       /* the join timer is that of a first rebalance: */
    bool joined_meanwhile;              /* somebody came, it may be extended */
    int64_t delay_ms, delay_left_ms;
    bool storing;                       /* this generation's assignment is being stored */

    struct vrv_offsets offsets;
};

struct vrv_group *vrv_group_new(const struct vrv_group_env *env, struct vrv_span id,
    const struct vrv_now *now);
/* All calls that wait are answered with this error; it is Dead. */
void vrv_group_drop(struct vrv_group *g, int error);
/* Dropped before, or nobody waits. */
void vrv_group_free(struct vrv_group **g);

/* Take over what a record says, in place of all but the offsets. */
void vrv_group_load(struct vrv_group *g, struct vrv_grec *rec);
/* All records are read: sessions begin.  A group that is larger than allowed by now rebalances. */
void vrv_group_loaded(struct vrv_group *g, const struct vrv_now *now);

/* What is to be stored of it.  *members is malloc'd; all else is borrowed. */
void vrv_group_image_of(const struct vrv_group *g, struct vrv_group_image *image,
    struct vrv_member_image **members, int32_t *member_n);

static inline uint32_t
vrv_group_size(const struct vrv_group *g)
{
    return (uint32_t)g->by_id.n;
}

/* Is a member subscribed to it?  Unknown counts as yes, for consumers. */
bool vrv_group_subscribes(const struct vrv_group *g, struct vrv_span topic);
struct vrv_offsets_rule vrv_group_expiry(const struct vrv_group *g);

/* The calls.  Answered at once or later, by env->answer. */
void vrv_group_join(struct vrv_group *g, struct vrv_join *c, const struct vrv_now *now);
void vrv_group_sync(struct vrv_group *g, struct vrv_sync *c, const struct vrv_now *now);
/* A join or sync whose caller doesn't wait any more: answered with the error, if it waits still.  Its
 * member has a session from now on, and counts as one that didn't come. */
void vrv_group_cancel(struct vrv_group *g, struct vrv_group_call *c, int error,
    const struct vrv_now *now);
void vrv_group_heartbeat(struct vrv_group *g, struct vrv_heartbeat *c, const struct vrv_now *now);
void vrv_group_leave(struct vrv_group *g, struct vrv_leave *c, const struct vrv_now *now);
/* May this commit be done?  0, and the session is refreshed, or a Kafka error. */
int vrv_group_may_commit(struct vrv_group *g, const struct vrv_offset_commit *c,
    const struct vrv_now *now);
/* May offsets of topics that nobody subscribes to be deleted?  May the group? */
int vrv_group_may_delete_offsets(const struct vrv_group *g);
int vrv_group_may_delete(const struct vrv_group *g);

/* What env->store appended, when the group was at `generation`, is durable. */
void vrv_group_stored(struct vrv_group *g, enum vrv_store_kind kind, int32_t generation,
    struct vrv_span member_id, const struct vrv_now *now);

/* When something is due, of the monotonic clock; INT64_MAX: nothing. */
int64_t vrv_group_deadline(const struct vrv_group *g);
void vrv_group_expire(struct vrv_group *g, const struct vrv_now *now);

#endif
