/* The metadata log's own face: shared by metalog*.c only. */
#ifndef VRV_META_METALOG_IMPL_H
#define VRV_META_METALOG_IMPL_H

#include "engine/base/list.h"
#include "engine/meta/metaframe.h"
#include "engine/meta/metakeys.h"
#include "engine/meta/metalog.h"
#include "engine/meta/metawatch.h"

enum {
    VRV_METALOG_MAGIC_MEM = 0x6d6c6f67,
    VRV_METALOG_DIR_MAX = 200,
    VRV_METALOG_PATH_MAX = VRV_METALOG_DIR_MAX + 32,
    VRV_METALOG_GROWTH_MIN = 1 << 20, /* a file smaller than this is not worth replacing */
};

struct vrv_metalog {
    struct vrv_metastore store; /* first: what callers hold */
    uint32_t magic;
    bool stepping;
    struct vrv_vfs *vfs; /* borrowed */
    char *dir;
    struct vrv_metakeys keys; /* what is durable, nothing else */
    struct vrv_metawatches watches;
    struct vrv_list queue;  /* calls not yet done, in order */
    struct vrv_err stopped; /* code 0: running; else for good */
    struct vrv_file *file;  /* the newest, to which frames are appended */
    uint64_t number;
    uint64_t size;      /* of the file, all of it synced */
    uint64_t rotate_at; /* write a new file when it has grown beyond this */
};

void vrv_metalog_path(const struct vrv_metalog *l, uint64_t number, const char *suffix, char *out);
void vrv_metalog_set_rotate(struct vrv_metalog *l, uint64_t snapshot_size);

/* Nothing is written any more after this.  `e` holds the reason, and gets the store's words
 * before it; returns STOPPED. */
int vrv_metalog_stop(struct vrv_metalog *l, struct vrv_err *e);

/* Write and sync; e is not NULL.  0; STOPPED: the bytes may be durable or not; else they are not,
 * and the file is as before. */
int vrv_metalog_append(struct vrv_metalog *l, const struct vrv_metabuf *b, struct vrv_err *e)
    VRV_MUST_CHECK;

/* Write all keys to a new file and go on in that; the older one stays, for the caller to unlink.
 * On failure the older is still in use, but when in_doubt the next recovery may find the new one:
 * nothing may be appended to either. */
int vrv_metalog_new_file(struct vrv_metalog *l, uint64_t number, bool *in_doubt,
    struct vrv_err *e) VRV_MUST_CHECK;

/* Fill the keys from the directory, and make all that was read durable. */
int vrv_metalog_recover(struct vrv_metalog *l, uint64_t *cut, struct vrv_err *e) VRV_MUST_CHECK;

/* Replay of a file's bytes: how far they hold. */
struct vrv_metareplay {
    const char *path; /* for messages */
    const uint8_t *p;
    uint64_t n;
    uint64_t number;
    uint64_t snapshot_end;
    uint64_t durable; /* known to have been synced when the last frames were written */
    uint64_t end;     /* of the last whole frame; what follows is a torn tail */
};

/* CORRUPT when there is damage that no torn write explains; VERSION. */
int vrv_metareplay(struct vrv_metareplay *r, struct vrv_metakeys *keys, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
