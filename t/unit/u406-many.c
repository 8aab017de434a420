/* Ten thousand partitions, and sixteen files open at the most. */
#include "t/lib/rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/tap.h"

enum { PARTITIONS = 10000, FILES = 16 };

static struct rig rig;
static struct vrv_log *logs[PARTITIONS];

static unsigned
open_files(void)
{
    return vrv_engine_env(rig.eng)->files->open;
}

static void
find_logs(void)
{
    struct vrv_log_id id = rig_log(&rig, "t", 0)->id;

    for (int i = 0; i < PARTITIONS; i++) {
        id.partition = i;
        logs[i] = vrv_engine_log(rig.eng, &id);
    }
}

/* One record each, committed by the hundred. */
static int
append_all(void)
{
    static struct rig_call c[PARTITIONS];
    int ok = 0;

    for (int i = 0; i < PARTITIONS; i++) {
        char value[16];

        (void)snprintf(value, sizeof(value), "p%d", i);
        if (rig_append(&rig, logs[i], &(struct rig_batch){ .value = value }, &c[i]) < 0)
            OK(false, "partition %d: %s", i, rig.e.msg);
        if (i % 100 == 99)
            rig_commit(&rig);
        if (i % 2000 == 1999 && !rig_checkpoint(&rig))
            OK(false, "a checkpoint");
    }
    for (int i = 0; i < PARTITIONS; i++)
        ok += c[i].posted == 1 && c[i].t.status == 0;
    return ok;
}

/* How many have exactly n records, read from their files. */
static int
read_all(int64_t n, unsigned *most)
{
    int ok = 0;

    *most = 0;
    for (int i = 0; i < PARTITIONS; i++) {
        char want[64], *got = rig_text(&rig, logs[i], 0);

        (void)snprintf(want, sizeof(want), n == 1 ? "0:p%d " : "0:p%d 1:p%d ", i, i);
        ok += strcmp(got, want) == 0;
        free(got);
        *most = open_files() > *most ? open_files() : *most;
    }
    return ok;
}

int
main(void)
{
    unsigned most;

    rig_init(&rig, 1);
    rig.o.open_files_max = FILES;
    rig.o.memory_bytes = (size_t)32 << 20;
    rig.o.wal_file_bytes = (size_t)2 << 20;
    rig.o.wal_fill_first = (size_t)6 << 20;
    rig.o.group_bytes = 128 * 1024;
    rig_up(&rig);
    rig_topic(&rig, "t", PARTITIONS, NULL);
    find_logs();
    IS(append_all(), PARTITIONS, "each of %d partitions can be appended to", PARTITIONS);
    IS(rig_close(&rig), 0, "a stop");
    rig_up(&rig);
    find_logs();
    OK(rig.found.logs == PARTITIONS && rig.found.clean, "all are found again");
    IS(open_files(), 0, "no file is open before it is needed");
    IS(read_all(1, &most), PARTITIONS, "each can be read from its file");
    OK(most > 0 && most <= FILES, "with %u files open at the same time", most);
    IS(append_all(), PARTITIONS, "and appended to again");
    OK(open_files() <= FILES, "with %u files open", open_files());
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    find_logs();
    IS(read_all(2, &most), PARTITIONS, "after a crash each has all its records");
    OK(most <= FILES, "with %u files open at the same time", most);
    rig_fini(&rig);
    return tap_done();
}
