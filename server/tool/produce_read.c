#include "server/tool/produce.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/tool/out.h"

/* Says where an error is; the line after it can be read. */
static int
bad_line(struct produce_read *r, int rc, struct vrv_err *e)
{
    r->goes_on = true;
    return vrv_err_prefix(e, rc, "%.80s, line %" PRIu64, r->in.name, r->in.line);
}

/* ---- lines ---- */

static void
keep(const struct produce_read *r, const char *from, size_t n, const void **to, size_t *to_n)
{
    *to = n == 0 && r->empty_is_null ? NULL : from;
    *to_n = n;
}

static int
next_line(struct produce_read *r, struct record *out, struct vrv_err *e)
{
    char *line;
    size_t n, key_n;
    int rc = input_line(&r->in, &line, &n, e);

    if (rc == VRV_E_TOO_LARGE)
        return bad_line(r, rc, e);
    if (rc <= 0)
        return rc;
    record_clear(out);
    if (r->separator == NULL) {
        keep(r, line, n, &out->value, &out->value_n);
        return 1;
    }
    const char *at = memmem(line, n, r->separator, r->separator_n);
    if (at == NULL)
        return bad_line(r, vrv_err_set(e, VRV_E_CORRUPT, "there is no key separator in it"), e);
    key_n = (size_t)(at - line);
    keep(r, line, key_n, &out->key, &out->key_n);
    keep(r, at + r->separator_n, n - key_n - r->separator_n, &out->value, &out->value_n);
    return 1;
}

/* ---- JSON ---- */

static int
next_json(struct produce_read *r, struct record *out, struct vrv_err *e)
{
    char *line;
    size_t n;
    int rc;

    do {
        rc = input_line(&r->in, &line, &n, e);
        if (rc == VRV_E_TOO_LARGE)
            return bad_line(r, rc, e);
        if (rc <= 0)
            return rc;
    } while (strspn(line, " \t\r") >= n);
    rc = record_from_json(out, line, n, e);
    return rc < 0 ? bad_line(r, VRV_E_CORRUPT, e) : 1;
}

/* ---- raw ---- */

static int32_t
be32(const char *p)
{
    const unsigned char *c = (const unsigned char *)p;

    return (int32_t)((uint32_t)c[0] << 24 | (uint32_t)c[1] << 16 | (uint32_t)c[2] << 8 | c[3]);
}

static int
bad_length(const struct produce_read *r, int32_t n, struct vrv_err *e)
{
    return vrv_err_set(e, VRV_E_CORRUPT, "%.100s: %" PRId32 " is no length of a key or value",
        r->in.name, n);
}

/* Those bytes, which must follow. */
static int
rest(struct produce_read *r, size_t n, char **p, struct vrv_err *e)
{
    int rc = input_bytes(&r->in, n, p, e);

    if (rc == 0 && !r->in.stopped)
        return vrv_err_set(e, VRV_E_CORRUPT, "%.100s ends amid a record", r->in.name);
    return rc;
}

static int
next_raw(struct produce_read *r, struct record *out, struct vrv_err *e)
{
    char *p;
    int32_t key_n, value_n;
    int rc = input_bytes(&r->in, 4, &p, e);

    if (rc <= 0)
        return rc;
    record_clear(out);
    key_n = be32(p);
    if (key_n < -1)
        return bad_length(r, key_n, e);
    out->key_n = key_n < 0 ? 0 : (size_t)key_n;
    rc = rest(r, out->key_n + 4, &p, e);
    if (rc <= 0)
        return rc;
    value_n = be32(p + out->key_n);
    if (value_n < -1)
        return bad_length(r, value_n, e);
    /* Reading the value moves what was read before. */
    if (key_n >= 0 && r->key_cap < out->key_n + 1) {
        r->key_cap = 2 * out->key_n + 1;
        r->key = vrv_mem_grow(r->key, r->key_cap);
    }
    if (key_n > 0)
        memcpy(r->key, p, out->key_n);
    out->key = key_n < 0 ? NULL : r->key;
    out->value_n = value_n < 0 ? 0 : (size_t)value_n;
    rc = rest(r, out->value_n, &p, e);
    out->value = value_n < 0 ? NULL : p;
    return rc;
}

/* ---- */

int
produce_next(struct produce_read *r, struct record *out, struct vrv_err *e)
{
    r->goes_on = false;
    return r->next(r, out, e);
}

int
produce_read_init(struct produce_read *r, const struct args *a, const char *format,
    const char *separator, struct vrv_err *e)
{
    int64_t n;

    input_init(&r->in);
    if (strcmp(format, "lines") == 0)
        r->next = next_line;
    else if (strcmp(format, "json") == 0)
        r->next = next_json;
    else if (strcmp(format, "raw") == 0)
        r->next = next_raw;
    else
        return args_misuse(a, e, "--format wants lines, json or raw");
    if (separator == NULL)
        return 0;
    if (r->next != next_line)
        return args_misuse(a, e, "--key-separator is for --format lines");
    r->separator = vrv_mem_strdup(separator);
    n = out_untext(r->separator, strlen(separator));
    if (n <= 0)
        return args_misuse(a, e, "--key-separator \"%.40s\" has no meaning", separator);
    r->separator_n = (size_t)n;
    return 0;
}

void
produce_read_fini(struct produce_read *r)
{
    input_fini(&r->in);
    free(r->separator);
    free(r->key);
}
