/* The measurements.  One thread polls all connections. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/tool/bench.h"
#include "server/tool/progress.h"

enum { LATE_NS = 1000000 };

/* A measurement in its course. */
struct run {
    const struct bench_load *l;
    struct bench_result *res;
    struct bench_link *link; /* that produce */
    int64_t link_n;
    struct bench_reader *reader;
    int64_t reader_n;
    struct pollfd *pfd;      /* links, then readers */
    int64_t begun, measured, until; /* times: start, end of the warm-up, end */
    bool warm;               /* the warm-up is over, */
    int64_t broker_ns;       /* and the broker had used so much CPU then */
    int32_t next_partition;
    int64_t sent_bytes;
    struct progress bar;
};

static int
run_init(struct run *r, const struct bench_load *l, struct bench_result *res, int64_t links,
    int64_t readers, struct vrv_err *e)
{
    int rc = 0;

    *r = (struct run){ .l = l, .res = res };
    r->link = vrv_mem_zero((size_t)(links + 1) * sizeof(*r->link));
    r->reader = vrv_mem_zero((size_t)(readers + 1) * sizeof(*r->reader));
    r->pfd = vrv_mem_zero((size_t)(links + readers + 1) * sizeof(*r->pfd));
    for (; rc == 0 && r->link_n < links; r->link_n++)
        rc = bench_link_open(&r->link[r->link_n], l->o->host, l->o->port, e);
    return rc;
}

static void
run_fini(struct run *r)
{
    for (int64_t i = 0; i < r->link_n; i++)
        bench_link_close(&r->link[i]);
    for (int64_t i = 0; i < r->reader_n; i++)
        bench_reader_fini(&r->reader[i]);
    free(r->link);
    free(r->reader);
    free(r->pfd);
    progress_clear(&r->bar);
}

static uint64_t
unread(const struct run *r)
{
    uint64_t n = 0;

    for (int64_t i = 0; i < r->reader_n; i++)
        n += bench_reader_left(&r->reader[i]);
    return n;
}

static void
begin_bar(struct run *r, bool is_timed)
{
    if (is_timed)
        progress_begin_time(&r->bar, r->until - r->begun);
    else if (r->reader_n == 0)
        progress_begin(&r->bar, (uint64_t)r->l->o->bytes);
    else
        progress_begin_count(&r->bar, unread(r), "records");
}

/* For a time after a warm-up, or until all is done. */
static void
run_begin(struct run *r, bool is_timed)
{
    const struct bench_opts *o = r->l->o;

    r->begun = r->measured = bench_now();
    r->until = INT64_MAX;
    if (is_timed) {
        r->measured += o->warm_seconds * 1000000000;
        r->until = r->measured + o->seconds * 1000000000;
    }
    begin_bar(r, is_timed);
}

/* What was measured so far was the warm-up. */
static int
end_warm_up(struct run *r, struct vrv_err *e)
{
    if (r->warm || bench_now() < r->measured)
        return 0;
    for (int64_t i = 0; i < r->reader_n; i++)
        r->reader[i].bytes = r->reader[i].records = 0;
    memset(&r->res->end_to_end, 0, sizeof(r->res->end_to_end));
    r->warm = true;
    return r->l->o->pid == 0 ? 0 : bench_broker_cpu(r->l->o->pid, &r->broker_ns, e);
}

static int
run_end(struct run *r, struct vrv_err *e)
{
    struct bench_result *res = r->res;
    int64_t pid = r->l->o->pid, ns = 0;
    int rc = 0;

    res->seconds = (double)(bench_now() - r->measured) / 1e9;
    if (pid != 0)
        rc = bench_broker_cpu(pid, &ns, e);
    if (pid != 0 && rc == 0)
        rc = bench_broker_memory(pid, &res->broker_bytes, e);
    res->broker_seconds = (double)(ns - r->broker_ns) / 1e9;
    res->broker_cores = res->broker_seconds / res->seconds;
    for (int64_t i = 0; i < r->reader_n; i++) {
        res->records_out += r->reader[i].records;
        res->bytes_out += r->reader[i].bytes;
    }
    return rc;
}

/* ---- producing ---- */

static int
send_one(struct run *r, struct bench_link *link, int64_t due, bool stamp, struct vrv_err *e)
{
    struct bench_request *q = &r->l->produce[r->next_partition];

    r->next_partition = (r->next_partition + 1) % r->l->partition_n;
    if (stamp)
        bench_stamp(q, due);
    r->sent_bytes += (int64_t)q->batch_n;
    return bench_link_send(link, q->frame, q->n, due, e);
}

static int
take_answers(struct run *r, struct bench_link *link, struct vrv_err *e)
{
    const struct bench_request *q = &r->l->produce[0];
    const uint8_t *p;
    int64_t due;
    size_t n;
    int rc = bench_link_fill(link, e);

    while (rc == 0 && bench_link_answer(link, &p, &n, &due)) {
        int64_t now = bench_now();

        rc = bench_check_produced(p, n, e);
        progress_add(&r->bar, q->batch_n);
        if (now < r->measured || due < r->measured)
            continue;
        vrv_quantiles_add(&r->res->produce, now - due);
        r->res->records_in += q->records;
        r->res->bytes_in += q->batch_n;
    }
    return rc;
}

static int64_t
in_flight(const struct run *r)
{
    int64_t n = 0;

    for (int64_t i = 0; i < r->link_n; i++)
        n += bench_link_in_flight(&r->link[i]);
    return n;
}

/* ---- waiting ---- */

/* Until something can be done, or for so long. */
static int
wait_for(struct run *r, int64_t ns, struct vrv_err *e)
{
    int64_t n = r->link_n + r->reader_n;
    struct timespec t = { ns / 1000000000, ns % 1000000000 };

    for (int64_t i = 0; i < n; i++) {
        struct bench_link *l = i < r->link_n ? &r->link[i] : &r->reader[i - r->link_n].link;

        r->pfd[i].fd = l->fd;
        r->pfd[i].events = (short)(POLLIN | (l->out.n > l->out_at ? POLLOUT : 0));
    }
    if (ppoll(r->pfd, (nfds_t)n, &t, NULL) < 0)
        return vrv_err_sys(e, "poll");
    progress_add(&r->bar, 0);
    return 0;
}

static int
serve_links(struct run *r, struct vrv_err *e)
{
    int rc = 0;

    for (int64_t i = 0; rc == 0 && i < r->link_n; i++) {
        if (r->pfd[i].revents & POLLOUT)
            rc = bench_link_flush(&r->link[i], e);
        if (rc == 0 && (r->pfd[i].revents & (POLLIN | POLLHUP)))
            rc = take_answers(r, &r->link[i], e);
    }
    return rc;
}

static int
serve_readers(struct run *r, int32_t max_wait_ms, struct vrv_err *e)
{
    int rc = 0;

    for (int64_t i = 0; rc >= 0 && i < r->reader_n; i++) {
        struct bench_reader *rd = &r->reader[i];

        if (r->pfd[r->link_n + i].revents == 0)
            continue;
        uint64_t records = rd->records;
        rc = bench_link_flush(&rd->link, e);
        if (rc == 0)
            rc = bench_reader_take(rd, e);
        if (r->link_n == 0)
            progress_add(&r->bar, rd->records - records);
        if (rc == 1 && (max_wait_ms > 0 || !bench_reader_done(rd)))
            rc = bench_reader_ask(rd, r->l->o, max_wait_ms, e);
    }
    return rc < 0 ? rc : 0;
}

/* ---- as fast as it goes ---- */

static bool
has_sent_all(const struct run *r)
{
    return r->l->o->bytes > 0 && r->sent_bytes >= r->l->o->bytes;
}

/* Small ones many, large ones a few: what is under way, not when it is answered, limits. */
static int
fill_links(struct run *r, struct vrv_err *e)
{
    int rc = 0;

    for (int64_t i = 0; rc == 0 && i < r->link_n; i++)
        while (rc == 0 && !has_sent_all(r) &&
            bench_link_in_flight(&r->link[i]) < r->l->o->in_flight)
            rc = send_one(r, &r->link[i], bench_now(), false, e);
    return rc;
}

int
bench_run_produce(const struct bench_load *l, struct bench_result *res, struct vrv_err *e)
{
    struct run r;
    int rc = run_init(&r, l, res, l->o->connections, 0, e);

    run_begin(&r, l->o->bytes == 0);
    while (rc == 0 && bench_now() < r.until && !(has_sent_all(&r) && in_flight(&r) == 0)) {
        rc = end_warm_up(&r, e);
        if (rc == 0)
            rc = fill_links(&r, e);
        if (rc == 0)
            rc = wait_for(&r, 100000000, e);
        if (rc == 0)
            rc = serve_links(&r, e);
    }
    if (rc == 0)
        rc = run_end(&r, e);
    run_fini(&r);
    return rc;
}

/* Each reads all partitions, or they share them. */
static int
open_readers(struct run *r, int64_t n, bool whole, struct vrv_err *e)
{
    int32_t all = r->l->partition_n, step = whole ? 1 : (int32_t)n;
    int rc = 0;

    for (; rc == 0 && r->reader_n < n; r->reader_n++) {
        int32_t first = whole ? 0 : (int32_t)r->reader_n;
        struct bench_share share = { first, step, (all - first + step - 1) / step };

        rc = bench_reader_init(&r->reader[r->reader_n], r->l->o, share, whole, e);
    }
    return rc;
}

static bool
all_done(const struct run *r)
{
    for (int64_t i = 0; i < r->reader_n; i++)
        if (!bench_reader_done(&r->reader[i]))
            return false;
    return true;
}

/* All that is there, from the start; the partitions are shared out. */
int
bench_run_consume(const struct bench_load *l, struct bench_result *res, struct vrv_err *e)
{
    struct run r;
    int64_t n = l->o->connections < l->partition_n ? l->o->connections : l->partition_n;
    int rc = run_init(&r, l, res, 0, n, e);

    if (rc == 0)
        rc = open_readers(&r, n, false, e);
    run_begin(&r, false);
    if (rc == 0)
        rc = end_warm_up(&r, e);
    for (int64_t i = 0; rc == 0 && i < r.reader_n; i++)
        if (!bench_reader_done(&r.reader[i]))
            rc = bench_reader_ask(&r.reader[i], l->o, 0, e);
    while (rc == 0 && !all_done(&r)) {
        rc = wait_for(&r, 100000000, e);
        if (rc == 0)
            rc = serve_readers(&r, 0, e);
    }
    if (rc == 0)
        rc = run_end(&r, e);
    run_fini(&r);
    return rc;
}

/* ---- at a fixed rate ---- */

enum { TAIL_WAIT_MS = 500, DRAIN_S = 30 };

/* Requests, each at its time. */
struct pace {
    double per_second;
    int64_t sent, next; /* when the next one is due */
};

/* Each request has its time, and is sent then or as soon as we can; its latency counts from when it
 * was due.  A broker that is too far behind gets them later. */
static int
send_due(struct run *r, struct pace *p, struct vrv_err *e)
{
    int64_t now = bench_now();
    int rc = 0;

    while (rc == 0 && p->next <= now && p->next < r->until) {
        struct bench_link *link = &r->link[p->sent % r->link_n];

        if (bench_link_in_flight(link) == BENCH_IN_FLIGHT_MAX)
            break;
        if (now - p->next > LATE_NS && p->next >= r->measured)
            r->res->late++;
        rc = send_one(r, link, p->next, true, e);
        p->sent++;
        p->next = r->begun + (int64_t)((double)p->sent / p->per_second * 1e9);
    }
    return rc;
}

/* All that was due by the end is answered, and every consumer has it.  Those that weren't sent and
 * those that aren't answered in time are told, or the slowest would be left out. */
static bool
is_drained(const struct run *r, const struct pace *p)
{
    if (p->next < r->until || in_flight(r) > 0)
        return false;
    for (int64_t i = 0; i < r->reader_n; i++)
        if (r->reader[i].batches < (uint64_t)p->sent)
            return false;
    return true;
}

static uint64_t
unanswered(const struct run *r, const struct pace *p)
{
    double unsent = (double)(r->until - p->next) / 1e9 * p->per_second;

    return (uint64_t)in_flight(r) + (unsent > 0 ? (uint64_t)unsent : 0);
}

static int
pace_step(struct run *r, struct pace *p, struct vrv_err *e)
{
    int rc = end_warm_up(r, e);

    if (rc == 0)
        rc = send_due(r, p, e);
    int64_t left = p->next < r->until ? p->next - bench_now() : 1000000;
    if (rc == 0)
        rc = wait_for(r, left > 0 ? left : 0, e);
    if (rc == 0)
        rc = serve_links(r, e);
    if (rc == 0)
        rc = serve_readers(r, TAIL_WAIT_MS, e);
    return rc;
}

int
bench_run_paced(const struct bench_load *l, struct bench_result *res, struct vrv_err *e)
{
    struct run r;
    struct pace p = { .per_second = (double)l->o->rate / (double)l->produce[0].records };
    int rc = run_init(&r, l, res, l->o->connections, l->o->consumers, e);

    if (rc == 0)
        rc = open_readers(&r, l->o->consumers, true, e);
    for (int64_t i = 0; rc == 0 && i < r.reader_n; i++) {
        r.reader[i].late = &res->end_to_end;
        rc = bench_reader_ask(&r.reader[i], l->o, TAIL_WAIT_MS, e);
    }
    run_begin(&r, true);
    p.next = r.begun;
    while (rc == 0 && (bench_now() < r.until || !is_drained(&r, &p)) &&
        bench_now() < r.until + (int64_t)DRAIN_S * 1000000000)
        rc = pace_step(&r, &p, e);
    if (rc == 0)
        rc = run_end(&r, e);
    res->unanswered = unanswered(&r, &p);
    run_fini(&r);
    return rc;
}
