/* Make a batch from records: for the library's record-at-a-time calls, tools, tests and bench. */
#ifndef VRV_BATCH_BUILD_H
#define VRV_BATCH_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/batch/batch.h"

struct vrv_build_header {
    const char *key; /* NUL-terminated */
    const void *value;
    int32_t value_len; /* -1: null */
};

struct vrv_batch_builder {
    uint8_t *buf; /* header space, then the records so far, not yet compressed */
    size_t n, cap;
    int32_t count;
    int64_t base_ts, max_ts;
    int64_t producer_id;    /* set before _finish; -1 by default */
    int16_t producer_epoch;
    int32_t base_seq;
    int16_t attrs;          /* VRV_ATTR_TRANSACTIONAL and such; codec is given to _finish */
};

void vrv_batch_builder_init(struct vrv_batch_builder *b);
/* Lengths of -1 mean null. */
void vrv_batch_builder_add(struct vrv_batch_builder *b, int64_t ts, const void *key,
    int32_t key_len, const void *value, int32_t value_len, const struct vrv_build_header *h,
    int32_t header_count);
/* Close the batch: compress, fill the header (offset 0, epoch -1), checksum.  *out borrows from
 * the builder until the next call on it.  Then it is empty again, its producer fields kept. */
int vrv_batch_builder_finish(struct vrv_batch_builder *b, enum vrv_codec codec,
    const uint8_t **out, size_t *n, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_batch_builder_fini(struct vrv_batch_builder *b);

#endif
