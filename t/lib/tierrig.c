#include "t/lib/tierrig.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"

enum { MS = 1000000, MINUTE_MS = 60000, CHUNK = TIERRIG_CHUNK, CACHE = 4000 };

void
tierrig_init(struct tierrig *t, struct simclock *clock, struct vrv_store *store, uint64_t seed)
{
    *t = (struct tierrig){ .clock = clock, .store = store };
    int rc = vrv_cq_init(&t->cq, 0);
    VRV_ASSERT(rc == 0);
    t->retry = vrv_retry_new(&(struct vrv_retry_opts){ .store = store, .clock = &clock->clock,
        .cq = &t->cq, .random = seed, .base_ms = 100, .most_ms = 5000,
        .attempt_ms = { 10000, 10000, 10000 } });
    vrv_parts_init(&t->parts, &(struct vrv_parts_opts){ .retry = t->retry, .cq = &t->cq,
        .clock = &clock->clock, .random = seed, .read_ms = MINUTE_MS, .write_ms = MINUTE_MS,
        .adopt_ms = INT64_MAX, .root_bytes = 2000 });
    vrv_cold_reader_init(&t->reader, &t->parts, &(struct vrv_cache_opts){ .retry = t->retry,
        .cq = &t->cq, .clock = &clock->clock, .bytes = CACHE, .run_bytes = 3 * CHUNK, .ahead_bytes = 4 * CHUNK,
        .read_ms = MINUTE_MS, .again_ms = TIERRIG_AGAIN_MS });
    vrv_pace_init(&t->pace, &clock->clock, INT64_MAX);
    vrv_source_init(&t->source);
    t->o = (struct vrv_move_opts){ .parts = &t->parts, .pace = &t->pace, .source = &t->source,
        .chunk_bytes = CHUNK, .index_interval = CHUNK,
        .upload = { .store = store, .retry = t->retry, .cq = &t->cq, .clock = &clock->clock,
            .parts = 2, .call_ms = MINUTE_MS, .put_max = VRV_STORE_PUT_MAX, .held = &t->held } };
}

void
tierrig_fini(struct tierrig *t)
{
    VRV_ASSERT(t->move == NULL && t->held == 0);
    vrv_producers_free(&t->producers);
    vrv_cold_reader_fini(&t->reader);
    vrv_parts_fini(&t->parts);
    vrv_retry_free(&t->retry);
    vrv_source_fini(&t->source);
    vrv_cq_fini(&t->cq);
}

/* ---- steps ---- */

bool
tierrig_step(struct tierrig *t)
{
    (void)vrv_pace_step(&t->pace);
    struct vrv_done *d = vrv_cq_take(&t->cq, 0);
    if (d != NULL) {
        d->run(d);
        return true;
    }
    (void)vrv_retry_step(t->retry);
    (void)vrv_cache_step(&t->reader.cache);
    return vrv_store_step(t->store);
}

bool
tierrig_wait(struct tierrig *t)
{
    int64_t at = vrv_retry_step(t->retry), turn = vrv_pace_step(&t->pace);
    int64_t now = t->clock->clock.mono_ns(&t->clock->clock);

    int64_t read = vrv_cache_step(&t->reader.cache);

    if (turn < at)
        at = turn;
    if (read < at)
        at = read;
    if (at == INT64_MAX)
        return false;
    simclock_advance_ms(t->clock, at > now ? (at - now) / MS + 1 : 1);
    return true;
}

void
tierrig_run(struct tierrig *t)
{
    do {
        while (tierrig_step(t))
            ;
    } while (tierrig_wait(t));
}

/* ---- moving ---- */

static struct vrv_seg *
next_sealed(struct vrv_log *log, int64_t end)
{
    uint32_t n, i = 0;
    struct vrv_log_seg *v = vrv_log_segs(log, &n);

    while (i < n && v[i].next <= end)
        i++;
    struct vrv_seg *s = i < n ? vrv_log_sealed(log, v[i].base) : NULL;
    free(v);
    return s;
}

static void
was_read(struct vrv_part_wait *w, int status, const struct vrv_err *e)
{
    (void)w;
    (void)status;
    (void)e;
}

/* The manifest that counts, NULL: there is none; or why it can't be read. */
static int
now(struct tierrig *t, struct vrv_log *log, struct vrv_snap **s)
{
    struct vrv_part_wait w = { .run = was_read };
    int rc = vrv_parts_now(&t->parts, &log->id, s, &t->e);

    if (rc == VRV_E_AGAIN) {
        vrv_parts_read(&t->parts, &log->id, &w);
        tierrig_run(t);
        rc = vrv_parts_now(&t->parts, &log->id, s, &t->e);
    }
    return rc == VRV_E_NOTFOUND ? 0 : rc;
}

static void
moved(struct vrv_move *m, int status, const struct vrv_err *e)
{
    struct tierrig *t = VRV_LIST_OF(m->o, struct tierrig, o);

    t->status = status;
    t->e = *e;
    vrv_producers_free(&t->producers);
    t->producers = m->producers;
    t->knows_producers = status == 0;
    if (status < 0)
        vrv_producers_free(&t->producers);
    vrv_snap_unref(t->from);
    vrv_seg_unref(m->seg);
    vrv_log_unref(&t->log);
    free(m);
    t->move = NULL;
    t->from = NULL;
}

bool
tierrig_move(struct tierrig *t, struct vrv_log *log)
{
    struct vrv_snap *from;
    struct vrv_seg *s = NULL;

    VRV_ASSERT(t->move == NULL);
    t->status = now(t, log, &from);
    if (t->status == 0)
        s = next_sealed(log, from != NULL ? from->m.next : 0);
    if (s == NULL) {
        vrv_snap_unref(from);
        return false;
    }
    t->from = from;
    t->log = vrv_log_ref(log);
    t->move = VRV_NEW(struct vrv_move);
    t->move->o = &t->o;
    t->move->seg = s;
    t->move->epoch = log->epoch;
    t->move->start = vrv_log_offsets(log).start;
    t->move->zstd_level = vrv_log_cold_level(log);
    t->move->from = from != NULL ? &from->m : NULL;
    t->move->knows_producers = t->knows_producers;
    t->move->producers = t->producers;
    t->producers = NULL;
    t->move->run = moved;
    vrv_move_begin(t->move);
    return true;
}

int
tierrig_offload(struct tierrig *t, struct vrv_log *log)
{
    t->status = 0;
    while (t->status == 0 && tierrig_move(t, log))
        while (t->move != NULL)
            tierrig_run(t);
    return t->status;
}

int64_t
tierrig_end(struct tierrig *t, struct vrv_log *log)
{
    struct vrv_snap *s;
    int rc = now(t, log, &s);
    int64_t end = rc == 0 && s != NULL ? s->m.next : 0;

    vrv_snap_unref(s);
    return end;
}
