#include "tiering/reader/fifo.h"

enum { USES_MAX = 3, SMALL_PART = 10, GHOSTS_LEAST = 16 };

void
vrv_fifo_init(struct vrv_fifo *f)
{
    *f = (struct vrv_fifo){ .n = 0 };
    vrv_list_init(&f->small);
    vrv_list_init(&f->main);
}

static struct vrv_fifo_node *
node_of(struct vrv_list *l)
{
    return VRV_LIST_OF(l, struct vrv_fifo_node, link);
}

/* ---- those that left ---- */

static void
remember(struct vrv_fifo *f, uint64_t name)
{
    f->ghost[f->ghosts++ % VRV_FIFO_GHOSTS] = name;
}

static bool
is_remembered(const struct vrv_fifo *f, uint64_t name)
{
    uint64_t n = f->n < GHOSTS_LEAST ? GHOSTS_LEAST : f->n;

    if (n > VRV_FIFO_GHOSTS)
        n = VRV_FIFO_GHOSTS;
    for (uint64_t i = 0; i < n && i < f->ghosts; i++)
        if (f->ghost[(f->ghosts - 1 - i) % VRV_FIFO_GHOSTS] == name)
            return true;
    return false;
}

/* ---- queues ---- */

static void
push(struct vrv_fifo *f, struct vrv_fifo_node *n, bool to_main)
{
    n->in_main = to_main;
    vrv_list_push(to_main ? &f->main : &f->small, &n->link);
    *(to_main ? &f->main_bytes : &f->small_bytes) += n->weight;
    f->n++;
}

void
vrv_fifo_add(struct vrv_fifo *f, struct vrv_fifo_node *n, uint64_t name, size_t weight, bool to_main)
{
    n->name = name;
    n->weight = weight;
    n->uses = 0;
    push(f, n, to_main || is_remembered(f, name));
}

void
vrv_fifo_use(struct vrv_fifo_node *n)
{
    if (n->uses < USES_MAX)
        n->uses++;
}

void
vrv_fifo_del(struct vrv_fifo *f, struct vrv_fifo_node *n)
{
    if (vrv_list_empty(&n->link))
        return;
    vrv_list_del(&n->link);
    *(n->in_main ? &f->main_bytes : &f->small_bytes) -= n->weight;
    f->n--;
}

/* What was used again goes to the main queue on the way. */
static struct vrv_fifo_node *
take_small(struct vrv_fifo *f, bool (*must_stay)(const struct vrv_fifo_node *n, void *ctx), void *ctx)
{
    struct vrv_list *next;

    for (struct vrv_list *l = f->small.next; l != &f->small; l = next) {
        struct vrv_fifo_node *n = node_of(l);

        next = l->next;
        if (must_stay(n, ctx))
            continue;
        vrv_fifo_del(f, n);
        if (n->uses == 0) {
            remember(f, n->name);
            return n;
        }
        n->uses = 0;
        push(f, n, true);
    }
    return NULL;
}

static struct vrv_fifo_node *
take_main(struct vrv_fifo *f, bool (*must_stay)(const struct vrv_fifo_node *n, void *ctx), void *ctx)
{
    for (uint64_t i = (uint64_t)f->n * (USES_MAX + 1); i > 0 && !vrv_list_empty(&f->main); i--) {
        struct vrv_fifo_node *n = node_of(f->main.next);

        vrv_fifo_del(f, n);
        if (n->uses == 0 && !must_stay(n, ctx))
            return n;
        if (n->uses > 0)
            n->uses--;
        push(f, n, true);
    }
    return NULL;
}

struct vrv_fifo_node *
vrv_fifo_take(struct vrv_fifo *f, bool (*must_stay)(const struct vrv_fifo_node *n, void *ctx),
    void *ctx)
{
    bool small_first = f->small_bytes > (f->small_bytes + f->main_bytes) / SMALL_PART;
    struct vrv_fifo_node *n = NULL;

    if (small_first)
        n = take_small(f, must_stay, ctx);
    if (n == NULL)
        n = take_main(f, must_stay, ctx);
    if (n == NULL && !small_first)
        n = take_small(f, must_stay, ctx);
    return n;
}
