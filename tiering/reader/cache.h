/*
 * What was read of a store, in memory: chunks of cold objects, opened and checked, what objects say
 * of aborted transactions, and pages of manifests.  Who wants what isn't there waits for it; there
 * is one read for all who want the same.
 *
 *   wanted ─► a run: one ranged read for it ──────────────┐
 *   a reader reads on ─► runs of neighbours ahead of him ─┴─► pieces ─► small queue ─► main queue
 *
 * A run of one chunk that the disk beside it has (shelf.h) is read there, and of the store when that fails.
 *
 * One budget of bytes holds for all of it: what is kept, what is being read, and what is in use and no
 * longer kept.  A chunk counts by its batches, also while it is read, packed as it may be stored.  (A run
 * is there twice for a moment, while its pieces are taken out of it.)  Room for what is wanted is made
 * (fifo.h), then taken from those who are read ahead of, then waited for; one read is always
 * allowed.  Read ahead is only into what is left.  A quota may hold beside that (quota.h).
 *
 * Threads: the tier's; but any may look for what is there (vrv_cache_now, _note), and give references back.
 */
#ifndef VRV_READER_CACHE_H
#define VRV_READER_CACHE_H

#include <stdatomic.h>

#include "engine/base/list.h"
#include "engine/base/omap.h"
#include "engine/os/lock.h"
#include "tiering/format/manifest.h"
#include "tiering/reader/ahead.h"
#include "tiering/reader/fifo.h"
#include "tiering/reader/quota.h"
#include "tiering/reader/shelf.h"
#include "tiering/store/retry.h"

struct vrv_cache;
struct vrv_piece;

/* Somebody who waits for a piece: told once, on the tier's thread. */
struct vrv_piece_wait {
    struct vrv_list link;
    void (*run)(struct vrv_piece_wait *w);
};

enum vrv_piece_kind { VRV_PIECE_CHUNK, VRV_PIECE_PAGE, VRV_PIECE_ABORTED, VRV_PIECE_KINDS };

/* Bytes that are counted; several pieces may lie in them. */
struct vrv_cache_bytes {
    _Atomic uint32_t refs;
    struct vrv_cache *cache;
    size_t n;
    uint8_t *p;
};

struct vrv_piece {
    struct vrv_omap_node node;
    struct vrv_fifo_node fifo;
    _Atomic uint32_t refs;
    struct vrv_cache *cache;
    enum vrv_piece_kind kind;
    char *key;                  /* of the object, and where in it: its name in the cache */
    uint64_t pos;
    bool there;
    int status;                 /* when it is: 0, or why it can't be had, which holds for again_ms */
    struct vrv_err err;
    int64_t came_ns;            /* when it came, or was used last, as far as that counts */
    struct vrv_list waiting;
    struct vrv_cache_bytes *mem;
    /* a chunk */
    struct vrv_chunk chunk;
    uint64_t stream;            /* for whom it was read, or 0 */
    bool ahead;                 /* it was read ahead of him, and nobody has had it yet */
    size_t awaited;             /* bytes that were waited for, and not had yet; */
    bool shelved;               /* ... they came of the disk beside the cache */
    int64_t end;                /* one past what it holds */
    const uint8_t *bytes;
    size_t n;
    /* or aborted transactions, which bytes has: of this object, whose last bytes are to be read for them */
    uint64_t object, tail;
    /* or a page */
    struct vrv_manifest id;     /* whose it is: topic and partition */
    struct vrv_cold_page page;
    struct vrv_cold_seg *seg;
    uint32_t seg_n;
};

struct vrv_cache_opts {
    struct vrv_retry *retry; /* borrowed, as all */
    struct vrv_cq *cq;
    struct vrv_clock *clock;
    struct vrv_shelf *shelf; /* a disk beside it; NULL: there is none */
    size_t bytes;            /* at most */
    size_t run_bytes;        /* of one read of neighbours, */
    size_t ahead_bytes;      /* and ahead of all readers together; never more than two thirds of all */
    int64_t read_ms;         /* how long a read may take, with all its attempts */
    int64_t again_ms;        /* what failed isn't tried again so soon */
};
/* What it did, and has. */
struct vrv_cache_counts {
    struct {
        uint64_t hits, misses, evictions;
        uint64_t bytes;               /* kept */
    } of[VRV_PIECE_KINDS];
    uint64_t had_bytes;               /* records that readers had: that were there; */
    uint64_t awaited_bytes, shelved_bytes; /* ... that they waited for, of the store and of the disk */
    uint64_t ahead_bytes;             /* as stored: read ahead of somebody, */
    uint64_t used_bytes, wasted_bytes; /* ... and had by somebody, or evicted before that */
};
void vrv_cache_opts_default(struct vrv_cache_opts *o); /* but for what is borrowed */

struct vrv_cache {
    struct vrv_cache_opts o;
    /* the tier's thread's */
    struct vrv_list runs;    /* that wait for room, in order */
    struct vrv_list shelved; /* the same of those that the disk has: no rate holds for them */
    struct vrv_list under_way;
    unsigned reading;
    bool stops;              /* no read begins any more */
    struct vrv_read_quota quota;
    struct vrv_hist wait, took; /* of reads: until one began; from then on until it came.  Any thread */
    struct vrv_done freed;   /* posted when bytes were given back that somebody waits for */
    _Atomic bool starved, posted;
    _Atomic size_t used;
    struct vrv_lock lock;    /* rank cache; guards what follows, and of pieces `there` */
    struct vrv_omap map;
    struct vrv_fifo fifo;
    struct vrv_ahead ahead;
    struct vrv_cache_counts counts;
    _Atomic uint32_t pieces; /* in memory, also those that are no longer here */
};

void vrv_cache_init(struct vrv_cache *c, const struct vrv_cache_opts *o);
/* Nothing is being read, and all references were given back. */
void vrv_cache_fini(struct vrv_cache *c);

/* A reference to the chunk of a segment, or to a page: perhaps it isn't there yet. */
struct vrv_piece *vrv_cache_chunk(struct vrv_cache *c, const struct vrv_cold_seg *s, uint32_t chunk);
struct vrv_piece *vrv_cache_page(struct vrv_cache *c, const struct vrv_manifest *m,
    const struct vrv_cold_page *page);
/* ... to a segment's aborted transactions. */
struct vrv_piece *vrv_cache_aborted(struct vrv_cache *c, const struct vrv_cold_seg *s);
/* The same of what is there: it was read, and can be had; else NULL.  Any thread. */
struct vrv_piece *vrv_cache_now(struct vrv_cache *c, const char *key, uint64_t pos);
struct vrv_piece *vrv_cache_aborted_now(struct vrv_cache *c, const struct vrv_cold_seg *s);
/* Somebody had this of a chunk, n bytes of records (who only wants them at hand: fewer).  True: more is to
 * be read ahead of somebody (vrv_cache_ahead).  Any thread. */
bool vrv_cache_note(struct vrv_cache *c, struct vrv_piece *p, struct vrv_ahead_had *h, size_t n);
/* Any thread. */
void vrv_cache_counts(struct vrv_cache *c, struct vrv_cache_counts *out);
/* A reader of whom to read ahead: a copy; false: there is none any more. */
bool vrv_cache_ahead(struct vrv_cache *c, struct vrv_stream *out);
/* Read neighbours ahead of him, [from, to) of the segment's chunks, where there is room.  False: there is
 * none. */
bool vrv_cache_read_ahead(struct vrv_cache *c, const struct vrv_stream *s,
    const struct vrv_cold_seg *seg, uint32_t from, uint32_t to);
/* Is it there, or on its way? */
bool vrv_cache_has(struct vrv_cache *c, const struct vrv_cold_seg *s, uint32_t chunk);

/* What nobody uses of the keys with this prefix leaves memory, wanted or not; false: some chunks
 * are in use, or on their way. */
bool vrv_cache_forget(struct vrv_cache *c, const char *prefix);

/* Begin the reads that may; the next such time (monotonic ns), or INT64_MAX. */
int64_t vrv_cache_step(struct vrv_cache *c);
/* Nothing is under way, and nobody waits. */
bool vrv_cache_is_idle(const struct vrv_cache *c);
/* What is being read, or is to be, ends soon or at once, with CANCELLED; this piece, or all where it is
 * NULL, also what is asked for later. */
void vrv_cache_cancel(struct vrv_cache *c, const struct vrv_piece *p);
void vrv_piece_unref(struct vrv_piece *p); /* NULL is fine */

/* ---- inside: run.c ---- */

/* One read of the store, for one piece or some neighbours. */
void vrv__cache_run(struct vrv_cache *c, struct vrv_piece **p, uint32_t n);
/* Evict until there is room for n more bytes; what is read ahead of somebody, too, if `all`. */
bool vrv__cache_make_room(struct vrv_cache *c, size_t n, bool all);
/* It is there, or can't be had (p->status, p->err): told to all. */
void vrv__cache_arrived(struct vrv_cache *c, struct vrv_piece *p);
/* Somebody gave something back: does anybody wait for that?  Any thread. */
void vrv__cache_wake(struct vrv_cache *c);
void vrv__cache_bytes_unref(struct vrv_cache_bytes *b);

#endif
