/* The parts of an upload that are there: how large each is, and what else the store must know of it.
 * Threads: one at a time. */
#ifndef VRV_STORE_PIECES_H
#define VRV_STORE_PIECES_H

#include <stdbool.h>
#include <stdint.h>

struct vrv_piece {
    uint32_t size;  /* 0: not there */
    uint64_t tag;   /* the store's */
};

struct vrv_pieces {
    struct vrv_piece *v;
    uint32_t n;     /* room; those behind the last are of size 0 */
};

void vrv_pieces_set(struct vrv_pieces *p, uint32_t i, struct vrv_piece piece);
/* Are they an object of so many bytes: all there, each but the last one full? */
bool vrv_pieces_are(const struct vrv_pieces *p, uint64_t size);
void vrv_pieces_clear(struct vrv_pieces *p);

#endif
