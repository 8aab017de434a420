/* Records that a read found in files: brought into memory, and looked at before anybody has them. */
#include <inttypes.h>

#include "engine/reader/reader_int.h"

/* How many bytes of whole and sound batches do these begin with?  0: e says what is wrong with the first.
 * Offsets lie outside the checksum: that of the first is what the segment was searched by. */
static size_t
sound(const uint8_t *p, size_t n, struct vrv_err *e)
{
    int64_t next = 0;
    size_t at = 0;
    struct vrv_batch b;

    while (vrv_batch_read(&b, p + at, n - at, at == 0 ? e : NULL) == 0 && b.base_offset >= next &&
        vrv_batch_check_crc(p + at, &b, at == 0 ? e : NULL) == 0) {
        next = vrv_batch_last_offset(&b) + 1;
        at += b.size;
    }
    return at;
}

/* Into the slab: bytes of sound batches, at least one. */
static ssize_t
read_sound(const struct vrv_slice *s, struct vrv_slab *slab, struct vrv_err *e)
{
    ssize_t got = vrv_seg_pread(s->seg, slab->data, s->n, s->pos, VRV_READ_DONTCACHE, e);
    size_t n = got > 0 ? sound(slab->data, (size_t)got, e) : 0;

    if (n > 0)
        return (ssize_t)n;
    if (got == 0)
        got = vrv_err_set(e, VRV_E_CORRUPT, "segment %" PRId64 " ends at byte %" PRIu64, s->seg->base, s->pos);
    else if (got > 0)
        got = vrv_err_prefix(e, VRV_E_CORRUPT, "segment %" PRId64 ", byte %" PRIu64, s->seg->base, s->pos);
    return vrv__read_failed(s->seg, (int)got, e);
}

/* Takes the slab, which may be NULL. */
static int
load(struct vrv_slice *s, struct vrv_slab *slab, struct vrv_err *e)
{
    if (slab == NULL)
        return vrv_err_set(e, VRV_E_NOMEM, "the memory for records is in use");
    ssize_t n = read_sound(s, slab, e);
    if (n < 0) {
        vrv_slab_unref(slab);
        return (int)n;
    }
    vrv_seg_unref(s->seg);
    *s = (struct vrv_slice){ .kind = VRV_SLICE_MEMORY, .n = (size_t)n, .bytes = slab->data, .slab = slab };
    return 0;
}

/* What the first slices hold stays; what is wrong behind them is told by the next read. */
static int
load_all(struct vrv_log *log, struct vrv_read *r, bool over, struct vrv_err *e)
{
    struct vrv_slab_pool *pool = log->env->pool;
    struct vrv_err behind = { 0 };

    for (uint32_t i = 0; i < r->slice_n; i++) {
        struct vrv_slice *s = &r->slice[i];
        size_t before = s->n;

        if (s->kind != VRV_SLICE_FILE)
            continue;
        struct vrv_slab *slab = vrv_slab_get(pool, s->n);
        if (slab == NULL && over)
            slab = vrv_slab_get_over(pool, s->n);
        int rc = load(s, slab, i == 0 ? e : &behind);
        if (rc < 0) {
            vrv_read_cut(r, i);
            return i == 0 ? rc : 0;
        }
        if (s->n < before) {
            r->bytes -= before - s->n;
            r->more = true;
            vrv_read_cut(r, i + 1);
        }
    }
    return 0;
}

int
vrv_read_load(struct vrv_log *log, struct vrv_read *r, bool over, struct vrv_err *e)
{
    int rc = load_all(log, r, over, e);

    while (rc == VRV_E_NOTFOUND || vrv__read_elsewhere(log, r->offset, rc)) {
        r->elsewhere |= rc != VRV_E_NOTFOUND; /* else it left this disk meanwhile */
        rc = vrv_read(log, r, e);
        if (rc != 0)
            break;
        rc = load_all(log, r, over, e);
    }
    return rc;
}

int
vrv__read_failed(const struct vrv_seg *s, int rc, struct vrv_err *e)
{
    if (atomic_load(&s->dropped))
        return vrv_err_set(e, VRV_E_NOTFOUND, "segment %" PRId64 " went away while it was read", s->base);
    return rc == VRV_E_NOTFOUND ? vrv_err_prefix(e, VRV_E_FOREIGN, "a file is missing") : rc;
}

bool
vrv__read_elsewhere(struct vrv_log *log, int64_t offset, int rc)
{
    struct vrv_cold *cold = log->env->cold;
    const struct vrv_cold_ask a = { .topic = log->id.topic, .partition = log->id.partition };
    int64_t next = 0;

    if (cold == NULL || !vrv_read_is_damage(rc))
        return false;
    rc = cold->ops->next(cold, &a, &next, NULL);
    return rc == VRV_E_AGAIN || (rc == 0 && offset < next);
}

int
vrv__read_lacks(struct vrv_log *log, int64_t offset, const struct vrv_seg *s, struct vrv_err *e)
{
    if (offset >= s->base || !vrv__read_elsewhere(log, offset, VRV_E_CORRUPT))
        return 0;
    return vrv_err_set(e, VRV_E_CORRUPT, "this disk has no records from offset %" PRId64 " up to segment %" PRId64, offset,
        s->base);
}
