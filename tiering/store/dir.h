/*
 * A directory as a store: on this machine, or one that several share (NFS).
 *
 *   ~tmp/<time>-<random>   what is being written
 *   <key>                  an object: linked to its name when it is whole and synced
 *
 * Only link() is relied on to be atomic, and it always is what if_absent asks for.  An object is durable
 * when it and every directory above it are synced; what can't be synced is broken until the store is opened
 * again, and all that is asked of it fails (L4).
 */
#ifndef VRV_STORE_DIR_H
#define VRV_STORE_DIR_H

#include "engine/os/clock.h"
#include "engine/os/vfs.h"
#include "tiering/store/store.h"

struct vrv_store_dir_opts {
    struct vrv_vfs *vfs;     /* of the directory; borrowed.  NULL: it is opened by its path, */
    const char *path;        /* what to call it */
    bool create;             /* ... made where it isn't there, */
    bool waits;              /* ... and, where it can't be opened, later: by the first call for
                              * which it can */
    struct vrv_clock *clock; /* borrowed */
    uint64_t random;         /* unpredictable, or a seed */
    unsigned threads;        /* 0: calls are done by vrv_store_step(); else one of several is for READ only */
};

int vrv_store_dir(struct vrv_store **out, const struct vrv_store_dir_opts *o, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
