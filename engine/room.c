/* Who waits for room: the WAL or the memory for records was full. */
#include "engine/engine_int.h"

void
vrv_engine_wait_room(struct vrv_engine *eng, struct vrv_done *d)
{
    vrv_lock(&eng->room_lock);
    d->next = eng->room_waiters;
    eng->room_waiters = d;
    vrv_unlock(&eng->room_lock);
}

void
vrv__engine_tell_room(struct vrv_engine *eng)
{
    vrv_lock(&eng->room_lock);
    struct vrv_done *d = eng->room_waiters;
    eng->room_waiters = NULL;
    vrv_unlock(&eng->room_lock);
    while (d != NULL) {
        struct vrv_done *next = d->next;

        vrv_cq_post(d->cq, d, d);
        d = next;
    }
}
