/* Mending the WAL: headers of its files, which are known, and cutting it where it is damaged. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/meta/metalog.h"
#include "server/tool/repair.h"

enum { BLOCK = 4096, GROUP_BYTES_MAX = 64 << 20 };

struct group {
    struct vrv_wal_head h;
    char path[64];
    uint64_t pos;
    bool ok;
};

struct wal {
    struct vrv_vfs *vfs;
    uint64_t trim;
    struct vrv_wal_file_head head; /* of each file, but for its number */
    struct group *v;
    size_t n, cap;
    struct vrv_err *e;
    int rc;
};

/* ---- what the checkpoint knows of it ---- */

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
    const uint8_t *v = kv->value;
    w->head = (struct vrv_wal_file_head){ .wal_id = vrv_get_le64(v), .files = vrv_get_le32(v + 8),
        .file_bytes = vrv_get_le64(v + 16) };
    w->trim = vrv_get_le64(v + 24);
}

static int
wal_known(struct wal *w, struct vrv_vfs *vfs, struct vrv_err *e)
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
    return rc < 0 ? rc : 0;
}

static int
write_at(struct vrv_vfs *vfs, const struct cut *c, const uint8_t *p, size_t n, struct vrv_err *e)
{
    struct vrv_file *f = NULL;
    int rc = vrv_vfs_open(vfs, c->path, VRV_OPEN_WRITE, &f, e);

    if (rc == 0)
        rc = vrv_file_pwrite(f, p, n, c->pos, e);
    if (rc == 0)
        rc = vrv_file_sync(f, e);
    vrv_file_close(&f);
    return rc;
}

/* ---- headers of files ---- */

/* 1: yes.  A sound one that isn't ours is no damage: the file is another WAL's, or of a newer
 * version.  Nor is it one when the file ends in it: more than a header is missing then. */
static int
head_is_damaged(struct vrv_vfs *vfs, const char *path, struct vrv_err *e)
{
    uint8_t head[VRV_WAL_FILE_HEADER];
    struct vrv_file *f = NULL;
    uint64_t size = 0;
    int rc = vrv_vfs_open(vfs, path, 0, &f, e);

    if (rc == VRV_E_NOTFOUND)
        return 0;
    if (rc == 0)
        rc = vrv_file_size(f, &size, e);
    bool looks = rc == 0 && size >= sizeof(head);
    if (looks)
        rc = vrv_file_read_full(f, head, sizeof(head), 0, e);
    vrv_file_close(&f);
    return rc < 0 ? rc : looks && vrv_wal_file_head_version(head) == 0;
}

int
wal_head_write(struct vrv_vfs *vfs, const struct cut *c, struct vrv_err *e)
{
    uint8_t head[VRV_WAL_FILE_HEADER];

    vrv_wal_file_head_write(head, &c->head);
    return write_at(vfs, c, head, sizeof(head), e);
}

int
wal_heads(struct cuts *x, struct vrv_vfs *vfs, struct vrv_err *e)
{
    struct wal w;
    int rc = wal_known(&w, vfs, e);

    for (uint32_t i = 1; i <= w.head.files && rc == 0; i++) {
        struct cut c = { .kind = CUT_HEAD, .head = w.head,
            .text = "write its header anew; nothing is lost" };

        c.head.number = i;
        (void)snprintf(c.path, sizeof(c.path), "wal/%06" PRIu32 ".wal", i);
        rc = head_is_damaged(vfs, c.path, e);
        if (rc <= 0)
            continue;
        VRV_PUSH_ROOM(x->v, x->n, x->cap);
        x->v[x->n++] = c;
        rc = wal_head_write(vfs, &c, e);
    }
    return rc;
}

/* ---- groups ---- */

static int
scan_block(struct wal *w, const char *path, struct vrv_file *f, uint64_t pos, struct vrv_err *e)
{
    uint8_t head[VRV_WAL_GROUP_HEADER];
    struct group g = { .pos = pos };
    int rc = vrv_file_read_full(f, head, sizeof(head), pos, e);

    if (rc < 0 || !vrv_wal_head_read(&g.h, head) || g.h.wal_id != w->head.wal_id ||
        g.h.slot < w->trim)
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

static int
wal_scan(struct wal *w, struct vrv_vfs *vfs, struct vrv_err *e)
{
    int rc = wal_known(w, vfs, e);

    if (rc == 0)
        rc = vrv_vfs_list(vfs, "wal", scan_file, w, e);
    if (rc == 0 && w->n > 1)
        qsort(w->v, w->n, sizeof(*w->v), by_slot);
    return rc;
}

int
wal_blank(struct vrv_vfs *vfs, const struct cut *c, struct vrv_err *e)
{
    static const uint8_t zeros[VRV_WAL_GROUP_HEADER];

    return write_at(vfs, c, zeros, sizeof(zeros), e);
}

int
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
