/* How a request ended: a status, and a sentence that says where, what, and what to do. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tiering/store/http_int.h"

enum { MS = 1000000 };

static const char check_load[] = "is the store overloaded, or the network?";
static const char check_network[] = "check its address, the network, and the proxy if there is one";

void
vrv__http_where(const char *url, char *out, size_t n)
{
    const char *p = strstr(url, "://");

    p = p == NULL ? url : p + 3;
    size_t len = strcspn(p, "/?#");
    const char *at = memchr(p, '@', len);
    if (at != NULL) { /* a password may stand before it */
        len -= (size_t)(at + 1 - p);
        p = at + 1;
    }
    (void)snprintf(out, n, "%.*s", (int)(len < n ? len : n - 1), p);
}

/* One sentence of ours; where libcurl knows more, it says it, in what room our advice leaves. */
static int
say(struct vrv__xfer *x, int status, const char *what, const char *advice)
{
    char where[80];
    size_t room = sizeof(x->r->err.msg) - sizeof("...: ; ") - strlen(advice);

    vrv__http_where(x->r->url, where, sizeof(where));
    room -= strlen(where);
    size_t n = strlen(what);
    return vrv_err_set(&x->r->err, status, "%s: %.*s%s%s%s", where, (int)(n <= room ? n : room), what,
        n <= room ? "" : "...", advice[0] != '\0' ? "; " : "", advice);
}

/* Where an address of a proxy is no good libcurl quotes it, with the password before its '@'. */
static const char *
in_its_words(const struct vrv__xfer *x, CURLcode rc)
{
    return x->text[0] != '\0' && strchr(x->text, '@') == NULL ? x->text : curl_easy_strerror(rc);
}

/* OpenSSL says it so, wherever it comes: with TLS 1.3, our certificate is refused after the
 * handshake. */
static bool
is_refused_certificate(const struct vrv__xfer *x)
{
    return strstr(x->text, "alert") != NULL &&
           (strstr(x->text, "certificate") != NULL || strstr(x->text, "unknown ca") != NULL);
}

static int
say_no_connection(struct vrv__xfer *x, CURLcode rc)
{
    bool by_proxy = x->opts->proxy != NULL && x->opts->proxy[0] != '\0';
    long sys = 0;

    (void)curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &sys);
    if (sys == ECONNREFUSED)
        return say(x, VRV_E_UNREACHABLE, "connection refused",
            by_proxy ? "is the proxy running?" : "is the store running there?");
    return say(x, VRV_E_UNREACHABLE, sys != 0 ? strerror((int)sys) : in_its_words(x, rc), check_network);
}

/* What to do about a certificate of the store's: OpenSSL's and libcurl's words tell what is wrong with it. */
static const char *
store_certificate(const char *words)
{
    if (strstr(words, "expired") != NULL)
        return "have the store's certificate renewed, or set the clock here right";
    if (strstr(words, "not yet valid") != NULL)
        return "set the clock right, here or where the certificate was made";
    if (strstr(words, "subject name") != NULL)
        return "call the store by a name that its certificate has, in tier.s3.endpoint or tier.store.url (data nodes: "
               "in dfs.datanode.hostname)";
    return "tier.store.ca.file must have the authority that signed the store's certificate";
}

/* Of TLS; 0: it is something else. */
static int
say_tls(struct vrv__xfer *x, CURLcode rc)
{
    const char *words = in_its_words(x, rc);

    switch ((int)rc) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return say(x, VRV_E_DENIED, words, store_certificate(words));
    case CURLE_SSL_CACERT_BADFILE:
        return say(x, VRV_E_DENIED, words, "tier.store.ca.file must be there, and in PEM");
    case CURLE_SSL_CERTPROBLEM:
        return say(x, VRV_E_DENIED, "our client's certificate can't be used",
            "tier.store.cert.file and tier.store.key.file must be there, in PEM, and belong together");
    case CURLE_SSL_CLIENTCERT:
        return say(x, VRV_E_DENIED, "it wants a client's certificate",
            "set tier.store.cert.file and tier.store.key.file to one that it trusts");
    default:
        if (is_refused_certificate(x)) {
            char what[160];

            (void)snprintf(what, sizeof(what), "it doesn't take the client's certificate, or wants one (%.80s)",
                x->text);
            return say(x, VRV_E_DENIED, what,
                "check tier.store.cert.file and tier.store.key.file");
        }
        return 0;
    }
}

/* By a proxy, in place of the store or of a way to it; 0: it has no such wish. */
static int
say_proxy_user(struct vrv__xfer *x)
{
    enum { WHO = 407 };
    long tunnel = 0, code = 0;

    (void)curl_easy_getinfo(x->easy, CURLINFO_HTTP_CONNECTCODE, &tunnel);
    (void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &code);
    if (tunnel != WHO && code != WHO)
        return 0;
    return x->opts->proxy_credentials != NULL
        ? say(x, VRV_E_DENIED, "the proxy refuses the user and password that it was told (407)",
              "correct what tier.store.proxy.credentials names")
        : say(x, VRV_E_DENIED, "the proxy wants a user and a password, or others (407)",
              "set tier.store.proxy.credentials");
}

static int
say_sent(struct vrv__xfer *x, CURLcode rc)
{
    if (x->dropped || rc == CURLE_GOT_NOTHING)
        return say(x, VRV_E_UNKNOWN, "the connection was closed before an answer", "");
    if (rc == CURLE_UNSUPPORTED_PROTOCOL || rc == CURLE_WEIRD_SERVER_REPLY)
        return say(x, VRV_E_UNKNOWN, "what answers isn't HTTP/1.1", "check the port; is it one for TLS?");
    if (rc == CURLE_PARTIAL_FILE)
        return say(x, VRV_E_UNKNOWN, "the connection was closed in the middle of an answer", "");
    return say(x, VRV_E_UNKNOWN, in_its_words(x, rc), "");
}

static int
say_not_sent(struct vrv__xfer *x, CURLcode rc)
{
    switch ((int)rc) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return say(x, VRV_E_INVALID, in_its_words(x, rc), "it must be http://host or https://host");
    case CURLE_COULDNT_RESOLVE_HOST:
        return say(
            x, VRV_E_UNREACHABLE, "no such host, or no name server that answers", "check its name");
    case CURLE_COULDNT_RESOLVE_PROXY:
        return say(x, VRV_E_UNREACHABLE, "no such proxy, or no name server that answers",
            "check the proxy's name");
    case CURLE_COULDNT_CONNECT:
        return say_no_connection(x, rc);
    case CURLE_SSL_CONNECT_ERROR:
        return say(x, VRV_E_UNREACHABLE, in_its_words(x, rc), "does it speak TLS on this port?");
    default:
        return say(x, VRV_E_UNREACHABLE, in_its_words(x, rc), "");
    }
}

void
vrv__xfer_end(struct vrv__xfer *x, CURLcode rc)
{
    struct vrv_http_req *r = x->r;
    long code = 0;

    if (x->refused) {
        r->status = VRV_E_CORRUPT;
        return;
    }
    r->status = say_proxy_user(x);
    if (r->status < 0)
        return;
    if (rc == CURLE_OK && !x->headed)
        rc = CURLE_PARTIAL_FILE;
    if (rc != CURLE_OK) {
        r->status = say_tls(x, rc);
        if (r->status == 0)
            r->status = r->sent ? say_sent(x, rc) : say_not_sent(x, rc);
        return;
    }
    (void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &code);
    r->code = (int)code;
}

/* Nothing moved for as long as may be. */
static int
say_still(struct vrv__xfer *x, int64_t ms)
{
    char what[64];

    if (x->r->sent) {
        (void)snprintf(what, sizeof(what), "not a byte for %" PRId64 " ms", ms);
        return say(x, VRV_E_TIMEDOUT, what, check_load);
    }
    (void)snprintf(what, sizeof(what), "no connection within %" PRId64 " ms", ms);
    return say(x, VRV_E_UNREACHABLE, what, check_network);
}

static int
say_late(struct vrv__xfer *x)
{
    return x->r->sent ? say(x, VRV_E_TIMEDOUT, "no whole answer within the time given", check_load)
                      : say(x, VRV_E_TIMEDOUT, "no connection within the time given", check_network);
}

int
vrv__xfer_is_over(struct vrv__xfer *x, int64_t now, int64_t *due)
{
    struct vrv_http_req *r = x->r;
    int64_t most_ms = r->sent ? x->opts->stall_ms : x->opts->connect_ms;
    int64_t still = (r->sent ? x->moved_ns : x->begun_ns) + most_ms * MS;
    int64_t next = still < r->deadline_ns ? still : r->deadline_ns;

    if (x->cancelled)
        r->status = say(x, VRV_E_CANCELLED, "cancelled", "");
    else if (now >= r->deadline_ns)
        r->status = say_late(x);
    else if (now >= still)
        r->status = say_still(x, most_ms);
    else if (next < *due)
        *due = next;
    return r->status;
}
