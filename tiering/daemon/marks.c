/* Markers: what the owner of a store leaves there for the day when its disk is gone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "tiering/daemon/owner_int.h"

enum {
    SOON_MS = 5000,
    RARELY_MS = 60000,
    DOUBLINGS = 10,
    EARLY = 12, /* a server that starts reads its groups first */
};

/* ---- their names, which are in order of time ---- */

/* One that is written later sorts behind those before it, also where the clock was set back. */
static int64_t
time_of(const struct vrv_owner *o)
{
    int64_t now = o->o.clock->wall_ms(o->o.clock);

    return now > o->newest_ms ? now : o->newest_ms + 1;
}

/* The newest there isn't ours: the clock was set back, and the next one mends that. */
static bool
is_behind(const struct vrv_owner *o)
{
    return o->mark_ms < o->newest_ms;
}

static void
done(struct vrv_owner *o)
{
    vrv__owner_done(o, is_behind(o) ? 0 : o->o.every_ms);
}

/* ---- old ones go ---- */

static void
old_gone(struct vrv_done *d)
{
    struct vrv_owner *o = VRV_LIST_OF(d, struct vrv_owner, call.done);

    free(o->old);
    o->old = NULL;
    vrv_store_names_free(&o->list);
    if (o->call.status < 0)
        vrv__owner_failed(o, &o->call.err);
    else
        done(o);
}

static void
listed(struct vrv_done *d)
{
    struct vrv_owner *o = VRV_LIST_OF(d, struct vrv_owner, list.done);
    size_t there = 0, old = 0;
    int64_t ms;

    o->old = vrv_mem_zero((o->list.got + 1) * sizeof(*o->old));
    for (size_t i = 0; o->list.status == 0 && i < o->list.got; i++)
        if (vrv_marker_key_ms(o->list.names[i].key, &ms)) {
            o->old[there++] = o->list.names[i].key;
            o->newest_ms = ms > o->newest_ms ? ms : o->newest_ms;
        }
    if (there > o->o.keeps && !is_behind(o)) /* else the one just written might be among them */
        old = there - o->o.keeps;
    if (old > 0) {
        o->call = (struct vrv_store_call){ .keys = o->old, .max = (unsigned)old };
        vrv__owner_call(o, &o->call, VRV_STORE_DELETE, NULL, old_gone);
        return;
    }
    free(o->old);
    o->old = NULL;
    vrv_store_names_free(&o->list);
    if (o->list.status < 0)
        vrv__owner_failed(o, &o->list.err);
    else
        done(o);
}

static void
list_old(struct vrv_owner *o)
{
    o->list = (struct vrv_store_call){ .max = 1000 };
    vrv__owner_call(o, &o->list, VRV_STORE_LIST, "marker/", listed);
}

/* ---- what the store may have, and nobody knows to be whole, goes ---- */

static void
note_doubt(struct vrv_owner *o, bool is_damaged)
{
    if (o->doubt_n == VRV_OWNER_DOUBTS) /* it goes as one that is old */
        memmove(o->doubt, o->doubt + 1, --o->doubt_n * sizeof(*o->doubt));
    (void)snprintf(o->doubt[o->doubt_n++], sizeof(*o->doubt), "%.39s", o->key);
    o->is_damaged = is_damaged;
}

/* Is there any?  The newest stays as long as there is no better one, and it isn't known to be damaged. */
static bool
drop_doubts(struct vrv_owner *o, bool all, void (*run)(struct vrv_done *d))
{
    o->going_n = all || o->is_damaged || o->doubt_n == 0 ? o->doubt_n : o->doubt_n - 1;
    for (unsigned i = 0; i < o->going_n; i++)
        o->going[i] = o->doubt[i];
    o->call = (struct vrv_store_call){ .keys = o->going, .max = o->going_n };
    if (o->going_n > 0)
        vrv__owner_call(o, &o->call, VRV_STORE_DELETE, NULL, run);
    return o->going_n > 0;
}

/* Or they are tried again, with the next ones. */
static void
doubts_dropped(struct vrv_owner *o)
{
    if (o->call.status < 0)
        return;
    o->doubt_n -= o->going_n;
    memmove(o->doubt, o->doubt + o->going_n, o->doubt_n * sizeof(*o->doubt));
    o->is_damaged = false;
}

static void
dropped_behind(struct vrv_done *d)
{
    struct vrv_owner *o = VRV_LIST_OF(d, struct vrv_owner, call.done);

    doubts_dropped(o);
    if (o->end == VRV_OWNER_GOES_ON)
        list_old(o);
    else
        vrv__owner_done(o, 0);
}

/* Those before still count.  Each try has a name of its own; so they come less and less often. */
static void
not_written(struct vrv_owner *o, struct vrv_err *e)
{
    int64_t most = o->o.every_ms < RARELY_MS ? o->o.every_ms : RARELY_MS;
    int64_t ms = (int64_t)SOON_MS << (o->missing < DOUBLINGS ? o->missing : DOUBLINGS);

    o->missing++;
    o->crc = 0;
    o->failures++;
    (void)vrv_err_prefix(e, e->code, "a marker can't be written");
    o->err = o->unmarked = *e;
    vrv__owner_done(o, ms < most ? ms : most > SOON_MS ? most : SOON_MS);
}

static void
verified(struct vrv_done *d)
{
    struct vrv_owner *o = VRV_LIST_OF(d, struct vrv_owner, call.done);
    int rc = o->call.status;

    if (rc < 0) {
        note_doubt(o, rc == VRV_E_CORRUPT);
        (void)vrv_store_blame(&o->call.err, rc, o->key);
        not_written(o, &o->call.err);
        return;
    }
    o->marked_ms = o->o.clock->wall_ms(o->o.clock);
    o->err = o->unmarked = (struct vrv_err){ 0 };
    o->early = o->missing = 0;
    if (o->end != VRV_OWNER_GOES_ON) {
        vrv__owner_done(o, 0);
        return;
    }
    if (!drop_doubts(o, true, dropped_behind))
        list_old(o);
}

/* What the store has now, is it that?  Not every store was told a checksum. */
static void
written(struct vrv_done *d)
{
    struct vrv_owner *o = VRV_LIST_OF(d, struct vrv_owner, call.done);

    free(o->bytes);
    o->bytes = NULL;
    if (o->call.status < 0) {
        if (o->call.status == VRV_E_UNKNOWN || o->call.status == VRV_E_EXISTS) /* something is there by our name */
            note_doubt(o, o->call.status == VRV_E_EXISTS);
        not_written(o, &o->call.err);
        return;
    }
    o->call = (struct vrv_store_call){ .size = o->call.size, .crc = o->call.crc };
    vrv__owner_call(o, &o->call, VRV_STORE_VERIFY, o->key, verified);
}

/* ---- a new one ---- */

/* Behind a marker comes the rest of its round; when nothing has changed for idle_ms another one
 * begins, which may have been late, and takes as long as a round may.  (What sending takes is for
 * who knows the marker's size.) */
static int64_t
silent_ms(const struct vrv_owner *o)
{
    return o->o.idle_ms + 2 * o->o.every_ms + 2 * o->o.round_ms;
}

/* Has anything changed but the time? */
static bool
is_news(struct vrv_owner *o, const struct vrv_marker *m)
{
    uint32_t crc = 1;

    for (size_t i = 0; i < m->catalog.n; i++) {
        crc = vrv_crc32c(crc, m->catalog.v[i].key, strlen(m->catalog.v[i].key));
        crc = vrv_crc32c(crc, m->catalog.v[i].value, m->catalog.v[i].n);
    }
    for (uint32_t i = 0; i < m->record_n; i++) {
        crc = vrv_crc32c(crc, m->record[i].key, m->record[i].key_n);
        crc = vrv_crc32c(crc, m->record[i].value, m->record[i].value_n);
    }
    int64_t past = o->o.clock->wall_ms(o->o.clock) - o->marked_ms;
    bool news = crc != o->crc || m->last || past < 0 || past >= o->o.idle_ms || is_behind(o);
    o->crc = crc;
    return news;
}

_Static_assert((int)VRV_MARKER_MAX <= (int)VRV_STORE_PUT_MAX, "one call writes it");

static void
write_marker(struct vrv_owner *o, const struct vrv_marker *m)
{
    size_t n;
    struct vrv_err e;
    uint8_t *bytes = vrv_marker_write(m, &n, &e);

    if (bytes == NULL) {
        not_written(o, &e);
        return;
    }
    o->mark_ms = m->ms;
    vrv_marker_key(m->ms, vrv_rand_next(&o->random), o->key);
    vrv__owner_put(o, o->key, bytes, n, false, written);
}

static void
mark(struct vrv_owner *o)
{
    struct vrv_marker m = { .owner = o->number, .ms = time_of(o), .silent_ms = silent_ms(o),
        .last = o->end == VRV_OWNER_WRITES_LAST };
    struct vrv_err e;

    (void)snprintf(m.cluster, sizeof(m.cluster), "%s", o->o.cluster);
    int rc = vrv_catalog_dump(o->catalog, &m.catalog, &e);
    if (rc == 0 && o->o.records != NULL)
        rc = o->o.records(o->o.ctx, &m, &e);
    if (rc == VRV_E_AGAIN && o->early++ < EARLY)
        vrv__owner_done(o, SOON_MS);
    else if (rc < 0)
        not_written(o, &e);
    else if (is_news(o, &m))
        write_marker(o, &m);
    else
        vrv__owner_done(o, o->o.every_ms);
    vrv_catalog_dump_fini(&m.catalog);
    free(m.record);
}

static void
dropped_before(struct vrv_done *d)
{
    struct vrv_owner *o = VRV_LIST_OF(d, struct vrv_owner, call.done);

    doubts_dropped(o);
    if (o->end == VRV_OWNER_GOES_ON)
        mark(o);
    else
        vrv__owner_done(o, 0);
}

void
vrv__owner_mark(struct vrv_owner *o)
{
    if (o->end != VRV_OWNER_GOES_ON || !drop_doubts(o, false, dropped_before))
        mark(o);
}
