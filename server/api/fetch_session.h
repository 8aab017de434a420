/*
 * Incremental fetch sessions (KIP-227): the server remembers what a consumer fetches, so that
 * requests name only what has changed, and answers only what is new.
 *
 *   epoch -1: no session (one that is named ends); 0: begin one; n: the n-th fetch of it
 *
 * Sessions are bounded in number; when there are too many, one that was not used for a while makes
 * room, or the new consumer just gets none.  A session serves one fetch at a time.
 *
 * Threads: any; a session that was taken is its taker's alone.
 */
#ifndef VRV_API_FETCH_SESSION_H
#define VRV_API_FETCH_SESSION_H

#include <stdatomic.h>

#include "engine/base/err.h"
#include "engine/base/list.h"
#include "engine/base/omap.h"
#include "engine/base/uuid.h"
#include "engine/os/lock.h"
#include "server/base/kerrors.h"
#include "server/wire/types.h"

/* A partition that is fetched: by a session, or by one request without. */
struct vrv_fetch_want {
    struct vrv_omap_node node;   /* of a session, by topic and partition */
    struct vrv_list link;        /* in the order in which they are served */
    struct vrv_uuid id;
    struct vrv_str name;         /* empty where topics are named by id */
    int32_t partition;
    int32_t leader_epoch, last_epoch;
    int64_t offset;
    int32_t max_bytes;
    int64_t hw, start;           /* what the last answer said; -1: nothing */
};

struct vrv_fetch_session {
    struct vrv_omap_node node;
    int32_t id, epoch;           /* the epoch that the next request must have */
    bool by_id;                  /* topics are named by id */
    bool busy;
    int64_t used_ms;
    struct vrv_omap wants;
    struct vrv_list order;
};

struct vrv_fetch_sessions {
    struct vrv_lock lock;
    struct vrv_omap by_id;       /* guarded by lock */
    unsigned n, max;
    _Atomic size_t wants;        /* of all sessions */
    struct vrv_rand rand;        /* guarded by lock: their ids */
};

/* Partitions that all sessions together remember at most. */
enum { VRV_FETCH_WANTS_MAX = 1000000 };

/* random: unpredictable.  Ids of one life of the server must not be those of the one before, whose
 * clients may still have theirs. */
void vrv_fetch_sessions_init(struct vrv_fetch_sessions *s, unsigned max, uint64_t random);
void vrv_fetch_sessions_fini(struct vrv_fetch_sessions *s); /* none may be in use */

/* A new one for its taker, or NULL: there is no place. */
struct vrv_fetch_session *vrv_fetch_session_new(struct vrv_fetch_sessions *s, bool by_id,
    int64_t now_ms);
/* Take the one with this id, for its epoch: NONE, or what Kafka says. */
enum vrv_kerror vrv_fetch_session_take(struct vrv_fetch_sessions *s, int32_t id, int32_t epoch,
    bool by_id, struct vrv_fetch_session **out);
/* Taken, it ends. */
void vrv_fetch_session_drop(struct vrv_fetch_sessions *s, struct vrv_fetch_session *fs);
/* Give it back: the next request is to have the next epoch.  Ends it when it fetches nothing. */
void vrv_fetch_session_put(struct vrv_fetch_sessions *s, struct vrv_fetch_session *fs,
    int64_t now_ms);
/* End it, if there is such a one and it is not in use. */
void vrv_fetch_session_end(struct vrv_fetch_sessions *s, int32_t id);

/* How many there are. */
unsigned vrv_fetch_sessions_count(struct vrv_fetch_sessions *s);

/* Add or change what it fetches; the strings are copied.  False: too many are remembered, or it has
 * a name that is too long for any topic. */
bool vrv_fetch_session_want(struct vrv_fetch_sessions *s, struct vrv_fetch_session *fs,
    const struct vrv_fetch_want *w);
void vrv_fetch_session_forget(struct vrv_fetch_sessions *s, struct vrv_fetch_session *fs,
    const struct vrv_uuid *id, struct vrv_str name, int32_t partition);

#endif
