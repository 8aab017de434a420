/*
 * The cold tier as the engine reads it (engine/contract/cold.h): manifests say where, the store has the
 * bytes.
 *
 *   fetch ─► the manifest ─► the page, where it lies in one ─► segment and chunk ─► the chunk ─► answer
 *            is read once    ... is read once                                     ... and kept for a while
 *   now ───► the same way, as far as all of it is in memory, on the asker's thread
 *
 * Threads: what the engine calls, any; the rest is the tier's.
 */
#ifndef VRV_READER_COLD_H
#define VRV_READER_COLD_H

#include "engine/contract/cold.h"
#include "tiering/parts/parts.h"
#include "tiering/reader/cache.h"

struct vrv_cold_reader {
    struct vrv_cold cold;    /* what the engine gets */
    struct vrv_parts *parts; /* borrowed */
    struct vrv_cache cache;
    struct vrv_cq *cq;
    struct vrv_lock lock;    /* rank cold; guards what follows */
    size_t fetches;          /* that have neither been answered nor cancelled */
    struct vrv_list news;    /* those that are new, or were cancelled */
    struct vrv_list asks;    /* who is to be told when a manifest is there */
    struct vrv_done wake;
    bool woken;
};

void vrv_cold_reader_init(struct vrv_cold_reader *r, struct vrv_parts *parts,
    const struct vrv_cache_opts *o);
/* Bytes in a second that are read of the store, at most; 0: no limit.  Any thread. */
void vrv_cold_reader_rate(struct vrv_cold_reader *r, uint64_t bytes_s);
/* Is nothing being read, or asked for? */
bool vrv_cold_reader_is_idle(struct vrv_cold_reader *r);
/* All that was asked is answered, and all bytes were given back. */
void vrv_cold_reader_fini(struct vrv_cold_reader *r);

#endif
