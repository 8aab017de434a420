/*
 * What is to be sent: bytes of our own, and between them slices of a log that are not copied.
 *
 *   own bytes ....|slice|...|slice|slice|.....
 *                 at        at     (the same)
 *
 * A writer appends to the own bytes; where a record batch belongs it hands over a slice, which is
 * memory, a range of a segment file, or bytes from the cold tier.  Who sends goes through both in
 * order.  Cleared, it keeps its memory for the next answer, unless that is large.
 *
 * Threads: one at a time.
 */
#ifndef VRV_SERVER_OUT_H
#define VRV_SERVER_OUT_H

#include <stddef.h>
#include <stdint.h>

#include "engine/reader/reader.h"

struct vrv_out_slice {
    size_t at; /* own bytes before it */
    struct vrv_slice slice;
};

struct vrv_out {
    uint8_t *own;
    size_t n, cap;
    struct vrv_out_slice *slice;
    uint32_t slice_n, slice_cap;
    size_t slice_bytes;
};

/* All zero is empty. */
void vrv_out_fini(struct vrv_out *o);
/* Empty again: gives back what slices refer to. */
void vrv_out_clear(struct vrv_out *o);

/* Room for n more bytes at the end, which count as written; valid until the next call. */
uint8_t *vrv_out_room(struct vrv_out *o, size_t n);
void vrv_out_put(struct vrv_out *o, const void *p, size_t n);
/* Take a slice over, references and all; *s is cleared. */
void vrv_out_take(struct vrv_out *o, struct vrv_slice *s);

static inline size_t
vrv_out_bytes(const struct vrv_out *o)
{
    return o->n + o->slice_bytes;
}

#endif
