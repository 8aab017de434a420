#include "server/tool/restore.h"

#include <inttypes.h>

#include "server/base/internal.h"
#include "server/tool/table.h"
#include "server/tool/tier.h"

/* What of one topic comes back. */
struct sums {
    int64_t offsets;     /* from the starts of its partitions to their ends */
    uint64_t bytes, stored;
    unsigned bad, lacking;
};

static void
add_part(struct sums *s, const struct vrv_restore_part *p)
{
    const struct vrv_manifest *m = &p->f.m;

    s->bad += p->status == VRV_E_CORRUPT;
    s->lacking += p->status == 0 && vrv_found_lacks(&p->f);
    s->offsets += m->next - m->start;
    for (uint32_t i = 0; i < m->page_n; i++) {
        s->bytes += m->page[i].plain;
        s->stored += m->page[i].stored;
    }
    for (uint32_t i = 0; i < m->seg_n; i++) {
        s->bytes += m->seg[i].plain;
        s->stored += m->seg[i].size;
    }
}

/* Partitions of one topic lie one behind the other. */
static struct sums
sum_up(const struct vrv_restore *r, const struct vrv_topic_info *t, size_t *at)
{
    struct sums s = { .offsets = 0 };

    for (; *at < r->live_n && r->part[*at].topic == t; ++*at)
        add_part(&s, &r->part[*at]);
    return s;
}

/* ---- a topic ---- */

static const char *
remark(const struct vrv_topic_info *t, const struct sums *s)
{
    if (vrv_topic_is_internal(t->name))
        return "offsets of groups: as of the marker";
    if (s->bad > 0)
        return "some of its partitions are lost";
    if (s->lacking > 0)
        return "some of it is lost";
    if (!vrv_restore_is_tiered(t) && s->offsets == 0)
        return "empty: it was not in the cold tier";
    return "";
}

static void
topic_json(struct out *o, const struct vrv_topic_info *t, const struct sums *s)
{
    out_begin(o, "topic");
    out_str(o, "topic", t->name);
    out_int(o, "partitions", t->partitions);
    out_bool(o, "tiered", vrv_restore_is_tiered(t));
    out_int(o, "offsets", s->offsets);
    out_uint(o, "bytes", s->bytes);
    out_uint(o, "stored_bytes", s->stored);
    out_uint(o, "partitions_lost", s->bad);
    out_uint(o, "partitions_lacking", s->lacking);
    out_end(o);
}

static void
topic_row(struct table *table, const struct vrv_topic_info *t, const struct sums *s)
{
    char size[32], stored[32];

    table_add(table, OUT_PLAIN, "%s", t->name);
    table_add(table, OUT_PLAIN, "%" PRId32, t->partitions);
    table_add(table, OUT_PLAIN, "%" PRId64, s->offsets);
    table_add(table, OUT_PLAIN, "%s", out_size(s->bytes, size));
    table_add(table, OUT_PLAIN, "%s", out_size(s->stored, stored));
    table_add(table, s->bad + s->lacking > 0 ? OUT_RED : OUT_DIM, "%s", remark(t, s));
}

static void
show_topics(struct out *o, const struct vrv_restore *r)
{
    struct table table;
    size_t at = 0;

    table_init(&table, (const char *const[]){ "TOPIC", ">PARTITIONS", ">OFFSETS", ">BYTES", ">IN THE STORE",
        "NOTE", NULL });
    for (size_t i = 0; i < r->topic_n; i++) {
        struct sums s = sum_up(r, &r->topic[i], &at);

        if (o->json)
            topic_json(o, &r->topic[i], &s);
        else
            topic_row(&table, &r->topic[i], &s);
    }
    table_print(&table, o);
}

/* ---- a partition of which something is missing ---- */

static const char *
name_of(const struct vrv_restore_part *p)
{
    return p->topic != NULL ? p->topic->name : "(a deleted topic)";
}

static void
lack_json(struct out *o, const struct vrv_restore_part *p)
{
    const struct vrv_found *f = &p->f;

    out_begin(o, "loss");
    out_str(o, "topic", name_of(p));
    out_int(o, "partition", p->id.partition);
    if (p->status == 0) {
        out_int(o, "had_from", f->had_start);
        out_int(o, "had_to", f->had_next);
        out_int(o, "has_from", f->m.start);
        out_int(o, "has_to", f->m.next);
    }
    out_str(o, "reason", p->status == 0 ? f->passed.why.msg : p->err.msg);
    out_end(o);
}

static void
lack_text(struct out *o, const struct vrv_restore_part *p)
{
    const struct vrv_found *f = &p->f;

    out_paint(o, OUT_RED, "LOST: ");
    (void)fprintf(o->f, "%s:%" PRId32 ": ", name_of(p), p->id.partition);
    if (p->status < 0)
        (void)fprintf(o->f, "all of it: %s\n", p->err.msg);
    else if (f->had_start == f->m.start && f->had_next == f->m.next)
        (void)fprintf(o->f, "what was newer than offset %" PRId64 ": %s\n", f->m.next, f->passed.why.msg);
    else
        (void)fprintf(o->f, "it had offsets %" PRId64 " to %" PRId64 ", of which %" PRId64 " to %" PRId64
            " are left: %s\n", f->had_start, f->had_next, f->m.start, f->m.next, f->passed.why.msg);
}

static void
show_lacks(struct out *o, const struct vrv_restore *r)
{
    for (size_t i = 0; i < r->part_n; i++) {
        const struct vrv_restore_part *p = &r->part[i];

        if (p->status != VRV_E_CORRUPT && (p->status != 0 || !vrv_found_lacks(&p->f)))
            continue;
        if (o->json)
            lack_json(o, p);
        else
            lack_text(o, p);
    }
}

/* ---- the server ---- */

static void
head_text(struct out *o, const struct vrv_restore *r)
{
    const struct vrv_marker *m = &r->marker.m;
    int64_t age = r->o.clock->wall_ms(r->o.clock) - m->ms;
    char when[32], span[32];

    (void)fprintf(o->f, "cluster %s as of %s, %s ago%s\n", m->cluster, out_time(m->ms, when),
        tier_span(age < 0 ? 0 : age, span), m->last ? ", when it stopped" : "");
    if (r->marker.passed.n > 0) {
        out_paint(o, OUT_YELLOW, "note: ");
        (void)fprintf(o->f, "%u newer markers can't be read: %s\n", r->marker.passed.n,
            r->marker.passed.why.msg);
    }
}

static void
foot_text(struct out *o, const struct vrv_restore *r, const struct vrv_revived *groups)
{
    (void)fprintf(o->f, "%zu topics; of %zu partitions in the cold tier %u come back, %u of them not whole; "
        "%u are empty, %u lost\n", r->topic_n, r->part_n, r->found, r->lacking, r->absent, r->bad);
    (void)fprintf(o->f, "%" PRIu64 " committed offsets of groups; %" PRIu64 " lay beyond what comes back, and "
        "go on where that ends\n", groups->offsets, groups->beyond);
    (void)fprintf(o->f, "what had not left the lost disk by then does not come back\n");
}

static void
foot_json(struct out *o, const struct vrv_restore *r, const struct vrv_revived *groups)
{
    const struct vrv_marker *m = &r->marker.m;

    out_begin(o, "server");
    out_str(o, "cluster", m->cluster);
    out_int(o, "as_of_ms", m->ms);
    out_bool(o, "stopped", m->last);
    out_uint(o, "owner", m->owner);
    out_uint(o, "markers_unreadable", r->marker.passed.n);
    out_uint(o, "topics", r->topic_n);
    out_uint(o, "partitions_found", r->found);
    out_uint(o, "partitions_lacking", r->lacking);
    out_uint(o, "partitions_empty", r->absent);
    out_uint(o, "partitions_lost", r->bad);
    out_uint(o, "committed_offsets", groups->offsets);
    out_uint(o, "committed_beyond", groups->beyond);
    out_end(o);
}

void
restore_show(struct out *o, const struct vrv_restore *r, const struct vrv_revived *groups)
{
    if (!o->json)
        head_text(o, r);
    show_topics(o, r);
    show_lacks(o, r);
    if (o->json)
        foot_json(o, r, groups);
    else
        foot_text(o, r, groups);
}
