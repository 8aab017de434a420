/*
 * A server made anew from its store alone.
 *
 *   look   newest marker ─► catalog, groups' offsets     each partition's newest whole manifest ─► where it goes on
 *                        └────────────► an empty data directory ◄───────────────┘
 *   make   the store's next owner ─► a root behind each manifest ─► catalog, logs
 *
 * The records stay where they are, and can be read at once.  What was on the lost disk only is lost: a
 * partition goes on where its cold records end, in a new epoch.
 *
 * Looking only reads.  Making begins with what the store must know: who owns it from now on, so that the
 * server before writes nothing there when it should come back; and for each partition a root of the new
 * epoch under the next version, so that a root of that server's that is still on its way finds its name
 * taken (L15).
 *
 * Threads: the caller's, and some for the partitions.
 */
#ifndef VRV_RESTORE_RESTORE_H
#define VRV_RESTORE_RESTORE_H

#include "engine/engine.h"
#include "tiering/restore/find.h"

struct vrv_restore_opts {
    struct vrv_store *store;      /* borrowed, as all */
    struct vrv_clock *clock;
    uint64_t random;
    int64_t call_ms;              /* for one call to the store, with its attempts */
    bool gone;                    /* the store's server is, whatever its newest marker says */
    unsigned threads;
    void (*progress)(void *ctx, size_t total); /* for each partition that was looked at, one at a time, from
                                   * any of them; may be NULL */
    void *ctx;
};

/* A partition that is, or may be, in the cold tier. */
struct vrv_restore_part {
    struct vrv_log_id id;
    const struct vrv_topic_info *topic; /* NULL: a deleted one's */
    int status;                   /* 0; NOTFOUND: nothing of it is there; CORRUPT: what is there is
                                   * of no use */
    struct vrv_err err;
    struct vrv_found f;
    /* ours */
    int32_t epoch;                /* the marker's */
    struct vrv_found_head head;   /* likewise */
    uint64_t root_size;           /* of the root of the next one, and its checksum */
    uint32_t root_crc;
};

struct vrv_restore {
    struct vrv_restore_opts o;
    struct vrv_found_marker marker;
    struct vrv_topic_info *topic;
    size_t topic_n;
    struct vrv_restore_part *part; /* topics' partitions in order, then those of deleted ones */
    size_t part_n, part_cap;
    size_t live_n;                /* of these are not of deleted ones */
    unsigned found, absent, bad, lacking; /* partitions that are there; of which nothing is; of which
                                   * nothing is of use; and those found that aren't all that they were */
    uint64_t owner;               /* as which owner of the store the server goes on */
    /* ours */
    struct vrv_sync sync;
    struct vrv_catalog_kv *kv;    /* the catalog as it goes on, in order of keys, */
    struct vrv_catalog_kv *added; /* but for these */
    size_t kv_n, added_n;
    void **made;                  /* what of it isn't the marker's */
    size_t made_n, made_cap;
};

/* Errors: NOTFOUND (no marker), LOCKED (a server lives there), VERSION, and the store's.  To be finished
 * whatever it returns. */
int vrv_restore_look(struct vrv_restore *r, const struct vrv_restore_opts *o, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Into an empty data directory, of which engine/restore.h says when it is whole; when it fails it is of no
 * use.  A partition that is bad begins anew, empty.  Errors: FOREIGN (it isn't empty), before the
 * store is changed; AGAIN (its server was still at work: look again); LOCKED (somebody else does
 * the same). */
int vrv_restore_make(struct vrv_restore *r, const struct vrv_engine_opts *engine, struct vrv_err *e)
    VRV_MUST_CHECK;
void vrv_restore_fini(struct vrv_restore *r);

/* It asks for the cold tier. */
bool vrv_restore_is_tiered(const struct vrv_topic_info *t);
/* At which offset a partition goes on; -1: there is no such partition. */
int64_t vrv_restore_end(const struct vrv_restore *r, const char *topic, int32_t partition);

#endif
