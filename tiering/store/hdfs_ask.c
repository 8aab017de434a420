/*
 * An operation of WebHDFS: a name node is asked, and says which data node does it.
 *
 *   name nodes, the active one first ─► done, or a redirection ─► data node ─► done
 *       │ stands by, isn't there               ▲                     │ isn't there
 *       └─► the next one                       └── another one ◄─────┘
 *
 * But for those that publish something all may be done twice: who doesn't answer is passed over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/secret.h"
#include "tiering/store/hdfs_int.h"
#include "tiering/store/times.h"

enum {
    LOOK_MS = 200,        /* between looks at what else may have happened */
    DATA_TRIES = 3,       /* data nodes that aren't there */
    AUTH_MAX = 3 * VRV_SECRET_MAX + 64,
    AVOIDED_MAX = VRV__HDFS_AVOIDED_MAX * (VRV_HTTP_PEER + 1) + 32,
    URL_MAX = VRV__HDFS_PARAMS_MAX + AUTH_MAX + AVOIDED_MAX + 2048,
};

#define AVOID_NS (60 * 1000000000LL)

/* ---- who we are ---- */

/* "&delegation=...", "&user.name=..." or "". */
static int
authenticate(const struct vrv__hdfs *h, char out[AUTH_MAX], struct vrv_err *e)
{
    char token[VRV_SECRET_MAX];
    const char *what = "&delegation=", *value = token;
    int rc = 0;

    out[0] = '\0';
    if (h->token_file != NULL) {
        rc = vrv_secret_file("tier.hdfs.token.file", h->token_file, token, e);
    } else {
        what = "&user.name=";
        value = h->user;
    }
    if (rc < 0 || value == NULL)
        return rc;
    size_t n = strlen(what);
    memcpy(out, what, n);
    vrv_http_escape(out + n, AUTH_MAX - n, value, "");
    return 0;
}

/* ---- data nodes that don't answer ---- */

/* By its address, as name nodes know it; of one whose name isn't known there is none. */
static void
avoid(struct vrv__hdfs *h, const char *address)
{
    int64_t now = h->clock->mono_ns(h->clock);
    struct vrv__hdfs_avoided *at = &h->avoided[0];

    if (address[0] == '\0')
        return;
    vrv_lock(&h->lock);
    for (int i = 0; i < VRV__HDFS_AVOIDED_MAX; i++) {
        if (strcmp(h->avoided[i].address, address) == 0) {
            at = &h->avoided[i];
            break;
        }
        if (h->avoided[i].until_ns < at->until_ns)
            at = &h->avoided[i];
    }
    (void)snprintf(at->address, sizeof(at->address), "%s", address);
    at->until_ns = now + AVOID_NS;
    vrv_unlock(&h->lock);
}

static void
avoid_none(struct vrv__hdfs *h)
{
    vrv_lock(&h->lock);
    memset(h->avoided, 0, sizeof(h->avoided));
    vrv_unlock(&h->lock);
}

/* "&excludedatanodes=10.0.0.1,10.0.0.2" or "". */
static void
list_avoided(struct vrv__hdfs *h, char out[AVOIDED_MAX])
{
    int64_t now = h->clock->mono_ns(h->clock);
    size_t at = 0;

    out[0] = '\0';
    vrv_lock(&h->lock);
    for (int i = 0; i < VRV__HDFS_AVOIDED_MAX; i++)
        if (h->avoided[i].until_ns > now)
            at += (size_t)snprintf(out + at, AVOIDED_MAX - at, "%s%s",
                at == 0 ? "&excludedatanodes=" : ",", h->avoided[i].address);
    vrv_unlock(&h->lock);
}

/* ---- requests ---- */

/* Until it is answered, or the call isn't wanted any more. */
static void
await(struct vrv__hdfs_job *j, struct vrv_http_req *r)
{
    struct vrv__hdfs *h = j->h;
    bool cancelled = false;

    r->done = (struct vrv_done){ .cq = &j->cq };
    r->lane = j->call->lane;
    r->deadline_ns = j->call->deadline_ns;
    vrv_http_submit(h->http, r);
    while (vrv_cq_take(&j->cq, LOOK_MS) == NULL) {
        vrv_workers_expire(h->workers);
        if (!cancelled && vrv_workers_is_cancelled(h->workers, j->call)) {
            vrv_http_cancel(h->http, r);
            cancelled = true;
        }
    }
}

static bool
only_reads(enum vrv_store_op op)
{
    return op == VRV_STORE_GET || op == VRV_STORE_VERIFY || op == VRV_STORE_LIST;
}

/* There is no answer, or one that can't be read: what may be said of the call? */
static int
lost(const struct vrv__hdfs_job *j, const struct vrv__hdfs_op *op, const struct vrv_http_req *r)
{
    bool maybe = r->status == VRV_E_UNKNOWN || r->status == VRV_E_TIMEDOUT ||
        (r->status == VRV_E_CORRUPT && op->publishes);

    if (maybe && r->sent && op->publishes)
        return VRV_E_UNKNOWN;
    if (r->status == VRV_E_TIMEDOUT && only_reads(j->call->op))
        return VRV_E_TIMEDOUT;
    return maybe ? VRV_E_UNREACHABLE : r->status;
}

/* What failed there, or in a proxy between, may have been done before: only a refusal is one. */
static int
doubt(struct vrv__hdfs_job *j, const struct vrv__hdfs_op *op, const struct vrv_http_req *r, int rc)
{
    if (op->publishes && r->code >= 500 && (rc == VRV_E_IO || rc == VRV_E_BUSY))
        return vrv_err_prefix(&j->call->err, VRV_E_UNKNOWN, "it may have got its name");
    return rc;
}

static void
take_answer(struct vrv__hdfs_op *op, struct vrv_http_req *r)
{
    op->got = r->got;
    op->date_ms = vrv_time_http(vrv_http_header(r, "date"));
    free(op->text);
    op->text = r->text;
    r->text = NULL;
}

/* Who is asked over TLS may not send us, and a token with us, to where there is none. */
static bool
is_in_clear(const struct vrv__hdfs *h, const char *location)
{
    return h->url.tls && strncasecmp(location, "https://", 8) != 0;
}

/* 0: it is done, or *location is where it will be. */
static int
ask_name(struct vrv__hdfs_job *j, struct vrv__hdfs_op *op, unsigned node, const char *more, char **location)
{
    struct vrv__hdfs *h = j->h;
    struct vrv_http_req r = { .method = op->method, .has_body = strcmp(op->method, "PUT") == 0 ||
            strcmp(op->method, "POST") == 0, .buf = op->buf, .cap = op->cap };
    char *url = vrv_mem_zero(URL_MAX), who[VRV__HDFS_HOST_MAX + 16];
    int n = snprintf(url, URL_MAX, "http%s://%s/webhdfs/v1%s%s%s?op=%s%s%s", h->url.tls ? "s" : "",
        h->url.names[node], h->url.root, op->path[0] != '\0' || h->url.root[0] == '\0' ? "/" : "",
        op->path, op->name, op->params, more);

    VRV_ASSERT(n > 0 && n < URL_MAX);
    r.url = url;
    await(j, &r);
    const char *to = r.status == 0 ? vrv_http_header(&r, "location") : NULL;
    int rc = 0;
    if (r.status < 0) {
        rc = lost(j, op, &r);
        j->call->err = r.err;
    } else if (r.code / 100 == 2) {
        take_answer(op, &r);
    } else if (r.code / 100 == 3 && to != NULL && op->redirects) {
        if (is_in_clear(h, to))
            rc = vrv_err_set(&j->call->err, VRV_E_DENIED, "name node %s: it sends us to a data node without TLS; set "
                "dfs.http.policy=HTTPS_ONLY on data nodes, too", h->url.names[node]);
        else
            *location = vrv_mem_strdup(to);
    } else {
        (void)snprintf(who, sizeof(who), "name node %s", h->url.names[node]);
        rc = doubt(j, op, &r, vrv__hdfs_refused(who, r.code, r.text, r.got, &j->call->err));
    }
    vrv_http_free(&r);
    free(url);
    return rc;
}

/* The one to ask first from now on, unless another thread knows better. */
static void
pass_over(struct vrv__hdfs *h, unsigned node)
{
    unsigned is = node;

    (void)atomic_compare_exchange_strong(&h->active, &is, (node + 1) % h->url.n);
}

static int
ask_names(struct vrv__hdfs_job *j, struct vrv__hdfs_op *op, const char *more, char **location)
{
    struct vrv__hdfs *h = j->h;
    unsigned first = atomic_load(&h->active);
    int rc = VRV_E_UNREACHABLE;

    for (unsigned i = 0; i < h->url.n; i++) {
        unsigned node = (first + i) % h->url.n;

        rc = ask_name(j, op, node, more, location);
        bool silent = rc == VRV_E_UNREACHABLE || rc == VRV_E_TIMEDOUT || rc == VRV_E_UNKNOWN;
        if (silent || rc == VRV_E_AGAIN)
            pass_over(h, node);
        else
            break;
        if (rc == VRV_E_UNKNOWN)
            break;
    }
    if (rc == VRV_E_AGAIN)
        return vrv_err_prefix(&j->call->err, VRV_E_UNREACHABLE, "no name node of %u is active: make one, or name all "
            "of them in tier.store.url", h->url.n);
    return rc;
}

/* *again: it never came to know of it, or another one can as well say what there is to read. */
static int
ask_data(struct vrv__hdfs_job *j, struct vrv__hdfs_op *op, const char *location, bool *again)
{
    static const char *const headers[] = { "Content-Type: application/octet-stream" };
    struct vrv_http_req r = { .method = op->method, .url = location, .headers = headers,
        .header_n = op->iov_n > 0, .has_body = strcmp(op->method, "GET") != 0, .iov = op->iov,
        .iov_n = op->iov_n, .size = op->size, .buf = op->buf, .cap = op->cap };
    int rc = 0;

    await(j, &r);
    *again = r.status < 0 && r.status != VRV_E_CANCELLED && (!r.sent || !r.has_body);
    if (r.status < 0) {
        rc = lost(j, op, &r);
        j->call->err = r.err;
        if (rc != VRV_E_CANCELLED)
            avoid(j->h, r.peer);
    } else if (r.code / 100 == 2) {
        take_answer(op, &r);
    } else {
        rc = vrv__hdfs_refused("a data node", r.code, r.text, r.got, &j->call->err);
    }
    vrv_http_free(&r);
    return rc == VRV_E_AGAIN ? VRV_E_UNREACHABLE : rc;
}

/* *again: another data node may do it. */
static int
ask_once(struct vrv__hdfs_job *j, struct vrv__hdfs_op *op, const char *auth, bool *again)
{
    char *more = vrv_mem_zero(AUTH_MAX + AVOIDED_MAX), *location = NULL;
    size_t n = strlen(auth);

    *again = false;
    memcpy(more, auth, n);
    if (op->redirects)
        list_avoided(j->h, more + n);
    int rc = ask_names(j, op, more, &location);
    if (rc == VRV_E_IO && more[n] != '\0') { /* perhaps those are all that there are */
        avoid_none(j->h);
        more[n] = '\0';
        rc = ask_names(j, op, more, &location);
    }
    if (rc == 0 && location != NULL)
        rc = ask_data(j, op, location, again);
    free(location);
    free(more);
    return rc;
}

int
vrv__hdfs_ask(struct vrv__hdfs_job *j, struct vrv__hdfs_op *op)
{
    char *auth = vrv_mem_zero(AUTH_MAX);
    bool again = true;
    int rc = authenticate(j->h, auth, &j->call->err);

    if (rc == 0)
        for (int tries = 0; again && tries < DATA_TRIES; tries++)
            rc = ask_once(j, op, auth, &again);
    free(auth);
    return rc;
}
