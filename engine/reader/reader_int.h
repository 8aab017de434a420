/* Inside the reader room. */
#ifndef VRV_READER_READER_INT_H
#define VRV_READER_READER_INT_H

#include "engine/reader/reader.h"

/* What the cold tier was asked for. */
struct vrv__cold_want {
    enum vrv_cold_want want;
    int64_t offset, ts;
};

/* May the log be read at r->offset?  Says start, hw and end; log->lock is held. */
int vrv__read_check(const struct vrv_log *log, struct vrv_read *r, struct vrv_err *e)
    VRV_MUST_CHECK;
/* VRV_READ_COLD, or why what is cold can't be had. */
int vrv__read_cold(const struct vrv_log *log, int64_t offset, struct vrv_err *e) VRV_MUST_CHECK;
/* Reading a segment failed so.  NOTFOUND: it was deleted, cut or dropped meanwhile; FOREIGN: its file is missing. */
int vrv__read_failed(const struct vrv_seg *s, int rc, struct vrv_err *e) VRV_MUST_CHECK;
/* Reading this disk's copy of what is at this offset failed so: may the cold tier have another? */
bool vrv__read_elsewhere(struct vrv_log *log, int64_t offset, int rc) VRV_MUST_CHECK;
/* Has this disk nothing at this offset, and this segment next (varve log repair has cut what was damaged), and may the
 * cold tier have it?  CORRUPT, or 0. */
int vrv__read_lacks(struct vrv_log *log, int64_t offset, const struct vrv_seg *s, struct vrv_err *e) VRV_MUST_CHECK;
/* The offset behind what the cold tier gave and the read has room for: one more slice, or none.  It is
 * checked first.  Takes over the reference. */
int64_t vrv__read_take_cold(struct vrv_read *r, const struct vrv__cold_want *w,
    struct vrv_cold_bytes *bytes, struct vrv_err *e) VRV_MUST_CHECK;
/* So many bytes may still be added; the first batch is another matter. */
static inline size_t
vrv__read_room(const struct vrv_read *r)
{
    return r->max_bytes > r->bytes ? r->max_bytes - r->bytes : 0;
}
/* May a batch of this size be added? */
static inline bool
vrv__read_fits(const struct vrv_read *r, size_t n)
{
    return n <= vrv__read_room(r) || (r->bytes == 0 && r->whole_first);
}

#endif
