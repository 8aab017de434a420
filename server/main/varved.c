/* varved: the queue server.  varved(8) tells how it is used. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "server/base/diag.h"
#include "server/main/assemble.h"
#include "server/main/notify.h"

static const char usage[] =
    "usage: varved [-c FILE] [-o KEY=VALUE]... [--check-config]\n"
    "\n"
    "  -c, --config FILE       settings, as varve.conf(5) describes them\n"
    "  -o, --option KEY=VALUE  a setting, which wins over the file\n"
    "      --check-config      only say whether the settings can be used\n"
    "      --version\n"
    "      --help\n"
    "\n"
    "Without any it serves 127.0.0.1:9092 with its data in ./varve-data.\n";

struct args {
    const char *file;
    bool check;
    char **option; /* of argv */
    size_t option_n;
};

static void
note(void *ctx, bool is_error, const char *sentence)
{
    (void)ctx;
    (void)fprintf(stderr, "varved: %s%s\n", is_error ? "" : "warning: ", sentence);
}

/* In a word of several letters getopt is still at that word. */
static int
wrong_option(const char *word, bool no_value)
{
    char letter[] = { '-', (char)optopt, '\0' };

    if (word[0] != '-' || word[1] != '-')
        word = letter;
    (void)fprintf(stderr, no_value ? "varved: %s wants a value: see varved --help\n"
                                   : "varved: there is no option %s: see varved --help\n", word);
    return vrv_err_exit(VRV_E_INVALID);
}

/* -1: go on; else the exit code. */
static int
read_args(struct args *a, int argc, char **argv)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' },
        { "option", required_argument, NULL, 'o' },
        { "check-config", no_argument, NULL, 'C' },
        { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":c:o:h", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            a->file = optarg;
            break;
        case 'o':
            a->option[a->option_n++] = optarg;
            break;
        case 'C':
            a->check = true;
            break;
        case 'V':
            (void)printf("varved %s\n", varve_version());
            return 0;
        case 'h':
            (void)fputs(usage, stdout);
            return 0;
        default:
            return wrong_option(argv[optind - 1], c == ':');
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "varved: \"%s\" is not an option: settings are given as -o KEY=VALUE\n",
            argv[optind]);
        return vrv_err_exit(VRV_E_INVALID);
    }
    return -1;
}

static struct vrv_config *
read_config(struct vrv_config_input *in, const struct args *a)
{
    vrv_config_input_init(in, note, NULL);
    if (a->file != NULL)
        vrv_config_input_file(in, a->file);
    for (size_t i = 0; i < a->option_n; i++)
        vrv_config_input_arg(in, a->option[i]);
    return vrv_config_input_done(in);
}

static void
say_ready(const struct vrv_server *s)
{
    (void)printf("ready");
    for (size_t i = 0; i < s->config->clients.n; i++)
        (void)printf(" %s://%s", s->config->clients.v[i].name, vrv_net_bound(s->net, (unsigned)i));
    (void)printf("\n");
    (void)fflush(stdout);
    vrv_notify("READY=1");
}

static int
engine_error(struct vrv_engine *eng, struct vrv_err *e)
{
    int rc = vrv_engine_error(eng, e);

    return rc < 0 ? rc : vrv_catalog_error(vrv_engine_catalog(eng), e);
}

enum { LOOK_MS = 200, ROOM_LOOKS = 10 };

struct disk {
    bool told;     /* that it is full */
    unsigned room; /* looks since then, in a row, that found room */
};

static void
tell_full(const struct vrv_server *s)
{
    struct vrv_engine_stats st;

    vrv_engine_stats(s->broker.engine, &st);
    vrv_diag(VRV_EV_DISK_FULL, VRV_STR("data", s->config->data_dir), VRV_NUM("free", st.disk_free),
        VRV_NUM("needed", st.disk_reserve + st.wal_used),
        VRV_STR("reason", "producers are refused with KAFKA_STORAGE_ERROR until there is room: make "
                          "some on this disk, or lower the retention of large topics"));
}

/* At the edge space comes and goes: that it is there again is told when that has lasted. */
static void
look_at_disk(struct disk *d, const struct vrv_server *s)
{
    struct vrv_err why;
    bool full = vrv_engine_may_append(s->broker.engine, &why) == VRV_E_NOSPACE;

    d->room = full ? 0 : d->room + 1;
    if (full && !d->told) {
        tell_full(s);
        d->told = true;
    } else if (d->told && d->room == ROOM_LOOKS) {
        vrv_diag(VRV_EV_DISK_ROOM, VRV_STR("data", s->config->data_dir));
        d->told = false;
    }
}

/* Until somebody wants it to stop, or the engine has stopped (L4): then staying would only keep
 * whoever starts it again from doing so.  0, or why. */
static int
wait_for_end(const sigset_t *set, const struct vrv_server *s, struct vrv_err *e)
{
    const struct timespec look = { .tv_nsec = LOOK_MS * 1000 * 1000 };
    struct disk disk = { .told = false };
    int sig = -1, rc = 0;

    while (sig < 0 && (rc = engine_error(s->broker.engine, e)) == 0) {
        look_at_disk(&disk, s);
        sig = sigtimedwait(set, NULL, &look);
    }
    if (rc == 0)
        vrv_diag(VRV_EV_STOP, VRV_NUM("signal", sig));
    else
        vrv_diag(VRV_EV_ENGINE_STOPPED, VRV_STR("error", e->msg));
    vrv_notify("STOPPING=1");
    return rc;
}

static int
serve(const struct vrv_config_input *in, struct vrv_config *config)
{
    static struct vrv_server server;
    struct vrv_err e = { 0 };
    sigset_t set;

    /* Before there are threads, which inherit it. */
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    int rc = vrv_server_start(&server, in, config, &e);
    if (rc == 0) {
        vrv_diag(VRV_EV_START, VRV_STR("data", config->data_dir),
            VRV_STR("cluster", server.broker.cluster_id), VRV_NUM("partitions", server.found.logs),
            VRV_NUM("replayed", server.found.replayed), VRV_NUM("clean", server.found.clean));
        say_ready(&server);
        rc = wait_for_end(&set, &server, &e);
        int stopped = vrv_server_stop(&server, rc < 0 ? NULL : &e);
        rc = rc < 0 ? rc : stopped;
    }
    if (rc < 0)
        (void)fprintf(stderr, "varved: %s\n", e.msg);
    return rc < 0 ? vrv_err_exit(rc) : 0;
}

int
main(int argc, char **argv)
{
    static struct vrv_config_input in;
    struct args a = { .option = calloc((size_t)argc, sizeof(char *)) };

    (void)umask(077);
    int rc = a.option != NULL ? read_args(&a, argc, argv) : 1;
    if (rc < 0) {
        struct vrv_config *config = read_config(&in, &a);

        rc = config == NULL ? vrv_err_exit(VRV_E_INVALID) : a.check ? 0 : serve(&in, config);
        vrv_config_unref(&config);
        vrv_config_input_fini(&in);
    }
    free(a.option);
    return rc;
}
