/*
 * Secrets by reference: a setting says where one stands, so that who may read settings doesn't read it.
 *
 *   file:PATH   the first line of a file
 *   env:NAME    a variable of the environment
 *
 * It is read each time that it is needed, so another one can be put there while a server runs.  No sentence
 * has any of it, nor of a reference that is none: it may be the secret.
 *
 * Threads: any.
 */
#ifndef VRV_OS_SECRET_H
#define VRV_OS_SECRET_H

#include <stdbool.h>

#include "engine/base/err.h"

enum { VRV_SECRET_MAX = 4096 }; /* with the end of its line, and its zero */

bool vrv_secret_is_ref(const char *ref);

/* What `ref` names; `setting` is where that stands.  DENIED: nothing, or too much. */
int vrv_secret_read(const char *setting, const char *ref, char out[VRV_SECRET_MAX], struct vrv_err *e)
    VRV_MUST_CHECK;
/* The same of a file alone. */
int vrv_secret_file(const char *setting, const char *path, char out[VRV_SECRET_MAX], struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
