/* Which pages of a file the page cache has, and how a read leaves them as they were where the kernel has no
 * RWF_DONTCACHE (Linux before 6.14).  For the real file system only. */
#ifndef VRV_OS_PAGES_H
#define VRV_OS_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All of these bytes; what can't be told counts as no. */
bool vrv__pages_resident(int fd, uint64_t pos, uint64_t n);

enum { VRV__PAGES_LOOK = 256 };

/* Those around a read, as they were before it. */
struct vrv__pages {
    int fd;
    uint64_t page; /* how large one is */
    uint64_t first, n;
    unsigned char was_there[VRV__PAGES_LOOK]; /* lowest bit, as mincore has it */
};

/* Before a read: how much of it may be read until vrv__pages_restore; at least one byte.  What isn't there is
 * asked for, to the page: what the kernel reads ahead beside it would stay. */
size_t vrv__pages_look(struct vrv__pages *p, int fd, uint64_t pos, size_t n);
/* After it: what wasn't there goes, what was stays. */
void vrv__pages_restore(const struct vrv__pages *p);

#endif
