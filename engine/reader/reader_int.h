/* Inside the reader room. */
#ifndef VRV_READER_READER_INT_H
#define VRV_READER_READER_INT_H

#include "engine/reader/reader.h"

/* May the log be read at r->offset?  Says start, hw and end; log->lock is held. */
int vrv__read_check(const struct vrv_log *log, struct vrv_read *r, struct vrv_err *e)
    VRV_MUST_CHECK;
/* VRV_READ_COLD, or why what is cold can't be had. */
int vrv__read_cold(const struct vrv_log *log, int64_t offset, struct vrv_err *e) VRV_MUST_CHECK;

#endif
