#include "tiering/reader/quota.h"

static const int64_t MS = 1000000, SECOND_NS = 1000000000;

int64_t
vrv_read_quota_at(struct vrv_read_quota *q, int64_t now_ns)
{
    int64_t past = now_ns - q->filled_ns;
    uint64_t rate = atomic_load(&q->rate);

    if (rate == 0) {
        q->room = 0;
        return 0;
    }
    if (past > SECOND_NS)
        past = SECOND_NS;
    int64_t more = (int64_t)((double)rate * (double)past / (double)SECOND_NS);
    if (more > 0) /* what isn't a byte yet adds up */
        q->filled_ns = now_ns;
    q->room += more;
    if (q->room > (int64_t)(rate < INT64_MAX ? rate : INT64_MAX))
        q->room = (int64_t)rate;
    return q->room > 0 ? 0 : now_ns + 1 + (int64_t)((double)-q->room / (double)rate * (double)SECOND_NS);
}

bool
vrv_read_quota_allows(const struct vrv_read_quota *q)
{
    return atomic_load(&q->rate) == 0 || q->room > 0;
}

void
vrv_read_quota_charge(struct vrv_read_quota *q, int64_t bytes)
{
    q->room -= bytes;
}

uint64_t
vrv_read_quota_held_ns(const struct vrv_read_quota *q, int64_t now_ns)
{
    return q->throttled_ns + (q->held_ns != 0 ? (uint64_t)(now_ns - q->held_ns) : 0);
}

void
vrv_read_quota_hold(struct vrv_read_quota *q, bool holds, int64_t now_ns)
{
    q->throttled_ns = vrv_read_quota_held_ns(q, now_ns);
    q->held_ns = holds ? now_ns : 0;
}

void
vrv_read_quota_note(struct vrv_read_quota *q, uint64_t since, int64_t now_ns)
{
    uint64_t held = vrv_read_quota_held_ns(q, now_ns) - since;

    if (held >= (uint64_t)MS)
        vrv_recent_add(&q->waits, now_ns, held);
}
