#include "engine/base/mem.h"

#include <string.h>

#include "engine/base/assert.h"

void *
vrv_mem_zero(size_t n)
{
    void *p = calloc(1, n ? n : 1);

    VRV_ASSERT(p != NULL);
    return p;
}

void *
vrv_mem_grow(void *p, size_t n)
{
    p = realloc(p, n ? n : 1);
    VRV_ASSERT(p != NULL);
    return p;
}

char *
vrv_mem_strdup(const char *s)
{
    char *p = strdup(s);

    VRV_ASSERT(p != NULL);
    return p;
}

void *
vrv_mem_try(size_t n)
{
    return malloc(n ? n : 1);
}
