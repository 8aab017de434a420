/*
 * What the fake cold tier holds: batches of some partitions, and what they say.  No loading, no
 * locks: fakecold.c has those.
 */
#ifndef VRV_T_COLDPARTS_H
#define VRV_T_COLDPARTS_H

#include <stdbool.h>

#include "engine/batch/batch.h"
#include "engine/contract/cold.h"

struct coldbatch {
    struct vrv_batch head;
    uint8_t *bytes;
};

struct coldaborted {
    int64_t producer, first, last;
};

struct coldpart {
    struct vrv_uuid topic;
    int32_t partition;
    struct coldbatch *v; /* offsets ascend; at least one */
    size_t n, cap;
    struct coldaborted *aborted;
    size_t aborted_n, aborted_cap;
    bool loaded;         /* the tier has what answers questions in memory */
};

enum { COLDPARTS_MAX = 8 };

struct coldparts {
    struct coldpart v[COLDPARTS_MAX];
    unsigned n;
};

/* NULL: nothing of it is there. */
struct coldpart *coldparts_find(struct coldparts *ps, const struct vrv_uuid *topic,
    int32_t partition);
/* A copy of one batch, behind those that are there. */
void coldparts_add(struct coldparts *ps, const struct vrv_uuid *topic, int32_t partition,
    const uint8_t *batch, size_t n);
void coldparts_add_aborted(struct coldparts *ps, const struct vrv_uuid *topic, int32_t partition,
    int64_t producer, int64_t first, int64_t last);
void coldparts_fini(struct coldparts *ps);

/* The offset behind all of it. */
int64_t coldpart_end(const struct coldpart *p);
/* Which batch a fetch is for; p->n: none. */
size_t coldpart_batch(const struct coldpart *p, enum vrv_cold_want want, int64_t offset,
    int64_t ts);

#endif
