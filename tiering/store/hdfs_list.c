/*
 * The keys of an HDFS store, in byte order, some at a time.
 *
 * A name node lists a directory by names, and pages of it; keys are compared as a whole, and '/' is one of
 * their bytes.  So a directory "a" comes behind "a-1" and "a.b", though its name comes before theirs: it waits
 * until names come that are above "a/".  And where names begin that are behind a key, directories may be
 * before that whose keys are behind it, too.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tiering/store/hdfs_int.h"
#include "tiering/store/list.h"

/* ---- a page of a directory ---- */

static int64_t
age_of(int64_t date_ms, int64_t modified_ms)
{
    if (date_ms < 0 || modified_ms < 0)
        return -1;
    return date_ms > modified_ms ? date_ms - modified_ms : 0;
}

static size_t
take_page(const json_t *entries, int64_t date_ms, struct vrv__hdfs_page *p)
{
    size_t n = json_array_size(entries);

    p->v = vrv_mem_zero((n + 1) * sizeof(*p->v));
    for (; p->n < n; p->n++) {
        const char *name, *type;
        json_int_t size, modified = -1;

        if (json_unpack(json_array_get(entries, p->n), "{s:s,s:s,s:I,s?I}", "pathSuffix", &name, "type", &type,
                "length", &size, "modificationTime", &modified) != 0 || size < 0)
            break;
        p->v[p->n] = (struct vrv__hdfs_entry){ vrv_mem_strdup(name), (uint64_t)size,
            age_of(date_ms, modified), strcmp(type, "DIRECTORY") == 0 };
    }
    return n;
}

int
vrv__hdfs_page(struct vrv__hdfs_job *j, const char *dir, const char *after, struct vrv__hdfs_page *p)
{
    char params[4 * VRV__HDFS_PATH_MAX] = "";
    struct vrv__hdfs_op op = { .method = "GET", .name = "LISTSTATUS_BATCH", .path = dir,
        .params = params };
    json_t *entries = NULL;
    json_int_t left = 0;

    *p = (struct vrv__hdfs_page){ 0 };
    if (after[0] != '\0') {
        (void)strcpy(params, "&startAfter=");
        vrv_http_escape(params + strlen(params), sizeof(params) - strlen(params), after, "");
    }
    int rc = vrv__hdfs_ask(j, &op);
    json_t *answer = rc == 0 && op.text != NULL ? json_loadb(op.text, op.got, 0, NULL) : NULL;
    if (rc == 0 && (answer == NULL || json_unpack(answer, "{s:{s:{s:{s:o}},s:I}}", "DirectoryListing",
            "partialListing", "FileStatuses", "FileStatus", &entries, "remainingEntries", &left) != 0 ||
            take_page(entries, op.date_ms, p) != p->n))
        rc = vrv_err_set(&j->call->err, VRV_E_IO, "the list of %.100s is no list", dir);
    if (rc == 0 && p->n > 0 && strcmp(p->v[p->n - 1].name, after) == 0)
        rc = vrv_err_set(&j->call->err, VRV_E_IO, "the list of %.100s doesn't go on behind %.100s", dir, after);
    p->more = left > 0 && p->n > 0;
    json_decref(answer);
    free(op.text);
    return rc;
}

void
vrv__hdfs_page_free(struct vrv__hdfs_page *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->v[i].name);
    free(p->v);
    p->v = NULL;
    p->n = 0;
}

/* ---- where to begin ---- */

/* The least name in `dir` that may be, or lead to, a key that isn't below `key`: its own part there, cut
 * before a byte below '/', for what such a directory holds comes behind. */
static void
least_name(const char *dir, const char *key, char out[VRV__HDFS_PATH_MAX])
{
    size_t n = strlen(dir);

    out[0] = '\0';
    if (key == NULL || strncmp(key, dir, n) != 0 || key[n] == '\0')
        return;
    size_t part = strcspn(key + n, "/"), least = 1 + strcspn(key + n + 1, "-./");
    if (part < least)
        least = part;
    memcpy(out, key + n, least);
    out[least] = '\0';
}

/* The name to ask for names behind of, so that the least wanted is the first. */
static void
begin_after(const struct vrv_store_call *c, const char *dir, char out[VRV__HDFS_PATH_MAX])
{
    char other[VRV__HDFS_PATH_MAX];

    least_name(dir, c->key, out);
    least_name(dir, c->after, other);
    if (strcmp(other, out) > 0)
        memcpy(out, other, sizeof(other));
    size_t n = strlen(out);
    if (n > 0) { /* just below it, for there are no names with '~' */
        out[n - 1]--;
        out[n] = '~';
        out[n + 1] = '\0';
    }
}

/* ---- the walk ---- */

struct walk {
    struct vrv__hdfs_job *j;
    struct vrv_store_call *c;
};

/* Directories that wait until it is their turn: each one's name begins with that of the one below. */
struct waiting {
    char *v[VRV_STORE_KEY_MAX];
    size_t n;
    char last[VRV__HDFS_PATH_MAX]; /* of ours: what comes twice, or out of order, is none */
};

static int walk_dir(struct walk *w, const char *dir);

/* Is `name`, with a '/', before the other one?  NULL: the end of all names. */
static bool
is_due(const char *name, const char *next)
{
    size_t n = strlen(name);
    int order = next == NULL ? -1 : strncmp(name, next, n);

    return order < 0 || (order == 0 && next[n] > '/');
}

static int
enter_due(struct walk *w, const char *dir, struct waiting *wait, const char *next)
{
    char path[VRV__HDFS_PATH_MAX];
    int rc = 0;

    while (wait->n > 0 && is_due(wait->v[wait->n - 1], next)) {
        char *name = wait->v[--wait->n];
        int n = snprintf(path, sizeof(path), "%s%s/", dir, name);

        if (rc == 0 && !w->c->more && n < (int)sizeof(path) && vrv_list_wants(w->c, path, true))
            rc = walk_dir(w, path);
        free(name);
    }
    return rc;
}

static int
take_entry(struct walk *w, const char *dir, struct waiting *wait, const struct vrv__hdfs_entry *e)
{
    char path[VRV__HDFS_PATH_MAX];

    if (!vrv_store_key_is_good(e->name, false) || /* what others keep here */
        strchr(e->name, '/') != NULL || strlen(e->name) >= sizeof(wait->last) || strcmp(e->name, wait->last) <= 0)
        return 0;
    (void)snprintf(wait->last, sizeof(wait->last), "%s", e->name);
    int n = snprintf(path, sizeof(path), "%s%s", dir, e->name);
    int rc = enter_due(w, dir, wait, e->name);
    if (n >= (int)sizeof(path))
        return rc;
    if (e->is_dir && wait->n < VRV_STORE_KEY_MAX)
        wait->v[wait->n++] = vrv_mem_strdup(e->name);
    else if (rc == 0 && !e->is_dir && vrv_list_wants(w->c, path, false))
        vrv_list_add(w->c, path, e->size, e->age_ms);
    return rc;
}

/* Are all names from there on behind what is asked for? */
static bool
is_beyond(const struct walk *w, const char *dir, const char *name)
{
    const char *prefix = w->c->key;
    size_t n = strlen(dir);

    return strncmp(dir, prefix, n) == 0 && strlen(prefix) > n &&
           strncmp(name, prefix + n, strlen(prefix + n)) > 0;
}

/* `dir` is "" or ends with '/'.  Depth is bounded by the length of a key. */
static int
walk_dir(struct walk *w, const char *dir)
{
    char after[VRV__HDFS_PATH_MAX], at[VRV__HDFS_PATH_MAX];
    struct waiting wait = { .n = 0, .last = "" };
    struct vrv__hdfs_page page;
    int rc;

    vrv_store_parent(dir, at);
    begin_after(w->c, dir, after);
    do {
        rc = vrv__hdfs_page(w->j, at, after, &page);
        for (size_t i = 0; rc == 0 && !w->c->more && i < page.n; i++)
            rc = take_entry(w, dir, &wait, &page.v[i]);
        if (page.n > 0)
            (void)snprintf(after, sizeof(after), "%s", page.v[page.n - 1].name);
        vrv__hdfs_page_free(&page);
    } while (rc == 0 && page.more && !w->c->more && !is_beyond(w, dir, after));
    int left = enter_due(w, dir, &wait, NULL);
    if (rc == 0)
        rc = left;
    return rc == VRV_E_NOTFOUND ? 0 : rc;
}

/* Begins where the prefix has its last '/'. */
int
vrv__hdfs_list(struct vrv__hdfs_job *j)
{
    struct vrv_store_call *c = j->call;
    struct walk w = { j, c };
    char dir[VRV__HDFS_PATH_MAX];
    const char *slash = strrchr(c->key, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash + 1 - c->key);

    memcpy(dir, c->key, n);
    dir[n] = '\0';
    int rc = walk_dir(&w, dir);
    if (rc < 0)
        vrv_store_names_free(c);
    return rc;
}
