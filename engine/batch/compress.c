/*
 * Packing, with the settings of Kafka's Java producer: its levels, snappy in 32 KiB blocks
 * behind Java's header, lz4 in independent 64 KiB blocks without checksums.
 *
 * Each packer gets a buffer as large as its codec can need at worst, so none has to grow it.
 */
#include "engine/batch/compress.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"

enum {
    GZIP_WINDOW = 15 + 16, /* zlib's way to say: with a gzip header */
    GZIP_MEMORY = 8,       /* zlib's default */
    GZIP_EXTRA = 32,       /* what deflateBound() may have to add before there is a stream */
    SNAPPY_BLOCK = 32 * 1024,
    SNAPPY_HEADER = 16,
    LZ4_THOROUGH = 3,      /* the library's least level of that kind */
};

static const LZ4F_preferences_t lz4_prefs = {
    .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
};

int
vrv_level_default(enum vrv_codec codec)
{
    switch (codec) {
    case VRV_CODEC_GZIP:
        return VRV_LEVEL_GZIP;
    case VRV_CODEC_LZ4:
        return VRV_LEVEL_LZ4;
    case VRV_CODEC_ZSTD:
        return VRV_LEVEL_ZSTD;
    case VRV_CODEC_NONE:
    case VRV_CODEC_SNAPPY:
    default:
        return 0;
    }
}

static int
failed(struct vrv_err *e, const char *codec, const char *why)
{
    return vrv_err_set(e, VRV_E_NOMEM, "can't compress with %s: %s", codec, why);
}

static size_t
snappy_blocks(size_t n)
{
    return (n + SNAPPY_BLOCK - 1) / SNAPPY_BLOCK;
}

static size_t
packed_max(enum vrv_codec codec, size_t n)
{
    switch (codec) {
    case VRV_CODEC_GZIP:
        return compressBound(n) + GZIP_EXTRA;
    case VRV_CODEC_SNAPPY:
        return SNAPPY_HEADER + snappy_blocks(n) * (4 + snappy_max_compressed_length(SNAPPY_BLOCK));
    case VRV_CODEC_LZ4:
        return LZ4F_compressFrameBound(n, &lz4_prefs);
    case VRV_CODEC_ZSTD:
        return ZSTD_compressBound(n);
    case VRV_CODEC_NONE:
    default:
        return n;
    }
}

static int
pack_gzip(int level, const uint8_t *p, size_t n, uint8_t *out, size_t *out_n, struct vrv_err *e)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n };

    if (deflateInit2(&z, level, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
            Z_DEFAULT_STRATEGY) != Z_OK)
        return failed(e, "gzip", "out of memory");
    z.next_out = out;
    z.avail_out = (uInt)*out_n;

    int rc = deflate(&z, Z_FINISH);

    *out_n = z.total_out;
    (void)deflateEnd(&z);
    return rc == Z_STREAM_END ? 0 : failed(e, "gzip", "the bound on its output is wrong");
}

static int
pack_snappy(const uint8_t *p, size_t n, uint8_t *out, size_t *out_n, struct vrv_err *e)
{
    static const uint8_t header[SNAPPY_HEADER] = {
        0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};
    size_t at = sizeof(header);

    memcpy(out, header, sizeof(header));
    for (size_t from = 0; from < n; from += SNAPPY_BLOCK) {
        size_t block = n - from < SNAPPY_BLOCK ? n - from : SNAPPY_BLOCK;
        size_t len = *out_n - at - 4;

        if (snappy_compress((const char *)p + from, block, (char *)out + at + 4, &len) != SNAPPY_OK)
            return failed(e, "snappy", "the bound on its output is wrong");
        vrv_put_be32(out + at, (uint32_t)len);
        at += 4 + len;
    }
    *out_n = at;
    return 0;
}

/* Kafka's default is the fast compressor; any other level, also a lower one, is the thorough one. */
static int
pack_lz4(int level, const uint8_t *p, size_t n, uint8_t *out, size_t *out_n, struct vrv_err *e)
{
    LZ4F_preferences_t prefs = lz4_prefs;

    if (level != VRV_LEVEL_LZ4)
        prefs.compressionLevel = level < LZ4_THOROUGH ? LZ4_THOROUGH : level;
    size_t len = LZ4F_compressFrame(out, *out_n, p, n, &prefs);

    if (LZ4F_isError(len))
        return failed(e, "lz4", LZ4F_getErrorName(len));
    *out_n = len;
    return 0;
}

static int
pack_zstd(int level, const uint8_t *p, size_t n, uint8_t *out, size_t *out_n, struct vrv_err *e)
{
    size_t len = ZSTD_compress(out, *out_n, p, n, level);

    if (ZSTD_isError(len))
        return failed(e, "zstd", ZSTD_getErrorName(len));
    *out_n = len;
    return 0;
}

static int
pack(enum vrv_codec codec, int level, const uint8_t *p, size_t n, uint8_t *out, size_t *out_n,
    struct vrv_err *e)
{
    switch (codec) {
    case VRV_CODEC_NONE:
        memcpy(out, p, n);
        return 0;
    case VRV_CODEC_GZIP:
        return pack_gzip(level, p, n, out, out_n, e);
    case VRV_CODEC_SNAPPY:
        return pack_snappy(p, n, out, out_n, e);
    case VRV_CODEC_LZ4:
        return pack_lz4(level, p, n, out, out_n, e);
    case VRV_CODEC_ZSTD:
        return pack_zstd(level, p, n, out, out_n, e);
    }
    return vrv_err_set(e, VRV_E_CODEC, "codec is %d, expected 0 to %d", (int)codec, VRV_CODEC_ZSTD);
}

int
vrv_compress(enum vrv_codec codec, int level, const void *p, size_t n, uint8_t **out,
    size_t *out_n, struct vrv_err *e)
{
    *out = NULL;
    *out_n = 0;
    if (n > INT32_MAX)
        return vrv_err_set(e, VRV_E_TOO_LARGE, "%zu bytes are more than a batch can have", n);

    size_t room = packed_max(codec, n);
    uint8_t *buf = vrv_mem_try(room);

    if (buf == NULL)
        return vrv_err_set(e, VRV_E_NOMEM, "no memory for %zu bytes to compress into", room);

    int rc = pack(codec, level, p, n, buf, &room, e);

    if (rc < 0) {
        free(buf);
        return rc;
    }
    *out = buf;
    *out_n = room;
    return 0;
}
