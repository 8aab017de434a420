/* varve log: its options, and opening what it works on. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/engine_int.h"
#include "server/tool/overlay.h"
#include "server/tool/tool.h"

static const char usage[] =
    "usage: varve log ls DIR                    partitions and their offsets\n"
    "       varve log stat [-p] DIR             totals, and what recovery finds; -p: segments\n"
    "       varve log dump --topic T [--partition P] [--from O] [--to O] [--records] DIR\n"
    "       varve log dump [--records] FILE     a .log, .index or .wal file\n"
    "       varve log verify DIR                check everything; exit code 65: damage\n"
    "       varve log repair [--yes] DIR        verify, ask, and mend\n"
    "All take --json: one object per line.  Nothing but repair changes anything.\n";

/* ---- opening ---- */

static int
check_is_ours(struct tool *t, struct vrv_err *e)
{
    struct vrv_file *f = NULL;
    int rc = vrv_vfs_open(t->below, "FORMAT", 0, &f, e);

    vrv_file_close(&f);
    if (rc == VRV_E_NOTFOUND)
        return vrv_err_set(e, VRV_E_FOREIGN,
            "%.160s is not a data directory of varve: it has no file FORMAT", t->path);
    return rc;
}

/* Repair's lock is the engine's, which excludes those who only look, too. */
static int
lock_to_change(struct tool *t, struct vrv_err *e)
{
    struct vrv_err why = { 0 };
    int rc = vrv_vfs_lock(t->below, "LOCK", &t->lock, &why);

    if (rc == VRV_E_LOCKED)
        return vrv_err_set(e, rc, "%.200s: stop it first", why.msg);
    if (rc < 0)
        *e = why;
    return rc;
}

static bool
is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* The directory, shared with nobody who writes: below, vfs and lock.  NOTFOUND, FOREIGN (not a data
 * directory), LOCKED. */
static int
open_dir(struct tool *t, struct vrv_err *e)
{
    if (is_file(t->path))
        return vrv_err_set(e, VRV_E_FOREIGN, "%.160s is not a directory", t->path);
    int rc = vrv_vfs_posix(t->path, false, &t->below, e);
    if (rc == 0)
        rc = check_is_ours(t, e);
    if (rc == 0 && strcmp(t->sub, "repair") == 0)
        rc = lock_to_change(t, e);
    else if (rc == 0)
        rc = overlay_lock(t->below, "LOCK", &t->lock, e);
    if (rc == 0)
        t->vfs = overlay_new(t->below);
    return rc;
}

int
tool_open_engine(struct tool *t, struct vrv_err *e)
{
    struct vrv_engine_opts o;

    vrv_engine_opts_default(&o);
    o.vfs = t->vfs;
    o.random = 1;
    o.wal_direct = false;
    o.disk_reserve_bytes = 0;
    return vrv_engine_open(&t->eng, &o, &t->found, e);
}

void
tool_forget(struct tool *t)
{
    vrv_engine_abandon(&t->eng);
    vrv_vfs_close(&t->vfs);
    t->vfs = overlay_new(t->below);
}

static void
close_all(struct tool *t)
{
    vrv_engine_abandon(&t->eng);
    vrv_vfs_close(&t->vfs);
    vrv_file_close(&t->lock);
    vrv_vfs_close(&t->below);
}

struct each {
    struct tool *t;
    tool_part_fn *fn;
    void *ctx;
    struct vrv_err *e;
};

static int
each_topic(void *ctx, const struct vrv_topic_info *info)
{
    struct each *x = ctx;
    int rc = 0;

    for (int32_t p = 0; p < info->partitions && rc == 0; p++) {
        struct vrv_log_id id = { info->id, p };
        struct vrv_log *log = vrv_engine_log(x->t->eng, &id);

        if (log != NULL)
            rc = x->fn(x->ctx, info->name, log, x->e);
    }
    return rc;
}

int
tool_each_part(struct tool *t, tool_part_fn *fn, void *ctx, struct vrv_err *e)
{
    struct each x = { t, fn, ctx, e };

    return vrv_catalog_each(vrv_engine_catalog(t->eng), each_topic, &x);
}

/* ---- options ---- */

/* Letters, so that a subcommand can list those that it takes. */
enum {
    OPT_TOPIC = 't', OPT_FROM = 'f', OPT_TO = 'u', OPT_RECORDS = 'r', OPT_JSON = 'j', OPT_YES = 'y',
    OPT_PARTITION = 'n', OPT_PARTITIONS = 'p',
};

static const struct option options[] = {
    { "topic", required_argument, NULL, OPT_TOPIC },
    { "partition", required_argument, NULL, OPT_PARTITION },
    { "partitions", no_argument, NULL, OPT_PARTITIONS },
    { "from", required_argument, NULL, OPT_FROM },
    { "to", required_argument, NULL, OPT_TO },
    { "records", no_argument, NULL, OPT_RECORDS },
    { "json", no_argument, NULL, OPT_JSON },
    { "yes", no_argument, NULL, OPT_YES },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static int
number(const char *what, const char *text, int64_t max, int64_t *out)
{
    char *end;

    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0' || errno != 0 || v < 0 || v > max) {
        tool_say("--%s wants a whole number from 0 on, not \"%s\"", what, text);
        return -1;
    }
    *out = v;
    return 0;
}

static int
set_option(struct tool *t, int opt, int64_t *partition)
{
    switch (opt) {
    case OPT_TOPIC:
        t->topic = optarg;
        return 0;
    case OPT_PARTITION:
        return number("partition", optarg, INT32_MAX, partition);
    case OPT_FROM:
        return number("from", optarg, INT64_MAX, &t->from);
    case OPT_TO:
        return number("to", optarg, INT64_MAX, &t->to);
    case OPT_RECORDS:
        t->records = true;
        return 0;
    case OPT_JSON:
        t->out.json = true;
        return 0;
    case OPT_YES:
        t->yes = true;
        return 0;
    case OPT_PARTITIONS:
        t->parts = true;
        return 0;
    default:
        return -1;
    }
}

struct sub {
    const char *name;
    const char *takes; /* options */
    int (*run)(struct tool *t, struct vrv_err *e);
    bool opens_engine;
};

static const struct sub subs[] = {
    { "ls", "j", tool_ls, true },
    { "stat", "jp", tool_stat, true },
    { "dump", "jtnfur", tool_dump, true },
    { "verify", "j", tool_verify, false },
    { "repair", "jy", tool_repair, false },
};

static const struct sub *
find_sub(const char *name)
{
    for (size_t i = 0; i < sizeof(subs) / sizeof(subs[0]); i++)
        if (strcmp(subs[i].name, name) == 0)
            return &subs[i];
    return NULL;
}

static int
run(struct tool *t, const struct sub *sub)
{
    struct vrv_err e = { 0 };
    int rc;

    if (strcmp(sub->name, "dump") == 0 && is_file(t->path)) {
        rc = tool_dump_file(t, &e);
    } else {
        rc = open_dir(t, &e);
        if (rc == 0 && sub->opens_engine)
            rc = tool_open_engine(t, &e);
        if (rc == 0)
            rc = sub->run(t, &e);
    }
    if (rc < 0 && e.msg[0] != '\0')
        tool_say("%s", e.msg);
    close_all(t);
    return vrv_err_exit(rc);
}

static bool
takes(const struct sub *sub, int opt)
{
    if (strchr(sub->takes, opt) != NULL)
        return true;
    for (const struct option *o = options; o->name != NULL; o++)
        if (o->val == opt)
            tool_say("%s has no option --%s", sub->name, o->name);
    return false;
}

static int
misuse(const char *sub)
{
    tool_say("see varve log --help%s%s", sub != NULL ? " for the options of " : "",
        sub != NULL ? sub : "");
    return vrv_err_exit(VRV_E_INVALID);
}

static int
help(void)
{
    (void)fputs(usage, stdout);
    return 0;
}

int
cmd_log(int argc, char **argv)
{
    struct tool t = { .to = INT64_MAX, .out = { .f = stdout } };
    int64_t partition = 0;
    int opt;

    if (argc < 2)
        return misuse(NULL);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return help();
    const struct sub *sub = find_sub(argv[1]);
    if (sub == NULL) {
        tool_say("varve log has no subcommand \"%s\"", argv[1]);
        return misuse(NULL);
    }
    t.sub = sub->name;
    argc--;
    argv++;
    opterr = 0;
    optind = 1;
    while ((opt = getopt_long(argc, argv, "hp", options, NULL)) != -1) {
        if (opt == 'h')
            return help();
        if (opt == '?')
            tool_say("unknown option \"%s\", or its value is missing", argv[optind - 1]);
        if (opt == '?' || !takes(sub, opt) || set_option(&t, opt, &partition) < 0)
            return misuse(sub->name);
    }
    if (t.from > t.to) {
        tool_say("--from %" PRId64 " lies behind --to %" PRId64, t.from, t.to);
        return misuse(sub->name);
    }
    if (optind + 1 != argc) {
        tool_say("%s wants one %s", sub->name, "data directory");
        return misuse(sub->name);
    }
    t.path = argv[optind];
    t.partition = (int32_t)partition;
    return run(&t, sub);
}
