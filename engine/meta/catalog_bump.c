/*
 * Raising leader epochs.
 *
 * An epoch says who may write, so the same one must never go to two owners.  Each transaction
 * compares the revisions of the keys that it raises.  After an unknown outcome the keys are
 * read again and raised from there: an epoch that may be another's, or may be ours, is left
 * unused.
 */
#include <string.h>

#include "engine/base/mem.h"
#include "engine/meta/catalog_call.h"
#include "engine/meta/catalog_codec.h"
#include "engine/meta/catalog_impl.h"

/* One compare is for the topic. */
enum { CHUNK_MAX = VRV_META_OPS_MAX - 1 };

struct bump {
    struct vrv_catalog *c;
    struct vrv_uuid id;
    int32_t partitions; /* of the arrays, which are indexed by partition */
    struct stored {
        uint64_t mod; /* 0: no key, epoch 0 */
        int32_t epoch;
    } *stored;
    /* one transaction */
    struct vrv_meta_compare compare[CHUNK_MAX + 1];
    struct vrv_meta_write write[CHUNK_MAX];
    char topic[VRV_CATKEY_MAX];
    char key[CHUNK_MAX][VRV_CATKEY_MAX];
    uint8_t value[CHUNK_MAX][VRV_CATVAL_PART];
};

static int
stored_fn(void *ctx, const struct vrv_meta_kv *kv, struct vrv_err *e)
{
    struct bump *b = ctx;
    struct vrv_uuid id;
    int32_t part, epoch;

    if (!vrv_catkey_id_part(kv->key, &id, &part))
        return vrv_err_set(e, VRV_E_CORRUPT, "the catalog can't hold a key %.100s", kv->key);
    int rc = vrv_catval_part_parse(&epoch, kv->key, kv->value, kv->value_len, e);
    if (rc == 0 && part < b->partitions)
        b->stored[part] = (struct stored){kv->mod, epoch};
    return rc;
}

/* The stored epochs of one partition, or of all when there are more to raise. */
static int
read_stored(struct bump *b, const int32_t *parts, size_t n, struct vrv_err *e)
{
    char prefix[VRV_CATKEY_MAX];
    uint64_t revision;
    int rc = VRV_E_UNKNOWN;

    vrv_catkey_part(prefix, &b->id, n == 1 ? parts[0] : -1);
    for (int i = 0; i < VRV_CATALOG_TRIES_MAX && rc == VRV_E_UNKNOWN; i++) {
        memset(b->stored, 0, (size_t)b->partitions * sizeof(*b->stored));
        rc = vrv_catcall_range(b->c->m, prefix, stored_fn, b, &revision, e);
    }
    return rc;
}

static int
send_chunk(struct bump *b, const int32_t *parts, size_t n, uint64_t topic_mod, struct vrv_err *e)
{
    uint64_t revision = 0;

    vrv_catkey_topic(b->topic, &b->id);
    b->compare[0] = (struct vrv_meta_compare){b->topic, topic_mod};
    for (size_t i = 0; i < n; i++) {
        const struct stored *s = &b->stored[parts[i]];

        if (s->epoch == INT32_MAX)
            return vrv_err_set(e, VRV_E_INVALID, "partition %d has no leader epoch left", parts[i]);
        vrv_catkey_part(b->key[i], &b->id, parts[i]);
        vrv_catval_part(b->value[i], s->epoch + 1);
        b->compare[i + 1] = (struct vrv_meta_compare){b->key[i], s->mod};
        b->write[i] = (struct vrv_meta_write){b->key[i], b->value[i], VRV_CATVAL_PART};
    }
    return vrv_catcall_txn(b->c->m, &(struct vrv_meta_txn){b->compare, n + 1, b->write, n},
        &revision, e);
}

static void
chunk_done(struct bump *b, const int32_t *parts, size_t n, int32_t *epochs)
{
    vrv_lock(&b->c->lock);
    for (size_t i = 0; i < n; i++) {
        epochs[i] = b->stored[parts[i]].epoch + 1;
        vrv_catimage_epoch(&b->c->img, &b->id, parts[i], epochs[i]);
    }
    vrv_unlock(&b->c->lock);
}

static int
gone(const struct bump *b, struct vrv_err *e)
{
    char text[VRV_UUID_TEXT + 1];

    vrv_uuid_text(&b->id, text);
    return vrv_err_set(e, VRV_E_NOTFOUND, "there is no topic with id %s", text);
}

static int
bump_chunk(struct bump *b, const int32_t *parts, size_t n, int32_t *epochs, struct vrv_err *e)
{
    struct vrv_catread again = {.c = b->c};
    int rc = VRV_E_UNKNOWN;

    for (int i = 0; i < VRV_CATALOG_TRIES_MAX; i++) {
        const struct vrv_cattopic *t = vrv_catimage_by_id(&b->c->img, &b->id);

        if (t == NULL)
            return gone(b, e);
        rc = send_chunk(b, parts, n, t->mod, e);
        if (rc == 0)
            chunk_done(b, parts, n, epochs);
        if (rc != VRV_E_UNKNOWN && rc != VRV_E_CONFLICT)
            return rc;
        int read = vrv_catalog_read(&again, b->topic, e);
        if (read == 0 && again.keys == 0)
            return gone(b, e);
        if (read == 0)
            read = read_stored(b, parts, n, e);
        if (read < 0)
            return read;
    }
    return rc;
}

static int
check_parts(const struct bump *b, const int32_t *parts, size_t n, struct vrv_err *e)
{
    uint8_t *seen = vrv_mem_zero((size_t)b->partitions);
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        if (parts[i] < 0 || parts[i] >= b->partitions)
            rc = vrv_err_set(e, VRV_E_INVALID, "there is no partition %d of %d", parts[i],
                b->partitions);
        else if (seen[parts[i]]++ > 0)
            rc = vrv_err_set(e, VRV_E_INVALID, "partition %d is given twice", parts[i]);
    }
    free(seen);
    return rc;
}

static int
bump(struct bump *b, const int32_t *parts, size_t n, int32_t *epochs, struct vrv_err *e)
{
    const struct vrv_cattopic *t = vrv_catimage_by_id(&b->c->img, &b->id);

    if (t == NULL)
        return gone(b, e);
    b->partitions = t->partitions;
    b->stored = vrv_mem_zero((size_t)b->partitions * sizeof(*b->stored));
    int rc = check_parts(b, parts, n, e);
    if (rc == 0 && n > 0)
        rc = read_stored(b, parts, n, e);
    for (size_t at = 0; at < n && rc == 0; at += CHUNK_MAX) {
        size_t k = n - at < CHUNK_MAX ? n - at : CHUNK_MAX;

        rc = bump_chunk(b, parts + at, k, epochs + at, e);
    }
    free(b->stored);
    return rc;
}

int
vrv_catalog_bump(struct vrv_catalog *c, const struct vrv_uuid *id, const int32_t *parts, size_t n,
    int32_t *epochs, struct vrv_err *e)
{
    int rc = vrv_catalog_begin(c, e);

    if (rc < 0)
        return rc;
    struct bump *b = VRV_NEW(struct bump);
    b->c = c;
    b->id = *id;
    rc = bump(b, parts, n, epochs, e);
    free(b);
    vrv_catalog_end(c);
    return rc;
}
