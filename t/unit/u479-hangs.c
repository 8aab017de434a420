/* A directory store whose file system hangs: who asked hears of it in time, and what hangs there does no harm when it goes
 * on, much later. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "t/lib/simclock.h"
#include "t/lib/storesuite.h"
#include "t/lib/tap.h"
#include "tiering/store/dir.h"

enum { SIZE = 700000, THREADS = 4, SOON_MS = 1000, LONG_MS = 20000 };

/* ---- a file system behind a gate ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool shut;
    unsigned waiting; /* in front of it */
} gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 };

static const struct vrv_vfs_ops *real;
static struct vrv_vfs_ops gated;
static const struct vrv_file_ops *real_file;
static struct vrv_file_ops gated_file;
static _Atomic bool gates_writes = true; /* of files; names and reads always */

static void
pass_gate(void)
{
    (void)pthread_mutex_lock(&gate.lock);
    gate.waiting++;
    (void)pthread_cond_broadcast(&gate.moved);
    while (gate.shut)
        (void)pthread_cond_wait(&gate.moved, &gate.lock);
    gate.waiting--;
    (void)pthread_cond_broadcast(&gate.moved);
    (void)pthread_mutex_unlock(&gate.lock);
}

static void
set_gate(bool shut)
{
    (void)pthread_mutex_lock(&gate.lock);
    gate.shut = shut;
    (void)pthread_cond_broadcast(&gate.moved);
    (void)pthread_mutex_unlock(&gate.lock);
}

static void
until_waiting(unsigned n)
{
    (void)pthread_mutex_lock(&gate.lock);
    while (gate.waiting != n)
        (void)pthread_cond_wait(&gate.moved, &gate.lock);
    (void)pthread_mutex_unlock(&gate.lock);
}

static int
gated_pwritev(struct vrv_file *f, const struct iovec *iov, int n, uint64_t pos, struct vrv_err *e)
{
    if (atomic_load(&gates_writes))
        pass_gate();
    return real_file->pwritev(f, iov, n, pos, e);
}

static int
gated_open(struct vrv_vfs *v, const char *path, unsigned flags, struct vrv_file **out, struct vrv_err *e)
{
    if ((flags & VRV_OPEN_WRITE) == 0)
        pass_gate();
    int rc = real->open(v, path, flags, out, e);
    if (rc == 0)
        (*out)->ops = &gated_file;
    return rc;
}

static int
gated_link(struct vrv_vfs *v, const char *from, const char *to, struct vrv_err *e)
{
    pass_gate();
    return real->link(v, from, to, e);
}

/* ---- the store ---- */

static struct storesuite s;
static struct simclock sim;
static uint8_t bytes[SIZE];

static struct vrv_store_call
call(enum vrv_store_op op, const char *key)
{
    struct vrv_store_call c = storesuite_call(&s, op, key);

    c.deadline_ns = sim.clock.mono_ns(&sim.clock) + SOON_MS * (int64_t)1000000;
    return c;
}

/* It hangs, its time passes, and it is answered. */
static int
answer_of(struct vrv_store_call *c, unsigned hang)
{
    vrv_store_submit(s.store, c);
    until_waiting(hang);
    simclock_advance_ms(&sim, LONG_MS);
    OK(vrv_cq_take(&s.cq, -1) == &c->done, "... who asked is answered: %s", c->err.msg);
    return c->status;
}

/* As it was written; waits for it. */
static bool
is_whole(const char *key)
{
    uint8_t *got = vrv_mem_zero(SIZE);
    int rc;

    do {
        struct vrv_store_call c = call(VRV_STORE_GET, key);

        c.buf = got;
        c.size = SIZE;
        rc = storesuite_do(&s, &c);
    } while (rc == VRV_E_NOTFOUND || rc == VRV_E_UNREACHABLE);
    bool same = rc == 0 && memcmp(got, bytes, SIZE) == 0;
    free(got);
    return same;
}

static struct vrv_store_call
write_call(enum vrv_store_op op, const char *key, struct iovec *iov)
{
    struct vrv_store_call c = call(op, key);

    *iov = (struct iovec){ vrv_mem_zero(SIZE), SIZE };
    memcpy(iov->iov_base, bytes, SIZE);
    c.iov = iov;
    c.iov_n = 1;
    c.size = SIZE;
    c.crc = vrv_crc32c(0, bytes, SIZE);
    return c;
}

static void
overwrite(struct iovec *iov)
{
    memset(iov->iov_base, 0xff, iov->iov_len);
    free(iov->iov_base);
}

/* ---- tests ---- */

static void
test_write(void)
{
    struct iovec iov;
    struct vrv_store_call c = write_call(VRV_STORE_PUT, "a/1", &iov);

    tap_note("a write hangs");
    set_gate(true);
    IS(answer_of(&c, 1), VRV_E_UNKNOWN, "... that it may have been done");
    OK(strstr(c.err.msg, "hangs") != NULL, "... or hangs");
    overwrite(&iov);
    set_gate(false);
    until_waiting(0);
    IS(storesuite_put(&s, "a/2", bytes, SIZE), 0, "when that is over it is written to again");
    OK(is_whole("a/2"), "... and read");
}

/* Each piece of it was had before it hung. */
static void
test_late(void)
{
    struct iovec iov;
    struct vrv_store_call c = write_call(VRV_STORE_PUT, "a/3", &iov);

    tap_note("a name hangs");
    atomic_store(&gates_writes, false);
    c.size = 1000;
    iov.iov_len = 1000;
    set_gate(true);
    vrv_store_submit(s.store, &c);
    until_waiting(1);
    simclock_advance_ms(&sim, LONG_MS);
    (void)vrv_cq_take(&s.cq, -1);
    IS(c.status, VRV_E_UNKNOWN, "who asked is answered");
    overwrite(&iov);
    set_gate(false);
    uint8_t got[1000];
    do {
        c = call(VRV_STORE_GET, "a/3");
        c.buf = got;
        c.size = sizeof(got);
    } while (storesuite_do(&s, &c) == VRV_E_NOTFOUND);
    OK(memcmp(got, bytes, sizeof(got)) == 0, "what comes late is what was to be written");
}

static void
test_read(void)
{
    struct vrv_store_call c = call(VRV_STORE_GET, "a/2");

    tap_note("a read hangs");
    c.buf = vrv_mem_zero(SIZE);
    c.size = SIZE;
    set_gate(true);
    IS(answer_of(&c, 1), VRV_E_TIMEDOUT, "... that it hangs");
    free(c.buf);
    set_gate(false);
    until_waiting(0);
    OK(is_whole("a/2"), "... and read when that is over");
}

static void
test_all_hang(void)
{
    struct vrv_store_call c[THREADS], next = call(VRV_STORE_VERIFY, "a/2");

    tap_note("all threads hang");
    set_gate(true);
    for (unsigned i = 0; i < THREADS; i++) {
        c[i] = call(VRV_STORE_VERIFY, "a/2");
        c[i].lane = VRV_STORE_READ;
        c[i].size = SIZE;
        IS(answer_of(&c[i], i + 1), VRV_E_TIMEDOUT, "... one more");
    }
    next = call(VRV_STORE_VERIFY, "a/2");
    IS(answer_of(&next, THREADS), VRV_E_UNREACHABLE, "... what is asked then is not begun");
    OK(strstr(next.err.msg, "hangs") != NULL, "... which is said");
    next = call(VRV_STORE_DELETE, NULL);
    const char *key = "a/2";
    next.keys = &key;
    next.max = 1;
    vrv_store_submit(s.store, &next);
    vrv_store_cancel(s.store, &next);
    simclock_advance_ms(&sim, LONG_MS);
    (void)vrv_cq_take(&s.cq, -1);
    IS(next.status, VRV_E_CANCELLED, "nor what is not wanted any more");
    set_gate(false);
    until_waiting(0);
    OK(is_whole("a/2"), "when they go on all is well");
}

static int
count_one(void *ctx, const char *name, bool is_dir)
{
    (void)name;
    (void)is_dir;
    ++*(int *)ctx;
    return 0;
}

/* What it has written so far goes when it goes on. */
static void
test_upload(struct vrv_vfs *vfs)
{
    struct vrv_store_call c = call(VRV_STORE_BEGIN, "a/4");
    struct iovec iov;
    int left = 1, rc = 0;

    tap_note("a part hangs");
    atomic_store(&gates_writes, true);
    IS(storesuite_do(&s, &c), 0, "an upload");
    struct vrv_store_upload *u = c.upload;
    c = write_call(VRV_STORE_PART_N, "a/4", &iov);
    c.upload = u;
    set_gate(true);
    IS(answer_of(&c, 1), VRV_E_UNKNOWN, "... that it may have been done");
    overwrite(&iov);
    c = call(VRV_STORE_ABORT, "a/4");
    c.upload = u;
    IS(storesuite_do(&s, &c), 0, "the upload is given up");
    vrv_store_upload_free(s.store, &u);
    set_gate(false);
    while (rc == 0 && left > 0) {
        left = 0;
        rc = vrv_vfs_list(vfs, "~tmp", count_one, &left, NULL);
    }
    IS(rc, 0, "when it goes on, its file goes");
}

/* The last one: what hangs then does so until the process ends. */
static void
test_close(void)
{
    struct vrv_store_call c = call(VRV_STORE_VERIFY, "a/2");

    tap_note("the end");
    c.size = SIZE;
    set_gate(true);
    IS(answer_of(&c, 1), VRV_E_TIMEDOUT, "... that it hangs");
    vrv_store_close(&s.store);
    OK(s.store == NULL, "the store is closed");
}

/* What files do is behind the gate, too. */
static void
set_up_files(struct vrv_vfs *vfs)
{
    struct vrv_file *f;

    tap_need(vrv_vfs_open(vfs, "probe", VRV_OPEN_WRITE | VRV_OPEN_CREATE, &f, NULL), "no file");
    real_file = f->ops;
    gated_file = *real_file;
    gated_file.pwritev = gated_pwritev;
    vrv_file_close(&f);
}

int
main(void)
{
    struct vrv_vfs *vfs;
    struct vrv_err e = { 0 };

    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 251);
    simclock_init(&sim, 1700000000000);
    tap_need(vrv_vfs_posix(tap_dir(), false, &vfs, &e), e.msg);
    set_up_files(vfs);
    real = vfs->ops;
    gated = *real;
    gated.open = gated_open;
    gated.link = gated_link;
    vfs->ops = &gated;
    tap_need(vrv_cq_init(&s.cq, 0), "no queue");
    tap_need(vrv_store_dir(&s.store, &(struct vrv_store_dir_opts){ .vfs = vfs, .path = "slow", .clock = &sim.clock,
        .random = 476, .threads = THREADS }, &e), e.msg);
    test_write();
    test_late();
    test_read();
    test_all_hang();
    test_upload(vfs);
    test_close();
    return tap_done();
}
