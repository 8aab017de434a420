/*
 * A coordinator over an engine on the simulated disk, run step by step, and calls to it in one line.
 * A call that was posted has lost its queue: that is how grouprig_posted knows.
 *
 * Threads: one.
 */
#ifndef VRV_T_GROUPRIG_H
#define VRV_T_GROUPRIG_H

#include "server/group/coord.h"
#include "t/lib/rig.h"

struct grouprig {
    struct rig rig;
    struct vrv_coord_opts o; /* small; change what a test is about before grouprig_up */
    struct vrv_coord *c;
    struct vrv_cq cq;
    struct vrv_err failed;   /* what the coordinator reported last */
};

void grouprig_init(struct grouprig *g, uint64_t seed);
void grouprig_fini(struct grouprig *g);
/* Open the engine, gain all partitions, read them.  There is a topic "t". */
void grouprig_up(struct grouprig *g);
/* An orderly stop. */
void grouprig_down(struct grouprig *g);
void grouprig_crash(struct grouprig *g, uint64_t seed);

/* Until nothing is left to do at this time. */
void grouprig_run(struct grouprig *g);
/* The same, but nothing is committed. */
void grouprig_step(struct grouprig *g);
void grouprig_pass(struct grouprig *g, int64_t ms);

static inline bool
grouprig_posted(const struct vrv_group_call *c)
{
    return c->done.cq == NULL;
}

/* A subscription of the consumer protocol to one topic (static memory, for short names). */
struct vrv_span grouprig_subscription(const char *topic);

/* Begin a call; fields that are set already stay as they are, defaults come for what is zero. */
void grouprig_join(struct grouprig *g, struct vrv_join *c, const char *group, const char *member);
void grouprig_sync(struct grouprig *g, struct vrv_sync *c, const char *group, const char *member,
    int32_t generation);

/* Calls that are run and answered: their error. */
int grouprig_heartbeat(struct grouprig *g, const char *group, const char *member,
    int32_t generation);
int grouprig_leave(struct grouprig *g, const char *group, const char *member,
    const char *instance);
int grouprig_commit(struct grouprig *g, const char *group, const char *topic, int32_t partition,
    int64_t offset);
/* The committed offset; -1: none; below that: -1000 - error. */
int64_t grouprig_fetch(struct grouprig *g, const char *group, const char *topic,
    int32_t partition);
int grouprig_delete(struct grouprig *g, const char *group);
int grouprig_delete_offset(struct grouprig *g, const char *group, const char *topic,
    int32_t partition);
/* The state's name, or that of the error. */
const char *grouprig_state(struct grouprig *g, const char *group);

/* Spans as text: static memory, for the last few. */
const char *grouprig_text(struct vrv_span s);

#endif
