/* Text that grows: what an answer of the HTTP port is made of. */
#ifndef VRV_STAT_TEXT_H
#define VRV_STAT_TEXT_H

#include <stddef.h>

/* All zero is empty.  p has a NUL behind it once something was put. */
struct vrv_text {
    char *p;
    size_t n, cap;
};

void vrv_text_fini(struct vrv_text *t);
void vrv_text_put(struct vrv_text *t, const char *p, size_t n);
/* Whole lines and less: VRV_TEXT_PRINT bytes at most, the rest is cut. */
enum { VRV_TEXT_PRINT = 512 };
void vrv_text_print(struct vrv_text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
