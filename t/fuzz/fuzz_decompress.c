/* Any bytes through each decoder: the first byte chooses the codec, the second the bound. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/batch/compress.h"
#include "t/fuzz/peak.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* What a decoder needs for itself: zlib's window; two lz4 blocks of 4 MiB; zstd's window. */
static const size_t own_need[8] = {0, 64 << 10, 256 << 10, 9 << 20, 9 << 20, 0, 0, 0};

static void
round_trip(enum vrv_codec codec, const uint8_t *p, size_t n)
{
    uint8_t *packed, *out;
    size_t packed_n, out_n;

    VRV_ASSERT(vrv_compress(codec, vrv_level_default(codec), p, n, &packed, &packed_n, NULL) == 0);
    VRV_ASSERT(vrv_decompress(codec, packed, packed_n, n, &out, &out_n, NULL) == 0);
    VRV_ASSERT(out_n == n);
    VRV_ASSERT(memcmp(out, p, n) == 0);
    free(packed);
    free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct vrv_err e = { 0 };
    uint8_t *out;
    size_t out_n;

    if (n < 2)
        return 0;

    enum vrv_codec codec = (enum vrv_codec)(p[0] & 7);
    size_t max = (size_t)1 << (p[1] & 15) << 8; /* 256 bytes to 8 MiB */

    peak_start();

    int rc = vrv_decompress(codec, p + 2, n - 2, max, &out, &out_n, &e);

    /* A block that moves while it grows is there twice. */
    peak_check(2 * (max + 1) + own_need[codec]);
    if (rc < 0) {
        VRV_ASSERT(out == NULL);
        VRV_ASSERT(e.code == rc);
        VRV_ASSERT(rc == VRV_E_BATCH || rc == VRV_E_TOO_LARGE || rc == VRV_E_CODEC);
        return 0;
    }
    VRV_ASSERT(out_n <= max);
    if (out_n <= 4096)
        round_trip(codec, out, out_n);
    free(out);
    return 0;
}
