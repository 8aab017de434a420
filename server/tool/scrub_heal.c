#include "server/tool/scrub_heal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/os/vfs.h"
#include "server/base/random.h"
#include "server/cold/offline.h"
#include "tiering/restore/find.h"
#include "tiering/scrub/heal.h"

/* ---- the data directory ---- */

/* The engine would make one where there is none. */
static int
check_there(const struct scrub_heal *h, const char *dir, struct vrv_err *e)
{
    struct vrv_file *f;
    int rc = vrv_vfs_open(h->vfs, "FORMAT", 0, &f, e);

    if (rc == 0)
        vrv_file_close(&f);
    return rc != VRV_E_NOTFOUND ? rc
        : vrv_err_set(e, rc, "%.160s is not a data directory of varve: name it with -o log.dirs=DIRECTORY",
            dir);
}

int
scrub_heal_open(struct scrub_heal *h, struct coldlink *l, struct vrv_err *e)
{
    const char *dir = l->config->data_dir;
    struct vrv_recovery found;
    struct vrv_engine_opts o;
    int rc = vrv_offline_opts(l->config, &o, e);

    h->l = l;
    if (rc == 0)
        rc = vrv_vfs_posix(dir, false, &h->vfs, e);
    if (rc == 0)
        rc = check_there(h, dir, e);
    o.vfs = h->vfs;
    o.cold = vrv_heal_cold();
    if (rc == 0)
        rc = vrv_engine_open(&h->eng, &o, &found, e);
    if (rc == VRV_E_LOCKED)
        return vrv_err_set(e, rc, "%.160s is in use: stop its server first, --heal writes manifests in its place",
            dir);
    return rc;
}

int
scrub_heal_close(struct scrub_heal *h, struct vrv_err *e)
{
    int rc = h->eng != NULL ? vrv_engine_close(&h->eng, e) : 0;

    vrv_vfs_close(&h->vfs);
    for (size_t i = 0; i < h->n; i++) {
        free(h->v[i].key);
        free(h->v[i].topic);
    }
    free(h->v);
    return rc;
}

/* ---- what was found ---- */

void
scrub_heal_note(struct scrub_heal *h, const struct vrv_finding *f)
{
    bool root = f->kind == VRV_SCRUB_MANIFEST && f->from == f->to;
    bool can = root || f->kind == VRV_SCRUB_MISSING || f->kind == VRV_SCRUB_SHORT || f->kind == VRV_SCRUB_DAMAGED;

    if (!can || f->key == NULL || f->topic == NULL)
        return;
    VRV_PUSH_ROOM(h->v, h->n, h->cap);
    h->v[h->n++] = (struct scrub_heal_one){ vrv_mem_strdup(f->key), vrv_mem_strdup(f->topic), f->id,
        f->from, f->to };
}

static bool
is_root(const struct scrub_heal_one *x)
{
    return x->from == x->to;
}

/* A root first, since segments are named by it; a segment's object tells on about producers, so the one before it goes
 * first. */
static int
by_place(const void *pa, const void *pb)
{
    const struct scrub_heal_one *a = pa, *b = pb;
    int order = strcmp(a->topic, b->topic);

    order = order != 0 ? order : memcmp(&a->id.topic, &b->id.topic, sizeof(a->id.topic));
    if (order != 0)
        return order;
    if (a->id.partition != b->id.partition)
        return a->id.partition < b->id.partition ? -1 : 1;
    if (is_root(a) != is_root(b))
        return is_root(a) ? -1 : 1;
    return (a->from > b->from) - (a->from < b->from);
}

/* ---- healing ---- */

/* Not where neither has it whole; anything else may be otherwise when it is tried again. */
static void
note_failure(struct scrub_heal *h, int rc, const struct vrv_err *e)
{
    if (rc < 0 && !vrv_find_is_lost(rc) && h->failed++ == 0)
        h->why = *e;
}

/* how: it is well again. */
static void
tell(struct scrub_heal *h, const struct scrub_heal_one *x, const char *how, int rc, const struct vrv_err *e)
{
    struct out *o = &h->l->out;

    progress_clear(&h->bar);
    if (o->json) {
        out_begin(o, "heal");
        out_str(o, "topic", x->topic);
        out_int(o, "partition", x->id.partition);
        if (x->from < x->to) {
            out_int(o, "first_offset", x->from);
            out_int(o, "last_offset", x->to - 1);
        }
        out_bool(o, "healed", rc == 0);
        out_str(o, "text", rc < 0 ? e->msg : how);
        out_end(o);
        return;
    }
    out_paint(o, rc == 0 ? OUT_GREEN : OUT_RED, rc == 0 ? "healed" : vrv_find_is_lost(rc) ? "LOST" : "FAILED");
    (void)fprintf(o->f, ": topic %s, partition %" PRId32, x->topic, x->id.partition);
    if (x->from < x->to)
        (void)fprintf(o->f, ", offsets %" PRId64 " to %" PRId64, x->from, x->to - 1);
    (void)fprintf(o->f, ": %s\n", rc < 0 ? e->msg : how);
}

static void
heal_one(struct scrub_heal *h, struct vrv_heal *v, const struct scrub_heal_one *x)
{
    char name[VRV_TOPIC_NAME_MAX + 1];
    struct vrv_err why = { 0 };
    uint64_t bytes = 0;
    int32_t n;
    int rc = !vrv_catalog_find_id(vrv_engine_catalog(h->eng), &x->id.topic, name, &n)
        ? vrv_err_set(&why, VRV_E_NOTFOUND, "the topic is deleted: this disk has nothing of it any more")
        : is_root(x) ? vrv_heal_root(v, &x->id, &why)
                     : vrv_heal_segment(v, &x->id, x->key, x->from, &bytes, &why);

    bool gone = rc == VRV_E_CONFLICT && !is_root(x); /* the root that named it gave way to one that doesn't */
    rc = gone ? 0 : rc;
    note_failure(h, rc, &why);
    h->healed += rc == 0;
    h->roots += rc == 0 && is_root(x);
    h->segments += rc == 0 && !is_root(x) && !gone;
    h->bytes += rc == 0 && !gone ? bytes : 0;
    tell(h, x, gone ? "nothing names it any more" : is_root(x) ? "a whole manifest counts again"
        : v->lacks ? "written again from this disk, and read back, without what is lost before it of idempotent producers"
        : "written again from this disk, and read back", rc, &why);
}

/* ---- this disk ---- */

struct here {
    struct scrub_heal *h;
    struct vrv_heal *v;
    const struct vrv_scrub_opts *o;
};

static bool
is_wanted(const struct vrv_scrub_opts *o, const char *topic)
{
    bool wanted = o->topic_n == 0;

    for (size_t i = 0; i < o->topic_n; i++)
        wanted = wanted || strcmp(o->topic[i], topic) == 0;
    return wanted;
}

/* What counts there depends on this disk, too.  True: something was there, and is settled. */
static bool
heal_above(const struct here *k, const struct vrv_topic_info *t, int32_t partition)
{
    struct scrub_heal_one x = { .topic = vrv_mem_strdup(t->name), .id = { t->id, partition } };
    struct vrv_err why = { 0 };
    bool there = false;
    int rc = vrv_parts_has_head(&k->v->parts, &x.id) ? vrv_heal_above(k->v, &x.id, &there, &why) : 0;

    note_failure(k->h, rc, &why);
    if (rc < 0 || there)
        tell(k->h, &x, "a manifest that a crash has left doesn't stand in the way any more", rc, &why);
    free(x.topic);
    return rc == 0 && there;
}

static void
heal_partition(const struct here *k, const struct vrv_topic_info *t, int32_t partition)
{
    struct scrub_heal_one x = { .topic = vrv_mem_strdup(t->name), .id = { t->id, partition } };
    struct vrv_heal_here found;
    struct vrv_err why = { 0 };
    int rc = vrv_heal_here(k->v, &x.id, &found, &why);

    x.from = found.from;
    x.to = found.to;
    if (rc == VRV_E_CORRUPT)
        k->h->lost += found.damaged;
    note_failure(k->h, rc, &why);
    if (rc < 0 || found.damaged > 0)
        tell(k->h, &x, "damaged on this disk, which the store has whole: it is read there from now on", rc, &why);
    free(x.topic);
}

/* ---- how far it is ---- */

static void
show_segment(void *ctx)
{
    struct scrub_heal *h = ctx;

    progress_add(&h->bar, 1);
}

static uint64_t
count_sealed(struct vrv_log *log)
{
    uint32_t n;
    uint64_t sealed = 0;
    struct vrv_log_seg *v = vrv_log_segs(log, &n);

    for (uint32_t i = 0; i < n; i++)
        sealed += v[i].sealed;
    free(v);
    return sealed;
}

static int
count_topic(void *ctx, const struct vrv_topic_info *t)
{
    const struct here *k = ctx;
    struct vrv_log_id id = { .topic = t->id };

    for (; id.partition < t->partitions && is_wanted(k->o, t->name); id.partition++) {
        struct vrv_log *log = vrv_engine_log_ref(k->h->eng, &id);

        k->h->bar.total += log != NULL ? count_sealed(log) : 0;
        vrv_log_unref(&log);
    }
    return 0;
}

/* ---- all of it ---- */

static int
heal_topic(void *ctx, const struct vrv_topic_info *t)
{
    const struct here *k = ctx;

    for (int32_t i = 0; i < t->partitions && is_wanted(k->o, t->name); i++)
        if (heal_above(k, t, i) || k->o->full) /* what has it was in the way since it was cut here */
            heal_partition(k, t, i);
    return 0;
}

int
scrub_heal_all(struct scrub_heal *h, const struct vrv_scrub_opts *o, struct vrv_err *e)
{
    const struct vrv_config *config = h->l->config;
    struct vrv_heal v = { .s = &h->l->sync, .eng = h->eng, .hashed = config->tier_hashed_names,
        .index_bytes = (size_t)config->tier_index_bytes, .checked = o->full ? show_segment : NULL, .ctx = h };
    struct here k = { h, &v, o };
    int rc = vrv_random(&v.random, sizeof(v.random), e);

    if (rc == 0)
        rc = vrv_heal_begin(&v, e);
    if (rc < 0)
        return rc;
    progress_begin_count(&h->bar, h->n, "segments");
    if (o->full)
        (void)vrv_catalog_each(vrv_engine_catalog(h->eng), count_topic, &k);
    if (h->n > 0)
        qsort(h->v, h->n, sizeof(*h->v), by_place);
    for (size_t i = 0; i < h->n; i++) {
        heal_one(h, &v, &h->v[i]);
        show_segment(h);
    }
    (void)vrv_catalog_each(vrv_engine_catalog(h->eng), heal_topic, &k);
    progress_clear(&h->bar);
    vrv_heal_end(&v);
    return 0;
}
