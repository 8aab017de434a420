/*
 * A workload on a broker that writes down what it was told: producers, readers, members of consumer
 * groups, one that makes and deletes topics, and one that deletes records, a thread each with a
 * connection of its own.  The broker may vanish and come back at any time.
 *
 * After the end of its standard input nothing new is produced; when all that is under way has an
 * outcome, when each group has committed the end of what it reads, and all has been read from the
 * beginning once more, it ends.
 */
#ifndef VRV_T_LEDGER_LEDGER_H
#define VRV_T_LEDGER_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base/rand.h"
#include "server/wire/wire.h"
#include "t/ledger/history.h"
#include "t/lib/client.h"

enum { TOPICS = 3, PARTITIONS_MAX = 4, PLACES_MAX = TOPICS * PARTITIONS_MAX };
enum { GROUPS = 3, NAME = 32, CONFIGS_MAX = 16 };

/* Of what one topic has, and of those that are made and deleted again. */
struct settings {
    struct vrv_create_topics_req_config v[CONFIGS_MAX];
    int n;
    bool expires;  /* old records go by themselves */
    bool trimmed;  /* ... by DeleteRecords */
};

struct topic {
    const char *name;
    int partitions;
};

struct group {
    const char *name;
    int topic[2];
    int topics;
    bool is_static; /* its members have names of their own */
};

extern const struct topic topics[TOPICS];
extern const struct group groups[GROUPS];

struct ledger {
    int port;
    uint64_t seed;
    int64_t began_ms;      /* the time of each producer's value 0 */
    struct settings of[TOPICS + 1]; /* the last: of topics that come and go */
    struct history *history;
    atomic_bool stopping;  /* nothing new is produced */
    atomic_bool done;      /* groups have read it all */
    atomic_int failed;     /* findings so bad that the run is over */
};

/* What each thread has. */
struct process {
    struct ledger *l;
    int number;
    char name[NAME];
    struct vrv_rand rand;
    struct client *c;
};

void process_init(struct process *p, struct ledger *l, char kind, int number);
void process_fini(struct process *p);
/* Is there a connection, or could one be made?  It waits a moment if not. */
bool process_connect(struct process *p);
/* A call failed: write it down if it shows that the broker is wrong. */
void process_broken(struct process *p, const struct vrv_err *e);
/* Call, and see to what fails. */
int process_call(struct process *p, int16_t key, int16_t version, const void *request,
    const void **response, struct vrv_err *e);
#define PROCESS_CALL(p, api, version, request, response, e)                                        \
    process_call((p), VRV_API_##api, (version), (request), (const void **)(response), (e))

void pause_ms(int ms);
/* True once in n. */
bool once_in(struct process *p, uint64_t n);

/* What the threads do. */
void *producer_run(void *ledger_and_number);
void *reader_run(void *ledger_and_number);
void *member_run(void *ledger_and_number);
void *keeper_run(void *ledger_and_number);
void *trimmer_run(void *ledger_and_number);

struct start {
    struct ledger *l;
    int number;
};

/* Ask for the committed offsets of a group, all partitions of its topics, and write the answer down;
 * at[i] for the i-th of them, in order.  How many, or negative. */
int ask_committed(struct process *p, const struct group *g, int64_t *at);
/* Of all partitions of all topics; 0, or it failed.  Where they begin is written down. */
int ask_ends(struct process *p, int64_t at[TOPICS][PARTITIONS_MAX]);
int ask_starts(struct process *p, int64_t at[TOPICS][PARTITIONS_MAX]);

#endif
