/* kill -9 in a loop on a real process and a real disk: what was acknowledged is there, in order,
 * and nothing else is. VARVE_KILLS chooses how many. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/rand.h"
#include "t/lib/acked.h"
#include "t/lib/tap.h"

/* Until the process has had something acknowledged, or has ended: starting may take long. */
static void
wait_for_more(const struct acked *a, pid_t pid)
{
    int64_t before = acked_total(a);
    siginfo_t ended = { 0 };

    while (acked_total(a) == before && ended.si_pid == 0 &&
        waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0)
        (void)usleep(1000);
}

int
main(void)
{
    const char *env = getenv("VARVE_KILLS");
    int kills = env != NULL ? atoi(env) : getenv("VARVE_LONG") != NULL ? 5000 : 200;
    const char *dir = tap_dir();
    struct acked *acked = acked_new();
    struct vrv_rand rand = { (uint64_t)getpid() };
    int bad = 0, checked = 0;

    for (int i = 0; i < kills && bad == 0; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            acked_append(acked, dir, false, UINT64_MAX);
            _exit(1);
        }
        if (i % 2 == 0)
            wait_for_more(acked, pid);
        (void)usleep((useconds_t)(2000 + vrv_rand_below(&rand, 60000)));
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        if (atomic_load(&acked->code) != 0) {
            tap_note("the process failed: %s", acked->message);
            bad++;
        }
        if (i % 10 == 9 || i + 1 == kills) {
            bad += acked_verify(acked, dir);
            checked++;
        }
    }
    IS(bad, 0, "%d kills: all that was acknowledged is there, and nothing else", kills);
    int64_t total = acked_total(acked);
    OK(total >= kills / 2, "%" PRId64 " records were appended meanwhile, checked %d times", total,
        checked);
    return tap_done();
}
