#include "tiering/store/names.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

/* Where it is, or would be. */
static size_t
place_of(const struct vrv_names *s, const char *name, bool *there)
{
    size_t lo = 0, hi = s->n;

    *there = false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = strcmp(s->v[mid], name);

        if (order == 0) {
            *there = true;
            return mid;
        }
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

bool
vrv_names_has(const struct vrv_names *s, const char *name)
{
    bool there;

    (void)place_of(s, name, &there);
    return there;
}

void
vrv_names_add(struct vrv_names *s, const char *name)
{
    bool there;
    size_t at = place_of(s, name, &there);

    if (there)
        return;
    VRV_PUSH_ROOM(s->v, s->n, s->cap);
    memmove(&s->v[at + 1], &s->v[at], (s->n - at) * sizeof(*s->v));
    s->v[at] = vrv_mem_strdup(name);
    s->n++;
}

void
vrv_names_del(struct vrv_names *s, const char *name)
{
    bool there;
    size_t at = place_of(s, name, &there);

    if (!there)
        return;
    free(s->v[at]);
    s->n--;
    memmove(&s->v[at], &s->v[at + 1], (s->n - at) * sizeof(*s->v));
}

void
vrv_names_clear(struct vrv_names *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i]);
    free(s->v);
    *s = (struct vrv_names){ 0 };
}
