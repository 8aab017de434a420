/*
 * Checkpoints: what lets the WAL be used again.
 *
 *   idle ─due─► capture ─► committed ─► flush ─► durable ─► sync, keep, trim ─► idle
 *
 * capture    note where the WAL is durable up to; take the state of every log touched since
 * committed  wait until all that those states contain is committed
 * flush      write those logs' segments
 *            (many of them: syncing begins meanwhile, on another thread)
 * durable    wait until all that was written is durable in the WAL too: a segment must never know
 *            more than the WAL could prove
 * sync       make the segments durable, then keep the states in one transaction each,
 *            then free the WAL below the noted place.  Logs that are to be truncated are cut here:
 *            no batch of them is under way, and all are in the segments
 *
 * Every log that has an entry below that place was touched, so its state, or an older one that
 * still holds, covers the entry; replay skips what a state covers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/engine_int.h"

enum { SYNC_FILES_MAX = 16 };

static void
capture(struct vrv_engine *eng)
{
    struct checkpoint *c = &eng->ckpt;
    struct vrv_journal_state st = vrv_journal_state(eng->env.journal);

    c->begun_ns = eng->o.clock->mono_ns(eng->o.clock);
    c->trim_slot = st.durable_slot;
    c->trim_seq = st.durable_seq;
    c->need_seq = st.committed_seq;
    c->n = c->at = 0;
    for (size_t i = 0; i < eng->dead_n; i++)
        eng->dead[i].forget = eng->dead[i].deleted;
    vrv_lock(&eng->env.lock);
    while (!vrv_list_empty(&eng->env.touched)) {
        struct vrv_list *l = eng->env.touched.next;

        vrv_list_del(l);
        VRV_PUSH_ROOM(c->v, c->n, c->cap);
        c->v[c->n++] = (struct captured){ .log = VRV_LIST_OF(l, struct vrv_log, touched_link) };
    }
    vrv_unlock(&eng->env.lock);
    for (size_t i = 0; i < c->n; i++) {
        uint64_t seq;

        c->v[i].cut = vrv_log_is_cut(c->v[i].log);
        vrv_log_capture(c->v[i].log, &c->v[i].state, &c->v[i].n, &seq);
        if (seq > c->need_seq)
            c->need_seq = seq;
    }
    c->phase = CKPT_COMMITTED;
}

void
vrv__checkpoint_forget(struct checkpoint *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->v[i].state);
        vrv_log_unref(&c->v[i].log);
    }
    c->n = 0;
    c->phase = CKPT_IDLE;
}

/* A full disk is waited out: the WAL still has everything. */
static bool
wait_for_room(struct vrv_engine *eng)
{
    eng->ckpt.no_room = true;
    atomic_store(&eng->disk_full, true);
    return false;
}

/* One log per step. */
static bool
flush_next(struct vrv_engine *eng)
{
    struct checkpoint *c = &eng->ckpt;
    struct vrv_err e = { 0 };

    if (c->at == c->n) {
        struct vrv_journal_state st = vrv_journal_state(eng->env.journal);

        /* Owners may know of entries that committed_seq doesn't count yet. */
        c->need_seq = st.committed_seq > eng->env.flushed_seq ? st.committed_seq
                                                              : eng->env.flushed_seq;
        c->phase = CKPT_DURABLE;
        return true;
    }
    int rc = vrv_log_flush(c->v[c->at].log, &e);
    if (rc == VRV_E_NOSPACE)
        return wait_for_room(eng);
    if (rc < 0)
        vrv__engine_fail(eng, &e);
    if (++c->at % eng->o.sync_ahead_logs == 0) {
        atomic_store(&eng->sync_due, true);
        if (eng->o.sync_wanted != NULL)
            eng->o.sync_wanted(eng->o.ctx);
    }
    return true;
}

/* ---- syncing the segments ----
 *
 * Many small files are written by the kernel one by one; that may begin while the flusher writes
 * the others.  The checkpoint's own sync follows, with little left to do.  They never run at the
 * same time: an error is told to one of them only.
 */

bool
vrv_engine_sync_step(struct vrv_engine *eng)
{
    struct vrv_err e = { 0 };

    atomic_store(&eng->syncing, true); /* first: who withdraws the wish sees one or the other */
    bool go = atomic_exchange(&eng->sync_due, false) && vrv_engine_error(eng, NULL) == 0;
    if (go && vrv_vfs_sync_all(eng->o.vfs, &e) < 0)
        vrv__engine_fail(eng, &e);
    atomic_store(&eng->syncing, false);
    if (go && eng->o.flush_wanted != NULL)
        eng->o.flush_wanted(eng->o.ctx);
    return go;
}

/* No more of it begins; is one still on its way? */
static bool
is_syncing(struct vrv_engine *eng)
{
    atomic_store(&eng->sync_due, false);
    return atomic_load(&eng->syncing);
}

struct sync_set {
    struct vrv_seg *segs[SYNC_FILES_MAX];
    int files[SYNC_FILES_MAX]; /* of each, once they are open */
    size_t n;
    bool many; /* too many, or new names: sync the whole file system */
};

/* Of a deleted log nothing is kept, and its files may be gone already. */
static void
add_dirty(struct sync_set *set, struct vrv_log *log)
{
    vrv_lock(&log->lock);
    for (uint32_t i = log->seg_n; i-- > 0 && !log->gone;) {
        struct vrv_seg *s = log->segs[i];

        if (s->state == VRV_SEG_SEALED)
            break;
        if (!s->dirty)
            continue;
        s->dirty = false;
        if (s->fresh || set->n == SYNC_FILES_MAX)
            set->many = true;
        else
            set->segs[set->n++] = s;
        s->fresh = false;
    }
    vrv_unlock(&log->lock);
}

static int
sync_few(struct vrv_engine *eng, struct sync_set *set, struct vrv_err *e)
{
    struct vrv_file *v[2 * SYNC_FILES_MAX];
    size_t open = 0, n = 0;
    int rc = 0;

    for (; open < set->n; n += (size_t)set->files[open++]) {
        rc = set->files[open] = vrv_seg_sync_begin(set->segs[open], &v[n], e);
        if (rc < 0)
            break;
    }
    if (rc >= 0)
        rc = vrv_vfs_sync_files(eng->o.vfs, v, n, e);
    while (open-- > 0)
        vrv_seg_sync_done(set->segs[open], set->files[open]);
    return rc;
}

static int
sync_segments(struct vrv_engine *eng, struct vrv_err *e)
{
    struct sync_set set = { .n = 0 };
    int rc = vrv_engine_error(eng, e); /* the sync ahead may have failed */

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < eng->ckpt.n; i++)
        add_dirty(&set, eng->ckpt.v[i].log);
    if (set.many)
        return vrv_vfs_sync_all(eng->o.vfs, e);
    return set.n > 0 ? sync_few(eng, &set, e) : 0;
}

/* ---- truncation ---- */

static void
cut_logs(struct checkpoint *c)
{
    for (size_t i = 0; i < c->n; i++) {
        struct captured *v = &c->v[i];
        uint8_t *state;

        v->cut = v->cut && !v->log->gone && vrv_log_cut(v->log, &state, &v->n);
        if (v->cut) {
            free(v->state);
            v->state = state;
        }
    }
}

static int
clean_cuts(struct vrv_engine *eng, struct vrv_err *e)
{
    struct checkpoint *c = &eng->ckpt;
    int rc = 0;

    for (size_t i = 0; i < c->n && rc == 0; i++) {
        if (c->v[i].cut)
            rc = vrv__engine_clean_cut(eng, c->v[i].log, e);
        if (rc == 0) /* the next one isn't this checkpoint's, even if it must be tried again */
            c->v[i].cut = false;
    }
    return rc;
}

/* ---- keeping the states ----
 *
 * One transaction per log (more where many of its segments were sealed), many of them in flight:
 * the store puts what is waiting on the disk with one sync.
 */

enum { IN_FLIGHT_MAX = 1024 };

struct keeping {
    struct vrv_engine *eng;
    size_t waiting;
    int status;
    struct vrv_err err;
    struct vrv_seg **segs; /* sealed by what is in flight */
    size_t seg_n, seg_cap;
    /* the transaction that is being made */
    struct vrv_meta_write w[VRV_META_OPS_MAX];
    char key[VRV_META_OPS_MAX][KEY_MAX];
    uint8_t seal[VRV_META_OPS_MAX][VRV_SEG_RECORD];
    size_t n;
};

/* A log's state, its open segments, what truncation took away, a seal that it broke. */
enum { LOG_OPS = 4 };

static void
kept(void *ctx, int status, uint64_t revision, const struct vrv_err *e)
{
    struct keeping *k = ctx;

    (void)revision;
    k->waiting--;
    if (status != 0 && k->status == 0) {
        k->status = status;
        if (e != NULL)
            k->err = *e;
    }
}

/* Wait for all that is in flight. */
static int
settle(struct keeping *k, struct vrv_err *e)
{
    int rc = 0;

    while (k->waiting > 0) { /* a store that has stopped answers, too */
        int step = vrv_meta_step(k->eng->states, e);

        rc = step < 0 ? step : rc;
    }
    if (rc >= 0 && k->status != 0) {
        rc = k->status;
        if (e != NULL)
            *e = k->err;
    }
    for (size_t i = 0; i < k->seg_n && rc >= 0; i++)
        rc = vrv_seg_seal(k->segs[i], e);
    k->seg_n = 0;
    return rc < 0 ? rc : 0;
}

static int
send(struct keeping *k, struct vrv_err *e)
{
    struct vrv_meta_txn t = { .write = k->w, .write_n = k->n };

    if (k->n > 0) {
        k->waiting++;
        vrv_meta_txn(k->eng->states, &t, kept, k);
    }
    k->n = 0;
    return k->waiting < IN_FLIGHT_MAX ? 0 : settle(k, e);
}

/* A log's segments from `from` on that have their footer, oldest first. */
static struct vrv_seg *
next_footed(struct vrv_log *log, int64_t from)
{
    struct vrv_seg *found = NULL;

    vrv_lock(&log->lock);
    for (uint32_t i = log->seg_n; i-- > 0 && log->segs[i]->state != VRV_SEG_SEALED;) {
        if (log->segs[i]->base < from)
            break;
        if (log->segs[i]->state == VRV_SEG_FOOTED)
            found = log->segs[i];
    }
    vrv_unlock(&log->lock);
    return found;
}

static void
add_cut(struct keeping *k, const struct vrv_log *log, const uint8_t *gone, size_t gone_n)
{
    if (gone_n > 0) {
        vrv__key_gone(k->key[k->n], &log->id);
        k->w[k->n] = (struct vrv_meta_write){ k->key[k->n], gone, gone_n };
        k->n++;
    }
    if (log->cut->unseals) {
        vrv__key_seal(k->key[k->n], &log->id, log->cut->kept_base);
        k->w[k->n] = (struct vrv_meta_write){ .key = k->key[k->n] };
        k->n++;
    }
}

static int
keep_log(struct keeping *k, struct captured *c, struct vrv_err *e)
{
    struct vrv_seg *s;
    uint8_t *open, *gone = NULL;
    size_t open_n, gone_n;
    int64_t from = 0;
    int rc = 0;

    while (rc == 0 && (s = next_footed(c->log, from)) != NULL) {
        from = s->base + 1;
        vrv__key_seal(k->key[k->n], &c->log->id, s->base);
        vrv_seg_record(s, k->seal[k->n]);
        k->w[k->n] = (struct vrv_meta_write){ k->key[k->n], k->seal[k->n], VRV_SEG_RECORD };
        VRV_PUSH_ROOM(k->segs, k->seg_n, k->seg_cap);
        k->segs[k->seg_n++] = s;
        c->seals = true;
        if (++k->n == VRV_META_OPS_MAX - LOG_OPS)
            rc = send(k, e);
    }
    if (rc < 0)
        return rc;
    vrv_log_capture_open(c->log, &open, &open_n);
    vrv__key_open(k->key[k->n], &c->log->id);
    k->w[k->n] = (struct vrv_meta_write){ k->key[k->n], open_n > 0 ? open : NULL, open_n };
    k->n++;
    vrv__key_state(k->key[k->n], &c->log->id);
    k->w[k->n] = (struct vrv_meta_write){ k->key[k->n], c->state, c->n };
    k->n++;
    if (c->cut) {
        vrv_log_capture_gone(c->log, &gone, &gone_n);
        add_cut(k, c->log, gone, gone_n);
    }
    rc = send(k, e);
    free(gone);
    free(open);
    return rc;
}

static int
keep_dead(struct keeping *k, struct vrv_err *e)
{
    int rc = 0;

    for (size_t i = 0; i < k->eng->dead_n && rc == 0; i++) {
        if (!k->eng->dead[i].forget)
            continue;
        vrv__key_seal(k->key[k->n], &k->eng->dead[i].log, k->eng->dead[i].base);
        k->w[k->n] = (struct vrv_meta_write){ .key = k->key[k->n] };
        if (++k->n == VRV_META_OPS_MAX)
            rc = send(k, e);
    }
    return rc == 0 ? send(k, e) : rc;
}

static void
forget_dead(struct vrv_engine *eng)
{
    size_t kept = 0;

    for (size_t i = 0; i < eng->dead_n; i++)
        if (!eng->dead[i].forget)
            eng->dead[kept++] = eng->dead[i];
    eng->dead_n = kept;
}

/* Also when it must be tried again: some are sealed by now. */
static void
tell_changes(const struct checkpoint *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->v[i].seals || c->v[i].cut)
            vrv_log_note_change(c->v[i].log);
}

static int
keep_all(struct vrv_engine *eng, struct vrv_err *e)
{
    struct checkpoint *c = &eng->ckpt;
    struct keeping *k = VRV_NEW(struct keeping);
    int rc = 0;

    k->eng = eng;
    cut_logs(c);
    for (size_t i = 0; i < c->n && rc == 0; i++)
        if (!c->v[i].log->gone)
            rc = keep_log(k, &c->v[i], e);
    if (rc == 0)
        rc = keep_dead(k, e);
    /* Also after an error: the store must not call back into what is freed. */
    int rest = settle(k, rc == 0 ? e : NULL);
    rc = rc == 0 ? rest : rc;
    free(k->segs);
    free(k);
    tell_changes(c);
    if (rc == 0)
        rc = clean_cuts(eng, e);
    if (rc == 0) {
        forget_dead(eng);
        rc = vrv__engine_mark_wal(eng, c->trim_slot, c->trim_seq, e);
    }
    if (rc == 0)
        rc = vrv_waldev_trim(eng->dev, c->trim_slot, e);
    return rc;
}

/* False: the disk is too full to keep the states; try again, all of it can be done twice.  A sync
 * that fails, for want of room or not, stops the engine (L4). */
static bool
finish(struct vrv_engine *eng)
{
    struct vrv_err e = { 0 };
    int rc = sync_segments(eng, &e);

    if (rc < 0) {
        vrv__engine_fail(eng, &e);
    } else if ((rc = keep_all(eng, &e)) == VRV_E_NOSPACE) {
        return wait_for_room(eng);
    } else if (rc < 0) {
        vrv__engine_fail(eng, &e);
    } else {
        atomic_store(&eng->env.wal_full, false); /* what found it full finds room now */
        (void)atomic_fetch_add(&eng->checkpoints, 1);
        vrv_hist_add(&eng->checkpoint_times,
            eng->o.clock->mono_ns(eng->o.clock) - eng->ckpt.begun_ns);
    }
    eng->ckpt.last_ms = eng->o.clock->mono_ns(eng->o.clock) / 1000000;
    vrv__checkpoint_forget(&eng->ckpt);
    return true;
}

static bool
due(struct vrv_engine *eng)
{
    if (atomic_exchange(&eng->want_checkpoint, false))
        return true;
    size_t used = vrv_waldev_used(eng->dev);
    if (used > eng->dev->capacity / 2)
        return true;
    /* A full disk may have kept the WAL smaller than it should be. */
    if (atomic_exchange(&eng->env.wal_full, false) && used > 0)
        return true;
    vrv_lock(&eng->env.lock);
    bool touched = !vrv_list_empty(&eng->env.touched);
    vrv_unlock(&eng->env.lock);
    int64_t now = eng->o.clock->mono_ns(eng->o.clock) / 1000000;
    return touched && now - eng->ckpt.last_ms >= eng->o.checkpoint_ms;
}

bool
vrv_engine_checkpoint_step(struct vrv_engine *eng)
{
    struct checkpoint *c = &eng->ckpt;
    struct vrv_journal_state st = vrv_journal_state(eng->env.journal);

    VRV_CHECK(eng, ENGINE_MAGIC);
    c->no_room = false;
    if (atomic_load(&eng->status) != 0 || st.status != 0) {
        vrv__checkpoint_forget(c);
        return false;
    }
    switch (c->phase) {
    case CKPT_IDLE:
        if (!due(eng))
            return false;
        capture(eng);
        return true;
    case CKPT_COMMITTED:
        if (st.committed_seq < c->need_seq)
            return false;
        c->phase = CKPT_FLUSH;
        return true;
    case CKPT_FLUSH:
        return flush_next(eng);
    case CKPT_DURABLE:
        if (st.durable_seq < c->need_seq) {
            vrv_journal_want_sync(eng->env.journal);
            return false;
        }
        c->phase = CKPT_SYNC;
        return true;
    case CKPT_SYNC:
        return !is_syncing(eng) && finish(eng);
    }
    return false;
}
