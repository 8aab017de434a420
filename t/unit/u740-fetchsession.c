/* Fetch sessions: whose turn it is, what they remember, and how many. */
#include "server/api/fetch_session.h"

#include <string.h>

#include "engine/meta/catalog.h"
#include "t/lib/tap.h"

static struct vrv_fetch_want
want(const char *topic, int32_t partition, int64_t offset)
{
    return (struct vrv_fetch_want){ .name = vrv_str(topic), .partition = partition,
        .offset = offset, .max_bytes = 100 };
}

static void
test_epochs(void)
{
    struct vrv_fetch_sessions all;
    struct vrv_fetch_session *s, *again;
    struct vrv_fetch_want w = want("t", 0, 5);

    vrv_fetch_sessions_init(&all, 2, 1);
    s = vrv_fetch_session_new(&all, false, 0);
    OK(s != NULL && s->id > 0, "a session");
    OK(vrv_fetch_session_want(&all, s, &w), "wants a partition");
    int32_t id = s->id;
    IS(vrv_fetch_session_take(&all, id, 1, false, &again), VRV_K_INVALID_FETCH_SESSION_EPOCH,
        "serves one fetch at a time");
    vrv_fetch_session_put(&all, s, 0);
    IS(vrv_fetch_session_take(&all, id, 2, false, &again), VRV_K_INVALID_FETCH_SESSION_EPOCH,
        "the next epoch is 1, not 2");
    IS(vrv_fetch_session_take(&all, id, 1, true, &again), VRV_K_FETCH_SESSION_TOPIC_ID_ERROR,
        "names stay names");
    IS(vrv_fetch_session_take(&all, id + 1, 1, false, &again),
        VRV_K_FETCH_SESSION_ID_NOT_FOUND, "an unknown id");
    IS(vrv_fetch_session_take(&all, id, 1, false, &again), VRV_K_NONE, "its turn");
    OK(again == s && s->wants.n == 1, "it is the same, and remembers");
    vrv_fetch_session_forget(&all, s, &w.id, w.name, 0);
    vrv_fetch_session_put(&all, s, 0);
    IS(vrv_fetch_sessions_count(&all), 0, "it ends when it wants nothing");
    vrv_fetch_sessions_fini(&all);
}

static void
test_bounds(void)
{
    struct vrv_fetch_sessions all;
    struct vrv_fetch_want w = want("t", 0, 5);
    char name[VRV_TOPIC_NAME_MAX + 2] = "";

    vrv_fetch_sessions_init(&all, 1, 1);
    struct vrv_fetch_session *s = vrv_fetch_session_new(&all, false, 0);
    (void)vrv_fetch_session_want(&all, s, &w);
    vrv_fetch_session_put(&all, s, 1000);
    OK(vrv_fetch_session_new(&all, false, 2000) == NULL, "no place for another");
    struct vrv_fetch_session *t = vrv_fetch_session_new(&all, false, 200000);
    OK(t != NULL, "... until the first was idle for two minutes");
    memset(name, 'x', VRV_TOPIC_NAME_MAX + 1);
    w = want(name, 0, 5);
    OK(!vrv_fetch_session_want(&all, t, &w), "names that are too long for a topic aren't kept");
    w.name.n--;
    OK(vrv_fetch_session_want(&all, t, &w), "... others are");
    vrv_fetch_session_drop(&all, t);
    vrv_fetch_sessions_fini(&all);
}

/* A client that still has an id of the server's last life must not get somebody else's session. */
static void
test_lives(void)
{
    struct vrv_fetch_sessions a, b;
    bool same = false;

    vrv_fetch_sessions_init(&a, 100, 1);
    vrv_fetch_sessions_init(&b, 100, 2);
    for (int i = 0; i < 100; i++) {
        struct vrv_fetch_session *s = vrv_fetch_session_new(&a, false, 0);
        struct vrv_fetch_session *t = vrv_fetch_session_new(&b, false, 0);

        same |= s->id == t->id;
        s->busy = t->busy = false;
    }
    OK(!same, "two lives give out different ids");
    vrv_fetch_sessions_fini(&a);
    vrv_fetch_sessions_fini(&b);
}

int
main(void)
{
    test_epochs();
    test_bounds();
    test_lives();
    return tap_done();
}
