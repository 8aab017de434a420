#include "engine/os/pages.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* Linux 6.5; older C libraries don't name it */
#endif

/* The kernel reads ahead no more than 128 KiB at once unless it is told otherwise, and takes no more from one
 * request for it. */
enum { FETCH_AT_ONCE = 128 << 10 };

static uint64_t
page_size(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* False: it can't be told, which looks like all of them. */
static bool
look(int fd, uint64_t page, uint64_t first, uint64_t n, unsigned char *there)
{
    void *p = mmap(NULL, n * page, PROT_READ, MAP_SHARED, fd, (off_t)(first * page));
    bool told = p != MAP_FAILED && mincore(p, n * page, there) == 0;

    if (p != MAP_FAILED)
        (void)munmap(p, n * page);
    if (!told)
        memset(there, 1, n);
    return told;
}

/* ---- is it there? ---- */

/* As the kernel has it. */
struct cache_range {
    uint64_t pos, n;
};
struct cache_pages {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

/* The same on kernels that don't have cachestat, at many times the price. */
static bool
is_mapped_resident(int fd, uint64_t page, uint64_t first, uint64_t pages)
{
    unsigned char there[VRV__PAGES_LOOK];
    bool all = true;

    for (uint64_t n; all && pages > 0; first += n, pages -= n) {
        n = pages < sizeof(there) ? pages : sizeof(there);
        all = look(fd, page, first, n, there);
        for (uint64_t i = 0; all && i < n; i++)
            all = (there[i] & 1) != 0;
    }
    return all;
}

bool
vrv__pages_resident(int fd, uint64_t pos, uint64_t n)
{
    uint64_t page = page_size();
    uint64_t first = pos / page, pages = (pos + n - 1) / page - first + 1;
    struct cache_range range = { pos, n };
    struct cache_pages found;

    if (syscall(SYS_cachestat, fd, &range, &found, 0) == 0)
        return found.cached >= pages;
    return is_mapped_resident(fd, page, first, pages);
}

/* ---- as it was ---- */

/* The next run of pages that weren't there, from `at` on; false: none. */
static bool
next_gap(const struct vrv__pages *p, uint64_t at, uint64_t *from, uint64_t *to)
{
    while (at < p->n && (p->was_there[at] & 1) != 0)
        at++;
    *from = at;
    while (at < p->n && (p->was_there[at] & 1) == 0)
        at++;
    *to = at;
    return *from < *to;
}

static void
fetch(const struct vrv__pages *p, uint64_t from, uint64_t to)
{
    uint64_t at_once = FETCH_AT_ONCE > p->page ? FETCH_AT_ONCE / p->page : 1;

    for (uint64_t n; from < to; from += n) {
        n = to - from < at_once ? to - from : at_once;
        (void)posix_fadvise(p->fd, (off_t)((p->first + from) * p->page), (off_t)(n * p->page),
            POSIX_FADV_WILLNEED);
    }
}

size_t
vrv__pages_look(struct vrv__pages *p, int fd, uint64_t pos, size_t n)
{
    p->fd = fd;
    p->page = page_size();
    p->first = pos / p->page;
    uint64_t most = (p->first + VRV__PAGES_LOOK) * p->page - pos;
    if (n > most)
        n = (size_t)most;
    p->n = (pos + n - 1) / p->page - p->first + 1;
    (void)look(fd, p->page, p->first, p->n, p->was_there); /* what can't be told isn't touched */
    for (uint64_t from, to = 0; next_gap(p, to, &from, &to);)
        fetch(p, from, to);
    return n;
}

void
vrv__pages_restore(const struct vrv__pages *p)
{
    for (uint64_t from, to = 0; next_gap(p, to, &from, &to);)
        (void)posix_fadvise(p->fd, (off_t)((p->first + from) * p->page), (off_t)((to - from) * p->page),
            POSIX_FADV_DONTNEED);
}
