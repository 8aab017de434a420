#include "server/tool/view.h"

#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/engine_int.h"
#include "engine/meta/metalog.h"
#include "server/tool/overlay.h"

struct view_log *
view_find(const struct view *v, const struct vrv_log_id *id)
{
    for (size_t i = 0; i < v->n; i++)
        if (vrv__log_id_eq(&v->v[i].log->id, id))
            return &v->v[i];
    return NULL;
}

static struct view_log *
push(struct view *v, const char *topic, struct vrv_log *log)
{
    VRV_PUSH_ROOM(v->v, v->n, v->cap);
    v->v[v->n] = (struct view_log){ vrv_mem_strdup(topic), log };
    return &v->v[v->n++];
}

static int
add_gone(void *ctx, const struct vrv_uuid *id)
{
    struct view *v = ctx;

    VRV_PUSH_ROOM(v->gone, v->gone_n, v->gone_cap);
    v->gone[v->gone_n++] = *id;
    return 0;
}

/* ---- from an engine ---- */

static int
add_engine_log(void *ctx, const char *topic, struct vrv_log *log, struct vrv_err *e)
{
    (void)e;
    (void)push(ctx, topic, log);
    return 0;
}

static int
from_engine(struct view *v, struct tool *t, struct vrv_err *e)
{
    v->whole = true;
    (void)vrv_catalog_each_gone(vrv_engine_catalog(t->eng), add_gone, v);
    return tool_each_part(t, add_engine_log, v, e);
}

/* ---- from the pieces ---- */

static int
add_topic(void *ctx, const struct vrv_topic_info *info)
{
    struct view *v = ctx;

    for (int32_t p = 0; p < info->partitions; p++) {
        struct vrv_log_id id = { info->id, p };

        (void)push(v, info->name, vrv_log_new(&v->env, &id, v->config, 0));
    }
    return 0;
}

struct trouble {
    view_trouble_fn *fn;
    void *ctx;
};

/* The topics, as far as the catalog can be read. */
static void
read_catalog(struct view *v, struct tool *t, const struct trouble *tr)
{
    struct vrv_metastore *m = NULL;
    struct vrv_catalog *c = NULL;
    struct vrv_err e = { 0 };
    uint64_t cut;
    int rc = vrv_metalog_open(&m, t->vfs, "meta", &cut, &e);

    if (rc == 0)
        rc = vrv_catalog_open(&c, m, &e);
    if (rc == 0) {
        (void)vrv_catalog_each(c, add_topic, v);
        (void)vrv_catalog_each_gone(c, add_gone, v);
    } else {
        tr->fn(tr->ctx, "catalog", &e);
    }
    vrv_catalog_close(&c);
    vrv_meta_close(&m);
}

struct loading {
    struct view *v;
    const struct trouble *tr;
    bool done;
};

static void
load_key(void *ctx, int status, const struct vrv_meta_kv *kv, uint64_t revision,
    const struct vrv_err *err)
{
    struct loading *l = ctx;
    struct vrv_log_id id;
    struct vrv_err e = { 0 };
    int rc = 0;

    (void)status;
    (void)revision;
    (void)err;
    if (kv == NULL) {
        l->done = true;
        return;
    }
    if (!vrv__key_log(kv->key, &id))
        return;
    struct view_log *vl = view_find(l->v, &id);
    if (vl == NULL) { /* the catalog was not to be read, or has lost it */
        char hex[VRV_UUID_TEXT + 1];

        vrv_uuid_text(&id.topic, hex);
        vl = push(l->v, hex, vrv_log_new(&l->v->env, &id, l->v->config, 0));
    }
    if (kv->key[0] == 'g')
        rc = vrv_log_restore_gone(vl->log, kv->value, kv->value_len, &e);
    else if (kv->key[0] == 'o')
        rc = vrv_log_restore_open(vl->log, kv->value, kv->value_len, &e);
    else if (kv->key[1] == 'e')
        rc = vrv_log_restore_sealed(vl->log, kv->value, kv->value_len, &e);
    else
        rc = vrv_log_restore_state(vl->log, kv->value, kv->value_len, &e);
    if (rc < 0)
        l->tr->fn(l->tr->ctx, "checkpoint", &e);
}

static void
read_states(struct view *v, struct tool *t, const struct trouble *tr)
{
    static const char *const kind[] = { "gone/", "seal/", "open/", "state/" };
    struct vrv_metastore *m = NULL;
    struct vrv_err e = { 0 };
    uint64_t cut;
    int rc = vrv_metalog_open(&m, t->vfs, "checkpoint", &cut, &e);

    for (size_t i = 0; i < sizeof(kind) / sizeof(kind[0]) && rc >= 0; i++) {
        struct loading l = { .v = v, .tr = tr };

        vrv_meta_range(m, kind[i], load_key, &l);
        while (rc >= 0 && !l.done)
            rc = vrv_meta_step(m, &e);
    }
    if (rc < 0)
        tr->fn(tr->ctx, "checkpoint", &e);
    vrv_meta_close(&m);
}

static void
from_pieces(struct view *v, struct tool *t, const struct trouble *tr)
{
    struct vrv_topic_defaults d;

    vrv_topic_defaults_init(&d);
    v->config = vrv_log_config_new(&d.config);
    vrv_files_init(&v->files, t->vfs, 16);
    vrv_slab_pool_init(&v->pool, 1 << 20);
    v->env = (struct vrv_log_env){ .clock = vrv_clock_real(), .files = &v->files,
        .pool = &v->pool };
    vrv_lock_init(&v->env.lock, VRV_LOCK_lists);
    vrv_list_init(&v->env.touched);
    vrv_list_init(&v->env.flushable);
    read_catalog(v, t, tr);
    read_states(v, t, tr);
}

static bool
is_hopeless(int rc)
{
    return rc != VRV_E_CORRUPT && rc != VRV_E_FOREIGN;
}

int
view_open(struct view *v, struct tool *t, view_trouble_fn *fn, void *ctx, struct vrv_err *e)
{
    struct trouble tr = { fn, ctx };
    int rc = tool_open_engine(t, e);

    *v = (struct view){ .v = NULL };
    if (rc == 0)
        return from_engine(v, t, e);
    if (is_hopeless(rc))
        return rc;
    fn(ctx, "recovery", e);
    from_pieces(v, t, &tr);
    *e = (struct vrv_err){ 0 };
    return 0;
}

void
view_close(struct view *v)
{
    for (size_t i = 0; i < v->n; i++) {
        if (v->config != NULL)
            vrv_log_unref(&v->v[i].log);
        free(v->v[i].topic);
    }
    free(v->v);
    free(v->gone);
    if (v->config != NULL) {
        vrv_log_config_unref(v->config);
        vrv_files_fini(&v->files);
        vrv_slab_pool_fini(&v->pool);
        vrv_lock_fini(&v->env.lock);
    }
    *v = (struct view){ .v = NULL };
}
