/* A connection, without sockets and threads: what is taken when, what is answered in which order,
 * what is held back, when it ends.  The letters are told in t/lib/netsim.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/reader/reader.h"
#include "server/base/diag.h"
#include "t/lib/netsim.h"
#include "t/lib/rig.h"
#include "t/lib/tap.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static struct netsim n;
static struct rig rig;
static struct vrv_net_opts opts;
static char told[2 * VRV_DIAG_LINE];

static void
sink(void *ctx, const char *line, size_t len)
{
    (void)ctx;
    memcpy(told, line, len);
    told[len] = '\0';
}

static void
begin(void)
{
    netsim_init(&n, &opts, 64 * MIB);
    vrv_net_opts_default(&opts);
    told[0] = '\0';
}

static uint64_t
count(const _Atomic uint64_t *c)
{
    return atomic_load(c);
}

/* ---- order ---- */

static void
frames(struct simconn *s, const char *letters)
{
    for (; *letters != '\0'; letters++)
        netsim_frame(s, *letters, 10);
    netsim_run(&n);
}

static void
test_order(void)
{
    begin();
    struct simconn *s = netsim_open(&n, 0);
    frames(s, "e");
    IS_STR(netsim_got(s), "e", "a request is answered");
    frames(s, "pepe");
    IS_STR(netsim_got(s), "e", "answers wait for the one before them");
    OK(netsim_answer(s, 1), "the second of two is done first");
    netsim_run(&n);
    IS_STR(netsim_got(s), "e", "... and waits");
    int writes = s->writes;
    OK(netsim_answer(s, 0), "then the first");
    netsim_run(&n);
    IS_STR(netsim_got(s), "epepe", "all leave in order");
    IS(s->writes, writes + 1, "... in one write");
    frames(s, "nene");
    IS_STR(netsim_got(s), "epepeee", "who wants no answer gets none");
    IS(n.calls, 0, "and all calls were given back");
    netsim_fini(&n);
}

static void
test_later(void)
{
    begin();
    struct simconn *s = netsim_open(&n, 0);
    frames(s, "pple");
    IS(s->frames, 2, "a frame that must wait holds up those behind it");
    netsim_answer(s, 1);
    netsim_run(&n);
    IS(s->frames, 2, "... until all before it");
    IS(s->later, 1, "... and isn't offered meanwhile");
    netsim_answer(s, 0);
    netsim_run(&n);
    IS_STR(netsim_got(s), "pple", "... are done");
    frames(s, "le");
    IS_STR(netsim_got(s), "ppl"
                          "ele", "where nothing is under way it needn't wait");
    netsim_frame(s, 'p', 10);
    netsim_frame(s, 'l', 100 * KIB);
    frames(s, "ee");
    IS(s->frames, 7, "a large one waits where it is");
    netsim_answer(s, 0);
    netsim_run(&n);
    IS_STR(netsim_got(s), "pplelepl"
                          "ee", "... and is taken from there");
    IS(s->copied, 2, "small ones wait outside of slabs, which others need");
    netsim_fini(&n);
}

static void
test_many(void)
{
    begin();
    struct simconn *s = netsim_open(&n, 0);
    struct vrv_rand rand = { 7 };

    for (int i = 0; i < 10000; i++)
        netsim_frame(s, i % 3 == 0 ? 'p' : 'e', 1);
    for (int i = 0; i < 100000 && s->out_n < 50000; i++) {
        netsim_run(&n);
        (void)netsim_answer(s, (int)vrv_rand_below(&rand, 20));
        s->cut = 1 + vrv_rand_below(&rand, 999);
    }
    netsim_run(&n);
    int wrong = 0;
    for (size_t i = 0; i < s->out_n / 5; i++)
        wrong += s->out[5 * i + 4] != (i % 3 == 0 ? 'p' : 'e');
    OK(s->out_n == 50000 && wrong == 0, "10,000 tiny requests in a row, answered in any order");
    OK(count(&n.r.counters.full_requests) > 0, "... not all of them are taken at once");
    netsim_fini(&n);
}

/* ---- ends ---- */

/* The peer, told that it gets no more, closes as well. */
static bool
closes(struct simconn *s)
{
    bool told_so = s->finished && !s->gone;

    s->ended = true;
    netsim_run(&n);
    return told_so && s->gone && !s->reset;
}

static void
test_bad_frames(void)
{
    static const int32_t bad[] = { 0, -1, INT32_MIN, 101 * MIB };
    begin();
    for (int i = 0; i < 4; i++) {
        struct simconn *s = netsim_open(&n, i);
        uint8_t b[4];

        vrv_put_be32(b, (uint32_t)bad[i]);
        netsim_frame(s, 'p', 10);
        netsim_bytes(s, b, 4);
        netsim_frame(s, 'e', 10);
        netsim_run(&n);
        OK(s->c.fd >= 0, "a length of %d: what came before is still answered", bad[i]);
        netsim_answer(s, 0);
        netsim_run(&n);
        OK(closes(s) && s->frames == 1, "... then the connection is closed");
        IS_STR(netsim_got(s), "p", "... and nothing behind it was taken");
    }
    IS(count(&n.r.counters.bad_frames), 4, "that is counted");
    OK(strstr(told, "net.closed") != NULL && strstr(told, "more than 33554432") != NULL,
        "and told: %s", told);
    netsim_fini(&n);
}

static void
test_rejected(void)
{
    begin();
    struct simconn *s = netsim_open(&n, 0);
    frames(s, "exe");
    IS_STR(netsim_got(s), "e", "a frame that can't be handled");
    OK(closes(s) && s->freed == 1, "... closes the connection");
    OK(strstr(told, "reason=\"an x\"") != NULL, "... for the reason that the handler gave");
    s = netsim_open(&n, 1);
    frames(s, "pce");
    OK(!s->gone && s->frames == 2, "a call asks for the end");
    netsim_answer(s, 0);
    netsim_run(&n);
    IS_STR(netsim_got(s), "pc", "... which comes behind its answer");
    OK(closes(s), "... and then");
    OK(strstr(told, "reason=\"an x\"") != NULL, "... without a word, where it gave no reason");
    s = netsim_open(&n, 3);
    frames(s, "pe");
    s->pending->call.close = true;
    s->pending->call.reason = "a p";
    netsim_answer(s, 0);
    netsim_run(&n);
    OK(strstr(told, "net.closed") != NULL && strstr(told, "reason=\"a p\"") != NULL,
        "a call that gives a reason has it told: %s", told);
    IS_STR(netsim_got(s), "p", "... what was answered behind it is not sent");
    OK(closes(s), "... either");
    n.refuse = true;
    s = netsim_open(&n, 2);
    OK(s->gone && s->closed == 0, "a connection that the handler refuses");
    IS(count(&n.r.counters.refused_handler), 1, "... is counted");
    netsim_fini(&n);
}

static void
test_peer_ends(void)
{
    begin();
    struct simconn *s = netsim_open(&n, 0);
    frames(s, "pe");
    netsim_bytes(s, "\0\0", 2);
    netsim_run(&n);
    IS(atomic_load(&n.env.requests.loose), 2, "part of a request is held");
    s->ended = true;
    netsim_run(&n);
    IS(atomic_load(&n.env.requests.loose), 0, "... until its rest can't come any more");
    OK(!s->gone, "the peer sends no more, but still gets its answers");
    netsim_answer(s, 0);
    netsim_run(&n);
    OK(s->gone, "then the connection ends");
    IS_STR(netsim_got(s), "pe", "... with all answers sent");

    s = netsim_open(&n, 1);
    frames(s, "pp");
    s->error = ECONNRESET;
    netsim_run(&n);
    OK(s->c.fd < 0 && s->closed == 1, "the socket breaks: the handler is told at once");
    OK(!s->gone && s->freed == 0, "... but its calls are still under way");
    netsim_answer(s, 1);
    OK(!s->gone, "... one is done");
    netsim_answer(s, 0);
    OK(s->gone && s->freed == 1, "... all are, and it is freed");

    s = netsim_open(&n, 2);
    netsim_bytes(s, "\0\0\0\5ab", 6);
    s->ended = true;
    netsim_run(&n);
    OK(s->gone && count(&n.r.counters.cut_frames) == 2, "an end within a frame is counted");
    netsim_fini(&n);
}

/* Who still sends when its connection ends would lose the last answer if that was just closed. */
static void
test_lingers(void)
{
    opts.linger_ms = 500;
    opts.linger_bytes = 20 * KIB;
    begin();
    struct simconn *s = netsim_open(&n, 0), *t = netsim_open(&n, 1), *u = netsim_open(&n, 2),
                   *v = netsim_open(&n, 3);
    frames(s, "pcp");
    netsim_frame(s, 'e', 5 * KIB);
    netsim_answer(s, 0);
    netsim_run(&n);
    OK(s->finished && !s->gone && s->closed == 1, "an answer that ends it: the peer gets no more");
    netsim_frame(s, 'e', 5 * KIB);
    netsim_run(&n);
    OK(s->in_pos == s->in_n && s->frames == 2, "... but what it sends is read, and dropped");
    IS(s->freed, 0, "... the handler knows");
    OK(closes(s), "... until it closes");
    IS_STR(netsim_got(s), "pc", "... with its answer");

    frames(t, "c");
    netsim_pass(&n, 499);
    OK(t->finished && !t->gone, "who doesn't is waited for");
    netsim_pass(&n, 1);
    OK(t->gone, "... but not for ever");

    frames(u, "c");
    netsim_frame(u, 'e', 100 * KIB);
    netsim_run(&n);
    OK(u->gone && u->in_pos <= 37 * KIB, "who sends on and on is closed");
    IS(n.calls, 0, "all calls were given back");

    frames(v, "x");
    OK(v->gone && !v->finished, "who was answered nothing can't lose it");
    struct simconn *w = netsim_open(&n, 4);
    frames(w, "cpp");
    vrv__reactor_kill(&n.r);
    OK(w->gone, "a stop waits for nobody");
    netsim_fini(&n);
}

/* Nothing is read of it, and yet it is noticed when the peer goes. */
static void
test_ends_unread(void)
{
    begin();
    struct simconn *s = netsim_open(&n, 0), *t = netsim_open(&n, 1);
    frames(s, "pl");
    frames(t, "me");
    OK((s->c.watched & VRV_SOCK_IN) == 0 && (t->c.watched & VRV_SOCK_IN) == 0,
        "one waits for a call, one is muted");
    netsim_frame(s, 'e', 10);
    s->ended = t->ended = true;
    netsim_run(&n);
    OK(s->told_ended && t->told_ended, "the handler is told that their peers send no more");
    IS(s->c.watched | t->c.watched, 0, "... and the socket has no more to say");
    netsim_answer(s, 0);
    netsim_pass(&n, 1000);
    IS_STR(netsim_got(s), "ple", "all that it sent is still answered");
    IS_STR(netsim_got(t), "me", "... by each");
    OK(s->gone && t->gone, "... then they go");
    netsim_fini(&n);
}

/* ---- what is held back ---- */

static void
test_slow_reader(void)
{
    opts.conn_unsent_bytes = 20 * KIB;
    begin();
    struct simconn *s = netsim_open(&n, 0), *t = netsim_open(&n, 1);
    s->window = 0;
    s->cut = 1000;
    for (int i = 0; i < 100; i++)
        netsim_frame(s, 'e', KIB);
    netsim_run(&n);
    OK(s->frames >= 20 && s->frames < 23, "a peer that takes no answers isn't read any further");
    IS(count(&n.r.counters.full_unsent), 1, "... which is counted");
    frames(t, "e");
    IS_STR(netsim_got(t), "e", "others don't notice");
    for (int i = 0; i < 1000 && s->frames < 100; i++) {
        s->window = 700;
        netsim_run(&n);
        OK(s->c.unsent <= 23 * KIB, "never more than that is held") || (i = 1000);
    }
    s->window = MIB;
    netsim_run(&n);
    IS(s->out_n, 100 * (KIB + 4), "it gets all when it reads");
    netsim_fini(&n);
}

static void
test_unsent_total(void)
{
    opts.unsent_bytes_max = 20 * KIB;
    begin();
    struct simconn *s = netsim_open(&n, 0), *t = netsim_open(&n, 1);
    s->window = 0;
    netsim_frame(s, 'e', 30 * KIB);
    netsim_run(&n);
    frames(s, "e");
    IS(s->frames, 1, "with too many answers unsent in total, who has some is not read");
    frames(t, "eee");
    IS_STR(netsim_got(t), "eee", "... others are");
    s->window = MIB;
    netsim_run(&n);
    IS_STR(netsim_got(s), "ee", "... until it has none");
    netsim_fini(&n);
}

/* A peer with so much of an answer that it doesn't read. */
static struct simconn *
greedy(int i, size_t bytes)
{
    struct simconn *s = netsim_open(&n, i);

    s->window = 0;
    netsim_frame(s, 'e', bytes);
    netsim_run(&n);
    return s;
}

/* With little memory for answers. */
static void
begin_crowded(void)
{
    opts.unsent_bytes_max = 20 * KIB;
    opts.stalled_ms = 5000;
    begin();
}

static void
test_stalled(void)
{
    begin_crowded();
    struct simconn *small = greedy(0, 10 * KIB);
    netsim_pass(&n, 20000);
    OK(!small->gone, "who doesn't read its answer is left alone, while there is memory");
    struct simconn *large = greedy(1, 40 * KIB), *t = netsim_open(&n, 2);
    frames(t, "e");
    IS_STR(netsim_got(t), "", "with twice too much unsent nobody is served");
    netsim_pass(&n, 1000);
    OK(small->gone, "... who hasn't read for long is closed");
    OK(!large->gone, "... who may still read isn't");
    netsim_pass(&n, 5100);
    OK(large->gone, "... until it hasn't, either");
    IS(count(&n.r.counters.stalled), 2, "... which is counted");
    netsim_pass(&n, 200);
    IS_STR(netsim_got(t), "e", "... and others are served again");
    netsim_fini(&n);
}

/* One that reads slowly isn't closed. */
static void
test_slow_but_reading(void)
{
    begin_crowded();
    struct simconn *s = greedy(0, 60 * KIB);
    for (int i = 0; i < 20; i++) {
        s->window += KIB;
        netsim_run(&n);
        netsim_pass(&n, 4000);
    }
    OK(!s->gone, "who reads slowly is left alone");
    netsim_fini(&n);
}

static void
test_portions(void)
{
    opts.send_portion = 1000;
    begin();
    struct simconn *s = netsim_open(&n, 0), *t = netsim_open(&n, 1);

    netsim_frame(s, 'e', 10000);
    netsim_frame(t, 'e', 100);
    for (int i = 0; i < 2; i++)
        vrv__conn_in(&n.conn[i]->c);
    (void)vrv__reactor_turn(&n.r);
    OK(s->out_n == 1000 && t->out_n == 104, "a long answer goes in portions, others in between");
    netsim_run(&n);
    IS(s->out_n, 10004, "... to its end");
    netsim_fini(&n);
}

static void
test_request_bytes(void)
{
    opts.conn_request_bytes = 10 * KIB;
    begin();
    struct simconn *s = netsim_open(&n, 0);
    for (int i = 0; i < 50; i++)
        netsim_frame(s, 'p', KIB);
    netsim_frame(s, 'e', 100);
    netsim_run(&n);
    IS(s->frames, 10, "so many bytes of requests are in service, no more are taken");
    for (int i = 0; i < 40; i++) {
        netsim_answer(s, 0);
        netsim_run(&n);
    }
    IS(s->frames, 50, "... than are answered");
    OK(s->in_pos == s->in_n, "a connection that isn't held back is read");
    while (netsim_answer(s, 0))
        ;
    netsim_run(&n);
    IS(s->frames, 51, "all of them in the end");
    netsim_fini(&n);
}

static void
test_muted(void)
{
    begin();
    struct simconn *s = netsim_open(&n, 0);
    frames(s, "eme");
    IS_STR(netsim_got(s), "em", "a muted connection has its answer, and nothing more is taken");
    netsim_frame(s, 'e', 10);
    netsim_pass(&n, 999);
    IS_STR(netsim_got(s), "em", "... for its time");
    OK((s->c.watched & VRV_SOCK_IN) == 0, "... nor read");
    netsim_pass(&n, 1);
    IS_STR(netsim_got(s), "emee", "... and then goes on");
    netsim_fini(&n);
}

/* ---- time ---- */

static void
test_timeouts(void)
{
    opts.header_ms = 100;
    opts.body_ms = 100;
    opts.body_rate = 1000; /* 100 bytes in such a time */
    opts.idle_ms = 100000;
    begin();
    struct simconn *a = netsim_open(&n, 0), *b = netsim_open(&n, 1), *c = netsim_open(&n, 2),
                   *d = netsim_open(&n, 3);

    netsim_bytes(a, "\0\0", 2);
    netsim_bytes(b, "\0\0\1\0abc", 7);
    netsim_bytes(c, "\0\0\1\0", 4);
    netsim_run(&n);
    netsim_pass(&n, 99);
    OK(!a->gone && !b->gone, "they have their time");
    netsim_bytes(c, "0123456789012345678901234567890123456789012345678901234567890123456789"
                    "012345678901234567890123456789", 100);
    netsim_run(&n);
    netsim_pass(&n, 1);
    OK(a->gone && count(&n.r.counters.header_timeouts) == 1, "a length that doesn't come");
    OK(b->gone && count(&n.r.counters.body_timeouts) == 1, "a body that comes too slowly");
    OK(!c->gone, "one that is fast enough may go on");
    netsim_pass(&n, 100);
    OK(c->gone && count(&n.r.counters.body_timeouts) == 2, "... as long as it is");
    OK(!d->gone, "who sends nothing is idle, not slow");
    netsim_fini(&n);
}

static void
test_idle(void)
{
    opts.idle_ms = 1000;
    begin();
    struct simconn *a = netsim_open(&n, 0), *b = netsim_open(&n, 1), *c = netsim_open(&n, 2);

    frames(b, "p");
    c->window = 0;
    frames(c, "e");
    netsim_pass(&n, 600);
    frames(a, "e");
    netsim_pass(&n, 600);
    OK(!a->gone, "a byte in time keeps a connection");
    OK(!b->gone, "so does a call under way");
    OK(c->gone, "an answer that isn't taken does not");
    netsim_pass(&n, 400);
    OK(a->gone && count(&n.r.counters.idle_timeouts) == 2, "an idle one is closed");
    netsim_answer(b, 0);
    netsim_run(&n);
    netsim_pass(&n, 999);
    OK(!b->gone, "the time begins with the answer");
    netsim_pass(&n, 1);
    OK(b->gone, "... and ends");
    netsim_fini(&n);
}

struct alarm {
    struct vrv_net_timer timer;
    int rang;
};

static void
on_alarm(struct vrv_net_timer *t)
{
    VRV_TIMER_OF(t, struct alarm, timer)->rang++;
}

static void
test_timers(void)
{
    struct alarm a = { .timer.run = on_alarm }, b = { .timer.run = on_alarm };

    begin();
    struct simconn *s = netsim_open(&n, 0);
    int64_t now = n.r.now;
    vrv_net_timer(&s->c, &a.timer, now + 5000000);
    vrv_net_timer(&s->c, &b.timer, now + 5000000);
    vrv_net_timer(&s->c, &a.timer, now + 3000000);
    netsim_pass(&n, 2);
    OK(a.rang == 0 && b.rang == 0, "a handler's timer has its time");
    netsim_pass(&n, 1);
    OK(a.rang == 1 && b.rang == 0, "... the one that it was set to last");
    netsim_pass(&n, 100);
    OK(a.rang == 1 && b.rang == 1, "... once; the other one then");
    netsim_fini(&n);
}

/* ---- files, on a disk that has no descriptors ---- */

/* A pending call answers with some bytes, all of the log and `beyond` bytes behind its end, and
 * more bytes. */
static size_t
answer_log(struct simconn *s, size_t beyond)
{
    struct vrv_read r = { .max_bytes = MIB, .whole_first = true };
    struct vrv_out *o = &s->pending->call.out;
    size_t bytes;

    OK(vrv_read(rig_log(&rig, "t", 0), &r, NULL) == 0 && r.slice_n > 0 &&
        r.slice[0].kind == VRV_SLICE_FILE, "a log in files");
    bytes = r.bytes + beyond;
    r.slice[0].n += beyond;
    for (uint32_t i = 0; i < r.slice_n; i++)
        vrv_out_take(o, &r.slice[i]);
    vrv_out_put(o, "end.", 4);
    vrv_put_be32(o->own, (uint32_t)(o->n - 4 + bytes));
    (void)netsim_answer(s, 0);
    return bytes;
}

/* What is read from a file, while another thread does that. */
static void
test_loads(void)
{
    struct simconn *s = netsim_open(&n, 2);
    size_t before = atomic_load(&n.env.unsent);

    n.jobs_wait = true;
    frames(s, "pe");
    (void)answer_log(s, 0);
    netsim_run(&n);
    size_t sent = s->out_n;
    frames(s, "e");
    netsim_run(&n);
    OK(n.jobs != NULL && s->out_n == sent && s->frames == 3,
        "while a file is read nothing is sent, but received");
    OK(atomic_load(&n.env.unsent) > before + 100 * KIB, "the memory for that counts");
    s->window = 10;
    (void)netsim_job(&n);
    netsim_run(&n);
    OK(s->out_n == sent + 10, "then it is sent");
    s->window = MIB;
    netsim_run(&n);
    IS_STR(netsim_got(s), "pee", "... all, in order");
    IS(atomic_load(&n.env.unsent), before, "and holds no memory any more");

    frames(s, "p");
    (void)answer_log(s, 0);
    netsim_run(&n);
    s->error = ECONNRESET;
    netsim_run(&n);
    OK(n.jobs != NULL && !s->gone, "a connection that breaks meanwhile waits for it");
    (void)netsim_job(&n);
    netsim_run(&n);
    OK(s->gone, "... and goes then");
    n.jobs_wait = false;
}

static void
test_files(void)
{
    struct rig_batch b = { .size = 8 * KIB };
    struct vrv_rand rand = { 3 };

    rig_init(&rig, 1);
    rig_up(&rig);
    rig_topic(&rig, "t", 1, NULL);
    for (int i = 0; i < 15; i++)
        IS(rig_put_batch(&rig, rig_log(&rig, "t", 0), &b), i, "a batch");
    rig_flush(&rig);
    IS(rig_close(&rig), 0, "an engine that was stopped");
    rig_up(&rig);
    begin();
    struct simconn *s = netsim_open(&n, 0);
    frames(s, "epe");
    size_t bytes = answer_log(s, 0);
    s->window = 0;
    for (int i = 0; i < 100000 && s->out_n < 14 + 14 + bytes + 4 + 14; i++) {
        s->window = vrv_rand_below(&rand, 30000);
        netsim_run(&n);
    }
    s->window = MIB;
    netsim_run(&n);
    IS_STR(netsim_got(s), "epe", "a range of a file goes out between other bytes");
    uint8_t *want = vrv_mem_zero(bytes);
    struct vrv_read r = { .max_bytes = MIB, .whole_first = true };
    OK(vrv_read(rig_log(&rig, "t", 0), &r, NULL) == 0 &&
        vrv_seg_pread(r.slice[0].seg, want, bytes, r.slice[0].pos, 0, NULL) == (ssize_t)bytes &&
        memcmp(want, s->out + 28, bytes) == 0 && memcmp(s->out + 28 + bytes, "end.", 4) == 0,
        "... as it is");
    free(want);

    s = netsim_open(&n, 1);
    frames(s, "epe");
    bytes = answer_log(s, 100);
    netsim_run(&n);
    OK(s->gone && count(&n.r.counters.send_failures) == 1 && s->out_n == 28 + bytes - 100,
        "a file that ends early ends the connection: no other bytes take its place");
    test_loads();
    vrv_read_fini(&r);
    netsim_fini(&n);
    rig_fini(&rig);
}

/* ---- memory ---- */

static void
test_no_memory(void)
{
    begin();
    struct simconn *s = netsim_open(&n, 0), *t = netsim_open(&n, 1);
    struct vrv_slab *all = vrv_slab_get(&n.pool, 63 * MIB), *more;

    while ((more = vrv_slab_get(&n.pool, 1)) != NULL)
        more->next_free = all, all = more;
    frames(s, "ee");
    IS_STR(netsim_got(s), "ee", "small requests go on without memory");
    IS(s->copied, 2, "... outside of slabs");
    netsim_frame(t, 'e', 200 * KIB);
    netsim_run(&n);
    netsim_pass(&n, 1000);
    OK(t->frames == 0 && (t->c.watched & VRV_SOCK_IN) == 0, "a large one waits, unread");
    frames(s, "e");
    IS_STR(netsim_got(s), "eee", "... and the others still don't");
    while (all != NULL) {
        more = all->next_free;
        vrv_slab_unref(all);
        all = more;
    }
    netsim_pass(&n, 20);
    OK(t->frames == 1 && t->copied == 0, "with memory again, it is received");
    OK(count(&n.r.counters.no_memory) > 0, "that it waited is counted");
    netsim_fini(&n);
}

/* Frames that hold memory and wait for more: one must go, or none ever goes on. */
static void
test_memory_held(void)
{
    opts.body_ms = 1000;
    begin();
    struct simconn *s = netsim_open(&n, 0), *t = netsim_open(&n, 1);
    netsim_frame(s, 'e', 12 * MIB);
    netsim_frame(t, 'e', 12 * MIB);
    for (int i = 0; i < 1000 && s->frames + t->frames == 0 && !s->gone && !t->gone; i++)
        netsim_pass(&n, 20);
    OK(s->frames + t->frames + s->gone + t->gone > 0,
        "two that wait for each other don't for ever");
    for (int i = 0; i < 1000 && s->frames + t->frames == 0; i++)
        netsim_pass(&n, 20);
    OK(s->frames + t->frames >= 1, "... one is received");
    netsim_fini(&n);
}

static void
test_drain(void)
{
    begin();
    struct simconn *a = netsim_open(&n, 0), *b = netsim_open(&n, 1), *c = netsim_open(&n, 2);

    frames(b, "pl");
    netsim_bytes(c, "\0\0", 2);
    netsim_run(&n);
    vrv__reactor_drain(&n.r);
    netsim_run(&n);
    OK(a->gone && c->gone, "a drain closes who has nothing in service");
    OK(!b->gone && b->told_ended, "... not who has, but that need not wait for anything any more");
    frames(b, "e");
    netsim_answer(b, 0);
    netsim_run(&n);
    IS_STR(netsim_got(b), "pl", "it is answered what was received, and no more");
    OK(closes(b), "... then closed");
    OK(netsim_open(&n, 3)->gone, "who comes too late is closed");
    netsim_fini(&n);
}

int
main(void)
{
    vrv_net_opts_default(&opts);
    vrv_diag_to(sink, NULL, NULL);
    test_order();
    test_later();
    test_many();
    test_bad_frames();
    test_rejected();
    test_peer_ends();
    test_lingers();
    test_ends_unread();
    test_slow_reader();
    test_unsent_total();
    test_stalled();
    test_slow_but_reading();
    test_portions();
    test_request_bytes();
    test_muted();
    test_timeouts();
    test_idle();
    test_timers();
    test_files();
    test_no_memory();
    test_memory_held();
    test_drain();
    return tap_done();
}
