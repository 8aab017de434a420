#include "server/tool/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/mem.h"

enum { CHUNK = 65536, IDLE_MS = 100 };

void
input_init(struct input *in)
{
    in->fd = -1;
    in->name = NULL;
    in->line = in->read = 0;
    in->buf = NULL;
    in->from = in->to = in->cap = 0;
    in->ended = in->stopped = false;
}

static void
close_file(struct input *in)
{
    if (in->fd > STDIN_FILENO)
        (void)close(in->fd);
    in->fd = -1;
}

void
input_fini(struct input *in)
{
    close_file(in);
    free(in->buf);
    in->buf = NULL;
}

uint64_t
input_total(const struct input *in)
{
    uint64_t total = 0;
    struct stat st;

    if (in->files[0] == NULL)
        return fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    for (char **f = in->files; *f != NULL; f++) {
        if (stat(*f, &st) < 0 || !S_ISREG(st.st_mode))
            return 0;
        total += (uint64_t)st.st_size;
    }
    return total;
}

/* 1, or 0 when there is no further one. */
static int
next_file(struct input *in, struct vrv_err *e)
{
    if (in->ended)
        return 0;
    if (in->files[0] == NULL || strcmp(in->files[0], "-") == 0) {
        in->fd = STDIN_FILENO;
        in->name = "standard input";
    } else {
        in->name = in->files[0];
        in->fd = open(in->name, O_RDONLY | O_CLOEXEC);
        if (in->fd < 0)
            return vrv_err_sys(e, "%.120s can't be read", in->name);
    }
    if (in->files[0] != NULL)
        in->files++;
    in->ended = in->files[0] == NULL;
    in->line = 0;
    return 1;
}

/* Room behind what is there, which moves to the front. */
static void
make_room(struct input *in, size_t want)
{
    if (in->from > 0 && in->from < in->to)
        memmove(in->buf, in->buf + in->from, in->to - in->from);
    in->to -= in->from;
    in->from = 0;
    if (in->cap < in->to + want + 1) {
        in->cap = 2 * (in->to + want) + 1;
        in->buf = vrv_mem_grow(in->buf, in->cap);
    }
}

/* More bytes behind those there: 1, or 0 at the end of the file. */
static int
fill(struct input *in, struct vrv_err *e)
{
    struct pollfd pfd = { .fd = in->fd, .events = POLLIN };
    ssize_t got = 0;

    make_room(in, CHUNK);
    for (;;) {
        in->stopped = in->idle(in->ctx);
        if (in->stopped)
            return 0;
        if (poll(&pfd, 1, IDLE_MS) <= 0)
            continue;
        got = read(in->fd, in->buf + in->to, CHUNK);
        if (got >= 0)
            break;
        if (errno != EINTR && errno != EAGAIN)
            return vrv_err_sys(e, "%.120s can't be read", in->name);
    }
    in->to += (size_t)got;
    in->read += (uint64_t)got;
    return got > 0;
}

/* Drop what is left of a line that is too long. */
static int
skip_line(struct input *in, struct vrv_err *e)
{
    char *feed;
    int rc;

    while ((feed = memchr(in->buf + in->from, '\n', in->to - in->from)) == NULL) {
        in->from = in->to;
        rc = fill(in, e);
        if (rc <= 0)
            return rc;
    }
    in->from = (size_t)(feed + 1 - in->buf);
    return 0;
}

static int
too_long(struct input *in, struct vrv_err *e)
{
    int rc = skip_line(in, e);

    return rc < 0 ? rc : vrv_err_set(e, VRV_E_TOO_LARGE,
        "the record is longer than message.max.bytes, %zu; raise it with -p", in->limit);
}

/* The line at `from` whose line feed, or end, is at `end`. */
static int
take_line(struct input *in, size_t end, char **line, size_t *n)
{
    *line = in->buf + in->from;
    *n = end - in->from;
    in->from = end < in->to ? end + 1 : end;
    return 1;
}

int
input_line(struct input *in, char **line, size_t *n, struct vrv_err *e)
{
    size_t seen = 0; /* of the line, without a line feed in it */
    int rc;

    for (;;) {
        if (in->fd < 0 && (rc = next_file(in, e)) <= 0)
            return rc;
        char *feed = in->to > in->from + seen
                         ? memchr(in->buf + in->from + seen, '\n', in->to - in->from - seen)
                         : NULL;
        seen = feed != NULL ? (size_t)(feed - in->buf) - in->from : in->to - in->from;
        if (feed != NULL || seen > in->limit)
            in->line++;
        if (seen > in->limit)
            return too_long(in, e);
        if (feed != NULL)
            return take_line(in, in->from + seen, line, n);
        rc = fill(in, e);
        if (rc < 0 || in->stopped)
            return rc;
        if (rc == 0) {
            close_file(in);
            if (in->to > in->from) {
                in->line++;
                return take_line(in, in->to, line, n);
            }
        }
    }
}

int
input_bytes(struct input *in, size_t n, char **p, struct vrv_err *e)
{
    int rc;

    if (n > in->limit)
        return vrv_err_set(e, VRV_E_TOO_LARGE,
            "%.100s: a record of %zu bytes is longer than message.max.bytes, %zu; raise it with -p",
            in->name, n, in->limit);
    while (in->to - in->from < n) {
        if (in->fd < 0 && (rc = next_file(in, e)) <= 0)
            return rc;
        rc = fill(in, e);
        if (rc < 0 || in->stopped)
            return rc;
        if (rc > 0)
            continue;
        close_file(in);
        if (in->to > in->from)
            return vrv_err_set(e, VRV_E_CORRUPT, "%.100s ends amid a record", in->name);
    }
    *p = in->buf + in->from;
    in->from += n;
    return 1;
}
