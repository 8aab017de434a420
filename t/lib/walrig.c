#include "t/lib/walrig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/wal/wal_format.h"

void
walrig_init(struct walrig *r, struct simdisk *disk, const struct vrv_wal_file_opts *o)
{
    void *p = NULL;
    int rc = posix_memalign(&p, VRV_DIRECT_ALIGN, o->file_bytes);

    VRV_ASSERT(rc == 0);
    memset(r, 0, sizeof(*r));
    r->disk = disk;
    r->o = *o;
    vrv_slab_pool_init(&r->pool, SIZE_MAX);
    r->o.pool = &r->pool;
    r->trim = r->durable = 1;
    r->session = 1;
    r->buf = p;
    rc = vrv_vfs_mkdir(simdisk_vfs(disk), o->dir, NULL);
    VRV_ASSERT(rc == 0);
    rc = vrv_vfs_sync_dir(simdisk_vfs(disk), "", NULL);
    VRV_ASSERT(rc == 0);
}

void
walrig_fini(struct walrig *r)
{
    walrig_close(r);
    vrv_slab_pool_fini(&r->pool);
    free(r->v);
    free(r->buf);
}

static size_t
whole(size_t payload)
{
    return (VRV_WAL_GROUP_HEADER + payload + VRV_DIRECT_ALIGN - 1) &
        ~(size_t)(VRV_DIRECT_ALIGN - 1);
}

static void
payload_bytes(uint8_t *p, size_t n, uint64_t seed)
{
    struct vrv_rand rand = { seed };

    for (; n >= 8; n -= 8, p += 8) {
        uint64_t x = vrv_rand_next(&rand);
        memcpy(p, &x, 8);
    }
    memset(p, (int)(seed & 0xff), n);
}

/* The bytes of group i, at r->buf; how many, padding included. */
static size_t
build(struct walrig *r, size_t i)
{
    const struct walrig_group *g = &r->v[i];
    struct vrv_wal_head h = { .wal_id = r->o.wal_id, .slot = i + 1,
        .durable_end = g->durable_end, .first_seq = g->seq, .session = g->session,
        .count = g->count, .bytes = g->payload };
    uint8_t *p = r->buf + VRV_WAL_GROUP_HEADER;
    size_t n = whole(g->payload);

    payload_bytes(p, g->payload, g->seed);
    h.payload_crc = vrv_crc32c(0, p, g->payload);
    vrv_wal_head_write(r->buf, &h);
    memset(p + g->payload, 0, n - VRV_WAL_GROUP_HEADER - g->payload);
    return n;
}

static uint64_t
seq_of(const struct walrig *r, uint64_t slot)
{
    if (slot <= r->n)
        return r->v[slot - 1].seq;
    return r->n == 0 ? 1 : r->v[r->n - 1].seq + r->v[r->n - 1].count;
}

/* ---- opening ---- */

struct replay {
    struct walrig *r;
    uint64_t slot; /* expected next */
};

static int
check_group(void *ctx, const uint8_t *bytes, size_t n, struct vrv_slab *slab,
    struct vrv_err *e)
{
    struct replay *p = ctx;
    struct walrig *r = p->r;
    uint64_t slot = p->slot++;

    (void)slab;
    (void)e;
    if (r->bad[0] != '\0')
        return 0;
    if (slot > r->n) {
        (void)snprintf(r->bad, sizeof(r->bad), "slot %" PRIu64 " was never written, or cut before",
            slot);
        return 0;
    }
    (void)build(r, slot - 1);
    if (n != VRV_WAL_GROUP_HEADER + (size_t)r->v[slot - 1].payload || memcmp(bytes, r->buf, n) != 0)
        (void)snprintf(r->bad, sizeof(r->bad), "slot %" PRIu64 " has other bytes", slot);
    return 0;
}

int
walrig_create(struct walrig *r)
{
    r->o.create = true;
    return vrv_wal_file_open(&r->dev, simdisk_vfs(r->disk), &r->o, 1, 1, 1, check_group, NULL,
        &r->found, &r->err);
}

static void
check_end(struct walrig *r, uint64_t end)
{
    const struct vrv_wal_found *f = &r->found;

    if (r->bad[0] != '\0')
        return;
    if (f->next_slot != end || f->groups != end - r->trim)
        (void)snprintf(r->bad, sizeof(r->bad),
            "%" PRIu64 " groups reported and next slot %" PRIu64 ", but slots %" PRIu64 "..%" PRIu64
            " replayed", f->groups, f->next_slot, r->trim, end);
    else if (end < r->durable)
        (void)snprintf(r->bad, sizeof(r->bad),
            "ends at slot %" PRIu64 ", but slots below %" PRIu64 " were durable", end, r->durable);
    else if (f->next_seq != seq_of(r, end))
        (void)snprintf(r->bad, sizeof(r->bad), "next entry is %" PRIu64 ", expected %" PRIu64,
            f->next_seq, seq_of(r, end));
}

int
walrig_open(struct walrig *r)
{
    struct replay p = { r, r->trim };

    VRV_ASSERT(r->dev == NULL);
    r->o.create = false;
    r->bad[0] = '\0';
    int rc = vrv_wal_file_open(&r->dev, simdisk_vfs(r->disk), &r->o, r->trim, r->trim,
        seq_of(r, r->trim), check_group, &p, &r->found, &r->err);
    if (rc < 0)
        return rc;
    check_end(r, p.slot);
    if (r->bad[0] == '\0')
        r->n = p.slot - 1;
    r->durable = p.slot;
    r->session++;
    r->stopped = false;
    return 0;
}

void
walrig_close(struct walrig *r)
{
    vrv_waldev_close(&r->dev);
}

/* ---- writing ---- */

struct write {
    struct vrv_wal_group g;
    struct walrig *r;
    int calls, status;
};

static void
write_done(struct vrv_wal_group *g, int status, const struct vrv_err *e)
{
    struct write *w = (struct write *)(void *)g;

    w->calls++;
    w->status = status;
    if (status != 0)
        w->r->err = *e;
}

enum walrig_result
walrig_write(struct walrig *r, size_t payload, bool sync)
{
    struct write w = { .r = r };

    if (!vrv_waldev_reserve(r->dev, whole(payload)))
        return WALRIG_FULL;
    uint64_t seq = seq_of(r, r->n + 1);
    VRV_PUSH_ROOM(r->v, r->n, r->cap);
    r->v[r->n++] = (struct walrig_group){ .seq = seq, .durable_end = r->durable,
        .seed = vrv_rand_next(&r->rand), .session = r->session, .payload = (uint32_t)payload,
        .count = r->count ? r->count : 1 + (uint32_t)vrv_rand_below(&r->rand, 3) };
    w.g = (struct vrv_wal_group){ .slot = r->n, .bytes = r->buf, .n = build(r, r->n - 1),
        .sync = sync, .done = write_done };
    vrv_waldev_submit(r->dev, &w.g);
    VRV_ASSERT(w.calls == 1);
    r->stopped |= w.status != 0;
    if (w.status != 0)
        return WALRIG_FAILED;
    if (sync)
        r->durable = r->n + 1;
    return WALRIG_DONE;
}

int
walrig_sync(struct walrig *r)
{
    int rc = vrv_waldev_sync(r->dev, &r->err);

    if (rc == 0)
        r->durable = r->n + 1;
    r->stopped |= rc != 0;
    return rc;
}

int
walrig_trim(struct walrig *r, uint64_t slot)
{
    VRV_ASSERT(slot <= r->durable);
    r->trim = slot;
    return vrv_waldev_trim(r->dev, slot, &r->err);
}
