/*
 * Where chunks lie that a manifest has let go of, and whose root can't be read any more: each
 * object says it, too.
 *
 *   footer ─► is it the one that is named? ─► chunk table ─► the next segment
 */
#include <stdlib.h>

#include "engine/base/mem.h"
#include "tiering/parts/parts_int.h"

static const int64_t MS = 1000000;

struct vrv_root_fill {
    struct vrv_parts_commit *c;
    vrv__fill_fn *run;
    struct vrv_err why; /* the root can't be read */
    uint32_t at;        /* which segment */
    unsigned reads;     /* of it, that have ended in vain */
    bool cancelled;
    struct vrv_object_info info;
    uint8_t *bytes;
    struct vrv_store_call call;
};

static void go_on(struct vrv_root_fill *f);

/* The one whose turn it is. */
static struct vrv_cold_seg *
seg_of(const struct vrv_root_fill *f)
{
    return &f->c->next.seg[f->at];
}

static void
end(struct vrv_root_fill *f, int status, const struct vrv_err *e)
{
    struct vrv_parts_commit *c = f->c;
    vrv__fill_fn *run = f->run;
    struct vrv_err why = *e;

    c->fill = NULL;
    free(f->bytes);
    free(f);
    run(c, status, &why);
}

/* Neither is whole: then only this disk, and what is left of manifests, can tell. */
static void
give_up(struct vrv_root_fill *f)
{
    (void)vrv_err_prefix(&f->why, f->why.code, "stop this server, and varve scrub --heal");
    end(f, f->why.code, &f->why);
}

static void
fail(struct vrv_root_fill *f, int status, const struct vrv_err *e)
{
    struct vrv_err why = *e;

    if (status == VRV_E_CORRUPT && ++f->reads < VRV_STORE_DAMAGED_READS)
        go_on(f);
    else if (status == VRV_E_CORRUPT)
        give_up(f);
    else if (status == VRV_E_NOTFOUND) /* perhaps nothing is there, as when it isn't mounted */
        end(f, vrv_store_lost(&why, seg_of(f)->key), &why);
    else
        end(f, status, e);
}

static void
get(struct vrv_root_fill *f, uint64_t pos, size_t n, void (*run)(struct vrv_done *d))
{
    struct vrv_parts *ps = f->c->parts;
    const struct vrv_cold_seg *s = seg_of(f);

    free(f->bytes);
    f->bytes = vrv_mem_grow(NULL, n);
    f->call = (struct vrv_store_call){ .done = { .cq = ps->o.cq, .run = run }, .op = VRV_STORE_GET,
        .lane = VRV_STORE_HOUSEKEEPING, .key = s->key, .pos = s->pos + pos, .size = n, .buf = f->bytes,
        .deadline_ns = ps->o.clock->mono_ns(ps->o.clock) + ps->o.read_ms * MS };
    vrv_retry_submit(ps->o.retry, &f->call);
}

/* Bytes that came, as many as were asked for. */
static int
came(const struct vrv_root_fill *f, struct vrv_err *e)
{
    *e = f->call.err;
    if (f->cancelled) /* the call may have ended before that */
        return vrv_err_set(e, VRV_E_CANCELLED, "the commit was given up");
    if (f->call.status == 0 && f->call.got != f->call.size)
        return vrv_err_set(e, VRV_E_CORRUPT, "it is too short");
    return f->call.status;
}

/* Is it what the manifest says?  One that reaches over a hole ends behind its object. */
static int
check(const struct vrv_root_fill *f, struct vrv_err *e)
{
    const struct vrv_cold_seg *s = seg_of(f);
    const struct vrv_object_info *i = &f->info;
    bool same = vrv_uuid_eq(&i->topic, &f->c->next.topic) && i->partition == f->c->next.partition &&
        i->base == s->base && i->next <= s->next && i->plain == s->plain && i->min_ts == s->min_ts &&
        i->max_ts == s->max_ts && i->max_ts_offset == s->max_ts_offset && (i->aborted_n > 0) == s->aborted;

    return same ? 0 : vrv_err_set(e, VRV_E_CORRUPT, "its footer says other than the manifest");
}

static void
table_came(struct vrv_done *d)
{
    struct vrv_root_fill *f = VRV_LIST_OF(d, struct vrv_root_fill, call.done);
    struct vrv_cold_seg *s = seg_of(f);
    struct vrv_chunk *chunk;
    struct vrv_err e;
    int rc = came(f, &e);

    if (rc == 0)
        rc = vrv_object_read_table(&chunk, &f->info, f->bytes, f->call.got, &e);
    if (rc < 0) {
        fail(f, rc, &e);
        return;
    }
    free(s->chunk); /* of none */
    s->chunk = chunk;
    s->chunk_n = f->info.chunk_n;
    f->reads = 0;
    go_on(f);
}

static void
footer_came(struct vrv_done *d)
{
    struct vrv_root_fill *f = VRV_LIST_OF(d, struct vrv_root_fill, call.done);
    struct vrv_err e;
    int rc = came(f, &e);

    if (rc == 0)
        rc = vrv_object_read_footer(&f->info, f->bytes, seg_of(f)->size, &e);
    if (rc == 0)
        rc = check(f, &e);
    if (rc < 0)
        fail(f, rc, &e);
    else
        get(f, f->info.table_at, (size_t)f->info.chunk_n * VRV_CHUNK_RECORD, table_came);
}

static void
go_on(struct vrv_root_fill *f)
{
    static const struct vrv_err none;
    const struct vrv_manifest *m = &f->c->next;

    while (f->at < m->seg_n && m->seg[f->at].chunk_n > 0)
        f->at++;
    if (f->at == m->seg_n)
        end(f, 0, &none);
    else if (m->seg[f->at].size < VRV_OBJECT_HEADER + VRV_OBJECT_FOOTER)
        give_up(f);
    else
        get(f, m->seg[f->at].size - VRV_OBJECT_FOOTER, VRV_OBJECT_FOOTER, footer_came);
}

void
vrv__fill_begin(struct vrv_parts_commit *c, const struct vrv_err *why, vrv__fill_fn *run)
{
    struct vrv_root_fill *f = c->fill = VRV_NEW(struct vrv_root_fill);

    f->c = c;
    f->why = *why;
    f->run = run;
    go_on(f);
}

void
vrv__fill_cancel(struct vrv_root_fill *f)
{
    f->cancelled = true;
    vrv_retry_cancel(f->c->parts->o.retry, &f->call);
}
