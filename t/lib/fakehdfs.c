#include "t/lib/fakehdfs.h"

#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"

#define ROOT "/root"
#define PREFIX "/webhdfs/v1"

enum { PATH = 1024, QUERY = 32 * 1024, HEARD = 4096 };

struct file {
    char path[PATH];
    bool is_dir;
    uint8_t *bytes;
    size_t n;
    uint64_t id;
};

/* Which of the four a request came to. */
struct seat {
    struct fakehdfs *f;
    bool data;
    int i;
    struct httpd *httpd;
};

struct fakehdfs {
    pthread_mutex_t lock;
    struct seat names[2], data[2];
    char url[128], urls[2][64];
    struct file *v; /* sorted by path */
    size_t n, cap, page;
    uint64_t last_id;
    struct fakehdfs_fault fault;
    bool standby[2], combines, no_reasons, data_tls;
    char heard[HEARD], told[HEARD], query[QUERY];
};

/* One request. */
struct ask {
    struct seat *at;
    const struct httpd_req *q;
    struct httpd_reply *a;
    char path[PATH], query[QUERY];
    size_t keep; /* bytes of the body that arrive, */
    bool flip;   /* ... one of them changed */
};

/* ---- what is in a request ---- */

static void
unescape(char *s)
{
    char *to = s;

    for (; *s != '\0'; s++, to++) {
        char hex[3] = { 0 };

        if (*s == '%' && s[1] != '\0' && s[2] != '\0') {
            memcpy(hex, s + 1, 2);
            *to = (char)strtoul(hex, NULL, 16);
            s += 2;
        } else {
            *to = *s;
        }
    }
    *to = '\0';
}

/* Of the query; "" when it isn't there. */
static const char *
param(const struct ask *k, const char *name)
{
    static _Thread_local char out[QUERY];
    size_t n = strlen(name);

    out[0] = '\0';
    for (const char *p = k->query; *p != '\0'; p += strcspn(p, "&"), p += *p == '&')
        if (strncmp(p, name, n) == 0 && p[n] == '=') {
            size_t len = strcspn(p + n + 1, "&");

            memcpy(out, p + n + 1, len);
            out[len] = '\0';
            unescape(out);
            break;
        }
    return out;
}

/* ---- files ---- */

static size_t
place_of(const struct fakehdfs *f, const char *path)
{
    size_t i = 0;

    while (i < f->n && strcmp(f->v[i].path, path) < 0)
        i++;
    return i;
}

static struct file *
find(const struct fakehdfs *f, const char *path)
{
    size_t i = place_of(f, path);

    return i < f->n && strcmp(f->v[i].path, path) == 0 ? &f->v[i] : NULL;
}

static struct file *
add(struct fakehdfs *f, const char *path, bool is_dir)
{
    size_t i = place_of(f, path);

    VRV_PUSH_ROOM(f->v, f->n, f->cap);
    memmove(&f->v[i + 1], &f->v[i], (f->n - i) * sizeof(*f->v));
    f->n++;
    f->v[i] = (struct file){ .is_dir = is_dir, .id = ++f->last_id };
    (void)snprintf(f->v[i].path, PATH, "%s", path);
    return &f->v[i];
}

static void
drop(struct fakehdfs *f, struct file *x)
{
    size_t i = (size_t)(x - f->v);

    free(x->bytes);
    f->n--;
    memmove(x, x + 1, (f->n - i) * sizeof(*f->v));
}

static const char *
parent_of(const char *path)
{
    static _Thread_local char out[PATH];
    const char *slash = strrchr(path, '/');

    (void)snprintf(out, sizeof(out), "%.*s", (int)(slash - path), path);
    return out;
}

static bool
is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

static bool
has_more(const struct fakehdfs *f, const char *dir)
{
    for (size_t i = 0; i < f->n; i++)
        if (is_below(f->v[i].path, dir))
            return true;
    return false;
}

static void
make_dirs(struct fakehdfs *f, const char *path)
{
    char at[PATH];

    for (const char *p = path + 1; *p != '\0'; p++)
        if (p[1] == '/' || p[1] == '\0') {
            (void)snprintf(at, sizeof(at), "%.*s", (int)(p + 1 - path), path);
            if (find(f, at) == NULL)
                (void)add(f, at, true);
        }
}

/* ---- answers ---- */

static void VRV_PRINTF(3, 4)
say(struct ask *k, int code, const char *fmt, ...)
{
    static _Thread_local char text[1 << 20];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    k->a->status = code;
    httpd_set_body(k->a, text, (size_t)n);
}

static void
refuse(struct ask *k, int code, const char *exception, const char *message)
{
    say(k, code,
        "{\"RemoteException\":{\"exception\":\"%s\",\"javaClassName\":\"x.%s\",\"message\":\"%s\\n\\tat x\"}}",
        exception, exception, message);
}

static void
say_whether(struct ask *k, bool is)
{
    say(k, 200, "{\"boolean\":%s}", is ? "true" : "false");
}

static void
redirect(struct ask *k)
{
    const struct fakehdfs *f = k->at->f;
    int i = param(k, "excludedatanodes")[0] != '\0';

    k->a->status = 307;
    httpd_add_header(k->a, "location", "http%s://127.0.0.1:%u%s", f->data_tls ? "s" : "",
        httpd_port(f->data[i].httpd), k->q->target);
}

/* ---- operations ---- */

static void
do_create(struct ask *k)
{
    struct fakehdfs *f = k->at->f;

    if (!k->at->data) {
        redirect(k);
        return;
    }
    if (find(f, k->path) != NULL) {
        refuse(k, 403, "FileAlreadyExistsException", "already exists");
        return;
    }
    make_dirs(f, parent_of(k->path));
    struct file *x = add(f, k->path, false);
    x->n = k->q->body_n < k->keep ? k->q->body_n : k->keep;
    x->bytes = vrv_mem_zero(x->n + 1);
    if (x->n > 0)
        memcpy(x->bytes, k->q->body, x->n);
    if (k->flip && x->n > 0)
        x->bytes[x->n / 2] ^= 1;
    k->a->status = 201;
}

static void
do_stat(struct ask *k)
{
    const struct file *x = find(k->at->f, k->path);

    if (x == NULL)
        refuse(k, 404, "FileNotFoundException", "File does not exist");
    else
        say(k, 200, "{\"FileStatus\":{\"fileId\":%" PRIu64 ",\"length\":%zu,\"modificationTime\":7,"
                    "\"pathSuffix\":\"\",\"type\":\"%s\"}}", x->id, x->n, x->is_dir ? "DIRECTORY" : "FILE");
}

static void
do_open(struct ask *k)
{
    const struct file *x = find(k->at->f, k->path);
    uint64_t at = strtoull(param(k, "offset"), NULL, 10), n = strtoull(param(k, "length"), NULL, 10);

    if (x == NULL || x->is_dir)
        refuse(k, 404, "FileNotFoundException", "File does not exist");
    else if (x->n > 0 && at >= x->n)
        refuse(k, 403, "IOException", "Offset out of the range");
    else if (!k->at->data)
        redirect(k);
    else
        httpd_set_body(k->a, x->bytes + at, n < x->n - at ? n : x->n - at);
}

static void
do_checksum(struct ask *k)
{
    const struct fakehdfs *f = k->at->f;
    const struct file *x = find(f, k->path);

    if (x == NULL || x->is_dir)
        refuse(k, 404, "FileNotFoundException", "File not found");
    else if (!k->at->data)
        redirect(k);
    else if (f->combines)
        say(k, 200, "{\"FileChecksum\":{\"algorithm\":\"COMPOSITE-CRC32C\",\"bytes\":\"%08" PRIx32
                    "\",\"length\":4}}", vrv_crc32c(0, x->bytes, x->n));
    else
        say(k, 200, "{\"FileChecksum\":{\"algorithm\":\"MD5-of-0MD5-of-512CRC32C\",\"bytes\":"
                    "\"00000200000000000000000078a38a54\",\"length\":28}}");
}

static void
move_file(struct fakehdfs *f, struct file *from, const char *to)
{
    struct file was = *from;

    from->bytes = NULL;
    drop(f, from);
    struct file *x = add(f, to, false);
    x->bytes = was.bytes;
    x->n = was.n;
    x->id = was.id;
}

static void
do_rename(struct ask *k)
{
    struct fakehdfs *f = k->at->f;
    char to[PATH];
    struct file *from = find(f, k->path);

    (void)snprintf(to, sizeof(to), "%s", param(k, "destination"));
    bool possible = from != NULL && find(f, to) == NULL && find(f, parent_of(to)) != NULL;
    if (possible)
        move_file(f, from, to);
    if (f->no_reasons)
        say_whether(k, possible);
    else if (possible)
        k->a->status = 200;
    else if (from == NULL)
        refuse(k, 404, "FileNotFoundException", "rename source is not found");
    else if (find(f, to) != NULL)
        refuse(k, 403, "FileAlreadyExistsException", "rename destination already exists");
    else
        refuse(k, 404, "FileNotFoundException", "rename destination parent not found");
}

static void
do_concat(struct ask *k)
{
    struct fakehdfs *f = k->at->f;
    char sources[QUERY], *rest = sources, *path;

    (void)snprintf(sources, sizeof(sources), "%s", param(k, "sources"));
    while ((path = strsep(&rest, ",")) != NULL) {
        struct file *x = find(f, path), *to = find(f, k->path);

        if (x == NULL || to == NULL || strcmp(parent_of(path), parent_of(k->path)) != 0) {
            refuse(k, 404, "FileNotFoundException", "File does not exist");
            return;
        }
        to->bytes = vrv_mem_grow(to->bytes, to->n + x->n + 1);
        memcpy(to->bytes + to->n, x->bytes, x->n);
        to->n += x->n;
        drop(f, x);
    }
}

static void
do_delete(struct ask *k)
{
    struct fakehdfs *f = k->at->f;
    bool all = strcmp(param(k, "recursive"), "true") == 0, there = find(f, k->path) != NULL;

    if (there && !all && has_more(f, k->path)) {
        refuse(k, 403, "PathIsNotEmptyDirectoryException", "Directory is not empty");
        return;
    }
    for (size_t i = f->n; i-- > 0;)
        if (strcmp(f->v[i].path, k->path) == 0 || is_below(f->v[i].path, k->path))
            drop(f, &f->v[i]);
    say_whether(k, there);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const int64_t LISTED_MS = 1795307940000; /* whenever it is asked */

static void
do_list(struct ask *k)
{
    struct fakehdfs *f = k->at->f;
    char after[PATH], *text = vrv_mem_zero(1 << 20);
    const char **names = vrv_mem_zero((f->n + 1) * sizeof(*names));
    size_t n = 0, i = 0, at = 0, said = 0, dir = strlen(k->path);

    (void)snprintf(after, sizeof(after), "%s", param(k, "startAfter"));
    for (size_t x = 0; x < f->n; x++)
        if (is_below(f->v[x].path, k->path) && strchr(f->v[x].path + dir + 1, '/') == NULL)
            names[n++] = f->v[x].path;
    qsort(names, n, sizeof(*names), by_name);
    while (i < n && strcmp(names[i] + dir + 1, after) <= 0)
        i++;
    for (; i < n && said < f->page; i++, said++) {
        const struct file *x = find(f, names[i]);

        at += (size_t)snprintf(text + at, (1 << 20) - at,
            "%s{\"length\":%zu,\"modificationTime\":%" PRId64 ",\"pathSuffix\":\"%s\",\"type\":\"%s\"}",
            said > 0 ? "," : "", x->n, LISTED_MS - FAKEHDFS_AGE_MS, names[i] + dir + 1,
            x->is_dir ? "DIRECTORY" : "FILE");
    }
    httpd_add_header(k->a, "date", "Sun, 22 Nov 2026 00:39:00 GMT");
    if (find(f, k->path) == NULL)
        refuse(k, 404, "FileNotFoundException", "File does not exist");
    else
        say(k, 200, "{\"DirectoryListing\":{\"partialListing\":{\"FileStatuses\":{\"FileStatus\":[%s]}},"
                    "\"remainingEntries\":%zu}}", text, n - i);
    free(text);
    free(names);
}

static void
do_mkdirs(struct ask *k)
{
    make_dirs(k->at->f, k->path);
    say_whether(k, true);
}

static void
do_touch(struct ask *k)
{
    if (find(k->at->f, k->path) == NULL)
        refuse(k, 404, "FileNotFoundException", "File does not exist");
}

static const struct {
    const char *name, *method;
    void (*run)(struct ask *k);
} operations[] = { { "CREATE", "PUT", do_create }, { "GETFILESTATUS", "GET", do_stat },
    { "OPEN", "GET", do_open }, { "GETFILECHECKSUM", "GET", do_checksum }, { "RENAME", "PUT", do_rename },
    { "CONCAT", "POST", do_concat }, { "DELETE", "DELETE", do_delete },
    { "LISTSTATUS_BATCH", "GET", do_list }, { "MKDIRS", "PUT", do_mkdirs },
    { "SETTIMES", "PUT", do_touch } };

static void
perform(struct ask *k, const char *op)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        if (strcmp(operations[i].name, op) == 0 && strcmp(operations[i].method, k->q->method) == 0) {
            operations[i].run(k);
            return;
        }
    refuse(k, 400, "IllegalArgumentException", "Invalid value for webhdfs parameter op");
}

static void
note(struct ask *k, const char *op)
{
    struct fakehdfs *f = k->at->f;
    size_t n = strlen(f->heard);

    (void)snprintf(f->heard + n, sizeof(f->heard) - n, "%s%s", n > 0 ? " " : "", op);
    for (char *p = f->heard + n; k->at->data && *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    if (!k->at->data)
        memcpy(f->query, k->query, sizeof(f->query));
}

/* Does this one suffer from the fault? */
static bool
is_struck(struct ask *k, const char *op)
{
    struct fakehdfs_fault *x = &k->at->f->fault;

    if (x->times == 0 || x->at_data != k->at->data || strcmp(x->op, op) != 0)
        return false;
    if (x->after > 0) {
        x->after--;
        return false;
    }
    x->times--;
    return true;
}

static void
strike(struct ask *k, const char *op)
{
    const struct fakehdfs_fault *x = &k->at->f->fault;

    if (x->deed == FAKEHDFS_REFUSE && x->exception != NULL) {
        refuse(k, x->code, x->exception, x->message != NULL ? x->message : "as the test wants it");
    } else if (x->deed == FAKEHDFS_REFUSE) {
        say(k, x->code, "<html>no</html>");
    } else if (x->deed == FAKEHDFS_HIDE) {
        perform(k, op);
        say(k, x->code, "<html>bad gateway</html>");
    } else {
        if (x->deed == FAKEHDFS_HALF || x->deed == FAKEHDFS_LIE)
            k->keep = k->q->body_n / 2;
        k->flip = x->deed == FAKEHDFS_FLIP;
        if (x->deed != FAKEHDFS_LOSE)
            perform(k, op);
        if (x->deed != FAKEHDFS_LIE && x->deed != FAKEHDFS_FLIP)
            k->a->cut_at = 0;
    }
}

static void
answer(void *ctx, const struct httpd_req *q, struct httpd_reply *a)
{
    struct ask *k = vrv_mem_zero(sizeof(*k));
    char op[64];

    *k = (struct ask){ .at = ctx, .q = q, .a = a, .keep = SIZE_MAX };
    size_t n = strcspn(q->target, "?"), skip = strlen(PREFIX);
    VRV_ASSERT(n >= skip && n < PATH && strlen(q->target + n) < QUERY);
    memcpy(k->path, q->target + skip, n - skip);
    unescape(k->path);
    if (q->target[n] == '?')
        (void)snprintf(k->query, sizeof(k->query), "%s", q->target + n + 1);
    (void)snprintf(op, sizeof(op), "%s", param(k, "op"));
    (void)pthread_mutex_lock(&k->at->f->lock);
    note(k, op);
    if (!k->at->data && k->at->f->standby[k->at->i])
        refuse(k, 403, "StandbyException", "Operation category READ is not supported in state standby");
    else if (is_struck(k, op))
        strike(k, op);
    else
        perform(k, op);
    a->close = k->at->data; /* they always do */
    (void)pthread_mutex_unlock(&k->at->f->lock);
    free(k);
}

/* ---- for tests ---- */

static void
open_seat(struct fakehdfs *f, struct seat *s, bool data, int i, const char *cert)
{
    struct httpd_opts o = { .fn = answer, .ctx = s, .clock = vrv_clock_real() };
    char cert_file[PATH], key_file[PATH];

    if (cert != NULL) {
        (void)snprintf(cert_file, sizeof(cert_file), "%s.crt", cert);
        (void)snprintf(key_file, sizeof(key_file), "%s.key", cert);
        o.cert_file = cert_file;
        o.key_file = key_file;
    }
    s->f = f;
    s->data = data;
    s->i = i;
    s->httpd = httpd_new(&o);
    httpd_start(s->httpd);
}

struct fakehdfs *
fakehdfs_new_tls(size_t page, const char *names_cert, const char *data_cert)
{
    struct fakehdfs *f = vrv_mem_zero(sizeof(*f));
    const char *scheme = names_cert != NULL ? "swebhdfs" : "hdfs";

    VRV_ASSERT(pthread_mutex_init(&f->lock, NULL) == 0);
    f->page = page;
    f->data_tls = data_cert != NULL;
    for (int i = 0; i < 2; i++) {
        open_seat(f, &f->names[i], false, i, names_cert);
        open_seat(f, &f->data[i], true, i, data_cert);
        (void)snprintf(f->urls[i], sizeof(f->urls[i]), "%s://127.0.0.1:%u" ROOT, scheme,
            httpd_port(f->names[i].httpd));
    }
    (void)snprintf(f->url, sizeof(f->url), "%s://127.0.0.1:%u,127.0.0.1:%u" ROOT, scheme,
        httpd_port(f->names[0].httpd), httpd_port(f->names[1].httpd));
    return f;
}

struct fakehdfs *
fakehdfs_new(size_t page)
{
    return fakehdfs_new_tls(page, NULL, NULL);
}

void
fakehdfs_free(struct fakehdfs **at)
{
    struct fakehdfs *f = *at;

    for (int i = 0; i < 2; i++) {
        httpd_free(&f->names[i].httpd);
        httpd_free(&f->data[i].httpd);
    }
    while (f->n > 0)
        drop(f, &f->v[f->n - 1]);
    (void)pthread_mutex_destroy(&f->lock);
    free(f->v);
    free(f);
    *at = NULL;
}

const char *
fakehdfs_url(const struct fakehdfs *f)
{
    return f->url;
}

const char *
fakehdfs_url_of(const struct fakehdfs *f, int name_node)
{
    return f->urls[name_node];
}

struct httpd *
fakehdfs_name(struct fakehdfs *f, int i)
{
    return f->names[i].httpd;
}

struct httpd *
fakehdfs_data(struct fakehdfs *f, int i)
{
    return f->data[i].httpd;
}

void
fakehdfs_fail(struct fakehdfs *f, struct fakehdfs_fault x)
{
    (void)pthread_mutex_lock(&f->lock);
    f->fault = x;
    (void)pthread_mutex_unlock(&f->lock);
}

void
fakehdfs_stand_by(struct fakehdfs *f, int name_node, bool yes)
{
    (void)pthread_mutex_lock(&f->lock);
    f->standby[name_node] = yes;
    (void)pthread_mutex_unlock(&f->lock);
}

void
fakehdfs_combine(struct fakehdfs *f, bool yes)
{
    (void)pthread_mutex_lock(&f->lock);
    f->combines = yes;
    (void)pthread_mutex_unlock(&f->lock);
}

void
fakehdfs_no_reasons(struct fakehdfs *f, bool yes)
{
    (void)pthread_mutex_lock(&f->lock);
    f->no_reasons = yes;
    (void)pthread_mutex_unlock(&f->lock);
}

const char *
fakehdfs_heard(struct fakehdfs *f)
{
    (void)pthread_mutex_lock(&f->lock);
    memcpy(f->told, f->heard, sizeof(f->told));
    f->heard[0] = '\0';
    (void)pthread_mutex_unlock(&f->lock);
    return f->told;
}

const char *
fakehdfs_query(struct fakehdfs *f)
{
    return f->query;
}

static size_t
count(struct fakehdfs *f, bool dirs)
{
    size_t n = 0;

    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n; i++) {
        bool tmp = is_below(f->v[i].path, ROOT "/~tmp");

        if (dirs)
            n += f->v[i].is_dir && !tmp && strcmp(f->v[i].path, ROOT "/~tmp") != 0;
        else
            n += !f->v[i].is_dir && tmp;
    }
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

size_t
fakehdfs_left(struct fakehdfs *f)
{
    return count(f, false);
}

size_t
fakehdfs_dirs(struct fakehdfs *f)
{
    return count(f, true) - (find(f, ROOT) != NULL);
}
