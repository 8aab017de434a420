/*
 * Topics of an engine: made, altered, grown, deleted, described.
 *
 * The catalog is changed first, and durably; then the topic's logs follow what the catalog says by
 * then, under the engine's lock.  So calls that race, for one name or one id, leave the logs as the
 * last change has it, in whatever order they come to follow.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/engine_int.h"
#include "engine/log/topic_config.h"

/* An alteration that finds the topic changed meanwhile looks again, so often. */
enum { ALTER_TRIES_MAX = 64 };

/* ---- the logs follow the catalog ---- */

/* What a topic's own settings come to, on top of the defaults.  eng->lock is held, but at
 * recovery. */
static int
config_of(const struct vrv_engine *eng, const struct vrv_topic_info *t, struct vrv_log_config *c,
    struct vrv_err *e)
{
    int rc = 0;

    *c = eng->defaults.config;
    for (size_t i = 0; i < t->config_n && rc == 0; i++)
        rc = vrv_topic_config_set(c, t->configs[i].key, t->configs[i].value, e);
    return rc < 0 ? vrv_err_prefix(e, rc, "topic %s", t->name) : 0;
}

int
vrv__engine_add_topic(struct vrv_engine *eng, const struct vrv_topic_info *t, struct vrv_err *e)
{
    struct vrv_remains_part *begin = NULL;
    struct vrv_log_config c;
    int32_t begin_n = 0;
    int rc = config_of(eng, t, &c, e);

    if (rc == 0)
        rc = vrv__remains_begins(eng, t, &begin, &begin_n, e);
    if (rc < 0)
        return rc;
    struct vrv_log_config *config = vrv_log_config_new(&c);
    bool running = eng->env.journal != NULL;
    for (int32_t p = 0; p < t->partitions; p++) {
        struct vrv_log_id id = { t->id, p };
        struct vrv_log *log = vrv__table_get(&eng->logs, &id);

        if (log != NULL) {
            vrv_log_set_config(log, config);
            continue;
        }
        log = vrv_log_new(&eng->env, &id, config, vrv_catalog_epoch(eng->catalog, &t->id, p));
        if (p < begin_n)
            vrv_log_begin(log, begin[p].start, begin[p].gap, begin[p].end);
        vrv__table_put(&eng->logs, log);
        if (running) /* a new one: once a checkpoint knows it, the catalog can't lose it unseen */
            vrv_log_touch(log);
    }
    vrv_log_config_unref(config);
    free(begin);
    return 0;
}

/* Takes a partition out; false: there is none. */
static bool
retire_one(struct vrv_engine *eng, const struct vrv_log_id *id)
{
    vrv_lock(&eng->lock);
    struct vrv_log *log = vrv__table_get(&eng->logs, id);
    if (log != NULL) {
        vrv__table_del(&eng->logs, id);
        VRV_PUSH_ROOM(eng->retired, eng->retired_n, eng->retired_cap);
        eng->retired[eng->retired_n++] = log;
    }
    vrv_unlock(&eng->lock);
    if (log != NULL)
        vrv_log_retire(log);
    return log != NULL;
}

int
vrv__engine_follow(struct vrv_engine *eng, const struct vrv_uuid *id, struct vrv_err *e)
{
    struct vrv_topic_info t;

    vrv_lock(&eng->lock);
    int rc = vrv_catalog_by_id(eng->catalog, id, &t, e);
    if (rc == 0) {
        rc = vrv__engine_add_topic(eng, &t, e);
        vrv_topic_info_fini(&t);
    }
    vrv_unlock(&eng->lock);
    return rc;
}

/* ---- the calls ---- */

int
vrv_engine_create_topic(struct vrv_engine *eng, const char *name, int32_t partitions,
    const struct vrv_config_kv *configs, size_t config_n, struct vrv_uuid *id, struct vrv_err *e)
{
    struct vrv_log_config c;
    int rc = vrv_topic_name_check(name, e);

    for (size_t i = 0; i < config_n && rc == 0; i++) /* before anything is kept */
        rc = vrv_topic_config_set(&c, configs[i].key, configs[i].value, e);
    if (rc == 0)
        rc = vrv_catalog_create(eng->catalog, id, name, partitions,
            eng->o.clock->wall_ms(eng->o.clock), configs, config_n, e);
    return rc == 0 ? vrv__engine_follow(eng, id, e) : rc;
}

int
vrv_engine_delete_topic(struct vrv_engine *eng, const char *name, struct vrv_err *e)
{
    struct vrv_log_id id = { .partition = 0 };
    struct vrv_leaving l;

    (void)atomic_fetch_add(&eng->deleting, 1);
    int rc = vrv__remains_prepare(eng, name, &l, e);
    if (rc == 0)
        rc = vrv_catalog_delete(eng->catalog, name, &id.topic, e);
    for (; rc == 0 && retire_one(eng, &id); id.partition++)
        ;
    vrv__remains_end(eng, &l, rc == 0);
    (void)atomic_fetch_sub(&eng->deleting, 1);
    return rc;
}

int
vrv_engine_grow_topic(struct vrv_engine *eng, const char *name, int32_t partitions,
    struct vrv_err *e)
{
    struct vrv_uuid id;
    int rc = vrv_catalog_grow(eng->catalog, name, partitions, &id, e);

    return rc == 0 ? vrv__engine_follow(eng, &id, e) : rc;
}

static const struct vrv_config_kv *
find_key(const struct vrv_config_kv *v, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].key, key) == 0)
            return &v[i];
    return NULL;
}

/* Each names a setting that there is, once, with a value that it takes. */
static int
check_changes(const struct vrv_config_kv *v, size_t n, struct vrv_err *e)
{
    int rc = 0;

    if (n > VRV_CONFIGS_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "%zu settings: there are not so many", n);
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (find_key(v, i, v[i].key) != NULL)
            rc = vrv_err_set(e, VRV_E_INVALID, "the setting %.100s is given twice", v[i].key);
        else
            rc = vrv_topic_config_check(v[i].key, v[i].value, e);
    }
    return rc;
}

/* A topic's own settings after the changes: how many, all borrowed. */
static size_t
merge(const struct vrv_topic_info *t, const struct vrv_config_kv *changes, size_t n,
    struct vrv_config_kv out[2 * VRV_CONFIGS_MAX])
{
    size_t m = 0;

    for (size_t i = 0; i < t->config_n; i++)
        if (find_key(changes, n, t->configs[i].key) == NULL)
            out[m++] = t->configs[i];
    for (size_t i = 0; i < n; i++)
        if (changes[i].value != NULL)
            out[m++] = changes[i];
    return m;
}

/* Once, by what the topic is now: CONFLICT when somebody else was faster. */
static int
alter(struct vrv_engine *eng, const char *name, const struct vrv_config_kv *changes, size_t n,
    struct vrv_err *e)
{
    struct vrv_config_kv merged[2 * VRV_CONFIGS_MAX];
    struct vrv_topic_info t;
    int rc = vrv_catalog_by_name(eng->catalog, name, &t, e);

    if (rc < 0)
        return rc;
    size_t m = merge(&t, changes, n, merged);
    rc = vrv_catalog_alter(eng->catalog, name, t.mod, merged, m, e);
    struct vrv_uuid id = t.id;
    vrv_topic_info_fini(&t);
    return rc == 0 ? vrv__engine_follow(eng, &id, e) : rc;
}

int
vrv_engine_alter_topic(struct vrv_engine *eng, const char *name,
    const struct vrv_config_kv *changes, size_t n, struct vrv_err *e)
{
    int rc = check_changes(changes, n, e);

    if (rc < 0)
        return rc;
    rc = VRV_E_CONFLICT;
    for (int i = 0; i < ALTER_TRIES_MAX && rc == VRV_E_CONFLICT; i++)
        rc = alter(eng, name, changes, n, e);
    /* What a lossier policy left open is not for the new one to wait for. */
    if (rc == 0)
        vrv_journal_want_sync(eng->env.journal);
    return rc;
}

static int
follow_one(void *ctx, const struct vrv_topic_info *t)
{
    int rc = vrv__engine_follow(ctx, &t->id, NULL);

    return rc == VRV_E_NOTFOUND ? 0 : rc;
}

int
vrv_engine_set_defaults(struct vrv_engine *eng, const struct vrv_config_kv *v, size_t n,
    struct vrv_err *e)
{
    struct vrv_topic_defaults d;
    int rc = 0;

    vrv_topic_defaults_init(&d);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = vrv_topic_defaults_set(&d, v[i].key, v[i].value, e);
    if (rc < 0)
        return rc;
    vrv_lock(&eng->lock);
    eng->defaults = d;
    vrv_unlock(&eng->lock);
    /* A topic's own settings were checked when it was made. */
    rc = vrv_catalog_each(eng->catalog, follow_one, eng);
    VRV_ASSERT(rc == 0);
    vrv_journal_want_sync(eng->env.journal); /* as when a topic is altered */
    return 0;
}

int
vrv_engine_describe_topic(struct vrv_engine *eng, const char *name, vrv_setting_fn *fn, void *ctx,
    struct vrv_err *e)
{
    struct vrv_topic_info t = { .config_n = 0 };
    struct vrv_topic_defaults d;
    struct vrv_setting s;
    int rc = name != NULL ? vrv_catalog_by_name(eng->catalog, name, &t, e) : 0;

    vrv_lock(&eng->lock);
    d = eng->defaults;
    vrv_unlock(&eng->lock);
    for (size_t i = 0; rc == 0 && i < VRV_TOPIC_SETTINGS; i++) {
        const char *key = vrv_topic_setting(i)->rule.key;
        const struct vrv_config_kv *own = find_key(t.configs, t.config_n, key);

        vrv_topic_config_describe(&d, i, own != NULL ? own->value : NULL, &s);
        rc = fn(ctx, &s);
    }
    vrv_topic_info_fini(&t);
    return rc;
}
