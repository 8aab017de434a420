/* What other handlers tell of settings. */
#ifndef VRV_API_CONFIGS_H
#define VRV_API_CONFIGS_H

#include "server/api/request.h"
#include "server/config/describe.h"
#include "server/config/store.h"

/* All settings of a topic that was just made; name NULL: one that would be. */
void vrv_configs_of_created(struct vrv_request *r, const char *name,
    struct vrv_create_topics_resp_topic *t);

#endif
