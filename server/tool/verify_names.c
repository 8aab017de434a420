/* Names in a data directory: what is missing tells the check of the segments, what does not belong
 * is told here. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/log/log_ring.h"
#include "server/tool/overlay.h"
#include "server/tool/verify.h"

/* A listing is finished before anything is done with it: the overlay may change meanwhile. */
struct names {
    struct name {
        char *name;
        bool is_dir;
    } *v;
    size_t n, cap;
};

static int
add_name(void *ctx, const char *name, bool is_dir)
{
    struct names *l = ctx;

    VRV_PUSH_ROOM(l->v, l->n, l->cap);
    l->v[l->n++] = (struct name){ vrv_mem_strdup(name), is_dir };
    return 0;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->name, ((const struct name *)b)->name);
}

static int
names_get(struct report *r, const char *dir, struct names *l, struct vrv_err *e)
{
    *l = (struct names){ .v = NULL };
    int rc = vrv_vfs_list(r->t->vfs, dir, add_name, l, e);

    if (l->n > 1)
        qsort(l->v, l->n, sizeof(*l->v), by_name);
    return rc == VRV_E_NOTFOUND ? 0 : rc;
}

static void
names_fini(struct names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i].name);
    free(l->v);
}

static void
tell(struct report *r, enum damage_kind kind, const char *dir, const char *name, const char *text)
{
    struct damage d = { .kind = kind, .pos = -1 };

    (void)snprintf(d.path, sizeof(d.path), "%s%s%s", dir, *dir != '\0' ? "/" : "", name);
    (void)snprintf(d.text, sizeof(d.text), "%s", text);
    report_add(r, &d);
}

static const char foreign_text[] = "this name does not belong in a data directory of varve";

/* n digits and one of two endings? */
static bool
is_numbered(const char *name, size_t digits, const char *end, const char *other)
{
    for (size_t i = 0; i < digits; i++)
        if (!isdigit((unsigned char)name[i]))
            return false;
    return strcmp(name + digits, end) == 0 || strcmp(name + digits, other) == 0;
}

/* ---- the directory itself, and metadata ---- */

static bool
belongs(const char *dir, const struct name *x)
{
    static const char *const dirs[] = { "meta", "checkpoint", "wal", "log" };

    if (strcmp(dir, "wal") == 0)
        return !x->is_dir && is_numbered(x->name, 6, ".wal", ".wal");
    if (*dir != '\0')
        return !x->is_dir && is_numbered(x->name, 10, ".meta", ".tmp");
    for (size_t i = 0; i < 4 && x->is_dir; i++)
        if (strcmp(x->name, dirs[i]) == 0)
            return true;
    return !x->is_dir && (strcmp(x->name, "FORMAT") == 0 || strcmp(x->name, "LOCK") == 0);
}

int
verify_root(struct report *r, struct vrv_err *e)
{
    static const char *const dirs[] = { "", "meta", "checkpoint", "wal" };
    int rc = 0;

    for (size_t i = 0; i < 4 && rc == 0; i++) {
        struct names l;

        rc = names_get(r, dirs[i], &l, e);
        for (size_t k = 0; k < l.n && rc == 0; k++) {
            char path[320];

            if (belongs(dirs[i], &l.v[k]))
                continue;
            tell(r, DAMAGE_FOREIGN, dirs[i], l.v[k].name, foreign_text);
            (void)snprintf(path, sizeof(path), "%s%s%s", dirs[i], i > 0 ? "/" : "", l.v[k].name);
            overlay_hide(r->t->vfs, path);
        }
        names_fini(&l);
    }
    return rc;
}

/* ---- below log/ ---- */

static bool
has_segment(const struct vrv_log *log, int64_t base)
{
    for (uint32_t i = 0; i < log->seg_n; i++)
        if (log->segs[i]->base == base)
            return true;
    return false;
}

/* A segment's file, by its name, that recovery does not know. */
static void
tell_orphan(struct report *r, const char *dir, struct view_log *vl, const char *name, int64_t base)
{
    struct damage d = { .kind = DAMAGE_FOREIGN, .log = vl, .pos = -1, .from = base, .to = base };

    (void)snprintf(d.path, sizeof(d.path), "%.200s/%.100s", dir, name);
    (void)snprintf(d.text, sizeof(d.text), "there is no such segment");
    report_add(r, &d);
}

static void
check_file(struct report *r, const char *dir, struct view_log *vl, const struct name *x)
{
    int64_t base = strtoll(x->name, NULL, 10);

    if (x->is_dir || (!is_numbered(x->name, 20, ".log", ".index") &&
            !is_numbered(x->name, 20, ".index.tmp", ".index.tmp"))) {
        tell(r, DAMAGE_FOREIGN, dir, x->name, foreign_text);
        return;
    }
    if (strlen(x->name) > 26) {
        tell(r, DAMAGE_NOTE, dir, x->name, "left by an interrupted rebuild of an index; harmless");
        return;
    }
    /* What lies beyond the checkpoint is only known when the WAL could be read. */
    if (has_segment(vl->log, base) || !r->view.whole)
        return;
    if (base < vrv_log_local(vl->log))
        tell(r, DAMAGE_NOTE, dir, x->name,
            "left over from deleted or offloaded records; harmless");
    else
        tell_orphan(r, dir, vl, x->name, base);
}

static bool
is_gone(const struct view *v, const struct vrv_uuid *id)
{
    for (size_t i = 0; i < v->gone_n; i++)
        if (vrv_uuid_eq(&v->gone[i], id))
            return true;
    return false;
}

/* "<topic id>.<partition>" in "log/ab". */
static int
check_log_dir(struct report *r, const char *top, const struct name *x, struct vrv_err *e)
{
    struct vrv_log_id id = { .partition = 0 };
    struct names l;
    char dir[320];
    char want[VRV_PATH_MAX];

    (void)snprintf(dir, sizeof(dir), "%.8s/%.200s", top, x->name);
    bool ok = x->is_dir && vrv_uuid_parse(&id.topic, x->name) && x->name[VRV_UUID_TEXT] == '.';
    if (ok)
        id.partition = (int32_t)strtol(x->name + VRV_UUID_TEXT + 1, NULL, 10);
    vrv_log_dir(&id, want);
    if (!ok || strcmp(dir, want) != 0) {
        tell(r, DAMAGE_FOREIGN, top, x->name, foreign_text);
        return 0;
    }
    struct view_log *vl = view_find(&r->view, &id);
    if (vl == NULL && is_gone(&r->view, &id.topic)) {
        tell(r, DAMAGE_NOTE, top, x->name, "of a deleted topic; it goes at the next start");
        return 0;
    }
    if (vl == NULL) {
        if (r->view.whole)
            tell(r, DAMAGE_FOREIGN, top, x->name, "there is no such topic or partition");
        return 0;
    }
    int rc = names_get(r, dir, &l, e);
    for (size_t i = 0; i < l.n && rc == 0; i++)
        check_file(r, dir, vl, &l.v[i]);
    names_fini(&l);
    return rc;
}

static bool
is_hex_pair(const char *name)
{
    return strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2;
}

int
verify_names(struct report *r, struct vrv_err *e)
{
    struct names tops;
    int rc = names_get(r, "log", &tops, e);

    for (size_t i = 0; i < tops.n && rc == 0; i++) {
        struct names l;
        char top[300];

        if (!tops.v[i].is_dir || !is_hex_pair(tops.v[i].name)) {
            tell(r, DAMAGE_FOREIGN, "log", tops.v[i].name, foreign_text);
            continue;
        }
        (void)snprintf(top, sizeof(top), "log/%.2s", tops.v[i].name);
        rc = names_get(r, top, &l, e);
        for (size_t k = 0; k < l.n && rc == 0; k++)
            rc = check_log_dir(r, top, &l.v[k], e);
        names_fini(&l);
    }
    names_fini(&tops);
    return rc;
}
