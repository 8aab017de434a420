#include "engine/meta/catalog_image.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/meta/catalog_codec.h"

struct gone {
    struct vrv_omap_node node;
    struct vrv_uuid id;
    uint64_t mod; /* when it was known to be deleted */
};

static struct vrv_cattopic *
topic_by_id(const struct vrv_omap_node *n)
{
    return n != NULL ? VRV_OMAP_OF(n, struct vrv_cattopic, by_id) : NULL;
}

static struct vrv_cattopic *
topic_by_name(const struct vrv_omap_node *n)
{
    return n != NULL ? VRV_OMAP_OF(n, struct vrv_cattopic, by_name) : NULL;
}

static struct gone *
gone_of(const struct vrv_omap_node *n)
{
    return n != NULL ? VRV_OMAP_OF(n, struct gone, node) : NULL;
}

static struct vrv_catentity *
entity_of(const struct vrv_omap_node *n)
{
    return n != NULL ? VRV_OMAP_OF(n, struct vrv_catentity, node) : NULL;
}

static int
compare_id(const void *key, const struct vrv_omap_node *n)
{
    return memcmp(key, &topic_by_id(n)->id, sizeof(struct vrv_uuid));
}

static int
compare_name(const void *key, const struct vrv_omap_node *n)
{
    return strcmp(key, topic_by_name(n)->name);
}

static int
compare_gone(const void *key, const struct vrv_omap_node *n)
{
    return memcmp(key, &gone_of(n)->id, sizeof(struct vrv_uuid));
}

static int
compare_entity(const void *key, const struct vrv_omap_node *n)
{
    return strcmp(key, entity_of(n)->name);
}

static void
free_topic(struct vrv_cattopic *t)
{
    free(t->value);
    free(t->epochs);
    free(t);
}

void
vrv_catimage_init(struct vrv_catimage *img)
{
    memset(img, 0, sizeof(*img));
    vrv_omap_init(&img->by_id, compare_id);
    vrv_omap_init(&img->by_name, compare_name);
    vrv_omap_init(&img->gone, compare_gone);
    vrv_omap_init(&img->entities, compare_entity);
}

void
vrv_catimage_fini(struct vrv_catimage *img)
{
    struct vrv_omap_node *n;

    while ((n = vrv_omap_pop(&img->by_id)) != NULL)
        free_topic(topic_by_id(n));
    while ((n = vrv_omap_pop(&img->gone)) != NULL)
        free(gone_of(n));
    while ((n = vrv_omap_pop(&img->entities)) != NULL) {
        free(entity_of(n)->value);
        free(entity_of(n));
    }
}

/* ---- what is known */

const struct vrv_cattopic *
vrv_catimage_by_id(const struct vrv_catimage *img, const struct vrv_uuid *id)
{
    struct vrv_cattopic *t = topic_by_id(vrv_omap_find(&img->by_id, id));

    return t != NULL && t->mod != 0 ? t : NULL;
}

const struct vrv_cattopic *
vrv_catimage_by_name(const struct vrv_catimage *img, const char *name)
{
    return topic_by_name(vrv_omap_find(&img->by_name, name));
}

const struct vrv_cattopic *
vrv_catimage_after(const struct vrv_catimage *img, const char *name)
{
    return topic_by_name(name != NULL ? vrv_omap_after(&img->by_name, name)
                                      : vrv_omap_first(&img->by_name));
}

struct vrv_catepoch
vrv_cattopic_epoch(const struct vrv_cattopic *t, int32_t part)
{
    return part < t->epoch_n ? t->epochs[part] : (struct vrv_catepoch){0, 0};
}

void
vrv_cattopic_info(const struct vrv_cattopic *t, struct vrv_topic_info *out)
{
    vrv_catinfo_parse(out, t->value, t->value_len);
    out->id = t->id;
    out->mod = t->mod;
}

bool
vrv_catimage_is_gone(const struct vrv_catimage *img, const struct vrv_uuid *id)
{
    return vrv_omap_find(&img->gone, id) != NULL;
}

const struct vrv_uuid *
vrv_catimage_gone_after(const struct vrv_catimage *img, const struct vrv_uuid *id)
{
    struct gone *g = gone_of(
        id != NULL ? vrv_omap_after(&img->gone, id) : vrv_omap_first(&img->gone));

    return g != NULL ? &g->id : NULL;
}

const struct vrv_catentity *
vrv_catimage_entity(const struct vrv_catimage *img, const char *name)
{
    return entity_of(vrv_omap_find(&img->entities, name));
}

const struct vrv_catentity *
vrv_catimage_entity_after(const struct vrv_catimage *img, const char *name)
{
    return entity_of(vrv_omap_after(&img->entities, name));
}

/* ---- the past */

/* -1: not among the last that were deleted. */
static int
past_find(const struct vrv_catimage *img, const struct vrv_uuid *id)
{
    size_t n = img->past_n < VRV_CATIMAGE_PAST_MAX ? img->past_n : VRV_CATIMAGE_PAST_MAX;

    for (size_t i = 0; i < n; i++)
        if (vrv_uuid_eq(&img->past[i].id, id))
            return (int)i;
    return -1;
}

static void
past_add(struct vrv_catimage *img, const struct vrv_uuid *id, uint64_t mod, bool forgotten)
{
    int at = past_find(img, id);

    if (at < 0) {
        at = (int)(img->past_n++ % VRV_CATIMAGE_PAST_MAX);
        img->past[at].forgotten = false;
        img->past[at].mod = 0;
    }
    img->past[at].id = *id;
    img->past[at].forgotten |= forgotten;
    if (mod > img->past[at].mod)
        img->past[at].mod = mod;
}

/* Is this news of an id from before it was deleted?  Of 0 nobody knows when it was. */
static bool
is_past(const struct vrv_catimage *img, const struct vrv_uuid *id, uint64_t mod)
{
    const struct gone *g = gone_of(vrv_omap_find(&img->gone, id));
    int at = past_find(img, id);
    uint64_t past = at >= 0 ? img->past[at].mod : g != NULL ? g->mod : 0;

    return (at >= 0 || g != NULL) && (mod <= past || past == 0);
}

/* ---- news */

/* The topic with this id, made when it is new; NULL when the id was deleted after that. */
static struct vrv_cattopic *
topic_for_news(struct vrv_catimage *img, const struct vrv_uuid *id, uint64_t mod)
{
    struct vrv_cattopic *t = topic_by_id(vrv_omap_find(&img->by_id, id));

    if (is_past(img, id, mod))
        return NULL;
    if (t != NULL)
        return t;
    free(gone_of(vrv_omap_remove(&img->gone, id))); /* it came back, so it was forgotten before */
    int at = past_find(img, id);
    if (at >= 0)
        img->past[at].forgotten = false;
    t = VRV_NEW(struct vrv_cattopic);
    t->id = *id;
    vrv_omap_insert(&img->by_id, &t->id, &t->by_id);
    return t;
}

/* While the deletion of one topic and the creation of the next are on their way to us, two have
 * one name: the later one has it. */
static void
take_name(struct vrv_catimage *img, struct vrv_cattopic *t)
{
    struct vrv_cattopic *other = topic_by_name(vrv_omap_find(&img->by_name, t->name));

    VRV_ASSERT(!t->named);
    if (other != NULL && other->mod > t->mod)
        return;
    if (other != NULL) {
        (void)vrv_omap_remove(&img->by_name, other->name);
        other->named = false;
    }
    vrv_omap_insert(&img->by_name, t->name, &t->by_name);
    t->named = true;
}

static void
leave_name(struct vrv_catimage *img, struct vrv_cattopic *t)
{
    if (t->named)
        (void)vrv_omap_remove(&img->by_name, t->name);
    t->named = false;
}

int
vrv_catimage_put(struct vrv_catimage *img, const struct vrv_uuid *id, const void *value, size_t n,
    uint64_t mod, struct vrv_err *e)
{
    char key[VRV_CATKEY_MAX];
    struct vrv_cathead h;

    vrv_catkey_topic(key, id);
    int rc = vrv_cathead_parse(&h, key, value, n, e);
    if (rc < 0)
        return rc;
    struct vrv_cattopic *t = topic_for_news(img, id, mod);
    if (t == NULL || t->mod >= mod)
        return 0;
    leave_name(img, t);
    free(t->value);
    t->value = vrv_mem_zero(n + h.name_len + 1);
    memcpy(t->value, value, n);
    t->value_len = (uint32_t)n;
    t->name = (char *)t->value + n;
    memcpy(t->name, h.name, h.name_len);
    t->partitions = h.partitions;
    t->mod = mod;
    take_name(img, t);
    return 0;
}

static void
remove_topic(struct vrv_catimage *img, struct vrv_cattopic *t)
{
    if (t == NULL)
        return;
    leave_name(img, t);
    (void)vrv_omap_remove(&img->by_id, &t->id);
    free_topic(t);
}

/* Of one that comes back its epochs are there first. */
static bool
is_newer(const struct vrv_cattopic *t, uint64_t mod)
{
    bool newer = t != NULL && t->mod > mod;

    for (int32_t i = 0; t != NULL && t->mod == 0 && i < t->epoch_n; i++)
        newer |= t->epochs[i].mod > mod;
    return newer;
}

void
vrv_catimage_drop(struct vrv_catimage *img, const struct vrv_uuid *id, uint64_t mod)
{
    struct vrv_cattopic *t = topic_by_id(vrv_omap_find(&img->by_id, id));

    if (is_newer(t, mod) || (t != NULL && t->mod == mod))
        return;
    past_add(img, id, mod, false);
    remove_topic(img, t);
}

void
vrv_catimage_epoch(struct vrv_catimage *img, const struct vrv_uuid *id, int32_t part,
    struct vrv_catepoch epoch)
{
    struct vrv_cattopic *t = topic_for_news(img, id, epoch.mod);

    VRV_ASSERT(part >= 0 && part < VRV_PARTITIONS_MAX);
    if (t == NULL)
        return;
    if (part >= t->epoch_n) {
        int32_t n = part < t->partitions ? t->partitions : part + 1;

        t->epochs = vrv_mem_grow(t->epochs, (size_t)n * sizeof(*t->epochs));
        memset(t->epochs + t->epoch_n, 0, (size_t)(n - t->epoch_n) * sizeof(*t->epochs));
        t->epoch_n = n;
    }
    if (t->epochs[part].epoch < epoch.epoch)
        t->epochs[part] = epoch;
}

void
vrv_catimage_put_gone(struct vrv_catimage *img, const struct vrv_uuid *id, uint64_t mod)
{
    const struct vrv_cattopic *t = topic_by_id(vrv_omap_find(&img->by_id, id));
    int past = past_find(img, id);

    if (vrv_catimage_is_gone(img, id) || is_newer(t, mod) ||
        (past >= 0 && img->past[past].forgotten && is_past(img, id, mod)))
        return;
    past_add(img, id, mod, false);
    remove_topic(img, topic_by_id(vrv_omap_find(&img->by_id, id)));
    struct gone *g = VRV_NEW(struct gone);
    g->id = *id;
    g->mod = img->past[past_find(img, id)].mod;
    vrv_omap_insert(&img->gone, &g->id, &g->node);
}

void
vrv_catimage_drop_gone(struct vrv_catimage *img, const struct vrv_uuid *id, uint64_t mod)
{
    const struct vrv_cattopic *t = topic_by_id(vrv_omap_find(&img->by_id, id));
    int past = past_find(img, id);

    if (is_newer(t, mod) || (past >= 0 && img->past[past].mod > mod))
        return; /* it came back since, and may be gone again */
    free(gone_of(vrv_omap_remove(&img->gone, id)));
    past_add(img, id, mod, true);
}

/* An older setting that we hear of later is there until we hear of its end again. */
static void
drop_entity(struct vrv_catimage *img, const char *name, uint64_t mod)
{
    struct vrv_catentity *t = entity_of(vrv_omap_find(&img->entities, name));

    if (t == NULL || t->mod > mod)
        return;
    (void)vrv_omap_remove(&img->entities, name);
    free(t->value);
    free(t);
}

int
vrv_catimage_put_entity(struct vrv_catimage *img, const struct vrv_meta_kv *kv, struct vrv_err *e)
{
    const char *name = kv->key + strlen(VRV_CATKEY_CONFIG);
    size_t name_len = strlen(name);

    if (name_len < 1 || name_len > VRV_ENTITY_MAX)
        return vrv_err_set(e, VRV_E_CORRUPT, "the catalog can't hold a key %.100s", kv->key);
    if (kv->value == NULL) {
        drop_entity(img, name, kv->mod);
        return 0;
    }
    int rc = vrv_catconfigs_check(kv->key, kv->value, kv->value_len, e);
    if (rc < 0)
        return rc;
    struct vrv_catentity *t = entity_of(vrv_omap_find(&img->entities, name));
    if (t == NULL) {
        t = VRV_NEW(struct vrv_catentity);
        memcpy(t->name, name, name_len + 1);
        vrv_omap_insert(&img->entities, t->name, &t->node);
    }
    if (t->mod >= kv->mod)
        return 0;
    t->value = vrv_mem_grow(t->value, kv->value_len);
    memcpy(t->value, kv->value, kv->value_len);
    t->value_len = (uint32_t)kv->value_len;
    t->mod = kv->mod;
    return 0;
}
