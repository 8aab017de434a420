/*
 * Queues, places and time: which request is begun when, and which isn't waited for any longer.
 *
 *   inbox ─► waiting, by class ─► under way ─► ended ─► posted
 *
 * What isn't under the lock belongs to who makes the rounds: the thread, or vrv_http_step()'s
 * caller.
 */
#include "tiering/store/http.h"

#include <limits.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/thread.h"
#include "tiering/store/http_int.h"

enum {
    MS = 1000000,
    LOOK_MS = 1000, /* while something is under way, the thread looks at the clock so often */
};

struct reqs {
    struct vrv_http_req *head, **tail;
};

struct vrv_http {
    struct vrv_http_opts opts;
    CURLM *multi;
    pthread_t thread;
    struct reqs waiting[VRV_STORE_CLASSES];
    int64_t waiting_due_ns; /* the first deadline of those, or earlier */
    struct vrv_list under_way;
    struct reqs ended; /* to be posted */
    bool doubts;       /* there was no connection: names are looked up anew, until there is one */
    struct vrv_http_stats count;
    struct vrv_lock lock; /* rank http: all below */
    struct reqs inbox;
    bool some_cancelled; /* of those not posted yet, perhaps */
    bool stop;
    struct vrv_http_stats shown;
};

static void
reqs_init(struct reqs *q)
{
    q->head = NULL;
    q->tail = &q->head;
}

static void
reqs_push(struct reqs *q, struct vrv_http_req *r)
{
    r->next = NULL;
    *q->tail = r;
    q->tail = &r->next;
}

/* *at is in q. */
static struct vrv_http_req *
reqs_take(struct reqs *q, struct vrv_http_req **at)
{
    struct vrv_http_req *r = *at;

    *at = r->next;
    if (*at == NULL)
        q->tail = at;
    return r;
}

static int64_t
now_ns(const struct vrv_http *h)
{
    return h->opts.clock->mono_ns(h->opts.clock);
}

/* ---- what comes in ---- */

static void
take_in(struct vrv_http *h)
{
    while (h->inbox.head != NULL) {
        struct vrv_http_req *r = reqs_take(&h->inbox, &h->inbox.head);

        reqs_push(&h->waiting[r->lane], r);
        h->count.waiting[r->lane]++;
        if (r->deadline_ns < h->waiting_due_ns)
            h->waiting_due_ns = r->deadline_ns;
    }
}

static int
why_not_begun(const struct vrv_http *h, struct vrv_http_req *r)
{
    if (r->cancelled)
        return vrv_err_set(&r->err, VRV_E_CANCELLED, "cancelled");
    return vrv_err_set(&r->err, VRV_E_TIMEDOUT, "all %u connections were busy with other requests",
        h->opts.at_once[r->lane]);
}

/* Ends, without having been begun, what was cancelled or is too late. */
static void
drop_waiting(struct vrv_http *h, int64_t now)
{
    h->waiting_due_ns = INT64_MAX;
    for (int i = 0; i < VRV_STORE_CLASSES; i++) {
        struct vrv_http_req **p = &h->waiting[i].head;

        while (*p != NULL) {
            struct vrv_http_req *r = *p;

            if (!r->cancelled && now < r->deadline_ns) {
                if (r->deadline_ns < h->waiting_due_ns)
                    h->waiting_due_ns = r->deadline_ns;
                p = &r->next;
                continue;
            }
            r->status = why_not_begun(h, r);
            reqs_push(&h->ended, reqs_take(&h->waiting[i], p));
            h->count.waiting[i]--;
        }
    }
}

static void
note_cancelled(struct vrv_http *h)
{
    for (struct vrv_list *l = h->under_way.next; l != &h->under_way; l = l->next) {
        struct vrv__xfer *x = VRV_LIST_OF(l, struct vrv__xfer, link);

        x->cancelled = x->r->cancelled;
    }
}

static void
look_at_inbox(struct vrv_http *h, int64_t now)
{
    vrv_lock(&h->lock);
    take_in(h);
    if (h->some_cancelled || now >= h->waiting_due_ns)
        drop_waiting(h, now);
    if (h->some_cancelled)
        note_cancelled(h);
    h->some_cancelled = false;
    vrv_unlock(&h->lock);
}

/* ---- what is under way ---- */

static void
start(struct vrv_http *h, struct vrv_http_req *r)
{
    struct vrv__xfer *x = vrv__xfer_new(&h->opts, r, h->doubts);

    if (x == NULL) {
        reqs_push(&h->ended, r);
        return;
    }
    x->begun_ns = x->moved_ns = now_ns(h);
    CURLMcode rc = curl_multi_add_handle(h->multi, x->easy);
    VRV_ASSERT(rc == CURLM_OK || rc == CURLM_OUT_OF_MEMORY);
    if (rc != CURLM_OK) {
        r->status = vrv_err_set(&r->err, VRV_E_UNREACHABLE, "no memory for a request");
        vrv__xfer_free(x);
        reqs_push(&h->ended, r);
        return;
    }
    vrv_list_push(&h->under_way, &x->link);
    h->count.under_way[r->lane]++;
    h->count.requests++;
}

static void
start_waiting(struct vrv_http *h)
{
    for (int i = 0; i < VRV_STORE_CLASSES; i++)
        while (h->waiting[i].head != NULL && h->count.under_way[i] < h->opts.at_once[i]) {
            h->count.waiting[i]--;
            start(h, reqs_take(&h->waiting[i], &h->waiting[i].head));
        }
}

static void
count_bytes(struct vrv_http *h, struct vrv__xfer *x, int64_t now)
{
    uint64_t up, down;

    vrv__xfer_look(x, &up, &down);
    if (up > 0 || down > 0)
        x->moved_ns = now;
    h->count.sent_bytes += up;
    h->count.received_bytes += down;
}

/* Its status is set.  If it was still going on, its connection is closed. */
static void
finish(struct vrv_http *h, struct vrv__xfer *x)
{
    long opened = 0;

    h->doubts = !x->r->sent && (h->doubts || x->r->status == VRV_E_UNREACHABLE);
    (void)curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &opened);
    h->count.connections += (uint64_t)opened;
    h->count.under_way[x->r->lane]--;
    (void)curl_multi_remove_handle(h->multi, x->easy);
    vrv_list_del(&x->link);
    reqs_push(&h->ended, x->r);
    vrv__xfer_free(x);
}

static void
perform(struct vrv_http *h)
{
    int running, left;
    CURLMsg *m;

    (void)curl_multi_perform(h->multi, &running);
    while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
        CURLcode rc = m->data.result;
        void *private = NULL;

        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        struct vrv__xfer *x = private;
        count_bytes(h, x, now_ns(h));
        vrv__xfer_end(x, rc);
        finish(h, x);
    }
}

/* When the next one must be looked at. */
static int64_t
give_up(struct vrv_http *h, int64_t now)
{
    int64_t due = INT64_MAX;

    for (struct vrv_list *l = h->under_way.next, *next; l != &h->under_way; l = next) {
        struct vrv__xfer *x = VRV_LIST_OF(l, struct vrv__xfer, link);

        next = l->next;
        count_bytes(h, x, now);
        if (vrv__xfer_is_over(x, now, &due) < 0)
            finish(h, x);
    }
    return due;
}

/* ---- rounds ---- */

static bool
can_start(const struct vrv_http *h)
{
    for (int i = 0; i < VRV_STORE_CLASSES; i++)
        if (h->waiting[i].head != NULL && h->count.under_way[i] < h->opts.at_once[i])
            return true;
    return false;
}

/* True: some were posted.  What is counted is shown before. */
static bool
post_ended(struct vrv_http *h)
{
    bool some = h->ended.head != NULL;

    vrv_lock(&h->lock);
    h->shown = h->count;
    vrv_unlock(&h->lock);
    while (h->ended.head != NULL) {
        struct vrv_http_req *r = reqs_take(&h->ended, &h->ended.head);

        vrv_cq_post(r->done.cq, &r->done, &r->done);
    }
    return some;
}

/* All that can be done now; when there is more.  *posted: some have ended. */
static int64_t
make_round(struct vrv_http *h, bool *posted)
{
    look_at_inbox(h, now_ns(h));
    start_waiting(h);
    perform(h);
    int64_t now = now_ns(h);
    int64_t due = give_up(h, now);
    if (h->waiting_due_ns < due)
        due = h->waiting_due_ns;
    if (can_start(h))
        due = now;
    *posted = post_ended(h);
    return due;
}

/* Until something comes, or is due, or vrv_http_submit() or _cancel() wakes. */
static void
wait_for_more(struct vrv_http *h, int64_t due, int wait_ms)
{
    int64_t now = now_ns(h);
    int n;

    if (due <= now)
        return;
    if (due - now < (int64_t)wait_ms * MS)
        wait_ms = (int)((due - now) / MS) + 1;
    (void)curl_multi_poll(h->multi, NULL, 0, wait_ms, &n);
}

static bool
is_stopped(struct vrv_http *h)
{
    vrv_lock(&h->lock);
    bool stop = h->stop;
    vrv_unlock(&h->lock);
    return stop;
}

static void *
thread_main(void *ctx)
{
    struct vrv_http *h = ctx;
    bool posted;

    vrv_thread_give_way();
    while (!is_stopped(h)) {
        int64_t due = make_round(h, &posted);

        wait_for_more(h, due, due == INT64_MAX ? INT_MAX : LOOK_MS);
    }
    return NULL;
}

int64_t
vrv_http_step(struct vrv_http *h, int wait_ms)
{
    bool posted;

    VRV_ASSERT(!h->opts.thread);
    int64_t due = make_round(h, &posted);
    if (posted || wait_ms <= 0)
        return due;
    wait_for_more(h, due, wait_ms);
    return make_round(h, &posted);
}

/* ---- any thread ---- */

static void
wake(struct vrv_http *h)
{
    (void)curl_multi_wakeup(h->multi);
}

void
vrv_http_submit(struct vrv_http *h, struct vrv_http_req *r)
{
    r->status = 0;
    r->err = (struct vrv_err){ 0 };
    r->peer[0] = '\0';
    r->sent = r->cancelled = false;
    r->code = 0;
    r->got = r->answer_n = 0;
    r->text = r->answer = NULL;
    r->state = NULL;
    vrv_lock(&h->lock);
    reqs_push(&h->inbox, r);
    vrv_unlock(&h->lock);
    wake(h);
}

void
vrv_http_cancel(struct vrv_http *h, struct vrv_http_req *r)
{
    vrv_lock(&h->lock);
    r->cancelled = h->some_cancelled = true;
    vrv_unlock(&h->lock);
    wake(h);
}

void
vrv_http_stats(struct vrv_http *h, struct vrv_http_stats *s)
{
    vrv_lock(&h->lock);
    *s = h->shown;
    vrv_unlock(&h->lock);
}

/* ---- begin and end ---- */

static void
copy_opts(struct vrv_http_opts *to, const struct vrv_http_opts *o)
{
    const char **text[] = { &to->ca_file, &to->cert_file, &to->key_file, &to->proxy,
        &to->proxy_credentials };

    *to = *o;
    for (size_t i = 0; i < sizeof(text) / sizeof(*text); i++)
        if (*text[i] != NULL)
            *text[i] = vrv_mem_strdup(*text[i]);
}

static void
free_opts(struct vrv_http_opts *o)
{
    free((void *)(uintptr_t)o->ca_file);
    free((void *)(uintptr_t)o->cert_file);
    free((void *)(uintptr_t)o->key_file);
    free((void *)(uintptr_t)o->proxy);
    free((void *)(uintptr_t)o->proxy_credentials);
}

static int
open_multi(struct vrv_http *h, struct vrv_err *e)
{
    long kept = 0;

    for (int i = 0; i < VRV_STORE_CLASSES; i++)
        kept += (long)h->opts.at_once[i];
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return vrv_err_set(e, VRV_E_NOMEM, "libcurl can't be started");
    h->multi = curl_multi_init();
    if (h->multi == NULL)
        return vrv_err_set(e, VRV_E_NOMEM, "libcurl can't be started");
    (void)curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, kept);
    (void)curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return 0;
}

static void
release(struct vrv_http *h)
{
    if (h->multi != NULL)
        (void)curl_multi_cleanup(h->multi);
    curl_global_cleanup();
    vrv_lock_fini(&h->lock);
    free_opts(&h->opts);
    free(h);
}

int
vrv_http_open(struct vrv_http **out, const struct vrv_http_opts *o, struct vrv_err *e)
{
    struct vrv_http *h = VRV_NEW(struct vrv_http);

    *out = NULL;
    copy_opts(&h->opts, o);
    for (int i = 0; i < VRV_STORE_CLASSES; i++) {
        VRV_ASSERT(o->at_once[i] > 0);
        reqs_init(&h->waiting[i]);
    }
    reqs_init(&h->ended);
    reqs_init(&h->inbox);
    vrv_list_init(&h->under_way);
    h->waiting_due_ns = INT64_MAX;
    vrv_lock_init(&h->lock, VRV_LOCK_http);
    int rc = open_multi(h, e);
    if (rc == 0 && o->thread)
        rc = vrv_thread_start(&h->thread, "varve-http", thread_main, h, e);
    if (rc < 0) {
        release(h);
        return rc;
    }
    *out = h;
    return 0;
}

void
vrv_http_close(struct vrv_http **hp)
{
    struct vrv_http *h = *hp;

    if (h == NULL)
        return;
    vrv_lock(&h->lock);
    h->stop = true;
    vrv_unlock(&h->lock);
    wake(h);
    if (h->opts.thread)
        (void)pthread_join(h->thread, NULL);
    VRV_ASSERT(h->inbox.head == NULL);
    VRV_ASSERT(vrv_list_empty(&h->under_way));
    for (int i = 0; i < VRV_STORE_CLASSES; i++)
        VRV_ASSERT(h->waiting[i].head == NULL);
    release(h);
    *hp = NULL;
}
