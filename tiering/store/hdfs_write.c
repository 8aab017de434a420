/*
 * Objects are written: as a file of a name of its own, then renamed.
 *
 *   put:  CREATE ~tmp/x ─► length? ─► checksum, of what is small? ─► RENAME to the key
 *   end:  length of the first part's file? ─► CONCAT those that it lacks ─► RENAME to the key
 *
 * Each attempt at a file draws another name: one that is given up may go on writing.  END begins with what is
 * there, so that it may be repeated, wherever it was broken off.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "tiering/store/hdfs_int.h"

enum { TRIES = 8, CONCAT_MAX = 64, CHECKED_MAX = 4 * 1024 * 1024 };

struct vrv_store_upload {
    char name[VRV_TMP_NAME];
    struct vrv_pieces pieces;  /* the tag is what a part's file has drawn */
    uint64_t id;               /* of the first part's file, once it has all; 0: it hasn't */
};

typedef char path[VRV__HDFS_PATH_MAX];

/* What nobody needs any more goes; or stays until it is swept.  Why doesn't change. */
static void
discard(struct vrv__hdfs_job *j, const char *what, bool all)
{
    struct vrv_err why = j->call->err;

    if (vrv__hdfs_delete(j, what, all) < 0)
        j->call->err = why;
    j->call->err = why;
}

/* A directory on the way may be missing, or removed as empty just then. */
static int
publish(struct vrv__hdfs_job *j, const char *from, const char *key)
{
    path parent;

    vrv_store_parent(key, parent);
    for (int i = 0; i < TRIES; i++) {
        int rc = vrv__hdfs_rename(j, from, key);

        if (rc == VRV_E_NOTFOUND)
            rc = vrv__hdfs_mkdirs(j, parent);
        else
            return rc;
        if (rc < 0)
            return rc;
    }
    return vrv_err_set(&j->call->err, VRV_E_IO, "%s, or the directory of %s, is removed again and again", from,
        key);
}

/*
 * Nobody there was told a checksum, and who writes a manifest doesn't read it back: what is damaged never gets its
 * name, which for a root is the only one there is.  What is larger is verified by who writes it.
 */
static int
check(struct vrv__hdfs_job *j, const char *file)
{
    const struct vrv_store_call *c = j->call;
    uint32_t crc;

    if (c->size > CHECKED_MAX)
        return 0;
    int rc = vrv__hdfs_sum(j, file, &crc);
    if (rc == 0 && crc != c->crc)
        rc = vrv_err_set(&j->call->err, VRV_E_IO, "%s was damaged on its way there: it has checksum %08" PRIx32
            ", not %08" PRIx32, c->key, crc, c->crc);
    return rc == VRV_E_NOTFOUND ? VRV_E_IO : rc;
}

int
vrv__hdfs_put(struct vrv__hdfs_job *j)
{
    char name[VRV_TMP_NAME];
    path tmp;

    vrv_tmp_draw(&j->h->tmp, name);
    (void)snprintf(tmp, sizeof(tmp), VRV__HDFS_TMP "/%s", name);
    int rc = vrv__hdfs_create(j, tmp);
    if (rc == 0)
        rc = check(j, tmp);
    if (rc == 0)
        rc = publish(j, tmp, j->call->key);
    if (rc < 0 && rc != VRV_E_UNKNOWN)
        discard(j, tmp, false);
    vrv_tmp_drop(&j->h->tmp, name);
    return rc;
}

/* ---- in parts ---- */

static void
path_of(const struct vrv_store_upload *u, unsigned part, uint64_t tag, path out)
{
    (void)snprintf(out, sizeof(path), VRV__HDFS_TMP "/%s/%05u-%016" PRIx64, u->name, part, tag);
}

static void
path_of_all(const struct vrv_store_upload *u, path out)
{
    (void)snprintf(out, sizeof(path), VRV__HDFS_TMP "/%s", u->name);
}

int
vrv__hdfs_begin(struct vrv__hdfs_job *j)
{
    struct vrv_store_upload *u = VRV_NEW(struct vrv_store_upload);

    vrv_tmp_draw(&j->h->tmp, u->name);
    j->call->upload = u;
    return 0;
}

int
vrv__hdfs_part(struct vrv__hdfs_job *j)
{
    struct vrv_store_call *c = j->call;
    struct vrv_piece piece = { (uint32_t)c->size, vrv_tmp_random(&j->h->tmp) };
    path file;

    path_of(c->upload, c->part, piece.tag, file);
    int rc = vrv__hdfs_create(j, file);
    if (rc < 0)
        return rc;
    vrv_lock(&j->h->lock);
    vrv_pieces_set(&c->upload->pieces, c->part, piece);
    vrv_unlock(&j->h->lock);
    return 0;
}

/* How many parts a file of this size has; 0: none fits. */
static unsigned
joined(const struct vrv_pieces *p, uint64_t size)
{
    uint64_t at = 0;

    for (unsigned i = 0; i < p->n && p->v[i].size > 0; i++) {
        at += p->v[i].size;
        if (at == size)
            return i + 1;
    }
    return 0;
}

/* Those from `first` on, as many as go at once. */
static int
join_some(struct vrv__hdfs_job *j, unsigned first)
{
    const struct vrv_store_upload *u = j->call->upload;
    char *params = vrv_mem_zero(VRV__HDFS_PARAMS_MAX);
    int at = snprintf(params, VRV__HDFS_PARAMS_MAX, "&sources=");
    path file;

    for (unsigned i = first; i < first + CONCAT_MAX && i < u->pieces.n && u->pieces.v[i].size > 0; i++) {
        path_of(u, i, u->pieces.v[i].tag, file);
        at += snprintf(params + at, VRV__HDFS_PARAMS_MAX - (size_t)at, "%s%s/%s", i > first ? "," : "",
            j->h->url.root, file);
        VRV_ASSERT(at < VRV__HDFS_PARAMS_MAX);
    }
    path_of(u, 0, u->pieces.v[0].tag, file);
    int rc = vrv__hdfs_concat(j, file, params);
    free(params);
    return rc == VRV_E_NOTFOUND ? VRV_E_IO : rc; /* another attempt has joined them: the next one sees */
}

/* All parts become the first one's file.  NOTFOUND: it is not there, or not what was written. */
static int
join(struct vrv__hdfs_job *j, const char *file)
{
    struct vrv_store_upload *u = j->call->upload;
    struct vrv__hdfs_stat st;

    for (int i = 0; i <= VRV_STORE_PARTS_MAX / CONCAT_MAX + 1; i++) {
        int rc = vrv__hdfs_stat(j, file, &st);
        unsigned n = rc < 0 ? 0 : joined(&u->pieces, st.size);

        if (rc == 0 && n == 0)
            return vrv_err_set(&j->call->err, VRV_E_NOTFOUND, "%s isn't what was written", file);
        if (rc == 0 && st.size == j->call->size) {
            u->id = st.id;
            return 0;
        }
        if (rc == 0)
            rc = join_some(j, n);
        if (rc < 0)
            return rc;
    }
    return vrv_err_set(&j->call->err, VRV_E_IO, "%s doesn't grow", file);
}

/* Its file has gone: to the key? */
static int
look_whether_ours(struct vrv__hdfs_job *j)
{
    struct vrv__hdfs_stat st;
    int rc = vrv__hdfs_stat(j, j->call->key, &st);

    if (rc == 0 && st.id != j->call->upload->id)
        rc = vrv_err_set(&j->call->err, VRV_E_NOTFOUND, "the upload of %s is lost", j->call->key);
    return rc;
}

int
vrv__hdfs_end(struct vrv__hdfs_job *j)
{
    struct vrv_store_call *c = j->call;
    struct vrv_store_upload *u = c->upload;
    path file, all;

    vrv_lock(&j->h->lock);
    bool is_whole = u->pieces.n > 0 && vrv_pieces_are(&u->pieces, c->size);
    vrv_unlock(&j->h->lock);
    if (!is_whole)
        return vrv_err_set(&c->err, VRV_E_INVALID, "%s: its parts aren't %" PRIu64 " bytes", c->key,
            c->size);
    path_of(u, 0, u->pieces.v[0].tag, file);
    path_of_all(u, all);
    int rc = join(j, file);
    if (rc == 0)
        rc = publish(j, file, c->key);
    else if (rc == VRV_E_NOTFOUND && u->id != 0)
        rc = look_whether_ours(j);
    if (rc == 0)
        discard(j, all, true);
    return rc;
}

int
vrv__hdfs_abort(struct vrv__hdfs_job *j)
{
    path all;

    path_of_all(j->call->upload, all);
    return vrv__hdfs_delete(j, all, true);
}

void
vrv__hdfs_upload_free(struct vrv__hdfs *h, struct vrv_store_upload *u)
{
    vrv_tmp_drop(&h->tmp, u->name);
    vrv_pieces_clear(&u->pieces);
    free(u);
}
