/* Who watches a metadata log, and the last deletions, for those who begin to. */
#ifndef VRV_META_METAWATCH_H
#define VRV_META_METAWATCH_H

#include "engine/base/list.h"
#include "engine/meta/metakeys.h"

/* A watch begins with what changed after its from_revision.  Keys that exist tell that themselves;
 * of those deleted since, the last so many are known, which covers whoever watches right
 * after a range. */
enum { VRV_METAWATCH_GONE_MAX = 1024 };

struct vrv_metawatch_gone {
    char *key;
    uint64_t revision;
};

struct vrv_metawatches {
    struct vrv_list list;
    struct vrv_metawatch_gone gone[VRV_METAWATCH_GONE_MAX]; /* a ring */
    size_t gone_n;                                          /* ever put into it */
    uint64_t floor; /* deletions up to this revision are forgotten */
};

void vrv_metawatches_init(struct vrv_metawatches *w, uint64_t revision);
void vrv_metawatches_fini(struct vrv_metawatches *w);

void vrv_metawatches_add(struct vrv_metawatches *w, const char *prefix, uint64_t from,
    vrv_meta_watch_fn *fn, void *ctx);
/* Also from inside a callback: no call follows. */
void vrv_metawatches_remove(struct vrv_metawatches *w, vrv_meta_watch_fn *fn, void *ctx);

/* Both return the number of callbacks made.  catch_up serves those added since the last time, and
 * must not run inside a callback; tell passes on a transaction that was done. */
int vrv_metawatches_catch_up(struct vrv_metawatches *w, const struct vrv_metakeys *keys);
int vrv_metawatches_tell(struct vrv_metawatches *w, const struct vrv_meta_txn *t,
    uint64_t revision);

#endif
