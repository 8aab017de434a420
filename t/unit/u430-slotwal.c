/*
 * Engines over a WAL in slots of a shared store: groups that are stored in any order, owners that
 * are fenced at any moment, and another engine that takes their partitions over while it serves its
 * own.
 */
#include "t/lib/slotrig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/rand.h"
#include "t/lib/tap.h"

enum { PARTS = 3, CALLS_MAX = 400, MODEL_MAX = 4000 };

/* ---- by prefix ---- */

/* Appends to all partitions, with what comes of them. */
struct calls {
    struct rig_call c[CALLS_MAX];
    int part[CALLS_MAX];
    int n;
    int32_t seq[PARTS];
};

static int
append(struct slotrig *o, struct calls *cs, int p)
{
    char value[16];

    VRV_ASSERT(cs->n < CALLS_MAX);
    (void)snprintf(value, sizeof(value), "v%d", cs->n);
    int rc = rig_append(&o->rig, rig_log(&o->rig, "t", p),
        &(struct rig_batch){ .value = value, .producer = true, .producer_id = 5,
            .seq = cs->seq[p] },
        &cs->c[cs->n]);
    if (rc == 0) {
        cs->seq[p]++;
        cs->part[cs->n++] = p;
    }
    return rc;
}

/* What was acknowledged is all that came before it, and what can be read. */
static bool
is_prefix(struct slotrig *o, const struct calls *cs)
{
    int64_t acked[PARTS] = { 0 };
    bool end = false, ok = true;

    for (int i = 0; i < cs->n; i++) {
        bool yes = cs->c[i].posted == 1 && cs->c[i].t.status == 0;

        ok &= HELD(!(yes && end) && cs->c[i].posted <= 1);
        end |= !yes;
        acked[cs->part[i]] += yes;
    }
    for (int p = 0; p < PARTS; p++)
        ok &= HELD(rig_count(&o->rig, rig_log(&o->rig, "t", p), 0) == acked[p]);
    return ok;
}

static bool
prefix_run(uint64_t seed)
{
    static struct slotrig o;
    static struct calls cs;
    struct vrv_rand rnd = { seed };
    struct slotstore *store = slotstore_new();
    unsigned most = 0;
    bool ok = true;

    memset(&cs, 0, sizeof(cs));
    slotrig_init(&o, store, 2 + (unsigned)vrv_rand_below(&rnd, 6), seed);
    rig_topic(&o.rig, "t", PARTS, NULL);
    for (int i = 0; i < 120; i++) {
        if (vrv_rand_below(&rnd, 2))
            ok &= HELD(append(&o, &cs, (int)vrv_rand_below(&rnd, PARTS)) == 0);
        if (vrv_rand_below(&rnd, 2))
            (void)vrv_engine_commit_step(o.rig.eng);
        if (vrv_rand_below(&rnd, 2))
            (void)slotwal_step(o.dev);
        (void)rig_take(&o.rig);
        if (i % 10 == 0)
            ok &= HELD(is_prefix(&o, &cs));
        most = slotwal_in_flight(o.dev) > most ? slotwal_in_flight(o.dev) : most;
    }
    rig_commit(&o.rig);
    ok &= HELD(is_prefix(&o, &cs) && cs.c[cs.n - 1].posted == 1 && most > 1);
    ok &= HELD(rig_close(&o.rig) == 0);
    rig_up(&o.rig);
    ok &= HELD(o.rig.found.clean && o.rig.found.replayed == 0 && is_prefix(&o, &cs));
    slotrig_fini(&o);
    slotstore_free(&store);
    return ok;
}

/* ---- fenced, and taken over ---- */

struct taking {
    struct slotrig *to;
    struct vrv_rand *rnd;
    int64_t own; /* records of its own partition */
    bool ok;
};

/* A group of the old owner's, and something of the new one's in between. */
static int
take_group(void *ctx, const uint8_t *bytes, size_t n, struct vrv_slab *slab,
    struct vrv_err *e)
{
    struct taking *t = ctx;
    struct rig *r = &t->to->rig;

    (void)slab;
    if (vrv_rand_below(t->rnd, 2)) {
        struct vrv_log *log = rig_log(r, "own", 0);

        t->ok &= HELD(rig_put(r, log, "own") == t->own++);
        if (vrv_rand_below(t->rnd, 4) == 0)
            rig_flush(r);
    }
    int rc = vrv_engine_replay(r->eng, bytes, n, e);
    t->ok &= HELD(rig_count(r, rig_log(r, "own", 0), 0) == t->own);
    return rc;
}

/* All that the old owner's readers could see, the new one's see, too, at the same offsets. */
static bool
has_all(struct slotrig *to, struct slotrig *from)
{
    bool ok = true;

    for (int p = 0; p < PARTS; p++) {
        char *old = rig_text(&from->rig, rig_log(&from->rig, "t", p), 0);
        char *new = rig_text(&to->rig, rig_log(&to->rig, "t", p), 0);

        if (!HELD(strncmp(old, new, strlen(old)) == 0 && strchr(new, '!') == NULL)) {
            tap_note("partition %d before: %s; after: %s", p, old, new);
            ok = false;
        }
        free(old);
        free(new);
    }
    return ok;
}

/* The newest batch of each partition is sent again: it is there already; and then the next one. */
static bool
goes_on(struct slotrig *to, const struct calls *cs)
{
    bool ok = true;

    for (int p = 0; p < PARTS; p++) {
        struct vrv_log *log = rig_log(&to->rig, "t", p);
        int64_t end = vrv_log_offsets(log).end;
        struct rig_batch b = { .value = "again", .producer = true, .producer_id = 5,
            .seq = (int32_t)end - 1 };

        ok &= HELD(end <= cs->seq[p]);
        if (end > 0)
            ok &= HELD(rig_put_batch(&to->rig, log, &b) == end - 1);
        b.seq++;
        ok &= HELD(rig_put_batch(&to->rig, log, &b) == end);
    }
    return ok;
}

static void
raise_epochs(struct slotrig *o)
{
    for (int p = 0; p < PARTS; p++) {
        struct vrv_log *log = rig_log(&o->rig, "t", p);

        vrv_log_set_epoch(log, vrv_log_offsets(log).epoch + 1);
    }
}

/* Appends that are cut off by a seal somewhere; the owner notices late. */
static bool
old_life(struct slotrig *o, struct calls *cs, struct vrv_rand *rnd)
{
    uint64_t when = vrv_rand_below(rnd, 150);
    bool ok = true, refused = false;

    for (uint64_t i = 0; i < 200; i++) {
        if (i == when)
            (void)slotwal_fence(o->store, o->name);
        if (vrv_rand_below(rnd, 2) && !refused) {
            int rc = append(o, cs, (int)vrv_rand_below(rnd, PARTS));

            refused = rc != 0;
            ok &= HELD(rc == 0 || rc == VRV_E_FENCED);
        }
        for (uint64_t k = vrv_rand_below(rnd, 3); k > 0; k--)
            (void)vrv_engine_commit_step(o->rig.eng);
        for (uint64_t k = vrv_rand_below(rnd, 3); k > 0; k--)
            (void)slotwal_step(o->dev);
        (void)rig_take(&o->rig);
    }
    rig_commit(&o->rig);
    ok &= HELD(is_prefix(o, cs));
    for (int i = 0; i < cs->n; i++)
        ok &= HELD(cs->c[i].posted == 1 &&
            (cs->c[i].t.status == 0 || cs->c[i].t.status == VRV_E_FENCED));
    return ok;
}

static bool
take_over(struct slotrig *to, struct slotrig *from, struct vrv_rand *rnd, int64_t own)
{
    struct taking t = { to, rnd, own, true };
    int rc = slotrig_replay(from->store, from->name, take_group, &t, &to->rig.e);

    if (rc != 0)
        tap_note("taking over: %s", to->rig.e.msg);
    /* Only then may they be appended to. */
    return rc == 0 && t.ok && rig_checkpoint(&to->rig);
}

/* Two owners; each has the topic "t", of the same id, and one of its own. */
struct owners {
    struct slotrig a, b;
    struct slotstore *sa, *sb;
    struct calls calls;
};

static void
owners_init(struct owners *o, unsigned slots_a, unsigned slots_b, uint64_t seed)
{
    memset(o, 0, sizeof(*o));
    o->sa = slotstore_new();
    o->sb = slotstore_new();
    slotrig_init(&o->a, o->sa, slots_a, seed);
    slotrig_init(&o->b, o->sb, slots_b, seed + 1000);
    for (int i = 0; i < 2; i++) {
        struct rig *r = i == 0 ? &o->a.rig : &o->b.rig;

        rig_topic(r, "t", PARTS, NULL);
        rig_topic(r, "own", 1, NULL);
    }
}

static void
owners_fini(struct owners *o)
{
    slotrig_fini(&o->a);
    slotrig_fini(&o->b);
    slotstore_free(&o->sa);
    slotstore_free(&o->sb);
}

static bool
takeover_run(uint64_t seed)
{
    static struct owners o;
    struct vrv_rand rnd = { seed };
    bool ok = true;

    unsigned slots_a = 1 + (unsigned)vrv_rand_below(&rnd, 6);
    unsigned slots_b = 1 + (unsigned)vrv_rand_below(&rnd, 6);
    owners_init(&o, slots_a, slots_b, seed);
    ok &= HELD(old_life(&o.a, &o.calls, &rnd));
    ok &= HELD(take_over(&o.b, &o.a, &rnd, 0) && has_all(&o.b, &o.a));
    raise_epochs(&o.b);
    ok &= HELD(goes_on(&o.b, &o.calls) && has_all(&o.b, &o.a));
    char *before = rig_text(&o.b.rig, rig_log(&o.b.rig, "t", 0), 0);
    if (vrv_rand_below(&rnd, 2))
        ok &= HELD(rig_checkpoint(&o.b.rig));
    slotrig_crash(&o.b, SIM_DROP_ALL, seed);
    rig_up(&o.b.rig);
    char *after = rig_text(&o.b.rig, rig_log(&o.b.rig, "t", 0), 0);
    ok &= HELD(strcmp(before, after) == 0 && has_all(&o.b, &o.a));
    ok &= HELD(vrv_log_offsets(rig_log(&o.b.rig, "t", 0)).epoch == 1);
    free(before);
    free(after);
    owners_fini(&o);
    return ok;
}

/* There and back again: the first owner restarts, and takes back what the second went on with. */
static bool
return_run(uint64_t seed)
{
    static struct owners o;
    struct vrv_rand rnd = { seed };
    bool ok = true;

    owners_init(&o, 4, 4, seed);
    ok &= HELD(old_life(&o.a, &o.calls, &rnd));
    ok &= HELD(take_over(&o.b, &o.a, &rnd, 0));
    raise_epochs(&o.b);
    ok &= HELD(goes_on(&o.b, &o.calls));
    (void)slotwal_fence(o.sb, o.b.name);
    slotrig_crash(&o.a, SIM_DROP_ALL, seed);
    rig_up(&o.a.rig);
    ok &= HELD(rig_checkpoint(&o.a.rig));
    ok &= HELD(take_over(&o.a, &o.b, &rnd, 0) && has_all(&o.a, &o.b));
    raise_epochs(&o.a);
    ok &= HELD(rig_put(&o.a.rig, rig_log(&o.a.rig, "t", 1), "back") ==
        vrv_log_offsets(rig_log(&o.b.rig, "t", 1)).hw);
    ok &= HELD(rig_close(&o.a.rig) == 0);
    rig_up(&o.a.rig);
    ok &= HELD(has_all(&o.a, &o.b));
    owners_fini(&o);
    return ok;
}

/* ---- crashes ---- */

struct model {
    struct {
        int64_t offset;
        struct rig_call call;
        int part;
        bool gone, seen;
    } v[MODEL_MAX];
    int n;
};

/* What is in the log is what the model has; what the model has as acknowledged is there. */
static bool
model_holds(struct slotrig *o, struct model *m, int p)
{
    char *text = rig_text(&o->rig, rig_log(&o->rig, "t", p), 0), *rest, *w;
    bool there[MODEL_MAX] = { false }, ok = strchr(text, '!') == NULL;

    for (w = strtok_r(text, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest)) {
        char *colon = strchr(w, ':');
        long id = colon != NULL ? strtol(colon + 1, NULL, 10) : -1;

        if (id < 0 || id >= m->n || m->v[id].gone || m->v[id].part != p ||
            m->v[id].offset != strtol(w, NULL, 10))
            ok = false;
        else
            there[id] = true;
    }
    free(text);
    for (int i = 0; i < m->n; i++) {
        if (m->v[i].part != p || m->v[i].gone)
            continue;
        bool acked = m->v[i].call.posted == 1 && m->v[i].call.t.status == 0;

        ok &= HELD(there[i] || !(acked || m->v[i].seen));
        m->v[i].gone = !there[i];
        m->v[i].seen = there[i];
    }
    return ok;
}

static void
crash_act(struct slotrig *o, struct model *m, struct vrv_rand *rnd)
{
    switch (vrv_rand_below(rnd, 8)) {
    case 0: case 1: case 2: {
        int p = (int)vrv_rand_below(rnd, PARTS);
        char value[16];

        if (m->n == MODEL_MAX)
            return;
        (void)snprintf(value, sizeof(value), "%d", m->n);
        int64_t at = vrv_log_offsets(rig_log(&o->rig, "t", p)).end;
        if (rig_append(&o->rig, rig_log(&o->rig, "t", p), &(struct rig_batch){ .value = value },
                &m->v[m->n].call) == 0) {
            m->v[m->n].part = p;
            m->v[m->n++].offset = at;
        }
        break;
    }
    case 3: case 4:
        (void)vrv_engine_commit_step(o->rig.eng);
        break;
    case 5:
        (void)slotwal_step(o->dev);
        break;
    case 6:
        (void)vrv_engine_flush_step(o->rig.eng);
        if (vrv_rand_below(rnd, 10) == 0)
            vrv_log_roll(rig_log(&o->rig, "t", 0));
        break;
    default:
        if (vrv_rand_below(rnd, 20) == 0)
            vrv_engine_want_checkpoint(o->rig.eng);
        (void)vrv_engine_checkpoint_step(o->rig.eng);
        break;
    }
    (void)rig_take(&o->rig);
}

static bool
crash_run(uint64_t seed, uint64_t *checkpoints)
{
    static struct slotrig o;
    static struct model m;
    struct vrv_rand rnd = { seed };
    struct slotstore *store = slotstore_new();
    bool ok = true;

    memset(&m, 0, sizeof(m));
    slotrig_init(&o, store, 1 + (unsigned)vrv_rand_below(&rnd, 8), seed);
    rig_topic(&o.rig, "t", PARTS, "segment.bytes=1000");
    for (int life = 0; life < 5 && ok; life++) {
        for (uint64_t i = vrv_rand_below(&rnd, 300); i > 0; i--)
            crash_act(&o, &m, &rnd);
        ok &= HELD(vrv_engine_error(o.rig.eng, NULL) == 0);
        *checkpoints += vrv_engine_checkpoints(o.rig.eng);
        slotrig_crash(&o, (enum sim_policy)vrv_rand_below(&rnd, SIM_POLICY_COUNT), seed);
        if (rig_open(&o.rig) < 0) {
            tap_note("seed %" PRIu64 ": %s", seed, o.rig.e.msg);
            ok = false;
            break;
        }
        for (int p = 0; p < PARTS; p++)
            ok &= HELD(model_holds(&o, &m, p));
    }
    slotrig_fini(&o);
    slotstore_free(&store);
    return ok;
}

/* The first bad seed of each, or 0. */
static void
by_seed(void)
{
    uint64_t seeds = getenv("VARVE_LONG") ? 5000 : 120, bad[4] = { 0 }, checkpoints = 0;

    for (uint64_t seed = 1; seed <= seeds; seed++) {
        bad[0] = bad[0] || prefix_run(seed) ? bad[0] : seed;
        bad[1] = bad[1] || takeover_run(seed) ? bad[1] : seed;
        bad[2] = bad[2] || return_run(seed) ? bad[2] : seed;
    }
    for (uint64_t seed = 1; seed <= 4 * seeds; seed++)
        bad[3] = bad[3] || crash_run(seed, &checkpoints) ? bad[3] : seed;
    IS(bad[0], 0, "appends complete in their order, though slots complete in any (first bad seed)");
    IS(bad[1], 0,
        "an engine that takes over has all that was acknowledged, and goes on (bad seed)");
    IS(bad[2], 0, "the first one can take it back (bad seed)");
    IS(bad[3], 0, "crashes over slots lose nothing and invent nothing (bad seed)");
    OK(checkpoints > seeds, "%" PRIu64 " checkpoints in between", checkpoints);
}

static int
replay_into(void *ctx, const uint8_t *bytes, size_t n, struct vrv_slab *slab,
    struct vrv_err *e)
{
    (void)slab;
    return vrv_engine_replay(ctx, bytes, n, e);
}

static void
test_fenced(void)
{
    static struct slotrig a, b;
    struct slotstore *s = slotstore_new();
    struct vrv_waiter w = { .done.cq = &b.rig.cq };
    struct rig_call c;

    slotrig_init(&a, s, 4, 1);
    slotrig_init(&b, s, 4, 2);
    rig_topic(&a.rig, "t", 1, NULL);
    rig_topic(&b.rig, "t", 1, NULL);
    (void)rig_put(&a.rig, rig_log(&a.rig, "t", 0), "acked");
    (void)slotwal_fence(s, a.name);
    IS(rig_append(&a.rig, rig_log(&a.rig, "t", 0), &(struct rig_batch){ .value = "late" }, &c), 0,
        "a fenced owner that doesn't know takes an append");
    rig_commit(&a.rig);
    OK(c.posted == 1 && c.t.status == VRV_E_FENCED, "... which is not acknowledged");
    IS(rig_append(&a.rig, rig_log(&a.rig, "t", 0), &(struct rig_batch){ .value = "late" }, &c),
        VRV_E_FENCED, "then it knows (%s)", a.rig.e.msg);
    IS(vrv_engine_error(a.rig.eng, NULL), VRV_E_FENCED, "and says so");
    (void)rig_reads(&a.rig, rig_log(&a.rig, "t", 0), 0, "0:acked ",
        "what was acknowledged can be read there still");
    OK(!rig_checkpoint(&a.rig), "it makes no checkpoint any more");
    vrv_log_wait(rig_log(&b.rig, "t", 0), &w, 0, 1, INT64_MAX);
    IS(slotrig_replay(s, a.name, replay_into, b.rig.eng, &b.rig.e), 0, "another takes over");
    OK(vrv_cq_take(&b.rig.cq, 0) == &w.done && w.status == 0, "who waits there is woken");
    (void)rig_reads(&b.rig, rig_log(&b.rig, "t", 0), 0, "0:acked ", "and reads what was committed");
    IS(slotrig_replay(s, a.name, replay_into, b.rig.eng, &b.rig.e), VRV_E_CORRUPT,
        "the same stream once more doesn't follow (%s)", b.rig.e.msg);
    slotrig_fini(&a);
    slotrig_fini(&b);
    slotstore_free(&s);
}

/* Two engines in one store: neither sees the other's groups, and one that is led to them refuses
 * them. */
static void
test_foreign(void)
{
    static struct slotrig a, b;
    struct slotstore *s = slotstore_new();

    slotrig_init(&a, s, 4, 1);
    slotrig_init(&b, s, 4, 2);
    rig_topic(&a.rig, "t", 1, NULL);
    rig_topic(&b.rig, "t", 1, NULL); /* the same id */
    (void)rig_put(&a.rig, rig_log(&a.rig, "t", 0), "a's");
    (void)rig_put(&b.rig, rig_log(&b.rig, "t", 0), "b's");
    slotrig_crash(&a, SIM_DROP_ALL, 1);
    slotrig_crash(&b, SIM_DROP_ALL, 2);
    b.misled = a.name.wal_id;
    IS(rig_open(&b.rig), VRV_E_CORRUPT, "another engine's WAL is refused (%s)", b.rig.e.msg);
    b.misled = 0;
    rig_up(&b.rig);
    rig_up(&a.rig);
    (void)rig_reads(&a.rig, rig_log(&a.rig, "t", 0), 0, "0:a's ", "each finds its own");
    (void)rig_reads(&b.rig, rig_log(&b.rig, "t", 0), 0, "0:b's ", "... in the same store");
    slotrig_fini(&a);
    slotrig_fini(&b);
    slotstore_free(&s);
}

/* A checkpoint that wants to trim may be the first to find out. */
static void
test_fenced_trim(void)
{
    static struct slotrig a;
    struct slotstore *s = slotstore_new();
    struct rig_call c;

    slotrig_init(&a, s, 4, 1);
    rig_topic(&a.rig, "t", 1, NULL);
    (void)rig_put(&a.rig, rig_log(&a.rig, "t", 0), "acked");
    (void)slotwal_fence(s, a.name);
    OK(!rig_checkpoint(&a.rig), "a fenced owner's checkpoint does not end");
    IS(vrv_engine_error(a.rig.eng, &a.rig.e), VRV_E_FENCED, "it says why (%s)", a.rig.e.msg);
    IS(rig_append(&a.rig, rig_log(&a.rig, "t", 0), &(struct rig_batch){ .value = "late" }, &c),
        VRV_E_FENCED, "and so do appends");
    (void)rig_reads(&a.rig, rig_log(&a.rig, "t", 0), 0, "0:acked ", "reads go on");
    IS(rig_close(&a.rig), VRV_E_FENCED, "and so does the stop");
    slotrig_fini(&a);
    slotstore_free(&s);
}

int
main(void)
{
    test_fenced();
    test_fenced_trim();
    test_foreign();
    by_seed();
    return tap_done();
}
