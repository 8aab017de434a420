/*
 * Any bytes as a record of __consumer_offsets, or as a consumer's subscription.  The first two bytes
 * are the length of the key, or 0xffff: the rest is a subscription.  What is read is written again,
 * and read again it says the same.  Reading takes no memory: what is read lies in the bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "server/group/group_log.h"
#include "t/fuzz/peak.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
count_topic(void *ctx, struct vrv_span topic)
{
    VRV_ASSERT(topic.p != NULL);
    (*(size_t *)ctx) += topic.n + 2;
}

static void
subscription(const uint8_t *data, size_t size)
{
    size_t n = 0;

    if (vrv_subscription_topics((struct vrv_span){ data, (uint32_t)size }, count_topic, &n) == 0)
        VRV_ASSERT(n <= size);
    else
        VRV_ASSERT(n == 0);
}

static bool
same(struct vrv_span a, struct vrv_span b)
{
    return (a.p == NULL) == (b.p == NULL) && vrv_span_eq(a, b);
}

/* What is stored in the version that we write comes back as it was. */
static void
again(struct vrv_grec *g)
{
    struct vrv_member_image *im = vrv_mem_zero(((size_t)g->member_n + 1) * sizeof(*im)), one;
    struct vrv_batch_builder b;
    struct vrv_record_iter it;
    struct vrv_batch head;
    struct vrv_record r;
    struct vrv_grec back;
    const uint8_t *p;
    size_t n;

    for (int32_t i = 0; i < g->member_n; i++)
        vrv_grec_member(g, &im[i]);
    vrv_batch_builder_init(&b);
    if (g->kind == VRV_GREC_OFFSET)
        vrv_grec_put_commit(&b, 1, g->group, g->topic, g->partition, &g->commit);
    else
        vrv_grec_put_group(&b, 1, g->group, &g->image, im, g->member_n);
    int rc = vrv_batch_builder_finish(&b, VRV_CODEC_NONE, &p, &n, NULL);
    if (rc == 0)
        rc = vrv_batch_read(&head, p, n, NULL);
    if (rc == 0)
        rc = vrv_record_iter_init(&it, p, &head, NULL);
    VRV_ASSERT(rc == 0);
    rc = vrv_record_next(&it, &r, NULL);
    VRV_ASSERT(rc == 1);
    rc = vrv_grec_read(&back, &r, NULL);
    VRV_ASSERT(rc == 0 && back.kind == g->kind && same(back.group, g->group));
    VRV_ASSERT(back.commit.offset == g->commit.offset && back.member_n == g->member_n);
    VRV_ASSERT(g->commit.expire_ms >= 0 ||
        vrv_uuid_eq(&back.commit.topic_id, &g->commit.topic_id));
    VRV_ASSERT(same(back.commit.metadata, g->commit.metadata));
    VRV_ASSERT(same(back.image.protocol, g->image.protocol));
    VRV_ASSERT(same(back.image.leader, g->image.leader));
    for (int32_t i = 0; i < back.member_n; i++) {
        vrv_grec_member(&back, &one);
        VRV_ASSERT(same(one.id, im[i].id) && same(one.instance, im[i].instance));
        VRV_ASSERT(same(one.subscription, im[i].subscription));
        VRV_ASSERT(same(one.assignment, im[i].assignment));
    }
    vrv_record_iter_fini(&it);
    vrv_batch_builder_fini(&b);
    free(im);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vrv_grec g;
    struct vrv_err e = { 0 };

    if (size < 2)
        return 0;
    peak_start();
    uint16_t key_n = vrv_get_be16(data);
    data += 2;
    size -= 2;
    if (key_n == UINT16_MAX) {
        subscription(data, size);
        peak_check(0);
        return 0;
    }
    if (key_n > size)
        key_n = (uint16_t)size;
    struct vrv_record r = { .key = data, .key_len = key_n, .value = data + key_n,
        .value_len = (int32_t)(size - key_n) };
    int rc = vrv_grec_read(&g, &r, &e);
    peak_check(0);
    if (rc < 0) {
        VRV_ASSERT(e.code < 0 && e.msg[0] != '\0');
        return 0;
    }
    if (g.kind != VRV_GREC_OTHER && !g.tombstone)
        again(&g);
    return 0;
}
