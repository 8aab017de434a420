/*
 * One request, from its frame to its answer.
 *
 *   vrv_client_take ─► vrv_request_run ─► its handler ─► vrv_request_reply ─► sent: vrv_request_free
 *                                           │    ▲
 *                                           ▼    │ completions: on the same reactor
 *                                       engine, pool, other requests
 *
 * A handler may answer at once or later; it runs on the reactor that owns the connection, and so do
 * its completions.  Memory it needs it takes from the arena, which lives until the answer was
 * sent.
 */
#ifndef VRV_API_REQUEST_H
#define VRV_API_REQUEST_H

#include "server/api/client.h"
#include "server/base/call.h"
#include "server/base/kerrors.h"
#include "server/wire/header.h"

struct vrv_request {
    struct vrv_call call;             /* first */
    struct vrv_client *client;
    struct vrv_broker *broker;
    struct vrv_request_header header;
    struct vrv_arena arena;
    struct vrv_slab *slab;            /* holds the bytes, or NULL: the arena does */
    const uint8_t *body;
    size_t body_n;
    struct vrv_list link;             /* of client->requests */
    struct vrv_request *next;         /* of the reactor's spares */
    void (*cancel)(struct vrv_request *r); /* set while it waits: nobody else does, be quick */
    void *state;                      /* the handler's */
    int64_t waits_ns;                 /* when it began to wait for others, */
    int64_t waited_ns;                /* and how long it did so before */
    struct vrv_job job;               /* vrv_request_block */
    void (*work)(struct vrv_request *r), (*then)(struct vrv_request *r);
    unsigned shares;                  /* jobs for it that aren't back, where there are several */
};

/* Read it and hand it to its handler. */
void vrv_request_run(struct vrv_request *r);
/* The answer was sent or dropped. */
void vrv_request_free(struct vrv_request *r);

/* ---- for handlers ---- */

typedef void vrv_handler(struct vrv_request *r, const void *message);

/* Zeroed memory, which is always there.  Where an answer can be many times as large as its request,
 * because that names a thing again and again, the handler looks at vrv_request_is_over and stops:
 * the answer isn't sent then, and the connection ends. */
void *vrv_request_room(struct vrv_request *r, size_t n);
static inline bool
vrv_request_is_over(const struct vrv_request *r)
{
    return r->arena.over;
}
#define VRV_ROOM(r, type, n) ((type *)vrv_request_room((r), (size_t)(n) * sizeof(type)))
/* A string that is kept until the answer is written. */
struct vrv_str vrv_request_str(struct vrv_request *r, const char *text);

/* Answer with a message of its API.  r is gone then. */
void vrv_request_reply(struct vrv_request *r, const void *message);
/* The same in two steps, for who has to clean up in between: what the message refers to is needed
 * up to the first one, and r up to the second. */
void vrv_request_write(struct vrv_request *r, const void *message);
void vrv_request_done(struct vrv_request *r);
/* In the place of _write: the answer would be too large, and the connection ends. */
void vrv_request_give_up(struct vrv_request *r);
/* No answer. */
void vrv_request_silence(struct vrv_request *r);
/* No answer, and the connection ends: the client is to find out that something went wrong, and why
 * (which request, and what of it) is in our log. */
void vrv_request_hang_up(struct vrv_request *r, const char *why);
/* From here on it waits for others (new records, members of a group), until: from here on it
 * doesn't; both in turn.  It takes no memory meanwhile. */
void vrv_request_waits(struct vrv_request *r);
void vrv_request_goes_on(struct vrv_request *r);
/* Is there room for its memory beside that of all others that wait?  Small ones always have some. */
bool vrv_request_may_wait(const struct vrv_request *r);
/* Until it is answered: cancel(r) when its connection ends or we stop, at once if that was before. */
void vrv_request_may_cancel(struct vrv_request *r, void (*cancel)(struct vrv_request *r));
/* Run work(r) where it may wait for a disk, and then(r) back here. */
void vrv_request_block(struct vrv_request *r, void (*work)(struct vrv_request *r),
    void (*then)(struct vrv_request *r));
/* The same for what asks for far more than it is: where it is large, one at a time, and only when
 * answers to others have left. */
void vrv_request_block_large(struct vrv_request *r, void (*work)(struct vrv_request *r),
    void (*then)(struct vrv_request *r));

/* The same for what may wait for the cold tier; false: more than max do already. */
bool vrv_request_block_cold(struct vrv_request *r, uint64_t max, void (*work)(struct vrv_request *r),
    void (*then)(struct vrv_request *r));

/* The same on n threads at most, all of which run work(r): what is to be done they share out among
 * themselves.  then(r) when all are back; no room may be asked for meanwhile. */
bool vrv_request_share_cold(struct vrv_request *r, unsigned n, uint64_t max,
    void (*work)(struct vrv_request *r), void (*then)(struct vrv_request *r));

static inline int16_t
vrv_request_version(const struct vrv_request *r)
{
    return r->header.version;
}

/* Kafka's number for an error of the engine, as most requests report it. */
enum vrv_kerror vrv_kerror_of(int code);

/*
 * What Kafka says that anyone may do to a thing while there are no rules of access: a bit for each of
 * its operations (AclOperation), asked for by "include authorized operations".
 */
enum {
    VRV_MAY_READ = 1 << 3,
    VRV_MAY_WRITE = 1 << 4,
    VRV_MAY_CREATE = 1 << 5,
    VRV_MAY_DELETE = 1 << 6,
    VRV_MAY_ALTER = 1 << 7,
    VRV_MAY_DESCRIBE = 1 << 8,
    VRV_MAY_CLUSTER_ACTION = 1 << 9,
    VRV_MAY_CONFIGS = 1 << 10 | 1 << 11, /* describe and alter */
    VRV_MAY_IDEMPOTENT_WRITE = 1 << 12,

    VRV_MAY_TOPIC = VRV_MAY_READ | VRV_MAY_WRITE | VRV_MAY_CREATE | VRV_MAY_DELETE |
        VRV_MAY_ALTER | VRV_MAY_DESCRIBE | VRV_MAY_CONFIGS,
    VRV_MAY_GROUP = VRV_MAY_READ | VRV_MAY_DELETE | VRV_MAY_DESCRIBE | VRV_MAY_CONFIGS,
    VRV_MAY_CLUSTER = VRV_MAY_CREATE | VRV_MAY_ALTER | VRV_MAY_DESCRIBE | VRV_MAY_CLUSTER_ACTION |
        VRV_MAY_CONFIGS | VRV_MAY_IDEMPOTENT_WRITE,
};

#endif
