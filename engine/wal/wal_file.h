/*
 * The WAL of one machine: a ring of files, filled with zeros once and written again and again.
 *
 * wal/NNNNNN.wal, all of one size: a 4096-byte header, then groups, each at a multiple of 4096.
 * Overwriting blocks that were written before makes a sync a matter of data alone, which
 * halves its time; so space counts as there only when it has been filled, and a full disk can't
 * meet a group.  Groups of a file follow each other without a gap, and a group lies
 * within one file.  A file is used again once the last of its groups was trimmed.
 *
 * Recovery looks at every block of every file for the groups of this WAL, and orders them by
 * slot.  A slot that is missing or damaged ends the log, unless some group says that it was
 * durable: then that is corruption, and nothing is changed.
 */
#ifndef VRV_WAL_WAL_FILE_H
#define VRV_WAL_WAL_FILE_H

#include "engine/contract/waldev.h"
#include "engine/os/clock.h"
#include "engine/os/vfs.h"
#include "engine/tail/slab.h"

enum { VRV_WAL_FILES_MAX = 64, VRV_WAL_FILE_MIN = 64 * 1024 };

struct vrv_wal_file_opts {
    const char *dir;      /* within the vfs; exists */
    uint64_t wal_id;
    unsigned files;       /* how many, at least 2 */
    size_t file_bytes;    /* each, header and all */
    size_t group_bytes;   /* a group of several claims has no more; 0: as group_max */
    struct vrv_slab_pool *pool; /* for what recovery reads */
    bool direct;          /* try O_DIRECT */
    bool create;          /* a new WAL: no file may be there; else all of them must be */
    size_t fill_first;    /* when creating: fill so much at once, the rest by _prepare */
};

/* Open and recover: replays slots from `trim` on (each once, in order), rewrites the part of the
 * tail that isn't known to be durable.  durable_slot, durable_seq: what the checkpoint knows.
 * session is the one that is about to begin.
 * Errors: FOREIGN (a file is missing or strange), CORRUPT (with slot), VERSION, IO. */
int vrv_wal_file_open(struct vrv_waldev **out, struct vrv_vfs *vfs,
    const struct vrv_wal_file_opts *o, uint64_t trim, uint64_t durable_slot, uint64_t next_seq,
    vrv_wal_replay_fn *fn, void *ctx, struct vrv_wal_found *found, struct vrv_err *e)
    VRV_MUST_CHECK;

/* Is O_DIRECT worth while here?  Tried on a file of that name, which is removed again; where
 * nothing can be written, the answer is yes. */
bool vrv_wal_direct_pays(struct vrv_vfs *vfs, struct vrv_clock *clock, const char *name);

#endif
