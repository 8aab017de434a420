#include "server/config/quotas.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/setting.h"

void
vrv_quotas_fini(struct vrv_quotas *q)
{
    for (size_t i = 0; i < q->n; i++)
        free(q->v[i].name);
    free(q->v);
    *q = (struct vrv_quotas){ .n = 0 };
}

static bool
number(const char *p, size_t n, int64_t *out)
{
    int64_t v = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9' || v > (INT64_MAX - 9) / 10)
            return false;
        v = 10 * v + (p[i] - '0');
    }
    *out = v;
    return n > 0 && v > 0;
}

/* Names may have colons: the last one counts. */
static bool
parse_one(struct vrv_quota *q, const char *part, size_t len)
{
    size_t n = len;

    while (n > 0 && part[n - 1] != ':')
        n--;
    if (n < 2 || n - 1 > VRV_QUOTA_NAME || !number(part + n, len - n, &q->bytes_s))
        return false;
    q->prefix = part[n - 2] == '*';
    n -= q->prefix ? 2 : 1;
    q->name = vrv_mem_grow(NULL, n + 1);
    memcpy(q->name, part, n);
    q->name[n] = '\0';
    return true;
}

int
vrv_quotas_parse(struct vrv_quotas *q, const char *text, struct vrv_err *e)
{
    const char *part;
    size_t len;
    int rc = 0;

    *q = (struct vrv_quotas){ .n = 0 };
    while (rc == 0 && vrv_setting_next(&text, &part, &len)) {
        struct vrv_quota one;

        if (len == 0)
            continue;
        if (q->n == VRV_QUOTAS_MAX) {
            rc = vrv_err_set(e, VRV_E_INVALID, "more than %d names", VRV_QUOTAS_MAX);
        } else if (!parse_one(&one, part, len)) {
            rc = vrv_err_set(e, VRV_E_INVALID,
                "\"%.*s\" is no quota: expected NAME:BYTES, with bytes in a second, at least 1",
                len > 80 ? 80 : (int)len, part);
        } else {
            VRV_PUSH_ROOM(q->v, q->n, q->cap);
            q->v[q->n++] = one;
        }
    }
    if (rc < 0)
        vrv_quotas_fini(q);
    return rc;
}

const struct vrv_quota *
vrv_quotas_find(const struct vrv_quotas *q, const char *name, size_t n)
{
    for (size_t i = 0; i < q->n; i++) {
        const struct vrv_quota *v = &q->v[i];
        size_t len = strlen(v->name);

        if ((v->prefix ? n >= len : n == len) && memcmp(name, v->name, len) == 0)
            return v;
    }
    return NULL;
}
