/* Lists: order, pages, freshness; and what time the store has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tiering/check/check_int.h"

enum { NAMES = 25, PAGE = 7, TRIES = 100, SKEW_MS = 5000 };

struct seen {
    char last[VRV_STORE_KEY_MAX + 1];
    unsigned n;
    bool unordered, foreign;
    const char *prefix;
};

static void
see(struct seen *s, const struct vrv_store_call *list)
{
    for (size_t i = 0; i < list->got; i++) {
        const char *key = list->names[i].key;

        s->unordered |= strcmp(key, s->last) <= 0;
        s->foreign |= strncmp(key, s->prefix, strlen(s->prefix)) != 0;
        (void)snprintf(s->last, sizeof(s->last), "%s", key);
        s->n++;
    }
}

/* All of them, a page at a time. */
static int
list_all(struct vrv__check *c, const char *prefix, struct seen *s)
{
    bool more = true;

    *s = (struct seen){ .prefix = prefix };
    while (more && s->n <= 2 * NAMES) {
        struct vrv_store_call list = { .op = VRV_STORE_LIST, .lane = VRV_STORE_HOUSEKEEPING, .key = prefix,
            .after = s->last[0] != '\0' ? s->last : NULL, .max = PAGE };
        unsigned before = s->n;

        if (vrv_sync_call(&c->sync, &list) < 0)
            return vrv__check_refused(c, list.status, &list.err, "names can't be listed");
        see(s, &list);
        more = list.more && s->n > before;
        vrv_store_names_free(&list);
    }
    return 0;
}

static int
write_all(struct vrv__check *c, char prefix[VRV_STORE_KEY_MAX + 1])
{
    struct vrv_store_call put[NAMES];
    struct iovec iov[NAMES];
    uint8_t byte[NAMES];
    char name[32];

    (void)snprintf(prefix, VRV_STORE_KEY_MAX + 1, "%sl/", c->prefix);
    for (unsigned i = 0; i < NAMES; i++) { /* orders of numbers, of parts and of bytes differ */
        (void)snprintf(name, sizeof(name), i % 3 == 0 ? "l/%u" : i % 3 == 1 ? "l/%u-x" : "l/%u.d/y", i);
        byte[i] = (uint8_t)i;
        put[i] = vrv__check_put(vrv__check_key(c, name), &iov[i], &byte[i], 1, false);
    }
    vrv__check_all(c, put, NAMES, true);
    for (unsigned i = 0; i < NAMES; i++)
        if (put[i].status < 0)
            return vrv__check_refused(c, put[i].status, &put[i].err, "an object can't be written");
    return 0;
}

int
vrv__check_lists(struct vrv__check *c)
{
    char prefix[VRV_STORE_KEY_MAX + 1];
    struct seen s;
    unsigned first = 0;
    int rc = write_all(c, prefix);

    for (unsigned i = 0; i < TRIES && rc == 0; i++) {
        rc = list_all(c, prefix, &s);
        first = i == 0 ? s.n : first;
        if (rc < 0 || s.n >= NAMES || s.unordered || s.foreign)
            break;
    }
    if (rc < 0)
        return rc;
    if (s.foreign)
        return vrv__check_fails(c, "%s was listed, which doesn't begin with %s: the clean-up would delete "
            "what isn't its own", s.last, prefix);
    if (s.unordered || s.n > NAMES)
        return vrv__check_fails(c, "names aren't listed in the order of their bytes, each once: the clean-up and "
            "varve restore would pass over some of them");
    if (first < NAMES) /* they are hints */
        vrv__check_notes(c, "of %d names written a moment ago %u were listed at once, %u in the end: varve asks "
            "for what a list lacks, but varve scrub and the clean-up see it later", NAMES, first, s.n);
    else
        vrv__check_says(c, "new names at once, in order, in pages");
    return 0;
}

int
vrv__check_clock(struct vrv__check *c)
{
    struct vrv_store_call list = { .op = VRV_STORE_LIST, .lane = VRV_STORE_READ, .key = c->prefix, .max = 1 };
    int64_t before = c->o.clock->wall_ms(c->o.clock);

    if (vrv_sync_call(&c->sync, &list) < 0)
        return vrv__check_refused(c, list.status, &list.err, "names can't be listed");
    int64_t after = c->o.clock->wall_ms(c->o.clock), there = list.store_ms;
    vrv_store_names_free(&list);
    if (there == 0) {
        vrv__check_says(c, "the store doesn't tell its time");
        return 0;
    }
    /* It tells whole seconds. */
    int64_t skew = there + 1000 < before ? there + 1000 - before : there > after ? there - after : 0;
    vrv__check_figure(c, "skew_ms", skew);
    if (llabs(skew) >= SKEW_MS)
        vrv__check_notes(c, "the store's clock is %lld s %s: set the wrong one right (chronyd); from 15 minutes on "
            "varve signs by the store's, and other programs are refused", llabs(skew) / 1000,
            skew > 0 ? "ahead" : "behind");
    else
        vrv__check_says(c, "it agrees with this machine's");
    return 0;
}
