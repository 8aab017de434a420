/*
 * Metrics as Prometheus reads them: the text format, version 0.0.4.
 *
 *   # HELP varve_logs Logs of partitions that are open.
 *   # TYPE varve_logs gauge
 *   varve_logs 3
 *
 * All lines of a family follow each other: begin it, put its lines, and never come back to it.
 * Threads: one at a time.
 */
#ifndef VRV_STAT_PROM_H
#define VRV_STAT_PROM_H

#include <stdbool.h>

#include "server/stat/stat.h"
#include "server/stat/text.h"

#define VRV_PROM_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct vrv_prom {
    struct vrv_text *out;
    enum vrv_metric now;        /* the family that was begun last */
    bool begun[VRV_METRICS];
};

void vrv_prom_init(struct vrv_prom *p, struct vrv_text *out);
void vrv_prom_begin(struct vrv_prom *p, enum vrv_metric m);

/* Values are escaped; bytes that are no UTF-8 become U+FFFD.  p NULL: no more labels. */
struct vrv_label {
    const char *name, *p;
    size_t n;
};
#define VRV_LABEL(name, s)          (struct vrv_label){ (name), (s), strlen(s) }
#define VRV_LABEL_BYTES(name, p, n) (struct vrv_label){ (name), (const char *)(p), (n) }
enum { VRV_LABELS_MAX = 4 };
struct vrv_labels {
    struct vrv_label v[VRV_LABELS_MAX];
};
#define VRV_LABELS(...) (&(const struct vrv_labels){ { __VA_ARGS__ } })

/* A line of the family that was begun; labels may be NULL. */
void vrv_prom_count(struct vrv_prom *p, const struct vrv_labels *labels, uint64_t v);
void vrv_prom_number(struct vrv_prom *p, const struct vrv_labels *labels, int64_t v);
void vrv_prom_seconds(struct vrv_prom *p, const struct vrv_labels *labels, uint64_t ns);
/* All lines of one histogram. */
void vrv_prom_hist(struct vrv_prom *p, const struct vrv_labels *labels,
    const struct vrv_hist_view *v);

/* A family of one line without labels, */
void vrv_prom_one(struct vrv_prom *p, enum vrv_metric m, uint64_t v);
void vrv_prom_one_seconds(struct vrv_prom *p, enum vrv_metric m, uint64_t ns);
/* ... or of one histogram. */
void vrv_prom_one_hist(struct vrv_prom *p, enum vrv_metric m, const struct vrv_hist_view *v);
/* The families of all that vrv_stat_count counts. */
void vrv_prom_counted(struct vrv_prom *p, const struct vrv_stat *s);

#endif
