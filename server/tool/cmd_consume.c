/* varve consume: its options. */
#include <unistd.h>

#include "engine/os/clock.h"
#include "server/tool/commands.h"
#include "server/tool/consume.h"
#include "server/tool/stop.h"

static const char help[] =
    "usage: varve consume [options] TOPIC...        records, from the start to the end as of now\n"
    "      --from WHERE           start (default), end, an offset, -N (N before the end), a time:\n"
    "                             2025-06-01T12:00[:30][Z|+02:00], @MS since 1970, -1h (s m h d)\n"
    "      --to WHERE             the same: up to and including an offset, or up to a time\n"
    "      --partition N          this one; may be given more than once\n"
    "  -g, --group GROUP          as a member of it, from where it was; commits what is printed\n"
    "  -f, --follow               go on at the end, until Ctrl-C\n"
    "  -n, --count N              N records at most\n"
    "  -k, --keys                 a column for the key, a tab behind it\n"
    "  -H, --headers              a column for headers\n"
    "      --timestamps           a column for the time\n"
    "      --offsets              columns for partition and offset\n"
    "      --format TEXT          %s value %S its length %R the same in 4 bytes (big-endian)\n"
    "                             %k key   %K its length %N the same in 4 bytes; -1: null\n"
    "                             %t topic %p partition %o offset %h headers\n"
    "                             %T time in ms %D time as text %% percent; \\n \\t \\xNN\n"
    KAFKA_OPTIONS_HELP
    "Ends with 0 at the end, at the count, and with --follow on Ctrl-C; else that gives 130.\n";

struct options {
    const char *from, *to, *format;
    int64_t count;
    bool keys, headers, timestamps, offsets;
};

static int64_t
now_ms(void)
{
    struct vrv_clock *c = vrv_clock_real();

    return c->wall_ms(c);
}

static int
set_range(struct consume *c, struct args *a, const struct options *o, struct vrv_err *e)
{
    if (o->from != NULL && !when_parse(o->from, now_ms(), &c->from))
        return args_misuse(a, e, "--from wants " WHEN_WORDS);
    if (o->to != NULL && !when_parse(o->to, now_ms(), &c->to))
        return args_misuse(a, e, "--to wants " WHEN_WORDS);
    if (c->to.kind == WHEN_START)
        return args_misuse(a, e, "--to start: that would be nothing");
    if (c->from.kind == WHEN_OFFSET && c->to.kind == WHEN_OFFSET && c->from.v > c->to.v)
        return args_misuse(a, e, "--from lies behind --to");
    if (c->follow && c->to.kind != WHEN_NONE && c->to.kind != WHEN_OFFSET)
        return args_misuse(a, e, "--follow has no end but an offset: leave --to away");
    if (c->group == NULL)
        return 0;
    if (c->group[0] == '\0')
        return args_misuse(a, e, "--group wants a name");
    if (c->partitions.n > 0 || c->to.kind != WHEN_NONE)
        return args_misuse(a, e, "--group decides on partitions and ends: no --partition, no --to");
    if (c->from.kind != WHEN_NONE && c->from.kind != WHEN_START && c->from.kind != WHEN_END)
        return args_misuse(a, e,
            "a group begins where it was, a new one at start or end; varve group reset moves it");
    return 0;
}

static int
set_format(struct consume *c, struct args *a, const struct options *o, struct vrv_err *e)
{
    char text[64];
    bool columns = o->keys || o->headers || o->timestamps || o->offsets;

    if (o->format != NULL && (columns || c->k->out.json))
        return args_misuse(a, e, "--format has it all: no --json and no columns beside it");
    if (columns && c->k->out.json)
        return args_misuse(a, e, "--json has it all: no columns beside it");
    (void)snprintf(text, sizeof(text), "%s%s%s%s%%s\\n", o->timestamps ? "%D\t" : "",
        o->offsets ? "%p\t%o\t" : "", o->keys ? "%k\t" : "", o->headers ? "%h\t" : "");
    return format_init(&c->format, o->format != NULL ? o->format : text, e);
}

static int
open_client(struct consume *c, struct vrv_err *e)
{
    kafka_set(c->k, "enable.partition.eof", "true");
    kafka_set(c->k, "check.crcs", "true"); /* damage is an error, not a record */
    kafka_set(c->k, "enable.auto.commit", "false");
    kafka_set(c->k, "enable.auto.offset.store", "false");
    /* With less, it rests for a second each time so many small records wait; bytes are still
     * bounded by queued.max.messages.kbytes. */
    kafka_set(c->k, "queued.min.messages", "1000000");
    /* Records may be deleted at the front while it reads. */
    kafka_set(c->k, "auto.offset.reset", c->from.kind == WHEN_END ? "latest" : "earliest");
    c->k->user = c;
    consume_set_client(c);
    return kafka_open(c->k, RD_KAFKA_CONSUMER, e);
}

static int
consume(struct kafka *k, struct args *a, struct vrv_err *e)
{
    struct consume c = { .k = k, .format.out = &k->out };
    struct options o = { .count = INT64_MAX };
    const struct arg own[] = {
        { "from", 0, ARG_WORD, &o.from },
        { "to", 0, ARG_WORD, &o.to },
        { "partition", 0, ARG_WORDS, &c.partitions },
        { "group", 'g', ARG_WORD, &c.group },
        { "follow", 'f', ARG_FLAG, &c.follow },
        { "count", 'n', ARG_NUMBER, &c.count },
        { "keys", 'k', ARG_FLAG, &o.keys },
        { "headers", 'H', ARG_FLAG, &o.headers },
        { "timestamps", 0, ARG_FLAG, &o.timestamps },
        { "offsets", 0, ARG_FLAG, &o.offsets },
        { "format", 0, ARG_WORD, &o.format },
        { NULL, 0, 0, NULL },
    };

    c.count = INT64_MAX;
    int rc = kafka_args(k, a, own, e);
    if (rc == 0)
        rc = args_want(a, 1, WORDS_MAX, "a topic's name", e);
    if (rc == 0)
        rc = set_range(&c, a, &o, e);
    if (rc == 0)
        rc = set_format(&c, a, &o, e);
    c.topics = a->v;
    c.topic_n = a->n;
    if (rc == 0)
        rc = open_client(&c, e);
    if (rc == 0)
        rc = consume_plan(&c, e);
    if (rc == 0) {
        stop_catch();
        rc = consume_run(&c, e);
    }
    format_fini(&c.format);
    consume_free(&c);
    /* Following has no other end. */
    if (rc == 0 && !c.follow)
        stop_die();
    return rc;
}

static const struct sub command = { "consume", help, consume };

int
cmd_consume(int argc, char **argv)
{
    return kafka_main_one(&command, argc, argv);
}
