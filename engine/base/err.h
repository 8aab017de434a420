/*
 * Errors that come from outside the program: disk, store, peer, caller.
 *
 * A fallible function returns 0 (or a count) or a negative VRV_E_* code.  The
 * function that sees a failure first fills `struct vrv_err` (code, errno and one
 * sentence that names what is wrong); callers above only pass it up, or add
 * what they know with vrv_err_prefix().  The argument may be NULL.
 */
#ifndef VRV_BASE_ERR_H
#define VRV_BASE_ERR_H

#include "engine/base/annot.h"

enum vrv_error {
#define VRV_ERROR(name, num, exit, text) VRV_E_##name = -(num),
#include "engine/base/errors.def"
};

struct vrv_err {
    int code; /* VRV_E_*, 0 when unset */
    int sys;  /* errno at the point of failure, or 0 */
    char msg[248];
};

/* Fill `e` (may be NULL) and return `code`, so that callers can write
 * `return vrv_err_set(...)`. */
int vrv_err_set(struct vrv_err *e, int code, const char *fmt, ...) VRV_PRINTF(3, 4);

/* The same for a failed system call: maps errno (ENOSPC, EDQUOT: NOSPACE; ENOENT: NOTFOUND;
 * EEXIST: EXISTS; EROFS, EACCES, EPERM: READONLY; ENOMEM: NOMEM; else IO) and appends its text.
 * Reads errno: call it before anything clobbers it. */
int vrv_err_sys(struct vrv_err *e, const char *fmt, ...) VRV_PRINTF(2, 3);

/* Put "text: " in front of the sentence in `e`, whose code becomes `code`; returns that. */
int vrv_err_prefix(struct vrv_err *e, int code, const char *fmt, ...) VRV_PRINTF(3, 4);

/* Static text for a code, and the exit code of a command that fails with it. */
const char *vrv_err_text(int code);
int vrv_err_exit(int code);

#endif
