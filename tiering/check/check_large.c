/* Large objects, in parts; how long things take, and how fast bytes go. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "tiering/check/check_int.h"

enum { TAIL = 1 << 20, SAMPLES = 20, AT_ONCE = 4, RANGE = 8 << 20 };

/* ---- an upload ---- */

static int
upload_call(struct vrv__check *c, struct vrv_store_upload **u, const char *key, enum vrv_store_op op,
    uint64_t size, uint32_t crc, struct vrv_err *e)
{
    struct vrv_store_call call = { .op = op, .lane = VRV_STORE_UPLOAD, .key = key, .upload = *u, .size = size,
        .crc = crc };
    int rc = vrv_sync_call(&c->sync, &call);

    *e = call.err;
    if (op == VRV_STORE_BEGIN && rc == 0)
        *u = call.upload;
    return rc;
}

/* Its parts, so many at a time; the first failure. */
static int
send_parts(struct vrv__check *c, struct vrv_store_upload *u, const char *key, const uint8_t *p, uint64_t size,
    struct vrv_err *e)
{
    unsigned n = (unsigned)((size + VRV_STORE_PART - 1) / VRV_STORE_PART);
    struct vrv_store_call part[AT_ONCE];
    struct iovec iov[AT_ONCE];

    for (unsigned i = 0; i < n; i += AT_ONCE) {
        unsigned some = n - i < AT_ONCE ? n - i : AT_ONCE;

        if (vrv__check_stops(c) < 0)
            return VRV_E_CANCELLED;
        for (unsigned k = 0; k < some; k++) {
            uint64_t at = (uint64_t)(i + k) * VRV_STORE_PART;
            size_t len = size - at < VRV_STORE_PART ? (size_t)(size - at) : VRV_STORE_PART;

            part[k] = vrv__check_put(key, &iov[k], p + at, len, false);
            part[k].op = VRV_STORE_PART_N;
            part[k].upload = u;
            part[k].part = i + k;
        }
        vrv__check_all(c, part, some, true);
        for (unsigned k = 0; k < some; k++)
            if (part[k].status < 0) {
                *e = part[k].err;
                return part[k].status;
            }
    }
    return 0;
}

/* An object in parts; what isn't ended is aborted. */
static int
upload(struct vrv__check *c, const char *key, const uint8_t *p, uint64_t size, bool ends, struct vrv_err *e)
{
    struct vrv_store_upload *u = NULL;
    struct vrv_err why;
    int rc = upload_call(c, &u, key, VRV_STORE_BEGIN, 0, 0, e);

    if (rc < 0)
        return rc;
    rc = send_parts(c, u, key, p, size, e);
    if (rc == 0 && ends)
        rc = upload_call(c, &u, key, VRV_STORE_END, size, vrv_crc32c(0, p, size), e);
    if (rc < 0 || !ends) {
        int aborted = upload_call(c, &u, key, VRV_STORE_ABORT, 0, 0, rc == 0 ? e : &why);

        rc = rc == 0 ? aborted : rc;
    }
    vrv_store_upload_free(c->o.store, &u);
    return rc;
}

/* ---- parts ---- */

/* Over the border between two of them. */
static int
check_border(struct vrv__check *c, const char *key, const uint8_t *p)
{
    uint8_t buf[64];
    struct vrv_err e;
    int64_t n = vrv__check_get(c, key, VRV_STORE_PART - 32, buf, sizeof(buf), &e);

    if (n < 0)
        return vrv__check_refused(c, (int)n, &e, "it can't be read");
    return n == sizeof(buf) && memcmp(buf, p + VRV_STORE_PART - 32, sizeof(buf)) == 0
        ? 0
        : vrv__check_fails(c, "what was uploaded in parts isn't in their order: varve can't use this store");
}

static int
check_upload(struct vrv__check *c, const uint8_t *p, uint64_t size)
{
    const char *key = vrv__check_key(c, "parts"), *aborted = vrv__check_key(c, "aborted");
    struct vrv_store_call verify = { .op = VRV_STORE_VERIFY, .lane = VRV_STORE_READ, .key = key, .size = size,
        .crc = vrv_crc32c(0, p, size) };
    struct vrv_err e;
    uint8_t byte;
    int rc = upload(c, key, p, size, true, &e);

    if (rc < 0)
        return vrv__check_refused(c, rc, &e, "an object can't be uploaded in parts");
    if (vrv_sync_call(&c->sync, &verify) < 0)
        return vrv__check_refused(c, verify.status, &verify.err, "what was uploaded isn't found to be that");
    if ((rc = check_border(c, key, p)) < 0)
        return rc;
    if ((rc = upload(c, aborted, p, TAIL, false, &e)) < 0)
        return vrv__check_refused(c, rc, &e, "an upload can't be aborted");
    int64_t n = vrv__check_get(c, aborted, 0, &byte, 1, &e);
    if (n >= 0)
        return vrv__check_fails(c, "an upload that was aborted is an object: half of a segment would be taken "
            "for one");
    if (n != VRV_E_NOTFOUND)
        return vrv__check_refused(c, (int)n, &e, "what was aborted isn't said to be absent");
    vrv__check_says(c, "an object of two is whole and in order; one that was aborted is not there");
    return 0;
}

int
vrv__check_parts(struct vrv__check *c)
{
    uint64_t size = VRV_STORE_PART + TAIL;
    uint8_t *p = vrv_mem_zero((size_t)size);

    vrv__check_fill(c, p, (size_t)size);
    vrv__check_goal(c, size + TAIL);
    int rc = check_upload(c, p, size);
    free(p);
    return rc;
}

/* ---- figures ---- */

static int
by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

int
vrv__check_latency(struct vrv__check *c)
{
    int64_t put_us[SAMPLES], get_us[SAMPLES];
    uint8_t bytes[VRV__CHECK_SMALL];
    struct iovec iov;
    struct vrv_err e;
    char name[32];

    vrv__check_fill(c, bytes, sizeof(bytes));
    for (unsigned i = 0; i < SAMPLES; i++) {
        if (vrv__check_stops(c) < 0)
            return VRV_E_CANCELLED;
        (void)snprintf(name, sizeof(name), "latency/%u", i);
        const char *key = vrv__check_key(c, name);
        int64_t began = vrv__check_now_us(c);
        struct vrv_store_call put = vrv__check_put(key, &iov, bytes, sizeof(bytes), true);

        if (vrv_sync_call(&c->sync, &put) < 0)
            return vrv__check_refused(c, put.status, &put.err, "an object can't be written");
        int64_t between = vrv__check_now_us(c);
        int64_t n = vrv__check_get(c, key, 0, bytes, sizeof(bytes), &e);
        if (n < 0)
            return vrv__check_refused(c, (int)n, &e, "it can't be read");
        put_us[i] = between - began;
        get_us[i] = vrv__check_now_us(c) - between;
    }
    qsort(put_us, SAMPLES, sizeof(put_us[0]), by_value);
    qsort(get_us, SAMPLES, sizeof(get_us[0]), by_value);
    vrv__check_figure(c, "write_median_us", put_us[SAMPLES / 2]);
    vrv__check_figure(c, "write_slowest_us", put_us[SAMPLES - 1]);
    vrv__check_figure(c, "read_median_us", get_us[SAMPLES / 2]);
    vrv__check_figure(c, "read_slowest_us", get_us[SAMPLES - 1]);
    vrv__check_says(c, "%d bytes: written in %.1f ms (slowest of %d: %.1f), read in %.1f ms (%.1f)",
        VRV__CHECK_SMALL, (double)put_us[SAMPLES / 2] / 1000, SAMPLES, (double)put_us[SAMPLES - 1] / 1000,
        (double)get_us[SAMPLES / 2] / 1000, (double)get_us[SAMPLES - 1] / 1000);
    return 0;
}

/* All of it, some ranges at once. */
static int
read_all(struct vrv__check *c, const char *key, uint8_t *buf, uint64_t size, struct vrv_err *e)
{
    struct vrv_store_call get[AT_ONCE];

    for (uint64_t at = 0; at < size;) {
        unsigned n = 0;

        if (vrv__check_stops(c) < 0)
            return VRV_E_CANCELLED;
        for (; n < AT_ONCE && at < size; n++, at += get[n - 1].size)
            get[n] = (struct vrv_store_call){ .op = VRV_STORE_GET, .lane = VRV_STORE_READ, .key = key,
                .pos = at, .buf = buf + at, .size = size - at < RANGE ? size - at : RANGE };
        vrv__check_all(c, get, n, true);
        for (unsigned i = 0; i < n; i++)
            if (get[i].status < 0 || get[i].got != get[i].size) {
                *e = get[i].err;
                return get[i].status < 0 ? get[i].status
                                         : vrv_err_set(e, VRV_E_CORRUPT, "fewer bytes came than are there");
            }
    }
    return 0;
}

static int
measure(struct vrv__check *c, uint8_t *p, uint8_t *back, uint64_t size)
{
    const char *key = vrv__check_key(c, "load");
    struct vrv_err e;
    int64_t began = vrv__check_now_us(c);
    int rc = upload(c, key, p, size, true, &e);

    if (rc < 0)
        return vrv__check_refused(c, rc, &e, "an object can't be uploaded in parts");
    int64_t between = vrv__check_now_us(c);
    rc = read_all(c, key, back, size, &e);
    if (rc < 0)
        return vrv__check_refused(c, rc, &e, "it can't be read");
    int64_t put_us = between - began + 1, get_us = vrv__check_now_us(c) - between + 1;
    if (memcmp(p, back, (size_t)size) != 0)
        return vrv__check_fails(c, "%" PRIu64 " bytes came back with others among them: something between here "
            "and the store changes them", size);
    vrv__check_figure(c, "bytes", (int64_t)size);
    vrv__check_figure(c, "write_bytes_per_second", (int64_t)((double)size * 1e6 / (double)put_us));
    vrv__check_figure(c, "read_bytes_per_second", (int64_t)((double)size * 1e6 / (double)get_us));
    vrv__check_says(c, "%.0f MiB: written at %.1f MiB/s in parts, read at %.1f MiB/s in ranges, %d at once",
        (double)size / 1048576, (double)size / 1.048576 / (double)put_us, (double)size / 1.048576 / (double)get_us,
        AT_ONCE);
    return 0;
}

int
vrv__check_throughput(struct vrv__check *c)
{
    size_t size = (size_t)c->o.load_bytes;
    uint8_t *p = vrv_mem_zero(size), *back = vrv_mem_zero(size);

    vrv__check_fill(c, p, size);
    vrv__check_goal(c, 2 * (uint64_t)size);
    int rc = measure(c, p, back, size);
    free(p);
    free(back);
    return rc;
}
