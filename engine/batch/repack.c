/*
 * Packing a batch again.  What is packed are the records as they lie there, which have no part in the
 * codec; so they are not looked at.
 */
#include "engine/batch/repack.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/batch/batch_format.h"
#include "engine/batch/compress.h"
#include "engine/batch/record.h"

/* A header before the packed records. */
static int
put_together(const uint8_t *header, const struct vrv_batch *b, enum vrv_codec codec,
    const uint8_t *packed, size_t n, uint8_t **out, struct vrv_err *e)
{
    uint8_t *p = vrv_mem_try(VRV_BATCH_HEADER + n);
    uint16_t attrs = (uint16_t)(((unsigned)b->attrs & ~(unsigned)VRV_ATTR_CODEC) | (unsigned)codec);

    if (p == NULL)
        return vrv_err_set(e, VRV_E_NOMEM, "no memory for a batch of %zu bytes", n);
    memcpy(p, header, VRV_BATCH_HEADER);
    memcpy(p + VRV_BATCH_HEADER, packed, n);
    vrv_put_be32(p + VRV__AT_LENGTH, (uint32_t)(n + VRV_BATCH_HEADER - VRV_BATCH_PREFIX));
    vrv_put_be16(p + VRV__AT_ATTRS, attrs);
    vrv_put_be32(p + VRV__AT_CRC,
        vrv_crc32c(0, p + VRV__AT_ATTRS, n + VRV_BATCH_HEADER - VRV__AT_ATTRS));
    *out = p;
    return 0;
}

int
vrv_batch_repack(const void *p, const struct vrv_batch *b, enum vrv_codec codec, int level,
    uint8_t **out, size_t *out_n, struct vrv_err *e)
{
    const uint8_t *records = (const uint8_t *)p + VRV_BATCH_HEADER;
    uint8_t *unpacked = NULL, *packed = NULL;
    size_t n = b->size - VRV_BATCH_HEADER, unpacked_n = 0;
    int rc = vrv_decompress((enum vrv_codec)(b->attrs & VRV_ATTR_CODEC), records, n,
        vrv_unpacked_max(b->size), &unpacked, &unpacked_n, e);

    *out = NULL;
    if (rc == 0)
        rc = vrv_compress(codec, level, unpacked, unpacked_n, &packed, &n, e);
    if (rc == 0 && n > INT32_MAX - VRV_BATCH_HEADER)
        rc = vrv_err_set(e, VRV_E_TOO_LARGE, "%zu bytes are more than a batch can have", n);
    if (rc == 0 && codec != VRV_CODEC_NONE && unpacked_n > vrv_unpacked_max(VRV_BATCH_HEADER + n))
        rc = 1;
    if (rc == 0)
        rc = put_together(p, b, codec, packed, n, out, e);
    *out_n = VRV_BATCH_HEADER + n;
    free(packed);
    free(unpacked);
    return rc;
}
