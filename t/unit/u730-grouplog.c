/* Records of __consumer_offsets: what Kafka wrote is read, and what we write is what Kafka wrote. */
#include "server/group/group_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/bytes.h"
#include "server/base/kerrors.h"
#include "t/lib/golden.h"
#include "t/lib/tap.h"

static struct vrv_err e;

/* ---- the golden file: length, key, length, value, ... as Kafka's own classes made them ---- */

static uint8_t *file;
static size_t file_n, at;

static bool
next_record(struct vrv_record *r)
{
    *r = (struct vrv_record){ .value_len = -1 };
    if (at >= file_n)
        return false;
    r->key_len = (int32_t)vrv_get_be32(file + at);
    r->key = file + at + 4;
    at += 4 + (size_t)r->key_len;
    r->value_len = (int32_t)vrv_get_be32(file + at);
    r->value = file + at + 4;
    at += 4 + (r->value_len > 0 ? (size_t)r->value_len : 0);
    return true;
}

static bool
is(struct vrv_span s, const char *want, const char *what)
{
    char buf[256];

    (void)snprintf(buf, sizeof(buf), "%.*s", (int)s.n, (const char *)s.p);
    return IS_STR(s.p != NULL ? buf : "(null)", want, "%s", what);
}

/* The record that we write, byte for byte. */
static void
same_bytes(struct vrv_batch_builder *b, const struct vrv_record *want, const char *what)
{
    struct vrv_record_iter it;
    struct vrv_record r;
    struct vrv_batch head;
    const uint8_t *p;
    size_t n;

    bool ok = vrv_batch_builder_finish(b, VRV_CODEC_NONE, &p, &n, &e) == 0 &&
        vrv_batch_read(&head, p, n, &e) == 0 &&
        vrv_record_iter_init(&it, p, &head, &e) == 0 && vrv_record_next(&it, &r, &e) == 1;
    OK(ok && r.key_len == want->key_len && memcmp(r.key, want->key, (size_t)r.key_len) == 0,
        "%s: the key is Kafka's", what);
    OK(ok && r.value_len == want->value_len &&
            (r.value_len < 0 || memcmp(r.value, want->value, (size_t)r.value_len) == 0),
        "%s: the value is Kafka's", what);
    vrv_record_iter_fini(&it);
}

static void
commits(struct vrv_batch_builder *b)
{
    static const struct vrv_uuid ids[] = { { { 0 } },
        { { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 } } };
    struct vrv_record r;
    struct vrv_grec g;
    char meta[3] = "m0";

    for (int v = 0; v <= 4; v++) {
        meta[1] = (char)('0' + v);
        OK(next_record(&r) && vrv_grec_read(&g, &r, &e) == 0, "commit, version %d: read", v);
        OK(g.kind == VRV_GREC_OFFSET && !g.tombstone, "it is an offset");
        is(g.group, "g\xc3\xa9", "its group");
        is(g.topic, "t", "its topic");
        IS(g.partition, 5, "its partition");
        IS(g.commit.offset, 1000 + v, "its offset");
        IS(g.commit.leader_epoch, v >= 3 ? 9 : -1, "its epoch");
        IS(g.commit.commit_ms, 1700000000000 + v, "its time");
        IS(g.commit.expire_ms, v == 1 ? 1800000000000 : -1, "when it expires");
        is(g.commit.metadata, meta, "its metadata");
        OK(vrv_uuid_eq(&g.commit.topic_id, &ids[v == 4]), "the id of its topic");
        if (v == 1 || v == 4) {
            vrv_grec_put_commit(b, 1, g.group, g.topic, g.partition, &g.commit);
            same_bytes(b, &r, "a commit");
        }
    }
    OK(next_record(&r) && vrv_grec_read(&g, &r, &e) == 0 && g.tombstone, "a commit's tombstone");
    vrv_grec_put_commit_gone(b, 1, g.group, g.topic, g.partition);
    same_bytes(b, &r, "a commit's tombstone");
}

static void
add_topic(void *ctx, struct vrv_span topic)
{
    char *s = ctx;

    (void)snprintf(s + strlen(s), 16, "%.*s ", (int)topic.n, (const char *)topic.p);
}

static void
members(struct vrv_grec *g, int v, struct vrv_member_image im[2])
{
    for (int i = 1; i <= 2; i++) {
        char topics[64] = "";

        vrv_grec_member(g, &im[i - 1]);
        struct vrv_member_image *m = &im[i - 1];
        is(m->id, i == 1 ? "m-1" : "m-2", "a member's id");
        is(m->instance, v >= 3 && i == 1 ? "inst" : "(null)", "its instance id");
        is(m->client_id, i == 1 ? "c1" : "c2", "its client id");
        is(m->client_host, "/127.0.0.1", "its host");
        IS(m->rebalance_ms, v >= 1 ? 30000 * i : -1, "its rebalance time-out");
        IS(m->session_ms, 10000 * i, "its session time-out");
        IS(vrv_subscription_topics(m->subscription, add_topic, topics), 0, "its subscription");
        IS_STR(topics, "t u ", "has these topics");
        OK((m->assignment.n > 0) == (i == 1), "its assignment");
    }
}

static void
groups(struct vrv_batch_builder *b)
{
    struct vrv_member_image im[2];
    struct vrv_record r;
    struct vrv_grec g;

    for (int v = 0; v <= 4; v++) {
        OK(next_record(&r) && vrv_grec_read(&g, &r, &e) == 0, "group, version %d: read", v);
        is(g.group, "g\xc3\xa9", "its name");
        is(g.image.protocol_type, "consumer", "its type");
        is(g.image.protocol, "range", "its protocol");
        is(g.image.leader, "m-1", "its leader");
        IS(g.image.generation, 10 + v, "its generation");
        IS(g.image.since_ms, v >= 2 ? 1700000000000 + v : -1, "since when it is in its state");
        if (IS(g.member_n, 2, "its members"))
            members(&g, v, im);
        if (v == 3) {
            vrv_grec_put_group(b, 1, g.group, &g.image, im, 2);
            same_bytes(b, &r, "a group");
        }
    }
    OK(next_record(&r) && vrv_grec_read(&g, &r, &e) == 0 && g.tombstone, "a group's tombstone");
    vrv_grec_put_group_gone(b, 1, g.group);
    same_bytes(b, &r, "a group's tombstone");
    OK(next_record(&r) && vrv_grec_read(&g, &r, &e) == 0 && g.member_n == 0, "an empty group");
    is(g.image.leader, "(null)", "has no leader");
    vrv_grec_put_group(b, 1, g.group, &g.image, NULL, 0);
    same_bytes(b, &r, "an empty group");
    OK(next_record(&r) && vrv_grec_read(&g, &r, &e) == 0 && g.kind == VRV_GREC_OTHER,
        "a record of the new protocol is passed over");
    OK(!next_record(&r), "that was all");
}

/* Exact blocks, so that ASan sees a step past them. */
static int
read_cut(const struct vrv_record *r, int32_t key_n, int32_t value_n)
{
    uint8_t *k = malloc((size_t)key_n + 1), *v = malloc((size_t)(value_n > 0 ? value_n : 0) + 1);
    struct vrv_record cut = { .key_len = key_n, .value_len = value_n };
    struct vrv_member_image m;
    struct vrv_grec g;

    memcpy(k + 1, r->key, (size_t)key_n);
    if (value_n > 0)
        memcpy(v + 1, r->value, (size_t)value_n);
    cut.key = k + 1;
    cut.value = v + 1;
    int rc = vrv_grec_read(&g, &cut, &e);
    for (int32_t i = 0; rc == 0 && i < g.member_n; i++)
        vrv_grec_member(&g, &m);
    free(k);
    free(v);
    return rc;
}

static void
damage(void)
{
    struct vrv_record r;
    struct vrv_grec g;
    bool ok = true, named = true;

    at = 0;
    while (next_record(&r)) {
        bool known = vrv_grec_read(&g, &r, &e) == 0 && g.kind != VRV_GREC_OTHER;

        for (int32_t n = 0; known && n < r.key_len; n++)
            ok &= read_cut(&r, n, r.value_len) == VRV_E_CORRUPT;
        for (int32_t n = 0; known && n < r.value_len; n++)
            ok &= read_cut(&r, r.key_len, n) == VRV_E_CORRUPT;
        named &= e.msg[0] != '\0';
        for (int32_t bit = 0; bit < 8 * r.value_len; bit++) {
            uint8_t *byte = (uint8_t *)(uintptr_t)&r.value[bit / 8];

            *byte ^= (uint8_t)(1 << bit % 8);
            (void)read_cut(&r, r.key_len, r.value_len);
            *byte ^= (uint8_t)(1 << bit % 8);
        }
    }
    OK(ok, "every truncation of a key or value is refused");
    OK(named, "and says so");
    uint8_t newer[] = { 0, 5 };
    r = (struct vrv_record){ .key = file + 4, .key_len = 14, .value = newer, .value_len = 2 };
    IS(vrv_grec_read(&g, &r, &e), VRV_E_VERSION, "a value of a newer version is told from damage");
}

static void
subscriptions(void)
{
    static const uint8_t cut[] = { 0, 0, 0, 0, 0, 1, 0, 9, 't' };
    static const uint8_t many[] = { 0, 0, 0x7f, 0xff, 0xff, 0xff };
    char topics[64] = "";

    IS(vrv_subscription_topics((struct vrv_span){ cut, sizeof(cut) }, add_topic, topics), -1,
        "a subscription that is cut off");
    IS(vrv_subscription_topics((struct vrv_span){ many, sizeof(many) }, add_topic, topics), -1,
        "one that claims two billion topics");
    IS(vrv_subscription_topics(VRV_SPAN_NULL, add_topic, topics), -1, "none");
    IS_STR(topics, "", "and no topic was told of any");
}

/* ---- a whole log file of a broker ---- */

static void
broker(void)
{
    char seen[1024] = "";
    size_t pos = 0, n;
    uint8_t *p = golden("group-broker.bin", &n);
    struct vrv_batch b;
    bool ok = true;

    while (pos < n && vrv_batch_read(&b, p + pos, n - pos, &e) == 0) {
        struct vrv_record_iter it;
        struct vrv_record r;

        ok &= vrv_record_iter_init(&it, p + pos, &b, &e) == 0;
        while (vrv_record_next(&it, &r, &e) > 0) {
            struct vrv_grec g;
            size_t end = strlen(seen);

            ok &= vrv_grec_read(&g, &r, &e) == 0;
            if (g.kind == VRV_GREC_OFFSET && !g.tombstone)
                (void)snprintf(seen + end, sizeof(seen) - end, "%.*s/%" PRId32 "=%" PRId64 " ",
                    (int)g.group.n, (const char *)g.group.p, g.partition, g.commit.offset);
            else
                (void)snprintf(seen + end, sizeof(seen) - end, "%.*s%s:%" PRId32 " ",
                    (int)g.group.n, (const char *)g.group.p, g.tombstone ? "-" : "",
                    g.image.generation);
        }
        vrv_record_iter_fini(&it);
        pos += b.size;
    }
    OK(ok && pos == n, "all that a broker wrote is read");
    IS_STR(seen, "golden:0 golden:1 golden/0=42 golden/1=7 gruppe-\xc3\xa9:0 gruppe-\xc3\xa9:1 "
        "gruppe-\xc3\xa9/0=42 gruppe-\xc3\xa9/1=7 gruppe-\xc3\xa9:2 simple/1=123456789012 "
        "gruppe-\xc3\xa9-:0 simple-:0 simple-:0 ",
        "its groups, generations, offsets and tombstones");
    free(p);
}

static void
kerrors(void)
{
    bool ok = true;

    for (int i = -1; i <= 133; i++)
        ok &= vrv_kerror_name(i)[0] != '?' && vrv_kerror_text(i)[0] != '\0';
    OK(ok, "Kafka's errors have no hole");
    IS_STR(vrv_kerror_name(VRV_K_SHARE_SESSION_LIMIT_REACHED), "SHARE_SESSION_LIMIT_REACHED",
        "names are those of the numbers");
    IS_STR(vrv_kerror_name(VRV_K_UNKNOWN_SERVER_ERROR), "UNKNOWN_SERVER_ERROR", "from -1 on");
    IS_STR(vrv_kerror_name(134), "?", "none behind the end");
    OK(vrv_kerror_retriable(VRV_K_NOT_COORDINATOR) && !vrv_kerror_retriable(-2), "retriable");
}

int
main(void)
{
    struct vrv_batch_builder b;

    vrv_batch_builder_init(&b);
    file = golden("group-records.bin", &file_n);
    commits(&b);
    groups(&b);
    damage();
    subscriptions();
    broker();
    kerrors();
    vrv_batch_builder_fini(&b);
    free(file);
    return tap_done();
}
