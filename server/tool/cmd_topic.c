/* varve topic create, alter and rm; ls and describe are in topic_show.c. */
#include "server/tool/commands.h"

#include <time.h>

#include "server/tool/settings.h"
#include "server/tool/topic.h"

static const char create_help[] =
    "usage: varve topic create [options] TOPIC...\n"
    "  -n, --partitions N         how many (the broker's num.partitions)\n"
    "      --replicas N           of each (the broker's default.replication.factor)\n"
    "  -c, --config KEY=VALUE     a setting of the topic; may be given more than once\n"
    "      --if-not-exists        a topic that is there is no failure, and is left as it is\n"
    KAFKA_OPTIONS_HELP;
static const char alter_help[] =
    "usage: varve topic alter [options] TOPIC\n"
    "  -n, --partitions N         so many in the end; there can only be more\n"
    "  -c, --config KEY=VALUE     set; other settings stay as they are\n"
    "      --unset KEY            back to the default\n"
    KAFKA_OPTIONS_HELP;
static const char rm_help[] =
    "usage: varve topic rm [options] TOPIC...       delete topics with all their records\n"
    "  -y, --yes                  don't ask\n"
    "      --if-exists            a topic that isn't there is no failure\n"
    KAFKA_OPTIONS_HELP;

/* How long a broker may take to show what the controller has confirmed. */
enum { SEEN_WITHIN_MS = 3000, LOOK_AGAIN_MS = 20 };

/* "topic x: created", or an object. */
static void
done(struct kafka *k, const char *topic, const char *what)
{
    if (!k->out.json) {
        (void)fprintf(k->out.f, "topic %s: %s\n", topic, what);
        return;
    }
    out_begin(&k->out, "topic");
    out_str(&k->out, "topic", topic);
    out_str(&k->out, "result", what);
    out_end(&k->out);
}

/* What a request makes of topics. */
struct outcome {
    const char *done;
    int partitions;              /* seen then, at least; 0: none, the topic is gone */
    rd_kafka_resp_err_t forgiven; /* no failure, or 0 */
    const char *forgiven_what;
};

/* The next command shall find it so; no failure if that takes longer. */
static void
wait_until_seen(struct kafka *k, const char *topic, int partitions)
{
    const struct timespec pause = { 0, LOOK_AGAIN_MS * 1000000L };
    const struct rd_kafka_metadata *md;
    struct vrv_err ignored;

    for (int waited = 0; waited < SEEN_WITHIN_MS; waited += LOOK_AGAIN_MS) {
        if (kafka_metadata(k, topic, &md, &ignored) < 0)
            return;
        const struct rd_kafka_metadata_topic *t = &md->topics[0];
        bool gone = t->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        bool there = t->err == 0 && t->partition_cnt >= partitions;
        rd_kafka_metadata_destroy(md);
        if (partitions == 0 ? gone : there)
            return;
        (void)nanosleep(&pause, NULL);
    }
}

/* Each topic's own result: told, good or bad. */
static int
results(struct kafka *k, const rd_kafka_topic_result_t **r, size_t n, const struct outcome *x,
    struct vrv_err *e)
{
    int first = 0;

    for (size_t i = 0; i < n; i++) {
        const char *topic = rd_kafka_topic_result_name(r[i]);
        rd_kafka_resp_err_t err = rd_kafka_topic_result_error(r[i]);

        if (err == 0) {
            wait_until_seen(k, topic, x->partitions);
            done(k, topic, x->done);
        } else if (err == x->forgiven) {
            done(k, topic, x->forgiven_what);
        } else {
            kafka_told(kafka_err(e, err, rd_kafka_topic_result_error_string(r[i]),
                           "topic \"%.100s\"", topic), e, &first);
        }
    }
    return first;
}

/* ---- create ---- */

struct create {
    int64_t partitions, replicas;
    struct words config;
    bool if_not_exists;
};

static int
new_topic(const struct create *c, const char *name, rd_kafka_NewTopic_t **out, struct vrv_err *e)
{
    char why[160], key[200];
    const char *value;

    *out = rd_kafka_NewTopic_new(name, (int)c->partitions, (int)c->replicas, why, sizeof(why));
    if (*out == NULL)
        return vrv_err_set(e, VRV_E_INVALID, "topic \"%.60s\": %s", name, why);
    for (size_t i = 0; i < c->config.n; i++) {
        if (!args_pair_key(c->config.v[i], key, sizeof(key), &value))
            return vrv_err_set(e, VRV_E_INVALID, "-c wants key=value, not \"%.60s\"",
                c->config.v[i]);
        (void)rd_kafka_NewTopic_set_config(*out, key, value);
    }
    return 0;
}

static int
create_all(struct kafka *k, const struct create *c, rd_kafka_NewTopic_t **topics, size_t n,
    struct vrv_err *e)
{
    rd_kafka_AdminOptions_t *o = kafka_options(k, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_event_t *ev;
    int rc;

    rd_kafka_CreateTopics(k->rk, topics, n, o, k->queue);
    ev = kafka_result(k, e);
    rc = ev == NULL ? e->code : 0;
    if (ev != NULL) {
        const rd_kafka_topic_result_t **r =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(ev), &n);

        const struct outcome x = { "created", 1,
            c->if_not_exists ? RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS : 0, "exists already" };

        rc = results(k, r, n, &x, e);
        rd_kafka_event_destroy(ev);
    }
    rd_kafka_AdminOptions_destroy(o);
    return rc;
}

static int
create(struct kafka *k, struct args *a, struct vrv_err *e)
{
    struct create c = { .partitions = -1, .replicas = -1 };
    const struct arg own[] = {
        { "partitions", 'n', ARG_NUMBER, &c.partitions },
        { "replicas", 0, ARG_NUMBER, &c.replicas },
        { "config", 'c', ARG_WORDS, &c.config },
        { "if-not-exists", 0, ARG_FLAG, &c.if_not_exists },
        { NULL, 0, 0, NULL },
    };
    rd_kafka_NewTopic_t *topics[WORDS_MAX];
    size_t n = 0;
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = args_want(a, 1, WORDS_MAX, "a topic's name", e);
    if (rc == 0 && (c.partitions == 0 || c.partitions > 100000))
        rc = args_misuse(a, e, "--partitions wants 1 to 100000");
    if (rc == 0 && (c.replicas == 0 || c.replicas > 100))
        rc = args_misuse(a, e, "--replicas wants 1 to 100");
    while (rc == 0 && n < (size_t)a->n) {
        rc = new_topic(&c, a->v[n], &topics[n], e);
        n += topics[n] != NULL;
    }
    if (rc == 0)
        rc = kafka_open(k, RD_KAFKA_CONSUMER, e);
    if (rc == 0)
        rc = create_all(k, &c, topics, n, e);
    rd_kafka_NewTopic_destroy_array(topics, n);
    return rc;
}

/* ---- alter ---- */

static int
more_partitions(struct kafka *k, const char *topic, int64_t partitions, struct vrv_err *e)
{
    char why[160];
    rd_kafka_NewPartitions_t *want =
        rd_kafka_NewPartitions_new(topic, (size_t)partitions, why, sizeof(why));

    if (want == NULL)
        return vrv_err_set(e, VRV_E_INVALID, "topic \"%.60s\": %s", topic, why);
    rd_kafka_AdminOptions_t *o = kafka_options(k, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
    rd_kafka_CreatePartitions(k->rk, &want, 1, o, k->queue);
    rd_kafka_event_t *ev = kafka_result(k, e);
    int rc = ev == NULL ? e->code : 0;
    if (ev != NULL) {
        size_t n;
        const rd_kafka_topic_result_t **r = rd_kafka_CreatePartitions_result_topics(
            rd_kafka_event_CreatePartitions_result(ev), &n);

        const struct outcome x = { "has more partitions", (int)partitions, 0, NULL };

        rc = results(k, r, n, &x, e);
        rd_kafka_event_destroy(ev);
    }
    rd_kafka_AdminOptions_destroy(o);
    rd_kafka_NewPartitions_destroy(want);
    return rc;
}

static int
alter(struct kafka *k, struct args *a, struct vrv_err *e)
{
    int64_t partitions = -1;
    struct words set = { .n = 0 }, unset = { .n = 0 };
    const struct arg own[] = {
        { "partitions", 'n', ARG_NUMBER, &partitions },
        { "config", 'c', ARG_WORDS, &set },
        { "unset", 0, ARG_WORDS, &unset },
        { NULL, 0, 0, NULL },
    };
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = args_want(a, 1, 1, "one topic's name", e);
    if (rc == 0 && (partitions == 0 || partitions > 100000))
        rc = args_misuse(a, e, "--partitions wants 1 to 100000");
    if (rc == 0 && partitions < 0 && set.n + unset.n == 0)
        rc = args_misuse(a, e, "nothing to change: give --partitions, --config or --unset");
    if (rc == 0)
        rc = kafka_open(k, RD_KAFKA_CONSUMER, e);
    if (rc != 0)
        return rc;
    /* The settings first: a wrong one is found before partitions come that can't go again. */
    if (set.n + unset.n > 0) {
        rc = settings_change(k, RD_KAFKA_RESOURCE_TOPIC, a->v[0], &set, &unset, e);
        if (rc == 0)
            done(k, a->v[0], "settings changed");
    }
    if (rc == 0 && partitions > 0)
        rc = more_partitions(k, a->v[0], partitions, e);
    return rc;
}

/* ---- rm ---- */

static int
delete_all(struct kafka *k, char **names, int count, bool if_exists, struct vrv_err *e)
{
    rd_kafka_AdminOptions_t *o = kafka_options(k, RD_KAFKA_ADMIN_OP_DELETETOPICS);
    rd_kafka_DeleteTopic_t *topics[WORDS_MAX];
    size_t n = 0;

    for (; n < (size_t)count; n++)
        topics[n] = rd_kafka_DeleteTopic_new(names[n]);
    rd_kafka_DeleteTopics(k->rk, topics, n, o, k->queue);
    rd_kafka_event_t *ev = kafka_result(k, e);
    int rc = ev == NULL ? e->code : 0;
    rd_kafka_DeleteTopic_destroy_array(topics, n);
    if (ev != NULL) {
        const rd_kafka_topic_result_t **r =
            rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(ev), &n);

        const struct outcome x = { "deleted", 0,
            if_exists ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART : 0, "does not exist" };

        rc = results(k, r, n, &x, e);
        rd_kafka_event_destroy(ev);
    }
    rd_kafka_AdminOptions_destroy(o);
    return rc;
}

static int
rm(struct kafka *k, struct args *a, struct vrv_err *e)
{
    char question[200];
    bool yes = false, if_exists = false;
    const struct arg own[] = {
        { "yes", 'y', ARG_FLAG, &yes },
        { "if-exists", 0, ARG_FLAG, &if_exists },
        { NULL, 0, 0, NULL },
    };
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = args_want(a, 1, WORDS_MAX, "a topic's name", e);
    for (int i = 0; rc == 0 && i < a->n; i++)
        if (a->v[i][0] == '\0')
            rc = args_misuse(a, e, "a topic's name is empty");
    if (rc == 0 && !yes) {
        if (a->n == 1)
            (void)snprintf(question, sizeof(question),
                "Delete topic \"%.100s\" with all its records?", a->v[0]);
        else
            (void)snprintf(question, sizeof(question),
                "Delete these %d topics with all their records?", a->n);
        rc = kafka_ask(question, e);
    }
    if (rc == 0)
        rc = kafka_open(k, RD_KAFKA_CONSUMER, e);
    if (rc == 0)
        rc = delete_all(k, a->v, a->n, if_exists, e);
    return rc;
}

static const struct sub subs[] = {
    { "create", create_help, create },
    { "ls", topic_ls_help, topic_ls },
    { "describe", topic_describe_help, topic_describe },
    { "alter", alter_help, alter },
    { "rm", rm_help, rm },
    { NULL, NULL, NULL },
};

int
cmd_topic(int argc, char **argv)
{
    return kafka_main("topic", subs, argc, argv);
}
