/*
 * Cutting metadata logs and the WAL (repair_wal.c) where they are damaged.  A catalog that has lost
 * its end, by that or by damage, leaves records in the checkpoint that nothing explains: they go,
 * too.
 *
 * That takes away what lies behind, so it is tried on the overlay first: only when recovery would
 * succeed afterwards is it offered, and no more of it than that needs.  Damage in a snapshot of
 * metadata, at the beginning of the file, can't be cut; nor can a checkpoint below what the WAL
 * still has.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/meta/metalog_impl.h"
#include "server/tool/repair.h"

/* ---- a metadata log ---- */

/* Where the newest file of the log in `dir` is damaged.  1; 0: it isn't, or can't be cut. */
static int
find_cut(struct vrv_vfs *vfs, const char *dir, struct cut *c, struct vrv_err *e)
{
    struct vrv_metareplay r = { .path = c->path };
    struct vrv_metakeys keys;
    struct vrv_file *f = NULL;
    int rc = meta_newest(vfs, dir, c->path, e);

    if (rc < 0 || c->path[0] == '\0')
        return rc;
    r.number = strtoull(strchr(c->path, '/') + 1, NULL, 10);
    rc = vrv_vfs_open(vfs, c->path, 0, &f, e);
    if (rc == 0)
        rc = vrv_file_size(f, &r.n, e);
    uint8_t *p = rc == 0 ? vrv_mem_try((size_t)r.n + 1) : NULL;
    if (rc == 0 && p == NULL)
        rc = vrv_err_set(e, VRV_E_NOMEM, "no memory to read %s", c->path);
    if (rc == 0)
        rc = vrv_file_read_full(f, p, (size_t)r.n, 0, e);
    vrv_file_close(&f);
    r.p = p;
    vrv_metakeys_init(&keys);
    if (rc == 0)
        rc = vrv_metareplay(&r, &keys, e) == VRV_E_CORRUPT && r.snapshot_end > 0;
    vrv_metakeys_fini(&keys);
    free(p);
    c->pos = r.end;
    (void)snprintf(c->text, sizeof(c->text), "cut it at byte %" PRIu64 ": the %" PRIu64
        " bytes behind, transactions of metadata, are LOST", r.end, r.n - r.end);
    return rc;
}

/* ---- all of it ---- */

int
cut_file(struct vrv_vfs *vfs, const char *path, uint64_t pos, struct vrv_err *e)
{
    struct vrv_file *f = NULL;
    int rc = vrv_vfs_open(vfs, path, VRV_OPEN_WRITE, &f, e);

    if (rc == 0)
        rc = vrv_file_truncate(f, pos, e);
    if (rc == 0)
        rc = vrv_file_sync(f, e);
    vrv_file_close(&f);
    return rc;
}

static int
metalog_cuts(struct cuts *x, struct vrv_vfs *vfs, struct vrv_err *e)
{
    static const char *const dirs[] = { "meta", "checkpoint" };
    int rc = 0;

    for (size_t i = 0; i < 2 && rc >= 0; i++) {
        struct cut c = { .kind = CUT_FILE };

        rc = find_cut(vfs, dirs[i], &c, e);
        if (rc <= 0)
            continue;
        VRV_PUSH_ROOM(x->v, x->n, x->cap);
        x->v[x->n++] = c;
        rc = cut_file(vfs, c.path, c.pos, e);
    }
    return rc < 0 ? rc : 0;
}

int
cuts_find(struct cuts *x, struct tool *t, struct vrv_err *e)
{
    *x = (struct cuts){ .v = NULL };
    tool_forget(t);
    int rc = metalog_cuts(x, t->vfs, e);
    bool any = x->n > 0;
    if (rc == 0)
        rc = keys_find(x, t->vfs, e);
    if (rc == 0)
        rc = keys_delete(x, t->vfs, e);
    if (rc == 0)
        rc = wal_heads(x, t->vfs, e);
    if (rc < 0)
        return rc;
    if (x->n > 0) {
        rc = tool_open_engine(t, e);
        /* Never both: a checkpoint that was cut no longer fits the WAL, and cutting that too would
         * take away segments that are whole. */
        if (rc != VRV_E_CORRUPT || any)
            return rc;
    }
    rc = wal_cuts(x, t->vfs, e);
    if (rc == 0 && x->n == 0)
        rc = vrv_err_set(e, VRV_E_CORRUPT, "it begins with the damage, or a file is missing");
    return rc == 0 ? tool_open_engine(t, e) : rc;
}

void
cuts_fini(struct cuts *x)
{
    for (size_t i = 0; i < x->key_n; i++)
        free(x->key[i]);
    free(x->key);
    free(x->v);
    *x = (struct cuts){ .v = NULL };
}

static int
cut_do(const struct cut *c, struct vrv_vfs *vfs, struct vrv_err *e)
{
    switch (c->kind) {
    case CUT_FILE:
        return cut_file(vfs, c->path, c->pos, e);
    case CUT_GROUP:
        return wal_blank(vfs, c, e);
    case CUT_HEAD:
        return wal_head_write(vfs, c, e);
    case CUT_KEYS:
        break; /* all at once, when the catalog is whole */
    }
    return 0;
}

int
cuts_do(const struct cuts *x, struct mend *m, struct vrv_err *e)
{
    int rc = 0;

    for (size_t i = 0; i < x->n && rc == 0; i++) {
        bool copied = false;

        for (size_t k = 0; k < i; k++)
            copied |= strcmp(x->v[k].path, x->v[i].path) == 0;
        if (!copied)
            rc = mend_copy(m, x->v[i].path, e);
    }
    for (size_t i = 0; i < x->n && rc == 0; i++)
        rc = cut_do(&x->v[i], m->vfs, e);
    return rc == 0 ? keys_delete(x, m->vfs, e) : rc;
}
