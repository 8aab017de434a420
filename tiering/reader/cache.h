/*
 * What was read of a store, in memory: chunks of cold objects, opened and checked, and pages of
 * manifests.  Who wants what isn't there waits for it; there is one read for all who want the same.
 *
 * Pieces stay while there is room, the ones that were wanted last the longest.  A piece in use stays
 * whatever the room.
 *
 * Threads: the tier's; but any may look for what is there (vrv_cache_now), and give references back.
 */
#ifndef VRV_READER_CACHE_H
#define VRV_READER_CACHE_H

#include <stdatomic.h>

#include "engine/base/list.h"
#include "engine/base/omap.h"
#include "engine/os/lock.h"
#include "tiering/format/manifest.h"
#include "tiering/store/retry.h"

struct vrv_cache;
struct vrv_piece;

/* Somebody who waits for a piece: told once, on the tier's thread. */
struct vrv_piece_wait {
    struct vrv_list link;
    void (*run)(struct vrv_piece_wait *w);
};

struct vrv_piece {
    struct vrv_omap_node node;
    struct vrv_list recent;     /* in the cache's order */
    _Atomic uint32_t refs;
    struct vrv_cache *cache;
    char *key;                  /* of the object, and where in it: its name in the cache */
    uint64_t pos;
    bool there;
    int status;                 /* when it is: 0, or why it can't be had; then it isn't in the cache */
    struct vrv_err err;
    struct vrv_list waiting;
    /* a chunk */
    struct vrv_chunk chunk;
    uint8_t *stored, *opened;   /* batches are in opened, or in stored where that is NULL */
    const uint8_t *bytes;
    size_t n;
    /* or a page */
    struct vrv_manifest id;     /* whose it is: topic and partition */
    struct vrv_cold_page page;
    struct vrv_cold_seg *seg;
    uint32_t seg_n;
    struct vrv_store_call call;
};

struct vrv_cache_opts {
    struct vrv_retry *retry; /* borrowed, as all */
    struct vrv_cq *cq;
    struct vrv_clock *clock;
    size_t bytes;            /* kept at most, but for what is in use */
    int64_t read_ms;         /* how long a read may take, with all its attempts */
};

struct vrv_cache {
    struct vrv_cache_opts o;
    unsigned reading;        /* the tier's thread's */
    struct vrv_lock lock;    /* rank cache; guards what follows, and of pieces `there` */
    struct vrv_omap map;
    struct vrv_list recent;  /* newest last */
    size_t used;
    uint64_t hits, misses, evictions;
    _Atomic uint32_t pieces; /* in memory, also those that are no longer here */
};

void vrv_cache_init(struct vrv_cache *c, const struct vrv_cache_opts *o);
/* Nothing is being read, and all references were given back. */
void vrv_cache_fini(struct vrv_cache *c);

/* A reference to the chunk of a segment, or to a page: perhaps it isn't there yet. */
struct vrv_piece *vrv_cache_chunk(struct vrv_cache *c, const struct vrv_cold_seg *s,
    const struct vrv_chunk *chunk);
struct vrv_piece *vrv_cache_page(struct vrv_cache *c, const struct vrv_manifest *m,
    const struct vrv_cold_page *page);
/* The same of what is there: it was read, and can be had; else NULL.  Any thread. */
struct vrv_piece *vrv_cache_now(struct vrv_cache *c, const char *key, uint64_t pos);
/* What is being read ends soon, with CANCELLED. */
void vrv_cache_cancel(struct vrv_cache *c);
void vrv_piece_unref(struct vrv_piece *p); /* NULL is fine */

#endif
