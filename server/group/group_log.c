#include "server/group/group_log.h"

#include <inttypes.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "server/base/out.h"

enum {
    KEY_OFFSET_OLD = 0,
    KEY_OFFSET = 1,
    KEY_GROUP = 2,
    VALUE_MAX = 4,         /* highest version of both values; the first flexible one, too */
    OFFSET_WITH_EXPIRY = 1,
    OFFSET_WITH_EPOCH = 3,
    OFFSET_WITH_TOPIC = 4,
    TAG_TOPIC_ID = 0,
    GROUP_VERSION = 3,
};

/* ---- reading: `bad` sticks, and reads then yield nothing ---- */

struct in {
    const uint8_t *p, *end;
    bool bad;
};

static const uint8_t *
take(struct in *in, size_t n)
{
    static const uint8_t zeros[16];

    if (in->bad || (size_t)(in->end - in->p) < n) {
        in->bad = true;
        return n <= sizeof(zeros) ? zeros : NULL;
    }
    in->p += n;
    return in->p - n;
}

static int16_t
get_i16(struct in *in)
{
    return (int16_t)vrv_get_be16(take(in, 2));
}

static int32_t
get_i32(struct in *in)
{
    return (int32_t)vrv_get_be32(take(in, 4));
}

static int64_t
get_i64(struct in *in)
{
    return (int64_t)vrv_get_be64(take(in, 8));
}

/* Kafka's unsigned varint, of 32 bits. */
static uint32_t
get_uvarint(struct in *in)
{
    uint32_t v = 0;

    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t b = *take(in, 1);

        if (shift == 28 && b > 15)
            break;
        v |= (uint32_t)(b & 127) << shift;
        if (b < 128)
            return v;
    }
    in->bad = true;
    return 0;
}

static struct vrv_span
get_bytes_n(struct in *in, int64_t n)
{
    if (n < 0)
        return VRV_SPAN_NULL;
    if (in->bad || n > in->end - in->p) {
        in->bad = true;
        return VRV_SPAN_NULL;
    }
    return (struct vrv_span){ take(in, (size_t)n), (uint32_t)n };
}

/* Never longer than the old form can hold, as in Kafka: so it can be written again. */
static struct vrv_span
get_str(struct in *in, bool flexible)
{
    int64_t n = flexible ? (int64_t)get_uvarint(in) - 1 : get_i16(in);

    return get_bytes_n(in, n <= INT16_MAX ? n : INT64_MAX);
}

static struct vrv_span
get_blob(struct in *in, bool flexible)
{
    return get_bytes_n(in, flexible ? (int64_t)get_uvarint(in) - 1 : get_i32(in));
}

/* One that may not be null. */
static struct vrv_span
get_some(struct in *in, struct vrv_span s)
{
    if (s.p == NULL)
        in->bad = true;
    return s;
}

/* Tagged fields: of all that there are one matters, where id isn't NULL. */
static void
get_tags(struct in *in, bool flexible, struct vrv_uuid *id)
{
    uint32_t n = flexible ? get_uvarint(in) : 0;

    for (uint32_t i = 0; i < n && !in->bad; i++) {
        uint32_t tag = get_uvarint(in);
        struct vrv_span s = get_bytes_n(in, get_uvarint(in));

        if (id == NULL || tag != TAG_TOPIC_ID)
            continue;
        if (s.n == sizeof(id->b))
            memcpy(id->b, s.p, sizeof(id->b));
        else
            in->bad = true;
    }
}

static void
read_commit(struct in *in, int16_t version, struct vrv_commit *c)
{
    bool flexible = version >= VALUE_MAX;

    c->offset = get_i64(in);
    c->leader_epoch = version >= OFFSET_WITH_EPOCH ? get_i32(in) : -1;
    c->metadata = get_some(in, get_str(in, flexible));
    c->commit_ms = get_i64(in);
    c->expire_ms = version == OFFSET_WITH_EXPIRY ? get_i64(in) : -1;
    get_tags(in, flexible, &c->topic_id);
}

static void
read_member(struct in *in, int16_t version, struct vrv_member_image *m)
{
    bool flexible = version >= VALUE_MAX;

    m->id = get_some(in, get_str(in, flexible));
    m->instance = version >= 3 ? get_str(in, flexible) : VRV_SPAN_NULL;
    m->client_id = get_some(in, get_str(in, flexible));
    m->client_host = get_some(in, get_str(in, flexible));
    m->rebalance_ms = version >= 1 ? get_i32(in) : -1;
    m->session_ms = get_i32(in);
    m->subscription = get_some(in, get_blob(in, flexible));
    m->assignment = get_some(in, get_blob(in, flexible));
    get_tags(in, flexible, NULL);
}

/* Walks the members too, so that they can be read without checks afterwards. */
static void
read_group(struct in *in, int16_t version, struct vrv_grec *g)
{
    bool flexible = version >= VALUE_MAX;
    struct vrv_member_image m;

    g->image.protocol_type = get_some(in, get_str(in, flexible));
    g->image.generation = get_i32(in);
    g->image.protocol = get_str(in, flexible);
    g->image.leader = get_str(in, flexible);
    g->image.since_ms = version >= 2 ? get_i64(in) : -1;
    int64_t n = flexible ? (int64_t)get_uvarint(in) - 1 : get_i32(in);
    /* a member takes bytes: their number is bounded by what is there */
    if (n < 0 || n > in->end - in->p || (n > 0 && g->image.protocol.p == NULL))
        in->bad = true;
    g->member_n = in->bad ? 0 : (int32_t)n;
    g->p = in->p;
    g->version = version;
    for (int32_t i = 0; i < g->member_n && !in->bad; i++)
        read_member(in, version, &m);
    g->end = in->p;
    get_tags(in, flexible, NULL);
}

static int
read_value(struct vrv_grec *g, const struct vrv_record *r, struct vrv_err *e)
{
    struct in in = { r->value, r->value + (r->value_len > 0 ? r->value_len : 0), false };
    const char *what = g->kind == VRV_GREC_OFFSET ? "a committed offset" : "a group";

    int16_t version = get_i16(&in);
    if (!in.bad && (version < 0 || version > VALUE_MAX))
        return vrv_err_set(e, VRV_E_VERSION,
            "the record at offset %" PRId64 " holds %s in version %d, known are 0 to %d", r->offset,
            what, version, VALUE_MAX);
    if (g->kind == VRV_GREC_OFFSET)
        read_commit(&in, version, &g->commit);
    else
        read_group(&in, version, g);
    /* Kafka's reader lets bytes behind the end pass as well: newer versions may add some */
    if (in.bad)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "the record at offset %" PRId64 " should hold %s in version %d, but its %d bytes end "
            "too early", r->offset, what, version, r->value_len);
    return 0;
}

int
vrv_grec_read(struct vrv_grec *g, const struct vrv_record *r, struct vrv_err *e)
{
    struct in in = { r->key, r->key + (r->key_len > 0 ? r->key_len : 0), r->key_len < 0 };

    memset(g, 0, sizeof(*g));
    int16_t key = get_i16(&in);
    if (in.bad)
        return vrv_err_set(e, VRV_E_CORRUPT, "the record at offset %" PRId64 " has no key",
            r->offset);
    if (key != KEY_OFFSET_OLD && key != KEY_OFFSET && key != KEY_GROUP) {
        g->kind = VRV_GREC_OTHER;
        return 0;
    }
    g->kind = key == KEY_GROUP ? VRV_GREC_GROUP : VRV_GREC_OFFSET;
    g->group = get_some(&in, get_str(&in, false));
    if (g->kind == VRV_GREC_OFFSET) {
        g->topic = get_some(&in, get_str(&in, false));
        g->partition = get_i32(&in);
    }
    if (in.bad)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "the record at offset %" PRId64 " has a key of type %d that ends too early", r->offset,
            key);
    g->tombstone = r->value_len < 0;
    return g->tombstone ? 0 : read_value(g, r, e);
}

void
vrv_grec_member(struct vrv_grec *g, struct vrv_member_image *m)
{
    struct in in = { g->p, g->end, false };

    read_member(&in, g->version, m);
    g->p = in.p;
}

int
vrv_subscription_topics(struct vrv_span metadata, vrv_topic_name_fn *fn, void *ctx)
{
    /* the first walk checks, the second one tells */
    for (int tell = 0; tell < 2; tell++) {
        struct in in = { metadata.p, metadata.p + metadata.n, metadata.p == NULL };
        int16_t version = get_i16(&in);
        int32_t n = get_i32(&in);

        if (in.bad || version < 0 || n < 0 || n > (in.end - in.p) / 2)
            return -1;
        for (int32_t i = 0; i < n; i++) {
            struct vrv_span topic = get_some(&in, get_str(&in, false));

            if (in.bad)
                return -1;
            if (tell)
                fn(ctx, topic);
        }
        (void)get_blob(&in, false); /* user data: there, or null */
        if (in.bad)
            return -1;
    }
    return 0;
}

/* ---- writing ---- */

static void
put_i16(struct vrv_out *o, int16_t v)
{
    vrv_put_be16(vrv_out_room(o, 2), (uint16_t)v);
}

static void
put_i32(struct vrv_out *o, int32_t v)
{
    vrv_put_be32(vrv_out_room(o, 4), (uint32_t)v);
}

static void
put_i64(struct vrv_out *o, int64_t v)
{
    vrv_put_be64(vrv_out_room(o, 8), (uint64_t)v);
}

static void
put_str(struct vrv_out *o, struct vrv_span s)
{
    VRV_ASSERT(s.n <= INT16_MAX); /* so has Kafka's protocol */
    put_i16(o, s.p != NULL ? (int16_t)s.n : -1);
    vrv_out_put(o, s.p, s.n);
}

static void
put_uvarint(struct vrv_out *o, uint32_t v)
{
    uint8_t b[5];
    size_t n = 0;

    for (; v > 127; v >>= 7)
        b[n++] = (uint8_t)(v | 128);
    b[n++] = (uint8_t)v;
    vrv_out_put(o, b, n);
}

static void
put_blob(struct vrv_out *o, struct vrv_span s)
{
    put_i32(o, (int32_t)s.n);
    vrv_out_put(o, s.p, s.n);
}

/* One buffer: the key, then the value; without one it is a tombstone. */
static void
add(struct vrv_batch_builder *b, int64_t now_ms, struct vrv_out *o, size_t key_n, bool value)
{
    vrv_batch_builder_add(b, now_ms, o->own, (int32_t)key_n, value ? o->own + key_n : NULL,
        value ? (int32_t)(o->n - key_n) : -1, NULL, 0);
    vrv_out_fini(o);
}

static size_t
put_offset_key(struct vrv_out *o, struct vrv_span group, struct vrv_span topic, int32_t partition)
{
    put_i16(o, KEY_OFFSET);
    put_str(o, group);
    put_str(o, topic);
    put_i32(o, partition);
    return o->n;
}

static size_t
put_group_key(struct vrv_out *o, struct vrv_span group)
{
    put_i16(o, KEY_GROUP);
    put_str(o, group);
    return o->n;
}

static void
put_expiring(struct vrv_out *o, const struct vrv_commit *c)
{
    put_i16(o, OFFSET_WITH_EXPIRY);
    put_i64(o, c->offset);
    put_str(o, c->metadata);
    put_i64(o, c->commit_ms);
    put_i64(o, c->expire_ms);
}

static void
put_lasting(struct vrv_out *o, const struct vrv_commit *c)
{
    static const struct vrv_uuid none;
    bool known = !vrv_uuid_eq(&c->topic_id, &none);

    put_i16(o, OFFSET_WITH_TOPIC);
    put_i64(o, c->offset);
    put_i32(o, c->leader_epoch);
    put_uvarint(o, c->metadata.n + 1);
    vrv_out_put(o, c->metadata.p, c->metadata.n);
    put_i64(o, c->commit_ms);
    put_uvarint(o, known);
    if (!known)
        return;
    put_uvarint(o, TAG_TOPIC_ID);
    put_uvarint(o, sizeof(c->topic_id.b));
    vrv_out_put(o, c->topic_id.b, sizeof(c->topic_id.b));
}

void
vrv_grec_put_commit(struct vrv_batch_builder *b, int64_t now_ms, struct vrv_span group,
    struct vrv_span topic, int32_t partition, const struct vrv_commit *c)
{
    struct vrv_out o = { 0 };
    size_t key_n = put_offset_key(&o, group, topic, partition);

    /* only the old version has a field for it, and none for epoch and topic: so does Kafka */
    if (c->expire_ms >= 0)
        put_expiring(&o, c);
    else
        put_lasting(&o, c);
    add(b, now_ms, &o, key_n, true);
}

void
vrv_grec_put_commit_gone(struct vrv_batch_builder *b, int64_t now_ms, struct vrv_span group,
    struct vrv_span topic, int32_t partition)
{
    struct vrv_out o = { 0 };
    size_t key_n = put_offset_key(&o, group, topic, partition);

    add(b, now_ms, &o, key_n, false);
}

static void
put_member(struct vrv_out *o, const struct vrv_member_image *m)
{
    put_str(o, m->id);
    put_str(o, m->instance);
    put_str(o, m->client_id);
    put_str(o, m->client_host);
    put_i32(o, m->rebalance_ms);
    put_i32(o, m->session_ms);
    put_blob(o, m->subscription);
    put_blob(o, m->assignment);
}

void
vrv_grec_put_group(struct vrv_batch_builder *b, int64_t now_ms, struct vrv_span group,
    const struct vrv_group_image *image, const struct vrv_member_image *members, int32_t member_n)
{
    struct vrv_out o = { 0 };
    size_t key_n = put_group_key(&o, group);

    put_i16(&o, GROUP_VERSION);
    put_str(&o, image->protocol_type);
    put_i32(&o, image->generation);
    put_str(&o, image->protocol);
    put_str(&o, image->leader);
    put_i64(&o, image->since_ms);
    put_i32(&o, member_n);
    for (int32_t i = 0; i < member_n; i++)
        put_member(&o, &members[i]);
    add(b, now_ms, &o, key_n, true);
}

void
vrv_grec_put_group_gone(struct vrv_batch_builder *b, int64_t now_ms, struct vrv_span group)
{
    struct vrv_out o = { 0 };
    size_t key_n = put_group_key(&o, group);

    add(b, now_ms, &o, key_n, false);
}
