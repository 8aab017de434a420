/* What recovery cut, without a word: torn ends that a crash leaves, and only a crash. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/tool/verify.h"

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

/* A clean stop has synced all; what is no transaction since then was one, or doesn't belong. */
static int
tell_torn(struct report *r, const char *dir, uint64_t cut, struct vrv_err *e)
{
    struct damage d = { .kind = DAMAGE_TORN };
    struct vrv_file *f = NULL;
    uint64_t size = 0;
    char path[64];
    int rc = cut > 0 ? meta_newest(r->t->below, dir, path, e) : 0;

    if (rc < 0 || cut == 0)
        return rc;
    rc = vrv_vfs_open(r->t->below, path, 0, &f, e);
    if (rc == 0)
        rc = vrv_file_size(f, &size, e);
    vrv_file_close(&f);
    if (rc < 0)
        return rc;
    (void)snprintf(d.path, sizeof(d.path), "%s", path);
    d.pos = (int64_t)(size - cut);
    (void)snprintf(d.text, sizeof(d.text), "the last stop was clean, but recovery has to cut the %"
        PRIu64 " bytes from here on", cut);
    report_add(r, &d);
    return 0;
}

int
verify_cuts(struct report *r, struct vrv_err *e)
{
    const struct vrv_recovery *x = &r->t->found;
    struct damage d = { .kind = DAMAGE_NOTE, .pos = -1 };

    if (x->clean) {
        int rc = tell_torn(r, "meta", x->catalog_cut_bytes, e);
        return rc == 0 ? tell_torn(r, "checkpoint", x->states_cut_bytes, e) : rc;
    }
    if (x->catalog_cut_bytes + x->states_cut_bytes + x->cut_groups == 0)
        return 0;
    (void)snprintf(d.text, sizeof(d.text), "the last stop was not clean: recovery cuts %" PRIu64
        " bytes of meta/, %" PRIu64 " bytes of checkpoint/ and %" PRIu64 " torn groups of wal/",
        x->catalog_cut_bytes, x->states_cut_bytes, x->cut_groups);
    report_add(r, &d);
    return 0;
}
