/* Records in the checkpoint of partitions that the catalog does not have: an engine refuses to open
 * over them, since the catalog must have lost its end. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/engine_int.h"
#include "engine/meta/metalog.h"
#include "server/tool/repair.h"

struct search {
    struct cuts *x;
    struct vrv_catalog *catalog;
    char path[64]; /* the checkpoint's newest file */
    bool done;
};

static bool
is_noted(const struct cuts *x, const struct vrv_log_id *id)
{
    for (size_t i = 0; i < x->n; i++)
        if (x->v[i].kind == CUT_KEYS && vrv__log_id_eq(&x->v[i].id, id))
            return true;
    return false;
}

/* One line per partition; its state, which comes first, tells the offsets. */
static void
note_partition(struct search *s, const struct vrv_log_id *id, const struct vrv_meta_kv *kv)
{
    struct cut c = { .kind = CUT_KEYS, .id = *id };
    char hex[VRV_UUID_TEXT + 1], offsets[64] = "all its offsets";
    const uint8_t *state = kv->value;

    if (is_noted(s->x, id))
        return;
    if (strncmp(kv->key, "state/", 6) == 0 && kv->value_len >= 32)
        (void)snprintf(offsets, sizeof(offsets), "offsets %" PRId64 " to %" PRId64 " and newer ones",
            (int64_t)vrv_get_le64(state + 16), (int64_t)vrv_get_le64(state + 24) - 1);
    vrv_uuid_text(&id->topic, hex);
    (void)snprintf(c.path, sizeof(c.path), "%s", s->path);
    (void)snprintf(c.text, sizeof(c.text),
        "forget topic %s, partition %" PRId32 ", which the catalog does not have: %s are LOST", hex,
        id->partition, offsets);
    VRV_PUSH_ROOM(s->x->v, s->x->n, s->x->cap);
    s->x->v[s->x->n++] = c;
}

static void
take_key(void *ctx, int status, const struct vrv_meta_kv *kv, uint64_t revision,
    const struct vrv_err *err)
{
    struct search *s = ctx;
    struct vrv_log_id id;

    (void)status;
    (void)revision;
    (void)err;
    if (kv == NULL) {
        s->done = true;
        return;
    }
    if (!vrv__key_log(kv->key, &id) || vrv__catalog_explains(s->catalog, &id))
        return;
    note_partition(s, &id, kv);
    VRV_PUSH_ROOM(s->x->key, s->x->key_n, s->x->key_cap);
    s->x->key[s->x->key_n++] = vrv_mem_strdup(kv->key);
}

static int
search(struct search *s, struct vrv_metastore *states, struct vrv_err *e)
{
    static const char *const kind[] = { "state/", "open/", "seal/", "gone/" };
    int rc = 0;

    for (size_t i = 0; i < 4 && rc >= 0; i++) {
        s->done = false;
        vrv_meta_range(states, kind[i], take_key, s);
        while (rc >= 0 && !s->done)
            rc = vrv_meta_step(states, e);
    }
    return rc < 0 ? rc : 0;
}

int
keys_find(struct cuts *x, struct vrv_vfs *vfs, struct vrv_err *e)
{
    struct vrv_metastore *meta = NULL, *states = NULL;
    struct search s = { .x = x };
    uint64_t cut;
    int rc = meta_newest(vfs, "meta", s.path, e);

    if (rc < 0 || s.path[0] == '\0')
        return rc; /* a catalog that is missing is not one that lost its end */
    rc = vrv_metalog_open(&meta, vfs, "meta", &cut, e);
    if (rc == 0)
        rc = vrv_catalog_open(&s.catalog, meta, e);
    if (rc == 0)
        rc = vrv_metalog_open(&states, vfs, "checkpoint", &cut, e);
    if (rc == 0)
        rc = meta_newest(vfs, "checkpoint", s.path, e);
    if (rc == 0)
        rc = search(&s, states, e);
    vrv_meta_close(&states);
    vrv_catalog_close(&s.catalog);
    vrv_meta_close(&meta);
    return rc;
}

int
keys_delete(const struct cuts *x, struct vrv_vfs *vfs, struct vrv_err *e)
{
    struct vrv_meta_write w[VRV_META_OPS_MAX];
    struct vrv_metastore *states = NULL;
    uint64_t cut;
    int rc = x->key_n > 0 ? vrv_metalog_open(&states, vfs, "checkpoint", &cut, e) : 0;

    for (size_t i = 0, n = 0; i < x->key_n && rc == 0; i++) {
        w[n++] = (struct vrv_meta_write){ .key = x->key[i] };
        if (n == VRV_META_OPS_MAX || i + 1 == x->key_n) {
            rc = vrv__meta_commit(states, w, n, e);
            n = 0;
        }
    }
    vrv_meta_close(&states);
    return rc;
}
