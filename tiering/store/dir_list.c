/*
 * The keys of a directory store, in byte order, some at a time.
 *
 * Keys are compared as a whole, and '/' is one of their bytes; so an entry that is a directory is
 * sorted as its name with a '/' behind.  What lies wholly at or below `after`, or outside of what is
 * asked for, isn't entered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tiering/store/dir_int.h"
#include "tiering/store/list.h"

struct entries {
    char **v;
    size_t n, cap;
};

struct walk {
    struct vrv__dir *d;
    struct vrv_store_call *c;
};

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
collect(void *ctx, const char *name, bool is_dir)
{
    struct entries *es = ctx;
    size_t n = strlen(name);

    if (!vrv_store_key_is_good(name, false) || strncmp(name, ".nfs", 4) == 0)
        return 0; /* what others keep here */
    VRV_PUSH_ROOM(es->v, es->n, es->cap);
    char *copy = vrv_mem_zero(n + 2);
    memcpy(copy, name, n + 1);
    if (is_dir)
        memcpy(copy + n, "/", 2);
    es->v[es->n++] = copy;
    return 0;
}

/* What was written later than now has another clock than ours, which tells nothing. */
static int64_t
age_of(const struct vrv__dir *d, struct vrv_file *f)
{
    int64_t ms = vrv_file_written_ms(f), age = d->clock->wall_ms(d->clock) - ms;

    return ms >= 0 && age >= 0 ? age : -1;
}

/* A file that goes meanwhile is passed over. */
static int
add_file(struct walk *w, const char *path)
{
    struct vrv_store_call *c = w->c;
    struct vrv_file *f;
    uint64_t size;

    if (vrv_list_is_full(c) || !vrv_workers_goes_on(w->d->workers, c))
        return 0;
    int rc = vrv_vfs_open(w->d->vfs, path, 0, &f, &c->err);
    if (rc < 0)
        return rc == VRV_E_NOTFOUND ? 0 : rc;
    rc = vrv_file_size(f, &size, &c->err);
    if (rc == 0)
        vrv_list_add(c, path, size, age_of(w->d, f));
    vrv_file_close(&f);
    return rc;
}

/* `dir` is "" or ends with '/'.  Depth is bounded by the length of a key. */
static int
walk_dir(struct walk *w, const char *dir)
{
    char path[VRV_STORE_KEY_MAX + 1];
    struct entries es = { 0 };
    size_t n = strlen(dir);

    memcpy(path, dir, n);
    path[n > 0 ? n - 1 : 0] = '\0';
    int rc = vrv_vfs_list(w->d->vfs, path, collect, &es, &w->c->err);
    if (rc == VRV_E_NOTFOUND)
        rc = 0;
    if (es.n > 0)
        qsort(es.v, es.n, sizeof(*es.v), by_name);
    for (size_t i = 0; i < es.n; i++) {
        bool is_dir = es.v[i][strlen(es.v[i]) - 1] == '/';
        int len = snprintf(path, sizeof(path), "%s%s", dir, es.v[i]);
        bool fits = len > 0 && (size_t)len < sizeof(path);

        if (rc == 0 && fits && !w->c->more && vrv_list_wants(w->c, path, is_dir))
            rc = is_dir ? walk_dir(w, path) : add_file(w, path);
        free(es.v[i]);
    }
    free(es.v);
    return rc;
}

/* Begins where the prefix has its last '/'. */
int
vrv__dir_list(struct vrv__dir *d, struct vrv_store_call *c)
{
    struct walk w = { .d = d, .c = c };
    char dir[VRV_STORE_KEY_MAX + 1];
    const char *slash = strrchr(c->key, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash + 1 - c->key);

    memcpy(dir, c->key, n);
    dir[n] = '\0';
    int rc = walk_dir(&w, dir);
    if (rc < 0)
        vrv_store_names_free(c);
    return rc;
}
