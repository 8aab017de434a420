/*
 * The HTTP port under any bytes, however they are cut and however slowly answers are taken.
 *
 * The first byte says how long pieces are.  What a connection answers must be the same as when all
 * bytes come at once, and no more than the requests that were whole.  It holds what one request and
 * its answer need, however many come.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "server/stat/web_conn.h"
#include "t/fuzz/peak.h"

enum { ANSWER_MAX = 8 * (VRV_WEB_PATH_MAX + 1024) };

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
answer(void *ctx, const char *path, struct vrv_web_answer *a)
{
    size_t *n = ctx;

    (*n)++;
    VRV_ASSERT(strlen(path) < VRV_WEB_PATH_MAX);
    VRV_ASSERT(path[0] == '/' || path[0] == '\0');
    if (path[0] == '/' && path[1] == '\0')
        return;
    a->status = 200;
    vrv_text_print(&a->body, "%s", path);
}

/* Feeds it as long as it reads; all that it says is added to *said, if that isn't NULL.  How often it
 * answered. */
static size_t
talk(const uint8_t *p, size_t n, size_t piece, size_t taken, struct vrv_text *said)
{
    struct vrv_web_conn *c = calloc(1, sizeof(*c));
    size_t answers = 0, at = 0;

    VRV_ASSERT(c != NULL);
    for (;;) {
        while (vrv__web_step(c, answer, &answers)) {
            size_t k = c->out.n - c->sent < taken ? c->out.n - c->sent : taken;

            if (said != NULL)
                vrv_text_put(said, c->out.p + c->sent, k);
            c->sent += k;
        }
        if (c->ends || at == n)
            break;
        size_t k = n - at < piece ? n - at : piece, room = sizeof(c->in) - c->in_n;
        VRV_ASSERT(room > 0);
        k = k < room ? k : room;
        memcpy(c->in + c->in_n, p + at, k);
        c->in_n += k;
        at += k;
    }
    vrv__web_conn_fini(c);
    free(c);
    return answers;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct vrv_text cut = { .n = 0 }, whole = { .n = 0 };

    if (n == 0)
        return 0;
    peak_start();
    (void)talk(p + 1, n - 1, n, SIZE_MAX, NULL);
    peak_check(sizeof(struct vrv_web_conn) + ANSWER_MAX);
    size_t a = talk(p + 1, n - 1, p[0] + 1u, p[0] + 1u, &cut);
    size_t b = talk(p + 1, n - 1, n, SIZE_MAX, &whole);
    VRV_ASSERT(a == b && cut.n == whole.n);
    VRV_ASSERT(cut.n == 0 || memcmp(cut.p, whole.p, cut.n) == 0);
    VRV_ASSERT(a <= n / strlen("GET / HTTP/1.0\n\n"));
    vrv_text_fini(&cut);
    vrv_text_fini(&whole);
    return 0;
}
