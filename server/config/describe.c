/*
 * The rules are those of Kafka's brokers.  An option has the synonyms of its family
 * (log.retention.ms, .minutes, .hours); they are listed by where they are set, then by precedence,
 * and those in front of the first one that bears the name asked for are left out.  So of a topic
 * that follows log.retention.hours no synonym is shown, and its source is "default".
 */
#include "server/config/describe.h"

#include <string.h>

#include "engine/engine.h"

static const enum vrv_config_source source_of[VRV_LAYERS] = {
    [VRV_LAYER_BROKER] = VRV_SOURCE_BROKER,
    [VRV_LAYER_CLUSTER] = VRV_SOURCE_CLUSTER,
    [VRV_LAYER_STATIC] = VRV_SOURCE_STATIC,
};

static bool
is_sensitive(enum vrv_setting_type type)
{
    return type == VRV_SETTING_PASSWORD;
}

static void
add_synonym(struct vrv_config_entry *x, const struct vrv_option *o, const char *name,
    const char *value, enum vrv_config_source source)
{
    if (value == NULL || (x->synonym_n == 0 && strcmp(o->rule.key, name) != 0))
        return;
    x->synonym[x->synonym_n++] = (struct vrv_config_synonym){ o->rule.key,
        is_sensitive(o->rule.type) ? NULL : value, source };
}

/* Those of the option's family, from the first with its name on. */
static void
add_family(const struct vrv_config *c, struct vrv_config_entry *x, size_t option)
{
    struct vrv_config_entry found = { .synonym_n = 0 };
    size_t family[VRV_OPTION_FAMILY], n = vrv_option_family(option, family);
    const char *name = vrv_option(option).rule.key;

    for (size_t layer = 0; layer <= VRV_LAYERS; layer++) {
        for (size_t k = 0; k < n; k++) {
            const struct vrv_option o = vrv_option(family[k]);

            if (layer < VRV_LAYERS)
                add_synonym(&found, &o, name, c->set[layer].text[family[k]], source_of[layer]);
            else
                add_synonym(&found, &o, name, o.dflt, VRV_SOURCE_DEFAULT);
        }
    }
    memcpy(x->synonym + x->synonym_n, found.synonym, found.synonym_n * sizeof(found.synonym[0]));
    x->synonym_n += found.synonym_n;
}

static void
describe(const struct vrv_config *c, size_t i, struct vrv_config_entry *x)
{
    const struct vrv_option o = vrv_option(i);

    *x = (struct vrv_config_entry){ .name = o.rule.key, .type = o.rule.type, .doc = o.doc,
        .read_only = o.update == VRV_READ_ONLY, .sensitive = is_sensitive(o.rule.type) };
    x->value = x->sensitive ? NULL : c->text[i];
    add_family(c, x, i);
    x->source = x->synonym_n > 0 ? x->synonym[0].source : VRV_SOURCE_DEFAULT;
}

int
vrv_config_each(const struct vrv_config *c, vrv_config_entry_fn *fn, void *ctx)
{
    struct vrv_config_entry x;
    int rc = 0;

    for (size_t i = 0; i < VRV_OPTIONS && rc == 0; i++) {
        describe(c, i, &x);
        rc = fn(ctx, &x);
    }
    return rc;
}

int
vrv_config_each_cluster(const struct vrv_config *c, vrv_config_entry_fn *fn, void *ctx)
{
    const struct vrv_config_values *set = &c->set[VRV_LAYER_CLUSTER];
    struct vrv_config_entry x;
    int rc = 0;

    for (size_t i = 0; i < VRV_OPTIONS && rc == 0; i++) {
        if (set->text[i] == NULL)
            continue;
        describe(c, i, &x);
        x.value = x.sensitive ? NULL : set->text[i];
        x.source = VRV_SOURCE_CLUSTER;
        x.synonym[0] = (struct vrv_config_synonym){ x.name, x.value, x.source };
        x.synonym_n = 1;
        rc = fn(ctx, &x);
    }
    return rc;
}

struct topic {
    const struct vrv_config *c;
    vrv_config_entry_fn *fn;
    void *ctx;
};

static int
each_setting(void *ctx, const struct vrv_setting *s)
{
    const struct topic *t = ctx;
    size_t option = vrv_option_of_topic(s->key);
    struct vrv_config_entry x = { .name = s->key, .value = s->value, .type = s->type,
        .doc = s->doc };

    if (s->own)
        x.synonym[x.synonym_n++] = (struct vrv_config_synonym){ s->key, s->value,
            VRV_SOURCE_TOPIC };
    if (option < VRV_OPTIONS)
        add_family(t->c, &x, option);
    x.source = x.synonym_n > 0 ? x.synonym[0].source : VRV_SOURCE_DEFAULT;
    return t->fn(t->ctx, &x);
}

int
vrv_config_each_topic(const struct vrv_config *c, struct vrv_engine *eng, const char *topic,
    vrv_config_entry_fn *fn, void *ctx, struct vrv_err *e)
{
    struct topic t = { c, fn, ctx };

    return vrv_engine_describe_topic(eng, topic, each_setting, &t, e);
}
