/*
 * s3suite WHAT...   the conformance suite of stores, and what else must hold, on an S3 server:
 *   make      makes the bucket; no test
 *   suite     the suite on the store as it is
 *   steps     ... without threads
 *   retry     ... through retry.h, for a server that is hard to reach
 *   refused   what wrong settings are told
 * With VARVE_LONG, the suite takes a thousand objects rather than a hundred: as many as one request may delete.
 * Where: VARVE_TEST_S3 (s3://bucket/prefix, below which it is empty), VARVE_TEST_S3_ENDPOINT,
 * VARVE_TEST_S3_REGION, VARVE_TEST_S3_CA, and keys as AWS's programs find them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/clock.h"
#include "t/lib/patient.h"
#include "t/lib/storesuite.h"
#include "t/lib/tap.h"
#include "tiering/store/s3.h"
#include "tiering/store/sigv4.h"

enum { RETRY_MS = 10, ATTEMPT_MS = 3000, PATIENCE_S = 20 };

#define SECOND 1000000000LL

static int64_t
now_ns(void)
{
    return vrv_clock_real()->mono_ns(vrv_clock_real());
}

static const char *
setting(const char *name)
{
    const char *value = getenv(name);

    return value != NULL ? value : "";
}

static struct vrv_store_s3_opts
opts(void)
{
    const char *ca = setting("VARVE_TEST_S3_CA");

    return (struct vrv_store_s3_opts){ .url = setting("VARVE_TEST_S3"),
        .endpoint = setting("VARVE_TEST_S3_ENDPOINT"), .region = setting("VARVE_TEST_S3_REGION"),
        .http = { .clock = vrv_clock_real(), .thread = true, .at_once = { 8, 8, 8 },
            .connect_ms = 5000, .stall_ms = 10000, .text_max = 4 << 20,
            .ca_file = *ca != '\0' ? ca : NULL, .proxy = "" } };
}

static struct vrv_store *
open_store(const struct vrv_store_s3_opts *o)
{
    struct vrv_store *s = NULL;
    struct vrv_err e = { 0 };

    tap_need(vrv_store_s3(&s, o, &e), e.msg);
    return s;
}

/* ---- the suite ---- */

static void
run_suite(struct vrv_store *store)
{
    struct storesuite s = { .store = store, .prefix = "suite/", .shared_clock = true,
        .many = getenv("VARVE_LONG") != NULL ? 1000 : 100 };
    char text[256];

    vrv_store_describe(store, text, sizeof(text));
    tap_note("%s", text);
    storesuite_run(&s);
}

static void
suite_with(bool threads)
{
    struct vrv_store_s3_opts o = opts();

    o.http.thread = threads;
    struct vrv_store *s = open_store(&o);
    run_suite(s);
    vrv_store_close(&s);
}

static void
suite(void)
{
    suite_with(true);
}

static void
steps(void)
{
    suite_with(false);
}

/* ---- over a network that is hard to reach ---- */

static void
retry(void)
{
    struct vrv_store_s3_opts o = opts();

    o.http.stall_ms = ATTEMPT_MS;
    struct vrv_store *inner = open_store(&o);
    struct vrv_store *patient = patient_new(inner, &(struct vrv_retry_opts){ .random = 771, .base_ms = RETRY_MS,
        .most_ms = 500, .attempt_ms = { ATTEMPT_MS, 5 * ATTEMPT_MS, ATTEMPT_MS } });
    run_suite(patient);
    patient_note(patient);
    vrv_store_close(&patient);
    vrv_store_close(&inner);
}

/* ---- what is refused ---- */

/* What a list, and an object that is written, are told. */
static void
told(const struct vrv_store_s3_opts *o, const char *what, int status, const char *words)
{
    struct storesuite s = { .store = open_store(o), .prefix = "refused/" };

    VRV_ASSERT(vrv_cq_init(&s.cq, 0) == 0);
    struct vrv_store_call c = storesuite_call(&s, VRV_STORE_LIST, "refused/");
    c.max = 1;
    IS(storesuite_do(&s, &c), status, "%s: a list is refused", what);
    if (!OK(strstr(c.err.msg, words) != NULL, "... %s", c.err.msg))
        tap_note("without: %s", words);
    vrv_store_names_free(&c);
    struct iovec iov = { (void *)(uintptr_t)"x", 1 };
    c = storesuite_call(&s, VRV_STORE_PUT, "refused/x");
    c.iov = &iov;
    c.iov_n = 1;
    c.size = 1;
    c.crc = 0x1;
    IS(storesuite_do(&s, &c), status, "... and an object");
    c = storesuite_call(&s, VRV_STORE_VERIFY, "refused/x");
    IS(storesuite_do(&s, &c), status, "... and a look at one");
    OK(strstr(c.err.msg, words) != NULL, "... with the same words");
    vrv_cq_fini(&s.cq);
    vrv_store_close(&s.store);
}

static void
refused(void)
{
    struct vrv_store_s3_opts o = opts();
    char *secret = vrv_mem_strdup(setting("AWS_SECRET_ACCESS_KEY"));

    o.url = "s3://varve-no-such-bucket/x";
    told(&o, "a bucket that isn't there", VRV_E_INVALID,
        "there is no bucket varve-no-such-bucket: create it");
    o = opts();
    VRV_ASSERT(setenv("AWS_SECRET_ACCESS_KEY", "wrong", 1) == 0);
    told(&o, "a wrong secret", VRV_E_DENIED, "the secret key isn't that of the access key");
    VRV_ASSERT(setenv("AWS_SECRET_ACCESS_KEY", secret, 1) == 0);
    free(secret);
}

/* ---- a bucket ---- */

/* PUT of the bucket, signed: there is no call for that. */
struct make {
    char path[128], url[256], date[VRV_SIGV4_DATE], hash[VRV_SIGV4_HASH];
    char header[4][1200];
    const char *headers[4];
};

static void
sign_make(struct make *m, const struct vrv_store_s3_opts *o)
{
    struct vrv_sigv4_keys keys = { setting("AWS_ACCESS_KEY_ID"), setting("AWS_SECRET_ACCESS_KEY"),
        NULL };
    const char *bucket = o->url + strlen("s3://");
    int n = snprintf(m->header[3], sizeof(m->header[3]), "authorization: ");

    (void)snprintf(m->path, sizeof(m->path), "/%.*s", (int)strcspn(bucket, "/"), bucket);
    (void)snprintf(m->url, sizeof(m->url), "%s%s", o->endpoint, m->path);
    vrv_sigv4_hash(m->hash, NULL, 0);
    vrv_sigv4_date(m->date, vrv_clock_real()->wall_ms(vrv_clock_real()));
    (void)snprintf(m->header[0], sizeof(m->header[0]), "host: %s", strstr(o->endpoint, "://") + 3);
    (void)snprintf(m->header[1], sizeof(m->header[1]), "x-amz-date: %s", m->date);
    (void)snprintf(m->header[2], sizeof(m->header[2]), "x-amz-content-sha256: %s", m->hash);
    for (int i = 0; i < 4; i++)
        m->headers[i] = m->header[i];
    struct vrv_sigv4 r = { .method = "PUT", .path = m->path, .query = "", .headers = m->headers,
        .header_n = 3, .payload = m->hash, .date = m->date, .service = "s3",
        .region = *o->region != '\0' ? o->region : "us-east-1" };
    vrv_sigv4_sign(&r, &keys, m->header[3] + n, sizeof(m->header[3]) - (size_t)n);
}

static void
make(void)
{
    struct vrv_store_s3_opts o = opts();
    struct vrv_err e = { 0 };
    struct vrv_http *http;
    struct vrv_cq cq;
    struct make m;

    VRV_ASSERT(strncmp(o.url, "s3://", 5) == 0 && strstr(o.endpoint, "://") != NULL);
    sign_make(&m, &o);
    VRV_ASSERT(vrv_cq_init(&cq, 0) == 0);
    tap_need(vrv_http_open(&http, &o.http, &e), e.msg);
    struct vrv_http_req q = { .done = { .cq = &cq }, .method = "PUT", .url = m.url,
        .headers = m.headers, .header_n = 4, .has_body = true,
        .deadline_ns = now_ns() + PATIENCE_S * SECOND };
    vrv_http_submit(http, &q);
    (void)vrv_cq_take(&cq, -1);
    if (q.status < 0 || q.code != 200)
        tap_bail("no bucket: %s", q.status < 0 ? q.err.msg : q.text != NULL ? q.text : "");
    vrv_http_free(&q);
    vrv_http_close(&http);
    vrv_cq_fini(&cq);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } all[] = { { "make", make }, { "suite", suite }, { "steps", steps }, { "retry", retry },
        { "refused", refused } };

    for (int a = 1; a < argc; a++)
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
            if (strcmp(argv[a], all[i].name) == 0)
                all[i].run();
    return tap_done();
}
