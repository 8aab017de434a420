#include "tiering/scrub/known.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/meta/catalog_codec.h"

#define HEAD VRV_CATKEY_CONFIG "tier/"       /* keys of manifests' heads, */
#define DELETED VRV_CATKEY_CONFIG "deleted/" /* and of records of deleted topics (engine/remains.h) */

/* ---- the marker ---- */

static int
compare_kv(const void *a, const void *b)
{
    return strcmp(((const struct vrv_catalog_kv *)a)->key, ((const struct vrv_catalog_kv *)b)->key);
}

static const struct vrv_catalog_kv *
find_kv(const struct vrv_known *k, const char *key)
{
    const struct vrv_catalog_kvs *c = &k->marker.m.catalog;
    struct vrv_catalog_kv wanted = { .key = (char *)(uintptr_t)key };

    return c->n > 0 ? bsearch(&wanted, c->v, c->n, sizeof(*c->v), compare_kv) : NULL;
}

/* A setting of an entity into out[n]; an empty string where there is none. */
static void
setting(const struct vrv_catalog_kv *kv, const char *key, char *out, size_t n)
{
    struct vrv_entity_configs c;

    out[0] = '\0';
    if (kv == NULL || vrv_catconfigs_check(kv->key, kv->value, kv->n, NULL) < 0)
        return;
    vrv_catconfigs_parse(&c, kv->value, kv->n);
    for (size_t i = 0; i < c.n; i++)
        if (strcmp(c.v[i].key, key) == 0)
            (void)snprintf(out, n, "%s", c.v[i].value);
    free(c.v);
}

/* ---- topics ---- */

static int
compare_topic(const void *a, const void *b)
{
    const struct vrv_known_topic *x = a, *y = b;

    return memcmp(x->id.b, y->id.b, sizeof(x->id.b));
}

static struct vrv_known_topic *
add_topic(struct vrv_known *k, const struct vrv_uuid *id)
{
    VRV_PUSH_ROOM(k->topic, k->n, k->cap);
    struct vrv_known_topic *t = &k->topic[k->n++];
    *t = (struct vrv_known_topic){ .id = *id };
    vrv_uuid_text(id, t->name);
    return t;
}

static int
add_living(struct vrv_known *k, const struct vrv_catalog_kv *kv, const struct vrv_uuid *id,
    struct vrv_err *e)
{
    struct vrv_cathead head;
    int rc = vrv_cathead_parse(&head, kv->key, kv->value, kv->n, e);

    if (rc < 0)
        return rc;
    struct vrv_known_topic *t = add_topic(k, id);
    (void)snprintf(t->name, sizeof(t->name), "%.*s", (int)head.name_len, head.name);
    t->partitions = head.partitions;
    return 0;
}

static bool
read_head_key(const char *key, struct vrv_log_id *id)
{
    const char *topic = key + sizeof(HEAD) - 1;
    char *end;

    if (strncmp(key, HEAD, sizeof(HEAD) - 1) != 0 || !vrv_uuid_parse(&id->topic, topic) ||
        topic[VRV_UUID_TEXT] != '/')
        return false;
    id->partition = (int32_t)strtol(topic + VRV_UUID_TEXT + 1, &end, 10);
    return *end == '\0';
}

/* Of a partition whose topic is gone: what its record says.  Without one it had left the tier, and goes
 * as an orphan does. */
static void
add_deleted(struct vrv_known *k, const struct vrv_uuid *id)
{
    char key[VRV_CATKEY_MAX], text[VRV_UUID_TEXT + 1], value[VRV_TOPIC_NAME_MAX + 1];
    struct vrv_known_topic *t = add_topic(k, id);

    vrv_uuid_text(id, text);
    (void)snprintf(key, sizeof(key), DELETED "%s", text);
    const struct vrv_catalog_kv *kv = find_kv(k, key);
    t->deleted = true;
    setting(kv, "purging", value, sizeof(value));
    t->purging = kv == NULL || value[0] == '1';
    setting(kv, "name", value, sizeof(value));
    if (value[0] != '\0')
        memcpy(t->name, value, sizeof(t->name));
    setting(kv, "partitions", value, sizeof(value));
    t->partitions = (int32_t)strtol(value, NULL, 10);
}

static int
learn(struct vrv_known *k, struct vrv_err *e)
{
    const struct vrv_catalog_kvs *c = &k->marker.m.catalog;
    struct vrv_log_id id;
    struct vrv_uuid topic;
    int rc = 0;

    if (c->n > 0)
        qsort(c->v, c->n, sizeof(*c->v), compare_kv);
    for (size_t i = 0; i < c->n && rc == 0; i++)
        if (vrv_catkey_id(c->v[i].key, VRV_CATKEY_TOPIC, &topic))
            rc = add_living(k, &c->v[i], &topic, e);
    size_t living = k->n;
    if (k->n > 0)
        qsort(k->topic, k->n, sizeof(*k->topic), compare_topic);
    for (size_t i = 0; i < c->n && rc == 0; i++) {
        struct vrv_known_topic t;

        if (!read_head_key(c->v[i].key, &id))
            continue;
        t.id = id.topic; /* heads of a topic follow one another */
        if ((k->n > living && vrv_uuid_eq(&k->topic[k->n - 1].id, &id.topic)) ||
            (living > 0 && bsearch(&t, k->topic, living, sizeof(t), compare_topic) != NULL))
            continue;
        add_deleted(k, &id.topic);
    }
    if (k->n > 0)
        qsort(k->topic, k->n, sizeof(*k->topic), compare_topic);
    return rc;
}

int
vrv_known_read(struct vrv_sync *s, struct vrv_known *k, struct vrv_err *e)
{
    *k = (struct vrv_known){ .n = 0 };
    int rc = vrv_find_marker(s, &k->marker, &k->why);

    if (rc == 0) {
        k->has_marker = true;
        return learn(k, e);
    }
    if (vrv_find_is_lost(rc))
        return 0;
    *e = k->why;
    return rc;
}

void
vrv_known_fini(struct vrv_known *k)
{
    vrv_found_marker_fini(&k->marker);
    free(k->topic);
    *k = (struct vrv_known){ .n = 0 };
}

const struct vrv_known_topic *
vrv_known_topic(const struct vrv_known *k, const struct vrv_uuid *id)
{
    struct vrv_known_topic t = { .id = *id };

    return k->n > 0 ? bsearch(&t, k->topic, k->n, sizeof(t), compare_topic) : NULL;
}

const struct vrv_known_topic *
vrv_known_name(const struct vrv_known *k, const char *name)
{
    const struct vrv_known_topic *found = NULL;
    char id[VRV_UUID_TEXT + 1];

    for (size_t i = 0; i < k->n; i++) {
        vrv_uuid_text(&k->topic[i].id, id);
        if (strcmp(id, name) == 0)
            return &k->topic[i];
        if (strcmp(k->topic[i].name, name) == 0 && (found == NULL || found->deleted))
            found = &k->topic[i];
    }
    return found;
}

bool
vrv_known_head(const struct vrv_known *k, const struct vrv_log_id *id, struct vrv_found_head *out)
{
    char key[VRV_CATKEY_MAX], topic[VRV_UUID_TEXT + 1];

    vrv_uuid_text(&id->topic, topic);
    (void)snprintf(key, sizeof(key), HEAD "%s/%" PRId32, topic, id->partition);
    const struct vrv_catalog_kv *kv = find_kv(k, key);
    if (kv == NULL || vrv_find_head(kv, out, NULL) < 0)
        *out = (struct vrv_found_head){ 0 };
    return kv != NULL;
}

/* ---- partitions ---- */

struct walk {
    struct vrv_sync *s;
    struct vrv_known_parts *out;
    void (*foreign)(void *ctx, const char *key);
    void *ctx;
};

static void
add_part(struct vrv_known_parts *l, const struct vrv_log_id *id)
{
    VRV_PUSH_ROOM(l->v, l->n, l->cap);
    l->v[l->n++] = *id;
}

/* "d/<topic>/<partition>/...", perhaps with a hash behind "d/"; the length of what is before the
 * last part, 0: it is no such name. */
static size_t
read_name(const char *key, struct vrv_log_id *id)
{
    char again[VRV_STORE_KEY_MAX + 1], *end;
    bool hashed = key[0] == 'd' && strcspn(key + 2, "/") == 2 && key[4] == '/';
    const char *topic = key + (hashed ? 5 : 2);

    if (!vrv_uuid_parse(&id->topic, topic) || topic[VRV_UUID_TEXT] != '/')
        return 0;
    id->partition = (int32_t)strtol(topic + VRV_UUID_TEXT + 1, &end, 10);
    vrv_parts_prefix(id, hashed ? 'h' : key[0], again);
    return strncmp(key, again, strlen(again)) == 0 ? strlen(again) : 0;
}

enum { LEAST = 8, MOST = 1000 }; /* names of a list */

/* Take what a list tells, and say behind what the next one begins: where a partition is known, behind that.
 * How many it told. */
static unsigned
take_names(struct walk *w, const struct vrv_store_call *c, char *after)
{
    struct vrv_log_id id;
    unsigned told = 0;

    for (size_t i = 0; i < c->got; i++) {
        const char *key = c->names[i].key;

        if (after[0] != '\0' && strcmp(key, after) < 0)
            continue;
        size_t n = read_name(key, &id);
        if (n > 0) { /* 'z': names of ours begin with digits */
            add_part(w->out, &id);
            (void)snprintf(after, VRV_STORE_KEY_MAX + 1, "%.*sz", (int)n, key);
        } else {
            if (w->foreign != NULL)
                w->foreign(w->ctx, key);
            (void)snprintf(after, VRV_STORE_KEY_MAX + 1, "%s", key);
        }
        told++;
    }
    return told;
}

/* Few names where partitions have many, so that each list tells of one at the price of a small answer; many
 * where they have few. */
static int
walk_names(struct walk *w, const char *prefix, struct vrv_err *e)
{
    char after[VRV_STORE_KEY_MAX + 1] = "", behind[VRV_STORE_KEY_MAX + 1];
    unsigned max = MOST;
    bool more = true;

    while (more) {
        memcpy(behind, after, sizeof(behind));
        struct vrv_store_call c = { .op = VRV_STORE_LIST, .lane = VRV_STORE_HOUSEKEEPING,
            .key = prefix, .after = behind[0] != '\0' ? behind : NULL, .max = max };

        if (vrv_sync_call(w->s, &c) < 0) {
            *e = c.err;
            return vrv_err_prefix(e, c.status, "%s", prefix);
        }
        unsigned told = take_names(w, &c, after);
        max = told < 1 ? LEAST : told > MOST / 8 ? MOST : 8 * told;
        more = c.more && c.got > 0;
        vrv_store_names_free(&c);
    }
    return 0;
}

static int
compare_part(const void *a, const void *b)
{
    return vrv_log_id_cmp(a, b);
}

static void
sort_once(struct vrv_known_parts *l)
{
    size_t n = 0;

    if (l->n > 0)
        qsort(l->v, l->n, sizeof(*l->v), compare_part);
    for (size_t i = 0; i < l->n; i++)
        if (n == 0 || compare_part(&l->v[i], &l->v[n - 1]) != 0)
            l->v[n++] = l->v[i];
    l->n = n;
}

int
vrv_known_partitions(struct vrv_sync *s, const struct vrv_known *k, struct vrv_known_parts *out,
    void (*foreign)(void *ctx, const char *key), void *ctx, struct vrv_err *e)
{
    struct walk w = { s, out, foreign, ctx };
    const struct vrv_catalog_kvs *c = &k->marker.m.catalog;
    struct vrv_log_id id;

    *out = (struct vrv_known_parts){ .n = 0 };
    for (size_t i = 0; i < c->n; i++)
        if (read_head_key(c->v[i].key, &id))
            add_part(out, &id);
    int rc = walk_names(&w, "m/", e);
    if (rc == 0)
        rc = walk_names(&w, "d/", e);
    sort_once(out);
    return rc;
}
