/* Inside the segment room: what writing (seg.c) and rebuilding (seg_check.c) must do alike. */
#ifndef VRV_SEG_SEG_INT_H
#define VRV_SEG_SEG_INT_H

#include "engine/batch/batch.h"
#include "engine/seg/seg.h"

/* Account for one batch that goes to w->flushed (its bytes' checksum is the caller's).  True when
 * an index entry is due: enough bytes have passed since the last one. */
bool vrv__seg_note(struct vrv_seg_written *w, const struct vrv_batch *b, uint32_t interval,
    struct vrv_index_entry *entry);

/* Is the index of an open segment sound, as far as it is written?  Else write it anew, in place,
 * through f.  The writer's, before its first write. */
int vrv__seg_settle_index(struct vrv_seg *s, struct vrv_file *f, struct vrv_err *e)
    VRV_MUST_CHECK;

/* May the index be asked?  What another process left is checked as a whole at first use; a sealed
 * one that isn't right is rebuilt.  1; 0: it can't be had, do without; AGAIN with NOWAIT; IO. */
int vrv__seg_index_ready(struct vrv_seg *s, const struct vrv_seg_view *v, unsigned flags,
    struct vrv_err *e) VRV_MUST_CHECK;

/* The open index file, for reading; put it back into its slot. */
int vrv__seg_index_get(struct vrv_seg *s, struct vrv_file **f, struct vrv_err *e) VRV_MUST_CHECK;

#endif
