/*
 * A file WAL on a simulated disk, beside a list of all that was written to it.
 *
 * Every group's bytes follow from its entry in the list, so that what recovery replays can be
 * compared byte for byte.  Slots begin at 1; group i of the list has slot i + 1.
 */
#ifndef VRV_T_WALRIG_H
#define VRV_T_WALRIG_H

#include "engine/base/rand.h"
#include "engine/wal/wal_file.h"
#include "t/lib/simdisk.h"

struct walrig_group {
    uint64_t seq, durable_end, seed;
    uint32_t session, payload, count;
};

struct walrig {
    struct simdisk *disk;       /* borrowed */
    struct vrv_wal_file_opts o;
    struct vrv_slab_pool pool;
    struct vrv_waldev *dev;     /* NULL: closed */
    struct vrv_wal_found found; /* by the last open */
    struct vrv_rand rand;       /* of payloads */
    struct walrig_group *v;
    size_t n, cap;
    uint32_t session;
    uint32_t count;             /* entries that each group says it has; 0: 1 to 3 by chance */
    uint64_t trim;              /* what the checkpoint says is needed no more */
    uint64_t durable;           /* slots below were reported to be on stable storage */
    bool stopped;               /* a write or sync failed: nothing more may be written */
    uint8_t *buf;
    struct vrv_err err;         /* of the last call that failed */
    char bad[240];              /* what was wrong with a replay; empty: nothing */
};

enum walrig_result { WALRIG_DONE, WALRIG_FULL, WALRIG_FAILED };

/* Makes the directory, too: the disk is new. */
void walrig_init(struct walrig *r, struct simdisk *disk, const struct vrv_wal_file_opts *o);
void walrig_fini(struct walrig *r);

/* A new WAL. */
int walrig_create(struct walrig *r);
/* Recover.  When it works, the list is cut to what was kept, and all of it counts as durable;
 * r->bad says what recovery may not do. */
int walrig_open(struct walrig *r);
void walrig_close(struct walrig *r);

/* Claim room, write one group with so many bytes behind its header; sync: and all before it. */
enum walrig_result walrig_write(struct walrig *r, size_t payload, bool sync);
int walrig_sync(struct walrig *r);
/* Slots below are needed no more: first the checkpoint knows, then the WAL. */
int walrig_trim(struct walrig *r, uint64_t slot);

static inline uint64_t
walrig_next(const struct walrig *r)
{
    return r->n + 1;
}

#endif
