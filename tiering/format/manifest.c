/* The manifest in memory: what it must fulfil, and where things are in it. */
#include "tiering/format/manifest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"

static char *
copy_of(const char *s)
{
    return s == NULL ? NULL : vrv_mem_strdup(s);
}

void
vrv_cold_seg_fini(struct vrv_cold_seg *s)
{
    free(s->key);
    free(s->copy_key);
    free(s->chunk);
    *s = (struct vrv_cold_seg){ 0 };
}

void
vrv_cold_segs_free(struct vrv_cold_seg *v, uint32_t n)
{
    for (uint32_t i = 0; v != NULL && i < n; i++)
        vrv_cold_seg_fini(&v[i]);
    free(v);
}

void
vrv_manifest_fini(struct vrv_manifest *m)
{
    for (uint32_t i = 0; i < m->page_n; i++)
        free(m->page[i].key);
    free(m->page);
    vrv_cold_segs_free(m->seg, m->seg_n);
    *m = (struct vrv_manifest){ 0 };
}

size_t
vrv_manifest_index_bytes(const struct vrv_manifest *m)
{
    size_t n = 0;

    for (uint32_t i = 0; i < m->seg_n; i++)
        n += m->seg[i].chunk_n * sizeof(*m->seg[i].chunk);
    return n;
}

size_t
vrv_manifest_bytes(const struct vrv_manifest *m)
{
    size_t n = sizeof(*m) + m->page_cap * sizeof(*m->page) + m->seg_cap * sizeof(*m->seg) +
        vrv_manifest_index_bytes(m);

    for (uint32_t i = 0; i < m->page_n; i++)
        n += strlen(m->page[i].key) + 1;
    for (uint32_t i = 0; i < m->seg_n; i++)
        n += strlen(m->seg[i].key) + 1;
    return n;
}

uint64_t
vrv_manifest_stored(const struct vrv_manifest *m)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < m->page_n; i++)
        n += m->page[i].stored;
    for (uint32_t i = 0; i < m->seg_n; i++)
        n += m->seg[i].size;
    return n;
}

static void
copy_seg(struct vrv_cold_seg *to, const struct vrv_cold_seg *from)
{
    *to = *from;
    to->key = copy_of(from->key);
    to->copy_key = copy_of(from->copy_key);
    to->chunk = vrv_mem_zero(from->chunk_n * sizeof(*to->chunk));
    if (from->chunk_n > 0)
        memcpy(to->chunk, from->chunk, from->chunk_n * sizeof(*to->chunk));
}

void
vrv_manifest_copy(struct vrv_manifest *to, const struct vrv_manifest *from)
{
    *to = *from;
    to->page_cap = from->page_n;
    to->seg_cap = from->seg_n;
    to->page = vrv_mem_zero(from->page_n * sizeof(*to->page));
    to->seg = vrv_mem_zero(from->seg_n * sizeof(*to->seg));
    for (uint32_t i = 0; i < from->page_n; i++) {
        to->page[i] = from->page[i];
        to->page[i].key = copy_of(from->page[i].key);
    }
    for (uint32_t i = 0; i < from->seg_n; i++)
        copy_seg(&to->seg[i], &from->seg[i]);
}

/* ---- without its chunks ---- */

void
vrv_manifest_thin(struct vrv_manifest *m)
{
    for (uint32_t i = 0; i < m->seg_n; i++) {
        free(m->seg[i].chunk);
        m->seg[i].chunk = NULL;
        m->seg[i].chunk_n = 0;
    }
}

bool
vrv_manifest_is_thin(const struct vrv_manifest *m)
{
    for (uint32_t i = 0; i < m->seg_n; i++)
        if (m->seg[i].chunk_n == 0)
            return true;
    return false;
}

bool
vrv_manifest_fill(struct vrv_manifest *m, const struct vrv_manifest *whole)
{
    for (uint32_t i = 0; i < m->seg_n; i++) {
        struct vrv_cold_seg *s = &m->seg[i];

        if (s->chunk_n > 0)
            continue;
        uint32_t k = vrv_cold_seg_find(whole->seg, whole->seg_n, s->base);
        const struct vrv_cold_seg *from = &whole->seg[k];
        if (k == whole->seg_n || from->chunk_n == 0 || strcmp(from->key, s->key) != 0)
            return false;
        free(s->chunk);
        s->chunk = vrv_mem_zero(from->chunk_n * sizeof(*s->chunk));
        memcpy(s->chunk, from->chunk, from->chunk_n * sizeof(*s->chunk));
        s->chunk_n = from->chunk_n;
    }
    return true;
}

int64_t
vrv_manifest_base(const struct vrv_manifest *m)
{
    if (m->page_n > 0)
        return m->page[0].base;
    return m->seg_n > 0 ? m->seg[0].base : m->next;
}

/* ---- what must hold ---- */

static int
check_chunks(const struct vrv_cold_seg *s, struct vrv_err *e)
{
    uint64_t plain = 0, end = 0;

    for (uint32_t i = 0; i < s->chunk_n; i++) {
        const struct vrv_chunk *c = &s->chunk[i];
        int64_t from = i == 0 ? s->base : s->chunk[i - 1].base + 1;

        if (vrv_chunk_check(c, e) < 0)
            return vrv_err_prefix(e, VRV_E_CORRUPT, "segment %" PRId64, s->base);
        if (c->base < from || c->base >= s->next || (i > 0 && c->pos != end) || c->pos > s->size ||
            c->stored > s->size - c->pos)
            return vrv_err_set(e, VRV_E_CORRUPT,
                "segment %" PRId64 ": chunk %" PRIu32 " has offset %" PRId64 " and ends at byte %"
                PRIu64 " of %" PRIu64, s->base, i, c->base, c->pos + c->stored, s->size);
        end = c->pos + c->stored;
        plain += c->plain;
    }
    if (s->chunk_n == 0 || plain != s->plain)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "segment %" PRId64 ": %" PRIu32 " chunks with %" PRIu64 " bytes, expected %" PRIu64,
            s->base, s->chunk_n, plain, s->plain);
    return 0;
}

static int
check_seg(const struct vrv_cold_seg *s, int64_t from, int32_t epoch, struct vrv_err *e)
{
    if (s->base < 0 || s->next <= s->base || s->base != from)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "a segment of offsets %" PRId64 " to before %" PRId64 " where %" PRId64 " follows",
            s->base, s->next, from);
    if (s->first_epoch > s->last_epoch || s->first_epoch < epoch)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "segment %" PRId64 ": epochs %" PRId32 " to %" PRId32 " behind epoch %" PRId32, s->base,
            s->first_epoch, s->last_epoch, epoch);
    if (s->key == NULL || s->key[0] == '\0' || s->size == 0 || s->pos + s->size < s->pos)
        return vrv_err_set(e, VRV_E_CORRUPT, "segment %" PRId64 " has no place", s->base);
    if (s->encryption != 0 || s->store != 0 || s->copy_store != 0 || s->copy_key != NULL)
        return vrv_err_set(e, VRV_E_VERSION,
            "segment %" PRId64 " lies where this version of varve can't read it", s->base);
    return check_chunks(s, e);
}

static int
check_page(const struct vrv_cold_page *p, int64_t from, int32_t epoch, struct vrv_err *e)
{
    if (p->base < 0 || p->next <= p->base || p->base != from || p->segments == 0 || p->size == 0 ||
        p->size > VRV_MANIFEST_PAGE_MAX || p->first_epoch < epoch ||
        p->last_epoch < p->first_epoch || p->key == NULL || p->key[0] == '\0')
        return vrv_err_set(e, VRV_E_CORRUPT,
            "a page of %" PRIu32 " segments, offsets %" PRId64 " to before %" PRId64 ", %" PRIu64
            " bytes, epochs %" PRId32 " to %" PRId32 ", where %" PRId64 " of epoch %" PRId32
            " follows", p->segments, p->base, p->next, p->size, p->first_epoch, p->last_epoch, from,
            epoch);
    return 0;
}

/* The newest epoch that it knows of. */
static int32_t
last_epoch(const struct vrv_manifest *m)
{
    if (m->seg_n > 0)
        return m->seg[m->seg_n - 1].last_epoch;
    return m->page_n > 0 ? m->page[m->page_n - 1].last_epoch : 0;
}

int
vrv_manifest_check(const struct vrv_manifest *m, struct vrv_err *e)
{
    int64_t from = vrv_manifest_base(m);
    int32_t epoch = 0;
    int rc = 0;

    if (m->partition < 0 || m->version <= m->before || m->start < 0 || m->next < 0 || from > m->start)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "version %" PRIu64 " of partition %" PRId32 " begins at %" PRId64 ", the log at %" PRId64
            ", and it ends before %" PRId64, m->version, m->partition, from, m->start, m->next);
    for (uint32_t i = 0; rc == 0 && i < m->page_n; i++) {
        rc = check_page(&m->page[i], from, epoch, e);
        from = m->page[i].next;
        epoch = m->page[i].last_epoch;
    }
    for (uint32_t i = 0; rc == 0 && i < m->seg_n; i++) {
        rc = check_seg(&m->seg[i], from, epoch, e);
        from = m->seg[i].next;
        epoch = m->seg[i].last_epoch;
    }
    if (rc == 0 && from != m->next)
        rc = vrv_err_set(e, VRV_E_CORRUPT, "it ends before %" PRId64 ", its segments before %" PRId64,
            m->next, from);
    return rc;
}

int
vrv_manifest_add(struct vrv_manifest *m, struct vrv_cold_seg *s, struct vrv_err *e)
{
    if (check_seg(s, m->next, last_epoch(m), e) < 0)
        return vrv_err_prefix(e, VRV_E_INVALID, "can't be added to the manifest");
    VRV_PUSH_ROOM(m->seg, m->seg_n, m->seg_cap);
    m->seg[m->seg_n++] = *s;
    m->next = s->next;
    *s = (struct vrv_cold_seg){ 0 };
    return 0;
}

/* ---- where ---- */

void
vrv_manifest_fold(struct vrv_manifest *m, uint32_t n, const struct vrv_cold_page *page, bool in_place)
{
    VRV_ASSERT(n <= m->seg_n);
    if (in_place)
        free(m->page[--m->page_n].key);
    VRV_PUSH_ROOM(m->page, m->page_n, m->page_cap);
    m->page[m->page_n++] = *page;
    for (uint32_t i = 0; i < n; i++)
        vrv_cold_seg_fini(&m->seg[i]);
    m->seg_n -= n;
    memmove(m->seg, m->seg + n, m->seg_n * sizeof(*m->seg));
}

bool
vrv_manifest_trim(struct vrv_manifest *m, int64_t start)
{
    uint32_t pages = 0, segs = 0;

    while (pages < m->page_n && m->page[pages].next <= start)
        free(m->page[pages++].key);
    while (pages == m->page_n && segs < m->seg_n && m->seg[segs].next <= start)
        vrv_cold_seg_fini(&m->seg[segs++]);
    m->page_n -= pages;
    m->seg_n -= segs;
    if (pages > 0)
        memmove(m->page, m->page + pages, m->page_n * sizeof(*m->page));
    if (segs > 0)
        memmove(m->seg, m->seg + segs, m->seg_n * sizeof(*m->seg));
    if (start > m->start)
        m->start = start;
    return pages + segs > 0;
}

uint32_t
vrv_cold_seg_find(const struct vrv_cold_seg *s, uint32_t n, int64_t offset)
{
    uint32_t lo = 0, hi = n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (s[mid].next <= offset)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

uint32_t
vrv_chunk_find(const struct vrv_cold_seg *s, int64_t offset)
{
    uint32_t lo = 0, hi = s->chunk_n - 1;

    VRV_ASSERT(s->chunk_n > 0);
    while (lo < hi) {
        uint32_t mid = hi - (hi - lo) / 2;

        if (s->chunk[mid].base <= offset)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}
