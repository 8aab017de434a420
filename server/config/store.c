#include "server/config/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/engine.h"
#include "server/config/store_int.h"

enum { STORE_MAGIC = 0x63737472 };

/* ---- what is in force ---- */

struct vrv_config *
vrv_config_get(struct vrv_config_store *s)
{
    VRV_CHECK(s, STORE_MAGIC);
    vrv_lock(&s->lock);
    struct vrv_config *c = vrv_config_ref(s->config);
    vrv_unlock(&s->lock);
    return c;
}

void
vrv__config_publish(struct vrv_config_store *s, struct vrv_config *c)
{
    int rc = vrv_engine_set_defaults(s->engine, c->topic, c->topic_n, NULL);

    VRV_ASSERT(rc == 0); /* they were checked when c was made */
    if (s->in_force != NULL)
        s->in_force(s->ctx, c);
    vrv_lock(&s->lock);
    struct vrv_config *old = s->config;
    s->config = c;
    vrv_unlock(&s->lock);
    vrv_config_unref(&old);
}

/* ---- layers ---- */

void
vrv__config_entity(enum vrv_config_layer layer, int32_t id, char out[VRV_BROKER_ENTITY])
{
    if (layer == VRV_LAYER_CLUSTER)
        (void)snprintf(out, VRV_BROKER_ENTITY, "broker/");
    else
        (void)snprintf(out, VRV_BROKER_ENTITY, "broker/%" PRId32, id);
}

static void
first_wrong(void *ctx, const char *sentence)
{
    struct vrv_err *e = ctx;

    if (e->code == 0)
        (void)vrv_err_set(e, VRV_E_INVALID, "%s", sentence);
}

struct vrv_config *
vrv__config_with(struct vrv_config_store *s, enum vrv_config_layer layer,
    const struct vrv_config_values *values, struct vrv_err *e)
{
    const struct vrv_config_values *layers[VRV_LAYERS];
    struct vrv_err first = { 0 };

    for (size_t i = 0; i < VRV_LAYERS; i++)
        layers[i] = &s->config->set[i];
    layers[layer] = values;
    struct vrv_config *c = vrv_config_new(layers, first_wrong, &first);
    if (c == NULL && e != NULL)
        *e = first;
    return c;
}

/* ---- opening ---- */

int
vrv__config_take(struct vrv_config_values *values, const struct vrv_config_kv *kept,
    struct vrv_err *e)
{
    size_t option = vrv_option_find(kept->key);
    struct vrv_setting_value v;

    if (option == VRV_OPTIONS || vrv_option(option).update == VRV_READ_ONLY)
        return vrv_err_set(e, VRV_E_INVALID,
            "there is no such option that can be set while it runs");
    const struct vrv_option o = vrv_option(option);
    int rc = vrv_setting_parse(&o.rule, kept->value, &v, e);
    if (rc == 0)
        vrv_config_values_set(values, option, kept->value);
    return rc;
}

/* What was set while it ran.  A version that knew other options may have set some that are unknown
 * or different here: they stay where they are, without effect. */
static void
read_layer(struct vrv_config_store *s, enum vrv_config_layer layer,
    const struct vrv_config_store_opts *o, struct vrv_config_values *values)
{
    char entity[VRV_BROKER_ENTITY], text[400];
    struct vrv_entity_configs kept;
    struct vrv_err e;

    vrv__config_entity(layer, s->config->id, entity);
    vrv_catalog_configs(s->catalog, entity, &kept);
    for (size_t i = 0; i < kept.n; i++) {
        if (vrv__config_take(values, &kept.v[i], &e) == 0)
            continue;
        (void)snprintf(text, sizeof(text), "%.80s, which was set while the server ran, has no "
                                           "effect: %s",
            kept.v[i].key, e.msg);
        o->note(o->ctx, false, text);
    }
    free(kept.v);
}

static int
load_layers(struct vrv_config_store *s, const struct vrv_config_store_opts *o, struct vrv_err *e)
{
    for (enum vrv_config_layer layer = VRV_LAYER_BROKER; layer < VRV_LAYER_STATIC; layer++) {
        struct vrv_config_values values = { .text = { NULL } };

        read_layer(s, layer, o, &values);
        struct vrv_config *c = vrv__config_with(s, layer, &values, e);
        vrv_config_values_fini(&values);
        if (c == NULL)
            return VRV_E_INVALID;
        vrv_config_unref(&s->config);
        s->config = c;
    }
    return 0;
}

int
vrv_config_store_open(struct vrv_config_store **out, const struct vrv_config_store_opts *o,
    struct vrv_err *e)
{
    struct vrv_config_store *s = VRV_NEW(struct vrv_config_store);
    const struct vrv_config_values *const layers[] = { [VRV_LAYER_STATIC] = o->values };
    struct vrv_err first = { 0 };
    int rc;

    s->magic = STORE_MAGIC;
    s->engine = o->engine;
    s->catalog = vrv_engine_catalog(o->engine);
    s->in_force = o->in_force;
    s->ctx = o->ctx;
    vrv_lock_init(&s->changing, VRV_LOCK_config);
    vrv_lock_init(&s->lock, VRV_LOCK_snapshot);
    s->config = vrv_config_new(layers, first_wrong, &first);
    if (s->config == NULL)
        rc = vrv_err_set(e, VRV_E_INVALID, "%s", first.msg);
    else
        rc = vrv_cluster_id(s->catalog, s->config->cluster_id, &o->random, s->cluster_id, e);
    if (rc == 0)
        rc = load_layers(s, o, e);
    if (rc < 0) {
        vrv_config_store_close(&s);
        return rc;
    }
    vrv__config_publish(s, vrv_config_ref(s->config));
    *out = s;
    return 0;
}

void
vrv_config_store_close(struct vrv_config_store **sp)
{
    struct vrv_config_store *s = *sp;

    *sp = NULL;
    if (s == NULL)
        return;
    VRV_CHECK(s, STORE_MAGIC);
    vrv_config_unref(&s->config);
    vrv_lock_fini(&s->lock);
    vrv_lock_fini(&s->changing);
    s->magic = 0;
    free(s);
}

const char *
vrv_config_cluster_id(const struct vrv_config_store *s)
{
    VRV_CHECK(s, STORE_MAGIC);
    return s->cluster_id;
}
