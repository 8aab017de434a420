/*
 * A deleted topic comes back: what is cold of it is looked up, then the engine makes it anew
 * (engine/remains.h).
 *
 * Threads: the tier's.
 */
#ifndef VRV_DAEMON_UNDELETE_H
#define VRV_DAEMON_UNDELETE_H

#include "engine/remains.h"
#include "tiering/parts/parts.h"

struct vrv_undelete {
    /* the caller's */
    struct vrv_done done;     /* posted when it has ended */
    const char *topic;        /* its name; of several that had it the one that was deleted last */
    const char *as;           /* the name that it is to have; NULL: the one that it had */
    /* the result: 0, NOTFOUND, EXISTS, INVALID (its cold data is being deleted), AGAIN (it is too early:
     * what this disk had is still being removed, or what was on its way to the store given up), or what
     * failed */
    int status;
    struct vrv_err err;
    struct vrv_uuid id;       /* of the topic that is back */
    /* ours */
    struct vrv_done begin;
    struct vrv_parts *parts;
    struct vrv_engine *eng;
    struct vrv_remains r;
    int32_t at;               /* the partition whose manifest is read */
    struct vrv_part_wait wait;
    bool (*is_still)(void *owner, const struct vrv_log_id *id); /* does its manifest stay as it is? */
    void (*run)(struct vrv_undelete *u);
    void *owner;
};

/* u->run is called once, perhaps from within, before it is posted. */
void vrv_undelete_begin(struct vrv_undelete *u);
/* It waits for a manifest, and shall no more. */
void vrv_undelete_cancel(struct vrv_undelete *u);

#endif
