/* varve restore: a server made anew from its store alone. */

#include "engine/os/clock.h"
#include "server/base/random.h"
#include "server/cold/coldstore.h"
#include "server/tool/coldlink.h"
#include "server/tool/commands.h"
#include "server/tool/progress.h"
#include "server/tool/restore.h"

static const char help[] =
    "usage: varve restore [options]    a server made anew from its store, into an empty data directory\n"
    "      --dry-run              only say what would come back, and what would not\n"
    "      --take-over            though its server seems to live: that one loses the store\n"
    "      --accept-loss          though something of it is missing in the store\n"
    COLDLINK_OPTIONS_HELP
    "The data directory is that of the settings (log.dirs); start varved with the same ones then.\n";

enum { THREADS = 8 };

struct wanted {
    bool dry_run, take_over, accept_loss;
};

static void
step(void *ctx, size_t total)
{
    struct progress *p = ctx;

    p->total = total;
    progress_add(p, 1);
}

static int
look(struct coldlink *l, const struct wanted *w, struct vrv_restore *r, struct vrv_revived *groups,
    struct progress *bar, struct vrv_err *e)
{
    struct vrv_restore_opts o = { .store = l->store, .clock = vrv_clock_real(),
        .call_ms = l->timeout_ms, .gone = w->take_over, .threads = THREADS, .progress = step, .ctx = bar };
    int rc = vrv_random(&o.random, sizeof(o.random), e);

    if (rc < 0)
        return rc;
    progress_begin_count(bar, 0, "partitions");
    rc = vrv_restore_look(r, &o, e);
    progress_clear(bar);
    if (rc < 0)
        return vrv_err_prefix(e, rc, "%s", l->what);
    return vrv_revive_count(r, groups, e);
}

static int
check_loss(const struct wanted *w, const struct vrv_restore *r, struct vrv_err *e)
{
    if (r->bad + r->lacking == 0 || w->accept_loss)
        return 0;
    return vrv_err_set(e, VRV_E_CORRUPT, "of %u partitions something is missing in the store, as told above: "
        "--accept-loss restores what is left", r->bad + r->lacking);
}

static void
show_done(struct out *o, const char *dir, const struct vrv_restore *r)
{
    if (o->json) {
        out_begin(o, "restored");
        out_str(o, "data", dir);
        out_uint(o, "owner", r->owner);
        out_end(o);
    } else {
        (void)fprintf(o->f, "%s is whole; the store is now its server's: start varved\n", dir);
    }
}

static int
restore(struct coldlink *l, const struct wanted *w, struct vrv_restore *r, struct vrv_err *e)
{
    struct vrv_revived groups;
    struct progress bar;
    int rc = look(l, w, r, &groups, &bar, e);

    if (rc < 0)
        return rc;
    restore_show(&l->out, r, &groups);
    rc = check_loss(w, r, e);
    if (rc < 0 || w->dry_run) {
        if (rc == 0 && !l->out.json)
            (void)fprintf(l->out.f, "nothing was changed\n");
        return rc;
    }
    progress_begin_count(&bar, 0, "partitions");
    rc = vrv_revive(r, l->config, &groups, e);
    progress_clear(&bar);
    if (rc == 0)
        show_done(&l->out, l->config->data_dir, r);
    return rc;
}

static int
run(struct coldlink *l, struct args *a, struct vrv_err *e)
{
    struct wanted w = { .dry_run = false };
    const struct arg own[] = {
        { "dry-run", 0, ARG_FLAG, &w.dry_run },
        { "take-over", 0, ARG_FLAG, &w.take_over },
        { "accept-loss", 0, ARG_FLAG, &w.accept_loss },
        { NULL, 0, 0, NULL },
    };
    struct vrv_restore r = { .part_n = 0 };
    int rc = coldlink_args(l, a, own, e);

    if (rc == 0)
        rc = args_want(a, 0, 0, "the options", e);
    if (rc == 0)
        rc = coldlink_open(l, e);
    if (rc != 0)
        return rc;
    rc = restore(l, &w, &r, e);
    vrv_restore_fini(&r);
    return rc;
}

int
cmd_restore(int argc, char **argv)
{
    static const struct coldlink_cmd cmd = { "restore", help, run };

    return coldlink_main(&cmd, argc, argv);
}
