/* The measurements.  One thread polls all connections. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/tool/bench.h"

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
    int32_t next_partition;
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
}

static void
run_begin(struct run *r)
{
    r->begun = bench_now();
    r->measured = r->begun + r->l->o->warm_seconds * 1000000000;
    r->until = r->measured + r->l->o->seconds * 1000000000;
}

/* ---- producing ---- */

static int
send_one(struct run *r, struct bench_link *link, int64_t due, bool stamp, struct vrv_err *e)
{
    struct bench_request *q = &r->l->produce[r->next_partition];

    r->next_partition = (r->next_partition + 1) % r->l->partition_n;
    if (stamp)
        bench_stamp(q, due);
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
        if (now < r->measured || due < r->measured || now > r->until)
            continue;
        vrv_quantiles_add(&r->res->produce, now - due);
        r->res->records_in += q->records;
        r->res->bytes_in += q->batch_n;
    }
    return rc;
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
        rc = bench_link_flush(&rd->link, e);
        if (rc == 0)
            rc = bench_reader_take(rd, e);
        if (rc == 1 && (max_wait_ms > 0 || !bench_reader_done(rd)))
            rc = bench_reader_ask(rd, r->l, max_wait_ms, e);
    }
    return rc < 0 ? rc : 0;
}

/* ---- as fast as it goes ---- */

/* Small ones many, large ones a few: what is under way, not when it is answered, limits. */
static int
fill_links(struct run *r, struct vrv_err *e)
{
    int rc = 0;

    for (int64_t i = 0; rc == 0 && i < r->link_n; i++)
        while (rc == 0 && bench_link_in_flight(&r->link[i]) < r->l->o->in_flight)
            rc = send_one(r, &r->link[i], bench_now(), false, e);
    return rc;
}

int
bench_run_produce(const struct bench_load *l, struct bench_result *res, struct vrv_err *e)
{
    struct run r;
    int rc = run_init(&r, l, res, l->o->connections, 0, e);

    run_begin(&r);
    while (rc == 0 && bench_now() < r.until) {
        rc = fill_links(&r, e);
        if (rc == 0)
            rc = wait_for(&r, 100000000, e);
        if (rc == 0)
            rc = serve_links(&r, e);
    }
    res->seconds = (double)l->o->seconds;
    run_fini(&r);
    return rc;
}

static int
open_readers(struct run *r, int64_t n, bool whole, struct vrv_err *e)
{
    int rc = 0;

    for (; rc == 0 && r->reader_n < n; r->reader_n++)
        rc = bench_reader_init(&r->reader[r->reader_n], r->l, whole ? 0 : (int32_t)r->reader_n,
            whole ? 1 : (int32_t)n, whole, e);
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

static void
sum_readers(struct run *r)
{
    for (int64_t i = 0; i < r->reader_n; i++) {
        r->res->records_out += r->reader[i].records;
        r->res->bytes_out += r->reader[i].bytes;
    }
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
    run_begin(&r);
    for (int64_t i = 0; rc == 0 && i < r.reader_n; i++)
        if (!bench_reader_done(&r.reader[i]))
            rc = bench_reader_ask(&r.reader[i], l, 0, e);
    while (rc == 0 && !all_done(&r)) {
        rc = wait_for(&r, 100000000, e);
        if (rc == 0)
            rc = serve_readers(&r, 0, e);
    }
    res->seconds = (double)(bench_now() - r.begun) / 1e9;
    sum_readers(&r);
    run_fini(&r);
    return rc;
}

/* ---- at a fixed rate ---- */

/* Each request has its time, and is sent then or as soon as we can; its latency counts from when it
 * was due. */
static int
send_due(struct run *r, int64_t *sent, int64_t *next, struct vrv_err *e)
{
    double per_second = (double)r->l->o->rate / (double)r->l->produce[0].records;
    int64_t now = bench_now();
    int rc = 0;

    while (rc == 0 && *next <= now && *next < r->until) {
        if (now - *next > LATE_NS && *next >= r->measured)
            r->res->late++;
        rc = send_one(r, &r->link[*sent % r->link_n], *next, true, e);
        (*sent)++;
        *next = r->begun + (int64_t)((double)*sent / per_second * 1e9);
    }
    return rc;
}

/* What readers have measured so far was the warm-up. */
static void
forget_warm_up(struct run *r)
{
    for (int64_t i = 0; i < r->reader_n; i++)
        r->reader[i].bytes = r->reader[i].records = 0;
    memset(&r->res->end_to_end, 0, sizeof(r->res->end_to_end));
}

int
bench_run_paced(const struct bench_load *l, struct bench_result *res, struct vrv_err *e)
{
    enum { TAIL_WAIT_MS = 500, GRACE_NS = 200000000 };
    struct run r;
    int64_t sent = 0, next;
    bool warm = false;
    int rc = run_init(&r, l, res, l->o->connections, l->o->consumers, e);

    if (rc == 0)
        rc = open_readers(&r, l->o->consumers, true, e);
    for (int64_t i = 0; rc == 0 && i < r.reader_n; i++) {
        r.reader[i].late = &res->end_to_end;
        rc = bench_reader_ask(&r.reader[i], l, TAIL_WAIT_MS, e);
    }
    run_begin(&r);
    next = r.begun;
    while (rc == 0 && bench_now() < r.until + GRACE_NS) {
        if (!warm && bench_now() >= r.measured) {
            forget_warm_up(&r);
            warm = true;
        }
        rc = send_due(&r, &sent, &next, e);
        int64_t left = (next < r.until ? next : r.until + GRACE_NS) - bench_now();
        if (rc == 0)
            rc = wait_for(&r, left > 0 ? left : 0, e);
        if (rc == 0)
            rc = serve_links(&r, e);
        if (rc == 0)
            rc = serve_readers(&r, TAIL_WAIT_MS, e);
    }
    res->seconds = (double)l->o->seconds;
    sum_readers(&r);
    run_fini(&r);
    return rc;
}
