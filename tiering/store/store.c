/* What all stores share: the rules of a call, and who to ask. */
#include "tiering/store/store.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"

enum { PART_MAX = 255, SLOWEST = 16 /* bytes in a millisecond, of one of several at a time */ };

void
vrv_store_parent(const char *path, char out[VRV_STORE_KEY_MAX + 1])
{
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path);

    memmove(out, path, n);
    out[n] = '\0';
}

const char *
vrv_store_op_name(enum vrv_store_op op)
{
    static const char *const names[VRV_STORE_OPS] = { [VRV_STORE_PUT] = "put",
        [VRV_STORE_BEGIN] = "begin", [VRV_STORE_PART_N] = "part", [VRV_STORE_END] = "end",
        [VRV_STORE_ABORT] = "abort", [VRV_STORE_GET] = "get", [VRV_STORE_VERIFY] = "verify",
        [VRV_STORE_LIST] = "list", [VRV_STORE_DELETE] = "delete", [VRV_STORE_SWEEP] = "sweep" };

    VRV_ASSERT(op < VRV_STORE_OPS);
    return names[op];
}

static const struct {
    int status;
    const char *name;
} outcomes[VRV_STORE_OUTCOMES] = {
    [VRV_STORE_DONE] = { 0, "ok" },
    [VRV_STORE_NOTFOUND] = { VRV_E_NOTFOUND, "notfound" },
    [VRV_STORE_EXISTS] = { VRV_E_EXISTS, "exists" },
    [VRV_STORE_UNKNOWN] = { VRV_E_UNKNOWN, "unknown" },
    [VRV_STORE_BUSY] = { VRV_E_BUSY, "busy" },
    [VRV_STORE_UNREACHABLE] = { VRV_E_UNREACHABLE, "unreachable" },
    [VRV_STORE_TIMEDOUT] = { VRV_E_TIMEDOUT, "timedout" },
    [VRV_STORE_DENIED] = { VRV_E_DENIED, "denied" },
    [VRV_STORE_INVALID] = { VRV_E_INVALID, "invalid" },
    [VRV_STORE_NOSPACE] = { VRV_E_NOSPACE, "nospace" },
    [VRV_STORE_CORRUPT] = { VRV_E_CORRUPT, "corrupt" },
    [VRV_STORE_IO] = { VRV_E_IO, "io" },
    [VRV_STORE_CANCELLED] = { VRV_E_CANCELLED, "cancelled" },
};

enum vrv_store_outcome
vrv_store_outcome_of(int status)
{
    for (int i = 0; i < VRV_STORE_OUTCOMES; i++)
        if (outcomes[i].status == status)
            return (enum vrv_store_outcome)i;
    return VRV_STORE_IO; /* anything else that the store says */
}

const char *
vrv_store_outcome_name(enum vrv_store_outcome o)
{
    VRV_ASSERT(o < VRV_STORE_OUTCOMES);
    return outcomes[o].name;
}

static bool
is_key_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* Neither empty nor one that file systems take for a step. */
static bool
is_good_part(const char *p, size_t n)
{
    return n > 0 && n <= PART_MAX && !(n == 1 && p[0] == '.') && !(n == 2 && p[0] == '.' && p[1] == '.');
}

bool
vrv_store_key_is_good(const char *key, bool is_prefix)
{
    const char *part = key, *p;

    if (key == NULL || strnlen(key, VRV_STORE_KEY_MAX + 1) > VRV_STORE_KEY_MAX)
        return false;
    for (p = key; *p != '\0'; p++) {
        if (*p == '/') {
            if (!is_good_part(part, (size_t)(p - part)))
                return false;
            part = p + 1;
        } else if (!is_key_byte(*p)) {
            return false;
        }
    }
    return is_prefix || is_good_part(part, (size_t)(p - part));
}

static int
check_body(const struct vrv_store_call *c, uint64_t max, struct vrv_err *e)
{
    uint64_t n = 0;

    for (int i = 0; i < c->iov_n; i++)
        n += c->iov[i].iov_len;
    if (c->iov_n < 0 || n != c->size || n > max)
        return vrv_err_set(e, VRV_E_INVALID, "%s of %s: a body of %llu bytes, said to be %llu, at "
            "most %llu", vrv_store_op_name(c->op), c->key, (unsigned long long)n,
            (unsigned long long)c->size, (unsigned long long)max);
    return 0;
}

static int
check_keys(const struct vrv_store_call *c, struct vrv_err *e)
{
    if (c->max == 0 || c->max > VRV_STORE_DELETE_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "delete of %u objects, at most %d at once", c->max,
            VRV_STORE_DELETE_MAX);
    for (unsigned i = 0; i < c->max; i++)
        if (!vrv_store_key_is_good(c->keys[i], false))
            return vrv_err_set(e, VRV_E_INVALID, "delete: \"%.80s\" is no key", c->keys[i]);
    return 0;
}

/* What only our own mistakes can make wrong. */
static void
check_call(const struct vrv_store_call *c)
{
    bool of_upload =
        c->op == VRV_STORE_PART_N || c->op == VRV_STORE_END || c->op == VRV_STORE_ABORT;

    VRV_ASSERT(c->done.cq != NULL && c->op < VRV_STORE_OPS && c->lane < VRV_STORE_CLASSES);
    VRV_ASSERT(!of_upload || c->upload != NULL);
    VRV_ASSERT(c->op != VRV_STORE_GET || (c->buf != NULL && c->pos <= INT64_MAX - c->size));
}

int
vrv_store_lost(struct vrv_err *e, const char *key)
{
    return vrv_err_set(e, VRV_E_IO, "%.100s is not in the store any more: was it deleted there, or is "
        "this another store?", key);
}

int
vrv_store_blame(struct vrv_err *e, int status, const char *key)
{
    return strstr(e->msg, key) != NULL ? status : vrv_err_prefix(e, status, "%.100s", key);
}

int64_t
vrv_store_sending_ms(const struct vrv_store_call *c, enum vrv_store_op op)
{
    return op == VRV_STORE_PUT || op == VRV_STORE_PART_N ? (int64_t)(c->size / SLOWEST) : 0;
}

static int
may_submit(const struct vrv_store_call *c, struct vrv_err *e)
{
    check_call(c);
    if (c->op == VRV_STORE_DELETE)
        return check_keys(c, e);
    if (c->op == VRV_STORE_SWEEP && c->key == NULL)
        return 0;
    if (!vrv_store_key_is_good(c->key, c->op == VRV_STORE_LIST || c->op == VRV_STORE_SWEEP))
        return vrv_err_set(e, VRV_E_INVALID, "%s: \"%.80s\" is no key", vrv_store_op_name(c->op),
            c->key);
    if (c->op == VRV_STORE_PUT)
        return check_body(c, VRV_STORE_PUT_MAX, e);
    if (c->op == VRV_STORE_PART_N && c->part >= VRV_STORE_PARTS_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "part %u of %s, at most %d", c->part, c->key,
            VRV_STORE_PARTS_MAX);
    if (c->op == VRV_STORE_PART_N)
        return check_body(c, VRV_STORE_PART, e);
    if (c->op == VRV_STORE_LIST && c->max == 0)
        return vrv_err_set(e, VRV_E_INVALID, "list of %s: no names wanted", c->key);
    return 0;
}

void
vrv_store_submit(struct vrv_store *s, struct vrv_store_call *c)
{
    c->err = (struct vrv_err){ 0 };
    c->got = 0;
    c->whole = 0;
    c->names = NULL;
    c->more = c->cancelled = false;
    c->wait_ms = 0;
    c->next = NULL;
    c->status = may_submit(c, &c->err);
    if (c->status < 0)
        vrv_cq_post(c->done.cq, &c->done, &c->done);
    else
        s->ops->submit(s, c);
}

void
vrv_store_cancel(struct vrv_store *s, struct vrv_store_call *c)
{
    s->ops->cancel(s, c);
}

bool
vrv_store_step(struct vrv_store *s)
{
    return s->ops->step(s);
}

void
vrv_store_reopen(struct vrv_store *s)
{
    if (s->ops->reopen != NULL)
        s->ops->reopen(s);
}

void
vrv_store_upload_free(struct vrv_store *s, struct vrv_store_upload **u)
{
    if (*u != NULL)
        s->ops->upload_free(s, *u);
    *u = NULL;
}

void
vrv_store_describe(const struct vrv_store *s, char *out, size_t n)
{
    s->ops->describe(s, out, n);
}

void
vrv_store_close(struct vrv_store **s)
{
    if (*s != NULL)
        (*s)->ops->close(*s);
    *s = NULL;
}

void
vrv_store_names_free(struct vrv_store_call *c)
{
    for (size_t i = 0; c->names != NULL && i < c->got; i++)
        free(c->names[i].key);
    free(c->names);
    c->names = NULL;
    c->got = 0;
}
