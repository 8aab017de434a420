/*
 * Page tables with copy on write.
 *
 * A crash test makes thousands of disks, most of whose bytes are equal: the durable image and the
 * page cache share pages, copies of disks do, and a file that was filled with zeros has none.
 * Page counters are atomic because two disks that share a page may belong to two threads.
 */
#include "t/lib/simimage.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"

struct sim_page {
    atomic_uint refs;
    uint8_t data[SIM_PAGE];
};

static void
page_unref(struct sim_page **slot)
{
    struct sim_page *p = *slot;

    *slot = NULL;
    if (p != NULL && atomic_fetch_sub(&p->refs, 1) == 1)
        free(p);
}

static struct sim_page *
page_new(const struct sim_page *like)
{
    struct sim_page *p = vrv_mem_grow(NULL, sizeof(*p));

    atomic_init(&p->refs, 1);
    if (like != NULL)
        memcpy(p->data, like->data, SIM_PAGE);
    else
        memset(p->data, 0, SIM_PAGE);
    return p;
}

/* The page of a slot, made ours to write. */
static struct sim_page *
page_own(struct sim_page **slot)
{
    struct sim_page *old = *slot;

    if (old != NULL && atomic_load(&old->refs) == 1)
        return old;
    struct sim_page *p = page_new(old);
    page_unref(slot);
    return *slot = p;
}

static bool
is_zero(const void *p, size_t n)
{
    const uint8_t *b = p;

    return b == NULL || (b[0] == 0 && memcmp(b, b + 1, n - 1) == 0);
}

static void
write_in_page(struct sim_page **slot, size_t off, const void *p, size_t n)
{
    if (n == SIM_PAGE && is_zero(p, n))
        page_unref(slot);
    else if (p != NULL)
        memcpy(page_own(slot)->data + off, p, n);
    else if (*slot != NULL)
        memset(page_own(slot)->data + off, 0, n);
}

static size_t
pages_for(uint64_t size)
{
    return (size_t)((size + SIM_PAGE - 1) / SIM_PAGE);
}

static void
reserve(struct sim_image *img, size_t pages)
{
    if (pages <= img->pages)
        return;
    if (pages < img->pages * 2)
        pages = img->pages * 2;
    img->page = vrv_mem_grow(img->page, pages * sizeof(struct sim_page *));
    for (size_t i = img->pages; i < pages; i++)
        img->page[i] = NULL;
    img->pages = pages;
}

void
sim_image_fini(struct sim_image *img)
{
    for (size_t i = 0; i < img->pages; i++)
        page_unref(&img->page[i]);
    free(img->page);
    *img = (struct sim_image){ 0 };
}

/* How much of n bytes at pos lies in the page of pos. */
static size_t
part_in_page(uint64_t pos, size_t n)
{
    size_t room = SIM_PAGE - (size_t)(pos % SIM_PAGE);

    return n < room ? n : room;
}

void
sim_image_read(const struct sim_image *img, void *buf, size_t n, uint64_t pos)
{
    uint8_t *out = buf;

    while (n > 0) {
        size_t i = (size_t)(pos / SIM_PAGE), part = part_in_page(pos, n);

        if (i < img->pages && img->page[i] != NULL)
            memcpy(out, img->page[i]->data + pos % SIM_PAGE, part);
        else
            memset(out, 0, part);
        out += part;
        pos += part;
        n -= part;
    }
}

void
sim_image_write(struct sim_image *img, const void *p, size_t n, uint64_t pos)
{
    const uint8_t *in = p;

    if (n == 0)
        return;
    reserve(img, pages_for(pos + n));
    if (pos + n > img->size)
        img->size = pos + n;
    while (n > 0) {
        size_t part = part_in_page(pos, n);

        write_in_page(&img->page[pos / SIM_PAGE], (size_t)(pos % SIM_PAGE), in, part);
        if (in != NULL)
            in += part;
        pos += part;
        n -= part;
    }
}

/* Bytes beyond the size are always zero, so that growing needs no work. */
void
sim_image_resize(struct sim_image *img, uint64_t size)
{
    size_t keep = pages_for(size);

    for (size_t i = keep; size < img->size && i < img->pages; i++)
        page_unref(&img->page[i]);
    if (size < img->size && size % SIM_PAGE != 0 && keep <= img->pages)
        write_in_page(&img->page[keep - 1], (size_t)(size % SIM_PAGE), NULL,
            SIM_PAGE - (size_t)(size % SIM_PAGE));
    img->size = size;
}

void
sim_image_assign(struct sim_image *to, const struct sim_image *from)
{
    size_t used = pages_for(from->size) < from->pages ? pages_for(from->size) : from->pages;

    reserve(to, used);
    for (size_t i = 0; i < to->pages; i++) {
        struct sim_page *p = i < used ? from->page[i] : NULL;

        if (p == to->page[i])
            continue;
        page_unref(&to->page[i]);
        if (p != NULL)
            (void)atomic_fetch_add(&p->refs, 1);
        to->page[i] = p;
    }
    to->size = from->size;
}

/* Not for secrets; eight bytes at a time, because whole disks are compared by it. */
uint64_t
sim_hash_bytes(uint64_t hash, const void *p, size_t n)
{
    const uint8_t *b = p;
    uint64_t v;

    for (; n >= sizeof(v); b += sizeof(v), n -= sizeof(v)) {
        memcpy(&v, b, sizeof(v));
        hash = (hash ^ v) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    for (; n > 0; b++, n--)
        hash = (hash ^ *b) * 0x00000100000001b3u;
    return hash ^ hash >> 32;
}

uint64_t
sim_image_hash(const struct sim_image *img, uint64_t hash)
{
    hash = sim_hash_bytes(hash, &img->size, sizeof(img->size));
    for (uint64_t i = 0; i < img->pages && i < pages_for(img->size); i++) {
        const struct sim_page *p = img->page[i];

        if (p == NULL || is_zero(p->data, SIM_PAGE))
            continue;
        hash = sim_hash_bytes(hash, &i, sizeof(i));
        hash = sim_hash_bytes(hash, p->data, SIM_PAGE);
    }
    return hash;
}
