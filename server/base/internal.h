/* Topics that are the server's own. */
#ifndef VRV_BASE_INTERNAL_H
#define VRV_BASE_INTERNAL_H

#include <stdbool.h>

/* __consumer_offsets and such: ours to write. */
bool vrv_topic_is_internal(const char *name);

#endif
