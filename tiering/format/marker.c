#include "tiering/format/marker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/batch/compress.h"
#include "tiering/format/codec.h"

#define MAGIC "VRVMARK1"
#define PREFIX "marker/"

enum {
    LAST = 1,
    LEAST = 8, /* bytes of a pair that is empty */
    PLAIN = 0, /* codecs */
    ZSTD = 1,
    PACKED_FROM = 64 * 1024, /* bytes: what is smaller can be read by eye */
    LEVEL = 1, /* names and numbers shrink by so much that the rest isn't worth the time */
};

/* ---- its name ---- */

void
vrv_marker_key(int64_t ms, uint64_t random, char out[VRV_MARKER_KEY])
{
    (void)snprintf(out, VRV_MARKER_KEY, PREFIX "%013" PRId64 "-%016" PRIx64, ms, random);
}

bool
vrv_marker_key_ms(const char *key, int64_t *ms)
{
    const char *p = key + sizeof(PREFIX) - 1;

    if (strncmp(key, PREFIX, sizeof(PREFIX) - 1) != 0)
        return false;
    *ms = strtoll(p, NULL, 10);
    return strspn(p, "0123456789") == 13 && p[13] == '-' && strspn(p + 14, "0123456789abcdef") == 16 && p[30] == '\0';
}

/* ---- writing ---- */

static void
put_bytes(struct vrv_out *o, const void *p, size_t n)
{
    if (n > 0)
        memcpy(vrv_out_room(o, n), p, n);
}

static void
put_pair(struct vrv_out *o, const void *key, size_t key_n, const void *value, size_t value_n)
{
    vrv_out32(o, (uint32_t)key_n);
    vrv_out32(o, (uint32_t)value_n);
    put_bytes(o, key, key_n);
    put_bytes(o, value, value_n);
}

static void
put_pairs(struct vrv_out *o, const struct vrv_marker *m)
{
    for (size_t i = 0; i < m->catalog.n; i++) {
        const struct vrv_catalog_kv *kv = &m->catalog.v[i];

        put_pair(o, kv->key, strlen(kv->key) + 1, kv->value, kv->n);
    }
    for (uint32_t i = 0; i < m->record_n; i++) {
        const struct vrv_marker_record *r = &m->record[i];

        put_pair(o, r->key, r->key_n, r->value, r->value_n);
    }
}

static void
put_head(struct vrv_out *o, const struct vrv_marker *m)
{
    vrv_out_begin(o, VRV_MARKER_VERSION, MAGIC);
    VRV_ASSERT(memchr(m->cluster, '\0', sizeof(m->cluster)) != NULL);
    vrv_out32(o, (uint32_t)strlen(m->cluster));
    put_bytes(o, m->cluster, strlen(m->cluster));
    vrv_out64(o, m->owner);
    vrv_out64(o, (uint64_t)m->ms);
    vrv_out64(o, (uint64_t)m->silent_ms);
    vrv_out32(o, m->last ? LAST : 0);
    vrv_out32(o, (uint32_t)m->catalog.n);
    vrv_out32(o, m->record_n);
}

/* As they are where they don't shrink. */
static void
put_body(struct vrv_out *o, const uint8_t *p, size_t n)
{
    uint8_t *packed = NULL;
    size_t packed_n = n;
    bool packs = n >= PACKED_FROM &&
                 vrv_compress(VRV_CODEC_ZSTD, LEVEL, p, n, &packed, &packed_n, NULL) == 0 && packed_n < n;

    vrv_out32(o, packs ? ZSTD : PLAIN);
    vrv_out64(o, n);
    put_bytes(o, packs ? packed : p, packs ? packed_n : n);
    free(packed);
}

uint8_t *
vrv_marker_write(const struct vrv_marker *m, size_t *n, struct vrv_err *e)
{
    struct vrv_out o = { 0 }, body = { 0 };

    put_head(&o, m);
    put_pairs(&body, m);
    put_body(&o, body.p, body.n);
    bool fits = body.n <= VRV_MARKER_PLAIN_MAX && o.n <= VRV_MARKER_MAX;
    if (!fits)
        (void)vrv_err_set(e, VRV_E_TOO_LARGE, "topics, settings and groups' offsets have %zu bytes, packed %zu, where "
            "a marker has %d at most, packed %d: delete topics and groups that nobody needs", body.n, o.n,
            VRV_MARKER_PLAIN_MAX, VRV_MARKER_MAX);
    free(body.p);
    if (fits)
        return vrv_out_finish(&o, n);
    free(o.p);
    return NULL;
}

/* ---- reading ---- */

/* Bytes that stay where they are. */
static const uint8_t *
get_bytes(struct vrv_in *i, size_t n)
{
    if (n > i->left) {
        i->bad = true;
        return NULL;
    }
    return vrv_in_take(i, n);
}

static struct vrv_marker_record
get_pair(struct vrv_in *i)
{
    struct vrv_marker_record r = { .key_n = vrv_in32(i), .value_n = vrv_in32(i) };

    r.key = get_bytes(i, r.key_n);
    r.value = get_bytes(i, r.value_n);
    return r;
}

static void *
room_for(struct vrv_in *i, uint64_t n, size_t size)
{
    void *p = n * LEAST <= i->left ? vrv_mem_try((size_t)n * size + 1) : NULL;

    i->bad |= n * LEAST > i->left;
    i->nomem |= p == NULL && !i->bad;
    return p;
}

static void
get_head(struct vrv_in *i, struct vrv_marker *m)
{
    uint32_t n = vrv_in32(i);
    const uint8_t *cluster = n <= VRV_MARKER_CLUSTER_MAX ? get_bytes(i, n) : NULL;

    if (cluster == NULL || memchr(cluster, '\0', n) != NULL)
        i->bad = true;
    else
        memcpy(m->cluster, cluster, n);
    m->owner = vrv_in64(i);
    m->ms = (int64_t)vrv_in64(i);
    m->silent_ms = (int64_t)vrv_in64(i);
    uint32_t flags = vrv_in32(i);
    m->last = (flags & LAST) != 0;
    i->bad |= (flags & ~(uint32_t)LAST) != 0 || m->silent_ms < 0;
}

static void
get_pairs(struct vrv_in *i, struct vrv_marker *m, uint32_t kv_n, uint32_t record_n)
{
    m->catalog.v = room_for(i, kv_n, sizeof(*m->catalog.v));
    m->record = room_for(i, record_n, sizeof(*m->record));
    for (; !i->bad && !i->nomem && m->catalog.n < kv_n;) {
        struct vrv_marker_record r = get_pair(i);

        if (i->bad || r.key_n == 0 || memchr(r.key, '\0', r.key_n) != r.key + r.key_n - 1)
            i->bad = true; /* a key is a string with its end */
        else
            m->catalog.v[m->catalog.n++] =
                (struct vrv_catalog_kv){ (char *)(uintptr_t)r.key, r.value, r.value_n };
    }
    for (; !i->bad && !i->nomem && m->record_n < record_n; m->record_n++)
        m->record[m->record_n] = get_pair(i);
}

/* What is behind the head, as it was before it was packed. */
static void
get_body(struct vrv_in *i, struct vrv_marker *m)
{
    uint32_t kv_n = vrv_in32(i), record_n = vrv_in32(i), codec = vrv_in32(i);
    uint64_t plain = vrv_in64(i);
    size_t n = i->left;

    if (codec == ZSTD && !i->bad && plain <= VRV_MARKER_PLAIN_MAX) {
        int rc = vrv_decompress(VRV_CODEC_ZSTD, i->p, i->left, (size_t)plain, &m->unpacked, &n, NULL);

        i->nomem = rc == VRV_E_NOMEM;
        i->bad = rc < 0 && !i->nomem;
        if (rc == 0) {
            i->p = m->unpacked;
            i->left = n;
        }
    }
    i->bad |= codec > ZSTD || (!i->nomem && plain != n);
    if (!i->bad && !i->nomem)
        get_pairs(i, m, kv_n, record_n);
}

int
vrv_marker_read(struct vrv_marker *m, const uint8_t *p, size_t n, struct vrv_err *e)
{
    struct vrv_in i;

    *m = (struct vrv_marker){ .ms = 0 };
    int rc = vrv_in_begin(&i, "marker", MAGIC, VRV_MARKER_VERSION, p, n, e);
    if (rc < 0)
        return rc;
    get_head(&i, m);
    get_body(&i, m);
    if (!i.bad && !i.nomem && i.left == 0)
        return 0;
    vrv_marker_fini(m);
    return i.nomem ? vrv_err_set(e, VRV_E_NOMEM, "no memory for a marker")
                   : vrv_err_set(e, VRV_E_CORRUPT, "a marker whose lengths or flags don't fit");
}

void
vrv_marker_fini(struct vrv_marker *m)
{
    free(m->catalog.v);
    free(m->record);
    free(m->unpacked);
    m->unpacked = NULL;
    m->catalog = (struct vrv_catalog_kvs){ NULL, 0 };
    m->record = NULL;
}
