#include "tiering/daemon/rate.h"

static const int64_t SECOND_NS = 1000000000;

unsigned
vrv_rate_some(const struct vrv_rate *r, unsigned most)
{
    return r->per_second < (int64_t)most ? (unsigned)r->per_second : most;
}

int64_t
vrv_rate_take(struct vrv_rate *r, unsigned n, int64_t now_ns)
{
    int64_t at = r->next_ns > now_ns ? r->next_ns : now_ns;

    if (r->per_second < INT64_MAX)
        r->next_ns = at + (int64_t)((double)n / (double)r->per_second * (double)SECOND_NS);
    return at;
}
