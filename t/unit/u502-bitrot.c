/*
 * Bit rot: one file of a small data directory is damaged, then everything is opened and read.
 *
 * Whatever was damaged, what is served is the truth, or there is an explicit error.  Only what
 * nothing on the disk says to have been durable may be cut: groups of the WAL at and above the
 * highest durable_end that can still be read (L5), and the last change of the metadata log.  Ranges
 * of segment files aren't checksummed by the engine when they are served: the reader here checks
 * the CRC of batches as clients do.  That doesn't cover a batch's base offset and leader epoch
 * (Kafka's format); a wrong one counts as found when the segment's own checksum tells (verify,
 * scrub).
 *
 * Single bits: all of them in everything but record data, one per 64 bytes there.  VARVE_RUNS
 * of all mutations, chosen by VARVE_SEED; with VARVE_LONG every one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/reader/reader.h"
#include "engine/wal/wal_format.h"
#include "t/lib/rig.h"
#include "t/lib/tap.h"

enum { FILES_MAX = 64, TOPICS = 2, BATCHES_MAX = 400, OLD_MAX = 3, PAGE = 4096, BATCH_HEADER = 61,
    DATA_STEP = 64 };

static const char *const topics[TOPICS] = { "first", "second" };

enum kind { FLIP, CUT, ZERO_PAGE, SWAP_PAGES, GARBAGE_TAIL, OLDER, MISSING };
static const char *const kind_name[] = { "bit flipped", "cut", "page zeroed", "pages swapped",
    "garbage behind", "older version", "missing" };

struct file {
    char path[128];
    uint64_t size;
    bool is_wal, is_data, is_index;
    int topic;        /* of a segment's files */
    int64_t base;
};

struct mutation {
    uint16_t file;
    uint8_t kind;
    uint64_t a, b;    /* FLIP: position and mask; SWAP: two pages; OLDER: which one */
};

/* One batch of the truth. */
struct batch {
    int64_t base, last;
    uint32_t crc, size;  /* crc: over all its bytes */
    uint64_t slot;       /* of its group in the WAL; 0: in none any more */
};

struct world {
    struct rig rig;
    struct simdisk *disk;          /* as the crash left it */
    struct simdisk *old[OLD_MAX];  /* and earlier */
    struct vrv_log_id id[TOPICS];
    struct batch batch[TOPICS][BATCHES_MAX];
    size_t n[TOPICS];
    int64_t segment[TOPICS][64];   /* bases, ascending */
    size_t segments[TOPICS];
    struct file file[FILES_MAX];
    size_t files;
    struct mutation *m;
    size_t mutations, cap;
    uint64_t refused, found, cut, harmless, scrubbed;
    int bad;
};

/* ---- the data directory ---- */

static void
put(struct world *w, int topic, size_t size)
{
    static unsigned filled;
    struct rig_call c = { 0 };
    unsigned nth = filled++;
    struct rig_batch b = { .size = size, .records = 1 + (int)(nth % 3),
        .producer = nth % 4 == 3, .producer_id = 7, .codec = VRV_CODEC_NONE };
    struct vrv_log *log = rig_log(&w->rig, topics[topic], 0);
    static int32_t seq[TOPICS];

    if (b.producer) {
        b.seq = seq[topic];
        seq[topic] += b.records;
    }
    if (rig_append(&w->rig, log, &b, &c) < 0)
        abort();
    rig_commit(&w->rig);
}

static void
fill(struct world *w, int n)
{
    for (int i = 0; i < n; i++)
        put(w, i % 3 == 0, (size_t)(20 + i % 7 * 60));
}

static void
make(struct world *w)
{
    struct rig *r = &w->rig;

    rig_init(r, 1);
    r->o.wal_files = 2;
    r->o.wal_file_bytes = 192 * 1024;
    r->o.wal_fill_first = 192 * 1024;
    r->o.memory_bytes = (size_t)4 << 20;
    rig_up(r);
    rig_topic(r, "first", 1, "segment.bytes=3000 index.interval.bytes=512");
    rig_topic(r, "second", 1, "segment.bytes=2000 index.interval.bytes=256");
    for (int i = 0; i < OLD_MAX; i++) {
        fill(w, 14);
        OK(rig_checkpoint(r), "checkpoint %d", i + 1);
        w->old[i] = simdisk_copy(r->disk);
        fill(w, 4);
    }
    fill(w, 20);
    rig_topic(r, "last", 1, NULL); /* the metadata log's newest change */
    rig_crash(r, SIM_DROP_ALL, 1);
    w->disk = simdisk_copy(r->disk);
}

static int
note_name(void *ctx, const char *name, bool is_dir)
{
    char (*names)[64] = ctx;

    for (int i = 0; i < FILES_MAX; i++)
        if (names[i][0] == '\0') {
            (void)snprintf(names[i], 64, "%.60s%s", name, is_dir ? "/" : "");
            return 0;
        }
    return -1;
}

static void
classify(struct world *w, struct file *f)
{
    size_t len = strlen(f->path);

    f->is_wal = strncmp(f->path, "wal/", 4) == 0;
    f->is_data = len > 4 && strcmp(f->path + len - 4, ".log") == 0;
    f->is_index = len > 6 && strcmp(f->path + len - 6, ".index") == 0;
    for (int t = 0; t < TOPICS && (f->is_data || f->is_index); t++) {
        char dir[VRV_PATH_MAX];

        vrv_log_dir(&w->id[t], dir);
        if (strncmp(f->path, dir, strlen(dir)) != 0)
            continue;
        f->topic = t;
        f->base = strtoll(strrchr(f->path, '/') + 1, NULL, 10);
    }
}

static void
list(struct world *w, const char *dir)
{
    struct vrv_vfs *vfs = simdisk_vfs(w->disk);
    char names[FILES_MAX][64] = { { 0 } };
    struct vrv_err e;

    if (vrv_vfs_list(vfs, dir, note_name, names, &e) < 0)
        abort();
    for (int i = 0; i < FILES_MAX && names[i][0] != '\0'; i++) {
        char path[192];
        size_t len = strlen(names[i]);
        bool is_dir = names[i][len - 1] == '/';
        struct vrv_file *h = NULL;

        names[i][is_dir ? len - 1 : len] = '\0';
        (void)snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", names[i]);
        if (is_dir) {
            list(w, path);
            continue;
        }
        if (w->files == FILES_MAX || strlen(path) >= sizeof(w->file[0].path))
            abort();
        struct file *f = &w->file[w->files++];
        (void)snprintf(f->path, sizeof(f->path), "%.*s", (int)sizeof(f->path) - 1, path);
        if (vrv_vfs_open(vfs, path, 0, &h, &e) < 0 || vrv_file_size(h, &f->size, &e) < 0)
            abort();
        vrv_file_close(&h);
        classify(w, f);
    }
}

static void
note_truth(struct world *w, int topic, const uint8_t *p, const struct vrv_batch *b)
{
    if (w->n[topic] == BATCHES_MAX)
        abort();
    w->batch[topic][w->n[topic]++] = (struct batch){ .base = b->base_offset,
        .last = vrv_batch_last_offset(b), .crc = vrv_crc32c(0, p, b->size), .size = b->size };
}

/* Which batch lies in which group of the WAL. */
static void
note_group(struct world *w, const uint8_t *p, const struct vrv_wal_head *h)
{
    size_t at = VRV_WAL_GROUP_HEADER;
    struct vrv_wal_item it;
    struct vrv_batch b;

    for (uint32_t i = 0; i < h->count; i++) {
        if (!vrv_wal_item_read(&it, p + at, VRV_WAL_GROUP_HEADER + h->bytes - at))
            abort();
        at += VRV_WAL_ENTRY_HEADER;
        if (it.type == VRV_WAL_BATCH && vrv_batch_read(&b, p + at, it.size, NULL) == 0)
            for (int t = 0; t < TOPICS; t++)
                for (size_t k = 0; k < w->n[t] && vrv_uuid_eq(&it.topic, &w->id[t].topic); k++)
                    if (w->batch[t][k].base == b.base_offset)
                        w->batch[t][k].slot = h->slot;
        at += it.size;
    }
}

/* Read a whole file of a disk, to be freed. */
static uint8_t *
slurp(struct simdisk *d, const char *path, uint64_t *n)
{
    struct vrv_file *f = NULL;
    struct vrv_err e;
    uint8_t *p = NULL;

    if (vrv_vfs_open(simdisk_vfs(d), path, 0, &f, &e) < 0)
        return NULL;
    if (vrv_file_size(f, n, &e) == 0) {
        p = vrv_mem_zero((size_t)*n + 1);
        if (vrv_file_read_full(f, p, (size_t)*n, 0, &e) < 0)
            abort();
    }
    vrv_file_close(&f);
    return p;
}

/* The highest durable_end that a header in the WAL says; with `note`, what the groups hold. */
static uint64_t
testimony(struct world *w, struct simdisk *d, bool note)
{
    uint64_t highest = 0;

    for (size_t i = 0; i < w->files; i++) {
        uint64_t n = 0;
        uint8_t *p = w->file[i].is_wal ? slurp(d, w->file[i].path, &n) : NULL;

        for (uint64_t pos = VRV_WAL_FILE_HEADER; p != NULL && pos + PAGE <= n; pos += PAGE) {
            struct vrv_wal_head h;

            if (!vrv_wal_head_read(&h, p + pos))
                continue;
            highest = h.durable_end > highest ? h.durable_end : highest;
            if (note)
                note_group(w, p + pos, &h);
        }
        free(p);
    }
    return highest;
}

/* ---- mutations ---- */

static void
add(struct world *w, size_t file, enum kind kind, uint64_t a, uint64_t b)
{
    VRV_PUSH_ROOM(w->m, w->mutations, w->cap);
    w->m[w->mutations++] = (struct mutation){ (uint16_t)file, (uint8_t)kind, a, b };
}

static void
add_bits(struct world *w, size_t file, uint64_t from, uint64_t to)
{
    for (uint64_t pos = from; pos < to && pos < w->file[file].size; pos++)
        for (unsigned bit = 0; bit < 8; bit++)
            add(w, file, FLIP, pos, 1u << bit);
}

static void
add_sparse(struct world *w, size_t file, uint64_t from, uint64_t to, struct vrv_rand *r)
{
    for (uint64_t pos = from; pos < to && pos < w->file[file].size; pos += DATA_STEP)
        add(w, file, FLIP, pos + vrv_rand_below(r, to - pos < DATA_STEP ? to - pos : DATA_STEP),
            1u << vrv_rand_below(r, 8));
}

/* A data file: headers of batches bit by bit, records by blocks. */
static void
flip_data(struct world *w, size_t i, struct vrv_rand *r)
{
    uint64_t n = 0, pos = 0;
    uint8_t *p = slurp(w->disk, w->file[i].path, &n);
    struct vrv_batch b;

    while (pos < n && vrv_batch_read(&b, p + pos, (size_t)(n - pos), NULL) == 0) {
        add_bits(w, i, pos, pos + BATCH_HEADER);
        add_sparse(w, i, pos + BATCH_HEADER, pos + b.size, r);
        pos += b.size;
    }
    free(p);
}

/* The WAL: headers of the file, of groups and of entries bit by bit, the rest by blocks. */
static void
flip_wal(struct world *w, size_t i, struct vrv_rand *r)
{
    uint64_t n = 0;
    uint8_t *p = slurp(w->disk, w->file[i].path, &n);
    struct vrv_wal_head h;

    add_bits(w, i, 0, 64);
    for (uint64_t pos = VRV_WAL_FILE_HEADER; pos + PAGE <= n; pos += PAGE) {
        if (!vrv_wal_head_read(&h, p + pos))
            continue;
        add_bits(w, i, pos, pos + VRV_WAL_GROUP_HEADER + VRV_WAL_ENTRY_HEADER);
        add_sparse(w, i, pos + VRV_WAL_GROUP_HEADER + VRV_WAL_ENTRY_HEADER,
            pos + VRV_WAL_GROUP_HEADER + h.bytes, r);
    }
    free(p);
}

static void
add_shapes(struct world *w, size_t i, struct vrv_rand *r)
{
    uint64_t size = w->file[i].size, pages = (size + PAGE - 1) / PAGE;

    add(w, i, MISSING, 0, 0);
    for (uint64_t at = 0; at < size && at < 512; at += at < 128 ? 1 : 16)
        add(w, i, CUT, at, 0);
    for (int k = 0; k < 60 && size > 0; k++)
        add(w, i, CUT, vrv_rand_below(r, size), 0);
    for (uint64_t k = 0; k < pages; k++) {
        add(w, i, ZERO_PAGE, k, 0);
        add(w, i, CUT, k * PAGE, 0);
        if (pages > 1)
            add(w, i, SWAP_PAGES, k, vrv_rand_below(r, pages));
    }
    for (uint64_t k = 1; k <= 20; k++)
        add(w, i, GARBAGE_TAIL, k * 37, vrv_rand_next(r));
    for (uint64_t k = 0; k < OLD_MAX; k++)
        add(w, i, OLDER, k, 0);
}

static void
enumerate(struct world *w, uint64_t seed)
{
    struct vrv_rand r = { seed };

    for (size_t i = 0; i < w->files; i++) {
        if (w->file[i].is_data)
            flip_data(w, i, &r);
        else if (w->file[i].is_wal)
            flip_wal(w, i, &r);
        else
            add_bits(w, i, 0, w->file[i].size);
        add_shapes(w, i, &r);
    }
    for (size_t i = w->mutations; i > 1; i--) { /* in an order of the seed's */
        size_t k = (size_t)vrv_rand_below(&r, i);
        struct mutation m = w->m[k];

        w->m[k] = w->m[i - 1];
        w->m[i - 1] = m;
    }
}

/* Write a file of the disk anew, durably. */
static void
rewrite(struct simdisk *d, const char *path, const uint8_t *p, uint64_t n)
{
    struct vrv_vfs *vfs = simdisk_vfs(d);
    struct vrv_file *f = NULL;
    struct vrv_err e;

    if (vrv_vfs_unlink(vfs, path, &e) < 0)
        abort();
    if (p != NULL && (vrv_vfs_open(vfs, path, VRV_OPEN_WRITE | VRV_OPEN_CREATE, &f, &e) < 0 ||
                         (n > 0 && vrv_file_pwrite(f, p, (size_t)n, 0, &e) < 0)))
        abort();
    vrv_file_close(&f);
    if (vrv_vfs_sync_all(vfs, &e) < 0)
        abort();
}

static void
swap_pages(uint8_t *p, uint64_t n, uint64_t a, uint64_t b)
{
    for (uint64_t k = 0; k < PAGE && a * PAGE + k < n && b * PAGE + k < n; k++) {
        uint8_t byte = p[a * PAGE + k];

        p[a * PAGE + k] = p[b * PAGE + k];
        p[b * PAGE + k] = byte;
    }
}

/* False: it changes nothing. */
static bool
reshape(const struct world *w, struct simdisk *d, const struct mutation *m)
{
    const char *path = w->file[m->file].path;
    uint64_t n = 0, size = w->file[m->file].size;
    uint8_t *p = slurp(m->kind == OLDER ? w->old[m->a] : d, path, &n);

    if (p == NULL)
        return false;
    p = vrv_mem_grow(p, (size_t)n + 1024);
    if (m->kind == CUT)
        n = m->a;
    for (uint64_t k = m->a * PAGE; m->kind == ZERO_PAGE && k < (m->a + 1) * PAGE && k < n; k++)
        p[k] = 0;
    if (m->kind == SWAP_PAGES)
        swap_pages(p, n, m->a, m->b);
    for (uint64_t k = 0; m->kind == GARBAGE_TAIL && k < m->a; k++)
        p[n + k] = (uint8_t)(m->b >> (k % 8 * 8));
    n += m->kind == GARBAGE_TAIL ? m->a : 0;
    rewrite(d, path, m->kind == MISSING ? NULL : p, n);
    free(p);
    return m->kind != SWAP_PAGES || m->a != m->b || size == 0;
}

/* ---- judging ---- */

struct look {
    struct world *w;
    const struct mutation *m;
    struct vrv_engine *eng;
    bool found, cut, wrong;
};

static void
blame(struct look *l, const char *what, int topic, int64_t offset)
{
    const struct mutation *m = l->m;

    l->wrong = true;
    if (l->w->bad++ < 12)
        tap_note("%s, %s at %" PRIu64 " (%" PRIx64 "): %s, topic %s, offset %" PRId64,
            l->w->file[m->file].path, kind_name[m->kind], m->a, m->b, what, topics[topic], offset);
}

static const struct batch *
truth_at(const struct world *w, int topic, int64_t offset)
{
    for (size_t i = 0; i < w->n[topic]; i++)
        if (w->batch[topic][i].last >= offset)
            return &w->batch[topic][i];
    return NULL;
}

static int64_t
segment_of(const struct world *w, int topic, int64_t offset)
{
    int64_t base = 0;

    for (size_t i = 0; i < w->segments[topic]; i++)
        if (w->segment[topic][i] <= offset)
            base = w->segment[topic][i];
    return base;
}

/* Damage to a segment's files must not reach beyond it. */
static void
check_place(struct look *l, int topic, int64_t offset, const char *what)
{
    const struct file *f = &l->w->file[l->m->file];

    l->found = true;
    if (!f->is_data || f->topic != topic || segment_of(l->w, topic, offset) != f->base)
        blame(l, what, topic, offset);
}

/* Does the segment's own checksum say that it isn't what was written? */
static bool
scrub_tells(struct look *l, int topic)
{
    struct vrv_log *log = vrv_engine_log(l->eng, &l->w->id[topic]);
    bool tells = false;

    for (uint32_t i = 0; i < log->seg_n && !tells; i++) {
        struct vrv_seg *s = log->segs[i];
        struct vrv_seal seal;

        if (s->flushed > 0)
            tells = vrv_seg_check(s, s->flushed, &seal, NULL) < 0 || seal.data_crc != s->crc;
    }
    return tells;
}

/* One batch that was served with a CRC that holds. */
static void
judge_batch(struct look *l, int topic, int64_t at, const uint8_t *p, const struct vrv_batch *b)
{
    const struct batch *t = truth_at(l->w, topic, at);

    if (t != NULL && t->base == b->base_offset && t->size == b->size &&
        t->crc == vrv_crc32c(0, p, b->size))
        return;
    /* The CRC doesn't cover base offset and leader epoch; a batch that seems to lie elsewhere is
     * passed over. */
    if (l->m->kind == FLIP && l->w->file[l->m->file].is_data && scrub_tells(l, topic)) {
        l->found = true;
        l->w->scrubbed++;
        return;
    }
    blame(l, "wrong bytes with a good CRC", topic, at);
}

/* Read a slice as a client would; where to go on. */
static int64_t
judge_slice(struct look *l, int topic, int64_t at, const struct vrv_slice *s)
{
    struct vrv_err e;
    size_t pos = 0;

    while (pos < s->n) {
        struct vrv_batch b;
        int rc = vrv_batch_read(&b, s->bytes + pos, s->n - pos, &e);

        if (rc < 0 && pos > 0)
            break; /* the next read begins with it */
        if (rc < 0 || vrv_batch_check_crc(s->bytes + pos, &b, &e) < 0)
            return -1;
        const struct batch *t = truth_at(l->w, topic, at);
        judge_batch(l, topic, at, s->bytes + pos, &b);
        if (t == NULL)
            return -1;
        at = t->last + 1; /* wherever the batch itself says that it ends */
        pos += b.size;
    }
    return at;
}

static void
read_topic(struct look *l, int topic)
{
    struct vrv_log *log = vrv_engine_log(l->eng, &l->w->id[topic]);
    struct vrv_log_offsets off = vrv_log_offsets(log);

    for (int64_t at = off.start; at < off.hw;) {
        struct vrv_read rd = { .offset = at, .max_bytes = 4096, .whole_first = true };
        struct vrv_err e = { 0 };
        const struct batch *t = truth_at(l->w, topic, at);
        int64_t next = at, good = at;
        int rc = vrv_read(log, &rd, &e);

        if (rc == 0)
            rc = vrv_read_load(log, &rd, false, &e);
        for (uint32_t i = 0; i < rd.slice_n && rc == 0 && next >= 0; i++) {
            next = judge_slice(l, topic, next, &rd.slice[i]);
            good = next >= 0 ? next : good;
        }
        next = good; /* the next read meets what is wrong behind it */
        vrv_read_fini(&rd);
        if (t == NULL) {
            blame(l, "an offset that was never given out", topic, at);
            return;
        }
        if (rc < 0 || next <= at) { /* an error: what is behind it must still be there */
            check_place(l, topic, at, rc < 0 ? e.msg : "unreadable");
            next = t->last + 1;
        }
        at = next;
    }
}

/* The log ends early: only where nothing says that there was more. */
static void
check_end(struct look *l, int topic, uint64_t durable)
{
    struct vrv_log *log = vrv_engine_log(l->eng, &l->w->id[topic]);
    struct vrv_log_offsets off = vrv_log_offsets(log);
    const struct batch *t = truth_at(l->w, topic, off.hw);

    if (off.start != 0)
        blame(l, "the start moved", topic, off.start);
    if (t == NULL)
        return;
    l->cut = true;
    if (!l->w->file[l->m->file].is_wal || t->slot < durable || t->slot == 0)
        blame(l, "lost without a word", topic, off.hw);
}

static bool
expected_error(const struct world *w, const struct mutation *m, int rc)
{
    const struct file *f = &w->file[m->file];

    return rc == VRV_E_CORRUPT || rc == VRV_E_FOREIGN || rc == VRV_E_VERSION ||
           (m->kind == MISSING && rc == VRV_E_NOTFOUND && !f->is_data);
}

static void
look(struct look *l, struct simdisk *d)
{
    struct world *w = l->w;
    const struct file *f = &w->file[l->m->file];
    uint64_t durable = f->is_wal ? testimony(w, d, false) : 0;
    struct vrv_engine_opts o = w->rig.o;
    struct vrv_recovery found;
    struct vrv_err e = { 0 };

    o.vfs = simdisk_vfs(d);
    int rc = vrv_engine_open(&l->eng, &o, &found, &e);
    if (rc < 0) {
        w->refused++;
        if (!expected_error(w, l->m, rc) || e.msg[0] == '\0')
            blame(l, e.msg, 0, rc);
        if (f->is_index && f->base == 0 && l->m->kind != OLDER)
            blame(l, "an index can be made anew, but it doesn't open", f->topic, 0);
        return;
    }
    for (int t = 0; t < TOPICS; t++) {
        if (vrv_engine_log(l->eng, &w->id[t]) == NULL) {
            blame(l, "the topic is gone", t, 0); /* though it is in the checkpoint */
            continue;
        }
        check_end(l, t, durable);
        read_topic(l, t);
    }
    vrv_engine_abandon(&l->eng);
}

static void
try(struct world *w, const struct mutation *m)
{
    struct simdisk *d = simdisk_copy(w->disk);
    const struct file *f = &w->file[m->file];
    struct look l = { .w = w, .m = m };
    bool changed = true;

    if (m->kind == FLIP)
        changed = simdisk_corrupt(d, f->path, m->a, (uint8_t)m->b);
    else
        changed = reshape(w, d, m);
    uint64_t before = w->refused;
    if (changed)
        look(&l, d);
    w->found += l.found;
    w->cut += l.cut && !l.found;
    w->harmless += !l.found && !l.cut && w->refused == before;
    simdisk_free(&d);
}

/* ---- what a crash left behind the end ---- */

/* An engine over a disk, which is its from then on. */
static void
rig_over(struct rig *r, const struct world *w, struct simdisk *d)
{
    rig_init(r, 1);
    simdisk_free(&r->disk);
    r->disk = d;
    r->o = w->rig.o;
    r->o.vfs = simdisk_vfs(d);
    rig_up(r);
}

/* What a crash left in a segment's file behind all that counts must be gone when it is sealed. */
static void
check_torn_segment(struct world *w)
{
    struct simdisk *d = simdisk_copy(w->disk);
    char path[VRV_PATH_MAX];
    uint64_t n = 0, size = 0;
    size_t at = w->segments[0];
    uint8_t *p = NULL;
    struct rig r;

    while (p == NULL && at-- > 0) { /* the newest one that has a file */
        vrv_seg_path(&w->id[0], w->segment[0][at], "log", path);
        p = slurp(d, path, &n);
    }
    p = vrv_mem_grow(p, (size_t)n + 100000);
    memset(p + n, 0x5a, 100000);
    rewrite(d, path, p, n + 100000);
    free(p);
    rig_over(&r, w, d);
    struct vrv_log *log = rig_log(&r, topics[0], 0);
    vrv_log_roll(log);
    OK(rig_put(&r, log, "behind it") >= 0 && rig_checkpoint(&r), "the segment is sealed");
    p = slurp(d, path, &n);
    for (uint32_t i = 0; i < log->seg_n; i++)
        if (log->segs[i]->base == w->segment[0][at])
            size = log->segs[i]->size;
    IS(n, size, "garbage behind the end of a segment is cut");
    free(p);
    rig_fini(&r);
}

/* Give the newest group to an earlier session, as if a crash had cut it then: it must not come
 * back, though its checksums hold. */
static void
check_stale_group(struct world *w)
{
    struct simdisk *d = simdisk_copy(w->disk);
    struct vrv_wal_head h, newest = { 0 };
    uint64_t n = 0, at = 0;
    size_t file = 0;
    struct rig r;

    for (size_t i = 0; i < w->files; i++) {
        uint8_t *p = w->file[i].is_wal ? slurp(d, w->file[i].path, &n) : NULL;

        for (uint64_t pos = VRV_WAL_FILE_HEADER; p != NULL && pos + PAGE <= n; pos += PAGE)
            if (vrv_wal_head_read(&h, p + pos) && h.slot > newest.slot) {
                newest = h;
                file = i;
                at = pos;
            }
        free(p);
    }
    uint8_t *p = slurp(d, w->file[file].path, &n);
    newest.session--;
    vrv_wal_head_write(p + at, &newest);
    rewrite(d, w->file[file].path, p, n);
    free(p);
    rig_over(&r, w, d);
    IS(r.found.cut_groups, 1, "a group of an earlier session behind newer ones is cut");
    rig_fini(&r);
}

/* ---- */

static int64_t
learn(struct world *w, int topic)
{
    struct vrv_log *log = rig_log(&w->rig, topics[topic], 0);
    int64_t hw = vrv_log_offsets(log).hw;

    w->id[topic] = log->id;
    for (uint32_t i = 0; i < log->seg_n; i++)
        w->segment[topic][w->segments[topic]++] = log->segs[i]->base;
    for (int64_t at = 0; at < hw;) {
        struct vrv_read rd = { .offset = at, .max_bytes = 1, .whole_first = true };
        struct vrv_err e;
        struct vrv_batch b;

        if (vrv_read(log, &rd, &e) < 0 || rd.slice_n != 1 ||
            vrv_read_load(log, &rd, false, &e) < 0 ||
            vrv_batch_read(&b, rd.slice[0].bytes, rd.slice[0].n, &e) < 0)
            abort();
        note_truth(w, topic, rd.slice[0].bytes, &b);
        at = vrv_batch_last_offset(&b) + 1;
        vrv_read_fini(&rd);
    }
    return hw;
}

static void
world_fini(struct world *w)
{
    free(w->m);
    for (int i = 0; i < OLD_MAX; i++)
        simdisk_free(&w->old[i]);
    simdisk_free(&w->disk);
    rig_fini(&w->rig);
}

int
main(void)
{
    static struct world w;
    uint64_t seed = tap_number("VARVE_SEED", 1), runs = tap_number("VARVE_RUNS", 50000);

    make(&w);
    rig_up(&w.rig);
    for (int t = 0; t < TOPICS; t++) {
        int64_t end = learn(&w, t);

        OK(end > 20 && w.segments[t] > 2, "topic %s: %zu batches in %zu segments", topics[t],
            w.n[t], w.segments[t]);
    }
    list(&w, "");
    OK(testimony(&w, w.disk, true) > 5, "the WAL says that groups were durable");
    check_stale_group(&w);
    check_torn_segment(&w);
    enumerate(&w, seed);
    if (getenv("VARVE_LONG") != NULL || runs > w.mutations)
        runs = w.mutations;
    for (uint64_t i = 0; i < runs; i++)
        try(&w, &w.m[i]);
    IS(w.bad, 0, "%" PRIu64 " of %zu mutations of %zu files: the truth, or an error", runs,
        w.mutations, w.files);
    tap_note("%" PRIu64 " refused at the start, %" PRIu64 " found by a reader (%" PRIu64
             " batch headers by the segment's checksum), %" PRIu64 " cut an unproved tail, %" PRIu64
             " without effect; seed %" PRIu64,
        w.refused, w.found, w.scrubbed, w.cut, w.harmless, seed);
    OK(w.refused > 0 && w.found > 0 && w.harmless > 0, "of each kind");
    world_fini(&w);
    return tap_done();
}
