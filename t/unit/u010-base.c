/* The floor that all else stands on: errors, memory, lists, ids, random numbers, bytes, locks. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/err.h"
#include "engine/base/heap.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/base/uuid.h"
#include "engine/os/lock.h"
#include "t/lib/tap.h"

/* Run `fn` in a child; true when it died by SIGABRT, as a failed assertion does. */
static bool
aborts(void (*fn)(void))
{
    int st = 0;

    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        fn();
        _exit(0);
    }
    return pid > 0 && waitpid(pid, &st, 0) == pid && WIFSIGNALED(st) && WTERMSIG(st) == SIGABRT;
}

/* ---- errors */

static void
test_err_set(void)
{
    struct vrv_err e = { .sys = 5 };
    char longer[2 * sizeof(e.msg)];

    IS(vrv_err_set(&e, VRV_E_CORRUPT, "segment %d: cut at %s", 7, "byte 9"), VRV_E_CORRUPT,
        "vrv_err_set returns its code");
    IS(e.code, VRV_E_CORRUPT, "and keeps it");
    IS(e.sys, 0, "without an errno");
    IS_STR(e.msg, "segment 7: cut at byte 9", "the sentence is formatted");
    IS(vrv_err_set(NULL, VRV_E_IO, "x"), VRV_E_IO, "no record wanted: only the code");

    memset(longer, 'a', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    (void)vrv_err_set(&e, VRV_E_IO, "%s", longer);
    IS(strlen(e.msg), sizeof(e.msg) - 1, "a long sentence is cut, and ends");
    errno = EIO;
    (void)vrv_err_sys(&e, "%s", longer);
    IS(strlen(e.msg), sizeof(e.msg) - 1, "also with the text of errno behind it");
    IS(vrv_err_prefix(&e, VRV_E_IO, "%s", longer), VRV_E_IO, "and with one before it");
    IS(strlen(e.msg), sizeof(e.msg) - 1, "is cut the same way");

    (void)vrv_err_set(&e, VRV_E_DENIED, "%.180s: set that right", longer);
    (void)vrv_err_prefix(&e, VRV_E_DENIED, "b%s", longer);
    OK(e.msg[0] == 'b' && strstr(e.msg, "...: a") != NULL, "a long prefix is cut");
    IS_STR(e.msg + strlen(e.msg) - 16, ": set that right", "... and what to do is kept");
}

static void
test_err_sys(void)
{
    static const struct {
        int sys, code;
    } map[] = {
        {ENOSPC, VRV_E_NOSPACE},
        {EDQUOT, VRV_E_NOSPACE},
        {ENOENT, VRV_E_NOTFOUND},
        {EEXIST, VRV_E_EXISTS},
        {EROFS, VRV_E_READONLY},
        {EACCES, VRV_E_READONLY},
        {EPERM, VRV_E_READONLY},
        {ENOMEM, VRV_E_NOMEM},
        {EIO, VRV_E_IO},
        {EBADF, VRV_E_IO},
    };
    struct vrv_err e = { 0 };

    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
        errno = map[i].sys;
        IS(vrv_err_sys(&e, "open"), map[i].code, "%s is told as \"%s\"", strerror(map[i].sys),
            vrv_err_text(map[i].code));
        IS(e.sys, map[i].sys, "and errno is kept");
    }
    errno = ENOENT;
    (void)vrv_err_sys(&e, "open %s", "a/b");
    IS_STR(e.msg, "open a/b: No such file or directory", "the sentence ends with errno's text");
    errno = EIO;
    IS(vrv_err_sys(NULL, "x"), VRV_E_IO, "no record wanted: only the code");

    IS(vrv_err_prefix(&e, VRV_E_CORRUPT, "log %d", 3), VRV_E_CORRUPT, "a prefix returns its code");
    IS_STR(e.msg, "log 3: open a/b: No such file or directory", "and stands in front");
    IS(vrv_err_prefix(NULL, VRV_E_IO, "x"), VRV_E_IO, "nothing to prefix: only the code");
}

static void
no_error_is_a_bug(void)
{
    struct vrv_err e;

    (void)vrv_err_set(&e, 0, "nothing");
}

static void
test_err_tables(void)
{
#define VRV_ERROR(name, num, exit, text) {-(num), (exit), (text)},
    static const struct {
        int code, exit;
        const char *text;
    } all[] = {
#include "engine/base/errors.def"
    };
    int n = (int)(sizeof(all) / sizeof(all[0]));
    int doubles = 0, bad = 0;

    for (int i = 0; i < n; i++) {
        bad += all[i].code >= 0 || all[i].exit < 1 || all[i].exit > 125 ||
               vrv_err_exit(all[i].code) != all[i].exit ||
               strcmp(vrv_err_text(all[i].code), all[i].text) != 0;
        for (int k = 0; k < i; k++)
            doubles += all[i].code == all[k].code || strcmp(all[i].text, all[k].text) == 0;
    }
    IS(bad, 0, "all %d codes have a text and an exit code that a shell can see", n);
    IS(doubles, 0, "no two share a number or a text");
    IS(vrv_err_exit(0), 0, "no error exits with 0");
    IS(vrv_err_exit(-9999), 1, "an unknown one with 1");
    IS_STR(vrv_err_text(0), "no error", "no error has a text");
    IS_STR(vrv_err_text(-9999), "unknown error", "and an unknown one");
    OK(aborts(no_error_is_a_bug), "an error without a code is a bug");
}

/* ---- memory and magic */

static void
test_mem(void)
{
    struct thing {
        uint32_t magic;
        char c[60];
    } *t = VRV_NEW(struct thing);
    bool zero = true;
    int *v = NULL;
    int n = 0, cap = 0;

    for (size_t i = 0; i < sizeof(t->c); i++)
        zero = zero && t->c[i] == 0;
    OK(zero && t->magic == 0, "VRV_NEW is zeroed");
    free(t);

    for (int i = 0; i < 1000; i++) {
        VRV_PUSH_ROOM(v, n, cap);
        v[n++] = i;
    }
    bool same = true;
    for (int i = 0; i < n; i++)
        same = same && v[i] == i;
    OK(same, "VRV_PUSH_ROOM grows and keeps what was there");
    IS(cap, 1024, "by doubling");
    free(v);

    char *s = vrv_mem_strdup("varve");
    IS_STR(s, "varve", "a copy of a string");
    free(s);
    void *p = vrv_mem_zero(0);
    OK(p != NULL, "nothing is something that can be freed");
    free(p);
    p = vrv_mem_try(0);
    OK(p != NULL, "also when it may fail");
    free(p);
}

static void
wrong_magic(void)
{
    struct {
        uint32_t magic;
    } x = {1};

    VRV_CHECK(&x, 2u);
}

static void
null_pointer(void)
{
    struct {
        uint32_t magic;
    } *x = NULL;

    VRV_CHECK(x, 2u);
}

/* ---- lists */

struct elem {
    int n;
    struct vrv_list link;
};

static void
test_list(void)
{
    struct vrv_list head;
    struct elem e[4];
    char order[8] = "";
    int n = 0;

    vrv_list_init(&head);
    OK(vrv_list_empty(&head), "a new list is empty");
    for (int i = 0; i < 4; i++) {
        e[i].n = i;
        vrv_list_push(&head, &e[i].link);
    }
    vrv_list_del(&e[0].link);
    vrv_list_del(&e[2].link);
    vrv_list_del(&e[2].link);
    vrv_list_push(&head, &e[0].link);
    for (struct vrv_list *l = head.next; l != &head && n < 7; l = l->next)
        order[n++] = (char)('0' + VRV_LIST_OF(l, struct elem, link)->n);
    IS_STR(order, "130", "push goes to the end, del may come twice");
    while (!vrv_list_empty(&head))
        vrv_list_del(head.next);
    OK(vrv_list_empty(&head) && head.prev == &head, "and all can leave");
}

/* ---- ids, random numbers, bytes */

static void
test_heap(void)
{
    enum { TIMERS = 500 };
    static struct vrv_timer t[TIMERS];
    struct vrv_heap h = { .v = NULL };
    struct vrv_rand r = { 3 };
    int64_t last = INT64_MIN;
    int in = 0, out = 0;
    bool ordered = true;

    OK(vrv_heap_first(&h) == NULL, "an empty heap has no first");
    for (int i = 0; i < TIMERS; i++)
        vrv_heap_add(&h, &t[i], (int64_t)vrv_rand_below(&r, TIMERS / 2));
    for (int i = 0; i < TIMERS; i++)
        if (vrv_rand_below(&r, 3) == 0)
            vrv_heap_del(&h, &t[i]);
        else
            in++;
    vrv_heap_del(&h, &(struct vrv_timer){ .ns = 0 });
    for (struct vrv_timer *first; (first = vrv_heap_first(&h)) != NULL; out++) {
        ordered &= first->ns >= last;
        last = first->ns;
        vrv_heap_del(&h, first);
        vrv_heap_del(&h, first);
    }
    OK(ordered && out == in, "what was not taken out comes in order of time (%d)", out);
    vrv_heap_fini(&h);
}

static void
test_uuid(void)
{
    static const char *const text = "00010203a0b1c2d3e4f5ff7f80efcdab";
    static const char *const bad[] = {
        "",
        "00010203a0b1c2d3e4f5ff7f80efcda",
        "00010203A0b1c2d3e4f5ff7f80efcdab",
        "00010203-a0b1c2d3e4f5ff7f80efcda",
        "g0010203a0b1c2d3e4f5ff7f80efcdab",
        "00010203a0b1c2d3e4f5ff7f80efcda ",
    };
    struct vrv_uuid u, v;
    char out[VRV_UUID_TEXT + 1];
    int taken = 0;

    OK(vrv_uuid_parse(&u, text), "32 hex digits are an id");
    IS(u.b[0], 0, "first byte");
    IS(u.b[4], 0xa0, "fifth byte");
    IS(u.b[15], 0xab, "last byte");
    vrv_uuid_text(&u, out);
    IS_STR(out, text, "and print the same");
    OK(vrv_uuid_parse(&v, "00010203a0b1c2d3e4f5ff7f80efcdab.log") && vrv_uuid_eq(&u, &v),
        "what follows doesn't matter");
    v.b[15] ^= 1;
    OK(!vrv_uuid_eq(&u, &v), "one bit makes another id");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        taken += vrv_uuid_parse(&v, bad[i]);
    IS(taken, 0, "short, upper-case, dashed and foreign ones are refused");
}

static void
test_rand(void)
{
    struct vrv_rand a = {1234567}, b = {1234567};
    int seen[10] = { 0 };
    bool same = true, all = true;

    /* the reference values of splitmix64 */
    OK(vrv_rand_next(&a) == 6457827717110365317u, "first number of seed 1234567");
    OK(vrv_rand_next(&a) == 3203168211198807973u, "second number");
    a = b;
    for (int i = 0; i < 1000; i++) {
        uint64_t x = vrv_rand_below(&a, 10);

        same = same && x == vrv_rand_below(&b, 10);
        VRV_ASSERT(x < 10);
        seen[x]++;
    }
    for (int i = 0; i < 10; i++)
        all = all && seen[i] > 50;
    OK(same, "one seed is one run");
    OK(all, "below(10) gives each of ten numbers");
}

static void
test_bytes(void)
{
    uint8_t p[9] = {0xee, 1, 2, 3, 4, 5, 6, 7, 8};

    OK(vrv_get_be16(p + 1) == 0x0102u && vrv_get_le16(p + 1) == 0x0201u, "16 bits at an odd place");
    OK(vrv_get_be32(p + 1) == 0x01020304u && vrv_get_le32(p + 1) == 0x04030201u, "32 bits");
    OK(vrv_get_be64(p + 1) == 0x0102030405060708u && vrv_get_le64(p + 1) == 0x0807060504030201u,
        "64 bits");
    vrv_put_be32(p + 1, 0xfffefdfcu);
    OK(p[0] == 0xee && p[1] == 0xff && p[4] == 0xfc && p[5] == 5, "a store touches its bytes only");
    vrv_put_le64(p + 1, 0x0807060504030201u);
    OK(p[1] == 1 && p[8] == 8, "little-endian store");
    vrv_put_be16(p + 7, 0xabcdu);
    OK(p[6] == 6 && p[7] == 0xab && p[8] == 0xcd, "big-endian store");
}

/* ---- locks */

static void
wrong_order(void)
{
    struct vrv_lock a, b;

    vrv_lock_init(&a, VRV_LOCK_log);
    vrv_lock_init(&b, VRV_LOCK_diag);
    vrv_lock(&b);
    vrv_lock(&a);
}

static void
same_rank_downwards(void)
{
    struct vrv_lock l[2];

    vrv_lock_init(&l[0], VRV_LOCK_log);
    vrv_lock_init(&l[1], VRV_LOCK_log);
    vrv_lock(&l[1]);
    vrv_lock(&l[0]);
}

static void
same_lock(void)
{
    struct vrv_lock l;

    vrv_lock_init(&l, VRV_LOCK_log);
    vrv_lock(&l);
    vrv_lock(&l);
}

static void
wrong_release(void)
{
    struct vrv_lock a, b;

    vrv_lock_init(&a, VRV_LOCK_log);
    vrv_lock_init(&b, VRV_LOCK_diag);
    vrv_lock(&a);
    vrv_lock(&b);
    vrv_unlock(&a);
}

struct counter {
    struct vrv_lock lock;
    int n VRV_GUARDED_BY(lock);
};

static void *
count(void *arg)
{
    struct counter *c = arg;

    for (int i = 0; i < 10000; i++) {
        vrv_lock(&c->lock);
        c->n++;
        vrv_unlock(&c->lock);
    }
    return vrv_lock_held(&c->lock) ? c : NULL;
}

static void *
is_held(void *arg)
{
    return vrv_lock_held(arg) ? arg : NULL;
}

static void
test_locks(void)
{
    enum { THREADS = 4 };
    struct vrv_lock a, b, row[2];
    struct counter c = { .n = 0 };
    pthread_t t[THREADS];
    void *seen = &c;
    bool started = true;

    vrv_lock_init(&a, VRV_LOCK_log);
    vrv_lock_init(&b, VRV_LOCK_diag);
    vrv_lock(&a);
    vrv_lock(&b);
    OK(vrv_lock_held(&a) && vrv_lock_held(&b), "both held, in the order of their ranks");
    OK(pthread_create(&t[0], NULL, is_held, &a) == 0 && pthread_join(t[0], &seen) == 0 &&
            seen == NULL,
        "but not by another thread");
    vrv_unlock(&b);
    vrv_unlock(&a);
    OK(!vrv_lock_held(&a) && !vrv_lock_held(&b), "released");
    vrv_lock_fini(&a);
    vrv_lock_fini(&b);

    vrv_lock_init(&row[0], VRV_LOCK_log);
    vrv_lock_init(&row[1], VRV_LOCK_log);
    vrv_lock(&row[0]);
    vrv_lock(&row[1]);
    OK(vrv_lock_held(&row[0]) && vrv_lock_held(&row[1]),
        "two of one rank, from the lower address up");
    vrv_unlock(&row[1]);
    vrv_unlock(&row[0]);
    vrv_lock_fini(&row[0]);
    vrv_lock_fini(&row[1]);

    vrv_lock_init(&c.lock, VRV_LOCK_queue);
    for (int i = 0; i < THREADS; i++)
        started = started && pthread_create(&t[i], NULL, count, &c) == 0;
    VRV_ASSERT(started);
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(t[i], NULL);
    IS(c.n, THREADS * 10000, "a lock keeps others out");
    vrv_lock_fini(&c.lock);

    OK(aborts(wrong_order), "a lower rank under a higher one is a bug");
    OK(aborts(same_rank_downwards), "so are two of one rank from the higher address down");
    OK(aborts(same_lock), "and a lock taken twice");
    OK(aborts(wrong_release), "and a release out of order");
}

/* Whoever computes how long to wait may be held up, and is late then. */
static void
test_past_deadlines(void)
{
    bool valid = true;

    for (int64_t ms = -1; ms > -3000; ms -= 7) {
        struct timespec now, until;

        vrv_deadline(&until, ms);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        valid = valid && until.tv_nsec >= 0 && until.tv_nsec < 1000000000 &&
            (until.tv_sec < now.tv_sec || (until.tv_sec == now.tv_sec && until.tv_nsec <= now.tv_nsec));
    }
    OK(valid, "a deadline in the past is a time that has come");
}

int
main(void)
{
    test_err_set();
    test_err_sys();
    test_err_tables();
    test_mem();
    OK(aborts(wrong_magic), "a wrong magic is a bug");
    OK(aborts(null_pointer), "and so is no pointer");
    test_list();
    test_heap();
    test_uuid();
    test_rand();
    test_bytes();
    test_locks();
    test_past_deadlines();
    return tap_done();
}
