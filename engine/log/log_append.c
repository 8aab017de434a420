/* Appending: check, claim WAL room, judge and stamp under the lock, push. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/batch/compress.h"
#include "engine/batch/repack.h"
#include "engine/log/log_int.h"

/* How far a lossy log promises offsets ahead, so that only one append in so many pays a sync. */
static const int64_t ceiling_step = 1 << 20;

/* ---- before any lock ---- */

static void
rules_of(const struct vrv_log *log, const struct vrv_log_config *c, bool internal,
    struct vrv_batch_rules *r)
{
    *r = (struct vrv_batch_rules){ .size_max = c->batch_max, .walk_records = c->strict,
        .log_append_time = c->log_append_time, .ts_min = INT64_MIN, .ts_max = INT64_MAX,
        .keys_required = c->compacts && !internal, .allow_control = internal };
    if (internal || c->log_append_time)
        return;
    int64_t now = log->env->clock->wall_ms(log->env->clock);
    if (c->ts_before_max_ms != INT64_MAX)
        r->ts_min = now - c->ts_before_max_ms;
    if (c->ts_after_max_ms < INT64_MAX - now)
        r->ts_max = now + c->ts_after_max_ms;
}

struct part {
    struct vrv_batch b;
    struct vrv_slab *slab; /* its bytes as they go to the log: the caller's, or packed again */
    uint8_t *bytes;
    size_t n;
    bool repacked;         /* slab is a reference of our own */
    struct vrv_entry *en;
    bool stamped;   /* its time is ours; the topic's setting may change before it is appended */
    bool duplicate;
    int64_t dup_last, dup_ts;
};

static int
level_of(const struct vrv_log_config *c)
{
    switch (c->codec) {
    case VRV_CODEC_GZIP:
        return c->gzip_level;
    case VRV_CODEC_LZ4:
        return c->lz4_level;
    case VRV_CODEC_ZSTD:
        return c->zstd_level;
    case VRV_CODEC_NONE:
    case VRV_CODEC_SNAPPY:
    default:
        return 0;
    }
}

static int
keep_repacked(struct vrv_slab_pool *pool, struct part *p, const uint8_t *bytes, size_t n,
    struct vrv_err *e)
{
    struct vrv_slab *slab = vrv_slab_get(pool, n);

    if (slab == NULL)
        return vrv_err_set(e, VRV_E_AGAIN, "the memory for records is in use");
    memcpy(slab->data, bytes, n);
    p->slab = slab;
    p->bytes = slab->data;
    p->n = n;
    p->repacked = true;
    return vrv_batch_read(&p->b, p->bytes, n, e);
}

/* The topic keeps a codec of its own. */
static int
repack(const struct vrv_append *a, struct part *p, const struct vrv_log_config *c,
    struct vrv_err *e)
{
    uint8_t *bytes = NULL;
    size_t n;

    if (a->internal || !c->repacks || (p->b.attrs & VRV_ATTR_CODEC) == (int)c->codec)
        return 0;
    if (!a->may_repack)
        return vrv_err_set(e, VRV_E_SLOW, "the batch is to be packed again");
    int rc = vrv_batch_repack(a->bytes, &p->b, c->codec, level_of(c), &bytes, &n, e);
    if (rc == 0 && n > c->batch_max)
        rc = vrv_err_set(e, VRV_E_TOO_LARGE, "with the topic's compression.type the batch has %zu "
            "bytes, at most %" PRIu32 " are allowed", n, c->batch_max);
    if (rc == 0)
        rc = keep_repacked(a->log->env->pool, p, bytes, n, e);
    free(bytes);
    return rc < 0 ? rc : 0;
}

static int
check_part(struct vrv_append *a, struct part *p, struct vrv_err *e)
{
    struct vrv_log *log = a->log;
    struct vrv_batch *b = &p->b;
    struct vrv_batch_rules rules;

    VRV_CHECK(log, VRV_LOG_MAGIC);
    vrv_lock(&log->lock);
    struct vrv_log_config *c = log->config;
    (void)atomic_fetch_add(&c->refs, 1);
    vrv_unlock(&log->lock);
    rules_of(log, c, a->internal, &rules);
    p->stamped = c->log_append_time;
    p->slab = a->slab;
    p->bytes = a->bytes;
    p->n = a->n;
    int rc = vrv_batch_check(b, a->bytes, a->n, &rules, a->blame, e);
    if (rc == 0 && (b->attrs & VRV_ATTR_TRANSACTIONAL) && !a->internal)
        rc = vrv_err_set(e, VRV_E_BATCH,
            "attributes are %#x, and nobody could end a transaction: there are none yet",
            (unsigned)(uint16_t)b->attrs);
    if (rc == 0)
        rc = repack(a, p, c, e);
    if (rc == 0 && c->segment_bytes < p->n)
        rc = vrv_err_set(e, VRV_E_SEGMENT,
            "the batch has %zu bytes, a segment of this topic at most %" PRIu64, p->n,
            c->segment_bytes);
    if (rc == 0 && c->log_append_time) {
        vrv_batch_stamp_time(p->bytes, b, log->env->clock->wall_ms(log->env->clock));
        rc = vrv_batch_read(b, p->bytes, p->n, e);
    }
    vrv_log_config_unref(c);
    return rc;
}

/* ---- under the lock ---- */

static int
judge(struct vrv_append *a, struct part *p, struct vrv_err *e)
{
    struct vrv_log *log = a->log;
    int64_t first;

    if (log->gone)
        return vrv_err_set(e, VRV_E_NOTFOUND, "the partition was deleted");
    int cut = vrv__log_check_cut(log, e);
    if (cut < 0)
        return cut;
    if (a->leader_epoch >= 0 && a->leader_epoch != log->epoch)
        return vrv_err_set(e, a->leader_epoch < log->epoch ? VRV_E_EPOCH_OLD : VRV_E_EPOCH_NEW,
            "the request says leader epoch %" PRId32 ", the partition has %" PRId32,
            a->leader_epoch, log->epoch);
    if (log->refuses && !a->internal)
        return vrv_err_set(e, VRV_E_NOSPACE, "the disk is full of what the cold tier hasn't taken yet: "
            "appends go on when it has");
    if (log->end > INT64_MAX - p->b.last_delta - 1 - ceiling_step)
        return vrv_err_set(e, VRV_E_RANGE, "no offsets are left");
    if (p->b.producer_id < 0)
        return 0;
    int verdict = vrv_producers_check(log->producers, &p->b, &first, &p->dup_last, &p->dup_ts, e);
    if (verdict == VRV_PRODUCER_DUPLICATE) {
        p->duplicate = true;
        a->base_offset = first;
        return 0;
    }
    return verdict;
}

static bool
roll_due(const struct vrv_log *log, size_t n, int64_t now_ms)
{
    const struct vrv_seg *s = vrv__log_open_seg(log);

    return s == NULL || s->size + n > log->config->segment_bytes || vrv__log_is_old(log, s, now_ms);
}

/* Give a batch its place: rolls first when `roll`; sets pos and seg_base of the entry. */
static void
give_place(struct vrv_log *log, struct vrv_entry *en, bool roll)
{
    if (roll) {
        vrv__log_close_open_seg(log);
        vrv__log_add_seg(log, vrv_seg_new(log->env->files, &log->id, en->base, en->item.time_ms));
    }
    struct vrv_seg *s = vrv__log_open_seg(log);
    VRV_ASSERT(s != NULL);
    en->seg_base = s->base;
    en->pos = s->size;
    s->size += en->item.size;
    s->next = en->last + 1;
    s->last_ms = en->item.time_ms;
}

/* flush.ms: whoever runs the commits looks at the earliest such time. */
static void
sync_due(struct vrv_log_env *env, int64_t flush_ms)
{
    int64_t now = env->clock->mono_ns(env->clock);
    int64_t due = flush_ms < (INT64_MAX - now) / 1000000 ? now + flush_ms * 1000000 : INT64_MAX;
    int64_t before = atomic_load(&env->sync_due_ns);

    while (due < before && !atomic_compare_exchange_weak(&env->sync_due_ns, &before, due))
        ;
}

/* A lossy log gives out only offsets that a durable record has promised: after a crash it goes on
 * above them (L1). */
static void
lossy_rules(struct vrv_log *log, struct vrv_entry *en, int32_t count)
{
    const struct vrv_log_config *c = log->config;

    log->unsynced += count;
    if (c->policy == VRV_FLUSH_INTERVAL && log->unsynced >= c->flush_messages)
        en->sync = true;
    if (en->last >= log->ceiling) {
        log->ceiling = en->last + 1 + ceiling_step;
        en->item.arg = log->ceiling;
        en->sync = true;
    }
    if (en->sync)
        log->unsynced = 0;
    else if (c->policy == VRV_FLUSH_INTERVAL)
        sync_due(log->env, c->flush_ms);
}

/* The first batch under flush.policy=sync takes the promise back: with it, all before it is
 * durable.  Until then the log may have lost something, whatever its policy is now. */
static void
sync_rules(struct vrv_log *log, struct vrv_entry *en)
{
    en->sync = true;
    log->unsynced = 0;
    if (log->ceiling > en->last + 1)
        log->ceiling = en->item.arg = en->last + 1;
}

static void
note_traffic(struct vrv_log *log, uint64_t bytes, uint64_t records)
{
    struct vrv_log_env *env = log->env;

    log->batches++;
    log->records += records;
    log->batch_bytes += bytes;
    if (log->batch_bytes >= log->tell_at) {
        log->tell_at = UINT64_MAX;
        vrv_log_note_change(log);
    }
    (void)atomic_fetch_add_explicit(&env->appended_batches, 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&env->appended_records, records, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&env->appended_bytes, bytes, memory_order_relaxed);
}

static void
assign(struct vrv_append *a, struct part *p)
{
    struct vrv_log *log = a->log;
    struct vrv_entry *en = p->en;
    int64_t now = log->env->clock->wall_ms(log->env->clock);

    p->b.base_offset = a->base_offset = log->end;
    p->b.leader_epoch = log->epoch;
    vrv_batch_stamp(p->bytes, log->end, log->epoch);
    bool roll = roll_due(log, p->n, now);
    en->owner = log;
    en->slab = vrv_slab_ref(p->slab);
    en->bytes = p->bytes;
    en->base = log->end;
    en->last = vrv_batch_last_offset(&p->b);
    en->item = (struct vrv_wal_item){ .type = VRV_WAL_BATCH, .flags = roll ? VRV_WAL_ROLL : 0,
        .size = (uint32_t)p->n, .topic = log->id.topic, .partition = log->id.partition,
        .time_ms = now };
    give_place(log, en, roll);
    if (log->config->policy == VRV_FLUSH_SYNC)
        sync_rules(log, en);
    else
        lossy_rules(log, en, p->b.count);
    log->end = en->last + 1;
    note_traffic(log, p->n, (uint64_t)p->b.count);
    vrv_epochs_add(&log->epochs, log->epoch, en->base);
    if (p->b.producer_id >= 0)
        vrv__log_note_producer(log, &p->b);
    vrv__ring_push(&log->ring, en);
    vrv__log_touch(log);
}

/* A repetition is answered when the original is committed: an empty entry keeps its place in
 * the order. */
static void
assign_nothing(struct vrv_append *a, struct part *p)
{
    p->en->owner = a->log;
    p->en->item.type = VRV_WAL_NOTHING;
    /* The original may be from a time when nothing was synced. */
    p->en->sync = a->log->config->policy == VRV_FLUSH_SYNC && a->log->ceiling > a->log->end;
}

static int
by_log(const void *pa, const void *pb)
{
    uintptr_t a = (uintptr_t)(*(const struct vrv_append *const *)pa)->log;
    uintptr_t b = (uintptr_t)(*(const struct vrv_append *const *)pb)->log;

    return a < b ? -1 : a > b;
}

static void
fill_ticket(struct vrv_ticket *t, const struct vrv_append *a, const struct part *p)
{
    t->status = 0;
    t->base_offset = a->base_offset;
    t->last_offset = p->duplicate ? p->dup_last : p->en->last;
    t->append_ms = p->stamped ? (p->duplicate ? p->dup_ts : p->b.max_ts) : -1;
    t->start = a->log->start;
}

static void
push_parts(struct vrv_append *parts, struct part *ps, size_t n, struct vrv_ticket *t, size_t claim)
{
    bool all_duplicate = true;

    for (size_t i = 0; i < n; i++) {
        if (ps[i].duplicate)
            assign_nothing(&parts[i], &ps[i]);
        else
            assign(&parts[i], &ps[i]);
        all_duplicate &= ps[i].duplicate;
        ps[i].en->next = i + 1 < n ? ps[i + 1].en : NULL;
    }
    fill_ticket(t, &parts[0], &ps[0]);
    ps[n - 1].en->ticket = t;
    struct vrv_journal *j = parts[0].log->env->journal;
    if (all_duplicate)
        vrv_journal_release(j, claim);
    vrv_journal_push(j, ps[0].en, ps[n - 1].en, all_duplicate ? 0 : claim);
    for (size_t i = 0; i < n; i++)
        parts[i].log->seq_end = ps[i].en->seq + !ps[i].duplicate;
}

static int
append_locked(struct vrv_append *parts, struct part *ps, size_t n, struct vrv_ticket *t,
    size_t claim, size_t *at, struct vrv_err *e)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc >= 0; i++) {
        *at = i;
        rc = judge(&parts[i], &ps[i], e);
    }
    if (rc >= 0)
        push_parts(parts, ps, n, t, claim);
    return rc;
}

/* The common case, one log, needs no memory of its own. */
static int
lock_and_append(struct vrv_append *parts, struct part *ps, size_t n, struct vrv_ticket *t,
    size_t claim, size_t *at, struct vrv_err *e)
{
    struct vrv_append *one = parts, **order = &one;
    int rc = 0;

    if (n > 1) {
        order = malloc(n * sizeof(struct vrv_append *));
        VRV_ASSERT(order != NULL);
        for (size_t i = 0; i < n; i++)
            order[i] = &parts[i];
        qsort(order, n, sizeof(struct vrv_append *), by_log);
        for (size_t i = 1; i < n && rc == 0; i++)
            if (order[i]->log == order[i - 1]->log) {
                *at = (size_t)(order[i] - parts);
                rc = vrv_err_set(e, VRV_E_INVALID, "one append names a partition twice");
            }
    }
    if (rc == 0) {
        for (size_t i = 0; i < n; i++)
            vrv_lock(&order[i]->log->lock);
        rc = append_locked(parts, ps, n, t, claim, at, e);
        for (size_t i = n; i-- > 0;)
            vrv_unlock(&order[i]->log->lock);
    }
    if (n > 1)
        free(order);
    return rc;
}

enum { PARTS_MAX = 128, PARTS_ON_STACK = 4 };

int
vrv_log_append(
    struct vrv_append *parts, size_t n, struct vrv_ticket *t, size_t *failed, struct vrv_err *e)
{
    struct part few[PARTS_ON_STACK] = { 0 }, *ps = few;
    size_t at = 0, bytes = 0, claim = 0;
    int rc = 0;

    VRV_ASSERT(n > 0 && n <= PARTS_MAX);
    if (n > PARTS_ON_STACK) {
        ps = calloc(n, sizeof(*ps));
        VRV_ASSERT(ps != NULL);
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        at = i;
        rc = check_part(&parts[i], &ps[i], e);
        bytes += ps[i].n;
    }
    struct vrv_journal *j = parts[0].log->env->journal;
    if (rc == 0)
        rc = vrv__log_reserve(parts[0].log->env, bytes, n, &claim, e);
    if (rc == 0) {
        for (size_t i = 0; i < n; i++)
            ps[i].en = vrv_journal_entry(j);
        rc = lock_and_append(parts, ps, n, t, claim, &at, e);
        if (rc < 0)
            vrv_journal_release(j, claim);
        for (size_t i = 0; i < n && rc < 0; i++)
            vrv_entry_free(ps[i].en);
    }
    for (size_t i = 0; i < n; i++)
        if (ps[i].repacked)
            vrv_slab_unref(ps[i].slab);
    if (rc < 0 && failed != NULL)
        *failed = at;
    if (ps != few)
        free(ps);
    return rc < 0 ? rc : 0;
}

/* ---- committed ---- */

/* Once `flushed` is set, the entry may be gone. */
static void
commit_one(struct vrv_log *log, struct vrv_entry *en)
{
    switch (en->item.type) {
    case VRV_WAL_BATCH:
        VRV_ASSERT(vrv_ring_at(&log->ring, log->ring.committed) == en);
        log->ring.committed++;
        log->hw = en->last + 1;
        vrv__log_unflushed(log, en->item.size);
        break;
    case VRV_WAL_START:
        if (en->item.arg > log->start) {
            log->start = en->item.arg;
            vrv_epochs_trim_start(&log->epochs, log->start);
            vrv_log_note_change(log);
        }
        atomic_store(&en->flushed, true);
        break;
    case VRV_WAL_LOCAL:
        vrv__log_raise_local(log, en->item.arg);
        vrv_log_note_change(log);
        atomic_store(&en->flushed, true);
        break;
    default:
        atomic_store(&en->flushed, true);
        break;
    }
}

void
vrv_log_committed(struct vrv_log *log, struct vrv_entry *first, struct vrv_entry *last)
{
    uint64_t before;

    vrv_lock(&log->lock);
    before = log->unflushed;
    for (struct vrv_entry *en = first, *next;; en = next) {
        next = en != last ? en->next : NULL;
        commit_one(log, en);
        if (next == NULL)
            break;
    }
    struct vrv_waiter *ready = vrv__log_take_ready(log, log->unflushed - before);
    if (log->unflushed >= log->env->flush_bytes || log->seals_pending)
        vrv__log_want_flush(log);
    vrv_unlock(&log->lock);
    vrv__waiters_post(ready);
}
