/* Syncing several files at once, through io_uring where the kernel lets us. */
#ifndef VRV_OS_URING_H
#define VRV_OS_URING_H

#include <stdbool.h>
#include <stddef.h>

struct vrv_uring;

struct vrv_uring *vrv__uring_new(void);
void vrv__uring_free(struct vrv_uring **u);

/* fdatasync each of n descriptors and wait for all; result[i] is 0 or an errno.
 * Each is asked exactly once, whatever the others answer.
 * Thread any; calls wait for each other */
void vrv__uring_fdatasync(struct vrv_uring *u, const int *fd, int *result, size_t n);

/* For tests: behave as on a kernel without io_uring, for rings that aren't open yet. */
void vrv__uring_forbid(bool forbid);
/* True once a ring is open. */
bool vrv__uring_is_open(struct vrv_uring *u);

#endif
