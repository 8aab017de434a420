/* Reading partitions, with or without a fetch session; what comes is written down. */
#ifndef VRV_T_LEDGER_FETCHER_H
#define VRV_T_LEDGER_FETCHER_H

#include "t/ledger/ledger.h"

struct place {
    int topic, partition;
    int64_t at;       /* the next offset to read */
    int64_t told;     /* what the session knows */
    bool lost;        /* at is out of range */
};

struct fetcher {
    struct process *p;
    bool with_session;
    int32_t session_id, session_epoch;
    struct place place[PLACES_MAX];
    int n;
};

/* Of one topic all partitions, read from `at` on, is written down as such. */
void fetcher_add(struct fetcher *f, int topic, int partition, int64_t at);
void fetcher_clear(struct fetcher *f);
/* Ask once; 0, or the connection is gone. */
int fetcher_poll(struct fetcher *f);

#endif
