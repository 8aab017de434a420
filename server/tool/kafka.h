/*
 * What the commands that talk to a Kafka share: options, the connection, errors as sentences.
 * librdkafka has its own threads; everything here, its callbacks too, runs in the main one.
 */
#ifndef VRV_TOOL_KAFKA_H
#define VRV_TOOL_KAFKA_H

#include <librdkafka/rdkafka.h>

#include "engine/base/err.h"
#include "server/tool/args.h"
#include "server/tool/out.h"

struct kafka {
    /* what is wanted */
    const char *bootstrap;
    int64_t timeout_ms;
    struct words props;
    struct out out;
    /* what was opened */
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; /* results of admin requests */
    rd_kafka_conf_t *conf;   /* before kafka_open() */
    void *user;              /* the command's own, for its callbacks */
    bool gone;               /* the brokers are: don't wait for them when closing */
    bool damaged;            /* what came was */
    bool all_down;           /* no broker of those named could be reached */
    bool fatal;              /* librdkafka can't go on; `why` says why */
    char why[160];           /* the last failure of a connection */
};

/* A subcommand.  What it could not do is in *e; without words there it has said so itself. */
struct sub {
    const char *name; /* NULL ends the table */
    const char *help;
    int (*run)(struct kafka *k, struct args *a, struct vrv_err *e);
};

/* `varve NAME SUB ...`; the exit code. */
int kafka_main(const char *name, const struct sub *subs, int argc, char **argv);
/* The same for a command without subcommands. */
int kafka_main_one(const struct sub *cmd, int argc, char **argv);

/* The help of the options that all take. */
#define KAFKA_OPTIONS_HELP                                                                         \
    "  -b, --bootstrap HOST:PORT  a broker ($VARVE_BOOTSTRAP, else 127.0.0.1:9092)\n"              \
    "  -p, --property KEY=VALUE   a setting of librdkafka, e.g. security.protocol=ssl\n"           \
    "      --timeout SECONDS      how long to wait for answers (10)\n"                             \
    "      --json                 one JSON object per line\n"                                      \
    "  -h, --help                 this\n"

/* The subcommand's options and those of all; 0, ARGS_HELP or INVALID. */
int kafka_args(struct kafka *k, struct args *a, const struct arg *own, struct vrv_err *e)
    VRV_MUST_CHECK;

/* A setting, before kafka_open(); what the user gave with -p wins. */
void kafka_set(struct kafka *k, const char *key, const char *value);
/* Connects: a broker has answered when this returns 0. */
int kafka_open(struct kafka *k, rd_kafka_type_t type, struct vrv_err *e) VRV_MUST_CHECK;

/* A sentence and a code of ours for an error of Kafka's.  `what` is what it is about, e.g.
 * topic "x"; `text` is the broker's own explanation or NULL. */
int kafka_err(struct vrv_err *e, rd_kafka_resp_err_t err, const char *text, const char *fmt, ...)
    VRV_PRINTF(4, 5);
/* The same from an error object, which is freed; 0 when it is NULL. */
int kafka_error(struct vrv_err *e, rd_kafka_error_t *error, const char *what);
/* Prints a failure of one of several things and goes on: the first one is kept for the exit code,
 * its words are taken away since they are told. */
void kafka_told(int rc, struct vrv_err *e, int *first);
/* Connects, and calls fn with each word of the command line in turn, whether or not one fails; the
 * first failure.  Between them is an empty line. */
typedef int kafka_each_fn(struct kafka *k, const char *name, const void *ctx, struct vrv_err *e);
int kafka_each(struct kafka *k, const struct args *a, kafka_each_fn *fn, const void *ctx,
    struct vrv_err *e) VRV_MUST_CHECK;

/* Options for an admin request with our time-out; freed by the caller. */
rd_kafka_AdminOptions_t *kafka_options(struct kafka *k, rd_kafka_admin_op_t op);
/* Waits for its result; NULL and *e when it failed as a whole.  Freed by the caller. */
rd_kafka_event_t *kafka_result(struct kafka *k, struct vrv_err *e);

/* Metadata of one topic, or of all (NULL); freed by the caller. */
int kafka_metadata(struct kafka *k, const char *topic, const struct rd_kafka_metadata **md,
    struct vrv_err *e) VRV_MUST_CHECK;
/* Of one topic that must be there. */
int kafka_topic(struct kafka *k, const char *topic, const struct rd_kafka_metadata **md,
    struct vrv_err *e) VRV_MUST_CHECK;
/* Look-ups of offsets for all of the list in one go: each offset is a time in ms, or
 * RD_KAFKA_OFFSET_BEGINNING or _END; it becomes the offset (_END: none so late), or the element
 * has an error. */
int kafka_offsets(struct kafka *k, rd_kafka_topic_partition_list_t *list, struct vrv_err *e)
    VRV_MUST_CHECK;

/* Asks on the terminal: 0 for yes; CANCELLED; INVALID without a terminal, `why` then says what
 * to give instead. */
int kafka_ask(const char *question, struct vrv_err *e) VRV_MUST_CHECK;

#endif
