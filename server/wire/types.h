/*
 * What fields of messages are in C.
 *
 * In a message that was read, strings and bytes lie in the request's own bytes, arrays in its arena;
 * nothing has a NUL behind it.  p or v is NULL when the value is null.
 */
#ifndef VRV_WIRE_TYPES_H
#define VRV_WIRE_TYPES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "engine/base/uuid.h"

struct vrv_str {
    const char *p;
    int32_t n;
};

struct vrv_bytes {
    const uint8_t *p;
    int32_t n;
};

struct vrv_slice; /* engine/reader/reader.h */

/* Record batches: bytes of the request, or (in an answer) slices of a log, which writing takes
 * over; n is the sum of their lengths.  All zero: null. */
struct vrv_records {
    const uint8_t *p;
    int32_t n;
    uint32_t slice_n;
    struct vrv_slice *slice;
};

struct vrv_i32s {
    int32_t *v;
    int32_t n;
};

struct vrv_strs {
    struct vrv_str *v;
    int32_t n;
};

/* Any array of structs, whatever its elements are. */
struct vrv_array {
    void *v;
    int32_t n;
};

static inline struct vrv_str
vrv_str(const char *s)
{
    return (struct vrv_str){ s, s != NULL ? (int32_t)strlen(s) : 0 };
}

static inline bool
vrv_str_is(struct vrv_str s, const char *text)
{
    return s.p != NULL && (size_t)s.n == strlen(text) && memcmp(s.p, text, (size_t)s.n) == 0;
}

#endif
