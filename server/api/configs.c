/* DescribeConfigs, AlterConfigs, IncrementalAlterConfigs: settings of topics and of the broker. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/configs.h"
#include "server/api/find.h"
#include "server/api/handlers.h"

enum resource { TOPIC = 2, BROKER = 4 };

/* Which broker's settings a name means; false: none that is here.  "" means those of all. */
static bool
is_broker(const struct vrv_request *r, struct vrv_str name)
{
    char id[16];

    (void)snprintf(id, sizeof(id), "%" PRId32, r->broker->node_id);
    return name.n == 0 || vrv_str_is(name, id);
}

/* Of an unknown kind of resource, or one that isn't here. */
static const char *
resource_error(const struct vrv_request *r, int8_t type, struct vrv_str name,
    enum vrv_kerror *code)
{
    struct vrv_found_topic t;

    *code = VRV_K_INVALID_REQUEST;
    if (type == BROKER)
        return is_broker(r, name) ? NULL : "there is no broker of this number";
    if (type != TOPIC)
        return "this server has settings of topics and of brokers";
    *code = vrv_find_why(name);
    return vrv_find_topic(r->broker, name, &t) ? NULL : "there is no such topic";
}

/* A copy with a NUL; NULL stays that. */
static char *
text_of(struct vrv_request *r, struct vrv_str s)
{
    return s.p != NULL ? vrv_arena_copy(&r->arena, s.p, (size_t)s.n) : NULL;
}

/* ---- DescribeConfigs ---- */

struct describe {
    const struct vrv_describe_configs_req *q;
    struct vrv_describe_configs_resp resp;
};

/* One resource's entries, as they are told. */
struct entries {
    struct vrv_request *r;
    const struct vrv_strs *only; /* NULL, or the names that are wanted */
    bool synonyms, docs;
    struct vrv_describe_configs_resp_config *v;
    int32_t n, cap;
};

static bool
is_wanted(const struct vrv_strs *only, const char *name)
{
    if (only->n == 0) /* null, and as in Kafka none, too */
        return true;
    for (int32_t i = 0; i < only->n; i++)
        if (vrv_str_is(only->v[i], name))
            return true;
    return false;
}

static struct vrv_str
str_or_null(struct vrv_request *r, const char *s)
{
    return s != NULL ? vrv_request_str(r, s) : (struct vrv_str){ NULL, 0 };
}

static int
add_entry(void *ctx, const struct vrv_config_entry *entry)
{
    struct entries *es = ctx;
    struct vrv_describe_configs_resp_config *c;

    if (!is_wanted(es->only, entry->name))
        return 0;
    if (es->n == es->cap) {
        es->cap = es->cap > 0 ? 2 * es->cap : 64;
        c = VRV_ROOM(es->r, struct vrv_describe_configs_resp_config, es->cap);
        if (es->n > 0)
            memcpy(c, es->v, (size_t)es->n * sizeof(*c));
        es->v = c;
    }
    c = &es->v[es->n++];
    VRV_WIRE_INIT(describe_configs_resp_config, c);
    c->name = vrv_request_str(es->r, entry->name);
    c->value = str_or_null(es->r, entry->value);
    c->read_only = entry->read_only;
    c->config_source = (int8_t)entry->source;
    c->is_sensitive = entry->sensitive;
    c->config_type = (int8_t)entry->type;
    c->documentation = es->docs ? str_or_null(es->r, entry->doc) : (struct vrv_str){ NULL, 0 };
    c->synonyms.n = es->synonyms ? (int32_t)entry->synonym_n : 0;
    c->synonyms.v = VRV_ROOM(es->r, struct vrv_describe_configs_resp_synonym, c->synonyms.n);
    for (int32_t i = 0; i < c->synonyms.n; i++)
        c->synonyms.v[i] = (struct vrv_describe_configs_resp_synonym){
            .name = vrv_request_str(es->r, entry->synonym[i].name),
            .value = str_or_null(es->r, entry->synonym[i].value),
            .source = (int8_t)entry->synonym[i].source };
    return 0;
}

static int
each_entry(struct vrv_request *r, const struct vrv_describe_configs_req_resource *q,
    struct entries *es, struct vrv_err *e)
{
    struct vrv_config *c = vrv_config_get(r->broker->config);
    int rc;

    if (q->resource_type == TOPIC)
        rc = vrv_config_each_topic(c, r->broker->engine, text_of(r, q->resource_name), add_entry,
            es, e);
    else if (q->resource_name.n == 0)
        rc = vrv_config_each_cluster(c, add_entry, es);
    else
        rc = vrv_config_each(c, add_entry, es);
    vrv_config_unref(&c);
    return rc;
}

static void
describe_one(struct vrv_request *r, const struct vrv_describe_configs_req_resource *q,
    struct vrv_describe_configs_resp_result *out)
{
    const struct describe *d = r->state;
    struct entries es = { .r = r, .only = &q->configuration_keys,
        .synonyms = d->q->include_synonyms, .docs = d->q->include_documentation };
    struct vrv_err e = { 0 };
    enum vrv_kerror code;
    const char *text = resource_error(r, q->resource_type, q->resource_name, &code);

    VRV_WIRE_INIT(describe_configs_resp_result, out);
    out->resource_type = q->resource_type;
    out->resource_name = q->resource_name;
    out->error_message.p = NULL;
    if (text == NULL) {
        int rc = each_entry(r, q, &es, &e);

        code = vrv_kerror_of(rc);
        text = rc < 0 ? e.msg : NULL;
    }
    out->error_code = (int16_t)code;
    if (text != NULL)
        out->error_message = vrv_request_str(r, text);
    out->configs.v = es.v != NULL ? es.v : out->configs.v;
    out->configs.n = es.n;
}

/* Thousands of settings are no work for a reactor. */
static void
describe_all(struct vrv_request *r)
{
    struct describe *d = r->state;

    d->resp.results.n = d->q->resources.n;
    d->resp.results.v = VRV_ROOM(r, struct vrv_describe_configs_resp_result, d->resp.results.n);
    for (int32_t i = 0; i < d->resp.results.n && !vrv_request_is_over(r); i++)
        describe_one(r, &d->q->resources.v[i], &d->resp.results.v[i]);
}

static void
described(struct vrv_request *r)
{
    struct describe *d = r->state;

    vrv_request_reply(r, &d->resp);
}

void
vrv_api_describe_configs(struct vrv_request *r, const void *message)
{
    struct describe *d = r->state = VRV_ROOM(r, struct describe, 1);

    d->q = message;
    VRV_WIRE_INIT(describe_configs_resp, &d->resp);
    vrv_request_block_large(r, describe_all, described);
}

/* What CreateTopics tells of the topic that it made, or would make. */
struct created {
    struct vrv_request *r;
    struct vrv_create_topics_resp_topic *t;
    int32_t cap;
};

static int
add_created(void *ctx, const struct vrv_config_entry *entry)
{
    struct created *c = ctx;
    struct vrv_create_topics_resp_topic *t = c->t;

    if (t->configs.n == c->cap)
        return 1;
    t->configs.v[t->configs.n++] = (struct vrv_create_topics_resp_config){
        .name = vrv_request_str(c->r, entry->name), .value = str_or_null(c->r, entry->value),
        .read_only = entry->read_only, .config_source = (int8_t)entry->source,
        .is_sensitive = entry->sensitive };
    return 0;
}

void
vrv_configs_of_created(struct vrv_request *r, const char *name,
    struct vrv_create_topics_resp_topic *t)
{
    struct created all = { r, t, 128 };
    struct vrv_config *c = vrv_config_get(r->broker->config);

    t->configs.v = VRV_ROOM(r, struct vrv_create_topics_resp_config, all.cap);
    (void)vrv_config_each_topic(c, r->broker->engine, name, add_created, &all, NULL);
    vrv_config_unref(&c);
}

/* ---- both ways to alter ---- */

/* One resource and what becomes of it. */
struct alteration {
    int8_t type;
    struct vrv_str name;
    struct vrv_config_change *change;
    size_t n;
    enum vrv_kerror code;
    struct vrv_str text;
};

struct alter {
    struct alteration *v;
    int32_t n;
    unsigned flags;
};

static void
refuse(struct vrv_request *r, struct alteration *a, enum vrv_kerror code, const char *text)
{
    a->code = code;
    a->text = vrv_request_str(r, text);
}

static void
alter_one(struct vrv_request *r, struct alteration *a)
{
    const struct alter *s = r->state;
    struct vrv_config_store *store = r->broker->config;
    struct vrv_err e = { 0 };
    enum vrv_kerror code;
    const char *text = resource_error(r, a->type, a->name, &code);

    if (a->type == TOPIC && a->name.n == 0) {
        refuse(r, a, VRV_K_INVALID_REQUEST,
            "topics have no settings in common: those of the broker are their defaults");
        return;
    }
    if (text != NULL) {
        refuse(r, a, code, text);
        return;
    }
    if (vrv_config_changes_check(a->change, a->n, &e) < 0) {
        refuse(r, a, VRV_K_INVALID_REQUEST, e.msg);
        return;
    }
    int rc = a->type == TOPIC
        ? vrv_config_alter_topic(store, text_of(r, a->name), a->change, a->n, s->flags, &e)
        : vrv_config_alter(store, text_of(r, a->name), a->change, a->n, s->flags, &e);
    if (rc == VRV_E_INVALID) /* as Kafka, which has a code of its own for topics only */
        refuse(r, a, a->type == TOPIC ? VRV_K_INVALID_CONFIG : VRV_K_INVALID_REQUEST, e.msg);
    else if (rc < 0)
        refuse(r, a, vrv_kerror_of(rc), e.msg);
}

static void
alter_all(struct vrv_request *r)
{
    struct alter *s = r->state;
    struct vrv_named *named = VRV_ROOM(r, struct vrv_named, s->n);

    for (int32_t i = 0; i < s->n; i++)
        named[i] = (struct vrv_named){ .at = i, .kind = s->v[i].type, .name = s->v[i].name };
    bool *twice = vrv_named_twice(r, named, s->n);
    for (int32_t i = 0; i < s->n; i++) {
        if (twice[i])
            refuse(r, &s->v[i], VRV_K_INVALID_REQUEST, "the request names this resource twice");
        else
            alter_one(r, &s->v[i]);
    }
}

static struct alter *
new_alter(struct vrv_request *r, int32_t n, unsigned flags)
{
    struct alter *s = r->state = VRV_ROOM(r, struct alter, 1);

    s->v = VRV_ROOM(r, struct alteration, n);
    s->n = n;
    s->flags = flags;
    return s;
}

/* ---- AlterConfigs: what it doesn't name goes back to its default ---- */

static void
replaced(struct vrv_request *r)
{
    const struct alter *s = r->state;
    struct vrv_alter_configs_resp resp;

    VRV_WIRE_INIT(alter_configs_resp, &resp);
    resp.responses.n = s->n;
    resp.responses.v = VRV_ROOM(r, struct vrv_alter_configs_resp_response, s->n);
    for (int32_t i = 0; i < s->n; i++)
        resp.responses.v[i] = (struct vrv_alter_configs_resp_response){
            .error_code = (int16_t)s->v[i].code, .error_message = s->v[i].text,
            .resource_type = s->v[i].type, .resource_name = s->v[i].name };
    vrv_request_reply(r, &resp);
}

void
vrv_api_alter_configs(struct vrv_request *r, const void *message)
{
    const struct vrv_alter_configs_req *q = message;
    struct alter *s = new_alter(r, q->resources.n,
        VRV_ALTER_REPLACE | (q->validate_only ? VRV_ALTER_VALIDATE : 0));

    for (int32_t i = 0; i < s->n; i++) {
        const struct vrv_alter_configs_req_resource *res = &q->resources.v[i];
        struct alteration *a = &s->v[i];

        *a = (struct alteration){ .type = res->resource_type, .name = res->resource_name,
            .change = VRV_ROOM(r, struct vrv_config_change, res->configs.n),
            .n = (size_t)res->configs.n };
        for (size_t k = 0; k < a->n; k++)
            a->change[k] = (struct vrv_config_change){ text_of(r, res->configs.v[k].name),
                VRV_CONFIG_SET, text_of(r, res->configs.v[k].value) };
    }
    vrv_request_block(r, alter_all, replaced);
}

/* ---- IncrementalAlterConfigs ---- */

static void
changed(struct vrv_request *r)
{
    const struct alter *s = r->state;
    struct vrv_incremental_alter_configs_resp resp;

    VRV_WIRE_INIT(incremental_alter_configs_resp, &resp);
    resp.responses.n = s->n;
    resp.responses.v = VRV_ROOM(r, struct vrv_incremental_alter_configs_resp_response, s->n);
    for (int32_t i = 0; i < s->n; i++)
        resp.responses.v[i] = (struct vrv_incremental_alter_configs_resp_response){
            .error_code = (int16_t)s->v[i].code, .error_message = s->v[i].text,
            .resource_type = s->v[i].type, .resource_name = s->v[i].name };
    vrv_request_reply(r, &resp);
}

void
vrv_api_incremental_alter_configs(struct vrv_request *r, const void *message)
{
    const struct vrv_incremental_alter_configs_req *q = message;
    struct alter *s = new_alter(r, q->resources.n, q->validate_only ? VRV_ALTER_VALIDATE : 0);

    for (int32_t i = 0; i < s->n; i++) {
        const struct vrv_incremental_alter_configs_req_resource *res = &q->resources.v[i];
        struct alteration *a = &s->v[i];

        *a = (struct alteration){ .type = res->resource_type, .name = res->resource_name,
            .change = VRV_ROOM(r, struct vrv_config_change, res->configs.n),
            .n = (size_t)res->configs.n };
        for (size_t k = 0; k < a->n; k++)
            a->change[k] = (struct vrv_config_change){ text_of(r, res->configs.v[k].name),
                (enum vrv_config_op)res->configs.v[k].config_operation,
                text_of(r, res->configs.v[k].value) };
    }
    vrv_request_block(r, alter_all, changed);
}
