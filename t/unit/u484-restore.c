/* A data directory made anew for topics whose records are elsewhere: they go on where they were, or the
 * directory says that it isn't whole. */
#include "engine/restore.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "t/lib/rig.h"
#include "t/lib/tap.h"

/* A server that is lost: its catalog, and what it knew of "t", partition 1. */
static struct vrv_catalog_kvs catalog;
static struct vrv_past past;
static struct vrv_producers *producers;

static void
lose_server(void)
{
    struct rig r;

    rig_init(&r, 1);
    rig_up(&r);
    rig_topic(&r, "t", 2, "segment.bytes=1000");
    for (int32_t i = 0; i < 5; i++)
        (void)rig_put_batch(&r, rig_log(&r, "t", 1), &(struct rig_batch){ .value = "v",
            .producer = true, .producer_id = 7, .producer_epoch = 1, .seq = i });
    struct vrv_batch b = { .producer_id = 7, .producer_epoch = 1, .base_seq = 4, .base_offset = 4 };
    vrv_producers_update(&producers, &b);
    past = (struct vrv_past){ .id = rig_log(&r, "t", 1)->id, .start = 2, .end = 5,
        .producers = producers };
    vrv_epochs_add(&past.epochs, 3, 0);
    IS(vrv_catalog_dump(vrv_engine_catalog(r.eng), &catalog, &r.e), 0, "a server's catalog is kept");
    (void)rig_close(&r);
    rig_fini(&r);
}

static int
restore(struct rig *r)
{
    int rc = vrv_engine_restore(&r->o, catalog.v, catalog.n, &past, 1, &r->e);

    return rc == 0 ? vrv_engine_restored(&r->o, &r->e) : rc;
}

static void
goes_on(struct rig *r)
{
    struct vrv_log *log = rig_log(r, "t", 1);
    struct vrv_log_offsets o = vrv_log_offsets(log);
    struct rig_batch again = { .value = "v", .producer = true, .producer_id = 7,
        .producer_epoch = 1, .seq = 4 }, next = again;

    OK(o.start == 2 && o.end == 5 && o.local_start == 5, "what isn't here is where it was: %d to %d",
        (int)o.start, (int)o.end);
    OK(o.epoch > 3, "a new epoch began");
    IS(rig_put_batch(r, log, &again), 4, "a producer that repeats itself is known");
    next.seq = 5;
    IS(rig_put_batch(r, log, &next), 5, "and goes on");
    IS(rig_put(r, rig_log(r, "t", 0), "w"), 0, "the other partition is empty");
    rig_reads(r, log, 5, "5:v ", "what is new can be read");
}

static void
test_goes_on(void)
{
    struct rig r;

    rig_init(&r, 2);
    IS(restore(&r), 0, "it is made anew");
    rig_up(&r);
    goes_on(&r);
    IS(rig_close(&r), 0, "it stops");
    rig_up(&r);
    IS(vrv_log_offsets(rig_log(&r, "t", 1)).end, 6, "and starts again");
    rig_crash(&r, SIM_DROP_ALL, 1);
    rig_up(&r);
    rig_reads(&r, rig_log(&r, "t", 1), 5, "5:v ", "also after a crash");
    IS(rig_close(&r), 0, "it stops again");
    IS(restore(&r), VRV_E_FOREIGN, "only an empty directory is made anew: %s", r.e.msg);
    rig_up(&r);
    rig_reads(&r, rig_log(&r, "t", 1), 5, "5:v ", "... another is left as it is");
    (void)rig_close(&r);
    rig_fini(&r);
}

/* Whoever makes it has more to put there. */
static void
test_unfinished(void)
{
    struct rig r;

    rig_init(&r, 3);
    IS(vrv_engine_restore(&r.o, catalog.v, catalog.n, &past, 1, &r.e), 0, "it is made, but isn't whole yet");
    IS(rig_open(&r), VRV_E_FOREIGN, "nobody can open it: %s", r.e.msg);
    r.o.restoring = true;
    rig_up(&r);
    IS(rig_put(&r, rig_log(&r, "t", 0), "w"), 0, "but who makes it, and appends");
    IS(rig_close(&r), 0, "that is there");
    r.o.restoring = false;
    IS(rig_open(&r), VRV_E_FOREIGN, "still nobody can");
    IS(vrv_engine_restored(&r.o, &r.e), 0, "until it is said to be whole");
    rig_up(&r);
    rig_reads(&r, rig_log(&r, "t", 0), 0, "0:w ", "then it is as it was left");
    (void)rig_close(&r);
    rig_fini(&r);
}

/* Power fails at any moment of it: there is nothing, or all, or a word that it isn't whole. */
static void
test_cut_short(void)
{
    int whole = 0, unfinished = 0, empty = 0, other = 0;

    for (uint64_t at = 1; whole < 3 && at < 5000; at++) {
        struct rig r;

        rig_init(&r, at);
        simdisk_crash_at(r.disk, at);
        int rc = restore(&r);
        simdisk_crash(r.disk, SIM_DROP_ALL, at);
        simdisk_abandon(r.disk);
        int opened = rig_open(&r);
        struct vrv_log *log = opened == 0 ? rig_log(&r, "t", 1) : NULL;
        if (opened == VRV_E_FOREIGN && strstr(r.e.msg, "not finished") != NULL)
            unfinished++;
        else if (opened == 0 && log == NULL && rc < 0)
            empty++;
        else if (log != NULL && vrv_log_offsets(log).end == 5)
            whole++;
        else
            other++;
        if (opened == 0)
            (void)rig_close(&r);
        rig_fini(&r);
    }
    OK(whole >= 3 && unfinished > 10 && empty > 10, "cut short, it is empty (%d), or says so (%d), or "
        "whole (%d)", empty, unfinished, whole);
    IS(other, 0, "never anything between");
}

int
main(void)
{
    lose_server();
    test_goes_on();
    test_unfinished();
    test_cut_short();
    vrv_catalog_dump_fini(&catalog);
    vrv_epochs_fini(&past.epochs);
    vrv_producers_free(&producers);
    return tap_done();
}
