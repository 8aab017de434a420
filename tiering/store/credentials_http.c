/*
 * Keys that are asked for by HTTP: of the token service, of a container's agent, of a machine's
 * metadata. They come as XML from the first, as JSON from the others, and expire.
 */
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "tiering/store/credentials_int.h"
#include "tiering/store/times.h"
#include "tiering/store/xml.h"

enum { NEAR_MS = 2000, FAR_MS = 8000, ROLE_NAME = 80 };

/* ---- one request ---- */

static void
forget_answer(struct vrv_creds *c)
{
    if (c->http.text != NULL) /* keys may be in it */
        OPENSSL_cleanse(c->http.text, c->http.got);
    vrv_http_free(&c->http);
}

static void
answered(struct vrv_done *d)
{
    struct vrv_http_req *r = VRV_LIST_OF(d, struct vrv_http_req, done);
    struct vrv_creds *c = VRV_LIST_OF(r, struct vrv_creds, http);

    c->asks = false;
    if (r->status < 0) {
        c->err = r->err;
        bool last = c->chain && c->place == VRV__CREDS_INSTANCE;

        vrv__creds_looked(c, vrv_err_prefix(&c->err, VRV_E_UNREACHABLE, last
            ? "no keys for S3 in the environment, in files, or from this machine"
            : "no keys for S3"));
    } else {
        c->then(c);
    }
    if (!c->asks) /* else it is the next request by now, and another thread's */
        forget_answer(c);
}

/* To c->url, with c->header if there is one, and c->body. */
static int
request(struct vrv_creds *c, const char *method, int64_t wait_ms, void (*then)(struct vrv_creds *c))
{
    bool has_body = c->body != NULL || strcmp(method, "PUT") == 0;

    forget_answer(c);
    c->then = then;
    c->asks = true;
    c->headers[0] = c->header;
    c->iov = (struct iovec){ c->body, c->body != NULL ? strlen(c->body) : 0 };
    c->http = (struct vrv_http_req){ .done = { .cq = c->o.cq, .run = answered },
        .lane = VRV_STORE_HOUSEKEEPING, .method = method, .url = c->url, .headers = c->headers,
        .header_n = c->header[0] != '\0', .has_body = has_body, .iov = &c->iov, .iov_n = has_body,
        .size = c->iov.iov_len, .direct = wait_ms == NEAR_MS,
        .deadline_ns = c->o.clock->mono_ns(c->o.clock) + wait_ms * 1000000 };
    vrv_http_submit(c->o.http, &c->http);
    return VRV_E_AGAIN;
}

/* An answer that has no keys; its text isn't told, who knows what is in it. */
static void
no_keys(struct vrv_creds *c, const char *who)
{
    vrv__creds_looked(c, vrv_err_set(&c->err, VRV_E_DENIED, "%s at %.100s gives no keys (HTTP %d)",
                             who, c->url, c->http.code));
}

/*
 * Until when they are good: a time of the clock of who gives them, so it counts from the time that
 * is there now, which the answer tells; who tells none is thought to have ours.  From here on no
 * clock that may be set counts.
 */
static bool
take_expiry(struct vrv_creds *c, const char *text)
{
    struct vrv_clock *clock = c->o.clock;
    int64_t end = vrv_time_iso(text), there = vrv_time_http(vrv_http_header(&c->http, "date"));
    int64_t left = end - (there >= 0 ? there : clock->wall_ms(clock));
    int64_t now = clock->mono_ns(clock) / 1000000;

    c->found.expires_ms = now + left > 1 ? now + left : 1;
    return end > 0;
}

/* ---- keys in JSON: a container's, a machine's ---- */

static bool
take_json(struct vrv_creds *c)
{
    json_t *all = c->http.text != NULL ? json_loadb(c->http.text, c->http.got, 0, NULL) : NULL;
    const char *expires = json_string_value(json_object_get(all, "Expiration"));
    bool good = c->http.code == 200 &&
        vrv__creds_take(&c->found, json_string_value(json_object_get(all, "AccessKeyId")),
            json_string_value(json_object_get(all, "SecretAccessKey")),
            json_string_value(json_object_get(all, "Token")));

    if (good && expires != NULL)
        good = take_expiry(c, expires);
    json_decref(all);
    return good;
}

static void
container_answered(struct vrv_creds *c)
{
    if (take_json(c))
        vrv__creds_looked(c, 0);
    else
        no_keys(c, "the container's agent");
}

/* Keys go over no network but to this machine; or over https. */
static bool
is_safe(const char *url)
{
    static const char *const hosts[] = { "http://127.", "http://localhost", "http://[::1]",
        "http://169.254.", "http://[fd00:ec2::" };

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        if (strncmp(url, hosts[i], strlen(hosts[i])) == 0)
            return true;
    return strncmp(url, "https://", 8) == 0;
}

/* What the agent wants to be shown; in a file it may be another one each time. */
static int
authorize(struct vrv_creds *c)
{
    const char *file = vrv__creds_var(c, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = vrv__creds_var(c, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    char *text = NULL;
    int rc = file != NULL ? vrv__creds_read(c, file, &text, &c->err) : 0;

    if (rc < 0)
        return vrv_err_prefix(&c->err, VRV_E_DENIED, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (text != NULL)
        text[strcspn(text, "\r\n")] = '\0';
    token = text != NULL ? text : token;
    c->header[0] = '\0';
    if (token != NULL)
        (void)snprintf(c->header, sizeof(c->header), "Authorization: %s", token);
    free(text);
    return 0;
}

int
vrv__creds_container(struct vrv_creds *c)
{
    const char *relative = vrv__creds_var(c, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = vrv__creds_var(c, "AWS_CONTAINER_CREDENTIALS_FULL_URI");

    if (relative == NULL && full == NULL)
        return VRV_E_NOTFOUND;
    (void)snprintf(c->url, sizeof(c->url), "%s%s", relative != NULL ? c->container_url : full,
        relative != NULL ? relative : "");
    if (!is_safe(c->url))
        return vrv_err_set(&c->err, VRV_E_DENIED,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI=%.100s is neither of "
            "this machine nor https: keys would go over a network",
            c->url);
    int rc = authorize(c);
    return rc == 0 ? request(c, "GET", NEAR_MS, container_answered) : rc;
}

/* ---- a machine's metadata: a token, the role's name, its keys ---- */

static const char roles[] = "/latest/meta-data/iam/security-credentials/";

static void
metadata_url(struct vrv_creds *c, const char *path, const char *name)
{
    const char *endpoint = vrv__creds_var(c, "AWS_EC2_METADATA_SERVICE_ENDPOINT");

    (void)snprintf(c->url, sizeof(c->url), "%.500s%s%s",
        endpoint != NULL ? endpoint : "http://169.254.169.254", path, name);
}

static void
instance_answered(struct vrv_creds *c)
{
    if (take_json(c))
        vrv__creds_looked(c, 0);
    else
        no_keys(c, "the machine's metadata");
}

static void
role_named(struct vrv_creds *c)
{
    char name[ROLE_NAME];
    const char *text = c->http.text != NULL ? c->http.text : "";
    size_t n =
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+=,.@_-");

    if (c->http.code != 200 || n == 0 || n >= sizeof(name)) {
        no_keys(c, "the machine's metadata, which name no role,");
        return;
    }
    (void)snprintf(name, sizeof(name), "%.*s", (int)n, text);
    metadata_url(c, roles, name);
    (void)request(c, "GET", NEAR_MS, instance_answered);
}

static void
token_came(struct vrv_creds *c)
{
    const char *text = c->http.text != NULL ? c->http.text : "";

    if (c->http.code != 200 || strlen(text) >= VRV__CREDS_TOKEN || strpbrk(text, "\r\n") != NULL) {
        no_keys(c, "the machine's metadata");
        return;
    }
    (void)snprintf(c->header, sizeof(c->header), "X-aws-ec2-metadata-token: %s", text);
    metadata_url(c, roles, "");
    (void)request(c, "GET", NEAR_MS, role_named);
}

int
vrv__creds_instance(struct vrv_creds *c)
{
    const char *off = vrv__creds_var(c, "AWS_EC2_METADATA_DISABLED");

    if (off != NULL && strcmp(off, "true") == 0)
        return VRV_E_NOTFOUND;
    metadata_url(c, "/latest/api/token", "");
    (void)snprintf(c->header, sizeof(c->header), "X-aws-ec2-metadata-token-ttl-seconds: 21600");
    return request(c, "PUT", NEAR_MS, token_came);
}

/* ---- the token service ---- */

static void
assumed(struct vrv_creds *c)
{
    char id[VRV__CREDS_ID], secret[VRV__CREDS_SECRET], token[VRV__CREDS_TOKEN], expires[40];
    const struct vrv_xml_node *n = NULL;
    struct vrv_xml *x = NULL;
    bool good = false;

    if (c->http.code == 200 && vrv_xml_parse(&x, c->http.text, c->http.got, NULL) == 0)
        n = vrv_xml_root(x, "AssumeRoleWithWebIdentityResponse");
    if (n != NULL)
        n = vrv_xml_child(n, "AssumeRoleWithWebIdentityResult");
    if (n != NULL)
        n = vrv_xml_child(n, "Credentials");
    if (n != NULL && vrv_xml_text(n, "AccessKeyId", id, sizeof(id)) &&
        vrv_xml_text(n, "SecretAccessKey", secret, sizeof(secret)) &&
        vrv_xml_text(n, "SessionToken", token, sizeof(token)) &&
        vrv_xml_text(n, "Expiration", expires, sizeof(expires)))
        good = vrv__creds_take(&c->found, id, secret, token) && take_expiry(c, expires);
    vrv_xml_free(&x);
    OPENSSL_cleanse(secret, sizeof(secret));
    if (good)
        vrv__creds_looked(c, 0);
    else
        no_keys(c, "the token service");
}

static char *
assume_body(const struct vrv__creds_role *role, const char *token)
{
    size_t n = 3 * (strlen(token) + sizeof(*role)) + 256, at;
    char *body = vrv_mem_zero(n);

    at = (size_t)snprintf(body, n, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=");
    vrv_http_escape(body + at, n - at, role->arn, "");
    at = strlen(body);
    at += (size_t)snprintf(body + at, n - at, "&RoleSessionName=");
    vrv_http_escape(body + at, n - at, role->session[0] != '\0' ? role->session : "varve", "");
    at = strlen(body);
    at += (size_t)snprintf(body + at, n - at, "&WebIdentityToken=");
    vrv_http_escape(body + at, n - at, token, "");
    return body;
}

int
vrv__creds_assume(struct vrv_creds *c, const struct vrv__creds_role *role)
{
    const char *endpoint = vrv__creds_var(c, "AWS_ENDPOINT_URL_STS");
    char *token;
    int rc = vrv__creds_read(c, role->token_file, &token, &c->err);

    if (rc < 0)
        return vrv_err_prefix(&c->err, VRV_E_DENIED, "the token of web identity");
    token[strcspn(token, "\r\n")] = '\0';
    free(c->body);
    c->body = assume_body(role, token);
    OPENSSL_cleanse(token, strlen(token));
    free(token);
    if (endpoint != NULL)
        (void)snprintf(c->url, sizeof(c->url), "%s", endpoint);
    else
        (void)snprintf(c->url, sizeof(c->url), "https://sts.%s.amazonaws.com%s/", c->region,
            strncmp(c->region, "cn-", 3) == 0 ? ".cn" : "");
    (void)snprintf(c->header, sizeof(c->header), "Content-Type: application/x-www-form-urlencoded");
    return request(c, "POST", FAR_MS, assumed);
}

int
vrv__creds_web(struct vrv_creds *c)
{
    const char *file = vrv__creds_var(c, "AWS_WEB_IDENTITY_TOKEN_FILE");
    const char *arn = vrv__creds_var(c, "AWS_ROLE_ARN");
    const char *session = vrv__creds_var(c, "AWS_ROLE_SESSION_NAME");
    struct vrv__creds_role role;

    if (file == NULL || arn == NULL)
        return VRV_E_NOTFOUND;
    (void)snprintf(role.token_file, sizeof(role.token_file), "%s", file);
    (void)snprintf(role.arn, sizeof(role.arn), "%s", arn);
    (void)snprintf(role.session, sizeof(role.session), "%s", session != NULL ? session : "");
    return vrv__creds_assume(c, &role);
}
