/*
 * The head of a partition's manifest: what the catalog keeps of it, as the settings of the entity
 * "tier/<topic>/<partition>".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tiering/parts/parts_int.h"

static const char HEADS[] = "tier/";

static void
entity_of(const struct vrv_log_id *id, char *out)
{
    char topic[VRV_UUID_TEXT + 1];

    vrv_uuid_text(&id->topic, topic);
    (void)snprintf(out, VRV_ENTITY_MAX + 1, "%s%s/%" PRId32, HEADS, topic, id->partition);
}

static bool
read_entity(const char *entity, struct vrv_log_id *id)
{
    char again[VRV_ENTITY_MAX + 1];
    const char *topic = entity + strlen(HEADS);

    if (!vrv_uuid_parse(&id->topic, topic) || topic[VRV_UUID_TEXT] != '/')
        return false;
    id->partition = (int32_t)strtol(topic + VRV_UUID_TEXT + 1, NULL, 10);
    entity_of(id, again);
    return strcmp(entity, again) == 0;
}

struct each_head {
    vrv_head_fn *fn;
    void *ctx;
};

static int
each_head(void *ctx, const char *entity)
{
    const struct each_head *x = ctx;
    struct vrv_log_id id;

    return read_entity(entity, &id) ? x->fn(x->ctx, &id) : 0;
}

int
vrv_parts_each_head(struct vrv_parts *ps, vrv_head_fn *fn, void *ctx)
{
    struct each_head x = { fn, ctx };

    return vrv_catalog_each_entity(atomic_load(&ps->catalog), HEADS, each_head, &x);
}

static int
is_one(void *ctx, const struct vrv_log_id *id)
{
    (void)ctx;
    (void)id;
    return 1;
}

bool
vrv_parts_has_topic(struct vrv_parts *ps, const struct vrv_uuid *topic)
{
    struct each_head x = { is_one, NULL };
    char prefix[VRV_ENTITY_MAX + 1], text[VRV_UUID_TEXT + 1];

    vrv_uuid_text(topic, text);
    (void)snprintf(prefix, sizeof(prefix), "%s%s/", HEADS, text);
    return vrv_catalog_each_entity(atomic_load(&ps->catalog), prefix, each_head, &x) != 0;
}

static bool
number(const struct vrv_entity_configs *c, const char *key, uint64_t most, uint64_t *out)
{
    const struct vrv_config_kv *v = c->v;
    char *end;

    *out = 0;
    while (v < c->v + c->n && strcmp(v->key, key) != 0)
        v++;
    if (v == c->v + c->n)
        return false;
    *out = strtoull(v->value, &end, 10);
    return *end == '\0' && end != v->value && *out <= most;
}

static bool
parse(const struct vrv_entity_configs *c, struct vrv_head *h)
{
    uint64_t crc = 0, from = 0, to = 0, alone = 0;
    size_t known = 3;
    bool good = number(c, "crc", UINT32_MAX, &crc) &&
        number(c, "size", VRV_MANIFEST_ROOT_MAX, &h->size) &&
        number(c, "version", INT64_MAX, &h->version);

    h->crc = (uint32_t)crc;
    if (number(c, "lost.from", INT64_MAX, &from)) {
        good = good && number(c, "lost.to", INT64_MAX, &to) && from < to;
        h->lost_from = (int64_t)from;
        h->lost_to = (int64_t)to;
        known += 2;
    }
    if (number(c, "alone", INT64_MAX, &alone)) {
        h->alone_ms = (int64_t)alone;
        known++;
    }
    if (number(c, "passed", INT64_MAX, &h->passed)) {
        good = good && h->passed > h->version;
        known++;
    }
    return good && c->n == known;
}

static int
not_cold(struct vrv_err *e)
{
    return vrv_err_set(e, VRV_E_NOTFOUND, "nothing of the partition is in the cold tier");
}

int
vrv__head_read(struct vrv_parts *ps, const struct vrv_log_id *id, struct vrv_head *h,
    struct vrv_err *e)
{
    struct vrv_entity_configs c;
    char entity[VRV_ENTITY_MAX + 1];
    int rc = 0;

    *h = (struct vrv_head){ 0 };
    struct vrv_catalog *catalog = atomic_load(&ps->catalog);
    if (catalog == NULL)
        return vrv_err_set(e, VRV_E_STOPPED, "the engine is closed");
    entity_of(id, entity);
    vrv_catalog_configs(catalog, entity, &c);
    h->mod = c.mod;
    if (c.n == 0)
        rc = not_cold(e);
    else if (!parse(&c, h))
        rc = vrv_err_set(e, VRV_E_CORRUPT, "the metadata of %s make no sense", entity);
    free(c.v);
    return rc == 0 && h->version == 0 ? not_cold(e) : rc;
}

int
vrv__head_write(struct vrv_parts *ps, const struct vrv_log_id *id, struct vrv_head *h,
    struct vrv_err *e)
{
    char entity[VRV_ENTITY_MAX + 1], crc[16], size[24], version[24], from[24], to[24], passed[24], alone[24];
    const struct vrv_config_kv since = { (char[]){ "alone" }, alone };
    const struct vrv_config_kv lost[] = { { (char[]){ "lost.from" }, from }, { (char[]){ "lost.to" }, to } };
    struct vrv_config_kv v[7] = { { (char[]){ "crc" }, crc }, { (char[]){ "size" }, size },
        { (char[]){ "version" }, version }, { (char[]){ "passed" }, passed } };
    size_t n = h->passed > 0 ? 4 : 3;

    struct vrv_catalog *catalog = atomic_load(&ps->catalog);
    if (catalog == NULL)
        return vrv_err_set(e, VRV_E_STOPPED, "the engine is closed");
    entity_of(id, entity);
    (void)snprintf(crc, sizeof(crc), "%" PRIu32, h->crc);
    (void)snprintf(size, sizeof(size), "%" PRIu64, h->size);
    (void)snprintf(version, sizeof(version), "%" PRIu64, h->version);
    (void)snprintf(from, sizeof(from), "%" PRId64, h->lost_from);
    (void)snprintf(to, sizeof(to), "%" PRId64, h->lost_to);
    (void)snprintf(passed, sizeof(passed), "%" PRIu64, h->passed);
    (void)snprintf(alone, sizeof(alone), "%" PRId64, h->alone_ms);
    for (int i = 0; i < 2 && h->lost_from < h->lost_to; i++)
        v[n++] = lost[i];
    if (h->alone_ms > 0)
        v[n++] = since;
    int rc = vrv_catalog_set_configs(catalog, entity, h->mod, v, n, e);
    if (rc == 0) {
        struct vrv_entity_configs c;

        vrv_catalog_configs(catalog, entity, &c);
        h->mod = c.mod;
        free(c.v);
    }
    return rc;
}

int
vrv_parts_touch(struct vrv_parts *ps, const struct vrv_log_id *id, struct vrv_err *e)
{
    struct vrv_part *p = vrv__part_get(ps, id);
    struct vrv_head h = p->head;
    int rc = h.mod != 0 ? 0 : vrv__head_read(ps, id, &h, e);

    p->looks = p->looks || (p->head.mod == 0 && h.mod != 0); /* a life before may have left a root */
    if (rc == VRV_E_NOTFOUND)
        rc = h.mod != 0 ? 0 : vrv__head_write(ps, id, &h, e);
    if (rc == 0 && p->head.mod == 0 && h.version == 0)
        p->head = h; /* what counts is known when it was read */
    else if (rc == 0 && p->head.mod == 0)
        p->head.mod = h.mod;
    return rc;
}

int
vrv_parts_version(struct vrv_parts *ps, const struct vrv_log_id *id, uint64_t *version, struct vrv_err *e)
{
    struct vrv_head h;
    int rc = vrv__head_read(ps, id, &h, e);

    *version = h.version;
    return rc;
}

bool
vrv_parts_is_ahead(struct vrv_parts *ps, const struct vrv_log_id *id, uint64_t version)
{
    struct vrv_head h;
    struct vrv_err e;

    int rc = vrv__head_read(ps, id, &h, &e);
    return (rc < 0 && rc != VRV_E_NOTFOUND) || (version > h.version && version > h.passed);
}

int
vrv_parts_stand_in(struct vrv_parts *ps, const struct vrv_log_id *id, struct vrv_manifest *m,
    struct vrv_err *e)
{
    struct vrv_part *p = vrv__part_get(ps, id);
    struct vrv_head h;
    int rc = vrv__head_read(ps, id, &h, e);

    if (rc < 0) {
        vrv_manifest_fini(m);
        return rc;
    }
    h.stood_in = m->version < h.version ? m->version : 0;
    m->version = h.version;
    vrv__part_set(p, &h, m);
    return 0;
}

bool
vrv_parts_has_head(struct vrv_parts *ps, const struct vrv_log_id *id)
{
    struct vrv_head h;
    struct vrv_err e;

    return vrv__head_read(ps, id, &h, &e) == VRV_E_STOPPED || h.mod != 0;
}

/* ---- what was given up ---- */

void
vrv__head_follow(struct vrv_head *h, const struct vrv_head *before, int64_t end)
{
    h->mod = before->mod;
    h->passed = before->passed > h->version ? before->passed : 0;
    if (end >= before->lost_to)
        return;
    h->lost_from = before->lost_from > end ? before->lost_from : end;
    h->lost_to = before->lost_to;
}

int
vrv_parts_lose(struct vrv_parts *ps, const struct vrv_log_id *id, int64_t from, int64_t to,
    struct vrv_err *e)
{
    struct vrv_part *p = vrv__part_get(ps, id);
    struct vrv_head h;
    int rc = vrv__head_read(ps, id, &h, e);

    if (rc < 0 && rc != VRV_E_NOTFOUND)
        return rc;
    bool follows = h.lost_to >= from && h.lost_from < h.lost_to;
    h.lost_from = follows && h.lost_from < from ? h.lost_from : from;
    h.lost_to = to;
    rc = vrv__head_write(ps, id, &h, e);
    if (rc == 0)
        p->head = h;
    return rc;
}

bool
vrv_parts_lost(struct vrv_parts *ps, const struct vrv_log_id *id, int64_t *from, int64_t *to)
{
    struct vrv_head h;
    struct vrv_err e;
    int rc = vrv__head_read(ps, id, &h, &e);

    *from = h.lost_from;
    *to = h.lost_to;
    return (rc == 0 || rc == VRV_E_NOTFOUND) && h.lost_from < h.lost_to;
}

int
vrv_parts_alone(struct vrv_parts *ps, const struct vrv_log_id *id, int64_t *since_ms, struct vrv_err *e)
{
    struct vrv_part *p = vrv__part_get(ps, id);
    int64_t now_ms = ps->o.clock->wall_ms(ps->o.clock);
    struct vrv_head h;
    int rc = vrv__head_read(ps, id, &h, e);

    *since_ms = now_ms;
    if (rc < 0 && rc != VRV_E_NOTFOUND)
        return rc;
    if (h.alone_ms > 0 && h.alone_ms <= now_ms) {
        *since_ms = h.alone_ms;
        return 0;
    }
    h.alone_ms = now_ms;
    rc = vrv__head_write(ps, id, &h, e);
    if (rc == 0)
        p->head = h;
    return rc;
}

int
vrv_parts_drop_head(struct vrv_parts *ps, const struct vrv_log_id *id, struct vrv_err *e)
{
    char entity[VRV_ENTITY_MAX + 1];
    struct vrv_entity_configs c;

    entity_of(id, entity);
    vrv_catalog_configs(atomic_load(&ps->catalog), entity, &c);
    free(c.v);
    int rc = c.mod != 0 ? vrv_catalog_drop_configs(atomic_load(&ps->catalog), entity, c.mod, e) : 0;
    if (rc == 0)
        vrv_parts_forget(ps, id);
    return rc;
}
