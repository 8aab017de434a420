/*
 * A disk in memory that forgets what was not synced, and fails on command.
 *
 * It is a vfs with durability at its weakest (engine/os/vfs.h).  Each file has a durable image and
 * an ordered list of writes and truncations since its last sync; each directory has durable names
 * and an ordered list of changes to them.  simdisk_crash() decides what of those lists reached
 * the disk, by a policy and a seed; all else is gone.  The same calls with the same seeds always
 * give the same bytes.
 *
 *   - Buffered reads see everything written; direct reads see the device: the durable image and
 *     direct writes, but no buffered write before its sync.
 *   - Syncing a file makes its data and size durable, not its name; syncing a directory makes the
 *     names in it durable, not the files they lead to, nor its own name.
 *   - A rename inside one directory is atomic.  One between directories is two changes, each
 *     durable with its own directory.
 *   - After a failed sync the data is lost but visible: reads show it, no later sync writes it,
 *     a crash drops it.
 *
 * Threads: every function may be called from any thread, but free and abandon only when no
 * other call runs.
 */
#ifndef VRV_T_SIMDISK_H
#define VRV_T_SIMDISK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/os/vfs.h"

struct simdisk;

/* An empty disk.  The seed is for what chance decides while it runs (NOWAIT, short writes);
 * a crash brings its own. */
struct simdisk *simdisk_new(uint64_t seed);
/* Frees the open handles too.  NULL is fine; clears the pointer. */
void simdisk_free(struct simdisk **d);

/* Lives as long as the disk; vrv_vfs_close() of it does nothing. */
struct vrv_vfs *simdisk_vfs(struct simdisk *d);

/* ---- power loss ---- */

#define SIM_POLICIES(P)                                                                            \
    P(DROP_ALL)       /* only what was synced */                                                   \
    P(KEEP_ALL)       /* as after a killed process */                                              \
    P(PREFIX)         /* the first writes of each file, the first changes of each directory */     \
    P(SUBSET)         /* any of the 512-byte sectors written, and any size between */              \
    P(TORN_SECTOR)    /* a prefix, and the next write cut at a sector */                           \
    P(TORN_BYTE)      /* a prefix, and the next write cut anywhere */                              \
    P(ZERO_EXTEND)    /* the size grew, the data is zeros */                                       \
    P(GARBAGE_EXTEND) /* the size grew, the data is what lay there: noise, or old sectors */       \
    P(ORDERED)        /* names, sizes and growth up to one moment; overwrites any (ext4) */        \
    P(ARBITRARY)      /* sectors, sizes and names each any subset */

enum sim_policy {
#define SIM_POLICY_ENUM(name) SIM_##name,
    SIM_POLICIES(SIM_POLICY_ENUM)
#undef SIM_POLICY_ENUM
        SIM_POLICY_COUNT
};

const char *sim_policy_name(enum sim_policy policy);

/* Power fails and comes back.  Open handles stay allocated but every call on them fails with IO;
 * locks are free; faults and crash points that were set are cleared. */
void simdisk_crash(struct simdisk *d, enum sim_policy policy, uint64_t seed);

/* The n-th operation from now (1 is the next) and all after it fail with IO and without effect,
 * until simdisk_crash(). 0: never. */
void simdisk_crash_at(struct simdisk *d, uint64_t n);
bool simdisk_is_off(struct simdisk *d);

/* Free all open handles: for when their owner was thrown away without closing them. */
void simdisk_abandon(struct simdisk *d);

/* ---- faults ---- */

enum sim_fault {
    SIM_EIO,    /* any operation */
    SIM_ENOSPC, /* what may need space, and syncs */
    SIM_SHORT,  /* a pwritev writes a part, then ENOSPC; a pread fails with EIO */
    SIM_EINTR,  /* repeated inside the vfs, so nothing is seen */
    SIM_ENOMEM, /* any operation */
};

/* The n-th operation from now fails, or the first after it that can fail in this way; when sticky,
 * all later ones that can, too.  n = 0 takes the fault back. */
void simdisk_fail(struct simdisk *d, uint64_t n, enum sim_fault kind, bool sticky);
/* How often the fault set last has struck. */
uint64_t simdisk_failed(struct simdisk *d);

/* Operations so far: all that can fail, which close and the hints can't. */
uint64_t simdisk_ops(struct simdisk *d);
/* A line per operation, or none with NULL. */
void simdisk_trace(struct simdisk *d, FILE *out);

/* Room for this many bytes of files, counted in 4 KiB blocks. Without: 1 TiB. */
void simdisk_capacity(struct simdisk *d, uint64_t bytes);
/* Chance in percent that a NOWAIT read finds nothing, or a part only, in memory. */
void simdisk_nowait(struct simdisk *d, unsigned percent);

/* ---- what is on the disk ---- */

/* XOR the byte at `pos`, in the durable image and in memory.  False: no such byte. */
bool simdisk_corrupt(struct simdisk *d, const char *path, uint64_t pos, uint8_t mask);
/* A second disk with all of the first, unsynced writes included, but no handles, locks, faults
 * or trace. */
struct simdisk *simdisk_copy(struct simdisk *d);
/* Of all durable names and bytes. */
uint64_t simdisk_hash(struct simdisk *d);
/* The durable tree, with what is pending, for humans. */
void simdisk_list(struct simdisk *d, FILE *out);

#endif
