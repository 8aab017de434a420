/* Slabs and their budget, pieces packed into them, completion queues, open files under a limit. */
#include "engine/tail/slab.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/rand.h"
#include "engine/os/cq.h"
#include "engine/os/files.h"
#include "engine/tail/fill.h"
#include "t/lib/simdisk.h"
#include "t/lib/tap.h"

enum { KIB = 1024 };

static size_t
used(struct vrv_slab_pool *pool)
{
    return atomic_load(&pool->used);
}

/* ---- slabs ---- */

static void
test_budget(void)
{
    struct vrv_slab_pool pool;
    struct vrv_slab *v[4];

    vrv_slab_pool_init(&pool, 4 * VRV_SLAB_BYTES);
    for (int i = 0; i < 4; i++)
        v[i] = vrv_slab_get(&pool, 1);
    OK(v[0] && v[3] && used(&pool) == pool.budget, "a slab counts whole, however little is used");
    OK(vrv_slab_get(&pool, 1) == NULL, "the budget is not exceeded");
    IS(used(&pool), pool.budget, "... and what was refused does not count");
    struct vrv_slab *must = vrv_slab_get_must(&pool, 1);
    IS(used(&pool), pool.budget + VRV_SLAB_BYTES, "recovery gets one past it, and it counts");
    vrv_slab_unref(must);
    memset(v[0]->data, 1, v[0]->size);
    OK(v[0]->size >= VRV_SLAB_BYTES - 64, "all of a slab but a small header is usable");
    (void)vrv_slab_ref(v[0]);
    vrv_slab_unref(v[0]);
    OK(vrv_slab_get(&pool, 1) == NULL, "a slab stays as long as somebody holds a reference");
    vrv_slab_unref(v[0]);
    v[0] = vrv_slab_get(&pool, 1);
    OK(v[0] != NULL, "the last one to let go makes room");
    vrv_slab_unref(NULL);
    for (int i = 0; i < 4; i++)
        vrv_slab_unref(v[i]);
    IS(used(&pool), 0, "all given back: nothing in use");
    vrv_slab_pool_fini(&pool);
}

static void
test_large(void)
{
    struct vrv_slab_pool pool;

    vrv_slab_pool_init(&pool, 1024 * KIB);
    struct vrv_slab *s = vrv_slab_get(&pool, 600 * KIB);
    OK(s != NULL && s->size >= 600 * KIB, "a large piece gets a slab of its size");
    IS(used(&pool), 768 * KIB, "... which counts with all of it");
    memset(s->data, 7, s->size);
    OK(vrv_slab_get(&pool, 600 * KIB) == NULL, "a second one would exceed the budget");
    vrv_slab_unref(s);
    OK(pool.free_bytes == 0 && used(&pool) == 0, "more than a quarter of the budget isn't kept");
    OK(vrv_slab_get(&pool, 2048 * KIB) == NULL, "one larger than the budget is refused");
    vrv_slab_pool_fini(&pool);
}

static void
test_reuse(void)
{
    struct vrv_slab_pool pool;
    struct vrv_slab *v[8];

    vrv_slab_pool_init(&pool, 8 * VRV_SLAB_BYTES);
    for (int i = 0; i < 8; i++)
        v[i] = vrv_slab_get(&pool, 1);
    for (int i = 0; i < 8; i++)
        vrv_slab_unref(v[i]);
    IS(pool.free_bytes, 2 * VRV_SLAB_BYTES, "at most a quarter of the budget is kept for reuse");
    struct vrv_slab *s = vrv_slab_get(&pool, 1);
    IS(pool.free_bytes, VRV_SLAB_BYTES, "the next one comes from there");
    vrv_slab_pool_shrink(&pool);
    IS(pool.free_bytes, 0, "shrinking gives the rest to the system");
    memset(s->data, 1, s->size);
    vrv_slab_unref(s);
    vrv_slab_pool_fini(&pool);
}

enum { SLAB_THREADS = 4 };

struct churner {
    struct vrv_slab_pool *pool;
    uint64_t seed;
    pthread_t thread;
};

static void *
churn(void *arg)
{
    struct churner *c = arg;
    struct vrv_slab_pool *pool = c->pool;
    struct vrv_rand rand = { c->seed };
    struct vrv_slab *held[8] = { 0 };

    for (int i = 0; i < 3000; i++) {
        struct vrv_slab **s = &held[vrv_rand_below(&rand, 8)];

        if (*s == NULL) {
            *s = vrv_slab_get(pool, 1 + vrv_rand_below(&rand, 400 * KIB));
            if (*s != NULL)
                (*s)->data[0] = (uint8_t)i;
        } else {
            vrv_slab_unref(vrv_slab_ref(*s));
            vrv_slab_unref(*s);
            *s = NULL;
        }
    }
    for (int i = 0; i < 8; i++)
        vrv_slab_unref(held[i]);
    return NULL;
}

static void
test_slab_threads(void)
{
    struct vrv_slab_pool pool;
    struct churner t[SLAB_THREADS];
    int rc = 0;

    vrv_slab_pool_init(&pool, 4096 * KIB);
    for (int i = 0; i < SLAB_THREADS; i++) {
        t[i] = (struct churner){ .pool = &pool, .seed = (uint64_t)i };
        rc |= pthread_create(&t[i].thread, NULL, churn, &t[i]);
    }
    VRV_ASSERT(rc == 0);
    for (int i = 0; i < SLAB_THREADS; i++)
        (void)pthread_join(t[i].thread, NULL);
    IS(used(&pool), 0, "four threads take and give back: the count ends at zero");
    OK(pool.free_bytes <= pool.free_max, "and no more than allowed is kept");
    vrv_slab_pool_fini(&pool);
}

/* ---- fill ---- */

static void
test_fill(void)
{
    struct vrv_slab_pool pool;
    struct vrv_fill f = { 0 };
    struct vrv_slab *s[3], *big, *no = NULL;

    vrv_slab_pool_init(&pool, 2 * VRV_SLAB_BYTES);
    uint8_t *a = vrv_fill_take(&f, &pool, 100, false, &s[0]);
    uint8_t *b = vrv_fill_take(&f, &pool, 100, false, &s[1]);
    OK(s[0] == s[1] && b == a + 100, "small pieces share a slab, one behind the other");
    uint8_t *c = vrv_fill_take(&f, &pool, s[0]->size - 100, false, &s[2]);
    OK(c != NULL && s[2] != s[0], "what does not fit goes to the next one");
    OK(vrv_fill_take(&f, &pool, 5000, false, &no) == NULL && no == NULL,
        "nothing when the budget is used up");
    OK(vrv_fill_take(&f, &pool, 50, false, &no) == c + s[2]->size - 100 && no == s[2],
        "... but the rest of the slab can be used");
    vrv_slab_unref(no);
    OK(vrv_fill_take(&f, &pool, 600 * KIB, true, &big) != NULL && big->size >= 600 * KIB,
        "recovery gets its piece");
    memset(a, 1, 100);
    memset(c, 2, s[2]->size - 100);
    vrv_fill_fini(&f);
    OK(a[99] == 1, "pieces outlive the filling");
    for (int i = 0; i < 3; i++)
        vrv_slab_unref(s[i]);
    vrv_slab_unref(big);
    IS(used(&pool), 0, "and with the last piece a slab goes");
    vrv_slab_pool_fini(&pool);
}

/* ---- completion queues ---- */

static bool
readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, 0) == 1;
}

static void
test_cq(void)
{
    struct vrv_cq q;
    struct vrv_done d[5];

    IS(vrv_cq_init(&q, 1), 0, "a queue with an eventfd");
    OK(vrv_cq_take(&q, 0) == NULL && !readable(q.fd), "is empty at first");
    OK(vrv_cq_take(&q, 10) == NULL, "waiting ends");
    vrv_cq_post(&q, &d[0], &d[0]);
    d[1].next = &d[2];
    d[2].next = &d[3];
    vrv_cq_post(&q, &d[1], &d[3]);
    OK(readable(q.fd), "posting makes it readable");
    bool order = true;
    for (int i = 0; i < 4; i++)
        order &= vrv_cq_take(&q, -1) == &d[i];
    OK(order && vrv_cq_take(&q, 0) == NULL, "single ones and chains come out in order, once");
    vrv_cq_post(&q, &d[4], &d[4]);
    OK(vrv_cq_take(&q, 1000) == &d[4], "and again after it was empty");
    vrv_cq_fini(&q);
}

enum { CQ_THREADS = 3, CQ_EACH = 2000 };

struct post {
    struct vrv_cq *q;
    struct vrv_done v[CQ_EACH];
};

static void *
post_all(void *arg)
{
    struct post *p = arg;

    for (int i = 0; i + 1 < CQ_EACH; i += 2) {
        p->v[i].next = &p->v[i + 1];
        vrv_cq_post(p->q, &p->v[i], &p->v[i + 1]);
    }
    return NULL;
}

static void *
take_many(void *arg)
{
    uintptr_t n = 0;

    /* Each taker stops at one that is marked. */
    for (struct vrv_done *d; (d = vrv_cq_take(arg, -1))->cq != NULL; n++)
        ;
    return (void *)n;
}

static void
test_cq_threads(void)
{
    struct vrv_cq q;
    struct post *posts = calloc(CQ_THREADS, sizeof(*posts));
    struct vrv_done stop[CQ_THREADS] = { 0 };
    pthread_t post[CQ_THREADS], take[CQ_THREADS];
    uintptr_t all = 0;
    int rc = vrv_cq_init(&q, 0);

    VRV_ASSERT(posts != NULL);
    for (int i = 0; i < CQ_THREADS; i++) {
        posts[i].q = &q;
        for (int k = 0; k < CQ_EACH; k++)
            posts[i].v[k].cq = &q;
        rc |= pthread_create(&take[i], NULL, take_many, &q);
        rc |= pthread_create(&post[i], NULL, post_all, &posts[i]);
    }
    VRV_ASSERT(rc == 0);
    for (int i = 0; i < CQ_THREADS; i++)
        (void)pthread_join(post[i], NULL);
    for (int i = 0; i < CQ_THREADS; i++)
        vrv_cq_post(&q, &stop[i], &stop[i]);
    for (int i = 0; i < CQ_THREADS; i++) {
        void *n;

        (void)pthread_join(take[i], &n);
        all += (uintptr_t)n;
    }
    IS(all, CQ_THREADS * CQ_EACH, "several threads post and take: each completion comes out once");
    vrv_cq_fini(&q);
    free(posts);
}

enum { FREED = 500 };

static void *
post_one(void *arg)
{
    struct vrv_done *d = arg;

    vrv_cq_post(d->cq, d, d);
    return NULL;
}

/* ASan and TSan are the judges. */
static void
test_cq_freed(void)
{
    int taken = 0;

    for (int i = 0; i < FREED; i++) {
        struct vrv_cq *q = malloc(sizeof(*q));
        struct vrv_done d = { .cq = q };
        pthread_t t;

        VRV_ASSERT(q != NULL && vrv_cq_init(q, 1) == 0 && pthread_create(&t, NULL, post_one, &d) == 0);
        taken += vrv_cq_take(q, -1) == &d;
        vrv_cq_fini(q);
        free(q);
        (void)pthread_join(t, NULL);
    }
    IS(taken, FREED, "who takes the last one may free the queue, whose descriptor is being written to");
}

/* ---- files ---- */

enum { CREATE = VRV_OPEN_WRITE | VRV_OPEN_CREATE };

static struct vrv_file *
get(struct vrv_files *fs, struct vrv_file_slot *slot, const char *path, unsigned flags)
{
    struct vrv_file *f = NULL;

    return vrv_files_get(fs, slot, path, flags, &f, NULL) == 0 ? f : NULL;
}

static void
test_files(void)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_files fs;
    struct vrv_file_slot s[3] = { 0 };
    struct vrv_err e = { 0 };
    struct vrv_file *f = NULL;

    vrv_files_init(&fs, simdisk_vfs(d), 2);
    struct vrv_file *a = get(&fs, &s[0], "a", CREATE);
    vrv_files_put(&fs, &s[0]);
    uint64_t ops = simdisk_ops(d);
    OK(a != NULL && get(&fs, &s[0], "a", CREATE) == a && simdisk_ops(d) == ops,
        "a file that is open already is not opened again");
    OK(get(&fs, &s[0], "a", 0) == a, "and may have several users");
    vrv_files_put(&fs, &s[0]);
    OK(get(&fs, &s[1], "b", CREATE) != NULL, "a second one");
    vrv_files_put(&fs, &s[1]);
    OK(get(&fs, &s[2], "c", CREATE) != NULL && s[1].f == NULL && s[0].f == a,
        "at the limit one that is idle is closed, not one in use");
    OK(get(&fs, &s[1], "b", CREATE) != NULL && fs.open == 3,
        "with all in use the limit gives way");
    vrv_files_put(&fs, &s[0]);
    vrv_files_put(&fs, &s[1]);
    vrv_files_put(&fs, &s[2]);
    struct vrv_file_slot more = { 0 };
    OK(get(&fs, &more, "d", CREATE) != NULL && fs.open == 2 && s[2].f != NULL && s[0].f == NULL,
        "later it is held again: the least recently used go first");
    vrv_files_put(&fs, &more);
    vrv_files_clear(&fs, &more);
    vrv_files_clear(&fs, &more);
    OK(more.f == NULL && fs.open == 1, "clearing closes, and twice is harmless");
    OK(get(&fs, &s[0], "a", 0) != NULL, "a slot opened for reading");
    vrv_files_put(&fs, &s[0]);
    f = get(&fs, &s[0], "a", VRV_OPEN_WRITE);
    OK(f != NULL && vrv_file_pwrite(f, "x", 1, 0, &e) == 0, "is opened again for writing");
    vrv_files_put(&fs, &s[0]);
    struct vrv_file_slot none = { 0 };
    IS(vrv_files_get(&fs, &none, "nowhere", 0, &f, &e), VRV_E_NOTFOUND, "a missing file is told");
    OK(none.f == NULL && none.users == 0, "... and leaves the slot empty");
    for (int i = 0; i < 3; i++)
        vrv_files_clear(&fs, &s[i]);
    IS(fs.open, 0, "none is left open");
    vrv_files_fini(&fs);
    simdisk_free(&d);
}

struct file_user {
    struct vrv_files *fs;
    struct vrv_file_slot *slots;
    uint64_t seed;
    bool writes; /* now and then */
    int bad;
    pthread_t thread;
};

static void *
use_files(void *arg)
{
    struct file_user *u = arg;
    struct vrv_rand rand = { u->seed };

    for (int i = 0; i < 2000; i++) {
        unsigned k = (unsigned)vrv_rand_below(&rand, 8);
        char path[2] = { (char)('a' + k), '\0' }, c = 0;
        bool write = u->writes && vrv_rand_below(&rand, 4) == 0;
        struct vrv_file *f = get(u->fs, &u->slots[k], path, write ? VRV_OPEN_WRITE : 0);

        u->bad += write && f != NULL && vrv_file_pwrite(f, path, 1, 0, NULL) != 0;
        u->bad += f == NULL || vrv_file_pread(f, &c, 1, 0, 0, NULL) != 1 || c != path[0];
        (void)sched_yield(); /* let others ask for it meanwhile */
        if (f != NULL)
            vrv_files_put(u->fs, &u->slots[k]);
    }
    return NULL;
}

static void
test_files_threads(void)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_files fs;
    struct vrv_file_slot s[8] = { 0 };
    struct file_user u[3];
    int bad = 0, rc = 0;

    vrv_files_init(&fs, simdisk_vfs(d), 4);
    for (int i = 0; i < 8; i++) {
        char path[2] = { (char)('a' + i), '\0' };
        struct vrv_file *f = get(&fs, &s[i], path, CREATE);

        bad += f == NULL || vrv_file_pwrite(f, path, 1, 0, NULL) != 0;
        vrv_files_put(&fs, &s[i]);
        vrv_files_clear(&fs, &s[i]);
    }
    for (int i = 0; i < 3; i++) {
        u[i] = (struct file_user){ .fs = &fs, .slots = s, .seed = (uint64_t)i,
            .writes = i == 0 };
        rc |= pthread_create(&u[i].thread, NULL, use_files, &u[i]);
    }
    VRV_ASSERT(rc == 0);
    for (int i = 0; i < 3; i++) {
        (void)pthread_join(u[i].thread, NULL);
        bad += u[i].bad;
    }
    IS(bad, 0, "three threads use eight files under a limit of four, one of them writes");
    OK(fs.open <= 4, "and the limit holds in the end");
    for (int i = 0; i < 8; i++)
        vrv_files_clear(&fs, &s[i]);
    vrv_files_fini(&fs);
    simdisk_free(&d);
}

int
main(void)
{
    test_budget();
    test_large();
    test_reuse();
    test_slab_threads();
    test_fill();
    test_cq();
    test_cq_threads();
    test_cq_freed();
    test_files();
    test_files_threads();
    return tap_done();
}
