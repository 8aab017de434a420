/* Objects are deleted, and what died writes left. */
#include <stdio.h>
#include <string.h>

#include "tiering/store/hdfs_int.h"

/* A directory that has become empty goes, and those above it, as far as they are. */
static void
remove_empty(struct vrv__hdfs_job *j, const char *dir)
{
    char at[VRV__HDFS_PATH_MAX];
    struct vrv_err why = j->call->err;

    (void)snprintf(at, sizeof(at), "%s", dir);
    while (at[0] != '\0' && vrv__hdfs_delete(j, at, false) == 0)
        vrv_store_parent(at, at);
    j->call->err = why;
}

/* A key that names a directory names no object. */
static int
delete_one(struct vrv__hdfs_job *j, const char *key)
{
    struct vrv_err why = j->call->err;
    int rc = vrv__hdfs_delete(j, key, false);

    if (rc < 0 && rc != VRV_E_CONFLICT)
        return rc;
    j->call->err = why;
    return 0;
}

/* One that can't be deleted doesn't keep the others; the first failure is told. */
int
vrv__hdfs_delete_keys(struct vrv__hdfs_job *j)
{
    struct vrv_store_call *c = j->call;
    char dir[VRV__HDFS_PATH_MAX], next[VRV__HDFS_PATH_MAX] = "";
    struct vrv_err why = { 0 };
    int first = 0;

    for (unsigned i = 0; i < c->max; i++) {
        int rc = delete_one(j, c->keys[i]);

        if (c->each != NULL)
            c->each[i] = rc;
        c->got += rc == 0;
        if (first == 0 && rc < 0) {
            first = rc;
            why = c->err;
        }
        vrv_store_parent(c->keys[i], dir);
        if (i + 1 < c->max)
            vrv_store_parent(c->keys[i + 1], next);
        if (rc == 0 && (i + 1 == c->max || strcmp(dir, next) != 0))
            remove_empty(j, dir);
    }
    c->err = why;
    return first;
}

int
vrv__hdfs_sweep(struct vrv__hdfs_job *j)
{
    struct vrv__hdfs_page page;
    char after[VRV__HDFS_PATH_MAX] = "", path[VRV__HDFS_PATH_MAX];
    int rc;

    do {
        rc = vrv__hdfs_page(j, VRV__HDFS_TMP, after, &page);
        for (size_t i = 0; rc == 0 && i < page.n; i++) {
            const char *name = page.v[i].name;

            (void)snprintf(after, sizeof(after), "%s", name);
            (void)snprintf(path, sizeof(path), VRV__HDFS_TMP "/%.400s", name);
            if (!vrv_tmp_is_left(&j->h->tmp, name, j->call->older_ms))
                continue;
            rc = vrv__hdfs_delete(j, path, true);
            j->call->got += rc == 0;
        }
        vrv__hdfs_page_free(&page);
    } while (rc == 0 && page.more);
    return rc == VRV_E_NOTFOUND ? 0 : rc;
}
