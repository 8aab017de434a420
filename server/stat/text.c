#include "server/stat/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

enum { FIRST = 4096 };

void
vrv_text_fini(struct vrv_text *t)
{
    free(t->p);
    *t = (struct vrv_text){ .n = 0 };
}

void
vrv_text_put(struct vrv_text *t, const char *p, size_t n)
{
    if (t->n + n >= t->cap) {
        size_t cap = t->cap > 0 ? t->cap : FIRST;

        while (t->n + n >= cap)
            cap *= 2;
        t->p = vrv_mem_grow(t->p, cap);
        t->cap = cap;
    }
    memcpy(t->p + t->n, p, n);
    t->n += n;
    t->p[t->n] = '\0';
}

void
vrv_text_print(struct vrv_text *t, const char *format, ...)
{
    char line[VRV_TEXT_PRINT + 1];
    va_list ap;

    va_start(ap, format);
    int n = vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    if (n > 0)
        vrv_text_put(t, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}
