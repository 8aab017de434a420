/* The ways to compute CRC-32C that this machine can run: for crc32c.c and its test only. */
#ifndef VRV_BASE_CRC32C_IMPL_H
#define VRV_BASE_CRC32C_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vrv__crc32c_impl {
    const char *name;
    bool (*usable)(void); /* on this machine; must hold before fn is called */
    uint32_t (*fn)(uint32_t crc, const void *p, size_t n);
};

/* Best first; the last entry is portable and always usable. */
extern const struct vrv__crc32c_impl vrv__crc32c_impls[];
extern const size_t vrv__crc32c_impl_count;

#endif
