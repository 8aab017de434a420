/*
 * A partition: what its newest manifest names is there; what is there is named.
 *
 * Names are listed before the manifest is read: whatever was listed and is old would be named by now.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tiering/scrub/object.h"
#include "tiering/scrub/scrub_int.h"

struct part {
    struct vrv__scrub *c;
    struct vrv_sync *s;
    const struct vrv_log_id *id;
    const struct vrv_known_topic *topic; /* NULL: the marker doesn't know it */
    char name[VRV_TOPIC_NAME_MAX + 1];
    struct vrv_found_head known;         /* when the marker was written */
    struct vrv_found_names objects, manifests;
    bool *named;                         /* of the objects */
    struct vrv_manifest m;               /* version 0: there is none */
    bool judges;                         /* what nothing names */
};

/* ---- findings ---- */

static void
found(struct part *p, enum vrv_scrub_kind kind, const char *key, int64_t from, int64_t to, const char *text)
{
    vrv__scrub_found(p->c, &(struct vrv_finding){ .kind = kind, .key = key, .topic = p->name,
        .id = *p->id, .from = from, .to = to, .text = text });
}

/* ---- the newest manifest ---- */

/* m->version 0: there is none at all.  CORRUPT, NOTFOUND: the newest, whose version is *version, can't be
 * read, or isn't there any more; or it lacks what is known to have been. */
static int
newest(struct part *p, struct vrv_manifest *m, uint64_t *version, struct vrv_err *e)
{
    struct vrv_found_versions l;
    int rc = vrv_find_versions(p->s, p->id, p->known.version, &l, e);

    vrv_found_leave_out(&l, &p->known);
    *m = (struct vrv_manifest){ .version = 0 };
    *version = l.n > 0 ? l.v[l.n - 1] : 0;
    vrv_found_versions_fini(&l);
    if (rc == 0 && *version < p->known.version) {
        *version = p->known.version;
        return vrv_err_set(e, VRV_E_NOTFOUND, "the manifest of version %" PRIu64 ", which counted, isn't there",
            p->known.version);
    }
    if (rc == 0 && *version > 0)
        rc = vrv_find_root(p->s, p->id, *version, m, e);
    if (rc < 0)
        *m = (struct vrv_manifest){ .version = 0 };
    return rc;
}

/* The newest that can be read of those before. */
static int
older(struct part *p, uint64_t than, struct vrv_err *e)
{
    struct vrv_found_versions l;
    int rc = vrv_find_versions(p->s, p->id, 0, &l, e), found_it = VRV_E_NOTFOUND;

    vrv_found_leave_out(&l, &p->known);
    for (size_t i = l.n; i > 0 && rc == 0 && found_it != 0; i--) {
        if (l.v[i - 1] >= than)
            continue;
        found_it = vrv_find_root(p->s, p->id, l.v[i - 1], &p->m, e);
        if (found_it < 0) {
            p->m = (struct vrv_manifest){ .version = 0 };
            rc = vrv_find_is_lost(found_it) ? 0 : found_it;
        }
    }
    vrv_found_versions_fini(&l);
    return rc;
}

static int
read_manifest(struct part *p, struct vrv_err *e)
{
    char key[VRV_STORE_KEY_MAX + 1], text[sizeof(e->msg) + 160];
    uint64_t version, before = 0;
    int rc;

    /* As long as it is another one each time, that is because the server goes on. */
    while (vrv_find_is_lost(rc = newest(p, &p->m, &version, e)) && version != before)
        before = version;
    if (!vrv_find_is_lost(rc))
        return rc;
    vrv_parts_root_key(p->id, version, key);
    (void)snprintf(text, sizeof(text), "%s: its server, if it has it in memory, writes a whole one with the next "
        "segment that leaves; else stop it, and varve scrub --heal", e->msg);
    found(p, VRV_SCRUB_MANIFEST, key, 0, 0, text);
    p->judges = false;
    return older(p, version, e);
}

/* Does the newest manifest still name it?  1, 0, negative.  seg false: a page. */
static int
still_named(struct part *p, bool seg, const char *key, int64_t base, struct vrv_err *e)
{
    struct vrv_manifest m;
    uint64_t version;
    int rc = newest(p, &m, &version, e), named = 0;

    if (vrv_find_is_lost(rc))
        return 1; /* nothing says that it doesn't */
    for (uint32_t i = 0; rc == 0 && i < m.page_n; i++) {
        const struct vrv_cold_page *page = &m.page[i];
        struct vrv_cold_seg *s;

        if (!seg) {
            named |= strcmp(page->key, key) == 0;
            continue;
        }
        if (base < page->base || base >= page->next)
            continue;
        rc = vrv_find_page(p->s, &m, page, &s, e);
        for (uint32_t k = 0; rc == 0 && k < page->segments; k++)
            named |= strcmp(s[k].key, key) == 0;
        if (rc == 0)
            vrv_cold_segs_free(s, page->segments);
        if (vrv_find_is_lost(rc))
            rc = 0; /* the page is told */
    }
    for (uint32_t i = 0; rc == 0 && seg && i < m.seg_n; i++)
        named |= strcmp(m.seg[i].key, key) == 0;
    vrv_manifest_fini(&m);
    return rc < 0 ? rc : named;
}

/* ---- what it names ---- */

static int
by_key(const void *key, const void *name)
{
    return strcmp(key, ((const struct vrv_store_name *)name)->key);
}

static void
note_named(struct part *p, const char *key)
{
    const struct vrv_found_names *l = &p->objects;
    const struct vrv_store_name *name = l->n > 0 ? bsearch(key, l->v, l->n, sizeof(*l->v), by_key) : NULL;

    if (name != NULL)
        p->named[name - l->v] = true;
}

static int
look_at_seg(struct part *p, const struct vrv_found_names *names, const struct vrv_cold_seg *seg,
    enum vrv_scrub_kind *kind, uint64_t *batches, struct vrv_err *e)
{
    struct vrv_object_walk w = { .s = p->s, .id = p->id, .seg = seg, .before = vrv__scrub_before,
        .ctx = p->c };
    int rc = vrv_find_there(p->s, names, seg->key, seg->pos + seg->size, e);

    *kind = rc == VRV_E_NOTFOUND ? VRV_SCRUB_MISSING : VRV_SCRUB_SHORT;
    if (rc < 0 || !p->c->o->full)
        return rc;
    rc = vrv_object_walk(&w, e);
    *kind = rc == VRV_E_NOTFOUND ? VRV_SCRUB_MISSING : VRV_SCRUB_DAMAGED;
    *batches = w.batches;
    return rc;
}

static int
check_seg(struct part *p, const struct vrv_cold_seg *seg, struct vrv_err *e)
{
    static const struct vrv_found_names none;
    enum vrv_scrub_kind kind;
    uint64_t batches = 0;
    int rc = look_at_seg(p, &p->objects, seg, &kind, &batches, e);

    note_named(p, seg->key);
    if (vrv_find_is_lost(rc)) {
        rc = still_named(p, true, seg->key, seg->base, e);
        if (rc == 1 && vrv_find_is_lost(rc = look_at_seg(p, &none, seg, &kind, &batches, e))) {
            found(p, kind, seg->key, seg->base, seg->next, e->msg);
            rc = 0;
        }
    }
    if (rc < 0)
        return rc;
    vrv_lock(&p->c->lock);
    p->c->out->objects++;
    p->c->out->bytes += seg->size;
    p->c->out->batches += batches;
    vrv_unlock(&p->c->lock);
    if (p->c->o->full)
        vrv__scrub_done(p->c, seg->size);
    return 0;
}

static int
check_page(struct part *p, const struct vrv_cold_page *page, struct vrv_err *e)
{
    struct vrv_cold_seg *seg;
    int rc = vrv_find_page(p->s, &p->m, page, &seg, e);

    if (vrv_find_is_lost(rc)) {
        rc = still_named(p, false, page->key, page->base, e);
        if (rc != 1)
            return rc;
        rc = vrv_find_page(p->s, &p->m, page, &seg, e);
    }
    if (vrv_find_is_lost(rc)) {
        found(p, VRV_SCRUB_MANIFEST, page->key, page->base, page->next, e->msg);
        p->judges = false; /* not what it may have named */
        return 0;
    }
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < page->segments && rc == 0; i++)
        rc = check_seg(p, &seg[i], e);
    vrv_cold_segs_free(seg, page->segments);
    vrv_lock(&p->c->lock);
    p->c->out->pages++;
    vrv_unlock(&p->c->lock);
    return rc;
}

static int
check_named(struct part *p, struct vrv_err *e)
{
    int rc = 0;

    for (uint32_t i = 0; i < p->m.page_n && rc == 0; i++)
        rc = check_page(p, &p->m.page[i], e);
    for (uint32_t i = 0; i < p->m.seg_n && rc == 0; i++)
        rc = check_seg(p, &p->m.seg[i], e);
    return rc;
}

/* ---- what nothing names ---- */

static bool
is_old(const struct part *p, char what, const struct vrv_part_key *k)
{
    struct vrv_clock *clock = p->c->o->clock;
    bool before;
    int64_t since_ms = vrv_parts_unnamed_ms(p->id, &p->m, what, k, &before);

    return !before && clock->wall_ms(clock) - since_ms >= p->c->o->grace_ms;
}

static int
orphan(struct part *p, const struct vrv_store_name *name, struct vrv_err *e)
{
    struct vrv_finding f = { .kind = VRV_SCRUB_ORPHAN, .key = name->key, .topic = p->name,
        .id = *p->id, .size = name->size, .deleted = p->c->o->delete_orphans,
        .text = "no manifest names it" };
    struct vrv_store_call c = { .op = VRV_STORE_DELETE, .lane = VRV_STORE_HOUSEKEEPING,
        .keys = (const char *const *)&name->key, .max = 1 };

    if (f.deleted && vrv_sync_call(p->s, &c) < 0) {
        *e = c.err;
        return vrv_err_prefix(e, c.status, "%s", name->key);
    }
    vrv__scrub_found(p->c, &f);
    return 0;
}

static void
waits(struct part *p, const struct vrv_store_name *name)
{
    vrv_lock(&p->c->lock);
    p->c->out->waiting++;
    p->c->out->waiting_bytes += name->size;
    vrv_unlock(&p->c->lock);
}

/* What is below the manifest is what retention has left; old roots are the sweep's. */
static int
judge(struct part *p, char what, const struct vrv_store_name *name, struct vrv_err *e)
{
    struct vrv_part_key k;
    bool deleted = p->topic != NULL && p->topic->deleted;

    if (!vrv_parts_read_key(p->id, what, name->key, &k)) {
        found(p, VRV_SCRUB_FOREIGN, name->key, 0, 0, "the name is none of varve's");
        return 0;
    }
    if (k.root || !p->judges)
        return 0;
    if (deleted || (p->m.version > 0 && (int64_t)k.number < vrv_manifest_base(&p->m)))
        waits(p, name);
    else if (is_old(p, what, &k))
        return orphan(p, name, e);
    return 0;
}

static bool
is_named_page(const struct part *p, const char *key)
{
    for (uint32_t i = 0; i < p->m.page_n; i++)
        if (strcmp(p->m.page[i].key, key) == 0)
            return true;
    return false;
}

static int
judge_names(struct part *p, struct vrv_err *e)
{
    int rc = 0;

    for (size_t i = 0; i < p->objects.n && rc == 0; i++)
        if (!p->named[i])
            rc = judge(p, 'd', &p->objects.v[i], e);
    for (size_t i = 0; i < p->manifests.n && rc == 0; i++)
        if (!is_named_page(p, p->manifests.v[i].key))
            rc = judge(p, 'm', &p->manifests.v[i], e);
    return rc;
}

/* A topic that nobody knows, but has a manifest: that isn't for us to delete. */
static void
tell_unknown(struct part *p)
{
    struct vrv_part_key k;

    if (p->topic != NULL || !p->c->known.has_marker || p->m.version == 0)
        return;
    for (size_t i = 0; i < p->objects.n; i++)
        if (vrv_parts_read_key(p->id, 'd', p->objects.v[i].key, &k) && !is_old(p, 'd', &k))
            return; /* perhaps it is new */
    found(p, VRV_SCRUB_UNKNOWN, NULL, vrv_manifest_base(&p->m), p->m.next,
        "the newest marker doesn't know the topic; what is here of it stays for ever");
}

/* ---- all of it ---- */

static int
look(struct part *p, struct vrv_err *e)
{
    char prefix[VRV_STORE_KEY_MAX + 1];

    int rc = vrv_find_objects(p->s, p->id, &p->objects, e);
    if (rc < 0)
        return rc;
    vrv_parts_prefix(p->id, 'm', prefix);
    if ((rc = vrv_find_names(p->s, prefix, &p->manifests, e)) < 0)
        return rc;
    p->named = vrv_mem_zero(p->objects.n + 1);
    if (p->topic != NULL && p->topic->purging) /* objects go before what names them does */
        return judge_names(p, e);
    rc = read_manifest(p, e);
    if (rc == 0)
        rc = check_named(p, e);
    if (rc == 0)
        rc = judge_names(p, e);
    if (rc == 0)
        tell_unknown(p);
    return rc;
}

int
vrv__scrub_part(struct vrv__scrub *c, struct vrv_sync *s, const struct vrv_log_id *id, struct vrv_err *e)
{
    struct part p = { .c = c, .s = s, .id = id, .topic = vrv_known_topic(&c->known, &id->topic),
        .judges = true };

    if (p.topic != NULL)
        memcpy(p.name, p.topic->name, sizeof(p.name));
    else
        vrv_uuid_text(&id->topic, p.name);
    (void)vrv_known_head(&c->known, id, &p.known);
    int rc = look(&p, e);
    vrv_manifest_fini(&p.m);
    vrv_found_names_fini(&p.objects);
    vrv_found_names_fini(&p.manifests);
    free(p.named);
    return rc;
}
