/*
 * A member of a group: who it is, what it can speak, what it waits for.  The group that it belongs
 * to guards it; groups alone use this.
 */
#ifndef VRV_GROUP_MEMBER_H
#define VRV_GROUP_MEMBER_H

#include "engine/base/heap.h"
#include "engine/base/list.h"
#include "engine/base/omap.h"
#include "server/group/calls.h"
#include "server/group/group_log.h"

/* All spans are owned. */
struct vrv_member {
    struct vrv_list link;              /* in order of arrival */
    struct vrv_omap_node by_id, by_instance;
    struct vrv_timer timer;            /* its session ends */
    struct vrv_span id, instance;      /* instance: null when dynamic */
    struct vrv_span client_id, client_host;
    int32_t session_ms, rebalance_ms;
    struct vrv_join_protocol *protocols;
    uint32_t protocol_n;
    struct vrv_span assignment;
    struct vrv_span next_assignment;   /* the leader's, while it is being stored; else null */
    struct vrv_join *join;             /* calls that wait, or NULL */
    struct vrv_sync *sync;
    bool pending;                      /* it was given its id and hasn't come back with it yet */
    bool is_new;                       /* its first join is not answered yet */
    bool sync_due;                     /* it hasn't synced in this generation yet */
    size_t counted;                    /* bytes that it has been counted with */
};

struct vrv_member *vrv__member_new(struct vrv_span id, struct vrv_span instance);
void vrv__member_free(struct vrv_member *m); /* nothing may wait any more */
void vrv__member_set_client(struct vrv_member *m, struct vrv_span id, struct vrv_span host);
/* A copy on the heap, and giving one back. */
struct vrv_join_protocol *vrv__protocols_dup(const struct vrv_join_protocol *p, uint32_t n);
void vrv__protocols_free(struct vrv_join_protocol *p, uint32_t n);
void vrv__member_set_assignment(struct vrv_member *m, struct vrv_span assignment);
/* Are these the protocols that it has, in the same order and with the same metadata? */
bool vrv__member_matches(const struct vrv_member *m, const struct vrv_join_protocol *p, uint32_t n);
/* Its metadata for a protocol; empty when it doesn't have that. */
struct vrv_span vrv__member_metadata(const struct vrv_member *m, struct vrv_span protocol);
/* How much memory it takes. */
size_t vrv__member_bytes(const struct vrv_member *m);

#endif
