/* Loads and stores at any alignment: big-endian as Kafka writes them, little-endian as ours are. */
#ifndef VRV_BASE_BYTES_H
#define VRV_BASE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define VRV_BYTES_(bits, order)                                                                    \
    static inline uint##bits##_t vrv_get_##order##bits(const void *p)                              \
    {                                                                                              \
        uint##bits##_t v;                                                                          \
        memcpy(&v, p, sizeof(v));                                                                  \
        return order##bits##toh(v);                                                                \
    }                                                                                              \
    static inline void vrv_put_##order##bits(void *p, uint##bits##_t v)                            \
    {                                                                                              \
        v = hto##order##bits(v);                                                                   \
        memcpy(p, &v, sizeof(v));                                                                  \
    }
VRV_BYTES_(16, be)
VRV_BYTES_(32, be)
VRV_BYTES_(64, be)
VRV_BYTES_(16, le)
VRV_BYTES_(32, le)
VRV_BYTES_(64, le)
#undef VRV_BYTES_

#endif
