/*
 * The cold tier that the configuration asks for: its store, and what moves segments there.
 *
 * Threads: one.
 */
#ifndef VRV_MAIN_COLD_H
#define VRV_MAIN_COLD_H

#include "engine/engine.h"
#include "server/config/config.h"

struct vrv_tier;

struct vrv_server_cold {
    struct vrv_vfs *vfs;
    struct vrv_store *store;
    struct vrv_tier *tier;  /* NULL: there is none */
};

/* Before the engine is opened.  Errors: what is wrong with the store. */
int vrv_server_cold_open(struct vrv_server_cold *c, const struct vrv_config *config,
    struct vrv_err *e) VRV_MUST_CHECK;
/* For the engine, or NULL. */
struct vrv_cold *vrv_server_cold(const struct vrv_server_cold *c);
/* The engine is open, and does nothing yet.  INVALID: topics need a cold tier, and there is none. */
int vrv_server_cold_check(const struct vrv_server_cold *c, struct vrv_engine *eng, struct vrv_err *e)
    VRV_MUST_CHECK;
/* The engine is open: from now on segments leave. */
int vrv_server_cold_start(struct vrv_server_cold *c, struct vrv_engine *eng, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Before the engine closes, and behind that. */
void vrv_server_cold_stop(struct vrv_server_cold *c);
void vrv_server_cold_close(struct vrv_server_cold *c);

#endif
