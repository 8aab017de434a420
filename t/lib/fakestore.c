#include "t/lib/fakestore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"

enum { MS = 1000000, LATE_MS = 30000, STEP_MS = 5 };

struct object {
    char *key;
    uint8_t *bytes;
    size_t n;
    int64_t at_ns; /* since when it is there */
};

struct objects {
    struct object *v; /* in order of keys */
    size_t n, cap;
};

struct vrv_store_upload {
    struct vrv_store_upload *next;
    uint8_t **part;
    size_t *size;
    unsigned n;
    bool ended, aborted, freed;
};

/* A write that will be done some time after its answer. */
struct late {
    struct late *next;
    int64_t at_ns;
    struct object o;
};

struct fakestore {
    struct vrv_store store;
    struct simclock *clock;
    struct vrv_rand rand;
    struct objects now, before; /* before: what a stale list shows */
    struct vrv_store_upload *uploads;
    struct vrv_store_call *calls; /* under way */
    size_t call_n, lane_n[VRV_STORE_CLASSES], lane_most[VRV_STORE_CLASSES];
    struct late *late;
    const char *damaged;          /* names that are; NULL: none */
    bool tells_ages;
    int64_t behind_ms;
    uint64_t per_s;               /* bytes that the line to it takes; 0: any */
    unsigned percent[VRV_STORE_OPS][FAKE_FAULTS];
    uint64_t attempts[VRV_STORE_OPS], struck[FAKE_FAULTS];
};

static struct fakestore *
fake_of(struct vrv_store *s)
{
    return VRV_LIST_OF(s, struct fakestore, store);
}

static int64_t
now_ns(const struct fakestore *f)
{
    return atomic_load(&f->clock->mono_ns);
}

/* ---- objects ---- */

/* Its place, or where it would be. */
static size_t
place_of(const struct objects *os, const char *key)
{
    size_t i = 0;

    while (i < os->n && strcmp(os->v[i].key, key) < 0)
        i++;
    return i;
}

static struct object *
find(const struct objects *os, const char *key)
{
    size_t i = place_of(os, key);

    return i < os->n && strcmp(os->v[i].key, key) == 0 ? &os->v[i] : NULL;
}

/* Takes the bytes. */
static void
add(struct objects *os, const char *key, uint8_t *bytes, size_t n, int64_t at_ns)
{
    size_t i = place_of(os, key);

    if (os->n == os->cap) {
        os->cap = os->cap == 0 ? 16 : 2 * os->cap;
        os->v = vrv_mem_grow(os->v, os->cap * sizeof(*os->v));
    }
    memmove(&os->v[i + 1], &os->v[i], (os->n - i) * sizeof(*os->v));
    os->v[i] = (struct object){ vrv_mem_strdup(key), bytes, n, at_ns };
    os->n++;
}

static void
del(struct objects *os, const char *key)
{
    struct object *o = find(os, key);

    if (o == NULL)
        return;
    free(o->key);
    free(o->bytes);
    os->n--;
    memmove(o, o + 1, (size_t)(&os->v[os->n] - o) * sizeof(*o));
}

static void
clear(struct objects *os)
{
    while (os->n > 0)
        del(os, os->v[os->n - 1].key);
    free(os->v);
    *os = (struct objects){ 0 };
}

static void
remember_lists(struct fakestore *f)
{
    if (f->percent[VRV_STORE_LIST][FAKE_STALE] == 0)
        return;
    clear(&f->before);
    for (size_t i = 0; i < f->now.n; i++)
        add(&f->before, f->now.v[i].key, NULL, f->now.v[i].n, f->now.v[i].at_ns);
}

/* ---- what each call does, when it does ---- */

static uint8_t *
body_of(const struct vrv_store_call *c)
{
    uint8_t *bytes = vrv_mem_zero(c->size + 1);
    size_t at = 0;

    for (int i = 0; i < c->iov_n; i++) {
        memcpy(bytes + at, c->iov[i].iov_base, c->iov[i].iov_len);
        at += c->iov[i].iov_len;
    }
    return bytes;
}

static int
put(struct fakestore *f, const char *key, uint8_t *bytes, size_t n)
{
    if (find(&f->now, key) != NULL) {
        free(bytes);
        return VRV_E_EXISTS;
    }
    remember_lists(f);
    if (f->damaged != NULL && n > 0 && strncmp(key, f->damaged, strlen(f->damaged)) == 0)
        bytes[n / 2] ^= 1;
    add(&f->now, key, bytes, n, now_ns(f));
    return 0;
}

static int
begin(struct fakestore *f, struct vrv_store_call *c)
{
    struct vrv_store_upload *u = vrv_mem_zero(sizeof(*u));

    u->next = f->uploads;
    f->uploads = u;
    c->upload = u;
    return 0;
}

static int
part(struct vrv_store_call *c)
{
    struct vrv_store_upload *u = c->upload;

    if (c->part >= u->n) {
        u->part = vrv_mem_grow(u->part, (c->part + 1) * sizeof(*u->part));
        u->size = vrv_mem_grow(u->size, (c->part + 1) * sizeof(*u->size));
        for (; u->n <= c->part; u->n++) {
            u->part[u->n] = NULL;
            u->size[u->n] = 0;
        }
    }
    free(u->part[c->part]);
    u->part[c->part] = body_of(c);
    u->size[c->part] = c->size;
    return 0;
}

static int
end(struct fakestore *f, struct vrv_store_call *c)
{
    struct vrv_store_upload *u = c->upload;
    uint8_t *bytes = vrv_mem_zero(c->size + 1);
    size_t at = 0;

    if (u->ended || u->aborted) {
        free(bytes);
        return VRV_E_NOTFOUND;
    }
    for (unsigned i = 0; i < u->n; i++) {
        if (at + u->size[i] <= c->size && u->part[i] != NULL)
            memcpy(bytes + at, u->part[i], u->size[i]);
        at += u->size[i];
    }
    int rc = at == c->size ? put(f, c->key, bytes, c->size) : VRV_E_INVALID;
    if (at != c->size)
        free(bytes);
    u->ended = rc == 0;
    return rc;
}

static int
list(struct fakestore *f, struct vrv_store_call *c, const struct objects *os)
{
    c->names = vrv_mem_zero((c->max + 1) * sizeof(*c->names));
    for (size_t i = 0; i < os->n; i++) {
        const struct object *o = &os->v[i];

        if (strncmp(o->key, c->key, strlen(c->key)) != 0 ||
            (c->after != NULL && strcmp(o->key, c->after) <= 0))
            continue;
        if (c->got == c->max) {
            c->more = true;
            break;
        }
        c->names[c->got++] = (struct vrv_store_name){ .key = vrv_mem_strdup(o->key), .size = o->n,
            .age_ms = f->tells_ages ? (now_ns(f) - o->at_ns) / MS + f->behind_ms : -1 };
    }
    return 0;
}

static int
get(struct fakestore *f, struct vrv_store_call *c)
{
    const struct object *o = find(&f->now, c->key);

    if (o == NULL)
        return VRV_E_NOTFOUND;
    c->whole = o->n;
    c->got = c->pos >= o->n ? 0 : o->n - c->pos < c->size ? (size_t)(o->n - c->pos) : c->size;
    if (c->got > 0)
        memcpy(c->buf, o->bytes + c->pos, c->got);
    return 0;
}

static int
verify(struct fakestore *f, struct vrv_store_call *c)
{
    const struct object *o = find(&f->now, c->key);

    if (o == NULL)
        return VRV_E_NOTFOUND;
    return o->n == c->size && vrv_crc32c(0, o->bytes, o->n) == c->crc ? 0 : VRV_E_CORRUPT;
}

static int
do_it(struct fakestore *f, struct vrv_store_call *c, bool stale)
{
    VRV_ASSERT(c->upload == NULL || !c->upload->freed);
    switch (c->op) {
    case VRV_STORE_PUT:
        return put(f, c->key, body_of(c), c->size);
    case VRV_STORE_BEGIN:
        return begin(f, c);
    case VRV_STORE_PART_N:
        return part(c);
    case VRV_STORE_END:
        return end(f, c);
    case VRV_STORE_ABORT:
        c->upload->aborted = true;
        return 0;
    case VRV_STORE_GET:
        return get(f, c);
    case VRV_STORE_VERIFY:
        return verify(f, c);
    case VRV_STORE_LIST:
        return list(f, c, stale ? &f->before : &f->now);
    case VRV_STORE_DELETE:
        remember_lists(f);
        for (unsigned i = 0; i < c->max; i++)
            del(&f->now, c->keys[i]);
        c->got = c->max;
        return 0;
    case VRV_STORE_SWEEP:
    case VRV_STORE_OPS:
        break;
    }
    return 0;
}

/* ---- faults ---- */

static bool
is_write(enum vrv_store_op op)
{
    return op == VRV_STORE_PUT || op == VRV_STORE_PART_N || op == VRV_STORE_END ||
           op == VRV_STORE_DELETE || op == VRV_STORE_BEGIN || op == VRV_STORE_ABORT;
}

/* Where a fault makes no sense for the call, it isn't drawn. */
static bool
can_strike(const struct fakestore *f, const struct vrv_store_call *c, enum fakestore_fault fault)
{
    switch (fault) {
    case FAKE_ANSWER_LOST:
        return is_write(c->op) && c->op != VRV_STORE_BEGIN;
    case FAKE_REQUEST_LOST:
        return is_write(c->op);
    case FAKE_LATE:
        return c->op == VRV_STORE_PUT;
    case FAKE_FLIPPED:
    case FAKE_SHORT:
        if (c->op == VRV_STORE_GET)
            return fault == FAKE_FLIPPED;
        return c->op == VRV_STORE_PUT && (strncmp(c->key, "m/", 2) == 0 || strncmp(c->key, "d/", 2) == 0);
    case FAKE_MISSING:
        return (c->op == VRV_STORE_GET || c->op == VRV_STORE_VERIFY) && find(&f->now, c->key) != NULL;
    case FAKE_STALE:
        return c->op == VRV_STORE_LIST;
    case FAKE_BUSY:
    case FAKE_UNREACHABLE:
    case FAKE_ERROR:
    case FAKE_HANGS:
    case FAKE_DENIED:
    case FAKE_FAULTS:
        break;
    }
    return true;
}

/* Which one strikes; FAKE_FAULTS: none. */
static enum fakestore_fault
draw(struct fakestore *f, const struct vrv_store_call *c)
{
    for (int i = 0; i < FAKE_FAULTS; i++) {
        enum fakestore_fault fault = (enum fakestore_fault)i;

        if (f->percent[c->op][i] > vrv_rand_below(&f->rand, 100) && can_strike(f, c, fault)) {
            f->struck[i]++;
            return fault;
        }
    }
    return FAKE_FAULTS;
}

static int
fails(struct vrv_store_call *c, int status, const char *why)
{
    return vrv_err_set(&c->err, status, "%s: %s", vrv_store_op_name(c->op), why);
}

static int
unknown(struct vrv_store_call *c)
{
    return fails(c, is_write(c->op) ? VRV_E_UNKNOWN : VRV_E_TIMEDOUT, "no answer");
}

/* What a proxy makes of it, and nobody notices. */
static int
put_damaged(struct fakestore *f, const struct vrv_store_call *c, bool cut)
{
    uint8_t *bytes = body_of(c);
    size_t at = (size_t)vrv_rand_below(&f->rand, c->size);

    bytes[at] ^= (uint8_t)(1u << vrv_rand_below(&f->rand, 8));
    return put(f, c->key, bytes, cut ? at : c->size);
}

static int
get_damaged(struct fakestore *f, struct vrv_store_call *c)
{
    int rc = get(f, c);

    if (rc < 0)
        return fails(c, rc, vrv_err_text(rc));
    if (c->got > 0)
        ((uint8_t *)c->buf)[vrv_rand_below(&f->rand, c->got)] ^= (uint8_t)(1u << vrv_rand_below(&f->rand, 8));
    return rc;
}

static int
suffer(struct fakestore *f, struct vrv_store_call *c, enum fakestore_fault fault)
{
    switch (fault) {
    case FAKE_BUSY:
        c->wait_ms = (int64_t)vrv_rand_below(&f->rand, 2) * 2000;
        return fails(c, VRV_E_BUSY, "slow down");
    case FAKE_UNREACHABLE:
        return fails(c, VRV_E_UNREACHABLE, "connection refused");
    case FAKE_ERROR:
        return fails(c, VRV_E_IO, "internal error");
    case FAKE_DENIED:
        return fails(c, VRV_E_DENIED, "expired token");
    case FAKE_ANSWER_LOST:
        (void)do_it(f, c, false);
        return unknown(c);
    case FAKE_LATE: {
        struct late *l = vrv_mem_zero(sizeof(*l));

        l->at_ns = now_ns(f) + (int64_t)LATE_MS * MS;
        l->o = (struct object){ vrv_mem_strdup(c->key), body_of(c), c->size, 0 };
        l->next = f->late;
        f->late = l;
        return unknown(c);
    }
    case FAKE_REQUEST_LOST:
    case FAKE_HANGS:
        return unknown(c);
    case FAKE_MISSING:
        return fails(c, VRV_E_NOTFOUND, "no such key");
    case FAKE_FLIPPED:
    case FAKE_SHORT:
        if (c->op == VRV_STORE_GET)
            return get_damaged(f, c);
        return put_damaged(f, c, fault == FAKE_SHORT);
    case FAKE_STALE:
        return do_it(f, c, true);
    case FAKE_FAULTS:
        break;
    }
    int rc = do_it(f, c, false);
    return rc < 0 ? fails(c, rc, vrv_err_text(rc)) : rc;
}

/* ---- the store ---- */

static void
fake_submit(struct vrv_store *s, struct vrv_store_call *c)
{
    struct fakestore *f = fake_of(s);

    f->attempts[c->op]++;
    c->next = f->calls;
    f->calls = c;
    f->call_n++;
    if (++f->lane_n[c->lane] > f->lane_most[c->lane])
        f->lane_most[c->lane] = f->lane_n[c->lane];
}

static void
fake_cancel(struct vrv_store *s, struct vrv_store_call *c)
{
    (void)s;
    c->cancelled = true;
}

static void
come_late(struct fakestore *f)
{
    for (struct late **p = &f->late; *p != NULL;) {
        struct late *l = *p;

        if (l->at_ns > now_ns(f)) {
            p = &l->next;
            continue;
        }
        *p = l->next;
        (void)put(f, l->o.key, l->o.bytes, l->o.n);
        free(l->o.key);
        free(l);
    }
}

static int64_t
sending_ms(const struct fakestore *f, const struct vrv_store_call *c)
{
    return STEP_MS + (f->per_s > 0 && c->iov_n > 0 ? (int64_t)(c->size * 1000 / f->per_s) : 0);
}

static bool
fake_step(struct vrv_store *s)
{
    struct fakestore *f = fake_of(s);
    struct vrv_store_call **p = &f->calls;

    come_late(f);
    if (f->call_n == 0)
        return false;
    for (uint64_t i = vrv_rand_below(&f->rand, f->call_n); i > 0; i--)
        p = &(*p)->next;
    struct vrv_store_call *c = *p;
    *p = c->next;
    f->call_n--;
    f->lane_n[c->lane]--;
    enum fakestore_fault fault = draw(f, c);
    int64_t left = c->deadline_ns - now_ns(f), takes = sending_ms(f, c);
    if (left > 0 && takes > left / MS) /* it doesn't arrive */
        fault = FAKE_HANGS;
    if (fault == FAKE_HANGS && left > 0)
        takes = left / MS + 1;
    simclock_advance_ms(f->clock, c->cancelled ? STEP_MS : takes);
    c->status = c->cancelled ? fails(c, VRV_E_CANCELLED, "cancelled") : suffer(f, c, fault);
    vrv_cq_post(c->done.cq, &c->done, &c->done);
    return true;
}

/* Kept, to see who uses it then. */
static void
fake_upload_free(struct vrv_store *s, struct vrv_store_upload *u)
{
    (void)s;
    VRV_ASSERT(!u->freed);
    u->freed = true;
}

static void
fake_describe(const struct vrv_store *s, char *out, size_t n)
{
    (void)s;
    (void)snprintf(out, n, "a fake");
}

static void
fake_close(struct vrv_store *s)
{
    VRV_ASSERT(fake_of(s)->call_n == 0);
}

static const struct vrv_store_ops fake_ops = {
    .submit = fake_submit,
    .cancel = fake_cancel,
    .step = fake_step,
    .upload_free = fake_upload_free,
    .describe = fake_describe,
    .close = fake_close,
};

struct fakestore *
fakestore_new(struct simclock *clock, uint64_t seed)
{
    struct fakestore *f = vrv_mem_zero(sizeof(*f));

    f->store = (struct vrv_store){ .ops = &fake_ops, .caps = { .kind = "fake" } };
    f->clock = clock;
    f->rand = (struct vrv_rand){ seed };
    return f;
}

void
fakestore_free(struct fakestore **fp)
{
    struct fakestore *f = *fp;

    while (f->uploads != NULL) {
        struct vrv_store_upload *u = f->uploads;

        f->uploads = u->next;
        for (unsigned i = 0; i < u->n; i++)
            free(u->part[i]);
        free(u->part);
        free(u->size);
        free(u);
    }
    while (f->late != NULL) {
        struct late *l = f->late;

        f->late = l->next;
        free(l->o.key);
        free(l->o.bytes);
        free(l);
    }
    clear(&f->now);
    clear(&f->before);
    free(f);
    *fp = NULL;
}

struct vrv_store *
fakestore_store(struct fakestore *f)
{
    return &f->store;
}

void
fakestore_fault(struct fakestore *f, enum vrv_store_op op, enum fakestore_fault fault, unsigned percent)
{
    for (int i = 0; i < VRV_STORE_OPS; i++)
        if (op == VRV_STORE_OPS || op == (enum vrv_store_op)i)
            f->percent[i][fault] = percent;
    if (fault == FAKE_STALE)
        remember_lists(f); /* what is told late is what changes from here on */
}

void
fakestore_trouble(struct fakestore *f, struct vrv_rand *rnd)
{
    for (int i = 0; i < FAKE_FAULTS; i++)
        if (vrv_rand_below(rnd, 3) == 0)
            fakestore_fault(f, VRV_STORE_OPS, (enum fakestore_fault)i, (unsigned)vrv_rand_below(rnd, 50));
}

void
fakestore_line(struct fakestore *f, uint64_t per_s)
{
    f->per_s = per_s;
}

void
fakestore_heal(struct fakestore *f)
{
    memset(f->percent, 0, sizeof(f->percent));
}

void
fakestore_damage(struct fakestore *f, const char *prefix)
{
    f->damaged = prefix;
}

void
fakestore_tell_ages(struct fakestore *f)
{
    f->tells_ages = f->store.caps.own_clock = true;
}

void
fakestore_tell_times(struct fakestore *f, int64_t behind_ms)
{
    f->tells_ages = true;
    f->behind_ms = behind_ms;
}

uint64_t
fakestore_attempts(const struct fakestore *f, enum vrv_store_op op)
{
    return f->attempts[op];
}

size_t
fakestore_most(struct fakestore *f, enum vrv_store_class lane)
{
    size_t most = f->lane_most[lane];

    f->lane_most[lane] = f->lane_n[lane];
    return most;
}

uint64_t
fakestore_struck(const struct fakestore *f, enum fakestore_fault fault)
{
    return f->struck[fault];
}

const uint8_t *
fakestore_object(const struct fakestore *f, const char *key, size_t *n)
{
    const struct object *o = find(&f->now, key);

    *n = o == NULL ? 0 : o->n;
    return o == NULL ? NULL : o->bytes;
}

size_t
fakestore_objects(const struct fakestore *f)
{
    return f->now.n;
}

size_t
fakestore_uploads(const struct fakestore *f)
{
    size_t n = 0;

    for (const struct vrv_store_upload *u = f->uploads; u != NULL; u = u->next)
        n += !u->ended && !u->aborted;
    return n;
}

size_t
fakestore_count(const struct fakestore *f, const char *prefix)
{
    size_t n = 0;

    for (size_t i = 0; i < f->now.n; i++)
        n += strncmp(f->now.v[i].key, prefix, strlen(prefix)) == 0;
    return n;
}
