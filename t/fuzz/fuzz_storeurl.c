/*
 * Any text as the address of a store, and as what stores say of time: each is taken or refused with INVALID and
 * a sentence; what was taken can be told.
 *
 * Input: lines: a URL, an endpoint, a region, tags.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "t/fuzz/answers.h"
#include "t/lib/simclock.h"
#include "tiering/store/hdfs.h"
#include "tiering/store/s3.h"
#include "tiering/store/times.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char *
env(const char *name)
{
    (void)name;
    return NULL;
}

static void
check(int rc, struct vrv_store **s, const struct vrv_err *e)
{
    char said[200];

    VRV_ASSERT(rc == 0 || (rc == VRV_E_INVALID && e->msg[0] != '\0'));
    if (rc < 0)
        return;
    vrv_store_describe(*s, said, sizeof(said));
    VRV_ASSERT(said[0] != '\0' && memchr(said, '\0', sizeof(said)) != NULL);
    vrv_store_close(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    enum { URL, ENDPOINT, REGION, TAGS, LINES };
    char *text = malloc(n + 1), *line[LINES] = { NULL }, *rest = text;
    struct vrv_store *s = NULL;
    struct vrv_err e = { 0 };
    struct simclock sim;

    VRV_ASSERT(text != NULL);
    memcpy(text, p, n);
    text[n] = '\0';
    for (int i = 0; i < LINES && rest != NULL; i++)
        line[i] = strsep(&rest, "\n");
    simclock_init(&sim, 1790000000000);
    answers_are(p, 0);
    struct vrv_store_s3_opts s3 = { .url = line[URL], .endpoint = line[ENDPOINT], .region = line[REGION],
        .tags = line[TAGS], .path_style = n % 2, .credentials = "env", .env = env,
        .http = { .clock = &sim.clock, .at_once = { 1, 1, 1 }, .text_max = 1 << 20 } };
    check(vrv_store_s3(&s, &s3, &e), &s, &e);
    struct vrv_store_hdfs_opts hdfs = { .url = line[URL], .random = 1,
        .http = { .clock = &sim.clock, .thread = true, .text_max = VRV_STORE_HDFS_TEXT } };
    check(vrv_store_hdfs(&s, &hdfs, &e), &s, &e);
    VRV_ASSERT(vrv_time_iso(line[URL]) >= -1 && vrv_time_http(line[URL]) >= -1);
    free(text);
    return 0;
}
