/*
 * Batched fdatasync.  One file after the other costs a disk flush each; the kernel merges flushes
 * that are asked for at the same time, which makes a batch several times cheaper.
 *
 * The ring is opened at the first batch, because most processes never have one.  Kernels and
 * sandboxes may refuse io_uring (ENOSYS, EPERM): then a plain loop does the same, slower.
 * One mutex guards the ring: a batch is a whole checkpoint, two at a time are not worth two rings.
 */
#include "engine/os/uring.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#ifdef HAVE_LIBURING
#include <liburing.h>
#endif

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/failpoint.h"
#include "engine/os/lock.h"

enum { RING_DEPTH = 64 };

enum ring_state { RING_UNTRIED, RING_OPEN, RING_REFUSED };

struct vrv_uring {
    struct vrv_lock lock;
    enum ring_state state VRV_GUARDED_BY(lock);
#ifdef HAVE_LIBURING
    struct io_uring ring VRV_GUARDED_BY(lock);
#endif
};

static atomic_bool forbidden;

static int
fdatasync_one(int fd)
{
    int rc;

    if (VRV_FAILPOINT(SYNC))
        return errno;
    do {
        rc = fdatasync(fd);
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? errno : 0;
}

#ifdef HAVE_LIBURING

static bool
ring_ready(struct vrv_uring *u)
{
    if (u->state == RING_UNTRIED) {
        bool refused = atomic_load(&forbidden) || io_uring_queue_init(RING_DEPTH, &u->ring, 0) < 0;

        u->state = refused ? RING_REFUSED : RING_OPEN;
    }
    return u->state == RING_OPEN;
}

/* Without the ring from now on: what is queued in it is in no known state. */
static void
ring_give_up(struct vrv_uring *u)
{
    io_uring_queue_exit(&u->ring);
    u->state = RING_REFUSED;
}

/* Queue n syncs; how many of them, from the first on, the kernel took. */
static size_t
ring_submit(struct vrv_uring *u, const int *fd, size_t n)
{
    size_t taken = 0;

    for (size_t i = 0; i < n; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

        VRV_ASSERT(sqe != NULL); /* n <= RING_DEPTH, and the queue was empty */
        io_uring_prep_fsync(sqe, fd[i], IORING_FSYNC_DATASYNC);
        io_uring_sqe_set_data64(sqe, i);
    }
    while (taken < n) {
        /* waiting for all at once spares a wake-up per answer */
        int rc = io_uring_submit_and_wait(&u->ring, (unsigned)(n - taken));

        if (rc > 0)
            taken += (size_t)rc;
        else if (rc != -EINTR)
            break;
    }
    return taken;
}

/* Wait for `taken` answers.  False: the ring is broken, and unanswered results are left as set. */
static bool
ring_reap(struct vrv_uring *u, int *result, size_t taken)
{
    while (taken > 0) {
        struct io_uring_cqe *cqe;
        int rc = io_uring_wait_cqe(&u->ring, &cqe);

        if (rc == -EINTR || rc == -EAGAIN)
            continue;
        if (rc < 0)
            return false;
        result[io_uring_cqe_get_data64(cqe)] = -cqe->res;
        io_uring_cqe_seen(&u->ring, cqe);
        taken--;
    }
    return true;
}

/* One portion of at most RING_DEPTH. */
static void
ring_fdatasync(struct vrv_uring *u, const int *fd, int *result, size_t n)
{
    bool fail = VRV_FAILPOINT(SYNC);
    int lost = fail ? errno : EIO; /* a lost answer is a failed sync */

    for (size_t i = 0; i < n; i++)
        result[i] = lost;
    if (fail)
        return;
    size_t taken = ring_submit(u, fd, n);
    bool sound = ring_reap(u, result, taken);

    if (!sound || taken < n)
        ring_give_up(u);
    for (size_t i = 0; i < n; i++)
        if (i >= taken || result[i] == EINTR) /* not asked, or not done */
            result[i] = fdatasync_one(fd[i]);
}

#else /* !HAVE_LIBURING */

static bool
ring_ready(struct vrv_uring *u)
{
    u->state = RING_REFUSED;
    return false;
}

static void
ring_give_up(struct vrv_uring *u)
{
    (void)u;
}

static void
ring_fdatasync(struct vrv_uring *u, const int *fd, int *result, size_t n)
{
    (void)u;
    for (size_t i = 0; i < n; i++)
        result[i] = fdatasync_one(fd[i]);
}

#endif

struct vrv_uring *
vrv__uring_new(void)
{
    struct vrv_uring *u = VRV_NEW(struct vrv_uring);

    vrv_lock_init(&u->lock, VRV_LOCK_ring);
    return u;
}

void
vrv__uring_free(struct vrv_uring **up)
{
    struct vrv_uring *u = *up;

    *up = NULL;
    if (u == NULL)
        return;
    if (u->state == RING_OPEN)
        ring_give_up(u);
    vrv_lock_fini(&u->lock);
    free(u);
}

void
vrv__uring_fdatasync(struct vrv_uring *u, const int *fd, int *result, size_t n)
{
    size_t done = 0;

    vrv_lock(&u->lock);
    while (n - done > 1 && ring_ready(u)) { /* for a single file a ring gains nothing */
        size_t part = n - done < RING_DEPTH ? n - done : RING_DEPTH;

        ring_fdatasync(u, fd + done, result + done, part);
        done += part;
    }
    vrv_unlock(&u->lock);
    for (; done < n; done++)
        result[done] = fdatasync_one(fd[done]);
}

void
vrv__uring_forbid(bool forbid)
{
    atomic_store(&forbidden, forbid);
}

bool
vrv__uring_is_open(struct vrv_uring *u)
{
    vrv_lock(&u->lock);
    bool open = u->state == RING_OPEN;
    vrv_unlock(&u->lock);
    return open;
}
