/* Within the room: the directory store's work, done at once on the thread that calls. */
#ifndef VRV_STORE_DIR_INT_H
#define VRV_STORE_DIR_INT_H

#include "tiering/store/dir.h"
#include "tiering/store/tmp.h"
#include "tiering/store/workers.h"

#define VRV__DIR_TMP "~tmp" /* no key can begin so */

struct vrv__dir {
    struct vrv_store store;
    struct vrv_clock *clock;   /* borrowed */
    struct vrv_vfs *vfs;       /* NULL: it isn't open yet */
    bool own, create;          /* as in its options: vfs is ours */
    unsigned threads;
    char *path;
    struct vrv_workers *workers;
    struct vrv_tmp tmp;        /* names in ~tmp */
    struct vrv_lock lock;      /* rank store: vfs, all below, and uploads' pieces */
    unsigned busy;             /* calls and uploads that use vfs */
    bool anew;                 /* it is to be opened anew when there is none */
    struct vrv_names durable;  /* directories whose names are */
    struct vrv_names broken;   /* keys and directories of which a sync failed */
};

/* Within a call: its vfs is there until this is left, too. */
void vrv__dir_stay(struct vrv__dir *d);
void vrv__dir_leave(struct vrv__dir *d);

/* The status of the call, err filled. */
int vrv__dir_do(struct vrv__dir *d, struct vrv_store_call *c);
/* It stays, and goes when nobody has a reference any more; its own call, that does nothing but that. */
void vrv__dir_upload_ref(struct vrv_store_upload *u);
void vrv__dir_upload_unref(struct vrv__dir *d, struct vrv_store_upload *u);
struct vrv_store_call *vrv__dir_upload_end(struct vrv_store_upload *u);
int vrv__dir_list(struct vrv__dir *d, struct vrv_store_call *c);

/* ---- dir_sync.c ---- */

/* Nothing is known of what is durable. */
void vrv__dir_forget_all(struct vrv__dir *d);

/* The name of `path` is durable when this returns 0, with all above it. */
int vrv__dir_sync_above(struct vrv__dir *d, const char *path, struct vrv_err *e) VRV_MUST_CHECK;
/* IO: it may not be relied on. */
int vrv__dir_check(struct vrv__dir *d, const char *key, struct vrv_err *e) VRV_MUST_CHECK;
void vrv__dir_break(struct vrv__dir *d, const char *name);
/* A directory was removed. */
void vrv__dir_forget(struct vrv__dir *d, const char *dir);

#endif
