/*
 * Open file handles under a limit: ten thousand partitions must not hold ten thousand descriptors.
 *
 * A user of a file embeds a slot; the handle behind it is opened on use and stays open until others
 * need the room: the one not used for longest goes first.  In use (between _get and _put) it
 * is never closed.  Threads: any.
 */
#ifndef VRV_OS_FILES_H
#define VRV_OS_FILES_H

#include "engine/base/list.h"
#include "engine/os/lock.h"
#include "engine/os/vfs.h"

struct vrv_files {
    struct vrv_lock lock;
    struct vrv_vfs *vfs;
    unsigned max;            /* open at the same time, if possible */
    unsigned open VRV_GUARDED_BY(lock);
    struct vrv_list idle VRV_GUARDED_BY(lock); /* open, not in use; least recently used first */
    pthread_cond_t put;      /* somebody put back what a writer waits for */
};

/* With flags: reading is all that the caller needs.  It takes an open file as it is; WRITE is a wish
 * for the sake of a writer who comes later. */
enum { VRV_FILES_READER = 1 << 16 };

/* All zero is an empty slot. */
struct vrv_file_slot {
    struct vrv_list link;
    struct vrv_file *f;
    unsigned flags; /* it was opened with */
    unsigned users;
    bool wanted;    /* a writer waits for its users */
    bool stale;     /* its name leads to another file now: close it when nobody uses it */
    bool ended;     /* its name leads to nothing, or to another's file: it is not opened again */
};

void vrv_files_init(struct vrv_files *fs, struct vrv_vfs *vfs, unsigned max);
/* All slots must have been cleared. */
void vrv_files_fini(struct vrv_files *fs);

/* The open file for `path` (always the same for one slot).  A slot that is open for reading only
 * is opened again when flags ask for writing: that waits until its readers put it back. */
int vrv_files_get(struct vrv_files *fs, struct vrv_file_slot *slot, const char *path,
    unsigned flags, struct vrv_file **f, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_files_put(struct vrv_files *fs, struct vrv_file_slot *slot);
/* Another file was put under its name: who gets it from now on gets that one, but while others
 * still use the old one. */
void vrv_files_renew(struct vrv_files *fs, struct vrv_file_slot *slot);
/* Its file is about to lose its name: while it is open it can be used, then NOTFOUND. */
void vrv_files_end(struct vrv_files *fs, struct vrv_file_slot *slot);
/* Close it; not in use. */
void vrv_files_clear(struct vrv_files *fs, struct vrv_file_slot *slot);

#endif
