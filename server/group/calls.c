#include "server/group/calls.h"

struct vrv_answer_block {
    struct vrv_answer_block *next;
    max_align_t bytes[];
};

void *
vrv__answer_alloc(struct vrv_group_call *c, size_t n)
{
    struct vrv_answer_block *b = vrv_mem_zero(sizeof(*b) + n);

    b->next = c->mem;
    c->mem = b;
    return b->bytes;
}

struct vrv_span
vrv__answer_span(struct vrv_group_call *c, struct vrv_span s)
{
    if (s.p == NULL || s.n == 0)
        return s.p == NULL ? s : VRV_SPAN_EMPTY;
    uint8_t *p = vrv__answer_alloc(c, s.n);
    memcpy(p, s.p, s.n);
    return (struct vrv_span){ p, s.n };
}

void
vrv_group_call_fini(struct vrv_group_call *c)
{
    struct vrv_answer_block *b;

    while ((b = c->mem) != NULL) {
        c->mem = b->next;
        free(b);
    }
}
