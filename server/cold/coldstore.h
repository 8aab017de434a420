/* The store of cold segments that the configuration asks for.  Threads: one. */
#ifndef VRV_COLD_COLDSTORE_H
#define VRV_COLD_COLDSTORE_H

#include "server/config/config.h"
#include "tiering/store/store.h"

struct vrv_vfs;

/* vfs: of a directory, to be closed behind the store; else NULL.  Errors: what is wrong with the
 * settings. A store over a network that can't be used now is told as an event, within a few
 * seconds: what is hot is served without it. */
int vrv_coldstore_open(struct vrv_store **out, struct vrv_vfs **vfs,
    const struct vrv_config *config, struct vrv_err *e) VRV_MUST_CHECK;

#endif
