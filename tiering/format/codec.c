#include "tiering/format/codec.h"

#include <inttypes.h>
#include <string.h>

#include "engine/base/crc32c.h"

enum { AT_VERSION = 8, AT_CRC = 12 };

static uint32_t
checksum(const uint8_t *p, size_t n)
{
    return vrv_crc32c(vrv_crc32c(0, p, AT_CRC), p + VRV_CODEC_HEAD, n - VRV_CODEC_HEAD);
}

void
vrv_out_begin(struct vrv_out *o, uint32_t version, const char *magic)
{
    memcpy(vrv_out_room(o, VRV_CODEC_MAGIC), magic, VRV_CODEC_MAGIC);
    vrv_out32(o, version);
    vrv_out32(o, 0);
}

uint8_t *
vrv_out_finish(struct vrv_out *o, size_t *n)
{
    vrv_put_le32(o->p + AT_CRC, checksum(o->p, o->n));
    *n = o->n;
    return o->p;
}

bool
vrv_codec_is_whole(const uint8_t *p, size_t n)
{
    return n >= VRV_CODEC_HEAD && checksum(p, n) == vrv_get_le32(p + AT_CRC);
}

int
vrv_in_begin(struct vrv_in *i, const char *what, const char *magic, uint32_t version,
    const uint8_t *p, size_t n, struct vrv_err *e)
{
    if (n < VRV_CODEC_HEAD || memcmp(p, magic, VRV_CODEC_MAGIC) != 0)
        return vrv_err_set(e, VRV_E_CORRUPT, "%zu bytes that are no %s", n, what);
    if (!vrv_codec_is_whole(p, n))
        return vrv_err_set(e, VRV_E_CORRUPT, "a %s that doesn't match its checksum", what);
    if (vrv_get_le32(p + AT_VERSION) != version)
        return vrv_err_set(e, VRV_E_VERSION,
            "a %s of format %" PRIu32 "; this version of varve knows %" PRIu32, what,
            vrv_get_le32(p + AT_VERSION), version);
    *i = (struct vrv_in){ .p = p + VRV_CODEC_HEAD, .left = n - VRV_CODEC_HEAD };
    return 0;
}
