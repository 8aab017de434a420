/* varve produce: records from files to a topic.  Reading is produce_read.c; here is what becomes of
 * a record, and of the answer to it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/tool/commands.h"
#include "server/tool/kafka.h"
#include "server/tool/produce.h"
#include "server/tool/progress.h"
#include "server/tool/stop.h"
#include "server/tool/tool.h"

/* So many failures are told one by one; the count has them all. */
enum { FAILURES_TOLD = 100 };
/* How often it is looked whether to stop. */
enum { FLUSH_MS = 100 };
/* A topic that the broker makes on demand is there after a moment. */
enum { CREATED_WITHIN_MS = 3000, ASK_AGAIN_MS = 100 };

static const char help[] =
    "usage: varve produce [options] TOPIC [FILE...]  a record per line, from files or stdin\n"
    "  -k, --key-separator TEXT   what parts key and value of a line, e.g. '\\t'\n"
    "  -H, --header KEY=VALUE     a header of each record; may be given more than once\n"
    "      --partition N          all into this one (else by key, or spread)\n"
    "      --format FORMAT        lines: key and value as they are (default);\n"
    "                             json: objects as `varve consume --json` prints them;\n"
    "                             raw: length and bytes of the key, then of the value,\n"
    "                             lengths in 4 bytes, big-endian, -1 for null\n"
    "      --empty-is-null        of a line, an empty key or value is null (a tombstone)\n"
    "      --codec CODEC          none, gzip, snappy, lz4 or zstd\n"
    "      --acks all|1|0         whose confirmation counts (all)\n"
    "      --idempotent yes|no    no duplicates from sending again (yes, with --acks all)\n"
    KAFKA_OPTIONS_HELP;

struct produce {
    struct kafka *k;
    struct produce_read read;
    const char *topic;
    struct words headers;
    int64_t partition;
    struct progress bar;
    uint64_t shown; /* bytes of the input that the bar knows of */
    uint64_t sent, acked, failed, bytes;
    int first; /* the first failure's code */
};

/* ---- answers ---- */

/* A record that didn't make it: `number` counts those that were read, from 1 on. */
static void
tell_failure(struct produce *p, uint64_t number, int rc, struct vrv_err *e)
{
    progress_clear(&p->bar);
    if (p->failed < FAILURES_TOLD)
        (void)vrv_err_prefix(e, rc, "record %" PRIu64, number);
    else if (p->failed == FAILURES_TOLD)
        (void)vrv_err_set(e, rc, "more records failed, which are only counted");
    else
        e->msg[0] = '\0';
    p->failed++;
    kafka_told(rc, e, &p->first);
}

static void
on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    /* The client's opaque is the connection; the command's is around it. */
    struct produce *p = ((struct kafka *)opaque)->user;
    struct vrv_err e = { 0 };

    (void)rk;
    if (m->err == 0) {
        p->acked++;
        p->bytes += m->len + m->key_len;
        return;
    }
    int rc = kafka_err(&e, m->err, NULL, "topic \"%.80s\"", p->topic);
    tell_failure(p, (uint64_t)(uintptr_t)m->_private, rc, &e);
}

/* ---- sending ---- */

static rd_kafka_headers_t *
headers_of(const struct produce *p, const struct record *r)
{
    size_t key_n;
    const char *value;

    if (p->headers.n + r->header_n == 0)
        return NULL;
    rd_kafka_headers_t *h = rd_kafka_headers_new(p->headers.n + r->header_n);
    for (size_t i = 0; i < r->header_n; i++)
        (void)rd_kafka_header_add(h, r->headers[i].key, -1, r->headers[i].value,
            (ssize_t)r->headers[i].value_n);
    for (size_t i = 0; i < p->headers.n; i++)
        if (args_pair(p->headers.v[i], &key_n, &value))
            (void)rd_kafka_header_add(h, p->headers.v[i], (ssize_t)key_n, value, -1);
    return h;
}

static rd_kafka_error_t *
hand_over(struct produce *p, const struct record *r)
{
    int64_t partition = p->partition >= 0 ? p->partition : r->partition;
    rd_kafka_headers_t *h = headers_of(p, r);
    rd_kafka_vu_t v[8] = {
        { .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = p->topic },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
        { .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { (void *)(uintptr_t)r->key, r->key_n } },
        { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { (void *)(uintptr_t)r->value, r->value_n } },
        { .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = (int32_t)partition },
        { .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(uintptr_t)(p->sent + 1) },
        { .vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = r->timestamp > 0 ? r->timestamp : 0 },
        { .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = h },
    };
    rd_kafka_error_t *error = rd_kafka_produceva(p->k->rk, v, h != NULL ? 8 : 7);

    if (error != NULL && h != NULL)
        rd_kafka_headers_destroy(h);
    return error;
}

/* Waits for room in the client's queue. */
static void
send_record(struct produce *p, const struct record *r)
{
    struct vrv_err e = { 0 };
    rd_kafka_error_t *error;

    while ((error = hand_over(p, r)) != NULL &&
           rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL && !p->k->fatal) {
        rd_kafka_error_destroy(error);
        (void)rd_kafka_poll(p->k->rk, 100);
    }
    p->sent++;
    if (error != NULL)
        tell_failure(p, p->sent, kafka_error(&e, error, p->topic), &e);
}

/* While there is nothing to read, and before each read. */
static bool
idle(void *ctx)
{
    struct produce *p = ctx;

    (void)rd_kafka_poll(p->k->rk, 0);
    if (p->bar.total > 0 && p->read.in.read > p->shown) {
        progress_add(&p->bar, p->read.in.read - p->shown);
        p->shown = p->read.in.read;
    }
    return stop_asked() || p->k->fatal;
}

/* A broker that is away may come back: each record has its own time-out, message.timeout.ms.  Who
 * has asked to stop does not wait for that long. */
static void
flush(struct produce *p)
{
    int64_t patience_ms = p->k->timeout_ms;

    while (rd_kafka_outq_len(p->k->rk) > 0 && !p->k->fatal && patience_ms > 0) {
        (void)rd_kafka_flush(p->k->rk, FLUSH_MS);
        patience_ms -= stop_asked() ? FLUSH_MS : 0;
    }
    /* After a fatal error the answers of all others are there. */
    (void)rd_kafka_flush(p->k->rk, FLUSH_MS);
}

static int
send_all(struct produce *p, struct vrv_err *e)
{
    static struct record r; /* too large for the stack */
    int rc;

    progress_begin(&p->bar, input_total(&p->read.in));
    while ((rc = produce_next(&p->read, &r, e)) != 0) {
        if (rc > 0) {
            send_record(p, &r);
        } else if (p->read.goes_on) {
            p->sent++;
            tell_failure(p, p->sent, rc, e);
        } else {
            break;
        }
    }
    flush(p);
    progress_clear(&p->bar);
    if (rc == 0 && p->k->fatal)
        rc = vrv_err_set(e, VRV_E_UNKNOWN, "the producer had to stop: %.120s", p->k->why);
    return rc;
}

static void
report(struct produce *p)
{
    struct out *o = &p->k->out;
    uint64_t unknown = p->sent - p->acked - p->failed;
    char size[32];

    if (o->json) {
        out_begin(o, "produced");
        out_str(o, "topic", p->topic);
        out_uint(o, "records", p->acked);
        out_uint(o, "bytes", p->bytes);
        out_uint(o, "failed", p->failed);
        out_uint(o, "unconfirmed", unknown);
        out_end(o);
        return;
    }
    (void)fprintf(o->f, "topic %s: %" PRIu64 " records, %s", p->topic, p->acked,
        out_size(p->bytes, size));
    if (p->failed > 0)
        (void)fprintf(o->f, "; %" PRIu64 " failed", p->failed);
    if (unknown > 0)
        (void)fprintf(o->f, "; %" PRIu64 " not confirmed", unknown);
    (void)fputc('\n', o->f);
}

/* ---- the topic ---- */

static void
sleep_ms(int ms)
{
    struct timespec t = { 0, ms * 1000000L };

    (void)nanosleep(&t, NULL);
}

/* Asking for a topic makes it, where the broker does that (auto.create.topics.enable). */
static int
check_topic(struct produce *p, struct vrv_err *e)
{
    const struct rd_kafka_metadata *md;
    int rc;

    for (int waited = 0;; waited += ASK_AGAIN_MS) {
        rc = kafka_topic(p->k, p->topic, &md, e);
        if ((rc != VRV_E_NOTFOUND && rc != VRV_E_TIMEDOUT) || waited >= CREATED_WITHIN_MS)
            break;
        sleep_ms(ASK_AGAIN_MS);
    }
    if (rc == VRV_E_NOTFOUND)
        return vrv_err_set(e, rc, "topic \"%.100s\" does not exist; varve topic create makes it",
            p->topic);
    if (rc < 0)
        return rc;
    int count = md->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(md);
    if (p->partition >= count)
        return vrv_err_set(e, VRV_E_NOTFOUND, "topic \"%.100s\" has partitions 0 to %d", p->topic,
            count - 1);
    return 0;
}

/* ---- options ---- */

struct options {
    const char *separator, *format, *codec, *acks, *idempotent;
    bool empty_is_null;
};

static int
check_words(const struct produce *p, struct args *a, const struct options *o, struct vrv_err *e)
{
    size_t n;
    const char *value;

    for (size_t i = 0; i < p->headers.n; i++)
        if (!args_pair(p->headers.v[i], &n, &value))
            return args_misuse(a, e, "a header is KEY=VALUE, not \"%.60s\"", p->headers.v[i]);
    if (o->idempotent != NULL && strcmp(o->idempotent, "yes") != 0 &&
        strcmp(o->idempotent, "no") != 0)
        return args_misuse(a, e, "--idempotent wants yes or no");
    if (strcmp(o->acks, "all") != 0 && strcmp(o->acks, "1") != 0 && strcmp(o->acks, "0") != 0)
        return args_misuse(a, e, "--acks wants all, 1 or 0");
    if (strcmp(o->acks, "all") != 0 && o->idempotent != NULL && o->idempotent[0] == 'y')
        return args_misuse(a, e, "--idempotent yes needs --acks all");
    if (p->partition > INT32_MAX)
        return args_misuse(a, e, "there is no such --partition");
    static const char *const codecs[] = { "none", "gzip", "snappy", "lz4", "zstd" };
    for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++)
        if (strcmp(o->codec, codecs[i]) == 0)
            return 0;
    return args_misuse(a, e, "--codec wants none, gzip, snappy, lz4 or zstd");
}

static void
set_client(struct produce *p, const struct options *o)
{
    bool idempotent = o->idempotent != NULL ? o->idempotent[0] == 'y' : strcmp(o->acks, "all") == 0;

    /* A key goes where Kafka's own clients put it. */
    kafka_set(p->k, "partitioner", "murmur2_random");
    kafka_set(p->k, "compression.codec", o->codec);
    kafka_set(p->k, "acks", o->acks);
    kafka_set(p->k, "enable.idempotence", idempotent ? "true" : "false");
    rd_kafka_conf_set_dr_msg_cb(p->k->conf, on_delivery);
    p->k->user = p;
}

/* The client would refuse a longer one: better told while it is read. */
static size_t
record_limit(struct kafka *k)
{
    char text[32] = "";
    size_t n = sizeof(text);
    int64_t v = 0;

    if (rd_kafka_conf_get(rd_kafka_conf(k->rk), "message.max.bytes", text, &n) !=
            RD_KAFKA_CONF_OK || !args_number(text, 1, INT64_MAX, &v))
        v = 1000000;
    return (size_t)v;
}

static int
produce(struct kafka *k, struct args *a, struct vrv_err *e)
{
    struct produce p = { .k = k, .partition = -1 };
    struct options o = { .format = "lines", .codec = "none", .acks = "all" };
    const struct arg own[] = {
        { "key-separator", 'k', ARG_WORD, &o.separator },
        { "header", 'H', ARG_WORDS, &p.headers },
        { "partition", 0, ARG_NUMBER, &p.partition },
        { "format", 0, ARG_WORD, &o.format },
        { "empty-is-null", 0, ARG_FLAG, &o.empty_is_null },
        { "codec", 0, ARG_WORD, &o.codec },
        { "acks", 0, ARG_WORD, &o.acks },
        { "idempotent", 0, ARG_WORD, &o.idempotent },
        { NULL, 0, 0, NULL },
    };
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = args_want(a, 1, WORDS_MAX, "a topic's name", e);
    if (rc == 0)
        rc = check_words(&p, a, &o, e);
    if (rc != 0)
        return rc;
    p.topic = a->v[0];
    p.read.empty_is_null = o.empty_is_null;
    p.read.in.files = a->v + 1;
    p.read.in.idle = idle;
    p.read.in.ctx = &p;
    rc = produce_read_init(&p.read, a, o.format, o.separator, e);
    if (rc == 0) {
        set_client(&p, &o);
        rc = kafka_open(k, RD_KAFKA_PRODUCER, e);
    }
    if (rc == 0)
        rc = check_topic(&p, e);
    if (rc == 0) {
        p.read.in.limit = record_limit(k);
        stop_catch();
        rc = send_all(&p, e);
        report(&p);
    }
    produce_read_fini(&p.read);
    return rc != 0 ? rc : p.first;
}

static const struct sub command = { "produce", help, produce };

int
cmd_produce(int argc, char **argv)
{
    int rc = kafka_main_one(&command, argc, argv);

    if (rc == 0)
        stop_die();
    return rc;
}
