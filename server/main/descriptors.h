/*
 * Who gets how many of the file descriptors that this process may have (ulimit -n).
 *
 * The engine keeps data files open up to a number of its own, and must never find that connections
 * have taken the rest: it stops when it can't open a file (L4), and clients could bring that about.
 *
 * Threads: any.
 */
#ifndef VRV_MAIN_DESCRIPTORS_H
#define VRV_MAIN_DESCRIPTORS_H

#include <stdint.h>

struct vrv_config;

struct vrv_descriptors {
    int64_t limit;
    int64_t files;       /* the engine's */
    int64_t connections; /* that there is room for: at least one */
    int64_t wanted;      /* a limit with room for max.connections */
};

/* Raise the limit as far as this process may. */
void vrv_descriptors_raise(void);
/* How many data files the engine is to keep open, unless it is told: connections are many, too. */
unsigned vrv_descriptors_files(void);
/* files: how many data files the engine keeps open at most. */
void vrv_descriptors_share(struct vrv_descriptors *d, int64_t files, const struct vrv_config *c);

#endif
