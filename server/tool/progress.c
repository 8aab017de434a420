#include "server/tool/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/os/clock.h"
#include "server/tool/out.h"

enum { WIDTH = 30 };

static const int64_t patience_ns = 500000000, interval_ns = 100000000;

static int64_t
now_ns(void)
{
    struct vrv_clock *c = vrv_clock_real();

    return c->mono_ns(c);
}

void
progress_begin(struct progress *p, uint64_t total)
{
    *p = (struct progress){ .total = total, .on = isatty(STDERR_FILENO) == 1 };
    p->began_ns = p->on ? now_ns() : 0;
}

void
progress_begin_count(struct progress *p, uint64_t total, const char *unit)
{
    progress_begin(p, total);
    p->unit = unit;
}

static const char *
amount(const struct progress *p, uint64_t n, char buf[32])
{
    if (p->unit == NULL)
        return out_size(n, buf);
    (void)snprintf(buf, 32, "%" PRIu64, n);
    return buf;
}

static void
show(struct progress *p, int64_t now)
{
    char bar[WIDTH + 1], done[32], total[32], rate[32];
    double part = p->total > 0 ? (double)p->done / (double)p->total : 1;
    double seconds = (double)(now - p->began_ns) / 1e9;
    int full = (int)(part * WIDTH);

    full = full > WIDTH ? WIDTH : full;
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < full ? '#' : '.';
    bar[WIDTH] = '\0';
    (void)fprintf(stderr, "\r[%s] %3.0f %%  %s of %s%s%s, %s/s \033[K", bar, part * 100,
        amount(p, p->done, done), amount(p, p->total, total), p->unit != NULL ? " " : "",
        p->unit != NULL ? p->unit : "", amount(p, (uint64_t)((double)p->done / seconds), rate));
    (void)fflush(stderr);
    p->shown_ns = now;
    p->shown = true;
}

void
progress_add(struct progress *p, uint64_t n)
{
    p->done += n;
    if (!p->on)
        return;
    int64_t now = now_ns();
    if (now - p->began_ns > patience_ns && now - p->shown_ns > interval_ns)
        show(p, now);
}

void
progress_clear(struct progress *p)
{
    if (!p->shown)
        return;
    (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
    p->shown = false;
}
