/*
 * The cold object, format 1: a sealed segment as one object that describes itself.
 *
 *   header 64 | chunks | index | aborted | producers | epochs | chunk table | footer 192
 *
 * A chunk is whole record batches, by themselves readable and checkable: one GET.  It is stored as it
 * is, or as one zstd frame where that is smaller by a twentieth.  Chunks follow one another without gaps.
 * What is behind them is for who restores a partition; a reader needs the table only, and has that from
 * the manifest.
 *
 * All numbers are little-endian, but those within record batches; checksums are CRC-32C; bytes without a
 * meaning are zero.  varve-cold(5) has the layout to the byte.
 *
 * Threads: none.  No I/O: a writer hands its bytes to a sink, in order.
 */
#ifndef VRV_FORMAT_OBJECT_H
#define VRV_FORMAT_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/uuid.h"

enum {
    VRV_OBJECT_VERSION = 1,
    VRV_OBJECT_HEADER = 64,
    VRV_OBJECT_FOOTER = 192,
    VRV_CHUNK_RECORD = 48,
    VRV_OBJECT_INDEX = 24,      /* an entry of its index, */
    VRV_OBJECT_ABORTED = 32,    /* ... of the aborted transactions, */
    VRV_OBJECT_EPOCH = 16,      /* ... of the epochs */
    VRV_CHUNK_BYTES = 1 << 20,  /* about so large is a chunk, unless a batch is larger */
    VRV_CHUNK_PLAIN_MAX = 256 << 20, /* ... and how large that may be */
    VRV_CHUNKS_MAX = 1 << 20,   /* of one object */
    VRV_OBJECT_LEVEL_MAX = 19,  /* of zstd: above it frames want more memory than readers give */
};

enum vrv_chunk_codec { VRV_CHUNK_PLAIN, VRV_CHUNK_ZSTD };

struct vrv_chunk {
    int64_t base;     /* first offset of its first batch */
    uint64_t pos;     /* where it is stored in the object, */
    uint32_t stored;  /* in so many bytes, */
    uint32_t plain;   /* which are so many */
    uint32_t crc;     /* of the stored bytes */
    enum vrv_chunk_codec codec;
    int64_t max_ts;   /* largest timestamp in it */
};

/* Which bytes of the segment it is of; what its footer says. */
struct vrv_object_info {
    struct vrv_uuid topic;
    int32_t partition;
    int32_t epoch;          /* of the leader that wrote it away */
    int64_t base, next;     /* first offset, and one past the last */
    uint64_t plain;         /* bytes of record batches */
    uint32_t plain_crc;     /* of them all: the segment's own checksum */
    int64_t min_ts, max_ts, max_ts_offset; /* as in the footer of an index file */
    uint32_t chunk_n;
    uint32_t index_n, aborted_n, epoch_n; /* entries; of the producers: bytes */
    uint32_t producer_bytes;
    uint64_t index_at, aborted_at, producers_at, epochs_at, table_at;
    uint64_t size;          /* of the whole object */
    uint32_t extras_crc, table_crc;
};

/* What goes behind the chunks: borrowed until the writer is finished.  Entries as in index files
 * (engine/README.md): 24 and 32 bytes each; an epoch is i32 epoch, u32 0, i64 its first offset. */
struct vrv_object_extras {
    const uint8_t *index, *aborted, *producers, *epochs;
    uint32_t index_n, aborted_n, producer_bytes, epoch_n;
};

/* ---- writing ---- */

/* Takes all n bytes, or fails with an error that the writer passes on. */
typedef int vrv_object_sink(void *ctx, const void *p, size_t n, struct vrv_err *e);

struct vrv_object_writer {
    struct vrv_object_info info;
    vrv_object_sink *sink;
    void *ctx;
    uint32_t chunk_bytes;
    int zstd_level;         /* 0: chunks stay as they are */
    uint64_t plain;         /* bytes added, */
    uint32_t plain_crc;     /* and their checksum */
    uint64_t at;            /* bytes handed out */
    uint32_t crc;           /* ... and their checksum */
    struct vrv_chunk *chunk;
    uint32_t chunk_cap;
    int64_t next_base;      /* the next batch begins there, or behind */
    uint8_t *buf;           /* the chunk being filled */
    size_t n, cap;
    bool packed_batches;    /* in it: at least one is compressed already */
};

/* info: topic, partition, epoch, base, next, plain, plain_crc and the times are the caller's. */
void vrv_object_begin(struct vrv_object_writer *w, const struct vrv_object_info *info,
    uint32_t chunk_bytes, int zstd_level, vrv_object_sink *sink, void *ctx);
/* As many whole batches as are there, *used bytes of them; the rest is to come again, with more.  They are
 * checked one by one: header, checksum, offsets within base and next that ascend.  CORRUPT with its
 * place otherwise; the sink's errors. */
int vrv_object_add(struct vrv_object_writer *w, const uint8_t *p, size_t n, size_t *used,
    struct vrv_err *e) VRV_MUST_CHECK;
/* All that was added must be info's plain bytes, with its plain_crc: CORRUPT otherwise (a batch's own
 * checksum doesn't cover its offset).  Behind it w->info, w->chunk, w->at and w->crc say what was
 * written. */
int vrv_object_end(struct vrv_object_writer *w, const struct vrv_object_extras *x,
    struct vrv_err *e) VRV_MUST_CHECK;
void vrv_object_fini(struct vrv_object_writer *w);

/* ---- reading ---- */

/* What the first VRV_OBJECT_HEADER bytes say: topic, partition, epoch, base and next.  CORRUPT, VERSION. */
int vrv_object_read_header(struct vrv_object_info *info, const uint8_t *p, struct vrv_err *e)
    VRV_MUST_CHECK;
/* What the last bytes of an object say; p is VRV_OBJECT_FOOTER bytes.  CORRUPT, VERSION. */
int vrv_object_read_footer(struct vrv_object_info *info, const uint8_t *p, uint64_t size,
    struct vrv_err *e) VRV_MUST_CHECK;
/* The table, of chunk_n records and their checksum: they follow one another and the footer's numbers.
 * *out is malloc'd. */
int vrv_object_read_table(struct vrv_chunk **out, const struct vrv_object_info *info,
    const uint8_t *p, size_t n, struct vrv_err *e) VRV_MUST_CHECK;
/* What is behind the chunks, to the end of the object (n bytes of `size`): checked, the footer and what
 * is before it.  CORRUPT, VERSION. */
int vrv_object_read_tail(struct vrv_object_info *info, const uint8_t *p, size_t n, uint64_t size,
    struct vrv_err *e) VRV_MUST_CHECK;
/* An aborted transaction: of which producer, from its first offset to its marker's; behind that all was
 * settled up to last_stable. */
struct vrv_object_aborted {
    int64_t producer, first, last, last_stable;
};
void vrv_object_get_aborted(struct vrv_object_aborted *a, const uint8_t in[VRV_OBJECT_ABORTED]);
/* The batches of a chunk from its stored bytes; checked.  *out is malloc'd, or NULL when they lie in p
 * as they are.  CORRUPT. */
int vrv_chunk_open(const struct vrv_chunk *c, const uint8_t *p, size_t n, uint8_t **out,
    struct vrv_err *e) VRV_MUST_CHECK;

/* Can it be one?  CORRUPT. */
int vrv_chunk_check(const struct vrv_chunk *c, struct vrv_err *e) VRV_MUST_CHECK;

#endif
