/* A stand-in for the tier's mover: sealed segments of a log go to the fake cold tier, whole. */
#ifndef VRV_T_OFFLOAD_H
#define VRV_T_OFFLOAD_H

#include "engine/log/log.h"
#include "t/lib/fakecold.h"

/* Copies what is sealed and not there yet.  How far the cold tier reaches then. */
int64_t offload(struct vrv_log *log, struct vrv_cold *cold);

#endif
