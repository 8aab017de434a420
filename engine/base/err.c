#include "engine/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"

int
vrv_err_set(struct vrv_err *e, int code, const char *fmt, ...)
{
    va_list ap;

    VRV_ASSERT(code < 0);
    if (e == NULL)
        return code;
    e->code = code;
    e->sys = 0;
    va_start(ap, fmt);
    (void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    return code;
}

static int
code_of_errno(int sys)
{
    switch (sys) {
    case ENOSPC:
    case EDQUOT:
        return VRV_E_NOSPACE;
    case ENOENT:
        return VRV_E_NOTFOUND;
    case EEXIST:
        return VRV_E_EXISTS;
    case EROFS:
    case EACCES:
    case EPERM:
        return VRV_E_READONLY;
    case ENOMEM:
        return VRV_E_NOMEM;
    default:
        return VRV_E_IO;
    }
}

int
vrv_err_sys(struct vrv_err *e, const char *fmt, ...)
{
    int sys = errno;
    int code = code_of_errno(sys);
    va_list ap;

    if (e == NULL)
        return code;
    e->code = code;
    e->sys = sys;
    va_start(ap, fmt);
    int n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(e->msg))
        (void)snprintf(e->msg + n, sizeof(e->msg) - (size_t)n, ": %s", strerror(sys));
    return code;
}

/* How much of a prefix stays: what is at the end says what to do. */
static size_t
room_beside(const char *rest)
{
    enum { LEAST = 16, ALL = sizeof(((struct vrv_err *)NULL)->msg) - sizeof("...: ") };
    size_t n = strlen(rest);

    return n + LEAST < ALL ? ALL - n : LEAST;
}

int
vrv_err_prefix(struct vrv_err *e, int code, const char *fmt, ...)
{
    char rest[sizeof(e->msg)];
    va_list ap;

    if (e == NULL)
        return code;
    e->code = code;
    memcpy(rest, e->msg, sizeof(rest));
    va_start(ap, fmt);
    (void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    size_t n = strlen(e->msg), most = room_beside(rest);
    if (n > most) {
        memcpy(e->msg + most, "...", 3);
        n = most + 3;
    }
    size_t room = sizeof(e->msg) - n;
    (void)snprintf(e->msg + n, room, ": %.*s", (int)(room > 3 ? room - 3 : 0), rest);
    return code;
}

const char *
vrv_err_text(int code)
{
    switch (code) {
#define VRV_ERROR(name, num, exit, text)                                                           \
    case VRV_E_##name:                                                                             \
        return text;
#include "engine/base/errors.def"
    default:
        return code == 0 ? "no error" : "unknown error";
    }
}

int
vrv_err_exit(int code)
{
    switch (code) {
#define VRV_ERROR(name, num, exit, text)                                                           \
    case VRV_E_##name:                                                                             \
        return exit;
#include "engine/base/errors.def"
    default:
        return code == 0 ? 0 : 1;
    }
}

_Noreturn void
vrv_assert_fail(const char *file, int line, const char *func, const char *expr)
{
    (void)fprintf(stderr, "varve: BUG at %s:%d in %s(): %s\n", file, line, func, expr);
    abort();
}
