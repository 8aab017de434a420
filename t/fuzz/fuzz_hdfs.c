/*
 * Any answers to what WebHDFS is asked: JSON of states, lists and exceptions, redirections, bodies, and none at
 * all.  Each call ends once, with a status that store.h knows, and with nothing that an answer made up.
 *
 * Input: which call; flags; answers (answers.h).
 */
#include "engine/base/assert.h"
#include "t/fuzz/answers.h"
#include "t/fuzz/peak.h"
#include "t/fuzz/storecalls.h"
#include "t/lib/simclock.h"
#include "tiering/store/hdfs.h"
#include "tiering/store/hdfs_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { HEAD = 2, PEAK = 64 << 20 };

enum flags { IF_ABSENT = 1, TWO_NAMES = 2 };

/* There are no threads here. */
static bool
step(struct vrv_store *s)
{
    return vrv_workers_step(((struct vrv__hdfs *)(void *)s)->workers);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct storecalls s = { .step = step };
    struct simclock sim;

    if (n < HEAD)
        return 0;
    simclock_init(&sim, 1790000000000);
    struct vrv_store_hdfs_opts o = { .url = p[1] & TWO_NAMES ? "hdfs://127.0.0.1:9870,127.0.0.1:9871/cold"
                                                             : "hdfs://127.0.0.1:9870/cold",
        .random = 1, .user = "varve",
        .http = { .clock = &sim.clock, .thread = true, .text_max = VRV_STORE_HDFS_TEXT } };
    answers_are(p + HEAD, n - HEAD);
    peak_start();
    VRV_ASSERT(vrv_cq_init(&s.cq, 0) == 0 && vrv_store_hdfs(&s.store, &o, NULL) == 0);
    storecalls_any(&s, p[0], p[1] & IF_ABSENT);
    vrv_store_close(&s.store);
    vrv_cq_fini(&s.cq);
    peak_check(PEAK);
    return 0;
}
