/* `varve restore`: what it tells of a server that can be made anew. */
#ifndef VRV_TOOL_RESTORE_H
#define VRV_TOOL_RESTORE_H

#include "server/cold/revive.h"
#include "server/tool/out.h"

/* What is in the store: as of when, topic by topic, what is missing of which partition. */
void restore_show(struct out *o, const struct vrv_restore *r, const struct vrv_revived *groups);

#endif
