/*
 * The sparse index beside a segment: offset to position, and time to offset, in one file.
 *
 * File <base>.index: a header, then one entry per index interval of data, in order; at the
 * seal a section for aborted transactions (empty so far) and a footer with checksums over data and
 * index.  An entry {offset, pos, max_ts} says: the batch with base offset `offset`
 * begins at byte `pos`, and no batch before it has a timestamp above max_ts (INT64_MIN at
 * pos 0).  All three never decrease.  Little-endian; layout in index_format.h.
 *
 * While the segment grows, entries are appended by one writer; sealed, the file never changes.  It
 * holds nothing that the data doesn't: a missing or damaged one is rebuilt (seg.h).
 */
#ifndef VRV_SEG_INDEX_H
#define VRV_SEG_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/os/vfs.h"

struct vrv_index_entry {
    int64_t offset;
    uint64_t pos;
    int64_t max_ts;
};

/* What the footer of a sealed segment says. */
struct vrv_seal {
    int64_t base;       /* first offset of the segment, also in its name */
    int64_t next;       /* one past the last offset */
    uint64_t data_size; /* bytes of the .log file */
    uint32_t data_crc;  /* CRC-32C of all of it */
    uint32_t entries;   /* index entries */
    uint32_t aborted;   /* aborted-transaction entries, after the index entries */
    int64_t min_ts;     /* over base timestamps of batches; INT64_MAX when there are none */
    int64_t max_ts;     /* over max timestamps; INT64_MIN when there are none */
    int64_t max_ts_offset; /* base offset of the first batch that has max_ts; -1 for none */
};

/* Write the header of a new file (at position 0); *crc is the checksum of it. */
int vrv_index_create(struct vrv_file *f, int64_t base, uint32_t *crc, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Write n entries behind the first `at` ones, and take *crc on over them; an error leaves it. */
int vrv_index_write(struct vrv_file *f, uint32_t at, const struct vrv_index_entry *v, uint32_t n,
    uint32_t *crc, struct vrv_err *e) VRV_MUST_CHECK;
/* Close it: footer behind the s->entries entries, the file cut there.  crc: of all before.  Not
 * synced. */
int vrv_index_seal(struct vrv_file *f, const struct vrv_seal *s, uint32_t crc, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Header and s->entries entries of a file that isn't sealed: are they the ones with that checksum,
 * and do they ascend within the segment?  CORRUPT, VERSION. */
int vrv_index_check(struct vrv_file *f, const struct vrv_seal *s, uint32_t crc, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Header and footer of a sealed file, whole file's checksum verified.  CORRUPT, VERSION. */
int vrv_index_read_seal(struct vrv_file *f, int64_t base, struct vrv_seal *s, struct vrv_err *e)
    VRV_MUST_CHECK;

/* Among the first n entries of the file: the last one whose offset is <= `offset`; *found is
 * false when there is none (then begin at position 0).  flags as for vrv_file_pread: with NOWAIT
 * the answer may be AGAIN.  CORRUPT when what is read doesn't ascend. */
int vrv_index_find(struct vrv_file *f, uint32_t n, int64_t offset, unsigned flags,
    struct vrv_index_entry *out, bool *found, struct vrv_err *e) VRV_MUST_CHECK;
/* The last entry whose max_ts is < ts: the first batch with a timestamp >= ts lies there or
 * behind. */
int vrv_index_find_time(struct vrv_file *f, uint32_t n, int64_t ts, unsigned flags,
    struct vrv_index_entry *out, bool *found, struct vrv_err *e) VRV_MUST_CHECK;

#endif
