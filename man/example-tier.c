/* A log whose old segments are in a cold tier, here a directory: append records, see them leave this
 * disk, read them back.
 * cc example-tier.c $(pkg-config --cflags --libs varve) */
#include <stdio.h>
#include <time.h>

#include <varve.h>

static int
fail(const char *what, const struct varve_error *e)
{
    fprintf(stderr, "example-tier: %s: %s\n", what, e->message);
    return 1;
}

int
main(int argc, char **argv)
{
    /* to the cold tier with what is sealed, and off this disk at once */
    const struct varve_config config[] = {
        { "remote.storage.enable", "true" },
        { "local.retention.ms", "0" },
    };
    const struct varve_tier_options tier = { .url = argc > 2 ? argv[2] : "file:///tmp/example-cold" };
    const struct timespec moment = { .tv_nsec = 10000000 };
    struct varve_error e = { 0 };
    struct varve_cursor *c = NULL;
    struct varve *v = NULL;

    if (varve_open_tiered(&v, argc > 1 ? argv[1] : "example-data", NULL, &tier, NULL, &e) < 0)
        return fail("open", &e);
    int rc = varve_topic_create(v, "greetings", 1, config, 2, &e);
    if (rc < 0 && rc != VARVE_E_EXISTS)
        return fail("create", &e);
    struct varve_log *log = varve_partition(v, "greetings", 0, &e);
    if (log == NULL)
        return fail("partition", &e);

    struct varve_offsets o;
    int64_t offset = 0;
    for (int i = 0; i < 100; i++) {
        char text[20];
        int n = snprintf(text, sizeof(text), "hello %d", i);
        struct varve_record r = { .timestamp = -1, .value = text, .value_len = (size_t)n };

        if (varve_append(log, &r, 1, &offset, &e) < 0)
            return fail("append", &e);
    }
    varve_roll(log);
    for (varve_offsets_get(log, &o); o.local <= offset; varve_offsets_get(log, &o))
        (void)nanosleep(&moment, NULL);
    printf("offsets %lld to %lld have left this disk\n", (long long)o.start, (long long)o.local - 1);

    struct varve_record r = { 0 };
    int64_t n = 0;
    if (varve_cursor_open(&c, log, o.start, &e) < 0)
        return fail("cursor", &e);
    for (; o.start + n < o.local && (rc = varve_cursor_next(c, &r, -1, &e)) > 0; n++)
        if (r.offset != o.start + n)
            break;
    if (rc < 0 || o.start + n < o.local)
        return fail("read", &e);
    printf("%lld records read from the cold tier, the last one is %.*s\n", (long long)n,
        (int)r.value_len, (const char *)r.value);
    varve_cursor_close(&c);
    if (varve_close(&v, &e) < 0)
        return fail("close", &e);
    return 0;
}
