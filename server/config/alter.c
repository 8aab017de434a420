/*
 * Changes of a broker's options and of a topic's settings.
 *
 * Both begin with what is kept, apply one change after the other to the text, and check the outcome
 * as a whole before anything is kept.  Refusals are in Kafka's words.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/engine.h"
#include "server/config/store_int.h"

/* Each name once, so more than there are names can't be right. */
static int
check_count(size_t n, struct vrv_err *e)
{
    return n <= VRV_OPTIONS ? 0
                            : vrv_err_set(e, VRV_E_INVALID, "%zu settings: there are not so many",
                                  n);
}

int
vrv_config_changes_check(const struct vrv_config_change *v, size_t n, struct vrv_err *e)
{
    int rc = check_count(n, e);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            if (strcmp(v[i].name, v[k].name) == 0)
                return vrv_err_set(e, VRV_E_INVALID, "Error due to duplicate config keys: %.100s",
                    v[i].name);
        if ((unsigned)v[i].op > VRV_CONFIG_SUBTRACT)
            return vrv_err_set(e, VRV_E_INVALID, "Unknown operation %d on %.100s", (int)v[i].op,
                v[i].name);
        if (v[i].value == NULL && v[i].op != VRV_CONFIG_DELETE)
            return vrv_err_set(e, VRV_E_INVALID, "Null value not supported for : %.100s",
                v[i].name);
    }
    return 0;
}

/* ---- one change ---- */

static bool
has_part(const char *list, const char *part, size_t n)
{
    const char *other;
    size_t other_n;

    while (vrv_setting_next(&list, &other, &other_n))
        if (other_n == n && memcmp(other, part, n) == 0)
            return true;
    return false;
}

/* Those parts of `from` that `other` doesn't have, put behind what is in `to`. */
static void
add_parts(char *to, const char *from, const char *other)
{
    const char *part;
    size_t n, at = strlen(to);

    while (vrv_setting_next(&from, &part, &n)) {
        if (n == 0 || has_part(other, part, n))
            continue;
        if (at > 0)
            to[at++] = ',';
        memcpy(to + at, part, n);
        at += n;
        to[at] = '\0';
    }
}

/* The text after the change, to be freed; NULL: it is deleted, or *rc says what is wrong. */
static char *
changed(const struct vrv_config_change *x, const struct vrv_setting_rule *rule, const char *now,
    int *rc, struct vrv_err *e)
{
    bool append = x->op == VRV_CONFIG_APPEND;
    struct vrv_setting_value v;

    *rc = 0;
    if (x->op == VRV_CONFIG_DELETE)
        return NULL;
    if (x->op != VRV_CONFIG_SET && rule->type != VRV_SETTING_LIST) {
        *rc = vrv_err_set(e, VRV_E_INVALID,
            "Can't %s to key %s because its type is not LIST.", append ? "APPEND" : "SUBTRACT",
            rule->key);
        return NULL;
    }
    if (now == NULL)
        now = "";
    char *text = vrv_mem_zero(strlen(now) + strlen(x->value) + 2);
    if (x->op == VRV_CONFIG_SET) {
        memcpy(text, x->value, strlen(x->value));
    } else {
        add_parts(text, now, append ? NULL : x->value);
        if (append)
            add_parts(text, x->value, now);
    }
    *rc = vrv_setting_parse(rule, text, &v, e);
    if (*rc < 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- a broker ---- */

/* The options that may not be changed at this layer, as Kafka lists them: "Set(a, b)". */
static int
check_updates(enum vrv_config_layer layer, const struct vrv_config_change *v, size_t n,
    struct vrv_err *e)
{
    static const char *const why[] = { "Cannot update these configs dynamically",
        "Cannot update these configs at default cluster level, broker id must be specified" };

    for (int k = 0; k < 2; k++) {
        char names[160] = "";
        size_t at = 0;

        for (size_t i = 0; i < n && at < sizeof(names); i++) {
            enum vrv_option_update update = vrv_option(vrv_option_find(v[i].name)).update;

            if (k == 0 ? update == VRV_READ_ONLY
                       : update == VRV_PER_BROKER && layer == VRV_LAYER_CLUSTER)
                at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s",
                    at > 0 ? ", " : "", v[i].name);
        }
        if (at > 0)
            return vrv_err_set(e, VRV_E_INVALID, "%s: Set(%s)", why[k], names);
    }
    return 0;
}

static int
check_names(const struct vrv_config_change *v, size_t n, struct vrv_err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (vrv_option_find(v[i].name) < VRV_OPTIONS)
            continue;
        const char *like = vrv_option_like(v[i].name);

        return vrv_err_set(e, VRV_E_INVALID, "Unknown broker config name: %.100s%s%s", v[i].name,
            like != NULL ? "; is it " : "", like != NULL ? like : "");
    }
    return 0;
}

/* What is kept, but for what this version doesn't know, which goes with the first change. */
static void
take_kept(const struct vrv_entity_configs *kept, struct vrv_config_values *values)
{
    for (size_t i = 0; i < kept->n; i++)
        (void)vrv__config_take(values, &kept->v[i], NULL);
}

static int
apply(struct vrv_config_values *values, const struct vrv_config_change *v, size_t n,
    struct vrv_err *e)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        size_t option = vrv_option_find(v[i].name);
        const struct vrv_option o = vrv_option(option);
        const char *now = values->text[option] != NULL ? values->text[option] : o.dflt;
        char *text = changed(&v[i], &o.rule, now, &rc, e);

        if (rc == 0)
            vrv_config_values_set(values, option, text);
        free(text);
    }
    return rc;
}

static int
keep(struct vrv_config_store *s, const char *entity, uint64_t mod,
    const struct vrv_config_values *values, struct vrv_err *e)
{
    struct vrv_config_kv kv[VRV_OPTIONS];
    size_t n = 0;

    for (size_t i = 0; i < VRV_OPTIONS; i++)
        if (values->text[i] != NULL)
            kv[n++] = (struct vrv_config_kv){ (char *)(uintptr_t)vrv_option(i).rule.key,
                values->text[i] };
    return vrv_catalog_set_configs(s->catalog, entity, mod, kv, n, e);
}

static int
alter_layer(struct vrv_config_store *s, enum vrv_config_layer layer,
    const struct vrv_config_change *v, size_t n, unsigned flags, struct vrv_err *e)
{
    struct vrv_config_values values = { .text = { NULL } };
    char entity[VRV_BROKER_ENTITY];
    struct vrv_entity_configs kept;
    struct vrv_config *c = NULL;

    vrv__config_entity(layer, s->config->id, entity);
    vrv_catalog_configs(s->catalog, entity, &kept);
    if ((flags & VRV_ALTER_REPLACE) == 0)
        take_kept(&kept, &values);
    int rc = apply(&values, v, n, e);
    if (rc == 0) {
        c = vrv__config_with(s, layer, &values, e);
        rc = c != NULL ? 0 : VRV_E_INVALID;
    }
    if (rc == 0 && (flags & VRV_ALTER_VALIDATE) == 0) {
        rc = keep(s, entity, kept.mod, &values, e);
        if (rc == 0) {
            vrv__config_publish(s, c);
            c = NULL;
        }
    }
    vrv_config_unref(&c);
    vrv_config_values_fini(&values);
    free(kept.v);
    return rc;
}

int
vrv_config_alter(struct vrv_config_store *s, const char *broker,
    const struct vrv_config_change *v, size_t n, unsigned flags, struct vrv_err *e)
{
    enum vrv_config_layer layer = broker[0] == '\0' ? VRV_LAYER_CLUSTER : VRV_LAYER_BROKER;
    char own[16];
    int rc = check_count(n, e);

    if (rc < 0)
        return rc;
    vrv_lock(&s->changing);
    (void)snprintf(own, sizeof(own), "%" PRId32, s->config->id);
    if (layer == VRV_LAYER_BROKER && strcmp(broker, own) != 0)
        rc = vrv_err_set(e, VRV_E_INVALID,
            "Unexpected broker id, expected %s or empty string, but received %.40s", own, broker);
    else
        rc = check_names(v, n, e);
    if (rc == 0)
        rc = check_updates(layer, v, n, e);
    if (rc == 0)
        rc = alter_layer(s, layer, v, n, flags, e);
    vrv_unlock(&s->changing);
    return rc;
}

/* ---- a topic ---- */

/* A topic's own settings, and what is to be changed of them. */
struct topic_edit {
    const struct vrv_topic_info *t;
    struct vrv_config_kv *changes; /* values to be freed */
    size_t n;
};

static int
topic_changes(struct topic_edit *x, const struct vrv_config_change *v, size_t n, struct vrv_err *e)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct vrv_topic_setting *s = vrv_topic_setting_find(v[i].name);

        if (s == NULL)
            return vrv_topic_config_check(v[i].name, NULL, e);
        const char *now = vrv__config_value(x->t->configs, x->t->config_n, v[i].name);
        char *text = changed(&v[i], &s->rule, now != NULL ? now : s->dflt, &rc, e);
        if (rc == 0)
            x->changes[x->n++] = (struct vrv_config_kv){ (char *)(uintptr_t)v[i].name, text };
    }
    return rc;
}

/* Delete what wasn't named. */
static void
replace_rest(struct topic_edit *x, size_t named)
{
    for (size_t i = 0; i < x->t->config_n; i++) {
        bool is_named = false;

        for (size_t k = 0; k < named && !is_named; k++)
            is_named = strcmp(x->changes[k].key, x->t->configs[i].key) == 0;
        if (!is_named)
            x->changes[x->n++] = (struct vrv_config_kv){ x->t->configs[i].key, NULL };
    }
}

static bool
is_tiered(const struct vrv_topic_info *t)
{
    const char *text = vrv__config_value(t->configs, t->config_n, "remote.storage.enable");
    struct vrv_setting_value v;

    return text != NULL &&
        vrv_setting_parse(&vrv_topic_setting_find("remote.storage.enable")->rule, text, &v, NULL) ==
        0 && v.i != 0;
}

/* What the topic would have goes together. */
static int
check_outcome(struct vrv_config_store *s, const struct topic_edit *x, struct vrv_err *e)
{
    struct vrv_config_kv *after = vrv_mem_zero((x->n + x->t->config_n + 1) * sizeof(*after));
    size_t n = 0;

    for (size_t i = 0; i < x->n; i++)
        after[n++] = x->changes[i];
    for (size_t i = 0; i < x->t->config_n; i++)
        after[n++] = x->t->configs[i]; /* of two with a name the first one counts */
    int rc = vrv_config_topic_check(s, &(struct vrv_config_topic){ .name = x->t->name, .v = after,
        .n = n, .was_tiered = is_tiered(x->t) }, e);
    free(after);
    return rc;
}

static int
alter_topic(struct vrv_config_store *s, const struct vrv_topic_info *t,
    const struct vrv_config_change *v, size_t n, unsigned flags, struct vrv_err *e)
{
    struct topic_edit x = { .t = t };

    x.changes = vrv_mem_zero((n + t->config_n + 1) * sizeof(*x.changes));
    int rc = topic_changes(&x, v, n, e);
    if (rc == 0 && (flags & VRV_ALTER_REPLACE) != 0)
        replace_rest(&x, x.n);
    if (rc == 0)
        rc = check_outcome(s, &x, e);
    if (rc == 0 && (flags & VRV_ALTER_VALIDATE) == 0)
        rc = vrv_engine_alter_topic(s->engine, t->name, x.changes, x.n, e);
    for (size_t i = 0; i < x.n; i++)
        free(x.changes[i].value);
    free(x.changes);
    return rc;
}

int
vrv_config_alter_topic(struct vrv_config_store *s, const char *topic,
    const struct vrv_config_change *v, size_t n, unsigned flags, struct vrv_err *e)
{
    struct vrv_topic_info t;

    int rc = check_count(n, e);

    if (rc < 0)
        return rc;
    vrv_lock(&s->changing);
    rc = vrv_catalog_by_name(s->catalog, topic, &t, e);
    if (rc == 0) {
        rc = alter_topic(s, &t, v, n, flags, e);
        vrv_topic_info_fini(&t);
    }
    vrv_unlock(&s->changing);
    return rc;
}
