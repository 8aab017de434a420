/* varve log: its options, and opening what it works on. */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/engine_int.h"
#include "server/tool/args.h"
#include "server/tool/commands.h"
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

/* ---- the command ---- */

struct sub {
    const char *name;
    int (*run)(struct tool *t, struct vrv_err *e);
    bool opens_engine;
};

static const struct sub subs[] = {
    { "ls", tool_ls, true },
    { "stat", tool_stat, true },
    { "dump", tool_dump, true },
    { "verify", tool_verify, false },
    { "repair", tool_repair, false },
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
read_args(struct tool *t, struct args *a, struct vrv_err *e)
{
    int64_t partition = 0;
    const struct arg common[] = { { "json", 0, ARG_FLAG, &t->out.json }, { NULL, 0, 0, NULL } };
    const struct arg none[] = { { NULL, 0, 0, NULL } };
    const struct arg stat[] = { { "partitions", 'p', ARG_FLAG, &t->parts }, { NULL, 0, 0, NULL } };
    const struct arg repair[] = { { "yes", 0, ARG_FLAG, &t->yes }, { NULL, 0, 0, NULL } };
    const struct arg dump[] = {
        { "topic", 0, ARG_WORD, &t->topic },
        { "partition", 0, ARG_NUMBER, &partition },
        { "from", 0, ARG_NUMBER, &t->from },
        { "to", 0, ARG_NUMBER, &t->to },
        { "records", 0, ARG_FLAG, &t->records },
        { NULL, 0, 0, NULL },
    };
    bool is_stat = strcmp(t->sub, "stat") == 0, is_dump = strcmp(t->sub, "dump") == 0;
    bool is_repair = strcmp(t->sub, "repair") == 0;
    int rc = args_parse(a, is_stat ? stat : is_dump ? dump : is_repair ? repair : none, common, e);

    if (rc == 0)
        rc = args_want(a, 1, 1, "a data directory", e);
    if (rc == 0 && partition > INT32_MAX)
        return args_misuse(a, e, "--partition wants a whole number up to %" PRId32, INT32_MAX);
    if (rc == 0 && t->from > t->to)
        return args_misuse(a, e, "--from %" PRId64 " lies behind --to %" PRId64, t->from, t->to);
    t->partition = (int32_t)partition;
    t->path = rc == 0 ? a->v[0] : NULL;
    return rc;
}

static int
run(struct tool *t, const struct sub *sub, struct vrv_err *e)
{
    int rc;

    if (strcmp(sub->name, "dump") == 0 && is_file(t->path))
        return tool_dump_file(t, e);
    rc = open_dir(t, e);
    if (rc == 0 && sub->opens_engine)
        rc = tool_open_engine(t, e);
    return rc == 0 ? sub->run(t, e) : rc;
}

int
cmd_log(int argc, char **argv)
{
    struct tool t = { .to = INT64_MAX, .out = { .f = stdout } };
    const struct sub *sub = argc > 1 ? find_sub(argv[1]) : NULL;
    struct vrv_err e = { 0 };
    char cmd[20];
    int rc;

    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)) {
        (void)fputs(usage, stdout);
        return 0;
    }
    if (sub != NULL) {
        (void)snprintf(cmd, sizeof(cmd), "log %s", sub->name);
        struct args a = { .cmd = cmd, .help = usage, .n = argc - 1, .v = argv + 1 };
        t.sub = sub->name;
        rc = read_args(&t, &a, &e);
        out_colours(&t.out);
        if (rc == 0)
            rc = run(&t, sub, &e);
    } else {
        rc = args_sub_misuse("log", argc > 1 ? argv[1] : NULL, &e);
    }
    if (rc < 0 && e.msg[0] != '\0')
        tool_say("%s", e.msg);
    close_all(&t);
    return rc < 0 ? vrv_err_exit(rc) : 0;
}
