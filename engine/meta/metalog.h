/*
 * The metastore of one machine: an append-only log of transactions, and all keys in memory.
 *
 * File meta/<number>.meta: a header, then frames.  Each frame is one transaction, so that all
 * or nothing of it survives.  A file begins with a snapshot; when the log has grown to more than
 * twice the snapshot and 1 MiB, a new file is written, synced and renamed into place.
 * Format to the byte: engine/README.md.
 */
#ifndef VRV_META_METALOG_H
#define VRV_META_METALOG_H

#include <stdint.h>

#include "engine/contract/metastore.h"
#include "engine/os/vfs.h"

/* Opens (or makes) the log in directory `dir` of v, and recovers it: a torn last batch is cut and
 * *cut_bytes says how much, damage of what a later batch proves to have been durable is CORRUPT, a
 * newer format VERSION, a file that isn't the log's FOREIGN. */
int vrv_metalog_open(struct vrv_metastore **out, struct vrv_vfs *v, const char *dir,
    uint64_t *cut_bytes, struct vrv_err *e) VRV_MUST_CHECK;

#endif
