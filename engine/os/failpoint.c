#include "engine/os/failpoint.h"

#ifdef VRV_FAILPOINTS

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const point_name[VRV_FAIL_COUNT] = { "create", "write", "sync", "sync_dir",
    "sync_all", "rename", "link", "unlink", "truncate", "chmod", "mkdir", "rmdir",
    "offload", "commit", "evict", "retain", "delete" };

static const struct action {
    const char *name;
    int sys; /* errno; 0: the process is killed */
} actions[] = { { "kill", 0 }, { "eio", EIO }, { "enospc", ENOSPC } };

/* Written once, before anybody reads it. */
static struct {
    enum vrv_failpoint point;
    uint64_t nth; /* 0: never */
    int sys;
} strike;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static _Atomic uint64_t passes; /* of that point */
static atomic_bool struck;

static bool
parse_point(const char *s, size_t n)
{
    for (int i = 0; i < VRV_FAIL_COUNT; i++)
        if (strlen(point_name[i]) == n && memcmp(point_name[i], s, n) == 0) {
            strike.point = (enum vrv_failpoint)i;
            return true;
        }
    return false;
}

static bool
parse_action(const char *s)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].name, s) == 0) {
            strike.sys = actions[i].sys;
            return true;
        }
    return false;
}

static bool
parse(const char *s)
{
    size_t n = strcspn(s, ":");
    char *end;

    if (s[n] != ':' || !parse_point(s, n) || !isdigit((unsigned char)s[n + 1]))
        return false;
    errno = 0;
    strike.nth = strtoull(s + n + 1, &end, 10);
    return errno == 0 && strike.nth > 0 && *end == ':' && parse_action(end + 1) &&
        (strike.sys == 0 || strike.point < VRV_FAIL_STEPS);
}

static void
read_env(void)
{
    const char *s = getenv("VARVE_FAILPOINT");

    if (s == NULL || parse(s))
        return;
    (void)fprintf(stderr, "VARVE_FAILPOINT is \"%s\", expected NAME:N:ACTION; N from 1 on, ACTION"
        " kill, or where it is no step eio or enospc, NAME one of:", s);
    for (int i = 0; i < VRV_FAIL_COUNT; i++)
        (void)fprintf(stderr, " %s", point_name[i]);
    (void)fprintf(stderr, "\n");
    exit(2);
}

bool
vrv__failpoint(enum vrv_failpoint point)
{
    (void)pthread_once(&once, read_env);
    if (strike.nth == 0 || point != strike.point || atomic_fetch_add(&passes, 1) + 1 != strike.nth)
        return false;
    if (strike.sys == 0)
        (void)raise(SIGKILL);
    atomic_store(&struck, true);
    errno = strike.sys;
    return true;
}

bool
vrv_failpoint_struck(void)
{
    return atomic_load(&struck);
}

#endif
