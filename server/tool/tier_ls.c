/* varve tier ls: what a store has, by its manifests. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/tool/coldlink.h"
#include "server/tool/table.h"
#include "server/tool/tier.h"
#include "tiering/scrub/known.h"

const char tier_ls_help[] =
    "usage: varve tier ls [options] [TOPIC[/PARTITION]]   what a store has, without a server; of one\n"
    "  partition its segments\n"
    COLDLINK_OPTIONS_HELP;

struct ls {
    struct coldlink *l;
    struct vrv_known known;
    struct vrv_known_parts parts;
    const struct vrv_known_topic *topic; /* only this one; NULL: all */
    int32_t partition;                   /* only this one; -1: all */
    struct table table;
};

/* ---- one partition ---- */

struct sums {
    uint64_t segments, plain, stored;
};

static struct sums
sum_up(const struct vrv_manifest *m)
{
    struct sums s = { .segments = m->seg_n };

    for (uint32_t i = 0; i < m->page_n; i++) {
        s.segments += m->page[i].segments;
        s.plain += m->page[i].plain;
        s.stored += m->page[i].stored;
    }
    for (uint32_t i = 0; i < m->seg_n; i++) {
        s.plain += m->seg[i].plain;
        s.stored += m->seg[i].size;
    }
    return s;
}

static void
name_of(const struct ls *x, const struct vrv_log_id *id, char out[VRV_TOPIC_NAME_MAX + 1], bool *deleted)
{
    const struct vrv_known_topic *t = vrv_known_topic(&x->known, &id->topic);

    *deleted = t != NULL && t->deleted;
    if (t != NULL)
        memcpy(out, t->name, sizeof(t->name));
    else
        vrv_uuid_text(&id->topic, out);
}

static void
show_partition(struct ls *x, const struct vrv_log_id *id, const struct vrv_manifest *m)
{
    struct sums s = sum_up(m);
    struct out *o = &x->l->out;
    char name[VRV_TOPIC_NAME_MAX + 1], hex[VRV_UUID_TEXT + 1], plain[32], stored[32];
    bool deleted;

    name_of(x, id, name, &deleted);
    vrv_uuid_text(&id->topic, hex);
    if (!o->json) {
        table_add(&x->table, deleted ? OUT_DIM : OUT_PLAIN, "%s%s", name, deleted ? " (deleted)" : "");
        table_add(&x->table, OUT_PLAIN, "%" PRId32, id->partition);
        table_add(&x->table, OUT_PLAIN, "%" PRIu64, m->version);
        table_add(&x->table, OUT_PLAIN, "%" PRId64, m->start);
        table_add(&x->table, OUT_PLAIN, "%" PRId64, m->next);
        table_add(&x->table, OUT_PLAIN, "%" PRIu64, s.segments);
        table_add(&x->table, OUT_PLAIN, "%s", out_size(s.plain, plain));
        table_add(&x->table, OUT_PLAIN, "%s", out_size(s.stored, stored));
        return;
    }
    out_begin(o, "partition");
    out_str(o, "topic", name);
    out_str(o, "id", hex);
    out_int(o, "partition", id->partition);
    out_bool(o, "deleted", deleted);
    out_uint(o, "version", m->version);
    out_int(o, "epoch", m->epoch);
    out_int(o, "start", m->start);
    out_int(o, "next", m->next);
    out_uint(o, "pages", m->page_n);
    out_uint(o, "segments", s.segments);
    out_uint(o, "bytes", s.plain);
    out_uint(o, "stored_bytes", s.stored);
    out_end(o);
}

/* ---- its segments ---- */

static void
show_segment(struct ls *x, const struct vrv_cold_seg *s)
{
    struct out *o = &x->l->out;
    char plain[32], size[32], newest[32];

    if (!o->json) {
        table_add(&x->table, OUT_PLAIN, "%" PRId64, s->base);
        table_add(&x->table, OUT_PLAIN, "%" PRId64, s->next);
        table_add(&x->table, OUT_PLAIN, "%s", out_size(s->plain, plain));
        table_add(&x->table, OUT_PLAIN, "%s", out_size(s->size, size));
        table_add(&x->table, OUT_PLAIN, "%" PRIu32, s->chunk_n);
        table_add(&x->table, OUT_PLAIN, "%s", out_time(vrv_cold_seg_newest(s), newest));
        table_add(&x->table, OUT_PLAIN, "%s", s->key);
        return;
    }
    out_begin(o, "segment");
    out_int(o, "from", s->base);
    out_int(o, "next", s->next);
    out_uint(o, "bytes", s->plain);
    out_uint(o, "stored_bytes", s->size);
    out_uint(o, "chunks", s->chunk_n);
    out_int(o, "newest_ms", vrv_cold_seg_newest(s));
    out_str(o, "key", s->key);
    out_end(o);
}

static int
show_segments(struct ls *x, const struct vrv_manifest *m, struct vrv_err *e)
{
    int rc = 0;

    for (uint32_t i = 0; i < m->page_n && rc == 0; i++) {
        struct vrv_cold_seg *seg;

        rc = vrv_find_page(&x->l->sync, m, &m->page[i], &seg, e);
        for (uint32_t k = 0; rc == 0 && k < m->page[i].segments; k++)
            show_segment(x, &seg[k]);
        if (rc == 0)
            vrv_cold_segs_free(seg, m->page[i].segments);
    }
    for (uint32_t i = 0; i < m->seg_n && rc == 0; i++)
        show_segment(x, &m->seg[i]);
    return rc;
}

static int
ls_partition(struct ls *x, const struct vrv_log_id *id, struct vrv_err *e)
{
    struct vrv_found_versions l;
    struct vrv_manifest m = { .topic = id->topic, .partition = id->partition };
    struct vrv_found_head known;

    (void)vrv_known_head(&x->known, id, &known);
    int rc = vrv_find_versions(&x->l->sync, id, known.version, &l, e);
    vrv_found_leave_out(&l, &known);
    if (rc == 0 && l.n > 0)
        rc = vrv_find_root(&x->l->sync, id, l.v[l.n - 1], &m, e);
    vrv_found_versions_fini(&l);
    if (rc < 0)
        return rc;
    if (x->partition >= 0)
        rc = show_segments(x, &m, e);
    else
        show_partition(x, id, &m);
    vrv_manifest_fini(&m);
    return rc;
}

/* ---- all of them ---- */

/* "TOPIC" or "TOPIC/PARTITION"; names have no '/'. */
static int
choose(struct ls *x, const char *word, struct vrv_err *e)
{
    char name[VRV_TOPIC_NAME_MAX + 1];
    size_t n = strcspn(word, "/");
    int64_t partition;

    if (n >= sizeof(name) || (word[n] == '/' && !args_number(word + n + 1, 0, INT32_MAX, &partition)))
        return vrv_err_set(e, VRV_E_INVALID, "\"%.100s\" isn't TOPIC or TOPIC/PARTITION", word);
    memcpy(name, word, n);
    name[n] = '\0';
    x->topic = vrv_known_name(&x->known, name);
    if (x->topic == NULL)
        return vrv_err_set(e, VRV_E_NOTFOUND, "the newest marker in the store knows no topic \"%.100s\"", name);
    if (word[n] == '/')
        x->partition = (int32_t)partition;
    return 0;
}

static int
ls_all(struct ls *x, struct vrv_err *e)
{
    int first = 0;
    size_t n = 0;

    for (size_t i = 0; i < x->parts.n; i++) {
        const struct vrv_log_id *id = &x->parts.v[i];
        struct vrv_err why;

        if ((x->topic != NULL && !vrv_uuid_eq(&x->topic->id, &id->topic)) ||
            (x->partition >= 0 && id->partition != x->partition))
            continue;
        n++;
        int rc = ls_partition(x, id, &why);
        if (rc < 0 && first == 0) { /* the others are told all the same */
            first = rc;
            *e = why;
        }
    }
    table_print(&x->table, &x->l->out);
    if (n == 0 && x->topic != NULL)
        return vrv_err_set(e, VRV_E_NOTFOUND, "nothing of it is in the store");
    return first;
}

static int
run(struct coldlink *l, struct args *a, struct vrv_err *e)
{
    const struct arg own[] = { { NULL, 0, 0, NULL } };
    struct ls x = { .l = l, .partition = -1 };
    int rc = coldlink_args(l, a, own, e);

    if (rc == 0)
        rc = args_want(a, 0, 1, "TOPIC[/PARTITION]", e);
    if (rc == 0)
        rc = coldlink_open(l, e);
    if (rc != 0)
        return rc;
    rc = vrv_known_read(&l->sync, &x.known, e);
    if (rc == 0 && a->n > 0)
        rc = choose(&x, a->v[0], e);
    if (rc == 0)
        rc = vrv_known_partitions(&l->sync, &x.known, &x.parts, NULL, NULL, e);
    if (x.partition >= 0)
        table_init(&x.table, (const char *const[]){ ">FROM", ">NEXT", ">RECORDS", ">STORED", ">CHUNKS",
            "NEWEST RECORD", "OBJECT", NULL });
    else
        table_init(&x.table, (const char *const[]){ "TOPIC", ">PARTITION", ">VERSION", ">START", ">NEXT",
            ">SEGMENTS", ">RECORDS", ">STORED", NULL });
    if (rc == 0)
        rc = ls_all(&x, e);
    free(x.parts.v);
    vrv_known_fini(&x.known);
    return rc;
}

int
tier_ls(int argc, char **argv)
{
    static const struct coldlink_cmd cmd = { "tier ls", tier_ls_help, run };

    return coldlink_main(&cmd, argc, argv);
}
