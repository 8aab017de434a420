#include "engine/os/files.h"

#include "engine/base/assert.h"

void
vrv_files_init(struct vrv_files *fs, struct vrv_vfs *vfs, unsigned max)
{
    vrv_lock_init(&fs->lock, VRV_LOCK_files);
    fs->vfs = vfs;
    fs->max = max;
    fs->open = 0;
    vrv_list_init(&fs->idle);
    vrv_cond_init(&fs->put);
}

void
vrv_files_fini(struct vrv_files *fs)
{
    VRV_ASSERT(fs->open == 0);
    (void)pthread_cond_destroy(&fs->put);
    vrv_lock_fini(&fs->lock);
}

static void
slot_close(struct vrv_files *fs, struct vrv_file_slot *slot)
{
    if (slot->f == NULL)
        return;
    vrv_list_del(&slot->link);
    vrv_file_close(&slot->f);
    slot->stale = false;
    fs->open--;
}

/* Every handle may be in use; then one more is opened: the limit gives way, the caller doesn't
 * wait. */
static void
make_room(struct vrv_files *fs)
{
    while (fs->open >= fs->max && !vrv_list_empty(&fs->idle))
        slot_close(fs, VRV_LIST_OF(fs->idle.next, struct vrv_file_slot, link));
}

/* A writer needs another handle.  Readers hold theirs for one call at a time. */
static void
close_for_reading(struct vrv_files *fs, struct vrv_file_slot *slot)
{
    while (slot->f != NULL && !(slot->flags & VRV_OPEN_WRITE) && slot->users > 0) {
        slot->wanted = true;
        vrv_cond_wait(&fs->put, &fs->lock);
    }
    slot->wanted = false;
    if (slot->f != NULL && !(slot->flags & VRV_OPEN_WRITE))
        slot_close(fs, slot);
}

int
vrv_files_get(struct vrv_files *fs, struct vrv_file_slot *slot, const char *path, unsigned flags,
    struct vrv_file **f, struct vrv_err *e)
{
    bool reader = (flags & VRV_FILES_READER) != 0;
    int rc = 0;

    flags &= ~(unsigned)VRV_FILES_READER;
    vrv_lock(&fs->lock);
    if (!reader && (flags & VRV_OPEN_WRITE))
        close_for_reading(fs, slot);
    if (slot->f == NULL && slot->ended) {
        rc = vrv_err_set(e, VRV_E_NOTFOUND, "%s is not this file any more", path);
    } else if (slot->f == NULL) {
        make_room(fs);
        rc = vrv_vfs_open(fs->vfs, path, flags, &slot->f, e);
        if (rc == VRV_E_READONLY && reader) { /* sealed since the caller looked */
            flags = 0;
            rc = vrv_vfs_open(fs->vfs, path, flags, &slot->f, e);
        }
        if (rc == 0) {
            slot->flags = flags;
            fs->open++;
            vrv_list_init(&slot->link);
        }
    }
    if (rc == 0) {
        vrv_list_del(&slot->link);
        slot->users++;
        *f = slot->f;
    }
    vrv_unlock(&fs->lock);
    return rc;
}

void
vrv_files_put(struct vrv_files *fs, struct vrv_file_slot *slot)
{
    vrv_lock(&fs->lock);
    VRV_ASSERT(slot->users > 0);
    if (--slot->users == 0 && slot->stale)
        slot_close(fs, slot);
    else if (slot->users == 0)
        vrv_list_push(&fs->idle, &slot->link);
    if (slot->users == 0 && slot->wanted)
        (void)pthread_cond_broadcast(&fs->put);
    vrv_unlock(&fs->lock);
}

void
vrv_files_renew(struct vrv_files *fs, struct vrv_file_slot *slot)
{
    vrv_lock(&fs->lock);
    if (slot->users == 0)
        slot_close(fs, slot);
    else
        slot->stale = true;
    vrv_unlock(&fs->lock);
}

void
vrv_files_end(struct vrv_files *fs, struct vrv_file_slot *slot)
{
    vrv_lock(&fs->lock);
    slot->ended = true;
    vrv_unlock(&fs->lock);
}

void
vrv_files_clear(struct vrv_files *fs, struct vrv_file_slot *slot)
{
    vrv_lock(&fs->lock);
    VRV_ASSERT(slot->users == 0);
    slot_close(fs, slot);
    vrv_unlock(&fs->lock);
}
