#include "t/lib/badstore.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/assert.h"
#include "engine/engine_int.h"
#include "t/lib/coldcheck.h"
#include "t/lib/names.h"
#include "t/lib/tap.h"
#include "tiering/scrub/scrub.h"
#include "tiering/store/s3_int.h"

enum {
    MS = 1000000,
    APPEND_MS = 2000,
    LOOK_MS = 1000,
    ANEW_MS = 12000,     /* a reader begins anew; */
    IDLE = 10,           /* both so much more rarely when it is calm */
    SEAL_MS = 5000,
    QUIET_MS = 500,      /* time that passes at once when nothing moves */
    QUIET_ROUNDS = 3,
    LOOK_UP_US = 1000, PATIENCE = 300, /* real time, for who is on its way to the server; so often */
    STEPS = 16,
    READS = 10,          /* of one reader in a turn */
    VALUE = 200,
    BATCH = 2,           /* records */
    CONNECT_MS = 5000, STALL_MS = 20000, /* as server/cold has them */
    CACHE = 4000,
    MEMORY_MORE = 256 << 20, /* parts of two uploads, of 16 MiB each; what libcurl and the server have */
    RETENTION_LOGS = 2,
};

static const char EXTRA[] = "extra";

int64_t
badstore_now_ns(const struct badstore *b)
{
    return atomic_load(&b->rig.clock.mono_ns);
}

static bool
is_due(const struct badstore *b, int64_t last_ns, int64_t ms)
{
    return badstore_now_ns(b) - last_ns >= ms * MS;
}

/* What is a load in itself. */
static bool
is_due_again(const struct badstore *b, int64_t last_ns, int64_t ms)
{
    return is_due(b, last_ns, b->calm ? ms * IDLE : ms);
}

/* ---- S3 and the store ---- */

static struct vrv_store *
new_store(struct badstore *b)
{
    struct vrv_store_s3_opts o = { .url = "s3://cold", .credentials = b->credentials, .path_style = true,
        .endpoint = b->endpoint, .http = { .clock = &b->rig.clock.clock, .at_once = { 16, 8, 4 },
            .connect_ms = CONNECT_MS, .stall_ms = STALL_MS, .text_max = 1 << 20, .ca_file = b->cert_file,
            .proxy = "" } };
    struct vrv_store *s;
    struct vrv_err e = { 0 };

    tap_need(vrv_store_s3(&s, &o, &e), e.msg);
    return s;
}

static void
open_store(struct badstore *b, const char *dir, const char *cert_file, const char *key_file)
{
    struct vrv_clock *clock = &b->rig.clock.clock;
    char keys_file[512];
    struct fakes3_opts server = { .clock = clock, .seed = b->seed, .bucket = "cold", .key_id = "test",
        .secret = "test", .keys_file = keys_file, .part_min = 1, .list_max = 7, .cert_file = cert_file,
        .key_file = key_file, .named = names_lead };

    (void)snprintf(keys_file, sizeof(keys_file), "%s/keys", dir);
    (void)snprintf(b->credentials, sizeof(b->credentials), "file:%s", keys_file);
    b->s3 = fakes3_new(&server);
    (void)snprintf(b->endpoint, sizeof(b->endpoint), "%s://%s:%u", cert_file != NULL ? "https" : "http",
        NAMES_STORE, httpd_port(fakes3_httpd(b->s3)));
    b->cert_file = cert_file;
    b->store = new_store(b);
}

uint64_t
badstore_requests(struct badstore *b)
{
    uint64_t n = 0;

    for (int i = 0; i < (int)S3_OPS; i++)
        n += fakes3_attempts(b->s3, (enum fakes3_op)i);
    return n;
}

void
badstore_wrong(struct badstore *b, const char *what, int64_t x, int64_t y)
{
    if (b->wrong++ < 3)
        tap_note("seed %" PRIu64 ": %s (%" PRId64 ", %" PRId64 ") %s", b->seed, what, x, y, b->rig.e.msg);
}

/* ---- what is appended ---- */

static struct vrv_log *
log_of(struct badstore *b, const struct badstore_log *l)
{
    return rig_log(&b->rig, l->topic, l->partition);
}

static void
text_of(const struct badstore_log *l, int64_t base, char out[VALUE + 1])
{
    (void)snprintf(out, VALUE + 1, "%s/%" PRId32 " %0*" PRId64, l->topic, l->partition,
        VALUE - 10, base);
    memset(out + strlen(out), '.', VALUE - strlen(out));
    out[VALUE] = '\0';
}

static void
append(struct badstore *b)
{
    char value[VALUE + 1];

    b->appended_ns = badstore_now_ns(b);
    for (int i = 0; i < BADSTORE_LOGS; i++) {
        struct badstore_log *l = &b->log[i];

        text_of(l, l->end, value);
        int64_t at = rig_put_batch(&b->rig, log_of(b, l), &(struct rig_batch){ .value = value,
            .records = BATCH });
        if (at != l->end)
            badstore_wrong(b, at < 0 ? "an append was refused" : "an append at another offset", at, l->end);
        if (at >= 0)
            l->end = at + BATCH;
    }
}

/* ---- what is read ---- */

/* Is it what was appended there, whole? */
static void
check_batch(struct badstore *b, struct badstore_log *l, const uint8_t *p, const struct vrv_batch *batch)
{
    struct badstore_reader *rd = &l->reader;
    char want[VALUE + 1];

    text_of(l, batch->base_offset, want);
    if (vrv_batch_last_offset(batch) < rd->deleted_below)
        badstore_wrong(b, "a deleted record", batch->base_offset, rd->deleted_below);
    if (batch->base_offset > rd->at || vrv_batch_last_offset(batch) < rd->at)
        badstore_wrong(b, "a gap, or a repetition", batch->base_offset, rd->at);
    else if (batch->base_offset % BATCH != 0 || vrv_batch_check_crc(p, batch, NULL) < 0 ||
        memmem(p, batch->size, want, VALUE) == NULL)
        badstore_wrong(b, "another batch than was appended", batch->base_offset, rd->at);
    rd->at = vrv_batch_last_offset(batch) + 1;
}

static void
take(struct badstore *b, struct badstore_log *l)
{
    struct badstore_reader *rd = &l->reader;
    struct vrv_read *r = &rd->r;
    struct vrv_batch batch;
    int rc = vrv_read_load(log_of(b, l), r, true, &b->rig.e);

    VRV_ASSERT(rc == 0);
    for (uint32_t i = 0; i < r->slice_n; i++) {
        const struct vrv_slice *s = &r->slice[i];

        for (size_t at = 0; at < s->n; at += batch.size) {
            if (vrv_batch_read(&batch, s->bytes + at, s->n - at, NULL) < 0)
                break;
            check_batch(b, l, s->bytes + at, &batch);
        }
    }
    if (r->slice_n == 0 && rd->at < l->end && r->offset == rd->at)
        badstore_wrong(b, "nothing, where something is", rd->at, l->end);
    vrv_read_fini(r);
}

/* Only what is no longer there, or a store that fails, is a reason. */
static void
refused(struct badstore *b, struct badstore_log *l, int rc, const struct vrv_err *e)
{
    struct badstore_reader *rd = &l->reader;
    int64_t start = vrv_log_offsets(log_of(b, l)).start;

    vrv_read_fini(&rd->r);
    if (rc == VRV_E_RANGE && rd->at < start) {
        rd->at = start;
        return;
    }
    if (rc == VRV_E_RANGE)
        badstore_wrong(b, "what is there is out of range", rd->at, start);
    rd->failed = rd->waits = true;
    rd->err = *e;
    if (!b->may_fail)
        badstore_wrong(b, e->msg, rc, rd->at);
}

static void
read_once(struct badstore *b, struct badstore_log *l)
{
    struct badstore_reader *rd = &l->reader;
    struct vrv_err e = { 0 };

    rd->deleted_below = l->start;
    rd->r = (struct vrv_read){ .offset = rd->at, .max_bytes = 2500, .whole_first = true };
    rd->f = (struct vrv_fetch){ .done.cq = &b->cq, .read = &rd->r };
    int rc = vrv_read(log_of(b, l), &rd->r, &e);
    if (rc == VRV_READ_COLD) {
        rd->busy = true;
        vrv_fetch(log_of(b, l), &rd->f, INT64_MAX);
    } else if (rc < 0) {
        refused(b, l, rc, &e);
    } else {
        take(b, l);
    }
}

/* To the end, or to where he must wait. */
static void
read_on(struct badstore *b, struct badstore_log *l)
{
    const struct badstore_reader *rd = &l->reader;

    for (int i = 0; i < READS && !rd->busy && !rd->waits && rd->at < l->end; i++)
        read_once(b, l);
}

static void
begin_anew(struct badstore *b, struct badstore_log *l)
{
    struct badstore_reader *rd = &l->reader;

    if (rd->busy || rd->at < l->end || !is_due_again(b, rd->began_ns, ANEW_MS))
        return;
    rd->ended_ns = rd->failed ? rd->ended_ns : badstore_now_ns(b);
    rd->failed = false;
    rd->began_ns = badstore_now_ns(b);
    rd->at = vrv_log_offsets(log_of(b, l)).start;
}

static void
take_posted(struct badstore *b)
{
    struct vrv_done *d;

    while ((d = vrv_cq_take(&b->cq, 0)) != NULL)
        for (int i = 0; i < BADSTORE_LOGS; i++) {
            struct badstore_log *l = &b->log[i];

            if (&l->reader.f.done != d)
                continue;
            l->reader.busy = false;
            if (l->reader.f.status < 0)
                refused(b, l, l->reader.f.status, &l->reader.f.err);
            else
                take(b, l);
        }
}

/* ---- is all as it should be? ---- */

static uint8_t *
get(void *ctx, const char *key, size_t *n)
{
    return fakes3_object(((struct badstore *)ctx)->s3, key, n);
}

/* What this disk has let go of, the store has. */
static void
check_log(struct badstore *b, struct badstore_log *l, const struct coldcheck *c)
{
    struct vrv_log_offsets o = vrv_log_offsets(log_of(b, l));
    struct vrv_log *log = log_of(b, l);
    const struct coldcheck_part *p = coldcheck_part(c, &log->id.topic, l->partition);

    if (o.end != l->end || o.hw != l->end)
        badstore_wrong(b, "the end isn't what was acknowledged", o.end, l->end);
    if (o.start < l->start || o.start < l->seen)
        badstore_wrong(b, "what was deleted is there again", o.start, l->start);
    l->seen = o.start;
    if (o.start > l->start &&
        (l->retention == INT64_MAX || (o.end - o.start) / BATCH * BATCH * VALUE < l->retention * 8 / 10))
        badstore_wrong(b, "more was deleted than may be", o.start, l->start);
    if (o.local_start > o.start && (p == NULL || p->base > o.start || p->next < o.local_start))
        badstore_wrong(b, "what has left this disk isn't in the store", o.start, o.local_start);
}

static void
look(struct badstore *b)
{
    struct mallinfo2 mi = mallinfo2();
    struct coldcheck c;

    b->looked_ns = badstore_now_ns(b);
    if (!coldcheck_run(&c, vrv_engine_catalog(b->rig.eng), get, b))
        badstore_wrong(b, c.why, 0, 0);
    for (int i = 0; i < BADSTORE_LOGS; i++)
        check_log(b, &b->log[i], &c);
    coldcheck_fini(&c);
    if (b->extra_gone && rig_log(&b->rig, EXTRA, 0) != NULL)
        badstore_wrong(b, "a deleted topic is there again", 0, 0);
    if (mi.uordblks + mi.hblkhd > b->memory + b->memory_max)
        badstore_wrong(b, "memory", (int64_t)(mi.uordblks + mi.hblkhd), (int64_t)b->memory);
}

/* ---- time ---- */

/* Everybody does what there is to do now.  True: something came or went. */
static bool
turn(struct badstore *b)
{
    int64_t next_ns;
    bool some = false;

    for (int i = 0; i < STEPS && vrv_tier_step(b->tier, &next_ns); i++)
        ;
    while (httpd_step(fakes3_httpd(b->s3), 0))
        some = true;
    take_posted(b);
    for (int i = 0; i < BADSTORE_LOGS; i++)
        read_on(b, &b->log[i]);
    return some;
}

/* libcurl looks names up on a thread, in no time of ours: who hasn't come as far as the server is waited for. */
static bool
is_on_its_way(struct badstore *b)
{
    unsigned sent = 0;
    struct vrv_http_stats s;

    vrv_http_stats(VRV_LIST_OF(b->store, struct vrv__s3, store)->http, &s);
    for (int i = 0; i < VRV_STORE_CLASSES; i++)
        sent += s.under_way[i];
    if (sent <= httpd_stats(fakes3_httpd(b->s3)).waiting)
        return false;
    (void)usleep(LOOK_UP_US);
    return true;
}

/* Until nothing moves any more. */
static void
settle_down(struct badstore *b)
{
    int patience = PATIENCE;

    for (int quiet = 0; quiet < QUIET_ROUNDS;) {
        if (turn(b))
            patience = PATIENCE;
        else if (patience == 0 || !is_on_its_way(b))
            quiet++;
        else
            patience--;
    }
}

/* Readers that are at the end begin anew. */
static void
tick(struct badstore *b, int64_t ms)
{
    rig_pass(&b->rig, ms);
    for (int i = 0; i < BADSTORE_LOGS; i++) {
        b->log[i].reader.waits = false;
        begin_anew(b, &b->log[i]);
    }
    if (b->appends && is_due(b, b->appended_ns, APPEND_MS))
        append(b);
    if (is_due(b, b->sealed_ns, SEAL_MS)) {
        b->sealed_ns = badstore_now_ns(b);
        for (int i = 0; i < 2; i++)
            (void)rig_checkpoint(&b->rig);
    }
    if (is_due_again(b, b->looked_ns, LOOK_MS))
        look(b);
}

void
badstore_pass(struct badstore *b, int64_t ms)
{
    int64_t end = badstore_now_ns(b) + ms * MS;

    while (badstore_now_ns(b) < end) {
        settle_down(b);
        tick(b, QUIET_MS);
    }
}

/* ---- life ---- */

static void
up(struct badstore *b)
{
    struct vrv_tier_opts o;

    vrv_tier_opts_default(&o); /* its patience with the store is that of a server */
    o.store = b->store;
    o.clock = &b->rig.clock.clock;
    o.random = b->seed + b->lives++;
    o.cache_bytes = CACHE;
    o.chunk_bytes = 600;
    o.put_max = 2200;
    o.root_bytes = 3000;
    o.index_bytes = 1;
    o.limits.grace_ms = 5000;
    o.orphan_ms = BADSTORE_ORPHAN_MS;
    o.sweep_ms = 30000;
    o.settle_ms = 40000;
    o.limits.keep_ms = 10000;
    o.marker_ms = 20000;
    b->tier = vrv_tier_new(&o);
    b->rig.o.cold = vrv_tier_cold(b->tier);
    rig_up(&b->rig);
    vrv_tier_attach(b->tier, b->rig.eng, "test", NULL, NULL);
}

/* Nobody reads. */
static void
quiet(struct badstore *b)
{
    for (int i = 0; i < BADSTORE_LOGS; i++) {
        struct badstore_reader *rd = &b->log[i].reader;
        int64_t next_ns;

        b->may_fail = true;
        if (rd->busy)
            vrv_fetch_cancel(log_of(b, &b->log[i]), &rd->f);
        while (rd->busy) {
            (void)vrv_tier_step(b->tier, &next_ns);
            take_posted(b);
        }
    }
}

void
badstore_crash(struct badstore *b)
{
    bool may_fail = b->may_fail;

    quiet(b);
    vrv_tier_detach(b->tier);
    rig_crash(&b->rig, SIM_SUBSET, b->seed + b->lives);
    vrv_tier_free(&b->tier);
    up(b);
    b->may_fail = may_fail;
}

void
badstore_begin(struct badstore *b, uint64_t seed, const char *dir, const char *cert_file, const char *key_file)
{
    static const struct badstore_log logs[BADSTORE_LOGS] = { { .topic = "small" },
        { .topic = "small", .partition = 1 }, { .topic = "large" } };
    struct mallinfo2 mi = mallinfo2();
    char configs[200];

    *b = (struct badstore){ .seed = seed, .memory = mi.uordblks + mi.hblkhd, .memory_max = MEMORY_MORE };
    memcpy(b->log, logs, sizeof(logs));
    rig_init(&b->rig, seed);
    (void)vrv_cq_init(&b->cq, 0);
    open_store(b, dir, cert_file, key_file);
    up(b);
    (void)snprintf(configs, sizeof(configs), "segment.bytes=1000 remote.storage.enable=true "
        "local.retention.ms=0 retention.ms=-1 varve.tier.compression.zstd.level=1 "
        "retention.bytes=%d", BADSTORE_RETENTION);
    rig_topic(&b->rig, "small", 2, configs);
    rig_topic(&b->rig, "large", 1,
        "segment.bytes=2000 remote.storage.enable=true local.retention.ms=0 retention.ms=-1");
    for (int i = 0; i < BADSTORE_LOGS; i++)
        b->log[i].retention = i < RETENTION_LOGS ? BADSTORE_RETENTION : INT64_MAX;
}

void
badstore_end(struct badstore *b)
{
    quiet(b);
    vrv_tier_detach(b->tier);
    if (rig_close(&b->rig) < 0)
        badstore_wrong(b, "an orderly stop", 0, 0);
    vrv_tier_free(&b->tier);
    rig_fini(&b->rig);
    vrv_store_close(&b->store);
    fakes3_free(&b->s3);
    vrv_cq_fini(&b->cq);
}

/* ---- what befalls it ---- */

void
badstore_delete_records(struct badstore *b, int log, int64_t to)
{
    struct badstore_log *l = &b->log[log];
    int64_t start = vrv_log_offsets(log_of(b, l)).start;

    if (to <= start || to > l->end)
        return;
    if (rig_set_start(&b->rig, log_of(b, l), to) < 0)
        badstore_wrong(b, "records can't be deleted", to, start);
    l->start = to;
}

void
badstore_extra_topic(struct badstore *b)
{
    struct badstore_log l = { .topic = EXTRA };
    char value[VALUE + 1];

    rig_topic(&b->rig, EXTRA, 1, "segment.bytes=1000 remote.storage.enable=true local.retention.ms=0 "
        "retention.ms=-1");
    for (; l.end < 10 * BATCH; l.end += BATCH) {
        text_of(&l, l.end, value);
        if (rig_put_batch(&b->rig, log_of(b, &l), &(struct rig_batch){ .value = value,
                .records = BATCH }) < 0)
            badstore_wrong(b, "an append", l.end, 0);
    }
}

void
badstore_delete_extra(struct badstore *b)
{
    if (vrv_engine_delete_topic(b->rig.eng, EXTRA, &b->rig.e) < 0)
        badstore_wrong(b, "a topic can't be deleted", 0, 0);
    b->extra_gone = true;
}

void
badstore_leave_uploads(struct badstore *b, int n)
{
    for (int i = 0; i < n; i++) {
        char key[64];
        struct vrv_store_call c = { .done.cq = &b->cq, .op = VRV_STORE_BEGIN, .lane = VRV_STORE_UPLOAD,
            .key = key, .deadline_ns = INT64_MAX };

        (void)snprintf(key, sizeof(key), "d/left-%d", i);
        vrv_store_submit(b->store, &c);
        while (vrv_cq_take(&b->cq, 0) == NULL) {
            (void)vrv_store_step(b->store);
            while (httpd_step(fakes3_httpd(b->s3), 0))
                ;
        }
        tap_need(c.status, c.err.msg);
        vrv_store_upload_free(b->store, &c.upload);
    }
}

/* ---- and in the end ---- */

bool
badstore_is_at_rest(struct badstore *b, int64_t since_ns)
{
    for (int i = 0; i < BADSTORE_LOGS; i++) {
        uint32_t n, sealed = 0;
        struct vrv_log_seg *v = vrv_log_segs(log_of(b, &b->log[i]), &n);

        for (uint32_t k = 0; k < n; k++)
            sealed += v[k].sealed;
        free(v);
        if (sealed > 0 || b->log[i].reader.ended_ns <= since_ns)
            return false;
    }
    return true;
}

bool
badstore_is_clean(struct badstore *b)
{
    bool clean = fakes3_uploads(b->s3) == 0;
    struct coldcheck c;
    char *key;

    if (!clean)
        tap_note("%zu uploads were left", fakes3_uploads(b->s3));
    if (!coldcheck_run(&c, vrv_engine_catalog(b->rig.eng), get, b))
        clean = false;
    for (size_t i = 0; (key = fakes3_key(b->s3, "", i)) != NULL; i++) {
        if (coldcheck_is_orphan(&c, key)) {
            tap_note("an orphan: %s", key);
            clean = false;
        }
        free(key);
    }
    coldcheck_fini(&c);
    return clean;
}

static void
scrub_found(void *ctx, const struct vrv_finding *f)
{
    unsigned *found = ctx;

    (*found)++;
    tap_note("the scrub: %s %s: %s", vrv_scrub_kind_name(f->kind), f->key != NULL ? f->key : "", f->text);
}

/* By a tool of its own, which waits: so S3 has a thread from here on. */
bool
badstore_scrub(struct badstore *b)
{
    unsigned found = 0;
    struct vrv_scrubbed sums;
    struct vrv_err e;

    httpd_start(fakes3_httpd(b->s3));
    struct vrv_store *store = new_store(b);
    int rc = vrv_scrub(&(struct vrv_scrub_opts){ .store = store, .clock = &b->rig.clock.clock, .random = b->seed,
        .call_ms = CONNECT_MS, .full = true, .bytes_per_second = INT64_MAX, .grace_ms = BADSTORE_ORPHAN_MS,
        .threads = 1, .tell = scrub_found, .ctx = &found }, &sums, &e);
    vrv_store_close(&store);
    if (rc < 0)
        tap_note("the scrub: %s", e.msg);
    return rc == 0 && found == 0 && sums.objects > 0;
}
