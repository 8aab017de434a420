#include "t/lib/coldcheck.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"

static const char HEADS[] = "tier/";

struct look {
    struct coldcheck *c;
    struct vrv_catalog *catalog;
    coldcheck_get_fn *get;
    void *ctx;
};

static bool
wrong(struct coldcheck *c, const char *key, const char *what)
{
    if (c->why[0] == '\0')
        (void)snprintf(c->why, sizeof(c->why), "%s: %s", key, what);
    return false;
}

static void
name(struct coldcheck *c, const char *key)
{
    VRV_PUSH_ROOM(c->named, c->named_n, c->named_cap);
    c->named[c->named_n++] = vrv_mem_strdup(key);
}

/* All of it, for free(), if it is there and as it was written; else NULL. */
static uint8_t *
fetch(const struct look *l, const char *key, uint64_t size, uint32_t crc)
{
    size_t n = 0;
    uint8_t *p = l->get(l->ctx, key, &n);

    name(l->c, key);
    if (p == NULL) {
        (void)wrong(l->c, key, "isn't there");
    } else if (n != size || vrv_crc32c(0, p, n) != crc) {
        (void)wrong(l->c, key, "isn't what was written");
        free(p);
        p = NULL;
    }
    return p;
}

/* ---- segments ---- */

static bool
check_object(const struct look *l, const struct vrv_manifest *m, const struct vrv_cold_seg *s)
{
    struct vrv_object_info i;
    struct vrv_err e;
    uint8_t *p = fetch(l, s->key, s->size, s->crc);

    if (p == NULL)
        return false;
    bool good = s->size >= VRV_OBJECT_FOOTER && s->pos == 0 &&
        vrv_object_read_footer(&i, p + s->size - VRV_OBJECT_FOOTER, s->size, &e) == 0 &&
        vrv_uuid_eq(&i.topic, &m->topic) && i.partition == m->partition && i.base == s->base &&
        i.next <= s->next && i.chunk_n == s->chunk_n && i.plain == s->plain;
    for (uint32_t k = 0; good && k < s->chunk_n; k++) {
        uint8_t *plain = NULL;

        good = s->chunk[k].pos + s->chunk[k].stored <= s->size &&
            vrv_chunk_open(&s->chunk[k], p + s->chunk[k].pos, s->chunk[k].stored, &plain, &e) == 0;
        free(plain);
    }
    free(p);
    return good || wrong(l->c, s->key, "isn't the segment that the manifest names");
}

static bool
check_segs(const struct look *l, const struct vrv_manifest *m, const struct vrv_cold_seg *v, uint32_t n)
{
    bool good = true;

    for (uint32_t i = 0; i < n; i++)
        good &= check_object(l, m, &v[i]);
    return good;
}

static bool
check_page(const struct look *l, const struct vrv_manifest *m, const struct vrv_cold_page *page)
{
    struct vrv_cold_seg *v = NULL;
    struct vrv_err e;
    uint8_t *p = fetch(l, page->key, page->size, page->crc);

    if (p == NULL)
        return false;
    bool good = vrv_manifest_read_page(m, page, p, page->size, &v, &e) == 0;
    free(p);
    if (!good)
        return wrong(l->c, page->key, e.msg);
    good = check_segs(l, m, v, page->segments);
    vrv_cold_segs_free(v, page->segments);
    return good;
}

/* ---- a partition ---- */

static uint64_t
number(const struct vrv_entity_configs *kv, const char *key)
{
    for (size_t i = 0; i < kv->n; i++)
        if (strcmp(kv->v[i].key, key) == 0)
            return strtoull(kv->v[i].value, NULL, 10);
    return 0;
}

/* A page in whose place another one is now stays with the last root that names it. */
static void
name_pages_before(const struct look *l, const char *partition, uint64_t version)
{
    char key[VRV_MANIFEST_KEY_MAX];
    struct vrv_manifest m;
    size_t n = 0;

    (void)snprintf(key, sizeof(key), "m/%s/%020" PRIu64, partition, version);
    uint8_t *p = l->get(l->ctx, key, &n);
    if (p != NULL && vrv_manifest_read(&m, p, n, NULL) == 0) {
        for (uint32_t i = 0; i < m.page_n; i++)
            name(l->c, m.page[i].key);
        vrv_manifest_fini(&m);
    }
    free(p);
}

static void
check_root(const struct look *l, const char *partition, uint64_t version, uint64_t size, uint32_t crc)
{
    struct coldcheck *c = l->c;
    struct coldcheck_part part = { .version = version };
    char key[VRV_MANIFEST_KEY_MAX];
    struct vrv_manifest m;
    struct vrv_err e;

    (void)snprintf(key, sizeof(key), "m/%s/%020" PRIu64, partition, version);
    uint8_t *p = fetch(l, key, size, crc);
    if (p == NULL)
        return;
    int rc = vrv_manifest_read(&m, p, size, &e);
    free(p);
    if (rc < 0) {
        (void)wrong(c, key, e.msg);
        return;
    }
    if (!vrv_uuid_parse(&part.topic, partition) || !vrv_uuid_eq(&part.topic, &m.topic) ||
        m.version != version)
        (void)wrong(c, key, "is another one's");
    part.partition = m.partition;
    part.before = m.before;
    part.base = vrv_manifest_base(&m);
    part.next = m.next;
    for (uint32_t i = 0; i < m.page_n; i++)
        (void)check_page(l, &m, &m.page[i]);
    (void)check_segs(l, &m, m.seg, m.seg_n);
    vrv_manifest_fini(&m);
    name_pages_before(l, partition, part.before);
    VRV_PUSH_ROOM(c->part, c->part_n, c->part_cap);
    c->part[c->part_n++] = part;
}

/* "tier/<topic>/<partition>"; of a deleted topic the objects may be gone before the head is. */
static int
check_head(void *ctx, const char *entity)
{
    const struct look *l = ctx;
    struct vrv_entity_configs kv;
    char topic[VRV_TOPIC_NAME_MAX + 1];
    struct vrv_uuid id;
    int32_t partitions;

    if (!vrv_uuid_parse(&id, entity + strlen(HEADS)) ||
        !vrv_catalog_find_id(l->catalog, &id, topic, &partitions))
        return 0;
    vrv_catalog_configs(l->catalog, entity, &kv);
    if (number(&kv, "version") > 0)
        check_root(l, entity + strlen(HEADS), number(&kv, "version"), number(&kv, "size"),
            (uint32_t)number(&kv, "crc"));
    free(kv.v);
    return 0;
}

/* ---- */

bool
coldcheck_run(struct coldcheck *c, struct vrv_catalog *catalog, coldcheck_get_fn *get, void *ctx)
{
    struct look l = { c, catalog, get, ctx };

    *c = (struct coldcheck){ .why = "" };
    (void)vrv_catalog_each_entity(catalog, HEADS, check_head, &l);
    return c->why[0] == '\0';
}

void
coldcheck_fini(struct coldcheck *c)
{
    for (unsigned i = 0; i < c->named_n; i++)
        free(c->named[i]);
    free(c->named);
    free(c->part);
}

const struct coldcheck_part *
coldcheck_part(const struct coldcheck *c, const struct vrv_uuid *topic, int32_t partition)
{
    for (unsigned i = 0; i < c->part_n; i++)
        if (c->part[i].partition == partition && vrv_uuid_eq(&c->part[i].topic, topic))
            return &c->part[i];
    return NULL;
}

/* The one that the newest was made of stays, should that be lost; later ones may be on their way. */
static bool
is_newest_root(const struct coldcheck *c, const char *key)
{
    char prefix[VRV_MANIFEST_KEY_MAX], topic[VRV_UUID_TEXT + 1];

    for (unsigned i = 0; i < c->part_n; i++) {
        const struct coldcheck_part *p = &c->part[i];

        vrv_uuid_text(&p->topic, topic);
        int n = snprintf(prefix, sizeof(prefix), "m/%s/%" PRId32 "/", topic, p->partition);
        if (strncmp(key, prefix, (size_t)n) == 0 && strchr(key + n, '-') == NULL)
            return strtoull(key + n, NULL, 10) == p->before || strtoull(key + n, NULL, 10) >= p->version;
    }
    return false;
}

bool
coldcheck_is_orphan(const struct coldcheck *c, const char *key)
{
    if (strncmp(key, "d/", 2) != 0 && strncmp(key, "m/", 2) != 0)
        return false;
    for (unsigned i = 0; i < c->named_n; i++)
        if (strcmp(c->named[i], key) == 0)
            return false;
    return !is_newest_root(c, key);
}
