/*
 * Unpacking: what a peer compressed, within a bound.
 *
 * All codecs write into one sink, which grows as bytes come out of the decoder and refuses the
 * first byte above its maximum; sizes that the packed bytes declare are compared with what those
 * can hold at most, and never allocated on their word.  What a decoder needs for itself comes on
 * top and doesn't depend on the output: at most 9 MiB, for zstd's window or two lz4 blocks, touched
 * only as far as data fills it.
 *
 * The packed bytes must be used up: what follows the end is refused for every codec.  Kafka
 * overlooks it behind gzip and lz4, but no client writes it.
 */
#include "engine/batch/compress.h"

#include <limits.h>
#include <lz4frame.h>
#include <pthread.h>
#include <snappy-c.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/mem.h"

enum {
    SINK_STEP = 64 * 1024,    /* room to offer a decoder: a block of Kafka's lz4 */
    PACKED_RATIO_GUESS = 4,   /* first size of the sink; most batches don't outgrow it */
    ZSTD_WINDOW_LOG_MAX = 23, /* 8 MiB: more than level 19 asks for */
    ZSTD_KEEP_MAX = 4 << 20,  /* fits the 2 MiB window of Java's default level */
    SNAPPY_RATIO_MAX = 22,    /* three bytes of snappy make 64 at most */
    GZIP_WINDOW = 15 + 16,    /* zlib's way to say: gzip only */
    LZ4_HEADER_MIN = 7,
};

struct sink {
    uint8_t *p;
    size_t n, cap;
    size_t max; /* one byte more is let in, to tell full from too much */
    struct vrv_err *e;
};

static int
too_large(const struct sink *s)
{
    return vrv_err_set(s->e, VRV_E_TOO_LARGE, "the records unpack to more than %zu bytes", s->max);
}

static int
malformed(const struct sink *s, const char *codec, const char *why)
{
    return vrv_err_set(s->e, VRV_E_BATCH, "%s data is malformed: %s", codec, why);
}

static int
out_of_memory(const struct sink *s, size_t n)
{
    return vrv_err_set(s->e, VRV_E_NOMEM, "no memory for %zu bytes to unpack records", n);
}

static int
no_decoder(const struct sink *s)
{
    return vrv_err_set(s->e, VRV_E_NOMEM, "no memory for a decoder");
}

static bool
sink_empty(struct sink *s, size_t packed, size_t max, struct vrv_err *e)
{
    size_t cap = packed * PACKED_RATIO_GUESS;

    cap = cap < SINK_STEP ? SINK_STEP : cap;
    *s = (struct sink){ .cap = cap < max ? cap : max + 1, .max = max, .e = e };
    s->p = vrv_mem_try(s->cap);
    return s->p != NULL;
}

/* Room for `want` bytes, or for as many as the maximum leaves: at least one. */
static int
sink_room(struct sink *s, size_t want)
{
    size_t limit = s->max + 1;

    if (s->n > s->max)
        return too_large(s);
    if (want > limit - s->n)
        want = limit - s->n;
    if (want <= s->cap - s->n)
        return 0;

    size_t cap = s->cap > limit / 2 ? limit : s->cap * 2;

    if (cap < s->n + want)
        cap = s->n + want;

    uint8_t *p = realloc(s->p, cap);

    if (p == NULL)
        return out_of_memory(s, cap);
    s->p = p;
    s->cap = cap;
    return 0;
}

/* Streaming decoders do well with whatever room there is; more only when it is used up. */
static int
sink_step(struct sink *s)
{
    return s->n < s->cap && s->n <= s->max ? 0 : sink_room(s, SINK_STEP);
}

/* Members stand one behind the other, as Java's reader takes them. */
static int
gunzip_members(z_stream *z, struct sink *s)
{
    for (;;) {
        int rc = sink_step(s);

        if (rc < 0)
            return rc;

        uInt room = s->cap - s->n < UINT_MAX ? (uInt)(s->cap - s->n) : UINT_MAX;

        z->next_out = s->p + s->n;
        z->avail_out = room;

        int zrc = inflate(z, Z_NO_FLUSH);

        s->n += room - z->avail_out;
        if (zrc == Z_STREAM_END) {
            if (z->avail_in == 0)
                return 0;
            zrc = inflateReset(z);
        }
        if (zrc == Z_MEM_ERROR)
            return no_decoder(s);
        /* All output was taken and zlib still wants more input than there is. */
        if (zrc == Z_BUF_ERROR || (zrc == Z_OK && z->avail_in == 0 && z->avail_out > 0))
            return malformed(s, "gzip", "it ends too early");
        if (zrc != Z_OK)
            return malformed(s, "gzip", z->msg ? z->msg : "not a gzip stream");
    }
}

static int
unpack_gzip(const uint8_t *p, size_t n, struct sink *s)
{
    /* zlib's next_in is const only with ZLIB_CONST; it doesn't write there. */
    z_stream z = { .next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n };

    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return no_decoder(s);

    int rc = gunzip_members(&z, s);

    (void)inflateEnd(&z);
    return rc;
}

static int
unpack_snappy_block(const uint8_t *p, size_t n, struct sink *s)
{
    const char *in = (const char *)p;
    size_t len, room;

    if (snappy_uncompressed_length(in, n, &len) != SNAPPY_OK)
        return malformed(s, "snappy", "a block doesn't start with its length");
    if (len / SNAPPY_RATIO_MAX > n)
        return malformed(s, "snappy", "a block declares more than its bytes can make");
    if (s->n > s->max || len > s->max - s->n)
        return too_large(s);

    int rc = sink_room(s, len);

    if (rc < 0)
        return rc;
    room = len;
    if (snappy_uncompress(in, n, (char *)s->p + s->n, &room) != SNAPPY_OK)
        return malformed(s, "snappy", "a block can't be unpacked");
    s->n += len;
    return 0;
}

/* Java's framing: 8 bytes of magic, two version numbers, then blocks behind their length. */
static int
unpack_snappy(const uint8_t *p, size_t n, struct sink *s)
{
    static const uint8_t magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
    const size_t header = sizeof(magic) + 8;
    size_t at = header;
    int rc = 0;

    if (n < sizeof(magic) || memcmp(p, magic, sizeof(magic)) != 0)
        return unpack_snappy_block(p, n, s);
    if (n < header)
        return malformed(s, "snappy", "Java's header is cut off");
    while (at < n && rc == 0) {
        uint32_t len;

        if (n - at < sizeof(len))
            return malformed(s, "snappy", "a block's length is cut off");
        len = vrv_get_be32(p + at);
        at += sizeof(len);
        if (len > n - at)
            return malformed(s, "snappy", "a block is longer than what is left");
        rc = unpack_snappy_block(p + at, len, s);
        at += len;
    }
    return rc;
}

static int
unlz4_frame(LZ4F_dctx *ctx, const uint8_t *p, size_t n, struct sink *s)
{
    size_t at = 0;

    for (;;) {
        int rc = sink_step(s);

        if (rc < 0)
            return rc;

        size_t out = s->cap - s->n;
        size_t in = n - at;
        size_t more = LZ4F_decompress(ctx, s->p + s->n, &out, p + at, &in, NULL);

        if (LZ4F_isError(more))
            return malformed(s, "lz4", LZ4F_getErrorName(more));
        s->n += out;
        at += in;
        if (more == 0)
            return at == n ? 0 : malformed(s, "lz4", "bytes follow the frame");
        if (in == 0 && out == 0)
            return malformed(s, "lz4", "it ends too early");
    }
}

static int
unpack_lz4(const uint8_t *p, size_t n, struct sink *s)
{
    LZ4F_dctx *ctx;

    /* One frame of version 1, blocks independent, no dictionary: Java's reader takes no
     * other, so one that is let in here would block consumers later. */
    if (n < LZ4_HEADER_MIN || vrv_get_le32(p) != LZ4F_MAGICNUMBER)
        return malformed(s, "lz4", "it doesn't start with a frame");
    if ((p[4] & 0xe3) != 0x60)
        return malformed(s, "lz4", "the frame has linked blocks, a dictionary or a new version");
    if (LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)))
        return no_decoder(s);

    int rc = unlz4_frame(ctx, p, n, s);

    (void)LZ4F_freeDecompressionContext(ctx);
    return rc;
}

static int
unzstd_frames(ZSTD_DCtx *ctx, ZSTD_inBuffer *in, struct sink *s)
{
    size_t more = 0; /* 0: between frames */

    do {
        int rc = sink_step(s);

        if (rc < 0)
            return rc;
        /* The library may have been built to read its own ancestors' formats: those decoders are
         * old code, and know nothing of a limit on the window. */
        if (more == 0 && (in->size - in->pos < 4 ||
                             vrv_get_le32((const uint8_t *)in->src + in->pos) != ZSTD_MAGICNUMBER))
            return malformed(s, "zstd", "no frame where one should start");

        ZSTD_outBuffer out = {s->p, s->cap, s->n};

        more = ZSTD_decompressStream(ctx, &out, in);
        s->n = out.pos;
        if (ZSTD_isError(more))
            return malformed(s, "zstd", ZSTD_getErrorName(more));
        if (more > 0 && in->pos == in->size && out.pos < out.size)
            return malformed(s, "zstd", "it ends too early");
    } while (more > 0 || in->pos < in->size);
    return 0;
}

/* Making a context and its window anew takes 11 us, five times as long as unpacking a small
 * batch: each thread keeps one from call to call. */
static pthread_once_t zstd_once = PTHREAD_ONCE_INIT;
static pthread_key_t zstd_key;
static bool zstd_keeps; /* false: the process is out of keys, so nothing is kept */

static void
zstd_free(void *ctx)
{
    (void)ZSTD_freeDCtx(ctx);
}

static void
zstd_key_make(void)
{
    zstd_keeps = pthread_key_create(&zstd_key, zstd_free) == 0;
}

static ZSTD_DCtx *
zstd_take(void)
{
    ZSTD_DCtx *ctx = NULL;

    (void)pthread_once(&zstd_once, zstd_key_make);
    if (zstd_keeps)
        ctx = pthread_getspecific(zstd_key);
    if (ctx == NULL)
        return ZSTD_createDCtx();
    (void)pthread_setspecific(zstd_key, NULL);
    return ctx;
}

/* One that a large window has blown up isn't kept. */
static void
zstd_give(ZSTD_DCtx *ctx)
{
    (void)ZSTD_DCtx_reset(ctx, ZSTD_reset_session_and_parameters);
    if (!zstd_keeps || ZSTD_sizeof_DCtx(ctx) > ZSTD_KEEP_MAX ||
        pthread_setspecific(zstd_key, ctx) != 0)
        zstd_free(ctx);
}

static int
unpack_zstd(const uint8_t *p, size_t n, struct sink *s)
{
    ZSTD_inBuffer in = {p, n, 0};
    ZSTD_DCtx *ctx = zstd_take();

    if (ctx == NULL)
        return no_decoder(s);

    size_t set = ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);

    VRV_ASSERT(!ZSTD_isError(set));

    int rc = unzstd_frames(ctx, &in, s);

    zstd_give(ctx);
    return rc;
}

static int
unpack_none(const uint8_t *p, size_t n, struct sink *s)
{
    if (n > s->max)
        return too_large(s);
    memcpy(s->p, p, n); /* the first size of a sink is never below n or max */
    s->n = n;
    return 0;
}

static int
unpack(enum vrv_codec codec, const uint8_t *p, size_t n, struct sink *s)
{
    switch (codec) {
    case VRV_CODEC_NONE:
        return unpack_none(p, n, s);
    case VRV_CODEC_GZIP:
        return unpack_gzip(p, n, s);
    case VRV_CODEC_SNAPPY:
        return unpack_snappy(p, n, s);
    case VRV_CODEC_LZ4:
        return unpack_lz4(p, n, s);
    case VRV_CODEC_ZSTD:
        return unpack_zstd(p, n, s);
    }
    return vrv_err_set(
        s->e, VRV_E_CODEC, "codec is %d, expected 0 to %d", (int)codec, VRV_CODEC_ZSTD);
}

int
vrv_decompress(enum vrv_codec codec, const void *p, size_t n, size_t max, uint8_t **out,
    size_t *out_n, struct vrv_err *e)
{
    struct sink s;

    VRV_ASSERT(max < SIZE_MAX / 2);
    *out = NULL;
    *out_n = 0;
    if (n > INT32_MAX)
        return vrv_err_set(e, VRV_E_BATCH, "%zu packed bytes are more than a batch can have", n);
    if (!sink_empty(&s, n, max, e))
        return out_of_memory(&s, s.cap);

    int rc = unpack(codec, p, n, &s);

    if (rc == 0 && s.n > s.max)
        rc = too_large(&s);
    if (rc < 0) {
        free(s.p);
        return rc;
    }
    *out = s.p;
    *out_n = s.n;
    return 0;
}
