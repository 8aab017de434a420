#include "tiering/daemon/pace.h"

static const int64_t SEC = 1000000000;
static const int64_t MS = 1000000;
static const int64_t STALE_NS = 30000000000; /* what is usual changes */

enum {
    LEAST = 2 << 20,      /* bytes a second: slower would never end */
    START = 64 << 20,
    ENOUGH = 30,          /* commits that tell something */
    LESSONS = 5,          /* ... or so many without them */
};
static const uint64_t MOST = UINT64_C(4) << 30;

static int64_t
now_ns(const struct vrv_pace *p)
{
    return p->clock->mono_ns(p->clock);
}

static uint64_t
rate_of(const struct vrv_pace *p)
{
    uint64_t rate = p->hurry ? MOST : p->rate;

    return rate < p->cap ? rate : p->cap;
}

static int64_t
most_room(const struct vrv_pace *p)
{
    return (int64_t)(rate_of(p) / 4) + 1; /* of a quarter of a second */
}

void
vrv_pace_init(struct vrv_pace *p, struct vrv_clock *clock, uint64_t cap)
{
    *p = (struct vrv_pace){ .clock = clock, .cap = cap, .rate = START };
    p->filled_ns = p->usual_at_ns = now_ns(p);
    p->room = most_room(p);
    vrv_list_init(&p->waiting);
}

/* ---- turns ---- */

/* What the rate has made free since. */
static void
fill(struct vrv_pace *p)
{
    int64_t now = now_ns(p), rate = (int64_t)rate_of(p);
    int64_t ns = now - p->filled_ns < SEC ? now - p->filled_ns : SEC;

    p->room += (int64_t)((double)rate * (double)ns / (double)SEC);
    if (p->room > most_room(p))
        p->room = most_room(p);
    p->filled_ns = now;
}

/* Time in which something waits; several that do are no more than one. */
static void
count_wait(struct vrv_pace *p)
{
    int64_t now = now_ns(p);

    if (p->waits_ns != 0)
        p->waited_ns += (uint64_t)(now - p->waits_ns);
    p->waits_ns = vrv_list_empty(&p->waiting) ? 0 : now;
}

void
vrv_pace_ask(struct vrv_pace *p, struct vrv_pace_wait *w)
{
    w->since_ns = now_ns(p);
    vrv_list_push(&p->waiting, &w->link);
    count_wait(p);
}

void
vrv_pace_cancel(struct vrv_pace_wait *w)
{
    if (vrv_list_empty(&w->link))
        return;
    vrv_list_del(&w->link);
    vrv_cq_post(w->done->cq, w->done, w->done);
}

int64_t
vrv_pace_step(struct vrv_pace *p)
{
    count_wait(p);
    if (vrv_list_empty(&p->waiting) || (p->calm && !p->hurry))
        return INT64_MAX; /* a lesson ends that */
    fill(p);
    while (p->room > 0 && !vrv_list_empty(&p->waiting)) {
        struct vrv_pace_wait *w = VRV_LIST_OF(p->waiting.next, struct vrv_pace_wait, link);

        p->room -= (int64_t)w->bytes;
        p->left += w->bytes;
        if (p->filled_ns - w->since_ns >= MS) /* less is the way here */
            vrv_recent_add(&p->waits, p->filled_ns, (uint64_t)(p->filled_ns - w->since_ns));
        vrv_pace_cancel(w);
    }
    count_wait(p);
    if (vrv_list_empty(&p->waiting))
        return INT64_MAX;
    return p->filled_ns + (int64_t)((double)(1 - p->room) * (double)SEC / (double)rate_of(p)) + 1;
}

/* ---- lessons ---- */

/* What came since is added to what is to be judged next. */
static void
add_new(struct vrv_hist_view *to, const struct vrv_hist_view *now, const struct vrv_hist_view *seen)
{
    for (unsigned i = 0; i < VRV_HIST_BUCKETS; i++)
        to->n[i] += now->n[i] - seen->n[i];
}

/* Somebody has come: what was right without him isn't known to be. */
static void
begin_anew(struct vrv_pace *p)
{
    if (p->blind && p->rate > START)
        p->rate = START;
    p->blind = false;
}

static void
learn_usual(struct vrv_pace *p)
{
    uint64_t p99 = vrv_hist_quantile(&p->quiet, 0.99);

    if (vrv_hist_count(&p->quiet) >= ENOUGH) {
        begin_anew(p);
        p->usual_ns = p->usual_ns == 0 ? p99 : (3 * p->usual_ns + p99) / 4;
        p->usual_at_ns = now_ns(p);
        p->calm = false;
    } else if (++p->quiet_n < LESSONS) {
        return;
    } else {
        p->calm = false; /* nobody is there who could be hurt */
    }
    p->quiet = (struct vrv_hist_view){ .sum_ns = 0 };
    p->quiet_n = 0;
}

static void
adapt(struct vrv_pace *p)
{
    uint64_t commits = vrv_hist_count(&p->busy);
    bool enough = commits >= ENOUGH;

    if (!enough && commits > 0 && ++p->busy_n < LESSONS)
        return;
    if (enough)
        begin_anew(p);
    if (!enough) {
        p->blind = true;
        p->rate = 2 * p->rate;
    } else if (p->usual_ns != 0) {
        if (vrv_hist_quantile(&p->busy, 0.99) * 10 > p->usual_ns * 13) {
            p->rate = p->most < p->rate ? p->most : p->rate; /* what it was allowed meant nothing */
            p->rate -= p->rate / 4;
        } else {
            p->rate += p->rate / 8;
        }
    }
    p->rate = p->rate < LEAST ? LEAST : p->rate > MOST ? MOST : p->rate;
    p->calm = enough && (p->usual_ns == 0 || now_ns(p) - p->usual_at_ns > STALE_NS);
    p->busy = (struct vrv_hist_view){ .sum_ns = 0 };
    p->busy_n = 0;
}

void
vrv_pace_learn(struct vrv_pace *p, const struct vrv_hist_view *commits)
{
    uint64_t left = p->left;

    p->left = 0;
    add_new(left > 0 ? &p->busy : &p->quiet, commits, &p->seen);
    p->seen = *commits;
    p->most = left > p->most ? left : p->most - p->most / 8;
    if (left > 0)
        adapt(p);
    else
        learn_usual(p);
}
