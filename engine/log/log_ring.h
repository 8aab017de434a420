/* Looking into a log from the reader, with its lock held. */
#ifndef VRV_LOG_LOG_RING_H
#define VRV_LOG_LOG_RING_H

#include "engine/log/log.h"

/* The entry with this number: first <= number < end. */
struct vrv_entry *vrv_ring_at(const struct vrv_ring *r, uint64_t number);
/* The number of the committed entry that holds offset, or is the first behind it; r->committed when
 * there is none. */
uint64_t vrv_ring_find(const struct vrv_ring *r, int64_t offset);
/* The local start. */
int64_t vrv_log_local(const struct vrv_log *log);
/* The last stable offset: where the oldest open transaction begins, or hw. */
int64_t vrv_log_stable(const struct vrv_log *log);
/* The segment that holds offset, or the first one behind it; log->seg_n when there is none. */
uint32_t vrv_log_seg_for(const struct vrv_log *log, int64_t offset);

#endif
