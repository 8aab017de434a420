/*
 * Recovery of the file WAL: find the groups, decide where the log ends, replay, secure the tail.
 *
 * A group found proves that slots below its durable_end were on stable storage once.  So a slot
 * that is missing or damaged below the highest such mark is corruption, and recovery refuses
 * (L5).  At or above it, the crash may have torn anything: the log ends at the first slot
 * that is missing, whatever lies behind it.  A cut tail's groups are wiped, so that they can't come
 * back when their slots' turn comes, be it as the first ones behind a checkpoint.  Until that is
 * durable, the session number keeps them out: the chain of kept groups never goes back to
 * a lower one.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/wal/wal_file_int.h"
#include "engine/wal/wal_format.h"

/* A window and what aligns it fit a slab that is kept for reuse. */
enum { BLOCK = VRV_DIRECT_ALIGN, WINDOW = 4 * 1024 * 1024 - 2 * BLOCK };

/* ---- the header of a file ---- */

static void
header_bytes(const struct wal_file *w, unsigned i, uint8_t *h)
{
    vrv_wal_file_head_write(h, &(struct vrv_wal_file_head){ .wal_id = w->wal_id, .number = i + 1,
        .files = w->n, .file_bytes = w->file_bytes });
}

static uint8_t *
aligned_buffer(size_t n)
{
    void *p = NULL;
    int rc = posix_memalign(&p, BLOCK, n);

    VRV_ASSERT(rc == 0);
    return p;
}

int
vrv__wal_file_header_write(struct wal_file *w, unsigned i, struct vrv_err *e)
{
    uint8_t *h = aligned_buffer(VRV_WAL_FILE_HEADER);

    header_bytes(w, i, h);
    int rc = vrv_file_pwrite(w->ring[i].f, h, VRV_WAL_FILE_HEADER, 0, e);
    free(h);
    return rc;
}

int
vrv__wal_file_header_check(struct wal_file *w, unsigned i, struct vrv_err *e)
{
    uint8_t *want = aligned_buffer(VRV_WAL_FILE_HEADER), *h = aligned_buffer(VRV_WAL_FILE_HEADER);
    int rc = vrv_file_read_full(w->ring[i].f, h, VRV_WAL_FILE_HEADER, 0, e);
    uint32_t version = rc == 0 ? vrv_wal_file_head_version(h) : 0;

    header_bytes(w, i, want);
    if (version > VRV_WAL_VERSION)
        rc = vrv_err_set(e, VRV_E_VERSION,
            "%s/%06u.wal has format %" PRIu32 "; this version of varve knows formats up to %d",
            w->dir, i + 1, version, VRV_WAL_VERSION);
    else if (rc == 0 && memcmp(h, want, VRV_WAL_FILE_HEADER) != 0)
        rc = vrv_err_set(e, VRV_E_CORRUPT,
            "%s/%06u.wal: the header is damaged, or belongs to another write-ahead log", w->dir,
            i + 1);
    free(want);
    free(h);
    return rc;
}

/* ---- finding groups ---- */

struct found_group {
    struct vrv_wal_head h;
    unsigned file;
    uint64_t pos;
    size_t n;  /* header, payload and padding */
    bool ok;   /* the payload's checksum holds, */
    struct vrv_slab *slab; /* and this, or NULL, */
    const uint8_t *p;      /* holds the group */
};

struct scan {
    struct wal_file *w;
    uint64_t trim;
    uint64_t durable_end; /* the highest that any group testifies to */
    struct found_group *v;
    size_t count, cap;
    /* window on the file being read */
    struct vrv_slab *slab;
    uint8_t *buf;         /* in it, aligned */
    uint64_t buf_pos;
    size_t buf_n;
};

/* Move the window to pos; what it has of that already is not read again. */
static int
move_window(struct scan *s, struct ring_file *rf, uint64_t pos, size_t n, struct vrv_err *e)
{
    size_t want = n > WINDOW ? n : WINDOW, have = 0;

    if (want > rf->filled - pos)
        want = rf->filled - pos;
    struct vrv_slab *slab = vrv_slab_get_must(s->w->pool, want + BLOCK);
    uint8_t *p = slab->data + (BLOCK - (uintptr_t)slab->data % BLOCK) % BLOCK;
    if (pos >= s->buf_pos && pos < s->buf_pos + s->buf_n) {
        have = (size_t)(s->buf_pos + s->buf_n - pos);
        memcpy(p, s->buf + (pos - s->buf_pos), have);
    }
    vrv_slab_unref(s->slab);
    s->slab = slab;
    s->buf = p;
    s->buf_pos = pos;
    int rc = vrv_file_read_full(rf->f, p + have, want - have, pos + have, e);
    s->buf_n = rc == 0 ? want : 0;
    return rc;
}

/* n bytes at pos of file i, or NULL with *rc: 0 when the file ends before. */
static const uint8_t *
window(struct scan *s, unsigned i, uint64_t pos, size_t n, int *rc, struct vrv_err *e)
{
    struct ring_file *rf = &s->w->ring[i];

    *rc = 0;
    if (pos + n > rf->filled)
        return NULL;
    if (pos < s->buf_pos || pos + n > s->buf_pos + s->buf_n)
        *rc = move_window(s, rf, pos, n, e);
    return *rc == 0 ? s->buf + (pos - s->buf_pos) : NULL;
}

static size_t
whole(const struct vrv_wal_head *h)
{
    return (VRV_WAL_GROUP_HEADER + (size_t)h->bytes + BLOCK - 1) & ~(size_t)(BLOCK - 1);
}

/* One block: note the group that begins there, if one does; *step is where to look next. */
static int
scan_block(struct scan *s, unsigned i, uint64_t pos, size_t *step, struct vrv_err *e)
{
    int rc;
    const uint8_t *p = window(s, i, pos, BLOCK, &rc, e);
    struct found_group g = { .file = i, .pos = pos };

    *step = BLOCK;
    if (p == NULL || !vrv_wal_head_read(&g.h, p) || g.h.wal_id != s->w->wal_id)
        return rc;
    g.n = whole(&g.h);
    if (g.h.durable_end > s->durable_end)
        s->durable_end = g.h.durable_end;
    p = g.n <= s->w->dev.group_max ? window(s, i, pos, g.n, &rc, e) : NULL;
    g.ok = p != NULL && vrv_wal_payload_ok(&g.h, p, g.n);
    /* A damaged group, or an old one that was overwritten in part, must not hide others. */
    *step = g.ok ? g.n : BLOCK;
    if (g.h.slot < s->trim)
        return rc;
    if (g.ok) {
        g.slab = vrv_slab_ref(s->slab);
        g.p = p;
    }
    VRV_PUSH_ROOM(s->v, s->count, s->cap);
    s->v[s->count++] = g;
    return rc;
}

static int
scan_file(struct scan *s, unsigned i, struct vrv_err *e)
{
    size_t step = 0;
    int rc = 0;

    s->buf_n = 0;
    for (uint64_t pos = VRV_WAL_FILE_HEADER; pos + BLOCK <= s->w->ring[i].filled && rc == 0;
         pos += step)
        rc = scan_block(s, i, pos, &step, e);
    return rc;
}

/* By slot; of one slot's the newest session first, and sound before damaged. */
static int
by_slot(const void *pa, const void *pb)
{
    const struct found_group *a = pa, *b = pb;

    if (a->h.slot != b->h.slot)
        return a->h.slot < b->h.slot ? -1 : 1;
    if (a->h.session != b->h.session)
        return a->h.session > b->h.session ? -1 : 1;
    return (int)b->ok - (int)a->ok;
}

/* ---- deciding, replaying, securing ---- */

/* Keep the chain of slots from trim on; its length in *kept, moved to the front of s->v, before the
 * others. */
static void
keep_chain(struct scan *s, size_t *kept)
{
    uint64_t want = s->trim;
    uint32_t session = 0;

    *kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct found_group *g = &s->v[i];

        if (g->h.slot < want)
            continue; /* an older session's group for a slot that is taken */
        if (g->h.slot > want || !g->ok || g->h.session < session)
            break;
        session = g->h.session;
        want++;
        struct found_group keep = *g;
        *g = s->v[*kept];
        s->v[(*kept)++] = keep;
    }
}

static int
check_end(const struct scan *s, uint64_t end, uint64_t durable_slot, struct vrv_err *e)
{
    uint64_t durable = s->durable_end > durable_slot ? s->durable_end : durable_slot;

    if (end >= durable)
        return 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct found_group *g = &s->v[i];

        if (g->h.slot == end && !g->ok)
            return vrv_err_set(e, VRV_E_CORRUPT,
                "%s/%06u.wal: group %" PRIu64 " at byte %" PRIu64
                " is damaged, and was durable before; records from there on would be lost",
                s->w->dir, g->file + 1, end, g->pos);
    }
    return vrv_err_set(e, VRV_E_CORRUPT,
        "%s: group %" PRIu64 " of the write-ahead log can't be found, and groups up to %" PRIu64
        " were durable before; records from there on would be lost", s->w->dir, end, durable);
}

static int
replay_one(struct scan *s, const struct found_group *g, vrv_wal_replay_fn *fn, void *ctx,
    struct vrv_wal_found *found, struct vrv_err *e)
{
    if (g->h.first_seq != found->next_seq)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "%s/%06u.wal: group %" PRIu64 " does not follow the one before it (entry %" PRIu64
            ", expected %" PRIu64 ")", s->w->dir, g->file + 1, g->h.slot, g->h.first_seq,
            found->next_seq);
    int rc = fn(ctx, g->p, VRV_WAL_GROUP_HEADER + (size_t)g->h.bytes, g->slab, e);
    found->next_seq += g->h.count;
    found->next_slot = g->h.slot + 1;
    found->groups++;
    found->bytes += g->n;
    return rc;
}

/* Overwrite a group that was cut: all of a sound one, lest what a producer put into it is taken for
 * groups next time; of a damaged one no more than its header, since its length may be wrong. */
static int
wipe(struct scan *s, const struct found_group *g, struct vrv_err *e)
{
    size_t n = g->ok ? g->n : BLOCK;
    uint8_t *zero = aligned_buffer(n);

    memset(zero, 0, n);
    int rc = vrv_file_pwrite(s->w->ring[g->file].f, zero, n, g->pos, e);
    s->w->ring[g->file].dirty = true;
    free(zero);
    return rc;
}

/* What reads show may not be on the disk: write the doubtful groups again, wipe what was cut, and
 * sync. */
static int
secure_tail(struct scan *s, size_t kept, uint64_t durable, struct vrv_wal_found *found,
    struct vrv_err *e)
{
    int rc = 0;

    for (size_t i = 0; i < kept && rc == 0; i++) {
        const struct found_group *g = &s->v[i];

        if (g->h.slot < durable)
            continue;
        rc = vrv_file_pwrite(s->w->ring[g->file].f, g->p, g->n, g->pos, e);
        s->w->ring[g->file].dirty = true;
        found->rewritten++;
    }
    for (size_t i = kept; i < s->count && rc == 0; i++)
        rc = wipe(s, &s->v[i], e);
    for (unsigned i = 0; i < s->w->n && rc == 0; i++) {
        struct ring_file *rf = &s->w->ring[i];

        if (rf->dirty)
            rc = vrv_file_sync(rf->f, e);
        rf->dirty = rf->dirty && rc != 0;
    }
    return rc;
}

static void
set_ring(struct scan *s, size_t kept)
{
    for (size_t i = 0; i < kept; i++) {
        struct ring_file *rf = &s->w->ring[s->v[i].file];

        rf->last_slot = s->v[i].h.slot;
        rf->end = s->v[i].pos + s->v[i].n;
        s->w->cur = s->v[i].file;
    }
}

int
vrv__wal_recover(struct wal_file *w, uint64_t trim, uint64_t durable_slot, vrv_wal_replay_fn *fn,
    void *ctx, struct vrv_wal_found *found, struct vrv_err *e)
{
    struct scan s = { .w = w, .trim = trim };
    size_t kept = 0;
    int rc = 0;

    for (unsigned i = 0; i < w->n && rc == 0; i++)
        rc = scan_file(&s, i, e);
    if (rc == 0) {
        if (s.count > 0)
            qsort(s.v, s.count, sizeof(*s.v), by_slot);
        size_t all = s.count;
        keep_chain(&s, &kept);
        rc = check_end(&s, trim + kept, durable_slot, e);
        found->cut_groups = all - kept;
    }
    for (size_t i = 0; i < kept && rc == 0; i++)
        rc = replay_one(&s, &s.v[i], fn, ctx, found, e);
    if (rc == 0) {
        rc = secure_tail(&s, kept, s.durable_end > durable_slot ? s.durable_end : durable_slot,
            found, e);
        set_ring(&s, kept);
    }
    for (size_t i = 0; i < s.count; i++)
        vrv_slab_unref(s.v[i].slab);
    free(s.v);
    vrv_slab_unref(s.slab);
    return rc;
}
