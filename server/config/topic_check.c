/*
 * What of a topic's settings goes together: compaction's lags, and all that the cold tier asks for.
 *
 * The refusals are in Kafka's words where Kafka has some.  What a topic doesn't set itself it has from
 * the broker's defaults, so those are looked at, too.
 */
#include <inttypes.h>
#include <string.h>

#include "engine/log/topic_config.h"
#include "server/base/internal.h"
#include "server/config/store_int.h"

const char *
vrv__config_value(const struct vrv_config_kv *v, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].key, key) == 0)
            return v[i].value;
    return NULL;
}

/* Whose settings, and what they fall back to. */
struct settings {
    const struct vrv_config_kv *own;
    size_t own_n;
    const struct vrv_config *c;
};

static const char *
text_of(const struct settings *s, const char *key)
{
    const char *text = vrv__config_value(s->own, s->own_n, key);

    if (text == NULL)
        text = vrv__config_value(s->c->topic, s->c->topic_n, key);
    return text != NULL ? text : vrv_topic_setting_find(key)->dflt;
}

/* Each value alone was checked. */
static int64_t
number_of(const struct settings *s, const char *key)
{
    struct vrv_setting_value value;
    int rc = vrv_setting_parse(&vrv_topic_setting_find(key)->rule, text_of(s, key), &value, NULL);

    return rc == 0 ? value.i : 0;
}

static int
wrong_value(struct vrv_err *e, const char *key, int64_t value)
{
    return vrv_err_prefix(e, VRV_E_INVALID, "Invalid value %" PRId64 " for configuration %s", value,
        key);
}

static int
check_compaction(const struct settings *s, struct vrv_err *e)
{
    int64_t least = number_of(s, "min.compaction.lag.ms");
    int64_t most = number_of(s, "max.compaction.lag.ms");

    if (least <= most)
        return 0;
    return vrv_err_set(e, VRV_E_INVALID,
        "conflict topic config setting min.compaction.lag.ms (%" PRId64
        ") > max.compaction.lag.ms (%" PRId64 ")",
        least, most);
}

/* ---- the cold tier ---- */

/* The settings of one limit, by time or by size. */
struct limit {
    const char *total, *local, *lag;
};

static const struct limit limits[] = {
    { "retention.ms", "local.retention.ms", "remote.copy.lag.ms" },
    { "retention.bytes", "local.retention.bytes", "remote.copy.lag.bytes" },
};
enum { LIMITS = sizeof(limits) / sizeof(limits[0]), AS_TOTAL = -2 };

/* What is to stay on this machine is a part of what is to stay. */
static int
check_local(const struct settings *s, const struct limit *l, struct vrv_err *e)
{
    int64_t total = number_of(s, l->total), local = number_of(s, l->local);

    if (total < 0 || local == AS_TOTAL || (local >= 0 && local <= total))
        return 0;
    if (local < 0)
        (void)vrv_err_set(e, VRV_E_INVALID, "Value must not be -1 as %s value is set as %" PRId64 ".",
            l->total, total);
    else
        (void)vrv_err_set(e, VRV_E_INVALID,
            "Value must not be more than %s property value: %" PRId64, l->total, total);
    return wrong_value(e, l->local, local);
}

/* Who waits longer with a copy than this machine keeps the record would lose it, or keep it anyway. */
static int
check_lag(const struct settings *s, const struct limit *l, struct vrv_err *e)
{
    int64_t local = number_of(s, l->local), lag = number_of(s, l->lag);

    if (local == AS_TOTAL)
        local = number_of(s, l->total);
    if (lag <= 0 || local < 0 || lag <= local)
        return 0;
    (void)vrv_err_set(e, VRV_E_INVALID,
        "Value must not exceed %s (effective value: %" PRId64 ")", l->local, local);
    return wrong_value(e, l->lag, lag);
}

/* Without copies there is nothing that may leave this machine before its time. */
static int
check_no_copies(const struct settings *s, const struct limit *l, struct vrv_err *e)
{
    int64_t local = number_of(s, l->local);

    if (local == AS_TOTAL || local == number_of(s, l->total))
        return 0;
    return vrv_err_set(e, VRV_E_INVALID,
        "When `remote.log.copy.disable` is set to true, the `%s` and `%s` must be set to the "
        "identical value because there will be no more logs copied to the remote storage.",
        l->local, l->total);
}

static bool
only_deletes(const struct settings *s)
{
    struct vrv_log_config c = { .deletes = false };
    int rc = vrv_topic_config_set(&c, "cleanup.policy", text_of(s, "cleanup.policy"), NULL);

    return rc == 0 && !c.compacts;
}

static int
check_tiered(const struct settings *s, const char *topic, struct vrv_err *e)
{
    bool copies = number_of(s, "remote.log.copy.disable") == 0;
    int rc = 0;

    if (!s->c->remote_log_storage_system_enable)
        return vrv_err_set(e, VRV_E_INVALID, "Tiered Storage functionality is disabled in the "
                                             "broker. Topic cannot be configured with remote log "
                                             "storage.");
    if (vrv_topic_is_internal(topic))
        return vrv_err_set(e, VRV_E_INVALID, "the internal topic %s stays on this machine: "
                                             "remote.storage.enable can't be true",
            topic);
    if (!only_deletes(s))
        return vrv_err_set(e, VRV_E_INVALID,
            "Remote log storage only supports topics with cleanup.policy=delete or cleanup.policy "
            "being an empty list. Compacted topics in the cold tier come with a later version of "
            "varve.");
    for (size_t i = 0; i < LIMITS && rc == 0; i++) {
        rc = check_local(s, &limits[i], e);
        if (rc == 0)
            rc = check_lag(s, &limits[i], e);
        if (rc == 0 && !copies)
            rc = check_no_copies(s, &limits[i], e);
    }
    return rc;
}

/* What is cold goes only when somebody says so. */
static int
check_untiered(const struct settings *s, struct vrv_err *e)
{
    if (number_of(s, "remote.log.delete.on.disable") != 0)
        return 0;
    return vrv_err_set(e, VRV_E_INVALID,
        "It is invalid to disable remote storage without deleting remote data: set "
        "remote.log.copy.disable=true to keep it and copy no more, or "
        "remote.storage.enable=false,remote.log.delete.on.disable=true.");
}

static int
check_topic(const struct settings *s, const struct vrv_config_topic *t, struct vrv_err *e)
{
    int rc = check_compaction(s, e);

    if (rc < 0)
        return rc;
    if (number_of(s, "remote.storage.enable") != 0)
        return check_tiered(s, t->name, e);
    return t->was_tiered ? check_untiered(s, e) : 0;
}

int
vrv_config_topic_check(struct vrv_config_store *store, const struct vrv_config_topic *t,
    struct vrv_err *e)
{
    struct vrv_config *c = vrv_config_get(store);
    int rc = check_topic(&(struct settings){ t->v, t->n, c }, t, e);

    vrv_config_unref(&c);
    return rc;
}

int
vrv__config_defaults_check(const struct vrv_config *c, struct vrv_err *e)
{
    const struct settings s = { .c = c };
    int rc = 0;

    for (size_t i = 0; i < LIMITS && rc == 0; i++) {
        rc = check_local(&s, &limits[i], e);
        if (rc == 0)
            rc = check_lag(&s, &limits[i], e);
    }
    return rc;
}
