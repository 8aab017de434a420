#include "tiering/daemon/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/os/failpoint.h"

enum { NAMES = 1000, WAIT = 2, ORPHAN = 3 };

static const int64_t MS = 1000000;

static void go_on(struct vrv_sweep *s);

static void
finish(struct vrv_sweep *s, int status, const struct vrv_err *e)
{
    vrv_store_names_free(&s->list);
    vrv_piece_unref(s->page);
    vrv_manifest_fini(&s->before);
    vrv_snap_unref(s->snap);
    s->run(s, status, e);
}

static struct vrv_store_call
call_of(const struct vrv_sweep *s, enum vrv_store_op op, void (*run)(struct vrv_done *d))
{
    return (struct vrv_store_call){ .done = { .cq = s->o->cq, .run = run }, .op = op,
        .lane = VRV_STORE_HOUSEKEEPING,
        .deadline_ns = s->o->clock->mono_ns(s->o->clock) + s->o->call_ms * MS };
}

/* ---- is it named? ---- */

static void
page_came(struct vrv_piece_wait *w)
{
    struct vrv_sweep *s = VRV_LIST_OF(w, struct vrv_sweep, wait);

    s->page = s->awaited;
    s->awaited = NULL;
    go_on(s);
}

static bool
is_among(const struct vrv_cold_seg *v, uint32_t n, const char *key)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(v[i].key, key) == 0)
            return true;
    return false;
}

/* 1, 0; WAIT: not known yet; negative: it can't be. */
static int
is_in_page(struct vrv_sweep *s, const struct vrv_cold_page *page, const char *key)
{
    if (s->page == NULL || strcmp(s->page->key, page->key) != 0) {
        vrv_piece_unref(s->page);
        s->page = NULL;
        struct vrv_piece *p = vrv_cache_page(s->o->cache, &s->snap->m, page);

        if (!p->there) {
            s->awaited = p;
            s->wait.run = page_came;
            vrv_list_push(&p->waiting, &s->wait.link);
            return WAIT;
        }
        s->page = p;
    }
    return s->page->status < 0 ? s->page->status
                               : is_among(s->page->seg, s->page->seg_n, key);
}

static int
is_named(struct vrv_sweep *s, const char *key, const struct vrv_part_key *k)
{
    const struct vrv_manifest *m = &s->snap->m;
    int64_t base = (int64_t)k->number;

    if (s->what == 'm') {
        for (uint32_t i = 0; i < m->page_n; i++)
            if (strcmp(m->page[i].key, key) == 0)
                return 1;
        return k->root && (k->number == m->before || k->number >= m->version);
    }
    for (uint32_t i = 0; i < m->page_n; i++)
        if (base >= m->page[i].base && base < m->page[i].next)
            return is_in_page(s, &m->page[i], key);
    return is_among(m->seg, m->seg_n, key);
}

/* ---- does the root before name it? ---- */

static int
read_before(struct vrv_sweep *s, struct vrv_err *e)
{
    int rc = s->root.status;

    *e = s->root.err;
    if (rc == 0)
        rc = vrv_manifest_read(&s->before, s->root.buf, s->root.got, e);
    return rc == VRV_E_NOTFOUND ? 0 : rc; /* then it names nothing */
}

static void
before_came(struct vrv_done *d)
{
    struct vrv_sweep *s = VRV_LIST_OF(d, struct vrv_sweep, root.done);
    struct vrv_err e;
    int rc = read_before(s, &e);

    s->reads = false;
    s->before_known = rc == 0;
    free(s->root.buf);
    if (rc == VRV_E_CANCELLED)
        finish(s, rc, &e);
    else
        go_on(s);
}

static void
get_before(struct vrv_sweep *s)
{
    vrv_manifest_fini(&s->before);
    s->before = (struct vrv_manifest){ 0 };
    s->before_of = s->snap->m.version;
    s->reads = true;
    vrv_parts_root_key(&s->id, s->snap->m.before, s->root_key);
    s->root = call_of(s, VRV_STORE_GET, before_came);
    s->root.key = s->root_key;
    s->root.size = VRV_MANIFEST_ROOT_MAX;
    s->root.buf = vrv_mem_zero(VRV_MANIFEST_ROOT_MAX);
    vrv_retry_submit(s->o->retry, &s->root);
}

/* 1, also where nobody can tell; 0; WAIT. */
static int
is_named_before(struct vrv_sweep *s, const char *key)
{
    bool named = !s->before_known;

    if (s->before_of != s->snap->m.version) {
        get_before(s);
        return WAIT;
    }
    for (uint32_t i = 0; !named && i < s->before.page_n; i++)
        named = strcmp(s->before.page[i].key, key) == 0;
    return named;
}

/* Not what a root above may name, which isn't known before all roots were seen. */
static bool
may_go(struct vrv_sweep *s)
{
    s->spared = s->spared || s->looks;
    return !s->above && !s->looks;
}

/* ORPHAN, 0, WAIT. */
static int
is_orphan(struct vrv_sweep *s, const char *key, const struct vrv_part_key *k)
{
    bool before;
    int64_t since_ms = vrv_parts_unnamed_ms(&s->id, &s->snap->m, s->what, k, &before);

    if (s->o->clock->wall_ms(s->o->clock) - since_ms < s->orphan_ms || !may_go(s))
        return 0;
    int named = before ? is_named_before(s, key) : 0;
    return named == 0 ? ORPHAN : named == 1 ? 0 : named;
}

/* 1: it is to go, ORPHAN: likewise, for nothing but its age; 0: it stays; WAIT, negative: as above. */
static int
judge(struct vrv_sweep *s, const char *key)
{
    struct vrv_part_key k;

    if (!vrv_parts_read_key(&s->id, s->what == 'm' ? 'm' : 'd', key, &k))
        return 0; /* not ours */
    if (s->all)
        return 1;
    bool ahead = k.root && vrv_parts_is_ahead(s->o->parts, &s->id, k.number);
    bool empty = s->leaves && s->snap->m.page_n + s->snap->m.seg_n == 0;
    if (ahead && empty) /* nobody would decide about it; and it goes first, or it might count
                         * without what it names */
        return 1;
    s->above = s->above || ahead;
    int named = is_named(s, key, &k);
    if (named != 0)
        return named == 1 ? 0 : named;
    if (k.root)
        return 1;
    int64_t base = vrv_manifest_base(&s->snap->m), at = (int64_t)k.number;
    if (s->spares > 0 && at >= s->spares && at < base)
        return 0;
    if (empty)
        return 1;
    return at < base ? may_go(s) : is_orphan(s, key, &k);
}

/* ---- one list after the other ---- */

static void list(struct vrv_sweep *s);

/* Orphans are neither's. */
static void
pass_step(const struct vrv_sweep *s)
{
    if (s->all)
        VRV_STEP(DELETE);
    else if (s->found > s->orphans)
        VRV_STEP(RETAIN);
}

static void
deleted(struct vrv_done *d)
{
    struct vrv_sweep *s = VRV_LIST_OF(d, struct vrv_sweep, del.done);

    pass_step(s);
    s->deleted += s->del.got;
    s->deleted_bytes += s->del.status == 0 ? s->key_bytes : 0;
    s->key_bytes = 0;
    s->key_n = 0;
    s->deletes = false;
    if (s->del.status < 0)
        finish(s, s->del.status, &s->del.err);
    else
        go_on(s);
}

static void
delete(struct vrv_sweep *s)
{
    pass_step(s);
    s->at_ns = INT64_MAX;
    s->deletes = true;
    s->del = call_of(s, VRV_STORE_DELETE, deleted);
    s->del.keys = s->keys;
    s->del.max = s->key_n;
    vrv_retry_submit(s->o->retry, &s->del);
}

/* As fast as is allowed, at most. */
static void
delete_in_time(struct vrv_sweep *s)
{
    int64_t now_ns = s->o->clock->mono_ns(s->o->clock);

    s->at_ns = vrv_rate_take(s->o->rate, s->key_n, now_ns);
    if (s->at_ns <= now_ns)
        delete(s);
}

int64_t
vrv_sweep_step(struct vrv_sweep *s)
{
    if (s->at_ns <= s->o->clock->mono_ns(s->o->clock))
        delete(s);
    return s->at_ns;
}

static void
take(struct vrv_sweep *s, const struct vrv_store_name *name, bool orphan)
{
    s->found++;
    s->found_bytes += name->size;
    s->orphans += orphan;
    s->orphan_bytes += orphan ? name->size : 0;
    if (s->dry)
        return;
    s->keys[s->key_n++] = name->key;
    s->key_bytes += name->size;
}

/* Behind the last name of a list. */
static void
end_list(struct vrv_sweep *s)
{
    struct vrv_err none = { 0 };

    if (s->more && s->list.got > 0) {
        memcpy(s->after, s->list.names[s->list.got - 1].key,
            strlen(s->list.names[s->list.got - 1].key) + 1);
    } else if (s->looks || s->what == 'd') {
        s->what = s->looks ? 'd' : 'h';
        s->looks = false;
        s->after[0] = '\0';
    } else if (s->what == 'h' && (s->all || (s->spared && !s->above))) {
        s->what = 'm';
        s->after[0] = '\0';
    } else {
        finish(s, 0, &none);
        return;
    }
    list(s);
}

/* What has come all the same is not waited for. */
static void
give_up(struct vrv_sweep *s)
{
    struct vrv_err e;

    s->at_ns = INT64_MAX;
    finish(s, vrv_err_set(&e, VRV_E_CANCELLED, "the sweep was given up"), &e);
}

static void
go_on(struct vrv_sweep *s)
{
    if (s->cancelled) {
        give_up(s);
        return;
    }
    while (s->at < s->list.got && s->key_n < vrv_rate_some(s->o->rate, VRV_STORE_DELETE_MAX)) {
        int rc = judge(s, s->list.names[s->at].key);

        if (rc == WAIT)
            return;
        if (rc < 0) {
            struct vrv_err e = s->page->err;

            finish(s, rc, &e);
            return;
        }
        if (rc > 0)
            take(s, &s->list.names[s->at], rc == ORPHAN);
        s->at++;
    }
    if (s->key_n > 0)
        delete_in_time(s);
    else
        end_list(s);
}

static void
listed(struct vrv_done *d)
{
    struct vrv_sweep *s = VRV_LIST_OF(d, struct vrv_sweep, list.done);
    struct vrv_err e = s->list.err;
    int rc = s->list.status;

    vrv_snap_unref(s->snap);
    s->snap = NULL;
    if (rc == 0 && !s->all) /* what counts now, not when it was listed */
        rc = vrv_parts_now(s->o->parts, &s->id, &s->snap, &e);
    if (rc == VRV_E_NOTFOUND) {
        s->snap = vrv_snap_none();
        rc = 0;
    }
    s->more = s->list.more;
    s->at = 0;
    if (rc < 0)
        finish(s, rc, &e);
    else
        go_on(s);
}

static void
list(struct vrv_sweep *s)
{
    vrv_store_names_free(&s->list);
    vrv_parts_prefix(&s->id, s->what, s->prefix);
    s->list = call_of(s, VRV_STORE_LIST, listed);
    s->list.key = s->prefix;
    s->list.after = s->after[0] != '\0' ? s->after : NULL;
    s->list.max = NAMES;
    vrv_retry_submit(s->o->retry, &s->list);
}

void
vrv_sweep_begin(struct vrv_sweep *s)
{
    s->looks = !s->all;
    s->what = s->looks ? 'm' : 'd';
    s->at_ns = INT64_MAX;
    vrv_list_init(&s->wait.link);
    list(s);
}

void
vrv_sweep_cancel(struct vrv_sweep *s)
{
    s->cancelled = true;
    if (s->reads)
        vrv_retry_cancel(s->o->retry, &s->root);
    else if (s->awaited != NULL)
        vrv_cache_cancel(s->o->cache, s->awaited);
    else if (s->deletes)
        vrv_retry_cancel(s->o->retry, &s->del);
    else if (s->at_ns != INT64_MAX)
        give_up(s);
    else
        vrv_retry_cancel(s->o->retry, &s->list);
}
