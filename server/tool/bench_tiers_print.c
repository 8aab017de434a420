/* What `varve bench tiers` has measured: a line of a table each, or an object. */
#include <inttypes.h>
#include <stdio.h>

#include "server/tool/bench_tiers.h"

enum { FILL_TABLE, OFFLOAD_TABLE, READ_TABLE, LATE_TABLE };

/* The table's head, once. */
static bool
begin(struct tiers *t, int table, const char *title)
{
    if (t->out->json) {
        out_begin(t->out, "tiers");
        return true;
    }
    if (!t->titled[table])
        out_paint(t->out, OUT_BOLD, title);
    t->titled[table] = true;
    return false;
}

static void
end(struct tiers *t)
{
    if (t->out->json)
        out_end(t->out);
    (void)fflush(t->out->f);
}

static double
per_s(uint64_t n, int64_t ns)
{
    return ns > 0 ? (double)n * 1e9 / (double)ns : 0;
}

static double
per_gib(uint64_t n, uint64_t bytes)
{
    return bytes > 0 ? (double)n * 1073741824 / (double)bytes : 0;
}

static uint64_t
put_class(const struct tiers_counts *c)
{
    return c->requests[TIERS_PUT] + c->requests[TIERS_BEGIN] + c->requests[TIERS_PART] +
        c->requests[TIERS_END] + c->requests[TIERS_ABORT] + c->requests[TIERS_LIST] +
        c->requests[TIERS_SWEEP];
}

static uint64_t
get_class(const struct tiers_counts *c)
{
    return c->requests[TIERS_GET] + c->requests[TIERS_VERIFY];
}

static void
put_flow(struct tiers *t, uint64_t bytes, uint64_t records, int64_t ns)
{
    out_uint(t->out, "bytes", bytes);
    out_int(t->out, "microseconds", ns / 1000);
    out_uint(t->out, "bytes_per_second", (uint64_t)per_s(bytes, ns));
    if (records > 0)
        out_uint(t->out, "records_per_second", (uint64_t)per_s(records, ns));
}

static void
put_counts(struct tiers *t, const struct tiers_counts *c)
{
    char key[40];

    for (int op = 0; op < TIERS_OPS; op++) {
        (void)snprintf(key, sizeof(key), "store_%s", tiers_op_names[op]);
        if (c->requests[op] > 0)
            out_uint(t->out, key, c->requests[op]);
    }
    out_uint(t->out, "store_failed", c->failed);
    out_uint(t->out, "store_written_bytes", c->written);
    out_uint(t->out, "store_read_bytes", c->read);
    if (t->o->pid != 0)
        out_int(t->out, "broker_cpu_us", c->cpu_ns / 1000);
}

static void
say_cpu(struct tiers *t, const struct tiers_counts *c, uint64_t bytes)
{
    if (t->o->pid != 0)
        (void)fprintf(t->out->f, "  %.2f CPU-s/GB",
            bytes > 0 ? (double)c->cpu_ns / (double)bytes : 0);
}

void
tiers_print_fill(struct tiers *t, int64_t round, uint64_t bytes, int64_t ns)
{
    char size[32];

    if (begin(t, FILL_TABLE, "")) {
        out_str(t->out, "case", "produce");
        out_int(t->out, "round", round);
        put_flow(t, bytes, 0, ns);
    } else {
        (void)fprintf(t->out->f, "written: %s, %.0f MB/s\n", out_size(bytes, size),
            per_s(bytes, ns) / 1e6);
    }
    end(t);
}

void
tiers_print_offload(struct tiers *t, int64_t round, bool loaded, uint64_t bytes, int64_t ns,
    const struct tiers_counts *c)
{
    char size[32];

    if (begin(t, OFFLOAD_TABLE, "")) {
        out_str(t->out, "case", loaded ? "offload_beside_load" : "offload");
        out_int(t->out, "round", round);
        put_flow(t, bytes, 0, ns);
        put_counts(t, c);
    } else {
        (void)fprintf(t->out->f, "offloaded%s: %s, %.0f MB/s, per GiB %.0f writes and %.0f checks",
            loaded ? " beside the load" : "", out_size(bytes, size), per_s(bytes, ns) / 1e6,
            per_gib(put_class(c), bytes), per_gib(get_class(c), bytes));
        say_cpu(t, c, bytes);
        (void)fprintf(t->out->f, "\n");
    }
    end(t);
}

/* Where the bytes came from, and what of the store it took.  What waited for the disk came by way of
 * memory. */
static void
say_sources(struct tiers *t, const struct tiers_rate *r)
{
    const struct tiers_counts *c = &r->counts;
    const struct {
        const char *name;
        uint64_t bytes;
    } from[] = { { c->slow > 0 ? "disk" : "memory", c->memory }, { "files", c->file },
        { "cold tier", c->cold } };
    uint64_t all = c->memory + c->file + c->cold;
    const char *comma = "  ";

    for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
        if (all == 0 || from[i].bytes * 100 < all)
            continue;
        (void)fprintf(t->out->f, "%s%s", comma, from[i].name);
        if (from[i].bytes < all)
            (void)fprintf(t->out->f, " %.0f %%", 100 * (double)from[i].bytes / (double)all);
        comma = ", ";
    }
    if (c->requests[TIERS_GET] > 0)
        (void)fprintf(t->out->f, ", %.0f reads of the store per GiB, which are %.2f of it",
            per_gib(c->requests[TIERS_GET], r->bytes), (double)c->read / (double)r->bytes);
}

void
tiers_print_read(struct tiers *t, int64_t round, const char *what, int32_t consumers,
    const struct tiers_rate *r)
{
    if (begin(t, READ_TABLE,
            "read from            consumers  first record       MB/s    records/s\n")) {
        out_str(t->out, "case", what);
        out_int(t->out, "round", round);
        out_int(t->out, "consumers", consumers);
        put_flow(t, r->bytes, r->records, r->ns);
        out_int(t->out, "first_record_us", r->first_ns / 1000);
        out_uint(t->out, "steady_bytes_per_second", (uint64_t)per_s(r->steady_bytes, r->steady_ns));
        out_uint(t->out, "steady_records_per_second",
            (uint64_t)per_s(r->steady_records, r->steady_ns));
        out_uint(t->out, "memory_bytes", r->counts.memory);
        out_uint(t->out, "file_bytes", r->counts.file);
        out_uint(t->out, "cold_bytes", r->counts.cold);
        out_uint(t->out, "slow_fetches", r->counts.slow);
        put_counts(t, &r->counts);
        out_bool(t->out, "as_written", true);
    } else {
        (void)fprintf(t->out->f, "%-20s %9" PRId32 " %10.2f ms %10.1f %12.0f", what, consumers,
            (double)r->first_ns / 1e6, per_s(r->steady_bytes, r->steady_ns) / 1e6,
            per_s(r->steady_records, r->steady_ns));
        say_sources(t, r);
        say_cpu(t, &r->counts, r->bytes);
        (void)fprintf(t->out->f, "\n");
    }
    end(t);
}

/* ---- latency ---- */

static double
ratio(const struct vrv_quantiles *h, const struct vrv_quantiles *alone)
{
    uint64_t of = vrv_quantiles_at(alone, 0.99);

    return of > 0 ? (double)vrv_quantiles_at(h, 0.99) / (double)of : 0;
}

static void
put_quantiles(struct tiers *t, const char *name, const struct vrv_quantiles *h)
{
    static const struct {
        const char *name;
        double q;
    } at[] = { { "p50", 0.5 }, { "p99", 0.99 }, { "p999", 0.999 } };
    char key[40];

    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        (void)snprintf(key, sizeof(key), "%s_%s_us", name, at[i].name);
        out_uint(t->out, key, vrv_quantiles_at(h, at[i].q) / 1000);
    }
}

static void
put_late(struct tiers *t, enum tiers_phase phase, const struct tiers_late *late,
    const struct tiers_late *alone, const struct tiers_rate *beside)
{
    out_str(t->out, "case", "load");
    out_str(t->out, "beside", tiers_phase_names[phase]);
    out_uint(t->out, "records", late->produce.n);
    put_quantiles(t, "produce", &late->produce);
    put_quantiles(t, "tail", &late->tail);
    out_int(t->out, "produce_p99_permille", (int64_t)(ratio(&late->produce, &alone->produce) * 1000));
    out_int(t->out, "tail_p99_permille", (int64_t)(ratio(&late->tail, &alone->tail) * 1000));
    if (beside->ns > 0)
        out_uint(t->out, "beside_bytes_per_second", (uint64_t)per_s(beside->bytes, beside->ns));
}

void
tiers_print_late(struct tiers *t, enum tiers_phase phase, const struct tiers_late *late,
    const struct tiers_late *alone, const struct tiers_rate *beside)
{
    if (late->produce.n == 0)
        return;
    if (begin(t, LATE_TABLE,
            "load, and beside it     produce p50      p99   ratio     tail p50      p99   ratio\n")) {
        put_late(t, phase, late, alone, beside);
        end(t);
        return;
    }
    (void)fprintf(t->out->f, "%-20s %11.2f ms %5.2f ms %6.2f %9.2f ms %5.2f ms %6.2f",
        tiers_phase_names[phase], (double)vrv_quantiles_at(&late->produce, 0.5) / 1e6,
        (double)vrv_quantiles_at(&late->produce, 0.99) / 1e6, ratio(&late->produce, &alone->produce),
        (double)vrv_quantiles_at(&late->tail, 0.5) / 1e6,
        (double)vrv_quantiles_at(&late->tail, 0.99) / 1e6, ratio(&late->tail, &alone->tail));
    if (beside->ns > 0)
        (void)fprintf(t->out->f, "  %.0f MB/s", per_s(beside->bytes, beside->ns) / 1e6);
    (void)fprintf(t->out->f, "\n");
    end(t);
}
