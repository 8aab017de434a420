/* A bar on standard error, when that is a terminal and the work takes longer than a moment. */
#ifndef VRV_TOOL_PROGRESS_H
#define VRV_TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    uint64_t done, total; /* bytes, or what `unit` says */
    const char *unit;     /* NULL: bytes */
    int64_t total_ns;     /* or it ends after so long, and there is no total */
    int64_t began_ns, shown_ns;
    bool on, shown;
};

void progress_begin(struct progress *p, uint64_t total);
/* The same for things that are counted: "records". */
void progress_begin_count(struct progress *p, uint64_t total, const char *unit);
/* For work that ends after a time; what is added are bytes. */
void progress_begin_time(struct progress *p, int64_t ns);
/* Also nothing, so that time goes on. */
void progress_add(struct progress *p, uint64_t n);
/* Take the bar away, so that something else can be printed. */
void progress_clear(struct progress *p);

#endif
