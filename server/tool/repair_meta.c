/*
 * Cutting metadata logs and the WAL where they are damaged.  A catalog that has lost its end, by
 * that or by damage, leaves records in the checkpoint that nothing explains: they go, too.
 *
 * That takes away what lies behind, so it is tried on the overlay first: only when recovery would
 * succeed afterwards is it offered.  Damage in a snapshot of metadata, at the beginning of the
 * file, can't be cut; nor can a checkpoint below what the WAL still has.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/batch/batch.h"
#include "engine/meta/metalog.h"
#include "engine/meta/metalog_impl.h"
#include "engine/wal/wal_format.h"
#include "server/tool/repair.h"

enum { BLOCK = 4096, GROUP_BYTES_MAX = 64 << 20 };

/* ---- a metadata log ---- */

static int
take_newest(void *ctx, const char *name, bool is_dir)
{
    char *newest = ctx;

    if (!is_dir && strlen(name) == 15 && strcmp(name + 10, ".meta") == 0 &&
        strcmp(name, newest) > 0)
        memcpy(newest, name, 16);
    return 0;
}

int
meta_newest(struct vrv_vfs *vfs, const char *dir, char path[64], struct vrv_err *e)
{
    char newest[16] = "";
    int rc = vrv_vfs_list(vfs, dir, take_newest, newest, e);

    path[0] = '\0';
    if (newest[0] != '\0')
        (void)snprintf(path, 64, "%.40s/%s", dir, newest);
    return rc == VRV_E_NOTFOUND ? 0 : rc;
}

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

/* ---- the WAL ---- */

struct group {
    struct vrv_wal_head h;
    char path[64];
    uint64_t pos;
    bool ok;
};

struct wal {
    struct vrv_vfs *vfs;
    uint64_t id, trim;
    struct group *v;
    size_t n, cap;
    struct vrv_err *e;
    int rc;
};

static int
scan_block(struct wal *w, const char *path, struct vrv_file *f, uint64_t pos, struct vrv_err *e)
{
    uint8_t head[VRV_WAL_GROUP_HEADER];
    struct group g = { .pos = pos };
    int rc = vrv_file_read_full(f, head, sizeof(head), pos, e);

    if (rc < 0 || !vrv_wal_head_read(&g.h, head) || g.h.wal_id != w->id || g.h.slot < w->trim)
        return rc;
    size_t n = VRV_WAL_GROUP_HEADER + (size_t)g.h.bytes;
    uint8_t *p = n <= GROUP_BYTES_MAX ? vrv_mem_try(n) : NULL;
    g.ok = p != NULL && vrv_file_read_full(f, p, n, pos, NULL) == 0 &&
        vrv_wal_payload_ok(&g.h, p, n);
    free(p);
    (void)snprintf(g.path, sizeof(g.path), "%s", path);
    VRV_PUSH_ROOM(w->v, w->n, w->cap);
    w->v[w->n++] = g;
    return 0;
}

static int
scan_file(void *ctx, const char *name, bool is_dir)
{
    struct wal *w = ctx;
    struct vrv_file *f = NULL;
    char path[64];
    uint64_t size = 0;

    if (is_dir || strlen(name) > 20)
        return 0;
    (void)snprintf(path, sizeof(path), "wal/%s", name);
    w->rc = vrv_vfs_open(w->vfs, path, 0, &f, w->e);
    if (w->rc == 0)
        w->rc = vrv_file_size(f, &size, w->e);
    for (uint64_t pos = BLOCK; pos + BLOCK <= size && w->rc == 0; pos += BLOCK)
        w->rc = scan_block(w, path, f, pos, w->e);
    vrv_file_close(&f);
    return w->rc;
}

static int
by_slot(const void *pa, const void *pb)
{
    const struct group *a = pa, *b = pb;

    if (a->h.slot != b->h.slot)
        return a->h.slot < b->h.slot ? -1 : 1;
    if (a->h.session != b->h.session)
        return a->h.session > b->h.session ? -1 : 1;
    return (int)b->ok - (int)a->ok;
}

/* As recovery goes (wal_recover.c): the slot at which the chain of sound groups ends. */
static uint64_t
chain_end(const struct wal *w)
{
    uint64_t want = w->trim;
    uint32_t session = 0;

    for (size_t i = 0; i < w->n; i++) {
        const struct group *g = &w->v[i];

        if (g->h.slot < want)
            continue;
        if (g->h.slot > want || !g->ok || g->h.session < session)
            break;
        session = g->h.session;
        want++;
    }
    return want;
}

static void
take_wal_key(void *ctx, int status, const struct vrv_meta_kv *kv, uint64_t revision,
    const struct vrv_err *err)
{
    struct wal *w = ctx;

    (void)status;
    (void)revision;
    (void)err;
    if (kv == NULL || strcmp(kv->key, "wal") != 0 || kv->value_len != 40)
        return;
    w->id = vrv_get_le64(kv->value);
    w->trim = vrv_get_le64((const uint8_t *)kv->value + 24);
}

static int
wal_scan(struct wal *w, struct vrv_vfs *vfs, struct vrv_err *e)
{
    struct vrv_metastore *m = NULL;
    uint64_t cut;

    *w = (struct wal){ .vfs = vfs, .e = e };
    int rc = vrv_metalog_open(&m, vfs, "checkpoint", &cut, e);
    if (rc == 0) {
        vrv_meta_range(m, "wal", take_wal_key, w);
        rc = vrv_meta_step(m, e);
    }
    vrv_meta_close(&m);
    if (rc >= 0)
        rc = vrv_vfs_list(vfs, "wal", scan_file, w, e);
    if (rc == 0 && w->n > 1)
        qsort(w->v, w->n, sizeof(*w->v), by_slot);
    return rc;
}

/* Groups from the end of the chain on: their headers become zeros. */
static int
wal_blank(struct vrv_vfs *vfs, const struct cut *c, struct vrv_err *e)
{
    static const uint8_t zeros[VRV_WAL_GROUP_HEADER];
    struct vrv_file *f = NULL;
    int rc = vrv_vfs_open(vfs, c->path, VRV_OPEN_WRITE, &f, e);

    if (rc == 0)
        rc = vrv_file_pwrite(f, zeros, sizeof(zeros), c->pos, e);
    if (rc == 0)
        rc = vrv_file_sync(f, e);
    vrv_file_close(&f);
    return rc;
}

static int
wal_cuts(struct cuts *x, struct vrv_vfs *vfs, struct vrv_err *e)
{
    struct wal w;
    int rc = wal_scan(&w, vfs, e);
    uint64_t end = rc == 0 ? chain_end(&w) : 0;

    for (size_t i = 0; i < w.n && rc == 0; i++) {
        const struct group *g = &w.v[i];
        struct cut c = { .kind = CUT_GROUP, .pos = g->pos };

        if (g->h.slot < end)
            continue;
        (void)snprintf(c.path, sizeof(c.path), "%s", g->path);
        (void)snprintf(c.text, sizeof(c.text), "group %" PRIu64 " at byte %" PRIu64
            ": entries %" PRIu64 " to %" PRIu64 "%s are LOST", g->h.slot, g->pos, g->h.first_seq,
            g->h.first_seq + g->h.count - 1, g->ok ? ", though whole," : "");
        VRV_PUSH_ROOM(x->v, x->n, x->cap);
        x->v[x->n++] = c;
        rc = wal_blank(vfs, &c, e);
    }
    free(w.v);
    return rc;
}

/* ---- all of it ---- */

static int
truncate_file(struct vrv_vfs *vfs, const struct cut *c, struct vrv_err *e)
{
    struct vrv_file *f = NULL;
    int rc = vrv_vfs_open(vfs, c->path, VRV_OPEN_WRITE, &f, e);

    if (rc == 0)
        rc = vrv_file_truncate(f, c->pos, e);
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
        rc = truncate_file(vfs, &c, e);
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
    /* Never both: a checkpoint that was cut no longer fits the WAL, and cutting that too would take
     * away segments that are whole. */
    if (rc == 0 && !any)
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
        return truncate_file(vfs, c, e);
    case CUT_GROUP:
        return wal_blank(vfs, c, e);
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
