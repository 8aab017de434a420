/*
 * The catalog: opening, the image's feed, and what only reads.
 *
 * A thread that changes something takes the `changing` flag, and with it the metastore: it alone
 * calls and steps it, without the lock.  Callbacks therefore run on that thread, and take the lock
 * to put their news into the image.
 */
#include "engine/meta/catalog.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/meta/catalog_call.h"
#include "engine/meta/catalog_codec.h"
#include "engine/meta/catalog_impl.h"

/* ---- names */

int
vrv_topic_name_check(const char *name, struct vrv_err *e)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-";
    size_t n = strnlen(name, VRV_TOPIC_NAME_MAX + 1);

    if (n < 1)
        return vrv_err_set(e, VRV_E_INVALID, "a topic's name must not be empty");
    if (n > VRV_TOPIC_NAME_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "a topic's name has at most %d characters: %.40s...",
            VRV_TOPIC_NAME_MAX, name);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return vrv_err_set(e, VRV_E_INVALID, "a topic can't be named %s", name);
    size_t good = strspn(name, allowed);
    if (good < n)
        return vrv_err_set(e, VRV_E_INVALID,
            "a topic's name holds letters, digits, '.', '_' and '-' only, not the byte 0x%02x at "
            "%zu",
            (unsigned)(unsigned char)name[good], good);
    return 0;
}

/* ---- one change at a time */

int
vrv_catalog_begin(struct vrv_catalog *c, struct vrv_err *e)
{
    VRV_CHECK(c, VRV_CATALOG_MAGIC);
    vrv_lock(&c->lock);
    while (c->changing)
        (void)pthread_cond_wait(&c->idle, &c->lock.mtx);
    int rc = c->bad.code;
    if (rc == 0)
        c->changing = true;
    else if (e != NULL)
        *e = c->bad;
    vrv_unlock(&c->lock);
    return rc;
}

void
vrv_catalog_end(struct vrv_catalog *c)
{
    vrv_lock(&c->lock);
    VRV_ASSERT(c->changing);
    c->changing = false;
    (void)pthread_cond_signal(&c->idle);
    vrv_unlock(&c->lock);
}

/* A store that has stopped says so whenever it is to work. */
int
vrv_catalog_error(struct vrv_catalog *c, struct vrv_err *e)
{
    int rc = vrv_catalog_begin(c, e);

    if (rc < 0)
        return rc;
    rc = vrv_meta_step(c->m, e);
    vrv_catalog_end(c);
    return rc < 0 ? rc : 0;
}

/* ---- the feed */

static int
learn_part(struct vrv_catalog *c, const struct vrv_meta_kv *kv, struct vrv_err *e)
{
    struct vrv_uuid id;
    int32_t part, epoch;

    if (!vrv_catkey_id_part(kv->key, &id, &part))
        return vrv_err_set(e, VRV_E_CORRUPT, "the catalog can't hold a key %.100s", kv->key);
    if (kv->value == NULL)
        return 0; /* the topic is deleted, which its own key tells */
    int rc = vrv_catval_part_parse(&epoch, kv->key, kv->value, kv->value_len, e);
    if (rc == 0)
        vrv_catimage_epoch(&c->img, &id, part, (struct vrv_catepoch){kv->mod, epoch});
    return rc;
}

static int
learn_locked(struct vrv_catalog *c, const struct vrv_meta_kv *kv, struct vrv_err *e)
{
    struct vrv_uuid id;

    if (strncmp(kv->key, VRV_CATKEY_PART, strlen(VRV_CATKEY_PART)) == 0)
        return learn_part(c, kv, e);
    if (strncmp(kv->key, VRV_CATKEY_CONFIG, strlen(VRV_CATKEY_CONFIG)) == 0)
        return vrv_catimage_put_entity(&c->img, kv, e);
    if (vrv_catkey_id(kv->key, VRV_CATKEY_TOPIC, &id)) {
        if (kv->value != NULL)
            return vrv_catimage_put(&c->img, &id, kv->value, kv->value_len, kv->mod, e);
        vrv_catimage_drop(&c->img, &id, kv->mod);
        return 0;
    }
    if (!vrv_catkey_id(kv->key, VRV_CATKEY_GONE, &id))
        return vrv_err_set(e, VRV_E_CORRUPT, "the catalog can't hold a key %.100s", kv->key);
    if (kv->value != NULL)
        vrv_catimage_put_gone(&c->img, &id, kv->mod);
    else
        vrv_catimage_drop_gone(&c->img, &id, kv->mod);
    return 0;
}

int
vrv_catalog_learn(struct vrv_catalog *c, const struct vrv_meta_kv *kv, struct vrv_err *e)
{
    vrv_lock(&c->lock);
    int rc = learn_locked(c, kv, e);
    vrv_unlock(&c->lock);
    return rc;
}

static int
read_fn(void *ctx, const struct vrv_meta_kv *kv, struct vrv_err *e)
{
    struct vrv_catread *r = ctx;

    r->keys++;
    return vrv_catalog_learn(r->c, kv, e);
}

static void
watch_fn(void *ctx, const struct vrv_meta_kv *kv, uint64_t revision)
{
    struct vrv_catalog *c = ctx;
    struct vrv_meta_kv news = *kv;
    struct vrv_err e = { 0 };

    news.mod = revision; /* of a deletion too */
    if (vrv_catalog_learn(c, &news, &e) == 0)
        return;
    vrv_lock(&c->lock);
    c->bad = e;
    vrv_unlock(&c->lock);
}

int
vrv_catalog_read(struct vrv_catread *r, const char *prefix, struct vrv_err *e)
{
    int rc = VRV_E_UNKNOWN;

    for (int i = 0; i < VRV_CATALOG_TRIES_MAX && rc == VRV_E_UNKNOWN; i++) {
        r->keys = 0;
        rc = vrv_catcall_range(r->c->m, prefix, read_fn, r, &r->revision, e);
    }
    return rc;
}

/* Each kind of key is read and then watched from there.  The deleted come first: what is left of a
 * deleted topic's epochs is no topic's. */
static int
read_all(struct vrv_catalog *c, struct vrv_err *e)
{
    static const char *const prefixes[] = {VRV_CATKEY_GONE, VRV_CATKEY_TOPIC, VRV_CATKEY_PART,
        VRV_CATKEY_CONFIG};
    int rc = 0;

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]) && rc == 0; i++) {
        struct vrv_catread r = { .c = c };

        rc = vrv_catalog_read(&r, prefixes[i], e);
        if (rc == 0)
            vrv_meta_watch(c->m, prefixes[i], r.revision, watch_fn, c);
    }
    return rc;
}

int
vrv_catalog_open(struct vrv_catalog **out, struct vrv_metastore *m, struct vrv_err *e)
{
    struct vrv_catalog *c = VRV_NEW(struct vrv_catalog);

    c->magic = VRV_CATALOG_MAGIC;
    c->m = m;
    vrv_lock_init(&c->lock, VRV_LOCK_meta);
    int rc = pthread_cond_init(&c->idle, NULL);
    VRV_ASSERT(rc == 0);
    vrv_catimage_init(&c->img);
    rc = read_all(c, e);
    if (rc == 0)
        *out = c;
    else
        vrv_catalog_close(&c);
    return rc;
}

void
vrv_catalog_close(struct vrv_catalog **cp)
{
    struct vrv_catalog *c = *cp;

    *cp = NULL;
    if (c == NULL)
        return;
    VRV_CHECK(c, VRV_CATALOG_MAGIC);
    VRV_ASSERT(!c->changing);
    vrv_meta_unwatch(c->m, watch_fn, c);
    vrv_catimage_fini(&c->img);
    (void)pthread_cond_destroy(&c->idle);
    vrv_lock_fini(&c->lock);
    c->magic = 0;
    free(c);
}

/* ---- reading */

static int
give(const struct vrv_cattopic *t, struct vrv_topic_info *out)
{
    if (t == NULL)
        return VRV_E_NOTFOUND;
    vrv_cattopic_info(t, out);
    return 0;
}

bool
vrv_catalog_find(struct vrv_catalog *c, const char *name, struct vrv_uuid *id,
    int32_t *partitions)
{
    VRV_CHECK(c, VRV_CATALOG_MAGIC);
    vrv_lock(&c->lock);
    const struct vrv_cattopic *t = vrv_catimage_by_name(&c->img, name);
    if (t != NULL) {
        *id = t->id;
        *partitions = t->partitions;
    }
    vrv_unlock(&c->lock);
    return t != NULL;
}

bool
vrv_catalog_find_id(struct vrv_catalog *c, const struct vrv_uuid *id, char *name,
    int32_t *partitions)
{
    VRV_CHECK(c, VRV_CATALOG_MAGIC);
    vrv_lock(&c->lock);
    const struct vrv_cattopic *t = vrv_catimage_by_id(&c->img, id);
    if (t != NULL) {
        (void)snprintf(name, VRV_TOPIC_NAME_MAX + 1, "%s", t->name);
        *partitions = t->partitions;
    }
    vrv_unlock(&c->lock);
    return t != NULL;
}

int
vrv_catalog_by_name(struct vrv_catalog *c, const char *name, struct vrv_topic_info *out,
    struct vrv_err *e)
{
    VRV_CHECK(c, VRV_CATALOG_MAGIC);
    vrv_lock(&c->lock);
    int rc = give(vrv_catimage_by_name(&c->img, name), out);
    vrv_unlock(&c->lock);
    return rc < 0 ? vrv_err_set(e, rc, "there is no topic %.200s", name) : 0;
}

int
vrv_catalog_by_id(struct vrv_catalog *c, const struct vrv_uuid *id, struct vrv_topic_info *out,
    struct vrv_err *e)
{
    char text[VRV_UUID_TEXT + 1];

    VRV_CHECK(c, VRV_CATALOG_MAGIC);
    vrv_lock(&c->lock);
    int rc = give(vrv_catimage_by_id(&c->img, id), out);
    vrv_unlock(&c->lock);
    vrv_uuid_text(id, text);
    return rc < 0 ? vrv_err_set(e, rc, "there is no topic with id %s", text) : 0;
}

void
vrv_topic_info_fini(struct vrv_topic_info *t)
{
    free(t->configs);
    t->configs = NULL;
    t->config_n = 0;
}

int32_t
vrv_catalog_epoch(struct vrv_catalog *c, const struct vrv_uuid *id, int32_t part)
{
    VRV_CHECK(c, VRV_CATALOG_MAGIC);
    vrv_lock(&c->lock);
    const struct vrv_cattopic *t = vrv_catimage_by_id(&c->img, id);
    bool known = t != NULL && part >= 0 && part < t->partitions;
    int32_t epoch = known ? vrv_cattopic_epoch(t, part).epoch : -1;
    vrv_unlock(&c->lock);
    return epoch;
}

/* The lock is not held while fn runs, so that it may call the catalog, also to change it. */
int
vrv_catalog_each(struct vrv_catalog *c, vrv_topic_fn *fn, void *ctx)
{
    struct vrv_topic_info t = { .config_n = 0 };
    const char *last = NULL;
    char name[VRV_TOPIC_NAME_MAX + 1];
    int rc = 0;

    VRV_CHECK(c, VRV_CATALOG_MAGIC);
    while (rc == 0) {
        vrv_lock(&c->lock);
        bool more = give(vrv_catimage_after(&c->img, last), &t) == 0;
        vrv_unlock(&c->lock);
        if (!more)
            break;
        rc = fn(ctx, &t);
        last = memcpy(name, t.name, sizeof(name));
        vrv_topic_info_fini(&t);
    }
    return rc;
}

int
vrv_catalog_each_gone(struct vrv_catalog *c, vrv_gone_fn *fn, void *ctx)
{
    struct vrv_uuid id;
    const struct vrv_uuid *next = NULL;
    int rc = 0;

    VRV_CHECK(c, VRV_CATALOG_MAGIC);
    while (rc == 0) {
        vrv_lock(&c->lock);
        next = vrv_catimage_gone_after(&c->img, next);
        if (next != NULL)
            id = *next;
        vrv_unlock(&c->lock);
        if (next == NULL)
            break;
        next = &id;
        rc = fn(ctx, &id);
    }
    return rc;
}
