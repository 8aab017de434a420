/* A reader of all partitions of some topics, who begins anew somewhere in between now and then. */
#include "t/ledger/fetcher.h"

enum { START_OVER_ONE_IN = 200 };

static void
begin(struct fetcher *f, struct place *from)
{
    int n = f->n;

    fetcher_clear(f);
    for (int i = 0; i < n; i++)
        fetcher_add(f, from[i].topic, from[i].partition,
            (int64_t)vrv_rand_below(&f->p->rand, (uint64_t)from[i].at + 1));
}

void *
reader_run(void *ctx)
{
    struct start *s = ctx;
    struct process p;
    struct fetcher f = { .p = &p, .with_session = s->number % 2 == 0 };
    struct place from[PLACES_MAX];

    process_init(&p, s->l, 'a', s->number);
    fetcher_clear(&f);
    for (int t = 0; t < TOPICS; t++)
        for (int i = 0; t != s->number && i < topics[t].partitions; i++)
            fetcher_add(&f, t, i, 0);
    while (!atomic_load(&s->l->stopping) && atomic_load(&s->l->failed) == 0) {
        if (!process_connect(&p) || fetcher_poll(&f) < 0)
            continue;
        if (once_in(&p, START_OVER_ONE_IN)) {
            for (int i = 0; i < f.n; i++)
                from[i] = f.place[i];
            begin(&f, from);
        }
    }
    process_fini(&p);
    return NULL;
}
