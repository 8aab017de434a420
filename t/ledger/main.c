/* ledger PORT SEED FILE [[TOPIC:]KEY=VALUE...] [TOPIC:trim...]: ledger.h tells what it does, history.h what it
 * writes into the file.  The rest are settings of one topic, of those that come and go (k), or of all;
 * trim: its oldest records are deleted now and then. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/assert.h"
#include "engine/os/clock.h"
#include "engine/os/thread.h"
#include "server/base/kerrors.h"
#include "server/wire/wire.h"
#include "t/ledger/fetcher.h"

enum { PRODUCERS = 6, READERS = 3, MEMBERS = 9, THREADS = PRODUCERS + READERS + MEMBERS + 2 };
enum { CREATE_VERSION = 7, TIMEOUT_MS = 30000, ROUND_MS = 50, PATIENCE_MS = 180 * 1000 };

const struct topic topics[TOPICS] = { { "t0", 4 }, { "t1", 3 }, { "t2", 1 } };
const struct group groups[GROUPS] = {
    { "g0", { 0 }, 1, false },
    { "g1", { 0, 1 }, 2, true },
    { "g2", { 1, 2 }, 2, false },
};

/* ---- the topics ---- */

/* Are they there, from now or from before? */
static bool
has_created(struct process *p)
{
    struct vrv_create_topics_req_topic t[TOPICS];
    const struct vrv_create_topics_resp *resp;
    struct vrv_create_topics_req q;
    struct vrv_err e;

    VRV_WIRE_INIT(create_topics_req, &q);
    q.timeout_ms = TIMEOUT_MS;
    q.topics.v = t;
    q.topics.n = TOPICS;
    for (int i = 0; i < TOPICS; i++) {
        VRV_WIRE_INIT(create_topics_req_topic, &t[i]);
        t[i].name = vrv_str(topics[i].name);
        t[i].num_partitions = topics[i].partitions;
        t[i].replication_factor = 1;
        t[i].configs.v = p->l->of[i].v;
        t[i].configs.n = p->l->of[i].n;
    }
    if (PROCESS_CALL(p, create_topics, CREATE_VERSION, &q, &resp, &e) < 0)
        return false;
    for (int32_t i = 0; i < resp->topics.n; i++)
        if (resp->topics.v[i].error_code != 0 &&
            resp->topics.v[i].error_code != VRV_K_TOPIC_ALREADY_EXISTS)
            return false;
    return true;
}

static void
create_topics(struct process *p)
{
    struct history *h = p->l->history;

    for (int i = 0; i < TOPICS; i++) {
        if (p->l->of[i].expires)
            history_add(h, p->name, "expires %s", topics[i].name);
        history_add(h, p->name, "create %s %d", topics[i].name, topics[i].partitions);
    }
    while (atomic_load(&p->l->failed) == 0 && !(process_connect(p) && has_created(p)))
        pause_ms(ROUND_MS);
    for (int i = 0; i < TOPICS; i++)
        history_add(h, p->name, "created %s", topics[i].name);
}

/* ---- the end ---- */

static int64_t
now_ms(void)
{
    return vrv_clock_real()->mono_ns(vrv_clock_real()) / 1000000;
}

/* Until it holds; the run has failed when it doesn't for too long. */
static void
wait_until(struct process *p, bool (*holds)(struct process *p, void *arg), void *arg,
    const char *what)
{
    int64_t until = now_ms() + PATIENCE_MS;

    while (atomic_load(&p->l->failed) == 0) {
        if (process_connect(p) && holds(p, arg))
            return;
        if (now_ms() > until) {
            history_add(p->l->history, p->name, "stuck %s", what);
            atomic_fetch_add(&p->l->failed, 1);
        }
        pause_ms(ROUND_MS);
    }
}

typedef int64_t ends_of_topics[TOPICS][PARTITIONS_MAX];

static bool
know_ends(struct process *p, void *ends)
{
    return ask_ends(p, *(ends_of_topics *)ends) == 0;
}

static bool
has_committed_all(struct process *p, const struct group *g, ends_of_topics ends)
{
    int64_t at[PLACES_MAX];
    int n = 0;

    if (ask_committed(p, g, at) < 0)
        return false;
    for (int t = 0; t < g->topics; t++)
        for (int i = 0; i < topics[g->topic[t]].partitions; i++)
            if (at[n++] < ends[g->topic[t]][i])
                return false;
    return true;
}

static bool
have_committed_all(struct process *p, void *ends)
{
    for (int i = 0; i < GROUPS; i++)
        if (!has_committed_all(p, &groups[i], *(ends_of_topics *)ends))
            return false;
    return true;
}

struct reading {
    struct fetcher f;
    ends_of_topics *ends;
};

static bool
has_read_all(struct process *p, void *arg)
{
    struct reading *r = arg;
    bool all = true;

    while (client_is_connected(p->c) && fetcher_poll(&r->f) == 0) {
        all = true;
        for (int i = 0; i < r->f.n; i++)
            all = all && r->f.place[i].at >= (*r->ends)[r->f.place[i].topic][r->f.place[i].partition];
        if (all)
            return true;
    }
    return false;
}

static void
read_all(struct process *p, ends_of_topics *ends)
{
    struct reading r = { .f = { .p = p }, .ends = ends };

    fetcher_clear(&r.f);
    for (int t = 0; t < TOPICS; t++)
        for (int i = 0; i < topics[t].partitions; i++) {
            fetcher_add(&r.f, t, i, 0);
            history_add(p->l->history, p->name, "end %s/%d %" PRId64, topics[t].name, i,
                (*ends)[t][i]);
        }
    wait_until(p, has_read_all, &r, "before all was read");
}

/* ---- all of it ---- */

struct crew {
    pthread_t thread[THREADS];
    struct start start[THREADS];
    int n;
};

static void
hire(struct crew *crew, struct ledger *l, void *(*run)(void *), int n)
{
    for (int i = 0; i < n; i++, crew->n++) {
        crew->start[crew->n] = (struct start){ l, i };
        VRV_ASSERT(vrv_thread_start(&crew->thread[crew->n], "ledger", run, &crew->start[crew->n],
            NULL) == 0);
    }
}

static void
wait_for(struct crew *crew, int from, int to)
{
    for (int i = from; i < to; i++)
        (void)pthread_join(crew->thread[i], NULL);
}

static void
wait_for_end_of_input(void)
{
    char byte;

    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

static void
run(struct ledger *l)
{
    ends_of_topics ends;
    struct crew crew = { .n = 0 };
    struct process p;

    process_init(&p, l, 'f', 0);
    create_topics(&p);
    hire(&crew, l, producer_run, PRODUCERS);
    hire(&crew, l, reader_run, READERS);
    hire(&crew, l, member_run, MEMBERS);
    hire(&crew, l, keeper_run, 1);
    hire(&crew, l, trimmer_run, 1);
    wait_for_end_of_input();
    atomic_store(&l->stopping, true);
    wait_for(&crew, 0, PRODUCERS + READERS);
    wait_until(&p, know_ends, &ends, "before the ends were known");
    wait_until(&p, have_committed_all, &ends, "before all groups had committed the ends");
    atomic_store(&l->done, true);
    wait_for(&crew, PRODUCERS + READERS, THREADS);
    if (atomic_load(&l->failed) == 0)
        read_all(&p, &ends);
    process_fini(&p);
}

/* "TOPIC:" in front: then text begins behind it.  Negative: of all. */
static int
topic_of(char **text)
{
    char *colon = strchr(*text, ':');

    for (int i = 0; colon != NULL && i <= TOPICS; i++) {
        const char *name = i < TOPICS ? topics[i].name : "k";

        if ((size_t)(colon - *text) == strlen(name) && memcmp(*text, name, strlen(name)) == 0) {
            *text = colon + 1;
            return i;
        }
    }
    return -1;
}

static void
set(struct ledger *l, char *text)
{
    int topic = topic_of(&text);
    char *value = text + strcspn(text, "=");
    bool trims = strcmp(text, "trim") == 0;

    if (*value != '\0')
        *value++ = '\0';
    for (int i = 0; i <= TOPICS; i++) {
        struct settings *s = &l->of[i];

        if (topic >= 0 && i != topic)
            continue;
        if (trims)
            s->trimmed = true;
        else
            s->v[s->n++] = (struct vrv_create_topics_req_config){ .name = vrv_str(text),
                .value = vrv_str(value) };
        s->expires = s->expires || strncmp(text, "retention.", strlen("retention.")) == 0;
    }
}

int
main(int argc, char **argv)
{
    struct vrv_clock *clock = vrv_clock_real();
    struct ledger l = { .began_ms = clock->wall_ms(clock) };

    if (argc < 4 || argc > 4 + CONFIGS_MAX) {
        (void)fprintf(stderr, "usage: ledger PORT SEED FILE [[TOPIC:]KEY=VALUE...] [TOPIC:trim...]\n");
        return 64;
    }
    for (int i = 4; i < argc; i++)
        set(&l, argv[i]);
    l.port = (int)strtol(argv[1], NULL, 10);
    l.seed = strtoull(argv[2], NULL, 10);
    l.history = history_open(argv[3]);
    if (l.history == NULL) {
        perror(argv[3]);
        return 1;
    }
    run(&l);
    bool ok = history_close(&l.history);
    return ok && atomic_load(&l.failed) == 0 ? 0 : 1;
}
