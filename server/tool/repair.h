/*
 * Mending a data directory, with its lock held: each damaged file is moved aside first, to the same
 * path below DIR.damaged-<n> beside the directory, then what can be kept is written anew, and at
 * last the checkpoint's records follow.  Cut short anywhere, it can be run again.
 */
#ifndef VRV_TOOL_REPAIR_H
#define VRV_TOOL_REPAIR_H

#include "engine/contract/metastore.h"
#include "engine/wal/wal_format.h"
#include "server/tool/verify.h"

struct mend {
    struct tool *t;
    struct vrv_vfs *vfs;          /* the directory */
    struct vrv_files files;       /* in it */
    struct vrv_metastore *states; /* checkpoints */
    /* where damaged files go; made when the first does */
    struct vrv_vfs *parent, *aside;
    struct vrv_files old_files;
    char *name, *aside_name;      /* both in parent */
};

int mend_open(struct mend *m, struct tool *t, struct vrv_err *e) VRV_MUST_CHECK;
void mend_close(struct mend *m);
/* Move a file or directory out of the way; one that isn't there is fine. */
int mend_move(struct mend *m, const char *path, struct vrv_err *e) VRV_MUST_CHECK;
/* Copy a file there, for one that is to be cut in place. */
int mend_copy(struct mend *m, const char *path, struct vrv_err *e) VRV_MUST_CHECK;

/* repair_seg.c */
int mend_index(struct mend *m, const struct damage *d, struct vrv_err *e) VRV_MUST_CHECK;
/* A sealed segment: its whole batches, sealed again; or no segment when there are none. */
int mend_sealed(struct mend *m, const struct damage *d, struct vrv_err *e) VRV_MUST_CHECK;
/* All that a log has that isn't sealed: sealed, as far as the WAL won't bring it. */
int mend_unsealed(struct mend *m, struct view_log *vl, struct vrv_err *e) VRV_MUST_CHECK;

/* repair_meta.c: places where metadata logs or the WAL are to be cut, or written anew. */
enum cut_kind {
    CUT_FILE,  /* it ends at pos */
    CUT_GROUP, /* the header there becomes zeros */
    CUT_HEAD,  /* a file of the WAL gets its header anew */
    CUT_KEYS,  /* records of one partition go */
};

struct cut {
    enum cut_kind kind;
    char path[64];
    uint64_t pos;
    struct vrv_log_id id; /* CUT_KEYS */
    struct vrv_wal_file_head head; /* CUT_HEAD */
    char text[200];
};

struct cuts {
    struct cut *v;
    size_t n, cap;
    char **key; /* those that go, in checkpoint/ */
    size_t key_n, key_cap;
};

/* Find cuts after which the directory can be recovered, by trying them in memory.  CORRUPT: there
 * are none that help. */
int cuts_find(struct cuts *x, struct tool *t, struct vrv_err *e) VRV_MUST_CHECK;
int cuts_do(const struct cuts *x, struct mend *m, struct vrv_err *e) VRV_MUST_CHECK;
void cuts_fini(struct cuts *x);
/* The file ends at pos, durably. */
int cut_file(struct vrv_vfs *vfs, const char *path, uint64_t pos, struct vrv_err *e)
    VRV_MUST_CHECK;

/* repair_wal.c: what the WAL needs; done in vfs at once.  Headers are known from the checkpoint. */
int wal_heads(struct cuts *x, struct vrv_vfs *vfs, struct vrv_err *e) VRV_MUST_CHECK;
int wal_head_write(struct vrv_vfs *vfs, const struct cut *c, struct vrv_err *e) VRV_MUST_CHECK;
/* Groups from the end of the chain on: their headers become zeros. */
int wal_cuts(struct cuts *x, struct vrv_vfs *vfs, struct vrv_err *e) VRV_MUST_CHECK;
int wal_blank(struct vrv_vfs *vfs, const struct cut *c, struct vrv_err *e) VRV_MUST_CHECK;

/* repair_keys.c: what the checkpoint has of partitions that the catalog doesn't have any more. */
int keys_find(struct cuts *x, struct vrv_vfs *vfs, struct vrv_err *e) VRV_MUST_CHECK;
int keys_delete(const struct cuts *x, struct vrv_vfs *vfs, struct vrv_err *e) VRV_MUST_CHECK;

#endif
