/* What the two halves of the real file system share: vfs_posix.c has the tree, vfs_posix_file.c
 * the open files.  For this room only. */
#ifndef VRV_OS_VFS_POSIX_H
#define VRV_OS_VFS_POSIX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/os/vfs.h"

struct vrv_uring;

enum {
    VRV__FILE_MODE = 0600,
    VRV__SEALED_MODE = 0400,
    VRV__DIR_MODE = 0700,
};

struct vrv__posix_vfs {
    struct vrv_vfs vfs;
    uint32_t magic;
    int root;
    char *path; /* of the root, for sentences */
    struct vrv_uring *uring;
    atomic_bool no_dontcache; /* this kernel or file system refused RWF_DONTCACHE (tests pretend it did) */
};

/* Takes the descriptor, copies the path. */
struct vrv_file *vrv__posix_file_new(struct vrv__posix_vfs *v, int fd, const char *path,
    bool direct);
/* The descriptor of a file of a posix vfs. */
int vrv__posix_fd(struct vrv_file *f);
/* fdatasync or fsync (a directory), continued when interrupted: 0, or -1 and errno. */
int vrv__posix_sync(int fd, bool metadata);

#endif
