/*
 * What the commands that look into a store themselves share, without a server: the options that name it, as
 * varved has them, and the store.
 */
#ifndef VRV_TOOL_COLDLINK_H
#define VRV_TOOL_COLDLINK_H

#include "server/config/input.h"
#include "server/tool/args.h"
#include "server/tool/out.h"
#include "tiering/store/sync.h"

struct coldlink {
    /* what is wanted */
    const char *file;         /* a configuration, */
    struct words options;     /* and what wins over it: "KEY=VALUE" */
    int64_t timeout_ms;       /* for one call to the store, with its attempts */
    struct out out;
    /* what was opened */
    struct vrv_config_input input;
    struct vrv_config *config;
    struct vrv_store *store;
    struct vrv_sync sync;     /* for the thread that opened it */
    bool syncs;
    char what[256];           /* the store, for people: "directory /srv/cold" */
};

/* `varve NAME ...`; the exit code.  run: what it could not do is in *e; without words there it has said so
 * itself. */
struct coldlink_cmd {
    const char *name; /* "tier ls" */
    const char *help;
    int (*run)(struct coldlink *l, struct args *a, struct vrv_err *e);
};
int coldlink_main(const struct coldlink_cmd *cmd, int argc, char **argv);

/* The help of the options that all take. */
#define COLDLINK_OPTIONS_HELP                                                                      \
    "  -c, --config FILE          the settings that varved has, with those of the store\n"         \
    "  -o, --option KEY=VALUE     a setting, which wins over the file: tier.store.url=...\n"       \
    "      --timeout SECONDS      how long the store may take for one call (30)\n"                 \
    "      --json                 one JSON object per line\n"                                      \
    "  -h, --help                 this\n"

/* The command's options and those of all; 0, ARGS_HELP or INVALID. */
int coldlink_args(struct coldlink *l, struct args *a, const struct arg *own, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Settings and store, which nobody has asked anything yet.  A directory must be there. */
int coldlink_store(struct coldlink *l, struct vrv_err *e) VRV_MUST_CHECK;
/* The same, and it has answered when this returns 0. */
int coldlink_open(struct coldlink *l, struct vrv_err *e) VRV_MUST_CHECK;

#endif
