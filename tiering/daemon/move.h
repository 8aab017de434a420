/*
 * One sealed segment's way into the store, and into its partition's manifest.
 *
 *   is its way free? ─► segment ─a piece at a time, as fast as it may─► object writer ─► upload ─► commit
 *                               └─────── on the thread that reads, and packs ───────┘
 *
 * What the object has besides its chunks is made of the batches on their way: index, epochs, and the
 * producers' state, which goes on from the segment before.  So it is that of the segment's end, whenever
 * the segment is moved.  An object that is lost, or damaged, keeps no other from the store: what it knew of producers is
 * what a server made anew won't know, and is told.
 *
 * Whatever fails before the commit leaves an object or an upload that nothing names; the sweep
 * removes it, but not as long as a root that can't be passed over is in the commit's way (sweep.h).
 * Where one may be it is looked for first: so one object may have to stay, and not one for each
 * time that it is tried.
 *
 * Threads: the tier's; while a piece is being read what is made of it is that thread's.
 */
#ifndef VRV_DAEMON_MOVE_H
#define VRV_DAEMON_MOVE_H

#include "engine/log/epochs.h"
#include "engine/log/producers.h"
#include "tiering/daemon/pace.h"
#include "tiering/daemon/source.h"
#include "tiering/daemon/upload.h"
#include "tiering/parts/parts.h"
#include "tiering/reader/extras.h"

enum { VRV_MOVE_INDEX_INTERVAL = 4096 }; /* a server's */

struct vrv_move_opts {
    struct vrv_parts *parts;         /* borrowed, as the next two */
    struct vrv_pace *pace;
    struct vrv_source *source;
    struct vrv_upload_opts upload;
    uint32_t chunk_bytes;
    uint32_t index_interval;         /* bytes between entries */
};

struct vrv_move {
    /* the caller's, until run is called, once, never from within */
    const struct vrv_move_opts *o;
    struct vrv_seg *seg;             /* sealed */
    int32_t epoch;                   /* the owner's */
    int64_t start;                   /* the log's */
    int zstd_level;                  /* 0: chunks as they are */
    bool bridges;                    /* between what counts and the segment there is nothing, and never was */
    const struct vrv_manifest *from; /* what counts, which the segment continues; NULL: it is the first */
    bool knows_producers;            /* else they are read from the newest of these that is whole: */
    const struct vrv_cold_seg *before; /* what lies before the segment, in order; NULL: the segments of `from` */
    uint32_t before_n;
    struct vrv_cold_seg *made;       /* not NULL: nothing is committed, here is what the object is */
    struct vrv_producers *producers; /* as of the segment's first offset; then of its end, */
    struct vrv_err lacks;            /* ... without what the segment before it knew: why that can't be read any more;
                                      * code 0: with that */
    void *owner;
    void (*run)(struct vrv_move *m, int status, const struct vrv_err *e);
    /* ours */
    char key[VRV_STORE_KEY_MAX + 1];
    struct vrv_object_writer w;
    struct vrv_upload upload;
    struct vrv_done next;            /* it is its turn: others have theirs in between */
    struct vrv_pace_wait turn;
    struct vrv_source_read read;
    enum { VRV_MOVE_LOOKS, VRV_MOVE_PREPARES, VRV_MOVE_WRITES, VRV_MOVE_COMMITS } phase;
    bool busy, all_in;               /* waits for its turn, or for a piece */
    uint64_t at;                     /* so much of the segment was read, */
    uint8_t *piece;                  /* and this of it is not written yet */
    size_t n, cap;
    uint8_t *out;                    /* what the object has more of since then */
    size_t out_n, out_cap;
    uint64_t pos, indexed;           /* of the next batch, of the newest entry */
    int64_t max_ts;
    uint8_t *index, *producer_bytes, *epoch_bytes;
    uint32_t index_n, index_cap;
    struct vrv_epochs epochs;
    struct vrv_extras extras;        /* of a segment before */
    unsigned back;                   /* so many of these were lost */
    struct vrv_parts_commit commit;
};

/* Would it continue what counts?  Else it isn't begun: no manifest could name what was uploaded.  CONFLICT. */
int vrv_move_check(const struct vrv_move *m, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_move_begin(struct vrv_move *m);
/* End it soon: with CANCELLED, or what becomes known in time. */
void vrv_move_cancel(struct vrv_move *m);

#endif
