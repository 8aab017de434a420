/* A stand-in for varve log repair: what it leaves of a sealed segment whose last batch is damaged. */
#ifndef VRV_T_CUT_H
#define VRV_T_CUT_H

#include "engine/log/log.h"

/* Of the segment that begins with this offset, and has more than one batch. */
void cut_last(struct vrv_log *log, int64_t base);

#endif
