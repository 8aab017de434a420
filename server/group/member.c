#include "server/group/member.h"

#include "engine/base/assert.h"

struct vrv_member *
vrv__member_new(struct vrv_span id, struct vrv_span instance)
{
    struct vrv_member *m = VRV_NEW(struct vrv_member);

    vrv_list_init(&m->link);
    m->id = vrv_span_dup(id);
    m->instance = vrv_span_dup(instance);
    m->client_id = vrv_span_dup(VRV_SPAN_EMPTY);
    m->client_host = vrv_span_dup(VRV_SPAN_EMPTY);
    m->assignment = vrv_span_dup(VRV_SPAN_EMPTY);
    return m;
}

struct vrv_join_protocol *
vrv__protocols_dup(const struct vrv_join_protocol *p, uint32_t n)
{
    struct vrv_join_protocol *copy = vrv_mem_zero((n > 0 ? n : 1) * sizeof(*copy));

    for (uint32_t i = 0; i < n; i++) {
        copy[i].name = vrv_span_dup(p[i].name);
        copy[i].metadata = vrv_span_dup(p[i].metadata);
    }
    return copy;
}

void
vrv__protocols_free(struct vrv_join_protocol *p, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        vrv_span_free(&p[i].name);
        vrv_span_free(&p[i].metadata);
    }
    free(p);
}

void
vrv__member_free(struct vrv_member *m)
{
    VRV_ASSERT(m->join == NULL && m->sync == NULL && m->timer.at == 0);
    vrv__protocols_free(m->protocols, m->protocol_n);
    vrv_span_free(&m->id);
    vrv_span_free(&m->instance);
    vrv_span_free(&m->client_id);
    vrv_span_free(&m->client_host);
    vrv_span_free(&m->assignment);
    vrv_span_free(&m->next_assignment);
    free(m);
}

static void
set(struct vrv_span *to, struct vrv_span from)
{
    struct vrv_span copy = vrv_span_dup(from);

    vrv_span_free(to);
    *to = copy;
}

void
vrv__member_set_client(struct vrv_member *m, struct vrv_span id, struct vrv_span host)
{
    set(&m->client_id, id);
    set(&m->client_host, host);
}

void
vrv__member_set_assignment(struct vrv_member *m, struct vrv_span assignment)
{
    set(&m->assignment, assignment);
}

bool
vrv__member_matches(const struct vrv_member *m, const struct vrv_join_protocol *p, uint32_t n)
{
    if (m->protocol_n != n)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!vrv_span_eq(m->protocols[i].name, p[i].name) ||
            !vrv_span_eq(m->protocols[i].metadata, p[i].metadata))
            return false;
    return true;
}

struct vrv_span
vrv__member_metadata(const struct vrv_member *m, struct vrv_span protocol)
{
    for (uint32_t i = 0; i < m->protocol_n; i++)
        if (vrv_span_eq(m->protocols[i].name, protocol))
            return m->protocols[i].metadata;
    return VRV_SPAN_EMPTY;
}

size_t
vrv__member_bytes(const struct vrv_member *m)
{
    size_t n = sizeof(*m) + m->id.n + m->instance.n + m->client_id.n + m->client_host.n +
        m->assignment.n + m->next_assignment.n;

    for (uint32_t i = 0; i < m->protocol_n; i++)
        n += sizeof(m->protocols[i]) + m->protocols[i].name.n + m->protocols[i].metadata.n;
    return n;
}
