/* What the files of the group's state machine share. */
#ifndef VRV_GROUP_GROUP_INT_H
#define VRV_GROUP_GROUP_INT_H

#include "server/group/group.h"

/* ---- group_state.c ---- */

/* The one place that changes the state; from where it may is asserted. */
void vrv__group_move(struct vrv_group *g, enum vrv_group_state to, const struct vrv_now *now);
struct vrv_member *vrv__group_member(const struct vrv_group *g, struct vrv_span id);
struct vrv_member *vrv__group_pending(const struct vrv_group *g, struct vrv_span id);
struct vrv_member *vrv__group_static(const struct vrv_group *g, struct vrv_span instance);
/* Who sends this is a member: 0, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID. */
int vrv__group_check_member(const struct vrv_group *g, struct vrv_span id, struct vrv_span instance);
/* The group owns m from here on. */
void vrv__group_add(struct vrv_group *g, struct vrv_member *m, struct vrv_span protocol_type);
void vrv__group_add_pending(struct vrv_group *g, struct vrv_member *m);
/* Also one that is pending; calls of it that wait are answered with the error.  Frees it. */
void vrv__group_remove(struct vrv_group *g, struct vrv_member *m, int error);
/* It comes under another id: its calls that wait are fenced. */
void vrv__group_rename(struct vrv_group *g, struct vrv_member *m, struct vrv_span id, int error);
/* A copy of them in place of what it had. */
void vrv__group_set_protocols(struct vrv_group *g, struct vrv_member *m,
    const struct vrv_join_protocol *p, uint32_t n);
/* Exchange what m owns for what the caller owns. */
void vrv__group_swap_protocols(struct vrv_group *g, struct vrv_member *m,
    struct vrv_join_protocol **p, uint32_t *n);
bool vrv__group_supports(const struct vrv_group *g, const struct vrv_join *c);
/* The protocol that all members have and most like best; the group has members. */
struct vrv_span vrv__group_vote(const struct vrv_group *g);
void vrv__group_learn_topics(struct vrv_group *g);
/* The member's memory has changed. */
void vrv__group_count(struct vrv_group *g, struct vrv_member *m);
bool vrv__group_memory_full(const struct vrv_group *g);

/* Answering.  An error to a join that waits in m or not; the id is the one to be given back. */
void vrv__join_fail(struct vrv_group *g, struct vrv_join *c, int error, struct vrv_span id);
void vrv__sync_fail(struct vrv_group *g, struct vrv_sync *c, int error);
/* With what the group is now. */
enum vrv__join_as {
    VRV__JOIN_FOLLOWER,
    VRV__JOIN_LEADER,  /* gets the members, to assign */
    VRV__JOIN_SKIP,    /* the leader, who isn't to assign */
    VRV__JOIN_RESUMED, /* an old client: told the leader that call.leader names already */
};
void vrv__join_answer(struct vrv_group *g, struct vrv_join *c, struct vrv_member *m,
    enum vrv__join_as as);
void vrv__sync_answer(struct vrv_group *g, struct vrv_sync *c, const struct vrv_member *m);

/* ---- rebalance.c ---- */

void vrv__session(struct vrv_group *g, struct vrv_member *m, int64_t ms, const struct vrv_now *now);
/* All join anew. */
void vrv__prepare(struct vrv_group *g, const struct vrv_now *now);
/* Prepare, or where that is done already go on if nobody is missing. */
void vrv__prepare_or_complete(struct vrv_group *g, const struct vrv_now *now);
/* Every member that waits for its assignment gets it, or the error. */
void vrv__hand_out(struct vrv_group *g, int error, const struct vrv_now *now);

#endif
