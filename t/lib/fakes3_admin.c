/* Commands as text, and what happened as text. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/mem.h"
#include "t/lib/fakes3_int.h"

static const char *const op_names[] = {
#define NAME(name) #name,
    FAKES3_OPS(NAME) "ANY"
};

static const char *const fault_names[] = { FAKES3_FAULTS(NAME)
#undef NAME
};

static int
place(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcasecmp(names[i], name) == 0)
            return i;
    return -1;
}

/* "fault PUT HANG 20", "next PUT HANG 1" */
static bool
order(struct fakes3 *f, const char *line)
{
    char verb[16], op_name[16], fault_name[32];
    unsigned n;

    if (sscanf(line, "%15s %15s %31s %u", verb, op_name, fault_name, &n) != 4)
        return false;
    int op = place(op_names, S3_OPS + 1, op_name);
    int fault = place(fault_names, S3_FAULTS, fault_name);
    if (op < 0 || fault < 0)
        return false;
    if (strcmp(verb, "fault") == 0)
        fakes3_fault(f, (enum fakes3_op)op, (enum fakes3_fault)fault, n);
    else
        fakes3_next(f, (enum fakes3_op)op, (enum fakes3_fault)fault, n);
    return true;
}

static bool
obey(struct fakes3 *f, const char *line)
{
    char verb[16] = "", a[128], b[128], c[1024] = "";
    long long x, y;

    (void)sscanf(line, "%15s", verb);
    if (strcmp(verb, "fault") == 0 || strcmp(verb, "next") == 0)
        return order(f, line);
    if (strcmp(verb, "heal") == 0) {
        fakes3_heal(f);
    } else if (sscanf(line, "throttle %lld", &x) == 1) {
        fakes3_throttle(f, (unsigned)x);
    } else if (sscanf(line, "delays %lld %lld", &x, &y) == 2 && x >= 0 && y > 0) {
        fakes3_delays(f, x, y);
    } else if (sscanf(line, "age %lld", &x) == 1) {
        for (struct s3_upload *u = f->uploads; u != NULL; u = u->next)
            u->born_ms -= x;
    } else if (sscanf(line, "listen %lld", &x) == 1) {
        httpd_listen(f->httpd, x != 0);
    } else if (sscanf(line, "credentials %127s %127s %1023s", a, b, c) >= 2) {
        fakes3_credentials(f, a, b, c[0] != '\0' ? c : NULL);
    } else if (sscanf(line, "bucket %127s", a) == 1) {
        s3_add_bucket(f, a);
    } else {
        return verb[0] == '\0';
    }
    return true;
}

/* What fakes3.h says to do, as text: "fault PUT SLOW_DOWN 20", "next ANY HANG 3", "heal",
 * "throttle 50", "delays 30000 8000", "credentials ID SECRET TOKEN", "bucket NAME" (one more),
 * "listen 0", "age 86400000" (uploads that there are began so much earlier); false: what isn't understood is in why. */
static bool
command(struct fakes3 *f, const char *text, char *why, size_t why_n)
{
    char *copy = vrv_mem_strdup(text), *rest = copy, *line;
    bool good = true;

    httpd_lock(f->httpd);
    while (good && (line = strsep(&rest, "\n")) != NULL) {
        good = obey(f, line);
        if (!good)
            (void)snprintf(why, why_n, "not understood: %s", line);
    }
    httpd_unlock(f->httpd);
    free(copy);
    return good;
}

static void
tell_stats(struct fakes3 *f, struct httpd_reply *a)
{
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    if (out == NULL)
        abort();
    for (int i = 0; i < S3_OPS; i++)
        if (f->attempts[i] > 0)
            (void)fprintf(
                out, "attempts %s %llu\n", op_names[i], (unsigned long long)f->attempts[i]);
    for (int i = 0; i < S3_FAULTS; i++)
        if (f->struck[i] > 0)
            (void)fprintf(
                out, "struck %s %llu\n", fault_names[i], (unsigned long long)f->struck[i]);
    (void)fprintf(out, "objects %zu\nuploads %zu\nzombies %zu\n", fakes3_objects(f, ""),
        fakes3_uploads(f), fakes3_zombies(f));
    (void)fclose(out);
    httpd_set_body(a, text, n);
    free(text);
}

void
s3_admin(struct fakes3 *f, const struct httpd_req *q, struct httpd_reply *a)
{
    char why[256] = "";

    if (strcmp(q->target, "/~stats") == 0) {
        tell_stats(f, a);
    } else if (strcmp(q->target, "/~faults") == 0) {
        char *text = vrv_mem_zero(q->body_n + 1);

        memcpy(text, q->body, q->body_n);
        if (!command(f, text, why, sizeof(why)))
            a->status = 400;
        httpd_set_body(a, why, strlen(why));
        free(text);
    } else {
        a->status = 404;
    }
}
