/* Checking the segments of one log: files, indexes, every batch. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/log/log_ring.h"
#include "engine/seg/seg_walk.h"
#include "server/tool/verify.h"

static struct damage
damage_of(struct view_log *vl, struct vrv_seg *s, enum damage_kind kind, const char *suffix)
{
    struct damage d = { .kind = kind, .log = vl, .seg = s, .pos = -1, .from = s->base,
        .to = s->base };
    char path[VRV_PATH_MAX];

    vrv_seg_path(&s->log, s->base, suffix, path);
    (void)snprintf(d.path, sizeof(d.path), "%s", path);
    return d;
}

static void
add(struct report *r, struct damage *d, const char *text)
{
    (void)snprintf(d->text, sizeof(d->text), "%s", text);
    report_add(r, d);
}

static int
open_file(struct report *r, const struct vrv_seg *s, const char *suffix, struct vrv_file **f,
    struct vrv_err *e)
{
    char path[VRV_PATH_MAX];

    vrv_seg_path(&s->log, s->base, suffix, path);
    return vrv_vfs_open(r->t->vfs, path, 0, f, e);
}

/* ---- the index ---- */

static int
check_index_file(struct vrv_file *f, const struct vrv_seg *s, bool sealed, struct vrv_err *e)
{
    struct vrv_seal seal = { .base = s->base, .next = s->flushed_next, .data_size = s->flushed,
        .entries = s->index_n };
    int rc = sealed ? vrv_index_read_seal(f, s->base, &seal, e) : vrv_index_check(f, &seal, s->index_crc, e);

    if (rc < 0 || !sealed)
        return rc;
    if (seal.next != s->next || seal.data_size != s->flushed || seal.data_crc != s->crc ||
        seal.entries != s->index_n)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "its footer is of other data than the checkpoint says: offsets to %" PRId64 ", not %"
            PRId64, seal.next, s->next);
    return 0;
}

/* The index of a growing segment may not be there yet, or not any more. */
static int
verify_index(struct report *r, struct view_log *vl, struct vrv_seg *s, struct vrv_err *e)
{
    bool sealed = s->state == VRV_SEG_SEALED;
    struct vrv_file *f = NULL;

    if (!sealed && s->index_n == 0)
        return 0;
    int rc = open_file(r, s, "index", &f, e);
    if (rc == VRV_E_NOTFOUND && !sealed)
        return 0;
    if (rc == 0)
        rc = check_index_file(f, s, sealed, e);
    vrv_file_close(&f);
    if (rc != VRV_E_CORRUPT && rc != VRV_E_NOTFOUND)
        return rc;
    struct damage d = damage_of(vl, s, DAMAGE_INDEX, "index");
    size_t n = strlen(d.path);
    const char *why = strncmp(e->msg, d.path, n) == 0 && e->msg[n] == ':' ? e->msg + n + 2 : e->msg;
    add(r, &d, rc == VRV_E_NOTFOUND ? "the index is missing; it holds nothing that the data doesn't"
                                    : why);
    return 0;
}

/* ---- the data ---- */

/* A damage at w->pos: how far it goes, and on to what is whole behind it. */
static int
note_damage(struct report *r, struct view_log *vl, struct vrv_seg_walk *w, const char *text,
    struct vrv_err *e)
{
    struct vrv_seg *s = w->s;
    struct damage d = damage_of(vl, s, DAMAGE_DATA, "log");
    uint8_t first[8];

    d.pos = (int64_t)w->pos;
    d.from = w->next;
    int rc = vrv_seg_walk_skip(w, s->flushed_next, e);
    if (rc < 0)
        return rc;
    d.to = s->flushed_next;
    if (rc > 0 && vrv_seg_pread(s, first, sizeof(first), w->pos, 0, e) == (ssize_t)sizeof(first)) {
        d.to = 0;
        for (int i = 0; i < 8; i++)
            d.to = (int64_t)((uint64_t)d.to << 8 | first[i]);
    }
    /* The sentence repeats file and place, which the damage has already. */
    const char *why = strstr(text, ": ");
    add(r, &d, why != NULL ? why + 2 : text);
    return 0;
}

static int
verify_batches(struct report *r, struct view_log *vl, struct vrv_seg *s, struct vrv_err *e)
{
    struct vrv_seg_walk w;
    struct vrv_batch b;
    size_t before = r->n;
    int rc;

    vrv_seg_walk_init(&w, s, s->flushed);
    while ((rc = vrv_seg_walk_next(&w, &b, e)) != 0) {
        if (rc == VRV_E_CORRUPT) {
            struct vrv_err why = *e;

            rc = note_damage(r, vl, &w, why.msg, e);
        }
        if (rc < 0)
            break;
        r->batches += rc > 0;
        progress_add(&r->bar, rc > 0 ? b.size : 0);
    }
    if (rc == 0 && r->n == before && (w.crc != s->crc || w.next != s->flushed_next)) {
        struct damage d = damage_of(vl, s, DAMAGE_DATA, "log");

        (void)snprintf(d.text, sizeof(d.text),
            "each batch is whole, but the file's checksum is %08" PRIx32 ", not %08" PRIx32
            ": an offset, epoch or length in some batch header is not what was written",
            w.crc, s->crc);
        report_add(r, &d);
    }
    vrv_seg_walk_fini(&w);
    return rc;
}

/* Deleted or offloaded records' files go before the record of them does. */
static bool
may_be_gone(const struct view_log *vl, const struct vrv_seg *s)
{
    return s->state == VRV_SEG_SEALED && s->next <= vrv_log_local(vl->log);
}

/* 1: there is a file with bytes to look at. */
static int
verify_file(struct report *r, struct view_log *vl, struct vrv_seg *s, struct vrv_err *e)
{
    struct damage d = damage_of(vl, s, DAMAGE_MISSING, "log");
    struct vrv_file *f = NULL;
    uint64_t size = 0;
    int rc = open_file(r, s, "log", &f, e);

    if (rc == VRV_E_NOTFOUND) {
        d.to = s->flushed_next;
        if (!may_be_gone(vl, s))
            add(r, &d, "the file is missing");
        return 0;
    }
    if (rc == 0)
        rc = vrv_file_size(f, &size, e);
    vrv_file_close(&f);
    if (rc < 0)
        return rc;
    if (s->state == VRV_SEG_SEALED && size > s->flushed) {
        d.kind = DAMAGE_DATA;
        d.pos = (int64_t)s->flushed;
        (void)snprintf(d.text, sizeof(d.text), "%" PRIu64 " bytes more than were sealed",
            size - s->flushed);
        report_add(r, &d);
    }
    return 1;
}

static int
verify_seg(struct report *r, struct view_log *vl, struct vrv_seg *s, struct vrv_err *e)
{
    if (s->flushed == 0)
        return 0;
    r->segments++;
    r->bytes += s->flushed;
    int rc = verify_file(r, vl, s, e);
    if (rc <= 0)
        return rc;
    if (!may_be_gone(vl, s)) /* its index is the first to go */
        rc = verify_index(r, vl, s, e);
    return rc < 0 ? rc : verify_batches(r, vl, s, e);
}

/* Holes are allowed: a log without sync leaves them after a crash, and so does a repair. */
static void
verify_follows(struct report *r, struct view_log *vl, int64_t next, struct vrv_seg *s)
{
    struct damage d = damage_of(vl, s, DAMAGE_NOTE, "log");

    if (s->base <= next)
        return;
    d.from = next;
    d.to = s->base;
    add(r, &d, "there are no records with these offsets before this segment");
}

int
verify_log(struct report *r, struct view_log *vl, struct vrv_err *e)
{
    struct vrv_log *log = vl->log;
    int64_t next = vrv_log_local(log);
    int rc = 0;

    for (uint32_t i = 0; i < log->seg_n && rc == 0; i++) {
        struct vrv_seg *s = log->segs[i];

        verify_follows(r, vl, next, s);
        next = s->next > next ? s->next : next;
        rc = verify_seg(r, vl, s, e);
    }
    return rc;
}
