#include "t/ledger/fetcher.h"

#include <inttypes.h>

#include "server/base/kerrors.h"
#include "server/wire/wire.h"
#include "t/ledger/value.h"

enum { FETCH_VERSION = 12, WAIT_MS = 50, PARTITION_BYTES_MAX = 65536, FULL_EPOCH = -1 };

void
fetcher_clear(struct fetcher *f)
{
    f->n = 0;
    f->session_id = 0;
    f->session_epoch = f->with_session ? 0 : FULL_EPOCH;
}

void
fetcher_add(struct fetcher *f, int topic, int partition, int64_t at)
{
    f->place[f->n++] = (struct place){ topic, partition, at, -1, false };
    history_add(f->p->l->history, f->p->name, "from %s/%d %" PRId64, topics[topic].name, partition,
        at);
}

/* ---- what came ---- */

/* Values that follow each other are written as one run. */
struct run {
    int64_t offset;
    struct value first;
    int64_t n;
};

static void
write_run(FILE *line, struct run *run)
{
    if (run->n > 0)
        (void)fprintf(line, " %" PRId64 ":%d:%" PRId64 "+%" PRId64, run->offset,
            run->first.producer, run->first.n, run->n);
    run->n = 0;
}

static void
take_record(struct fetcher *f, struct place *pl, const struct vrv_record *r, struct run *run,
    FILE *line)
{
    struct value v = { .topic = pl->topic, .partition = pl->partition };

    if (r->offset < pl->at) /* the batch begins earlier */
        return;
    if (!value_read(f->p->l, r, &v)) {
        write_run(line, run);
        (void)fprintf(line, " %" PRId64 ":?", r->offset);
    } else if (run->n > 0 && r->offset == run->offset + run->n &&
        v.producer == run->first.producer && v.n == run->first.n + run->n) {
        run->n++;
    } else {
        write_run(line, run);
        *run = (struct run){ r->offset, v, 1 };
    }
    pl->at = r->offset + 1;
}

/* All whole batches; a last one may be cut off.  False: what is there is none. */
static bool
take_batches(struct fetcher *f, struct place *pl, const struct vrv_records *recs, FILE *line)
{
    struct run run = { .n = 0 };
    struct vrv_record_iter it;
    struct vrv_record r;
    struct vrv_batch b;
    struct vrv_err e;
    bool ok = true;

    for (int32_t at = 0; ok && at < recs->n; at += (int32_t)b.size) {
        if (vrv_batch_read(&b, recs->p + at, (size_t)(recs->n - at), &e) < 0) {
            ok = at > 0;
            break;
        }
        ok = vrv_batch_check_crc(recs->p + at, &b, &e) == 0 &&
            vrv_record_iter_init(&it, recs->p + at, &b, &e) == 0;
        if (!ok)
            break;
        int rc;
        while ((rc = vrv_record_next(&it, &r, &e)) == 1)
            take_record(f, pl, &r, &run, line);
        vrv_record_iter_fini(&it);
        ok = rc == 0;
    }
    write_run(line, &run);
    return ok;
}

static void
take_partition(struct fetcher *f, struct place *pl, const struct vrv_fetch_resp_partition *part)
{
    struct history *h = f->p->l->history;
    const char *topic = topics[pl->topic].name;

    if (part->error_code == VRV_K_OFFSET_OUT_OF_RANGE) {
        history_add(h, f->p->name, "lost %s/%d %" PRId64 " %s", topic, pl->partition, pl->at,
            vrv_kerror_name(part->error_code));
        pl->lost = true;
        pause_ms(WAIT_MS);
    }
    if (part->error_code != 0 || part->records.n <= 0)
        return;
    FILE *line = history_begin(h, f->p->name);
    (void)fprintf(line, "poll %s/%d", topic, pl->partition);
    if (!take_batches(f, pl, &part->records, line))
        (void)fprintf(line, " %" PRId64 ":?", pl->at);
    history_end(h);
}

static struct place *
find_place(struct fetcher *f, const struct vrv_str *topic, int32_t partition)
{
    for (int i = 0; i < f->n; i++)
        if (f->place[i].partition == partition &&
            vrv_str_is(*topic, topics[f->place[i].topic].name))
            return &f->place[i];
    return NULL;
}

static void
take(struct fetcher *f, const struct vrv_fetch_resp *resp)
{
    for (int32_t i = 0; i < resp->responses.n; i++) {
        const struct vrv_fetch_resp_topic *t = &resp->responses.v[i];

        for (int32_t k = 0; k < t->partitions.n; k++) {
            const struct vrv_fetch_resp_partition *part = &t->partitions.v[k];
            struct place *pl = find_place(f, &t->topic, part->partition_index);

            if (pl != NULL)
                take_partition(f, pl, part);
            else
                history_add(f->p->l->history, f->p->name, "malformed a partition nobody asked for");
        }
    }
}

/* ---- asking ---- */

/* In a session only what it doesn't know yet is asked for. */
static void
make_request(struct fetcher *f, struct vrv_fetch_req *q, struct vrv_fetch_req_topic *t,
    struct vrv_fetch_req_partition *parts)
{
    VRV_WIRE_INIT(fetch_req, q);
    q->max_wait_ms = WAIT_MS;
    q->min_bytes = 1;
    q->max_bytes = 1 << 20;
    q->session_id = f->session_id;
    q->session_epoch = f->session_epoch;
    q->topics.v = t;
    for (int i = 0; i < f->n; i++) {
        struct place *pl = &f->place[i];
        struct vrv_fetch_req_partition *part = &parts[i];

        if (f->session_epoch > 0 && pl->told == pl->at)
            continue;
        VRV_WIRE_INIT(fetch_req_partition, part);
        part->partition = pl->partition;
        part->fetch_offset = pl->told = pl->at;
        part->partition_max_bytes =
            (int32_t)(1 + vrv_rand_below(&f->p->rand, PARTITION_BYTES_MAX));
        VRV_WIRE_INIT(fetch_req_topic, &t[q->topics.n]);
        t[q->topics.n].topic = vrv_str(topics[pl->topic].name);
        t[q->topics.n].partitions.v = part;
        t[q->topics.n++].partitions.n = 1;
    }
}

/* What is out of range goes on where the log begins now, if that is further on. */
static int
go_on(struct fetcher *f)
{
    int64_t start[TOPICS][PARTITIONS_MAX];
    bool lost = false;

    for (int i = 0; i < f->n; i++)
        lost = lost || f->place[i].lost;
    if (!lost)
        return 0;
    int rc = ask_starts(f->p, start);
    for (int i = 0; rc == 0 && i < f->n; i++) {
        struct place *pl = &f->place[i];

        if (!pl->lost)
            continue;
        pl->lost = false;
        if (start[pl->topic][pl->partition] <= pl->at)
            continue;
        pl->at = start[pl->topic][pl->partition];
        history_add(f->p->l->history, f->p->name, "from %s/%d %" PRId64, topics[pl->topic].name,
            pl->partition, pl->at);
    }
    return rc;
}

int
fetcher_poll(struct fetcher *f)
{
    struct vrv_fetch_req_partition parts[PLACES_MAX];
    struct vrv_fetch_req_topic t[PLACES_MAX];
    const struct vrv_fetch_resp *resp;
    struct vrv_fetch_req q;
    struct vrv_err e;

    make_request(f, &q, t, parts);
    int rc = PROCESS_CALL(f->p, fetch, FETCH_VERSION, &q, &resp, &e);
    if (rc < 0 || resp->error_code != 0) {
        f->session_id = 0;
        f->session_epoch = f->with_session ? 0 : FULL_EPOCH;
        return rc;
    }
    if (f->with_session) {
        f->session_id = resp->session_id;
        f->session_epoch = resp->session_id != 0 ? f->session_epoch + 1 : 0;
    }
    take(f, resp);
    return go_on(f);
}
