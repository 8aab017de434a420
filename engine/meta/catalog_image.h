/*
 * What the catalog knows, in memory: topics by id and by name, epochs, deleted topics, settings of
 * other entities.
 *
 * It takes news in any order that a metastore may bring them: late, more than once, of one key in
 * order but of two keys in either.  So an older state never replaces a newer one, an epoch only
 * rises, and an id that was deleted comes back only by news from after that.  No I/O, no lock.
 */
#ifndef VRV_META_CATALOG_IMAGE_H
#define VRV_META_CATALOG_IMAGE_H

#include "engine/base/omap.h"
#include "engine/contract/metastore.h"
#include "engine/meta/catalog.h"

struct vrv_cattopic {
    struct vrv_omap_node by_id, by_name;
    struct vrv_uuid id;
    uint64_t mod;      /* 0: only epochs are known so far */
    struct vrv_catepoch {
        uint64_t mod;  /* 0: not stored, the epoch is 0 */
        int32_t epoch;
    } *epochs;         /* NULL while all are 0 */
    int32_t epoch_n;   /* those above are 0 */
    int32_t partitions;
    uint32_t value_len;
    bool named;        /* it is the one that by_name leads to */
    uint8_t *value;    /* as stored; name and configurations are read from it */
    char *name;        /* behind it in the same block, with a NUL */
};

/* The settings of an entity, as stored. */
struct vrv_catentity {
    struct vrv_omap_node node;
    uint64_t mod;
    uint32_t value_len;
    uint8_t *value;
    char name[VRV_ENTITY_MAX + 1];
};

/* The last so many deletions, against news that come late. */
enum { VRV_CATIMAGE_PAST_MAX = 1024 };

struct vrv_catimage {
    struct vrv_omap by_id, by_name, gone, entities;
    struct {
        struct vrv_uuid id;
        uint64_t mod; /* when it was known to be deleted */
        bool forgotten;
    } past[VRV_CATIMAGE_PAST_MAX]; /* a ring */
    size_t past_n;
};

void vrv_catimage_init(struct vrv_catimage *img);
void vrv_catimage_fini(struct vrv_catimage *img);

/* NULL when there is none (of which more than the epochs is known). */
const struct vrv_cattopic *vrv_catimage_by_id(const struct vrv_catimage *img,
    const struct vrv_uuid *id);
const struct vrv_cattopic *vrv_catimage_by_name(const struct vrv_catimage *img, const char *name);
/* The next in order of name; after NULL the first. */
const struct vrv_cattopic *vrv_catimage_after(const struct vrv_catimage *img, const char *name);
struct vrv_catepoch vrv_cattopic_epoch(const struct vrv_cattopic *t, int32_t part);
/* A copy, to be freed with vrv_topic_info_fini(). */
void vrv_cattopic_info(const struct vrv_cattopic *t, struct vrv_topic_info *out);

bool vrv_catimage_is_gone(const struct vrv_catimage *img, const struct vrv_uuid *id);
/* In order of id; NULL at the end. */
const struct vrv_uuid *vrv_catimage_gone_after(const struct vrv_catimage *img,
    const struct vrv_uuid *id);

/* NULL when it never had any. */
const struct vrv_catentity *vrv_catimage_entity(const struct vrv_catimage *img, const char *name);
/* The next in order of name; NULL at the end. */
const struct vrv_catentity *vrv_catimage_entity_after(const struct vrv_catimage *img,
    const char *name);

/* News: a topic's value as it is since revision mod (checked: CORRUPT, VERSION), or its
 * deletion. */
int vrv_catimage_put(struct vrv_catimage *img, const struct vrv_uuid *id, const void *value,
    size_t n, uint64_t mod, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_catimage_drop(struct vrv_catimage *img, const struct vrv_uuid *id, uint64_t mod);
void vrv_catimage_epoch(struct vrv_catimage *img, const struct vrv_uuid *id, int32_t part,
    struct vrv_catepoch epoch);
void vrv_catimage_put_gone(struct vrv_catimage *img, const struct vrv_uuid *id, uint64_t mod);
int vrv_catimage_put_entity(struct vrv_catimage *img, const struct vrv_meta_kv *kv,
    struct vrv_err *e) VRV_MUST_CHECK;
void vrv_catimage_drop_gone(struct vrv_catimage *img, const struct vrv_uuid *id, uint64_t mod);

#endif
