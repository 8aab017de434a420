#include "t/lib/rig.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/batch/build.h"
#include "engine/batch/record.h"
#include "engine/meta/metalog.h"
#include "engine/reader/reader.h"
#include "t/lib/tap.h"

enum { CONFIGS_MAX = 16, CONFIG_BYTES = 512, PATH_BYTES = 256 };

static void
must(struct rig *r, int rc, const char *what)
{
    if (rc < 0)
        tap_bail("%s: %s", what, r->e.msg);
}

/* ---- life ---- */

void
rig_init(struct rig *r, uint64_t seed)
{
    memset(r, 0, sizeof(*r));
    r->disk = simdisk_new(seed);
    simclock_init(&r->clock, (int64_t)RIG_WALL_MS * 1000);
    (void)vrv_cq_init(&r->cq, 0);
    vrv_engine_opts_default(&r->o);
    r->o.vfs = simdisk_vfs(r->disk);
    r->o.clock = &r->clock.clock;
    r->o.random = seed + 1;
    r->o.memory_bytes = (size_t)4 << 20;
    r->o.wal_files = 3;
    r->o.wal_file_bytes = 256 * 1024;
    r->o.wal_fill_first = 64 * 1024;
    r->o.wal_direct = false;
    r->o.group_bytes = 32 * 1024;
    r->o.flush_bytes = 16 * 1024;
    r->o.sync_ahead_logs = 2;
    r->o.open_files_max = 8;
    r->o.checkpoint_ms = 1000000; /* when a test asks for it */
    r->o.disk_reserve_bytes = 0;
}

static void
let_go(struct rig *r)
{
    vrv_fill_fini(&r->fill);
    (void)rig_take(r);
}

void
rig_fini(struct rig *r)
{
    let_go(r);
    vrv_engine_abandon(&r->eng);
    vrv_cq_fini(&r->cq);
    simdisk_free(&r->disk);
}

int
rig_open(struct rig *r)
{
    VRV_ASSERT(r->eng == NULL);
    r->e = (struct vrv_err){ 0 };
    int rc = vrv_engine_open(&r->eng, &r->o, &r->found, &r->e);
    while (rc == 0 && vrv_engine_prepare_step(r->eng) > 0)
        ;
    return rc;
}

void
rig_up(struct rig *r)
{
    must(r, rig_open(r), "opening");
}

int
rig_close(struct rig *r)
{
    vrv_fill_fini(&r->fill);
    int rc = vrv_engine_close(&r->eng, &r->e);
    (void)rig_take(r);
    return rc;
}

void
rig_crash(struct rig *r, enum sim_policy policy, uint64_t seed)
{
    let_go(r);
    vrv_engine_abandon(&r->eng);
    simdisk_crash(r->disk, policy, seed);
    simdisk_abandon(r->disk);
}

/* ---- topics ---- */

struct configs {
    struct vrv_config_kv kv[CONFIGS_MAX];
    size_t n;
    char buf[CONFIG_BYTES];
};

static void
configs_parse(struct configs *c, const char *text)
{
    char *rest;

    c->n = 0;
    (void)snprintf(c->buf, sizeof(c->buf), "%s", text != NULL ? text : "");
    for (char *w = strtok_r(c->buf, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest)) {
        char *eq = strchr(w, '=');

        VRV_ASSERT(eq != NULL && c->n < CONFIGS_MAX);
        *eq = '\0';
        c->kv[c->n++] = (struct vrv_config_kv){ w, eq[1] != '\0' ? eq + 1 : NULL };
    }
}

int
rig_create(struct rig *r, const char *name, int32_t partitions, const char *configs)
{
    struct vrv_uuid id = { { 0x7a, 0x7a } };
    struct configs c;

    configs_parse(&c, configs);
    r->topics++;
    for (int i = 0; i < 8; i++)
        id.b[8 + i] = (uint8_t)(r->topics >> (8 * i));
    r->e = (struct vrv_err){ 0 };
    return vrv_engine_create_topic(r->eng, name, partitions, c.kv, c.n, &id, &r->e);
}

int
rig_alter(struct rig *r, const char *name, const char *configs)
{
    struct configs c;

    configs_parse(&c, configs);
    r->e = (struct vrv_err){ 0 };
    return vrv_engine_alter_topic(r->eng, name, c.kv, c.n, &r->e);
}

void
rig_topic(struct rig *r, const char *name, int32_t partitions, const char *configs)
{
    must(r, rig_create(r, name, partitions, configs), name);
}

struct vrv_log *
rig_log(struct rig *r, const char *name, int32_t partition)
{
    struct vrv_topic_info t;

    if (vrv_catalog_by_name(vrv_engine_catalog(r->eng), name, &t, NULL) < 0)
        return NULL;
    struct vrv_log_id id = { t.id, partition };
    vrv_topic_info_fini(&t);
    return vrv_engine_log(r->eng, &id);
}

/* ---- appends ---- */

static void
build(struct rig *r, struct vrv_batch_builder *bb, const struct rig_batch *b)
{
    int64_t ts = b->ts != 0 ? b->ts : r->clock.clock.wall_ms(&r->clock.clock);
    size_t n = b->value != NULL ? strlen(b->value) : b->size;
    char *zeros = vrv_mem_zero(n + 1);

    vrv_batch_builder_init(bb);
    if (b->producer) {
        bb->producer_id = b->producer_id;
        bb->producer_epoch = b->producer_epoch;
        bb->base_seq = b->seq;
    }
    bb->attrs = b->attrs;
    for (int i = 0; i < (b->records > 0 ? b->records : 1); i++)
        vrv_batch_builder_add(bb, ts, NULL, -1, b->value != NULL ? b->value : zeros, (int32_t)n,
            NULL, 0);
    free(zeros);
}

static void
part_of(struct rig *r, struct vrv_append *a, struct vrv_log *log, const uint8_t *p, size_t n)
{
    *a = (struct vrv_append){ .log = log, .leader_epoch = -1, .n = n };
    a->bytes = vrv_fill_take(&r->fill, vrv_engine_env(r->eng)->pool, n, true, &a->slab);
    memcpy(a->bytes, p, n);
}

void
rig_part(struct rig *r, struct vrv_append *a, struct vrv_log *log, const struct rig_batch *b)
{
    struct vrv_batch_builder bb;
    const uint8_t *p;
    size_t n;

    build(r, &bb, b);
    must(r, vrv_batch_builder_finish(&bb, b->codec, &p, &n, &r->e), "making a batch");
    part_of(r, a, log, p, n);
    vrv_batch_builder_fini(&bb);
}

void
rig_part_fini(struct vrv_append *a)
{
    vrv_slab_unref(a->slab);
    a->slab = NULL;
}

static void
call_init(struct rig *r, struct rig_call *c)
{
    memset(c, 0, sizeof(*c));
    c->t.done.cq = &r->cq;
}

static int
append(struct rig *r, struct vrv_append *a, struct rig_call *c)
{
    call_init(r, c);
    r->e = (struct vrv_err){ 0 };
    int rc = vrv_engine_may_append(r->eng, &r->e);
    if (rc == 0)
        rc = vrv_log_append(a, 1, &c->t, NULL, &r->e);
    rig_part_fini(a);
    return rc;
}

int
rig_append(struct rig *r, struct vrv_log *log, const struct rig_batch *b, struct rig_call *c)
{
    struct vrv_append a;

    rig_part(r, &a, log, b);
    return append(r, &a, c);
}

/* What was appended with rc is committed: its offset, or what failed. */
static int64_t
commit(struct rig *r, int rc, struct rig_call *c)
{
    if (rc < 0)
        return rc;
    rig_commit(r);
    if (c->posted != 1) /* the ticket must not stay behind on our stack */
        tap_bail("an append was answered %d times", c->posted);
    return c->t.status < 0 ? c->t.status : c->t.base_offset;
}

int64_t
rig_put_batch(struct rig *r, struct vrv_log *log, const struct rig_batch *b)
{
    struct rig_call c;
    int rc = rig_append(r, log, b, &c);

    return commit(r, rc, &c);
}

int64_t
rig_put_bytes(struct rig *r, struct vrv_log *log, const uint8_t *batch, size_t n)
{
    struct vrv_append a;
    struct rig_call c;

    part_of(r, &a, log, batch, n);
    int rc = append(r, &a, &c);
    return commit(r, rc, &c);
}

int64_t
rig_put(struct rig *r, struct vrv_log *log, const char *value)
{
    return rig_put_batch(r, log, &(struct rig_batch){ .value = value });
}

int
rig_set_start(struct rig *r, struct vrv_log *log, int64_t offset)
{
    struct rig_call c;

    call_init(r, &c);
    r->e = (struct vrv_err){ 0 };
    int rc = vrv_log_set_start(log, offset, &c.t, &r->e);
    if (rc < 0)
        return rc;
    rig_commit(r);
    VRV_ASSERT(c.posted == 1);
    return c.t.status;
}

/* ---- steps ---- */

int
rig_take(struct rig *r)
{
    struct vrv_done *d;
    int n = 0;

    for (; (d = vrv_cq_take(&r->cq, 0)) != NULL; n++)
        ((struct rig_call *)(void *)d)->posted++;
    return n;
}

static bool
commit_some(struct rig *r)
{
    bool any = vrv_engine_commit_step(r->eng);

    any |= r->io != NULL && r->io(r);
    return any;
}

void
rig_commit(struct rig *r)
{
    while (commit_some(r))
        ;
    (void)rig_take(r);
}

/* A full disk leaves work behind that can't be done. */
void
rig_flush(struct rig *r)
{
    for (int i = 0; i < 100000 && vrv_engine_flush_step(r->eng); i++)
        ;
}

bool
rig_checkpoint(struct rig *r)
{
    uint64_t before = vrv_engine_checkpoints(r->eng);

    vrv_engine_want_checkpoint(r->eng);
    for (int i = 0; i < 100000 && vrv_engine_checkpoints(r->eng) == before; i++) {
        (void)commit_some(r);
        if (!vrv_engine_checkpoint_step(r->eng) && !commit_some(r) && i > 1000)
            break;
    }
    (void)rig_take(r);
    return vrv_engine_checkpoints(r->eng) > before;
}

void
rig_pass(struct rig *r, int64_t ms)
{
    while (ms > 0) {
        int64_t now = ms < 1000 ? ms : 1000;

        simclock_advance_ms(&r->clock, now);
        ms -= now;
        (void)vrv_engine_expire_step(r->eng);
        rig_commit(r);
    }
    vrv_engine_tend_step(r->eng);
    rig_commit(r);
}

void
rig_bury(struct rig *r)
{
    for (int i = 0; i < 3; i++) {
        rig_commit(r);
        rig_flush(r);
        (void)rig_checkpoint(r);
        rig_pass(r, 1000);
    }
}

/* ---- reading ---- */

typedef void record_fn(void *ctx, const struct vrv_record *rec);

/* The records of whole batches at p; the offset behind them. */
static int
walk(const uint8_t *p, size_t n, int64_t *at, record_fn *fn, void *ctx, struct vrv_err *e)
{
    struct vrv_batch b;
    int rc = 0;

    for (size_t pos = 0; rc == 0 && vrv_batch_read(&b, p + pos, n - pos, NULL) == 0;
         pos += b.size) {
        struct vrv_record_iter it;
        struct vrv_record rec;

        rc = vrv_batch_check_crc(p + pos, &b, e);
        if (rc == 0)
            rc = vrv_record_iter_init(&it, p + pos, &b, e);
        if (rc < 0)
            return rc;
        while ((rc = vrv_record_next(&it, &rec, e)) > 0)
            if (rec.offset >= *at)
                fn(ctx, &rec);
        vrv_record_iter_fini(&it);
        if (vrv_batch_last_offset(&b) >= *at)
            *at = vrv_batch_last_offset(&b) + 1;
    }
    return rc;
}

static int
each(struct rig *r, struct vrv_log *log, int64_t at, record_fn *fn, void *ctx)
{
    r->e = (struct vrv_err){ 0 };
    for (;;) {
        struct vrv_read rd = { .offset = at, .max_bytes = 60000, .whole_first = true };
        int rc = vrv_read(log, &rd, &r->e);
        int64_t before = at;

        if (rc == 0)
            rc = vrv_read_load(log, &rd, false, &r->e);
        for (uint32_t i = 0; rc == 0 && i < rd.slice_n; i++)
            rc = walk(rd.slice[i].bytes, rd.slice[i].n, &at, fn, ctx, &r->e);
        if (rc == 0)
            VRV_ASSERT(at == before || at <= rd.hw); /* L2 */
        vrv_read_fini(&rd);
        if (rc < 0 || at == before)
            return rc;
    }
}

struct text {
    char *p;
    size_t n, cap;
};

static void
add_text(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
add_text(struct text *t, const char *fmt, ...)
{
    char buf[64];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    for (int i = 0; i <= n && i < (int)sizeof(buf); i++) {
        VRV_PUSH_ROOM(t->p, t->n, t->cap);
        t->p[t->n++] = buf[i];
    }
    t->n--; /* the NUL is written over */
}

static void
add_record(void *ctx, const struct vrv_record *rec)
{
    add_text(ctx, "%" PRId64 ":%.*s ", rec->offset, (int)rec->value_len, (const char *)rec->value);
}

char *
rig_text(struct rig *r, struct vrv_log *log, int64_t from)
{
    struct text t = { 0 };

    add_text(&t, "%s", "");
    int rc = each(r, log, from, add_record, &t);
    if (rc < 0)
        add_text(&t, "!%d", rc);
    return t.p;
}

bool
rig_reads(struct rig *r, struct vrv_log *log, int64_t from, const char *want, const char *what)
{
    char *got = rig_text(r, log, from);
    bool ok = IS_STR(got, want, "%s", what);

    free(got);
    return ok;
}

static void
count_record(void *ctx, const struct vrv_record *rec)
{
    (void)rec;
    (*(int64_t *)ctx)++;
}

int64_t
rig_count(struct rig *r, struct vrv_log *log, int64_t from)
{
    int64_t n = 0;
    int rc = each(r, log, from, count_record, &n);

    return rc < 0 ? rc : n;
}

/* ---- the disk ---- */

uint64_t
rig_tree(struct rig *r)
{
    struct simdisk *copy = simdisk_copy(r->disk);

    simdisk_crash(copy, SIM_KEEP_ALL, 1);
    uint64_t h = simdisk_hash(copy);
    simdisk_free(&copy);
    return h;
}

struct count {
    struct rig *r;
    const char *dir, *word;
    int n;
};

static int
count_entry(void *ctx, const char *name, bool is_dir)
{
    struct count *c = ctx;
    char path[PATH_BYTES];

    (void)snprintf(path, sizeof(path), "%s/%s", c->dir, name);
    if (is_dir)
        c->n += rig_files(c->r, path, c->word);
    else
        c->n += strstr(path, c->word) != NULL;
    return 0;
}

/* No deeper than a data directory. */
int
rig_files(struct rig *r, const char *dir, const char *word)
{
    struct count c = { r, dir, word, 0 };

    int rc = vrv_vfs_list(r->o.vfs, dir, count_entry, &c, NULL);
    return rc < 0 ? 0 : c.n;
}

struct keys {
    int n;
    bool done;
};

static void
count_key(void *ctx, int status, const struct vrv_meta_kv *kv, uint64_t revision,
    const struct vrv_err *e)
{
    struct keys *k = ctx;

    (void)status;
    (void)revision;
    (void)e;
    if (kv == NULL)
        k->done = true;
    else
        k->n++;
}

int
rig_keys(struct rig *r, const char *prefix)
{
    struct vrv_metastore *m = NULL;
    struct keys k = { 0 };

    VRV_ASSERT(r->eng == NULL);
    must(r, vrv_metalog_open(&m, r->o.vfs, "checkpoint", NULL, &r->e), "the checkpoints");
    vrv_meta_range(m, prefix, count_key, &k);
    while (!k.done)
        must(r, vrv_meta_step(m, &r->e), "the checkpoints");
    vrv_meta_close(&m);
    return k.n;
}
