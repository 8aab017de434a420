/*
 * What happened, in the order in which it did: a line per event, which t/lib/Ledger.pm judges.
 *
 *     milliseconds process event ...
 *
 * An invocation is written before its request is sent, its outcome after the answer came, so that of
 * two things one was over before the other began if the lines say so.  Events:
 *
 *     producer KIND               idempotent: ids and sequences, goes on until it is answered;
 *                                 retrying: without, one request at a time; once: never again
 *     send B T/P FIRST+N          batch number B: values NUMBER:FIRST and the N-1 that follow, where
 *                                 NUMBER is the process without its p
 *     resend B                    the same once more
 *     sent B OFFSET               acknowledged; -1: it didn't say where
 *     failed B ERROR              refused, and not written
 *     unknown B WHY               the connection broke: written or not, but no later than now
 *     abandoned B                 nobody waits for it: written or not, at any time
 *     refused B ERROR             a sequence that the server must know is not accepted
 *
 *     from T/P OFFSET             reads on from here
 *     poll T/P RUN...             what came: OFFSET:NUMBER:FIRST+N, or OFFSET:? for what nobody sent
 *     lost T/P OFFSET ERROR       can't be read where it was left
 *     starts T/P=OFFSET...        where the logs begin
 *     expires T                   old records of this topic go by themselves
 *     trim T/P OFFSET             delete what is older; then trimmed T/P OFFSET, which is where it begins, or
 *                                 untrimmed T/P WHY: done or not, but no later than now
 *
 *     assigned G GENERATION T/P...
 *     fetch F G                   which offsets are committed?
 *     fetched F G T/P=OFFSET...   -1: none
 *     commit C G T/P=OFFSET...
 *     committed C
 *     uncommitted C ERROR         refused, and not written
 *     commit-unknown C WHY
 *
 *     create T PARTITIONS         then created T or create-unknown T WHY
 *     delete T                    then deleted T or delete-unknown T WHY
 *     list                        which topics are there?
 *     listed T/PARTITIONS/ID...
 *     broken T/P ERROR            a partition of a topic on the list doesn't answer
 *
 *     end T/P OFFSET              where the log ends when nothing is written any more
 *     stuck WHAT                  no answer within a minute, or no progress
 *     malformed WHAT              an answer that can't be read
 */
#ifndef VRV_T_LEDGER_HISTORY_H
#define VRV_T_LEDGER_HISTORY_H

#include <stdbool.h>
#include <stdio.h>

struct history;

/* NULL, and errno, when there can't be such a file. */
struct history *history_open(const char *path);
/* False when something was not written. */
bool history_close(struct history **h);

/* A whole line. */
void history_add(struct history *h, const char *process, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* One that is written piece by piece: nobody else writes until it is ended. */
FILE *history_begin(struct history *h, const char *process);
void history_end(struct history *h);

#endif
