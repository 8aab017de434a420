/* The S3 store on a server of our own that misbehaves: what each call is told of each fault is
 * true, and what people are told helps them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "t/lib/fakes3.h"
#include "t/lib/simclock.h"
#include "t/lib/storesuite.h"
#include "t/lib/tap.h"
#include "tiering/store/s3_int.h"

enum {
    MS = 1000000,
    CALL_MS = 30000,
    CONNECT_MS = 3000,
    STALL_MS = 5000,
    REAL_MS = 60000, /* both, where nobody but the machine moves the clock */
    LATE_MS = 60000,
    SIZE = 3000,
    IDLE_ROUNDS = 10,
    IDLE_MS = 500,
    ROUNDS = 100000
};

static const char KEY[] = "d/object";
static uint8_t bytes[SIZE];
static uint32_t bytes_crc;

/* ---- a server, a store, a clock that moves when nothing else does ---- */

static char secret[32];

static const char *
env(const char *name)
{
    if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0)
        return "AKIATEST";
    return strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0 ? secret : NULL;
}

struct world {
    struct simclock sim;
    struct fakes3_opts server_opts;
    struct vrv_store_s3_opts opts;
    struct fakes3 *fake;
    struct vrv_store *store;
    struct vrv_cq cq;
    struct vrv_store_upload *upload; /* of the object, in one part that is there */
    char endpoint[64];
};

static void
init_world(struct world *w)
{
    *w = (struct world){ .server_opts = { .seed = 456, .bucket = "cold", .key_id = "AKIATEST",
        .secret = "a secret", .part_min = 10 } };
    (void)snprintf(secret, sizeof(secret), "a/secret");
    w->server_opts.secret = secret;
    simclock_init(&w->sim, 1790000000000);
    w->server_opts.clock = &w->sim.clock;
    w->opts = (struct vrv_store_s3_opts){ .url = "s3://cold/pre fix/ü+",
        .credentials = "env",
        .env = env,
        .http = { .clock = &w->sim.clock,
            .at_once = { 4, 4, 4 },
            .connect_ms = CONNECT_MS,
            .stall_ms = STALL_MS,
            .text_max = 1 << 20,
            .proxy = "" } };
}

static void
open_world(struct world *w)
{
    struct vrv_err e = { 0 };

    w->fake = fakes3_new(&w->server_opts);
    (void)snprintf(w->endpoint, sizeof(w->endpoint), "http://127.0.0.1:%u",
        httpd_port(fakes3_httpd(w->fake)));
    w->opts.endpoint = w->endpoint;
    tap_need(vrv_store_s3(&w->store, &w->opts, &e), e.msg);
    tap_need(vrv_cq_init(&w->cq, 0), "no queue");
}

static void
close_world(struct world *w)
{
    vrv_store_upload_free(w->store, &w->upload);
    vrv_store_close(&w->store);
    vrv_cq_fini(&w->cq);
    fakes3_free(&w->fake);
}

static void
turn(struct world *w)
{
    (void)vrv_store_step(w->store);
    while (httpd_step(fakes3_httpd(w->fake), 0))
        ;
}

static int
run(struct world *w, struct vrv_store_call *c)
{
    struct vrv_done *d = NULL;

    c->done = (struct vrv_done){ .cq = &w->cq };
    c->deadline_ns = w->sim.clock.mono_ns(&w->sim.clock) + (int64_t)CALL_MS * MS;
    vrv_store_submit(w->store, c);
    for (int i = 1; i < ROUNDS && (d = vrv_cq_take(&w->cq, 0)) == NULL; i++) {
        turn(w);
        if (i % IDLE_ROUNDS == 0)
            simclock_advance_ms(&w->sim, IDLE_MS);
    }
    tap_need(d != NULL ? 0 : -1, "a call was never answered");
    return c->status;
}

/* What is late has come. */
static void
let_time_pass(struct world *w)
{
    for (int i = 0; i < LATE_MS / 1000; i++) {
        simclock_advance_ms(&w->sim, 1000);
        for (int k = 0; k < 3; k++)
            turn(w);
    }
}

static struct vrv_store_call
call(enum vrv_store_op op)
{
    return (struct vrv_store_call){ .op = op, .key = KEY, .size = SIZE, .crc = bytes_crc,
        .if_absent = true };
}

static int
put(struct world *w, enum vrv_store_op op, struct vrv_store_call *c)
{
    struct iovec iov[2] = { { bytes, 1000 }, { bytes + 1000, SIZE - 1000 } };

    *c = call(op);
    c->iov = iov;
    c->iov_n = 2;
    c->upload = w->upload;
    return run(w, c);
}

static int
simple(struct world *w, enum vrv_store_op op, struct vrv_store_call *c)
{
    *c = call(op);
    c->upload = w->upload;
    return run(w, c);
}

static void
begin_upload(struct world *w)
{
    struct vrv_store_call c;

    tap_need(simple(w, VRV_STORE_BEGIN, &c), c.err.msg);
    w->upload = c.upload;
    tap_need(put(w, VRV_STORE_PART_N, &c), c.err.msg);
}

/* The object is there, as it should be. */
static bool
is_there(struct world *w)
{
    size_t n = 0;
    uint8_t *is = fakes3_object(w->fake, "pre fix/ü+/d/object", &n);
    bool same = is != NULL && n == SIZE && memcmp(is, bytes, n) == 0;

    free(is);
    return same;
}

/* ---- each call with each fault: is what it says true? ---- */

/* A write that isn't known to be done, or unknown, isn't done; not even later. */
static bool
write_holds(struct world *w, const struct vrv_store_call *c)
{
    if (c->status == 0)
        return is_there(w);
    let_time_pass(w);
    return c->err.msg[0] != '\0' &&
           (c->status == VRV_E_UNKNOWN || c->status == VRV_E_EXISTS || !is_there(w));
}

static bool
put_holds(struct world *w)
{
    struct vrv_store_call c;

    (void)put(w, VRV_STORE_PUT, &c);
    return write_holds(w, &c);
}

static bool
end_holds(struct world *w)
{
    struct vrv_store_call c;

    begin_upload(w);
    (void)simple(w, VRV_STORE_END, &c);
    return write_holds(w, &c);
}

/* A part that was taken is whole: or the upload can't be ended with it. */
static bool
part_holds(struct world *w)
{
    struct vrv_store_call c;

    tap_need(simple(w, VRV_STORE_BEGIN, &c), c.err.msg);
    w->upload = c.upload;
    int status = put(w, VRV_STORE_PART_N, &c);
    if (status < 0)
        return c.err.msg[0] != '\0';
    fakes3_heal(w->fake);
    return simple(w, VRV_STORE_END, &c) < 0 || is_there(w);
}

static bool
begin_holds(struct world *w)
{
    struct vrv_store_call c;
    int status = simple(w, VRV_STORE_BEGIN, &c);

    w->upload = c.upload;
    return status == 0 ? c.upload != NULL : c.err.msg[0] != '\0' && c.upload == NULL;
}

static bool
abort_holds(struct world *w)
{
    struct vrv_store_call c;

    begin_upload(w);
    return simple(w, VRV_STORE_ABORT, &c) < 0 ? c.err.msg[0] != '\0' : fakes3_uploads(w->fake) == 0;
}

/* Bits are the caller's to check; how many there are isn't. */
static bool
get_holds(struct world *w)
{
    uint8_t buf[1000];
    struct vrv_store_call c = call(VRV_STORE_GET);

    tap_need(put(w, VRV_STORE_PUT, &c), c.err.msg);
    c = call(VRV_STORE_GET);
    c.buf = buf;
    c.size = sizeof(buf);
    c.pos = 500;
    int status = run(w, &c);
    return status == 0 ? c.got == sizeof(buf) && c.whole == SIZE : c.err.msg[0] != '\0';
}

static bool
verify_holds(struct world *w)
{
    struct vrv_store_call c;

    tap_need(put(w, VRV_STORE_PUT, &c), c.err.msg);
    int right = simple(w, VRV_STORE_VERIFY, &c);
    c = call(VRV_STORE_VERIFY);
    c.crc ^= 1;
    int wrong = run(w, &c);
    /* what is read to see may be damaged on its way */
    bool flips = w->server_opts.no_checksums && fakes3_struck(w->fake, S3_FAULT_FLIP) > 0;
    return (right != VRV_E_CORRUPT || flips) && wrong != 0;
}

static bool
list_holds(struct world *w)
{
    struct vrv_store_call c;

    tap_need(put(w, VRV_STORE_PUT, &c), c.err.msg);
    c = call(VRV_STORE_LIST);
    c.key = "d/";
    c.max = 10;
    int status = run(w, &c);
    bool good = status < 0 ? c.err.msg[0] != '\0' : c.got == 0 ||
        (c.got == 1 && strcmp(c.names[0].key, KEY) == 0 && c.names[0].size == SIZE);
    vrv_store_names_free(&c);
    return good;
}

static bool
delete_holds(struct world *w)
{
    const char *keys[] = { KEY, "d/other" };
    int each[2] = { 1, 1 };
    struct vrv_store_call c;

    tap_need(put(w, VRV_STORE_PUT, &c), c.err.msg);
    c = call(VRV_STORE_DELETE);
    c.keys = keys;
    c.each = each;
    c.max = 2;
    int status = run(w, &c);
    if (status == 0 || each[0] == 0)
        return !is_there(w) && each[0] == 0;
    return c.err.msg[0] != '\0';
}

static bool
sweep_holds(struct world *w)
{
    struct vrv_store_call c;

    begin_upload(w);
    vrv_store_upload_free(w->store, &w->upload);
    simclock_advance_ms(&w->sim, 7200000);
    c = call(VRV_STORE_SWEEP);
    c.older_ms = 3600000;
    int status = run(w, &c);
    return status < 0 ? c.err.msg[0] != '\0' : fakes3_uploads(w->fake) == 0 && c.got == 1;
}

/* The faults strike where they are told to; what comes before it is well. */
static const struct {
    const char *name;
    bool (*holds)(struct world *w);
    enum fakes3_op op[2];
} calls[] = {
    { "put", put_holds, { S3_PUTNEW, S3_PUTNEW } },
    { "begin", begin_holds, { S3_CREATE, S3_CREATE } },
    { "part", part_holds, { S3_PART, S3_PART } },
    { "end", end_holds, { S3_COMPLETE, S3_COMPLETE } },
    { "abort", abort_holds, { S3_ABORT, S3_ABORT } },
    { "get", get_holds, { S3_GET, S3_GET } },
    { "verify", verify_holds, { S3_HEAD, S3_GET } },
    { "list", list_holds, { S3_LIST, S3_LIST } },
    { "delete", delete_holds, { S3_DELETES, S3_DELETES } },
    { "sweep", sweep_holds, { S3_UPLOADS, S3_ABORT } },
};

static const char *
fault_name(int i)
{
    static const char *const names[] = {
#define NAME(name) #name,
        FAKES3_FAULTS(NAME)
#undef NAME
    };
    return names[i];
}

/* Nobody is told: that is for who reads back, or looks again. */
static bool
is_hidden(enum fakes3_op op, int fault)
{
    bool damaged = fault == S3_FAULT_FLIPPED || fault == S3_FAULT_SHORTENED;
    bool lists = op == S3_LIST || op == S3_UPLOADS, outdated = fault == S3_FAULT_STALE || fault == S3_FAULT_UNSEEN;

    return damaged || (lists && fault == S3_FAULT_FLIP) || (op == S3_UPLOADS && outdated);
}

static void
test_matrix(bool no_checksums)
{
    unsigned cells = 0, struck = 0, broken = 0;

    for (size_t k = 0; k < sizeof(calls) / sizeof(calls[0]); k++)
        for (int f = 0; f < (int)S3_FAULTS; f++) {
            struct world w;

            if (is_hidden(calls[k].op[0], f))
                continue;
            init_world(&w);
            w.server_opts.no_checksums = w.server_opts.ends_anyway = no_checksums;
            open_world(&w);
            fakes3_next(w.fake, calls[k].op[0], (enum fakes3_fault)f, 2);
            if (calls[k].op[1] != calls[k].op[0])
                fakes3_next(w.fake, calls[k].op[1], (enum fakes3_fault)f, 2);
            bool holds = calls[k].holds(&w);
            if (!holds)
                tap_note("broken: %s with %s", calls[k].name, fault_name(f));
            broken += !holds;
            cells++;
            struck += fakes3_struck(w.fake, (enum fakes3_fault)f) > 0;
            close_world(&w);
        }
    tap_note("%u calls with faults, %u of which struck", cells, struck);
    IS(broken, 0u, "whatever goes wrong, a call is answered, and what it says is true%s",
        no_checksums ? ", also of a store without checksums" : "");
}

/* ---- the suite ---- */

static void
test_suite(bool no_checksums)
{
    struct storesuite s = { .prefix = "p/", .shared_clock = true };
    struct world w;
    char text[128];

    init_world(&w);
    w.server_opts.no_checksums = w.server_opts.ends_anyway = no_checksums;
    w.server_opts.clock = w.opts.http.clock = vrv_clock_real();
    w.opts.http.connect_ms = w.opts.http.stall_ms = REAL_MS;
    w.opts.http.thread = true;
    open_world(&w);
    httpd_start(fakes3_httpd(w.fake));
    s.store = w.store;
    vrv_store_describe(w.store, text, sizeof(text));
    tap_note("%s%s", text, no_checksums ? ", without checksums" : "");
    storesuite_run(&s);
    close_world(&w);
}

/* ---- what people are told ---- */

static void
says(struct world *w, enum fakes3_fault fault, int status, const char *words)
{
    struct vrv_store_call c;

    fakes3_next(w->fake, S3_PUTNEW, fault, 2);
    IS(put(w, VRV_STORE_PUT, &c), status, "%s", fault_name((int)fault));
    if (!OK(strstr(c.err.msg, words) != NULL, "... %s", c.err.msg))
        tap_note("without: %s", words);
    fakes3_heal(w->fake);
}

static void
test_sentences(void)
{
    struct vrv_store_call c;
    struct world w;

    init_world(&w);
    open_world(&w);
    says(&w, S3_FAULT_DENIED, VRV_E_DENIED, "grant s3:PutObject on s3://cold");
    says(&w, S3_FAULT_EXPIRED, VRV_E_DENIED, "put newer ones where tier.s3.credentials says");
    says(&w, S3_FAULT_SKEWED, VRV_E_DENIED, "the clock here says 20260921T");
    says(&w, S3_FAULT_REGION, VRV_E_INVALID, "set tier.s3.region to that, not us-east-1");
    says(&w, S3_FAULT_REDIRECT, VRV_E_INVALID, "set tier.s3.");
    says(&w, S3_FAULT_FULL, VRV_E_NOSPACE, ", or free s");
    says(&w, S3_FAULT_SLOW_DOWN, VRV_E_BUSY, "SlowDown");
    says(&w, S3_FAULT_TOO_MANY, VRV_E_BUSY, "put of d/object: ");
    says(&w, S3_FAULT_ERROR, VRV_E_UNKNOWN, "InternalError");
    says(&w, S3_FAULT_TIMEOUT, VRV_E_IO, "RequestTimeout");
    says(&w, S3_FAULT_HANG, VRV_E_UNKNOWN, "not a byte for 5000 ms");
    fakes3_next(w.fake, S3_GET, S3_FAULT_MISSING, 2);
    fakes3_next(w.fake, S3_HEAD, S3_FAULT_MISSING, 2);
    IS(simple(&w, VRV_STORE_VERIFY, &c), VRV_E_NOTFOUND, "nothing there");
    close_world(&w);
}

/* A clock that is wrong, here or there: the store's signs, and the call goes on. */
static void
test_clocks(int64_t skew_ms, enum vrv_store_op first)
{
    struct simclock there;
    struct vrv_store_call c;
    struct world w;

    init_world(&w);
    simclock_init(&there, 1790000000000 + skew_ms);
    w.server_opts.clock = &there.clock;
    open_world(&w);
    if (first == VRV_STORE_VERIFY)
        IS(simple(&w, first, &c), VRV_E_NOTFOUND, "HEAD is refused without words, and asked again: %s", c.err.msg);
    IS(put(&w, VRV_STORE_PUT, &c), 0, "a store whose clock is %d s ahead: %s", (int)(skew_ms / 1000), c.err.msg);
    OK(is_there(&w), "... has what is written");
    IS(simple(&w, VRV_STORE_VERIFY, &c), 0, "... which is verified: %s", c.err.msg);
    int64_t off = atomic_load(&w.store->skew_ms) - skew_ms;
    OK(off > -60000 && off < 60000, "it is known how far it is off");
    uint64_t puts = fakes3_attempts(w.fake, S3_PUTNEW);
    (void)put(&w, VRV_STORE_PUT, &c);
    IS(fakes3_attempts(w.fake, S3_PUTNEW), puts + 1, "... so that nothing is sent twice for it any more");
    simclock_set_wall_ms(&w.sim, there.clock.wall_ms(&there.clock));
    IS(simple(&w, VRV_STORE_VERIFY, &c), 0, "the wrong one is set right: %s", c.err.msg);
    IS(atomic_load(&w.store->skew_ms), 0, "... and our own signs again");
    close_world(&w);
}

/* How far off the clock of requests is thought to be, in minutes. */
static int
skew_min(struct world *w)
{
    return (int)((atomic_load(&w->store->skew_ms) + 30000) / 60000);
}

/* A proxy whose clock is three hours ahead of all puts its Date on what the store says, whose clock is so far ahead of
 * ours. */
static void
begin_proxied(struct world *w, struct simclock *there, struct simclock *proxy, int ahead_min, bool tells)
{
    init_world(w);
    simclock_init(there, 1790000000000 + ahead_min * (int64_t)60000);
    simclock_init(proxy, 1790000000000 + (int64_t)180 * 60000);
    w->server_opts.clock = &there->clock;
    w->server_opts.proxy = &proxy->clock;
    w->server_opts.tells_time = tells;
    open_world(w);
}

static void
test_clock_of_proxy(void)
{
    struct simclock there, proxy;
    struct vrv_store_call c;
    struct world w;

    begin_proxied(&w, &there, &proxy, 60, true);
    IS(put(&w, VRV_STORE_PUT, &c), 0, "a proxy's clock is wrong, and ours: what the store says counts: %s", c.err.msg);
    IS(skew_min(&w), 60, "... and no Date");
    close_world(&w);

    begin_proxied(&w, &there, &proxy, 60, false);
    IS(put(&w, VRV_STORE_PUT, &c), VRV_E_DENIED, "... and where it says nothing");
    OK(strstr(c.err.msg, "the clock here says 20260921T") != NULL, "... it is refused for that: %s", c.err.msg);
    IS(put(&w, VRV_STORE_PUT, &c), VRV_E_DENIED, "... also the next time");
    simclock_set_wall_ms(&w.sim, there.clock.wall_ms(&there.clock));
    IS(put(&w, VRV_STORE_PUT, &c), 0, "... until ours is set right");
    IS(skew_min(&w), 0, "... and signs");
    close_world(&w);

    begin_proxied(&w, &there, &proxy, 0, false);
    fakes3_next(w.fake, S3_HEAD, S3_FAULT_DENIED, 1);
    IS(simple(&w, VRV_STORE_VERIFY, &c), VRV_E_NOTFOUND, "HEAD is refused once without words, and not for its time");
    IS(skew_min(&w), 0, "... the proxy's clock, that may have signed then, isn't believed for long");
    uint64_t puts = fakes3_attempts(w.fake, S3_PUTNEW);
    IS(put(&w, VRV_STORE_PUT, &c), 0, "... ours signs again: %s", c.err.msg);
    IS(fakes3_attempts(w.fake, S3_PUTNEW), puts + 1, "... and nothing is sent twice");
    close_world(&w);
}

/* Whatever a store says, and how long names are: what to do is kept, and that is whole. */
static void
test_long_sentences(void)
{
    static const char advice[] = "set tier.s3.endpoint to that";
    int wrong = 0, cut = 0;

    for (size_t name_n = 1; name_n < 512; name_n += 7) {
        for (size_t says_n = 0; says_n + sizeof(advice) < VRV__S3_SENTENCE; says_n += 5) {
            char name[512] = "", sentence[VRV__S3_SENTENCE] = "", more[128] = "";
            struct vrv_err e;

            memset(name, 'k', name_n);
            memset(sentence, 's', says_n);
            (void)strcat(sentence, advice);
            memset(more, 'm', name_n % 120);
            vrv__s3_tell(&e, VRV_E_DENIED, "begin", name, sentence, more);
            wrong += strstr(e.msg, sentence) == NULL || strncmp(e.msg, "begin of k", 10) != 0;
            cut += strstr(e.msg, "kk...: ") != NULL;
            (void)vrv_err_prefix(&e, VRV_E_UNKNOWN, "it may have been written");
            wrong += strstr(e.msg, advice) == NULL;
        }
    }
    IS(wrong, 0, "whatever a store says, what to do is kept");
    OK(cut > 0, "... and what is cut says so");
}

/* Other keys are looked for, and the call goes on with them. */
static void
test_new_keys(void)
{
    struct vrv_store_call c;
    struct world w;

    init_world(&w);
    open_world(&w);
    tap_need(put(&w, VRV_STORE_PUT, &c), c.err.msg);
    simclock_advance_ms(&w.sim, 60000);
    fakes3_credentials(w.fake, "AKIATEST", "another", NULL);
    IS(simple(&w, VRV_STORE_VERIFY, &c), VRV_E_DENIED, "the keys were changed");
    OK(strstr(c.err.msg, "the secret key isn't that of the access key") != NULL, "... %s",
        c.err.msg);
    simclock_advance_ms(&w.sim, 60000);
    (void)snprintf(secret, sizeof(secret), "another");
    IS(simple(&w, VRV_STORE_VERIFY, &c), 0,
        "here, too: a call that was refused goes on with the new ones");
    close_world(&w);
}

/* ---- what a store without checksums makes necessary ---- */

static void
test_without_checksums(void)
{
    struct vrv_store_call c;
    struct world w;

    init_world(&w);
    w.server_opts.no_checksums = true;
    open_world(&w);
    begin_upload(&w);
    tap_need(simple(&w, VRV_STORE_END, &c), c.err.msg);
    uint64_t gets = fakes3_attempts(w.fake, S3_GET);
    IS(simple(&w, VRV_STORE_VERIFY, &c), 0, "what was uploaded in parts is known by its ETag");
    IS(fakes3_attempts(w.fake, S3_GET), gets, "... and not read");
    vrv_store_upload_free(w.store, &w.upload);
    IS(simple(&w, VRV_STORE_VERIFY, &c), 0, "without its upload it is read");
    OK(fakes3_attempts(w.fake, S3_GET) > gets, "... all of it");
    OK(fakes3_rot(w.fake, "pre fix/ü+/d/object", 1234), "one bit flips there");
    IS(simple(&w, VRV_STORE_VERIFY, &c), VRV_E_CORRUPT, "... and is found");
    close_world(&w);
    init_world(&w);
    open_world(&w);
    tap_need(put(&w, VRV_STORE_PUT, &c), c.err.msg);
    gets = fakes3_attempts(w.fake, S3_GET);
    IS(simple(&w, VRV_STORE_VERIFY, &c), 0, "one that keeps checksums tells them");
    IS(fakes3_attempts(w.fake, S3_GET), gets, "... and nothing is read");
    close_world(&w);
}

/* ---- a part that isn't what was sent ---- */

/* Its end may be asked for again and again: that makes it no better. */
static void
test_damaged_part(enum fakes3_fault fault)
{
    struct vrv_store_call c;
    struct world w;

    init_world(&w);
    open_world(&w);
    fakes3_next(w.fake, S3_PART, fault, 1);
    begin_upload(&w);
    IS(simple(&w, VRV_STORE_END, &c), VRV_E_NOTFOUND, "an upload of which a part is %s is lost", fault_name((int)fault));
    OK(strstr(c.err.msg, "it was damaged on its way there") != NULL, "... %s", c.err.msg);
    IS(fakes3_objects(w.fake, ""), 0, "... and makes no object");
    close_world(&w);
}

/* ---- cancelling ---- */

static void
test_cancel(void)
{
    struct vrv_store_call c = call(VRV_STORE_VERIFY);
    struct vrv_done *d = NULL;
    struct world w;

    init_world(&w);
    open_world(&w);
    fakes3_next(w.fake, S3_HEAD, S3_FAULT_HANG, 1);
    c.done = (struct vrv_done){ .cq = &w.cq };
    c.deadline_ns = w.sim.clock.mono_ns(&w.sim.clock) + (int64_t)CALL_MS * MS;
    vrv_store_submit(w.store, &c);
    for (int i = 0; i < IDLE_ROUNDS; i++)
        turn(&w);
    vrv_store_cancel(w.store, &c);
    vrv_store_cancel(w.store, &c);
    for (int i = 0; i < ROUNDS && (d = vrv_cq_take(&w.cq, 0)) == NULL; i++)
        turn(&w);
    OK(d != NULL, "a call that hangs is cancelled, without time passing");
    IS(c.status, VRV_E_CANCELLED, "... and says so");
    vrv_store_cancel(w.store, &c);
    close_world(&w);
}

/* ---- settings ---- */

static void
test_settings(void)
{
    static const struct {
        struct vrv_store_s3_opts o;
        const char *words;
    } bad[] = {
        { { .url = "s4://b" }, "tier.store.url=s4://b isn't s3://BUCKET" },
        { { .url = "s3://" }, "\"\" is no name of a bucket" },
        { { .url = "s3://a b" }, "\"a b\" is no name of a bucket" },
        { { .url = "s3://bucket//x" }, "is no prefix" },
        { { .url = "s3://bucket/a/../b" }, "is no prefix" },
        { { .url = "s3://bucket", .endpoint = "host:9000" },
            "tier.s3.endpoint=host:9000 isn't https://" },
        { { .url = "s3://bucket", .endpoint = "http://host/path" }, "tier.s3.endpoint=" },
        { { .url = "s3://bucket", .region = "eu west" }, "tier.s3.region=eu west isn't the name" },
        { { .url = "s3://bucket", .storage_class = "A B" }, "tier.s3.storage.class=" },
        { { .url = "s3://bucket", .sse_kms_key = "k" }, "tier.s3.sse isn't aws:kms" },
        { { .url = "s3://bucket", .credentials = "x" }, "tier.s3.credentials=x is none of" },
    };
    struct vrv_store *s = NULL;
    struct vrv_err e = { 0 };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct vrv_store_s3_opts o = bad[i].o;
        struct world w;

        init_world(&w);
        o.http = w.opts.http;
        IS(vrv_store_s3(&s, &o, &e), VRV_E_INVALID, "a bad setting");
        if (!OK(strstr(e.msg, bad[i].words) != NULL, "... %s", e.msg))
            tap_note("without: %s", bad[i].words);
    }
}

/* Where it is looked for, by style. */
static void
test_places(void)
{
    static const struct {
        const char *endpoint, *region, *is;
        bool path_style;
    } v[] = {
        { NULL, NULL, "S3 s3://bucket/a/ at https://bucket.s3.us-east-1.amazonaws.com", false },
        { NULL, "cn-north-1", "S3 s3://bucket/a/ at https://bucket.s3.cn-north-1.amazonaws.com.cn",
            false },
        { NULL, "eu-west-1", "S3 s3://bucket/a/ at https://s3.eu-west-1.amazonaws.com", true },
        { "http://minio:9000/", NULL, "S3 s3://bucket/a/ at http://bucket.minio:9000", false },
        { "http://minio:80", NULL, "S3 s3://bucket/a/ at http://minio", true },
        { "https://10.0.0.1:443", NULL, "S3 s3://bucket/a/ at https://10.0.0.1", false },
        { "https://[::1]:9000", NULL, "S3 s3://bucket/a/ at https://[::1]:9000", false },
    };

    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        struct world w;
        char text[256];

        init_world(&w);
        w.opts.url = "s3://bucket/a";
        w.opts.endpoint = v[i].endpoint;
        w.opts.region = v[i].region;
        w.opts.path_style = v[i].path_style;
        tap_need(vrv_store_s3(&w.store, &w.opts, NULL), "no store");
        vrv_store_describe(w.store, text, sizeof(text));
        IS_STR(text, v[i].is, "where S3 is");
        vrv_store_close(&w.store);
    }
}

/* ---- what is asked of the store ---- */

static char heard[8192];

static void
listen_to(void *ctx, const struct httpd_req *q, struct httpd_reply *a)
{
    (void)ctx;
    httpd_add_header(a, "ETag", "%s", "\"1\"");
    (void)snprintf(heard, sizeof(heard), "%s %s\r\n%s", q->method, q->target, q->head);
}

static void
test_headers(void)
{
    static const char *const wanted[] = {
        "PUT /cold/d/object\r\n", "x-amz-storage-class: GLACIER_IR\r\n",
        "x-amz-server-side-encryption: aws:kms\r\n", "x-amz-tagging: a=1&b=2\r\n",
        "x-amz-server-side-encryption-aws-kms-key-id: arn:aws:kms:x:1:key/y\r\n",
        "if-none-match: *\r\n",
        "x-amz-checksum-crc32c: ", "content-md5: ", "x-amz-content-sha256: ",
        "authorization: AWS4-HMAC-SHA256 "
        "Credential=AKIATEST/20260921/us-east-1/s3/aws4_request, "
        "SignedHeaders=content-md5;content-type;host;"
        "if-none-match;x-amz-checksum-crc32c;x-amz-content-sha256;x-amz-date;x-amz-server-side-"
        "encryption;"
        "x-amz-server-side-encryption-aws-kms-key-id;x-amz-storage-class;x-amz-tagging, Signature="
    };
    struct httpd_opts o = { .fn = listen_to };
    struct vrv_store_call c;
    struct world w;

    init_world(&w);
    o.clock = &w.sim.clock;
    struct httpd *server = httpd_new(&o);
    httpd_start(server);
    (void)snprintf(w.endpoint, sizeof(w.endpoint), "http://127.0.0.1:%u", httpd_port(server));
    w.opts.url = "s3://cold";
    w.opts.endpoint = w.endpoint;
    w.opts.storage_class = "GLACIER_IR";
    w.opts.sse = "aws:kms";
    w.opts.sse_kms_key = "arn:aws:kms:x:1:key/y";
    w.opts.tags = "a=1&b=2";
    w.opts.http.thread = true;
    tap_need(vrv_store_s3(&w.store, &w.opts, NULL), "no store");
    struct storesuite s = { .store = w.store };
    tap_need(vrv_cq_init(&s.cq, 0), "no queue");
    c = storesuite_call(&s, VRV_STORE_PUT, KEY);
    struct iovec iov = { bytes, SIZE };
    c.iov = &iov;
    c.iov_n = 1;
    c.size = SIZE;
    c.crc = bytes_crc;
    IS(storesuite_do(&s, &c), 0, "an object with all that can be set");
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (!OK(strstr(heard, wanted[i]) != NULL, "... has %.*s",
                (int)strcspn(wanted[i], "\r"), wanted[i]))
            tap_note("%s", heard);
    vrv_cq_fini(&s.cq);
    vrv_store_close(&w.store);
    httpd_free(&server);
}

int
main(void)
{
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    bytes_crc = vrv_crc32c(0, bytes, SIZE);
    test_settings();
    test_places();
    test_headers();
    test_sentences();
    test_clocks(20 * 60000, VRV_STORE_PUT);
    test_clocks(-20 * 60000, VRV_STORE_PUT);
    test_clocks(20 * 60000, VRV_STORE_VERIFY);
    test_clock_of_proxy();
    test_long_sentences();
    test_new_keys();
    test_without_checksums();
    test_damaged_part(S3_FAULT_FLIPPED);
    test_damaged_part(S3_FAULT_SHORTENED);
    test_cancel();
    test_matrix(false);
    test_matrix(true);
    test_suite(false);
    test_suite(true);
    return tap_done();
}
