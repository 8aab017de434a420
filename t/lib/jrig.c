#include "t/lib/jrig.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"

static void
push(struct jrig_list *l, uint64_t id)
{
    VRV_PUSH_ROOM(l->v, l->n, l->cap);
    l->v[l->n++] = id;
}

bool
jrig_is_run(const struct jrig_list *l, uint64_t from, size_t n)
{
    if (l->n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (l->v[i] != from + i)
            return false;
    return true;
}

/* ---- what the journal says ---- */

static void
tell(struct jrig *r, struct jrig_list *l, struct vrv_entry *first, struct vrv_entry *last)
{
    for (struct vrv_entry *en = first, *next;; en = next) {
        struct vrv_ticket *t = en->ticket;
        bool end = en == last;

        next = end ? NULL : en->next;
        r->flaws += atomic_load(&en->flushed);
        push(l, (uint64_t)en->item.arg);
        en->ticket = NULL;
        atomic_store(&en->flushed, true);
        if (t != NULL)
            vrv_cq_post(t->done.cq, &t->done, &t->done);
        if (end)
            break;
    }
}

static void
committed(void *ctx, struct vrv_entry *first, struct vrv_entry *last)
{
    struct jrig *r = ctx;

    r->flaws += vrv_journal_state(r->j).committed_seq > first->seq; /* ENG-3 */
    tell(r, &r->committed, first, last);
}

static void
failed(void *ctx, struct vrv_entry *first, struct vrv_entry *last)
{
    struct jrig *r = ctx;

    tell(r, &r->failed, first, last);
}

static const struct vrv_journal_ops ops = { committed, failed };

void
jrig_init(struct jrig *r, struct vrv_waldev *dev, uint32_t session, size_t group_bytes)
{
    struct vrv_journal_opts o = { .dev = dev, .ops = &ops, .ctx = r, .wal_id = JRIG_WAL_ID,
        .session = session, .slot = 1, .seq = 1, .group_bytes = group_bytes };

    memset(r, 0, sizeof(*r));
    r->dev = dev;
    vrv_slab_pool_init(&r->pool, (size_t)256 << 20);
    vrv_lock_init(&r->lock, VRV_LOCK_log);
    int rc = vrv_cq_init(&r->cq, 0);
    VRV_ASSERT(rc == 0);
    rc = vrv_journal_new(&r->j, &o);
    VRV_ASSERT(rc == 0);
}

void
jrig_fini(struct jrig *r)
{
    (void)jrig_tickets(r, 0);
    vrv_journal_free(&r->j);
    vrv_fill_fini(&r->fill);
    vrv_slab_pool_fini(&r->pool);
    vrv_cq_fini(&r->cq);
    vrv_lock_fini(&r->lock);
    free(r->committed.v);
    free(r->failed.v);
}

/* ---- appending ---- */

static struct vrv_entry *
entry(struct jrig *r, uint64_t id, size_t size, unsigned flags)
{
    struct vrv_entry *en = vrv_journal_entry(r->j);
    struct jrig_ticket *t = VRV_NEW(struct jrig_ticket);

    t->id = id;
    t->t.done.cq = &r->cq;
    en->ticket = &t->t;
    en->item.type = (flags & JRIG_NOTHING) ? VRV_WAL_NOTHING : VRV_WAL_BATCH;
    en->item.arg = (int64_t)id;
    en->sync = flags & JRIG_SYNC;
    if (size > 0 && !(flags & JRIG_NOTHING)) {
        vrv_lock(&r->lock);
        uint8_t *p = vrv_fill_take(&r->fill, &r->pool, size, false, &en->slab);
        vrv_unlock(&r->lock);
        VRV_ASSERT(p != NULL);
        memset(p, (int)(id * 31 & 0xff), size);
        en->bytes = p;
        en->item.size = (uint32_t)size;
    }
    return en;
}

int
jrig_append(struct jrig *r, uint64_t id, unsigned n, size_t size, unsigned flags)
{
    struct vrv_entry *first = NULL, **to = &first, *last = NULL;
    size_t claim = 0;

    if (!(flags & JRIG_NOTHING)) {
        int rc = vrv_journal_reserve(r->j, n * size, n, &claim, NULL);
        if (rc < 0)
            return rc;
    }
    for (unsigned i = 0; i < n; i++) {
        last = *to = entry(r, id + i, size, flags);
        to = &last->next;
    }
    vrv_journal_push(r->j, first, last, claim);
    return 0;
}

void
jrig_evict(struct jrig *r)
{
    struct vrv_entry *en;

    while ((en = vrv_journal_oldest(r->j)) != NULL && atomic_load(&en->flushed))
        vrv_journal_evict(r->j);
}

size_t
jrig_tickets(struct jrig *r, int status)
{
    struct vrv_done *d;
    size_t n = 0;

    for (; (d = vrv_cq_take(&r->cq, 0)) != NULL; n++) {
        struct jrig_ticket *t = (struct jrig_ticket *)(void *)d;

        r->flaws += t->t.status != status;
        free(t);
    }
    return n;
}

/* ---- looking into a group ---- */

bool
jrig_ids(const uint8_t *bytes, size_t n, struct jrig_list *l)
{
    struct vrv_wal_head h;
    struct vrv_wal_item it;

    if (n < VRV_WAL_GROUP_HEADER || !vrv_wal_head_read(&h, bytes) ||
        !vrv_wal_payload_ok(&h, bytes, n) || h.wal_id != JRIG_WAL_ID)
        return false;
    const uint8_t *p = bytes + VRV_WAL_GROUP_HEADER, *end = p + h.bytes;
    for (uint32_t i = 0; i < h.count; i++) {
        if (!vrv_wal_item_read(&it, p, (size_t)(end - p)))
            return false;
        p += VRV_WAL_ENTRY_HEADER;
        for (uint32_t k = 0; k < it.size; k++)
            if (p[k] != ((uint64_t)it.arg * 31 & 0xff))
                return false;
        p += it.size;
        push(l, (uint64_t)it.arg);
    }
    return p == end;
}
