/* varve log verify: everything is looked at, each damage is named, the first is not the last. */
#include "server/tool/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

static const char *
kind_name(enum damage_kind kind)
{
    static const char *const name[] = { "metadata", "metadata", "data", "missing", "index",
        "foreign", "note" };

    return name[kind];
}

static void
print_json(struct out *o, const struct damage *d)
{
    out_begin(o, d->kind == DAMAGE_NOTE ? "note" : "damage");
    out_str(o, "what", kind_name(d->kind));
    if (d->path[0] != '\0')
        out_bytes(o, "file", d->path, (int64_t)strlen(d->path));
    if (d->pos >= 0)
        out_int(o, "position", d->pos);
    if (d->log != NULL) {
        out_str(o, "topic", d->log->topic);
        out_int(o, "partition", d->log->log->id.partition);
    }
    if (d->from < d->to) {
        out_int(o, "first_offset", d->from);
        out_int(o, "last_offset", d->to - 1);
    }
    out_bytes(o, "text", d->text, (int64_t)strlen(d->text));
    out_end(o);
}

static void
print_text(struct out *o, const struct damage *d)
{
    FILE *f = o->f;

    if (d->kind == DAMAGE_NOTE)
        out_paint(o, OUT_YELLOW, "note: ");
    else
        out_paint(o, OUT_RED, "DAMAGE: ");
    out_text(f, d->path, strlen(d->path));
    if (d->pos >= 0)
        (void)fprintf(f, ", byte %" PRId64, d->pos);
    if (d->log != NULL)
        (void)fprintf(f, "%stopic %s, partition %" PRId32, d->path[0] != '\0' ? ": " : "",
            d->log->topic, d->log->log->id.partition);
    if (d->from < d->to)
        (void)fprintf(f, ", offsets %" PRId64 " to %" PRId64, d->from, d->to - 1);
    (void)fputs(d->path[0] != '\0' || d->log != NULL ? ": " : "", f);
    out_text(f, d->text, strlen(d->text));
    (void)fputc('\n', f);
}

static void
print(struct out *o, const struct damage *d)
{
    if (o->json)
        print_json(o, d);
    else
        print_text(o, d);
}

void
report_add(struct report *r, const struct damage *d)
{
    progress_clear(&r->bar);
    if (!r->quiet)
        print(&r->t->out, d);
    if (d->kind == DAMAGE_NOTE) {
        r->notes++;
        return;
    }
    VRV_PUSH_ROOM(r->v, r->n, r->cap);
    r->v[r->n++] = *d;
}

static void
trouble(void *ctx, const char *what, const struct vrv_err *e)
{
    struct damage d = { .kind = DAMAGE_META, .pos = -1 };
    struct report *r = ctx;

    /* What recovery stumbled over comes up again when its parts are read. */
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].kind == DAMAGE_META && strstr(r->v[i].text, e->msg) != NULL)
            return;
    (void)snprintf(d.text, sizeof(d.text), "%s: %.200s", what, e->msg);
    report_add(r, &d);
}

static uint64_t
bytes_of(const struct view *v)
{
    uint64_t n = 0;

    for (size_t i = 0; i < v->n; i++)
        for (uint32_t k = 0; k < v->v[i].log->seg_n; k++)
            n += v->v[i].log->segs[k]->flushed;
    return n;
}

static void
print_summary(struct report *r)
{
    struct out *o = &r->t->out;
    char size[32];

    if (!o->json) {
        (void)fprintf(o->f, "%zu partitions, %" PRIu64 " segments, %" PRIu64 " batches, %s: ",
            r->view.n, r->segments, r->batches, out_size(r->bytes, size));
        if (r->n == 0)
            out_paint(o, OUT_GREEN, "no damage\n");
        else
            (void)fprintf(o->f, "%zu damage%s\n", r->n, r->n > 1 ? "s" : "");
        return;
    }
    out_begin(o, "verified");
    out_uint(o, "partitions", r->view.n);
    out_uint(o, "segments", r->segments);
    out_uint(o, "batches", r->batches);
    out_uint(o, "bytes", r->bytes);
    out_uint(o, "damages", r->n);
    out_uint(o, "notes", r->notes);
    out_end(o);
}

int
report_make(struct report *r, struct tool *t, bool quiet, struct vrv_err *e)
{
    *r = (struct report){ .t = t, .quiet = quiet };
    int rc = verify_root(r, e);

    if (rc == 0)
        rc = view_open(&r->view, t, trouble, r, e);
    if (rc == 0 && r->view.whole)
        rc = verify_cuts(r, e);
    if (rc < 0)
        return rc;
    progress_begin(&r->bar, bytes_of(&r->view));
    for (size_t i = 0; i < r->view.n && rc == 0; i++)
        rc = verify_log(r, &r->view.v[i], e);
    if (rc == 0)
        rc = verify_names(r, e);
    progress_clear(&r->bar);
    if (rc == 0 && !quiet)
        print_summary(r);
    return rc;
}

void
report_fini(struct report *r)
{
    view_close(&r->view);
    free(r->v);
    r->v = NULL;
}

int
tool_verify(struct tool *t, struct vrv_err *e)
{
    struct report r;
    int rc = report_make(&r, t, false, e);

    if (rc == 0 && r.n > 0)
        rc = vrv_err_set(e, VRV_E_CORRUPT, "%zu damage%s found; varve log repair tells what can be "
            "done, and asks first", r.n, r.n > 1 ? "s were" : " was");
    report_fini(&r);
    return rc;
}
