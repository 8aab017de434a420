/* Fetch: fetch.c is the request, fetch_read.c how records are found and waited for, fetch_cold.c what
 * of them is asked of the cold tier. */
#ifndef VRV_API_FETCH_INT_H
#define VRV_API_FETCH_INT_H

#include "engine/reader/fetch.h"
#include "server/api/find.h"

/* What was asked of the cold tier for a partition. */
struct vrv__fetch_cold {
    struct vrv_fetch fetch;
    struct vrv_read read;         /* one batch: it holds those around it in memory until they are read */
    struct vrv__fetch_part *part;
    enum { VRV__COLD_ASKED, VRV__COLD_CAME, VRV__COLD_IDLE } state;
};

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
    bool cold;                    /* more is there, but not without the cold tier: */
    struct vrv__fetch_cold *asked; /* what it was asked for, in the arena; or NULL */
    bool elsewhere;               /* of the cold tier, since what this disk has of it is damaged */
    bool held;                    /* more is there in the cold tier, but its client's quota is used up */
    bool failed;                  /* the cold tier did; the error is told when there is time for it */
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
    bool committed;               /* which transactions were aborted is told, too */
    int64_t deadline_ns;
    int64_t cold_ns;              /* what is asked of the cold tier is waited for until then; 0: nothing is */
    size_t asked;                 /* ... and was not yet posted back */
    int64_t held_ns;              /* what is held by a quota may be read then; 0: nothing is held */
    int64_t waits_ns;             /* since when it waits */
    size_t waiting;               /* waiters not yet posted back */
    enum { VRV__FETCH_READS, VRV__FETCH_WAITS, VRV__FETCH_ENDS } state;
    bool called_off;              /* all waiters were told to come back */
    bool grown;                   /* a log has more than was read of it */
    bool over;                    /* answer with what there is */
    void (*found)(struct vrv_request *r); /* on the reactor */
};

/* Read until there is enough or it is time, then call found(r).  r->state is the fetch. */
void vrv__fetch_read(struct vrv_request *r);
/* Something that was waited for was posted, or is over. */
void vrv__fetch_goes_on(struct vrv_request *r);
/* Read a part without waiting, into the room that is left. */
void vrv__fetch_read_part(struct vrv_request *r, struct vrv__fetch_part *p, unsigned flags);

/* Ask the cold tier for all that is cold and not asked for, as much as may be under way. */
void vrv__fetch_ask_cold(struct vrv_request *r);
/* Read what it has brought. */
void vrv__fetch_take_cold(struct vrv_request *r);
/* Nobody waits for it any more: it is all posted back soon. */
void vrv__fetch_leave_cold(struct vrv__fetch *f);

/* What its log has, where nothing was read. */
void vrv__fetch_set_offsets(struct vrv__fetch_part *p);
/* Give back what was found and not handed over. */
void vrv__fetch_release(struct vrv__fetch *f);

#endif
