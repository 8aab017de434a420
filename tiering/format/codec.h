/*
 * Bytes in and out of what stores keep: magic 8 | u32 version | u32 checksum | the rest, little-endian.
 *
 * The checksum is of all but itself.  Reading goes on behind what is wrong, with zeros, so that it need be
 * asked for only once.
 */
#ifndef VRV_FORMAT_CODEC_H
#define VRV_FORMAT_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/mem.h"

enum { VRV_CODEC_MAGIC = 8, VRV_CODEC_HEAD = 16 };

struct vrv_out {
    uint8_t *p;
    size_t n, cap;
};

static inline uint8_t *
vrv_out_room(struct vrv_out *o, size_t n)
{
    if (o->n + n > o->cap) {
        o->cap = 2 * o->cap + n + 256;
        o->p = vrv_mem_grow(o->p, o->cap);
    }
    o->n += n;
    return o->p + o->n - n;
}

static inline void
vrv_out32(struct vrv_out *o, uint32_t v)
{
    vrv_put_le32(vrv_out_room(o, 4), v);
}

static inline void
vrv_out64(struct vrv_out *o, uint64_t v)
{
    vrv_put_le64(vrv_out_room(o, 8), v);
}

void vrv_out_begin(struct vrv_out *o, uint32_t version, const char *magic);
/* All of it, to be freed. */
uint8_t *vrv_out_finish(struct vrv_out *o, size_t *n);

struct vrv_in {
    const uint8_t *p;
    size_t left;
    bool bad;   /* something was longer than what is there, or isn't what this version knows */
    bool nomem;
};

static inline const uint8_t *
vrv_in_take(struct vrv_in *i, size_t n)
{
    static const uint8_t zeros[16];

    if (i->left < n) {
        i->bad = true;
        i->left = 0;
        return zeros; /* to who takes a number or an id */
    }
    i->left -= n;
    i->p += n;
    return i->p - n;
}

static inline uint32_t
vrv_in32(struct vrv_in *i)
{
    return vrv_get_le32(vrv_in_take(i, 4));
}

static inline uint64_t
vrv_in64(struct vrv_in *i)
{
    return vrv_get_le64(vrv_in_take(i, 8));
}

/* Does it match its checksum, whatever it is? */
bool vrv_codec_is_whole(const uint8_t *p, size_t n);
/* Errors: CORRUPT, VERSION, about "a <what>". */
int vrv_in_begin(struct vrv_in *i, const char *what, const char *magic, uint32_t version,
    const uint8_t *p, size_t n, struct vrv_err *e) VRV_MUST_CHECK;

#endif
