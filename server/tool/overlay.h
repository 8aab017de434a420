/*
 * A file system that keeps every change to itself: reads fall through to the one below, what is
 * written, made, renamed or deleted stays in memory.  So an engine can be opened and recovered
 * on a data directory without a byte of it being changed.
 *
 * Threads: one.  Syncs do nothing; there is no O_DIRECT.  The lock is the real one, shared: it
 * conflicts with a running engine, not with another reader, and leaves the file as it is.
 */
#ifndef VRV_TOOL_OVERLAY_H
#define VRV_TOOL_OVERLAY_H

#include "engine/os/vfs.h"

/* `below` is borrowed and must outlive it. */
struct vrv_vfs *overlay_new(struct vrv_vfs *below);

/* As if that name weren't there, whatever it is. */
void overlay_hide(struct vrv_vfs *overlay, const char *path);

/* Share the lock file of the directory below, which may be missing: then nobody has it, and *out
 * is NULL.  LOCKED names the process that does. */
int overlay_lock(struct vrv_vfs *below, const char *path, struct vrv_file **out,
    struct vrv_err *e) VRV_MUST_CHECK;

#endif
