/*
 * Is what the store has of a log what the log has?  A manifest may be of a life that went on elsewhere, as when an
 * older copy of a disk has taken its place.
 *
 * Threads: any.
 */
#ifndef VRV_PARTS_HAS_H
#define VRV_PARTS_HAS_H

#include "engine/engine.h"
#include "tiering/format/manifest.h"

/* Does the log have what this segment does, or has it let go of that? */
bool vrv_parts_log_has(struct vrv_engine *eng, const struct vrv_log_id *id, const struct vrv_cold_seg *s);

#endif
