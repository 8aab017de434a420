/*
 * Messages between bytes and C structs.
 *
 * Reading trusts nothing: each length and count is checked against the bytes that are there before
 * memory is taken for it (L12), and memory comes from the request's arena, which is bounded.
 * Writing appends to a vrv_out, and hands slices of a log over to it without copying them.
 */
#ifndef VRV_WIRE_WIRE_H
#define VRV_WIRE_WIRE_H

#include "engine/base/err.h"
#include "server/base/arena.h"
#include "server/base/out.h"
#include "server/wire/messages.h"

/* Which version of a message, and whether that one is flexible: strings and arrays with short
 * lengths, tagged fields. */
struct vrv_wire_version {
    int16_t number;
    bool flexible;
};

/* Read a message into *dst, a struct of s->size.  The number of bytes that it took, or INVALID,
 * with a sentence that names message and field; NOMEM: more than the arena may hold. */
int64_t vrv_wire_read(const struct vrv_schema *s, struct vrv_wire_version v, const uint8_t *p,
    size_t n, struct vrv_arena *a, void *dst, struct vrv_err *e) VRV_MUST_CHECK;

/* As if nothing of it had been there: all fields have their defaults. */
void vrv_wire_init(const struct vrv_schema *s, void *dst);
#define VRV_WIRE_INIT(m, ptr) vrv_wire_init(vrv_##m##_schema(), (struct vrv_##m *){ (ptr) })

/* Append it.  What the version doesn't have is left out; null where that can't be is empty. */
void vrv_wire_write(const struct vrv_schema *s, struct vrv_wire_version v, const void *src,
    struct vrv_out *out);

/* Call fn with each error code (0 too) that the version has of the message. */
typedef void vrv_wire_code_fn(void *ctx, int16_t code);
void vrv_wire_codes(const struct vrv_schema *s, int16_t version, const void *src,
    vrv_wire_code_fn *fn, void *ctx);

/* Append it as JSON, with Kafka's names of the fields that the version has. */
void vrv_wire_json(const struct vrv_schema *s, struct vrv_wire_version v, const void *src,
    struct vrv_out *out);

#endif
