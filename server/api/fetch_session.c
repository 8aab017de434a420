#include "server/api/fetch_session.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/meta/catalog.h"

/* One that was not used for so long makes room for another. */
enum { IDLE_MS = 120 * 1000 };

/* ---- what a session fetches ---- */

static int
compare_wants(const struct vrv_fetch_want *a, const struct vrv_fetch_want *b)
{
    int c = memcmp(&a->id, &b->id, sizeof(a->id));

    if (c == 0 && a->name.n != b->name.n)
        return a->name.n < b->name.n ? -1 : 1;
    if (c == 0 && a->name.n > 0)
        c = memcmp(a->name.p, b->name.p, (size_t)a->name.n);
    if (c != 0)
        return c;
    return a->partition < b->partition ? -1 : a->partition > b->partition;
}

static int
compare_want(const void *key, const struct vrv_omap_node *n)
{
    return compare_wants(key, VRV_OMAP_OF(n, struct vrv_fetch_want, node));
}

bool
vrv_fetch_session_want(struct vrv_fetch_sessions *s, struct vrv_fetch_session *fs,
    const struct vrv_fetch_want *w)
{
    struct vrv_omap_node *n = vrv_omap_find(&fs->wants, w);
    struct vrv_fetch_want *own = VRV_OMAP_OF(n, struct vrv_fetch_want, node);

    if (n == NULL && w->name.n > VRV_TOPIC_NAME_MAX)
        return false;
    if (n == NULL) {
        if (atomic_fetch_add(&s->wants, 1) >= VRV_FETCH_WANTS_MAX) {
            (void)atomic_fetch_sub(&s->wants, 1);
            return false;
        }
        char *name = vrv_mem_zero((size_t)w->name.n + 1);

        own = VRV_NEW(struct vrv_fetch_want);
        if (w->name.n > 0)
            memcpy(name, w->name.p, (size_t)w->name.n);
        own->id = w->id;
        own->name = (struct vrv_str){ name, w->name.n };
        own->partition = w->partition;
        own->hw = own->start = -1;
        vrv_omap_insert(&fs->wants, own, &own->node);
        vrv_list_push(&fs->order, &own->link);
    }
    own->leader_epoch = w->leader_epoch;
    own->last_epoch = w->last_epoch;
    own->offset = w->offset;
    own->max_bytes = w->max_bytes;
    return true;
}

static void
free_want(struct vrv_fetch_sessions *s, struct vrv_fetch_want *w)
{
    (void)atomic_fetch_sub(&s->wants, 1);
    vrv_list_del(&w->link);
    free((void *)(uintptr_t)w->name.p);
    free(w);
}

void
vrv_fetch_session_forget(struct vrv_fetch_sessions *s, struct vrv_fetch_session *fs,
    const struct vrv_uuid *id, struct vrv_str name, int32_t partition)
{
    struct vrv_fetch_want key = { .id = *id, .name = name, .partition = partition };
    struct vrv_omap_node *n = vrv_omap_remove(&fs->wants, &key);

    if (n != NULL)
        free_want(s, VRV_OMAP_OF(n, struct vrv_fetch_want, node));
}

/* ---- sessions ---- */

static struct vrv_fetch_session *
session_of(struct vrv_omap_node *n)
{
    return n != NULL ? VRV_OMAP_OF(n, struct vrv_fetch_session, node) : NULL;
}

static int
compare_id(const void *key, const struct vrv_omap_node *n)
{
    int32_t a = *(const int32_t *)key, b = VRV_OMAP_OF(n, struct vrv_fetch_session, node)->id;

    return a < b ? -1 : a > b;
}

void
vrv_fetch_sessions_init(struct vrv_fetch_sessions *s, unsigned max, uint64_t random)
{
    *s = (struct vrv_fetch_sessions){ .max = max, .rand = { random } };
    vrv_lock_init(&s->lock, VRV_LOCK_sessions);
    vrv_omap_init(&s->by_id, compare_id);
}

unsigned
vrv_fetch_sessions_count(struct vrv_fetch_sessions *s)
{
    vrv_lock(&s->lock);
    unsigned n = s->n;
    vrv_unlock(&s->lock);
    return n;
}

/* Out of the map already. */
static void
free_session(struct vrv_fetch_sessions *s, struct vrv_fetch_session *fs)
{
    struct vrv_omap_node *n;

    while ((n = vrv_omap_pop(&fs->wants)) != NULL)
        free_want(s, VRV_OMAP_OF(n, struct vrv_fetch_want, node));
    free(fs);
    s->n--;
}

void
vrv_fetch_sessions_fini(struct vrv_fetch_sessions *s)
{
    struct vrv_omap_node *n;

    while ((n = vrv_omap_pop(&s->by_id)) != NULL)
        free_session(s, session_of(n));
    vrv_lock_fini(&s->lock);
}

/* The one that was not used for longest, if that is long enough. */
static struct vrv_fetch_session *
find_idle(struct vrv_fetch_sessions *s, int64_t now_ms)
{
    struct vrv_fetch_session *oldest = NULL;

    for (struct vrv_omap_node *n = vrv_omap_first(&s->by_id); n != NULL;
         n = vrv_omap_after(&s->by_id, &session_of(n)->id)) {
        struct vrv_fetch_session *fs = session_of(n);

        if (!fs->busy && (oldest == NULL || fs->used_ms < oldest->used_ms))
            oldest = fs;
    }
    return oldest != NULL && now_ms - oldest->used_ms > IDLE_MS ? oldest : NULL;
}

static void
end_locked(struct vrv_fetch_sessions *s, struct vrv_fetch_session *fs)
{
    (void)vrv_omap_remove(&s->by_id, &fs->id);
    free_session(s, fs);
}

/* 0 means no session. */
static int32_t
free_id(struct vrv_fetch_sessions *s)
{
    int32_t id;

    do
        id = (int32_t)(vrv_rand_next(&s->rand) >> 33);
    while (id == 0 || vrv_omap_find(&s->by_id, &id) != NULL);
    return id;
}

struct vrv_fetch_session *
vrv_fetch_session_new(struct vrv_fetch_sessions *s, bool by_id, int64_t now_ms)
{
    struct vrv_fetch_session *fs = NULL;

    vrv_lock(&s->lock);
    struct vrv_fetch_session *idle = s->n >= s->max ? find_idle(s, now_ms) : NULL;
    if (idle != NULL)
        end_locked(s, idle);
    if (s->n < s->max) {
        fs = VRV_NEW(struct vrv_fetch_session);
        fs->id = free_id(s);
        fs->by_id = by_id;
        fs->busy = true;
        vrv_omap_init(&fs->wants, compare_want);
        vrv_list_init(&fs->order);
        vrv_omap_insert(&s->by_id, &fs->id, &fs->node);
        s->n++;
    }
    vrv_unlock(&s->lock);
    return fs;
}

enum vrv_kerror
vrv_fetch_session_take(struct vrv_fetch_sessions *s, int32_t id, int32_t epoch, bool by_id,
    struct vrv_fetch_session **out)
{
    enum vrv_kerror rc = VRV_K_NONE;

    vrv_lock(&s->lock);
    struct vrv_fetch_session *fs = session_of(vrv_omap_find(&s->by_id, &id));
    if (fs == NULL)
        rc = VRV_K_FETCH_SESSION_ID_NOT_FOUND;
    else if (fs->by_id != by_id)
        rc = VRV_K_FETCH_SESSION_TOPIC_ID_ERROR;
    else if (fs->busy || fs->epoch != epoch)
        rc = VRV_K_INVALID_FETCH_SESSION_EPOCH;
    else
        fs->busy = true;
    vrv_unlock(&s->lock);
    *out = rc == VRV_K_NONE ? fs : NULL;
    return rc;
}

void
vrv_fetch_session_drop(struct vrv_fetch_sessions *s, struct vrv_fetch_session *fs)
{
    vrv_lock(&s->lock);
    VRV_ASSERT(fs->busy);
    end_locked(s, fs);
    vrv_unlock(&s->lock);
}

void
vrv_fetch_session_put(struct vrv_fetch_sessions *s, struct vrv_fetch_session *fs, int64_t now_ms)
{
    vrv_lock(&s->lock);
    VRV_ASSERT(fs->busy);
    fs->busy = false;
    fs->used_ms = now_ms;
    fs->epoch = fs->epoch == INT32_MAX ? 1 : fs->epoch + 1;
    if (fs->wants.n == 0)
        end_locked(s, fs);
    vrv_unlock(&s->lock);
}

void
vrv_fetch_session_end(struct vrv_fetch_sessions *s, int32_t id)
{
    vrv_lock(&s->lock);
    struct vrv_fetch_session *fs = session_of(vrv_omap_find(&s->by_id, &id));
    if (fs != NULL && !fs->busy)
        end_locked(s, fs);
    vrv_unlock(&s->lock);
}
