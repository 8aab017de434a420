#include "tiering/scrub/heal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/contract/cold.h"
#include "tiering/daemon/owner.h"
#include "tiering/parts/has.h"
#include "tiering/restore/find.h"
#include "tiering/scrub/heal_int.h"
#include "tiering/scrub/object.h"

enum { STEP_MS = 50 };

/* ---- waiting ---- */

static void
wait_for(struct vrv_heal *h, const bool *done)
{
    while (!*done) {
        (void)vrv_retry_step(h->s->retry);
        (void)vrv_pace_step(&h->pace);
        bool stepped = vrv_store_step(h->s->store);
        struct vrv_done *d = vrv_cq_take(&h->s->cq, stepped ? 0 : STEP_MS);
        if (d != NULL)
            d->run(d);
    }
}

static int
ended(struct vrv__healing *o, struct vrv_err *e)
{
    wait_for(o->h, &o->done);
    o->done = false;
    if (o->status < 0)
        *e = o->err;
    return o->status;
}

static void
note_end(struct vrv__healing *o, int status, const struct vrv_err *e)
{
    o->status = status;
    o->err = *e;
    o->done = true;
}

/* ---- what there is ---- */

struct reading {
    struct vrv_part_wait wait;
    struct vrv__healing *o;
};

static void
came(struct vrv_part_wait *w, int status, const struct vrv_err *e)
{
    note_end(VRV_LIST_OF(w, struct reading, wait)->o, status, e);
}

int
vrv__heal_read(struct vrv__healing *o, struct vrv_err *e)
{
    struct vrv_parts *ps = &o->h->parts;
    struct reading r = { .wait.run = came, .o = o };
    int rc = vrv_parts_now(ps, o->id, &o->snap, e);

    if (rc != VRV_E_AGAIN && (rc < 0 || !vrv_manifest_is_thin(&o->snap->m)))
        return rc;
    vrv_snap_unref(o->snap);
    o->snap = NULL;
    vrv_list_init(&r.wait.link);
    vrv_parts_read(ps, o->id, &r.wait);
    rc = ended(o, e);
    return rc == 0 ? vrv_parts_now(ps, o->id, &o->snap, e) : rc;
}

/* Which of v's is it? */
static bool
is_in(struct vrv__healing *o, struct vrv_cold_seg *v, uint32_t n, const char *key)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(v[i].key, key) == 0) {
            o->v = v;
            o->n = n;
            o->at = i;
            return true;
        }
    return false;
}

static int
find(struct vrv__healing *o, const char *key, int64_t base, struct vrv_err *e)
{
    const struct vrv_manifest *m = &o->snap->m;
    int rc = 0;

    o->page = -1;
    if (is_in(o, m->seg, m->seg_n, key))
        return 0;
    for (uint32_t i = 0; i < m->page_n && rc == 0; i++) {
        struct vrv_cold_seg *v;

        if (base < m->page[i].base || base >= m->page[i].next)
            continue;
        if ((rc = vrv_find_page(o->h->s, m, &m->page[i], &v, e)) < 0)
            return rc;
        if (is_in(o, v, m->page[i].segments, key)) {
            o->page = (int)i;
            return 0;
        }
        vrv_cold_segs_free(v, m->page[i].segments);
    }
    return vrv_err_set(e, VRV_E_CONFLICT, "the manifest that counts doesn't name %s", key);
}

/* Of the newest page before it that is whole: o->earlier, or NULL. */
static int
read_earlier(struct vrv__healing *o, struct vrv_err *e)
{
    const struct vrv_manifest *m = &o->snap->m;
    uint32_t page = o->page < 0 ? m->page_n : (uint32_t)o->page;
    int rc = VRV_E_NOTFOUND;

    while (page > 0 && vrv_find_is_lost(rc)) {
        rc = vrv_find_page(o->h->s, m, &m->page[--page], &o->earlier, e);
        o->earlier_n = rc == 0 ? m->page[page].segments : 0;
        o->h->lacks = o->h->lacks || vrv_find_is_lost(rc);
    }
    return vrv_find_is_lost(rc) ? 0 : rc;
}

/* What lies before it, for what producers had written by then. */
static int
find_before(struct vrv__healing *o, const struct vrv_cold_seg **before, uint32_t *n, struct vrv_err *e)
{
    int rc = o->at > 0 ? 0 : read_earlier(o, e);

    *before = o->at > 0 ? o->v : o->earlier;
    *n = o->at > 0 ? o->at : o->earlier_n;
    return rc;
}

static int
find_here(struct vrv__healing *o, int64_t base, struct vrv_err *e)
{
    const struct vrv_cold_seg *c = &o->v[o->at];

    o->log = vrv_engine_log_ref(o->h->eng, o->id);
    o->seg = o->log != NULL ? vrv_log_sealed(o->log, base) : NULL;
    if (o->seg == NULL)
        return vrv_err_set(e, VRV_E_NOTFOUND, "this disk hasn't got segment %" PRId64 ", either", base);
    if (o->seg->next > c->next || o->seg->size != c->plain)
        return vrv_err_set(e, VRV_E_CORRUPT, "segment %" PRId64 " of this disk isn't what was moved", base);
    return 0;
}

/* ---- the object ---- */

static void
moved(struct vrv_move *m, int status, const struct vrv_err *e)
{
    note_end(m->owner, status, e);
}

static int
write_object(struct vrv__healing *o, struct vrv_err *e)
{
    const struct vrv_cold_seg *before;
    uint32_t before_n;
    int rc = find_before(o, &before, &before_n, e);

    if (rc < 0)
        return rc;
    struct vrv_move *m = VRV_NEW(struct vrv_move);
    *m = (struct vrv_move){ .o = &o->h->move, .seg = o->seg, .epoch = vrv_log_offsets(o->log).epoch,
        .zstd_level = vrv_log_cold_level(o->log), .before = before, .before_n = before_n,
        .made = &o->made, .owner = o, .run = moved };
    vrv_move_begin(m);
    rc = ended(o, e);
    o->h->lacks = o->h->lacks || m->lacks.code != 0;
    vrv_producers_free(&m->producers);
    free(m);
    return rc;
}

static int
read_back(struct vrv__healing *o, struct vrv_err *e)
{
    struct vrv_object_walk w = { .s = o->h->s, .id = o->id, .seg = &o->made };

    return vrv_object_walk(&w, e);
}

/* ---- the manifest ---- */

static void
take_place(struct vrv__healing *o, struct vrv_cold_seg *old)
{
    o->made.next = old->next; /* up to there nothing else is */
    vrv_cold_seg_fini(old);
    *old = o->made;
    o->made = (struct vrv_cold_seg){ .key = NULL };
}

int
vrv__heal_write_page(struct vrv__healing *o, struct vrv_cold_seg *v, uint32_t segments,
    struct vrv_cold_page *in_place_of, struct vrv_err *e)
{
    const struct vrv_manifest part = { .topic = o->id->topic, .partition = o->id->partition, .seg = v,
        .seg_n = segments, .next = v[segments - 1].next };
    struct vrv_cold_page page = { .key = NULL };
    char key[VRV_STORE_KEY_MAX + 1];
    size_t n;

    uint8_t *bytes = vrv_manifest_write_page(&part, 0, segments, &page, &n);
    vrv_parts_page_key(&o->h->parts, o->id, page.base, key);
    int rc = vrv_sync_put(o->h->s, key, bytes, n, false, e);
    free(bytes);
    if (rc < 0)
        return rc;
    page.key = vrv_mem_strdup(key);
    free(in_place_of->key);
    *in_place_of = page;
    return 0;
}

static void
committed(struct vrv_parts_commit *c, int status, const struct vrv_err *e)
{
    note_end(c->owner, status, e);
}

int
vrv__heal_commit(struct vrv__healing *o, struct vrv_manifest *next, bool looks, struct vrv_err *e)
{
    struct vrv_parts_commit *c = VRV_NEW(struct vrv_parts_commit);
    int32_t epoch = vrv_log_offsets(o->log).epoch;

    *c = (struct vrv_parts_commit){ .run = committed, .owner = o, .next = *next, .looks = looks };
    if (c->next.epoch < epoch)
        c->next.epoch = epoch;
    vrv_parts_commit(&o->h->parts, c);
    int rc = ended(o, e);
    free(c);
    return rc;
}

static int
commit(struct vrv__healing *o, struct vrv_err *e)
{
    struct vrv_manifest next;
    int rc = 0;

    vrv_manifest_copy(&next, &o->snap->m);
    if (o->page < 0) {
        take_place(o, &next.seg[o->at]);
    } else {
        take_place(o, &o->v[o->at]);
        rc = vrv__heal_write_page(o, o->v, o->n, &next.page[o->page], e);
    }
    if (rc == 0)
        return vrv__heal_commit(o, &next, false, e);
    vrv_manifest_fini(&next);
    return rc;
}

/* ---- all of it ---- */

static int
heal(struct vrv__healing *o, const char *key, int64_t base, struct vrv_err *e)
{
    int rc = vrv__heal_read(o, e);

    if (rc == 0)
        rc = find(o, key, base, e);
    if (rc == 0)
        rc = find_here(o, base, e);
    if (rc == 0)
        rc = write_object(o, e);
    if (rc == 0)
        rc = read_back(o, e);
    return rc == 0 ? commit(o, e) : rc;
}

static int
try_to_heal(struct vrv_heal *h, const struct vrv_log_id *id, const char *key, int64_t base,
    uint64_t *bytes, struct vrv_err *e)
{
    struct vrv__healing o = { .h = h, .id = id, .page = -1 };

    h->lacks = false;
    int rc = heal(&o, key, base, e);
    *bytes = o.seg != NULL ? o.seg->size : 0;
    vrv_cold_segs_free(o.earlier, o.earlier_n);
    if (o.page >= 0)
        vrv_cold_segs_free(o.v, o.n);
    vrv_cold_seg_fini(&o.made);
    vrv_snap_unref(o.snap);
    vrv_seg_unref(o.seg);
    vrv_log_unref(&o.log);
    return rc;
}

/* What counts may be in the way, or not name it, because of a commit that a crash has cut short:
 * once all roots above are settled the word is that of what counts then. */
int
vrv_heal_segment(struct vrv_heal *h, const struct vrv_log_id *id, const char *key, int64_t base,
    uint64_t *bytes, struct vrv_err *e)
{
    int rc = try_to_heal(h, id, key, base, bytes, e);
    bool there;

    if (rc != VRV_E_CONFLICT)
        return rc;
    rc = vrv_heal_above(h, id, &there, e);
    return rc == 0 ? try_to_heal(h, id, key, base, bytes, e) : rc;
}

/* ---- begin and end ---- */

/* Whoever was made anew from the store owns it now, and this disk is what was lost. */
static int
check_owner(struct vrv_heal *h, struct vrv_err *e)
{
    uint64_t newest;
    int rc = vrv_find_owner(h->s, &newest, e);

    h->owner = vrv_owner_known(vrv_engine_catalog(h->eng));
    if (rc < 0 || (h->owner == newest && newest > 0))
        return rc;
    return vrv_err_set(e, VRV_E_LOCKED, "the store isn't this server's: its owner is number %" PRIu64
        ", this one was %" PRIu64, newest, h->owner);
}

static int
next_owner(void *ctx, char key[VRV_STORE_KEY_MAX + 1])
{
    const struct vrv_heal *h = ctx;

    vrv_owner_key(h->owner + 1, key);
    return 1;
}

static bool
log_has(void *ctx, const struct vrv_log_id *id, const struct vrv_cold_seg *s)
{
    struct vrv_heal *h = ctx;

    return vrv_parts_log_has(h->eng, id, s) || vrv__heal_is_left(h, id, s);
}

/* However old: no sweep takes anything as long as a root is above what counts, which nobody has decided about. */
static int
is_there(void *ctx, const char *key, uint64_t end, struct vrv_err *e)
{
    static const struct vrv_found_names none;
    struct vrv_heal *h = ctx;

    return vrv_find_there(h->s, &none, key, end, e);
}

/* Nobody reads with this engine. */
struct vrv_cold *
vrv_heal_cold(void)
{
    static const struct vrv_cold_ops ops = { .fetch = NULL };
    static struct vrv_cold cold = { .ops = &ops };

    return &cold;
}

int
vrv_heal_begin(struct vrv_heal *h, struct vrv_err *e)
{
    struct vrv_sync *s = h->s;
    int rc = check_owner(h, e);

    if (rc < 0)
        return rc;
    vrv_parts_init(&h->parts, &(struct vrv_parts_opts){ .retry = s->retry, .cq = &s->cq, .clock = s->clock,
        .random = h->random, .hashed = h->hashed, .read_ms = s->call_ms, .write_ms = s->call_ms,
        .adopt_ms = VRV_PARTS_ORPHAN_MS / 2, .root_bytes = VRV_PARTS_ROOT_BYTES,
        .index_bytes = h->index_bytes, .successor = next_owner, .has = log_has, .there = is_there, .ctx = h });
    vrv_parts_attach(&h->parts, vrv_engine_catalog(h->eng));
    vrv_pace_init(&h->pace, s->clock, INT64_MAX);
    vrv_source_init(&h->source);
    h->move = (struct vrv_move_opts){ .parts = &h->parts, .pace = &h->pace, .source = &h->source,
        .chunk_bytes = VRV_CHUNK_BYTES, .index_interval = VRV_MOVE_INDEX_INTERVAL,
        .upload = { .store = s->store, .retry = s->retry, .cq = &s->cq, .clock = s->clock,
            .parts = VRV_UPLOAD_PARTS, .call_ms = s->call_ms, .put_max = VRV_STORE_PUT_MAX } };
    return 0;
}

void
vrv_heal_end(struct vrv_heal *h)
{
    vrv_parts_attach(&h->parts, NULL);
    vrv_source_fini(&h->source);
    vrv_parts_fini(&h->parts);
}
