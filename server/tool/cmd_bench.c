/* varve bench: what a broker can do, measured by a client that is not the bottleneck. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/tool/args.h"
#include "server/tool/bench.h"
#include "server/tool/commands.h"
#include "server/tool/out.h"
#include "server/tool/tool.h"

static const char bench_help[] =
    "usage: varve bench produce|consume|latency|fanout|start|tiers [options]\n"
    "  produce   as many records as the broker takes\n"
    "  consume   all that the topic holds\n"
    "  latency   records at a fixed rate, each timed from when it was due\n"
    "  fanout    the same, with consumers that tail: end to end\n"
    "  start     how long until the broker answers and, with -t, fetches bring records\n"
    "  tiers     hot against cold, on a varved that has a cold tier: records read from memory, page\n"
    "            cache, disk and store; how late others' are meanwhile, and while segments leave\n"
    "\n"
    "  -t, --topic NAME           varve-bench; made where it isn't there\n"
    "                             tiers: what the names of its own topics begin with, which are deleted\n"
    "      --partitions N         then with so many (1)\n"
    "      --seconds N            of measuring (10; tiers: each time, 5); start: how long it is tried\n"
    "      --warm-up N            seconds before that (2)\n"
    "      --record-bytes N       size of a value (1024)\n"
    "      --batch-bytes N        of a request (16384; tiers: 65536; latency and fanout: one record)\n"
    "      --bytes N              produce: so many, instead of for a time; tiers: of each kind (1 GiB)\n"
    "      --rate N               records per second (latency and fanout: 20000; tiers: 1000)\n"
    "      --connections N        1\n"
    "      --in-flight N          requests of a connection under way (5)\n"
    "      --consumers N          fanout: consumers of the whole topic (1); tiers: as many as read at\n"
    "                             the same time (4)\n"
    "      --rounds N             tiers: all is measured so many times (1)\n"
    "      --idle N               connections beside that do nothing (0)\n"
    "      --acks N               -1, 0 or 1 (-1)\n"
    "      --pid N                the broker's process, if it runs here: its CPU and memory, too\n"
    "      --since NS             start: counted from then (`date +%s%N`), not from now\n"
    "  -b, --bootstrap HOST:PORT  the broker ($VARVE_BOOTSTRAP, else 127.0.0.1:9092)\n"
    "      --json                 one JSON object\n"
    "  -h, --help                 this\n"
    "Records are not compressed, and made before the clock runs.\n";

enum { KIB = 1024, MIB = 1 << 20, GIB = 1 << 30, NAME_MAX_OWN = 200, ROUNDS_MAX = 100, IDLE_MAX = 1000000, PID_MAX = 1 << 22 };

struct bench {
    struct bench_opts o;
    const char *what, *bootstrap, *acks;
    char topic[64];
    struct out out;
};

/* ---- what is asked for ---- */

static bool
is(const struct bench *b, const char *what)
{
    return strcmp(b->what, what) == 0;
}

static int
read_address(struct bench *b, struct args *a, struct vrv_err *e)
{
    const char *text = b->bootstrap != NULL ? b->bootstrap : getenv("VARVE_BOOTSTRAP");

    if (text == NULL || text[0] == '\0')
        text = "127.0.0.1:9092";
    if (!bench_address(text, b->o.host, b->o.port))
        return args_misuse(a, e, "\"%.100s\" is not HOST:PORT", text);
    return 0;
}

static int
check(struct bench *b, struct args *a, struct vrv_err *e)
{
    int64_t acks = -1;

    if (b->acks != NULL && !args_number(b->acks, -1, 1, &acks))
        return args_misuse(a, e, "--acks is -1, 0 or 1, not \"%.20s\"", b->acks);
    if (acks == 0)
        return args_misuse(a, e, "--acks 0 has no answers that could be timed");
    b->o.acks = (int16_t)acks;
    if (b->o.record_bytes < 8 || b->o.record_bytes > 100 << 20)
        return args_misuse(a, e, "--record-bytes is 8 to %d", 100 << 20);
    if (b->o.batch_bytes > 100 << 20)
        return args_misuse(a, e, "--batch-bytes is at most %d", 100 << 20);
    if (b->o.connections < 1 || b->o.connections > 1000 || b->o.consumers < 1 ||
        b->o.consumers > 1000)
        return args_misuse(a, e, "--connections and --consumers are 1 to 1000");
    if (b->o.in_flight < 1 || b->o.in_flight > BENCH_IN_FLIGHT_MAX)
        return args_misuse(a, e, "--in-flight is 1 to %d", BENCH_IN_FLIGHT_MAX);
    if (b->o.partitions < 1 || b->o.partitions > 100000 || b->o.seconds < 1 || b->o.rate < 1)
        return args_misuse(a, e, "--partitions, --seconds and --rate are 1 or more");
    if (b->o.rounds < 1 || b->o.rounds > ROUNDS_MAX)
        return args_misuse(a, e, "--rounds is 1 to %d", ROUNDS_MAX);
    if (is(b, "tiers") && (b->o.bytes < b->o.consumers * MIB || strlen(b->o.topic) > NAME_MAX_OWN))
        return args_misuse(a, e, "--bytes is at least 1 MiB for each consumer, and a topic's name at "
            "most %d letters", NAME_MAX_OWN);
    if (b->o.idle > IDLE_MAX)
        return args_misuse(a, e, "--idle is at most %d", IDLE_MAX);
    if (b->o.pid > PID_MAX)
        return args_misuse(a, e, "--pid %" PRId64 " is no process", b->o.pid);
    return read_address(b, a, e);
}

static bool
is_paced(const struct bench *b)
{
    return is(b, "latency") || is(b, "fanout");
}

static int
read_args(struct bench *b, struct args *a, struct vrv_err *e)
{
    struct bench_opts *o = &b->o;
    const struct arg own[] = {
        { "topic", 't', ARG_WORD, &o->topic },
        { "partitions", 0, ARG_NUMBER, &o->partitions },
        { "seconds", 0, ARG_NUMBER, &o->seconds },
        { "warm-up", 0, ARG_NUMBER, &o->warm_seconds },
        { "record-bytes", 0, ARG_NUMBER, &o->record_bytes },
        { "batch-bytes", 0, ARG_NUMBER, &o->batch_bytes },
        { "rate", 0, ARG_NUMBER, &o->rate },
        { "connections", 0, ARG_NUMBER, &o->connections },
        { "in-flight", 0, ARG_NUMBER, &o->in_flight },
        { "consumers", 0, ARG_NUMBER, &o->consumers },
        { "bytes", 0, ARG_NUMBER, &o->bytes },
        { "rounds", 0, ARG_NUMBER, &o->rounds },
        { "idle", 0, ARG_NUMBER, &o->idle },
        { "pid", 0, ARG_NUMBER, &o->pid },
        { "since", 0, ARG_NUMBER, &o->since_ns },
        { "acks", 0, ARG_WORD, &b->acks },
        { "bootstrap", 'b', ARG_WORD, &b->bootstrap },
        { "json", 0, ARG_FLAG, &b->out.json },
        { NULL, 0, 0, NULL },
    };
    const struct arg none[] = { { NULL, 0, 0, NULL } };

    *o = (struct bench_opts){ .topic = is(b, "start") ? NULL : "varve-bench",
        .seconds = 10, .warm_seconds = 2, .record_bytes = KIB,
        .batch_bytes = is_paced(b) ? 0 : 16 * KIB, .rate = 20000, .connections = 1,
        .in_flight = 5, .consumers = 1, .partitions = 1, .rounds = 1 };
    if (is(b, "tiers")) {
        (void)snprintf(b->topic, sizeof(b->topic), "varve-bench-tiers-%" PRIx64,
            (uint64_t)bench_now());
        o->topic = b->topic;
        o->seconds = 5;
        o->batch_bytes = 64 * KIB;
        o->rate = 1000;
        o->consumers = 4;
        o->bytes = GIB;
    }
    int rc = args_parse(a, own, none, e);
    if (rc == 0)
        rc = args_want(a, 0, 0, "nothing", e);
    return rc == 0 ? check(b, a, e) : rc;
}

/* ---- what came out ---- */

static void
print_hist(struct bench *b, const char *name, const struct vrv_quantiles *h)
{
    static const struct {
        const char *name;
        double q;
    } at[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 } };
    char key[64];

    if (h->n == 0)
        return;
    if (!b->out.json)
        (void)fprintf(b->out.f, "%s:", name);
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        uint64_t us = vrv_quantiles_at(h, at[i].q) / 1000;

        (void)snprintf(key, sizeof(key), "%s_%s_us", name, at[i].name);
        if (b->out.json)
            out_uint(&b->out, key, us);
        else
            (void)fprintf(b->out.f, " %s %.2f ms", at[i].name, (double)us / 1000);
    }
    (void)snprintf(key, sizeof(key), "%s_max_us", name);
    if (b->out.json)
        out_uint(&b->out, key, h->max / 1000);
    else
        (void)fprintf(b->out.f, " max %.2f ms\n", (double)h->max / 1e6);
}

static void
print_flow(struct bench *b, const char *name, uint64_t records, uint64_t bytes, double seconds)
{
    char key[64];
    double per_s = seconds > 0 ? 1 / seconds : 0;

    if (bytes == 0)
        return;
    if (!b->out.json) {
        (void)fprintf(b->out.f, "%s: %.1f MB/s, %.0f records/s\n", name,
            (double)bytes * per_s / 1e6, (double)records * per_s);
        return;
    }
    (void)snprintf(key, sizeof(key), "%s_bytes_per_second", name);
    out_uint(&b->out, key, (uint64_t)((double)bytes * per_s));
    (void)snprintf(key, sizeof(key), "%s_records_per_second", name);
    out_uint(&b->out, key, (uint64_t)((double)records * per_s));
}

static void
print_time(struct bench *b, const char *name, int64_t ns)
{
    char key[64];

    if (ns == 0)
        return;
    (void)snprintf(key, sizeof(key), "%s_us", name);
    if (b->out.json)
        out_int(&b->out, key, ns / 1000);
    else
        (void)fprintf(b->out.f, "%s: %.2f ms\n", name, (double)ns / 1e6);
}

/* At a fixed rate bytes don't matter, but how busy it is. */
static void
print_broker_cpu(struct bench *b, const struct bench_result *res)
{
    double gb = (double)(res->bytes_in + res->bytes_out) / 1e9;
    bool per_gb = !is_paced(b) && gb > 0;
    double v = per_gb ? res->broker_seconds / gb : res->broker_cores;

    if (b->out.json)
        out_uint(&b->out, per_gb ? "broker_cpu_us_per_gb" : "broker_cpu_us_per_second",
            (uint64_t)(v * 1e6));
    else
        (void)fprintf(b->out.f, "broker: %.3f %s\n", v, per_gb ? "CPU-seconds per GB" : "cores");
}

static void
print_broker(struct bench *b, const struct bench_result *res)
{
    char size[32];

    if (b->o.pid == 0)
        return;
    if (!is(b, "start"))
        print_broker_cpu(b, res);
    if (b->out.json)
        out_int(&b->out, "broker_resident_bytes", res->broker_bytes);
    else
        (void)fprintf(b->out.f, "broker: %s resident\n",
            out_size((uint64_t)res->broker_bytes, size));
}

/* What a percentile doesn't show. */
static void
print_pace(struct bench *b, const struct bench_result *res)
{
    if (b->out.json) {
        out_uint(&b->out, "late_requests", res->late);
        out_uint(&b->out, "unanswered_requests", res->unanswered);
        return;
    }
    char text[128];

    (void)snprintf(text, sizeof(text), "%" PRIu64 " requests left 1 ms or more too late: the "
        "client, or its connection, was full\n", res->late);
    if (res->late > 0)
        out_paint(&b->out, OUT_YELLOW, text);
    (void)snprintf(text, sizeof(text), "%" PRIu64 " requests were not answered: the broker does "
        "not keep up\n", res->unanswered);
    if (res->unanswered > 0)
        out_paint(&b->out, OUT_RED, text);
}

static void
print(struct bench *b, const struct bench_result *res)
{
    if (b->out.json) {
        out_begin(&b->out, "bench");
        out_str(&b->out, "measured", b->what);
        out_int(&b->out, "record_bytes", b->o.record_bytes);
        out_uint(&b->out, "milliseconds", (uint64_t)(res->seconds * 1000));
    }
    print_time(b, "topic_made", res->topic_made_ns);
    print_time(b, "answered", res->answered_ns);
    print_time(b, "fetched", res->fetched_ns);
    print_flow(b, "produced", res->records_in, res->bytes_in, res->seconds);
    print_flow(b, "consumed", res->records_out, res->bytes_out, res->seconds);
    print_hist(b, "acknowledged", &res->produce);
    print_hist(b, "end_to_end", &res->end_to_end);
    print_broker(b, res);
    if (is_paced(b))
        print_pace(b, res);
    if (b->out.json)
        out_end(&b->out);
}

static int
run_load(struct bench *b, struct bench_link *link, struct bench_result *res, struct vrv_err *e)
{
    struct bench_load load = { .o = &b->o };
    struct bench_idle idle = { 0 };
    int rc = bench_idle_open(&idle, &b->o, e);

    if (rc == 0)
        rc = bench_load_init(&load, &b->o, link, e);
    res->topic_made_ns = load.made_ns;
    if (rc == 0 && is(b, "produce"))
        rc = bench_run_produce(&load, res, e);
    else if (rc == 0 && is(b, "consume"))
        rc = bench_run_consume(&load, res, e);
    else if (rc == 0)
        rc = bench_run_paced(&load, res, e);
    bench_load_fini(&load);
    bench_idle_close(&idle);
    return rc;
}

static int
run(struct bench *b, struct vrv_err *e)
{
    struct bench_result *res = VRV_NEW(struct bench_result);
    struct bench_link *link = VRV_NEW(struct bench_link);
    int rc = 0;

    if (is(b, "start")) {
        rc = bench_run_start(&b->o, res, e);
    } else {
        rc = bench_link_open(link, b->o.host, b->o.port, e);
        if (rc == 0)
            rc = run_load(b, link, res, e);
        bench_link_close(link);
    }
    if (rc == 0)
        print(b, res);
    free(link);
    free(res);
    return rc;
}

int
cmd_bench(int argc, char **argv)
{
    static const char *const kinds[] = { "produce", "consume", "latency", "fanout", "start",
        "tiers" };
    struct bench b = { .what = argc > 1 ? argv[1] : "", .out.f = stdout };
    struct args a = { .cmd = "bench", .help = bench_help, .n = argc - 1, .v = argv + 1 };
    struct vrv_err e = { 0 };
    bool known = false;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        known |= is(&b, kinds[i]);
    if (strcmp(b.what, "--help") == 0 || strcmp(b.what, "-h") == 0) {
        (void)fputs(bench_help, stdout);
        return 0;
    }
    if (!known) {
        int rc = args_sub_misuse("bench", argc > 1 ? b.what : NULL, &e);

        tool_say("%s", e.msg);
        return vrv_err_exit(rc);
    }
    int rc = read_args(&b, &a, &e);
    if (rc == ARGS_HELP)
        return 0;
    out_colours(&b.out);
    if (is(&b, "latency"))
        b.o.consumers = 0;
    if (rc == 0)
        rc = is(&b, "tiers") ? bench_run_tiers(&b.o, &b.out, &e) : run(&b, &e);
    if (rc < 0)
        tool_say("%s", e.msg);
    return rc < 0 ? vrv_err_exit(rc) : 0;
}
