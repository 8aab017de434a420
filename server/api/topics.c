/* CreateTopics, DeleteTopics, CreatePartitions: each changes the catalog, on a thread that may wait
 * for the disk. */
#include <inttypes.h>
#include <string.h>

#include "server/api/configs.h"
#include "server/api/find.h"
#include "server/api/handlers.h"
#include "server/base/internal.h"
#include "server/group/coord.h"

/* What became of one item of a request. */
struct outcome {
    enum vrv_kerror code;
    struct vrv_str text; /* null: none */
};

static struct outcome
refused(struct vrv_request *r, enum vrv_kerror code, const char *text)
{
    return (struct outcome){ code, vrv_request_str(r, text) };
}

/* Of the engine, where an argument that can't be has a code of its own. */
static struct outcome
outcome_of(struct vrv_request *r, int rc, const struct vrv_err *e, enum vrv_kerror invalid)
{
    if (rc == 0)
        return (struct outcome){ VRV_K_NONE, { NULL, 0 } };
    return refused(r, rc == VRV_E_INVALID ? invalid : vrv_kerror_of(rc), e->msg);
}

/* A name as C has it, in the arena; NULL when no topic could be called that. */
static const char *
name_of(struct vrv_request *r, struct vrv_str s, struct vrv_err *e)
{
    char *name = VRV_ROOM(r, char, (size_t)s.n + 1);

    memcpy(name, s.p, (size_t)s.n);
    if (strlen(name) != (size_t)s.n) {
        (void)vrv_err_set(e, VRV_E_INVALID, "a topic's name must not hold a zero byte");
        return NULL;
    }
    return vrv_topic_name_check(name, e) < 0 ? NULL : name;
}

/* ---- CreateTopics ---- */

/* Each looks at all that there are. */
enum { CREATE_TELLS_CONFIGS = 5, TOPICS_MAX = 10000 };

struct create {
    const struct vrv_create_topics_req *q;
    bool *twice; /* named so */
    struct vrv_create_topics_resp resp;
};

/* Partitions 0 to n - 1, each on this broker alone. */
static bool
check_assignments(struct vrv_request *r, const struct vrv_create_topics_req_topic *q,
    struct outcome *o)
{
    bool *there = VRV_ROOM(r, bool, q->assignments.n);

    for (int32_t i = 0; i < q->assignments.n; i++) {
        const struct vrv_create_topics_req_assignment *a = &q->assignments.v[i];

        if (a->broker_ids.n != 1 || a->broker_ids.v[0] != r->broker->node_id) {
            *o = refused(r, VRV_K_INVALID_REPLICA_ASSIGNMENT,
                "each partition has one replica, on the one broker there is");
            return false;
        }
        /* As many different ones as there are: none is missing. */
        if (a->partition_index < 0 || a->partition_index >= q->assignments.n ||
            there[a->partition_index]) {
            *o = refused(r, VRV_K_INVALID_REPLICA_ASSIGNMENT,
                "partitions must be numbered from 0, without a gap");
            return false;
        }
        there[a->partition_index] = true;
    }
    return true;
}

/* How many partitions it is to have; 0: none can be made. */
static int32_t
partitions_of(struct vrv_request *r, const struct vrv_create_topics_req_topic *q,
    struct outcome *o)
{
    if (q->assignments.n > 0) {
        if (q->num_partitions != -1 || q->replication_factor != -1) {
            *o = refused(r, VRV_K_INVALID_REQUEST,
                "with an assignment, partitions and replication factor must be -1");
            return 0;
        }
        return check_assignments(r, q, o) ? q->assignments.n : 0;
    }
    if (q->num_partitions == 0 || q->num_partitions < -1) {
        *o = refused(r, VRV_K_INVALID_PARTITIONS, "the number of partitions must be above 0");
        return 0;
    }
    if (q->replication_factor != -1 && q->replication_factor != 1) {
        *o = refused(r, VRV_K_INVALID_REPLICATION_FACTOR,
            "the replication factor must be 1: there is one broker, and its store keeps copies");
        return 0;
    }
    return q->num_partitions == -1 ? r->broker->num_partitions : q->num_partitions;
}

static struct vrv_config_kv *
configs_of(struct vrv_request *r, const struct vrv_create_topics_req_topic *q)
{
    struct vrv_config_kv *kv = VRV_ROOM(r, struct vrv_config_kv, q->configs.n);

    for (int32_t i = 0; i < q->configs.n; i++) {
        const struct vrv_create_topics_req_config *c = &q->configs.v[i];

        kv[i].key = vrv_arena_copy(&r->arena, c->name.p, (size_t)c->name.n);
        kv[i].value =
            c->value.p != NULL ? vrv_arena_copy(&r->arena, c->value.p, (size_t)c->value.n) : NULL;
    }
    return kv;
}

/* Each alone, and together; a value that is missing is its own mistake. */
static int
check_configs(const struct vrv_request *r, const char *name, const struct vrv_config_kv *kv,
    size_t n, struct vrv_err *e)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = kv[i].value != NULL
            ? vrv_topic_config_check(kv[i].key, kv[i].value, e)
            : vrv_err_set(e, VRV_E_INVALID, "the setting %s has no value", kv[i].key);
    const struct vrv_config_topic t = { .name = name, .v = kv, .n = n };
    return rc == 0 ? vrv_config_topic_check(r->broker->config, &t, e) : rc;
}

static const char no_place[] = "there would be more partitions than max.partitions allows";

static struct outcome
create_one(struct vrv_request *r, int32_t at, struct vrv_create_topics_resp_topic *t)
{
    const struct create *c = r->state;
    const struct vrv_create_topics_req_topic *q = &c->q->topics.v[at];
    struct outcome o = { VRV_K_NONE, { NULL, 0 } };
    struct vrv_found_topic found;
    struct vrv_err e = { 0 };
    const char *name = name_of(r, q->name, &e);
    char alike[VRV_TOPIC_NAME_MAX + 1];

    if (c->twice[at])
        return refused(r, VRV_K_INVALID_REQUEST, "the request names this topic twice");
    if (name == NULL)
        return refused(r, VRV_K_INVALID_TOPIC_EXCEPTION, e.msg);
    if (vrv_find_topic(r->broker, q->name, &found)) {
        (void)vrv_err_set(&e, VRV_E_EXISTS, "Topic '%s' already exists.", found.name);
        return refused(r, VRV_K_TOPIC_ALREADY_EXISTS, e.msg);
    }
    if (vrv_find_alike(r->broker, name, alike)) {
        (void)vrv_err_set(&e, VRV_E_INVALID, "the name differs from that of %s in '.' and '_' only",
            alike);
        return refused(r, VRV_K_INVALID_TOPIC_EXCEPTION, e.msg);
    }
    int32_t n = partitions_of(r, q, &o);
    if (n == 0)
        return o;
    if (!vrv_find_room(r->broker, n))
        return refused(r, VRV_K_POLICY_VIOLATION, no_place);
    struct vrv_config_kv *kv = configs_of(r, q);
    int rc = check_configs(r, name, kv, (size_t)q->configs.n, &e);
    t->num_partitions = n;
    t->replication_factor = 1;
    if (rc == 0 && c->q->validate_only)
        return o;
    if (rc == 0)
        rc = vrv_new_topic_id(&t->topic_id, &e);
    if (rc == 0)
        rc = vrv_engine_create_topic(r->broker->engine, name, n, kv, (size_t)q->configs.n,
            &t->topic_id, &e);
    return outcome_of(r, rc, &e, VRV_K_INVALID_CONFIG);
}

static void
create_all(struct vrv_request *r)
{
    struct create *c = r->state;

    struct vrv_named *named = VRV_ROOM(r, struct vrv_named, c->q->topics.n);

    for (int32_t i = 0; i < c->q->topics.n; i++)
        named[i] = (struct vrv_named){ .at = i, .name = c->q->topics.v[i].name };
    c->twice = vrv_named_twice(r, named, c->q->topics.n);
    c->resp.topics.n = c->q->topics.n;
    c->resp.topics.v = VRV_ROOM(r, struct vrv_create_topics_resp_topic, c->q->topics.n);
    for (int32_t i = 0; i < c->q->topics.n && !vrv_request_is_over(r); i++) {
        struct vrv_create_topics_resp_topic *t = &c->resp.topics.v[i];

        VRV_WIRE_INIT(create_topics_resp_topic, t);
        t->name = c->q->topics.v[i].name;
        struct outcome o = create_one(r, i, t);
        t->error_code = (int16_t)o.code;
        t->error_message = o.text;
        if (o.code != VRV_K_NONE) {
            t->num_partitions = -1;
            t->replication_factor = -1;
            t->topic_id = (struct vrv_uuid){ { 0 } };
            t->topic_config_error_code = VRV_K_NONE;
            continue;
        }
        if (vrv_request_version(r) >= CREATE_TELLS_CONFIGS)
            vrv_configs_of_created(r,
                c->q->validate_only ? NULL : vrv_arena_copy(&r->arena, t->name.p, (size_t)t->name.n), t);
    }
}

static void
create_answer(struct vrv_request *r)
{
    struct create *c = r->state;

    vrv_request_reply(r, &c->resp);
}

void
vrv_api_create_topics(struct vrv_request *r, const void *message)
{
    struct create *c = r->state = VRV_ROOM(r, struct create, 1);

    c->q = message;
    VRV_WIRE_INIT(create_topics_resp, &c->resp);
    if (c->q->topics.n > TOPICS_MAX) {
        vrv_request_hang_up(r, "CreateTopics of more topics than one request may make");
        return;
    }
    vrv_request_block(r, create_all, create_answer);
}

/* ---- DeleteTopics ---- */

struct delete {
    const struct vrv_delete_topics_req *q;
    struct vrv_delete_topics_resp resp;
};

enum { DELETE_BY_ID = 6 };

/* As the request has them: before any of them was looked for. */
static void
refuse_doubles(struct vrv_request *r, struct vrv_delete_topics_resp *resp)
{
    int32_t n = resp->responses.n;
    struct vrv_named *named = VRV_ROOM(r, struct vrv_named, n);

    for (int32_t i = 0; i < n; i++) {
        const struct vrv_delete_topics_resp_topic *t = &resp->responses.v[i];
        bool by_id = t->name.p == NULL;

        named[i] = (struct vrv_named){ .at = i, .kind = by_id,
            .name = by_id ? (struct vrv_str){ (const char *)t->topic_id.b, sizeof(t->topic_id.b) }
                          : t->name };
    }
    bool *twice = vrv_named_twice(r, named, n);
    for (int32_t i = 0; i < n; i++)
        if (twice[i]) {
            resp->responses.v[i].error_code = VRV_K_INVALID_REQUEST;
            resp->responses.v[i].error_message =
                vrv_request_str(r, "the request names this topic twice");
        }
}

/* A topic has a name here, or an id. */
static void
refuse_unclear(struct vrv_request *r, struct vrv_delete_topics_resp *resp)
{
    static const struct vrv_uuid none;

    for (int32_t i = 0; i < resp->responses.n; i++) {
        struct vrv_delete_topics_resp_topic *t = &resp->responses.v[i];

        if ((t->name.p == NULL) == vrv_uuid_eq(&t->topic_id, &none)) {
            t->error_code = VRV_K_INVALID_REQUEST;
            t->error_message = vrv_request_str(r, "a topic is named by its name or by its id");
        }
    }
}

static struct outcome
delete_one(struct vrv_request *r, struct vrv_delete_topics_resp_topic *t)
{
    struct vrv_found_topic found;
    struct vrv_err e = { 0 };
    bool by_id = t->name.p == NULL;
    enum vrv_kerror code = vrv_find_either(r->broker, by_id, t->name, &t->topic_id, &found);

    if (!r->broker->delete_topics)
        return refused(r, VRV_K_TOPIC_DELETION_DISABLED, "delete.topic.enable is false");
    if (code != VRV_K_NONE)
        return refused(r, code, "there is no such topic");
    if (by_id)
        t->name = vrv_request_str(r, found.name);
    t->topic_id = found.id;
    if (vrv_topic_is_internal(found.name))
        return refused(r, VRV_K_INVALID_TOPIC_EXCEPTION, "an internal topic can't be deleted");
    int rc = vrv_engine_delete_topic(r->broker->engine, found.name, &e);
    if (rc == 0)
        vrv_coord_topic_deleted(r->broker->coord, vrv_span_str(found.name));
    return outcome_of(r, rc, &e, VRV_K_INVALID_REQUEST);
}

static void
delete_all(struct vrv_request *r)
{
    struct delete *d = r->state;
    bool by_id = vrv_request_version(r) >= DELETE_BY_ID;

    d->resp.responses.n = by_id ? d->q->topics.n : d->q->topic_names.n;
    d->resp.responses.v = VRV_ROOM(r, struct vrv_delete_topics_resp_topic, d->resp.responses.n);
    for (int32_t i = 0; i < d->resp.responses.n; i++) {
        struct vrv_delete_topics_resp_topic *t = &d->resp.responses.v[i];

        VRV_WIRE_INIT(delete_topics_resp_topic, t);
        t->name = by_id ? d->q->topics.v[i].name : d->q->topic_names.v[i];
        if (by_id)
            t->topic_id = d->q->topics.v[i].topic_id;
    }
    refuse_doubles(r, &d->resp);
    if (by_id)
        refuse_unclear(r, &d->resp);
    for (int32_t i = 0; i < d->resp.responses.n; i++) {
        struct vrv_delete_topics_resp_topic *t = &d->resp.responses.v[i];

        if (t->error_code != VRV_K_NONE)
            continue;
        struct outcome o = delete_one(r, t);
        t->error_code = (int16_t)o.code;
        t->error_message = o.text;
    }
}

static void
delete_answer(struct vrv_request *r)
{
    struct delete *d = r->state;

    vrv_request_reply(r, &d->resp);
}

void
vrv_api_delete_topics(struct vrv_request *r, const void *message)
{
    struct delete *d = r->state = VRV_ROOM(r, struct delete, 1);

    d->q = message;
    VRV_WIRE_INIT(delete_topics_resp, &d->resp);
    vrv_request_block(r, delete_all, delete_answer);
}

/* ---- CreatePartitions ---- */

struct grow {
    const struct vrv_create_partitions_req *q;
    struct vrv_create_partitions_resp resp;
};

static struct outcome
grow_one(struct vrv_request *r, const struct vrv_create_partitions_req_topic *q)
{
    const struct grow *g = r->state;
    struct vrv_found_topic t;
    struct vrv_err e = { 0 };

    if (!vrv_find_topic(r->broker, q->name, &t))
        return refused(r, VRV_K_UNKNOWN_TOPIC_OR_PARTITION, "there is no such topic");
    if (vrv_topic_is_internal(t.name))
        return refused(r, VRV_K_INVALID_TOPIC_EXCEPTION,
            "what an internal topic keeps is found by its number of partitions");
    if (q->count <= t.partitions) {
        (void)vrv_err_set(&e, VRV_E_INVALID,
            "the topic has %" PRId32 " partitions, %" PRId32 " would not be more", t.partitions,
            q->count);
        return refused(r, VRV_K_INVALID_PARTITIONS, e.msg);
    }
    bool fits = q->assignments.v == NULL || q->assignments.n == q->count - t.partitions;
    for (int32_t i = 0; fits && i < q->assignments.n; i++) {
        const struct vrv_i32s *ids = &q->assignments.v[i].broker_ids;

        fits = ids->n == 1 && ids->v[0] == r->broker->node_id;
    }
    if (!fits)
        return refused(r, VRV_K_INVALID_REPLICA_ASSIGNMENT,
            "each new partition has one replica, on the one broker there is");
    if (!vrv_find_room(r->broker, q->count - t.partitions))
        return refused(r, VRV_K_POLICY_VIOLATION, no_place);
    if (g->q->validate_only)
        return (struct outcome){ VRV_K_NONE, { NULL, 0 } };
    int rc = vrv_engine_grow_topic(r->broker->engine, t.name, q->count, &e);
    return outcome_of(r, rc, &e, VRV_K_INVALID_PARTITIONS);
}

static void
grow_all(struct vrv_request *r)
{
    struct grow *g = r->state;

    struct vrv_named *named = VRV_ROOM(r, struct vrv_named, g->q->topics.n);

    for (int32_t i = 0; i < g->q->topics.n; i++)
        named[i] = (struct vrv_named){ .at = i, .name = g->q->topics.v[i].name };
    bool *twice = vrv_named_twice(r, named, g->q->topics.n);
    g->resp.results.n = g->q->topics.n;
    g->resp.results.v = VRV_ROOM(r, struct vrv_create_partitions_resp_result, g->q->topics.n);
    for (int32_t i = 0; i < g->q->topics.n; i++) {
        struct vrv_create_partitions_resp_result *t = &g->resp.results.v[i];
        struct outcome o = twice[i]
            ? refused(r, VRV_K_INVALID_REQUEST, "the request names this topic twice")
            : grow_one(r, &g->q->topics.v[i]);

        VRV_WIRE_INIT(create_partitions_resp_result, t);
        t->name = g->q->topics.v[i].name;
        t->error_code = (int16_t)o.code;
        t->error_message = o.text;
    }
}

static void
grow_answer(struct vrv_request *r)
{
    struct grow *g = r->state;

    vrv_request_reply(r, &g->resp);
}

void
vrv_api_create_partitions(struct vrv_request *r, const void *message)
{
    struct grow *g = r->state = VRV_ROOM(r, struct grow, 1);

    g->q = message;
    VRV_WIRE_INIT(create_partitions_resp, &g->resp);
    vrv_request_block(r, grow_all, grow_answer);
}
