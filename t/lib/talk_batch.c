/* batch(...): record batches, good ones and such as no client would send. */
#include <stdlib.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/batch/batch_format.h"
#include "engine/batch/build.h"
#include "t/lib/talk.h"

struct poke {
    const char *name;
    int at, bytes;
};

static const struct poke pokes[] = {
    { "base_offset", VRV__AT_OFFSET, 8 },
    { "length", VRV__AT_LENGTH, 4 },
    { "leader_epoch", VRV__AT_EPOCH, 4 },
    { "magic", VRV__AT_MAGIC, 1 },
    { "attrs", VRV__AT_ATTRS, 2 },
    { "last_delta", VRV__AT_LAST_DELTA, 4 },
    { "base_ts", VRV__AT_BASE_TS, 8 },
    { "max_ts", VRV__AT_MAX_TS, 8 },
    { "pid", VRV__AT_PRODUCER_ID, 8 },
    { "epoch", VRV__AT_PRODUCER_EPOCH, 2 },
    { "seq", VRV__AT_BASE_SEQ, 4 },
    { "count", VRV__AT_COUNT, 4 },
};

struct wish {
    int64_t n, ts, step, size, codec;
    const char *key, *value;
    const struct poke *poke[16];
    int64_t to[16];
    size_t pokes;
    bool bad_crc;
    struct vrv_bytes body; /* in the place of the records */
};

static const struct poke *
find_poke(const char *name)
{
    for (size_t i = 0; i < sizeof(pokes) / sizeof(pokes[0]); i++)
        if (strcmp(pokes[i].name, name) == 0)
            return &pokes[i];
    return NULL;
}

static void
read_wish(struct talk_text *t, struct wish *w)
{
    while (!talk_take(t, ')')) {
        const char *name = talk_read_word(t);

        if (!talk_take(t, '='))
            talk_die(t, "expected '='");
        if (strcmp(name, "body") == 0) {
            w->body = talk_read_bytes(t);
            continue;
        }
        const char *value = talk_read_word(t);
        int64_t v = strtoll(value, NULL, 10);
        if (strcmp(name, "n") == 0) {
            w->n = v;
        } else if (strcmp(name, "ts") == 0) {
            w->ts = v;
        } else if (strcmp(name, "step") == 0) {
            w->step = v;
        } else if (strcmp(name, "size") == 0) {
            w->size = v;
        } else if (strcmp(name, "codec") == 0) {
            w->codec = v;
        } else if (strcmp(name, "key") == 0) {
            w->key = strcmp(value, "null") == 0 ? NULL : value;
        } else if (strcmp(name, "value") == 0) {
            w->value = strcmp(value, "null") == 0 ? NULL : value;
        } else if (strcmp(name, "crc") == 0) {
            w->bad_crc = true;
        } else {
            w->poke[w->pokes] = find_poke(name);
            if (w->poke[w->pokes] == NULL || w->pokes == 15)
                talk_die(t, "a batch has no \"%s\"", name);
            w->to[w->pokes++] = v;
        }
    }
}

static void
add_records(struct talk_text *t, struct vrv_batch_builder *b, const struct wish *w)
{
    int32_t len = w->value == NULL ? -1 : (int32_t)strlen(w->value);
    const char *value = w->value;

    if (w->size > 0) {
        char *big = vrv_arena_take(t->arena, (size_t)w->size);

        for (int64_t i = 0; i < w->size; i++)
            big[i] = (char)('a' + i * 7 % 26);
        value = big;
        len = (int32_t)w->size;
    }
    for (int64_t i = 0; i < w->n; i++)
        vrv_batch_builder_add(b, w->ts + i * w->step, w->key,
            w->key == NULL ? -1 : (int32_t)strlen(w->key), value, len, NULL, 0);
}

static void
put(uint8_t *p, int bytes, int64_t v)
{
    for (int i = bytes - 1; i >= 0; i--, v >>= 8)
        p[i] = (uint8_t)v;
}

struct vrv_bytes
talk_read_batch(struct talk_text *t)
{
    struct wish w = { .n = 1, .ts = 1700000000000, .key = "k", .value = "v" };
    struct vrv_batch_builder b;
    struct vrv_err e = { 0 };
    const uint8_t *made;
    size_t n;

    read_wish(t, &w);
    vrv_batch_builder_init(&b);
    add_records(t, &b, &w);
    if (vrv_batch_builder_finish(&b, (enum vrv_codec)w.codec, &made, &n, &e) < 0)
        talk_die(t, "%s", e.msg);
    if (w.body.p != NULL)
        n = VRV_BATCH_HEADER + (size_t)w.body.n;
    uint8_t *p = vrv_arena_take(t->arena, n);
    memcpy(p, made, w.body.p != NULL ? VRV_BATCH_HEADER : n);
    if (w.body.p != NULL) {
        memcpy(p + VRV_BATCH_HEADER, w.body.p, (size_t)w.body.n);
        put(p + VRV__AT_LENGTH, 4, (int64_t)n - VRV_BATCH_PREFIX);
    }
    vrv_batch_builder_fini(&b);
    for (size_t i = 0; i < w.pokes; i++)
        put(p + w.poke[i]->at, w.poke[i]->bytes, w.to[i]);
    uint32_t crc = vrv_crc32c(0, p + VRV__AT_ATTRS, n - VRV__AT_ATTRS);
    vrv_put_be32(p + VRV__AT_CRC, w.bad_crc ? ~crc : crc);
    return (struct vrv_bytes){ p, (int32_t)n };
}
