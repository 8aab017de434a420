#include "tiering/daemon/source.h"

#include "engine/os/thread.h"

void
vrv_source_init(struct vrv_source *s)
{
    *s = (struct vrv_source){ .tail = &s->head };
    vrv_lock_init(&s->lock, VRV_LOCK_source);
    vrv_cond_init(&s->wanted);
}

static void
read_now(struct vrv_source_read *r)
{
    r->got = vrv_seg_pread(r->seg, r->buf, r->n, r->pos, VRV_READ_DONTCACHE, &r->err);
    if (r->use != NULL)
        r->use(r);
    vrv_cq_post(r->done.cq, &r->done, &r->done);
}

/* The next one; NULL: no more will come. */
static struct vrv_source_read *
take(struct vrv_source *s)
{
    vrv_lock(&s->lock);
    while (s->head == NULL && !s->stop)
        vrv_cond_wait(&s->wanted, &s->lock);
    struct vrv_source_read *r = s->head;
    if (r != NULL)
        s->head = r->next;
    if (s->head == NULL)
        s->tail = &s->head;
    vrv_unlock(&s->lock);
    return r;
}

static void *
source_main(void *ctx)
{
    struct vrv_source_read *r;

    vrv_thread_give_way();
    while ((r = take(ctx)) != NULL)
        read_now(r);
    return NULL;
}

int
vrv_source_start(struct vrv_source *s, struct vrv_err *e)
{
    int rc = vrv_thread_start(&s->thread, "varve-tier-read", source_main, s, e);

    s->started = rc == 0;
    return rc;
}

void
vrv_source_submit(struct vrv_source *s, struct vrv_source_read *r)
{
    if (!s->started) {
        read_now(r);
        return;
    }
    r->next = NULL;
    vrv_lock(&s->lock);
    *s->tail = r;
    s->tail = &r->next;
    (void)pthread_cond_signal(&s->wanted);
    vrv_unlock(&s->lock);
}

void
vrv_source_fini(struct vrv_source *s)
{
    if (s->started) {
        vrv_lock(&s->lock);
        s->stop = true;
        (void)pthread_cond_signal(&s->wanted);
        vrv_unlock(&s->lock);
        (void)pthread_join(s->thread, NULL);
    }
    (void)pthread_cond_destroy(&s->wanted);
    vrv_lock_fini(&s->lock);
}
