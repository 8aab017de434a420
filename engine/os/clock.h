/* Time, as a dependency: the tests move it by hand.  No safety decision reads it (L13). */
#ifndef VRV_OS_CLOCK_H
#define VRV_OS_CLOCK_H

#include <stdint.h>

struct vrv_clock {
    int64_t (*wall_ms)(struct vrv_clock *c); /* milliseconds since 1970 */
    int64_t (*mono_ns)(struct vrv_clock *c); /* never goes back */
};

/* The machine's clock. */
struct vrv_clock *vrv_clock_real(void);

#endif
