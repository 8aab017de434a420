/* Random bytes of the system, for ids that must not be guessed or drawn twice. */
#ifndef VRV_SERVER_RANDOM_H
#define VRV_SERVER_RANDOM_H

#include <stddef.h>

#include "engine/base/err.h"

int vrv_random(void *p, size_t n, struct vrv_err *e) VRV_MUST_CHECK;

#endif
