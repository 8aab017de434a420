#include "server/tool/settings.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/mem.h"
#include "server/tool/table.h"

enum { NAME_MAX_LEN = 200 };
/* How long a broker may take to show what it has confirmed. */
enum { SEEN_WITHIN_MS = 3000, LOOK_AGAIN_MS = 20 };

static const char *
kind_name(rd_kafka_ResourceType_t type)
{
    return type == RD_KAFKA_RESOURCE_TOPIC ? "topic" : "broker";
}

static const char *
source_name(rd_kafka_ConfigSource_t source)
{
    switch (source) {
    case RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG:
        return "topic";
    case RD_KAFKA_CONFIG_SOURCE_DYNAMIC_BROKER_CONFIG:
        return "broker";
    case RD_KAFKA_CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER_CONFIG:
        return "all brokers";
    case RD_KAFKA_CONFIG_SOURCE_STATIC_BROKER_CONFIG:
        return "broker's file";
    case RD_KAFKA_CONFIG_SOURCE_DEFAULT_CONFIG:
        return "default";
    default:
        return "unknown";
    }
}

/* Set on the topic or broker itself: what an alteration replaces. */
static bool
is_own(const struct settings *s, const struct setting *x)
{
    return x->source == (s->type == RD_KAFKA_RESOURCE_TOPIC
                                ? RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG
                                : RD_KAFKA_CONFIG_SOURCE_DYNAMIC_BROKER_CONFIG);
}

/* ---- reading ---- */

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct setting *)a)->name, ((const struct setting *)b)->name);
}

static void
copy(struct settings *s, const rd_kafka_ConfigEntry_t **entries, size_t n)
{
    s->v = n > 0 ? vrv_mem_zero(n * sizeof(*s->v)) : NULL;
    for (s->n = 0; s->n < n; s->n++) {
        const rd_kafka_ConfigEntry_t *x = entries[s->n];
        const char *value = rd_kafka_ConfigEntry_value(x);

        s->v[s->n] = (struct setting){
            .name = vrv_mem_strdup(rd_kafka_ConfigEntry_name(x)),
            .value = value != NULL ? vrv_mem_strdup(value) : NULL,
            .source = rd_kafka_ConfigEntry_source(x),
            .secret = rd_kafka_ConfigEntry_is_sensitive(x) == 1,
            .fixed = rd_kafka_ConfigEntry_is_read_only(x) == 1,
        };
    }
    if (n > 1)
        qsort(s->v, n, sizeof(*s->v), by_name);
}

static int
failed(const rd_kafka_ConfigResource_t *r, const struct settings *s, struct vrv_err *e)
{
    rd_kafka_resp_err_t err = rd_kafka_ConfigResource_error(r);

    return err == 0 ? 0
                    : kafka_err(e, err, rd_kafka_ConfigResource_error_string(r), "%s \"%.80s\"",
                          kind_name(s->type), s->of);
}

int
settings_read(struct kafka *k, rd_kafka_ResourceType_t type, const char *of, struct settings *s,
    struct vrv_err *e)
{
    rd_kafka_ConfigResource_t *what = rd_kafka_ConfigResource_new(type, of);
    rd_kafka_AdminOptions_t *o = kafka_options(k, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_event_t *ev;
    size_t n, entries;
    int rc;

    *s = (struct settings){ .type = type, .of = of };
    rd_kafka_DescribeConfigs(k->rk, &what, 1, o, k->queue);
    ev = kafka_result(k, e);
    rc = ev == NULL ? e->code : 0;
    if (ev != NULL) {
        const rd_kafka_ConfigResource_t **r = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(ev), &n);

        rc = failed(r[0], s, e);
        if (rc == 0) {
            const rd_kafka_ConfigEntry_t **x = rd_kafka_ConfigResource_configs(r[0], &entries);

            copy(s, x, entries);
        }
        rd_kafka_event_destroy(ev);
    }
    rd_kafka_AdminOptions_destroy(o);
    rd_kafka_ConfigResource_destroy(what);
    return rc;
}

void
settings_free(struct settings *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->v[i].name);
        free(s->v[i].value);
    }
    free(s->v);
    s->v = NULL;
    s->n = 0;
}

const struct setting *
settings_find(const struct settings *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->v[i].name, name) == 0)
            return &s->v[i];
    return NULL;
}

/* ---- showing ---- */

static void
print_json(struct out *o, const struct settings *s, const struct setting *x)
{
    out_begin(o, "setting");
    out_str(o, "of", kind_name(s->type));
    out_str(o, "name", s->of);
    out_str(o, "key", x->name);
    if (x->value != NULL)
        out_str(o, "value", x->value);
    else
        out_bytes(o, "value", NULL, -1);
    out_str(o, "source", source_name(x->source));
    out_bool(o, "secret", x->secret);
    out_bool(o, "fixed", x->fixed);
    out_end(o);
}

static void
print_row(struct table *t, const struct settings *s, const struct setting *x)
{
    table_add(t, OUT_PLAIN, "%s", x->name);
    table_add(t, is_own(s, x) ? OUT_GREEN : OUT_PLAIN, "%s",
        x->value != NULL ? x->value : x->secret ? "(secret)" : "(none)");
    table_add(t, OUT_DIM, "%s%s", source_name(x->source), x->fixed ? ", fixed" : "");
}

void
settings_print(struct kafka *k, const struct settings *s, bool all)
{
    struct table t;

    table_init(&t, (const char *const[]){ "SETTING", "VALUE", "FROM", NULL });
    for (size_t i = 0; i < s->n; i++) {
        const struct setting *x = &s->v[i];

        if (!all && x->source == RD_KAFKA_CONFIG_SOURCE_DEFAULT_CONFIG)
            continue;
        if (k->out.json)
            print_json(&k->out, s, x);
        else
            print_row(&t, s, x);
    }
    table_print(&t, &k->out);
}

void
settings_print_one(struct kafka *k, const struct settings *s, const struct setting *x)
{
    if (k->out.json)
        print_json(&k->out, s, x);
    else
        (void)fprintf(k->out.f, "%s\n", x->value != NULL ? x->value : "");
}

/* ---- changing ---- */

static bool
is_named(const struct words *pairs, const struct words *names, const char *name)
{
    char key[NAME_MAX_LEN];
    const char *value;

    for (size_t i = 0; i < pairs->n; i++)
        if (args_pair_key(pairs->v[i], key, sizeof(key), &value) && strcmp(key, name) == 0)
            return true;
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->v[i], name) == 0)
            return true;
    return false;
}

/* What is set already and not to be changed: has to be written again. */
static int
keep(const struct settings *s, const struct words *set, const struct words *unset,
    rd_kafka_ConfigResource_t *to, struct vrv_err *e)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct setting *x = &s->v[i];

        if (!is_own(s, x) || is_named(set, unset, x->name))
            continue;
        if (x->value == NULL)
            return vrv_err_set(e, VRV_E_INVALID,
                "%s %.40s: its %.60s can't be read, and would be lost: this librdkafka can only "
                "replace all settings; give it too", kind_name(s->type), s->of, x->name);
        (void)rd_kafka_ConfigResource_set_config(to, x->name, x->value);
    }
    return 0;
}

static int
add(const struct words *set, rd_kafka_ConfigResource_t *to, struct vrv_err *e)
{
    char key[NAME_MAX_LEN];
    const char *value;

    for (size_t i = 0; i < set->n; i++) {
        if (!args_pair_key(set->v[i], key, sizeof(key), &value))
            return vrv_err_set(e, VRV_E_INVALID, "a setting is key=value, not \"%.60s\"",
                set->v[i]);
        (void)rd_kafka_ConfigResource_set_config(to, key, value);
    }
    return 0;
}

static int
check_unset(const struct settings *s, const struct words *unset, struct vrv_err *e)
{
    for (size_t i = 0; i < unset->n; i++)
        if (settings_find(s, unset->v[i]) == NULL)
            return vrv_err_set(e, VRV_E_NOTFOUND,
                "%s %.80s has no setting \"%.60s\"; varve config ls --all tells all",
                kind_name(s->type), s->of, unset->v[i]);
    return 0;
}

static int
write_all(struct kafka *k, const struct settings *s, rd_kafka_ConfigResource_t *to,
    struct vrv_err *e)
{
    rd_kafka_AdminOptions_t *o = kafka_options(k, RD_KAFKA_ADMIN_OP_ALTERCONFIGS);
    rd_kafka_event_t *ev;
    size_t n;
    int rc;

    rd_kafka_AlterConfigs(k->rk, &to, 1, o, k->queue);
    ev = kafka_result(k, e);
    rc = ev == NULL ? e->code : 0;
    if (ev != NULL) {
        rc = failed(rd_kafka_AlterConfigs_result_resources(
                        rd_kafka_event_AlterConfigs_result(ev), &n)[0], s, e);
        rd_kafka_event_destroy(ev);
    }
    rd_kafka_AdminOptions_destroy(o);
    return rc;
}

/* Does a broker show all that was set and unset? */
static bool
is_seen(const struct settings *s, const struct words *set, const struct words *unset)
{
    char key[NAME_MAX_LEN];
    const char *value;

    for (size_t i = 0; i < set->n; i++) {
        const struct setting *x = args_pair_key(set->v[i], key, sizeof(key), &value)
                                      ? settings_find(s, key)
                                      : NULL;

        if (x != NULL && (!is_own(s, x) || (x->value != NULL && strcmp(x->value, value) != 0)))
            return false;
    }
    for (size_t i = 0; i < unset->n; i++) {
        const struct setting *x = settings_find(s, unset->v[i]);

        if (x != NULL && is_own(s, x))
            return false;
    }
    return true;
}

/* Kafka confirms a change before its brokers show it.  The next change, which reads first, would
 * undo this one: so it isn't done before it is seen. */
static int
wait_until_seen(struct kafka *k, rd_kafka_ResourceType_t type, const char *of,
    const struct words *set, const struct words *unset, struct vrv_err *e)
{
    const struct timespec pause = { 0, LOOK_AGAIN_MS * 1000000L };

    for (int waited = 0; waited < SEEN_WITHIN_MS; waited += LOOK_AGAIN_MS) {
        struct settings s;
        int rc = settings_read(k, type, of, &s, e);
        bool seen = rc == 0 && is_seen(&s, set, unset);

        settings_free(&s);
        if (rc < 0 || seen)
            return rc;
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

int
settings_change(struct kafka *k, rd_kafka_ResourceType_t type, const char *of,
    const struct words *set, const struct words *unset, struct vrv_err *e)
{
    rd_kafka_ConfigResource_t *to = rd_kafka_ConfigResource_new(type, of);
    struct settings s;
    int rc = settings_read(k, type, of, &s, e);

    if (rc == 0)
        rc = check_unset(&s, unset, e);
    if (rc == 0)
        rc = keep(&s, set, unset, to, e);
    if (rc == 0)
        rc = add(set, to, e);
    if (rc == 0)
        rc = write_all(k, &s, to, e);
    if (rc == 0)
        rc = wait_until_seen(k, type, of, set, unset, e);
    settings_free(&s);
    rd_kafka_ConfigResource_destroy(to);
    return rc;
}
