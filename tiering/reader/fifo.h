/*
 * Who goes first when there is no room (S3-FIFO): what is new waits in a small queue, and leaves by it
 * unless it is wanted again meanwhile; what was wanted again is in the main queue, which goes round as long
 * as it is.  So one pass over everything takes a tenth of the room, and drives out nothing that is in use.
 * What left the small queue a short while ago is remembered: when it comes again, it goes to the main one.
 *
 * Pure: no clock, no locks, no memory of its own.
 */
#ifndef VRV_READER_FIFO_H
#define VRV_READER_FIFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/list.h"

enum { VRV_FIFO_GHOSTS = 1024 };

struct vrv_fifo_node {
    struct vrv_list link;
    uint64_t name;      /* a hash of what it is */
    size_t weight;
    uint8_t uses;       /* since it was last looked at */
    bool in_main;
};

struct vrv_fifo {
    struct vrv_list small, main; /* oldest first */
    size_t small_bytes, main_bytes;
    uint32_t n;                  /* nodes */
    uint64_t ghost[VRV_FIFO_GHOSTS]; /* names of those that left, as many as there are nodes: a ring */
    uint64_t ghosts;
};

void vrv_fifo_init(struct vrv_fifo *f);
/* to_main: it is known to be wanted again. */
void vrv_fifo_add(struct vrv_fifo *f, struct vrv_fifo_node *n, uint64_t name, size_t weight,
    bool to_main);
void vrv_fifo_use(struct vrv_fifo_node *n);
/* Harmless on one that isn't in it. */
void vrv_fifo_del(struct vrv_fifo *f, struct vrv_fifo_node *n);
/* The one that is to go; it is taken out.  NULL: all that is left must stay. */
struct vrv_fifo_node *vrv_fifo_take(struct vrv_fifo *f,
    bool (*must_stay)(const struct vrv_fifo_node *n, void *ctx), void *ctx);

#endif
