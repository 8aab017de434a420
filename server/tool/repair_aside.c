/* Where damaged files go: beside the data directory, since in it they would not belong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/meta/metalog.h"
#include "server/tool/repair.h"

enum { ASIDE_MAX = 1000, PATH_MAX_OURS = 600, COPY_BYTES = 1 << 20 };

/* Split the directory's real path, so that links and dots don't mislead. */
static int
open_parent(struct mend *m, struct vrv_err *e)
{
    char *real = realpath(m->t->path, NULL);

    if (real == NULL)
        return vrv_err_sys(e, "%.160s", m->t->path);
    char *slash = strrchr(real, '/');
    m->name = vrv_mem_strdup(slash + 1);
    slash[slash == real ? 1 : 0] = '\0';
    int rc = *m->name == '\0'
        ? vrv_err_set(e, VRV_E_INVALID, "the root directory can't be repaired: it has no beside")
        : vrv_vfs_posix(real, false, &m->parent, e);
    free(real);
    return rc;
}

int
mend_open(struct mend *m, struct tool *t, struct vrv_err *e)
{
    *m = (struct mend){ .t = t, .vfs = t->below };
    vrv_files_init(&m->files, m->vfs, 16);
    return open_parent(m, e);
}

void
mend_close(struct mend *m)
{
    vrv_meta_close(&m->states);
    vrv_files_fini(&m->files);
    if (m->aside != NULL)
        vrv_files_fini(&m->old_files);
    vrv_vfs_close(&m->aside);
    vrv_vfs_close(&m->parent);
    free(m->name);
    free(m->aside_name);
}

static int
make_aside(struct mend *m, struct vrv_err *e)
{
    char name[PATH_MAX_OURS], *real;
    int rc = VRV_E_EXISTS;

    if (m->aside != NULL)
        return 0;
    for (int i = 1; i < ASIDE_MAX && rc == VRV_E_EXISTS; i++) {
        (void)snprintf(name, sizeof(name), "%.255s.damaged-%d", m->name, i);
        rc = vrv_vfs_mkdir(m->parent, name, e);
    }
    if (rc < 0)
        return rc;
    m->aside_name = vrv_mem_strdup(name);
    real = realpath(m->t->path, NULL);
    if (real == NULL)
        return vrv_err_sys(e, "%.160s", m->t->path);
    size_t n = strlen(real) - strlen(m->name) + strlen(name) + 1;
    char *path = vrv_mem_zero(n);
    (void)snprintf(path, n, "%.*s%s", (int)(strlen(real) - strlen(m->name)), real, name);
    rc = vrv_vfs_posix(path, false, &m->aside, e);
    free(path);
    free(real);
    if (rc == 0)
        vrv_files_init(&m->old_files, m->aside, 16);
    return rc;
}

/* The directories above `path`, in the place aside. */
static int
make_dirs(struct mend *m, const char *path, struct vrv_err *e)
{
    char dir[PATH_MAX_OURS];
    int rc = 0;

    for (const char *s = strchr(path, '/'); s != NULL && rc == 0; s = strchr(s + 1, '/')) {
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(s - path), path);
        rc = vrv_vfs_mkdir(m->aside, dir, e);
        rc = rc == VRV_E_EXISTS ? 0 : rc;
    }
    return rc;
}

static int
sync_above(struct vrv_vfs *vfs, const char *path, struct vrv_err *e)
{
    char dir[PATH_MAX_OURS];
    const char *slash = strrchr(path, '/');

    (void)snprintf(dir, sizeof(dir), "%.*s", slash != NULL ? (int)(slash - path) : 0, path);
    return vrv_vfs_sync_dir(vfs, dir, e);
}

int
mend_move(struct mend *m, const char *path, struct vrv_err *e)
{
    char from[2 * PATH_MAX_OURS], to[2 * PATH_MAX_OURS];
    int rc = make_aside(m, e);

    if (rc == 0)
        rc = make_dirs(m, path, e);
    if (rc < 0)
        return rc;
    (void)snprintf(from, sizeof(from), "%s/%s", m->name, path);
    (void)snprintf(to, sizeof(to), "%s/%s", m->aside_name, path);
    rc = vrv_vfs_rename(m->parent, from, to, e);
    if (rc == VRV_E_NOTFOUND)
        return 0;
    if (rc == 0)
        rc = sync_above(m->aside, path, e);
    return rc == 0 ? sync_above(m->vfs, path, e) : rc;
}

static int
copy_bytes(struct vrv_file *from, struct vrv_file *to, struct vrv_err *e)
{
    uint8_t *buf = vrv_mem_zero(COPY_BYTES);
    uint64_t pos = 0;
    int rc = 0;

    for (;;) {
        ssize_t n = vrv_file_pread(from, buf, COPY_BYTES, pos, 0, e);

        rc = n < 0 ? (int)n : 0;
        if (n <= 0)
            break;
        rc = vrv_file_pwrite(to, buf, (size_t)n, pos, e);
        if (rc < 0)
            break;
        pos += (uint64_t)n;
    }
    free(buf);
    return rc == 0 ? vrv_file_sync(to, e) : rc;
}

int
mend_copy(struct mend *m, const char *path, struct vrv_err *e)
{
    struct vrv_file *from = NULL, *to = NULL;
    int rc = make_aside(m, e);

    if (rc == 0)
        rc = make_dirs(m, path, e);
    if (rc == 0)
        rc = vrv_vfs_open(m->vfs, path, 0, &from, e);
    if (rc == 0)
        rc = vrv_vfs_open(m->aside, path, VRV_OPEN_WRITE | VRV_OPEN_CREATE | VRV_OPEN_EXCL, &to, e);
    if (rc == 0)
        rc = copy_bytes(from, to, e);
    vrv_file_close(&from);
    vrv_file_close(&to);
    return rc == 0 ? sync_above(m->aside, path, e) : rc;
}
