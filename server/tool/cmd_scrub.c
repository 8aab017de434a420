/* varve scrub: is a store what its manifests say?  No server is needed, and none is in the way. */
#include <inttypes.h>
#include <string.h>

#include "engine/os/clock.h"
#include "server/base/random.h"
#include "server/tool/coldlink.h"
#include "server/tool/commands.h"
#include "server/tool/progress.h"
#include "server/tool/scrub_heal.h"
#include "tiering/scrub/scrub.h"

static const char help[] =
    "usage: varve scrub [options] [TOPIC...]   a store against its manifests; exit code 65: something\n"
    "  is wrong there\n"
    "      --full                 read and check every object, not only that it is there\n"
    "      --rate BYTES           ... so many in a second at most\n"
    "      --grace SECONDS        so old is what nothing names before it is an orphan (172800)\n"
    "      --delete-orphans       delete these, and uploads that old which nobody has ended\n"
    "      --heal                 what the store lacks, or --full finds damaged, and the data directory of\n"
    "                             its stopped server (log.dirs) still has: written again, and read back;\n"
    "                             a damaged manifest: the one before, with what that disk has since;\n"
    "                             what --full finds damaged or cut there, and the store has, leaves that disk\n"
    "      --threads N            partitions at a time (4)\n"
    COLDLINK_OPTIONS_HELP
    "A server may go on meanwhile. Nothing is deleted unless that is asked for.\n";

enum { THREADS_MAX = 64, GRACE_S = 172800 };

struct scrub {
    struct coldlink *l;
    struct progress bar;
    struct scrub_heal *heal; /* NULL: that isn't asked for */
};

/* ---- findings ---- */

static void
finding_json(struct out *o, const struct vrv_finding *f)
{
    out_begin(o, "finding");
    out_str(o, "what", vrv_scrub_kind_name(f->kind));
    if (f->key != NULL)
        out_bytes(o, "key", f->key, (int64_t)strlen(f->key));
    if (f->topic != NULL) {
        out_str(o, "topic", f->topic);
        out_int(o, "partition", f->id.partition);
    }
    if (f->from < f->to) {
        out_int(o, "first_offset", f->from);
        out_int(o, "last_offset", f->to - 1);
    }
    if (f->kind == VRV_SCRUB_ORPHAN) {
        out_uint(o, "bytes", f->size);
        out_bool(o, "deleted", f->deleted);
    }
    out_bytes(o, "text", f->text, (int64_t)strlen(f->text));
    out_end(o);
}

static void
finding_text(struct out *o, const struct vrv_finding *f)
{
    bool harms = f->kind != VRV_SCRUB_ORPHAN && f->kind != VRV_SCRUB_FOREIGN && f->kind != VRV_SCRUB_UNKNOWN;
    char size[32];

    out_paint(o, harms ? OUT_RED : OUT_YELLOW, vrv_scrub_kind_name(f->kind));
    (void)fputs(": ", o->f);
    if (f->key != NULL)
        out_text(o->f, f->key, strlen(f->key));
    if (f->topic != NULL)
        (void)fprintf(o->f, "%stopic %s, partition %" PRId32, f->key != NULL ? ": " : "", f->topic,
            f->id.partition);
    if (f->from < f->to)
        (void)fprintf(o->f, ", offsets %" PRId64 " to %" PRId64, f->from, f->to - 1);
    (void)fputs(f->key != NULL || f->topic != NULL ? ": " : "", o->f);
    out_text(o->f, f->text, strlen(f->text));
    if (f->kind == VRV_SCRUB_ORPHAN)
        (void)fprintf(o->f, ", %s%s", out_size(f->size, size), f->deleted ? ": deleted" : "");
    (void)fputc('\n', o->f);
}

static void
tell(void *ctx, const struct vrv_finding *f)
{
    struct scrub *s = ctx;

    progress_clear(&s->bar);
    if (s->heal != NULL)
        scrub_heal_note(s->heal, f);
    if (s->l->out.json)
        finding_json(&s->l->out, f);
    else
        finding_text(&s->l->out, f);
}

static void
show_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct scrub *s = ctx;

    s->bar.total = total;
    progress_add(&s->bar, done - s->bar.done);
}

/* ---- the summary ---- */

/* What is still wrong: orphans that were deleted aren't, nor what is healed; this disk's is. */
static uint64_t
wrong(const struct vrv_scrubbed *sums, const struct scrub_heal *h)
{
    uint64_t n = 0;

    for (int i = 0; i < VRV_SCRUB_KINDS; i++)
        n += sums->found[i];
    return n - sums->deleted - (h != NULL ? h->healed : 0) + (h != NULL ? h->lost : 0);
}

static void
summary_json(struct out *o, const struct vrv_scrubbed *sums, const struct scrub_heal *h, bool full)
{
    out_begin(o, "scrubbed");
    out_bool(o, "full", full);
    out_uint(o, "partitions", sums->partitions);
    out_uint(o, "objects", sums->objects);
    out_uint(o, "bytes", sums->bytes);
    out_uint(o, "batches", sums->batches);
    out_uint(o, "read_bytes", sums->read_bytes);
    for (int i = 0; i < VRV_SCRUB_KINDS; i++)
        out_uint(o, vrv_scrub_kind_name((enum vrv_scrub_kind)i), sums->found[i]);
    out_uint(o, "orphan_bytes", sums->orphan_bytes);
    out_uint(o, "deleted", sums->deleted);
    out_uint(o, "deleted_bytes", sums->deleted_bytes);
    out_uint(o, "waiting", sums->waiting);
    out_uint(o, "waiting_bytes", sums->waiting_bytes);
    out_uint(o, "uploads_removed", sums->uploads);
    if (h != NULL) {
        out_uint(o, "healed", h->healed);
        out_uint(o, "healed_bytes", h->bytes);
        out_uint(o, "failed", h->failed);
    }
    out_end(o);
}

static void
summary_text(struct coldlink *l, const struct vrv_scrubbed *sums, const struct scrub_heal *h, bool full)
{
    struct out *o = &l->out;
    char size[32];

    (void)fprintf(o->f, "%s: %" PRIu64 " partitions, %" PRIu64 " objects, %s", l->what, sums->partitions,
        sums->objects, out_size(sums->bytes, size));
    if (full)
        (void)fprintf(o->f, ", %" PRIu64 " batches read", sums->batches);
    (void)fputs(": ", o->f);
    if (wrong(sums, h) == 0)
        out_paint(o, OUT_GREEN, "all is well\n");
    else
        (void)fprintf(o->f, "%" PRIu64 " finding%s\n", wrong(sums, h), wrong(sums, h) > 1 ? "s" : "");
    if (h != NULL && h->roots > 0)
        (void)fprintf(o->f, "%" PRIu64 " manifests were healed\n", h->roots);
    if (h != NULL && h->segments > 0)
        (void)fprintf(o->f, "%" PRIu64 " segments, %s, were healed\n", h->segments, out_size(h->bytes, size));
    if (sums->waiting > 0)
        (void)fprintf(o->f, "%" PRIu64 " objects, %s, wait for their server to delete them\n", sums->waiting,
            out_size(sums->waiting_bytes, size));
    if (sums->deleted > 0)
        (void)fprintf(o->f, "%" PRIu64 " orphans, %s, were deleted\n", sums->deleted,
            out_size(sums->deleted_bytes, size));
    if (sums->uploads > 0)
        (void)fprintf(o->f, "%" PRIu64 " unfinished uploads were removed\n", sums->uploads);
}

/* ---- the command ---- */

static int
run_scrub(struct coldlink *l, struct vrv_scrub_opts *o, struct scrub_heal *heal, struct vrv_err *e)
{
    struct scrub s = { .l = l, .heal = heal };
    struct vrv_scrubbed sums;
    int rc = vrv_random(&o->random, sizeof(o->random), e);

    if (rc < 0)
        return rc;
    o->store = l->store;
    o->clock = vrv_clock_real();
    o->call_ms = l->timeout_ms;
    o->tell = tell;
    o->progress = show_progress;
    o->ctx = &s;
    if (o->full)
        progress_begin(&s.bar, 0);
    else
        progress_begin_count(&s.bar, 0, "partitions");
    rc = vrv_scrub(o, &sums, e);
    progress_clear(&s.bar);
    if (rc < 0)
        return vrv_err_prefix(e, rc, "%s", l->what);
    if (heal != NULL && (rc = scrub_heal_all(heal, o, e)) < 0)
        return vrv_err_prefix(e, rc, "%s", l->what);
    if (l->out.json)
        summary_json(&l->out, &sums, heal, o->full);
    else
        summary_text(l, &sums, heal, o->full);
    if (heal != NULL && heal->failed > 0) {
        *e = heal->why;
        return vrv_err_prefix(e, heal->why.code, "%s: healing failed for %" PRIu64 ", the first of them",
            l->what, heal->failed);
    }
    if (wrong(&sums, heal) > 0)
        return vrv_err_set(e, VRV_E_CORRUPT, "%" PRIu64 " finding%s in %s", wrong(&sums, heal),
            wrong(&sums, heal) > 1 ? "s" : "", l->what);
    return 0;
}

static int
run_heal(struct coldlink *l, struct vrv_scrub_opts *o, struct vrv_err *e)
{
    struct scrub_heal h = { .l = l };
    struct vrv_err closing = { 0 };
    int rc = scrub_heal_open(&h, l, e);

    if (rc == 0)
        rc = run_scrub(l, o, &h, e);
    int closed = scrub_heal_close(&h, &closing);
    if (rc == 0 && closed < 0)
        *e = closing;
    return rc < 0 ? rc : closed;
}

static int
scrub(struct coldlink *l, struct args *a, struct vrv_err *e)
{
    int64_t threads = 4, grace_s = GRACE_S, rate = 0;
    struct vrv_scrub_opts o = { .full = false };
    bool heal = false;
    const struct arg own[] = {
        { "full", 0, ARG_FLAG, &o.full },
        { "rate", 0, ARG_NUMBER, &rate },
        { "grace", 0, ARG_NUMBER, &grace_s },
        { "delete-orphans", 0, ARG_FLAG, &o.delete_orphans },
        { "heal", 0, ARG_FLAG, &heal },
        { "threads", 0, ARG_NUMBER, &threads },
        { NULL, 0, 0, NULL },
    };
    int rc = coldlink_args(l, a, own, e);

    if (rc != 0)
        return rc == ARGS_HELP ? 0 : rc;
    if (threads < 1 || threads > THREADS_MAX)
        return args_misuse(a, e, "--threads wants 1 to %d", THREADS_MAX);
    if (grace_s > INT64_MAX / 1000)
        return args_misuse(a, e, "--grace wants seconds");
    o.threads = (unsigned)threads;
    o.grace_ms = grace_s * 1000;
    o.bytes_per_second = rate > 0 ? rate : INT64_MAX;
    o.topic = (const char *const *)a->v;
    o.topic_n = (size_t)a->n;
    if ((rc = coldlink_open(l, e)) < 0)
        return rc;
    return heal ? run_heal(l, &o, e) : run_scrub(l, &o, NULL, e);
}

int
cmd_scrub(int argc, char **argv)
{
    static const struct coldlink_cmd cmd = { "scrub", help, scrub };

    return coldlink_main(&cmd, argc, argv);
}
