/* varve: the command for people who look after a data directory. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/err.h"
#include "server/tool/tool.h"

static const char usage[] =
    "usage: varve log ls|stat|dump|verify|repair ...   look into a data directory\n"
    "       varve help                                this\n"
    "       varve --version\n"
    "More: varve log --help, man varve\n";

void
tool_say(const char *fmt, ...)
{
    va_list ap;

    (void)fflush(stdout);
    (void)fputs("varve: ", stderr);
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fputc('\n', stderr);
}

static bool
is_one_of(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static int
run(int argc, char **argv)
{
    if (argc < 2) {
        (void)fputs(usage, stderr);
        return vrv_err_exit(VRV_E_INVALID);
    }
    if (strcmp(argv[1], "log") == 0)
        return cmd_log(argc - 1, argv + 1);
    if (is_one_of(argv[1], "help", "--help") || strcmp(argv[1], "-h") == 0) {
        (void)fputs(usage, stdout);
        return 0;
    }
    if (is_one_of(argv[1], "version", "--version")) {
        (void)printf("varve %s\n", VERSION);
        return 0;
    }
    tool_say("there is no command \"%s\"; see varve help", argv[1]);
    return vrv_err_exit(VRV_E_INVALID);
}

int
main(int argc, char **argv)
{
    int rc = run(argc, argv);

    /* What was not written must not look like a short answer. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && rc == 0) {
        tool_say("standard output can't be written");
        rc = vrv_err_exit(VRV_E_IO);
    }
    return rc;
}
