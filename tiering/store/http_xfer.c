/*
 * One request as libcurl has it: what it is told, and what it hands over.
 *
 * libcurl sends a request again when a connection that was kept turns out to be closed.  Reading is
 * repeated so; all else isn't, since the peer may have done it: we are called before anything is
 * sent (sending()).
 */
#include <limits.h>
#include <netdb.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "engine/base/mem.h"
#include "engine/os/secret.h"
#include "tiering/store/http_int.h"

/* ---- what is sent ---- */

static bool
only_reads(const struct vrv_http_req *r)
{
    return strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
}

/* Also where nobody answers it is told where that is: names are libcurl's, and looked up on a thread of its own. */
static curl_socket_t
connecting(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct vrv__xfer *x = ctx;

    (void)purpose;
    if (getnameinfo(&to->addr, (socklen_t)to->addrlen, x->r->peer, sizeof(x->r->peer), NULL, 0, NI_NUMERICHOST) != 0)
        x->r->peer[0] = '\0';
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* There is a connection, and the request goes out next. */
static int
sending(void *ctx, char *peer_ip, char *our_ip, int peer_port, int our_port)
{
    struct vrv__xfer *x = ctx;

    (void)snprintf(x->r->peer, sizeof(x->r->peer), "%s", peer_ip);
    (void)our_ip;
    (void)peer_port;
    (void)our_port;
    if (x->r->sent && !x->heard && !only_reads(x->r)) {
        x->dropped = true;
        return CURL_PREREQFUNC_ABORT;
    }
    x->r->sent = true;
    x->heard = false;
    x->moved_ns = x->opts->clock->mono_ns(x->opts->clock);
    return CURL_PREREQFUNC_OK;
}

static size_t
read_body(char *to, size_t size, size_t n, void *ctx)
{
    struct vrv__xfer *x = ctx;
    uint64_t skip = x->read;
    size_t got = 0;

    n *= size;
    for (int i = 0; i < x->r->iov_n && got < n; i++) {
        const struct iovec *v = &x->r->iov[i];

        if (skip >= v->iov_len) {
            skip -= v->iov_len;
            continue;
        }
        size_t some = v->iov_len - skip < n - got ? v->iov_len - skip : n - got;
        memcpy(to + got, (const char *)v->iov_base + skip, some);
        got += some;
        skip = 0;
    }
    x->read += got;
    return got;
}

static int
seek_body(void *ctx, curl_off_t pos, int origin)
{
    struct vrv__xfer *x = ctx;

    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_FAIL;
    x->read = (uint64_t)pos;
    return CURL_SEEKFUNC_OK;
}

/* ---- what comes back ---- */

/* Make libcurl give up. */
static size_t
refuse(struct vrv__xfer *x, const char *what, size_t max)
{
    char where[128];

    vrv__http_where(x->r->url, where, sizeof(where));
    (void)vrv_err_set(&x->r->err, VRV_E_CORRUPT, "%s: %s more than %zu bytes", where, what, max);
    x->refused = true;
    return 0;
}

static void
forget_answer(struct vrv_http_req *r)
{
    r->answer_n = 0;
    r->got = 0;
}

/* A line of the headers.  An answer begins with its status: one that comes before the last one, as
 * "100 Continue" and those of a handshake do, is none.  One whose headers don't end is none either,
 * though libcurl takes it. */
static size_t
take_header(char *line, size_t size, size_t n, void *ctx)
{
    struct vrv__xfer *x = ctx;
    struct vrv_http_req *r = x->r;
    size_t all = size * n, kept = all;

    x->heard = true;
    if (all >= 5 && memcmp(line, "HTTP/", 5) == 0)
        forget_answer(r);
    while (kept > 0 && strchr("\r\n \t", line[kept - 1]) != NULL)
        kept--;
    x->headed = kept == 0;
    if (x->headed)
        return all;
    if (kept + 1 > VRV__HTTP_ANSWER_MAX - r->answer_n)
        return refuse(x, "the headers of its answer have", VRV__HTTP_ANSWER_MAX);
    r->answer = vrv_mem_grow(r->answer, r->answer_n + kept + 1);
    memcpy(r->answer + r->answer_n, line, kept);
    r->answer[r->answer_n + kept] = '\0';
    r->answer_n += kept + 1;
    return all;
}

static size_t
take_text(struct vrv__xfer *x, const char *bytes, size_t n, bool is_cut)
{
    struct vrv_http_req *r = x->r;
    size_t room = x->opts->text_max - r->got;

    if (n > room && !is_cut)
        return refuse(x, "its answer has", x->opts->text_max);
    if (n > room)
        n = room;
    r->text = vrv_mem_grow(r->text, r->got + n + 1);
    memcpy(r->text + r->got, bytes, n);
    r->got += n;
    r->text[r->got] = '\0';
    return n;
}

static size_t
take_body(char *bytes, size_t size, size_t n, void *ctx)
{
    struct vrv__xfer *x = ctx;
    struct vrv_http_req *r = x->r;
    long code = 0;

    n *= size;
    (void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &code);
    bool good = code / 100 == 2;
    if (!good || r->buf == NULL) {
        (void)take_text(x, bytes, n, !good);
        return x->refused ? 0 : n;
    }
    if (n > r->cap - r->got)
        return refuse(x, "its answer has", r->cap);
    memcpy(r->buf + r->got, bytes, n);
    r->got += n;
    return n;
}

/* ---- what libcurl is told ---- */

#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (rc == CURLE_OK)                                                                        \
            rc = curl_easy_setopt(x->easy, option, value);                                         \
    } while (0)

/* Nothing of libcurl's own is wanted but HTTP/1.1: no redirections, cookies, passwords from files,
 * decompression, signals; and no time-outs, which are the clock's. */
static CURLcode
set_manners(struct vrv__xfer *x)
{
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* else giving up would wait for the name server */
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)INT_MAX);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_BUFFERSIZE, (long)VRV__HTTP_BUFFER);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)VRV__HTTP_BUFFER);
    SET(CURLOPT_USERAGENT, "varve/" PACKAGE_VERSION);
    SET(CURLOPT_ERRORBUFFER, x->text);
    SET(CURLOPT_PRIVATE, x);
    return rc;
}

static CURLcode
set_callbacks(struct vrv__xfer *x)
{
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_OPENSOCKETFUNCTION, connecting);
    SET(CURLOPT_OPENSOCKETDATA, x);
    SET(CURLOPT_PREREQFUNCTION, sending);
    SET(CURLOPT_PREREQDATA, x);
    SET(CURLOPT_READFUNCTION, read_body);
    SET(CURLOPT_READDATA, x);
    SET(CURLOPT_SEEKFUNCTION, seek_body);
    SET(CURLOPT_SEEKDATA, x);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, x);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, x);
    return rc;
}

/* Certificates are always checked, against ca_file alone if there is one. */
static CURLcode
set_trust(struct vrv__xfer *x)
{
    const struct vrv_http_opts *o = x->opts;
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (o->ca_file != NULL) {
        SET(CURLOPT_CAINFO, o->ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
    if (o->cert_file != NULL)
        SET(CURLOPT_SSLCERT, o->cert_file);
    if (o->key_file != NULL)
        SET(CURLOPT_SSLKEY, o->key_file);
    if (o->negotiate) {
        SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_NEGOTIATE);
        SET(CURLOPT_USERPWD, ":");
    }
    return rc;
}

/* Who we are to a proxy.  libcurl takes escapes away, and has all behind the first colon for the password. */
static CURLcode
set_proxy_user(struct vrv__xfer *x)
{
    static const char setting[] = "tier.store.proxy.credentials";
    enum { PAIR = 3 * VRV_SECRET_MAX + 1 };
    char who[VRV_SECRET_MAX], *pair = vrv_mem_zero(PAIR);
    struct vrv_http_req *r = x->r;
    CURLcode rc = CURLE_OK;

    r->status = vrv_secret_read(setting, x->opts->proxy_credentials, who, &r->err);
    if (r->status == 0 && strchr(who, ':') == NULL)
        r->status = vrv_err_set(&r->err, VRV_E_DENIED, "what %s names isn't USER:PASSWORD", setting);
    if (r->status < 0) {
        rc = CURLE_LOGIN_DENIED;
    } else {
        vrv_http_escape(pair, PAIR, who, ":");
        SET(CURLOPT_PROXYUSERPWD, pair);
    }
    OPENSSL_cleanse(who, sizeof(who));
    OPENSSL_cleanse(pair, PAIR);
    free(pair);
    return rc;
}

static CURLcode
set_proxy(struct vrv__xfer *x)
{
    const struct vrv_http_opts *o = x->opts;
    CURLcode rc = CURLE_OK;

    if (x->r->direct) {
        SET(CURLOPT_PROXY, "");
        return rc;
    }
    if (o->proxy != NULL)
        SET(CURLOPT_PROXY, o->proxy);
    if (rc == CURLE_OK && o->proxy_credentials != NULL)
        rc = set_proxy_user(x);
    return rc;
}

static CURLcode
set_request(struct vrv__xfer *x)
{
    const struct vrv_http_req *r = x->r;
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_URL, r->url);
    SET(CURLOPT_HTTPHEADER, x->headers);
    if (strcmp(r->method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
        return rc;
    }
    if (r->has_body) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->size);
    }
    SET(CURLOPT_CUSTOMREQUEST, r->method);
    return rc;
}

/* A name with nothing behind it takes away what libcurl would send of its own. */
static CURLcode
make_headers(struct vrv__xfer *x)
{
    for (unsigned i = 0; i < x->r->header_n + 2; i++) {
        static const char *const none[] = { "Expect:", "Accept:" };
        const char *line = i < x->r->header_n ? x->r->headers[i] : none[i - x->r->header_n];
        struct curl_slist *more = curl_slist_append(x->headers, line);

        if (more == NULL)
            return CURLE_OUT_OF_MEMORY;
        x->headers = more;
    }
    return CURLE_OK;
}

struct vrv__xfer *
vrv__xfer_new(const struct vrv_http_opts *o, struct vrv_http_req *r, bool anew)
{
    struct vrv__xfer *x = VRV_NEW(struct vrv__xfer);

    vrv_list_init(&x->link);
    x->opts = o;
    x->r = r;
    x->easy = curl_easy_init();
    CURLcode rc = x->easy == NULL ? CURLE_OUT_OF_MEMORY : make_headers(x);
    if (rc == CURLE_OK)
        rc = set_manners(x);
    if (rc == CURLE_OK)
        rc = set_callbacks(x);
    if (rc == CURLE_OK)
        rc = set_trust(x);
    if (rc == CURLE_OK)
        rc = set_proxy(x);
    if (rc == CURLE_OK)
        rc = set_request(x);
    if (anew)
        SET(CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    if (rc == CURLE_OK)
        return x;
    if (r->status == 0)
        r->status = vrv_err_set(
            &r->err, VRV_E_UNREACHABLE, "a request can't be made: %s", curl_easy_strerror(rc));
    vrv__xfer_free(x);
    return NULL;
}

void
vrv__xfer_free(struct vrv__xfer *x)
{
    curl_easy_cleanup(x->easy);
    curl_slist_free_all(x->headers);
    free(x);
}

void
vrv__xfer_look(struct vrv__xfer *x, uint64_t *up, uint64_t *down)
{
    curl_off_t sent = 0, received = 0;
    long head = 0, answer = 0;

    (void)curl_easy_getinfo(x->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    (void)curl_easy_getinfo(x->easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
    (void)curl_easy_getinfo(x->easy, CURLINFO_REQUEST_SIZE, &head);
    (void)curl_easy_getinfo(x->easy, CURLINFO_HEADER_SIZE, &answer);
    uint64_t all_up = (uint64_t)sent + (uint64_t)head;
    uint64_t all_down = (uint64_t)received + (uint64_t)answer;
    /* they begin anew where libcurl repeats a request */
    *up = all_up >= x->up ? all_up - x->up : all_up;
    *down = all_down >= x->down ? all_down - x->down : all_down;
    x->up = all_up;
    x->down = all_down;
}
