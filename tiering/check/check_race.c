/*
 * Many write one name at once, each only if there is none: one must win, the others be told; and
 * what is there is what the winner wrote.  It is what keeps a server that has lost the store from
 * harming the one that owns it, so a store that lets two win is none for varve.
 *
 * A write may end without a word of what became of it; then what is there tells.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tiering/check/check_int.h"

enum { BYTES = 64 };

struct round {
    struct vrv_store_call *put;
    struct iovec *iov;
    uint8_t (*bytes)[BYTES];
    const char *key;
};

/* What came of one round. */
struct judged {
    unsigned winners;   /* who were told that they won */
    bool someone_else;  /* what is there isn't what a winner wrote */
    bool settled;       /* somebody was told, and it is so */
    const struct vrv_store_call *refused; /* one that the store wouldn't have at all */
};

static bool
is_refusal(int status)
{
    return status == VRV_E_DENIED || status == VRV_E_INVALID || status == VRV_E_NOSPACE;
}

static struct judged
judge(const struct round *r, unsigned n, const uint8_t *there)
{
    struct judged j = { .winners = 0 };
    bool is_winners = false;

    for (unsigned i = 0; i < n; i++) {
        bool is_there = there != NULL && memcmp(there, r->bytes[i], BYTES) == 0;

        j.winners += r->put[i].status == 0;
        is_winners |= r->put[i].status == 0 && is_there;
        if (is_refusal(r->put[i].status))
            j.refused = &r->put[i];
    }
    j.someone_else = j.winners > 0 && !is_winners;
    j.settled = j.winners == 1 && is_winners;
    return j;
}

static void
run_round(struct vrv__check *c, struct round *r, unsigned number)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "race/%u", number);
    r->key = vrv__check_key(c, name);
    for (unsigned i = 0; i < c->o.writers; i++) {
        vrv__check_fill(c, r->bytes[i], BYTES);
        r->put[i] = vrv__check_put(r->key, &r->iov[i], r->bytes[i], BYTES, true);
        r->put[i].lane = (enum vrv_store_class)(i % VRV_STORE_CLASSES); /* so that all connections are used */
    }
    vrv__check_all(c, r->put, c->o.writers, false);
}

static int
run_rounds(struct vrv__check *c, struct round *r)
{
    unsigned settled = 0, several = 0, replaced = 0, most = 0;

    for (unsigned i = 0; i < c->o.rounds; i++) {
        uint8_t there[BYTES];
        struct vrv_err e;

        if (vrv__check_stops(c) < 0)
            return VRV_E_CANCELLED;
        run_round(c, r, i);
        int64_t n = vrv__check_get(c, r->key, 0, there, BYTES, &e);
        if (n < 0 && n != VRV_E_NOTFOUND)
            return vrv__check_refused(c, (int)n, &e, "it can't be read");
        struct judged j = judge(r, c->o.writers, n == BYTES ? there : NULL);
        if (j.refused != NULL)
            return vrv__check_refused(c, j.refused->status, &j.refused->err, "an object can't be written");
        several += j.winners > 1;
        replaced += j.someone_else;
        settled += j.settled;
        most = j.winners > most ? j.winners : most;
    }
    vrv__check_figure(c, "rounds", c->o.rounds);
    vrv__check_figure(c, "writers", c->o.writers);
    vrv__check_figure(c, "rounds_with_several_winners", several);
    vrv__check_figure(c, "rounds_replaced", replaced);
    if (several + replaced > 0)
        return vrv__check_fails(c, "of %u writers of one name at once, each only if there is none, up to %u were "
            "told that they won, in %u of %u rounds (and in %u what is there is nobody's who won). varve can't use "
            "this store: two servers could both believe that it is theirs, and records would be lost",
            c->o.writers, most, several, c->o.rounds, replaced);
    if (2 * settled < c->o.rounds)
        vrv__check_notes(c, "in %u of %u rounds nobody was told that he won: the store was busy, and this says "
            "little; try again", c->o.rounds - settled, c->o.rounds);
    else
        vrv__check_says(c, "of %u writers of one name at once one wins, in each of %u rounds", c->o.writers,
            c->o.rounds);
    return 0;
}

int
vrv__check_race(struct vrv__check *c)
{
    struct round r = { .put = vrv_mem_zero(c->o.writers * sizeof(*r.put)),
        .iov = vrv_mem_zero(c->o.writers * sizeof(*r.iov)),
        .bytes = vrv_mem_zero(c->o.writers * sizeof(*r.bytes)) };
    int rc = run_rounds(c, &r);

    free(r.put);
    free(r.iov);
    free(r.bytes);
    return rc;
}
