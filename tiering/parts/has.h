/*
 * Is what the store has of a log what the log has?  A manifest may be of a life that went on
 * elsewhere, as when an older copy of a disk has taken its place.  And is what neither has missing?
 *
 * Threads: any.
 */
#ifndef VRV_PARTS_HAS_H
#define VRV_PARTS_HAS_H

#include "engine/engine.h"
#include "tiering/format/manifest.h"

/* Does the log have what this segment does, or has it let go of that? */
bool vrv_parts_log_has(struct vrv_engine *eng, const struct vrv_log_id *id, const struct vrv_cold_seg *s);

/* What lies between, where a manifest ends and this disk goes on, never was in the store, nor will
 * be: a log whose disk goes on where the store ends has only holes that were there when it was
 * written, as where it went on above its ceiling; one that came back has none of what was deleted
 * with it, but for what a manifest names that turned up later; or it was given up (vrv_parts_lost;
 * equal: nothing was). */
bool vrv_parts_is_hole(const struct vrv_log_offsets *o, int64_t lost_from, int64_t lost_to,
    int64_t from, int64_t to);

#endif
