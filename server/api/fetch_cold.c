/*
 * What a fetch asks of the cold tier.
 *
 *   a part is cold ─► asked for one batch ─► posted: it is in memory, with those around it ─► read like all
 *                                        └► an error, or time is up
 *
 * All of a request's are asked for at the same time, and none is waited for longer than
 * remote.fetch.max.wait.ms.  When the request ends before, what was asked for goes on its way into the
 * tier's memory, and the client's next fetch finds it there.
 */
#include "server/api/fetch_int.h"
#include "server/api/tell_cold.h"
#include "server/stat/stat.h"

/* Of one request, under way at the same time. */
enum { ASKED_MAX = 64 };

/* It had not come when time was up, or nobody waited for it: there are no records of it this time. */
static bool
is_late(int status)
{
    return status == VRV_E_TIMEDOUT || status == VRV_E_CANCELLED;
}

static void
posted(struct vrv_done *d)
{
    struct vrv_fetch *cf = VRV_LIST_OF(d, struct vrv_fetch, done);
    struct vrv__fetch_cold *c = VRV_LIST_OF(cf, struct vrv__fetch_cold, fetch);
    struct vrv__fetch_part *p = c->part;
    struct vrv_request *r = p->r;
    struct vrv__fetch *f = r->state;

    f->asked--;
    c->state = cf->status == 0 ? VRV__COLD_CAME : VRV__COLD_IDLE;
    if (cf->status == VRV_E_TIMEDOUT)
        vrv_stat_count(r->broker->stat, VRV_C_cold_expired, 1);
    if (cf->status == VRV_E_CANCELLED)
        p->failed = true; /* the server stops: asking again would be in vain */
    if (cf->status < 0 && !is_late(cf->status)) {
        p->failed = true;
        p->error = vrv_kerror_of_cold(cf->status);
        vrv_tell_cold(r->broker, p->log, "offset", p->want->offset, &cf->err);
    }
    vrv__fetch_goes_on(r);
}

static void
ask(struct vrv_request *r, struct vrv__fetch_part *p)
{
    struct vrv__fetch *f = r->state;
    struct vrv__fetch_cold *c = p->asked;

    if (c == NULL)
        c = p->asked = VRV_ROOM(r, struct vrv__fetch_cold, 1);
    c->part = p;
    c->state = VRV__COLD_ASKED;
    c->read = (struct vrv_read){ .offset = p->want->offset, .max_bytes = 1, .whole_first = true,
        .aborted = f->committed };
    c->fetch = (struct vrv_fetch){ .done = { .cq = r->call.cq, .run = posted }, .read = &c->read,
        .want = VRV_COLD_ANY };
    f->asked++;
    vrv_fetch(p->log, &c->fetch, f->cold_ns);
}

void
vrv__fetch_ask_cold(struct vrv_request *r)
{
    int64_t now_ns = r->broker->clock->mono_ns(r->broker->clock);
    struct vrv__fetch *f = r->state;

    for (size_t i = 0; i < f->n && f->asked < ASKED_MAX; i++) {
        struct vrv__fetch_part *p = &f->part[i];

        if (!p->cold || p->failed || (p->asked != NULL && p->asked->state != VRV__COLD_IDLE))
            continue;
        if (f->cold_ns == 0)
            f->cold_ns = now_ns + (int64_t)atomic_load(&r->broker->cold_wait_ms) * 1000000;
        else if (now_ns >= f->cold_ns)
            break;
        ask(r, p);
    }
}

void
vrv__fetch_take_cold(struct vrv_request *r)
{
    struct vrv__fetch *f = r->state;

    for (size_t i = 0; i < f->n; i++) {
        struct vrv__fetch_cold *c = f->part[i].asked;

        if (c == NULL || c->state != VRV__COLD_CAME)
            continue;
        c->state = VRV__COLD_IDLE;
        vrv__fetch_read_part(r, c->part, VRV_READ_NOWAIT);
        vrv_read_fini(&c->read);
    }
}

void
vrv__fetch_leave_cold(struct vrv__fetch *f)
{
    for (size_t i = 0; i < f->n; i++) {
        struct vrv__fetch_part *p = &f->part[i];

        if (p->asked != NULL && p->asked->state == VRV__COLD_ASKED)
            vrv_fetch_cancel(p->log, &p->asked->fetch);
        else if (p->asked != NULL)
            vrv_read_fini(&p->asked->read);
    }
}
