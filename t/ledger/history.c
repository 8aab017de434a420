#include "t/ledger/history.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/os/clock.h"

struct history {
    FILE *f;
};

struct history *
history_open(const char *path)
{
    FILE *f = fopen(path, "we");

    if (f == NULL)
        return NULL;
    struct history *h = VRV_NEW(struct history);
    h->f = f;
    return h;
}

bool
history_close(struct history **h)
{
    bool ok = ferror((*h)->f) == 0;

    ok = fclose((*h)->f) == 0 && ok;
    free(*h);
    *h = NULL;
    return ok;
}

FILE *
history_begin(struct history *h, const char *process)
{
    struct vrv_clock *clock = vrv_clock_real();

    flockfile(h->f);
    (void)fprintf(h->f, "%" PRId64 " %s ", clock->wall_ms(clock), process);
    return h->f;
}

/* Each line leaves at once, so that whoever kills the server can wait for one. */
void
history_end(struct history *h)
{
    (void)fputc('\n', h->f);
    (void)fflush(h->f);
    funlockfile(h->f);
}

void
history_add(struct history *h, const char *process, const char *fmt, ...)
{
    FILE *f = history_begin(h, process);
    va_list ap;

    va_start(ap, fmt);
    (void)vfprintf(f, fmt, ap);
    va_end(ap);
    history_end(h);
}
