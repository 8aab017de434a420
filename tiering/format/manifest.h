/*
 * The manifest: what of a partition is in the cold tier, and where.  It is the only truth about that (L6);
 * lists of a store are hints.
 *
 *   root, version n ──► pages, oldest first ──► segments      pages are written once, and shared by the
 *        │                                                    roots that follow
 *        └──► the newest segments themselves
 *
 * A root is written under a name with its version, by create-if-absent; it counts once the catalog's
 * head says n, too.  All segments together are contiguous, from `base` to `next`: this is checked whenever
 * a root is made or read (L7), and of a page when it is.
 *
 * Bytes only, no I/O.  All numbers are little-endian; checksums are CRC-32C.
 */
#ifndef VRV_FORMAT_MANIFEST_H
#define VRV_FORMAT_MANIFEST_H

#include "tiering/format/object.h"

enum {
    VRV_MANIFEST_VERSION = 1,
    VRV_MANIFEST_KEY_MAX = 512,   /* bytes of an object's key */
    VRV_MANIFEST_ROOT_MAX = 4 << 20,
    VRV_MANIFEST_PAGE_MAX = 8 << 20,
    VRV_MANIFEST_PAGE_HEAD = 40,  /* bytes of a page before its segments */
};

/* One segment in the cold tier: a range of an object (today: all of it). */
struct vrv_cold_seg {
    int64_t base, next;           /* offsets; next is where the following one begins */
    int32_t first_epoch, last_epoch;
    uint32_t store;               /* 0: the store that the manifest is in */
    char *key;                    /* as it was written, never made again */
    uint64_t pos, size;           /* the range; of all of it the */
    uint32_t crc;                 /* checksum */
    uint64_t plain;               /* bytes of record batches */
    int64_t min_ts, max_ts, max_ts_offset;
    int64_t appended_ms;          /* when its last batch was appended (wall clock): no record is younger, */
    int64_t moved_ms;             /* and when it was written away, for show */
    uint32_t encryption;          /* which key; 0: none.  Others are refused in this version */
    uint32_t copy_store;          /* a second copy, reserved: copy_key NULL says that there is none */
    char *copy_key;
    bool aborted;                 /* it has aborted transactions */
    struct vrv_chunk *chunk;      /* pos within the range */
    uint32_t chunk_n;             /* 0: it isn't at hand (vrv_manifest_thin) */
};

/* Segments that a root doesn't hold itself. */
struct vrv_cold_page {
    char *key;
    int64_t base, next;
    uint64_t size;
    uint32_t crc, segments;
    /* Of all of them: */
    int32_t first_epoch, last_epoch;
    uint64_t plain, stored;       /* bytes of record batches, and of what holds them */
    int64_t min_ts, max_ts, max_ts_offset;
    int64_t newest_ms;            /* as vrv_cold_seg_newest */
    bool aborted;
};

struct vrv_manifest {
    struct vrv_uuid topic, put_id; /* put_id: drawn for each root, so that its bytes are nobody else's */
    int32_t partition, epoch;      /* of the owner that wrote it */
    uint64_t version;              /* n, */
    uint64_t before;               /* ... made of this one; 0: of none */
    int64_t start;                 /* the log's start as it was then: what is below may go */
    int64_t next;                  /* where the next segment begins; kept when all others are gone */
    struct vrv_cold_page *page;
    uint32_t page_n, page_cap;
    struct vrv_cold_seg *seg;      /* behind those of the pages */
    uint32_t seg_n, seg_cap;
};

void vrv_cold_seg_fini(struct vrv_cold_seg *s);
/* An array of them, as a page has it; NULL is fine. */
void vrv_cold_segs_free(struct vrv_cold_seg *v, uint32_t n);
void vrv_manifest_fini(struct vrv_manifest *m);
/* How new its newest record is: a producer's clock may be ahead, the time of append bounds it (L13); and
 * records may have no time. */
static inline int64_t
vrv_cold_seg_newest(const struct vrv_cold_seg *s)
{
    return s->max_ts >= 0 && s->max_ts < s->appended_ms ? s->max_ts : s->appended_ms;
}
/* A deep copy: a commit changes one, and it replaces the other when it is durable. */
void vrv_manifest_copy(struct vrv_manifest *to, const struct vrv_manifest *from);

/* Without where the chunks of its own segments lie, which is most of what it takes: it can be read, but not
 * be written, and nothing can be read by it.  Is it so? */
void vrv_manifest_thin(struct vrv_manifest *m);
bool vrv_manifest_is_thin(const struct vrv_manifest *m);
/* That is filled in again from a whole one of the same segments.  False: it lacks one. */
bool vrv_manifest_fill(struct vrv_manifest *m, const struct vrv_manifest *whole);
/* Memory of where chunks lie. */
size_t vrv_manifest_index_bytes(const struct vrv_manifest *m);

/* Memory that it takes. */
size_t vrv_manifest_bytes(const struct vrv_manifest *m);
/* What its objects take in the store. */
uint64_t vrv_manifest_stored(const struct vrv_manifest *m);

/* The first offset that it covers; `next` when there is none. */
int64_t vrv_manifest_base(const struct vrv_manifest *m);

/* Contiguous, nothing overlaps, epochs don't fall, ranges aren't empty: CORRUPT with what is wrong. */
int vrv_manifest_check(const struct vrv_manifest *m, struct vrv_err *e) VRV_MUST_CHECK;
/* Take over the segment (it must begin at `next`, else INVALID) behind all others. */
int vrv_manifest_add(struct vrv_manifest *m, struct vrv_cold_seg *s, struct vrv_err *e)
    VRV_MUST_CHECK;
/* The first n segments are in this page, whose key it takes over, and no longer in the root; in_place: as is
 * what was in the newest page, which it replaces. */
void vrv_manifest_fold(struct vrv_manifest *m, uint32_t n, const struct vrv_cold_page *page, bool in_place);
/* The log starts at `start` now: pages and segments wholly below are no longer named.  False: nothing has
 * changed by that. */
bool vrv_manifest_trim(struct vrv_manifest *m, int64_t start);
/* Which of n segments holds the record at offset or the first behind it; n: none does. */
uint32_t vrv_cold_seg_find(const struct vrv_cold_seg *s, uint32_t n, int64_t offset);
/* Likewise of its chunks; the last one that begins at or below offset. */
uint32_t vrv_chunk_find(const struct vrv_cold_seg *s, int64_t offset);

/* ---- bytes ---- */

/* How many bytes a root takes, and a segment in it or in a page. */
size_t vrv_manifest_encoded(const struct vrv_manifest *m);
size_t vrv_cold_seg_encoded(const struct vrv_cold_seg *s);
/* malloc'd. */
uint8_t *vrv_manifest_write(const struct vrv_manifest *m, size_t *n);
/* CORRUPT, VERSION, NOMEM; m is to be finished (_fini) only after 0. */
int vrv_manifest_read(struct vrv_manifest *m, const uint8_t *p, size_t n, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Segments [from, to) of m as a page; *page says so, but for its key. */
uint8_t *vrv_manifest_write_page(const struct vrv_manifest *m, uint32_t from, uint32_t to,
    struct vrv_cold_page *page, size_t *n);
/* A page without the root that names it: a manifest with its segments. */
int vrv_manifest_read_alone(struct vrv_manifest *m, const uint8_t *p, size_t n, struct vrv_err *e)
    VRV_MUST_CHECK;
/* The segments of a page, malloc'd: contiguous, and what the page's entry says. */
int vrv_manifest_read_page(const struct vrv_manifest *m, const struct vrv_cold_page *page,
    const uint8_t *p, size_t n, struct vrv_cold_seg **out, struct vrv_err *e) VRV_MUST_CHECK;

#endif
