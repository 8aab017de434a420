/* The content of one simulated file: pages that images share until one of them writes, and
 * that aren't there while they are zero. */
#ifndef VRV_T_SIMIMAGE_H
#define VRV_T_SIMIMAGE_H

#include <stddef.h>
#include <stdint.h>

enum { SIM_PAGE = 4096 };

struct sim_page;

/* All zero is an empty image. */
struct sim_image {
    uint64_t size;
    struct sim_page **page; /* NULL: zeros */
    size_t pages;           /* slots; what is beyond is zero */
};

void sim_image_fini(struct sim_image *img);
/* Zeros beyond the size. */
void sim_image_read(const struct sim_image *img, void *buf, size_t n, uint64_t pos);
/* Grows the image when needed; p = NULL writes zeros. */
void sim_image_write(struct sim_image *img, const void *p, size_t n, uint64_t pos);
void sim_image_resize(struct sim_image *img, uint64_t size);
/* Make `to` the same as `from`, whose pages it shares. */
void sim_image_assign(struct sim_image *to, const struct sim_image *from);
uint64_t sim_image_hash(const struct sim_image *img, uint64_t hash);
uint64_t sim_hash_bytes(uint64_t hash, const void *p, size_t n);

#endif
