/* Checking a whole data directory; what is found is kept for repair. */
#ifndef VRV_TOOL_VERIFY_H
#define VRV_TOOL_VERIFY_H

#include "engine/seg/seg.h"
#include "server/tool/progress.h"
#include "server/tool/view.h"

enum damage_kind {
    DAMAGE_META,    /* catalog, checkpoint, WAL: recovery refuses */
    DAMAGE_TORN,    /* a metadata log ends in what recovery cuts, after a clean stop */
    DAMAGE_DATA,    /* batches of a segment */
    DAMAGE_MISSING, /* all of them: the file is not there */
    DAMAGE_INDEX,   /* can be made anew */
    DAMAGE_FOREIGN, /* a name that doesn't belong */
    DAMAGE_NOTE,    /* worth telling, nothing wrong */
};

struct damage {
    enum damage_kind kind;
    struct view_log *log; /* NULL: of no partition */
    struct vrv_seg *seg;  /* of that log */
    char path[320];
    int64_t pos;          /* byte in the file, -1: all of it */
    int64_t from, to;     /* offsets concerned, to is not one of them; from == to: none, or how
                           * many isn't known: of a foreign file of that log */
    char text[248];
};

struct report {
    struct tool *t;
    bool quiet;           /* print nothing */
    struct view view;
    struct progress bar;
    struct damage *v;     /* notes are not kept */
    size_t n, cap;
    uint64_t segments, batches, bytes, notes;
};

/* Fill and print it; or quietly, without a word.  Errors are those that made the check itself
 * impossible. */
int report_make(struct report *r, struct tool *t, bool quiet, struct vrv_err *e) VRV_MUST_CHECK;
void report_fini(struct report *r);
/* Add what was found, and print it. */
void report_add(struct report *r, const struct damage *d);

/* The parts of it. */
int verify_log(struct report *r, struct view_log *vl, struct vrv_err *e) VRV_MUST_CHECK;
int verify_names(struct report *r, struct vrv_err *e) VRV_MUST_CHECK;
/* verify_meta.c: what recovery cuts. */
int verify_cuts(struct report *r, struct vrv_err *e) VRV_MUST_CHECK;
/* The newest file of the metadata log in `dir`; an empty string when there is none. */
int meta_newest(struct vrv_vfs *vfs, const char *dir, char path[64], struct vrv_err *e)
    VRV_MUST_CHECK;
/* Names in the directory itself and its metadata; those that don't belong are hidden in the
 * overlay, so that recovery can go on without them. */
int verify_root(struct report *r, struct vrv_err *e) VRV_MUST_CHECK;

#endif
