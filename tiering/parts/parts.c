#include "tiering/parts/parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "tiering/parts/parts_int.h"

/* ---- snapshots ---- */

struct vrv_snap *
vrv_snap_none(void)
{
    struct vrv_snap *s = VRV_NEW(struct vrv_snap);

    atomic_init(&s->refs, 1);
    return s;
}

struct vrv_snap *
vrv_snap_ref(struct vrv_snap *s)
{
    (void)atomic_fetch_add(&s->refs, 1);
    return s;
}

void
vrv_snap_unref(struct vrv_snap *s)
{
    if (s == NULL || atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    vrv_manifest_fini(&s->m);
    free(s);
}

/* ---- the map ---- */

static int
compare(const void *key, const struct vrv_omap_node *n)
{
    return vrv_log_id_cmp(key, &VRV_OMAP_OF(n, struct vrv_part, node)->id);
}

void
vrv_parts_init(struct vrv_parts *ps, const struct vrv_parts_opts *o)
{
    *ps = (struct vrv_parts){ .o = *o, .random = { o->random } };
    vrv_lock_init(&ps->lock, VRV_LOCK_parts);
    vrv_omap_init(&ps->map, compare);
    vrv_list_init(&ps->whole);
    vrv_list_init(&ps->asked);
    vrv_list_init(&ps->later);
}

void
vrv_parts_attach(struct vrv_parts *ps, struct vrv_catalog *catalog)
{
    atomic_store(&ps->catalog, catalog);
}

void
vrv_parts_fini(struct vrv_parts *ps)
{
    struct vrv_omap_node *n;

    while ((n = vrv_omap_pop(&ps->map)) != NULL) {
        struct vrv_part *p = VRV_OMAP_OF(n, struct vrv_part, node);

        VRV_ASSERT(vrv_list_empty(&p->waiting));
        vrv_snap_unref(p->now);
        free(p);
    }
    vrv_lock_fini(&ps->lock);
}

/* With the lock held. */
static struct vrv_part *
find_part(const struct vrv_parts *ps, const struct vrv_log_id *id)
{
    struct vrv_omap_node *n = vrv_omap_find(&ps->map, id);

    return n != NULL ? VRV_OMAP_OF(n, struct vrv_part, node) : NULL;
}

struct vrv_part *
vrv__part_get(struct vrv_parts *ps, const struct vrv_log_id *id)
{
    vrv_lock(&ps->lock);
    struct vrv_part *p = find_part(ps, id);

    if (p == NULL) {
        p = VRV_NEW(struct vrv_part);
        p->parts = ps;
        p->id = *id;
        vrv_list_init(&p->waiting);
        vrv_list_init(&p->whole);
        vrv_list_init(&p->turn);
        vrv_omap_insert(&ps->map, &p->id, &p->node);
    }
    vrv_unlock(&ps->lock);
    return p;
}

/* With the lock held: what p has is s from now on; what it had. */
static struct vrv_snap *
have(struct vrv_part *p, struct vrv_snap *s)
{
    struct vrv_parts *ps = p->parts;
    struct vrv_snap *old = p->now;

    ps->bytes += (s != NULL ? s->bytes : 0) - (old != NULL ? old->bytes : 0);
    ps->index += (s != NULL ? s->index : 0) - (old != NULL ? old->index : 0);
    p->now = s;
    vrv_list_del(&p->whole);
    if (s != NULL && s->index > 0)
        vrv_list_push(&ps->whole, &p->whole);
    return old;
}

void
vrv_parts_forget(struct vrv_parts *ps, const struct vrv_log_id *id)
{
    struct vrv_snap *old = NULL;

    vrv_lock(&ps->lock);
    struct vrv_part *p = find_part(ps, id);
    if (p != NULL) {
        (void)vrv_omap_remove(&ps->map, id);
        old = have(p, NULL);
    }
    vrv_unlock(&ps->lock);

    if (p == NULL)
        return;
    VRV_ASSERT(vrv_list_empty(&p->waiting) && p->reading == NULL);
    vrv_list_del(&p->turn);
    vrv_snap_unref(old);
    free(p);
}

bool
vrv_parts_is_read(struct vrv_parts *ps, const struct vrv_log_id *id)
{
    vrv_lock(&ps->lock);
    const struct vrv_part *p = find_part(ps, id);
    vrv_unlock(&ps->lock);
    return p != NULL && (p->reading != NULL || !vrv_list_empty(&p->waiting));
}

bool
vrv_parts_looks(struct vrv_parts *ps, const struct vrv_log_id *id)
{
    return vrv__part_get(ps, id)->looks;
}

static void
change(struct vrv_part *p, struct vrv_manifest *m)
{
    struct vrv_snap *s = vrv_snap_none(), *old;

    s->m = *m;
    s->bytes = vrv_manifest_bytes(m);
    s->index = vrv_manifest_index_bytes(m);
    *m = (struct vrv_manifest){ 0 };
    vrv_lock(&p->parts->lock);
    old = have(p, s);
    vrv_unlock(&p->parts->lock);
    vrv_snap_unref(old);
}

/* The one that nobody has used for the longest, where there is too much; never the last one. */
static struct vrv_part *
unused(struct vrv_parts *ps)
{
    vrv_lock(&ps->lock);
    struct vrv_list *first = ps->whole.next;
    bool too_much = ps->o.index_bytes > 0 && ps->index > ps->o.index_bytes && first != ps->whole.prev;
    vrv_unlock(&ps->lock);
    return too_much ? VRV_LIST_OF(first, struct vrv_part, whole) : NULL;
}

/* Readers go on with what they hold. */
static void
make_room(struct vrv_parts *ps)
{
    struct vrv_part *p;

    while ((p = unused(ps)) != NULL) {
        struct vrv_manifest m;

        vrv_manifest_copy(&m, &p->now->m);
        vrv_manifest_thin(&m);
        change(p, &m);
    }
}

void
vrv__part_set(struct vrv_part *p, const struct vrv_head *head, struct vrv_manifest *m)
{
    p->head = *head;
    vrv__part_fill(p, m);
}

void
vrv__part_fill(struct vrv_part *p, struct vrv_manifest *m)
{
    change(p, m);
    make_room(p->parts);
}

size_t
vrv_parts_bytes(struct vrv_parts *ps, size_t *index)
{
    vrv_lock(&ps->lock);
    size_t n = ps->bytes;
    *index = ps->index;
    vrv_unlock(&ps->lock);
    return n;
}

/* ---- names ---- */

static unsigned
hash_of(const struct vrv_log_id *id)
{
    uint8_t partition[4];

    vrv_put_le32(partition, (uint32_t)id->partition);
    return vrv_crc32c(vrv_crc32c(0, id->topic.b, sizeof(id->topic.b)), partition, sizeof(partition)) & 0xff;
}

void
vrv_parts_prefix(const struct vrv_log_id *id, char what, char *out)
{
    char topic[VRV_UUID_TEXT + 1], kind[8] = { what };

    vrv_uuid_text(&id->topic, topic);
    if (what == 'h')
        (void)snprintf(kind, sizeof(kind), "d/%02x", hash_of(id));
    (void)snprintf(out, VRV_STORE_KEY_MAX + 1, "%s/%s/%" PRId32 "/", kind, topic, id->partition);
}

void
vrv_parts_root_key(const struct vrv_log_id *id, uint64_t version, char *out)
{
    vrv_parts_prefix(id, 'm', out);
    size_t n = strlen(out);
    (void)snprintf(out + n, VRV_STORE_KEY_MAX + 1 - n, "%020" PRIu64, version);
}

int
vrv_parts_check_root(struct vrv_manifest *m, const struct vrv_log_id *id, uint64_t version, struct vrv_err *e)
{
    char key[VRV_STORE_KEY_MAX + 1];

    if (vrv_uuid_eq(&m->topic, &id->topic) && m->partition == id->partition && m->version == version)
        return 0;
    vrv_manifest_fini(m);
    vrv_parts_root_key(id, version, key);
    return vrv_err_set(e, VRV_E_CORRUPT, "%s is another partition's manifest", key);
}

static void
new_key(struct vrv_parts *ps, const struct vrv_log_id *id, char what, int64_t base, char *out)
{
    vrv_parts_prefix(id, what, out);
    size_t n = strlen(out);
    (void)snprintf(out + n, VRV_STORE_KEY_MAX + 1 - n, "%020" PRId64 "-%013" PRId64 "-%016" PRIx64,
        base, ps->o.clock->wall_ms(ps->o.clock), vrv_rand_next(&ps->random));
}

void
vrv_parts_page_key(struct vrv_parts *ps, const struct vrv_log_id *id, int64_t base, char *out)
{
    new_key(ps, id, 'm', base, out);
}

void
vrv_parts_segment_key(struct vrv_parts *ps, const struct vrv_log_id *id, int64_t base, char *out)
{
    new_key(ps, id, ps->o.hashed ? 'h' : 'd', base, out);
}

/* What stands behind the prefix; NULL: it doesn't begin so. */
static const char *
behind(const struct vrv_log_id *id, char what, const char *key)
{
    char prefix[VRV_STORE_KEY_MAX + 1];

    vrv_parts_prefix(id, what, prefix);
    return strncmp(key, prefix, strlen(prefix)) == 0 ? key + strlen(prefix) : NULL;
}

/* So many digits, and what stands behind them. */
static const char *
digits(const char *p, int n, uint64_t *out)
{
    *out = 0;
    for (; n > 0; n--, p++) {
        if (*p < '0' || *p > '9')
            return NULL;
        *out = *out * 10 + (uint64_t)(*p - '0');
    }
    return p;
}

bool
vrv_parts_read_key(const struct vrv_log_id *id, char what, const char *key,
    struct vrv_part_key *out)
{
    const char *p = behind(id, what, key);
    uint64_t ms = 0;

    if (p == NULL && what == 'd')
        p = behind(id, 'h', key);
    if (p == NULL)
        return false;
    p = digits(p, 20, &out->number);
    out->root = p != NULL && *p == '\0';
    if (p != NULL && *p == '-')
        p = digits(p + 1, 13, &ms);
    out->made_ms = (int64_t)ms;
    return p != NULL && (out->root ? what == 'm' : *p == '-' && strlen(p) == 17);
}

int64_t
vrv_parts_unnamed_ms(const struct vrv_log_id *id, const struct vrv_manifest *m, char what,
    const struct vrv_part_key *k, bool *before)
{
    int64_t base = (int64_t)k->number, newest_ms = m->seg_n > 0 ? m->seg[m->seg_n - 1].moved_ms : INT64_MIN;
    struct vrv_part_key now;

    *before = false;
    for (uint32_t i = 0; what == 'm' && i < m->page_n && m->page[i].base <= base; i++)
        if (base < m->page[i].next && vrv_parts_read_key(id, 'm', m->page[i].key, &now) &&
            now.made_ms > k->made_ms) {
            *before = newest_ms <= now.made_ms;
            return now.made_ms;
        }
    return k->made_ms;
}

/* ---- asking ---- */

int
vrv_parts_now(struct vrv_parts *ps, const struct vrv_log_id *id, struct vrv_snap **out,
    struct vrv_err *e)
{
    struct vrv_head h;

    *out = NULL;
    vrv_lock(&ps->lock);
    struct vrv_part *p = find_part(ps, id);
    if (p != NULL && p->now != NULL)
        *out = vrv_snap_ref(p->now);
    if (p != NULL && !vrv_list_empty(&p->whole)) {
        vrv_list_del(&p->whole);
        vrv_list_push(&ps->whole, &p->whole);
    }
    vrv_unlock(&ps->lock);
    if (*out != NULL)
        return 0;
    int rc = vrv__head_read(ps, id, &h, e);
    return rc < 0 ? rc : vrv_err_set(e, VRV_E_AGAIN, "the manifest must be read first");
}
