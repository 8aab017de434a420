/*
 * Raising leader epochs.
 *
 * An epoch says who may write, so the same one must never go to two owners.  Each transaction
 * compares the revisions of the keys that it raises, and of their topics, with what the image has.
 * After a conflict or an unknown outcome those topics are read again and raised from there: an
 * epoch that may be another's, or may be ours, is left unused.
 *
 * After a crash there may be tens of thousands to raise, so one transaction takes as many as it
 * can, of any topics, and several are on their way at once: a metadata log syncs once for all.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/meta/catalog_call.h"
#include "engine/meta/catalog_codec.h"
#include "engine/meta/catalog_impl.h"

/* Enough to make a sync cheap; a metadata log compares each with all before it in the batch. */
enum { IN_FLIGHT_MAX = 16 };

struct bump {
    struct vrv_catalog *c;
    struct vrv_catbump *v; /* by topic and partition; epoch 0: not raised yet */
    size_t n;
    int32_t *sent;         /* what it is raised to by the transaction on its way */
    size_t undecided;      /* transactions of this round */
    /* the next transaction */
    size_t compare_n, write_n;
    struct vrv_meta_compare compare[VRV_META_OPS_MAX];
    struct vrv_meta_write write[VRV_META_OPS_MAX];
    char key[VRV_META_OPS_MAX][VRV_CATKEY_MAX]; /* of the compares */
    uint8_t value[VRV_META_OPS_MAX][VRV_CATVAL_PART];
};

/* It raises what is not yet raised from one place in the list up to another. */
struct flight {
    struct vrv_catcall *call;
    size_t from, upto;
};

static int
gone(const struct vrv_uuid *id, struct vrv_err *e)
{
    char text[VRV_UUID_TEXT + 1];

    vrv_uuid_text(id, text);
    return vrv_err_set(e, VRV_E_NOTFOUND, "there is no topic with id %s", text);
}

/* ---- one transaction */

static char *
add_compare(struct bump *b, uint64_t mod)
{
    char *key = b->key[b->compare_n];

    b->compare[b->compare_n++] = (struct vrv_meta_compare){key, mod};
    return key;
}

/* 1: it is in the transaction; 0: there is no room for it. */
static int
add_one(struct bump *b, size_t i, bool new_topic, struct vrv_err *e)
{
    const struct vrv_catbump *v = &b->v[i];
    const struct vrv_cattopic *t = vrv_catimage_by_id(&b->c->img, &v->id);

    if (b->compare_n + 1 + new_topic > VRV_META_OPS_MAX)
        return 0;
    if (t == NULL)
        return gone(&v->id, e);
    struct vrv_catepoch old = vrv_cattopic_epoch(t, v->part);
    if (old.epoch == INT32_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "partition %d has no leader epoch left", v->part);
    if (new_topic)
        vrv_catkey_topic(add_compare(b, t->mod), &v->id);
    char *key = add_compare(b, old.mod);
    uint8_t *value = b->value[b->write_n];
    b->sent[i] = old.epoch + 1;
    vrv_catkey_part(key, &v->id, v->part);
    vrv_catval_part(value, b->sent[i]);
    b->write[b->write_n++] = (struct vrv_meta_write){key, value, VRV_CATVAL_PART};
    return 1;
}

/* Fill a transaction from *at on, and start it unless there is nothing for it. */
static int
take_off(struct bump *b, size_t *at, struct flight *f, struct vrv_err *e)
{
    const struct vrv_uuid *topic = NULL;
    int rc = 1;

    *f = (struct flight){NULL, *at, *at};
    b->compare_n = b->write_n = 0;
    for (; *at < b->n && rc == 1; *at += rc == 1) {
        const struct vrv_catbump *v = &b->v[*at];

        if (v->epoch != 0)
            continue;
        rc = add_one(b, *at, topic == NULL || !vrv_uuid_eq(topic, &v->id), e);
        topic = &v->id;
    }
    f->upto = *at;
    if (rc >= 0 && b->write_n > 0)
        f->call = vrv_catcall_start(b->c->m,
            &(struct vrv_meta_txn){b->compare, b->compare_n, b->write, b->write_n});
    return rc < 0 ? rc : 0;
}

static void
raised(struct bump *b, const struct flight *f, uint64_t revision)
{
    vrv_lock(&b->c->lock);
    for (size_t i = f->from; i < f->upto; i++) {
        struct vrv_catbump *v = &b->v[i];

        if (v->epoch != 0)
            continue;
        v->epoch = b->sent[i];
        vrv_catimage_epoch(&b->c->img, &v->id, v->part, (struct vrv_catepoch){revision, v->epoch});
    }
    vrv_unlock(&b->c->lock);
}

static int
land(struct bump *b, struct flight *f, struct vrv_err *e)
{
    uint64_t revision = 0;

    if (f->call == NULL)
        return 0;
    int rc = vrv_catcall_end(b->c->m, &f->call, &revision, e);
    if (rc == 0)
        raised(b, f, revision);
    bool undecided = rc == VRV_E_UNKNOWN || rc == VRV_E_CONFLICT;
    b->undecided += undecided;
    return undecided ? 0 : rc;
}

/* ---- all of them */

/* Try once what is not raised yet. */
static int
raise_all(struct bump *b, struct vrv_err *e)
{
    struct flight f[IN_FLIGHT_MAX];
    int rc = 0;

    b->undecided = 0;
    for (size_t at = 0; at < b->n && rc == 0;) {
        size_t k = 0;

        while (k < IN_FLIGHT_MAX && at < b->n && rc == 0)
            rc = take_off(b, &at, &f[k++], e);
        for (size_t i = 0; i < k; i++) { /* the others come down, too, when one fails */
            int one = land(b, &f[i], rc == 0 ? e : NULL);

            rc = rc == 0 ? one : rc;
        }
    }
    return rc;
}

/* Read anew what the image has of a topic: one epoch, or all when more were not raised. */
static int
read_topic(struct bump *b, const struct vrv_catbump *v, size_t n, struct vrv_err *e)
{
    struct vrv_catread r = { .c = b->c };
    char key[VRV_CATKEY_MAX];

    vrv_catkey_topic(key, &v->id);
    int rc = vrv_catalog_read(&r, key, e);
    if (rc == 0 && r.keys == 0)
        return gone(&v->id, e);
    vrv_catkey_part(key, &v->id, n == 1 ? v->part : -1);
    return rc == 0 ? vrv_catalog_read(&r, key, e) : rc;
}

static int
read_undecided(struct bump *b, struct vrv_err *e)
{
    int rc = 0;

    for (size_t i = 0, next; i < b->n && rc == 0; i = next) {
        size_t left = 0, last = i;

        for (next = i; next < b->n && vrv_uuid_eq(&b->v[next].id, &b->v[i].id); next++) {
            if (b->v[next].epoch != 0)
                continue;
            left++;
            last = next;
        }
        if (left > 0)
            rc = read_topic(b, &b->v[last], left, e);
    }
    return rc;
}

static int
bump(struct bump *b, struct vrv_err *e)
{
    int rc = 0;

    for (int i = 0; i < VRV_CATALOG_TRIES_MAX; i++) {
        rc = raise_all(b, e);
        if (rc < 0 || b->undecided == 0)
            return rc;
        rc = read_undecided(b, e);
        if (rc < 0)
            return rc;
    }
    return vrv_err_set(e, VRV_E_UNKNOWN, "the metadata store leaves %zu transactions undecided",
        b->undecided);
}

static int
by_topic_and_part(const void *a, const void *b)
{
    const struct vrv_catbump *x = a, *y = b;
    int c = memcmp(&x->id, &y->id, sizeof(x->id));

    return c != 0 ? c : (x->part > y->part) - (x->part < y->part);
}

static int
check(const struct bump *b, struct vrv_err *e)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct vrv_catbump *v = &b->v[i];
        const struct vrv_cattopic *t = vrv_catimage_by_id(&b->c->img, &v->id);

        if (t == NULL)
            return gone(&v->id, e);
        if (v->part < 0 || v->part >= t->partitions)
            return vrv_err_set(e, VRV_E_INVALID, "there is no partition %d of %d", v->part,
                t->partitions);
        if (i > 0 && by_topic_and_part(v - 1, v) == 0)
            return vrv_err_set(e, VRV_E_INVALID, "partition %d is given twice", v->part);
    }
    return 0;
}

int
vrv_catalog_bump(struct vrv_catalog *c, struct vrv_catbump *v, size_t n, struct vrv_err *e)
{
    int rc = vrv_catalog_begin(c, e);

    if (rc < 0)
        return rc;
    struct bump *b = VRV_NEW(struct bump);
    b->c = c;
    b->v = v;
    b->n = n;
    b->sent = vrv_mem_zero((n + 1) * sizeof(*b->sent));
    if (n > 1)
        qsort(v, n, sizeof(*v), by_topic_and_part);
    for (size_t i = 0; i < n; i++)
        v[i].epoch = 0;
    rc = check(b, e);
    if (rc == 0)
        rc = bump(b, e);
    free(b->sent);
    free(b);
    vrv_catalog_end(c);
    return rc;
}
