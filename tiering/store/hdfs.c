/* The HDFS store: what is asked of it goes to threads, each of which does one call from its beginning to its
 * end. */
#include "tiering/store/hdfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "tiering/store/hdfs_int.h"

static struct vrv__hdfs *
hdfs_of(struct vrv_store *s)
{
    return VRV_LIST_OF(s, struct vrv__hdfs, store);
}

static int
perform(struct vrv__hdfs_job *j)
{
    switch (j->call->op) {
    case VRV_STORE_PUT:
        return vrv__hdfs_put(j);
    case VRV_STORE_BEGIN:
        return vrv__hdfs_begin(j);
    case VRV_STORE_PART_N:
        return vrv__hdfs_part(j);
    case VRV_STORE_END:
        return vrv__hdfs_end(j);
    case VRV_STORE_ABORT:
        return vrv__hdfs_abort(j);
    case VRV_STORE_GET:
        return vrv__hdfs_get(j);
    case VRV_STORE_VERIFY:
        return vrv__hdfs_verify(j);
    case VRV_STORE_LIST:
        return vrv__hdfs_list(j);
    case VRV_STORE_DELETE:
        return vrv__hdfs_delete_keys(j);
    case VRV_STORE_SWEEP:
        return vrv__hdfs_sweep(j);
    case VRV_STORE_OPS:
        break;
    }
    VRV_ASSERT(false);
    return 0;
}

static int
run(void *ctx, struct vrv_store_call *c)
{
    struct vrv__hdfs_job j = { .h = ctx, .call = c };

    VRV_ASSERT(vrv_cq_init(&j.cq, 0) == 0);
    int rc = perform(&j);
    vrv_cq_fini(&j.cq);
    if (rc == 0)
        c->err = (struct vrv_err){ 0 }; /* of what was got over on the way */
    return rc;
}

static void
hdfs_submit(struct vrv_store *s, struct vrv_store_call *c)
{
    vrv_workers_submit(hdfs_of(s)->workers, c);
}

static void
hdfs_cancel(struct vrv_store *s, struct vrv_store_call *c)
{
    vrv_workers_cancel(hdfs_of(s)->workers, c);
}

static bool
hdfs_step(struct vrv_store *s)
{
    (void)s;
    return false;
}

static void
hdfs_upload_free(struct vrv_store *s, struct vrv_store_upload *u)
{
    vrv__hdfs_upload_free(hdfs_of(s), u);
}

static void
hdfs_describe(const struct vrv_store *s, char *out, size_t n)
{
    const struct vrv__hdfs *h = (const struct vrv__hdfs *)s;
    size_t at = (size_t)snprintf(out, n, "HDFS ");

    for (unsigned i = 0; i < h->url.n && at < n; i++)
        at += (size_t)snprintf(out + at, n - at, "%s%s", i > 0 ? "," : "", h->url.names[i]);
    if (at < n)
        (void)snprintf(out + at, n - at, "%s", h->url.root);
}

static void
hdfs_close(struct vrv_store *s)
{
    struct vrv__hdfs *h = hdfs_of(s);

    (void)vrv_workers_stop(&h->workers);
    vrv_http_close(&h->http);
    vrv_tmp_fini(&h->tmp);
    vrv_lock_fini(&h->lock);
    free(h->user);
    free(h->token_file);
    free(h);
}

static const struct vrv_store_ops hdfs_ops = {
    .submit = hdfs_submit,
    .cancel = hdfs_cancel,
    .step = hdfs_step,
    .upload_free = hdfs_upload_free,
    .describe = hdfs_describe,
    .close = hdfs_close,
};

int
vrv_store_hdfs(struct vrv_store **out, const struct vrv_store_hdfs_opts *o, struct vrv_err *e)
{
    struct vrv__hdfs *h = vrv_mem_zero(sizeof(*h));
    struct vrv_workers_opts w = { .what = o->url, .clock = o->http.clock, .run = run, .ctx = h };

    VRV_ASSERT(o->http.thread && o->http.text_max >= VRV_STORE_HDFS_TEXT);
    *out = NULL;
    h->store = (struct vrv_store){ .ops = &hdfs_ops,
        .caps = { .kind = "hdfs", .atomic_end = true, .own_clock = true } };
    h->clock = o->http.clock;
    h->user = o->user != NULL ? vrv_mem_strdup(o->user) : NULL;
    h->token_file = o->token_file != NULL ? vrv_mem_strdup(o->token_file) : NULL;
    vrv_tmp_init(&h->tmp, h->clock, o->random);
    vrv_lock_init(&h->lock, VRV_LOCK_store);
    memcpy(w.own, o->http.at_once, sizeof(w.own));
    int rc = vrv__hdfs_url_parse(&h->url, o->url, e);
    if (rc == 0)
        rc = vrv_http_open(&h->http, &o->http, e);
    if (rc == 0)
        rc = vrv_workers_start(&h->workers, &w, e);
    if (rc < 0)
        hdfs_close(&h->store);
    else
        *out = &h->store;
    return rc;
}
