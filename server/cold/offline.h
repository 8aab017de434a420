/* The engine on the server's data directory, while the server is stopped.  Threads: one. */
#ifndef VRV_COLD_OFFLINE_H
#define VRV_COLD_OFFLINE_H

#include "engine/engine.h"
#include "server/config/config.h"

/* As the configuration says, but for the directory: the caller's. */
int vrv_offline_opts(const struct vrv_config *c, struct vrv_engine_opts *o, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
