/*
 * The cold tier that the configuration asks for: its store, and what moves segments there.
 *
 * Threads: one.
 */
#ifndef VRV_MAIN_COLD_H
#define VRV_MAIN_COLD_H

#include "engine/engine.h"
#include "server/config/config.h"
#include "server/group/coord.h"

struct vrv_tier;

struct vrv_server_cold {
    struct vrv_vfs *shelf;    /* of its cache; NULL: there is none */
    const char *shelf_path;   /* the configuration's */
    struct vrv_store *store;
    struct vrv_tier *tier;    /* NULL: there is none */
    struct vrv_cq cq;         /* for the next one, while there is a tier */
    struct vrv_done tried;    /* what the tier will have to do in the store was tried */
    bool was_tried;           /* the tier's thread's */
    struct vrv_coord *coord;  /* borrowed, as the next one */
    struct vrv_engine *eng;
    uint8_t *offsets;         /* what the newest marker had of it */
};

/* Before the engine is opened.  Errors: what is wrong with the store. */
int vrv_server_cold_open(struct vrv_server_cold *c, const struct vrv_config *config,
    struct vrv_err *e) VRV_MUST_CHECK;
/* What may change while it runs.  Any thread. */
void vrv_server_cold_set(struct vrv_server_cold *c, const struct vrv_config *config);
/* For the engine, or NULL. */
struct vrv_cold *vrv_server_cold(const struct vrv_server_cold *c);
/* The engine is open, and does nothing yet.  INVALID: topics need a cold tier, and there is none. */
int vrv_server_cold_check(const struct vrv_server_cold *c, struct vrv_engine *eng, struct vrv_err *e)
    VRV_MUST_CHECK;
/* The engine is open, and groups are read: from now on segments leave.  What the store doesn't do is told before
 * it returns, or after a moment behind that. */
int vrv_server_cold_start(struct vrv_server_cold *c, struct vrv_engine *eng, const char *cluster,
    struct vrv_coord *coord, struct vrv_err *e) VRV_MUST_CHECK;
/* Before groups and engine are stopped, and behind that. */
void vrv_server_cold_stop(struct vrv_server_cold *c);
void vrv_server_cold_close(struct vrv_server_cold *c);

#endif
