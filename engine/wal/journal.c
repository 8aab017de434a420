#include "engine/wal/journal.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"

enum { JOURNAL_MAGIC = 0x4a52564e, BUFFER_KEEP = 4 * 1024 * 1024 };

/* About as many small batches as a slab holds: they are evicted together when that is wanted. */
enum { SPARE_MAX = 4096 };

/* A group on its way: a place in the window. */
struct flight {
    struct vrv_wal_group g;
    struct vrv_journal *j;
    struct vrv_entry *first, *last; /* NULL for a group made only to sync */
    size_t cap;
    uint64_t seq_end;
    int64_t begun_ns;
    bool busy, done;
    bool empty; /* writes nothing: completions to keep in order, or a wish to sync */
    int status;
    struct vrv_err err;
};

struct vrv_journal {
    uint32_t magic;
    struct vrv_waldev *dev;
    struct vrv_clock *clock; /* or NULL */
    const struct vrv_journal_ops *ops;
    void *ctx;
    uint64_t wal_id;
    uint32_t session;
    size_t group_bytes;
    struct flight *flights; /* ring of dev->window */
    struct vrv_hist sync_times;

    struct vrv_lock lock;
    pthread_cond_t work;
    /* all below: guarded by lock */
    struct vrv_entry *head, *tail;
    struct vrv_entry *adopted;    /* the newest adopted one that is still there */
    struct vrv_entry *queued;     /* first entry in no group yet */
    uint64_t next_slot, next_seq; /* to give out */
    uint64_t launched, landed;    /* flights so far: ring positions */
    uint64_t committed_seq, written_slot;
    uint64_t durable_seq, durable_slot;
    uint64_t groups, syncs, bytes;
    struct vrv_entry *spare;      /* evicted ones, for the next appends */
    unsigned spare_n;
    bool want_sync, woken;
    int status;
    struct vrv_err err;
    struct vrv_err stop; /* code 0, or why it is to stop at the next step */
};

struct vrv_entry *
vrv_entry_new(void)
{
    return VRV_NEW(struct vrv_entry);
}

void
vrv_entry_free(struct vrv_entry *en)
{
    vrv_slab_unref(en->slab);
    free(en);
}

struct vrv_entry *
vrv_journal_entry(struct vrv_journal *j)
{
    vrv_lock(&j->lock);
    struct vrv_entry *en = j->spare;
    if (en != NULL) {
        j->spare = en->next;
        j->spare_n--;
    }
    vrv_unlock(&j->lock);
    if (en == NULL)
        return vrv_entry_new();
    memset(en, 0, sizeof(*en));
    return en;
}

int
vrv_journal_new(struct vrv_journal **out, const struct vrv_journal_opts *o)
{
    struct vrv_journal *j = VRV_NEW(struct vrv_journal);

    j->magic = JOURNAL_MAGIC;
    j->dev = o->dev;
    j->clock = o->clock;
    j->ops = o->ops;
    j->ctx = o->ctx;
    j->wal_id = o->wal_id;
    j->session = o->session;
    j->group_bytes = o->group_bytes && o->group_bytes < o->dev->group_max ? o->group_bytes
                                                                          : o->dev->group_max;
    j->flights = vrv_mem_zero(o->dev->window * sizeof(*j->flights));
    vrv_lock_init(&j->lock, VRV_LOCK_journal);
    vrv_cond_init(&j->work);
    j->next_slot = j->written_slot = j->durable_slot = o->slot;
    j->next_seq = j->committed_seq = j->durable_seq = o->seq;
    *out = j;
    return 0;
}

void
vrv_journal_free(struct vrv_journal **jp)
{
    struct vrv_journal *j = *jp;

    if (j == NULL)
        return;
    VRV_CHECK(j, JOURNAL_MAGIC);
    for (struct vrv_entry *en = j->head; en != NULL;) {
        struct vrv_entry *next = en->next;

        vrv_entry_free(en);
        en = next;
    }
    for (struct vrv_entry *en = j->spare, *next; en != NULL; en = next) {
        next = en->next;
        free(en);
    }
    for (unsigned i = 0; i < j->dev->window; i++) {
        VRV_ASSERT(!j->flights[i].busy || j->flights[i].done);
        free(j->flights[i].g.bytes);
    }
    free(j->flights);
    (void)pthread_cond_destroy(&j->work);
    vrv_lock_fini(&j->lock);
    free(j);
    *jp = NULL;
}

static size_t
round_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

/* The most that an append can take: alone in its group, with header and padding. */
static size_t
claim_bytes(const struct vrv_journal *j, size_t bytes, size_t n)
{
    return round_up(VRV_WAL_GROUP_HEADER + n * VRV_WAL_ENTRY_HEADER + bytes, j->dev->align);
}

int
vrv_journal_reserve(struct vrv_journal *j, size_t bytes, size_t n, size_t *claim,
    struct vrv_err *e)
{
    VRV_CHECK(j, JOURNAL_MAGIC);
    *claim = claim_bytes(j, bytes, n);
    if (*claim > j->dev->group_max)
        return vrv_err_set(e, VRV_E_TOO_LARGE,
            "an append of %zu bytes is more than one group of the write-ahead log holds (%zu)",
            bytes, j->dev->group_max);
    vrv_lock(&j->lock);
    int status = j->status;
    if (status != 0 && e != NULL)
        *e = j->err;
    vrv_unlock(&j->lock);
    if (status != 0)
        return status;
    if (!vrv_waldev_reserve(j->dev, *claim))
        return vrv_err_set(e, VRV_E_AGAIN, "the write-ahead log is full until the next checkpoint");
    return 0;
}

void
vrv_journal_release(struct vrv_journal *j, size_t claim)
{
    vrv_waldev_release(j->dev, claim);
}

void
vrv_journal_push(struct vrv_journal *j, struct vrv_entry *first, struct vrv_entry *last,
    size_t claim)
{
    vrv_lock(&j->lock);
    last->next = NULL;
    for (struct vrv_entry *en = first; en != NULL; en = en->next) {
        en->seq = j->next_seq;
        j->next_seq += en->item.type != VRV_WAL_NOTHING;
        en->more = en != last;
        en->claim = en == first ? claim : 0;
    }
    if (j->tail != NULL)
        j->tail->next = first;
    else
        j->head = first;
    j->tail = last;
    if (j->queued == NULL)
        j->queued = first;
    (void)pthread_cond_signal(&j->work);
    vrv_unlock(&j->lock);
}

void
vrv_journal_adopt(struct vrv_journal *j, struct vrv_entry *first, struct vrv_entry *last)
{
    vrv_lock(&j->lock);
    struct vrv_entry **at = j->adopted != NULL ? &j->adopted->next : &j->head;
    last->next = *at;
    *at = first;
    if (last->next == NULL)
        j->tail = last;
    j->adopted = last;
    vrv_unlock(&j->lock);
}

/* ---- making a group ---- */

static size_t
entry_bytes(const struct vrv_entry *en)
{
    return en->item.type == VRV_WAL_NOTHING ? 0 : VRV_WAL_ENTRY_HEADER + (size_t)en->item.size;
}

/* Cut the next group off the queue: whole appends, up to group_bytes, at least one. */
static void
gather(struct vrv_journal *j, struct flight *f)
{
    size_t n = VRV_WAL_GROUP_HEADER;
    struct vrv_entry *en = j->queued;

    f->first = en;
    f->last = NULL;
    f->seq_end = j->next_seq;
    f->g.sync = j->want_sync;
    f->empty = true;
    while (en != NULL) {
        struct vrv_entry *begin = en;
        size_t append = 0;
        bool sync = false;

        for (;; en = en->next) {
            append += entry_bytes(en);
            sync |= en->sync;
            if (!en->more)
                break;
        }
        if (f->last != NULL && n + append > j->group_bytes) {
            en = begin;
            break;
        }
        n += append;
        f->g.sync |= sync;
        f->empty &= append == 0;
        f->last = en;
        f->seq_end = en->seq + (en->item.type != VRV_WAL_NOTHING);
        en = en->next;
    }
    f->g.n = n;
    j->queued = en;
}

static void
buffer_for(struct flight *f, size_t align, size_t n)
{
    if (n > f->cap || (f->cap > BUFFER_KEEP && n <= BUFFER_KEEP)) {
        void *p = NULL;

        free(f->g.bytes);
        f->cap = n > 65536 ? n : 65536;
        int rc = posix_memalign(&p, align < 64 ? 64 : align, f->cap);
        VRV_ASSERT(rc == 0);
        f->g.bytes = p;
    }
}

/* The checksum follows the copy at a distance that the processor's cache holds: many small entries
 * don't each pay for a call, large ones are not read from memory twice. */
enum { CRC_STEP = 64 * 1024 };

static uint8_t *
copy_entry(uint8_t *out, const struct vrv_entry *en)
{
    vrv_wal_item_write(out, &en->item);
    if (en->item.size > 0)
        memcpy(out + VRV_WAL_ENTRY_HEADER, en->bytes, en->item.size);
    return out + entry_bytes(en);
}

/* The one copy that every record pays: slab to aligned buffer, checksummed on the way. */
static void
encode(struct vrv_journal *j, struct flight *f, uint64_t durable_slot)
{
    size_t used = f->g.n, whole = round_up(used, j->dev->align);
    struct vrv_wal_head h = { .wal_id = j->wal_id, .slot = f->g.slot,
        .durable_end = durable_slot, .session = j->session,
        .first_seq = f->first != NULL ? f->first->seq : f->seq_end };

    buffer_for(f, j->dev->align, whole);
    uint8_t *out = f->g.bytes + VRV_WAL_GROUP_HEADER, *summed = out;
    for (struct vrv_entry *en = f->first;; en = en->next) {
        if (en->item.type != VRV_WAL_NOTHING) {
            out = copy_entry(out, en);
            h.count++;
        }
        if (out - summed >= CRC_STEP || en == f->last) {
            h.payload_crc = vrv_crc32c(h.payload_crc, summed, (size_t)(out - summed));
            summed = out;
        }
        if (en == f->last)
            break;
    }
    VRV_ASSERT((size_t)(out - f->g.bytes) == used);
    h.bytes = (uint32_t)(used - VRV_WAL_GROUP_HEADER);
    vrv_wal_head_write(f->g.bytes, &h);
    memset(f->g.bytes + used, 0, whole - used);
    f->g.n = whole;
}

/* Each append claimed a group for itself; together they need less.  What is left over goes back
 * before the group is submitted, so that the device's count is exact. */
static void
release_surplus(struct vrv_journal *j, const struct flight *f)
{
    size_t claimed = 0;

    for (struct vrv_entry *en = f->first;; en = en->next) {
        claimed += en->claim;
        en->claim = 0;
        if (en == f->last)
            break;
    }
    VRV_ASSERT(claimed >= f->g.n);
    vrv_waldev_release(j->dev, claimed - f->g.n);
}

static int64_t
now_ns(const struct vrv_journal *j)
{
    return j->clock != NULL ? j->clock->mono_ns(j->clock) : 0;
}

static void
note_sync(struct vrv_journal *j, const struct flight *f)
{
    if (j->clock != NULL)
        vrv_hist_add(&j->sync_times, now_ns(j) - f->begun_ns);
}

static void
group_done(struct vrv_wal_group *g, int status, const struct vrv_err *e)
{
    struct flight *f = (struct flight *)(void *)g;
    struct vrv_journal *j = f->j;

    if (g->sync && status == 0)
        note_sync(j, f);
    vrv_lock(&j->lock);
    f->status = status;
    if (status != 0 && e != NULL)
        f->err = *e;
    f->done = true;
    j->woken = true;
    (void)pthread_cond_signal(&j->work);
    vrv_unlock(&j->lock);
}

static bool
submit_one(struct vrv_journal *j)
{
    vrv_lock(&j->lock);
    struct flight *f = &j->flights[j->launched % j->dev->window];
    bool go = j->status == 0 && j->stop.code == 0 && !f->busy && (j->queued != NULL || j->want_sync);
    if (!go) {
        vrv_unlock(&j->lock);
        return false;
    }
    gather(j, f);
    j->want_sync = false;
    f->busy = true;
    f->done = f->empty;
    f->status = 0;
    f->j = j;
    f->g.done = group_done;
    f->g.slot = j->next_slot;
    uint64_t durable = j->durable_slot;
    j->launched++;
    j->next_slot += !f->empty;
    j->groups += !f->empty;
    j->syncs += f->g.sync;
    vrv_unlock(&j->lock);

    if (!f->empty) {
        encode(j, f, durable);
        release_surplus(j, f);
        f->begun_ns = now_ns(j);
        vrv_waldev_submit(j->dev, &f->g);
    }
    return true;
}

/* ---- completing ---- */

/* Nothing from this flight on will ever be committed: all of it is to be refused. */
static void
fail_from(struct vrv_journal *j, const struct flight *failed)
{
    vrv_lock(&j->lock);
    j->status = failed->status == VRV_E_FENCED ? VRV_E_FENCED : VRV_E_STOPPED;
    (void)vrv_err_set(&j->err, j->status, "the write-ahead log has stopped: %s",
        failed->err.msg[0] ? failed->err.msg : vrv_err_text(failed->status));
    for (uint64_t i = j->landed; i < j->launched; i++) {
        const struct flight *f = &j->flights[i % j->dev->window];

        if (f->last != NULL) {
            j->queued = f->first;
            break;
        }
    }
    vrv_unlock(&j->lock);
}

/* After a failure: refuse what is queued, also what was pushed since. */
static bool
refuse_queued(struct vrv_journal *j)
{
    vrv_lock(&j->lock);
    struct vrv_entry *first = j->status != 0 ? j->queued : NULL, *last = j->tail;
    int status = j->status;
    size_t claimed = 0; /* by what was never submitted */
    if (first != NULL)
        j->queued = NULL;
    vrv_unlock(&j->lock);
    if (first == NULL)
        return false;
    for (struct vrv_entry *en = first;; en = en->next) {
        claimed += en->claim;
        if (en->ticket != NULL)
            en->ticket->status = status;
        if (en == last)
            break;
    }
    vrv_waldev_release(j->dev, claimed);
    j->ops->failed(j->ctx, first, last);
    return true;
}

/* The owners hear first: who sees committed_seq may rely on what they know. */
static void
succeed(struct vrv_journal *j, struct flight *f)
{
    if (f->last != NULL)
        j->ops->committed(j->ctx, f->first, f->last);
    vrv_lock(&j->lock);
    j->committed_seq = f->seq_end;
    if (!f->empty) {
        j->written_slot = f->g.slot + 1;
        j->bytes += f->g.n;
    }
    if (f->g.sync) {
        j->durable_seq = f->seq_end;
        j->durable_slot = j->written_slot;
    }
    vrv_unlock(&j->lock);
}

/* A flight that wrote nothing but wants a sync, when its turn has come. */
static void
sync_empty(struct vrv_journal *j, struct flight *f)
{
    if (!f->empty || !f->g.sync)
        return;
    f->begun_ns = now_ns(j);
    f->status = vrv_waldev_sync(j->dev, &f->err);
    if (f->status == 0)
        note_sync(j, f);
}

/* A sync that failed elsewhere may have been told of what groups wrote: theirs prove nothing (L4). */
static void
take_stop(struct vrv_journal *j, struct flight *f)
{
    vrv_lock(&j->lock);
    if (j->stop.code != 0 && f->status == 0) {
        f->status = j->stop.code;
        f->err = j->stop;
    }
    vrv_unlock(&j->lock);
}

/* Complete finished groups in order; a later one that is done already waits for its turn. */
static bool
complete_prefix(struct vrv_journal *j)
{
    bool any = false;

    for (;; any = true) {
        vrv_lock(&j->lock);
        struct flight *f = &j->flights[j->landed % j->dev->window];
        bool go = j->landed < j->launched && f->done;
        bool stopped = j->status != 0;
        vrv_unlock(&j->lock);
        if (!go)
            return any;
        if (!stopped) {
            sync_empty(j, f);
            take_stop(j, f);
            if (f->status != 0)
                fail_from(j, f);
            else
                succeed(j, f);
        }
        vrv_lock(&j->lock);
        f->busy = false;
        j->landed++;
        vrv_unlock(&j->lock);
    }
}

/* With nothing in flight that could tell. */
static void
stop_idle(struct vrv_journal *j)
{
    vrv_lock(&j->lock);
    if (j->stop.code != 0 && j->status == 0 && j->landed == j->launched) {
        j->status = j->stop.code;
        j->err = j->stop;
    }
    vrv_unlock(&j->lock);
}

void
vrv_journal_stop(struct vrv_journal *j, const struct vrv_err *e)
{
    vrv_lock(&j->lock);
    if (j->stop.code == 0)
        j->stop = *e;
    j->woken = true;
    (void)pthread_cond_signal(&j->work);
    vrv_unlock(&j->lock);
}

bool
vrv_journal_commit_step(struct vrv_journal *j)
{
    VRV_CHECK(j, JOURNAL_MAGIC);
    bool any = complete_prefix(j);

    stop_idle(j);
    any |= submit_one(j);
    any |= complete_prefix(j);
    any |= refuse_queued(j);
    return any;
}

/* With the window full, only a group that gets done helps, which wakes. */
static bool
has_work(const struct vrv_journal *j)
{
    if (j->status != 0)
        return j->queued != NULL;
    return (j->queued != NULL || j->want_sync) &&
        !j->flights[j->launched % j->dev->window].busy;
}

void
vrv_journal_wait(struct vrv_journal *j, int64_t wait_ms)
{
    struct timespec until;

    vrv_deadline(&until, wait_ms);
    vrv_lock(&j->lock);
    while (!j->woken && !has_work(j) && vrv_cond_wait_until(&j->work, &j->lock, &until))
        ;
    j->woken = false;
    vrv_unlock(&j->lock);
}

void
vrv_journal_wake(struct vrv_journal *j)
{
    vrv_lock(&j->lock);
    j->woken = true;
    (void)pthread_cond_signal(&j->work);
    vrv_unlock(&j->lock);
}

void
vrv_journal_want_sync(struct vrv_journal *j)
{
    vrv_lock(&j->lock);
    if (j->durable_slot < j->next_slot || j->queued != NULL)
        j->want_sync = true;
    (void)pthread_cond_signal(&j->work);
    vrv_unlock(&j->lock);
}

struct vrv_journal_state
vrv_journal_state(struct vrv_journal *j)
{
    vrv_lock(&j->lock);
    struct vrv_journal_state s = { .pushed_seq = j->next_seq,
        .committed_seq = j->committed_seq, .durable_seq = j->durable_seq,
        .durable_slot = j->durable_slot, .groups = j->groups, .syncs = j->syncs,
        .bytes = j->bytes, .status = j->status };
    vrv_unlock(&j->lock);
    return s;
}

int
vrv_journal_error(struct vrv_journal *j, struct vrv_err *e)
{
    vrv_lock(&j->lock);
    int status = j->status;
    if (status != 0 && e != NULL)
        *e = j->err;
    vrv_unlock(&j->lock);
    return status;
}

const struct vrv_hist *
vrv_journal_syncs(const struct vrv_journal *j)
{
    return &j->sync_times;
}

struct vrv_entry *
vrv_journal_oldest(struct vrv_journal *j)
{
    vrv_lock(&j->lock);
    struct vrv_entry *en = j->head;
    vrv_unlock(&j->lock);
    return en;
}

static void
give_back(struct vrv_journal *j, struct vrv_entry *en)
{
    vrv_slab_unref(en->slab);
    vrv_lock(&j->lock);
    bool keep = !VRV_ASAN && j->spare_n < SPARE_MAX;
    if (keep) {
        en->next = j->spare;
        j->spare = en;
        j->spare_n++;
    }
    vrv_unlock(&j->lock);
    if (!keep)
        free(en);
}

void
vrv_journal_evict(struct vrv_journal *j)
{
    vrv_lock(&j->lock);
    struct vrv_entry *en = j->head;
    VRV_ASSERT(en != NULL);
    VRV_ASSERT(en != j->queued);
    j->head = en->next;
    if (j->head == NULL)
        j->tail = NULL;
    if (j->adopted == en)
        j->adopted = NULL;
    vrv_unlock(&j->lock);
    give_back(j, en);
}
