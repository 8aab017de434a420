/*
 * The fake S3 as a program, for tests of whole servers; it ends with who started it.
 *
 *   s3d [-p PORT] [-b BUCKET] [-s SEED] [-k ID:SECRET] [-c CERT_FILE -K KEY_FILE] [-r] [-a SECONDS]
 *
 * Its clock is ahead by -a seconds.  With -r it ignores If-None-Match, and replaces what is there.
 * Says "port N" when it listens.  POST /~faults takes the commands of t/lib/fakes3.h, GET /~stats
 * tells what happened.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "t/lib/fakes3.h"

enum { STEP_MS = 20 };

static volatile sig_atomic_t stopped;

static void
stop(int signal)
{
    (void)signal;
    stopped = 1;
}

/* A clock that is wrong. */
static int64_t ahead_ms;

static int64_t
wall_ms(struct vrv_clock *c)
{
    (void)c;
    return vrv_clock_real()->wall_ms(vrv_clock_real()) + ahead_ms;
}

static int64_t
mono_ns(struct vrv_clock *c)
{
    (void)c;
    return vrv_clock_real()->mono_ns(vrv_clock_real());
}

static void
read_args(int argc, char **argv, struct fakes3_opts *o)
{
    int c;

    while ((c = getopt(argc, argv, "p:b:s:k:c:K:ra:")) >= 0) {
        if (c == 'p')
            o->port = (uint16_t)strtoul(optarg, NULL, 10);
        else if (c == 'b')
            o->bucket = optarg;
        else if (c == 's')
            o->seed = strtoull(optarg, NULL, 10);
        else if (c == 'c')
            o->cert_file = optarg;
        else if (c == 'K')
            o->key_file = optarg;
        else if (c == 'a')
            ahead_ms = strtoll(optarg, NULL, 10) * 1000;
        else if (c == 'r')
            o->replaces = true;
        else if (c == 'k' && strchr(optarg, ':') != NULL) {
            o->key_id = strsep(&optarg, ":");
            o->secret = optarg;
        } else {
            (void)fprintf(stderr, "usage: s3d [-p PORT] [-b BUCKET] [-s SEED] [-k ID:SECRET] "
                                  "[-c CERT_FILE -K KEY_FILE] [-r] [-a SECONDS]\n");
            exit(64);
        }
    }
}

int
main(int argc, char **argv)
{
    struct vrv_clock clock = { .wall_ms = wall_ms, .mono_ns = mono_ns };
    struct fakes3_opts o = { .clock = &clock, .seed = 1, .bucket = "cold" };

    read_args(argc, argv, &o);
    (void)signal(SIGTERM, stop);
    (void)signal(SIGINT, stop);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    struct fakes3 *f = fakes3_new(&o);
    (void)printf("port %u\n", httpd_port(fakes3_httpd(f)));
    (void)fflush(stdout);
    while (!stopped)
        (void)httpd_step(fakes3_httpd(f), STEP_MS);
    fakes3_free(&f);
    return 0;
}
