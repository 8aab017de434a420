/*
 * A root counts once more, and what it names is damaged, or gone: that was healed, perhaps, and the
 * root that said so is lost.  Then the store has a younger object of the same records, which
 * nothing names any more, and which takes that place again.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tiering/restore/find.h"
#include "tiering/scrub/heal_int.h"
#include "tiering/scrub/object.h"

static int
get(struct vrv__healing *o, const char *key, uint64_t pos, uint8_t *to, size_t n, struct vrv_err *e)
{
    struct vrv_store_call c = { .op = VRV_STORE_GET, .lane = VRV_STORE_HOUSEKEEPING, .key = key, .pos = pos, .size = n,
        .buf = to };
    int rc = vrv_sync_call(o->h->s, &c);

    if (rc < 0)
        *e = c.err;
    return rc == 0 && c.got != n ? vrv_err_set(e, VRV_E_CORRUPT, "%s is too short", key) : rc;
}

static int
read_chunks(struct vrv__healing *o, const struct vrv_store_name *name, struct vrv_object_info *i, struct vrv_chunk **out,
    struct vrv_err *e)
{
    uint8_t footer[VRV_OBJECT_FOOTER];

    if (name->size < VRV_OBJECT_HEADER + VRV_OBJECT_FOOTER)
        return vrv_err_set(e, VRV_E_CORRUPT, "%s is no object", name->key);
    int rc = get(o, name->key, name->size - sizeof(footer), footer, sizeof(footer), e);
    if (rc == 0)
        rc = vrv_object_read_footer(i, footer, name->size, e);
    if (rc < 0)
        return rc;
    size_t n = (size_t)i->chunk_n * VRV_CHUNK_RECORD;
    uint8_t *table = vrv_mem_zero(n);
    rc = get(o, name->key, i->table_at, table, n, e);
    if (rc == 0)
        rc = vrv_object_read_table(out, i, table, n, e);
    free(table);
    return rc;
}

/* The same records, as far as their checksum is known: by this disk where it has them, else by what
 * is left of the old one (was; its end, perhaps).  What another life wrote there may be as long,
 * and as old. */
static bool
is_same(const struct vrv__healing *o, const struct vrv_object_info *was, const struct vrv_object_info *i)
{
    struct vrv_seg *seg = vrv_log_sealed(o->log, i->base);
    bool same = seg != NULL ? seg->crc == i->plain_crc : was->chunk_n == 0 || was->plain_crc == i->plain_crc;

    vrv_seg_unref(seg);
    return same;
}

/* As a manifest names it; of what it doesn't say itself, what is known of the one before. */
static int
read_younger(struct vrv__healing *o, const struct vrv_store_name *name, int64_t made_ms, const struct vrv_cold_seg *old,
    const struct vrv_object_info *was, struct vrv_cold_seg *out, struct vrv_err *e)
{
    struct vrv_object_info i;
    struct vrv_chunk *chunk;
    int rc = read_chunks(o, name, &i, &chunk, e);

    if (rc < 0)
        return rc;
    *out = (struct vrv_cold_seg){ .base = old->base, .next = old->next, .first_epoch = old->first_epoch,
        .last_epoch = old->last_epoch, .key = vrv_mem_strdup(name->key), .size = name->size, .plain = old->plain,
        .min_ts = old->min_ts, .max_ts = old->max_ts, .max_ts_offset = old->max_ts_offset,
        .appended_ms = old->appended_ms, .moved_ms = made_ms, .aborted = old->aborted, .chunk = chunk,
        .chunk_n = i.chunk_n };
    struct vrv_object_walk w = { .s = o->h->s, .id = o->id, .seg = out, .any_crc = true };
    rc = vrv_object_walk(&w, e);
    if (rc == 0 && !is_same(o, was, &i))
        rc = vrv_err_set(e, VRV_E_CORRUPT, "%s has other records", name->key);
    out->crc = w.crc;
    if (rc < 0)
        vrv_cold_seg_fini(out);
    return rc;
}

/* 1: it takes the old one's place. */
static int
try_younger(struct vrv__healing *o, const struct vrv_store_name *name, int64_t made_ms, struct vrv_cold_seg *old,
    struct vrv_err *e)
{
    struct vrv_object_walk w = { .s = o->h->s, .id = o->id, .seg = old };
    struct vrv_cold_seg younger;
    int rc = vrv_object_walk(&w, e);

    if (!vrv_find_is_lost(rc))
        return rc;
    rc = read_younger(o, name, made_ms, old, &w.info, &younger, e);
    if (rc < 0)
        return vrv_find_is_lost(rc) ? 0 : rc;
    vrv_cold_seg_fini(old);
    *old = younger;
    return 1;
}

/* What is damaged is for who looks at segments, as is what is gone and this disk has (below its
 * start all is on its way out). */
static int
check_there(const struct vrv__healing *o, const struct vrv_found_names *l, const struct vrv_cold_seg *v, uint32_t n,
    struct vrv_err *e)
{
    int64_t local = vrv_log_offsets(o->log).local_start;
    int rc = 0;

    for (uint32_t i = 0; i < n && rc == 0; i++) {
        rc = vrv_find_there(o->h->s, l, v[i].key, v[i].pos + v[i].size, e);
        if (vrv_find_is_lost(rc) && v[i].base >= local)
            rc = 0;
    }
    return rc;
}

/* 1: something of v is another one now. */
static int
look_at(struct vrv__healing *o, const struct vrv_found_names *l, struct vrv_cold_seg *v,
    uint32_t n, struct vrv_err *e)
{
    bool changed = false;
    int rc = 0;

    for (size_t i = 0; i < l->n && rc >= 0; i++) {
        struct vrv_part_key k, known;

        if (!vrv_parts_read_key(o->id, 'd', l->v[i].key, &k))
            continue;
        uint32_t at = vrv_cold_seg_find(v, n, (int64_t)k.number);
        if (at == n || v[at].base != (int64_t)k.number || strcmp(v[at].key, l->v[i].key) == 0 ||
            !vrv_parts_read_key(o->id, 'd', v[at].key, &known) || k.made_ms < known.made_ms)
            continue;
        rc = try_younger(o, &l->v[i], k.made_ms, &v[at], e);
        changed = changed || rc == 1;
    }
    if (rc >= 0)
        rc = check_there(o, l, v, n, e);
    return rc < 0 ? rc : changed;
}

static int
look_at_page(struct vrv__healing *o, const struct vrv_found_names *l, const struct vrv_manifest *m,
    struct vrv_cold_page *page, struct vrv_err *e)
{
    const uint32_t n = page->segments;
    struct vrv_cold_seg *v;
    int rc = vrv_find_page(o->h->s, m, page, &v, e);

    if (rc < 0)
        return rc;
    rc = look_at(o, l, v, n, e);
    if (rc == 1)
        rc = vrv__heal_write_page(o, v, n, page, e);
    vrv_cold_segs_free(v, n);
    return rc;
}

int
vrv__heal_younger(struct vrv__healing *o, struct vrv_manifest *m, struct vrv_err *e)
{
    struct vrv_found_names l = { .n = 0 };
    int rc = vrv_find_objects(o->h->s, o->id, &l, e);

    for (uint32_t i = 0; i < m->page_n && rc == 0; i++)
        rc = look_at_page(o, &l, m, &m->page[i], e);
    if (rc == 0)
        rc = look_at(o, &l, m->seg, m->seg_n, e);
    vrv_found_names_fini(&l);
    return rc < 0 ? rc : 0;
}
