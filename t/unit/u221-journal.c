/* The journal: group commit, order, atomic chains, syncs, claims, and what follows a failure. */
#include "engine/wal/journal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/jrig.h"
#include "t/lib/tap.h"

/* ---- a device that remembers ---- */

enum { GROUP_MAX = 16 * 1024, ALIGN = 512 };

struct noted {
    struct vrv_wal_head h;
    struct jrig_list ids;
    bool sync, sound;
};

struct notedev {
    struct vrv_waldev dev;
    pthread_mutex_t mutex; /* of reserved */
    size_t reserved, capacity;
    struct noted *v;
    size_t n, cap;
    uint64_t fail_slot; /* this one, and all above, fail */
    int syncs;          /* calls of sync */
    int sync_status;
};

static struct notedev *
of(struct vrv_waldev *d)
{
    return (struct notedev *)(void *)d;
}

static bool
reserve(struct vrv_waldev *d, size_t bytes)
{
    struct notedev *w = of(d);

    (void)pthread_mutex_lock(&w->mutex);
    bool ok = w->reserved + bytes <= w->capacity;
    w->reserved += ok ? bytes : 0;
    (void)pthread_mutex_unlock(&w->mutex);
    return ok;
}

static void
release(struct vrv_waldev *d, size_t bytes)
{
    struct notedev *w = of(d);

    (void)pthread_mutex_lock(&w->mutex);
    VRV_ASSERT(w->reserved >= bytes);
    w->reserved -= bytes;
    (void)pthread_mutex_unlock(&w->mutex);
}

static void
submit(struct vrv_waldev *d, struct vrv_wal_group *g)
{
    struct notedev *w = of(d);
    struct vrv_err e = { 0 };

    release(d, g->n);
    if (w->fail_slot != 0 && g->slot >= w->fail_slot) {
        (void)vrv_err_set(&e, VRV_E_IO, "write wal: as the test wants");
        g->done(g, VRV_E_IO, &e);
        return;
    }
    VRV_PUSH_ROOM(w->v, w->n, w->cap);
    struct noted *x = &w->v[w->n++];
    *x = (struct noted){ .sync = g->sync };
    x->sound = jrig_ids(g->bytes, g->n, &x->ids) && vrv_wal_head_read(&x->h, g->bytes) &&
        x->h.slot == g->slot;
    g->done(g, 0, &e);
}

static int
sync_op(struct vrv_waldev *d, struct vrv_err *e)
{
    of(d)->syncs++;
    return of(d)->sync_status ? vrv_err_set(e, of(d)->sync_status, "sync wal: fails") : 0;
}

static const struct vrv_waldev_ops ops = { .reserve = reserve, .release = release,
    .submit = submit, .sync = sync_op };

static void
notedev_init(struct notedev *w)
{
    memset(w, 0, sizeof(*w));
    w->dev = (struct vrv_waldev){ &ops, 1, ALIGN, GROUP_MAX, 1 << 30 };
    w->capacity = 1 << 30;
    (void)pthread_mutex_init(&w->mutex, NULL);
}

static void
notedev_fini(struct notedev *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->v[i].ids.v);
    free(w->v);
    (void)pthread_mutex_destroy(&w->mutex);
}

struct pair {
    struct notedev w;
    struct jrig r;
};

static void
begin(struct pair *p, size_t group_bytes)
{
    notedev_init(&p->w);
    jrig_init(&p->r, &p->w.dev, 9, group_bytes);
}

static void
end(struct pair *p)
{
    jrig_evict(&p->r);
    jrig_fini(&p->r);
    notedev_fini(&p->w);
}

static void
commit(struct pair *p)
{
    while (vrv_journal_commit_step(p->r.j))
        ;
}

/* ---- groups ---- */

static void
test_one_group(void)
{
    struct pair p;

    begin(&p, 0);
    for (uint64_t id = 1; id <= 5; id++)
        (void)jrig_append(&p.r, id, 1, 100 * id, id == 3 ? JRIG_SYNC : 0);
    IS(p.w.n, 0, "a push writes nothing by itself");
    commit(&p);
    IS(p.w.n, 1, "all that is queued becomes one group");
    const struct noted *g = &p.w.v[0];
    OK(g->sound && jrig_is_run(&g->ids, 1, 5), "... with all entries, in order, byte for byte");
    OK(g->sync, "one entry that wants a sync has the group synced");
    OK(g->h.slot == 1 && g->h.first_seq == 1 && g->h.count == 5 && g->h.session == 9 &&
            g->h.durable_end == 1, "its header says which entries, slot and session");
    OK(jrig_is_run(&p.r.committed, 1, 5), "they are committed in order");
    IS(jrig_tickets(&p.r, 0), 5, "each ticket is posted once, with success");
    IS(p.w.reserved, 0, "what was claimed too much went back to the device");
    struct vrv_journal_state st = vrv_journal_state(p.r.j);
    OK(st.committed_seq == 6 && st.pushed_seq == 6 && st.durable_seq == 6 && st.durable_slot == 2,
        "the state says that all is durable");
    IS(st.groups, 1, "one group");
    IS(st.syncs, 1, "and one sync");
    (void)jrig_append(&p.r, 6, 1, 10, 0);
    commit(&p);
    OK(p.w.n == 2 && p.w.v[1].h.durable_end == 2 && p.w.v[1].h.first_seq == 6,
        "the next group testifies to it");
    IS(p.r.flaws, 0, "nothing was told twice, or too late");
    end(&p);
}

static void
test_group_size(void)
{
    struct pair p;
    bool sound = true, fits = true, whole = true;
    uint64_t next = 1;

    begin(&p, 3000);
    uint64_t id = 1;
    for (unsigned i = 0; i < 60; i++) { /* chains of 1 to 6 entries of 400 bytes */
        unsigned n = 1 + i * 7 % 6;

        (void)jrig_append(&p.r, id, n, 400, 0);
        id += 10;
    }
    commit(&p);
    for (size_t k = 0, i = 0; k < p.w.n; k++) {
        const struct noted *g = &p.w.v[k];

        sound &= g->sound;
        fits &= g->h.bytes + 64 <= 3000;
        for (size_t a = 0; a < g->ids.n; i++) {
            unsigned n = 1 + (unsigned)i * 7 % 6;

            for (unsigned b = 0; b < n; b++, a++)
                whole &= a < g->ids.n && g->ids.v[a] == next + b;
            next += 10;
        }
    }
    OK(sound && p.w.n > 10, "more than a group's worth is cut into several");
    OK(fits, "none is larger than asked for");
    OK(whole && next == id, "the entries of one push are never split over groups");
    (void)jrig_append(&p.r, 9000, 1, 8000, 0);
    commit(&p);
    OK(p.w.v[p.w.n - 1].h.count == 1 && p.w.v[p.w.n - 1].sound,
        "one that is larger is a group of its own");
    size_t claim;
    IS(vrv_journal_reserve(p.r.j, GROUP_MAX, 1, &claim, NULL), VRV_E_TOO_LARGE,
        "what no group can hold is refused at once");
    IS(p.w.reserved, 0, "no claim is left");
    end(&p);
}

/* ---- syncs ---- */

static void
test_syncs(void)
{
    struct pair p;

    begin(&p, 0);
    for (uint64_t id = 1; id <= 3; id++) {
        (void)jrig_append(&p.r, id, 1, 100, 0);
        commit(&p);
    }
    struct vrv_journal_state st = vrv_journal_state(p.r.j);
    OK(!p.w.v[0].sync && !p.w.v[1].sync && !p.w.v[2].sync && p.w.syncs == 0 && st.syncs == 0,
        "groups of lossy entries are not synced");
    OK(st.committed_seq == 4 && st.durable_seq == 1 && st.durable_slot == 1,
        "... they are committed, but not durable");
    vrv_journal_want_sync(p.r.j);
    commit(&p);
    st = vrv_journal_state(p.r.j);
    OK(p.w.n == 3 && p.w.syncs == 1, "a wish to sync with nothing queued syncs without a group");
    OK(st.durable_seq == 4 && st.durable_slot == 4, "... and earlier entries are durable");
    vrv_journal_want_sync(p.r.j);
    commit(&p);
    IS(p.w.syncs, 1, "a second one has nothing to do");
    (void)jrig_append(&p.r, 4, 1, 100, 0);
    vrv_journal_want_sync(p.r.j);
    commit(&p);
    st = vrv_journal_state(p.r.j);
    OK(p.w.n == 4 && p.w.v[3].sync && p.w.syncs == 1 && st.durable_slot == 5,
        "with something queued its group is the one that is synced");
    (void)jrig_append(&p.r, 5, 1, 100, JRIG_SYNC);
    (void)jrig_append(&p.r, 6, 1, 100, JRIG_SYNC);
    commit(&p);
    IS(vrv_journal_state(p.r.j).syncs, 3, "many waiting appends share one sync");
    end(&p);
}

static void
test_nothing(void)
{
    struct pair p;

    begin(&p, 0);
    (void)jrig_append(&p.r, 1, 1, 0, JRIG_NOTHING);
    commit(&p);
    OK(p.w.n == 0 && jrig_is_run(&p.r.committed, 1, 1) && jrig_tickets(&p.r, 0) == 1,
        "an entry that writes nothing completes without a group");
    IS(vrv_journal_state(p.r.j).pushed_seq, 1, "... and takes no number");
    (void)jrig_append(&p.r, 2, 1, 50, 0);
    (void)jrig_append(&p.r, 3, 1, 0, JRIG_NOTHING);
    (void)jrig_append(&p.r, 4, 1, 50, 0);
    (void)jrig_append(&p.r, 5, 1, 0, JRIG_NOTHING);
    commit(&p);
    OK(jrig_is_run(&p.r.committed, 1, 5), "between others it completes in its place");
    OK(p.w.n == 1 && p.w.v[0].sound && p.w.v[0].h.count == 2 && p.w.v[0].ids.v[1] == 4,
        "... and is not written");
    IS(vrv_journal_state(p.r.j).committed_seq, 3, "numbers count what is written");
    (void)jrig_append(&p.r, 6, 1, 0, JRIG_NOTHING | JRIG_SYNC);
    commit(&p);
    OK(p.w.syncs == 1 && vrv_journal_state(p.r.j).durable_slot == 2,
        "one that wants a sync makes all before it durable");
    IS(p.r.flaws, 0, "nothing was told twice, or too late");
    end(&p);
}

/* ---- failures ---- */

static void
test_failure(void)
{
    struct pair p;
    struct vrv_err e = { 0 };
    size_t claim;

    begin(&p, 1000);
    p.w.fail_slot = 3;
    for (uint64_t id = 1; id <= 10; id++)
        (void)jrig_append(&p.r, id, 1, 700, JRIG_SYNC);
    commit(&p);
    OK(jrig_is_run(&p.r.committed, 1, 2), "what was written before the failure is committed");
    OK(jrig_is_run(&p.r.failed, 3, 8), "from the failed group on all is refused, in order");
    OK(jrig_tickets(&p.r, VRV_E_STOPPED) == 10 && p.r.flaws == 2,
        "each ticket is posted once: two worked, eight say STOPPED");
    OK(vrv_journal_error(p.r.j, &e) == VRV_E_STOPPED && strstr(e.msg, "as the test wants"),
        "the reason is kept: %s", e.msg);
    IS(vrv_journal_reserve(p.r.j, 10, 1, &claim, &e), VRV_E_STOPPED, "later appends are refused");
    (void)jrig_append(&p.r, 11, 2, 0, JRIG_NOTHING);
    commit(&p);
    OK(p.r.failed.n == 10 && jrig_tickets(&p.r, VRV_E_STOPPED) == 2,
        "what was claimed before and is pushed after fails too");
    vrv_journal_want_sync(p.r.j);
    commit(&p);
    IS(p.w.syncs, 0, "nothing is synced any more (L4)");
    struct vrv_journal_state st = vrv_journal_state(p.r.j);
    OK(st.durable_slot == 3 && st.committed_seq == 3 && p.w.n == 2,
        "nothing is written any more, and nothing becomes durable");
    IS(p.w.reserved, 0, "no claim is left over");
    end(&p);
}

static void
test_late_push(void)
{
    struct pair p;
    size_t claim = 0;

    begin(&p, 0);
    int rc = vrv_journal_reserve(p.r.j, 0, 1, &claim, NULL);
    p.w.fail_slot = 1;
    (void)jrig_append(&p.r, 1, 1, 10, JRIG_SYNC);
    commit(&p);
    struct vrv_entry *en = vrv_entry_new();
    en->item.type = VRV_WAL_START;
    en->item.arg = 2;
    vrv_journal_push(p.r.j, en, en, claim);
    commit(&p);
    OK(rc == 0 && jrig_is_run(&p.r.failed, 1, 2), "a claim from before the failure helps nobody");
    IS(p.w.reserved, 0, "... and goes back");
    end(&p);
}

static void
test_failed_sync(void)
{
    struct pair p;

    begin(&p, 0);
    (void)jrig_append(&p.r, 1, 1, 100, 0);
    commit(&p);
    p.w.sync_status = VRV_E_IO;
    vrv_journal_want_sync(p.r.j);
    commit(&p);
    (void)jrig_append(&p.r, 2, 1, 0, JRIG_NOTHING);
    commit(&p);
    struct vrv_journal_state st = vrv_journal_state(p.r.j);
    OK(st.status == VRV_E_STOPPED && st.durable_slot == 1,
        "a sync that fails without a group stops the journal");
    OK(jrig_is_run(&p.r.committed, 1, 1) && jrig_is_run(&p.r.failed, 2, 1),
        "what comes after it fails");
    vrv_journal_want_sync(p.r.j);
    commit(&p);
    IS(p.w.syncs, 1, "and it is not tried again (L4)");
    end(&p);
}

/* ---- claims ---- */

static void
test_full(void)
{
    struct pair p;
    struct vrv_err e = { 0 };
    size_t claim;

    begin(&p, 0);
    p.w.capacity = 4 * ALIGN;
    IS(jrig_append(&p.r, 1, 1, 1000, 0), 0, "room for one");
    IS(vrv_journal_reserve(p.r.j, 1000, 1, &claim, &e), VRV_E_AGAIN, "and not for another: %s",
        e.msg);
    IS(p.w.reserved, 3 * ALIGN, "who was refused has claimed nothing");
    IS(vrv_journal_reserve(p.r.j, 10, 1, &claim, &e), 0, "a small one may go in");
    vrv_journal_release(p.r.j, claim);
    commit(&p);
    IS(p.w.reserved, 0, "a claim given back, and one used: none is left");
    end(&p);
}

/* A chain of n entries with ids from `id` on, the first `flushed` of them in their segments. */
static void
adopt(struct pair *p, uint64_t id, int n, int flushed)
{
    struct vrv_entry *first = NULL, **to = &first, *last = NULL;

    for (int i = 0; i < n; i++) {
        last = *to = vrv_entry_new();
        last->item.arg = (int64_t)id + i;
        atomic_store(&last->flushed, i < flushed);
        to = &last->next;
    }
    vrv_journal_adopt(p->r.j, first, last);
}

/* A new entry has nothing of the one whose memory it got. */
static void
test_reuse(void)
{
    static const struct vrv_entry none;
    struct pair p;

    begin(&p, 0);
    (void)jrig_append(&p.r, 1, 1, 100, 0);
    commit(&p);
    const struct vrv_entry *old = vrv_journal_oldest(p.r.j);
    atomic_store(&vrv_journal_oldest(p.r.j)->flushed, true);
    jrig_evict(&p.r);
    struct vrv_entry *en = vrv_journal_entry(p.r.j);
    OK(VRV_ASAN || en == old, "the memory of what was evicted is used again");
    OK(memcmp(en, &none, sizeof(none)) == 0, "and is empty");
    vrv_entry_free(en);
    end(&p);
}

static void
test_adopt_evict(void)
{
    struct pair p;

    begin(&p, 0);
    adopt(&p, 1, 3, 2);
    commit(&p);
    OK(p.w.n == 0 && p.r.committed.n == 0, "what the WAL has already is not written again");
    jrig_evict(&p.r);
    OK(vrv_journal_oldest(p.r.j)->item.arg == 3, "those in their segments are evicted, in order");
    (void)jrig_append(&p.r, 10, 1, 100, 0);
    adopt(&p, 20, 2, 2); /* another session's stream, at a takeover */
    commit(&p);
    OK(p.w.n == 1 && jrig_is_run(&p.w.v[0].ids, 10, 1), "what is queued meanwhile is committed");
    jrig_evict(&p.r);
    IS(vrv_journal_oldest(p.r.j)->item.arg, 3, "what is adopted later comes behind it");
    IS(vrv_journal_oldest(p.r.j)->next->item.arg, 20, "... and before what was queued here");
    atomic_store(&vrv_journal_oldest(p.r.j)->flushed, true);
    jrig_evict(&p.r);
    OK(vrv_journal_oldest(p.r.j) == NULL, "until none is left");
    adopt(&p, 30, 1, 1);
    (void)jrig_append(&p.r, 11, 1, 100, 0);
    commit(&p);
    OK(p.r.committed.n == 2, "and both go on");
    end(&p);
}

/* ---- threads ---- */

enum { PUSHERS = 4 };

struct pusher {
    struct pair *p;
    uint64_t number;
    unsigned appends;
    pthread_t thread;
};

struct committer {
    struct pair *p;
    _Atomic bool stop;
    pthread_t thread;
};

/* Owner in the high half of the id, its count in the low one. */
static void *
push_some(void *arg)
{
    struct pusher *x = arg;
    uint64_t id = x->number << 32;

    for (unsigned i = 0; i < x->appends; i++) {
        unsigned n = 1 + i % 3;
        int rc = jrig_append(&x->p->r, id, n, 10 + i % 200,
            (i % 5 == 0 ? JRIG_SYNC : 0) | (i % 7 == 0 ? JRIG_NOTHING : 0));

        VRV_ASSERT(rc == 0 || rc == VRV_E_STOPPED);
        id += rc == 0 ? n : 0;
        if (i % 50 == 0)
            vrv_journal_want_sync(x->p->r.j);
    }
    return (void *)(uintptr_t)(id & 0xffffffff);
}

static void *
commit_all(void *arg)
{
    struct committer *c = arg;

    for (;;) {
        bool stop = atomic_load(&c->stop);

        while (vrv_journal_commit_step(c->p->r.j))
            jrig_evict(&c->p->r);
        if (stop)
            return NULL;
        vrv_journal_wait(c->p->r.j, 1000);
    }
}

/* The ids of each owner ascend by one. */
static bool
in_order(const struct jrig_list *l, uint64_t *next)
{
    bool ok = true;

    for (size_t i = 0; i < l->n; i++) {
        uint64_t *n = &next[l->v[i] >> 32];

        ok &= (l->v[i] & 0xffffffff) == *n;
        (*n)++;
    }
    return ok;
}

static size_t
run_threads(struct pair *p, unsigned appends)
{
    struct committer c = { .p = p };
    struct pusher x[PUSHERS];
    size_t all = 0;
    int rc = pthread_create(&c.thread, NULL, commit_all, &c);

    for (unsigned i = 0; i < PUSHERS; i++) {
        x[i] = (struct pusher){ .p = p, .number = i, .appends = appends };
        rc |= pthread_create(&x[i].thread, NULL, push_some, &x[i]);
    }
    VRV_ASSERT(rc == 0);
    for (unsigned i = 0; i < PUSHERS; i++) {
        void *n;

        (void)pthread_join(x[i].thread, &n);
        all += (uintptr_t)n;
    }
    atomic_store(&c.stop, true);
    vrv_journal_wake(p->r.j);
    (void)pthread_join(c.thread, NULL);
    return all;
}

static void
test_threads(void)
{
    unsigned appends = getenv("VARVE_LONG") ? 20000 : 1500;
    uint64_t next[PUSHERS] = { 0 };
    struct pair p;

    begin(&p, 4096);
    size_t all = run_threads(&p, appends);
    OK(in_order(&p.r.committed, next), "with four threads pushing each owner's order is kept");
    IS(p.r.committed.n, all, "all that was pushed is committed");
    IS(jrig_tickets(&p.r, 0), all, "each ticket is posted once");
    IS(p.r.flaws, 0, "with success");
    IS(p.w.reserved, 0, "and all claims have been used or given back");
    bool sound = true;
    uint64_t slot = 1, seq = 1;
    for (size_t i = 0; i < p.w.n; i++) {
        sound &= p.w.v[i].sound && p.w.v[i].h.slot == slot++ && p.w.v[i].h.first_seq == seq;
        seq += p.w.v[i].h.count;
    }
    OK(sound, "the groups' slots and entry numbers have no gaps (%zu groups)", p.w.n);
    end(&p);
}

static void
test_threads_failure(void)
{
    uint64_t next[PUSHERS] = { 0 };
    struct pair p;

    begin(&p, 4096);
    p.w.fail_slot = 40;
    size_t all = run_threads(&p, 1500);
    OK(in_order(&p.r.committed, next) && in_order(&p.r.failed, next),
        "when the WAL fails under four threads, the failed follow the committed, in order");
    IS(p.r.committed.n + p.r.failed.n, all, "each is told once, of one or the other");
    size_t told = jrig_tickets(&p.r, VRV_E_STOPPED);
    OK(told == all && (size_t)p.r.flaws == p.r.committed.n, "and each ticket says which");
    IS(p.w.reserved, 0, "no claim is left over");
    end(&p);
}

int
main(void)
{
    test_one_group();
    test_group_size();
    test_syncs();
    test_nothing();
    test_failure();
    test_late_push();
    test_failed_sync();
    test_full();
    test_adopt_evict();
    test_reuse();
    test_threads();
    test_threads_failure();
    return tap_done();
}
