#include "server/main/admin.h"

#include <string.h>

#include "engine/base/mem.h"
#include "engine/os/lock.h"
#include "server/base/diag.h"
#include "server/main/assemble.h"
#include "server/main/listener_text.h"
#include "server/main/metrics.h"
#include "server/stat/web.h"
#include "server/stat/prom.h"

struct vrv_admin {
    struct vrv_web *http;
    int64_t started_ms;           /* fixed */
    struct vrv_lock lock;         /* rank admin; guards the next two */
    enum vrv_phase phase;
    struct vrv_server *server; /* NULL unless it serves or drains */
};

/* ---- what is asked ---- */

/* The sentence, and whether it is. */
static bool
is_ready(const struct vrv_admin *a, struct vrv_err *e)
{
    switch (a->phase) {
    case VRV_PHASE_STARTING:
        return vrv_err_set(e, VRV_E_AGAIN, "starting: the data directory is being opened") == 0;
    case VRV_PHASE_SERVING:
        return vrv_engine_may_append(a->server->broker.engine, e) == 0;
    case VRV_PHASE_DRAINING:
        return vrv_err_set(e, VRV_E_STOPPED, "stopping: requests in service are answered") == 0;
    case VRV_PHASE_STOPPING:
        break;
    }
    return vrv_err_set(e, VRV_E_STOPPED, "stopping: the data directory is being closed") == 0;
}

static void
say_ready(const struct vrv_admin *a, struct vrv_web_answer *answer)
{
    struct vrv_err e = { 0 };
    bool ready = is_ready(a, &e);

    answer->status = ready ? 200 : 503;
    vrv_text_print(&answer->body, "%s\n", ready ? "ready" : e.msg);
}

static void
say_metrics(const struct vrv_admin *a, struct vrv_web_answer *answer)
{
    struct vrv_err e = { 0 };

    answer->status = 200;
    answer->type = VRV_PROM_TYPE;
    vrv_metrics_write(a->server, is_ready(a, &e), a->started_ms, &answer->body);
}

static void
answer(void *ctx, const char *path, struct vrv_web_answer *out)
{
    struct vrv_admin *a = ctx;

    if (strcmp(path, "/healthz") == 0) {
        out->status = 200;
        vrv_text_print(&out->body, "alive\n");
        return;
    }
    vrv_lock(&a->lock);
    if (strcmp(path, "/readyz") == 0)
        say_ready(a, out);
    else if (strcmp(path, "/metrics") == 0)
        say_metrics(a, out);
    vrv_unlock(&a->lock);
}

/* ---- life ---- */

static int
start_http(struct vrv_admin *a, const struct vrv_config *config, struct vrv_err *e)
{
    char text[VRV_LISTENERS_MAX][VRV_LISTENER_TEXT];
    const char *listener[VRV_LISTENERS_MAX];
    const struct vrv_listeners *ls = &config->admin;
    struct vrv_web_opts o;

    vrv_web_opts_default(&o);
    for (size_t i = 0; i < ls->n; i++) {
        vrv_listener_text(&ls->v[i], "ADMIN", text[i]);
        listener[i] = text[i];
    }
    o.listener = listener;
    o.listener_n = (unsigned)ls->n;
    o.loopback_only = !config->allow_insecure;
    o.answer = answer;
    o.ctx = a;
    int rc = vrv_web_start(&a->http, &o, e);
    for (unsigned i = 0; rc == 0 && i < ls->n; i++)
        vrv_diag(VRV_EV_ADMIN_LISTEN, VRV_STR("address", vrv_web_bound(a->http, i)));
    return rc;
}

int
vrv_admin_start(struct vrv_admin **out, const struct vrv_config *config, struct vrv_err *e)
{
    struct vrv_admin *a = VRV_NEW(struct vrv_admin);
    struct vrv_clock *clock = vrv_clock_real();

    a->started_ms = clock->wall_ms(clock);
    vrv_lock_init(&a->lock, VRV_LOCK_admin);
    int rc = start_http(a, config, e);
    if (rc < 0)
        vrv_admin_stop(&a);
    *out = a;
    return rc;
}

void
vrv_admin_phase(struct vrv_admin *a, enum vrv_phase phase, struct vrv_server *s)
{
    if (a == NULL)
        return;
    vrv_lock(&a->lock);
    a->phase = phase;
    a->server = phase == VRV_PHASE_SERVING || phase == VRV_PHASE_DRAINING ? s : NULL;
    vrv_unlock(&a->lock);
}

void
vrv_admin_stop(struct vrv_admin **ap)
{
    struct vrv_admin *a = *ap;

    if (a == NULL)
        return;
    vrv_web_stop(&a->http);
    vrv_lock_fini(&a->lock);
    free(a);
    *ap = NULL;
}
