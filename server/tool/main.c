/* varve: the command for people who use a Kafka daily, or look after a data directory. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/err.h"
#include "server/tool/commands.h"
#include "server/tool/tool.h"

static const char usage[] =
    "usage: varve topic create|ls|describe|alter|rm    topics\n"
    "       varve produce TOPIC [FILE...]              records to a topic\n"
    "       varve consume TOPIC...                     records from topics\n"
    "       varve group ls|describe|reset|rm           consumer groups and their lag\n"
    "       varve config ls|get|set|unset              settings of topics and brokers\n"
    "       varve tier status|explain|plan|offload|ls|dump    what is in the cold tier, and why\n"
    "       varve tier deleted|undelete                topics that are gone, and come back\n"
    "       varve restore                              a server made anew from its store\n"
    "       varve scrub [TOPIC...]                     is a store what it should be\n"
    "       varve store check                          can varve rely on this store?\n"
    "       varve bench start|produce|consume|latency|fanout    how fast a broker is\n"
    "       varve proto [API]                          the protocol\n"
    "       varve log ls|stat|dump|verify|repair       look into a data directory\n"
    "       varve help                                 this\n"
    "       varve --version\n"
    "A broker is named with -b HOST:PORT or $VARVE_BOOTSTRAP; else it is 127.0.0.1:9092.\n"
    "More: varve COMMAND --help, man varve\n";

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "topic", cmd_topic },
    { "produce", cmd_produce },
    { "consume", cmd_consume },
    { "group", cmd_group },
    { "config", cmd_config },
    { "tier", cmd_tier },
    { "restore", cmd_restore },
    { "scrub", cmd_scrub },
    { "store", cmd_store },
    { "bench", cmd_bench },
    { "proto", cmd_proto },
    { "log", cmd_log },
};

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
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
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
