#include "t/lib/fakes3.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/fakes3_int.h"

enum { LIST_MAX = 1000, PART_MIN = 5 << 20, ZOMBIE_MS = 30000, LATE_MS = 8000, STALE_MS = 60000 };

int64_t
s3_now_ms(const struct fakes3 *f)
{
    return f->opts.clock->wall_ms(f->opts.clock);
}

/* ---- what is asked for ---- */

static void
decode(char *out, size_t n, const char *from, size_t len)
{
    unsigned byte;

    for (size_t i = 0; i < len && n > 1; i++, n--) {
        if (from[i] == '%' && len - i > 2 && sscanf(from + i + 1, "%2x", &byte) == 1) {
            *out++ = (char)byte;
            i += 2;
        } else {
            *out++ = from[i];
        }
    }
    *out = '\0';
}

const char *
s3_param(const struct s3_call *c, const char *name, char *out, size_t n)
{
    size_t len = strlen(name);

    for (const char *p = c->query; *p != '\0'; p += strcspn(p, "&"), p += *p == '&') {
        size_t all = strcspn(p, "&");

        if (strncmp(p, name, len) == 0 && (p[len] == '=' || p[len] == '&' || p[len] == '\0')) {
            size_t skip = all > len ? len + 1 : len;

            decode(out, n, p + skip, all - skip);
            return out;
        }
    }
    return NULL;
}

static bool
asks(const struct s3_call *c, const char *name)
{
    char any[8];

    return s3_param(c, name, any, sizeof(any)) != NULL;
}

static enum fakes3_op
op_on_key(const struct s3_call *c)
{
    const char *m = c->q->method;
    char any[8];

    if (strcmp(m, "PUT") == 0 && asks(c, "partNumber"))
        return S3_PART;
    if (strcmp(m, "PUT") == 0)
        return httpd_header(c->q, "if-none-match", any, sizeof(any)) == NULL ? S3_PUT : S3_PUTNEW;
    if (strcmp(m, "GET") == 0)
        return S3_GET;
    if (strcmp(m, "HEAD") == 0)
        return S3_HEAD;
    if (strcmp(m, "DELETE") == 0)
        return asks(c, "uploadId") ? S3_ABORT : S3_DELETE;
    if (strcmp(m, "POST") == 0 && asks(c, "uploads"))
        return S3_CREATE;
    return strcmp(m, "POST") == 0 && asks(c, "uploadId") ? S3_COMPLETE : S3_OPS;
}

static enum fakes3_op
op_on_bucket(const struct s3_call *c)
{
    const char *m = c->q->method;

    if (strcmp(m, "POST") == 0 && asks(c, "delete"))
        return S3_DELETES;
    if (strcmp(m, "GET") == 0 && asks(c, "uploads"))
        return S3_UPLOADS;
    if (strcmp(m, "GET") == 0 && asks(c, "list-type"))
        return S3_LIST;
    return strcmp(m, "HEAD") == 0 ? S3_BUCKET : S3_OPS;
}

/* "bucket.localhost", "bucket.s3.region..." or "/bucket". */
static void
understand(struct s3_call *c, const struct httpd_req *q)
{
    const char *path = q->target + 1;
    size_t len = strcspn(path, "?");
    char host[256] = "";

    c->q = q;
    c->query = path[len] == '?' ? path + len + 1 : path + len;
    (void)httpd_header(q, "host", host, sizeof(host));
    char *dot = strstr(host, ".localhost");
    if (dot == NULL)
        dot = strstr(host, ".s3.");
    if (dot != NULL) {
        decode(c->bucket, sizeof(c->bucket), host, (size_t)(dot - host));
    } else {
        size_t n = strcspn(path, "/?");

        decode(c->bucket, sizeof(c->bucket), path, n);
        n += path[n] == '/';
        path += n;
        len -= n;
    }
    decode(c->key, sizeof(c->key), path, len);
    (void)snprintf(c->name, sizeof(c->name), "%s/%s", c->bucket, c->key);
    c->op = len > 0 ? op_on_key(c) : op_on_bucket(c);
}

bool
s3_has_bucket(const struct fakes3 *f, const char *bucket)
{
    for (size_t i = 0; i < f->bucket_n; i++)
        if (strcmp(f->buckets[i], bucket) == 0)
            return true;
    return false;
}

void
s3_answer(struct fakes3 *f, const struct httpd_req *q, struct httpd_reply *a, bool may_fail)
{
    struct s3_call c = { 0 };

    understand(&c, q);
    if (!may_fail || c.op == S3_OPS) {
        s3_do(f, &c, a);
        return;
    }
    f->attempts[c.op]++;
    enum fakes3_fault fault = s3_is_throttled(f) ? S3_FAULT_SLOW_DOWN : s3_draw(f, &c);
    if (s3_fails(f, &c, fault, a))
        return;
    c.seen_ms = fault == S3_FAULT_STALE ? s3_now_ms(f) - STALE_MS : 0;
    c.unseen = fault == S3_FAULT_UNSEEN;
    c.damage = fault;
    s3_do(f, &c, a);
    s3_spoil(f, fault, a);
}

static void
serve(void *ctx, const struct httpd_req *q, struct httpd_reply *a)
{
    struct fakes3 *f = ctx;

    httpd_add_header(a, "Server", "fakes3");
    s3_http_time(a, "Date", f->opts.proxy != NULL ? f->opts.proxy->wall_ms(f->opts.proxy) : s3_now_ms(f));
    if (strncmp(q->target, "/~", 2) == 0)
        s3_admin(f, q, a);
    else if (f->refuse_until_ns != 0)
        a->cut_at = 0; /* over a connection that was kept */
    else
        s3_answer(f, q, a, true);
}

static void
tick(void *ctx)
{
    s3_faults_tick(ctx);
}

/* ---- begin and end ---- */

static char *
copy(const char *s)
{
    return s == NULL ? NULL : vrv_mem_strdup(s);
}

void
s3_add_bucket(struct fakes3 *f, const char *name)
{
    f->buckets = vrv_mem_grow(f->buckets, (f->bucket_n + 1) * sizeof(*f->buckets));
    f->buckets[f->bucket_n++] = vrv_mem_strdup(name);
}

/* In a new file each time, as who rotates them does it. */
static void
write_keys(const struct fakes3 *f)
{
    char path[1024];

    (void)snprintf(path, sizeof(path), "%s.new", f->opts.keys_file);
    FILE *out = fopen(path, "w");
    if (out == NULL ||
        fprintf(out, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", f->opts.key_id,
            f->opts.secret) < 0 ||
        fclose(out) != 0 || rename(path, f->opts.keys_file) < 0)
        abort();
}

void
s3_set_credentials(struct fakes3 *f, const char *key_id, const char *secret, const char *token)
{
    free((void *)(uintptr_t)f->opts.key_id);
    free((void *)(uintptr_t)f->opts.secret);
    free((void *)(uintptr_t)f->opts.token);
    f->opts.key_id = copy(key_id);
    f->opts.secret = copy(secret);
    f->opts.token = copy(token);
    if (f->opts.keys_file != NULL && key_id != NULL)
        write_keys(f);
}

struct fakes3 *
fakes3_new(const struct fakes3_opts *o)
{
    struct fakes3 *f = VRV_NEW(struct fakes3);
    struct httpd_opts ho = { .fn = serve,
        .tick = tick,
        .ctx = f,
        .clock = o->clock,
        .port = o->port,
        .cert_file = o->cert_file,
        .key_file = o->key_file };

    f->opts = *o;
    f->opts.region = vrv_mem_strdup(o->region != NULL ? o->region : "us-east-1");
    f->opts.keys_file = copy(o->keys_file);
    f->opts.key_id = f->opts.secret = f->opts.token = NULL;
    f->opts.list_max = o->list_max > 0 ? o->list_max : LIST_MAX;
    f->opts.part_min = o->part_min > 0 ? o->part_min : PART_MIN;
    f->rand = (struct vrv_rand){ o->seed };
    f->zombie_ms = ZOMBIE_MS;
    f->late_ms = LATE_MS;
    s3_add_bucket(f, o->bucket);
    s3_set_credentials(f, o->key_id, o->secret, o->token);
    f->httpd = httpd_new(&ho);
    f->host = 1;
    if (f->opts.named != NULL)
        f->opts.named(f->host);
    return f;
}

void
fakes3_free(struct fakes3 **fp)
{
    struct fakes3 *f = *fp;

    if (f == NULL)
        return;
    httpd_free(&f->httpd);
    s3_zombies_free(f);
    s3_objects_free(f);
    s3_set_credentials(f, NULL, NULL, NULL);
    for (size_t i = 0; i < f->bucket_n; i++)
        free(f->buckets[i]);
    free(f->buckets);
    free((void *)(uintptr_t)f->opts.region);
    free((void *)(uintptr_t)f->opts.keys_file);
    free(f);
    *fp = NULL;
}

struct httpd *
fakes3_httpd(struct fakes3 *f)
{
    return f->httpd;
}

/* ---- faults ---- */

void
fakes3_fault(struct fakes3 *f, enum fakes3_op op, enum fakes3_fault fault, unsigned percent)
{
    httpd_lock(f->httpd);
    for (int i = 0; i < S3_OPS; i++)
        if (op == S3_OPS || op == (enum fakes3_op)i)
            f->percent[i][fault] = percent;
    httpd_unlock(f->httpd);
}

void
fakes3_next(struct fakes3 *f, enum fakes3_op op, enum fakes3_fault fault, unsigned n)
{
    httpd_lock(f->httpd);
    f->next[op][fault] = n;
    httpd_unlock(f->httpd);
}

void
fakes3_heal(struct fakes3 *f)
{
    httpd_lock(f->httpd);
    memset(f->percent, 0, sizeof(f->percent));
    memset(f->next, 0, sizeof(f->next));
    f->per_s = 0;
    f->refuse_until_ns = 0;
    httpd_listen(f->httpd, true);
    if (f->nameless_until_ns != 0)
        f->opts.named(f->host);
    f->nameless_until_ns = 0;
    httpd_unlock(f->httpd);
}

void
fakes3_throttle(struct fakes3 *f, unsigned per_s)
{
    httpd_lock(f->httpd);
    f->per_s = per_s;
    httpd_unlock(f->httpd);
}

void
fakes3_delays(struct fakes3 *f, int64_t zombie_ms, int64_t late_ms)
{
    VRV_ASSERT(zombie_ms >= 0);
    VRV_ASSERT(late_ms > 0);
    httpd_lock(f->httpd);
    f->zombie_ms = zombie_ms;
    f->late_ms = late_ms;
    httpd_unlock(f->httpd);
}

void
fakes3_credentials(struct fakes3 *f, const char *key_id, const char *secret, const char *token)
{
    httpd_lock(f->httpd);
    s3_set_credentials(f, key_id, secret, token);
    httpd_unlock(f->httpd);
}

/* ---- what there is ---- */

uint64_t
fakes3_attempts(struct fakes3 *f, enum fakes3_op op)
{
    uint64_t n = 0;

    httpd_lock(f->httpd);
    for (int i = 0; i < S3_OPS; i++)
        if (op == S3_OPS || op == (enum fakes3_op)i)
            n += f->attempts[i];
    httpd_unlock(f->httpd);
    return n;
}

uint64_t
fakes3_struck(struct fakes3 *f, enum fakes3_fault fault)
{
    uint64_t n = 0;

    httpd_lock(f->httpd);
    for (int i = 0; i < S3_FAULTS; i++)
        if (fault == S3_FAULTS || fault == (enum fakes3_fault)i)
            n += f->struck[i];
    httpd_unlock(f->httpd);
    return n;
}

/* Without its bucket; NULL: it isn't there, or its key begins otherwise. */
static const char *
key_with(const struct s3_object *o, const char *prefix)
{
    const char *key = strchr(o->name, '/') + 1;

    return o->gone_ms == INT64_MAX && strncmp(key, prefix, strlen(prefix)) == 0 ? key : NULL;
}

size_t
fakes3_objects(struct fakes3 *f, const char *prefix)
{
    size_t n = 0;

    httpd_lock(f->httpd);
    for (size_t i = 0; i < f->object_n; i++)
        n += key_with(&f->objects[i], prefix) != NULL;
    httpd_unlock(f->httpd);
    return n;
}

char *
fakes3_key(struct fakes3 *f, const char *prefix, size_t i)
{
    const char *key = NULL;
    char *copy = NULL;

    httpd_lock(f->httpd);
    for (size_t k = 0; k < f->object_n && key == NULL; k++) {
        key = key_with(&f->objects[k], prefix);
        if (key != NULL && i-- > 0)
            key = NULL;
    }
    if (key != NULL)
        copy = vrv_mem_strdup(key);
    httpd_unlock(f->httpd);
    return copy;
}

size_t
fakes3_uploads(struct fakes3 *f)
{
    size_t n = 0;

    httpd_lock(f->httpd);
    for (const struct s3_upload *u = f->uploads; u != NULL; u = u->next)
        n += u->gone_ms == INT64_MAX;
    httpd_unlock(f->httpd);
    return n;
}

size_t
fakes3_zombies(struct fakes3 *f)
{
    size_t n = 0;

    httpd_lock(f->httpd);
    for (const struct s3_zombie *z = f->zombies; z != NULL; z = z->next)
        n++;
    httpd_unlock(f->httpd);
    return n;
}

/* In the first bucket. */
static struct s3_object *
of_key(struct fakes3 *f, const char *key)
{
    char name[1200];

    (void)snprintf(name, sizeof(name), "%s/%s", f->buckets[0], key);
    return s3_find(f, name);
}

uint8_t *
fakes3_object(struct fakes3 *f, const char *key, size_t *n)
{
    uint8_t *bytes = NULL;

    httpd_lock(f->httpd);
    const struct s3_object *o = of_key(f, key);
    *n = o == NULL ? 0 : o->n;
    if (o != NULL) {
        bytes = vrv_mem_zero(o->n + 1);
        memcpy(bytes, o->bytes, o->n);
    }
    httpd_unlock(f->httpd);
    return bytes;
}

bool
fakes3_rot(struct fakes3 *f, const char *key, size_t at)
{
    httpd_lock(f->httpd);
    struct s3_object *o = of_key(f, key);
    bool there = o != NULL && at < o->n;
    if (there)
        o->bytes[at] ^= 1;
    httpd_unlock(f->httpd);
    return there;
}
