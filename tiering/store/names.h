/* A set of names, in order.  Small: thousands.  Threads: one at a time. */
#ifndef VRV_STORE_NAMES_H
#define VRV_STORE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct vrv_names {
    char **v;
    size_t n, cap;
};

bool vrv_names_has(const struct vrv_names *s, const char *name);
void vrv_names_add(struct vrv_names *s, const char *name); /* harmless when it is there */
void vrv_names_del(struct vrv_names *s, const char *name); /* ... or isn't */
void vrv_names_clear(struct vrv_names *s);

#endif
