/* Fetch: fetch.c is the request, fetch_read.c how records are found and waited for. */
#ifndef VRV_API_FETCH_INT_H
#define VRV_API_FETCH_INT_H

#include "engine/reader/fetch.h"
#include "server/api/find.h"

/* A partition that is wanted, and what was found of it. */
struct vrv__fetch_part {
    struct vrv_fetch_want *want;
    struct vrv_request *r;
    struct vrv_log *log;          /* a reference, or NULL */
    enum vrv_kerror error;
    int64_t hw, start, stable;    /* as the log has them */
    struct vrv_slice *slice;      /* in the arena */
    uint32_t slice_n, slice_cap;
    size_t bytes;
    bool unknown;                 /* there is no such partition */
    bool slow;                    /* more is there, but not without waiting for a disk */
    bool more;                    /* more is there than this answer takes */
    bool waiting;
    bool diverges;                /* the fetcher's log isn't ours: */
    int32_t diverging_epoch;      /* this epoch ends */
    int64_t diverging_end;        /* here */
    struct vrv_waiter waiter;
};

struct vrv__fetch {
    struct vrv__fetch_part *part; /* in the order in which they are served */
    size_t n;
    size_t min_bytes, max_bytes, bytes;
    int64_t deadline_ns;
    size_t waiting;               /* waiters not yet posted back */
    bool over;                    /* answer with what there is */
    void (*found)(struct vrv_request *r); /* on the reactor */
};

/* Read until there is enough or it is time, then call found(r).  r->state is the fetch. */
void vrv__fetch_read(struct vrv_request *r);
/* What its log has, where nothing was read. */
void vrv__fetch_set_offsets(struct vrv__fetch_part *p);
/* Give back what was found and not handed over. */
void vrv__fetch_release(struct vrv__fetch *f);

#endif
