/* Times in ms that limits are added to, of which INT64_MAX is for ever. */
#ifndef VRV_BASE_LATER_H
#define VRV_BASE_LATER_H

#include <stdint.h>

/* Later by so much, which isn't negative; saturates. */
static inline int64_t
vrv_later(int64_t ms, int64_t by)
{
    return by == INT64_MAX || (ms > 0 && by > INT64_MAX - ms) ? INT64_MAX : ms + by;
}

#endif
