#include "tiering/store/tmp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void
vrv_tmp_init(struct vrv_tmp *t, struct vrv_clock *clock, uint64_t random)
{
    *t = (struct vrv_tmp){ .clock = clock, .random = { random } };
    vrv_lock_init(&t->lock, VRV_LOCK_store);
}

void
vrv_tmp_fini(struct vrv_tmp *t)
{
    vrv_names_clear(&t->ours);
    vrv_lock_fini(&t->lock);
}

uint64_t
vrv_tmp_random(struct vrv_tmp *t)
{
    vrv_lock(&t->lock);
    uint64_t r = vrv_rand_next(&t->random);
    vrv_unlock(&t->lock);
    return r;
}

void
vrv_tmp_draw(struct vrv_tmp *t, char out[VRV_TMP_NAME])
{
    int64_t now = t->clock->wall_ms(t->clock);
    uint64_t r = vrv_tmp_random(t);

    (void)snprintf(out, VRV_TMP_NAME, "%013" PRId64 "-%016" PRIx64, now, r);
    vrv_lock(&t->lock);
    vrv_names_add(&t->ours, out);
    vrv_unlock(&t->lock);
}

void
vrv_tmp_drop(struct vrv_tmp *t, const char *name)
{
    vrv_lock(&t->lock);
    vrv_names_del(&t->ours, name);
    vrv_unlock(&t->lock);
}

bool
vrv_tmp_is_left(struct vrv_tmp *t, const char *name, int64_t older_ms)
{
    char *end;
    int64_t began = strtoll(name, &end, 10);

    if (*end != '-' || began >= t->clock->wall_ms(t->clock) - older_ms)
        return false;
    vrv_lock(&t->lock);
    bool ours = vrv_names_has(&t->ours, name);
    vrv_unlock(&t->lock);
    return !ours;
}
