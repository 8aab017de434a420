/*
 * A deleted topic leaves what it takes to bring it back, where a cold tier has some of it: its name and
 * settings, and where its logs go on, so that no offset is used twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_int.h"
#include "t/lib/rig.h"
#include "t/lib/tap.h"

static struct rig rig;
static struct vrv_cold cold; /* nobody reads below the local start here */
static struct vrv_uuid id;
static struct vrv_remains left;

static void
begin(void)
{
    rig_init(&rig, 1);
    rig.o.cold = &cold;
    rig_up(&rig);
}

static void
make(const char *configs)
{
    int32_t n;

    rig_topic(&rig, "t", 2, configs);
    OK(vrv_catalog_find(vrv_engine_catalog(rig.eng), "t", &id, &n), "it is there");
}

static struct vrv_log_offsets
offsets(int32_t partition)
{
    return vrv_log_offsets(rig_log(&rig, "t", partition));
}

static void
put(int32_t partition, int n)
{
    for (int i = 0; i < n; i++)
        if (rig_put(&rig, rig_log(&rig, "t", partition), "x") < 0)
            OK(false, "a record: %s", rig.e.msg);
}

static int
delete(const char *name)
{
    return vrv_engine_delete_topic(rig.eng, name, &rig.e);
}

static int
look(void)
{
    vrv_remains_fini(&left);
    return vrv_remains_read(rig.eng, &id, &left, &rig.e);
}

static int
undelete(void)
{
    return vrv_engine_undelete_topic(rig.eng, &left, &rig.e);
}

static void
end(void)
{
    vrv_remains_fini(&left);
    rig_fini(&rig);
}

#define TIERED "remote.storage.enable=true segment.bytes=1000"

static void
test_leaves(void)
{
    begin();
    make("retention.ms=5000");
    IS(delete("t"), 0, "a topic that is in no cold tier");
    IS(look(), VRV_E_NOTFOUND, "... leaves nothing");
    make(TIERED " retention.ms=-1");
    put(0, 30);
    IS(rig_set_start(&rig, rig_log(&rig, "t", 0), 10), 0, "some are deleted");
    IS(look(), VRV_E_NOTFOUND, "nothing is kept of one that is there");
    IS(delete("t"), 0, "one that is");
    IS(look(), 0, "... leaves something");
    IS_STR(left.topic.name, "t", "its name");
    IS(left.topic.partitions, 2, "its partitions");
    OK(left.topic.config_n == 3 && strcmp(left.topic.configs[0].key, "remote.storage.enable") == 0 &&
            strcmp(left.topic.configs[2].value, "1000") == 0,
        "its settings");
    OK(left.part[0].start == 10 && left.part[0].end == 30 && left.part[1].end == 0,
        "where its logs began and ended");
    OK(!left.purging && left.deleted_ms > 0, "and when it went");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    IS(look(), 0, "also after a crash");
    IS(left.part[0].end, 30, "... all of it");
    IS(vrv_remains_drop(rig.eng, &id, NULL), 0, "until it is dropped");
    IS(look(), VRV_E_NOTFOUND, "... for good");
    end();
}

/* As many settings as a topic may have, of a later version perhaps: none is forgotten. */
static void
test_settings(void)
{
    struct vrv_config_kv many[VRV_CONFIGS_MAX], *own;
    char keys[VRV_CONFIGS_MAX][24];
    size_t own_n;

    begin();
    make(TIERED);
    IS(delete("t"), 0, "a topic is deleted");
    IS(look(), 0, "... and known");
    for (int i = 0; i < VRV_CONFIGS_MAX; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "key.%03d", i);
        many[i] = (struct vrv_config_kv){ keys[i], keys[i] };
    }
    own = left.topic.configs;
    own_n = left.topic.config_n;
    left.topic.configs = many;
    left.topic.config_n = VRV_CONFIGS_MAX;
    IS(vrv_remains_purge(rig.eng, &left, &rig.e), 0, "with %d settings", VRV_CONFIGS_MAX);
    left.topic.configs = own;
    left.topic.config_n = own_n;
    IS(look(), 0, "... it is read again");
    IS(left.topic.config_n, VRV_CONFIGS_MAX, "... with all of them");
    IS_STR(left.topic.configs[VRV_CONFIGS_MAX - 1].key, "key.127", "... to the last");
    end();
}

static void
test_comes_back(void)
{
    begin();
    make(TIERED);
    put(0, 30);
    put(1, 5);
    IS(delete("t"), 0, "gone");
    IS(look(), 0, "it left something");
    IS(undelete(), VRV_E_AGAIN, "not before its files are removed");
    rig_bury(&rig);
    rig_topic(&rig, "t", 1, NULL);
    IS(undelete(), VRV_E_EXISTS, "nor while another one has its name");
    OK(strstr(rig.e.msg, "delete it first") != NULL, "... which is told: %s", rig.e.msg);
    IS(delete("t"), 0, "that goes");
    rig_bury(&rig);
    left.part[0].start = 8; /* this is what the cold tier has of them */
    left.part[0].gap = 20;
    left.part[1].start = left.part[1].gap = 5;
    IS(undelete(), 0, "back again %s", rig.e.msg);
    OK(offsets(0).start == 8 && offsets(0).local_start == 30 && offsets(0).end == 30,
        "from what is cold to where it ended");
    struct vrv_read r = { .offset = 21, .max_bytes = 1000 };
    IS(vrv_read(rig_log(&rig, "t", 0), &r, &rig.e), 0, "who reads what is lost");
    IS(r.offset, 30, "... goes on behind that");
    OK(offsets(1).start == 5 && offsets(1).end == 5, "or all of it is behind that");
    IS(offsets(0).epoch, 1, "with a new epoch");
    OK(rig_log(&rig, "t", 0)->config->tiered, "and its settings");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    rig_up(&rig);
    OK(offsets(0).start == 8 && offsets(0).end == 30 && offsets(0).epoch == 1,
        "what the WAL has of its life before is not its own");
    put(0, 3);
    rig_crash(&rig, SIM_DROP_ALL, 2);
    rig_up(&rig);
    (void)rig_reads(&rig, rig_log(&rig, "t", 0), 30, "30:x 31:x 32:x ", "what follows is");
    rig_bury(&rig);
    IS(rig_close(&rig), 0, "an orderly stop");
    rig_up(&rig);
    OK(offsets(0).start == 8 && offsets(0).local_start == 30 && offsets(0).end == 33,
        "and all of it is kept");
    end();
}

/* Again and again, with crashes in between. */
static void
test_many_lives(void)
{
    int64_t end_ = 0;
    bool rose = true;

    begin();
    make(TIERED);
    for (int i = 0; i < 12; i++) {
        put(0, 7);
        end_ += 7;
        if (i % 2 == 0)
            (void)rig_checkpoint(&rig);
        IS(delete("t"), 0, "deletion %d", i);
        if (i % 3 == 1) {
            rig_crash(&rig, SIM_DROP_ALL, (uint64_t)i);
            rig_up(&rig);
        }
        IS(look(), 0, "it left something");
        IS(left.part[0].end, end_, "... up to its end");
        rig_bury(&rig);
        IS(undelete(), 0, "and comes back %s", rig.e.msg);
        IS(vrv_remains_drop(rig.eng, &id, NULL), 0, "nothing is left");
        if (i % 3 == 2) {
            rig_crash(&rig, SIM_DROP_ALL, (uint64_t)i);
            rig_up(&rig);
        }
        rose &= offsets(0).epoch == i + 1 && offsets(0).end == end_;
    }
    OK(rose, "each life has a higher epoch, and goes on where the one before ended");
    IS(delete("t"), 0, "gone");
    rig_bury(&rig);
    IS(vrv_remains_drop(rig.eng, &id, NULL), 0, "for good");
    IS(rig_close(&rig), 0, "a stop");
    rig_up(&rig);
    struct vrv_entity_configs c;
    char entity[VRV_ENTITY_MAX + 1], hex[VRV_UUID_TEXT + 1];
    vrv_uuid_text(&id, hex);
    (void)snprintf(entity, sizeof(entity), "begin/%s/000000", hex);
    vrv_catalog_configs(vrv_engine_catalog(rig.eng), entity, &c);
    IS((int64_t)c.mod, 0, "the catalog knows nothing of it");
    free(c.v);
    end();
}

static void
test_purging(void)
{
    begin();
    make(TIERED);
    IS(delete("t"), 0, "gone");
    IS(look(), 0, "it left something");
    rig_bury(&rig);
    IS(vrv_remains_purge(rig.eng, &left, NULL), 0, "its cold data is to go");
    IS(look(), 0, "what is kept");
    OK(left.purging, "... says so");
    IS(undelete(), VRV_E_INVALID, "and it can't come back");
    OK(strstr(rig.e.msg, "is being deleted already") != NULL, "... which is told: %s", rig.e.msg);
    end();
}

int
main(void)
{
    test_leaves();
    test_settings();
    test_comes_back();
    test_many_lives();
    test_purging();
    return tap_done();
}
