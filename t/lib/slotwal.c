#include "t/lib/slotwal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/wal/wal_format.h"

enum { SLOTWAL_MAGIC = 0x534c4f54, SESSIONS_MAX = 64 };

enum slot_state { FREE, GROUP, SEAL, TRIMMED };

struct slot {
    enum slot_state state;
    uint8_t *bytes;
    size_t n;
};

struct stream {
    struct slotname name;
    bool frozen; /* being taken over: no more trims */
    struct slot *v;
    size_t n, cap; /* v[i] is slot i + 1 */
};

struct slotstore {
    pthread_mutex_t mutex; /* guards all below, and the devices */
    struct stream streams[SESSIONS_MAX];
    unsigned n;
};

struct in_flight {
    struct vrv_wal_group *g;
    bool arrived;
    int status; /* once it has arrived */
};

struct slotwal {
    struct vrv_waldev dev;
    uint32_t magic;
    struct slotstore *store;
    struct stream *stream;
    struct vrv_rand rand;
    struct in_flight *flights;
    unsigned n;
    size_t reserved, used;
    uint64_t next_slot;
    unsigned fail_in; /* 0: don't */
};

static struct slotwal *
of(struct vrv_waldev *d)
{
    struct slotwal *w = (struct slotwal *)(void *)d;

    VRV_CHECK(w, SLOTWAL_MAGIC);
    return w;
}

static void
enter(struct slotstore *s)
{
    int rc = pthread_mutex_lock(&s->mutex);

    VRV_ASSERT(rc == 0);
}

static void
leave(struct slotstore *s)
{
    int rc = pthread_mutex_unlock(&s->mutex);

    VRV_ASSERT(rc == 0);
}

/* ---- the store ---- */

struct slotstore *
slotstore_new(void)
{
    struct slotstore *s = VRV_NEW(struct slotstore);
    int rc = pthread_mutex_init(&s->mutex, NULL);

    VRV_ASSERT(rc == 0);
    return s;
}

void
slotstore_free(struct slotstore **sp)
{
    struct slotstore *s = *sp;

    if (s == NULL)
        return;
    for (unsigned i = 0; i < s->n; i++) {
        for (size_t k = 0; k < s->streams[i].n; k++)
            free(s->streams[i].v[k].bytes);
        free(s->streams[i].v);
    }
    (void)pthread_mutex_destroy(&s->mutex);
    free(s);
    *sp = NULL;
}

static struct stream *
stream_of(struct slotstore *s, struct slotname name)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->streams[i].name.wal_id == name.wal_id &&
            s->streams[i].name.session == name.session)
            return &s->streams[i];
    VRV_ASSERT(s->n < SESSIONS_MAX);
    s->streams[s->n].name = name;
    return &s->streams[s->n++];
}

static struct slot *
slot_of(struct stream *st, uint64_t slot)
{
    VRV_ASSERT(slot > 0);
    while (st->n < slot) {
        VRV_PUSH_ROOM(st->v, st->n, st->cap);
        st->v[st->n++] = (struct slot){ FREE, NULL, 0 };
    }
    return &st->v[slot - 1];
}

/* Create if absent: the only way to write. */
static int
put(struct stream *st, const struct vrv_wal_group *g)
{
    struct slot *s = slot_of(st, g->slot);

    if (s->state != FREE)
        return VRV_E_FENCED; /* slots of a session are its own: it can only be a SEAL */
    s->state = GROUP;
    s->bytes = vrv_mem_grow(NULL, g->n);
    s->n = g->n;
    memcpy(s->bytes, g->bytes, g->n);
    return 0;
}

uint64_t
slotwal_fence(struct slotstore *s, struct slotname name)
{
    enter(s);
    struct stream *st = stream_of(s, name);
    uint64_t slot = 1;

    st->frozen = true;
    while (slot_of(st, slot)->state == GROUP || slot_of(st, slot)->state == TRIMMED)
        slot++;
    slot_of(st, slot)->state = SEAL;
    leave(s);
    return slot;
}

bool
slotwal_holds(struct slotstore *s, struct slotname name, uint64_t slot)
{
    enter(s);
    bool holds = slot_of(stream_of(s, name), slot)->state == GROUP;
    leave(s);
    return holds;
}

static int
hand_out(struct slotname name, uint64_t slot, const struct slot *s, vrv_wal_replay_fn *fn,
    void *ctx, struct vrv_err *e)
{
    struct vrv_wal_head h;

    if (s->n < VRV_WAL_GROUP_HEADER || !vrv_wal_head_read(&h, s->bytes) || h.slot != slot ||
        h.session != name.session || !vrv_wal_payload_ok(&h, s->bytes, s->n))
        return vrv_err_set(e, VRV_E_CORRUPT, "slot %" PRIu64 " of session %u is damaged", slot,
            name.session);
    return fn(ctx, s->bytes, VRV_WAL_GROUP_HEADER + (size_t)h.bytes, NULL, e);
}

/* Sealed slots never change, so the lock is not held while fn runs. */
int
slotwal_replay(struct slotstore *s, struct slotname name, uint64_t from, vrv_wal_replay_fn *fn,
    void *ctx, struct vrv_err *e)
{
    int rc = 0;

    for (uint64_t slot = from; rc == 0; slot++) {
        enter(s);
        struct slot found = *slot_of(stream_of(s, name), slot);
        leave(s);
        if (found.state == SEAL)
            return 0;
        if (found.state != GROUP) /* absent proves nothing: the session must be sealed first */
            return vrv_err_set(e, VRV_E_NOTFOUND, "slot %" PRIu64 " of session %u is not there",
                slot, name.session);
        rc = hand_out(name, slot, &found, fn, ctx, e);
    }
    return rc;
}

/* ---- the device ---- */

static bool
reserve(struct vrv_waldev *d, size_t bytes)
{
    struct slotwal *w = of(d);

    enter(w->store);
    bool ok = w->used + w->reserved + bytes <= d->capacity;
    w->reserved += ok ? bytes : 0;
    leave(w->store);
    return ok;
}

static void
release(struct vrv_waldev *d, size_t bytes)
{
    struct slotwal *w = of(d);

    enter(w->store);
    VRV_ASSERT(w->reserved >= bytes);
    w->reserved -= bytes;
    leave(w->store);
}

static void
submit(struct vrv_waldev *d, struct vrv_wal_group *g)
{
    struct slotwal *w = of(d);

    VRV_ASSERT(g->n <= d->group_max);
    enter(w->store);
    VRV_ASSERT(w->n < d->window);
    VRV_ASSERT(g->slot == w->next_slot);
    VRV_ASSERT(w->reserved >= g->n);
    w->next_slot++;
    w->reserved -= g->n;
    w->used += g->n;
    w->flights[w->n++] = (struct in_flight){ g, false, 0 };
    leave(w->store);
}

/* What is done is stored, and what is stored is durable. */
static int
sync_op(struct vrv_waldev *d, struct vrv_err *e)
{
    (void)of(d);
    (void)e;
    return 0;
}

static int
trim(struct vrv_waldev *d, uint64_t slot, struct vrv_err *e)
{
    struct slotwal *w = of(d);
    int rc = 0;

    enter(w->store);
    if (w->stream->frozen)
        rc = vrv_err_set(e, VRV_E_FENCED, "another owner has taken over session %u",
            w->stream->name.session);
    for (uint64_t i = 1; i < slot && i <= w->stream->n && rc == 0; i++) {
        struct slot *s = slot_of(w->stream, i);

        VRV_ASSERT(s->state == GROUP || s->state == TRIMMED);
        w->used -= s->n;
        free(s->bytes);
        *s = (struct slot){ TRIMMED, NULL, 0 };
    }
    leave(w->store);
    return rc;
}

static int
prepare(struct vrv_waldev *d)
{
    (void)of(d);
    return 0;
}

static size_t
used(struct vrv_waldev *d)
{
    struct slotwal *w = of(d);

    enter(w->store);
    size_t n = w->used;
    leave(w->store);
    return n;
}

static void
close_op(struct vrv_waldev *d)
{
    struct slotwal *w = of(d);

    VRV_ASSERT(w->n == 0);
    free(w->flights);
    w->magic = 0;
    free(w);
}

static const struct vrv_waldev_ops ops = { reserve, release, submit, sync_op, trim, prepare, used,
    close_op };

struct vrv_waldev *
slotwal_new(struct slotstore *s, struct slotname name, unsigned k, size_t capacity, uint64_t seed)
{
    struct slotwal *w = VRV_NEW(struct slotwal);

    VRV_ASSERT(k >= 1);
    w->magic = SLOTWAL_MAGIC;
    w->dev = (struct vrv_waldev){ &ops, k, SLOTWAL_ALIGN, SLOTWAL_GROUP_MAX, capacity };
    w->store = s;
    w->rand.state = seed;
    w->flights = vrv_mem_zero(k * sizeof(*w->flights));
    w->next_slot = 1;
    enter(s);
    w->stream = stream_of(s, name);
    leave(s);
    return &w->dev;
}

/* Take flight i out of the list and answer it, without the lock: the answer may lead to calls. */
static void
answer(struct slotwal *w, unsigned i, int status, const char *what)
{
    struct vrv_wal_group *g = w->flights[i].g;
    struct vrv_err e = { 0 };

    w->flights[i] = w->flights[--w->n];
    leave(w->store);
    if (status != 0)
        (void)vrv_err_set(&e, status, "slot %" PRIu64 ": %s", g->slot, what);
    g->done(g, status, &e);
    enter(w->store);
}

bool
slotwal_step(struct vrv_waldev *d)
{
    struct slotwal *w = of(d);

    enter(w->store);
    bool any = w->n > 0;
    if (any) {
        unsigned i = (unsigned)vrv_rand_below(&w->rand, w->n);
        struct in_flight *f = &w->flights[i];
        bool fail = w->fail_in == 1;

        if (!f->arrived && !(fail && vrv_rand_below(&w->rand, 2))) {
            f->arrived = true;
            f->status = put(w->stream, f->g);
        } else {
            w->fail_in -= w->fail_in > 0;
            answer(w, i, fail ? VRV_E_IO : f->status, fail ? "no answer" : "a SEAL is there");
        }
    }
    leave(w->store);
    return any;
}

unsigned
slotwal_in_flight(struct vrv_waldev *d)
{
    struct slotwal *w = of(d);

    enter(w->store);
    unsigned n = w->n;
    leave(w->store);
    return n;
}

size_t
slotwal_reserved(struct vrv_waldev *d)
{
    struct slotwal *w = of(d);

    enter(w->store);
    size_t n = w->reserved;
    leave(w->store);
    return n;
}

void
slotwal_fail(struct vrv_waldev *d, unsigned n)
{
    struct slotwal *w = of(d);

    enter(w->store);
    w->fail_in = n;
    leave(w->store);
}

void
slotwal_kill(struct vrv_waldev *d)
{
    struct slotwal *w = of(d);

    enter(w->store);
    while (w->n > 0) {
        if (!w->flights[0].arrived && vrv_rand_below(&w->rand, 2))
            (void)put(w->stream, w->flights[0].g);
        answer(w, 0, VRV_E_IO, "its owner is dead");
    }
    leave(w->store);
}
