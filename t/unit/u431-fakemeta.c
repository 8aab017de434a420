/*
 * Topics and epochs of an engine whose metastore is far away: answers are late, overtake each
 * other, and some outcomes are unknown.  Still each change of a topic has its effect once.
 */
#include "t/lib/rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rand.h"
#include "t/lib/fakemeta.h"
#include "t/lib/tap.h"

enum { NAMES = 5, PARTS = 2, IDS_MAX = 400 };

struct world {
    struct rig rig;
    struct vrv_metastore *store;
    struct vrv_rand rnd;
    bool exists[NAMES];
    char mark[NAMES][16];   /* the only record of each partition 0, or empty */
    int32_t epoch[NAMES];   /* the newest of partition 1 */
    int32_t parts[NAMES];
    int32_t segment[NAMES]; /* segment.bytes */
    int made;
    bool ok;
};

static const char *
name_of(int i)
{
    static const char *const names[NAMES] = { "a", "b", "c", "d", "e" };

    return names[i];
}

static void
world_init(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    w->rnd.state = seed;
    w->ok = true;
    rig_init(&w->rig, seed);
    w->store = fakemeta_new(&(struct fakemeta_opts){ .seed = seed,
        .delay_max = 1 + (unsigned)(seed % 7), .unknown_percent = 5 + (unsigned)(seed * 7 % 30),
        .late_max = (unsigned)(seed % 5) * 10, .rewind_percent = (unsigned)(seed % 3) * 5 });
    w->rig.o.meta = w->store;
    rig_up(&w->rig);
}

static void
world_fini(struct world *w, unsigned *unknown)
{
    unsigned n, done;

    fakemeta_counts(w->store, &n, &done);
    *unknown += n;
    rig_fini(&w->rig);
    vrv_meta_close(&w->store);
}

static void
create(struct world *w, int i)
{
    int rc = rig_create(&w->rig, name_of(i), PARTS, "segment.bytes=1000");

    w->ok &= HELD(rc == (w->exists[i] ? VRV_E_EXISTS : 0));
    if (rc != 0)
        return;
    w->exists[i] = true;
    w->epoch[i] = 0;
    w->parts[i] = PARTS;
    w->segment[i] = 1000;
    (void)snprintf(w->mark[i], sizeof(w->mark[i]), "%d", w->made++);
    w->ok &= HELD(rig_put(&w->rig, rig_log(&w->rig, name_of(i), 0), w->mark[i]) == 0);
}

static void
delete(struct world *w, int i)
{
    int rc = vrv_engine_delete_topic(w->rig.eng, name_of(i), &w->rig.e);

    w->ok &= HELD(rc == (w->exists[i] ? 0 : VRV_E_NOTFOUND));
    w->exists[i] = false;
}

/* A new epoch of one partition: higher than any that was given. */
static void
bump(struct world *w, int i)
{
    struct vrv_log *log = rig_log(&w->rig, name_of(i), 1);

    if (log == NULL)
        return;
    struct vrv_catbump b = { log->id.topic, log->id.partition, -1 };
    int rc = vrv_catalog_bump(vrv_engine_catalog(w->rig.eng), &b, 1, &w->rig.e);
    w->ok &= HELD(rc == 0 && b.epoch > w->epoch[i]);
    if (rc == 0) {
        w->epoch[i] = b.epoch;
        vrv_log_set_epoch(log, b.epoch);
    }
}

static void
alter(struct world *w, int i)
{
    int32_t to = 1000 + (int32_t)vrv_rand_below(&w->rnd, 3);
    char text[40];

    (void)snprintf(text, sizeof(text), "segment.bytes=%d", (int)to);
    int rc = rig_alter(&w->rig, name_of(i), text);
    w->ok &= HELD(rc == (w->exists[i] ? 0 : VRV_E_NOTFOUND));
    w->segment[i] = to;
}

static void
grow(struct world *w, int i)
{
    int32_t to = 2 + (int32_t)vrv_rand_below(&w->rnd, 8);
    int want = !w->exists[i] ? VRV_E_NOTFOUND : to <= w->parts[i] ? VRV_E_INVALID : 0;
    int rc = vrv_engine_grow_topic(w->rig.eng, name_of(i), to, &w->rig.e);

    w->ok &= HELD(rc == want);
    if (rc == 0)
        w->parts[i] = to;
}

static int
count_topic(void *ctx, const struct vrv_topic_info *t)
{
    (void)t;
    (*(int *)ctx)++;
    return 0;
}

/* The topics that there should be, each with what was put into it, and no others. */
static void
check(struct world *w)
{
    int n = 0, want = 0;

    (void)vrv_catalog_each(vrv_engine_catalog(w->rig.eng), count_topic, &n);
    for (int i = 0; i < NAMES; i++) {
        struct vrv_log *log = rig_log(&w->rig, name_of(i), 0);

        want += w->exists[i];
        if (!HELD((log != NULL) == w->exists[i])) {
            w->ok = false;
            continue;
        }
        if (log == NULL)
            continue;
        char expect[32], *got = rig_text(&w->rig, log, 0);

        (void)snprintf(expect, sizeof(expect), "0:%s ", w->mark[i]);
        w->ok &= HELD(strcmp(got, expect) == 0);
        free(got);
        w->ok &= HELD((int32_t)log->config->segment_bytes == w->segment[i]);
        w->ok &= HELD(rig_log(&w->rig, name_of(i), w->parts[i] - 1) != NULL);
        w->ok &= HELD(rig_log(&w->rig, name_of(i), w->parts[i]) == NULL);
        w->ok &= HELD(vrv_catalog_epoch(vrv_engine_catalog(w->rig.eng), &log->id.topic, 1) >=
            w->epoch[i]);
    }
    w->ok &= HELD(n == want);
}

static void
restart(struct world *w, bool crash)
{
    if (crash)
        rig_crash(&w->rig, SIM_DROP_ALL, vrv_rand_next(&w->rnd));
    else
        w->ok &= HELD(rig_close(&w->rig) == 0);
    w->ok &= HELD(rig_open(&w->rig) == 0);
}

static bool
run(uint64_t seed, unsigned *unknown)
{
    static struct world w;

    world_init(&w, seed);
    for (int i = 0; i < 60 && w.ok; i++) {
        int name = (int)vrv_rand_below(&w.rnd, NAMES);

        switch (vrv_rand_below(&w.rnd, 12)) {
        case 0: case 1: case 2: case 3:
            create(&w, name);
            break;
        case 4: case 5:
            delete(&w, name);
            break;
        case 6: case 7:
            bump(&w, name);
            break;
        case 8:
            alter(&w, name);
            break;
        case 9:
            grow(&w, name);
            break;
        case 10:
            rig_pass(&w.rig, 1000); /* bury what is deleted */
            w.ok &= HELD(rig_checkpoint(&w.rig));
            break;
        default:
            if (vrv_rand_below(&w.rnd, 2))
                restart(&w, vrv_rand_below(&w.rnd, 2));
            break;
        }
        if (w.ok)
            check(&w);
    }
    /* Whatever is late has come by then. */
    for (int i = 0; i < 100; i++)
        if (vrv_meta_step(w.store, NULL) < 0)
            w.ok = false;
    if (w.ok)
        check(&w);
    for (int i = 0; i < NAMES && w.ok; i++)
        if (w.exists[i])
            delete(&w, i);
    for (int i = 0; i < 4 && w.ok; i++) {
        rig_commit(&w.rig);
        rig_flush(&w.rig);
        w.ok &= HELD(rig_checkpoint(&w.rig));
        rig_pass(&w.rig, 1000);
    }
    w.ok = w.ok && HELD(rig_files(&w.rig, "log", "7a7a") == 0);
    world_fini(&w, unknown);
    return w.ok;
}

/* A lossy log asks this metastore for its new epoch. */
static bool
lossy_run(uint64_t seed, unsigned *unknown)
{
    static struct world w;
    int64_t last = -1;

    world_init(&w, seed);
    w.ok &= HELD(rig_create(&w.rig, "t", 1, "flush.policy=none") == 0);
    for (int32_t life = 0; life < 4 && w.ok; life++) {
        struct vrv_log *log = rig_log(&w.rig, "t", 0);
        int32_t epoch = vrv_log_offsets(log).epoch;

        for (int i = 0; i < 3; i++) {
            int64_t at = rig_put(&w.rig, log, "x");

            w.ok &= HELD(at > last);
            last = at;
        }
        restart(&w, true);
        w.ok = w.ok && HELD(vrv_log_offsets(rig_log(&w.rig, "t", 0)).epoch > epoch);
    }
    world_fini(&w, unknown);
    return w.ok;
}

int
main(void)
{
    uint64_t seeds = getenv("VARVE_LONG") ? 5000 : 150, bad = 0, bad_lossy = 0;
    unsigned unknown = 0;

    for (uint64_t seed = 1; seed <= seeds; seed++) {
        bad = bad || run(seed, &unknown) ? bad : seed;
        bad_lossy = bad_lossy || lossy_run(seed, &unknown) ? bad_lossy : seed;
    }
    IS(bad, 0, "changes of topics have their effect once, epochs never repeat (bad seed)");
    IS(bad_lossy, 0, "lossy logs get a new epoch after each crash (bad seed)");
    OK(unknown > seeds, "%u outcomes were unknown", unknown);
    return tap_done();
}
