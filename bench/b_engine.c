/* Benchmarks of the engine, one measurement per run; run.sh makes a table of many.  README.md
 * says what each measures and against what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

static const struct {
    const char *name;
    void (*run)(const struct opts *o);
    const char *what;
} commands[] = {
    { "append", run_append, "appends, sustained" },
    { "append-limit", run_append_limit, "its limit: plain writes beside a stream of syncs" },
    { "floor", run_floor, "CPU of each unavoidable step" },
    { "latency", run_latency, "appends at a fixed rate, open loop" },
    { "latency-limit", run_latency_limit, "its limit: synced writes at a fixed rate" },
    { "tail", run_tail, "a reader that follows a writer" },
    { "fill", run_fill, "make data for `read`" },
    { "read", run_read, "read what `fill` made: --mode" },
    { "recover", run_recover, "kill -9 with a full WAL, then open" },
    { "idle", run_idle, "memory and time of doing nothing" },
    { "sync", run_sync, "synced writes one after another" },
    { "loopback", run_loopback, "TCP over loopback, to the first core" },
    { "sendfile", run_sendfile, "the page cache to a loopback socket, from the first core" },
    { "settle", run_settle, "fill free memory with page cache first" },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

enum kind { TEXT, SIZE, REAL, INT, MS, FLAG };

static struct opts o = { .dir = "bench.data", .policy = "sync", .mode = "", .record = 1024,
    .batch = 16384, .parts = 1, .rate = 1000, .seconds = 5, .max_seconds = 60, .gib = 1 };

static const struct {
    const char *name;
    enum kind kind;
    void *at;
} options[] = {
    { "dir", TEXT, &o.dir }, { "name", TEXT, &o.name }, { "mode", TEXT, &o.mode },
    { "policy", TEXT, &o.policy }, { "record", SIZE, &o.record }, { "batch", SIZE, &o.batch },
    { "parts", INT, &o.parts }, { "inflight", SIZE, &o.inflight }, { "rate", REAL, &o.rate },
    { "seconds", REAL, &o.seconds }, { "max-seconds", REAL, &o.max_seconds },
    { "wal-mb", SIZE, &o.wal_mb }, { "memory-mb", SIZE, &o.memory_mb },
    { "checkpoint-ms", MS, &o.checkpoint_ms }, { "gib", REAL, &o.gib }, { "bytes", SIZE, &o.bytes },
    { "chunk", SIZE, &o.chunk }, { "group", SIZE, &o.group }, { "groups", SIZE, &o.groups },
    { "json", FLAG, &o.json }, { "pin", FLAG, &o.pin },
};

enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

static void
usage(FILE *f)
{
    (void)fputs("usage: b_engine COMMAND [--option=value...]\n", f);
    for (size_t i = 0; i < COMMANDS; i++)
        (void)fprintf(f, "  %-15s %s\n", commands[i].name, commands[i].what);
    (void)fputs("options:", f);
    for (size_t i = 0; i < OPTIONS; i++)
        (void)fprintf(f, " --%s", options[i].name);
    (void)fputc('\n', f);
}

static void
set(size_t i, const char *value)
{
    char *end = NULL;
    /* Sizes may come from another run's figures, which have an exponent. */
    double v = value != NULL ? strtod(value, &end) : 0;

    if (options[i].kind != FLAG && (value == NULL || *value == '\0'))
        die("--%s wants a value", options[i].name);
    if (options[i].kind > TEXT && options[i].kind < FLAG && (*end != '\0' || v < 0))
        die("--%s=%s is not a number", options[i].name, value);
    switch (options[i].kind) {
    case TEXT: *(const char **)options[i].at = value; break;
    case SIZE: *(size_t *)options[i].at = (size_t)v; break;
    case REAL: *(double *)options[i].at = v; break;
    case INT: *(int *)options[i].at = (int)v; break;
    case MS: *(int64_t *)options[i].at = (int64_t)v; break;
    case FLAG: *(bool *)options[i].at = true; break;
    }
}

static void
parse(const char *arg)
{
    size_t n = strcspn(arg, "=");

    for (size_t i = 0; i < OPTIONS && strncmp(arg, "--", 2) == 0; i++)
        if (strlen(options[i].name) == n - 2 && strncmp(arg + 2, options[i].name, n - 2) == 0) {
            set(i, arg[n] == '=' ? arg + n + 1 : NULL);
            return;
        }
    usage(stderr);
    exit(2);
}

int
main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    for (int i = 2; i < argc; i++)
        parse(argv[i]);
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            if (o.name == NULL)
                o.name = argv[1];
            commands[i].run(&o);
            return 0;
        }
    usage(stderr);
    return 2;
}
