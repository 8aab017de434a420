/* Which faults strike, and how they look. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "t/lib/fakes3_int.h"

enum { REFUSE_MS = 2000 };

static bool
is_one_of(enum fakes3_op op, unsigned ops)
{
    return (ops >> op & 1) != 0;
}

#define BIT(op) (1u << S3_##op)

enum {
    WRITES = BIT(PUT) | BIT(PUTNEW) | BIT(CREATE) | BIT(PART) | BIT(COMPLETE) | BIT(ABORT) |
             BIT(DELETE) | BIT(DELETES),
    STORES = BIT(PUT) | BIT(PUTNEW) | BIT(CREATE) | BIT(PART),
    LISTS = BIT(LIST) | BIT(UPLOADS),
    TELL = LISTS | BIT(CREATE) | BIT(COMPLETE) | BIT(DELETES), /* in words */
};

bool
fakes3_has(enum fakes3_op op, enum fakes3_fault fault)
{
    switch (fault) {
    case S3_FAULT_MISSING:
        return is_one_of(op, BIT(GET) | BIT(HEAD));
    case S3_FAULT_CONFLICT:
    case S3_FAULT_NOT_NEW:
        return is_one_of(op, BIT(PUTNEW) | BIT(COMPLETE));
    case S3_FAULT_ERROR_IN_200:
        return is_one_of(op, WRITES | LISTS | BIT(GET));
    case S3_FAULT_ZOMBIE:
        return is_one_of(op, WRITES);
    case S3_FAULT_FULL:
        return is_one_of(op, STORES);
    case S3_FAULT_FLIPPED:
    case S3_FAULT_SHORTENED:
        return is_one_of(op, BIT(PUT) | BIT(PUTNEW) | BIT(PART));
    case S3_FAULT_FLIP: /* the others' answers have no body */
        return is_one_of(op, BIT(GET) | TELL);
    case S3_FAULT_SHORT:
    case S3_FAULT_NO_LENGTH:
        return is_one_of(op, BIT(GET) | LISTS);
    case S3_FAULT_ETAG:
        return is_one_of(op, BIT(PUT) | BIT(PUTNEW) | BIT(PART) | BIT(GET) | BIT(HEAD));
    case S3_FAULT_STALE:
    case S3_FAULT_UNSEEN:
        return is_one_of(op, LISTS);
    default:
        return true;
    }
}

static bool
can_strike(struct fakes3 *f, const struct s3_call *c, enum fakes3_fault fault)
{
    if (fault == S3_FAULT_MISSING && s3_find(f, c->name) == NULL)
        return false;
    if (fault == S3_FAULT_NOT_NEW && s3_find(f, c->name) != NULL)
        return false;
    if ((fault == S3_FAULT_MOVED || fault == S3_FAULT_NAMELESS) && f->opts.named == NULL)
        return false;
    if (fault == S3_FAULT_ROTATED && f->opts.keys_file == NULL)
        return false;
    return fakes3_has(c->op, fault);
}

/* It was ordered. */
static bool
take_order(struct fakes3 *f, enum fakes3_op op, int fault)
{
    unsigned *n = f->next[op][fault] > 0 ? &f->next[op][fault] : &f->next[S3_OPS][fault];

    if (*n == 0)
        return false;
    (*n)--;
    return true;
}

enum fakes3_fault
s3_draw(struct fakes3 *f, const struct s3_call *c)
{
    for (int i = 0; i < S3_FAULTS; i++) {
        enum fakes3_fault fault = (enum fakes3_fault)i;

        if (!can_strike(f, c, fault))
            continue;
        if (take_order(f, c->op, i) ||
            (f->percent[c->op][i] > 0 && vrv_rand_below(&f->rand, 100) < f->percent[c->op][i])) {
            f->struck[i]++;
            return fault;
        }
    }
    return S3_FAULTS;
}

/* ---- nothing is done ---- */

static void
make_zombie(struct fakes3 *f, const struct httpd_req *q)
{
    struct s3_zombie *z = VRV_NEW(struct s3_zombie);

    z->at_ns = f->opts.clock->mono_ns(f->opts.clock) + f->zombie_ms * S3_MS;
    z->method = vrv_mem_strdup(q->method);
    z->target = vrv_mem_strdup(q->target);
    z->head = vrv_mem_strdup(q->head);
    z->body = vrv_mem_zero(q->body_n + 1);
    memcpy(z->body, q->body, q->body_n);
    z->body_n = q->body_n;
    struct s3_zombie **at = &f->zombies;
    while (*at != NULL)
        at = &(*at)->next;
    *at = z;
}

static void
fail_each(const struct s3_call *c, const char *code, const char *message, struct httpd_reply *a)
{
    char *body = vrv_mem_zero(c->q->body_n + 1), *text, key[1100];
    const char *at = body;
    size_t n;
    FILE *out = s3_xml_open(&text, &n);

    memcpy(body, c->q->body, c->q->body_n);
    (void)fputs("<DeleteResult>", out);
    while (s3_xml_next(&at, "Key", key, sizeof(key))) {
        (void)fputs("<Error><Key>", out);
        s3_xml_text(out, key);
        (void)fprintf(out, "</Key><Code>%s</Code><Message>%s</Message></Error>", code, message);
    }
    (void)fputs("</DeleteResult>", out);
    s3_xml_close(out, &text, a);
    free(body);
}

static void
refuse_all(struct fakes3 *f, struct httpd_reply *a)
{
    f->refuse_until_ns = f->opts.clock->mono_ns(f->opts.clock) + (int64_t)REFUSE_MS * S3_MS;
    httpd_listen(f->httpd, false);
    a->cut_at = 0;
}

/* Where it was nobody is any more. */
static void
move(struct fakes3 *f, bool nameless, struct httpd_reply *a)
{
    f->host = f->host == 1 ? 2 : 1;
    f->moved = true;
    httpd_move(f->httpd, f->host);
    if (nameless)
        f->nameless_until_ns = f->opts.clock->mono_ns(f->opts.clock) + (int64_t)REFUSE_MS * S3_MS;
    f->opts.named(nameless ? 0 : f->host);
    a->cut_at = 0;
}

static void
rotate(struct fakes3 *f, struct httpd_reply *a)
{
    char id[32], secret[32];

    (void)snprintf(id, sizeof(id), "key%u", ++f->rotated);
    (void)snprintf(secret, sizeof(secret), "%016llx", (unsigned long long)vrv_rand_next(&f->rand));
    s3_set_credentials(f, id, secret, NULL);
    s3_error(a, 403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.");
}

static void
say_region(struct fakes3 *f, int status, struct httpd_reply *a)
{
    char message[160];

    httpd_add_header(a, "x-amz-bucket-region", "%s", "eu-elsewhere-1");
    (void)snprintf(message, sizeof(message), "the region '%s' is wrong; expecting 'eu-elsewhere-1'",
        f->opts.region);
    s3_error(
        a, status, status == 301 ? "PermanentRedirect" : "AuthorizationHeaderMalformed", message);
}

static void
say_full(struct fakes3 *f, struct httpd_reply *a)
{
    if (vrv_rand_below(&f->rand, 2) == 0)
        s3_error(a, 507, "InsufficientStorage", "The storage is full");
    else
        s3_error(a, 403, "QuotaExceeded", "The quota of the bucket is exceeded");
}

static const char portal[] = "<!DOCTYPE html><html><body>Please log in</body></html>";

bool
s3_fails(struct fakes3 *f, const struct s3_call *c, enum fakes3_fault fault, struct httpd_reply *a)
{
    switch (fault) {
    case S3_FAULT_REFUSE:
        refuse_all(f, a);
        return true;
    case S3_FAULT_MOVED:
    case S3_FAULT_NAMELESS:
        move(f, fault == S3_FAULT_NAMELESS, a);
        return true;
    case S3_FAULT_REQUEST_LOST:
        a->cut_at = 0;
        return true;
    case S3_FAULT_ALERT:
        a->alert = true;
        return true;
    case S3_FAULT_ZOMBIE:
        make_zombie(f, c->q);
        a->wait_ms = -1;
        return true;
    case S3_FAULT_HANG:
        a->wait_ms = -1;
        return true;
    case S3_FAULT_SLOW_DOWN:
        s3_error(a, 503, "SlowDown", "Please reduce your request rate.");
        if (vrv_rand_below(&f->rand, 2) == 0)
            httpd_add_header(a, "Retry-After", "%d", 2);
        return true;
    case S3_FAULT_TOO_MANY:
        s3_error(a, 429, "TooManyRequests", "Please reduce your request rate.");
        return true;
    case S3_FAULT_ERROR:
        s3_error(a, 500, "InternalError", "We encountered an internal error. Please try again.");
        return true;
    case S3_FAULT_TIMEOUT:
        s3_error(a, 400, "RequestTimeout",
            "Your socket connection to the server was not read from or written to within the "
            "timeout period.");
        a->close = true;
        return true;
    case S3_FAULT_DENIED:
        if (c->op == S3_DELETES) /* as Amazon's does */
            fail_each(c, "AccessDenied", "Access Denied", a);
        else
            s3_error(a, 403, "AccessDenied", "Access Denied");
        return true;
    case S3_FAULT_EXPIRED:
        s3_error(a, 400, "ExpiredToken", "The provided token has expired.");
        return true;
    case S3_FAULT_ROTATED:
        rotate(f, a);
        return true;
    case S3_FAULT_SKEWED:
        s3_error_skewed(f, a);
        return true;
    case S3_FAULT_REGION:
        say_region(f, 400, a);
        return true;
    case S3_FAULT_REDIRECT:
        say_region(f, 301, a);
        return true;
    case S3_FAULT_FULL:
        say_full(f, a);
        return true;
    case S3_FAULT_MISSING:
        s3_error(a, 404, "NoSuchKey", "The specified key does not exist.");
        return true;
    case S3_FAULT_CONFLICT:
        s3_error(a, 409, "ConditionalRequestConflict",
            "A conflicting conditional operation is currently in progress against this resource.");
        return true;
    case S3_FAULT_NOT_NEW:
        s3_error(a, 412, "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold");
        return true;
    case S3_FAULT_ERROR_IN_200:
        if (c->op == S3_DELETES)
            fail_each(c, "InternalError", "We encountered an internal error.", a);
        else
            s3_error(
                a, 200, "InternalError", "We encountered an internal error. Please try again.");
        return true;
    case S3_FAULT_PORTAL:
        httpd_add_header(a, "Content-Type", "%s", "text/html");
        httpd_set_body(a, portal, sizeof(portal) - 1);
        return true;
    default:
        return false;
    }
}

/* ---- it is done, but the answer ... ---- */

static void
shorten(struct fakes3 *f, struct httpd_reply *a)
{
    if (a->status / 100 == 2 && a->body_n > 0)
        a->body_n = (size_t)vrv_rand_below(&f->rand, a->body_n);
}

static void
flip(struct fakes3 *f, struct httpd_reply *a)
{
    if (a->status / 100 == 2 && a->body_n > 0)
        a->body[vrv_rand_below(&f->rand, a->body_n)] ^=
            (uint8_t)(1u << vrv_rand_below(&f->rand, 8));
}

static void
change_etag(struct httpd_reply *a)
{
    char *etag = strstr(a->headers, "ETag: \"");

    if (etag != NULL)
        etag[7] = etag[7] == '0' ? '1' : '0';
}

void
s3_spoil(struct fakes3 *f, enum fakes3_fault fault, struct httpd_reply *a)
{
    size_t about = strlen(a->headers) + a->body_n + 20;

    switch (fault) {
    case S3_FAULT_ANSWER_LOST:
        a->cut_at = 0;
        a->reset = true;
        break;
    case S3_FAULT_SILENT:
        a->wait_ms = -1;
        break;
    case S3_FAULT_ERROR_DONE:
        a->headers[0] = '\0';
        s3_error(a, 500, "InternalError", "We encountered an internal error. Please try again.");
        break;
    case S3_FAULT_LATE:
        a->wait_ms = 1 + (int64_t)vrv_rand_below(&f->rand, (uint64_t)f->late_ms);
        break;
    case S3_FAULT_CUT:
        a->cut_at = (size_t)vrv_rand_below(&f->rand, about);
        break;
    case S3_FAULT_DRIP:
        a->drip = 1 + about / 16;
        break;
    case S3_FAULT_FLIP:
        flip(f, a);
        break;
    case S3_FAULT_NO_LENGTH:
        a->no_length = true;
        shorten(f, a);
        break;
    case S3_FAULT_SHORT:
        shorten(f, a);
        break;
    case S3_FAULT_ETAG:
        change_etag(a);
        break;
    default:
        break;
    }
}

/* ---- all the time ---- */

bool
s3_is_throttled(struct fakes3 *f)
{
    int64_t second = f->opts.clock->mono_ns(f->opts.clock) / ((int64_t)1000 * S3_MS);

    if (second != f->second)
        f->this_s = 0;
    f->second = second;
    return f->per_s > 0 && ++f->this_s > f->per_s;
}

static void
free_zombie(struct s3_zombie *z)
{
    free(z->method);
    free(z->target);
    free(z->head);
    free(z->body);
    free(z);
}

void
s3_faults_tick(struct fakes3 *f)
{
    int64_t now = f->opts.clock->mono_ns(f->opts.clock);

    if (f->refuse_until_ns != 0 && now >= f->refuse_until_ns) {
        f->refuse_until_ns = 0;
        httpd_listen(f->httpd, true);
    }
    if (f->nameless_until_ns != 0 && now >= f->nameless_until_ns) {
        f->nameless_until_ns = 0;
        f->opts.named(f->host);
    }
    if (f->moved)
        httpd_drop_kept(f->httpd);
    f->moved = false;
    while (f->zombies != NULL && f->zombies->at_ns <= now) {
        struct s3_zombie *z = f->zombies;
        struct httpd_req q = { .method = z->method,
            .target = z->target,
            .head = z->head,
            .body = z->body,
            .body_n = z->body_n };
        struct httpd_reply a = { .status = 200 };

        f->zombies = z->next;
        s3_answer(f, &q, &a, false);
        free(a.body);
        free_zombie(z);
    }
}

void
s3_zombies_free(struct fakes3 *f)
{
    while (f->zombies != NULL) {
        struct s3_zombie *z = f->zombies;

        f->zombies = z->next;
        free_zombie(z);
    }
}
