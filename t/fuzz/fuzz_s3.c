/*
 * Any answers to what S3 is asked: XML of lists, errors, uploads and deletions, headers, bodies, and none at all.
 * Each call ends once, with a status that store.h knows, and with nothing that an answer made up.
 *
 * Input: which call; flags; answers (answers.h).
 */
#include <string.h>

#include "engine/base/assert.h"
#include "t/fuzz/answers.h"
#include "t/fuzz/peak.h"
#include "t/fuzz/storecalls.h"
#include "t/lib/simclock.h"
#include "tiering/store/s3.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { HEAD = 2, PEAK = 32 << 20 };

enum flags { IF_ABSENT = 1, WITH_PREFIX = 2 };

static const char *
env(const char *name)
{
    return strcmp(name, "AWS_ACCESS_KEY_ID") == 0 || strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0 ? "key" : NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct storecalls s = { .step = vrv_store_step };
    struct simclock sim;

    if (n < HEAD)
        return 0;
    simclock_init(&sim, 1790000000000);
    struct vrv_store_s3_opts o = { .url = p[1] & WITH_PREFIX ? "s3://cold/pre/fix" : "s3://cold",
        .endpoint = "http://127.0.0.1:9000", .credentials = "env", .env = env,
        .http = { .clock = &sim.clock, .at_once = { 1, 1, 1 }, .text_max = 1 << 20 } };
    answers_are(p + HEAD, n - HEAD);
    peak_start();
    VRV_ASSERT(vrv_cq_init(&s.cq, 0) == 0 && vrv_store_s3(&s.store, &o, NULL) == 0);
    storecalls_any(&s, p[0], p[1] & IF_ABSENT);
    vrv_store_close(&s.store);
    vrv_cq_fini(&s.cq);
    peak_check(PEAK);
    return 0;
}
