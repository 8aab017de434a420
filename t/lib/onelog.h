/*
 * An engine with one log: what the tests of a log's life begin with.  The rig is theirs to use.
 *
 * Threads: one.
 */
#ifndef VRV_T_ONELOG_H
#define VRV_T_ONELOG_H

#include "t/lib/rig.h"

extern struct rig rig;

/* An empty disk, and the topic "t" of one partition; configs as rig_create takes them. */
void begin(const char *configs);
struct vrv_log *the_log(void);
struct vrv_log_offsets offsets(void);

#endif
