/* Cursors meet a batch whose checksum is wrong: they say where it is, don't step over it, and give
 * out all that lies before it.  Or a segment whose file is away. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/varve_int.h"
#include "t/lib/tap.h"

enum { BATCHES = 10, BAD = 4, SIZE = 200, PATH_SIZE = 400 };

static struct varve *v;
static struct varve_log *part;

static void
open_it(const char *dir)
{
    struct varve_options o;
    struct varve_error e = { 0 };

    varve_options_init(&o);
    o.wal_bytes = (size_t)4 << 20;
    tap_need(varve_open(&v, dir, &o, NULL, &e), e.message);
}

/* Batches of one record each, in a segment; where it is. */
static void
make(const char *dir, char path[PATH_SIZE])
{
    const struct varve_config config[] = { { "flush.policy", "sync" } };
    char text[SIZE], where[VRV_PATH_MAX];
    int64_t offset;

    memset(text, 'x', sizeof(text));
    open_it(dir);
    IS(varve_topic_create(v, "t", 2, config, 1, NULL), 0, "topic");
    part = varve_partition(v, "t", 1, NULL);
    for (int i = 0; i < BATCHES; i++) {
        const struct varve_record r = { .timestamp = 1, .value = text, .value_len = sizeof(text) };

        if (varve_append(part, &r, 1, &offset, NULL) < 0 || offset != i)
            OK(false, "append %d", i);
    }
    vrv_log_dir(&part->log->id, where);
    (void)snprintf(path, PATH_SIZE, "%s/%s/%020d.log", dir, where, 0);
    IS(varve_close(&v, NULL), 0, "close");
}

static void
damage(const char *path)
{
    FILE *f = fopen(path, "r+b");

    OK(f != NULL, "%s is there", path);
    if (f == NULL)
        return;
    (void)fseek(f, 0, SEEK_END);
    long size = ftell(f) / BATCHES;
    (void)fseek(f, BAD * size + size / 2, SEEK_SET);
    (void)fputc('y', f);
    IS(fclose(f), 0, "damaged");
}

static void
is_damage(int rc, const struct varve_error *e, const char *what)
{
    IS(rc, VARVE_E_CORRUPT, "%s: corrupt", what);
    IS(e->code, VARVE_E_CORRUPT, "%s: the error has the same code", what);
    OK(strncmp(e->message, "topic t, partition 1, offset 4: ", 32) == 0, "%s: %s", what,
        e->message);
}

static void
read_records(void)
{
    struct varve_cursor *c = NULL;
    struct varve_record r;
    struct varve_error e = { 0 };
    int64_t n = 0;
    int rc;

    IS(varve_cursor_open(&c, part, 0, &e), 0, "cursor");
    while ((rc = varve_cursor_next(c, &r, 0, &e)) > 0)
        n = r.offset + 1;
    IS(n, BAD, "records before it");
    is_damage(rc, &e, "a record");
    e = (struct varve_error){ 0 };
    is_damage(varve_cursor_next(c, &r, 0, &e), &e, "again");
    varve_cursor_close(&c);

    IS(varve_cursor_open(&c, part, BAD + 1, &e), 0, "a cursor behind it");
    IS(varve_cursor_next(c, &r, 0, &e), 1, "reads on");
    IS(r.offset, BAD + 1, "from there");
    varve_cursor_close(&c);
}

static void
read_batches(void)
{
    struct varve_cursor *c = NULL;
    struct varve_error e = { 0 };
    const void *bytes;
    size_t n = 0;

    IS(varve_cursor_open(&c, part, 0, &e), 0, "cursor");
    IS(varve_cursor_batches(c, 1 << 20, &bytes, &n, 0, &e), 1, "whole batches come first");
    OK(n > BAD * SIZE && n < (BAD + 1) * (SIZE + 61), "all of them: %zu bytes", n);
    is_damage(varve_cursor_batches(c, 1 << 20, &bytes, &n, 0, &e), &e, "a batch");
    is_damage(varve_cursor_batches(c, 1 << 20, &bytes, &n, 0, &e), &e, "again");
    varve_cursor_close(&c);
}

static void
test_missing(const char *path)
{
    struct varve_cursor *c = NULL;
    struct varve_record r;
    struct varve_error e = { 0 };

    IS(remove(path), 0, "the file is away");
    IS(varve_cursor_open(&c, part, 0, &e), 0, "cursor");
    IS(varve_cursor_next(c, &r, 0, &e), VARVE_E_FOREIGN, "missing, not deleted: %s", e.message);
    IS(e.code, VARVE_E_FOREIGN, "the error has the same code");
    varve_cursor_close(&c);
}

int
main(void)
{
    char dir[200], path[PATH_SIZE];

    (void)snprintf(dir, sizeof(dir), "%s/data", tap_dir());
    make(dir, path);
    damage(path);
    open_it(dir);
    part = varve_partition(v, "t", 1, NULL);
    read_records();
    read_batches();
    IS(varve_close(&v, NULL), 0, "close");
    open_it(dir);
    part = varve_partition(v, "t", 1, NULL);
    test_missing(path);
    IS(varve_close(&v, NULL), 0, "close");
    return tap_done();
}
