/* A record on its way to a broker, and how it is read from a line of JSON. */
#ifndef VRV_TOOL_RECORD_H
#define VRV_TOOL_RECORD_H

#include "engine/base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { RECORD_HEADERS_MAX = 200 };

struct record_header {
    const char *key;   /* ends with a 0 */
    const void *value; /* NULL: null */
    size_t value_n;
};

struct record {
    const void *key, *value; /* NULL: null; borrowed */
    size_t key_n, value_n;
    int32_t partition;  /* -1: not told */
    int64_t timestamp;  /* 0: not told */
    struct record_header headers[RECORD_HEADERS_MAX];
    size_t header_n;
};

/* No key, no value, nothing told. */
void record_clear(struct record *r);

/* An object as `varve consume --json` prints it: key, value, headers, partition and timestamp
 * count, other fields are skipped.  Strings have the escapes of out_text() within those of JSON.
 * Works in the n bytes of `line`, which must stay as long as the record, and of which one more can
 * be written.  INVALID when it isn't one. */
int record_from_json(struct record *r, char *line, size_t n, struct vrv_err *e) VRV_MUST_CHECK;

#endif
