/*
 * Reading ahead of somebody who reads on and on: which chunks, over the borders of segments and pages, in
 * reads of neighbours.
 *
 * Threads: the tier's.
 */
#ifndef VRV_READER_FORWARD_H
#define VRV_READER_FORWARD_H

#include "tiering/parts/parts.h"
#include "tiering/reader/cache.h"

/* Begin what is to be read now; when he comes to the next chunk it goes on. */
void vrv_forward(struct vrv_cache *c, struct vrv_parts *parts, const struct vrv_stream *s);

#endif
