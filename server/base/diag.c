#include "server/base/diag.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/os/lock.h"

struct event {
    const char *name;
    enum vrv_diag_level level;
    int64_t second_ns; /* when the present second of its began */
    unsigned told;     /* since then */
    uint64_t suppressed;
};

static struct {
    struct vrv_lock lock; /* guards all */
    enum vrv_diag_level max;
    vrv_diag_sink *sink;
    void *ctx;
    struct vrv_clock *clock;
    struct event event[VRV_EVENTS];
} diag = {
    .max = VRV_DIAG_INFO,
    .event = {
#define VRV_EVENT(id, text, lvl, help) { .name = (text), .level = VRV_DIAG_##lvl },
#include "server/base/events.def"
    },
};
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
init(void)
{
    vrv_lock_init(&diag.lock, VRV_LOCK_diag);
    diag.clock = vrv_clock_real();
}

static void
lock(void)
{
    (void)pthread_once(&once, init);
    vrv_lock(&diag.lock);
}

/* ---- a line, cut where it gets too long ---- */

struct line {
    char s[VRV_DIAG_LINE];
    size_t n;
};

static void
put(struct line *l, const char *s)
{
    size_t n = strlen(s), room = sizeof(l->s) - 1 - l->n; /* one for the newline */

    if (n > room)
        n = room;
    memcpy(l->s + l->n, s, n);
    l->n += n;
}

static bool
plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
        (c != '\0' && strchr("_-.:,/@+[]%", c) != NULL);
}

static void
put_text(struct line *l, const char *s, size_t n)
{
    size_t shown = n < VRV_DIAG_VALUE ? n : VRV_DIAG_VALUE;
    bool quote = n == 0 || shown < n;
    char out[5];

    for (size_t i = 0; i < shown && !quote; i++)
        quote = !plain((unsigned char)s[i]);
    put(l, quote ? "\"" : "");
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == '"' || c == '\\')
            (void)snprintf(out, sizeof(out), "\\%c", c);
        else if (c < ' ' || c > '~')
            (void)snprintf(out, sizeof(out), "\\x%02x", c);
        else
            (void)snprintf(out, sizeof(out), "%c", c);
        put(l, out);
    }
    put(l, shown < n ? "..." : "");
    put(l, quote ? "\"" : "");
}

static void
put_number(struct line *l, int64_t v)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRId64, v);
    put(l, text);
}

static void
put_time(struct line *l, int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    char date[32], text[48];

    (void)gmtime_r(&s, &tm);
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text, sizeof(text), "%s.%03dZ ", date, (int)(ms % 1000));
    put(l, text);
}

/* ---- */

/* Within its rate?  Counts it in either case. */
static bool
may_tell(struct event *ev)
{
    int64_t now = diag.clock->mono_ns(diag.clock);

    if (ev->told == 0 || now - ev->second_ns >= 1000000000) {
        ev->second_ns = now;
        ev->told = 0;
    }
    if (ev->told == VRV_DIAG_BURST) {
        ev->suppressed++;
        return false;
    }
    ev->told++;
    return true;
}

static void
tell(struct event *ev, const struct vrv_diag_field *f, size_t n)
{
    static const char *const level[] = { "error ", "warn ", "info ", "debug " };
    struct line l = { .n = 0 };

    put_time(&l, diag.clock->wall_ms(diag.clock));
    put(&l, level[ev->level]);
    put(&l, ev->name);
    if (ev->suppressed > 0) {
        put(&l, " suppressed=");
        put_number(&l, (int64_t)ev->suppressed);
        ev->suppressed = 0;
    }
    for (size_t i = 0; i < n; i++) {
        put(&l, " ");
        put(&l, f[i].key);
        put(&l, "=");
        if (f[i].text != NULL)
            put_text(&l, f[i].text, f[i].n);
        else
            put_number(&l, f[i].number);
    }
    l.s[l.n++] = '\n';
    if (diag.sink != NULL) {
        diag.sink(diag.ctx, l.s, l.n);
    } else {
        ssize_t written = write(STDERR_FILENO, l.s, l.n); /* nobody is left to be told */
        (void)written;
    }
}

void
vrv_diag_fields(enum vrv_event id, const struct vrv_diag_field *f, size_t n)
{
    struct event *ev = &diag.event[id];

    lock();
    if (ev->level <= diag.max && may_tell(ev))
        tell(ev, f, n);
    vrv_unlock(&diag.lock);
}

void
vrv_diag_level(enum vrv_diag_level max)
{
    lock();
    diag.max = max;
    vrv_unlock(&diag.lock);
}

void
vrv_diag_to(vrv_diag_sink *sink, void *ctx, struct vrv_clock *clock)
{
    lock();
    diag.sink = sink;
    diag.ctx = ctx;
    diag.clock = clock != NULL ? clock : vrv_clock_real();
    vrv_unlock(&diag.lock);
}
