/* A cursor that waits for a record isn't woken by what is none: markers of transactions. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "engine/batch/build.h"
#include "engine/varve_int.h"
#include "t/lib/tap.h"

struct reader {
    struct varve_cursor *c;
    int rc;
    int64_t offset;
    _Atomic bool done;
};

/* Nothing public writes markers yet. */
static void
append_marker(struct varve_log *part)
{
    static const uint8_t key[] = { 0, 0, 0, 1 }, value[] = { 0, 0, 0, 0, 0, 0 };
    struct vrv_append a = { .log = part->log, .leader_epoch = -1, .internal = true };
    struct vrv_batch_builder b;
    struct vrv_cq cq;
    struct vrv_ticket t = { .done = { .cq = &cq } };
    struct vrv_err e = { 0 };
    const uint8_t *p;

    (void)vrv_cq_init(&cq, 0);
    vrv_batch_builder_init(&b);
    b.producer_id = 7;
    b.producer_epoch = 0;
    b.attrs = VRV_ATTR_TRANSACTIONAL | VRV_ATTR_CONTROL;
    vrv_batch_builder_add(&b, 1, key, sizeof(key), value, sizeof(value), NULL, 0);
    int rc = vrv_batch_builder_finish(&b, VRV_CODEC_NONE, &p, &a.n, &e);
    a.bytes = vrv_fill_take(&part->v->fill, vrv_engine_env(part->v->engine)->pool, a.n, true, &a.slab);
    memcpy(a.bytes, p, a.n);
    if (rc == 0)
        rc = vrv_log_append(&a, 1, &t, NULL, &e);
    if (rc == 0)
        rc = vrv_cq_take(&cq, -1) == &t.done ? t.status : VRV_E_IO;
    OK(rc == 0, "a marker is appended %s", e.msg);
    vrv_slab_unref(a.slab);
    vrv_batch_builder_fini(&b);
    vrv_cq_fini(&cq);
}

static void *
read_one(void *ctx)
{
    struct reader *rd = ctx;
    struct varve_record r = { .offset = -1 };

    rd->rc = varve_cursor_next(rd->c, &r, -1, NULL);
    rd->offset = r.offset;
    atomic_store(&rd->done, true);
    return NULL;
}

/* Does anybody, within ten seconds? */
static bool
waits(struct vrv_log *log)
{
    const struct timespec moment = { 0, 1000000 };
    bool any = false;

    for (int i = 0; i < 10000 && !any; i++) {
        if (i > 0)
            (void)nanosleep(&moment, NULL);
        vrv_lock(&log->lock);
        any = !vrv_list_empty(&log->waiters);
        vrv_unlock(&log->lock);
    }
    return any;
}

int
main(void)
{
    const struct varve_record r = { .timestamp = -1, .value = "v", .value_len = 1 };
    struct reader rd = { .rc = -1 };
    struct varve_error e = { 0 };
    struct varve_record got;
    struct varve_log *part;
    struct varve *v;
    pthread_t t;

    tap_need(varve_open(&v, tap_dir(), NULL, NULL, &e), e.message);
    tap_need(varve_topic_create(v, "t", 1, NULL, 0, &e), e.message);
    part = varve_partition(v, "t", 0, &e);
    append_marker(part);
    IS(varve_cursor_open(&rd.c, part, 0, &e), 0, "a cursor at it");
    IS(varve_cursor_next(rd.c, &got, 0, &e), 0, "who doesn't wait gets nothing");
    IS(varve_cursor_next(rd.c, &got, 1, &e), 0, "nor who waits for a millisecond");
    varve_cursor_close(&rd.c);
    IS(varve_cursor_open(&rd.c, part, 0, &e), 0, "another cursor");
    OK(pthread_create(&t, NULL, read_one, &rd) == 0, "waits for ever");
    OK(waits(part->log), "... on the log");
    OK(!atomic_load(&rd.done), "the marker doesn't end that");
    IS(varve_append(part, &r, 1, NULL, &e), 0, "a record");
    (void)pthread_join(t, NULL);
    IS(rd.rc, 1, "does");
    IS(rd.offset, 1, "and is what it gets");
    varve_cursor_close(&rd.c);
    IS(varve_close(&v, &e), 0, "close");
    return tap_done();
}
