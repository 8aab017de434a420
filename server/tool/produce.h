/* Where `varve produce` has its records from. */
#ifndef VRV_TOOL_PRODUCE_H
#define VRV_TOOL_PRODUCE_H

#include "server/tool/args.h"
#include "server/tool/input.h"
#include "server/tool/record.h"

struct produce_read {
    struct input in;
    bool empty_is_null;
    bool goes_on; /* after an error: the next record can be read */
    int (*next)(struct produce_read *r, struct record *out, struct vrv_err *e);
    char *separator; /* NULL: lines have no key */
    size_t separator_n;
    char *key; /* raw: what is kept of a key */
    size_t key_cap;
};

/* `in` has been filled by the caller.  INVALID for an unknown format or separator. */
int produce_read_init(struct produce_read *r, const struct args *a, const char *format,
    const char *separator, struct vrv_err *e) VRV_MUST_CHECK;
void produce_read_fini(struct produce_read *r);
/* The next record, good until the next call: 1, 0 at the end, or an error; see goes_on. */
int produce_next(struct produce_read *r, struct record *out, struct vrv_err *e) VRV_MUST_CHECK;

#endif
