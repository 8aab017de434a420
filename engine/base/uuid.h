/* 16-byte ids: how topics are named on disk, in the WAL and in stores. */
#ifndef VRV_BASE_UUID_H
#define VRV_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct vrv_uuid {
    uint8_t b[16];
};

enum { VRV_UUID_TEXT = 32 }; /* hex digits, without the NUL */

static inline bool
vrv_uuid_eq(const struct vrv_uuid *a, const struct vrv_uuid *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* out has room for VRV_UUID_TEXT + 1 */
static inline void
vrv_uuid_text(const struct vrv_uuid *u, char *out)
{
    for (int i = 0; i < 16; i++) {
        out[2 * i] = "0123456789abcdef"[u->b[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[u->b[i] & 15];
    }
    out[VRV_UUID_TEXT] = '\0';
}

/* Exactly 32 lower-case hex digits at s; what follows them is not looked at. */
static inline bool
vrv_uuid_parse(struct vrv_uuid *u, const char *s)
{
    static const char hex[] = "0123456789abcdef";

    for (int i = 0; i < VRV_UUID_TEXT; i++) {
        const char *d = s[i] ? strchr(hex, s[i]) : NULL;

        if (d == NULL)
            return false;
        if (i % 2 == 0)
            u->b[i / 2] = (uint8_t)((d - hex) << 4);
        else
            u->b[i / 2] = (uint8_t)(u->b[i / 2] | (d - hex));
    }
    return true;
}

#endif
