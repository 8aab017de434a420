/* The conformance suite of stores. */
#include "t/lib/storesuite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/os/clock.h"
#include "t/lib/tap.h"

enum { RACERS = 8, ROUNDS = 5, MANY = 1000, PATIENCE_S = 120, POLL_MS = 10 };

#define SECOND 1000000000LL

static int64_t
now_ns(void)
{
    return vrv_clock_real()->mono_ns(vrv_clock_real());
}

/* A key below the prefix; of the last few, each has room of its own. */
static const char *
key(const struct storesuite *s, const char *name)
{
    static char out[16][VRV_STORE_KEY_MAX + 64];
    static unsigned at;
    char *k = out[at++ % 16];

    (void)snprintf(k, sizeof(out[0]), "%s%s", s->prefix, name);
    return k;
}

struct vrv_store_call
storesuite_call(struct storesuite *s, enum vrv_store_op op, const char *k)
{
    return (struct vrv_store_call){ .done = { .cq = &s->cq }, .op = op, .key = k, .if_absent = true,
        .lane = VRV_STORE_HOUSEKEEPING, .deadline_ns = now_ns() + PATIENCE_S * SECOND };
}

/* The next that is posted; a store without threads does something meanwhile. */
static struct vrv_store_call *
next_done(struct storesuite *s)
{
    struct vrv_done *d;

    while ((d = vrv_cq_take(&s->cq, 0)) == NULL)
        if (!vrv_store_step(s->store)) {
            d = vrv_cq_take(&s->cq, PATIENCE_S * 1000);
            VRV_ASSERT(d != NULL);
            break;
        }
    return VRV_LIST_OF(d, struct vrv_store_call, done);
}

int
storesuite_do(struct storesuite *s, struct vrv_store_call *c)
{
    vrv_store_submit(s->store, c);
    VRV_ASSERT(next_done(s) == c);
    return c->status;
}

static void
set_body(struct vrv_store_call *c, struct iovec *iov, const void *bytes, size_t n)
{
    *iov = (struct iovec){ .iov_base = (void *)(uintptr_t)bytes, .iov_len = n };
    c->iov = iov;
    c->iov_n = 1;
    c->size = n;
    c->crc = vrv_crc32c(0, bytes, n);
}

int
storesuite_put(struct storesuite *s, const char *k, const void *bytes, size_t n)
{
    struct vrv_store_call c = storesuite_call(s, VRV_STORE_PUT, k);
    struct iovec iov;

    set_body(&c, &iov, bytes, n);
    return storesuite_do(s, &c);
}

/* Bytes read, or the status. */
static int64_t
get(struct storesuite *s, const char *k, uint64_t pos, void *buf, size_t n)
{
    struct vrv_store_call c = storesuite_call(s, VRV_STORE_GET, k);

    c.pos = pos;
    c.buf = buf;
    c.size = n;
    int rc = storesuite_do(s, &c);
    return rc < 0 ? rc : (int64_t)c.got;
}

static int
verify(struct storesuite *s, const char *k, uint64_t size, uint32_t crc)
{
    struct vrv_store_call c = storesuite_call(s, VRV_STORE_VERIFY, k);

    c.size = size;
    c.crc = crc;
    return storesuite_do(s, &c);
}

static int
delete_keys(struct storesuite *s, const char *const *keys, unsigned n)
{
    struct vrv_store_call c = storesuite_call(s, VRV_STORE_DELETE, NULL);

    c.keys = keys;
    c.max = n;
    return storesuite_do(s, &c);
}

static int
delete_one(struct storesuite *s, const char *k)
{
    return delete_keys(s, &k, 1);
}

/* "a b c+": names below the prefix and `below`, behind `after`; "+": there are more. */
static const char *
listed(struct storesuite *s, const char *below, const char *after, unsigned max)
{
    static char out[4096];
    struct vrv_store_call c = storesuite_call(s, VRV_STORE_LIST, key(s, below));
    size_t at = 0;

    c.after = after == NULL ? NULL : key(s, after);
    c.max = max;
    out[0] = '\0';
    if (storesuite_do(s, &c) < 0) {
        (void)snprintf(out, sizeof(out), "%s", c.err.msg);
        return out;
    }
    for (size_t i = 0; i < c.got; i++)
        at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%s", i > 0 ? " " : "",
            c.names[i].key + strlen(s->prefix));
    (void)snprintf(out + at, sizeof(out) - at, "%s", c.more ? "+" : "");
    vrv_store_names_free(&c);
    return out;
}

static uint8_t *
noise(size_t n, uint64_t seed)
{
    struct vrv_rand r = { seed };
    uint8_t *p = vrv_mem_zero(n);

    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)vrv_rand_next(&r);
    return p;
}

/* ---- what is written can be read ---- */

static void
test_put_get(struct storesuite *s)
{
    const char *k = key(s, "a/b-c/00000000000000000012.seg");
    uint8_t *bytes = noise(100000, 1), buf[100000];
    uint32_t crc = vrv_crc32c(0, bytes, 100000);

    IS(get(s, k, 0, buf, 10), VRV_E_NOTFOUND, "what isn't there can't be read");
    IS(verify(s, k, 100000, crc), VRV_E_NOTFOUND, "... nor verified");
    IS(storesuite_put(s, k, bytes, 100000), 0, "an object is written");
    IS(get(s, k, 0, buf, sizeof(buf)), 100000, "... and read");
    OK(memcmp(buf, bytes, 100000) == 0, "... as it was");
    IS(get(s, k, 70001, buf, 512), 512, "a range of it");
    OK(memcmp(buf, bytes + 70001, 512) == 0, "... is what is there");
    IS(get(s, k, 99999, buf, 512), 1, "a range over the end is cut");
    IS(get(s, k, 100000, buf, 512), 0, "... at the end it is empty");
    IS(get(s, k, 5000000, buf, 512), 0, "... and behind it");
    IS(verify(s, k, 100000, crc), 0, "it is what it should be");
    IS(verify(s, k, 99999, crc), VRV_E_CORRUPT, "... not with another size");
    IS(verify(s, k, 100000, crc ^ 1), VRV_E_CORRUPT, "... not with another checksum");
    IS(storesuite_put(s, k, bytes, 50), VRV_E_EXISTS, "it isn't replaced");
    IS(verify(s, k, 100000, crc), 0, "... and is as it was");
    IS(delete_one(s, k), 0, "it is deleted");
    IS(get(s, k, 0, buf, 1), VRV_E_NOTFOUND, "... and gone");
    IS(delete_one(s, k), 0, "... again is no error");
    free(bytes);
}

static void
test_empty(struct storesuite *s)
{
    const char *k = key(s, "empty");
    uint8_t byte;

    IS(storesuite_put(s, k, "", 0), 0, "an empty object");
    IS(get(s, k, 0, &byte, 1), 0, "... is read");
    IS(verify(s, k, 0, 0), 0, "... and verified");
    IS(delete_one(s, k), 0, "... and deleted");
}

static void
test_bad_calls(struct storesuite *s)
{
    static const char *const bad[] = { "", "/a", "a//b", "a/", "./a", "a/../b", "a b", "a\nb", "\xc3\xa4" };
    struct vrv_store_call c = storesuite_call(s, VRV_STORE_PUT, key(s, "x"));
    struct iovec iov;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        IS(storesuite_put(s, bad[i], "x", 1), VRV_E_INVALID, "no key (%d)", (int)i);
    set_body(&c, &iov, "xyz", 3);
    c.size = 4;
    IS(storesuite_do(s, &c), VRV_E_INVALID, "a body that isn't as long as said");
    OK(strstr(c.err.msg, "x: a body of 3 bytes, said to be 4") != NULL, "... is told: %s", c.err.msg);
}

/* ---- who is first ---- */

static void
test_race(struct storesuite *s)
{
    const char *k = key(s, "race");
    int winners = 0, losers = 0;

    for (int round = 0; round < ROUNDS; round++) {
        struct vrv_store_call c[RACERS];
        struct iovec iov[RACERS];
        uint8_t byte[RACERS];

        for (int i = 0; i < RACERS; i++) {
            c[i] = storesuite_call(s, VRV_STORE_PUT, k);
            byte[i] = (uint8_t)i;
            set_body(&c[i], &iov[i], &byte[i], 1);
            vrv_store_submit(s->store, &c[i]);
        }
        int winner = -1;
        for (int i = 0; i < RACERS; i++) {
            const struct vrv_store_call *one = next_done(s);

            winners += one->status == 0;
            losers += one->status == VRV_E_EXISTS;
            if (one->status == 0)
                winner = (int)(one - c);
        }
        uint8_t is = 255;
        if (get(s, k, 0, &is, 1) != 1 || is != winner || delete_one(s, k) < 0)
            winners += 1000;
    }
    IS(winners, ROUNDS, "of %d writers of one name, one is the first", RACERS);
    IS(losers, ROUNDS * (RACERS - 1), "... the others are told EXISTS");
}

/* ---- in parts ---- */

static int
write_part(struct storesuite *s, struct vrv_store_upload *u, const char *k, unsigned part,
    const uint8_t *bytes, size_t n)
{
    struct vrv_store_call c = storesuite_call(s, VRV_STORE_PART_N, k);
    struct iovec iov;

    set_body(&c, &iov, bytes, n);
    c.upload = u;
    c.part = part;
    return storesuite_do(s, &c);
}

static struct vrv_store_upload *
begin(struct storesuite *s, const char *k)
{
    struct vrv_store_call c = storesuite_call(s, VRV_STORE_BEGIN, k);

    IS(storesuite_do(s, &c), 0, "an upload begins");
    return c.upload;
}

static int
end(struct storesuite *s, struct vrv_store_upload *u, const char *k, uint64_t size, uint32_t crc)
{
    struct vrv_store_call c = storesuite_call(s, VRV_STORE_END, k);

    c.upload = u;
    c.size = size;
    c.crc = crc;
    return storesuite_do(s, &c);
}

static void
give_up(struct storesuite *s, struct vrv_store_upload *u, const char *k)
{
    struct vrv_store_call c = storesuite_call(s, VRV_STORE_ABORT, k);

    c.upload = u;
    IS(storesuite_do(s, &c), 0, "... the upload is aborted");
    vrv_store_upload_free(s->store, &u);
}

static void
test_parts(struct storesuite *s)
{
    const char *k = key(s, "large");
    size_t n = VRV_STORE_PART + 12345;
    uint8_t *bytes = noise(n, 2), buf[64];
    uint32_t crc = vrv_crc32c(0, bytes, n);
    struct vrv_store_upload *u = begin(s, k);

    IS(write_part(s, u, k, 1, bytes + VRV_STORE_PART, 12345), 0, "... the second part first");
    IS(get(s, k, 0, buf, 1), VRV_E_NOTFOUND, "... nobody sees it");
    IS(write_part(s, u, k, 0, bytes, VRV_STORE_PART), 0, "... then the first");
    IS(write_part(s, u, k, 1, bytes + VRV_STORE_PART, 12345), 0, "... the second again");
    IS(end(s, u, k, n + 1, crc), VRV_E_INVALID, "... not with a byte more");
    IS(end(s, u, k, n, crc), 0, "... and it is there");
    vrv_store_upload_free(s->store, &u);
    IS(verify(s, k, n, crc), 0, "... whole");
    IS(get(s, k, VRV_STORE_PART - 32, buf, 64), 64, "... a range over the seam");
    OK(memcmp(buf, bytes + VRV_STORE_PART - 32, 64) == 0, "... is what is there");
    u = begin(s, k);
    IS(write_part(s, u, k, 0, bytes, 1000), 0, "another one of that name");
    if (s->store->caps.atomic_end)
        IS(end(s, u, k, 1000, vrv_crc32c(0, bytes, 1000)), VRV_E_EXISTS, "... doesn't replace it");
    give_up(s, u, k);
    IS(verify(s, k, n, crc), 0, "... it is as it was");
    IS(delete_one(s, k), 0, "... until it is deleted");
    u = begin(s, k);
    IS(write_part(s, u, k, 0, bytes, 1000), 0, "one that is given up");
    give_up(s, u, k);
    IS(get(s, k, 0, buf, 1), VRV_E_NOTFOUND, "... was never there");
    u = begin(s, k);
    IS(write_part(s, u, k, 1, bytes, 1000), 0, "one without its first part");
    IS(end(s, u, k, VRV_STORE_PART + 1000, 0), VRV_E_INVALID, "... isn't complete");
    give_up(s, u, k);
    free(bytes);
}

static void
test_sweep(struct storesuite *s)
{
    const char *k = key(s, "swept");
    struct vrv_store_call c = storesuite_call(s, VRV_STORE_SWEEP, NULL);
    struct vrv_store_upload *u = begin(s, k);
    uint8_t byte = 1;

    c.older_ms = -3600000;
    IS(storesuite_do(s, &c), 0, "all that died writes left is swept");
    IS(write_part(s, u, k, 0, &byte, 1), 0, "... not what goes on");
    IS(end(s, u, k, 1, vrv_crc32c(0, &byte, 1)), 0, "... which is ended");
    vrv_store_upload_free(s->store, &u);
    IS(delete_one(s, k), 0, "... and there");
}

/* ---- lists ---- */

static void
test_list(struct storesuite *s)
{
    static const char *const names[] = { "l/a", "l/a-b", "l/a.b/c", "l/a/b", "l/a/b-1", "l/a0", "l/b/1/2/3",
        "l/b/1/2/4", "l/c", "m/x" };
    size_t n = sizeof(names) / sizeof(names[0]);
    char *keys[sizeof(names) / sizeof(names[0])];

    IS_STR(listed(s, "", NULL, 10), "", "nothing is there");
    for (size_t i = n; i-- > 0;)
        keys[i] = vrv_mem_strdup(key(s, names[i]));
    for (size_t i = 0; i < n; i++) /* in a directory "l/a" can't be both, an object and a directory */
        if (strcmp(names[i], "l/a") != 0)
            IS(storesuite_put(s, keys[i], names[i], strlen(names[i])), 0, "%s", names[i]);
    IS_STR(listed(s, "", NULL, 100),
        "l/a-b l/a.b/c l/a/b l/a/b-1 l/a0 l/b/1/2/3 l/b/1/2/4 l/c m/x", "all, in order of bytes");
    IS_STR(listed(s, "l/a/", NULL, 100), "l/a/b l/a/b-1", "below a directory");
    IS_STR(listed(s, "l/a", NULL, 100), "l/a-b l/a.b/c l/a/b l/a/b-1 l/a0", "by the beginning of a name");
    IS_STR(listed(s, "l/b/1/2/3", NULL, 100), "l/b/1/2/3", "by all of it");
    IS_STR(listed(s, "nothing/", NULL, 100), "", "where there is none");
    IS_STR(listed(s, "l/", NULL, 3), "l/a-b l/a.b/c l/a/b+", "a few, and more");
    IS_STR(listed(s, "l/", "l/a/b", 3), "l/a/b-1 l/a0 l/b/1/2/3+", "... from there on");
    IS_STR(listed(s, "l/", "l/b/1/2/3", 3), "l/b/1/2/4 l/c", "... to the end");
    IS_STR(listed(s, "l/", "l/zzz", 3), "", "behind the end");
    IS_STR(listed(s, "l/", "l/a/", 1), "l/a/b+", "from a place between");
    IS(delete_keys(s, (const char *const *)keys, (unsigned)n), 0,
        "many are deleted at once, also what isn't there");
    IS_STR(listed(s, "", NULL, 10), "", "... all of them");
    for (size_t i = 0; i < n; i++)
        free(keys[i]);
}

/* Some at a time; how many failed. */
static int
put_many(struct storesuite *s, const char *const *keys, unsigned n)
{
    struct vrv_store_call c[RACERS];
    struct iovec iov[RACERS];
    int number[RACERS], failed = 0;

    for (unsigned i = 0; i < n; i += RACERS) {
        unsigned some = n - i < RACERS ? n - i : RACERS;

        for (unsigned k = 0; k < some; k++) {
            c[k] = storesuite_call(s, VRV_STORE_PUT, keys[i + k]);
            number[k] = (int)(i + k);
            set_body(&c[k], &iov[k], &number[k], sizeof(number[k]));
            vrv_store_submit(s->store, &c[k]);
        }
        for (unsigned k = 0; k < some; k++)
            failed += next_done(s)->status < 0;
    }
    return failed;
}

static void
test_many(struct storesuite *s)
{
    unsigned many = s->many > 0 ? s->many : MANY, page = many * 3 / 10;
    char (*name)[VRV_STORE_KEY_MAX + 64] = vrv_mem_zero(many * sizeof(*name));
    const char **keys = vrv_mem_zero(many * sizeof(*keys));
    int failed;
    char after[VRV_STORE_KEY_MAX + 64] = "";
    size_t seen = 0, pages = 0, got;

    for (unsigned i = 0; i < many; i++) {
        (void)snprintf(name[i], sizeof(name[i]), "%smany/%04u", s->prefix, i);
        keys[i] = name[i];
    }
    failed = put_many(s, keys, many);
    IS(failed, 0, "%u objects", many);
    do {
        struct vrv_store_call c = storesuite_call(s, VRV_STORE_LIST, key(s, "many/"));

        c.after = after;
        c.max = page;
        failed += storesuite_do(s, &c) < 0;
        got = c.got;
        for (size_t i = 0; i < got; i++, seen++)
            failed += strcmp(c.names[i].key, keys[seen]) != 0 || c.names[i].size != sizeof(int);
        if (got > 0)
            (void)snprintf(after, sizeof(after), "%s", c.names[got - 1].key);
        pages++;
        vrv_store_names_free(&c);
    } while (got == page && failed == 0);
    IS(failed, 0, "... are listed, in order, with their sizes");
    IS(seen, (size_t)many, "... each once");
    IS(pages, (size_t)4, "... in pages");
    IS(delete_keys(s, keys, many), 0, "... and deleted at once");
    IS_STR(listed(s, "", NULL, 10), "", "... all of them");
    free(keys);
    free(name);
}

/* Who runs it on a store of his is told what is wrong with that, once. */
static void
need_store(struct storesuite *s)
{
    struct vrv_store_call c = storesuite_call(s, VRV_STORE_LIST, s->prefix);

    c.max = 1;
    int rc = storesuite_do(s, &c);
    tap_need(rc, c.err.msg);
    if (c.got > 0)
        tap_bail("%s is there already: the suite wants a place that is empty", c.names[0].key);
    vrv_store_names_free(&c);
}

void
storesuite_run(struct storesuite *s)
{
    VRV_ASSERT(vrv_cq_init(&s->cq, 0) == 0);
    need_store(s);
    test_put_get(s);
    test_empty(s);
    test_bad_calls(s);
    test_race(s);
    test_parts(s);
    if (s->shared_clock)
        test_sweep(s);
    test_list(s);
    test_many(s);
    vrv_cq_fini(&s->cq);
}
