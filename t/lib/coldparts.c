#include "t/lib/coldparts.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/log/producers.h"

struct coldpart *
coldparts_find(struct coldparts *ps, const struct vrv_uuid *topic, int32_t partition)
{
    for (unsigned i = 0; i < ps->n; i++)
        if (ps->v[i].partition == partition && vrv_uuid_eq(&ps->v[i].topic, topic))
            return &ps->v[i];
    return NULL;
}

static struct coldpart *
find_or_make(struct coldparts *ps, const struct vrv_uuid *topic, int32_t partition)
{
    struct coldpart *p = coldparts_find(ps, topic, partition);

    if (p != NULL)
        return p;
    VRV_ASSERT(ps->n < COLDPARTS_MAX);
    p = &ps->v[ps->n++];
    *p = (struct coldpart){ .topic = *topic, .partition = partition };
    return p;
}

void
coldparts_add(struct coldparts *ps, const struct vrv_uuid *topic, int32_t partition,
    const uint8_t *bytes, size_t n)
{
    struct coldpart *p = find_or_make(ps, topic, partition);
    struct coldbatch b = { .bytes = vrv_mem_zero(n) };
    int rc = vrv_batch_read(&b.head, bytes, n, NULL);

    VRV_ASSERT(rc == 0 && b.head.size == n);
    VRV_ASSERT(p->n == 0 || coldpart_end(p) <= b.head.base_offset);
    memcpy(b.bytes, bytes, n);
    VRV_PUSH_ROOM(p->v, p->n, p->cap);
    p->v[p->n++] = b;
}

void
coldparts_add_aborted(struct coldparts *ps, const struct vrv_uuid *topic, int32_t partition,
    int64_t producer, int64_t first, int64_t last)
{
    struct coldpart *p = find_or_make(ps, topic, partition);

    VRV_PUSH_ROOM(p->aborted, p->aborted_n, p->aborted_cap);
    p->aborted[p->aborted_n++] = (struct coldaborted){ producer, first, last };
}

void
coldparts_fini(struct coldparts *ps)
{
    for (unsigned i = 0; i < ps->n; i++) {
        struct coldpart *p = &ps->v[i];

        for (size_t k = 0; k < p->n; k++)
            free(p->v[k].bytes);
        free(p->v);
        free(p->aborted);
    }
    ps->n = 0;
}

int64_t
coldpart_end(const struct coldpart *p)
{
    return vrv_batch_last_offset(&p->v[p->n - 1].head) + 1;
}

size_t
coldpart_batch(const struct coldpart *p, enum vrv_cold_want want, int64_t offset, int64_t ts)
{
    size_t found = p->n;

    for (size_t i = 0; i < p->n; i++) {
        const struct vrv_batch *b = &p->v[i].head;

        if (vrv_batch_last_offset(b) < offset || (want == VRV_COLD_AS_NEW && b->max_ts < ts))
            continue;
        if (want != VRV_COLD_NEWEST)
            return i;
        if (found == p->n || b->max_ts > p->v[found].head.max_ts)
            found = i;
    }
    return found;
}
