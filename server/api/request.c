#include "server/api/request.h"

#include <string.h>
#include <time.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "server/api/handlers.h"
#include "server/stat/stat.h"

/* Each API has its handler, vrv_api_<name>, by its place in the list: what has none can't be linked. */
static vrv_handler *const handlers[] = {
#define VRV_API(key, api, name, first, last, flexible) vrv_api_##api,
#include "server/wire/apis.def"
};

#define VRV_API(key, api, name, first, last, flexible)                                             \
    _Static_assert(last < VRV_STAT_VERSIONS, "are counted: " #name);
#include "server/wire/apis.def"
_Static_assert((int)VRV_APIS <= (int)VRV_STAT_APIS, "so are all of them");

/* ---- waiting for others ---- */

enum { SMALL = 16 << 10 };

static int64_t
now_ns(const struct vrv_request *r)
{
    return r->broker->clock->mono_ns(r->broker->clock);
}

void
vrv_request_waits(struct vrv_request *r)
{
    r->waits_ns = now_ns(r);
    (void)atomic_fetch_add(&r->broker->waiting_bytes, r->arena.used);
}

void
vrv_request_goes_on(struct vrv_request *r)
{
    r->waited_ns += now_ns(r) - r->waits_ns;
    (void)atomic_fetch_sub(&r->broker->waiting_bytes, r->arena.used);
}

bool
vrv_request_may_wait(const struct vrv_request *r)
{
    const struct vrv_broker *b = r->broker;

    return r->arena.used <= SMALL ||
        atomic_load(&b->waiting_bytes) + r->arena.used <= b->waiting_max;
}

/* Reading the clock is most of what measuring costs, so it is read once. */
static void
note_answered(const struct vrv_request *r)
{
    const struct vrv_call *c = &r->call;

    if (r->broker->stat == NULL)
        return;
    vrv_stat_answered(r->broker->stat, &(struct vrv_stat_answered){
        .api = vrv_api_index(r->header.api), .version = r->header.version, .bytes_in = c->bytes,
        .bytes_out = vrv_out_bytes(&c->out), .queue_ns = c->taken_ns - c->arrived_ns,
        .wait_ns = r->waited_ns, .local_ns = now_ns(r) - c->taken_ns - r->waited_ns });
}

static void
note_code(void *ctx, int16_t code)
{
    const struct vrv_request *r = ctx;

    vrv_stat_error(r->broker->stat, vrv_api_index(r->header.api), code);
}

/* ---- the answer ---- */

void
vrv_request_done(struct vrv_request *r)
{
    struct vrv_client *c = r->client;

    VRV_ASSERT(c->in_service > 0);
    c->in_service--;
    c->exclusive = false;
    vrv_list_del(&r->link);
    r->cancel = NULL;
    note_answered(r);
    r->call.kept = r->arena.used;
    vrv_call_done(&r->call);
}

void
vrv_request_give_up(struct vrv_request *r)
{
    r->call.reason = "its answer would be out of all proportion";
    r->call.close = true;
}

/* The length stands in front, and is known at the end. */
void
vrv_request_write(struct vrv_request *r, const void *message)
{
    struct vrv_out *out = &r->call.out;
    const struct vrv_api *api = r->header.api;

    if (vrv_request_is_over(r)) {
        vrv_request_give_up(r);
        return;
    }
    (void)vrv_out_room(out, 4);
    vrv_response_header_write(&r->header, out);
    if (r->broker->stat != NULL)
        vrv_wire_codes(api->resp(), r->header.version, message, note_code, r);
    vrv_wire_write(api->resp(), vrv_wire_version(api, r->header.version), message, out);
    vrv_put_be32(out->own, (uint32_t)(vrv_out_bytes(out) - 4));
}

void
vrv_request_reply(struct vrv_request *r, const void *message)
{
    vrv_request_write(r, message);
    vrv_request_done(r);
}

void
vrv_request_silence(struct vrv_request *r)
{
    vrv_request_done(r);
}

void
vrv_request_hang_up(struct vrv_request *r, const char *why)
{
    r->call.reason = vrv_request_str(r, why).p;
    r->call.close = true;
    vrv_request_done(r);
}

/* ---- the handler ---- */

/* What a message's structs may take beyond its bytes. */
enum { STRUCTS_MAX = 64 << 20 };
/* What is large for a request whose answer is far larger; how often such a one waits, at most. */
enum { LARGE = 16 << 10, CROWDED_MAX = 500 };

static int64_t
read_message(struct vrv_request *r, void *message, struct vrv_err *e)
{
    const struct vrv_api *api = r->header.api;
    size_t max = r->arena.max;

    if (STRUCTS_MAX < max - r->arena.used)
        r->arena.max = r->arena.used + STRUCTS_MAX;
    int64_t n = vrv_wire_read(api->req(), vrv_wire_version(api, r->header.version), r->body,
        r->body_n, &r->arena, message, e);
    r->arena.max = max;
    return n;
}

void
vrv_request_run(struct vrv_request *r)
{
    struct vrv_err e = { 0 };

    if (r->header.api == NULL) {
        vrv_api_versions_unknown(r);
        return;
    }
    void *message = vrv_request_room(r, r->header.api->req()->size);
    if (read_message(r, message, &e) < 0) {
        vrv_request_hang_up(r, e.msg);
        return;
    }
    handlers[vrv_api_index(r->header.api)](r, message);
}

static void
job_work(struct vrv_job *job)
{
    struct vrv_request *r = VRV_LIST_OF(job, struct vrv_request, job);

    r->work(r);
}

/* Until answers that wait in memory have left, or their connections; but not for ever. */
static void
job_work_large(struct vrv_job *job)
{
    const struct vrv_request *r = VRV_LIST_OF(job, struct vrv_request, job);
    const struct timespec pause = { .tv_nsec = 20 * 1000000 };

    for (int i = 0; i < CROWDED_MAX && r->call.crowded != NULL && r->call.crowded(&r->call); i++)
        (void)nanosleep(&pause, NULL);
    job_work(job);
}

static void
job_done(struct vrv_done *d)
{
    struct vrv_request *r = VRV_LIST_OF(d, struct vrv_request, job.done);

    r->then(r);
}

static void
give(struct vrv_request *r, struct vrv_pool *pool, void (*work)(struct vrv_job *job))
{
    r->job = (struct vrv_job){ .done = { .cq = r->call.cq, .run = job_done }, .work = work };
    vrv_pool_give(pool, &r->job);
}

void
vrv_request_block(struct vrv_request *r, void (*work)(struct vrv_request *r),
    void (*then)(struct vrv_request *r))
{
    r->work = work;
    r->then = then;
    give(r, r->broker->pool, job_work);
}

void
vrv_request_block_large(struct vrv_request *r, void (*work)(struct vrv_request *r),
    void (*then)(struct vrv_request *r))
{
    r->work = work;
    r->then = then;
    if (r->body_n < LARGE)
        give(r, r->broker->pool, job_work);
    else
        give(r, r->broker->large, job_work_large);
}

static bool
may_wait_for_cold(const struct vrv_request *r, uint64_t max)
{
    struct vrv_pool_stats st;

    if (r->broker->cold == NULL)
        return false;
    vrv_pool_stats(r->broker->cold, &st);
    return st.waiting < max;
}

bool
vrv_request_block_cold(struct vrv_request *r, uint64_t max, void (*work)(struct vrv_request *r),
    void (*then)(struct vrv_request *r))
{
    if (!may_wait_for_cold(r, max))
        return false;
    r->work = work;
    r->then = then;
    give(r, r->broker->cold, job_work);
    return true;
}

struct share {
    struct vrv_job job;
    struct vrv_request *r;
};

static void
share_work(struct vrv_job *job)
{
    struct vrv_request *r = VRV_LIST_OF(job, struct share, job)->r;

    r->work(r);
}

static void
share_done(struct vrv_done *d)
{
    struct vrv_request *r = VRV_LIST_OF(d, struct share, job.done)->r;

    if (--r->shares == 0)
        r->then(r);
}

bool
vrv_request_share_cold(struct vrv_request *r, unsigned n, uint64_t max,
    void (*work)(struct vrv_request *r), void (*then)(struct vrv_request *r))
{
    if (!may_wait_for_cold(r, max))
        return false;
    struct share *v = VRV_ROOM(r, struct share, n);
    r->work = work;
    r->then = then;
    r->shares = n;
    for (unsigned i = 0; i < n; i++) {
        v[i] = (struct share){ .job = { .done = { .cq = r->call.cq, .run = share_done }, .work = share_work },
            .r = r };
        vrv_pool_give(r->broker->cold, &v[i].job);
    }
    return true;
}

void
vrv_request_may_cancel(struct vrv_request *r, void (*cancel)(struct vrv_request *r))
{
    r->cancel = cancel;
    if (r->client->gone)
        cancel(r);
}

/* ---- memory ---- */

void *
vrv_request_room(struct vrv_request *r, size_t n)
{
    void *p = vrv_arena_take(&r->arena, n);

    if (p == NULL)
        p = vrv_arena_take_over(&r->arena, n);
    VRV_ASSERT(p != NULL);
    return p;
}

struct vrv_str
vrv_request_str(struct vrv_request *r, const char *text)
{
    size_t n = strlen(text);
    char *p = vrv_request_room(r, n + 1);

    memcpy(p, text, n);
    return (struct vrv_str){ p, (int32_t)n };
}

/* ---- errors ---- */

enum vrv_kerror
vrv_kerror_of(int code)
{
    switch (code) {
    case 0:
        return VRV_K_NONE;
    case VRV_E_IO:
    case VRV_E_FOREIGN: /* a file is missing */
    case VRV_E_NOSPACE:
    case VRV_E_STOPPED:
    case VRV_E_READONLY:
    case VRV_E_DENIED: /* as these the store of the cold tier says */
    case VRV_E_BUSY:
    case VRV_E_UNREACHABLE:
        return VRV_K_KAFKA_STORAGE_ERROR;
    case VRV_E_CORRUPT:
    case VRV_E_BATCH_DAMAGED:
        return VRV_K_CORRUPT_MESSAGE;
    case VRV_E_RANGE:
        return VRV_K_OFFSET_OUT_OF_RANGE;
    case VRV_E_INVALID:
        return VRV_K_INVALID_REQUEST;
    case VRV_E_NOTFOUND:
        return VRV_K_UNKNOWN_TOPIC_OR_PARTITION;
    case VRV_E_EXISTS:
        return VRV_K_TOPIC_ALREADY_EXISTS;
    case VRV_E_FENCED:
        return VRV_K_NOT_LEADER_OR_FOLLOWER;
    case VRV_E_EPOCH_OLD:
        return VRV_K_FENCED_LEADER_EPOCH;
    case VRV_E_EPOCH_NEW:
        return VRV_K_UNKNOWN_LEADER_EPOCH;
    case VRV_E_SEQUENCE:
        return VRV_K_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case VRV_E_PRODUCER:
        return VRV_K_INVALID_PRODUCER_EPOCH;
    case VRV_E_BATCH:
        return VRV_K_INVALID_RECORD;
    case VRV_E_TOO_LARGE:
        return VRV_K_MESSAGE_TOO_LARGE;
    case VRV_E_SEGMENT:
        return VRV_K_RECORD_LIST_TOO_LARGE;
    case VRV_E_TIMESTAMP:
        return VRV_K_INVALID_TIMESTAMP;
    case VRV_E_CODEC:
        return VRV_K_UNSUPPORTED_COMPRESSION_TYPE;
    case VRV_E_AGAIN:
    case VRV_E_NOMEM:
    case VRV_E_TIMEDOUT:
    case VRV_E_CANCELLED:
    case VRV_E_UNKNOWN:
    case VRV_E_CONFLICT:
        return VRV_K_REQUEST_TIMED_OUT;
    default:
        return VRV_K_UNKNOWN_SERVER_ERROR;
    }
}
