/* varve config: the settings of a topic or a broker. */
#include <stdlib.h>
#include <string.h>

#include "server/tool/commands.h"
#include "server/tool/settings.h"

#define OPERANDS                                                                                   \
    "  of a topic:   topic NAME;  of a broker: broker NUMBER, or broker alone for the one that\n"  \
    "  is asked\n"

static const char ls_help[] =
    "usage: varve config ls [options] topic NAME | broker [NUMBER]\n"
    OPERANDS
    "  -a, --all                  also those that have Kafka's default\n"
    KAFKA_OPTIONS_HELP;
static const char get_help[] =
    "usage: varve config get [options] topic NAME | broker NUMBER  KEY...\n"
    "  prints the values, one per line\n"
    KAFKA_OPTIONS_HELP;
static const char set_help[] =
    "usage: varve config set [options] topic NAME | broker NUMBER  KEY=VALUE...\n"
    "  other settings stay as they are\n"
    KAFKA_OPTIONS_HELP;
static const char unset_help[] =
    "usage: varve config unset [options] topic NAME | broker NUMBER  KEY...\n"
    "  back to the default\n"
    KAFKA_OPTIONS_HELP;

struct target {
    rd_kafka_ResourceType_t type;
    const char *name;
    char number[16];
};

/* The first operands; `a` is left with the others. */
static int
take_target(struct args *a, bool needs_name, struct target *t, struct vrv_err *e)
{
    int64_t number;

    if (a->n == 0)
        return args_misuse(a, e, "\"topic NAME\" or \"broker NUMBER\" is missing");
    if (strcmp(a->v[0], "topic") == 0)
        t->type = RD_KAFKA_RESOURCE_TOPIC;
    else if (strcmp(a->v[0], "broker") == 0)
        t->type = RD_KAFKA_RESOURCE_BROKER;
    else
        return args_misuse(a, e, "settings are those of a topic or a broker, not \"%.60s\"",
            a->v[0]);
    bool broker = t->type == RD_KAFKA_RESOURCE_BROKER;
    if (a->n > 1 && broker && !args_number(a->v[1], 0, INT32_MAX, &number))
        return args_misuse(a, e, "a broker has a number, not \"%.60s\"", a->v[1]);
    if (a->n > 1)
        t->name = a->v[1];
    else if (needs_name || !broker)
        return args_misuse(a, e, broker ? "the broker's number is missing"
                                        : "the topic's name is missing");
    if (t->name != NULL && *t->name == '\0')
        return args_misuse(a, e, "the topic's name is empty");
    a->v += a->n > 1 ? 2 : 1;
    a->n -= a->n > 1 ? 2 : 1;
    return 0;
}

/* A broker that is there, or if none is named the one that answers.  A request to one that isn't
 * would only time out. */
static int
name_broker(struct kafka *k, struct target *t, struct vrv_err *e)
{
    const struct rd_kafka_metadata *md;
    int rc = kafka_metadata(k, NULL, &md, e);

    if (rc < 0)
        return rc;
    if (t->name == NULL) {
        (void)snprintf(t->number, sizeof(t->number), "%d",
            md->orig_broker_id >= 0 || md->broker_cnt == 0 ? (int)md->orig_broker_id
                                                            : (int)md->brokers[0].id);
        t->name = t->number;
    } else {
        rc = vrv_err_set(e, VRV_E_NOTFOUND, "there is no broker %.20s", t->name);
        for (int i = 0; i < md->broker_cnt; i++)
            if (md->brokers[i].id == strtol(t->name, NULL, 10))
                rc = 0;
    }
    rd_kafka_metadata_destroy(md);
    return rc;
}

static int
open_target(struct kafka *k, struct target *t, struct vrv_err *e)
{
    int rc = kafka_open(k, RD_KAFKA_CONSUMER, e);

    return rc == 0 && t->type == RD_KAFKA_RESOURCE_BROKER ? name_broker(k, t, e) : rc;
}

static int
ls(struct kafka *k, struct args *a, struct vrv_err *e)
{
    bool all = false;
    const struct arg own[] = { { "all", 'a', ARG_FLAG, &all }, { NULL, 0, 0, NULL } };
    struct target t = { .name = NULL };
    struct settings s = { .n = 0 };
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = take_target(a, false, &t, e);
    if (rc == 0)
        rc = args_want(a, 0, 0, "what to list", e);
    if (rc == 0)
        rc = open_target(k, &t, e);
    if (rc == 0)
        rc = settings_read(k, t.type, t.name, &s, e);
    if (rc == 0)
        settings_print(k, &s, all);
    settings_free(&s);
    return rc;
}

/* The common part of those that name settings. */
static int
begin(struct kafka *k, struct args *a, struct target *t, const char *what, struct vrv_err *e)
{
    const struct arg own[] = { { NULL, 0, 0, NULL } };
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = take_target(a, true, t, e);
    if (rc == 0)
        rc = args_want(a, 1, WORDS_MAX, what, e);
    return rc;
}

static int
get(struct kafka *k, struct args *a, struct vrv_err *e)
{
    struct target t = { .name = NULL };
    struct settings s = { .n = 0 };
    int first = 0;
    int rc = begin(k, a, &t, "the name of a setting", e);

    if (rc == 0)
        rc = open_target(k, &t, e);
    if (rc == 0)
        rc = settings_read(k, t.type, t.name, &s, e);
    for (int i = 0; rc == 0 && i < a->n; i++) {
        const struct setting *x = settings_find(&s, a->v[i]);

        if (x != NULL)
            settings_print_one(k, &s, x);
        else
            kafka_told(vrv_err_set(e, VRV_E_NOTFOUND, "%.80s has no setting \"%.60s\"", t.name,
                           a->v[i]), e, &first);
    }
    settings_free(&s);
    return rc != 0 ? rc : first;
}

static void
changed(struct kafka *k, const struct target *t)
{
    const char *of = t->type == RD_KAFKA_RESOURCE_TOPIC ? "topic" : "broker";

    if (!k->out.json) {
        (void)fprintf(k->out.f, "%s %s: settings changed\n", of, t->name);
        return;
    }
    out_begin(&k->out, of);
    out_str(&k->out, of, t->name);
    out_str(&k->out, "result", "settings changed");
    out_end(&k->out);
}

static int
change(struct kafka *k, struct args *a, bool is_set, struct vrv_err *e)
{
    struct target t = { .name = NULL };
    struct words words = { .n = 0 }, none = { .n = 0 };
    int rc = begin(k, a, &t, is_set ? "KEY=VALUE" : "the name of a setting", e);
    size_t n;
    const char *value;

    for (int i = 0; rc == 0 && i < a->n; i++) {
        if (args_pair(a->v[i], &n, &value) != is_set)
            rc = args_misuse(a, e, is_set ? "\"%.60s\" isn't KEY=VALUE" : "\"%.60s\" has a value",
                a->v[i]);
        words.v[words.n++] = a->v[i];
    }
    if (rc == 0)
        rc = open_target(k, &t, e);
    if (rc == 0)
        rc = settings_change(k, t.type, t.name, is_set ? &words : &none, is_set ? &none : &words,
            e);
    if (rc == 0)
        changed(k, &t);
    return rc;
}

static int
set(struct kafka *k, struct args *a, struct vrv_err *e)
{
    return change(k, a, true, e);
}

static int
unset(struct kafka *k, struct args *a, struct vrv_err *e)
{
    return change(k, a, false, e);
}

static const struct sub subs[] = {
    { "ls", ls_help, ls },
    { "get", get_help, get },
    { "set", set_help, set },
    { "unset", unset_help, unset },
    { NULL, NULL, NULL },
};

int
cmd_config(int argc, char **argv)
{
    return kafka_main("config", subs, argc, argv);
}
