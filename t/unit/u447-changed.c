/*
 * Which logs have changed, for who moves their segments away: each thing that decides about segments
 * makes a log turn up once, and nothing else does.
 */
#include "engine/engine_int.h"
#include "t/lib/fakecold.h"
#include "t/lib/rig.h"
#include "t/lib/tap.h"

static struct rig rig;
static struct vrv_cold *cold;

static struct vrv_log_env *
env(void)
{
    return vrv_engine_env(rig.eng);
}

/* How many have changed; true in *it when this one is among them. */
static int
changed(const struct vrv_log *which, bool *it)
{
    struct vrv_log *log;
    int n = 0;

    *it = false;
    for (; (log = vrv_log_take_changed(env())) != NULL; n++) {
        *it = *it || log == which;
        vrv_log_unref(&log);
    }
    return n;
}

/* It has, and no other. */
static void
only(const struct vrv_log *log, const char *what)
{
    bool it;
    int n = changed(log, &it);

    OK(n == 1 && it, "%s (%d have changed)", what, n);
}

static void
none(const char *what)
{
    bool it;

    IS(changed(NULL, &it), 0, "%s", what);
}

static void
begin(bool with_tier)
{
    bool it;

    rig_init(&rig, 1);
    cold = fakecold_new(&(struct fakecold_opts){ .seed = 1, .delay_max = 1, .chunk_batches = 1 });
    rig.o.cold = with_tier ? cold : NULL;
    rig_up(&rig);
    rig_topic(&rig, "t", 1, "segment.bytes=1000 retention.ms=-1 remote.storage.enable=true");
    rig_topic(&rig, "u", 2, "segment.bytes=1000");
    (void)rig_put(&rig, rig_log(&rig, "u", 0), "x");
    OK(rig_checkpoint(&rig), "a checkpoint");
    (void)changed(NULL, &it);
}

static void
end(void)
{
    IS(rig_close(&rig), 0, "a stop");
    rig_fini(&rig);
    fakecold_free(&cold);
}

static int64_t
put(struct vrv_log *log, size_t size)
{
    return rig_put_batch(&rig, log, &(struct rig_batch){ .size = size });
}

static void
test_changes(void)
{
    begin(true);
    struct vrv_log *log = rig_log(&rig, "t", 0), *other = rig_log(&rig, "u", 1);

    (void)put(log, 400);
    OK(rig_checkpoint(&rig), "a checkpoint");
    none("an append and a checkpoint change nothing");
    rig_pass(&rig, 5000);
    none("nor does time");
    (void)put(log, 400);
    (void)put(log, 400);
    none("a segment that is closed isn't sealed yet");
    OK(rig_checkpoint(&rig) && rig_checkpoint(&rig), "checkpoints");
    only(log, "one that is sealed has changed its log");
    IS(rig_set_start(&rig, log, 1), 0, "records are deleted");
    only(log, "... which is a change");
    IS(vrv_log_drop_local(log, 2, NULL, &rig.e), 0, "some leave this disk");
    none("... which isn't one yet");
    rig_commit(&rig);
    only(log, "... but when it is durable");
    rig_pass(&rig, 2000);
    only(log, "... and when the segment goes");
    IS(rig_alter(&rig, "t", "retention.ms=5"), 0, "a setting");
    only(log, "... is one");
    vrv_log_tell_at(log, vrv_log_traffic(log).bytes + 500);
    (void)put(log, 100);
    none("less than it was to tell");
    (void)put(log, 400);
    only(log, "... or as much");
    (void)put(log, 400);
    none("... which is told once");
    vrv_log_tell_at(log, 1);
    only(log, "what was appended before counts");
    (void)vrv_log_ref(other);
    IS(vrv_engine_delete_topic(rig.eng, "u", &rig.e), 0, "a deletion");
    bool it;
    OK(changed(other, &it) == 2 && it && other->gone, "... is one, of every partition");
    vrv_log_unref(&other);
    end();
}

/* Nobody takes them; the engine's end doesn't mind. */
static void
test_left(void)
{
    begin(true);
    IS(rig_alter(&rig, "t", "retention.ms=5"), 0, "what nobody takes");
    IS(vrv_engine_delete_topic(rig.eng, "t", &rig.e), 0, "... and then is deleted");
    end();
    begin(false);
    IS(rig_alter(&rig, "t", "retention.ms=5"), 0, "without a cold tier");
    none("... nothing is noted");
    end();
}

int
main(void)
{
    test_changes();
    test_left();
    return tap_done();
}
