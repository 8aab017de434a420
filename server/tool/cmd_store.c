/* varve store check: is a store one that varve can rely on? */
#include <inttypes.h>
#include <string.h>

#include "engine/os/clock.h"
#include "server/base/random.h"
#include "server/tool/coldlink.h"
#include "server/tool/commands.h"
#include "server/tool/progress.h"
#include "server/tool/stop.h"
#include "server/tool/tool.h"
#include "tiering/check/check.h"

static const char help[] =
    "usage: varve store check [options]    try on a store all that varve relies on, and how fast it is\n"
    "      --rounds N             of the race for a name (32)\n"
    "      --writers N            in it, at once (16)\n"
    "      --load MIB             size of the object that throughput is measured with (64); 0: measure nothing\n"
    COLDLINK_OPTIONS_HELP
    "It writes below check/ there, and nothing of that is left at the end, also after Ctrl-C.\n";

enum { ROUNDS = 32, ROUNDS_MAX = 3000, WRITERS = 16, WRITERS_MAX = 64, LOAD_MIB = 64, LOAD_MIB_MAX = 1024 };

struct wanted {
    int64_t rounds, writers, load_mib;
};

struct store_check {
    struct coldlink *l;
    struct progress bar;
};

/* ---- what is told ---- */

static void
begins(void *ctx, const char *name)
{
    struct store_check *s = ctx;
    const struct coldlink *l = s->l;

    progress_clear(&s->bar);
    if (!l->out.json && l->out.colours) {
        (void)fprintf(l->out.f, "...     %s", name);
        (void)fflush(l->out.f);
    }
}

static void
show_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct store_check *s = ctx;

    if (done == 0)
        progress_begin(&s->bar, total);
    progress_add(&s->bar, done - s->bar.done);
}

static bool
stops(void *ctx)
{
    (void)ctx;
    return stop_asked();
}

static void
show_json(struct out *o, const struct vrv_check_line *line)
{
    static const char *const results[] = { [VRV_CHECK_OK] = "ok", [VRV_CHECK_NOTE] = "note",
        [VRV_CHECK_FAILED] = "failed" };

    out_begin(o, "check");
    out_str(o, "name", line->name);
    out_str(o, "result", results[line->result]);
    out_bytes(o, "text", line->text, (int64_t)strlen(line->text));
    for (unsigned i = 0; i < line->figure_n; i++)
        out_int(o, line->figure[i].name, line->figure[i].value);
    out_end(o);
}

static void
show_text(struct out *o, const struct vrv_check_line *line)
{
    static const struct {
        enum out_colour colour;
        const char *word;
    } results[] = { [VRV_CHECK_OK] = { OUT_GREEN, "ok      " }, [VRV_CHECK_NOTE] = { OUT_YELLOW, "note    " },
        [VRV_CHECK_FAILED] = { OUT_RED, "FAILED  " } };

    if (o->colours)
        (void)fputs("\r\033[K", o->f); /* what begins() has told */
    out_paint(o, results[line->result].colour, results[line->result].word);
    (void)fprintf(o->f, "%-12s", line->name);
    out_shown(o->f, line->text, strlen(line->text));
    (void)fputc('\n', o->f);
    (void)fflush(o->f);
}

static void
show(void *ctx, const struct vrv_check_line *line)
{
    struct store_check *s = ctx;
    struct out *o = &s->l->out;

    progress_clear(&s->bar);
    if (o->json)
        show_json(o, line);
    else
        show_text(o, line);
}

static void
show_sum(struct coldlink *l, const struct vrv_check_counts *n)
{
    struct out *o = &l->out;

    if (o->json) {
        out_begin(o, "store");
        out_bytes(o, "store", l->what, (int64_t)strlen(l->what));
        out_uint(o, "ok", n->ok);
        out_uint(o, "notes", n->notes);
        out_uint(o, "failed", n->failed);
        out_bool(o, "interrupted", n->interrupted);
        out_end(o);
        return;
    }
    if (n->interrupted)
        out_paint(o, OUT_YELLOW, "interrupted\n");
    else if (n->failed > 0)
        out_paint(o, OUT_RED, "varve can't rely on this store: see above\n");
    else
        out_paint(o, OUT_GREEN, n->notes > 0 ? "varve can use this store; see the notes above\n"
                                             : "varve can use this store\n");
}

/* ---- the command ---- */

static int
check(struct coldlink *l, const struct wanted *w, struct vrv_err *e)
{
    struct store_check s = { .l = l };
    struct vrv_check_opts o = { .store = l->store, .clock = vrv_clock_real(), .call_ms = l->timeout_ms,
        .rounds = (unsigned)w->rounds, .writers = (unsigned)w->writers,
        .load_bytes = (uint64_t)w->load_mib << 20, .begins = begins, .line = show,
        .progress = show_progress, .stops = stops, .ctx = &s };
    struct vrv_check_counts counts;
    int rc = vrv_random(&o.random, sizeof(o.random), e);

    if (rc < 0)
        return rc;
    if (!l->out.json)
        (void)fprintf(l->out.f, "%s\n", l->what);
    rc = vrv_check(&o, &counts, e);
    show_sum(l, &counts);
    if (rc < 0)
        e->msg[0] = '\0'; /* it was told */
    return rc;
}

static int
check_options(const struct args *a, const struct wanted *w, struct vrv_err *e)
{
    if (w->rounds < 1 || w->rounds > ROUNDS_MAX)
        return args_misuse(a, e, "--rounds wants 1 to %d", ROUNDS_MAX);
    if (w->writers < 2 || w->writers > WRITERS_MAX)
        return args_misuse(a, e, "--writers wants 2 to %d", WRITERS_MAX);
    if (w->load_mib > LOAD_MIB_MAX)
        return args_misuse(a, e, "--load wants up to %d MiB", LOAD_MIB_MAX);
    return args_want(a, 0, 0, "the options", e);
}

static int
run(struct coldlink *l, struct args *a, struct vrv_err *e)
{
    struct wanted w = { ROUNDS, WRITERS, LOAD_MIB };
    const struct arg own[] = {
        { "rounds", 0, ARG_NUMBER, &w.rounds },
        { "writers", 0, ARG_NUMBER, &w.writers },
        { "load", 0, ARG_NUMBER, &w.load_mib },
        { NULL, 0, 0, NULL },
    };
    int rc = coldlink_args(l, a, own, e);

    if (rc == 0)
        rc = check_options(a, &w, e);
    if (rc == 0)
        rc = coldlink_store(l, e);
    if (rc != 0)
        return rc;
    stop_catch();
    return check(l, &w, e);
}

int
cmd_store(int argc, char **argv)
{
    static const struct coldlink_cmd cmd = { "store check", help, run };
    struct vrv_err e;

    if (argc > 1 && strcmp(argv[1], "check") == 0) {
        int code = coldlink_main(&cmd, argc - 1, argv + 1);
        stop_die();
        return code;
    }
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)) {
        (void)fputs(help, stdout);
        return 0;
    }
    int rc = args_sub_misuse("store", argc > 1 ? argv[1] : NULL, &e);
    tool_say("%s", e.msg);
    return vrv_err_exit(rc);
}
