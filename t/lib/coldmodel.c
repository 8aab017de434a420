#include "t/lib/coldmodel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/rand.h"
#include "engine/batch/record.h"
#include "engine/reader/fetch.h"
#include "t/lib/tap.h"

enum { RUNS = 200, STEPS = 3000, READERS = 5, OFFSETS_MAX = 20000, VALUE_MAX = 400, HELD = 8 };

/* What was appended, by offset. */
struct truth {
    int64_t base; /* of its batch */
    int64_t last;
    int64_t ts;
    uint32_t crc; /* of the batch as it was read for the first time; 0: not yet */
};

struct reader {
    struct vrv_fetch f; /* first */
    struct vrv_read r, was; /* was: what was read last, to look at its numbers only */
    int64_t at;
    int64_t deadline_ns;
    bool busy, cancelled;
};

/* Bytes that somebody holds on to, for a while. */
struct held {
    struct vrv_read r;
    uint32_t crc;
};

struct world {
    uint64_t seed;
    struct vrv_rand rnd;
    struct rig rig;
    struct vrv_cq cq;
    struct truth truth[OFFSETS_MAX];
    int64_t end, start;           /* as they were acknowledged */
    int64_t local;                /* the local start, as it was seen */
    struct reader reader[READERS];
    struct held held[HELD];
    bool store_fails;             /* an error may come of it */
    unsigned wrong;
};

static const struct coldmodel_tier *tier;

static struct {
    unsigned served[3], spans, cancelled, timed_out, failed, deleted, crashes, drops;
} seen;

static uint64_t
below(struct world *w, uint64_t n)
{
    return vrv_rand_below(&w->rnd, n);
}

static struct vrv_log *
the_log(struct world *w)
{
    return rig_log(&w->rig, "t", 0);
}

static void
wrong(struct world *w, const char *what, int64_t a, int64_t b)
{
    if (w->wrong++ == 0)
        tap_note("seed %" PRIu64 ": %s (%" PRId64 ", %" PRId64 ") %s", w->seed, what, a, b,
            w->rig.e.msg);
}

/* ---- what the log goes through ---- */

static void
append(struct world *w)
{
    char value[VALUE_MAX];
    size_t zeros = (size_t)below(w, VALUE_MAX - 24);
    struct rig_batch b = { .value = value, .records = 1 + (int)below(w, 4),
        .ts = 100000 + w->end * 10 + (int64_t)below(w, 300) };
    int64_t last = w->end + b.records - 1;

    if (last >= OFFSETS_MAX)
        return;
    memset(value, '0', zeros);
    (void)snprintf(value + zeros, sizeof(value) - zeros, "%" PRId64, w->end);
    int64_t at = rig_put_batch(&w->rig, the_log(w), &b);
    if (at < 0)
        return; /* no room for now */
    if (at != w->end)
        wrong(w, "an append at another offset", at, w->end);
    for (; w->end <= last; w->end++)
        w->truth[w->end] = (struct truth){ at, last, b.ts, 0 };
}

static void
drop(struct world *w)
{
    int64_t end = tier->offload(the_log(w));
    int64_t to = end > 0 ? (int64_t)below(w, (uint64_t)end + 1) : 0;
    int rc = vrv_log_drop_local(the_log(w), to, NULL, &w->rig.e);

    if (rc < 0 && rc != VRV_E_AGAIN)
        wrong(w, "can't be dropped", to, rc);
    if (below(w, 2) == 0)
        rig_commit(&w->rig);
    seen.drops += rc == 0;
}

static void
delete_records(struct world *w)
{
    int64_t to = w->start + (int64_t)below(w, (uint64_t)(w->end - w->start) / 8 + 1);

    if (rig_set_start(&w->rig, the_log(w), to) == 0)
        w->start = to;
}

static void
check_offsets(struct world *w)
{
    struct vrv_log_offsets o = vrv_log_offsets(the_log(w));

    if (o.start != w->start)
        wrong(w, "the start", o.start, w->start);
    if (o.hw != w->end)
        wrong(w, "the high watermark", o.hw, w->end);
    if (o.local_start < w->local || o.local_start < o.start)
        wrong(w, "the local start", o.local_start, w->local);
    w->local = o.local_start;
}

/* ---- what readers get ---- */

static uint32_t
crc_of(const struct vrv_read *r)
{
    uint32_t crc = 0;

    for (uint32_t i = 0; i < r->slice_n; i++)
        crc = vrv_crc32c(crc, r->slice[i].bytes, r->slice[i].n);
    return crc;
}

static void
let_go(struct world *w, struct held *h)
{
    if (h->r.slice_n > 0 && crc_of(&h->r) != h->crc)
        wrong(w, "bytes changed while they were held", h->r.offset, 0);
    vrv_read_fini(&h->r);
}

/* Is it the batch that was appended there?  Each record holds its batch's offset as text. */
static void
check_batch(struct world *w, const uint8_t *p, const struct vrv_batch *b)
{
    struct truth *t = &w->truth[b->base_offset];
    struct vrv_record_iter it;
    struct vrv_record rec;
    char text[VALUE_MAX] = "";

    if (b->base_offset != t->base || vrv_batch_last_offset(b) != t->last || b->max_ts != t->ts ||
        vrv_batch_check_crc(p, b, NULL) < 0 || vrv_record_iter_init(&it, p, b, NULL) < 0) {
        wrong(w, "another batch", b->base_offset, t->base);
        return;
    }
    while (vrv_record_next(&it, &rec, NULL) > 0) {
        (void)snprintf(text, sizeof(text), "%.*s", (int)rec.value_len, (const char *)rec.value);
        if (strtoll(text, NULL, 10) != t->base)
            wrong(w, "another record", rec.offset, strtoll(text, NULL, 10));
    }
    vrv_record_iter_fini(&it);
    uint32_t crc = vrv_crc32c(0, p, b->size);
    if (t->crc != 0 && t->crc != crc)
        wrong(w, "other bytes than before", b->base_offset, 0);
    t->crc = crc;
}

/* From the batch that holds rd->at on, one after the other. */
static void
check_slices(struct world *w, struct reader *rd)
{
    int64_t next = rd->at < w->end ? w->truth[rd->at].base : rd->at;
    const struct vrv_read *r = &rd->r;
    size_t sum = 0;

    for (uint32_t i = 0; i < r->slice_n; i++) {
        const struct vrv_slice *s = &r->slice[i];
        struct vrv_batch b;
        size_t at = 0;

        for (; at < s->n && vrv_batch_read(&b, s->bytes + at, s->n - at, NULL) == 0; at += b.size) {
            if (b.base_offset != next) {
                wrong(w, "a gap, or a repetition", b.base_offset, next);
                return;
            }
            check_batch(w, s->bytes + at, &b);
            next = vrv_batch_last_offset(&b) + 1;
        }
        sum += s->n;
    }
    if (sum != r->bytes)
        wrong(w, "the read says how many bytes it has", (int64_t)sum, (int64_t)r->bytes);
    if (sum > r->max_bytes && !(r->whole_first && next == w->truth[rd->at].last + 1))
        wrong(w, "more bytes than wanted", (int64_t)sum, (int64_t)r->max_bytes);
    if (r->slice_n > 0)
        rd->at = next;
    else if (r->whole_first && rd->at < w->end)
        wrong(w, "nothing was read", rd->at, w->end);
}

/* Loads ranges of files, looks, and holds on to it or not.  False: there was no memory for that, or perhaps not
 * for all of it. */
static bool
take(struct world *w, struct reader *rd)
{
    bool over = below(w, 2) == 0;
    struct vrv_read *r = &rd->r;
    struct held *h = &w->held[below(w, HELD)];

    if (r->slice_n > 0)
        seen.served[r->slice[0].kind]++;
    for (uint32_t i = 1; i < r->slice_n; i++)
        seen.spans += r->slice[i].kind != r->slice[i - 1].kind;
    int rc = vrv_read_load(the_log(w), r, over, &w->rig.e);
    if (rc == 0)
        check_slices(w, rd);
    else if (rc != VRV_E_NOMEM)
        wrong(w, "a range of a file can't be read", rc, r->offset);
    rd->was = *r;
    let_go(w, h);
    *h = (struct held){ .r = *r, .crc = rc == 0 ? crc_of(r) : 0 };
    if (rc < 0 || below(w, 2) == 0)
        vrv_read_fini(&h->r);
    return rc == 0 && over;
}

/* A read ends where its limit is, or where what follows isn't at hand.  It was taken just now. */
static void
check_end(struct world *w, const struct reader *rd)
{
    const struct vrv_read *was = &rd->was;
    struct vrv_read more = { .offset = rd->at,
        .max_bytes = was->max_bytes > was->bytes ? was->max_bytes - was->bytes : 0 };

    if (was->more != (rd->at < w->end))
        wrong(w, "a read says whether there is more", rd->at, w->end);
    if (was->slice_n == VRV_READ_SLICES || rd->at > w->end)
        return;
    int rc = vrv_read(the_log(w), &more, &w->rig.e);
    if (rc == 0 && more.slice_n > 0)
        wrong(w, "a read ended before its limit", was->offset, rd->at);
    vrv_read_fini(&more);
}

static void
refused(struct world *w, struct reader *rd, int rc)
{
    int64_t now = w->rig.clock.clock.mono_ns(&w->rig.clock.clock);

    if (rc == VRV_E_RANGE) {
        seen.deleted++;
        if (rd->at >= w->start)
            wrong(w, "out of range", rd->at, w->start);
        rd->at = w->start;
    } else if (rc == VRV_E_CANCELLED) {
        seen.cancelled++;
        if (!rd->cancelled)
            wrong(w, "cancelled by nobody", rd->at, 0);
    } else if (rc == VRV_E_TIMEDOUT) {
        seen.timed_out++;
        if (rd->deadline_ns > now && !w->store_fails)
            wrong(w, "timed out too early", rd->deadline_ns, now);
    } else {
        seen.failed++;
        if (!w->store_fails || rc == VRV_E_NOTFOUND)
            tap_note("%s; %s", rd->f.err.msg, w->rig.e.msg);
        if (!w->store_fails || rc == VRV_E_NOTFOUND)
            wrong(w, "reading fails", rc, rd->at);
    }
}

static void
read_on(struct world *w, struct reader *rd)
{
    int64_t now = w->rig.clock.clock.mono_ns(&w->rig.clock.clock);

    if (below(w, 30) == 0) /* somewhere else, perhaps where nothing is any more */
        rd->at = w->start + (int64_t)below(w, (uint64_t)(w->end - w->start) + 1) -
            (below(w, 4) == 0 && w->start > 0);
    rd->r = (struct vrv_read){ .offset = rd->at, .max_bytes = (size_t)below(w, 5000),
        .whole_first = below(w, 3) != 0 };
    int rc = vrv_read(the_log(w), &rd->r, &w->rig.e);
    if (rc == 0) {
        if (take(w, rd))
            check_end(w, rd);
    } else if (rc != VRV_READ_COLD) {
        refused(w, rd, rc);
    }
    if (rc != VRV_READ_COLD)
        return;
    rd->deadline_ns = below(w, 3) == 0 ? now + (int64_t)below(w, 50) * 1000000 : INT64_MAX;
    rd->f = (struct vrv_fetch){ .done.cq = &w->cq, .read = &rd->r };
    rd->busy = true;
    rd->cancelled = false;
    vrv_fetch(the_log(w), &rd->f, rd->deadline_ns);
}

static void
take_posted(struct world *w)
{
    struct vrv_done *d;

    while ((d = vrv_cq_take(&w->cq, 0)) != NULL) {
        struct reader *rd = (struct reader *)(void *)d;

        rd->busy = false;
        if (rd->f.status == 0)
            (void)take(w, rd);
        else
            refused(w, rd, rd->f.status);
    }
}

static void
cancel(struct world *w, struct reader *rd)
{
    rd->cancelled = true;
    vrv_fetch_cancel(the_log(w), &rd->f);
}

static void
step_reader(struct world *w)
{
    struct reader *rd = &w->reader[below(w, READERS)];

    if (!rd->busy)
        read_on(w, rd);
    else if (below(w, 10) == 0)
        cancel(w, rd);
    take_posted(w);
}

/* ---- look-ups by time, against all that was appended ---- */

static int64_t
first_as_new(const struct world *w, int64_t ts)
{
    for (int64_t at = w->start; at < w->end; at++)
        if (w->truth[at].ts >= ts)
            return at;
    return -1;
}

static void
look_up(struct world *w)
{
    struct vrv_read_found found;
    int64_t ts = 100000 + (int64_t)below(w, (uint64_t)w->end * 10 + 400), newest = -1;

    for (int64_t at = w->start; at < w->end; at++)
        if (newest < 0 || w->truth[at].ts > w->truth[newest].ts)
            newest = at;
    if (w->store_fails)
        return;
    tier->thread(true);
    int rc = vrv_read_time(the_log(w), ts, INT64_MAX, &found, &w->rig.e);
    if (rc != VRV_E_NOMEM && (rc < 0 || found.offset != first_as_new(w, ts)))
        wrong(w, "a look-up by time", found.offset, first_as_new(w, ts));
    rc = vrv_read_max_time(the_log(w), INT64_MAX, &found, &w->rig.e);
    if (rc != VRV_E_NOMEM && (rc < 0 || found.offset != newest))
        wrong(w, "the newest record", found.offset, newest);
    tier->thread(false);
    take_posted(w);
}

/* ---- days ---- */

static bool
is_anybody_busy(const struct world *w)
{
    bool any = false;

    for (int i = 0; i < READERS; i++)
        any |= w->reader[i].busy;
    return any;
}

/* Everybody gives back what he has; no fetch is left. */
static void
quiet(struct world *w)
{
    for (int i = 0; i < READERS; i++)
        if (w->reader[i].busy)
            cancel(w, &w->reader[i]);
    while (is_anybody_busy(w) && tier->step())
        take_posted(w);
    take_posted(w);
    for (int i = 0; i < HELD; i++)
        let_go(w, &w->held[i]);
}

/* Objects of both kinds lie side by side. */
static void
pack_or_not(struct world *w)
{
    (void)rig_alter(&w->rig, "t", below(w, 2) == 0 ? "varve.tier.compression.zstd.level=0"
                                                   : "varve.tier.compression.zstd.level=1");
}

static void
stop_and_start(struct world *w)
{
    tier->well();
    w->store_fails = true; /* what is under way may still fail */
    quiet(w);
    bool crash = below(w, 3) > 0;
    tier->down(&w->rig, crash);
    seen.crashes++;
    if (!crash && rig_close(&w->rig) < 0)
        wrong(w, "an orderly stop", 0, 0);
    else if (crash)
        rig_crash(&w->rig, (enum sim_policy)below(w, SIM_POLICY_COUNT), below(w, 1000));
    rig_up(&w->rig);
    tier->up(&w->rig);
    pack_or_not(w);
}

static void
trouble(struct world *w)
{
    tier->well();
    take_posted(w); /* what failed until now may have */
    w->store_fails = below(w, 2) == 0;
    if (w->store_fails)
        tier->trouble(&w->rnd);
}

static void
step(struct world *w)
{
    uint64_t dice = below(w, 1000);

    if (dice < 150)
        append(w);
    else if (dice < 250)
        (void)vrv_engine_flush_step(w->rig.eng);
    else if (dice < 252)
        (void)rig_checkpoint(&w->rig);
    else if (dice < 255)
        vrv_engine_want_checkpoint(w->rig.eng);
    else if (dice < 270)
        vrv_log_roll(the_log(w));
    else if (dice < 285)
        drop(w);
    else if (dice < 300)
        rig_pass(&w->rig, (int64_t)below(w, 40));
    else if (dice < 306)
        delete_records(w);
    else if (dice < 310)
        stop_and_start(w);
    else if (dice < 315)
        trouble(w);
    else if (dice < 320)
        look_up(w);
    else if (dice < 600)
        (void)tier->step();
    else
        step_reader(w);
    (void)vrv_engine_expire_step(w->rig.eng);
    if (below(w, 4) == 0)
        (void)vrv_engine_checkpoint_step(w->rig.eng);
    if (below(w, 4) == 0)
        (void)vrv_engine_commit_step(w->rig.eng);
    check_offsets(w);
}

/* With nothing in the way any more, one reader gets all that is left. */
static void
read_all(struct world *w)
{
    struct reader *rd = &w->reader[0];

    tier->well();
    quiet(w);
    w->store_fails = false;
    rd->at = w->start;
    for (int i = 0; i < 10 * OFFSETS_MAX && rd->at < w->end && w->wrong == 0; i++) {
        if (!rd->busy)
            read_on(w, rd);
        (void)tier->step();
        take_posted(w);
    }
    if (rd->at != w->end)
        wrong(w, "not all could be read", rd->at, w->end);
}

static void
run(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    w->seed = seed;
    w->rnd = (struct vrv_rand){ seed };
    rig_init(&w->rig, seed);
    (void)vrv_cq_init(&w->cq, 0);
    tier->begin(&w->rig, seed);
    w->rig.o.memory_bytes = (size_t)1 << 20;
    rig_up(&w->rig);
    tier->up(&w->rig);
    rig_topic(&w->rig, "t", 1, "segment.bytes=4000 index.interval.bytes=500 retention.ms=-1");
    pack_or_not(w);
    for (int i = 0; i < STEPS && w->wrong == 0; i++)
        step(w);
    read_all(w);
    quiet(w);
    tier->down(&w->rig, false);
    rig_fini(&w->rig);
    tier->end();
    vrv_cq_fini(&w->cq);
}

bool
coldmodel(const struct coldmodel_tier *t)
{
    struct world *w = malloc(sizeof(*w));
    uint64_t first = tap_number("VARVE_SEED", 1), n = tap_number("VARVE_RUNS", RUNS), bad = 0;

    VRV_ASSERT(w != NULL);
    tier = t;
    for (uint64_t i = 0; i < n; i++) {
        run(w, first + i);
        bad += w->wrong > 0;
    }
    free(w);
    IS(bad, 0, "readers get every record once, in order, as it was appended (%d runs from seed %d)",
        (int)n, (int)first);
    tap_note("served from memory %u, files %u, cold %u, %u borders crossed; %u cancelled, %u timed out, %u failed, "
        "%u were of deleted records; %u drops, %u stops", seen.served[VRV_SLICE_MEMORY],
        seen.served[VRV_SLICE_FILE], seen.served[VRV_SLICE_COLD], seen.spans, seen.cancelled, seen.timed_out,
        seen.failed, seen.deleted, seen.drops, seen.crashes);
    OK(n < RUNS || (seen.served[0] > 100 && seen.served[1] > 100 && seen.served[2] > 100 &&
            seen.spans > 1000 && seen.cancelled > 0 && seen.timed_out > 0 && seen.failed > 0 && seen.deleted > 0),
        "from everywhere, and all that may happen did");
    return n >= RUNS;
}
