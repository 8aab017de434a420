#include "tiering/check/probe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "tiering/check/check_int.h"

/* Its round, in this order. */
enum { NOTHING, PUT, GET, LIST, DELETE };

enum { MS = 1000000, LAST_MS = 5000, RANGE_AT = 16, LISTS = VRV_STORE_DELETE_MAX - 1, OLD_MS = 86400000 };

/* ---- names ---- */

static void
name_object(struct vrv_probe *p)
{
    (void)snprintf(p->key, sizeof(p->key), VRV__CHECK_NAME "start", p->o.clock->wall_ms(p->o.clock),
        vrv_rand_next(&p->random));
}

/* What a check of a day ago has left: it was made by us, and its time is over. */
static bool
is_left_over(const char *key, int64_t now_ms)
{
    char again[VRV_STORE_KEY_MAX + 1];
    uint64_t random;
    int64_t ms;

    if (sscanf(key, "check/%13" SCNd64 "-%16" SCNx64 "/", &ms, &random) != 2)
        return false;
    int n = snprintf(again, sizeof(again), VRV__CHECK_NAME, ms, random);
    return strncmp(key, again, (size_t)n) == 0 && ms < now_ms - OLD_MS;
}

/* ---- a round ---- */

static void ended(struct vrv_done *d);
static void list_ended(struct vrv_done *d);

static void
submit(struct vrv_probe *p, struct vrv_store_call *c, void (*run)(struct vrv_done *d))
{
    int64_t ms = p->ends && p->o.call_ms > LAST_MS ? LAST_MS : p->o.call_ms;

    c->done = (struct vrv_done){ .cq = p->o.cq, .run = run };
    c->lane = VRV_STORE_HOUSEKEEPING;
    c->deadline_ns = p->o.clock->mono_ns(p->o.clock) + ms * MS;
    vrv_retry_once(p->o.retry, c);
}

static void
begin_put(struct vrv_probe *p)
{
    p->maybe = true;
    p->iov = (struct iovec){ p->bytes, sizeof(p->bytes) };
    p->call = (struct vrv_store_call){ .op = VRV_STORE_PUT, .key = p->key, .iov = &p->iov, .iov_n = 1,
        .size = sizeof(p->bytes), .crc = vrv_crc32c(0, p->bytes, sizeof(p->bytes)) };
    submit(p, &p->call, ended);
}

static void
begin_get(struct vrv_probe *p)
{
    p->call = (struct vrv_store_call){ .op = VRV_STORE_GET, .key = p->key, .pos = RANGE_AT, .buf = p->got,
        .size = sizeof(p->got) - RANGE_AT };
    submit(p, &p->call, ended);
}

static void
begin_list(struct vrv_probe *p)
{
    p->list = (struct vrv_store_call){ .op = VRV_STORE_LIST, .key = "check/", .max = LISTS };
    submit(p, &p->list, list_ended);
}

static void
begin_delete(struct vrv_probe *p)
{
    int64_t now_ms = p->o.clock->wall_ms(p->o.clock);
    unsigned n = 1;

    free(p->gone);
    p->gone = vrv_mem_zero((p->list.got + 1) * sizeof(*p->gone));
    p->gone[0] = p->key;
    for (size_t i = 0; i < p->list.got; i++)
        if (is_left_over(p->list.names[i].key, now_ms))
            p->gone[n++] = p->list.names[i].key;
    p->call = (struct vrv_store_call){ .op = VRV_STORE_DELETE, .keys = p->gone, .max = n };
    submit(p, &p->call, ended);
}

static bool
is_wanted(const struct vrv_probe *p, unsigned at)
{
    if ((p->left & 1U << at) == 0)
        return false;
    if (!p->writes)
        return at == LIST && !p->ends;
    if (at == DELETE)
        return p->maybe;
    return !p->ends && (at == PUT || (p->left & 1U << PUT) == 0);
}

static void
go_on(struct vrv_probe *p)
{
    static void (*const begin[])(struct vrv_probe *p) = { [PUT] = begin_put, [GET] = begin_get,
        [LIST] = begin_list, [DELETE] = begin_delete };

    while (p->at <= DELETE && !is_wanted(p, p->at))
        p->at++;
    if (p->at <= DELETE) {
        begin[p->at](p);
        return;
    }
    bool is_done = p->left == 0 || (!p->writes && (p->left & 1U << LIST) == 0);

    p->at = NOTHING;
    p->due_ns = is_done ? INT64_MAX : p->o.clock->mono_ns(p->o.clock) + p->o.again_ms * MS;
    if (p->o.tried != NULL && (p->writes || !is_done))
        p->o.tried(p->o.ctx);
}

/* As it was written? */
static int
compare(struct vrv_probe *p)
{
    if (p->call.got == sizeof(p->bytes) - RANGE_AT && memcmp(p->got, p->bytes + RANGE_AT, p->call.got) == 0)
        return 0;
    (void)vrv_err_set(&p->call.err, VRV_E_CORRUPT,
        "%s doesn't come back as it was written: see what `varve store check` says of this store", p->key);
    vrv_retry_blame(p->o.retry, VRV_STORE_GET, &p->call.err);
    return VRV_E_CORRUPT;
}

static void
done(struct vrv_probe *p, int status)
{
    if (p->at == GET && status == 0)
        status = compare(p);
    if (p->at == PUT && status == VRV_E_EXISTS) /* of an attempt before */
        status = 0;
    if (p->at == PUT)
        p->maybe = status == 0 || status == VRV_E_UNKNOWN || status == VRV_E_CANCELLED;
    if (p->at == DELETE && status == 0)
        p->maybe = false;
    if (status == 0)
        p->left &= ~(1U << p->at);
    p->at++;
    go_on(p);
}

static void
ended(struct vrv_done *d)
{
    struct vrv_probe *p = VRV_LIST_OF(d, struct vrv_probe, call.done);

    done(p, p->call.status);
}

static void
list_ended(struct vrv_done *d)
{
    struct vrv_probe *p = VRV_LIST_OF(d, struct vrv_probe, list.done);

    done(p, p->list.status);
}

/* ---- life ---- */

void
vrv_probe_init(struct vrv_probe *p, const struct vrv_probe_opts *o)
{
    *p = (struct vrv_probe){ .o = *o, .random = { o->random },
        .left = 1U << PUT | 1U << GET | 1U << LIST | 1U << DELETE };
    name_object(p);
    for (size_t i = 0; i < sizeof(p->bytes); i++)
        p->bytes[i] = (uint8_t)vrv_rand_below(&p->random, 256);
}

void
vrv_probe_fini(struct vrv_probe *p)
{
    VRV_ASSERT(!vrv_probe_is_busy(p));
    vrv_store_names_free(&p->list);
    free(p->gone);
    p->gone = NULL;
}

/* What was written in the last round is gone, or may be. */
static void
begin_round(struct vrv_probe *p)
{
    if ((p->left & 1U << GET) != 0)
        p->left |= 1U << PUT;
    if ((p->left & 1U << PUT) != 0)
        p->left |= 1U << DELETE;
    p->at = PUT;
    go_on(p);
}

int64_t
vrv_probe_step(struct vrv_probe *p, bool writes)
{
    if (vrv_probe_is_busy(p) || p->left == 0 || p->ends)
        return INT64_MAX;
    if (writes != p->writes)
        p->due_ns = 0;
    p->writes = writes;
    if (p->o.clock->mono_ns(p->o.clock) < p->due_ns)
        return p->due_ns;
    begin_round(p);
    return vrv_probe_is_busy(p) ? INT64_MAX : p->due_ns;
}

void
vrv_probe_end(struct vrv_probe *p)
{
    p->ends = true;
    if (vrv_probe_is_busy(p))
        vrv_retry_cancel(p->o.retry, p->at == LIST ? &p->list : &p->call);
}

bool
vrv_probe_is_busy(const struct vrv_probe *p)
{
    return p->at != NOTHING;
}
