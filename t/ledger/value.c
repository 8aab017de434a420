#include "t/ledger/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { KEY_MAX = 32, SMALL = 200, LARGE = 9000, LARGE_ONE_IN = 61, HEADER_ONE_IN = 5 };

/* What a record is made of. */
struct text {
    char key[KEY_MAX];
    int key_len;
    char value[LARGE + 64];
    int value_len;
    bool has_header;
    int64_t ts;
};

static void
make(const struct ledger *l, const struct value *v, struct text *t)
{
    struct vrv_rand size = { (uint64_t)v->n * 64 + (uint64_t)v->producer };

    t->key_len = snprintf(t->key, KEY_MAX, "%d:%" PRId64, v->producer, v->n);
    t->value_len = snprintf(t->value, 64, "%s/%d %s ", topics[v->topic].name, v->partition, t->key);
    int pad = (int)vrv_rand_below(&size, vrv_rand_below(&size, LARGE_ONE_IN) == 0 ? LARGE : SMALL);
    memset(t->value + t->value_len, 'a' + (int)(v->n % 26), (size_t)pad);
    t->value_len += pad;
    t->has_header = v->n % HEADER_ONE_IN == 0;
    t->ts = l->began_ms + v->n;
}

void
value_add(const struct ledger *l, struct vrv_batch_builder *b, const struct value *v)
{
    struct text t;

    make(l, v, &t);
    const struct vrv_build_header h = { "key", t.key, t.key_len };
    vrv_batch_builder_add(b, t.ts, t.key, t.key_len, t.value, t.value_len, &h, t.has_header);
}

static bool
has_header(const struct vrv_record *r, const struct text *t)
{
    const uint8_t *key, *value;
    int32_t key_len, value_len;
    size_t at = 0;

    return vrv_record_header(r, &at, &key, &key_len, &value, &value_len) == 1 && key_len == 3 &&
        memcmp(key, "key", 3) == 0 && value_len == t->key_len &&
        memcmp(value, t->key, (size_t)value_len) == 0;
}

bool
value_read(const struct ledger *l, const struct vrv_record *r, struct value *v)
{
    char key[KEY_MAX];
    struct text t;

    if (r->key_len <= 0 || r->key_len >= KEY_MAX || r->value_len <= 0)
        return false;
    memcpy(key, r->key, (size_t)r->key_len);
    key[r->key_len] = '\0';
    if (sscanf(key, "%d:%" SCNd64, &v->producer, &v->n) != 2)
        return false;
    make(l, v, &t);
    return r->key_len == t.key_len && memcmp(r->key, t.key, (size_t)t.key_len) == 0 &&
        r->value_len == t.value_len && memcmp(r->value, t.value, (size_t)t.value_len) == 0 &&
        r->timestamp == t.ts && r->header_count == t.has_header &&
        (!t.has_header || has_header(r, &t));
}
