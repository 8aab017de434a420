/*
 * What a data directory says it holds: its logs with their segments.
 *
 * Best from an engine that recovered it.  Where that fails, from whatever can still be read of the
 * catalog and the checkpoints, so that the check can go on behind the first damage.
 */
#ifndef VRV_TOOL_VIEW_H
#define VRV_TOOL_VIEW_H

#include "server/tool/tool.h"

struct view_log {
    char *topic;          /* its name, or its id when that can't be had */
    struct vrv_log *log;  /* the engine's or ours */
};

struct view {
    struct view_log *v;
    size_t n, cap;
    struct vrv_uuid *gone; /* topics that are being deleted */
    size_t gone_n, gone_cap;
    bool whole;            /* from an engine: nothing is missing here */
    /* ours, when there is no engine */
    struct vrv_files files;
    struct vrv_slab_pool pool;
    struct vrv_log_env env;
    struct vrv_log_config *config;
};

/* Told of what keeps it from being whole. */
typedef void view_trouble_fn(void *ctx, const char *what, const struct vrv_err *e);

/* Errors are those that nothing can be done about: VERSION, LOCKED, IO, NOMEM. */
int view_open(struct view *v, struct tool *t, view_trouble_fn *fn, void *ctx, struct vrv_err *e)
    VRV_MUST_CHECK;
void view_close(struct view *v);
struct view_log *view_find(const struct view *v, const struct vrv_log_id *id);

#endif
