#include "tiering/check/check_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"

static const int64_t MS = 1000000;

/* ---- what a check says ---- */

static void VRV_PRINTF(2, 0)
say(struct vrv__check *c, const char *fmt, va_list ap)
{
    (void)vsnprintf(c->line.text, sizeof(c->line.text), fmt, ap);
}

void
vrv__check_says(struct vrv__check *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(c, fmt, ap);
    va_end(ap);
}

void
vrv__check_notes(struct vrv__check *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(c, fmt, ap);
    va_end(ap);
    c->line.result = VRV_CHECK_NOTE;
}

int
vrv__check_fails(struct vrv__check *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(c, fmt, ap);
    va_end(ap);
    return VRV_E_CORRUPT;
}

int
vrv__check_refused(struct vrv__check *c, int status, const struct vrv_err *e, const char *what)
{
    vrv__check_says(c, "%s: %s", what, e->msg[0] != '\0' ? e->msg : vrv_err_text(status));
    return status;
}

void
vrv__check_figure(struct vrv__check *c, const char *name, int64_t value)
{
    VRV_ASSERT(c->line.figure_n < VRV_CHECK_FIGURES);
    c->line.figure[c->line.figure_n].name = name;
    c->line.figure[c->line.figure_n++].value = value;
}

static void
tell_progress(const struct vrv__check *c)
{
    if (c->o.progress != NULL && c->total > 0)
        c->o.progress(c->o.ctx, c->done, c->total);
}

void
vrv__check_goal(struct vrv__check *c, uint64_t bytes)
{
    c->total = bytes;
    tell_progress(c);
}

/* ---- the store ---- */

int64_t
vrv__check_now_us(const struct vrv__check *c)
{
    return c->o.clock->mono_ns(c->o.clock) / 1000;
}

const char *
vrv__check_key(struct vrv__check *c, const char *name)
{
    char key[VRV_STORE_KEY_MAX + 1];

    (void)snprintf(key, sizeof(key), "%s%s", c->prefix, name);
    for (unsigned i = 0; i < c->key_n; i++)
        if (strcmp(c->key[i], key) == 0)
            return c->key[i];
    VRV_ASSERT(c->key_n < VRV__CHECK_KEYS);
    return c->key[c->key_n++] = vrv_mem_strdup(key);
}

void
vrv__check_fill(struct vrv__check *c, uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        uint64_t r = vrv_rand_next(&c->random);

        memcpy(p + i, &r, n - i < 8 ? n - i : 8);
    }
}

struct vrv_store_call
vrv__check_put(const char *key, struct iovec *iov, const uint8_t *p, size_t n, bool if_absent)
{
    *iov = (struct iovec){ (void *)(uintptr_t)p, n };
    return (struct vrv_store_call){ .op = VRV_STORE_PUT, .lane = VRV_STORE_UPLOAD, .key = key, .iov = iov,
        .iov_n = 1, .size = n, .crc = vrv_crc32c(0, p, n), .if_absent = if_absent };
}

/* Calls that are waited for together. */
struct together {
    struct vrv__check *c;
    unsigned left;
    bool done;
};

struct one {
    struct vrv_store_call call;
    struct together *all;
};

static void
ended(struct vrv_done *d)
{
    struct one *one = VRV_LIST_OF(d, struct one, call.done);
    struct together *all = one->all;

    all->done = --all->left == 0;
    all->c->done += one->call.size;
    tell_progress(all->c);
}

void
vrv__check_all(struct vrv__check *c, struct vrv_store_call *calls, unsigned n, bool tries)
{
    struct together all = { c, n, false };
    struct one *one = vrv_mem_zero(n * sizeof(*one));

    for (unsigned i = 0; i < n; i++) {
        one[i] = (struct one){ calls[i], &all };
        one[i].call.done = (struct vrv_done){ .cq = &c->sync.cq, .run = ended };
        one[i].call.deadline_ns = c->o.clock->mono_ns(c->o.clock) + c->o.call_ms * MS;
        if (tries)
            vrv_retry_submit(c->sync.retry, &one[i].call);
        else
            vrv_store_submit(c->o.store, &one[i].call);
    }
    vrv_sync_wait(&c->sync, &all.done);
    for (unsigned i = 0; i < n; i++)
        calls[i] = one[i].call;
    free(one);
}

int
vrv__check_once(struct vrv__check *c, struct vrv_store_call *call)
{
    vrv__check_all(c, call, 1, false);
    return call->status;
}

int64_t
vrv__check_get(struct vrv__check *c, const char *key, uint64_t pos, uint8_t *buf, size_t n,
    struct vrv_err *e)
{
    struct vrv_store_call call = { .op = VRV_STORE_GET, .lane = VRV_STORE_READ, .key = key, .pos = pos,
        .buf = buf, .size = n };
    int rc = vrv_sync_call(&c->sync, &call);

    *e = call.err;
    return rc < 0 ? rc : (int64_t)call.got;
}

int
vrv__check_delete(struct vrv__check *c, const char *const *keys, unsigned n, struct vrv_err *e)
{
    struct vrv_store_call call = { .op = VRV_STORE_DELETE, .lane = VRV_STORE_HOUSEKEEPING, .keys = keys,
        .max = n };
    int rc = vrv_sync_call(&c->sync, &call);

    *e = call.err;
    return rc;
}

/* ---- one after the other ---- */

static const struct {
    const char *name;
    vrv__check_fn *run;
    bool loads;         /* only where figures are wanted */
} checks[] = {
    { "answers", vrv__check_answers, false },
    { "writes", vrv__check_writes, false },
    { "reads", vrv__check_reads, false },
    { "deletes", vrv__check_deletes, false },
    { "if absent", vrv__check_absent, false },
    { "race", vrv__check_race, false },
    { "ranges", vrv__check_ranges, false },
    { "checksums", vrv__check_verifies, false },
    { "names", vrv__check_names, false },
    { "lists", vrv__check_lists, false },
    { "parts", vrv__check_parts, false },
    { "clock", vrv__check_clock, false },
    { "latency", vrv__check_latency, true },
    { "throughput", vrv__check_throughput, true },
};

enum { CHECKS = sizeof(checks) / sizeof(checks[0]) };

static void
tell(struct vrv__check *c, int status, struct vrv_check_counts *counts, int *first, struct vrv_err *e)
{
    struct vrv_check_line *l = &c->line;

    if (status < 0) {
        l->result = VRV_CHECK_FAILED;
        l->status = status;
        if (*first == 0)
            *first = vrv_err_set(e, status, "%s: %.200s", l->name, l->text);
    }
    counts->ok += l->result == VRV_CHECK_OK;
    counts->notes += l->result == VRV_CHECK_NOTE;
    counts->failed += l->result == VRV_CHECK_FAILED;
    c->o.line(c->o.ctx, l);
}

static void
begin(struct vrv__check *c, const char *name)
{
    c->line = (struct vrv_check_line){ .name = name };
    c->done = c->total = 0;
    if (c->o.begins != NULL)
        c->o.begins(c->o.ctx, name);
}

int
vrv__check_stops(const struct vrv__check *c)
{
    return c->o.stops != NULL && c->o.stops(c->o.ctx) ? VRV_E_CANCELLED : 0;
}

/* ---- nothing stays behind ---- */

static int
count_name(void *ctx, const struct vrv_store_name *name)
{
    (void)name;
    ++*(unsigned *)ctx;
    return 0;
}

/* What is remembered goes; a list says whether more was there. */
static int
clean_up(struct vrv__check *c)
{
    unsigned left = 0;
    struct vrv_err e;
    int rc = 0;

    for (unsigned i = 0; i < c->key_n && rc == 0; i += VRV_STORE_DELETE_MAX) {
        unsigned n = c->key_n - i < VRV_STORE_DELETE_MAX ? c->key_n - i : VRV_STORE_DELETE_MAX;

        rc = vrv__check_delete(c, (const char *const *)c->key + i, n, &e);
    }
    if (rc == 0)
        rc = vrv_sync_list(&c->sync, c->prefix, count_name, &left, &e);
    if (rc < 0) {
        vrv__check_says(c, "what was written below %s may still be there, delete it yourself: %s", c->prefix,
            e.msg);
        return rc;
    }
    if (left > 0) /* a list may be late */
        vrv__check_notes(c, "%u names below %s are still listed, though they were deleted", left, c->prefix);
    else
        vrv__check_says(c, "nothing is left of %u objects", c->key_n);
    return 0;
}

static void
name_prefix(struct vrv__check *c)
{
    (void)snprintf(c->prefix, sizeof(c->prefix), VRV__CHECK_NAME,
        c->o.clock->wall_ms(c->o.clock), vrv_rand_next(&c->random));
}

int
vrv_check(const struct vrv_check_opts *o, struct vrv_check_counts *counts, struct vrv_err *e)
{
    struct vrv__check *c = VRV_NEW(struct vrv__check);
    int first = 0;

    *counts = (struct vrv_check_counts){ .ok = 0 };
    c->o = *o;
    c->random = (struct vrv_rand){ o->random };
    vrv_sync_init(&c->sync, o->store, o->clock, o->random, o->call_ms);
    name_prefix(c);
    for (unsigned i = 0; i < CHECKS && !c->gives_up && !counts->interrupted; i++) {
        if (checks[i].loads && o->load_bytes == 0)
            continue;
        begin(c, checks[i].name);
        int rc = vrv__check_stops(c);
        if (rc == 0)
            rc = checks[i].run(c);
        counts->interrupted = rc == VRV_E_CANCELLED;
        if (!counts->interrupted)
            tell(c, rc, counts, &first, e);
    }
    if (c->key_n > 0) {
        begin(c, "clean-up");
        tell(c, clean_up(c), counts, &first, e);
    }
    for (unsigned i = 0; i < c->key_n; i++)
        free(c->key[i]);
    vrv_sync_fini(&c->sync);
    free(c);
    if (first == 0 && counts->interrupted)
        return vrv_err_set(e, VRV_E_CANCELLED, "interrupted");
    return first;
}
