/* Places of the real file system that tests can make fail, and steps between which they can kill a
 * process: only in a build with --enable-failpoints, elsewhere there is no code for them.
 *
 * VARVE_FAILPOINT=NAME:N:ACTION in the environment, read at the first pass, strikes once: when the
 * point NAME is passed for the N-th time in this process, by whichever thread, just before the
 * operation.  ACTION is kill (SIGKILL to the process: it dies exactly there), eio or enospc (the
 * operation is not done and fails so); a step is no operation, and takes kill alone.  Anything else is
 * told on stderr and ends the process. */
#ifndef VRV_OS_FAILPOINT_H
#define VRV_OS_FAILPOINT_H

#include <stdbool.h>

#ifdef VRV_FAILPOINTS

enum vrv_failpoint {
    VRV_FAIL_CREATE,   /* "create": an opening that may make the file */
    VRV_FAIL_WRITE,    /* "write" */
    VRV_FAIL_SYNC,     /* "sync": of a file; a portion for io_uring is one pass */
    VRV_FAIL_SYNC_DIR, /* "sync_dir" */
    VRV_FAIL_SYNC_ALL, /* "sync_all" */
    VRV_FAIL_RENAME,   /* "rename" */
    VRV_FAIL_LINK,     /* "link" */
    VRV_FAIL_UNLINK,   /* "unlink" */
    VRV_FAIL_TRUNCATE, /* "truncate" */
    VRV_FAIL_CHMOD,    /* "chmod" */
    VRV_FAIL_MKDIR,    /* "mkdir" */
    VRV_FAIL_RMDIR,    /* "rmdir" */
    /* steps, each before and behind what is done: */
    VRV_FAIL_STEPS,
    VRV_FAIL_OFFLOAD = VRV_FAIL_STEPS, /* "offload": a segment's way to the store */
    VRV_FAIL_COMMIT,   /* "commit": a manifest that is there comes to count */
    VRV_FAIL_EVICT,    /* "evict": what the store has leaves this disk */
    VRV_FAIL_RETAIN,   /* "retain": what is too old leaves log, manifest and store */
    VRV_FAIL_DELETE,   /* "delete": what the store has of a deleted topic goes */
    VRV_FAIL_COUNT,
};

/* True when the operation that follows is to fail, with errno set. */
#define VRV_FAILPOINT(point) vrv__failpoint(VRV_FAIL_##point)
#define VRV_STEP(step) ((void)vrv__failpoint(VRV_FAIL_##step))

bool vrv__failpoint(enum vrv_failpoint point);
/* For tests: has an operation been made to fail? */
bool vrv_failpoint_struck(void);

#else
#define VRV_FAILPOINT(point) false
#define VRV_STEP(step) ((void)0)
#endif

#endif
