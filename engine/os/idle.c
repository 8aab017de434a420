#include "engine/os/idle.h"

int64_t
vrv_idle_ns(struct vrv_idle *i, struct vrv_clock *clock)
{
    int64_t ns, now;

    do { /* or what a wait was that ends just now could be told too long */
        ns = atomic_load(&i->ns);
        now = clock->mono_ns(clock);
    } while (ns != atomic_load(&i->ns));
    return ns < 0 ? ns + now : ns;
}

void
vrv_idle_window_init(struct vrv_idle_window *w, int64_t now_ns)
{
    w->since = w->next = (struct vrv_idle_at){ now_ns, 0 };
}

uint64_t
vrv_idle_share(struct vrv_idle_window *w, int64_t now_ns, int64_t idle_ns, unsigned threads)
{
    if (now_ns - w->next.now_ns >= VRV_IDLE_WINDOW_NS) {
        w->since = w->next;
        w->next = (struct vrv_idle_at){ now_ns, idle_ns };
    }
    double all = (double)(now_ns - w->since.now_ns) * threads;
    double share = all > 0 ? (double)(idle_ns - w->since.idle_ns) / all : 1;
    return share < 1 ? (uint64_t)(share * (double)VRV_IDLE_WHOLE) : VRV_IDLE_WHOLE;
}
