/* Strings of the wire and of the group room, to each other. */
#ifndef VRV_API_SPANS_H
#define VRV_API_SPANS_H

#include "server/group/span.h"
#include "server/wire/types.h"

static inline struct vrv_span
vrv_span_of(struct vrv_str s)
{
    return (struct vrv_span){ (const uint8_t *)s.p, (uint32_t)s.n };
}

static inline struct vrv_span
vrv_span_of_bytes(struct vrv_bytes b)
{
    return (struct vrv_span){ b.p, (uint32_t)b.n };
}

static inline struct vrv_str
vrv_str_of(struct vrv_span s)
{
    return (struct vrv_str){ (const char *)s.p, (int32_t)s.n };
}

/* Never null: for fields that can't be. */
static inline struct vrv_bytes
vrv_bytes_of(struct vrv_span s)
{
    return (struct vrv_bytes){ s.p != NULL ? s.p : (const uint8_t *)"", (int32_t)s.n };
}

#endif
