/* The catalog's own face: shared by catalog.c and catalog_change.c only. */
#ifndef VRV_META_CATALOG_IMPL_H
#define VRV_META_CATALOG_IMPL_H

#include <pthread.h>

#include "engine/base/annot.h"
#include "engine/contract/metastore.h"
#include "engine/meta/catalog_image.h"
#include "engine/os/lock.h"

enum {
    VRV_CATALOG_MAGIC = 0x63617461,
    /* How often a change or a read is tried before its UNKNOWN or CONFLICT is passed on. */
    VRV_CATALOG_TRIES_MAX = 64,
};

struct vrv_catalog {
    uint32_t magic;
    struct vrv_metastore *m; /* borrowed; only the thread that is `changing` may touch it */
    uint64_t fence;          /* its revision, as far as we know; the changing thread's */
    struct vrv_lock lock;    /* rank meta; not held while the store works, so that readers of the
                              * image never wait for a disk */
    pthread_cond_t idle;
    bool changing VRV_GUARDED_BY(lock);
    struct vrv_catimage img VRV_GUARDED_BY(lock); /* the changing thread may read it without */
    struct vrv_err bad VRV_GUARDED_BY(lock); /* a watched value made no sense: no more changes */
};

/* One thread at a time is between these.  begin fails when an earlier change found the store's
 * content unusable. */
int vrv_catalog_begin(struct vrv_catalog *c, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_catalog_end(struct vrv_catalog *c);

/* The image learns what is, or no longer is, stored under a key. */
int vrv_catalog_learn(struct vrv_catalog *c, const struct vrv_meta_kv *kv, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Read all keys with this prefix into the image, again while that fails for no good reason; tells
 * how many there are, and as of which revision. */
struct vrv_catread {
    struct vrv_catalog *c;
    size_t keys;
    uint64_t revision;
};
int vrv_catalog_read(struct vrv_catread *r, const char *prefix, struct vrv_err *e) VRV_MUST_CHECK;

#endif
