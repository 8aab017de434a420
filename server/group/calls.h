/*
 * What can be asked of a coordinator, and its answers: one struct per kind of call, in terms of
 * Kafka's protocol but not in its bytes.
 *
 * A call begins with a struct vrv_group_call.  The caller fills call.done.cq, call.done.run and what
 * is wanted, all else zero, and leaves it alone until it is posted; what it points to must stay so
 * long.  Posted, `error` is one of VRV_K_*, and the answer's spans live until vrv_group_call_fini.
 */
#ifndef VRV_GROUP_CALLS_H
#define VRV_GROUP_CALLS_H

#include "engine/os/cq.h"
#include "server/base/kerrors.h"
#include "server/group/span.h"

struct vrv_answer_block;
struct vrv_member;

struct vrv_group_call {
    struct vrv_done done;
    struct vrv_group_call *next;   /* the coordinator's, while it is under way; */
    struct vrv_member *waits;      /* a join or sync that waits in this member */
    struct vrv_answer_block *mem;
    int error;
};

/* Gives back what the answer is made of. */
void vrv_group_call_fini(struct vrv_group_call *c);

/* Memory that lives as long as the answer. */
void *vrv__answer_alloc(struct vrv_group_call *c, size_t n);
struct vrv_span vrv__answer_span(struct vrv_group_call *c, struct vrv_span s);

struct vrv_join_protocol {
    struct vrv_span name, metadata;
};

struct vrv_joined_member {
    struct vrv_span id, instance, metadata;
};

struct vrv_join {
    struct vrv_group_call call;
    struct vrv_span group, member_id, instance; /* instance: null unless static */
    struct vrv_span client_id, client_host;
    struct vrv_span protocol_type;
    const struct vrv_join_protocol *protocols;
    uint32_t protocol_n;
    int32_t session_ms, rebalance_ms; /* rebalance below 0: the same as session */
    bool known_id_required;    /* from version 4 on: a new dynamic member gets an id first */
    bool may_skip_assignment;  /* from version 9 on */
    /* answer */
    struct vrv_span out_member_id, out_protocol_type, out_protocol, leader;
    int32_t generation;
    bool skip_assignment;
    struct vrv_joined_member *members; /* to the leader */
    uint32_t member_n;
};

struct vrv_sync_assignment {
    struct vrv_span member_id, assignment;
};

struct vrv_sync {
    struct vrv_group_call call;
    struct vrv_span group, member_id, instance;
    int32_t generation;
    struct vrv_span protocol_type, protocol; /* null before version 5 */
    const struct vrv_sync_assignment *assignments;
    uint32_t assignment_n;
    /* answer */
    struct vrv_span out_protocol_type, out_protocol, assignment;
};

struct vrv_heartbeat {
    struct vrv_group_call call;
    struct vrv_span group, member_id, instance;
    int32_t generation;
};

struct vrv_leaver {
    struct vrv_span member_id, instance; /* an empty id: whoever has the instance id */
    int error;                           /* answer */
};

struct vrv_leave {
    struct vrv_group_call call;
    struct vrv_span group;
    struct vrv_leaver *members;
    uint32_t member_n;
};

struct vrv_commit_item {
    struct vrv_span topic;
    int32_t partition, leader_epoch; /* epoch -1: none */
    int64_t offset;
    struct vrv_span metadata;
    int error; /* in: not 0 when the item is refused already; out: its answer */
};

struct vrv_offset_commit {
    struct vrv_group_call call;
    struct vrv_span group, member_id, instance;
    int32_t generation;    /* -1: not a member */
    int64_t retention_ms;  /* -1: as the server says; versions 2 to 4 can ask for another */
    bool says_not_found;   /* from version 9 on: what a group that isn't there is called */
    struct vrv_commit_item *items;
    uint32_t item_n;
};

struct vrv_fetch_item {
    struct vrv_span topic;
    int32_t partition, leader_epoch;
    int64_t offset; /* -1: nothing is committed */
    struct vrv_span metadata;
};

struct vrv_offset_fetch {
    struct vrv_group_call call;
    struct vrv_span group;
    bool all;                     /* every partition: the answer makes the items */
    struct vrv_fetch_item *items; /* topic and partition are wanted, the rest is the answer */
    uint32_t item_n;
};

struct vrv_delete_item {
    struct vrv_span topic;
    int32_t partition;
    int error; /* as in a commit */
};

struct vrv_offset_delete {
    struct vrv_group_call call;
    struct vrv_span group;
    struct vrv_delete_item *items;
    uint32_t item_n;
};

struct vrv_listed_group {
    struct vrv_span group, protocol_type;
    const char *state;
};

struct vrv_list_groups {
    struct vrv_group_call call;
    const struct vrv_span *states; /* none: all; upper and lower case are the same */
    uint32_t state_n;
    const struct vrv_span *types;
    uint32_t type_n;
    /* answer */
    struct vrv_listed_group *groups;
    uint32_t group_n;
};

struct vrv_described_member {
    struct vrv_span id, instance, client_id, client_host, metadata, assignment;
};

struct vrv_describe_group {
    struct vrv_group_call call;
    struct vrv_span group;
    /* answer; with GROUP_ID_NOT_FOUND the state is "Dead" */
    const char *state;
    struct vrv_span protocol_type, protocol;
    struct vrv_described_member *members;
    uint32_t member_n;
};

struct vrv_delete_group {
    struct vrv_group_call call;
    struct vrv_span group;
};

#endif
