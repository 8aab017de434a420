/* A process dies, or one of its operations fails, at a failpoint of the real file system
 * (engine/os/failpoint.h): what was acknowledged is there when the directory is opened again, in
 * order, and nothing else is; and a sync that failed stops the engine.
 *
 * Each point is struck at ever later passes: in a new directory each time, so that its making has
 * its turn, and in one that is kept, so that opening what is left of it has.  VARVE_LONG: at more
 * passes in between. */
#include "t/lib/tap.h"

#ifndef VRV_FAILPOINTS

int
main(void)
{
    tap_skip_all(false, "configured without --enable-failpoints");
}

#else

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/os/failpoint.h"
#include "engine/os/vfs.h"
#include "engine/varve.h"
#include "t/lib/acked.h"

enum { TURNS = 400, STRUCK = 10, SPARED = 11 }; /* STRUCK, SPARED: how a process ends that lives */

static const struct point {
    const char *name;
    int until;    /* about so many passes are sure to come; the last one to strike */
    bool is_sync; /* when it fails the engine stops */
} points[] = { { "create", 8, false }, { "write", 300, false }, { "sync", 300, true },
    { "sync_dir", 5, true }, { "sync_all", 2, true }, { "rename", 2, false },
    { "unlink", 1, false }, { "truncate", 5, false }, { "chmod", 2, false }, { "mkdir", 9, false },
    { "rmdir", 1, false } };

static const char *const actions[] = { "kill", "eio", "enospc" };

static struct acked *acked;
static bool is_long;
static uint64_t struck, spared;

/* This process passes no failpoint itself, because the variable is read at the first one: what
 * passes some runs in a process of its own. */
static int
wait_for(pid_t pid)
{
    int status;

    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static int
run_append(const char *dir, const char *failpoint, bool buffered)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)setenv("VARVE_FAILPOINT", failpoint, 1);
        acked_append(acked, dir, buffered, TURNS);
        _exit(vrv_failpoint_struck() ? STRUCK : SPARED);
    }
    return wait_for(pid);
}

static bool
run_verify(const char *dir)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(acked_verify(acked, dir) != 0);
    return wait_for(pid) == 0;
}

/* Then no thread fills it while records are appended: space that a sync could not make durable is
 * not used, and nothing has to stop. */
static bool
wal_is_filled(const char *dir)
{
    char path[600];
    struct stat st;
    off_t sum = 0;

    for (int i = 1; i <= ACKED_WAL_FILES; i++) {
        (void)snprintf(path, sizeof(path), "%s/wal/%06d.wal", dir, i);
        sum += stat(path, &st) == 0 ? st.st_size : 0;
    }
    return sum == ACKED_WAL_BYTES;
}

/* Did the process fail as it should have? */
static bool
failed_well(bool must_stop)
{
    int code = atomic_load(&acked->code);

    if (must_stop)
        return atomic_load(&acked->opened) ? code == VARVE_E_STOPPED : code != 0;
    return code == 0 || code == VARVE_E_IO || code == VARVE_E_NOSPACE || code == VARVE_E_STOPPED;
}

/* Strike once, look what is there then. */
static bool
strike(const char *dir, const struct point *p, const char *action, int n)
{
    bool kills = strcmp(action, "kill") == 0;
    bool must_stop = p->is_sync && !kills && wal_is_filled(dir);
    char failpoint[64];
    bool ok;

    (void)snprintf(failpoint, sizeof(failpoint), "%s:%d:%s", p->name, n, action);
    /* The probe for O_DIRECT, too, may fail without need to stop. */
    int status = run_append(dir, failpoint, must_stop);
    bool was_spared = WIFEXITED(status) && WEXITSTATUS(status) == SPARED;

    if (was_spared) /* the pass did not come */
        ok = atomic_load(&acked->code) == 0;
    else if (kills)
        ok = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    else
        ok = WIFEXITED(status) && WEXITSTATUS(status) == STRUCK && failed_well(must_stop);
    struck += !was_spared;
    spared += was_spared;
    if (!ok)
        tap_note("%s: status %#x, code %d: %s", failpoint, (unsigned)status,
            atomic_load(&acked->code), acked->message);
    if (!run_verify(dir)) {
        tap_note("%s: not all is as it was acknowledged", failpoint);
        ok = false;
    }
    return ok;
}

/* The directory stays when something was wrong. */
static bool
strike_series(const char *base, const struct point *p, const char *action, bool fresh)
{
    char dir[512];

    (void)snprintf(dir, sizeof(dir), "%s/%s-%s", base, p->name, action);
    acked_clear(acked);
    while (!fresh && p->is_sync && !wal_is_filled(dir))
        if (!run_verify(dir))
            return false;
    for (int n = 1; n <= p->until; n += 1 + (is_long ? n / 32 : n)) {
        if (!strike(dir, p, action, n))
            return false;
        if (fresh) {
            tap_remove(dir);
            acked_clear(acked);
        }
    }
    tap_remove(dir);
    return true;
}

static void
test_points(const char *base)
{
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
        for (size_t a = 0; a < sizeof(actions) / sizeof(actions[0]); a++) {
            const struct point *p = &points[i];
            bool ok = strike_series(base, p, actions[a], true)
                && strike_series(base, p, actions[a], false);

            OK(ok, "%s at %s: all that was acknowledged is there, and nothing else%s", actions[a],
                p->name, p->is_sync && a > 0 ? "; the engine had stopped" : "");
        }
    OK(struck > spared, "%" PRIu64 " times a point was passed often enough, %" PRIu64 " times not",
        struck, spared);
}

/* Exit status of a process that syncs a directory three times; bit i: the i-th failed. */
static int
sync_three(const char *root, const char *failpoint, const char *errors)
{
    pid_t pid = fork();

    if (pid == 0) {
        int fd = open(errors, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        struct vrv_vfs *vfs;
        int failed = 0;

        (void)dup2(fd, STDERR_FILENO);
        (void)setenv("VARVE_FAILPOINT", failpoint, 1);
        if (vrv_vfs_posix(root, false, &vfs, NULL) < 0)
            _exit(99);
        for (int i = 0; i < 3; i++)
            failed |= (vrv_vfs_sync_dir(vfs, "", NULL) == VRV_E_NOSPACE) << i;
        vrv_vfs_close(&vfs);
        _exit(failed);
    }
    int status = wait_for(pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool
file_has(const char *path, const char *word)
{
    char text[1024];
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;

    text[n] = '\0';
    if (f != NULL)
        (void)fclose(f);
    return strstr(text, word) != NULL;
}

static void
test_variable(const char *base)
{
    static const char *const malformed[] = { "", "sync", "sync:1", "sync:0:eio", "sync::eio",
        "sync:-1:eio", "sync:1x:eio", "sync:99999999999999999999:eio", "sync:1:", "sync:1:eio ",
        "sync:1:boom", "syn:1:eio", ":1:eio", "offload:1:eio", "delete:1:enospc" };
    char errors[512];
    size_t refused = 0, n = sizeof(malformed) / sizeof(malformed[0]);

    (void)snprintf(errors, sizeof(errors), "%s/stderr", base);
    IS(sync_three(base, "sync_dir:2:enospc", errors), 2, "the second pass fails, and no other");
    IS(sync_three(base, "sync_all:1:enospc", errors), 0, "other points count for themselves");
    for (size_t i = 0; i < n; i++)
        refused += sync_three(base, malformed[i], errors) == 2
            && file_has(errors, "expected NAME:N:ACTION");
    IS(refused, n, "what is malformed is told on stderr, and ends the process");
}

int
main(void)
{
    const char *base = tap_dir();

    acked = acked_new();
    is_long = getenv("VARVE_LONG") != NULL;
    test_variable(base);
    test_points(base);
    return tap_done();
}

#endif
