/* Consumers of `varve bench tiers`: each reads a range of one partition, and looks at every byte. */
#include <poll.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "server/tool/bench_tiers.h"

enum { WAIT_MS = 500, STEP_MS = 100, PATIENCE_S = 60 };

struct consumer {
    struct bench_reader r;
    uint64_t sum;
    int64_t begun, first, ended; /* when; 0: not yet */
};

struct reading {
    const struct tiers_read *q;
    struct consumer *v;
    struct pollfd *pfd;
    int32_t begun;     /* consumers that had their first record */
    int64_t begun_ns;  /* when the last of them had, */
    uint64_t begun_bytes, begun_records; /* and what had come by then */
    int64_t moved_ns;  /* when something came last */
};

static int
check_batch(struct bench_reader *r, const uint8_t *p, const struct vrv_batch *b, struct vrv_err *e)
{
    struct consumer *c = r->ctx;

    if (b->base_offset >= r->end[0])
        return 0;
    c->sum += tiers_sum(b->base_offset, b->crc);
    return vrv_batch_check_crc(p, b, e);
}

static int
open_one(struct reading *w, int32_t i, struct vrv_err *e)
{
    const struct tiers_range *g = &w->q->range[i];
    int64_t records = (int64_t)w->q->topic->load.produce[0].records;
    const int64_t range[2] = { g->from * records, g->to * records };
    struct consumer *c = &w->v[i];

    c->r.batch = check_batch;
    c->r.ctx = c;
    return bench_reader_at(&c->r, &w->q->topic->o, g->partition, range, e);
}

static void
count(const struct reading *w, uint64_t *bytes, uint64_t *records)
{
    *bytes = *records = 0;
    for (int32_t i = 0; i < w->q->n; i++) {
        *bytes += w->v[i].r.bytes;
        *records += w->v[i].r.records;
    }
}

static void
note_progress(struct reading *w, struct consumer *c)
{
    w->moved_ns = bench_now();
    if (c->first != 0)
        return;
    c->first = w->moved_ns;
    if (++w->begun < w->q->n)
        return;
    w->begun_ns = w->moved_ns;
    count(w, &w->begun_bytes, &w->begun_records);
}

static int
serve(struct reading *w, struct consumer *c, struct vrv_err *e)
{
    uint64_t records = c->r.records;
    int rc = bench_link_flush(&c->r.link, e);

    if (rc == 0)
        rc = bench_reader_take(&c->r, e);
    if (c->r.records > records)
        note_progress(w, c);
    if (rc <= 0)
        return rc;
    if (!bench_reader_done(&c->r))
        return bench_reader_ask(&c->r, &w->q->topic->o, WAIT_MS, e);
    c->ended = bench_now();
    return 0;
}

static bool
is_over(const struct reading *w)
{
    for (int32_t i = 0; i < w->q->n; i++)
        if (w->v[i].ended == 0)
            return false;
    return true;
}

static int
step(struct reading *w, struct vrv_err *e)
{
    int rc = 0;

    for (int32_t i = 0; i < w->q->n; i++) {
        struct bench_link *l = &w->v[i].r.link;

        w->pfd[i] = (struct pollfd){ .fd = w->v[i].ended == 0 ? l->fd : -1,
            .events = (short)(POLLIN | (l->out.n > l->out_at ? POLLOUT : 0)) };
    }
    if (poll(w->pfd, (nfds_t)w->q->n, STEP_MS) < 0)
        return tiers_stopped(e);
    for (int32_t i = 0; rc >= 0 && i < w->q->n; i++)
        if (w->pfd[i].revents != 0)
            rc = serve(w, &w->v[i], e);
    if (rc >= 0 && bench_now() - w->moved_ns > (int64_t)PATIENCE_S * 1000000000)
        rc = vrv_err_set(e, VRV_E_TIMEDOUT, "no records of %s come for %d s", w->q->topic->name,
            PATIENCE_S);
    return rc < 0 ? rc : tiers_stopped(e);
}

/* Is it what was written? */
static int
check(const struct reading *w, struct vrv_err *e)
{
    for (int32_t i = 0; i < w->q->n; i++) {
        const struct tiers_range *g = &w->q->range[i];
        const uint64_t *sum = w->q->topic->part[g->partition].sum;

        if (w->v[i].sum != sum[g->to] - sum[g->from])
            return vrv_err_set(e, VRV_E_CORRUPT,
                "what is read of %s, partition %d, is not what was written there",
                w->q->topic->name, (int)g->partition);
    }
    return 0;
}

static int
run(struct reading *w, int64_t *begun, struct vrv_err *e)
{
    int rc = 0;

    for (int32_t i = 0; rc == 0 && i < w->q->n; i++)
        rc = open_one(w, i, e);
    *begun = w->moved_ns = bench_now();
    for (int32_t i = 0; rc == 0 && i < w->q->n; i++) {
        w->v[i].begun = bench_now();
        rc = bench_reader_ask(&w->v[i].r, &w->q->topic->o, WAIT_MS, e);
    }
    while (rc == 0 && !is_over(w) && !(w->q->over != NULL && w->q->over(w->q->ctx)))
        rc = step(w, e);
    if (rc == 0 && is_over(w))
        rc = check(w, e);
    return rc;
}

/* What came since all had begun, unless that was at the very end. */
static void
sum_up(const struct reading *w, int64_t begun, struct tiers_rate *r)
{
    int64_t end = bench_now();

    count(w, &r->bytes, &r->records);
    r->ns = end - begun;
    for (int32_t i = 0; i < w->q->n; i++)
        r->first_ns += (w->v[i].first - w->v[i].begun) / w->q->n;
    r->steady_bytes = r->bytes - w->begun_bytes;
    r->steady_records = r->records - w->begun_records;
    r->steady_ns = end - w->begun_ns;
    if (w->begun < w->q->n || r->steady_bytes < r->bytes / 2) {
        r->steady_bytes = r->bytes;
        r->steady_records = r->records;
        r->steady_ns = r->ns;
    }
}

int
tiers_read(struct tiers *t, const struct tiers_read *q, struct tiers_rate *r, struct vrv_err *e)
{
    struct reading w = { .q = q, .v = vrv_mem_zero((size_t)q->n * sizeof(*w.v)),
        .pfd = vrv_mem_zero((size_t)q->n * sizeof(*w.pfd)) };
    struct tiers_counts before;
    int64_t begun = 0;

    *r = (struct tiers_rate){ .ns = 0 };
    for (int32_t i = 0; i < q->n; i++)
        w.v[i].r.link.fd = -1;
    int rc = tiers_count(t, &before, e);
    if (rc == 0)
        rc = run(&w, &begun, e);
    if (rc == 0) {
        sum_up(&w, begun, r);
        rc = tiers_count(t, &r->counts, e);
    }
    if (rc == 0)
        tiers_since(&r->counts, &before);
    for (int32_t i = 0; i < q->n; i++)
        bench_reader_fini(&w.v[i].r);
    free(w.v);
    free(w.pfd);
    return rc;
}
