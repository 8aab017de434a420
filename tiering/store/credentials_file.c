/*
 * Keys that are written down: in the environment, or in files as AWS's programs have them.
 *
 *   [default]                        in ~/.aws/credentials; in ~/.aws/config others than this
 *   aws_access_key_id = AKIA...      one are called "[profile NAME]"
 *   aws_secret_access_key = ...
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tiering/store/credentials_int.h"

int
vrv__creds_env(struct vrv_creds *c)
{
    const char *id = vrv__creds_var(c, "AWS_ACCESS_KEY_ID");
    const char *secret = vrv__creds_var(c, "AWS_SECRET_ACCESS_KEY");

    if (id == NULL && secret == NULL)
        return VRV_E_NOTFOUND;
    if (!vrv__creds_take(&c->found, id, secret, vrv__creds_var(c, "AWS_SESSION_TOKEN")))
        return vrv_err_set(&c->err, VRV_E_DENIED,
            "the environment has no good AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY: both are needed, without blanks");
    return 0;
}

/* ---- profiles ---- */

struct profile {
    bool there;
    char id[VRV__CREDS_ID], secret[VRV__CREDS_SECRET], token[VRV__CREDS_TOKEN];
    struct vrv__creds_role role;
    char other[32];             /* something that we can't do */
};

/* Without the blanks around it. */
static char *
trim(char *s)
{
    while (isblank((unsigned char)*s))
        s++;
    size_t n = strlen(s);
    while (n > 0 && isspace((unsigned char)s[n - 1]))
        s[--n] = '\0';
    return s;
}

static void
take_line(struct profile *p, char *line)
{
    static const char *const others[] = { "credential_process", "sso_session", "sso_start_url",
        "source_profile", "credential_source" };
    const struct {
        const char *name;
        char *out;
        size_t n;
    } known[] = { { "aws_access_key_id", p->id, sizeof(p->id) },
        { "aws_secret_access_key", p->secret, sizeof(p->secret) },
        { "aws_session_token", p->token, sizeof(p->token) },
        { "role_arn", p->role.arn, sizeof(p->role.arn) },
        { "role_session_name", p->role.session, sizeof(p->role.session) },
        { "web_identity_token_file", p->role.token_file, sizeof(p->role.token_file) } };
    char *equals = strchr(line, '=');

    if (equals == NULL)
        return;
    *equals = '\0';
    const char *name = trim(line), *value = trim(equals + 1);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(name, known[i].name) == 0)
            (void)snprintf(known[i].out, known[i].n, "%s", value);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(name, others[i]) == 0)
            (void)snprintf(p->other, sizeof(p->other), "%s", name);
}

/* "[NAME]" or "[profile NAME]". */
static bool
is_section(char *line, const char *name)
{
    line[strcspn(line, "]")] = '\0';
    line = trim(line + 1);
    if (strncmp(line, "profile", 7) == 0 && isblank((unsigned char)line[7]))
        line = trim(line + 7);
    return strcmp(line, name) == 0;
}

/* What the text says of a profile; "": also what stands before the first one. */
static void
read_profile(struct profile *p, char *text, const char *name, bool or_bare)
{
    bool in = or_bare;
    char *rest = text, *line;

    while ((line = strsep(&rest, "\n")) != NULL) {
        bool is_nested = isblank((unsigned char)*line); /* of "s3 =" and such */

        line = trim(line);
        if (*line == '[') {
            in = is_section(line, name);
            p->there |= in;
        } else if (in && !is_nested && *line != '#' && *line != ';') {
            p->there |= *line != '\0';
            take_line(p, line);
        }
    }
}

/* The file of a variable's name, or of this one below the home directory. */
static int
read_file(
    struct vrv_creds *c, struct profile *p, const char *var, const char *usual, const char *name)
{
    const char *path = vrv__creds_var(c, var), *home = vrv__creds_var(c, "HOME");
    char at[VRV__CREDS_PATH], *text;

    (void)snprintf(at, sizeof(at), "%s/%s", home != NULL ? home : "", usual);
    int rc = vrv__creds_read(c, path != NULL ? path : at, &text, &c->err);
    if (rc == VRV_E_NOTFOUND || (rc == VRV_E_READONLY && path == NULL))
        return 0; /* somebody else's home, perhaps */
    if (rc == 0)
        read_profile(p, text, name, false);
    free(text);
    return rc;
}

/* What a profile says is what counts, or the sentence why it can't. */
static int
take_profile(struct vrv_creds *c, const struct profile *p, const char *name)
{
    bool has_keys = p->id[0] != '\0' || p->secret[0] != '\0';

    if (has_keys && vrv__creds_take(&c->found, p->id, p->secret, p->token))
        return 0;
    if (has_keys)
        return vrv_err_set(&c->err, VRV_E_DENIED,
            "profile %.80s has no good aws_access_key_id and aws_secret_access_key: both are "
            "needed, without blanks",
            name);
    if (p->role.arn[0] != '\0' && p->role.token_file[0] != '\0')
        return vrv__creds_assume(c, &p->role);
    if (p->other[0] != '\0')
        return vrv_err_set(&c->err, VRV_E_DENIED,
            "profile %.80s has %s, which varve can't do: name keys, or "
            "role_arn with web_identity_token_file",
            name, p->other);
    return VRV_E_NOTFOUND;
}

int
vrv__creds_profile(struct vrv_creds *c)
{
    const char *named = c->name != NULL ? c->name : vrv__creds_var(c, "AWS_PROFILE");
    const char *name = named != NULL ? named : "default";
    struct profile p = { .there = false };
    int rc = read_file(c, &p, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", name);

    if (rc == 0 && p.id[0] == '\0')
        rc = read_file(c, &p, "AWS_CONFIG_FILE", ".aws/config", name);
    if (rc == 0)
        rc = take_profile(c, &p, name);
    if (rc == VRV_E_NOTFOUND && named != NULL)
        rc = vrv_err_set(&c->err, VRV_E_DENIED,
            "there is no profile %.80s with keys in ~/.aws/credentials "
            "or ~/.aws/config, or the files that the environment names",
            name);
    return rc;
}

int
vrv__creds_file(struct vrv_creds *c)
{
    struct profile p = { .there = false };
    char *text;
    int rc = vrv__creds_read(c, c->name, &text, &c->err);

    if (rc < 0)
        return vrv_err_prefix(&c->err, VRV_E_DENIED, "tier.s3.credentials");
    read_profile(&p, text, "default", true);
    free(text);
    rc = take_profile(c, &p, "default");
    if (rc == VRV_E_NOTFOUND)
        rc = vrv_err_set(&c->err, VRV_E_DENIED,
            "%.150s has no aws_access_key_id and aws_secret_access_key", c->name);
    return rc;
}
