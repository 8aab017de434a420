#include "tiering/daemon/owner_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"

#define ENTITY "store" /* of the catalog: owner, id, there */

enum { FILE_MAX = 256, AGAIN_MS = 5000, LAST_MS = 5000, DOUBLINGS = 4, RARELY_MS = 60000 };

static const int64_t MS = 1000000;

/* ---- calls ---- */

static int64_t
now_ns(const struct vrv_owner *o)
{
    return o->o.clock->mono_ns(o->o.clock);
}

static int64_t
wall_ms(const struct vrv_owner *o)
{
    return o->o.clock->wall_ms(o->o.clock);
}

void
vrv__owner_call(struct vrv_owner *o, struct vrv_store_call *c, enum vrv_store_op op, const char *key,
    void (*run)(struct vrv_done *d))
{
    int64_t last_ms = o->o.round_ms < LAST_MS ? o->o.round_ms : LAST_MS;

    c->done = (struct vrv_done){ .cq = o->o.cq, .run = run };
    c->op = op;
    c->lane = VRV_STORE_HOUSEKEEPING;
    c->key = key;
    if (o->end == VRV_OWNER_GOES_ON)
        o->round_ns += vrv_store_sending_ms(c, op) * MS;
    c->deadline_ns = o->end == VRV_OWNER_GOES_ON ? o->round_ns : now_ns(o) + last_ms * MS;
    o->busy = c;
    vrv_retry_submit(o->o.retry, c);
}

void
vrv__owner_put(struct vrv_owner *o, const char *key, uint8_t *bytes, size_t n, bool if_absent,
    void (*run)(struct vrv_done *d))
{
    o->bytes = bytes;
    o->iov = (struct iovec){ bytes, n };
    o->call = (struct vrv_store_call){ .iov = &o->iov, .iov_n = 1, .size = n,
        .crc = vrv_crc32c(0, bytes, n), .if_absent = if_absent };
    vrv__owner_call(o, &o->call, VRV_STORE_PUT, key, run);
}

static void
write_last(struct vrv_owner *o)
{
    o->end = o->state == VRV_OWNER_OWNS ? VRV_OWNER_WRITES_LAST : VRV_OWNER_ENDED;
    if (o->end == VRV_OWNER_WRITES_LAST)
        vrv__owner_mark(o);
}

void
vrv__owner_done(struct vrv_owner *o, int64_t again_ms)
{
    o->busy = NULL;
    o->due_ns = now_ns(o) + again_ms * MS;
    if (o->end == VRV_OWNER_ENDS)
        write_last(o);
    else if (o->end == VRV_OWNER_WRITES_LAST)
        o->end = VRV_OWNER_ENDED;
}

void
vrv__owner_failed(struct vrv_owner *o, const struct vrv_err *e)
{
    o->err = *e;
    vrv__owner_done(o, AGAIN_MS);
}

static void
get(struct vrv_owner *o, uint64_t number, void (*run)(struct vrv_done *d))
{
    vrv_owner_key(number, o->key);
    o->bytes = vrv_mem_zero(FILE_MAX);
    o->call = (struct vrv_store_call){ .buf = o->bytes, .size = FILE_MAX };
    vrv__owner_call(o, &o->call, VRV_STORE_GET, o->key, run);
}

/* What was got: 0, NOTFOUND, or what is wrong. */
static int
got(struct vrv_owner *o, struct vrv_owner_file *f, struct vrv_err *e)
{
    int rc = o->call.status;

    *e = o->call.err;
    if (rc == 0)
        rc = vrv_owner_read(f, o->bytes, o->call.got, e);
    free(o->bytes);
    o->bytes = NULL;
    return rc < 0 && rc != VRV_E_NOTFOUND ? vrv_store_blame(e, rc, o->key) : rc;
}

/* ---- what the catalog knows of it ---- */

static bool
knows(struct vrv_owner *o)
{
    struct vrv_entity_configs c;
    bool has_id = false;

    vrv_catalog_configs(o->catalog, ENTITY, &c);
    o->known = c.mod;
    o->was_there = false;
    for (size_t i = 0; i < c.n; i++) {
        if (strcmp(c.v[i].key, "owner") == 0)
            o->number = strtoull(c.v[i].value, NULL, 10);
        if (strcmp(c.v[i].key, "id") == 0)
            has_id = vrv_uuid_parse(&o->id, c.v[i].value);
        o->was_there |= strcmp(c.v[i].key, "there") == 0;
    }
    free(c.v);
    return has_id && o->number > 0;
}

static int
keep_claim(struct vrv_owner *o, bool is_there, struct vrv_err *e)
{
    char number[24], id[VRV_UUID_TEXT + 1], yes[] = "1", keys[][8] = { "id", "owner", "there" };
    struct vrv_config_kv kv[] = { { keys[0], id }, { keys[1], number }, { keys[2], yes } };

    (void)snprintf(number, sizeof(number), "%" PRIu64, o->number);
    vrv_uuid_text(&o->id, id);
    return vrv_catalog_set_configs(o->catalog, ENTITY, o->known, kv, is_there ? 3 : 2, e);
}

/* From now on a store without its file is another one. */
static int
note_there(struct vrv_owner *o, struct vrv_err *e)
{
    if (o->was_there)
        return 0;
    (void)knows(o);
    int rc = keep_claim(o, true, e);
    o->was_there = rc == 0;
    return rc;
}

/* ---- whose it is ---- */

static struct vrv_owner *
owner_of(struct vrv_done *d)
{
    return VRV_LIST_OF(d, struct vrv_owner, call.done);
}

static void
tell(struct vrv_owner *o)
{
    if (o->o.foreign != NULL && !o->told)
        o->o.foreign(o->o.foreign_ctx, &o->err);
    o->told = true;
}

static void
is_foreign(struct vrv_owner *o, const struct vrv_owner_file *f, const char *why)
{
    (void)vrv_err_set(&o->err, VRV_E_FOREIGN, "the store belongs to %s (cluster %s): %s",
        strcmp(f->cluster, o->o.cluster) == 0 ? "another server of this cluster" : "another cluster",
        f->cluster, why);
    o->state = VRV_OWNER_FOREIGN;
    tell(o);
    vrv__owner_done(o, AGAIN_MS);
}

/* Who claimed it as the next owner, or began to: it isn't ours any more, unless it was only that answer. */
static void
is_claimed(struct vrv_owner *o, struct vrv_err *e)
{
    (void)vrv_err_prefix(e, e->code, "another server has claimed the store, and its claim can't be read: stop this one, and do "
        "`varve restore` there again; or delete that file when nobody is made anew");
    if (o->missed++ > 0)
        o->state = VRV_OWNER_ASKS;
    vrv__owner_failed(o, e);
    if (o->state != VRV_OWNER_OWNS)
        tell(o);
}

static void
next_came(struct vrv_done *d)
{
    struct vrv_owner *o = owner_of(d);
    struct vrv_owner_file f;
    struct vrv_err e;
    int rc = got(o, &f, &e);

    if (rc == 0) {
        is_foreign(o, &f, "it was made anew from this store, and has taken it over; stop one of them");
    } else if (rc == VRV_E_NOTFOUND) {
        o->state = VRV_OWNER_OWNS;
        o->wrote = true;
        o->told = false;
        o->missed = 0;
        vrv__owner_mark(o);
    } else if (rc == VRV_E_CORRUPT) {
        is_claimed(o, &e);
    } else {
        vrv__owner_failed(o, &e);
    }
}

static void
is_own(struct vrv_owner *o)
{
    struct vrv_err e;

    o->spoiled = 0;
    o->owned = o->number;
    if (note_there(o, &e) < 0)
        vrv__owner_failed(o, &e);
    else
        get(o, o->number + 1, next_came);
}

static void
judge(struct vrv_owner *o, const struct vrv_owner_file *f)
{
    if (vrv_uuid_eq(&f->id, &o->id))
        is_own(o);
    else
        is_foreign(o, f, "choose another prefix, or the data directory that belongs to it");
}

/* It can't be read: now, or ever.  Each claim leaves a name, so they come less and less often. */
static void
is_spoiled(struct vrv_owner *o, struct vrv_err *e)
{
    int64_t ms = o->was_there ? (int64_t)AGAIN_MS << o->spoiled : AGAIN_MS;

    (void)vrv_err_prefix(e, e->code, o->was_there ? "this server's claim is damaged there, and is made anew"
        : "whose the store is can't be read: when no server uses it, `varve restore` makes its server anew in an empty "
        "data directory; or choose another prefix");
    o->err = *e;
    vrv__owner_done(o, ms < RARELY_MS ? ms : RARELY_MS);
    o->spoiled += o->spoiled < DOUBLINGS;
}

/* Somebody's, or ours: as it is read back, or of an earlier try. */
static void
existing_came(struct vrv_done *d)
{
    struct vrv_owner *o = owner_of(d);
    struct vrv_owner_file f;
    struct vrv_err e;
    int rc = got(o, &f, &e);

    if (rc == VRV_E_CORRUPT)
        is_spoiled(o, &e);
    else if (rc < 0)
        vrv__owner_failed(o, &e);
    else
        judge(o, &f);
}

static void
was_put(struct vrv_done *d)
{
    struct vrv_owner *o = owner_of(d);
    struct vrv_err e = o->call.err;
    int rc = o->call.status;

    free(o->bytes);
    o->bytes = NULL;
    if (rc == 0)
        rc = note_there(o, &e);
    if (rc == 0 || rc == VRV_E_EXISTS)
        get(o, o->number, existing_came);
    else
        vrv__owner_failed(o, &e);
}

static void
put_own(struct vrv_owner *o)
{
    struct vrv_owner_file f = { .id = o->id, .ms = wall_ms(o) };
    size_t n;

    (void)snprintf(f.cluster, sizeof(f.cluster), "%s", o->o.cluster);
    uint8_t *bytes = vrv_owner_write(&f, &n);
    vrv_owner_key(o->number, o->key);
    vrv__owner_put(o, o->key, bytes, n, true, was_put);
}

/* Under its own number it stays damaged, as it is written only where there is none.  It was ours,
 * so the next one is free, or a server's that was made anew. */
static void
claim_next(struct vrv_owner *o)
{
    struct vrv_err e;

    (void)knows(o);
    o->number++;
    o->was_there = false;
    o->state = VRV_OWNER_ASKS; /* until that is known */
    if (keep_claim(o, false, &e) == 0) {
        put_own(o);
        return;
    }
    o->number--;
    o->was_there = true;
    vrv__owner_failed(o, &e);
}

/* A file system that isn't mounted, a bucket that isn't the one or was emptied: what went there
 * would be missing where the rest is. */
static void
is_another(struct vrv_owner *o)
{
    struct vrv_err e;

    (void)vrv_err_set(&e, VRV_E_NOTFOUND, "%s, which this server wrote, isn't there: is this another store, or one "
        "that isn't mounted? Correct tier.store.url, or bring back what was there", o->key);
    if (o->missed++ > 0) /* a store may fail to tell of it once */
        o->state = VRV_OWNER_ASKS;
    if (!o->wrote)
        vrv_retry_reopen(o->o.retry); /* it may be mounted by then */
    vrv__owner_failed(o, &e);
    if (o->state != VRV_OWNER_OWNS)
        tell(o);
}

static void
own_came(struct vrv_done *d)
{
    struct vrv_owner *o = owner_of(d);
    struct vrv_owner_file f;
    struct vrv_err e;
    int rc = got(o, &f, &e);

    if (rc == VRV_E_NOTFOUND && !o->was_there)
        put_own(o); /* a crash came between */
    else if (rc == VRV_E_NOTFOUND)
        is_another(o);
    else if (rc == VRV_E_CORRUPT && o->was_there && o->spoiled > 0 && o->end == VRV_OWNER_GOES_ON)
        claim_next(o); /* it wasn't only that answer */
    else if (rc == VRV_E_CORRUPT)
        is_spoiled(o, &e);
    else if (rc < 0)
        vrv__owner_failed(o, &e);
    else
        judge(o, &f);
}

/* ---- a store that this server doesn't know ---- */

static void
foreign_came(struct vrv_done *d)
{
    struct vrv_owner *o = owner_of(d);
    struct vrv_owner_file f;
    struct vrv_err e;
    int rc = got(o, &f, &e);

    if (rc == VRV_E_CORRUPT)
        is_spoiled(o, &e);
    else if (rc < 0)
        vrv__owner_failed(o, &e);
    else
        is_foreign(o, &f,
            "`varve restore` makes that server anew in an empty data directory; or choose another prefix");
}

static void
claim(struct vrv_owner *o)
{
    struct vrv_err e;

    for (size_t i = 0; i < sizeof(o->id.b); i++)
        o->id.b[i] = (uint8_t)vrv_rand_below(&o->random, 256);
    o->number = 1;
    if (keep_claim(o, false, &e) < 0) {
        o->number = 0;
        vrv__owner_failed(o, &e);
        return;
    }
    put_own(o);
}

static void
owners_came(struct vrv_done *d)
{
    struct vrv_owner *o = VRV_LIST_OF(d, struct vrv_owner, list.done);
    uint64_t newest = 0, number;

    for (size_t i = 0; o->list.status == 0 && i < o->list.got; i++)
        if (vrv_owner_number(o->list.names[i].key, &number) && number > newest)
            newest = number;
    vrv_store_names_free(&o->list);
    if (o->list.status < 0)
        vrv__owner_failed(o, &o->list.err);
    else if (newest > 0)
        get(o, newest, foreign_came);
    else
        claim(o);
}

static void
ask_whose(struct vrv_owner *o)
{
    o->list = (struct vrv_store_call){ .max = 1000 };
    vrv__owner_call(o, &o->list, VRV_STORE_LIST, "owner/", owners_came);
}

/* ---- life ---- */

void
vrv_owner_init(struct vrv_owner *o, const struct vrv_owner_opts *opts)
{
    *o = (struct vrv_owner){ .o = *opts, .random = { opts->random } };
}

void
vrv_owner_attach(struct vrv_owner *o, struct vrv_catalog *catalog)
{
    o->catalog = catalog;
    o->due_ns = 0;
    o->number = 0;
    o->state = VRV_OWNER_ASKS;
    o->end = VRV_OWNER_GOES_ON;
}

int64_t
vrv_owner_step(struct vrv_owner *o)
{
    if (o->busy != NULL || o->catalog == NULL || o->state == VRV_OWNER_FOREIGN || o->end == VRV_OWNER_ENDED)
        return INT64_MAX;
    if (now_ns(o) < o->due_ns)
        return o->due_ns;
    o->round_ns = now_ns(o) + o->o.round_ms * MS;
    if (o->number == 0 && !knows(o))
        ask_whose(o);
    else
        get(o, o->number, own_came);
    return INT64_MAX;
}

void
vrv_owner_end(struct vrv_owner *o, bool marks)
{
    o->end = marks ? VRV_OWNER_ENDS : VRV_OWNER_ENDED;
    if (o->busy != NULL)
        vrv_retry_cancel(o->o.retry, o->busy);
    else if (marks)
        write_last(o);
}

bool
vrv_owner_is_busy(const struct vrv_owner *o)
{
    return o->busy != NULL;
}

uint64_t
vrv_owner_known(struct vrv_catalog *catalog)
{
    struct vrv_owner o = { .catalog = catalog };

    (void)knows(&o);
    return o.number;
}
