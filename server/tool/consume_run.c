/*
 * Reading and printing.  A group's offset is stored when its record is printed, and committed only
 * after what is printed was handed to the system: a record may come twice, but is never skipped.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "engine/os/clock.h"
#include "server/tool/consume.h"
#include "server/tool/stop.h"

enum { POLL_MS = 100 };

static const int64_t commit_every_ns = 1000000000;

static int64_t
now_ns(void)
{
    struct vrv_clock *c = vrv_clock_real();

    return c->mono_ns(c);
}

static bool
can_write(struct consume *c)
{
    return fflush(c->k->out.f) == 0 && !ferror(c->k->out.f);
}

/* ---- the group ---- */

static int
commit(struct consume *c, bool wait, struct vrv_err *e)
{
    rd_kafka_resp_err_t err;

    c->committed_ns = now_ns();
    if (!c->stored || !can_write(c))
        return 0;
    err = rd_kafka_commit(c->k->rk, NULL, !wait);
    c->stored = false;
    if (err == 0 || err == RD_KAFKA_RESP_ERR__NO_OFFSET)
        return 0;
    return kafka_err(e, err, NULL, "group \"%.80s\": the last records are not marked as read",
        c->group);
}

/* Takes the share over; what fails is seen by the loop. */
static void
take_over(struct consume *c, rd_kafka_topic_partition_list_t *list, bool incremental)
{
    rd_kafka_t *rk = c->k->rk;
    rd_kafka_error_t *error = NULL;
    rd_kafka_resp_err_t err = 0;

    c->assigned = true;
    c->rc = consume_add(c, list, &c->e);
    if (incremental)
        error = rd_kafka_incremental_assign(rk, list);
    else
        err = rd_kafka_assign(rk, list);
    if (c->rc == 0 && err != 0)
        c->rc = kafka_err(&c->e, err, NULL, "group \"%.80s\"", c->group);
    if (error != NULL && c->rc == 0)
        c->rc = kafka_err(&c->e, rd_kafka_error_code(error), NULL, "group \"%.80s\"", c->group);
    if (error != NULL)
        rd_kafka_error_destroy(error);
}

static void
give_back(struct consume *c, rd_kafka_topic_partition_list_t *list, bool incremental)
{
    struct vrv_err ignored = { 0 };
    rd_kafka_t *rk = c->k->rk;

    /* Whom it goes to begins behind what we printed; when that fails, it prints it again. */
    (void)commit(c, true, &ignored);
    consume_remove(c, list);
    if (incremental) {
        rd_kafka_error_t *error = rd_kafka_incremental_unassign(rk, list);

        if (error != NULL)
            rd_kafka_error_destroy(error);
    } else {
        (void)rd_kafka_assign(rk, NULL);
    }
}

static void
on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list,
    void *opaque)
{
    struct consume *c = ((struct kafka *)opaque)->user;
    bool incremental = strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE") == 0;

    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        take_over(c, list, incremental);
    else
        give_back(c, list, incremental);
}

/* ---- beginning ---- */

static int
join(struct consume *c, struct vrv_err *e)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(c->topic_n);

    for (int i = 0; i < c->topic_n; i++)
        (void)rd_kafka_topic_partition_list_add(list, c->topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(c->k->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return err == 0 ? 0 : kafka_err(e, err, NULL, "group \"%.80s\"", c->group);
}

/* Without a group nothing is asked of the group's coordinator: it need not even exist. */
static int
start(struct consume *c, struct vrv_err *e)
{
    uint64_t total = 0;

    c->queue = rd_kafka_queue_new(c->k->rk);
    c->assigned = true;
    for (size_t i = 0; i < c->part_n; i++) {
        struct part *p = &c->parts[i];

        if (p->done)
            continue;
        p->reading = rd_kafka_topic_new(c->k->rk, p->topic, NULL);
        if (rd_kafka_consume_start_queue(p->reading, p->partition, p->from, c->queue) != 0)
            return kafka_err(e, rd_kafka_last_error(), NULL, "topic \"%.80s\", partition %d",
                p->topic, (int)p->partition);
        total += p->stop < INT64_MAX ? (uint64_t)(p->stop - p->from) : 0;
    }
    if (!c->follow)
        c->bar.total = total < (uint64_t)c->count ? total : (uint64_t)c->count;
    return 0;
}

static void
stop(struct consume *c)
{
    for (size_t i = 0; i < c->part_n; i++) {
        struct part *p = &c->parts[i];

        if (p->reading == NULL)
            continue;
        (void)rd_kafka_consume_stop(p->reading, p->partition);
        rd_kafka_topic_destroy(p->reading);
        p->reading = NULL;
    }
    if (c->queue != NULL)
        rd_kafka_queue_destroy(c->queue);
    c->queue = NULL;
}

static int
begin(struct consume *c, struct vrv_err *e)
{
    if (c->group == NULL)
        return start(c, e);
    (void)rd_kafka_poll_set_consumer(c->k->rk);
    return join(c, e);
}

/* Commits what was printed, and leaves. */
static int
end(struct consume *c, struct vrv_err *e)
{
    int rc;

    if (c->group == NULL) {
        stop(c);
        return 0;
    }
    /* Leaving needs the group's coordinator, and would wait for it for a minute. */
    if (c->k->all_down) {
        c->k->gone = true;
        return !c->stored ? 0 : vrv_err_set(e, VRV_E_TIMEDOUT,
            "no broker answers at %.60s: group \"%.60s\" will read the last records again",
            c->k->bootstrap, c->group);
    }
    rc = commit(c, true, e);
    (void)rd_kafka_consumer_close(c->k->rk);
    return rc;
}

/* ---- the loop ---- */

static rd_kafka_message_t *
next(struct consume *c, int timeout)
{
    if (c->group != NULL)
        return rd_kafka_consumer_poll(c->k->rk, timeout);
    (void)rd_kafka_poll(c->k->rk, 0);
    return rd_kafka_consume_queue(c->queue, timeout);
}

static bool
all_done(const struct consume *c)
{
    if (c->printed >= c->count)
        return true;
    if (!c->assigned || (c->follow && c->to.kind == WHEN_NONE))
        return false;
    for (size_t i = 0; i < c->part_n; i++)
        if (!c->parts[i].done)
            return false;
    return true;
}

static void
take_record(struct consume *c, const rd_kafka_message_t *m)
{
    struct part *p = consume_find(c, rd_kafka_topic_name(m->rkt), m->partition);

    if (p == NULL || m->offset >= p->stop) {
        if (p != NULL)
            p->done = true;
        return;
    }
    format_print(&c->format, m);
    c->printed++;
    if (c->bar.total > 0)
        progress_add(&c->bar, 1);
    if (c->group != NULL) {
        (void)rd_kafka_offset_store(m->rkt, m->partition, m->offset);
        c->stored = true;
    }
    p->done = m->offset + 1 >= p->stop;
}

/* A message, an end that was reached, or an error. */
static int
take(struct consume *c, const rd_kafka_message_t *m, struct vrv_err *e)
{
    if (m->err == 0) {
        take_record(c, m);
        return 0;
    }
    const char *topic = m->rkt != NULL ? rd_kafka_topic_name(m->rkt) : "?";
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        struct part *p = consume_find(c, topic, m->partition);

        /* Behind the last record there may be markers; or records of an open transaction. */
        if (p != NULL && !c->follow)
            p->done = true;
        return 0;
    }
    /* Those that librdkafka tries again by itself. */
    if (m->err == RD_KAFKA_RESP_ERR__TRANSPORT || m->err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
        m->err == RD_KAFKA_RESP_ERR__RESOLVE || m->err == RD_KAFKA_RESP_ERR__TIMED_OUT ||
        m->err == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED)
        return 0;
    c->k->damaged = m->err == RD_KAFKA_RESP_ERR__BAD_MSG;
    return kafka_err(e, m->err, rd_kafka_message_errstr(m), "topic \"%.80s\"", topic);
}

/* Nobody waits for ever for what has an end. */
static int
check_silence(const struct consume *c, int64_t silent_ms, struct vrv_err *e)
{
    bool joining = c->group != NULL && !c->assigned && !c->k->all_down;

    if (c->follow || joining || silent_ms < c->k->timeout_ms)
        return 0;
    return vrv_err_set(e, VRV_E_TIMEDOUT, "%.80s does not answer any more%s%.80s", c->k->bootstrap,
        c->k->why[0] != '\0' ? ": " : "", c->k->why);
}

/* The next message, error or end; waits for it for a moment. */
static int
step(struct consume *c, int64_t *silent_ms, struct vrv_err *e)
{
    rd_kafka_message_t *m = next(c, 0);
    int rc;

    if (m == NULL) {
        /* What is printed must be seen before there is a wait for more. */
        if (!can_write(c))
            return 0;
        m = next(c, POLL_MS);
    }
    if (m == NULL) {
        *silent_ms += POLL_MS;
        return check_silence(c, *silent_ms, e);
    }
    if (m->err == 0 || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        *silent_ms = 0;
        c->k->all_down = false;
    }
    rc = take(c, m, e);
    rd_kafka_message_destroy(m);
    return rc;
}

static int
loop(struct consume *c, struct vrv_err *e)
{
    int64_t silent_ms = 0;
    int rc = 0;

    while (rc == 0 && !stop_asked() && !all_done(c) && !ferror(c->k->out.f)) {
        rc = step(c, &silent_ms, e);
        if (rc == 0 && c->rc < 0) {
            *e = c->e;
            rc = c->rc;
        }
        if (rc == 0 && c->group != NULL && now_ns() - c->committed_ns > commit_every_ns)
            rc = commit(c, false, e);
    }
    return rc;
}

/* A reader that has seen enough, as head(1) does, is no failure: end as others do then. */
static void
end_without_reader(void)
{
    (void)signal(SIGPIPE, SIG_DFL);
    (void)raise(SIGPIPE);
}

void
consume_set_client(struct consume *c)
{
    if (c->group == NULL)
        return;
    kafka_set(c->k, "group.id", c->group);
    rd_kafka_conf_set_rebalance_cb(c->k->conf, on_rebalance);
}

int
consume_run(struct consume *c, struct vrv_err *e)
{
    struct vrv_err last = { 0 };
    int rc, ended;

    progress_begin_count(&c->bar, 0, "records");
    /* Records on the same terminal show the progress themselves. */
    c->bar.on = c->bar.on && !c->format.shown;
    rc = begin(c, e);
    if (rc == 0)
        rc = loop(c, e);
    progress_clear(&c->bar);
    bool written = can_write(c);
    bool pipe_closed = !written && errno == EPIPE;
    ended = end(c, &last);
    if (rc == 0 && ended < 0) {
        *e = last;
        rc = ended;
    }
    if (pipe_closed)
        end_without_reader();
    return rc;
}
