/*
 * varve scrub --heal: what was found wrong with segments in the store, and this disk still has, goes there again;
 * with --full what is damaged here, and whole in the store, leaves this disk.
 *
 * The data directory is the server's, which is stopped: it is locked from open to close.
 */
#ifndef VRV_TOOL_SCRUB_HEAL_H
#define VRV_TOOL_SCRUB_HEAL_H

#include "server/tool/coldlink.h"
#include "server/tool/progress.h"
#include "tiering/scrub/scrub.h"

struct scrub_heal_one {
    char *key, *topic; /* its name, */
    struct vrv_log_id id; /* ... which may be another one's by now */
    int64_t from, to;  /* of a segment; equal: a root */
};

struct scrub_heal {
    struct coldlink *l;
    struct vrv_vfs *vfs;
    struct vrv_engine *eng;
    struct progress bar;
    struct scrub_heal_one *v; /* what was found */
    size_t n, cap;
    uint64_t healed, bytes;
    uint64_t roots, segments; /* of what was healed, those written again */
    uint64_t lost;            /* segments here that are damaged for good */
    uint64_t failed;          /* what couldn't be tried to its end, and why the first of it: */
    struct vrv_err why;
};

/* The data directory of l's configuration.  LOCKED: its server runs. */
int scrub_heal_open(struct scrub_heal *h, struct coldlink *l, struct vrv_err *e) VRV_MUST_CHECK;
/* Remember it, if it can be healed at all. */
void scrub_heal_note(struct scrub_heal *h, const struct vrv_finding *f);
/* Heal all that was, and tell of each.  What can't be isn't an error, and what fails is in nobody's way: `failed`. */
int scrub_heal_all(struct scrub_heal *h, const struct vrv_scrub_opts *o, struct vrv_err *e) VRV_MUST_CHECK;
int scrub_heal_close(struct scrub_heal *h, struct vrv_err *e) VRV_MUST_CHECK;

#endif
