/* The names in the overlay: what was changed has a node here, all else is below. */
#include "server/tool/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/tool/overlay_int.h"

struct node {
    char *path;
    struct body *body;
    bool is_dir, gone; /* gone: deleted, whatever is below */
};

struct overlay {
    struct vrv_vfs vfs;
    struct vrv_vfs *below;
    struct node *node;
    size_t n, cap;
};

static struct overlay *
of(struct vrv_vfs *v)
{
    return (struct overlay *)(void *)v; /* its first member */
}

static struct node *
node_find(struct overlay *o, const char *path)
{
    for (size_t i = 0; i < o->n; i++)
        if (strcmp(o->node[i].path, path) == 0)
            return &o->node[i];
    return NULL;
}

static struct node *
node_add(struct overlay *o, const char *path)
{
    struct node *node = node_find(o, path);

    if (node != NULL) {
        overlay_body_unref(node->body);
        node->body = NULL;
        node->is_dir = node->gone = false;
        return node;
    }
    VRV_PUSH_ROOM(o->node, o->n, o->cap);
    o->node[o->n] = (struct node){ .path = vrv_mem_strdup(path) };
    return &o->node[o->n++];
}

static int
missing(const char *op, const char *path, struct vrv_err *e)
{
    errno = ENOENT;
    return vrv_err_sys(e, "%s %s", op, path);
}

void
overlay_keep(struct body *b)
{
    if (b->path == NULL)
        return;
    node_add(b->o, b->path)->body = b;
    b->refs++;
    free(b->path);
    b->path = NULL;
}

/* A file below, not changed so far. */
static int
body_from_low(struct overlay *o, const char *path, struct body **out, struct vrv_err *e)
{
    struct vrv_file *low = NULL;
    uint64_t size;
    int rc = vrv_vfs_open(o->below, path, 0, &low, e);

    if (rc == 0)
        rc = vrv_file_size(low, &size, e);
    if (rc < 0) {
        vrv_file_close(&low);
        return rc;
    }
    struct body *b = VRV_NEW(struct body);
    *b = (struct body){ .refs = 1, .low = low, .low_end = size, .size = size, .o = o,
        .path = vrv_mem_strdup(path) };
    *out = b;
    return 0;
}

/* What the name leads to, with a reference. */
static int
body_get(struct overlay *o, const char *path, struct body **out, struct vrv_err *e)
{
    struct node *node = node_find(o, path);

    *out = NULL;
    if (node == NULL)
        return body_from_low(o, path, out, e);
    if (node->gone || node->is_dir)
        return missing("open", path, e);
    *out = node->body;
    (*out)->refs++;
    return 0;
}

static struct body *
body_make(struct overlay *o, const char *path)
{
    struct body *b = VRV_NEW(struct body);

    b->refs = 2; /* the name's and the caller's */
    node_add(o, path)->body = b;
    return b;
}

static int
overlay_open(struct vrv_vfs *v, const char *path, unsigned flags, struct vrv_file **out,
    struct vrv_err *e)
{
    struct body *b;

    if (flags & VRV_OPEN_DIRECT)
        return vrv_err_set(e, VRV_E_INVALID, "open %s: no direct I/O here", path);
    int rc = body_get(of(v), path, &b, e);
    if (rc == 0 && (flags & VRV_OPEN_CREATE) && (flags & VRV_OPEN_EXCL)) {
        overlay_body_unref(b);
        errno = EEXIST;
        return vrv_err_sys(e, "open %s", path);
    }
    if (rc == VRV_E_NOTFOUND && (flags & VRV_OPEN_CREATE)) {
        b = body_make(of(v), path);
        rc = 0;
    }
    if (rc == 0)
        *out = overlay_handle_new(b, path);
    return rc;
}

static int
overlay_unlink(struct vrv_vfs *v, const char *path, struct vrv_err *e)
{
    struct body *b;
    int rc = body_get(of(v), path, &b, e);

    if (rc < 0)
        return rc;
    overlay_body_unref(b);
    node_add(of(v), path)->gone = true;
    return 0;
}

static int
overlay_rename(struct vrv_vfs *v, const char *from, const char *to, struct vrv_err *e)
{
    struct body *b;
    int rc = body_get(of(v), from, &b, e);

    if (rc < 0)
        return rc;
    overlay_keep(b);
    node_add(of(v), to)->body = b; /* the reference that body_get gave */
    node_add(of(v), from)->gone = true;
    return 0;
}

/* Nobody who repairs gives a file two names. */
static int
overlay_link(struct vrv_vfs *v, const char *from, const char *to, struct vrv_err *e)
{
    (void)v;
    return vrv_err_set(e, VRV_E_INVALID, "link %s to %s: not in a trial", from, to);
}

struct listing {
    struct overlay *o;
    const char *dir;
    vrv_list_fn *fn;
    void *ctx;
};

static void
path_in(const char *dir, const char *name, char *out, size_t n)
{
    (void)snprintf(out, n, "%s%s%s", dir, *dir != '\0' ? "/" : "", name);
}

static int
list_low(void *ctx, const char *name, bool is_dir)
{
    struct listing *l = ctx;
    char path[4096];

    path_in(l->dir, name, path, sizeof(path));
    return node_find(l->o, path) != NULL ? 0 : l->fn(l->ctx, name, is_dir);
}

/* The callback may open files and so move the nodes. */
static int
list_nodes(struct listing *l, size_t prefix)
{
    int rc = 0;

    for (size_t i = 0; i < l->o->n && rc == 0; i++) {
        const struct node *node = &l->o->node[i];
        const char *name = node->path + prefix + (prefix > 0);
        char copy[1024];

        if (node->gone || strncmp(node->path, l->dir, prefix) != 0 ||
            (prefix > 0 && node->path[prefix] != '/') || strchr(name, '/') != NULL)
            continue;
        (void)snprintf(copy, sizeof(copy), "%s", name);
        rc = l->fn(l->ctx, copy, node->is_dir);
    }
    return rc;
}

static int
overlay_list(struct vrv_vfs *v, const char *dir, vrv_list_fn *fn, void *ctx, struct vrv_err *e)
{
    struct listing l = { of(v), dir, fn, ctx };
    const struct node *node = *dir != '\0' ? node_find(of(v), dir) : NULL;

    if (node != NULL && (node->gone || !node->is_dir))
        return missing("list", dir, e);
    int rc = vrv_vfs_list(l.o->below, dir, list_low, &l, e);
    if (rc == VRV_E_NOTFOUND && node != NULL)
        rc = 0;
    return rc != 0 ? rc : list_nodes(&l, strlen(dir));
}

static int
any_entry(void *ctx, const char *name, bool is_dir)
{
    (void)ctx;
    (void)name;
    (void)is_dir;
    return 1;
}

static int
overlay_mkdir(struct vrv_vfs *v, const char *path, struct vrv_err *e)
{
    int rc = overlay_list(v, path, any_entry, NULL, NULL);

    if (rc >= 0) {
        errno = EEXIST;
        return vrv_err_sys(e, "mkdir %s", path);
    }
    node_add(of(v), path)->is_dir = true;
    return 0;
}

static int
overlay_rmdir(struct vrv_vfs *v, const char *path, struct vrv_err *e)
{
    int rc = overlay_list(v, path, any_entry, NULL, e);

    if (rc < 0)
        return rc;
    if (rc > 0)
        return vrv_err_set(e, VRV_E_IO, "rmdir %s: not empty", path);
    node_add(of(v), path)->gone = true;
    return 0;
}

/* ---- the rest ---- */

static int
overlay_sync_dir(struct vrv_vfs *v, const char *dir, struct vrv_err *e)
{
    (void)v;
    (void)dir;
    (void)e;
    return 0;
}

static int
overlay_sync_all(struct vrv_vfs *v, struct vrv_err *e)
{
    (void)v;
    (void)e;
    return 0;
}

static int
overlay_sync_files(struct vrv_vfs *v, struct vrv_file **f, size_t n, struct vrv_err *e)
{
    (void)v;
    (void)f;
    (void)n;
    (void)e;
    return 0;
}

static int
overlay_free_bytes(struct vrv_vfs *v, uint64_t *bytes, struct vrv_err *e)
{
    (void)v;
    (void)e;
    *bytes = UINT64_MAX / 2;
    return 0;
}

static int
say_locked(struct vrv_file *f, const char *path, struct vrv_err *e)
{
    char text[24] = "";
    ssize_t n = vrv_file_pread(f, text, sizeof(text) - 1, 0, 0, NULL);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;

    if (pid > 0)
        return vrv_err_set(e, VRV_E_LOCKED,
            "the data directory is in use by process %ld (it holds %s): stop it first", pid, path);
    return vrv_err_set(e, VRV_E_LOCKED,
        "the data directory is in use by another process (it holds %s): stop it first", path);
}

int
overlay_lock(struct vrv_vfs *below, const char *path, struct vrv_file **out, struct vrv_err *e)
{
    struct flock fl = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
    int rc = vrv_vfs_open(below, path, 0, out, e);

    if (rc < 0)
        return rc == VRV_E_NOTFOUND ? 0 : rc;
    if (fcntl(vrv_file_fd(*out), F_OFD_SETLK, &fl) == 0)
        return 0;
    rc = errno == EAGAIN || errno == EACCES ? say_locked(*out, path, e)
                                            : vrv_err_sys(e, "lock %s", path);
    vrv_file_close(out);
    return rc;
}

/* The engine's: a handle of ours, so that it can be closed like any other. */
static int
overlay_lock_op(struct vrv_vfs *v, const char *path, struct vrv_file **out, struct vrv_err *e)
{
    return overlay_open(v, path, VRV_OPEN_WRITE | VRV_OPEN_CREATE, out, e);
}

static void
overlay_close(struct vrv_vfs *v)
{
    struct overlay *o = of(v);

    for (size_t i = 0; i < o->n; i++) {
        free(o->node[i].path);
        overlay_body_unref(o->node[i].body);
    }
    free(o->node);
    free(o);
}

static const struct vrv_vfs_ops overlay_ops = {
    .open = overlay_open,
    .rename = overlay_rename,
    .link = overlay_link,
    .unlink = overlay_unlink,
    .mkdir = overlay_mkdir,
    .rmdir = overlay_rmdir,
    .list = overlay_list,
    .sync_dir = overlay_sync_dir,
    .sync_all = overlay_sync_all,
    .sync_files = overlay_sync_files,
    .free_bytes = overlay_free_bytes,
    .lock = overlay_lock_op,
    .close = overlay_close,
};

void
overlay_hide(struct vrv_vfs *v, const char *path)
{
    node_add(of(v), path)->gone = true;
}

struct vrv_vfs *
overlay_new(struct vrv_vfs *below)
{
    struct overlay *o = VRV_NEW(struct overlay);

    o->vfs.ops = &overlay_ops;
    o->below = below;
    return &o->vfs;
}
