/* The gate of the simulated disk: counts the operations, and decides which of them fail. */
#include <errno.h>
#include <inttypes.h>

#include "engine/base/assert.h"
#include "t/lib/simtree.h"

struct simdisk *
sim_disk_of(struct vrv_vfs *v)
{
    struct simdisk *d = (struct simdisk *)v; /* its first member */

    VRV_CHECK(d, SIM_DISK_MAGIC);
    return d;
}

struct sim_file *
sim_file_of(struct vrv_file *f)
{
    struct sim_file *sf = (struct sim_file *)f; /* its first member */

    VRV_CHECK(sf, SIM_FILE_MAGIC);
    return sf;
}

void
sim_lock_disk(struct simdisk *d)
{
    int rc = pthread_mutex_lock(&d->mutex);

    VRV_ASSERT(rc == 0);
}

void
sim_unlock_disk(struct simdisk *d)
{
    int rc = pthread_mutex_unlock(&d->mutex);

    VRV_ASSERT(rc == 0);
}

static unsigned
classes_of_fault(enum sim_fault kind)
{
    switch (kind) {
    case SIM_ENOSPC:
        return OP_SPACE;
    case SIM_SHORT:
        return OP_DATA;
    case SIM_EINTR:
        return 0;
    case SIM_EIO:
    case SIM_ENOMEM:
        break;
    }
    return OP_ANY;
}

static bool
fault_strikes(struct simdisk *d, unsigned classes)
{
    struct sim_fault_plan *f = &d->fault;

    if (f->at == 0 || d->ops < f->at || !(classes & classes_of_fault(f->kind)))
        return false;
    f->struck++;
    if (!f->sticky)
        f->at = 0;
    return true;
}

static void
trace_op(struct simdisk *d, const char *op, const char *path, uint64_t a, uint64_t b)
{
    if (d->trace != NULL)
        (void)fprintf(d->trace, "%" PRIu64 " %s %s %" PRIu64 " %" PRIu64, d->ops, op, path, a, b);
}

enum sim_verdict
sim_enter(struct simdisk *d, unsigned classes, const char *op, const char *path, uint64_t a,
    uint64_t b)
{
    sim_lock_disk(d);
    d->ops++;
    trace_op(d, op, path, a, b);
    if (d->off_at != 0 && d->ops >= d->off_at)
        return POWER_OFF;
    return fault_strikes(d, classes | OP_ANY) ? FAULT : GO;
}

enum sim_verdict
sim_enter_file(struct sim_file *f, unsigned classes, const char *op, uint64_t a, uint64_t b)
{
    enum sim_verdict v = sim_enter(f->disk, classes, op, f->path, a, b);

    return f->inode == NULL ? POWER_OFF : v;
}

ssize_t
sim_leave(struct simdisk *d, ssize_t rc)
{
    if (d->trace != NULL)
        (void)fprintf(d->trace, " = %zd\n", rc);
    sim_unlock_disk(d);
    return rc;
}

int
sim_refuse(struct simdisk *d, enum sim_verdict v, const char *op, const char *path,
    struct vrv_err *e)
{
    static const int sys[] = { [SIM_EIO] = EIO, [SIM_ENOSPC] = ENOSPC, [SIM_SHORT] = ENOSPC,
        [SIM_EINTR] = EINTR, [SIM_ENOMEM] = ENOMEM };

    VRV_ASSERT(v != GO);
    if (v == POWER_OFF)
        return vrv_err_set(e, VRV_E_IO, "%s %s: power is off", op, path);
    errno = sys[d->fault.kind];
    return vrv_err_sys(e, "%s %s", op, path);
}

int
sim_refuse_sys(int sys, const char *op, const char *path, struct vrv_err *e)
{
    errno = sys;
    return vrv_err_sys(e, "%s %s", op, path);
}

/* ---- what a test sets ---- */

void
simdisk_fail(struct simdisk *d, uint64_t n, enum sim_fault kind, bool sticky)
{
    sim_lock_disk(d);
    d->fault = (struct sim_fault_plan){ n ? d->ops + n : 0, kind, sticky, 0 };
    sim_unlock_disk(d);
}

uint64_t
simdisk_failed(struct simdisk *d)
{
    sim_lock_disk(d);
    uint64_t struck = d->fault.struck;
    sim_unlock_disk(d);
    return struck;
}

void
simdisk_crash_at(struct simdisk *d, uint64_t n)
{
    sim_lock_disk(d);
    d->off_at = n ? d->ops + n : 0;
    sim_unlock_disk(d);
}

bool
simdisk_is_off(struct simdisk *d)
{
    sim_lock_disk(d);
    bool off = d->off_at != 0 && d->ops >= d->off_at;
    sim_unlock_disk(d);
    return off;
}

uint64_t
simdisk_ops(struct simdisk *d)
{
    sim_lock_disk(d);
    uint64_t ops = d->ops;
    sim_unlock_disk(d);
    return ops;
}

void
simdisk_trace(struct simdisk *d, FILE *out)
{
    sim_lock_disk(d);
    d->trace = out;
    sim_unlock_disk(d);
}

void
simdisk_capacity(struct simdisk *d, uint64_t bytes)
{
    sim_lock_disk(d);
    d->capacity = bytes;
    sim_unlock_disk(d);
}

void
simdisk_nowait(struct simdisk *d, unsigned percent)
{
    sim_lock_disk(d);
    d->nowait = percent;
    sim_unlock_disk(d);
}
