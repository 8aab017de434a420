/*
 * Any bytes as the content of a metadata log's file.  The first byte tells how: odd, as they are;
 * even, with the checksums made right along the lengths that the bytes claim, so that what lies
 * behind a checksum is reached.  What opens must list its keys, take a transaction, and be the
 * same after another open.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/meta/metalog.h"
#include "engine/meta/metalog_format.h"
#include "t/lib/metatest.h"
#include "t/lib/simdisk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
make_right(uint8_t *p, size_t n)
{
    uint8_t place[16];

    if (n < VRV_METALOG_HEADER)
        return;
    memcpy(p, VRV_METALOG_MAGIC, 8);
    vrv_put_le64(p + VRV_METALOG_H_NUMBER, 1);
    vrv_put_le32(p + VRV_METALOG_H_CRC, vrv_crc32c(0, p, VRV_METALOG_H_CRC));
    for (size_t at = VRV_METALOG_HEADER; n - at >= VRV_MFRAME_PREFIX;) {
        size_t len = vrv_get_le32(p + at);

        if (len > n - at - VRV_MFRAME_PREFIX)
            return;
        vrv_put_le64(place, 1);
        vrv_put_le64(place + 8, at);
        uint32_t crc = vrv_crc32c(vrv_crc32c(0, place, sizeof(place)), p + at, 4);
        vrv_put_le32(p + at + 4, vrv_crc32c(crc, p + at + VRV_MFRAME_PREFIX, len));
        at += VRV_MFRAME_PREFIX + len;
    }
}

static void
use(struct vrv_vfs *v)
{
    struct vrv_metastore *m = NULL;
    struct vrv_err e = { 0 };
    uint64_t cut = 0;

    int rc = vrv_metalog_open(&m, v, "meta", &cut, &e);
    VRV_ASSERT((rc == 0) == (m != NULL));
    if (rc < 0) {
        VRV_ASSERT(e.code == rc && e.msg[0] != '\0');
        VRV_ASSERT(rc == VRV_E_CORRUPT || rc == VRV_E_VERSION);
        return;
    }
    free(metatest_dump(m, ""));
    rc = metatest_put(m, "fuzz", "was here");
    VRV_ASSERT(rc == 0);
    char *before = metatest_dump(m, "");
    vrv_meta_close(&m);
    rc = vrv_metalog_open(&m, v, "meta", &cut, &e);
    VRV_ASSERT(rc == 0 && cut == 0);
    char *after = metatest_dump(m, "");
    VRV_ASSERT(strcmp(before, after) == 0);
    vrv_meta_close(&m);
    free(before);
    free(after);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint8_t *p = vrv_mem_zero(size - 1);
    memcpy(p, data + 1, size - 1);
    if (data[0] % 2 == 0)
        make_right(p, size - 1);
    struct simdisk *d = metatest_disk("meta", "0000000001.meta", p, size - 1);
    free(p);
    use(simdisk_vfs(d));
    simdisk_free(&d);
    return 0;
}
