/* Within the credentials: places to look for keys.  Threads: as credentials.h says. */
#ifndef VRV_STORE_CREDENTIALS_INT_H
#define VRV_STORE_CREDENTIALS_INT_H

#include <sys/stat.h>

#include "tiering/store/credentials.h"

enum {
    VRV__CREDS_ID = 136,        /* with their zeros */
    VRV__CREDS_SECRET = 136,
    VRV__CREDS_TOKEN = 4100,
    VRV__CREDS_PATH = 1024,
    VRV__CREDS_URL = 1024,
    VRV__CREDS_FILE_MAX = 64 * 1024,
    VRV__CREDS_WATCHED = 4,
};

/* "chain" is all but the last of them, in this order. */
enum vrv__creds_place { VRV__CREDS_ENV, VRV__CREDS_WEB, VRV__CREDS_PROFILE, VRV__CREDS_CONTAINER,
    VRV__CREDS_INSTANCE, VRV__CREDS_FILE, VRV__CREDS_PLACES };

struct vrv__creds_keys {
    char id[VRV__CREDS_ID], secret[VRV__CREDS_SECRET], token[VRV__CREDS_TOKEN];
    int64_t expires_ms;         /* on the monotonic clock; 0: never */
};

/* A file that keys came from, as it was then. */
struct vrv__creds_file {
    char path[VRV__CREDS_PATH];
    struct stat was;            /* all zero: it wasn't there */
};

/* A role that a token in a file gets the keys of. */
struct vrv__creds_role {
    char arn[256], session[80], token_file[VRV__CREDS_PATH];
};

struct vrv_creds {
    struct vrv_creds_opts o;
    char *region, *container_url;
    enum vrv__creds_place only; /* where to look, */
    bool chain;                 /* ... or everywhere */
    char *name;                 /* of a profile or file; NULL: none was given */

    struct vrv__creds_keys keys;
    unsigned version;           /* of the keys, from 1; 0: there are none */
    bool refused;               /* they are no good any more, */
    bool look_now;              /* ... and others are to be looked for at once */
    int64_t looked_ns;          /* when the last look began */
    struct vrv_err err;         /* how it ended */
    struct vrv__creds_file file[VRV__CREDS_WATCHED];
    unsigned file_n;
    int64_t watched_ns;         /* when the files were looked at */

    /* a look that goes on */
    bool looking, ended;
    enum vrv__creds_place place;
    struct vrv__creds_keys found;
    struct vrv_creds_wait *waiting, **waiting_end;
    struct vrv_http_req http;
    bool asks;                  /* ... is under way */
    void (*then)(struct vrv_creds *c);
    char url[VRV__CREDS_URL], header[VRV__CREDS_TOKEN + 64];
    const char *headers[1];
    struct iovec iov;
    char *body;
};

/*
 * Look in a place: 0, c->found is filled in; NOTFOUND, nothing is set up there; AGAIN, a request is
 * under way and vrv__creds_looked() will be told; else it is set up, but wrong, and c->err says
 * how.
 */
int vrv__creds_env(struct vrv_creds *c);
int vrv__creds_profile(struct vrv_creds *c);
int vrv__creds_file(struct vrv_creds *c);
int vrv__creds_web(struct vrv_creds *c);
int vrv__creds_container(struct vrv_creds *c);
int vrv__creds_instance(struct vrv_creds *c);
void vrv__creds_looked(struct vrv_creds *c, int rc);

/* An environment's variable, or NULL when it isn't there or empty. */
const char *vrv__creds_var(const struct vrv_creds *c, const char *name);
/* Fill in the keys; false: one is missing or too long. */
bool vrv__creds_take(
    struct vrv__creds_keys *k, const char *id, const char *secret, const char *token);
/* A file as text, which is watched from now on; NOTFOUND, or INVALID. */
int vrv__creds_read(
    struct vrv_creds *c, const char *path, char **out, struct vrv_err *e) VRV_MUST_CHECK;
/* Keys of a role: a request to the token service. */
int vrv__creds_assume(struct vrv_creds *c, const struct vrv__creds_role *role);

#endif
