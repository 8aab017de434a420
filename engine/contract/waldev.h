/*
 * Where the write-ahead log's groups go.
 *
 * The journal (engine/wal/journal.h) makes groups; a device stores them: local files
 * (engine/wal/wal_file.c), or an object store's slots when brokers have no disk of their own.
 * Group n goes to slot n.  A device may keep up to `window` groups in flight and finish them out
 * of order; the journal acknowledges by prefix.  A device that finds that another
 * owner has taken over finishes with FENCED; from then on nothing more is acknowledged.
 */
#ifndef VRV_CONTRACT_WALDEV_H
#define VRV_CONTRACT_WALDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

struct vrv_slab;
struct vrv_waldev;

/* One write.  The bytes stay as they are, at that address, until it is done. */
struct vrv_wal_group {
    uint64_t slot;
    uint8_t *bytes; /* aligned to and a multiple of the device's `align` */
    size_t n;
    bool sync;      /* done means: on stable storage */
    /* Called once when it is done, from any thread; from within submit too. */
    void (*done)(struct vrv_wal_group *g, int status, const struct vrv_err *e);
};

/* A group that recovery found.  slab, unless it is NULL, holds the bytes: who keeps them takes a
 * reference instead of a copy.  Returning not zero stops the replay with that error. */
typedef int vrv_wal_replay_fn(void *ctx, const uint8_t *bytes, size_t n, struct vrv_slab *slab,
    struct vrv_err *e);

/* What recovery found. */
struct vrv_wal_found {
    uint64_t next_slot;  /* the slot after the last kept group */
    uint64_t next_seq;   /* and its first entry's number */
    uint64_t groups;     /* replayed */
    uint64_t cut_groups; /* found beyond the end, dropped */
    uint64_t rewritten;  /* kept, but not known durable: written and synced again */
    uint64_t bytes;      /* read for the replay */
};

struct vrv_waldev_ops {
    bool (*reserve)(struct vrv_waldev *d, size_t bytes);
    void (*release)(struct vrv_waldev *d, size_t bytes);
    void (*submit)(struct vrv_waldev *d, struct vrv_wal_group *g);
    int (*sync)(struct vrv_waldev *d, struct vrv_err *e);
    int (*trim)(struct vrv_waldev *d, uint64_t slot, struct vrv_err *e);
    int (*prepare)(struct vrv_waldev *d);
    size_t (*used)(struct vrv_waldev *d);
    void (*close)(struct vrv_waldev *d);
};

struct vrv_waldev {
    const struct vrv_waldev_ops *ops;
    unsigned window;   /* groups in flight, at least 1 */
    size_t align;      /* of groups, a power of two */
    size_t group_max;  /* bytes of the largest group */
    size_t capacity;   /* bytes that can be live, about */
};

/* Claim room for a group, or the share of one, before anything is promised to anybody; false when
 * there is none until a trim (or, at first start, until prepare has come further).  Each submit
 * gives back what it used; what was claimed too much is given back by _release. */
bool vrv_waldev_reserve(struct vrv_waldev *d, size_t bytes);
void vrv_waldev_release(struct vrv_waldev *d, size_t bytes);
/* Start writing a group; slots ascend by one.  Its claim ends. */
void vrv_waldev_submit(struct vrv_waldev *d, struct vrv_wal_group *g);
/* Put every group that is done on stable storage. */
int vrv_waldev_sync(struct vrv_waldev *d, struct vrv_err *e) VRV_MUST_CHECK;
/* Slots below `slot` are needed no more. */
int vrv_waldev_trim(struct vrv_waldev *d, uint64_t slot, struct vrv_err *e) VRV_MUST_CHECK;
/* Work in the background at first start (zero-filling).  1: some was done; 0: there is none left;
 * negative: it can't be done now (NOSPACE, IO), try again later. */
int vrv_waldev_prepare(struct vrv_waldev *d);
/* Bytes of live groups. */
size_t vrv_waldev_used(struct vrv_waldev *d);
void vrv_waldev_close(struct vrv_waldev **d);

/* What is to be opened.  The id is drawn when a data directory is made, and is in the header of
 * each group: a store that many engines share keeps a name space per id, so that none replays
 * another's. */
struct vrv_wal_open {
    uint64_t wal_id;
    uint32_t session;          /* a new one, above all before */
    uint64_t trim, next_seq;   /* replay slots from `trim` on, whose first entry has this number */
    vrv_wal_replay_fn *fn;
    void *ctx;
};

/* Another kind of WAL than files on this machine.  The device is the caller's to close. */
struct vrv_wal_opener {
    int (*open)(struct vrv_wal_opener *o, const struct vrv_wal_open *what,
        struct vrv_wal_found *found, struct vrv_waldev **dev, struct vrv_err *e);
};

#endif
