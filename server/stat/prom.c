#include "server/stat/prom.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/base/assert.h"

enum { NS_DIGITS = 9, NS_PER_S = 1000000000 };

void
vrv_prom_init(struct vrv_prom *p, struct vrv_text *out)
{
    *p = (struct vrv_prom){ .out = out, .now = VRV_METRICS };
}

/* ---- text that is somebody else's ---- */

/* How many bytes of p are a character of UTF-8; 0: they are none. */
static size_t
char_bytes(const unsigned char *p, size_t n)
{
    size_t want = p[0] < 0x80 ? 1
        : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
        : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
        : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                      : 0;

    if (want == 0 || want > n)
        return 0;
    for (size_t i = 1; i < want; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
        return 0;
    return want;
}

static void
put_escaped(struct vrv_text *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t k = char_bytes((const unsigned char *)p + i, n - i);

        if (k == 0)
            vrv_text_put(out, "\xef\xbf\xbd", 3);
        else if (p[i] == '\n')
            vrv_text_put(out, "\\n", 2);
        else if (p[i] == '\\' || p[i] == '"')
            vrv_text_print(out, "\\%c", p[i]);
        else
            vrv_text_put(out, p + i, k);
        i += k > 0 ? k : 1;
    }
}

/* ---- families ---- */

void
vrv_prom_begin(struct vrv_prom *p, enum vrv_metric m)
{
    static const char *const types[] = { [VRV_COUNTER] = "counter", [VRV_GAUGE] = "gauge",
        [VRV_HISTOGRAM] = "histogram" };
    const struct vrv_metric_info *info = vrv_metric_info(m);

    VRV_ASSERT(!p->begun[m]);
    p->begun[m] = true;
    p->now = m;
    vrv_text_print(p->out, "# HELP %s %s\n# TYPE %s %s\n", info->name, info->help, info->name,
        types[info->type]);
}

/* "name{a="b",", then what `more` says. */
static void
put_name(struct vrv_prom *p, const char *suffix, const struct vrv_labels *labels, const char *more)
{
    bool any = false;

    VRV_ASSERT(p->now < VRV_METRICS);
    vrv_text_print(p->out, "%s%s", vrv_metric_info(p->now)->name, suffix);
    for (unsigned i = 0; labels != NULL && i < VRV_LABELS_MAX && labels->v[i].p != NULL; i++) {
        vrv_text_print(p->out, "%s%s=\"", any ? "," : "{", labels->v[i].name);
        put_escaped(p->out, labels->v[i].p, labels->v[i].n);
        vrv_text_put(p->out, "\"", 1);
        any = true;
    }
    if (more[0] != '\0')
        vrv_text_print(p->out, "%s%s", any ? "," : "{", more);
    vrv_text_print(p->out, "%s ", any || more[0] != '\0' ? "}" : "");
}

/* Nanoseconds as seconds, exactly, without zeros at the end. */
static void
seconds_text(char out[32], uint64_t ns)
{
    int n = snprintf(out, 32, "%" PRIu64 ".%09" PRIu64, ns / NS_PER_S, ns % NS_PER_S);

    while (out[n - 1] == '0')
        out[--n] = '\0';
    if (out[n - 1] == '.')
        out[n - 1] = '\0';
}

void
vrv_prom_count(struct vrv_prom *p, const struct vrv_labels *labels, uint64_t v)
{
    put_name(p, "", labels, "");
    vrv_text_print(p->out, "%" PRIu64 "\n", v);
}

void
vrv_prom_number(struct vrv_prom *p, const struct vrv_labels *labels, int64_t v)
{
    put_name(p, "", labels, "");
    vrv_text_print(p->out, "%" PRId64 "\n", v);
}

void
vrv_prom_seconds(struct vrv_prom *p, const struct vrv_labels *labels, uint64_t ns)
{
    char text[32];

    seconds_text(text, ns);
    put_name(p, "", labels, "");
    vrv_text_print(p->out, "%s\n", text);
}

void
vrv_prom_hist(struct vrv_prom *p, const struct vrv_labels *labels, const struct vrv_hist_view *v)
{
    char text[32], le[48];
    uint64_t n = 0;

    VRV_ASSERT(vrv_metric_info(p->now)->type == VRV_HISTOGRAM);
    for (unsigned i = 0; i < VRV_HIST_BUCKETS; i++) {
        n += v->n[i];
        (void)snprintf(text, sizeof(text), "+Inf");
        if (i < VRV_HIST_BOUNDS)
            seconds_text(text, vrv_hist_bound(i));
        (void)snprintf(le, sizeof(le), "le=\"%s\"", text);
        put_name(p, "_bucket", labels, le);
        vrv_text_print(p->out, "%" PRIu64 "\n", n);
    }
    seconds_text(text, v->sum_ns);
    put_name(p, "_sum", labels, "");
    vrv_text_print(p->out, "%s\n", text);
    put_name(p, "_count", labels, "");
    vrv_text_print(p->out, "%" PRIu64 "\n", n);
}

void
vrv_prom_one(struct vrv_prom *p, enum vrv_metric m, uint64_t v)
{
    vrv_prom_begin(p, m);
    vrv_prom_count(p, NULL, v);
}

void
vrv_prom_one_seconds(struct vrv_prom *p, enum vrv_metric m, uint64_t ns)
{
    vrv_prom_begin(p, m);
    vrv_prom_seconds(p, NULL, ns);
}

void
vrv_prom_one_hist(struct vrv_prom *p, enum vrv_metric m, const struct vrv_hist_view *v)
{
    vrv_prom_begin(p, m);
    vrv_prom_hist(p, NULL, v);
}

void
vrv_prom_counted(struct vrv_prom *p, const struct vrv_stat *s)
{
    for (enum vrv_counted c = 0; c < VRV_COUNTEDS; c++) {
        const char *labels;
        enum vrv_metric m = vrv_counted_metric(c, &labels);

        if (!p->begun[m])
            vrv_prom_begin(p, m);
        VRV_ASSERT(p->now == m); /* those of a family follow each other in the list */
        put_name(p, "", NULL, labels);
        vrv_text_print(p->out, "%" PRIu64 "\n", vrv_stat_counted(s, c));
    }
}
