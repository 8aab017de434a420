/* The crash simulator: a world, its lives, how they end, and what is looked at in between. */
#include "t/lib/crashsim.h"

#include <inttypes.h>
#include <string.h>

#include "engine/base/mem.h"
#include "t/lib/crashsim_int.h"

uint64_t
pick(struct sim *s, uint64_t n)
{
    return vrv_rand_below(&s->rand, n);
}

struct vrv_log_id
log_id(const struct sim *s, int log)
{
    return (struct vrv_log_id){ s->topic[log / PARTS].id, log % PARTS };
}

bool
log_exists(const struct sim *s, int log)
{
    const struct topic *t = &s->topic[log / PARTS];

    return t->state == TOPIC_THERE && log % PARTS < t->parts;
}

struct vrv_log *
get_log(struct sim *s, int log)
{
    struct vrv_log_id id = log_id(s, log);

    return log_exists(s, log) ? vrv_engine_log(s->eng, &id) : NULL;
}

bool
no_excuse(struct sim *s)
{
    return !simdisk_is_off(s->disk) && simdisk_failed(s->disk) == s->struck;
}

bool
expected_refusal(struct sim *s, int rc)
{
    switch (rc) {
    case VRV_E_AGAIN:
        return true;
    case VRV_E_NOSPACE:
        return s->full || s->o->fail_at > 0;
    default:
        return vrv_engine_error(s->eng, NULL) != 0 || !no_excuse(s);
    }
}

/* ---- a life ---- */

static void
draw_engine(struct sim *s)
{
    struct vrv_engine_opts *o = &s->eng_opts;

    vrv_engine_opts_default(o);
    o->vfs = simdisk_vfs(s->disk);
    o->clock = &s->clock.clock;
    o->memory_bytes = (size_t)(2 + pick(s, 3)) << 20;
    o->wal_files = 2 + (unsigned)pick(s, 3);
    o->wal_file_bytes = 64 * 1024 * (1 + (size_t)pick(s, 2));
    o->wal_fill_first = 32 * 1024;
    o->wal_direct = s->o->direct;
    o->group_bytes = 8192;
    o->flush_bytes = (size_t)1024 << pick(s, 4);
    o->sync_ahead_logs = 1 + (unsigned)pick(s, 3);
    o->open_files_max = 8;
    o->checkpoint_ms = 500;
    o->disk_reserve_bytes = 0;
    s->expires = pick(s, 4) == 0;
    if (s->expires)
        o->producer_expiry_ms = 1 + (int64_t)pick(s, 2000);
}

static int
open_engine(struct sim *s, struct vrv_err *e)
{
    struct vrv_recovery found;

    s->struck = simdisk_failed(s->disk);
    s->eng_opts.random = vrv_rand_next(&s->rand);
    int rc = vrv_engine_open(&s->eng, &s->eng_opts, &found, e);
    if (rc == 0) {
        s->r->recovered += found.replayed;
        settle_topics(s);
    }
    return rc;
}

static void
abandon(struct sim *s)
{
    if (s->eng != NULL)
        s->r->checkpoints += vrv_engine_checkpoints(s->eng);
    vrv_fill_fini(&s->fill);
    vrv_engine_abandon(&s->eng);
    while (vrv_cq_take(&s->cq, 0) != NULL)
        ;
    while (vrv_cq_take(&s->wait_cq, 0) != NULL)
        ;
    memset(s->waiter, 0, sizeof(s->waiter));
    while (s->calls != NULL)
        drop_call(s, s->calls);
    simdisk_capacity(s->disk, DISK_LARGE);
    s->full = false;
}

static void
lose_power(struct sim *s)
{
    int policy = s->o->policy >= 0 ? s->o->policy : (int)pick(s, SIM_POLICY_COUNT);

    abandon(s);
    simdisk_crash(s->disk, (enum sim_policy)policy, vrv_rand_next(&s->rand));
    simdisk_abandon(s->disk);
    s->r->crashes++;
}

/* Perhaps only the process dies, at the operation where the power would have failed: what it wrote
 * can be read, synced or not. */
static void
lose_process(struct sim *s)
{
    if (pick(s, 5) >= 2) {
        lose_power(s);
        return;
    }
    abandon(s);
    simdisk_abandon(s->disk);
    simdisk_crash_at(s->disk, 0);
    s->r->crashes++;
}

/* Open until it works: the power may fail during recovery, too. */
static bool
start(struct sim *s, bool may_crash)
{
    for (int tries = 0; tries < 20; tries++) {
        struct vrv_err e = { 0 };

        if (may_crash && pick(s, 3) == 0)
            simdisk_crash_at(s->disk, 1 + pick(s, 120));
        int rc = open_engine(s, &e);
        if (rc == 0 && s->scans == 0)
            rc = create_topics(s, &e);
        if (rc == 0 && !simdisk_is_off(s->disk)) {
            simdisk_crash_at(s->disk, 0);
            return true;
        }
        if (no_excuse(s)) {
            broken(s, "opening failed: %s", e.msg);
            abandon(s);
            return false;
        }
        lose_process(s);
        may_crash = tries < 10;
    }
    broken(s, "it never opened");
    return false;
}

static void
live(struct sim *s)
{
    int steps = (int)pick(s, (uint64_t)(pick(s, 4) == 0 ? 30 : s->o->steps)) + 10;

    for (int i = 0; i < steps && !simdisk_is_off(s->disk); i++)
        act(s);
}

static int
any_name(void *ctx, const char *name, bool is_dir)
{
    (void)ctx;
    (void)name;
    (void)is_dir;
    return 0;
}

/* At rest nothing is left of deleted topics. */
static void
check_buried(struct sim *s)
{
    for (unsigned i = 0; i < s->dead_n && i < DEAD_MAX; i++) {
        struct vrv_log_id id = { s->dead[i], 0 };
        char dir[VRV_PATH_MAX];
        struct vrv_err e;

        vrv_log_dir(&id, dir);
        if (vrv_vfs_list(s->eng_opts.vfs, dir, any_name, NULL, &e) != VRV_E_NOTFOUND &&
            !simdisk_is_off(s->disk))
            broken(s, "files of a deleted topic stay: %s", dir);
    }
}

/* All that waits is done, and the disk has room: an append must be taken and acknowledged. */
static void
check_goes_on(struct sim *s)
{
    struct parts ps = { .producer = -1 };
    struct vrv_err e = { 0 };
    int log = 0;

    s->struck = simdisk_failed(s->disk);
    simdisk_capacity(s->disk, DISK_LARGE);
    vrv_fill_fini(&s->fill);
    vrv_engine_want_checkpoint(s->eng);
    for (int i = 0; i < 60; i++) {
        act_commit(s);
        act_flush(s);
        act_checkpoint(s);
        act_prepare(s);
        tend(s);
    }
    while (log < LOGS && get_log(s, log) == NULL)
        log++;
    if (log == LOGS || vrv_engine_error(s->eng, NULL) != 0 || simdisk_is_off(s->disk))
        return;
    poll_cuts(s);
    bool staged = make_part(s, &ps, log);
    int rc = append(s, &ps, staged, &e);
    act_commit(s);
    if (no_excuse(s) && rc < 0)
        broken(s, "at rest, an append is refused: %s", e.msg);
    /* What a failed sync of the filling has lost, only the next group's sync can tell. */
    bool told_late = s->o->fail_at > 0 && vrv_engine_error(s->eng, NULL) != 0;
    if (no_excuse(s) && rc == 0 && !told_late && s->m[log].v[s->m[log].n - 1].fate != ACKED)
        broken(s, "at rest, an append is not acknowledged");
    if (s->o->fail_at == 0)
        check_buried(s);
}

/* A second recovery of the same disk finds the same. */
static void
check_twice(struct sim *s)
{
    int64_t hw[LOGS];

    for (int log = 0; log < LOGS; log++)
        hw[log] = get_log(s, log) != NULL ? vrv_log_offsets(get_log(s, log)).hw : -1;
    lose_process(s);
    if (!start(s, false))
        return;
    for (int log = 0; log < LOGS; log++)
        if (hw[log] >= 0 && !s->m[log].was_lossy && vrv_log_offsets(get_log(s, log)).hw != hw[log])
            broken(s, "log %d: hw was %" PRId64 ", after a second recovery %" PRId64, log, hw[log],
                vrv_log_offsets(get_log(s, log)).hw);
    model_check(s);
}

static void
sim_init(struct sim *s, const struct crashsim_opts *o, struct crashsim_result *r)
{
    memset(s, 0, sizeof(*s));
    memset(r, 0, sizeof(*r));
    s->o = o;
    s->r = r;
    s->rand.state = o->seed * 0x9e3779b97f4a7c15u + 1;
    s->disk = simdisk_new(vrv_rand_next(&s->rand));
    simdisk_capacity(s->disk, DISK_LARGE);
    simdisk_nowait(s->disk, (unsigned)pick(s, 100));
    simclock_init(&s->clock, 1700000000000);
    (void)vrv_cq_init(&s->cq, 0);
    (void)vrv_cq_init(&s->wait_cq, 0);
    s->slab_each = pick(s, 2) == 0;
    draw_engine(s);
    draw_weights(s);
}

static void
sim_fini(struct sim *s)
{
    abandon(s);
    s->r->ops = simdisk_ops(s->disk);
    simdisk_free(&s->disk);
    vrv_cq_fini(&s->cq);
    vrv_cq_fini(&s->wait_cq);
    for (int log = 0; log < LOGS; log++)
        model_reset(&s->m[log]);
}

static void
stop_orderly(struct sim *s)
{
    struct vrv_err e = { 0 };

    if (pick(s, 2) == 0) { /* in the middle of a checkpoint, and of work */
        vrv_engine_want_checkpoint(s->eng);
        for (uint64_t i = pick(s, 14); i > 0; i--) {
            act_commit(s);
            act_checkpoint(s);
        }
        for (int i = 0; i < 4; i++)
            act_append(s);
    }
    take_done(s);
    vrv_fill_fini(&s->fill);
    int rc = vrv_engine_close(&s->eng, &e);
    if (rc < 0 && no_excuse(s) && !s->full)
        broken(s, "close: %s", e.msg);
    for (struct vrv_done *d; (d = vrv_cq_take(&s->cq, 0)) != NULL;) {
        struct call *c = (struct call *)(void *)d;

        c->is_start = false; /* there is no log any more to ask for its start */
        if (c->t.status == 0)
            acknowledged(s, c);
        drop_call(s, c);
    }
    for (int log = 0; log < LOGS && rc == 0; log++)
        for (size_t i = 0; i < s->m[log].n; i++)
            s->m[log].v[i].settled = s->m[log].v[i].fate == ACKED;
}

/* What clients do at once when a broker is back. */
static void
retry_all(struct sim *s)
{
    for (int log = 0; log < LOGS; log++)
        for (int p = 0; p < PRODUCERS; p++)
            if (pick(s, 2) == 0)
                repeat(s, log, p);
    if (pick(s, 2) == 0)
        act_commit(s);
}

static void
run_crashes(struct sim *s)
{
    bool up = start(s, true);

    for (int g = 0; g < s->o->generations && up; g++) {
        if (!simdisk_is_off(s->disk) && pick(s, 4) != 0)
            simdisk_crash_at(s->disk, 1 + pick(s, 3 * (uint64_t)s->o->steps));
        live(s);
        if (!simdisk_is_off(s->disk) && pick(s, 6) == 0)
            check_goes_on(s);
        if (!simdisk_is_off(s->disk) && pick(s, 5) == 0)
            stop_orderly(s);
        lose_process(s);
        up = start(s, true);
        if (up)
            model_check(s);
        if (up && pick(s, 3) == 0) {
            check_twice(s);
            up = s->eng != NULL;
        }
        if (up)
            retry_all(s);
    }
}

/* ---- one operation fails ---- */

/* Reads and refusals with the fault gone: what was acknowledged is served, stopped or not. */
static void
check_after_fault(struct sim *s)
{
    s->struck = simdisk_failed(s->disk);
    for (int log = 0; log < LOGS; log++)
        if (get_log(s, log) != NULL)
            (void)model_read(s, log, vrv_log_offsets(get_log(s, log)).start);
    s->r->failed_stop = vrv_engine_error(s->eng, NULL) != 0;
    if (s->r->failed_stop && s->o->fault == SIM_EINTR)
        broken(s, "an interrupted call stopped the engine");
    if (s->r->failed_stop && vrv_engine_may_append(s->eng, NULL) == 0)
        broken(s, "the engine stopped and takes appends");
    /* Its checkpoint would hide what the WAL has lost, so not always. */
    if (!s->r->failed_stop && s->o->fail_at % 2 == 0)
        check_goes_on(s);
}

/* Look at everything without being disturbed: the operations of that don't count. */
static void
check_undisturbed(struct sim *s, uint64_t *before)
{
    uint64_t done = simdisk_ops(s->disk) - *before;
    bool struck = simdisk_failed(s->disk) > 0;

    s->r->fault_hit = struck;
    simdisk_fail(s->disk, 0, SIM_EIO, false);
    s->struck = simdisk_failed(s->disk);
    model_check(s);
    if (!struck || s->o->sticky)
        simdisk_fail(s->disk, s->o->fail_at > done ? s->o->fail_at - done : 1, s->o->fault,
            s->o->sticky);
    *before = simdisk_ops(s->disk) - done;
}

/* Lives through it, from the opening on; then, at the latest, the machine is started again. */
static void
run_fault(struct sim *s)
{
    struct vrv_err e = { 0 };
    bool up = true;

    if (s->o->warm) {
        up = start(s, false);
        for (int i = 0; i < s->o->steps && up; i++)
            act(s);
        if (up)
            lose_process(s);
    }
    uint64_t before = simdisk_ops(s->disk);
    simdisk_fail(s->disk, s->o->fail_at, s->o->fault, s->o->sticky);
    int rc = open_engine(s, &e);
    if (rc == 0)
        rc = create_topics(s, &e);
    if (rc == 0 && s->o->warm)
        check_undisturbed(s, &before);
    for (int i = 0; i < s->o->steps && rc == 0; i++)
        act(s);
    s->r->fault_ops = simdisk_ops(s->disk) - before;
    s->r->fault_hit |= simdisk_failed(s->disk) > 0;
    if (rc < 0 && (!s->r->fault_hit || s->o->fault == SIM_EINTR))
        broken(s, "opening failed: %s", e.msg);
    if (rc == 0) {
        take_done(s);
        if (!s->o->sticky)
            check_after_fault(s);
    }
    simdisk_fail(s->disk, 0, SIM_EIO, false);
    if (rc == 0 && s->o->sticky)
        check_after_fault(s);
    lose_power(s);
    if (up && start(s, false)) {
        model_check(s);
        check_goes_on(s);
    }
}

void
crashsim_run(const struct crashsim_opts *o, struct crashsim_result *r)
{
    struct sim *s = VRV_NEW(struct sim);

    sim_init(s, o, r);
    if (o->fail_at > 0)
        run_fault(s);
    else
        run_crashes(s);
    sim_fini(s);
    free(s);
}
