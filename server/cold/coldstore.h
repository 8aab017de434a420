/* The store of cold segments that the configuration asks for.  Threads: one. */
#ifndef VRV_COLD_COLDSTORE_H
#define VRV_COLD_COLDSTORE_H

#include "server/config/config.h"
#include "tiering/store/store.h"

/* serves: a directory that isn't there is made, and opened later where that can't be now.  Errors: what is
 * wrong with the settings; nobody else is asked yet. */
int vrv_coldstore_open(struct vrv_store **out, const struct vrv_config *config, bool serves,
    struct vrv_err *e) VRV_MUST_CHECK;

/* Does it answer within so long, and let us in?  One attempt, of LIST. */
int vrv_coldstore_look(struct vrv_store *s, int64_t ms, struct vrv_err *e) VRV_MUST_CHECK;

#endif
