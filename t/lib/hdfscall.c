/*
 * Calls of the HDFS store, for t/774-hdfs.t, t/775-hdfs-baddays.t and t/776-tier-hdfs.t.
 *
 *   hdfscall [-u USER] [-t TOKENFILE] [-c CAFILE] [-s SECONDS] [-r] URL suite PREFIX     the suite of all stores; TAP
 *   hdfscall ... URL put|parts|get|verify KEY BYTES       of an object whose bytes follow from how many
 *   hdfscall ... URL delete KEY | list PREFIX | sweep MS
 *
 * With VARVE_LONG, the suite takes a thousand objects rather than a hundred.
 * -s: its deadline.  -r: tries again until then, as the tier does; also each call of the suite.  Prints "done", or
 * how it failed.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "t/lib/patient.h"
#include "t/lib/storesuite.h"
#include "t/lib/tap.h"
#include "tiering/store/hdfs.h"

enum { SECONDS = 60, STALL_MS = 5000, LOOK_MS = 20, MS = 1000000 };

struct world {
    struct vrv_store *store;
    struct vrv_store *inner; /* what the store tries again; NULL: each call is one attempt */
    struct storesuite suite; /* its queue */
    int seconds;
};

static int64_t
now_ns(void)
{
    return vrv_clock_real()->mono_ns(vrv_clock_real());
}

static void
open_store(struct world *w, struct vrv_store_hdfs_opts *o, const char *ca_file, bool again)
{
    struct vrv_err e = { 0 };

    tap_need(vrv_cq_init(&w->suite.cq, 0), "no queue");
    o->http = (struct vrv_http_opts){ .clock = vrv_clock_real(), .thread = true, .at_once = { 8, 8, 8 },
        .ca_file = ca_file, .connect_ms = STALL_MS, .stall_ms = STALL_MS, .text_max = VRV_STORE_HDFS_TEXT, .proxy = "" };
    o->random = (uint64_t)now_ns();
    tap_need(vrv_store_hdfs(&w->store, o, &e), e.msg);
    if (again) {
        w->inner = w->store;
        w->store = patient_new(w->inner, &(struct vrv_retry_opts){ .random = o->random, .base_ms = 10, .most_ms = 500,
            .attempt_ms = { 20000, 20000, 20000 } });
    }
    w->suite.store = w->store;
}

static void
close_store(struct world *w)
{
    vrv_store_close(&w->store);
    vrv_store_close(&w->inner);
    vrv_cq_fini(&w->suite.cq);
}

static struct vrv_store_call
call(struct world *w, enum vrv_store_op op, const char *key)
{
    struct vrv_store_call c = storesuite_call(&w->suite, op, key);

    c.deadline_ns = now_ns() + w->seconds * 1000LL * MS;
    return c;
}

static int
run(struct world *w, struct vrv_store_call *c)
{
    vrv_store_submit(w->store, c);
    while (vrv_cq_take(&w->suite.cq, w->inner != NULL ? 0 : LOOK_MS) == NULL)
        (void)vrv_store_step(w->store);
    return c->status;
}

static int
report(const struct vrv_store_call *c)
{
    if (c->status == 0)
        (void)printf("done\n");
    else
        (void)printf("%s (%s)\n", c->err.msg, vrv_err_text(c->status));
    return c->status < 0;
}

static uint8_t *
bytes_of(size_t n)
{
    struct vrv_rand r = { n };
    uint8_t *p = vrv_mem_zero(n + 1);

    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)vrv_rand_next(&r);
    return p;
}

static void
set_body(struct vrv_store_call *c, struct iovec *iov, uint8_t *bytes, size_t n)
{
    *iov = (struct iovec){ bytes, n };
    c->iov = iov;
    c->iov_n = 1;
    c->size = n;
    c->crc = vrv_crc32c(0, bytes, n);
}

static int
put(struct world *w, const char *key, size_t n)
{
    struct vrv_store_call c = call(w, VRV_STORE_PUT, key);
    uint8_t *bytes = bytes_of(n);
    struct iovec iov;

    set_body(&c, &iov, bytes, n);
    (void)run(w, &c);
    free(bytes);
    return report(&c);
}

static int
parts(struct world *w, const char *key, size_t n)
{
    struct vrv_store_call c = call(w, VRV_STORE_BEGIN, key);
    uint8_t *bytes = bytes_of(n);
    struct iovec iov;
    unsigned part = 0;

    int rc = run(w, &c);
    struct vrv_store_upload *u = c.upload;
    for (size_t at = 0; rc == 0 && at < n; at += VRV_STORE_PART) {
        c = call(w, VRV_STORE_PART_N, key);
        set_body(&c, &iov, bytes + at, n - at < VRV_STORE_PART ? n - at : VRV_STORE_PART);
        c.part = part++;
        c.upload = u;
        rc = run(w, &c);
    }
    for (int i = 0; rc == 0 && i < 2; i++) { /* END may be repeated */
        c = call(w, VRV_STORE_END, key);
        c.upload = u;
        c.size = n;
        c.crc = vrv_crc32c(0, bytes, n);
        rc = run(w, &c);
    }
    vrv_store_upload_free(w->store, &u);
    free(bytes);
    return report(&c);
}

static int
get(struct world *w, const char *key, size_t n)
{
    struct vrv_store_call c = call(w, VRV_STORE_GET, key);
    uint8_t *bytes = bytes_of(n), *buf = vrv_mem_zero(n + 1);

    c.lane = VRV_STORE_READ;
    c.buf = buf;
    c.size = n;
    if (run(w, &c) == 0 && (c.got != n || memcmp(bytes, buf, n) != 0))
        c.status = vrv_err_set(&c.err, VRV_E_CORRUPT, "other bytes came");
    free(bytes);
    free(buf);
    return report(&c);
}

static int
verify(struct world *w, const char *key, size_t n)
{
    struct vrv_store_call c = call(w, VRV_STORE_VERIFY, key);
    uint8_t *bytes = bytes_of(n);

    c.size = n;
    c.crc = vrv_crc32c(0, bytes, n);
    free(bytes);
    (void)run(w, &c);
    return report(&c);
}

static int
delete_key(struct world *w, const char *key, size_t n)
{
    struct vrv_store_call c = call(w, VRV_STORE_DELETE, NULL);

    (void)n;
    c.keys = &key;
    c.max = 1;
    (void)run(w, &c);
    return report(&c);
}

static int
list(struct world *w, const char *prefix, size_t n)
{
    struct vrv_store_call c = call(w, VRV_STORE_LIST, prefix);

    (void)n;
    c.max = 1000;
    (void)run(w, &c);
    for (size_t i = 0; i < c.got; i++)
        (void)printf("%s %" PRIu64 "\n", c.names[i].key, c.names[i].size);
    vrv_store_names_free(&c);
    return report(&c);
}

static int
sweep(struct world *w, const char *ms, size_t n)
{
    struct vrv_store_call c = call(w, VRV_STORE_SWEEP, NULL);

    (void)n;
    c.older_ms = strtoll(ms, NULL, 10);
    (void)run(w, &c);
    (void)printf("%zu swept\n", c.got);
    return report(&c);
}

static int
suite(struct world *w, const char *prefix, size_t n)
{
    (void)n;
    vrv_cq_fini(&w->suite.cq); /* it makes its own */
    w->suite.prefix = prefix;
    w->suite.shared_clock = true;
    w->suite.many = getenv("VARVE_LONG") != NULL ? 1000 : 100;
    storesuite_run(&w->suite);
    if (w->inner != NULL)
        patient_note(w->store);
    tap_need(vrv_cq_init(&w->suite.cq, 0), "no queue");
    return tap_done();
}

static const struct {
    const char *name;
    int (*run)(struct world *w, const char *key, size_t n);
} commands[] = { { "put", put }, { "parts", parts }, { "get", get }, { "verify", verify },
    { "delete", delete_key }, { "list", list }, { "sweep", sweep }, { "suite", suite } };

int
main(int argc, char **argv)
{
    struct vrv_store_hdfs_opts o = { .user = "varve" };
    struct world w = { .seconds = SECONDS };
    const char *ca_file = NULL;
    bool again = false;
    int option, rc = 64;

    while ((option = getopt(argc, argv, "+u:t:c:s:r")) != -1) {
        if (option == 'u')
            o.user = optarg;
        else if (option == 't')
            o.token_file = optarg;
        else if (option == 'c')
            ca_file = optarg[0] != '\0' ? optarg : NULL;
        else if (option == 's')
            w.seconds = (int)strtol(optarg, NULL, 10);
        else
            again = true;
    }
    if (argc - optind < 3)
        return rc;
    argv += optind;
    o.url = argv[0];
    open_store(&w, &o, ca_file, again);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, argv[1]) == 0)
            rc = commands[i].run(&w, argv[2], argv[3] != NULL ? strtoul(argv[3], NULL, 10) : 0);
    close_store(&w);
    return rc;
}
