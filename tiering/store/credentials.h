/*
 * Keys for requests to S3: where they come from, how long they are good, and others when they
 * aren't.
 *
 *   chain          what AWS's programs do: the first of these that is set up
 *     env            AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *     web-identity   a token from a file (AWS_WEB_IDENTITY_TOKEN_FILE) gets keys of a role
 *                    (AWS_ROLE_ARN) from the token service: what Kubernetes gives a pod
 *     profile:NAME   of ~/.aws/credentials and ~/.aws/config, or the files that
 *                    AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name; in the chain the one of
 *                    AWS_PROFILE, or "default"
 *     container      from AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, with a token if one
 *                    is named
 *     instance       from the metadata service of a virtual machine (IMDSv2)
 *   file:PATH      a file written like ~/.aws/credentials; its profile "default", or without one
 *
 * Files are read again when they have changed, keys that expire are got anew before they do (by the
 * clock of who gave them, whatever ours says), and all are looked for again when they were refused.
 * A secret is never in a sentence.
 *
 * Threads: one, which takes `cq` and calls everything here.
 */
#ifndef VRV_STORE_CREDENTIALS_H
#define VRV_STORE_CREDENTIALS_H

#include "tiering/store/http.h"
#include "tiering/store/sigv4.h"

struct vrv_creds;

struct vrv_creds_opts {
    const char *source;          /* one of the above */
    struct vrv_http *http;       /* borrowed, as are the next two */
    struct vrv_clock *clock;
    struct vrv_cq *cq;           /* what was asked by HTTP comes back there */
    const char *region;          /* of the token service */
    const char *(*env)(const char *name); /* NULL: the process's environment */
    const char *container_url;   /* of a relative URI; NULL: http://169.254.170.2 */
};

/* Errors: INVALID, the source is none of the above. */
int vrv_creds_new(struct vrv_creds **out, const struct vrv_creds_opts *o, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Nobody waits, and nobody will ask.  False: a request is under way; take cq until this is true. */
bool vrv_creds_end(struct vrv_creds *c);
void vrv_creds_free(struct vrv_creds **c);

struct vrv_creds_wait {
    /* With keys, which stay until this returns, and which ones they are; or NULL and why: DENIED
     * when there are none, UNREACHABLE when who has them doesn't answer. */
    void (*run)(struct vrv_creds_wait *w, const struct vrv_sigv4_keys *keys, unsigned version,
        const struct vrv_err *e);
    struct vrv_creds_wait *next;
};

/* w->run is called once: at once, or within a few seconds. */
void vrv_creds_ask(struct vrv_creds *c, struct vrv_creds_wait *w);
/* Keys of this version were refused: is it worth asking for others? */
bool vrv_creds_refused(struct vrv_creds *c, unsigned version);

#endif
