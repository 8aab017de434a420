/*
 * Quotas by name, as settings have them: NAME:BYTES with commas between.  A * at the end of NAME: all that
 * begin so, together.  The first that fits counts.
 *
 * Threads: none; nothing here changes once it is parsed.
 */
#ifndef VRV_CONFIG_QUOTAS_H
#define VRV_CONFIG_QUOTAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

enum { VRV_QUOTAS_MAX = 256, VRV_QUOTA_NAME = 256 };

struct vrv_quota {
    char *name;      /* without the * */
    bool prefix;     /* it had one */
    int64_t bytes_s; /* in a second, at least 1 */
};

struct vrv_quotas {
    struct vrv_quota *v;
    size_t n, cap;
};

/* INVALID, with what is wrong; nothing is there then. */
int vrv_quotas_parse(struct vrv_quotas *q, const char *text, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_quotas_fini(struct vrv_quotas *q);
/* Whose name is this?  NULL: nobody's. */
const struct vrv_quota *vrv_quotas_find(const struct vrv_quotas *q, const char *name, size_t n);

#endif
