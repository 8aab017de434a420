/* The same records, packed with another codec: for topics that keep theirs. */
#ifndef VRV_BATCH_REPACK_H
#define VRV_BATCH_REPACK_H

#include <stddef.h>
#include <stdint.h>

#include "engine/batch/batch.h"

/* 0: *out is malloc'd: header and records of the batch at p, its codec changed, length and checksum
 * set anew.  1: packed so small nobody would unpack it (vrv_unpacked_max): it is to stay as it is.
 * Errors: BATCH, CODEC, TOO_LARGE (its records, unpacked or packed), NOMEM. */
int vrv_batch_repack(const void *p, const struct vrv_batch *b, enum vrv_codec codec, int level,
    uint8_t **out, size_t *out_n, struct vrv_err *e) VRV_MUST_CHECK;

#endif
