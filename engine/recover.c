/* Opening: from the stores of metadata and the WAL to logs that can serve. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/engine_int.h"
#include "engine/wal/wal_file.h"

/* ---- keys and values in the store of checkpoints ----
 *
 * gone/<topic>/<partition>             segments that truncation took away (log_cut.c)
 * state/<topic>/<partition>            the log's state            (log_state.c)
 * open/<topic>/<partition>             its segments not sealed
 * seal/<topic>/<partition>/<base>      a sealed segment
 * session                              u32 session, u8 clean
 * wal                                  u64 id, u32 files, u32 0, u64 file bytes, u64 trim slot,
 *                                      u64 its first entry
 */

void
vrv__key_state(char out[KEY_MAX], const struct vrv_log_id *id)
{
    char hex[VRV_UUID_TEXT + 1];

    vrv_uuid_text(&id->topic, hex);
    (void)snprintf(out, KEY_MAX, "state/%s/%" PRId32, hex, id->partition);
}

void
vrv__key_gone(char out[KEY_MAX], const struct vrv_log_id *id)
{
    char hex[VRV_UUID_TEXT + 1];

    vrv_uuid_text(&id->topic, hex);
    (void)snprintf(out, KEY_MAX, "gone/%s/%" PRId32, hex, id->partition);
}

void
vrv__key_open(char out[KEY_MAX], const struct vrv_log_id *id)
{
    char hex[VRV_UUID_TEXT + 1];

    vrv_uuid_text(&id->topic, hex);
    (void)snprintf(out, KEY_MAX, "open/%s/%" PRId32, hex, id->partition);
}

void
vrv__key_seal(char out[KEY_MAX], const struct vrv_log_id *id, int64_t base)
{
    char hex[VRV_UUID_TEXT + 1];

    vrv_uuid_text(&id->topic, hex);
    (void)snprintf(out, KEY_MAX, "seal/%s/%" PRId32 "/%020" PRId64, hex, id->partition, base);
}

/* "<hex>/<partition>" behind a key's first word, perhaps with more behind. */
bool
vrv__key_log(const char *key, struct vrv_log_id *id)
{
    const char *slash = strchr(key, '/');
    char *end;

    if (slash == NULL || !vrv_uuid_parse(&id->topic, slash + 1) ||
        slash[1 + VRV_UUID_TEXT] != '/')
        return false;
    long p = strtol(slash + 1 + VRV_UUID_TEXT + 1, &end, 10);
    id->partition = (int32_t)p;
    return p >= 0 && p <= INT32_MAX && (*end == '\0' || *end == '/');
}

static int
is_same(void *ctx, const struct vrv_uuid *id)
{
    return vrv_uuid_eq(ctx, id);
}

bool
vrv__catalog_explains(struct vrv_catalog *c, const struct vrv_log_id *id)
{
    struct vrv_uuid topic = id->topic;

    return vrv_catalog_epoch(c, &topic, id->partition) >= 0 ||
        vrv_catalog_each_gone(c, is_same, &topic) != 0;
}

struct wait {
    bool done;
    int status;
    struct vrv_err err;
};

static void
txn_done(void *ctx, int status, uint64_t revision, const struct vrv_err *e)
{
    struct wait *w = ctx;

    (void)revision;
    w->done = true;
    w->status = status;
    if (status != 0 && e != NULL)
        w->err = *e;
}

int
vrv__meta_commit(struct vrv_metastore *m, const struct vrv_meta_write *writes, size_t n,
    struct vrv_err *e)
{
    struct vrv_meta_txn t = { .write = writes, .write_n = n };
    struct wait w = { .done = false };
    int rc = 0;

    vrv_meta_txn(m, &t, txn_done, &w);
    while (!w.done && rc >= 0)
        rc = vrv_meta_step(m, e);
    if (rc < 0)
        return rc;
    if (w.status != 0 && e != NULL)
        *e = w.err;
    return w.status;
}

int
vrv__engine_mark(struct vrv_engine *eng, bool clean, struct vrv_err *e)
{
    uint8_t v[8] = { 0 };
    struct vrv_meta_write w = { "session", v, sizeof(v) };

    vrv_put_le32(v, eng->session);
    v[4] = clean;
    return vrv__meta_commit(eng->states, &w, 1, e);
}

int
vrv__engine_mark_wal(struct vrv_engine *eng, uint64_t slot, uint64_t seq, struct vrv_err *e)
{
    uint8_t v[40] = { 0 };
    struct vrv_meta_write w = { "wal", v, sizeof(v) };

    vrv_put_le64(v, eng->wal_id);
    vrv_put_le32(v + 8, eng->o.wal_files);
    vrv_put_le64(v + 16, eng->o.wal_file_bytes);
    vrv_put_le64(v + 24, slot);
    vrv_put_le64(v + 32, seq);
    return vrv__meta_commit(eng->states, &w, 1, e);
}

/* ---- what the checkpoint has ---- */

struct loading {
    struct vrv_engine *eng;
    struct vrv_err *e;
    int rc;
    bool done;
    uint64_t trim_slot, trim_seq;
    bool has_wal, clean;
};

static int
add_topic(void *ctx, const struct vrv_topic_info *t)
{
    struct loading *l = ctx;

    l->rc = vrv__engine_add_topic(l->eng, t, l->e);
    return l->rc;
}

static void
load_single(struct loading *l, const struct vrv_meta_kv *kv)
{
    struct vrv_engine *eng = l->eng;
    const uint8_t *v = kv->value;

    if (strcmp(kv->key, "session") == 0 && kv->value_len == 8) {
        eng->session = vrv_get_le32(v);
        l->clean = v[4] == 1;
    } else if (strcmp(kv->key, "wal") == 0 && kv->value_len == 40) {
        l->has_wal = true;
        eng->wal_id = vrv_get_le64(v);
        eng->o.wal_files = vrv_get_le32(v + 8);
        eng->o.wal_file_bytes = vrv_get_le64(v + 16);
        l->trim_slot = vrv_get_le64(v + 24);
        l->trim_seq = vrv_get_le64(v + 32);
    } else {
        l->rc = vrv_err_set(l->e, VRV_E_CORRUPT, "checkpoint: key \"%.60s\" makes no sense",
            kv->key);
    }
}

/* ENG-12: the catalog has lost its end, and what else was there nobody can tell. */
static int
check_unknown(struct vrv_engine *eng, const struct vrv_log_id *id, struct vrv_err *e)
{
    char hex[VRV_UUID_TEXT + 1];

    if (vrv__catalog_explains(eng->catalog, id))
        return 0;
    vrv_uuid_text(&id->topic, hex);
    return vrv_err_set(e, VRV_E_CORRUPT,
        "topic %s, partition %" PRId32 " is in the checkpoint, but the catalog does not have it "
        "any more: the end of the catalog is missing", hex, id->partition);
}

/* Keys come in order: gone, open, seal, session, state, wal.  A log's sealed segments must be there
 * before its open ones, so each kind is read by a range of its own. */
static void
load_key(void *ctx, int status, const struct vrv_meta_kv *kv, uint64_t revision,
    const struct vrv_err *err)
{
    struct loading *l = ctx;
    struct vrv_log_id id;

    (void)revision;
    if (kv == NULL) {
        l->done = true;
        if (status != 0 && l->rc == 0) {
            l->rc = status;
            if (l->e != NULL && err != NULL)
                *l->e = *err;
        }
        return;
    }
    if (l->rc < 0)
        return;
    if (strchr(kv->key, '/') == NULL) {
        load_single(l, kv);
        return;
    }
    if (!vrv__key_log(kv->key, &id)) {
        l->rc = vrv_err_set(l->e, VRV_E_CORRUPT, "checkpoint: key \"%.60s\" makes no sense",
            kv->key);
        return;
    }
    struct vrv_log *log = vrv__table_get(&l->eng->logs, &id);
    if (log == NULL)
        l->rc = check_unknown(l->eng, &id, l->e);
    else if (kv->key[0] == 'g')
        l->rc = vrv_log_restore_gone(log, kv->value, kv->value_len, l->e);
    else if (kv->key[0] == 'o')
        l->rc = vrv_log_restore_open(log, kv->value, kv->value_len, l->e);
    else if (kv->key[1] == 'e')
        l->rc = vrv_log_restore_sealed(log, kv->value, kv->value_len, l->e);
    else
        l->rc = vrv_log_restore_state(log, kv->value, kv->value_len, l->e);
    if (l->rc < 0 && log != NULL)
        (void)vrv_err_prefix(l->e, l->rc, "checkpoint, %.60s", kv->key);
}

static int
load_range(struct loading *l, const char *prefix)
{
    int rc = 0;

    l->done = false;
    vrv_meta_range(l->eng->states, prefix, load_key, l);
    while (!l->done && rc >= 0)
        rc = vrv_meta_step(l->eng->states, l->e);
    return rc < 0 ? rc : l->rc;
}

/* ---- the WAL ---- */

struct replay {
    struct vrv_engine *eng;
    bool live; /* another session's, into an engine that runs */
    struct vrv_entry *first, *last; /* kept ones, for the journal */
    struct vrv_fill fill;
    uint64_t replayed, replayed_bytes;
};

static int
replay_item(struct replay *r, const struct vrv_wal_item *it, const uint8_t *bytes,
    struct vrv_slab *slab, uint64_t seq, struct vrv_err *e)
{
    struct vrv_log_id id = { it->topic, it->partition };
    struct vrv_log *log = vrv_engine_log(r->eng, &id);

    /* Deleted since, or in the checkpoint; another session's numbers say nothing here. */
    if (log == NULL || (!r->live && seq < log->state_seq))
        return 0;
    struct vrv_entry *en = vrv_entry_new();
    en->owner = log;
    en->item = *it;
    en->seq = seq;
    if (it->size > 0 && slab != NULL) {
        en->slab = vrv_slab_ref(slab);
        en->bytes = bytes;
    } else if (it->size > 0) {
        uint8_t *copy = vrv_fill_take(&r->fill, &r->eng->pool, it->size, true, &en->slab);

        memcpy(copy, bytes, it->size);
        en->bytes = copy;
    }
    int rc = vrv_log_replay(log, en, r->live ? 0 : seq + 1, e);
    if (r->live)
        en->seq = 0; /* its number was of another order */
    r->replayed++;
    r->replayed_bytes += it->size;
    if (rc <= 0) {
        vrv_entry_free(en);
        return rc;
    }
    if (r->last != NULL)
        r->last->next = en;
    else
        r->first = en;
    r->last = en;
    return 0;
}

static int
replay_group(void *ctx, const uint8_t *bytes, size_t n, struct vrv_slab *slab, struct vrv_err *e)
{
    struct replay *r = ctx;
    struct vrv_wal_head h;
    size_t at = VRV_WAL_GROUP_HEADER;
    int rc = 0;

    if (!vrv_wal_head_read(&h, bytes))
        return vrv_err_set(e, VRV_E_CORRUPT, "a group's header changed while it was read");
    if (!r->live && h.wal_id != r->eng->wal_id)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "slot %" PRIu64 " holds a group of the write-ahead log %016" PRIx64
            ", this one is %016" PRIx64, h.slot, h.wal_id, r->eng->wal_id);
    for (uint32_t i = 0; i < h.count && rc == 0; i++) {
        struct vrv_wal_item it;

        if (!vrv_wal_item_read(&it, bytes + at, n - at))
            return vrv_err_set(e, VRV_E_CORRUPT,
                "write-ahead log, entry %" PRIu64 ": not an entry, though the checksum holds",
                h.first_seq + i);
        rc = replay_item(r, &it, bytes + at + VRV_WAL_ENTRY_HEADER, slab, h.first_seq + i, e);
        at += VRV_WAL_ENTRY_HEADER + it.size;
    }
    return rc;
}

static void
committed(void *ctx, struct vrv_entry *first, struct vrv_entry *last);

static void
failed(void *ctx, struct vrv_entry *first, struct vrv_entry *last);

static const struct vrv_journal_ops journal_ops = { committed, failed };

static void
drop_replayed(struct replay *r)
{
    for (struct vrv_entry *en = r->first, *next; en != NULL; en = next) {
        next = en->next;
        vrv_entry_free(en);
    }
}

static int
open_device(struct vrv_engine *eng, struct loading *l, struct replay *r, struct vrv_wal_found *wf,
    struct vrv_err *e)
{
    struct vrv_wal_file_opts o = { .dir = "wal", .wal_id = eng->wal_id,
        .files = eng->o.wal_files, .file_bytes = eng->o.wal_file_bytes,
        .group_bytes = eng->o.group_bytes,
        .pool = &eng->pool, .direct = eng->o.wal_direct, .create = !l->has_wal,
        .fill_first = eng->o.wal_fill_first };
    struct vrv_wal_open what = { .wal_id = eng->wal_id, .session = eng->session,
        .trim = l->trim_slot, .next_seq = l->trim_seq, .fn = replay_group, .ctx = r };

    if (eng->o.wal != NULL)
        return eng->o.wal->open(eng->o.wal, &what, wf, &eng->dev, e);
    return vrv_wal_file_open(&eng->dev, eng->o.vfs, &o, l->trim_slot, l->trim_slot, l->trim_seq,
        replay_group, r, wf, e);
}

static int
open_wal(struct vrv_engine *eng, struct loading *l, struct vrv_recovery *found, struct vrv_err *e)
{
    struct replay r = { .eng = eng };
    struct vrv_wal_found wf = { 0 };
    int rc = open_device(eng, l, &r, &wf, e);

    vrv_fill_fini(&r.fill);
    if (rc < 0) { /* the rings point to them, but nobody will look */
        drop_replayed(&r);
        return rc;
    }
    found->replayed = r.replayed;
    found->replayed_bytes = r.replayed_bytes;
    found->cut_groups = wf.cut_groups;
    found->rewritten = wf.rewritten;
    struct vrv_journal_opts jo = { .dev = eng->dev, .clock = eng->o.clock, .ops = &journal_ops,
        .ctx = eng, .wal_id = eng->wal_id, .session = eng->session, .slot = wf.next_slot,
        .seq = wf.next_seq, .group_bytes = eng->o.group_bytes };
    rc = vrv_journal_new(&eng->env.journal, &jo);
    if (r.first != NULL)
        vrv_journal_adopt(eng->env.journal, r.first, r.last);
    return rc;
}

int
vrv_engine_replay(struct vrv_engine *eng, const uint8_t *group, size_t n, struct vrv_err *e)
{
    /* Groups may be small: they share slabs over the calls. */
    struct replay r = { .eng = eng, .live = true, .fill = eng->replay_fill };
    int rc = replay_group(&r, group, n, NULL, e);

    eng->replay_fill = r.fill;
    if (r.first != NULL) /* also after an error: their logs hold them */
        vrv_journal_adopt(eng->env.journal, r.first, r.last);
    return rc;
}

/* Completions of one group: posted once per queue, as a chain. */
struct chain {
    struct vrv_done *first, *last;
};

static void
chain_post(struct chain *c)
{
    if (c->first != NULL)
        vrv_cq_post(c->first->cq, c->first, c->last);
    c->first = c->last = NULL;
}

static void
chain_add(struct chain *c, struct vrv_ticket *t)
{
    if (c->first != NULL && c->first->cq != t->done.cq)
        chain_post(c);
    if (c->first == NULL)
        c->first = &t->done;
    else
        c->last->next = &t->done;
    c->last = &t->done;
}

/* Tickets are collected before their log is told, since it may let go of the entries then, and
 * posted after, so that who is told of an append can read it. */
static void
committed(void *ctx, struct vrv_entry *first, struct vrv_entry *last)
{
    struct chain c = { NULL, NULL };

    (void)ctx;
    for (struct vrv_entry *en = first; en != NULL;) {
        struct vrv_entry *run = en;
        struct vrv_log *log = en->owner;

        for (;; en = en->next) {
            if (en->ticket != NULL)
                chain_add(&c, en->ticket);
            if (en == last || en->next->owner != log)
                break;
        }
        struct vrv_entry *next = en == last ? NULL : en->next;
        /* Once it has heard, nothing else may keep a deleted log alive. */
        vrv_log_ref(log);
        vrv_log_committed(log, run, en);
        vrv_log_unref(&log);
        en = next;
    }
    chain_post(&c);
}

static void
failed(void *ctx, struct vrv_entry *first, struct vrv_entry *last)
{
    struct chain c = { NULL, NULL };

    (void)ctx;
    for (struct vrv_entry *en = first;; en = en->next) {
        if (en->ticket != NULL)
            chain_add(&c, en->ticket);
        if (en == last)
            break;
    }
    chain_post(&c);
}

/* ---- after the replay ---- */

/* Logs that skipped to their ceiling begin a new epoch there: one that the metastore gives. */
static int
new_epochs(struct vrv_engine *eng, struct vrv_catbump *v, size_t n, struct vrv_err *e)
{
    int rc = vrv_catalog_bump(eng->catalog, v, n, e);

    for (size_t i = 0; i < n && rc == 0; i++) {
        struct vrv_log_id id = { v[i].id, v[i].part };

        vrv_log_set_epoch(vrv__table_get(&eng->logs, &id), v[i].epoch);
    }
    return rc;
}

static int
check_logs(struct vrv_engine *eng, bool clean, struct vrv_recovery *found, struct vrv_err *e)
{
    struct vrv_catbump *v = NULL;
    size_t n = 0, cap = 0;
    int rc = 0;

    for (size_t i = 0; i < eng->logs.cap && rc == 0; i++) {
        struct vrv_log *log = eng->logs.v[i];
        bool skipped;

        if (log == NULL)
            continue;
        found->logs++;
        rc = vrv_log_recovered(log, !clean, &skipped, e);
        if (rc < 0) {
            char hex[VRV_UUID_TEXT + 1];

            vrv_uuid_text(&log->id.topic, hex);
            rc = vrv_err_prefix(e, rc, "topic %s, partition %" PRId32, hex, log->id.partition);
        } else if (skipped) {
            VRV_PUSH_ROOM(v, n, cap);
            v[n++] = (struct vrv_catbump){ log->id.topic, log->id.partition, 0 };
        }
    }
    found->skipped_logs = n;
    if (rc == 0 && n > 0)
        rc = new_epochs(eng, v, n, e);
    free(v);
    return rc;
}

/* The crash came when a truncation was kept, and not all of it done. */
static int
clean_cuts(struct vrv_engine *eng, struct vrv_err *e)
{
    int rc = 0;

    for (size_t i = 0; i < eng->logs.cap && rc == 0; i++) {
        struct vrv_log *log = eng->logs.v[i];

        if (log == NULL || log->cut == NULL)
            continue;
        rc = vrv__engine_clean_cut(eng, log, e);
        vrv_log_cut_forget(log);
    }
    return rc;
}

int
vrv__engine_recover(struct vrv_engine *eng, bool is_new, struct vrv_recovery *found,
    struct vrv_err *e)
{
    struct loading l = { .eng = eng, .e = e, .trim_slot = 1, .trim_seq = 1 };
    static const char *const ranges[] = { "session", "wal", "gone/", "seal/", "open/", "state/" };

    if (vrv_catalog_each(eng->catalog, add_topic, &l) != 0)
        return l.rc;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        int rc = load_range(&l, ranges[i]);
        if (rc < 0)
            return rc;
    }
    if (!l.has_wal && !is_new)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "checkpoint/ does not know the write-ahead log any more: its end is missing");
    found->clean = l.clean;
    eng->session++;
    int rc = open_wal(eng, &l, found, e);
    /* Kept only now: until the WAL is whole, nothing says that it exists. */
    if (rc == 0 && !l.has_wal)
        rc = vrv__engine_mark_wal(eng, 1, 1, e);
    if (rc == 0)
        rc = vrv__engine_mark(eng, false, e);
    if (rc == 0)
        rc = check_logs(eng, l.clean || !l.has_wal, found, e);
    return rc == 0 ? clean_cuts(eng, e) : rc;
}
