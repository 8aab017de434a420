/* One small object: written, read, deleted; what may not be done to it; names. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tiering/check/check_int.h"

enum { SMALL = VRV__CHECK_SMALL };

static int
none(void *ctx, const struct vrv_store_name *name)
{
    (void)ctx;
    (void)name;
    return 0;
}

int
vrv__check_answers(struct vrv__check *c)
{
    struct vrv_store_call call = { .op = VRV_STORE_LIST, .lane = VRV_STORE_READ, .key = "check/", .max = 1 };
    int64_t began = vrv__check_now_us(c);
    struct vrv_err e;
    int rc = vrv__check_once(c, &call);

    e = call.err;
    vrv_store_names_free(&call);
    if (rc == VRV_E_BUSY || rc == VRV_E_IO || rc == VRV_E_TIMEDOUT)
        rc = vrv_sync_list(&c->sync, "check/", none, NULL, &e);
    if (rc < 0) {
        c->gives_up = true;
        vrv__check_says(c, "%s", e.msg);
        return rc;
    }
    int64_t us = vrv__check_now_us(c) - began;
    vrv__check_says(c, "it lists names, within %.1f ms", (double)us / 1000);
    vrv__check_figure(c, "answer_us", us);
    return 0;
}

int
vrv__check_writes(struct vrv__check *c)
{
    uint8_t bytes[SMALL];
    struct iovec iov;

    vrv__check_fill(c, bytes, sizeof(bytes));
    struct vrv_store_call put =
        vrv__check_put(vrv__check_key(c, "first"), &iov, bytes, sizeof(bytes), false);
    if (vrv_sync_call(&c->sync, &put) < 0) {
        c->gives_up = true;
        return vrv__check_refused(c, put.status, &put.err, "an object can't be written");
    }
    vrv__check_says(c, "an object of %d bytes", SMALL);
    return 0;
}

int
vrv__check_reads(struct vrv__check *c)
{
    uint8_t bytes[SMALL], buf[SMALL + 1];
    struct iovec iov;
    struct vrv_err e;
    const char *key = vrv__check_key(c, "read");

    vrv__check_fill(c, bytes, sizeof(bytes));
    struct vrv_store_call put = vrv__check_put(key, &iov, bytes, sizeof(bytes), false);
    if (vrv_sync_call(&c->sync, &put) < 0)
        return vrv__check_refused(c, put.status, &put.err, "an object can't be written");
    int64_t n = vrv__check_get(c, key, 0, buf, sizeof(buf), &e);
    if (n == VRV_E_NOTFOUND)
        return vrv__check_fails(c, "what was written a moment ago isn't there: the store shows it later, or "
            "reads go elsewhere than writes; it must show an object as soon as it says that it has it");
    if (n < 0)
        return vrv__check_refused(c, (int)n, &e, "it can't be read");
    if (n != SMALL || memcmp(bytes, buf, SMALL) != 0)
        return vrv__check_fails(c, "of %d bytes %" PRId64 " came back, and others than were written: something "
            "between here and the store changes them", SMALL, n);
    n = vrv__check_get(c, vrv__check_key(c, "never-written"), 0, buf, 1, &e);
    if (n >= 0)
        return vrv__check_fails(c, "what isn't there can be read: something between here and the store answers "
            "for it");
    if (n != VRV_E_NOTFOUND)
        return vrv__check_refused(c, (int)n, &e, "what isn't there isn't said to be so");
    vrv__check_says(c, "what is there comes back as it was written, what isn't is said to be so");
    return 0;
}

/* What can't be deleted would stay behind: nothing more is written then. */
int
vrv__check_deletes(struct vrv__check *c)
{
    uint8_t byte;
    struct vrv_err e;
    const char *key = vrv__check_key(c, "read");
    const char *const keys[] = { key, vrv__check_key(c, "never-written") };
    int rc = vrv__check_delete(c, keys, 2, &e);

    if (rc < 0) {
        c->gives_up = true;
        return vrv__check_refused(c, rc, &e, "an object can't be deleted");
    }
    int64_t n = vrv__check_get(c, key, 0, &byte, 1, &e);
    if (n >= 0) {
        c->gives_up = true;
        return vrv__check_fails(c, "an object is still there when it was deleted: a cache lies between, or the "
            "store keeps old versions readable");
    }
    if (n != VRV_E_NOTFOUND)
        return vrv__check_refused(c, (int)n, &e, "what was deleted isn't said to be so");
    vrv__check_says(c, "several in one request; what isn't there is no error");
    return 0;
}

int
vrv__check_absent(struct vrv__check *c)
{
    uint8_t first[SMALL], other[SMALL], buf[SMALL];
    struct iovec iov;
    struct vrv_err e;
    const char *key = vrv__check_key(c, "absent");

    vrv__check_fill(c, first, sizeof(first));
    vrv__check_fill(c, other, sizeof(other));
    struct vrv_store_call put = vrv__check_put(key, &iov, first, sizeof(first), true);
    if (vrv_sync_call(&c->sync, &put) < 0)
        return vrv__check_refused(c, put.status, &put.err, "an object can't be written if there is none");
    put = vrv__check_put(key, &iov, other, sizeof(other), true);
    int rc = vrv__check_once(c, &put);
    if (rc != 0 && rc != VRV_E_EXISTS)
        rc = vrv_sync_call(&c->sync, &put);
    int64_t n = vrv__check_get(c, key, 0, buf, sizeof(buf), &e);
    if (n < 0)
        return vrv__check_refused(c, (int)n, &e, "it can't be read");
    if (rc == 0 || n != SMALL || memcmp(buf, first, SMALL) != 0)
        return vrv__check_fails(c, "an object was replaced by one that was to be written only if there is none: "
            "this store, or a proxy before it, ignores that (If-None-Match: *). varve can't use it: a server "
            "that has lost the store could overwrite what the one that owns it has written");
    if (rc != VRV_E_EXISTS)
        return vrv__check_refused(c, rc, &put.err, "the second writer of a name isn't told that there is one");
    vrv__check_says(c, "an object is not replaced by who writes only if there is none, and who does is told");
    return 0;
}

/* A range of an object: so many bytes from there on are expected. */
static int
range(struct vrv__check *c, const char *key, const uint8_t *bytes, uint64_t pos, size_t n, size_t expected)
{
    uint8_t buf[SMALL];
    struct vrv_err e;
    int64_t got = vrv__check_get(c, key, pos, buf, n, &e);

    if (got < 0)
        return vrv__check_refused(c, (int)got, &e, "a range can't be read");
    if (got == (int64_t)expected && memcmp(buf, bytes + (expected > 0 ? pos : 0), expected) == 0)
        return 0;
    return vrv__check_fails(c, "%zu bytes from %" PRIu64 " on were asked for, and %" PRId64 " others came than "
        "are there: something between here and the store doesn't know ranges", n, pos, got);
}

int
vrv__check_ranges(struct vrv__check *c)
{
    uint8_t bytes[SMALL];
    struct iovec iov;
    const char *key = vrv__check_key(c, "ranges");

    vrv__check_fill(c, bytes, sizeof(bytes));
    struct vrv_store_call put = vrv__check_put(key, &iov, bytes, sizeof(bytes), false);
    if (vrv_sync_call(&c->sync, &put) < 0)
        return vrv__check_refused(c, put.status, &put.err, "an object can't be written");
    int rc = range(c, key, bytes, 0, 1, 1);
    if (rc == 0)
        rc = range(c, key, bytes, 300, 500, 500);
    if (rc == 0)
        rc = range(c, key, bytes, SMALL - 10, 100, 10);
    if (rc == 0)
        rc = range(c, key, bytes, SMALL, 100, 0);
    if (rc == 0)
        vrv__check_says(c, "parts of an object, also over its end");
    return rc;
}

int
vrv__check_verifies(struct vrv__check *c)
{
    uint8_t bytes[SMALL];
    struct iovec iov;
    const char *key = vrv__check_key(c, "verified");

    vrv__check_fill(c, bytes, sizeof(bytes));
    struct vrv_store_call put = vrv__check_put(key, &iov, bytes, sizeof(bytes), false);
    if (vrv_sync_call(&c->sync, &put) < 0)
        return vrv__check_refused(c, put.status, &put.err, "an object can't be written");
    struct vrv_store_call good = { .op = VRV_STORE_VERIFY, .lane = VRV_STORE_READ, .key = key, .size = SMALL,
        .crc = put.crc }, bad = good;
    bad.crc ^= 1;
    if (vrv_sync_call(&c->sync, &good) < 0)
        return vrv__check_refused(c, good.status, &good.err, "what was written isn't found to be that");
    if (vrv_sync_call(&c->sync, &bad) != VRV_E_CORRUPT)
        return vrv__check_fails(c, "another checksum than its own is taken for an object's: damage would not be "
            "found when segments are uploaded");
    vrv__check_says(c, "what was uploaded is verified by what the store keeps of it, or by reading it");
    return 0;
}

/* ---- names ---- */

static int
write_name(struct vrv__check *c, const char *name)
{
    const char *key = vrv__check_key(c, name);
    uint8_t buf[VRV_STORE_KEY_MAX + 1];
    struct iovec iov;
    struct vrv_err e;
    char what[120];
    size_t n = strlen(key);
    struct vrv_store_call put = vrv__check_put(key, &iov, (const uint8_t *)key, n, true);

    (void)snprintf(what, sizeof(what), "%.80s (%zu bytes)", key, n);
    if (vrv_sync_call(&c->sync, &put) < 0)
        return vrv__check_refused(c, put.status, &put.err, what);
    int64_t got = vrv__check_get(c, key, 0, buf, sizeof(buf), &e);
    if (got < 0)
        return vrv__check_refused(c, (int)got, &e, what);
    return got == (int64_t)n && memcmp(buf, key, n) == 0
        ? 0
        : vrv__check_fails(c, "%s holds another object's bytes: names are changed on the way", what);
}

int
vrv__check_names(struct vrv__check *c)
{
    char longest[VRV_STORE_KEY_MAX + 1], part[256];
    int room = VRV_STORE_KEY_MAX - (int)strlen(c->prefix);
    const char *const names[] = { "n/UPPER", "n/upper", "n/a.b", "n/a-b_c", "n/-", "n/...", "n/0.part",
        "n/a/b/c/d/e/f/g/h", part, longest };
    int rc = 0;

    (void)snprintf(part, sizeof(part), "%0255d", 7);
    (void)snprintf(longest, sizeof(longest), "%0200d/%0200d/%0*d", 1, 2, room - 402, 3);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rc == 0; i++)
        rc = write_name(c, names[i]);
    if (rc == 0)
        vrv__check_says(c, "all that varve uses: large and small letters apart, dots, %d bytes", VRV_STORE_KEY_MAX);
    return rc;
}
