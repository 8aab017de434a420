/* Kafka's variable-length integers inside records: zigzag, seven bits a byte, lowest first. */
#ifndef VRV_BATCH_VARINT_H
#define VRV_BATCH_VARINT_H

#include <stddef.h>
#include <stdint.h>

enum {
    VRV__VARINT_MAX = 5, /* bytes of a 32-bit value */
    VRV__VARLONG_MAX = 10,
};

/* Bytes used at p, of which end - p are there; 0: cut off, too many bytes, or bits beyond 64.
 * Leading zero groups within ten bytes are let pass, as Kafka does. */
static inline size_t
vrv__varlong_get(const uint8_t *p, const uint8_t *end, int64_t *v)
{
    uint64_t u = 0;

    for (unsigned i = 0; i < VRV__VARLONG_MAX && p + i < end; i++) {
        u |= (uint64_t)(p[i] & 127) << (7 * i);
        if (p[i] < 128) {
            if (i == VRV__VARLONG_MAX - 1 && p[i] > 1)
                return 0; /* the tenth byte holds bit 63 alone */
            *v = (int64_t)(u >> 1 ^ -(u & 1));
            return i + 1;
        }
    }
    return 0;
}

/* The same for 32 bits: five bytes, of which the last holds four bits. */
static inline size_t
vrv__varint_get(const uint8_t *p, const uint8_t *end, int32_t *v)
{
    uint32_t u = 0;

    for (unsigned i = 0; i < VRV__VARINT_MAX && p + i < end; i++) {
        u |= (uint32_t)(p[i] & 127) << (7 * i);
        if (p[i] < 128) {
            if (i == VRV__VARINT_MAX - 1 && p[i] > 15)
                return 0;
            *v = (int32_t)(u >> 1 ^ -(u & 1));
            return i + 1;
        }
    }
    return 0;
}

/* Bytes written; p has room for VRV__VARLONG_MAX.  Right for 32-bit values as well. */
static inline size_t
vrv__varlong_put(uint8_t *p, int64_t v)
{
    uint64_t u = (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
    size_t n = 0;

    for (; u > 127; u >>= 7)
        p[n++] = (uint8_t)(u | 128);
    p[n++] = (uint8_t)u;
    return n;
}

static inline size_t
vrv__varlong_size(int64_t v)
{
    uint64_t u = (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
    size_t n = 1;

    while (u >>= 7)
        n++;
    return n;
}

#endif
