#include "server/tool/stop.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>

static volatile sig_atomic_t asked;

static void
on_signal(int sig)
{
    asked = sig;
}

void
stop_catch(void)
{
    struct sigaction sa = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

    (void)sigaction(SIGINT, &sa, NULL);
    (void)sigaction(SIGTERM, &sa, NULL);
    /* A reader that goes away is seen as an error of the next write: a group is left first. */
    (void)signal(SIGPIPE, SIG_IGN);
}

bool
stop_asked(void)
{
    return asked != 0;
}

void
stop_die(void)
{
    if (asked != 0) {
        (void)fflush(stdout);
        (void)signal(asked, SIG_DFL);
        (void)raise(asked);
    }
}
