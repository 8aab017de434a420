/*
 * The catalog's changes.
 *
 * All have one shape: decide by the image, send a transaction that compares what was decided by,
 * and when its outcome is CONFLICT or UNKNOWN read the topic again and decide anew.  After
 * UNKNOWN the transaction may have been done, or may still be done later: a change whose effect is
 * found then has succeeded, and the compares see to it that it can't be done twice, or after it was
 * answered with a failure.
 *
 * Who changes or deletes a topic compares its revision, which never comes back.  Who creates one
 * compares "not there", which does: when a name gets free, or a deleted topic is forgotten.  So
 * creations compare a fence as well, a key that is written anew after an UNKNOWN: from then on, all
 * that was sent before can only fail.
 */
#include <string.h>

#include "engine/base/mem.h"
#include "engine/meta/catalog_call.h"
#include "engine/meta/catalog_codec.h"
#include "engine/meta/catalog_impl.h"

enum { OPS_MAX = 4 };

/* A small transaction, with room for its keys. */
struct change {
    struct vrv_meta_compare compare[OPS_MAX];
    struct vrv_meta_write write[OPS_MAX];
    char topic[VRV_CATKEY_MAX], name[VRV_CATKEY_MAX], gone[VRV_CATKEY_MAX];
};

static void
change_keys(struct change *x, const struct vrv_uuid *id, const char *name)
{
    vrv_catkey_topic(x->topic, id);
    vrv_catkey_name(x->name, name);
    vrv_catkey_gone(x->gone, id);
}

static bool
undecided(int rc)
{
    return rc == VRV_E_UNKNOWN || rc == VRV_E_CONFLICT;
}

static int
send_change(struct vrv_catalog *c, const struct change *x, size_t compares, size_t writes,
    uint64_t *revision, struct vrv_err *e)
{
    return vrv_catcall_txn(c->m, &(struct vrv_meta_txn){x->compare, compares, x->write, writes},
        revision, e);
}

/* Put into the image what was just stored under a key; NULL: deleted. */
static int
learn(struct vrv_catalog *c, const char *key, const void *value, size_t n, uint64_t revision,
    struct vrv_err *e)
{
    return vrv_catalog_learn(c, &(struct vrv_meta_kv){key, value, n, revision}, e);
}

/* Read one topic into the image; false in *exists when it isn't there (any more). */
static int
refresh(struct vrv_catalog *c, const struct vrv_uuid *id, bool *exists, struct vrv_err *e)
{
    const struct vrv_cattopic *t = vrv_catimage_by_id(&c->img, id);
    bool known = t != NULL;
    struct vrv_catread r = { .c = c };
    char key[VRV_CATKEY_MAX];

    vrv_catkey_topic(key, id);
    int rc = vrv_catalog_read(&r, key, e);
    *exists = r.keys > 0;
    /* one that never was in the image must not be noted as deleted: the next try may make it */
    if (rc == 0 && !*exists && known)
        rc = learn(c, key, NULL, 0, r.revision, e);
    return rc;
}

/* ---- the fence */

static int
fence_fn(void *ctx, const struct vrv_meta_kv *kv, struct vrv_err *e)
{
    struct vrv_catalog *c = ctx;

    (void)e;
    if (strcmp(kv->key, VRV_CATKEY_FENCE) == 0)
        c->fence = kv->mod;
    return 0;
}

static int
read_fence(struct vrv_catalog *c, struct vrv_err *e)
{
    uint64_t revision;
    int rc = VRV_E_UNKNOWN;

    for (int i = 0; i < VRV_CATALOG_TRIES_MAX && rc == VRV_E_UNKNOWN; i++)
        rc = vrv_catcall_range(c->m, VRV_CATKEY_FENCE, fence_fn, c, &revision, e);
    return rc;
}

/* Who raised it doesn't matter, if only it is another one than what was compared so far. */
static int
raise_fence(struct vrv_catalog *c, struct vrv_err *e)
{
    uint64_t before = c->fence, revision;
    uint8_t value[VRV_CATVAL_FENCE];

    vrv_catval_fence(value);
    for (int i = 0; i < VRV_CATALOG_TRIES_MAX && c->fence == before; i++) {
        const struct vrv_meta_compare compare = {VRV_CATKEY_FENCE, before};
        const struct vrv_meta_write write = {VRV_CATKEY_FENCE, value, sizeof(value)};
        int rc = vrv_catcall_txn(c->m, &(struct vrv_meta_txn){&compare, 1, &write, 1}, &revision,
            e);

        if (rc == 0)
            c->fence = revision;
        else if (undecided(rc))
            rc = read_fence(c, e);
        if (rc < 0)
            return rc;
    }
    if (c->fence == before)
        return vrv_err_set(e, VRV_E_UNKNOWN, "the metadata store leaves everything unknown");
    return 0;
}

/* ---- create */

static int
send_create(struct vrv_catalog *c, const struct vrv_uuid *id, const char *name,
    const uint8_t *value, size_t n, struct vrv_err *e)
{
    struct change x;
    uint8_t name_value[VRV_CATVAL_NAME];
    uint64_t revision = 0;

    change_keys(&x, id, name);
    vrv_catval_name(name_value, id);
    x.compare[0] = (struct vrv_meta_compare){x.topic, 0};
    x.compare[1] = (struct vrv_meta_compare){x.name, 0};
    x.compare[2] = (struct vrv_meta_compare){x.gone, 0};
    x.compare[3] = (struct vrv_meta_compare){VRV_CATKEY_FENCE, c->fence};
    x.write[0] = (struct vrv_meta_write){x.topic, value, n};
    x.write[1] = (struct vrv_meta_write){x.name, name_value, sizeof(name_value)};
    int rc = send_change(c, &x, 4, 2, &revision, e);
    return rc == 0 ? learn(c, x.topic, value, n, revision, e) : rc;
}

static int
create(struct vrv_catalog *c, const struct vrv_uuid *id, const char *name, const uint8_t *value,
    size_t n, struct vrv_err *e)
{
    bool maybe = false, exists = false;
    int rc = VRV_E_UNKNOWN;

    if (vrv_catimage_by_id(&c->img, id) != NULL || vrv_catimage_is_gone(&c->img, id))
        return vrv_err_set(e, VRV_E_INVALID, "the id of topic %.200s is in use", name);
    for (int i = 0; i < VRV_CATALOG_TRIES_MAX; i++) {
        uint64_t fence = c->fence;

        rc = send_create(c, id, name, value, n, e);
        maybe = maybe || rc == VRV_E_UNKNOWN;
        if (!undecided(rc))
            return rc;
        int again = rc == VRV_E_UNKNOWN ? raise_fence(c, e) : read_fence(c, e);
        if (again == 0 && maybe) /* the id is random: a topic with it is ours */
            again = refresh(c, id, &exists, e);
        if (again < 0 || exists)
            return again;
        if (rc == VRV_E_CONFLICT && c->fence == fence)
            return vrv_err_set(e, VRV_E_EXISTS, "the topic %.200s exists", name);
    }
    return rc;
}

static int
check_partitions(const char *name, int32_t partitions, struct vrv_err *e)
{
    if (partitions < 1 || partitions > VRV_PARTITIONS_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "topic %.150s with %d partitions: 1 to %d are allowed",
            name, partitions, VRV_PARTITIONS_MAX);
    return 0;
}

int
vrv_catalog_create(struct vrv_catalog *c, const struct vrv_uuid *id, const char *name,
    int32_t partitions, int64_t now_ms, const struct vrv_config_kv *configs, size_t config_n,
    struct vrv_err *e)
{
    uint8_t *value = NULL;
    size_t n = 0;
    int rc = vrv_topic_name_check(name, e);

    if (rc == 0)
        rc = check_partitions(name, partitions, e);
    if (rc == 0)
        rc = vrv_catval_topic(name, partitions, now_ms, configs, config_n, &value, &n, e);
    if (rc < 0)
        return rc;
    rc = vrv_catalog_begin(c, e);
    if (rc == 0) {
        rc = create(c, id, name, value, n, e);
        vrv_catalog_end(c);
    }
    free(value);
    return rc;
}

/* ---- delete and forget */

static int
send_delete(struct vrv_catalog *c, const struct vrv_cattopic *t, struct vrv_err *e)
{
    struct change x;
    uint8_t *gone = NULL;
    size_t gone_n = 0;
    uint64_t revision = 0;

    change_keys(&x, &t->id, t->name);
    vrv_catval_gone(t->name, &gone, &gone_n);
    x.compare[0] = (struct vrv_meta_compare){x.topic, t->mod};
    x.write[0] = (struct vrv_meta_write){x.topic, NULL, 0};
    x.write[1] = (struct vrv_meta_write){x.name, NULL, 0};
    x.write[2] = (struct vrv_meta_write){x.gone, gone, gone_n};
    int rc = send_change(c, &x, 1, 3, &revision, e);
    if (rc == 0)
        rc = learn(c, x.topic, NULL, 0, revision, e);
    if (rc == 0)
        rc = learn(c, x.gone, gone, gone_n, revision, e);
    free(gone);
    return rc;
}

static int
not_found(const char *name, struct vrv_err *e)
{
    return vrv_err_set(e, VRV_E_NOTFOUND, "there is no topic %.200s", name);
}

/* Deleted after an unknown outcome: by that, or by somebody else, which is as good; the image knows
 * since when. */
static int
note_gone(struct vrv_catalog *c, const struct vrv_uuid *id)
{
    vrv_lock(&c->lock);
    vrv_catimage_put_gone(&c->img, id, 0);
    vrv_unlock(&c->lock);
    return 0;
}

static int
delete_topic(struct vrv_catalog *c, const char *name, struct vrv_uuid *which, struct vrv_err *e)
{
    const struct vrv_cattopic *t = vrv_catimage_by_name(&c->img, name);
    bool maybe = false, exists = true;
    int rc = VRV_E_UNKNOWN;

    if (t == NULL)
        return not_found(name, e);
    struct vrv_uuid id = t->id;
    if (which != NULL)
        *which = id;
    for (int i = 0; i < VRV_CATALOG_TRIES_MAX; i++) {
        t = vrv_catimage_by_id(&c->img, &id);
        if (t == NULL)
            return maybe ? note_gone(c, &id) : not_found(name, e);
        rc = send_delete(c, t, e);
        maybe = maybe || rc == VRV_E_UNKNOWN;
        if (!undecided(rc))
            return rc;
        int again = refresh(c, &id, &exists, e);
        if (again < 0)
            return again;
    }
    return rc;
}

int
vrv_catalog_delete(struct vrv_catalog *c, const char *name, struct vrv_uuid *id,
    struct vrv_err *e)
{
    int rc = vrv_catalog_begin(c, e);

    if (rc < 0)
        return rc;
    rc = delete_topic(c, name, id, e);
    vrv_catalog_end(c);
    return rc;
}

/* Delete keys, without a condition: doing so twice does no harm. */
static int
delete_keys(struct vrv_catalog *c, const struct vrv_meta_write *w, size_t n, uint64_t *revision,
    struct vrv_err *e)
{
    int rc = VRV_E_UNKNOWN;

    for (int i = 0; i < VRV_CATALOG_TRIES_MAX && rc == VRV_E_UNKNOWN; i++)
        rc = vrv_catcall_txn(c->m, &(struct vrv_meta_txn){NULL, 0, w, n}, revision, e);
    return rc;
}

struct leftovers {
    size_t n;
    struct vrv_meta_write write[VRV_META_OPS_MAX];
    char key[VRV_META_OPS_MAX][VRV_CATKEY_MAX];
};

static int
leftover_fn(void *ctx, const struct vrv_meta_kv *kv, struct vrv_err *e)
{
    struct leftovers *l = ctx;

    if (strlen(kv->key) >= VRV_CATKEY_MAX)
        return vrv_err_set(e, VRV_E_CORRUPT, "the catalog can't hold a key %.100s", kv->key);
    if (l->n == VRV_META_OPS_MAX)
        return 0; /* the next round's */
    memcpy(l->key[l->n], kv->key, strlen(kv->key) + 1);
    l->write[l->n] = (struct vrv_meta_write){l->key[l->n], NULL, 0};
    l->n++;
    return 0;
}

/* The epochs of a deleted topic, as many as one transaction takes. */
static int
delete_some_epochs(struct vrv_catalog *c, const struct vrv_uuid *id, struct leftovers *l,
    struct vrv_err *e)
{
    char prefix[VRV_CATKEY_MAX];
    uint64_t revision;
    int rc = VRV_E_UNKNOWN;

    vrv_catkey_part(prefix, id, -1);
    for (int i = 0; i < VRV_CATALOG_TRIES_MAX && rc == VRV_E_UNKNOWN; i++) {
        l->n = 0;
        rc = vrv_catcall_range(c->m, prefix, leftover_fn, l, &revision, e);
    }
    return rc == 0 && l->n > 0 ? delete_keys(c, l->write, l->n, &revision, e) : rc;
}

/* The mark goes last: a crash in between leaves it for the next attempt. */
static int
forget(struct vrv_catalog *c, const struct vrv_uuid *id, struct vrv_err *e)
{
    char key[VRV_CATKEY_MAX];

    if (!vrv_catimage_is_gone(&c->img, id))
        return vrv_err_set(e, VRV_E_NOTFOUND, "no topic with this id was deleted");
    struct leftovers *l = VRV_NEW(struct leftovers);
    uint64_t revision = 0;
    int rc;
    do
        rc = delete_some_epochs(c, id, l, e);
    while (rc == 0 && l->n > 0);
    free(l);
    vrv_catkey_gone(key, id);
    if (rc == 0)
        rc = delete_keys(c, &(struct vrv_meta_write){key, NULL, 0}, 1, &revision, e);
    return rc == 0 ? learn(c, key, NULL, 0, revision, e) : rc;
}

int
vrv_catalog_forget(struct vrv_catalog *c, const struct vrv_uuid *id, struct vrv_err *e)
{
    int rc = vrv_catalog_begin(c, e);

    if (rc < 0)
        return rc;
    rc = forget(c, id, e);
    vrv_catalog_end(c);
    return rc;
}

/* ---- grow and alter: both replace the topic's value */

struct edit {
    int32_t partitions; /* grow to so many; 0: alter */
    uint64_t mod;
    const struct vrv_config_kv *configs;
    size_t config_n;
    struct vrv_uuid *id; /* which topic it was; may be NULL */
};

/* The new value by what is known now: 1 when there is one to write, 0 when it is there already. */
static int
decide_edit(const struct vrv_cattopic *t, const struct edit *ed, bool maybe, uint8_t **value,
    size_t *n, struct vrv_err *e)
{
    struct vrv_topic_info info;
    int rc;

    if (ed->partitions > 0 && maybe && ed->partitions == t->partitions)
        return 0;
    if (ed->partitions > 0 && ed->partitions <= t->partitions)
        return vrv_err_set(e, VRV_E_INVALID, "topic %.150s has %d partitions: %d would not be more",
            t->name, t->partitions, ed->partitions);
    vrv_cattopic_info(t, &info);
    if (ed->partitions > 0)
        rc = vrv_catval_topic(t->name, ed->partitions, info.created_ms, info.configs, info.config_n,
            value, n, e);
    else
        rc = vrv_catval_topic(t->name, t->partitions, info.created_ms, ed->configs, ed->config_n,
            value, n, e);
    vrv_topic_info_fini(&info);
    if (rc < 0)
        return rc;
    if (maybe && *n == t->value_len && memcmp(*value, t->value, *n) == 0)
        return 0;
    if (ed->mod != 0 && ed->mod != t->mod)
        return vrv_err_set(e, VRV_E_CONFLICT, "topic %.200s was changed meanwhile", t->name);
    return 1;
}

static int
send_edit(struct vrv_catalog *c, const struct vrv_cattopic *t, const uint8_t *value, size_t n,
    struct vrv_err *e)
{
    struct change x;
    uint64_t revision = 0;

    change_keys(&x, &t->id, t->name);
    x.compare[0] = (struct vrv_meta_compare){x.topic, t->mod};
    x.write[0] = (struct vrv_meta_write){x.topic, value, n};
    int rc = send_change(c, &x, 1, 1, &revision, e);
    return rc == 0 ? learn(c, x.topic, value, n, revision, e) : rc;
}

static int
edit(struct vrv_catalog *c, const char *name, const struct edit *ed, struct vrv_err *e)
{
    bool maybe = false, exists;
    int rc = VRV_E_UNKNOWN;

    for (int i = 0; i < VRV_CATALOG_TRIES_MAX && undecided(rc); i++) {
        const struct vrv_cattopic *t = vrv_catimage_by_name(&c->img, name);
        uint8_t *value = NULL;
        size_t n = 0;

        if (t == NULL)
            return not_found(name, e);
        struct vrv_uuid id = t->id;
        if (ed->id != NULL)
            *ed->id = id;
        int todo = decide_edit(t, ed, maybe, &value, &n, e);
        rc = todo == 1 ? send_edit(c, t, value, n, e) : todo;
        free(value);
        if (todo != 1)
            return rc;
        maybe = maybe || rc == VRV_E_UNKNOWN;
        if (undecided(rc)) {
            int again = refresh(c, &id, &exists, e);

            if (again < 0)
                return again;
        }
    }
    return rc;
}

static int
edit_topic(struct vrv_catalog *c, const char *name, const struct edit *ed, struct vrv_err *e)
{
    int rc = vrv_catalog_begin(c, e);

    if (rc < 0)
        return rc;
    rc = edit(c, name, ed, e);
    vrv_catalog_end(c);
    return rc;
}

int
vrv_catalog_grow(struct vrv_catalog *c, const char *name, int32_t partitions, struct vrv_uuid *id,
    struct vrv_err *e)
{
    int rc = check_partitions(name, partitions, e);

    return rc == 0 ? edit_topic(c, name, &(struct edit){ .partitions = partitions, .id = id }, e)
                   : rc;
}

int
vrv_catalog_alter(struct vrv_catalog *c, const char *name, uint64_t mod,
    const struct vrv_config_kv *configs, size_t config_n, struct vrv_err *e)
{
    return edit_topic(c, name,
        &(struct edit){ .mod = mod, .configs = configs, .config_n = config_n }, e);
}
