#include "tiering/reader/aborted.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tiering/format/object.h"

void
vrv_aborted_init(struct vrv_aborted *a, int64_t from, int64_t to)
{
    *a = (struct vrv_aborted){ .from = from, .to = to, .at = from };
}

void
vrv_aborted_fini(struct vrv_aborted *a)
{
    vrv_piece_unref(a->page);
    free(a->v);
    *a = (struct vrv_aborted){ .v = NULL };
}

/* ---- what is needed ---- */

/* The first of these segments that was not looked into, and has some; NULL: none. */
static const struct vrv_cold_seg *
next_of(const struct vrv_aborted *a, const struct vrv_cold_seg *s, uint32_t n)
{
    for (uint32_t i = vrv_cold_seg_find(s, n, a->at); i < n; i++)
        if (s[i].aborted)
            return &s[i];
    return NULL;
}

static bool
has_page(const struct vrv_aborted *a, const struct vrv_cold_page *page)
{
    return a->page != NULL && strcmp(a->page->page.key, page->key) == 0;
}

static int
by_first(const void *x, const void *y)
{
    const struct vrv_cold_aborted *a = x, *b = y;

    return a->first != b->first ? (a->first > b->first) - (a->first < b->first)
                                : (a->producer > b->producer) - (a->producer < b->producer);
}

static int
finish(struct vrv_aborted *a)
{
    if (a->n > 1)
        qsort(a->v, a->n, sizeof(*a->v), by_first);
    return 0;
}

int
vrv_aborted_find(struct vrv_aborted *a, const struct vrv_manifest *m)
{
    for (uint32_t i = 0; i < m->page_n && !a->settled; i++) {
        if (m->page[i].next <= a->at || !m->page[i].aborted)
            continue;
        a->needs = &m->page[i];
        if (!has_page(a, a->needs))
            return VRV_ABORTED_PAGE;
        a->seg = next_of(a, a->page->seg, a->page->seg_n);
        if (a->seg != NULL)
            return VRV_ABORTED_TAIL;
        a->at = a->needs->next; /* with the next page at hand this one is not looked into again */
    }
    a->seg = a->settled ? NULL : next_of(a, m->seg, m->seg_n);
    return a->seg != NULL ? VRV_ABORTED_TAIL : finish(a);
}

/* ---- what came ---- */

static void
add(struct vrv_aborted *a, const struct vrv_object_aborted *t)
{
    a->settled |= t->last_stable >= a->to;
    if (t->first >= a->to || t->last < a->from)
        return;
    VRV_PUSH_ROOM(a->v, a->n, a->cap);
    a->v[a->n++] = (struct vrv_cold_aborted){ t->producer, t->first };
}

void
vrv_aborted_take(struct vrv_aborted *a, struct vrv_piece *p)
{
    struct vrv_object_aborted t;

    if (p->page.key != NULL) {
        vrv_piece_unref(a->page);
        a->page = p;
        return;
    }
    for (size_t at = 0; at + VRV_OBJECT_ABORTED <= p->n; at += VRV_OBJECT_ABORTED) {
        vrv_object_get_aborted(&t, p->bytes + at);
        add(a, &t);
    }
    a->at = a->seg->next;
    vrv_piece_unref(p);
}
