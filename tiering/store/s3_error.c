/*
 * What an answer means that isn't what was asked for: a status of store.h, and a sentence that says
 * what to do.  S3's own code counts where there is one, HTTP's otherwise: proxies and other servers
 * have those.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tiering/store/s3_int.h"
#include "tiering/store/times.h"

/* What is worth telling of an answer. */
struct says {
    char code[64], message[120], region[64], endpoint[128], server_time[40], request[48];
};

enum { WAIT_MAX_S = 3600, SKEW_LEAST_MS = 60000 /* stores mind 15 minutes */ };

enum { MAYBE = 1 }; /* no status: UNKNOWN of a write, IO of what only reads */

/* ---- sentences */

static const char no_such_keys[] =
    "the access key isn't known there: correct what tier.s3.credentials names";
static const char bad_secret[] = "the secret key isn't that of the access key (or a proxy changes "
    "requests): correct what tier.s3.credentials names";
static const char expired[] =
    "the keys have expired: put newer ones where tier.s3.credentials says";
static const char unknown_caller[] = "it doesn't take our keys: correct what tier.s3.credentials names";
static const char closed[] = "the account there is closed or blocked: ask whose it is";
static const char damaged[] = "it was damaged on its way there";
static const char quota[] = "the quota there is used up: raise it, or free space";
static const char full[] = "the store has no space left: give it more, or free some";
static const char archived[] =
    "it is in an archive's storage class: restore it there before it is read";

/* Those that depend on what the answer says. */
typedef void teller(const struct vrv__s3_op *op, const struct says *s, char *out, size_t n);

static void
no_bucket(const struct vrv__s3_op *op, const struct says *s, char *out, size_t n)
{
    (void)s;
    (void)snprintf(
        out, n, "there is no bucket %s: create it, or correct tier.store.url", op->s3->bucket);
}

static void
elsewhere(const struct vrv__s3_op *op, const struct says *s, char *out, size_t n)
{
    if (s->region[0] != '\0' && strcmp(s->region, op->s3->region) != 0)
        (void)snprintf(out, n, "it is in region %.40s: set tier.s3.region to that, not %.40s", s->region,
            op->s3->region);
    else if (s->endpoint[0] != '\0')
        (void)snprintf(out, n, "it is at %.80s: set tier.s3.endpoint to that", s->endpoint);
    else
        (void)snprintf(out, n,
            "it is somewhere else: correct tier.s3.endpoint or tier.s3.region (now %s)",
            op->s3->region);
}

/* What time the store has; -1: it doesn't say. */
static int64_t
time_there(const struct vrv__s3_op *op, const struct says *s)
{
    int64_t there = vrv_time_iso(s->server_time);

    return there >= 0 ? there : vrv_time_http(vrv_http_header(&op->http, "date"));
}

static void
skewed(const struct vrv__s3_op *op, const struct says *s, char *out, size_t n)
{
    char ours[VRV_SIGV4_DATE], theirs[VRV_SIGV4_DATE] = "another time";
    int64_t there = time_there(op, s);

    vrv_sigv4_date(ours, op->s3->clock->wall_ms(op->s3->clock));
    if (there >= 0)
        vrv_sigv4_date(theirs, there);
    (void)snprintf(out, n, "the clock here says %s, the store's %s: set the wrong one right", ours,
        theirs);
}

static void
not_allowed(const struct vrv__s3_op *op, const struct says *s, char *out, size_t n)
{
    static const char *const permission[VRV_STORE_OPS] = { [VRV_STORE_PUT] = "s3:PutObject",
        [VRV_STORE_BEGIN] = "s3:PutObject", [VRV_STORE_PART_N] = "s3:PutObject",
        [VRV_STORE_END] = "s3:PutObject", [VRV_STORE_ABORT] = "s3:AbortMultipartUpload",
        [VRV_STORE_GET] = "s3:GetObject (and s3:ListBucket, to be told what isn't there)",
        [VRV_STORE_VERIFY] = "s3:GetObject (and s3:ListBucket, to be told what isn't there)",
        [VRV_STORE_LIST] = "s3:ListBucket", [VRV_STORE_DELETE] = "s3:DeleteObject",
        [VRV_STORE_SWEEP] = "s3:ListBucketMultipartUploads and s3:AbortMultipartUpload" };

    (void)s;
    (void)snprintf(
        out, n, "not allowed: grant %s on s3://%s", permission[op->call->op], op->s3->bucket);
}

static void
bad_class(const struct vrv__s3_op *op, const struct says *s, char *out, size_t n)
{
    (void)s;
    (void)snprintf(out, n, "the store has no storage class %.60s: correct tier.s3.storage.class",
        op->s3->storage_class != NULL ? op->s3->storage_class : "");
}

static void
bad_encryption(const struct vrv__s3_op *op, const struct says *s, char *out, size_t n)
{
    (void)op;
    (void)snprintf(out, n,
        "the store can't encrypt so: correct tier.s3.sse and tier.s3.sse.kms.key (%.80s)", s->message);
}

static void
no_s3(const struct vrv__s3_op *op, const struct says *s, char *out, size_t n)
{
    (void)s;
    (void)snprintf(
        out, n, "%.90s doesn't answer as S3 does: is tier.s3.endpoint right?", op->s3->base);
}

/* ---- what each code means */

static const struct meaning {
    const char *code;        /* a star at its end: all that begin so */
    int status;
    const char *text;        /* a sentence, */
    teller *say;             /* ... or who makes it; neither: the store's own words */
    bool keys;               /* other keys may help */
} meanings[] = {
    { "NoSuchKey", VRV_E_NOTFOUND, NULL, NULL, false },
    { "NoSuchUpload", VRV_E_NOTFOUND, NULL, NULL, false },
    { "InvalidPart", VRV_E_NOTFOUND, NULL, NULL, false }, /* of END: it has lost one */
    { "NoSuchBucket", VRV_E_INVALID, NULL, no_bucket, false },
    { "InvalidBucketName", VRV_E_INVALID, NULL, no_bucket, false },
    { "PreconditionFailed", VRV_E_EXISTS, NULL, NULL, false },
    /* somebody writes that name just now: it is there soon, or isn't */
    { "ConditionalRequestConflict", VRV_E_EXISTS, NULL, NULL, false },
    { "OperationAborted", VRV_E_BUSY, NULL, NULL, false },
    { "SlowDown", VRV_E_BUSY, NULL, NULL, false },
    { "ServiceUnavailable", VRV_E_BUSY, NULL, NULL, false },
    { "TooManyRequests", VRV_E_BUSY, NULL, NULL, false },
    { "Throttling*", VRV_E_BUSY, NULL, NULL, false },
    { "RequestLimitExceeded", VRV_E_BUSY, NULL, NULL, false },
    { "InternalError", MAYBE, NULL, NULL, false },
    { "RequestTimeout", VRV_E_IO, NULL, NULL, false },
    { "AuthorizationHeaderMalformed", VRV_E_INVALID, NULL, elsewhere, false },
    { "PermanentRedirect", VRV_E_INVALID, NULL, elsewhere, false },
    { "IllegalLocationConstraintException", VRV_E_INVALID, NULL, elsewhere, false },
    { "TemporaryRedirect", VRV_E_IO, NULL, elsewhere, false },
    { "InvalidAccessKeyId", VRV_E_DENIED, no_such_keys, NULL, true },
    { "XAdminUserNotFound", VRV_E_DENIED, no_such_keys, NULL, true }, /* versitygw's, with 404 */
    { "SignatureDoesNotMatch", VRV_E_DENIED, bad_secret, NULL, true },
    { "ExpiredToken", VRV_E_DENIED, expired, NULL, true },
    { "TokenRefreshRequired", VRV_E_DENIED, expired, NULL, true },
    { "InvalidToken", VRV_E_DENIED, expired, NULL, true },
    { "RequestTimeTooSkewed", VRV_E_DENIED, NULL, skewed, false },
    { "RequestExpired", VRV_E_DENIED, NULL, skewed, false },
    { "AccessDenied", VRV_E_DENIED, NULL, not_allowed, true },
    { "AllAccessDisabled", VRV_E_DENIED, closed, NULL, false },
    { "AccountProblem", VRV_E_DENIED, closed, NULL, false },
    { "KMS.*", VRV_E_DENIED, NULL, bad_encryption, false },
    { "InvalidEncryptionAlgorithmError", VRV_E_INVALID, NULL, bad_encryption, false },
    { "InvalidStorageClass", VRV_E_INVALID, NULL, bad_class, false },
    { "InvalidObjectState", VRV_E_INVALID, archived, NULL, false },
    { "BadDigest", VRV_E_IO, damaged, NULL, false },
    { "InvalidDigest", VRV_E_IO, damaged, NULL, false },
    { "XAmzContentSHA256Mismatch", VRV_E_IO, damaged, NULL, false },
    { "XAmzContentChecksumMismatch", VRV_E_IO, damaged, NULL, false },
    { "IncompleteBody", VRV_E_IO, damaged, NULL, false },
    { "QuotaExceeded", VRV_E_NOSPACE, quota, NULL, false },
    { "InsufficientStorage*", VRV_E_NOSPACE, full, NULL, false },
    { "XMinioStorageFull", VRV_E_NOSPACE, full, NULL, false },
};

static const struct meaning of_status[] = {
    { "301", VRV_E_INVALID, NULL, elsewhere, false },
    { "302", VRV_E_INVALID, NULL, elsewhere, false },
    { "307", VRV_E_IO, NULL, elsewhere, false },
    { "308", VRV_E_INVALID, NULL, elsewhere, false },
    { "401", VRV_E_DENIED, unknown_caller, NULL, true },
    { "403", VRV_E_DENIED, NULL, not_allowed, true },
    { "404", VRV_E_IO, NULL, no_s3, false },
    { "405", VRV_E_INVALID, NULL, NULL, false },
    { "408", VRV_E_IO, NULL, NULL, false },
    { "409", VRV_E_BUSY, NULL, NULL, false },
    { "412", VRV_E_EXISTS, NULL, NULL, false },
    { "429", VRV_E_BUSY, NULL, NULL, false },
    { "501", VRV_E_INVALID, NULL, NULL, false },
    { "503", MAYBE, NULL, NULL, false },
    { "507", VRV_E_NOSPACE, full, NULL, false },
    { "4*", VRV_E_INVALID, NULL, NULL, false },
    { "5*", MAYBE, NULL, NULL, false },
    { "*", MAYBE, NULL, no_s3, false },
};

static bool
is_code(const char *pattern, const char *code)
{
    size_t n = strcspn(pattern, "*");

    return pattern[n] == '*' ? strncmp(pattern, code, n) == 0 : strcmp(pattern, code) == 0;
}

static const struct meaning *
meaning_of(const char *code, int http)
{
    char number[16];
    size_t i = 0;

    for (i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
        if (is_code(meanings[i].code, code))
            return &meanings[i];
    (void)snprintf(number, sizeof(number), "%d", http);
    for (i = 0; !is_code(of_status[i].code, number); i++)
        ;
    return &of_status[i];
}

/* ---- what an answer says ---- */

static void
copy_header(const struct vrv__s3_op *op, const char *name, char *out, size_t n)
{
    const char *value = vrv_http_header(&op->http, name);

    if (value != NULL && out[0] == '\0')
        (void)snprintf(out, n, "%s", value);
}

static void
listen_to(const struct vrv__s3_op *op, struct says *s)
{
    const struct vrv_xml_node *error;
    struct vrv_xml *x;

    *s = (struct says){ "", "", "", "", "", "" };
    if (op->http.text != NULL && vrv_xml_parse(&x, op->http.text, op->http.got, NULL) == 0) {
        error = vrv_xml_root(x, "Error");
        if (error != NULL) {
            (void)vrv_xml_text(error, "Code", s->code, sizeof(s->code));
            vrv_xml_words(error, "Message", s->message, sizeof(s->message));
            (void)vrv_xml_text(error, "Region", s->region, sizeof(s->region));
            (void)vrv_xml_text(error, "Endpoint", s->endpoint, sizeof(s->endpoint));
            (void)vrv_xml_text(error, "ServerTime", s->server_time, sizeof(s->server_time));
            (void)vrv_xml_text(error, "RequestId", s->request, sizeof(s->request));
        }
        vrv_xml_free(&x);
    }
    copy_header(op, "x-amz-bucket-region", s->region, sizeof(s->region));
    copy_header(op, "location", s->endpoint, sizeof(s->endpoint));
    s->request[0] = '\0'; /* the header's is what their logs have */
    copy_header(op, "x-amz-request-id", s->request, sizeof(s->request));
}

static bool
only_reads(const struct vrv__s3_op *op)
{
    enum vrv_store_op what = op->call->op;

    return what == VRV_STORE_GET || what == VRV_STORE_VERIFY || what == VRV_STORE_LIST;
}

/* In seconds; those who give a date mean it less. */
static int64_t
asked_to_wait_ms(const struct vrv__s3_op *op)
{
    const char *wait = vrv_http_header(&op->http, "retry-after");
    long s = wait != NULL ? strtol(wait, NULL, 10) : 0;

    return s > 0 && s < WAIT_MAX_S ? s * 1000 : 0;
}

/* No answer, or half of one. */
static int
without_answer(const struct vrv__s3_op *op)
{
    int status = op->http.status;

    if (status == VRV_E_DENIED || status == VRV_E_CANCELLED || status == VRV_E_UNREACHABLE)
        return status;
    if (only_reads(op))
        return status == VRV_E_TIMEDOUT ? status : VRV_E_IO;
    return op->http.sent ? VRV_E_UNKNOWN : VRV_E_UNREACHABLE;
}

/* The sentence says what to do, and stays whole; of the name there is what room that and `more` leave. */
void
vrv__s3_tell(struct vrv_err *e, int status, const char *op, const char *name, const char *sentence,
    const char *more)
{
    enum { NAME_LEAST = 24, NAME_MOST = 100, PREFIX = 24 }; /* of who asked for it */
    size_t room = sizeof(e->msg) - sizeof(" of ...: ") - PREFIX, n = strlen(name), most = NAME_LEAST;
    size_t taken = strlen(op) + strlen(sentence) + strlen(more);

    if (taken + NAME_LEAST > room) /* it is for those who look into a store's log */
        more = "";
    if (taken + NAME_LEAST < room)
        most = room - taken < NAME_MOST ? room - taken : NAME_MOST;
    (void)vrv_err_set(e, status, "%s of %.*s%s: %s%s", op, (int)(n <= most ? n : most), name,
        n <= most ? "" : "...", sentence, more);
}

static void
finish(
    struct vrv__s3_op *op, int status, const char *code, const char *sentence, const char *request)
{
    const struct vrv_store_call *c = op->call;
    bool named = request[0] != '\0';
    char more[128];

    (void)snprintf(more, sizeof(more), " (%s%s%s)", code, named ? ", request " : "", request);
    vrv__s3_tell(&op->call->err, status, vrv_store_op_name(c->op),
        c->key != NULL && *c->key != '\0' ? c->key : op->s3->url, sentence, more);
    vrv__s3_finish(op, status);
}

static int
status_of(const struct vrv__s3_op *op, const struct meaning *m)
{
    if (op->call->op == VRV_STORE_END && strcmp(m->code, "BadDigest") == 0)
        return VRV_E_NOTFOUND; /* a part is damaged there: to end the upload again makes it no better */
    if (m->status != MAYBE)
        return m->status;
    return only_reads(op) ? VRV_E_IO : VRV_E_UNKNOWN;
}

/* Behind "<?xml ... ?>": is it this element that all others are in? */
static bool
is_root(const char *xml, const char *name)
{
    const char *p = xml + strspn(xml, " \t\r\n");

    if (strncmp(p, "<?", 2) == 0) {
        p = strstr(p, "?>");
        p = p != NULL ? p + 2 + strspn(p + 2, " \t\r\n") : "";
    }
    size_t n = strlen(name);
    return *p == '<' && strncmp(p + 1, name, n) == 0 && strchr(" \t\r\n/>", p[1 + n]) != NULL;
}

bool
vrv__s3_is_good(const struct vrv__s3_op *op)
{
    return op->http.code / 100 == 2 && (op->http.text == NULL || !is_root(op->http.text, "Error"));
}

int
vrv__s3_meaning(const struct vrv__s3_op *op)
{
    struct says s;

    listen_to(op, &s);
    return status_of(op, meaning_of(s.code, op->http.code));
}

int
vrv__s3_code_means(const struct vrv__s3_op *op, const char *code, char *sentence, size_t n)
{
    const struct meaning *m = meaning_of(code, 0);
    const struct says nothing = { .code = "" };

    sentence[0] = '\0';
    if (m->say != NULL)
        m->say(op, &nothing, sentence, n);
    else if (m->text != NULL)
        (void)snprintf(sentence, n, "%s", m->text);
    return status_of(op, m);
}

/* An answer, of which there are words or none. */
static void
finish_refused(struct vrv__s3_op *op, const struct meaning *m, const struct says *s)
{
    char sentence[VRV__S3_SENTENCE], number[16];

    (void)snprintf(number, sizeof(number), "HTTP %d", op->http.code);
    if (m->say != NULL)
        m->say(op, s, sentence, sizeof(sentence));
    else
        (void)snprintf(sentence, sizeof(sentence), "%s",
            m->text != NULL ? m->text : s->message[0] != '\0' ? s->message : "it says no more");
    op->call->wait_ms = asked_to_wait_ms(op);
    finish(op, status_of(op, m), s->code[0] != '\0' ? s->code : number, sentence, s->request);
}

/*
 * It was refused for its time, or for no reason that is told, as HEAD is: if the store's clock is
 * far from the one that signed, the store's signs from now on.
 */
static bool
takes_its_time(struct vrv__s3_op *op, const struct meaning *m, const struct says *s)
{
    bool may_be = m->say == skewed || (s->code[0] == '\0' && op->http.code == 403);
    int64_t there = time_there(op, s), skew = there - op->s3->clock->wall_ms(op->s3->clock);

    /* signed by that time, and refused for it: who told it isn't who looks at it (a proxy) */
    if (llabs(skew) < SKEW_LEAST_MS || (m->say == skewed && llabs(skew - op->skew_ms) < SKEW_LEAST_MS))
        skew = 0;
    if (!may_be || op->retimed || op->cancelled || there < 0 || llabs(skew - op->skew_ms) < SKEW_LEAST_MS)
        return false;
    atomic_store(&op->s3->store.skew_ms, skew);
    op->retimed = true;
    op->resent = false; /* nothing was said of its keys */
    return true;
}

void
vrv__s3_refused(struct vrv__s3_op *op)
{
    struct says s;

    if (op->http.status < 0) {
        op->call->err = op->http.err;
        vrv__s3_finish(op, without_answer(op));
        return;
    }
    listen_to(op, &s);
    const struct meaning *m = meaning_of(s.code, op->http.code);
    if (takes_its_time(op, m, &s)) {
        vrv_creds_ask(op->s3->creds, &op->wait);
    } else if (m->keys && !op->resent && !op->cancelled && vrv_creds_refused(op->s3->creds, op->version)) {
        op->resent = true;
        vrv_creds_ask(op->s3->creds, &op->wait);
    } else {
        finish_refused(op, m, &s);
    }
}

void
vrv__s3_misanswered(struct vrv__s3_op *op, const char *expected)
{
    char sentence[64];
    struct says s;

    listen_to(op, &s);
    if (s.code[0] != '\0') { /* it was an error after all */
        vrv__s3_refused(op);
        return;
    }
    (void)snprintf(sentence, sizeof(sentence), "the answer has no %s", expected);
    finish(op, only_reads(op) ? VRV_E_IO : VRV_E_UNKNOWN, "HTTP 200", sentence, s.request);
}
