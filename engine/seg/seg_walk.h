/*
 * Walking through a data file, batch by batch, believing nothing: each header, each checksum, each
 * offset against the one before.  For checking, for rebuilding an index, and for repair.
 *
 * The file is read in pieces, past the page cache where that is possible; a batch may span any
 * number of them.  Not locked: one user at a time; the walk borrows the segment.
 */
#ifndef VRV_SEG_SEG_WALK_H
#define VRV_SEG_SEG_WALK_H

#include "engine/batch/batch.h"
#include "engine/seg/seg.h"

struct vrv_seg_walk {
    struct vrv_seg *s;
    uint64_t size;  /* bytes that are to be looked at */
    uint64_t pos;   /* of the next batch, or of the damage */
    int64_t next;   /* its offset is at least this, */
    int64_t end;    /* and its last one below this: what the segment says, INT64_MAX if nothing */
    uint32_t crc;   /* CRC-32C of all bytes before pos; of no use behind a damage */
    /* the piece in memory */
    uint8_t *buf;
    uint64_t buf_pos;
    size_t buf_n;
};

void vrv_seg_walk_init(struct vrv_seg_walk *w, struct vrv_seg *s, uint64_t size);
void vrv_seg_walk_fini(struct vrv_seg_walk *w);
/* The next batch; it began at pos - b->size.  1; 0 at the end; CORRUPT names file, byte, what is
 * wrong and leaves the walk where it was; IO. */
int vrv_seg_walk_next(struct vrv_seg_walk *w, struct vrv_batch *b, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Behind a damage: go on to the next whole batch whose offset is below `end`.  1; 0 when there is
 * none, the walk is at the end then; IO. */
int vrv_seg_walk_skip(struct vrv_seg_walk *w, int64_t end, struct vrv_err *e) VRV_MUST_CHECK;

#endif
