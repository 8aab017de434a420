#include "tiering/daemon/kept.h"

#include <stdlib.h>

#include "engine/base/mem.h"

static const int64_t MS = 1000000;

struct kept {
    struct vrv_omap_node node;
    struct vrv_log_id id;
    uint64_t round;
    int64_t again_ns;  /* not before */
    bool known;
    uint64_t bytes;
};

static int
compare(const void *key, const struct vrv_omap_node *n)
{
    return vrv_log_id_cmp(key, &VRV_OMAP_OF(n, struct kept, node)->id);
}

void
vrv_kept_init(struct vrv_kept *k)
{
    vrv_omap_init(&k->map, compare);
    vrv_list_init(&k->wait.link);
}

void
vrv_kept_fini(struct vrv_kept *k)
{
    struct vrv_omap_node *n;

    while ((n = vrv_omap_pop(&k->map)) != NULL)
        free(VRV_OMAP_OF(n, struct kept, node));
}

void
vrv_kept_begin(struct vrv_kept *k)
{
    k->round++;
}

void
vrv_kept_see(struct vrv_kept *k, const struct vrv_log_id *id)
{
    struct vrv_omap_node *n = vrv_omap_find(&k->map, id);
    struct kept *x = n != NULL ? VRV_OMAP_OF(n, struct kept, node) : VRV_NEW(struct kept);

    x->round = k->round;
    if (n != NULL)
        return;
    x->id = *id;
    vrv_omap_insert(&k->map, &x->id, &x->node);
}

/* ---- reading ---- */

/* Is it in memory, or is there none? */
static int
take(struct vrv_kept *k, struct kept *x)
{
    struct vrv_snap *s = NULL;
    struct vrv_err e;
    int rc = vrv_parts_now(k->parts, &x->id, &s, &e);

    x->known = rc == 0 || rc == VRV_E_NOTFOUND;
    x->bytes = rc == 0 ? vrv_manifest_stored(&s->m) : 0;
    k->bytes += x->bytes;
    vrv_snap_unref(s);
    return rc;
}

static void
try_later(struct vrv_kept *k, struct kept *x)
{
    x->again_ns = k->clock->mono_ns(k->clock) + k->again_ms * MS;
}

static void read_next(struct vrv_kept *k, struct vrv_omap_node *n);

static void
came(struct vrv_part_wait *w, int status, const struct vrv_err *e)
{
    struct vrv_kept *k = VRV_LIST_OF(w, struct vrv_kept, wait);
    struct vrv_omap_node *n = vrv_omap_find(&k->map, &k->at);

    (void)status;
    (void)e; /* who needs it is told */
    k->reading = false;
    if (n != NULL && take(k, VRV_OMAP_OF(n, struct kept, node)) < 0 &&
        !VRV_OMAP_OF(n, struct kept, node)->known)
        try_later(k, VRV_OMAP_OF(n, struct kept, node));
    if (k->within)
        return;
    read_next(k, vrv_omap_after(&k->map, &k->at));
    k->told(k->ctx);
}

/* From this one on the first that isn't known. */
static void
read_next(struct vrv_kept *k, struct vrv_omap_node *n)
{
    int64_t now = k->clock->mono_ns(k->clock);

    k->within = true;
    while (n != NULL && !k->reading) {
        struct kept *x = VRV_OMAP_OF(n, struct kept, node);

        if (!x->known && x->again_ns <= now && take(k, x) == VRV_E_AGAIN) {
            k->at = x->id;
            k->reading = true;
            k->wait.run = came;
            k->wait.has_time = true;
            vrv_parts_read(k->parts, &x->id, &k->wait);
        } else if (!x->known && x->again_ns <= now) {
            try_later(k, x);
        }
        n = vrv_omap_after(&k->map, &x->id);
    }
    k->within = false;
}

int64_t
vrv_kept_end(struct vrv_kept *k)
{
    int64_t next_ns = INT64_MAX;

    for (struct vrv_omap_node *n = vrv_omap_first(&k->map), *after; n != NULL; n = after) {
        struct kept *x = VRV_OMAP_OF(n, struct kept, node);

        after = vrv_omap_after(&k->map, &x->id);
        if (x->round != k->round) {
            k->bytes -= x->bytes;
            (void)vrv_omap_remove(&k->map, &x->id);
            free(x);
        }
    }
    if (!k->reading)
        read_next(k, vrv_omap_first(&k->map));
    for (struct vrv_omap_node *n = vrv_omap_first(&k->map); n != NULL && !k->reading;) {
        struct kept *x = VRV_OMAP_OF(n, struct kept, node);

        if (!x->known && x->again_ns < next_ns)
            next_ns = x->again_ns;
        n = vrv_omap_after(&k->map, &x->id);
    }
    return next_ns;
}

void
vrv_kept_cancel(struct vrv_kept *k)
{
    if (k->reading)
        vrv_list_del(&k->wait.link);
    k->reading = false;
}

int64_t
vrv_kept_bytes(const struct vrv_kept *k, const struct vrv_log_id *id)
{
    struct vrv_omap_node *n = vrv_omap_find(&k->map, id);
    const struct kept *x = n != NULL ? VRV_OMAP_OF(n, struct kept, node) : NULL;

    return x == NULL ? 0 : x->known ? (int64_t)x->bytes : -1;
}

bool
vrv_kept_reads(const struct vrv_kept *k, const struct vrv_log_id *id)
{
    return k->reading && vrv_log_id_cmp(&k->at, id) == 0;
}
