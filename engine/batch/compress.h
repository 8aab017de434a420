/* gzip, snappy (raw and Java's framing), lz4 frames and zstd behind one call each way. */
#ifndef VRV_BATCH_COMPRESS_H
#define VRV_BATCH_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/batch/batch.h"

/* Unpack n bytes; *out is malloc'd.  Memory stays within max whatever the bytes claim.
 * Errors: BATCH (malformed), TOO_LARGE (would exceed max), CODEC, NOMEM. */
int vrv_decompress(enum vrv_codec codec, const void *p, size_t n, size_t max, uint8_t **out,
    size_t *out_n, struct vrv_err *e) VRV_MUST_CHECK;

/* How hard to pack, as in Kafka: gzip 1 to 9, lz4 1 to 17 where 9 is its fast form, zstd -131072 to
 * 22; snappy has none.  These are its defaults. */
enum { VRV_LEVEL_GZIP = -1, VRV_LEVEL_LZ4 = 9, VRV_LEVEL_ZSTD = 3 };
int vrv_level_default(enum vrv_codec codec);

/* Pack n bytes; *out is malloc'd.  snappy is written with Java's framing, as Kafka does. */
int vrv_compress(enum vrv_codec codec, int level, const void *p, size_t n, uint8_t **out,
    size_t *out_n, struct vrv_err *e) VRV_MUST_CHECK;

#endif
