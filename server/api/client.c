#include "server/api/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "server/api/request.h"

/* Requests that a reactor keeps for reuse, and bytes of their arenas together; what the arena of one
 * may hold. */
enum { SPARE_MAX = 1024, SPARE_BYTES = 16 << 20, ARENA_MAX = 128 << 20 };

/* What isn't records is small; a larger one only keeps us busy. */
enum { OTHER_MAX = 32 << 20 };

void
vrv_client_init(struct vrv_client *c, struct vrv_broker *b, struct vrv_spares *spares,
    const struct vrv_endpoint *endpoint, const char *host)
{
    *c = (struct vrv_client){ .broker = b, .spares = spares, .endpoint = endpoint };
    (void)snprintf(c->host, sizeof(c->host), "%s", host);
    (void)snprintf(c->principal, sizeof(c->principal), "User:ANONYMOUS");
    vrv_list_init(&c->requests);
}

void
vrv_client_gone(struct vrv_client *c)
{
    struct vrv_list *next;

    c->gone = true;
    for (struct vrv_list *l = c->requests.next; l != &c->requests; l = next) {
        struct vrv_request *r = VRV_LIST_OF(l, struct vrv_request, link);

        next = l->next;
        if (r->cancel != NULL)
            r->cancel(r);
    }
}

void
vrv_spares_fini(struct vrv_spares *s)
{
    while (s->first != NULL) {
        struct vrv_request *r = s->first;

        s->first = r->next;
        vrv_arena_fini(&r->arena);
        vrv_out_fini(&r->call.out);
        free(r);
    }
}

static struct vrv_request *
new_request(struct vrv_spares *s)
{
    struct vrv_request *r = s->first;

    if (r != NULL) {
        s->first = r->next;
        s->n--;
        s->bytes -= vrv_arena_kept(&r->arena);
        return r;
    }
    r = VRV_NEW(struct vrv_request);
    vrv_arena_init(&r->arena, ARENA_MAX);
    return r;
}

void
vrv_request_free(struct vrv_request *r)
{
    struct vrv_spares *s = r->client->spares;
    struct vrv_arena arena = r->arena;
    struct vrv_out out = r->call.out;

    vrv_slab_unref(r->slab);
    vrv_arena_reset(&arena);
    vrv_out_clear(&out);
    if (vrv_arena_kept(&arena) > SPARE_BYTES - s->bytes)
        vrv_arena_fini(&arena);
    if (s->n == SPARE_MAX) {
        vrv_arena_fini(&arena);
        vrv_out_fini(&out);
        free(r);
        return;
    }
    *r = (struct vrv_request){ .arena = arena, .call.out = out, .next = s->first };
    s->first = r;
    s->n++;
    s->bytes += vrv_arena_kept(&arena);
}

/* A client that asks in a version that we don't have learns which ones we do. */
static int
find_api(struct vrv_request_header *h, struct vrv_err *e)
{
    if (h->api != NULL || h->key == VRV_API_api_versions)
        return 0;
    if (vrv_api_find(h->key) == NULL)
        return vrv_err_set(e, VRV_E_INVALID, "api key %d is none that we serve", h->key);
    return vrv_err_set(e, VRV_E_INVALID, "version %d of %s is none that we serve", h->version,
        vrv_api_find(h->key)->name);
}

/* Where the bytes stay: produce data in the slab it was received into, since it goes from there to
 * the log; all else is small, and must not keep a slab from being used again.  So is what was
 * received while there were no slabs. */
static int
keep_bytes(struct vrv_request *r, const uint8_t *p, size_t n, struct vrv_slab *slab,
    struct vrv_err *e)
{
    if (r->header.key == VRV_API_produce && slab != NULL) {
        r->slab = vrv_slab_ref(slab);
        r->body = p;
    } else if (r->header.key != VRV_API_produce && n > OTHER_MAX) {
        return vrv_err_set(e, VRV_E_INVALID, "a request of %zu bytes: only Produce may be as large",
            n);
    } else {
        r->body = (const uint8_t *)vrv_arena_copy(&r->arena, p, n);
    }
    r->body_n = n;
    return r->body != NULL ? 0
                           : vrv_err_set(e, VRV_E_NOMEM, "no memory for a request of %zu bytes", n);
}

int
vrv_client_take(struct vrv_client *c, uint8_t *p, size_t n, struct vrv_slab *slab,
    struct vrv_request **out, struct vrv_err *e)
{
    struct vrv_request_header h;
    int64_t at = vrv_request_header_read(&h, p, n, e);
    int rc = at < 0 ? (int)at : find_api(&h, e);

    if (rc < 0)
        return rc;
    bool overlaps = h.key == VRV_API_produce;
    if (c->exclusive || c->stalled || (!overlaps && c->in_service > 0))
        return VRV_CLIENT_LATER;
    struct vrv_request *r = new_request(c->spares);
    r->client = c;
    r->broker = c->broker;
    r->header = h;
    rc = keep_bytes(r, p, n, slab, e);
    if (rc < 0) {
        vrv_request_free(r);
        return rc;
    }
    if (h.client_id.p != NULL)
        r->header.client_id.p = (const char *)r->body + (h.client_id.p - (const char *)p);
    r->body += at;
    r->body_n -= (size_t)at;
    c->in_service++;
    c->exclusive = !overlaps;
    vrv_list_push(&c->requests, &r->link);
    *out = r;
    return VRV_CLIENT_TAKEN;
}
