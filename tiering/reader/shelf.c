#include "tiering/reader/shelf.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/base/omap.h"
#include "engine/os/thread.h"

static const char FILE_NAME[] = "varve-tier-cache", LOCK_NAME[] = "varve-tier-cache.lock";
static const int64_t MS = 1000000;

enum { SEEN_MIN = 1024, SEEN_PER_SLOT = 4 };

struct vrv_shelf_slot {
    struct vrv_omap_node node;
    struct vrv_list link; /* of the free ones */
    char *key;            /* NULL: it is free */
    uint64_t pos;
    uint32_t n;
    bool written;         /* it can be read */
    bool used;            /* since the hand came by */
    uint32_t busy;        /* reads and writes under way */
};

/* For the thread. */
struct job {
    struct vrv_done done;
    struct job *next;
    struct vrv_shelf *shelf;
    enum { READS, WRITES, EMPTIES } what; /* the last: gives all space back */
    struct vrv_shelf_slot *slot;          /* NULL: of all */
    uint8_t *bytes; /* of a read: malloc'd */
    const uint8_t *from;
    size_t n;
    int status;
    struct vrv_err err;
    struct vrv_shelf_read *asker; /* of a read; NULL: nobody waits any more */
    struct vrv_list link;         /* of reads that somebody waits for, oldest first, */
    int64_t since_ns;             /* ... and since when */
    void (*release)(void *hold);
    void *hold;
};

struct vrv_shelf {
    struct vrv_shelf_opts o;
    struct vrv_file *lock_file, *file;
    /* the tier's thread's: */
    struct vrv_omap map;
    struct vrv_list free;
    struct vrv_shelf_slot *slot;
    size_t slots, fresh, hand; /* those from `fresh` on never held anything */
    uint64_t *seen; /* names that were read of the store lately, each in the one place it can have */
    size_t seen_n;
    struct vrv_list reads;
    unsigned jobs, writing;
    _Atomic bool off;
    _Atomic uint64_t hits, writes, evictions, bad, bytes;
    struct vrv_lock lock; /* rank shelf; guards what follows */
    pthread_cond_t wanted;
    struct job *head, **tail;
    bool stop, started;
    pthread_t thread;
};

struct name {
    const char *key;
    uint64_t pos;
};

static int
compare(const void *key, const struct vrv_omap_node *n)
{
    const struct vrv_shelf_slot *s = VRV_OMAP_OF(n, struct vrv_shelf_slot, node);
    const struct name *name = key;
    int order = strcmp(name->key, s->key);

    return order != 0 ? order : (name->pos > s->pos) - (name->pos < s->pos);
}

/* ---- slots ---- */

static uint64_t
place_of(const struct vrv_shelf *s, const struct vrv_shelf_slot *slot)
{
    return (uint64_t)(slot - s->slot) * s->o.slot_bytes;
}

static struct vrv_shelf_slot *
find(const struct vrv_shelf *s, const char *key, uint64_t pos)
{
    const struct name name = { key, pos };
    struct vrv_omap_node *n = vrv_omap_find(&s->map, &name);

    return n != NULL ? VRV_OMAP_OF(n, struct vrv_shelf_slot, node) : NULL;
}

/* What it holds isn't known any more; it is free once nobody reads it. */
static void
forget(struct vrv_shelf *s, struct vrv_shelf_slot *slot)
{
    const struct name name = { slot->key, slot->pos };

    if (slot->key == NULL)
        return;
    (void)vrv_omap_remove(&s->map, &name);
    free(slot->key);
    slot->key = NULL;
    (void)atomic_fetch_sub(&s->bytes, slot->n);
    if (slot->busy == 0)
        vrv_list_push(&s->free, &slot->link);
}

static void
leave(struct vrv_shelf *s, struct vrv_shelf_slot *slot)
{
    if (--slot->busy == 0 && slot->key == NULL)
        vrv_list_push(&s->free, &slot->link);
}

/* A round of the hand takes the marks away, so that two find one that may go; NULL: all are busy. */
static struct vrv_shelf_slot *
evict(struct vrv_shelf *s)
{
    for (size_t i = 0; i < 2 * s->slots; i++) {
        struct vrv_shelf_slot *slot = &s->slot[s->hand];

        s->hand = (s->hand + 1) % s->slots;
        if (slot->busy > 0 || slot->key == NULL)
            continue;
        if (!slot->used) {
            forget(s, slot);
            (void)atomic_fetch_add(&s->evictions, 1);
            return slot;
        }
        slot->used = false;
    }
    return NULL;
}

static struct vrv_shelf_slot *
take_slot(struct vrv_shelf *s)
{
    struct vrv_shelf_slot *slot;

    if (vrv_list_empty(&s->free) && s->fresh < s->slots) {
        slot = &s->slot[s->fresh++];
        vrv_list_init(&slot->link);
        return slot;
    }
    if (vrv_list_empty(&s->free) && evict(s) == NULL)
        return NULL;
    slot = VRV_LIST_OF(s->free.next, struct vrv_shelf_slot, link);
    vrv_list_del(&slot->link);
    return slot;
}

/* ---- the thread ---- */

static void
write_slot(struct job *j)
{
    struct vrv_shelf *s = j->shelf;
    uint64_t pos = place_of(s, j->slot);

    j->status = vrv_file_pwrite(s->file, j->from, j->n, pos, &j->err);
    if (j->status == 0) /* the page cache is for others */
        vrv_file_write_behind(s->file, pos, j->n);
}

static void
read_slot(struct job *j)
{
    struct vrv_shelf *s = j->shelf;
    uint64_t pos = place_of(s, j->slot);
    ssize_t got = vrv_file_pread(s->file, j->bytes, j->n, pos, VRV_READ_DONTCACHE, &j->err);

    j->status = got < 0 ? (int)got : 0;
    if (got >= 0 && (size_t)got != j->n)
        j->status = vrv_err_set(&j->err, VRV_E_CORRUPT, "%s ends at byte %" PRIu64, FILE_NAME,
            pos + (uint64_t)got);
}

static void
work(struct job *j)
{
    if (j->what == READS)
        read_slot(j);
    else if (j->what == WRITES)
        write_slot(j);
    else
        j->status = vrv_file_truncate(j->shelf->file, 0, &j->err);
    vrv_cq_post(j->done.cq, &j->done, &j->done);
}

static struct job *
next_job(struct vrv_shelf *s)
{
    vrv_lock(&s->lock);
    while (s->head == NULL && !s->stop)
        vrv_cond_wait(&s->wanted, &s->lock);
    struct job *j = s->head;
    if (j != NULL)
        s->head = j->next;
    if (s->head == NULL)
        s->tail = &s->head;
    vrv_unlock(&s->lock);
    return j;
}

static void *
shelf_main(void *ctx)
{
    struct job *j;

    vrv_thread_give_way();
    while ((j = next_job(ctx)) != NULL)
        work(j);
    return NULL;
}

/* ---- jobs ---- */

static void
tell(struct job *j, int status)
{
    struct vrv_shelf_read *r = j->asker;
    uint8_t *bytes = status == 0 ? j->bytes : NULL;

    if (r == NULL)
        return;
    vrv_list_del(&j->link);
    j->asker = NULL;
    if (bytes != NULL)
        j->bytes = NULL;
    r->run(r, status, bytes, bytes != NULL ? j->n : 0);
}

static void
end_read(struct vrv_shelf *s, struct job *j)
{
    bool is_late = j->asker == NULL;

    if (j->status == 0 && !is_late) {
        j->slot->used = true;
        (void)atomic_fetch_add(&s->hits, 1);
    }
    tell(j, j->status);
    free(j->bytes);
}

static void
end_write(struct vrv_shelf *s, struct job *j)
{
    s->writing--;
    j->release(j->hold);
    j->slot->written = j->status == 0 && j->slot->key != NULL;
    if (j->slot->written)
        (void)atomic_fetch_add(&s->writes, 1);
}

static void switch_off(struct vrv_shelf *s, const struct vrv_err *e);

static void
job_done(struct vrv_done *d)
{
    struct job *j = VRV_LIST_OF(d, struct job, done);
    struct vrv_shelf *s = j->shelf;

    s->jobs--;
    if (j->what == READS)
        end_read(s, j);
    else if (j->what == WRITES)
        end_write(s, j);
    if (j->slot != NULL)
        leave(s, j->slot);
    if (j->status < 0)
        switch_off(s, &j->err);
    free(j);
}

static void
submit(struct vrv_shelf *s, struct job *j)
{
    j->done = (struct vrv_done){ .cq = s->o.cq, .run = job_done };
    j->shelf = s;
    if (j->slot != NULL)
        j->slot->busy++;
    s->jobs++;
    if (!s->started) {
        work(j);
        return;
    }
    vrv_lock(&s->lock);
    *s->tail = j;
    s->tail = &j->next;
    (void)pthread_cond_signal(&s->wanted);
    vrv_unlock(&s->lock);
}

/* ---- off ---- */

/* The space is given back, behind what is under way: it may be missed on a disk that is full. */
static void
switch_off(struct vrv_shelf *s, const struct vrv_err *e)
{
    if (atomic_exchange(&s->off, true))
        return;
    for (size_t i = 0; i < s->fresh; i++)
        forget(s, &s->slot[i]);
    struct job *j = VRV_NEW(struct job);
    *j = (struct job){ .what = EMPTIES };
    submit(s, j);
    if (s->o.failed != NULL)
        s->o.failed(s->o.ctx, e);
}

/* ---- reading ---- */

bool
vrv_shelf_has(const struct vrv_shelf *s, const char *key, uint64_t pos)
{
    const struct vrv_shelf_slot *slot = atomic_load(&s->off) ? NULL : find(s, key, pos);

    return slot != NULL && slot->written;
}

bool
vrv_shelf_get(struct vrv_shelf *s, const char *key, uint64_t pos, struct vrv_shelf_read *r)
{
    if (!vrv_shelf_has(s, key, pos))
        return false;
    struct vrv_shelf_slot *slot = find(s, key, pos);
    struct job *j = VRV_NEW(struct job);
    *j = (struct job){ .slot = slot, .n = slot->n, .bytes = vrv_mem_grow(NULL, slot->n), .asker = r,
        .since_ns = s->o.clock->mono_ns(s->o.clock) };
    vrv_list_init(&j->link);
    vrv_list_push(&s->reads, &j->link);
    submit(s, j);
    return true;
}

void
vrv_shelf_bad(struct vrv_shelf *s, const char *key, uint64_t pos)
{
    struct vrv_shelf_slot *slot = find(s, key, pos);
    struct vrv_err e;

    if (slot != NULL)
        forget(s, slot);
    if (atomic_fetch_add(&s->bad, 1) + 1 < VRV_SHELF_BAD_MAX)
        return;
    (void)vrv_err_set(&e, VRV_E_CORRUPT,
        "%d times this disk gave back other bytes than were written", VRV_SHELF_BAD_MAX);
    switch_off(s, &e);
}

/* ---- writing ---- */

bool
vrv_shelf_wants(struct vrv_shelf *s, const char *key, uint64_t pos, size_t n)
{
    uint64_t hash = (uint64_t)vrv_crc32c(0, key, strlen(key)) << 32 ^ pos;
    uint64_t *seen = &s->seen[(hash ^ hash >> 29) % s->seen_n];

    if (atomic_load(&s->off) || n > s->o.slot_bytes || find(s, key, pos) != NULL)
        return false;
    if (*seen != hash) {
        *seen = hash;
        return false;
    }
    return s->writing < VRV_SHELF_WRITES;
}

void
vrv_shelf_put(struct vrv_shelf *s, const char *key, uint64_t pos, const uint8_t *bytes, size_t n,
    void (*release)(void *hold), void *hold)
{
    struct vrv_shelf_slot *slot = take_slot(s);
    struct job *j;

    if (slot == NULL) {
        release(hold);
        return;
    }
    const struct name name = { vrv_mem_strdup(key), pos };
    slot->key = (char *)name.key;
    slot->pos = pos;
    slot->n = (uint32_t)n;
    slot->written = slot->used = false;
    vrv_omap_insert(&s->map, &name, &slot->node);
    (void)atomic_fetch_add(&s->bytes, n);
    j = VRV_NEW(struct job);
    *j = (struct job){ .what = WRITES, .slot = slot, .from = bytes, .n = n, .release = release,
        .hold = hold };
    vrv_list_init(&j->link);
    s->writing++;
    submit(s, j);
}

void
vrv_shelf_forget(struct vrv_shelf *s, const char *prefix)
{
    const struct name at = { prefix, 0 };
    struct vrv_omap_node *n;

    while ((n = vrv_omap_from(&s->map, &at)) != NULL) {
        struct vrv_shelf_slot *slot = VRV_OMAP_OF(n, struct vrv_shelf_slot, node);

        if (strncmp(slot->key, prefix, strlen(prefix)) != 0)
            return;
        forget(s, slot);
    }
}

/* ---- time ---- */

int64_t
vrv_shelf_step(struct vrv_shelf *s)
{
    int64_t now_ns = s->o.clock->mono_ns(s->o.clock), most_ns = s->o.read_ms * MS;
    bool late = false;
    struct vrv_err e;

    while (!vrv_list_empty(&s->reads)) {
        struct job *j = VRV_LIST_OF(s->reads.next, struct job, link);

        if (now_ns - j->since_ns < most_ns)
            return j->since_ns + most_ns;
        if (!late)
            switch_off(s, (vrv_err_set(&e, VRV_E_TIMEDOUT, "a read took longer than %" PRId64 " ms",
                s->o.read_ms), &e));
        late = true;
        tell(j, VRV_E_TIMEDOUT); /* its bytes go when the disk has answered */
    }
    return INT64_MAX;
}

bool
vrv_shelf_is_idle(const struct vrv_shelf *s)
{
    return s->jobs == 0;
}

void
vrv_shelf_stats(const struct vrv_shelf *s, struct vrv_shelf_stats *out)
{
    *out = (struct vrv_shelf_stats){ .hits = atomic_load(&s->hits), .writes = atomic_load(&s->writes),
        .evictions = atomic_load(&s->evictions), .bad = atomic_load(&s->bad),
        .bytes = atomic_load(&s->bytes), .max_bytes = (uint64_t)s->slots * s->o.slot_bytes,
        .off = atomic_load(&s->off) };
}

/* ---- life ---- */

/* Empty, and as long as it may get: what was there was another life's. */
static int
make_file(struct vrv_shelf *s, struct vrv_err *e)
{
    uint64_t room;
    int rc = vrv_vfs_lock(s->o.vfs, LOCK_NAME, &s->lock_file, e);

    if (rc == 0)
        rc = vrv_vfs_open(s->o.vfs, FILE_NAME, VRV_OPEN_WRITE | VRV_OPEN_CREATE, &s->file, e);
    if (rc == 0)
        rc = vrv_file_truncate(s->file, 0, e);
    if (rc == 0)
        rc = vrv_vfs_free_bytes(s->o.vfs, &room, e);
    if (rc == 0 && room < s->o.bytes)
        rc = vrv_err_set(e, VRV_E_NOSPACE, "%" PRIu64 " bytes are free, and it may take %" PRIu64, room,
            s->o.bytes);
    if (rc == 0)
        rc = vrv_file_truncate(s->file, (uint64_t)s->slots * s->o.slot_bytes, e);
    return rc;
}

int
vrv_shelf_open(struct vrv_shelf **out, const struct vrv_shelf_opts *o, struct vrv_err *e)
{
    struct vrv_shelf *s = VRV_NEW(struct vrv_shelf);

    VRV_ASSERT(o->slot_bytes > 0 && o->bytes >= o->slot_bytes);
    s->o = *o;
    s->slots = (size_t)(o->bytes / o->slot_bytes);
    s->seen_n = SEEN_PER_SLOT * s->slots > SEEN_MIN ? SEEN_PER_SLOT * s->slots : SEEN_MIN;
    s->tail = &s->head;
    vrv_omap_init(&s->map, compare);
    vrv_list_init(&s->free);
    vrv_list_init(&s->reads);
    vrv_lock_init(&s->lock, VRV_LOCK_shelf);
    vrv_cond_init(&s->wanted);
    int rc = make_file(s, e);
    if (rc == 0) {
        s->slot = vrv_mem_zero(s->slots * sizeof(*s->slot));
        s->seen = vrv_mem_zero(s->seen_n * sizeof(*s->seen));
        *out = s;
    } else {
        vrv_shelf_close(&s);
    }
    return rc;
}

int
vrv_shelf_start(struct vrv_shelf *s, struct vrv_err *e)
{
    int rc = vrv_thread_start(&s->thread, "varve-tier-disk", shelf_main, s, e);

    s->started = rc == 0;
    return rc;
}

static void
stop_thread(struct vrv_shelf *s)
{
    vrv_lock(&s->lock);
    s->stop = true;
    (void)pthread_cond_signal(&s->wanted);
    vrv_unlock(&s->lock);
    (void)pthread_join(s->thread, NULL);
}

void
vrv_shelf_close(struct vrv_shelf **out)
{
    struct vrv_shelf *s = *out;
    if (s == NULL)
        return;
    VRV_ASSERT(s->jobs == 0);
    if (s->started)
        stop_thread(s);
    for (size_t i = 0; i < s->fresh; i++)
        free(s->slot[i].key);
    int rc = s->file != NULL ? vrv_file_truncate(s->file, 0, NULL) : 0;
    (void)rc; /* else the next start does it */
    vrv_file_close(&s->file);
    vrv_file_close(&s->lock_file);
    free(s->slot);
    free(s->seen);
    (void)pthread_cond_destroy(&s->wanted);
    vrv_lock_fini(&s->lock);
    free(s);
    *out = NULL;
}
