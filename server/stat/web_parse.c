#include "server/stat/web_parse.h"

#include <string.h>
#include <strings.h>

struct span {
    const char *p;
    size_t n;
};

struct head {
    struct vrv_web_request *r;
    bool is_get;                 /* or HEAD */
    bool is_11;
    bool has_body;
    bool closes, keeps;          /* what Connection says */
    unsigned hosts;
};

static bool
is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
        (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_word(struct span s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

/* What stands before `stop`, which is taken away with it; all, if there is none. */
static struct span
cut(struct span *s, char stop)
{
    const char *at = s->n > 0 ? memchr(s->p, stop, s->n) : NULL;
    size_t n = at != NULL ? (size_t)(at - s->p) : s->n;
    size_t skip = n + (at != NULL);
    struct span part = { s->p, n };

    s->p += skip;
    s->n -= skip;
    return part;
}

static struct span
trim(struct span s)
{
    for (; s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'); s.n--)
        s.p++;
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* ---- the first line ---- */

static bool
all_tokens(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_token(s.p[i]))
            return false;
    return true;
}

static bool
has_control(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
            return true;
    return false;
}

/* "/path?query", or with "http://host" in front. */
static bool
take_target(struct vrv_web_request *r, struct span t)
{
    static const char http[] = "http://";
    size_t http_n = sizeof(http) - 1;

    if (t.n > http_n && strncasecmp(t.p, http, http_n) == 0) {
        const char *slash = memchr(t.p + http_n, '/', t.n - http_n);

        if (slash == NULL)
            return false;
        t.n -= (size_t)(slash - t.p);
        t.p = slash;
    }
    if (t.n == 0 || t.p[0] != '/' || has_control(t))
        return false;
    struct span path = cut(&t, '?');
    r->path[0] = '\0';
    if (path.n < sizeof(r->path)) {
        memcpy(r->path, path.p, path.n);
        r->path[path.n] = '\0';
    }
    return true;
}

static int
first_line(struct head *h, struct span line)
{
    struct span method = cut(&line, ' '), target = cut(&line, ' ');

    if (method.n == 0 || !all_tokens(method))
        return -400;
    h->r->is_head = method.n == 4 && memcmp(method.p, "HEAD", 4) == 0;
    h->is_get = h->r->is_head || (method.n == 3 && memcmp(method.p, "GET", 3) == 0);
    h->is_11 = line.n == 8 && memcmp(line.p, "HTTP/1.1", 8) == 0;
    if (!h->is_11 && !(line.n == 8 && memcmp(line.p, "HTTP/1.0", 8) == 0))
        return -400;
    /* other methods have other targets */
    return !h->is_get || take_target(h->r, target) ? 0 : -400;
}

/* ---- the others ---- */

static void
take_connection(struct head *h, struct span value)
{
    while (value.n > 0) {
        struct span word = trim(cut(&value, ','));

        h->closes |= is_word(word, "close");
        h->keeps |= is_word(word, "keep-alive");
    }
}

static int
take_length(struct head *h, struct span value)
{
    if (value.n == 0)
        return -400;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return -400;
        h->has_body |= value.p[i] != '0';
    }
    return 0;
}

static int
header_line(struct head *h, struct span line)
{
    bool colon = memchr(line.p, ':', line.n) != NULL;
    struct span name = cut(&line, ':'), value = trim(line);

    if (!colon || name.n == 0 || !all_tokens(name))
        return -400;
    for (size_t i = 0; i < value.n; i++)
        if (((unsigned char)value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f)
            return -400;
    if (is_word(name, "host"))
        h->hosts++;
    else if (is_word(name, "connection"))
        take_connection(h, value);
    else if (is_word(name, "transfer-encoding"))
        h->has_body = true;
    else if (is_word(name, "content-length"))
        return take_length(h, value);
    return 0;
}

static int
judge(const struct head *h)
{
    if (!h->is_get)
        return -405;
    if (h->has_body || h->hosts > 1 || (h->is_11 && h->hosts == 0))
        return -400;
    h->r->keep_alive = !h->closes && (h->is_11 || h->keeps);
    return 0;
}

/* What speaks another protocol isn't waited for: its first bytes tell. */
static int
first_bytes(const char *p, size_t n)
{
    struct span s = { p, n };

    return all_tokens(cut(&s, ' ')) ? 0 : -400;
}

int
vrv_web_parse(const char *p, size_t n, struct vrv_web_request *r)
{
    struct head h = { .r = r };
    struct span rest = { p, n < VRV_WEB_HEAD_MAX ? n : VRV_WEB_HEAD_MAX };
    int rc = 0;

    *r = (struct vrv_web_request){ .path = "" };
    for (unsigned lines = 0; rest.n > 0 && memchr(rest.p, '\n', rest.n) != NULL; lines++) {
        struct span line = cut(&rest, '\n');

        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (lines > 0 && line.n == 0)
            return (rc = judge(&h)) < 0 ? rc : (int)(rest.p - p);
        if (lines == VRV_WEB_LINES_MAX)
            return -431;
        rc = lines == 0 ? first_line(&h, line) : header_line(&h, line);
        if (rc < 0)
            return rc;
    }
    if (rest.p == p && (rc = first_bytes(rest.p, rest.n)) < 0)
        return rc;
    return n >= VRV_WEB_HEAD_MAX ? -431 : 0;
}
