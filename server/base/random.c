#include "server/base/random.h"

#include <sys/random.h>
#include <sys/types.h>

int
vrv_random(void *p, size_t n, struct vrv_err *e)
{
    if (getrandom(p, n, 0) != (ssize_t)n)
        return vrv_err_sys(e, "no random numbers");
    return 0;
}
