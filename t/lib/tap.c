#include "t/lib/tap.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int run, failed;
static char *dirs[64];
static int dir_n;

static void begin(bool ok, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* The line of a check; what failed is told behind it, until end(). */
static void
begin(bool ok, const char *fmt, va_list ap)
{
    (void)pthread_mutex_lock(&lock);
    (void)printf("%sok %d - ", ok ? "" : "not ", ++run);
    (void)vprintf(fmt, ap);
    (void)printf("\n");
    failed += !ok;
}

static bool
end(bool ok)
{
    (void)fflush(stdout);
    (void)pthread_mutex_unlock(&lock);
    return ok;
}

bool
tap_ok_(bool ok, const char *file, int line, const char *expr, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    begin(ok, fmt, ap);
    va_end(ap);
    if (!ok)
        (void)printf("# %s:%d: does not hold: %s\n", file, line, expr);
    return end(ok);
}

bool
tap_is_(int64_t got, int64_t want, const char *file, int line, const char *expr, const char *fmt,
    ...)
{
    va_list ap;

    va_start(ap, fmt);
    begin(got == want, fmt, ap);
    va_end(ap);
    if (got != want)
        (void)printf("# %s:%d: %s: expected %lld, saw %lld\n", file, line, expr, (long long)want,
            (long long)got);
    return end(got == want);
}

bool
tap_is_str_(const char *got, const char *want, const char *file, int line, const char *expr,
    const char *fmt, ...)
{
    bool ok = got && want ? strcmp(got, want) == 0 : got == want;
    va_list ap;

    va_start(ap, fmt);
    begin(ok, fmt, ap);
    va_end(ap);
    if (!ok)
        (void)printf("# %s:%d: %s: expected \"%s\", saw \"%s\"\n", file, line, expr,
            want ? want : "(null)", got ? got : "(null)");
    return end(ok);
}

bool
tap_held_(bool ok, const char *file, int line, const char *expr)
{
    if (!ok)
        tap_note("%s:%d: does not hold: %s", file, line, expr);
    return ok;
}

void
tap_note(const char *fmt, ...)
{
    va_list ap;

    (void)pthread_mutex_lock(&lock);
    (void)printf("# ");
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    (void)printf("\n");
    (void)fflush(stdout);
    (void)pthread_mutex_unlock(&lock);
}

_Noreturn void
tap_bail(const char *fmt, ...)
{
    va_list ap;

    (void)printf("Bail out! ");
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    (void)printf("\n");
    exit(1);
}

void
tap_need(int rc, const char *why)
{
    if (rc < 0)
        tap_bail("%s", why);
}

_Noreturn void
tap_skip_all(bool peer, const char *fmt, ...)
{
    const char *req = getenv("VARVE_REQUIRE_PEERS");
    bool fail = peer && req != NULL && strcmp(req, "1") == 0;
    va_list ap;

    (void)printf(fail ? "Bail out! a peer is required but missing: " : "1..0 # SKIP ");
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    (void)printf("\n");
    exit(fail ? 1 : 0);
}

const char *
tap_dir(void)
{
    const char *tmp = getenv("TMPDIR");
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/varve-t-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (dir_n == (int)(sizeof(dirs) / sizeof(dirs[0])) || mkdtemp(path) == NULL)
        tap_bail("no scratch directory %s: %s", path, strerror(errno));
    return dirs[dir_n++] = strdup(path);
}

uint64_t
tap_number(const char *name, uint64_t otherwise)
{
    const char *v = getenv(name);

    return v != NULL && *v != '\0' ? strtoull(v, NULL, 10) : otherwise;
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void
tap_remove(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int
tap_done(void)
{
    for (int i = 0; i < dir_n; i++) {
        if (failed)
            (void)printf("# kept: %s\n", dirs[i]);
        else
            tap_remove(dirs[i]);
        free(dirs[i]);
    }
    (void)printf("1..%d\n", run);
    return failed != 0;
}
