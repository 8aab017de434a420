/* The crash simulator's scheduler: which action comes next. */
#include "t/lib/crashsim_int.h"

/* ---- reading, time, space ---- */

static void
act_read(struct sim *s)
{
    int log = (int)pick(s, LOGS);
    struct vrv_log *l = get_log(s, log);

    if (l == NULL)
        return;
    struct vrv_log_offsets off = vrv_log_offsets(l);
    (void)model_read(s, log, off.start + (int64_t)pick(s, (uint64_t)(off.hw - off.start) + 1));
    if (pick(s, 3) == 0)
        model_read_times(s, log);
}

void
tend(struct sim *s)
{
    vrv_engine_tend_step(s->eng);
    uint64_t left = 0;
    if (vrv_vfs_free_bytes(s->eng_opts.vfs, &left, NULL) == 0 && left > DISK_LARGE / 2)
        s->full = false;
}

static void
act_time(struct sim *s)
{
    simclock_advance_ms(&s->clock, (int64_t)pick(s, 400));
    tend(s);
    (void)vrv_engine_expire_step(s->eng);
    take_waiters(s);
}

/* The disk becomes nearly full, or as large as it was. */
static void
act_space(struct sim *s)
{
    uint64_t left;

    if (s->full || pick(s, 4) != 0) {
        simdisk_capacity(s->disk, DISK_LARGE);
        return;
    }
    if (vrv_vfs_free_bytes(s->eng_opts.vfs, &left, NULL) != 0 || left < DISK_LARGE / 2)
        return;
    simdisk_capacity(s->disk, DISK_LARGE - left + pick(s, 12) * 4096);
    s->full = true;
}

/* ---- the engine's steps ---- */

/* Between its write and its sync is where a group is in the most danger: end there more often. */
void
act_commit(struct sim *s)
{
    if (s->o->fail_at == 0 && !simdisk_is_off(s->disk) && pick(s, 80) == 0)
        simdisk_crash_at(s->disk, 1 + pick(s, 3));
    (void)vrv_engine_commit_step(s->eng);
    take_done(s);
}

void
act_flush(struct sim *s)
{
    (void)vrv_engine_flush_step(s->eng);
}

void
act_checkpoint(struct sim *s)
{
    (void)vrv_engine_checkpoint_step(s->eng);
}

/* Another thread's, in between. */
static void
act_sync_ahead(struct sim *s)
{
    (void)vrv_engine_sync_step(s->eng);
}

static void
act_want_checkpoint(struct sim *s)
{
    if (pick(s, 4) == 0)
        vrv_engine_want_checkpoint(s->eng);
}

/* A whole one, as in a quiet moment. */
static void
act_whole_checkpoint(struct sim *s)
{
    uint64_t before = vrv_engine_checkpoints(s->eng);

    if (pick(s, 6) != 0)
        return;
    vrv_engine_want_checkpoint(s->eng);
    for (int i = 0; i < 60 && vrv_engine_checkpoints(s->eng) == before; i++) {
        act_commit(s);
        act_checkpoint(s);
    }
}

void
act_prepare(struct sim *s)
{
    (void)vrv_engine_prepare_step(s->eng);
}

static void
act_want_sync(struct sim *s)
{
    vrv_journal_want_sync(vrv_engine_env(s->eng)->journal);
}

static void
act_roll(struct sim *s)
{
    struct vrv_log *l = get_log(s, (int)pick(s, LOGS));

    if (l != NULL && pick(s, 4) == 0)
        vrv_log_roll(l);
}

static const struct {
    action_fn *fn;
    unsigned weight;
    bool always; /* a run without it shows nothing */
} actions[] = {
    { act_append, 12, true },
    { act_repeat, 2, false },
    { act_commit, 8, true },
    { act_flush, 2, false },
    { act_checkpoint, 4, true },
    { act_sync_ahead, 2, false },
    { act_want_checkpoint, 2, false },
    { act_whole_checkpoint, 1, false },
    { act_time, 2, false },
    { act_set_start, 2, false },
    { act_truncate, 2, false },
    { act_roll, 2, false },
    { act_read, 2, false },
    { act_wait, 2, false },
    { act_prepare, 2, false },
    { act_want_sync, 1, false },
    { act_topic, 1, false },
    { act_alter, 1, false },
    { act_grow, 1, false },
    { act_space, 1, false },
};
enum { ACTIONS = sizeof(actions) / sizeof(actions[0]) };

/* Each run has a mixture of its own: some actions often, some never. */
void
draw_weights(struct sim *s)
{
    static const unsigned factor[] = { 0, 1, 1, 2, 5 };

    for (int i = 0; i < ACTIONS; i++) {
        unsigned f = factor[pick(s, 5)];

        s->weight[i] = actions[i].weight * (f == 0 && actions[i].always ? 1 : f);
    }
}

void
act(struct sim *s)
{
    unsigned sum = 0;

    s->struck = simdisk_failed(s->disk);
    for (int i = 0; i < ACTIONS; i++)
        sum += s->weight[i];
    uint64_t at = pick(s, sum);
    for (int i = 0; i < ACTIONS; i++) {
        if (at < s->weight[i]) {
            actions[i].fn(s);
            break;
        }
        at -= s->weight[i];
    }
    take_done(s); /* an answer that came too early is believed at once */
    struct vrv_err e = { 0 };
    if (vrv_engine_error(s->eng, &e) != 0 && !simdisk_is_off(s->disk) &&
        !s->r->fault_hit && simdisk_failed(s->disk) == 0 && s->r->failed_stop++ == 0)
        broken(s, "the engine stopped: %s", e.msg);
}
