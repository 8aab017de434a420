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

void
progress_begin_time(struct progress *p, int64_t ns)
{
    progress_begin(p, 0);
    p->total_ns = ns;
}

static const char *
amount(const struct progress *p, uint64_t n, char buf[32])
{
    if (p->unit == NULL)
        return out_size(n, buf);
    (void)snprintf(buf, 32, "%" PRIu64, n);
    return buf;
}

static double
part_done(const struct progress *p, int64_t now)
{
    if (p->total_ns > 0) { /* what is under way when the time is over still ends */
        double part = (double)(now - p->began_ns) / (double)p->total_ns;

        return part > 1 ? 1 : part;
    }
    return p->total > 0 ? (double)p->done / (double)p->total : 1;
}

/* "3 of 10 s", "1.0 MiB of 2.0 MiB", "7 of 20 records" */
static void
show_amounts(const struct progress *p, double seconds)
{
    char done[32], total[32];

    if (p->total_ns > 0)
        (void)fprintf(stderr, "%d of %d s", (int)seconds, (int)((double)p->total_ns / 1e9));
    else
        (void)fprintf(stderr, "%s of %s%s%s", amount(p, p->done, done),
            amount(p, p->total, total), p->unit != NULL ? " " : "", p->unit != NULL ? p->unit : "");
}

static void
show(struct progress *p, int64_t now)
{
    char bar[WIDTH + 1], rate[32];
    double part = part_done(p, now), seconds = (double)(now - p->began_ns) / 1e9;
    int full = (int)(part * WIDTH);

    full = full > WIDTH ? WIDTH : full;
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < full ? '#' : '.';
    bar[WIDTH] = '\0';
    (void)fprintf(stderr, "\r[%s] %3.0f %%  ", bar, part * 100);
    show_amounts(p, seconds);
    (void)fprintf(stderr, ", %s/s \033[K", amount(p, (uint64_t)((double)p->done / seconds), rate));
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
