/* Keys for S3: each place where they can be, which comes first, and when they are looked for
 * again; with a fake of each service. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "t/lib/httprig.h"
#include "t/lib/tap.h"
#include "tiering/store/credentials.h"

enum { VARS = 16, ROUNDS = 20000, REFRESHES = 300 };

/* ---- the environment, files, and who answers */

static struct {
    char name[64], value[512];
} vars[VARS];
static unsigned var_n;

static void
set_var(const char *name, const char *value)
{
    unsigned i = 0;

    while (i < var_n && strcmp(vars[i].name, name) != 0)
        i++;
    tap_need(i < VARS ? 0 : -1, "too many variables");
    var_n = i == var_n ? var_n + 1 : var_n;
    (void)snprintf(vars[i].name, sizeof(vars[i].name), "%s", name);
    (void)snprintf(vars[i].value, sizeof(vars[i].value), "%s", value);
}

static const char *
env(const char *name)
{
    for (unsigned i = 0; i < var_n; i++)
        if (strcmp(vars[i].name, name) == 0)
            return vars[i].value;
    return NULL;
}

static const char *home;

/* Its path; good until three more were written. */
static const char *
write_file(const char *name, const char *text)
{
    static char path[4][512];
    static unsigned at;
    char *p = path[at++ % 4];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", home, name);
    FILE *f = fopen(p, "w");
    tap_need(
        f != NULL && fputs(text, f) >= 0 && fclose(f) == 0 ? 0 : -1, "a file can't be written");
    return p;
}

/* What the services were asked, and what they say. */
struct world {
    struct httprig g;
    struct vrv_creds *c;
    unsigned asked;                 /* requests */
    char heard[2048];               /* the last one: method, target, headers, body */
    int status;
    char keys[64];                  /* in the next answer: KEY as an id, SKEY as its secret */
    char expires[64];
    int64_t ahead_s;                /* their clock is, of ours; */
    bool tells_time;                /* ... they tell what it says */
};

static void
say_json(struct world *w, struct httpd_reply *a)
{
    char text[1024];

    (void)snprintf(text, sizeof(text),
        "{\"Code\":\"Success\",\"AccessKeyId\":\"%s\","
        "\"SecretAccessKey\":\"S%s\",\"Token\":\"T%s\",\"Expiration\":\"%s\"}",
        w->keys, w->keys, w->keys, w->expires);
    httpd_set_body(a, text, strlen(text));
}

static void
say_xml(struct world *w, struct httpd_reply *a)
{
    char text[1024];

    (void)snprintf(text, sizeof(text),
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
        "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId>"
        "<SecretAccessKey>S%s</SecretAccessKey><SessionToken>T%s</SessionToken>"
        "<Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>", w->keys, w->keys, w->keys, w->expires);
    httpd_set_body(a, text, strlen(text));
}

/* So many seconds from now, by their clock. */
static struct tm
time_there(struct world *w, int64_t s)
{
    time_t t = (time_t)(w->g.sim.clock.wall_ms(&w->g.sim.clock) / 1000 + w->ahead_s + s);
    struct tm tm;

    (void)gmtime_r(&t, &tm);
    return tm;
}

static void
tell_time(struct world *w, struct httpd_reply *a)
{
    struct tm tm = time_there(w, 0);
    char now[64];

    (void)strftime(now, sizeof(now), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (w->tells_time)
        httpd_add_header(a, "date", "%s", now);
}

static void
serve(void *ctx, const struct httpd_req *q, struct httpd_reply *a)
{
    static const char roles[] = "/latest/meta-data/iam/security-credentials/";
    struct world *w = ctx;
    char token[64] = "";

    w->asked++;
    tell_time(w, a);
    (void)snprintf(w->heard, sizeof(w->heard), "%s %s\n%s\n%.*s", q->method, q->target, q->head,
        (int)q->body_n, q->body != NULL ? (const char *)q->body : "");
    a->status = w->status;
    if (w->status != 200)
        return;
    if (strcmp(q->target, "/latest/api/token") == 0 && strcmp(q->method, "PUT") == 0) {
        httpd_set_body(a, "metadata-token", 14);
    } else if (strncmp(q->target, "/latest/", 8) == 0) {
        (void)httpd_header(q, "x-aws-ec2-metadata-token", token, sizeof(token));
        if (strcmp(token, "metadata-token") != 0)
            a->status = 401;
        else if (strcmp(q->target, roles) == 0)
            httpd_set_body(a, "the-role\n", 9);
        else if (strcmp(q->target + strlen(roles), "the-role") == 0)
            say_json(w, a);
        else
            a->status = 404;
    } else if (strncmp(q->target, "/container", 10) == 0) {
        say_json(w, a);
    } else {
        say_xml(w, a);
    }
}

static struct world *
world_of(const char *source, bool threads)
{
    struct world *w = calloc(1, sizeof(*w));
    struct vrv_err e = { 0 };

    tap_need(w != NULL ? 0 : -1, "no memory");
    httprig_init(&w->g);
    w->g.opts.thread = threads;
    w->g.server_opts.fn = serve;
    w->g.server_opts.ctx = w;
    w->status = 200;
    httprig_open(&w->g);
    struct vrv_creds_opts o = { .source = source,
        .http = w->g.http,
        .clock = &w->g.sim.clock,
        .cq = &w->g.cq,
        .region = "eu-west-3",
        .env = env,
        .container_url = httprig_url(&w->g, "") };
    tap_need(vrv_creds_new(&w->c, &o, &e), e.msg);
    return w;
}

static struct world *
world(const char *source)
{
    return world_of(source, false);
}

static void
end_world(struct world *w)
{
    struct vrv_done *d;

    while (!vrv_creds_end(w->c)) {
        httprig_step(&w->g);
        if ((d = vrv_cq_take(&w->g.cq, 0)) != NULL)
            d->run(d);
    }
    vrv_creds_free(&w->c);
    httprig_close(&w->g);
    free(w);
    var_n = 0;
}

/* ---- asking ---- */

struct asked {
    struct vrv_creds_wait wait;
    char text[512];                 /* "id secret token", or what is wrong */
    int code;                       /* of what is wrong */
    unsigned version;
    bool done;
};

static void
told(struct vrv_creds_wait *wait, const struct vrv_sigv4_keys *keys, unsigned version,
    const struct vrv_err *e)
{
    struct asked *a = (struct asked *)wait;

    a->done = true;
    a->version = version;
    a->code = keys == NULL ? e->code : 0;
    if (keys != NULL)
        (void)snprintf(a->text, sizeof(a->text), "%s %s %s", keys->id, keys->secret,
            keys->token != NULL ? keys->token : "-");
    else
        (void)snprintf(a->text, sizeof(a->text), "%s", e->msg);
}

/* All that can happen without time passing. */
static void
settle(struct world *w)
{
    struct vrv_done *d;

    for (int i = 0; i < 30; i++) {
        httprig_step(&w->g);
        while ((d = vrv_cq_take(&w->g.cq, 0)) != NULL)
            d->run(d);
    }
}

static const struct asked *
ask(struct world *w)
{
    static struct asked a;
    struct vrv_done *d;

    a = (struct asked){ .wait = { .run = told } };
    vrv_creds_ask(w->c, &a.wait);
    for (int i = 0; i < ROUNDS && !a.done; i++) {
        httprig_step(&w->g);
        while ((d = vrv_cq_take(&w->g.cq, 0)) != NULL)
            d->run(d);
    }
    tap_need(a.done ? 0 : -1, "keys were asked for, and nothing came");
    return &a;
}

static void
says(struct world *w, const char *what, int code)
{
    const struct asked *a = ask(w);

    IS(a->code, code, "... is refused");
    if (!OK(strstr(a->text, what) != NULL, "... %s", a->text))
        tap_note("without: %s", what);
}

static void
expires_in(struct world *w, int64_t s)
{
    struct tm tm = time_there(w, s);

    (void)strftime(w->expires, sizeof(w->expires), "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* ---- where they are ---- */

static void
test_environment(void)
{
    set_var("AWS_ACCESS_KEY_ID", "AKIA");
    set_var("AWS_SECRET_ACCESS_KEY", "secret/+=");
    struct world *w = world("env");
    IS_STR(ask(w)->text, "AKIA secret/+= -", "keys in the environment");
    end_world(w);
    set_var("AWS_ACCESS_KEY_ID", "AKIA");
    set_var("AWS_SECRET_ACCESS_KEY", "secret");
    set_var("AWS_SESSION_TOKEN", "token");
    w = world("chain");
    IS_STR(ask(w)->text, "AKIA secret token", "... with a token");
    IS(w->asked, 0u, "... nobody else is asked");
    end_world(w);
    w = world("env");
    says(w, "there are no keys for S3 where tier.s3.credentials=env looks for them", VRV_E_DENIED);
    end_world(w);
    set_var("AWS_ACCESS_KEY_ID", "AKIA");
    w = world("chain");
    says(w, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: both are needed", VRV_E_DENIED);
    end_world(w);
    set_var("AWS_ACCESS_KEY_ID", "AKIA");
    set_var("AWS_SECRET_ACCESS_KEY", "se\r\ncret");
    w = world("env");
    says(w, "without blanks", VRV_E_DENIED);
    OK(strstr(ask(w)->text, "cret") == NULL || strstr(ask(w)->text, "se\r") == NULL,
        "... and isn't told");
    end_world(w);
}

static const char credentials_file[] = "# keys\n[other]\naws_access_key_id=AKIB\n"
    "aws_secret_access_key = s2 \n\n[default]\n  nested = 1\naws_access_key_id = AKIA\r\n"
    "aws_secret_access_key=s1\n; more\n[last]\naws_access_key_id=AKIC\naws_secret_access_key=s3\n"
    "aws_session_token=t3";
static const char config_file[] =
    "[default]\nregion = x\n[profile third]\naws_access_key_id = AKID\n"
    "aws_secret_access_key = s4\ns3 =\n  aws_access_key_id = no\n[profile sso]\nsso_session = "
    "corp\n";

static void
test_profiles(void)
{
    (void)write_file(".aws/credentials", credentials_file);
    (void)write_file(".aws/config", config_file);
    static const struct {
        const char *source, *profile, *keys;
    } v[] = { { "chain", NULL, "AKIA s1 -" }, { "chain", "other", "AKIB s2 -" },
        { "profile:last", "other", "AKIC s3 t3" }, { "profile:third", NULL, "AKID s4 -" } };

    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        set_var("HOME", home);
        if (v[i].profile != NULL)
            set_var("AWS_PROFILE", v[i].profile);
        struct world *w = world(v[i].source);
        IS_STR(ask(w)->text, v[i].keys, "a profile of files: %s, AWS_PROFILE=%s", v[i].source,
            v[i].profile != NULL ? v[i].profile : "");
        end_world(w);
    }
    set_var("HOME", home);
    struct world *w = world("profile:none");
    says(w, "there is no profile none with keys", VRV_E_DENIED);
    end_world(w);
    set_var("HOME", home);
    w = world("profile:sso");
    says(w, "profile sso has sso_session, which varve can't do", VRV_E_DENIED);
    end_world(w);
    set_var(
        "AWS_SHARED_CREDENTIALS_FILE", write_file("elsewhere", "[default]\naws_access_key_id=E\n"
                                                               "aws_secret_access_key=e\n"));
    w = world("chain");
    IS_STR(ask(w)->text, "E e -", "... where the environment says the files are");
    end_world(w);
}

static void
test_file(void)
{
    char source[600];

    (void)snprintf(source, sizeof(source), "file:%s", write_file("keys",
        "aws_access_key_id = AKIA\naws_secret_access_key = one\n"));
    struct world *w = world(source);
    IS_STR(ask(w)->text, "AKIA one -", "keys in a file of their own");
    unsigned version = ask(w)->version;
    (void)write_file("keys", "aws_access_key_id = AKIA\naws_secret_access_key = another\n");
    simclock_advance_ms(&w->g.sim, 1500);
    (void)ask(w);
    IS_STR(ask(w)->text, "AKIA another -", "... which are read again when it has changed");
    OK(ask(w)->version > version, "... and are others");
    (void)write_file("keys", "aws_access_key_id = \n");
    simclock_advance_ms(&w->g.sim, 1500);
    (void)ask(w);
    IS_STR(ask(w)->text, "AKIA another -", "... unless there are none now");
    end_world(w);
    w = world("file:/nonexistent/keys");
    says(w, "tier.s3.credentials: /nonexistent/keys: No such file", VRV_E_DENIED);
    end_world(w);
}

static void
test_web_identity(void)
{
    set_var("AWS_WEB_IDENTITY_TOKEN_FILE", write_file("token", "eyJ+/=\n"));
    set_var("AWS_ROLE_ARN", "arn:aws:iam::1:role/varve");
    struct world *w = world("chain");
    set_var("AWS_ENDPOINT_URL_STS", httprig_url(&w->g, "/"));
    (void)snprintf(w->keys, sizeof(w->keys), "WEB");
    expires_in(w, 3600);
    IS_STR(ask(w)->text, "WEB SWEB TWEB", "keys for a token of web identity");
    OK(strstr(w->heard, "Action=AssumeRoleWithWebIdentity&"
        "Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fvarve&RoleSessionName=varve&"
        "WebIdentityToken=eyJ%2B%2F%3D") != NULL, "... are asked for so");
    w->status = 403;
    (void)write_file("token", "other");
    simclock_advance_ms(&w->g.sim, 6000);
    (void)ask(w);
    settle(w);
    OK(strstr(w->heard, "WebIdentityToken=other") != NULL, "... again when the token changes");
    IS_STR(ask(w)->text, "WEB SWEB TWEB", "... and are kept when there are none");
    end_world(w);
}

static void
test_container(void)
{
    set_var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/container/v2?id=1");
    struct world *w = world("chain");
    (void)snprintf(w->keys, sizeof(w->keys), "CON");
    expires_in(w, 3600);
    IS_STR(ask(w)->text, "CON SCON TCON", "keys of a container");
    OK(strstr(w->heard, "GET /container/v2?id=1") != NULL, "... by a relative URI");
    end_world(w);
    set_var("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", write_file("agent", "Basic abc\n"));
    w = world("container");
    set_var("AWS_CONTAINER_CREDENTIALS_FULL_URI", httprig_url(&w->g, "/container/full"));
    (void)snprintf(w->keys, sizeof(w->keys), "CON");
    expires_in(w, 3600);
    IS_STR(ask(w)->text, "CON SCON TCON", "... by a full one");
    OK(strstr(w->heard, "Authorization: Basic abc") != NULL, "... with a token from a file");
    end_world(w);
    set_var("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/keys");
    w = world("container");
    says(w, "neither of this machine nor https", VRV_E_DENIED);
    end_world(w);
    set_var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/container");
    w = world("container");
    w->status = 500;
    says(w, "the container's agent at ", VRV_E_DENIED);
    end_world(w);
}

static void
test_instance(void)
{
    struct world *w = world("chain");
    set_var("AWS_EC2_METADATA_SERVICE_ENDPOINT", httprig_url(&w->g, ""));
    (void)snprintf(w->keys, sizeof(w->keys), "INS");
    expires_in(w, 3600);
    IS_STR(ask(w)->text, "INS SINS TINS", "keys of a machine, at the end of the chain");
    IS(w->asked, 3u, "... for a token, of a role");
    w->g.server_opts.fn = serve;
    end_world(w);
    w = world("instance");
    set_var("AWS_EC2_METADATA_SERVICE_ENDPOINT", httprig_url(&w->g, ""));
    httpd_listen(w->g.server, false);
    says(w, "connection refused", VRV_E_UNREACHABLE);
    end_world(w);
    set_var("AWS_EC2_METADATA_DISABLED", "true");
    w = world("chain");
    says(w, "there are no keys for S3", VRV_E_DENIED);
    end_world(w);
}

/* ---- when they are looked for again ---- */

static void
test_expiry(void)
{
    set_var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/container");
    struct world *w = world("container");
    (void)snprintf(w->keys, sizeof(w->keys), "ONE");
    expires_in(w, 3600);
    unsigned first = ask(w)->version;
    simclock_advance_ms(&w->g.sim, 3200000);
    IS(ask(w)->version, first, "keys are good for a while");
    IS(w->asked, 1u, "... and not asked for again");
    (void)snprintf(w->keys, sizeof(w->keys), "TWO");
    expires_in(w, 3600);
    simclock_advance_ms(&w->g.sim, 200000);
    IS_STR(ask(w)->text, "ONE SONE TONE", "before they expire they still are");
    settle(w);
    IS_STR(ask(w)->text, "TWO STWO TTWO", "... while others are asked for");
    w->status = 500;
    simclock_advance_ms(&w->g.sim, 3300000);
    IS_STR(ask(w)->text, "TWO STWO TTWO", "and if there are none");
    settle(w);
    IS_STR(ask(w)->text, "TWO STWO TTWO", "... they are used to the end");
    simclock_advance_ms(&w->g.sim, 100001);
    says(w, "gives no keys (HTTP 500)", VRV_E_DENIED);
    unsigned asked = w->asked;
    for (int i = 0; i < 10; i++)
        (void)ask(w);
    IS(w->asked, asked, "who has none isn't asked at each turn");
    w->status = 200;
    (void)snprintf(w->keys, sizeof(w->keys), "THREE");
    expires_in(w, 3600);
    simclock_advance_ms(&w->g.sim, 5000);
    IS_STR(ask(w)->text, "THREE STHREE TTHREE", "... but again soon");
    end_world(w);
}

/* Hours between the clocks change nothing: neither are keys asked for all the time, nor used when they have expired. */
static void
test_clocks(int64_t ahead_s, bool is_web)
{
    if (is_web) {
        set_var("AWS_WEB_IDENTITY_TOKEN_FILE", write_file("token", "eyJ"));
        set_var("AWS_ROLE_ARN", "arn:aws:iam::1:role/varve");
    } else {
        set_var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/container");
    }
    struct world *w = world("chain");
    if (is_web)
        set_var("AWS_ENDPOINT_URL_STS", httprig_url(&w->g, "/"));
    tap_note("the clock of who gives the keys is %d s ahead", (int)ahead_s);
    w->tells_time = true;
    w->ahead_s = ahead_s;
    (void)snprintf(w->keys, sizeof(w->keys), "ONE");
    expires_in(w, 3600);
    IS_STR(ask(w)->text, "ONE SONE TONE", "its keys are good");
    for (int i = 0; i < 10; i++) {
        simclock_advance_ms(&w->g.sim, 300000);
        (void)ask(w);
        settle(w);
    }
    IS(w->asked, 1u, "... for a while, in which nobody asks for others");
    w->status = 500;
    simclock_advance_ms(&w->g.sim, 590000);
    IS_STR(ask(w)->text, "ONE SONE TONE", "... to the end");
    settle(w);
    IS(w->asked, 2u, "... before which others are asked for");
    simclock_advance_ms(&w->g.sim, 11000);
    says(w, "gives no keys (HTTP 500)", VRV_E_DENIED);
    end_world(w);
}

static void
test_refused(void)
{
    set_var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/container");
    struct world *w = world("container");
    (void)snprintf(w->keys, sizeof(w->keys), "ONE");
    expires_in(w, 3600);
    unsigned version = ask(w)->version;
    simclock_advance_ms(&w->g.sim, 60000);
    (void)snprintf(w->keys, sizeof(w->keys), "TWO");
    OK(vrv_creds_refused(w->c, version), "keys that were refused: others may be good");
    IS_STR(ask(w)->text, "TWO STWO TTWO", "... and are asked for at once");
    OK(vrv_creds_refused(w->c, version), "... who had the old ones is to ask again");
    version = ask(w)->version;
    OK(!vrv_creds_refused(w->c, version), "refused again at once: there are no others");
    IS_STR(ask(w)->text, "TWO STWO TTWO", "... these are all there is");
    simclock_advance_ms(&w->g.sim, 6000);
    OK(vrv_creds_refused(w->c, version), "later there may be");
    IS(ask(w)->version, version, "... or may not");
    end_world(w);
}

/* Requests are on their way on another thread, as in a server: who follows an answer with the next request has no part in
 * that one any more. */
static void
test_threads(void)
{
    struct asked a = { .done = false };
    struct world *w = world_of("instance", true);
    unsigned good = 0, i = 0;

    set_var("AWS_EC2_METADATA_SERVICE_ENDPOINT", httprig_url(&w->g, ""));
    (void)snprintf(w->keys, sizeof(w->keys), "INS");
    expires_in(w, 1000000);
    httpd_start(w->g.server);
    for (i = 0; i < REFRESHES && good == i; i++) {
        if (i > 0)
            (void)vrv_creds_refused(w->c, a.version);
        a = (struct asked){ .wait = { .run = told } };
        vrv_creds_ask(w->c, &a.wait);
        while (!a.done) {
            struct vrv_done *d = vrv_cq_take(&w->g.cq, -1);

            d->run(d);
        }
        good += strcmp(a.text, "INS SINS TINS") == 0;
        simclock_advance_ms(&w->g.sim, 6000);
    }
    IS(good, i, "keys are looked for again and again: %s", a.text);
    httpd_lock(w->g.server);
    IS(w->asked, 3 * i, "... each time as they are to be");
    httpd_unlock(w->g.server);
    OK(vrv_creds_end(w->c), "... and nothing is left over");
    end_world(w);
}

static void
test_ended(void)
{
    struct asked a = { .wait = { .run = told } };

    set_var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/container");
    struct world *w = world("container");
    (void)snprintf(w->keys, sizeof(w->keys), "ONE");
    expires_in(w, 60);
    (void)ask(w);
    simclock_advance_ms(&w->g.sim, 6000);
    vrv_creds_ask(w->c, &a.wait);
    OK(a.done && !vrv_creds_end(w->c), "a request for keys can be under way at the end");
    end_world(w);
}

static void
test_sources(void)
{
    static const char *const bad[] = { "envx", "profile:", "file:", "keys", "instance:x" };
    struct vrv_creds *c;
    struct vrv_err e;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct vrv_creds_opts o = { .source = bad[i], .clock = vrv_clock_real(), .region = "r" };

        IS(vrv_creds_new(&c, &o, &e), VRV_E_INVALID, "%s is no source", bad[i]);
    }
    OK(strstr(e.msg, "tier.s3.credentials=instance:x is none of chain, env, profile:NAME") != NULL,
        "... %s", e.msg);
}

int
main(void)
{
    char aws[512];

    home = tap_dir();
    (void)snprintf(aws, sizeof(aws), "%s/.aws", home);
    tap_need(mkdir(aws, 0700), "no directory");
    test_environment();
    test_profiles();
    test_file();
    test_web_identity();
    test_container();
    test_instance();
    test_expiry();
    test_clocks(-7 * 3600, false);
    test_clocks(7 * 3600, true);
    test_refused();
    test_threads();
    test_ended();
    test_sources();
    return tap_done();
}
