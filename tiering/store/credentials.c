/*
 * When keys are looked for, and who waits for that.
 *
 *   ask ─► good ones? ─► run
 *             │ none, or refused, or expired ─► look ─► run
 *             └ they expire soon, or a file has changed ─► run with them, and look meanwhile
 *
 * A look that finds nothing better than what there is leaves it as it is.
 */
#include "tiering/store/credentials.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "tiering/store/credentials_int.h"

static const int64_t second_ns = 1000000000;

enum {
    MS_NS = 1000000,
    SOON_MS = 300000,  /* keys that expire so soon are got anew, */
    AGAIN_S = 5,       /* ... but so often at most, as are those that were refused */
    WATCH_S = 1,       /* how often files are looked at */
};

static int64_t
now_ns(const struct vrv_creds *c)
{
    return c->o.clock->mono_ns(c->o.clock);
}

/* ---- for who looks ---- */

const char *
vrv__creds_var(const struct vrv_creds *c, const char *name)
{
    const char *value = c->o.env(name);

    return value != NULL && *value != '\0' ? value : NULL;
}

static bool
take_text(char *out, size_t n, const char *s)
{
    for (const char *p = s; p != NULL && *p != '\0'; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f) /* it is to be a header */
            return false;
    return s != NULL && snprintf(out, n, "%s", s) < (int)n;
}

bool
vrv__creds_take(struct vrv__creds_keys *k, const char *id, const char *secret, const char *token)
{
    *k = (struct vrv__creds_keys){ .expires_ms = 0 };
    return take_text(k->id, sizeof(k->id), id) && k->id[0] != '\0' &&
        take_text(k->secret, sizeof(k->secret), secret) && k->secret[0] != '\0' &&
        take_text(k->token, sizeof(k->token), token != NULL ? token : "");
}

/* Nothing of a file that isn't there counts as well. */
static bool
is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static struct stat
look_at(const char *path)
{
    struct stat st;

    memset(&st, 0, sizeof(st));
    if (stat(path, &st) < 0)
        memset(&st, 0, sizeof(st));
    return st;
}

static void
watch(struct vrv_creds *c, const char *path)
{
    VRV_ASSERT(c->file_n < VRV__CREDS_WATCHED);
    struct vrv__creds_file *f = &c->file[c->file_n++];

    (void)snprintf(f->path, sizeof(f->path), "%s", path);
    f->was = look_at(path);
}

int
vrv__creds_read(struct vrv_creds *c, const char *path, char **out, struct vrv_err *e)
{
    char *text;

    *out = NULL;
    watch(c, path);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return vrv_err_sys(e, "%.150s", path);
    text = vrv_mem_zero(VRV__CREDS_FILE_MAX);
    size_t n = fread(text, 1, VRV__CREDS_FILE_MAX, f);
    bool good = !ferror(f) && n < VRV__CREDS_FILE_MAX && memchr(text, 0, n) == NULL;
    (void)fclose(f);
    if (!good) {
        free(text);
        return vrv_err_set(e, VRV_E_INVALID, "%.150s can't be read, or isn't text", path);
    }
    *out = text;
    return 0;
}

/* ---- a look ---- */

static int
look_in(struct vrv_creds *c, enum vrv__creds_place place)
{
    static int (*const look[VRV__CREDS_PLACES])(struct vrv_creds *c) = {
        [VRV__CREDS_ENV] = vrv__creds_env, [VRV__CREDS_WEB] = vrv__creds_web,
        [VRV__CREDS_PROFILE] = vrv__creds_profile, [VRV__CREDS_CONTAINER] = vrv__creds_container,
        [VRV__CREDS_INSTANCE] = vrv__creds_instance, [VRV__CREDS_FILE] = vrv__creds_file };

    c->place = place;
    return look[place](c);
}

/* Within so long they expire, or have. */
static bool
expires_within(const struct vrv_creds *c, int64_t ms)
{
    return c->keys.expires_ms != 0 && c->keys.expires_ms <= now_ns(c) / MS_NS + ms;
}

static bool
is_good(const struct vrv_creds *c)
{
    return c->version > 0 && !c->refused && !expires_within(c, 0);
}

static void
run_one(struct vrv_creds *c, struct vrv_creds_wait *w)
{
    if (!is_good(c) && c->err.code == 0)
        (void)vrv_err_set(&c->err, VRV_E_DENIED, "the keys for S3 have expired");

    struct vrv_sigv4_keys keys = { c->keys.id, c->keys.secret,
        c->keys.token[0] != '\0' ? c->keys.token : NULL };

    w->run(w, is_good(c) ? &keys : NULL, c->version, &c->err);
}

static void
run_waiting(struct vrv_creds *c)
{
    struct vrv_creds_wait *w = c->waiting, *next;

    c->waiting = NULL;
    c->waiting_end = &c->waiting;
    for (; w != NULL; w = next) {
        next = w->next;
        run_one(c, w);
    }
}

/* Keys that were refused, and are all there is, may be good again: who asked will see. */
static void
take_found(struct vrv_creds *c)
{
    bool same = c->version > 0 && strcmp(c->found.id, c->keys.id) == 0 &&
        strcmp(c->found.secret, c->keys.secret) == 0 && strcmp(c->found.token, c->keys.token) == 0;

    c->keys = c->found;
    c->refused = false;
    if (!same)
        c->version++;
}

/* The chain goes on where nothing is set up. */
static int
look_on(struct vrv_creds *c, int rc)
{
    while (rc == VRV_E_NOTFOUND && c->chain && c->place < VRV__CREDS_INSTANCE)
        rc = look_in(c, c->place + 1);
    return rc;
}

void
vrv__creds_looked(struct vrv_creds *c, int rc)
{
    if (!c->ended)
        rc = look_on(c, rc);
    if (rc == VRV_E_AGAIN)
        return;
    c->looking = false;
    free(c->body);
    c->body = NULL;
    if (rc == 0)
        take_found(c);
    else if (rc == VRV_E_NOTFOUND)
        (void)vrv_err_set(&c->err, VRV_E_DENIED,
            "there are no keys for S3 where tier.s3.credentials=%.80s looks for them",
            c->o.source);
    OPENSSL_cleanse(&c->found, sizeof(c->found));
    run_waiting(c);
}

static void
look(struct vrv_creds *c)
{
    c->looking = true;
    c->look_now = false;
    c->looked_ns = now_ns(c);
    c->file_n = 0;
    c->err = (struct vrv_err){ 0 };
    vrv__creds_looked(c, look_in(c, c->chain ? VRV__CREDS_ENV : c->only));
}

/* ---- when ---- */

static bool
has_changed(struct vrv_creds *c)
{
    bool changed = false;

    c->watched_ns = now_ns(c);
    for (unsigned i = 0; i < c->file_n; i++) {
        struct stat is = look_at(c->file[i].path);

        changed |= !is_same_file(&is, &c->file[i].was);
    }
    return changed;
}

static bool
may_watch(const struct vrv_creds *c)
{
    return now_ns(c) >= c->watched_ns + WATCH_S * second_ns;
}

static bool
may_look(const struct vrv_creds *c)
{
    return c->looked_ns == 0 || now_ns(c) >= c->looked_ns + AGAIN_S * second_ns;
}

void
vrv_creds_ask(struct vrv_creds *c, struct vrv_creds_wait *w)
{
    bool good = is_good(c);

    if (good)
        run_one(c, w);
    if (!good) {
        w->next = NULL;
        *c->waiting_end = w;
        c->waiting_end = &w->next;
    }
    if (c->looking)
        return;
    if (c->look_now || (may_watch(c) && has_changed(c)) ||
        ((!good || expires_within(c, SOON_MS)) && may_look(c)))
        look(c);
    else if (!good)
        run_waiting(c);
}

bool
vrv_creds_refused(struct vrv_creds *c, unsigned version)
{
    if (c->version != version || c->looking)
        return true;
    if (!may_look(c) && !has_changed(c))
        return false;
    c->refused = c->look_now = true;
    return true;
}

bool
vrv_creds_end(struct vrv_creds *c)
{
    if (c->looking && !c->ended)
        vrv_http_cancel(c->o.http, &c->http);
    c->ended = true;
    return !c->looking;
}

/* ---- begin and end ---- */

static int
take_source(struct vrv_creds *c, const char *source, struct vrv_err *e)
{
    static const struct {
        const char *word;
        enum vrv__creds_place place;
        bool named;
    } sources[] = { { "env", VRV__CREDS_ENV, false }, { "web-identity", VRV__CREDS_WEB, false },
        { "profile:", VRV__CREDS_PROFILE, true }, { "container", VRV__CREDS_CONTAINER, false },
        { "instance", VRV__CREDS_INSTANCE, false }, { "file:", VRV__CREDS_FILE, true } };

    c->chain = strcmp(source, "chain") == 0;
    for (size_t i = 0; !c->chain && i < sizeof(sources) / sizeof(sources[0]); i++) {
        size_t n = strlen(sources[i].word);

        if (strncmp(source, sources[i].word, n) != 0 || (source[n] != '\0') != sources[i].named ||
            strlen(source) >= VRV__CREDS_PATH)
            continue;
        c->only = sources[i].place;
        c->name = sources[i].named ? vrv_mem_strdup(source + n) : NULL;
        return 0;
    }
    if (c->chain)
        return 0;
    return vrv_err_set(e, VRV_E_INVALID,
        "tier.s3.credentials=%.80s is none of chain, env, profile:NAME, file:PATH, web-identity, "
        "container, instance",
        source);
}

static const char *
process_env(const char *name)
{
    return getenv(name);
}

int
vrv_creds_new(struct vrv_creds **out, const struct vrv_creds_opts *o, struct vrv_err *e)
{
    struct vrv_creds *c = vrv_mem_zero(sizeof(*c));
    const char *source = o->source != NULL && *o->source != '\0' ? o->source : "chain";

    c->o = *o;
    c->o.env = o->env != NULL ? o->env : process_env;
    c->o.source = vrv_mem_strdup(source);
    c->region = vrv_mem_strdup(o->region);
    c->container_url = vrv_mem_strdup(
        o->container_url != NULL ? o->container_url : "http://169.254.170.2");
    c->waiting_end = &c->waiting;
    int rc = take_source(c, source, e);
    if (rc < 0)
        vrv_creds_free(&c);
    *out = c;
    return rc;
}

void
vrv_creds_free(struct vrv_creds **cp)
{
    struct vrv_creds *c = *cp;

    if (c == NULL)
        return;
    VRV_ASSERT(c->waiting == NULL && !c->looking);
    free((void *)(uintptr_t)c->o.source);
    free(c->region);
    free(c->container_url);
    free(c->name);
    OPENSSL_cleanse(c, sizeof(*c));
    free(c);
    *cp = NULL;
}
