/* The smallest program that uses libvarve: append records, read them back, follow the log.
 * cc example.c $(pkg-config --cflags --libs varve) */
#include <stdio.h>
#include <string.h>

#include <varve.h>

static int
fail(const char *what, const struct varve_error *e)
{
    fprintf(stderr, "example: %s: %s\n", what, e->message);
    return 1;
}

int
main(int argc, char **argv)
{
    const struct varve_config config[] = { { "retention.ms", "86400000" } };
    struct varve_error e = { 0 };
    struct varve_cursor *c = NULL;
    struct varve *v = NULL;

    if (varve_open(&v, argc > 1 ? argv[1] : "example-data", NULL, NULL, &e) < 0)
        return fail("open", &e);
    int rc = varve_topic_create(v, "greetings", 1, config, 1, &e);
    if (rc < 0 && rc != VARVE_E_EXISTS)
        return fail("create", &e);
    struct varve_log *log = varve_partition(v, "greetings", 0, &e);
    if (log == NULL)
        return fail("partition", &e);

    const struct varve_record hello[] = {
        { .timestamp = -1, .key = "en", .key_len = 2, .value = "hello", .value_len = 5 },
        { .timestamp = -1, .key = "sv", .key_len = 2, .value = "hej", .value_len = 3 },
    };
    int64_t offset;
    if (varve_append(log, hello, 2, &offset, &e) < 0) /* returns when it is on the disk */
        return fail("append", &e);
    printf("appended at offset %lld\n", (long long)offset);

    struct varve_record r;
    if (varve_cursor_open(&c, log, offset, &e) < 0)
        return fail("cursor", &e);
    while ((rc = varve_cursor_next(c, &r, 0, &e)) > 0)
        printf("%lld %.*s=%.*s\n", (long long)r.offset, (int)r.key_len, (const char *)r.key,
            (int)r.value_len, (const char *)r.value);
    varve_cursor_close(&c);
    if (rc < 0)
        return fail("read", &e);
    if (varve_close(&v, &e) < 0)
        return fail("close", &e);
    return 0;
}
