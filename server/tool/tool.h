/* The command `varve`: what its parts share. */
#ifndef VRV_TOOL_TOOL_H
#define VRV_TOOL_TOOL_H

#include "engine/engine.h"
#include "server/tool/out.h"

struct tool {
    /* what is wanted */
    const char *sub;        /* ls, stat, dump, verify, repair */
    const char *path;       /* a data directory, or (dump) a file */
    const char *topic;      /* dump: by name */
    int32_t partition;
    int64_t from, to;       /* dump: offsets, to is included */
    bool records, parts, yes;
    struct out out;
    /* what was opened */
    struct vrv_vfs *below;  /* the directory itself */
    struct vrv_vfs *vfs;    /* with our changes on top, which stay in memory */
    struct vrv_file *lock;
    struct vrv_engine *eng; /* NULL when it could not be recovered */
    struct vrv_recovery found;
};

/* Errors are negative, the sentence is in *e; main() prints it. */
int tool_ls(struct tool *t, struct vrv_err *e) VRV_MUST_CHECK;
int tool_stat(struct tool *t, struct vrv_err *e) VRV_MUST_CHECK;
int tool_dump(struct tool *t, struct vrv_err *e) VRV_MUST_CHECK;
int tool_dump_file(struct tool *t, struct vrv_err *e) VRV_MUST_CHECK;
int tool_verify(struct tool *t, struct vrv_err *e) VRV_MUST_CHECK;
int tool_repair(struct tool *t, struct vrv_err *e) VRV_MUST_CHECK;

/* The directory's engine, recovered in memory only. */
int tool_open_engine(struct tool *t, struct vrv_err *e) VRV_MUST_CHECK;
/* Forget what recovery did in memory; the next one begins anew. */
void tool_forget(struct tool *t);

/* One batch, and with t->records its records: n bytes at p.  pos < 0: not told. */
int tool_dump_batch(struct tool *t, const uint8_t *p, const struct vrv_batch *b, int64_t pos,
    struct vrv_err *e) VRV_MUST_CHECK;

/* Each partition of each topic, by name. */
typedef int tool_part_fn(void *ctx, const char *topic, struct vrv_log *log, struct vrv_err *e);
int tool_each_part(struct tool *t, tool_part_fn *fn, void *ctx, struct vrv_err *e) VRV_MUST_CHECK;

/* "varve: ..." on standard error. */
void tool_say(const char *fmt, ...) VRV_PRINTF(1, 2);

#endif
