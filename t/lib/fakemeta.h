/*
 * A metastore that behaves as badly as the contract allows, in memory.
 *
 * Each call takes effect some random steps after it was made, and answers some steps after
 * that, so independent calls overtake each other.  Some transactions answer UNKNOWN: half of them
 * never take effect, some take effect only after the answer.  Some ranges fail in the middle.
 * Watches bring news late, and now and then go back and repeat what they brought before.
 * One seed is one run.
 */
#ifndef VRV_T_FAKEMETA_H
#define VRV_T_FAKEMETA_H

#include "engine/contract/metastore.h"

struct fakemeta_opts {
    uint64_t seed;
    unsigned delay_max;       /* steps, each to the effect and to the answer */
    unsigned unknown_percent; /* of transactions and ranges */
    unsigned late_max;        /* steps that a transaction may take effect after its UNKNOWN */
    unsigned rewind_percent;  /* chance per step that a watch starts over from somewhere before */
};

struct vrv_metastore *fakemeta_new(const struct fakemeta_opts *o);

/* How many calls so far answered UNKNOWN, and of those how many transactions were done. */
void fakemeta_counts(const struct vrv_metastore *m, unsigned *unknown, unsigned *done);

/* Another one's transaction: done at once. Its status. */
int fakemeta_intrude(struct vrv_metastore *m, const struct vrv_meta_txn *t);

#endif
