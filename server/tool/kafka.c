#include "server/tool/kafka.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/os/clock.h"
#include "server/tool/tool.h"

/* How long other addresses of the same broker have, once one was refused. */
static const int64_t other_address_ns = 1000000000;
/* How long a partition, maybe a new one, may take to have a leader that knows it. */
static const int64_t leader_within_ns = 5000000000;

/* ---- errors ---- */

static int
code_of(rd_kafka_resp_err_t err)
{
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
        return VRV_E_TIMEDOUT;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND:
        return VRV_E_NOTFOUND;
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
        return VRV_E_EXISTS;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        return VRV_E_READONLY;
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
        return VRV_E_INVALID;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return VRV_E_TOO_LARGE;
    case RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP:
        return VRV_E_CONFLICT;
    default:
        return VRV_E_UNKNOWN;
    }
}

/* Without librdkafka's "Broker: " and full stops: it becomes part of a sentence. */
static void
sentence_end(char *to, size_t n, const char *text)
{
    static const char *const front[] = { "Broker: ", "Local: " };
    size_t len;

    for (size_t i = 0; i < sizeof(front) / sizeof(front[0]); i++)
        if (strncmp(text, front[i], strlen(front[i])) == 0)
            text += strlen(front[i]);
    (void)snprintf(to, n, "%s", text);
    len = strlen(to);
    while (len > 0 && (to[len - 1] == '.' || to[len - 1] == '\n'))
        to[--len] = '\0';
}

int
kafka_err(struct vrv_err *e, rd_kafka_resp_err_t err, const char *text, const char *fmt, ...)
{
    char what[120], why[160];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    if (text == NULL || *text == '\0')
        text = rd_kafka_err2str(err);
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
        err == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND)
        return vrv_err_set(e, VRV_E_NOTFOUND, "%s does not exist", what);
    if (err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return vrv_err_set(e, VRV_E_EXISTS, "%s exists already", what);
    sentence_end(why, sizeof(why), text);
    return vrv_err_set(e, code_of(err), "%s: %s", what, why);
}

int
kafka_error(struct vrv_err *e, rd_kafka_error_t *error, const char *what)
{
    if (error == NULL)
        return 0;
    int rc = kafka_err(e, rd_kafka_error_code(error), rd_kafka_error_string(error), "%s", what);
    rd_kafka_error_destroy(error);
    return rc;
}

void
kafka_told(int rc, struct vrv_err *e, int *first)
{
    if (rc >= 0)
        return;
    if (e->msg[0] != '\0')
        tool_say("%s", e->msg);
    *e = (struct vrv_err){ 0 };
    if (*first == 0)
        *first = rc;
}

/* ---- the connection ---- */

/* "host:1/bootstrap: Connect to ipv4#1.2.3.4:1 failed: Connection refused (after 0ms in state X)",
 * "host:1/2: Disconnected (after 10ms in state UP)" have the reason in the middle. */
static void
keep_reason(struct kafka *k, const char *reason)
{
    const char *from = strstr(reason, "failed: "), *broker = strchr(reason, '/');
    const char *colon = broker != NULL ? strstr(broker, ": ") : NULL;
    char *end;

    if (from != NULL)
        reason = from + strlen("failed: ");
    else if (colon != NULL)
        reason = colon + strlen(": ");
    (void)snprintf(k->why, sizeof(k->why), "%s", reason);
    if ((end = strstr(k->why, " (after ")) != NULL)
        *end = '\0';
    /* librdkafka takes an HTTP server's "HTTP" for a length, and would have more allowed. */
    if (strstr(k->why, "Invalid response size") != NULL)
        (void)snprintf(k->why, sizeof(k->why), "what answers does not speak Kafka's protocol");
}

static void
on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    struct kafka *k = opaque;
    char fatal[128];

    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        k->all_down = true;
        return;
    }
    if (err == RD_KAFKA_RESP_ERR__FATAL && rd_kafka_fatal_error(rk, fatal, sizeof(fatal)) != 0) {
        k->fatal = true;
        reason = fatal;
    }
    keep_reason(k, reason);
}

/* Its log is for those who ask for it with -p debug=...; all else comes as an error, too. */
static void
on_log(const rd_kafka_t *rk, int level, const char *fac, const char *text)
{
    (void)rk;
    (void)level;
    (void)fac;
    (void)text;
}

static int
set_property(struct kafka *k, const char *key, const char *value, struct vrv_err *e)
{
    char why[160];

    if (rd_kafka_conf_set(k->conf, key, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        return vrv_err_set(e, VRV_E_INVALID, "-p %.60s: %s", key, why);
    if (strcmp(key, "debug") == 0)
        rd_kafka_conf_set_log_cb(k->conf, rd_kafka_log_print);
    return 0;
}

void
kafka_set(struct kafka *k, const char *key, const char *value)
{
    char why[160];

    if (k->conf == NULL)
        k->conf = rd_kafka_conf_new();
    (void)rd_kafka_conf_set(k->conf, key, value, why, sizeof(why));
}

static int
set_properties(struct kafka *k, struct vrv_err *e)
{
    int rc = 0;

    kafka_set(k, "client.id", "varve");
    rd_kafka_conf_set_opaque(k->conf, k);
    rd_kafka_conf_set_error_cb(k->conf, on_error);
    rd_kafka_conf_set_log_cb(k->conf, on_log);
    kafka_set(k, "bootstrap.servers", k->bootstrap);
    for (size_t i = 0; i < k->props.n && rc == 0; i++) {
        char key[100];
        const char *value;

        if (!args_pair_key(k->props.v[i], key, sizeof(key), &value))
            return vrv_err_set(e, VRV_E_INVALID, "-p wants key=value, not \"%.60s\"",
                k->props.v[i]);
        rc = set_property(k, key, value, e);
    }
    return rc;
}

static int64_t
now_ns(void)
{
    struct vrv_clock *c = vrv_clock_real();

    return c->mono_ns(c);
}

/* librdkafka tries on for as long as it is let; a person wants to know at once. */
static int
reach(struct kafka *k, struct vrv_err *e)
{
    const struct rd_kafka_metadata *md;
    int64_t deadline = now_ns() + k->timeout_ms * 1000000;
    rd_kafka_resp_err_t err;
    bool hurry = false;

    do {
        err = rd_kafka_metadata(k->rk, 0, NULL, &md, 100);
        (void)rd_kafka_poll(k->rk, 0);
        if (k->all_down && !hurry) {
            int64_t soon = now_ns() + other_address_ns;

            deadline = soon < deadline ? soon : deadline;
            hurry = true;
        }
    } while (err != 0 && now_ns() < deadline && !k->fatal);
    if (err == 0) {
        rd_kafka_metadata_destroy(md);
        return 0;
    }
    return vrv_err_set(e, VRV_E_TIMEDOUT,
        "no broker answers at %.80s%s%.100s: is one running there? name another with -b or "
        "VARVE_BOOTSTRAP", k->bootstrap, k->why[0] != '\0' ? ": " : "", k->why);
}

int
kafka_open(struct kafka *k, rd_kafka_type_t type, struct vrv_err *e)
{
    char why[160];
    int rc = set_properties(k, e);

    if (rc < 0)
        return rc;
    k->rk = rd_kafka_new(type, k->conf, why, sizeof(why));
    if (k->rk == NULL)
        return vrv_err_set(e, VRV_E_INVALID, "the client can't be set up: %s", why);
    k->conf = NULL; /* is the client's now */
    k->queue = rd_kafka_queue_new(k->rk);
    return reach(k, e);
}

static void
close_all(struct kafka *k)
{
    if (k->queue != NULL)
        rd_kafka_queue_destroy(k->queue);
    if (k->rk != NULL)
        rd_kafka_destroy_flags(k->rk, k->gone ? RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE : 0);
    if (k->conf != NULL)
        rd_kafka_conf_destroy(k->conf);
}

/* ---- requests ---- */

static int
timeout_ms(const struct kafka *k)
{
    return (int)k->timeout_ms;
}

rd_kafka_AdminOptions_t *
kafka_options(struct kafka *k, rd_kafka_admin_op_t op)
{
    rd_kafka_AdminOptions_t *o = rd_kafka_AdminOptions_new(k->rk, op);
    char why[160];

    (void)rd_kafka_AdminOptions_set_request_timeout(o, timeout_ms(k), why, sizeof(why));
    if (op == RD_KAFKA_ADMIN_OP_CREATETOPICS || op == RD_KAFKA_ADMIN_OP_DELETETOPICS ||
        op == RD_KAFKA_ADMIN_OP_CREATEPARTITIONS)
        (void)rd_kafka_AdminOptions_set_operation_timeout(o, timeout_ms(k), why, sizeof(why));
    return o;
}

rd_kafka_event_t *
kafka_result(struct kafka *k, struct vrv_err *e)
{
    /* Each request has its own time-out, which answers; a second more for that answer. */
    rd_kafka_event_t *ev = rd_kafka_queue_poll(k->queue, timeout_ms(k) + 1000);

    if (ev == NULL) {
        (void)vrv_err_set(e, VRV_E_TIMEDOUT, "%.80s does not answer", k->bootstrap);
        return NULL;
    }
    if (rd_kafka_event_error(ev) == 0)
        return ev;
    (void)kafka_err(e, rd_kafka_event_error(ev), rd_kafka_event_error_string(ev), "%.80s",
        k->bootstrap);
    rd_kafka_event_destroy(ev);
    return NULL;
}

int
kafka_metadata(struct kafka *k, const char *topic, const struct rd_kafka_metadata **md,
    struct vrv_err *e)
{
    rd_kafka_topic_t *rkt = topic != NULL ? rd_kafka_topic_new(k->rk, topic, NULL) : NULL;

    if (topic != NULL && rkt == NULL)
        return vrv_err_set(e, VRV_E_INVALID, "\"%.80s\" is no name for a topic", topic);
    rd_kafka_resp_err_t err = rd_kafka_metadata(k->rk, topic == NULL, rkt, md, timeout_ms(k));
    if (rkt != NULL)
        rd_kafka_topic_destroy(rkt);
    return err == 0 ? 0 : kafka_err(e, err, NULL, "metadata from %.80s", k->bootstrap);
}

int
kafka_topic(struct kafka *k, const char *topic, const struct rd_kafka_metadata **md,
    struct vrv_err *e)
{
    int rc = kafka_metadata(k, topic, md, e);

    if (rc < 0)
        return rc;
    const struct rd_kafka_metadata_topic *t = &(*md)->topics[0];
    if (t->err != 0)
        rc = kafka_err(e, t->err, NULL, "topic \"%.100s\"", topic);
    else if (t->partition_cnt == 0)
        rc = kafka_err(e, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, NULL, "topic \"%.100s\"", topic);
    if (rc < 0)
        rd_kafka_metadata_destroy(*md);
    return rc;
}

static bool
passes(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
        err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
}

/* One look-up; the first error that may pass by itself, if there is one. */
static rd_kafka_resp_err_t
look_up(struct kafka *k, rd_kafka_topic_partition_list_t *list, bool *again)
{
    rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(k->rk, list, timeout_ms(k));

    *again = passes(err);
    for (int i = 0; i < list->cnt && err == 0; i++)
        *again = *again || passes(list->elems[i].err);
    return err;
}

int
kafka_offsets(struct kafka *k, rd_kafka_topic_partition_list_t *list, struct vrv_err *e)
{
    const struct timespec pause = { 0, 50000000 };
    int64_t deadline = now_ns() + leader_within_ns;
    rd_kafka_resp_err_t err;
    bool again = list->cnt > 0;

    if (!again)
        return 0;
    /* The look-up overwrites what it is asked for. */
    rd_kafka_topic_partition_list_t *asked = rd_kafka_topic_partition_list_copy(list);
    while ((err = look_up(k, list, &again)), again && now_ns() < deadline) {
        (void)nanosleep(&pause, NULL);
        for (int i = 0; i < list->cnt; i++) {
            list->elems[i].offset = asked->elems[i].offset;
            list->elems[i].err = 0;
        }
    }
    rd_kafka_topic_partition_list_destroy(asked);
    return err == 0 ? 0 : kafka_err(e, err, NULL, "offsets from %.80s", k->bootstrap);
}

/* ---- small things ---- */

int
kafka_ask(const char *question, struct vrv_err *e)
{
    char answer[16] = "";

    if (isatty(STDIN_FILENO) != 1)
        return vrv_err_set(e, VRV_E_INVALID,
            "nothing was changed: there is no terminal to ask at; give --yes to have it done");
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s [y/N] ", question);
    if (fgets(answer, sizeof(answer), stdin) == NULL || (answer[0] != 'y' && answer[0] != 'Y'))
        return vrv_err_set(e, VRV_E_CANCELLED, "nothing was changed");
    return 0;
}

/* ---- a command ---- */

int
kafka_args(struct kafka *k, struct args *a, const struct arg *own, struct vrv_err *e)
{
    int64_t seconds = 10;
    const struct arg common[] = {
        { "bootstrap", 'b', ARG_WORD, &k->bootstrap },
        { "property", 'p', ARG_WORDS, &k->props },
        { "timeout", 0, ARG_NUMBER, &seconds },
        { "json", 0, ARG_FLAG, &k->out.json },
        { NULL, 0, 0, NULL },
    };
    int rc = args_parse(a, own, common, e);

    if (rc == 0 && (seconds < 1 || seconds > 86400))
        return args_misuse(a, e, "--timeout wants 1 to 86400 seconds");
    k->timeout_ms = seconds * 1000;
    out_colours(&k->out);
    return rc;
}

static int
run(const char *cmd, const struct sub *sub, int argc, char **argv)
{
    const char *named = getenv("VARVE_BOOTSTRAP");
    struct kafka k = { .out = { .f = stdout }, .timeout_ms = 10000 };
    struct args a = { cmd, sub->help, argc, argv };
    struct vrv_err e = { 0 };

    k.bootstrap = named != NULL && *named != '\0' ? named : "127.0.0.1:9092";
    int rc = sub->run(&k, &a, &e);
    if (rc < 0 && e.msg[0] != '\0')
        tool_say("%s", e.msg);
    if (k.damaged) { /* librdkafka (2.0) may wait for itself when it is taken down while it finds damage */
        (void)fflush(NULL);
        _exit(vrv_err_exit(rc));
    }
    close_all(&k);
    return rc < 0 ? vrv_err_exit(rc) : 0;
}

int
kafka_main_one(const struct sub *cmd, int argc, char **argv)
{
    return run(cmd->name, cmd, argc, argv);
}

static void
overview(const struct sub *subs)
{
    for (; subs->name != NULL; subs++)
        (void)printf("%.*s\n", (int)strcspn(subs->help, "\n"), subs->help);
}

int
kafka_main(const char *name, const struct sub *subs, int argc, char **argv)
{
    struct vrv_err e;
    char cmd[40];

    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)) {
        overview(subs);
        (void)printf("More: varve %s SUBCOMMAND --help, man varve\n", name);
        return 0;
    }
    for (const struct sub *s = subs; argc > 1 && s->name != NULL; s++) {
        if (strcmp(s->name, argv[1]) != 0)
            continue;
        (void)snprintf(cmd, sizeof(cmd), "%s %s", name, s->name);
        return run(cmd, s, argc - 1, argv + 1);
    }
    int rc = args_sub_misuse(name, argc > 1 ? argv[1] : NULL, &e);
    tool_say("%s", e.msg);
    return vrv_err_exit(rc);
}

int
kafka_each(struct kafka *k, const struct args *a, kafka_each_fn *fn, const void *ctx,
    struct vrv_err *e)
{
    int rc = kafka_open(k, RD_KAFKA_CONSUMER, e), first = 0;

    if (rc < 0)
        return rc;
    for (int i = 0; i < a->n; i++) {
        if (i > 0 && !k->out.json)
            (void)fputc('\n', k->out.f);
        kafka_told(fn(k, a->v[i], ctx, e), e, &first);
    }
    return first;
}
