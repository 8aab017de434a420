#include "engine/remains.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/engine_int.h"

static const char DELETED[] = "deleted/", BEGIN[] = "begin/", SETTING[] = "set.";

enum {
    PARTS_EACH = 1000, /* partitions of one entity */
    PART_TEXT = 76,    /* "<start> <gap> <end> <epoch> " */
    OWN_KEYS = 5,      /* of a topic's entity, beside its settings */
};

_Static_assert(OWN_KEYS + (int)VRV_CONFIGS_MAX <= (int)VRV_ENTITY_CONFIGS_MAX, "all settings of a topic are kept");

/* ---- entities ---- */

/* first -1: the topic's own, or the beginning of all of its partitions'. */
static void
entity_of(char out[VRV_ENTITY_MAX + 1], const char *kind, const struct vrv_uuid *id, int32_t first)
{
    char hex[VRV_UUID_TEXT + 1], part[16] = "";

    vrv_uuid_text(id, hex);
    if (first >= 0)
        (void)snprintf(part, sizeof(part), "/%06" PRId32, first);
    (void)snprintf(out, VRV_ENTITY_MAX + 1, "%s%s%s", kind, hex, part);
}

/* In the place of whatever is there. */
static int
put(struct vrv_engine *eng, const char *entity, const struct vrv_config_kv *v, size_t n,
    struct vrv_err *e)
{
    struct vrv_entity_configs now;

    vrv_catalog_configs(eng->catalog, entity, &now);
    free(now.v);
    return vrv_catalog_set_configs(eng->catalog, entity, now.mod, v, n, e);
}

static int
drop(struct vrv_engine *eng, const char *entity, struct vrv_err *e)
{
    struct vrv_entity_configs now;

    vrv_catalog_configs(eng->catalog, entity, &now);
    free(now.v);
    return now.mod != 0 ? vrv_catalog_drop_configs(eng->catalog, entity, now.mod, e) : 0;
}

/* ---- partitions ---- */

static int
put_some(struct vrv_engine *eng, const char *entity, const struct vrv_remains_part *part, int32_t n,
    struct vrv_err *e)
{
    char *text = vrv_mem_zero((size_t)n * PART_TEXT + 1);
    struct vrv_config_kv kv = { (char[]){ "parts" }, text };
    size_t at = 0;

    for (int32_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, PART_TEXT, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId32 " ",
            part[i].start, part[i].gap, part[i].end, part[i].epoch);
    int rc = put(eng, entity, &kv, 1, e);
    free(text);
    return rc;
}

static int
put_parts(struct vrv_engine *eng, const char *kind, const struct vrv_uuid *id,
    const struct vrv_remains_part *part, int32_t n, struct vrv_err *e)
{
    char entity[VRV_ENTITY_MAX + 1];
    int rc = 0;

    for (int32_t i = 0; i < n && rc == 0; i += PARTS_EACH) {
        entity_of(entity, kind, id, i);
        rc = put_some(eng, entity, part + i, n - i < PARTS_EACH ? n - i : PARTS_EACH, e);
    }
    return rc;
}

static bool
read_number(char **text, int64_t most, int64_t *out)
{
    char *end;

    *out = strtoll(*text, &end, 10);
    bool good = end > *text && *end == ' ' && *out >= 0 && *out <= most;
    *text = end;
    return good;
}

static bool
read_part(char **text, struct vrv_remains_part *p)
{
    int64_t epoch;

    if (!read_number(text, INT64_MAX, &p->start) || !read_number(text, INT64_MAX, &p->gap) ||
        !read_number(text, INT64_MAX, &p->end) || !read_number(text, INT32_MAX - 1, &epoch) ||
        p->start > p->gap || p->gap > p->end)
        return false;
    p->epoch = (int32_t)epoch;
    (*text)++;
    return true;
}

/* Those of one entity: how many, in room for PARTS_EACH. */
static int
read_parts(const char *entity, char *text, struct vrv_remains_part *part, int32_t *n,
    struct vrv_err *e)
{
    for (*n = 0; *n < PARTS_EACH && *text != '\0' && read_part(&text, &part[*n]);)
        ++*n;
    return *text == '\0' ? 0 : vrv_err_set(e, VRV_E_CORRUPT, "the metadata of %s make no sense", entity);
}

static int
read_all_parts(struct vrv_engine *eng, const char *kind, const struct vrv_topic_info *t,
    struct vrv_remains_part **out, int32_t *n, struct vrv_err *e)
{
    char entity[VRV_ENTITY_MAX + 1];
    int32_t got = PARTS_EACH;
    int rc = 0;

    *out = NULL;
    *n = 0;
    while (*n < t->partitions && got == PARTS_EACH && rc == 0) {
        struct vrv_entity_configs c;

        entity_of(entity, kind, &t->id, *n);
        vrv_catalog_configs(eng->catalog, entity, &c);
        got = 0;
        if (c.n == 1) {
            *out = vrv_mem_grow(*out, (size_t)(*n + PARTS_EACH) * sizeof(**out));
            rc = read_parts(entity, c.v[0].value, *out + *n, &got, e);
        }
        free(c.v);
        *n += got;
    }
    if (rc < 0) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

static int
drop_parts(struct vrv_engine *eng, const char *kind, const struct vrv_uuid *id, struct vrv_err *e)
{
    char entity[VRV_ENTITY_MAX + 1];
    struct vrv_entity_configs c = { .mod = 1 };
    int rc = 0;

    for (int32_t i = 0; rc == 0 && c.mod != 0 && i < VRV_PARTITIONS_MAX; i += PARTS_EACH) {
        entity_of(entity, kind, id, i);
        vrv_catalog_configs(eng->catalog, entity, &c);
        free(c.v);
        rc = drop(eng, entity, e);
    }
    return rc;
}

/* ---- a topic ---- */

static int
put_topic(struct vrv_engine *eng, const struct vrv_remains *r, struct vrv_err *e)
{
    const struct vrv_topic_info *t = &r->topic;
    char entity[VRV_ENTITY_MAX + 1], created[24], deleted[24], partitions[16],
        purging[] = { r->purging ? '1' : '0', '\0' };
    struct vrv_config_kv v[OWN_KEYS + VRV_CONFIGS_MAX] = { { (char[]){ "name" }, (char *)(uintptr_t)t->name },
        { (char[]){ "partitions" }, partitions }, { (char[]){ "created" }, created },
        { (char[]){ "deleted" }, deleted }, { (char[]){ "purging" }, purging } };
    size_t n = OWN_KEYS;

    if (t->config_n > VRV_CONFIGS_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "topic %.150s has %zu settings, of %d that there may be", t->name,
            t->config_n, VRV_CONFIGS_MAX);
    (void)snprintf(partitions, sizeof(partitions), "%" PRId32, t->partitions);
    (void)snprintf(created, sizeof(created), "%" PRId64, t->created_ms);
    (void)snprintf(deleted, sizeof(deleted), "%" PRId64, r->deleted_ms);
    for (size_t i = 0; i < t->config_n; i++, n++) {
        size_t room = strlen(t->configs[i].key) + sizeof(SETTING);

        v[n] = (struct vrv_config_kv){ vrv_mem_zero(room), t->configs[i].value };
        (void)snprintf(v[n].key, room, "%s%s", SETTING, t->configs[i].key);
    }
    entity_of(entity, DELETED, &t->id, -1);
    int rc = put(eng, entity, v, n, e);
    while (n > OWN_KEYS)
        free(v[--n].key);
    return rc;
}

static const char *
value_of(const struct vrv_entity_configs *c, const char *key)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->v[i].key, key) == 0)
            return c->v[i].value;
    return "";
}

/* The settings stay in c's block, which becomes the topic's. */
static void
take_settings(struct vrv_remains *r, struct vrv_entity_configs *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++)
        if (strncmp(c->v[i].key, SETTING, strlen(SETTING)) == 0)
            c->v[n++] = (struct vrv_config_kv){ c->v[i].key + strlen(SETTING), c->v[i].value };
    r->topic.configs = c->v;
    r->topic.config_n = n;
}

static int
read_topic(struct vrv_engine *eng, const struct vrv_uuid *id, struct vrv_remains *r,
    struct vrv_err *e)
{
    char entity[VRV_ENTITY_MAX + 1];
    struct vrv_entity_configs c;

    entity_of(entity, DELETED, id, -1);
    vrv_catalog_configs(eng->catalog, entity, &c);
    if (c.n == 0) {
        free(c.v);
        return vrv_err_set(e, VRV_E_NOTFOUND, "nothing is kept of a topic with this id");
    }
    r->topic.id = *id;
    r->topic.partitions = (int32_t)strtol(value_of(&c, "partitions"), NULL, 10);
    r->topic.created_ms = strtoll(value_of(&c, "created"), NULL, 10);
    r->deleted_ms = strtoll(value_of(&c, "deleted"), NULL, 10);
    r->purging = value_of(&c, "purging")[0] == '1';
    r->mod = c.mod;
    (void)snprintf(r->topic.name, sizeof(r->topic.name), "%s", value_of(&c, "name"));
    take_settings(r, &c);
    if (vrv_topic_name_check(r->topic.name, NULL) == 0 && r->topic.partitions > 0 &&
        r->topic.partitions <= VRV_PARTITIONS_MAX)
        return 0;
    return vrv_err_set(e, VRV_E_CORRUPT, "the metadata of %s make no sense", entity);
}

int
vrv_remains_read(struct vrv_engine *eng, const struct vrv_uuid *id, struct vrv_remains *out,
    struct vrv_err *e)
{
    int32_t n;

    *out = (struct vrv_remains){ .part = NULL };
    int rc = read_topic(eng, id, out, e);
    if (rc == 0)
        rc = read_all_parts(eng, DELETED, &out->topic, &out->part, &n, e);
    if (rc == 0 && n != out->topic.partitions)
        rc = vrv_err_set(e, VRV_E_CORRUPT, "%" PRId32 " of %" PRId32 " partitions of the deleted topic "
            "%.100s are known", n, out->topic.partitions, out->topic.name);
    if (rc < 0)
        vrv_remains_fini(out);
    return rc;
}

void
vrv_remains_fini(struct vrv_remains *r)
{
    vrv_topic_info_fini(&r->topic);
    free(r->part);
    r->part = NULL;
}

struct each {
    vrv_remains_fn *fn;
    void *ctx;
};

static int
each_entity(void *ctx, const char *entity)
{
    const struct each *x = ctx;
    struct vrv_uuid id;
    const char *hex = entity + strlen(DELETED);

    return vrv_uuid_parse(&id, hex) && hex[VRV_UUID_TEXT] == '\0' ? x->fn(x->ctx, &id) : 0;
}

int
vrv_remains_each(struct vrv_engine *eng, vrv_remains_fn *fn, void *ctx)
{
    return vrv_catalog_each_entity(eng->catalog, DELETED, each_entity, &(struct each){ fn, ctx });
}

int
vrv_remains_purge(struct vrv_engine *eng, struct vrv_remains *r, struct vrv_err *e)
{
    r->purging = true;
    return put_topic(eng, r, e);
}

/* Who deletes keeps the record first: when nobody does, a topic that is there stays. */
int
vrv_remains_settle(struct vrv_engine *eng, const struct vrv_uuid *id, struct vrv_err *e)
{
    char entity[VRV_ENTITY_MAX + 1], name[VRV_TOPIC_NAME_MAX + 1];
    struct vrv_entity_configs c;
    int32_t n;

    entity_of(entity, DELETED, id, -1);
    vrv_catalog_configs(eng->catalog, entity, &c);
    free(c.v);
    if (atomic_load(&eng->deleting) > 0)
        return vrv_err_set(e, VRV_E_AGAIN, "a topic is being deleted");
    if (!vrv_catalog_find_id(eng->catalog, id, name, &n))
        return vrv_err_set(e, VRV_E_NOTFOUND, "there is no such topic");
    return vrv_catalog_drop_configs(eng->catalog, entity, c.mod, e);
}

/* The topic's own goes last: it says that the others are there. */
int
vrv_remains_drop(struct vrv_engine *eng, const struct vrv_uuid *id, struct vrv_err *e)
{
    char entity[VRV_ENTITY_MAX + 1];
    int rc = drop_parts(eng, DELETED, id, e);

    entity_of(entity, DELETED, id, -1);
    return rc == 0 ? drop(eng, entity, e) : rc;
}

/* ---- deleting ---- */

/* More records than a partition gets while its topic is deleted. */
static const int64_t HEADROOM = 1 << 24;

static bool
is_tiered(const struct vrv_engine *eng, const struct vrv_topic_info *t)
{
    struct vrv_log_config c = { .tiered = false };

    for (size_t i = 0; i < t->config_n; i++)
        if (vrv_topic_config_set(&c, t->configs[i].key, t->configs[i].value, NULL) < 0)
            return false;
    return c.tiered && eng->o.cold != NULL;
}

/* As they are now; the end is told as higher by `more`. */
static void
note_parts(struct vrv_remains *r, struct vrv_log **logs, int64_t more)
{
    for (int32_t i = 0; i < r->topic.partitions; i++) {
        struct vrv_log_offsets o = vrv_log_offsets(logs[i]);

        r->part[i] = (struct vrv_remains_part){ .start = o.start, .gap = o.end + more,
            .end = o.end + more, .epoch = o.epoch };
    }
}

int
vrv__remains_prepare(struct vrv_engine *eng, const char *name, struct vrv_leaving *l,
    struct vrv_err *e)
{
    struct vrv_remains *r = &l->r;

    *l = (struct vrv_leaving){ .logs = NULL };
    int rc = vrv_catalog_by_name(eng->catalog, name, &r->topic, e);
    if (rc < 0 || !is_tiered(eng, &r->topic))
        return rc;
    int32_t n = r->topic.partitions;
    r->deleted_ms = eng->o.clock->wall_ms(eng->o.clock);
    r->part = vrv_mem_zero((size_t)n * sizeof(*r->part));
    l->logs = vrv_mem_zero((size_t)n * sizeof(struct vrv_log *));
    for (int32_t i = 0; i < n && rc == 0; i++) {
        struct vrv_log_id id = { r->topic.id, i };

        l->logs[i] = vrv_engine_log_ref(eng, &id);
        if (l->logs[i] == NULL)
            rc = vrv_err_set(e, VRV_E_AGAIN, "topic %.150s is being changed by somebody else", name);
    }
    if (rc == 0) {
        note_parts(r, l->logs, HEADROOM);
        rc = put_parts(eng, DELETED, &r->topic.id, r->part, n, e);
    }
    return rc == 0 ? put_topic(eng, r, e) : rc;
}

void
vrv__remains_end(struct vrv_engine *eng, struct vrv_leaving *l, bool deleted)
{
    struct vrv_remains *r = &l->r;
    struct vrv_err e;

    if (l->logs != NULL && deleted) {
        note_parts(r, l->logs, 0);
        (void)put_parts(eng, DELETED, &r->topic.id, r->part, r->topic.partitions, &e);
    }
    for (int32_t i = 0; l->logs != NULL && i < r->topic.partitions; i++)
        vrv_log_unref(&l->logs[i]);
    free(l->logs);
    vrv_remains_fini(r);
}

int
vrv__remains_forget_begin(struct vrv_engine *eng, const struct vrv_uuid *id, struct vrv_err *e)
{
    return drop_parts(eng, BEGIN, id, e);
}

/* ---- coming back ---- */

int
vrv__remains_begins(struct vrv_engine *eng, const struct vrv_topic_info *t,
    struct vrv_remains_part **out, int32_t *n, struct vrv_err *e)
{
    return read_all_parts(eng, BEGIN, t, out, n, e);
}

static int
check_removed(struct vrv_engine *eng, const struct vrv_remains *r, struct vrv_err *e)
{
    struct vrv_log_id id = { r->topic.id, 0 };
    struct vrv_uuid other;
    int32_t n;

    if (r->purging)
        return vrv_err_set(e, VRV_E_INVALID, "the cold data of topic %.150s is being deleted already",
            r->topic.name);
    if (vrv_catalog_find(eng->catalog, r->topic.name, &other, &n))
        return vrv_err_set(e, VRV_E_EXISTS, "there is a topic %.150s again: delete it first",
            r->topic.name);
    if (vrv__catalog_explains(eng->catalog, &id))
        return vrv_err_set(e, VRV_E_AGAIN,
            "what this disk had of topic %.150s is still being removed: try again", r->topic.name);
    return 0;
}

static int
set_epochs(struct vrv_engine *eng, const struct vrv_remains *r, struct vrv_err *e)
{
    int32_t n = r->topic.partitions, *epochs = vrv_mem_zero((size_t)n * sizeof(*epochs));

    for (int32_t i = 0; i < n; i++)
        epochs[i] = r->part[i].epoch + 1;
    int rc = vrv_catalog_set_epochs(eng->catalog, &r->topic.id, epochs, n, e);
    free(epochs);
    return rc;
}

int
vrv_engine_undelete_topic(struct vrv_engine *eng, const struct vrv_remains *r, struct vrv_err *e)
{
    const struct vrv_topic_info *t = &r->topic;
    int rc = check_removed(eng, r, e);

    if (rc == 0)
        rc = put_parts(eng, BEGIN, &t->id, r->part, t->partitions, e);
    if (rc == 0)
        rc = set_epochs(eng, r, e);
    if (rc == 0)
        rc = vrv_catalog_create(eng->catalog, &t->id, t->name, t->partitions, t->created_ms,
            t->configs, t->config_n, e);
    return rc == 0 ? vrv__engine_follow(eng, &t->id, e) : rc;
}
