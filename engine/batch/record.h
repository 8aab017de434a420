/* Walk the records of one batch, decompressing as needed, within a bound on memory. */
#ifndef VRV_BATCH_RECORD_H
#define VRV_BATCH_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/batch/batch.h"

struct vrv_record {
    int64_t offset;      /* absolute */
    int64_t timestamp;   /* absolute; maxTimestamp of the batch with LogAppendTime */
    const uint8_t *key;  /* NULL: no key */
    int32_t key_len;     /* -1 for none */
    const uint8_t *value;
    int32_t value_len;
    int32_t header_count;
    const uint8_t *headers; /* raw: vrv_record_header() walks them */
    size_t headers_len;
};

struct vrv_record_iter {
    const uint8_t *p, *end;
    struct vrv_batch batch;
    int32_t index;       /* of the next record */
    int32_t delta_min;   /* its offset delta is at least this: deltas rise */
    uint8_t *unpacked;   /* owned; NULL when the batch is not compressed */
};

/* How much a batch may unpack to: min(64 MiB, 1000 x its size), at least 64 KiB. */
size_t vrv_unpacked_max(size_t packed);

/* The batch at p stays borrowed until _fini.  Errors: BATCH, CODEC, TOO_LARGE (bomb), NOMEM. */
int vrv_record_iter_init(struct vrv_record_iter *it, const void *p, const struct vrv_batch *b,
    struct vrv_err *e) VRV_MUST_CHECK;
/* 1 and a record that lives until _fini, 0 at the end, or BATCH: bytes left over, or too few. */
int vrv_record_next(struct vrv_record_iter *it, struct vrv_record *r, struct vrv_err *e)
    VRV_MUST_CHECK;
void vrv_record_iter_fini(struct vrv_record_iter *it);

/* Walk one record's headers: start with *pos = 0; 1, 0 at the end.  The iterator has checked
 * their form already. */
int vrv_record_header(const struct vrv_record *r, size_t *pos, const uint8_t **key,
    int32_t *key_len, const uint8_t **value, int32_t *value_len);

#endif
