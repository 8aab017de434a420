/* varve log repair: verify, say what would be done and lost, ask, do it; and again, until nothing
 * is found. */
#include "server/tool/repair.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/meta/metalog.h"

enum { ROUNDS_MAX = 4 };

static bool
is_data(const struct damage *d)
{
    return d->kind == DAMAGE_DATA || d->kind == DAMAGE_MISSING;
}

/* Another damage before this one is mended in the same stroke. */
static bool
goes_along(const struct report *r, const struct damage *d)
{
    bool sealed = d->seg != NULL && d->seg->state == VRV_SEG_SEALED;

    for (size_t i = 0; i < r->n; i++) {
        const struct damage *o = &r->v[i];

        if (o == d && d->kind != DAMAGE_INDEX)
            return false;
        if (o != d && is_data(o) && d->log == o->log && d->seg != NULL &&
            (d->seg == o->seg || (!sealed && o->seg->state != VRV_SEG_SEALED)))
            return true;
    }
    return false;
}

/* Records in what recovery doesn't know are nobody's any more. */
static void
tell_foreign(const struct report *r, const struct damage *d, char *out, size_t n)
{
    struct vrv_file *f = NULL;
    uint64_t size = 0;

    (void)snprintf(out, n, "move it aside%s",
        strncmp(d->path, "log/", 4) == 0 ? "; any records in it are LOST" : "");
    if (d->log == NULL)
        return;
    if (strcmp(strrchr(d->path, '.'), ".log") != 0) {
        (void)snprintf(out, n, "move it aside; there are no records in it");
        return;
    }
    if (vrv_vfs_open(r->t->below, d->path, 0, &f, NULL) == 0 && vrv_file_size(f, &size, NULL) == 0)
        (void)snprintf(out, n, "move it aside; its offsets, from %" PRId64
            " on, are LOST (%" PRIu64 " bytes)", d->from, size);
    vrv_file_close(&f);
}

static bool
is_tiered(const struct view_log *vl)
{
    struct vrv_log_config *c = vrv_log_config_ref(vl->log);
    bool tiered = c->tiered;

    vrv_log_config_unref(c);
    return tiered;
}

/* What is to be done with damage d, for people; false: it is done along with another one. */
static bool
tells(const struct report *r, const struct damage *d, char *out, size_t n)
{
    bool along = goes_along(r, d);

    switch (d->kind) {
    case DAMAGE_FOREIGN:
        tell_foreign(r, d, out, n);
        break;
    case DAMAGE_TORN:
        (void)snprintf(out, n, "cut it at byte %" PRId64
            ": the transactions of metadata behind are LOST", d->pos);
        break;
    case DAMAGE_INDEX:
        (void)snprintf(out, n, "make the index anew; nothing is lost");
        break;
    case DAMAGE_DATA:
    case DAMAGE_MISSING:
        if (d->from < d->to)
            (void)snprintf(out, n, "%s; offsets %" PRId64 " to %" PRId64
                " are LOST (at most %" PRId64 " records)%s",
                d->kind == DAMAGE_DATA ? "keep the whole batches" : "forget the segment", d->from,
                d->to - 1, d->to - d->from, is_tiered(d->log)
                    ? "; what the store has too, `varve scrub --full --heal` keeps: run that first" : "");
        else
            (void)snprintf(out, n, "keep all whole batches, as they are now");
        along = along && d->from >= d->to;
        break;
    default:
        (void)snprintf(out, n, "later: what does not belong goes first");
    }
    return !along;
}

/* round: 1, what is done after the next answer; 2, after the one that follows. */
static void
print_line(struct tool *t, int round, const char *path, const char *text)
{
    struct out *o = &t->out;

    if (o->json) {
        out_begin(o, "plan");
        out_int(o, "round", round);
        out_bytes(o, "file", path, (int64_t)strlen(path));
        out_str(o, "text", text);
        out_end(o);
        return;
    }
    (void)fputs(round == 1 ? "repair: " : "then: ", o->f);
    out_text(o->f, path, strlen(path));
    (void)fprintf(o->f, ": %s\n", text);
}

static void
print_plan(const struct report *r, int round)
{
    char text[256];

    for (size_t i = 0; i < r->n; i++) {
        const struct damage *d = &r->v[i];

        if (!tells(r, d, text, sizeof(text)))
            continue;
        print_line(r->t, round, d->path, text);
    }
}

static int
ask(struct tool *t, struct vrv_err *e)
{
    char answer[16];

    if (!t->out.json)
        (void)fprintf(t->out.f, "After this all is verified again; what is found then is a further "
            "round%s.\n", t->yes ? "" : ", which asks again");
    if (t->yes)
        return 0;
    if (isatty(STDIN_FILENO) != 1)
        return vrv_err_set(e, VRV_E_INVALID,
            "nothing was changed: there is no terminal to ask at; give --yes to have it done");
    (void)fflush(stdout);
    (void)fputs("Do this? Damaged files are kept beside the directory. [y/N] ", stderr);
    if (fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y'))
        return 0;
    return vrv_err_set(e, VRV_E_CANCELLED, "nothing was changed");
}

static int
mend_torn(struct mend *m, const struct damage *d, struct vrv_err *e)
{
    int rc = mend_copy(m, d->path, e);

    return rc == 0 ? cut_file(m->vfs, d->path, (uint64_t)d->pos, e) : rc;
}

static int
mend_one(struct mend *m, const struct report *r, const struct damage *d, struct vrv_err *e)
{
    bool sealed = d->seg != NULL && d->seg->state == VRV_SEG_SEALED;

    if (d->kind == DAMAGE_FOREIGN)
        return mend_move(m, d->path, e);
    if (d->kind == DAMAGE_TORN)
        return mend_torn(m, d, e);
    if (d->kind == DAMAGE_META || goes_along(r, d))
        return 0;
    if (d->kind == DAMAGE_INDEX)
        return mend_index(m, d, e);
    return sealed ? mend_sealed(m, d, e) : mend_unsealed(m, d->log, e);
}

/* The metadata log doesn't open beside foreign files, and cuts its torn end when it is opened. */
static bool
goes_first(const struct damage *d)
{
    return d->kind == DAMAGE_FOREIGN || d->kind == DAMAGE_TORN;
}

static int
mend_all(struct mend *m, const struct report *r, struct vrv_err *e)
{
    uint64_t cut;
    int rc = 0;

    for (size_t i = 0; i < r->n && rc == 0; i++)
        if (goes_first(&r->v[i]))
            rc = mend_one(m, r, &r->v[i], e);
    if (rc == 0 && r->view.whole)
        rc = vrv_metalog_open(&m->states, m->vfs, "checkpoint", &cut, e);
    for (size_t i = 0; i < r->n && rc == 0 && r->view.whole; i++)
        if (!goes_first(&r->v[i]))
            rc = mend_one(m, r, &r->v[i], e);
    return rc;
}

static const struct damage *
first(const struct report *r, enum damage_kind kind)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].kind == kind)
            return &r->v[i];
    return NULL;
}

static void
say_aside(const struct mend *m)
{
    if (m->aside_name != NULL && !m->t->out.json)
        (void)fprintf(m->t->out.f, "kept beside the directory: %s\n", m->aside_name);
}

/* What the cuts leave without an owner is known before anything is done: in memory they were. */
static int
print_cuts(struct tool *t, const struct cuts *x, struct vrv_err *e)
{
    struct report r;

    for (size_t i = 0; i < x->n; i++)
        print_line(t, 1, x->v[i].path, x->v[i].text);
    vrv_engine_abandon(&t->eng);
    int rc = report_make(&r, t, true, e);
    if (rc == 0)
        print_plan(&r, 2);
    report_fini(&r);
    return rc;
}

static int
do_cuts(struct tool *t, const struct cuts *x, struct vrv_err *e)
{
    struct mend m;
    int rc = print_cuts(t, x, e);

    if (rc == 0)
        rc = ask(t, e);
    if (rc < 0)
        return rc;
    rc = mend_open(&m, t, e);
    if (rc == 0)
        rc = cuts_do(x, &m, e);
    say_aside(&m);
    mend_close(&m);
    return rc;
}

/* `why` is what recovery says, with the file's name. */
static int
give_up(struct tool *t, const struct cuts *x, const char *why, struct vrv_err *e)
{
    char text[300];

    if (e->code != VRV_E_CORRUPT && e->code != VRV_E_FOREIGN)
        return vrv_err_prefix(e, e->code, "nothing was changed");
    (void)snprintf(text, sizeof(text), "to cut it would not help: %s", e->msg);
    if (x->n > 0)
        print_line(t, 1, x->v[0].path, text);
    return vrv_err_set(e, VRV_E_CORRUPT, "nothing was changed, this can't be mended: %.110s; "
        "restore the directory from a backup, or read whole segments with varve log dump FILE",
        why);
}

/* Metadata or the WAL keep the directory from being recovered. */
static int
repair_meta(struct tool *t, const char *why, struct vrv_err *e)
{
    struct cuts x;
    int rc = cuts_find(&x, t, e);

    rc = rc == 0 ? do_cuts(t, &x, e) : give_up(t, &x, why, e);
    cuts_fini(&x);
    return rc;
}

static int
repair_found(struct tool *t, const struct report *r, struct vrv_err *e)
{
    struct mend m;

    print_plan(r, 1);
    int rc = ask(t, e);
    if (rc < 0)
        return rc;
    rc = mend_open(&m, t, e);
    if (rc == 0)
        rc = mend_all(&m, r, e);
    say_aside(&m);
    mend_close(&m);
    return rc;
}

/* One round.  1: something was done; 0: nothing is to do. */
static int
repair_round(struct tool *t, struct vrv_err *e)
{
    struct report r;
    int rc = report_make(&r, t, false, e);
    bool found = rc == 0 && r.n > 0;
    const struct damage *meta = first(&r, DAMAGE_META);
    char why[sizeof(meta->text)] = "";

    if (meta != NULL && first(&r, DAMAGE_FOREIGN) == NULL)
        memcpy(why, meta->text, sizeof(why));
    else if (found)
        rc = repair_found(t, &r, e);
    report_fini(&r);
    if (found && why[0] != '\0')
        rc = repair_meta(t, why, e);
    return rc < 0 ? rc : found;
}

int
tool_repair(struct tool *t, struct vrv_err *e)
{
    int rc = 1;

    for (int round = 0; rc > 0 && round < ROUNDS_MAX; round++) {
        tool_forget(t);
        rc = repair_round(t, e);
    }
    return rc > 0 ? vrv_err_set(e, VRV_E_CORRUPT, "there is still damage after %d repairs",
                        ROUNDS_MAX) : rc;
}
