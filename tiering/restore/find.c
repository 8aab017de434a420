/* Names, markers and owners. */
#include "tiering/restore/find.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "tiering/daemon/owner.h"
#include "tiering/format/codec.h"

/* ---- names ---- */

static int
keep_name(void *ctx, const struct vrv_store_name *name)
{
    struct vrv_found_names *l = ctx;

    VRV_PUSH_ROOM(l->v, l->n, l->cap);
    l->v[l->n] = *name;
    l->v[l->n++].key = vrv_mem_strdup(name->key);
    return 0;
}

int
vrv_find_names(struct vrv_sync *s, const char *prefix, struct vrv_found_names *l, struct vrv_err *e)
{
    *l = (struct vrv_found_names){ 0 };
    return vrv_sync_list(s, prefix, keep_name, l, e);
}

int
vrv_find_objects(struct vrv_sync *s, const struct vrv_log_id *id, struct vrv_found_names *l,
    struct vrv_err *e)
{
    char plain[VRV_STORE_KEY_MAX + 1], hashed[VRV_STORE_KEY_MAX + 1];

    vrv_parts_prefix(id, 'd', plain);
    vrv_parts_prefix(id, 'h', hashed);
    bool first = strcmp(plain, hashed) < 0;
    int rc = vrv_find_names(s, first ? plain : hashed, l, e);
    return rc < 0 ? rc : vrv_sync_list(s, first ? hashed : plain, keep_name, l, e);
}

void
vrv_found_names_fini(struct vrv_found_names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i].key);
    free(l->v);
}

/* ---- bytes ---- */

int
vrv_find_whole(struct vrv_sync *s, const char *key, size_t most, uint8_t **out, size_t *n, struct vrv_err *e)
{
    int rc = vrv_sync_get(s, key, most, out, n, e);

    for (int i = 1; rc == 0 && i < VRV_STORE_DAMAGED_READS && !vrv_codec_is_whole(*out, *n); i++) {
        free(*out);
        rc = vrv_sync_get(s, key, most, out, n, e);
    }
    return rc;
}

/* ---- markers ---- */

static int
read_marker(struct vrv_sync *s, const struct vrv_store_name *name, struct vrv_found_marker *out,
    struct vrv_err *e)
{
    size_t most = name->size < VRV_MARKER_MAX ? (size_t)name->size + 1 : VRV_MARKER_MAX, n;
    int rc = vrv_find_whole(s, name->key, most, &out->bytes, &n, e);

    if (rc == 0 && (rc = vrv_marker_read(&out->m, out->bytes, n, e)) < 0)
        (void)vrv_err_prefix(e, rc, "%s", name->key);
    if (rc < 0) {
        free(out->bytes);
        out->bytes = NULL;
        return rc;
    }
    (void)snprintf(out->key, sizeof(out->key), "%s", name->key);
    out->size = name->size;
    return 0;
}

/* What the store's clock says of it counts: that server's may have been wrong, and so may ours.  A
 * file's time is by the clock of whoever has the file, which may be behind ours (NFS): then what
 * the name says, where that is younger. */
static int64_t
age_of(const struct vrv_sync *s, const struct vrv_store_name *name)
{
    int64_t ms, age = INT64_MAX;

    if (name->age_ms >= 0 && s->store->caps.own_clock)
        return name->age_ms;
    if (vrv_marker_key_ms(name->key, &ms))
        age = s->clock->wall_ms(s->clock) - ms;
    return name->age_ms >= 0 && name->age_ms < age ? name->age_ms : age;
}

int
vrv_find_marker(struct vrv_sync *s, struct vrv_found_marker *out, struct vrv_err *e)
{
    struct vrv_found_names l;

    *out = (struct vrv_found_marker){ .bytes = NULL };
    int rc = vrv_find_names(s, "marker/", &l, e);
    if (rc == 0 && l.n == 0)
        rc = vrv_err_set(e, VRV_E_NOTFOUND, "the store has no marker: no server of varve's has used it");
    for (size_t i = l.n; i > 0 && rc == 0; i--) {
        rc = read_marker(s, &l.v[i - 1], out, e);
        if (rc == 0)
            break;
        if (out->passed.n++ == 0)
            out->passed.why = *e;
        if (vrv_find_is_lost(rc) && i > 1)
            rc = 0; /* the one before; a list may show what has gone since */
    }
    /* one that is damaged tells all the same that somebody wrote it */
    out->age_ms = INT64_MAX;
    for (size_t i = 0; i < l.n && rc == 0; i++) {
        int64_t age = age_of(s, &l.v[i]);

        out->age_ms = age < out->age_ms ? age : out->age_ms;
        (void)snprintf(out->newest, sizeof(out->newest), "%s", l.v[i].key);
    }
    vrv_found_names_fini(&l);
    return rc;
}

void
vrv_found_marker_fini(struct vrv_found_marker *f)
{
    vrv_marker_fini(&f->m);
    free(f->bytes);
    f->bytes = NULL;
}

/* ---- heads ---- */

int
vrv_find_head(const struct vrv_catalog_kv *kv, struct vrv_found_head *out, struct vrv_err *e)
{
    struct vrv_entity_configs c;
    int rc = vrv_catconfigs_check(kv->key, kv->value, kv->n, e);

    *out = (struct vrv_found_head){ 0 };
    if (rc < 0)
        return rc;
    vrv_catconfigs_parse(&c, kv->value, kv->n);
    for (size_t i = 0; i < c.n; i++) {
        if (strcmp(c.v[i].key, "version") == 0)
            out->version = strtoull(c.v[i].value, NULL, 10);
        else if (strcmp(c.v[i].key, "passed") == 0)
            out->passed = strtoull(c.v[i].value, NULL, 10);
    }
    free(c.v);
    return 0;
}

/* ---- owners ---- */

static int
newest_owner(void *ctx, const struct vrv_store_name *name)
{
    uint64_t *newest = ctx, number;

    if (vrv_owner_number(name->key, &number) && number > *newest)
        *newest = number;
    return 0;
}

int
vrv_find_owner(struct vrv_sync *s, uint64_t *number, struct vrv_err *e)
{
    *number = 0;
    return vrv_sync_list(s, "owner/", newest_owner, number, e);
}
