/* Points in time as stores write them; milliseconds since 1970, or -1: it is none.  Pure. */
#ifndef VRV_STORE_TIMES_H
#define VRV_STORE_TIMES_H

#include <stdint.h>

int64_t vrv_time_iso(const char *s);  /* "2026-11-22T00:39:00.123Z" */
int64_t vrv_time_http(const char *s); /* "Sun, 22 Nov 2026 00:39:00 GMT" */

#endif
