/* What callers need to make requests and to read answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/assert.h"
#include "tiering/store/http.h"

const char *
vrv_http_header(const struct vrv_http_req *r, const char *name)
{
    size_t len = strlen(name);

    for (size_t at = 0; at < r->answer_n; at += strlen(r->answer + at) + 1) {
        const char *line = r->answer + at;

        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " \t");
    }
    return NULL;
}

void
vrv_http_free(struct vrv_http_req *r)
{
    free(r->text);
    free(r->answer);
    r->text = r->answer = NULL;
    r->answer_n = 0;
}

static bool
stays(char c, const char *keep)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("-._~", c) != NULL || strchr(keep, c) != NULL;
}

void
vrv_http_escape(char *out, size_t n, const char *s, const char *keep)
{
    VRV_ASSERT(n > 3 * strlen(s));
    for (; *s != '\0'; s++) {
        if (stays(*s, keep))
            *out++ = *s;
        else
            out += snprintf(out, 4, "%%%02X", (unsigned char)*s);
    }
    *out = '\0';
}
