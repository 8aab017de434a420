#include "tiering/scrub/scrub.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "tiering/scrub/scrub_int.h"

enum { THREADS_MAX = 64, LOOKS = 3 };

static const int64_t SECOND_NS = 1000000000;

const char *
vrv_scrub_kind_name(enum vrv_scrub_kind kind)
{
    static const char *const name[] = { "marker", "manifest", "missing", "short", "damaged", "orphan",
        "unknown", "foreign" };

    _Static_assert(sizeof(name) / sizeof(name[0]) == VRV_SCRUB_KINDS, "a name for each");
    return name[kind];
}

/* ---- what is told ---- */

void
vrv__scrub_found(struct vrv__scrub *c, const struct vrv_finding *f)
{
    vrv_lock(&c->lock);
    c->out->found[f->kind]++;
    if (f->kind == VRV_SCRUB_ORPHAN) {
        c->out->orphan_bytes += f->size;
        c->out->deleted += f->deleted;
        c->out->deleted_bytes += f->deleted ? f->size : 0;
    }
    c->o->tell(c->o->ctx, f);
    vrv_unlock(&c->lock);
}

void
vrv__scrub_done(struct vrv__scrub *c, uint64_t n)
{
    vrv_lock(&c->lock);
    c->done += n;
    if (c->o->progress != NULL)
        c->o->progress(c->o->ctx, c->done, c->total);
    vrv_unlock(&c->lock);
}

void
vrv__scrub_before(void *ctx, size_t n)
{
    struct vrv__scrub *c = ctx;

    vrv_lock(&c->lock);
    int64_t now_ns = c->o->clock->mono_ns(c->o->clock);
    int64_t wait_ns = vrv_rate_take(&c->rate, (unsigned)n, now_ns) - now_ns;
    c->out->read_bytes += n;
    vrv_unlock(&c->lock);
    if (wait_ns > 0)
        (void)nanosleep(&(struct timespec){ .tv_sec = (time_t)(wait_ns / SECOND_NS),
            .tv_nsec = (long)(wait_ns % SECOND_NS) }, NULL);
}

/* ---- several threads ---- */

static bool
take(struct vrv__scrub *c, struct vrv_log_id *id)
{
    vrv_lock(&c->lock);
    bool any = c->rc == 0 && c->next < c->parts.n;
    if (any)
        *id = c->parts.v[c->next++];
    vrv_unlock(&c->lock);
    return any;
}

static void *
run(void *ctx)
{
    struct vrv__scrub *c = ctx;
    struct vrv_log_id id;
    struct vrv_sync s;

    vrv_sync_init(&s, c->o->store, c->o->clock, c->o->random, c->o->call_ms);
    while (take(c, &id)) {
        struct vrv_err e = { 0 };
        int rc = vrv__scrub_part(c, &s, &id, &e);

        vrv_lock(&c->lock);
        c->out->partitions++;
        if (rc < 0 && c->rc == 0) {
            c->rc = rc;
            c->err = e;
        }
        vrv_unlock(&c->lock);
        if (!c->o->full)
            vrv__scrub_done(c, 1);
    }
    vrv_sync_fini(&s);
    return NULL;
}

static int
run_all(struct vrv__scrub *c, struct vrv_err *e)
{
    pthread_t thread[THREADS_MAX];
    unsigned n = 0, want = c->o->threads < THREADS_MAX ? c->o->threads : THREADS_MAX;

    while (n + 1 < want && n + 1 < c->parts.n &&
        vrv_thread_start(&thread[n], "varve-scrub", run, c, NULL) == 0)
        n++;
    (void)run(c); /* so that one does */
    while (n > 0)
        (void)pthread_join(thread[--n], NULL);
    if (c->rc < 0)
        *e = c->err;
    return c->rc;
}

/* ---- what there is to do ---- */

static void
foreign(void *ctx, const char *key)
{
    struct vrv__scrub *c = ctx;

    if (c->o->topic_n == 0)
        vrv__scrub_found(c, &(struct vrv_finding){ .kind = VRV_SCRUB_FOREIGN, .key = key,
            .text = "the name is none of varve's" });
}

/* One that has gone since it was listed made room for a newer one. */
static bool
markers_are_well(const struct vrv_known *k)
{
    return k->has_marker && (k->marker.passed.n == 0 || k->marker.passed.why.code == VRV_E_NOTFOUND);
}

/* What a list lacks, or shows that is gone, may be different the next time. */
static int
read_known(struct vrv__scrub *c, struct vrv_sync *s, struct vrv_err *e)
{
    int rc = vrv_known_read(s, &c->known, e);

    for (int i = 1; i < LOOKS && rc == 0 && !markers_are_well(&c->known); i++) {
        vrv_known_fini(&c->known);
        rc = vrv_known_read(s, &c->known, e);
    }
    return rc;
}

static int
tell_markers(struct vrv__scrub *c, struct vrv_err *e)
{
    const struct vrv_known *k = &c->known;
    if (!k->has_marker && k->marker.passed.n == 0 && c->parts.n == 0) {
        *e = k->why;
        return k->why.code;
    }
    if (c->o->topic_n == 0 && !markers_are_well(k))
        vrv__scrub_found(c, &(struct vrv_finding){ .kind = VRV_SCRUB_MARKER,
            .text = k->has_marker ? k->marker.passed.why.msg : k->why.msg });
    return 0;
}

/* Only those of the topics that are asked for. */
static int
choose(struct vrv__scrub *c, struct vrv_err *e)
{
    struct vrv_known_parts *l = &c->parts;
    size_t n = 0;

    for (size_t t = 0; t < c->o->topic_n; t++) {
        const struct vrv_known_topic *topic = vrv_known_name(&c->known, c->o->topic[t]);
        struct vrv_uuid id;

        if (topic == NULL && !(vrv_uuid_parse(&id, c->o->topic[t]) &&
            c->o->topic[t][VRV_UUID_TEXT] == '\0'))
            return vrv_err_set(e, VRV_E_NOTFOUND, "the newest marker in the store knows no topic \"%.100s\"",
                c->o->topic[t]);
        id = topic != NULL ? topic->id : id;
        for (size_t i = n; i < l->n; i++)
            if (vrv_uuid_eq(&l->v[i].topic, &id)) {
                struct vrv_log_id swap = l->v[n];

                l->v[n++] = l->v[i];
                l->v[i] = swap;
            }
    }
    if (c->o->topic_n > 0)
        l->n = n;
    return 0;
}

/* What manifests name, in bytes; what can't be read is found later. */
static int
add_up(struct vrv__scrub *c, struct vrv_sync *s, struct vrv_err *e)
{
    c->total = c->parts.n;
    if (!c->o->full)
        return 0;
    c->total = 0;
    for (size_t i = 0; i < c->parts.n; i++) {
        struct vrv_found_versions l;
        struct vrv_manifest m;
        int rc = vrv_find_versions(s, &c->parts.v[i], 0, &l, e);

        if (rc == 0 && l.n > 0 && vrv_find_root(s, &c->parts.v[i], l.v[l.n - 1], &m, e) == 0) {
            for (uint32_t k = 0; k < m.page_n; k++)
                c->total += m.page[k].stored;
            for (uint32_t k = 0; k < m.seg_n; k++)
                c->total += m.seg[k].size;
            vrv_manifest_fini(&m);
        }
        vrv_found_versions_fini(&l);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* What a server is about to name looks like an orphan. */
static int
check_grace(const struct vrv__scrub *c, struct vrv_err *e)
{
    const struct vrv_known *k = &c->known;

    if (!c->o->delete_orphans || c->o->grace_ms >= VRV_SCRUB_GRACE_LEAST_MS ||
        (k->has_marker && k->marker.m.last))
        return 0;
    return vrv_err_set(e, VRV_E_LOCKED, "its server hasn't said that it stopped: what is younger than %d s isn't "
        "deleted beside it; stop it, or give a longer grace", VRV_SCRUB_GRACE_LEAST_MS / 1000);
}

/* Uploads aren't listed: the store removes those that are old enough. */
static int
sweep_uploads(struct vrv__scrub *c, struct vrv_sync *s, struct vrv_err *e)
{
    struct vrv_store_call call = { .op = VRV_STORE_SWEEP, .lane = VRV_STORE_HOUSEKEEPING,
        .key = VRV_PARTS_OBJECTS, .older_ms = c->o->grace_ms };
    int rc;

    if (!c->o->delete_orphans || c->o->topic_n > 0)
        return 0;
    if ((rc = vrv_sync_call(s, &call)) < 0) {
        *e = call.err;
        return vrv_err_prefix(e, rc, "unfinished uploads");
    }
    c->out->uploads = call.got;
    return 0;
}

int
vrv_scrub(const struct vrv_scrub_opts *o, struct vrv_scrubbed *out, struct vrv_err *e)
{
    struct vrv__scrub c = { .o = o, .out = out, .rate = { .per_second = o->bytes_per_second } };
    struct vrv_sync s;

    *out = (struct vrv_scrubbed){ 0 };
    vrv_lock_init(&c.lock, VRV_LOCK_scrub);
    vrv_sync_init(&s, o->store, o->clock, o->random, o->call_ms);
    int rc = read_known(&c, &s, e);
    if (rc == 0)
        rc = vrv_known_partitions(&s, &c.known, &c.parts, foreign, &c, e);
    if (rc == 0)
        rc = tell_markers(&c, e);
    if (rc == 0)
        rc = check_grace(&c, e);
    if (rc == 0)
        rc = choose(&c, e);
    if (rc == 0)
        rc = add_up(&c, &s, e);
    if (rc == 0)
        rc = run_all(&c, e);
    if (rc == 0)
        rc = sweep_uploads(&c, &s, e);
    free(c.parts.v);
    vrv_known_fini(&c.known);
    vrv_sync_fini(&s);
    vrv_lock_fini(&c.lock);
    return rc;
}
