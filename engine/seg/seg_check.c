/*
 * Checking a segment against itself, and making its index anew from its data.
 *
 * An index holds nothing that the data doesn't, so a bad one is replaced and nobody is told.  The
 * new one has exactly the number of entries that the log's record of the segment says: with the
 * interval that the segment was written with, these are the very entries that were lost; with
 * another one the list is cut, or its last entry repeated, which IX-1 allows.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/seg/seg_int.h"
#include "engine/seg/seg_walk.h"

enum { ENTRIES_AT_ONCE = 128, INTERVAL_DEFAULT = 4096 };

/* Two readers of one segment must not write one temporary file.  One lock for all segments: a
 * rebuild is rare, and that it is held across reading a segment is the point of it. */
static struct vrv_lock rebuilding = { PTHREAD_MUTEX_INITIALIZER, VRV_LOCK_rebuild };

static struct vrv_seg_written
written_none(const struct vrv_seg *s)
{
    return (struct vrv_seg_written){ .flushed_next = s->base, .min_ts = INT64_MAX,
        .max_ts = INT64_MIN, .max_ts_offset = -1 };
}

static void
seal_of(const struct vrv_seg *s, const struct vrv_seg_walk *k, const struct vrv_seg_written *w,
    struct vrv_seal *seal)
{
    *seal = (struct vrv_seal){ .base = s->base, .next = k->next, .data_size = k->pos,
        .data_crc = k->crc, .entries = w->index_n, .min_ts = w->min_ts, .max_ts = w->max_ts,
        .max_ts_offset = w->max_ts_offset };
}

int
vrv_seg_check(struct vrv_seg *s, uint64_t size, struct vrv_seal *seal, struct vrv_err *e)
{
    struct vrv_seg_written w = written_none(s);
    struct vrv_index_entry unused;
    struct vrv_seg_walk k;
    struct vrv_batch b;
    int rc;

    vrv_seg_walk_init(&k, s, size);
    while ((rc = vrv_seg_walk_next(&k, &b, e)) > 0)
        (void)vrv__seg_note(&w, &b, UINT32_MAX, &unused);
    seal_of(s, &k, &w, seal);
    vrv_seg_walk_fini(&k);
    return rc;
}

/* ---- the part before an offset ---- */

static uint32_t
interval_of(const struct vrv_seg *s)
{
    return s->interval >= 0 ? (uint32_t)s->interval : INTERVAL_DEFAULT;
}

static struct vrv_seg *
kept_part(const struct vrv_seg *s, const struct vrv_seg_written *w)
{
    struct vrv_seg *kept = vrv_seg_new(s->files, &s->log, s->base, s->created_ms);

    kept->last_ms = s->last_ms;
    kept->interval = s->interval;
    vrv_seg_apply(kept, w);
    kept->size = w->flushed;
    kept->next = w->flushed_next;
    kept->state = VRV_SEG_CLOSED;
    kept->index_state = VRV_INDEX_BAD; /* its entries were written with what goes */
    return kept;
}

int
vrv_seg_cut(struct vrv_seg *s, int64_t offset, struct vrv_seg **kept, int64_t *end,
    struct vrv_err *e)
{
    struct vrv_seg_written w = written_none(s);
    struct vrv_index_entry unused;
    struct vrv_seg_walk k;
    struct vrv_batch b;
    int rc;

    *kept = NULL;
    *end = offset;
    vrv_seg_walk_init(&k, s, s->flushed);
    while ((rc = vrv_seg_walk_next(&k, &b, e)) > 0 && vrv_batch_last_offset(&b) < offset) {
        w.index_n += vrv__seg_note(&w, &b, interval_of(s), &unused);
        w.crc = k.crc;
    }
    vrv_seg_walk_fini(&k);
    if (rc < 0)
        return rc;
    if (rc > 0 && b.base_offset < offset)
        *end = b.base_offset;
    if (w.flushed > 0)
        *kept = kept_part(s, &w);
    return 0;
}

/* ---- making an index ---- */

struct filler {
    struct vrv_file *f;
    uint32_t want; /* entries, all in all */
    uint32_t n;    /* of them in the file */
    uint32_t held; /* and in v */
    uint32_t crc;  /* of the file */
    struct vrv_index_entry v[ENTRIES_AT_ONCE];
    struct vrv_index_entry last;
};

static int
spill(struct filler *x, struct vrv_err *e)
{
    int rc = vrv_index_write(x->f, x->n, x->v, x->held, &x->crc, e);

    x->n += x->held;
    x->held = 0;
    return rc;
}

static int
add_entry(struct filler *x, const struct vrv_index_entry *entry, struct vrv_err *e)
{
    if (x->n + x->held == x->want)
        return 0;
    x->v[x->held++] = x->last = *entry;
    return x->held == ENTRIES_AT_ONCE ? spill(x, e) : 0;
}

/* What is to be indexed, and whether a damaged batch ends that or is left out. */
struct source {
    uint64_t size;
    uint32_t interval;
    bool skip_damage;
};

static int
next_batch(struct vrv_seg_walk *k, const struct source *src, struct vrv_batch *b,
    struct vrv_err *e)
{
    int rc = vrv_seg_walk_next(k, b, e);

    while (rc == VRV_E_CORRUPT && src->skip_damage) {
        rc = vrv_seg_walk_skip(k, INT64_MAX, e);
        if (rc > 0)
            rc = vrv_seg_walk_next(k, b, e);
    }
    return rc;
}

/* Header and entries, into f; their checksum in *crc. */
static int
fill_index(struct vrv_seg *s, struct vrv_file *f, const struct source *src, struct vrv_seal *seal,
    uint32_t *crc, struct vrv_err *e)
{
    struct filler x = { .f = f, .want = s->index_n, .last = { s->base, 0, INT64_MIN } };
    struct vrv_seg_written w = written_none(s);
    struct vrv_index_entry entry;
    struct vrv_seg_walk k;
    struct vrv_batch b;
    int rc = vrv_index_create(f, s->base, &x.crc, e), more = 1;

    vrv_seg_walk_init(&k, s, src->size);
    while (rc == 0 && (more = next_batch(&k, src, &b, e)) > 0) {
        w.flushed = k.pos - b.size;
        if (vrv__seg_note(&w, &b, src->interval, &entry))
            rc = add_entry(&x, &entry, e);
    }
    if (rc == 0)
        rc = more;
    while (rc == 0 && x.n + x.held < x.want)
        rc = add_entry(&x, &x.last, e);
    if (rc == 0)
        rc = spill(&x, e);
    w.index_n = x.n;
    *crc = x.crc;
    seal_of(s, &k, &w, seal);
    vrv_seg_walk_fini(&k);
    return rc;
}

static int
refill_index(struct vrv_seg *s, struct vrv_file *f, struct vrv_err *e)
{
    struct source src = { s->flushed, interval_of(s), true };
    struct vrv_seal seal;
    uint32_t crc;
    int rc = fill_index(s, f, &src, &seal, &crc, e);

    if (rc == 0)
        s->index_crc = crc;
    return rc;
}

static int
create_index(struct vrv_seg *s, struct vrv_file *f, struct vrv_err *e)
{
    uint32_t crc;
    int rc = vrv_index_create(f, s->base, &crc, e);

    if (rc == 0)
        s->index_crc = crc;
    return rc;
}

int
vrv__seg_settle_index(struct vrv_seg *s, struct vrv_file *f, struct vrv_err *e)
{
    struct vrv_seal seal = { .base = s->base, .next = s->flushed_next, .data_size = s->flushed,
        .entries = s->index_n };
    if (s->index_n == 0)
        return create_index(s, f, e);
    int rc = vrv_index_check(f, &seal, s->index_crc, e);
    return rc == VRV_E_CORRUPT ? refill_index(s, f, e) : rc;
}

/* ---- replacing the file ---- */

static int
write_temporary(struct vrv_seg *s, const char *tmp, uint32_t interval, struct vrv_err *e)
{
    struct source src = { s->flushed, interval, false };
    struct vrv_file *f = NULL;
    struct vrv_seal seal;
    uint32_t crc = 0;
    int rc = vrv_vfs_open(s->files->vfs, tmp, VRV_OPEN_WRITE | VRV_OPEN_CREATE, &f, e);

    if (rc == 0)
        rc = vrv_file_truncate(f, 0, e); /* an earlier attempt may have left one */
    if (rc == 0)
        rc = fill_index(s, f, &src, &seal, &crc, e);
    if (rc == 0 && (seal.next != s->next || seal.data_crc != s->crc))
        rc = vrv_err_set(e, VRV_E_CORRUPT,
            "segment %" PRId64 ": its data is not what was sealed (checksum %08" PRIx32
            ", not %08" PRIx32 "; up to offset %" PRId64 ", not %" PRId64 ")",
            s->base, seal.data_crc, s->crc, seal.next, s->next);
    if (rc == 0)
        rc = vrv_index_seal(f, &seal, crc, e);
    if (rc == 0)
        rc = vrv_file_set_readonly(f, true, e);
    if (rc == 0)
        rc = vrv_file_sync(f, e);
    vrv_file_close(&f);
    return rc;
}

int
vrv_seg_rebuild_index(struct vrv_seg *s, uint32_t index_interval, struct vrv_err *e)
{
    char tmp[VRV_PATH_MAX], path[VRV_PATH_MAX], dir[VRV_PATH_MAX];

    vrv_seg_path(&s->log, s->base, "index.tmp", tmp);
    vrv_seg_path(&s->log, s->base, "index", path);
    vrv_log_dir(&s->log, dir);
    int rc = write_temporary(s, tmp, index_interval, e);
    if (rc == 0)
        rc = vrv_vfs_rename(s->files->vfs, tmp, path, e);
    if (rc < 0) {
        int gone = vrv_vfs_unlink(s->files->vfs, tmp, NULL); /* else the next attempt takes it */
        (void)gone;
        return rc;
    }
    vrv_files_renew(s->files, &s->index);
    return vrv_vfs_sync_dir(s->files->vfs, dir, e);
}

/* ---- the first use of an index ---- */

/* Read as a whole: its checksum finds what no look-up could, and its footer says that it is this
 * segment's. */
static int
check_sealed(struct vrv_seg *s, struct vrv_err *e)
{
    char path[VRV_PATH_MAX];
    struct vrv_file *f = NULL;
    struct vrv_seal seal;

    vrv_seg_path(&s->log, s->base, "index", path);
    int rc = vrv_vfs_open(s->files->vfs, path, 0, &f, e);
    if (rc == 0)
        rc = vrv_index_read_seal(f, s->base, &seal, e);
    vrv_file_close(&f);
    if (rc == 0 && (seal.next != s->next || seal.data_size != s->flushed ||
            seal.data_crc != s->crc || seal.entries != s->index_n))
        rc = vrv_err_set(e, VRV_E_CORRUPT, "%s is the index of other data", path);
    return rc;
}

static bool
is_bad(int rc)
{
    return rc == VRV_E_CORRUPT || rc == VRV_E_NOTFOUND;
}

/* Where it can't be rebuilt (the data is damaged, the disk full or read-only) look-ups do without,
 * until the next start. */
static int
check_or_rebuild(struct vrv_seg *s, struct vrv_err *e)
{
    int rc = check_sealed(s, e);

    if (!is_bad(rc))
        return rc;
    vrv_lock(&rebuilding);
    rc = check_sealed(s, e); /* another thread may have been faster */
    if (is_bad(rc)) {
        rc = vrv_seg_rebuild_index(s, interval_of(s), e);
        if (rc < 0)
            rc = VRV_E_CORRUPT;
    }
    vrv_unlock(&rebuilding);
    return rc;
}

/* Until the writer comes, who makes it anew, look-ups do without a bad one. */
static int
check_open(struct vrv_seg *s, const struct vrv_seg_view *v, struct vrv_err *e)
{
    struct vrv_seal seal = { .base = s->base, .next = v->flushed_next, .data_size = v->flushed,
        .entries = v->index_n };
    char path[VRV_PATH_MAX];
    struct vrv_file *f = NULL;

    vrv_seg_path(&s->log, s->base, "index", path);
    int rc = vrv_vfs_open(s->files->vfs, path, 0, &f, e);
    if (rc == 0)
        rc = vrv_index_check(f, &seal, v->index_crc, e);
    vrv_file_close(&f);
    return rc == VRV_E_NOTFOUND ? VRV_E_CORRUPT : rc;
}

int
vrv__seg_index_ready(struct vrv_seg *s, const struct vrv_seg_view *v, unsigned flags,
    struct vrv_err *e)
{
    enum vrv_index_state st = atomic_load(&s->index_state);

    if (st != VRV_INDEX_UNKNOWN)
        return st == VRV_INDEX_GOOD;
    if (flags & VRV_READ_NOWAIT)
        return vrv_err_set(e, VRV_E_AGAIN, "the index was not checked yet");
    int rc = s->state == VRV_SEG_SEALED ? check_or_rebuild(s, e) : check_open(s, v, e);
    if (rc < 0 && rc != VRV_E_CORRUPT)
        return rc;
    /* The writer may have made it good meanwhile. */
    (void)atomic_compare_exchange_strong(
        &s->index_state, &st, rc == 0 ? VRV_INDEX_GOOD : VRV_INDEX_BAD);
    return rc == 0;
}
