/* Mending segments: what is whole is kept, and sealed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/engine_int.h"
#include "engine/seg/seg_walk.h"
#include "server/tool/repair.h"

/* The segment, seen through other files. */
static struct vrv_seg *
seg_through(struct vrv_files *files, const struct vrv_seg *s)
{
    struct vrv_seg *c = vrv_seg_new(files, &s->log, s->base, s->created_ms);

    c->next = s->next;
    c->size = s->size;
    c->last_ms = s->last_ms;
    c->flushed = s->flushed;
    c->flushed_next = s->flushed_next;
    c->crc = s->crc;
    c->index_n = s->index_n;
    c->index_crc = s->index_crc;
    c->indexed = s->indexed;
    c->min_ts = s->min_ts;
    c->max_ts = s->max_ts;
    c->max_ts_offset = s->max_ts_offset;
    c->interval = s->interval;
    atomic_store(&c->state, atomic_load(&s->state));
    return c;
}

/* That of a growing segment is made anew by who writes there next. */
int
mend_index(struct mend *m, const struct damage *d, struct vrv_err *e)
{
    int rc = mend_move(m, d->path, e);

    if (rc < 0 || d->seg->state != VRV_SEG_SEALED)
        return rc;
    struct vrv_seg *s = seg_through(&m->files, d->seg);
    rc = vrv_seg_rebuild_index(s, d->log->log->config->index_interval, e);
    vrv_seg_unref(s);
    return rc;
}

static int
move_files(struct mend *m, const struct vrv_seg *s, struct vrv_err *e)
{
    char path[VRV_PATH_MAX];

    vrv_seg_path(&s->log, s->base, "log", path);
    int rc = mend_move(m, path, e);
    vrv_seg_path(&s->log, s->base, "index", path);
    return rc == 0 ? mend_move(m, path, e) : rc;
}

/* ---- keeping what is whole ---- */

static int
keep_batch(struct vrv_seg *old, uint64_t pos, const struct vrv_batch *b, struct vrv_seg *to,
    uint32_t interval, struct vrv_err *e)
{
    uint8_t *p = vrv_mem_try(b->size);
    struct vrv_seg_written w;

    if (p == NULL)
        return vrv_err_set(e, VRV_E_NOMEM, "no memory for a batch of %" PRIu32 " bytes", b->size);
    struct iovec iov = { p, b->size };
    ssize_t got = vrv_seg_pread(old, p, b->size, pos, 0, e);
    int rc = got < 0 ? (int)got : 0;
    if (rc == 0) {
        to->size += b->size;
        to->next = vrv_batch_last_offset(b) + 1;
        rc = vrv_seg_write(to, &iov, 1, interval, &w, e);
    }
    if (rc == 0)
        vrv_seg_apply(to, &w);
    free(p);
    return rc;
}

/* Whole batches of `old` with offsets below `limit`, into a new segment. */
static int
keep_batches(struct vrv_seg *old, struct vrv_seg *to, int64_t limit, uint32_t interval,
    struct vrv_err *e)
{
    struct vrv_seg_walk w;
    struct vrv_batch b;
    int rc;

    vrv_seg_walk_init(&w, old, old->flushed);
    while ((rc = vrv_seg_walk_next(&w, &b, e)) != 0) {
        if (rc == VRV_E_CORRUPT)
            rc = vrv_seg_walk_skip(&w, old->flushed_next, e);
        else if (rc > 0 && b.base_offset < limit)
            rc = keep_batch(old, w.pos - b.size, &b, to, interval, e);
        if (rc < 0)
            break;
    }
    vrv_seg_walk_fini(&w);
    return rc == VRV_E_NOTFOUND ? 0 : rc; /* there was no file */
}

static int
seal(struct mend *m, struct vrv_seg *s, struct vrv_err *e)
{
    struct vrv_seg_written w;

    s->state = VRV_SEG_CLOSED;
    int rc = vrv_seg_foot(s, &w, e);
    if (rc == 0) {
        vrv_seg_apply(s, &w);
        rc = vrv_vfs_sync_all(m->vfs, e);
    }
    return rc == 0 ? vrv_seg_seal(s, e) : rc;
}

/* Files of s go aside, and come back as far as they are whole; *record says what there is now, and
 * *any whether there is something. */
static int
rewrite(struct mend *m, struct view_log *vl, const struct vrv_seg *s, int64_t limit,
    uint8_t record[VRV_SEG_RECORD], bool *any, struct vrv_err *e)
{
    int rc = move_files(m, s, e);

    if (rc < 0)
        return rc;
    struct vrv_seg *old = seg_through(&m->old_files, s);
    struct vrv_seg *to = vrv_seg_new(&m->files, &s->log, s->base, s->created_ms);
    atomic_store(&old->state, VRV_SEG_SEALED); /* it's only read */
    to->last_ms = s->last_ms;
    rc = keep_batches(old, to, limit, vl->log->config->index_interval, e);
    *any = to->flushed > 0;
    if (rc == 0 && *any)
        rc = seal(m, to, e);
    if (rc == 0 && *any)
        vrv_seg_record(to, record);
    vrv_seg_unref(to);
    vrv_seg_unref(old);
    return rc;
}

int
mend_sealed(struct mend *m, const struct damage *d, struct vrv_err *e)
{
    uint8_t record[VRV_SEG_RECORD];
    char key[KEY_MAX];
    bool any;
    int rc = rewrite(m, d->log, d->seg, INT64_MAX, record, &any, e);

    if (rc < 0)
        return rc;
    vrv__key_seal(key, &d->log->log->id, d->seg->base);
    struct vrv_meta_write w = { key, any ? record : NULL, any ? VRV_SEG_RECORD : 0 };
    return vrv__meta_commit(m->states, &w, 1, e);
}

/* ---- what isn't sealed ---- */

struct value {
    const char *key;
    uint8_t *p;
    size_t n;
    bool done;
};

static void
take_value(void *ctx, int status, const struct vrv_meta_kv *kv, uint64_t revision,
    const struct vrv_err *err)
{
    struct value *v = ctx;

    (void)status;
    (void)revision;
    (void)err;
    if (kv == NULL) {
        v->done = true;
    } else if (strcmp(kv->key, v->key) == 0) { /* the range is of a prefix */
        v->n = kv->value_len;
        v->p = vrv_mem_zero(v->n + 1);
        memcpy(v->p, kv->value, v->n);
    }
}

static int
get_value(struct mend *m, const char *key, struct value *v, struct vrv_err *e)
{
    int rc = 0;

    *v = (struct value){ .key = key };
    vrv_meta_range(m->states, key, take_value, v);
    while (rc >= 0 && !v->done)
        rc = vrv_meta_step(m->states, e);
    return rc < 0 ? rc : 0;
}

struct rewritten {
    struct vrv_meta_write w[VRV_META_OPS_MAX];
    char key[VRV_META_OPS_MAX][KEY_MAX];
    uint8_t record[VRV_META_OPS_MAX][VRV_SEG_RECORD];
    size_t n;
};

static int
rewrite_all(struct mend *m, struct view_log *vl, int64_t limit, struct rewritten *x,
    struct vrv_err *e)
{
    int rc = 0;

    for (uint32_t i = 0; i < vl->log->seg_n && rc == 0; i++) {
        const struct vrv_seg *s = vl->log->segs[i];
        bool any;

        if (s->state == VRV_SEG_SEALED || s->flushed == 0)
            continue;
        if (x->n >= VRV_META_OPS_MAX - 2)
            return vrv_err_set(e, VRV_E_CORRUPT, "too many segments of one log are not sealed");
        rc = rewrite(m, vl, s, limit, x->record[x->n], &any, e);
        if (rc < 0 || !any)
            continue;
        vrv__key_seal(x->key[x->n], &vl->log->id, s->base);
        x->w[x->n] = (struct vrv_meta_write){ x->key[x->n], x->record[x->n], VRV_SEG_RECORD };
        x->n++;
    }
    return rc;
}

/* The state ends at some offset; what the WAL has from there on comes back at the next start, into
 * a new segment.  So what was not sealed becomes sealed up to that offset. */
int
mend_unsealed(struct mend *m, struct view_log *vl, struct vrv_err *e)
{
    struct rewritten *x = VRV_NEW(struct rewritten);
    char key[KEY_MAX], open[KEY_MAX];
    struct value state;

    vrv__key_state(key, &vl->log->id);
    vrv__key_open(open, &vl->log->id);
    int rc = get_value(m, key, &state, e);
    if (rc == 0 && state.n < 64)
        rc = vrv_err_set(e, VRV_E_CORRUPT, "the checkpoint has no state of this partition");
    if (rc == 0)
        rc = rewrite_all(m, vl, (int64_t)vrv_get_le64(state.p + 24), x, e);
    if (rc == 0) {
        state.p[1] = 0; /* there is no segment to go on in (log_state.c) */
        x->w[x->n++] = (struct vrv_meta_write){ key, state.p, state.n };
        x->w[x->n++] = (struct vrv_meta_write){ .key = open };
        rc = vrv__meta_commit(m->states, x->w, x->n, e);
    }
    free(state.p);
    free(x);
    return rc;
}
