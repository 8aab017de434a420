/*
 * Names of what is being written, in stores that give an object its key when it is whole: when it
 * began, in ms since 1970, and something random, "1700000000000-0123456789abcdef".  What has such a
 * name for long, and isn't ours, died.
 *
 * Threads: any.
 */
#ifndef VRV_STORE_TMP_H
#define VRV_STORE_TMP_H

#include "engine/base/rand.h"
#include "engine/os/clock.h"
#include "engine/os/lock.h"
#include "tiering/store/names.h"

enum { VRV_TMP_NAME = 32 }; /* bytes, with the zero */

struct vrv_tmp {
    struct vrv_lock lock;     /* rank store */
    struct vrv_clock *clock;  /* borrowed */
    struct vrv_rand random;
    struct vrv_names ours;
};

void vrv_tmp_init(struct vrv_tmp *t, struct vrv_clock *clock, uint64_t random);
void vrv_tmp_fini(struct vrv_tmp *t);

/* A new one, which is ours until it is dropped. */
void vrv_tmp_draw(struct vrv_tmp *t, char out[VRV_TMP_NAME]);
void vrv_tmp_drop(struct vrv_tmp *t, const char *name); /* harmless when it isn't */
uint64_t vrv_tmp_random(struct vrv_tmp *t);
/* Is it one, and died: it began longer than older_ms ago? */
bool vrv_tmp_is_left(struct vrv_tmp *t, const char *name, int64_t older_ms);

#endif
