#include "engine/base/recent.h"

static void
go_on(struct vrv_recent *r, int64_t now_ns)
{
    int64_t past = now_ns - r->since_ns;

    if (past < VRV_RECENT_NS)
        return;
    r->before = past < 2 * VRV_RECENT_NS ? r->now : (struct vrv_recent_span){ 0 };
    r->now = (struct vrv_recent_span){ 0 };
    r->since_ns = now_ns - past % VRV_RECENT_NS;
}

void
vrv_recent_add(struct vrv_recent *r, int64_t now_ns, uint64_t v)
{
    go_on(r, now_ns);
    r->now.n++;
    r->now.sum += v;
    if (v > r->now.max)
        r->now.max = v;
}

struct vrv_recent_view
vrv_recent_view(struct vrv_recent *r, int64_t now_ns)
{
    go_on(r, now_ns);
    uint64_t n = r->now.n + r->before.n;

    return (struct vrv_recent_view){ n > 0 ? (r->now.sum + r->before.sum) / n : 0,
        r->now.max > r->before.max ? r->now.max : r->before.max };
}
