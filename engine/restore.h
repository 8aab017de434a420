/*
 * A data directory made anew for topics whose records lie elsewhere: in the cold tier.
 */
#ifndef VRV_RESTORE_H
#define VRV_RESTORE_H

#include "engine/engine.h"
#include "engine/log/epochs.h"
#include "engine/log/producers.h"

/* What a partition was. */
struct vrv_past {
    struct vrv_log_id id;
    int64_t start, end;                    /* of all its records, none of which is on this disk */
    struct vrv_epochs epochs;              /* borrowed, as the next one: as of its end */
    const struct vrv_producers *producers;
};

/* Is the data directory empty?  One that isn't there is made.  FOREIGN, and what opening one says. */
int vrv_engine_make_empty(const struct vrv_engine_opts *o, struct vrv_err *e) VRV_MUST_CHECK;

/* An empty directory gets this catalog, and these partitions of it go on at their ends, in new epochs; the
 * others begin at 0.  Then what else belongs there may be appended, by who opens it with `restoring`; and it
 * is whole.  When that is cut short, the directory is of no use any more: nobody can open it, and it must be
 * emptied.  Errors: FOREIGN when it isn't empty; CORRUPT; INVALID; IO. */
int vrv_engine_restore(const struct vrv_engine_opts *o, const struct vrv_catalog_kv *kv, size_t kv_n,
    const struct vrv_past *past, size_t past_n, struct vrv_err *e) VRV_MUST_CHECK;
/* It is whole; nobody has it open. */
int vrv_engine_restored(const struct vrv_engine_opts *o, struct vrv_err *e) VRV_MUST_CHECK;

#endif
