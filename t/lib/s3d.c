/*
 * The fake S3 as a program, for tests of whole servers; it ends with who started it.
 *
 *   s3d [-p PORT] [-b BUCKET] [-s SEED] [-k ID:SECRET] [-c CERT_FILE -K KEY_FILE] [-m ALT -d DAYS] [-r] [-a SECONDS]
 *
 * With -m it first makes that certificate, itself its authority, for ALT and until so many days from now:
 * CERT_FILE and KEY_FILE are DIR/NAME.crt and .key.
 * With -r it ignores If-None-Match, and replaces what is there.  Its clock is ahead by -a seconds.
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
#include "t/lib/testcert.h"

enum { STEP_MS = 20 };

static volatile sig_atomic_t stopped;

static void
stop(int signal)
{
    (void)signal;
    stopped = 1;
}

/* cert_file: DIR/NAME.crt */
static void
make_certificate(const char *cert_file, const char *alt, int days)
{
    char dir[512], *name, *end;

    (void)snprintf(dir, sizeof(dir), "%s", cert_file);
    name = strrchr(dir, '/');
    end = strrchr(dir, '.');
    if (name == NULL || end < name)
        exit(64);
    *name++ = *end = '\0';
    testcert_make(dir, name, alt, days);
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
    const char *alt = NULL;
    int c, days = 7;

    while ((c = getopt(argc, argv, "p:b:s:k:c:K:m:d:ra:")) >= 0) {
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
        else if (c == 'm')
            alt = optarg;
        else if (c == 'd')
            days = (int)strtol(optarg, NULL, 10);
        else if (c == 'r')
            o->replaces = true;
        else if (c == 'k' && strchr(optarg, ':') != NULL) {
            o->key_id = strsep(&optarg, ":");
            o->secret = optarg;
        } else {
            (void)fprintf(stderr, "usage: s3d [-p PORT] [-b BUCKET] [-s SEED] [-k ID:SECRET] "
                                  "[-c CERT_FILE -K KEY_FILE] [-m ALT -d DAYS] [-r] [-a SECONDS]\n");
            exit(64);
        }
    }
    if (alt != NULL && o->cert_file != NULL)
        make_certificate(o->cert_file, alt, days);
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
