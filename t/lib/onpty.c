/* onpty COMMAND...   runs it on a terminal of its own and copies what it says there to stdout; its exit
 * status, or 77: there is no terminal to be had. */
#include <pty.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NO_TERMINAL = 77, NO_COMMAND = 127 };

int
main(int argc, char **argv)
{
    struct winsize size = { .ws_row = 24, .ws_col = 120 };
    char buf[4096];
    int master, status;
    ssize_t n;

    if (argc < 2)
        return NO_COMMAND;
    pid_t pid = forkpty(&master, NULL, NULL, &size);
    if (pid < 0) {
        perror("onpty");
        return NO_TERMINAL;
    }
    if (pid == 0) {
        (void)execvp(argv[1], argv + 1);
        perror(argv[1]);
        _exit(NO_COMMAND);
    }
    while ((n = read(master, buf, sizeof(buf))) > 0) /* EIO: the other side is gone */
        (void)fwrite(buf, 1, (size_t)n, stdout);
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : NO_COMMAND;
}
