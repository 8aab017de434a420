/*
 * The manifest as bytes: roots and pages.
 *
 *   root   magic 8 | u32 version | u32 crc | fixed part | pages | segments
 *   page   magic 8 | u32 version | u32 crc | topic, partition | segments
 *
 * The checksum is of all but itself.
 *
 * Strings are u16 length and bytes; 0xffff: none.  A chunk's place follows from those before it, but for
 * the first one's.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "tiering/format/codec.h"
#include "tiering/format/manifest.h"

#define ROOT_MAGIC "VRVMANI1"
#define PAGE_MAGIC "VRVPAGE1"

enum {
    NO_STRING = 0xffff,
    ROOT_HEAD = VRV_CODEC_HEAD + 2 * 16 + 4 * 4 + 4 * 8, /* bytes of a root before its pages */
    PAGE_LEAST = 2 + 92,      /* bytes of a page's entry, without its key */
    SEG_LEAST = 2 * 2 + 120,  /* bytes of a segment, without keys and chunks */
    CHUNK_BYTES = 32,
    ABORTED = 1,              /* the only flag so far, of a segment and of a page */
};

/* ---- writing ---- */

static void
put_string(struct vrv_out *o, const char *s)
{
    size_t n = s == NULL ? 0 : strlen(s);

    VRV_ASSERT(n <= VRV_MANIFEST_KEY_MAX);
    vrv_put_le16(vrv_out_room(o, 2), s == NULL ? NO_STRING : (uint16_t)n);
    if (n > 0)
        memcpy(vrv_out_room(o, n), s, n);
}

static void
put_uuid(struct vrv_out *o, const struct vrv_uuid *u)
{
    memcpy(vrv_out_room(o, sizeof(u->b)), u->b, sizeof(u->b));
}

static void
put_seg(struct vrv_out *o, const struct vrv_cold_seg *s)
{
    put_string(o, s->key);
    put_string(o, s->copy_key);
    vrv_out64(o, (uint64_t)s->base);
    vrv_out64(o, (uint64_t)s->next);
    vrv_out32(o, (uint32_t)s->first_epoch);
    vrv_out32(o, (uint32_t)s->last_epoch);
    vrv_out32(o, s->store);
    vrv_out32(o, s->copy_store);
    vrv_out64(o, s->pos);
    vrv_out64(o, s->size);
    vrv_out64(o, s->plain);
    vrv_out32(o, s->crc);
    vrv_out32(o, s->encryption);
    vrv_out64(o, (uint64_t)s->min_ts);
    vrv_out64(o, (uint64_t)s->max_ts);
    vrv_out64(o, (uint64_t)s->max_ts_offset);
    vrv_out64(o, (uint64_t)s->appended_ms);
    vrv_out64(o, (uint64_t)s->moved_ms);
    vrv_out32(o, s->aborted ? ABORTED : 0);
    vrv_out32(o, s->chunk_n);
    vrv_out64(o, s->chunk_n > 0 ? s->chunk[0].pos : 0);
    for (uint32_t i = 0; i < s->chunk_n; i++) {
        const struct vrv_chunk *c = &s->chunk[i];

        VRV_ASSERT(i == 0 || c->pos == s->chunk[i - 1].pos + s->chunk[i - 1].stored);
        vrv_out64(o, (uint64_t)c->base);
        vrv_out64(o, (uint64_t)c->max_ts);
        vrv_out32(o, c->stored);
        vrv_out32(o, c->plain);
        vrv_out32(o, c->crc);
        vrv_out32(o, (uint32_t)c->codec);
    }
}

static size_t
string_bytes(const char *s)
{
    return s == NULL ? 0 : strlen(s);
}

size_t
vrv_cold_seg_encoded(const struct vrv_cold_seg *s)
{
    return SEG_LEAST + string_bytes(s->key) + string_bytes(s->copy_key) + (size_t)s->chunk_n * CHUNK_BYTES;
}

size_t
vrv_manifest_encoded(const struct vrv_manifest *m)
{
    size_t n = ROOT_HEAD;

    for (uint32_t i = 0; i < m->page_n; i++)
        n += PAGE_LEAST + string_bytes(m->page[i].key);
    for (uint32_t i = 0; i < m->seg_n; i++)
        n += vrv_cold_seg_encoded(&m->seg[i]);
    return n;
}

uint8_t *
vrv_manifest_write(const struct vrv_manifest *m, size_t *n)
{
    struct vrv_out o = { 0 };

    vrv_out_begin(&o, VRV_MANIFEST_VERSION, ROOT_MAGIC);
    put_uuid(&o, &m->topic);
    put_uuid(&o, &m->put_id);
    vrv_out32(&o, (uint32_t)m->partition);
    vrv_out32(&o, (uint32_t)m->epoch);
    vrv_out64(&o, m->version);
    vrv_out64(&o, m->before);
    vrv_out64(&o, (uint64_t)m->start);
    vrv_out64(&o, (uint64_t)m->next);
    vrv_out32(&o, m->page_n);
    vrv_out32(&o, m->seg_n);
    for (uint32_t i = 0; i < m->page_n; i++) {
        const struct vrv_cold_page *p = &m->page[i];

        put_string(&o, p->key);
        vrv_out64(&o, (uint64_t)p->base);
        vrv_out64(&o, (uint64_t)p->next);
        vrv_out64(&o, p->size);
        vrv_out32(&o, p->crc);
        vrv_out32(&o, p->segments);
        vrv_out32(&o, (uint32_t)p->first_epoch);
        vrv_out32(&o, (uint32_t)p->last_epoch);
        vrv_out64(&o, p->plain);
        vrv_out64(&o, p->stored);
        vrv_out64(&o, (uint64_t)p->min_ts);
        vrv_out64(&o, (uint64_t)p->max_ts);
        vrv_out64(&o, (uint64_t)p->max_ts_offset);
        vrv_out64(&o, (uint64_t)p->newest_ms);
        vrv_out32(&o, p->aborted ? ABORTED : 0);
    }
    for (uint32_t i = 0; i < m->seg_n; i++)
        put_seg(&o, &m->seg[i]);
    VRV_ASSERT(o.n == vrv_manifest_encoded(m));
    return vrv_out_finish(&o, n);
}

/* What a page's entry says of n segments. */
static void
sum_up(struct vrv_cold_page *page, const struct vrv_cold_seg *s, uint32_t n)
{
    *page = (struct vrv_cold_page){ .base = s[0].base, .next = s[n - 1].next, .segments = n,
        .first_epoch = s[0].first_epoch, .last_epoch = s[n - 1].last_epoch, .min_ts = INT64_MAX,
        .max_ts = INT64_MIN, .max_ts_offset = -1, .newest_ms = INT64_MIN };
    for (uint32_t i = 0; i < n; i++) {
        page->plain += s[i].plain;
        page->stored += s[i].size;
        page->aborted |= s[i].aborted;
        if (vrv_cold_seg_newest(&s[i]) > page->newest_ms)
            page->newest_ms = vrv_cold_seg_newest(&s[i]);
        if (s[i].min_ts < page->min_ts)
            page->min_ts = s[i].min_ts;
        if (s[i].max_ts > page->max_ts) {
            page->max_ts = s[i].max_ts;
            page->max_ts_offset = s[i].max_ts_offset;
        }
    }
}

uint8_t *
vrv_manifest_write_page(const struct vrv_manifest *m, uint32_t from, uint32_t to,
    struct vrv_cold_page *page, size_t *n)
{
    struct vrv_out o = { 0 };

    VRV_ASSERT(from < to && to <= m->seg_n);
    sum_up(page, m->seg + from, to - from);
    vrv_out_begin(&o, VRV_MANIFEST_VERSION, PAGE_MAGIC);
    put_uuid(&o, &m->topic);
    vrv_out32(&o, (uint32_t)m->partition);
    vrv_out32(&o, to - from);
    for (uint32_t i = from; i < to; i++)
        put_seg(&o, &m->seg[i]);
    uint8_t *p = vrv_out_finish(&o, n);
    page->size = *n;
    page->crc = vrv_crc32c(0, p, *n);
    return p;
}

/* ---- reading ---- */

static char *
get_string(struct vrv_in *i)
{
    size_t n = vrv_get_le16(vrv_in_take(i, 2));

    if (n == NO_STRING || i->bad)
        return NULL;
    if (n > VRV_MANIFEST_KEY_MAX || n > i->left || memchr(i->p, '\0', n) != NULL) {
        i->bad = true;
        return NULL;
    }
    char *s = vrv_mem_zero(n + 1);
    memcpy(s, vrv_in_take(i, n), n);
    return s;
}

static void
get_uuid(struct vrv_in *i, struct vrv_uuid *u)
{
    memcpy(u->b, vrv_in_take(i, sizeof(u->b)), sizeof(u->b));
}

/* As many things as said, of at least so many bytes each: room for them, or NULL. */
static void *
room_for(struct vrv_in *i, uint32_t n, size_t least, size_t size)
{
    if ((uint64_t)n * least > i->left) {
        i->bad = true;
        return NULL;
    }
    void *p = vrv_mem_try((size_t)n * size + 1);
    if (p == NULL)
        i->bad = i->nomem = true;
    else
        memset(p, 0, (size_t)n * size + 1);
    return p;
}

static bool
get_flag(struct vrv_in *i)
{
    uint32_t flags = vrv_in32(i);

    i->bad |= (flags & ~(uint32_t)ABORTED) != 0;
    return (flags & ABORTED) != 0;
}

static void
get_chunks(struct vrv_in *i, struct vrv_cold_seg *s)
{
    uint32_t n = vrv_in32(i);
    uint64_t pos = vrv_in64(i);

    s->chunk = room_for(i, n, CHUNK_BYTES, sizeof(*s->chunk));
    for (; s->chunk != NULL && s->chunk_n < n; s->chunk_n++) {
        struct vrv_chunk *c = &s->chunk[s->chunk_n];

        c->base = (int64_t)vrv_in64(i);
        c->max_ts = (int64_t)vrv_in64(i);
        c->stored = vrv_in32(i);
        c->plain = vrv_in32(i);
        c->crc = vrv_in32(i);
        uint32_t codec = vrv_in32(i);
        i->bad |= codec > VRV_CHUNK_ZSTD;
        c->codec = codec == VRV_CHUNK_ZSTD ? VRV_CHUNK_ZSTD : VRV_CHUNK_PLAIN;
        c->pos = pos;
        if (pos + c->stored < pos)
            i->bad = true;
        pos += c->stored;
    }
}

static void
get_seg(struct vrv_in *i, struct vrv_cold_seg *s)
{
    s->key = get_string(i);
    s->copy_key = get_string(i);
    s->base = (int64_t)vrv_in64(i);
    s->next = (int64_t)vrv_in64(i);
    s->first_epoch = (int32_t)vrv_in32(i);
    s->last_epoch = (int32_t)vrv_in32(i);
    s->store = vrv_in32(i);
    s->copy_store = vrv_in32(i);
    s->pos = vrv_in64(i);
    s->size = vrv_in64(i);
    s->plain = vrv_in64(i);
    s->crc = vrv_in32(i);
    s->encryption = vrv_in32(i);
    s->min_ts = (int64_t)vrv_in64(i);
    s->max_ts = (int64_t)vrv_in64(i);
    s->max_ts_offset = (int64_t)vrv_in64(i);
    s->appended_ms = (int64_t)vrv_in64(i);
    s->moved_ms = (int64_t)vrv_in64(i);
    s->aborted = get_flag(i);
    get_chunks(i, s);
}

/* All was read, and fits. */
static int
finished(const struct vrv_in *i, struct vrv_err *e)
{
    if (i->nomem)
        return vrv_err_set(e, VRV_E_NOMEM, "no memory for a manifest");
    if (i->bad || i->left > 0)
        return vrv_err_set(e, VRV_E_CORRUPT, "a manifest whose lengths or flags don't fit");
    return 0;
}

static void
get_root(struct vrv_in *i, struct vrv_manifest *m)
{
    get_uuid(i, &m->topic);
    get_uuid(i, &m->put_id);
    m->partition = (int32_t)vrv_in32(i);
    m->epoch = (int32_t)vrv_in32(i);
    m->version = vrv_in64(i);
    m->before = vrv_in64(i);
    m->start = (int64_t)vrv_in64(i);
    m->next = (int64_t)vrv_in64(i);
    m->page_cap = vrv_in32(i);
    m->seg_cap = vrv_in32(i);
    m->page = room_for(i, m->page_cap, PAGE_LEAST, sizeof(*m->page));
    for (; m->page != NULL && !i->bad && m->page_n < m->page_cap; m->page_n++) {
        struct vrv_cold_page *p = &m->page[m->page_n];

        p->key = get_string(i);
        p->base = (int64_t)vrv_in64(i);
        p->next = (int64_t)vrv_in64(i);
        p->size = vrv_in64(i);
        p->crc = vrv_in32(i);
        p->segments = vrv_in32(i);
        p->first_epoch = (int32_t)vrv_in32(i);
        p->last_epoch = (int32_t)vrv_in32(i);
        p->plain = vrv_in64(i);
        p->stored = vrv_in64(i);
        p->min_ts = (int64_t)vrv_in64(i);
        p->max_ts = (int64_t)vrv_in64(i);
        p->max_ts_offset = (int64_t)vrv_in64(i);
        p->newest_ms = (int64_t)vrv_in64(i);
        p->aborted = get_flag(i);
    }
    m->seg = room_for(i, m->seg_cap, SEG_LEAST, sizeof(*m->seg));
    for (; m->seg != NULL && !i->bad && m->seg_n < m->seg_cap; m->seg_n++)
        get_seg(i, &m->seg[m->seg_n]);
}

int
vrv_manifest_read(struct vrv_manifest *m, const uint8_t *p, size_t n, struct vrv_err *e)
{
    struct vrv_in i;
    int rc = vrv_in_begin(&i, "manifest", ROOT_MAGIC, VRV_MANIFEST_VERSION, p, n, e);

    *m = (struct vrv_manifest){ 0 };
    if (rc < 0)
        return rc;
    get_root(&i, m);
    rc = finished(&i, e);
    if (rc == 0)
        rc = vrv_manifest_check(m, e);
    if (rc < 0)
        vrv_manifest_fini(m);
    return rc;
}

/* Not whether its segments fit together. */
static int
get_page(struct vrv_manifest *found, const uint8_t *p, size_t n, struct vrv_err *e)
{
    struct vrv_in i;
    int rc = vrv_in_begin(&i, "manifest", PAGE_MAGIC, VRV_MANIFEST_VERSION, p, n, e);

    *found = (struct vrv_manifest){ 0 };
    if (rc < 0)
        return rc;
    get_uuid(&i, &found->topic);
    found->partition = (int32_t)vrv_in32(&i);
    found->seg_cap = vrv_in32(&i);
    found->seg = room_for(&i, found->seg_cap, SEG_LEAST, sizeof(*found->seg));
    for (; found->seg != NULL && !i.bad && found->seg_n < found->seg_cap; found->seg_n++)
        get_seg(&i, &found->seg[found->seg_n]);
    return finished(&i, e);
}

int
vrv_manifest_read_alone(struct vrv_manifest *m, const uint8_t *p, size_t n, struct vrv_err *e)
{
    struct vrv_cold_page is;
    int rc = get_page(m, p, n, e);

    if (rc == 0 && m->seg_n == 0)
        rc = vrv_err_set(e, VRV_E_CORRUPT, "a page that is empty");
    if (rc == 0) {
        sum_up(&is, m->seg, m->seg_n);
        m->start = is.base;
        m->next = is.next;
        m->version = 1;
        rc = vrv_manifest_check(m, e);
    }
    if (rc < 0)
        vrv_manifest_fini(m);
    return rc;
}

/* Are they what the root says of their page? */
static int
check_page(struct vrv_manifest *found, const struct vrv_cold_page *page, struct vrv_err *e)
{
    struct vrv_cold_page is;

    if (found->seg_n == 0)
        return vrv_err_set(e, VRV_E_CORRUPT, "page %s is empty", page->key);
    sum_up(&is, found->seg, found->seg_n);
    found->next = is.next;
    found->start = is.base;
    found->version = 1;
    if (is.segments != page->segments || is.base != page->base || is.next != page->next ||
        is.first_epoch != page->first_epoch || is.last_epoch != page->last_epoch ||
        is.plain != page->plain || is.stored != page->stored || is.min_ts != page->min_ts ||
        is.max_ts != page->max_ts || is.newest_ms != page->newest_ms || is.aborted != page->aborted)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "page %s has offsets %" PRId64 " to before %" PRId64 ", expected %" PRId64
            " to before %" PRId64, page->key, is.base, is.next, page->base, page->next);
    return vrv_manifest_check(found, e);
}

int
vrv_manifest_read_page(const struct vrv_manifest *m, const struct vrv_cold_page *page,
    const uint8_t *p, size_t n, struct vrv_cold_seg **out, struct vrv_err *e)
{
    struct vrv_manifest found;

    *out = NULL;
    if (n != page->size || vrv_crc32c(0, p, n) != page->crc)
        return vrv_err_set(e, VRV_E_CORRUPT, "page %s isn't what the manifest says", page->key);
    int rc = get_page(&found, p, n, e);
    if (rc == 0 && (!vrv_uuid_eq(&found.topic, &m->topic) || found.partition != m->partition))
        rc = vrv_err_set(e, VRV_E_CORRUPT, "page %s is another partition's", page->key);
    if (rc == 0)
        rc = check_page(&found, page, e);
    if (rc < 0)
        vrv_manifest_fini(&found);
    else
        *out = found.seg;
    return rc;
}
