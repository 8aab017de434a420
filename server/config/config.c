#include "server/config/config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/log/topic_config.h"
#include "engine/os/secret.h"
#include "server/config/quotas.h"
#include "server/config/store_int.h"

enum { CONFIG_MAGIC = 0x636f6e66 };

/* ---- values ---- */

void
vrv_config_values_fini(struct vrv_config_values *v)
{
    for (size_t i = 0; i < VRV_OPTIONS; i++)
        free(v->text[i]);
    memset(v, 0, sizeof(*v));
}

void
vrv_config_values_set(struct vrv_config_values *v, size_t option, const char *text)
{
    VRV_ASSERT(option < VRV_OPTIONS);
    char *copy = text != NULL ? vrv_mem_strdup(text) : NULL;
    free(v->text[option]);
    v->text[option] = copy;
}

/* As Kafka shows it, which is never longer than how it was given. */
static char *
printed(const struct vrv_option *o, const char *text)
{
    size_t n = strlen(text) + 1;
    char *out = vrv_mem_zero(n);

    vrv_setting_print(&o->rule, text, out, n);
    return out;
}

static void
take_layers(struct vrv_config *c, const struct vrv_config_values *const layer[VRV_LAYERS])
{
    for (size_t i = 0; i < VRV_OPTIONS; i++) {
        const struct vrv_option o = vrv_option(i);
        const char *text = o.dflt;

        for (size_t k = VRV_LAYERS; k-- > 0;) {
            if (layer[k] == NULL || layer[k]->text[i] == NULL)
                continue;
            text = c->set[k].text[i] = printed(&o, layer[k]->text[i]);
        }
        c->text[i] = text != NULL ? vrv_mem_strdup(text) : NULL;
    }
}

/* ---- fields ---- */

struct field {
    const char *name;
    size_t at;
};

static const struct field fields[] = {
#define VRV_SECTION(title)
#define VRV_OPTION(field, name, type, dflt, check, update, doc)                                    \
    { name, offsetof(struct vrv_config, field) },
#define VRV_TOPIC_DEFAULT(name, topic, dflt)
#define VRV_IN_UNITS(name, of, ms, dflt, doc)
#define VRV_IGNORED(name, type, dflt, check, doc)
#define VRV_PASSED_OVER(name, why)
#define VRV_REFUSED(name, but, why)
#include "server/config/options.def"
};

static void
set_field(struct vrv_config *c, const struct field *f)
{
    size_t i = vrv_option_find(f->name);
    const struct vrv_option o = vrv_option(i);
    const char *text = c->text[i];
    struct vrv_setting_value v = { .i = 0 };
    void *at = (char *)c + f->at;
    int rc = text != NULL ? vrv_setting_parse(&o.rule, text, &v, NULL) : 0;

    VRV_ASSERT(rc == 0);
    switch (o.rule.type) {
    case VRV_SETTING_BOOLEAN:
        *(bool *)at = v.i == 1;
        break;
    case VRV_SETTING_INT:
        *(int32_t *)at = (int32_t)v.i;
        break;
    case VRV_SETTING_LONG:
        *(int64_t *)at = v.i;
        break;
    default:
        *(const char **)at = text;
        break;
    }
}

/* The first of a family that has a value, in the units of its head: "" when none has. */
static void
family_value(const struct vrv_config *c, size_t head, char out[VRV_SETTING_VALUE])
{
    size_t family[VRV_OPTION_FAMILY];
    size_t n = vrv_option_family(head, family);

    out[0] = '\0';
    for (size_t k = 0; k < n; k++) {
        const char *text = c->text[family[k]];

        if (text == NULL)
            continue;
        int64_t units = k > 0 ? strtoll(text, NULL, 10) : 0; /* an INT, so no product overflows */
        if (k == 0)
            (void)snprintf(out, VRV_SETTING_VALUE, "%s", text);
        else
            (void)snprintf(out, VRV_SETTING_VALUE, "%" PRId64,
                units < 0 ? -1 : units * vrv_option(family[k]).ms);
        return;
    }
}

static void
take_topic_defaults(struct vrv_config *c)
{
    char value[VRV_SETTING_VALUE];

    c->topic = vrv_mem_zero(VRV_TOPIC_SETTINGS * sizeof(*c->topic));
    for (size_t i = 0; i < VRV_TOPIC_SETTINGS; i++) {
        const char *key = vrv_topic_setting(i)->rule.key;
        size_t option = vrv_option_of_topic(key);

        if (option == VRV_OPTIONS)
            continue;
        family_value(c, option, value);
        struct vrv_config_kv *kv = &c->topic[c->topic_n++];
        kv->key = vrv_mem_strdup(key);
        kv->value = vrv_mem_strdup(value);
    }
}

/* ---- what goes together ---- */

struct check {
    struct vrv_config *c;
    vrv_config_wrong_fn *fn;
    void *ctx;
    unsigned wrong;
};

static void VRV_PRINTF(2, 3)
wrong(struct check *k, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    k->wrong++;
    k->fn(k->ctx, text);
}

static void
check_exposed(struct check *k, const char *option, const struct vrv_listeners *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct vrv_listener *x = &l->v[i];

        if (!vrv_listener_is_local(x) && !k->c->allow_insecure)
            wrong(k,
                "%s: other machines can reach %s:%d, there is no encryption, and everybody may do "
                "everything: say allow.insecure=true if that is what you want, or listen on "
                "127.0.0.1",
                option, x->host[0] != '\0' ? x->host : "*", x->port);
    }
}

/* NAME:PROTOCOL for each listener that is opened; names that aren't are as good as any. */
static void
check_protocols(struct check *k)
{
    const char *part, *at = k->c->listener_security_protocol_map;
    size_t n;

    while (vrv_setting_next(&at, &part, &n)) {
        const char *colon = memchr(part, ':', n);
        size_t name = colon != NULL ? (size_t)(colon - part) : n;

        if (n == 0)
            continue;
        if (colon == NULL)
            wrong(k, "listener.security.protocol.map: \"%.*s\" is not NAME:PROTOCOL", (int)n, part);
        else if (vrv_listeners_find(&k->c->clients, part, name) != NULL &&
            (n - name != 10 || memcmp(colon, ":PLAINTEXT", 10) != 0))
            wrong(k, "listener.security.protocol.map: listener %.*s would speak %.*s, which varve "
                     "can't yet: PLAINTEXT is what there is",
                (int)name, part, (int)(n - name - 1), colon + 1);
    }
}

static void
check_listeners(struct check *k)
{
    struct vrv_config *c = k->c;
    char machine[VRV_LISTENER_HOST] = "localhost";
    const char *controllers = c->text[vrv_option_find("controller.listener.names")];
    struct vrv_err e;

    (void)gethostname(machine, sizeof(machine) - 1);
    if (vrv_listeners_parse(&c->clients, c->listeners, true, &e) < 0) {
        wrong(k, "listeners: %s", e.msg);
        return;
    }
    vrv_listeners_remove(&c->clients, controllers);
    if (c->clients.n == 0)
        wrong(k, "listeners: there is none, so no client could connect");
    if (vrv_listeners_advertise(&c->clients, c->advertised_listeners, controllers, machine, &e) < 0)
        wrong(k, "advertised.listeners: %s", e.msg);
    check_protocols(k);
    check_exposed(k, "listeners", &c->clients);
    if (vrv_listeners_parse(&c->admin, c->admin_listeners, false, &e) < 0)
        wrong(k, "admin.listeners: %s", e.msg);
    else
        check_exposed(k, "admin.listeners", &c->admin);
}

static void
check_memory(struct check *k)
{
    const struct vrv_config *c = k->c;

    if (c->memory_bytes < c->wal_bytes)
        wrong(k,
            "memory.bytes is %" PRId64 ", less than wal.bytes, %" PRId64
            ": what the write-ahead log holds must fit into memory",
            c->memory_bytes, c->wal_bytes);
    if (c->queued_max_request_bytes < c->socket_request_max_bytes)
        wrong(k,
            "queued.max.request.bytes is %" PRId64 ", less than socket.request.max.bytes, %" PRId32
            ": the largest request could never be read",
            c->queued_max_request_bytes, c->socket_request_max_bytes);
}

static void
check_quotas(struct check *k, const char *name, const char *text)
{
    struct vrv_quotas q;
    struct vrv_err e;

    if (vrv_quotas_parse(&q, text, &e) < 0)
        wrong(k, "%s: %s", name, e.msg);
    else
        vrv_quotas_fini(&q);
}

/* What is wrong here may be a password, and isn't repeated. */
static void
check_proxy(struct check *k)
{
    const struct vrv_config *c = k->c;

    if (strchr(c->tier_store_proxy, '@') != NULL)
        wrong(k, "tier.store.proxy has a user, and perhaps a password, where all may read them: leave them out, and "
                 "set tier.store.proxy.credentials to file:PATH or env:NAME, where USER:PASSWORD stands");
    if (c->tier_store_proxy_credentials[0] != '\0' && !vrv_secret_is_ref(c->tier_store_proxy_credentials))
        wrong(k, "tier.store.proxy.credentials is neither file:PATH nor env:NAME: name a file whose first line is "
                 "USER:PASSWORD, or a variable of the environment that is");
}

static void
check_rest(struct check *k)
{
    struct vrv_config *c = k->c;
    struct vrv_err e;
    size_t id_n = c->cluster_id != NULL ? strlen(c->cluster_id) : 1;

    if (id_n < 1 || id_n > VRV_CLUSTER_ID)
        wrong(k, "cluster.id is \"%.60s\": expected 1 to %d characters", c->cluster_id,
            VRV_CLUSTER_ID);
    if (c->data_dir[0] == '\0')
        wrong(k, "%s is empty: expected a directory", c->log_dirs != NULL ? "log.dirs" : "log.dir");
    if (strchr(c->data_dir, ',') != NULL)
        wrong(k, "log.dirs: varve keeps all data in one directory, \"%.200s\" are several",
            c->data_dir);
    if (c->group_min_session_timeout_ms > c->group_max_session_timeout_ms)
        wrong(k,
            "group.min.session.timeout.ms is %" PRId32
            ", more than group.max.session.timeout.ms, %" PRId32,
            c->group_min_session_timeout_ms, c->group_max_session_timeout_ms);
    if (vrv_ip_limits_parse(&c->ip_limit, &c->ip_limit_n, c->max_connections_per_ip_overrides,
            &e) < 0)
        wrong(k, "max.connections.per.ip.overrides: %s", e.msg);
    check_proxy(k);
    check_quotas(k, "tier.fetch.client.quotas", c->tier_fetch_client_quotas);
    check_quotas(k, "tier.fetch.group.quotas", c->tier_fetch_group_quotas);
}

/* A topic that sets nothing must be one that could be made so. */
static void
check_topic_defaults(struct check *k)
{
    unsigned before = k->wrong;
    struct vrv_err e;

    for (size_t i = 0; i < k->c->topic_n; i++) {
        const struct vrv_config_kv *kv = &k->c->topic[i];

        if (vrv_topic_config_check(kv->key, kv->value, &e) < 0)
            wrong(k, "the default of topics: %s", e.msg);
    }
    if (k->wrong == before && vrv__config_defaults_check(k->c, &e) < 0)
        wrong(k, "the defaults of topics: %s", e.msg);
}

/* ---- made, counted ---- */

struct vrv_config *
vrv_config_new(const struct vrv_config_values *const layer[VRV_LAYERS], vrv_config_wrong_fn *fn,
    void *ctx)
{
    struct vrv_config *c = VRV_NEW(struct vrv_config);
    struct check k = { c, fn, ctx, 0 };

    c->magic = CONFIG_MAGIC;
    atomic_init(&c->refs, 1);
    take_layers(c, layer);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        set_field(c, &fields[i]);
    c->id = c->node_id >= 0 ? c->node_id : c->broker_id;
    c->data_dir = c->log_dirs != NULL ? c->log_dirs : c->log_dir;
    take_topic_defaults(c);
    check_listeners(&k);
    check_memory(&k);
    check_rest(&k);
    check_topic_defaults(&k);
    if (k.wrong > 0)
        vrv_config_unref(&c);
    return c;
}

struct vrv_config *
vrv_config_ref(struct vrv_config *c)
{
    VRV_CHECK(c, CONFIG_MAGIC);
    (void)atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void
vrv_config_unref(struct vrv_config **cp)
{
    struct vrv_config *c = *cp;

    *cp = NULL;
    if (c == NULL)
        return;
    VRV_CHECK(c, CONFIG_MAGIC);
    if (atomic_fetch_sub(&c->refs, 1) > 1)
        return;
    for (size_t i = 0; i < c->topic_n; i++) {
        free(c->topic[i].key);
        free(c->topic[i].value);
    }
    free(c->topic);
    free(c->ip_limit);
    for (size_t i = 0; i < VRV_LAYERS; i++)
        vrv_config_values_fini(&c->set[i]);
    for (size_t i = 0; i < VRV_OPTIONS; i++)
        free(c->text[i]);
    c->magic = 0;
    free(c);
}

int32_t
vrv_config_ip_max(const struct vrv_config *c, const char *address)
{
    for (size_t i = 0; i < c->ip_limit_n; i++)
        if (strcmp(c->ip_limit[i].address, address) == 0)
            return c->ip_limit[i].max;
    return c->max_connections_per_ip;
}
