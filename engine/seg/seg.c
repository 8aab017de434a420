#include "engine/seg/seg.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/seg/seg_int.h"

enum { WRITE_BEHIND_MIN = 128 * 1024, PENDING_MAX = 32 };

void
vrv_log_dir(const struct vrv_log_id *id, char out[VRV_PATH_MAX])
{
    char hex[VRV_UUID_TEXT + 1];

    vrv_uuid_text(&id->topic, hex);
    (void)snprintf(out, VRV_PATH_MAX, "log/%.2s/%s.%" PRId32, hex, hex, id->partition);
}

void
vrv_seg_path(const struct vrv_log_id *id, int64_t base, const char *suffix,
    char out[VRV_PATH_MAX])
{
    char hex[VRV_UUID_TEXT + 1];

    vrv_uuid_text(&id->topic, hex);
    (void)snprintf(out, VRV_PATH_MAX, "log/%.2s/%s.%" PRId32 "/%020" PRId64 ".%s", hex, hex,
        id->partition, base, suffix);
}

struct vrv_seg *
vrv_seg_new(struct vrv_files *files, const struct vrv_log_id *id, int64_t base, int64_t created_ms)
{
    struct vrv_seg *s = VRV_NEW(struct vrv_seg);

    atomic_init(&s->refs, 1);
    s->files = files;
    s->log = *id;
    s->base = s->next = s->flushed_next = base;
    s->created_ms = s->last_ms = created_ms;
    s->min_ts = INT64_MAX;
    s->max_ts = INT64_MIN;
    s->max_ts_offset = -1;
    s->interval = -1;
    return s;
}

struct vrv_seg *
vrv_seg_ref(struct vrv_seg *s)
{
    (void)atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

int
vrv_seg_delete_files(struct vrv_files *files, const struct vrv_log_id *id, int64_t base,
    struct vrv_err *e)
{
    static const char *const suffix[] = { "index", "log" };
    char path[VRV_PATH_MAX];

    for (int i = 0; i < 2; i++) {
        vrv_seg_path(id, base, suffix[i], path);
        int rc = vrv_vfs_unlink(files->vfs, path, e);
        if (rc < 0 && rc != VRV_E_NOTFOUND)
            return rc;
    }
    return 0;
}

void
vrv_seg_unref(struct vrv_seg *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    vrv_files_clear(s->files, &s->data);
    vrv_files_clear(s->files, &s->index);
    free(s->pending);
    free(s);
}

void
vrv_seg_drop(struct vrv_seg *s)
{
    vrv_files_end(s->files, &s->data);
    vrv_files_end(s->files, &s->index);
    atomic_store(&s->index_state, VRV_INDEX_BAD); /* nobody is to rebuild it under that name */
    atomic_store(&s->dropped, true);
}

/* ---- opening ---- */

/* Until it is sealed, a segment's files are open for writing, whoever asks first. */
static unsigned
read_flags(const struct vrv_seg *s)
{
    return VRV_FILES_READER |
        (atomic_load(&s->state) == VRV_SEG_SEALED ? 0u : (unsigned)VRV_OPEN_WRITE);
}

static int
get_data(struct vrv_seg *s, unsigned flags, struct vrv_file **f, struct vrv_err *e)
{
    char path[VRV_PATH_MAX];

    vrv_seg_path(&s->log, s->base, "log", path);
    return vrv_files_get(s->files, &s->data, path, flags, f, e);
}

static int
get_index(struct vrv_seg *s, unsigned flags, struct vrv_file **f, struct vrv_err *e)
{
    char path[VRV_PATH_MAX];

    vrv_seg_path(&s->log, s->base, "index", path);
    return vrv_files_get(s->files, &s->index, path, flags, f, e);
}

static int
make_dirs(struct vrv_seg *s, struct vrv_err *e)
{
    char path[VRV_PATH_MAX];

    vrv_log_dir(&s->log, path);
    path[6] = '\0'; /* "log/ab" */
    int rc = vrv_vfs_mkdir(s->files->vfs, path, e);
    if (rc < 0 && rc != VRV_E_EXISTS)
        return rc;
    path[6] = '/';
    rc = vrv_vfs_mkdir(s->files->vfs, path, e);
    return rc < 0 && rc != VRV_E_EXISTS ? rc : 0;
}

/* Once made, a file that is not there any more is an error, not a new one. */
static unsigned
write_flags(bool made)
{
    return made ? VRV_OPEN_WRITE : VRV_OPEN_WRITE | VRV_OPEN_CREATE;
}

/* The first write since the log was opened: cut what a crash left behind the known end. */
static int
make_data(struct vrv_seg *s, struct vrv_file *data, struct vrv_err *e)
{
    uint64_t size = 0;
    int rc = vrv_file_size(data, &size, e);

    if (rc == 0 && size < s->flushed)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "segment %" PRId64 ": the data file has %" PRIu64 " bytes, %" PRIu64 " were written",
            s->base, size, s->flushed);
    if (rc == 0)
        rc = vrv_file_truncate(data, s->flushed, e);
    s->made = s->fresh = rc == 0;
    return rc;
}

/* The segment isn't sealed, whatever the modes of its files say: only its record counts. */
static int
make_writable(struct vrv_seg *s, struct vrv_err *e)
{
    static const char *const suffix[] = { "log", "index" };
    char path[VRV_PATH_MAX];
    int rc = 0;

    for (int i = 0; i < 2 && rc == 0; i++) {
        struct vrv_file *f = NULL;

        vrv_seg_path(&s->log, s->base, suffix[i], path);
        rc = vrv_vfs_open(s->files->vfs, path, 0, &f, e);
        if (rc == 0)
            rc = vrv_file_set_readonly(f, false, e);
        vrv_file_close(&f);
        rc = rc == VRV_E_NOTFOUND ? 0 : rc;
    }
    return rc;
}

typedef int get_fn(struct vrv_seg *s, unsigned flags, struct vrv_file **f, struct vrv_err *e);

static int
get_for_write(struct vrv_seg *s, get_fn *get, bool made, struct vrv_file **f, struct vrv_err *e)
{
    int rc = get(s, write_flags(made), f, e);

    if (rc != VRV_E_READONLY || made)
        return rc;
    rc = make_writable(s, e);
    return rc == 0 ? get(s, write_flags(made), f, e) : rc;
}

static int
open_data(struct vrv_seg *s, struct vrv_file **data, struct vrv_err *e)
{
    int rc = s->made ? 0 : make_dirs(s, e);

    if (rc == 0)
        rc = get_for_write(s, get_data, s->made, data, e);
    if (rc == 0 && !s->made) {
        rc = make_data(s, *data, e);
        if (rc < 0)
            vrv_files_put(s->files, &s->data);
    }
    return rc;
}

/* Missing or damaged, it is made anew: it holds nothing that the data doesn't. */
static int
make_index(struct vrv_seg *s, struct vrv_file *index, struct vrv_err *e)
{
    int rc = vrv__seg_settle_index(s, index, e);

    if (rc < 0)
        return rc;
    s->index_made = s->fresh = true;
    atomic_store(&s->index_state, VRV_INDEX_GOOD);
    return 0;
}

static int
open_index(struct vrv_seg *s, struct vrv_file **index, struct vrv_err *e)
{
    int rc = get_for_write(s, get_index, s->index_made, index, e);

    if (rc == 0 && !s->index_made) {
        rc = make_index(s, *index, e);
        if (rc < 0)
            vrv_files_put(s->files, &s->index);
    }
    return rc;
}

/* ---- writing ---- */

static struct vrv_seg_written
written_now(const struct vrv_seg *s)
{
    return (struct vrv_seg_written){ .flushed = s->flushed, .indexed = s->indexed, .crc = s->crc,
        .index_n = s->index_n, .index_crc = s->index_crc, .flushed_next = s->flushed_next,
        .min_ts = s->min_ts, .max_ts = s->max_ts, .max_ts_offset = s->max_ts_offset };
}

bool
vrv__seg_note(struct vrv_seg_written *w, const struct vrv_batch *b, uint32_t interval,
    struct vrv_index_entry *entry)
{
    bool due = w->flushed - w->indexed >= interval;

    if (due) {
        *entry = (struct vrv_index_entry){ .offset = b->base_offset, .pos = w->flushed,
            .max_ts = w->max_ts };
        w->indexed = w->flushed;
    }
    w->flushed += b->size;
    w->flushed_next = vrv_batch_last_offset(b) + 1;
    if (b->base_ts < w->min_ts)
        w->min_ts = b->base_ts;
    if (b->max_ts > w->max_ts) {
        w->max_ts = b->max_ts;
        w->max_ts_offset = b->base_offset;
    }
    return due;
}

static void
note_batch(struct vrv_seg_written *w, const uint8_t *p, size_t n, uint32_t interval,
    struct vrv_index_entry *v, uint32_t *vn)
{
    struct vrv_batch b;
    int rc = vrv_batch_read(&b, p, n, NULL);

    VRV_ASSERT(rc == 0 && b.size == n); /* it passed when it was appended */
    w->crc = vrv_crc32c(w->crc, p, n);
    *vn += vrv__seg_note(w, &b, interval, &v[*vn]);
}

/* The pending entries and n more, to the file; they stay pending until all is well. */
static int
write_entries(struct vrv_seg *s, const struct vrv_index_entry *v, uint32_t n,
    struct vrv_seg_written *w, struct vrv_err *e)
{
    struct vrv_file *index;
    int rc = open_index(s, &index, e);

    if (rc < 0)
        return rc;
    s->index_dirty = true;
    w->index_crc = s->index_crc;
    rc = vrv_index_write(index, w->index_n, s->pending, s->pending_n, &w->index_crc, e);
    if (rc == 0)
        rc = vrv_index_write(index, w->index_n + s->pending_n, v, n, &w->index_crc, e);
    vrv_files_put(s->files, &s->index);
    w->index_n += s->pending_n + n;
    return rc;
}

static int
add_entries(struct vrv_seg *s, const struct vrv_index_entry *v, uint32_t n,
    struct vrv_seg_written *w, struct vrv_err *e)
{
    if (s->pending_n + n > PENDING_MAX) {
        int rc = write_entries(s, v, n, w, e);
        if (rc == 0)
            s->pending_n = 0;
        return rc;
    }
    if (s->pending == NULL && n > 0)
        s->pending = vrv_mem_zero(PENDING_MAX * sizeof(*v));
    for (uint32_t i = 0; i < n; i++)
        s->pending[s->pending_n++] = v[i];
    return 0;
}

static int
write_data(struct vrv_seg *s, const struct iovec *batches, int n, size_t size, struct vrv_err *e)
{
    struct vrv_file *data;
    int rc = open_data(s, &data, e);

    if (rc < 0)
        return rc;
    s->dirty = true;
    rc = vrv_file_pwritev(data, batches, n, s->flushed, e);
    /* Let the disk begin now, so that the checkpoint's sync finds little left to do; many small
     * pieces it is better given together. */
    if (rc == 0 && size >= WRITE_BEHIND_MIN)
        vrv_file_write_behind(data, s->flushed, size);
    vrv_files_put(s->files, &s->data);
    return rc;
}

int
vrv_seg_write(struct vrv_seg *s, const struct iovec *batches, int n, uint32_t index_interval,
    struct vrv_seg_written *out, struct vrv_err *e)
{
    struct vrv_index_entry *v = vrv_mem_zero((size_t)n * sizeof(*v));
    struct vrv_seg_written w = written_now(s);
    uint32_t vn = 0;

    VRV_ASSERT(s->state == VRV_SEG_OPEN || s->state == VRV_SEG_CLOSED);
    s->interval = index_interval;
    for (int i = 0; i < n; i++)
        note_batch(&w, batches[i].iov_base, batches[i].iov_len, index_interval, v, &vn);
    int rc = write_data(s, batches, n, w.flushed - s->flushed, e);
    if (rc == 0)
        rc = add_entries(s, v, vn, &w, e);
    free(v);
    if (rc == 0)
        *out = w;
    return rc;
}

void
vrv_seg_apply(struct vrv_seg *s, const struct vrv_seg_written *w)
{
    s->flushed = w->flushed;
    s->flushed_next = w->flushed_next;
    s->indexed = w->indexed;
    s->crc = w->crc;
    s->index_n = w->index_n;
    s->index_crc = w->index_crc;
    s->min_ts = w->min_ts;
    s->max_ts = w->max_ts;
    s->max_ts_offset = w->max_ts_offset;
}

int
vrv_seg_foot(struct vrv_seg *s, struct vrv_seg_written *out, struct vrv_err *e)
{
    struct vrv_seg_written w = written_now(s);
    struct vrv_file *data, *index;

    VRV_ASSERT(s->state == VRV_SEG_CLOSED && s->flushed == s->size);
    int rc = open_data(s, &data, e); /* that may cut it */
    if (rc < 0)
        return rc;
    vrv_files_put(s->files, &s->data);
    s->dirty = true;
    rc = write_entries(s, NULL, 0, &w, e);
    if (rc < 0)
        return rc;
    struct vrv_seal seal = { .base = s->base, .next = s->next, .data_size = s->flushed,
        .data_crc = s->crc, .entries = w.index_n, .min_ts = s->min_ts, .max_ts = s->max_ts,
        .max_ts_offset = s->max_ts_offset };
    rc = open_index(s, &index, e);
    if (rc < 0)
        return rc;
    rc = vrv_index_seal(index, &seal, w.index_crc, e);
    vrv_files_put(s->files, &s->index);
    if (rc < 0)
        return rc;
    s->pending_n = 0;
    *out = w;
    return 0;
}

int
vrv_seg_seal(struct vrv_seg *s, struct vrv_err *e)
{
    struct vrv_file *data, *index;

    s->state = VRV_SEG_SEALED;
    /* A reader may have it open by now, for reading only. */
    int rc = get_data(s, VRV_FILES_READER, &data, e);
    if (rc < 0)
        return rc;
    rc = vrv_file_set_readonly(data, true, e);
    vrv_files_put(s->files, &s->data);
    if (rc == 0)
        rc = get_index(s, VRV_FILES_READER, &index, e);
    if (rc < 0)
        return rc;
    rc = vrv_file_set_readonly(index, true, e);
    vrv_files_put(s->files, &s->index);
    return rc;
}

int
vrv_seg_sync_begin(struct vrv_seg *s, struct vrv_file *out[2], struct vrv_err *e)
{
    int rc = open_data(s, &out[0], e);

    if (rc < 0)
        return rc;
    if (!s->index_dirty)
        return 1;
    rc = open_index(s, &out[1], e);
    if (rc < 0)
        vrv_files_put(s->files, &s->data);
    return rc < 0 ? rc : 2;
}

void
vrv_seg_sync_done(struct vrv_seg *s, int files)
{
    vrv_files_put(s->files, &s->data);
    if (files == 2)
        vrv_files_put(s->files, &s->index);
    s->index_dirty = false;
}

/* ---- reading ---- */

struct vrv_seg_view
vrv_seg_view(const struct vrv_seg *s)
{
    return (struct vrv_seg_view){ .flushed = s->flushed, .index_n = s->index_n,
        .flushed_next = s->flushed_next, .next = s->next };
}

int
vrv_seg_file_get(struct vrv_seg *s, struct vrv_file **f, struct vrv_err *e)
{
    return get_data(s, read_flags(s), f, e);
}

int
vrv__seg_index_get(struct vrv_seg *s, struct vrv_file **f, struct vrv_err *e)
{
    return get_index(s, read_flags(s), f, e);
}

void
vrv_seg_file_put(struct vrv_seg *s)
{
    vrv_files_put(s->files, &s->data);
}

ssize_t
vrv_seg_pread(struct vrv_seg *s, void *buf, size_t n, uint64_t pos, unsigned flags,
    struct vrv_err *e)
{
    struct vrv_file *f;
    int rc = vrv_seg_file_get(s, &f, e);

    if (rc < 0)
        return rc;
    ssize_t got = vrv_file_pread(f, buf, n, pos, flags, e);
    vrv_seg_file_put(s);
    return got;
}
